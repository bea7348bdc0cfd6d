// QuantizeLinear: in ONNX, with the DequantizeLinear that follows it; and both of constants.
#include <algorithm>
#include <cmath>
#include <utility>

#include "fxp/fxp.h"

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::QuantizeLinearParameter &p = r.param().quantize_linear_param();
    const Node node = r.node().in("quantize_linear_param");
    constexpr int32_t limit = 65535; // two bytes, signed or not
    rs_quantize_linear_param *q = &out->quantize_linear;
    *q = rs_quantize_linear_param { p.scale(), p.zero_point(), p.min(), p.max() };
    if (!(p.scale() > 0) || !std::isfinite(p.scale()))
        r.bad(p.has_scale() ? node.at("scale") : node.loc(), "", r.name() + ": expected a positive scale");
    if (p.min() < -limit || p.max() > limit || p.min() > p.max() || p.zero_point() < p.min() ||
        p.zero_point() > p.max())
        r.bad(node.loc(), "", r.name() + ": expected min <= zero_point <= max, of at most two bytes");
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::QuantizeLinearParameter *p = to->mutable_quantize_linear_param();
    p->set_scale(layer.quantize_linear.scale);
    p->set_zero_point(layer.quantize_linear.zero);
    p->set_min(layer.quantize_linear.min);
    p->set_max(layer.quantize_linear.max);
}

struct QuantizationStep {
    std::vector<float> scale;
    std::vector<int64_t> zero;
    std::size_t inner = 1;               // values in a row with the same scale
    int type = onnx::TensorProto::UINT8; // of the integers; the default
    std::size_t at(std::size_t i) const
    {
        return scale.size() == 1 ? 0 : i / inner % scale.size();
    }
};

QuantizationStep step(OnnxReader &r, const std::vector<int64_t> &dims)
{
    QuantizationStep s;
    const TensorPtr scale = r.constant(1, "the scale");
    s.scale = r.floats(*scale, "the scale");
    if (scale->dims.size() > 1 || s.scale.empty())
        r.refuse("the scale is " + scale->shape_text() + ", expected one value, or one for each channel");
    for (const float v : s.scale)
        if (!(v > 0 && std::isfinite(v)))
            r.refuse("a scale is not a positive number");
    s.zero.assign(s.scale.size(), 0);
    if (r.has_input(2)) {
        const TensorPtr zero = r.constant(2, "the zero point");
        if (zero->is_float || zero->size() != s.scale.size())
            r.refuse("the zero point is " + zero->shape_text() + ", expected integers, as many as scales");
        s.zero = zero->ints;
        for (const int64_t z : s.zero)
            if (z < -INT32_MAX || z > INT32_MAX)
                r.refuse("a zero point is out of range");
        s.type = zero->type;
    }
    if (s.scale.size() > 1) {
        const std::size_t a = static_cast<std::size_t>(r.axis(r.integer("axis", 1), static_cast<int>(dims.size())));
        if (dims[a] != static_cast<int64_t>(s.scale.size()))
            r.refuse("a scale for each of " + std::to_string(s.scale.size()) + ", but the axis has " +
                     std::to_string(dims[a]));
        for (std::size_t i = a + 1; i < dims.size(); i++)
            s.inner *= static_cast<std::size_t>(dims[i]);
    }
    return s;
}

std::pair<int32_t, int32_t> range_of(OnnxReader &r, const QuantizationStep &s)
{
    if (s.type != onnx::TensorProto::INT8 && s.type != onnx::TensorProto::UINT8)
        r.refuse("its zero point has the type " + std::to_string(s.type) + ", expected int8 (3) or uint8 (2)");
    const bool is_signed = s.type == onnx::TensorProto::INT8;
    return { is_signed ? -128 : 0, is_signed ? 127 : 255 };
}

// The one scale and zero point of a layer's values.
rs_quantize_linear_param affine(OnnxReader &r)
{
    const rs_shape shape = r.shape_of(r.value(0));
    const QuantizationStep s = step(r, std::vector<int64_t>(shape.dim, shape.dim + shape.n_axes));
    if (s.scale.size() != 1)
        r.refuse("a scale for each of " + std::to_string(s.scale.size()) +
                 " channels of a layer's values, expected one");
    const auto range = range_of(r, s);
    if (s.zero[0] < range.first || s.zero[0] > range.second)
        r.refuse("its zero point is " + std::to_string(s.zero[0]) + ", expected " + std::to_string(range.first) +
                 " to " + std::to_string(range.second));
    return rs_quantize_linear_param { s.scale[0], static_cast<int32_t>(s.zero[0]), range.first, range.second };
}

// A layer's values: quantized and, in the same layer, what the integers stand for. The DequantizeLinear behind it
// does nothing more.
void quantize_layer(OnnxReader &r)
{
    const rs_quantize_linear_param q = affine(r);
    r.layer(RS_LAYER_QUANTIZE_LINEAR, { r.blob(0) }).quantize_linear = q;
    r.finish();
    r.named(r.node().output(0)).quantized = r.build().last_layer();
}

void read_quantize(OnnxReader &r)
{
    if (!r.is_constant(0))
        return quantize_layer(r);
    const TensorPtr from = r.value(0).constant;
    const QuantizationStep s = step(r, from->dims);
    const auto range = range_of(r, s);
    auto t = std::make_shared<Tensor>();
    t->dims = from->dims;
    t->is_float = false;
    t->type = s.type;
    for (std::size_t i = 0; i < from->size(); i++) {
        const std::size_t k = s.at(i);
        const float x = static_cast<float>(from->at(i)) / s.scale[k];
        if (std::isnan(x))
            r.refuse("a constant is not a number");
        const int64_t q = rs_fxp_quantize(static_cast<double>(x), rs_fxp { 31, 0 }, RS_ROUND_NEAREST_EVEN, 0, nullptr) +
                          s.zero[k];
        t->ints.push_back(std::min<int64_t>(std::max<int64_t>(q, range.first), range.second));
    }
    r.give(t);
}

void read_dequantize(OnnxReader &r)
{
    if (!r.is_constant(0)) {
        Value v = r.value(0);
        if (v.quantized < 0)
            r.refuse("its input is no QuantizeLinear's");
        const rs_quantize_linear_param mine = affine(r), q = r.build().layer(v.quantized).quantize_linear;
        if (mine.scale < q.scale || mine.scale > q.scale || mine.zero != q.zero || mine.min != q.min)
            r.refuse("its scale and zero point are not those of the QuantizeLinear before it");
        v.quantized = -1;
        return r.alias(r.node().output(0), v);
    }
    const TensorPtr from = r.value(0).constant;
    if (from->is_float)
        r.refuse("its input is of floats, expected integers");
    const QuantizationStep s = step(r, from->dims);
    auto t = std::make_shared<Tensor>();
    t->dims = from->dims;
    for (std::size_t i = 0; i < from->size(); i++) {
        const std::size_t k = s.at(i);
        const int64_t q = from->ints[i];
        if (q < -INT32_MAX || q > INT32_MAX)
            r.refuse("a quantized value is out of range");
        t->floats.push_back(static_cast<float>(q - s.zero[k]) * s.scale[k]);
    }
    r.give(t);
}

// Values that are rounded to integers, and what those stand for.
void write_onnx(OnnxWriter &w)
{
    const rs_quantize_linear_param &p = w.layer().quantize_linear;
    const bool is_signed = p.min < 0;
    if (p.min != (is_signed ? -128 : 0) || p.max != (is_signed ? 127 : 255))
        w.refuse("its integers are " + std::to_string(p.min) + " to " + std::to_string(p.max) +
                 ", expected int8 or uint8");
    const std::string x = w.bottom(), scale = w.floats(".scale", {}, { p.scale });
    const uint8_t byte = static_cast<uint8_t>(p.zero & 255);
    const std::string zero = w.constant(std::string(w.layer().name) + ".zero_point", {}, &byte, 1,
                                        is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8);
    const std::string integers = w.unique(std::string(w.layer().name) + ".integers");
    w.node("QuantizeLinear", { x, scale, zero }, integers);
    w.node("DequantizeLinear", { integers, scale, zero }, w.top(), "/dequantize");
}

} // namespace

const LayerFormats quantize_linear_formats = { { { "QuantizeLinear", { "quantize_linear_param" }, false, false } },
                                               read_caffe,
                                               write_caffe,
                                               { { "DequantizeLinear", 2, 3, " axis ", read_dequantize },
                                                 { "QuantizeLinear", 2, 3, " axis ", read_quantize } },
                                               write_onnx };

} // namespace ristretto
