// ReLU, ELU, Sigmoid, TanH, PReLU and Clip.
#include <algorithm>
#include <cmath>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void relu_read_caffe(LayerReader &r, rs_layer *out)
{
    out->relu_slope = r.finite(r.param().relu_param().negative_slope(), "relu_param", "negative_slope");
}

void relu_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    if (layer.relu_slope < 0 || layer.relu_slope > 0)
        to->mutable_relu_param()->set_negative_slope(layer.relu_slope);
}

void relu_read_onnx(OnnxReader &r)
{
    r.layer(RS_LAYER_RELU, { r.blob(0) }).relu_slope = 0;
    r.finish();
}

void leaky_relu_read_onnx(OnnxReader &r)
{
    const float slope = r.real("alpha", 0.01F);
    r.layer(RS_LAYER_RELU, { r.blob(0) }).relu_slope = slope;
    r.finish();
}

void relu_write_onnx(OnnxWriter &w)
{
    const float slope = w.layer().relu_slope;
    const std::string x = w.bottom();
    if (slope < 0 || slope > 0)
        set(w.node("LeakyRelu", { x }, w.top()), "alpha", slope);
    else
        w.node("Relu", { x }, w.top());
}

void elu_read_caffe(LayerReader &r, rs_layer *out)
{
    out->elu_alpha = r.finite(r.param().elu_param().alpha(), "elu_param", "alpha");
}

void elu_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_elu_param()->set_alpha(layer.elu_alpha);
}

void elu_read_onnx(OnnxReader &r)
{
    const float alpha = r.real("alpha", 1);
    r.layer(RS_LAYER_ELU, { r.blob(0) }).elu_alpha = alpha;
    r.finish();
}

void elu_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    set(w.node("Elu", { x }, w.top()), "alpha", w.layer().elu_alpha);
}

void sigmoid_read_onnx(OnnxReader &r)
{
    r.layer(RS_LAYER_SIGMOID, { r.blob(0) });
    r.finish();
}

void sigmoid_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    w.node("Sigmoid", { x }, w.top());
}

void tanh_read_onnx(OnnxReader &r)
{
    r.layer(RS_LAYER_TANH, { r.blob(0) });
    r.finish();
}

void tanh_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    w.node("Tanh", { x }, w.top());
}

void prelu_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::PReLUParameter &p = r.param().prelu_param();
    out->prelu.shared = p.channel_shared();
    out->prelu.filler = r.filler_or(p.filler(), p.has_filler(), 0.25F, r.node().in("prelu_param").in("filler"));
    out->n_params = 1;
}

void prelu_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    if (layer.prelu.shared)
        to->mutable_prelu_param()->set_channel_shared(true);
    write_filler(layer.prelu.filler, to->mutable_prelu_param()->mutable_filler());
}

void prelu_read_onnx(OnnxReader &r)
{
    const int in = r.blob(0);
    const TensorPtr slope = r.constant(1, "slope");
    const int64_t n = r.channels(in);
    if (slope->size() != 1 && static_cast<int64_t>(slope->size()) != n)
        r.refuse("slope is " + slope->shape_text() + ", expected one value for each of " + std::to_string(n) +
                 " channels");
    if (slope->size() != 1 && !per_channel(*slope, r.build().shape(in)))
        r.refuse("slope is " + slope->shape_text() + ", expected a value for each channel");
    const bool one = slope->size() == 1;
    r.layer(RS_LAYER_PRELU, { in }).prelu.shared = one;
    r.finish();
    r.set_param(0, r.floats(*slope, "slope"));
}

void prelu_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    std::vector<int64_t> dims(1, rs_shape_count(&w.layer().params[0].shape, 0));
    dims.resize(static_cast<std::size_t>(w.in().n_axes - 1), 1);
    w.node("PRelu", { x, w.param(0, dims) }, w.top());
}

void clip_read_caffe(LayerReader &r, rs_layer *out)
{
    if (r.param().type() == "ReLU6") {
        out->clip[1] = 6;
        return;
    }
    const caffe::ClipParameter &p = r.param().clip_param();
    const Node node = r.node().in("clip_param");
    if (!p.has_min() || !p.has_max())
        r.bad(node.loc(), "", r.name() + " has no " + (p.has_min() ? "max" : "min"));
    out->clip[0] = r.finite(p.min(), "clip_param", "min");
    out->clip[1] = r.finite(p.max(), "clip_param", "max");
    if (p.has_min() && p.has_max() && out->clip[0] > out->clip[1])
        r.bad(node.at("min"), "", r.name() + ": min is greater than max");
}

void clip_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_clip_param()->set_min(layer.clip[0]);
    to->mutable_clip_param()->set_max(layer.clip[1]);
}

void clip_read_onnx(OnnxReader &r)
{
    double limit[2] = { -INFINITY, INFINITY };
    static const char *const names[2] = { "min", "max" };
    for (int i = 0; i < 2; i++) {
        if (r.has_input(i + 1)) {
            const TensorPtr t = r.constant(i + 1, names[i]);
            if (t->size() != 1)
                r.refuse(std::string(names[i]) + " is " + t->shape_text() + ", expected one value");
            limit[i] = t->at(0);
        } else if (const auto *a = r.attribute(names[i])) {
            limit[i] = static_cast<double>(a->f());
        }
    }
    constexpr double max_float = 3.4028234663852886e38; // the largest float
    if (std::isnan(limit[0]) || std::isnan(limit[1]) || limit[0] > limit[1])
        r.refuse("its limits are no range");
    if (limit[0] >= 0 && limit[0] <= 0 && limit[1] >= max_float)
        return relu_read_onnx(r);
    rs_layer &l = r.layer(RS_LAYER_CLIP, { r.blob(0) });
    l.clip[0] = static_cast<float>(std::max(limit[0], -max_float));
    l.clip[1] = static_cast<float>(std::min(limit[1], max_float));
    r.finish();
}

void clip_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom(), low = w.floats(".min", {}, { w.layer().clip[0] }),
                      high = w.floats(".max", {}, { w.layer().clip[1] });
    w.node("Clip", { x, low, high }, w.top());
}

} // namespace

const LayerFormats relu_formats = { { { "ReLU", { "relu_param" }, false, false } },
                                    relu_read_caffe,
                                    relu_write_caffe,
                                    { { "LeakyRelu", 1, 1, " alpha ", leaky_relu_read_onnx },
                                      { "Relu", 1, 1, "", relu_read_onnx } },
                                    relu_write_onnx };

const LayerFormats elu_formats = { { { "ELU", { "elu_param" }, false, false } },
                                   elu_read_caffe,
                                   elu_write_caffe,
                                   { { "Elu", 1, 1, " alpha ", elu_read_onnx } },
                                   elu_write_onnx };

const LayerFormats sigmoid_formats = { { { "Sigmoid", { "sigmoid_param" }, false, false } },
                                       nullptr,
                                       nullptr,
                                       { { "Sigmoid", 1, 1, "", sigmoid_read_onnx } },
                                       sigmoid_write_onnx };

const LayerFormats tanh_formats = { { { "TanH", { "tanh_param" }, false, false } },
                                    nullptr,
                                    nullptr,
                                    { { "Tanh", 1, 1, "", tanh_read_onnx } },
                                    tanh_write_onnx };

const LayerFormats prelu_formats = { { { "PReLU", { "prelu_param" }, false, false } },
                                     prelu_read_caffe,
                                     prelu_write_caffe,
                                     { { "PRelu", 2, 2, "", prelu_read_onnx } },
                                     prelu_write_onnx };

const LayerFormats clip_formats = { { { "Clip", { "clip_param" }, false, false },
                                      { "ReLU6", { "relu_param" }, false, false } },
                                    clip_read_caffe,
                                    clip_write_caffe,
                                    { { "Clip", 1, 3, " min max ", clip_read_onnx } },
                                    clip_write_onnx };

} // namespace ristretto
