/* Prototxt that is right: both forms of layers, old inputs, rules, data layers, Ristretto's types; solver files. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/file.h"
#include "base/memory.h"
#include "import/caffe/caffe.h"

static rs_net *read_text(const char *text, rs_phase phase, size_t warnings)
{
    rs_diag *diag = rs_diag_new();
    const char *path = rs_test_path("net.prototxt");
    rs_test_write(path, text, strlen(text));
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, phase, &net, diag), diag);
    size_t n = 0;
    while (rs_diag_message(diag, n) != NULL)
        n++;
    if (n != warnings)
        print_message("%s", rs_test_messages(diag));
    assert_int_equal(n, warnings);
    rs_diag_free(diag);
    return net;
}

static void check_zoo(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net("model/zoo/lenet/lenet_train_test.prototxt", RS_TRAIN, &net, diag), diag);
    assert_string_equal(net->name, "LeNet");
    assert_string_equal(net->path, "model/zoo/lenet/lenet_train_test.prototxt");
    assert_int_equal(net->phase, RS_TRAIN);
    assert_int_equal(net->n_layers, 9);
    const rs_layer *l = &net->layers[0];
    assert_int_equal(l->type, RS_LAYER_INPUT);
    assert_string_equal(l->data.source, "train-data.json");
    assert_int_equal(l->data.batch_size, 64);
    assert_true(l->data.scale == 0.00390625F);
    assert_int_equal(l->n_tops, 2);
    l = &net->layers[1];
    assert_string_equal(l->name, "conv1");
    assert_int_equal(l->type, RS_LAYER_CONVOLUTION);
    assert_string_equal(l->loc.file, net->path);
    assert_int_equal(l->loc.line, 26);
    assert_int_equal(l->loc.column, 1);
    assert_int_equal(l->convolution.out_channels, 20);
    assert_int_equal(l->convolution.kernel_h, 5);
    assert_int_equal(l->convolution.kernel_w, 5);
    assert_int_equal(l->convolution.stride_h, 1);
    assert_int_equal(l->convolution.pad_w, 0);
    assert_int_equal(l->convolution.dilation_w, 1);
    assert_int_equal(l->convolution.groups, 1);
    assert_true(l->convolution.bias);
    assert_int_equal(l->convolution.weight_filler.type, RS_FILL_XAVIER);
    assert_int_equal(l->convolution.bias_filler.type, RS_FILL_CONSTANT);
    assert_int_equal(l->n_params, 2);
    assert_true(l->params[0].lr_mult == 1 && l->params[1].lr_mult == 2 && l->params[1].decay_mult == 1);
    assert_int_equal(net->layers[6].type, RS_LAYER_RELU);
    assert_int_equal(net->layers[6].bottoms[0], net->layers[6].tops[0]);
    rs_net_free(net);
    rs_assert_ok(rs_caffe_read_net("model/zoo/lenet/lenet_train_test.prototxt", RS_TEST, &net, diag), diag);
    assert_int_equal(net->n_layers, 10);
    assert_string_equal(net->layers[0].data.source, "mnist");
    assert_int_equal(net->layers[8].type, RS_LAYER_ACCURACY);
    assert_int_equal(net->layers[8].criterion.top_k, 1);
    rs_net_free(net);

    rs_solver_param *s = NULL;
    rs_assert_ok(rs_caffe_read_solver("model/zoo/lenet/lenet_solver.prototxt", &s, diag), diag);
    assert_string_equal(s->net_path, "model/zoo/lenet/lenet_train_test.prototxt");
    assert_string_equal(s->type, "SGD");
    assert_int_equal(s->policy, RS_LR_INV);
    assert_true(s->base_lr == (double)0.01F && s->momentum == (double)0.9F && s->weight_decay == (double)0.0005F);
    assert_true(s->gamma == (double)0.0001F && s->power == 0.75 && s->clip_gradients == -1);
    assert_int_equal(s->max_iter, 10000);
    assert_int_equal(s->test_iter, 100);
    assert_int_equal(s->test_interval, 500);
    assert_int_equal(s->iter_size, 1);
    assert_int_equal(s->average_loss, 1);
    assert_false(s->l1_regularization);
    assert_true(s->test_initialization && s->snapshot_after_train);
    rs_solver_param_free(s);
    rs_solver_param_free(NULL);
    rs_diag_free(diag);
}

/* The same net in both forms: nothing may differ but the places. */
static void check_v1(void **state)
{
    (void)state;
    rs_net *v1 = read_text(
        "name: 'net' input: 'data' input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n"
        "layers { name: 'conv' type: CONVOLUTION bottom: 'data' top: 'conv' blobs_lr: 1 blobs_lr: 2 weight_decay: 1\n"
        "  weight_decay: 0 convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: 1\n"
        "  weight_filler { type: 'gaussian' std: 0.01 } } }\n"
        "layers { name: 'relu' type: RELU bottom: 'conv' top: 'conv' relu_param { negative_slope: 0.5 } }\n"
        "layers { name: 'pool' type: POOLING bottom: 'conv' top: 'pool' pooling_param { pool: AVE kernel_size: 2 "
        "stride: 2 } }\n"
        "layers { name: 'drop' type: DROPOUT bottom: 'pool' top: 'pool' dropout_param { dropout_ratio: 0.25 } }\n"
        "layers { name: 'ip' type: INNER_PRODUCT bottom: 'pool' top: 'ip' inner_product_param { num_output: 5 } }\n"
        "layers { name: 'prob' type: SOFTMAX bottom: 'ip' top: 'prob' include { phase: TEST } }\n",
        RS_TEST, 0);
    rs_net *v2 = read_text(
        "name: 'net' layer { name: 'input' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 8, 8] } } }\n"
        "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' param { lr_mult: 1 decay_mult: 1 }\n"
        "  param { lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: "
        "1\n"
        "  weight_filler { type: 'gaussian' std: 0.01 } } }\n"
        "layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' relu_param { negative_slope: 0.5 } }\n"
        "layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { pool: AVE kernel_size: 2 "
        "stride: 2 } }\n"
        "layer { name: 'drop' type: 'Dropout' bottom: 'pool' top: 'pool' dropout_param { dropout_ratio: 0.25 } }\n"
        "layer { name: 'ip' type: 'InnerProduct' bottom: 'pool' top: 'ip' inner_product_param { num_output: 5 } }\n"
        "layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' include { phase: TEST } }\n",
        RS_TEST, 0);
    assert_int_equal(v1->n_layers, 7);
    assert_int_equal(v1->n_layers, v2->n_layers);
    assert_int_equal(v1->n_blobs, v2->n_blobs);
    assert_int_equal(v1->layers[1].loc.line, 2);
    for (int i = 0; i < v1->n_blobs; i++) {
        assert_string_equal(v1->blobs[i].name, v2->blobs[i].name);
        assert_true(rs_shape_equal(&v1->blobs[i].shape, &v2->blobs[i].shape));
    }
    for (int i = 0; i < v1->n_layers; i++) {
        const rs_layer *a = &v1->layers[i], *b = &v2->layers[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->n_bottoms, b->n_bottoms);
        assert_int_equal(a->n_tops, b->n_tops);
        assert_memory_equal(a->bottoms, b->bottoms, (size_t)a->n_bottoms * sizeof(int));
        assert_memory_equal(a->tops, b->tops, (size_t)a->n_tops * sizeof(int));
        assert_int_equal(a->n_params, b->n_params);
        for (int p = 0; p < a->n_params; p++)
            assert_true(a->params[p].lr_mult == b->params[p].lr_mult &&
                        a->params[p].decay_mult == b->params[p].decay_mult);
    }
    const rs_convolution_param *c = &v1->layers[1].convolution;
    assert_int_equal(c->stride_h, 2);
    assert_int_equal(c->pad_w, 1);
    assert_int_equal(c->weight_filler.type, RS_FILL_GAUSSIAN);
    assert_true(c->weight_filler.std == 0.01F && v1->layers[1].params[1].lr_mult == 2 &&
                v1->layers[1].params[1].decay_mult == 0);
    assert_true(v1->layers[2].relu_slope == 0.5F && v1->layers[4].dropout_ratio == 0.25F);
    assert_int_equal(v1->layers[3].pooling.method, RS_POOL_AVERAGE);
    rs_net_free(v1);
    rs_net_free(v2);
}

static void check_rules(void **state)
{
    (void)state;
#define RULED(name, rules) "layer { name: '" name "' type: 'ReLU' bottom: 'data' top: '" name "' " rules " }\n"
    static const char text[] =
        "state { level: 2 stage: 'deploy' stage: 'extra' }\n"
        "layer { name: 'input' type: 'Input' top: 'data' input_param { shape { dim: 1 } } }\n" RULED("always", "")
            RULED("test", "include { phase: TEST }") RULED("train", "include { phase: TRAIN }")
                RULED("nottrain", "exclude { phase: TRAIN }")
                    RULED("either", "include { phase: TRAIN } include { stage: 'deploy' }")
                        RULED("both", "include { stage: 'deploy' stage: 'extra' }")
                            RULED("absent", "include { stage: 'deploy' stage: 'other' }")
                                RULED("without", "include { not_stage: 'extra' }")
                                    RULED("level", "include { min_level: 1 max_level: 2 }")
                                        RULED("high", "include { min_level: 3 }")
                                            RULED("low", "exclude { max_level: 1 }");
    const struct {
        rs_phase phase;
        const char *names;
    } expected[] = { { RS_TEST, "input always test nottrain either both level low " },
                     { RS_TRAIN, "input always train either both level low " } };
    for (int i = 0; i < 2; i++) {
        rs_net *net = read_text(text, expected[i].phase, 0);
        char *names = rs_strdup("");
        for (int k = 0; k < net->n_layers; k++) {
            char *more = rs_format("%s%s ", names, net->layers[k].name);
            rs_free(names);
            names = more;
        }
        assert_string_equal(names, expected[i].names);
        rs_free(names);
        rs_net_free(net);
    }
}

static void check_data_layers(void **state)
{
    (void)state;
    rs_net *net = read_text(
        "layer { name: 'a' type: 'Data' top: 'a' top: 'al' data_param { source: 'some/lmdb' batch_size: 10 backend: "
        "LMDB }\n"
        "  transform_param { scale: 0.5 mirror: true crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123 } "
        "}\n"
        "layer { name: 'b' type: 'ImageData' top: 'b' image_data_param { source: 'list.txt' batch_size: 3 scale: 2 "
        "crop_size: 4 } }\n"
        "layer { name: 'c' type: 'MemoryData' top: 'c' top: 'cl' memory_data_param { batch_size: 2 channels: 3 height: "
        "4 width: 5 } }\n"
        "layer { name: 'e' type: 'Input' top: 'e' top: 'f' input_param { shape { dim: 2 dim: 9 } } }\n",
        RS_TEST, 0);
    const rs_data_param *d = &net->layers[0].data;
    assert_string_equal(d->source, "some/lmdb");
    assert_int_equal(d->batch_size, 10);
    assert_true(d->scale == 0.5F && d->mirror && d->crop_size == 227);
    assert_int_equal(d->n_mean, 3);
    assert_true(d->mean[0] == 104 && d->mean[2] == 123);
    d = &net->layers[1].data;
    assert_string_equal(d->source, "list.txt");
    assert_true(d->batch_size == 3 && d->scale == 2 && d->crop_size == 4 && !d->mirror);
    char shape[64];
    assert_string_equal(rs_shape_text(&net->blobs[rs_net_blob(net, "c")].shape, shape, sizeof shape), "2x3x4x5");
    assert_string_equal(rs_shape_text(&net->blobs[rs_net_blob(net, "f")].shape, shape, sizeof shape), "2x9");
    assert_true(net->layers[3].data.source == NULL && net->layers[3].data.scale == 1);
    rs_net_free(net);

    net = read_text("layers { name: 'a' type: DATA top: 'a' top: 'l' data_param { source: 's' batch_size: 8 scale: "
                    "0.25 mirror: true } }\n"
                    "layers { name: 'r' type: RELU bottom: 'a' top: 'a' }\n",
                    RS_TRAIN, 0);
    assert_true(net->layers[0].data.scale == 0.25F && net->layers[0].data.mirror);
    rs_net_free(net);
}

static void check_quantized(void **state)
{
    (void)state;
    rs_net *net = read_text(
        "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 8, 8] } } }\n"
        "layer { name: 'c' type: 'ConvolutionRistretto' bottom: 'data' top: 'c' convolution_param { num_output: 4 "
        "kernel_size: 3 }\n"
        "  quantization_param { bw_layer_in: 8 bw_layer_out: 7 bw_params: 4 fl_layer_in: -1 fl_layer_out: 3 fl_params: "
        "9 } }\n"
        "layer { name: 'f' type: 'FcRistretto' bottom: 'c' top: 'f' inner_product_param { num_output: 4 }\n"
        "  quantization_param { precision: DYNAMIC_FIXED_POINT } }\n"
        "layer { name: 'g' type: 'InnerProduct' bottom: 'f' top: 'g' inner_product_param { num_output: 4 } }\n",
        RS_TEST, 0);
    const rs_quantization_param *q = &net->layers[1].quantization;
    assert_int_equal(net->layers[1].type, RS_LAYER_CONVOLUTION);
    assert_true(q->present && q->bw_layer_in == 8 && q->bw_layer_out == 7 && q->bw_params == 4);
    assert_true(q->fl_layer_in == -1 && q->fl_layer_out == 3 && q->fl_params == 9);
    q = &net->layers[2].quantization;
    assert_int_equal(net->layers[2].type, RS_LAYER_INNER_PRODUCT);
    assert_true(q->present && q->bw_layer_in == 0 && q->bw_params == 0); /* float */
    assert_false(net->layers[3].quantization.present);
    rs_net_free(net);
}

static void check_warnings(void **state)
{
    (void)state;
    rs_net *net = read_text(
        "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 1 } } phase: TRAIN }\n"
        "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' pooling_param { } lrn_param { } }\n",
        RS_TEST, 3);
    rs_net_free(net);
}

static void check_solver(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const char *net = rs_test_path("the-net.prototxt"), *path = rs_test_path("my.solver.prototxt");
    rs_test_write(net, "", 0);
    static const char text[] =
        "train_net: 'the-net.prototxt' solver_type: ADAM base_lr: 1e-3 lr_policy: 'multistep' gamma: 0.1\n"
        "stepvalue: [10, 20, 30] max_iter: 40 iter_size: 2 regularization_type: 'L1' random_seed: 5\n"
        "momentum: 0.9 momentum2: 0.99 delta: 1e-8 clip_gradients: 35 snapshot_after_train: false\n"
        "test_initialization: false snapshot: 7 display: 3 average_loss: 4\n";
    rs_test_write(path, text, sizeof text - 1);
    rs_solver_param *s = NULL;
    rs_assert_ok(rs_caffe_read_solver(path, &s, diag), diag);
    assert_string_equal(s->path, path);
    assert_string_equal(s->net_path, net);
    assert_string_equal(s->type, "Adam");
    assert_int_equal(s->policy, RS_LR_MULTISTEP);
    assert_int_equal(s->n_step_values, 3);
    assert_true(s->step_values[0] == 10 && s->step_values[2] == 30);
    assert_true(s->l1_regularization && !s->snapshot_after_train && !s->test_initialization);
    assert_true(s->iter_size == 2 && s->random_seed == 5 && s->snapshot == 7 && s->display == 3 &&
                s->average_loss == 4);
    assert_true(s->momentum2 == (double)0.99F && s->delta == (double)1e-8F && s->clip_gradients == 35);
    assert_string_equal(s->snapshot_prefix, "my.solver");
    rs_solver_param_free(s);

    for (uint64_t n = 1;; n++) { /* every allocation fails once */
        rs_fault_arm(RS_FAULT_ALLOC, n);
        const rs_status st = rs_caffe_read_solver(path, &s, NULL);
        const bool struck = rs_fault_count(RS_FAULT_ALLOC) >= n;
        rs_fault_arm(RS_FAULT_ALLOC, 0);
        assert_int_equal(st, struck ? RS_RESOURCE : RS_OK);
        assert_true((st == RS_OK) == (s != NULL));
        rs_solver_param_free(s);
        if (!struck)
            break;
    }
    rs_diag_free(diag);
}

/* The published nets and their published numbers of parameters. */
static void check_published(void **state)
{
    (void)state;
    const char *shared = rs_test_shared_data();
    if (shared == NULL)
        skip();
    static const struct {
        const char *file, *scores;
        int64_t parameters;
    } nets[] = { { "squeezenet/squeezenet_v1.1.deploy.prototxt", "pool10", 1235496 },
                 { "googlenet/bvlc_googlenet.deploy.prototxt", "loss3/classifier", 6998552 } };
    for (int i = 0; i < 2; i++) {
        rs_diag *diag = rs_diag_new();
        char *path = rs_path_join(shared, nets[i].file);
        rs_net *net = NULL;
        rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
        rs_assert_ok(rs_net_infer_shapes(net, NULL, diag), diag);
        int64_t parameters = 0;
        for (int l = 0; l < net->n_layers; l++)
            for (int p = 0; p < net->layers[l].n_params; p++)
                parameters += rs_shape_count(&net->layers[l].params[p].shape, 0);
        assert_int_equal(parameters, nets[i].parameters);
        assert_string_equal(net->blobs[rs_net_scores(net)].name, nets[i].scores);
        assert_int_equal(rs_shape_count(&net->blobs[rs_net_scores(net)].shape, 1), 1000);
        rs_net_free(net);
        rs_free(path);
        rs_diag_free(diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_zoo),         cmocka_unit_test(check_v1),        cmocka_unit_test(check_rules),
        cmocka_unit_test(check_data_layers), cmocka_unit_test(check_quantized), cmocka_unit_test(check_warnings),
        cmocka_unit_test(check_solver),      cmocka_unit_test(check_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
