/* The options of the quantizer (search/options.def) on the command line. */
#include "cli/commands.h"
#include "search/options.h"

#define ROW(use, name_, kind, ...) KEEP_##use({ .name = #name_, .type = RS_OPTION_##kind, __VA_ARGS__ })
#define FLAG(use, name, field, ...) ROW(use, name, FLAG, .help = __VA_ARGS__)
#define WORD(use, name, value_, field, first, table, text, ...)                                        \
    ROW(use, name, CHOICE, .value = value_, .first_word = first, .words = table, .default_text = text, \
        .help = __VA_ARGS__)
#define WHOLE(use, name, value_, field, low, high, word, text, unit, ...)                                   \
    ROW(use, name, INT, .value = value_, .min = low, .max = high, .first_word = word, .default_text = text, \
        .help = __VA_ARGS__)
#define REAL(use, name, value_, field, low, high, text, unit, ...) \
    ROW(use, name, REAL, .value = value_, .min = low, .max = high, .default_text = text, .help = __VA_ARGS__)
#define TEXT(use, name, value_, field, kind, table, text, takes, ...)                                       \
    ROW(use, name, VALUE, .value = value_, .parse = rs_option_##kind, .words = table, .default_text = text, \
        .what = takes, .help = __VA_ARGS__)
#define ALIAS(older) .alias = older,
#define SHORT(letter) .short_name = letter,
#define REPORT(key)

#define KEEP_RULES(...) __VA_ARGS__,
#define KEEP_SEARCH(...) __VA_ARGS__,
const rs_option rs_quantizer_options[] = {
#include "search/options.def"
    { .name = NULL },
};
#undef KEEP_SEARCH

#define KEEP_SEARCH(...)
const rs_option rs_rules_options[] = {
#include "search/options.def"
    { .name = NULL },
};
