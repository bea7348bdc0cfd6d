/* What is generated from the option tables: --help, man pages, shell completion. */
#ifndef RISTRETTO_CLI_MANUAL_H
#define RISTRETTO_CLI_MANUAL_H

#include <stdio.h>

#include "cli/options.h"

/* The list of commands; the help of one command. */
void rs_manual_overview(const rs_command_table *table, FILE *stream);
void rs_manual_command(const rs_command_table *table, const rs_command *command, FILE *stream);

/* man(7) source: ristretto.1 for NULL, ristretto-COMMAND.1 otherwise. */
void rs_manual_page(const rs_command_table *table, const rs_command *command, FILE *stream);

/* A bash completion function for every command and option. */
void rs_manual_bash(const rs_command_table *table, FILE *stream);

#endif
