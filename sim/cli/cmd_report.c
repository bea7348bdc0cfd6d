/* ristretto report: text, CSV and HTML from report.json. */
#include <stdio.h>

#include "cli/commands.h"
#include "report/report.h"

rs_status rs_command_report(const rs_args *args, rs_diag *diag)
{
    json_t *report = NULL;
    const char *html = rs_args_text(args, "html"), *csv = rs_args_text(args, "csv");
    rs_status status = rs_report_read(rs_args_text(args, "FILE"), &report, diag);
    if (status == RS_OK && html != NULL)
        status = rs_report_save(report, rs_report_html, html, diag);
    if (status == RS_OK && csv != NULL)
        status = rs_report_save(report, rs_report_csv, csv, diag);
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
