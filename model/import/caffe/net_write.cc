// rs_net -> prototxt.
#include <google/protobuf/text_format.h>

#include <cstdio>
#include <new>
#include <string>

#include "base/file.h"
#include "import/caffe/caffe.h"
#include "import/caffe/caffe.pb.h"
#include "import/caffe/text.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

void filler(const rs_filler &from, caffe::FillerParameter *to)
{
    switch (from.type) {
    case RS_FILL_CONSTANT:
        to->set_type("constant");
        if (from.value < 0 || from.value > 0)
            to->set_value(from.value);
        return;
    case RS_FILL_UNIFORM:
        to->set_type("uniform");
        to->set_min(from.min);
        to->set_max(from.max);
        return;
    case RS_FILL_GAUSSIAN:
        to->set_type("gaussian");
        to->set_mean(from.mean);
        to->set_std(from.std);
        return;
    case RS_FILL_XAVIER:
        to->set_type("xavier");
        break;
    case RS_FILL_MSRA:
        to->set_type("msra");
        break;
    default:
        to->set_type("bilinear");
        return;
    }
    if (from.variance_norm != RS_NORM_FAN_IN)
        to->set_variance_norm(from.variance_norm == RS_NORM_FAN_OUT ? caffe::FillerParameter::FAN_OUT
                                                                    : caffe::FillerParameter::AVERAGE);
}
bool plain(const rs_filler &f)
{
    return f.type == RS_FILL_CONSTANT && !(f.value < 0) && !(f.value > 0);
}

uint32_t u32(int64_t v)
{
    return static_cast<uint32_t>(v);
}

void convolution(const rs_convolution_param &c, caffe::ConvolutionParameter *p)
{
    p->set_num_output(u32(c.out_channels));
    if (!c.bias)
        p->set_bias_term(false);
    if (c.pad_h == c.pad_w) {
        if (c.pad_h != 0)
            p->add_pad(u32(c.pad_h));
    } else {
        p->set_pad_h(u32(c.pad_h));
        p->set_pad_w(u32(c.pad_w));
    }
    if (c.kernel_h == c.kernel_w) {
        p->add_kernel_size(u32(c.kernel_h));
    } else {
        p->set_kernel_h(u32(c.kernel_h));
        p->set_kernel_w(u32(c.kernel_w));
    }
    if (c.stride_h == c.stride_w) {
        if (c.stride_h != 1)
            p->add_stride(u32(c.stride_h));
    } else {
        p->set_stride_h(u32(c.stride_h));
        p->set_stride_w(u32(c.stride_w));
    }
    if (c.dilation_h != 1 || c.dilation_w != 1)
        p->add_dilation(u32(c.dilation_h));
    if (c.dilation_h != c.dilation_w)
        p->add_dilation(u32(c.dilation_w));
    if (c.groups != 1)
        p->set_group(u32(c.groups));
    if (!plain(c.weight_filler))
        filler(c.weight_filler, p->mutable_weight_filler());
    if (!plain(c.bias_filler))
        filler(c.bias_filler, p->mutable_bias_filler());
}

void pooling(const rs_pooling_param &r, caffe::PoolingParameter *p)
{
    p->set_pool(r.method == RS_POOL_AVERAGE ? caffe::PoolingParameter::AVE : caffe::PoolingParameter::MAX);
    if (r.global) {
        p->set_global_pooling(true);
        return;
    }
    if (r.kernel_h == r.kernel_w) {
        p->set_kernel_size(u32(r.kernel_h));
    } else {
        p->set_kernel_h(u32(r.kernel_h));
        p->set_kernel_w(u32(r.kernel_w));
    }
    if (r.stride_h == r.stride_w) {
        if (r.stride_h != 1)
            p->set_stride(u32(r.stride_h));
    } else {
        p->set_stride_h(u32(r.stride_h));
        p->set_stride_w(u32(r.stride_w));
    }
    if (r.pad_h == r.pad_w) {
        if (r.pad_h != 0)
            p->set_pad(u32(r.pad_h));
    } else {
        p->set_pad_h(u32(r.pad_h));
        p->set_pad_w(u32(r.pad_w));
    }
    if (r.floor)
        p->set_round_mode(caffe::PoolingParameter::FLOOR);
    if (r.exclude_padding)
        p->set_exclude_padding(true);
}

void scale(const rs_layer &l, caffe::LayerParameter *to)
{
    if (l.type == RS_LAYER_BIAS) {
        caffe::BiasParameter *p = to->mutable_bias_param();
        p->set_axis(static_cast<int>(l.scale.axis));
        p->set_num_axes(static_cast<int>(l.scale.num_axes));
        if (!plain(l.scale.filler))
            filler(l.scale.filler, p->mutable_filler());
        return;
    }
    caffe::ScaleParameter *p = to->mutable_scale_param();
    p->set_axis(static_cast<int>(l.scale.axis));
    p->set_num_axes(static_cast<int>(l.scale.num_axes));
    p->set_bias_term(l.scale.bias);
    filler(l.scale.filler, p->mutable_filler());
    if (!plain(l.scale.bias_filler))
        filler(l.scale.bias_filler, p->mutable_bias_filler());
}

void shape(const rs_shape &from, caffe::BlobShape *to)
{
    for (int i = 0; i < from.n_axes; i++)
        to->add_dim(from.dim[i]);
}

// The parameters of a layer. An empty text, or why prototxt cannot say it.
std::string fields(const rs_net &net, const rs_layer &l, caffe::LayerParameter *to)
{
    switch (l.type) {
    case RS_LAYER_INPUT:
        for (int t = 0; t < to->top_size(); t++)
            shape(net.blobs[l.tops[t]].shape, to->mutable_input_param()->add_shape());
        break;
    case RS_LAYER_CONVOLUTION:
    case RS_LAYER_DECONVOLUTION:
        convolution(l.convolution, to->mutable_convolution_param());
        break;
    case RS_LAYER_INNER_PRODUCT: {
        caffe::InnerProductParameter *p = to->mutable_inner_product_param();
        p->set_num_output(u32(l.inner_product.outputs));
        if (!l.inner_product.bias)
            p->set_bias_term(false);
        if (!plain(l.inner_product.weight_filler))
            filler(l.inner_product.weight_filler, p->mutable_weight_filler());
        if (!plain(l.inner_product.bias_filler))
            filler(l.inner_product.bias_filler, p->mutable_bias_filler());
        break;
    }
    case RS_LAYER_POOLING:
        pooling(l.pooling, to->mutable_pooling_param());
        break;
    case RS_LAYER_RELU:
        if (l.relu_slope < 0 || l.relu_slope > 0)
            to->mutable_relu_param()->set_negative_slope(l.relu_slope);
        break;
    case RS_LAYER_ELU:
        to->mutable_elu_param()->set_alpha(l.elu_alpha);
        break;
    case RS_LAYER_CLIP:
        to->mutable_clip_param()->set_min(l.clip[0]);
        to->mutable_clip_param()->set_max(l.clip[1]);
        break;
    case RS_LAYER_QUANTIZE_LINEAR: {
        caffe::QuantizeLinearParameter *p = to->mutable_quantize_linear_param();
        p->set_scale(l.quantize_linear.scale);
        p->set_zero_point(l.quantize_linear.zero);
        p->set_min(l.quantize_linear.least);
        p->set_max(l.quantize_linear.most);
        break;
    }
    case RS_LAYER_PRELU:
        if (l.prelu.shared)
            to->mutable_prelu_param()->set_channel_shared(true);
        filler(l.prelu.filler, to->mutable_prelu_param()->mutable_filler());
        break;
    case RS_LAYER_LRN: {
        caffe::LRNParameter *p = to->mutable_lrn_param();
        p->set_local_size(u32(l.lrn.size));
        p->set_alpha(l.lrn.alpha);
        p->set_beta(l.lrn.beta);
        if (l.lrn.across)
            p->set_k(l.lrn.k);
        else
            p->set_norm_region(caffe::LRNParameter::WITHIN_CHANNEL);
        break;
    }
    case RS_LAYER_BATCH_NORM: {
        caffe::BatchNormParameter *p = to->mutable_batch_norm_param();
        p->set_use_global_stats(l.batch_norm.global_stats);
        p->set_moving_average_fraction(l.batch_norm.fraction);
        p->set_eps(l.batch_norm.eps);
        break;
    }
    case RS_LAYER_SCALE:
    case RS_LAYER_BIAS:
        scale(l, to);
        break;
    case RS_LAYER_CONCAT:
        to->mutable_concat_param()->set_axis(static_cast<int>(l.concat.axis));
        break;
    case RS_LAYER_SLICE:
        to->mutable_slice_param()->set_axis(static_cast<int>(l.slice.axis));
        for (int i = 0; i < l.slice.n_points; i++)
            to->mutable_slice_param()->add_slice_point(u32(l.slice.points[i]));
        break;
    case RS_LAYER_ELTWISE: {
        caffe::EltwiseParameter *p = to->mutable_eltwise_param();
        p->set_operation(l.eltwise.method == RS_ELTWISE_PRODUCT ? caffe::EltwiseParameter::PROD
                         : l.eltwise.method == RS_ELTWISE_MAX   ? caffe::EltwiseParameter::MAX
                                                                : caffe::EltwiseParameter::SUM);
        for (int i = 0; i < l.n_bottoms && l.eltwise.coefficients != nullptr; i++)
            p->add_coeff(l.eltwise.coefficients[i]);
        break;
    }
    case RS_LAYER_FLATTEN:
        to->mutable_flatten_param()->set_axis(static_cast<int>(l.flatten.axis));
        to->mutable_flatten_param()->set_end_axis(static_cast<int>(l.flatten.end_axis));
        break;
    case RS_LAYER_RESHAPE:
        to->mutable_reshape_param()->set_axis(static_cast<int>(l.reshape.axis));
        to->mutable_reshape_param()->set_num_axes(static_cast<int>(l.reshape.num_axes));
        shape(l.reshape.shape, to->mutable_reshape_param()->mutable_shape());
        break;
    case RS_LAYER_DROPOUT:
        to->mutable_dropout_param()->set_dropout_ratio(l.dropout_ratio);
        break;
    case RS_LAYER_SIGMOID:
    case RS_LAYER_TANH:
    case RS_LAYER_SPLIT:
    case RS_LAYER_SOFTMAX:
        break;
    default:
        return "it cannot be written";
    }
    return "";
}

rs_status write_net(const rs_net *net, const char *path, rs_diag *diag)
{
    caffe::NetParameter file;
    if (net->name[0] != '\0')
        file.set_name(net->name);
    rs_status status = RS_OK;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer &l = net->layers[i];
        const rs_layer_rule *rule = rs_layer_rule_of(l.type);
        if (rule->scalar)
            continue; // needs labels
        caffe::LayerParameter *to = file.add_layer();
        to->set_name(l.name);
        to->set_type(rule->name);
        for (int b = 0; b < l.n_bottoms; b++)
            to->add_bottom(net->blobs[l.bottoms[b]].name);
        const bool data = l.type == RS_LAYER_INPUT && l.data.batch_size > 0;
        for (int t = 0; t < (data && l.n_tops > 1 ? 1 : l.n_tops); t++)
            to->add_top(net->blobs[l.tops[t]].name);
        bool specs = false;
        for (int p = 0; p < l.n_params; p++)
            specs = specs || l.params[p].name != nullptr ||
                    (l.type != RS_LAYER_BATCH_NORM && (l.params[p].lr_mult < 1 || l.params[p].lr_mult > 1 ||
                                                       l.params[p].decay_mult < 1 || l.params[p].decay_mult > 1));
        for (int p = 0; p < l.n_params && specs; p++) {
            caffe::ParamSpec *spec = to->add_param();
            if (l.params[p].name != nullptr)
                spec->set_name(l.params[p].name);
            if (l.params[p].permissive)
                spec->set_share_mode(caffe::ParamSpec::PERMISSIVE);
            spec->set_lr_mult(l.params[p].lr_mult);
            spec->set_decay_mult(l.params[p].decay_mult);
        }
        const std::string wrong = fields(*net, l, to);
        if (!wrong.empty())
            status = bad(diag, l.loc, "", "layer " + quoted(l.name) + " (" + rule->name + "): " + wrong);
    }
    if (status != RS_OK)
        return status;
    std::string text;
    google::protobuf::TextFormat::Printer printer;
    printer.SetUseShortRepeatedPrimitives(false);
    if (!printer.PrintToString(file, &text))
        throw std::bad_alloc();
    rs_output *out = nullptr;
    status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    std::fwrite(text.data(), 1, text.size(), rs_output_stream(out));
    return rs_output_commit(out, diag);
}

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_write_net(const rs_net *net, const char *path, rs_diag *diag)
{
    try {
        return ristretto::write_net(net, path, diag);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}
