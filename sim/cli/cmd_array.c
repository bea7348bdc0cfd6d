/* ristretto simulate, estimate: the quantized network on the array. */
#include "cli/commands.h"

rs_status rs_command_simulate(const rs_args *args, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    rs_dataset *set = NULL;
    json_t *section = NULL;
    rs_slice slice = { 0, 0 };
    rs_status status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK && rs_args_text(args, "data") != NULL) {
        status = rs_open_data(args, &set, diag);
        if (status == RS_OK)
            status = rs_slice_option(args, "images", set, &slice, diag);
    } else if (status == RS_OK && rs_args_given(args, "images")) {
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--images needs --data");
    }
    if (status == RS_OK)
        status = rs_stage_simulate(qnet, config, set, slice, &section, diag);
    rs_dataset_free(set);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    return rs_show_section(args, "simulate", section, status, diag);
}

rs_status rs_command_estimate(const rs_args *args, rs_diag *diag)
{
    rs_qnet *qnet = NULL;
    rs_array_config *config = NULL;
    json_t *section = NULL;
    rs_status status = rs_open_array(args, &qnet, &config, diag);
    if (status == RS_OK)
        status = rs_stage_estimate(qnet, config, rs_args_text(args, "technology"), &section, diag);
    rs_array_config_free(config);
    rs_qnet_free(qnet);
    return rs_show_section(args, "estimate", section, status, diag);
}
