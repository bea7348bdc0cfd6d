// Weights (caffemodel) and solver states.
#include <climits>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/memory.h"
#include "import/caffe.h"
#include "import/caffe_text.h"
#include "import/caffe_wire.h"

namespace ristretto {
namespace {

struct FreeBlock {
    void operator()(void *block) const { rs_free(block); }
};
using Bytes = std::unique_ptr<uint8_t, FreeBlock>;

rs_status corrupt(rs_diag *diag, const char *path, const std::string &who, const Fault &fault)
{
    return bad(diag, rs_loc{path, 0, 0}, "the file is truncated or corrupt",
               who + fault.what + " at byte " + std::to_string(fault.offset));
}

// A layer as it stands in the file, its blobs not yet decoded.
struct WeightLayer {
    std::string name;
    std::vector<Span> blobs;
};

// Takes name and blobs out of a layer of any of the three forms.
bool scan_layer(const uint8_t *file, Span message, int name_field, int blobs_field, WeightLayer *layer, Fault *fault)
{
    WireReader reader(file, message);
    WireField field;
    while (reader.next(&field, fault)) {
        if (field.type != WireType::BYTES)
            continue;
        if (field.number == name_field)
            layer->name.assign(reinterpret_cast<const char *>(field.bytes.data), field.bytes.size);
        else if (field.number == blobs_field)
            layer->blobs.push_back(field.bytes);
    }
    return fault->what.empty();
}

bool scan_v1(const uint8_t *file, Span message, WeightLayer *layer, Fault *fault)
{
    using V1 = caffe::V1LayerParameter;
    using V0 = caffe::V0LayerParameter;
    WireReader reader(file, message);
    WireField field;
    while (reader.next(&field, fault))
        if (field.type == WireType::BYTES && field.number == V1::kLayerFieldNumber)
            if (!scan_layer(file, field.bytes, V0::kNameFieldNumber, V0::kBlobsFieldNumber, layer, fault))
                return false;
    return fault->what.empty() && scan_layer(file, message, V1::kNameFieldNumber, V1::kBlobsFieldNumber, layer, fault);
}

rs_status scan_net(const char *path, Span file, std::vector<WeightLayer> *layers, rs_diag *diag)
{
    constexpr std::size_t max_layers = 1000000;
    using Net = caffe::NetParameter;
    using V2 = caffe::LayerParameter;
    WireReader reader(file.data, file);
    WireField field;
    Fault fault;
    while (reader.next(&field, &fault)) {
        const bool old = field.number == Net::kLayersFieldNumber;
        if (field.type != WireType::BYTES || !(old || field.number == Net::kLayerFieldNumber))
            continue;
        WeightLayer layer;
        const bool sound =
            old ? scan_v1(file.data, field.bytes, &layer, &fault)
                : scan_layer(file.data, field.bytes, V2::kNameFieldNumber, V2::kBlobsFieldNumber, &layer, &fault);
        if (!sound)
            return corrupt(diag, path, layer.name.empty() ? "" : "layer " + quoted(layer.name) + ": ", fault);
        if (layers->size() == max_layers)
            return bad(diag, rs_loc{path, 0, 0}, "the file is corrupt",
                       "more than " + std::to_string(max_layers) + " layers");
        layers->push_back(std::move(layer));
    }
    if (!fault.what.empty())
        return corrupt(diag, path, layers->empty() ? "" : "after layer " + quoted(layers->back().name) + ": ", fault);
    if (layers->empty())
        return bad(diag, rs_loc{path, 0, 0}, "", "the file holds no layers, expected weights (caffemodel)");
    return RS_OK;
}

// Shapes that differ only in leading ones mean the same: files of the older form have four axes always.
bool same_meaning(const rs_shape &a, const rs_shape &b)
{
    int i = 0, j = 0;
    while (i < a.n_axes && a.dim[i] == 1)
        i++;
    while (j < b.n_axes && b.dim[j] == 1)
        j++;
    for (; i < a.n_axes && j < b.n_axes; i++, j++)
        if (a.dim[i] != b.dim[j])
            return false;
    return i == a.n_axes && j == b.n_axes;
}

std::string declared_at(const rs_layer &layer)
{
    if (layer.loc.file == nullptr)
        return "";
    return "the net declares it at " + std::string(layer.loc.file) + ":" + std::to_string(layer.loc.line);
}

rs_status read_params(const char *path, Span file, const WeightLayer &from, rs_layer *layer, rs_diag *diag)
{
    const rs_loc loc{path, 0, 0};
    const std::string who = "layer " + quoted(layer->name);
    if (from.blobs.size() != static_cast<std::size_t>(layer->n_params))
        return bad(diag, loc, declared_at(*layer),
                   who + " has " + std::to_string(from.blobs.size()) +
                       (from.blobs.size() == 1 ? " blob" : " blobs") + " in the file, expected " +
                       std::to_string(layer->n_params) + (layer->n_params == 2 ? " (weights, bias)" : " (weights)"));
    rs_status status = RS_OK;
    for (int p = 0; p < layer->n_params; p++) {
        rs_param *param = &layer->params[p];
        rs_param read{};
        const std::string what = who + ", " + (p == 0 ? "weights" : "bias");
        const rs_status st = read_blob(path, file.data, from.blobs[static_cast<std::size_t>(p)], what, &read, diag);
        if (st != RS_OK) {
            status = st;
            continue;
        }
        if (param->data == nullptr || !same_meaning(read.shape, param->shape)) {
            char is[192], expected[192];
            status = bad(diag, loc, declared_at(*layer),
                         what + ": the shape is " + rs_shape_text(&read.shape, is, sizeof is) + ", expected " +
                             rs_shape_text(&param->shape, expected, sizeof expected));
            rs_free(read.data);
            continue;
        }
        rs_free(param->data);
        param->data = read.data;
    }
    return status;
}

rs_status read_weights(const char *path, rs_net *net, rs_diag *diag)
{
    uint8_t *data = nullptr;
    std::size_t size = 0;
    rs_status st = read_binary(path, "weights (caffemodel)", &data, &size, diag);
    if (st != RS_OK)
        return st;
    const Bytes owner(data);
    const Span file{data, size};
    std::vector<WeightLayer> layers;
    st = scan_net(path, file, &layers, diag);
    if (st != RS_OK)
        return st;

    const rs_loc loc{path, 0, 0};
    std::vector<std::string> names, extra;
    for (const WeightLayer &l : layers) {
        if (l.blobs.empty())
            continue;
        names.push_back(l.name);
        if (rs_net_layer(net, l.name.c_str()) < 0)
            extra.push_back(l.name);
    }
    for (int i = 0; i < net->n_layers; i++) {
        rs_layer *layer = &net->layers[i];
        if (layer->n_params == 0)
            continue;
        const WeightLayer *from = nullptr;
        bool twice = false;
        for (const WeightLayer &l : layers)
            if (!l.blobs.empty() && l.name == layer->name) {
                twice = from != nullptr;
                from = &l;
            }
        rs_status result = RS_OK;
        if (from == nullptr)
            result = bad(diag, loc, did_you_mean(layer->name, names),
                         "the file has no weights for layer " + quoted(layer->name));
        else if (twice)
            result = bad(diag, loc, "", "layer " + quoted(layer->name) + " is in the file twice");
        else
            result = read_params(path, file, *from, layer, diag);
        if (st == RS_OK)
            st = result;
    }
    if (!extra.empty()) {
        std::string list;
        for (std::size_t i = 0; i < extra.size() && i < 5; i++)
            list += (i > 0 ? ", " : "") + quoted(extra[i]);
        rs_warn(diag, loc, nullptr, "%zu layer%s of the file %s not in the net: %s%s", extra.size(),
                extra.size() == 1 ? "" : "s", extra.size() == 1 ? "is" : "are", list.c_str(),
                extra.size() > 5 ? ", ..." : "");
    }
    return st;
}

// ---- writing

// An output file that is discarded unless it is committed.
class Output {
public:
    explicit Output(rs_diag *diag) : diag_(diag) {}
    ~Output()
    {
        if (out_ != nullptr)
            rs_output_discard(out_);
    }
    Output(const Output &) = delete;
    Output &operator=(const Output &) = delete;

    rs_status open(const char *path) { return rs_output_open(path, &out_, diag_); }
    // Writes a message; several in a row are one, as if their fields had been written together. Errors show at commit.
    void write(const Message &message)
    {
        const std::string bytes = message.SerializeAsString();
        std::fwrite(bytes.data(), 1, bytes.size(), rs_output_stream(out_));
    }
    rs_status commit()
    {
        rs_output *out = out_;
        out_ = nullptr;
        return rs_output_commit(out, diag_);
    }

private:
    rs_output *out_ = nullptr;
    rs_diag *diag_;
};

// A blob's message must stay below protocol buffers' limit of 2 GiB.
bool writable(const rs_param &param)
{
    const int64_t count = rs_shape_count(&param.shape, 0);
    return param.data != nullptr && count >= 0 && count < INT_MAX / static_cast<int64_t>(sizeof(float)) - 1024;
}

rs_status write_weights(const rs_net *net, const char *path, rs_diag *diag)
{
    for (int i = 0; i < net->n_layers; i++)
        for (int p = 0; p < net->layers[i].n_params; p++)
            if (!writable(net->layers[i].params[p]))
                return rs_error(diag, RS_INTERNAL, rs_loc{path, 0, 0}, nullptr,
                                "layer '%s': parameter %d has no values, or too many, to be written",
                                net->layers[i].name, p);
    Output out(diag);
    rs_status st = out.open(path);
    if (st != RS_OK)
        return st;
    caffe::NetParameter head;
    if (net->name != nullptr)
        head.set_name(net->name);
    out.write(head);
    for (int i = 0; i < net->n_layers; i++) {
        const rs_layer *layer = &net->layers[i];
        caffe::NetParameter part; // one layer at a time: the file is not built in memory
        caffe::LayerParameter *to = part.add_layer();
        to->set_name(layer->name);
        to->set_type(rs_layer_type_name(layer->type));
        for (int b = 0; b < layer->n_bottoms; b++)
            to->add_bottom(net->blobs[layer->bottoms[b]].name);
        for (int t = 0; t < layer->n_tops; t++)
            to->add_top(net->blobs[layer->tops[t]].name);
        for (int p = 0; p < layer->n_params; p++)
            write_blob(layer->params[p], to->add_blobs());
        out.write(part);
    }
    return out.commit();
}

// ---- solver states

struct FreeState {
    void operator()(rs_solver_state *state) const { rs_solver_state_free(state); }
};

rs_status read_state(const char *path, rs_solver_state **result, rs_diag *diag)
{
    using Proto = caffe::SolverState;
    const rs_loc loc{path, 0, 0};
    uint8_t *data = nullptr;
    std::size_t size = 0;
    rs_status st = read_binary(path, "a solver state", &data, &size, diag);
    if (st != RS_OK)
        return st;
    const Bytes owner(data);
    const Span file{data, size};

    std::unique_ptr<rs_solver_state, FreeState> state(RS_NEW(rs_solver_state));
    if (state == nullptr)
        throw std::bad_alloc();
    std::vector<Span> history;
    bool has_iter = false;
    WireReader reader(data, file);
    WireField field;
    Fault fault;
    while (reader.next(&field, &fault)) {
        if (field.number == Proto::kIterFieldNumber && field.type == WireType::VARINT) {
            state->iter = static_cast<int32_t>(field.value);
            has_iter = true;
        } else if (field.number == Proto::kCurrentStepFieldNumber && field.type == WireType::VARINT) {
            state->current_step = static_cast<int32_t>(field.value);
        } else if (field.number == Proto::kLearnedNetFieldNumber && field.type == WireType::BYTES) {
            rs_free(state->learned_net);
            state->learned_net = rs_strndup(reinterpret_cast<const char *>(field.bytes.data), field.bytes.size);
            if (state->learned_net == nullptr)
                throw std::bad_alloc();
        } else if (field.number == Proto::kHistoryFieldNumber && field.type == WireType::BYTES) {
            history.push_back(field.bytes);
        }
    }
    if (!fault.what.empty())
        return corrupt(diag, path, "", fault);
    if (!has_iter)
        return bad(diag, loc, "", "the file has no iteration number, expected a solver state");
    if (state->iter < 0 || state->current_step < 0)
        return bad(diag, loc, "",
                   "iteration " + std::to_string(state->iter) + ", step " + std::to_string(state->current_step) +
                       ", expected at least 0");
    state->history = RS_NEW_ARRAY(rs_param, history.size());
    if (state->history == nullptr)
        throw std::bad_alloc();
    for (const Span &h : history) {
        st = read_blob(path, data, h, "history " + std::to_string(state->n_history), &state->history[state->n_history],
                       diag);
        if (st != RS_OK)
            return st;
        state->n_history++;
    }
    *result = state.release();
    return RS_OK;
}

rs_status write_state(const rs_solver_state *state, const char *path, rs_diag *diag)
{
    for (int i = 0; i < state->n_history; i++)
        if (!writable(state->history[i]))
            return rs_error(diag, RS_INTERNAL, rs_loc{path, 0, 0}, nullptr,
                            "history %d has no values, or too many, to be written", i);
    if (state->iter < 0 || state->iter > INT_MAX || state->current_step < 0 || state->current_step > INT_MAX)
        return rs_error(diag, RS_INTERNAL, rs_loc{path, 0, 0}, nullptr, "the iteration number is out of range");
    Output out(diag);
    rs_status st = out.open(path);
    if (st != RS_OK)
        return st;
    caffe::SolverState head;
    head.set_iter(static_cast<int>(state->iter));
    if (state->learned_net != nullptr)
        head.set_learned_net(state->learned_net);
    out.write(head);
    for (int i = 0; i < state->n_history; i++) {
        caffe::SolverState part;
        write_blob(state->history[i], part.add_history());
        out.write(part);
    }
    caffe::SolverState tail;
    tail.set_current_step(static_cast<int>(state->current_step));
    out.write(tail);
    return out.commit();
}

} // namespace
} // namespace ristretto

extern "C" rs_status rs_caffe_read_weights(const char *path, rs_net *net, rs_diag *diag)
{
    try {
        return ristretto::read_weights(path, net, diag);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}

extern "C" rs_status rs_caffe_write_weights(const rs_net *net, const char *path, rs_diag *diag)
{
    try {
        return ristretto::write_weights(net, path, diag);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}

extern "C" rs_status rs_caffe_read_solver_state(const char *path, rs_solver_state **state, rs_diag *diag)
{
    *state = nullptr;
    try {
        return ristretto::read_state(path, state, diag);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}

extern "C" rs_status rs_caffe_write_solver_state(const rs_solver_state *state, const char *path, rs_diag *diag)
{
    try {
        return ristretto::write_state(state, path, diag);
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    }
}

extern "C" void rs_solver_state_free(rs_solver_state *state)
{
    if (state == nullptr)
        return;
    for (int i = 0; i < state->n_history; i++)
        rs_free(state->history[i].data);
    rs_free(state->history);
    rs_free(state->learned_net);
    rs_free(state);
}
