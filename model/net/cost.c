#include "net/cost.h"

/* Values of a blob for one image. */
static int64_t per_image(const rs_net *net, int blob)
{
    const rs_shape *shape = &net->blobs[blob].shape;
    return shape->n_axes == 0 ? 1 : rs_shape_count(shape, 1);
}

rs_layer_cost rs_net_cost(const rs_net *net, int index)
{
    const rs_layer *layer = &net->layers[index];
    rs_layer_cost cost = { 0, 0, 0 };
    for (int p = 0; p < layer->n_params; p++)
        if (!layer->params[p].shared)
            cost.params += rs_shape_count(&layer->params[p].shape, 0);
    for (int t = 0; t < layer->n_tops; t++)
        if (layer->n_bottoms == 0 || layer->tops[t] != layer->bottoms[0])
            cost.outputs += per_image(net, layer->tops[t]);

    const rs_shape *weights = &layer->params[0].shape;
    switch (layer->type) {
    case RS_LAYER_CONVOLUTION: /* every output value is the sum of one filter's products */
        cost.macs = per_image(net, layer->tops[0]) * rs_shape_count(weights, 1);
        break;
    case RS_LAYER_DECONVOLUTION: /* every input value is multiplied with one filter */
        cost.macs = per_image(net, layer->bottoms[0]) * rs_shape_count(weights, 1);
        break;
    case RS_LAYER_INNER_PRODUCT:
        cost.macs = rs_shape_count(weights, 0);
        break;
    default:
        break;
    }
    return cost;
}
