/* Draws what the engines of the array did in which cycles, as SVG or as a trace. */
#include "report/timeline.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/report.h"
#include "report/svg.h"
#include "report/table.h"

struct rs_timeline {
    const rs_program *program;
    rs_activity *items;
    size_t n, capacity;
    bool failed;
};

static const char *const engine_names[RS_ARRAY_ENGINES] = { "loader", "sequencer", "storer" };

static const struct {
    const char *name, *color;
} kinds[RS_ACTIVITIES] = {
    [RS_ACTIVITY_COMPUTE] = { "computes", "#2f6fdb" },
    [RS_ACTIVITY_LOAD_WEIGHTS] = { "loads weights", "#2a9d6f" },
    [RS_ACTIVITY_LOAD_IFMAP] = { "loads the ifmap", "#8bc34a" },
    [RS_ACTIVITY_STORE] = { "writes the ofmap", "#8c5bd6" },
    [RS_ACTIVITY_WAIT_WEIGHTS] = { "waits for weights", "#e08a1e" },
    [RS_ACTIVITY_WAIT_IFMAP] = { "waits for the ifmap", "#d64f5c" },
    [RS_ACTIVITY_WAIT_OUTPUT] = { "waits for the output buffer", "#c35ea8" },
    [RS_ACTIVITY_WAIT_BUFFER] = { "waits for a free half", "#c9ced6" },
    [RS_ACTIVITY_WAIT_STORED] = { "waits for the layer before", "#8f98a5" },
};

rs_status rs_timeline_new(const rs_program *program, rs_timeline **timeline, rs_diag *diag)
{
    *timeline = RS_NEW(rs_timeline);
    if (*timeline == NULL)
        return rs_out_of_memory(diag);
    (*timeline)->program = program;
    return RS_OK;
}

void rs_timeline_free(rs_timeline *t)
{
    if (t == NULL)
        return;
    rs_free(t->items);
    rs_free(t);
}

void rs_timeline_add(void *timeline, const rs_activity *activity)
{
    rs_timeline *t = timeline;
    rs_activity *grown = rs_grow(t->items, t->n, &t->capacity, sizeof *grown);
    if (grown == NULL) {
        t->failed = true;
        return;
    }
    t->items = grown;
    t->items[t->n++] = *activity;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

rs_status rs_timeline_check_name(const char *path, const char *option, rs_diag *diag)
{
    if (ends_with(path, ".svg") || ends_with(path, ".json"))
        return RS_OK;
    return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                    "%s takes a file that ends with .svg (a picture) or .json (a trace for Chrome), not '%s'", option,
                    path);
}

/* --------------------------------------------------------------------------------------------------------- JSON */

static bool append(json_t *list, json_t *item)
{
    return json_array_append_new(list, item) == 0;
}

static rs_status write_json(const rs_timeline *t, uint64_t cycles, const char *path, rs_diag *diag)
{
    json_t *events = json_array();
    bool good = events != NULL;
    for (int u = 0; u < RS_ARRAY_ENGINES && good; u++)
        good = append(events, json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", "thread_name", "ph", "M", "pid", 1,
                                        "tid", u + 1, "args", "name", engine_names[u]));
    if (good)
        good = append(events, json_pack("{s:s, s:s, s:i, s:{s:s}}", "name", "process_name", "ph", "M", "pid", 1, "args",
                                        "name", "array (1 us is one cycle)"));
    for (size_t i = 0; i < t->n && good; i++) {
        const rs_activity *a = &t->items[i];
        const char *layer = t->program->layers[a->layer].name;
        json_t *args = json_pack("{s:s, s:i}", "layer", layer, "descriptor", a->descriptor);
        if (a->group >= 0)
            good = json_object_set_new(args, "group", json_integer(a->group)) == 0;
        char *name = rs_format("%s: %s", layer, kinds[a->kind].name);
        json_t *event = !good || name == NULL
                            ? NULL
                            : json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I}", "name", name, "cat", kinds[a->kind].name,
                                        "ph", "X", "pid", 1, "tid", (int)a->engine + 1, "ts", (json_int_t)a->from,
                                        "dur", (json_int_t)(a->to - a->from));
        /* Takes args in any case, as json_pack with an o would not. */
        good = json_object_set_new(event, "args", args) == 0;
        if (good)
            good = append(events, event);
        else
            json_decref(event);
        rs_free(name);
    }
    json_t *trace = good ? json_pack("{s:s, s:{s:I, s:s}, s:O}", "displayTimeUnit", "ms", "otherData", "cycles",
                                     (json_int_t)cycles, "network", t->program->qnet->name, "traceEvents", events)
                         : NULL;
    json_decref(events);
    if (trace == NULL)
        return rs_out_of_memory(diag);
    const rs_status status = rs_json_write(trace, path, diag);
    json_decref(trace);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- SVG */

enum {
    WIDTH = 1450,
    LEFT = 200,
    RIGHT = 110,
    TOP = 92,
    ROW = 34,
    ROW_GAP = 8,
    BAND = 24,
    SMALL = 9,
    LAYER_GAP = 14,
    COLUMNS = WIDTH - LEFT - RIGHT
};

/* Cycles [t0, t1) of an engine as a row, of one layer or (-1) of all: a column of one pixel is divided by the shares of
 * what the engine did in its cycles. */
static void draw_row(const rs_timeline *t, rs_array_engine engine, int layer, uint64_t t0, uint64_t t1, double y,
                     double height, FILE *out)
{
    enum { LEVELS = 16 };
    static double share[COLUMNS][RS_ACTIVITIES];
    memset(share, 0, sizeof share);
    const double scale = (double)COLUMNS / (double)(t1 - t0);
    for (size_t i = 0; i < t->n; i++) {
        const rs_activity *a = &t->items[i];
        if (a->engine != engine || (layer >= 0 && a->layer != layer) || a->to <= t0 || a->from >= t1)
            continue;
        const double from = a->from > t0 ? (double)(a->from - t0) * scale : 0.0,
                     to = a->to < t1 ? (double)(a->to - t0) * scale : COLUMNS;
        for (int c = (int)from; c < COLUMNS && (double)c < to; c++) {
            const double left = from > c ? from : c, right = to < c + 1 ? to : c + 1;
            share[c][a->kind] += right - left;
        }
    }
    /* Columns that look alike are one rectangle. */
    for (int c = 0; c < COLUMNS;) {
        int levels[RS_ACTIVITIES], end = c;
        for (int k = 0; k < RS_ACTIVITIES; k++)
            levels[k] = (int)(share[c][k] * LEVELS + 0.5);
        bool alike = true;
        while (alike && ++end < COLUMNS)
            for (int k = 0; k < RS_ACTIVITIES; k++)
                alike = alike && (int)(share[end][k] * LEVELS + 0.5) == levels[k];
        double top = y + height;
        for (int k = 0; k < RS_ACTIVITIES; k++) {
            if (levels[k] == 0)
                continue;
            const double part = height * levels[k] / LEVELS;
            top -= part;
            fprintf(out, "<rect class=\"k%d\" x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\"/>\n", k, LEFT + c, top,
                    end - c, part);
        }
        c = end;
    }
}

static void text(double x, double y, const char *anchor, const char *class_name, const char *what, FILE *out)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class_name);
    rs_html_text(what, out);
    fputs("</text>\n", out);
}

/* Ticks below a row over cycles [t0, t1). */
static void axis(uint64_t t0, uint64_t t1, double y, FILE *out)
{
    char label[RS_SHORT_TEXT];
    for (double at = 0.0, step = rs_nice_step((double)(t1 - t0), 8); at <= (double)(t1 - t0) * (1 + 1e-9); at += step) {
        const double x = LEFT + at / (double)(t1 - t0) * COLUMNS;
        fprintf(out, "<line class=\"tick\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, y, x, y + 4);
        text(x, y + 17, "middle", "soft", rs_short_text(at, label), out);
    }
    text(LEFT + COLUMNS + 26, y + 17, "start", "soft", "cycles", out);
}

/* When a layer is at work: all that the engines do for it. */
static bool extent(const rs_timeline *t, int layer, uint64_t *from, uint64_t *to)
{
    *from = UINT64_MAX;
    *to = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].layer == layer) {
            /* What only waits for its turn does not count. */
            if (t->items[i].kind >= RS_ACTIVITY_WAIT_BUFFER)
                continue;
            *from = t->items[i].from < *from ? t->items[i].from : *from;
            *to = t->items[i].to > *to ? t->items[i].to : *to;
        }
    return *to > *from;
}

/* The layers above the rows, by what the sequencer does; a name only where there is room for it. */
static void draw_layers(const rs_timeline *t, uint64_t cycles, double y, FILE *out)
{
    const double scale = (double)COLUMNS / (double)cycles;
    double free_from = 0.0;
    for (int l = 0, shown = 0; l < t->program->n_layers; l++) {
        uint64_t from = UINT64_MAX, to = 0;
        for (size_t i = 0; i < t->n; i++)
            if (t->items[i].layer == l && t->items[i].engine == RS_ARRAY_SEQUENCER) {
                from = t->items[i].from < from ? t->items[i].from : from;
                to = t->items[i].to > to ? t->items[i].to : to;
            }
        if (to <= from)
            continue;
        const double x = LEFT + (double)from * scale, w = (double)(to - from) * scale;
        const char *name = t->program->layers[l].name;
        fprintf(out, "<rect class=\"band%d\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"><title>", shown++ % 2,
                x, y, w, (int)BAND);
        rs_html_text(name, out);
        fprintf(out, "</title></rect>\n");
        const double width = 7.2 * (double)strlen(name) + 8;
        if (width <= w && x >= free_from) {
            text(x + w / 2, y + 16, "middle", "name", name, out);
            free_from = x + w;
        }
    }
}

static void open_picture(const rs_timeline *t, uint64_t cycles, double height, FILE *out)
{
    char number[RS_COUNT_TEXT];
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\">\n<style>"
            "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu "
            "Sans',sans-serif;fill:#1b2430}.soft{fill:#5b6675}.title{font-size:17px;font-weight:600}"
            ".head{font-weight:600}.tick{stroke:#9aa3af}.band0{fill:#e8edf5}.band1{fill:#d5deec}.ground{fill:#f4f5f7}",
            (int)WIDTH, height, (int)WIDTH, height);
    for (int k = 0; k < RS_ACTIVITIES; k++)
        fprintf(out, ".k%d{fill:%s}", k, kinds[k].color);
    fprintf(out, "</style>\n<rect width=\"%d\" height=\"%.0f\" fill=\"#fff\"/>\n", (int)WIDTH, height);
    const char *network = t->program->qnet->name[0] != '\0' ? t->program->qnet->name : "the network";
    char *title = rs_format("%s on %d x %d multipliers: %s cycles", network, t->program->config.lanes,
                            t->program->config.multipliers, rs_count_text((int64_t)cycles, number));
    text(20, 30, "start", "title", title != NULL ? title : "", out);
    rs_free(title);
    /* The key, in two lines. */
    static const int widths[RS_ACTIVITIES] = { 110, 140, 150, 160, 160, 170, 210, 180, 200 };
    double x = 20, y = 46;
    for (int k = 0; k < RS_ACTIVITIES; k++) {
        if (k == RS_ACTIVITY_WAIT_WEIGHTS) {
            x = 20;
            y += 20;
        }
        fprintf(out, "<rect class=\"k%d\" x=\"%.0f\" y=\"%.0f\" width=\"12\" height=\"12\"/>\n", k, x, y);
        text(x + 18, y + 10.5, "start", "soft", kinds[k].name, out);
        x += widths[k];
    }
}

static void draw(const rs_timeline *t, uint64_t cycles, FILE *out)
{
    uint64_t from, to;
    int layers = 0;
    for (int l = 0; l < t->program->n_layers; l++)
        layers += extent(t, l, &from, &to);
    const double rows = TOP + BAND + 6, after = rows + RS_ARRAY_ENGINES * (ROW + ROW_GAP) + 40;
    const double each = RS_ARRAY_ENGINES * (SMALL + 1) + LAYER_GAP;
    open_picture(t, cycles, after + 24 + layers * each + 10, out);
    draw_layers(t, cycles, TOP, out);
    text(LEFT - 12, TOP + 16, "end", "soft", "layer", out);
    for (int u = 0; u < RS_ARRAY_ENGINES; u++) {
        const double y = rows + u * (ROW + ROW_GAP);
        fprintf(out, "<rect class=\"ground\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", (int)LEFT, y,
                (int)COLUMNS, (int)ROW);
        text(LEFT - 12, y + ROW / 2.0 + 4, "end", "head", engine_names[u], out);
        draw_row(t, (rs_array_engine)u, -1, 0, cycles, y, ROW, out);
    }
    axis(0, cycles, rows + RS_ARRAY_ENGINES * (ROW + ROW_GAP) - ROW_GAP + 2, out);
    text(20, after + 6, "start", "soft",
         "Each layer at a scale of its own: loader, sequencer, storer, from its first beat to its last write", out);
    enum { MOST_NAME = 26 };
    double y = after + 24;
    for (int l = 0; l < t->program->n_layers; l++) {
        if (!extent(t, l, &from, &to))
            continue;
        char name[32], number[RS_COUNT_TEXT];
        const char *full = t->program->layers[l].name;
        /* Long names keep their ends, where they differ. */
        const size_t n = strlen(full);
        snprintf(name, sizeof name, "%s%s", n > MOST_NAME ? ".." : "",
                 n > MOST_NAME ? full + n - (MOST_NAME - 2) : full);
        text(LEFT - 12, y + 19, "end", "name", name, out);
        for (int u = 0; u < RS_ARRAY_ENGINES; u++) {
            fprintf(out, "<rect class=\"ground\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", (int)LEFT,
                    y + u * (SMALL + 1), (int)COLUMNS, (int)SMALL);
            draw_row(t, (rs_array_engine)u, l, from, to, y + u * (SMALL + 1), SMALL, out);
        }
        text(LEFT + COLUMNS + 10, y + 19, "start", "soft", rs_count_text((int64_t)(to - from), number), out);
        y += each;
    }
    fputs("</svg>\n", out);
}

rs_status rs_timeline_write(const rs_timeline *t, uint64_t cycles, const char *path, rs_diag *diag)
{
    if (t->failed)
        return rs_out_of_memory(diag);
    rs_status status = rs_timeline_check_name(path, "the timeline", diag);
    if (status != RS_OK)
        return status;
    if (ends_with(path, ".json"))
        return write_json(t, cycles, path, diag);
    rs_output *out = NULL;
    status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    draw(t, cycles > 0 ? cycles : 1, rs_output_stream(out));
    return rs_output_commit(out, diag);
}
