/* The section "pareto". */
#include "report/sections/sections.h"

#include "report/sections/constants.h"
#include "report/sections/pack.h"

/* "8/8/4/4", layer by layer; of layer outputs each format once, beginning with the input. */
static void widths_text(const rs_net *net, const rs_widths *w, bool weights, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < (weights ? net->n_layers : net->n_blobs) && at + 4 < size; i++) {
        const int bits = weights ? w->weights[i] : w->activations[i];
        if (bits > 0)
            at += (size_t)snprintf(text + at, size - at, "%s%d", at > 0 ? "/" : "", bits);
    }
}

static json_t *points_json(const rs_net *net, const rs_pareto_result *r)
{
    json_t *points = json_array();
    bool failed = false;
    for (int k = 0; k < r->n_points; k++) {
        const rs_pareto_point *p = &r->points[k];
        char weights[512], outputs[512];
        widths_text(net, &p->widths, true, weights, sizeof weights);
        widths_text(net, &p->widths, false, outputs, sizeof outputs);
        rs_pack_append(points,
                       json_pack("{s:f, s:I, s:I, s:b, s:s, s:s}", "cost", p->cost, "hits", (json_int_t)p->hits, "ties",
                                 (json_int_t)p->ties, "front", p->front, "weights", weights, "outputs", outputs),
                       &failed);
    }
    return rs_pack_array(points, failed);
}

rs_status rs_section_pareto(const rs_pareto_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_pareto_result *r = o->result;
    json_t *test = json_pack("{s:s, s:I, s:I, s:I, s:I}", "data", o->set->path, "images",
                             (json_int_t)o->test.slice.count, "float_hits", (json_int_t)o->test.float_hits, "hits",
                             (json_int_t)o->test.hits, "ties", (json_int_t)o->test.ties);
    json_t *value = json_pack(
        "{s:s, s:s, s:s, s:f, s:f, s:b, s:I, s:I, s:I, s:i, s:I, s:f, s:o, s:o}", "network", o->net->name, "cost",
        rs_word_name(rs_cost_kind_words, (int)o->kind), "unit", rs_cost_kind_unit(o->kind), "budget", o->budget,
        "error_margin", o->error_margin, "met", r->met, "images", (json_int_t)r->images, "float_hits",
        (json_int_t)r->float_hits, "needed_hits", (json_int_t)r->needed_hits, "chosen", r->chosen, "trials",
        (json_int_t)r->trials, "seconds", r->seconds, "points", points_json(o->net, r), "test", test);
    value = rs_pack_with(value, "scored", rs_pack_scored(o->net));
    return rs_pack_finish(rs_pack_constants(value, o->net, r->formats, r->qnet), section, diag);
}
