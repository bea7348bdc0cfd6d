/* Input: blobs that are given from outside. A data layer's are images and, as a second top, their labels. */
#include "layers/layer.h"

/* The shape that a data layer says of itself: cropped or resized images, whose channels the color or the means tell. */
static rs_shape shape_of_images(const rs_data_param *d)
{
    const int64_t height = d->crop_size > 0 ? d->crop_size : d->new_height;
    const int64_t width = d->crop_size > 0 ? d->crop_size : d->new_width;
    const int64_t channels = d->color == RS_COLOR_BGR    ? 3
                             : d->color == RS_COLOR_GRAY ? 1
                             : d->n_mean > 1             ? d->n_mean
                                                         : 0;
    if (height == 0 || width == 0 || channels == 0)
        return (rs_shape) { 0, { 0 } };
    return (rs_shape) { 4, { d->batch_size, channels, height, width } };
}

static rs_status shape(rs_net *net, rs_layer *layer, const rs_shape *in, rs_shape *out, rs_diag *diag)
{
    (void)in;
    bool is_data = layer->data.batch_size > 0; /* images and, as a second top, their labels */
    if (out->n_axes == 0 && is_data)
        *out = shape_of_images(&layer->data);
    if (out->n_axes == 0)
        return rs_error(diag, RS_BAD_INPUT, layer->loc,
                        is_data ? "the images of a data set give it one, or --input CHANNELSxHEIGHTxWIDTH"
                                : "--input CHANNELSxHEIGHTxWIDTH gives it one",
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
