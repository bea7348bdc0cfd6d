// Pooling.
#include <algorithm>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::PoolingParameter &p = r.param().pooling_param();
    const Node node = r.node().in("pooling_param");
    rs_pooling_param *to = &out->pooling;
    if (p.pool() == caffe::PoolingParameter::STOCHASTIC)
        r.bad(node.at("pool"), "supported are MAX and AVE", r.name() + ": STOCHASTIC pooling is not supported");
    if (p.has_ceil_mode() && p.has_round_mode() && p.ceil_mode() != (p.round_mode() == caffe::PoolingParameter::CEIL))
        r.bad(node.at("ceil_mode"), "", r.name() + ": ceil_mode and round_mode do not agree");
    to->floor[0] = p.has_ceil_mode() ? !p.ceil_mode() : p.round_mode() == caffe::PoolingParameter::FLOOR;
    to->floor[1] = p.has_round_mode_w() ? p.round_mode_w() == caffe::PoolingParameter::FLOOR : to->floor[0];
    to->method = p.pool() == caffe::PoolingParameter::AVE ? RS_POOL_AVERAGE : RS_POOL_MAX;
    to->global = p.global_pooling();
    to->exclude_padding = p.exclude_padding();
    if (to->exclude_padding && to->method != RS_POOL_AVERAGE)
        r.bad(node.at("exclude_padding"), "", r.name() + ": exclude_padding is of averages, this is a maximum");

    // The singular fields as the lists that a convolution has.
    google::protobuf::RepeatedField<uint32_t> kernel, stride, pad;
    if (p.has_kernel_size())
        kernel.Add(p.kernel_size());
    if (p.has_stride())
        stride.Add(p.stride());
    if (p.has_pad())
        pad.Add(p.pad());
    if (to->global) {
        if (p.has_kernel_size() || p.has_kernel_h() || p.has_kernel_w())
            r.bad(node.at(p.has_kernel_size() ? "kernel_size"
                          : p.has_kernel_h()  ? "kernel_h"
                                              : "kernel_w"),
                  "", r.name() + ": global_pooling takes its kernel from the input, expected none here");
        to->kernel_h = to->kernel_w = 1;
    } else {
        r.pair(node, { "kernel_size", kernel, p.has_kernel_h(), p.kernel_h(), p.has_kernel_w(), p.kernel_w() }, 1, -1,
               &to->kernel_h, &to->kernel_w);
    }
    r.pair(node, { "stride", stride, p.has_stride_h(), p.stride_h(), p.has_stride_w(), p.stride_w() }, 1, 1,
           &to->stride_h, &to->stride_w);
    r.pair(node, { "pad", pad, p.has_pad_h(), p.pad_h(), p.has_pad_w(), p.pad_w() }, 0, 0, &to->pad_h, &to->pad_w);
    if (to->global && (to->pad_h != 0 || to->pad_w != 0 || to->stride_h != 1 || to->stride_w != 1))
        r.bad(node.loc(), "", r.name() + ": global_pooling needs pad 0 and stride 1");
    else if (to->pad_h >= to->kernel_h || to->pad_w >= to->kernel_w)
        r.bad(node.at(p.has_pad()                 ? "pad"
                      : to->pad_h >= to->kernel_h ? "pad_h"
                                                  : "pad_w"),
              "", r.name() + ": the padding is not smaller than the kernel");
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    const rs_pooling_param &r = layer.pooling;
    caffe::PoolingParameter *p = to->mutable_pooling_param();
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
    if (r.floor[0])
        p->set_round_mode(caffe::PoolingParameter::FLOOR);
    if (r.floor[0] != r.floor[1])
        p->set_round_mode_w(r.floor[1] ? caffe::PoolingParameter::FLOOR : caffe::PoolingParameter::CEIL);
    if (r.exclude_padding)
        p->set_exclude_padding(true);
}

void read_pool(OnnxReader &r)
{
    const bool average = r.node().op_type() == "AveragePool";
    const int in = average ? r.padded_blob(0) : r.blob(0);
    const rs_shape shape = r.image(in);
    if (r.attribute("kernel_shape") == nullptr)
        r.refuse("it has no kernel_shape");
    const Window w = r.window(shape, nullptr, r.value(0));
    const bool ceil = r.integer("ceil_mode", 0) != 0;
    const bool include = r.integer("count_include_pad", 0) != 0 || r.value(0).padded();
    if (r.value(0).padded() && r.integer("count_include_pad", 0) == 0 && r.any_not_zero("pads"))
        r.refuse("padding of a Pad node and of its own together is not supported");
    if (r.node().output_size() > 1 && r.is_used(r.node().output(1)))
        r.refuse("its second output (indices) is not supported");
    bool floor[2] = { false, false }; // of height and width
    for (std::size_t a = 0; a < 2; a++) {
        const int64_t size = shape.dim[2 + a];
        if (w.dilation[a] != 1)
            r.refuse("dilations are not supported");
        if (w.before[a] >= w.kernel[a] || w.after[a] >= w.kernel[a])
            r.refuse("pads must be smaller than the kernel");
        if (average && include && w.before[a] != w.after[a])
            r.refuse("pads that differ before and after, and count, are not supported");
        const int64_t span = size + w.before[a] + w.after[a] - w.kernel[a];
        if (span < 0)
            r.refuse("the kernel of " + std::to_string(w.kernel[a]) + " is larger than its input of " +
                     shape_text(shape));
        int64_t out = (span + (ceil ? w.stride[a] - 1 : 0)) / w.stride[a] + 1;
        if (ceil && (out - 1) * w.stride[a] >= size + w.before[a])
            out--; // a window that would start behind the image
        floor[a] = rs_pooling_output(size, w.kernel[a], w.stride[a], w.before[a], false) != out;
        const int64_t down = rs_pooling_output(size, w.kernel[a], w.stride[a], w.before[a], true);
        if (floor[a] && down != out)
            r.refuse("pads of " + std::to_string(w.before[a]) + " before and " + std::to_string(w.after[a]) +
                     " after an axis of " + std::to_string(size) + " give " + std::to_string(out) +
                     " values, which pads of the same size do not");
    }
    const bool padded = w.before[0] != 0 || w.before[1] != 0;
    rs_layer &l = r.layer(RS_LAYER_POOLING, { in });
    rs_pooling_param *p = &l.pooling;
    p->method = average ? RS_POOL_AVERAGE : RS_POOL_MAX;
    p->kernel_h = w.kernel[0];
    p->kernel_w = w.kernel[1];
    p->stride_h = w.stride[0];
    p->stride_w = w.stride[1];
    p->pad_h = w.before[0];
    p->pad_w = w.before[1];
    p->floor[0] = floor[0];
    p->floor[1] = floor[1];
    p->exclude_padding = average && padded && !include;
    r.finish();
}

void global(OnnxReader &r, rs_pool_method method, int in)
{
    (void)r.image(in);
    rs_layer &l = r.layer(RS_LAYER_POOLING, { in });
    l.pooling.method = method;
    l.pooling.global = true;
    r.finish();
}

void read_global_average(OnnxReader &r)
{
    global(r, RS_POOL_AVERAGE, r.blob(0));
}

void read_global_max(OnnxReader &r)
{
    global(r, RS_POOL_MAX, r.blob(0));
}

void read_reduce_mean(OnnxReader &r)
{
    const int in = r.blob(0);
    std::vector<int64_t> axes = r.integers("axes");
    for (int64_t &a : axes)
        a = r.axis(a, r.build().shape(in).n_axes);
    std::sort(axes.begin(), axes.end());
    if (r.build().shape(in).n_axes != 4 || axes.size() != 2 || axes[0] != 2 || axes[1] != 3)
        return read_reduce_mean_of_last(r);
    global(r, RS_POOL_AVERAGE, in);
    if (r.integer("keepdims", 1) == 0)
        r.named(r.node().output(0)).flat = r.node_name() + "/flatten";
}

void write_onnx(OnnxWriter &w)
{
    const rs_pooling_param &p = w.layer().pooling;
    const bool average = p.method == RS_POOL_AVERAGE;
    const std::string x = w.bottom();
    if (p.global) {
        w.node(average ? "GlobalAveragePool" : "GlobalMaxPool", { x }, w.top());
        return;
    }
    const rs_shape from = w.in(), &to = w.net().blobs[w.layer().tops[0]].shape;
    const int64_t kernel[2] = { p.kernel_h, p.kernel_w }, stride[2] = { p.stride_h, p.stride_w },
                  pad[2] = { p.pad_h, p.pad_w };
    // Behind the image, as much as the last window needs: that is what rounding up means, said in a way that all
    // readers of ONNX agree about.
    int64_t after[2] = { pad[0], pad[1] };
    bool over = false;
    for (int a = 0; a < 2; a++) {
        const int64_t needed = (to.dim[2 + a] - 1) * stride[a] + kernel[a] - from.dim[2 + a] - pad[a];
        if (needed > pad[a]) {
            after[a] = needed;
            over = true;
        } else if (!average || p.exclude_padding) {
            // What no window reaches makes no difference, unless it would make room for one more.
            const int64_t fits = (from.dim[2 + a] + 2 * pad[a] - kernel[a]) / stride[a] + 1;
            after[a] = fits > to.dim[2 + a] ? (needed > 0 ? needed : 0) : pad[a];
        } else if ((from.dim[2 + a] + 2 * pad[a] - kernel[a]) / stride[a] + 1 != to.dim[2 + a]) {
            w.refuse("its output's size has no form in ONNX");
        }
    }
    const bool padded = pad[0] != 0 || pad[1] != 0;
    onnx::NodeProto *n = w.node(average ? "AveragePool" : "MaxPool", { x }, w.top());
    set(n, "kernel_shape", { kernel[0], kernel[1] });
    set(n, "strides", { stride[0], stride[1] });
    if (average && over && padded && !p.exclude_padding) { // the divisor counts the padding, but not what is behind it
        set(n, "pads", { pad[0], pad[1], pad[0], pad[1] });
        set(n, "ceil_mode", static_cast<int64_t>(1));
    } else {
        set(n, "pads", { pad[0], pad[1], after[0], after[1] });
    }
    if (average)
        set(n, "count_include_pad", static_cast<int64_t>(padded && !p.exclude_padding));
}

} // namespace

const LayerFormats pooling_formats = {
    { { "Pooling", { "pooling_param" }, false, false } },
    read_caffe,
    write_caffe,
    { { "AveragePool", 1, 1, " auto_pad ceil_mode count_include_pad kernel_shape pads strides ", read_pool },
      { "GlobalAveragePool", 1, 1, "", read_global_average },
      { "GlobalMaxPool", 1, 1, "", read_global_max },
      { "MaxPool", 1, 1, " auto_pad ceil_mode dilations kernel_shape pads storage_order strides ", read_pool },
      { "ReduceMean", 1, 1, " axes keepdims ", read_reduce_mean } },
    write_onnx
};

} // namespace ristretto
