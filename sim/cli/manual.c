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

/* The help sentence with range, choices and default after it. */
static void describe(const rs_option *o, char *buffer, size_t size)
{
    char range[160] = "", fallback[160] = "";
    if (o->type == RS_OPTION_CHOICE)
        snprintf(range, sizeof range, " (%s)", o->choices);
    else if (is_numeric(o) && o->max < 1e9)
        snprintf(range, sizeof range, " (%g to %g)", o->min, o->max);
    if (o->fallback != NULL)
        snprintf(fallback, sizeof fallback, " [%s]", o->fallback);
    snprintf(buffer, size, "%s%s%s%s%s", o->help, range, fallback, o->repeated ? "; may be given several times" : "",
             o->required ? "; required" : "");
}

static void print_options(const char *title, const rs_option *options, FILE *stream)
{
    enum { INDENT = 26, WIDTH = 100 };
    if (options == NULL || options[0].name == NULL)
        return;
    fprintf(stream, "\n%s:\n", title);
    for (const rs_option *o = options; o->name != NULL; o++) {
        char text[512], head[64], letter[8] = "";
        describe(o, text, sizeof text);
        if (o->letter != '\0')
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        if (isupper((unsigned char)o->name[0]))
            snprintf(head, sizeof head, "  %s", o->name);
        else
            snprintf(head, sizeof head, "  %s--%s%s%s", letter, o->name, o->type == RS_OPTION_FLAG ? "" : " ",
                     o->type == RS_OPTION_FLAG ? "" : o->value);
        const int used = fprintf(stream, "%s", head);
        if (used > INDENT - 2)
            fprintf(stream, "\n%*s", INDENT, "");
        else
            fprintf(stream, "%*s", INDENT - used, "");
        wrap(stream, text, INDENT, INDENT, WIDTH);
    }
}

static void print_usage(const rs_command *c, FILE *stream)
{
    fprintf(stream, "ristretto %s", c->name);
    for (const rs_option *o = c->places; o != NULL && o->name != NULL; o++)
        fprintf(stream, o->required ? " %s" : " [%s]", o->name);
    for (const rs_option *o = c->options; o != NULL && o->name != NULL; o++)
        if (o->required)
            fprintf(stream, " --%s %s", o->name, o->value);
    fputs(" [OPTION...]", stream);
}

void rs_manual_overview(FILE *stream)
{
    fprintf(stream, "%s.\n\nUsage: ristretto COMMAND [OPTION...]\n\nCommands:\n", one_line);
    for (const rs_command *c = rs_commands; c->name != NULL; c++)
        fprintf(stream, "  %-12s %s\n", c->name, c->summary);
    print_options("Options of every command", rs_common_options, stream);
    fputs("\n'ristretto COMMAND --help' says more about a command.\n", stream);
}

void rs_manual_command(const rs_command *command, FILE *stream)
{
    fputs("Usage: ", stream);
    print_usage(command, stream);
    fputs("\n\n", stream);
    wrap(stream, command->description, 0, 0, 100);
    print_options("Arguments", command->places, stream);
    print_options("Options", command->options, stream);
    print_options("Options of every command", rs_common_options, stream);
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
        else
            putc(*p, stream);
    }
}

static void roff_options(const char *title, const rs_option *options, FILE *stream)
{
    if (options == NULL || options[0].name == NULL)
        return;
    fprintf(stream, ".SH %s\n", title);
    for (const rs_option *o = options; o->name != NULL; o++) {
        char text[512];
        describe(o, text, sizeof text);
        fputs(".TP\n", stream);
        if (isupper((unsigned char)o->name[0])) {
            fprintf(stream, ".I %s\n", o->name);
        } else {
            fputs("\\fB", stream);
            if (o->letter != '\0')
                fprintf(stream, "\\-%c\\fR, \\fB", o->letter);
            fputs("\\-\\-", stream);
            roff(o->name, stream);
            fputs("\\fR", stream);
            if (o->type != RS_OPTION_FLAG)
                fprintf(stream, " \\fI%s\\fR", o->value);
            putc('\n', stream);
        }
        roff(text, stream);
        fputs(".\n", stream);
    }
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

void rs_manual_page(const rs_command *command, FILE *stream)
{
    if (command == NULL) {
        fprintf(stream, ".TH RISTRETTO 1 \"\" \"ristretto %s\" \"User commands\"\n.SH NAME\nristretto \\- ",
                RS_VERSION);
        roff(one_line, stream);
        fputs("\n.SH SYNOPSIS\n.B ristretto\n.I COMMAND\n[\\fIOPTION\\fR...]\n.SH COMMANDS\n", stream);
        for (const rs_command *c = rs_commands; c->name != NULL; c++) {
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
        roff_options("ARGUMENTS", command->places, stream);
        roff_options("OPTIONS", command->options, stream);
    }
    roff_options("OPTIONS OF EVERY COMMAND", rs_common_options, stream);
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

static void bash_words(const rs_option *options, FILE *stream)
{
    for (const rs_option *o = options; o != NULL && o->name != NULL; o++)
        if (!isupper((unsigned char)o->name[0]))
            fprintf(stream, " --%s", o->name);
}

/* One arm of the case that completes the value after an option. */
static void bash_values(const rs_option *options, const char *command, FILE *stream)
{
    for (const rs_option *o = options; o != NULL && o->name != NULL; o++) {
        if (isupper((unsigned char)o->name[0]) || o->type == RS_OPTION_FLAG)
            continue;
        fprintf(stream, "    %s:--%s) ", command, o->name);
        if (o->type == RS_OPTION_FILE)
            fputs("COMPREPLY=($(compgen -f -- \"$word\"))", stream);
        else if (o->type == RS_OPTION_FOLDER)
            fputs("COMPREPLY=($(compgen -d -- \"$word\"))", stream);
        else if (o->type == RS_OPTION_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", stream);
            for (const char *p = o->choices; *p != '\0'; p++)
                putc(*p == '|' ? ' ' : *p, stream);
            fputs("' -- \"$word\"))", stream);
        } else
            fputs("COMPREPLY=()", stream);
        fputs("; return ;;\n", stream);
    }
}

void rs_manual_bash(FILE *stream)
{
    fputs("# bash completion of ristretto; made by 'ristretto help --format bash'.\n"
          "# shellcheck shell=bash disable=SC2207\n"
          "_ristretto() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stream);
    for (const rs_command *c = rs_commands; c->name != NULL; c++)
        fprintf(stream, "%s%s", c == rs_commands ? "" : " ", c->name);
    fputs("' -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command:$before in\n",
          stream);
    bash_values(rs_common_options, "*", stream);
    for (const rs_command *c = rs_commands; c->name != NULL; c++)
        bash_values(c->options, c->name, stream);
    fputs("    esac\n"
          "    if [[ $word != -* ]]; then\n"
          "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          stream);
    for (const rs_command *c = rs_commands; c->name != NULL; c++) {
        fprintf(stream, "    %s) COMPREPLY=($(compgen -W '", c->name);
        bash_words(rs_common_options, stream);
        bash_words(c->options, stream);
        fputs("' -- \"$word\")) ;;\n", stream);
    }
    fputs("    esac\n"
          "}\n"
          "complete -o filenames -F _ristretto ristretto\n",
          stream);
}
