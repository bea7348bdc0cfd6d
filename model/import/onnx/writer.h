// Writes a net as an ONNX graph, layer by layer (C++ side). What a layer becomes is said in import/layers/, by
// functions that ask the writer for names and give it nodes and constants.
#ifndef RISTRETTO_IMPORT_ONNX_WRITER_H
#define RISTRETTO_IMPORT_ONNX_WRITER_H

#include <map>
#include <set>
#include <string>
#include <vector>

#include "import/common.h"
#include "import/onnx/onnx.pb.h"
#include "net/net.h"

namespace ristretto
{

// Adds an attribute to a node.
void set(onnx::NodeProto *n, const char *name, int64_t v);
void set(onnx::NodeProto *n, const char *name, float v);
void set(onnx::NodeProto *n, const char *name, const std::vector<int64_t> &v);

std::vector<int64_t> dims_of(const rs_shape &s);

class OnnxWriter
{
  public:
    OnnxWriter(const rs_net *net, rs_diag *diag) : net_(net), diag_(diag), graph_(model_.mutable_graph())
    {
    }

    rs_status write(const char *path);

    // ---- The present layer

    const rs_net &net() const
    {
        return *net_;
    }
    const rs_layer &layer() const
    {
        return *layer_;
    }
    int index() const
    {
        return index_;
    }
    // It cannot be written, and why.
    [[noreturn]] void refuse(const std::string &what);
    // Takes another layer for the present one, which is then part of this; and goes back. Merged layers write nothing.
    void merge(const rs_layer *other)
    {
        merged_.insert(other);
        layer_ = other;
    }
    void back()
    {
        layer_ = &net_->layers[index_];
    }
    bool is_merged() const
    {
        return merged_.count(layer_) > 0;
    }

    // ---- Names: each is given once in ONNX, where a blob of Caffe may be written in place

    std::string unique(const std::string &name);
    std::string bottom(int i = 0);
    const rs_shape &in(int i = 0) const;
    // The name of what the layer gives: after the names of its bottoms have been asked for.
    std::string top(int i = 0);
    // Makes a top an input of the model.
    void input(int top);

    // ---- Nodes and constants

    onnx::NodeProto *node(const char *op, const std::vector<std::string> &inputs, const std::string &output,
                          const std::string &suffix = "");
    // `type`: of onnx::TensorProto. The name may become another one, which is returned, here and below.
    std::string constant(const std::string &name, const std::vector<int64_t> &dims, const void *data, std::size_t bytes,
                         int type);
    std::string floats(const std::string &suffix, const std::vector<int64_t> &dims, const std::vector<float> &v);
    std::string whole(const std::string &suffix, const std::vector<int64_t> &v);
    // Parameter p of the layer; parameters that layers share are one constant.
    std::string param(int p, const std::vector<int64_t> &dims);
    std::string param(int p);
    std::vector<float> values(int p) const;

  private:
    void value_info(const std::string &name, const rs_shape &shape, onnx::ValueInfoProto *v);
    void outputs();
    void write_layer();

    const rs_net *net_;
    rs_diag *diag_;
    onnx::ModelProto model_;
    onnx::GraphProto *graph_;
    const rs_layer *layer_ = nullptr;
    int index_ = 0;
    rs_status status_ = RS_OK;
    std::set<std::string> names_;
    std::set<const rs_layer *> merged_;         // scalings that are part of a batch normalization
    std::map<std::string, std::string> params_; // constants of the layers' parameters
    std::vector<std::string> current_;          // what each blob is called now; empty before it is there
    std::vector<bool> read_;                    // since it was called so
    std::vector<const rs_layer *> last_writer_; // of each blob: the layer whose value stays in it
};

} // namespace ristretto

#endif
