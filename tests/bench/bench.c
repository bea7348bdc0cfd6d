/* Speed, side by side in one run: `make bench`. Prints a table of ratios; the machine's own matrix product rate comes
 * first, so that they can be judged on any machine. The embedded digits, repeated, stand for MNIST's test set: time
 * does not depend on what the pixels show.
 *
 *   bench ZOO ARRAY SOLVER     model/zoo/lenet, an array's YAML, a solver file that trains on the digits
 *   bench ZOO ARRAY layers     the array alone: layers of the published networks; or those with some text in their
 * title */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array/array.h"
#include "base/blas.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cosim/dut.h"
#include "cosim/lockstep.h"
#include "import/caffe/caffe.h"
#include "layers/exec.h"
#include "engine/engine.h"
#include "search/quantize.h"
#include "report/table.h"
#include "train/score.h"
#include "train/train.h"
#include "qnet/build.h"
#include "emulate/score.h"

/* Of the original programs on a machine of this kind (two cores), from their own logs. */
static const double original_evaluation_seconds = 16.3;     /* 10,000 images in fixed point */
static const double original_search_seconds = 142.0;        /* the whole search over 10,000 images */
static const double caffe_training[2] = { 3640.0, 4300.0 }; /* images a second on one and on two threads */

enum { IMAGES = 10000 };

static rs_diag *diag;

static void must(rs_status status)
{
    if (status == RS_OK)
        return;
    rs_diag_print(diag, stderr);
    exit((int)status);
}

static void *need(void *block)
{
    if (block == NULL)
        must(rs_out_of_memory(diag));
    return block;
}

/* Whole numbers where there is something before the point, else three digits behind it. */
static void number(double value, char buffer[32])
{
    if (value >= 1000.0)
        (void)rs_count_text((int64_t)(value + 0.5), buffer);
    else
        snprintf(buffer, 32, "%.3g", value);
}

static void row(const char *what, double ours, const char *unit, double other, const char *other_name, double ratio)
{
    char a[32], b[32];
    number(ours, a);
    number(other, b);
    printf("  %-56s %14s %-9s %10s %-22s %8.1f x\n", what, a, unit, b, other_name, ratio);
    fflush(stdout);
}

/* Seconds that this thread has computed: array model and RTL run on one thread, and a busy machine does not change
 * their ratio. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Largest of a few tries: the machine may be busy with something else. */
static double best(double a, double b)
{
    return a > b ? a : b;
}

static double sgemm_gflops(void)
{
    enum { N = 1024, TRIES = 6 };
    float *a = need(rs_calloc(N * N, sizeof *a)), *b = need(rs_calloc(N * N, sizeof *b)),
          *c = need(rs_calloc(N * N, sizeof *c));
    for (int i = 0; i < N * N; i++) {
        a[i] = (float)(i % 17) - 8.0f;
        b[i] = (float)(i % 13) - 6.0f;
    }
    double rate = 0.0;
    for (int i = 0; i < TRIES; i++) {
        const double begin = rs_seconds();
        rs_blas_get()->sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0f, a, N, b, N, 0.0f, c, N);
        rate = best(rate, 2.0 * N * N * (double)N / (rs_seconds() - begin) * 1e-9);
    }
    rs_free(a);
    rs_free(b);
    rs_free(c);
    return rate;
}

/* The digits, again and again. */
static rs_dataset *repeated(const rs_dataset *digits)
{
    const size_t image = (size_t)digits->channels * (size_t)digits->height * (size_t)digits->width;
    rs_dataset *set = need(RS_NEW(rs_dataset));
    *set = *digits;
    set->count = IMAGES;
    set->pixels = need(rs_calloc(IMAGES, image));
    set->labels = need(RS_NEW_ARRAY(int32_t, IMAGES));
    for (int64_t i = 0; i < IMAGES; i++) {
        memcpy(set->pixels + (size_t)i * image, digits->pixels + (size_t)(i % digits->count) * image, image);
        set->labels[i] = digits->labels[i % digits->count];
    }
    return set;
}

static double float_rate(const rs_net *net, const rs_dataset *set)
{
    double rate = 0.0;
    for (int i = 0; i < 3; i++) {
        rs_test_result r;
        must(rs_score_dataset(net, set, NULL, &r, diag));
        rate = best(rate, r.images_per_second);
    }
    return rate;
}

static double engine_rate(const rs_qnet *qnet, const rs_dataset *set)
{
    rs_engine *engine = NULL;
    must(rs_engine_new(qnet, false, &engine, diag));
    double rate = 0.0;
    for (int i = 0; i < 3; i++) {
        rs_score s = { .saturations = NULL };
        must(rs_engine_score(engine, set, 1, &s, diag));
        rate = best(rate, (double)s.images / s.seconds);
    }
    rs_engine_free(engine);
    return rate;
}

/* ------------------------------------------------------------------------------------------ array model and RTL */

static bool drop(void *context, const rs_event *event)
{
    (void)context;
    (void)event;
    return true;
}

typedef struct rates {
    double model, cycles_only, rtl; /* cycles per second of computing, one thread */
    double setup;                   /* seconds from a compiled program to the first answer in cycles */
    uint64_t cycles;
} rates;

/* Model with bits and cycles, model with cycles only, and RTL on the same program and image. */
static rates array_rates(const rs_program *p, const uint8_t *pixels)
{
    const size_t bytes = (size_t)(p->memory_beats * rs_program_beat_bytes(p));
    uint8_t *memory = need(rs_calloc(1, bytes));
    rs_array *array = NULL;
    rs_dut *dut = NULL;
    rates r = { 0 };
    rs_layer_stats *layers = need(RS_NEW_ARRAY(rs_layer_stats, (size_t)p->n_layers));
    rs_run_stats first = { .n_layers = p->n_layers, .layers = layers };
    const double cold = cpu_seconds();
    must(rs_array_new(p, &array, diag));
    must(rs_array_run(array, NULL, 0, NULL, NULL, &first, diag));
    r.setup = cpu_seconds() - cold;
    memcpy(memory, p->memory, bytes);
    rs_program_load_image(p, pixels, memory);
    for (int kind = 0; kind < 2; kind++) {
        uint64_t cycles = 0, run = 0;
        double seconds = 0.0;
        const double begin = cpu_seconds();
        /* The clock of a thread is a system call, as long as a short run: it is asked after 1, 2, 4, ... runs. */
        for (uint64_t block = 1; (seconds = cpu_seconds() - begin) < 1.0; block *= seconds < 0.25 ? 2 : 1)
            for (const uint64_t end = run + block; run < end; run++) {
                rs_run_stats stats = { .n_layers = p->n_layers, .layers = layers };
                must(rs_array_run(array, kind == 0 ? memory : NULL, run, NULL, NULL, &stats, diag));
                cycles += r.cycles = stats.cycles;
            }
        *(kind == 0 ? &r.model : &r.cycles_only) = (double)cycles / seconds;
    }
    must(rs_dut_open(&p->config, NULL, &dut, diag));
    uint64_t cycles = 0;
    const double begin = cpu_seconds();
    for (uint64_t run = 0; cpu_seconds() - begin < 3.0; run++) {
        bool finished = false;
        must(rs_dut_start(dut, p->descriptors, p->n_descriptors, memory, p->memory_beats, run, diag));
        while (!finished)
            must(rs_dut_advance(dut, UINT64_MAX, drop, NULL, &finished, diag));
        cycles += r.cycles;
    }
    r.rtl = (double)cycles / (cpu_seconds() - begin);
    rs_dut_close(dut);
    rs_array_free(array);
    rs_free(layers);
    rs_free(memory);
    return r;
}

/* The RTL with everything that watches it: its own assertions alone, and in lockstep with the model, every event
 * compared. */
static void rtl_rows(const rs_program *program, const rs_dataset *set, double rtl)
{
    static const double wanted = 0.5e6;
    enum { WATCHED_IMAGES = 20 };
    const int n = set->count < WATCHED_IMAGES ? (int)set->count : WATCHED_IMAGES;
    char title[64];
    snprintf(title, sizeof title, "RTL, %d x %d, whole LeNet, assertions on", program->config.lanes,
             program->config.multipliers);
    row(title, rtl, "cycles/s", wanted, "cycles/s asked", rtl / wanted);
    rs_lockstep_result result;
    const double begin = cpu_seconds();
    must(rs_lockstep_run(program, set->pixels, n, &(rs_lockstep_options) { .x_seed = 1 }, NULL, &result, diag));
    const double rate = (double)result.cycles / (cpu_seconds() - begin);
    row("the same in lockstep with the model, each event compared", rate, "cycles/s", wanted, "cycles/s asked",
        rate / wanted);
    rs_lockstep_result_clear(&result);
}

/* One layer alone: ops [first, first + n) of a network. Its input tensor is given a table like the pixels'. */
static void cut_layer(const rs_qnet *whole, int first, int n, rs_qnet *part, rs_qtensor *tensors, rs_qop *ops)
{
    *part = *whole;
    part->n_tensors = n + 1;
    part->n_ops = n;
    part->tensors = tensors;
    part->ops = ops;
    tensors[0] = whole->tensors[whole->ops[first].input];
    for (int i = 0; i < n; i++) {
        ops[i] = whole->ops[first + i];
        tensors[i + 1] = whole->tensors[ops[i].output];
        ops[i].n_inputs = 1;
        ops[i].input = i;
        ops[i].output = i + 1;
    }
    const int bits = tensors[0].format.bits;
    part->pixel_table = need(RS_NEW_ARRAY(int32_t, (size_t)tensors[0].channels * 256));
    for (int i = 0; i < tensors[0].channels * 256; i++)
        part->pixel_table[i] = (int32_t)rs_fxp_wrap(i * 7, bits);
}

static void bench_array(const rs_qnet *qnet, const char *array_path, const rs_dataset *set)
{
    rs_array_config *config = NULL;
    rs_program *program = NULL;
    must(rs_array_config_read(array_path, &config, diag));
    must(rs_program_compile(qnet, config, &program, diag));
    rs_set_threads(1);
    const rates whole = array_rates(program, set->pixels);
    row("array model, bits and cycles, whole LeNet", whole.model, "cycles/s", whole.rtl, "cycles/s, RTL",
        whole.model / whole.rtl);
    row("array model, cycles only", whole.cycles_only, "cycles/s", whole.rtl, "cycles/s, RTL",
        whole.cycles_only / whole.rtl);
    rtl_rows(program, set, whole.rtl);
    rs_program_free(program);

    rs_qnet part;
    rs_qtensor tensors[3];
    rs_qop ops[2];
    cut_layer(qnet, 2, 2, &part, tensors, ops); /* conv2 and its pooling */
    uint8_t *pixels = need(
        rs_calloc((size_t)tensors[0].channels * (size_t)tensors[0].height * (size_t)tensors[0].width, 1));
    for (int i = 0; i < tensors[0].channels * tensors[0].height * tensors[0].width; i++)
        pixels[i] = (uint8_t)(i * 31);
    rs_program *layer = NULL;
    must(rs_program_compile(&part, config, &layer, diag));
    const rates conv2 = array_rates(layer, pixels);
    row("array model, bits and cycles, conv2 alone", conv2.model, "cycles/s", conv2.rtl, "cycles/s, RTL",
        conv2.model / conv2.rtl);
    rs_set_threads(0);
    rs_program_free(layer);
    rs_free(part.pixel_table);
    rs_free(pixels);
    rs_array_config_free(config);
}

/* ----------------------------------------------------------------------------- layers of the published networks */

static rs_net *random_net(const char *zoo, const char *file, rs_phase phase, const rs_shape *input);

/* 8 bits everywhere, random weights and fractional lengths at which most values neither vanish nor saturate; or the
 * numbers of another processing element: weights that are powers of two (4 bits), or minifloats of this format. */
static rs_qnet *random_qnet(const char *zoo, const char *file, rs_pe pe, const char *format)
{
    rs_net *net = random_net(zoo, file, RS_TEST, NULL);
    rs_formats *formats = NULL;
    rs_qnet *qnet = NULL;
    rs_minifloat numbers = { 0 };
    (void)rs_minifloat_parse(format, &numbers);
    const rs_number_format minifloat = rs_number_of_minifloat(numbers), fixed = rs_number_of_fxp((rs_fxp) { 8, 9 });
    must(rs_formats_new(net, &formats, diag));
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_CONVOLUTION || net->layers[i].type == RS_LAYER_INNER_PRODUCT)
            formats->weights[i] = pe == RS_PE_SHIFTER     ? rs_number_of_power2(RS_POWER2_ORIGINAL)
                                  : pe == RS_PE_MINIFLOAT ? minifloat
                                                          : fixed;
    for (int i = 0; i < net->n_blobs; i++)
        formats->activations[i] = pe == RS_PE_MINIFLOAT ? minifloat : rs_number_of_fxp((rs_fxp) { 8, 3 });
    const rs_data_param data = { .scale = 0.1f };
    must(rs_qnet_build(net, formats, &data, RS_BIAS_ACCUMULATOR, RS_ROUND_NEAREST, &qnet, diag));
    rs_formats_free(formats);
    rs_net_free(net);
    return qnet;
}

/* An array of n x n that reads n bytes of weights per cycle; 8x8 bits, of a shifter 8x4. */
static rs_array_config *square_array(const char *path, int n, rs_pe pe)
{
    rs_array_config *c = NULL;
    must(rs_array_config_read(path, &c, diag));
    c->lanes = c->multipliers = n;
    c->pe = pe;
    c->activation_bits = 8;
    c->weight_bits = pe == RS_PE_SHIFTER ? 4 : 8;
    c->bus_bits = 8 * n;
    c->activation_elements = c->output_elements = 1 << 18;
    c->weight_steps = 1024;
    c->average_pooling = pe == RS_PE_MINIFLOAT ? RS_AUTO : RS_YES;
    c->program_depth = 4096;
    return c;
}

/* One layer of a network of the zoo, and the processing element that it runs on. */
typedef struct layer_case {
    const char *file, *op, *title;
    rs_pe pe;
    int largest;        /* array: 16, or 16 and 64 */
    const char *format; /* of minifloats */
} layer_case;

/* A row of the table, unless its title lacks the text that is wanted. */
static void bench_layer(const char *array_path, const layer_case *layer, const rs_qnet *part, int n, const char *wanted)
{
    char title[80], cycles[32], macs_text[32], rtl[32], model[32];
    snprintf(title, sizeof title, "%s, %d x %d", layer->title, n, n);
    if (!strstr(title, wanted))
        return;
    const rs_qtensor *input = &part->tensors[0];
    const size_t inputs = (size_t)input->channels * (size_t)input->height * (size_t)input->width;
    uint8_t *pixels = need(rs_calloc(inputs, 1));
    for (size_t k = 0; k < inputs; k++)
        pixels[k] = (uint8_t)(k * 31);
    rs_array_config *config = square_array(array_path, n, layer->pe);
    rs_program *program = NULL;
    must(rs_program_compile(part, config, &program, diag));
    const rates r = array_rates(program, pixels);
    const double macs = (double)rs_qop_macs(part, &part->ops[0]);
    number((double)r.cycles, cycles);
    number(macs, macs_text);
    number(r.rtl, rtl);
    number(r.model, model);
    printf("  %-36s %8s %12s %5.1f%% %10s %14s %7.0f x %9.3g %9.0f x %8.0f %8.0f\n", title, cycles, macs_text,
           100.0 * macs / ((double)r.cycles * n * n), rtl, model, r.model / r.rtl, r.cycles_only, r.cycles_only / r.rtl,
           1e9 * (double)r.cycles / r.cycles_only, 1e6 * r.setup);
    fflush(stdout);
    rs_program_free(program);
    rs_array_config_free(config);
    rs_free(pixels);
}

static void bench_layers(const char *zoo, const char *array_path, const char *wanted)
{
    static const char squeezenet[] = "squeezenet_v1.1/deploy.prototxt", lenet[] = "lenet/lenet.prototxt";
    static const layer_case layers[] = {
        { squeezenet, "conv1", "SqueezeNet conv1", RS_PE_MULTIPLIER, 64, "" },
        { squeezenet, "fire2/squeeze1x1", "SqueezeNet fire2/squeeze1x1", RS_PE_MULTIPLIER, 64, "" },
        { "caffenet/deploy.prototxt", "conv2", "CaffeNet conv2", RS_PE_MULTIPLIER, 64, "" },
        { lenet, "conv2", "LeNet conv2", RS_PE_MULTIPLIER, 64, "" },
        { squeezenet, "conv1", "SqueezeNet conv1, shifters", RS_PE_SHIFTER, 16, "" },
        { lenet, "conv2", "LeNet conv2, shifters", RS_PE_SHIFTER, 16, "" },
        { squeezenet, "conv1", "SqueezeNet conv1, e4m3", RS_PE_MINIFLOAT, 16, "e4m3" },
        { lenet, "conv2", "LeNet conv2, e4m3", RS_PE_MINIFLOAT, 16, "e4m3" },
        { lenet, "conv2", "LeNet conv2, e5m2", RS_PE_MINIFLOAT, 16, "e5m2" },
    };
    enum { LAYERS = sizeof layers / sizeof layers[0] };
    rs_set_threads(1);
    printf("\nSame layer, same array, one thread; RTL with all assertions on; a memory that never stalls. Rates in "
           "cycles/s\n"
           "  %-36s %8s %12s %6s %10s %14s %9s %9s %11s %8s %8s\n",
           "", "cycles", "MACs", "used", "RTL", "bits+cycles", "/ RTL", "cycles", "/ RTL", "answer", "first");
    printf("  %-36s %8s %12s %6s %10s %14s %9s %9s %11s %8s %8s\n", "", "", "", "", "", "", "", "only", "", "ns", "us");
    for (int i = 0; i < LAYERS; i++) {
        rs_qnet *whole = random_qnet(zoo, layers[i].file, layers[i].pe, layers[i].format), part;
        rs_qtensor tensors[2];
        rs_qop ops[1];
        int at = 0;
        while (at < whole->n_ops && strcmp(whole->ops[at].name, layers[i].op) != 0)
            at++;
        if (at == whole->n_ops)
            must(rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "no layer '%s' in %s", layers[i].op, layers[i].file));
        cut_layer(whole, at, 1, &part, tensors, ops);
        for (int n = 16; n <= layers[i].largest; n += 48)
            bench_layer(array_path, &layers[i], &part, n, wanted);
        rs_free(part.pixel_table);
        rs_qnet_free(whole);
    }
    puts("  answer: one run without data, of a program that is compiled, with all counters by layer; every run is "
         "computed anew. first: from the compiled program\n"
         "  to the first answer, its weights prepared for runs with data.\n"
         "  Bounds. RTL: the logic that toggles in a cycle, so that it slows with lanes x multipliers. Bits and "
         "cycles: inner products where windows are\n"
         "  large (CaffeNet conv2), rounding and storing outputs where they are small (SqueezeNet conv1), both by the "
         "share of multipliers in use;\n"
         "  minifloats by inner products in binary64, which is exact there. Cycles only: the number of loads, groups "
         "and writes, whatever their length;\n"
         "  layers of few cycles come out lowest.");
    rs_set_threads(0);
}

/* One image of a whole network on the model of the array, bits and cycles. */
static void bench_whole(const char *zoo, const char *array_path)
{
    static const struct {
        const char *file, *title;
        double wanted;
    } nets[] = { { "squeezenet_v1.1/deploy.prototxt", "SqueezeNet v1.1", 0.1 },
                 { "googlenet/deploy.prototxt", "GoogLeNet", 0.4 } };
    rs_set_threads(1);
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        for (int n = 16; n <= 64; n += 48) {
            rs_array_config *config = square_array(array_path, n, RS_PE_MULTIPLIER);
            rs_qnet *qnet = random_qnet(zoo, nets[i].file, RS_PE_MULTIPLIER, "");
            rs_program *p = NULL;
            rs_array *array = NULL;
            must(rs_program_compile(qnet, config, &p, diag));
            must(rs_array_new(p, &array, diag));
            const size_t bytes = (size_t)(p->memory_beats * rs_program_beat_bytes(p));
            uint8_t *memory = need(rs_calloc(1, bytes));
            rs_layer_stats *stats_layers = need(RS_NEW_ARRAY(rs_layer_stats, (size_t)p->n_layers));
            rs_run_stats stats = { .n_layers = p->n_layers, .layers = stats_layers };
            double rate = 0.0;
            memcpy(memory, p->memory, bytes);
            for (int k = 0; k < 5; k++) {
                const double begin = cpu_seconds();
                must(rs_array_run(array, memory, 0, NULL, NULL, &stats, diag));
                rate = best(rate, 1.0 / (cpu_seconds() - begin));
            }
            char title[80];
            snprintf(title, sizeof title, "%s, one image, bits and cycles, %d x %d", nets[i].title, n, n);
            row(title, 1.0 / rate, "s", nets[i].wanted, "s, the aim", nets[i].wanted * rate);
            rs_array_free(array);
            rs_program_free(p);
            rs_qnet_free(qnet);
            rs_free(memory);
            rs_free(stats_layers);
            rs_array_config_free(config);
        }
    }
    rs_set_threads(0);
}

/* ----------------------------------------------------------------------------------------------------- training */

static void bench_training(const char *solver_path)
{
    rs_solver_param *solver = NULL;
    must(rs_caffe_read_solver(solver_path, &solver, diag));
    for (int threads = 1; threads <= 2; threads++) {
        double rate = 0.0;
        rs_set_threads(threads);
        for (int i = 0; i < 3; i++) {
            const rs_train_options options = { .seed = 1 };
            rs_train_result r;
            must(rs_train(solver, &options, &r, diag));
            rate = best(rate, r.images_per_second);
        }
        row(threads == 1 ? "training LeNet, batch 64, one thread" : "training LeNet, batch 64, two threads", rate,
            "images/s", caffe_training[threads - 1], "images/s, Caffe", rate / caffe_training[threads - 1]);
    }
    rs_set_threads(0);
    rs_solver_param_free(solver);
}

/* --------------------------------------------------------------------------------------- the published networks */

/* A network of the zoo with random weights: time does not depend on them. */
static rs_net *random_net(const char *zoo, const char *file, rs_phase phase, const rs_shape *input)
{
    char *path = need(rs_format("%s/../%s", zoo, file));
    rs_net *net = NULL;
    must(rs_caffe_read_net(path, phase, &net, diag));
    must(rs_net_infer_shapes(net, input, diag));
    must(rs_net_fill(net, 1, diag));
    rs_free(path);
    return net;
}

/* Best milliseconds of a few runs over a batch, forward alone or with gradients, on noise. */
static double run_milliseconds(const rs_net *net, int64_t batch, bool training)
{
    enum { TRIES = 8 };
    rs_exec *exec = NULL;
    must(rs_exec_new(net, batch, training, &exec, diag));
    float *pixels = rs_exec_blob(exec, rs_net_input(net));
    for (int64_t i = 0; i < batch * rs_exec_blob_size(exec, rs_net_input(net)); i++)
        pixels[i] = (float)(i * 7919 % 255) - 127.0f;
    double best_rate = 0.0;
    for (int i = 0; i < TRIES; i++) {
        double loss;
        const double begin = rs_seconds();
        must(training ? rs_exec_forward_backward(exec, batch, &loss, diag)
                      : rs_exec_forward(exec, 0, net->n_layers, batch, &loss, diag));
        best_rate = best(best_rate, 1.0 / (rs_seconds() - begin));
    }
    rs_exec_free(exec);
    return 1e3 / best_rate;
}

static void bench_networks(const char *zoo)
{
    /* Caffe's CPU build with OpenBLAS, milliseconds of a forward pass over 10 images on two threads. */
    static const struct {
        const char *what, *file;
        int64_t side;
        double caffe;
    } nets[] = { { "SqueezeNet v1.1, forward, 10 images, two threads", "squeezenet_v1.1/deploy.prototxt", 227, 98.0 },
                 { "CaffeNet, forward, 10 images, two threads", "caffenet/deploy.prototxt", 227, 154.0 },
                 { "GoogLeNet, forward, 10 images, two threads", "googlenet/deploy.prototxt", 224, 470.0 } };
    static const double caffe_cifar = 762.0; /* images a second */
    rs_set_threads(2);
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        const rs_shape input = { 4, { 10, 3, nets[i].side, nets[i].side } };
        rs_net *net = random_net(zoo, nets[i].file, RS_TEST, &input);
        const double ms = run_milliseconds(net, 10, false);
        row(nets[i].what, ms, "ms", nets[i].caffe, "ms, Caffe", nets[i].caffe / ms);
        rs_net_free(net);
    }
    const rs_shape input = { 4, { 100, 3, 32, 32 } };
    rs_net *net = random_net(zoo, "cifar10_full/train_test.prototxt", RS_TRAIN, &input);
    const double rate = 100.0 * 1e3 / run_milliseconds(net, 100, true);
    row("CIFAR-10 Full, forward and backward, batch 100, two threads", rate, "images/s", caffe_cifar, "images/s, Caffe",
        rate / caffe_cifar);
    rs_net_free(net);
    rs_set_threads(0);
}

int main(int argc, char **argv)
{
    if (argc != 4 && !(argc == 5 && strcmp(argv[3], "layers") == 0)) {
        fputs("bench ZOO ARRAY SOLVER\nbench ZOO ARRAY layers [PART-OF-TITLE]\n", stderr);
        return RS_USAGE;
    }
    diag = rs_diag_new();
    rs_progress_silence();
    const char *zoo = argv[1];
    if (strcmp(argv[3], "layers") == 0) { /* these alone */
        if (argc == 4)
            bench_whole(zoo, argv[2]);
        bench_layers(zoo, argv[2], argc == 5 ? argv[4] : "");
        rs_diag_free(diag);
        return RS_OK;
    }
    char *net_path = need(rs_format("%s/lenet_train_test.prototxt", zoo)),
         *weights = need(rs_format("%s/lenet.caffemodel", zoo));
    char *digits_path = need(rs_format("%s/digits", zoo));
    rs_dataset *digits = NULL;
    rs_net *net = NULL;
    int data_layer = 0;
    must(rs_dataset_open(digits_path, NULL, false, &digits, diag));
    rs_dataset *set = repeated(digits);
    must(rs_caffe_read_net(net_path, RS_TEST, &net, diag));
    must(rs_data_layer(net, &data_layer, diag));
    const rs_data_param *transform = &net->layers[data_layer].data;
    const rs_shape shape = rs_dataset_shape(set, transform, 1);
    must(rs_net_infer_shapes(net, &shape, diag));
    must(rs_caffe_read_weights(weights, net, diag));

    double load[1] = { 0.0 };
    if (getloadavg(load, 1) != 1)
        load[0] = -1.0;
    printf("%d threads; load of the machine before: %.1f. Its matrix product (sgemm of OpenBLAS, %s kernels), one "
           "thread: %.1f GFLOP/s\n\n",
           rs_threads(), load[0], rs_blas_get()->kernel, sgemm_gflops());
    printf("  %-56s %24s %33s %10s\n", "", "Ristretto", "beside it", "ratio");

    rs_quantize_options options;
    rs_quantize_defaults(&options);
    const double begin = rs_seconds();
    rs_quantize_result *result = NULL;
    must(rs_quantize(net, transform, set, set, &options, &result, diag));
    const double search = rs_seconds() - begin;
    const double floats = float_rate(net, set), integers = engine_rate(result->qnet, set);
    row("LeNet on integers, exact engine", integers, "images/s", floats, "images/s, own float", integers / floats);
    row("fixed point evaluation of 10,000 images", IMAGES / integers, "s", original_evaluation_seconds,
        "s, original Ristretto", original_evaluation_seconds * integers / IMAGES);
    row("whole search, every width from 16 to 1, 10,000 images", search, "s", original_search_seconds,
        "s, original Ristretto", original_search_seconds / search);
    bench_array(result->qnet, argv[2], set);
    bench_training(argv[3]);
    bench_networks(zoo);
    bench_whole(zoo, argv[2]);
    bench_layers(zoo, argv[2], "");

    rs_diag_print(diag, stderr);
    rs_quantize_result_free(result);
    rs_net_free(net);
    rs_free(set->pixels);
    rs_free(set->labels);
    rs_free(set);
    rs_dataset_free(digits);
    rs_free(net_path);
    rs_free(weights);
    rs_free(digits_path);
    rs_diag_free(diag);
    return RS_OK;
}
