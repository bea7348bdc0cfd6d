/* The program of an array: what the compiler makes of a quantized network (docs/microarchitecture.md). */
#ifndef RISTRETTO_PROGRAM_PROGRAM_H
#define RISTRETTO_PROGRAM_PROGRAM_H

#include "config/array_config.h"
#include "quant/qnet.h"

enum { RS_DESCRIPTOR_WORDS = 64 };

typedef struct rs_descriptor {
#define FIELD(name, bits, is_signed, meaning) int32_t name;
#include "program/descriptor.def"
#undef FIELD
} rs_descriptor;

/* A layer of the program: a weighted op with the pooling and the ReLU behind it, as one or more tiles. (A ReLU behind
 * max pooling is done before it: the values are the same, since requantize is monotone and keeps 0.) */
typedef struct rs_program_layer {
    char *name;      /* the weighted op's */
    int op, pool_op; /* indices into the qnet's ops; pool_op -1: none */
    int relu_op; /* a ReLU op of the qnet that this layer does as well; -1: none (the weighted op's own flag is apart)
                  */
    int input, output; /* tensor indices */
    int first, count;  /* descriptors */
    int64_t macs;      /* products that one image needs: no zeros of the padding, nothing twice for overlapping pooling
                          windows */
} rs_program_layer;

/* Where a tensor lies in memory, in beats. */
typedef struct rs_region {
    int64_t address, beats;
} rs_region;

typedef struct rs_program {
    rs_array_config config; /* a copy with every width resolved: no RS_BITS_AUTO left */
    const rs_qnet *qnet;    /* must outlive the program */
    int n_layers, n_descriptors;
    rs_program_layer *layers;
    rs_descriptor *descriptors;
    rs_region *tensors; /* by tensor; beats = 0: not in memory (fused away) */
    int64_t memory_beats;
    uint8_t *memory; /* initial contents, memory_beats * bus_bits / 8 bytes, weights and biases in place; little endian
                        in a beat */
} rs_program;

/* Chooses the tiling (bands of output rows) for the given buffers and lays out memory. Errors name the layer and say
 * which buffer is too small and by how much, or what the array cannot run; a width of the net that exceeds the array's
 * is an error that names both. */
rs_status rs_program_compile(const rs_qnet *qnet, const rs_array_config *config, rs_program **program, rs_diag *diag);
void rs_program_free(rs_program *program);

/* Puts one image ([channels][height][width] bytes) as quantized elements into `memory` (laid out as program->memory).
 */
void rs_program_load_image(const rs_program *program, const uint8_t *pixels, uint8_t *memory);
/* Reads a tensor back, CHW; out has channels * height * width integers. */
void rs_program_read_tensor(const rs_program *program, const uint8_t *memory, int tensor, int32_t *out);

/* Elements of `bits` bits in a beat string, shared by model, test bench and exporter. */
int32_t rs_bits_get(const uint8_t *memory, int64_t bit, int bits);       /* sign-extended, bits 1 to 32 */
void rs_bits_put(uint8_t *memory, int64_t bit, int bits, int64_t value); /* bits 1 to 64 */

/* Bytes of a beat. */
static inline int64_t rs_program_beat_bytes(const rs_program *program)
{
    return program->config.bus_bits / 8;
}
/* The layer to which a descriptor belongs. */
int rs_program_layer_of(const rs_program *program, int descriptor);

#endif
