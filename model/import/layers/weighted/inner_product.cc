// InnerProduct.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::InnerProductParameter &ip = r.param().inner_product_param();
    const Node node = r.node().in("inner_product_param");
    rs_inner_product_param *to = &out->inner_product;
    if (!ip.has_num_output())
        r.bad(node.loc(), "", r.name() + " has no num_output");
    to->outputs = ip.has_num_output() ? r.within(ip.num_output(), 1, max_size, node, "num_output") : 1;
    r.axis_is_channels(ip.axis(), node);
    if (ip.transpose())
        r.bad(node.at("transpose"), "", r.name() + ": transpose is not supported");
    to->bias = ip.bias_term();
    out->n_params = to->bias ? 2 : 1;
    to->weight_filler = r.filler(ip.weight_filler(), node.in("weight_filler"));
    to->bias_filler = r.filler(ip.bias_filler(), node.in("bias_filler"));
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::InnerProductParameter *p = to->mutable_inner_product_param();
    p->set_num_output(u32(layer.inner_product.outputs));
    if (!layer.inner_product.bias)
        p->set_bias_term(false);
    if (!is_zero(layer.inner_product.weight_filler))
        write_filler(layer.inner_product.weight_filler, p->mutable_weight_filler());
    if (!is_zero(layer.inner_product.bias_filler))
        write_filler(layer.inner_product.bias_filler, p->mutable_bias_filler());
}

void inner_product(OnnxReader &r, const std::vector<float> &weights, int64_t outputs, int64_t inputs,
                   const std::vector<float> *bias)
{
    const Value &v = r.value(0);
    if (v.padded() || v.quantized >= 0)
        (void)r.blob(0); // says what is wrong
    if (v.constant != nullptr)
        r.refuse("its first input is a constant, expected a layer's values");
    const rs_shape shape = r.shape_of(v);
    if (shape.n_axes != 2 || shape.dim[1] != inputs)
        r.refuse("its input is " + shape_text(shape) + ", expected N x " + std::to_string(inputs));
    rs_layer &l = r.layer(RS_LAYER_INNER_PRODUCT, { v.blob });
    l.inner_product.outputs = r.within(outputs, 1, "the number of outputs");
    l.inner_product.bias = bias != nullptr;
    r.finish();
    r.set_param(0, weights);
    if (bias != nullptr)
        r.set_param(1, *bias);
}

// A constant matrix as [outputs][inputs].
std::vector<float> matrix(OnnxReader &r, int i, bool transposed, float factor, int64_t *outputs, int64_t *inputs)
{
    const TensorPtr t = r.constant(i, "B");
    if (t->dims.size() != 2 || count_of(t->dims) < 1)
        r.refuse("its weights are " + t->shape_text() + ", expected a matrix");
    std::vector<float> from = r.floats(*t, "B");
    const std::size_t rows = static_cast<std::size_t>(t->dims[0]), columns = static_cast<std::size_t>(t->dims[1]);
    *outputs = t->dims[transposed ? 0 : 1];
    *inputs = t->dims[transposed ? 1 : 0];
    std::vector<float> to;
    if (transposed) {
        to.swap(from);
    } else {
        to.resize(from.size());
        for (std::size_t y = 0; y < rows; y++)
            for (std::size_t c = 0; c < columns; c++)
                to[c * rows + y] = from[y * columns + c];
    }
    if (factor != 1)
        for (float &v : to)
            v *= factor;
    return to;
}

void read_gemm(OnnxReader &r)
{
    int64_t outputs = 0, inputs = 0;
    if (r.integer("transA", 0) != 0)
        r.refuse("transA is not supported");
    const std::vector<float> weights = matrix(r, 1, r.integer("transB", 0) != 0, r.real("alpha", 1), &outputs, &inputs);
    std::vector<float> bias;
    if (r.has_input(2)) {
        const TensorPtr c = r.constant(2, "C");
        const bool row = c->dims.size() <= 1 || (c->dims.size() == 2 && c->dims[0] == 1);
        if (!row || (c->size() != 1 && static_cast<int64_t>(c->size()) != outputs))
            r.refuse("C is " + c->shape_text() + ", expected " + std::to_string(outputs) + " values");
        bias = r.floats(*c, "C");
        bias.resize(static_cast<std::size_t>(outputs), bias[0]);
        const float beta = r.real("beta", 1);
        for (float &b : bias)
            b *= beta;
    }
    inner_product(r, weights, outputs, inputs, r.has_input(2) ? &bias : nullptr);
}

void read_matmul(OnnxReader &r)
{
    int64_t outputs = 0, inputs = 0;
    const std::vector<float> weights = matrix(r, 1, false, 1, &outputs, &inputs);
    inner_product(r, weights, outputs, inputs, nullptr);
}

void write_onnx(OnnxWriter &w)
{
    std::string x = w.bottom();
    if (w.in().n_axes != 2) {
        const std::string flat = w.unique(std::string(w.layer().name) + ".flat");
        set(w.node("Flatten", { x }, flat, "/flatten"), "axis", static_cast<int64_t>(1));
        x = flat;
    }
    std::vector<std::string> inputs = { x, w.param(0) };
    if (w.layer().inner_product.bias)
        inputs.push_back(w.param(1));
    set(w.node("Gemm", inputs, w.top()), "transB", static_cast<int64_t>(1));
}

} // namespace

const LayerFormats inner_product_formats = { { { "InnerProduct", { "inner_product_param" }, false, false },
                                               { "FcRistretto", { "inner_product_param" }, false, true } },
                                             read_caffe,
                                             write_caffe,
                                             { { "Gemm", 2, 3, " alpha beta transA transB ", read_gemm },
                                               { "MatMul", 2, 2, "", read_matmul } },
                                             write_onnx };

} // namespace ristretto
