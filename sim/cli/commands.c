/* The table of commands and options. */
#include "cli/commands.h"

#define END { .name = NULL }

/* Seeds and counts: what a double holds exactly. */
#define MOST 9007199254740991.0

const rs_option rs_common_options[] = {
    { .name = "help", .letter = 'h', .type = RS_OPTION_FLAG, .help = "show this help" },
    { .name = "quiet", .letter = 'q', .type = RS_OPTION_FLAG, .help = "no progress and no notes" },
    { .name = "threads", .letter = 'j', .type = RS_OPTION_INT, .value = "N", .min = 0, .max = 1024, .fallback = "0",
      .help = "number of threads; 0: as many as there are processors. Results do not depend on it" },
    END
};

static const rs_option no_options[] = { END };

static const rs_option help_options[] = {
    { .name = "format", .type = RS_OPTION_CHOICE, .value = "FORM", .choices = "text|man|bash", .fallback = "text",
      .help = "as text, as a man page, or (without a topic) as a completion script for bash" },
    END
};
static const rs_option help_places[] = {
    { .name = "TOPIC", .type = RS_OPTION_TEXT, .help = "a command" },
    END
};

const rs_command rs_commands[] = {
    { .name = "help", .summary = "show help about a command",
      .description = "Without a topic: the list of commands.",
      .options = help_options, .places = help_places, .run = rs_command_help,
      .examples = (const char *const[]){ "ristretto help", NULL } },
    { .name = NULL, .options = no_options }
};
