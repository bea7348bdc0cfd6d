/* What commands share. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "config/scalar.h"
#include "report/report.h"

rs_status rs_open_data(const rs_args *args, rs_dataset **set, rs_diag *diag)
{
    return rs_dataset_open(rs_args_text(args, "data"), NULL, strcmp(rs_args_text(args, "split"), "train") == 0, set, diag);
}

rs_status rs_slice_parse(const char *text, const char *option, rs_slice *slice, rs_diag *diag)
{
    *slice = (rs_slice){ 0, 0 };
    const char *colon = strchr(text, ':');
    char *first = rs_strndup(text, colon != NULL ? (size_t)(colon - text) : 0);
    if (first == NULL)
        return rs_out_of_memory(diag);
    const bool good = colon != NULL && rs_parse_int(first, &slice->first) && rs_parse_int(colon + 1, &slice->count) && slice->first >= 0 &&
                      slice->count > 0;
    rs_free(first);
    if (!good)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s takes FIRST:COUNT, such as 0:1000, not '%s'", option, text);
    return RS_OK;
}

rs_status rs_slice_option(const rs_args *args, const char *option, const rs_dataset *set, rs_slice *slice, rs_diag *diag)
{
    const char *text = rs_args_text(args, option);
    *slice = (rs_slice){ 0, 0 };
    const rs_status status = text != NULL ? rs_slice_parse(text, option, slice, diag) : RS_OK;
    if (status != RS_OK)
        return status;
    char name[32];
    snprintf(name, sizeof name, "--%s", option);
    return rs_slice_resolve(slice, set, name, RS_USAGE, diag);
}

rs_status rs_images_option(const rs_args *args, const rs_dataset *set, rs_slice *slice, rs_diag *diag)
{
    *slice = (rs_slice){ rs_args_int(args, "first"), rs_args_int(args, "images") };
    return rs_slice_resolve(slice, set, "--first, --images", RS_USAGE, diag);
}

rs_status rs_open_array(const rs_args *args, rs_qnet **qnet, rs_array_config **config, rs_diag *diag)
{
    *qnet = NULL;
    *config = NULL;
    rs_status status = rs_array_config_read(rs_args_text(args, "array"), config, diag);
    for (size_t i = 0; status == RS_OK && i < rs_args_count(args, "set"); i++)
        status = rs_array_config_set(*config, rs_args_nth(args, "set", i), diag);
    if (status == RS_OK)
        status = rs_qnet_read(rs_args_text(args, "qnet"), qnet, diag);
    if (status != RS_OK) {
        rs_array_config_free(*config);
        *config = NULL;
    }
    return status;
}

rs_status rs_show_section(const rs_args *args, const char *name, json_t *section, rs_status status, rs_diag *diag)
{
    if (section == NULL || (status != RS_OK && status != RS_MISMATCH)) {
        json_decref(section);
        return status;
    }
    if (rs_args_flag(args, "json"))
        rs_json_print(section, stdout);
    else if (!rs_args_flag(args, "quiet"))
        rs_report_print_section(name, section, stdout);
    const char *report = rs_args_text(args, "report");
    if (report != NULL) {
        const rs_status put = rs_report_put(report, name, section, diag);
        if (status == RS_OK)
            status = put;
    }
    json_decref(section);
    return status;
}
