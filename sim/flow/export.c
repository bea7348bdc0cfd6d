/* The stage that writes ROMs. */
#include "flow/export.h"

#include "program/files.h"

rs_status rs_stage_export(const rs_qnet *qnet, const rs_array_config *config, rs_rom_format format, const char *folder,
                          rs_export_outcome *outcome, rs_diag *diag)
{
    *outcome = (rs_export_outcome) { .format = format, .folder = folder, .compared = -1 };
    rs_status status = rs_program_compile(qnet, config, &outcome->program, diag);
    if (status != RS_OK)
        return status;
    const rs_array_config *c = &outcome->program->config;
    const bool minifloat = c->pe == RS_PE_MINIFLOAT;
    const rs_rom_options options = { .format = format,
                                     .lanes = c->lanes,
                                     .multipliers = c->multipliers,
                                     .code = rs_array_weight_code(c),
                                     .weight_bits = c->weight_bits,
                                     .bias_bits = minifloat ? 0 : c->accumulator_bits };
    status = rs_rom_export(qnet, &options, folder, &outcome->words, diag);
    if (status == RS_OK && (format == RS_ROM_HEX || format == RS_ROM_NPY))
        status = rs_rom_verify(qnet, folder, &outcome->compared, diag);
    if (status == RS_OK)
        status = rs_program_write_images(outcome->program, folder, diag);
    for (int i = 0; i < qnet->n_ops; i++)
        outcome->files += rs_qop_weighted(&qnet->ops[i]) ? 2 * c->lanes : 0; /* weights and biases of each lane */
    return status;
}

void rs_export_outcome_clear(rs_export_outcome *outcome)
{
    rs_program_free(outcome->program);
    outcome->program = NULL;
}
