/* The section "export". */
#include "flow/run_config.h"
#include "report/sections/sections.h"

#include "report/sections/pack.h"

rs_status rs_section_export(const rs_export_outcome *o, json_t **section, rs_diag *diag)
{
    const rs_array_config *c = &o->program->config;
    json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i}", "network", o->program->qnet->name, "array",
                              c->name, "folder", o->folder, "format", rs_word_name(rs_export_words, (int)o->format),
                              "files", (json_int_t)o->files, "words", (json_int_t)o->words, "weight_bits",
                              c->weight_bits, "bias_bits", c->accumulator_bits);
    if (o->compared >= 0)
        value = rs_pack_with(value, "compared", json_integer((json_int_t)o->compared));
    return rs_pack_finish(value, section, diag);
}
