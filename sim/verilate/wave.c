/* Waveforms: written by a library that says nothing when the disk is full, and checked here. */
#include "verilate/wave.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/temporary.h"
#include "verilate/words.h"

struct rs_wave_output {
    char *path, *title; /* title: absolute */
    rs_output *fst, *save;
    char *hierarchy; /* what the library keeps beside the first, and removes itself unless the process is killed */
    int slot;
};

/* Where the file will be, as an absolute path; its folder is there. rs_free. */
static char *absolute(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = rs_path_folder(path), *real = folder != NULL ? realpath(folder, NULL) : NULL;
    char *there = real != NULL ? rs_path_join(real, slash != NULL ? slash + 1 : path) : NULL;
    free(real);
    rs_free(folder);
    real = there != NULL ? realpath(there, NULL) : NULL; /* an older file, or a link to one */
    char *title = real != NULL ? rs_strdup(real) : NULL;
    free(real);
    if (title == NULL)
        return there;
    rs_free(there);
    return title;
}

rs_status rs_wave_open(const char *path, rs_wave_output **result, rs_diag *diag)
{
    *result = NULL;
    rs_wave_output *w = RS_NEW(rs_wave_output);
    if (w == NULL)
        return rs_out_of_memory(diag);
    const size_t stem = rs_has_suffix(path, ".fst") ? strlen(path) - 4 : strlen(path);
    char *save = rs_format("%.*s.gtkw", (int)stem, path);
    w->path = rs_strdup(path);
    rs_status status = w->path != NULL && save != NULL ? rs_output_open_named(path, &w->fst, diag)
                                                       : rs_out_of_memory(diag);
    if (status == RS_OK)
        status = rs_output_open_named(save, &w->save, diag);
    if (status == RS_OK &&
        ((w->title = absolute(path)) == NULL || (w->hierarchy = rs_format("%s.hier", rs_output_name(w->fst))) == NULL))
        status = rs_out_of_memory(diag);
    w->slot = w->hierarchy != NULL ? rs_temporary_remember(w->hierarchy) : -1;
    rs_free(save);
    if (status == RS_OK)
        *result = w;
    else
        rs_wave_discard(w);
    return status;
}

const char *rs_wave_file(const rs_wave_output *wave)
{
    return rs_output_name(wave->fst);
}

const char *rs_wave_save(const rs_wave_output *wave)
{
    return rs_output_name(wave->save);
}

const char *rs_wave_title(const rs_wave_output *wave)
{
    return wave->title;
}

void rs_wave_discard(rs_wave_output *wave)
{
    if (wave == NULL)
        return;
    if (wave->fst != NULL)
        rs_output_discard(wave->fst);
    if (wave->save != NULL)
        rs_output_discard(wave->save);
    if (wave->hierarchy != NULL) {
        unlink(wave->hierarchy);
        rs_temporary_forget(wave->slot);
        rs_free(wave->hierarchy);
    }
    rs_free(wave->path);
    rs_free(wave->title);
    rs_free(wave);
}

/* ---------------------------------------------------------------------------------------------------- is it whole */

static uint64_t big_endian(const uint8_t bytes[8])
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x = x << 8 | bytes[i];
    return x;
}

/* An FST file is a row of blocks: a byte says which kind, eight how long the block is without that byte. The header, at
 * the beginning, says how many blocks of changes there are. The writer does not look whether its writes succeed. */
static bool is_complete(int file, uint64_t size)
{
    enum {
        HEADER = 0,
        CHANGES = 1,
        GEOMETRY = 3,
        HIERARCHY = 4,
        CHANGES_ALIAS = 5,
        CHANGES_ALIAS2 = 8,
        SECTIONS_AT = 65
    };
    uint64_t changes = 0;
    bool geometry = false, hierarchy = false;
    uint8_t head[9], sections[8];
    if (pread(file, sections, sizeof sections, SECTIONS_AT) != (ssize_t)sizeof sections)
        return false;
    for (uint64_t at = 0; at < size;) {
        if (pread(file, head, sizeof head, (off_t)at) != (ssize_t)sizeof head || (at == 0) != (head[0] == HEADER))
            return false;
        const uint64_t length = big_endian(head + 1);
        if (length < 8 || length > size - at - 1)
            return false;
        changes += head[0] == CHANGES || head[0] == CHANGES_ALIAS || head[0] == CHANGES_ALIAS2;
        geometry = geometry || head[0] == GEOMETRY;
        hierarchy = hierarchy || head[0] == HIERARCHY || head[0] == HIERARCHY + 2 || head[0] == HIERARCHY + 3;
        at += 1 + length;
    }
    return geometry && hierarchy && changes == big_endian(sections);
}

static rs_status check(const rs_wave_output *wave, rs_diag *diag)
{
    struct stat status;
    const int file = open(rs_wave_file(wave), O_RDONLY | O_CLOEXEC);
    const bool there = file >= 0 && fstat(file, &status) == 0;
    const bool empty = there && status.st_size == 0;
    const bool complete = there && !empty && is_complete(file, (uint64_t)status.st_size);
    if (file >= 0)
        close(file);
    if (empty)
        return rs_error(diag, RS_USAGE, RS_FILE(wave->path), NULL,
                        "the waveform is empty: no cycle of the run lies in its window");
    return complete ? RS_OK
                    : rs_error(diag, RS_RESOURCE, RS_FILE(wave->path), "is the disk full?",
                               "cannot write: the waveform is not complete");
}

rs_status rs_wave_commit(rs_wave_output *wave, rs_diag *diag)
{
    struct stat save;
    rs_status status = check(wave, diag);
    if (status == RS_OK) {
        status = rs_output_commit(wave->fst, diag);
        wave->fst = NULL;
    }
    /* A waveform without a save file is still one. */
    if (status == RS_OK && stat(rs_wave_save(wave), &save) == 0 && save.st_size > 0) {
        status = rs_output_commit(wave->save, diag);
        wave->save = NULL;
    }
    rs_wave_discard(wave);
    return status;
}
