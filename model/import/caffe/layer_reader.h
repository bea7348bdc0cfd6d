// Reads the fields of one layer of a prototxt (C++ side). What a layer of a type has is said in import/layers/, by
// functions that ask the reader for values in their ranges. Errors go to the report of the file; reading goes on with a
// value that causes no others.
#ifndef RISTRETTO_IMPORT_CAFFE_LAYER_READER_H
#define RISTRETTO_IMPORT_CAFFE_LAYER_READER_H

#include <string>
#include <vector>

#include "import/caffe/caffe.pb.h"
#include "import/caffe/text.h"
#include "net/net.h"

namespace ristretto
{

// A type of layers in prototxt, and the parameter messages that it reads.
struct CaffeType {
    const char *name;
    std::vector<const char *> params;
    bool data;      // a data layer: images and labels
    bool quantized; // one of Ristretto's types, which need quantization_param
};

// One layer of the file in the present form, and its place.
struct FileLayer {
    caffe::LayerParameter param;
    Node node;
    bool spoiled; // an error was found in its text already
};

// Height and width of a kernel, stride or padding as the file gives them: one value or two in `field`, or the fields of
// their own, named after it.
struct Pair {
    const char *field;
    google::protobuf::RepeatedField<uint32_t> values;
    bool has_h;
    int64_t h;
    bool has_w;
    int64_t w;
};

class LayerReader
{
  public:
    LayerReader(const FileLayer &layer, const CaffeType &type, rs_net *net, Report *report)
        : layer_(layer), type_(type), net_(net), report_(report)
    {
    }

    const caffe::LayerParameter &param() const
    {
        return layer_.param;
    }
    const Node &node() const
    {
        return layer_.node;
    }
    const CaffeType &type() const
    {
        return type_;
    }
    rs_net *net() const
    {
        return net_;
    }
    rs_phase phase() const
    {
        return net_->phase;
    }
    // "layer 'NAME'"
    std::string name() const;
    void bad(rs_loc loc, const std::string &hint, const std::string &what);

    // Fields that layers of all types have.
    void common(rs_layer *out);

    // A value in [min, max], or min and an error at its field in `node`.
    int64_t within(int64_t value, int64_t min, int64_t max, const Node &node, const char *field, int index = -1);
    // A value of a field of parameter message `block`, or 0 and an error.
    float finite(float value, const char *block, const char *field);
    // `min`: of the values; `otherwise`: if none are given; negative: that is an error.
    void pair(const Node &node, const Pair &given, int64_t min, int64_t otherwise, int64_t *out_h, int64_t *out_w);
    rs_filler filler(const caffe::FillerParameter &from, const Node &node);
    // A filler, or a constant if the file gives none.
    rs_filler filler_or(const caffe::FillerParameter &from, bool given, float otherwise, const Node &node);
    void axis_is_channels(int64_t axis, const Node &node);
    // Axes that would mix the images of a batch are errors: images are computed apart from each other.
    void not_batch(int64_t axis, const Node &node, const char *field);
    void shape(const caffe::BlobShape &from, const Node &node, rs_shape *shape);

  private:
    void unread_blocks();
    void param_specs(rs_layer *out);
    void loss_weight(rs_layer *out);

    const FileLayer &layer_;
    const CaffeType &type_;
    rs_net *net_;
    Report *report_;
};

// A shape of a file, with an error for each dimension that is out of range.
void read_shape(const caffe::BlobShape &from, const Node &node, Report *report, rs_shape *shape);

} // namespace ristretto

#endif
