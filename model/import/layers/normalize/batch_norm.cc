// BatchNorm.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::BatchNormParameter &p = r.param().batch_norm_param();
    const Node node = r.node().in("batch_norm_param");
    rs_batch_norm_param *to = &out->batch_norm;
    to->global_stats = p.has_use_global_stats() ? p.use_global_stats() : r.phase() == RS_TEST;
    to->fraction = r.finite(p.moving_average_fraction(), "batch_norm_param", "moving_average_fraction");
    to->eps = r.finite(p.eps(), "batch_norm_param", "eps");
    if (to->eps < 0)
        r.bad(node.at("eps"), "", r.name() + ": eps is negative");
    out->n_params = 3;
    // Not learnt from gradients: the layer keeps them itself.
    for (int i = 0; i < r.param().param_size() && i < 3; i++)
        if (r.param().param(i).has_lr_mult() && r.param().param(i).lr_mult() != 0)
            r.bad(r.node().in("param", i).at("lr_mult"), "",
                  r.name() + " (BatchNorm) does not learn its statistics by gradient, expected lr_mult: 0");
    for (int i = 0; i < 3; i++)
        out->params[i].lr_mult = out->params[i].decay_mult = 0;
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::BatchNormParameter *p = to->mutable_batch_norm_param();
    p->set_use_global_stats(layer.batch_norm.global_stats);
    p->set_moving_average_fraction(layer.batch_norm.fraction);
    p->set_eps(layer.batch_norm.eps);
}

void read_onnx(OnnxReader &r)
{
    const int in = r.blob(0);
    const int64_t n = r.channels(in);
    if (r.integer("training_mode", 0) != 0)
        r.refuse("training_mode is not supported: export the model in evaluation mode");
    if (r.integer("spatial", 1) != 1)
        r.refuse("spatial 0 is not supported");
    for (int i = 1; i < r.node().output_size(); i++)
        if (!r.node().output(i).empty() && r.is_used(r.node().output(i)))
            r.refuse("only its first output is supported");
    const std::vector<float> scale = r.vector(1, "scale", n), shift = r.vector(2, "B", n);
    const std::vector<float> mean = r.vector(3, "mean", n), variance = r.vector(4, "var", n);
    const float eps = r.real("epsilon", 1e-5F);
    for (const float v : variance)
        if (!(v >= 0))
            r.refuse("a variance is negative");
    r.layer(RS_LAYER_BATCH_NORM, { in }).batch_norm = rs_batch_norm_param { true, 0.999F, eps };
    r.infer();
    r.set_param(0, mean);
    r.set_param(1, variance);
    r.set_param(2, { 1.0F });
    const int normal = r.build().layer(r.build().last_layer()).tops[0];
    rs_layer &s = r.build().add(RS_LAYER_SCALE, r.node_name() + "/scale", { normal }, { normal });
    s.scale.axis = 1;
    s.scale.num_axes = 1;
    s.scale.bias = true;
    r.set_producer(normal, r.build().last_layer());
    r.finish();
    r.set_param(0, scale);
    r.set_param(1, shift);
}

const rs_layer *scaling_after(OnnxWriter &w)
{
    if (w.index() + 1 >= w.net().n_layers)
        return nullptr;
    const rs_layer *next = &w.net().layers[w.index() + 1];
    if (next->type != RS_LAYER_SCALE || next->bottoms[0] != w.layer().tops[0] || next->scale.num_axes != 1 ||
        rs_axis(next->scale.axis, w.in().n_axes) != 1)
        return nullptr;
    if (next->tops[0] != w.layer().tops[0])
        for (int i = 0; i < w.net().n_layers; i++)
            for (int b = 0; b < w.net().layers[i].n_bottoms; b++)
                if (&w.net().layers[i] != next && i != w.index() && w.net().layers[i].bottoms[b] == w.layer().tops[0])
                    return nullptr; // somebody else reads what it gives
    return next;
}

// A batch normalization, with the scaling behind it if that is all that reads it.
void write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    if (!l.batch_norm.global_stats)
        w.refuse("it normalizes by each batch's own statistics (use_global_stats: false)");
    const int64_t channels = w.in().dim[1];
    const float factor = l.params[2].data[0];
    std::vector<float> mean = w.values(0), variance = w.values(1);
    for (std::size_t i = 0; i < mean.size(); i++) { // as the layer itself takes them; without a factor all are zero
        mean[i] = factor < 0 || factor > 0 ? mean[i] / factor : 0;
        variance[i] = factor < 0 || factor > 0 ? variance[i] / factor : 0;
    }
    const std::vector<float> ones(static_cast<std::size_t>(channels), 1.0F),
        zeros(static_cast<std::size_t>(channels), 0.0F);
    const rs_layer *next = scaling_after(w);
    const std::string x = w.bottom(), m = w.floats(".mean", { channels }, mean),
                      v = w.floats(".variance", { channels }, variance);
    std::string scale, bias, y;
    if (next != nullptr) {
        w.merge(next); // whose names, values and top are used
        scale = w.floats(".weight", { channels }, w.values(0));
        bias = w.floats(".bias", { channels }, next->scale.bias ? w.values(1) : zeros);
        y = w.top();
        w.back();
    } else {
        scale = w.floats(".weight", { channels }, ones);
        bias = w.floats(".bias", { channels }, zeros);
        y = w.top();
    }
    set(w.node("BatchNormalization", { x, scale, bias, m, v }, y), "epsilon", l.batch_norm.eps);
}

} // namespace

const LayerFormats batch_norm_formats = { { { "BatchNorm", { "batch_norm_param" }, false, false } },
                                          read_caffe,
                                          write_caffe,
                                          { { "BatchNormalization", 5, 5, " epsilon momentum spatial training_mode ",
                                              read_onnx } },
                                          write_onnx };

} // namespace ristretto
