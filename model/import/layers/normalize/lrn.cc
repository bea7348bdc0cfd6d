// LRN, across channels and within them.
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::LRNParameter &p = r.param().lrn_param();
    const Node node = r.node().in("lrn_param");
    rs_lrn_param *to = &out->lrn;
    to->across = p.norm_region() == caffe::LRNParameter::ACROSS_CHANNELS;
    to->size = r.within(p.local_size(), 1, max_size - 1, node, "local_size");
    if (to->size % 2 == 0)
        r.bad(node.at("local_size"), "",
              r.name() + ": local_size is " + std::to_string(to->size) + ", expected an odd number");
    to->alpha = r.finite(p.alpha(), "lrn_param", "alpha");
    to->beta = r.finite(p.beta(), "lrn_param", "beta");
    to->k = r.finite(p.k(), "lrn_param", "k");
    if (!to->across && to->k != 1)
        r.bad(node.at("k"), "", r.name() + ": k has no effect within a channel, expected 1");
}

void write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    caffe::LRNParameter *p = to->mutable_lrn_param();
    p->set_local_size(u32(layer.lrn.size));
    p->set_alpha(layer.lrn.alpha);
    p->set_beta(layer.lrn.beta);
    if (layer.lrn.across)
        p->set_k(layer.lrn.k);
    else
        p->set_norm_region(caffe::LRNParameter::WITHIN_CHANNEL);
}

void read_onnx(OnnxReader &r)
{
    const int in = r.blob(0);
    const int64_t size = r.within(r.integer("size", 0), 1, "size");
    if (size % 2 == 0)
        r.refuse("size is " + std::to_string(size) + ", expected an odd number");
    const float alpha = r.real("alpha", 0.0001F), beta = r.real("beta", 0.75F), k = r.real("bias", 1);
    r.layer(RS_LAYER_LRN, { in }).lrn = rs_lrn_param { true, size, alpha, beta, k };
    r.finish();
}

// x / (1 + alpha * average of x * x over the window)^beta: the reader knows it again (onnx/normalization.h).
void write_within_channels(OnnxWriter &w, const std::string &x)
{
    const rs_lrn_param &p = w.layer().lrn;
    const std::string name = w.layer().name;
    const std::string squares = w.unique(name + ".squares"), mean = w.unique(name + ".mean"),
                      scaled = w.unique(name + ".scaled");
    const std::string sum = w.unique(name + ".sum"), power = w.unique(name + ".power");
    w.node("Mul", { x, x }, squares, "/square");
    onnx::NodeProto *pool = w.node("AveragePool", { squares }, mean, "/average");
    const int64_t side = (p.size - 1) / 2;
    set(pool, "kernel_shape", { p.size, p.size });
    set(pool, "strides", { 1, 1 });
    set(pool, "pads", { side, side, side, side });
    set(pool, "count_include_pad", static_cast<int64_t>(1));
    const std::string alpha = w.floats(".alpha", {}, { p.alpha }), one = w.floats(".one", {}, { 1.0F }),
                      beta = w.floats(".beta", {}, { p.beta });
    w.node("Mul", { mean, alpha }, scaled, "/scale");
    w.node("Add", { scaled, one }, sum, "/add");
    w.node("Pow", { sum, beta }, power, "/power");
    w.node("Div", { x, power }, w.top());
}

void write_onnx(OnnxWriter &w)
{
    const rs_lrn_param &p = w.layer().lrn;
    const std::string x = w.bottom();
    if (!p.across)
        return write_within_channels(w, x);
    onnx::NodeProto *n = w.node("LRN", { x }, w.top());
    set(n, "size", p.size);
    set(n, "alpha", p.alpha);
    set(n, "beta", p.beta);
    set(n, "bias", p.k);
}

} // namespace

const LayerFormats lrn_formats = { { { "LRN", { "lrn_param" }, false, false },
                                     { "LRNRistretto", { "lrn_param" }, false, true } },
                                   read_caffe,
                                   write_caffe,
                                   { { "LRN", 1, 1, " alpha beta bias size ", read_onnx } },
                                   write_onnx };

} // namespace ristretto
