// Prototxt -> rs_net.
#include <google/protobuf/descriptor.h>

#include <cmath>
#include <cstring>
#include <map>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "base/memory.h"
#include "import/caffe/caffe.h"
#include "import/caffe/upgrade.h"
#include "import/caffe/text.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

// One layer of the file in the present form, and its place.
struct FileLayer {
    caffe::LayerParameter param;
    Node node;
    bool spoiled; // an error was found in its text already
};

class NetReader
{
  public:
    NetReader(const Text &text, const rs_net_state &state, Report *report)
        : text_(text), phase_(state.phase), state_(state), report_(report)
    {
    }

    // Builds the net. If there are errors, of the text or of its meaning, *out is left alone.
    void read(const caffe::NetParameter &file, rs_net **out)
    {
        std::vector<FileLayer> layers;
        collect(file, &layers);
        build(file, layers);
        if (net_->n_layers == 0 && !report_->has_errors())
            bad(rs_loc { text_.path.c_str(), 0, 0 }, "",
                std::string("the net has no layers for the phase ") + (phase_ == RS_TRAIN ? "TRAIN" : "TEST"));
        if (report_->has_errors())
            return;
        *out = net_;
        net_ = nullptr;
    }
    ~NetReader()
    {
        rs_net_free(net_);
    }
    NetReader(const NetReader &) = delete;
    NetReader &operator=(const NetReader &) = delete;

  private:
    void bad(rs_loc loc, const std::string &hint, const std::string &what)
    {
        report_->error(loc, hint, what);
    }
    static std::string layer_name(const caffe::LayerParameter &p)
    {
        return "layer " + quoted(p.name());
    }

    // ---- which layers there are

    // Whether a rule's conditions hold for this phase and the level and stages of the net.
    bool meets(const caffe::NetStateRule &rule, const caffe::NetState &state) const
    {
        if (rule.has_phase() && (rule.phase() == caffe::TRAIN) != (phase_ == RS_TRAIN))
            return false;
        const int level = state_.level != 0 ? state_.level : state.level();
        if (rule.has_min_level() && level < rule.min_level())
            return false;
        if (rule.has_max_level() && level > rule.max_level())
            return false;
        std::set<std::string> stages(state.stage().begin(), state.stage().end());
        for (int i = 0; i < state_.n_stages; i++)
            stages.insert(state_.stages[i]);
        for (const std::string &s : rule.stage())
            if (stages.count(s) == 0)
                return false;
        for (const std::string &s : rule.not_stage())
            if (stages.count(s) != 0)
                return false;
        return true;
    }

    bool included(const FileLayer &l, const caffe::NetState &state)
    {
        if (l.param.include_size() > 0 && l.param.exclude_size() > 0) {
            bad(l.node.at("exclude"), "",
                layer_name(l.param) + " has include and exclude rules, expected only one kind");
            return true;
        }
        for (const auto &rule : l.param.include())
            if (meets(rule, state))
                return true;
        for (const auto &rule : l.param.exclude())
            if (meets(rule, state))
                return false;
        return l.param.include_size() == 0;
    }

    // The layers of this phase, in the present form.
    void collect(const caffe::NetParameter &file, std::vector<FileLayer> *layers)
    {
        const Node root = Node::root(text_, file);
        if (file.layer_size() > 0 && file.layers_size() > 0)
            bad(root.at("layers"), "", "both 'layer' and the older 'layers' are used, expected only one form");
        for (int i = 0; i < file.layers_size(); i++) {
            FileLayer l { {}, root.in("layers", i), root.spoiled("layers", i) };
            if (!file.layers(i).has_layer()) {
                upgrade_v1(file.layers(i), &l.param);
            } else if (is_v0_padding(file.layers(i))) {
                v0_padding(file, i, l.node);
                continue;
            } else {
                caffe::V1LayerParameter v1;
                std::string what;
                if (!upgrade_v0(file.layers(i), &v1, &what)) {
                    bad(l.node.in("layer").at("type"), "",
                        "layer " + quoted(v1.name()) + " (in Caffe's oldest form, V0) has " + what);
                    continue;
                }
                merge_v0_padding(file, i, &v1);
                upgrade_v1(v1, &l.param);
            }
            add(std::move(l), file, layers);
        }
        for (int i = 0; i < file.layer_size(); i++) {
            FileLayer l { file.layer(i), root.in("layer", i), root.spoiled("layer", i) };
            add(std::move(l), file, layers);
        }
    }

    // In the first form, padding was a layer of its own, in front of a convolution or pooling that pads itself since.
    static int v0_producer(const caffe::NetParameter &file, int before, const std::string &blob)
    {
        for (int i = before - 1; i >= 0; i--)
            for (const std::string &top : file.layers(i).top())
                if (top == blob)
                    return i;
        return -1;
    }
    void v0_padding(const caffe::NetParameter &file, int index, const Node &node)
    {
        const caffe::V1LayerParameter &padding = file.layers(index);
        const std::string who = "layer " + quoted(padding.layer().name()) + " (padding, in Caffe's oldest form, V0)";
        if (padding.bottom_size() != 1 || padding.top_size() != 1)
            bad(node.loc(), "",
                who + " has " + std::to_string(padding.bottom_size()) + " bottoms and " +
                    std::to_string(padding.top_size()) + " tops, expected one of each");
        for (int i = index + 1; i < file.layers_size(); i++)
            for (const std::string &bottom : file.layers(i).bottom())
                if (v0_producer(file, i, bottom) == index && file.layers(i).layer().type() != "conv" &&
                    file.layers(i).layer().type() != "pool")
                    bad(node.loc(), "",
                        who + " is read by layer " + quoted(file.layers(i).layer().name()) +
                            ", expected a convolution or pooling");
    }
    void merge_v0_padding(const caffe::NetParameter &file, int index, caffe::V1LayerParameter *layer)
    {
        for (int b = 0; b < layer->bottom_size(); b++) {
            const int from = v0_producer(file, index, layer->bottom(b));
            if (from < 0 || !is_v0_padding(file.layers(from)) || file.layers(from).bottom_size() != 1)
                continue;
            const uint32_t pad = file.layers(from).layer().pad();
            if (layer->type() == caffe::V1LayerParameter::CONVOLUTION) {
                layer->mutable_convolution_param()->clear_pad();
                layer->mutable_convolution_param()->add_pad(pad);
            } else if (layer->type() == caffe::V1LayerParameter::POOLING) {
                layer->mutable_pooling_param()->set_pad(pad);
            }
            layer->set_bottom(b, file.layers(from).bottom(0));
        }
    }

    void add(FileLayer &&l, const caffe::NetParameter &file, std::vector<FileLayer> *layers)
    {
        if (!included(l, file.state()))
            return;
        upgrade_transform(&l.param);
        layers->push_back(std::move(l));
    }

    // ---- the graph

    void build(const caffe::NetParameter &file, const std::vector<FileLayer> &layers)
    {
        net_ = new_array<rs_net>(1);
        net_->name = copy_text(file.name());
        net_->path = copy_text(text_.path);
        net_->phase = phase_;
        std::size_t tops = static_cast<std::size_t>(file.input_size());
        for (const FileLayer &l : layers)
            tops += static_cast<std::size_t>(l.param.top_size()) + 1;
        net_->layers = new_array<rs_layer>(layers.size() + 1);
        net_->blobs = new_array<rs_blob>(tops);

        inputs(file);
        for (std::size_t i = 0; i < layers.size(); i++)
            layer(layers, i);
    }

    rs_loc keep(rs_loc loc) const
    {
        return rs_loc { net_->path, loc.line, loc.column };
    }

    int new_blob(const std::string &name, int producer)
    {
        rs_blob *blob = &net_->blobs[net_->n_blobs];
        blob->name = copy_text(name);
        produced_[name] = Produced { net_->n_blobs, producer, {} };
        return net_->n_blobs++;
    }

    // The net-level fields input, input_dim and input_shape become an Input layer, as in Caffe.
    void inputs(const caffe::NetParameter &file)
    {
        const Node root = Node::root(text_, file);
        if (file.input_size() == 0) {
            if (file.input_dim_size() > 0)
                bad(root.at("input_dim"), "", "input_dim without input");
            if (file.input_shape_size() > 0)
                bad(root.at("input_shape"), "", "input_shape without input");
            return;
        }
        const int n = file.input_size();
        if (file.input_dim_size() > 0 && file.input_shape_size() > 0)
            bad(root.at("input_dim"), "", "both input_dim and input_shape are given, expected one of them");
        else if (file.input_dim_size() > 0 && file.input_dim_size() != 4 * n)
            bad(root.at("input_dim"), "",
                std::to_string(file.input_dim_size()) + " values of input_dim for " + std::to_string(n) +
                    (n == 1 ? " input" : " inputs") + ", expected 4 each (batch, channels, height, width)");
        else if (file.input_shape_size() > 1 && file.input_shape_size() != n)
            bad(root.at("input_shape"), "",
                std::to_string(file.input_shape_size()) + " input_shapes for " + std::to_string(n) + " inputs");

        rs_layer *layer = &net_->layers[net_->n_layers++];
        layer->type = RS_LAYER_INPUT;
        layer->name = copy_text("input");
        layer->loc = keep(root.at("input"));
        layer->data.scale = 1;
        layer->tops = new_array<int>(static_cast<std::size_t>(n));
        layer->bottoms = new_array<int>(1);
        for (int i = 0; i < n; i++) {
            if (produced_.count(file.input(i)) > 0) {
                bad(root.at("input", i), "", "input " + quoted(file.input(i)) + " is given twice");
                continue;
            }
            const int blob = new_blob(file.input(i), net_->n_layers - 1);
            layer->tops[layer->n_tops++] = blob;
            rs_shape *shape = &net_->blobs[blob].shape;
            if (file.input_dim_size() == 4 * n) {
                for (int d = 0; d < 4; d++) {
                    const int64_t v = file.input_dim(4 * i + d);
                    if (v < 1)
                        bad(root.at("input_dim", 4 * i + d), "",
                            "input_dim is " + std::to_string(v) + ", expected at least 1");
                    shape->dim[shape->n_axes++] = v;
                }
            } else if (file.input_shape_size() > 0) {
                const int s = file.input_shape_size() > 1 ? i : 0;
                if (s < file.input_shape_size())
                    read_shape(file.input_shape(s), root.in("input_shape", s), shape);
            }
        }
    }

    void read_shape(const caffe::BlobShape &from, const Node &node, rs_shape *shape)
    {
        shape->n_axes = 0;
        if (from.dim_size() > RS_MAX_AXES) {
            bad(node.loc(), "",
                "a shape of " + std::to_string(from.dim_size()) + " axes, expected at most " +
                    std::to_string(RS_MAX_AXES));
            return;
        }
        if (from.dim_size() == 0)
            bad(node.loc(), "", "a shape without dimensions");
        for (int i = 0; i < from.dim_size(); i++) {
            if (from.dim(i) < 1 || from.dim(i) > max_size)
                bad(node.at("dim", i), "",
                    "dimension " + std::to_string(from.dim(i)) + ", expected 1 to " + std::to_string(max_size));
            shape->dim[shape->n_axes++] = from.dim(i);
        }
    }

    struct Produced {
        int blob;
        int layer;                // index in net_->layers of the layer that wrote it last
        std::vector<int> readers; // layers that read it since it was produced
    };

    void layer(const std::vector<FileLayer> &layers, std::size_t index)
    {
        const FileLayer &l = layers[index];
        const caffe::LayerParameter &p = l.param;
        const LayerType *type = find_layer_type(p.type());

        rs_layer *out = &net_->layers[net_->n_layers++];
        out->type = type != nullptr ? type->type : RS_LAYER_RELU;
        out->name = copy_text(p.name());
        out->loc = keep(l.node.loc());
        out->bottoms = new_array<int>(static_cast<std::size_t>(p.bottom_size()) + 1);
        out->tops = new_array<int>(static_cast<std::size_t>(p.top_size()) + 1);

        if (p.name().empty() && !l.spoiled)
            bad(l.node.loc(), "", "a layer without a name");
        else if (!p.name().empty() && !names_.emplace(p.name(), out->loc.line).second)
            bad(l.node.at("name"), "",
                "a second layer of the name " + quoted(p.name()) + "; the first is at line " +
                    std::to_string(names_[p.name()]));
        bool usable = !l.spoiled;
        if (p.type().empty()) {
            if (!l.spoiled)
                bad(l.node.loc(), "", layer_name(p) + " has no type");
            usable = false;
        } else if (type == nullptr) {
            bool known = false;
            std::string hint = unsupported_type_hint(p.type(), &known);
            if (known && said_what_is_supported_)
                hint.clear();
            said_what_is_supported_ = said_what_is_supported_ || known;
            bad(l.node.at("type"), hint,
                layer_name(p) + (known ? " is of type " + quoted(p.type()) + ", which is not supported"
                                       : ": unknown layer type " + quoted(p.type())));
            usable = false;
        }
        if (usable) {
            common(*type, l, out);
            shared_params(l, out);
            switch (type->type) {
            case RS_LAYER_INPUT:
                break; // after its tops are known
            case RS_LAYER_CONVOLUTION:
                convolution(l, out);
                break;
            case RS_LAYER_INNER_PRODUCT:
                inner_product(l, out);
                break;
            case RS_LAYER_POOLING:
                pooling(l, out);
                break;
            case RS_LAYER_RELU:
                out->relu_slope = finite(p.relu_param().negative_slope(), l.node, "relu_param", "negative_slope");
                break;
            case RS_LAYER_SOFTMAX:
                softmax(l);
                break;
            case RS_LAYER_SOFTMAX_LOSS:
                softmax_loss(l, out);
                break;
            case RS_LAYER_LRN:
                lrn(l, out);
                break;
            case RS_LAYER_CONCAT:
                concat(l, out);
                break;
            case RS_LAYER_SLICE:
                slice(l, out);
                break;
            case RS_LAYER_ELTWISE:
                eltwise(l, out);
                break;
            case RS_LAYER_FLATTEN:
                flatten(l, out);
                break;
            case RS_LAYER_RESHAPE:
                reshape(l, out);
                break;
            case RS_LAYER_SPLIT:
            case RS_LAYER_SIGMOID:
            case RS_LAYER_TANH:
                break;
            case RS_LAYER_DECONVOLUTION:
                convolution(l, out);
                break;
            case RS_LAYER_ELU:
                out->elu_alpha = finite(p.elu_param().alpha(), l.node, "elu_param", "alpha");
                break;
            case RS_LAYER_CLIP:
                clip(l, out);
                break;
            case RS_LAYER_QUANTIZE_LINEAR:
                quantize_linear(l, out);
                break;
            case RS_LAYER_PRELU:
                prelu(l, out);
                break;
            case RS_LAYER_BATCH_NORM:
                batch_norm(l, out);
                break;
            case RS_LAYER_SCALE:
                scale(l, out);
                break;
            case RS_LAYER_BIAS:
                bias(l, out);
                break;
            case RS_LAYER_EUCLIDEAN_LOSS:
                euclidean_loss(l);
                break;
            case RS_LAYER_ACCURACY:
                accuracy(l, out);
                break;
            case RS_LAYER_DROPOUT:
                dropout(l, out);
                break;
            default:
                break; // its name is not in the table of types
            }
        }
        bottoms(layers, index, out);
        tops(l, type, out);
        if (usable && type->type == RS_LAYER_INPUT)
            input(*type, l, out);
    }

    void bottoms(const std::vector<FileLayer> &layers, std::size_t index, rs_layer *out)
    {
        const FileLayer &l = layers[index];
        for (int i = 0; i < l.param.bottom_size(); i++) {
            const std::string &name = l.param.bottom(i);
            auto it = produced_.find(name);
            if (it != produced_.end()) {
                it->second.readers.push_back(net_->n_layers - 1);
                out->bottoms[out->n_bottoms++] = it->second.blob;
                continue;
            }
            std::vector<std::string> there;
            for (const auto &b : produced_)
                there.push_back(b.first);
            std::string hint = did_you_mean(name, there);
            for (std::size_t k = index + 1; k < layers.size(); k++)
                for (const std::string &top : layers[k].param.top())
                    if (top == name)
                        hint = "layer " + quoted(layers[k].param.name()) + " at line " +
                               std::to_string(layers[k].node.loc().line) +
                               " gives it, but comes later: a layer stands behind those that it reads from";
            bad(l.node.at("bottom", i), hint,
                layer_name(l.param) + ": no layer before it gives its bottom " + quoted(name));
        }
    }

    void tops(const FileLayer &l, const LayerType *type, rs_layer *out)
    {
        const caffe::LayerParameter &p = l.param;
        const int self = net_->n_layers - 1;
        for (int i = 0; i < p.top_size(); i++) {
            const std::string &name = p.top(i);
            auto it = produced_.find(name);
            if (it == produced_.end()) {
                out->tops[out->n_tops++] = new_blob(name, self);
                continue;
            }
            const bool in_place = i < p.bottom_size() && p.bottom(i) == name;
            if (!in_place) {
                bad(l.node.at("top", i), "",
                    layer_name(p) + ": its top " + quoted(name) + " is given already by layer " +
                        quoted(net_->layers[it->second.layer].name) + " at line " +
                        std::to_string(net_->layers[it->second.layer].loc.line));
                continue;
            }
            if (type != nullptr && !rs_layer_rule_of(type->type)->in_place)
                bad(l.node.at("top", i), "give the top a name of its own",
                    layer_name(p) + " (" + p.type() + ") cannot work in place");
            else if (it->second.readers.size() > 1)
                bad(l.node.at("top", i), "give the top a name of its own",
                    layer_name(p) + " changes " + quoted(name) + " in place, which layer " +
                        quoted(net_->layers[it->second.readers[0]].name) + " reads as it was before");
            it->second.layer = self;
            it->second.readers.clear();
            out->tops[out->n_tops++] = it->second.blob;
        }
        // Caffe gives a loss its top if the file does not.
        if (type != nullptr && rs_layer_rule_of(type->type)->loss && p.top_size() == 0 &&
            produced_.count(p.name()) == 0)
            out->tops[out->n_tops++] = new_blob(p.name(), self);
        if (out->n_tops == 0 && p.top_size() == 0)
            bad(l.node.loc(), "", layer_name(p) + " has no top");
    }

    // ---- fields that all layers have

    void common(const LayerType &type, const FileLayer &l, rs_layer *out)
    {
        const caffe::LayerParameter &p = l.param;
        const Node &node = l.node;

        if (p.has_phase() && (p.phase() == caffe::TRAIN) != (phase_ == RS_TRAIN) && p.include_size() == 0 &&
            p.exclude_size() == 0)
            report_->warning(node.at("phase"), "include { phase: ... } chooses the phases that a layer is in",
                             layer_name(p) + ": the field 'phase' of a layer has no effect");
        for (int i = 0; i < p.propagate_down_size(); i++)
            if (!p.propagate_down(i))
                bad(node.at("propagate_down", i), "to keep a layer's weights as they are, give its param lr_mult: 0",
                    layer_name(p) + ": propagate_down: false is not supported");
        if (p.blobs_size() > 0)
            bad(node.at("blobs"), "weights belong in a caffemodel",
                layer_name(p) + ": blobs in a prototxt are not read");

        const bool loss = rs_layer_rule_of(type.type)->loss;
        out->loss_weight = loss ? 1 : 0;
        if (p.loss_weight_size() > 1)
            bad(node.at("loss_weight", 1), "",
                layer_name(p) + " has " + std::to_string(p.loss_weight_size()) + " loss weights, expected one");
        else if (p.loss_weight_size() == 1 && !std::isfinite(p.loss_weight(0)))
            bad(node.at("loss_weight"), "", layer_name(p) + ": the loss weight is not a finite number");
        else if (p.loss_weight_size() == 1 && !loss && p.loss_weight(0) != 0)
            bad(node.at("loss_weight"), "", layer_name(p) + " (" + p.type() + ") is no loss, expected loss_weight 0");
        else if (p.loss_weight_size() == 1)
            out->loss_weight = p.loss_weight(0);

        for (int i = 0; i < RS_MAX_PARAMS; i++)
            out->params[i].lr_mult = out->params[i].decay_mult = 1;
        const int most = rs_layer_rule_of(type.type)->max_params;
        if (p.param_size() > most)
            bad(node.at("param", most), "",
                layer_name(p) + " (" + p.type() + ") has " + std::to_string(p.param_size()) +
                    " param fields, expected " +
                    (most == 0 ? "none: it learns nothing" : "at most " + std::to_string(most)));
        for (int i = 0; i < p.param_size() && i < most; i++) {
            const Node spec = node.in("param", i);
            out->params[i].lr_mult = p.param(i).lr_mult();
            out->params[i].decay_mult = p.param(i).decay_mult();
            if (!(p.param(i).lr_mult() >= 0 && std::isfinite(p.param(i).lr_mult())))
                bad(spec.at("lr_mult"), "", layer_name(p) + ": lr_mult must be a number of at least 0");
            if (!std::isfinite(p.param(i).decay_mult()))
                bad(spec.at("decay_mult"), "", layer_name(p) + ": decay_mult must be a finite number");
        }

        // Blocks that belong to other types would be ignored without a word.
        const google::protobuf::Reflection *reflection = p.GetReflection();
        std::vector<const FieldDescriptor *> fields;
        reflection->ListFields(p, &fields);
        for (const FieldDescriptor *f : fields) {
            if (f->number() < 100)
                continue;
            bool read = false;
            for (const char *name : type.params)
                read = read || f->name() == name;
            if (!read)
                report_->warning(node.at(f->name().c_str()), "",
                                 layer_name(p) + ": " + f->name() + " has no effect on a layer of type " +
                                     quoted(p.type()));
        }
        if (type.quantized)
            quantization(l, out);
    }

    // Parameters of one name are one array, which the first of them owns; their learning rates must agree, as in Caffe.
    void shared_params(const FileLayer &l, rs_layer *out)
    {
        const int most = rs_layer_rule_of(out->type)->max_params;
        for (int i = 0; i < l.param.param_size() && i < most; i++) {
            const caffe::ParamSpec &spec = l.param.param(i);
            if (spec.name().empty())
                continue;
            rs_param *param = &out->params[i];
            param->name = copy_text(spec.name());
            param->permissive = spec.share_mode() == caffe::ParamSpec::PERMISSIVE;
            auto it = owners_.emplace(spec.name(),
                                      Owner { l.param.name(), param, spec.has_lr_mult(), spec.has_decay_mult() });
            if (it.second)
                continue;
            Owner &owner = it.first->second;
            const Node node = l.node.in("param", i);
            join(l, node, "lr_mult", spec.has_lr_mult(), &owner.has_lr_mult, &owner.param->lr_mult, &param->lr_mult,
                 owner);
            join(l, node, "decay_mult", spec.has_decay_mult(), &owner.has_decay_mult, &owner.param->decay_mult,
                 &param->decay_mult, owner);
        }
    }
    struct Owner {
        std::string layer;
        rs_param *param;
        bool has_lr_mult, has_decay_mult;
    };
    void join(const FileLayer &l, const Node &node, const char *field, bool given, bool *owner_given, float *owners,
              float *own, const Owner &owner)
    {
        if (given && *owner_given && *own != *owners)
            bad(node.at(field), "",
                layer_name(l.param) + ": its parameter is that of layer " + quoted(owner.layer) +
                    ", which has another " + field);
        else if (given && !*owner_given) {
            *owners = *own;
            *owner_given = true;
        } else {
            *own = *owners;
        }
    }

    void quantization(const FileLayer &l, rs_layer *out)
    {
        const caffe::QuantizationParameter &q = l.param.quantization_param();
        const Node node = l.node.in("quantization_param");
        if (!l.param.has_quantization_param())
            bad(l.node.loc(), "", layer_name(l.param) + " (" + l.param.type() + ") has no quantization_param");
        if (q.rounding_scheme() != caffe::QuantizationParameter::NEAREST)
            bad(node.at("rounding_scheme"), "supported is NEAREST",
                layer_name(l.param) + ": rounding_scheme STOCHASTIC is not supported");
        rs_quantization_param r = {};
        r.mant_bits = static_cast<int>(within(q.mant_bits(), 0, 23, l, node, "mant_bits"));
        r.exp_bits = static_cast<int>(within(q.exp_bits(), 1, 8, l, node, "exp_bits"));
        r.exp_min = static_cast<int>(within(q.exp_min(), -126, 126, l, node, "exp_min"));
        r.exp_max = static_cast<int>(within(q.exp_max(), q.exp_min(), 126, l, node, "exp_max"));
        r.bw_layer_in = static_cast<int>(within(q.bw_layer_in(), 1, 32, l, node, "bw_layer_in"));
        r.bw_layer_out = static_cast<int>(within(q.bw_layer_out(), 1, 32, l, node, "bw_layer_out"));
        r.bw_params = static_cast<int>(within(q.bw_params(), 1, 32, l, node, "bw_params"));
        r.fl_layer_in = static_cast<int>(within(q.fl_layer_in(), -126, 126, l, node, "fl_layer_in"));
        r.fl_layer_out = static_cast<int>(within(q.fl_layer_out(), -126, 126, l, node, "fl_layer_out"));
        r.fl_params = static_cast<int>(within(q.fl_params(), -126, 126, l, node, "fl_params"));

        // Every field is checked, but those that the precision has no use for stay 0: the defaults of the message say
        // nothing.
        rs_quantization_param &o = out->quantization;
        o.present = true;
        o.precision = static_cast<rs_precision>(q.precision());
        if (o.precision == RS_PRECISION_MINIFLOAT) {
            o.mant_bits = r.mant_bits;
            o.exp_bits = r.exp_bits;
            return;
        }
        o.bw_layer_in = r.bw_layer_in;
        o.bw_layer_out = r.bw_layer_out;
        o.fl_layer_in = r.fl_layer_in;
        o.fl_layer_out = r.fl_layer_out;
        if (o.precision == RS_PRECISION_POWER2_WEIGHTS) {
            o.exp_min = r.exp_min;
            o.exp_max = r.exp_max;
            return;
        }
        o.bw_params = r.bw_params;
        o.fl_params = r.fl_params;
    }

    // ---- values and ranges

    int64_t within(int64_t value, int64_t least, int64_t most, const FileLayer &l, const Node &node, const char *field,
                   int index = -1)
    {
        if (value >= least && value <= most)
            return value;
        const std::string range = most == max_size ? "at least " + std::to_string(least)
                                                   : std::to_string(least) + " to " + std::to_string(most);
        bad(node.at(field, index), "",
            layer_name(l.param) + ": " + field + " is " + std::to_string(value) + ", expected " +
                (value > most && most == max_size ? "at most " + std::to_string(most) : range));
        return least;
    }

    float finite(float value, const Node &layer, const char *block, const char *field)
    {
        if (std::isfinite(value))
            return value;
        bad(layer.in(block).at(field), "", std::string(field) + " is not a finite number");
        return 0;
    }

    rs_filler filler(const caffe::FillerParameter &from, const FileLayer &l, const Node &node)
    {
        static const std::pair<const char *, rs_filler_type> types[] = {
            { "constant", RS_FILL_CONSTANT }, { "uniform", RS_FILL_UNIFORM }, { "gaussian", RS_FILL_GAUSSIAN },
            { "xavier", RS_FILL_XAVIER },     { "msra", RS_FILL_MSRA },       { "bilinear", RS_FILL_BILINEAR },
        };
        rs_filler out {};
        bool found = false;
        std::vector<std::string> names;
        for (const auto &t : types) {
            names.push_back(t.first);
            if (from.type() == t.first) {
                out.type = t.second;
                found = true;
            }
        }
        if (!found) {
            const bool known = from.type() == "positive_unitball";
            const std::string hint = known ? "" : did_you_mean(from.type(), names);
            bad(node.at("type"),
                hint.empty() ? "supported are constant, uniform, gaussian, xavier, msra, bilinear" : hint,
                layer_name(l.param) + (known ? ": filler " + quoted(from.type()) + " is not supported"
                                             : ": unknown filler " + quoted(from.type())));
        }
        if (from.has_sparse() && from.sparse() != -1)
            bad(node.at("sparse"), "", layer_name(l.param) + ": sparse fillers are not supported");
        const std::pair<const char *, float> values[] = { { "value", from.value() },
                                                          { "min", from.min() },
                                                          { "max", from.max() },
                                                          { "mean", from.mean() },
                                                          { "std", from.std() } };
        for (const auto &v : values)
            if (!std::isfinite(v.second))
                bad(node.at(v.first), "",
                    layer_name(l.param) + ": the filler's " + v.first + " is not a finite number");
        if (from.min() > from.max())
            bad(node.at("min"), "", layer_name(l.param) + ": the filler's min is greater than its max");
        if (from.std() < 0)
            bad(node.at("std"), "", layer_name(l.param) + ": the filler's std is negative");
        if (out.type == RS_FILL_BILINEAR && l.param.type() != "Deconvolution")
            bad(node.at("type"), "", layer_name(l.param) + ": filler 'bilinear' is for the weights of a Deconvolution");
        out.variance_norm = from.variance_norm() == caffe::FillerParameter::FAN_OUT   ? RS_NORM_FAN_OUT
                            : from.variance_norm() == caffe::FillerParameter::AVERAGE ? RS_NORM_AVERAGE
                                                                                      : RS_NORM_FAN_IN;
        out.value = from.value();
        out.min = from.min();
        out.max = from.max();
        out.mean = from.mean();
        out.std = from.std();
        return out;
    }

    void axis_is_channels(int64_t axis, const FileLayer &l, const Node &node)
    {
        if (axis != 1)
            bad(node.at("axis"), "supported is 1, the channels",
                layer_name(l.param) + ": axis " + std::to_string(axis) + " is not supported");
    }

    // ---- layers, one by one

    // Height and width of a kernel, stride or padding: one value, two values, or the fields of their own.
    template <class Values>
    void pair(const FileLayer &l, const Node &node, const char *field, const Values &values, bool has_h, int64_t h,
              bool has_w, int64_t w, int64_t least, int64_t otherwise, int64_t *out_h, int64_t *out_w)
    {
        const std::string base = std::strcmp(field, "kernel_size") == 0 ? "kernel" : field;
        *out_h = *out_w = otherwise < 0 ? INT32_MAX : otherwise; // if wrong: what causes no errors further on
        if (has_h || has_w) {
            if (values.size() > 0)
                bad(node.at(field), "",
                    layer_name(l.param) + ": both " + field + " and " + base + "_h or " + base + "_w are given");
            else if (least > 0 && !(has_h && has_w))
                bad(node.at((base + (has_h ? "_h" : "_w")).c_str()), "",
                    layer_name(l.param) + ": only one of " + base + "_h and " + base + "_w is given, expected both");
            else {
                *out_h = within(h, least, max_size, l, node, (base + "_h").c_str());
                *out_w = within(w, least, max_size, l, node, (base + "_w").c_str());
            }
        } else if (values.size() > 2) {
            bad(node.at(field, 2), "",
                layer_name(l.param) + ": " + std::to_string(values.size()) + " values of " + field +
                    ", expected one or two (only images are supported)");
        } else if (values.size() > 0) {
            *out_h = within(values.Get(0), least, max_size, l, node, field, 0);
            *out_w = values.size() > 1 ? within(values.Get(1), least, max_size, l, node, field, 1) : *out_h;
        } else if (otherwise < 0) {
            bad(node.loc(), "", layer_name(l.param) + " has no " + field);
        }
    }

    void convolution(const FileLayer &l, rs_layer *out)
    {
        const caffe::ConvolutionParameter &c = l.param.convolution_param();
        const Node node = l.node.in("convolution_param");
        rs_convolution_param *r = &out->convolution;
        if (!c.has_num_output())
            bad(node.loc(), "", layer_name(l.param) + " has no num_output");
        r->out_channels = c.has_num_output() ? within(c.num_output(), 1, max_size, l, node, "num_output") : 1;
        r->groups = within(c.group(), 1, max_size, l, node, "group");
        if (r->out_channels % r->groups != 0)
            bad(node.at("group"), "",
                layer_name(l.param) + ": num_output " + std::to_string(r->out_channels) + " cannot be divided into " +
                    std::to_string(r->groups) + " groups");
        pair(l, node, "kernel_size", c.kernel_size(), c.has_kernel_h(), c.kernel_h(), c.has_kernel_w(), c.kernel_w(), 1,
             -1, &r->kernel_h, &r->kernel_w);
        pair(l, node, "stride", c.stride(), c.has_stride_h(), c.stride_h(), c.has_stride_w(), c.stride_w(), 1, 1,
             &r->stride_h, &r->stride_w);
        pair(l, node, "pad", c.pad(), c.has_pad_h(), c.pad_h(), c.has_pad_w(), c.pad_w(), 0, 0, &r->pad_h, &r->pad_w);
        pair(l, node, "dilation", c.dilation(), false, 0, false, 0, 1, 1, &r->dilation_h, &r->dilation_w);
        axis_is_channels(c.axis(), l, node);
        r->bias = c.bias_term();
        out->n_params = r->bias ? 2 : 1;
        r->weight_filler = filler(c.weight_filler(), l, node.in("weight_filler"));
        r->bias_filler = filler(c.bias_filler(), l, node.in("bias_filler"));
        if (r->weight_filler.type == RS_FILL_BILINEAR && r->kernel_h != r->kernel_w)
            bad(node.in("weight_filler").at("type"), "",
                layer_name(l.param) + ": filler 'bilinear' needs a square kernel");
        if (r->bias_filler.type == RS_FILL_BILINEAR)
            bad(node.in("bias_filler").at("type"), "", layer_name(l.param) + ": filler 'bilinear' cannot fill a bias");
    }

    void inner_product(const FileLayer &l, rs_layer *out)
    {
        const caffe::InnerProductParameter &ip = l.param.inner_product_param();
        const Node node = l.node.in("inner_product_param");
        rs_inner_product_param *r = &out->inner_product;
        if (!ip.has_num_output())
            bad(node.loc(), "", layer_name(l.param) + " has no num_output");
        r->outputs = ip.has_num_output() ? within(ip.num_output(), 1, max_size, l, node, "num_output") : 1;
        axis_is_channels(ip.axis(), l, node);
        if (ip.transpose())
            bad(node.at("transpose"), "", layer_name(l.param) + ": transpose is not supported");
        r->bias = ip.bias_term();
        out->n_params = r->bias ? 2 : 1;
        r->weight_filler = filler(ip.weight_filler(), l, node.in("weight_filler"));
        r->bias_filler = filler(ip.bias_filler(), l, node.in("bias_filler"));
    }

    void pooling(const FileLayer &l, rs_layer *out)
    {
        const caffe::PoolingParameter &p = l.param.pooling_param();
        const Node node = l.node.in("pooling_param");
        rs_pooling_param *r = &out->pooling;
        if (p.pool() == caffe::PoolingParameter::STOCHASTIC)
            bad(node.at("pool"), "supported are MAX and AVE",
                layer_name(l.param) + ": STOCHASTIC pooling is not supported");
        r->floor = p.round_mode() == caffe::PoolingParameter::FLOOR;
        r->method = p.pool() == caffe::PoolingParameter::AVE ? RS_POOL_AVERAGE : RS_POOL_MAX;
        r->global = p.global_pooling();
        r->exclude_padding = p.exclude_padding();
        if (r->exclude_padding && r->method != RS_POOL_AVERAGE)
            bad(node.at("exclude_padding"), "",
                layer_name(l.param) + ": exclude_padding is of averages, this is a maximum");

        // The singular fields as the lists that a convolution has.
        google::protobuf::RepeatedField<uint32_t> kernel, stride, pad;
        if (p.has_kernel_size())
            kernel.Add(p.kernel_size());
        if (p.has_stride())
            stride.Add(p.stride());
        if (p.has_pad())
            pad.Add(p.pad());
        if (r->global) {
            if (p.has_kernel_size() || p.has_kernel_h() || p.has_kernel_w())
                bad(node.at(p.has_kernel_size() ? "kernel_size"
                            : p.has_kernel_h()  ? "kernel_h"
                                                : "kernel_w"),
                    "", layer_name(l.param) + ": global_pooling takes its kernel from the input, expected none here");
            r->kernel_h = r->kernel_w = 1;
        } else {
            pair(l, node, "kernel_size", kernel, p.has_kernel_h(), p.kernel_h(), p.has_kernel_w(), p.kernel_w(), 1, -1,
                 &r->kernel_h, &r->kernel_w);
        }
        pair(l, node, "stride", stride, p.has_stride_h(), p.stride_h(), p.has_stride_w(), p.stride_w(), 1, 1,
             &r->stride_h, &r->stride_w);
        pair(l, node, "pad", pad, p.has_pad_h(), p.pad_h(), p.has_pad_w(), p.pad_w(), 0, 0, &r->pad_h, &r->pad_w);
        if (r->global && (r->pad_h != 0 || r->pad_w != 0 || r->stride_h != 1 || r->stride_w != 1))
            bad(node.loc(), "", layer_name(l.param) + ": global_pooling needs pad 0 and stride 1");
        else if (r->pad_h >= r->kernel_h || r->pad_w >= r->kernel_w)
            bad(node.at(p.has_pad()               ? "pad"
                        : r->pad_h >= r->kernel_h ? "pad_h"
                                                  : "pad_w"),
                "", layer_name(l.param) + ": the padding is not smaller than the kernel");
    }

    void softmax(const FileLayer &l)
    {
        axis_is_channels(l.param.softmax_param().axis(), l, l.node.in("softmax_param"));
    }

    void softmax_loss(const FileLayer &l, rs_layer *out)
    {
        softmax(l);
        const caffe::LossParameter &p = l.param.loss_param();
        out->criterion.ignores = p.has_ignore_label();
        out->criterion.ignored = p.ignore_label();
        switch (p.normalization()) {
        case caffe::LossParameter::FULL:
            out->criterion.normalization = RS_NORM_FULL;
            break;
        case caffe::LossParameter::VALID:
            out->criterion.normalization = RS_NORM_VALID;
            break;
        case caffe::LossParameter::BATCH_SIZE:
            out->criterion.normalization = RS_NORM_BATCH_SIZE;
            break;
        case caffe::LossParameter::NONE:
            out->criterion.normalization = RS_NORM_NONE;
            break;
        }
        // The older field, which the newer one overrides.
        if (!p.has_normalization() && p.has_normalize() && !p.normalize())
            out->criterion.normalization = RS_NORM_BATCH_SIZE;
    }

    // The loss is divided by the images of the batch, whatever normalization says; Caffe ignores the field here.
    void euclidean_loss(const FileLayer &l)
    {
        const caffe::LossParameter &p = l.param.loss_param();
        const char *field = p.has_ignore_label()    ? "ignore_label"
                            : p.has_normalization() ? "normalization"
                                                    : "normalize";
        if (p.has_ignore_label() || p.has_normalization() || p.has_normalize())
            bad(l.node.in("loss_param").at(field), "",
                layer_name(l.param) + " (" + l.param.type() + "): " + field + " has no effect on this loss");
    }

    // A filler, or a constant if the file gives none.
    rs_filler filler_or(const caffe::FillerParameter &from, bool given, float otherwise, const FileLayer &l,
                        const Node &node)
    {
        if (given)
            return filler(from, l, node);
        rs_filler constant {};
        constant.type = RS_FILL_CONSTANT;
        constant.value = otherwise;
        return constant;
    }

    void prelu(const FileLayer &l, rs_layer *out)
    {
        const caffe::PReLUParameter &p = l.param.prelu_param();
        out->prelu.shared = p.channel_shared();
        out->prelu.filler = filler_or(p.filler(), p.has_filler(), 0.25F, l, l.node.in("prelu_param").in("filler"));
        out->n_params = 1;
    }

    void batch_norm(const FileLayer &l, rs_layer *out)
    {
        const caffe::BatchNormParameter &p = l.param.batch_norm_param();
        const Node node = l.node.in("batch_norm_param");
        rs_batch_norm_param *r = &out->batch_norm;
        r->global_stats = p.has_use_global_stats() ? p.use_global_stats() : phase_ == RS_TEST;
        r->fraction = finite(p.moving_average_fraction(), l.node, "batch_norm_param", "moving_average_fraction");
        r->eps = finite(p.eps(), l.node, "batch_norm_param", "eps");
        if (r->eps < 0)
            bad(node.at("eps"), "", layer_name(l.param) + ": eps is negative");
        out->n_params = 3;
        // Not learnt from gradients: the layer keeps them itself.
        for (int i = 0; i < l.param.param_size() && i < 3; i++)
            if (l.param.param(i).has_lr_mult() && l.param.param(i).lr_mult() != 0)
                bad(l.node.in("param", i).at("lr_mult"), "",
                    layer_name(l.param) +
                        " (BatchNorm) does not learn its statistics by gradient, expected lr_mult: 0");
        for (int i = 0; i < 3; i++)
            out->params[i].lr_mult = out->params[i].decay_mult = 0;
    }

    // Whether a layer of one bottom multiplies (or adds) values of its own along axes of the input.
    void own_axes(int64_t axis, int64_t num_axes, const FileLayer &l, const Node &node, rs_scale_param *r)
    {
        r->axis = axis;
        not_batch(axis, l, node, "axis");
        r->num_axes = within(num_axes, -1, RS_MAX_AXES, l, node, "num_axes");
        if (l.param.bottom_size() > 1)
            bad(l.node.at("bottom", 1), "",
                layer_name(l.param) + " (" + l.param.type() + "): a second bottom is not supported, expected one");
    }

    void scale(const FileLayer &l, rs_layer *out)
    {
        const caffe::ScaleParameter &p = l.param.scale_param();
        const Node node = l.node.in("scale_param");
        own_axes(p.axis(), p.num_axes(), l, node, &out->scale);
        out->scale.bias = p.bias_term();
        out->scale.filler = filler_or(p.filler(), p.has_filler(), 1, l, node.in("filler"));
        out->scale.bias_filler = filler_or(p.bias_filler(), p.has_bias_filler(), 0, l, node.in("bias_filler"));
        out->n_params = p.bias_term() ? 2 : 1;
    }

    void bias(const FileLayer &l, rs_layer *out)
    {
        const caffe::BiasParameter &p = l.param.bias_param();
        const Node node = l.node.in("bias_param");
        own_axes(p.axis(), p.num_axes(), l, node, &out->scale);
        out->scale.filler = filler_or(p.filler(), p.has_filler(), 0, l, node.in("filler"));
        out->n_params = 1;
    }

    void clip(const FileLayer &l, rs_layer *out)
    {
        const caffe::ClipParameter &p = l.param.clip_param();
        const Node node = l.node.in("clip_param");
        if (!p.has_min() || !p.has_max())
            bad(node.loc(), "", layer_name(l.param) + " has no " + (p.has_min() ? "max" : "min"));
        out->clip[0] = finite(p.min(), l.node, "clip_param", "min");
        out->clip[1] = finite(p.max(), l.node, "clip_param", "max");
        if (p.has_min() && p.has_max() && out->clip[0] > out->clip[1])
            bad(node.at("min"), "", layer_name(l.param) + ": min is greater than max");
    }

    void quantize_linear(const FileLayer &l, rs_layer *out)
    {
        const caffe::QuantizeLinearParameter &p = l.param.quantize_linear_param();
        const Node node = l.node.in("quantize_linear_param");
        constexpr int32_t limit = 65535; // two bytes, signed or not
        rs_quantize_linear_param *q = &out->quantize_linear;
        *q = rs_quantize_linear_param { p.scale(), p.zero_point(), p.min(), p.max() };
        if (!(p.scale() > 0) || !std::isfinite(p.scale()))
            bad(p.has_scale() ? node.at("scale") : node.loc(), "", layer_name(l.param) + ": expected a positive scale");
        if (p.min() < -limit || p.max() > limit || p.min() > p.max() || p.zero_point() < p.min() ||
            p.zero_point() > p.max())
            bad(node.loc(), "", layer_name(l.param) + ": expected min <= zero_point <= max, of at most two bytes");
    }

    void lrn(const FileLayer &l, rs_layer *out)
    {
        const caffe::LRNParameter &p = l.param.lrn_param();
        const Node node = l.node.in("lrn_param");
        rs_lrn_param *r = &out->lrn;
        r->across = p.norm_region() == caffe::LRNParameter::ACROSS_CHANNELS;
        r->size = within(p.local_size(), 1, max_size - 1, l, node, "local_size");
        if (r->size % 2 == 0)
            bad(node.at("local_size"), "",
                layer_name(l.param) + ": local_size is " + std::to_string(r->size) + ", expected an odd number");
        r->alpha = finite(p.alpha(), l.node, "lrn_param", "alpha");
        r->beta = finite(p.beta(), l.node, "lrn_param", "beta");
        r->k = finite(p.k(), l.node, "lrn_param", "k");
        if (!r->across && r->k != 1)
            bad(node.at("k"), "", layer_name(l.param) + ": k has no effect within a channel, expected 1");
    }

    void concat(const FileLayer &l, rs_layer *out)
    {
        const caffe::ConcatParameter &p = l.param.concat_param();
        const Node node = l.node.in("concat_param");
        if (p.has_axis() && p.has_concat_dim())
            bad(node.at("concat_dim"), "", layer_name(l.param) + ": both axis and concat_dim are given, expected axis");
        out->concat.axis = p.has_concat_dim() ? static_cast<int64_t>(p.concat_dim()) : p.axis();
        not_batch(out->concat.axis, l, node, p.has_concat_dim() ? "concat_dim" : "axis");
    }

    void slice(const FileLayer &l, rs_layer *out)
    {
        const caffe::SliceParameter &p = l.param.slice_param();
        const Node node = l.node.in("slice_param");
        rs_slice_param *r = &out->slice;
        if (p.has_axis() && p.has_slice_dim())
            bad(node.at("slice_dim"), "", layer_name(l.param) + ": both axis and slice_dim are given, expected axis");
        r->axis = p.has_slice_dim() ? static_cast<int64_t>(p.slice_dim()) : p.axis();
        not_batch(r->axis, l, node, p.has_slice_dim() ? "slice_dim" : "axis");
        r->points = new_array<int64_t>(static_cast<std::size_t>(p.slice_point_size()) + 1);
        for (int i = 0; i < p.slice_point_size(); i++)
            r->points[r->n_points++] = within(p.slice_point(i), 1, max_size, l, node, "slice_point", i);
    }

    // Axes that would mix the images of a batch: they are computed apart from each other.
    void not_batch(int64_t axis, const FileLayer &l, const Node &node, const char *field)
    {
        if (axis == 0)
            bad(node.at(field), "", layer_name(l.param) + ": " + field + " 0, the batch, is not supported");
    }

    void eltwise(const FileLayer &l, rs_layer *out)
    {
        const caffe::EltwiseParameter &p = l.param.eltwise_param();
        const Node node = l.node.in("eltwise_param");
        rs_eltwise_param *r = &out->eltwise;
        r->method = p.operation() == caffe::EltwiseParameter::PROD  ? RS_ELTWISE_PRODUCT
                    : p.operation() == caffe::EltwiseParameter::MAX ? RS_ELTWISE_MAX
                                                                    : RS_ELTWISE_SUM;
        if (p.coeff_size() == 0)
            return;
        if (r->method != RS_ELTWISE_SUM)
            bad(node.at("coeff"), "", layer_name(l.param) + ": only a SUM takes coeff");
        else if (p.coeff_size() != l.param.bottom_size())
            bad(node.at("coeff"), "",
                layer_name(l.param) + ": " + std::to_string(p.coeff_size()) + " values of coeff for " +
                    std::to_string(l.param.bottom_size()) + " bottoms, expected one each");
        r->coefficients = new_array<float>(static_cast<std::size_t>(p.coeff_size()));
        for (int i = 0; i < p.coeff_size(); i++) {
            r->coefficients[i] = p.coeff(i);
            if (!std::isfinite(p.coeff(i)))
                bad(node.at("coeff", i), "", layer_name(l.param) + ": coeff is not a finite number");
        }
    }

    void flatten(const FileLayer &l, rs_layer *out)
    {
        const caffe::FlattenParameter &p = l.param.flatten_param();
        const Node node = l.node.in("flatten_param");
        out->flatten.axis = p.axis();
        out->flatten.end_axis = p.end_axis();
        not_batch(p.axis(), l, node, "axis");
        not_batch(p.end_axis(), l, node, "end_axis");
    }

    void reshape(const FileLayer &l, rs_layer *out)
    {
        const caffe::ReshapeParameter &p = l.param.reshape_param();
        const Node node = l.node.in("reshape_param"), shape = node.in("shape");
        rs_reshape_param *r = &out->reshape;
        r->axis = p.axis();
        r->num_axes = within(p.num_axes(), -1, RS_MAX_AXES, l, node, "num_axes");
        if (p.shape().dim_size() > RS_MAX_AXES) {
            bad(shape.loc(), "",
                layer_name(l.param) + ": a shape of " + std::to_string(p.shape().dim_size()) +
                    " axes, expected at most " + std::to_string(RS_MAX_AXES));
            return;
        }
        bool free = false;
        for (int i = 0; i < p.shape().dim_size(); i++) {
            const int64_t d = within(p.shape().dim(i), -1, max_size, l, shape, "dim", i);
            if (d == -1 && free)
                bad(shape.at("dim", i), "", layer_name(l.param) + ": a second dim of -1, expected one at most");
            free = free || d == -1;
            r->shape.dim[r->shape.n_axes++] = d;
        }
    }

    void accuracy(const FileLayer &l, rs_layer *out)
    {
        const caffe::AccuracyParameter &p = l.param.accuracy_param();
        const Node node = l.node.in("accuracy_param");
        out->criterion.top_k = static_cast<int>(within(p.top_k(), 1, max_size, l, node, "top_k"));
        axis_is_channels(p.axis(), l, node);
        out->criterion.ignores = p.has_ignore_label();
        out->criterion.ignored = p.ignore_label();
    }

    void dropout(const FileLayer &l, rs_layer *out)
    {
        const float ratio = l.param.dropout_param().dropout_ratio();
        out->dropout_ratio = ratio;
        if (!(ratio >= 0 && ratio < 1)) {
            bad(l.node.in("dropout_param").at("dropout_ratio"), "",
                layer_name(l.param) + ": dropout_ratio is " + std::to_string(ratio) +
                    ", expected at least 0 and less than 1");
            out->dropout_ratio = 0;
        }
    }

    void input(const LayerType &type, const FileLayer &l, rs_layer *out)
    {
        const caffe::LayerParameter &p = l.param;
        rs_data_param *d = &out->data;
        d->scale = 1;
        if (p.bottom_size() > 0)
            bad(l.node.at("bottom"), "", layer_name(p) + " (" + p.type() + ") takes no bottom");
        if (!type.data) {
            const caffe::InputParameter &in = p.input_param();
            const Node node = l.node.in("input_param");
            if (in.shape_size() > 1 && in.shape_size() != p.top_size())
                bad(node.at("shape"), "",
                    layer_name(p) + ": " + std::to_string(in.shape_size()) + " shapes for " +
                        std::to_string(p.top_size()) + " tops, expected one, or one each");
            else if (in.shape_size() > 0)
                for (int i = 0; i < out->n_tops; i++) {
                    const int s = in.shape_size() > 1 ? i : 0;
                    read_shape(in.shape(s), node.in("shape", s), &net_->blobs[out->tops[i]].shape);
                }
            return;
        }

        if (p.top_size() > 2)
            bad(l.node.at("top", 2), "",
                layer_name(p) + " has " + std::to_string(p.top_size()) + " tops, expected images and labels");
        if (p.type() == "Data") {
            const Node node = l.node.in("data_param");
            d->source = copy_text(p.data_param().source());
            batch_size(p.data_param(), l, node, d);
            if (p.data_param().rand_skip() != 0)
                bad(node.at("rand_skip"), "", layer_name(p) + ": rand_skip is not supported");
        } else if (p.type() == "ImageData") {
            const caffe::ImageDataParameter &images = p.image_data_param();
            const Node node = l.node.in("image_data_param");
            d->source = copy_text(images.source());
            d->list = true;
            d->root_folder = images.root_folder().empty() ? nullptr : copy_text(images.root_folder());
            d->shuffle = images.shuffle();
            d->color = images.is_color() ? RS_COLOR_BGR : RS_COLOR_GRAY;
            d->new_height = within(images.new_height(), 0, max_size, l, node, "new_height");
            d->new_width = within(images.new_width(), 0, max_size, l, node, "new_width");
            if ((d->new_height > 0) != (d->new_width > 0))
                bad(node.at(d->new_height > 0 ? "new_height" : "new_width"), "",
                    layer_name(p) + ": new_height and new_width are given both or not at all");
            if (images.rand_skip() != 0)
                bad(node.at("rand_skip"), "", layer_name(p) + ": rand_skip is not supported");
            d->batch_size = within(p.image_data_param().batch_size(), 1, max_size, l, l.node.in("image_data_param"),
                                   "batch_size");
        } else {
            const caffe::MemoryDataParameter &m = p.memory_data_param();
            const Node node = l.node.in("memory_data_param");
            batch_size(m, l, node, d);
            rs_shape shape = { 4,
                               { d->batch_size, within(m.channels(), 1, max_size, l, node, "channels"),
                                 within(m.height(), 1, max_size, l, node, "height"),
                                 within(m.width(), 1, max_size, l, node, "width") } };
            if (out->n_tops > 0)
                net_->blobs[out->tops[0]].shape = shape;
        }
        transform(l, d);
    }

    template <class Param> void batch_size(const Param &param, const FileLayer &l, const Node &node, rs_data_param *d)
    {
        d->batch_size = 1;
        if (!param.has_batch_size())
            bad(node.loc(), "", layer_name(l.param) + " has no batch_size");
        else
            d->batch_size = within(param.batch_size(), 1, max_size, l, node, "batch_size");
    }

    void transform(const FileLayer &l, rs_data_param *d)
    {
        const caffe::TransformationParameter &t = l.param.transform_param();
        // Older files have these fields in the data layer's own block.
        const Node block = l.param.type() == "ImageData" ? l.node.in("image_data_param") : l.node.in("data_param");
        const Node node = l.node.in("transform_param").has_place() && has_transform(l) ? l.node.in("transform_param")
                                                                                       : block;
        d->scale = t.scale();
        if (!std::isfinite(t.scale()))
            bad(node.at("scale"), "", layer_name(l.param) + ": scale is not a finite number");
        d->crop_size = within(t.crop_size(), 0, max_size, l, node, "crop_size");
        d->mirror = t.mirror();
        if (t.has_mean_file())
            d->mean_file = copy_text(t.mean_file());
        if (t.has_mean_file() && t.mean_value_size() > 0)
            bad(node.at("mean_value"), "",
                layer_name(l.param) + " has both mean_file and mean_value, expected one of them");
        if (t.force_color() && t.force_gray())
            bad(node.at("force_gray"), "",
                layer_name(l.param) + " has both force_color and force_gray, expected one of them");
        if (t.force_color() || t.force_gray())
            d->color = t.force_color() ? RS_COLOR_BGR : RS_COLOR_GRAY;
        constexpr int most = static_cast<int>(sizeof d->mean / sizeof d->mean[0]);
        if (t.mean_value_size() > most) {
            bad(node.at("mean_value", most), "",
                layer_name(l.param) + ": " + std::to_string(t.mean_value_size()) +
                    " values of mean_value, expected at most " + std::to_string(most));
            return;
        }
        for (int i = 0; i < t.mean_value_size(); i++) {
            if (!std::isfinite(t.mean_value(i)))
                bad(node.at("mean_value", i), "", layer_name(l.param) + ": mean_value is not a finite number");
            d->mean[d->n_mean++] = t.mean_value(i);
        }
    }

    // Whether the file itself has transform_param (not only the upgraded layer).
    static bool has_transform(const FileLayer &l)
    {
        const rs_loc a = l.node.at("transform_param"), b = l.node.loc();
        return a.line != b.line || a.column != b.column;
    }

    const Text &text_;
    const rs_phase phase_;
    const rs_net_state &state_;
    Report *report_;
    bool said_what_is_supported_ = false;
    rs_net *net_ = nullptr;
    std::map<std::string, Produced> produced_;
    std::map<std::string, int> names_;    // layer -> line
    std::map<std::string, Owner> owners_; // of named parameters
};

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_read_net(const char *path, rs_phase phase, rs_net **net, rs_diag *diag)
{
    const rs_net_state state = { phase, 0, 0, nullptr };
    return rs_caffe_read_net_for(path, &state, net, diag);
}

extern "C" rs_status rs_caffe_read_net_for(const char *path, const rs_net_state *state, rs_net **net, rs_diag *diag)
{
    *net = nullptr;
    try {
        ristretto::Text text;
        ristretto::caffe::NetParameter file;
        ristretto::Report report(diag);
        const rs_status st = ristretto::read_text(path, &file, &text, &report);
        if (st != RS_OK && !text.complete)
            return report.has_errors() ? report.finish() : st;
        ristretto::NetReader reader(text, *state, &report);
        reader.read(file, net);
        return report.finish();
    } catch (const std::bad_alloc &) {
        rs_net_free(*net);
        *net = nullptr;
        return rs_out_of_memory(diag);
    }
}
