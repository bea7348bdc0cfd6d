/* The closed forms of docs/reference/array-timing.md section 6 against the model, for every kind of layer that the
 * array runs: random sizes on random arrays, a memory that never stalls. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "array/array.h"
#include "base/memory.h"
#include "base/rng.h"
#include "support/array_cases.h"
#include "support/cycle_forms.h"
#include "support/random_qnet.h"
#include "support/test.h"

enum { CASES = 60, LAYERS = 4 };

static int pick(rs_rng *rng, int from, int to)
{
    return from + (int)(rs_rng_next(rng) % (uint64_t)(to - from + 1));
}

static rs_array_config random_array(rs_rng *rng)
{
    rs_array_config c = rs_test_array(pick(rng, 1, 16), pick(rng, 1, 16));
    c.tree_registers = (rs_tree_registers)pick(rng, 0, 2);
    c.bus_bits = 32 << pick(rng, 0, 4);
    c.latency = pick(rng, 1, 40);
    c.outstanding = c.latency + pick(rng, 1, 20);
    return c;
}

/* A net of these layers (prototxt) on an input blob "data". */
static rs_qnet *net_of(int channels, int height, int width, const char *layers)
{
    char *text = rs_format("layer { name: \"data\" type: \"Input\" top: \"data\" input_param { shape { dim: 1 dim: %d "
                           "dim: %d dim: %d } } }\n%s",
                           channels, height, width, layers);
    assert_non_null(text);
    rs_test_write(rs_test_path("net.prototxt"), text, strlen(text));
    rs_free(text);
    return rs_test_qnet_of(rs_test_path("net.prototxt"));
}

#define CONVOLUTION                                                          \
    "layer { name: \"%s\" type: \"Convolution\" bottom: \"%s\" top: \"%s\" " \
    "convolution_param { num_output: %d kernel_size: %d stride: %d pad: %d dilation: %d group: %d } }\n"
#define POOLING                                                                                                   \
    "layer { name: \"%s\" type: \"Pooling\" bottom: \"%s\" top: \"%s\" pooling_param { pool: %s kernel_size: %d " \
    "stride: %d pad: %d } }\n"

/* What the cases of a test went through. */
typedef struct counts {
    int64_t cases, computing, loading, between, uneven, cycles;
} counts;

/* A run of a whole program. */
typedef struct ran {
    rs_program *program;
    rs_run_stats stats;
    rs_layer_stats layers[LAYERS];
} ran;

static void run(const rs_qnet *qnet, const rs_array_config *config, ran *r)
{
    rs_diag *diag = rs_diag_new();
    rs_array *array = NULL;
    *r = (ran) { .stats = { .layers = r->layers } };
    rs_assert_ok(rs_program_compile(qnet, config, &r->program, diag), diag);
    assert_in_range(r->program->n_layers, 1, LAYERS);
    rs_assert_ok(rs_array_new(r->program, &array, diag), diag);
    rs_assert_ok(rs_array_run(array, NULL, 0, NULL, NULL, &r->stats, diag), diag);
    rs_array_free(array);
    rs_diag_free(diag);
}

/* Layer "x" in a chain of layers of one tile each: its own cycles. */
static void compare(const rs_qnet *qnet, const rs_array_config *config, rs_program_kind kind, const char *what,
                    counts *sum)
{
    ran r;
    run(qnet, config, &r);
    int x = 0;
    while (strcmp(r.program->layers[x].name, "x") != 0)
        assert_true(++x < r.program->n_layers);
    assert_int_equal(r.program->n_descriptors, r.program->n_layers);
    assert_int_equal(r.program->layers[x].kind, kind);
    const rs_test_form f = rs_test_form_of(r.program, &r.program->layers[x]);
    const int64_t expected = x ? rs_test_form_behind(&f) : rs_test_form_alone(&f), got = (int64_t)r.layers[x].cycles;
    if ((int64_t)r.layers[x].compute_cycles != rs_test_form_compute(&f))
        fail_msg("%s: computes for %" PRIu64 " cycles, the closed form says %" PRId64, what, r.layers[x].compute_cycles,
                 rs_test_form_compute(&f));
    if (f.alike && got != expected)
        fail_msg("%s: %" PRId64 " cycles, the closed form says %" PRId64, what, got, expected);
    const int64_t h = f.latency + f.stages + 3;
    sum->cases += f.alike;
    sum->uneven += f.alike && f.weights != f.weights_last && f.groups > 1;
    sum->computing += !f.direct && f.groups > 1 && f.run >= f.weights + h;
    sum->loading += !f.direct && f.groups > 1 && f.weights >= f.run + h;
    sum->between += !f.direct && f.groups > 2 && f.run < f.weights + h && f.weights < f.run + h;
    sum->cycles += got;
    rs_program_free(r.program);
}

/* One layer's prototxt, of random sizes. */
typedef void (*maker)(rs_rng *rng, int channels, int size, char *text, size_t room);

static void convolution(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    const int kernel = pick(rng, 1, 5), dilation = pick(rng, 1, 2), most = (size - 1) / dilation + 1;
    const int groups = channels % 2 ? 1 : pick(rng, 1, 2);
    snprintf(text, room, CONVOLUTION, "x", "data", "x", groups * pick(rng, 1, 24), kernel < most ? kernel : most,
             pick(rng, 1, 3), pick(rng, 0, 2), dilation, groups);
}

static void points(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    snprintf(text, room, CONVOLUTION, "x", "data", "x", pick(rng, 1, 60), 1, pick(rng, 1, 2), 0, 1, 1);
}

static void depthwise(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)size;
    snprintf(text, room, CONVOLUTION, "x", "data", "x", channels, 3, pick(rng, 1, 2), 1, 1, channels);
}

static void inner_product(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    snprintf(text, room,
             "layer { name: \"x\" type: \"InnerProduct\" bottom: \"data\" top: \"x\" inner_product_param { num_output: "
             "%d } }\n",
             pick(rng, 1, 80));
}

static void with_pooling(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    char first[512];
    const int stride = pick(rng, 1, 3);
    snprintf(first, sizeof first, CONVOLUTION, "x", "data", "x", pick(rng, 1, 40), 3, 1, 1, 1, 1);
    snprintf(text, room, "%s" POOLING, first, "p", "x", "p", "MAX", stride, stride, 0);
}

/* Layers without weights stand behind a convolution, since a net has one; max pooling, which would be taken into it,
 * behind an average pooling. */
static void before(rs_rng *rng, bool average, char *text, size_t room)
{
    char first[512];
    snprintf(first, sizeof first, CONVOLUTION, "a", "data", "a", pick(rng, 1, 40), 1, 1, 0, 1, 1);
    snprintf(text, room, "%s" POOLING, first, "m", "a", "m", average ? "AVE" : "MAX", average ? 2 : 1, 1, 0);
}

static void max_pooling(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    char first[1024];
    before(rng, true, first, sizeof first);
    snprintf(text, room, "%s" POOLING, first, "x", "m", "x", "MAX", 2, pick(rng, 1, 2), pick(rng, 0, 1));
}

static void average_pooling(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    char first[1024];
    before(rng, false, first, sizeof first);
    snprintf(text, room, "%s" POOLING, first, "x", "m", "x", "AVE", pick(rng, 2, 3), pick(rng, 1, 2), pick(rng, 0, 1));
}

static void global_pooling(rs_rng *rng, const char *method, char *text, size_t room)
{
    char first[1024];
    before(rng, true, first, sizeof first);
    snprintf(text, room,
             "%slayer { name: \"x\" type: \"Pooling\" bottom: \"m\" top: \"x\" pooling_param { pool: %s "
             "global_pooling: true } }\n",
             first, method);
}

static void global_average(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    global_pooling(rng, "AVE", text, room);
}

static void global_max(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    global_pooling(rng, "MAX", text, room);
}

/* Of the input: behind a layer it would be taken into that. */
static void relu(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    snprintf(text, room, "layer { name: \"x\" type: \"ReLU\" bottom: \"data\" top: \"x\" }\n" CONVOLUTION, "a", "x",
             "a", pick(rng, 1, 40), 1, 1, 0, 1, 1);
}

static void addition(rs_rng *rng, int channels, int size, char *text, size_t room)
{
    (void)channels;
    (void)size;
    char first[1024];
    before(rng, true, first, sizeof first);
    snprintf(text, room,
             "%slayer { name: \"x\" type: \"Eltwise\" bottom: \"m\" bottom: \"m\" top: \"x\" eltwise_param { "
             "operation: SUM } }\n",
             first);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        maker make;
        rs_program_kind kind;
    } kinds[] = { { "convolution", convolution, RS_KIND_WEIGHTS },
                  { "convolution, 1x1", points, RS_KIND_WEIGHTS },
                  { "convolution, depthwise", depthwise, RS_KIND_WEIGHTS },
                  { "inner product", inner_product, RS_KIND_WEIGHTS },
                  { "convolution and max pooling", with_pooling, RS_KIND_WEIGHTS },
                  { "max pooling", max_pooling, RS_KIND_MAX_POOL },
                  { "average pooling", average_pooling, RS_KIND_AVERAGE_POOL },
                  { "global average pooling", global_average, RS_KIND_AVERAGE_POOL },
                  { "global max pooling", global_max, RS_KIND_MAX_POOL },
                  { "ReLU", relu, RS_KIND_COPY },
                  { "addition", addition, RS_KIND_ADD } };
    counts all = { 0 };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        counts sum = { 0 };
        for (int i = 0; i < CASES; i++) {
            rs_rng rng = { rs_test_seed(), 40 + k, (uint64_t)i << 32 };
            const rs_array_config config = random_array(&rng);
            const int channels = pick(&rng, 1, 16), size = pick(&rng, 3, 9);
            char text[2048], what[2560];
            kinds[k].make(&rng, channels, size, text, sizeof text);
            snprintf(what, sizeof what,
                     "%s, case %d of seed %" PRIu64 ": %dx%dx%d on %dx%d, %d bits a beat, latency %d\n%s",
                     kinds[k].name, i, rs_test_seed(), channels, size, size, config.lanes, config.multipliers,
                     config.bus_bits, config.latency, text);
            rs_qnet *qnet = net_of(channels, size, size, text);
            compare(qnet, &config, kinds[k].kind, what, &sum);
            rs_qnet_free(qnet);
        }
        print_message(
            "# %s: compared %" PRId64 " of %d runs, %" PRId64 " cycles; %" PRId64 " bound by computing, %" PRId64
            " by loading, %" PRId64 " by both in turn, %" PRId64 " with a smaller last group\n",
            kinds[k].name, sum.cases, (int)CASES, sum.cycles, sum.computing, sum.loading, sum.between, sum.uneven);
        assert_true(sum.cases > CASES / 2);
        all.computing += sum.computing;
        all.loading += sum.loading;
        all.between += sum.between;
        all.uneven += sum.uneven;
    }
    assert_true(all.computing > 10 && all.loading > 10 && all.between > 5 && all.uneven > 10);
}

/* A layer that waits for the one before it; its weights come in the meantime. */
static void test_behind(void **state)
{
    (void)state;
    int compared = 0;
    for (int i = 0; i < CASES; i++) {
        rs_rng rng = { rs_test_seed(), 60, (uint64_t)i << 32 };
        const rs_array_config config = random_array(&rng);
        char first[512], text[1024];
        snprintf(first, sizeof first, CONVOLUTION, "a", "data", "a", pick(&rng, 1, 30), 3, 1, 1, 1, 1);
        snprintf(text, sizeof text, "%s" CONVOLUTION, first, "b", "a", "b", pick(&rng, 1, 30), pick(&rng, 1, 3),
                 pick(&rng, 1, 2), 1, 1, 1);
        rs_qnet *qnet = net_of(pick(&rng, 1, 8), 9, 7, text);
        ran r;
        run(qnet, &config, &r);
        assert_int_equal(r.program->n_descriptors, 2);
        const rs_test_form a = rs_test_form_of(r.program, &r.program->layers[0]),
                           b = rs_test_form_of(r.program, &r.program->layers[1]);
        assert_int_equal(r.layers[0].cycles, rs_test_form_alone(&a));
        /* The half that the weights go to is free when the last group but one has run; they come before the first layer
         * ends. */
        const int64_t first_weights = b.groups > 1 ? b.weights : b.weights_last;
        if (first_weights < a.run) {
            if ((int64_t)r.layers[1].cycles != rs_test_form_behind(&b))
                fail_msg("case %d of seed %" PRIu64 ": %" PRIu64 " cycles, the closed form says %" PRId64, i,
                         rs_test_seed(), r.layers[1].cycles, rs_test_form_behind(&b));
            compared++;
        }
        rs_program_free(r.program);
        rs_qnet_free(qnet);
    }
    print_message("# compared %d layers behind another\n", compared);
    assert_true(compared > CASES / 3);
}

/* Several tiles, or layers that do not wait for each other (the parts of a concatenation), bound by computing: loads
 * and stores of all but the first and the last hide behind it. */
static void compare_hidden(const rs_qnet *qnet, const rs_array_config *config, int *tiles)
{
    ran r;
    run(qnet, config, &r);
    const rs_test_form first = rs_test_form_of(r.program, &r.program->layers[0]);
    const rs_descriptor *d = r.program->descriptors, *last = &d[r.program->n_descriptors - 1];
    int64_t compute = 0, groups = 0;
    for (int l = 0; l < r.program->n_layers; l++) {
        const rs_test_form f = rs_test_form_of(r.program, &r.program->layers[l]);
        compute += rs_test_form_compute(&f);
        groups += f.groups * r.program->layers[l].count;
    }
    /* The first band's ifmap, and the last one's ofmap. */
    const int64_t expected = (first.groups > 1 ? first.weights : first.weights_last) + d->ifmap_beats +
                             last->ofmap_beats + first.latency + first.stages + compute + groups +
                             r.program->n_descriptors + 11;
    assert_int_equal(r.stats.cycles, expected);
    *tiles += r.program->n_descriptors;
    rs_program_free(r.program);
}

static void test_hidden(void **state)
{
    (void)state;
    int bands = 0, parts = 0;
    rs_array_config config = rs_test_array(4, 4);
    char text[1024];
    snprintf(text, sizeof text, CONVOLUTION, "x", "data", "x", 8, 3, 1, 1, 1, 1);
    rs_qnet *qnet = net_of(16, 32, 32, text);
    for (config.activation_elements = 2048; config.activation_elements <= 8192; config.activation_elements += 1024)
        compare_hidden(qnet, &config, &bands);
    rs_qnet_free(qnet);
    snprintf(text, sizeof text,
             CONVOLUTION CONVOLUTION "layer { name: \"c\" type: \"Concat\" bottom: \"a\" bottom: \"b\" top: \"c\" }\n",
             "a", "data", "a", 8, 1, 1, 0, 1, 1, "b", "data", "b", 16, 3, 1, 1, 1, 1);
    qnet = net_of(16, 8, 8, text);
    config = rs_test_array(4, 4);
    compare_hidden(qnet, &config, &parts);
    rs_qnet_free(qnet);
    print_message("# compared %d tiles, %d parts of a concatenation\n", bands, parts);
    assert_true(bands > 20);
    assert_int_equal(parts, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_behind),
        cmocka_unit_test(test_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
