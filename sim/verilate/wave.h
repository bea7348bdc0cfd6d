/* Waveforms on their way to the disk. */
#ifndef RISTRETTO_VERILATE_WAVE_H
#define RISTRETTO_VERILATE_WAVE_H

#include "base/diag.h"

/* The FST file and GTKWave's save file beside it, which appear when they are complete. The model's shim writes them. */
typedef struct rs_wave_output rs_wave_output;

/* RS_BAD_INPUT: a place cannot be written, or is a device or a pipe. */
rs_status rs_wave_open(const char *path, rs_wave_output **wave, rs_diag *diag);
/* What the shim wants to know: the two files to be written, and the name by which the first will be known. */
const char *rs_wave_file(const rs_wave_output *wave);
const char *rs_wave_save(const rs_wave_output *wave);
const char *rs_wave_title(const rs_wave_output *wave);
/* After the shim is closed. RS_RESOURCE: the file is not complete. RS_USAGE: nothing was recorded. */
rs_status rs_wave_commit(rs_wave_output *wave, rs_diag *diag);
/* NULL: nothing. */
void rs_wave_discard(rs_wave_output *wave);

#endif
