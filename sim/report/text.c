/* The sections as text. */
#include <math.h>
#include <string.h>

#include "report/access.h"
#include "report/printers.h"
#include "report/table.h"

#define COLUMNS(heads) ((int)(sizeof(heads) / sizeof(heads)[0]))

static const char *count(const json_t *object, const char *key, char *buffer)
{
    return rs_count_text(rs_j_int(object, key), buffer);
}

/* Images or cycles a second: whole ones, with separators. */
static const char *rate_text(double rate, char *buffer)
{
    return rs_count_text((int64_t)(rate + 0.5), buffer);
}

static void print_scored(const json_t *s, FILE *stream)
{
    if (rs_j_has(s, "scored"))
        fprintf(stream, "Scored output: '%s'\n", rs_j_text(s, "scored"));
}

enum { SPEED_TEXT = 64 };

/* "; 1,234 images/s", or nothing where the file of a report has left it out. */
static const char *speed_text(const json_t *s, const char *key, const char *unit, char *buffer)
{
    char number[RS_COUNT_TEXT];
    buffer[0] = '\0';
    if (rs_j_has(s, key))
        snprintf(buffer, SPEED_TEXT, "; %s %s", rate_text(rs_j_real(s, key), number), unit);
    return buffer;
}

/* " in 1.2 s", or nothing. */
static const char *time_text(const json_t *s, char *buffer)
{
    buffer[0] = '\0';
    if (rs_j_has(s, "seconds"))
        snprintf(buffer, SPEED_TEXT, " in %.1f s", rs_j_real(s, "seconds"));
    return buffer;
}

void rs_print_test(const json_t *s, FILE *stream)
{
    char images[RS_COUNT_TEXT], hits[RS_COUNT_TEXT], ties[RS_COUNT_TEXT], rate[SPEED_TEXT];
    char top5[64] = "", top[32] = "";
    if (rs_j_int(s, "top_k") > 1)
        snprintf(top, sizeof top, " in the top %lld", (long long)rs_j_int(s, "top_k"));
    if (json_object_get(s, "top5_hits") != NULL)
        snprintf(top5, sizeof top5, ", top 5 %.2f %%", rs_percent(rs_j_real(s, "top5_hits"), rs_j_real(s, "images")));
    const char *numbers = rs_j_text(s, "numbers");
    const char *what = strcmp(numbers, "integers") == 0   ? "Integers of the network"
                       : strcmp(numbers, "emulated") == 0 ? "Emulated network"
                                                          : "Float network";
    fprintf(stream, "%s '%s': %s of %s images right%s (%.2f %%), %s lost to a tie%s%s\n", what, rs_j_text(s, "network"),
            count(s, "hits", hits), count(s, "images", images), top,
            rs_percent(rs_j_real(s, "hits"), rs_j_real(s, "images")), count(s, "ties", ties), top5,
            speed_text(s, "images_per_second", "images/s", rate));
    print_scored(s, stream);
}

/* ----------------------------------------------------------------------------------------------------- quantize */

static void print_groups(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "group", "alone", "right", "accuracy", "together" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrr");
    const json_t *groups = json_object_get(s, "groups"), *trials = json_object_get(s, "trials");
    size_t i, k;
    json_t *group, *trial;
    json_array_foreach(groups, i, group)
    {
        const int64_t bits = rs_j_int(group, "single_bits");
        if (bits == 0)
            continue; /* the net has no such layer */
        char hits[RS_COUNT_TEXT];
        const json_t *found = NULL;
        json_array_foreach(trials, k,
                           trial) if (strcmp(rs_j_text(trial, "group"), rs_j_text(group, "name")) == 0 &&
                                      json_integer_value(json_array_get(json_object_get(trial, "bits"), i)) == bits)
            found = trial;
        rs_table_cell(t, "%s", rs_group_title(group));
        rs_table_cell(t, "%lld bits", (long long)bits);
        rs_table_cell(t, "%s", found != NULL ? count(found, "hits", hits) : "");
        if (found != NULL)
            rs_table_cell(t, "%.2f %%", rs_percent(rs_j_real(found, "hits"), rs_j_real(found, "images")));
        else
            rs_table_cell(t, "fixed");
        rs_table_cell(t, "%lld bits", (long long)rs_j_int(group, "bits"));
    }
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void print_scores(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "images", "", "float", "fixed point", "change", "ties" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "llrrrr");
    size_t i;
    json_t *score;
    json_array_foreach(json_object_get(s, "scores"), i, score)
    {
        char first[RS_COUNT_TEXT], last[RS_COUNT_TEXT], ties[RS_COUNT_TEXT];
        const double images = rs_j_real(score, "images");
        const double before = rs_percent(rs_j_real(score, "float_hits"), images),
                     after = rs_percent(rs_j_real(score, "hits"), images);
        rs_table_cell(t, "%s", rs_j_text(score, "name"));
        rs_table_cell(t, "%s to %s", rs_count_text(rs_j_int(score, "first"), first),
                      rs_count_text(rs_j_int(score, "first") + rs_j_int(score, "images") - 1, last));
        rs_table_cell(t, "%.2f %%", before);
        rs_table_cell(t, "%.2f %%", after);
        rs_table_cell(t, "%+.2f", after - before);
        rs_table_cell(t, "%s", count(score, "ties", ties));
    }
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void print_formats(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "layer", "kind", "weights", "largest", "shift", "output", "range" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lllrrll");
    size_t i;
    json_t *layer;
    json_array_foreach(json_object_get(s, "layers"), i, layer)
    {
        const bool weighted = rs_j_int(layer, "weight_bits") > 0;
        const int bits = (int)rs_j_int(layer, "output_bits"), fl = (int)rs_j_int(layer, "output_fl");
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        rs_table_cell(t, "%s%s", rs_j_text(layer, "type"), rs_j_true(layer, "relu") ? ", ReLU" : "");
        if (weighted) {
            rs_table_cell(t, "%s", rs_j_text(layer, "weight_format"));
            rs_table_cell(t, "%.4f", rs_j_real(layer, "weight_max"));
            rs_table_cell(t, "%lld", (long long)rs_j_int(layer, "shift"));
        } else {
            for (int k = 0; k < 3; k++)
                rs_table_cell(t, "%s", "");
        }
        rs_table_cell(t, "%s", rs_j_text(layer, "output_format"));
        if (strcmp(rs_j_text(s, "scheme"), "minifloat") == 0)
            rs_table_cell(t, "%s", "");
        else
            rs_table_cell(t, "%g to %g", -ldexp(1.0, bits - 1 - fl), ldexp(1.0, bits - 1 - fl) - ldexp(1.0, -fl));
    }
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void clipped_row(rs_table *t, const json_t *layer, const char *clipped, const char *all)
{
    char text[RS_COUNT_TEXT];
    if (!rs_j_has(layer, clipped))
        return;
    rs_table_cell(t, "%s", rs_j_text(layer, "name"));
    rs_table_cell(t, "%s", all);
    rs_table_cell(t, "%s", count(layer, clipped, text));
    rs_table_cell(t, "%s", count(layer, all, text));
    rs_table_cell(t, "%.2f %%", rs_percent(rs_j_real(layer, clipped), rs_j_real(layer, all)));
}

static void print_clipped(const json_t *constants, FILE *stream)
{
    static const char *const heads[] = { "layer", "constants", "clipped", "of", "share" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "llrrr");
    size_t i;
    json_t *layer;
    json_array_foreach(constants, i, layer)
    {
        clipped_row(t, layer, "clipped_weights", "weights");
        clipped_row(t, layer, "clipped_biases", "biases");
    }
    fputs("\nConstants beyond their formats, which became the nearest number there is\n", stream);
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void print_coarser(const json_t *constants, FILE *stream)
{
    static const char *const heads[] = { "layer", "fractional length of its weights" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "ll");
    size_t i;
    json_t *layer;
    json_array_foreach(constants, i, layer)
    {
        if (!rs_j_has(layer, "coarser_bits"))
            continue;
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        if (rs_j_has(layer, "coarser_channels"))
            rs_table_cell(t, "up to %lld less in %lld output channels", (long long)rs_j_int(layer, "coarser_bits"),
                          (long long)rs_j_int(layer, "coarser_channels"));
        else
            rs_table_cell(t, "%lld instead of %lld", (long long)rs_j_int(layer, "fl"),
                          (long long)rs_j_int(layer, "wanted_fl"));
    }
    fputs("\nCoarser weights, so that sums with biases fit an accumulator of 48 bits\n", stream);
    rs_table_print(t, stream);
    rs_table_free(t);
}

/* What became of weights and biases that did not fit. */
static void print_constants(const json_t *s, FILE *stream)
{
    const json_t *constants = json_object_get(s, "constants");
    bool clipped = false, coarser = false;
    size_t i;
    json_t *layer;
    json_array_foreach(constants, i, layer)
    {
        clipped = clipped || rs_j_has(layer, "clipped_weights") || rs_j_has(layer, "clipped_biases");
        coarser = coarser || rs_j_has(layer, "coarser_bits");
    }
    if (clipped)
        print_clipped(constants, stream);
    if (coarser)
        print_coarser(constants, stream);
}

static const char *scheme_title(const json_t *s)
{
    static const char *const titles[][2] = {
        { "static", "static fixed point words" },
        { "minifloat", "minifloats" },
        { "power-of-two", "formats with power-of-two weights" },
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strcmp(rs_j_text(s, "scheme"), titles[i][0]) == 0)
            return titles[i][1];
    return "dynamic fixed point formats";
}

void rs_print_quantize(const json_t *s, FILE *stream)
{
    char images[RS_COUNT_TEXT], hits[RS_COUNT_TEXT], needed[RS_COUNT_TEXT], time[SPEED_TEXT];
    fprintf(stream, "The smallest %s of '%s' that lose at most %g percentage points%s\n", scheme_title(s),
            rs_j_text(s, "network"), rs_j_real(s, "error_margin"),
            rs_j_true(s, "compat") ? ", by the original program's rules" : "");
    fprintf(stream, "Float: %s of %s search images right (%.2f %%); at least %s are needed\n",
            count(s, "float_hits", hits), count(s, "images", images),
            rs_percent(rs_j_real(s, "float_hits"), rs_j_real(s, "images")), count(s, "needed_hits", needed));
    print_scored(s, stream);
    print_groups(s, stream);
    fprintf(stream, "The margin is %s; %zu trials%s\n\n", rs_j_true(s, "target_met") ? "kept" : "MISSED",
            json_array_size(json_object_get(s, "trials")), time_text(s, time));
    fputs("Accuracy, fixed point from the integers\n", stream);
    print_scores(s, stream);
    fputs("\nFormats\n", stream);
    print_formats(s, stream);
    print_constants(s, stream);
}

void rs_print_pareto(const json_t *s, FILE *stream)
{
    static const char *const heads[] = {
        "cost", "of the widest", "right", "accuracy", "ties", "weights, layer by layer", "input and layer outputs"
    };
    char text[RS_COUNT_TEXT], images[RS_COUNT_TEXT], time[SPEED_TEXT];
    const json_t *points = json_object_get(s, "points"), *test = json_object_get(s, "test");
    const int64_t chosen = rs_j_int(s, "chosen");
    const double widest = rs_j_real(json_array_get(points, 0), "cost");
    fprintf(stream, "Accuracy against cost of '%s', widths layer by layer; cost: %s in %s\n", rs_j_text(s, "network"),
            rs_j_text(s, "cost"), rs_j_text(s, "unit"));
    fprintf(stream, "Float: %s of %s search images right (%.2f %%)\n", count(s, "float_hits", text),
            count(s, "images", images), rs_percent(rs_j_real(s, "float_hits"), rs_j_real(s, "images")));
    print_scored(s, stream);
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "rrrrrll");
    size_t i;
    json_t *point;
    json_array_foreach(points, i, point)
    {
        if (!rs_j_true(point, "front") && (int64_t)i != chosen)
            continue;
        rs_table_cell(t, "%s%.6g", (int64_t)i == chosen ? "> " : "", rs_j_real(point, "cost"));
        rs_table_cell(t, "%.1f %%", rs_percent(rs_j_real(point, "cost"), widest));
        rs_table_cell(t, "%s", count(point, "hits", text));
        rs_table_cell(t, "%.2f %%", rs_percent(rs_j_real(point, "hits"), rs_j_real(s, "images")));
        rs_table_cell(t, "%s", count(point, "ties", text));
        rs_table_cell(t, "%s", rs_j_text(point, "weights"));
        rs_table_cell(t, "%s", rs_j_text(point, "outputs"));
    }
    rs_table_print(t, stream);
    rs_table_free(t);
    const char *how = !rs_j_true(s, "met")         ? "nothing is good enough, this is the nearest"
                      : rs_j_real(s, "budget") > 0 ? "the best within the budget"
                                                   : "the least that keeps the error margin";
    fprintf(stream, "Chosen (>): %s; %zu points, %s trials%s\n", how, json_array_size(points), count(s, "trials", text),
            time_text(s, time));
    fprintf(stream, "Test: %s of %s images right (%.2f %%), float %.2f %%\n", count(test, "hits", text),
            count(test, "images", images), rs_percent(rs_j_real(test, "hits"), rs_j_real(test, "images")),
            rs_percent(rs_j_real(test, "float_hits"), rs_j_real(test, "images")));
    print_constants(s, stream);
}

/* ----------------------------------------------------------------------------------------------------- finetune */

static void print_hits(const char *what, const json_t *s, const char *hits, const char *ties, const char *images,
                       FILE *stream)
{
    if (json_object_get(s, hits) != NULL)
        fprintf(stream, "  %-18s %6lld of %lld right (%.2f %%), %lld lost to a tie\n", what,
                (long long)rs_j_int(s, hits), (long long)rs_j_int(s, images),
                rs_percent(rs_j_real(s, hits), rs_j_real(s, images)), (long long)rs_j_int(s, ties));
}

void rs_print_finetune(const json_t *s, FILE *stream)
{
    const json_t *bits = json_object_get(s, "bits"), *test = json_object_get(s, "test");
    fprintf(stream,
            "Fine-tuned '%s': %lld-bit layer outputs, %lld-bit convolution weights, %lld-bit fully connected weights\n",
            rs_j_text(s, "network"), (long long)json_integer_value(json_array_get(bits, 2)),
            (long long)json_integer_value(json_array_get(bits, 0)),
            (long long)json_integer_value(json_array_get(bits, 1)));
    char iterations[RS_COUNT_TEXT], rate[SPEED_TEXT], best[RS_COUNT_TEXT], time[SPEED_TEXT];
    fprintf(stream, "%s iterations%s%s; weights of iteration %s\n", count(s, "iterations", iterations),
            time_text(s, time), speed_text(s, "images_per_second", "images/s", rate), count(s, "best_iteration", best));
    print_scored(s, stream);
    fputs("Validation, integers\n", stream);
    print_hits("before", s, "first_hits", "first_ties", "validation_images", stream);
    print_hits("after", s, "hits", "ties", "validation_images", stream);
    if (test != NULL) {
        fputs("Test\n", stream);
        print_hits("float", test, "float_hits", "float_ties", "images", stream);
        print_hits("integers, before", test, "first_hits", "first_ties", "images", stream);
        print_hits("integers, after", test, "hits", "ties", "images", stream);
    }
    print_constants(s, stream);
}

/* ----------------------------------------------------------------------------------------------------- simulate */

static void print_array(const json_t *a, FILE *stream)
{
    fprintf(stream, "%lld lanes x %lld %ss of %lld x %lld bits, %lld-bit accumulators, %lld-bit bus, %g MHz",
            (long long)rs_j_int(a, "lanes"), (long long)rs_j_int(a, "multipliers"),
            rs_j_has(a, "pe") ? rs_j_text(a, "pe") : "multiplier", (long long)rs_j_int(a, "activation_bits"),
            (long long)rs_j_int(a, "weight_bits"), (long long)rs_j_int(a, "accumulator_bits"),
            (long long)rs_j_int(a, "bus_bits"), rs_j_real(a, "clock_mhz"));
}

/* Why the sequencer did not compute, in the order of the columns. */
static const char *const waits[] = { "wait_weights", "wait_ifmap", "wait_output", "drain" };

static void print_layers(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "layer",      "MACs",        "cycles", "compute", "wait weights",
                                         "wait ifmap", "wait output", "drain",  "busy",    "used" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrrrrrrr");
    const json_t *layers = json_object_get(s, "layers");
    const size_t n = json_array_size(layers);
    double sums[8] = { 0 };
    for (size_t i = 0; i <= n; i++) {
        const json_t *layer = json_array_get(layers, i);
        double v[8]; /* macs, cycles, compute, four waits, slots */
        char text[RS_COUNT_TEXT];
        v[0] = rs_j_real(layer, "macs");
        v[1] = rs_j_real(layer, "cycles");
        v[2] = rs_j_real(layer, "compute_cycles");
        for (int k = 0; k < 4; k++)
            v[3 + k] = rs_j_real(layer, waits[k]);
        v[7] = rs_j_real(layer, "mac_slots");
        if (i == n) {
            rs_table_rule(t);
            memcpy(v, sums, sizeof v);
        }
        const bool host = i < n && rs_j_has(layer, "tiles") && rs_j_int(layer, "tiles") == 0;
        rs_table_cell(t, "%s%s", i < n ? rs_j_text(layer, "name") : "total", host ? " (host)" : "");
        for (int k = 0; k < 7; k++)
            rs_table_cell(t, "%s", rs_count_text(rs_whole(v[k]), text));
        rs_table_cell(t, "%.1f %%", rs_percent(v[2], v[1]));
        rs_table_cell(t, "%.1f %%", rs_percent(v[0], rs_ratio(v[7] * v[1], v[2])));
        for (int k = 0; k < 8; k++)
            sums[k] += v[k];
    }
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void bytes_cell(rs_table *t, int64_t bytes)
{
    char text[RS_COUNT_TEXT];
    rs_table_cell(t, "%s B", rs_count_text(bytes, text));
}

static void print_traffic(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "layer",     "ifmap in",    "weights in", "biases in",
                                         "ofmap out", "saturations", "overflows" };
    static const char *const beats[] = { "ifmap_beats", "weight_beats", "bias_beats", "ofmap_beats" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrrrr");
    const int64_t beat_bytes = rs_j_int(json_object_get(s, "array"), "bus_bits") / 8;
    int64_t sums[6] = { 0 }; /* bytes, then counts */
    const json_t *layers = json_object_get(s, "layers");
    const size_t n = json_array_size(layers);
    for (size_t i = 0; i <= n; i++) {
        const json_t *layer = json_array_get(layers, i);
        char text[RS_COUNT_TEXT];
        int64_t v[6];
        for (int k = 0; k < 4; k++)
            v[k] = rs_j_int(layer, beats[k]) * beat_bytes;
        v[4] = rs_j_int(layer, "saturations");
        v[5] = rs_j_int(layer, "overflows");
        if (i == n) {
            rs_table_rule(t);
            memcpy(v, sums, sizeof v);
        }
        rs_table_cell(t, "%s", i < n ? rs_j_text(layer, "name") : "total");
        for (int k = 0; k < 6; k++) {
            if (k < 4)
                bytes_cell(t, v[k]);
            else
                rs_table_cell(t, "%s", rs_count_text(v[k], text));
            sums[k] += v[k];
        }
    }
    fputs("Over the bus:\n", stream);
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void print_buffers(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "layer",   "activations read", "written", "weights read",
                                         "written", "outputs read",     "written" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrrrr");
    int64_t sums[RS_BUFFER_BYTES] = { 0 };
    const json_t *layers = json_object_get(s, "layers");
    const size_t n = json_array_size(layers);
    for (size_t i = 0; i <= n; i++) {
        const json_t *layer = json_array_get(layers, i);
        int64_t v[RS_BUFFER_BYTES];
        if (i == n) {
            rs_table_rule(t);
            memcpy(v, sums, sizeof v);
        } else {
            rs_buffer_bytes(json_object_get(s, "array"), layer, v);
        }
        rs_table_cell(t, "%s", i < n ? rs_j_text(layer, "name") : "total");
        for (int k = 0; k < RS_BUFFER_BYTES; k++) {
            bytes_cell(t, v[k]);
            sums[k] += v[k];
        }
    }
    fputs("\nBytes by buffer:\n", stream);
    rs_table_print(t, stream);
    rs_table_free(t);
}

void rs_print_simulate(const json_t *s, FILE *stream)
{
    char cycles[RS_COUNT_TEXT], text[RS_COUNT_TEXT], other[RS_COUNT_TEXT], rate[RS_COUNT_TEXT];
    const json_t *array = json_object_get(s, "array");
    fprintf(stream, "'%s' on the array '%s': ", rs_j_text(s, "network"), rs_j_text(array, "name"));
    print_array(array, stream);
    fprintf(stream, "\nOne image: %s cycles, %.3f ms, %s images/s\n", count(s, "cycles", cycles),
            rs_j_real(s, "milliseconds"), rate_text(rs_ratio(1000.0, rs_j_real(s, "milliseconds")), rate));
    print_layers(s, stream);
    fputs("busy: cycles in which the array computes; used: products that count, of those that it could have made in "
          "all cycles\n\n",
          stream);
    print_traffic(s, stream);
    print_buffers(s, stream);
    if (rs_j_has(s, "images"))
        fprintf(
            stream, "\nArray model over %s images: %s right (%.2f %%), %s scores compared with the exact engine: %s\n",
            count(s, "images", text), count(s, "hits", other), rs_percent(rs_j_real(s, "hits"), rs_j_real(s, "images")),
            count(s, "compared", cycles), rs_j_true(s, "equal") ? "all equal" : "DIFFERENT");
}

/* -------------------------------------------------------------------------------------------------------- cosim */

void rs_print_cosim(const json_t *s, FILE *stream)
{
    static const char *const lines[][2] = {
        { "outputs", "output beats compared" },
        { "writes", "memory writes compared" },
        { "reads", "memory reads compared" },
        { "engine_values", "values compared with the exact engine" },
        { "cycles", "RTL cycles" },
    };
    char text[RS_COUNT_TEXT], rate[SPEED_TEXT];
    const bool equal = rs_j_true(s, "equal");
    fprintf(stream, "Verilated RTL and C model in lockstep, %s images of '%s' on the array '%s'\n",
            count(s, "images", text), rs_j_text(s, "network"), rs_j_text(s, "array"));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (rs_j_has(s, lines[i][0]))
            fprintf(stream, "  %14s %s\n", count(s, lines[i][0], text), lines[i][1]);
    if (!equal) {
        const json_t *m = json_object_get(s, "mismatch");
        fprintf(stream, "DIFFERENT: layer '%s', image %s, cycle %lld: %s, %s\n", rs_j_text(m, "layer"),
                count(m, "image", text), (long long)rs_j_int(m, "cycle"), rs_j_text(m, "signal"), rs_j_text(m, "what"));
        return;
    }
    fprintf(stream, "All equal: bit for bit, each in the same cycle; the RTL scores %.2f %%%s\n",
            rs_percent(rs_j_real(s, "hits"), rs_j_real(s, "images")),
            speed_text(s, "rtl_cycles_per_second", "RTL cycles/s", rate));
}

/* ----------------------------------------------------------------------------------------------------- estimate */

static void print_energy(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "layer",           "arithmetic", "registers", "buffers", "on chip",
                                         "off-chip memory", "total",      "in float",  "less by" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrrrrrr");
    const json_t *layers = json_object_get(s, "layers");
    const size_t n = json_array_size(layers);
    for (size_t i = 0; i <= n; i++) {
        const json_t *layer = i < n ? json_array_get(layers, i) : json_object_get(s, "total");
        double arithmetic = 0.0, registers = 0.0, buffers = 0.0, memory = 0.0;
        size_t k;
        json_t *part;
        json_array_foreach(json_object_get(layer, "parts"), k, part)
        {
            const char *name = rs_j_text(part, "name");
            const double pj = rs_j_real(part, "pj");
            if (strcmp(name, "registers") == 0)
                registers += pj;
            else if (strcmp(name, "off-chip memory") == 0)
                memory += pj;
            else if (strstr(name, "buffer") != NULL)
                buffers += pj;
            else
                arithmetic += pj;
        }
        if (i == n)
            rs_table_rule(t);
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        const double values[] = { arithmetic,
                                  registers,
                                  buffers,
                                  rs_j_real(layer, "chip_pj"),
                                  memory,
                                  rs_j_real(layer, "pj"),
                                  rs_j_real(layer, "float_pj") };
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
            rs_table_cell(t, "%.3f uJ", values[v] * 1e-6);
        rs_table_cell(t, "%.1f x", rs_ratio(rs_j_real(layer, "float_pj"), rs_j_real(layer, "pj")));
    }
    rs_table_print(t, stream);
    rs_table_free(t);
}

static void print_area(const json_t *s, FILE *stream)
{
    static const char *const heads[] = { "block", "instances", "bits", "area", "in float", "less by" };
    rs_table *t = rs_table_new(heads, COLUMNS(heads), "lrrrrr");
    size_t i;
    json_t *block;
    char text[RS_COUNT_TEXT];
    json_array_foreach(json_object_get(s, "blocks"), i, block)
    {
        rs_table_cell(t, "%s", rs_j_text(block, "name"));
        rs_table_cell(t, "%s", count(block, "instances", text));
        rs_table_cell(t, "%s", count(block, "bits", text));
        rs_table_cell(t, "%s um2", rs_count_text(rs_whole(rs_j_real(block, "um2")), text));
        rs_table_cell(t, "%s um2", rs_count_text(rs_whole(rs_j_real(block, "float_um2")), text));
        if (rs_j_real(block, "float_um2") > 0.0)
            rs_table_cell(t, "%.1f x", rs_ratio(rs_j_real(block, "float_um2"), rs_j_real(block, "um2")));
        else
            rs_table_cell(t, "%s", "");
    }
    rs_table_rule(t);
    rs_table_cell(t, "total");
    rs_table_cell(t, "%s", "");
    rs_table_cell(t, "%s", "");
    rs_table_cell(t, "%.3f mm2", rs_j_real(s, "um2") * 1e-6);
    rs_table_cell(t, "%.3f mm2", rs_j_real(s, "float_um2") * 1e-6);
    rs_table_cell(t, "%.1f x", rs_ratio(rs_j_real(s, "float_um2"), rs_j_real(s, "um2")));
    rs_table_print(t, stream);
    rs_table_free(t);
}

void rs_print_estimate(const json_t *s, FILE *stream)
{
    const json_t *technology = json_object_get(s, "technology"), *total = json_object_get(s, "total");
    fprintf(stream, "Energy of one image of '%s' on the array '%s', %s\n", rs_j_text(s, "network"),
            rs_j_text(s, "array"), rs_j_text(technology, "name"));
    print_energy(s, stream);
    fprintf(stream, "On the chip alone: %.3f uJ, %.1f times less than in float; %.2f pJ a MAC, %.1f mW at %g MHz\n\n",
            rs_j_real(total, "chip_pj") * 1e-6,
            rs_ratio(rs_j_real(total, "chip_float_pj"), rs_j_real(total, "chip_pj")), rs_j_real(s, "chip_pj_per_mac"),
            rs_j_real(s, "chip_milliwatts"), rs_j_real(s, "clock_mhz"));
    fputs("Area\n", stream);
    print_area(s, stream);
    fputs("Counts (operations, bits moved, bits clocked) are measured by the cycle model; energy and area are "
          "modelled: counts times the\n"
          "technology's numbers. 'In float': the same array with 32-bit floating point operators and storage.\n",
          stream);
}

void rs_print_export(const json_t *s, FILE *stream)
{
    char files[RS_COUNT_TEXT], words[RS_COUNT_TEXT], compared[RS_COUNT_TEXT];
    fprintf(stream, "%s ROMs (%s) with %s words in %s", count(s, "files", files), rs_j_text(s, "format"),
            count(s, "words", words), rs_j_text(s, "folder"));
    if (rs_j_has(s, "compared"))
        fprintf(stream, "; read back, %s integers compared, all equal", count(s, "compared", compared));
    putc('\n', stream);
}
