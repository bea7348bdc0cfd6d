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
        f->weights = RS_NEW_ARRAY(rs_fxp, layers);
        f->activations = RS_NEW_ARRAY(rs_fxp, blobs);
        f->is_unsigned = RS_NEW_ARRAY(bool, blobs);
        f->weight_fl = RS_NEW_ARRAY(int *, layers);
        f->weight_number = RS_NEW_ARRAY(rs_number, layers);
        f->activation_number = RS_NEW_ARRAY(rs_number, blobs);
        f->weight_minifloat = RS_NEW_ARRAY(rs_minifloat, layers);
        f->activation_minifloat = RS_NEW_ARRAY(rs_minifloat, blobs);
        f->weight_power2 = RS_NEW_ARRAY(rs_power2, layers);
        f->bias = RS_NEW_ARRAY(float *, layers);
        f->rounded = RS_NEW_ARRAY(float *, layers);
        ok = f->weights != NULL && f->activations != NULL && f->is_unsigned != NULL && f->weight_fl != NULL &&
             f->weight_number != NULL && f->activation_number != NULL && f->weight_minifloat != NULL &&
             f->activation_minifloat != NULL && f->weight_power2 != NULL && f->bias != NULL && f->rounded != NULL;
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
        if (formats->bias != NULL)
            rs_free(formats->bias[i]);
        if (formats->rounded != NULL)
            rs_free(formats->rounded[i]);
    }
    rs_free(formats->weights);
    rs_free(formats->activations);
    rs_free(formats->is_unsigned);
    rs_free(formats->weight_fl);
    rs_free(formats->weight_number);
    rs_free(formats->activation_number);
    rs_free(formats->weight_minifloat);
    rs_free(formats->activation_minifloat);
    rs_free(formats->weight_power2);
    rs_free(formats->bias);
    rs_free(formats->rounded);
    rs_free(formats);
}

rs_number_format rs_formats_weight(const rs_formats *f, int layer)
{
    return (rs_number_format) { f->weight_number[layer], f->weights[layer], f->weight_minifloat[layer],
                                f->weight_power2[layer] };
}

rs_number_format rs_formats_activation(const rs_formats *f, int blob)
{
    return (rs_number_format) { .number = f->activation_number[blob],
                                .fixed = f->activations[blob],
                                .minifloat = f->activation_minifloat[blob] };
}

void rs_formats_set_weight(rs_formats *f, int layer, rs_number_format format)
{
    f->weight_number[layer] = format.number;
    f->weights[layer] = format.fixed;
    f->weight_minifloat[layer] = format.minifloat;
    f->weight_power2[layer] = format.power2;
}

void rs_formats_set_activation(rs_formats *f, int blob, rs_number_format format)
{
    f->activation_number[blob] = format.number;
    f->activations[blob] = format.fixed;
    f->activation_minifloat[blob] = format.minifloat;
}
