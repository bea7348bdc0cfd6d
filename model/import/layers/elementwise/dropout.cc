// Dropout, which does nothing in use, and Identity, which never does anything.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const float ratio = r.param().dropout_param().dropout_ratio();
    out->dropout_ratio = ratio;
    if (!(ratio >= 0 && ratio < 1)) {
        r.bad(r.node().in("dropout_param").at("dropout_ratio"), "",
              r.name() + ": dropout_ratio is " + std::to_string(ratio) + ", expected at least 0 and less than 1");
        out->dropout_ratio = 0;
    }
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_dropout_param()->set_dropout_ratio(layer.dropout_ratio);
}

void read_onnx(OnnxReader &r)
{
    if (r.node().output_size() > 1 && !r.node().output(1).empty() && r.is_used(r.node().output(1)))
        r.refuse("its second output (mask) is not supported");
    double ratio = static_cast<double>(r.real("ratio", 0.5F));
    if (r.has_input(1)) {
        const TensorPtr t = r.constant(1, "ratio");
        ratio = t->size() == 1 ? t->at(0) : -1;
    }
    if (!(ratio >= 0 && ratio < 1))
        r.refuse("its ratio is not at least 0 and less than 1");
    if (r.has_input(2)) {
        const TensorPtr training = r.constant(2, "training_mode");
        if (training->size() != 1 || training->at(0) < 0 || training->at(0) > 0)
            r.refuse("training_mode is on: its values would be random", "export the model for inference");
    }
    r.layer(RS_LAYER_DROPOUT, { r.blob(0) }).dropout_ratio = static_cast<float>(ratio);
    r.finish();
}

void write_onnx(OnnxWriter &w)
{
    if (w.layer().tops[0] == w.layer().bottoms[0])
        return;
    const std::string x = w.bottom();
    w.node("Identity", { x }, w.top());
}

void identity_write_caffe(const rs_net &, const rs_layer &, caffe::LayerParameter *to)
{
    to->mutable_dropout_param()->set_dropout_ratio(0.5F);
}

} // namespace

const LayerFormats dropout_formats = { { { "Dropout", { "dropout_param" }, false, false } },
                                       read_caffe,
                                       write_caffe,
                                       { { "Dropout", 1, 3, " ratio seed ", read_onnx } },
                                       write_onnx };

// Read as no layer at all (onnx/arithmetic.cc).
const LayerFormats identity_formats = { {}, nullptr, identity_write_caffe, {}, write_onnx };

} // namespace ristretto
