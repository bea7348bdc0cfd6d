// The older forms of layers (V0, V1) brought into the present one (C++ side).
#ifndef RISTRETTO_IMPORT_CAFFE_UPGRADE_H
#define RISTRETTO_IMPORT_CAFFE_UPGRADE_H

#include <string>

#include "import/caffe/caffe.pb.h"

namespace ristretto
{

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
