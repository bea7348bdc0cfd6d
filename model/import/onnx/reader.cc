// The reader, as operators see it: inputs, attributes, layers.
#include "import/onnx/reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "net/rule.h"

namespace ristretto
{

std::string shape_text(const rs_shape &shape)
{
    char text[RS_SHAPE_TEXT];
    return rs_shape_text(&shape, text, sizeof text);
}

// ---- messages

void OnnxReader::complain(const std::string &hint, const std::string &what)
{
    errors_++;
    bad(diag_, rs_loc { path_, 0, 0 }, hint, what);
}

std::string OnnxReader::who() const
{
    const std::string &name = node_->name();
    return "node " + std::to_string(index_) + (name.empty() ? "" : " " + quoted(name)) + " (" +
           (node_->domain().empty() ? "" : node_->domain() + ".") + node_->op_type() + ")";
}

void OnnxReader::refuse(const std::string &what, const std::string &hint)
{
    complain(hint, who() + ": " + what);
    throw Refused();
}

// ---- values

void OnnxReader::bind(const std::string &name, const Value &value)
{
    if (name.empty())
        return;
    values_[name] = value;
    if (value.blob >= 0)
        readers_[value.blob] += names_.uses[name];
}

// A name that stands for what another stands for: the node itself is no reader.
void OnnxReader::alias(const std::string &name, const Value &value)
{
    if (value.blob >= 0)
        readers_[value.blob]--;
    bind(name, value);
}

bool OnnxReader::has_input(int i) const
{
    return i < node_->input_size() && !node_->input(i).empty();
}

// The value of input i; Refused if it is not there.
Value &OnnxReader::value(int i)
{
    if (!has_input(i))
        refuse("input " + std::to_string(i) + " is missing");
    const std::string &name = node_->input(i);
    auto it = values_.find(name);
    if (it == values_.end()) {
        const auto init = names_.initializers.find(name);
        if (init == names_.initializers.end())
            refuse("no node before it gives its input " + quoted(name));
        auto tensor = std::make_shared<Tensor>();
        const std::string wrong = decode(*init->second, tensor.get());
        Value v;
        if (!wrong.empty()) {
            complain("", "initializer " + quoted(name) + ": " + wrong);
            v.unusable = true;
        }
        v.constant = tensor;
        if (tensor->size() > 65536) { // large ones are decoded where they are used, not kept
            large_ = v;
            if (v.unusable)
                throw Refused();
            return large_;
        }
        it = values_.emplace(name, v).first;
    }
    if (it->second.unusable)
        throw Refused();
    return it->second;
}

bool OnnxReader::is_constant(int i)
{
    return value(i).constant != nullptr;
}

TensorPtr OnnxReader::constant(int i, const char *what)
{
    Value &v = value(i);
    if (v.constant == nullptr)
        refuse(std::string(what) + " (input " + std::to_string(i) + ") is computed, expected a constant");
    return v.constant;
}

// The blob that is input i, in the shape that the model gives it.
int OnnxReader::blob(int i)
{
    Value &v = value(i);
    if (v.padded())
        refuse("its input is padded by a Pad node, which only a convolution or average pooling can take");
    return padded_blob(i);
}

int OnnxReader::padded_blob(int i)
{
    Value &v = value(i);
    if (v.constant != nullptr)
        refuse("input " + std::to_string(i) + " (" + quoted(node_->input(i)) +
               ") is a constant, expected a layer's values");
    if (v.quantized >= 0)
        refuse("input " + std::to_string(i) + " (" + quoted(node_->input(i)) +
                   ") holds a QuantizeLinear's integers, expected a "
                   "DequantizeLinear between",
               "export the model in the form with QuantizeLinear and DequantizeLinear (QDQ)");
    return v.flat.empty() ? v.blob : flattened(&v);
}

// Gives a value that is a flattened view of a blob a layer of its own.
int OnnxReader::flattened(Value *v)
{
    const int from = v->blob;
    if (build_.shape(from).n_axes == 2) {
        v->flat.clear();
        return from;
    }
    const int top = build_.new_blob(unique_blob(v->flat));
    const bool column = build_.shape(from).n_axes == 1; // it has no axis 1 to begin at
    rs_layer &layer = build_.add(column ? RS_LAYER_RESHAPE : RS_LAYER_FLATTEN, v->flat, { from }, { top });
    if (column) {
        layer.reshape.num_axes = -1;
        layer.reshape.shape = rs_shape { 2, { 0, 1 } };
    } else {
        layer.flatten.axis = 1;
        layer.flatten.end_axis = -1;
    }
    infer();
    const std::string flat = v->flat;
    for (auto &entry : values_) // all names of this view
        if (entry.second.blob == from && entry.second.flat == flat) {
            entry.second.blob = top;
            entry.second.flat.clear();
            readers_[top] += names_.uses[entry.first];
        }
    readers_[from]++;
    return top;
}

std::string OnnxReader::unique_blob(const std::string &name) const
{
    return values_.count(name) > 0 || names_.uses.count(name) > 0 ? name + "/values" : name;
}

rs_shape OnnxReader::shape_of(const Value &v) const
{
    const rs_shape &s = build_.shape(v.blob);
    if (v.flat.empty())
        return s;
    return rs_shape { 2, { s.dim[0], rs_shape_count(&s, 1) } };
}

std::vector<int64_t> OnnxReader::dims(int i)
{
    const Value &v = value(i);
    if (v.constant != nullptr)
        return v.constant->dims;
    const rs_shape s = shape_of(v);
    return std::vector<int64_t>(s.dim, s.dim + s.n_axes);
}

// ---- attributes

const onnx::AttributeProto *OnnxReader::attribute(const char *name) const
{
    for (const auto &a : node_->attribute())
        if (a.name() == name)
            return &a;
    return nullptr;
}

int64_t OnnxReader::integer(const char *name, int64_t otherwise) const
{
    const auto *a = attribute(name);
    return a != nullptr && a->has_i() ? a->i() : otherwise;
}

float OnnxReader::real(const char *name, float otherwise)
{
    const auto *a = attribute(name);
    const float f = a != nullptr && a->has_f() ? a->f() : otherwise;
    if (!std::isfinite(f))
        refuse("attribute " + quoted(name) + " is not a finite number");
    return f;
}

std::string OnnxReader::word(const char *name, const char *otherwise) const
{
    const auto *a = attribute(name);
    return a != nullptr && a->has_s() ? a->s() : otherwise;
}

std::vector<int64_t> OnnxReader::integers(const char *name) const
{
    const auto *a = attribute(name);
    return a != nullptr ? std::vector<int64_t>(a->ints().begin(), a->ints().end()) : std::vector<int64_t>();
}

bool OnnxReader::any_not_zero(const char *name) const
{
    const auto *a = attribute(name);
    return a != nullptr && std::any_of(a->ints().begin(), a->ints().end(), [](int64_t v) { return v != 0; });
}

// A list that is an attribute in older operator sets and an input in newer ones.
std::vector<int64_t> OnnxReader::list(const char *name, int input)
{
    if (!has_input(input))
        return integers(name);
    return whole(*constant(input, name), name);
}

std::vector<int64_t> OnnxReader::whole(const Tensor &t, const char *what)
{
    if (t.is_float || t.dims.size() > 1)
        refuse(std::string(what) + " is " + (t.is_float ? "of floats" : t.shape_text()) +
               ", expected a list of integers");
    return t.ints;
}

int64_t OnnxReader::axis(int64_t a, int n_axes)
{
    const int k = rs_axis(a, n_axes);
    if (k < 0)
        refuse("axis " + std::to_string(a) + " of a value with " + std::to_string(n_axes) + " axes");
    return k;
}

void OnnxReader::pair(const char *name, int64_t min, int64_t otherwise, int64_t *out)
{
    const std::vector<int64_t> v = integers(name);
    if (!v.empty() && v.size() != 2)
        refuse(std::string(name) + " has " + std::to_string(v.size()) +
               " values, expected 2 (only images are supported)");
    for (std::size_t a = 0; a < 2; a++)
        out[a] = within(v.empty() ? otherwise : v[a], min, name);
}

// Reads what convolutions and poolings have in common. `kernel`: from the weights, or nullptr.
Window OnnxReader::window(const rs_shape &in, const int64_t *kernel, const Value &input)
{
    Window w;
    pair("kernel_shape", 1, kernel != nullptr ? kernel[0] : 0, w.kernel);
    if (kernel != nullptr && attribute("kernel_shape") == nullptr)
        w.kernel[1] = kernel[1];
    if (kernel != nullptr && (w.kernel[0] != kernel[0] || w.kernel[1] != kernel[1]))
        refuse("kernel_shape does not agree with the shape of the weights");
    pair("strides", 1, 1, w.stride);
    pair("dilations", 1, 1, w.dilation);
    const std::string mode = word("auto_pad", "NOTSET");
    const std::vector<int64_t> pads = integers("pads");
    if (!pads.empty() && pads.size() != 4)
        refuse("pads has " + std::to_string(pads.size()) + " values, expected 4");
    for (std::size_t a = 0; a < 2; a++) {
        w.before[a] = w.after[a] = 0;
        if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
            const int64_t size = in.dim[2 + a], out = (size + w.stride[a] - 1) / w.stride[a];
            const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[a] + w.dilation[a] * (w.kernel[a] - 1) + 1 -
                                                           size);
            w.before[a] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
            w.after[a] = total - w.before[a];
        } else if (mode == "NOTSET") {
            w.before[a] = pads.empty() ? 0 : within(pads[a], 0, "pads");
            w.after[a] = pads.empty() ? 0 : within(pads[a + 2], 0, "pads");
        } else if (mode != "VALID") {
            refuse("auto_pad " + quoted(mode) + ", expected NOTSET, SAME_UPPER, SAME_LOWER or VALID");
        }
        w.before[a] = within(w.before[a] + input.pad[a], 0, "pads");
        w.after[a] = within(w.after[a] + input.pad[a + 2], 0, "pads");
    }
    return w;
}

// ---- layers

void OnnxReader::infer()
{
    rs_layer &layer = build_.layer(build_.last_layer());
    const rs_status st = rs_net_infer_layer(build_.net(), build_.last_layer(), nullptr, diag_);
    if (st == RS_BAD_INPUT) { // what is wrong has been said of the layer
        errors_++;
        throw Refused();
    }
    if (st != RS_OK)
        throw Failed { st };
    // Weights are read from the file, so they cannot be much larger than it: nodes that use the same ones over and
    // over again could ask for any amount of memory.
    for (int p = 0; p < layer.n_params; p++)
        total_params_ += rs_shape_count(&layer.params[p].shape, 0);
    if (total_params_ > 16 * static_cast<int64_t>(file_size_) + 65536)
        refuse("the weights up to here take " + std::to_string(total_params_ * 4) + " bytes, the file only " +
               std::to_string(file_size_));
}

std::string OnnxReader::node_name() const
{
    return node_->name().empty() ? node_->op_type() + "_" + std::to_string(index_) : node_->name();
}

// A layer that is this node: its name, one top of the name of the node's output.
rs_layer &OnnxReader::layer(rs_layer_type type, const std::vector<int> &bottoms, const std::string &name)
{
    const bool in_place = rs_layer_rule_of(type)->in_place && bottoms.size() == 1 && readers_[bottoms[0]] == 1 &&
                          build_.layer(producer_of(bottoms[0])).type != RS_LAYER_INPUT;
    const int top = in_place ? bottoms[0] : build_.new_blob(node_->output(0));
    rs_layer &l = build_.add(type, name.empty() ? node_name() : name, bottoms, { top });
    producer_[top] = build_.last_layer();
    if (in_place)
        readers_[top] = 0; // its only reader was this layer
    return l;
}

int OnnxReader::producer_of(int b) const
{
    const auto it = producer_.find(b);
    return it == producer_.end() ? 0 : it->second; // layer 0 is an input
}

// After the layer's fields are set: its shapes, and the node's output.
void OnnxReader::finish()
{
    infer();
    result(build_.layer(build_.last_layer()).tops[0]);
}

void OnnxReader::result(int top)
{
    build_.rename(top, node_->output(0)); // what the blob holds from now on
    Value v;
    v.blob = top;
    bind(node_->output(0), v);
}

void OnnxReader::set_param(int l, int p, const std::vector<float> &values)
{
    rs_param &param = build_.layer(l).params[p];
    if (static_cast<int64_t>(values.size()) != rs_shape_count(&param.shape, 0))
        refuse("its weights are " + std::to_string(values.size()) + " values, expected " + shape_text(param.shape));
    for (const float v : values)
        if (!std::isfinite(v))
            refuse("its weights hold a number that is not finite");
    std::memcpy(param.data, values.data(), values.size() * sizeof(float));
}

void OnnxReader::set_param(int p, const std::vector<float> &values)
{
    set_param(build_.last_layer(), p, values);
}

std::vector<float> OnnxReader::floats(const Tensor &t, const char *what)
{
    if (!t.is_float)
        refuse(std::string(what) + " is of integers, expected floats");
    return t.floats;
}

// A constant of n floats along one axis.
std::vector<float> OnnxReader::vector(int i, const char *what, int64_t n)
{
    const TensorPtr t = constant(i, what);
    if (static_cast<int64_t>(t->size()) != n)
        refuse(std::string(what) + " is " + t->shape_text() + ", expected " + std::to_string(n) + " values");
    return floats(*t, what);
}

const rs_shape &OnnxReader::image(int b)
{
    const rs_shape &s = build_.shape(b);
    if (s.n_axes != 4)
        refuse("its input is " + shape_text(s) + ", expected images (N x C x H x W)");
    return s;
}

int64_t OnnxReader::within(int64_t v, int64_t min, const char *what)
{
    if (v < min || v > max_size)
        refuse(std::string(what) + " is " + std::to_string(v) + ", expected " + std::to_string(min) + " to " +
               std::to_string(max_size));
    return v;
}

int64_t OnnxReader::channels(int b)
{
    const rs_shape &s = build_.shape(b);
    if (s.n_axes < 2)
        refuse("its input is " + shape_text(s) + ", expected N x channels");
    return s.dim[1];
}

void OnnxReader::give(const std::shared_ptr<Tensor> &t)
{
    Value v;
    v.constant = t;
    bind(node_->output(0), v);
}

} // namespace ristretto
