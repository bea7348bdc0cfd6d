/* Help, manual pages and shell completion, from the tables of commands and options. */
#include "cli/manual.h"

#include <ctype.h>
#include <string.h>

static const char one_line[] =
    "From a trained CNN to the smallest word widths, and to an accelerator checked against its RTL";

static const char *const exit_codes[][2] = {
    { "0", "done; a comparison was bit-exact" },
    { "1", "a comparison differed, or a target was missed" },
    { "2", "the command line is wrong" },
    { "3", "a file is missing, malformed, or asks for what is not supported" },
    { "4", "memory, disk or another resource of the machine ran out" },
    { "5", "internal error" },
    { "130", "interrupted; what can be resumed has been saved" },
};

static const char *const variables[][2] = {
    { "NO_COLOR", "no color in messages" },
    { "RISTRETTO_THREADS", "number of threads, unless --threads is given" },
    { "RISTRETTO_DATA", "folder of full data sets; 'data' if it is not set" },
    { "RISTRETTO_CACHE", "folder of built RTL models; ~/.cache/ristretto if it is not set" },
    { "RISTRETTO_HOME", "where rtl/ lies, if it is not found beside the command" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Prints `text` broken into lines of at most `width` columns, all but the first indented. Empty lines part paragraphs.
 */
static void wrap(FILE *stream, const char *text, int indent, int column, int width)
{
    while (*text != '\0') {
        if (*text == '\n') {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            text++;
            continue;
        }
        const int n = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + n > width) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putc(' ', stream);
            column++;
        }
        fwrite(text, 1, (size_t)n, stream);
        column += n;
        text += n;
        while (*text == ' ')
            text++;
    }
    putc('\n', stream);
}

static bool is_numeric(const rs_option *o)
{
    return o->type == RS_OPTION_INT || o->type == RS_OPTION_REAL;
}

/* The help sentence, followed by range, choices and default, and by what the words mean. */
static void describe(const rs_command *command, const rs_option *o, char *buffer, size_t size)
{
    char choices[RS_OPTION_CHOICES], range[RS_OPTION_CHOICES + 64] = "", default_text[160] = "";
    const char *words = rs_option_choices(o, choices);
    if (is_numeric(o) && o->max < 1e9)
        snprintf(range, sizeof range, " (%g to %g%s%s)", o->min, o->max, words[0] != '\0' ? ", or " : "", words);
    else if (words[0] != '\0')
        snprintf(range, sizeof range, " (%s)", words);
    if (o->default_text != NULL && o->default_text[0] != '\0')
        snprintf(default_text, sizeof default_text, " [%s]", o->default_text);
    size_t used = (size_t)snprintf(buffer, size, "%s%s%s%s%s", o->help, range, default_text,
                                   o->repeated ? "; may be given several times" : "",
                                   rs_command_requires(command, o) ? "; required" : "");
    const rs_word *word;
    for (size_t i = 0; (word = rs_word_nth(o->first_word, o->words, i)) != NULL && used < size; i++)
        if (word->doc != NULL)
            used += (size_t)snprintf(buffer + used, size - used, "\n%s: %s", word->name, word->doc);
}

/* `command`: whose options they are; NULL: every command's. */
static void print_option(const rs_command *command, const rs_option *o, FILE *stream)
{
    enum { INDENT = 26, WIDTH = 100 };
    char text[2048], head[64], letter[8] = "", name[RS_OPTION_SPELLING];
    describe(command, o, text, sizeof text);
    rs_option_spelling(o, name);
    if (o->short_name != '\0')
        snprintf(letter, sizeof letter, "-%c, ", o->short_name);
    if (rs_option_positional(o))
        snprintf(head, sizeof head, "  %s", name);
    else
        snprintf(head, sizeof head, "  %s%s%s%s", letter, name, o->type == RS_OPTION_FLAG ? "" : " ",
                 o->type == RS_OPTION_FLAG ? "" : o->value);
    const int used = fprintf(stream, "%s", head);
    if (used > INDENT - 2)
        fprintf(stream, "\n%*s", INDENT, "");
    else
        fprintf(stream, "%*s", INDENT - used, "");
    wrap(stream, text, INDENT, INDENT, WIDTH);
}

static void print_list(const char *title, const rs_command *command, const rs_option *options, FILE *stream)
{
    if (options == NULL || options[0].name == NULL)
        return;
    fprintf(stream, "\n%s:\n", title);
    for (const rs_option *o = options; o->name != NULL; o++)
        print_option(command, o, stream);
}

static void print_usage(const rs_command *c, FILE *stream)
{
    const rs_option *options[RS_COMMAND_MAX_OPTIONS];
    const size_t n = rs_command_options(c, options);
    char name[RS_OPTION_SPELLING];
    fprintf(stream, "ristretto %s", c->name);
    for (const rs_option *o = c->positionals; o != NULL && o->name != NULL; o++)
        fprintf(stream, rs_command_requires(c, o) ? " %s" : " [%s]", o->name);
    for (size_t i = 0; i < n; i++)
        if (rs_command_requires(c, options[i]))
            fprintf(stream, " %s %s", rs_option_spelling(options[i], name), options[i]->value);
    fputs(" [OPTION...]", stream);
}

void rs_manual_overview(const rs_command_table *table, FILE *stream)
{
    fprintf(stream, "%s.\n\nUsage: ristretto COMMAND [OPTION...]\n\nCommands:\n", one_line);
    for (const rs_command *c = table->commands; c->name != NULL; c++)
        fprintf(stream, "  %-12s %s\n", c->name, c->summary);
    print_list("Options of every command", NULL, table->common, stream);
    fputs("\n'ristretto COMMAND --help' says more about a command.\n", stream);
}

void rs_manual_command(const rs_command_table *table, const rs_command *command, FILE *stream)
{
    const rs_option *options[RS_COMMAND_MAX_OPTIONS];
    const size_t n = rs_command_options(command, options);
    fputs("Usage: ", stream);
    print_usage(command, stream);
    fputs("\n\n", stream);
    wrap(stream, command->description, 0, 0, 100);
    print_list("Arguments", command, command->positionals, stream);
    if (n > 0)
        fputs("\nOptions:\n", stream);
    for (size_t i = 0; i < n; i++)
        print_option(command, options[i], stream);
    print_list("Options of every command", NULL, table->common, stream);
    if (command->examples != NULL) {
        fputs("\nExamples:\n", stream);
        for (const char *const *e = command->examples; *e != NULL; e++)
            fprintf(stream, "  %s\n", *e);
    }
    fputs("\nExit codes:\n", stream);
    for (size_t i = 0; i < COUNT(exit_codes); i++)
        fprintf(stream, "  %-4s %s\n", exit_codes[i][0], exit_codes[i][1]);
}

/* ------------------------------------------------------------------------------------------------------- man(7) */

/* Backslashes and dashes are escaped; a line must not begin with a dot or an apostrophe. */
static void roff(const char *text, FILE *stream)
{
    bool start = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (start && (*p == '.' || *p == '\''))
            fputs("\\&", stream);
        start = *p == '\n';
        if (*p == '\\')
            fputs("\\e", stream);
        else if (*p == '-')
            fputs("\\-", stream);
        else if (p[0] == '\n' && p[1] == '\n')
            fputs("\n.PP", stream);
        else if (p[0] == '\n' && p[-(p > text)] != '\n')
            fputs("\n.br\n", stream);
        else
            putc(*p, stream);
    }
}

static void roff_option(const rs_command *command, const rs_option *o, FILE *stream)
{
    char text[2048], name[RS_OPTION_SPELLING];
    describe(command, o, text, sizeof text);
    rs_option_spelling(o, name);
    fputs(".TP\n", stream);
    if (rs_option_positional(o)) {
        fprintf(stream, ".I %s\n", name);
    } else {
        fputs("\\fB", stream);
        if (o->short_name != '\0')
            fprintf(stream, "\\-%c\\fR, \\fB", o->short_name);
        roff(name, stream);
        fputs("\\fR", stream);
        if (o->type != RS_OPTION_FLAG)
            fprintf(stream, " \\fI%s\\fR", o->value);
        putc('\n', stream);
    }
    roff(text, stream);
    fputs(".\n", stream);
}

static void roff_list(const char *title, const rs_command *command, const rs_option *options, FILE *stream)
{
    if (options == NULL || options[0].name == NULL)
        return;
    fprintf(stream, ".SH %s\n", title);
    for (const rs_option *o = options; o->name != NULL; o++)
        roff_option(command, o, stream);
}

static void roff_pairs(const char *title, const char *const (*pairs)[2], size_t n, FILE *stream)
{
    fprintf(stream, ".SH %s\n", title);
    for (size_t i = 0; i < n; i++) {
        fprintf(stream, ".TP\n.B %s\n", pairs[i][0]);
        roff(pairs[i][1], stream);
        putc('\n', stream);
    }
}

void rs_manual_page(const rs_command_table *table, const rs_command *command, FILE *stream)
{
    if (command == NULL) {
        fprintf(stream, ".TH RISTRETTO 1 \"\" \"ristretto %s\" \"User commands\"\n.SH NAME\nristretto \\- ",
                RS_VERSION);
        roff(one_line, stream);
        fputs("\n.SH SYNOPSIS\n.B ristretto\n.I COMMAND\n[\\fIOPTION\\fR...]\n.SH COMMANDS\n", stream);
        for (const rs_command *c = table->commands; c->name != NULL; c++) {
            fprintf(stream, ".TP\n.BR ristretto\\-%s (1)\n", c->name);
            roff(c->summary, stream);
            putc('\n', stream);
        }
    } else {
        char upper[64];
        size_t n = 0;
        for (; command->name[n] != '\0' && n + 1 < sizeof upper; n++)
            upper[n] = (char)toupper((unsigned char)command->name[n]);
        upper[n] = '\0';
        fprintf(stream, ".TH RISTRETTO\\-%s 1 \"\" \"ristretto %s\" \"User commands\"\n.SH NAME\nristretto\\-%s \\- ",
                upper, RS_VERSION, command->name);
        roff(command->summary, stream);
        fputs("\n.SH SYNOPSIS\n.B ", stream);
        print_usage(command, stream);
        fputs("\n.SH DESCRIPTION\n", stream);
        roff(command->description, stream);
        putc('\n', stream);
        roff_list("ARGUMENTS", command, command->positionals, stream);
        const rs_option *options[RS_COMMAND_MAX_OPTIONS];
        const size_t count = rs_command_options(command, options);
        if (count > 0)
            fputs(".SH OPTIONS\n", stream);
        for (size_t i = 0; i < count; i++)
            roff_option(command, options[i], stream);
    }
    roff_list("OPTIONS OF EVERY COMMAND", NULL, table->common, stream);
    if (command != NULL && command->examples != NULL) {
        fputs(".SH EXAMPLES\n.nf\n", stream);
        for (const char *const *e = command->examples; *e != NULL; e++) {
            roff(*e, stream);
            putc('\n', stream);
        }
        fputs(".fi\n", stream);
    }
    roff_pairs("EXIT STATUS", exit_codes, COUNT(exit_codes), stream);
    roff_pairs("ENVIRONMENT", variables, COUNT(variables), stream);
    if (command != NULL)
        fputs(".SH SEE ALSO\n.BR ristretto (1)\n", stream);
}

/* --------------------------------------------------------------------------------------------------- completion */

static void bash_words(const rs_option *const *options, size_t n, FILE *stream)
{
    char name[RS_OPTION_SPELLING];
    for (size_t i = 0; i < n; i++)
        fprintf(stream, " %s", rs_option_spelling(options[i], name));
}

/* One arm of the case that completes the value after an option. */
static void bash_values(const rs_option *const *options, size_t n, const char *command, FILE *stream)
{
    char name[RS_OPTION_SPELLING], choices[RS_OPTION_CHOICES];
    for (size_t i = 0; i < n; i++) {
        const rs_option *o = options[i];
        if (o->type == RS_OPTION_FLAG)
            continue;
        rs_option_choices(o, choices);
        fprintf(stream, "    %s:%s) ", command, rs_option_spelling(o, name));
        if (o->type == RS_OPTION_FILE)
            fputs("COMPREPLY=($(compgen -f -- \"$word\"))", stream);
        else if (o->type == RS_OPTION_FOLDER)
            fputs("COMPREPLY=($(compgen -d -- \"$word\"))", stream);
        else if (choices[0] != '\0') {
            fputs("COMPREPLY=($(compgen -W '", stream);
            for (const char *p = choices; *p != '\0'; p++)
                putc(*p == '|' ? ' ' : *p, stream);
            fputs("' -- \"$word\"))", stream);
        } else
            fputs("COMPREPLY=()", stream);
        fputs("; return ;;\n", stream);
    }
}

void rs_manual_bash(const rs_command_table *table, FILE *stream)
{
    const rs_option *common[RS_COMMAND_MAX_OPTIONS], *options[RS_COMMAND_MAX_OPTIONS];
    const rs_command every = { .groups = (const rs_option *const[]) { table->common, NULL } };
    const size_t n_common = rs_command_options(&every, common);
    fputs("# bash completion of ristretto; made by 'ristretto help --format bash'.\n"
          "# shellcheck shell=bash disable=SC2207\n"
          "_ristretto() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stream);
    for (const rs_command *c = table->commands; c->name != NULL; c++)
        fprintf(stream, "%s%s", c == table->commands ? "" : " ", c->name);
    fputs("' -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command:$before in\n",
          stream);
    bash_values(common, n_common, "*", stream);
    for (const rs_command *c = table->commands; c->name != NULL; c++)
        bash_values(options, rs_command_options(c, options), c->name, stream);
    fputs("    esac\n"
          "    if [[ $word != -* ]]; then\n"
          "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          stream);
    for (const rs_command *c = table->commands; c->name != NULL; c++) {
        fprintf(stream, "    %s) COMPREPLY=($(compgen -W '", c->name);
        bash_words(common, n_common, stream);
        bash_words(options, rs_command_options(c, options), stream);
        fputs("' -- \"$word\")) ;;\n", stream);
    }
    fputs("    esac\n"
          "}\n"
          "complete -o filenames -F _ristretto ristretto\n",
          stream);
}
