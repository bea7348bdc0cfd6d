/* Reads a command line by the tables of options. */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/scalar.h"

enum {
    MAX_OPTIONS = RS_COMMAND_MAX_OPTIONS + 16, /* and the common ones, and positionals */
    SPELLINGS = 3,                             /* of an option: with dashes, with underscores, the alias */
    LONG = 256                                 /* getopt_long's value of option i is LONG + i; letters lie below */
};

typedef struct args_given {
    size_t count;
    const char **values; /* into argv */
} args_given;

struct rs_args {
    const rs_command_table *table;
    const rs_command *command;
    size_t n, first_positional;
    const rs_option *options[MAX_OPTIONS]; /* common, then the command's, then positionals */
    args_given given[MAX_OPTIONS];
};

/* ------------------------------------------------------------------------------------------------------- tables */

const rs_command *rs_command_find(const rs_command_table *table, const char *name)
{
    for (const rs_command *c = table->commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

bool rs_command_requires(const rs_command *command, const rs_option *option)
{
    return command != NULL && command->required != NULL && rs_choice_has(command->required, option->name);
}

static size_t add_options(const rs_option *options, const rs_option **list, size_t n, size_t size)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (n == size)
            abort(); /* the table grew: raise RS_COMMAND_MAX_OPTIONS */
        list[n++] = options;
    }
    return n;
}

size_t rs_command_options(const rs_command *command, const rs_option *options[RS_COMMAND_MAX_OPTIONS])
{
    size_t n = 0;
    for (const rs_option *const *group = command->groups; *group != NULL; group++)
        n = add_options(*group, options, n, RS_COMMAND_MAX_OPTIONS);
    return n;
}

bool rs_choice_has(const char *choices, const char *word)
{
    const size_t length = strlen(word);
    for (const char *p = choices; *p != '\0';) {
        const size_t n = strcspn(p, "|");
        if (n == length && strncmp(p, word, n) == 0)
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

bool rs_option_positional(const rs_option *option)
{
    return option->name[0] >= 'A' && option->name[0] <= 'Z';
}

const char *rs_option_spelling(const rs_option *option, char buffer[RS_OPTION_SPELLING])
{
    snprintf(buffer, RS_OPTION_SPELLING, "%s%s", rs_option_positional(option) ? "" : "--", option->name);
    for (char *p = buffer; *p != '\0'; p++)
        *p = *p == '_' ? '-' : *p;
    return buffer;
}

const char *rs_option_choices(const rs_option *option, char buffer[RS_OPTION_CHOICES])
{
    const rs_word *word;
    size_t used = (size_t)snprintf(buffer, RS_OPTION_CHOICES, "%s", option->choices != NULL ? option->choices : "");
    for (size_t i = 0; (word = rs_word_nth(option->first_word, option->words, i)) != NULL; i++) {
        const char *bar = used > 0 ? "|" : "";
        used += (size_t)snprintf(buffer + used, RS_OPTION_CHOICES - used, "%s%s", bar, word->name);
        if (used >= RS_OPTION_CHOICES)
            abort(); /* the words grew: raise RS_OPTION_CHOICES */
    }
    return buffer;
}

/* ------------------------------------------------------------------------------------------------------- values */

static bool in_range(const rs_option *option, const char *text)
{
    int64_t i = 0;
    double r = 0.0;
    const bool integer = option->type == RS_OPTION_INT;
    const bool number = integer ? rs_parse_int(text, &i) : rs_parse_real(text, &r);
    const double v = integer ? (double)i : r;
    return number && v >= option->min && v <= option->max;
}

static bool is_legal(const rs_option *option, const char *text)
{
    union {
        max_align_t aligned;
        char bytes[RS_OPTION_SLOT];
    } slot;
    char choices[RS_OPTION_CHOICES];
    switch (option->type) {
    case RS_OPTION_INT:
    case RS_OPTION_REAL:
        return in_range(option, text) || rs_choice_has(rs_option_choices(option, choices), text);
    case RS_OPTION_CHOICE:
        return rs_choice_has(rs_option_choices(option, choices), text);
    case RS_OPTION_VALUE:
        return text[0] != '\0' && option->parse(text, &slot);
    case RS_OPTION_FLAG:
        break;
    case RS_OPTION_TEXT:
    case RS_OPTION_FILE:
    case RS_OPTION_FOLDER:
        return text[0] != '\0';
    }
    return true;
}

/* "a whole number from 1 to 16", "one of a|b|c", ... */
static char *expected(const rs_option *option, const char *choices)
{
    char low[32], high[32];
    const char *either = choices[0] != '\0' ? ", or " : "";
    if (option->type == RS_OPTION_CHOICE)
        return rs_format("one of %s", choices);
    if (option->type == RS_OPTION_VALUE)
        return rs_format("%s%s%s", option->what, either, choices);
    return rs_format("%s from %s to %s%s%s", option->type == RS_OPTION_INT ? "a whole number" : "a number",
                     rs_real_text(option->min, low, sizeof low), rs_real_text(option->max, high, sizeof high), either,
                     choices);
}

/* "did you mean 'nearest'?" or NULL. rs_free. */
static char *near_choice(const char *text, const char *choices)
{
    char *words = rs_strdup(choices);
    const char *list[32];
    size_t n = 0;
    for (char *p = words; p != NULL && n < 32;) {
        list[n++] = p;
        p = strchr(p, '|');
        if (p != NULL)
            *p++ = '\0';
    }
    const char *near = words != NULL ? rs_nearest(text, list, n) : NULL;
    char *hint = near != NULL ? rs_format("did you mean '%s'?", near) : NULL;
    rs_free(words);
    return hint;
}

static void check_value(const rs_option *option, const char *text, rs_diag *diag)
{
    char name[RS_OPTION_SPELLING], choices[RS_OPTION_CHOICES];
    if (is_legal(option, text))
        return;
    rs_option_spelling(option, name);
    if (text[0] == '\0' && option->type != RS_OPTION_INT && option->type != RS_OPTION_REAL &&
        option->type != RS_OPTION_CHOICE) {
        rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s is empty", name);
        return;
    }
    char *what = expected(option, rs_option_choices(option, choices)), *hint = near_choice(text, choices);
    if (what == NULL)
        (void)rs_out_of_memory(diag);
    else
        rs_error(diag, RS_USAGE, RS_NOWHERE, hint, "%s takes %s, not '%s'", name, what, text);
    rs_free(what);
    rs_free(hint);
}

static rs_status add_value(rs_args *args, size_t index, const char *text, rs_diag *diag)
{
    args_given *g = &args->given[index];
    const char **grown = (const char **)rs_recalloc((void *)g->values, g->count, g->count + 1, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    g->values = grown;
    g->values[g->count++] = text;
    check_value(args->options[index], text, diag);
    return RS_OK;
}

/* ------------------------------------------------------------------------------------------------------ scanning */

static bool same_name(const char *a, const char *b)
{
    for (; *a != '\0' && (*a == *b || (*a == '-' && *b == '_') || (*a == '_' && *b == '-')); a++)
        b++;
    return *a == *b;
}

static size_t find_option(const rs_args *args, const char *name)
{
    size_t i = 0;
    while (i < args->n && !same_name(args->options[i]->name, name))
        i++;
    return i;
}

static void unknown_option(const rs_args *args, const char *word, rs_diag *diag)
{
    const char *names[MAX_OPTIONS];
    char spellings[MAX_OPTIONS][RS_OPTION_SPELLING];
    const size_t length = strcspn(word, "=");
    char *bare = rs_strndup(word + 2, length > 2 ? length - 2 : 0);
    for (size_t i = 0; i < args->first_positional; i++)
        names[i] = rs_option_spelling(args->options[i], spellings[i]) + 2;
    const char *near = bare != NULL ? rs_nearest(bare, names, args->first_positional) : NULL;
    char *hint = near != NULL ? rs_format("did you mean '--%s'?", near)
                              : rs_format("'ristretto %s --help' lists the options", args->command->name);
    rs_error(diag, RS_USAGE, RS_NOWHERE, hint, "unknown option '%.*s' of 'ristretto %s'", (int)length, word,
             args->command->name);
    rs_free(hint);
    rs_free(bare);
}

/* What getopt_long takes, from the table. The original Ristretto's options have underscores: both forms are known. */
typedef struct getopt_table {
    char spellings[MAX_OPTIONS][SPELLINGS][RS_OPTION_SPELLING];
    struct option options[MAX_OPTIONS * SPELLINGS + 1];
    char letters[2 * MAX_OPTIONS + 3];
    int option_of[LONG]; /* of a letter */
} getopt_table;

static void fill_table(const rs_args *args, getopt_table *table)
{
    size_t n = 0;
    *table = (getopt_table) { .letters = "-:" }; /* arguments in their order; say which value is missing */
    for (size_t i = 0; i < args->first_positional; i++) {
        const rs_option *o = args->options[i];
        const bool takes_value = o->type != RS_OPTION_FLAG;
        char buffer[RS_OPTION_SPELLING];
        rs_option_spelling(o, buffer);
        snprintf(table->spellings[i][0], RS_OPTION_SPELLING, "%s", buffer + 2);
        for (char *p = buffer; *p != '\0'; p++)
            *p = *p == '-' ? '_' : *p;
        snprintf(table->spellings[i][1], RS_OPTION_SPELLING, "%s", buffer + 2);
        snprintf(table->spellings[i][2], RS_OPTION_SPELLING, "%s", o->alias != NULL ? o->alias : "");
        for (int k = 0; k < SPELLINGS; k++)
            if (table->spellings[i][k][0] != '\0')
                table->options[n++] = (struct option) { table->spellings[i][k],
                                                        takes_value ? required_argument : no_argument, NULL,
                                                        LONG + (int)i };
        if (o->short_name != '\0') {
            const size_t used = strlen(table->letters);
            snprintf(table->letters + used, sizeof table->letters - used, "%c%s", o->short_name,
                     takes_value ? ":" : "");
            table->option_of[(unsigned char)o->short_name] = (int)i;
        }
    }
}

/* getopt_long takes beginnings of names as well; here a script must not break when an option is added. `option`: what
 * it found. Returns the word if it is such a beginning, or NULL. */
static const char *beginning(const struct option *option, int argc, char *const *argv)
{
    const bool apart = optarg != NULL && optind <= argc && optarg == argv[optind - 1];
    const char *word = argv[optind - (apart ? 2 : 1)];
    return strcspn(word + 2, "=") == strlen(option->name) ? NULL : word;
}

static rs_status add_positional(rs_args *args, size_t *next, const char *text, rs_diag *diag)
{
    if (*next == args->n) {
        rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "'ristretto %s' does not take the argument '%s'",
                 args->command->name, text);
        return RS_OK;
    }
    const size_t index = *next;
    *next += !args->options[index]->repeated;
    return add_value(args, index, text, diag);
}

/* One answer of getopt_long, which is no positional argument. */
static rs_status add_option(rs_args *args, const getopt_table *table, int answer, const char *begun, const char *word,
                            rs_diag *diag)
{
    const bool failed = answer == '?' || answer == ':';
    const int value = failed ? optopt : answer;
    char name[RS_OPTION_SPELLING], letter[] = { '-', (char)optopt, '\0' };
    if (begun != NULL || (answer == '?' && value < LONG)) {
        unknown_option(args, begun != NULL ? begun : value == 0 ? word : letter, diag);
        return RS_OK;
    }
    const size_t index = (size_t)(value >= LONG ? value - LONG : table->option_of[value]);
    const rs_option *option = args->options[index];
    rs_option_spelling(option, name);
    if (answer == '?')
        rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s takes no value", name);
    else if (answer == ':')
        rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s needs a value, %s", name, option->value);
    return failed ? RS_OK : add_value(args, index, optarg != NULL ? optarg : "yes", diag);
}

static rs_status scan(rs_args *args, int argc, char *const *argv, rs_diag *diag)
{
    getopt_table *table = RS_NEW(getopt_table);
    if (table == NULL)
        return rs_out_of_memory(diag);
    fill_table(args, table);
    rs_status status = RS_OK;
    size_t next = args->first_positional;
    int answer, index = -1;
    optind = 0; /* anew */
    opterr = 0;
    while (status == RS_OK && (answer = getopt_long(argc, argv, table->letters, table->options, &index)) != -1) {
        if (answer == 1) {
            status = add_positional(args, &next, optarg, diag);
            continue;
        }
        const char *begun = answer >= LONG ? beginning(&table->options[index], argc, argv) : NULL;
        status = add_option(args, table, answer, begun, argv[optind - 1], diag);
    }
    for (int a = optind; a < argc && status == RS_OK; a++) /* those after "--" */
        status = add_positional(args, &next, argv[a], diag);
    rs_free(table);
    return status;
}

/* --help asks for no other option. */
static void check_required(const rs_args *args, rs_diag *diag)
{
    const size_t help = find_option(args, "help");
    if (help < args->n && args->given[help].count > 0)
        return;
    for (size_t i = 0; i < args->n; i++) {
        const rs_option *option = args->options[i];
        char name[RS_OPTION_SPELLING];
        if (!rs_command_requires(args->command, option) || args->given[i].count > 0)
            continue;
        rs_option_spelling(option, name);
        if (rs_option_positional(option))
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s is missing: %s", name, option->help);
        else
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s %s is missing: %s", name, option->value, option->help);
    }
}

rs_status rs_args_parse(const rs_command_table *table, const rs_command *command, int argc, char *const *argv,
                        rs_args **result, rs_diag *diag)
{
    *result = NULL;
    rs_args *args = RS_NEW(rs_args);
    if (args == NULL)
        return rs_out_of_memory(diag);
    args->table = table;
    args->command = command;
    args->n = add_options(table->common, args->options, 0, MAX_OPTIONS);
    for (const rs_option *const *group = command->groups; *group != NULL; group++)
        args->n = add_options(*group, args->options, args->n, MAX_OPTIONS);
    args->first_positional = args->n;
    args->n = add_options(command->positionals, args->options, args->n, MAX_OPTIONS);

    const size_t errors = rs_diag_errors(diag);
    rs_status status = scan(args, argc, argv, diag);
    if (status == RS_OK)
        check_required(args, diag);
    if (status == RS_OK && rs_diag_errors(diag) > errors)
        status = RS_USAGE;
    if (status != RS_OK) {
        rs_args_free(args);
        return status;
    }
    *result = args;
    return RS_OK;
}

void rs_args_free(rs_args *args)
{
    if (args == NULL)
        return;
    for (size_t i = 0; i < args->n; i++)
        rs_free((void *)args->given[i].values);
    rs_free(args);
}

/* ------------------------------------------------------------------------------------------------------- answers */

static size_t index_of(const rs_args *args, const char *name)
{
    const size_t i = find_option(args, name);
    if (i == args->n) {
        fprintf(stderr,
                "ristretto: internal error: command '%s' asks for an option '%s' that its table does not have\n",
                args->command->name, name);
        abort();
    }
    return i;
}

bool rs_args_has(const rs_args *args, const char *name)
{
    return find_option(args, name) < args->n;
}

bool rs_args_given(const rs_args *args, const char *name)
{
    return args->given[index_of(args, name)].count > 0;
}

bool rs_args_flag(const rs_args *args, const char *name)
{
    return rs_args_given(args, name);
}

const char *rs_args_text(const rs_args *args, const char *name)
{
    const size_t i = index_of(args, name);
    const args_given *g = &args->given[i];
    return g->count > 0 ? g->values[g->count - 1] : args->options[i]->default_text;
}

int64_t rs_args_int(const rs_args *args, const char *name)
{
    const char *text = rs_args_text(args, name);
    int64_t value = 0;
    if (text != NULL)
        (void)rs_parse_int(text, &value); /* checked while parsing */
    return value;
}

double rs_args_real(const rs_args *args, const char *name)
{
    const char *text = rs_args_text(args, name);
    double value = 0.0;
    if (text != NULL)
        (void)rs_parse_real(text, &value);
    return value;
}

int rs_args_word(const rs_args *args, const char *name, int otherwise)
{
    const rs_option *option = args->options[index_of(args, name)];
    const char *text = rs_args_text(args, name);
    const rs_word *word = NULL;
    for (size_t i = 0; text != NULL && (word = rs_word_nth(option->first_word, option->words, i)) != NULL; i++)
        if (strcmp(word->name, text) == 0)
            return word->value;
    return otherwise;
}

size_t rs_args_count(const rs_args *args, const char *name)
{
    return args->given[index_of(args, name)].count;
}

const char *rs_args_nth(const rs_args *args, const char *name, size_t i)
{
    const args_given *g = &args->given[index_of(args, name)];
    return i < g->count ? g->values[i] : NULL;
}

const rs_command_table *rs_args_table(const rs_args *args)
{
    return args->table;
}
