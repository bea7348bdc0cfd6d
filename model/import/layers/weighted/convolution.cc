// Convolution and Deconvolution.
#include <algorithm>
#include <cstdlib>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ConvolutionParameter &c = r.param().convolution_param();
    const Node node = r.node().in("convolution_param");
    rs_convolution_param *to = &out->convolution;
    if (!c.has_num_output())
        r.bad(node.loc(), "", r.name() + " has no num_output");
    to->out_channels = c.has_num_output() ? r.within(c.num_output(), 1, max_size, node, "num_output") : 1;
    to->groups = r.within(c.group(), 1, max_size, node, "group");
    if (r.param().type() == "ConvolutionDepthwise") // one output of each channel, whatever `group` says
        to->groups = to->out_channels;
    if (to->out_channels % to->groups != 0)
        r.bad(node.at("group"), "",
              r.name() + ": num_output " + std::to_string(to->out_channels) + " cannot be divided into " +
                  std::to_string(to->groups) + " groups");
    r.pair(node, { "kernel_size", c.kernel_size(), c.has_kernel_h(), c.kernel_h(), c.has_kernel_w(), c.kernel_w() }, 1,
           -1, &to->kernel_h, &to->kernel_w);
    r.pair(node, { "stride", c.stride(), c.has_stride_h(), c.stride_h(), c.has_stride_w(), c.stride_w() }, 1, 1,
           &to->stride_h, &to->stride_w);
    r.pair(node, { "pad", c.pad(), c.has_pad_h(), c.pad_h(), c.has_pad_w(), c.pad_w() }, 0, 0, &to->pad_h, &to->pad_w);
    r.pair(node, { "dilation", c.dilation(), false, 0, false, 0 }, 1, 1, &to->dilation_h, &to->dilation_w);
    r.axis_is_channels(c.axis(), node);
    to->bias = c.bias_term();
    out->n_params = to->bias ? 2 : 1;
    to->weight_filler = r.filler(c.weight_filler(), node.in("weight_filler"));
    to->bias_filler = r.filler(c.bias_filler(), node.in("bias_filler"));
    if (to->weight_filler.type == RS_FILL_BILINEAR && to->kernel_h != to->kernel_w)
        r.bad(node.in("weight_filler").at("type"), "", r.name() + ": filler 'bilinear' needs a square kernel");
    if (to->bias_filler.type == RS_FILL_BILINEAR)
        r.bad(node.in("bias_filler").at("type"), "", r.name() + ": filler 'bilinear' cannot fill a bias");
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    const rs_convolution_param &c = layer.convolution;
    caffe::ConvolutionParameter *p = to->mutable_convolution_param();
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
    if (!is_zero(c.weight_filler))
        write_filler(c.weight_filler, p->mutable_weight_filler());
    if (!is_zero(c.bias_filler))
        write_filler(c.bias_filler, p->mutable_bias_filler());
}

// Where padding before and after differ, the kernel gets zeros on the other side: the same sums.
std::vector<float> widen(OnnxReader &r, const Tensor &weights, Window *w)
{
    int64_t lead[2], size[2];
    for (std::size_t a = 0; a < 2; a++) {
        const int64_t difference = w->after[a] - w->before[a], rows = std::abs(difference) / w->dilation[a];
        if (difference % w->dilation[a] != 0)
            r.refuse("pads of " + std::to_string(w->before[a]) + " and " + std::to_string(w->after[a]) +
                     " with dilation " + std::to_string(w->dilation[a]) + " are not supported");
        if (rows > w->kernel[a] + 2)
            r.refuse("pads of " + std::to_string(w->before[a]) + " and " + std::to_string(w->after[a]) +
                     " differ by more than the kernel's size, which is not supported");
        lead[a] = difference > 0 ? rows : 0;
        size[a] = w->kernel[a] + rows;
        w->before[a] = w->after[a] = std::max(w->before[a], w->after[a]);
    }
    if (size[0] == w->kernel[0] && size[1] == w->kernel[1])
        return r.floats(weights, "W");
    const std::vector<float> from = r.floats(weights, "W");
    const std::size_t kh = static_cast<std::size_t>(w->kernel[0]), kw = static_cast<std::size_t>(w->kernel[1]);
    const std::size_t planes = kh * kw == 0 ? 0 : from.size() / (kh * kw);
    const std::size_t h = static_cast<std::size_t>(size[0]), wide = static_cast<std::size_t>(size[1]);
    const std::size_t top = static_cast<std::size_t>(lead[0]), left = static_cast<std::size_t>(lead[1]);
    std::vector<float> to(planes * h * wide, 0.0F);
    for (std::size_t p = 0; p < planes; p++)
        for (std::size_t y = 0; y < kh; y++)
            for (std::size_t x = 0; x < kw; x++)
                to[(p * h + y + top) * wide + x + left] = from[(p * kh + y) * kw + x];
    w->kernel[0] = size[0];
    w->kernel[1] = size[1];
    return to;
}

void set_window(const Window &w, rs_convolution_param *c)
{
    c->kernel_h = w.kernel[0];
    c->kernel_w = w.kernel[1];
    c->stride_h = w.stride[0];
    c->stride_w = w.stride[1];
    c->dilation_h = w.dilation[0];
    c->dilation_w = w.dilation[1];
    c->pad_h = w.before[0];
    c->pad_w = w.before[1];
}

void read_conv(OnnxReader &r)
{
    const TensorPtr weights = r.constant(1, "W");
    const int in = r.padded_blob(0);
    const rs_shape shape = r.image(in);
    if (weights->dims.size() != 4 || count_of(weights->dims) < 1)
        r.refuse("its weights are " + weights->shape_text() + ", expected 4 axes (only images are supported)");
    const int64_t groups = r.within(r.integer("group", 1), 1, "group");
    if (weights->dims[0] % groups != 0 || weights->dims[1] > max_size || shape.dim[1] != weights->dims[1] * groups)
        r.refuse("weights of " + weights->shape_text() + " in " + std::to_string(groups) +
                 " groups do not fit an input of " + shape_text(shape));
    const int64_t kernel[2] = { weights->dims[2], weights->dims[3] };
    Window w = r.window(shape, kernel, r.value(0));
    const std::vector<float> values = widen(r, *weights, &w);
    std::vector<float> bias;
    if (r.has_input(2))
        bias = r.vector(2, "B", weights->dims[0]);
    rs_layer &l = r.layer(RS_LAYER_CONVOLUTION, { in });
    rs_convolution_param *c = &l.convolution;
    c->out_channels = weights->dims[0];
    c->groups = groups;
    c->bias = r.has_input(2);
    set_window(w, c);
    r.finish();
    r.set_param(0, values);
    if (r.has_input(2))
        r.set_param(1, bias);
}

void read_conv_transpose(OnnxReader &r)
{
    const TensorPtr weights = r.constant(1, "W");
    const int in = r.blob(0);
    const rs_shape shape = r.image(in);
    if (weights->dims.size() != 4 || count_of(weights->dims) < 1)
        r.refuse("its weights are " + weights->shape_text() + ", expected 4 axes (only images are supported)");
    const int64_t groups = r.within(r.integer("group", 1), 1, "group");
    if (shape.dim[1] != weights->dims[0] || shape.dim[1] % groups != 0)
        r.refuse("weights of " + weights->shape_text() + " do not fit an input of " + shape_text(shape));
    if (r.any_not_zero("output_padding"))
        r.refuse("output_padding is not supported");
    if (r.word("auto_pad", "NOTSET") != "NOTSET")
        r.refuse("auto_pad is not supported");
    const int64_t kernel[2] = { weights->dims[2], weights->dims[3] };
    const Window w = r.window(shape, kernel, r.value(0));
    if (w.before[0] != w.after[0] || w.before[1] != w.after[1])
        r.refuse("pads that differ before and after are not supported");
    std::vector<float> bias;
    if (r.has_input(2))
        bias = r.vector(2, "B", weights->dims[1] * groups);
    rs_layer &l = r.layer(RS_LAYER_DECONVOLUTION, { in });
    l.convolution.out_channels = r.within(weights->dims[1] * groups, 1, "the number of output channels");
    l.convolution.groups = groups;
    l.convolution.bias = r.has_input(2);
    set_window(w, &l.convolution);
    r.finish();
    r.set_param(0, r.floats(*weights, "W"));
    if (r.has_input(2))
        r.set_param(1, bias);
}

void write_onnx(OnnxWriter &w)
{
    const rs_convolution_param &c = w.layer().convolution;
    std::vector<std::string> inputs = { w.bottom(), w.param(0) };
    if (c.bias)
        inputs.push_back(w.param(1));
    onnx::NodeProto *n = w.node(w.layer().type == RS_LAYER_CONVOLUTION ? "Conv" : "ConvTranspose", inputs, w.top());
    set(n, "kernel_shape", { c.kernel_h, c.kernel_w });
    set(n, "strides", { c.stride_h, c.stride_w });
    set(n, "pads", { c.pad_h, c.pad_w, c.pad_h, c.pad_w });
    set(n, "dilations", { c.dilation_h, c.dilation_w });
    set(n, "group", c.groups);
}

} // namespace

const LayerFormats convolution_formats = { { { "Convolution", { "convolution_param" }, false, false },
                                             { "ConvolutionDepthwise", { "convolution_param" }, false, false },
                                             { "DepthwiseConvolution", { "convolution_param" }, false, false },
                                             { "ConvolutionRistretto", { "convolution_param" }, false, true } },
                                           read_caffe,
                                           write_caffe,
                                           { { "Conv", 2, 3, " auto_pad dilations group kernel_shape pads strides ",
                                               read_conv } },
                                           write_onnx };

const LayerFormats deconvolution_formats = { { { "Deconvolution", { "convolution_param" }, false, false },
                                               { "DeconvolutionRistretto", { "convolution_param" }, false, true } },
                                             read_caffe,
                                             write_caffe,
                                             { { "ConvTranspose", 2, 3,
                                                 " auto_pad dilations group kernel_shape output_padding pads strides ",
                                                 read_conv_transpose } },
                                             write_onnx };

} // namespace ristretto
