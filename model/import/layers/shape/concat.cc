// Concat, Slice and Split.
#include <climits>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void concat_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ConcatParameter &p = r.param().concat_param();
    const Node node = r.node().in("concat_param");
    if (p.has_axis() && p.has_concat_dim())
        r.bad(node.at("concat_dim"), "", r.name() + ": both axis and concat_dim are given, expected axis");
    out->concat.axis = p.has_concat_dim() ? static_cast<int64_t>(p.concat_dim()) : p.axis();
    r.not_batch(out->concat.axis, node, p.has_concat_dim() ? "concat_dim" : "axis");
}

void concat_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_concat_param()->set_axis(static_cast<int>(layer.concat.axis));
}

void concat_read_onnx(OnnxReader &r)
{
    bool constants = true;
    for (int i = 0; i < r.node().input_size(); i++)
        constants = r.is_constant(i) && constants;
    const auto *a = r.attribute("axis");
    if (a == nullptr)
        r.refuse("it has no axis");
    if (constants)
        return fold_concat(r);
    std::vector<int> bottoms;
    for (int i = 0; i < r.node().input_size(); i++)
        bottoms.push_back(r.blob(i));
    const int64_t k = r.axis(a->i(), r.build().shape(bottoms[0]).n_axes);
    if (k == 0)
        r.refuse("axis 0, the batch, is not supported");
    r.layer(RS_LAYER_CONCAT, bottoms).concat.axis = k;
    r.finish();
}

void concat_write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    std::vector<std::string> inputs;
    for (int b = 0; b < l.n_bottoms; b++)
        inputs.push_back(w.bottom(b));
    set(w.node("Concat", inputs, w.top()), "axis", static_cast<int64_t>(rs_axis(l.concat.axis, w.in().n_axes)));
}

void slice_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::SliceParameter &p = r.param().slice_param();
    const Node node = r.node().in("slice_param");
    rs_slice_param *to = &out->slice;
    if (p.has_axis() && p.has_slice_dim())
        r.bad(node.at("slice_dim"), "", r.name() + ": both axis and slice_dim are given, expected axis");
    to->axis = p.has_slice_dim() ? static_cast<int64_t>(p.slice_dim()) : p.axis();
    r.not_batch(to->axis, node, p.has_slice_dim() ? "slice_dim" : "axis");
    to->points = new_array<int64_t>(static_cast<std::size_t>(p.slice_point_size()) + 1);
    for (int i = 0; i < p.slice_point_size(); i++)
        to->points[to->n_points++] = r.within(p.slice_point(i), 1, max_size, node, "slice_point", i);
}

void slice_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_slice_param()->set_axis(static_cast<int>(layer.slice.axis));
    for (int i = 0; i < layer.slice.n_points; i++)
        to->mutable_slice_param()->add_slice_point(u32(layer.slice.points[i]));
}

void slice_read_onnx(OnnxReader &r)
{
    const int in = r.blob(0);
    const rs_shape shape = r.build().shape(in);
    const int64_t k = r.axis(r.integer("axis", 0), shape.n_axes);
    if (k == 0)
        r.refuse("axis 0, the batch, is not supported");
    const std::vector<int64_t> sizes = r.list("split", 1);
    const std::size_t n = static_cast<std::size_t>(r.node().output_size());
    if (!sizes.empty() && sizes.size() != n)
        r.refuse("split has " + std::to_string(sizes.size()) + " sizes for " + std::to_string(n) + " outputs");
    std::vector<int> tops;
    for (const std::string &name : r.node().output()) {
        if (name.empty())
            r.refuse("an output without a name");
        tops.push_back(r.build().new_blob(name));
    }
    rs_layer &l = r.build().add(RS_LAYER_SLICE, r.node_name(), { in }, tops);
    l.slice.axis = k;
    if (!sizes.empty()) {
        l.slice.points = RS_NEW_ARRAY(int64_t, n);
        if (l.slice.points == nullptr)
            throw std::bad_alloc();
        int64_t at = 0;
        for (const int64_t s : sizes) {
            at = r.within(at + r.within(s, 1, "split"), 1, "split");
            if (l.slice.n_points + 1 < static_cast<int>(n))
                l.slice.points[l.slice.n_points++] = at;
        }
        if (at != shape.dim[k])
            r.refuse("the sizes of split do not add up to " + std::to_string(shape.dim[k]));
    }
    r.infer();
    for (std::size_t i = 0; i < n; i++) {
        Value v;
        v.blob = tops[i];
        r.set_producer(tops[i], r.build().last_layer());
        r.bind(r.node().output(static_cast<int>(i)), v);
    }
}

void slice_write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    const int axis = rs_axis(l.slice.axis, w.in().n_axes);
    std::vector<int64_t> sizes;
    for (int t = 0; t < l.n_tops; t++)
        sizes.push_back(w.net().blobs[l.tops[t]].shape.dim[axis]);
    const std::string x = w.bottom(), split = w.whole(".split", sizes);
    onnx::NodeProto *n = w.node("Split", { x, split }, w.top(0));
    for (int t = 1; t < l.n_tops; t++)
        n->add_output(w.top(t));
    set(n, "axis", static_cast<int64_t>(axis));
}

void split_write_onnx(OnnxWriter &w)
{
    const std::string x = w.bottom();
    for (int t = 0; t < w.layer().n_tops; t++)
        w.node("Identity", { x }, w.top(t), "/" + std::to_string(t));
}

} // namespace

const LayerFormats concat_formats = { { { "Concat", { "concat_param" }, false, false } },
                                      concat_read_caffe,
                                      concat_write_caffe,
                                      { { "Concat", 1, INT_MAX, " axis ", concat_read_onnx } },
                                      concat_write_onnx };

const LayerFormats slice_formats = { { { "Slice", { "slice_param" }, false, false } },
                                     slice_read_caffe,
                                     slice_write_caffe,
                                     { { "Split", 1, 2, " axis split ", slice_read_onnx } },
                                     slice_write_onnx };

const LayerFormats split_formats = { { { "Split", {}, false, false } }, nullptr, nullptr, {}, split_write_onnx };

} // namespace ristretto
