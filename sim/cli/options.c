/* Reads a command line by the tables of options. */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/scalar.h"

enum { MOST_OPTIONS = 64 };

typedef struct given {
    size_t count;
    const char **values; /* into argv */
} given;

struct rs_args {
    const rs_command *command;
    size_t n;
    const rs_option *options[MOST_OPTIONS]; /* common, then the command's, then places */
    given given[MOST_OPTIONS];
};

const rs_command *rs_command_find(const char *name)
{
    for (const rs_command *c = rs_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
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

static bool is_place(const rs_option *option)
{
    return option->name[0] >= 'A' && option->name[0] <= 'Z';
}

/* How messages name an option. */
static const char *dashes(const rs_option *option)
{
    return is_place(option) ? "" : "--";
}

static void add_options(rs_args *args, const rs_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (args->n == MOST_OPTIONS)
            abort(); /* the table grew: raise MOST_OPTIONS */
        args->options[args->n++] = options;
    }
}

static void check_value(const rs_option *option, const char *text, rs_diag *diag)
{
    char low[32], high[32];
    switch (option->type) {
    case RS_OPTION_INT:
    case RS_OPTION_REAL: {
        const bool integer = option->type == RS_OPTION_INT;
        int64_t i = 0;
        double r = 0.0;
        const bool number = integer ? rs_parse_int(text, &i) : rs_parse_real(text, &r);
        const double v = integer ? (double)i : r;
        if (!number || v < option->min || v > option->max)
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s%s takes %s from %s to %s, not '%s'", dashes(option),
                     option->name, integer ? "a whole number" : "a number", rs_real_text(option->min, low, sizeof low),
                     rs_real_text(option->max, high, sizeof high), text);
        break;
    }
    case RS_OPTION_CHOICE:
        if (!rs_choice_has(option->choices, text)) {
            char *words = rs_strdup(option->choices);
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
            rs_error(diag, RS_USAGE, RS_NOWHERE, hint, "%s%s takes one of %s, not '%s'", dashes(option), option->name,
                     option->choices, text);
            rs_free(hint);
            rs_free(words);
        }
        break;
    case RS_OPTION_FLAG:
        break;
    case RS_OPTION_TEXT:
    case RS_OPTION_FILE:
    case RS_OPTION_FOLDER:
        if (text[0] == '\0')
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s%s is empty", dashes(option), option->name);
        break;
    }
}

static rs_status add_value(rs_args *args, size_t index, const char *text, rs_diag *diag)
{
    given *g = &args->given[index];
    const char **grown = (const char **)rs_recalloc((void *)g->values, g->count, g->count + 1, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    g->values = grown;
    g->values[g->count++] = text;
    check_value(args->options[index], text, diag);
    return RS_OK;
}

static void unknown_option(const rs_args *args, const char *word, rs_diag *diag)
{
    const char *names[MOST_OPTIONS];
    size_t n = 0;
    const size_t length = strcspn(word, "=");
    char *bare = rs_strndup(word + 2, length > 2 ? length - 2 : 0);
    for (size_t i = 0; i < args->n; i++)
        if (!is_place(args->options[i]))
            names[n++] = args->options[i]->name;
    const char *near = bare != NULL ? rs_nearest(bare, names, n) : NULL;
    char *hint = near != NULL ? rs_format("did you mean '--%s'?", near)
                              : rs_format("'ristretto %s --help' lists the options", args->command->name);
    rs_error(diag, RS_USAGE, RS_NOWHERE, hint, "unknown option '%.*s' of 'ristretto %s'", (int)length, word,
             args->command->name);
    rs_free(hint);
    rs_free(bare);
}

/* '_' stands for '-': the original Ristretto's options have underscores. */
static size_t find_option(const rs_args *args, const char *name, size_t length)
{
    for (size_t i = 0; i < args->n; i++) {
        const char *option = args->options[i]->name;
        size_t k = 0;
        while (k < length && option[k] != '\0' && (option[k] == name[k] || (option[k] == '-' && name[k] == '_')))
            k++;
        if (k == length && option[k] == '\0')
            return i;
    }
    return args->n;
}

static size_t find_letter(const rs_args *args, char letter)
{
    size_t i = 0;
    while (i < args->n && (letter == '\0' || args->options[i]->letter != letter))
        i++;
    return i;
}

rs_status rs_args_parse(const rs_command *command, int argc, char *const *argv, rs_args **result, rs_diag *diag)
{
    *result = NULL;
    rs_args *args = RS_NEW(rs_args);
    if (args == NULL)
        return rs_out_of_memory(diag);
    args->command = command;
    add_options(args, rs_common_options);
    add_options(args, command->options);
    const size_t first_place = args->n;
    add_options(args, command->places);

    rs_status status = RS_OK;
    size_t place = first_place;
    bool options_end = false;
    const size_t errors = rs_diag_errors(diag);
    for (int a = 1; a < argc && status == RS_OK; a++) {
        const char *word = argv[a];
        if (options_end || word[0] != '-' || word[1] == '\0') {
            if (place < args->n) {
                status = add_value(args, place, word, diag);
                if (!args->options[place]->repeated)
                    place++;
            } else {
                rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "'ristretto %s' does not take the argument '%s'",
                         command->name, word);
            }
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options_end = true;
            continue;
        }
        const bool is_long = word[1] == '-';
        const size_t length = is_long ? strcspn(word + 2, "=") : 1;
        const size_t i = is_long ? find_option(args, word + 2, length) : find_letter(args, word[1]);
        if (i == args->n || i >= first_place || (!is_long && word[2] != '\0')) {
            unknown_option(args, word, diag);
            continue;
        }
        const rs_option *option = args->options[i];
        const char *attached = is_long && word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
        if (option->type == RS_OPTION_FLAG) {
            if (attached != NULL)
                rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s takes no value", option->name);
            status = add_value(args, i, "yes", diag);
        } else if (attached != NULL) {
            status = add_value(args, i, attached, diag);
        } else if (a + 1 < argc) {
            status = add_value(args, i, argv[++a], diag);
        } else {
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "--%s needs a value, %s", option->name, option->value);
        }
    }
    /* --help asks for no other option. */
    const size_t help = find_option(args, "help", strlen("help"));
    const bool wants_help = help < args->n && args->given[help].count > 0;
    for (size_t i = 0; i < args->n && status == RS_OK && !wants_help; i++) {
        const rs_option *option = args->options[i];
        if (option->required && args->given[i].count == 0)
            rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%s%s%s%s is missing: %s", dashes(option), option->name,
                     is_place(option) ? "" : " ", is_place(option) ? "" : option->value, option->help);
    }
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

static size_t index_of(const rs_args *args, const char *name)
{
    const size_t i = find_option(args, name, strlen(name));
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
    return find_option(args, name, strlen(name)) < args->n;
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
    const given *g = &args->given[i];
    return g->count > 0 ? g->values[g->count - 1] : args->options[i]->fallback;
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

size_t rs_args_count(const rs_args *args, const char *name)
{
    return args->given[index_of(args, name)].count;
}

const char *rs_args_nth(const rs_args *args, const char *name, size_t i)
{
    const given *g = &args->given[index_of(args, name)];
    return i < g->count ? g->values[i] : NULL;
}

const rs_command *rs_args_command(const rs_args *args)
{
    return args->command;
}
