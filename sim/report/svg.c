/* Plots as inline SVG: lines, bars, legends, and what they are drawn with. */
#include "report/svg.h"

#include <math.h>
#include <string.h>

void rs_html_text(const char *text, FILE *stream)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        case '\'':
            fputs("&#39;", stream);
            break;
        default:
            if (*p >= 0x20 && *p != 0x7f)
                putc(*p, stream);
        }
    }
}

const char *rs_short_text(double value, char *buffer)
{
    static const struct {
        double unit;
        const char *suffix;
    } units[] = { { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" }, { 1.0, "" } };
    size_t i = 0;
    while (i < 3 && fabs(value) < units[i].unit)
        i++;
    const double v = value / units[i].unit;
    snprintf(buffer, RS_SHORT_TEXT, "%.*f%s",
             v == floor(v) && fabs(v) < 1000 ? 0
             : fabs(v) >= 100                ? 0
             : fabs(v) >= 10                 ? 1
                                             : 2,
             v, units[i].suffix);
    return buffer;
}

double rs_nice_step(double range, int wanted)
{
    if (!(range > 0.0))
        return 1.0;
    const double raw = range / wanted, power = pow(10.0, floor(log10(raw)));
    const double lead = raw / power;
    return power * (lead < 1.5 ? 1.0 : lead < 3.5 ? 2.0 : lead < 7.5 ? 5.0 : 10.0);
}

void rs_svg_open(const char *label, double width, double height, FILE *stream)
{
    fprintf(stream, "<div class=\"plot\"><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width, height);
    rs_html_text(label, stream);
    fputs("\">\n", stream);
}

void rs_svg_text(double x, double y, const char *anchor, const char *class_name, const char *text, FILE *stream)
{
    fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class_name);
    rs_html_text(text, stream);
    fputs("</text>\n", stream);
}

/* -------------------------------------------------------------------------------------------------------- lines */

enum { WIDTH = 620, LEFT = 58, RIGHT = 16, TOP = 14, BOTTOM = 44, HEIGHT = 300 };

static double map_x(const rs_plot *p, double x)
{
    return LEFT + (x - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}

static double map_y(const rs_plot *p, double y)
{
    return HEIGHT - BOTTOM - (y - p->y0) / (p->y1 - p->y0) * (HEIGHT - TOP - BOTTOM);
}

/* The part of a segment that lies above y0; false: nothing. */
static bool clip(const rs_plot *p, double *xa, double *ya, double *xb, double *yb)
{
    if (*ya < p->y0 && *yb < p->y0)
        return false;
    if (*ya < p->y0) {
        *xa += (*xb - *xa) * (p->y0 - *ya) / (*yb - *ya);
        *ya = p->y0;
    } else if (*yb < p->y0) {
        *xb = *xa + (*xb - *xa) * (p->y0 - *ya) / (*yb - *ya);
        *yb = p->y0;
    }
    return true;
}

static void draw_line(const rs_plot *p, const rs_plot_line *line, FILE *stream)
{
    char text[RS_SHORT_TEXT];
    for (int i = 1; i < line->n; i++) {
        double xa = line->x[i - 1], ya = line->y[i - 1], xb = line->x[i], yb = line->y[i];
        if (clip(p, &xa, &ya, &xb, &yb))
            fprintf(stream, "<line class=\"s%d\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", line->color,
                    map_x(p, xa), map_y(p, ya), map_x(p, xb), map_y(p, yb));
    }
    for (int i = 0; i < line->n; i++) {
        if (line->y[i] < p->y0)
            continue;
        const bool marked = line->x[i] == line->mark_x;
        fprintf(stream, "<circle class=\"%s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>", marked ? "ring s" : "c",
                line->color, map_x(p, line->x[i]), map_y(p, line->y[i]), marked ? "6" : "3.2");
        rs_html_text(line->name, stream);
        fprintf(stream, ", %s bits: %.2f %%</title></circle>\n", rs_short_text(line->x[i], text), line->y[i]);
    }
}

void rs_svg_lines(const rs_plot *p, const rs_plot_line *lines, int n, FILE *stream)
{
    char text[RS_SHORT_TEXT];
    rs_svg_open(p->label, WIDTH, HEIGHT, stream);
    const double step = rs_nice_step(p->y1 - p->y0, 6);
    for (double y = ceil(p->y0 / step) * step; y <= p->y1 + step * 1e-9; y += step) {
        fprintf(stream, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)LEFT, map_y(p, y),
                WIDTH - RIGHT, map_y(p, y));
        snprintf(text, sizeof text, "%g", fabs(y) < step * 1e-9 ? 0.0 : y);
        rs_svg_text(LEFT - 8, map_y(p, y) + 4, "end", "tick", text, stream);
    }
    for (double x = p->x0; x <= p->x1; x += p->x_step) {
        snprintf(text, sizeof text, "%g", x);
        rs_svg_text(map_x(p, x), HEIGHT - BOTTOM + 18, "middle", "tick", text, stream);
    }
    rs_svg_text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, "middle", "axis", p->x_label, stream);
    fprintf(stream, "<g transform=\"translate(14 %.1f) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2.0);
    rs_svg_text(0, 0, "middle", "axis", p->y_label, stream);
    fputs("</g>\n", stream);
    if (p->level_label != NULL && p->level >= p->y0 && p->level <= p->y1) {
        fprintf(stream, "<line class=\"level\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)LEFT,
                map_y(p, p->level), WIDTH - RIGHT, map_y(p, p->level));
        rs_svg_text(WIDTH - RIGHT - 4, map_y(p, p->level) + 15, "end", "level-label", p->level_label, stream);
    }
    for (int i = 0; i < n; i++)
        draw_line(p, &lines[i], stream);
    fputs("</svg></div>\n", stream);
}

/* --------------------------------------------------------------------------------------------------------- bars */

enum { BAR_WIDTH = 900, BAR_LEFT = 190, BAR_RIGHT = 130, BAR = 18, BAR_GAP = 5, GROUP_GAP = 12 };

/* The chart's grid and axis; `scale`: of a value to the picture. */
static void bars_axis(const rs_bar_chart *chart, double max, double scale, double bottom, FILE *stream)
{
    char text[RS_SHORT_TEXT];
    const double step = rs_nice_step(max, 6);
    for (double v = 0.0; v <= max * (1 + 1e-9); v += step) {
        fprintf(stream, "<line class=\"grid\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%.1f\"/>\n", BAR_LEFT + v * scale,
                BAR_LEFT + v * scale, bottom);
        rs_svg_text(BAR_LEFT + v * scale, bottom + 15, "middle", "tick", rs_short_text(v, text), stream);
    }
    rs_svg_text((BAR_LEFT + BAR_WIDTH - BAR_RIGHT) / 2.0, bottom + 33, "middle", "axis", chart->axis_label, stream);
}

/* One bar with its top at y. */
static void draw_bar(const rs_bar_chart *chart, const rs_plot_bar *bar, double y, double scale, FILE *stream)
{
    char text[RS_SHORT_TEXT];
    double x = BAR_LEFT;
    rs_svg_text(BAR_LEFT - 8, y + 13.5, "end", bar->faint ? "tick" : "name", bar->label, stream);
    for (int k = 0; k < chart->n_parts; k++) {
        const double w = bar->parts[k] * scale;
        if (!(w > 0.0))
            continue;
        fprintf(stream, "<rect class=\"c%d%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"><title>",
                chart->color + k, bar->faint ? " faint" : "", x, y, w, (int)BAR);
        rs_html_text(bar->label, stream);
        fputs(", ", stream);
        rs_html_text(chart->names[k], stream);
        fprintf(stream, ": %s%s%s</title></rect>\n", rs_short_text(bar->parts[k], text),
                chart->unit[0] != '\0' ? " " : "", chart->unit);
        x += w;
    }
    rs_svg_text(x + 6, y + 13.5, "start", "tick", bar->note, stream);
}

void rs_svg_bars(const rs_bar_chart *chart, const rs_plot_bar *bars, size_t n, FILE *stream)
{
    double height = 4.0, max = chart->limit;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int k = 0; k < chart->n_parts; k++)
            sum += bars[i].parts[k];
        max = chart->limit > 0.0 ? chart->limit : sum > max ? sum : max;
        height += BAR + BAR_GAP + (bars[i].gap && i > 0 ? GROUP_GAP : 0);
    }
    if (!(max > 0.0))
        max = 1.0;
    const double scale = (BAR_WIDTH - BAR_LEFT - BAR_RIGHT) / max;
    rs_svg_open(chart->label, BAR_WIDTH, height + 38, stream);
    bars_axis(chart, max, scale, height, stream);
    double y = 4.0;
    for (size_t i = 0; i < n; i++) {
        y += bars[i].gap && i > 0 ? GROUP_GAP : 0;
        draw_bar(chart, &bars[i], y, scale, stream);
        y += BAR + BAR_GAP;
    }
    fputs("</svg></div>\n", stream);
}

void rs_svg_legend(const char *const *names, int n, int color, FILE *stream)
{
    fputs("<ul class=\"legend\">", stream);
    for (int i = 0; i < n; i++) {
        fprintf(stream,
                "<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"c%d\" width=\"12\" height=\"12\" "
                "rx=\"2\"/></svg>",
                color + i);
        rs_html_text(names[i], stream);
        fputs("</li>", stream);
    }
    fputs("</ul>\n", stream);
}
