/* The stage that searches widths layer by layer, by what they cost. */
#include "flow/pareto.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/text.h"
#include "energy/technology.h"
#include "flow/outputs.h"
#include "import/caffe/caffe.h"
#include "import/import.h"
#include "net/cost.h"
#include "train/score.h"

static const char *const units[RS_COST_KINDS] = {
    [RS_COST_NONE] = "", [RS_COST_BITS] = "bits", [RS_COST_AREA] = "um2", [RS_COST_ENERGY] = "pJ"
};

const char *rs_cost_kind_unit(rs_cost_kind kind)
{
    return units[kind];
}

typedef struct pricing {
    rs_cost_kind kind;
    const rs_technology *technology;
    bool power2;
} pricing;

/* One multiply-accumulate of layer i: the product, and the addition to a sum as wide as the layer's sums can be. */
static rs_cost operation(const pricing *p, const rs_net *net, int i, const rs_widths *w)
{
    const rs_layer *l = &net->layers[i];
    const int in = w->activations[l->bottoms[0]], weight = w->weights[i];
    const int sum = in + weight + rs_ceil_log2(rs_shape_count(&l->params[0].shape, 1));
    const rs_cost product = p->power2 ? rs_cost_shifter(p->technology, in + weight, weight)
                                      : rs_cost_multiplier(p->technology, in, weight);
    const rs_cost adder = rs_cost_linear(&p->technology->adders, sum);
    return (rs_cost) { product.pj + adder.pj, product.um2 + adder.um2 };
}

/* Bits: of all weights and all layer outputs of an image. Area: of one multiply-accumulate unit that serves every
 * layer. Energy: of the multiply-accumulates of an image, and of its weights and layer outputs moved once to or from
 * the off-chip memory. */
static double cost_of(const void *context, const rs_net *net, const rs_widths *w)
{
    const pricing *p = context;
    double bits = 0, area = 0, energy = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer_cost c = rs_net_cost(net, i);
        const rs_layer *l = &net->layers[i];
        if (w->weights[i] > 0) {
            bits += (double)rs_shape_count(&l->params[0].shape, 0) * w->weights[i];
            if (p->technology != NULL) {
                const rs_cost one = operation(p, net, i, w);
                area = fmax(area, one.um2);
                energy += (double)c.macs * one.pj;
            }
        }
        for (int t = 0; t < l->n_tops; t++)
            bits += c.outputs > 0
                        ? (double)rs_shape_count(&net->blobs[l->tops[t]].shape, 1) * w->activations[l->tops[t]]
                        : 0;
    }
    if (p->kind == RS_COST_BITS)
        return bits;
    return p->kind == RS_COST_AREA ? area : energy + bits * rs_dram_pj_per_bit(p->technology);
}

/* ------------------------------------------------------------------------------------------------------- output */

/* A comma and a column's head. */
static void csv_column(const char *name, const char *what, FILE *f)
{
    char head[512];
    snprintf(head, sizeof head, "%s%s", name, what);
    putc(',', f);
    rs_text_csv(head, f);
}

/* A column for each layer's weights, and for each blob that has a width. */
static rs_status write_csv(const rs_net *net, const rs_pareto_result *r, const char *unit, const char *path,
                           rs_diag *diag)
{
    rs_output *out = NULL;
    const rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    FILE *f = rs_output_stream(out);
    const rs_widths *first = &r->points[0].widths;
    fprintf(f, "cost_%s,hits,ties,accuracy,front,chosen", unit);
    for (int i = 0; i < net->n_layers; i++)
        if (first->weights[i] > 0)
            csv_column(net->layers[i].name, " weights", f);
    for (int b = 0; b < net->n_blobs; b++)
        if (first->activations[b] > 0)
            csv_column(net->blobs[b].name, "", f);
    fputc('\n', f);
    for (int k = 0; k < r->n_points; k++) {
        const rs_pareto_point *p = &r->points[k];
        fprintf(f, "%.9g,%" PRId64 ",%" PRId64 ",%.4f,%d,%d", p->cost, p->hits, p->ties,
                100.0 * (double)p->hits / (double)r->images, p->front, k == r->chosen);
        for (int i = 0; i < net->n_layers; i++)
            if (first->weights[i] > 0)
                fprintf(f, ",%d", p->widths.weights[i]);
        for (int b = 0; b < net->n_blobs; b++)
            if (first->activations[b] > 0)
                fprintf(f, ",%d", p->widths.activations[b]);
        fputc('\n', f);
    }
    return rs_output_commit(out, diag);
}

static rs_status write_outputs(rs_net *net, const rs_quantize_stage *stage, const rs_pareto_result *r, const char *unit,
                               rs_diag *diag)
{
    char *csv = rs_path_join(stage->out, "pareto.csv");
    rs_status status = csv == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (status == RS_OK)
        status = rs_stage_write_quantized(net, stage->model, r->formats, r->qnet, stage->out, true, diag);
    if (status == RS_OK)
        status = write_csv(net, r, unit, csv, diag);
    rs_free(csv);
    return status;
}

rs_status rs_stage_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage,
                          const char *technology_path, rs_pareto_outcome *outcome, rs_diag *diag)
{
    const rs_cost_kind kind = stage->options.pareto;
    const double budget = stage->options.budget;
    *outcome = (rs_pareto_outcome) { .net = net,
                                     .set = set,
                                     .kind = kind,
                                     .budget = budget,
                                     .error_margin = stage->options.error_margin,
                                     .test.name = "test" };
    const rs_dataset *chosen_on = stage->chosen_on != NULL ? stage->chosen_on : set;
    const rs_dataset calibration = rs_dataset_slice(chosen_on, stage->calibration.first, stage->calibration.count);
    const rs_dataset search = rs_dataset_slice(chosen_on, stage->search.first, stage->search.count);
    rs_technology *technology = NULL;
    rs_quantize_options quantizer = stage->options;
    quantizer.stop_at_chance = true;
    int data_layer = 0;
    if (kind != RS_COST_BITS && technology_path == NULL)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "name one, such as configs/technologies/horowitz-45nm.yaml",
                        "a front by %s needs a technology", rs_word_name(rs_cost_kind_words, (int)kind));
    rs_status status = technology_path != NULL ? rs_technology_read(technology_path, &technology, diag) : RS_OK;
    const pricing price = { .kind = kind,
                            .technology = technology,
                            .power2 = stage->options.rules.scheme == RS_SCHEME_POWER2 };
    const rs_pareto_options options = { .cost = cost_of,
                                        .context = &price,
                                        .uniform = kind == RS_COST_AREA,
                                        .budget = budget,
                                        .stop_margin = fmax(5.0, 3.0 * stage->options.error_margin) };
    if (status == RS_OK)
        status = rs_data_layer(net, &data_layer, diag);
    if (status == RS_OK)
        status = rs_make_folder(stage->out, diag);
    if (status == RS_OK)
        status = rs_pareto(net, &net->layers[data_layer].data, &calibration, &search, &quantizer, &options,
                           &outcome->result, diag);
    if (status == RS_OK)
        status = rs_slice_score_both(net, outcome->result->qnet, set, stage->test, &outcome->test, diag);
    if (status == RS_OK)
        status = write_outputs(net, stage, outcome->result, units[kind], diag);
    if (status == RS_OK && !outcome->result->met)
        status = rs_error(diag, RS_MISMATCH, RS_NOWHERE, "the cheapest, or the best, of what was tried is written",
                          "no point of the front %s", budget > 0 ? "is within the budget" : "keeps the error margin");
    rs_technology_free(technology);
    return status;
}

void rs_pareto_outcome_clear(rs_pareto_outcome *outcome)
{
    rs_pareto_result_free(outcome->result);
    outcome->result = NULL;
}
