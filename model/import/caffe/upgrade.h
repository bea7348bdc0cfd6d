// What is known of Caffe's layer types, and the older forms of layers brought into the present one (C++ side).
#ifndef RISTRETTO_IMPORT_CAFFE_UPGRADE_H
#define RISTRETTO_IMPORT_CAFFE_UPGRADE_H

#include <string>
#include <vector>

#include "import/caffe/caffe.pb.h"
#include "net/net.h"

namespace ristretto
{

// A supported type: its name in prototxt, its meaning here, and the parameter messages that it reads.
struct LayerType {
    const char *name;
    rs_layer_type type;
    bool data;      // a data layer: images and labels
    bool quantized; // one of Ristretto's types, which need quantization_param
    std::vector<const char *> params;
};

const std::vector<LayerType> &layer_types();
// nullptr if the type is not supported.
const LayerType *find_layer_type(const std::string &name);
// Why a type is not supported (unknown, or known to Caffe only), and the hint for it.
std::string unsupported_type_hint(const std::string &name, bool *known_to_caffe);

// The name of a V1 type in the present form ("CONVOLUTION" -> "Convolution"); empty for NONE.
std::string v1_type_name(caffe::V1LayerParameter::LayerType type);
// A V1 layer in the present form: all fields, with blobs_lr, weight_decay, param and blob_share_mode as ParamSpec.
void upgrade_v1(const caffe::V1LayerParameter &old, caffe::LayerParameter *layer);
// A layer of the first form (V0) as V1. False: its type is not one of that form's, or a field has no meaning for its
// type; *what then says which. Padding layers are not layers of later forms: who reads the net merges them
// (v0_padding).
bool upgrade_v0(const caffe::V1LayerParameter &old, caffe::V1LayerParameter *layer, std::string *what);
// Whether this is a padding layer of the first form.
bool is_v0_padding(const caffe::V1LayerParameter &layer);
// Moves scale, mean_file, crop_size and mirror of a data layer's own message into transform_param, where they are now.
void upgrade_transform(caffe::LayerParameter *layer);

} // namespace ristretto

#endif
