/* The search: docs/reference/quantizer-rules.md. */
#include "search/quantize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "search/checkpoint.h"
#include "emulate/emulate.h"
#include "qnet/build.h"
#include "emulate/score.h"
#include "import/import.h"

enum {
    MOST_BITS = 16,
    POWER2_ACTIVATION_BITS = 8, /* unless asked otherwise */
    STATIC_STEP = 3             /* fractional lengths that a width tries beyond that of the width above it */
};
static const double save_interval = 2.0; /* seconds between two checkpoints */

/* A trial of one group, in float emulation. */
typedef struct single {
    rs_trial trial;
    rs_formats *formats;
    int same_as; /* an earlier trial, or -1 for the float net, that has the same numbers throughout; else its own index
                  */
} single;

typedef struct search {
    const rs_net *net;
    const rs_data_param *data;
    const rs_dataset *set, *calibration;
    rs_dataset scored; /* the images that score a trial */
    const rs_quantize_options *options;
    rs_plan *plan;
    rs_ranges *ranges;
    bool has_group[RS_GROUPS];
    int least[RS_GROUPS], most[RS_GROUPS]; /* widths that are tried */
    int n_singles;
    single *singles;
    int *order; /* in which the singles of a batch run */
    rs_search_state state;
    rs_trial last; /* the combination that was scored last, and its formats; or NULL */
    rs_formats *last_formats;
    double saved; /* when the checkpoint was written */
    rs_quantize_result *result;
} search;

int64_t rs_hits_needed(int64_t float_hits, int64_t images, double error_margin)
{
    /* 0.3 % of 1,000 images is 3 of them, although 0.3 is no binary number: a millionth of an image is forgiven. */
    const int64_t allowed = (int64_t)floor(error_margin * (double)images / 100.0 + 1e-6);
    return float_hits > allowed ? float_hits - allowed : 0;
}

/* ------------------------------------------------------------------------------------------------------ options */

static rs_status check_options(const rs_quantize_options *o, rs_diag *diag)
{
    if (!(o->error_margin >= 0 && o->error_margin <= 100))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "error margin %g, expected 0 to 100 percentage points",
                        o->error_margin);
    if (o->min_bits < 1 || o->max_bits > MOST_BITS || o->min_bits > o->max_bits)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "widths from %d to %d bits, expected 1 <= min <= max <= %d",
                        o->min_bits, o->max_bits, MOST_BITS);
    for (int g = 0; g < RS_GROUPS; g++)
        if (o->fixed_bits[g] < 0 || o->fixed_bits[g] > MOST_BITS)
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "%d bits for %s, expected 1 to %d, or 0 to search",
                            o->fixed_bits[g], rs_group_name((rs_group)g), MOST_BITS);
    if ((unsigned)o->rounding >= RS_ROUND_STOCHASTIC)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, "take nearest, nearest_even, nearest_up or truncate",
                        "rounding '%s', expected a deterministic mode", rs_rounding_name(o->rounding));
    if (o->rules.scheme == RS_SCHEME_MINIFLOAT && (o->wide_scores || o->unsigned_activations || o->channel_weights))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "wide scores, unsigned values and formats by channel are of fixed point, not of minifloat");
    if (o->refine_images < 0 ||
        (o->refine_images > 0 && (o->rules.scheme == RS_SCHEME_STATIC || o->rules.scheme == RS_SCHEME_MINIFLOAT)))
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "formats are improved on %lld images, expected at least 0; only those of dynamic fixed point "
                        "can be moved",
                        (long long)o->refine_images);
    if (o->adaptive_weights && o->rules.scheme == RS_SCHEME_STATIC)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                        "adaptive rounding moves fractional lengths, but static fixed point has one for all numbers");
    return rs_format_rules_check(&o->rules, diag);
}

/* The widths that options and rules leave to each group. */
static rs_status find_widths(search *s, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    s->has_group[RS_GROUP_ACTIVATIONS] = true;
    for (int i = 0; i < s->plan->n_layers; i++) {
        const rs_group group = rs_layer_group(&s->net->layers[i]);
        if (group != RS_GROUPS)
            s->has_group[group] = true;
    }
    for (int g = 0; g < RS_GROUPS; g++) {
        int least, most;
        rs_format_rules_widths(&o->rules, s->net, s->ranges, (rs_group)g, &least, &most);
        const int fixed = o->fixed_bits[g] > 0                                               ? o->fixed_bits[g]
                          : o->rules.scheme == RS_SCHEME_POWER2 && g == RS_GROUP_ACTIVATIONS ? POWER2_ACTIVATION_BITS
                                                                                             : 0;
        s->least[g] = fixed > 0 ? fixed : least == most || o->min_bits < least ? least : o->min_bits;
        s->most[g] = fixed > 0 ? fixed : least == most || o->max_bits > most ? most : o->max_bits;
        if (s->has_group[g] && (s->least[g] < least || s->most[g] > most || s->least[g] > s->most[g]))
            return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL,
                            "%d to %d bits for %s, expected %d to %d: that is what the scheme '%s' has here",
                            fixed > 0 ? fixed : o->min_bits, fixed > 0 ? fixed : o->max_bits,
                            rs_group_name((rs_group)g), least, most, rs_scheme_name(o->rules.scheme));
        if (o->rules.scheme == RS_SCHEME_STATIC && o->fixed_bits[g] > 0)
            return rs_error(diag, RS_USAGE, RS_NOWHERE, "limit it by the smallest and the largest width",
                            "%d bits for %s alone, but static fixed point has one width for everything",
                            o->fixed_bits[g], rs_group_name((rs_group)g));
    }
    return RS_OK;
}

/* The next narrower width of a search. */
static int narrower(const search *s, int bits)
{
    if (!s->options->original_search)
        return bits - 1;
    int power = 1;
    while (2 * power < bits)
        power *= 2;
    return bits > 1 ? power : 0;
}

/* ----------------------------------------------------------------------------------------------- integer engine */

/* The formats of a trial. */
static rs_status choose_formats(const search *s, const int bits[RS_GROUPS], int fl, rs_formats **formats, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    if (o->given != NULL)
        return rs_formats_copy_fixed(s->net, o->given, formats, diag);
    rs_status st = rs_formats_make_groups(s->net, s->ranges, &o->rules, bits, fl, formats, diag);
    if (st == RS_OK && o->unsigned_activations)
        st = rs_formats_use_unsigned(s->net, s->data, *formats, diag);
    if (st == RS_OK)
        (*formats)->wide_scores = o->wide_scores;
    if (st == RS_OK && o->channel_weights)
        st = rs_formats_use_channels(s->net, *formats, diag);
    if (st == RS_OK)
        st = rs_formats_fit_sums(s->net, o->bias_rule, *formats, diag);
    return st;
}

/* Scores a combination on integers (if it has images); its formats are kept as the last ones. *qnet (may be NULL) keeps
 * what was built. */
static rs_status score_exact(search *s, rs_trial *trial, bool improve, rs_qnet **qnet, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    rs_formats *f = NULL;
    rs_qnet *q = NULL;
    rs_engine *engine = NULL;
    rs_score score = { .images = 0 };
    rs_status st = choose_formats(s, trial->bits, trial->fl, &f, diag);
    const rs_calibration on = {
        .net = s->net, .data = s->data, .set = s->calibration, .bias_rule = o->bias_rule, .rounding = o->rounding
    };
    if (st == RS_OK && improve)
        st = rs_formats_improve(&on, o->adaptive_weights, o->refine_images, f, diag);
    if (st == RS_OK)
        st = rs_qnet_build(s->net, f, s->data, s->options->bias_rule, s->options->rounding, &q, diag);
    if (st == RS_OK && trial->images > 0) {
        st = rs_engine_new(q, false, &engine, diag);
        if (st == RS_OK)
            st = rs_engine_score(engine, &s->scored, 1, &score, diag);
        trial->hits = score.hits;
        trial->ties = score.ties;
    }
    rs_engine_free(engine);
    if (st == RS_OK) {
        rs_formats_free(s->last_formats);
        s->last = *trial;
        s->last_formats = f;
        f = NULL;
    }
    if (st == RS_OK && qnet != NULL) {
        *qnet = q;
        q = NULL;
    }
    rs_qnet_free(q);
    rs_formats_free(f);
    return st;
}

/* A net that the integer engine refuses is refused before the search, not after it. */
static rs_status check_buildable(search *s, rs_diag *diag)
{
    rs_trial widest = { .group = RS_GROUPS, .images = 0 };
    for (int g = 0; g < RS_GROUPS; g++)
        widest.bits[g] = s->most[g];
    return score_exact(s, &widest, false, NULL, diag);
}

/* ------------------------------------------------------------------------------------------------------- trials */

static rs_status plan_trials(search *s, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    s->singles = RS_NEW_ARRAY(single, RS_GROUPS * MOST_BITS);
    s->order = RS_NEW_ARRAY(int, RS_GROUPS *MOST_BITS);
    s->state.counts = RS_NEW_ARRAY(rs_counts, RS_GROUPS * MOST_BITS + 1);
    if (s->singles == NULL || s->order == NULL || s->state.counts == NULL)
        return rs_out_of_memory(diag);
    int first_of[RS_GROUPS + 1] = { 0 };
    for (int g = 0; g < RS_GROUPS; g++) {
        first_of[g] = s->n_singles;
        const bool tried = s->has_group[g] && o->fixed_bits[g] == 0 && o->rules.scheme != RS_SCHEME_STATIC;
        for (int bits = s->most[g]; tried && bits >= s->least[g]; bits = narrower(s, bits)) {
            single *t = &s->singles[s->n_singles];
            t->trial = (rs_trial) { .group = (rs_group)g, .images = s->scored.count };
            t->trial.bits[g] = bits;
            t->same_as = s->n_singles++;
            const rs_status st = choose_formats(s, t->trial.bits, 0, &t->formats, diag);
            if (st != RS_OK)
                return st;
        }
    }
    first_of[RS_GROUPS] = s->n_singles;
    /* The later a trial's first change, the more it takes over from the float run: inner products come first, then
     * activations from the widest on, whose inputs are often not changed by rounding. */
    static const rs_group sequence[RS_GROUPS] = { RS_GROUP_INNER_PRODUCT, RS_GROUP_ACTIVATIONS, RS_GROUP_CONVOLUTION };
    for (int k = 0, n = 0; k < RS_GROUPS; k++)
        for (int i = first_of[sequence[k]]; i < first_of[sequence[k] + 1]; i++)
            s->order[n++] = i;
    s->state.n_counts = s->n_singles + 1;
    return RS_OK;
}

/* Finds widths that leave the weights as another width does, so that their scores need not be computed. */
static rs_status find_twins(search *s, rs_emulator *emulator, rs_diag *diag)
{
    uint64_t hashes[RS_GROUPS * MOST_BITS + 1];
    rs_status st = rs_emulator_hash_params(emulator, NULL, s->options->bias_rule, s->options->rounding, &hashes[0],
                                           diag);
    for (int i = 0; i < s->n_singles && st == RS_OK; i++) {
        single *t = &s->singles[i];
        if (t->trial.group == RS_GROUP_ACTIVATIONS)
            continue;
        st = rs_emulator_hash_params(emulator, t->formats, s->options->bias_rule, s->options->rounding, &hashes[i + 1],
                                     diag);
        if (hashes[i + 1] == hashes[0])
            t->same_as = -1;
        for (int j = 0; j < i && t->same_as == i; j++)
            if (s->singles[j].trial.group == t->trial.group && hashes[j + 1] == hashes[i + 1])
                t->same_as = j;
    }
    return st;
}

static rs_status save(search *s, bool now, rs_diag *diag)
{
    if (s->options->checkpoint == NULL || (!now && rs_seconds() - s->saved < save_interval))
        return RS_OK;
    s->saved = rs_seconds();
    return rs_search_save(s->options->checkpoint, &s->state, diag);
}

/* Saves and says so. */
static rs_status interrupted(search *s, rs_diag *diag)
{
    const rs_status st = save(s, true, diag);
    if (st != RS_OK)
        return st;
    const bool kept = s->options->checkpoint != NULL;
    return rs_error(diag, RS_INTERRUPTED, RS_NOWHERE,
                    kept ? "the same command with the same checkpoint goes on from here"
                         : "with a checkpoint the search could be resumed",
                    "interrupted after %lld of %lld images and %d combinations%s%s", (long long)s->state.images_done,
                    (long long)s->state.images, s->state.n_combinations, kept ? "; kept in " : "",
                    kept ? s->options->checkpoint : "");
}

/* All trials on one batch. Counts are added only when all of them are done. */
static rs_status run_batch(search *s, rs_emulator *emulator, int64_t n, rs_progress *progress, rs_diag *diag)
{
    rs_counts counts[RS_GROUPS * MOST_BITS + 1];
    const rs_bias_rule rule = s->options->bias_rule;
    const rs_rounding rounding = s->options->rounding;
    const uint64_t done = (uint64_t)s->state.images_done * (uint64_t)s->state.n_counts;
    rs_status st = rs_emulator_load(emulator, s->set, s->state.images_done, n, diag);
    if (st == RS_OK)
        st = rs_emulator_run(emulator, NULL, rule, rounding, 1, &counts[0], diag);
    for (int k = 0; k < s->n_singles && st == RS_OK; k++) {
        const int i = s->order[k];
        const single *t = &s->singles[i];
        if (t->same_as != i) {
            counts[i + 1] = counts[t->same_as + 1];
            continue;
        }
        if (rs_interrupted())
            return RS_INTERRUPTED;
        st = rs_emulator_run(emulator, t->formats, rule, rounding, 1, &counts[i + 1], diag);
        char detail[64];
        snprintf(detail, sizeof detail, "%s, %d bits", rs_group_name(t->trial.group), t->trial.bits[t->trial.group]);
        rs_progress_update(progress, done + (uint64_t)(k + 2) * (uint64_t)n, detail);
    }
    for (int i = 0; i < s->state.n_counts && st == RS_OK; i++) {
        s->state.counts[i].hits += counts[i].hits;
        s->state.counts[i].ties += counts[i].ties;
    }
    s->state.images_done += st == RS_OK ? n : 0;
    return st;
}

static rs_status run_singles(search *s, rs_diag *diag)
{
    const int64_t images = s->state.images;
    rs_emulator *emulator = NULL;
    rs_status st = rs_emulator_new(s->net, s->plan, s->data, images, &emulator, diag);
    if (st == RS_OK)
        st = find_twins(s, emulator, diag);
    rs_progress *progress = rs_progress_begin("search", (uint64_t)images * (uint64_t)s->state.n_counts, "images");
    s->saved = rs_seconds();
    while (st == RS_OK && s->state.images_done < images) {
        const int64_t left = images - s->state.images_done, batch = rs_emulator_batch(emulator);
        st = rs_interrupted() ? RS_INTERRUPTED : run_batch(s, emulator, left < batch ? left : batch, progress, diag);
        if (st == RS_OK)
            st = save(s, false, diag);
    }
    rs_progress_end(progress);
    rs_emulator_free(emulator);
    return st == RS_INTERRUPTED ? interrupted(s, diag) : st;
}

/* ------------------------------------------------------------------------------------------------- combinations */

static bool same_bits(const int a[RS_GROUPS], const int b[RS_GROUPS])
{
    return memcmp(a, b, RS_GROUPS * sizeof *a) == 0;
}

/* Scores a combination, or finds what it scored before. */
static rs_status combine(search *s, const int bits[RS_GROUPS], int fl, rs_trial *trial, rs_diag *diag)
{
    for (int i = 0; i < s->state.n_combinations; i++)
        if (same_bits(s->state.combinations[i].bits, bits) && s->state.combinations[i].fl == fl) {
            *trial = s->state.combinations[i];
            return RS_OK;
        }
    if (rs_interrupted())
        return interrupted(s, diag);
    *trial = (rs_trial) { .group = RS_GROUPS, .fl = fl, .images = s->state.images, .exact = true };
    memcpy(trial->bits, bits, sizeof trial->bits);
    rs_status st = score_exact(s, trial, true, NULL, diag);
    if (st == RS_INTERRUPTED)
        return interrupted(s, diag);
    if (st == RS_OK)
        st = rs_search_add(&s->state, trial, diag);
    return st == RS_OK ? save(s, false, diag) : st;
}

/* From the widths that the groups need on their own: while the margin is missed, the group whose next bit gains most
 * gets it. Then each group gives its bits back, down to what it needs on its own, as long as the margin is kept. */
static rs_status find_combination(search *s, rs_trial *best, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    const rs_quantize_result *r = s->result;
    rs_status st = combine(s, r->single_bits, 0, best, diag);
    if (o->original_search)
        return st;
    while (st == RS_OK && best->hits < r->needed_hits) {
        rs_trial next = { .hits = -1 };
        for (int g = 0; g < RS_GROUPS && st == RS_OK; g++) {
            if (!s->has_group[g] || o->fixed_bits[g] > 0 || best->bits[g] >= s->most[g])
                continue;
            rs_trial wider;
            int bits[RS_GROUPS];
            memcpy(bits, best->bits, sizeof bits);
            bits[g]++;
            st = combine(s, bits, 0, &wider, diag);
            if (st == RS_OK && wider.hits > next.hits)
                next = wider;
        }
        if (st != RS_OK || next.hits < 0)
            return st;
        *best = next;
    }
    for (int g = 0; g < RS_GROUPS && st == RS_OK; g++)
        while (st == RS_OK && best->bits[g] > r->single_bits[g]) {
            rs_trial fewer;
            int bits[RS_GROUPS];
            memcpy(bits, best->bits, sizeof bits);
            bits[g]--;
            st = combine(s, bits, 0, &fewer, diag);
            if (st != RS_OK || fewer.hits < r->needed_hits)
                break;
            *best = fewer;
        }
    return st;
}

/* ------------------------------------------------------------------------------------------------------- result */

/* The smallest width such that it and every wider one keep the margin; the widest if none does. */
static void choose_singles(search *s)
{
    rs_quantize_result *r = s->result;
    r->images = s->state.images;
    r->float_hits = s->state.counts[0].hits;
    r->float_ties = s->state.counts[0].ties;
    r->needed_hits = rs_hits_needed(r->float_hits, r->images, s->options->error_margin);
    bool passing[RS_GROUPS];
    for (int g = 0; g < RS_GROUPS; g++) {
        passing[g] = true;
        r->single_bits[g] = s->has_group[g] ? s->most[g] : 0;
    }
    for (int i = 0; i < s->n_singles; i++) {
        rs_trial *t = &s->singles[i].trial;
        t->hits = s->state.counts[i + 1].hits;
        t->ties = s->state.counts[i + 1].ties;
        passing[t->group] = passing[t->group] && t->hits >= r->needed_hits;
        if (passing[t->group])
            r->single_bits[t->group] = t->bits[t->group];
    }
}

/* Static fixed point: from the widest word on, the fractional length that scores best. The longest integer part is
 * tried first, the one that holds the largest number of the net; narrower words then give up some of it. */
static rs_status search_static(search *s, rs_trial *best, rs_diag *diag)
{
    rs_quantize_result *r = s->result;
    double most = 0;
    for (int i = 0; i < s->net->n_layers; i++)
        most = fmax(most, s->ranges->weight_max[i]);
    for (int b = 0; b < s->net->n_blobs; b++)
        most = fmax(most, fmax(fabs(s->ranges->blob_min[b]), fabs(s->ranges->blob_max[b])));
    bool passing = true;
    int integer = s->most[0] - rs_fxp_fl_for_range(most, s->most[0]); /* bits in front of the point, sign included */
    rs_status st = RS_OK;
    for (int bits = s->most[0]; bits >= s->least[0] && st == RS_OK; bits = narrower(s, bits)) {
        rs_trial of_width = { .hits = -1 };
        const int longest = integer;
        for (int il = longest; il > longest - STATIC_STEP && st == RS_OK; il--) {
            int widths[RS_GROUPS];
            for (int g = 0; g < RS_GROUPS; g++)
                widths[g] = s->has_group[g] ? bits : 0;
            rs_trial t;
            if (bits - il > RS_FL_MAX || bits - il < RS_SHIFT_MIN)
                continue;
            st = combine(s, widths, bits - il, &t, diag);
            if (st == RS_OK && t.hits > of_width.hits) {
                of_width = t;
                integer = il;
            }
        }
        if (st != RS_OK || of_width.hits < 0)
            break;
        passing = passing && of_width.hits >= r->needed_hits;
        if (passing || bits == s->most[0])
            *best = of_width;
    }
    for (int g = 0; g < RS_GROUPS; g++)
        r->single_bits[g] = best->bits[g];
    return st;
}

static rs_status finish(search *s, rs_trial *best, rs_diag *diag)
{
    rs_quantize_result *r = s->result;
    r->trials = RS_NEW_ARRAY(rs_trial, (size_t)(s->n_singles + s->state.n_combinations));
    if (r->trials == NULL)
        return rs_out_of_memory(diag);
    for (int i = 0; i < s->n_singles; i++)
        r->trials[r->n_trials++] = s->singles[i].trial;
    for (int i = 0; i < s->state.n_combinations; i++)
        r->trials[r->n_trials++] = s->state.combinations[i];
    memcpy(r->bits, best->bits, sizeof r->bits);
    r->fl = best->fl;
    r->hits = best->hits;
    r->ties = best->ties;
    r->target_met = best->hits >= r->needed_hits;
    /* The combination that was scored last is often the best one; else its formats are found once more. */
    rs_trial unscored = *best;
    unscored.images = 0;
    rs_status st = RS_OK;
    if (s->last_formats != NULL && s->last.images > 0 && same_bits(s->last.bits, best->bits) && s->last.fl == best->fl)
        st = rs_qnet_build(s->net, s->last_formats, s->data, s->options->bias_rule, s->options->rounding, &r->qnet,
                           diag);
    else
        st = score_exact(s, &unscored, true, &r->qnet, diag);
    if (st != RS_OK)
        return st;
    r->formats = s->last_formats;
    s->last_formats = NULL;
    r->weight_max = s->ranges->weight_max;
    r->blob_min = s->ranges->blob_min;
    r->blob_max = s->ranges->blob_max;
    s->ranges->weight_max = s->ranges->blob_min = s->ranges->blob_max = NULL;
    return RS_OK;
}

void rs_quantize_result_free(rs_quantize_result *result)
{
    if (result == NULL)
        return;
    rs_free(result->trials);
    rs_free(result->weight_max);
    rs_free(result->blob_min);
    rs_free(result->blob_max);
    rs_formats_free(result->formats);
    rs_qnet_free(result->qnet);
    rs_free(result);
}

static void release(search *s)
{
    for (int i = 0; i < s->n_singles; i++)
        rs_formats_free(s->singles[i].formats);
    rs_formats_free(s->last_formats);
    rs_free(s->singles);
    rs_free(s->order);
    rs_free(s->state.counts);
    rs_free(s->state.combinations);
    rs_ranges_free(s->ranges);
    rs_plan_free(s->plan);
    rs_quantize_result_free(s->result);
}

/* Statistics are measured only if a rule asks for them. */
static rs_status measure_ranges(search *s, const rs_dataset *calibration, int64_t images, rs_diag *diag)
{
    const rs_format_rules *rules = &s->options->rules;
    const bool all = rules->activation_range != RS_RANGE_MAX || rules->bias_correction;
    return (all ? rs_ranges_measure_all : rs_ranges_measure)(s->net, s->data, calibration, images, &s->ranges, diag);
}

static rs_status run(search *s, const rs_dataset *calibration, int64_t calibration_images, rs_diag *diag)
{
    const rs_quantize_options *o = s->options;
    rs_status st = rs_plan_new(s->net, &s->plan, diag);
    if (st == RS_OK)
        st = rs_plan_check_set(s->plan, s->net, s->set, diag);
    if (st == RS_OK)
        st = measure_ranges(s, calibration, calibration_images, diag);
    if (st == RS_OK)
        st = find_widths(s, diag);
    if (st == RS_OK && o->rules.scheme != RS_SCHEME_STATIC)
        st = check_buildable(s, diag);
    if (st == RS_OK)
        st = plan_trials(s, diag);
    if (st == RS_OK && o->checkpoint != NULL) {
        uint64_t net = 0;
        st = rs_import_hash(s->net, &net, diag);
        if (st == RS_OK)
            st = rs_search_key(net, s->data, s->calibration, &s->scored, o, &s->state.key, diag);
        if (st == RS_OK)
            st = rs_search_load(o->checkpoint, &s->state, diag);
    }
    if (st == RS_OK)
        st = run_singles(s, diag);
    rs_trial best = { .images = 0 };
    if (st == RS_OK && o->stop_at_chance)
        st = rs_check_chance(s->net, &s->scored, s->state.counts[0].hits, 1, diag);
    if (st == RS_OK) {
        choose_singles(s);
        st = o->rules.scheme == RS_SCHEME_STATIC ? search_static(s, &best, diag) : find_combination(s, &best, diag);
    }
    if (st == RS_OK)
        st = finish(s, &best, diag);
    /* A search that is done has nothing to resume. */
    if (st == RS_OK && o->checkpoint != NULL)
        unlink(o->checkpoint);
    return st;
}

rs_status rs_quantize(const rs_net *net, const rs_data_param *data, const rs_dataset *calibration,
                      const rs_dataset *search_set, const rs_quantize_options *options, rs_quantize_result **result,
                      rs_diag *diag)
{
    *result = NULL;
    const double start = rs_seconds();
    rs_status st = check_options(options, diag);
    if (st != RS_OK)
        return st;
    const int64_t most = search_set->count, asked = options->search_images;
    search s = { .net = net, .data = data, .set = search_set, .options = options };
    s.state.images = asked <= 0 || asked > most ? most : asked;
    s.scored = rs_dataset_slice(search_set, 0, s.state.images);
    const int64_t images = options->calibration_images <= 0 || options->calibration_images > calibration->count
                               ? calibration->count
                               : options->calibration_images;
    const rs_dataset seen = rs_dataset_slice(calibration, 0, images);
    s.calibration = &seen;
    s.result = RS_NEW(rs_quantize_result);
    if (s.result == NULL)
        st = rs_out_of_memory(diag);
    if (st == RS_OK)
        st = run(&s, calibration, images, diag);
    if (st == RS_OK) {
        s.result->seconds = rs_seconds() - start;
        *result = s.result;
        s.result = NULL;
    }
    release(&s);
    return st;
}
