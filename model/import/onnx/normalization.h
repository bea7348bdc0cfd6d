// Local response normalization within channels, which ONNX has no operator for, and is written as
// x / (1 + alpha * AveragePool(x * x)) ^ beta (C++ side).
#ifndef RISTRETTO_IMPORT_ONNX_NORMALIZATION_H
#define RISTRETTO_IMPORT_ONNX_NORMALIZATION_H

#include <map>
#include <set>
#include <string>

#include "import/onnx/onnx.pb.h"
#include "net/net.h"

namespace ristretto
{

// What is known of the names of a graph before its nodes are read.
struct GraphNames {
    std::map<std::string, int> uses;   // of each name, by nodes and as outputs
    std::map<std::string, int> makers; // the node that gives each name
    std::map<std::string, const onnx::TensorProto *> initializers;
};

struct Normalizations {
    std::map<int, rs_lrn_param> ends; // Div nodes that end a normalization
    std::set<int> inner;              // the other nodes of those: they are not read on their own
};

// Finds all of them. The names that lie inside are no longer used then.
Normalizations find_normalizations(const onnx::GraphProto &graph, GraphNames *names);

} // namespace ristretto

#endif
