/* The float network and the images of a run. */
#include "flow/load.h"

#include "import/import.h"
#include "train/score.h"

rs_status rs_stage_load(const char *model, const char *weights, const rs_dataset *set, const rs_data_override *over,
                        rs_net **result, rs_diag *diag)
{
    *result = NULL;
    rs_net *net = NULL;
    int layer = 0;
    /* Where an ONNX model leaves the size open, it is that of the images; a batch of 0 says so. */
    rs_data_param as_given = { .scale = 1.0f };
    rs_status status = over != NULL ? rs_data_override_apply(over, &as_given, diag) : RS_OK;
    rs_shape images = status == RS_OK ? rs_dataset_shape(set, &as_given, 1) : (rs_shape) { 0 };
    images.dim[0] = 0;
    rs_free(as_given.mean_file);
    if (status == RS_OK)
        status = rs_import_net(model, NULL, &images, &net, diag);
    if (status == RS_OK)
        status = rs_fit_data(net, set, over, 1, &layer, diag);
    if (status == RS_OK)
        status = rs_import_weights(model, weights, net, diag);
    if (status == RS_OK)
        status = rs_net_fold(net, diag);
    if (status != RS_OK) {
        rs_net_free(net);
        return status;
    }
    *result = net;
    return RS_OK;
}

rs_status rs_stage_hold(const rs_net *net, rs_dataset **set, rs_diag *diag)
{
    int layer = 0;
    const rs_status status = rs_data_layer(net, &layer, diag);
    return status == RS_OK ? rs_dataset_hold(set, &net->layers[layer].data, RS_HELD_MAX_BYTES, diag) : status;
}

rs_status rs_slice_resolve(rs_slice *slice, const rs_dataset *set, const char *what, rs_status wrong, rs_diag *diag)
{
    const int64_t wanted = slice->count > 0 ? slice->count : 1;
    const int64_t last = slice->first > INT64_MAX - wanted ? INT64_MAX : slice->first + wanted - 1;
    if (slice->first >= set->count || slice->count > set->count - slice->first)
        return rs_error(diag, wrong, RS_FILE(set->path), NULL,
                        "%s: images %lld to %lld are not there, the data set has %lld", what, (long long)slice->first,
                        (long long)last, (long long)set->count);
    if (slice->count == 0)
        slice->count = set->count - slice->first;
    return RS_OK;
}

rs_status rs_stage_images(const rs_qnet *qnet, const rs_dataset *set, rs_slice slice, const rs_data_override *over,
                          uint64_t max_bytes, rs_dataset **images, rs_diag *diag)
{
    const rs_qtensor *in = &qnet->tensors[0];
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    rs_data_param param = { .scale = 1.0f };
    rs_status status = over != NULL ? rs_data_override_apply(over, &param, diag) : RS_OK;
    const rs_shape whole = rs_dataset_shape(set, &param, 1);
    if (in->height == in->width && in->height <= whole.dim[2] && in->width <= whole.dim[3])
        param.crop_size = in->height;
    const rs_shape shape = rs_dataset_shape(set, &param, 1);
    if (status == RS_OK && (in->channels != shape.dim[1] || in->height != shape.dim[2] || in->width != shape.dim[3]))
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                          "the images are %lldx%lldx%lld, but the net '%s' takes %dx%dx%d", (long long)whole.dim[1],
                          (long long)whole.dim[2], (long long)whole.dim[3], qnet->name, in->channels, in->height,
                          in->width);
    return status == RS_OK ? rs_dataset_prepare(&part, &param, max_bytes, images, diag) : status;
}
