// Growing a net.
#include "import/onnx/build.h"

#include <new>

#include "base/memory.h"
#include "import/common.h"

namespace ristretto
{

static int *indices(const std::vector<int> &from)
{
    int *to = RS_NEW_ARRAY(int, from.size() + 1);
    if (to == nullptr)
        throw std::bad_alloc();
    for (std::size_t i = 0; i < from.size(); i++)
        to[i] = from[i];
    return to;
}

template <class T> static void grow(T **array, int used, int *capacity)
{
    if (used < *capacity)
        return;
    const int more = *capacity == 0 ? 64 : *capacity + *capacity / 2;
    T *grown = static_cast<T *>(
        rs_recalloc(*array, static_cast<std::size_t>(*capacity), static_cast<std::size_t>(more), sizeof(T)));
    if (grown == nullptr)
        throw std::bad_alloc();
    *array = grown;
    *capacity = more;
}

NetBuilder::NetBuilder(const std::string &path, const std::string &name)
{
    net_ = RS_NEW(rs_net);
    if (net_ == nullptr)
        throw std::bad_alloc();
    net_->name = rs_strndup(name.c_str(), name.size());
    net_->path = rs_strndup(path.c_str(), path.size());
    net_->phase = RS_TEST;
    if (net_->name == nullptr || net_->path == nullptr) {
        rs_net_free(net_);
        throw std::bad_alloc();
    }
}

int NetBuilder::new_blob(const std::string &name)
{
    grow(&net_->blobs, net_->n_blobs, &blob_room_);
    net_->blobs[net_->n_blobs].name = copy_text(name);
    return net_->n_blobs++;
}

void NetBuilder::rename(int blob, const std::string &name)
{
    char *copy = copy_text(name);
    rs_free(net_->blobs[blob].name);
    net_->blobs[blob].name = copy;
}

rs_layer &NetBuilder::add(rs_layer_type type, const std::string &name, const std::vector<int> &bottoms,
                          const std::vector<int> &tops)
{
    std::string unique = name;
    for (int i = 2; !names_.insert(unique).second; i++)
        unique = name + "_" + std::to_string(i);
    grow(&net_->layers, net_->n_layers, &layer_room_);
    rs_layer *layer = &net_->layers[net_->n_layers++];
    layer->type = type;
    layer->loc = rs_loc { net_->path, 0, 0 };
    layer->name = copy_text(unique);
    layer->bottoms = indices(bottoms);
    layer->tops = indices(tops);
    layer->n_bottoms = static_cast<int>(bottoms.size());
    layer->n_tops = static_cast<int>(tops.size());
    for (rs_param &param : layer->params)
        param.lr_mult = param.decay_mult = 1;
    return *layer;
}

rs_net *NetBuilder::release()
{
    rs_net *net = net_;
    net_ = nullptr;
    return net;
}

} // namespace ristretto
