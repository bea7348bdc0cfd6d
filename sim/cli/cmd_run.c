/* ristretto run: everything that one YAML file lists. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "report/report.h"

typedef struct run {
    const rs_run_config *config;
    rs_quantize_options options;
    bool json, quiet;
    rs_dataset *set;
    rs_data_override over;
    rs_net *net;
    rs_qnet *qnet;
    rs_array_config *array;
    json_t *report;
} run;

/* Adds a section and shows it, unless the stage failed with `status` (a mismatch is a result). Takes the reference. */
static rs_status take(run *r, const char *name, json_t *section, rs_status status, rs_diag *diag)
{
    if (section == NULL || (status != RS_OK && status != RS_MISMATCH)) {
        json_decref(section);
        return status;
    }
    if (!r->json && !r->quiet) {
        rs_report_print_section(name, section, stdout);
        putchar('\n');
        fflush(stdout);
    }
    if (json_object_set_new(r->report, name, section) != 0 && status == RS_OK)
        status = rs_out_of_memory(diag);
    return status;
}

static rs_status open_all(run *r, rs_diag *diag)
{
    const rs_run_config *c = r->config;
    r->over = (rs_data_override) { .has_scale = c->data_scale > 0,
                                   .scale = (float)c->data_scale,
                                   .crop_size = c->data_crop,
                                   .gray = c->data_gray,
                                   .mean_file = c->data_mean_file[0] != '\0' ? c->data_mean_file : NULL };
    rs_status status = c->data_mean[0] != '\0' ? rs_parse_means(c->data_mean, "data.mean", RS_BAD_INPUT, &r->over, diag)
                                               : RS_OK;
    if (status == RS_OK && c->data_resize[0] != '\0')
        status = rs_parse_size(c->data_resize, "data.resize", RS_BAD_INPUT, &r->over, diag);
    if (status == RS_OK)
        status = rs_array_config_read(c->array, &r->array, diag);
    if (status == RS_OK)
        status = rs_dataset_open(c->data_path, c->file.path, c->data_train, &r->set, diag);
    if (status == RS_OK)
        status = rs_stage_load(c->model, c->weights, r->set, &r->over, &r->net, diag);
    if (status == RS_OK)
        status = rs_net_choose_scores(r->net, c->score[0] != '\0' ? c->score : NULL, diag);
    if (status == RS_OK)
        status = rs_stage_hold(r->net, &r->set, diag);
    if (status == RS_OK && (r->report = rs_report_new(c->name)) == NULL)
        status = rs_out_of_memory(diag);
    return status;
}

static rs_status quantize(run *r, rs_diag *diag)
{
    const rs_run_config *c = r->config;
    rs_quantize_stage stage = { .calibration = c->calibration,
                                .search = c->search,
                                .test = c->test,
                                .options = r->options,
                                .model = c->model,
                                .out = c->out };
    json_t *section = NULL;
    rs_dataset *chosen_on = NULL;
    rs_status status = RS_OK;
    if (c->calibration_path[0] != '\0')
        status = rs_dataset_open(c->calibration_path, c->file.path, true, &chosen_on, diag);
    if (status == RS_OK && chosen_on != NULL)
        status = rs_stage_hold(r->net, &chosen_on, diag);
    stage.chosen_on = chosen_on;
    const rs_dataset *counted = chosen_on != NULL ? chosen_on : r->set;
    if (status == RS_OK)
        status = rs_slice_resolve(&stage.calibration, counted, "data.calibration", RS_BAD_INPUT, diag);
    if (status == RS_OK)
        status = rs_slice_resolve(&stage.search, counted, "data.search", RS_BAD_INPUT, diag);
    if (status == RS_OK)
        status = rs_slice_resolve(&stage.test, r->set, "data.test", RS_BAD_INPUT, diag);
    const bool by_cost = stage.options.pareto != RS_COST_NONE;
    if (status == RS_OK && by_cost)
        status = rs_run_pareto(r->net, r->set, &stage, c->technology[0] != '\0' ? c->technology : NULL, &section, diag);
    else if (status == RS_OK)
        status = rs_run_quantize(r->net, r->set, &stage, &section, diag);
    rs_dataset_free(chosen_on);
    status = take(r, by_cost ? "pareto" : "quantize", section, status, diag);
    if (status != RS_OK)
        return status;
    char *folder = rs_path_join(c->out, "qnet");
    status = folder != NULL ? rs_qnet_read(folder, &r->qnet, diag) : rs_out_of_memory(diag);
    rs_free(folder);
    return status;
}

static rs_status test(run *r, rs_diag *diag)
{
    json_t *section = NULL;
    const rs_test_stage stage = { .slice = { 0, r->set->count }, .top_k = 1 };
    const rs_status status = rs_run_test(r->net, r->set, &stage, &section, diag);
    return take(r, "test", section, status, diag);
}

static rs_status simulate(run *r, rs_diag *diag)
{
    rs_slice slice = { 0, r->config->simulate_images };
    json_t *section = NULL;
    rs_status status = slice.count > 0 ? rs_slice_resolve(&slice, r->set, "simulate.images", RS_BAD_INPUT, diag)
                                       : RS_OK;
    if (status == RS_OK)
        status = rs_run_simulate(r->qnet, r->array, slice.count > 0 ? r->set : NULL, slice, NULL, &section, diag);
    return take(r, "simulate", section, status, diag);
}

static rs_status cosim(run *r, rs_diag *diag)
{
    rs_slice slice = { 0, r->config->cosim_images };
    const rs_lockstep_options options = { .x_seed = 1 };
    json_t *section = NULL;
    if (slice.count == 0)
        return RS_OK;
    rs_status status = rs_slice_resolve(&slice, r->set, "cosim.images", RS_BAD_INPUT, diag);
    if (status == RS_OK)
        status = rs_run_cosim(r->qnet, r->array, r->set, slice, NULL, &options, &section, diag);
    return take(r, "cosim", section, status, diag);
}

static rs_status estimate(run *r, rs_diag *diag)
{
    json_t *section = NULL;
    if (r->config->technology[0] == '\0')
        return RS_OK;
    const rs_status status = rs_run_estimate(r->qnet, r->array, r->config->technology, &section, diag);
    return take(r, "estimate", section, status, diag);
}

static rs_status export_roms(run *r, rs_diag *diag)
{
    json_t *section = NULL;
    if (r->config->export_format < 0)
        return RS_OK;
    char *folder = rs_path_join(r->config->out, "roms");
    const rs_status status = folder != NULL ? rs_run_export(r->qnet, r->array, (rs_rom_format)r->config->export_format,
                                                            folder, &section, diag)
                                            : rs_out_of_memory(diag);
    rs_free(folder);
    return take(r, "export", section, status, diag);
}

static rs_status write_text(const run *r, const char *name, bool (*print)(const json_t *, FILE *), rs_diag *diag)
{
    char *path = rs_path_join(r->config->out, name);
    json_t *kept = rs_report_for_file(r->report);
    const rs_status status = path != NULL && kept != NULL ? rs_report_save(kept, print, path, diag)
                                                          : rs_out_of_memory(diag);
    json_decref(kept);
    if (status == RS_OK && !r->json && !r->quiet)
        printf("wrote %s\n", path);
    rs_free(path);
    return status;
}

static rs_status write_report(const run *r, rs_diag *diag)
{
    rs_status status = write_text(r, "report.json", rs_json_print, diag);
    if (status == RS_OK && r->config->html)
        status = write_text(r, "report.html", rs_report_html, diag);
    if (status == RS_OK && r->config->csv)
        status = write_text(r, "report.csv", rs_report_csv, diag);
    return status;
}

static rs_status (*const stages[])(run *, rs_diag *) = { test, quantize, simulate, cosim, estimate, export_roms };

rs_status rs_command_run(const rs_args *args, rs_diag *diag)
{
    rs_run_config *config = NULL;
    rs_status status = rs_run_config_read(rs_args_text(args, "FILE"), &config, diag);
    for (size_t i = 0; status == RS_OK && i < rs_args_count(args, "set"); i++)
        status = rs_run_config_set(config, rs_args_nth(args, "set", i), diag);
    run r = { .config = config, .json = rs_args_flag(args, "json"), .quiet = rs_args_flag(args, "quiet") };
    if (status == RS_OK)
        status = rs_run_config_quantize(config, &r.options, diag);
    if (status == RS_OK)
        status = open_all(&r, diag);
    for (size_t i = 0; status == RS_OK && i < sizeof stages / sizeof stages[0]; i++)
        status = stages[i](&r, diag);
    /* A missed target or a mismatch is shown in the report as well. */
    if (status == RS_OK || status == RS_MISMATCH) {
        const rs_status written = write_report(&r, diag);
        status = status == RS_OK ? written : status;
    }
    if (r.json && r.report != NULL)
        rs_json_print(r.report, stdout);
    json_decref(r.report);
    rs_array_config_free(r.array);
    rs_qnet_free(r.qnet);
    rs_net_free(r.net);
    rs_dataset_free(r.set);
    rs_run_config_free(config);
    return status;
}
