/* Puts a quantized network into the memory of a simulated system. */
#include "systemc/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "soc/job.h"
#include "data/data.h"
#include "program/program.h"
#include "engine/engine.h"

struct rs_network {
    rs_qnet *qnet;
    rs_array_config *config;
    rs_program *program;
    rs_dataset *data;
    rs_engine *engine;
};

rs_status rs_network_open(const char *qnet, const char *array, const char *const *assignments, int n, const char *data,
                          rs_network **network, rs_diag *diag)
{
    *network = NULL;
    rs_network *w = RS_NEW(rs_network);
    if (w == NULL)
        return rs_out_of_memory(diag);
    rs_status status = rs_qnet_read(qnet, &w->qnet, diag);
    if (status == RS_OK)
        status = rs_array_config_read(array, &w->config, diag);
    static const char depth[] = "top.program_depth=";
    long parts = 0;
    for (int i = 0; i < n && status == RS_OK; i++) {
        if (strncmp(assignments[i], depth, sizeof depth - 1) == 0)
            parts = strtol(assignments[i] + sizeof depth - 1, NULL, 10);
        else
            status = rs_array_config_set(w->config, assignments[i], diag);
    }
    if (status == RS_OK)
        status = rs_program_compile(w->qnet, w->config, &w->program, diag);
    if (status == RS_OK && parts > 0)
        w->program->config.program_depth = (int)parts; /* of the top level; the array is run with parts of the list */
    if (status == RS_OK)
        status = rs_dataset_open(data, NULL, false, &w->data, diag);
    if (status == RS_OK)
        status = rs_engine_new(w->qnet, false, &w->engine, diag);
    if (status == RS_OK &&
        (w->data->channels != w->qnet->tensors[0].channels || w->data->height != w->qnet->tensors[0].height ||
         w->data->width != w->qnet->tensors[0].width))
        status = rs_error(diag, RS_BAD_INPUT, RS_FILE(data), NULL, "the images are not of the network's size");
    if (status != RS_OK) {
        rs_network_close(w);
        return status;
    }
    *network = w;
    return RS_OK;
}

void rs_network_close(rs_network *network)
{
    if (network == NULL)
        return;
    rs_engine_free(network->engine);
    rs_dataset_free(network->data);
    rs_program_free(network->program);
    rs_array_config_free(network->config);
    rs_qnet_free(network->qnet);
    rs_free(network);
}

const rs_array_config *rs_network_config(const rs_network *network)
{
    return &network->program->config;
}

int rs_network_latency(const rs_network *network)
{
    return network->program->config.latency;
}

int rs_network_beat_bytes(const rs_network *network)
{
    return network->program->config.bus_bits / 8;
}

double rs_network_clock_mhz(const rs_network *network)
{
    return network->program->config.clock_mhz;
}

int rs_network_descriptors(const rs_network *network)
{
    return network->program->n_descriptors;
}

void rs_network_write_list(const rs_network *network, uint8_t *list)
{
    rs_job_write_list(network->program, list);
}

int64_t rs_network_images(const rs_network *network)
{
    return network->data->count;
}

int64_t rs_network_memory_bytes(const rs_network *network)
{
    return network->program->memory_beats * rs_program_beat_bytes(network->program);
}

static const uint8_t *pixels_of(const rs_network *network, int64_t image)
{
    const rs_dataset *d = network->data;
    return d->pixels + image * d->channels * d->height * d->width;
}

void rs_network_load(const rs_network *network, int64_t image, uint8_t *memory)
{
    memcpy(memory, network->program->memory, (size_t)rs_network_memory_bytes(network));
    rs_program_load_image(network->program, pixels_of(network, image), memory);
}

int rs_network_outputs(const rs_network *network)
{
    const rs_qtensor *last = &network->qnet->tensors[network->qnet->n_tensors - 1];
    return last->channels * last->height * last->width;
}

void rs_network_scores(const rs_network *network, const uint8_t *memory, int32_t *scores)
{
    rs_program_read_tensor(network->program, memory, network->qnet->n_tensors - 1, scores);
}

rs_status rs_network_expected(rs_network *network, int64_t image, int32_t *scores, rs_diag *diag)
{
    return rs_engine_run(network->engine, pixels_of(network, image), 1, scores, NULL, diag);
}
