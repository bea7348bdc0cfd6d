/* The sections of a report as text; private to sim/report/. */
#ifndef RISTRETTO_REPORT_PRINTERS_H
#define RISTRETTO_REPORT_PRINTERS_H

#include <stdio.h>

#include <jansson.h>

void rs_print_test(const json_t *section, FILE *stream);
void rs_print_quantize(const json_t *section, FILE *stream);
void rs_print_finetune(const json_t *section, FILE *stream);
void rs_print_simulate(const json_t *section, FILE *stream);
void rs_print_cosim(const json_t *section, FILE *stream);
void rs_print_unit(const json_t *section, FILE *stream);
void rs_print_estimate(const json_t *section, FILE *stream);
void rs_print_export(const json_t *section, FILE *stream);
void rs_print_pareto(const json_t *section, FILE *stream);

#endif
