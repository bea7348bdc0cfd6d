/* Plots as inline SVG. Colors are CSS classes (c0, c1, ...), so that the page's style decides them; private to
 * sim/report/. */
#ifndef RISTRETTO_REPORT_SVG_H
#define RISTRETTO_REPORT_SVG_H

#include <stdbool.h>
#include <stdio.h>

/* Text with & < > " ' replaced, for elements and attributes. Control characters are dropped. */
void rs_html_text(const char *text, FILE *stream);

/* "12.3 M", "4.56 k", "7.8": three digits or so. Returns `buffer`. */
enum { RS_SHORT_TEXT = 32 };
const char *rs_short_text(double value, char *buffer);

/* A step of 1, 2 or 5 times a power of ten that gives about `wanted` ticks. */
double rs_nice_step(double range, int wanted);

typedef struct rs_plot_line {
    const char *name;
    int n, color;
    const double *x, *y;
    double mark_x; /* this point gets a ring; NAN: none */
} rs_plot_line;

typedef struct rs_plot {
    const char *label; /* read out in place of the picture */
    const char *x_label, *y_label;
    double x0, x1, y0, y1; /* of the axes; lines are clipped to them */
    double x_step;
    const char *level_label; /* a dashed line across, or NULL */
    double level;
} rs_plot;

void rs_svg_lines(const rs_plot *plot, const rs_plot_line *lines, int n, FILE *stream);

/* Horizontal bars, each a stack of parts. */
enum { RS_BAR_MAX_PARTS = 12 };
typedef struct rs_plot_bar {
    const char *label;
    bool gap;   /* space above: the first bar of a group */
    bool faint; /* a comparison */
    double parts[RS_BAR_MAX_PARTS];
    char note[48]; /* to the right of the bar */
} rs_plot_bar;
typedef struct rs_bar_chart {
    const char *label, *axis_label;
    const char *const *names; /* of the parts, and their unit: for the text under the pointer */
    const char *unit;
    int n_parts;
    int color;    /* of the parts: color + part */
    double limit; /* end of the axis; 0: the longest bar */
} rs_bar_chart;
void rs_svg_bars(const rs_bar_chart *chart, const rs_plot_bar *bars, size_t n, FILE *stream);

/* A roofline: how many operations per cycle a kernel can do (y), by the operations that it does with each byte (x),
 * both logarithmic. Names stand beside their points where there is space; elsewhere a number does, and a list below the
 * picture says whose it is. */
typedef struct rs_roof_point {
    const char *name;
    double intensity, rate;
    int color;
} rs_roof_point;
typedef struct rs_roofline {
    const char *label;
    double peak;  /* operations per cycle */
    double bytes; /* of the memory per cycle */
} rs_roofline;
/* false: memory was short, and nothing is drawn. */
bool rs_svg_roofline(const rs_roofline *roofline, const rs_roof_point *points, size_t n, FILE *stream);

/* What plots are drawn with: the picture's opening tag, and a text. */
void rs_svg_open(const char *label, double width, double height, FILE *stream);
void rs_svg_text(double x, double y, const char *anchor, const char *class_name, const char *text, FILE *stream);

/* The key to the colors, as HTML. */
void rs_svg_legend(const char *const *names, int n, int color, FILE *stream);

#endif
