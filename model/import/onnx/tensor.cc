// Constant tensors of an ONNX model.
#include "import/onnx/tensor.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "import/common.h"

namespace ristretto
{

std::string Tensor::shape_text() const
{
    std::string text;
    for (const int64_t d : dims)
        text += (text.empty() ? "" : "x") + std::to_string(d);
    return text.empty() ? "scalar" : text;
}

int64_t count_of(const std::vector<int64_t> &dims)
{
    int64_t count = 1;
    for (const int64_t d : dims) {
        if (d < 0 || (d > 0 && count > RS_MAX_ELEMENTS / d))
            return -1;
        count *= d;
    }
    return count;
}

// binary16 by its definition: (-1)^s * 2^(e - 15) * 1.m, with subnormals, infinities and NaN.
float half_to_float(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float value = 0;
    if (exponent == 31)
        value = mantissa == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        value = std::ldexp(static_cast<float>(mantissa), -24);
    else
        value = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    return (bits & 0x8000) != 0 ? -value : value;
}

static float bfloat_to_float(uint16_t bits)
{
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value = 0;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

// Takes `count` values of type T out of raw bytes (little-endian, as this program's machines are).
template <class T, class Out> static void from_raw(const std::string &raw, std::size_t count, std::vector<Out> *out)
{
    out->resize(count);
    for (std::size_t i = 0; i < count; i++) {
        T value;
        std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
        (*out)[i] = static_cast<Out>(value);
    }
}

template <class Values, class Out> static void from_field(const Values &values, std::vector<Out> *out)
{
    out->reserve(static_cast<std::size_t>(values.size()));
    for (const auto v : values)
        out->push_back(static_cast<Out>(v));
}

using Type = onnx::TensorProto;

// The type that the file gives: false if it is not supported.
static bool set_type(const Type &p, Tensor *tensor, std::size_t *bytes)
{
    static const struct {
        int type;
        std::size_t bytes;
        bool is_float;
    } types[] = {
        { Type::FLOAT, 4, true },   { Type::DOUBLE, 8, true }, { Type::FLOAT16, 2, true }, { Type::BFLOAT16, 2, true },
        { Type::INT64, 8, false },  { Type::INT32, 4, false }, { Type::INT16, 2, false },  { Type::INT8, 1, false },
        { Type::UINT16, 2, false }, { Type::UINT8, 1, false }, { Type::BOOL, 1, false },   { Type::UINT32, 4, false },
    };
    for (const auto &t : types)
        if (t.type == p.data_type()) {
            *bytes = t.bytes;
            tensor->is_float = t.is_float;
            tensor->type = t.type;
            return true;
        }
    return false;
}

// How many values the field of this type holds, where they are not raw bytes.
static int field_size(const Type &p)
{
    switch (p.data_type()) {
    case Type::FLOAT:
        return p.float_data_size();
    case Type::DOUBLE:
        return p.double_data_size();
    case Type::INT64:
        return p.int64_data_size();
    case Type::UINT32:
        return p.uint64_data_size();
    default:
        return p.int32_data_size();
    }
}

static void decode_values(const Type &p, std::size_t n, Tensor *tensor)
{
    const std::string &raw = p.raw_data();
    const bool is_raw = p.has_raw_data();
    switch (p.data_type()) {
    case Type::FLOAT:
        is_raw ? from_raw<float>(raw, n, &tensor->floats) : from_field(p.float_data(), &tensor->floats);
        break;
    case Type::DOUBLE:
        is_raw ? from_raw<double>(raw, n, &tensor->floats) : from_field(p.double_data(), &tensor->floats);
        break;
    case Type::FLOAT16:
    case Type::BFLOAT16: {
        std::vector<uint16_t> bits;
        if (is_raw)
            from_raw<uint16_t>(raw, n, &bits);
        else
            from_field(p.int32_data(), &bits);
        tensor->floats.resize(n);
        for (std::size_t i = 0; i < n; i++)
            tensor->floats[i] = p.data_type() == Type::FLOAT16 ? half_to_float(bits[i]) : bfloat_to_float(bits[i]);
        break;
    }
    case Type::INT64:
        is_raw ? from_raw<int64_t>(raw, n, &tensor->ints) : from_field(p.int64_data(), &tensor->ints);
        break;
    case Type::INT32:
        is_raw ? from_raw<int32_t>(raw, n, &tensor->ints) : from_field(p.int32_data(), &tensor->ints);
        break;
    case Type::INT16:
        is_raw ? from_raw<int16_t>(raw, n, &tensor->ints) : from_field(p.int32_data(), &tensor->ints);
        break;
    case Type::INT8:
        is_raw ? from_raw<int8_t>(raw, n, &tensor->ints) : from_field(p.int32_data(), &tensor->ints);
        break;
    case Type::UINT16:
        is_raw ? from_raw<uint16_t>(raw, n, &tensor->ints) : from_field(p.int32_data(), &tensor->ints);
        break;
    case Type::UINT32:
        is_raw ? from_raw<uint32_t>(raw, n, &tensor->ints) : from_field(p.uint64_data(), &tensor->ints);
        break;
    default:
        is_raw ? from_raw<uint8_t>(raw, n, &tensor->ints) : from_field(p.int32_data(), &tensor->ints);
        break;
    }
}

std::string decode(const onnx::TensorProto &p, Tensor *tensor)
{
    if (p.data_location() == Type::EXTERNAL || p.external_data_size() > 0) {
        std::string file;
        for (const auto &entry : p.external_data())
            if (entry.key() == "location")
                file = entry.value();
        return "its values lie in another file" + (file.empty() ? "" : ", " + quoted(file)) +
               ", which is not read: save the model with its weights inside";
    }
    tensor->dims.assign(p.dims().begin(), p.dims().end());
    const int64_t count = count_of(tensor->dims);
    if (tensor->dims.size() > RS_MAX_AXES || count < 0)
        return "it is " + tensor->shape_text() + ", expected at most " + std::to_string(RS_MAX_AXES) + " axes and " +
               std::to_string(RS_MAX_ELEMENTS) + " values";

    std::size_t bytes = 0;
    if (!set_type(p, tensor, &bytes))
        return "its type (" + std::to_string(p.data_type()) + ") is not supported";

    const std::size_t n = static_cast<std::size_t>(count);
    if (p.has_raw_data() && p.raw_data().size() != n * bytes)
        return "it is " + tensor->shape_text() + ", " + std::to_string(n * bytes) + " bytes, but holds " +
               std::to_string(p.raw_data().size());
    const std::size_t have = p.has_raw_data() ? n : static_cast<std::size_t>(field_size(p));
    if (have != n)
        return "it is " + tensor->shape_text() + ", " + std::to_string(n) + " values, but holds " +
               std::to_string(have);
    decode_values(p, n, tensor);
    return "";
}

} // namespace ristretto
