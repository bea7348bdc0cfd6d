// rs_net -> ONNX model of operator set 13.
#include <climits>
#include <cstdio>
#include <new>

#include "base/file.h"
#include "import/layers/rule.h"
#include "import/onnx/onnx.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

constexpr int64_t opset = 13, ir_version = 7;

// A layer that cannot be written; what is wrong has been said.
struct LayerRefused : Failed {
    LayerRefused() : Failed { RS_BAD_INPUT }
    {
    }
};

onnx::AttributeProto *attribute(onnx::NodeProto *n, const char *name, onnx::AttributeProto::AttributeType type)
{
    onnx::AttributeProto *a = n->add_attribute();
    a->set_name(name);
    a->set_type(type);
    return a;
}

// A layer in place that does nothing in use.
bool is_left_out(const rs_layer &l)
{
    return (l.type == RS_LAYER_DROPOUT || l.type == RS_LAYER_IDENTITY) && l.tops[0] == l.bottoms[0];
}

} // namespace

void set(onnx::NodeProto *n, const char *name, int64_t v)
{
    attribute(n, name, onnx::AttributeProto::INT)->set_i(v);
}

void set(onnx::NodeProto *n, const char *name, float v)
{
    attribute(n, name, onnx::AttributeProto::FLOAT)->set_f(v);
}

void set(onnx::NodeProto *n, const char *name, const std::vector<int64_t> &v)
{
    onnx::AttributeProto *a = attribute(n, name, onnx::AttributeProto::INTS);
    for (const int64_t i : v)
        a->add_ints(i);
}

std::vector<int64_t> dims_of(const rs_shape &s)
{
    return std::vector<int64_t>(s.dim, s.dim + s.n_axes);
}

rs_status OnnxWriter::write(const char *path)
{
    model_.set_ir_version(ir_version);
    model_.set_producer_name("ristretto");
    model_.set_producer_version(RS_VERSION);
    auto *set = model_.add_opset_import();
    set->set_domain("");
    set->set_version(opset);
    graph_->set_name(net_->name[0] != '\0' ? net_->name : "net");
    int64_t bytes = 0;
    for (int i = 0; i < net_->n_layers; i++)
        for (int p = 0; p < net_->layers[i].n_params; p++)
            if (!net_->layers[i].params[p].shared)
                bytes += rs_shape_count(&net_->layers[i].params[p].shape, 0) * static_cast<int64_t>(sizeof(float));
    if (bytes > INT_MAX - (64 << 20))
        return bad(diag_, rs_loc { net_->path, 0, 0 }, "",
                   "the weights take " + std::to_string(bytes) + " bytes, too many for one ONNX file (2 GiB)");
    current_.resize(static_cast<std::size_t>(net_->n_blobs));
    read_.assign(static_cast<std::size_t>(net_->n_blobs), false);
    last_writer_.assign(static_cast<std::size_t>(net_->n_blobs), nullptr);
    for (int i = 0; i < net_->n_layers; i++)
        for (int t = 0; t < net_->layers[i].n_tops && !is_left_out(net_->layers[i]); t++)
            last_writer_[static_cast<std::size_t>(net_->layers[i].tops[t])] = &net_->layers[i];
    for (int i = 0; i < net_->n_layers; i++) {
        layer_ = &net_->layers[i];
        index_ = i;
        try {
            write_layer();
        } catch (const LayerRefused &) {
            status_ = RS_BAD_INPUT;
        }
    }
    if (status_ != RS_OK)
        return status_;
    outputs();
    std::string data;
    if (!model_.SerializeToString(&data))
        throw std::bad_alloc();
    rs_output *out = nullptr;
    const rs_status st = rs_output_open(path, &out, diag_);
    if (st != RS_OK)
        return st;
    std::fwrite(data.data(), 1, data.size(), rs_output_stream(out));
    return rs_output_commit(out, diag_);
}

void OnnxWriter::refuse(const std::string &what)
{
    bad(diag_, layer_->loc, "",
        "layer " + quoted(layer_->name) + " (" + rs_layer_type_name(layer_->type) +
            ") cannot be written as ONNX: " + what);
    throw LayerRefused();
}

std::string OnnxWriter::unique(const std::string &name)
{
    std::string u = name;
    for (int i = 2; !names_.insert(u).second; i++)
        u = name + "_" + std::to_string(i);
    return u;
}

std::string OnnxWriter::bottom(int i)
{
    const int b = layer_->bottoms[i];
    read_[static_cast<std::size_t>(b)] = true;
    return current_[static_cast<std::size_t>(b)];
}

const rs_shape &OnnxWriter::in(int i) const
{
    return net_->blobs[layer_->bottoms[i]].shape;
}

std::string OnnxWriter::top(int i)
{
    const std::size_t b = static_cast<std::size_t>(layer_->tops[i]);
    // The blob's name is that of the value that stays in it.
    const bool stays = last_writer_[b] == layer_;
    current_[b] = unique(stays ? net_->blobs[b].name : std::string(net_->blobs[b].name) + "/" + layer_->name);
    read_[b] = false;
    return current_[b];
}

void OnnxWriter::value_info(const std::string &name, const rs_shape &shape, onnx::ValueInfoProto *v)
{
    v->set_name(name);
    auto *t = v->mutable_type()->mutable_tensor_type();
    t->set_elem_type(onnx::TensorProto::FLOAT);
    for (int i = 0; i < shape.n_axes; i++) {
        auto *d = t->mutable_shape()->add_dim();
        if (i == 0)
            d->set_dim_param("N"); // any batch
        else
            d->set_dim_value(shape.dim[i]);
    }
}

void OnnxWriter::outputs()
{
    for (int b = 0; b < net_->n_blobs; b++)
        if (!current_[static_cast<std::size_t>(b)].empty() && !read_[static_cast<std::size_t>(b)])
            value_info(current_[static_cast<std::size_t>(b)], net_->blobs[b].shape, graph_->add_output());
}

onnx::NodeProto *OnnxWriter::node(const char *op, const std::vector<std::string> &inputs, const std::string &output,
                                  const std::string &suffix)
{
    onnx::NodeProto *n = graph_->add_node();
    n->set_op_type(op);
    n->set_name(layer_->name + suffix);
    for (const std::string &i : inputs)
        n->add_input(i);
    n->add_output(output);
    return n;
}

void OnnxWriter::input(int t)
{
    const std::string name = top(t);
    value_info(name, net_->blobs[layer_->tops[t]].shape, graph_->add_input());
    read_[static_cast<std::size_t>(layer_->tops[t])] = true; // an input is no output
}

std::string OnnxWriter::constant(const std::string &name, const std::vector<int64_t> &dims, const void *data,
                                 std::size_t bytes, int type)
{
    const std::string u = unique(name);
    onnx::TensorProto *t = graph_->add_initializer();
    t->set_name(u);
    t->set_data_type(type);
    for (const int64_t d : dims)
        t->add_dims(d);
    t->set_raw_data(data, bytes);
    return u;
}

std::string OnnxWriter::floats(const std::string &suffix, const std::vector<int64_t> &dims, const std::vector<float> &v)
{
    return constant(layer_->name + suffix, dims, v.data(), v.size() * sizeof(float), onnx::TensorProto::FLOAT);
}

std::string OnnxWriter::whole(const std::string &suffix, const std::vector<int64_t> &v)
{
    return constant(layer_->name + suffix, { static_cast<int64_t>(v.size()) }, v.data(), v.size() * sizeof(int64_t),
                    onnx::TensorProto::INT64);
}

std::string OnnxWriter::param(int p, const std::vector<int64_t> &dims)
{
    const rs_param &value = layer_->params[p];
    int owner = 0, index = 0;
    rs_net_param_owner(net_, index_, p, &owner, &index);
    std::string key = std::to_string(owner) + ":" + std::to_string(index);
    for (const int64_t d : dims)
        key += ":" + std::to_string(d);
    auto it = params_.find(key);
    if (it == params_.end()) {
        const std::size_t n = static_cast<std::size_t>(rs_shape_count(&value.shape, 0));
        it = params_
                 .emplace(key, constant(std::string(layer_->name) + (p == 0   ? ".weight"
                                                                     : p == 1 ? ".bias"
                                                                              : ".factor"),
                                        dims, value.data, n * sizeof(float), onnx::TensorProto::FLOAT))
                 .first;
    }
    return it->second;
}

std::string OnnxWriter::param(int p)
{
    return param(p, dims_of(layer_->params[p].shape));
}

std::vector<float> OnnxWriter::values(int p) const
{
    const rs_param &v = layer_->params[p];
    return std::vector<float>(v.data, v.data + rs_shape_count(&v.shape, 0));
}

void OnnxWriter::write_layer()
{
    if (rs_layer_rule_of(layer_->type)->scalar)
        return; // needs labels
    layer_formats(layer_->type).onnx_write(*this);
}

} // namespace ristretto

extern "C" rs_status rs_onnx_write(const rs_net *net, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] {
        ristretto::OnnxWriter writer(net, diag);
        return writer.write(path);
    });
}
