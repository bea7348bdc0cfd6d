// Operators that give constants: lists of sizes, mostly, with which a model computes shapes.
#include <algorithm>
#include <cmath>

#include "import/onnx/operators.h"

namespace ristretto
{
namespace
{

void read_constant(OnnxReader &r)
{
    auto t = std::make_shared<Tensor>();
    std::string wrong;
    if (r.node().attribute_size() != 1)
        r.refuse("it has " + std::to_string(r.node().attribute_size()) + " values, expected one");
    const onnx::AttributeProto &a = r.node().attribute(0);
    if (a.name() == "value") {
        wrong = decode(a.t(), t.get());
    } else if (a.name() == "value_float") {
        t->floats = { a.f() };
    } else if (a.name() == "value_floats") {
        t->floats.assign(a.floats().begin(), a.floats().end());
        t->dims = { a.floats_size() };
    } else if (a.name() == "value_int") {
        t->is_float = false;
        t->ints = { a.i() };
    } else if (a.name() == "value_ints") {
        t->is_float = false;
        t->ints.assign(a.ints().begin(), a.ints().end());
        t->dims = { a.ints_size() };
    } else {
        wrong = "a constant given by " + quoted(a.name()) + " is not supported";
    }
    if (!wrong.empty())
        r.refuse(wrong);
    r.give(t);
}

void read_gather(OnnxReader &r)
{
    const TensorPtr data = r.constant(0, "data"), at = r.constant(1, "indices");
    if (data->dims.size() != 1 || at->dims.size() > 1 || at->is_float || r.axis(r.integer("axis", 0), 1) != 0)
        r.refuse("only elements of a constant list are supported");
    auto t = std::make_shared<Tensor>();
    t->is_float = data->is_float;
    t->dims = at->dims;
    for (int64_t i : at->ints) {
        const int64_t n = data->dims[0];
        if (i < -n || i >= n)
            r.refuse("index " + std::to_string(i) + " of a list of " + std::to_string(n));
        const std::size_t k = static_cast<std::size_t>(i < 0 ? i + n : i);
        if (t->is_float)
            t->floats.push_back(data->floats[k]);
        else
            t->ints.push_back(data->ints[k]);
    }
    r.give(t);
}

void read_slice(OnnxReader &r)
{
    if (!r.is_constant(0))
        return read_slice_of_values(r);
    const TensorPtr data = r.constant(0, "data");
    const std::vector<int64_t> starts = r.list("starts", 1), ends = r.list("ends", 2), axes = r.list("axes", 3);
    const std::vector<int64_t> steps = r.has_input(4) ? r.list("steps", 4) : std::vector<int64_t>();
    const bool first = axes.empty() || (axes.size() == 1 && r.axis(axes[0], 1) == 0);
    if (data->dims.size() != 1 || starts.size() != 1 || ends.size() != 1 || !first || (!steps.empty() && steps[0] != 1))
        r.refuse("only a stretch of a constant list is supported");
    const int64_t n = data->dims[0];
    int64_t from = starts[0] < 0 ? std::max<int64_t>(starts[0], -n) + n : std::min(starts[0], n);
    int64_t to = ends[0] < 0 ? std::max<int64_t>(ends[0], -n) + n : std::min(ends[0], n);
    to = std::max(from, to);
    auto t = std::make_shared<Tensor>();
    t->is_float = data->is_float;
    t->dims.push_back(to - from);
    for (int64_t i = from; i < to; i++) {
        if (t->is_float)
            t->floats.push_back(data->floats[static_cast<std::size_t>(i)]);
        else
            t->ints.push_back(data->ints[static_cast<std::size_t>(i)]);
    }
    r.give(t);
}

void read_shape(OnnxReader &r)
{
    if (!r.is_constant(0)) {
        if (r.value(0).padded())
            (void)r.blob(0); // says what is wrong
        r.readers(r.value(0).blob)--;
    }
    const std::vector<int64_t> dims = r.dims(0);
    const int64_t n = static_cast<int64_t>(dims.size());
    int64_t start = r.integer("start", 0), end = r.integer("end", n);
    start = std::min(std::max<int64_t>(start < 0 ? start + n : start, 0), n);
    end = std::min(std::max<int64_t>(end < 0 ? end + n : end, start), n);
    auto t = std::make_shared<Tensor>();
    t->is_float = false;
    for (int64_t i = start; i < end; i++)
        t->ints.push_back(dims[static_cast<std::size_t>(i)]);
    t->dims.push_back(end - start);
    r.give(t);
}

void read_cast(OnnxReader &r)
{
    const int64_t to = r.integer("to", 0);
    const bool real_type = to == onnx::TensorProto::FLOAT || to == onnx::TensorProto::DOUBLE;
    const bool whole_type = to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32;
    if (!real_type && !whole_type)
        r.refuse("to type " + std::to_string(to) + " is not supported");
    if (!r.is_constant(0)) {
        if (!real_type || r.value(0).quantized >= 0)
            r.refuse("a layer's values can only be floats");
        return r.alias(r.node().output(0), r.value(0));
    }
    const TensorPtr from = r.value(0).constant;
    auto t = std::make_shared<Tensor>();
    t->dims = from->dims;
    t->is_float = real_type;
    for (std::size_t i = 0; i < from->size(); i++) {
        const double v = from->at(i);
        if (real_type)
            t->floats.push_back(static_cast<float>(v));
        else if (!from->is_float)
            t->ints.push_back(from->ints[i]);
        else if (std::fabs(v) < 9e15)
            t->ints.push_back(static_cast<int64_t>(v));
        else
            r.refuse("a value is too large for an integer");
    }
    r.give(t);
}

} // namespace

void fold_concat(OnnxReader &r)
{
    auto t = std::make_shared<Tensor>();
    t->is_float = r.value(0).constant->is_float;
    for (int i = 0; i < r.node().input_size(); i++) {
        const TensorPtr part = r.value(i).constant;
        if (part->dims.size() != 1 || part->is_float != t->is_float || r.axis(r.integer("axis", 0), 1) != 0)
            r.refuse("only constant lists can be put together");
        t->floats.insert(t->floats.end(), part->floats.begin(), part->floats.end());
        t->ints.insert(t->ints.end(), part->ints.begin(), part->ints.end());
    }
    t->dims = { static_cast<int64_t>(t->size()) };
    r.give(t);
}

void fold_binary(OnnxReader &r)
{
    const TensorPtr a = r.value(0).constant, b = r.constant(1, "the second input");
    const bool same = a->dims == b->dims;
    if (a->is_float != b->is_float || (!same && a->size() != 1 && b->size() != 1))
        r.refuse("constants of " + a->shape_text() + " and " + b->shape_text() + " cannot be put together");
    // One value goes with each of the others, of which there may be none.
    const Tensor &others = a->size() == 1 ? *b : *a;
    const std::size_t n = others.size(), axes = std::max(a->dims.size(), b->dims.size());
    auto t = std::make_shared<Tensor>();
    t->is_float = a->is_float;
    t->dims.assign(axes - others.dims.size(), 1);
    t->dims.insert(t->dims.end(), others.dims.begin(), others.dims.end());
    const char op = r.node().op_type()[0]; // Add, Sub, Mul, Div
    for (std::size_t i = 0; i < n; i++) {
        const std::size_t p = a->size() == 1 ? 0 : i, q = b->size() == 1 ? 0 : i;
        if (t->is_float) {
            const float x = a->floats[p], y = b->floats[q];
            t->floats.push_back(op == 'A' ? x + y : op == 'S' ? x - y : op == 'M' ? x * y : x / y);
            continue;
        }
        const int64_t x = a->ints[p], y = b->ints[q];
        int64_t z = 0;
        const bool wrong = op == 'A'   ? __builtin_add_overflow(x, y, &z)
                           : op == 'S' ? __builtin_sub_overflow(x, y, &z)
                           : op == 'M' ? __builtin_mul_overflow(x, y, &z)
                                       : y == 0 || (x == INT64_MIN && y == -1);
        if (wrong)
            r.refuse("an overflow or a division by zero");
        t->ints.push_back(op == 'D' ? x / y : z);
    }
    r.give(t);
}

const std::vector<OnnxOperator> constant_operators = {
    { "Cast", 1, 1, " to ", read_cast },
    { "Constant", 0, 0, nullptr, read_constant },
    { "Gather", 2, 2, " axis ", read_gather },
    { "Shape", 1, 1, " end start ", read_shape },
    { "Slice", 1, 5, " axes ends starts ", read_slice },
};

} // namespace ristretto
