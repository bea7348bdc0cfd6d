#include "flow/stages.h"

#include <string.h>

#include "array/array.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "energy/estimate.h"
#include "rom/rom.h"
#include "import/import.h"
#include "layers/exec.h"
#include "program/files.h"
#include "program/program.h"
#include "engine/engine.h"
#include "report/report.h"
#include "report/timeline.h"
#include "train/score.h"
#include "train/train.h"
#include "emulate/score.h"

/* jansson gives NULL when memory is short; then nothing of the section is left. */
static rs_status finish(json_t *value, json_t **section, rs_diag *diag)
{
    *section = value;
    return value != NULL ? RS_OK : rs_out_of_memory(diag);
}

/* Appends to an array that may be NULL because memory was short before. */
static void append(json_t *array, json_t *item, bool *failed)
{
    if (item == NULL || array == NULL || json_array_append_new(array, item) != 0)
        *failed = true;
}

/* ----------------------------------------------------------------------------------------------------- networks */

rs_status rs_stage_load(const char *model, const char *weights, const rs_dataset *set, const rs_data_override *over,
                        rs_net **result, rs_diag *diag)
{
    *result = NULL;
    rs_net *net = NULL;
    int layer = 0;
    /* Where an ONNX model leaves the size open, it is that of the images; a batch of 0 says so. */
    rs_data_param as_given = { .scale = 1.0f };
    rs_status status = over != NULL ? rs_data_override_apply(over, &as_given, diag) : RS_OK;
    rs_shape images = status == RS_OK ? rs_dataset_shape(set, &as_given, 1) : (rs_shape) { 0 };
    images.dim[0] = 0;
    rs_free(as_given.mean_file);
    if (status == RS_OK)
        status = rs_import_net(model, NULL, &images, &net, diag);
    if (status == RS_OK)
        status = rs_fit_data(net, set, over, 1, &layer, diag);
    if (status == RS_OK)
        status = rs_import_weights(model, weights, net, diag);
    if (status == RS_OK)
        status = rs_net_fold(net, diag);
    if (status != RS_OK) {
        rs_net_free(net);
        return status;
    }
    *result = net;
    return RS_OK;
}

rs_status rs_stage_hold(const rs_net *net, rs_dataset **set, rs_diag *diag)
{
    int layer = 0;
    const rs_status status = rs_data_layer(net, &layer, diag);
    return status == RS_OK ? rs_dataset_hold(set, &net->layers[layer].data, diag) : status;
}

rs_status rs_slice_resolve(rs_slice *slice, const rs_dataset *set, const char *what, rs_status wrong, rs_diag *diag)
{
    if (slice->first >= set->count || slice->count > set->count - slice->first)
        return rs_error(diag, wrong, RS_FILE(set->path), NULL,
                        "%s: images %lld to %lld are not there, the data set has %lld", what, (long long)slice->first,
                        (long long)(slice->first + (slice->count > 0 ? slice->count : 1) - 1), (long long)set->count);
    if (slice->count == 0)
        slice->count = set->count - slice->first;
    return RS_OK;
}

rs_status rs_stage_test(const rs_net *net, const rs_dataset *set, rs_slice slice, int top_k, json_t **section,
                        rs_diag *diag)
{
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    const rs_test_options options = { .top_k = top_k };
    rs_test_result r;
    *section = NULL;
    const rs_status status = rs_test_net(net, &part, &options, &r, diag);
    if (status != RS_OK)
        return status;
    json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:f, s:f}", "network", net->name, "data", set->path,
                              "first", (json_int_t)slice.first, "images", (json_int_t)r.images, "hits",
                              (json_int_t)r.hits, "ties", (json_int_t)r.ties, "top_k", r.top_k, "seconds", r.seconds,
                              "images_per_second", r.images_per_second);
    if (value != NULL && r.top5_hits >= 0 &&
        json_object_set_new(value, "top5_hits", json_integer((json_int_t)r.top5_hits)) != 0) {
        json_decref(value);
        value = NULL;
    }
    return finish(value, section, diag);
}

/* ----------------------------------------------------------------------------------------------------- quantize */

/* "8 bits, fl 5", "e4m3", "2^-8 to 2^-1", "2^-8 to 2^-1 and 0". */
static void number_text(rs_number_format f, bool is_unsigned, const int *channel_fl, char *text, size_t size)
{
    switch (f.number) {
    case RS_NUMBER_MINIFLOAT:
        rs_minifloat_name(f.minifloat, text, size);
        break;
    case RS_NUMBER_POWER2:
        snprintf(text, size, "2^%d to 2^%d%s", f.power2.min_exponent, f.power2.max_exponent,
                 f.power2.zero ? " and 0" : "");
        break;
    case RS_NUMBER_FIXED:
    case RS_NUMBERS:
        snprintf(text, size, "%d bits%s, fl %d%s", f.fixed.bits, is_unsigned ? " unsigned" : "", f.fixed.fl,
                 channel_fl != NULL ? " and more" : "");
        break;
    }
}

static json_t *layers_json(const rs_qnet *qnet, const rs_net *net, const rs_quantize_result *r)
{
    json_t *layers = json_array();
    bool failed = false;
    for (int i = 0; i < qnet->n_ops; i++) {
        const rs_qop *op = &qnet->ops[i];
        const rs_qtensor *out = &qnet->tensors[op->output];
        const bool weighted = rs_qop_weighted(op);
        const int layer = rs_net_layer(net, op->name);
        char weights[64] = "", output[64];
        if (weighted)
            number_text(
                (rs_number_format) { op->weight_number, op->weight_format, op->weight_minifloat, op->weight_power2 },
                false, op->weight_fl, weights, sizeof weights);
        number_text((rs_number_format) { .number = out->number, .fixed = out->format, .minifloat = out->minifloat },
                    out->is_unsigned, NULL, output, sizeof output);
        append(layers,
               json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:f, s:i, s:s, s:i, s:i, s:[i,i,i], s:I}",
                         "weight_format", weights, "output_format", output, "name", op->name, "type",
                         rs_qop_type_name(op->type), "relu", op->relu, "weight_bits",
                         weighted ? op->weight_format.bits : 0, "weight_fl", weighted ? op->weight_format.fl : 0,
                         "weight_max", weighted && layer >= 0 ? r->weight_max[layer] : 0.0, "shift",
                         weighted ? op->shift : 0, "output", out->name, "output_bits", out->format.bits, "output_fl",
                         out->format.fl, "output_shape", out->channels, out->height, out->width, "macs",
                         weighted ? (json_int_t)rs_qop_macs(qnet, op) : (json_int_t)0),
               &failed);
    }
    if (failed) {
        json_decref(layers);
        return NULL;
    }
    return layers;
}

static json_t *trials_json(const rs_quantize_result *r)
{
    json_t *trials = json_array();
    bool failed = false;
    for (int i = 0; i < r->n_trials; i++) {
        const rs_trial *t = &r->trials[i];
        append(trials,
               json_pack("{s:i, s:s, s:[i,i,i], s:I, s:I, s:I, s:b}", "fl", t->fl, "group",
                         t->group < RS_GROUPS ? rs_group_name(t->group) : "combination", "bits", t->bits[0], t->bits[1],
                         t->bits[2], "images", (json_int_t)t->images, "hits", (json_int_t)t->hits, "ties",
                         (json_int_t)t->ties, "exact", t->exact),
               &failed);
    }
    if (failed) {
        json_decref(trials);
        return NULL;
    }
    return trials;
}

static json_t *groups_json(const rs_quantize_result *r)
{
    json_t *groups = json_array();
    bool failed = false;
    for (int g = 0; g < RS_GROUPS; g++)
        append(groups,
               json_pack("{s:s, s:i, s:i}", "name", rs_group_name((rs_group)g), "single_bits", r->single_bits[g],
                         "bits", r->bits[g]),
               &failed);
    if (failed) {
        json_decref(groups);
        return NULL;
    }
    return groups;
}

/* Float and integers on one slice. */
static rs_status score_slice(const rs_net *net, rs_engine *engine, const rs_dataset *set, rs_slice slice,
                             const char *name, json_t *scores, rs_diag *diag)
{
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    rs_test_result f;
    rs_score q = { .saturations = NULL };
    rs_status status = rs_test_net(net, &part, NULL, &f, diag);
    if (status == RS_OK)
        status = rs_engine_score(engine, &part, 1, &q, diag);
    if (status != RS_OK)
        return status;
    bool failed = false;
    append(scores,
           json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "name", name, "first", (json_int_t)slice.first,
                     "images", (json_int_t)slice.count, "float_hits", (json_int_t)f.hits, "float_ties",
                     (json_int_t)f.ties, "hits", (json_int_t)q.hits, "ties", (json_int_t)q.ties, "seconds", q.seconds),
           &failed);
    return failed ? rs_out_of_memory(diag) : RS_OK;
}

static bool same_slice(rs_slice a, rs_slice b)
{
    return a.first == b.first && a.count == b.count;
}

static rs_status scores_json(const rs_net *net, const rs_qnet *qnet, const rs_dataset *set,
                             const rs_quantize_stage *stage, json_t **scores, rs_diag *diag)
{
    const rs_slice all = { 0, set->count };
    const rs_dataset *chosen_on = stage->chosen_on != NULL ? stage->chosen_on : set;
    const bool apart = chosen_on != set;
    rs_engine *engine = NULL;
    *scores = json_array();
    rs_status status = rs_engine_new(qnet, false, &engine, diag);
    if (status == RS_OK)
        status = score_slice(net, engine, chosen_on, stage->search, "search", *scores, diag);
    if (status == RS_OK && (apart || !same_slice(stage->test, stage->search)))
        status = score_slice(net, engine, set, stage->test, "test", *scores, diag);
    if (status == RS_OK && !apart && !same_slice(stage->search, all) && !same_slice(stage->test, all))
        status = score_slice(net, engine, set, all, "all", *scores, diag);
    rs_engine_free(engine);
    return status;
}

static rs_status write_outputs(rs_net *net, const rs_quantize_stage *stage, const rs_quantize_result *r,
                               const json_t *section, rs_diag *diag)
{
    char *qnet = rs_path_join(stage->out, "qnet"), *prototxt = rs_path_join(stage->out, "quantized.prototxt");
    char *json = rs_path_join(stage->out, "quantize.json"), *folded = rs_path_join(stage->out, "folded.caffemodel");
    char *weights = rs_path_join(stage->out, "quantized.caffemodel");
    rs_status status = qnet == NULL || prototxt == NULL || json == NULL || folded == NULL || weights == NULL
                           ? rs_out_of_memory(diag)
                           : RS_OK;
    if (status == RS_OK)
        status = rs_qnet_write(r->qnet, qnet, diag);
    if (status == RS_OK) {
        rs_formats_apply(r->formats, net);
        status = rs_import_write_quantized(stage->model, net, prototxt, diag);
        if (status == RS_OK && stage->quantized != NULL)
            status = rs_import_write_quantized(stage->model, net, stage->quantized, diag);
    }
    if (status == RS_OK &&
        (net->n_folded > 0 || rs_is_onnx(stage->model))) /* the weights that quantized.prototxt goes with */
        status = rs_caffe_write_weights(net, folded, diag);
    if (status == RS_OK && rs_formats_give_params(r->formats, net)) /* from here on, the net has them */
        status = rs_caffe_write_weights(net, weights, diag);
    if (status == RS_OK)
        status = rs_json_write(section, json, diag);
    rs_free(qnet);
    rs_free(prototxt);
    rs_free(json);
    rs_free(folded);
    rs_free(weights);
    return status;
}

/* The model's own formats and their widths: nothing to search, nothing to keep of a search. */
static rs_status take_formats(rs_net *net, rs_quantize_options *options, rs_formats **given, rs_diag *diag)
{
    if (options->rules.scheme != RS_SCHEME_DYNAMIC)
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL,
                        "the formats of a model are dynamic fixed point, not of the scheme %s",
                        rs_scheme_name(options->rules.scheme));
    const rs_status status = rs_formats_of_model(net, given, diag);
    if (status != RS_OK)
        return status;
    options->given = *given;
    options->adaptive_weights = options->rules.bias_correction = false;
    options->refine_images = 0;
    options->checkpoint = NULL;
    for (int g = 0; g < RS_GROUPS; g++)
        options->fixed_bits[g] = 1;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_group g = net->layers[i].type == RS_LAYER_CONVOLUTION ? RS_GROUP_CONVOLUTION : RS_GROUP_INNER_PRODUCT;
        if ((*given)->weights[i].bits > options->fixed_bits[g])
            options->fixed_bits[g] = (*given)->weights[i].bits;
    }
    for (int b = 0; b < net->n_blobs; b++)
        if ((*given)->activations[b].bits > options->fixed_bits[RS_GROUP_ACTIVATIONS])
            options->fixed_bits[RS_GROUP_ACTIVATIONS] = (*given)->activations[b].bits;
    return RS_OK;
}

rs_status rs_stage_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, json_t **section,
                            rs_diag *diag)
{
    *section = NULL;
    const rs_dataset *chosen_on = stage->chosen_on != NULL ? stage->chosen_on : set;
    const rs_dataset calibration = rs_dataset_slice(chosen_on, stage->calibration.first, stage->calibration.count);
    const rs_dataset search = rs_dataset_slice(chosen_on, stage->search.first, stage->search.count);
    rs_quantize_options options = stage->options;
    char *checkpoint = rs_path_join(stage->out, "search.json");
    rs_quantize_result *r = NULL;
    int data_layer = 0;
    rs_status status = checkpoint == NULL ? rs_out_of_memory(diag) : rs_make_folder(stage->out, diag);
    options.checkpoint = checkpoint;
    options.calibration_images = options.search_images = 0;
    rs_formats *given = NULL;
    if (status == RS_OK && stage->formats_of_model)
        status = take_formats(net, &options, &given, diag);
    const int quantized = rs_net_unquantize(net);
    if (quantized > 0)
        rs_warn(
            diag, RS_FILE(stage->model), "`test` and `forward` compute with the model's own",
            "%d QuantizeLinear layer%s of the net %s left out here: formats are chosen anew, from the values as floats",
            quantized, quantized == 1 ? "" : "s", quantized == 1 ? "is" : "are");
    if (status == RS_OK)
        status = rs_data_layer(net, &data_layer, diag);
    const rs_data_param *transform = &net->layers[data_layer].data;
    if (status == RS_OK)
        status = rs_quantize(net, transform, &calibration, &search, &options, &r, diag);
    json_t *scores = NULL;
    if (status == RS_OK)
        status = scores_json(net, r->qnet, set, stage, &scores, diag);
    if (status == RS_OK) {
        const rs_format_rules *rules = &options.rules;
        static const char *const precisions[RS_SCHEMES] = { "DYNAMIC_FIXED_POINT", "DYNAMIC_FIXED_POINT", "MINIFLOAT",
                                                            "INTEGER_POWER_OF_2_WEIGHTS" };
        status = finish(
            json_pack(
                "{s:s, s:s, s:s, s:s, s:f, s:b, s:b, s:i, s:s, s:s, s:s, s:I, s:s, s:f, "
                "s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:s, s:s, s:b, s:b, s:s, s:i, s:i, s:o, s:o, s:o, "
                "s:O}",
                "scheme", rs_scheme_name(rules->scheme), "precision", precisions[rules->scheme], "weight_range",
                rs_range_rule_name(rules->weight_range), "activation_range",
                rs_range_rule_name(rules->activation_range), "percentile", rules->percentile, "bias_correction",
                rules->bias_correction, "compat", options.original_search, "fl", r->fl, "network", net->name, "data",
                set->path, "calibration_data", chosen_on->path, "refine_images", (json_int_t)options.refine_images,
                "weight_rounding", options.adaptive_weights ? "adaptive" : "nearest", "error_margin",
                options.error_margin, "calibration_first", (json_int_t)stage->calibration.first, "calibration_images",
                (json_int_t)stage->calibration.count, "images", (json_int_t)r->images, "float_hits",
                (json_int_t)r->float_hits, "float_ties", (json_int_t)r->float_ties, "needed_hits",
                (json_int_t)r->needed_hits, "hits", (json_int_t)r->hits, "ties", (json_int_t)r->ties, "target_met",
                r->target_met, "seconds", r->seconds, "rounding", rs_rounding_name(options.rounding), "bias_format",
                options.bias_rule == RS_BIAS_WEIGHTS ? "weights" : "accumulator", "unsigned_activations",
                options.unsigned_activations, "channel_weights", options.channel_weights, "scores_width",
                options.wide_scores ? "accumulator" : "format", "input_bits", r->qnet->tensors[0].format.bits,
                "input_fl", r->qnet->tensors[0].format.fl, "groups", groups_json(r), "trials", trials_json(r), "layers",
                layers_json(r->qnet, net, r), "scores", scores),
            section, diag);
    }
    if (status == RS_OK)
        status = write_outputs(net, stage, r, *section, diag);
    if (status == RS_OK)
        (void)remove(checkpoint); /* the search is over */
    if (status == RS_OK && !r->target_met)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE, "allow wider words or a larger error margin",
                          "no widths up to %d bits keep the error margin of %g %%", options.max_bits,
                          options.error_margin);
    json_decref(scores);
    rs_quantize_result_free(r);
    rs_formats_free(given);
    rs_free(checkpoint);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- simulate */

static json_t *array_json(const rs_array_config *c)
{
    json_t *tree = json_array();
    bool failed = false;
    for (int level = 0; level <= rs_array_levels(c); level++)
        append(tree, json_integer(rs_array_tree_bits(c, level)), &failed);
    if (failed) {
        json_decref(tree);
        return NULL;
    }
    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:s, s:s, s:f, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i}", "name",
        c->name, "pe", rs_pe_name(c->pe), "lanes", c->lanes, "multipliers", c->multipliers, "activation_bits",
        c->activation_bits, "weight_bits", c->weight_bits, "accumulator_bits", c->accumulator_bits, "tree_bits", tree,
        "first_level", c->first_level == RS_FIRST_LEVEL_PAPER ? "paper" : "exact", "overflow",
        c->overflow == RS_OVERFLOW_SATURATE ? "saturate" : "wrap", "clock_mhz", c->clock_mhz, "activation_elements",
        (json_int_t)c->activation_elements, "weight_steps", (json_int_t)c->weight_steps, "output_elements",
        (json_int_t)c->output_elements, "activation_banks", rs_array_activation_banks(c), "output_banks",
        rs_array_output_banks(c), "bus_bits", c->bus_bits, "latency", c->latency, "outstanding", c->outstanding,
        "stall_percent", c->stall_percent);
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
        append(layers, layer, &failed);
    }
    if (failed) {
        json_decref(layers);
        return NULL;
    }
    return layers;
}

/* An array with its program and the counts of one run. */
typedef struct machine {
    rs_program *program;
    rs_array *array;
    rs_run_stats stats;
    uint8_t *memory;
} machine;

static void close_machine(machine *m)
{
    rs_array_free(m->array);
    rs_program_free(m->program);
    rs_free(m->stats.layers);
    rs_free(m->memory);
}

static rs_status open_machine(const rs_qnet *qnet, const rs_array_config *config, machine *m, rs_diag *diag)
{
    *m = (machine) { .program = NULL };
    rs_status status = rs_program_compile(qnet, config, &m->program, diag);
    if (status == RS_OK)
        status = rs_array_new(m->program, &m->array, diag);
    if (status == RS_OK) {
        m->stats.n_layers = m->program->n_layers;
        m->stats.layers = RS_NEW_ARRAY(rs_layer_stats, (size_t)m->program->n_layers);
        m->memory = rs_calloc((size_t)m->program->memory_beats, (size_t)rs_program_beat_bytes(m->program));
        if (m->stats.layers == NULL || m->memory == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status != RS_OK)
        close_machine(m);
    return status;
}

/* Loads an image and runs it; the last tensor is the scores. */
static rs_status run_image(machine *m, const uint8_t *pixels, uint64_t run, rs_run_stats *stats, int32_t *scores,
                           rs_diag *diag)
{
    const rs_program *p = m->program;
    memcpy(m->memory, p->memory, (size_t)(p->memory_beats * rs_program_beat_bytes(p)));
    rs_program_load_image(p, pixels, m->memory);
    const rs_status status = rs_array_run(m->array, m->memory, run, NULL, NULL, stats, diag);
    if (status == RS_OK)
        rs_program_read_tensor(p, m->memory, p->qnet->n_tensors - 1, scores);
    return status;
}

typedef struct array_scores {
    int64_t images, hits, ties, compared, different;
    double seconds;
} array_scores;

/* The images through the array model, the scores against the exact engine's. Counts saturations of the first one in
 * m->stats. */
static rs_status score_images(machine *m, const rs_qnet *qnet, const rs_dataset *part, array_scores *s, rs_diag *diag)
{
    const rs_qtensor *last = &qnet->tensors[qnet->n_tensors - 1];
    const int64_t classes = (int64_t)last->channels * last->height * last->width;
    const int64_t image = (int64_t)part->channels * part->height * part->width;
    int32_t *got = RS_NEW_ARRAY(int32_t, (size_t)classes), *expected = RS_NEW_ARRAY(int32_t, (size_t)classes);
    float *scores = RS_NEW_ARRAY(float, (size_t)classes);
    rs_engine *engine = NULL;
    rs_status status = got == NULL || expected == NULL || scores == NULL ? rs_out_of_memory(diag)
                                                                         : rs_engine_new(qnet, false, &engine, diag);
    *s = (array_scores) { .images = part->count };
    rs_progress *progress = rs_progress_begin("simulate", (uint64_t)part->count, "images");
    for (int64_t i = 0; i < part->count && status == RS_OK; i++) {
        const uint8_t *pixels = part->pixels + i * image;
        const double begin = rs_seconds();
        status = run_image(m, pixels, (uint64_t)i, i == 0 ? &m->stats : NULL, got, diag);
        s->seconds += rs_seconds() - begin;
        if (status == RS_OK)
            status = rs_engine_run(engine, pixels, 1, expected, NULL, diag);
        for (int64_t c = 0; c < classes && status == RS_OK; c++) {
            scores[c] = (float)got[c]; /* at most 16 bits: exact */
            s->compared++;
            s->different += got[c] != expected[c];
        }
        int64_t ties = 0;
        if (status == RS_OK)
            s->hits += rs_count_hits(scores, part->labels + i, 1, classes, 1, &ties);
        s->ties += ties;
        rs_progress_update(progress, (uint64_t)i + 1, NULL);
        if (status == RS_OK && rs_interrupted())
            status = RS_INTERRUPTED;
    }
    rs_progress_end(progress);
    rs_engine_free(engine);
    rs_free(got);
    rs_free(expected);
    rs_free(scores);
    return status;
}

/* The images of a slice in memory, as they enter the net. */
rs_status rs_stage_images(const rs_qnet *qnet, const rs_dataset *set, rs_slice slice, const rs_data_override *over,
                          rs_dataset **held, rs_diag *diag)
{
    const rs_qtensor *in = &qnet->tensors[0];
    const rs_dataset part = rs_dataset_slice(set, slice.first, slice.count);
    rs_data_param param = { .scale = 1.0f };
    rs_status status = over != NULL ? rs_data_override_apply(over, &param, diag) : RS_OK;
    const rs_shape whole = rs_dataset_shape(set, &param, 1);
    if (in->height == in->width && in->height <= whole.dim[2] && in->width <= whole.dim[3])
        param.crop_size = in->height;
    const rs_shape shape = rs_dataset_shape(set, &param, 1);
    if (status == RS_OK && (in->channels != shape.dim[1] || in->height != shape.dim[2] || in->width != shape.dim[3]))
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(set->path), NULL,
                          "the images are %lldx%lldx%lld, but the net '%s' takes %dx%dx%d", (long long)whole.dim[1],
                          (long long)whole.dim[2], (long long)whole.dim[3], qnet->name, in->channels, in->height,
                          in->width);
    return status == RS_OK ? rs_dataset_load(&part, &param, held, diag) : status;
}

rs_status rs_stage_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                            const rs_data_override *over, json_t **section, rs_diag *diag)
{
    rs_dataset *held = NULL;
    *section = NULL;
    machine m;
    array_scores s = { .images = 0 };
    rs_status status = set != NULL ? rs_stage_images(qnet, set, slice, over, &held, diag) : RS_OK;
    if (status == RS_OK)
        status = open_machine(qnet, config, &m, diag);
    if (status != RS_OK) {
        rs_dataset_free(held);
        return status;
    }
    if (held != NULL) {
        status = score_images(&m, qnet, held, &s, diag);
    } else {
        status = rs_array_run(m.array, NULL, 0, NULL, NULL, &m.stats, diag);
    }
    if (status == RS_OK)
        status = finish(json_pack("{s:s, s:o, s:I, s:I, s:f, s:o}", "network", qnet->name, "array",
                                  array_json(&m.program->config), "cycles", (json_int_t)m.stats.cycles,
                                  "stalled_requests", (json_int_t)m.stats.stalled_requests, "milliseconds",
                                  (double)m.stats.cycles / (m.program->config.clock_mhz * 1e3), "layers",
                                  stats_json(m.program, &m.stats)),
                        section, diag);
    if (status == RS_OK && set != NULL) {
        json_t *more = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:f}", "data", set->path, "first",
                                 (json_int_t)slice.first, "images", (json_int_t)s.images, "hits", (json_int_t)s.hits,
                                 "ties", (json_int_t)s.ties, "compared", (json_int_t)s.compared, "equal",
                                 s.different == 0, "model_cycles_per_second",
                                 s.seconds > 0.0 ? (double)m.stats.cycles * (double)s.images / s.seconds : 0.0);
        status = more != NULL && json_object_update(*section, more) == 0 ? RS_OK : rs_out_of_memory(diag);
        json_decref(more);
        if (status == RS_OK && s.different > 0)
            status = rs_error(diag, RS_MISMATCH, RS_NOWHERE,
                              "an accumulator that is too narrow (accumulator_bits) changes sums",
                              "%lld of %lld scores of the array model differ from the exact engine's",
                              (long long)s.different, (long long)s.compared);
    }
    close_machine(&m);
    rs_dataset_free(held);
    return status;
}

rs_status rs_stage_timeline(const rs_qnet *qnet, const rs_array_config *config, const char *path, rs_diag *diag)
{
    machine m;
    rs_timeline *timeline = NULL;
    rs_status status = open_machine(qnet, config, &m, diag);
    if (status != RS_OK)
        return status;
    status = rs_timeline_new(m.program, &timeline, diag);
    if (status == RS_OK) {
        rs_array_watch(m.array, rs_timeline_add, timeline);
        status = rs_array_run(m.array, NULL, 0, NULL, NULL, &m.stats, diag);
    }
    if (status == RS_OK)
        status = rs_timeline_write(timeline, m.stats.cycles, path, diag);
    rs_timeline_free(timeline);
    close_machine(&m);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- cosim */

/* Images that the RTL's scores get right. */
static rs_status count_right(const rs_dataset *part, const int32_t *scores, int64_t classes, int64_t *hits,
                             int64_t *ties, rs_diag *diag)
{
    const size_t n = (size_t)(part->count * classes);
    float *values = RS_NEW_ARRAY(float, n);
    if (values == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)scores[i]; /* at most 16 bits: exact */
    *hits = rs_count_hits(values, part->labels, part->count, classes, 1, ties);
    rs_free(values);
    return RS_OK;
}

static rs_status cosim_json(const rs_program *program, const rs_lockstep_result *r, json_t **section, rs_diag *diag)
{
    const rs_lockstep_mismatch *m = r->mismatch;
    json_t *value = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:f, s:f}", "network",
                              program->qnet->name, "array", program->config.name, "images", (json_int_t)r->images,
                              "outputs", (json_int_t)r->events[RS_EVENT_OUTPUT], "values", (json_int_t)r->values,
                              "writes", (json_int_t)r->events[RS_EVENT_WRITE], "reads",
                              (json_int_t)r->events[RS_EVENT_READ], "cycles", (json_int_t)r->cycles, "memory_bytes",
                              (json_int_t)r->memory_bytes, "engine_values", (json_int_t)r->engine_values, "equal",
                              m == NULL, "seconds", r->seconds, "build_seconds", r->build_seconds,
                              "rtl_cycles_per_second", r->seconds > 0.0 ? (double)r->cycles / r->seconds : 0.0);
    if (value != NULL && m != NULL &&
        json_object_set_new(value, "mismatch",
                            json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "what", rs_divergence_name(m->what), "event",
                                      rs_event_kind_name(m->kind), "image", (json_int_t)m->image, "layer",
                                      m->layer != NULL ? m->layer : "", "cycle", (json_int_t)m->cycle, "signal",
                                      m->signal)) != 0) {
        json_decref(value);
        value = NULL;
    }
    return finish(value, section, diag);
}

rs_status rs_stage_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, json_t **section,
                         rs_diag *diag)
{
    *section = NULL;
    const rs_qtensor *last = &qnet->tensors[qnet->n_tensors - 1];
    const int64_t classes = (int64_t)last->channels * last->height * last->width;
    rs_dataset *part = NULL;
    rs_lockstep_options o = *options;
    rs_lockstep_result r = { .images = 0 };
    rs_program *program = NULL;
    int32_t *scores = NULL;
    o.first_image = slice.first;
    rs_status status = rs_stage_images(qnet, set, slice, over, &part, diag);
    if (status == RS_OK)
        status = rs_program_compile(qnet, config, &program, diag);
    if (status == RS_OK && (scores = RS_NEW_ARRAY(int32_t, (size_t)(part->count * classes))) == NULL)
        status = rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_lockstep_run(program, part->pixels, part->count, &o, scores, &r, diag);
    if (status == RS_OK || (status == RS_MISMATCH && r.mismatch != NULL)) {
        if (r.mismatch != NULL)
            rs_lockstep_print(r.mismatch, stderr);
        rs_status made = cosim_json(program, &r, section, diag);
        int64_t hits = 0, ties = 0;
        if (made == RS_OK && status == RS_OK)
            made = count_right(part, scores, classes, &hits, &ties, diag);
        if (made == RS_OK && status == RS_OK &&
            (json_object_set_new(*section, "hits", json_integer((json_int_t)hits)) != 0 ||
             json_object_set_new(*section, "ties", json_integer((json_int_t)ties)) != 0))
            made = rs_out_of_memory(diag);
        status = made != RS_OK ? made : status;
    }
    rs_lockstep_result_clear(&r);
    rs_program_free(program);
    rs_dataset_free(part);
    rs_free(scores);
    return status;
}

rs_status rs_stage_trace(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, const char *path,
                         uint64_t from, uint64_t to, rs_diag *diag)
{
    rs_dataset *part = NULL;
    rs_program *program = NULL;
    const rs_slice one = { slice.first, 1 };
    rs_status status = rs_stage_images(qnet, set, one, over, &part, diag);
    if (status == RS_OK)
        status = rs_program_compile(qnet, config, &program, diag);
    if (status == RS_OK)
        status = rs_lockstep_trace(program, part->pixels, slice.first, options->x_seed, path, from, to, diag);
    rs_program_free(program);
    rs_dataset_free(part);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- estimate */

static json_t *energy_json(const rs_layer_energy *layer)
{
    json_t *parts = json_array();
    bool failed = false;
    for (int i = 0; i < RS_ENERGY_PARTS; i++) {
        const rs_energy_cost *p = &layer->parts[i];
        append(parts,
               json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", rs_energy_part_name((rs_energy_part)i), "unit",
                         rs_energy_part_unit((rs_energy_part)i), "count", p->count, "pj", p->pj, "float_count",
                         p->float_count, "float_pj", p->float_pj),
               &failed);
    }
    if (failed) {
        json_decref(parts);
        return NULL;
    }
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:o}", "name", layer->name, "pj", layer->pj, "float_pj",
                     layer->float_pj, "chip_pj", layer->chip_pj, "chip_float_pj", layer->chip_float_pj, "parts", parts);
}

static json_t *technology_json(const rs_technology *t)
{
    json_t *sources = json_array();
    bool failed = false;
    for (size_t i = 0; i < t->n_sources; i++)
        append(sources, json_pack("{s:s, s:s}", "id", t->sources[i].id, "reference", t->sources[i].reference), &failed);
    if (failed) {
        json_decref(sources);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:o}", "name", t->name, "path", t->path, "process_nm",
                     t->process_nm, "supply_v", t->supply_v, "dram_pj", t->dram_pj, "dram_high_pj", t->dram_high_pj,
                     "sources", sources);
}

static rs_status estimate_json(const machine *m, const rs_estimate *e, const rs_technology *t, json_t **section,
                               rs_diag *diag)
{
    const rs_array_config *c = &m->program->config;
    json_t *layers = json_array(), *blocks = json_array();
    bool failed = false;
    double macs = 0.0;
    for (int i = 0; i < e->n_layers; i++) {
        append(layers, energy_json(&e->layers[i]), &failed);
        macs += (double)m->stats.layers[i].macs;
    }
    for (int i = 0; i < e->n_blocks; i++) {
        const rs_area_block *b = &e->blocks[i];
        append(blocks,
               json_pack("{s:s, s:I, s:i, s:f, s:f}", "name", b->name, "instances", (json_int_t)b->instances, "bits",
                         b->bits, "um2", b->um2, "float_um2", b->float_um2),
               &failed);
    }
    if (failed) {
        json_decref(layers);
        json_decref(blocks);
        return rs_out_of_memory(diag);
    }
    const double seconds = (double)m->stats.cycles / (c->clock_mhz * 1e6);
    return finish(json_pack("{s:s, s:s, s:o, s:f, s:I, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:s}", "network",
                            m->program->qnet->name, "array", c->name, "technology", technology_json(t), "clock_mhz",
                            c->clock_mhz, "cycles", (json_int_t)m->stats.cycles, "chip_pj_per_mac",
                            macs > 0.0 ? e->total.chip_pj / macs : 0.0, "chip_milliwatts",
                            seconds > 0.0 ? e->total.chip_pj * 1e-9 / seconds : 0.0, "layers", layers, "total",
                            energy_json(&e->total), "blocks", blocks, "um2", e->um2, "float_um2", e->float_um2, "kind",
                            "counts measured by the cycle model, energy and area modelled"),
                  section, diag);
}

rs_status rs_stage_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology_path,
                            json_t **section, rs_diag *diag)
{
    *section = NULL;
    rs_technology *technology = NULL;
    rs_estimate *estimate = NULL;
    machine m;
    rs_status status = rs_technology_read(technology_path, &technology, diag);
    if (status != RS_OK)
        return status;
    status = open_machine(qnet, config, &m, diag);
    if (status == RS_OK) {
        status = rs_array_run(m.array, NULL, 0, NULL, NULL, &m.stats, diag);
        if (status == RS_OK)
            status = rs_estimate_new(m.program, &m.stats, technology, &estimate, diag);
        if (status == RS_OK)
            status = estimate_json(&m, estimate, technology, section, diag);
        close_machine(&m);
    }
    rs_estimate_free(estimate);
    rs_technology_free(technology);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- export */

rs_status rs_stage_export(const rs_qnet *qnet, const rs_array_config *config, int format, const char *folder,
                          json_t **section, rs_diag *diag)
{
    *section = NULL;
    rs_program *program = NULL;
    int64_t words = 0, compared = 0, files = 0;
    rs_status status = rs_program_compile(qnet, config, &program, diag);
    if (status != RS_OK)
        return status;
    const rs_array_config *c = &program->config;
    const bool minifloat = c->pe == RS_PE_MINIFLOAT;
    const rs_rom_options options = { .format = (rs_rom_format)format,
                                     .lanes = c->lanes,
                                     .multipliers = c->multipliers,
                                     .code = rs_array_weight_code(c),
                                     .weight_bits = c->weight_bits,
                                     .bias_bits = minifloat ? 0 : c->accumulator_bits };
    const bool readable = options.format == RS_ROM_HEX || options.format == RS_ROM_NPY;
    status = rs_rom_export(qnet, &options, folder, &words, diag);
    if (status == RS_OK && readable)
        status = rs_rom_verify(qnet, folder, &compared, diag);
    if (status == RS_OK)
        status = rs_program_write_images(program, folder, diag);
    for (int i = 0; i < qnet->n_ops; i++)
        files += rs_qop_weighted(&qnet->ops[i]) ? 2 * c->lanes : 0; /* weights and biases of each lane */
    if (status == RS_OK)
        status = finish(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i}", "network", qnet->name, "array", c->name,
                                  "folder", folder, "format", rs_export_formats[format], "files", (json_int_t)files,
                                  "words", (json_int_t)words, "weight_bits", c->weight_bits, "bias_bits",
                                  c->accumulator_bits),
                        section, diag);
    if (status == RS_OK && readable &&
        json_object_set_new(*section, "compared", json_integer((json_int_t)compared)) != 0)
        status = rs_out_of_memory(diag);
    rs_program_free(program);
    return status;
}
