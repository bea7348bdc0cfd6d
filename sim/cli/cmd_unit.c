/* ristretto cosim --dut: other people's multiply-accumulate unit. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "flow/integers.h"
#include "foreign/unit.h"
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
static rs_status traced(const rs_unit_config *config, const rs_unit_vectors *v, uint64_t seed, const rs_wave *wave,
                        rs_diag *diag)
{
    rs_unit *unit = NULL;
    rs_unit_result again;
    rs_status status = rs_unit_open(config, seed, wave, &unit, NULL);
    if (status == RS_OK) {
        status = rs_unit_run(unit, v, seed, &again, NULL);
        rs_unit_close(unit);
    }
    if (status != RS_OK && status != RS_MISMATCH)
        return rs_error(diag, status, RS_FILE(wave->path), NULL, "the waveform cannot be written");
    fprintf(stderr, "waveform of cycles %llu to %llu: %s\n", (unsigned long long)wave->from,
            (unsigned long long)wave->to, wave->path);
    return RS_OK;
}

rs_status rs_command_cosim_unit(const rs_args *args, rs_diag *diag)
{
    static const char *const not_for_units[] = { "array", "set", "plant" };
    const uint64_t seed = (uint64_t)rs_args_int(args, "seed");
    rs_unit_config *config = NULL;
    rs_unit *unit = NULL;
    rs_unit_vectors *v = NULL;
    rs_unit_result result;
    json_t *section = NULL;
    char *network = NULL;
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
    if (status == RS_OK)
        status = rs_unit_config_read(rs_args_text(args, "dut"), &config, diag);
    if (status == RS_OK)
        status = rs_unit_open(config, seed, NULL, &unit, diag);
    if (status == RS_OK)
        status = rs_unit_vectors_new(config->products, &v, diag);
    if (status == RS_OK)
        status = rs_unit_corners(v, config, rs_unit_get_ranges(unit), diag);
    if (status == RS_OK)
        status = rs_unit_random(v, config, rs_unit_get_ranges(unit), rs_args_int(args, "random"), seed, diag);
    if (status == RS_OK && rs_args_given(args, "qnet"))
        status = network_vectors(args, config, rs_unit_get_ranges(unit), seed, v, &network, diag);
    if (status == RS_OK) {
        status = rs_unit_run(unit, v, seed, &result, diag);
        if (status == RS_OK || (status == RS_MISMATCH && result.differs)) {
            if (result.differs)
                rs_unit_explain(unit, v, seed, &result);
            if (result.differs)
                rs_unit_print(config, &result.mismatch, stderr);
            const rs_unit_outcome outcome = { config, rs_unit_get_ranges(unit), v, &result, network };
            rs_status made = rs_section_unit(&outcome, &section, diag);
            const uint64_t at = result.mismatch.cycle;
            const rs_wave around = { rs_args_text(args, "wave"), at > 200 ? at - 200 : 0, at + 50 },
                          asked = { rs_args_text(args, "trace"), (uint64_t)rs_args_int(args, "trace-from"),
                                    (uint64_t)rs_args_int(args, "trace-to") };
            if (made == RS_OK && result.differs && around.path != NULL)
                made = traced(config, v, seed, &around, diag);
            if (made == RS_OK && asked.path != NULL)
                made = traced(config, v, seed, &asked, diag);
            status = made != RS_OK ? made : status;
        }
    }
    rs_unit_vectors_free(v);
    rs_unit_close(unit);
    rs_unit_config_free(config);
    rs_free(network);
    return rs_show_section(args, "unit", section, status, diag);
}
