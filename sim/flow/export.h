/* The stage that writes ROMs. */
#ifndef RISTRETTO_FLOW_EXPORT_H
#define RISTRETTO_FLOW_EXPORT_H

#include "program/program.h"
#include "rom/rom.h"

typedef struct rs_export_outcome {
    rs_program *program;
    rs_rom_format format;
    const char *folder; /* the caller's */
    int64_t files, words;
    int64_t compared; /* integers read back; -1: the format is not read back */
} rs_export_outcome;

/* Writes ROMs into `folder` and, if the format can be read, reads them back. rs_export_outcome_clear, whatever the
 * status. */
rs_status rs_stage_export(const rs_qnet *qnet, const rs_array_config *config, rs_rom_format format, const char *folder,
                          rs_export_outcome *outcome, rs_diag *diag);
void rs_export_outcome_clear(rs_export_outcome *outcome);

#endif
