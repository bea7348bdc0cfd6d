/* What a simulation or a board needs beside the ROMs: the array's parameters, the descriptor list, the initial memory.
 */
#ifndef RISTRETTO_PROGRAM_FILES_H
#define RISTRETTO_PROGRAM_FILES_H

#include "program/program.h"

/* Writes into `folder` (made if it is not there):
 *     array.f      the parameters of ristretto_array and ristretto_top, one -GNAME=VALUE a line (verilator -f)
 *     program.hex  the descriptors, for $readmemh: 32-bit words, 64 a descriptor
 *     memory.hex   the memory before an image is loaded, for $readmemh: one beat a line
 * RS_RESOURCE: it cannot be written. */
rs_status rs_program_write_images(const rs_program *program, const char *folder, rs_diag *diag);

#endif
