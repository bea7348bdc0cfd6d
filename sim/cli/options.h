/* The command line, described once: commands, options, types, defaults and help. From these tables come the parser,
 * --help, the man pages and the shell completion (manual.h). */
#ifndef RISTRETTO_CLI_OPTIONS_H
#define RISTRETTO_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

typedef enum rs_option_type {
    RS_OPTION_FLAG, /* given or not */
    RS_OPTION_INT,  /* min to max */
    RS_OPTION_REAL, /* min to max */
    RS_OPTION_TEXT,
    RS_OPTION_FILE,   /* text; completion offers files */
    RS_OPTION_FOLDER, /* text; completion offers folders */
    RS_OPTION_CHOICE  /* one of `choices` */
} rs_option_type;

typedef struct rs_option {
    const char *name; /* without dashes; in capitals for an argument that is given by its place */
    char letter;      /* short form, or 0 */
    rs_option_type type;
    bool required, repeated;
    const char *value;    /* what stands for the value in the help: "FILE" */
    const char *fallback; /* value if it is not given, or NULL */
    double min, max;
    const char *choices; /* "memh|coe|mif" */
    const char *help;    /* one sentence, no full stop */
} rs_option;

typedef struct rs_args rs_args;

typedef struct rs_command {
    const char *name;
    const char *summary;         /* one line, no full stop */
    const char *description;     /* paragraphs, separated by empty lines */
    const rs_option *options;    /* ends with a NULL name */
    const rs_option *places;     /* arguments given by place, in order; ends with a NULL name; or NULL */
    const char *const *examples; /* command lines; ends with NULL */
    rs_status (*run)(const rs_args *args, rs_diag *diag);
} rs_command;

/* All commands, in the order of the help; ends with a NULL name. */
extern const rs_command rs_commands[];
/* Options of every command. */
extern const rs_option rs_common_options[];

const rs_command *rs_command_find(const char *name);

/* Reads argv[0] = the command's name and what follows. Every error is reported: unknown option (with a did-you-mean),
 * missing or surplus value, out of range, missing required option. RS_USAGE. */
rs_status rs_args_parse(const rs_command *command, int argc, char *const *argv, rs_args **args, rs_diag *diag);
void rs_args_free(rs_args *args);

/* Values by the option's name (the last one given wins); asking for a name that the table does not hold is a defect and
 * aborts. */
bool rs_args_has(const rs_args *args, const char *name);   /* in the table: for code that several commands share */
bool rs_args_given(const rs_args *args, const char *name); /* on the command line */
bool rs_args_flag(const rs_args *args, const char *name);
const char *rs_args_text(const rs_args *args, const char *name); /* NULL: not given and no default */
int64_t rs_args_int(const rs_args *args, const char *name);
double rs_args_real(const rs_args *args, const char *name);
/* Repeated options. */
size_t rs_args_count(const rs_args *args, const char *name);
const char *rs_args_nth(const rs_args *args, const char *name, size_t i);
const rs_command *rs_args_command(const rs_args *args);

/* Is `word` one of "a|b|c"? */
bool rs_choice_has(const char *choices, const char *word);

#endif
