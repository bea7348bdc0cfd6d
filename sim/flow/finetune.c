/* The stage that fine-tunes: training, scores on test images, files. */
#include "flow/finetune.h"

#include "flow/outputs.h"

static rs_status score_qnet(const rs_qnet *qnet, const rs_dataset *set, rs_score *score, rs_diag *diag)
{
    rs_engine *engine = NULL;
    *score = (rs_score) { .saturations = NULL };
    rs_status st = rs_engine_new(qnet, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, set, 1, score, diag);
    rs_engine_free(engine);
    return st;
}

/* What the net gets right before it is tuned: no less than guessing. */
static rs_status score_float(const rs_solver_param *solver, const rs_finetune_options *o, rs_finetune_test *test,
                             rs_diag *diag)
{
    rs_test_result f = { .hits = -1, .ties = -1 };
    rs_net *net = NULL;
    rs_status st = rs_stage_load(solver->net_path, o->weights, test->set, o->transform, &net, diag);
    if (st == RS_OK)
        st = rs_net_choose_scores(net, o->score, diag);
    if (st == RS_OK)
        st = rs_score_dataset(net, test->set, NULL, &f, diag);
    if (st == RS_OK)
        st = rs_check_chance(net, test->set, f.hits, f.top_k, diag);
    rs_net_free(net);
    test->float_hits = f.hits;
    test->float_ties = f.ties;
    return st;
}

static rs_status score_test(const rs_finetune_result *r, rs_finetune_test *test, rs_diag *diag)
{
    rs_score before = { .hits = -1, .ties = -1 }, after;
    rs_status st = score_qnet(r->qnet, test->set, &after, diag);
    if (st == RS_OK && r->first_qnet != NULL)
        st = score_qnet(r->first_qnet, test->set, &before, diag);
    test->hits = after.hits;
    test->ties = after.ties;
    test->first_hits = before.hits;
    test->first_ties = before.ties;
    return st;
}

rs_status rs_stage_finetune(const rs_solver_param *solver, const rs_finetune_options *options, const rs_dataset *test,
                            rs_finetune_outcome *outcome, rs_diag *diag)
{
    *outcome = (rs_finetune_outcome) { .options = options,
                                       .test = { .set = test, .float_hits = -1, .float_ties = -1 } };
    rs_status st = RS_OK;
    if (test != NULL && options->weights != NULL)
        st = score_float(solver, options, &outcome->test, diag);
    if (st == RS_OK)
        st = rs_finetune(solver, options, &outcome->result, diag);
    if (st == RS_OK && test != NULL)
        st = score_test(outcome->result, &outcome->test, diag);
    if (st == RS_OK)
        st = rs_stage_write_quantized(outcome->result->net, solver->net_path, outcome->result->formats,
                                      outcome->result->qnet, options->out, false, diag);
    return st;
}

void rs_finetune_outcome_clear(rs_finetune_outcome *outcome)
{
    rs_finetune_result_free(outcome->result);
    outcome->result = NULL;
}
