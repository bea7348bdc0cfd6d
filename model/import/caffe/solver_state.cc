// Solver states: what a training goes on from.
#include <climits>
#include <memory>
#include <string>
#include <vector>

#include "import/caffe/blob.h"
#include "import/caffe/caffe.h"

namespace ristretto
{
namespace
{

struct FreeState {
    void operator()(rs_solver_state *state) const
    {
        rs_solver_state_free(state);
    }
};

rs_status read_state(const char *path, rs_solver_state **result, rs_diag *diag)
{
    using Proto = caffe::SolverState;
    const rs_loc loc { path, 0, 0 };
    uint8_t *data = nullptr;
    std::size_t size = 0;
    rs_status st = read_binary(path, "a solver state", false, &data, &size, diag);
    if (st != RS_OK)
        return st;
    const Bytes owner(data);
    const Span file { data, size };

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
            return rs_error(diag, RS_INTERNAL, rs_loc { path, 0, 0 }, nullptr,
                            "history %d has no values, or too many, to be written", i);
    if (state->iter < 0 || state->iter > INT_MAX || state->current_step < 0 || state->current_step > INT_MAX)
        return rs_error(diag, RS_INTERNAL, rs_loc { path, 0, 0 }, nullptr, "the iteration number is out of range");
    MessageFile out(diag);
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

extern "C" rs_status rs_caffe_read_solver_state(const char *path, rs_solver_state **state, rs_diag *diag)
{
    *state = nullptr;
    return ristretto::guarded(diag, [&] { return ristretto::read_state(path, state, diag); });
}

extern "C" rs_status rs_caffe_write_solver_state(const rs_solver_state *state, const char *path, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] { return ristretto::write_state(state, path, diag); });
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
