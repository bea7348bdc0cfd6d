// Writes the fields of layers of a prototxt (C++ side): what several types have in common.
#ifndef RISTRETTO_IMPORT_CAFFE_LAYER_WRITER_H
#define RISTRETTO_IMPORT_CAFFE_LAYER_WRITER_H

#include <cstdint>

#include "import/caffe/caffe.pb.h"
#include "net/net.h"

namespace ristretto
{

// A size that the layer's reader has checked.
inline uint32_t u32(int64_t v)
{
    return static_cast<uint32_t>(v);
}

// Whether a filler is what a file without one means: zeros.
bool is_zero(const rs_filler &f);
void write_filler(const rs_filler &from, caffe::FillerParameter *to);
void write_shape(const rs_shape &from, caffe::BlobShape *to);

} // namespace ristretto

#endif
