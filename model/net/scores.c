/* Which blob holds the class scores. */
#include <string.h>

#include "net/net.h"
#include "net/rule.h"

static bool judges(const rs_layer *layer)
{
    return layer->type == RS_LAYER_SOFTMAX || rs_layer_rule_of(layer->type)->scalar;
}

int rs_net_scores(const rs_net *net)
{
    if (net->scored > 0)
        return net->scored - 1;
    int scores = -1, last_top = -1;
    for (int i = net->n_layers - 1; i >= 0; i--) {
        const rs_layer *layer = &net->layers[i];
        if (last_top < 0 && layer->n_tops > 0)
            last_top = layer->tops[0];
        if (scores < 0 && judges(layer) && layer->n_bottoms > 0)
            scores = layer->bottoms[0];
        else if (scores >= 0 && layer->type == RS_LAYER_SOFTMAX && layer->tops[0] == scores)
            scores = layer->bottoms[0];
    }
    return scores >= 0 ? scores : last_top;
}

static bool reads(const rs_layer *layer, int blob)
{
    for (int k = 0; k < layer->n_bottoms; k++)
        if (layer->bottoms[k] == blob)
            return true;
    return false;
}

static bool writes(const rs_layer *layer, int blob)
{
    for (int t = 0; t < layer->n_tops; t++)
        if (layer->tops[t] == blob)
            return true;
    return false;
}

/* Whether a later layer reads what layer i writes to the blob. */
static bool is_read(const rs_net *net, int i, int blob)
{
    for (int j = i + 1; j < net->n_layers; j++) {
        if (reads(&net->layers[j], blob))
            return true;
        if (writes(&net->layers[j], blob))
            return false;
    }
    return false;
}

/* An output of the net besides the scores and what is made of them: no layer reads it, and it is no loss. -1: none. */
static int other_output(const rs_net *net, int scores, bool *of_scores)
{
    of_scores[scores] = true;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        bool known = false, read = false;
        for (int k = 0; k < layer->n_bottoms; k++)
            known = known || of_scores[layer->bottoms[k]];
        for (int t = 0; t < layer->n_tops; t++) {
            of_scores[layer->tops[t]] = known || layer->tops[t] == scores;
            read = read || is_read(net, i, layer->tops[t]) || of_scores[layer->tops[t]];
        }
        if (!read && layer->n_tops > 0 && layer->n_bottoms > 0 && !rs_layer_rule_of(layer->type)->scalar)
            return layer->tops[0];
    }
    return -1;
}

/* The scores that a name means: those before a softmax. -1: there is no such blob. */
static int scores_named(const rs_net *net, const char *name)
{
    int blob = rs_net_blob(net, name);
    for (int i = net->n_layers - 1; i >= 0 && blob >= 0; i--)
        if (net->layers[i].type == RS_LAYER_SOFTMAX && net->layers[i].tops[0] == blob)
            blob = net->layers[i].bottoms[0];
    return blob;
}

static rs_status check_shape(const rs_net *net, int scores, rs_diag *diag)
{
    const rs_shape *shape = &net->blobs[scores].shape;
    if (shape->n_axes < 3 || rs_shape_count(shape, 2) == 1)
        return RS_OK;
    char text[160];
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path),
                    "labels of maps are not supported; --score NAME scores another blob, or this one all the same",
                    "the output '%s' has the shape %s, expected one score per class: maps would count as classes",
                    net->blobs[scores].name, rs_shape_text(shape, text, sizeof text));
}

rs_status rs_net_choose_scores(rs_net *net, const char *name, rs_diag *diag)
{
    if (name != NULL) {
        const int blob = scores_named(net, name);
        if (blob < 0)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), NULL, "the net has no blob '%s' to score", name);
        net->scored = blob + 1;
        return RS_OK;
    }
    const int scores = rs_net_scores(net);
    if (scores < 0)
        return RS_OK; /* said where they are needed */
    rs_status st = check_shape(net, scores, diag);
    bool *of_scores = RS_NEW_ARRAY(bool, (size_t)net->n_blobs);
    if (st == RS_OK && of_scores == NULL)
        st = rs_out_of_memory(diag);
    const int other = st == RS_OK ? other_output(net, scores, of_scores) : -1;
    if (other >= 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(net->path), "--score NAME says which one to score",
                      "the net has several outputs, '%s' and '%s', expected one that holds the class scores",
                      net->blobs[other].name, net->blobs[scores].name);
    rs_free(of_scores);
    return st;
}
