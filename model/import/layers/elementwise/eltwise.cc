// Eltwise.
#include <algorithm>
#include <climits>
#include <cmath>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::EltwiseParameter &p = r.param().eltwise_param();
    const Node node = r.node().in("eltwise_param");
    rs_eltwise_param *to = &out->eltwise;
    to->method = p.operation() == caffe::EltwiseParameter::PROD  ? RS_ELTWISE_PRODUCT
                 : p.operation() == caffe::EltwiseParameter::MAX ? RS_ELTWISE_MAX
                                                                 : RS_ELTWISE_SUM;
    if (p.coeff_size() == 0)
        return;
    if (to->method != RS_ELTWISE_SUM)
        r.bad(node.at("coeff"), "", r.name() + ": only a SUM takes coeff");
    else if (p.coeff_size() != r.param().bottom_size())
        r.bad(node.at("coeff"), "",
              r.name() + ": " + std::to_string(p.coeff_size()) + " values of coeff for " +
                  std::to_string(r.param().bottom_size()) + " bottoms, expected one each");
    to->coefficients = new_array<float>(static_cast<std::size_t>(p.coeff_size()));
    for (int i = 0; i < p.coeff_size(); i++) {
        to->coefficients[i] = p.coeff(i);
        if (!std::isfinite(p.coeff(i)))
            r.bad(node.at("coeff", i), "", r.name() + ": coeff is not a finite number");
    }
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    const rs_eltwise_param &e = layer.eltwise;
    caffe::EltwiseParameter *p = to->mutable_eltwise_param();
    p->set_operation(e.method == RS_ELTWISE_PRODUCT ? caffe::EltwiseParameter::PROD
                     : e.method == RS_ELTWISE_MAX   ? caffe::EltwiseParameter::MAX
                                                    : caffe::EltwiseParameter::SUM);
    for (int i = 0; i < layer.n_bottoms && e.coefficients != nullptr; i++)
        p->add_coeff(e.coefficients[i]);
}

void read_sum(OnnxReader &r)
{
    read_eltwise(r, RS_ELTWISE_SUM);
}

void read_max(OnnxReader &r)
{
    read_eltwise(r, RS_ELTWISE_MAX);
}

void write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    std::vector<std::string> inputs;
    for (int b = 0; b < l.n_bottoms; b++) {
        std::string x = w.bottom(b);
        const float c = l.eltwise.coefficients != nullptr ? l.eltwise.coefficients[b] : 1;
        if (c < 1 || c > 1) {
            const std::string product = w.unique(std::string(l.name) + ".term");
            w.node("Mul", { x, w.floats(".coefficient", {}, { c }) }, product, "/multiply" + std::to_string(b));
            x = product;
        }
        inputs.push_back(x);
    }
    if (l.eltwise.method == RS_ELTWISE_MAX) {
        w.node("Max", inputs, w.top());
    } else if (l.eltwise.method == RS_ELTWISE_SUM) {
        w.node("Sum", inputs, w.top());
    } else {
        std::string x = inputs[0];
        for (std::size_t i = 1; i < inputs.size(); i++) {
            const bool last = i + 1 == inputs.size();
            const std::string y = last ? w.top() : w.unique(std::string(l.name) + ".product");
            w.node("Mul", { x, inputs[i] }, y, last ? "" : "/" + std::to_string(i));
            x = y;
        }
    }
}

} // namespace

void read_eltwise(OnnxReader &r, rs_eltwise_method method, const std::vector<float> &coefficients)
{
    std::vector<int> bottoms;
    for (int i = 0; i < r.node().input_size(); i++)
        bottoms.push_back(r.blob(i));
    for (const int b : bottoms)
        if (!rs_shape_equal(&r.build().shape(b), &r.build().shape(bottoms[0])))
            r.refuse("values of " + shape_text(r.build().shape(bottoms[0])) + " and " + shape_text(r.build().shape(b)) +
                     ", expected the same shape");
    if (bottoms.size() == 1) {
        r.alias(r.node().output(0), r.value(0));
        return;
    }
    rs_layer &l = r.layer(RS_LAYER_ELTWISE, bottoms);
    l.eltwise.method = method;
    if (!coefficients.empty()) {
        l.eltwise.coefficients = RS_NEW_ARRAY(float, coefficients.size());
        if (l.eltwise.coefficients == nullptr)
            throw std::bad_alloc();
        std::copy(coefficients.begin(), coefficients.end(), l.eltwise.coefficients);
    }
    r.finish();
}

const LayerFormats eltwise_formats = { { { "Eltwise", { "eltwise_param" }, false, false } },
                                       read_caffe,
                                       write_caffe,
                                       { { "Max", 1, INT_MAX, "", read_max }, { "Sum", 1, INT_MAX, "", read_sum } },
                                       write_onnx };

} // namespace ristretto
