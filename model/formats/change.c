/* What changes chosen formats, and what takes them into a net. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "emulate/plan.h"
#include "formats/formats.h"

/* How many bits finer than the layer's the format of a channel's weights may be. */
enum { CHANNEL_REACH = 7 };

/* The input and what holds its integers are bytes without a mean. A concatenation may bring in other values. */
static bool input_of_bytes(const rs_net *net, const rs_plan *plan, const rs_data_param *data)
{
    bool bytes = data != NULL && data->n_mean == 0 && data->mean_image == NULL && data->scale > 0.0f &&
                 plan->last_writer[plan->input] < 0;
    for (int i = 0; i < plan->n_layers && bytes; i++)
        bytes = net->layers[i].type != RS_LAYER_CONCAT ||
                plan->format_class[net->layers[i].tops[0]] != plan->format_class[plan->input];
    return bytes;
}

rs_status rs_formats_use_unsigned(const rs_net *net, const rs_data_param *data, rs_formats *formats, rs_diag *diag)
{
    rs_plan *plan = NULL;
    const rs_status st = rs_plan_new(net, &plan, diag);
    const bool bytes = st == RS_OK && input_of_bytes(net, plan, data);
    for (int b = 0; st == RS_OK && b < net->n_blobs; b++) {
        rs_number_format *format = &formats->activations[b];
        const bool never_below = plan->format_class[b] >= 0 &&
                                 (plan->never_below[b] ||
                                  (bytes && plan->format_class[b] == plan->format_class[plan->input]));
        if (!never_below || format->bits == 0 || format->number != RS_NUMBER_FIXED || formats->is_unsigned[b] ||
            format->fl >= RS_FL_MAX)
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
        /* Scores that are not requantized compare only if they have one fractional length. */
        const bool wide = formats->wide_scores && rs_scores_layer(net, formats) == i;
        if (wide || rs_layer_group(layer) == RS_GROUPS || formats->weights[i].bits == 0 || layer->n_params < 1 ||
            formats->weights[i].number != RS_NUMBER_FIXED)
            continue;
        const int64_t channels = layer->params[0].shape.dim[0], each = rs_shape_count(&layer->params[0].shape, 1);
        int *fl = RS_NEW_ARRAY(int, (size_t)channels);
        if (fl == NULL)
            return rs_out_of_memory(diag);
        for (int64_t o = 0; o < channels; o++) {
            double max = 0;
            for (int64_t k = 0; k < each; k++)
                max = fmax(max, fabs((double)layer->params[0].data[o * each + k]));
            fl[o] = rs_fxp_fl_for_range(max, formats->weights[i].bits);
            /* A channel of tiny weights needs no more than this, and shifts stay within reach. */
            const int highest = formats->weights[i].fl + CHANNEL_REACH;
            fl[o] = fl[o] > highest ? highest : fl[o];
        }
        rs_free(formats->weight_fl[i]);
        formats->weight_fl[i] = fl;
    }
    return RS_OK;
}

void rs_formats_give_params(const rs_formats *formats, rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const float *from[2] = { formats->rounded[i], formats->bias[i] };
        for (int p = 0; p < 2 && p < net->layers[i].n_params; p++)
            if (from[p] != NULL)
                memcpy(net->layers[i].params[p].data, from[p],
                       (size_t)rs_shape_count(&net->layers[i].params[p].shape, 0) * sizeof(float));
    }
}
