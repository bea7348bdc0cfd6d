// Add, Sub, Mul and Div: of constants, of values with a constant (Scale, Bias), of values (Eltwise).
#include <algorithm>
#include <cmath>

#include "import/onnx/operators.h"
#include "net/rule.h"

namespace ristretto
{

bool per_channel(const Tensor &t, const rs_shape &shape)
{
    const std::size_t axes = static_cast<std::size_t>(shape.n_axes);
    if (t.dims.size() > axes)
        return false;
    for (std::size_t i = 0; i < t.dims.size(); i++) {
        const std::size_t at = axes - t.dims.size() + i;
        if (t.dims[i] != (at == 1 ? shape.dim[1] : 1))
            return false;
    }
    return t.dims.size() + 1 >= axes; // or it would not reach axis 1
}

namespace
{

// Whether a constant has a value for each place of an image.
bool per_value(const Tensor &t, const rs_shape &shape)
{
    const std::size_t axes = static_cast<std::size_t>(shape.n_axes);
    if (t.dims.size() + 1 < axes || t.dims.size() > axes)
        return false;
    const std::size_t skip = axes - t.dims.size();
    for (std::size_t i = 0; i < t.dims.size(); i++)
        if (t.dims[i] != (i + skip == 0 ? 1 : shape.dim[i + skip]))
            return false;
    return true;
}

// A term behind a convolution or inner product without bias is its bias.
bool merge_bias(OnnxReader &r, int in, bool one, bool channel, std::vector<float> values)
{
    const int from = r.producer_of(in);
    rs_layer &l = r.build().layer(from);
    bool *bias = l.type == RS_LAYER_CONVOLUTION     ? &l.convolution.bias
                 : l.type == RS_LAYER_INNER_PRODUCT ? &l.inner_product.bias
                                                    : nullptr;
    if (bias == nullptr || *bias || r.readers(in) != 1 || !(one || channel))
        return false;
    const int64_t outputs = r.build().shape(in).dim[1];
    values.resize(static_cast<std::size_t>(outputs), values[0]);
    *bias = true;
    const rs_status st = rs_net_infer_layer(r.build().net(), from, nullptr, r.diag());
    if (st != RS_OK)
        throw Failed { st };
    r.set_param(from, 1, values);
    r.readers(in) = 0;
    r.result(in);
    return true;
}

// y = x * factor or x + term, with a constant.
void with_constant(OnnxReader &r, int x, int c, bool product, bool negate)
{
    const TensorPtr t = r.constant(c, "the constant");
    std::vector<float> values = r.floats(*t, "the constant");
    if (negate)
        for (float &v : values)
            v = product ? 1 / v : -v;
    const int in = r.blob(x);
    const rs_shape shape = r.build().shape(in);
    const bool one = t->size() == 1, channel = shape.n_axes >= 2 && per_channel(*t, shape);
    if (!one && !channel && !per_value(*t, shape))
        r.refuse("a constant of " + t->shape_text() + " and a value of " + shape_text(shape) +
                 ", expected one value, one a channel, or one for each place");
    if (!product && merge_bias(r, in, one, channel, values))
        return;
    const bool repeat = one && shape.n_axes >= 2; // by channel, as a convolution takes it in
    if (repeat)
        values.resize(static_cast<std::size_t>(shape.dim[1]), values[0]);
    rs_layer &l = r.layer(product ? RS_LAYER_SCALE : RS_LAYER_BIAS, { in });
    l.scale.axis = shape.n_axes < 2 ? 0 : 1;
    l.scale.num_axes = channel || repeat ? 1 : one ? 0 : -1;
    r.finish();
    r.set_param(0, values);
}

// A value of N x C (x 1 x 1) and one of N x C x H x W: each goes with a map of the other.
bool along(OnnxReader &r, bool product)
{
    const int a = r.blob(0), b = r.blob(1);
    const rs_shape first = r.build().shape(a), second = r.build().shape(b);
    if (first.n_axes != second.n_axes || rs_shape_equal(&first, &second))
        return false;
    const bool swapped = rs_shape_count(&first, 1) < rs_shape_count(&second, 1);
    const rs_shape &x = swapped ? second : first, &few = swapped ? first : second;
    int axes = few.n_axes;
    while (axes > 1 && few.dim[axes - 1] == 1)
        axes--;
    for (int i = 0; i < axes; i++)
        if (few.dim[i] != x.dim[i])
            return false;
    r.layer(product ? RS_LAYER_SCALE_BY : RS_LAYER_BIAS_BY, { swapped ? b : a, swapped ? a : b });
    r.finish();
    return true;
}

void read_binary(OnnxReader &r)
{
    const std::string &op = r.node().op_type();
    if (const rs_lrn_param *normalization = r.normalization()) {
        const int in = r.blob(0);
        (void)r.image(in);
        r.layer(RS_LAYER_LRN, { in }).lrn = *normalization;
        return r.finish();
    }
    const bool product = op == "Mul" || op == "Div", negate = op == "Sub" || op == "Div";
    const bool first = r.is_constant(0), second = r.is_constant(1);
    if (first && second)
        return fold_binary(r);
    if (second)
        return with_constant(r, 0, 1, product, negate);
    if (first && !negate)
        return with_constant(r, 1, 0, product, false);
    if (first || op == "Div")
        r.refuse(first ? "a constant in front is not supported" : "a division by a layer's values is not supported");
    if ((product || op == "Add") && along(r, product))
        return;
    if (product)
        return read_eltwise(r, RS_ELTWISE_PRODUCT);
    return read_eltwise(r, RS_ELTWISE_SUM, negate ? std::vector<float> { 1, -1 } : std::vector<float> {});
}

// The value itself.
void read_identity(OnnxReader &r)
{
    r.alias(r.node().output(0), r.value(0));
}

// Zeros around an image, which the convolution or pooling that reads it takes as its own.
void read_pad(OnnxReader &r)
{
    const std::vector<int64_t> pads = r.list("pads", 1);
    const std::string mode = r.word("mode", "constant");
    double fill = static_cast<double>(r.real("value", 0));
    if (r.has_input(2)) {
        const TensorPtr t = r.constant(2, "constant_value");
        fill = t->size() == 1 ? t->at(0) : NAN;
    }
    Value v = r.value(0);
    if (v.constant != nullptr)
        r.refuse("its input is a constant");
    if (v.quantized >= 0)
        (void)r.padded_blob(0); // says what is wrong
    const rs_shape s = r.shape_of(v);
    if (pads.size() != 2 * static_cast<std::size_t>(s.n_axes))
        r.refuse("pads has " + std::to_string(pads.size()) + " values for a value of " + shape_text(s));
    if (std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; }))
        return r.alias(r.node().output(0), v);
    if (s.n_axes != 4 || mode != "constant" || !(fill >= 0 && fill <= 0))
        r.refuse("only zeros around images are supported");
    for (std::size_t i = 0; i < 8; i++) {
        if (pads[i] < 0 || pads[i] > max_size || (i % 4 < 2 && pads[i] != 0))
            r.refuse("only zeros around the pixels of images are supported");
        if (i % 4 >= 2)
            v.pad[i / 4 * 2 + i % 4 - 2] += pads[i];
    }
    r.alias(r.node().output(0), v);
}

} // namespace

const std::vector<OnnxOperator> value_operators = {
    { "Add", 2, 2, "", read_binary },
    { "Div", 2, 2, "", read_binary },
    { "Identity", 1, 1, "", read_identity },
    { "Mul", 2, 2, "", read_binary },
    { "Pad", 1, 3, " mode pads value ", read_pad },
    { "Sub", 2, 2, "", read_binary },
};

} // namespace ristretto
