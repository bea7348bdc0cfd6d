/* ristretto simulate, cosim, estimate, export: the quantized network on the array. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/sections.h"
#include "report/timeline.h"

/* What the units of the array do for one image: rs_timeline_write. */
static rs_status write_timeline(const rs_qnet *qnet, const rs_array_config *config, const char *path, rs_diag *diag)
{
    rs_machine m;
    rs_timeline *timeline = NULL;
    rs_status status = rs_machine_open(qnet, config, &m, diag);
    if (status == RS_OK)
        status = rs_timeline_new(m.program, &timeline, diag);
    if (status == RS_OK) {
        rs_array_watch(m.array, rs_timeline_add, timeline);
        status = rs_machine_count(&m, diag);
    }
    if (status == RS_OK)
        status = rs_timeline_write(timeline, m.stats.cycles, path, diag);
    rs_timeline_free(timeline);
    rs_machine_close(&m);
    return status;
}

/* What these commands work on. */
typedef struct array_input {
    rs_qnet *qnet;
    rs_array_config *config;
    rs_dataset *set; /* NULL without --data */
    rs_slice slice;
    rs_data_override over;
} array_input;

static void close_input(array_input *in)
{
    rs_dataset_free(in->set);
    rs_array_config_free(in->config);
    rs_qnet_free(in->qnet);
}

/* --qnet, --array and --set, and for commands that have them --data and what goes with it. close_input, whatever the
 * status. */
static rs_status open_input(const rs_args *args, array_input *in, rs_diag *diag)
{
    *in = (array_input) { .qnet = NULL };
    const bool has_data = rs_args_has(args, "data");
    rs_status status = has_data ? rs_transform_options(args, &in->over, diag) : RS_OK;
    if (status == RS_OK)
        status = rs_open_array(args, &in->qnet, &in->config, diag);
    if (status != RS_OK || !has_data)
        return status;
    if (rs_args_given(args, "data")) {
        status = rs_open_data(args, &in->set, diag);
        return status == RS_OK ? rs_images_option(args, in->set, &in->slice, diag) : status;
    }
    if (rs_args_given(args, "images") || rs_args_given(args, "first"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--first and --images need --data");
    return RS_OK;
}

rs_status rs_command_simulate(const rs_args *args, rs_diag *diag)
{
    array_input in = { .qnet = NULL };
    json_t *section = NULL;
    const char *timeline = rs_args_text(args, "timeline");
    rs_status status = timeline != NULL ? rs_timeline_check_name(timeline, "--timeline", diag) : RS_OK;
    if (status == RS_OK)
        status = open_input(args, &in, diag);
    if (status == RS_OK)
        status = rs_run_simulate(in.qnet, in.config, in.set, in.slice, &in.over, &section, diag);
    if (status == RS_OK && timeline != NULL)
        status = write_timeline(in.qnet, in.config, timeline, diag);
    close_input(&in);
    return rs_show_section(args, "simulate", section, status, diag);
}

/* What a user would type to run this again; lockstep adds the image and the seed. rs_free. */
static char *command_line(const rs_args *args)
{
    char *line = rs_format("ristretto cosim --qnet %s --array %s --data %s --split %s", rs_args_text(args, "qnet"),
                           rs_args_text(args, "array"), rs_args_text(args, "data"), rs_args_text(args, "split"));
    for (size_t i = 0; line != NULL && i < rs_args_count(args, "set"); i++) {
        char *longer = rs_format("%s --set %s", line, rs_args_nth(args, "set", i));
        rs_free(line);
        line = longer;
    }
    return line;
}

/* What the array cannot do without, and a foreign unit can. */
static rs_status need(const rs_args *args, const char *name, const char *value, rs_diag *diag)
{
    return rs_args_given(args, name) ? RS_OK
                                     : rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                                                "--%s %s is missing; only --dut goes without it", name, value);
}

/* The array without --dut: what it needs, and what only a foreign unit takes. */
static rs_status check_cosim(const rs_args *args, rs_diag *diag)
{
    static const char *const for_units[] = { "layer", "vectors", "random", "trust" };
    const size_t errors = rs_diag_errors(diag);
    (void)need(args, "qnet", "FOLDER", diag);
    (void)need(args, "array", "FILE", diag);
    (void)need(args, "data", "PATH", diag);
    for (size_t i = 0; i < sizeof for_units / sizeof for_units[0]; i++)
        if (rs_args_given(args, for_units[i]))
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s is for --dut", for_units[i]);
    return rs_diag_errors(diag) > errors ? RS_USAGE : RS_OK;
}

/* Lockstep, and with --trace a waveform, of a mismatch as well. */
static rs_status cosim_array(const rs_args *args, const array_input *in, const char *command, json_t **section,
                             rs_diag *diag)
{
    const rs_lockstep_options options = {
        .x_seed = (uint64_t)rs_args_int(args, "seed"),
        .command = command,
        .wave = rs_args_text(args, "wave"),
        .dut_fault = (rs_dut_fault)rs_args_word(args, "plant", RS_DUT_FAULT_NONE),
        .dut_fault_beat = (uint64_t)rs_args_int(args, "plant-beat"),
    };
    const rs_wave window = { rs_args_text(args, "trace"), (uint64_t)rs_args_int(args, "trace-from"),
                             (uint64_t)rs_args_int(args, "trace-to") };
    const rs_status status = rs_run_cosim(in->qnet, in->config, in->set, in->slice, &in->over, &options, section, diag);
    if (*section == NULL || window.path == NULL)
        return status;
    const rs_status traced = rs_stage_trace(in->qnet, in->config, in->set, in->slice, &in->over, options.x_seed,
                                            &window, diag);
    return status == RS_OK ? traced : status;
}

rs_status rs_command_cosim(const rs_args *args, rs_diag *diag)
{
    if (rs_args_int(args, "trace-to") < rs_args_int(args, "trace-from"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--trace-to lies before --trace-from");
    if (rs_args_given(args, "dut"))
        return rs_command_cosim_unit(args, diag);
    if (rs_args_given(args, "keep-going"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--keep-going is for --dut");
    array_input in = { .qnet = NULL };
    json_t *section = NULL;
    char *command = NULL;
    rs_status status = check_cosim(args, diag);
    if (status == RS_OK)
        status = open_input(args, &in, diag);
    if (status == RS_OK && (command = command_line(args)) == NULL)
        status = rs_out_of_memory(diag);
    if (status == RS_OK)
        status = cosim_array(args, &in, command, &section, diag);
    rs_free(command);
    close_input(&in);
    return rs_show_section(args, "cosim", section, status, diag);
}

rs_status rs_command_estimate(const rs_args *args, rs_diag *diag)
{
    array_input in;
    json_t *section = NULL;
    rs_status status = open_input(args, &in, diag);
    if (status == RS_OK)
        status = rs_run_estimate(in.qnet, in.config, rs_args_text(args, "technology"), &section, diag);
    close_input(&in);
    return rs_show_section(args, "estimate", section, status, diag);
}

rs_status rs_command_export(const rs_args *args, rs_diag *diag)
{
    array_input in;
    json_t *section = NULL;
    const rs_rom_format format = (rs_rom_format)rs_args_word(args, "format", RS_ROM_HEX);
    rs_status status = open_input(args, &in, diag);
    if (status == RS_OK)
        status = rs_run_export(in.qnet, in.config, format, rs_args_text(args, "out"), &section, diag);
    close_input(&in);
    return rs_show_section(args, "export", section, status, diag);
}
