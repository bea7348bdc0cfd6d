/* Tensors in the array's memory: dense, channels fastest, a whole number of elements in a beat. */
#include "program/program.h"

/* Bit at which element e of a region begins. */
static int64_t element_bit(const rs_program *program, const rs_region *region, int64_t e)
{
    const int64_t elements = rs_array_elements_per_beat(&program->config);
    return (region->address + e / elements) * program->config.bus_bits + e % elements * program->config.activation_bits;
}

void rs_program_load_image(const rs_program *program, const uint8_t *pixels, uint8_t *memory)
{
    const rs_qtensor *t = &program->qnet->tensors[0];
    const int64_t area = (int64_t)t->height * t->width;
    for (int64_t at = 0; at < area; at++)
        for (int c = 0; c < t->channels; c++)
            rs_bits_put(memory, element_bit(program, &program->tensors[0], at * t->channels + c),
                        program->config.activation_bits,
                        rs_qnet_pixel(program->qnet, c * area + at, pixels[c * area + at]));
}

void rs_program_read_tensor(const rs_program *program, const uint8_t *memory, int tensor, int32_t *out)
{
    const rs_qtensor *t = &program->qnet->tensors[tensor];
    const int64_t area = (int64_t)t->height * t->width;
    for (int64_t at = 0; at < area; at++)
        for (int c = 0; c < t->channels; c++)
            out[c * area + at] = rs_bits_get(memory,
                                             element_bit(program, &program->tensors[tensor], at * t->channels + c),
                                             program->config.activation_bits);
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
