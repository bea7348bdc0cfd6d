/* Quantized networks by name. */
#include "flow/integers.h"

#include "base/file.h"
#include "flow/load.h"
#include "import/import.h"
#include "qnet/build.h"
#include "train/score.h"

static void warn_of(const rs_layer *layer, const char *what, int64_t clipped, int64_t all, rs_diag *diag)
{
    if (clipped > 0)
        rs_warn(
            diag, layer->loc, "a smaller fractional length or more bits hold them",
            "%lld of %lld %s of layer '%s' (%.2f %%) lie beyond their format and become the nearest number there is",
            (long long)clipped, (long long)all, what, layer->name, 100.0 * (double)clipped / (double)all);
}

/* No constant saturates in silence. */
static void warn_of_clipped(const rs_net *net, const rs_qnet *qnet, rs_diag *diag)
{
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        const int layer = rs_net_layer(net, op->name), outputs = qnet->tensors[op->output].channels;
        if (!rs_qop_weighted(op) || layer < 0)
            continue;
        warn_of(&net->layers[layer], "weights", op->clipped_weights, rs_qop_terms(qnet, op) * outputs, diag);
        warn_of(&net->layers[layer], "biases", op->clipped_biases, outputs, diag);
    }
}

rs_status rs_stage_integers(rs_net *net, rs_qnet **qnet, rs_diag *diag)
{
    rs_formats *formats = NULL;
    int layer = 0;
    *qnet = NULL;
    rs_status st = rs_formats_of_prototxt(net, &formats, diag);
    if (st == RS_OK)
        st = rs_data_layer(net, &layer, diag);
    if (st == RS_OK)
        st = rs_qnet_build(net, formats, &net->layers[layer].data, net->quantization.bias_rule,
                           net->quantization.rounding, qnet, diag);
    if (st == RS_OK)
        warn_of_clipped(net, *qnet, diag);
    rs_formats_free(formats);
    return st;
}

/* A prototxt's, whose input has the size that the file says. */
static rs_status from_prototxt(const char *path, const char *weights, rs_qnet **qnet, rs_diag *diag)
{
    rs_net *net = NULL;
    int layer = 0;
    rs_status st = rs_import_net(path, NULL, NULL, &net, diag);
    if (st == RS_OK && !rs_net_quantized(net))
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "'ristretto quantize' writes one",
                      "no layer has quantization_param, expected a quantized network");
    if (st == RS_OK)
        st = rs_data_layer(net, &layer, diag);
    if (st == RS_OK)
        st = rs_data_load_mean(&net->layers[layer].data, net->path, net->layers[layer].loc, diag);
    if (st == RS_OK)
        st = rs_net_infer_shapes(net, NULL, diag);
    if (st == RS_OK)
        st = rs_import_weights(path, weights, net, diag);
    if (st == RS_OK)
        st = rs_net_fold(net, diag);
    if (st == RS_OK)
        st = rs_stage_integers(net, qnet, diag);
    rs_net_free(net);
    return st;
}

rs_status rs_stage_qnet(const char *path, const char *weights, rs_qnet **qnet, rs_diag *diag)
{
    *qnet = NULL;
    if (!rs_file_is_regular(path) && weights != NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "only a quantized prototxt goes with weights",
                        "--weights is given, but '%s' is a folder of integers", path);
    return rs_file_is_regular(path) ? from_prototxt(path, weights, qnet, diag) : rs_qnet_read(path, qnet, diag);
}
