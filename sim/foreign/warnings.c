/* What Verilator warns of in a design that is not ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "foreign/unit_private.h"
#include "verilate/process.h"

enum { MOST_SHOWN = 20 };

/* "%Warning-KIND: FILE:LINE:COLUMN: TEXT" as a warning of ours; other lines are details of one. False: it is no such
 * line. */
static bool show(char *line, rs_diag *diag)
{
    static const char begin[] = "%Warning-";
    if (strncmp(line, begin, sizeof begin - 1) != 0)
        return false;
    line[strcspn(line, "\n")] = '\0';
    char *kind = line + sizeof begin - 1, *file = strstr(kind, ": ");
    if (file == NULL)
        return false;
    *file = '\0';
    file += 2;
    char *number = strchr(file, ':'), *end = number;
    const long row = number != NULL ? strtol(number + 1, &end, 10) : 0;
    const long column = number != NULL && *end == ':' ? strtol(end + 1, &end, 10) : 0;
    if (row > 0 && strncmp(end, ": ", 2) == 0) {
        *number = '\0';
        const rs_loc place = { .file = file, .line = (int)row, .column = (int)column };
        rs_warn(diag, place, NULL, "%s (%s)", end + 2, kind);
    } else {
        rs_warn(diag, RS_NOWHERE, NULL, "%s (%s)", file, kind);
    }
    return true;
}

void rs_unit_show_warnings(const rs_words *lint, rs_diag *diag)
{
    char *verilator = rs_tool_find("verilator");
    const int file = memfd_create("warnings", MFD_CLOEXEC);
    FILE *log = file >= 0 ? fdopen(file, "r+") : NULL;
    rs_words command = { .arena = lint->arena };
    int code = 0;
    if (verilator != NULL)
        rs_words_add(&command, verilator);
    rs_words_add(&command, "--lint-only");
    rs_words_add(&command, "-Wno-fatal");
    rs_words_add_all(&command, lint->items);
    if (verilator != NULL && log != NULL && !command.failed &&
        rs_tool_run(command.items, NULL, (rs_tool_output) { file, file }, &code, NULL) == RS_OK) {
        char line[1024];
        int n = 0;
        rewind(log);
        while (fgets(line, sizeof line, log) != NULL)
            n += n < MOST_SHOWN ? show(line, diag) : strncmp(line, "%Warning-", 9) == 0;
        if (n > MOST_SHOWN)
            rs_warn(diag, RS_NOWHERE, NULL, "and %d more warnings of Verilator about the design", n - MOST_SHOWN);
    }
    if (log != NULL)
        fclose(log);
    else if (file >= 0)
        close(file);
    rs_free(verilator);
}
