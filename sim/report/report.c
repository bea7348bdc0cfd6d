/* The report file: sections are merged into it by name. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/access.h"
#include "report/printers.h"

const char *const rs_report_sections[] = { "test", "quantize", "finetune", "simulate", "cosim",
                                           "unit", "estimate", "export",   "pareto",   NULL };

static void (*const printers[])(const json_t *section, FILE *stream) = {
    rs_print_test, rs_print_quantize, rs_print_finetune, rs_print_simulate, rs_print_cosim,
    rs_print_unit, rs_print_estimate, rs_print_export,   rs_print_pareto,
};

static const char format_name[] = "ristretto-report";

json_t *rs_report_new(const char *name)
{
    return json_pack("{s:s, s:i, s:s, s:s}", "format", format_name, "version", (int)RS_REPORT_VERSION, "name", name,
                     "tool", "ristretto " RS_VERSION);
}

rs_status rs_report_read(const char *path, json_t **report, rs_diag *diag)
{
    enum { MAX_BYTES = 256 << 20 };
    *report = NULL;
    json_t *value = NULL;
    rs_status status = rs_json_read(path, MAX_BYTES, "JSON", NULL, &value, diag);
    if (status != RS_OK)
        return status;
    if (!json_is_object(value) || strcmp(rs_j_text(value, "format"), format_name) != 0)
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "the commands write one with --report FILE",
                          "the file is not a report: \"format\" must be \"%s\"", format_name);
    else if (rs_j_int(value, "version") != RS_REPORT_VERSION)
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                          "version %lld of the report is not known, expected %d", (long long)rs_j_int(value, "version"),
                          (int)RS_REPORT_VERSION);
    for (int i = 0; rs_report_sections[i] != NULL && status == RS_OK; i++) {
        const json_t *section = json_object_get(value, rs_report_sections[i]);
        if (section != NULL && !json_is_object(section))
            status = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "the section '%s' must be an object",
                              rs_report_sections[i]);
    }
    if (status != RS_OK) {
        json_decref(value);
        return status;
    }
    *report = value;
    return RS_OK;
}

bool rs_json_print(const json_t *value, FILE *stream)
{
    const bool done = json_dumpf(value, stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12)) == 0;
    putc('\n', stream);
    return done || ferror(stream); /* an error of the stream is its owner's to see */
}

/* ------------------------------------------------------------------------------------------------------- stamps */

static bool stamps; /* set before anything is written */

void rs_report_keep_stamps(void)
{
    stamps = true;
}

static bool is_stamp(const char *key)
{
    static const char ending[] = "_per_second";
    const size_t n = strlen(key), m = sizeof ending - 1;
    return strcmp(key, "seconds") == 0 || strcmp(key, "build_seconds") == 0 ||
           (n > m && strcmp(key + n - m, ending) == 0);
}

static bool remove_stamps(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    bool done = true;
    json_object_foreach_safe(value, next, key, member)
    {
        const char *text = json_string_value(member);
        if (is_stamp(key))
            done = json_object_del(value, key) == 0 && done;
        else if (text != NULL && text[0] == '/')
            done = json_object_set_new(value, key, json_string(strrchr(text, '/') + 1)) == 0 && done;
        else
            done = remove_stamps(member) && done;
    }
    json_array_foreach(value, i, member) done = remove_stamps(member) && done;
    return done;
}

json_t *rs_report_for_file(json_t *value)
{
    if (stamps)
        return json_incref(value);
    json_t *copy = json_deep_copy(value);
    if (copy != NULL && !remove_stamps(copy)) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

rs_status rs_report_save(const json_t *value, bool (*print)(const json_t *, FILE *), const char *path, rs_diag *diag)
{
    rs_output *out = NULL;
    const rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    if (print(value, rs_output_stream(out)))
        return rs_output_commit(out, diag);
    rs_output_discard(out);
    return rs_out_of_memory(diag);
}

rs_status rs_json_write(const json_t *value, const char *path, rs_diag *diag)
{
    return rs_report_save(value, rs_json_print, path, diag);
}

rs_status rs_report_write(const json_t *report, const char *path, rs_diag *diag)
{
    return rs_json_write(report, path, diag);
}

/* A report with a section put in. */
static rs_status merge(const char *path, const char *name, json_t *section, rs_diag *diag)
{
    json_t *report = NULL, *kept = NULL;
    rs_status status = RS_OK;
    if (rs_file_is_regular(path)) /* a device or a pipe holds no report to add to */
        status = rs_report_read(path, &report, diag);
    else if ((report = rs_report_new("")) == NULL)
        status = rs_out_of_memory(diag);
    if (status == RS_OK && ((kept = rs_report_for_file(section)) == NULL || json_object_set(report, name, kept) != 0))
        status = rs_out_of_memory(diag);
    if (status == RS_OK && rs_j_text(report, "name")[0] == '\0' && rs_j_has(section, "network"))
        status = json_object_set(report, "name", json_object_get(section, "network")) == 0 ? RS_OK
                                                                                           : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_report_write(report, path, diag);
    json_decref(kept);
    json_decref(report);
    return status;
}

rs_status rs_report_put(const char *path, const char *name, json_t *section, rs_diag *diag)
{
    if (rs_file_exists(path) && !rs_file_is_regular(path))
        return merge(path, name, section, diag);
    /* The folder is locked, not the file: that one is replaced. Of a link, the folder where it leads. */
    char *real = realpath(path, NULL), *folder = rs_path_folder(real != NULL ? real : path);
    free(real); /* banned-ok: the C library's */
    int lock = -1;
    rs_status status = folder != NULL ? rs_make_folder(folder, diag) : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_lock_take(folder, &lock, diag);
    if (status == RS_OK)
        status = merge(path, name, section, diag);
    rs_lock_release(lock);
    rs_free(folder);
    return status;
}

/* A section as text in which names cannot control the terminal. */
static bool print_section(int i, const json_t *section, FILE *stream)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory != NULL)
        printers[i](section, memory);
    const bool done = memory != NULL && fclose(memory) == 0;
    rs_text_print(done ? text : "(out of memory)\n", 0, stream);
    free(text); /* banned-ok: the C library took it */
    return done;
}

void rs_report_print_section(const char *name, const json_t *section, FILE *stream)
{
    for (int i = 0; rs_report_sections[i] != NULL; i++)
        if (strcmp(name, rs_report_sections[i]) == 0)
            (void)print_section(i, section, stream);
}

bool rs_report_print(const json_t *report, FILE *stream)
{
    bool first = true, done = true;
    for (int i = 0; rs_report_sections[i] != NULL; i++) {
        const json_t *section = json_object_get(report, rs_report_sections[i]);
        if (section == NULL)
            continue;
        if (!first)
            putc('\n', stream);
        first = false;
        done = print_section(i, section, stream) && done;
    }
    return done;
}

/* ---------------------------------------------------------------------------------------------------------- CSV */

static void csv_value(const char *section, const char *row, const char *column, const json_t *value, FILE *stream)
{
    rs_text_csv(section, stream);
    putc(',', stream);
    rs_text_csv(row, stream);
    putc(',', stream);
    rs_text_csv(column, stream);
    putc(',', stream);
    if (json_is_string(value))
        rs_text_csv(json_string_value(value), stream);
    else if (json_is_integer(value))
        fprintf(stream, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(stream, "%.12g", json_real_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "true" : "false", stream);
    putc('\n', stream);
}

/* Scalars become lines; an object or list inside extends the row's name: "layers[0].parts[3]". */
static void csv_walk(const char *section, const char *row, const json_t *value, int depth, FILE *stream)
{
    enum { DEEPEST = 8 };
    if (depth > DEEPEST)
        return;
    char name[256];
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, item)
        {
            snprintf(name, sizeof name, "%s%s%s", row, row[0] != '\0' ? "." : "", key);
            if (json_is_object(item) || json_is_array(item))
                csv_walk(section, name, item, depth + 1, stream);
            else
                csv_value(section, row, key, item, stream);
        }
    } else {
        json_array_foreach(value, i, item)
        {
            /* An entry with a name is easier to find than one with a number. */
            const char *own = rs_j_text(item, "name");
            if (own[0] != '\0')
                snprintf(name, sizeof name, "%s[%s]", row, own);
            else
                snprintf(name, sizeof name, "%s[%zu]", row, i);
            if (json_is_object(item) || json_is_array(item))
                csv_walk(section, name, item, depth + 1, stream);
            else
                csv_value(section, name, "", item, stream);
        }
    }
}

bool rs_report_csv(const json_t *report, FILE *stream)
{
    fputs("section,row,column,value\n", stream);
    for (int i = 0; rs_report_sections[i] != NULL; i++)
        csv_walk(rs_report_sections[i], "", json_object_get(report, rs_report_sections[i]), 0, stream);
    return true;
}
