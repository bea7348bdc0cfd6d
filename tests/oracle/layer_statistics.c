/* Sums, means, deviations and norms, each value by its own loop over those that belong to it. */
#include <math.h>

#include "oracle/layer_rules.h"

static int64_t count(const rs_shape *s)
{
    int64_t n = 1;
    for (int a = 1; a < s->n_axes; a++)
        n *= s->dim[a];
    return n;
}

static double reduced(const rs_reduction_param *p, const double *in, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += p->method == RS_REDUCE_ABSOLUTE ? fabs(in[i]) : p->method == RS_REDUCE_SQUARES ? in[i] * in[i] : in[i];
    return sum * (double)p->coefficient / (p->method == RS_REDUCE_MEAN ? (double)n : 1.0);
}

static double normal(const rs_mvn_param *p, const double *in, int64_t size, int64_t area, int64_t at)
{
    const int64_t from = p->across ? 0 : at / area * area, to = p->across ? size : from + area;
    double mean = 0.0, variance = 0.0;
    for (int64_t i = from; i < to; i++)
        mean += in[i] / (double)(to - from);
    for (int64_t i = from; i < to; i++)
        variance += (in[i] - mean) * (in[i] - mean) / (double)(to - from);
    return (in[at] - mean) / (p->variance ? sqrt(variance) + (double)p->eps : 1.0);
}

static double unit(const rs_normalize_param *p, const double *weights, const double *in, int64_t size, int64_t area,
                   int64_t at)
{
    double sum = (double)p->eps;
    for (int64_t i = 0; i < size; i++)
        sum += p->across || i % area == at % area ? in[i] * in[i] : 0.0;
    return in[at] / sqrt(sum) * weights[p->shared ? 0 : at / area];
}

bool rs_oracle_statistic(const rs_layer *l, const rs_shape *in_shape, const rs_shape *out_shape, const double *weights,
                         const double *in, double *out)
{
    const int64_t size = count(in_shape), n = count(out_shape), area = size / in_shape->dim[1];
    for (int64_t i = 0; i < n; i++)
        switch (l->type) {
        case RS_LAYER_REDUCTION:
            out[i] = reduced(&l->reduction, in + i * (size / n), size / n);
            break;
        case RS_LAYER_MVN:
            out[i] = normal(&l->mvn, in, size, area, i);
            break;
        case RS_LAYER_NORMALIZE:
            out[i] = unit(&l->normalize, weights, in, size, area, i);
            break;
        default:
            return false;
        }
    return true;
}
