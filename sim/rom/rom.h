/* ROM files: docs/reference/formats.md, "ROM files". One file per layer and lane, and a JSON file per layer that
 * describes them. */
#ifndef RISTRETTO_ROM_ROM_H
#define RISTRETTO_ROM_ROM_H

#include "program/weight_order.h"
#include "qnet/qnet.h"

typedef enum rs_rom_format {
    RS_ROM_HEX,  /* $readmemh: one full-width hexadecimal word per line, nothing else */
    RS_ROM_COE,  /* Xilinx */
    RS_ROM_MIF,  /* Altera */
    RS_ROM_IHEX, /* Intel HEX, words as bytes, little endian */
    RS_ROM_C,    /* a C header with an array of integers */
    RS_ROM_NPY,  /* NumPy, [depth][elements] */
    RS_ROM_FORMATS
} rs_rom_format;

/* "hex", "coe", "mif", "ihex", "c", "npy"; and the extension of file names, with its dot. */
const char *rs_rom_format_name(rs_rom_format format);
const char *rs_rom_extension(rs_rom_format format);

/* Contents of a ROM: words of `elements` integers of `bits` bits, two's complement; element 0 at the least significant
 * end. elements 1 to 4096, bits 1 to 64. */
typedef struct rs_rom {
    int elements, bits;
    int64_t depth;
    int64_t *values; /* [depth][elements] */
} rs_rom;

void rs_rom_free(rs_rom *rom);
/* `name` becomes the name of the array in a C header (what is no identifier is replaced). Values must fit. *crc (may
 * be NULL): CRC-32 of the file. The same contents give the same bytes. */
rs_status rs_rom_write(const rs_rom *rom, rs_rom_format format, const char *name, const char *path, uint32_t *crc,
                       rs_diag *diag);
/* Reads RS_ROM_HEX or RS_ROM_NPY back into a ROM whose elements, bits and depth the caller has set; others are
 * RS_USAGE. RS_BAD_INPUT, located at the line: a digit that is none, a word of another width, too few or too many
 * words. */
rs_status rs_rom_read(rs_rom *rom, rs_rom_format format, const char *path, uint32_t *crc, rs_diag *diag);

typedef struct rs_rom_options {
    rs_rom_format format;
    int lanes, multipliers; /* L and X of the array, 1 to 64 */
    int weight_bits;        /* width of a weight in the words: the array's n; 0: the layer's own */
    int bias_bits; /* width of a bias: the array's accumulator; 0: what the layer's weights need. Those of minifloats
                      have 32 bits at a fractional length of their own, whatever this says */
    rs_weight_code code; /* how weights are written: for an array of shifters as shifts, of minifloats as their codes */
} rs_rom_options;

/* Writes FOLDER/LAYER.laneNN.EXT, LAYER.bias.laneNN.EXT and LAYER.json for every layer with weights, in the array's
 * order (docs/reference/array-data.md, "Weight order"); the JSON last. *words (may be NULL) receives the number of
 * words written. RS_USAGE: an option out of range. RS_BAD_INPUT: a weight or bias does not fit the width asked for; the
 * layer is named. */
rs_status rs_rom_export(const rs_qnet *qnet, const rs_rom_options *options, const char *folder, int64_t *words,
                        rs_diag *diag);
/* Reads what rs_rom_export wrote for this network back by its JSON files and compares every word. *compared: integers
 * that were compared. RS_MISMATCH: layer, lane, word and element are named. RS_BAD_INPUT: a file is missing or
 * malformed. Formats "hex" and "npy" only. */
rs_status rs_rom_verify(const rs_qnet *qnet, const char *folder, int64_t *compared, rs_diag *diag);

#endif
