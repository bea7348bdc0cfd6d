#include <math.h>
#include <string.h>

#include "quant/quantize_emulate.h"

#include "base/progress.h"

/* How many bits finer than the layer's the format of a channel's weights may be. */
enum { CHANNEL_REACH = 7 };

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

/* ------------------------------------------------------------------------------------------------------------ ranges */

void rs_ranges_free(rs_ranges *ranges)
{
    if (ranges == NULL)
        return;
    rs_free(ranges->weight_max);
    rs_free(ranges->blob_min);
    rs_free(ranges->blob_max);
    rs_free(ranges);
}

static rs_ranges *ranges_new(const rs_net *net)
{
    rs_ranges *r = RS_NEW(rs_ranges);
    if (r == NULL)
        return NULL;
    r->n_layers = net->n_layers;
    r->n_blobs = net->n_blobs;
    r->weight_max = RS_NEW_ARRAY(double, (size_t)net->n_layers);
    r->blob_min = RS_NEW_ARRAY(double, (size_t)net->n_blobs);
    r->blob_max = RS_NEW_ARRAY(double, (size_t)net->n_blobs);
    if (r->weight_max != NULL && r->blob_min != NULL && r->blob_max != NULL)
        return r;
    rs_ranges_free(r);
    return NULL;
}

static rs_status measure_weights(const rs_net *net, rs_ranges *ranges, rs_diag *diag)
{
    rs_status st = RS_OK;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        for (int p = 0; rs_layer_group(layer) != RS_GROUPS && p < layer->n_params; p++) {
            const int64_t n = rs_shape_count(&layer->params[p].shape, 0);
            double most = 0;
            bool finite = true;
            for (int64_t k = 0; k < n; k++) {
                const double x = fabs((double)layer->params[p].data[k]);
                finite = finite && isfinite(x);
                most = x > most ? x : most;
            }
            if (!finite)
                st = rs_error(diag, RS_BAD_INPUT, layer->loc, "train again with a lower learning rate, or take another snapshot",
                              "layer '%s': its %s hold NaN or infinity, expected finite numbers", layer->name,
                              p == 0 ? "weights" : "biases");
            if (p == 0)
                ranges->weight_max[i] = most;
        }
    }
    return st;
}

static rs_status measure_blobs(const rs_net *net, const rs_plan *plan, rs_emulator *emulator, const rs_dataset *set, int64_t images,
                               rs_ranges *ranges, rs_diag *diag)
{
    rs_extremes *extremes = RS_NEW_ARRAY(rs_extremes, (size_t)net->n_blobs);
    if (extremes == NULL)
        return rs_out_of_memory(diag);
    for (int b = 0; b < net->n_blobs; b++)
        extremes[b] = (rs_extremes){ INT32_MAX, INT32_MIN };
    const int64_t batch = rs_emulator_batch(emulator);
    rs_progress *progress = rs_progress_begin("ranges", (uint64_t)images, "images");
    rs_status st = RS_OK;
    for (int64_t first = 0; first < images && st == RS_OK; first += batch) {
        if (rs_interrupted()) {
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while activations were measured");
            break;
        }
        rs_emulator_load(emulator, set, first, images - first < batch ? images - first : batch);
        st = rs_emulator_measure(emulator, extremes, diag);
        rs_progress_update(progress, (uint64_t)(first + batch < images ? first + batch : images), NULL);
    }
    rs_progress_end(progress);
    for (int b = 0; b < net->n_blobs && st == RS_OK; b++) {
        if (plan->format_class[b] < 0 || extremes[b].min > extremes[b].max)
            continue;
        const double low = (double)rs_float_of_key(extremes[b].min), high = (double)rs_float_of_key(extremes[b].max);
        if (!isfinite(low) || !isfinite(high)) {
            st = rs_error(diag, RS_BAD_INPUT, plan->last_writer[b] >= 0 ? net->layers[plan->last_writer[b]].loc : RS_FILE(set->path),
                          "the weights may not belong to this net, or the images may need another scale",
                          "blob '%s': its values run to %g and %g over %lld images, expected finite numbers", net->blobs[b].name, low,
                          high, (long long)images);
        }
        ranges->blob_min[b] = low;
        ranges->blob_max[b] = high;
    }
    rs_free(extremes);
    return st;
}

rs_status rs_ranges_measure(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                            rs_ranges **ranges, rs_diag *diag)
{
    *ranges = NULL;
    rs_plan *plan = NULL;
    rs_emulator *emulator = NULL;
    rs_ranges *r = ranges_new(net);
    rs_status st = r != NULL ? RS_OK : rs_out_of_memory(diag);
    images = images <= 0 || images > set->count ? set->count : images;
    if (st == RS_OK)
        st = rs_plan_new(net, &plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(plan, net, set, diag);
    if (st == RS_OK)
        st = measure_weights(net, r, diag);
    if (st == RS_OK)
        st = rs_emulator_new(net, plan, data, images, &emulator, diag);
    if (st == RS_OK)
        st = measure_blobs(net, plan, emulator, set, images, r, diag);
    if (st == RS_OK) {
        *ranges = r;
        r = NULL;
    }
    rs_emulator_free(emulator);
    rs_plan_free(plan);
    rs_ranges_free(r);
    return st;
}

/* ----------------------------------------------------------------------------------------------------------- formats */

rs_status rs_formats_choose(const rs_net *net, const rs_ranges *ranges, const int bits[RS_GROUPS], rs_formats **formats,
                            rs_diag *diag)
{
    *formats = NULL;
    rs_plan *plan = NULL;
    rs_formats *f = NULL;
    rs_status st = rs_plan_new(net, &plan, diag);
    if (st == RS_OK)
        st = rs_formats_new(net, &f, diag);
    double *largest = RS_NEW_ARRAY(double, (size_t)net->n_blobs);
    if (st == RS_OK && largest == NULL)
        st = rs_out_of_memory(diag);
    if (st == RS_OK) {
        for (int b = 0; b < net->n_blobs; b++) {
            if (plan->format_class[b] < 0 || !plan->in_range[b])
                continue;
            const double most = fmax(fabs(ranges->blob_min[b]), fabs(ranges->blob_max[b]));
            double *of_class = &largest[plan->format_class[b]];
            *of_class = most > *of_class ? most : *of_class;
        }
        const int m = bits[RS_GROUP_ACTIVATIONS];
        for (int b = 0; b < net->n_blobs && m > 0; b++)
            if (plan->format_class[b] >= 0)
                f->activations[b] = (rs_fxp){ m, rs_fxp_fl_for_range(largest[plan->format_class[b]], m) };
        for (int i = 0; i < net->n_layers; i++) {
            const rs_group group = rs_layer_group(&net->layers[i]);
            if (group != RS_GROUPS && bits[group] > 0)
                f->weights[i] = (rs_fxp){ bits[group], rs_fxp_fl_for_range(ranges->weight_max[i], bits[group]) };
        }
        *formats = f;
        f = NULL;
    }
    rs_formats_free(f);
    rs_plan_free(plan);
    rs_free(largest);
    return st;
}

rs_status rs_formats_use_unsigned(const rs_net *net, rs_formats *formats, rs_diag *diag)
{
    rs_plan *plan = NULL;
    const rs_status st = rs_plan_new(net, &plan, diag);
    for (int b = 0; st == RS_OK && b < net->n_blobs; b++) {
        rs_fxp *format = &formats->activations[b];
        if (plan->format_class[b] < 0 || !plan->never_below[b] || format->bits == 0 || formats->is_unsigned[b] || format->fl >= RS_FL_MAX)
            continue;
        formats->is_unsigned[b] = true;
        format->fl++;
    }
    rs_plan_free(plan);
    return st;
}

rs_status rs_formats_use_channels(const rs_net *net, rs_formats *formats, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        if (rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_params < 1)
            continue;
        const int64_t channels = layer->params[0].shape.dim[0], each = rs_shape_count(&layer->params[0].shape, 1);
        int *fl = RS_NEW_ARRAY(int, (size_t)channels);
        if (fl == NULL)
            return rs_out_of_memory(diag);
        for (int64_t o = 0; o < channels; o++) {
            double most = 0;
            for (int64_t k = 0; k < each; k++)
                most = fmax(most, fabs((double)layer->params[0].data[o * each + k]));
            fl[o] = rs_fxp_fl_for_range(most, formats->weights[i].bits);
            /* A channel of tiny weights needs no more than this, and shifts stay within reach. */
            const int highest = formats->weights[i].fl + CHANNEL_REACH;
            fl[o] = fl[o] > highest ? highest : fl[o];
        }
        rs_free(formats->weight_fl[i]);
        formats->weight_fl[i] = fl;
    }
    return RS_OK;
}

void rs_formats_apply(const rs_formats *formats, rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        layer->quantization = (rs_quantization_param){ .present = false };
        if (rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_bottoms < 1 || layer->n_tops < 1)
            continue;
        const rs_fxp in = formats->activations[layer->bottoms[0]], out = formats->activations[layer->tops[0]];
        layer->quantization = (rs_quantization_param){ .present = true,
                                                       .bw_layer_in = in.bits,
                                                       .bw_layer_out = out.bits,
                                                       .bw_params = formats->weights[i].bits,
                                                       .fl_layer_in = in.fl,
                                                       .fl_layer_out = out.fl,
                                                       .fl_params = formats->weights[i].fl };
    }
}
