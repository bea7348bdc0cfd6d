/* The program of an array: what the compiler makes of a quantized network (docs/reference/microarchitecture.md). */
#ifndef RISTRETTO_PROGRAM_PROGRAM_H
#define RISTRETTO_PROGRAM_PROGRAM_H

#include "config/array_config.h"
#include "qnet/qnet.h"

enum { RS_DESCRIPTOR_WORDS = 64 };

typedef struct rs_descriptor {
#define FIELD(name, bits, is_signed, meaning) int32_t name;
#include "program/descriptor.def"
#undef FIELD
} rs_descriptor;

/* rs_descriptor.mode: section 3, "Modes". */
enum { RS_MODE_WEIGHTS = 0, RS_MODE_DIRECT = 1, RS_MODE_MAX = 2 };

typedef enum rs_program_kind {
    RS_KIND_WEIGHTS, /* a convolution or an inner product */
    RS_KIND_AVERAGE_POOL,
    RS_KIND_MAX_POOL,
    RS_KIND_ADD,
    RS_KIND_COPY, /* ReLU on its own, or a part of a concatenation that its maker cannot write where it belongs */
    RS_KIND_HOST  /* no descriptors: the host does it between two segments */
} rs_program_kind;
/* "weights", "average pooling", ... */
const char *rs_program_kind_name(rs_program_kind kind);

/* Where a tensor lies in memory. Element c of pixel p is element p * pixel + (place ? place[c] : c) from beat `address`
 * on. */
typedef struct rs_region {
    int64_t address, beats;
    int64_t pixel;  /* elements from one pixel to the next; at least the channels */
    int32_t *place; /* [channels], or NULL; the program's */
} rs_region;

/* A layer of the program: an op with the pooling and the ReLU that follow it, as one or more tiles. (A ReLU after max
 * pooling is done before it: the values are the same, since requantize is monotone and keeps 0.) */
typedef struct rs_program_layer {
    char *name; /* the op's */
    rs_program_kind kind;
    int op, pool_op;   /* indices into the qnet's ops; pool_op -1: none */
    int relu_op;       /* a ReLU op of the qnet that this layer does as well; -1: none (an op's own flag is apart) */
    int input, second; /* tensor indices; second -1 but for RS_KIND_ADD */
    int output;        /* the tensor that it makes; of a part of a concatenation, the whole */
    int blob; /* the tensor in whose region the output lies: output, or the concatenation that it is a part of */
    int part; /* which part of a concatenation it is, where blob or op is one */
    int first, count; /* descriptors */
    int64_t macs;     /* products that one image needs: no zeros of the padding, nothing twice for overlapping pooling
                         windows */
} rs_program_layer;

/* What runs without the host: a run of the array, or one layer of the host. */
typedef struct rs_program_segment {
    int first, count; /* descriptors; count 0: the host's */
    int first_layer, count_layers;
} rs_program_segment;

typedef struct rs_program {
    rs_array_config config; /* a copy with every width resolved: no RS_BITS_AUTO left */
    const rs_qnet *qnet;    /* must outlive the program */
    int n_layers, n_descriptors, n_segments;
    rs_program_layer *layers;
    rs_descriptor *descriptors;
    rs_program_segment *segments;
    rs_region *tensors; /* by tensor; beats = 0: not in memory (fused away) */
    int64_t memory_beats;
    uint8_t *memory; /* initial contents, memory_beats * bus_bits / 8 bytes, weights and biases in place; little endian
                        in a beat */
} rs_program;

/* Chooses the tiling (bands of output rows, or slices of their channels where a band does not fit) for the given
 * buffers and lays out memory. Errors name the layer and say which buffer is too small and by how much, or what the
 * array cannot run; a width of the net that exceeds the array's is an error that names both. */
rs_status rs_program_compile(const rs_qnet *qnet, const rs_array_config *config, rs_program **program, rs_diag *diag);
void rs_program_free(rs_program *program);

/* Puts one image ([channels][height][width] bytes) as quantized elements into `memory` (laid out as program->memory).
 */
void rs_program_load_image(const rs_program *program, const uint8_t *pixels, uint8_t *memory);
/* Reads a tensor, CHW, or writes it; channels * height * width integers. */
void rs_program_read_tensor(const rs_program *program, const uint8_t *memory, int tensor, int32_t *out);
void rs_program_write_tensor(const rs_program *program, uint8_t *memory, int tensor, const int32_t *values);
/* Runs a layer of the host: from its input in memory to its output. */
rs_status rs_program_run_host(const rs_program *program, int layer, uint8_t *memory, rs_diag *diag);

/* The word of an activation in memory, as a two's complement number, and back: of minifloats a sign and a magnitude. */
static inline int64_t rs_program_word(const rs_array_config *config, int32_t value)
{
    return config->pe == RS_PE_MINIFLOAT ? rs_weight_encode(RS_WEIGHT_MINIFLOAT, value, config->activation_bits)
                                         : value;
}
static inline int32_t rs_program_value(const rs_array_config *config, int32_t word)
{
    return config->pe == RS_PE_MINIFLOAT && word < 0 ? -(word + (1 << (config->activation_bits - 1))) : word;
}

/* Elements of `bits` bits in a beat string, shared by model, test bench and exporter. */
int32_t rs_bits_get(const uint8_t *memory, int64_t bit, int bits);       /* sign-extended, bits 1 to 32 */
void rs_bits_put(uint8_t *memory, int64_t bit, int bits, int64_t value); /* bits 1 to 64 */

/* Bytes of a beat. */
static inline int64_t rs_program_beat_bytes(const rs_program *program)
{
    return program->config.bus_bits / 8;
}
/* The layer to which a descriptor belongs, and its segment. */
int rs_program_layer_of(const rs_program *program, int descriptor);
int rs_program_segment_of(const rs_program *program, int descriptor);

/* Section 4: the last group of a set; without a division where there is one set, or one group a set: the model asks
 * several times a group. */
static inline bool rs_descriptor_ends_set(const rs_descriptor *d, int group)
{
    return d->groups_per_set == 1 ||
           (d->groups_per_set == d->groups ? group == d->groups - 1 : (group + 1) % d->groups_per_set == 0);
}
/* Lanes of a group. */
static inline int rs_descriptor_lanes(const rs_descriptor *d, const rs_array_config *config, int group)
{
    if (group == d->groups - 1)
        return d->lanes_last;
    return rs_descriptor_ends_set(d, group) ? d->lanes_set : config->lanes;
}
/* Beats of a group's biases, and of one step of its weights. 0 in direct modes. */
static inline int64_t rs_descriptor_bias_beats(const rs_descriptor *d, int group)
{
    return rs_descriptor_ends_set(d, group) ? d->bias_beats_last : d->bias_beats;
}
static inline int64_t rs_descriptor_step_beats(const rs_descriptor *d, int group)
{
    return rs_descriptor_ends_set(d, group) ? d->step_beats_last : d->step_beats;
}

#endif
