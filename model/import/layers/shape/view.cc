// Permute, Tile, Crop, ShuffleChannel and Reorg.
#include <algorithm>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void permute_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::PermuteParameter &p = r.param().permute_param();
    const Node node = r.node().in("permute_param");
    if (p.order_size() > RS_MAX_AXES)
        r.bad(node.at("order", RS_MAX_AXES), "", r.name() + ": more than " + std::to_string(RS_MAX_AXES) + " axes");
    for (int i = 0; i < std::min<int>(p.order_size(), RS_MAX_AXES); i++)
        out->permute.dim[out->permute.n_axes++] = r.within(p.order(i), 0, RS_MAX_AXES - 1, node, "order", i);
}

void permute_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    for (int i = 0; i < layer.permute.n_axes; i++)
        to->mutable_permute_param()->add_order(u32(layer.permute.dim[i]));
}

void permute_write_onnx(OnnxWriter &w)
{
    const rs_shape &order = w.layer().permute;
    const std::string x = w.bottom();
    set(w.node("Transpose", { x }, w.top()), "perm", dims_of(order));
}

void tile_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::TileParameter &p = r.param().tile_param();
    const Node node = r.node().in("tile_param");
    out->tile.axis = p.axis();
    r.not_batch(p.axis(), node, "axis");
    if (!p.has_tiles())
        r.bad(node.loc(), "", r.name() + " has no tiles");
    out->tile.tiles = p.has_tiles() ? r.within(p.tiles(), 1, max_size, node, "tiles") : 1;
}

void tile_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_tile_param()->set_axis(static_cast<int>(layer.tile.axis));
    to->mutable_tile_param()->set_tiles(static_cast<int>(layer.tile.tiles));
}

// One axis may be tiled; several are several layers.
void tile_read_onnx(OnnxReader &r)
{
    const std::vector<int64_t> repeats = r.whole(*r.constant(1, "repeats"), "repeats");
    int in = r.blob(0), last = -1;
    if (repeats.size() != static_cast<std::size_t>(r.build().shape(in).n_axes))
        r.refuse("repeats has " + std::to_string(repeats.size()) + " values for a value of " +
                 shape_text(r.build().shape(in)));
    for (std::size_t i = 0; i < repeats.size(); i++) {
        if (repeats[i] < 1 || repeats[i] > max_size || (i == 0 && repeats[i] != 1))
            r.refuse("repeats of " + std::to_string(repeats[i]) + " along axis " + std::to_string(i) +
                     " are not supported");
        if (repeats[i] != 1)
            last = static_cast<int>(i);
    }
    if (last < 0)
        return r.alias(r.node().output(0), r.value(0));
    for (int i = 0; i < last; i++) {
        const int64_t n = repeats[static_cast<std::size_t>(i)];
        if (n == 1)
            continue;
        const int top = r.build().new_blob(r.node_name() + "/axis " + std::to_string(i));
        r.build().add(RS_LAYER_TILE, r.node_name() + "/" + std::to_string(i), { in }, { top }).tile = { i, n };
        r.infer();
        in = top;
    }
    r.layer(RS_LAYER_TILE, { in }).tile = rs_tile_param { last, repeats[static_cast<std::size_t>(last)] };
    r.finish();
}

void tile_write_onnx(OnnxWriter &w)
{
    std::vector<int64_t> repeats(static_cast<std::size_t>(w.in().n_axes), 1);
    repeats[static_cast<std::size_t>(rs_axis(w.layer().tile.axis, w.in().n_axes))] = w.layer().tile.tiles;
    const std::string x = w.bottom(), n = w.whole(".repeats", repeats);
    w.node("Tile", { x, n }, w.top());
}

void crop_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::CropParameter &p = r.param().crop_param();
    const Node node = r.node().in("crop_param");
    out->crop.axis = p.axis();
    r.not_batch(p.axis(), node, "axis");
    if (p.offset_size() > RS_MAX_AXES)
        r.bad(node.at("offset", RS_MAX_AXES), "", r.name() + ": more than " + std::to_string(RS_MAX_AXES) + " offsets");
    for (int i = 0; i < std::min<int>(p.offset_size(), RS_MAX_AXES); i++)
        out->crop.offset[out->crop.n_offsets++] = r.within(p.offset(i), 0, max_size, node, "offset", i);
    for (int i = 0; i < std::min<int>(p.size_size(), RS_MAX_AXES); i++)
        out->crop.size[out->crop.n_sizes++] = r.within(p.size(i), 1, max_size, node, "size", i);
}

void crop_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_crop_param()->set_axis(static_cast<int>(layer.crop.axis));
    for (int i = 0; i < layer.crop.n_offsets; i++)
        to->mutable_crop_param()->add_offset(u32(layer.crop.offset[i]));
    for (int i = 0; i < layer.crop.n_sizes; i++)
        to->mutable_crop_param()->add_size(u32(layer.crop.size[i]));
}

void crop_write_onnx(OnnxWriter &w)
{
    const rs_crop_param &p = w.layer().crop;
    const int axis = rs_axis(p.axis, w.in().n_axes);
    const rs_shape &out = w.net().blobs[w.layer().tops[0]].shape;
    std::vector<int64_t> starts, ends, axes;
    for (int i = axis; i < w.in().n_axes; i++) {
        starts.push_back(p.offset[p.n_offsets > 1 ? i - axis : 0]);
        ends.push_back(starts.back() + out.dim[i]);
        axes.push_back(i);
    }
    const std::string x = w.bottom(), from = w.whole(".starts", starts), to = w.whole(".ends", ends),
                      of = w.whole(".axes", axes);
    w.node("Slice", { x, from, to, of }, w.top());
}

void shuffle_read_caffe(LayerReader &r, rs_layer *out)
{
    out->shuffle_groups = r.within(r.param().shuffle_channel_param().group(), 1, max_size,
                                   r.node().in("shuffle_channel_param"), "group");
}

void shuffle_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_shuffle_channel_param()->set_group(u32(layer.shuffle_groups));
}

void reorg_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ReorgParameter &p = r.param().reorg_param();
    out->reorg.stride = r.within(p.stride(), 1, 4096, r.node().in("reorg_param"), "stride");
    out->reorg.reverse = p.reverse();
}

void reorg_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_reorg_param()->set_stride(u32(layer.reorg.stride));
    to->mutable_reorg_param()->set_reverse(layer.reorg.reverse);
}

// Other axes (0: the batch), another order of them, and the shape of the output.
void write_reordered(OnnxWriter &w, const std::vector<int64_t> &axes, const std::vector<int64_t> &order)
{
    const std::string name = w.layer().name, x = w.bottom(), to = w.whole(".axes", axes);
    std::vector<int64_t> dims = dims_of(w.net().blobs[w.layer().tops[0]].shape);
    dims[0] = 0;
    const std::string back = w.whole(".shape", dims), split = w.unique(name + ".split"),
                      moved = w.unique(name + ".moved");
    w.node("Reshape", { x, to }, split, "/split");
    set(w.node("Transpose", { split }, moved, "/move"), "perm", order);
    w.node("Reshape", { moved, back }, w.top());
}

void shuffle_write_onnx(OnnxWriter &w)
{
    const rs_shape &in = w.in();
    const int64_t g = w.layer().shuffle_groups;
    write_reordered(w, { 0, g, in.dim[1] / g, rs_shape_count(&in, 2) }, { 0, 2, 1, 3 });
}

void reorg_write_onnx(OnnxWriter &w)
{
    const rs_shape &in = w.in();
    const int64_t s = w.layer().reorg.stride, channels = in.dim[1] / (s * s);
    if (w.layer().reorg.reverse)
        write_reordered(w, { 0, s, s, channels, in.dim[2], in.dim[3] }, { 0, 3, 4, 1, 5, 2 });
    else
        write_reordered(w, { 0, channels, in.dim[2], s, in.dim[3], s }, { 0, 3, 5, 1, 2, 4 });
}

} // namespace

// A stretch of a layer's values along some axes.
void read_slice_of_values(OnnxReader &r)
{
    const std::vector<int64_t> starts = r.list("starts", 1), ends = r.list("ends", 2), steps = r.list("steps", 4);
    std::vector<int64_t> axes = r.list("axes", 3);
    const int in = r.blob(0);
    const rs_shape shape = r.build().shape(in);
    for (std::size_t i = 0; axes.empty() && i < starts.size(); i++)
        axes.push_back(static_cast<int64_t>(i));
    if (starts.size() != axes.size() || ends.size() != axes.size() || (!steps.empty() && steps.size() != axes.size()))
        r.refuse("starts, ends, axes and steps have different lengths");
    rs_crop_param crop = {};
    crop.axis = 1;
    for (int i = 1; i < shape.n_axes; i++)
        crop.size[i - 1] = shape.dim[i];
    bool all = true;
    for (std::size_t k = 0; k < axes.size(); k++) {
        const int64_t a = r.axis(axes[k], shape.n_axes), n = shape.dim[a];
        const auto place = [n](int64_t v) { return std::min(std::max<int64_t>(v < 0 ? v + n : v, 0), n); };
        const int64_t from = place(std::max(starts[k], -n)), to = place(std::max(ends[k], -n));
        if (!steps.empty() && steps[k] != 1)
            r.refuse("steps of " + std::to_string(steps[k]) + " are not supported");
        if (from == 0 && to == n)
            continue;
        if (a == 0)
            r.refuse("a part of the batch, axis 0, is not supported");
        if (to <= from)
            r.refuse("nothing is left of axis " + std::to_string(a));
        crop.offset[a - 1] = from;
        crop.size[a - 1] = to - from;
        all = false;
    }
    if (all)
        return r.alias(r.node().output(0), r.value(0));
    crop.n_offsets = crop.n_sizes = shape.n_axes - 1;
    r.layer(RS_LAYER_CROP, { in }).crop = crop;
    r.finish();
}

const LayerFormats permute_formats = { { { "Permute", { "permute_param" }, false, false } },
                                       permute_read_caffe,
                                       permute_write_caffe,
                                       {},
                                       permute_write_onnx };

const LayerFormats tile_formats = { { { "Tile", { "tile_param" }, false, false } },
                                    tile_read_caffe,
                                    tile_write_caffe,
                                    { { "Tile", 2, 2, "", tile_read_onnx } },
                                    tile_write_onnx };

const LayerFormats crop_formats = {
    { { "Crop", { "crop_param" }, false, false } }, crop_read_caffe, crop_write_caffe, {}, crop_write_onnx
};

const LayerFormats shuffle_channel_formats = { { { "ShuffleChannel", { "shuffle_channel_param" }, false, false } },
                                               shuffle_read_caffe,
                                               shuffle_write_caffe,
                                               {},
                                               shuffle_write_onnx };

const LayerFormats reorg_formats = {
    { { "Reorg", { "reorg_param" }, false, false } }, reorg_read_caffe, reorg_write_caffe, {}, reorg_write_onnx
};

} // namespace ristretto
