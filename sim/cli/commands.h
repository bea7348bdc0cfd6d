/* What the commands do. Each one is described in the table of commands.c. */
#ifndef RISTRETTO_CLI_COMMANDS_H
#define RISTRETTO_CLI_COMMANDS_H

#include <jansson.h>

#include "cli/options.h"
#include "config/array_config.h"
#include "flow/load.h"
#include "flow/run_config.h"
#include "search/quantize.h"

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
/* What is written in words of how numbers become formats, by options or by the keys of a run. */
typedef struct rs_rule_texts {
    const char *prefix;                        /* of names in messages: "--", "quantize." */
    rs_status status;                          /* of a failure */
    const char *minifloat, *minifloat_weights; /* NULL or "": searched; the same as the other */
    const char *exponents;                     /* FIRST:LAST */
    bool zero_code, original;                  /* original: the rules of the original Ristretto */
} rs_rule_texts;
/* Adds those to the options, whose other fields are set, and checks that they go together. */
rs_status rs_read_rules(const rs_rule_texts *texts, rs_quantize_options *options, rs_diag *diag);
/* The same by the options that quantize and finetune share; rules.scheme is set. */
rs_status rs_rules_options(const rs_args *args, bool original, rs_quantize_options *options, rs_diag *diag);

/* "FIRST:COUNT"; `option` is named in the message. RS_USAGE. */
rs_status rs_slice_parse(const char *text, const char *option, rs_slice *slice, rs_diag *diag);
/* "FIRST:COUNT" of an option, resolved against the data set; all of it if the option is not given. */
rs_status rs_slice_option(const rs_args *args, const char *option, const rs_dataset *set, rs_slice *slice,
                          rs_diag *diag);
/* --qnet, --array and --set KEY=VALUE. On failure both are NULL. */
rs_status rs_open_array(const rs_args *args, rs_qnet **qnet, rs_array_config **config, rs_diag *diag);
/* Shows a section as text, or as JSON with --json, unless --quiet; adds it to the report of --report. Takes the
 * reference. `status`: the stage's; nothing is shown of one that failed, other than by a mismatch. */
rs_status rs_show_section(const rs_args *args, const char *name, json_t *section, rs_status status, rs_diag *diag);

#endif
