// The quantized net description: a prototxt with Ristretto's layer types and quantization_param.
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file.h"
#include "import/caffe/caffe.h"
#include "import/caffe/upgrade.h"
#include "import/caffe/text.h"

namespace ristretto
{
namespace
{

struct Edit {
    Range range; // replaced by
    std::string text;
};

const char *quantized_type(const std::string &type)
{
    if (type == "Convolution" || type == "ConvolutionRistretto")
        return "ConvolutionRistretto";
    if (type == "InnerProduct" || type == "FcRistretto")
        return "FcRistretto";
    return nullptr;
}

caffe::QuantizationParameter parameter(const rs_quantization_param &q)
{
    caffe::QuantizationParameter p;
    p.set_precision(static_cast<caffe::QuantizationParameter::Precision>(q.precision));
    if (q.precision == RS_PRECISION_MINIFLOAT) {
        p.set_mant_bits(static_cast<uint32_t>(q.mant_bits));
        p.set_exp_bits(static_cast<uint32_t>(q.exp_bits));
        return p;
    }
    if (q.precision == RS_PRECISION_POWER2_WEIGHTS) {
        p.set_exp_min(q.exp_min);
        p.set_exp_max(q.exp_max);
        p.set_bw_layer_in(static_cast<uint32_t>(q.bw_layer_in));
        p.set_bw_layer_out(static_cast<uint32_t>(q.bw_layer_out));
        p.set_fl_layer_in(q.fl_layer_in);
        p.set_fl_layer_out(q.fl_layer_out);
        return p;
    }
    p.set_bw_layer_in(static_cast<uint32_t>(q.bw_layer_in));
    p.set_bw_layer_out(static_cast<uint32_t>(q.bw_layer_out));
    p.set_bw_params(static_cast<uint32_t>(q.bw_params));
    p.set_fl_layer_in(q.fl_layer_in);
    p.set_fl_layer_out(q.fl_layer_out);
    p.set_fl_params(q.fl_params);
    return p;
}

// A statement quantization_param on lines of its own with this indentation, or on one line.
std::string statement(const rs_quantization_param &q, const std::string &indent, bool one_line)
{
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(one_line);
    std::string fields;
    printer.PrintToString(parameter(q), &fields);
    if (one_line)
        return "quantization_param { " + fields + "}";
    std::string text = "quantization_param {\n";
    std::size_t from = 0;
    for (std::size_t to; (to = fields.find('\n', from)) != std::string::npos; from = to + 1)
        text += indent + "  " + fields.substr(from, to - from) + "\n";
    return text + indent + "}";
}

// The edits of the text that make layer i quantized.
void edit_layer(const Text &text, const Node &layer, const caffe::LayerParameter &param, const rs_quantization_param &q,
                std::vector<Edit> *edits)
{
    const Range type = statement_at(text, layer.at("type"));
    edits->push_back(Edit { type, std::string("type: \"") + quantized_type(param.type()) + "\"" });

    // As the layer's type stands: on a line of its own, or among others.
    const std::size_t newline = text.content.rfind('\n', type.begin);
    const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
    std::string indent = text.content.substr(line, type.begin - line);
    const bool one_line = indent.find_first_not_of(" \t") != std::string::npos;
    if (one_line)
        indent.clear();

    if (param.has_quantization_param()) {
        const Range old = statement_at(text, layer.at("quantization_param"));
        edits->push_back(Edit { old, statement(q, indent, one_line) });
        return;
    }
    std::size_t close = statement_at(text, layer.loc()).end - 1; // the layer's last bracket
    const std::string added = statement(q, indent, one_line);
    const std::size_t before = text.content.find_last_not_of(" \t", close - 1);
    if (one_line || text.content[before] != '\n')
        edits->push_back(Edit { { close, close }, (text.content[close - 1] == ' ' ? "" : " ") + added + " " });
    else
        edits->push_back(Edit { { before + 1, before + 1 }, indent + added + "\n" });
}

// A range together with the rest of its line, if that is blank.
Range with_newline(const Text &text, Range range)
{
    const std::size_t next = text.content.find_first_not_of(" \t\r", range.end);
    if (next != std::string::npos && text.content[next] == '\n')
        range.end = next + 1;
    return range;
}

bool takes_in(rs_layer_type type)
{
    return type == RS_LAYER_CONVOLUTION || type == RS_LAYER_DECONVOLUTION || type == RS_LAYER_INNER_PRODUCT;
}

// What a layer that others were folded into has become: their top, and a bias. Without a root (the old form) the
// message is changed, else the text.
void take_in(const Text &text, const Node *root, int index, const rs_net *net, const rs_layer &layer,
             caffe::LayerParameter *param, std::vector<Edit> *edits)
{
    const std::string top = net->blobs[layer.tops[0]].name;
    const bool inner_product = layer.type == RS_LAYER_INNER_PRODUCT;
    const bool bias = inner_product ? layer.inner_product.bias : layer.convolution.bias;
    const bool had = inner_product ? param->inner_product_param().bias_term() : param->convolution_param().bias_term();
    if (param->top_size() == 1 && param->top(0) != top) {
        if (root != nullptr)
            edits->push_back(Edit { statement_at(text, root->in("layer", index).at("top")), "top: \"" + top + "\"" });
        else
            param->set_top(0, top);
    }
    if (!bias || had)
        return;
    if (root != nullptr) {
        const Node block = root->in("layer", index).in(inner_product ? "inner_product_param" : "convolution_param");
        edits->push_back(Edit { statement_at(text, block.at("bias_term")), "bias_term: true" });
    } else if (inner_product) {
        param->mutable_inner_product_param()->set_bias_term(true);
    } else {
        param->mutable_convolution_param()->set_bias_term(true);
    }
}

rs_status write(const char *path, const std::string &content, rs_diag *diag)
{
    rs_output *out = nullptr;
    const rs_status st = rs_output_open(path, &out, diag);
    if (st != RS_OK)
        return st;
    std::fwrite(content.data(), 1, content.size(), rs_output_stream(out));
    return rs_output_commit(out, diag);
}

rs_status write_quantized(const char *source, const rs_net *net, const char *path, rs_diag *diag)
{
    Text text;
    caffe::NetParameter file;
    Report report(diag);
    rs_status st = read_text(source, &file, &text, &report);
    if (st != RS_OK)
        return report.has_errors() ? report.finish() : st;
    const Node root = Node::root(text, file);
    const bool old_form = file.layers_size() > 0;
    if (old_form) { // quantization_param exists in the present form only
        for (const caffe::V1LayerParameter &l : file.layers())
            upgrade_v1(l, file.add_layer());
        file.clear_layers();
    }

    std::vector<Edit> edits;
    for (int i = 0; i < net->n_layers && net->n_folded > 0; i++)
        for (int k = 0; k < file.layer_size(); k++)
            if (takes_in(net->layers[i].type) && file.layer(k).name() == net->layers[i].name)
                take_in(text, old_form ? nullptr : &root, k, net, net->layers[i], file.mutable_layer(k), &edits);
    for (int i = 0; i < net->n_folded; i++) // layers that are part of others now
        for (int k = file.layer_size() - 1; k >= 0; k--) {
            if (file.layer(k).name() != net->folded[i])
                continue;
            if (old_form)
                file.mutable_layer()->DeleteSubrange(k, 1);
            else
                edits.push_back(Edit { with_newline(text, statement_at(text, root.in("layer", k).loc())), "" });
        }
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer &layer = net->layers[i];
        if (!layer.quantization.present)
            continue;
        bool found = false;
        for (int k = 0; k < file.layer_size(); k++) { // every phase's layer of this name
            caffe::LayerParameter *param = file.mutable_layer(k);
            if (param->name() != layer.name || quantized_type(param->type()) == nullptr)
                continue;
            found = true;
            if (!old_form) {
                edit_layer(text, root.in("layer", k), *param, layer.quantization, &edits);
            } else {
                param->set_type(quantized_type(param->type()));
                *param->mutable_quantization_param() = parameter(layer.quantization);
            }
        }
        if (!found)
            st = bad(diag, rs_loc { source, 0, 0 }, "",
                     "no convolution or inner product layer " + quoted(layer.name) + " to be quantized");
    }
    if (st != RS_OK)
        return st;

    std::string content;
    if (old_form) {
        google::protobuf::TextFormat::PrintToString(file, &content);
    } else {
        content = text.content;
        std::sort(edits.begin(), edits.end(),
                  [](const Edit &a, const Edit &b) { return a.range.begin > b.range.begin; });
        for (const Edit &e : edits) // from the end, so that places before it stay
            content.replace(e.range.begin, e.range.end - e.range.begin, e.text);
    }
    return write(path, content, diag);
}

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_write_quantized(const char *source, const rs_net *net, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::write_quantized(source, net, path, diag); });
}
