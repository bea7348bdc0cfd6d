/* ristretto cosim --dut: other people's multiply-accumulate unit. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "flow/integers.h"
#include "foreign/unit.h"
#include "report/report.h"
#include "engine/engine.h"

/* The sums of a network on its images. */
static rs_status network_vectors(const rs_args *args, const rs_unit_config *config, const rs_unit_ranges *ranges,
                                 uint64_t seed, rs_unit_vectors *v, char **network, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_dataset *set = NULL, *part = NULL;
    rs_engine *engine = NULL;
    int32_t **tensors = NULL;
    rs_slice slice = { 0, 0 };
    rs_data_override over;
    rs_status status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = rs_stage_qnet(rs_args_text(args, "qnet"), rs_args_text(args, "weights"), &qnet, diag);
    if (status == RS_OK)
        status = rs_open_data(args, &set, diag);
    if (status == RS_OK) {
        slice = (rs_slice) { rs_args_int(args, "first"),
                             rs_args_given(args, "images") ? rs_args_int(args, "images") : 1 };
        status = rs_slice_resolve(&slice, set, "--first, --images", RS_USAGE, diag);
    }
    if (status == RS_OK)
        status = rs_stage_images(qnet, set, slice, &over, RS_LOADED_MAX_BYTES, &part, diag);
    if (status == RS_OK)
        status = rs_engine_new(qnet, false, &engine, diag);
    if (status == RS_OK && ((tensors = (int32_t **)rs_calloc((size_t)qnet->n_tensors, sizeof *tensors)) == NULL ||
                            (*network = rs_strdup(qnet->name)) == NULL))
        status = rs_out_of_memory(diag);
    for (int i = 0; status == RS_OK && i < qnet->n_tensors; i++) {
        const rs_qtensor *t = &qnet->tensors[i];
        if ((tensors[i] = RS_NEW_ARRAY(int32_t, (size_t)t->channels * (size_t)t->height * (size_t)t->width)) == NULL)
            status = rs_out_of_memory(diag);
    }
    for (int64_t i = 0; status == RS_OK && i < part->count; i++) {
        const int64_t pixels = (int64_t)part->channels * part->height * part->width;
        status = rs_engine_trace(engine, part->pixels + i * pixels, tensors, NULL, diag);
        const rs_unit_image image = { .qnet = qnet,
                                      .tensors = tensors,
                                      .image = slice.first + i,
                                      .layer = rs_args_text(args, "layer"),
                                      .per_layer = rs_args_int(args, "vectors"),
                                      .seed = seed };
        if (status == RS_OK)
            status = rs_unit_layers(v, config, ranges, &image, diag);
    }
    for (int i = 0; tensors != NULL && i < qnet->n_tensors; i++)
        rs_free(tensors[i]);
    rs_free((void *)tensors);
    rs_engine_free(engine);
    rs_dataset_free(part);
    rs_dataset_free(set);
    rs_qnet_free(qnet);
    return status;
}

/* The same run again, with a waveform of cycles from ... to. */
static rs_status traced(const rs_unit_config *config, const rs_unit_vectors *v, const rs_unit_run_options *options,
                        const rs_wave *wave, rs_diag *diag)
{
    rs_unit *unit = NULL;
    rs_unit_result again;
    rs_status status = rs_unit_open(config, options->seed, wave, &unit, diag);
    if (status == RS_OK) {
        status = rs_unit_run(unit, v, options, &again, NULL); /* what it says was said */
        rs_unit_result_clear(&again);
        if (status == RS_OK || status == RS_MISMATCH)
            status = rs_unit_keep_wave(unit, diag);
        rs_unit_close(unit);
    }
    if (status != RS_OK)
        return status;
    fprintf(stderr, "waveform of cycles %llu to %llu: %s\n", (unsigned long long)wave->from,
            (unsigned long long)wave->to, wave->path);
    return RS_OK;
}

static rs_status check_options(const rs_args *args, rs_diag *diag)
{
    static const char *const not_for_units[] = { "array", "set", "plant" };
    rs_status status = RS_OK;
    for (size_t i = 0; i < sizeof not_for_units / sizeof not_for_units[0]; i++)
        if (rs_args_given(args, not_for_units[i]))
            status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                              "--%s is not for --dut: the unit's adapter says what it is", not_for_units[i]);
    if (rs_args_given(args, "qnet") != rs_args_given(args, "data"))
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                          "--qnet and --data go together: a layer's operands come from images");
    if (rs_args_given(args, "layer") && !rs_args_given(args, "qnet"))
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--layer needs --qnet and --data");
    return status;
}

/* A unit that has been opened, and what it is tried with. */
typedef struct unit_trial_run {
    rs_unit_config *config;
    rs_unit *unit;
    rs_unit_vectors *vectors;
    char *network;
} unit_trial_run;

/* Runs it, and makes the section and the waveforms. */
static rs_status run_unit(const rs_args *args, const unit_trial_run *t, json_t **section, rs_diag *diag)
{
    const rs_unit_run_options options = { .seed = (uint64_t)rs_args_int(args, "seed"),
                                          .keep_going = rs_args_int(args, "keep-going") };
    rs_unit_result result;
    rs_status status = rs_unit_run(t->unit, t->vectors, &options, &result, diag);
    if (status == RS_OK || (status == RS_MISMATCH && result.differs)) {
        if (result.differs)
            rs_unit_explain(t->unit, t->vectors, options.seed, &result);
        const rs_unit_outcome outcome = { t->config, rs_unit_get_ranges(t->unit), t->vectors, &result, t->network };
        rs_status made = rs_section_unit(&outcome, section, diag);
        /* The text holds the differences. */
        if (made == RS_OK && (rs_args_flag(args, "json") || rs_args_flag(args, "quiet")))
            rs_report_print_unit_differences(*section, stderr);
        const uint64_t at = result.differs ? result.mismatches[0].cycle : 0;
        const rs_wave around = { rs_args_text(args, "wave"), at > 200 ? at - 200 : 0, at + 50 },
                      asked = { rs_args_text(args, "trace"), (uint64_t)rs_args_int(args, "trace-from"),
                                (uint64_t)rs_args_int(args, "trace-to") };
        if (made == RS_OK && result.differs && around.path != NULL)
            made = traced(t->config, t->vectors, &options, &around, diag);
        if (made == RS_OK && asked.path != NULL)
            made = traced(t->config, t->vectors, &options, &asked, diag);
        status = status == RS_OK ? made : status; /* a difference stays one, even if it cannot be shown */
    }
    rs_unit_result_clear(&result);
    return status;
}

rs_status rs_command_cosim_unit(const rs_args *args, rs_diag *diag)
{
    const uint64_t seed = (uint64_t)rs_args_int(args, "seed");
    unit_trial_run t = { .config = NULL };
    json_t *section = NULL;
    rs_status status = check_options(args, diag);
    if (status == RS_OK)
        status = rs_unit_config_read(rs_args_text(args, "dut"), &t.config, diag);
    if (status == RS_OK) {
        t.config->is_trusted = rs_args_flag(args, "trust");
        status = rs_unit_open(t.config, seed, NULL, &t.unit, diag);
    }
    if (status == RS_OK)
        status = rs_unit_vectors_new(t.config->products, &t.vectors, diag);
    if (status == RS_OK)
        status = rs_unit_corners(t.vectors, t.config, rs_unit_get_ranges(t.unit), diag);
    if (status == RS_OK)
        status = rs_unit_random(t.vectors, t.config, rs_unit_get_ranges(t.unit), rs_args_int(args, "random"), seed,
                                diag);
    if (status == RS_OK && rs_args_given(args, "qnet"))
        status = network_vectors(args, t.config, rs_unit_get_ranges(t.unit), seed, t.vectors, &t.network, diag);
    if (status == RS_OK)
        status = run_unit(args, &t, &section, diag);
    rs_unit_vectors_free(t.vectors);
    rs_unit_close(t.unit);
    rs_unit_config_free(t.config);
    rs_free(t.network);
    return rs_show_section(args, "unit", section, status, diag);
}
