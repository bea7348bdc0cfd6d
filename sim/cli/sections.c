/* The stages of sim/flow, each with its section of the report. */
#include "cli/sections.h"

#include "base/file.h"
#include "report/report.h"

/* There is something to tell: the stage is done, whether or not it met its target. */
static bool told(rs_status status)
{
    return status == RS_OK || status == RS_MISMATCH;
}

/* A failure to make or write the section outranks a missed target. */
static rs_status first_of(rs_status made, rs_status status)
{
    return made != RS_OK ? made : status;
}

static rs_status keep(json_t *section, const char *folder, const char *name, rs_diag *diag)
{
    char *path = rs_path_join(folder, name);
    json_t *kept = rs_report_for_file(section);
    const rs_status status = path != NULL && kept != NULL ? rs_json_write(kept, path, diag) : rs_out_of_memory(diag);
    json_decref(kept);
    rs_free(path);
    return status;
}

rs_status rs_run_test(rs_net *net, const rs_dataset *set, const rs_test_stage *stage, json_t **section, rs_diag *diag)
{
    rs_test_outcome outcome;
    *section = NULL;
    const rs_status status = rs_stage_test(net, set, stage, &outcome, diag);
    return status == RS_OK ? rs_section_test(&outcome, section, diag) : status;
}

rs_status rs_run_quantize(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, json_t **section,
                          rs_diag *diag)
{
    rs_quantize_outcome outcome;
    *section = NULL;
    rs_status status = rs_stage_quantize(net, set, stage, &outcome, diag);
    if (told(status)) {
        rs_status made = rs_section_quantize(&outcome, section, diag);
        if (made == RS_OK)
            made = keep(*section, stage->out, "quantize.json", diag);
        status = first_of(made, status);
    }
    rs_quantize_outcome_clear(&outcome);
    return status;
}

rs_status rs_run_pareto(rs_net *net, const rs_dataset *set, const rs_quantize_stage *stage, const char *technology,
                        json_t **section, rs_diag *diag)
{
    rs_pareto_outcome outcome;
    *section = NULL;
    rs_status status = rs_stage_pareto(net, set, stage, technology, &outcome, diag);
    if (told(status)) {
        rs_status made = rs_section_pareto(&outcome, section, diag);
        if (made == RS_OK)
            made = keep(*section, stage->out, "pareto.json", diag);
        status = first_of(made, status);
    }
    rs_pareto_outcome_clear(&outcome);
    return status;
}

rs_status rs_run_finetune(const rs_solver_param *solver, const rs_finetune_options *options, const rs_dataset *test,
                          json_t **section, rs_diag *diag)
{
    rs_finetune_outcome outcome;
    *section = NULL;
    rs_status status = rs_stage_finetune(solver, options, test, &outcome, diag);
    if (status == RS_OK)
        status = rs_section_finetune(&outcome, section, diag);
    if (status == RS_OK)
        status = keep(*section, options->out, "finetune.json", diag);
    rs_finetune_outcome_clear(&outcome);
    return status;
}

rs_status rs_run_simulate(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                          const rs_data_override *over, json_t **section, rs_diag *diag)
{
    rs_simulation simulation;
    *section = NULL;
    rs_status status = rs_stage_simulate(qnet, config, set, slice, over, &simulation, diag);
    if (told(status))
        status = first_of(rs_section_simulate(&simulation, section, diag), status);
    rs_simulation_clear(&simulation);
    return status;
}

rs_status rs_run_cosim(const rs_qnet *qnet, const rs_array_config *config, const rs_dataset *set, rs_slice slice,
                       const rs_data_override *over, const rs_lockstep_options *options, json_t **section,
                       rs_diag *diag)
{
    rs_cosimulation c;
    *section = NULL;
    rs_status status = rs_stage_cosim(qnet, config, set, slice, over, options, &c, diag);
    const rs_lockstep_mismatch *mismatch = c.result.mismatch;
    if (status == RS_OK || (status == RS_MISMATCH && mismatch != NULL)) {
        if (mismatch != NULL)
            rs_lockstep_print(mismatch, stderr);
        status = first_of(rs_section_cosim(&c, section, diag), status);
    }
    rs_cosimulation_clear(&c);
    return status;
}

rs_status rs_run_estimate(const rs_qnet *qnet, const rs_array_config *config, const char *technology, json_t **section,
                          rs_diag *diag)
{
    rs_estimation estimation;
    *section = NULL;
    rs_status status = rs_stage_estimate(qnet, config, technology, &estimation, diag);
    if (status == RS_OK)
        status = rs_section_estimate(&estimation, section, diag);
    rs_estimation_clear(&estimation);
    return status;
}

rs_status rs_run_export(const rs_qnet *qnet, const rs_array_config *config, rs_rom_format format, const char *folder,
                        json_t **section, rs_diag *diag)
{
    rs_export_outcome outcome;
    *section = NULL;
    rs_status status = rs_stage_export(qnet, config, format, folder, &outcome, diag);
    if (status == RS_OK)
        status = rs_section_export(&outcome, section, diag);
    rs_export_outcome_clear(&outcome);
    return status;
}
