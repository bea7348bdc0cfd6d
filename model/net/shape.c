/* Shapes: counting, comparing, writing them. */
#include "net/shape.h"

#include <inttypes.h>
#include <stdio.h>

int64_t rs_shape_count(const rs_shape *shape, int from)
{
    const int64_t limit = INT64_C(1) << 62;
    int64_t count = 1;
    bool fits = true;
    for (int i = from; i < shape->n_axes; i++) {
        int64_t d = shape->dim[i];
        if (d == 0)
            return 0;
        if (d < 0 || count > limit / d)
            fits = false;
        else
            count *= d;
    }
    return fits ? count : -1;
}

bool rs_shape_equal(const rs_shape *a, const rs_shape *b)
{
    if (a->n_axes != b->n_axes)
        return false;
    for (int i = 0; i < a->n_axes; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

const char *rs_shape_text(const rs_shape *shape, char *buffer, size_t size)
{
    size_t used = 0;
    if (size > 0)
        buffer[0] = '\0';
    if (shape->n_axes == 0)
        snprintf(buffer, size, "scalar");
    for (int i = 0; i < shape->n_axes && used < size; i++) {
        int n = snprintf(buffer + used, size - used, "%s%" PRId64, i ? "x" : "", shape->dim[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return buffer;
}

int rs_axis(int64_t axis, int n_axes)
{
    if (axis < 0)
        axis += n_axes;
    return axis >= 0 && axis < n_axes ? (int)axis : -1;
}
