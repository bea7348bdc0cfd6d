// Constant tensors of an ONNX model (C++ side).
#ifndef RISTRETTO_IMPORT_ONNX_TENSOR_H
#define RISTRETTO_IMPORT_ONNX_TENSOR_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "import/onnx/onnx.pb.h"
#include "net/net.h"

namespace ristretto
{

// Values of a constant: floats, or whole numbers (all integer types and bool).
struct Tensor {
    std::vector<int64_t> dims;
    bool is_float = true;
    int type = onnx::TensorProto::UNDEFINED; // what the file calls it, where that is known
    std::vector<float> floats;
    std::vector<int64_t> ints;

    std::size_t size() const
    {
        return is_float ? floats.size() : ints.size();
    }
    double at(std::size_t i) const
    {
        return is_float ? static_cast<double>(floats[i]) : static_cast<double>(ints[i]);
    }
    std::string shape_text() const;
};

// The product of dimensions; -1 if one is negative or it is more than RS_MAX_ELEMENTS.
int64_t count_of(const std::vector<int64_t> &dims);

// Decodes a tensor. Its type must be one of those above, and its values as many as its dimensions say: nothing is
// allocated before that is known. An empty text, or what is wrong.
std::string decode(const onnx::TensorProto &proto, Tensor *tensor);

float half_to_float(uint16_t bits);

} // namespace ristretto

#endif
