/* ristretto help */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/manual.h"
#include "config/array_schema.h"
#include "foreign/unit_config.h"
#include "energy/technology.h"

static const struct {
    const char *topic, *title;
    const rs_schema *schema;
} files[] = {
    { "array", "Keys of an array's YAML file", rs_array_schema },
    { "adapter", "Keys of the adapter of a foreign unit (cosim --dut)", rs_unit_schema },
    { "technology", "Keys of a technology's YAML file", rs_technology_schema },
    { "run-file", "Keys of a run's YAML file", rs_run_schema },
};

static rs_status help_file(size_t i, const char *format, rs_diag *diag)
{
    const bool markdown = strcmp(format, "markdown") == 0;
    if (!markdown && strcmp(format, "text") != 0)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "the help about '%s' comes as text or markdown",
                        files[i].topic);
    printf(markdown ? "## %s\n\n" : "%s:\n\n", files[i].title);
    rs_schema_document(files[i].schema, markdown, stdout);
    return RS_OK;
}

rs_status rs_command_help(const rs_args *args, rs_diag *diag)
{
    const rs_command_table *table = rs_args_table(args);
    const char *topic = rs_args_text(args, "TOPIC");
    const char *format = rs_args_text(args, "format");
    for (size_t i = 0; topic != NULL && i < sizeof files / sizeof files[0]; i++)
        if (strcmp(topic, files[i].topic) == 0)
            return help_file(i, format, diag);
    const rs_command *command = topic != NULL ? rs_command_find(table, topic) : NULL;
    if (topic != NULL && command == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "'ristretto help' lists the commands",
                        "there is no help about '%s'", topic);
    if (strcmp(format, "man") == 0)
        rs_manual_page(table, command, stdout);
    else if (strcmp(format, "bash") == 0)
        rs_manual_bash(table, stdout);
    else if (strcmp(format, "names") == 0)
        for (const rs_command *c = table->commands; c->name != NULL; c++)
            puts(c->name);
    else if (strcmp(format, "markdown") == 0)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "'ristretto help array --format markdown'",
                        "commands have no Markdown form");
    else if (command != NULL)
        rs_manual_command(table, command, stdout);
    else
        rs_manual_overview(table, stdout);
    return RS_OK;
}
