// MVN and Normalize.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void mvn_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::MVNParameter &p = r.param().mvn_param();
    out->mvn.across = p.across_channels();
    out->mvn.variance = p.normalize_variance();
    out->mvn.eps = r.finite(p.eps(), "mvn_param", "eps");
}

void mvn_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_mvn_param()->set_across_channels(layer.mvn.across);
    to->mutable_mvn_param()->set_normalize_variance(layer.mvn.variance);
    to->mutable_mvn_param()->set_eps(layer.mvn.eps);
}

void mvn_write_onnx(OnnxWriter &w)
{
    const rs_mvn_param &p = w.layer().mvn;
    if (!p.variance || p.eps < 1e-9F || p.eps > 1e-9F)
        w.refuse("ONNX divides by the deviation plus 1e-9, always");
    std::vector<int64_t> axes;
    for (int i = p.across ? 1 : 2; i < w.in().n_axes; i++)
        axes.push_back(i);
    const std::string x = w.bottom();
    set(w.node("MeanVarianceNormalization", { x }, w.top()), "axes", axes);
}

void mvn_read_onnx(OnnxReader &r)
{
    const int in = r.blob(0), n_axes = r.build().shape(in).n_axes;
    std::vector<int64_t> axes = r.integers("axes");
    if (r.attribute("axes") == nullptr)
        axes = { 0, 2, 3 };
    const int64_t first = n_axes - static_cast<int64_t>(axes.size());
    for (std::size_t i = 0; i < axes.size(); i++)
        if (r.axis(axes[i], n_axes) != first + static_cast<int64_t>(i))
            r.refuse("only the last axes together, in order, are supported");
    if (first != 1 && first != 2)
        r.refuse("axes from " + std::to_string(first) + " on, expected from 1 or 2 on");
    r.layer(RS_LAYER_MVN, { in }).mvn = rs_mvn_param { first == 1, true, 1e-9F };
    r.finish();
}

void normalize_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::NormalizeParameter &p = r.param().norm_param();
    out->normalize.across = p.across_spatial();
    out->normalize.shared = p.channel_shared();
    out->normalize.eps = r.finite(p.eps(), "norm_param", "eps");
    out->normalize.filler = r.filler_or(p.scale_filler(), p.has_scale_filler(), 1,
                                        r.node().in("norm_param").in("scale_filler"));
    if (out->normalize.eps <= 0)
        r.bad(r.node().in("norm_param").at("eps"), "", r.name() + ": eps must be more than 0");
    out->n_params = 1;
}

void normalize_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::NormalizeParameter *p = to->mutable_norm_param();
    p->set_across_spatial(layer.normalize.across);
    p->set_channel_shared(layer.normalize.shared);
    p->set_eps(layer.normalize.eps);
    write_filler(layer.normalize.filler, p->mutable_scale_filler());
}

void normalize_write_onnx(OnnxWriter &w)
{
    w.refuse("ONNX's LpNormalization adds no eps");
}

} // namespace

const LayerFormats mvn_formats = { { { "MVN", { "mvn_param" }, false, false } },
                                   mvn_read_caffe,
                                   mvn_write_caffe,
                                   { { "MeanVarianceNormalization", 1, 1, " axes ", mvn_read_onnx } },
                                   mvn_write_onnx };

const LayerFormats normalize_formats = { { { "Normalize", { "norm_param" }, false, false } },
                                         normalize_read_caffe,
                                         normalize_write_caffe,
                                         {},
                                         normalize_write_onnx };

} // namespace ristretto
