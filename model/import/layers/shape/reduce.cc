// Reduction and ArgMax.
#include <algorithm>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void reduction_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ReductionParameter &p = r.param().reduction_param();
    const Node node = r.node().in("reduction_param");
    out->reduction.method = p.operation() == caffe::ReductionParameter::ASUM    ? RS_REDUCE_ABSOLUTE
                            : p.operation() == caffe::ReductionParameter::SUMSQ ? RS_REDUCE_SQUARES
                            : p.operation() == caffe::ReductionParameter::MEAN  ? RS_REDUCE_MEAN
                                                                                : RS_REDUCE_SUM;
    out->reduction.axis = p.axis();
    r.not_batch(p.axis(), node, "axis");
    out->reduction.coefficient = r.finite(p.coeff(), "reduction_param", "coeff");
}

void reduction_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    static const caffe::ReductionParameter::ReductionOp methods[] = { caffe::ReductionParameter::SUM,
                                                                      caffe::ReductionParameter::ASUM,
                                                                      caffe::ReductionParameter::SUMSQ,
                                                                      caffe::ReductionParameter::MEAN };
    to->mutable_reduction_param()->set_operation(methods[layer.reduction.method]);
    to->mutable_reduction_param()->set_axis(static_cast<int>(layer.reduction.axis));
    to->mutable_reduction_param()->set_coeff(layer.reduction.coefficient);
}

void reduction_write_onnx(OnnxWriter &w)
{
    static const char *const names[] = { "ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceMean" };
    const rs_reduction_param &p = w.layer().reduction;
    std::vector<int64_t> axes;
    for (int i = rs_axis(p.axis, w.in().n_axes); i < w.in().n_axes; i++)
        axes.push_back(i);
    std::vector<std::string> inputs = { w.bottom() };
    if (p.method == RS_REDUCE_SUM) // an input since operator set 13; of the others since 18
        inputs.push_back(w.whole(".axes", axes));
    const bool scaled = p.coefficient < 1 || p.coefficient > 1;
    const std::string y = scaled ? w.unique(std::string(w.layer().name) + ".sum") : w.top();
    onnx::NodeProto *n = w.node(names[p.method], inputs, y, scaled ? "/reduce" : "");
    if (p.method != RS_REDUCE_SUM)
        set(n, "axes", axes);
    set(n, "keepdims", static_cast<int64_t>(0));
    if (scaled)
        w.node("Mul", { y, w.floats(".coefficient", {}, { p.coefficient }) }, w.top());
}

// The last axes, from one after the batch on.
void read_reduce(OnnxReader &r, rs_reduction_method method)
{
    const int in = r.blob(0), n_axes = r.build().shape(in).n_axes;
    std::vector<int64_t> axes = r.list("axes", 1);
    for (int64_t &a : axes)
        a = r.axis(a, n_axes);
    std::sort(axes.begin(), axes.end());
    const int64_t first = n_axes - static_cast<int64_t>(axes.size());
    for (std::size_t i = 0; i < axes.size(); i++)
        if (axes[i] != first + static_cast<int64_t>(i))
            r.refuse("only the last axes together are supported");
    if (axes.empty() || first < 1 || r.integer("keepdims", 1) != 0)
        r.refuse(axes.empty() || first < 1 ? "the batch, axis 0, cannot be reduced" : "keepdims 1 is not supported");
    r.layer(RS_LAYER_REDUCTION, { in }).reduction = rs_reduction_param { method, first, 1 };
    r.finish();
}

void read_reduce_sum(OnnxReader &r)
{
    read_reduce(r, RS_REDUCE_SUM);
}

void read_reduce_l1(OnnxReader &r)
{
    read_reduce(r, RS_REDUCE_ABSOLUTE);
}

void read_reduce_square(OnnxReader &r)
{
    read_reduce(r, RS_REDUCE_SQUARES);
}

void argmax_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ArgMaxParameter &p = r.param().argmax_param();
    const Node node = r.node().in("argmax_param");
    out->argmax.top_k = r.within(p.top_k(), 1, 1 << 20, node, "top_k");
    out->argmax.has_axis = p.has_axis();
    out->argmax.axis = p.axis();
    out->argmax.values = p.out_max_val();
    if (p.has_axis())
        r.not_batch(p.axis(), node, "axis");
}

void argmax_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_argmax_param()->set_top_k(u32(layer.argmax.top_k));
    to->mutable_argmax_param()->set_out_max_val(layer.argmax.values);
    if (layer.argmax.has_axis)
        to->mutable_argmax_param()->set_axis(static_cast<int>(layer.argmax.axis));
}

void argmax_write_onnx(OnnxWriter &w)
{
    w.refuse("ONNX's ArgMax gives integers, and of equal values the first");
}

} // namespace

void read_reduce_mean_of_last(OnnxReader &r)
{
    read_reduce(r, RS_REDUCE_MEAN);
}

const LayerFormats reduction_formats = { { { "Reduction", { "reduction_param" }, false, false } },
                                         reduction_read_caffe,
                                         reduction_write_caffe,
                                         { { "ReduceL1", 1, 1, " axes keepdims ", read_reduce_l1 },
                                           { "ReduceSum", 1, 2, " axes keepdims noop_with_empty_axes ",
                                             read_reduce_sum },
                                           { "ReduceSumSquare", 1, 1, " axes keepdims ", read_reduce_square } },
                                         reduction_write_onnx };

const LayerFormats argmax_formats = {
    { { "ArgMax", { "argmax_param" }, false, false } }, argmax_read_caffe, argmax_write_caffe, {}, argmax_write_onnx
};

} // namespace ristretto
