// ONNX model -> rs_net: the model around the nodes.
#include <algorithm>
#include <climits>
#include <memory>

#include <google/protobuf/stubs/logging.h>

#include "base/file.h"
#include "import/onnx/onnx.h"
#include "import/onnx/operators.h"
#include "import/wire.h"

namespace ristretto
{

static constexpr int64_t oldest_opset = 7, newest_opset = 17;

rs_status OnnxReader::read(rs_net **net)
{
    versions();
    count_uses();
    normalizations_ = find_normalizations(graph_, &names_);
    inputs();
    const bool begins = errors_ == 0;
    unsupported();
    if (begins)
        for (int i = 0; i < graph_.node_size(); i++)
            if (normalizations_.inner.count(i) == 0)
                read_node(i);
    if (errors_ == 0)
        outputs();
    if (errors_ == 0 && build_.net()->n_layers < 2)
        complain("", "the model has no layers");
    if (errors_ > 0)
        return RS_BAD_INPUT;
    *net = build_.release();
    return RS_OK;
}

void OnnxReader::versions()
{
    if (!model_.has_graph() || model_.opset_import_size() == 0) {
        complain("", "this is no ONNX model: it has no " + std::string(model_.has_graph() ? "operator set" : "graph"));
        return;
    }
    for (const auto &set : model_.opset_import())
        if (set.domain().empty() || set.domain() == "ai.onnx")
            opset_ = set.version();
    if (opset_ < oldest_opset || opset_ > newest_opset)
        complain("export the model with another opset_version",
                 "the model needs operator set " + std::to_string(opset_) + ", expected " +
                     std::to_string(oldest_opset) + " to " + std::to_string(newest_opset));
}

void OnnxReader::count_uses()
{
    for (int i = 0; i < graph_.node_size(); i++) {
        for (const std::string &input : graph_.node(i).input())
            names_.uses[input]++;
        for (const std::string &output : graph_.node(i).output())
            names_.makers.emplace(output, i);
    }
    for (const onnx::TensorProto &t : graph_.initializer())
        names_.initializers[t.name()] = &t;
    for (const auto &o : graph_.output())
        names_.uses[o.name()]++;
    if (wanted_ != nullptr)
        names_.uses[wanted_]++;
}

void OnnxReader::inputs()
{
    bool first = true;
    for (const auto &in : graph_.input()) {
        if (names_.initializers.count(in.name()) > 0)
            continue; // a default value; older models list all weights here
        const std::string who = "input " + quoted(in.name());
        const auto &type = in.type().tensor_type();
        if (type.elem_type() != onnx::TensorProto::FLOAT) {
            complain("", who + " has the type " + std::to_string(type.elem_type()) + ", expected float (1)");
            continue;
        }
        if (values_.count(in.name()) > 0) {
            complain("", who + " is given twice");
            continue;
        }
        rs_shape shape = { 0, { 0 } };
        if (first && input_ != nullptr && (input_->dim[0] > 0 || !type.has_shape())) {
            const int axes = type.has_shape() ? type.shape().dim_size() : input_->n_axes;
            if (axes != input_->n_axes && axes != input_->n_axes + 1) {
                complain("", who + " has " + std::to_string(axes) + " axes, the shape that is given has " +
                                 std::to_string(input_->n_axes));
                continue;
            }
            shape = given_shape(axes);
        } else if (!input_shape(type.shape(), who, first ? input_ : nullptr, &shape))
            continue;
        first = false;
        const int blob = build_.new_blob(in.name());
        build_.set_shape(blob, shape);
        rs_layer &layer = build_.add(RS_LAYER_INPUT, in.name(), {}, { blob });
        layer.data.scale = 1;
        Value v;
        v.blob = blob;
        bind(in.name(), v);
    }
    if (first && errors_ == 0)
        complain("", "the model has no input");
}

// The caller's shape; without a batch if the model has one axis more.
rs_shape OnnxReader::given_shape(int axes) const
{
    rs_shape shape = { 0, { 0 } };
    if (axes == input_->n_axes + 1)
        shape.dim[shape.n_axes++] = 1;
    for (int i = 0; i < input_->n_axes; i++)
        shape.dim[shape.n_axes++] = input_->dim[i] > 0 ? input_->dim[i] : 1;
    return shape;
}

bool OnnxReader::input_shape(const onnx::TensorShapeProto &from, const std::string &who, const rs_shape *open,
                             rs_shape *shape)
{
    if (from.dim_size() < 1 || from.dim_size() > RS_MAX_AXES) {
        complain("", who + " has " + std::to_string(from.dim_size()) + " axes, expected 1 to " +
                         std::to_string(RS_MAX_AXES));
        return false;
    }
    for (int i = 0; i < from.dim_size(); i++) {
        int64_t d = from.dim(i).dim_value();
        if (!from.dim(i).has_dim_value() || d == 0) {
            const int at = open != nullptr ? i + open->n_axes - from.dim_size() : 0; // the last axes go together
            if (i > 0 && at < 1) {
                complain("give the input's shape (--input)",
                         who + " leaves axis " + std::to_string(i) + " open" +
                             (from.dim(i).has_dim_param() ? " (" + quoted(from.dim(i).dim_param()) + ")" : ""));
                return false;
            }
            d = i > 0 ? open->dim[at] : 1;
        }
        if (d < 1 || d > max_size) {
            complain("", who + ": dimension " + std::to_string(d) + ", expected 1 to " + std::to_string(max_size));
            return false;
        }
        shape->dim[shape->n_axes++] = d;
    }
    const int64_t count = rs_shape_count(shape, 0);
    if (count < 0 || count > RS_MAX_ELEMENTS) {
        complain("", who + " is " + shape_text(*shape) + ", expected at most " + std::to_string(RS_MAX_ELEMENTS) +
                         " values");
        return false;
    }
    return true;
}

void OnnxReader::outputs()
{
    if (graph_.output_size() == 0)
        complain("", "the model has no output");
    for (const auto &o : graph_.output()) {
        const auto it = values_.find(o.name());
        if (it == values_.end())
            complain("", "no node gives the output " + quoted(o.name()));
        else
            settle(o.name(), "the output " + quoted(o.name()), &it->second);
    }
    if (wanted_ == nullptr)
        return;
    const auto it = values_.find(wanted_);
    if (it == values_.end())
        complain("", "the model computes no value " + quoted(wanted_));
    else
        settle(wanted_, "the value " + quoted(wanted_), &it->second);
}

// Gives a value that somebody will ask for by its name a blob of its own shape and name.
void OnnxReader::settle(const std::string &name, const std::string &what, Value *v)
{
    if (v->quantized >= 0)
        return complain("", what + " holds a QuantizeLinear's integers, expected floats");
    if (v->padded())
        return complain("", what + " is padded by a Pad node, which only a convolution or average pooling can take");
    if (v->constant != nullptr && wanted_ != nullptr && name == wanted_)
        return complain("", what + " is a constant, which no layer computes");
    if (v->blob < 0)
        return;
    const int blob = v->flat.empty() ? v->blob : flattened(v);
    const std::string present = build_.net()->blobs[blob].name;
    const auto is_present = [&](const onnx::ValueInfoProto &info) { return info.name() == present; };
    const bool is_asked_for = std::any_of(graph_.input().begin(), graph_.input().end(), is_present) ||
                              std::any_of(graph_.output().begin(), graph_.output().end(), is_present);
    if (is_asked_for && (wanted_ == nullptr || name != wanted_))
        return;
    const int other = rs_net_blob(build_.net(), name.c_str()); // the same values in the shape before
    if (other >= 0)
        build_.rename(other, name + "/unflattened");
    build_.rename(blob, name);
}

// The operator that a node names, or nullptr.
static const OnnxOperator *operator_of(const onnx::NodeProto &node)
{
    if (!node.domain().empty() && node.domain() != "ai.onnx")
        return nullptr;
    for (const OnnxOperator &o : onnx_operators())
        if (node.op_type() == o.name)
            return &o;
    return nullptr;
}

// Says of each operator that is not supported how many nodes are of it.
void OnnxReader::unsupported()
{
    std::map<std::string, int> count;
    for (int i = 0; i < graph_.node_size(); i++)
        if (operator_of(graph_.node(i)) == nullptr && normalizations_.inner.count(i) == 0)
            count[graph_.node(i).domain() + "." + graph_.node(i).op_type()]++;
    std::string hint;
    for (const OnnxOperator &o : onnx_operators())
        hint += (hint.empty() ? "supported are " : ", ") + std::string(o.name);
    for (int i = 0; i < graph_.node_size() && !count.empty(); i++) {
        const auto it = count.find(graph_.node(i).domain() + "." + graph_.node(i).op_type());
        if (it == count.end() || normalizations_.inner.count(i) > 0)
            continue;
        node_ = &graph_.node(i);
        index_ = i;
        complain(hint, who() + ": the operator is not supported" +
                           (it->second > 1 ? "; " + std::to_string(it->second) + " nodes are of it" : ""));
        hint.clear();
        count.erase(it);
    }
}

// Reads the present node by the operator that it names.
void OnnxReader::read_operator()
{
    const OnnxOperator *op = operator_of(*node_);
    if (op == nullptr)
        throw Refused(); // said above
    if (node_->output_size() < 1 || node_->output(0).empty())
        refuse("it has no output");
    for (const std::string &name : node_->output())
        if (!name.empty() && (values_.count(name) > 0 || names_.initializers.count(name) > 0))
            refuse("its output " + quoted(name) + " is given already");
    if (node_->input_size() < op->min_inputs || node_->input_size() > op->max_inputs)
        refuse("it has " + std::to_string(node_->input_size()) + " inputs, expected " +
               (op->max_inputs == op->min_inputs ? "" : "at least ") + std::to_string(op->min_inputs));
    for (const auto &a : node_->attribute())
        if (op->attributes != nullptr && std::string(op->attributes).find(" " + a.name() + " ") == std::string::npos)
            refuse("attribute " + quoted(a.name()) + " is not supported");
    op->read(*this);
}

void OnnxReader::read_node(int index)
{
    node_ = &graph_.node(index);
    index_ = index;
    try {
        read_operator();
    } catch (const Refused &) {
        Value v;
        v.unusable = true;
        for (const std::string &name : node_->output())
            if (!name.empty())
                values_.emplace(name, v);
    }
}

const rs_lrn_param *OnnxReader::normalization() const
{
    const auto it = normalizations_.ends.find(index_);
    return it == normalizations_.ends.end() ? nullptr : &it->second;
}

static rs_status read_model(const char *path, onnx::ModelProto *model, std::size_t *size, rs_diag *diag)
{
    uint8_t *data = nullptr;
    const rs_status st = rs_read_file(path, INT_MAX, false, &data, size, diag); // what protocol buffers can take
    if (st != RS_OK)
        return st;
    const Owned<uint8_t> owner(data);
    const rs_loc loc { path, 0, 0 };
    Fault fault;
    if (*size == 0)
        return bad(diag, loc, "", "the file is empty, expected an ONNX model");
    if (!well_formed(data, Span { data, *size }, &fault))
        return bad(diag, loc, "the file is truncated, corrupt, or no ONNX model",
                   fault.what + " at byte " + std::to_string(fault.offset));
    const google::protobuf::LogSilencer quiet; // it would write to stderr what it thinks of names that are not UTF-8
    if (!model->ParseFromArray(data, static_cast<int>(*size)))
        return bad(diag, loc, "the file is truncated, corrupt, or no ONNX model", "the model cannot be decoded");
    return RS_OK;
}

} // namespace ristretto

extern "C" rs_status rs_onnx_read(const char *path, const rs_shape *input, const char *value, rs_net **net,
                                  rs_diag *diag)
{
    *net = nullptr;
    return ristretto::guarded(diag, [&] {
        ristretto::onnx::ModelProto model;
        std::size_t size = 0;
        const rs_status st = ristretto::read_model(path, &model, &size, diag);
        if (st != RS_OK)
            return st;
        ristretto::OnnxReader reader(path, model, size, { input, value }, diag);
        return reader.read(net);
    });
}
