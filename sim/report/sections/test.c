/* The section "test". */
#include "report/sections/sections.h"

#include "report/sections/constants.h"
#include "report/sections/pack.h"

rs_status rs_section_test(const rs_test_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_test_result *r = &o->result;
    json_t *value = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:f, s:f}", "network", o->net->name, "numbers",
                              o->numbers, "data", o->set->path, "first", (json_int_t)o->slice.first, "images",
                              (json_int_t)r->images, "hits", (json_int_t)r->hits, "ties", (json_int_t)r->ties, "top_k",
                              r->top_k, "seconds", r->seconds, "images_per_second", r->images_per_second);
    value = rs_pack_with(value, "scored", rs_pack_scored(o->net));
    if (r->top5_hits >= 0)
        value = rs_pack_with(value, "top5_hits", json_integer((json_int_t)r->top5_hits));
    return rs_pack_finish(value, section, diag);
}
