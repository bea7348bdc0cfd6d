/* The section "cosim". */
#include "report/sections/sections.h"

#include "report/sections/pack.h"

rs_status rs_section_cosim(const rs_cosimulation *c, json_t **section, rs_diag *diag)
{
    const rs_lockstep_result *r = &c->result;
    const rs_lockstep_mismatch *m = r->mismatch;
    json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:f, s:f}", "network",
                              c->program->qnet->name, "array", c->program->config.name, "images", (json_int_t)r->images,
                              "outputs", (json_int_t)r->events[RS_EVENT_OUTPUT], "values", (json_int_t)r->values,
                              "writes", (json_int_t)r->events[RS_EVENT_WRITE], "reads",
                              (json_int_t)r->events[RS_EVENT_READ], "cycles", (json_int_t)r->cycles, "memory_bytes",
                              (json_int_t)r->memory_bytes, "engine_values", (json_int_t)r->engine_values, "equal",
                              m == NULL, "seconds", r->seconds, "build_seconds", r->build_seconds,
                              "rtl_cycles_per_second", r->seconds > 0.0 ? (double)r->cycles / r->seconds : 0.0);
    if (m != NULL)
        value = rs_pack_with(value, "mismatch",
                             json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "what", rs_divergence_name(m->what), "event",
                                       rs_event_kind_name(m->kind), "image", (json_int_t)m->image, "layer",
                                       m->layer != NULL ? m->layer : "", "cycle", (json_int_t)m->cycle, "signal",
                                       m->signal));
    else
        value = rs_pack_with(rs_pack_with(value, "hits", json_integer((json_int_t)c->hits)), "ties",
                             json_integer((json_int_t)c->ties));
    return rs_pack_finish(value, section, diag);
}
