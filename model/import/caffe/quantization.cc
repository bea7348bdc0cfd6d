// Ristretto's fields in prototxt, between the message and the net.
#include "import/caffe/quantization.h"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/words.h"
#include "fxp/minifloat.h"

namespace ristretto
{

namespace
{

constexpr int first_own_field = 100; // of QuantizationParameter
constexpr int max_format_bits = 24;  // what binary32 holds; wider words stay in float
constexpr std::size_t line_columns = 100;

// A width: 0 where the file does not give it, or it is as good as float.
int width(LayerReader &r, const Node &node, bool given, uint32_t value, const char *field)
{
    if (!given)
        return 0;
    const int bits = static_cast<int>(r.within(value, 1, 32, node, field));
    return bits > max_format_bits ? 0 : bits;
}

int fractional_length(LayerReader &r, const Node &node, int32_t value, const char *field, int index = -1)
{
    return static_cast<int>(r.within(value, RS_FL_MIN, RS_FL_MAX, node, field, index));
}

void format_name(LayerReader &r, const Node &node, const std::string &text, const char *field,
                 char (&name)[RS_MINIFLOAT_NAME])
{
    rs_minifloat format;
    name[0] = '\0';
    if (text.empty())
        return;
    if (text.size() >= sizeof name || !rs_minifloat_parse(text.c_str(), &format))
        r.bad(node.at(field), "a name such as e4m3 or binary16, or EXPONENT:MANTISSA such as 5:2",
              r.name() + ": " + field + " is " + quoted(text) + ", which is no minifloat format");
    else
        std::snprintf(name, sizeof name, "%s", text.c_str());
}

void read_minifloat(LayerReader &r, const caffe::QuantizationParameter &q, const Node &node, rs_quantization_param *o)
{
    o->mant_bits = static_cast<int>(r.within(q.mant_bits(), 0, 23, node, "mant_bits"));
    o->exp_bits = static_cast<int>(r.within(q.exp_bits(), 1, 8, node, "exp_bits"));
    format_name(r, node, q.minifloat_layer_in(), "minifloat_layer_in", o->minifloat_layer_in);
    format_name(r, node, q.minifloat_layer_out(), "minifloat_layer_out", o->minifloat_layer_out);
    format_name(r, node, q.minifloat_params(), "minifloat_params", o->minifloat_params);
}

void read_power2(LayerReader &r, const caffe::QuantizationParameter &q, const Node &node, rs_quantization_param *o)
{
    o->exp_min = static_cast<int>(r.within(q.exp_min(), -64, 64, node, "exp_min"));
    o->exp_max = static_cast<int>(r.within(q.exp_max(), q.exp_min(), 64, node, "exp_max"));
    o->zero_params = q.zero_params();
}

// Of layers' inputs and outputs.
void read_values(LayerReader &r, const caffe::QuantizationParameter &q, const Node &node, rs_quantization_param *o)
{
    o->bw_layer_in = width(r, node, q.has_bw_layer_in(), q.bw_layer_in(), "bw_layer_in");
    o->bw_layer_out = width(r, node, q.has_bw_layer_out(), q.bw_layer_out(), "bw_layer_out");
    o->fl_layer_in = fractional_length(r, node, q.fl_layer_in(), "fl_layer_in");
    o->fl_layer_out = fractional_length(r, node, q.fl_layer_out(), "fl_layer_out");
    o->unsigned_layer_in = q.unsigned_layer_in();
    o->unsigned_layer_out = q.unsigned_layer_out();
}

// Of weights.
void read_params(LayerReader &r, const caffe::QuantizationParameter &q, const Node &node, rs_quantization_param *o)
{
    o->bw_params = width(r, node, q.has_bw_params(), q.bw_params(), "bw_params");
    o->fl_params = fractional_length(r, node, q.fl_params(), "fl_params");
}

void read_lengths(LayerReader &r, const caffe::QuantizationParameter &q, const Node &node, rs_quantization_param *o)
{
    const int n = q.fl_params_of_output_size();
    o->fl_of_output = n > 0 ? new_array<int>(static_cast<std::size_t>(n)) : nullptr;
    for (o->n_outputs = 0; o->n_outputs < n; o->n_outputs++)
        o->fl_of_output[o->n_outputs] = fractional_length(r, node, q.fl_params_of_output(o->n_outputs),
                                                          "fl_params_of_output", o->n_outputs);
}

// A word of a table, or the first of them and an error.
int word(const Node &node, const char *field, const std::string &text, const rs_word *words, Report *report)
{
    int value = words[0].value;
    if (!rs_word_find(words, text.c_str(), &value)) {
        std::string list;
        for (const rs_word *w = words; w->name != nullptr; w++)
            list += (list.empty() ? "" : ", ") + std::string(w->name);
        report->error(node.at(field), "", std::string(field) + " is " + quoted(text) + ", expected one of " + list);
    }
    return value;
}

void read_transform(const caffe::TransformationParameter &t, const Node &node, Report *report, rs_data_param *d)
{
    constexpr int max_means = static_cast<int>(sizeof d->mean / sizeof d->mean[0]);
    bool finite = std::isfinite(t.scale());
    for (const float mean : t.mean_value())
        finite = finite && std::isfinite(mean);
    if (!finite || t.mean_value_size() > max_means || (t.has_mean_file() && t.mean_value_size() > 0)) {
        report->error(node.loc(), "",
                      "transform_param: expected finite numbers, and a mean_file or at most " +
                          std::to_string(max_means) + " values of mean_value");
        return;
    }
    d->scale = t.scale();
    if (t.has_crop_size())
        d->crop_size = t.crop_size();
    if (t.force_color() || t.force_gray())
        d->color = t.force_color() ? RS_COLOR_BGR : RS_COLOR_GRAY;
    rs_free(d->mean_file);
    d->mean_file = t.has_mean_file() ? copy_text(t.mean_file()) : nullptr;
    d->n_mean = 0;
    for (const float mean : t.mean_value())
        d->mean[d->n_mean++] = mean;
}

const rs_layer *input_layer(const rs_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].type == RS_LAYER_INPUT)
            return &net->layers[i];
    return nullptr;
}

// Input layers have a size of their own, to which images are cropped anyway.
bool same_crop(const rs_data_param &a, const rs_data_param &as_read)
{
    return as_read.batch_size == 0 || a.crop_size == as_read.crop_size;
}

bool same_transform(const rs_data_param &a, const rs_data_param &b)
{
    const bool files = a.mean_file != nullptr && b.mean_file != nullptr;
    if ((a.mean_file != nullptr) != (b.mean_file != nullptr) || (files && std::strcmp(a.mean_file, b.mean_file) != 0))
        return false;
    if (a.color != b.color || !same_crop(a, b) || (!files && a.n_mean != b.n_mean))
        return false;
    for (int i = 0; !files && i < a.n_mean; i++)
        if (a.mean[i] < b.mean[i] || a.mean[i] > b.mean[i])
            return false;
    return !(a.scale < b.scale || a.scale > b.scale);
}

// Appends "NAME: VALUE" to a comment of several lines, none of them much too long.
void append_own(const std::string &statement, const std::string &indent, std::string *text)
{
    *text += indent + own_fields + " ";
    std::size_t column = indent.size();
    std::size_t from = 0;
    while (from < statement.size()) {
        std::size_t to = statement.find(' ', from);
        to = to == std::string::npos ? statement.size() : to + 1;
        if (column > line_columns) {
            text->back() = '\n'; // in place of the blank
            *text += indent + own_fields + "   ";
            column = indent.size();
        }
        text->append(statement, from, to - from);
        column += to - from;
        from = to;
    }
    *text += "\n";
}

} // namespace

void read_quantization(LayerReader &r, rs_layer *out)
{
    const caffe::QuantizationParameter &q = r.param().quantization_param();
    const Node node = r.node().in("quantization_param");
    if (!r.param().has_quantization_param()) {
        if (r.type().quantized)
            r.bad(r.node().loc(), "", r.name() + " (" + r.param().type() + ") has no quantization_param");
        return;
    }
    // Every field is checked, but those that the precision has no use for are not kept.
    rs_quantization_param unused = {}, &o = out->quantization;
    const auto precision = static_cast<rs_precision>(q.precision());
    read_minifloat(r, q, node, precision == RS_PRECISION_MINIFLOAT ? &o : &unused);
    read_power2(r, q, node, precision == RS_PRECISION_POWER2_WEIGHTS ? &o : &unused);
    read_values(r, q, node, precision != RS_PRECISION_MINIFLOAT ? &o : &unused);
    read_params(r, q, node, precision == RS_PRECISION_DYNAMIC_FIXED_POINT ? &o : &unused);
    if (precision == RS_PRECISION_DYNAMIC_FIXED_POINT)
        read_lengths(r, q, node, &o);
    o.present = true;
    o.precision = precision;
    o.stochastic = q.rounding_scheme() == caffe::QuantizationParameter::STOCHASTIC;
}

void read_net_quantization(const caffe::NetParameter &file, const Node &root, Report *report, rs_net *net)
{
    net->quantization = { RS_ROUND_NEAREST, RS_BIAS_WEIGHTS, false };
    if (!file.has_quantization())
        return;
    const caffe::NetQuantizationParameter &q = file.quantization();
    const Node node = root.in("quantization");
    if (q.has_rounding())
        net->quantization.rounding = static_cast<rs_rounding>(
            word(node, "rounding", q.rounding(), rs_rounding_words, report));
    if (q.has_bias_format())
        net->quantization.bias_rule = static_cast<rs_bias_rule>(
            word(node, "bias_format", q.bias_format(), rs_bias_rule_words, report));
    net->quantization.wide_scores = q.wide_scores();
    for (int i = 0; i < net->n_layers && q.has_transform_param(); i++)
        if (net->layers[i].type == RS_LAYER_INPUT)
            read_transform(q.transform_param(), node.in("transform_param"), report, &net->layers[i].data);
}

caffe::QuantizationParameter quantization_message(const rs_quantization_param &q)
{
    caffe::QuantizationParameter p;
    p.set_precision(static_cast<caffe::QuantizationParameter::Precision>(q.precision));
    if (q.stochastic)
        p.set_rounding_scheme(caffe::QuantizationParameter::STOCHASTIC);
    if (q.precision == RS_PRECISION_MINIFLOAT) {
        p.set_mant_bits(static_cast<uint32_t>(q.mant_bits));
        p.set_exp_bits(static_cast<uint32_t>(q.exp_bits));
        if (q.minifloat_layer_in[0] != '\0')
            p.set_minifloat_layer_in(q.minifloat_layer_in);
        if (q.minifloat_layer_out[0] != '\0')
            p.set_minifloat_layer_out(q.minifloat_layer_out);
        if (q.minifloat_params[0] != '\0')
            p.set_minifloat_params(q.minifloat_params);
        return p;
    }
    if (q.bw_layer_in > 0) {
        p.set_bw_layer_in(static_cast<uint32_t>(q.bw_layer_in));
        p.set_fl_layer_in(q.fl_layer_in);
    }
    if (q.bw_layer_out > 0) {
        p.set_bw_layer_out(static_cast<uint32_t>(q.bw_layer_out));
        p.set_fl_layer_out(q.fl_layer_out);
    }
    if (q.unsigned_layer_in)
        p.set_unsigned_layer_in(true);
    if (q.unsigned_layer_out)
        p.set_unsigned_layer_out(true);
    if (q.precision == RS_PRECISION_POWER2_WEIGHTS) {
        p.set_exp_min(q.exp_min);
        p.set_exp_max(q.exp_max);
        if (q.zero_params)
            p.set_zero_params(true);
    } else if (q.bw_params > 0) {
        p.set_bw_params(static_cast<uint32_t>(q.bw_params));
        p.set_fl_params(q.fl_params);
        for (int o = 0; o < q.n_outputs; o++)
            p.add_fl_params_of_output(q.fl_of_output[o]);
    }
    return p;
}

caffe::NetQuantizationParameter net_quantization_message(const rs_net *net, const rs_net *file)
{
    caffe::NetQuantizationParameter q;
    q.set_rounding(rs_rounding_name(net->quantization.rounding));
    q.set_bias_format(rs_word_name(rs_bias_rule_words, net->quantization.bias_rule));
    if (net->quantization.wide_scores)
        q.set_wide_scores(true);
    const rs_layer *input = input_layer(net), *as_read = file != nullptr ? input_layer(file) : nullptr;
    if (input == nullptr || (as_read != nullptr && same_transform(input->data, as_read->data)))
        return q;
    const rs_data_param &d = input->data;
    caffe::TransformationParameter *t = q.mutable_transform_param();
    t->set_scale(d.scale);
    if (as_read != nullptr && !same_crop(d, as_read->data))
        t->set_crop_size(static_cast<uint32_t>(d.crop_size));
    if (d.mean_file != nullptr)
        t->set_mean_file(d.mean_file);
    for (int i = 0; i < d.n_mean && d.mean_file == nullptr; i++)
        t->add_mean_value(d.mean[i]);
    if (d.color == RS_COLOR_BGR)
        t->set_force_color(true);
    else if (d.color == RS_COLOR_GRAY)
        t->set_force_gray(true);
    return q;
}

std::string fields_text(const google::protobuf::Message &message, const std::string &indent)
{
    std::string text;
    std::vector<const FieldDescriptor *> fields;
    message.GetReflection()->ListFields(message, &fields);
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    printer.SetUseShortRepeatedPrimitives(true);
    const bool all_own = message.GetDescriptor() == caffe::NetParameter::descriptor();
    for (const FieldDescriptor *f : fields) {
        std::unique_ptr<Message> one(message.New());
        one->CopyFrom(message);
        for (const FieldDescriptor *o : fields)
            if (o != f)
                one->GetReflection()->ClearField(one.get(), o);
        std::string statement;
        printer.PrintToString(*one, &statement);
        while (!statement.empty() && statement.back() == ' ')
            statement.pop_back();
        if (all_own || f->number() > first_own_field)
            append_own(statement, indent, &text);
        else
            text += indent + statement + "\n";
    }
    return text;
}

} // namespace ristretto
