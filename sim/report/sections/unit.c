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

/* The vector of a mismatch, at its group. */
static void add_vector(const rs_unit_config *config, const rs_unit_mismatch *m, json_t *object)
{
    json_t *a = json_array(), *w = json_array();
    for (int i = 0; i < config->products; i++) {
        const size_t at = (size_t)m->group * (size_t)config->products + (size_t)i;
        (void)json_array_append_new(a, json_integer(m->sum->activations[at]));
        (void)json_array_append_new(w, json_integer(m->sum->weights[at]));
    }
    json_t *place = json_pack("{s:I, s:i, s:i, s:I, s:s, s:o, s:o}", "sum", (json_int_t)m->sum_number, "group",
                              m->group, "groups", m->sum->groups, "before", (json_int_t)m->before, "layer",
                              m->sum->layer, "activations", a, "weights", w);
    (void)json_object_update(object, place);
    json_decref(place);
    if (m->sum->image >= 0) {
        place = json_pack("{s:I, s:i, s:i, s:i}", "image", (json_int_t)m->sum->image, "channel", m->sum->c, "row",
                          m->sum->y, "column", m->sum->x);
        (void)json_object_update(object, place);
        json_decref(place);
    }
    if (strcmp(m->result, "output") == 0) {
        place = json_pack("{s:i, s:b}", "shift", config->shift_port[0] != '\0' ? m->sum->shift : config->shift, "relu",
                          config->relu_port[0] != '\0' ? m->sum->relu : config->relu);
        (void)json_object_update(object, place);
        json_decref(place);
    }
}

/* `expected` where something was, `got` where something came. */
static json_t *mismatch_json(const rs_unit_config *config, const rs_unit_mismatch *m)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:i, s:s}", "what", rs_divergence_name(m->what), "result",
                               m->result, "port", m->port, "cycle", (json_int_t)m->cycle, "bits", m->bits, "guess",
                               m->guess);
    if (object == NULL)
        return NULL;
    if (m->sum != NULL)
        add_vector(config, m, object);
    if (m->sum != NULL && m->what != RS_DIVERGENCE_HANG)
        (void)json_object_set_new(object, "expected", json_integer((json_int_t)m->expected));
    if (m->what != RS_DIVERGENCE_HANG && m->what != RS_DIVERGENCE_LOST)
        (void)json_object_set_new(object, "got", json_integer((json_int_t)m->got));
    if (m->what == RS_DIVERGENCE_LATE || m->what == RS_DIVERGENCE_EARLY)
        (void)json_object_set_new(object, "off", json_integer((json_int_t)m->off));
    return object;
}

/* Layers that were not tried. */
static json_t *skipped_json(const rs_unit_vectors *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->n_skipped; i++)
        if (json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", v->skipped[i].layer, "why", v->skipped[i].why)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *mismatches_json(const rs_unit_config *config, const rs_unit_result *result)
{
    json_t *list = json_array();
    for (size_t i = 0; i < result->n_mismatches; i++)
        if (json_array_append_new(list, mismatch_json(config, &result->mismatches[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

rs_status rs_section_unit(const rs_unit_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_unit_config *config = o->config;
    const rs_unit_ranges *r = o->ranges;
    const rs_unit_vectors *v = o->vectors;
    const rs_unit_result *x = o->result;
    *section = json_pack(
        "{s:s, s:s, s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:i, s:b}", "unit",
        config->name, "adapter", config->file.path, "top", config->top, "products", config->products, "accumulates",
        config->accumulates, "activation_bits", r->activation_bits, "weight_bits", r->weight_bits, "sum_bits",
        r->sum_bits, "output_bits", r->output_bits, "vectors", origins(v), "sums", (json_int_t)x->sums, "groups",
        (json_int_t)x->groups, "macs", (json_int_t)x->products, "sum_results", (json_int_t)x->sum_results, "outputs",
        (json_int_t)x->outputs, "cycles", (json_int_t)x->cycles, "cycles_per_second",
        x->seconds > 0.0 ? (double)x->cycles / x->seconds : 0.0, "build_seconds", x->build_seconds, "timeout",
        config->timeout, "equal", !x->differs);
    static const char *const names[] = { "sum_latency", "output_latency" };
    for (int k = 0; k < 2 && *section != NULL; k++)
        if (x->last_latency[k] > 0)
            (void)json_object_set_new(*section, names[k], json_pack("[i, i]", x->first_latency[k], x->last_latency[k]));
    if (x->differs)
        *section = rs_pack_with(*section, "mismatches", mismatches_json(config, x));
    if (v->n_skipped > 0)
        *section = rs_pack_with(*section, "skipped", skipped_json(v));
    if (o->network != NULL)
        *section = rs_pack_with(*section, "network", json_string(o->network));
    return *section != NULL ? RS_OK : rs_out_of_memory(diag);
}
