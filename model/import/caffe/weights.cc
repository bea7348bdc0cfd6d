// Weights (caffemodel), binary or HDF5.
#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "import/caffe/blob.h"
#include "import/caffe/caffe.h"
#include "import/common.h"
#include "import/hdf5/weights.h"
#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

struct FreeHdf5 {
    void operator()(rs_hdf5_weights *weights) const
    {
        rs_hdf5_weights_free(weights);
    }
};

// A layer as it stands in the file, its blobs not yet decoded.
struct WeightLayer {
    std::string name;
    std::vector<Span> blobs; // of a binary file
    int index = 0;           // in a file in HDF5 form
    int n_blobs = 0;
};

// A file of weights, in either form.
struct WeightFile {
    const char *path;
    Span bytes;
    std::unique_ptr<rs_hdf5_weights, FreeHdf5> hdf5; // or nullptr
    std::vector<WeightLayer> layers;

    rs_status read(const WeightLayer &layer, int blob, const std::string &who, rs_param *param, rs_diag *diag) const
    {
        if (hdf5 != nullptr)
            return rs_hdf5_read_blob(hdf5.get(), layer.index, blob, who.c_str(), param, diag);
        return read_blob(path, bytes.data, layer.blobs[static_cast<std::size_t>(blob)], who, param, diag);
    }
};

// Takes name and blobs out of a layer of any of the three forms.
bool scan_layer(const uint8_t *file, Span message, int name_field, int blobs_field, WeightLayer *layer, Fault *fault)
{
    WireReader reader(file, message);
    WireField field;
    while (reader.next(&field, fault)) {
        if (field.type != WireType::BYTES)
            continue;
        if (field.number == name_field)
            layer->name.assign(reinterpret_cast<const char *>(field.bytes.data), field.bytes.size);
        else if (field.number == blobs_field)
            layer->blobs.push_back(field.bytes);
    }
    return fault->what.empty();
}

bool scan_v1(const uint8_t *file, Span message, WeightLayer *layer, Fault *fault)
{
    using V1 = caffe::V1LayerParameter;
    using V0 = caffe::V0LayerParameter;
    WireReader reader(file, message);
    WireField field;
    while (reader.next(&field, fault))
        if (field.type == WireType::BYTES && field.number == V1::kLayerFieldNumber)
            if (!scan_layer(file, field.bytes, V0::kNameFieldNumber, V0::kBlobsFieldNumber, layer, fault))
                return false;
    return fault->what.empty() && scan_layer(file, message, V1::kNameFieldNumber, V1::kBlobsFieldNumber, layer, fault);
}

rs_status scan_net(const char *path, Span file, std::vector<WeightLayer> *layers, rs_diag *diag)
{
    constexpr std::size_t max_layers = 1000000;
    using Net = caffe::NetParameter;
    using V2 = caffe::LayerParameter;
    WireReader reader(file.data, file);
    WireField field;
    Fault fault;
    while (reader.next(&field, &fault)) {
        const bool old = field.number == Net::kLayersFieldNumber;
        if (field.type != WireType::BYTES || !(old || field.number == Net::kLayerFieldNumber))
            continue;
        WeightLayer layer;
        const bool sound = old ? scan_v1(file.data, field.bytes, &layer, &fault)
                               : scan_layer(file.data, field.bytes, V2::kNameFieldNumber, V2::kBlobsFieldNumber, &layer,
                                            &fault);
        if (!sound)
            return corrupt(diag, path, layer.name.empty() ? "" : "layer " + quoted(layer.name) + ": ", fault);
        if (layers->size() == max_layers)
            return bad(diag, rs_loc { path, 0, 0 }, "the file is corrupt",
                       "more than " + std::to_string(max_layers) + " layers");
        layer.n_blobs = static_cast<int>(std::min<std::size_t>(layer.blobs.size(), INT_MAX));
        layers->push_back(std::move(layer));
    }
    if (!fault.what.empty())
        return corrupt(diag, path, layers->empty() ? "" : "after layer " + quoted(layers->back().name) + ": ", fault);
    if (layers->empty())
        return bad(diag, rs_loc { path, 0, 0 }, "", "the file holds no layers, expected weights (caffemodel)");
    return RS_OK;
}

// Shapes that differ only in leading ones mean the same: files of the older form have four axes always.
bool same_meaning(const rs_shape &a, const rs_shape &b)
{
    int i = 0, j = 0;
    while (i < a.n_axes && a.dim[i] == 1)
        i++;
    while (j < b.n_axes && b.dim[j] == 1)
        j++;
    for (; i < a.n_axes && j < b.n_axes; i++, j++)
        if (a.dim[i] != b.dim[j])
            return false;
    return i == a.n_axes && j == b.n_axes;
}

std::string declared_at(const rs_layer &layer)
{
    if (layer.loc.file == nullptr)
        return "";
    return "the net declares it at " + std::string(layer.loc.file) + ":" + std::to_string(layer.loc.line);
}

// What the p-th parameter of a layer is called.
std::string param_name(const rs_layer &layer, int p)
{
    return layer.n_params > 2 ? "blob " + std::to_string(p) : p == 0 ? "weights" : "bias";
}

rs_status read_params(const WeightFile &file, const WeightLayer &from, rs_layer *layer, rs_diag *diag)
{
    const rs_loc loc { file.path, 0, 0 };
    const std::string who = "layer " + quoted(layer->name);
    // In HDF5 form the layers that share a parameter leave it to the first of them.
    int needed = layer->n_params;
    if (file.hdf5 != nullptr)
        while (needed > 0 && layer->params[needed - 1].shared && from.n_blobs < needed)
            needed--;
    if (from.n_blobs != needed) {
        std::string list;
        for (int p = 0; p < layer->n_params && layer->n_params <= 2; p++)
            list += (p > 0 ? ", " : " (") + param_name(*layer, p);
        return bad(diag, loc, declared_at(*layer),
                   who + " has " + std::to_string(from.n_blobs) + (from.n_blobs == 1 ? " blob" : " blobs") +
                       " in the file, expected " + std::to_string(layer->n_params) + list + (list.empty() ? "" : ")"));
    }
    rs_status status = RS_OK;
    for (int p = 0; p < needed; p++) {
        rs_param *param = &layer->params[p];
        rs_param read {};
        const std::string what = who + ", " + param_name(*layer, p);
        const rs_status st = file.read(from, p, what, &read, diag);
        if (st != RS_OK) {
            status = st;
            continue;
        }
        if (param->data == nullptr || !same_meaning(read.shape, param->shape)) {
            char is[192], expected[192];
            status = bad(diag, loc, declared_at(*layer),
                         what + ": the shape is " + rs_shape_text(&read.shape, is, sizeof is) + ", expected " +
                             rs_shape_text(&param->shape, expected, sizeof expected));
        } else { // copied, because layers may share the array
            std::memcpy(param->data, read.data,
                        static_cast<std::size_t>(rs_shape_count(&param->shape, 0)) * sizeof(float));
        }
        rs_free(read.data);
    }
    return status;
}

// Whether all parameters of a layer belong to layers before it.
bool all_shared(const rs_layer &layer)
{
    for (int p = 0; p < layer.n_params; p++)
        if (!layer.params[p].shared)
            return false;
    return true;
}

rs_status open_weights(const char *path, Bytes *owner, WeightFile *file, rs_diag *diag)
{
    uint8_t *data = nullptr;
    file->path = path;
    rs_status st = read_binary(path, "weights (caffemodel)", true, &data, &file->bytes.size, diag);
    if (st != RS_OK)
        return st;
    owner->reset(data);
    file->bytes.data = data;
    if (!rs_is_hdf5(data, file->bytes.size))
        return scan_net(path, file->bytes, &file->layers, diag);
    rs_hdf5_weights *hdf5 = nullptr;
    st = rs_hdf5_weights_open(path, data, file->bytes.size, &hdf5, diag);
    if (st != RS_OK)
        return st;
    file->hdf5.reset(hdf5);
    for (int i = 0; i < rs_hdf5_layers(hdf5); i++) {
        WeightLayer layer;
        layer.name = rs_hdf5_layer_name(hdf5, i);
        layer.index = i;
        layer.n_blobs = rs_hdf5_blobs(hdf5, i);
        file->layers.push_back(std::move(layer));
    }
    return RS_OK;
}

std::string listed(const std::vector<std::string> &names)
{
    std::string list;
    for (std::size_t i = 0; i < names.size() && i < 5; i++)
        list += (i > 0 ? ", " : "") + quoted(names[i]);
    return list + (names.size() > 5 ? ", ..." : "");
}

rs_status read_weights(const char *path, rs_net *net, bool some, rs_diag *diag)
{
    Bytes owner;
    WeightFile file;
    rs_status st = open_weights(path, &owner, &file, diag);
    if (st != RS_OK)
        return st;

    const rs_loc loc { path, 0, 0 };
    std::map<std::string, std::pair<const WeightLayer *, int>> by_name; // and how often it is there
    std::vector<std::string> names, extra, missing;
    for (const WeightLayer &l : file.layers) {
        if (l.n_blobs == 0)
            continue;
        auto &entry = by_name[l.name];
        entry.first = &l;
        if (++entry.second > 1)
            continue;
        names.push_back(l.name);
        if (rs_net_layer(net, l.name.c_str()) < 0)
            extra.push_back(l.name);
    }
    bool found = false;
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        if (layer->n_params == 0)
            continue;
        const auto it = by_name.find(layer->name);
        rs_status result = RS_OK;
        if (it == by_name.end()) {
            if (all_shared(*layer))
                continue;
            missing.push_back(layer->name);
            if (!some)
                result = bad(diag, loc, did_you_mean(layer->name, names),
                             "the file has no weights for layer " + quoted(layer->name));
        } else if (it->second.second > 1) {
            result = bad(diag, loc, "", "layer " + quoted(layer->name) + " is in the file twice");
        } else {
            found = true;
            result = read_params(file, *it->second.first, layer, diag);
        }
        if (st == RS_OK)
            st = result;
    }
    if (some && !found && !missing.empty())
        st = bad(diag, loc, did_you_mean(missing[0], names),
                 "the file has weights for none of the net's layers (" + listed(missing) + ")");
    else if (some && !missing.empty())
        rs_warn(diag, loc, nullptr, "%zu layer%s of the net %s not in the file and keep%s initial values: %s",
                missing.size(), missing.size() == 1 ? "" : "s", missing.size() == 1 ? "is" : "are",
                missing.size() == 1 ? "s its" : " their", listed(missing).c_str());
    if (!extra.empty())
        rs_warn(diag, loc, nullptr, "%zu layer%s of the file %s not in the net: %s", extra.size(),
                extra.size() == 1 ? "" : "s", extra.size() == 1 ? "is" : "are", listed(extra).c_str());
    return st;
}

// ---- writing

rs_status write_weights(const rs_net *net, const char *path, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++)
            if (!writable(net->layers[i].params[p]))
                return rs_error(diag, RS_INTERNAL, rs_loc { path, 0, 0 }, nullptr,
                                "layer '%s': parameter %d has no values, or too many, to be written",
                                net->layers[i].name, p);
    MessageFile out(diag);
    rs_status st = out.open(path);
    if (st != RS_OK)
        return st;
    caffe::NetParameter head;
    if (net->name != nullptr)
        head.set_name(net->name);
    out.write(head);
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        caffe::NetParameter part; // one layer at a time: the file is not built in memory
        caffe::LayerParameter *to = part.add_layer();
        to->set_name(layer->name);
        to->set_type(written_type(layer->type));
        for (int b = 0; b < layer->n_bottoms; b++)
            to->add_bottom(net->blobs[layer->bottoms[b]].name);
        for (int t = 0; t < layer->n_tops; t++)
            to->add_top(net->blobs[layer->tops[t]].name);
        for (int p = 0; p < layer->n_params; p++)
            write_blob(layer->params[p], to->add_blobs());
        out.write(part);
    }
    return out.commit();
}

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_read_weights(const char *path, rs_net *net, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::read_weights(path, net, false, diag); });
}

extern "C" rs_status rs_caffe_read_some_weights(const char *path, rs_net *net, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::read_weights(path, net, true, diag); });
}

extern "C" rs_status rs_caffe_write_weights(const rs_net *net, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::write_weights(net, path, diag); });
}
