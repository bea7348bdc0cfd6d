// Scale and Bias with two bottoms, and Axpy. ONNX says them by Mul and Add, which onnx/arithmetic.cc reads.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

// The second bottom goes along the first from the batch on: its values belong to one image each.
void along_batch(LayerReader &r, int64_t axis, const Node &node)
{
    if (axis != 0)
        r.bad(node.at("axis"), "a second bottom has values for each image: axis: 0",
              r.name() + " (" + r.param().type() + "): axis " + std::to_string(axis) +
                  " with a second bottom is not supported, expected 0");
}

void scale_read_caffe(LayerReader &r, rs_layer *)
{
    const caffe::ScaleParameter &p = r.param().scale_param();
    const Node node = r.node().in("scale_param");
    along_batch(r, p.axis(), node);
    if (p.bias_term())
        r.bad(node.at("bias_term"), "", r.name() + " (Scale): bias_term with a second bottom is not supported");
}

void bias_read_caffe(LayerReader &r, rs_layer *)
{
    along_batch(r, r.param().bias_param().axis(), r.node().in("bias_param"));
}

void scale_write_caffe(const rs_net &, const rs_layer &, caffe::LayerParameter *to)
{
    to->mutable_scale_param()->set_axis(0);
}

void bias_write_caffe(const rs_net &, const rs_layer &, caffe::LayerParameter *to)
{
    to->mutable_bias_param()->set_axis(0);
}

// Bottom `few` with as many axes as bottom x has.
std::string aligned(OnnxWriter &w, int few, int x)
{
    const std::string name = w.bottom(few);
    std::vector<int64_t> dims = dims_of(w.in(few));
    if (w.in(few).n_axes == w.in(x).n_axes)
        return name;
    dims.resize(static_cast<std::size_t>(w.in(x).n_axes), 1);
    dims[0] = 0; // whatever the batch
    const std::string shape = w.whole(".along", dims), wide = w.unique(std::string(w.layer().name) + ".factor");
    w.node("Reshape", { name, shape }, wide, "/reshape");
    return wide;
}

void scale_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom(0), s = aligned(w, 1, 0);
    w.node(w.layer().type == RS_LAYER_SCALE_BY ? "Mul" : "Add", { x, s }, w.top());
}

void axpy_write_onnx(OnnxWriter &w)
{
    const std::string s = aligned(w, 0, 1), x = w.bottom(1), z = w.bottom(2);
    const std::string product = w.unique(std::string(w.layer().name) + ".product");
    w.node("Mul", { x, s }, product, "/multiply");
    w.node("Add", { product, z }, w.top());
}

} // namespace

// Found by the number of bottoms (caffe/net_read.cc).
const LayerFormats scale_by_formats = {
    { { "Scale", { "scale_param" }, false, false } }, scale_read_caffe, scale_write_caffe, {}, scale_write_onnx
};

const LayerFormats bias_by_formats = {
    { { "Bias", { "bias_param" }, false, false } }, bias_read_caffe, bias_write_caffe, {}, scale_write_onnx
};

const LayerFormats axpy_formats = { { { "Axpy", {}, false, false } }, nullptr, nullptr, {}, axpy_write_onnx };

} // namespace ristretto
