// Softmax, its loss, the Euclidean loss and accuracy. Losses and accuracy need labels: they are never written.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *)
{
    r.axis_is_channels(r.param().softmax_param().axis(), r.node().in("softmax_param"));
}

void read_onnx(OnnxReader &r)
{
    const int in = r.blob(0);
    const rs_shape &s = r.build().shape(in);
    const int64_t a = r.axis(r.integer("axis", r.opset() < 13 ? 1 : -1), s.n_axes);
    // Before operator set 13, all axes from this one on are one.
    if (a != 1 || (r.opset() < 13 && rs_shape_count(&s, 2) != 1))
        r.refuse("axis " + std::to_string(a) + " of an input of " + shape_text(s) + ", expected the classes at axis 1");
    r.layer(RS_LAYER_SOFTMAX, { in });
    r.finish();
}

void write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    set(w.node("Softmax", { x }, w.top()), "axis", static_cast<int64_t>(1));
}

void loss_read_caffe(LayerReader &r, rs_layer *out)
{
    read_caffe(r, out);
    const caffe::LossParameter &p = r.param().loss_param();
    out->criterion.ignores = p.has_ignore_label();
    out->criterion.ignored = p.ignore_label();
    switch (p.normalization()) {
    case caffe::LossParameter::FULL:
        out->criterion.normalization = RS_NORM_FULL;
        break;
    case caffe::LossParameter::VALID:
        out->criterion.normalization = RS_NORM_VALID;
        break;
    case caffe::LossParameter::BATCH_SIZE:
        out->criterion.normalization = RS_NORM_BATCH_SIZE;
        break;
    case caffe::LossParameter::NONE:
        out->criterion.normalization = RS_NORM_NONE;
        break;
    }
    // The older field, which the newer one overrides.
    if (!p.has_normalization() && p.has_normalize() && !p.normalize())
        out->criterion.normalization = RS_NORM_BATCH_SIZE;
}

// The loss is divided by the images of the batch, whatever normalization says; Caffe ignores the field here.
void euclidean_loss_read_caffe(LayerReader &r, rs_layer *)
{
    const caffe::LossParameter &p = r.param().loss_param();
    const char *field = p.has_ignore_label() ? "ignore_label" : p.has_normalization() ? "normalization" : "normalize";
    if (p.has_ignore_label() || p.has_normalization() || p.has_normalize())
        r.bad(r.node().in("loss_param").at(field), "",
              r.name() + " (" + r.param().type() + "): " + field + " has no effect on this loss");
}

void accuracy_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::AccuracyParameter &p = r.param().accuracy_param();
    const Node node = r.node().in("accuracy_param");
    out->criterion.top_k = static_cast<int>(r.within(p.top_k(), 1, max_size, node, "top_k"));
    r.axis_is_channels(p.axis(), node);
    out->criterion.ignores = p.has_ignore_label();
    out->criterion.ignored = p.ignore_label();
}

} // namespace

const LayerFormats softmax_formats = { { { "Softmax", { "softmax_param" }, false, false } },
                                       read_caffe,
                                       nullptr,
                                       { { "Softmax", 1, 1, " axis ", read_onnx } },
                                       write_onnx };

const LayerFormats softmax_loss_formats = {
    { { "SoftmaxWithLoss", { "softmax_param", "loss_param" }, false, false } }, loss_read_caffe, nullptr, {}, nullptr
};

const LayerFormats euclidean_loss_formats = {
    { { "EuclideanLoss", { "loss_param" }, false, false } }, euclidean_loss_read_caffe, nullptr, {}, nullptr
};

const LayerFormats accuracy_formats = {
    { { "Accuracy", { "accuracy_param" }, false, false } }, accuracy_read_caffe, nullptr, {}, nullptr
};

} // namespace ristretto
