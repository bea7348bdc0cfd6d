/* The report of a unit's mismatch. */
#include <inttypes.h>
#include <string.h>

#include "foreign/unit.h"

void rs_unit_print(const rs_unit_config *config, const rs_unit_mismatch *m, FILE *stream)
{
    const int n = config->products;
    fprintf(stream, "The unit '%s' differs in clock cycle %" PRIu64 ": ", config->name, m->cycle);
    switch (m->what) {
    case RS_DIVERGENCE_LOST:
        fprintf(stream, "no %s has come in %d cycles\n", m->result, config->timeout);
        break;
    case RS_DIVERGENCE_EXTRA:
        fprintf(stream, "a %s that nothing was given for\n", m->result);
        break;
    case RS_DIVERGENCE_HANG:
        fprintf(stream, "it takes no operands for %d cycles\n", config->timeout);
        break;
    case RS_DIVERGENCE_LATE:
    case RS_DIVERGENCE_EARLY:
        fprintf(stream, "the %s is right, but %" PRIu64 " cycles too %s\n", m->result, m->off,
                m->what == RS_DIVERGENCE_LATE ? "late" : "early");
        break;
    default:
        fprintf(stream, "the %s at '%s' is wrong\n", m->result, m->port);
        break;
    }
    if (m->sum != NULL) {
        fprintf(stream, "  vector    sum %" PRId64 ", group %d of %d, of %s", m->sum_number, m->group, m->sum->groups,
                m->sum->layer);
        if (m->sum->image >= 0)
            fprintf(stream, ": image %" PRId64 ", channel %d, row %d, column %d", m->sum->image, m->sum->c, m->sum->y,
                    m->sum->x);
        fputs("\n  operands ", stream);
        const size_t at = (size_t)m->group * (size_t)n;
        for (int i = 0; i < n && i < 16; i++)
            fprintf(stream, " %" PRId32 " x %" PRId32 "%s", m->sum->activations[at + (size_t)i],
                    m->sum->weights[at + (size_t)i], i + 1 < n ? "," : "");
        if (n > 16)
            fprintf(stream, " ... (%d in all)", n);
        fprintf(stream, "\n  before    %" PRId64 "%s\n", m->before,
                m->group == 0 && m->before != 0 ? " (the bias)" : "");
        if (strcmp(m->result, "output") == 0)
            fprintf(stream, "  shift     %d%s\n", config->shift_port[0] != '\0' ? m->sum->shift : config->shift,
                    (config->relu_port[0] != '\0' ? m->sum->relu : config->relu) ? ", ReLU" : "");
    }
    const uint64_t mask = m->bits < 64 ? (UINT64_C(1) << m->bits) - 1 : UINT64_MAX;
    const int digits = (m->bits + 3) / 4;
    if (m->sum != NULL && m->what != RS_DIVERGENCE_HANG)
        fprintf(stream, "  expected  %" PRId64 " (0x%0*" PRIx64 ")\n", m->expected, digits,
                (uint64_t)m->expected & mask);
    if (m->what != RS_DIVERGENCE_HANG && m->what != RS_DIVERGENCE_LOST)
        fprintf(stream, "  got       %" PRId64 " (0x%0*" PRIx64 ")\n", m->got, digits, (uint64_t)m->got & mask);
    if (m->guess[0] != '\0')
        fprintf(stream, "  perhaps   %s\n", m->guess);
}
