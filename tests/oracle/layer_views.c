/* Values in another order, one after the other, by the place that each has in the input. */
#include "oracle/layer_rules.h"

/* The place of value i of a shape along each axis, the batch left out. */
static void place_of(const rs_shape *s, int64_t i, int64_t at[RS_MAX_AXES])
{
    for (int a = s->n_axes - 1; a > 0; a--) {
        at[a] = i % s->dim[a];
        i /= s->dim[a];
    }
}

static int64_t index_of(const rs_shape *s, const int64_t at[RS_MAX_AXES])
{
    int64_t i = 0;
    for (int a = 1; a < s->n_axes; a++)
        i = i * s->dim[a] + at[a];
    return i;
}

static int64_t reorg_source(const rs_reorg_param *p, const rs_shape *in, const rs_shape *out, int64_t i)
{
    /* The small maps are the input's of a reverse layer; else the input is read as if it had larger ones. */
    const int64_t s = p->stride, few = in->dim[1] / (s * s), height = in->dim[2], width = in->dim[3];
    if (p->reverse) {
        int64_t at[RS_MAX_AXES];
        place_of(out, i, at);
        const int64_t offset = at[2] % s * s + at[3] % s;
        return ((offset * few + at[1]) * height + at[2] / s) * width + at[3] / s;
    }
    const int64_t x = i % width, y = i / width % height, c = i / width / height, offset = c / few;
    return ((c % few) * height * s + y * s + offset / s) * width * s + x * s + offset % s;
}

bool rs_oracle_view(const rs_layer *l, const rs_shape *in_shape, const rs_shape *out_shape, const double *in,
                    double *out)
{
    int64_t count = 1;
    for (int a = 1; a < out_shape->n_axes; a++)
        count *= out_shape->dim[a];
    for (int64_t i = 0; i < count; i++) {
        int64_t at[RS_MAX_AXES] = { 0 }, from[RS_MAX_AXES] = { 0 };
        place_of(out_shape, i, at);
        for (int a = 0; a < in_shape->n_axes; a++)
            from[a] = at[a];
        if (l->type == RS_LAYER_PERMUTE) {
            for (int a = 1; a < in_shape->n_axes; a++)
                from[l->permute.dim[a]] = at[a];
        } else if (l->type == RS_LAYER_TILE) {
            const int64_t axis = l->tile.axis < 0 ? l->tile.axis + in_shape->n_axes : l->tile.axis;
            from[axis] = at[axis] % in_shape->dim[axis];
        } else if (l->type == RS_LAYER_CROP) {
            const int64_t axis = l->crop.axis < 0 ? l->crop.axis + in_shape->n_axes : l->crop.axis;
            for (int64_t a = axis; a < in_shape->n_axes; a++)
                from[a] = at[a] + l->crop.offset[l->crop.n_offsets > 1 ? a - axis : 0];
        } else if (l->type == RS_LAYER_SHUFFLE_CHANNEL) {
            const int64_t each = in_shape->dim[1] / l->shuffle_groups;
            from[1] = at[1] % l->shuffle_groups * each + at[1] / l->shuffle_groups;
        } else if (l->type != RS_LAYER_REORG) {
            return false;
        }
        out[i] =
            in[l->type == RS_LAYER_REORG ? reorg_source(&l->reorg, in_shape, out_shape, i) : index_of(in_shape, from)];
    }
    return count > 0;
}
