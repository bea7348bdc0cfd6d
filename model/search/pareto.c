/* Mixed widths by coordinate descent, and the front of accuracy against cost. */
#include "search/pareto.h"

#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "engine/engine.h"
#include "emulate/emulate.h"
#include "qnet/build.h"
#include "emulate/score.h"

/* What can lose a bit: the weights of a layer or the blobs of one format; several of them together if widths are
 * uniform. */
typedef struct coordinate {
    bool weights;
    int index; /* layer or blob class; -1: all of them */
} coordinate;

typedef struct search {
    const rs_net *net;
    const rs_data_param *data;
    const rs_dataset *calibration, *set;
    const rs_quantize_options *options;
    const rs_pareto_options *pareto;
    rs_plan *plan;
    rs_ranges *ranges;
    rs_emulator *emulator;
    int n_coordinates;
    coordinate *coordinates;
    rs_widths widths;
    size_t capacity;
    rs_pareto_result *result;
} search;

static rs_status copy_widths(const rs_net *net, const rs_widths *from, rs_widths *to, rs_diag *diag)
{
    to->weights = RS_NEW_ARRAY(int, (size_t)net->n_layers);
    to->activations = RS_NEW_ARRAY(int, (size_t)net->n_blobs);
    if (to->weights == NULL || to->activations == NULL) {
        rs_free(to->weights);
        rs_free(to->activations);
        return rs_out_of_memory(diag);
    }
    memcpy(to->weights, from->weights, (size_t)net->n_layers * sizeof(int));
    memcpy(to->activations, from->activations, (size_t)net->n_blobs * sizeof(int));
    return RS_OK;
}

static void free_widths(rs_widths *w)
{
    rs_free(w->weights);
    rs_free(w->activations);
}

static rs_status make_formats(const search *s, bool improve, rs_formats **formats, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    rs_status st = rs_formats_make(s->net, s->ranges, &o->rules, &s->widths, 0, formats, diag);
    if (st == RS_OK && o->unsigned_activations)
        st = rs_formats_use_unsigned(s->net, s->data, *formats, diag);
    if (st == RS_OK)
        (*formats)->wide_scores = o->wide_scores;
    if (st == RS_OK && o->channel_weights)
        st = rs_formats_use_channels(s->net, *formats, diag);
    if (st == RS_OK)
        st = rs_formats_fit_sums(s->net, o->bias_rule, *formats, diag);
    const rs_calibration on = {
        .net = s->net, .data = s->data, .set = s->calibration, .bias_rule = o->bias_rule, .rounding = o->rounding
    };
    if (st == RS_OK && improve)
        st = rs_formats_improve(&on, o->adaptive_weights, o->refine_images, *formats, diag);
    return st;
}

/* Moves a coordinate by one bit; false if its widths are fixed or at their end. */
static bool move(search *s, const coordinate *c, int by)
{
    const rs_quantize_options *o = s->options;
    bool moved = false;
    for (int i = 0; c->weights && i < s->net->n_layers; i++) {
        const rs_group group = rs_layer_group(&s->net->layers[i]);
        if ((c->index >= 0 && c->index != i) || group == RS_GROUPS || s->widths.weights[i] == 0 ||
            o->fixed_bits[group] > 0 || s->widths.weights[i] + by < o->min_bits ||
            s->widths.weights[i] + by > o->max_bits)
            continue;
        s->widths.weights[i] += by;
        moved = true;
    }
    for (int b = 0; !c->weights && b < s->net->n_blobs; b++) {
        if ((c->index >= 0 && s->plan->format_class[b] != c->index) || s->widths.activations[b] == 0 ||
            o->fixed_bits[RS_GROUP_ACTIVATIONS] > 0 || s->widths.activations[b] + by < o->min_bits ||
            s->widths.activations[b] + by > o->max_bits)
            continue;
        s->widths.activations[b] += by;
        moved = true;
    }
    return moved;
}

/* Summed cross-entropy of the search images, in float emulation. */
static rs_status loss_of(search *s, double *loss, rs_diag *diag)
{
    rs_formats *f = NULL;
    const int64_t batch = rs_emulator_batch(s->emulator), images = s->result->images,
                  classes = rs_plan_count(s->net, s->plan->scores);
    rs_status st = make_formats(s, false, &f, diag);
    *loss = 0;
    for (int64_t first = 0; first < images && st == RS_OK; first += batch) {
        const int64_t n = images - first < batch ? images - first : batch;
        rs_counts counts = { 0, 0 };
        st = rs_emulator_load(s->emulator, s->set, first, n, diag);
        if (st == RS_OK)
            st = rs_emulator_run(s->emulator, f, s->options->bias_rule, s->options->rounding, 1, &counts, diag);
        const float *scores = rs_emulator_scores(s->emulator);
        for (int64_t i = 0; i < n && st == RS_OK; i++)
            *loss += rs_cross_entropy(scores + i * classes, classes, s->set->labels[first + i]);
        if (st == RS_OK && rs_interrupted())
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while widths were chosen");
    }
    rs_formats_free(f);
    s->result->trials++;
    return st;
}

/* Scores the present widths on integers. */
static rs_status add_point(search *s, rs_diag *diag)
{
    rs_pareto_result *r = s->result;
    rs_pareto_point *grown = rs_grow(r->points, (size_t)r->n_points, &s->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    r->points = grown;
    rs_pareto_point *p = &r->points[r->n_points];
    rs_formats *f = NULL;
    rs_qnet *q = NULL;
    rs_engine *engine = NULL;
    rs_score score = { .images = 0 };
    const rs_dataset scored = rs_dataset_slice(s->set, 0, r->images);
    rs_status st = make_formats(s, true, &f, diag);
    if (st == RS_OK)
        st = rs_qnet_build(s->net, f, s->data, s->options->bias_rule, s->options->rounding, &q, diag);
    if (st == RS_OK)
        st = rs_engine_new(q, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, &scored, 1, &score, diag);
    if (st == RS_OK)
        st = copy_widths(s->net, &s->widths, &p->widths, diag);
    if (st == RS_OK) {
        p->cost = s->pareto->cost(s->pareto->context, s->net, &s->widths);
        p->hits = score.hits;
        p->ties = score.ties;
        r->n_points++;
    }
    rs_engine_free(engine);
    rs_qnet_free(q);
    rs_formats_free(f);
    return st;
}

/* One bit less where the loss for the cost saved is least; *done if nothing can lose a bit. */
static rs_status step(search *s, double *loss, bool *done, rs_diag *diag)
{
    const double cost = s->pareto->cost(s->pareto->context, s->net, &s->widths);
    int best = -1;
    double best_price = 0, best_loss = 0;
    rs_status st = RS_OK;
    for (int i = 0; i < s->n_coordinates && st == RS_OK; i++) {
        if (!move(s, &s->coordinates[i], -1))
            continue;
        const double saved = cost - s->pareto->cost(s->pareto->context, s->net, &s->widths);
        double now = 0;
        if (saved > 0) /* what saves nothing stays as wide as it is */
            st = loss_of(s, &now, diag);
        (void)move(s, &s->coordinates[i], 1);
        /* What loses nothing goes by what it saves. */
        const double more = now - *loss, least = 1e-6 * (1 + fabs(*loss)),
                     price = more > least ? more / saved : least / saved;
        if (st != RS_OK || saved <= 0 || (best >= 0 && price >= best_price))
            continue;
        best = i;
        best_price = price;
        best_loss = now;
    }
    *done = best < 0;
    if (st != RS_OK || *done)
        return st;
    (void)move(s, &s->coordinates[best], -1);
    *loss = best_loss;
    return add_point(s, diag);
}

static void choose(search *s)
{
    rs_pareto_result *r = s->result;
    for (int i = 0; i < r->n_points; i++) {
        rs_pareto_point *p = &r->points[i];
        p->front = true;
        for (int k = 0; k < r->n_points; k++) {
            const rs_pareto_point *q = &r->points[k];
            if ((q->cost < p->cost && q->hits >= p->hits) || (q->cost <= p->cost && q->hits > p->hits))
                p->front = false;
        }
    }
    r->chosen = -1;
    for (int i = 0; i < r->n_points; i++) {
        const rs_pareto_point *p = &r->points[i], *old = r->chosen >= 0 ? &r->points[r->chosen] : NULL;
        const bool fits = s->pareto->budget > 0 ? p->cost <= s->pareto->budget : p->hits >= r->needed_hits;
        if (!fits || !p->front)
            continue;
        const bool better = old == NULL || (s->pareto->budget > 0
                                                ? p->hits > old->hits || (p->hits == old->hits && p->cost < old->cost)
                                                : p->cost < old->cost);
        r->chosen = better ? i : r->chosen;
    }
    r->met = r->chosen >= 0;
    if (!r->met) /* the nearest there is: the cheapest, or the best */
        for (int i = 0; i < r->n_points; i++)
            if (r->chosen < 0 || (s->pareto->budget > 0 ? r->points[i].cost < r->points[r->chosen].cost
                                                        : r->points[i].hits > r->points[r->chosen].hits))
                r->chosen = i;
}

static rs_status list_coordinates(search *s, rs_diag *diag)
{
    const rs_net *net = s->net;
    const rs_quantize_options *o = s->options;
    s->coordinates = RS_NEW_ARRAY(coordinate, (size_t)(net->n_layers + net->n_blobs) + 2);
    s->widths.weights = RS_NEW_ARRAY(int, (size_t)net->n_layers);
    s->widths.activations = RS_NEW_ARRAY(int, (size_t)net->n_blobs);
    if (s->coordinates == NULL || s->widths.weights == NULL || s->widths.activations == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < s->plan->n_layers; i++) {
        const rs_group group = rs_layer_group(&net->layers[i]);
        if (group == RS_GROUPS)
            continue;
        s->widths.weights[i] = o->rules.scheme == RS_SCHEME_POWER2 ? rs_power2_bits(o->rules.power2)
                               : o->fixed_bits[group] > 0          ? o->fixed_bits[group]
                                                                   : o->max_bits;
        if (!s->pareto->uniform && o->rules.scheme != RS_SCHEME_POWER2)
            s->coordinates[s->n_coordinates++] = (coordinate) { true, i };
    }
    for (int b = 0; b < net->n_blobs; b++) {
        if (s->plan->format_class[b] < 0)
            continue;
        const int fixed = o->fixed_bits[RS_GROUP_ACTIVATIONS];
        s->widths.activations[b] = fixed > 0 ? fixed : o->max_bits;
        if (!s->pareto->uniform && s->plan->format_class[b] == b)
            s->coordinates[s->n_coordinates++] = (coordinate) { false, b };
    }
    if (s->pareto->uniform) {
        if (o->rules.scheme != RS_SCHEME_POWER2)
            s->coordinates[s->n_coordinates++] = (coordinate) { true, -1 };
        s->coordinates[s->n_coordinates++] = (coordinate) { false, -1 };
    }
    return RS_OK;
}

static rs_status run(search *s, rs_diag *diag)
{
    const rs_format_rules *rules = &s->options->rules;
    rs_pareto_result *r = s->result;
    rs_counts counts = { 0, 0 };
    const rs_calibration scored = { .net = s->net,
                                    .data = s->data,
                                    .set = s->set,
                                    .images = r->images,
                                    .bias_rule = s->options->bias_rule,
                                    .rounding = s->options->rounding };
    const bool all = rules->activation_range != RS_RANGE_MAX || rules->bias_correction;
    rs_status st = rs_plan_new(s->net, &s->plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(s->plan, s->net, s->set, diag);
    if (st == RS_OK)
        st = (all ? rs_ranges_measure_all : rs_ranges_measure)(s->net, s->data, s->calibration, 0, &s->ranges, diag);
    if (st == RS_OK)
        st = list_coordinates(s, diag);
    if (st == RS_OK)
        st = rs_emulate_score(&scored, NULL, 1, &counts, diag);
    r->float_hits = counts.hits;
    const rs_dataset seen = rs_dataset_slice(s->set, 0, r->images);
    if (st == RS_OK && s->options->stop_at_chance)
        st = rs_check_chance(s->net, &seen, r->float_hits, 1, diag);
    if (st == RS_OK)
        st = rs_emulator_new(s->net, s->plan, s->data, r->images, &s->emulator, diag);
    r->needed_hits = rs_hits_needed(r->float_hits, r->images, s->options->error_margin);
    const int64_t last = rs_hits_needed(r->float_hits, r->images, s->pareto->stop_margin);
    double loss = 0;
    bool done = false;
    if (st == RS_OK)
        st = add_point(s, diag);
    if (st == RS_OK)
        st = loss_of(s, &loss, diag);
    rs_progress *progress = rs_progress_begin("front", 0, "points");
    while (st == RS_OK && !done && r->points[r->n_points - 1].hits >= last) {
        st = step(s, &loss, &done, diag);
        rs_progress_update(progress, (uint64_t)r->n_points, NULL);
    }
    rs_progress_end(progress);
    if (st != RS_OK)
        return st;
    choose(s);
    memcpy(s->widths.weights, r->points[r->chosen].widths.weights, (size_t)s->net->n_layers * sizeof(int));
    memcpy(s->widths.activations, r->points[r->chosen].widths.activations, (size_t)s->net->n_blobs * sizeof(int));
    st = make_formats(s, true, &r->formats, diag);
    if (st == RS_OK)
        st = rs_qnet_build(s->net, r->formats, s->data, s->options->bias_rule, s->options->rounding, &r->qnet, diag);
    return st;
}

rs_status rs_pareto(const rs_net *net, const rs_data_param *data, const rs_dataset *calibration,
                    const rs_dataset *search_set, const rs_quantize_options *options, const rs_pareto_options *pareto,
                    rs_pareto_result **result, rs_diag *diag)
{
    *result = NULL;
    const double start = rs_seconds();
    if (options->rules.scheme != RS_SCHEME_DYNAMIC && options->rules.scheme != RS_SCHEME_POWER2)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "widths layer by layer are of dynamic fixed point and of powers of two, not of the scheme '%s'",
                        rs_scheme_name(options->rules.scheme));
    if (options->min_bits < 1 || options->max_bits > RS_QNET_MAX_BITS || options->min_bits > options->max_bits ||
        !(pareto->budget >= 0))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "widths from %d to %d bits, expected 1 <= min <= max <= %d; and a budget of at least 0",
                        options->min_bits, options->max_bits, RS_QNET_MAX_BITS);
    rs_status st = rs_format_rules_check(&options->rules, diag);
    if (st != RS_OK)
        return st;
    search s = {
        .net = net, .data = data, .calibration = calibration, .set = search_set, .options = options, .pareto = pareto
    };
    s.result = RS_NEW(rs_pareto_result);
    if (s.result == NULL)
        return rs_out_of_memory(diag);
    s.result->images = options->search_images > 0 && options->search_images < search_set->count ? options->search_images
                                                                                                : search_set->count;
    st = run(&s, diag);
    rs_emulator_free(s.emulator);
    rs_ranges_free(s.ranges);
    rs_plan_free(s.plan);
    rs_free(s.coordinates);
    free_widths(&s.widths);
    s.result->seconds = rs_seconds() - start;
    if (st == RS_OK)
        *result = s.result;
    else
        rs_pareto_result_free(s.result);
    return st;
}

void rs_pareto_result_free(rs_pareto_result *result)
{
    if (result == NULL)
        return;
    for (int i = 0; i < result->n_points; i++)
        free_widths(&result->points[i].widths);
    rs_free(result->points);
    rs_formats_free(result->formats);
    rs_qnet_free(result->qnet);
    rs_free(result);
}
