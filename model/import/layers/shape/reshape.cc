// Flatten and Reshape, and the operators of ONNX that give a value another shape.
#include <algorithm>

#include "import/layers/rule.h"

namespace ristretto
{
namespace
{

void flatten_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::FlattenParameter &p = r.param().flatten_param();
    const Node node = r.node().in("flatten_param");
    out->flatten.axis = p.axis();
    out->flatten.end_axis = p.end_axis();
    r.not_batch(p.axis(), node, "axis");
    r.not_batch(p.end_axis(), node, "end_axis");
}

void flatten_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_flatten_param()->set_axis(static_cast<int>(layer.flatten.axis));
    to->mutable_flatten_param()->set_end_axis(static_cast<int>(layer.flatten.end_axis));
}

void reshape_read_caffe(LayerReader &r, rs_layer *out)
{
    const caffe::ReshapeParameter &p = r.param().reshape_param();
    const Node node = r.node().in("reshape_param"), shape = node.in("shape");
    rs_reshape_param *to = &out->reshape;
    to->axis = p.axis();
    to->num_axes = r.within(p.num_axes(), -1, RS_MAX_AXES, node, "num_axes");
    if (p.shape().dim_size() > RS_MAX_AXES) {
        r.bad(shape.loc(), "",
              r.name() + ": a shape of " + std::to_string(p.shape().dim_size()) + " axes, expected at most " +
                  std::to_string(RS_MAX_AXES));
        return;
    }
    bool free = false;
    for (int i = 0; i < p.shape().dim_size(); i++) {
        const int64_t d = r.within(p.shape().dim(i), -1, max_size, shape, "dim", i);
        if (d == -1 && free)
            r.bad(shape.at("dim", i), "", r.name() + ": a second dim of -1, expected one at most");
        free = free || d == -1;
        to->shape.dim[to->shape.n_axes++] = d;
    }
}

void reshape_write_caffe(const rs_net &, const rs_layer &layer, caffe::LayerParameter *to)
{
    to->mutable_reshape_param()->set_axis(static_cast<int>(layer.reshape.axis));
    to->mutable_reshape_param()->set_num_axes(static_cast<int>(layer.reshape.num_axes));
    write_shape(layer.reshape.shape, to->mutable_reshape_param()->mutable_shape());
}

// The value of input 0 in another shape.
void reshaped(OnnxReader &r, std::vector<int64_t> dims)
{
    const Value v = r.value(0);
    if (v.padded())
        (void)r.blob(0);
    const rs_shape from = r.shape_of(v);
    if (dims.size() > RS_MAX_AXES || dims.empty())
        r.refuse("a shape of " + std::to_string(dims.size()) + " axes, expected 1 to " + std::to_string(RS_MAX_AXES));
    rs_shape to = { static_cast<int>(dims.size()), { 0 } };
    std::copy(dims.begin(), dims.end(), to.dim);
    if (rs_shape_count(&to, 0) != rs_shape_count(&from, 0))
        r.refuse("an input of " + shape_text(from) + " cannot become " + shape_text(to));
    if (to.dim[0] != from.dim[0])
        r.refuse("an input of " + shape_text(from) + " would become " + shape_text(to) + ", expected the same batch");
    if (rs_shape_equal(&to, &from))
        return r.alias(r.node().output(0), v);
    if (to.n_axes == 2) {
        Value flat = v;
        if (flat.flat.empty())
            flat.flat = r.node_name();
        return r.alias(r.node().output(0), flat);
    }
    rs_layer &l = r.layer(RS_LAYER_RESHAPE, { v.blob });
    l.reshape.axis = 0;
    l.reshape.num_axes = -1;
    l.reshape.shape = to;
    l.reshape.shape.dim[0] = 0; // whatever the batch
    r.finish();
    r.named(r.node().output(0)).quantized = v.quantized;
}
void read_reshape(OnnxReader &r)
{
    std::vector<int64_t> dims = r.whole(*r.constant(1, "shape"), "shape");
    const bool is_const = r.is_constant(0);
    const std::vector<int64_t> from = r.dims(0);
    const int64_t count = count_of(from);
    int64_t known = 1;
    std::size_t open = dims.size();
    for (std::size_t i = 0; i < dims.size(); i++) {
        if (dims[i] == 0 && r.integer("allowzero", 0) == 0)
            dims[i] = i < from.size() ? from[i] : -2;
        if (dims[i] == -1 && open == dims.size())
            open = i;
        else if (dims[i] < 0 || (dims[i] > 0 && known > RS_MAX_ELEMENTS / dims[i]))
            r.refuse("a wrong shape");
        else
            known *= dims[i];
    }
    if (open < dims.size()) {
        if (known == 0 || count % known != 0)
            r.refuse("the shape leaves a remainder");
        dims[open] = count / known;
    }
    if (!is_const)
        return reshaped(r, dims);
    if (count_of(dims) != count)
        r.refuse("a constant of " + r.value(0).constant->shape_text() + " cannot have this shape");
    auto t = std::make_shared<Tensor>(*r.value(0).constant);
    t->dims = dims;
    r.give(t);
}

void read_flatten(OnnxReader &r)
{
    const Value &v = r.value(0);
    if (v.constant != nullptr)
        r.refuse("its input is a constant");
    const rs_shape s = r.shape_of(v);
    int64_t a = r.integer("axis", 1);
    a = a == s.n_axes ? a : r.axis(a, s.n_axes);
    int64_t front = 1;
    for (int64_t i = 0; i < a; i++)
        front *= s.dim[i];
    reshaped(r, { front, front == 0 ? 0 : rs_shape_count(&s, 0) / front });
}

// The value of input 0, constant or not, in another shape of as many values.
void give_reshaped(OnnxReader &r, const std::vector<int64_t> &dims)
{
    if (!r.is_constant(0))
        return reshaped(r, dims);
    auto t = std::make_shared<Tensor>(*r.value(0).constant);
    t->dims = dims;
    r.give(t);
}

void read_unsqueeze(OnnxReader &r)
{
    const std::vector<int64_t> axes = r.list("axes", 1), dims = r.dims(0);
    const std::size_t n = dims.size() + axes.size();
    if (axes.empty() || n > RS_MAX_AXES)
        r.refuse("wrong axes");
    std::vector<int64_t> out;
    out.resize(n);
    for (const int64_t a : axes)
        out[static_cast<std::size_t>(r.axis(a, static_cast<int>(n)))] = 1;
    std::size_t next = 0;
    for (int64_t &d : out)
        if (d == 0) {
            if (next == dims.size())
                r.refuse("an axis is given twice");
            d = dims[next++];
        }
    if (next != dims.size())
        r.refuse("an axis is given twice");
    give_reshaped(r, out);
}

void read_squeeze(OnnxReader &r)
{
    const std::vector<int64_t> axes = r.list("axes", 1);
    const bool is_const = r.is_constant(0);
    const std::vector<int64_t> dims = r.dims(0);
    std::vector<bool> gone(dims.size(), false);
    for (std::size_t i = 0; i < dims.size() && axes.empty(); i++)
        gone[i] = dims[i] == 1 && (is_const || i > 0); // without axes: all of size 1, the batch aside
    for (const int64_t a : axes)
        gone[static_cast<std::size_t>(r.axis(a, static_cast<int>(dims.size())))] = true;
    std::vector<int64_t> out;
    for (std::size_t i = 0; i < dims.size(); i++) {
        if (!gone[i])
            out.push_back(dims[i]);
        else if (dims[i] != 1)
            r.refuse("axis " + std::to_string(i) + " is not of size 1");
    }
    give_reshaped(r, out);
}

// A constant with its axes in another order.
std::shared_ptr<Tensor> transposed(const Tensor &from, const std::vector<int64_t> &perm)
{
    auto t = std::make_shared<Tensor>(from);
    for (std::size_t i = 0; i < perm.size(); i++)
        t->dims[i] = from.dims[static_cast<std::size_t>(perm[i])];
    // Walks through the result in order; `step` is the distance in the source for one step along each of its axes.
    std::vector<std::size_t> step(perm.size()), at(perm.size(), 0);
    for (std::size_t i = 0; i < perm.size(); i++) {
        std::size_t s = 1;
        for (std::size_t k = static_cast<std::size_t>(perm[i]) + 1; k < from.dims.size(); k++)
            s *= static_cast<std::size_t>(from.dims[k]);
        step[i] = s;
    }
    for (std::size_t n = 0; n < from.size(); n++) {
        std::size_t source = 0;
        for (std::size_t i = 0; i < perm.size(); i++)
            source += at[i] * step[i];
        if (t->is_float)
            t->floats[n] = from.floats[source];
        else
            t->ints[n] = from.ints[source];
        for (std::size_t i = perm.size(); i-- > 0;) {
            if (++at[i] < static_cast<std::size_t>(t->dims[i]))
                break;
            at[i] = 0;
        }
    }
    return t;
}

void read_transpose(OnnxReader &r)
{
    std::vector<int64_t> perm = r.integers("perm");
    const bool is_const = r.is_constant(0);
    std::vector<int64_t> dims = r.dims(0);
    if (perm.empty())
        for (std::size_t i = 0; i < dims.size(); i++)
            perm.push_back(static_cast<int64_t>(dims.size() - i) - 1);
    std::vector<bool> seen(dims.size(), false);
    std::vector<int64_t> out;
    for (const int64_t p : perm) {
        if (p < 0 || p >= static_cast<int64_t>(dims.size()) || seen[static_cast<std::size_t>(p)])
            r.refuse("a wrong permutation");
        seen[static_cast<std::size_t>(p)] = true;
        out.push_back(dims[static_cast<std::size_t>(p)]);
    }
    if (perm.size() != dims.size())
        r.refuse("a permutation of " + std::to_string(perm.size()) + " axes for a value of " +
                 std::to_string(dims.size()));
    int64_t last = -1;
    bool moves = false; // axes of more than one value change their order
    for (const int64_t p : perm)
        if (dims[static_cast<std::size_t>(p)] != 1) {
            moves = moves || p < last;
            last = p;
        }
    if (!is_const) {
        if (!moves)
            return reshaped(r, out);
        if (perm[0] != 0)
            r.refuse("it moves the batch, axis 0, to another place");
        rs_layer &l = r.layer(RS_LAYER_PERMUTE, { r.blob(0) });
        l.permute.n_axes = static_cast<int>(perm.size());
        std::copy(perm.begin(), perm.end(), l.permute.dim);
        return r.finish();
    }
    r.give(transposed(*r.value(0).constant, perm));
}

void write_onnx(OnnxWriter &w)
{
    const rs_shape &to = w.net().blobs[w.layer().tops[0]].shape;
    const std::string x = w.bottom();
    if (to.n_axes == 2) {
        set(w.node("Flatten", { x }, w.top()), "axis", static_cast<int64_t>(1));
        return;
    }
    std::vector<int64_t> dims = dims_of(to);
    dims[0] = 0; // whatever the batch
    const std::string shape = w.whole(".shape", dims);
    w.node("Reshape", { x, shape }, w.top());
}

} // namespace

const LayerFormats flatten_formats = { { { "Flatten", { "flatten_param" }, false, false } },
                                       flatten_read_caffe,
                                       flatten_write_caffe,
                                       { { "Flatten", 1, 1, " axis ", read_flatten } },
                                       write_onnx };

const LayerFormats reshape_formats = { { { "Reshape", { "reshape_param" }, false, false } },
                                       reshape_read_caffe,
                                       reshape_write_caffe,
                                       { { "Reshape", 2, 2, " allowzero ", read_reshape },
                                         { "Squeeze", 1, 2, " axes ", read_squeeze },
                                         { "Transpose", 1, 1, " perm ", read_transpose },
                                         { "Unsqueeze", 1, 2, " axes ", read_unsqueeze } },
                                       write_onnx };

} // namespace ristretto
