// Power, Exp, Log, AbsVal, BNLL, Threshold and Swish, and the operators of ONNX that are such functions.
#include <cmath>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

template <class Param> void read_line(LayerReader &r, const Param &p, const char *block, rs_power_param *to)
{
    to->scale = r.finite(p.scale(), block, "scale");
    to->shift = r.finite(p.shift(), block, "shift");
    to->power = 1;
    to->base = -1;
}

void power_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::PowerParameter &p = r.param().power_param();
    read_line(r, p, "power_param", &out->power);
    out->power.power = r.finite(p.power(), "power_param", "power");
}

template <class Param> void read_base(LayerReader &r, const Param &p, const char *block, rs_power_param *to)
{
    read_line(r, p, block, to);
    to->base = r.finite(p.base(), block, "base");
    const bool natural = to->base <= -1 && to->base >= -1;
    if (!natural && (!(to->base > 0) || (to->base >= 1 && to->base <= 1)))
        r.bad(r.node().in(block).at("base"), "-1 stands for e",
              r.name() + ": base is " + std::to_string(to->base) + ", expected -1, or more than 0 and not 1");
}

void exp_read_caffe(LayerReader &r, rs_layer *out)
{
    read_base(r, r.param().exp_param(), "exp_param", &out->power);
}

void log_read_caffe(LayerReader &r, rs_layer *out)
{
    read_base(r, r.param().log_param(), "log_param", &out->power);
}

void threshold_read_caffe(LayerReader &r, rs_layer *out)
{
    out->threshold = r.finite(r.param().threshold_param().threshold(), "threshold_param", "threshold");
}

void swish_read_caffe(LayerReader &r, rs_layer *out)
{
    out->swish_beta = r.finite(r.param().swish_param().beta(), "swish_param", "beta");
}

void power_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::PowerParameter *p = to->mutable_power_param();
    p->set_power(layer.power.power);
    p->set_scale(layer.power.scale);
    p->set_shift(layer.power.shift);
}

template <class Param> void write_base(const rs_power_param &from, Param *p)
{
    p->set_base(from.base);
    p->set_scale(from.scale);
    p->set_shift(from.shift);
}

void exp_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    write_base(layer.power, to->mutable_exp_param());
}

void log_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    write_base(layer.power, to->mutable_log_param());
}

void threshold_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_threshold_param()->set_threshold(layer.threshold);
}

void swish_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_swish_param()->set_beta(layer.swish_beta);
}

// ---- ONNX

void give_power(OnnxReader &r, float power, float scale)
{
    r.layer(RS_LAYER_POWER, { r.blob(0) }).power = rs_power_param { power, -1, scale, 0 };
    r.finish();
}

void read_pow(OnnxReader &r)
{
    const TensorPtr t = r.constant(1, "the exponent");
    if (t->size() != 1 || !std::isfinite(t->at(0)))
        r.refuse("the exponent is " + t->shape_text() + ", expected one finite value");
    give_power(r, static_cast<float>(t->at(0)), 1);
}

void read_sqrt(OnnxReader &r)
{
    give_power(r, 0.5F, 1);
}

void read_reciprocal(OnnxReader &r)
{
    give_power(r, -1, 1);
}

void read_neg(OnnxReader &r)
{
    give_power(r, 1, -1);
}

template <rs_layer_type type> void read_natural(OnnxReader &r)
{
    r.layer(type, { r.blob(0) }).power = rs_power_param { 1, -1, 1, 0 };
    r.finish();
}

template <rs_layer_type type> void read_plain(OnnxReader &r)
{
    r.layer(type, { r.blob(0) });
    r.finish();
}

// A node whose output only the next one reads.
std::string step(OnnxWriter &w, const char *op, const std::vector<std::string> &inputs, const char *what)
{
    const std::string y = w.unique(std::string(w.layer().name) + "." + what);
    w.node(op, inputs, y, std::string("/") + what);
    return y;
}

bool is(float x, float value)
{
    return x >= value && x <= value;
}

// shift + scale x
std::string line(OnnxWriter &w, std::string x, float factor)
{
    const rs_power_param &p = w.layer().power;
    const float scale = p.scale * factor, shift = p.shift * factor;
    if (!is(scale, 1))
        x = step(w, "Mul", { x, w.floats(".scale", {}, { scale }) }, "scaled");
    if (!is(shift, 0))
        x = step(w, "Add", { x, w.floats(".shift", {}, { shift }) }, "shifted");
    return x;
}

void power_write_onnx(OnnxWriter &w)
{
    const rs_power_param &p = w.layer().power;
    const std::string x = line(w, w.bottom(), 1);
    if (is(p.power, 1))
        w.node("Identity", { x }, w.top());
    else if (is(p.power, -1))
        w.node("Reciprocal", { x }, w.top());
    else
        w.node("Pow", { x, w.floats(".power", {}, { p.power }) }, w.top());
}

float log_of_base(const rs_power_param &p)
{
    return p.base < 0 ? 1 : std::log(p.base);
}

void exp_write_onnx(OnnxWriter &w)
{
    const std::string x = line(w, w.bottom(), log_of_base(w.layer().power));
    w.node("Exp", { x }, w.top());
}

void log_write_onnx(OnnxWriter &w)
{
    const float base = log_of_base(w.layer().power);
    const std::string x = line(w, w.bottom(), 1);
    if (is(base, 1)) {
        w.node("Log", { x }, w.top());
    } else {
        const std::string y = step(w, "Log", { x }, "log");
        w.node("Div", { y, w.floats(".base", {}, { base }) }, w.top());
    }
}

void absval_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    w.node("Abs", { x }, w.top());
}

void bnll_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    w.node("Softplus", { x }, w.top());
}

void swish_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    std::string z = x;
    if (!is(w.layer().swish_beta, 1))
        z = step(w, "Mul", { x, w.floats(".beta", {}, { w.layer().swish_beta }) }, "scaled");
    const std::string gate = step(w, "Sigmoid", { z }, "gate");
    w.node("Mul", { x, gate }, w.top());
}

void threshold_write_onnx(OnnxWriter &w)
{
    w.refuse("only comparisons, which are no floats, would say it");
}

} // namespace

const LayerFormats power_formats = { { { "Power", { "power_param" }, false, false } },
                                     power_read_caffe,
                                     power_write_caffe,
                                     { { "Neg", 1, 1, "", read_neg },
                                       { "Pow", 2, 2, "", read_pow },
                                       { "Reciprocal", 1, 1, "", read_reciprocal },
                                       { "Sqrt", 1, 1, "", read_sqrt } },
                                     power_write_onnx };

const LayerFormats exp_formats = { { { "Exp", { "exp_param" }, false, false } },
                                   exp_read_caffe,
                                   exp_write_caffe,
                                   { { "Exp", 1, 1, "", read_natural<RS_LAYER_EXP> } },
                                   exp_write_onnx };

const LayerFormats log_formats = { { { "Log", { "log_param" }, false, false } },
                                   log_read_caffe,
                                   log_write_caffe,
                                   { { "Log", 1, 1, "", read_natural<RS_LAYER_LOG> } },
                                   log_write_onnx };

const LayerFormats absval_formats = { { { "AbsVal", {}, false, false } },
                                      nullptr,
                                      nullptr,
                                      { { "Abs", 1, 1, "", read_plain<RS_LAYER_ABSVAL> } },
                                      absval_write_onnx };

const LayerFormats bnll_formats = { { { "BNLL", {}, false, false } },
                                    nullptr,
                                    nullptr,
                                    { { "Softplus", 1, 1, "", read_plain<RS_LAYER_BNLL> } },
                                    bnll_write_onnx };

const LayerFormats threshold_formats = { { { "Threshold", { "threshold_param" }, false, false } },
                                         threshold_read_caffe,
                                         threshold_write_caffe,
                                         {},
                                         threshold_write_onnx };

const LayerFormats swish_formats = {
    { { "Swish", { "swish_param" }, false, false } }, swish_read_caffe, swish_write_caffe, {}, swish_write_onnx
};

} // namespace ristretto
