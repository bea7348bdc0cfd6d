/* ristretto summary and convert: networks in any form. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/commands.h"
#include "import/import.h"
#include "import/onnx/onnx.h"
#include "net/cost.h"
#include "report/report.h"
#include "report/table.h"

/* The net with its shapes, by the options that summary and convert have in common. */
static rs_status open_network(const rs_args *args, rs_net **result, rs_diag *diag)
{
    const size_t n = rs_args_count(args, "stage");
    const char **stages = RS_NEW_ARRAY(const char *, n);
    if (stages == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < n; i++)
        stages[i] = rs_args_nth(args, "stage", i);
    const rs_net_state state = { .phase = strcmp(rs_args_text(args, "phase"), "train") == 0 ? RS_TRAIN : RS_TEST,
                                 .level = (int)rs_args_int(args, "level"),
                                 .n_stages = (int)n,
                                 .stages = stages };
    rs_net *net = NULL;
    rs_shape input;
    const bool has_input = rs_args_given(args, "input");
    rs_status status = has_input ? rs_shape_option(args, "input", &input, diag) : RS_OK;
    if (status == RS_OK)
        status = rs_import_net(rs_args_text(args, "NET"), &state, has_input ? &input : NULL, &net, diag);
    if (status == RS_OK && has_input)
        input = rs_import_input(net, &input);
    if (status == RS_OK)
        status = rs_net_infer_shapes(net, has_input ? &input : NULL, diag);
    rs_free(stages);
    if (status != RS_OK) {
        rs_net_free(net);
        net = NULL;
    }
    *result = net;
    return status;
}

static json_t *shape_json(const rs_shape *shape)
{
    json_t *array = json_array();
    for (int i = 0; array != NULL && i < shape->n_axes; i++)
        if (json_array_append_new(array, json_integer(shape->dim[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *cost_json(rs_layer_cost cost)
{
    const json_int_t bytes = (json_int_t)sizeof(float);
    return json_pack("{s:I, s:I, s:I, s:I}", "parameters", (json_int_t)cost.params, "macs", (json_int_t)cost.macs,
                     "parameter_bytes", cost.params * bytes, "output_bytes", cost.outputs * bytes);
}

static rs_layer_cost total_cost(const rs_net *net)
{
    rs_layer_cost total = { 0, 0, 0 };
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer_cost cost = rs_net_cost(net, i);
        total.params += cost.params;
        total.macs += cost.macs;
        total.outputs += cost.outputs;
    }
    return total;
}

/* NULL: memory is short. */
static json_t *summary_json(const rs_net *net)
{
    json_t *layers = json_array();
    bool failed = layers == NULL;
    for (int i = 0; i < net->n_layers && !failed; i++) {
        const rs_layer *layer = &net->layers[i];
        json_t *tops = json_array();
        for (int t = 0; t < layer->n_tops && !failed; t++) {
            const rs_blob *blob = &net->blobs[layer->tops[t]];
            failed = json_array_append_new(
                         tops, json_pack("{s:s, s:o}", "name", blob->name, "shape", shape_json(&blob->shape))) != 0;
        }
        json_t *entry = json_pack("{s:s, s:s, s:o}", "name", layer->name, "type", rs_layer_type_name(layer->type),
                                  "tops", tops);
        json_t *cost = cost_json(rs_net_cost(net, i));
        failed = failed || entry == NULL || cost == NULL || json_object_update(entry, cost) != 0;
        json_decref(cost);
        failed = json_array_append_new(layers, entry) != 0 || failed;
    }
    json_t *result = json_pack("{s:s, s:s, s:s, s:o, s:o}", "network", net->name, "file", net->path, "phase",
                               net->phase == RS_TRAIN ? "train" : "test", "layers", layers, "total",
                               cost_json(total_cost(net)));
    if (failed) {
        json_decref(result);
        return NULL;
    }
    return result;
}

static const char *megabytes(int64_t bytes, char *buffer, size_t size)
{
    snprintf(buffer, size, "%.2f MB", (double)bytes / 1e6);
    return buffer;
}

static void print_summary(const rs_net *net)
{
    static const char *const heads[] = { "layer",           "type",        "output", "parameters", "MACs",
                                         "parameter bytes", "output bytes" };
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    rs_table *table = rs_table_new(heads, COLUMNS, "lllrrrr");
    char a[RS_COUNT_TEXT], b[RS_COUNT_TEXT], shape[192];
    const int64_t bytes = (int64_t)sizeof(float);
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        const rs_layer_cost cost = rs_net_cost(net, i);
        rs_table_cell(table, "%s", layer->name);
        rs_table_cell(table, "%s", rs_layer_type_name(layer->type));
        rs_table_cell(table, "%s",
                      layer->n_tops > 0 ? rs_shape_text(&net->blobs[layer->tops[0]].shape, shape, sizeof shape) : "");
        rs_table_cell(table, "%s", cost.params > 0 ? rs_count_text(cost.params, a) : "");
        rs_table_cell(table, "%s", cost.macs > 0 ? rs_count_text(cost.macs, a) : "");
        rs_table_cell(table, "%s", cost.params > 0 ? rs_count_text(cost.params * bytes, a) : "");
        rs_table_cell(table, "%s", cost.outputs > 0 ? rs_count_text(cost.outputs * bytes, a) : "in place");
    }
    const rs_layer_cost total = total_cost(net);
    rs_table_rule(table);
    rs_table_cell(table, "total");
    rs_table_cell(table, "%d layers", net->n_layers);
    rs_table_cell(table, "%s", "");
    rs_table_cell(table, "%s", rs_count_text(total.params, a));
    rs_table_cell(table, "%s", rs_count_text(total.macs, a));
    rs_table_cell(table, "%s", rs_count_text(total.params * bytes, a));
    rs_table_cell(table, "%s", rs_count_text(total.outputs * bytes, a));
    rs_text_print(net->name[0] != '\0' ? net->name : "unnamed net", 0, stdout);
    printf(" (%s, phase %s)\n", net->path, net->phase == RS_TRAIN ? "TRAIN" : "TEST");
    rs_table_print(table, stdout);
    rs_table_free(table);
    printf("Parameters: %s (%s). An image: %s multiply-accumulates, %s of layer outputs.\n",
           rs_count_text(total.params, a), megabytes(total.params * bytes, shape, sizeof shape),
           rs_count_text(total.macs, b), megabytes(total.outputs * bytes, shape + 64, 64));
}

rs_status rs_command_summary(const rs_args *args, rs_diag *diag)
{
    rs_net *net = NULL;
    rs_status status = open_network(args, &net, diag);
    if (status != RS_OK)
        return status;
    if (rs_args_flag(args, "json")) {
        json_t *summary = summary_json(net);
        if (summary == NULL)
            status = rs_out_of_memory(diag);
        else
            rs_json_print(summary, stdout);
        json_decref(summary);
    } else if (!rs_args_flag(args, "quiet")) {
        print_summary(net);
    }
    rs_net_free(net);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ convert */

rs_status rs_command_convert(const rs_args *args, rs_diag *diag)
{
    const char *prototxt = rs_args_text(args, "prototxt"), *caffemodel = rs_args_text(args, "caffemodel"),
               *onnx = rs_args_text(args, "onnx");
    if (prototxt == NULL && caffemodel == NULL && onnx == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "nothing to write: expected --prototxt, --caffemodel or --onnx");
    rs_net *net = NULL;
    rs_status status = open_network(args, &net, diag);
    if (status == RS_OK && (caffemodel != NULL || onnx != NULL || rs_args_given(args, "weights")))
        status = rs_import_weights(rs_args_text(args, "NET"), rs_args_text(args, "weights"), net, diag);
    if (status == RS_OK && rs_net_quantized(net) && (prototxt != NULL || onnx != NULL))
        rs_warn(diag, RS_FILE(rs_args_text(args, "NET")), NULL, "quantization_param is left out of what is written");
    if (status == RS_OK && prototxt != NULL)
        status = rs_caffe_write_net(net, prototxt, diag);
    if (status == RS_OK && caffemodel != NULL)
        status = rs_caffe_write_weights(net, caffemodel, diag);
    if (status == RS_OK && onnx != NULL)
        status = rs_onnx_write(net, onnx, diag);
    rs_net_free(net);
    return status;
}
