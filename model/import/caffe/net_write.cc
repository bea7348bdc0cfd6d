// rs_net -> prototxt.
#include <google/protobuf/text_format.h>

#include <cstdio>
#include <new>
#include <string>

#include "base/file.h"
#include "import/caffe/caffe.h"
#include "import/layers/rule.h"
#include "net/rule.h"

namespace ristretto
{

bool is_zero(const rs_filler &f)
{
    return f.type == RS_FILL_CONSTANT && !(f.value < 0) && !(f.value > 0);
}

void write_filler(const rs_filler &from, caffe::FillerParameter *to)
{
    switch (from.type) {
    case RS_FILL_CONSTANT:
        to->set_type("constant");
        if (from.value < 0 || from.value > 0)
            to->set_value(from.value);
        return;
    case RS_FILL_UNIFORM:
        to->set_type("uniform");
        to->set_min(from.min);
        to->set_max(from.max);
        return;
    case RS_FILL_GAUSSIAN:
        to->set_type("gaussian");
        to->set_mean(from.mean);
        to->set_std(from.std);
        return;
    case RS_FILL_XAVIER:
        to->set_type("xavier");
        break;
    case RS_FILL_MSRA:
        to->set_type("msra");
        break;
    default:
        to->set_type("bilinear");
        return;
    }
    if (from.variance_norm != RS_NORM_FAN_IN)
        to->set_variance_norm(from.variance_norm == RS_NORM_FAN_OUT ? caffe::FillerParameter::FAN_OUT
                                                                    : caffe::FillerParameter::AVERAGE);
}

void write_shape(const rs_shape &from, caffe::BlobShape *to)
{
    for (int i = 0; i < from.n_axes; i++)
        to->add_dim(from.dim[i]);
}

// Names, learning rates and weight decay, where one of them is not what a file without them means.
static void write_params(const rs_layer &l, caffe::LayerParameter *to)
{
    bool specs = false;
    for (int p = 0; p < l.n_params; p++)
        specs = specs || l.params[p].name != nullptr ||
                (l.type != RS_LAYER_BATCH_NORM && (l.params[p].lr_mult < 1 || l.params[p].lr_mult > 1 ||
                                                   l.params[p].decay_mult < 1 || l.params[p].decay_mult > 1));
    for (int p = 0; p < l.n_params && specs; p++) {
        caffe::ParamSpec *spec = to->add_param();
        if (l.params[p].name != nullptr)
            spec->set_name(l.params[p].name);
        if (l.params[p].permissive)
            spec->set_share_mode(caffe::ParamSpec::PERMISSIVE);
        spec->set_lr_mult(l.params[p].lr_mult);
        spec->set_decay_mult(l.params[p].decay_mult);
    }
}

static std::string net_text(const rs_net *net)
{
    caffe::NetParameter file;
    if (net->name[0] != '\0')
        file.set_name(net->name);
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer &l = net->layers[i];
        const rs_layer_rule *rule = rs_layer_rule_of(l.type);
        if (rule->scalar)
            continue; // needs labels
        caffe::LayerParameter *to = file.add_layer();
        to->set_name(l.name);
        to->set_type(written_type(l.type));
        for (int b = 0; b < l.n_bottoms; b++)
            to->add_bottom(net->blobs[l.bottoms[b]].name);
        const bool data = l.type == RS_LAYER_INPUT && l.data.batch_size > 0;
        for (int t = 0; t < (data && l.n_tops > 1 ? 1 : l.n_tops); t++)
            to->add_top(net->blobs[l.tops[t]].name);
        write_params(l, to);
        const auto write = layer_formats(l.type).caffe_write;
        if (write != nullptr)
            write(*net, l, to);
    }
    std::string text;
    google::protobuf::TextFormat::Printer printer;
    printer.SetUseShortRepeatedPrimitives(false);
    if (!printer.PrintToString(file, &text))
        throw std::bad_alloc();
    return text;
}

static rs_status write_net(const rs_net *net, const char *path, rs_diag *diag)
{
    const std::string text = net_text(net);
    rs_output *out = nullptr;
    rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    std::fwrite(text.data(), 1, text.size(), rs_output_stream(out));
    return rs_output_commit(out, diag);
}

} // namespace ristretto

extern "C" rs_status rs_caffe_write_net(const rs_net *net, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::write_net(net, path, diag); });
}

extern "C" rs_status rs_caffe_net_text(const rs_net *net, char **text, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] {
        *text = ristretto::copy_text(ristretto::net_text(net));
        return RS_OK;
    });
}
