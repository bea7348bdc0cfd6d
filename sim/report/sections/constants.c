/* What became of a network's weights and biases as integers: no constant saturates in silence. */
#include "report/sections/constants.h"

#include "report/sections/pack.h"

/* Adds how many of the `all` constants of a kind clip, if any does. */
static json_t *with_clipped(json_t *object, const char *clipped_key, int64_t clipped, const char *all_key, int64_t all)
{
    if (clipped == 0)
        return object;
    return rs_pack_with(rs_pack_with(object, clipped_key, json_integer((json_int_t)clipped)), all_key,
                        json_integer((json_int_t)all));
}

static json_t *with_coarser(json_t *object, const rs_net *net, const rs_formats *formats, int layer)
{
    int channels;
    const int by = rs_formats_coarser(net, formats, layer, &channels);
    if (by == 0)
        return object;
    object = rs_pack_with(object, "coarser_bits", json_integer(by));
    if (formats->weight_fl[layer] != NULL)
        return rs_pack_with(object, "coarser_channels", json_integer(channels));
    object = rs_pack_with(object, "wanted_fl", json_integer(formats->wanted_fl[layer][0]));
    return rs_pack_with(object, "fl", json_integer(formats->weights[layer].fl));
}

json_t *rs_pack_constants(json_t *section, const rs_net *net, const rs_formats *formats, const rs_qnet *qnet)
{
    json_t *list = json_array();
    bool failed = false;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        const int layer = rs_net_layer(net, op->name), outputs = qnet->tensors[op->output].channels;
        if (!rs_qop_weighted(op) || layer < 0)
            continue;
        json_t *entry = with_clipped(json_object(), "clipped_weights", op->clipped_weights, "weights",
                                     rs_qop_terms(qnet, op) * outputs);
        entry = with_clipped(entry, "clipped_biases", op->clipped_biases, "biases", outputs);
        entry = with_coarser(entry, net, formats, layer);
        if (entry != NULL && json_object_size(entry) == 0)
            json_decref(entry);
        else
            rs_pack_append(list, rs_pack_with(entry, "name", json_string(op->name)), &failed);
    }
    list = rs_pack_array(list, failed);
    if (list == NULL) {
        json_decref(section);
        return NULL;
    }
    if (json_array_size(list) > 0)
        return rs_pack_with(section, "constants", list);
    json_decref(list);
    return section;
}

json_t *rs_pack_scored(const rs_net *net)
{
    const int scores = rs_net_scores(net);
    return json_string(scores >= 0 ? net->blobs[scores].name : "");
}
