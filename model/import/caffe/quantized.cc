// The quantized net description: a prototxt with Ristretto's layer types and quantization_param.
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file.h"
#include "import/caffe/caffe.h"
#include "import/caffe/quantization.h"
#include "import/caffe/upgrade.h"

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

// A statement quantization_param, on one line if that is asked for and nothing of it must be a comment.
std::string statement(const rs_quantization_param &q, const std::string &indent, bool one_line)
{
    std::string fields = fields_text(quantization_message(q), one_line ? "" : indent + "  ");
    if (!one_line || fields.find('#') != std::string::npos)
        return "quantization_param {\n" + fields + indent + "}";
    std::replace(fields.begin(), fields.end(), '\n', ' ');
    return "quantization_param { " + fields + "}";
}

// Whether a place has nothing but blanks before it on its line; *indent is what stands there then.
bool begins_line(const Text &text, std::size_t at, std::string *indent)
{
    const std::size_t newline = at == 0 ? std::string::npos : text.content.rfind('\n', at - 1);
    const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
    *indent = text.content.substr(line, at - line);
    if (indent->find_first_not_of(" \t") == std::string::npos)
        return true;
    indent->clear();
    return false;
}

// The edits of the text that make a layer quantized.
void edit_layer(const Text &text, const Node &layer, const caffe::LayerParameter &param, const rs_quantization_param &q,
                std::vector<Edit> *edits)
{
    const Range type = statement_at(text, layer.at("type"));
    if (quantized_type(param.type()) != nullptr)
        edits->push_back(Edit { type, std::string("type: \"") + quantized_type(param.type()) + "\"" });
    std::string indent;
    const bool own_line = begins_line(text, type.begin, &indent);
    if (param.has_quantization_param()) {
        const Range old = statement_at(text, layer.at("quantization_param"));
        edits->push_back(Edit { old, statement(q, indent, !own_line) });
        return;
    }
    const std::size_t close = statement_at(text, layer.loc()).end - 1; // the layer's last bracket
    const std::size_t before = text.content.find_last_not_of(" \t", close - 1);
    if (!own_line || text.content[before] != '\n')
        edits->push_back(Edit { { close, close },
                                (text.content[close - 1] == ' ' ? "" : " ") + statement(q, indent, !own_line) + " " });
    else
        edits->push_back(Edit { { before + 1, before + 1 }, indent + statement(q, indent, false) + "\n" });
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

// What a layer that others were folded into has become: their top, and a bias.
void take_in(const Text &text, const Node &file_layer, const caffe::LayerParameter &param, const rs_net *net,
             const rs_layer &layer, std::vector<Edit> *edits)
{
    const std::string top = net->blobs[layer.tops[0]].name;
    const bool inner_product = layer.type == RS_LAYER_INNER_PRODUCT;
    const bool bias = inner_product ? layer.inner_product.bias : layer.convolution.bias;
    const bool had = inner_product ? param.inner_product_param().bias_term() : param.convolution_param().bias_term();
    if (param.top_size() == 1 && param.top(0) != top)
        edits->push_back(Edit { statement_at(text, file_layer.at("top")), "top: \"" + top + "\"" });
    if (bias && !had) {
        const Node block = file_layer.in(inner_product ? "inner_product_param" : "convolution_param");
        edits->push_back(Edit { statement_at(text, block.at("bias_term")), "bias_term: true" });
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

// A file of an older form as text of the present one: quantization_param exists in that one only.
rs_status upgrade(Text *text, caffe::NetParameter *file, Report *report)
{
    for (const caffe::V1LayerParameter &l : file->layers())
        upgrade_v1(l, file->add_layer());
    file->clear_layers();
    text->original.clear();
    google::protobuf::TextFormat::PrintToString(*file, &text->original);
    return parse_text(file, text, report);
}

// Layers that were folded into others, and what those have become.
void edit_folded(const Text &text, const Node &root, const caffe::NetParameter &file, const rs_net *net,
                 std::vector<Edit> *edits)
{
    for (int i = 0; i < net->n_layers && net->n_folded > 0; i++)
        for (int k = 0; k < file.layer_size(); k++)
            if (takes_in(net->layers[i].type) && file.layer(k).name() == net->layers[i].name)
                take_in(text, root.in("layer", k), file.layer(k), net, net->layers[i], edits);
    for (int i = 0; i < net->n_folded; i++)
        for (int k = 0; k < file.layer_size(); k++)
            if (file.layer(k).name() == net->folded[i])
                edits->push_back(Edit { with_newline(text, statement_at(text, root.in("layer", k).loc())), "" });
}

// Every phase's layers of the net's names. A layer that was quantized and is not any more loses its fields.
rs_status edit_layers(const Text &text, const Node &root, const caffe::NetParameter &file, const rs_net *net,
                      std::vector<Edit> *edits, rs_diag *diag)
{
    rs_status st = RS_OK;
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer &layer = net->layers[i];
        bool found = false;
        for (int k = 0; k < file.layer_size(); k++) {
            const caffe::LayerParameter &param = file.layer(k);
            if (param.name() != layer.name)
                continue;
            found = true;
            if (layer.quantization.present)
                edit_layer(text, root.in("layer", k), param, layer.quantization, edits);
            else if (param.has_quantization_param())
                edits->push_back(
                    Edit { with_newline(text, statement_at(text, root.in("layer", k).at("quantization_param"))), "" });
        }
        if (!found && layer.quantization.present)
            st = bad(diag, rs_loc { text.path.c_str(), 0, 0 }, "",
                     "no layer " + quoted(layer.name) + " to be quantized");
    }
    return st;
}

// The statement of the net as a whole, in front of all others or in place of an older one.
void edit_net(const Text &text, const Node &root, const caffe::NetParameter &file, const rs_net *net,
              const rs_net *read, std::vector<Edit> *edits)
{
    caffe::NetParameter holder;
    *holder.mutable_quantization() = net_quantization_message(net, file.quantization().has_transform_param() ? nullptr
                                                                                                             : read);
    Range range { 0, 0 };
    if (file.has_quantization()) { // with the mark in front of it
        range = with_newline(text, statement_at(text, root.at("quantization")));
        const std::size_t newline = range.begin == 0 ? std::string::npos : text.content.rfind('\n', range.begin - 1);
        range.begin = newline == std::string::npos ? 0 : newline + 1;
    }
    edits->push_back(Edit { range, fields_text(holder, "") });
}

rs_status write_quantized(const char *source, const rs_net *net, const char *path, rs_diag *diag)
{
    Text text;
    caffe::NetParameter file;
    Report report(diag);
    rs_status st = read_text(source, &file, &text, &report);
    if (st == RS_OK && file.layers_size() > 0)
        st = upgrade(&text, &file, &report);
    if (st != RS_OK)
        return report.has_errors() ? report.finish() : st;
    const Node root = Node::root(text, file);

    std::vector<Edit> edits;
    rs_net *read = nullptr;
    st = rs_caffe_read_net(source, net->phase, &read, diag);
    if (st == RS_OK) {
        edit_folded(text, root, file, net, &edits);
        st = edit_layers(text, root, file, net, &edits, diag);
        edit_net(text, root, file, net, read, &edits);
    }
    rs_net_free(read);
    if (st != RS_OK)
        return st;
    std::string content = text.original;
    std::stable_sort(edits.begin(), edits.end(),
                     [](const Edit &a, const Edit &b) { return a.range.begin > b.range.begin; });
    for (const Edit &e : edits) // from the end, so that places before it stay
        content.replace(e.range.begin, e.range.end - e.range.begin, e.text);
    return write(path, content, diag);
}

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_write_quantized(const char *source, const rs_net *net, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::write_quantized(source, net, path, diag); });
}
