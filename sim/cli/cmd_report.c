/* ristretto report: text, CSV and HTML from report.json. */
#include <stdio.h>

#include "base/file.h"
#include "cli/commands.h"
#include "report/report.h"

static rs_status write_file(const char *path, const json_t *report, void (*print)(const json_t *, FILE *),
                            rs_diag *diag)
{
    rs_output *out = NULL;
    const rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    print(report, rs_output_stream(out));
    return rs_output_commit(out, diag);
}

rs_status rs_command_report(const rs_args *args, rs_diag *diag)
{
    json_t *report = NULL;
    const char *html = rs_args_text(args, "html"), *csv = rs_args_text(args, "csv");
    rs_status status = rs_report_read(rs_args_text(args, "FILE"), &report, diag);
    if (status == RS_OK && html != NULL)
        status = write_file(html, report, rs_report_html, diag);
    if (status == RS_OK && csv != NULL)
        status = write_file(csv, report, rs_report_csv, diag);
    if (status == RS_OK && rs_args_flag(args, "json"))
        rs_json_print(report, stdout);
    else if (status == RS_OK && html == NULL && csv == NULL)
        rs_report_print(report, stdout);
    else if (status == RS_OK && !rs_args_flag(args, "quiet"))
        printf("wrote %s%s%s\n", html != NULL ? html : "", html != NULL && csv != NULL ? " and " : "",
               csv != NULL ? csv : "");
    json_decref(report);
    return status;
}
