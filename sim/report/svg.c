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

static void open_svg(const char *label, double width, double height, FILE *stream)
{
    fprintf(stream, "<div class=\"plot\"><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width, height);
    rs_html_text(label, stream);
    fputs("\">\n", stream);
}

static void text_at(double x, double y, const char *anchor, const char *class_name, const char *text, FILE *stream)
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
    open_svg(p->label, WIDTH, HEIGHT, stream);
    const double step = rs_nice_step(p->y1 - p->y0, 6);
    for (double y = ceil(p->y0 / step) * step; y <= p->y1 + step * 1e-9; y += step) {
        fprintf(stream, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)LEFT, map_y(p, y),
                WIDTH - RIGHT, map_y(p, y));
        snprintf(text, sizeof text, "%g", fabs(y) < step * 1e-9 ? 0.0 : y);
        text_at(LEFT - 8, map_y(p, y) + 4, "end", "tick", text, stream);
    }
    for (double x = p->x0; x <= p->x1; x += p->x_step) {
        snprintf(text, sizeof text, "%g", x);
        text_at(map_x(p, x), HEIGHT - BOTTOM + 18, "middle", "tick", text, stream);
    }
    text_at((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, "middle", "axis", p->x_label, stream);
    fprintf(stream, "<g transform=\"translate(14 %.1f) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2.0);
    text_at(0, 0, "middle", "axis", p->y_label, stream);
    fputs("</g>\n", stream);
    if (p->level_label != NULL && p->level >= p->y0 && p->level <= p->y1) {
        fprintf(stream, "<line class=\"level\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)LEFT,
                map_y(p, p->level), WIDTH - RIGHT, map_y(p, p->level));
        text_at(WIDTH - RIGHT - 4, map_y(p, p->level) + 15, "end", "level-label", p->level_label, stream);
    }
    for (int i = 0; i < n; i++)
        draw_line(p, &lines[i], stream);
    fputs("</svg></div>\n", stream);
}

/* --------------------------------------------------------------------------------------------------------- bars */

enum { BAR_WIDTH = 900, BAR_LEFT = 190, BAR_RIGHT = 130, BAR = 18, BAR_GAP = 5, GROUP_GAP = 12 };

void rs_svg_bars(const char *label, const char *axis_label, const char *unit, const char *const *names, int n_parts,
                 int color, const rs_plot_bar *bars, int n, double limit, FILE *stream)
{
    char text[RS_SHORT_TEXT];
    double height = 4.0, most = limit;
    for (int i = 0; i < n; i++) {
        double sum = 0.0;
        for (int k = 0; k < n_parts; k++)
            sum += bars[i].parts[k];
        most = limit > 0.0 ? limit : sum > most ? sum : most;
        height += BAR + BAR_GAP + (bars[i].gap && i > 0 ? GROUP_GAP : 0);
    }
    if (!(most > 0.0))
        most = 1.0;
    const double scale = (BAR_WIDTH - BAR_LEFT - BAR_RIGHT) / most, bottom = height;
    open_svg(label, BAR_WIDTH, height + 38, stream);
    const double step = rs_nice_step(most, 6);
    for (double v = 0.0; v <= most * (1 + 1e-9); v += step) {
        fprintf(stream, "<line class=\"grid\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%.1f\"/>\n", BAR_LEFT + v * scale,
                BAR_LEFT + v * scale, bottom);
        text_at(BAR_LEFT + v * scale, bottom + 15, "middle", "tick", rs_short_text(v, text), stream);
    }
    text_at((BAR_LEFT + BAR_WIDTH - BAR_RIGHT) / 2.0, bottom + 33, "middle", "axis", axis_label, stream);
    double y = 4.0;
    for (int i = 0; i < n; i++) {
        y += bars[i].gap && i > 0 ? GROUP_GAP : 0;
        text_at(BAR_LEFT - 8, y + 13.5, "end", bars[i].faint ? "tick" : "name", bars[i].label, stream);
        double x = BAR_LEFT;
        for (int k = 0; k < n_parts; k++) {
            const double w = bars[i].parts[k] * scale;
            if (!(w > 0.0))
                continue;
            fprintf(stream, "<rect class=\"c%d%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"><title>",
                    color + k, bars[i].faint ? " faint" : "", x, y, w, (int)BAR);
            rs_html_text(bars[i].label, stream);
            fputs(", ", stream);
            rs_html_text(names[k], stream);
            fprintf(stream, ": %s%s%s</title></rect>\n", rs_short_text(bars[i].parts[k], text),
                    unit[0] != '\0' ? " " : "", unit);
            x += w;
        }
        text_at(x + 6, y + 13.5, "start", "tick", bars[i].note, stream);
        y += BAR + BAR_GAP;
    }
    fputs("</svg></div>\n", stream);
}

/* ----------------------------------------------------------------------------------------------------- roofline */

enum {
    ROOF_WIDTH = 900,
    ROOF_HEIGHT = 460,
    ROOF_LEFT = 66,
    ROOF_RIGHT = 24,
    ROOF_TOP = 20,
    ROOF_BOTTOM = 48,
    MOST_LABELS = 256,
    MOST_BOXES = 2 * MOST_LABELS + 256
};

typedef struct svg_roof {
    double x0, x1, y0, y1; /* powers of ten at the ends of the axes */
} svg_roof;

static double roof_x(const svg_roof *r, double v)
{
    return ROOF_LEFT + (log10(v) - r->x0) / (r->x1 - r->x0) * (ROOF_WIDTH - ROOF_LEFT - ROOF_RIGHT);
}

static double roof_y(const svg_roof *r, double v)
{
    return ROOF_HEIGHT - ROOF_BOTTOM - (log10(v) - r->y0) / (r->y1 - r->y0) * (ROOF_HEIGHT - ROOF_TOP - ROOF_BOTTOM);
}

typedef struct svg_box {
    double x, y, w, h;
} svg_box;

static bool overlaps(const svg_box *a, const svg_box *b)
{
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

/* A place for a name near its point that nothing else has taken; false: none. */
static bool place_label(double x, double y, double width, const svg_box *taken, int n, svg_box *result,
                        const char **anchor)
{
    static const struct {
        double dx, dy;
        const char *anchor;
    } places[] = {
        { 8, 4, "start" },    { -8, 4, "end" },    { 0, -9, "middle" }, { 0, 17, "middle" },  { 8, -8, "start" },
        { 8, 16, "start" },   { -8, -8, "end" },   { -8, 16, "end" },   { 0, -22, "middle" }, { 0, 30, "middle" },
        { 16, -20, "start" }, { 16, 28, "start" }, { -16, -20, "end" }, { -16, 28, "end" },
    };
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        const char a = places[k].anchor[0];
        const double left = x + places[k].dx - (a == 'e' ? width : a == 'm' ? width / 2 : 0);
        const svg_box b = { left, y + places[k].dy - 11, width, 14 };
        bool free = b.x >= ROOF_LEFT && b.x + b.w <= ROOF_WIDTH - 2 && b.y >= 2 &&
                    b.y + b.h <= ROOF_HEIGHT - ROOF_BOTTOM;
        for (int i = 0; i < n && free; i++)
            free = !overlaps(&b, &taken[i]);
        if (free) {
            *result = b;
            *anchor = places[k].anchor;
            return true;
        }
    }
    return false;
}

/* The same for a number, further and further away. */
static bool place_number(double x, double y, double width, const svg_box *taken, int n, svg_box *result)
{
    for (double away = 14; away <= 110; away += 8)
        for (int turn = 0; turn < 16; turn++) {
            const double angle = turn * acos(-1.0) / 8;
            const svg_box b = { x + away * cos(angle) - width / 2, y + away * sin(angle) - 7, width, 14 };
            bool free = b.x >= ROOF_LEFT + 2 && b.x + b.w <= ROOF_WIDTH - 2 && b.y >= 2 &&
                        b.y + b.h <= ROOF_HEIGHT - ROOF_BOTTOM;
            for (int i = 0; i < n && free; i++)
                free = !overlaps(&b, &taken[i]);
            if (free) {
                *result = b;
                return true;
            }
        }
    return false;
}

/* The roof is a row of small boxes that no name may cover. */
static int block_line(double xa, double ya, double xb, double yb, svg_box *taken, int n)
{
    enum { PIECES = 60 };
    for (int i = 0; i <= PIECES; i++)
        taken[n++] = (svg_box) { xa + (xb - xa) * i / PIECES - 2, ya + (yb - ya) * i / PIECES - 2, 4, 4 };
    return n;
}

void rs_svg_roofline(const char *label, double peak, double bytes, const rs_roof_point *points, int n, FILE *stream)
{
    static svg_box taken[MOST_BOXES];
    static bool numbered[MOST_LABELS];
    char text[RS_SHORT_TEXT], what[96];
    int n_taken = 0;
    const double ridge = peak / bytes;
    double low_x = ridge, high_x = ridge, low_y = peak;
    for (int i = 0; i < n; i++) {
        if (!(points[i].intensity > 0.0) || !(points[i].rate > 0.0))
            continue;
        low_x = fmin(low_x, points[i].intensity);
        high_x = fmax(high_x, points[i].intensity);
        low_y = fmin(low_y, points[i].rate);
    }
    const svg_roof r = { floor(log10(low_x * 0.9)), ceil(log10(high_x * 1.5)), floor(log10(low_y * 0.9)),
                         ceil(log10(peak * 1.2)) };
    open_svg(label, ROOF_WIDTH, ROOF_HEIGHT, stream);
    for (double p = r.x0; p <= r.x1; p++) {
        const double x = roof_x(&r, pow(10, p));
        fprintf(stream, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, (int)ROOF_TOP, x,
                ROOF_HEIGHT - ROOF_BOTTOM);
        text_at(x, ROOF_HEIGHT - ROOF_BOTTOM + 17, "middle", "tick", rs_short_text(pow(10, p), text), stream);
    }
    for (double p = r.y0; p <= r.y1; p++) {
        const double y = roof_y(&r, pow(10, p));
        fprintf(stream, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)ROOF_LEFT, y,
                ROOF_WIDTH - ROOF_RIGHT, y);
        text_at(ROOF_LEFT - 8, y + 4, "end", "tick", rs_short_text(pow(10, p), text), stream);
    }
    text_at((ROOF_LEFT + ROOF_WIDTH - ROOF_RIGHT) / 2.0, ROOF_HEIGHT - 8, "middle", "axis",
            "multiply-accumulates for each byte over the bus", stream);
    fprintf(stream, "<g transform=\"translate(15 %.1f) rotate(-90)\">", (ROOF_TOP + ROOF_HEIGHT - ROOF_BOTTOM) / 2.0);
    text_at(0, 0, "middle", "axis", "multiply-accumulates a cycle", stream);
    fputs("</g>\n", stream);
    /* The roof: the slope of the memory, cut at the bottom, and the flat of the multipliers. */
    const double bottom = fmax(pow(10, r.x0), pow(10, r.y0) / bytes);
    fprintf(stream, "<polyline class=\"roof\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n", roof_x(&r, bottom),
            roof_y(&r, bottom * bytes), roof_x(&r, ridge), roof_y(&r, peak), roof_x(&r, pow(10, r.x1)),
            roof_y(&r, peak));
    snprintf(what, sizeof what, "multipliers: %s a cycle", rs_short_text(peak, text));
    text_at(ROOF_WIDTH - ROOF_RIGHT - 4, roof_y(&r, peak) - 7, "end", "level-label", what, stream);
    taken[n_taken++] = (svg_box) { ROOF_WIDTH - ROOF_RIGHT - 4 - 190, roof_y(&r, peak) - 20, 190, 22 };
    snprintf(what, sizeof what, "bus: %s bytes a cycle", rs_short_text(bytes, text));
    /* Along the slope, above it. */
    const double x_mid = pow(10, (log10(bottom) + log10(ridge)) / 2);
    const double rise = roof_y(&r, bottom * bytes) - roof_y(&r, peak), run = roof_x(&r, ridge) - roof_x(&r, bottom);
    const double angle = -atan2(rise, run) * 180 / acos(-1.0);
    fprintf(stream, "<g transform=\"translate(%.1f %.1f) rotate(%.1f)\">", roof_x(&r, x_mid),
            roof_y(&r, x_mid * bytes) - 9, angle);
    text_at(0, 0, "middle", "level-label", what, stream);
    fputs("</g>\n", stream);
    n_taken = block_line(roof_x(&r, bottom), roof_y(&r, bottom * bytes), roof_x(&r, ridge), roof_y(&r, peak), taken,
                         n_taken);
    n_taken = block_line(roof_x(&r, ridge), roof_y(&r, peak), roof_x(&r, pow(10, r.x1)), roof_y(&r, peak), taken,
                         n_taken);
    /* Points first: no name may cover one. */
    for (int i = 0; i < n && i < MOST_LABELS; i++)
        if (points[i].intensity > 0.0 && points[i].rate > 0.0)
            taken[n_taken++] = (svg_box) { roof_x(&r, points[i].intensity) - 5, roof_y(&r, points[i].rate) - 5, 10,
                                           10 };
    int n_numbered = 0;
    for (int i = 0; i < n && i < MOST_LABELS; i++) {
        numbered[i] = false;
        if (!(points[i].intensity > 0.0) || !(points[i].rate > 0.0))
            continue;
        const double x = roof_x(&r, points[i].intensity), y = roof_y(&r, points[i].rate);
        fprintf(stream, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"><title>", points[i].color, x, y);
        rs_html_text(points[i].name, stream);
        fprintf(stream, ": %.1f MACs a cycle, %.2f a byte</title></circle>\n", points[i].rate, points[i].intensity);
        svg_box b;
        const char *anchor = "start";
        if (place_label(x, y, 6.6 * (double)strlen(points[i].name) + 4, taken, n_taken, &b, &anchor)) {
            taken[n_taken++] = b;
            text_at(anchor[0] == 's'   ? b.x + 2
                    : anchor[0] == 'e' ? b.x + b.w - 2
                                       : b.x + b.w / 2,
                    b.y + 11, anchor, "tick", points[i].name, stream);
            continue;
        }
        snprintf(what, sizeof what, "%d", i + 1);
        numbered[i] = true;
        n_numbered++;
        if (place_number(x, y, 7.0 * (double)strlen(what) + 4, taken, n_taken, &b)) {
            taken[n_taken++] = b;
            fprintf(stream, "<line class=\"leader\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, y,
                    b.x + b.w / 2, b.y + 7);
            text_at(b.x + b.w / 2, b.y + 11, "middle", "tick halo", what, stream);
        }
    }
    fputs("</svg></div>\n", stream);
    if (n_numbered > 0)
        fputs("<p class=\"soft\">", stream);
    for (int i = 0, shown = 0; i < n && i < MOST_LABELS; i++)
        if (numbered[i]) {
            fprintf(stream, "%s%d\u00a0", shown++ > 0 ? ", " : "", i + 1);
            rs_html_text(points[i].name, stream);
        }
    if (n_numbered > 0)
        fputs("</p>\n", stream);
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
