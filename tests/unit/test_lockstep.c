/* test-options: limit=240
 * Lockstep of the C model and the RTL: planted faults are caught, named and placed; nets run through without a
 * difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cosim/lockstep.h"
#include "oracle/fxp.h"
#include "support/array_cases.h"
#include "support/test.h"

enum { IMAGES = 3 };

/* A net of two layers on a small array; tiled, with stalls. */
static rs_qnet *net;
static rs_array_config config;
static rs_program *program;
static uint8_t pixels[IMAGES * 2 * 9 * 9];

static int set_up(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const uint64_t seed = rs_test_seed();
    net = rs_test_qnet_convolution(seed, 2, 9, 9, 8, 3, 1, 1, 2, 8);
    rs_test_qnet_inner_product(net, seed, 5, false);
    config = rs_test_array(3, 4);
    config.stall_percent = 30;
    config.stall_seed = seed;
    config.activation_elements = 200;
    config.output_elements = 80;
    config.weight_steps = 80;
    rs_assert_ok(rs_program_compile(net, &config, &program, diag), diag);
    assert_true(program->n_descriptors > program->n_layers);
    rs_rng rng = { seed, 5, 0 };
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)rs_rng_next(&rng);
    rs_diag_free(diag);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rs_program_free(program);
    rs_qnet_free(net);
    return 0;
}

static char *printed(const rs_lockstep_mismatch *m)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    rs_lockstep_print(m, stream);
    fclose(stream);
    return text;
}

static void test_equal(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    int32_t scores[IMAGES * 5], expected[5];
    rs_lockstep_result result;
    rs_assert_ok(rs_lockstep_run(program, pixels, IMAGES, NULL, scores, &result, diag), diag);
    assert_null(result.mismatch);
    assert_int_equal(result.images, IMAGES);
    assert_int_equal(result.events[RS_EVENT_DONE], IMAGES);

    /* What must have been compared: from the program alone. */
    uint64_t reads = 0, outputs = 0, values = 0, writes = 0, engine = 0;
    for (int i = 0; i < program->n_descriptors; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        const int full = d->groups - 1;
        reads += (uint64_t)(d->ifmap_beats + full * (d->bias_beats + d->steps * d->step_beats) + d->bias_beats_last +
                            d->steps * d->step_beats_last);
        outputs += (uint64_t)(d->groups * d->out_h * d->out_w);
        values += (uint64_t)(d->out_channels * d->out_h * d->out_w);
        writes += (uint64_t)d->ofmap_beats;
    }
    engine = 8 * 5 * 5 + 5;
    assert_int_equal(result.events[RS_EVENT_READ], IMAGES * reads);
    assert_int_equal(result.events[RS_EVENT_OUTPUT], IMAGES * outputs);
    assert_int_equal(result.values, IMAGES * values);
    assert_int_equal(result.events[RS_EVENT_WRITE], IMAGES * writes);
    assert_int_equal(result.write_bytes, IMAGES * writes * 8);
    assert_int_equal(result.engine_values, IMAGES * engine);
    print_message("# compared %llu reads, %llu output beats, %llu writes, %llu cycles\n",
                  (unsigned long long)result.events[RS_EVENT_READ], (unsigned long long)result.events[RS_EVENT_OUTPUT],
                  (unsigned long long)result.events[RS_EVENT_WRITE], (unsigned long long)result.cycles);

    /* The scores are the oracle's. */
    int32_t *tensors[4] = { NULL };
    uint64_t saturations[4] = { 0 };
    for (int i = 0; i < net->n_tensors; i++)
        tensors[i] = rs_calloc(
            (size_t)net->tensors[i].channels * (size_t)net->tensors[i].height * (size_t)net->tensors[i].width, 4);
    for (int image = 0; image < IMAGES; image++) {
        rs_oracle_qnet_run(net, pixels + image * 162, tensors, saturations);
        memcpy(expected, tensors[net->n_tensors - 1], sizeof expected);
        assert_memory_equal(expected, scores + 5 * image, sizeof expected);
    }
    for (int i = 0; i < net->n_tensors; i++)
        rs_free(tensors[i]);

    /* The RTL alone gives the same. */
    int32_t alone[IMAGES * 5];
    const rs_lockstep_options rtl_only = { .rtl_only = true };
    const uint64_t cycles = result.cycles;
    rs_assert_ok(rs_lockstep_run(program, pixels, IMAGES, &rtl_only, alone, &result, diag), diag);
    assert_memory_equal(alone, scores, sizeof alone);
    assert_int_equal(result.cycles, cycles);
    assert_int_equal(result.events[RS_EVENT_OUTPUT], 0);
    rs_diag_free(diag);
}

static void test_nothing_to_compare(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_lockstep_result result;
    rs_assert_error(rs_lockstep_run(program, pixels, 0, NULL, NULL, &result, diag), RS_MISMATCH, diag,
                    "nothing was compared");
    rs_diag_free(diag);
}

/* A fault must be caught with this divergence and kind; returns the mismatch, which lives in *result. */
static const rs_lockstep_mismatch *caught(rs_lockstep_options options, rs_divergence what, rs_event_kind kind,
                                          const char *part, rs_lockstep_result *result)
{
    rs_diag *diag = rs_diag_new();
    options.command = "ristretto cosim net array.yaml";
    options.x_seed = 77;
    const rs_status status = rs_lockstep_run(program, pixels, IMAGES, &options, NULL, result, diag);
    rs_assert_error(status, RS_MISMATCH, diag, part);
    const rs_lockstep_mismatch *m = result->mismatch;
    assert_non_null(m);
    assert_string_equal(rs_divergence_name(m->what), rs_divergence_name(what));
    assert_int_equal(m->kind, kind);
    char *text = printed(m), again[128];
    snprintf(again, sizeof again, "again      ristretto cosim net array.yaml --first %lld --images 1 --seed 77\n",
             (long long)m->image);
    assert_non_null(strstr(text, again));
    assert_non_null(strstr(text, m->signal));
    assert_non_null(strstr(text, m->layer));
    assert_true(m->n_last_expected == RS_LOCKSTEP_LAST || m->cycle < 60);
    free(text);
    rs_diag_free(diag);
    return m;
}

/* Event i of a kind, as the model tells it, in image `image`. */
static rs_lockstep_event model_event(int64_t image, rs_event_kind kind, int64_t i)
{
    rs_diag *diag = rs_diag_new();
    rs_test_events list = { .beat_bytes = (int)rs_program_beat_bytes(program) };
    rs_array *array = NULL;
    const size_t bytes = (size_t)(program->memory_beats * rs_program_beat_bytes(program));
    uint8_t *memory = rs_calloc(bytes, 1);
    memcpy(memory, program->memory, bytes);
    rs_program_load_image(program, pixels + image * 162, memory);
    rs_assert_ok(rs_array_new(program, &array, diag), diag);
    rs_assert_ok(rs_array_run(array, memory, (uint64_t)image, rs_test_keep_event, &list, NULL, diag), diag);
    rs_lockstep_event found = { .event.n_values = -1 };
    for (int64_t k = 0; k < list.count; k++)
        if (list.events[k].kind == kind && i-- == 0) {
            found.event = list.events[k];
            if (found.event.values)
                memcpy(found.values, found.event.values, (size_t)found.event.n_values * sizeof(int32_t));
            if (found.event.data)
                memcpy(found.data, found.event.data, (size_t)list.beat_bytes);
        }
    assert_true(found.event.n_values >= 0);
    rs_test_events_free(&list);
    rs_array_free(array);
    rs_free(memory);
    rs_diag_free(diag);
    return found;
}

/* In the second group of the first tile. */
enum { BEAT = 13 };

static void test_wrong_bit_in_model(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options o = {
        .fault = RS_LOCKSTEP_FAULT_FLIP, .fault_kind = RS_EVENT_OUTPUT, .fault_image = 1, .fault_event = BEAT
    };
    const rs_lockstep_mismatch *m = caught(o, RS_DIVERGENCE_VALUE, RS_EVENT_OUTPUT, "output value of lane", &result);
    const rs_lockstep_event e = model_event(1, RS_EVENT_OUTPUT, BEAT);
    const int lane = e.event.n_values - 1, channels = 8, width = 5;
    assert_int_equal(m->image, 1);
    assert_int_equal(m->n, 1);
    assert_int_equal(m->cycle, e.event.cycle);
    assert_int_equal(m->got, e.values[lane]);
    assert_int_equal(m->expected, e.values[lane] ^ 1);
    const rs_descriptor *d = &program->descriptors[e.event.descriptor];
    assert_string_equal(m->layer, "conv0");
    assert_int_equal(d->out_channels, channels);
    int64_t row = 0;
    for (int i = 0; i < e.event.descriptor; i++)
        row += program->descriptors[i].out_h;
    assert_int_equal(((m->y - row) * width + m->x) * channels + m->c, e.event.address + lane);
    char *text = printed(m);
    assert_non_null(strstr(text, "  xor        0x01\n"));
    free(text);
    rs_lockstep_result_clear(&result);
}

static void test_wrong_bit_in_rtl(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options o = { .dut_fault = RS_DUT_FAULT_FLIP, .dut_fault_beat = BEAT };
    const rs_lockstep_mismatch *m = caught(o, RS_DIVERGENCE_VALUE, RS_EVENT_OUTPUT, "output value of lane 0", &result);
    assert_int_equal(m->expected ^ m->got, 1);
    assert_int_equal(m->cycle, model_event(m->image, RS_EVENT_OUTPUT, BEAT).event.cycle);
    rs_lockstep_result_clear(&result);
}

static void test_late_beat(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options rtl = { .dut_fault = RS_DUT_FAULT_LATE, .dut_fault_beat = BEAT };
    const rs_lockstep_mismatch *m = caught(rtl, RS_DIVERGENCE_LATE, RS_EVENT_OUTPUT,
                                           "output beat late: cycle of the output beat", &result);
    const uint64_t cycle = model_event(m->image, RS_EVENT_OUTPUT, BEAT).event.cycle;
    assert_int_equal(m->cycle, cycle);
    assert_int_equal(m->expected, cycle);
    assert_int_equal(m->got, cycle + 1);
    rs_lockstep_result_clear(&result);
    /* A late beat of the model's: the RTL's is early. */
    for (int kind = RS_EVENT_READ; kind < RS_EVENT_KINDS; kind++) {
        const int64_t i = kind == RS_EVENT_DONE ? 0 : BEAT;
        const rs_lockstep_options model = {
            .fault = RS_LOCKSTEP_FAULT_LATE, .fault_kind = (rs_event_kind)kind, .fault_image = 2, .fault_event = i
        };
        const rs_lockstep_event e = model_event(2, (rs_event_kind)kind, i);
        m = caught(model, RS_DIVERGENCE_EARLY, (rs_event_kind)kind, "early: cycle of the", &result);
        assert_int_equal(m->image, 2);
        assert_int_equal(m->cycle, e.event.cycle);
        assert_int_equal(m->expected, e.event.cycle + 1);
        rs_lockstep_result_clear(&result);
    }
}

static void test_lost_beat(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options rtl = { .dut_fault = RS_DUT_FAULT_DROP, .dut_fault_beat = BEAT };
    const rs_lockstep_mismatch *m = caught(rtl, RS_DIVERGENCE_LOST, RS_EVENT_OUTPUT, "output beat lost", &result);
    assert_int_equal(m->cycle, model_event(m->image, RS_EVENT_OUTPUT, BEAT).event.cycle);
    rs_lockstep_result_clear(&result);
    for (int kind = RS_EVENT_READ; kind < RS_EVENT_KINDS; kind++) {
        const int64_t i = kind == RS_EVENT_DONE ? 0 : BEAT;
        const rs_lockstep_options model = { .fault = RS_LOCKSTEP_FAULT_DOUBLE,
                                            .fault_kind = (rs_event_kind)kind,
                                            .fault_event = i };
        m = caught(model, RS_DIVERGENCE_LOST, (rs_event_kind)kind, "lost", &result);
        assert_int_equal(m->cycle, model_event(0, (rs_event_kind)kind, i).event.cycle);
        rs_lockstep_result_clear(&result);
    }
}

static void test_extra_beat(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options rtl = { .dut_fault = RS_DUT_FAULT_DUPLICATE, .dut_fault_beat = BEAT };
    const rs_lockstep_mismatch *m = caught(rtl, RS_DIVERGENCE_EXTRA, RS_EVENT_OUTPUT, "output beat extra", &result);
    const uint64_t cycle = model_event(m->image, RS_EVENT_OUTPUT, BEAT).event.cycle;
    assert_true(m->cycle >= cycle && m->cycle <= cycle + 1);
    rs_lockstep_result_clear(&result);
    for (int kind = RS_EVENT_READ; kind < RS_EVENT_KINDS; kind++) {
        const int64_t i = kind == RS_EVENT_DONE ? 0 : BEAT;
        const rs_lockstep_options model = { .fault = RS_LOCKSTEP_FAULT_DROP,
                                            .fault_kind = (rs_event_kind)kind,
                                            .fault_event = i };
        m = caught(model, RS_DIVERGENCE_EXTRA, (rs_event_kind)kind, "extra", &result);
        assert_int_equal(m->cycle, model_event(0, (rs_event_kind)kind, i).event.cycle);
        rs_lockstep_result_clear(&result);
    }
}

static void test_wrong_write(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options o = { .fault = RS_LOCKSTEP_FAULT_FLIP, .fault_kind = RS_EVENT_WRITE, .fault_event = 1 };
    const rs_lockstep_mismatch *m = caught(o, RS_DIVERGENCE_VALUE, RS_EVENT_WRITE, "write data, element 7", &result);
    const rs_lockstep_event e = model_event(0, RS_EVENT_WRITE, 1);
    assert_int_equal(m->cycle, e.event.cycle);
    assert_int_equal(m->got, (int8_t)e.data[7]);
    assert_int_equal(m->expected, (int8_t)(e.data[7] ^ 1));
    assert_int_equal((m->y * 5 + m->x) * 8 + m->c, 15); /* element 7 of beat 1 */
    rs_lockstep_result_clear(&result);
    const rs_lockstep_options read = { .fault = RS_LOCKSTEP_FAULT_FLIP, .fault_kind = RS_EVENT_READ, .fault_event = 1 };
    m = caught(read, RS_DIVERGENCE_VALUE, RS_EVENT_READ, "address", &result);
    rs_lockstep_result_clear(&result);
}

static void test_missing_log(void **state)
{
    (void)state;
    for (int kind = RS_EVENT_READ; kind < RS_EVENT_KINDS; kind++) {
        rs_lockstep_result result;
        const rs_lockstep_options o = { .fault = RS_LOCKSTEP_FAULT_SILENT, .fault_kind = (rs_event_kind)kind };
        const rs_lockstep_mismatch *m = caught(o, RS_DIVERGENCE_EXTRA, (rs_event_kind)kind, "extra", &result);
        assert_int_equal(m->cycle, model_event(0, (rs_event_kind)kind, 0).event.cycle);
        rs_lockstep_result_clear(&result);
    }
}

static void test_first_image_is_named(void **state)
{
    (void)state;
    rs_lockstep_result result;
    const rs_lockstep_options o = {
        .first_image = 100, .fault = RS_LOCKSTEP_FAULT_FLIP, .fault_kind = RS_EVENT_OUTPUT, .fault_image = 101
    };
    const rs_lockstep_mismatch *m = caught(o, RS_DIVERGENCE_VALUE, RS_EVENT_OUTPUT, "(n 101, c 2, y 0, x 0)", &result);
    assert_int_equal(m->image, 101);
    rs_lockstep_result_clear(&result);
}

static void test_wave(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_lockstep_result result;
    const rs_lockstep_options o = { .fault = RS_LOCKSTEP_FAULT_FLIP,
                                    .fault_kind = RS_EVENT_OUTPUT,
                                    .fault_event = BEAT,
                                    .wave = rs_test_path("mismatch.fst") };
    assert_int_equal(rs_lockstep_run(program, pixels, 1, &o, NULL, &result, diag), RS_MISMATCH);
    assert_non_null(result.mismatch);
    assert_string_equal(result.mismatch->wave, o.wave);
    size_t size = 0;
    free(rs_test_read(o.wave, &size));
    print_message("# a wave of %zu bytes\n", size);
    assert_true(size > 1000);
    rs_lockstep_result_clear(&result);
    rs_diag_free(diag);
}

int main(void)
{
    setenv("RISTRETTO_CACHE", "build/cache", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_nothing_to_compare),
        cmocka_unit_test(test_wrong_bit_in_model),
        cmocka_unit_test(test_wrong_bit_in_rtl),
        cmocka_unit_test(test_late_beat),
        cmocka_unit_test(test_lost_beat),
        cmocka_unit_test(test_extra_beat),
        cmocka_unit_test(test_wrong_write),
        cmocka_unit_test(test_missing_log),
        cmocka_unit_test(test_first_image_is_named),
        cmocka_unit_test(test_wave),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
