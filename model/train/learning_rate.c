/* Caffe's learning rate policies (SGDSolver::GetLearningRate). */
#include <math.h>

#include "train/train.h"

/* The number of step values that have been reached. */
static int64_t steps_passed(const rs_solver_param *s, int64_t iter)
{
    int64_t n = 0;
    while (n < s->n_step_values && iter >= s->step_values[n])
        n++;
    return n;
}

double rs_learning_rate(const rs_solver_param *s, int64_t iter)
{
    const double i = (double)iter;
    const int64_t steps = s->step_size > 0 ? iter / s->step_size : 0; /* whole ones */
    switch (s->policy) {
    case RS_LR_FIXED:
        return s->base_lr;
    case RS_LR_STEP:
        return s->base_lr * pow(s->gamma, (double)steps);
    case RS_LR_EXP:
        return s->base_lr * pow(s->gamma, i);
    case RS_LR_INV:
        return s->base_lr * pow(1.0 + s->gamma * i, -s->power);
    case RS_LR_MULTISTEP:
        return s->base_lr * pow(s->gamma, (double)steps_passed(s, iter));
    case RS_LR_POLY:
        return s->max_iter > 0 && iter < s->max_iter ? s->base_lr * pow(1.0 - i / (double)s->max_iter, s->power) : 0.0;
    case RS_LR_SIGMOID:
        return s->base_lr / (1.0 + exp(-s->gamma * (i - (double)s->step_size)));
    }
    return s->base_lr;
}
