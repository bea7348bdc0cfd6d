/* What the search decides, as one object. */
#include "qnet/formats.h"

const char *rs_group_name(rs_group group)
{
    static const char *const names[RS_GROUPS] = { "convolution", "inner_product", "activations" };
    return (unsigned)group < RS_GROUPS ? names[group] : "?";
}

rs_group rs_layer_group(const rs_layer *layer)
{
    return layer->type == RS_LAYER_CONVOLUTION     ? RS_GROUP_CONVOLUTION
           : layer->type == RS_LAYER_INNER_PRODUCT ? RS_GROUP_INNER_PRODUCT
                                                   : RS_GROUPS;
}

rs_status rs_formats_new(const rs_net *net, rs_formats **formats, rs_diag *diag)
{
    *formats = NULL;
    const size_t layers = (size_t)net->n_layers, blobs = (size_t)net->n_blobs;
    rs_formats *f = RS_NEW(rs_formats);
    bool ok = f != NULL;
    if (ok) {
        f->n_layers = net->n_layers;
        f->n_blobs = net->n_blobs;
        f->weights = RS_NEW_ARRAY(rs_number_format, layers);
        f->activations = RS_NEW_ARRAY(rs_number_format, blobs);
        f->is_unsigned = RS_NEW_ARRAY(bool, blobs);
        f->weight_fl = RS_NEW_ARRAY(int *, layers);
        f->wanted_fl = RS_NEW_ARRAY(int *, layers);
        f->bias = RS_NEW_ARRAY(float *, layers);
        f->rounded = RS_NEW_ARRAY(float *, layers);
        ok = f->weights != NULL && f->activations != NULL && f->is_unsigned != NULL && f->weight_fl != NULL &&
             f->wanted_fl != NULL && f->bias != NULL && f->rounded != NULL;
    }
    if (!ok) {
        rs_formats_free(f);
        return rs_out_of_memory(diag);
    }
    *formats = f;
    return RS_OK;
}

void rs_formats_free(rs_formats *formats)
{
    if (formats == NULL)
        return;
    for (int i = 0; i < formats->n_layers; i++) {
        if (formats->weight_fl != NULL)
            rs_free(formats->weight_fl[i]);
        if (formats->wanted_fl != NULL)
            rs_free(formats->wanted_fl[i]);
        if (formats->bias != NULL)
            rs_free(formats->bias[i]);
        if (formats->rounded != NULL)
            rs_free(formats->rounded[i]);
    }
    rs_free(formats->weights);
    rs_free(formats->activations);
    rs_free(formats->is_unsigned);
    rs_free(formats->weight_fl);
    rs_free(formats->wanted_fl);
    rs_free(formats->bias);
    rs_free(formats->rounded);
    rs_free(formats);
}

int rs_scores_layer(const rs_net *net, const rs_formats *formats)
{
    const int scores = rs_net_scores(net);
    for (int i = 0; i < net->n_layers && scores >= 0; i++)
        if (net->layers[i].n_tops == 1 && net->layers[i].tops[0] == scores)
            return rs_layer_group(&net->layers[i]) != RS_GROUPS && net->layers[i].n_params == 2 &&
                           formats->activations[scores].bits > 0
                       ? i
                       : -1;
    return -1;
}
