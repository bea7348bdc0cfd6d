// Finding normalizations within channels.
#include "import/onnx/normalization.h"

#include <algorithm>
#include <cmath>

#include "import/onnx/tensor.h"

namespace ristretto
{
namespace
{

class NormalizationFinder
{
  public:
    NormalizationFinder(const onnx::GraphProto &graph, GraphNames *names) : graph_(graph), names_(names)
    {
    }

    Normalizations find()
    {
        Normalizations found;
        for (int i = 0; i < graph_.node_size(); i++) {
            const onnx::NodeProto &div = graph_.node(i);
            rs_lrn_param p = { false, 0, 0, 0, 1 };
            float one = 0, two = 0;
            if (div.op_type() != "Div" || div.input_size() != 2)
                continue;
            const int pow = only(div.input(1), "Pow");
            if (pow < 0 || graph_.node(pow).input_size() != 2 || !number(graph_.node(pow).input(1), &p.beta))
                continue;
            const int add = only(graph_.node(pow).input(0), "Add");
            const int mul = add < 0 ? -1 : beside(graph_.node(add), "Mul", &one);
            const int pool = mul < 0 || one < 1 || one > 1 ? -1 : beside(graph_.node(mul), "AveragePool", &p.alpha);
            p.size = pool < 0 || graph_.node(pool).input_size() != 1 ? 0 : square_window(graph_.node(pool));
            if (p.size == 0)
                continue;
            const std::string &squares = graph_.node(pool).input(0);
            const int product = only(squares, "Mul"), power = only(squares, "Pow"),
                      square = product >= 0 ? product : power;
            if (square < 0 || graph_.node(square).input_size() != 2 || graph_.node(square).input(0) != div.input(0))
                continue;
            const std::string &other = graph_.node(square).input(1);
            if (product >= 0 ? other != div.input(0) : !(number(other, &two) && two >= 2 && two <= 2))
                continue;
            for (const int inner : { pow, add, mul, pool, square }) {
                found.inner.insert(inner);
                names_->uses.erase(graph_.node(inner).output(0));
            }
            names_->uses[div.input(0)] -= product >= 0 ? 2 : 1; // one reader is left: the layer
            found.ends.emplace(i, p);
        }
        return found;
    }

  private:
    // The node that gives a name, if nothing but one other node reads it; -1: there is none.
    int only(const std::string &name, const char *op) const
    {
        const auto made = names_->makers.find(name), uses = names_->uses.find(name);
        if (made == names_->makers.end() || uses == names_->uses.end() || uses->second != 1)
            return -1;
        const onnx::NodeProto &n = graph_.node(made->second);
        const bool own = n.domain().empty() || n.domain() == "ai.onnx";
        return own && n.op_type() == op && n.output_size() == 1 ? made->second : -1;
    }
    // The one number that a name stands for.
    bool number(const std::string &name, float *to) const
    {
        const auto init = names_->initializers.find(name);
        const onnx::TensorProto *proto = init != names_->initializers.end() ? init->second : nullptr;
        const auto made = names_->makers.find(name);
        if (proto == nullptr && made != names_->makers.end() && graph_.node(made->second).op_type() == "Constant" &&
            graph_.node(made->second).attribute_size() == 1 && graph_.node(made->second).attribute(0).has_t())
            proto = &graph_.node(made->second).attribute(0).t();
        Tensor t;
        if (proto == nullptr || proto->dims_size() > 4 || !decode(*proto, &t).empty() || !t.is_float || t.size() != 1)
            return false;
        *to = t.floats[0];
        return std::isfinite(*to);
    }
    // The node behind the one input that is no number, which goes to *to.
    int beside(const onnx::NodeProto &n, const char *op, float *to) const
    {
        for (int i = 0; i < 2 && n.input_size() == 2; i++)
            if (number(n.input(1 - i), to))
                return only(n.input(i), op);
        return -1;
    }
    static bool all_are(const onnx::AttributeProto &a, int n, int64_t value)
    {
        return a.ints_size() == n &&
               std::all_of(a.ints().begin(), a.ints().end(), [=](int64_t v) { return v == value; });
    }
    // The side of the window of an average over squares around each place, the padding counted; 0: it is another one.
    static int64_t square_window(const onnx::NodeProto &pool)
    {
        int64_t size = 0;
        for (const auto &a : pool.attribute())
            if (a.name() == "kernel_shape" && a.ints_size() == 2 && a.ints(0) == a.ints(1) && a.ints(0) > 0 &&
                a.ints(0) % 2 == 1)
                size = a.ints(0);
        bool padded = size == 1, counted = size == 1, good = size > 0;
        for (const auto &a : pool.attribute()) {
            padded = padded || (a.name() == "pads" && all_are(a, 4, (size - 1) / 2));
            counted = counted || (a.name() == "count_include_pad" && a.i() == 1);
            good = good && (a.name() != "strides" || all_are(a, 2, 1)) && (a.name() != "ceil_mode" || a.i() == 0) &&
                   (a.name() != "auto_pad" || a.s() == "NOTSET");
        }
        return good && padded && counted ? size : 0;
    }

    const onnx::GraphProto &graph_;
    GraphNames *names_;
};

} // namespace

Normalizations find_normalizations(const onnx::GraphProto &graph, GraphNames *names)
{
    return NormalizationFinder(graph, names).find();
}

} // namespace ristretto
