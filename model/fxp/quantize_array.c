/* Quantize (docs/arithmetic.md section 1) for arrays, with vector instructions: the integers of rs_fxp_quantize,
 * element for element. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fxp/dispatch.h"
#include "fxp/round.h"

/* Block length for which a 32-bit count of saturations per vector lane cannot overflow. */
enum { BLOCK = 1 << 20 };

/* What to quantize and where to. One of q and emulated is NULL. Stochastic rounding draws word i from (seed, stream).
 */
typedef struct quantize_job {
    const float *x;
    size_t n;
    rs_fxp format;
    rs_rounding mode;
    uint64_t seed, stream;
    int32_t *q;
    float *emulated;
} quantize_job;

/* name(x, n, format, mode, q, emulated) quantizes elements of type X in arithmetic of type R and returns the number of
 * saturations; n <= BLOCK. What is scaled below the smallest number of R keeps its sign, since floor looks at it. */
#define DEFINE_QUANTIZE(name, X, R, round, UNDERFLOWS)                                                          \
    RS_INLINE uint32_t name(const X *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q, float *emulated) \
    {                                                                                                           \
        const R scale = (R)ldexp(1, format.fl), back = (R)ldexp(1, -format.fl);                                 \
        const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);             \
        const R below = (R)lo - 1, above = (R)hi + 1;                                                           \
        uint32_t saturated = 0;                                                                                 \
        for (size_t i = 0; i < n; i++) {                                                                        \
            R y = (R)x[i] * scale;                                                                              \
            if (UNDERFLOWS)                                                                                     \
                y = y == 0 && x[i] < 0 ? (R)-0x1p-1022 : y;                                                     \
            y = y > below ? y : below;                                                                          \
            y = y < above ? y : above;                                                                          \
            const int32_t r = rs_limit_32(round(y, mode, 0), lo, hi, &saturated);                               \
            if (q)                                                                                              \
                q[i] = r;                                                                                       \
            if (emulated)                                                                                       \
                emulated[i] = (float)((R)r * back);                                                             \
        }                                                                                                       \
        return saturated;                                                                                       \
    }

/* In float, 24 bits at most: scaling by a power of two is exact but for underflow, which the nearest modes round to
 * zero either way; every integer in reach is a float. */
DEFINE_QUANTIZE(quantize_in_float, float, float, rs_round_float, false)
/* In double, for 25 to 31 bits and for floor; no float underflows here. */
DEFINE_QUANTIZE(quantize_in_double, float, double, rs_round_double, false)
DEFINE_QUANTIZE(quantize_of_double, double, double, rs_round_double, true)

#define QUANTIZE(mode)                                                                                                \
    (format.bits <= 24 && (mode) != RS_ROUND_TRUNCATE ? emulated                                                      \
                                                            ? quantize_in_float(x, n, format, (mode), NULL, emulated) \
                                                            : quantize_in_float(x, n, format, (mode), q, NULL)        \
     : emulated ? quantize_in_double(x, n, format, (mode), NULL, emulated)                                            \
                                                      : quantize_in_double(x, n, format, (mode), q, NULL))
RS_INLINE uint32_t quantize_floats_body(const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                                        float *emulated)
{
    return RS_ROUND_BY_MODE(mode, QUANTIZE);
}
RS_DISPATCH(static, uint32_t, quantize_floats,
            (const float *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q, float *emulated),
            (x, n, format, mode, q, emulated))

#define QUANTIZE_DOUBLES(mode) quantize_of_double(x, n, format, (mode), q, NULL)
RS_INLINE uint32_t quantize_doubles_body(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q)
{
    return RS_ROUND_BY_MODE(mode, QUANTIZE_DOUBLES);
}
RS_DISPATCH(static, uint32_t, quantize_doubles,
            (const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q), (x, n, format, mode, q))

/* Stochastic rounding of 31 bits at most, the words drawn in blocks. In double nothing of a float underflows here. */
RS_INLINE uint64_t quantize_stochastic_body(const quantize_job *job)
{
    const rs_fxp format = job->format;
    const double scale = ldexp(1, format.fl), back = ldexp(1, -format.fl);
    const int32_t lo = (int32_t)rs_fxp_min(format.bits), hi = (int32_t)rs_fxp_max(format.bits);
    const double below = (double)lo - 1, above = (double)hi + 1;
    uint64_t saturations = 0;
    for (size_t first = 0; first < job->n; first += RS_RANDOM_LANES) {
        uint64_t random[RS_RANDOM_LANES];
        float in[RS_RANDOM_LANES] = { 0 };
        int32_t out[RS_RANDOM_LANES];
        uint32_t saturated = 0;
        const size_t some = job->n - first < RS_RANDOM_LANES ? job->n - first : RS_RANDOM_LANES;
        rs_random_lanes(job->seed, job->stream, first, random);
        memcpy(in, job->x + first, some * sizeof *in);
        for (int i = 0; i < RS_RANDOM_LANES; i++) {
            double y = (double)in[i] * scale;
            y = y > below ? y : below;
            y = y < above ? y : above;
            /* What lies past the end is zero, which never saturates. */
            out[i] = rs_limit_32(rs_round_double(y, RS_ROUND_STOCHASTIC, random[i]), lo, hi, &saturated);
        }
        saturations += saturated;
        if (job->q)
            memcpy(job->q + first, out, some * sizeof *out);
        for (size_t i = 0; job->emulated && i < some; i++)
            job->emulated[first + i] = (float)((double)out[i] * back);
    }
    return saturations;
}
RS_DISPATCH(static, uint64_t, quantize_stochastic, (const quantize_job *job), (job))

/* 32 bits: element by element. */
static uint64_t quantize_full(const quantize_job *job)
{
    const bool draw = job->mode == RS_ROUND_STOCHASTIC;
    uint64_t saturations = 0;
    for (size_t i = 0; i < job->n; i++) {
        const uint64_t random = draw ? rs_random_u64(job->seed, job->stream, i) : 0;
        const int32_t r = rs_fxp_quantize((double)job->x[i], job->format, job->mode, random, &saturations);
        if (job->q)
            job->q[i] = r;
        else
            job->emulated[i] = (float)rs_fxp_value(r, job->format.fl);
    }
    return saturations;
}

static uint64_t quantize(const quantize_job *job)
{
    if (job->format.bits > 31)
        return quantize_full(job);
    if (job->mode == RS_ROUND_STOCHASTIC)
        return quantize_stochastic(job);
    uint64_t saturations = 0;
    for (size_t i = 0; i < job->n; i += BLOCK)
        saturations += quantize_floats(job->x + i, job->n - i < BLOCK ? job->n - i : BLOCK, job->format, job->mode,
                                       job->q ? job->q + i : NULL, job->q ? NULL : job->emulated + i);
    return saturations;
}

void rs_fxp_quantize_array(const float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream,
                           int32_t *q, uint64_t *saturations)
{
    const uint64_t saturated = quantize(&(quantize_job) { x, n, format, mode, seed, stream, q, NULL });
    if (saturations)
        *saturations += saturated;
}

void rs_fxp_emulate_array(float *x, size_t n, rs_fxp format, rs_rounding mode, uint64_t seed, uint64_t stream)
{
    (void)quantize(&(quantize_job) { x, n, format, mode, seed, stream, NULL, x });
}

void rs_fxp_quantize_doubles(const double *x, size_t n, rs_fxp format, rs_rounding mode, int32_t *q,
                             uint64_t *saturations)
{
    assert(mode != RS_ROUND_STOCHASTIC && format.bits <= 31);
    uint64_t saturated = 0;
    for (size_t i = 0; i < n; i += BLOCK)
        saturated += quantize_doubles(x + i, n - i < BLOCK ? n - i : BLOCK, format, mode, q + i);
    if (saturations)
        *saturations += saturated;
}
