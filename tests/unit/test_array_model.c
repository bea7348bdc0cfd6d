/* The cycle-level model against the array clocked cycle by cycle: every event, its cycle and its values, and the memory
 * at the end. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fxp/cpu.h"
#include "oracle/array_clock.h"
#include "oracle/fxp.h"
#include "support/array_cases.h"
#include "support/test.h"

/* test-options: limit=300 */

enum { MOST = 64 }; /* layers and tensors of a random net */

/* Clocks segment after segment, with the host in between; cycles count on. */
typedef struct clocked {
    rs_test_events *events;
    uint64_t base;
} clocked;

static bool keep_clocked(void *context, const rs_event *event)
{
    clocked *c = context;
    rs_event e = *event;
    e.cycle += c->base;
    return rs_test_keep_event(c->events, &e);
}

static void clock_program(const rs_program *program, uint8_t *memory, uint64_t run, uint64_t limit,
                          rs_test_events *events, rs_oracle_run *sum, rs_diag *diag)
{
    clocked c = { .events = events };
    for (int i = 0; i < program->n_segments; i++) {
        rs_oracle_run one = { .layers = sum->layers };
        if (program->segments[i].count == 0) {
            rs_assert_ok(rs_program_run_host(program, program->segments[i].first_layer, memory, diag), diag);
            continue;
        }
        rs_oracle_array_run(program, i, memory, run, limit, keep_clocked, &c, &one);
        c.base += one.cycles;
        sum->cycles += one.cycles;
        sum->stalled += one.stalled;
        sum->saturations += one.saturations;
        sum->overflows += one.overflows;
    }
}

static void *checked(void *p)
{
    assert_non_null(p);
    return p;
}

static uint8_t *copy_memory(const rs_test_case *c)
{
    const size_t bytes = (size_t)(c->program->memory_beats * rs_program_beat_bytes(c->program));
    uint8_t *memory = checked(rs_calloc(bytes, 1));
    memcpy(memory, c->memory, bytes);
    return memory;
}

/* Tensors in memory against the GMP oracle of the whole network; returns the number of values. */
static int64_t compare_tensors(const rs_test_case *c, const uint8_t *memory)
{
    const rs_qnet *q = c->qnet;
    int32_t *tensors[MOST];
    uint64_t saturations[MOST] = { 0 };
    int64_t compared = 0;
    for (int i = 0; i < q->n_ops; i++)
        if (rs_qnet_minifloat(q) && q->ops[i].type == RS_QOP_LRN)
            return 0; /* the oracle of minifloats has no normalization */
    for (int i = 0; i < q->n_tensors; i++)
        tensors[i] = checked(RS_NEW_ARRAY(int32_t, (size_t)q->tensors[i].channels * (size_t)q->tensors[i].height *
                                                       (size_t)q->tensors[i].width));
    if (rs_qnet_minifloat(q))
        rs_oracle_minifloat_net_run(q, c->pixels, tensors, saturations);
    else
        rs_oracle_qnet_run(q, c->pixels, tensors, saturations);
    for (int i = 1; i < q->n_tensors; i++) {
        if (c->program->tensors[i].beats == 0)
            continue;
        const int64_t n = (int64_t)q->tensors[i].channels * q->tensors[i].height * q->tensors[i].width;
        int32_t *got = checked(RS_NEW_ARRAY(int32_t, (size_t)n));
        rs_program_read_tensor(c->program, memory, i, got);
        assert_memory_equal(got, tensors[i], (size_t)n * sizeof *got);
        rs_free(got);
        compared += n;
    }
    for (int i = 0; i < q->n_tensors; i++)
        rs_free(tensors[i]);
    return compared;
}

typedef struct totals {
    int64_t events, cycles, values, overflowing, saturating, limited, tiled;
    int64_t kinds[RS_KIND_HOST + 1];                 /* layers */
    int64_t shifters, minifloats, channel_shifts;    /* programs */
    int64_t sets, shared, runs, slices, unsigned_in; /* descriptors; sets of several convolution groups */
} totals;

static void count_features(const rs_program *program, totals *sum)
{
    sum->shifters += program->config.pe == RS_PE_SHIFTER;
    sum->minifloats += program->config.pe == RS_PE_MINIFLOAT;
    sum->channel_shifts += program->config.channel_shifts == RS_YES;
    for (int l = 0; l < program->n_layers; l++)
        sum->kinds[program->layers[l].kind]++;
    for (int i = 0; i < program->n_descriptors; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        const rs_program_layer *layer = &program->layers[rs_program_layer_of(program, i)];
        const rs_qop *op = &program->qnet->ops[layer->op];
        const int sets = d->groups / d->groups_per_set;
        sum->sets += d->mode == RS_MODE_WEIGHTS && sets > 1;
        sum->shared += d->mode == RS_MODE_WEIGHTS && op->groups > sets;
        sum->runs += d->run_skip > 0;
        sum->slices += d->mode == RS_MODE_WEIGHTS && op->groups == 1 &&
                       d->groups < (program->qnet->tensors[op->output].channels + program->config.lanes - 1) /
                                       program->config.lanes;
        sum->unsigned_in += d->in_unsigned;
    }
}

static void compare_case(rs_test_case *c, uint64_t run, totals *sum)
{
    char text[2048];
    rs_test_case_text(c, text, sizeof text);
    rs_diag *diag = rs_diag_new();
    rs_layer_stats layers[MOST], bare_layers[MOST], quiet_layers[MOST];
    rs_oracle_activity activity[MOST] = { 0 };
    rs_run_stats stats = { .layers = layers }, bare = { .layers = bare_layers }, quiet = { .layers = quiet_layers };
    const int beat_bytes = (int)rs_program_beat_bytes(c->program);
    rs_test_events model = { .beat_bytes = beat_bytes }, clock = { .beat_bytes = beat_bytes };
    uint8_t *model_memory = copy_memory(c), *clock_memory = copy_memory(c), *quiet_memory = copy_memory(c);
    rs_oracle_run totals_of_clock = { .layers = activity };
    rs_array *array = NULL;

    rs_assert_ok(rs_array_new(c->program, &array, diag), diag);
    rs_assert_ok(rs_array_run(array, model_memory, run, rs_test_keep_event, &model, &stats, diag), diag);
    clock_program(c->program, clock_memory, run, stats.cycles + 1000, &clock, &totals_of_clock, diag);

    sum->events += rs_test_events_equal(&model, &clock, text);
    const size_t bytes = (size_t)(c->program->memory_beats * beat_bytes);
    if (memcmp(model_memory, clock_memory, bytes) != 0)
        fail_msg("%s: memory differs", text);
    uint64_t cycles = 0, saturations = 0, overflows = 0;
    assert_int_equal(stats.n_layers, c->program->n_layers);
    for (int i = 0; i < stats.n_layers; i++) {
        const rs_layer_stats *s = &layers[i];
        const rs_oracle_activity *a = &activity[i];
        if (s->compute_cycles != a->run || s->wait_weights != a->wait_weights || s->wait_ifmap != a->wait_ifmap ||
            s->wait_output != a->wait_output || s->drain != a->drain || s->control != a->control)
            fail_msg("%s: layer %d attributes %llu %llu %llu %llu %llu %llu, clocked %llu %llu %llu %llu %llu %llu",
                     text, i, (unsigned long long)s->compute_cycles, (unsigned long long)s->wait_weights,
                     (unsigned long long)s->wait_ifmap, (unsigned long long)s->wait_output,
                     (unsigned long long)s->drain, (unsigned long long)s->control, (unsigned long long)a->run,
                     (unsigned long long)a->wait_weights, (unsigned long long)a->wait_ifmap,
                     (unsigned long long)a->wait_output, (unsigned long long)a->drain, (unsigned long long)a->control);
        cycles += s->cycles;
        saturations += s->saturations;
        overflows += s->overflows;
    }
    assert_int_equal(cycles, stats.cycles);
    assert_int_equal(stats.cycles, totals_of_clock.cycles);
    assert_int_equal(stats.stalled_requests, totals_of_clock.stalled);
    assert_int_equal(saturations, totals_of_clock.saturations);
    assert_int_equal(overflows, totals_of_clock.overflows);

    /* Without a sink, and without data, nothing else changes. */
    rs_assert_ok(rs_array_run(array, quiet_memory, run, NULL, NULL, &quiet, diag), diag);
    assert_memory_equal(layers, quiet_layers, (size_t)stats.n_layers * sizeof *layers);
    assert_int_equal(quiet.cycles, stats.cycles);
    assert_int_equal(quiet.stalled_requests, stats.stalled_requests);
    assert_memory_equal(quiet_memory, clock_memory, bytes);
    rs_assert_ok(rs_array_run(array, NULL, run, NULL, NULL, &bare, diag), diag);
    assert_int_equal(bare.cycles, stats.cycles);
    assert_int_equal(bare.stalled_requests, stats.stalled_requests);
    for (int i = 0; i < stats.n_layers; i++) {
        bare_layers[i].saturations = layers[i].saturations;
        bare_layers[i].overflows = layers[i].overflows;
    }
    assert_memory_equal(layers, bare_layers, (size_t)stats.n_layers * sizeof *layers);

    if (overflows == 0)
        sum->values += compare_tensors(c, model_memory);
    count_features(c->program, sum);
    sum->cycles += (int64_t)stats.cycles;
    sum->overflowing += overflows > 0;
    sum->saturating += saturations > 0;
    sum->limited += c->config.outstanding <= c->config.latency;
    sum->tiled += c->program->n_descriptors > c->program->n_layers;
    rs_array_free(array);
    rs_test_events_free(&model);
    rs_test_events_free(&clock);
    rs_free(model_memory);
    rs_free(clock_memory);
    rs_free(quiet_memory);
    rs_diag_free(diag);
}

static void campaign(uint64_t stream, int cases, rs_test_limits limits)
{
    totals sum = { 0 };
    const uint64_t seed = rs_test_seed() + stream;
    for (int i = 0; i < cases; i++) {
        rs_test_case c = rs_test_case_make(seed, (uint64_t)i, limits);
        compare_case(&c, (uint64_t)i % 3, &sum);
        rs_test_case_free(&c);
    }
    print_message("# %d cases: compared %lld events, %lld cycles, %lld values with the oracle; %lld cases overflow, "
                  "%lld saturate, %lld are limited "
                  "by reads in flight, %lld are tiled\n",
                  cases, (long long)sum.events, (long long)sum.cycles, (long long)sum.values,
                  (long long)sum.overflowing, (long long)sum.saturating, (long long)sum.limited, (long long)sum.tiled);
    for (int kind = 0; kind <= RS_KIND_HOST; kind++)
        print_message("# %lld %s,", (long long)sum.kinds[kind], rs_program_kind_name((rs_program_kind)kind));
    print_message(" tiles: %lld with sets, %lld sharing steps, %lld in runs, %lld slices, %lld unsigned\n",
                  (long long)sum.sets, (long long)sum.shared, (long long)sum.runs, (long long)sum.slices,
                  (long long)sum.unsigned_in);
    print_message("# %lld arrays of shifters, %lld of minifloats, %lld with a shift a channel\n",
                  (long long)sum.shifters, (long long)sum.minifloats, (long long)sum.channel_shifts);
    assert_true(sum.events > 100 * cases && sum.values > 10 * cases);
    for (int kind = 0; kind <= RS_KIND_HOST; kind++)
        assert_true(cases < 200 || sum.kinds[kind] > 2);
    assert_true(cases < 200 || (sum.sets > 2 && sum.shared > 2 && sum.runs > 2 && sum.unsigned_in > 2 &&
                                sum.shifters > 20 && sum.minifloats > 20 && sum.channel_shifts > 20));
    if (cases >= 50)
        assert_true(sum.overflowing > 2 && sum.saturating > 2 && sum.limited > 2 && sum.tiled > (cases < 200 ? 0 : 2));
}

static int scaled(int cases)
{
    const char *level = getenv("RISTRETTO_LEVEL"), *variant = getenv("RISTRETTO_VARIANT");
    if (variant && strcmp(variant, "asan") == 0)
        return cases / 4;
    return level && strcmp(level, "full") == 0 ? 10 * cases : cases;
}

static void test_small_arrays(void **state)
{
    (void)state;
    campaign(0, scaled(240), (rs_test_limits) { .lanes = 8, .multipliers = 8, .macs = 60000, .layers = 4 });
}

static void test_large_arrays(void **state)
{
    (void)state;
    campaign(1, scaled(80), (rs_test_limits) { .lanes = 64, .multipliers = 64, .macs = 200000, .layers = 3 });
}

static void test_kernels(void **state)
{
    (void)state;
    for (int level = RS_CPU_PORTABLE; level < RS_CPUS; level++) {
        if (rs_cpu_force((rs_cpu)level) != (rs_cpu)level)
            break;
        print_message("# %s\n", rs_cpu_name((rs_cpu)level));
        campaign(2, scaled(60), (rs_test_limits) { .lanes = 20, .multipliers = 20, .macs = 60000, .layers = 2 });
    }
    rs_cpu_force(RS_CPUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_arrays),
        cmocka_unit_test(test_large_arrays),
        cmocka_unit_test(test_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
