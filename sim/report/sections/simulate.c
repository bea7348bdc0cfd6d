/* The section "simulate". */
#include "report/sections/sections.h"

#include <string.h>

#include "report/sections/pack.h"

static json_t *array_json(const rs_array_config *c)
{
    json_t *tree = json_array();
    bool failed = false;
    for (int level = 0; level <= rs_array_levels(c); level++)
        rs_pack_append(tree, json_integer(rs_array_tree_bits(c, level)), &failed);
    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:s, s:s, s:f, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i}", "name",
        c->name, "pe", rs_pe_name(c->pe), "lanes", c->lanes, "multipliers", c->multipliers, "activation_bits",
        c->activation_bits, "weight_bits", c->weight_bits, "accumulator_bits", c->accumulator_bits, "tree_bits",
        rs_pack_array(tree, failed), "first_level", c->first_level == RS_FIRST_LEVEL_PAPER ? "paper" : "exact",
        "overflow", c->overflow == RS_OVERFLOW_SATURATE ? "saturate" : "wrap", "clock_mhz", c->clock_mhz,
        "activation_elements", (json_int_t)c->activation_elements, "weight_steps", (json_int_t)c->weight_steps,
        "output_elements", (json_int_t)c->output_elements, "activation_banks", rs_array_activation_banks(c),
        "output_banks", rs_array_output_banks(c), "bus_bits", c->bus_bits, "latency", c->latency, "outstanding",
        c->outstanding, "stall_percent", c->stall_percent);
}

static const struct {
    const char *key;
    size_t offset;
} counters[] = {
#define COUNTER(name)                         \
    {                                         \
#name, offsetof(rs_layer_stats, name) \
    }
    COUNTER(cycles),
    COUNTER(first_cycle),
    COUNTER(last_cycle),
    COUNTER(compute_cycles),
    COUNTER(wait_weights),
    COUNTER(wait_ifmap),
    COUNTER(wait_output),
    COUNTER(drain),
    COUNTER(macs),
    COUNTER(mac_slots),
    COUNTER(ifmap_beats),
    COUNTER(weight_beats),
    COUNTER(bias_beats),
    COUNTER(ofmap_beats),
    COUNTER(activation_buffer_reads),
    COUNTER(activation_buffer_writes),
    COUNTER(weight_buffer_reads),
    COUNTER(weight_buffer_writes),
    COUNTER(output_buffer_reads),
    COUNTER(output_buffer_writes),
    COUNTER(accumulations),
    COUNTER(saturations),
    COUNTER(overflows),
#undef COUNTER
};

static json_t *stats_json(const rs_program *program, const rs_run_stats *stats)
{
    json_t *layers = json_array();
    bool failed = false;
    for (int i = 0; i < stats->n_layers; i++) {
        json_t *layer = json_pack("{s:s, s:i}", "name", program->layers[i].name, "tiles", program->layers[i].count);
        for (size_t k = 0; k < sizeof counters / sizeof counters[0]; k++) {
            uint64_t value = 0;
            memcpy(&value, (const char *)&stats->layers[i] + counters[k].offset, sizeof value);
            if (json_object_set_new(layer, counters[k].key, json_integer((json_int_t)value)) != 0)
                failed = true;
        }
        rs_pack_append(layers, layer, &failed);
    }
    return rs_pack_array(layers, failed);
}

rs_status rs_section_simulate(const rs_simulation *s, json_t **section, rs_diag *diag)
{
    const rs_program *program = s->machine.program;
    const rs_run_stats *stats = &s->machine.stats;
    json_t *value = json_pack(
        "{s:s, s:o, s:I, s:I, s:f, s:o}", "network", program->qnet->name, "array", array_json(&program->config),
        "cycles", (json_int_t)stats->cycles, "stalled_requests", (json_int_t)stats->stalled_requests, "milliseconds",
        (double)stats->cycles / (program->config.clock_mhz * 1e3), "layers", stats_json(program, stats));
    if (value != NULL && s->set != NULL) {
        json_t *more = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:f}", "data", s->set->path, "first",
                                 (json_int_t)s->slice.first, "images", (json_int_t)s->images, "hits",
                                 (json_int_t)s->hits, "ties", (json_int_t)s->ties, "compared", (json_int_t)s->compared,
                                 "equal", s->different == 0, "model_cycles_per_second",
                                 s->seconds > 0.0 ? (double)stats->cycles * (double)s->images / s->seconds : 0.0);
        if (more == NULL || json_object_update(value, more) != 0) {
            json_decref(value);
            value = NULL;
        }
        json_decref(more);
    }
    return rs_pack_finish(value, section, diag);
}
