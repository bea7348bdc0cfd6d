/* Designs of strangers: what in them would run programs or write files. Verilator makes a program of a design, and
 * knows words that reach out of the simulation. This finds them; it is no sandbox. */
#include <string.h>

#include "verilate/build.h"

/* What follows a comment, a string (whose text does not count) or a name that is escaped. */
static const char *skip_quoted(const char *at)
{
    if (at[0] == '/' && at[1] == '/')
        return at + strcspn(at, "\n");
    if (at[0] == '/' && at[1] == '*') {
        const char *end = strstr(at + 2, "*/");
        return end != NULL ? end + 2 : at + strlen(at);
    }
    if (at[0] == '\\')
        return at + strcspn(at, " \t\r\n");
    if (at[0] != '"')
        return at;
    for (at++; *at != '\0' && *at != '"'; at++)
        at += at[0] == '\\' && at[1] != '\0';
    return at + (*at == '"');
}

/* The length of a word that reaches out; 0: there is none here. */
static size_t reaches_out(const char *at)
{
    static const char *const words[] = { "$system", "$fopen", "$writememh", "$writememb", "$dumpfile", "$dumpports" };
    static const char word_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$";
    const size_t length = at[0] == '$' || at[0] == '`' ? 1 + strspn(at + 1, word_letters) : 0;
    if (at[0] == '`' && strncmp(at, "`systemc_", 9) == 0)
        return length;
    if (at[0] == '"' && (strncmp(at, "\"DPI\"", 5) == 0 || strncmp(at, "\"DPI-C\"", 7) == 0))
        return strcspn(at + 1, "\"") + 2;
    if (at[0] != '$' || length < 2)
        return 0;
    if (at[1] == 'c' && strspn(at + 2, "0123456789") == length - 2)
        return length;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == length && strncmp(at, words[i], length) == 0)
            return length;
    return 0;
}

rs_status rs_build_check_trust(const rs_build *b, const char *path, const char *text, rs_diag *diag)
{
    int line = 1;
    for (const char *at = text; *at != '\0' && !b->recipe->is_trusted;) {
        const size_t n = reaches_out(at);
        if (n > 0)
            return rs_error(diag, RS_BAD_INPUT, path != NULL ? (rs_loc) { path, line, 1 } : RS_NOWHERE,
                            "look at it, and give --trust if it may: docs/user/security.md",
                            "'%.*s' in the design runs programs or writes files", (int)n, at);
        const char *next = skip_quoted(at);
        next = next == at ? at + 1 : next;
        for (; at < next; at++)
            line += *at == '\n';
    }
    return RS_OK;
}
