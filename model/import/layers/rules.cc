// The table of formats, and what types Caffe has besides.
#include "import/layers/rule.h"

#include <algorithm>
#include <iterator>

namespace ristretto
{

static const LayerFormats *const FORMATS[RS_LAYER_TYPES] = {
#define RS_LAYER_TYPE(name, symbol) &symbol##_formats,
#include "net/layer_types.def"
};

const LayerFormats &layer_formats(rs_layer_type type)
{
    return *FORMATS[type];
}

// Caffe has no identity: a Dropout is one in use.
const char *written_type(rs_layer_type type)
{
    const std::vector<CaffeType> &types = FORMATS[type]->caffe_types;
    return types.empty() ? "Dropout" : types[0].name;
}

const CaffeType *find_caffe_type(const std::string &name, rs_layer_type *layer)
{
    for (int i = 0; i < RS_LAYER_TYPES; i++)
        for (const CaffeType &t : FORMATS[i]->caffe_types)
            if (name == t.name) {
                *layer = static_cast<rs_layer_type>(i);
                return &t;
            }
    return nullptr;
}

std::string unsupported_type_hint(const std::string &name, bool *known_to_caffe)
{
    // clang-format off
    static const char *const others[] = {
        "BatchReindex", "ContrastiveLoss", "Embed", "Filter", "HDF5Output", "HingeLoss", "Im2col", "InfogainLoss",
        "LSTM", "LSTMUnit", "MultinomialLogisticLoss", "Parameter", "Python", "RNN", "SigmoidCrossEntropyLoss", "SPP",
    };
    // clang-format on
    std::vector<std::string> supported;
    std::string list;
    for (const LayerFormats *formats : FORMATS)
        for (const CaffeType &t : formats->caffe_types) {
            if (std::find(supported.begin(), supported.end(), t.name) != supported.end())
                continue; // a type of two layers: Scale with one bottom and with two
            supported.push_back(t.name);
            list += (list.empty() ? "" : ", ") + std::string(t.name);
        }
    *known_to_caffe = std::find(std::begin(others), std::end(others), name) != std::end(others);
    const std::string nearest = *known_to_caffe ? "" : did_you_mean(name, supported);
    return nearest.empty() ? "supported are " + list : nearest;
}

} // namespace ristretto
