/* Nets: what they own, and how their layers and blobs are found. */
#include "net/net.h"

#include <stdio.h>
#include <string.h>

#include "net/rule.h"

const char *rs_layer_type_name(rs_layer_type type)
{
    return (unsigned)type < RS_LAYER_TYPES ? rs_layer_rule_of(type)->name : "unknown";
}

void rs_layer_clear(rs_layer *layer)
{
    rs_free(layer->name);
    rs_free(layer->bottoms);
    rs_free(layer->tops);
    const rs_layer_rule *rule = rs_layer_rule_of(layer->type);
    if (rule->clear != NULL)
        rule->clear(layer);
    rs_free(layer->quantization.fl_of_output);
    for (int p = 0; p < RS_MAX_PARAMS; p++) {
        if (!layer->params[p].shared)
            rs_free(layer->params[p].data);
        rs_free(layer->params[p].name);
    }
}

void rs_net_free(rs_net *net)
{
    if (net == NULL)
        return;
    for (int i = 0; i < net->n_layers; i++)
        rs_layer_clear(&net->layers[i]);
    for (int i = 0; i < net->n_folded; i++)
        rs_free(net->folded[i]);
    rs_free(net->folded);
    for (int i = 0; i < net->n_blobs; i++)
        rs_free(net->blobs[i].name);
    rs_free(net->layers);
    rs_free(net->blobs);
    rs_free(net->name);
    rs_free(net->path);
    rs_free(net);
}

rs_param *rs_net_param_owner(const rs_net *net, int layer, int param, int *owner_layer, int *owner_param)
{
    rs_param *self = &net->layers[layer].params[param];
    *owner_layer = layer;
    *owner_param = param;
    for (int i = 0; i <= layer && self->name != NULL; i++)
        for (int p = 0; p < (i < layer ? net->layers[i].n_params : param); p++) {
            rs_param *other = &net->layers[i].params[p];
            if (other->name != NULL && strcmp(other->name, self->name) == 0) {
                *owner_layer = i;
                *owner_param = p;
                return other;
            }
        }
    return self;
}

int rs_net_layer(const rs_net *net, const char *name)
{
    for (int i = 0; i < net->n_layers; i++)
        if (strcmp(net->layers[i].name, name) == 0)
            return i;
    return -1;
}

int rs_net_blob(const rs_net *net, const char *name)
{
    for (int i = 0; i < net->n_blobs; i++)
        if (strcmp(net->blobs[i].name, name) == 0)
            return i;
    return -1;
}

int64_t rs_net_blob_values(const rs_net *net, int blob)
{
    const rs_shape *shape = &net->blobs[blob].shape;
    return shape->n_axes == 0 ? 1 : rs_shape_count(shape, 1);
}

int rs_net_input(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_INPUT && net->layers[i].n_tops > 0)
            return net->layers[i].tops[0];
    return -1;
}

bool rs_net_quantized(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].quantization.present)
            return true;
    return false;
}

int rs_net_unquantize(rs_net *net)
{
    int n = 0;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_QUANTIZE_LINEAR) {
            net->layers[i].type = RS_LAYER_IDENTITY;
            n++;
        }
    return n;
}

/* "NAME/to LAYER" of a blob and its reader; a copy that rs_free releases. */
static char *copy_name(const char *name, const char *layer)
{
    const size_t size = strlen(name) + strlen(layer) + sizeof "/to ";
    char *text = RS_NEW_ARRAY(char, size);
    if (text != NULL)
        snprintf(text, size, "%s/to %s", name, layer);
    return text;
}

rs_status rs_net_add_copy(rs_net *net, int layer, int bottom, rs_diag *diag)
{
    rs_blob *blobs = rs_recalloc(net->blobs, (size_t)net->n_blobs, (size_t)net->n_blobs + 1, sizeof *blobs);
    net->blobs = blobs != NULL ? blobs : net->blobs;
    rs_layer *layers = rs_recalloc(net->layers, (size_t)net->n_layers, (size_t)net->n_layers + 1, sizeof *layers);
    net->layers = layers != NULL ? layers : net->layers;
    if (blobs == NULL || layers == NULL)
        return rs_out_of_memory(diag);
    const rs_layer *reader = &layers[layer];
    const int from = reader->bottoms[bottom], to = net->n_blobs;
    rs_layer copy = { .type = RS_LAYER_ELTWISE, .loc = reader->loc, .n_bottoms = 1, .n_tops = 1 };
    copy.eltwise.method = RS_ELTWISE_SUM;
    copy.name = copy_name(blobs[from].name, reader->name);
    copy.bottoms = RS_NEW(int);
    copy.tops = RS_NEW(int);
    char *name = copy_name(blobs[from].name, reader->name);
    if (copy.name == NULL || copy.bottoms == NULL || copy.tops == NULL || name == NULL) {
        rs_layer_clear(&copy);
        rs_free(name);
        return rs_out_of_memory(diag);
    }
    copy.bottoms[0] = from;
    copy.tops[0] = to;
    blobs[to] = (rs_blob) { .name = name, .shape = blobs[from].shape };
    net->n_blobs++;
    memmove(&layers[layer + 1], &layers[layer], (size_t)(net->n_layers - layer) * sizeof *layers);
    layers[layer] = copy;
    layers[layer + 1].bottoms[bottom] = to;
    net->n_layers++;
    return RS_OK;
}
