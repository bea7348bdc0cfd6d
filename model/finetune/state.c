/* The state of a fine-tuning run on disk, from which it is resumed. */
#include "finetune/state.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { VERSION = 2, LARGEST_FILE = 1 << 22 };
static const char format_name[] = "ristretto-finetune";

rs_status rs_tuning_new(rs_tuning *t, rs_diag *diag)
{
    const size_t n = (size_t)rs_shadow_count(t->shadow);
    t->best_fl = RS_NEW_ARRAY(int, n + 1);
    if (t->best_fl == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < n; i++)
        t->best_fl[i] = rs_shadow_format(t->shadow, (int)i)->format.fl;
    return RS_OK;
}

void rs_tuning_free(rs_tuning *t)
{
    rs_free(t->best_fl);
    t->best_fl = NULL;
}

/* Everything that the numbers of a run depend on, other than the data and the solver's net. */
static char *options_text(const rs_finetune_options *o)
{
    enum { SIZE = 32 };
    const rs_format_rules *r = &o->rules;
    char weights[SIZE], activations[SIZE];
    return rs_format(
        "bits %d %d %d, activations %s, weights %s, learn_steps %d %.17g, gradual %d, rate %.17g %s, decay %.17g, "
        "iterations %" PRId64 ", validation %" PRId64 " %" PRId64 " every %" PRId64 ", seed %" PRIu64
        ", bias %d, rounding %s, scheme %s: ranges %s %s %.17g, "
        "minifloats %s %s %d, exponents %d %d %d %d, channels %d, unsigned %d, wide scores %d, keeps %s, mirror %d, "
        "shuffle %d",
        o->bits[0], o->bits[1], o->bits[2], o->quantized_activations ? "quantized" : "float",
        rs_rounding_name(o->weight_rounding), (int)o->learn_steps, o->step_rate, o->gradual_bits, o->learning_rate,
        o->linear_decay ? "linear" : "fixed", o->weight_decay, o->iterations, o->validation_first, o->validation_images,
        o->validate_every, o->seed, (int)o->bias_rule, rs_rounding_name(o->rounding), rs_scheme_name(r->scheme),
        rs_range_rule_name(r->weight_range), rs_range_rule_name(r->activation_range), r->percentile,
        rs_minifloat_name(r->weight_minifloat, weights, sizeof weights),
        rs_minifloat_name(r->activation_minifloat, activations, sizeof activations), r->exponent_bits,
        r->power2.min_exponent, r->power2.max_exponent, (int)r->power2.zero, (int)r->power2_by_layer,
        (int)o->channel_weights, (int)o->unsigned_activations, (int)o->wide_scores, o->keep_last ? "last" : "best",
        o->transform != NULL && o->transform->mirror, o->transform != NULL && o->transform->shuffle);
}

/* The name of what a format is for. */
static const char *name_of(const rs_tuned_format *f, const rs_net *test_net)
{
    return f->weights ? test_net->layers[f->index].name : test_net->blobs[f->index].name;
}

static const char *kind_of(const rs_tuned_format *f)
{
    return f->weights ? "weights" : "activations";
}

static json_t *score_json(const rs_tuning_score *s)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "iteration", (json_int_t)s->iteration, "hits", (json_int_t)s->hits, "ties",
                     (json_int_t)s->ties, "saturations", (json_int_t)s->saturations);
}

/* What follows from ranges besides the fractional length: a minifloat's exponent bits, a power of two's largest
 * exponent. */
static int exponents(const rs_tuned_format *f)
{
    return f->format.number == RS_NUMBER_MINIFLOAT ? f->format.minifloat.exponent_bits
           : f->format.number == RS_NUMBER_POWER2  ? f->format.power2.max_exponent
                                                   : 0;
}

static json_t *channels_json(const rs_tuned_format *f)
{
    json_t *list = json_array();
    bool failed = list == NULL;
    for (int c = 0; c < f->n_channels && !failed; c++)
        failed = json_array_append_new(list, json_integer(f->finer[c])) != 0;
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

static rs_status write_json(const json_t *root, const char *path, rs_diag *diag)
{
    rs_output *out = NULL;
    rs_status st = rs_output_open(path, &out, diag);
    if (st != RS_OK)
        return st;
    /* A stream that cannot be written is reported by the commit. */
    if (json_dumpf(root, rs_output_stream(out), JSON_INDENT(1) | JSON_REAL_PRECISION(17)) != 0 &&
        !ferror(rs_output_stream(out))) {
        rs_output_discard(out);
        return rs_out_of_memory(diag);
    }
    fputc('\n', rs_output_stream(out));
    return rs_output_commit(out, diag);
}

rs_status rs_tuning_save(const rs_tuning *t, const char *prefix, const rs_net *test_net, int64_t validation_images,
                         rs_diag *diag)
{
    json_t *formats = json_array();
    char *options = options_text(t->options), *path = rs_format("%s.json", prefix);
    bool failed = formats == NULL || options == NULL || path == NULL;
    for (int i = 0; i < rs_shadow_count(t->shadow) && !failed; i++) {
        const rs_tuned_format *f = rs_shadow_format(t->shadow, i);
        json_t *channels = channels_json(f);
        failed = channels == NULL ||
                 json_array_append_new(formats, json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:O, s:f, s:f, s:f}", "name",
                                                          name_of(f, test_net), "of", kind_of(f), "bits",
                                                          rs_number_bits(f->format), "exponents", exponents(f), "fl",
                                                          f->format.fl, "best_fl", t->best_fl[i], "channels", channels,
                                                          "step_log", f->step_log, "step_mean", f->step_mean,
                                                          "step_square", f->step_square)) != 0;
        json_decref(channels);
    }
    json_t *root = failed ? NULL
                          : json_pack("{s:s, s:i, s:s, s:I, s:I, s:o, s:o, s:O}", "format", format_name, "version",
                                      (int)VERSION, "options", options, "iteration",
                                      (json_int_t)rs_shadow_iteration(t->shadow), "validation_images",
                                      (json_int_t)validation_images, "first", score_json(&t->first), "best",
                                      score_json(&t->best), "formats", formats);
    const rs_status st = root == NULL ? rs_out_of_memory(diag) : write_json(root, path, diag);
    json_decref(root);
    json_decref(formats);
    rs_free(options);
    rs_free(path);
    return st;
}

/* ------------------------------------------------------------------------------------------------------ loading */

static bool read_score(const json_t *object, int64_t images, rs_tuning_score *s)
{
    const json_t *iteration = json_object_get(object, "iteration"), *hits = json_object_get(object, "hits");
    const json_t *ties = json_object_get(object, "ties"), *saturations = json_object_get(object, "saturations");
    *s = (rs_tuning_score) { json_integer_value(iteration), json_integer_value(hits), json_integer_value(ties),
                             json_integer_value(saturations) };
    return json_is_integer(iteration) && json_is_integer(hits) && json_is_integer(ties) &&
           json_is_integer(saturations) && s->iteration >= 0 && s->hits >= 0 && s->hits <= images && s->ties >= 0 &&
           s->ties <= images - s->hits;
}

static bool legal_fl(const json_t *value, int *fl)
{
    const json_int_t v = json_integer_value(value);
    *fl = (int)v;
    return json_is_integer(value) && v >= RS_FL_MIN && v <= RS_FL_MAX;
}

/* The ranges of a snapshot's weights are others than those that the formats were chosen for. */
static bool read_exponents(const json_t *value, rs_number_format *f)
{
    const json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < RS_FL_MIN || v > RS_FL_MAX)
        return false;
    if (f->number == RS_NUMBER_MINIFLOAT && v != f->minifloat.exponent_bits) {
        const rs_minifloat other = rs_minifloat_plain((int)v, f->bits - 1 - (int)v);
        if (!rs_minifloat_legal(other))
            return false;
        *f = rs_number_of_minifloat(other);
    } else if (f->number == RS_NUMBER_POWER2) {
        const rs_power2 other = { (int)v - (f->power2.max_exponent - f->power2.min_exponent), (int)v, f->power2.zero };
        if (!rs_power2_legal(other))
            return false;
        *f = rs_number_of_power2(other);
    }
    return true;
}

static bool read_channels(const json_t *list, rs_tuned_format *f)
{
    bool good = json_is_array(list) && json_array_size(list) == (size_t)f->n_channels;
    for (int c = 0; c < f->n_channels && good; c++)
        good = legal_fl(json_array_get(list, (size_t)c), &f->finer[c]);
    return good;
}

static bool read_format(const json_t *object, const rs_net *test_net, rs_tuned_format *f, int *best_fl)
{
    const char *name = json_string_value(json_object_get(object, "name")),
               *kind = json_string_value(json_object_get(object, "of"));
    f->step_log = json_number_value(json_object_get(object, "step_log"));
    f->step_mean = json_number_value(json_object_get(object, "step_mean"));
    f->step_square = json_number_value(json_object_get(object, "step_square"));
    return name != NULL && kind != NULL && strcmp(name, name_of(f, test_net)) == 0 && strcmp(kind, kind_of(f)) == 0 &&
           json_integer_value(json_object_get(object, "bits")) == rs_number_bits(f->format) &&
           read_exponents(json_object_get(object, "exponents"), &f->format) &&
           legal_fl(json_object_get(object, "fl"), &f->format.fl) &&
           read_channels(json_object_get(object, "channels"), f) &&
           legal_fl(json_object_get(object, "best_fl"), best_fl) && fabs(f->step_log) <= RS_FL_MAX &&
           f->step_square >= 0.0;
}

static rs_status read_root(rs_tuning *t, const json_t *root, const char *path, const rs_net *test_net, int64_t images,
                           rs_diag *diag)
{
    static const char again[] = "resume with the options, the net and the data of the run that wrote the snapshot";
    const char *name = json_string_value(json_object_get(root, "format")),
               *options = json_string_value(json_object_get(root, "options"));
    if (name == NULL || strcmp(name, format_name) != 0 || options == NULL ||
        json_integer_value(json_object_get(root, "version")) != VERSION)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL,
                        "not the snapshot of a fine-tuning, expected JSON with \"format\": \"%s\"", format_name);
    char *mine = options_text(t->options);
    if (mine == NULL)
        return rs_out_of_memory(diag);
    rs_status st = RS_OK;
    if (strcmp(mine, options) != 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(path), again, "the options are '%s', but those of the snapshot '%s'",
                      mine, options);
    rs_free(mine);
    if (st != RS_OK)
        return st;
    if (json_integer_value(json_object_get(root, "validation_images")) != images)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), again,
                        "%" PRId64 " images validate, but %" JSON_INTEGER_FORMAT " did", images,
                        json_integer_value(json_object_get(root, "validation_images")));
    const json_t *formats = json_object_get(root, "formats");
    const json_t *iteration = json_object_get(root, "iteration");
    bool good = json_is_integer(iteration) && json_integer_value(iteration) >= 0 &&
                read_score(json_object_get(root, "first"), images, &t->first) &&
                read_score(json_object_get(root, "best"), images, &t->best) &&
                json_array_size(formats) == (size_t)rs_shadow_count(t->shadow);
    for (int i = 0; i < rs_shadow_count(t->shadow) && good; i++)
        good = read_format(json_array_get(formats, (size_t)i), test_net, rs_shadow_format(t->shadow, i),
                           &t->best_fl[i]);
    if (!good)
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), again,
                        "scores or formats are missing, or they are not those of this net");
    rs_shadow_resume(t->shadow, json_integer_value(iteration));
    return RS_OK;
}

rs_status rs_tuning_load(rs_tuning *t, const char *solverstate, const rs_net *test_net, int64_t images, rs_diag *diag)
{
    static const char ending[] = ".solverstate";
    const size_t n = strlen(solverstate), m = sizeof ending - 1;
    const bool ends = n > m && strcmp(solverstate + n - m, ending) == 0;
    char *path = rs_format("%.*s.json", (int)(ends ? n - m : n), solverstate);
    if (path == NULL)
        return rs_out_of_memory(diag);
    json_t *root = NULL;
    rs_status st = rs_json_read(path, LARGEST_FILE, "not the snapshot of a fine-tuning", NULL, &root, diag);
    if (st == RS_OK)
        st = read_root(t, root, path, test_net, images, diag);
    json_decref(root);
    rs_free(path);
    return st;
}
