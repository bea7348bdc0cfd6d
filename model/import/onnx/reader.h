// Reads an ONNX graph into a net, node by node (C++ side). The operators themselves (onnx/operators.h) are functions
// that ask the reader for the inputs and attributes of the present node and give it the layer or the constant that it
// is.
#ifndef RISTRETTO_IMPORT_ONNX_READER_H
#define RISTRETTO_IMPORT_ONNX_READER_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "import/common.h"
#include "import/onnx/build.h"
#include "import/onnx/normalization.h"
#include "import/onnx/onnx.pb.h"
#include "import/onnx/tensor.h"

namespace ristretto
{

using TensorPtr = std::shared_ptr<const Tensor>;

// What a name of the graph stands for.
struct Value {
    int blob = -1;         // of the net
    TensorPtr constant;    // or a constant
    bool unusable = false; // an error was found where it is made: no more is said about it
    std::string flat;      // the blob, as N x the rest; the name of the node that says so
    int quantized = -1;    // the QuantizeLinear layer whose integers these are; the blob holds what they stand for
    int64_t pad[4] = { 0, 0, 0, 0 }; // zeros around the blob's pixels: top, left, bottom, right
    bool padded() const
    {
        return pad[0] != 0 || pad[1] != 0 || pad[2] != 0 || pad[3] != 0;
    }
};

// This node cannot be read; what is wrong has been said.
struct Refused : Failed {
    Refused() : Failed { RS_BAD_INPUT }
    {
    }
};

// The window of a convolution or pooling: kernel, stride, dilation, padding before and after, of height and width.
struct Window {
    int64_t kernel[2], stride[2], dilation[2], before[2], after[2];
};

std::string shape_text(const rs_shape &shape);

class OnnxReader
{
  public:
    // What the caller wants: a shape for the first input, and a value to be kept (rs_onnx_read), or nullptr.
    struct Wishes {
        const rs_shape *input;
        const char *value;
    };
    OnnxReader(const char *path, const onnx::ModelProto &model, std::size_t file_size, const Wishes &wishes,
               rs_diag *diag)
        : path_(path), model_(model), graph_(model.graph()), file_size_(file_size), input_(wishes.input),
          wanted_(wishes.value), diag_(diag), build_(path, model.graph().name())
    {
    }

    // Reads the whole model. All errors of its nodes are reported.
    rs_status read(rs_net **net);

    // ---- The present node. All of these throw Refused where the node is not as they need it.

    const onnx::NodeProto &node() const
    {
        return *node_;
    }
    int index() const
    {
        return index_;
    }
    // Its name, or one made of its operator and index.
    std::string node_name() const;
    int64_t opset() const
    {
        return opset_;
    }
    [[noreturn]] void refuse(const std::string &what, const std::string &hint = "");
    // The normalization within channels that this node ends; nullptr: it ends none.
    const rs_lrn_param *normalization() const;

    // Inputs. The value of input i; whether there is one; a constant, `what` in messages; the blob, in the shape that
    // the model gives it, without or with the padding of a Pad node.
    Value &value(int i);
    bool has_input(int i) const;
    bool is_constant(int i);
    TensorPtr constant(int i, const char *what);
    int blob(int i);
    int padded_blob(int i);
    rs_shape shape_of(const Value &v) const;
    std::vector<int64_t> dims(int i);
    // The floats of a constant; n floats along one axis; a list of whole numbers.
    std::vector<float> floats(const Tensor &t, const char *what);
    std::vector<float> vector(int i, const char *what, int64_t n);
    std::vector<int64_t> whole(const Tensor &t, const char *what);
    // The shape of a blob of images; the channels of a blob.
    const rs_shape &image(int b);
    int64_t channels(int b);

    // Attributes, with the value that they have if they are not given.
    const onnx::AttributeProto *attribute(const char *name) const;
    int64_t integer(const char *name, int64_t otherwise) const;
    float real(const char *name, float otherwise);
    std::string word(const char *name, const char *otherwise) const;
    std::vector<int64_t> integers(const char *name) const;
    bool any_not_zero(const char *name) const;
    // A list that is an attribute in older operator sets and an input in newer ones.
    std::vector<int64_t> list(const char *name, int input);
    int64_t axis(int64_t a, int n_axes);
    int64_t within(int64_t v, int64_t min, const char *what);
    // What convolutions and poolings have in common. `kernel`: from the weights, or nullptr.
    Window window(const rs_shape &in, const int64_t *kernel, const Value &input);

    // ---- What the node becomes

    // A layer that is this node: its name, one top of the name of the node's output.
    rs_layer &layer(rs_layer_type type, const std::vector<int> &bottoms, const std::string &name = "");
    // After the layer's fields are set: its shapes; and the node's output.
    void infer();
    void finish();
    void result(int top);
    void set_param(int l, int p, const std::vector<float> &values);
    void set_param(int p, const std::vector<float> &values);
    // A constant; a name that stands for a value; one that stands for what another stands for.
    void give(const std::shared_ptr<Tensor> &t);
    void bind(const std::string &name, const Value &value);
    void alias(const std::string &name, const Value &value);

    // ---- The net around it

    NetBuilder &build()
    {
        return build_;
    }
    rs_diag *diag() const
    {
        return diag_;
    }
    Value &named(const std::string &name)
    {
        return values_[name];
    }
    // Whether somebody reads a name.
    bool is_used(const std::string &name) const
    {
        return names_.uses.count(name) > 0;
    }
    // How many nodes read a blob, over all the names that it has.
    int &readers(int b)
    {
        return readers_[b];
    }
    // The layer that wrote a blob last.
    int producer_of(int b) const;
    void set_producer(int b, int layer)
    {
        producer_[b] = layer;
    }

  private:
    void complain(const std::string &hint, const std::string &what);
    std::string who() const;
    void versions();
    void count_uses();
    void inputs();
    void unsupported();
    rs_shape given_shape(int axes) const;
    bool input_shape(const onnx::TensorShapeProto &from, const std::string &who, const rs_shape *open, rs_shape *shape);
    void outputs();
    void settle(const std::string &name, const std::string &what, Value *v);
    void read_node(int index);
    void read_operator();
    int flattened(Value *v);
    std::string unique_blob(const std::string &name) const;
    void pair(const char *name, int64_t min, int64_t otherwise, int64_t *out);

    const char *path_;
    const onnx::ModelProto &model_;
    const onnx::GraphProto &graph_;
    const std::size_t file_size_;
    const rs_shape *input_;
    const char *wanted_;
    rs_diag *diag_;
    NetBuilder build_;
    int64_t opset_ = 0, total_params_ = 0;
    int errors_ = 0;
    GraphNames names_;
    Normalizations normalizations_;
    std::map<std::string, Value> values_;
    Value large_;
    std::map<int, int> readers_;
    std::map<int, int> producer_;
    const onnx::NodeProto *node_ = nullptr;
    int index_ = 0;
};

} // namespace ristretto

#endif
