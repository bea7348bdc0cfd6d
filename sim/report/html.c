/* The report as one HTML file: no scripts, no references to anything outside it. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/access.h"
#include "report/report.h"
#include "report/svg.h"
#include "report/table.h"

/* The page while it is written. */
typedef struct html_page {
    FILE *out;
    bool failed; /* memory was short: something is missing */
} html_page;

/* report.css, as one string. */
static const char style[] =
#include "report/css.inc"
    ;

/* Classes c0... fill and s0... stroke with the palette. */
static void print_style(html_page *page)
{
    FILE *out = page->out;
    fputs("<style>\n", out);
    fputs(style, out);
    for (int i = 0; i < 9; i++)
        fprintf(out, ".c%d{fill:var(--c%d)}.s%d{stroke:var(--c%d);stroke-width:2;fill:none}", i, i, i, i);
    fputs("\n</style>\n", out);
}

/* ------------------------------------------------------------------------------------------------------- tables */

static void count_cell(rs_table *t, int64_t n)
{
    char text[RS_COUNT_TEXT];
    rs_table_cell(t, "%s", rs_count_text(n, text));
}

static void bytes_cell(rs_table *t, int64_t bytes)
{
    char text[RS_COUNT_TEXT];
    rs_table_cell(t, "%s B", rs_count_text(bytes, text));
}

static void empty_cells(rs_table *t, int n)
{
    for (int i = 0; i < n; i++)
        rs_table_cell(t, "%s", "");
}

static void show_table(rs_table *t, html_page *page)
{
    page->failed = !rs_table_html(t, page->out) || page->failed;
    rs_table_free(t);
}

static void tile(const char *what, const char *value, const char *more, html_page *page)
{
    FILE *out = page->out;
    fputs("<div class=\"tile\"><span>", out);
    rs_html_text(what, out);
    fputs("</span><b>", out);
    rs_html_text(value, out);
    fputs("</b><span>", out);
    rs_html_text(more, out);
    fputs("</span></div>\n", out);
}

/* -------------------------------------------------------------------------------------------------------- tiles */

static void accuracy_tile(const json_t *quantize, html_page *page)
{
    const json_t *scores = json_object_get(quantize, "scores");
    const json_t *score = NULL, *item;
    size_t i;
    json_array_foreach((json_t *)scores, i, item) if (score == NULL || strcmp(rs_j_text(item, "name"), "test") == 0)
        score = item;
    if (score == NULL)
        return;
    char value[32], more[96], text[RS_COUNT_TEXT];
    const double images = rs_j_real(score, "images");
    snprintf(value, sizeof value, "%.2f %%", rs_percent(rs_j_real(score, "hits"), images));
    snprintf(more, sizeof more, "float %.2f %%, %s %s images", rs_percent(rs_j_real(score, "float_hits"), images),
             rs_count_text(rs_whole(images), text), rs_j_text(score, "name"));
    tile("Fixed point accuracy", value, more, page);
}

static void widths_tile(const json_t *quantize, html_page *page)
{
    char value[64] = "";
    size_t used = 0, i;
    json_t *group;
    json_array_foreach(json_object_get(quantize, "groups"), i, group)
    {
        const int n = rs_j_int(group, "bits") > 0 && used < sizeof value
                          ? snprintf(value + used, sizeof value - used, "%s%lld", used > 0 ? " / " : "",
                                     (long long)rs_j_int(group, "bits"))
                          : 0;
        used += n > 0 ? (size_t)n : 0;
    }
    tile("Bits: conv / FC / outputs", value,
         rs_j_true(quantize, "target_met") ? "within the error margin" : "margin missed", page);
}

static void print_tiles(const json_t *r, html_page *page)
{
    FILE *out = page->out;
    char value[64], more[96], text[RS_COUNT_TEXT];
    const json_t *quantize = json_object_get(r, "quantize"), *simulate = json_object_get(r, "simulate");
    const json_t *cosim = json_object_get(r, "cosim"), *estimate = json_object_get(r, "estimate");
    fputs("<div class=\"tiles\">\n", out);
    if (quantize != NULL) {
        accuracy_tile(quantize, page);
        widths_tile(quantize, page);
    }
    if (simulate != NULL) {
        snprintf(more, sizeof more, "%.3f ms an image at %g MHz", rs_j_real(simulate, "milliseconds"),
                 rs_j_real(json_object_get(simulate, "array"), "clock_mhz"));
        tile("Cycles an image", rs_count_text(rs_j_int(simulate, "cycles"), text), more, page);
    }
    if (cosim != NULL) {
        snprintf(more, sizeof more, "RTL against model, %s images: %s", rs_count_text(rs_j_int(cosim, "images"), text),
                 rs_j_true(cosim, "equal") ? "all equal" : "different");
        tile("Output beats compared", rs_count_text(rs_j_int(cosim, "outputs"), value), more, page);
    }
    if (estimate != NULL) {
        const json_t *total = json_object_get(estimate, "total");
        snprintf(value, sizeof value, "%.1f \xc2\xb5J", rs_j_real(total, "pj") * 1e-6);
        snprintf(more, sizeof more, "%.1f times less than in 32-bit float",
                 rs_ratio(rs_j_real(total, "float_pj"), rs_j_real(total, "pj")));
        tile("Energy an image", value, more, page);
        snprintf(value, sizeof value, "%.3f mm\xc2\xb2", rs_j_real(estimate, "um2") * 1e-6);
        snprintf(more, sizeof more, "%.1f times less than in 32-bit float",
                 rs_ratio(rs_j_real(estimate, "float_um2"), rs_j_real(estimate, "um2")));
        tile("Area", value, more, page);
    }
    fputs("</div>\n", out);
}

/* ----------------------------------------------------------------------------------------------------- quantize */

enum { MAX_WIDTH = 32 };

/* Accuracy of a group's trials by width, widths rising. */
static int trial_points(const json_t *quantize, size_t group, const char *name, double *x, double *y)
{
    int n = 0;
    for (int bits = 1; bits <= MAX_WIDTH; bits++) {
        size_t i;
        json_t *trial;
        json_array_foreach(json_object_get(quantize, "trials"), i, trial)
        {
            if (strcmp(rs_j_text(trial, "group"), name) != 0 ||
                json_integer_value(json_array_get(json_object_get(trial, "bits"), group)) != bits)
                continue;
            x[n] = bits;
            y[n++] = rs_percent(rs_j_real(trial, "hits"), rs_j_real(trial, "images"));
            break;
        }
    }
    return n;
}

static void print_curves(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    enum { GROUPS = 3 };
    double x[GROUPS][MAX_WIDTH], y[GROUPS][MAX_WIDTH];
    rs_plot_line lines[GROUPS];
    const char *names[GROUPS];
    int n = 0;
    double last = 1.0;
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(s, "groups"), i, group)
    {
        const char *name = rs_j_text(group, "name");
        const int points = i < GROUPS ? trial_points(s, i, name, x[n], y[n]) : 0;
        if (points < 2)
            continue;
        const double chosen = rs_j_real(group, "single_bits");
        lines[n] = (rs_plot_line) { rs_group_title(group), points, n, x[n], y[n], chosen };
        names[n] = rs_group_title(group);
        last = x[n][points - 1] > last ? x[n][points - 1] : last;
        n++;
    }
    if (n == 0)
        return;
    const double images = rs_j_real(s, "images"), top = rs_percent(rs_j_real(s, "float_hits"), images);
    const double needed = rs_percent(rs_j_real(s, "needed_hits"), images);
    const double below = needed - (top - needed > 0.5 ? top - needed : 0.5) * 1.5;
    char level[96];
    snprintf(level, sizeof level, "margin: %.2f %%", needed);
    rs_plot plot = { .label = "Accuracy by width, near the margin",
                     .x_label = "bits",
                     .y_label = "accuracy, %",
                     .x0 = 1,
                     .x1 = last,
                     .x_step = 1,
                     .y0 = below > 0.0 ? below : 0.0,
                     .y1 = fmin(100.0, top + (top - below) * 0.12),
                     .level_label = level,
                     .level = needed };
    fputs("<div class=\"pair\"><div><h3>Near the margin</h3>\n", out);
    rs_svg_lines(&plot, lines, n, out);
    fputs("</div><div><h3>The whole range</h3>\n", out);
    plot.label = "Accuracy by width, from 0 to 100 %";
    plot.y0 = 0.0;
    plot.y1 = 100.0;
    plot.level_label = NULL;
    rs_svg_lines(&plot, lines, n, out);
    fputs("</div></div>\n", out);
    rs_svg_legend(names, n, 0, out);
    fputs("<p class=\"soft\">One group rounded at a time, the rest in float; the ring marks the smallest width that "
          "keeps the margin.</p>\n",
          out);
}

static void print_scores(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const heads[] = { "Images", "number", "float", "fixed point", "change", "lost to ties" };
    fputs("<h3>Accuracy of the integers</h3>\n", out);
    rs_table *t = rs_table_new(heads, 6, "lrrrrr");
    size_t i;
    json_t *score;
    json_array_foreach(json_object_get(s, "scores"), i, score)
    {
        const double images = rs_j_real(score, "images");
        const double before = rs_percent(rs_j_real(score, "float_hits"), images),
                     after = rs_percent(rs_j_real(score, "hits"), images);
        rs_table_cell(t, "%s", rs_j_text(score, "name"));
        count_cell(t, rs_j_int(score, "images"));
        rs_table_cell(t, "%.2f %%", before);
        rs_table_cell(t, "%.2f %%", after);
        rs_table_cell(t, "%+.2f", after - before);
        count_cell(t, rs_j_int(score, "ties"));
    }
    show_table(t, page);
}

static void print_formats(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const heads[] = { "Layer", "kind", "weights", "fl", "largest weight", "shift", "output", "fl" };
    fputs("<h3>Formats</h3>\n", out);
    rs_table *t = rs_table_new(heads, 8, "llrrrrrr");
    size_t i;
    json_t *layer;
    json_array_foreach(json_object_get(s, "layers"), i, layer)
    {
        const bool weighted = rs_j_int(layer, "weight_bits") > 0;
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        rs_table_cell(t, "%s", rs_j_text(layer, "type"));
        if (weighted) {
            rs_table_cell(t, "%.0f bits", rs_j_real(layer, "weight_bits"));
            count_cell(t, rs_j_int(layer, "weight_fl"));
            rs_table_cell(t, "%.4f", rs_j_real(layer, "weight_max"));
            count_cell(t, rs_j_int(layer, "shift"));
        } else {
            empty_cells(t, 4);
        }
        rs_table_cell(t, "%.0f bits", rs_j_real(layer, "output_bits"));
        count_cell(t, rs_j_int(layer, "output_fl"));
    }
    show_table(t, page);
}

static void print_quantize(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    char text[RS_COUNT_TEXT];
    fputs("<section><h2>Word widths</h2>\n<p>", out);
    fprintf(out,
            "The smallest dynamic fixed point formats that lose at most %g percentage points of accuracy, searched on "
            "%s images.",
            rs_j_real(s, "error_margin"), rs_count_text(rs_j_int(s, "images"), text));
    fputs(" Accuracy in fixed point is that of the integers, which are what the RTL computes.</p>\n", out);
    print_curves(s, page);
    print_scores(s, page);
    print_formats(s, page);
    fputs("</section>\n", out);
}

/* ----------------------------------------------------------------------------------------------------- simulate */

/* Bars for `per_item` of each item of a list; NULL: no memory, and then nothing is drawn. */
static rs_plot_bar *new_bars(const json_t *items, size_t per_item)
{
    return RS_NEW_ARRAY(rs_plot_bar, per_item * json_array_size(items) + 1);
}

/* Draws them and lets them go. */
static void show_bars(const rs_bar_chart *chart, rs_plot_bar *bars, size_t n, html_page *page)
{
    if (bars != NULL)
        rs_svg_bars(chart, bars, n, page->out);
    else
        page->failed = true;
    rs_free(bars);
}

static void print_cycles(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const keys[] = { "compute_cycles", "wait_weights", "wait_ifmap", "wait_output", "drain" };
    static const char *const all[] = {
        "computing", "waiting for weights", "waiting for the ifmap", "waiting for the output buffer",
        "draining",  "fetching descriptors"
    };
    enum { PARTS = 5 };
    const json_t *layers = json_object_get(s, "layers");
    rs_plot_bar *bars = new_bars(layers, 1);
    char text[RS_SHORT_TEXT];
    for (size_t i = 0; i < json_array_size(layers) && bars != NULL; i++) {
        const json_t *layer = json_array_get(layers, i);
        rs_plot_bar *b = &bars[i];
        b->label = rs_j_text(layer, "name");
        double known = 0.0;
        for (int k = 0; k < PARTS; k++) {
            b->parts[k] = rs_j_real(layer, keys[k]);
            known += b->parts[k];
        }
        b->parts[PARTS] = fmax(0.0, rs_j_real(layer, "cycles") - known);
        snprintf(b->note, sizeof b->note, "%s cycles", rs_short_text(rs_j_real(layer, "cycles"), text));
    }
    const rs_bar_chart chart = {
        .label = "Cycles by layer", .axis_label = "cycles", .unit = "cycles", .names = all, .n_parts = PARTS + 1
    };
    fputs("<h3>Cycles by layer</h3>\n", out);
    show_bars(&chart, bars, json_array_size(layers), page);
    rs_svg_legend(all, PARTS + 1, 0, out);
}

static void print_utilisation(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const names[] = { "products that count, of those possible in all cycles of the layer" };
    const json_t *layers = json_object_get(s, "layers");
    rs_plot_bar *bars = new_bars(layers, 1);
    for (size_t i = 0; i < json_array_size(layers) && bars != NULL; i++) {
        const json_t *layer = json_array_get(layers, i);
        const double slots = rs_ratio(rs_j_real(layer, "mac_slots"), rs_j_real(layer, "compute_cycles")) *
                             rs_j_real(layer, "cycles");
        bars[i].label = rs_j_text(layer, "name");
        bars[i].parts[0] = rs_percent(rs_j_real(layer, "macs"), slots);
        snprintf(bars[i].note, sizeof bars[i].note, "%.1f %%", bars[i].parts[0]);
    }
    const rs_bar_chart chart = { .label = "Utilisation of the multipliers by layer",
                                 .axis_label = "% of all multipliers in all cycles",
                                 .unit = "%",
                                 .names = names,
                                 .n_parts = 1,
                                 .color = 2,
                                 .limit = 100.0 };
    fputs("<h3>Utilisation of the multipliers</h3>\n", out);
    show_bars(&chart, bars, json_array_size(layers), page);
}

static void print_roofline(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const names[] = { "bound by the multipliers", "bound by the bus" };
    const json_t *a = json_object_get(s, "array");
    const double peak = rs_j_real(a, "lanes") * rs_j_real(a, "multipliers"), bytes = rs_j_real(a, "bus_bits") / 8.0;
    const json_t *layers = json_object_get(s, "layers");
    rs_roof_point *points = peak > 0.0 && bytes > 0.0 ? RS_NEW_ARRAY(rs_roof_point, json_array_size(layers)) : NULL;
    page->failed = page->failed || (points == NULL && peak > 0.0 && bytes > 0.0 && json_array_size(layers) > 0);
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(layers) && points != NULL; i++) {
        const json_t *layer = json_array_get(layers, i);
        const double beats = rs_j_real(layer, "ifmap_beats") + rs_j_real(layer, "weight_beats") +
                             rs_j_real(layer, "bias_beats") + rs_j_real(layer, "ofmap_beats");
        if (!(rs_j_real(layer, "macs") > 0.0) || !(beats > 0.0))
            continue;
        const double intensity = rs_j_real(layer, "macs") / (beats * bytes);
        points[n++] = (rs_roof_point) { .name = rs_j_text(layer, "name"),
                                        .intensity = intensity,
                                        .rate = rs_ratio(rs_j_real(layer, "macs"), rs_j_real(layer, "cycles")),
                                        .color = intensity * bytes < peak };
    }
    const rs_roofline roofline = { .label = "Multiply-accumulates a cycle by layer, against what multipliers and bus "
                                            "allow",
                                   .peak = peak,
                                   .bytes = bytes };
    if (n > 0) {
        fputs("<h3>Against the limits of the array</h3>\n", out);
        page->failed = !rs_svg_roofline(&roofline, points, n, out) || page->failed;
        rs_svg_legend(names, 2, 0, out);
        fputs("<p class=\"soft\">Each point is a layer. It can rise to the line above it: on the slope the bus is busy "
              "in "
              "every cycle, on the flat every multiplier is. "
              "What lies below the line waits, or has lanes and multipliers without work; the bars above say which. A "
              "layer whose weights "
              "come while the one before still computes can lie a little above the slope.</p>\n",
              out);
    }
    rs_free(points);
}

static void print_layer_table(const json_t *s, html_page *page)
{
    static const char *const heads[] = { "Layer",   "MACs",  "cycles",      "computing", "ifmap",
                                         "weights", "ofmap", "saturations", "overflows" };
    const int64_t beat = rs_j_int(json_object_get(s, "array"), "bus_bits") / 8;
    size_t i;
    json_t *layer;
    rs_table *t = rs_table_new(heads, 9, "lrrrrrrrr");
    json_array_foreach(json_object_get(s, "layers"), i, layer)
    {
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        count_cell(t, rs_j_int(layer, "macs"));
        count_cell(t, rs_j_int(layer, "cycles"));
        rs_table_cell(t, "%.1f %%", rs_percent(rs_j_real(layer, "compute_cycles"), rs_j_real(layer, "cycles")));
        const int64_t bytes[] = { rs_j_int(layer, "ifmap_beats") * beat,
                                  (rs_j_int(layer, "weight_beats") + rs_j_int(layer, "bias_beats")) * beat,
                                  rs_j_int(layer, "ofmap_beats") * beat };
        for (size_t k = 0; k < 3; k++)
            bytes_cell(t, bytes[k]);
        count_cell(t, rs_j_int(layer, "saturations"));
        count_cell(t, rs_j_int(layer, "overflows"));
    }
    show_table(t, page);
}

static void print_buffer_table(const json_t *s, html_page *page)
{
    static const char *const heads[] = { "Buffers", "activations read", "written", "weights read",
                                         "written", "outputs read",     "written" };
    size_t i;
    json_t *layer;
    rs_table *t = rs_table_new(heads, 7, "lrrrrrr");
    json_array_foreach(json_object_get(s, "layers"), i, layer)
    {
        int64_t bytes[RS_BUFFER_BYTES];
        rs_buffer_bytes(json_object_get(s, "array"), layer, bytes);
        rs_table_cell(t, "%s", rs_j_text(layer, "name"));
        for (int k = 0; k < RS_BUFFER_BYTES; k++)
            bytes_cell(t, bytes[k]);
    }
    show_table(t, page);
}

static void print_simulate(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    char text[RS_COUNT_TEXT];
    const json_t *a = json_object_get(s, "array");
    fputs("<section><h2>On the array</h2>\n<p>Array <b>", out);
    rs_html_text(rs_j_text(a, "name"), out);
    fprintf(out,
            "</b>: %lld lanes of %lld %ss, %lld-bit activations, %lld-bit weights, %lld-bit accumulators; a %lld-bit "
            "bus to memory, "
            "%lld cycles of latency; %g MHz. One image takes %s cycles.",
            (long long)rs_j_int(a, "lanes"), (long long)rs_j_int(a, "multipliers"),
            rs_j_has(a, "pe") ? rs_j_text(a, "pe") : "multiplier", (long long)rs_j_int(a, "activation_bits"),
            (long long)rs_j_int(a, "weight_bits"), (long long)rs_j_int(a, "accumulator_bits"),
            (long long)rs_j_int(a, "bus_bits"), (long long)rs_j_int(a, "latency"), rs_j_real(a, "clock_mhz"),
            rs_count_text(rs_j_int(s, "cycles"), text));
    fputs(" Measured by the cycle model, which the RTL is compared with beat for beat.</p>\n", out);
    print_cycles(s, page);
    print_utilisation(s, page);
    print_roofline(s, page);
    print_layer_table(s, page);
    print_buffer_table(s, page);
    fputs("</section>\n", out);
}

static void print_cosim(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const rows[][2] = {
        { "outputs", "output beats: values, saturations, overflows, cycle" },
        { "writes", "memory writes: address, data, cycle" },
        { "reads", "memory reads: address, cycle" },
        { "engine_values", "values of every layer, with the exact engine" },
        { "cycles", "cycles of the RTL" },
    };
    static const char *const heads[] = { "Compared", "number" };
    char text[RS_COUNT_TEXT];
    const bool equal = rs_j_true(s, "equal");
    fputs("<section><h2>Lockstep with the RTL</h2>\n<p>", out);
    fprintf(out, "%s whole images through the Verilated RTL and the C model: <b class=\"%s\">%s</b>.</p>\n",
            rs_count_text(rs_j_int(s, "images"), text), equal ? "yes" : "no", equal ? "all equal" : "different");
    rs_table *t = rs_table_new(heads, 2, "lr");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rs_j_has(s, rows[i][0]))
            continue;
        rs_table_cell(t, "%s", rows[i][1]);
        count_cell(t, rs_j_int(s, rows[i][0]));
    }
    show_table(t, page);
    fputs("</section>\n", out);
}

/* ----------------------------------------------------------------------------------------------------- estimate */

/* Energies of a plot share a unit: uJ if the longest bar has 10 of them. */
typedef struct energy_scale {
    double pj;
    const char *name;
} energy_scale;

static energy_scale energy_unit(const json_t *layers, const char *longest)
{
    double most = 0.0;
    size_t i;
    json_t *layer;
    json_array_foreach((json_t *)layers, i, layer) most = fmax(most, rs_j_real(layer, longest));
    return most >= 1e7 ? (energy_scale) { 1e6, "\xc2\xb5J" } : (energy_scale) { 1e3, "nJ" };
}

static void energy_bar(rs_plot_bar *b, const json_t *layer, const char *name, bool is_float, bool chip_only,
                       energy_scale u)
{
    char text[RS_SHORT_TEXT];
    size_t k;
    json_t *part;
    double sum = 0.0;
    *b = (rs_plot_bar) { .label = is_float ? "in float" : name, .gap = !is_float, .faint = is_float };
    json_array_foreach(json_object_get(layer, "parts"), k, part)
    {
        if (k >= RS_BAR_MAX_PARTS || (chip_only && strcmp(rs_j_text(part, "name"), "off-chip memory") == 0))
            continue;
        b->parts[k] = rs_j_real(part, is_float ? "float_pj" : "pj") / u.pj;
        sum += b->parts[k];
    }
    snprintf(b->note, sizeof b->note, "%s %s", rs_short_text(sum, text), u.name);
}

static void print_energy(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    const json_t *layers = json_object_get(s, "layers");
    const json_t *parts = json_object_get(json_object_get(s, "total"), "parts");
    const char *names[RS_BAR_MAX_PARTS];
    int n_parts = 0;
    size_t i;
    json_t *item;
    json_array_foreach(parts, i, item) if (n_parts < RS_BAR_MAX_PARTS) names[n_parts++] = rs_j_text(item, "name");
    for (int chip_only = 0; chip_only < 2; chip_only++) {
        rs_plot_bar *bars = new_bars(layers, 2);
        char axis[32];
        const energy_scale u = energy_unit(layers, chip_only ? "chip_float_pj" : "float_pj");
        for (i = 0; i < json_array_size(layers) && bars != NULL; i++) {
            item = json_array_get(layers, i);
            energy_bar(&bars[2 * i], item, rs_j_text(item, "name"), false, chip_only != 0, u);
            energy_bar(&bars[2 * i + 1], item, "", true, chip_only != 0, u);
        }
        snprintf(axis, sizeof axis, "%s an image", u.name);
        const rs_bar_chart chart = { .label = chip_only ? "Energy by layer, on the chip" : "Energy by layer",
                                     .axis_label = axis,
                                     .unit = u.name,
                                     .names = names,
                                     .n_parts = n_parts };
        fputs(chip_only ? "<h3>On the chip alone</h3>\n" : "<h3>By layer, with the off-chip memory</h3>\n", out);
        show_bars(&chart, bars, 2 * json_array_size(layers), page);
    }
    rs_svg_legend(names, n_parts, 0, out);
}

static void print_area(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const names[] = { "area" };
    const json_t *blocks = json_object_get(s, "blocks");
    rs_plot_bar *bars = new_bars(blocks, 1);
    char text[RS_COUNT_TEXT];
    for (size_t i = 0; i < json_array_size(blocks) && bars != NULL; i++) {
        const json_t *block = json_array_get(blocks, i);
        bars[i].label = rs_j_text(block, "name");
        bars[i].parts[0] = rs_j_real(block, "um2");
        snprintf(bars[i].note, sizeof bars[i].note, "%s \xc2\xb5m\xc2\xb2",
                 rs_count_text(rs_whole(bars[i].parts[0]), text));
    }
    const rs_bar_chart chart = { .label = "Area by block",
                                 .axis_label = "\xc2\xb5m\xc2\xb2",
                                 .unit = "\xc2\xb5m\xc2\xb2",
                                 .names = names,
                                 .n_parts = 1,
                                 .color = 3 };
    fputs("<h3>Area by block</h3>\n", out);
    show_bars(&chart, bars, json_array_size(blocks), page);
}

static void print_estimate(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const heads[] = { "Counted", "number", "energy", "in float", "less by" };
    const json_t *total = json_object_get(s, "total"), *technology = json_object_get(s, "technology");
    fputs("<section><h2>Energy and area</h2>\n<p>Counts of operations, of bits moved and of register bits clocked are "
          "<b>measured</b> by the cycle "
          "model. Energy and area are <b>modelled</b>: these counts times the numbers of the technology, ",
          out);
    rs_html_text(rs_j_text(technology, "name"), out);
    fputs(". The faint bars are the same array with 32-bit floating point operators and storage.</p>\n", out);
    print_energy(s, page);
    rs_table *t = rs_table_new(heads, 5, "lrrrr");
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(total, "parts"), i, part)
    {
        char name[96];
        snprintf(name, sizeof name, "%s (%s)", rs_j_text(part, "name"), rs_j_text(part, "unit"));
        rs_table_cell(t, "%s", name);
        count_cell(t, rs_whole(rs_j_real(part, "count")));
        rs_table_cell(t, "%.1f nJ", rs_j_real(part, "pj") * 1e-3);
        rs_table_cell(t, "%.1f nJ", rs_j_real(part, "float_pj") * 1e-3);
        if (rs_j_real(part, "float_pj") > 0.0)
            rs_table_cell(t, "%.1f \xc3\x97", rs_ratio(rs_j_real(part, "float_pj"), rs_j_real(part, "pj")));
        else
            empty_cells(t, 1);
    }
    rs_table_rule(t);
    rs_table_cell(t, "%s", "total");
    empty_cells(t, 1);
    rs_table_cell(t, "%.1f nJ", rs_j_real(total, "pj") * 1e-3);
    rs_table_cell(t, "%.1f nJ", rs_j_real(total, "float_pj") * 1e-3);
    rs_table_cell(t, "%.1f \xc3\x97", rs_ratio(rs_j_real(total, "float_pj"), rs_j_real(total, "pj")));
    show_table(t, page);
    print_area(s, page);
    fputs("<h3>Sources of the numbers</h3>\n<ul class=\"sources\">", out);
    json_t *source;
    json_array_foreach(json_object_get(technology, "sources"), i, source)
    {
        fputs("<li><b>", out);
        rs_html_text(rs_j_text(source, "id"), out);
        fputs("</b>: ", out);
        rs_html_text(rs_j_text(source, "reference"), out);
        fputs("</li>\n", out);
    }
    fputs("</ul></section>\n", out);
}

/* ------------------------------------------------------------------------------------------------------- pareto */

static void print_pareto(const json_t *s, html_page *page)
{
    FILE *out = page->out;
    static const char *const names[] = { "front", "all that was tried" };
    const json_t *points = json_object_get(s, "points"), *point;
    const size_t most = json_array_size(points);
    double *x = RS_NEW_ARRAY(double, 2 * most), *y = RS_NEW_ARRAY(double, 2 * most);
    page->failed = page->failed || (most > 0 && (x == NULL || y == NULL));
    const double widest = rs_j_real(json_array_get(points, 0), "cost"), images = rs_j_real(s, "images");
    double low = 100.0, high = 0.0;
    int front = 0, all = 0;
    for (size_t i = most; i-- > 0 && x != NULL && y != NULL;) {
        point = json_array_get(points, i);
        const double at = rs_percent(rs_j_real(point, "cost"), widest),
                     accuracy = rs_percent(rs_j_real(point, "hits"), images);
        x[most + (size_t)all] = at;
        y[most + (size_t)all++] = accuracy;
        low = fmin(low, accuracy);
        high = fmax(high, accuracy);
        if (rs_j_true(point, "front")) {
            x[front] = at;
            y[front++] = accuracy;
        }
    }
    fputs("<section><h2>Accuracy against cost</h2>\n<p>Widths layer by layer. Cost: ", out);
    rs_html_text(rs_j_text(s, "cost"), out);
    fprintf(out, ", %.6g ", widest);
    rs_html_text(rs_j_text(s, "unit"), out);
    fputs(" at the widest.</p>\n", out);
    if (all > 1 && high > low) {
        const json_t *chosen = json_array_get(points, (size_t)rs_j_int(s, "chosen"));
        const rs_plot_line lines[] = { { names[0], front, 0, x, y, rs_percent(rs_j_real(chosen, "cost"), widest) },
                                       { names[1], all, 1, x + most, y + most, NAN } };
        const double float_accuracy = rs_percent(rs_j_real(s, "float_hits"), images);
        const rs_plot plot = { .label = "Accuracy against cost",
                               .x_label = "cost, % of the widest",
                               .y_label = "accuracy, %",
                               .x0 = 0,
                               .x1 = 100,
                               .x_step = 10,
                               .y0 = low,
                               .y1 = fmin(100.0, fmax(high, float_accuracy) + 0.1 * (high - low)),
                               .level_label = "float",
                               .level = float_accuracy };
        rs_svg_lines(&plot, lines, 2, out);
        rs_svg_legend(names, 2, 0, out);
    }
    fputs("</section>\n", out);
    rs_free(x);
    rs_free(y);
}

bool rs_report_html(const json_t *report, FILE *out)
{
    html_page page = { .out = out };
    static void (*const printers[])(const json_t *section,
                                    html_page *page) = { NULL, print_quantize, NULL, print_simulate, print_cosim,
                                                         NULL, print_estimate, NULL, print_pareto };
    const char *name = rs_j_text(report, "name");
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\">\n<title>",
          out);
    rs_html_text(name, out);
    fputs(" - Ristretto</title>\n", out);
    print_style(&page);
    fputs("</head><body><main>\n<h1>", out);
    rs_html_text(name, out);
    fputs("</h1>\n<p class=\"soft\">", out);
    rs_html_text(rs_j_text(report, "tool"), out);
    fputs("</p>\n", out);
    print_tiles(report, &page);
    for (int i = 0; rs_report_sections[i] != NULL; i++) {
        const json_t *section = json_object_get(report, rs_report_sections[i]);
        if (section != NULL && printers[i] != NULL)
            printers[i](section, &page);
    }
    fputs("</main></body></html>\n", out);
    return !page.failed;
}
