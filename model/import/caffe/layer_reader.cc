// Fields of layers: values and ranges, and what all types have.
#include "import/caffe/layer_reader.h"

#include <google/protobuf/descriptor.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "import/caffe/quantization.h"
#include "net/rule.h"

namespace ristretto
{

std::string LayerReader::name() const
{
    return "layer " + quoted(layer_.param.name());
}

void LayerReader::bad(rs_loc loc, const std::string &hint, const std::string &what)
{
    report_->error(loc, hint, what);
}

// ---- fields that all layers have

// How much a loss counts; other layers have no weight.
void LayerReader::loss_weight(rs_layer *out)
{
    const caffe::LayerParameter &p = param();
    const Node &node = this->node();
    const bool loss = rs_layer_rule_of(out->type)->loss;
    out->loss_weight = loss ? 1 : 0;
    if (p.loss_weight_size() > 1)
        bad(node.at("loss_weight", 1), "",
            name() + " has " + std::to_string(p.loss_weight_size()) + " loss weights, expected one");
    else if (p.loss_weight_size() == 1 && !std::isfinite(p.loss_weight(0)))
        bad(node.at("loss_weight"), "", name() + ": the loss weight is not a finite number");
    else if (p.loss_weight_size() == 1 && !loss && p.loss_weight(0) != 0)
        bad(node.at("loss_weight"), "", name() + " (" + p.type() + ") is no loss, expected loss_weight 0");
    else if (p.loss_weight_size() == 1)
        out->loss_weight = p.loss_weight(0);
}

// Learning rates and weight decay of the parameters.
void LayerReader::param_specs(rs_layer *out)
{
    const caffe::LayerParameter &p = param();
    const Node &node = this->node();
    for (int i = 0; i < RS_MAX_PARAMS; i++)
        out->params[i].lr_mult = out->params[i].decay_mult = 1;
    const int max_params = rs_layer_rule_of(out->type)->max_params;
    if (p.param_size() > max_params)
        bad(node.at("param", max_params), "",
            name() + " (" + p.type() + ") has " + std::to_string(p.param_size()) + " param fields, expected " +
                (max_params == 0 ? "none: it learns nothing" : "at most " + std::to_string(max_params)));
    for (int i = 0; i < p.param_size() && i < max_params; i++) {
        const Node spec = node.in("param", i);
        out->params[i].lr_mult = p.param(i).lr_mult();
        out->params[i].decay_mult = p.param(i).decay_mult();
        if (!(p.param(i).lr_mult() >= 0 && std::isfinite(p.param(i).lr_mult())))
            bad(spec.at("lr_mult"), "", name() + ": lr_mult must be a number of at least 0");
        if (!std::isfinite(p.param(i).decay_mult()))
            bad(spec.at("decay_mult"), "", name() + ": decay_mult must be a finite number");
    }
}

// Blocks that belong to other types would be ignored without a word.
void LayerReader::unread_blocks()
{
    const caffe::LayerParameter &p = param();
    const Node &node = this->node();
    const google::protobuf::Reflection *reflection = p.GetReflection();
    std::vector<const FieldDescriptor *> fields;
    reflection->ListFields(p, &fields);
    for (const FieldDescriptor *f : fields) {
        if (f->number() < 100)
            continue;
        bool read = f->name() == "quantization_param";
        for (const char *name : type_.params)
            read = read || f->name() == name;
        if (!read)
            report_->warning(node.at(f->name().c_str()), "",
                             name() + ": " + f->name() + " has no effect on a layer of type " + quoted(p.type()));
    }
}

void LayerReader::common(rs_layer *out)
{
    const caffe::LayerParameter &p = param();
    const Node &node = this->node();

    if (p.has_phase() && (p.phase() == caffe::TRAIN) != (phase() == RS_TRAIN) && p.include_size() == 0 &&
        p.exclude_size() == 0)
        report_->warning(node.at("phase"), "include { phase: ... } chooses the phases that a layer is in",
                         name() + ": the field 'phase' of a layer has no effect");
    for (int i = 0; i < p.propagate_down_size(); i++)
        if (!p.propagate_down(i))
            bad(node.at("propagate_down", i), "to keep a layer's weights as they are, give its param lr_mult: 0",
                name() + ": propagate_down: false is not supported");
    if (p.blobs_size() > 0)
        bad(node.at("blobs"), "weights belong in a caffemodel", name() + ": blobs in a prototxt are not read");

    loss_weight(out);
    param_specs(out);
    unread_blocks();
    read_quantization(*this, out);
}

// ---- values and ranges

int64_t LayerReader::within(int64_t value, int64_t min, int64_t max, const Node &node, const char *field, int index)
{
    if (value >= min && value <= max)
        return value;
    const std::string range = max == max_size ? "at least " + std::to_string(min)
                                              : std::to_string(min) + " to " + std::to_string(max);
    bad(node.at(field, index), "",
        name() + ": " + field + " is " + std::to_string(value) + ", expected " +
            (value > max && max == max_size ? "at most " + std::to_string(max) : range));
    return min;
}

float LayerReader::finite(float value, const char *block, const char *field)
{
    if (std::isfinite(value))
        return value;
    bad(node().in(block).at(field), "", std::string(field) + " is not a finite number");
    return 0;
}

void LayerReader::pair(const Node &node, const Pair &given, int64_t min, int64_t otherwise, int64_t *out_h,
                       int64_t *out_w)
{
    const std::string base = std::strcmp(given.field, "kernel_size") == 0 ? "kernel" : given.field;
    *out_h = *out_w = otherwise < 0 ? INT32_MAX : otherwise; // if wrong: what causes no errors further on
    if (given.has_h || given.has_w) {
        if (given.values.size() > 0)
            bad(node.at(given.field), "",
                name() + ": both " + given.field + " and " + base + "_h or " + base + "_w are given");
        else if (min > 0 && !(given.has_h && given.has_w))
            bad(node.at((base + (given.has_h ? "_h" : "_w")).c_str()), "",
                name() + ": only one of " + base + "_h and " + base + "_w is given, expected both");
        else {
            *out_h = within(given.h, min, max_size, node, (base + "_h").c_str());
            *out_w = within(given.w, min, max_size, node, (base + "_w").c_str());
        }
    } else if (given.values.size() > 2) {
        bad(node.at(given.field, 2), "",
            name() + ": " + std::to_string(given.values.size()) + " values of " + std::string(given.field) +
                ", expected one or two (only images are supported)");
    } else if (given.values.size() > 0) {
        *out_h = within(given.values.Get(0), min, max_size, node, given.field, 0);
        *out_w = given.values.size() > 1 ? within(given.values.Get(1), min, max_size, node, given.field, 1) : *out_h;
    } else if (otherwise < 0) {
        bad(node.loc(), "", name() + " has no " + given.field);
    }
}

rs_filler LayerReader::filler(const caffe::FillerParameter &from, const Node &node)
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
        bad(node.at("type"), hint.empty() ? "supported are constant, uniform, gaussian, xavier, msra, bilinear" : hint,
            name() + (known ? ": filler " + quoted(from.type()) + " is not supported"
                            : ": unknown filler " + quoted(from.type())));
    }
    if (from.has_sparse() && from.sparse() != -1)
        bad(node.at("sparse"), "", name() + ": sparse fillers are not supported");
    const std::pair<const char *, float> values[] = { { "value", from.value() },
                                                      { "min", from.min() },
                                                      { "max", from.max() },
                                                      { "mean", from.mean() },
                                                      { "std", from.std() } };
    for (const auto &v : values)
        if (!std::isfinite(v.second))
            bad(node.at(v.first), "", name() + ": the filler's " + v.first + " is not a finite number");
    if (from.min() > from.max())
        bad(node.at("min"), "", name() + ": the filler's min is greater than its max");
    if (from.std() < 0)
        bad(node.at("std"), "", name() + ": the filler's std is negative");
    if (out.type == RS_FILL_BILINEAR && param().type().compare(0, 13, "Deconvolution") != 0)
        bad(node.at("type"), "", name() + ": filler 'bilinear' is for the weights of a Deconvolution");
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

rs_filler LayerReader::filler_or(const caffe::FillerParameter &from, bool given, float otherwise, const Node &node)
{
    if (given)
        return filler(from, node);
    rs_filler constant {};
    constant.type = RS_FILL_CONSTANT;
    constant.value = otherwise;
    return constant;
}

void LayerReader::axis_is_channels(int64_t axis, const Node &node)
{
    if (axis != 1)
        bad(node.at("axis"), "supported is 1, the channels",
            name() + ": axis " + std::to_string(axis) + " is not supported");
}

void LayerReader::not_batch(int64_t axis, const Node &node, const char *field)
{
    if (axis == 0)
        bad(node.at(field), "", name() + ": " + field + " 0, the batch, is not supported");
}

void LayerReader::shape(const caffe::BlobShape &from, const Node &node, rs_shape *shape)
{
    read_shape(from, node, report_, shape);
}

void read_shape(const caffe::BlobShape &from, const Node &node, Report *report, rs_shape *shape)
{
    shape->n_axes = 0;
    if (from.dim_size() > RS_MAX_AXES) {
        report->error(node.loc(), "",
                      "a shape of " + std::to_string(from.dim_size()) + " axes, expected at most " +
                          std::to_string(RS_MAX_AXES));
        return;
    }
    if (from.dim_size() == 0)
        report->error(node.loc(), "", "a shape without dimensions");
    for (int i = 0; i < from.dim_size(); i++) {
        if (from.dim(i) < 1 || from.dim(i) > max_size)
            report->error(node.at("dim", i), "",
                          "dimension " + std::to_string(from.dim(i)) + ", expected 1 to " + std::to_string(max_size));
        shape->dim[shape->n_axes++] = from.dim(i);
    }
}

} // namespace ristretto
