/* The report: report.json is the raw data; text, CSV and HTML are pure functions of it.
 *
 * A report is an object with "format": "ristretto-report", "version": 1 and any of the sections below, each written by
 * the command of the same name; docs/reference/report-format.md describes their members. What a section lacks is left
 * out of the output. */
#ifndef RISTRETTO_REPORT_REPORT_H
#define RISTRETTO_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "base/diag.h"

enum { RS_REPORT_VERSION = 1 };

/* "test", "quantize", "finetune", "simulate", "cosim", "unit", "estimate", "export", "pareto", in this order; ends with
 * NULL. */
extern const char *const rs_report_sections[];

json_t *rs_report_new(const char *name);
/* RS_BAD_INPUT: no JSON (with line and column), not a report, another version. */
rs_status rs_report_read(const char *path, json_t **report, rs_diag *diag);
rs_status rs_report_write(const json_t *report, const char *path, rs_diag *diag);
/* Any JSON value, indented, with a final newline. */
rs_status rs_json_write(const json_t *value, const char *path, rs_diag *diag);
/* false: no memory. */
bool rs_json_print(const json_t *value, FILE *stream);
/* From now on files keep what differs from run to run (--stamp). */
void rs_report_keep_stamps(void);
/* A section or a report as files hold it: without seconds and speeds, and with the name alone of an absolute path,
 * unless stamps are kept. A new reference; NULL: no memory. */
json_t *rs_report_for_file(json_t *value);
/* Reads the report at `path` if there is one (a device or a pipe begins with none), replaces a section, writes it back;
 * commands that do so at the same time wait for each other.
 * What goes into the file is rs_report_for_file(section). */
rs_status rs_report_put(const char *path, const char *name, json_t *section, rs_diag *diag);

/* One section as text; nothing if its name is not known. */
void rs_report_print_section(const char *name, const json_t *section, FILE *stream);
/* What a section "unit" says of differences; its text holds that too. */
void rs_report_print_unit_differences(const json_t *section, FILE *stream);
bool rs_report_print(const json_t *report, FILE *stream); /* false: no memory for a section */

/* All tables, one after the other: `section,row,column,value`. */
bool rs_report_csv(const json_t *report, FILE *stream);

/* One file without references to anything outside it. */
bool rs_report_html(const json_t *report, FILE *stream);

/* Writes one of these forms (rs_json_print, rs_report_csv, rs_report_html), or any other of a JSON value. Where one is
 * false, memory was short: RS_RESOURCE, and no file. */
rs_status rs_report_save(const json_t *value, bool (*print)(const json_t *, FILE *), const char *path, rs_diag *diag);

#endif
