/* The cost of a layer, by its rule. */
#include "net/cost.h"

#include "net/rule.h"

rs_layer_cost rs_net_cost(const rs_net *net, int index)
{
    const rs_layer *layer = &net->layers[index];
    rs_layer_cost cost = { 0, 0, 0 };
    for (int p = 0; p < layer->n_params; p++)
        if (!layer->params[p].shared)
            cost.params += rs_shape_count(&layer->params[p].shape, 0);
    for (int t = 0; t < layer->n_tops; t++)
        if (layer->n_bottoms == 0 || layer->tops[t] != layer->bottoms[0])
            cost.outputs += rs_net_blob_values(net, layer->tops[t]);

    if (rs_layer_rule_of(layer->type)->macs != NULL)
        cost.macs = rs_layer_rule_of(layer->type)->macs(net, layer);
    return cost;
}
