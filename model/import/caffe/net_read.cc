// Prototxt -> rs_net.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/memory.h"
#include "import/caffe/caffe.h"
#include "import/caffe/quantization.h"
#include "import/caffe/upgrade.h"
#include "import/layers/rule.h"
#include "net/rule.h"

namespace ristretto
{
namespace
{

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

        inputs(file, layers);
        for (std::size_t i = 0; i < layers.size(); i++)
            layer(layers, i);
        read_net_quantization(file, Node::root(text_, file), report_, net_);
    }

    rs_loc keep(rs_loc loc) const
    {
        return rs_loc { net_->path, loc.line, loc.column };
    }

    void rename(int blob, const std::string &name)
    {
        char *copy = copy_text(name);
        rs_free(net_->blobs[blob].name);
        net_->blobs[blob].name = copy;
    }

    int new_blob(const std::string &name, int producer)
    {
        rs_blob *blob = &net_->blobs[net_->n_blobs];
        blob->name = copy_text(name);
        produced_[name] = Produced { net_->n_blobs, producer, {} };
        return net_->n_blobs++;
    }

    // Whether a layer gives a blob that it does not read, so that an input of this name without a shape is none: Caffe
    // drops such inputs.
    static bool is_given(const std::vector<FileLayer> &layers, const std::string &name)
    {
        for (const FileLayer &l : layers) {
            const auto &tops = l.param.top(), &bottoms = l.param.bottom();
            if (std::find(tops.begin(), tops.end(), name) != tops.end())
                return std::find(bottoms.begin(), bottoms.end(), name) == bottoms.end();
        }
        return false;
    }

    // The net-level fields input, input_dim and input_shape become an Input layer, as in Caffe.
    void inputs(const caffe::NetParameter &file, const std::vector<FileLayer> &layers)
    {
        const Node root = Node::root(text_, file);
        const bool shapeless = file.input_dim_size() == 0 && file.input_shape_size() == 0;
        if (shapeless && std::all_of(file.input().begin(), file.input().end(),
                                     [&](const std::string &name) { return is_given(layers, name); }))
            return;
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
            if (shapeless && is_given(layers, file.input(i)))
                continue;
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
                    read_shape(file.input_shape(s), root.in("input_shape", s), report_, shape);
            }
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
        if (p.type() == "Silence") // it keeps Caffe from printing a blob
            return;
        rs_layer_type layer_type = RS_LAYER_RELU;
        const CaffeType *type = find_caffe_type(p.type(), &layer_type);

        if (p.bottom_size() > 1 && (layer_type == RS_LAYER_SCALE || layer_type == RS_LAYER_BIAS))
            layer_type = layer_type == RS_LAYER_SCALE ? RS_LAYER_SCALE_BY : RS_LAYER_BIAS_BY;

        rs_layer *out = &net_->layers[net_->n_layers++];
        out->type = layer_type;
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
            if (refused_types_.insert(p.type()).second)
                refuse_type(layers, index);
            usable = false;
        }
        // An input's fields say more about its tops, which have to be known first.
        const bool late = layer_type == RS_LAYER_INPUT;
        if (usable) {
            LayerReader(l, *type, net_, report_).common(out);
            shared_params(l, out);
        }
        if (usable && !late)
            fields(l, *type, out);
        bottoms(layers, index, out);
        tops(l, type != nullptr, out);
        if (usable && late)
            fields(l, *type, out);
    }

    // Says once of all layers of a type that it is not supported.
    void refuse_type(const std::vector<FileLayer> &layers, std::size_t index)
    {
        const caffe::LayerParameter &p = layers[index].param;
        const auto same = [&](const FileLayer &l) { return l.param.type() == p.type(); };
        const auto n = std::count_if(layers.begin(), layers.end(), same);
        bool known = false;
        std::string hint = unsupported_type_hint(p.type(), &known);
        if (known && said_what_is_supported_)
            hint.clear();
        said_what_is_supported_ = said_what_is_supported_ || known;
        std::string what = layer_name(p) + (known ? " is of type " + quoted(p.type()) + ", which is not supported"
                                                  : ": unknown layer type " + quoted(p.type()));
        if (n > 1)
            what += ", and so are " + std::to_string(n - 1) + " more" + (known ? "" : " of this type");
        bad(layers[index].node.at("type"), hint, what);
    }

    void fields(const FileLayer &l, const CaffeType &type, rs_layer *out)
    {
        LayerReader reader(l, type, net_, report_);
        const auto read = layer_formats(out->type).caffe_read;
        if (read != nullptr)
            read(reader, out);
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

    void tops(const FileLayer &l, bool known, rs_layer *out)
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
            if (known && !rs_layer_rule_of(out->type)->in_place)
                bad(l.node.at("top", i), "give the top a name of its own",
                    layer_name(p) + " (" + p.type() + ") cannot work in place");
            if (it->second.readers.size() > 1) { // others read it as it was: Caffe gives each of them a copy
                rename(it->second.blob, name + "/before " + p.name());
                out->tops[out->n_tops++] = new_blob(name, self);
                continue;
            }
            it->second.layer = self;
            it->second.readers.clear();
            out->tops[out->n_tops++] = it->second.blob;
        }
        // Caffe gives a loss its top if the file does not.
        if (known && rs_layer_rule_of(out->type)->loss && p.top_size() == 0 && produced_.count(p.name()) == 0)
            out->tops[out->n_tops++] = new_blob(p.name(), self);
        if (out->n_tops == 0 && p.top_size() == 0)
            bad(l.node.loc(), "", layer_name(p) + " has no top");
    }

    // ---- shared parameters

    // Parameters of one name are one array, which the first of them owns; their learning rates must agree, as in Caffe.
    void shared_params(const FileLayer &l, rs_layer *out)
    {
        const int max_params = rs_layer_rule_of(out->type)->max_params;
        for (int i = 0; i < l.param.param_size() && i < max_params; i++) {
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

    const Text &text_;
    const rs_phase phase_;
    const rs_net_state &state_;
    Report *report_;
    bool said_what_is_supported_ = false;
    std::set<std::string> refused_types_;
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
    const rs_status status = ristretto::guarded(diag, [&] {
        ristretto::Text text;
        ristretto::caffe::NetParameter file;
        ristretto::Report report(diag);
        const rs_status st = ristretto::read_text(path, &file, &text, &report);
        if (st != RS_OK && !text.complete)
            return report.has_errors() ? report.finish() : st;
        ristretto::NetReader reader(text, *state, &report);
        reader.read(file, net);
        return report.finish();
    });
    if (status != RS_OK) {
        rs_net_free(*net);
        *net = nullptr;
    }
    return status;
}
