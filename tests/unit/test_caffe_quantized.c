/* Quantized net descriptions: the source with Ristretto's types and quantization_param, everything else as it was. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/faults.h"
#include "base/memory.h"
#include "import/caffe/caffe.h"

static const char source_text[] = "# a comment that stays\n"
                                  "name: \"net\"\n"
                                  "layer {\n"
                                  "  name: \"data\"\n"
                                  "  type: \"Input\"\n"
                                  "  top: \"data\"\n"
                                  "  input_param { shape { dim: [1, 2, 6, 6] } }\n"
                                  "}\n"
                                  "layer {\n"
                                  "\tname: \"conv\" # behind the name\n"
                                  "\ttype: \"Convolution\"\n"
                                  "\tbottom: \"data\" top: \"conv\"\n"
                                  "\tconvolution_param { num_output: 3 kernel_size: 3 } # last } of many\n"
                                  "}\n"
                                  "layer { name: \"keep\" type: \"InnerProduct\" bottom: \"conv\" top: \"keep\"\n"
                                  "  inner_product_param { num_output: 4 } }\n"
                                  "layer { name: \"ip\" type : 'InnerProduct' bottom: \"conv\" top: \"ip\" "
                                  "inner_product_param { num_output: 4 } }\n"
                                  "layer < name: \"again\" type: \"FcRistretto\" bottom: \"ip\" top: \"again\"\n"
                                  "  quantization_param { bw_params: 3\n"
                                  "    fl_params: 1 } inner_product_param { num_output: 4 }>\n";

static const char expected_text[] =
    "# ristretto: quantization { rounding: \"nearest\" bias_format: \"weights\" }\n"
    "# a comment that stays\n"
    "name: \"net\"\n"
    "layer {\n"
    "  name: \"data\"\n"
    "  type: \"Input\"\n"
    "  top: \"data\"\n"
    "  input_param { shape { dim: [1, 2, 6, 6] } }\n"
    "}\n"
    "layer {\n"
    "\tname: \"conv\" # behind the name\n"
    "\ttype: \"ConvolutionRistretto\"\n"
    "\tbottom: \"data\" top: \"conv\"\n"
    "\tconvolution_param { num_output: 3 kernel_size: 3 } # last } of many\n"
    "\tquantization_param {\n"
    "\t  precision: DYNAMIC_FIXED_POINT\n"
    "\t  bw_layer_in: 8\n"
    "\t  bw_layer_out: 7\n"
    "\t  bw_params: 4\n"
    "\t  fl_layer_in: -1\n"
    "\t  fl_layer_out: 3\n"
    "\t  fl_params: 9\n"
    "\t}\n"
    "}\n"
    "layer { name: \"keep\" type: \"InnerProduct\" bottom: \"conv\" top: \"keep\"\n"
    "  inner_product_param { num_output: 4 } }\n"
    "layer { name: \"ip\" type: \"FcRistretto\" bottom: \"conv\" top: \"ip\" "
    "inner_product_param { num_output: 4 } quantization_param { precision: "
    "DYNAMIC_FIXED_POINT bw_layer_in: 8 bw_layer_out: 7 bw_params: 4 fl_layer_in: -1 "
    "fl_layer_out: 3 fl_params: 9 } }\n"
    "layer < name: \"again\" type: \"FcRistretto\" bottom: \"ip\" top: \"again\"\n"
    "  quantization_param { precision: DYNAMIC_FIXED_POINT bw_layer_in: 8 bw_layer_out: "
    "7 bw_params: 4 fl_layer_in: -1 fl_layer_out: 3 fl_params: 9 } "
    "inner_product_param { num_output: 4 }>\n";

static const rs_quantization_param format = { .present = true,
                                              .bw_layer_in = 8,
                                              .bw_layer_out = 7,
                                              .bw_params = 4,
                                              .fl_layer_in = -1,
                                              .fl_layer_out = 3,
                                              .fl_params = 9 };

static rs_net *read_net(const char *path)
{
    rs_diag *diag = rs_diag_new();
    rs_net *net = NULL;
    rs_assert_ok(rs_caffe_read_net(path, RS_TEST, &net, diag), diag);
    rs_diag_free(diag);
    return net;
}

static void check_text(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const char *source = rs_test_path("source.prototxt"), *path = rs_test_path("quantized.prototxt");
    rs_test_write(source, source_text, strlen(source_text));
    rs_net *net = read_net(source);
    static const char *const quantized[] = { "conv", "ip", "again" };
    for (int i = 0; i < 3; i++)
        net->layers[rs_net_layer(net, quantized[i])].quantization = format;
    rs_assert_ok(rs_caffe_write_quantized(source, net, path, diag), diag);
    char *text = rs_test_read(path, NULL);
    assert_string_equal(text, expected_text);
    free(text);

    /* Read again, it says what was written; written again, it is the same. */
    rs_net *back = read_net(path);
    for (int i = 0; i < back->n_layers; i++) {
        const rs_layer *a = &net->layers[i], *b = &back->layers[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->quantization.present, b->quantization.present);
        if (b->quantization.present)
            assert_memory_equal(&b->quantization, &format, sizeof format);
    }
    const char *second = rs_test_path("second.prototxt");
    rs_assert_ok(rs_caffe_write_quantized(path, back, second, diag), diag);
    text = rs_test_read(second, NULL);
    char *expected = rs_test_read(path, NULL);
    assert_string_equal(text, expected);
    free(text);
    free(expected);

    /* A net of another file; a source with errors; a disk that is full. */
    rs_free(net->layers[1].name);
    net->layers[1].name = rs_strdup("other");
    rs_assert_error(rs_caffe_write_quantized(source, net, path, diag), RS_BAD_INPUT, diag,
                    "no layer 'other' to be quantized");
    rs_test_write(source, "layer { nmae: 'x' }", 19);
    rs_assert_error(rs_caffe_write_quantized(source, net, path, diag), RS_BAD_INPUT, diag,
                    "unknown field 'nmae' in a layer");
    rs_assert_error(rs_caffe_write_quantized(rs_test_path("none"), net, path, diag), RS_BAD_INPUT, diag, "cannot open");
    rs_fault_arm(RS_FAULT_WRITE, 1);
    assert_int_equal(rs_caffe_write_quantized(path, back, path, NULL), RS_RESOURCE);
    rs_fault_arm(RS_FAULT_WRITE, 0);
    rs_net_free(read_net(path));
    rs_net_free(net);
    rs_net_free(back);
    rs_diag_free(diag);
}

/* Both phases of a layer are quantized, and both nets read it. */
static void check_zoo(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    const char *source = "model/zoo/lenet/lenet_train_test.prototxt", *path = rs_test_path("lenet.prototxt");
    rs_net *net = read_net(source);
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].n_params > 0) {
            net->layers[i].quantization = format;
            net->layers[i].quantization.fl_params = i;
        }
    rs_assert_ok(rs_caffe_write_quantized(source, net, path, diag), diag);
    int compared = 0;
    for (int phase = 0; phase < 2; phase++) {
        rs_net *back = NULL;
        rs_assert_ok(rs_caffe_read_net(path, (rs_phase)phase, &back, diag), diag);
        for (int i = 0; i < net->n_layers; i++) {
            const int k = rs_net_layer(back, net->layers[i].name);
            if (k < 0 || net->layers[i].n_params == 0)
                continue;
            assert_memory_equal(&back->layers[k].quantization, &net->layers[i].quantization, sizeof format);
            compared++;
        }
        rs_net_free(back);
    }
    assert_int_equal(compared, 8);
    rs_net_free(net);
    rs_diag_free(diag);
}

/* quantization_param exists in the present form only: an older file is brought into it. */
static void check_v1(void **state)
{
    (void)state;
    rs_diag *diag = rs_diag_new();
    static const char text[] =
        "input: 'data' input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n"
        "layers { name: 'conv' type: CONVOLUTION bottom: 'data' top: 'conv' blobs_lr: 1 blobs_lr: 2\n"
        "  weight_decay: 1 weight_decay: 0 convolution_param { num_output: 4 kernel_size: 3 } }\n"
        "layers { name: 'relu' type: RELU bottom: 'conv' top: 'conv' }\n";
    const char *source = rs_test_path("v1.prototxt"), *path = rs_test_path("v1q.prototxt");
    rs_test_write(source, text, sizeof text - 1);
    rs_net *net = read_net(source);
    net->layers[1].quantization = format;
    rs_assert_ok(rs_caffe_write_quantized(source, net, path, diag), diag);
    rs_net *back = read_net(path);
    assert_int_equal(back->n_layers, 3);
    assert_memory_equal(&back->layers[1].quantization, &format, sizeof format);
    assert_true(back->layers[1].params[1].lr_mult == 2 && back->layers[1].params[1].decay_mult == 0);
    assert_int_equal(back->layers[2].type, RS_LAYER_RELU);
    rs_net_free(back);
    rs_net_free(net);
    rs_diag_free(diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_text),
        cmocka_unit_test(check_zoo),
        cmocka_unit_test(check_v1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
