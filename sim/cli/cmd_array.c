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

rs_status rs_command_simulate(const rs_args *args, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    rs_dataset *set = NULL;
    json_t *section = NULL;
    rs_slice slice = { 0, 0 };
    rs_data_override over;
    const char *timeline = rs_args_text(args, "timeline");
    rs_status status = rs_transform_options(args, &over, diag);
    if (status == RS_OK && timeline != NULL)
        status = rs_timeline_check_name(timeline, "--timeline", diag);
    if (status == RS_OK)
        status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK && rs_args_text(args, "data") != NULL) {
        status = rs_open_data(args, &set, diag);
        if (status == RS_OK)
            status = rs_images_option(args, set, &slice, diag);
    } else if (status == RS_OK && (rs_args_given(args, "images") || rs_args_given(args, "first"))) {
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--first and --images need --data");
    }
    if (status == RS_OK)
        status = rs_run_simulate(qnet, config, set, slice, &over, &section, diag);
    if (status == RS_OK && timeline != NULL)
        status = write_timeline(qnet, config, timeline, diag);
    rs_dataset_free(set);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
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

static rs_dut_fault fault_named(const char *name)
{
    static const struct {
        const char *name;
        rs_dut_fault fault;
    } faults[] = {
        { "flip", RS_DUT_FAULT_FLIP },
        { "late", RS_DUT_FAULT_LATE },
        { "drop", RS_DUT_FAULT_DROP },
        { "duplicate", RS_DUT_FAULT_DUPLICATE },
    };
    for (size_t i = 0; name != NULL && i < sizeof faults / sizeof faults[0]; i++)
        if (strcmp(faults[i].name, name) == 0)
            return faults[i].fault;
    return RS_DUT_FAULT_NONE;
}

/* What the array cannot do without, and a foreign unit can. */
static rs_status need(const rs_args *args, const char *name, const char *value, rs_diag *diag)
{
    return rs_args_given(args, name) ? RS_OK
                                     : rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                                                "--%s %s is missing; only --dut goes without it", name, value);
}

rs_status rs_command_cosim(const rs_args *args, rs_diag *diag)
{
    if (rs_args_int(args, "trace-to") < rs_args_int(args, "trace-from"))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--trace-to lies before --trace-from");
    if (rs_args_given(args, "dut"))
        return rs_command_cosim_unit(args, diag);
    static const char *const for_units[] = { "layer", "vectors", "random" };
    const size_t errors = rs_diag_errors(diag);
    (void)need(args, "qnet", "FOLDER", diag);
    (void)need(args, "array", "FILE", diag);
    (void)need(args, "data", "PATH", diag);
    for (size_t i = 0; i < sizeof for_units / sizeof for_units[0]; i++)
        if (rs_args_given(args, for_units[i]))
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s is for --dut", for_units[i]);
    if (rs_diag_errors(diag) > errors)
        return RS_USAGE;
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    rs_dataset *set = NULL;
    json_t *section = NULL;
    char *command = NULL;
    rs_slice slice = { 0, 0 };
    rs_data_override over;
    rs_status status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK)
        status = rs_open_data(args, &set, diag);
    if (status == RS_OK)
        status = rs_images_option(args, set, &slice, diag);
    if (status == RS_OK && (command = command_line(args)) == NULL)
        status = rs_out_of_memory(diag);
    if (status == RS_OK) {
        const rs_lockstep_options options = {
            .x_seed = (uint64_t)rs_args_int(args, "seed"),
            .command = command,
            .wave = rs_args_text(args, "wave"),
            .dut_fault = fault_named(rs_args_text(args, "plant")),
            .dut_fault_beat = (uint64_t)rs_args_int(args, "plant-beat"),
        };
        status = rs_run_cosim(qnet, config, set, slice, &over, &options, &section, diag);
        if ((status == RS_OK || (status == RS_MISMATCH && section != NULL)) && rs_args_given(args, "trace")) {
            const rs_wave window = { rs_args_text(args, "trace"), (uint64_t)rs_args_int(args, "trace-from"),
                                     (uint64_t)rs_args_int(args, "trace-to") };
            const rs_status traced = rs_stage_trace(qnet, config, set, slice, &over, options.x_seed, &window, diag);
            status = status == RS_OK ? traced : status;
        }
    }
    rs_free(command);
    rs_dataset_free(set);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    return rs_show_section(args, "cosim", section, status, diag);
}

rs_status rs_command_estimate(const rs_args *args, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    json_t *section = NULL;
    rs_status status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK)
        status = rs_run_estimate(qnet, config, rs_args_text(args, "technology"), &section, diag);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    return rs_show_section(args, "estimate", section, status, diag);
}

rs_status rs_command_export(const rs_args *args, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    json_t *section = NULL;
    int format = 0;
    while (strcmp(rs_export_formats[format], rs_args_text(args, "format")) != 0)
        format++; /* one of the option's choices, which are these */
    rs_status status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK)
        status = rs_run_export(qnet, config, (rs_rom_format)format, rs_args_text(args, "out"), &section, diag);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    return rs_show_section(args, "export", section, status, diag);
}
