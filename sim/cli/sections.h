/* The stages of sim/flow, each with the section of the report that it makes: for commands and runs alike. */
#ifndef RISTRETTO_CLI_SECTIONS_H
#define RISTRETTO_CLI_SECTIONS_H

#include "report/sections/sections.h"

/* Arguments are those of rs_stage_NAME (sim/flow). *section: a new reference; it is there after RS_MISMATCH as well,
 * and NULL after any other failure. */
rs_status rs_run_test(rs_net *net, const rs_dataset *set, const rs_test_stage *stage, json_t **section, rs_diag *diag);
/* Writes the section into the stage's folder as well: quantize.json, pareto.json, finetune.json. */
rs_status rs_run_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, json_t **section,
                          rs_diag *diag);
rs_status rs_run_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, const char *technology,
                        json_t **section, rs_diag *diag);
rs_status rs_run_finetune(const rs_solver_param *solver, const rs_finetune_options *options, const rs_dataset *test,
                          json_t **section, rs_diag *diag);
rs_status rs_run_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                          const rs_data_override *over, json_t **section, rs_diag *diag);
/* Prints a mismatch on stderr. */
rs_status rs_run_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                       const rs_data_override *over, const rs_lockstep_options *options, json_t **section,
                       rs_diag *diag);
rs_status rs_run_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology, json_t **section,
                          rs_diag *diag);
rs_status rs_run_export(const rs_qnet *qnet, const rs_array_config *config, rs_rom_format format, const char *folder,
                        json_t **section, rs_diag *diag);

#endif
