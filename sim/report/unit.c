/* The section "unit" as text, with its differences. */
#include <inttypes.h>
#include <string.h>

#include "report/access.h"
#include "report/printers.h"
#include "report/report.h"
#include "report/table.h"

static const char *count(const json_t *object, const char *key, char *buffer)
{
    return rs_count_text(rs_j_int(object, key), buffer);
}

static void print_latency(const json_t *s, const char *key, const char *what, FILE *stream)
{
    const json_t *seen = json_object_get(s, key);
    const long long least = json_integer_value(json_array_get(seen, 0)),
                    most = json_integer_value(json_array_get(seen, 1));
    if (seen != NULL && least == most)
        fprintf(stream, "  every %s comes %lld cycle%s behind its operands\n", what, least, least == 1 ? "" : "s");
    else if (seen != NULL)
        fprintf(stream, "  every %s comes %lld to %lld cycles behind its operands\n", what, least, most);
}

/* What differs, in a sentence. */
static void print_headline(const json_t *s, const json_t *m, FILE *stream)
{
    const char *what = rs_j_text(m, "what"), *result = rs_j_text(m, "result");
    fprintf(stream, "The unit '%s' differs in clock cycle %" PRId64 ": ", rs_j_text(s, "unit"), rs_j_int(m, "cycle"));
    if (strcmp(what, "lost") == 0)
        fprintf(stream, "no %s has come in %" PRId64 " cycles\n", result, rs_j_int(s, "timeout"));
    else if (strcmp(what, "extra") == 0)
        fprintf(stream, "a %s that nothing was given for\n", result);
    else if (strcmp(what, "hang") == 0)
        fprintf(stream, "it takes no operands for %" PRId64 " cycles\n", rs_j_int(s, "timeout"));
    else if (strcmp(what, "late") == 0 || strcmp(what, "early") == 0)
        fprintf(stream, "the %s is right, but %" PRId64 " cycle%s too %s\n", result, rs_j_int(m, "off"),
                rs_j_int(m, "off") == 1 ? "" : "s", what);
    else
        fprintf(stream, "the %s at '%s' is wrong\n", result, rs_j_text(m, "port"));
}

/* The vector that it belongs to. */
static void print_vector(const json_t *m, FILE *stream)
{
    enum { SHOWN = 16 };
    const json_t *a = json_object_get(m, "activations"), *w = json_object_get(m, "weights");
    const size_t n = json_array_size(a);
    fprintf(stream, "  vector    sum %" PRId64 ", group %" PRId64 " of %" PRId64 ", of %s", rs_j_int(m, "sum"),
            rs_j_int(m, "group"), rs_j_int(m, "groups"), rs_j_text(m, "layer"));
    if (rs_j_has(m, "image"))
        fprintf(stream, ": image %" PRId64 ", channel %" PRId64 ", row %" PRId64 ", column %" PRId64,
                rs_j_int(m, "image"), rs_j_int(m, "channel"), rs_j_int(m, "row"), rs_j_int(m, "column"));
    fputs("\n  operands ", stream);
    for (size_t i = 0; i < n && i < SHOWN; i++)
        fprintf(stream, " %lld x %lld%s", (long long)json_integer_value(json_array_get(a, i)),
                (long long)json_integer_value(json_array_get(w, i)), i + 1 < n ? "," : "");
    if (n > SHOWN)
        fprintf(stream, " ... (%zu in all)", n);
    const int64_t before = rs_j_int(m, "before");
    fprintf(stream, "\n  before    %" PRId64 "%s\n", before,
            rs_j_int(m, "group") == 0 && before != 0 ? " (the bias)" : "");
    if (rs_j_has(m, "shift"))
        fprintf(stream, "  shift     %" PRId64 "%s\n", rs_j_int(m, "shift"), rs_j_true(m, "relu") ? ", ReLU" : "");
}

static void print_difference(const json_t *s, const json_t *m, FILE *stream)
{
    const int64_t bits = rs_j_int(m, "bits");
    const uint64_t mask = bits > 0 && bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
    const int digits = (int)(bits > 0 && bits < 64 ? (bits + 3) / 4 : 16);
    static const char *const values[][2] = { { "expected", "expected" }, { "got", "got     " } };
    print_headline(s, m, stream);
    if (rs_j_has(m, "layer"))
        print_vector(m, stream);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (rs_j_has(m, values[i][0])) {
            const int64_t value = rs_j_int(m, values[i][0]);
            fprintf(stream, "  %s  %" PRId64 " (0x%0*" PRIx64 ")\n", values[i][1], value, digits,
                    (uint64_t)value & mask);
        }
    if (rs_j_text(m, "guess")[0] != '\0')
        fprintf(stream, "  perhaps   %s\n", rs_j_text(m, "guess"));
}

void rs_report_print_unit_differences(const json_t *s, FILE *stream)
{
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(s, "mismatches"), i, m) print_difference(s, m, stream);
}

void rs_print_unit(const json_t *s, FILE *stream)
{
    static const char *const lines[][2] = { { "sum_results", "sums compared" },
                                            { "outputs", "outputs compared" },
                                            { "macs", "products" },
                                            { "cycles", "cycles" } };
    char text[RS_COUNT_TEXT];
    const bool adds = rs_j_int(s, "weight_bits") == 0; /* only */
    fprintf(stream, "The unit '%s' (%s): %" PRId64 " %s%s of %" PRId64, rs_j_text(s, "unit"), rs_j_text(s, "top"),
            rs_j_int(s, "products"), adds ? "word" : "product", rs_j_int(s, "products") == 1 ? "" : "s",
            rs_j_int(s, "activation_bits"));
    if (!adds)
        fprintf(stream, " x %" PRId64, rs_j_int(s, "weight_bits"));
    fprintf(stream, " bits a group, %" PRId64 "-bit sums%s\n", rs_j_int(s, "sum_bits"),
            rs_j_true(s, "accumulates") ? ", accumulating" : "");
    size_t i;
    json_t *origin;
    fputs("  vectors:", stream);
    json_array_foreach(json_object_get(s, "vectors"), i, origin)
        fprintf(stream, "%s %s %s", i > 0 ? "," : "", count(origin, "sums", text), rs_j_text(origin, "name"));
    putc('\n', stream);
    json_array_foreach(json_object_get(s, "skipped"), i, origin)
        fprintf(stream, "  skipped: %s: %s\n", rs_j_text(origin, "name"), rs_j_text(origin, "why"));
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (rs_j_int(s, lines[i][0]) > 0)
            fprintf(stream, "  %14s %s\n", count(s, lines[i][0], text), lines[i][1]);
    if (!rs_j_true(s, "equal")) {
        rs_report_print_unit_differences(s, stream);
        return;
    }
    print_latency(s, "sum_latency", "sum", stream);
    print_latency(s, "output_latency", "output", stream);
    fprintf(stream, "All equal: bit for bit, each in its cycle");
    if (rs_j_has(s, "cycles_per_second"))
        fprintf(stream, "; %s cycles/s", rs_count_text(rs_whole(rs_j_real(s, "cycles_per_second")), text));
    fputc('\n', stream);
}
