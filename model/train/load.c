/* A net made ready: its data layer and labels, for its data, and from another net. */
#include <string.h>

#include "train/score.h"

rs_status rs_data_layer(const rs_net *net, int *layer, rs_diag *diag)
{
    const int input = rs_net_input(net);
    for (int i = 0; i < net->n_layers; i++)
        for (int t = 0; t < net->layers[i].n_tops && net->layers[i].type == RS_LAYER_INPUT; t++)
            if (net->layers[i].tops[t] == input) {
                *layer = i;
                return RS_OK;
            }
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the net has no data layer");
}

int rs_label_blob(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_ACCURACY || net->layers[i].type == RS_LAYER_SOFTMAX_LOSS)
            return net->layers[i].bottoms[1];
    return -1;
}

rs_status rs_check_data(const rs_net *net, int layer, const rs_dataset *set, const rs_data_param *transform,
                        rs_diag *diag)
{
    const rs_status st = rs_dataset_check(set, transform, net->layers[layer].loc, diag);
    if (st != RS_OK)
        return st;
    const rs_shape *in = &net->blobs[rs_net_input(net)].shape, images = rs_dataset_shape(set, transform, in->dim[0]);
    char wanted[96], given[96];
    if (!rs_shape_equal(in, &images))
        return rs_error(
            diag, RS_BAD_INPUT, net->layers[layer].loc, NULL, "the net takes images of %s, but those of '%s' make %s",
            rs_shape_text(in, wanted, sizeof wanted), set->path, rs_shape_text(&images, given, sizeof given));
    if (set->count < 1)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL, "the data set holds no images");
    const int scores = rs_net_scores(net);
    const int64_t classes = scores < 0 ? -1 : rs_shape_count(&net->blobs[scores].shape, 1);
    int32_t first = 1;
    for (int64_t i = 0; i < set->count; i++)
        first = set->labels[i] < first ? set->labels[i] : first;
    if (classes >= 0 && set->classes > classes)
        return rs_error(diag, RS_BAD_INPUT, net->layers[layer].loc,
                        first > 0 ? "no label is 0: labels count from 0 on"
                                  : "take the data set that the net was trained for",
                        "'%s' has labels up to %d, but the net scores only %lld classes", set->path, set->classes - 1,
                        (long long)classes);
    return RS_OK;
}

rs_status rs_fit_data(rs_net *net, const rs_dataset *set, const rs_data_override *over, int64_t batch, int *layer,
                      rs_diag *diag)
{
    rs_status st = rs_data_layer(net, layer, diag);
    if (st != RS_OK)
        return st;
    rs_layer *l = &net->layers[*layer];
    rs_data_param *d = &l->data;
    st = over != NULL ? rs_data_override_apply(over, d, diag) : RS_OK;
    if (st != RS_OK)
        return st;
    if (d->source == NULL && d->scale == 1.0f && d->n_mean == 0 && d->mean_file == NULL)
        rs_warn(diag, l->loc, "--mean, --mean-file and --scale say how it was trained",
                "the net does not say how pixels become inputs: they are taken as they are, 0 to 255");
    /* An Input layer says nothing of cropping, but how large an image is. */
    const rs_shape *in = &net->blobs[rs_net_input(net)].shape, images = rs_dataset_shape(set, d, 1);
    if (d->source == NULL && d->crop_size == 0 && in->n_axes == 4 && in->dim[2] == in->dim[3] && in->dim[2] > 0 &&
        in->dim[2] <= images.dim[2] && in->dim[3] <= images.dim[3] && !rs_shape_equal(in, &images))
        d->crop_size = in->dim[2];
    st = rs_data_load_mean(d, net->path, l->loc, diag);
    if (st == RS_OK)
        st = rs_dataset_check(set, d, l->loc, diag);
    const rs_shape input = rs_dataset_shape(set, d, batch);
    if (st == RS_OK)
        st = rs_net_infer_shapes(net, &input, diag);
    return st;
}

rs_status rs_copy_weights(const rs_net *from, rs_net *to, rs_diag *diag)
{
    for (int i = 0; i < to->n_layers; i++) {
        rs_layer *layer = &to->layers[i];
        const int other = rs_net_layer(from, layer->name);
        for (int p = 0; p < layer->n_params; p++) {
            const rs_layer *l = other < 0 ? NULL : &from->layers[other];
            if (l == NULL || p >= l->n_params || !rs_shape_equal(&l->params[p].shape, &layer->params[p].shape))
                return rs_error(diag, RS_BAD_INPUT, layer->loc, NULL,
                                "layer '%s' of the test net has parameters that the training net does not have",
                                layer->name);
            memcpy(layer->params[p].data, l->params[p].data,
                   (size_t)rs_shape_count(&layer->params[p].shape, 0) * sizeof(float));
        }
    }
    return RS_OK;
}
