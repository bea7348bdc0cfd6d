/* The array's RTL as a device under test: its model's recipe, its program memory, its events. */
#include "cosim/dut.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cosim/shim/array_shim.h"
#include "verilate/wave.h"
#include "verilate/words.h"

_Static_assert((int)RS_EVENT_READ == RS_SHIM_READ && (int)RS_EVENT_OUTPUT == RS_SHIM_OUTPUT &&
                   (int)RS_EVENT_WRITE == RS_SHIM_WRITE && (int)RS_EVENT_DONE == RS_SHIM_DONE,
               "events of the shim have the numbers of rs_event_kind");
_Static_assert((int)RS_DUT_FAULT_FLIP == RS_SHIM_FAULT_FLIP && (int)RS_DUT_FAULT_LATE == RS_SHIM_FAULT_LATE &&
                   (int)RS_DUT_FAULT_DROP == RS_SHIM_FAULT_DROP &&
                   (int)RS_DUT_FAULT_DUPLICATE == RS_SHIM_FAULT_DUPLICATE &&
                   (int)RS_DUT_FAULT_ANSWER == RS_SHIM_FAULT_ANSWER,
               "faults of the shim have the numbers of rs_dut_fault");
_Static_assert(sizeof(rs_descriptor) <= RS_DESCRIPTOR_WORDS * sizeof(int32_t), "a descriptor has at most 64 words");

struct rs_dut {
    rs_array_config config;
    rs_model *model;
    const rs_shim_functions *functions;
    rs_shim *shim;
    rs_descriptor *descriptors; /* in the program memory */
    int n_descriptors;
    char *coverage;       /* file of counts; NULL: none */
    rs_wave_output *wave; /* NULL: none */
};

static const char *coverage_folder(void)
{
    const char *folder = getenv("RISTRETTO_RTL_COVERAGE");
    return folder != NULL && *folder != '\0' ? folder : NULL;
}

/* The sources in the order in which Verilator wants them: waivers before what they speak of, the package first. */
static rs_status list_sources(const char *home, bool coverage, rs_words *sources, rs_diag *diag)
{
    static const char *const folders[] = { "rtl", "rtl/checks", "rtl/coverage" };
    rs_words files = { .arena = sources->arena };
    rs_status status = RS_OK;
    for (size_t i = 0; i < (coverage ? 3U : 2U) && status == RS_OK; i++) {
        char *folder = rs_format("%s/%s", home, folders[i]);
        status = folder != NULL ? rs_words_add_design(&files, folder, diag) : rs_out_of_memory(diag);
        rs_free(folder);
    }
    for (size_t i = 0; i < files.n; i++)
        if (rs_has_suffix(files.items[i], ".vlt"))
            rs_words_add(sources, files.items[i]);
    rs_words_format(sources, "%s/rtl/ristretto_pkg.sv", home);
    for (size_t i = 0; i < files.n; i++)
        if (rs_has_suffix(files.items[i], ".sv") && !rs_has_suffix(files.items[i], "/ristretto_pkg.sv"))
            rs_words_add(sources, files.items[i]);
    return status == RS_OK ? rs_words_status(sources, diag) : status;
}

static rs_status open_model(rs_dut *dut, rs_toolchain *tools, const rs_model_options *options, bool has_all_checks,
                            rs_diag *diag)
{
    static const char *const parts[] = { "sim/cosim/shim/array_shim.h", NULL }, *const all_checks[] = {
        "RST_CHECKS_ALL", NULL
    };
    const rs_array_config *config = &dut->config;
    rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX];
    const int n = rs_array_parameters(config, parameters);
    rs_arena *arena = rs_arena_new();
    if (arena == NULL)
        return rs_out_of_memory(diag);
    rs_words words = { .arena = arena }, sources = { .arena = arena }, include = { .arena = arena };
    for (int i = 0; i < n; i++)
        rs_words_format(&words, "%s=%s%" PRId64, parameters[i].name, parameters[i].prefix, parameters[i].value);
    rs_words_format(&include, "%s/rtl", rs_toolchain_home(tools));
    rs_words_format(&include, "%s/rtl/checks", rs_toolchain_home(tools));
    char what[64];
    snprintf(what, sizeof what, "the RTL model, %d x %d", config->lanes, config->multipliers);
    rs_model_recipe recipe = { .what = what,
                               .top = "ristretto_array",
                               .shim = "sim/cosim/shim/array_shim.cc",
                               .shim_parts = parts,
                               .interface_number = RS_SHIM_INTERFACE,
                               .parameters = words.items,
                               .defines = has_all_checks ? all_checks : NULL,
                               .include = include.items,
                               .is_own = true };
    rs_status status = words.failed || include.failed
                           ? rs_out_of_memory(diag)
                           : list_sources(rs_toolchain_home(tools), options->coverage, &sources, diag);
    recipe.sources = sources.items;
    if (status == RS_OK)
        status = rs_model_open(tools, &recipe, options, &dut->model, diag);
    rs_arena_free(arena);
    if (status == RS_OK)
        dut->functions = rs_model_functions(dut->model);
    return status;
}

static rs_status open_shim(rs_dut *dut, const rs_dut_options *options, rs_diag *diag)
{
    const rs_array_config *config = &dut->config;
    if (coverage_folder() != NULL) {
        static atomic_uint opened; /* names of this process's files */
        dut->coverage = rs_format("%s/%ld-%u.dat", coverage_folder(), (long)getpid(), atomic_fetch_add(&opened, 1));
        if (dut->coverage == NULL)
            return rs_out_of_memory(diag);
    }
    rs_status status = options->wave.path != NULL ? rs_wave_open(options->wave.path, &dut->wave, diag) : RS_OK;
    if (status != RS_OK)
        return status;
    const rs_wave_output *wave = dut->wave;
    const rs_shim_options given = {
        .lanes = config->lanes,
        .act_bits = config->activation_bits,
        .bus_bits = config->bus_bits,
        .x_seed = options->x_seed,
        .no_overflow = options->no_overflow,
        .trace = wave != NULL ? rs_wave_file(wave) : NULL,
        .trace_save = wave != NULL ? rs_wave_save(wave) : NULL,
        .trace_title = wave != NULL ? rs_wave_title(wave) : NULL,
        .trace_from = options->wave.from,
        .trace_to = options->wave.to,
        .coverage = dut->coverage,
        .fault = (int32_t)options->fault,
        .fault_beat = options->fault_beat,
    };
    const char *message = "";
    dut->shim = dut->functions->open(&given, &message);
    return dut->shim != NULL ? RS_OK
                             : rs_error(diag, RS_RESOURCE, RS_FILE(rs_model_path(dut->model)), NULL,
                                        "the RTL model cannot be started: %s", message);
}

rs_status rs_dut_open(const rs_array_config *config, const rs_dut_options *options, rs_dut **result, rs_diag *diag)
{
    static const rs_dut_options none = { .tools = NULL };
    const rs_dut_options *o = options != NULL ? options : &none;
    *result = NULL;
    if (config->activation_bits <= 0 || config->weight_bits <= 0 || config->accumulator_bits <= 0)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "the array's widths are not resolved");

    rs_dut *dut = RS_NEW(rs_dut);
    if (dut == NULL)
        return rs_out_of_memory(diag);
    dut->config = *config;
    dut->config.file.path = dut->config.name = NULL;
    dut->descriptors = RS_NEW_ARRAY(rs_descriptor, config->program_depth);
    const rs_model_options model = { .trace = o->wave.path != NULL,
                                     .quick = o->quick,
                                     .coverage = coverage_folder() != NULL };
    rs_toolchain *own = NULL;
    rs_status status = dut->descriptors != NULL ? RS_OK : rs_out_of_memory(diag);
    if (status == RS_OK && o->tools == NULL)
        status = rs_toolchain_new(&own, diag);
    if (status == RS_OK)
        status = open_model(dut, o->tools != NULL ? o->tools : own, &model, o->all_checks, diag);
    rs_toolchain_free(own);
    if (status == RS_OK)
        status = open_shim(dut, o, diag);
    if (status != RS_OK) {
        rs_dut_close(dut);
        return status;
    }
    *result = dut;
    return RS_OK;
}

rs_status rs_dut_keep_wave(rs_dut *dut, rs_diag *diag)
{
    dut->functions->close(dut->shim);
    dut->shim = NULL;
    rs_wave_output *wave = dut->wave;
    dut->wave = NULL;
    return wave != NULL ? rs_wave_commit(wave, diag) : RS_OK;
}

void rs_dut_close(rs_dut *dut)
{
    if (dut == NULL)
        return;
    if (dut->shim != NULL)
        dut->functions->close(dut->shim);
    rs_wave_discard(dut->wave);
    rs_model_close(dut->model);
    rs_free(dut->descriptors);
    rs_free(dut->coverage);
    rs_free(dut);
}

/* Writes the descriptors that differ from those in the program memory. */
static void write_program(rs_dut *dut, const rs_descriptor *descriptors, int n)
{
    enum { WORDS = sizeof(rs_descriptor) / sizeof(int32_t) };
    for (int d = 0; d < n; d++) {
        if (d < dut->n_descriptors && memcmp(&dut->descriptors[d], &descriptors[d], sizeof descriptors[d]) == 0)
            continue;
        int32_t words[WORDS];
        memcpy(words, &descriptors[d], sizeof words);
        for (int w = 0; w < WORDS; w++)
            dut->functions->write_program(dut->shim, (uint32_t)(RS_DESCRIPTOR_WORDS * d + w), (uint32_t)words[w]);
        dut->descriptors[d] = descriptors[d];
    }
    if (n > dut->n_descriptors)
        dut->n_descriptors = n;
}

rs_status rs_dut_start(rs_dut *dut, const rs_descriptor *descriptors, int n, uint8_t *memory, int64_t beats,
                       uint64_t run, rs_diag *diag)
{
    if (n < 1 || n > dut->config.program_depth)
        return rs_error(diag, RS_INTERNAL, RS_NOWHERE, NULL, "%d descriptors do not fit a program memory of %d", n,
                        dut->config.program_depth);
    write_program(dut, descriptors, n);
    const rs_shim_memory port = {
        .bytes = memory,
        .beats = (uint64_t)beats,
        .latency = (uint32_t)dut->config.latency,
        .stall_percent = (uint32_t)dut->config.stall_percent,
        .stall_key = rs_mix64(dut->config.stall_seed + run),
    };
    if (!dut->functions->start(dut->shim, &port, (uint32_t)n))
        return rs_out_of_memory(diag);
    return RS_OK;
}

typedef struct dut_relay {
    const rs_dut *dut;
    rs_event_sink sink;
    void *context;
} dut_relay;

static bool pass_on(void *context, const rs_shim_event *from)
{
    const dut_relay *to = context;
    if (to->sink == NULL)
        return true;
    /* The shim knows words of bits only; their descriptor says whether they have a sign. */
    int32_t values[64];
    const bool is_unsigned = from->kind == RS_SHIM_OUTPUT && from->descriptor >= 0 &&
                             from->descriptor < to->dut->n_descriptors &&
                             to->dut->descriptors[from->descriptor].out_unsigned != 0;
    const bool codes = from->kind == RS_SHIM_OUTPUT && to->dut->config.pe == RS_PE_MINIFLOAT;
    for (int i = 0; codes && i < from->n_values && i < 64; i++)
        values[i] = rs_program_value(&to->dut->config, from->values[i]);
    if (is_unsigned)
        for (int i = 0; i < from->n_values && i < 64; i++)
            values[i] = (int32_t)((uint32_t)from->values[i] & ((1U << to->dut->config.activation_bits) - 1U));
    const rs_event event = {
        .kind = (rs_event_kind)from->kind,
        .cycle = from->cycle,
        .descriptor = from->descriptor,
        .address = from->address,
        .n_values = from->n_values,
        .saturations = from->saturations,
        .overflows = from->overflows,
        .values = is_unsigned || codes ? values : from->values,
        .data = from->data,
    };
    return to->sink(to->context, &event);
}

rs_status rs_dut_advance(rs_dut *dut, uint64_t limit, rs_event_sink sink, void *context, bool *finished, rs_diag *diag)
{
    /* In pieces, so that an interrupt is seen. */
    enum { PIECE = 1 << 16 };
    dut_relay to = { .dut = dut, .sink = sink, .context = context };
    *finished = false;
    for (;;) {
        const uint64_t now = dut->functions->cycle(dut->shim);
        const uint64_t until = limit > now && limit - now > PIECE ? now + PIECE : limit;
        switch (dut->functions->advance(dut->shim, until, pass_on, &to)) {
        case RS_SHIM_FINISHED:
            *finished = true;
            return RS_OK;
        case RS_SHIM_STOPPED:
            return RS_OK;
        case RS_SHIM_BROKEN:
            return rs_error(diag, RS_MISMATCH, RS_NOWHERE, NULL, "the RTL stopped in %s",
                            dut->functions->message(dut->shim));
        case RS_SHIM_RUNNING:
            break;
        }
        if (rs_interrupted())
            return RS_INTERRUPTED;
        if (until == limit)
            return RS_OK;
    }
}

uint64_t rs_dut_cycle(const rs_dut *dut)
{
    return dut->functions->cycle(dut->shim);
}

const char *rs_dut_library(const rs_dut *dut)
{
    return rs_model_path(dut->model);
}

double rs_dut_build_seconds(const rs_dut *dut)
{
    return rs_model_build_seconds(dut->model);
}
