// The table of operators.
#include "import/onnx/operators.h"

#include <algorithm>

#include "import/layers/rule.h"

namespace ristretto
{

static std::vector<OnnxOperator> collect()
{
    std::vector<OnnxOperator> all = constant_operators;
    all.insert(all.end(), value_operators.begin(), value_operators.end());
    for (int t = 0; t < RS_LAYER_TYPES; t++) {
        const std::vector<OnnxOperator> &own = layer_formats(static_cast<rs_layer_type>(t)).onnx_operators;
        all.insert(all.end(), own.begin(), own.end());
    }
    std::sort(all.begin(), all.end(),
              [](const OnnxOperator &a, const OnnxOperator &b) { return std::string(a.name) < b.name; });
    return all;
}

const std::vector<OnnxOperator> &onnx_operators()
{
    static const std::vector<OnnxOperator> table = collect();
    return table;
}

} // namespace ristretto
