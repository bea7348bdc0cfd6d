/* Picks the reader of a network by its file, and gives a net labels and a loss to train on. */
#include "import/import.h"

#include <string.h>

#include "base/hash.h"
#include "import/onnx/onnx.h"

bool rs_is_onnx(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".onnx") == 0;
}

rs_status rs_import_net(const char *path, const rs_net_state *state, const rs_shape *input, rs_net **net, rs_diag *diag)
{
    static const rs_net_state plain = { .phase = RS_TEST };
    if (rs_is_onnx(path))
        return rs_onnx_read(path, input, NULL, net, diag);
    return rs_caffe_read_net_for(path, state != NULL ? state : &plain, net, diag);
}

rs_status rs_import_to_compute(const char *path, const rs_shape *input, const char *value, rs_net **net, rs_diag *diag)
{
    if (rs_is_onnx(path))
        return rs_onnx_read(path, input, value, net, diag);
    return rs_import_net(path, NULL, input, net, diag);
}

rs_shape rs_import_input(const rs_net *net, const rs_shape *given)
{
    enum { IMAGE_AXES = 3 };
    const int input = rs_net_input(net), axes = input >= 0 ? net->blobs[input].shape.n_axes : 0;
    if (axes != 0 ? axes != given->n_axes + 1 : given->n_axes != IMAGE_AXES)
        return *given;
    rs_shape shape = { given->n_axes + 1, { 1 } };
    for (int i = 0; i < given->n_axes; i++)
        shape.dim[i + 1] = given->dim[i];
    return shape;
}

/* ----------------------------------------------------------------------------------------------------- training */

static int *index_list(int first, int second)
{
    int *list = RS_NEW_ARRAY(int, 2);
    if (list != NULL) {
        list[0] = first;
        list[1] = second;
    }
    return list;
}

/* Labels beside the first input, and the loss of the scores against them. */
static rs_status add_loss(rs_net *net, rs_diag *diag)
{
    const int scores = rs_net_scores(net), input = rs_net_input(net);
    int data = 0;
    while (data < net->n_layers && !(net->layers[data].type == RS_LAYER_INPUT && net->layers[data].tops[0] == input))
        data++;
    if (scores < 0 || data == net->n_layers)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the model has no %s",
                        scores < 0 ? "scores" : "input");
    rs_blob *blobs = rs_recalloc(net->blobs, (size_t)net->n_blobs, (size_t)net->n_blobs + 2, sizeof *blobs);
    if (blobs == NULL)
        return rs_out_of_memory(diag);
    net->blobs = blobs;
    rs_layer *layers = rs_recalloc(net->layers, (size_t)net->n_layers, (size_t)net->n_layers + 1, sizeof *layers);
    if (layers == NULL)
        return rs_out_of_memory(diag);
    net->layers = layers;
    const int label = net->n_blobs, loss = net->n_blobs + 1;
    blobs[label].name = rs_strdup(rs_net_blob(net, "label") < 0 ? "label" : "label/of the image");
    blobs[loss].name = rs_strdup(rs_net_blob(net, "loss") < 0 ? "loss" : "loss/of the scores");
    net->n_blobs += 2;
    const char *name = rs_net_layer(net, "loss") < 0 ? "loss" : "loss/of the scores";
    rs_layer *source = &layers[data], *judge = &layers[net->n_layers++];
    *judge = (rs_layer) {
        .type = RS_LAYER_SOFTMAX_LOSS, .loc = source->loc, .n_bottoms = 2, .n_tops = 1, .loss_weight = 1.0f
    };
    judge->name = rs_strdup(name);
    judge->bottoms = index_list(scores, label);
    judge->tops = index_list(loss, loss);
    int *tops = index_list(input, label);
    if (blobs[label].name == NULL || blobs[loss].name == NULL || judge->name == NULL || judge->bottoms == NULL ||
        judge->tops == NULL || tops == NULL) {
        rs_free(tops);
        return rs_out_of_memory(diag);
    }
    rs_free(source->tops);
    source->tops = tops;
    source->n_tops = 2;
    const int64_t batch = net->blobs[input].shape.dim[0];
    source->data.batch_size = batch > 1 ? batch : RS_ONNX_BATCH;
    return rs_net_infer_shapes(net, NULL, diag);
}

rs_status rs_import_trainable(const char *path, rs_phase phase, const rs_shape *input, rs_net **net, rs_diag *diag)
{
    if (!rs_is_onnx(path))
        return rs_caffe_read_net(path, phase, net, diag);
    rs_status st = rs_onnx_read(path, input, NULL, net, diag);
    if (st != RS_OK)
        return st;
    (*net)->phase = phase;
    st = add_loss(*net, diag);
    if (st != RS_OK) {
        rs_net_free(*net);
        *net = NULL;
    }
    return st;
}

/* ------------------------------------------------------------------------------------------------------ weights */

/* Takes the parameters of one layer from the layer of the same name. */
static rs_status copy_layer(const char *path, const rs_layer *from, rs_layer *to, rs_diag *diag)
{
    if (from->n_params != to->n_params)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "layer '%s' (%s) has %d parameters, expected the %d of the net's (%s)", to->name,
                        rs_layer_type_name(from->type), from->n_params, to->n_params, rs_layer_type_name(to->type));
    for (int p = 0; p < to->n_params; p++) {
        char is[192], expected[192];
        const rs_param *a = &from->params[p];
        rs_param *b = &to->params[p];
        if (!rs_shape_equal(&a->shape, &b->shape))
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                            "layer '%s', parameter %d: the shape is %s, expected %s", to->name, p,
                            rs_shape_text(&a->shape, is, sizeof is),
                            rs_shape_text(&b->shape, expected, sizeof expected));
        memcpy(b->data, a->data, (size_t)rs_shape_count(&a->shape, 0) * sizeof(float));
    }
    return RS_OK;
}

static rs_status from_onnx(const char *path, rs_net *net, bool some, rs_diag *diag)
{
    rs_net *model = NULL;
    const rs_status read = rs_onnx_read(path, NULL, NULL, &model, diag);
    if (read != RS_OK)
        return read;
    rs_status st = RS_OK;
    int found = 0, missing = 0;
    const char *first = "";
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        const int other = rs_net_layer(model, layer->name);
        rs_status result = RS_OK;
        if (layer->n_params == 0)
            continue;
        if (other >= 0 && model->layers[other].n_params > 0) {
            found++;
            result = copy_layer(path, &model->layers[other], layer, diag);
        } else {
            first = missing++ == 0 ? layer->name : first;
            if (!some)
                result = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "layers have the names of their nodes",
                                  "the model has no weights for layer '%s'", layer->name);
        }
        st = st == RS_OK ? result : st;
    }
    if (st == RS_OK && some && found == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "layers have the names of their nodes",
                      "the model has weights for none of the net's layers ('%s', ...)", first);
    else if (st == RS_OK && missing > 0)
        rs_warn(diag, RS_FILE(path), NULL, "%d layer%s of the net not in the model keep initial values: '%s'%s",
                missing, missing == 1 ? "" : "s", first, missing > 1 ? ", ..." : "");
    rs_net_free(model);
    return st;
}

rs_status rs_import_weights(const char *model, const char *weights, rs_net *net, rs_diag *diag)
{
    if (weights != NULL && weights[0] != '\0')
        return rs_is_onnx(weights) ? from_onnx(weights, net, false, diag) : rs_caffe_read_weights(weights, net, diag);
    bool needs = false;
    for (int i = 0; i < net->n_layers && !rs_is_onnx(model); i++)
        needs = needs || net->layers[i].n_params > 0;
    return !needs ? RS_OK
                  : rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--weights is missing: %s has none of its own", model);
}

rs_status rs_import_some_weights(const char *weights, rs_net *net, rs_diag *diag)
{
    return rs_is_onnx(weights) ? from_onnx(weights, net, true, diag) : rs_caffe_read_some_weights(weights, net, diag);
}

/* ---------------------------------------------------------------------------------------------------- quantized */

rs_status rs_import_write_quantized(const char *model, const rs_net *net, const char *path, rs_diag *diag)
{
    if (!rs_is_onnx(model))
        return rs_caffe_write_quantized(model, net, path, diag);
    rs_status st = rs_caffe_write_net(net, path, diag);
    if (st != RS_OK)
        return st;
    rs_net written = *net; /* what was folded in is not in the file */
    written.n_folded = 0;
    return rs_caffe_write_quantized(path, &written, path, diag);
}

rs_status rs_import_hash(const rs_net *net, uint64_t *hash, rs_diag *diag)
{
    char *text = NULL;
    const rs_status st = rs_caffe_net_text(net, &text, diag);
    if (st != RS_OK)
        return st;
    uint64_t h = rs_hash_text(0, text);
    rs_free(text);
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++) {
            const rs_param *param = &net->layers[i].params[p];
            h = rs_hash_bytes(h, param->data, (size_t)rs_shape_count(&param->shape, 0) * sizeof *param->data);
        }
    *hash = h;
    return RS_OK;
}
