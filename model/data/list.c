/* Lists of images: a text file of lines `FILE LABEL`, as Caffe's ImageData layer takes it. FILE may hold blanks: the
 * last one separates. Each file is a JPEG or a PNG. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/source.h"

#define MAX_BYTES ((size_t)1 << 30)
#define MAX_IMAGES ((int64_t)1 << 28)

typedef struct list_entry {
    const char *name; /* in the text */
    int32_t line, label;
} list_entry;

typedef struct image_list {
    rs_source source;
    char *path, *text, *root; /* root: put before a name that is not absolute; "": nothing */
    list_entry *entries;
    int64_t count;
    size_t capacity;
} image_list;

static void list_free(rs_source *source)
{
    image_list *l = (image_list *)source;
    rs_free(l->path);
    rs_free(l->text);
    rs_free(l->root);
    rs_free(l->entries);
    rs_free(l);
}

static rs_loc list_where(const rs_source *source, int64_t index, char *name, size_t size)
{
    const image_list *l = (const image_list *)source;
    snprintf(name, size, "%s", l->entries[index].name);
    return (rs_loc) { l->path, l->entries[index].line, 1 };
}

static rs_status list_read(const rs_source *source, int64_t index, rs_color color, rs_picture *picture, rs_diag *diag)
{
    const image_list *l = (const image_list *)source;
    const char *name = l->entries[index].name;
    const rs_loc loc = { l->path, l->entries[index].line, 1 };
    *picture = (rs_picture) { 0 };
    char *path = rs_path_join(l->root, name);
    if (path == NULL)
        return rs_out_of_memory(diag);
    uint8_t *bytes = NULL;
    size_t size = 0;
    rs_status st = RS_OK;
    if (!rs_file_exists(path) || rs_folder_exists(path))
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "there is no image '%s'", path);
    else if ((st = rs_check_regular(path, diag)) == RS_OK)
        st = rs_read_file(path, RS_PICTURE_MAX_BYTES, false, &bytes, &size, diag);
    if (st == RS_OK)
        st = rs_picture_decode(bytes, size, color == RS_COLOR_AS_IS ? RS_COLOR_BGR : color, loc, path, picture, diag);
    rs_free(bytes);
    rs_free(path);
    return st;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* One line, without its end, which is made a zero. */
static rs_status add_line(image_list *l, char *line, char *stop, int32_t number, rs_diag *diag)
{
    while (stop > line && blank(stop[-1]))
        stop--;
    *stop = '\0';
    if (stop == line)
        return RS_OK;
    const rs_loc loc = { l->path, number, 1 };
    if (memchr(line, '\0', (size_t)(stop - line)) != NULL)
        return rs_error(diag, RS_BAD_INPUT, loc, "a list of images is text: FILE LABEL", "the line holds a zero byte");
    char *label = stop;
    while (label > line && !blank(label[-1]))
        label--;
    char *end = label;
    const long long value = *label >= '0' && *label <= '9' ? strtoll(label, &end, 10) : -1;
    char *name_end = label;
    while (name_end > line && blank(name_end[-1]))
        name_end--;
    if (name_end == line || end == label || *end != '\0')
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "expected the file of an image, a blank and its label, a whole number");
    if (value > INT32_MAX - 1)
        return rs_error(diag, RS_BAD_INPUT, (rs_loc) { l->path, number, (int)(label - line) + 1 }, NULL,
                        "the label %s is too large", label);
    *name_end = '\0';
    list_entry *grown = rs_grow(l->entries, (size_t)l->count, &l->capacity, sizeof *grown);
    if (grown == NULL)
        return rs_out_of_memory(diag);
    l->entries = grown;
    l->entries[l->count++] = (list_entry) { line, number, (int32_t)value };
    return RS_OK;
}

/* All lines; every wrong one is reported. */
static rs_status read_lines(image_list *l, size_t size, rs_diag *diag)
{
    rs_status st = RS_OK;
    int32_t number = 0;
    char *const end = l->text + size;
    const bool marked = size >= 3 && memcmp(l->text, "\xef\xbb\xbf", 3) == 0; /* a byte-order mark */
    for (char *line = l->text + (marked ? 3 : 0); line < end && st != RS_RESOURCE;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end; /* rs_read_file leaves a byte behind the last */
        if (number == INT32_MAX || l->count == MAX_IMAGES)
            return rs_error(diag, RS_BAD_INPUT, RS_FILE(l->path), NULL, "the list has more than %lld images",
                            (long long)MAX_IMAGES);
        number++;
        const rs_status one = add_line(l, line, stop, number, diag);
        if (st == RS_OK || one == RS_RESOURCE)
            st = one;
        line = stop + 1;
    }
    if (st == RS_OK && l->count == 0)
        st = rs_error(diag, RS_BAD_INPUT, RS_FILE(l->path), "a line for each image: FILE LABEL",
                      "the list names no images");
    return st;
}

/* Where relative names start: the folder that was given; else the list's own, if the first image is there; else the
 * current one, as in Caffe. */
static rs_status find_root(image_list *l, const char *given, rs_diag *diag)
{
    char *folder = given != NULL && given[0] != '\0' ? rs_strdup(given) : rs_path_folder(l->path);
    char *first = folder != NULL ? rs_path_join(folder, l->entries[0].name) : NULL;
    if (first == NULL) {
        rs_free(folder);
        return rs_out_of_memory(diag);
    }
    l->root = folder;
    if (!rs_file_exists(first) && rs_file_exists(l->entries[0].name))
        l->root[0] = '\0';
    rs_free(first);
    return RS_OK;
}

/* Fisher and Yates, always the same. */
static void shuffle(image_list *l)
{
    enum { SEED = 1, STREAM = 0x6c697374 };
    for (int64_t i = l->count - 1; i > 0; i--) {
        const int64_t j = (int64_t)rs_random_below(SEED, STREAM, (uint64_t)i, (uint64_t)i + 1);
        const list_entry moved = l->entries[i];
        l->entries[i] = l->entries[j];
        l->entries[j] = moved;
    }
}

rs_status rs_list_open(const char *path, const rs_open_options *options, rs_dataset *set, rs_diag *diag)
{
    size_t size = 0;
    uint8_t *text = NULL;
    rs_status st = rs_read_file(path, MAX_BYTES, false, &text, &size, diag);
    if (st != RS_OK)
        return st;
    image_list *l = RS_NEW(image_list);
    if (l == NULL) {
        rs_free(text);
        return rs_out_of_memory(diag);
    }
    l->source = (rs_source) { list_read, list_where, list_free, true };
    l->text = (char *)text;
    set->source = &l->source; /* freed with the set */
    l->path = rs_strdup(path);
    st = l->path != NULL ? read_lines(l, size, diag) : rs_out_of_memory(diag);
    if (st == RS_OK)
        st = find_root(l, options->root_folder, diag);
    if (st == RS_OK && options->shuffle)
        shuffle(l);
    if (st == RS_OK && (set->labels = RS_NEW_ARRAY(int32_t, (size_t)l->count)) == NULL)
        st = rs_out_of_memory(diag);
    if (st != RS_OK)
        return st;
    set->count = l->count;
    for (int64_t i = 0; i < l->count; i++)
        set->labels[i] = l->entries[i].label;
    return rs_source_describe(set, diag);
}
