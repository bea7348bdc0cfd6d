/* Words for how a model of RTL differs. */
#include "verilate/divergence.h"

const char *rs_divergence_name(rs_divergence what)
{
    static const char *const names[] = { "none",  "differs", "late",   "early",  "lost",
                                         "extra", "hang",    "memory", "engine", "assertion" };
    return (unsigned)what < sizeof names / sizeof *names ? names[what] : "?";
}
