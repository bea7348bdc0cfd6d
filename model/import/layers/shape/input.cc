// Input, and the data layers of Caffe: Data, ImageData, MemoryData.
#include <algorithm>
#include <cmath>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

template <class Param> void batch_size(LayerReader &r, const Param &param, const Node &node, rs_data_param *d)
{
    d->batch_size = 1;
    if (!param.has_batch_size())
        r.bad(node.loc(), "", r.name() + " has no batch_size");
    else
        d->batch_size = r.within(param.batch_size(), 1, max_size, node, "batch_size");
}

// Whether the file itself has transform_param (not only the upgraded layer).
bool has_transform(const LayerReader &r)
{
    const rs_loc a = r.node().at("transform_param"), b = r.node().loc();
    return a.line != b.line || a.column != b.column;
}

void transform(LayerReader &r, rs_data_param *d)
{
    const caffe::TransformationParameter &t = r.param().transform_param();
    // Older files have these fields in the data layer's own block.
    const Node block = r.param().type() == "ImageData" ? r.node().in("image_data_param") : r.node().in("data_param");
    const Node node = r.node().in("transform_param").has_place() && has_transform(r) ? r.node().in("transform_param")
                                                                                     : block;
    d->scale = t.scale();
    if (!std::isfinite(t.scale()))
        r.bad(node.at("scale"), "", r.name() + ": scale is not a finite number");
    d->crop_size = r.within(t.crop_size(), 0, max_size, node, "crop_size");
    d->mirror = t.mirror();
    if (t.has_mean_file())
        d->mean_file = copy_text(t.mean_file());
    if (t.has_mean_file() && t.mean_value_size() > 0)
        r.bad(node.at("mean_value"), "", r.name() + " has both mean_file and mean_value, expected one of them");
    if (t.force_color() && t.force_gray())
        r.bad(node.at("force_gray"), "", r.name() + " has both force_color and force_gray, expected one of them");
    if (t.force_color() || t.force_gray())
        d->color = t.force_color() ? RS_COLOR_BGR : RS_COLOR_GRAY;
    constexpr int max_means = static_cast<int>(sizeof d->mean / sizeof d->mean[0]);
    if (t.mean_value_size() > max_means) {
        r.bad(node.at("mean_value", max_means), "",
              r.name() + ": " + std::to_string(t.mean_value_size()) + " values of mean_value, expected at most " +
                  std::to_string(max_means));
        return;
    }
    for (int i = 0; i < t.mean_value_size(); i++) {
        if (!std::isfinite(t.mean_value(i)))
            r.bad(node.at("mean_value", i), "", r.name() + ": mean_value is not a finite number");
        d->mean[d->n_mean++] = t.mean_value(i);
    }
}

// Shapes that the file gives: one for all tops, or one each.
void read_shapes(LayerReader &r, rs_layer *out)
{
    const caffe::LayerParameter &p = r.param();
    const caffe::InputParameter &in = p.input_param();
    const Node node = r.node().in("input_param");
    if (in.shape_size() > 1 && in.shape_size() != p.top_size())
        r.bad(node.at("shape"), "",
              r.name() + ": " + std::to_string(in.shape_size()) + " shapes for " + std::to_string(p.top_size()) +
                  " tops, expected one, or one each");
    else if (in.shape_size() > 0)
        for (int i = 0; i < out->n_tops; i++) {
            const int s = in.shape_size() > 1 ? i : 0;
            r.shape(in.shape(s), node.in("shape", s), &r.net()->blobs[out->tops[i]].shape);
        }
}

void read_image_list(LayerReader &r, rs_data_param *d)
{
    const caffe::ImageDataParameter &images = r.param().image_data_param();
    const Node node = r.node().in("image_data_param");
    d->source = copy_text(images.source());
    d->list = true;
    d->root_folder = images.root_folder().empty() ? nullptr : copy_text(images.root_folder());
    d->shuffle = images.shuffle();
    d->color = images.is_color() ? RS_COLOR_BGR : RS_COLOR_GRAY;
    d->new_height = r.within(images.new_height(), 0, max_size, node, "new_height");
    d->new_width = r.within(images.new_width(), 0, max_size, node, "new_width");
    if ((d->new_height > 0) != (d->new_width > 0))
        r.bad(node.at(d->new_height > 0 ? "new_height" : "new_width"), "",
              r.name() + ": new_height and new_width are given both or not at all");
    if (images.rand_skip() != 0)
        r.bad(node.at("rand_skip"), "", r.name() + ": rand_skip is not supported");
    d->batch_size = r.within(r.param().image_data_param().batch_size(), 1, max_size, node, "batch_size");
}

void read_memory(LayerReader &r, rs_layer *out)
{
    rs_data_param *d = &out->data;
    const caffe::MemoryDataParameter &m = r.param().memory_data_param();
    const Node node = r.node().in("memory_data_param");
    batch_size(r, m, node, d);
    rs_shape shape = { 4,
                       { d->batch_size, r.within(m.channels(), 1, max_size, node, "channels"),
                         r.within(m.height(), 1, max_size, node, "height"),
                         r.within(m.width(), 1, max_size, node, "width") } };
    if (out->n_tops > 0)
        r.net()->blobs[out->tops[0]].shape = shape;
}

// A shape for each top, or one for all; in old files by four fields of their own. The values are up to the caller.
void read_dummy(LayerReader &r, rs_layer *out)
{
    const caffe::DummyDataParameter &p = r.param().dummy_data_param();
    const Node node = r.node().in("dummy_data_param");
    for (int t = 0; t < out->n_tops; t++) {
        rs_shape *shape = &r.net()->blobs[out->tops[t]].shape;
        if (p.shape_size() > 0) {
            const int s = std::min(t, p.shape_size() - 1);
            r.shape(p.shape(s), node.in("shape", s), shape);
            continue;
        }
        const google::protobuf::RepeatedField<uint32_t> *const fields[4] = { &p.num(), &p.channels(), &p.height(),
                                                                             &p.width() };
        static const char *const names[4] = { "num", "channels", "height", "width" };
        *shape = rs_shape { 4, { 1, 1, 1, 1 } };
        for (int i = 0; i < 4; i++) {
            const int n = fields[i]->size(), at = std::min(t, n - 1);
            if (n == 0)
                r.bad(node.loc(), "", r.name() + " has no " + names[i]);
            else
                shape->dim[i] = r.within(fields[i]->Get(at), 1, max_size, node, names[i], at);
        }
    }
}

void read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::LayerParameter &p = r.param();
    rs_data_param *d = &out->data;
    d->scale = 1;
    if (p.bottom_size() > 0)
        r.bad(r.node().at("bottom"), "", r.name() + " (" + p.type() + ") takes no bottom");
    if (!r.type().data)
        return read_shapes(r, out);
    if (p.top_size() > 2 && p.type() != "DummyData")
        r.bad(r.node().at("top", 2), "",
              r.name() + " has " + std::to_string(p.top_size()) + " tops, expected images and labels");
    if (p.type() == "DummyData")
        return read_dummy(r, out);
    if (p.type() == "HDF5Data") {
        const Node node = r.node().in("hdf5_data_param");
        d->source = copy_text(p.hdf5_data_param().source());
        batch_size(r, p.hdf5_data_param(), node, d);
    } else if (p.type() == "WindowData") {
        const caffe::WindowDataParameter &w = p.window_data_param();
        d->source = copy_text(w.source());
        batch_size(r, w, r.node().in("window_data_param"), d);
    } else if (p.type() == "Data") {
        const Node node = r.node().in("data_param");
        d->source = copy_text(p.data_param().source());
        batch_size(r, p.data_param(), node, d);
        if (p.data_param().rand_skip() != 0)
            r.bad(node.at("rand_skip"), "", r.name() + ": rand_skip is not supported");
    } else if (p.type() == "ImageData") {
        read_image_list(r, d);
    } else {
        read_memory(r, out);
    }
    transform(r, d);
    if (p.type() == "WindowData") { // regions of pictures, warped to this size
        const Node node = r.node().in("window_data_param");
        const int64_t crop = r.within(p.window_data_param().crop_size(), 0, max_size, node, "crop_size");
        d->crop_size = crop > 0 ? crop : d->crop_size;
        d->color = RS_COLOR_BGR;
    }
}

void write_caffe(const rs_net &net, const rs_layer &layer, caffe::LayerParameter *to)
{
    for (int t = 0; t < to->top_size(); t++)
        write_shape(net.blobs[layer.tops[t]].shape, to->mutable_input_param()->add_shape());
}

// The labels of a data layer are not part of a net in use.
void write_onnx(OnnxWriter &w)
{
    const rs_layer &l = w.layer();
    const bool data = l.data.batch_size > 0;
    for (int t = 0; t < (data && l.n_tops > 1 ? 1 : l.n_tops); t++)
        w.input(t);
}

} // namespace

const LayerFormats input_formats = { { { "Input", { "input_param" }, false, false },
                                       { "Data", { "data_param", "transform_param" }, true, false },
                                       { "ImageData", { "image_data_param", "transform_param" }, true, false },
                                       { "MemoryData", { "memory_data_param", "transform_param" }, true, false },
                                       { "HDF5Data", { "hdf5_data_param", "transform_param" }, true, false },
                                       { "WindowData", { "window_data_param", "transform_param" }, true, false },
                                       { "DummyData", { "dummy_data_param" }, true, false } },
                                     read_caffe,
                                     write_caffe,
                                     {},
                                     write_onnx };

} // namespace ristretto
