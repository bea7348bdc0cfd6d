/* Input: blobs that are given from outside. A data layer's are images and, as a second top, their labels. */
#include "layers/layer.h"

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)in;
    bool is_data = layer->data.batch_size > 0; /* images and, as a second top, their labels */
    if (out->n_axes == 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc,
                        is_data ? "the images of a data set give a data layer its shape: name one" : NULL,
                        "layer '%s' gives no shape for its top '%s'", layer->name, net->blobs[layer->tops[0]].name);
    if (is_data && layer->n_tops == 2)
        net->blobs[layer->tops[1]].shape = (rs_shape) { 1, { out->dim[0] } };
    for (int i = 1; i < layer->n_tops; i++)
        if (net->blobs[layer->tops[i]].shape.n_axes == 0)
            return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL, "layer '%s' gives no shape for its top '%s'",
                            layer->name, net->blobs[layer->tops[i]].name);
    return RS_OK;
}

static void clear(rs_layer *layer)
{
    rs_free(layer->data.source);
    rs_free(layer->data.root_folder);
    rs_free(layer->data.mean_file);
    rs_free(layer->data.mean_image);
}

const rs_layer_rule rs_input_layer = {
    .name = "Input",
    .bottoms = { 0, 0 },
    .tops = { 1, RS_ANY },
    .shape = shape,
    .clear = clear,
};
