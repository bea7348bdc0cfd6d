// ONNX model -> rs_net.
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/stubs/logging.h>

#include "base/file.h"
#include "base/memory.h"
#include "fxp/fxp.h"
#include "import/common.h"
#include "import/onnx/onnx.h"
#include "import/onnx/onnx.pb.h"
#include "import/onnx/build.h"
#include "import/onnx/tensor.h"
#include "import/wire.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

constexpr int64_t oldest_opset = 7, newest_opset = 17;

using TensorPtr = std::shared_ptr<const Tensor>;

// What a name of the graph stands for.
struct Value {
    int blob = -1;         // of the net
    TensorPtr constant;    // or a constant
    bool unusable = false; // an error was found where it is made: no more is said about it
    std::string flat;      // the blob, as N x the rest; the name of the node that says so
    int quantized = -1;    // the QuantizeLinear layer whose integers these are; the blob holds what they stand for
    int64_t pad[4] = { 0, 0, 0, 0 }; // zeros around the blob's pixels: top, left, bottom, right
    bool padded() const
    {
        return pad[0] != 0 || pad[1] != 0 || pad[2] != 0 || pad[3] != 0;
    }
};

struct Refused {
}; // this node cannot be read; what is wrong has been said
struct Failed {
    rs_status status;
};

// The window of a convolution or pooling: kernel, stride, dilation, padding before and after, of height and width.
struct Window {
    int64_t kernel[2], stride[2], dilation[2], before[2], after[2];
};

class OnnxReader
{
  public:
    OnnxReader(const char *path, const onnx::ModelProto &model, std::size_t file_size, const rs_shape *input,
               rs_diag *diag)
        : path_(path), model_(model), graph_(model.graph()), file_size_(file_size), input_(input), diag_(diag),
          build_(path, model.graph().name())
    {
    }

    rs_status read(rs_net **net)
    {
        versions();
        count_uses();
        for (const onnx::TensorProto &t : graph_.initializer())
            initializers_[t.name()] = &t;
        find_normalizations();
        inputs();
        if (errors_ == 0)
            for (int i = 0; i < graph_.node_size(); i++)
                if (inner_.count(i) == 0)
                    node(i);
        if (errors_ == 0)
            outputs();
        if (errors_ == 0 && build_.net()->n_layers < 2)
            complain("", "the model has no layers");
        if (errors_ > 0)
            return RS_BAD_INPUT;
        *net = build_.release();
        return RS_OK;
    }

  private:
    using Handler = void (OnnxReader::*)();
    struct Op {
        const char *name;
        int least, most;        // inputs
        const char *attributes; // those that are read, separated and surrounded by spaces
        Handler run;
    };

    // ---- messages

    void complain(const std::string &hint, const std::string &what)
    {
        errors_++;
        bad(diag_, rs_loc { path_, 0, 0 }, hint, what);
    }
    std::string who() const
    {
        const std::string &name = node_->name();
        return "node " + std::to_string(index_) + (name.empty() ? "" : " " + quoted(name)) + " (" +
               (node_->domain().empty() ? "" : node_->domain() + ".") + node_->op_type() + ")";
    }
    [[noreturn]] void refuse(const std::string &what, const std::string &hint = "")
    {
        complain(hint, who() + ": " + what);
        throw Refused();
    }
    static std::string text_of(const rs_shape &shape)
    {
        char text[192];
        return rs_shape_text(&shape, text, sizeof text);
    }

    // ---- the model around the nodes

    void versions()
    {
        if (!model_.has_graph() || model_.opset_import_size() == 0) {
            complain("",
                     "this is no ONNX model: it has no " + std::string(model_.has_graph() ? "operator set" : "graph"));
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

    void count_uses()
    {
        for (const auto &n : graph_.node())
            for (const std::string &input : n.input())
                uses_[input]++;
        for (const auto &o : graph_.output())
            uses_[o.name()]++;
    }

    void inputs()
    {
        bool first = true;
        for (const auto &in : graph_.input()) {
            if (initializers_.count(in.name()) > 0)
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
            if (first && input_ != nullptr && input_->dim[0] > 0)
                shape = *input_;
            else if (!input_shape(type.shape(), who, first ? input_ : nullptr, &shape))
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

    bool input_shape(const onnx::TensorShapeProto &from, const std::string &who, const rs_shape *open, rs_shape *shape)
    {
        if (from.dim_size() < 1 || from.dim_size() > RS_MAX_AXES) {
            complain("", who + " has " + std::to_string(from.dim_size()) + " axes, expected 1 to " +
                             std::to_string(RS_MAX_AXES));
            return false;
        }
        for (int i = 0; i < from.dim_size(); i++) {
            int64_t d = from.dim(i).dim_value();
            if (!from.dim(i).has_dim_value() || d == 0) {
                const bool given = open != nullptr && open->n_axes == from.dim_size();
                if (i > 0 && !given) {
                    complain("give the input's shape (--input)",
                             who + " leaves axis " + std::to_string(i) + " open" +
                                 (from.dim(i).has_dim_param() ? " (" + quoted(from.dim(i).dim_param()) + ")" : ""));
                    return false;
                }
                d = i > 0 ? open->dim[i] : 1;
            }
            if (d < 1 || d > max_size) {
                complain("", who + ": dimension " + std::to_string(d) + ", expected 1 to " + std::to_string(max_size));
                return false;
            }
            shape->dim[shape->n_axes++] = d;
        }
        const int64_t count = rs_shape_count(shape, 0);
        if (count < 0 || count > RS_MAX_ELEMENTS) {
            complain("", who + " is " + text_of(*shape) + ", expected at most " + std::to_string(RS_MAX_ELEMENTS) +
                             " values");
            return false;
        }
        return true;
    }

    void outputs()
    {
        if (graph_.output_size() == 0)
            complain("", "the model has no output");
        for (const auto &o : graph_.output()) {
            const auto it = values_.find(o.name());
            if (it == values_.end())
                complain("", "no node gives the output " + quoted(o.name()));
            else if (it->second.quantized >= 0)
                complain("", "the output " + quoted(o.name()) + " holds a QuantizeLinear's integers, expected floats");
            else if (it->second.blob >= 0 && !it->second.flat.empty())
                flattened(&it->second);
        }
    }

    // ---- values

    void bind(const std::string &name, const Value &value)
    {
        if (name.empty())
            return;
        values_[name] = value;
        if (value.blob >= 0)
            readers_[value.blob] += uses_[name];
    }

    // A name that stands for what another stands for: the node itself is no reader.
    void alias(const std::string &name, const Value &value)
    {
        if (value.blob >= 0)
            readers_[value.blob]--;
        bind(name, value);
    }

    bool has_input(int i) const
    {
        return i < node_->input_size() && !node_->input(i).empty();
    }

    // The value of input i; Refused if it is not there.
    Value &value(int i)
    {
        if (!has_input(i))
            refuse("input " + std::to_string(i) + " is missing");
        const std::string &name = node_->input(i);
        auto it = values_.find(name);
        if (it == values_.end()) {
            const auto init = initializers_.find(name);
            if (init == initializers_.end())
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
    bool is_constant(int i)
    {
        return value(i).constant != nullptr;
    }

    TensorPtr constant(int i, const char *what)
    {
        Value &v = value(i);
        if (v.constant == nullptr)
            refuse(std::string(what) + " (input " + std::to_string(i) + ") is computed, expected a constant");
        return v.constant;
    }

    // The blob that is input i, in the shape that the model gives it.
    int blob(int i)
    {
        Value &v = value(i);
        if (v.padded())
            refuse("its input is padded by a Pad node, which only a convolution or average pooling can take");
        return padded_blob(i);
    }
    int padded_blob(int i)
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
    int flattened(Value *v)
    {
        const int from = v->blob;
        if (build_.shape(from).n_axes == 2) {
            v->flat.clear();
            return from;
        }
        const int top = build_.new_blob(unique_blob(v->flat));
        rs_layer &layer = build_.add(RS_LAYER_FLATTEN, v->flat, { from }, { top });
        layer.flatten.axis = 1;
        layer.flatten.end_axis = -1;
        infer();
        const std::string flat = v->flat;
        for (auto &entry : values_) // all names of this view
            if (entry.second.blob == from && entry.second.flat == flat) {
                entry.second.blob = top;
                entry.second.flat.clear();
                readers_[top] += uses_[entry.first];
            }
        readers_[from]++;
        return top;
    }
    std::string unique_blob(const std::string &name) const
    {
        return values_.count(name) > 0 || uses_.count(name) > 0 ? name + "/values" : name;
    }

    rs_shape shape_of(const Value &v) const
    {
        const rs_shape &s = build_.shape(v.blob);
        if (v.flat.empty())
            return s;
        return rs_shape { 2, { s.dim[0], rs_shape_count(&s, 1) } };
    }

    // ---- attributes

    const onnx::AttributeProto *attribute(const char *name) const
    {
        for (const auto &a : node_->attribute())
            if (a.name() == name)
                return &a;
        return nullptr;
    }
    int64_t integer(const char *name, int64_t otherwise) const
    {
        const auto *a = attribute(name);
        return a != nullptr && a->has_i() ? a->i() : otherwise;
    }
    float real(const char *name, float otherwise)
    {
        const auto *a = attribute(name);
        const float f = a != nullptr && a->has_f() ? a->f() : otherwise;
        if (!std::isfinite(f))
            refuse("attribute " + quoted(name) + " is not a finite number");
        return f;
    }
    std::string word(const char *name, const char *otherwise) const
    {
        const auto *a = attribute(name);
        return a != nullptr && a->has_s() ? a->s() : otherwise;
    }
    std::vector<int64_t> integers(const char *name) const
    {
        const auto *a = attribute(name);
        return a != nullptr ? std::vector<int64_t>(a->ints().begin(), a->ints().end()) : std::vector<int64_t>();
    }
    bool any_not_zero(const char *name) const
    {
        const auto *a = attribute(name);
        return a != nullptr && std::any_of(a->ints().begin(), a->ints().end(), [](int64_t v) { return v != 0; });
    }
    // A list that is an attribute in older operator sets and an input in newer ones.
    std::vector<int64_t> list(const char *name, int input)
    {
        if (!has_input(input))
            return integers(name);
        return whole(*constant(input, name), name);
    }
    std::vector<int64_t> whole(const Tensor &t, const char *what)
    {
        if (t.is_float || t.dims.size() > 1)
            refuse(std::string(what) + " is " + (t.is_float ? "of floats" : t.shape_text()) +
                   ", expected a list of integers");
        return t.ints;
    }
    int64_t axis(int64_t a, int n_axes)
    {
        const int k = rs_axis(a, n_axes);
        if (k < 0)
            refuse("axis " + std::to_string(a) + " of a value with " + std::to_string(n_axes) + " axes");
        return k;
    }

    // ---- layers

    void infer()
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

    std::string node_name() const
    {
        return node_->name().empty() ? node_->op_type() + "_" + std::to_string(index_) : node_->name();
    }

    // A layer that is this node: its name, one top of the name of the node's output.
    rs_layer &layer(rs_layer_type type, const std::vector<int> &bottoms, const std::string &name = "")
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
    int producer_of(int b) const
    {
        const auto it = producer_.find(b);
        return it == producer_.end() ? 0 : it->second; // layer 0 is an input
    }

    // After the layer's fields are set: its shapes, and the node's output.
    void finish()
    {
        infer();
        result(build_.layer(build_.last_layer()).tops[0]);
    }
    void result(int top)
    {
        Value v;
        v.blob = top;
        bind(node_->output(0), v);
    }

    void set_param(int l, int p, const std::vector<float> &values)
    {
        rs_param &param = build_.layer(l).params[p];
        if (static_cast<int64_t>(values.size()) != rs_shape_count(&param.shape, 0))
            refuse("its weights are " + std::to_string(values.size()) + " values, expected " + text_of(param.shape));
        for (const float v : values)
            if (!std::isfinite(v))
                refuse("its weights hold a number that is not finite");
        std::memcpy(param.data, values.data(), values.size() * sizeof(float));
    }
    void set_param(int p, const std::vector<float> &values)
    {
        set_param(build_.last_layer(), p, values);
    }

    std::vector<float> floats(const Tensor &t, const char *what)
    {
        if (!t.is_float)
            refuse(std::string(what) + " is of integers, expected floats");
        return t.floats;
    }
    // A constant of n floats along one axis.
    std::vector<float> vector(int i, const char *what, int64_t n)
    {
        const TensorPtr t = constant(i, what);
        if (static_cast<int64_t>(t->size()) != n)
            refuse(std::string(what) + " is " + t->shape_text() + ", expected " + std::to_string(n) + " values");
        return floats(*t, what);
    }

    const rs_shape &image(int b)
    {
        const rs_shape &s = build_.shape(b);
        if (s.n_axes != 4)
            refuse("its input is " + text_of(s) + ", expected images (N x C x H x W)");
        return s;
    }

    int64_t within(int64_t v, int64_t least, const char *what)
    {
        if (v < least || v > max_size)
            refuse(std::string(what) + " is " + std::to_string(v) + ", expected " + std::to_string(least) + " to " +
                   std::to_string(max_size));
        return v;
    }
    void pair(const char *name, int64_t least, int64_t otherwise, int64_t *out)
    {
        const std::vector<int64_t> v = integers(name);
        if (!v.empty() && v.size() != 2)
            refuse(std::string(name) + " has " + std::to_string(v.size()) +
                   " values, expected 2 (only images are supported)");
        for (std::size_t a = 0; a < 2; a++)
            out[a] = within(v.empty() ? otherwise : v[a], least, name);
    }

    // Reads what convolutions and poolings have in common. `kernel`: from the weights, or nullptr.
    Window window(const rs_shape &in, const int64_t *kernel, const Value &input)
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
                const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[a] + w.dilation[a] * (w.kernel[a] - 1) +
                                                               1 - size);
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

    // Where padding before and after differ, the kernel gets zeros on the other side: the same sums.
    std::vector<float> widen(const Tensor &weights, Window *w)
    {
        int64_t lead[2], size[2];
        for (std::size_t a = 0; a < 2; a++) {
            const int64_t difference = w->after[a] - w->before[a], rows = std::abs(difference) / w->dilation[a];
            if (difference % w->dilation[a] != 0)
                refuse("pads of " + std::to_string(w->before[a]) + " and " + std::to_string(w->after[a]) +
                       " with dilation " + std::to_string(w->dilation[a]) + " are not supported");
            if (rows > w->kernel[a] + 2)
                refuse("pads of " + std::to_string(w->before[a]) + " and " + std::to_string(w->after[a]) +
                       " differ by more than the kernel's size, which is not supported");
            lead[a] = difference > 0 ? rows : 0;
            size[a] = w->kernel[a] + rows;
            w->before[a] = w->after[a] = std::max(w->before[a], w->after[a]);
        }
        if (size[0] == w->kernel[0] && size[1] == w->kernel[1])
            return floats(weights, "W");
        const std::vector<float> from = floats(weights, "W");
        const std::size_t kh = static_cast<std::size_t>(w->kernel[0]), kw = static_cast<std::size_t>(w->kernel[1]);
        const std::size_t planes = kh * kw == 0 ? 0 : from.size() / (kh * kw);
        const std::size_t h = static_cast<std::size_t>(size[0]), wide = static_cast<std::size_t>(size[1]);
        const std::size_t top = static_cast<std::size_t>(lead[0]), left = static_cast<std::size_t>(lead[1]);
        std::vector<float> to(planes * h * wide, 0.0F);
        for (std::size_t p = 0; p < planes; p++)
            for (std::size_t y = 0; y < kh; y++)
                for (std::size_t x = 0; x < kw; x++)
                    to[(p * h + y + top) * wide + x + left] = from[(p * kh + y) * kw + x];
        w->kernel[0] = size[0];
        w->kernel[1] = size[1];
        widened_++;
        return to;
    }

    void convolution()
    {
        const TensorPtr weights = constant(1, "W");
        const int in = padded_blob(0);
        const rs_shape shape = image(in);
        if (weights->dims.size() != 4 || count_of(weights->dims) < 1)
            refuse("its weights are " + weights->shape_text() + ", expected 4 axes (only images are supported)");
        const int64_t groups = within(integer("group", 1), 1, "group");
        if (weights->dims[0] % groups != 0 || weights->dims[1] > max_size || shape.dim[1] != weights->dims[1] * groups)
            refuse("weights of " + weights->shape_text() + " in " + std::to_string(groups) +
                   " groups do not fit an input of " + text_of(shape));
        const int64_t kernel[2] = { weights->dims[2], weights->dims[3] };
        Window w = window(shape, kernel, value(0));
        const std::vector<float> values = widen(*weights, &w);
        std::vector<float> bias;
        if (has_input(2))
            bias = vector(2, "B", weights->dims[0]);
        rs_layer &l = layer(RS_LAYER_CONVOLUTION, { in });
        rs_convolution_param *c = &l.convolution;
        c->out_channels = weights->dims[0];
        c->groups = groups;
        c->bias = has_input(2);
        set_window(w, c);
        finish();
        set_param(0, values);
        if (has_input(2))
            set_param(1, bias);
    }
    static void set_window(const Window &w, rs_convolution_param *c)
    {
        c->kernel_h = w.kernel[0];
        c->kernel_w = w.kernel[1];
        c->stride_h = w.stride[0];
        c->stride_w = w.stride[1];
        c->dilation_h = w.dilation[0];
        c->dilation_w = w.dilation[1];
        c->pad_h = w.before[0];
        c->pad_w = w.before[1];
    }

    void deconvolution()
    {
        const TensorPtr weights = constant(1, "W");
        const int in = blob(0);
        const rs_shape shape = image(in);
        if (weights->dims.size() != 4 || count_of(weights->dims) < 1)
            refuse("its weights are " + weights->shape_text() + ", expected 4 axes (only images are supported)");
        const int64_t groups = within(integer("group", 1), 1, "group");
        if (shape.dim[1] != weights->dims[0] || shape.dim[1] % groups != 0)
            refuse("weights of " + weights->shape_text() + " do not fit an input of " + text_of(shape));
        if (any_not_zero("output_padding"))
            refuse("output_padding is not supported");
        if (word("auto_pad", "NOTSET") != "NOTSET")
            refuse("auto_pad is not supported");
        const int64_t kernel[2] = { weights->dims[2], weights->dims[3] };
        const Window w = window(shape, kernel, value(0));
        if (w.before[0] != w.after[0] || w.before[1] != w.after[1])
            refuse("pads that differ before and after are not supported");
        std::vector<float> bias;
        if (has_input(2))
            bias = vector(2, "B", weights->dims[1] * groups);
        rs_layer &l = layer(RS_LAYER_DECONVOLUTION, { in });
        l.convolution.out_channels = within(weights->dims[1] * groups, 1, "the number of output channels");
        l.convolution.groups = groups;
        l.convolution.bias = has_input(2);
        set_window(w, &l.convolution);
        finish();
        set_param(0, floats(*weights, "W"));
        if (has_input(2))
            set_param(1, bias);
    }

    void inner_product(const std::vector<float> &weights, int64_t outputs, int64_t inputs,
                       const std::vector<float> *bias)
    {
        const Value &v = value(0);
        if (v.padded() || v.quantized >= 0)
            (void)blob(0); // says what is wrong
        if (v.constant != nullptr)
            refuse("its first input is a constant, expected a layer's values");
        const rs_shape shape = shape_of(v);
        if (shape.n_axes != 2 || shape.dim[1] != inputs)
            refuse("its input is " + text_of(shape) + ", expected N x " + std::to_string(inputs));
        rs_layer &l = layer(RS_LAYER_INNER_PRODUCT, { v.blob });
        l.inner_product.outputs = within(outputs, 1, "the number of outputs");
        l.inner_product.bias = bias != nullptr;
        finish();
        set_param(0, weights);
        if (bias != nullptr)
            set_param(1, *bias);
    }

    // A constant matrix as [outputs][inputs].
    std::vector<float> matrix(int i, bool transposed, float factor, int64_t *outputs, int64_t *inputs)
    {
        const TensorPtr t = constant(i, "B");
        if (t->dims.size() != 2 || count_of(t->dims) < 1)
            refuse("its weights are " + t->shape_text() + ", expected a matrix");
        std::vector<float> from = floats(*t, "B");
        const std::size_t rows = static_cast<std::size_t>(t->dims[0]), columns = static_cast<std::size_t>(t->dims[1]);
        *outputs = t->dims[transposed ? 0 : 1];
        *inputs = t->dims[transposed ? 1 : 0];
        std::vector<float> to;
        if (transposed) {
            to.swap(from);
        } else {
            to.resize(from.size());
            for (std::size_t r = 0; r < rows; r++)
                for (std::size_t c = 0; c < columns; c++)
                    to[c * rows + r] = from[r * columns + c];
        }
        if (factor != 1)
            for (float &v : to)
                v *= factor;
        return to;
    }

    void gemm()
    {
        int64_t outputs = 0, inputs = 0;
        if (integer("transA", 0) != 0)
            refuse("transA is not supported");
        const std::vector<float> weights = matrix(1, integer("transB", 0) != 0, real("alpha", 1), &outputs, &inputs);
        std::vector<float> bias;
        if (has_input(2)) {
            const TensorPtr c = constant(2, "C");
            const bool row = c->dims.size() <= 1 || (c->dims.size() == 2 && c->dims[0] == 1);
            if (!row || (c->size() != 1 && static_cast<int64_t>(c->size()) != outputs))
                refuse("C is " + c->shape_text() + ", expected " + std::to_string(outputs) + " values");
            bias = floats(*c, "C");
            bias.resize(static_cast<std::size_t>(outputs), bias[0]);
            const float beta = real("beta", 1);
            for (float &b : bias)
                b *= beta;
        }
        inner_product(weights, outputs, inputs, has_input(2) ? &bias : nullptr);
    }

    void matmul()
    {
        int64_t outputs = 0, inputs = 0;
        const std::vector<float> weights = matrix(1, false, 1, &outputs, &inputs);
        inner_product(weights, outputs, inputs, nullptr);
    }

    // ---- pooling

    void pool()
    {
        const bool average = node_->op_type() == "AveragePool";
        const int in = average ? padded_blob(0) : blob(0);
        const rs_shape shape = image(in);
        if (attribute("kernel_shape") == nullptr)
            refuse("it has no kernel_shape");
        const Window w = window(shape, nullptr, value(0));
        const bool ceil = integer("ceil_mode", 0) != 0;
        const bool include = integer("count_include_pad", 0) != 0 || value(0).padded();
        if (value(0).padded() && integer("count_include_pad", 0) == 0 && any_not_zero("pads"))
            refuse("padding of a Pad node and of its own together is not supported");
        if (node_->output_size() > 1 && uses_.count(node_->output(1)) > 0)
            refuse("its second output (indices) is not supported");
        bool can[2] = { true, true }; // the two rules of rounding: up, down
        for (std::size_t a = 0; a < 2; a++) {
            const int64_t size = shape.dim[2 + a];
            if (w.dilation[a] != 1)
                refuse("dilations are not supported");
            if (w.before[a] >= w.kernel[a] || w.after[a] >= w.kernel[a])
                refuse("pads must be smaller than the kernel");
            if (average && include && w.before[a] != w.after[a])
                refuse("pads that differ before and after, and count, are not supported");
            const int64_t span = size + w.before[a] + w.after[a] - w.kernel[a];
            if (span < 0)
                refuse("the kernel of " + std::to_string(w.kernel[a]) + " is larger than its input of " +
                       text_of(shape));
            int64_t out = (span + (ceil ? w.stride[a] - 1 : 0)) / w.stride[a] + 1;
            if (ceil && (out - 1) * w.stride[a] >= size + w.before[a])
                out--; // a window that would start behind the image
            can[0] = can[0] && rs_pooling_output(size, w.kernel[a], w.stride[a], w.before[a], false) == out;
            can[1] = can[1] && rs_pooling_output(size, w.kernel[a], w.stride[a], w.before[a], true) == out;
        }
        if (!can[0] && !can[1])
            refuse("pads that differ before and after are not supported for this size");
        const bool padded = w.before[0] != 0 || w.before[1] != 0;
        rs_layer &l = layer(RS_LAYER_POOLING, { in });
        rs_pooling_param *p = &l.pooling;
        p->method = average ? RS_POOL_AVERAGE : RS_POOL_MAX;
        p->kernel_h = w.kernel[0];
        p->kernel_w = w.kernel[1];
        p->stride_h = w.stride[0];
        p->stride_w = w.stride[1];
        p->pad_h = w.before[0];
        p->pad_w = w.before[1];
        p->floor = !can[0];
        p->exclude_padding = average && padded && !include;
        finish();
    }

    void global(rs_pool_method method, int in)
    {
        (void)image(in);
        rs_layer &l = layer(RS_LAYER_POOLING, { in });
        l.pooling.method = method;
        l.pooling.global = true;
        finish();
    }
    void global_average()
    {
        global(RS_POOL_AVERAGE, blob(0));
    }
    void global_max()
    {
        global(RS_POOL_MAX, blob(0));
    }

    void reduce_mean()
    {
        const int in = blob(0);
        std::vector<int64_t> axes = integers("axes");
        for (int64_t &a : axes)
            a = axis(a, build_.shape(in).n_axes);
        std::sort(axes.begin(), axes.end());
        if (build_.shape(in).n_axes != 4 || axes.size() != 2 || axes[0] != 2 || axes[1] != 3)
            refuse("only the mean over height and width is supported");
        global(RS_POOL_AVERAGE, in);
        if (integer("keepdims", 1) == 0)
            values_[node_->output(0)].flat = node_name() + "/flatten";
    }

    // ---- activations and normalization

    void relu()
    {
        layer(RS_LAYER_RELU, { blob(0) }).relu_slope = 0;
        finish();
    }
    void leaky_relu()
    {
        const float slope = real("alpha", 0.01F);
        layer(RS_LAYER_RELU, { blob(0) }).relu_slope = slope;
        finish();
    }
    void elu()
    {
        const float alpha = real("alpha", 1);
        layer(RS_LAYER_ELU, { blob(0) }).elu_alpha = alpha;
        finish();
    }
    void sigmoid()
    {
        layer(RS_LAYER_SIGMOID, { blob(0) });
        finish();
    }
    void tanh()
    {
        layer(RS_LAYER_TANH, { blob(0) });
        finish();
    }

    int64_t channels(int b)
    {
        const rs_shape &s = build_.shape(b);
        if (s.n_axes < 2)
            refuse("its input is " + text_of(s) + ", expected N x channels");
        return s.dim[1];
    }

    void prelu()
    {
        const int in = blob(0);
        const TensorPtr slope = constant(1, "slope");
        const int64_t n = channels(in);
        if (slope->size() != 1 && static_cast<int64_t>(slope->size()) != n)
            refuse("slope is " + slope->shape_text() + ", expected one value for each of " + std::to_string(n) +
                   " channels");
        if (slope->size() != 1 && !per_channel(*slope, build_.shape(in)))
            refuse("slope is " + slope->shape_text() + ", expected a value for each channel");
        const bool one = slope->size() == 1;
        layer(RS_LAYER_PRELU, { in }).prelu.shared = one;
        finish();
        set_param(0, floats(*slope, "slope"));
    }

    void clip()
    {
        double limit[2] = { -INFINITY, INFINITY };
        static const char *const names[2] = { "min", "max" };
        for (int i = 0; i < 2; i++) {
            if (has_input(i + 1)) {
                const TensorPtr t = constant(i + 1, names[i]);
                if (t->size() != 1)
                    refuse(std::string(names[i]) + " is " + t->shape_text() + ", expected one value");
                limit[i] = t->at(0);
            } else if (const auto *a = attribute(names[i])) {
                limit[i] = static_cast<double>(a->f());
            }
        }
        constexpr double most = 3.4028234663852886e38; // the largest float
        if (std::isnan(limit[0]) || std::isnan(limit[1]) || limit[0] > limit[1])
            refuse("its limits are no range");
        if (limit[0] >= 0 && limit[0] <= 0 && limit[1] >= most)
            return relu();
        rs_layer &l = layer(RS_LAYER_CLIP, { blob(0) });
        l.clip[0] = static_cast<float>(std::max(limit[0], -most));
        l.clip[1] = static_cast<float>(std::min(limit[1], most));
        finish();
    }

    void lrn()
    {
        const int in = blob(0);
        const int64_t size = within(integer("size", 0), 1, "size");
        if (size % 2 == 0)
            refuse("size is " + std::to_string(size) + ", expected an odd number");
        const float alpha = real("alpha", 0.0001F), beta = real("beta", 0.75F), k = real("bias", 1);
        layer(RS_LAYER_LRN, { in }).lrn = rs_lrn_param { true, size, alpha, beta, k };
        finish();
    }

    void batch_norm()
    {
        const int in = blob(0);
        const int64_t n = channels(in);
        if (integer("training_mode", 0) != 0)
            refuse("training_mode is not supported: export the model in evaluation mode");
        if (integer("spatial", 1) != 1)
            refuse("spatial 0 is not supported");
        for (int i = 1; i < node_->output_size(); i++)
            if (!node_->output(i).empty() && uses_.count(node_->output(i)) > 0)
                refuse("only its first output is supported");
        const std::vector<float> scale = vector(1, "scale", n), shift = vector(2, "B", n);
        const std::vector<float> mean = vector(3, "mean", n), variance = vector(4, "var", n);
        const float eps = real("epsilon", 1e-5F);
        for (const float v : variance)
            if (!(v >= 0))
                refuse("a variance is negative");
        layer(RS_LAYER_BATCH_NORM, { in }).batch_norm = rs_batch_norm_param { true, 0.999F, eps };
        infer();
        set_param(0, mean);
        set_param(1, variance);
        set_param(2, { 1.0F });
        const int normal = build_.layer(build_.last_layer()).tops[0];
        rs_layer &s = build_.add(RS_LAYER_SCALE, node_name() + "/scale", { normal }, { normal });
        s.scale.axis = 1;
        s.scale.num_axes = 1;
        s.scale.bias = true;
        producer_[normal] = build_.last_layer();
        finish();
        set_param(0, scale);
        set_param(1, shift);
    }

    void softmax()
    {
        const int in = blob(0);
        const rs_shape &s = build_.shape(in);
        const int64_t a = axis(integer("axis", opset_ < 13 ? 1 : -1), s.n_axes);
        // Before operator set 13, all axes from this one on are one.
        if (a != 1 || (opset_ < 13 && rs_shape_count(&s, 2) != 1))
            refuse("axis " + std::to_string(a) + " of an input of " + text_of(s) + ", expected the classes at axis 1");
        layer(RS_LAYER_SOFTMAX, { in });
        finish();
    }

    void dropout()
    {
        if (node_->output_size() > 1 && !node_->output(1).empty() && uses_.count(node_->output(1)) > 0)
            refuse("its second output (mask) is not supported");
        double ratio = static_cast<double>(real("ratio", 0.5F));
        if (has_input(1)) {
            const TensorPtr t = constant(1, "ratio");
            ratio = t->size() == 1 ? t->at(0) : -1;
        }
        if (!(ratio >= 0 && ratio < 1))
            refuse("its ratio is not at least 0 and less than 1");
        layer(RS_LAYER_DROPOUT, { blob(0) }).dropout_ratio = static_cast<float>(ratio);
        finish();
    }

    // ---- element by element

    // Whether a constant of as many values as there are channels stands along axis 1 of a value of this shape.
    static bool per_channel(const Tensor &t, const rs_shape &shape)
    {
        const std::size_t axes = static_cast<std::size_t>(shape.n_axes);
        if (t.dims.size() > axes)
            return false;
        for (std::size_t i = 0; i < t.dims.size(); i++) {
            const std::size_t at = axes - t.dims.size() + i;
            if (t.dims[i] != (at == 1 ? shape.dim[1] : 1))
                return false;
        }
        return t.dims.size() + 1 >= axes; // or it would not reach axis 1
    }
    // Whether a constant has a value for each place of an image.
    static bool per_value(const Tensor &t, const rs_shape &shape)
    {
        const std::size_t axes = static_cast<std::size_t>(shape.n_axes);
        if (t.dims.size() + 1 < axes || t.dims.size() > axes)
            return false;
        const std::size_t skip = axes - t.dims.size();
        for (std::size_t i = 0; i < t.dims.size(); i++)
            if (t.dims[i] != (i + skip == 0 ? 1 : shape.dim[i + skip]))
                return false;
        return true;
    }

    // y = x * factor or x + term, with a constant.
    void with_constant(int x, int c, bool product, bool negate)
    {
        const TensorPtr t = constant(c, "the constant");
        std::vector<float> values = floats(*t, "the constant");
        if (negate)
            for (float &v : values)
                v = product ? 1 / v : -v;
        const int in = blob(x);
        const rs_shape shape = build_.shape(in);
        const bool one = t->size() == 1, channel = shape.n_axes >= 2 && per_channel(*t, shape);
        if (!one && !channel && !per_value(*t, shape))
            refuse("a constant of " + t->shape_text() + " and a value of " + text_of(shape) +
                   ", expected one value, one a channel, or one for each place");
        if (!product && merge_bias(in, one, channel, values))
            return;
        rs_layer &l = layer(product ? RS_LAYER_SCALE : RS_LAYER_BIAS, { in });
        l.scale.axis = 1;
        l.scale.num_axes = one ? 0 : channel ? 1 : -1;
        if (one && shape.n_axes < 2)
            l.scale.axis = 0;
        finish();
        set_param(0, values);
    }

    // A term behind a convolution or inner product without bias is its bias.
    bool merge_bias(int in, bool one, bool channel, std::vector<float> values)
    {
        const int from = producer_of(in);
        rs_layer &l = build_.layer(from);
        bool *bias = l.type == RS_LAYER_CONVOLUTION     ? &l.convolution.bias
                     : l.type == RS_LAYER_INNER_PRODUCT ? &l.inner_product.bias
                                                        : nullptr;
        if (bias == nullptr || *bias || readers_[in] != 1 || !(one || channel))
            return false;
        const int64_t outputs = build_.shape(in).dim[1];
        values.resize(static_cast<std::size_t>(outputs), values[0]);
        *bias = true;
        const rs_status st = rs_net_infer_layer(build_.net(), from, nullptr, diag_);
        if (st != RS_OK)
            throw Failed { st };
        set_param(from, 1, values);
        readers_[in] = 0;
        result(in);
        return true;
    }

    void eltwise(rs_eltwise_method method, const std::vector<float> &coefficients = {})
    {
        std::vector<int> bottoms;
        for (int i = 0; i < node_->input_size(); i++)
            bottoms.push_back(blob(i));
        for (const int b : bottoms)
            if (!rs_shape_equal(&build_.shape(b), &build_.shape(bottoms[0])))
                refuse("values of " + text_of(build_.shape(bottoms[0])) + " and " + text_of(build_.shape(b)) +
                       ", expected the same shape");
        if (bottoms.size() == 1) {
            alias(node_->output(0), value(0));
            return;
        }
        rs_layer &l = layer(RS_LAYER_ELTWISE, bottoms);
        l.eltwise.method = method;
        if (!coefficients.empty()) {
            l.eltwise.coefficients = RS_NEW_ARRAY(float, coefficients.size());
            if (l.eltwise.coefficients == nullptr)
                throw std::bad_alloc();
            std::copy(coefficients.begin(), coefficients.end(), l.eltwise.coefficients);
        }
        finish();
    }

    // ---- local response normalization within channels, which ONNX has no operator for, and is written as
    //      x / (1 + alpha * AveragePool(x * x)) ^ beta

    // The node that gives a name, if nothing but one other node reads it; -1: there is none.
    int only(const std::string &name, const char *op) const
    {
        const auto made = makers_.find(name), uses = uses_.find(name);
        if (made == makers_.end() || uses == uses_.end() || uses->second != 1)
            return -1;
        const onnx::NodeProto &n = graph_.node(made->second);
        const bool own = n.domain().empty() || n.domain() == "ai.onnx";
        return own && n.op_type() == op && n.output_size() == 1 ? made->second : -1;
    }
    // The one number that a name stands for.
    bool number(const std::string &name, float *to) const
    {
        const auto init = initializers_.find(name);
        const onnx::TensorProto *proto = init != initializers_.end() ? init->second : nullptr;
        const auto made = makers_.find(name);
        if (proto == nullptr && made != makers_.end() && graph_.node(made->second).op_type() == "Constant" &&
            graph_.node(made->second).attribute_size() == 1 && graph_.node(made->second).attribute(0).has_t())
            proto = &graph_.node(made->second).attribute(0).t();
        Tensor t;
        if (proto == nullptr || proto->dims_size() > 4 || !decode(*proto, &t).empty() || !t.is_float || t.size() != 1)
            return false;
        *to = t.floats[0];
        return std::isfinite(*to);
    }
    // The node behind the one input that is no number, which goes to *to.
    int beside(const onnx::NodeProto &n, const char *op, float *to) const
    {
        for (int i = 0; i < 2 && n.input_size() == 2; i++)
            if (number(n.input(1 - i), to))
                return only(n.input(i), op);
        return -1;
    }
    static bool all_are(const onnx::AttributeProto &a, int n, int64_t value)
    {
        return a.ints_size() == n &&
               std::all_of(a.ints().begin(), a.ints().end(), [=](int64_t v) { return v == value; });
    }
    // The side of the window of an average over squares around each place, the padding counted; 0: it is another one.
    static int64_t square_window(const onnx::NodeProto &pool)
    {
        int64_t size = 0;
        for (const auto &a : pool.attribute())
            if (a.name() == "kernel_shape" && a.ints_size() == 2 && a.ints(0) == a.ints(1) && a.ints(0) > 0 &&
                a.ints(0) % 2 == 1)
                size = a.ints(0);
        bool padded = size == 1, counted = size == 1, good = size > 0;
        for (const auto &a : pool.attribute()) {
            padded = padded || (a.name() == "pads" && all_are(a, 4, (size - 1) / 2));
            counted = counted || (a.name() == "count_include_pad" && a.i() == 1);
            good = good && (a.name() != "strides" || all_are(a, 2, 1)) && (a.name() != "ceil_mode" || a.i() == 0) &&
                   (a.name() != "auto_pad" || a.s() == "NOTSET");
        }
        return good && padded && counted ? size : 0;
    }

    void find_normalizations()
    {
        for (int i = 0; i < graph_.node_size(); i++)
            for (const std::string &name : graph_.node(i).output())
                makers_.emplace(name, i);
        for (int i = 0; i < graph_.node_size(); i++) {
            const onnx::NodeProto &div = graph_.node(i);
            rs_lrn_param p = { false, 0, 0, 0, 1 };
            float one = 0, two = 0;
            if (div.op_type() != "Div" || div.input_size() != 2)
                continue;
            const int pow = only(div.input(1), "Pow");
            if (pow < 0 || graph_.node(pow).input_size() != 2 || !number(graph_.node(pow).input(1), &p.beta))
                continue;
            const int add = only(graph_.node(pow).input(0), "Add");
            const int mul = add < 0 ? -1 : beside(graph_.node(add), "Mul", &one);
            const int pool = mul < 0 || one < 1 || one > 1 ? -1 : beside(graph_.node(mul), "AveragePool", &p.alpha);
            p.size = pool < 0 || graph_.node(pool).input_size() != 1 ? 0 : square_window(graph_.node(pool));
            if (p.size == 0)
                continue;
            const std::string &squares = graph_.node(pool).input(0);
            const int product = only(squares, "Mul"), power = only(squares, "Pow"),
                      square = product >= 0 ? product : power;
            if (square < 0 || graph_.node(square).input_size() != 2 || graph_.node(square).input(0) != div.input(0))
                continue;
            const std::string &other = graph_.node(square).input(1);
            if (product >= 0 ? other != div.input(0) : !(number(other, &two) && two >= 2 && two <= 2))
                continue;
            for (const int inner : { pow, add, mul, pool, square }) {
                inner_.insert(inner);
                uses_.erase(graph_.node(inner).output(0));
            }
            uses_[div.input(0)] -= product >= 0 ? 2 : 1; // one reader is left: the layer
            within_.emplace(i, p);
        }
    }

    void binary()
    {
        const std::string &op = node_->op_type();
        const auto normalization = within_.find(index_);
        if (normalization != within_.end()) {
            const int in = blob(0);
            (void)image(in);
            layer(RS_LAYER_LRN, { in }).lrn = normalization->second;
            return finish();
        }
        const bool product = op == "Mul" || op == "Div", negate = op == "Sub" || op == "Div";
        const bool first = is_constant(0), second = is_constant(1);
        if (first && second)
            return fold_binary();
        if (second)
            return with_constant(0, 1, product, negate);
        if (first && !negate)
            return with_constant(1, 0, product, false);
        if (first || op == "Div")
            refuse(first ? "a constant in front is not supported" : "a division by a layer's values is not supported");
        if (product)
            return eltwise(RS_ELTWISE_PRODUCT);
        return eltwise(RS_ELTWISE_SUM, negate ? std::vector<float> { 1, -1 } : std::vector<float> {});
    }
    void sum()
    {
        eltwise(RS_ELTWISE_SUM);
    }
    void maximum()
    {
        eltwise(RS_ELTWISE_MAX);
    }

    // ---- shapes

    void give(const std::shared_ptr<Tensor> &t)
    {
        Value v;
        v.constant = t;
        bind(node_->output(0), v);
    }

    // The value of input 0 in another shape.
    void reshaped(std::vector<int64_t> dims)
    {
        const Value v = value(0);
        if (v.padded())
            (void)blob(0);
        const rs_shape from = shape_of(v);
        if (dims.size() > RS_MAX_AXES || dims.empty())
            refuse("a shape of " + std::to_string(dims.size()) + " axes, expected 1 to " + std::to_string(RS_MAX_AXES));
        rs_shape to = { static_cast<int>(dims.size()), { 0 } };
        std::copy(dims.begin(), dims.end(), to.dim);
        if (rs_shape_count(&to, 0) != rs_shape_count(&from, 0))
            refuse("an input of " + text_of(from) + " cannot become " + text_of(to));
        if (to.dim[0] != from.dim[0])
            refuse("an input of " + text_of(from) + " would become " + text_of(to) + ", expected the same batch");
        if (rs_shape_equal(&to, &from))
            return alias(node_->output(0), v);
        if (to.n_axes == 2) {
            Value flat = v;
            if (flat.flat.empty())
                flat.flat = node_name();
            return alias(node_->output(0), flat);
        }
        rs_layer &l = layer(RS_LAYER_RESHAPE, { v.blob });
        l.reshape.axis = 0;
        l.reshape.num_axes = -1;
        l.reshape.shape = to;
        l.reshape.shape.dim[0] = 0; // whatever the batch
        finish();
        values_[node_->output(0)].quantized = v.quantized;
    }

    void reshape()
    {
        std::vector<int64_t> dims = whole(*constant(1, "shape"), "shape");
        const bool is_const = is_constant(0);
        std::vector<int64_t> from;
        if (is_const) {
            from = value(0).constant->dims;
        } else {
            const rs_shape s = shape_of(value(0));
            from.assign(s.dim, s.dim + s.n_axes);
        }
        const int64_t count = count_of(from);
        int64_t known = 1;
        std::size_t open = dims.size();
        for (std::size_t i = 0; i < dims.size(); i++) {
            if (dims[i] == 0 && integer("allowzero", 0) == 0)
                dims[i] = i < from.size() ? from[i] : -2;
            if (dims[i] == -1 && open == dims.size())
                open = i;
            else if (dims[i] < 0 || (dims[i] > 0 && known > RS_MAX_ELEMENTS / dims[i]))
                refuse("a wrong shape");
            else
                known *= dims[i];
        }
        if (open < dims.size()) {
            if (known == 0 || count % known != 0)
                refuse("the shape leaves a remainder");
            dims[open] = count / known;
        }
        if (!is_const)
            return reshaped(dims);
        if (count_of(dims) != count)
            refuse("a constant of " + value(0).constant->shape_text() + " cannot have this shape");
        auto t = std::make_shared<Tensor>(*value(0).constant);
        t->dims = dims;
        give(t);
    }

    void flatten()
    {
        const Value &v = value(0);
        if (v.constant != nullptr)
            refuse("its input is a constant");
        const rs_shape s = shape_of(v);
        int64_t a = integer("axis", 1);
        a = a == s.n_axes ? a : axis(a, s.n_axes);
        int64_t front = 1;
        for (int64_t i = 0; i < a; i++)
            front *= s.dim[i];
        reshaped({ front, front == 0 ? 0 : rs_shape_count(&s, 0) / front });
    }

    void squeeze()
    {
        const bool in = node_->op_type() == "Unsqueeze";
        const std::vector<int64_t> axes = list("axes", 1);
        const bool is_const = is_constant(0);
        std::vector<int64_t> dims;
        if (is_const) {
            dims = value(0).constant->dims;
        } else {
            const rs_shape s = shape_of(value(0));
            dims.assign(s.dim, s.dim + s.n_axes);
        }
        if (in) {
            const std::size_t n = dims.size() + axes.size();
            if (axes.empty() || n > RS_MAX_AXES)
                refuse("wrong axes");
            std::vector<int64_t> out;
            out.resize(n);
            for (const int64_t a : axes)
                out[static_cast<std::size_t>(axis(a, static_cast<int>(n)))] = 1;
            std::size_t next = 0;
            for (int64_t &d : out)
                if (d == 0) {
                    if (next == dims.size())
                        refuse("an axis is given twice");
                    d = dims[next++];
                }
            if (next != dims.size())
                refuse("an axis is given twice");
            dims = out;
        } else {
            std::vector<bool> gone(dims.size(), false);
            for (std::size_t i = 0; i < dims.size() && axes.empty(); i++)
                gone[i] = dims[i] == 1 && (is_const || i > 0); // without axes: all of size 1, the batch aside
            for (const int64_t a : axes)
                gone[static_cast<std::size_t>(axis(a, static_cast<int>(dims.size())))] = true;
            std::vector<int64_t> out;
            for (std::size_t i = 0; i < dims.size(); i++) {
                if (!gone[i])
                    out.push_back(dims[i]);
                else if (dims[i] != 1)
                    refuse("axis " + std::to_string(i) + " is not of size 1");
            }
            dims = out;
        }
        if (!is_const)
            return reshaped(dims);
        auto t = std::make_shared<Tensor>(*value(0).constant);
        t->dims = dims;
        give(t);
    }

    void transpose()
    {
        std::vector<int64_t> perm = integers("perm");
        const bool is_const = is_constant(0);
        std::vector<int64_t> dims;
        if (is_const) {
            dims = value(0).constant->dims;
        } else {
            const rs_shape s = shape_of(value(0));
            dims.assign(s.dim, s.dim + s.n_axes);
        }
        if (perm.empty())
            for (std::size_t i = 0; i < dims.size(); i++)
                perm.push_back(static_cast<int64_t>(dims.size() - i) - 1);
        std::vector<bool> seen(dims.size(), false);
        std::vector<int64_t> out;
        for (const int64_t p : perm) {
            if (p < 0 || p >= static_cast<int64_t>(dims.size()) || seen[static_cast<std::size_t>(p)])
                refuse("a wrong permutation");
            seen[static_cast<std::size_t>(p)] = true;
            out.push_back(dims[static_cast<std::size_t>(p)]);
        }
        if (perm.size() != dims.size())
            refuse("a permutation of " + std::to_string(perm.size()) + " axes for a value of " +
                   std::to_string(dims.size()));
        int64_t last = -1;
        bool moves = false; // axes of more than one value change their order
        for (const int64_t p : perm)
            if (dims[static_cast<std::size_t>(p)] != 1) {
                moves = moves || p < last;
                last = p;
            }
        if (!is_const) {
            if (moves)
                refuse("it changes the order of the values, which is not supported");
            return reshaped(out);
        }
        const TensorPtr from = value(0).constant;
        auto t = std::make_shared<Tensor>(*from);
        t->dims = out;
        // Walks through the result in order; `step` is the distance in the source for one step along each axis of the
        // result.
        std::vector<std::size_t> step(out.size()), at(out.size(), 0);
        for (std::size_t i = 0; i < out.size(); i++) {
            std::size_t s = 1;
            for (std::size_t k = static_cast<std::size_t>(perm[i]) + 1; k < dims.size(); k++)
                s *= static_cast<std::size_t>(dims[k]);
            step[i] = s;
        }
        for (std::size_t n = 0; n < from->size(); n++) {
            std::size_t source = 0;
            for (std::size_t i = 0; i < out.size(); i++)
                source += at[i] * step[i];
            if (t->is_float)
                t->floats[n] = from->floats[source];
            else
                t->ints[n] = from->ints[source];
            for (std::size_t i = out.size(); i-- > 0;) {
                if (++at[i] < static_cast<std::size_t>(out[i]))
                    break;
                at[i] = 0;
            }
        }
        give(t);
    }

    void concat()
    {
        bool constants = true;
        for (int i = 0; i < node_->input_size(); i++)
            constants = is_constant(i) && constants;
        const auto *a = attribute("axis");
        if (a == nullptr)
            refuse("it has no axis");
        if (constants)
            return fold_concat();
        std::vector<int> bottoms;
        for (int i = 0; i < node_->input_size(); i++)
            bottoms.push_back(blob(i));
        const int64_t k = axis(a->i(), build_.shape(bottoms[0]).n_axes);
        if (k == 0)
            refuse("axis 0, the batch, is not supported");
        layer(RS_LAYER_CONCAT, bottoms).concat.axis = k;
        finish();
    }

    void split()
    {
        const int in = blob(0);
        const rs_shape shape = build_.shape(in);
        const int64_t k = axis(integer("axis", 0), shape.n_axes);
        if (k == 0)
            refuse("axis 0, the batch, is not supported");
        const std::vector<int64_t> sizes = list("split", 1);
        const std::size_t n = static_cast<std::size_t>(node_->output_size());
        if (!sizes.empty() && sizes.size() != n)
            refuse("split has " + std::to_string(sizes.size()) + " sizes for " + std::to_string(n) + " outputs");
        std::vector<int> tops;
        for (const std::string &name : node_->output()) {
            if (name.empty())
                refuse("an output without a name");
            tops.push_back(build_.new_blob(name));
        }
        rs_layer &l = build_.add(RS_LAYER_SLICE, node_name(), { in }, tops);
        l.slice.axis = k;
        if (!sizes.empty()) {
            l.slice.points = RS_NEW_ARRAY(int64_t, n);
            if (l.slice.points == nullptr)
                throw std::bad_alloc();
            int64_t at = 0;
            for (const int64_t s : sizes) {
                at = within(at + within(s, 1, "split"), 1, "split");
                if (l.slice.n_points + 1 < static_cast<int>(n))
                    l.slice.points[l.slice.n_points++] = at;
            }
            if (at != shape.dim[k])
                refuse("the sizes of split do not add up to " + std::to_string(shape.dim[k]));
        }
        infer();
        for (std::size_t i = 0; i < n; i++) {
            Value v;
            v.blob = tops[i];
            producer_[tops[i]] = build_.last_layer();
            bind(node_->output(static_cast<int>(i)), v);
        }
    }

    void pad()
    {
        const std::vector<int64_t> pads = list("pads", 1);
        const std::string mode = word("mode", "constant");
        double fill = static_cast<double>(real("value", 0));
        if (has_input(2)) {
            const TensorPtr t = constant(2, "constant_value");
            fill = t->size() == 1 ? t->at(0) : NAN;
        }
        Value v = value(0);
        if (v.constant != nullptr)
            refuse("its input is a constant");
        if (v.quantized >= 0)
            (void)padded_blob(0); // says what is wrong
        const rs_shape s = shape_of(v);
        if (pads.size() != 2 * static_cast<std::size_t>(s.n_axes))
            refuse("pads has " + std::to_string(pads.size()) + " values for a value of " + text_of(s));
        if (std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; }))
            return alias(node_->output(0), v);
        if (s.n_axes != 4 || mode != "constant" || !(fill >= 0 && fill <= 0))
            refuse("only zeros around images are supported");
        for (std::size_t i = 0; i < 8; i++) {
            if (pads[i] < 0 || pads[i] > max_size || (i % 4 < 2 && pads[i] != 0))
                refuse("only zeros around the pixels of images are supported");
            if (i % 4 >= 2)
                v.pad[i / 4 * 2 + i % 4 - 2] += pads[i];
        }
        alias(node_->output(0), v);
    }

    void identity()
    {
        alias(node_->output(0), value(0));
    }

    // ---- constants

    void constant_node()
    {
        auto t = std::make_shared<Tensor>();
        std::string wrong;
        if (node_->attribute_size() != 1)
            refuse("it has " + std::to_string(node_->attribute_size()) + " values, expected one");
        const onnx::AttributeProto &a = node_->attribute(0);
        if (a.name() == "value") {
            wrong = decode(a.t(), t.get());
        } else if (a.name() == "value_float") {
            t->floats = { a.f() };
        } else if (a.name() == "value_floats") {
            t->floats.assign(a.floats().begin(), a.floats().end());
            t->dims = { a.floats_size() };
        } else if (a.name() == "value_int") {
            t->is_float = false;
            t->ints = { a.i() };
        } else if (a.name() == "value_ints") {
            t->is_float = false;
            t->ints.assign(a.ints().begin(), a.ints().end());
            t->dims = { a.ints_size() };
        } else {
            wrong = "a constant given by " + quoted(a.name()) + " is not supported";
        }
        if (!wrong.empty())
            refuse(wrong);
        give(t);
    }

    void shape_node()
    {
        std::vector<int64_t> dims;
        if (is_constant(0)) {
            dims = value(0).constant->dims;
        } else {
            if (value(0).padded())
                (void)blob(0);
            const rs_shape s = shape_of(value(0));
            dims.assign(s.dim, s.dim + s.n_axes);
            readers_[value(0).blob]--;
        }
        const int64_t n = static_cast<int64_t>(dims.size());
        int64_t start = integer("start", 0), end = integer("end", n);
        start = std::min(std::max<int64_t>(start < 0 ? start + n : start, 0), n);
        end = std::min(std::max<int64_t>(end < 0 ? end + n : end, start), n);
        auto t = std::make_shared<Tensor>();
        t->is_float = false;
        for (int64_t i = start; i < end; i++)
            t->ints.push_back(dims[static_cast<std::size_t>(i)]);
        t->dims.push_back(end - start);
        give(t);
    }

    void gather()
    {
        const TensorPtr data = constant(0, "data"), at = constant(1, "indices");
        if (data->dims.size() != 1 || at->dims.size() > 1 || at->is_float || axis(integer("axis", 0), 1) != 0)
            refuse("only elements of a constant list are supported");
        auto t = std::make_shared<Tensor>();
        t->is_float = data->is_float;
        t->dims = at->dims;
        for (int64_t i : at->ints) {
            const int64_t n = data->dims[0];
            if (i < -n || i >= n)
                refuse("index " + std::to_string(i) + " of a list of " + std::to_string(n));
            const std::size_t k = static_cast<std::size_t>(i < 0 ? i + n : i);
            if (t->is_float)
                t->floats.push_back(data->floats[k]);
            else
                t->ints.push_back(data->ints[k]);
        }
        give(t);
    }

    void slice()
    {
        const TensorPtr data = constant(0, "data");
        const std::vector<int64_t> starts = list("starts", 1), ends = list("ends", 2), axes = list("axes", 3);
        const std::vector<int64_t> steps = has_input(4) ? list("steps", 4) : std::vector<int64_t>();
        const bool first = axes.empty() || (axes.size() == 1 && axis(axes[0], 1) == 0);
        if (data->dims.size() != 1 || starts.size() != 1 || ends.size() != 1 || !first ||
            (!steps.empty() && steps[0] != 1))
            refuse("only a stretch of a constant list is supported");
        const int64_t n = data->dims[0];
        int64_t from = starts[0] < 0 ? std::max<int64_t>(starts[0], -n) + n : std::min(starts[0], n);
        int64_t to = ends[0] < 0 ? std::max<int64_t>(ends[0], -n) + n : std::min(ends[0], n);
        to = std::max(from, to);
        auto t = std::make_shared<Tensor>();
        t->is_float = data->is_float;
        t->dims.push_back(to - from);
        for (int64_t i = from; i < to; i++) {
            if (t->is_float)
                t->floats.push_back(data->floats[static_cast<std::size_t>(i)]);
            else
                t->ints.push_back(data->ints[static_cast<std::size_t>(i)]);
        }
        give(t);
    }

    void cast()
    {
        const int64_t to = integer("to", 0);
        const bool real_type = to == onnx::TensorProto::FLOAT || to == onnx::TensorProto::DOUBLE;
        const bool whole_type = to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32;
        if (!real_type && !whole_type)
            refuse("to type " + std::to_string(to) + " is not supported");
        if (!is_constant(0)) {
            if (!real_type || value(0).quantized >= 0)
                refuse("a layer's values can only be floats");
            return identity();
        }
        const TensorPtr from = value(0).constant;
        auto t = std::make_shared<Tensor>();
        t->dims = from->dims;
        t->is_float = real_type;
        for (std::size_t i = 0; i < from->size(); i++) {
            const double v = from->at(i);
            if (real_type)
                t->floats.push_back(static_cast<float>(v));
            else if (!from->is_float)
                t->ints.push_back(from->ints[i]);
            else if (std::fabs(v) < 9e15)
                t->ints.push_back(static_cast<int64_t>(v));
            else
                refuse("a value is too large for an integer");
        }
        give(t);
    }

    void fold_concat()
    {
        auto t = std::make_shared<Tensor>();
        t->is_float = value(0).constant->is_float;
        for (int i = 0; i < node_->input_size(); i++) {
            const TensorPtr part = value(i).constant;
            if (part->dims.size() != 1 || part->is_float != t->is_float || axis(integer("axis", 0), 1) != 0)
                refuse("only constant lists can be put together");
            t->floats.insert(t->floats.end(), part->floats.begin(), part->floats.end());
            t->ints.insert(t->ints.end(), part->ints.begin(), part->ints.end());
        }
        t->dims = { static_cast<int64_t>(t->size()) };
        give(t);
    }

    void fold_binary()
    {
        const TensorPtr a = value(0).constant, b = constant(1, "the second input");
        const bool same = a->dims == b->dims;
        if (a->is_float != b->is_float || (!same && a->size() != 1 && b->size() != 1))
            refuse("constants of " + a->shape_text() + " and " + b->shape_text() + " cannot be put together");
        // One value goes with each of the others, of which there may be none.
        const Tensor &others = a->size() == 1 ? *b : *a;
        const std::size_t n = others.size(), axes = std::max(a->dims.size(), b->dims.size());
        auto t = std::make_shared<Tensor>();
        t->is_float = a->is_float;
        t->dims.assign(axes - others.dims.size(), 1);
        t->dims.insert(t->dims.end(), others.dims.begin(), others.dims.end());
        const char op = node_->op_type()[0]; // Add, Sub, Mul, Div
        for (std::size_t i = 0; i < n; i++) {
            const std::size_t p = a->size() == 1 ? 0 : i, q = b->size() == 1 ? 0 : i;
            if (t->is_float) {
                const float x = a->floats[p], y = b->floats[q];
                t->floats.push_back(op == 'A' ? x + y : op == 'S' ? x - y : op == 'M' ? x * y : x / y);
                continue;
            }
            const int64_t x = a->ints[p], y = b->ints[q];
            int64_t r = 0;
            const bool wrong = op == 'A'   ? __builtin_add_overflow(x, y, &r)
                               : op == 'S' ? __builtin_sub_overflow(x, y, &r)
                               : op == 'M' ? __builtin_mul_overflow(x, y, &r)
                                           : y == 0 || (x == INT64_MIN && y == -1);
            if (wrong)
                refuse("an overflow or a division by zero");
            t->ints.push_back(op == 'D' ? x / y : r);
        }
        give(t);
    }

    // ---- quantized models

    struct Step {
        std::vector<float> scale;
        std::vector<int64_t> zero;
        std::size_t inner = 1;               // values in a row with the same scale
        int type = onnx::TensorProto::UINT8; // of the integers; the default
        std::size_t at(std::size_t i) const
        {
            return scale.size() == 1 ? 0 : i / inner % scale.size();
        }
    };
    Step step(const std::vector<int64_t> &dims)
    {
        Step s;
        const TensorPtr scale = constant(1, "the scale");
        s.scale = floats(*scale, "the scale");
        if (scale->dims.size() > 1 || s.scale.empty())
            refuse("the scale is " + scale->shape_text() + ", expected one value, or one for each channel");
        for (const float v : s.scale)
            if (!(v > 0 && std::isfinite(v)))
                refuse("a scale is not a positive number");
        s.zero.assign(s.scale.size(), 0);
        if (has_input(2)) {
            const TensorPtr zero = constant(2, "the zero point");
            if (zero->is_float || zero->size() != s.scale.size())
                refuse("the zero point is " + zero->shape_text() + ", expected integers, as many as scales");
            s.zero = zero->ints;
            for (const int64_t z : s.zero)
                if (z < -INT32_MAX || z > INT32_MAX)
                    refuse("a zero point is out of range");
            s.type = zero->type;
        }
        if (s.scale.size() > 1) {
            const std::size_t a = static_cast<std::size_t>(axis(integer("axis", 1), static_cast<int>(dims.size())));
            if (dims[a] != static_cast<int64_t>(s.scale.size()))
                refuse("a scale for each of " + std::to_string(s.scale.size()) + ", but the axis has " +
                       std::to_string(dims[a]));
            for (std::size_t i = a + 1; i < dims.size(); i++)
                s.inner *= static_cast<std::size_t>(dims[i]);
        }
        return s;
    }

    void quantize()
    {
        if (!is_constant(0))
            return quantize_layer();
        const TensorPtr from = value(0).constant;
        const Step s = step(from->dims);
        const auto range = range_of(s);
        auto t = std::make_shared<Tensor>();
        t->dims = from->dims;
        t->is_float = false;
        t->type = s.type;
        for (std::size_t i = 0; i < from->size(); i++) {
            const std::size_t k = s.at(i);
            const float x = static_cast<float>(from->at(i)) / s.scale[k];
            if (std::isnan(x))
                refuse("a constant is not a number");
            const int64_t q = rs_fxp_quantize(static_cast<double>(x), rs_fxp { 31, 0 }, RS_ROUND_NEAREST_EVEN, 0,
                                              nullptr) +
                              s.zero[k];
            t->ints.push_back(std::min<int64_t>(std::max<int64_t>(q, range.first), range.second));
        }
        give(t);
    }

    std::pair<int32_t, int32_t> range_of(const Step &s)
    {
        if (s.type != onnx::TensorProto::INT8 && s.type != onnx::TensorProto::UINT8)
            refuse("its zero point has the type " + std::to_string(s.type) + ", expected int8 (3) or uint8 (2)");
        const bool is_signed = s.type == onnx::TensorProto::INT8;
        return { is_signed ? -128 : 0, is_signed ? 127 : 255 };
    }

    // The one scale and zero point of a layer's values.
    rs_quantize_linear_param affine()
    {
        const rs_shape shape = shape_of(value(0));
        const Step s = step(std::vector<int64_t>(shape.dim, shape.dim + shape.n_axes));
        if (s.scale.size() != 1)
            refuse("a scale for each of " + std::to_string(s.scale.size()) +
                   " channels of a layer's values, expected one");
        const auto range = range_of(s);
        if (s.zero[0] < range.first || s.zero[0] > range.second)
            refuse("its zero point is " + std::to_string(s.zero[0]) + ", expected " + std::to_string(range.first) +
                   " to " + std::to_string(range.second));
        return rs_quantize_linear_param { s.scale[0], static_cast<int32_t>(s.zero[0]), range.first, range.second };
    }

    // A layer's values: quantized and, in the same layer, what the integers stand for. The DequantizeLinear behind it
    // does nothing more.
    void quantize_layer()
    {
        const rs_quantize_linear_param q = affine();
        layer(RS_LAYER_QUANTIZE_LINEAR, { blob(0) }).quantize_linear = q;
        finish();
        values_[node_->output(0)].quantized = build_.last_layer();
    }

    void dequantize()
    {
        if (!is_constant(0)) {
            Value v = value(0);
            if (v.quantized < 0)
                refuse("its input is no QuantizeLinear's");
            const rs_quantize_linear_param mine = affine(), q = build_.layer(v.quantized).quantize_linear;
            if (mine.scale < q.scale || mine.scale > q.scale || mine.zero != q.zero || mine.least != q.least)
                refuse("its scale and zero point are not those of the QuantizeLinear before it");
            v.quantized = -1;
            return alias(node_->output(0), v);
        }
        const TensorPtr from = value(0).constant;
        if (from->is_float)
            refuse("its input is of floats, expected integers");
        const Step s = step(from->dims);
        auto t = std::make_shared<Tensor>();
        t->dims = from->dims;
        for (std::size_t i = 0; i < from->size(); i++) {
            const std::size_t k = s.at(i);
            const int64_t q = from->ints[i];
            if (q < -INT32_MAX || q > INT32_MAX)
                refuse("a quantized value is out of range");
            t->floats.push_back(static_cast<float>(q - s.zero[k]) * s.scale[k]);
        }
        give(t);
    }

    // ---- nodes

    static const std::vector<Op> &ops()
    {
        using R = OnnxReader;
        static const std::vector<Op> table = {
            { "Add", 2, 2, "", &R::binary },
            { "AveragePool", 1, 1, " auto_pad ceil_mode count_include_pad kernel_shape pads strides ", &R::pool },
            { "BatchNormalization", 5, 5, " epsilon momentum spatial training_mode ", &R::batch_norm },
            { "Cast", 1, 1, " to ", &R::cast },
            { "Clip", 1, 3, " min max ", &R::clip },
            { "Concat", 1, INT_MAX, " axis ", &R::concat },
            { "Constant", 0, 0, nullptr, &R::constant_node },
            { "Conv", 2, 3, " auto_pad dilations group kernel_shape pads strides ", &R::convolution },
            { "ConvTranspose", 2, 3, " auto_pad dilations group kernel_shape output_padding pads strides ",
              &R::deconvolution },
            { "DequantizeLinear", 2, 3, " axis ", &R::dequantize },
            { "Div", 2, 2, "", &R::binary },
            { "Dropout", 1, 3, " ratio seed ", &R::dropout },
            { "Elu", 1, 1, " alpha ", &R::elu },
            { "Flatten", 1, 1, " axis ", &R::flatten },
            { "Gather", 2, 2, " axis ", &R::gather },
            { "Gemm", 2, 3, " alpha beta transA transB ", &R::gemm },
            { "GlobalAveragePool", 1, 1, "", &R::global_average },
            { "GlobalMaxPool", 1, 1, "", &R::global_max },
            { "Identity", 1, 1, "", &R::identity },
            { "LRN", 1, 1, " alpha beta bias size ", &R::lrn },
            { "LeakyRelu", 1, 1, " alpha ", &R::leaky_relu },
            { "MatMul", 2, 2, "", &R::matmul },
            { "Max", 1, INT_MAX, "", &R::maximum },
            { "MaxPool", 1, 1, " auto_pad ceil_mode dilations kernel_shape pads storage_order strides ", &R::pool },
            { "Mul", 2, 2, "", &R::binary },
            { "PRelu", 2, 2, "", &R::prelu },
            { "Pad", 1, 3, " mode pads value ", &R::pad },
            { "QuantizeLinear", 2, 3, " axis ", &R::quantize },
            { "ReduceMean", 1, 1, " axes keepdims ", &R::reduce_mean },
            { "Relu", 1, 1, "", &R::relu },
            { "Reshape", 2, 2, " allowzero ", &R::reshape },
            { "Shape", 1, 1, " end start ", &R::shape_node },
            { "Sigmoid", 1, 1, "", &R::sigmoid },
            { "Slice", 1, 5, " axes ends starts ", &R::slice },
            { "Softmax", 1, 1, " axis ", &R::softmax },
            { "Split", 1, 2, " axis split ", &R::split },
            { "Squeeze", 1, 2, " axes ", &R::squeeze },
            { "Sub", 2, 2, "", &R::binary },
            { "Sum", 1, INT_MAX, "", &R::sum },
            { "Tanh", 1, 1, "", &R::tanh },
            { "Transpose", 1, 1, " perm ", &R::transpose },
            { "Unsqueeze", 1, 2, " axes ", &R::squeeze },
        };
        return table;
    }

    void node(int index)
    {
        node_ = &graph_.node(index);
        index_ = index;
        try {
            const Op *op = nullptr;
            std::string list;
            for (const Op &o : ops()) {
                if (node_->op_type() == o.name)
                    op = &o;
                list += (list.empty() ? "" : ", ") + std::string(o.name);
            }
            const bool own = node_->domain().empty() || node_->domain() == "ai.onnx";
            if (op == nullptr || !own) {
                const bool say = !said_what_is_supported_;
                said_what_is_supported_ = true;
                refuse("the operator is not supported", say ? "supported are " + list : "");
            }
            if (node_->output_size() < 1 || node_->output(0).empty())
                refuse("it has no output");
            for (const std::string &name : node_->output())
                if (!name.empty() && (values_.count(name) > 0 || initializers_.count(name) > 0))
                    refuse("its output " + quoted(name) + " is given already");
            if (node_->input_size() < op->least || node_->input_size() > op->most)
                refuse("it has " + std::to_string(node_->input_size()) + " inputs, expected " +
                       (op->most == op->least ? "" : "at least ") + std::to_string(op->least));
            for (const auto &a : node_->attribute())
                if (op->attributes != nullptr &&
                    std::string(op->attributes).find(" " + a.name() + " ") == std::string::npos)
                    refuse("attribute " + quoted(a.name()) + " is not supported");
            (this->*op->run)();
        } catch (const Refused &) {
            Value v;
            v.unusable = true;
            for (const std::string &name : node_->output())
                if (!name.empty())
                    values_.emplace(name, v);
        }
    }

    const char *path_;
    const onnx::ModelProto &model_;
    const onnx::GraphProto &graph_;
    const std::size_t file_size_;
    const rs_shape *input_;
    rs_diag *diag_;
    NetBuilder build_;
    int64_t opset_ = 0, total_params_ = 0;
    int errors_ = 0, widened_ = 0;
    bool said_what_is_supported_ = false;
    std::map<std::string, int> uses_;    // of each name, by nodes and as outputs
    std::map<std::string, int> makers_;  // the node that gives each name
    std::map<int, rs_lrn_param> within_; // Div nodes that end a normalization within channels
    std::set<int> inner_;                // the nodes inside of those
    std::map<std::string, const onnx::TensorProto *> initializers_;
    std::map<std::string, Value> values_;
    Value large_;
    std::map<int, int> readers_;  // of each blob, over all the names that it has
    std::map<int, int> producer_; // the layer that wrote each blob last
    const onnx::NodeProto *node_ = nullptr;
    int index_ = 0;
};

rs_status read_model(const char *path, onnx::ModelProto *model, std::size_t *size, rs_diag *diag)
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

} // namespace
} // namespace ristretto

extern "C" rs_status rs_onnx_read(const char *path, const rs_shape *input, rs_net **net, rs_diag *diag)
{
    *net = nullptr;
    try {
        ristretto::onnx::ModelProto model;
        std::size_t size = 0;
        const rs_status st = ristretto::read_model(path, &model, &size, diag);
        if (st != RS_OK)
            return st;
        ristretto::OnnxReader reader(path, model, size, input, diag);
        return reader.read(net);
    } catch (const ristretto::Failed &failed) {
        return failed.status;
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}
