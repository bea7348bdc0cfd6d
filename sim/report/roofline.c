/* A roofline plot as inline SVG. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/svg.h"

enum {
    ROOF_WIDTH = 900,
    ROOF_HEIGHT = 460,
    ROOF_LEFT = 66,
    ROOF_RIGHT = 24,
    ROOF_TOP = 20,
    ROOF_BOTTOM = 48,
    ROOF_PIECES = 60 /* of each of its two lines, as boxes */
};

/* The plot while it is drawn. */
typedef struct svg_roof {
    double x0, x1, y0, y1; /* powers of ten at the ends of the axes */
    double peak, bytes;
    FILE *stream;
    size_t n_taken; /* places that no name may cover; the array has space for all of them */
    struct svg_box *taken;
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
static bool place_label(const svg_roof *r, double x, double y, double width, svg_box *result, const char **anchor)
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
        for (size_t i = 0; i < r->n_taken && free; i++)
            free = !overlaps(&b, &r->taken[i]);
        if (free) {
            *result = b;
            *anchor = places[k].anchor;
            return true;
        }
    }
    return false;
}

/* The same for a number, further and further away. */
static bool place_number(const svg_roof *r, double x, double y, double width, svg_box *result)
{
    for (double away = 14; away <= 110; away += 8)
        for (int turn = 0; turn < 16; turn++) {
            const double angle = turn * acos(-1.0) / 8;
            const svg_box b = { x + away * cos(angle) - width / 2, y + away * sin(angle) - 7, width, 14 };
            bool free = b.x >= ROOF_LEFT + 2 && b.x + b.w <= ROOF_WIDTH - 2 && b.y >= 2 &&
                        b.y + b.h <= ROOF_HEIGHT - ROOF_BOTTOM;
            for (size_t i = 0; i < r->n_taken && free; i++)
                free = !overlaps(&b, &r->taken[i]);
            if (free) {
                *result = b;
                return true;
            }
        }
    return false;
}

/* The roof is a row of small boxes that no name may cover. */
static void block_line(svg_roof *r, double xa, double ya, double xb, double yb)
{
    for (int i = 0; i <= ROOF_PIECES; i++)
        r->taken[r->n_taken++] = (svg_box) { xa + (xb - xa) * i / ROOF_PIECES - 2, ya + (yb - ya) * i / ROOF_PIECES - 2,
                                             4, 4 };
}

static bool drawn(const rs_roof_point *p)
{
    return p->intensity > 0.0 && p->rate > 0.0;
}

/* The ends of the axes: whole powers of ten around the points and the ridge. */
static void set_axes(svg_roof *r, const rs_roof_point *points, size_t n)
{
    const double ridge = r->peak / r->bytes;
    double low_x = ridge, high_x = ridge, low_y = r->peak;
    for (size_t i = 0; i < n; i++) {
        if (!drawn(&points[i]))
            continue;
        low_x = fmin(low_x, points[i].intensity);
        high_x = fmax(high_x, points[i].intensity);
        low_y = fmin(low_y, points[i].rate);
    }
    r->x0 = floor(log10(low_x * 0.9));
    r->x1 = ceil(log10(high_x * 1.5));
    r->y0 = floor(log10(low_y * 0.9));
    r->y1 = ceil(log10(r->peak * 1.2));
}

static void draw_axes(const svg_roof *r)
{
    char text[RS_SHORT_TEXT];
    for (double p = r->x0; p <= r->x1; p++) {
        const double x = roof_x(r, pow(10, p));
        fprintf(r->stream, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, (int)ROOF_TOP, x,
                ROOF_HEIGHT - ROOF_BOTTOM);
        rs_svg_text(x, ROOF_HEIGHT - ROOF_BOTTOM + 17, "middle", "tick", rs_short_text(pow(10, p), text), r->stream);
    }
    for (double p = r->y0; p <= r->y1; p++) {
        const double y = roof_y(r, pow(10, p));
        fprintf(r->stream, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", (int)ROOF_LEFT, y,
                ROOF_WIDTH - ROOF_RIGHT, y);
        rs_svg_text(ROOF_LEFT - 8, y + 4, "end", "tick", rs_short_text(pow(10, p), text), r->stream);
    }
    rs_svg_text((ROOF_LEFT + ROOF_WIDTH - ROOF_RIGHT) / 2.0, ROOF_HEIGHT - 8, "middle", "axis",
                "multiply-accumulates for each byte over the bus", r->stream);
    fprintf(r->stream, "<g transform=\"translate(15 %.1f) rotate(-90)\">",
            (ROOF_TOP + ROOF_HEIGHT - ROOF_BOTTOM) / 2.0);
    rs_svg_text(0, 0, "middle", "axis", "multiply-accumulates a cycle", r->stream);
    fputs("</g>\n", r->stream);
}

/* The slope of the memory, cut at the bottom, and the flat of the multipliers, each with its name. */
static void draw_roof(svg_roof *r)
{
    char text[RS_SHORT_TEXT], what[96];
    const double ridge = r->peak / r->bytes, bottom = fmax(pow(10, r->x0), pow(10, r->y0) / r->bytes);
    const double xa = roof_x(r, bottom), ya = roof_y(r, bottom * r->bytes), xb = roof_x(r, ridge),
                 yb = roof_y(r, r->peak), xc = roof_x(r, pow(10, r->x1));
    fprintf(r->stream, "<polyline class=\"roof\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n", xa, ya, xb, yb, xc, yb);
    snprintf(what, sizeof what, "multipliers: %s a cycle", rs_short_text(r->peak, text));
    rs_svg_text(ROOF_WIDTH - ROOF_RIGHT - 4, yb - 7, "end", "level-label", what, r->stream);
    r->taken[r->n_taken++] = (svg_box) { ROOF_WIDTH - ROOF_RIGHT - 4 - 190, yb - 20, 190, 22 };
    snprintf(what, sizeof what, "bus: %s bytes a cycle", rs_short_text(r->bytes, text));
    /* Along the slope, above it. */
    const double middle = pow(10, (log10(bottom) + log10(ridge)) / 2);
    const double angle = -atan2(ya - yb, xb - xa) * 180 / acos(-1.0);
    fprintf(r->stream, "<g transform=\"translate(%.1f %.1f) rotate(%.1f)\">", roof_x(r, middle),
            roof_y(r, middle * r->bytes) - 9, angle);
    rs_svg_text(0, 0, "middle", "level-label", what, r->stream);
    fputs("</g>\n", r->stream);
    block_line(r, xa, ya, xb, yb);
    block_line(r, xb, yb, xc, yb);
}

/* A point and its name, or its number if there is no place for the name; true: the number. */
static bool draw_point(svg_roof *r, const rs_roof_point *point, size_t number)
{
    const double x = roof_x(r, point->intensity), y = roof_y(r, point->rate);
    fprintf(r->stream, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"><title>", point->color, x, y);
    rs_html_text(point->name, r->stream);
    fprintf(r->stream, ": %.1f MACs a cycle, %.2f a byte</title></circle>\n", point->rate, point->intensity);
    svg_box b;
    const char *anchor = "start";
    if (place_label(r, x, y, 6.6 * (double)strlen(point->name) + 4, &b, &anchor)) {
        const double at = anchor[0] == 's' ? b.x + 2 : anchor[0] == 'e' ? b.x + b.w - 2 : b.x + b.w / 2;
        r->taken[r->n_taken++] = b;
        rs_svg_text(at, b.y + 11, anchor, "tick", point->name, r->stream);
        return false;
    }
    char what[32];
    snprintf(what, sizeof what, "%zu", number);
    if (place_number(r, x, y, 7.0 * (double)strlen(what) + 4, &b)) {
        r->taken[r->n_taken++] = b;
        fprintf(r->stream, "<line class=\"leader\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, y,
                b.x + b.w / 2, b.y + 7);
        rs_svg_text(b.x + b.w / 2, b.y + 11, "middle", "tick halo", what, r->stream);
    }
    return true;
}

bool rs_svg_roofline(const rs_roofline *roofline, const rs_roof_point *points, size_t n, FILE *stream)
{
    svg_roof r = { .peak = roofline->peak, .bytes = roofline->bytes, .stream = stream };
    r.taken = RS_NEW_ARRAY(svg_box, 2 * n + 2 * (ROOF_PIECES + 1) + 1);
    bool *numbered = RS_NEW_ARRAY(bool, n);
    const bool enough = r.taken != NULL && numbered != NULL;
    if (enough) {
        set_axes(&r, points, n);
        rs_svg_open(roofline->label, ROOF_WIDTH, ROOF_HEIGHT, stream);
        draw_axes(&r);
        draw_roof(&r);
        /* Points first: no name may cover one. */
        for (size_t i = 0; i < n; i++)
            if (drawn(&points[i]))
                r.taken[r.n_taken++] = (svg_box) { roof_x(&r, points[i].intensity) - 5, roof_y(&r, points[i].rate) - 5,
                                                   10, 10 };
        size_t n_numbered = 0;
        for (size_t i = 0; i < n; i++)
            n_numbered += numbered[i] = drawn(&points[i]) && draw_point(&r, &points[i], i + 1);
        fputs("</svg></div>\n", stream);
        const char *before = "<p class=\"soft\">";
        for (size_t i = 0; i < n; i++)
            if (numbered[i]) {
                fprintf(stream, "%s%zu\u00a0", before, i + 1);
                rs_html_text(points[i].name, stream);
                before = ", ";
            }
        if (n_numbered > 0)
            fputs("</p>\n", stream);
    }
    rs_free(r.taken);
    rs_free(numbered);
    return enough;
}
