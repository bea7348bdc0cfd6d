/* What commands share. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "config/scalar.h"
#include "flow/integers.h"
#include "report/report.h"

rs_status rs_open_data(const rs_args *args, rs_dataset **set, rs_diag *diag)
{
    return rs_dataset_open(rs_args_text(args, "data"), NULL, strcmp(rs_args_text(args, "split"), "train") == 0, set,
                           diag);
}

rs_status rs_slice_parse(const char *text, const char *option, rs_slice *slice, rs_diag *diag)
{
    *slice = (rs_slice) { 0, 0 };
    const char *colon = strchr(text, ':');
    char *first = rs_strndup(text, colon != NULL ? (size_t)(colon - text) : 0);
    if (first == NULL)
        return rs_out_of_memory(diag);
    const bool good = colon != NULL && rs_parse_int(first, &slice->first) && rs_parse_int(colon + 1, &slice->count) &&
                      slice->first >= 0 && slice->count > 0;
    rs_free(first);
    if (!good)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s takes FIRST:COUNT, such as 0:1000, not '%s'", option,
                        text);
    return RS_OK;
}

rs_status rs_parse_means(const char *text, const char *what, rs_status wrong, rs_data_override *over, rs_diag *diag)
{
    enum { MOST = sizeof over->mean / sizeof over->mean[0] };
    over->n_mean = 0;
    for (const char *p = text;;) {
        const size_t length = strcspn(p, ",");
        char *word = rs_strndup(p, length);
        double value = 0.0;
        if (word == NULL)
            return rs_out_of_memory(diag);
        const bool good = over->n_mean < MOST && rs_parse_real(word, &value) && value > -1e9 && value < 1e9;
        rs_free(word);
        if (!good)
            return rs_error(diag, wrong, RS_NOWHERE, NULL,
                            "%s takes one number, or one for each channel (at most %d), such as 104,117,123, not '%s'",
                            what, (int)MOST, text);
        over->mean[over->n_mean++] = (float)value;
        if (p[length] == '\0')
            return RS_OK;
        p += length + 1;
    }
}

rs_status rs_parse_size(const char *text, const char *what, rs_status wrong, rs_data_override *over, rs_diag *diag)
{
    enum { MOST = 65535 };
    const char *x = strchr(text, 'x');
    char *first = rs_strndup(text, x != NULL ? (size_t)(x - text) : 0);
    if (first == NULL)
        return rs_out_of_memory(diag);
    const bool good = x != NULL && rs_parse_int(first, &over->new_height) && rs_parse_int(x + 1, &over->new_width) &&
                      over->new_height >= 1 && over->new_width >= 1 && over->new_height <= MOST &&
                      over->new_width <= MOST;
    rs_free(first);
    return good ? RS_OK
                : rs_error(diag, wrong, RS_NOWHERE, NULL,
                           "%s takes ROWSxPIXELS, 1 to %d each, such as 256x256, not '%s'", what, MOST, text);
}

rs_status rs_transform_options(const rs_args *args, rs_data_override *over, rs_diag *diag)
{
    *over = (rs_data_override) { .gray = rs_args_flag(args, "gray"),
                                 .mirror = rs_args_has(args, "mirror") && rs_args_flag(args, "mirror"),
                                 .shuffle = rs_args_has(args, "shuffle") && rs_args_flag(args, "shuffle") };
    rs_status status = rs_args_given(args, "resize")
                           ? rs_parse_size(rs_args_text(args, "resize"), "--resize", RS_USAGE, over, diag)
                           : RS_OK;
    if (!rs_args_has(args, "mean"))
        return status;
    over->has_scale = rs_args_given(args, "scale");
    over->scale = (float)rs_args_real(args, "scale");
    over->crop_size = rs_args_int(args, "crop");
    over->mean_file = rs_args_text(args, "mean-file");
    if (rs_args_given(args, "mean") && status == RS_OK)
        status = rs_parse_means(rs_args_text(args, "mean"), "--mean", RS_USAGE, over, diag);
    if (status == RS_OK && over->n_mean > 0 && over->mean_file != NULL)
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--mean and --mean-file exclude each other");
    return status;
}

const rs_option_names rs_command_line_names = { .prefix = "--", .separator = '-', .wrong = RS_USAGE };

rs_status rs_store_options(const rs_args *args, const rs_schema *keys, void *target, rs_diag *diag)
{
    rs_status status = RS_OK;
    for (const rs_schema *key = keys; status == RS_OK && key->key != NULL; key++) {
        const char *text = rs_args_text(args, key->key);
        status = rs_schema_store(key, text != NULL ? text : key->default_text, target, diag);
    }
    return status;
}

rs_status rs_slice_option(const rs_args *args, const char *option, const rs_dataset *set, rs_slice *slice,
                          rs_diag *diag)
{
    const char *text = rs_args_text(args, option);
    *slice = (rs_slice) { 0, 0 };
    const rs_status status = text != NULL ? rs_slice_parse(text, option, slice, diag) : RS_OK;
    if (status != RS_OK)
        return status;
    char name[32];
    snprintf(name, sizeof name, "--%s", option);
    return rs_slice_resolve(slice, set, name, RS_USAGE, diag);
}

rs_status rs_images_option(const rs_args *args, const rs_dataset *set, rs_slice *slice, rs_diag *diag)
{
    *slice = (rs_slice) { rs_args_int(args, "first"), rs_args_int(args, "images") };
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
        status = rs_stage_qnet(rs_args_text(args, "qnet"), rs_args_text(args, "weights"), qnet, diag);
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

rs_status rs_shape_option(const rs_args *args, const char *option, rs_shape *shape, rs_diag *diag)
{
    const char *text = rs_args_text(args, option);
    *shape = (rs_shape) { 0, { 0 } };
    bool good = true;
    for (const char *p = text; good && p != NULL;) {
        const char *end = strchr(p, 'x');
        char *number = rs_strndup(p, end != NULL ? (size_t)(end - p) : strlen(p));
        if (number == NULL)
            return rs_out_of_memory(diag);
        int64_t n = 0;
        good = shape->n_axes < RS_MAX_AXES && rs_parse_int(number, &n) && n > 0 && n <= INT32_MAX;
        rs_free(number);
        if (good)
            shape->dim[shape->n_axes++] = n;
        p = end != NULL ? end + 1 : NULL;
    }
    if (!good)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "--%s takes CHANNELSxHEIGHTxWIDTH or BATCHxCHANNELSxHEIGHTxWIDTH, such as "
                        "3x227x227, or sizes of other axes, not '%s'",
                        option, text);
    return RS_OK;
}
