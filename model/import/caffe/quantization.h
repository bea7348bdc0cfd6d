// Ristretto's fields in prototxt (C++ side): quantization_param of layers, and our own of the net as a whole.
#ifndef RISTRETTO_IMPORT_CAFFE_QUANTIZATION_H
#define RISTRETTO_IMPORT_CAFFE_QUANTIZATION_H

#include <string>

#include "import/caffe/layer_reader.h"

namespace ristretto
{

// quantization_param of a layer of any type. One of Ristretto's types without it is an error.
void read_quantization(LayerReader &r, rs_layer *out);
// `quantization` of the net: its rules, and the transformation of images in place of what the input layers say.
void read_net_quantization(const caffe::NetParameter &file, const Node &root, Report *report, rs_net *net);

// The fields that `q` gives.
caffe::QuantizationParameter quantization_message(const rs_quantization_param &q);
// Those of the net. `file`: the net as its file is read, whose transformation need not be said; nullptr: it is.
caffe::NetQuantizationParameter net_quantization_message(const rs_net *net, const rs_net *file);

// A message as fields of text: those of the original's one each, with `indent` in front and a newline at the end, and
// ours in comments.
std::string fields_text(const google::protobuf::Message &message, const std::string &indent);

} // namespace ristretto

#endif
