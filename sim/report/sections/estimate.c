/* The section "estimate". */
#include "report/sections/sections.h"

#include "report/sections/pack.h"

static json_t *energy_json(const rs_layer_energy *layer)
{
    json_t *parts = json_array();
    bool failed = false;
    for (int i = 0; i < RS_ENERGY_PARTS; i++) {
        const rs_energy_cost *p = &layer->parts[i];
        rs_pack_append(parts,
                       json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", rs_energy_part_name((rs_energy_part)i),
                                 "unit", rs_energy_part_unit((rs_energy_part)i), "count", p->count, "pj", p->pj,
                                 "float_count", p->float_count, "float_pj", p->float_pj),
                       &failed);
    }
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:o}", "name", layer->name, "pj", layer->pj, "float_pj",
                     layer->float_pj, "chip_pj", layer->chip_pj, "chip_float_pj", layer->chip_float_pj, "parts",
                     rs_pack_array(parts, failed));
}

static json_t *technology_json(const rs_technology *t)
{
    json_t *sources = json_array();
    bool failed = false;
    for (size_t i = 0; i < t->n_sources; i++)
        rs_pack_append(sources, json_pack("{s:s, s:s}", "id", t->sources[i].id, "reference", t->sources[i].reference),
                       &failed);
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:o}", "name", t->name, "path", t->file.path, "process_nm",
                     t->process_nm, "supply_v", t->supply_v, "dram_pj", t->dram_pj, "dram_high_pj", t->dram_high_pj,
                     "sources", rs_pack_array(sources, failed));
}

static json_t *blocks_json(const rs_estimate *e)
{
    json_t *blocks = json_array();
    bool failed = false;
    for (int i = 0; i < e->n_blocks; i++) {
        const rs_area_block *b = &e->blocks[i];
        rs_pack_append(blocks,
                       json_pack("{s:s, s:I, s:i, s:f, s:f}", "name", b->name, "instances", (json_int_t)b->instances,
                                 "bits", b->bits, "um2", b->um2, "float_um2", b->float_um2),
                       &failed);
    }
    return rs_pack_array(blocks, failed);
}

rs_status rs_section_estimate(const rs_estimation *estimation, json_t **section, rs_diag *diag)
{
    const rs_program *program = estimation->machine.program;
    const rs_run_stats *stats = &estimation->machine.stats;
    const rs_estimate *e = estimation->estimate;
    const rs_array_config *c = &program->config;
    json_t *layers = json_array();
    bool failed = false;
    double macs = 0.0;
    for (int i = 0; i < e->n_layers; i++) {
        rs_pack_append(layers, energy_json(&e->layers[i]), &failed);
        macs += (double)stats->layers[i].macs;
    }
    const double seconds = (double)stats->cycles / (c->clock_mhz * 1e6);
    return rs_pack_finish(
        json_pack("{s:s, s:s, s:o, s:f, s:I, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:s}", "network", program->qnet->name,
                  "array", c->name, "technology", technology_json(estimation->technology), "clock_mhz", c->clock_mhz,
                  "cycles", (json_int_t)stats->cycles, "chip_pj_per_mac", macs > 0.0 ? e->total.chip_pj / macs : 0.0,
                  "chip_milliwatts", seconds > 0.0 ? e->total.chip_pj * 1e-9 / seconds : 0.0, "layers",
                  rs_pack_array(layers, failed), "total", energy_json(&e->total), "blocks", blocks_json(e), "um2",
                  e->um2, "float_um2", e->float_um2, "kind",
                  "counts measured by the cycle model, energy and area modelled"),
        section, diag);
}
