/* An array with its program and the counts of one run. */
#include "flow/machine.h"

#include <string.h>

void rs_machine_close(rs_machine *m)
{
    rs_array_free(m->array);
    rs_program_free(m->program);
    rs_free(m->stats.layers);
    rs_free(m->memory);
    *m = (rs_machine) { .program = NULL };
}

rs_status rs_machine_open(const rs_qnet *qnet, const rs_array_config *config, rs_machine *m, rs_diag *diag)
{
    *m = (rs_machine) { .program = NULL };
    rs_status status = rs_program_compile(qnet, config, &m->program, diag);
    if (status == RS_OK)
        status = rs_array_new(m->program, &m->array, diag);
    if (status == RS_OK) {
        m->stats.n_layers = m->program->n_layers;
        m->stats.layers = RS_NEW_ARRAY(rs_layer_stats, (size_t)m->program->n_layers);
        m->memory = rs_calloc((size_t)m->program->memory_beats, (size_t)rs_program_beat_bytes(m->program));
        if (m->stats.layers == NULL || m->memory == NULL)
            status = rs_out_of_memory(diag);
    }
    if (status != RS_OK)
        rs_machine_close(m);
    return status;
}

rs_status rs_machine_count(rs_machine *m, rs_diag *diag)
{
    return rs_array_run(m->array, NULL, 0, NULL, NULL, &m->stats, diag);
}

/* The last tensor is the scores. */
rs_status rs_machine_run(rs_machine *m, const uint8_t *pixels, uint64_t run, rs_run_stats *stats, int32_t *scores,
                         rs_diag *diag)
{
    const rs_program *p = m->program;
    memcpy(m->memory, p->memory, (size_t)(p->memory_beats * rs_program_beat_bytes(p)));
    rs_program_load_image(p, pixels, m->memory);
    const rs_status status = rs_array_run(m->array, m->memory, run, NULL, NULL, stats, diag);
    if (status == RS_OK)
        rs_program_read_tensor(p, m->memory, p->qnet->n_tensors - 1, scores);
    return status;
}
