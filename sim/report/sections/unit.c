/* The section "unit": cosim --dut. */
#include "report/sections/sections.h"

#include <string.h>

#include "report/sections/pack.h"

/* Where the sums came from, in their order. */
static json_t *origins(const rs_unit_vectors *v)
{
    json_t *list = json_array();
    for (int64_t i = 0; list != NULL && i < v->n;) {
        int64_t n = i;
        while (n < v->n && strcmp(v->sums[n].layer, v->sums[i].layer) == 0)
            n++;
        /* The images of a layer are one line. */
        json_t *entry = NULL;
        size_t k;
        json_t *other;
        json_array_foreach(list, k, other) if (strcmp(json_string_value(json_object_get(other, "name")),
                                                      v->sums[i].layer) == 0) entry = other;
        if (entry != NULL)
            json_integer_set(json_object_get(entry, "sums"),
                             json_integer_value(json_object_get(entry, "sums")) + (json_int_t)(n - i));
        else if (json_array_append_new(
                     list, json_pack("{s:s, s:I}", "name", v->sums[i].layer, "sums", (json_int_t)(n - i))) != 0) {
            json_decref(list);
            return NULL;
        }
        i = n;
    }
    return list;
}

static json_t *mismatch_json(const rs_unit_config *config, const rs_unit_mismatch *m)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:s}", "what", rs_divergence_name(m->what), "result", m->result,
        "port", m->port, "cycle", (json_int_t)m->cycle, "sum", (json_int_t)m->sum_number, "group", m->group, "before",
        (json_int_t)m->before, "expected", (json_int_t)m->expected, "got", (json_int_t)m->got, "guess", m->guess);
    if (object != NULL && m->sum != NULL) {
        json_t *a = json_array(), *w = json_array();
        for (int i = 0; i < config->products; i++) {
            const size_t at = (size_t)m->group * (size_t)config->products + (size_t)i;
            (void)json_array_append_new(a, json_integer(m->sum->activations[at]));
            (void)json_array_append_new(w, json_integer(m->sum->weights[at]));
        }
        json_t *place = json_pack("{s:s, s:o, s:o}", "layer", m->sum->layer, "activations", a, "weights", w);
        (void)json_object_update(object, place);
        json_decref(place);
        if (m->sum->image >= 0) {
            place = json_pack("{s:I, s:i, s:i, s:i}", "image", (json_int_t)m->sum->image, "channel", m->sum->c, "row",
                              m->sum->y, "column", m->sum->x);
            (void)json_object_update(object, place);
            json_decref(place);
        }
    }
    return object;
}

rs_status rs_section_unit(const rs_unit_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_unit_config *config = o->config;
    const rs_unit_ranges *r = o->ranges;
    const rs_unit_vectors *v = o->vectors;
    const rs_unit_result *x = o->result;
    *section = json_pack(
        "{s:s, s:s, s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b}", "unit",
        config->name, "adapter", config->file.path, "top", config->top, "products", config->products, "accumulates",
        config->accumulates, "activation_bits", r->activation_bits, "weight_bits", r->weight_bits, "sum_bits",
        r->sum_bits, "output_bits", r->output_bits, "vectors", origins(v), "sums", (json_int_t)x->sums, "groups",
        (json_int_t)x->groups, "macs", (json_int_t)x->products, "sum_results", (json_int_t)x->sum_results, "outputs",
        (json_int_t)x->outputs, "cycles", (json_int_t)x->cycles, "cycles_per_second",
        x->seconds > 0.0 ? (double)x->cycles / x->seconds : 0.0, "build_seconds", x->build_seconds, "equal",
        !x->differs);
    static const char *const names[] = { "sum_latency", "output_latency" };
    for (int k = 0; k < 2 && *section != NULL; k++)
        if (x->last_latency[k] > 0)
            (void)json_object_set_new(*section, names[k], json_pack("[i, i]", x->first_latency[k], x->last_latency[k]));
    if (x->differs)
        *section = rs_pack_with(*section, "mismatch", mismatch_json(config, &x->mismatch));
    if (o->network != NULL)
        *section = rs_pack_with(*section, "network", json_string(o->network));
    return *section != NULL ? RS_OK : rs_out_of_memory(diag);
}
