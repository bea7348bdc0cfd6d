/* What the commands do. Each one is described in the table of commands.c. */
#ifndef RISTRETTO_CLI_COMMANDS_H
#define RISTRETTO_CLI_COMMANDS_H

#include <jansson.h>

#include "cli/options.h"
#include "config/array_config.h"
#include "flow/load.h"
#include "flow/run_config.h"
#include "search/options.h"

/* All commands. */
extern const rs_command_table rs_commands;
/* Options of the quantizer, as groups of options: all of them, and those that fine-tuning has as well. Their values are
 * stored by rs_quantize_keys and rs_rules_keys. */
extern const rs_option rs_quantizer_options[], rs_rules_options[];
/* The original Ristretto's words for schemes. */
extern const rs_word rs_trimming_mode_words[];

rs_status rs_command_summary(const rs_args *args, rs_diag *diag);
rs_status rs_command_convert(const rs_args *args, rs_diag *diag);
rs_status rs_command_forward(const rs_args *args, rs_diag *diag);
rs_status rs_command_train(const rs_args *args, rs_diag *diag);
rs_status rs_command_test(const rs_args *args, rs_diag *diag);
rs_status rs_command_quantize(const rs_args *args, rs_diag *diag);
rs_status rs_command_finetune(const rs_args *args, rs_diag *diag);
rs_status rs_command_simulate(const rs_args *args, rs_diag *diag);
rs_status rs_command_cosim(const rs_args *args, rs_diag *diag);
/* cosim with --dut: a unit that is not ours. */
rs_status rs_command_cosim_unit(const rs_args *args, rs_diag *diag);
rs_status rs_command_estimate(const rs_args *args, rs_diag *diag);
rs_status rs_command_export(const rs_args *args, rs_diag *diag);
rs_status rs_command_data(const rs_args *args, rs_diag *diag);
rs_status rs_command_report(const rs_args *args, rs_diag *diag);
rs_status rs_command_run(const rs_args *args, rs_diag *diag);
rs_status rs_command_help(const rs_args *args, rs_diag *diag);

/* What commands share. */

/* --data and --split. */
rs_status rs_open_data(const rs_args *args, rs_dataset **set, rs_diag *diag);
/* --mean, --mean-file, --scale, --crop, --resize, --mirror, --shuffle and --gray, as far as the command has them. */
rs_status rs_transform_options(const rs_args *args, rs_data_override *over, rs_diag *diag);
/* "104,117,123" and "256x256" for an override. `what` names the option or key, `wrong` is the status of a failure. */
rs_status rs_parse_means(const char *text, const char *what, rs_status wrong, rs_data_override *over, rs_diag *diag);
rs_status rs_parse_size(const char *text, const char *what, rs_status wrong, rs_data_override *over, rs_diag *diag);
/* --first and --images, resolved against the data set. */
rs_status rs_images_option(const rs_args *args, const rs_dataset *set, rs_slice *slice, rs_diag *diag);
/* Stores the values of options, given or by default, that are keys of a structure. */
rs_status rs_store_options(const rs_args *args, const rs_schema *keys, void *target, rs_diag *diag);
/* How messages name options. */
extern const rs_option_names rs_command_line_names;

/* "FIRST:COUNT"; `option` is named in the message. RS_USAGE. */
rs_status rs_slice_parse(const char *text, const char *option, rs_slice *slice, rs_diag *diag);
/* "FIRST:COUNT" of an option, resolved against the data set; all of it if the option is not given. */
rs_status rs_slice_option(const rs_args *args, const char *option, const rs_dataset *set, rs_slice *slice,
                          rs_diag *diag);
/* A shape such as "3x227x227" or "10x3x227x227", of any number of axes. RS_USAGE. */
rs_status rs_shape_option(const rs_args *args, const char *option, rs_shape *shape, rs_diag *diag);
/* --qnet, --array and --set KEY=VALUE. On failure both are NULL. */
rs_status rs_open_array(const rs_args *args, rs_qnet **qnet, rs_array_config **config, rs_diag *diag);
/* Shows a section as text, or as JSON with --json, unless --quiet; adds it to the report of --report. Takes the
 * reference. `status`: the stage's; nothing is shown of one that failed, other than by a mismatch. */
rs_status rs_show_section(const rs_args *args, const char *name, json_t *section, rs_status status, rs_diag *diag);

#endif
