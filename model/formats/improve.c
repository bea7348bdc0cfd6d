/* All that makes formats of given widths better, one after the other. */
#include <string.h>

#include "base/memory.h"
#include "formats/refine.h"

/* Takes the constant off the scores by the biases of the formats. */
static rs_status move_scores(const rs_net *net, float constant, rs_formats *formats, rs_diag *diag)
{
    const int i = rs_scores_layer(net, formats);
    const rs_layer *layer = &net->layers[i];
    const size_t n = (size_t)rs_shape_count(&layer->params[1].shape, 0);
    if (formats->bias[i] == NULL) {
        formats->bias[i] = RS_NEW_ARRAY(float, n);
        if (formats->bias[i] == NULL)
            return rs_out_of_memory(diag);
        memcpy(formats->bias[i], layer->params[1].data, n * sizeof(float));
    }
    for (size_t o = 0; o < n; o++)
        formats->bias[i][o] -= constant;
    return RS_OK;
}

static rs_status improve(const rs_calibration *on, bool adapt, int64_t refine, rs_formats *formats, rs_diag *diag)
{
    enum { PASSES = 3, ADAPT_IMAGES = 1024 };
    rs_calibration adapting = *on, refining = *on;
    adapting.images = ADAPT_IMAGES;
    refining.images = refine;
    rs_status st = adapt ? rs_formats_adapt(&adapting, formats, diag) : RS_OK;
    if (st != RS_OK || refine <= 0)
        return st;
    st = rs_formats_refine(&refining, adapt, PASSES, formats, NULL, diag);
    if (st == RS_OK && adapt)
        st = rs_formats_adapt(&adapting, formats, diag);
    float constant = 0.0f;
    if (st == RS_OK)
        st = rs_formats_place_scores(&refining, formats, &constant, diag);
    if (st == RS_OK && constant != 0.0f)
        st = move_scores(on->net, constant, formats, diag);
    if (st == RS_OK && constant != 0.0f)
        st = rs_formats_refine(&refining, adapt, PASSES, formats, NULL, diag);
    return st;
}

rs_status rs_formats_improve(const rs_calibration *on, bool adapt, int64_t refine, rs_formats *formats, rs_diag *diag)
{
    const rs_status st = improve(on, adapt, refine, formats, diag);
    return st == RS_OK && (adapt || refine > 0) ? rs_formats_fit_sums(on->net, on->bias_rule, formats, diag) : st;
}
