/* Tensors in the array's memory: channels fastest, a whole number of elements in a beat. */
#include "engine/reference/reference.h"
#include "program/program.h"

#include "base/memory.h"

static int64_t bit_of(const rs_program *program, const rs_region *region, int64_t pixel, int c)
{
    const int64_t elements = rs_array_elements_per_beat(&program->config);
    const int64_t e = pixel * region->pixel + (region->place ? region->place[c] : c);
    return (region->address + e / elements) * program->config.bus_bits + e % elements * program->config.activation_bits;
}

void rs_program_load_image(const rs_program *program, const uint8_t *pixels, uint8_t *memory)
{
    const rs_qtensor *t = &program->qnet->tensors[0];
    const int64_t area = (int64_t)t->height * t->width;
    for (int64_t at = 0; at < area; at++)
        for (int c = 0; c < t->channels; c++)
            rs_bits_put(
                memory, bit_of(program, &program->tensors[0], at, c), program->config.activation_bits,
                rs_program_word(&program->config, rs_qnet_pixel(program->qnet, c * area + at, pixels[c * area + at])));
}

void rs_program_read_tensor(const rs_program *program, const uint8_t *memory, int tensor, int32_t *out)
{
    const rs_qtensor *t = &program->qnet->tensors[tensor];
    const int64_t area = (int64_t)t->height * t->width;
    const int bits = program->config.activation_bits;
    for (int64_t at = 0; at < area; at++)
        for (int c = 0; c < t->channels; c++) {
            const int32_t value = rs_bits_get(memory, bit_of(program, &program->tensors[tensor], at, c), bits);
            out[c * area + at] = t->is_unsigned ? (int32_t)((uint32_t)value & ((UINT32_C(1) << bits) - 1))
                                                : rs_program_value(&program->config, value);
        }
}

void rs_program_write_tensor(const rs_program *program, uint8_t *memory, int tensor, const int32_t *values)
{
    const rs_qtensor *t = &program->qnet->tensors[tensor];
    const int64_t area = (int64_t)t->height * t->width;
    for (int64_t at = 0; at < area; at++)
        for (int c = 0; c < t->channels; c++)
            rs_bits_put(memory, bit_of(program, &program->tensors[tensor], at, c), program->config.activation_bits,
                        rs_program_word(&program->config, values[c * area + at]));
}

static int64_t size_of(const rs_qtensor *t)
{
    return (int64_t)t->channels * t->height * t->width;
}

rs_status rs_program_run_host(const rs_program *program, int layer, uint8_t *memory, rs_diag *diag)
{
    const rs_program_layer *l = &program->layers[layer];
    const rs_qtensor *in = &program->qnet->tensors[l->input], *out = &program->qnet->tensors[l->output];
    int32_t *input = RS_NEW_ARRAY(int32_t, (size_t)size_of(in)), *output = RS_NEW_ARRAY(int32_t, (size_t)size_of(out));
    if (input && output) {
        const int32_t *const inputs[] = { input };
        rs_program_read_tensor(program, memory, l->input, input);
        rs_qop_run(program->qnet, &program->qnet->ops[l->op], inputs, output, NULL);
        rs_program_write_tensor(program, memory, l->output, output);
    }
    const rs_status status = input && output ? RS_OK : rs_out_of_memory(diag);
    rs_free(input);
    rs_free(output);
    return status;
}

const char *rs_program_kind_name(rs_program_kind kind)
{
    static const char *const names[] = { [RS_KIND_WEIGHTS] = "weights",
                                         [RS_KIND_AVERAGE_POOL] = "average pooling",
                                         [RS_KIND_MAX_POOL] = "max pooling",
                                         [RS_KIND_ADD] = "addition",
                                         [RS_KIND_COPY] = "copy",
                                         [RS_KIND_HOST] = "host" };
    return names[kind];
}

int rs_program_layer_of(const rs_program *program, int descriptor)
{
    int low = 0, high = program->n_layers - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (program->layers[middle].first <= descriptor)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

int rs_program_segment_of(const rs_program *program, int descriptor)
{
    int segment = 0;
    for (int i = 1; i < program->n_segments; i++)
        if (program->segments[i].count && program->segments[i].first <= descriptor)
            segment = i;
    return segment;
}
