/* ristretto forward: a float network on an array, image by image. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/npy.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "import/import.h"
#include "layers/exec.h"
#include "net/rule.h"

/* What a run reads, computes and writes. */
typedef struct forward_run {
    rs_net *net;
    rs_npy array; /* the shape and type of the inputs */
    rs_npy_reader *reader;
    int in, out;    /* blobs */
    int last;       /* the layer that writes `out` last */
    int64_t images; /* of the array */
} forward_run;

/* The shape of an array, of which `front` stands in front (0: nothing does). */
static rs_shape array_shape(const rs_npy *array, int64_t front, bool has_front)
{
    rs_shape shape = { 0, { 0 } };
    if (has_front)
        shape.dim[shape.n_axes++] = front;
    for (int i = 0; i < array->n_axes && shape.n_axes < RS_MAX_AXES; i++)
        shape.dim[shape.n_axes++] = array->dim[i];
    return shape;
}

/* The net, in the shape that it has, or --input gives it; what the model leaves open is that of the array. */
static rs_status open_net(const rs_args *args, forward_run *run, rs_diag *diag)
{
    const char *model = rs_args_text(args, "NET");
    const bool given = rs_args_given(args, "input");
    rs_shape input = array_shape(&run->array, 0, true);
    rs_status status = given ? rs_shape_option(args, "input", &input, diag) : RS_OK;
    if (status == RS_OK)
        status = rs_import_to_compute(model, &input, rs_args_text(args, "blob"), &run->net, diag);
    if (status != RS_OK)
        return status;
    run->in = rs_net_input(run->net);
    const bool open = run->in >= 0 && run->net->blobs[run->in].shape.n_axes == 0;
    if (open && !given)
        input = array_shape(&run->array, 0, false);
    if (open || given)
        input = rs_import_input(run->net, &input);
    status = rs_net_infer_shapes(run->net, open || given ? &input : NULL, diag);
    if (status == RS_OK)
        status = rs_import_weights(model, rs_args_text(args, "weights"), run->net, diag);
    if (status == RS_OK && rs_net_quantized(run->net))
        rs_warn(diag, RS_FILE(model), "'ristretto test' scores the integers",
                "quantization_param is left out: values are computed in float");
    return status;
}

/* How many images the array holds: its shape is the input's with any batch, or without one. */
static rs_status count_images(const char *path, forward_run *run, rs_diag *diag)
{
    const rs_shape *input = &run->net->blobs[run->in].shape;
    const bool one = run->array.n_axes == input->n_axes - 1;
    const rs_shape shape = array_shape(&run->array, 1, one);
    char is[RS_SHAPE_TEXT], expected[RS_SHAPE_TEXT];
    bool same = shape.n_axes == input->n_axes && shape.n_axes > 0 && shape.dim[0] > 0;
    for (int i = 1; i < input->n_axes && same; i++)
        same = shape.dim[i] == input->dim[i];
    if (!same) {
        const rs_shape array = array_shape(&run->array, 0, false);
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path),
                        "the first axis may have any size; --input gives the network another shape",
                        "the array is %s, the input '%s' of the network is %s", rs_shape_text(&array, is, sizeof is),
                        run->net->blobs[run->in].name, rs_shape_text(input, expected, sizeof expected));
    }
    run->images = shape.dim[0];
    return RS_OK;
}

static bool is_input(const rs_net *net, int blob)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int t = 0; t < net->layers[i].n_tops && net->layers[i].type == RS_LAYER_INPUT; t++)
            if (net->layers[i].tops[t] == blob)
                return true;
    return false;
}

/* Finds the blobs, and that nothing else is needed than the one input. */
static rs_status find_blobs(const rs_args *args, forward_run *run, rs_diag *diag)
{
    const rs_net *net = run->net;
    const char *name = rs_args_text(args, "blob");
    run->out = name == NULL ? rs_net_scores(net) : rs_net_blob(net, name);
    if (run->out < 0 && name != NULL)
        return rs_error(diag, RS_USAGE, RS_FILE(net->path), NULL, "the net has no blob '%s'", name);
    if (run->in < 0 || run->out < 0)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the net has no input or output");
    if (net->blobs[run->out].shape.n_axes == 0)
        return rs_error(diag, RS_USAGE, RS_FILE(net->path), NULL,
                        "blob '%s' is one value for a whole batch, which needs labels", net->blobs[run->out].name);
    run->last = -1;
    for (int i = 0; i < net->n_layers; i++)
        for (int t = 0; t < net->layers[i].n_tops; t++)
            if (net->layers[i].tops[t] == run->out)
                run->last = i;
    for (int i = 0; i <= run->last; i++)
        for (int b = 0; b < net->layers[i].n_bottoms; b++) {
            const int from = net->layers[i].bottoms[b];
            if (from != run->in && is_input(net, from) && !rs_layer_rule_of(net->layers[i].type)->scalar)
                return rs_error(diag, RS_BAD_INPUT, net->layers[i].loc, NULL,
                                "layer '%s' reads the input '%s', but forward gives the first one, '%s', alone",
                                net->layers[i].name, net->blobs[from].name, net->blobs[run->in].name);
        }
    return RS_OK;
}

/* The header of the output: the blob's shape with the array's batch. */
static rs_status write_header(const forward_run *run, FILE *stream, rs_diag *diag)
{
    rs_shape shape = run->net->blobs[run->out].shape;
    uint8_t *bytes = NULL;
    size_t n = 0;
    shape.dim[0] = run->images;
    const rs_status status = rs_npy_header("<f4", shape.n_axes, shape.dim, &bytes, &n, diag);
    if (status == RS_OK)
        fwrite(bytes, 1, n, stream);
    rs_free(bytes);
    return status;
}

/* Batch by batch through the net, from the array into the file. */
static rs_status pass_images(const forward_run *run, FILE *stream, rs_diag *diag)
{
    int64_t batch = 0;
    rs_exec *exec = NULL;
    rs_status status = rs_exec_sharing_batch(run->net, run->out, run->images, &batch, diag);
    if (status == RS_OK)
        status = rs_exec_new_sharing(run->net, batch, run->out, &exec, diag);
    rs_progress *progress = rs_progress_begin("forward", (uint64_t)run->images, "images");
    for (int64_t done = 0; status == RS_OK && done < run->images; done += batch) {
        const int64_t n = rs_min64(batch, run->images - done);
        double loss = 0.0;
        if (rs_interrupted()) {
            status = RS_INTERRUPTED;
            break;
        }
        status = rs_npy_read_floats(run->reader, rs_exec_blob(exec, run->in), n * rs_exec_blob_size(exec, run->in),
                                    diag);
        if (status == RS_OK)
            status = rs_exec_forward(exec, 0, run->last + 1, n, &loss, diag);
        if (status == RS_OK)
            fwrite(rs_exec_blob(exec, run->out), sizeof(float), (size_t)(n * rs_exec_blob_size(exec, run->out)),
                   stream);
        rs_progress_update(progress, (uint64_t)(done + n), NULL);
    }
    rs_progress_end(progress);
    rs_exec_free(exec);
    return status;
}

rs_status rs_command_forward(const rs_args *args, rs_diag *diag)
{
    const char *data = rs_args_text(args, "data");
    forward_run run = { .net = NULL };
    rs_output *out = NULL;
    rs_status status = rs_npy_open(data, &run.reader, &run.array, diag);
    if (status == RS_OK)
        status = open_net(args, &run, diag);
    if (status == RS_OK)
        status = find_blobs(args, &run, diag);
    if (status == RS_OK)
        status = count_images(data, &run, diag);
    if (status == RS_OK)
        status = rs_output_open(rs_args_text(args, "out"), &out, diag);
    if (status == RS_OK)
        status = write_header(&run, rs_output_stream(out), diag);
    if (status == RS_OK)
        status = pass_images(&run, rs_output_stream(out), diag);
    if (status == RS_OK)
        status = rs_output_commit(out, diag);
    else
        rs_output_discard(out);
    rs_net_free(run.net);
    rs_npy_close(run.reader);
    return status;
}
