/* A net made ready: for its data, and from another net. */
#include <string.h>

#include "train/score.h"

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
