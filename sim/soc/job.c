/* A job of ristretto_top by the C model: fetching of descriptors, runs, counts. */
#include "soc/job.h"

#include <string.h>

#include "array/array.h"
#include "base/memory.h"

enum { WORDS = RS_DESCRIPTOR_WORDS, FETCH_BITS = WORDS * 32 };
_Static_assert(sizeof(rs_descriptor) <= WORDS * sizeof(int32_t), "a descriptor has at most 64 words");
_Static_assert(RS_JOB_DESCRIPTOR_BYTES == 4 * WORDS, "a descriptor in memory has all 64 words");

void rs_job_write_list(const rs_program *program, uint8_t *list)
{
    memset(list, 0, (size_t)program->n_descriptors * RS_JOB_DESCRIPTOR_BYTES);
    for (int d = 0; d < program->n_descriptors; d++) {
        uint32_t words[WORDS] = { 0 };
        memcpy(words, &program->descriptors[d], sizeof program->descriptors[d]);
        for (int i = 0; i < WORDS; i++)
            for (int b = 0; b < 4; b++)
                list[d * RS_JOB_DESCRIPTOR_BYTES + 4 * i + b] = (uint8_t)(words[i] >> (8 * b));
    }
}

static void read_descriptor(const uint8_t *bytes, rs_descriptor *descriptor)
{
    uint32_t words[WORDS];
    for (int i = 0; i < WORDS; i++)
        words[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
                   (uint32_t)bytes[4 * i + 3] << 24;
    memcpy(descriptor, words, sizeof *descriptor);
}

static int64_t end_of_weights(const rs_descriptor *d)
{
    if (d->mode != 0)
        return 0;
    int64_t end = d->weight_addr;
    if (d->groups_per_set < 1 || d->groups > 0xffff)
        return end;
    for (int g = 0; g < d->groups; g++)
        end += rs_descriptor_bias_beats(d, g) + (int64_t)d->steps * rs_descriptor_step_beats(d, g);
    return end;
}

static int64_t end_of_ofmap(const rs_descriptor *d)
{
    const int64_t runs = d->run_beats > 0 ? (d->ofmap_beats - 1) / d->run_beats : 0;
    return d->ofmap_addr + d->ofmap_beats + runs * d->run_skip;
}

static int64_t end_of_ifmap(const rs_descriptor *d)
{
    const int64_t first = d->ifmap_addr + (int64_t)d->ifmap_beats, second = d->second_addr + (int64_t)d->second_beats;
    return d->second_beats > 0 && second > first ? second : first;
}

int64_t rs_job_beats(const uint8_t *list, int count)
{
    int64_t beats = 0;
    for (int i = 0; i < count; i++) {
        rs_descriptor d;
        read_descriptor(list + (int64_t)i * RS_JOB_DESCRIPTOR_BYTES, &d);
        const int64_t ends[] = { end_of_ifmap(&d), end_of_weights(&d), end_of_ofmap(&d) };
        for (int k = 0; k < 3; k++)
            beats = ends[k] > beats ? ends[k] : beats;
    }
    return beats;
}

/* What the array would read or write outside of its memory or its buffers. The compiler makes no such descriptor. */
static rs_status check_descriptor(const rs_array_config *config, const rs_descriptor *d, int number, int64_t beats,
                                  rs_diag *diag)
{
    const int64_t e = rs_array_elements_per_beat(config);
    const char *wrong = NULL;
    if (d->groups < 1 || d->groups > 0xffff || d->groups_per_set < 1 || d->out_h < 1 || d->out_w < 1 || d->steps < 1)
        wrong = "nothing to do";
    else if (d->ifmap_addr < 0 || d->second_addr < 0 || d->ifmap_beats < 1 || end_of_ifmap(d) > beats)
        wrong = "the ifmap leaves the memory";
    else if (d->weight_addr < 0 || end_of_weights(d) > beats)
        wrong = "the weights leave the memory";
    else if (d->ofmap_addr < 0 || d->ofmap_beats < 1 || end_of_ofmap(d) > beats)
        wrong = "the ofmap leaves the memory";
    else if ((d->ifmap_beats + (int64_t)d->second_beats) * e > config->activation_elements ||
             d->ofmap_beats * e > config->output_elements || d->steps > config->weight_steps)
        wrong = "a tile is larger than its buffer";
    return wrong == NULL ? RS_OK : rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "descriptor %d: %s", number, wrong);
}

static bool count_event(void *context, const rs_event *event)
{
    rs_job_result *result = context;
    if (event->kind == RS_EVENT_OUTPUT) {
        result->saturations += event->saturations;
        result->overflows += event->overflows;
    } else if (event->kind == RS_EVENT_DONE) {
        result->run_cycles += event->cycle;
        result->cycles += event->cycle;
    }
    return true;
}

/* One filling of the program memory. */
static rs_status run_part(const rs_array_config *config, rs_descriptor *descriptors, int n, uint8_t *memory,
                          int64_t beats, rs_job_result *result, rs_diag *diag)
{
    rs_program_layer *layers = RS_NEW_ARRAY(rs_program_layer,
                                            (size_t)n); /* the model counts by layer: each descriptor is one */
    if (layers == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < n; i++)
        layers[i] = (rs_program_layer) { .kind = descriptors[i].mode == 0 ? RS_KIND_WEIGHTS : RS_KIND_COPY,
                                         .pool_op = -1,
                                         .relu_op = -1,
                                         .second = -1,
                                         .first = i,
                                         .count = 1 };
    rs_program_segment segment = { .count = n, .count_layers = n };
    const rs_program program = { .config = *config,
                                 .n_layers = n,
                                 .n_descriptors = n,
                                 .n_segments = 1,
                                 .layers = layers,
                                 .descriptors = descriptors,
                                 .segments = &segment,
                                 .memory_beats = beats,
                                 .memory = memory };
    rs_array *array = NULL;
    rs_status status = rs_array_new(&program, &array, diag);
    if (status == RS_OK)
        status = rs_array_run(array, memory, 0, count_event, result, NULL, diag);
    rs_array_free(array);
    rs_free(layers);
    return status;
}

rs_status rs_job_run(const rs_array_config *config, const uint8_t *list, int count, uint8_t *memory, int64_t beats,
                     rs_job_result *result, rs_diag *diag)
{
    memset(result, 0, sizeof *result);
    rs_descriptor *descriptors = RS_NEW_ARRAY(rs_descriptor,
                                              (size_t)(count < config->program_depth ? count : config->program_depth));
    if (descriptors == NULL)
        return rs_out_of_memory(diag);
    /* A descriptor: the burst is asked for in its first cycle; the first beat comes `latency` later; from the next
     * cycle on a word is written in each cycle, in every second one where two beats make a word. */
    const uint64_t words = config->bus_bits >= 32 ? WORDS : FETCH_BITS / (uint64_t)config->bus_bits;
    const uint64_t fetch = (uint64_t)config->latency + words + 1;
    rs_array_config ready = *config;
    ready.stall_percent = 0;

    rs_status status = RS_OK;
    for (int first = 0; first < count && status == RS_OK;) {
        const int n = count - first < config->program_depth ? count - first : config->program_depth;
        for (int i = 0; i < n && status == RS_OK; i++) {
            read_descriptor(list + (int64_t)(first + i) * RS_JOB_DESCRIPTOR_BYTES, &descriptors[i]);
            descriptors[i].wait_stored = descriptors[i].wait_stored > first ? descriptors[i].wait_stored - first : 0;
            status = check_descriptor(config, &descriptors[i], first + i, beats, diag);
        }
        if (status == RS_OK)
            status = run_part(&ready, descriptors, n, memory, beats, result, diag);
        result->cycles += (uint64_t)n * fetch +
                          2; /* the start of the array, and a cycle in which no write waits for its answer */
        first += n;
    }
    rs_free(descriptors);
    return status;
}
