/* The targets: each reads the bytes as a file of its format. */
#include "support/fuzz_targets.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/array_config.h"
#include "flow/run_config.h"
#include "foreign/unit_config.h"
#include "data/datum.h"
#include "data/idx.h"
#include "data/lmdb.h"
#include "base/npy.h"
#include "data/picture.h"
#include "data/source.h"
#include "energy/technology.h"
#include "import/import.h"
#include "import/onnx/onnx.h"
#include "layers/exec.h"
#include "net/cost.h"
#include "qnet/qnet.h"

/* Whether a net is small enough to compute. */
static bool is_small(const rs_net *net)
{
    enum { MOST_LAYERS = 64, MOST_VALUES = 1 << 18, MOST_MACS = 1 << 22 };
    int64_t values = 0, macs = 0;
    for (int i = 0; i < net->n_layers && net->n_layers < MOST_LAYERS; i++) {
        const rs_layer_cost cost = rs_net_cost(net, i);
        if (cost.params > MOST_VALUES || cost.outputs > MOST_VALUES || cost.macs > MOST_MACS)
            return false;
        values += cost.params + cost.outputs;
        macs += cost.macs;
    }
    return net->n_layers < MOST_LAYERS && values <= MOST_VALUES && macs <= MOST_MACS;
}

/* What the commands do with a net that was read, its shapes inferred: summary, convert to all forms, forward. */
static void use_net(rs_net *net, rs_diag *diag)
{
    char *text = NULL;
    uint64_t hash = 0;
    if (!is_small(net))
        return;
    if (rs_caffe_net_text(net, &text, diag) == RS_OK)
        rs_free(text);
    (void)rs_import_hash(net, &hash, diag);
    (void)rs_caffe_write_net(net, "/dev/null", diag);
    (void)rs_caffe_write_weights(net, "/dev/null", diag);
    (void)rs_onnx_write(net, "/dev/null", diag);
    (void)rs_net_scores(net);
    rs_exec *exec = NULL;
    double loss = 0.0;
    if (rs_exec_new(net, 2, false, &exec, diag) == RS_OK) {
        for (int i = 0; i < net->n_layers; i++)
            for (int t = 0; t < net->layers[i].n_tops && net->layers[i].type == RS_LAYER_INPUT; t++) {
                const int blob = net->layers[i].tops[t];
                for (int64_t k = 0; k < 2 * rs_exec_blob_size(exec, blob); k++)
                    rs_exec_blob(exec, blob)[k] = (float)(k % 7) - 3.0f;
            }
        (void)rs_exec_forward(exec, 0, net->n_layers, 2, &loss, diag);
    }
    rs_exec_free(exec);
}

static rs_status prototxt(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_status st = RS_OK;
    for (int phase = RS_TRAIN; phase <= RS_TEST; phase++) {
        rs_diag *diag = rs_diag_new();
        rs_net *net = NULL;
        st = rs_caffe_read_net(path, (rs_phase)phase, &net, diag);
        const rs_shape input = { 4, { 1, 3, 32, 32 } };
        /* What a layer takes in memory is its own business: only small nets are given their parameters. */
        if (st == RS_OK && net->n_layers < 64)
            st = rs_net_infer_shapes(net, &input, diag);
        if (st == RS_OK)
            use_net(net, diag);
        rs_net_free(net);
        rs_diag_free(diag);
    }
    return st;
}

static rs_status solver(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_solver_param *param = NULL;
    const rs_status st = rs_caffe_read_solver(path, &param, diag);
    rs_solver_param_free(param);
    rs_diag_free(diag);
    return st;
}

/* A net whose layers are called as those of the seeds. */
static rs_net *small_net(void)
{
    static const char text[] =
        "name: 'n' input: 'data' input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4 "
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' convolution_param { num_output: 2 kernel_size: "
        "3 } } "
        "layer { name: 'b' type: 'BatchNorm' bottom: 'c' top: 'b' } "
        "layer { name: 'p' type: 'InnerProduct' bottom: 'b' top: 'p' inner_product_param { num_output: 2 } } ";
    char path[64];
    const int fd = memfd_create("net", 0);
    rs_net *net = NULL;
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)sizeof text - 1)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (rs_caffe_read_net(path, RS_TEST, &net, NULL) != RS_OK || rs_net_infer_shapes(net, NULL, NULL) != RS_OK)
        abort();
    close(fd);
    return net;
}

/* Both forms of weights; the first bytes say which. */
static rs_status caffemodel(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_net *net = small_net();
    const rs_status st = rs_caffe_read_weights(path, net, diag);
    rs_net_free(net);
    rs_diag_free(diag);
    return st;
}

static rs_status onnx(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    const rs_shape open = { 4, { 0, 2, 6, 6 } }; /* what the model leaves open */
    rs_net *net = NULL;
    const rs_status st = rs_onnx_read(path, &open, NULL, &net, diag);
    if (st == RS_OK) {
        use_net(net, diag);
        if (rs_net_fold(net, diag) == RS_OK)
            use_net(net, diag);
    }
    rs_net_free(net);
    rs_diag_free(diag);
    return st;
}

static rs_status solverstate(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_solver_state *state = NULL;
    const rs_status st = rs_caffe_read_solver_state(path, &state, diag);
    rs_solver_state_free(state);
    rs_diag_free(diag);
    return st;
}

static rs_status binaryproto(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    int64_t dim[3];
    float *values = NULL;
    const rs_status st = rs_caffe_read_mean(path, dim, &values, diag);
    rs_free(values);
    rs_diag_free(diag);
    return st;
}

/* A set that was opened: a few images of it, cropped, resized and read ahead. */
static rs_status use(rs_dataset *set, rs_status st)
{
    rs_diag *diag = rs_diag_new();
    const rs_data_param params[] = { { .scale = 1 },
                                     { .scale = 1, .crop_size = 3, .color = RS_COLOR_BGR },
                                     { .scale = 1, .new_height = 5, .new_width = 4 } };
    for (size_t i = 0; i < sizeof params / sizeof params[0] && st == RS_OK; i++) {
        const rs_dataset part = rs_dataset_slice(set, 0, 3);
        rs_dataset *loaded = NULL;
        if (rs_dataset_check(&part, &params[i], RS_NOWHERE, diag) == RS_OK)
            (void)rs_dataset_load(&part, &params[i], &loaded, diag);
        rs_dataset_free(loaded);
    }
    rs_dataset_free(set);
    rs_diag_free(diag);
    return st;
}

static rs_dataset *new_set(const char *path)
{
    rs_dataset *set = RS_NEW(rs_dataset);
    if (set == NULL || (set->path = rs_strdup(path)) == NULL)
        abort();
    return set;
}

static rs_status idx(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = new_set(path);
    const rs_status st = use(set, rs_idx_read(path, path, set, diag));
    rs_diag_free(diag);
    return st;
}

static rs_status cifar(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = new_set(path);
    const rs_status st = use(set, rs_cifar_read(&path, 1, set, diag));
    rs_diag_free(diag);
    return st;
}

/* The first byte: how to read it. A list whose images are the file itself is none. */
static rs_status list(const char *path, const uint8_t *data, size_t size)
{
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = new_set(path);
    const rs_open_options options = { .list = true,
                                      .root_folder = "/nonexistent",
                                      .shuffle = size > 0 && (data[0] & 1) != 0 };
    const rs_status st = use(set, rs_list_open(path, &options, set, diag));
    rs_diag_free(diag);
    return st;
}

static rs_status picture(const char *path, const uint8_t *data, size_t size)
{
    rs_diag *diag = rs_diag_new();
    rs_status st = RS_OK;
    for (int color = RS_COLOR_AS_IS; color <= RS_COLOR_GRAY; color++) {
        rs_picture p, small;
        st = rs_picture_decode(data, size, (rs_color)color, RS_FILE(path), "picture", &p, diag);
        if (st != RS_OK)
            break;
        if (rs_picture_resize(&p, 7, 5, &small, diag) == RS_OK)
            rs_picture_free(&small);
        rs_picture_free(&p);
    }
    rs_diag_free(diag);
    return st;
}

static rs_status lmdb(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_dataset *set = new_set(path);
    const rs_status st = use(set, rs_lmdb_open(path, set, diag));
    rs_diag_free(diag);
    return st;
}

typedef struct bytes {
    const uint8_t *data;
    size_t size;
} bytes;

static bool read_bytes(void *context, uint64_t offset, size_t n, uint8_t *to)
{
    const bytes *b = context;
    if (offset > b->size || n > b->size - offset)
        abort(); /* the walker must stay inside */
    memcpy(to, b->data + offset, n);
    return true;
}

static rs_status datum(const char *path, const uint8_t *data, size_t size)
{
    bytes b = { data, size };
    rs_datum d;
    uint64_t at = 0;
    if (rs_datum_walk(read_bytes, &b, size, &d, &at) != NULL || rs_datum_check(&d) != NULL)
        return RS_BAD_INPUT;
    if (d.data > size || d.bytes > size - d.data)
        abort();
    return d.encoded ? picture(path, data + d.data, (size_t)d.bytes) : RS_OK;
}

static rs_status npy(const char *path, const uint8_t *data, size_t size)
{
    rs_diag *diag = rs_diag_new();
    rs_npy array;
    rs_status st = rs_npy_parse(path, data, size, &array, diag);
    for (int64_t i = 0; st == RS_OK && i < array.count; i++)
        (void)rs_npy_real(&array, i);
    const rs_status whole = st;
    if (st == RS_OK)
        rs_npy_free(&array);
    rs_npy_reader *reader = NULL; /* the same, piece by piece */
    st = rs_npy_open(path, &reader, &array, diag);
    if (st != whole && st != RS_RESOURCE)
        abort();
    float values[100];
    for (int64_t left = array.count; st == RS_OK && left > 0; left -= 100)
        if (rs_npy_read_floats(reader, values, left < 100 ? left : 100, diag) != RS_OK)
            abort();
    rs_npy_close(reader);
    rs_dataset *set = new_set(path);
    st = use(set, rs_arrays_read(path, path, set, diag));
    rs_diag_free(diag);
    return st;
}

static rs_status array_yaml(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_array_config *config = NULL;
    const rs_status st = rs_array_config_read(path, &config, diag);
    rs_array_config_free(config);
    rs_diag_free(diag);
    return st;
}

static rs_status run_yaml(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_run_config *config = NULL;
    const rs_status st = rs_run_config_read(path, &config, diag);
    rs_run_config_free(config);
    rs_diag_free(diag);
    return st;
}

static rs_status technology_yaml(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_technology *technology = NULL;
    const rs_status st = rs_technology_read(path, &technology, diag);
    rs_technology_free(technology);
    rs_diag_free(diag);
    return st;
}

static rs_status unit_yaml(const char *path, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    rs_diag *diag = rs_diag_new();
    rs_unit_config *config = NULL;
    const rs_status st = rs_unit_config_read(path, &config, diag);
    if (st == RS_OK)
        (void)rs_unit_config_place(config, "design.sources[0]");
    rs_unit_config_free(config);
    rs_diag_free(diag);
    return st;
}

static char qnet_folder[64];

static void remove_folder(void)
{
    DIR *d = opendir(qnet_folder);
    char name[512];
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(name, sizeof name, "%s/%s", qnet_folder, e->d_name);
        (void)unlink(name);
    }
    if (d != NULL)
        closedir(d);
    (void)rmdir(qnet_folder);
}

/* Links to the arrays of tests/fuzz/qnet (the current folder is the project's). */
static void take_arrays(void)
{
    static const char arrays[] = "tests/fuzz/qnet";
    char *here = realpath(arrays, NULL);
    DIR *d = opendir(arrays);
    if (here == NULL || d == NULL)
        abort();
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char from[4096], to[512];
        snprintf(from, sizeof from, "%s/%s", here, e->d_name);
        snprintf(to, sizeof to, "%s/%s", qnet_folder, e->d_name);
        if (e->d_name[0] != '.' && symlink(from, to) != 0)
            abort();
    }
    closedir(d);
    free(here);
    (void)atexit(remove_folder);
}

/* qnet.json in a folder whose arrays are those of tests/fuzz/qnet. */
static rs_status qnet(const char *path, const uint8_t *data, size_t size)
{
    char name[128];
    (void)path;
    if (qnet_folder[0] == '\0') {
        snprintf(qnet_folder, sizeof qnet_folder, "%s/rs-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(qnet_folder) == NULL)
            abort();
        take_arrays();
    }
    snprintf(name, sizeof name, "%s/qnet.json", qnet_folder);
    FILE *f = fopen(name, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
    rs_diag *diag = rs_diag_new();
    rs_qnet *net = NULL;
    const rs_status st = rs_qnet_read(qnet_folder, &net, diag);
    rs_qnet_free(net);
    rs_diag_free(diag);
    (void)unlink(name);
    return st;
}

const rs_fuzz_target rs_fuzz_targets[] = {
    { "prototxt", prototxt },
    { "solver", solver },
    { "caffemodel", caffemodel },
    { "hdf5", caffemodel },
    { "onnx", onnx },
    { "solverstate", solverstate },
    { "binaryproto", binaryproto },
    { "idx", idx },
    { "cifar", cifar },
    { "list", list },
    { "picture", picture },
    { "lmdb", lmdb },
    { "datum", datum },
    { "npy", npy },
    { "array_yaml", array_yaml },
    { "run_yaml", run_yaml },
    { "technology_yaml", technology_yaml },
    { "unit_yaml", unit_yaml },
    { "qnet", qnet },
    { NULL, NULL },
};

rs_status rs_fuzz_run(const rs_fuzz_target *target, const uint8_t *data, size_t size)
{
    char path[64];
    const int fd = memfd_create("fuzz", 0);
    if (fd < 0)
        abort();
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(fd, data + done, size - done);
        if (n <= 0)
            abort();
        done += (size_t)n;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const rs_status st = target->run(path, data, size);
    close(fd);
    return st;
}
