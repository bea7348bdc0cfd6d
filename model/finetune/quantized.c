/* A quantized prototxt in training: float weights behind rounded ones, integers in tests. */
#include "finetune/quantized.h"

#include <math.h>

#include "emulate/score.h"
#include "finetune/shadow.h"
#include "import/import.h"
#include "qnet/build.h"
#include "train/score.h"

typedef struct quantized_training {
    const rs_solver_param *solver;
    const rs_train_options *options;
    rs_finetune_options rules; /* of the shadow weights */
    rs_net *net;               /* the training net, while it trains */
    rs_train_net test;
    rs_dataset *images; /* that are tested on, as they enter the net */
    rs_formats *formats;
    rs_shadow *shadow;
} quantized_training;

rs_status rs_train_is_quantized(const rs_solver_param *solver, bool *quantized, rs_diag *diag)
{
    rs_net *net = NULL;
    const rs_net_state training = { .phase = RS_TRAIN };
    *quantized = false;
    if (rs_is_onnx(solver->net_path))
        return RS_OK;
    const rs_status st = rs_import_net(solver->net_path, &training, NULL, &net, diag);
    if (st == RS_OK)
        *quantized = rs_net_quantized(net);
    rs_net_free(net);
    return st;
}

static rs_status hold_test_images(quantized_training *t, rs_diag *diag)
{
    const int64_t wanted = t->options->test_images > 0 ? t->options->test_images : t->solver->test_iter * t->test.batch;
    const int64_t count = wanted > 0 && wanted < t->test.set->count ? wanted : t->test.set->count;
    const rs_dataset part = rs_dataset_slice(t->test.set, 0, count);
    return rs_dataset_prepare(&part, &t->test.net->layers[t->test.layer].data, RS_HELD_MAX_BYTES, &t->images, diag);
}

static rs_status begin(void *context, rs_net *net, rs_exec *exec, rs_dataset *set, const char *resume, rs_diag *diag)
{
    (void)set;
    (void)resume;
    quantized_training *t = context;
    t->net = net;
    const int input = rs_net_input(net);
    const int64_t batch = rs_shape_count(&net->blobs[input].shape, 0) / rs_exec_blob_size(exec, input);
    rs_status st = rs_train_net_open(t->solver, t->options, RS_TEST, &t->test, diag);
    if (st == RS_OK)
        st = rs_copy_weights(net, t->test.net, diag);
    if (st == RS_OK)
        st = rs_formats_of_prototxt(t->test.net, &t->formats, diag);
    if (st == RS_OK)
        st = rs_data_layer(t->test.net, &t->test.layer, diag); /* copies may have moved it */
    if (st == RS_OK)
        st = hold_test_images(t, diag);
    if (st == RS_OK)
        st = rs_shadow_new(net, exec, batch, t->test.net, t->formats, &t->rules, &t->shadow, diag);
    return st;
}

static rs_status before(void *context, int64_t batch, rs_diag *diag)
{
    (void)diag;
    rs_shadow_before(((quantized_training *)context)->shadow, batch);
    return RS_OK;
}

static void after(void *context, int64_t batch)
{
    (void)batch;
    rs_shadow_after(((quantized_training *)context)->shadow);
}

static rs_status test(void *context, rs_train_event *event, rs_diag *diag)
{
    quantized_training *t = context;
    rs_qnet *qnet = NULL;
    rs_engine *engine = NULL;
    rs_score score = { .saturations = NULL };
    const rs_net_quantization *q = &t->test.net->quantization;
    rs_status st = rs_copy_weights(t->net, t->test.net, diag);
    if (st == RS_OK)
        st = rs_qnet_build(t->test.net, t->formats, &t->test.net->layers[t->test.layer].data, q->bias_rule, q->rounding,
                           &qnet, diag);
    if (st == RS_OK)
        st = rs_engine_new(qnet, false, &engine, diag);
    if (st == RS_OK)
        st = rs_engine_score(engine, t->images, 1, &score, diag);
    event->images = score.images;
    event->accuracy = score.images > 0 ? (double)score.hits / (double)score.images : 0.0;
    event->loss = NAN;
    rs_engine_free(engine);
    rs_qnet_free(qnet);
    return st;
}

rs_status rs_train_quantized(const rs_solver_param *solver, const rs_train_options *options, rs_train_result *result,
                             rs_diag *diag)
{
    quantized_training t = { .solver = solver, .options = options };
    rs_finetune_defaults(&t.rules); /* no width is chosen: all that count is that no group stays float */
    for (int g = 0; g < RS_GROUPS; g++)
        t.rules.bits[g] = RS_QNET_MAX_BITS;
    t.rules.seed = options->seed;
    const rs_train_extension extension = {
        .context = &t, .begin = begin, .before = before, .after = after, .test = test
    };
    rs_train_options with = *options;
    with.extension = &extension;
    const rs_status st = rs_train(solver, &with, result, diag);
    rs_shadow_free(t.shadow);
    rs_formats_free(t.formats);
    rs_dataset_free(t.images);
    rs_train_net_close(&t.test);
    return st;
}
