/* A program as files: descriptors and memory image. */
#include "program/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static void write_parameters(const rs_program *program, FILE *out)
{
    rs_array_parameter parameters[RS_ARRAY_PARAMETERS_MAX];
    const int n = rs_array_parameters(&program->config, parameters);
    for (int i = 0; i < n; i++)
        fprintf(out, "-G%s=%s%" PRId64 "\n", parameters[i].name, parameters[i].prefix, parameters[i].value);
}

static void write_descriptors(const rs_program *program, FILE *out)
{
    for (int d = 0; d < program->n_descriptors; d++) {
        uint32_t words[RS_DESCRIPTOR_WORDS] = { 0 };
        _Static_assert(sizeof(rs_descriptor) <= sizeof words, "a descriptor has at most 64 words");
        memcpy(words, &program->descriptors[d], sizeof program->descriptors[d]);
        for (int i = 0; i < RS_DESCRIPTOR_WORDS; i++)
            fprintf(out, "%08" PRIX32 "\n", words[i]);
    }
}

static void write_memory(const rs_program *program, FILE *out)
{
    const int64_t bytes = rs_program_beat_bytes(program);
    for (int64_t beat = 0; beat < program->memory_beats; beat++) {
        for (int64_t i = bytes - 1; i >= 0; i--)
            fprintf(out, "%02X", program->memory[beat * bytes + i]);
        putc('\n', out);
    }
}

rs_status rs_program_write_images(const rs_program *program, const char *folder, rs_diag *diag)
{
    static const struct {
        const char *name;
        void (*write)(const rs_program *program, FILE *out);
    } files[] = { { "array.f", write_parameters },
                  { "program.hex", write_descriptors },
                  { "memory.hex", write_memory } };
    rs_status status = rs_make_folder(folder, diag);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == RS_OK; i++) {
        char *path = rs_path_join(folder, files[i].name);
        rs_output *out = NULL;
        status = path != NULL ? rs_output_open(path, &out, diag) : rs_out_of_memory(diag);
        if (status == RS_OK) {
            files[i].write(program, rs_output_stream(out));
            status = rs_output_commit(out, diag);
        }
        rs_free(path);
    }
    return status;
}
