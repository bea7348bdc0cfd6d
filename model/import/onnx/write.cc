// rs_net -> ONNX model of operator set 13.
#include <climits>
#include <cstdio>
#include <map>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "import/common.h"
#include "import/onnx/onnx.h"
#include "import/onnx/onnx.pb.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

constexpr int64_t opset = 13, ir_version = 7;

struct Refused {
}; // a layer that cannot be written; what is wrong has been said

class OnnxWriter
{
  public:
    OnnxWriter(const rs_net *net, rs_diag *diag) : net_(net), diag_(diag), graph_(model_.mutable_graph())
    {
    }

    rs_status write(const char *path)
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
        for (int i = 0; i < net_->n_layers; i++) {
            layer_ = &net_->layers[i];
            index_ = i;
            try {
                layer();
            } catch (const Refused &) {
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

  private:
    [[noreturn]] void refuse(const std::string &what)
    {
        bad(diag_, layer_->loc, "",
            "layer " + quoted(layer_->name) + " (" + rs_layer_type_name(layer_->type) +
                ") cannot be written as ONNX: " + what);
        throw Refused();
    }

    // ---- names: each is given once in ONNX, where a blob of Caffe may be written in place

    std::string unique(const std::string &name)
    {
        std::string u = name;
        for (int i = 2; !names_.insert(u).second; i++)
            u = name + "_" + std::to_string(i);
        return u;
    }
    std::string bottom(int i = 0)
    {
        const int b = layer_->bottoms[i];
        read_[static_cast<std::size_t>(b)] = true;
        return current_[static_cast<std::size_t>(b)];
    }
    const rs_shape &in(int i = 0) const
    {
        return net_->blobs[layer_->bottoms[i]].shape;
    }
    // The name of what the layer gives.
    std::string top(int i = 0)
    {
        const std::size_t b = static_cast<std::size_t>(layer_->tops[i]);
        const bool in_place = !current_[b].empty();
        current_[b] = unique(in_place ? std::string(net_->blobs[b].name) + "/" + layer_->name : net_->blobs[b].name);
        read_[b] = false;
        return current_[b];
    }

    void value_info(const std::string &name, const rs_shape &shape, onnx::ValueInfoProto *v)
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

    void outputs()
    {
        for (int b = 0; b < net_->n_blobs; b++)
            if (!current_[static_cast<std::size_t>(b)].empty() && !read_[static_cast<std::size_t>(b)])
                value_info(current_[static_cast<std::size_t>(b)], net_->blobs[b].shape, graph_->add_output());
    }

    // ---- nodes

    onnx::NodeProto *node(const char *op, const std::vector<std::string> &inputs, const std::string &output,
                          const std::string &suffix = "")
    {
        onnx::NodeProto *n = graph_->add_node();
        n->set_op_type(op);
        n->set_name(layer_->name + suffix);
        for (const std::string &i : inputs)
            n->add_input(i);
        n->add_output(output);
        return n;
    }
    static onnx::AttributeProto *attribute(onnx::NodeProto *n, const char *name,
                                           onnx::AttributeProto::AttributeType type)
    {
        onnx::AttributeProto *a = n->add_attribute();
        a->set_name(name);
        a->set_type(type);
        return a;
    }
    static void set(onnx::NodeProto *n, const char *name, int64_t v)
    {
        attribute(n, name, onnx::AttributeProto::INT)->set_i(v);
    }
    static void set(onnx::NodeProto *n, const char *name, float v)
    {
        attribute(n, name, onnx::AttributeProto::FLOAT)->set_f(v);
    }
    static void set(onnx::NodeProto *n, const char *name, const std::vector<int64_t> &v)
    {
        onnx::AttributeProto *a = attribute(n, name, onnx::AttributeProto::INTS);
        for (const int64_t i : v)
            a->add_ints(i);
    }

    // ---- constants

    std::string constant(const std::string &name, const std::vector<int64_t> &dims, const void *data, std::size_t bytes,
                         int type)
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
    std::string floats(const std::string &suffix, const std::vector<int64_t> &dims, const std::vector<float> &v)
    {
        return constant(layer_->name + suffix, dims, v.data(), v.size() * sizeof(float), onnx::TensorProto::FLOAT);
    }
    std::string whole(const std::string &suffix, const std::vector<int64_t> &v)
    {
        return constant(layer_->name + suffix, { static_cast<int64_t>(v.size()) }, v.data(), v.size() * sizeof(int64_t),
                        onnx::TensorProto::INT64);
    }
    // Parameter p of the layer; parameters that layers share are one constant.
    std::string param(int p, const std::vector<int64_t> &dims)
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
    std::string param(int p)
    {
        return param(p, dims_of(layer_->params[p].shape));
    }
    static std::vector<int64_t> dims_of(const rs_shape &s)
    {
        return std::vector<int64_t>(s.dim, s.dim + s.n_axes);
    }
    std::vector<float> values(int p) const
    {
        const rs_param &v = layer_->params[p];
        return std::vector<float>(v.data, v.data + rs_shape_count(&v.shape, 0));
    }

    // ---- layers

    void layer()
    {
        const rs_layer &l = *layer_;
        if (rs_layer_rule_of(l.type)->scalar)
            return; // needs labels
        switch (l.type) {
        case RS_LAYER_INPUT: {
            const bool data = l.data.batch_size > 0;
            for (int t = 0; t < (data && l.n_tops > 1 ? 1 : l.n_tops); t++) {
                const std::string name = top(t);
                value_info(name, net_->blobs[l.tops[t]].shape, graph_->add_input());
                read_[static_cast<std::size_t>(l.tops[t])] = true; // an input is no output
            }
            break;
        }
        case RS_LAYER_CONVOLUTION:
        case RS_LAYER_DECONVOLUTION:
            convolution();
            break;
        case RS_LAYER_INNER_PRODUCT:
            inner_product();
            break;
        case RS_LAYER_POOLING:
            pooling();
            break;
        case RS_LAYER_RELU: {
            const std::string x = bottom();
            if (l.relu_slope < 0 || l.relu_slope > 0)
                set(node("LeakyRelu", { x }, top()), "alpha", l.relu_slope);
            else
                node("Relu", { x }, top());
            break;
        }
        case RS_LAYER_CLIP: {
            const std::string x = bottom(), low = floats(".min", {}, { l.clip[0] }),
                              high = floats(".max", {}, { l.clip[1] });
            node("Clip", { x, low, high }, top());
            break;
        }
        case RS_LAYER_ELU: {
            const std::string x = bottom();
            set(node("Elu", { x }, top()), "alpha", l.elu_alpha);
            break;
        }
        case RS_LAYER_SIGMOID: {
            const std::string x = bottom();
            node("Sigmoid", { x }, top());
            break;
        }
        case RS_LAYER_TANH: {
            const std::string x = bottom();
            node("Tanh", { x }, top());
            break;
        }
        case RS_LAYER_PRELU: {
            const std::string x = bottom();
            std::vector<int64_t> dims(1, rs_shape_count(&l.params[0].shape, 0));
            dims.resize(static_cast<std::size_t>(in().n_axes - 1), 1);
            node("PRelu", { x, param(0, dims) }, top());
            break;
        }
        case RS_LAYER_LRN: {
            const std::string x = bottom();
            if (!l.lrn.across) {
                within_channels(x);
                break;
            }
            onnx::NodeProto *n = node("LRN", { x }, top());
            set(n, "size", l.lrn.size);
            set(n, "alpha", l.lrn.alpha);
            set(n, "beta", l.lrn.beta);
            set(n, "bias", l.lrn.k);
            break;
        }
        case RS_LAYER_QUANTIZE_LINEAR:
            quantize_linear();
            break;
        case RS_LAYER_BATCH_NORM:
            batch_norm();
            break;
        case RS_LAYER_SCALE:
        case RS_LAYER_BIAS:
            scale();
            break;
        case RS_LAYER_CONCAT: {
            std::vector<std::string> inputs;
            for (int b = 0; b < l.n_bottoms; b++)
                inputs.push_back(bottom(b));
            set(node("Concat", inputs, top()), "axis", static_cast<int64_t>(rs_axis(l.concat.axis, in().n_axes)));
            break;
        }
        case RS_LAYER_SLICE:
            slice();
            break;
        case RS_LAYER_SPLIT: {
            const std::string x = bottom();
            for (int t = 0; t < l.n_tops; t++)
                node("Identity", { x }, top(t), "/" + std::to_string(t));
            break;
        }
        case RS_LAYER_ELTWISE:
            eltwise();
            break;
        case RS_LAYER_FLATTEN:
        case RS_LAYER_RESHAPE: {
            const rs_shape &to = net_->blobs[l.tops[0]].shape;
            const std::string x = bottom();
            if (to.n_axes == 2) {
                set(node("Flatten", { x }, top()), "axis", static_cast<int64_t>(1));
                break;
            }
            std::vector<int64_t> dims = dims_of(to);
            dims[0] = 0; // whatever the batch
            const std::string shape = whole(".shape", dims);
            node("Reshape", { x, shape }, top());
            break;
        }
        case RS_LAYER_SOFTMAX: {
            const std::string x = bottom();
            set(node("Softmax", { x }, top()), "axis", static_cast<int64_t>(1));
            break;
        }
        case RS_LAYER_DROPOUT: // does nothing in use
            if (l.tops[0] != l.bottoms[0]) {
                const std::string x = bottom();
                node("Identity", { x }, top());
            }
            break;
        default:
            refuse("there is no operator for it");
        }
    }

    void convolution()
    {
        const rs_convolution_param &c = layer_->convolution;
        std::vector<std::string> inputs = { bottom(), param(0) };
        if (c.bias)
            inputs.push_back(param(1));
        onnx::NodeProto *n = node(layer_->type == RS_LAYER_CONVOLUTION ? "Conv" : "ConvTranspose", inputs, top());
        set(n, "kernel_shape", { c.kernel_h, c.kernel_w });
        set(n, "strides", { c.stride_h, c.stride_w });
        set(n, "pads", { c.pad_h, c.pad_w, c.pad_h, c.pad_w });
        set(n, "dilations", { c.dilation_h, c.dilation_w });
        set(n, "group", c.groups);
    }

    void inner_product()
    {
        std::string x = bottom();
        if (in().n_axes != 2) {
            const std::string flat = unique(std::string(layer_->name) + ".flat");
            set(node("Flatten", { x }, flat, "/flatten"), "axis", static_cast<int64_t>(1));
            x = flat;
        }
        std::vector<std::string> inputs = { x, param(0) };
        if (layer_->inner_product.bias)
            inputs.push_back(param(1));
        set(node("Gemm", inputs, top()), "transB", static_cast<int64_t>(1));
    }

    void pooling()
    {
        const rs_pooling_param &p = layer_->pooling;
        const bool average = p.method == RS_POOL_AVERAGE;
        const std::string x = bottom();
        if (p.global) {
            node(average ? "GlobalAveragePool" : "GlobalMaxPool", { x }, top());
            return;
        }
        const rs_shape from = in(), &to = net_->blobs[layer_->tops[0]].shape;
        const int64_t kernel[2] = { p.kernel_h, p.kernel_w }, stride[2] = { p.stride_h, p.stride_w },
                      pad[2] = { p.pad_h, p.pad_w };
        // Behind the image, as much as the last window needs: that is what rounding up means, said in a way that all
        // readers of ONNX agree about.
        int64_t after[2] = { pad[0], pad[1] };
        bool over = false;
        for (int a = 0; a < 2; a++) {
            const int64_t needed = (to.dim[2 + a] - 1) * stride[a] + kernel[a] - from.dim[2 + a] - pad[a];
            if (needed > pad[a]) {
                after[a] = needed;
                over = true;
            } else if (!average || p.exclude_padding) {
                // What no window reaches makes no difference, unless it would make room for one more.
                const int64_t fits = (from.dim[2 + a] + 2 * pad[a] - kernel[a]) / stride[a] + 1;
                after[a] = fits > to.dim[2 + a] ? (needed > 0 ? needed : 0) : pad[a];
            } else if ((from.dim[2 + a] + 2 * pad[a] - kernel[a]) / stride[a] + 1 != to.dim[2 + a]) {
                refuse("its output's size has no form in ONNX");
            }
        }
        const bool padded = pad[0] != 0 || pad[1] != 0;
        onnx::NodeProto *n = node(average ? "AveragePool" : "MaxPool", { x }, top());
        set(n, "kernel_shape", { kernel[0], kernel[1] });
        set(n, "strides", { stride[0], stride[1] });
        if (average && over && padded &&
            !p.exclude_padding) { // the divisor counts the padding, but not what is behind it
            set(n, "pads", { pad[0], pad[1], pad[0], pad[1] });
            set(n, "ceil_mode", static_cast<int64_t>(1));
        } else {
            set(n, "pads", { pad[0], pad[1], after[0], after[1] });
        }
        if (average)
            set(n, "count_include_pad", static_cast<int64_t>(padded && !p.exclude_padding));
    }

    // x / (1 + alpha * average of x * x over the window)^beta: the reader knows it again.
    void within_channels(const std::string &x)
    {
        const rs_lrn_param &p = layer_->lrn;
        const std::string name = layer_->name;
        const std::string squares = unique(name + ".squares"), mean = unique(name + ".mean"),
                          scaled = unique(name + ".scaled");
        const std::string sum = unique(name + ".sum"), power = unique(name + ".power");
        node("Mul", { x, x }, squares, "/square");
        onnx::NodeProto *pool = node("AveragePool", { squares }, mean, "/average");
        const int64_t side = (p.size - 1) / 2;
        set(pool, "kernel_shape", { p.size, p.size });
        set(pool, "strides", { 1, 1 });
        set(pool, "pads", { side, side, side, side });
        set(pool, "count_include_pad", static_cast<int64_t>(1));
        const std::string alpha = floats(".alpha", {}, { p.alpha }), one = floats(".one", {}, { 1.0F }),
                          beta = floats(".beta", {}, { p.beta });
        node("Mul", { mean, alpha }, scaled, "/scale");
        node("Add", { scaled, one }, sum, "/add");
        node("Pow", { sum, beta }, power, "/power");
        node("Div", { x, power }, top());
    }

    // Values that are rounded to integers, and what those stand for.
    void quantize_linear()
    {
        const rs_quantize_linear_param &p = layer_->quantize_linear;
        const bool is_signed = p.least < 0;
        if (p.least != (is_signed ? -128 : 0) || p.most != (is_signed ? 127 : 255))
            refuse("its integers are " + std::to_string(p.least) + " to " + std::to_string(p.most) +
                   ", expected int8 or uint8");
        const std::string x = bottom(), scale = floats(".scale", {}, { p.scale });
        const uint8_t byte = static_cast<uint8_t>(p.zero & 255);
        const std::string zero = constant(std::string(layer_->name) + ".zero_point", {}, &byte, 1,
                                          is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8);
        const std::string integers = unique(std::string(layer_->name) + ".integers");
        node("QuantizeLinear", { x, scale, zero }, integers);
        node("DequantizeLinear", { integers, scale, zero }, top(), "/dequantize");
    }

    // A batch normalization, with the scaling behind it if that is all that reads it.
    void batch_norm()
    {
        const rs_layer &l = *layer_;
        if (!l.batch_norm.global_stats)
            refuse("it normalizes by each batch's own statistics (use_global_stats: false)");
        const int64_t channels = in().dim[1];
        const float factor = l.params[2].data[0];
        std::vector<float> mean = values(0), variance = values(1);
        for (std::size_t i = 0; i < mean.size(); i++) { // as the layer itself takes them; without a factor all are zero
            mean[i] = factor < 0 || factor > 0 ? mean[i] / factor : 0;
            variance[i] = factor < 0 || factor > 0 ? variance[i] / factor : 0;
        }
        const std::vector<float> ones(static_cast<std::size_t>(channels), 1.0F),
            zeros(static_cast<std::size_t>(channels), 0.0F);
        const rs_layer *next = scaling_behind();
        const std::string x = bottom(), m = floats(".mean", { channels }, mean),
                          v = floats(".variance", { channels }, variance);
        std::string w, b;
        if (next != nullptr) {
            layer_ = next;
            w = floats(".weight", { channels }, values(0));
            b = next->scale.bias ? floats(".bias", { channels }, values(1)) : floats(".bias", { channels }, zeros);
            merged_.insert(next);
            layer_ = &l;
        } else {
            w = floats(".weight", { channels }, ones);
            b = floats(".bias", { channels }, zeros);
        }
        if (next != nullptr)
            layer_ = next; // whose top it writes
        const std::string y = top();
        layer_ = &l;
        set(node("BatchNormalization", { x, w, b, m, v }, y), "epsilon", l.batch_norm.eps);
    }

    const rs_layer *scaling_behind() const
    {
        if (index_ + 1 >= net_->n_layers)
            return nullptr;
        const rs_layer *next = &net_->layers[index_ + 1];
        if (next->type != RS_LAYER_SCALE || next->bottoms[0] != layer_->tops[0] || next->scale.num_axes != 1 ||
            rs_axis(next->scale.axis, in().n_axes) != 1)
            return nullptr;
        if (next->tops[0] != layer_->tops[0])
            for (int i = 0; i < net_->n_layers; i++)
                for (int b = 0; b < net_->layers[i].n_bottoms; b++)
                    if (&net_->layers[i] != next && i != index_ && net_->layers[i].bottoms[b] == layer_->tops[0])
                        return nullptr; // somebody else reads what it gives
        return next;
    }

    void scale()
    {
        const rs_layer &l = *layer_;
        if (merged_.count(&l) > 0)
            return;
        const int axis = rs_axis(l.scale.axis, in().n_axes);
        std::vector<int64_t> dims = dims_of(l.params[0].shape);
        if (!dims.empty())
            dims.resize(static_cast<std::size_t>(in().n_axes - axis), 1);
        const std::string x = bottom();
        if (l.type == RS_LAYER_BIAS) {
            node("Add", { x, param(0, dims) }, top());
        } else if (!l.scale.bias) {
            node("Mul", { x, param(0, dims) }, top());
        } else {
            const std::string product = unique(std::string(l.name) + ".product");
            node("Mul", { x, param(0, dims) }, product, "/multiply");
            node("Add", { product, param(1, dims) }, top());
        }
    }

    void slice()
    {
        const rs_layer &l = *layer_;
        const int axis = rs_axis(l.slice.axis, in().n_axes);
        std::vector<int64_t> sizes;
        for (int t = 0; t < l.n_tops; t++)
            sizes.push_back(net_->blobs[l.tops[t]].shape.dim[axis]);
        const std::string x = bottom(), split = whole(".split", sizes);
        onnx::NodeProto *n = node("Split", { x, split }, top(0));
        for (int t = 1; t < l.n_tops; t++)
            n->add_output(top(t));
        set(n, "axis", static_cast<int64_t>(axis));
    }

    void eltwise()
    {
        const rs_layer &l = *layer_;
        std::vector<std::string> inputs;
        for (int b = 0; b < l.n_bottoms; b++) {
            std::string x = bottom(b);
            const float c = l.eltwise.coefficients != nullptr ? l.eltwise.coefficients[b] : 1;
            if (c < 1 || c > 1) {
                const std::string product = unique(std::string(l.name) + ".term");
                node("Mul", { x, floats(".coefficient", {}, { c }) }, product, "/multiply" + std::to_string(b));
                x = product;
            }
            inputs.push_back(x);
        }
        if (l.eltwise.method == RS_ELTWISE_MAX) {
            node("Max", inputs, top());
        } else if (l.eltwise.method == RS_ELTWISE_SUM) {
            node("Sum", inputs, top());
        } else {
            std::string x = inputs[0];
            for (std::size_t i = 1; i < inputs.size(); i++) {
                const bool last = i + 1 == inputs.size();
                const std::string y = last ? top() : unique(std::string(l.name) + ".product");
                node("Mul", { x, inputs[i] }, y, last ? "" : "/" + std::to_string(i));
                x = y;
            }
        }
    }

    const rs_net *net_;
    rs_diag *diag_;
    onnx::ModelProto model_;
    onnx::GraphProto *graph_;
    const rs_layer *layer_ = nullptr;
    int index_ = 0;
    rs_status status_ = RS_OK;
    std::set<std::string> names_;
    std::set<const rs_layer *> merged_;         // scalings that are part of a batch normalization
    std::map<std::string, std::string> params_; // constants of the layers' parameters
    std::vector<std::string> current_;          // what each blob is called now; empty before it is there
    std::vector<bool> read_;                    // since it was called so
};

} // namespace
} // namespace ristretto

extern "C" rs_status rs_onnx_write(const rs_net *net, const char *path, rs_diag *diag)
{
    try {
        ristretto::OnnxWriter writer(net, diag);
        return writer.write(path);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}
