/* The file that keeps what a search has done. Private to model/search.
 *
 * JSON: {"format": "ristretto-search", "version": 3, "key": 16 hexadecimal digits, "images_done": n,
 *        "trials": [[hits, ties], ...]            in the order of the plan; the first is the float net
 *        "combinations": [{"bits": [c, f, a], "fl": n, "hits": h, "ties": t}, ...]}
 * The key is a hash of everything that the numbers depend on: net, weights, images, labels and options. */
#ifndef RISTRETTO_SEARCH_CHECKPOINT_H
#define RISTRETTO_SEARCH_CHECKPOINT_H

#include "search/quantize.h"

typedef struct rs_search_state {
    uint64_t key;
    int64_t images, images_done; /* by every trial; images_done <= images */
    int n_counts;
    rs_counts *counts; /* the float net's, then each trial's */
    int n_combinations;
    size_t capacity;
    rs_trial *combinations; /* in the order in which they were scored */
} rs_search_state;

/* The key of a search. `net` is the hash of the net (rs_import_hash). Reads all images of both sets. RS_BAD_INPUT: one
 * that cannot be read. RS_INTERRUPTED. */
rs_status rs_search_key(uint64_t net, const rs_data_param *data, const rs_dataset *calibration,
                        const rs_dataset *search, const rs_quantize_options *options, uint64_t *key, rs_diag *diag);

/* Fills `state`, whose key, images, n_counts and counts are set, from the file if there is one of the same key; a file
 * of another key is a warning and changes nothing. RS_BAD_INPUT: the file is no checkpoint. */
rs_status rs_search_load(const char *path, rs_search_state *state, rs_diag *diag);
rs_status rs_search_save(const char *path, const rs_search_state *state, rs_diag *diag);

rs_status rs_search_add(rs_search_state *state, const rs_trial *combination, rs_diag *diag);

#endif
