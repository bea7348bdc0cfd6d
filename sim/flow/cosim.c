/* The stages that run the Verilated RTL: lockstep with the model, and waveforms. */
#include "flow/cosim.h"

#include "base/memory.h"
#include "layers/exec.h"

/* Images that the RTL's scores get right. */
static rs_status count_right(const rs_dataset *part, const int32_t *scores, int64_t classes, int64_t *hits,
                             int64_t *ties, rs_diag *diag)
{
    const size_t n = (size_t)(part->count * classes);
    float *values = RS_NEW_ARRAY(float, n);
    if (values == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)scores[i]; /* at most 16 bits: exact */
    *hits = rs_count_hits(values, part->labels, part->count, classes, 1, ties);
    rs_free(values);
    return RS_OK;
}

rs_status rs_stage_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, const rs_lockstep_options *options, rs_cosimulation *c,
                         rs_diag *diag)
{
    const rs_qtensor *last = &qnet->tensors[qnet->n_tensors - 1];
    const int64_t classes = (int64_t)last->channels * last->height * last->width;
    rs_dataset *part = NULL;
    rs_lockstep_options o = *options;
    int32_t *scores = NULL;
    *c = (rs_cosimulation) { .program = NULL };
    o.first_image = slice.first;
    rs_status status = rs_stage_images(qnet, set, slice, over, RS_LOADED_MAX_BYTES, &part, diag);
    if (status == RS_OK)
        status = rs_program_compile(qnet, config, &c->program, diag);
    if (status == RS_OK && (scores = RS_NEW_ARRAY(int32_t, (size_t)(part->count * classes))) == NULL)
        status = rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_lockstep_run(c->program, part->pixels, part->count, &o, scores, &c->result, diag);
    if (status == RS_OK)
        status = count_right(part, scores, classes, &c->hits, &c->ties, diag);
    rs_dataset_free(part);
    rs_free(scores);
    return status;
}

void rs_cosimulation_clear(rs_cosimulation *c)
{
    rs_lockstep_result_clear(&c->result);
    rs_program_free(c->program);
}

rs_status rs_stage_trace(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                         const rs_data_override *over, uint64_t x_seed, const rs_wave *wave, rs_diag *diag)
{
    rs_dataset *part = NULL;
    rs_program *program = NULL;
    const rs_slice one = { slice.first, 1 };
    rs_status status = rs_stage_images(qnet, set, one, over, RS_LOADED_MAX_BYTES, &part, diag);
    if (status == RS_OK)
        status = rs_program_compile(qnet, config, &program, diag);
    if (status == RS_OK)
        status = rs_lockstep_trace(program, part->pixels, slice.first, x_seed, wave, diag);
    rs_program_free(program);
    rs_dataset_free(part);
    return status;
}
