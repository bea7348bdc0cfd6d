/* The state of a search on disk, from which it is resumed. */
#include "search/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/json.h"

enum { VERSION = 3, LARGEST_FILE = 1 << 20 };
static const char format_name[] = "ristretto-search";

/* ---------------------------------------------------------------------------------------------------------- key */

/* The images and labels of a set, after all that *h holds. */
static rs_status hash_set(uint64_t *h, const rs_dataset *set, rs_diag *diag)
{
    enum { BATCH = 16 };
    const rs_data_param as_bytes = { .scale = 1.0f };
    const size_t size = (size_t)set->channels * (size_t)set->height * (size_t)set->width;
    rs_feed *feed = NULL;
    rs_status st = set->count > 0 ? rs_feed_new(set, &as_bytes, NULL, 0, BATCH, &feed, diag) : RS_OK;
    for (int64_t i = 0; i < set->count && st == RS_OK; i++) {
        const uint8_t *pixels = NULL;
        st = rs_feed_bytes(feed, 1, &pixels, diag);
        if (st == RS_OK)
            *h = rs_hash_bytes(*h, pixels, size);
        if (st == RS_OK && rs_interrupted())
            st = rs_error(diag, RS_INTERRUPTED, RS_NOWHERE, NULL, "interrupted while images were read");
    }
    rs_feed_free(feed);
    *h = rs_hash_bytes(*h, set->labels, (size_t)set->count * sizeof *set->labels);
    return st;
}

/* Both sets; one that is the other is read once. */
static rs_status hash_sets(uint64_t *h, const rs_dataset *a, const rs_dataset *b, rs_diag *diag)
{
    const bool same = a->pixels == b->pixels && a->source == b->source && a->base == b->base &&
                      a->labels == b->labels && a->count == b->count;
    const rs_status st = hash_set(h, a, diag);
    *h = rs_hash_number(*h, same);
    return st == RS_OK && !same ? hash_set(h, b, diag) : st;
}

/* A field of any width: a bool, an enumeration, an int64_t. */
static uint64_t hash_field(uint64_t h, const void *field, size_t size)
{
    int64_t value = 0;
    int32_t word = 0;
    if (size == sizeof value)
        memcpy(&value, field, size);
    else if (size == sizeof word) {
        memcpy(&word, field, size);
        value = word;
    } else
        value = *(const bool *)field;
    return rs_hash_number(h, value);
}

static uint64_t hash_minifloat(uint64_t h, const rs_minifloat *f)
{
    const int64_t fields[] = { f->exponent_bits, f->mantissa_bits, f->bias, f->subnormals, (int64_t)f->special };
    return rs_hash_bytes(h, fields, sizeof fields);
}

static uint64_t hash_exponents(uint64_t h, const rs_power2 *f)
{
    return rs_hash_number(rs_hash_number(h, f->min_exponent), f->max_exponent);
}

static uint64_t hash_options(uint64_t h, const rs_quantize_options *o)
{
#define FLAG(use, name, field, ...) h = rs_hash_number(h, o->field);
#define WORD(use, name, value, field, ...) h = hash_field(h, &o->field, sizeof o->field);
#define WHOLE(use, name, value, field, ...) h = hash_field(h, &o->field, sizeof o->field);
#define REAL(use, name, value, field, ...) h = rs_hash_real(h, o->field);
#define TEXT(use, name, value, field, kind, ...) h = hash_##kind(h, &o->field);
#include "search/options.def"
#undef FLAG
#undef WORD
#undef WHOLE
#undef REAL
#undef TEXT
    return h;
}

rs_status rs_search_key(uint64_t net, const rs_data_param *data, const rs_dataset *calibration,
                        const rs_dataset *search, const rs_quantize_options *options, uint64_t *key, rs_diag *diag)
{
    uint64_t h = rs_hash_number(VERSION, (int64_t)net);
    h = rs_hash_real(h, data != NULL ? (double)data->scale : 1.0);
    for (int i = 0; data != NULL && i < data->n_mean; i++)
        h = rs_hash_real(h, (double)data->mean[i]);
    if (data != NULL && data->mean_image != NULL)
        h = rs_hash_bytes(h, data->mean_image,
                          (size_t)(data->mean_dim[0] * data->mean_dim[1] * data->mean_dim[2]) * sizeof(float));
    h = rs_hash_number(h, data != NULL ? data->crop_size : 0);
    const rs_status st = hash_sets(&h, calibration, search, diag);
    *key = hash_options(h, options);
    return st;
}

/* -------------------------------------------------------------------------------------------------------- state */

rs_status rs_search_add(rs_search_state *state, const rs_trial *combination, rs_diag *diag)
{
    rs_trial *grown = rs_grow(state->combinations, (size_t)state->n_combinations, &state->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    state->combinations = grown;
    state->combinations[state->n_combinations++] = *combination;
    return RS_OK;
}

/* A whole number in [low, high]. */
static bool number(const json_t *value, int64_t low, int64_t high, int64_t *out)
{
    *out = (int64_t)json_integer_value(value);
    return json_is_integer(value) && *out >= low && *out <= high;
}

static bool read_counts(const json_t *trials, rs_search_state *state)
{
    if (!json_is_array(trials) || json_array_size(trials) != (size_t)state->n_counts)
        return false;
    for (int i = 0; i < state->n_counts; i++) {
        const json_t *pair = json_array_get(trials, (size_t)i);
        if (json_array_size(pair) != 2 ||
            !number(json_array_get(pair, 0), 0, state->images_done, &state->counts[i].hits) ||
            !number(json_array_get(pair, 1), 0, state->images_done - state->counts[i].hits, &state->counts[i].ties))
            return false;
    }
    return true;
}

static bool read_combination(const json_t *object, int64_t images, rs_trial *trial)
{
    *trial = (rs_trial) { .group = RS_GROUPS, .images = images, .exact = true };
    const json_t *bits = json_object_get(object, "bits");
    if (json_array_size(bits) != RS_GROUPS)
        return false;
    for (int g = 0; g < RS_GROUPS; g++) {
        int64_t b;
        if (!number(json_array_get(bits, (size_t)g), 0, 16, &b))
            return false;
        trial->bits[g] = (int)b;
    }
    int64_t fl;
    if (!number(json_object_get(object, "fl"), RS_FL_MIN, RS_FL_MAX, &fl))
        return false;
    trial->fl = (int)fl;
    return number(json_object_get(object, "hits"), 0, images, &trial->hits) &&
           number(json_object_get(object, "ties"), 0, images - trial->hits, &trial->ties);
}

static rs_status bad(const char *path, rs_diag *diag)
{
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), "remove the file, or name another one for the checkpoint",
                    "not a checkpoint of a search, expected JSON with \"format\": \"%s\"", format_name);
}

static rs_status read_state(const char *path, const json_t *root, rs_search_state *state, rs_diag *diag)
{
    const char *name = json_string_value(json_object_get(root, "format")),
               *key = json_string_value(json_object_get(root, "key"));
    int64_t version;
    if (name == NULL || strcmp(name, format_name) != 0 || key == NULL ||
        !number(json_object_get(root, "version"), 0, INT32_MAX, &version))
        return bad(path, diag);
    char expected[24];
    snprintf(expected, sizeof expected, "%016" PRIx64, state->key);
    if (version != VERSION || strcmp(key, expected) != 0) {
        rs_warn(diag, RS_FILE(path), NULL,
                "the checkpoint was made for other weights, data or options: the search starts anew");
        return RS_OK;
    }
    const json_t *list = json_object_get(root, "combinations");
    if (!number(json_object_get(root, "images_done"), 0, state->images, &state->images_done) ||
        !read_counts(json_object_get(root, "trials"), state) || !json_is_array(list))
        return bad(path, diag);
    for (size_t i = 0; i < json_array_size(list); i++) {
        rs_trial trial;
        if (!read_combination(json_array_get(list, i), state->images, &trial))
            return bad(path, diag);
        const rs_status st = rs_search_add(state, &trial, diag);
        if (st != RS_OK)
            return st;
    }
    return RS_OK;
}

rs_status rs_search_load(const char *path, rs_search_state *state, rs_diag *diag)
{
    if (!rs_file_exists(path))
        return RS_OK;
    json_t *root = NULL;
    rs_status st = rs_json_read(path, LARGEST_FILE, "not a checkpoint of a search",
                                "remove the file, or name another one for the checkpoint", &root, diag);
    if (st != RS_OK)
        return st;
    st = read_state(path, root, state, diag);
    json_decref(root);
    return st;
}

static json_t *state_json(const rs_search_state *state)
{
    char key[24];
    snprintf(key, sizeof key, "%016" PRIx64, state->key);
    json_t *trials = json_array(), *list = json_array();
    for (int i = 0; i < state->n_counts; i++)
        json_array_append_new(
            trials, json_pack("[I, I]", (json_int_t)state->counts[i].hits, (json_int_t)state->counts[i].ties));
    for (int i = 0; i < state->n_combinations; i++) {
        const rs_trial *t = &state->combinations[i];
        json_array_append_new(list,
                              json_pack("{s: [i, i, i], s: i, s: I, s: I}", "bits", t->bits[0], t->bits[1], t->bits[2],
                                        "fl", t->fl, "hits", (json_int_t)t->hits, "ties", (json_int_t)t->ties));
    }
    /* json_pack takes the two arrays over, even if it fails. */
    json_t *root = json_pack("{s: s, s: i, s: s, s: I, s: o, s: o}", "format", format_name, "version", (int)VERSION,
                             "key", key, "images_done", (json_int_t)state->images_done, "trials", trials,
                             "combinations", list);
    if (root != NULL && json_array_size(trials) == (size_t)state->n_counts &&
        json_array_size(list) == (size_t)state->n_combinations)
        return root;
    json_decref(root);
    return NULL;
}

rs_status rs_search_save(const char *path, const rs_search_state *state, rs_diag *diag)
{
    json_t *root = state_json(state);
    if (root == NULL)
        return rs_out_of_memory(diag);
    rs_output *out = NULL;
    rs_status st = rs_output_open(path, &out, diag);
    if (st == RS_OK) {
        /* A stream that cannot be written is reported by the commit. */
        if (json_dumpf(root, rs_output_stream(out), JSON_COMPACT | JSON_SORT_KEYS) != 0 &&
            !ferror(rs_output_stream(out))) {
            rs_output_discard(out);
            st = rs_out_of_memory(diag);
        } else {
            fputc('\n', rs_output_stream(out));
            st = rs_output_commit(out, diag);
        }
    }
    json_decref(root);
    return st;
}
