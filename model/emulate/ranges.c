/* Runs the float net over calibration images and keeps what its weights and blobs reach. */
#include "emulate/ranges.h"

#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "emulate/statistics.h"

void rs_ranges_free(rs_ranges *ranges)
{
    if (ranges == NULL)
        return;
    rs_free(ranges->weight_max);
    rs_free(ranges->blob_min);
    rs_free(ranges->blob_max);
    rs_statistics_free(ranges->statistics);
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
            double max = 0;
            bool finite = true;
            for (int64_t k = 0; k < n; k++) {
                const double x = fabs((double)layer->params[p].data[k]);
                finite = finite && isfinite(x);
                max = x > max ? x : max;
            }
            if (!finite)
                st = rs_error(diag, RS_BAD_INPUT, layer->loc,
                              "train again with a lower learning rate, or take another snapshot",
                              "layer '%s': its %s hold NaN or infinity, expected finite numbers", layer->name,
                              p == 0 ? "weights" : "biases");
            if (p == 0)
                ranges->weight_max[i] = max;
        }
    }
    return st;
}

static rs_status measure_blobs(const rs_net *net, const rs_plan *plan, rs_emulator *emulator, const rs_dataset *set,
                               int64_t images, rs_ranges *ranges, rs_diag *diag)
{
    rs_extremes *extremes = RS_NEW_ARRAY(rs_extremes, (size_t)net->n_blobs);
    if (extremes == NULL)
        return rs_out_of_memory(diag);
    for (int b = 0; b < net->n_blobs; b++)
        extremes[b] = (rs_extremes) { INT32_MAX, INT32_MIN };
    const int64_t batch = rs_emulator_batch(emulator);
    rs_progress *progress = rs_progress_begin("ranges", (uint64_t)images, "images");
    rs_status st = RS_OK;
    for (int64_t first = 0; first < images && st == RS_OK; first += batch) {
        if (rs_interrupted()) {
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while activations were measured");
            break;
        }
        st = rs_emulator_load(emulator, set, first, images - first < batch ? images - first : batch, diag);
        if (st == RS_OK)
            st = rs_emulator_measure(emulator, extremes, diag);
        if (st == RS_OK && ranges->statistics != NULL)
            rs_statistics_add(ranges->statistics, net, emulator, first,
                              images - first < batch ? images - first : batch);
        rs_progress_update(progress, (uint64_t)(first + batch < images ? first + batch : images), NULL);
    }
    rs_progress_end(progress);
    if (st == RS_OK && ranges->statistics != NULL)
        rs_statistics_finish(ranges->statistics, net, images);
    for (int b = 0; b < net->n_blobs && st == RS_OK; b++) {
        if (plan->format_class[b] < 0 || extremes[b].min > extremes[b].max)
            continue;
        const double low = (double)rs_float_of_key(extremes[b].min), high = (double)rs_float_of_key(extremes[b].max);
        if (!isfinite(low) || !isfinite(high)) {
            st = rs_error(diag, RS_BAD_INPUT,
                          plan->last_writer[b] >= 0 ? net->layers[plan->last_writer[b]].loc : RS_FILE(set->path),
                          "the weights may not belong to this net, or the images may need another scale",
                          "blob '%s': its values run to %g and %g over %lld images, expected finite numbers",
                          net->blobs[b].name, low, high, (long long)images);
        }
        ranges->blob_min[b] = low;
        ranges->blob_max[b] = high;
    }
    rs_free(extremes);
    return st;
}

static rs_status measure(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                         bool statistics, rs_ranges **ranges, rs_diag *diag)
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
    if (st == RS_OK && statistics)
        st = rs_statistics_new(net, plan, images, &r->statistics, diag);
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

rs_status rs_ranges_measure(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                            rs_ranges **ranges, rs_diag *diag)
{
    return measure(net, data, set, images, false, ranges, diag);
}

rs_status rs_ranges_measure_all(const rs_net *net, const rs_data_param *data, const rs_dataset *set, int64_t images,
                                rs_ranges **ranges, rs_diag *diag)
{
    return measure(net, data, set, images, true, ranges, diag);
}
