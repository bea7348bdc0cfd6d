// The operators of ONNX that are read: a table, from the layers that they become and from those that become none
// (C++ side).
#ifndef RISTRETTO_IMPORT_ONNX_OPERATORS_H
#define RISTRETTO_IMPORT_ONNX_OPERATORS_H

#include <string>
#include <vector>

#include "import/onnx/reader.h"

namespace ristretto
{

struct OnnxOperator {
    const char *name;
    int min_inputs, max_inputs;
    const char *attributes; // those that are read, separated and surrounded by spaces; nullptr: any
    void (*read)(OnnxReader &r);
};

// Constants, and operators on values (onnx/constants.cc, onnx/arithmetic.cc).
extern const std::vector<OnnxOperator> constant_operators, value_operators;

// All of them, in the order of their names.
const std::vector<OnnxOperator> &onnx_operators();

// Parts of operators that others use: two constants added, subtracted, multiplied or divided; constant lists one after
// the other; values put together element by element (coefficients: of a sum; empty: all 1).
void fold_binary(OnnxReader &r);
// A ReduceMean over the last axes (layers/shape/reduce.cc).
void read_reduce_mean_of_last(OnnxReader &r);
// A Slice of what a layer gives (layers/shape/view.cc).
void read_slice_of_values(OnnxReader &r);
void fold_concat(OnnxReader &r);
void read_eltwise(OnnxReader &r, rs_eltwise_method method, const std::vector<float> &coefficients = {});

// Whether a constant of as many values as there are channels stands along axis 1 of a value of this shape.
bool per_channel(const Tensor &t, const rs_shape &shape);

} // namespace ristretto

#endif
