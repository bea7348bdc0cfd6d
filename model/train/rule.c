/* The update rules of the solvers. */
#include "train/rule.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* The gradient with decay: Caffe's Normalize and Regularize. */
static inline float regularized(const rs_update *u, float w, float g)
{
    const float sign = w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f;
    return g * u->scale + u->decay * (u->l1 ? sign : w);
}

/* h = momentum h + rate g;  w -= h */
static void sgd(const rs_update *u, int64_t n, float *w, const float *g, float *h, float *h2)
{
    (void)h2;
    if (u->l1) {
        for (int64_t i = 0; i < n; i++) {
            h[i] = u->momentum * h[i] + u->rate * regularized(u, w[i], g[i]);
            w[i] -= h[i];
        }
        return;
    }
    /* The same without the branch, so that it becomes vector code. */
    const float rate = u->rate, decay = u->decay, scale = u->scale, momentum = u->momentum;
    for (int64_t i = 0; i < n; i++) {
        h[i] = momentum * h[i] + rate * (g[i] * scale + decay * w[i]);
        w[i] -= h[i];
    }
}

/* h' = momentum h + rate g;  w -= (1 + momentum) h' - momentum h */
static void nesterov(const rs_update *u, int64_t n, float *w, const float *g, float *h, float *h2)
{
    (void)h2;
    for (int64_t i = 0; i < n; i++) {
        const float old = h[i];
        h[i] = u->momentum * old + u->rate * regularized(u, w[i], g[i]);
        w[i] -= (1.0f + u->momentum) * h[i] - u->momentum * old;
    }
}

/* h += g^2;  w -= rate g / (sqrt(h) + delta) */
static void adagrad(const rs_update *u, int64_t n, float *w, const float *g, float *h, float *h2)
{
    (void)h2;
    for (int64_t i = 0; i < n; i++) {
        const float d = regularized(u, w[i], g[i]);
        h[i] += d * d;
        w[i] -= u->rate * (d / (sqrtf(h[i]) + u->delta));
    }
}

/* h1 = momentum h1 + (1 - momentum) g^2;  step = g sqrt((h2 + delta) / (h1 + delta));  h2 likewise from step;  w -=
 * rate step */
static void adadelta(const rs_update *u, int64_t n, float *w, const float *g, float *h1, float *h2)
{
    const float m = u->momentum;
    for (int64_t i = 0; i < n; i++) {
        const float d = regularized(u, w[i], g[i]);
        h1[i] = m * h1[i] + (1.0f - m) * (d * d);
        const float step = d * sqrtf((h2[i] + u->delta) / (h1[i] + u->delta));
        h2[i] = m * h2[i] + (1.0f - m) * (step * step);
        w[i] -= u->rate * step;
    }
}

/* h1 = momentum h1 + (1 - momentum) g;  h2 = momentum2 h2 + (1 - momentum2) g^2;  w -= rate correction h1 / (sqrt(h2) +
 * delta) */
static void adam(const rs_update *u, int64_t n, float *w, const float *g, float *h1, float *h2)
{
    const float rate = u->rate * u->correction;
    for (int64_t i = 0; i < n; i++) {
        const float d = regularized(u, w[i], g[i]);
        h1[i] = u->momentum * h1[i] + (1.0f - u->momentum) * d;
        h2[i] = u->momentum2 * h2[i] + (1.0f - u->momentum2) * (d * d);
        w[i] -= rate * (h1[i] / (sqrtf(h2[i]) + u->delta));
    }
}

static const rs_rule RULES[] = {
    { "SGD", 1, sgd },           { "Nesterov", 1, nesterov }, { "AdaGrad", 1, adagrad },
    { "AdaDelta", 2, adadelta }, { "Adam", 2, adam },
};

rs_status rs_rule_of(const rs_solver_param *solver, const rs_rule **rule, rs_diag *diag)
{
    const char *type = solver->type == NULL ? "SGD" : solver->type;
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (strcasecmp(type, RULES[i].type) == 0) {
            *rule = &RULES[i];
            if (strcmp(RULES[i].type, "AdaGrad") == 0 && solver->momentum != 0.0)
                return rs_error(diag, RS_BAD_INPUT, RS_FILE(solver->path), NULL, "momentum is %g, but AdaGrad has none",
                                solver->momentum);
            return RS_OK;
        }
    return rs_error(diag, RS_BAD_INPUT, RS_FILE(solver->path), NULL,
                    "solver type '%s' is not supported, expected SGD, Nesterov, AdaGrad, AdaDelta or Adam", type);
}
