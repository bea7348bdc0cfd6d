/* The command line, described once: commands, options, types, defaults and help. From these tables come the parser,
 * --help, the man pages and the shell completion (manual.h). */
#ifndef RISTRETTO_CLI_OPTIONS_H
#define RISTRETTO_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/words.h"

typedef enum rs_option_type {
    RS_OPTION_FLAG, /* given or not */
    RS_OPTION_INT,  /* min to max, or one of the words */
    RS_OPTION_REAL, /* min to max */
    RS_OPTION_TEXT,
    RS_OPTION_FILE,   /* text; completion offers files */
    RS_OPTION_FOLDER, /* text; completion offers folders */
    RS_OPTION_CHOICE, /* one of `choices`, or of the words */
    RS_OPTION_VALUE   /* what `parse` takes, the words included */
} rs_option_type;

typedef struct rs_option {
    const char *name; /* without dashes in front; in capitals for a positional argument; '_' is written as '-' */
    char short_name;  /* a letter, or 0 */
    rs_option_type type;
    bool repeated;
    const char *value;        /* what stands for the value in the help: "FILE" */
    const char *default_text; /* value if it is not given, or NULL */
    double min, max;
    const char *choices;                         /* "memh|coe|mif" */
    const rs_word *first_word, *words;           /* a word in front of a table, and the table; or NULL */
    bool (*parse)(const char *text, void *slot); /* into at most RS_OPTION_SLOT bytes */
    const char *what;                            /* that `parse` takes */
    const char *alias;                           /* an older name, accepted and not shown; or NULL */
    const char *help;                            /* one sentence, no full stop */
} rs_option;
enum { RS_OPTION_SLOT = 64 };

typedef struct rs_args rs_args;

typedef struct rs_command {
    const char *name;
    const char *summary;            /* one line, no full stop */
    const char *description;        /* paragraphs, separated by empty lines */
    const rs_option *const *groups; /* arrays of options, each ended by a NULL name; ends with NULL */
    const rs_option *positionals;   /* in order; ends with a NULL name; or NULL */
    const char *required;           /* names of options and positionals that must be given: "model|out"; or NULL */
    const char *const *examples;    /* command lines; ends with NULL */
    rs_status (*run)(const rs_args *args, rs_diag *diag);
} rs_command;

typedef struct rs_command_table {
    const rs_command *commands; /* in the order of the help; ends with a NULL name */
    const rs_option *common;    /* options of every command; ends with a NULL name */
} rs_command_table;

/* NULL: there is none. */
const rs_command *rs_command_find(const rs_command_table *table, const char *name);
bool rs_command_requires(const rs_command *command, const rs_option *option);
/* The options of all groups, in order. Returns how many. */
enum { RS_COMMAND_MAX_OPTIONS = 64 };
size_t rs_command_options(const rs_command *command, const rs_option *options[RS_COMMAND_MAX_OPTIONS]);

/* "--min-bits" or "FILE". Returns `buffer`. */
enum { RS_OPTION_SPELLING = 40 };
const char *rs_option_spelling(const rs_option *option, char buffer[RS_OPTION_SPELLING]);
/* "a|b|c": choices or words; "" for neither. Returns `buffer`. */
enum { RS_OPTION_CHOICES = 200 };
const char *rs_option_choices(const rs_option *option, char buffer[RS_OPTION_CHOICES]);
bool rs_option_positional(const rs_option *option);

/* Reads argv[0] = the command's name and what follows. Every error is reported: unknown option (with a did-you-mean),
 * missing or surplus value, out of range, missing required option. RS_USAGE. */
rs_status rs_args_parse(const rs_command_table *table, const rs_command *command, int argc, char *const *argv,
                        rs_args **args, rs_diag *diag);
void rs_args_free(rs_args *args);

/* Values by the option's name (the last one given wins); asking for a name that the table does not hold is a defect and
 * aborts. '-' and '_' are the same in names. */
bool rs_args_has(const rs_args *args, const char *name);   /* in the table: for code that several commands share */
bool rs_args_given(const rs_args *args, const char *name); /* on the command line */
bool rs_args_flag(const rs_args *args, const char *name);
const char *rs_args_text(const rs_args *args, const char *name); /* NULL: not given and no default; "yes" for a flag */
int64_t rs_args_int(const rs_args *args, const char *name);
double rs_args_real(const rs_args *args, const char *name);
/* The value of a word; `otherwise` if the option is not given and has no default. */
int rs_args_word(const rs_args *args, const char *name, int otherwise);
/* Repeated options. */
size_t rs_args_count(const rs_args *args, const char *name);
const char *rs_args_nth(const rs_args *args, const char *name, size_t i);
const rs_command_table *rs_args_table(const rs_args *args);

/* Is `word` one of "a|b|c"? */
bool rs_choice_has(const char *choices, const char *word);

#endif
