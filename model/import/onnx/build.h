// A net that is built layer by layer (C++ side).
#ifndef RISTRETTO_IMPORT_ONNX_BUILD_H
#define RISTRETTO_IMPORT_ONNX_BUILD_H

#include <set>
#include <string>
#include <vector>

#include "net/net.h"

namespace ristretto
{

class NetBuilder
{
  public:
    // A std::bad_alloc if memory is short, here and below.
    NetBuilder(const std::string &path, const std::string &name);
    ~NetBuilder()
    {
        rs_net_free(net_);
    }
    NetBuilder(const NetBuilder &) = delete;
    NetBuilder &operator=(const NetBuilder &) = delete;

    int new_blob(const std::string &name);
    void rename(int blob, const std::string &name);
    // Appends a layer; its name is made unique. The reference holds until the next layer is added.
    rs_layer &add(rs_layer_type type, const std::string &name, const std::vector<int> &bottoms,
                  const std::vector<int> &tops);
    int last_layer() const
    {
        return net_->n_layers - 1;
    }
    rs_layer &layer(int index)
    {
        return net_->layers[index];
    }
    const rs_shape &shape(int blob) const
    {
        return net_->blobs[blob].shape;
    }
    void set_shape(int blob, const rs_shape &shape)
    {
        net_->blobs[blob].shape = shape;
    }
    rs_net *net()
    {
        return net_;
    }
    rs_net *release();

  private:
    rs_net *net_ = nullptr;
    int layer_room_ = 0, blob_room_ = 0;
    std::set<std::string> names_;
};

} // namespace ristretto

#endif
