/* The report of a mismatch. */
#include <inttypes.h>

#include "base/text.h"
#include "cosim/lockstep.h"

const char *rs_event_kind_name(rs_event_kind kind)
{
    static const char *const names[RS_EVENT_KINDS] = { "read", "output beat", "write", "end" };
    return (unsigned)kind < RS_EVENT_KINDS ? names[kind] : "?";
}

static void print_number(FILE *stream, const char *name, int64_t value, int bits)
{
    const uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    fprintf(stream, "  %-10s %" PRId64 " (0x%0*" PRIx64 ")\n", name, value, bits < 63 ? (bits + 3) / 4 : 1,
            (uint64_t)value & mask);
}

static void print_event(FILE *stream, const rs_lockstep_event *kept)
{
    enum { SHOWN = 6 };
    const rs_event *e = &kept->event;
    fprintf(stream, "    cycle %-9" PRIu64 " %-11s", e->cycle, rs_event_kind_name(e->kind));
    if (e->kind == RS_EVENT_DONE) {
        fputc('\n', stream);
        return;
    }
    fprintf(stream, " descriptor %-3d %s %-8" PRId64, e->descriptor, e->kind == RS_EVENT_OUTPUT ? "element" : "address",
            e->address);
    if (e->kind == RS_EVENT_OUTPUT) {
        fprintf(stream, " saturations %u overflows %u values", e->saturations, e->overflows);
        for (int i = 0; i < e->n_values && i < SHOWN; i++)
            fprintf(stream, " %d", kept->values[i]);
        fputs(e->n_values > SHOWN ? " ..." : "", stream);
    } else if (e->kind == RS_EVENT_WRITE) {
        fputs(" data", stream);
        for (int i = 0; i < 2 * SHOWN; i++)
            fprintf(stream, " %02x", kept->data[i]);
        fputs(" ...", stream);
    }
    fputc('\n', stream);
}

void rs_lockstep_print(const rs_lockstep_mismatch *m, FILE *stream)
{
    fprintf(stream, "MISMATCH of the RTL and the C model in image %" PRId64 "\n", m->image);
    fputs("  layer      ", stream);
    rs_text_print(m->layer ? m->layer : "?", 0, stream);
    fprintf(stream, " (descriptor %d)\n", m->descriptor);
    if (m->c >= 0)
        fprintf(stream, "  at         n %d, c %d, y %d, x %d of its %s\n", m->n, m->c, m->y, m->x,
                m->kind == RS_EVENT_READ ? "ifmap" : "ofmap");
    fprintf(stream, "  cycle      %" PRIu64 "\n", m->cycle);
    fprintf(stream, "  event      %s, %s\n", rs_event_kind_name(m->kind), rs_divergence_name(m->what));
    fprintf(stream, "  signal     %s\n", m->signal);
    if (m->has_expected)
        print_number(stream, "expected", m->expected, m->bits);
    if (m->has_got)
        print_number(stream, "got", m->got, m->bits);
    if (m->has_expected && m->has_got) {
        const uint64_t mask = m->bits >= 64 ? UINT64_MAX : (UINT64_C(1) << m->bits) - 1;
        fprintf(stream, "  xor        0x%0*" PRIx64 "\n", m->bits < 63 ? (m->bits + 3) / 4 : 1,
                ((uint64_t)m->expected ^ (uint64_t)m->got) & mask);
    }
    fprintf(stream, "  the last events of the model (expected)\n");
    for (int i = 0; i < m->n_last_expected; i++)
        print_event(stream, &m->last_expected[i]);
    fprintf(stream, "  the last events of the RTL (got)\n");
    for (int i = 0; i < m->n_last_got; i++)
        print_event(stream, &m->last_got[i]);
    if (m->command)
        fprintf(stream, "  again      %s\n", m->command);
    if (m->wave)
        fprintf(stream, "  wave       %s\n", m->wave);
}
