/* The functions: range reduction and a polynomial or a table each, in float or double. */
#include "layers/functions.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts, the first with zeros at its end, so that n times it is exact. */
static const double LN2_HIGH = 0.693147180369123816490, LN2_LOW = 1.90821492927058770002e-10;

/* e^x in double: 2^n times the Taylor series of e^r to the 10th power, |r| <= ln(2) / 2. |x| below 1000. */
static double exponential(double x)
{
    const double n = floor(x * 1.4426950408889634 + 0.5);
    const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double e = 1.0;
    for (int i = 10; i > 0; i--)
        e = 1.0 + e * r / i;
    return ldexp(e, (int)n);
}

/* ln x in double for a positive finite x: x = m 2^n, ln m = 2 atanh((m - 1) / (m + 1)) with m in [sqrt(1/2), sqrt(2)).
 */
static double logarithm(double x)
{
    int n;
    double m = frexp(x, &n);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        n--;
    }
    const double z = (m - 1.0) / (m + 1.0), z2 = z * z;
    double series = 0.0;
    for (int i = 23; i > 0; i -= 2)
        series = 1.0 / i + series * z2;
    return 2.0 * z * series + (double)n * LN2_LOW + (double)n * LN2_HIGH;
}

float rs_exp(float x)
{
    if (isnan(x))
        return x;
    if (x < -104.0f)
        return 0.0f;
    if (x > 89.0f)
        return INFINITY;
    return (float)exponential((double)x);
}

float rs_log(float x)
{
    if (isnan(x) || x < 0.0f)
        return NAN;
    if (x == 0.0f)
        return -INFINITY;
    return isinf(x) ? x : (float)logarithm((double)x);
}

float rs_softplus(float x)
{
    if (isnan(x))
        return x;
    const double a = fabs((double)x), e = a > 700.0 ? 0.0 : exponential(-a);
    const double rest = e < 1e-5 ? e * (1.0 - 0.5 * e) : logarithm(1.0 + e); /* ln(1 + e^-|x|) */
    return (float)((x > 0.0f ? (double)x : 0.0) + rest);
}

float rs_power(float x, float y)
{
    if (isnan(x) || isnan(y) || x < 0.0f)
        return NAN;
    if (y == 0.0f || x == 1.0f)
        return 1.0f;
    if (x == 0.0f || isinf(x) || isinf(y))
        return powf(x, y); /* an exact case */
    const double e = (double)y * logarithm((double)x);
    if (e < -150.0)
        return 0.0f;
    return e > 100.0 ? INFINITY : (float)exponential(e);
}

float rs_expm1(float x)
{
    if (isnan(x))
        return x;
    const double d = (double)x;
    if (d > -1e-5)
        return (float)(d + 0.5 * d * d);
    return d < -30.0 ? -1.0f : (float)(exponential(d) - 1.0);
}

float rs_sigmoid(float x)
{
    if (isnan(x))
        return x;
    if (x < -104.0f)
        return 0.0f;
    return x > 104.0f ? 1.0f : (float)(1.0 / (1.0 + exponential(-(double)x)));
}

float rs_tanh(float x)
{
    if (isnan(x) || x == 0.0f)
        return x;
    const double a = fabs((double)x);
    if (a > 20.0)
        return x > 0.0f ? 1.0f : -1.0f;
    double t;
    if (a < 0.02) { /* where the formula cancels: the series, whose next term is below 2^-40 of it */
        const double a2 = a * a;
        t = a * (1.0 - a2 / 3.0 + a2 * a2 * (2.0 / 15.0) - a2 * a2 * a2 * (17.0 / 315.0));
    } else {
        t = 1.0 - 2.0 / (exponential(2.0 * a) + 1.0);
    }
    return (float)(x > 0.0f ? t : -t);
}

typedef float vector __attribute__((vector_size(16)));
enum { LANES = 4, PARTS = 4 };

static float total_of(const vector part[PARTS])
{
    const vector s = (part[0] + part[2]) + (part[1] + part[3]);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

float rs_sum(const float *x, int64_t n)
{
    vector part[PARTS] = { { 0 } };
    int64_t i = 0;
    for (; i + LANES * PARTS <= n; i += LANES * PARTS)
        for (int v = 0; v < PARTS; v++) {
            vector next;
            memcpy(&next, x + i + LANES * v, sizeof next);
            part[v] += next;
        }
    for (int l = 0; i < n; i++, l++)
        part[l / LANES][l % LANES] += x[i];
    return total_of(part);
}

float rs_dot(const float *x, const float *y, int64_t n)
{
    vector part[PARTS] = { { 0 } };
    int64_t i = 0;
    for (; i + LANES * PARTS <= n; i += LANES * PARTS)
        for (int v = 0; v < PARTS; v++) {
            vector a, b;
            memcpy(&a, x + i + LANES * v, sizeof a);
            memcpy(&b, y + i + LANES * v, sizeof b);
            part[v] += a * b;
        }
    for (int l = 0; i < n; i++, l++)
        part[l / LANES][l % LANES] += x[i] * y[i];
    return total_of(part);
}
