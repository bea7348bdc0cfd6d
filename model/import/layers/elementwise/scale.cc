// Scale and Bias. ONNX says them by Mul and Add with a constant, which onnx/arithmetic.cc reads.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

// Whether a layer of one bottom multiplies (or adds) values of its own along axes of the input.
void own_axes(LayerReader &r, int64_t axis, int64_t num_axes, const Node &node, rs_scale_param *to)
{
    to->axis = axis;
    r.not_batch(axis, node, "axis");
    to->num_axes = r.within(num_axes, -1, RS_MAX_AXES, node, "num_axes");
}

void scale_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ScaleParameter &p = r.param().scale_param();
    const Node node = r.node().in("scale_param");
    own_axes(r, p.axis(), p.num_axes(), node, &out->scale);
    out->scale.bias = p.bias_term();
    out->scale.filler = r.filler_or(p.filler(), p.has_filler(), 1, node.in("filler"));
    out->scale.bias_filler = r.filler_or(p.bias_filler(), p.has_bias_filler(), 0, node.in("bias_filler"));
    out->n_params = p.bias_term() ? 2 : 1;
}

void bias_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::BiasParameter &p = r.param().bias_param();
    const Node node = r.node().in("bias_param");
    own_axes(r, p.axis(), p.num_axes(), node, &out->scale);
    out->scale.filler = r.filler_or(p.filler(), p.has_filler(), 0, node.in("filler"));
    out->n_params = 1;
}

void scale_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::ScaleParameter *p = to->mutable_scale_param();
    p->set_axis(static_cast<int>(layer.scale.axis));
    p->set_num_axes(static_cast<int>(layer.scale.num_axes));
    p->set_bias_term(layer.scale.bias);
    write_filler(layer.scale.filler, p->mutable_filler());
    if (!is_zero(layer.scale.bias_filler))
        write_filler(layer.scale.bias_filler, p->mutable_bias_filler());
}

void bias_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::BiasParameter *p = to->mutable_bias_param();
    p->set_axis(static_cast<int>(layer.scale.axis));
    p->set_num_axes(static_cast<int>(layer.scale.num_axes));
    if (!is_zero(layer.scale.filler))
        write_filler(layer.scale.filler, p->mutable_filler());
}

void write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    if (w.is_merged())
        return;
    const int axis = rs_axis(l.scale.axis, w.in().n_axes);
    std::vector<int64_t> dims = dims_of(l.params[0].shape);
    if (!dims.empty())
        dims.resize(static_cast<std::size_t>(w.in().n_axes - axis), 1);
    const std::string x = w.bottom();
    if (l.type == RS_LAYER_BIAS) {
        w.node("Add", { x, w.param(0, dims) }, w.top());
    } else if (!l.scale.bias) {
        w.node("Mul", { x, w.param(0, dims) }, w.top());
    } else {
        const std::string product = w.unique(std::string(l.name) + ".product");
        w.node("Mul", { x, w.param(0, dims) }, product, "/multiply");
        w.node("Add", { product, w.param(1, dims) }, w.top());
    }
}

} // namespace

const LayerFormats scale_formats = {
    { { "Scale", { "scale_param" }, false, false } }, scale_read_caffe, scale_write_caffe, {}, write_onnx
};

const LayerFormats bias_formats = {
    { { "Bias", { "bias_param" }, false, false } }, bias_read_caffe, bias_write_caffe, {}, write_onnx
};

} // namespace ristretto
