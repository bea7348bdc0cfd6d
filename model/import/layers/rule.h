// What Caffe and ONNX make of the types of layers (C++ side): one LayerFormats per type, of a file of this folder,
// which reads and writes the layer in both. To add a layer's formats: its file here; the table comes from
// layer_types.def.
#ifndef RISTRETTO_IMPORT_LAYERS_RULE_H
#define RISTRETTO_IMPORT_LAYERS_RULE_H

#include <string>
#include <vector>

#include "import/caffe/layer_reader.h"
#include "import/caffe/layer_writer.h"
#include "import/onnx/operators.h"
#include "import/onnx/reader.h"
#include "import/onnx/writer.h"
#include "net/net.h"

namespace ristretto
{

struct LayerFormats {
    // Caffe: its names for the type, the first being the one that is written (none: a Dropout is); what reads the
    // fields of such a layer, and what writes them (nullptr: it has none).
    std::vector<CaffeType> caffe_types;
    void (*caffe_read)(LayerReader &r, rs_layer *out);
    void (*caffe_write)(const rs_net &net, const rs_layer &layer, caffe::LayerParameter *to);
    // ONNX: the operators that become such a layer, and what writes one. Losses and accuracy are never written.
    std::vector<OnnxOperator> onnx_operators;
    void (*onnx_write)(OnnxWriter &w);
};

const LayerFormats &layer_formats(rs_layer_type type);

// The type of this name in prototxt, and the layer that it is; nullptr: it is not supported.
const CaffeType *find_caffe_type(const std::string &name, rs_layer_type *layer);
// What a layer of this type is called in files that are written.
const char *written_type(rs_layer_type type);
// Why a name is not supported (unknown, or known to Caffe only), and the hint for it.
std::string unsupported_type_hint(const std::string &name, bool *known_to_caffe);

#define RS_LAYER_TYPE(name, symbol) extern const LayerFormats symbol##_formats;
#include "net/layer_types.def"

} // namespace ristretto

#endif
