/* Learning rate policies against values computed by hand, and the update rules against their formulas in double. */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/rule.h"
#include "train/train.h"

static void near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-12 * fabs(expected)))
        fail_msg("%.17g, expected %.17g", got, expected);
}

static void test_policies(void **state)
{
    (void)state;
    rs_solver_param s = { .policy = RS_LR_FIXED, .base_lr = 0.01, .gamma = 5, .power = 5 };
    near(rs_learning_rate(&s, 0), 0.01);
    near(rs_learning_rate(&s, 123456), 0.01);

    s = (rs_solver_param) { .policy = RS_LR_STEP, .base_lr = 0.1, .gamma = 0.5, .step_size = 10 };
    near(rs_learning_rate(&s, 0), 0.1);
    near(rs_learning_rate(&s, 9), 0.1);
    near(rs_learning_rate(&s, 10), 0.05);
    near(rs_learning_rate(&s, 39), 0.0125);

    s = (rs_solver_param) { .policy = RS_LR_EXP, .base_lr = 0.1, .gamma = 0.99 };
    near(rs_learning_rate(&s, 0), 0.1);
    near(rs_learning_rate(&s, 2), 0.09801);

    /* LeNet's: 0.01 (1 + 0.0001 i)^-0.75, so that after 10,000 iterations it is 0.01 * 2^-0.75. */
    s = (rs_solver_param) { .policy = RS_LR_INV, .base_lr = 0.01, .gamma = 0.0001, .power = 0.75 };
    near(rs_learning_rate(&s, 0), 0.01);
    near(rs_learning_rate(&s, 10000), 0.00594603557501360533);
    near(rs_learning_rate(&s, 150000), 0.00125);

    int64_t steps[] = { 5, 8 };
    s = (rs_solver_param) {
        .policy = RS_LR_MULTISTEP, .base_lr = 1, .gamma = 0.1, .n_step_values = 2, .step_values = steps
    };
    near(rs_learning_rate(&s, 4), 1.0);
    near(rs_learning_rate(&s, 5), 0.1);
    near(rs_learning_rate(&s, 7), 0.1);
    near(rs_learning_rate(&s, 8), 0.01);
    near(rs_learning_rate(&s, 8000), 0.01);

    s = (rs_solver_param) { .policy = RS_LR_POLY, .base_lr = 2, .power = 2, .max_iter = 100 };
    near(rs_learning_rate(&s, 0), 2.0);
    near(rs_learning_rate(&s, 50), 0.5);
    near(rs_learning_rate(&s, 100), 0.0);
    near(rs_learning_rate(&s, 101), 0.0);

    s = (rs_solver_param) {
        .policy = RS_LR_SIGMOID, .base_lr = 1, .gamma = -1.0986122886681098, .step_size = 50
    }; /* -ln 3 */
    near(rs_learning_rate(&s, 50), 0.5);
    near(rs_learning_rate(&s, 51), 0.25);
    near(rs_learning_rate(&s, 49), 0.75);
}

enum { N = 37, STEPS = 20 };

/* One value of one array, in double. */
static void step(const char *type, const rs_update *u, double momentum2, int iter, double *w, double g, double *h1,
                 double *h2)
{
    const double rate = (double)u->rate, m = (double)u->momentum, delta = (double)u->delta;
    g = g * (double)u->scale + (double)u->decay * (u->l1 ? (*w > 0) - (*w < 0) : *w);
    if (strcmp(type, "SGD") == 0) {
        *h1 = m * *h1 + rate * g;
        *w -= *h1;
    } else if (strcmp(type, "Nesterov") == 0) {
        const double old = *h1;
        *h1 = m * old + rate * g;
        *w -= (1 + m) * *h1 - m * old;
    } else if (strcmp(type, "AdaGrad") == 0) {
        *h1 += g * g;
        *w -= rate * g / (sqrt(*h1) + delta);
    } else if (strcmp(type, "AdaDelta") == 0) {
        *h1 = m * *h1 + (1 - m) * g * g;
        const double d = g * sqrt((*h2 + delta) / (*h1 + delta));
        *h2 = m * *h2 + (1 - m) * d * d;
        *w -= rate * d;
    } else if (strcmp(type, "Adam") == 0) {
        *h1 = m * *h1 + (1 - m) * g;
        *h2 = momentum2 * *h2 + (1 - momentum2) * g * g;
        *w -= rate * sqrt(1 - pow(momentum2, iter + 1)) / (1 - pow(m, iter + 1)) * *h1 / (sqrt(*h2) + delta);
    } else {
        fail_msg("no formula for %s", type);
    }
}

static void check_rule(const char *type, bool l1)
{
    rs_diag *diag = rs_diag_new();
    rs_solver_param s = { .path = "solver.prototxt", .type = (char *)(uintptr_t)type };
    const rs_rule *rule = NULL;
    rs_assert_ok(rs_rule_of(&s, &rule, diag), diag);
    const double momentum2 = 0.99;
    rs_update u = {
        .rate = 0.03f, .decay = 0.01f, .scale = 0.5f, .l1 = l1, .momentum = 0.9f, .momentum2 = 0.99f, .delta = 1e-3f
    };
    float w[N], g[N], h1[N] = { 0 }, h2[N] = { 0 };
    double dw[N], d1[N] = { 0 }, d2[N] = { 0 };
    rs_rng rng = { .seed = rs_test_seed(), .stream = 11 };
    for (int i = 0; i < N; i++)
        dw[i] = (double)(w[i] = (float)((double)(int64_t)rs_rng_next(&rng) * 0x1p-63));
    for (int iter = 0; iter < STEPS; iter++) {
        u.correction = (float)(sqrt(1 - pow(momentum2, iter + 1)) / (1 - pow((double)u.momentum, iter + 1)));
        for (int i = 0; i < N; i++) {
            g[i] = (float)((double)(int64_t)rs_rng_next(&rng) * 0x1p-63);
            step(type, &u, momentum2, iter, &dw[i], (double)g[i], &d1[i], &d2[i]);
        }
        rule->apply(&u, N, w, g, h1, rule->histories > 1 ? h2 : NULL);
        for (int i = 0; i < N; i++) {
            if (fabs((double)w[i] - dw[i]) > 1e-5)
                fail_msg("%s, step %d, weight %d: %.9g, expected %.9g", type, iter, i, (double)w[i], dw[i]);
            if (fabs((double)h1[i] - d1[i]) > 1e-5 || fabs((double)h2[i] - d2[i]) > 1e-5)
                fail_msg("%s, step %d, history of weight %d", type, iter, i);
        }
    }
    rs_diag_free(diag);
}

static void test_rules(void **state)
{
    (void)state;
    static const char *const types[] = { "SGD", "Nesterov", "AdaGrad", "AdaDelta", "Adam" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int l1 = 0; l1 < 2; l1++)
            check_rule(types[i], l1);
}

static void test_unknown_rule(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    char path[] = "solver.prototxt", unknown[] = "RMSProp", adagrad[] = "AdaGrad", lower[] = "sgd";
    const rs_rule *rule = NULL;
    rs_solver_param s = { .path = path, .type = unknown };
    rs_assert_error(rs_rule_of(&s, &rule, diag), RS_BAD_INPUT, diag,
                    "expected SGD, Nesterov, AdaGrad, AdaDelta or Adam");
    s = (rs_solver_param) { .path = path, .type = adagrad, .momentum = 0.9 };
    rs_assert_error(rs_rule_of(&s, &rule, diag), RS_BAD_INPUT, diag, "momentum");
    s = (rs_solver_param) { .path = path, .type = lower };
    rs_assert_ok(rs_rule_of(&s, &rule, diag), diag);
    assert_string_equal(rule->type, "SGD");
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_unknown_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
