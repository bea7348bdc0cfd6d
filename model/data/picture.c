/* Pictures: JPEG and PNG, decoded. */
#include "data/picture.h"

#include <math.h>
#include <png.h>
#include <string.h>
#include <turbojpeg.h>

void rs_picture_free(rs_picture *picture)
{
    rs_free(picture->pixels);
    *picture = (rs_picture) { 0 };
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

static bool is_png(const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* Neither format packs more than so many pixels into a byte: DC coefficients alone, of 2 bits per block of 16 x 16
 * pixels; one row of bits after the other, all the same. A header that claims more belongs to a file that is cut off.
 */
enum { JPEG_DENSITY = 1024, PNG_DENSITY = 8400, SMALL = 1 << 16 };

static rs_status check_size(int64_t height, int64_t width, size_t bytes, int density, rs_loc loc, const char *what,
                            rs_diag *diag)
{
    if (height < 1 || width < 1 || height > RS_PICTURE_MAX_PIXELS / width)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL,
                        "'%s' has %lldx%lld pixels (height x width), expected at most %lld in all", what,
                        (long long)height, (long long)width, (long long)RS_PICTURE_MAX_PIXELS);
    if ((uint64_t)(height * width) > SMALL + (uint64_t)density * bytes)
        return rs_error(diag, RS_BAD_INPUT, loc, "the file is cut off, or its header is wrong",
                        "'%s' says that it has %lldx%lld pixels (height x width), in only %zu bytes", what,
                        (long long)height, (long long)width, bytes);
    return RS_OK;
}

/* What OpenCV makes of blue, green and red: 0.299 R + 0.587 G + 0.114 B in 14 bits, to nearest. */
static uint8_t gray_of(int blue, int green, int red)
{
    return (uint8_t)((1868 * blue + 9617 * green + 4899 * red + (1 << 13)) >> 14);
}

/* Interleaved bytes, `step` to a pixel, to planes: the first `channels` of each; three to one as gray. */
static rs_status to_planes(const uint8_t *from, int step, int have, int want, int64_t height, int64_t width,
                           rs_picture *picture, rs_diag *diag)
{
    const size_t area = (size_t)(height * width);
    picture->channels = want;
    picture->height = (int)height;
    picture->width = (int)width;
    picture->pixels = rs_calloc(area, (size_t)want);
    if (picture->pixels == NULL)
        return rs_out_of_memory(diag);
    for (size_t i = 0; i < area; i++) {
        const uint8_t *p = from + i * (size_t)step;
        if (have == 3 && want == 1)
            picture->pixels[i] = gray_of(p[0], p[1], p[2]);
        else
            for (int c = 0; c < want; c++)
                picture->pixels[(size_t)c * area + i] = p[c < have ? c : 0];
    }
    return RS_OK;
}

/* --------------------------------------------------------------------------------------------------------- JPEG */

/* OpenCV's rule for inverted CMYK, as Adobe's files have it, in place: the first three of four bytes become BGR. */
static void cmyk_to_bgr(uint8_t *pixels, size_t area)
{
    for (uint8_t *p = pixels; p < pixels + 4 * area; p += 4) {
        const int k = p[3], red = k - ((255 - p[0]) * k >> 8), green = k - ((255 - p[1]) * k >> 8),
                  blue = k - ((255 - p[2]) * k >> 8);
        p[0] = (uint8_t)blue;
        p[1] = (uint8_t)green;
        p[2] = (uint8_t)red;
    }
}

static rs_status jpeg_error(tjhandle jpeg, rs_loc loc, const char *what, rs_diag *diag)
{
    return rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' cannot be decoded: %s", what, tjGetErrorStr2(jpeg));
}

static rs_status decode_jpeg(tjhandle jpeg, const uint8_t *bytes, size_t size, rs_color color, rs_loc loc,
                             const char *what, rs_picture *picture, rs_diag *diag)
{
    int width = 0, height = 0, sampling = 0, space = 0;
    if (size > RS_PICTURE_MAX_BYTES)
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' has %zu bytes, expected at most %zu", what, size,
                        RS_PICTURE_MAX_BYTES);
    if (tjDecompressHeader3(jpeg, bytes, (unsigned long)size, &width, &height, &sampling, &space) != 0)
        return jpeg_error(jpeg, loc, what, diag);
    rs_status st = check_size(height, width, size, JPEG_DENSITY, loc, what, diag);
    if (st != RS_OK)
        return st;
    const bool four = space == TJCS_CMYK || space == TJCS_YCCK;
    const bool gray = color == RS_COLOR_GRAY ? !four : color == RS_COLOR_AS_IS && space == TJCS_GRAY;
    const int format = four ? TJPF_CMYK : gray ? TJPF_GRAY : TJPF_BGR, step = four ? 4 : gray ? 1 : 3;
    const size_t area = (size_t)height * (size_t)width;
    uint8_t *pixels = rs_calloc(area, (size_t)step);
    if (pixels == NULL)
        return rs_out_of_memory(diag);
    /* A file that is cut off decodes with a warning, the rest in gray. So do files with stray bytes between their
     * parts, of which public sets have some: only the former are refused. */
    if (tjDecompress2(jpeg, bytes, (unsigned long)size, pixels, width, 0, height, format,
                      TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) != 0 &&
        (tjGetErrorCode(jpeg) == TJERR_FATAL || strstr(tjGetErrorStr2(jpeg), "Premature end") != NULL))
        st = jpeg_error(jpeg, loc, what, diag);
    if (st == RS_OK && four)
        cmyk_to_bgr(pixels, area);
    if (st == RS_OK)
        st = to_planes(pixels, step, gray ? 1 : 3, gray || color == RS_COLOR_GRAY ? 1 : 3, height, width, picture,
                       diag);
    rs_free(pixels);
    return st;
}

/* ---------------------------------------------------------------------------------------------------------- PNG */

static rs_status decode_png(const uint8_t *bytes, size_t size, rs_color color, rs_loc loc, const char *what,
                            rs_picture *picture, rs_diag *diag)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_memory(&png, bytes, size))
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' cannot be decoded: %s", what, png.message);
    rs_status st = check_size(png.height, png.width, size, PNG_DENSITY, loc, what, diag);
    const bool gray = (png.format & PNG_FORMAT_FLAG_COLOR) == 0;
    /* With alpha, whether there is one or not: to drop it afterwards leaves colors as they are stored. */
    png.format = gray ? PNG_FORMAT_GA : PNG_FORMAT_BGRA;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    const int step = gray ? 2 : 4;
    uint8_t *pixels = st == RS_OK ? rs_calloc((size_t)png.height * png.width, (size_t)step) : NULL;
    if (st == RS_OK && pixels == NULL)
        st = rs_out_of_memory(diag);
    if (st == RS_OK && !png_image_finish_read(&png, NULL, pixels, 0, NULL))
        st = rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' cannot be decoded: %s", what, png.message);
    const int want = color == RS_COLOR_BGR ? 3 : color == RS_COLOR_GRAY || gray ? 1 : 3;
    if (st == RS_OK)
        st = to_planes(pixels, step, gray ? 1 : 3, want, png.height, png.width, picture, diag);
    png_image_free(&png);
    rs_free(pixels);
    return st;
}

rs_status rs_picture_decode(const uint8_t *bytes, size_t size, rs_color color, rs_loc loc, const char *what,
                            rs_picture *picture, rs_diag *diag)
{
    *picture = (rs_picture) { 0 };
    if (is_png(bytes, size))
        return decode_png(bytes, size, color, loc, what, picture, diag);
    if (!is_jpeg(bytes, size))
        return rs_error(diag, RS_BAD_INPUT, loc, NULL, "'%s' is neither a JPEG nor a PNG file", what);
    tjhandle jpeg = tjInitDecompress();
    if (jpeg == NULL)
        return rs_out_of_memory(diag);
    const rs_status st = decode_jpeg(jpeg, bytes, size, color, loc, what, picture, diag);
    tjDestroy(jpeg);
    return st;
}

/* ------------------------------------------------------------------------------------------------------- resize */

enum { COEF_BITS = 11, COEF_ONE = 1 << COEF_BITS };

/* Where an output pixel lies between two input pixels: their places, clipped to the image, and their weights. */
typedef struct picture_tap {
    int at[2];
    int weight[2];
} picture_tap;

static void place(picture_tap *t, int64_t i, int64_t from, int64_t to, bool clip_weight)
{
    const double scale = 1.0 / ((double)to / (double)from);
    float f = (float)(((double)i + 0.5) * scale - 0.5);
    int64_t at = (int64_t)floorf(f);
    f -= (float)at;
    /* OpenCV takes the weight from a neighbor outside of the image along x, and repeats the border along y: the same
     * but for the rounding of the two products. */
    if (clip_weight && (at < 0 || at >= from - 1)) {
        f = 0.0f;
        at = at < 0 ? 0 : from - 1;
    }
    for (int k = 0; k < 2; k++)
        t->at[k] = (int)(at + k < 0 ? 0 : at + k >= from ? from - 1 : at + k);
    t->weight[0] = (int)lrintf((1.0f - f) * (float)COEF_ONE);
    t->weight[1] = (int)lrintf(f * (float)COEF_ONE);
}

static void bilinear(const uint8_t *from, int64_t from_width, uint8_t *to, int64_t height, int64_t width,
                     const picture_tap *rows, const picture_tap *columns, int *line[2])
{
    for (int64_t y = 0; y < height; y++) {
        for (int k = 0; k < 2; k++) {
            const uint8_t *row = from + rows[y].at[k] * from_width;
            for (int64_t x = 0; x < width; x++)
                line[k][x] = row[columns[x].at[0]] * columns[x].weight[0] +
                             row[columns[x].at[1]] * columns[x].weight[1];
        }
        const int b0 = rows[y].weight[0], b1 = rows[y].weight[1];
        for (int64_t x = 0; x < width; x++)
            to[y * width + x] = (uint8_t)((((b0 * (line[0][x] >> 4)) >> 16) + ((b1 * (line[1][x] >> 4)) >> 16) + 2) >>
                                          2);
    }
}

static void halve(const uint8_t *from, int64_t from_width, uint8_t *to, int64_t height, int64_t width)
{
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const uint8_t *p = from + 2 * y * from_width + 2 * x;
            to[y * width + x] = (uint8_t)((p[0] + p[1] + p[from_width] + p[from_width + 1] + 2) >> 2);
        }
}

rs_status rs_picture_resize(const rs_picture *from, int64_t height, int64_t width, rs_picture *to, rs_diag *diag)
{
    *to = (rs_picture) { from->channels, (int)height, (int)width, NULL };
    if (height < 1 || width < 1 || height > RS_PICTURE_MAX_PIXELS / width)
        return rs_error(diag, RS_BAD_INPUT, RS_NOWHERE, NULL, "images cannot be resized to %lldx%lld (height x width)",
                        (long long)height, (long long)width);
    const size_t area = (size_t)(height * width), from_area = (size_t)from->height * (size_t)from->width;
    picture_tap *rows = RS_NEW_ARRAY(picture_tap, (size_t)height), *columns = RS_NEW_ARRAY(picture_tap, (size_t)width);
    int *lines = RS_NEW_ARRAY(int, 2 * (size_t)width);
    to->pixels = rs_calloc(area, (size_t)from->channels);
    rs_status st = rows == NULL || columns == NULL || lines == NULL || to->pixels == NULL ? rs_out_of_memory(diag)
                                                                                          : RS_OK;
    if (st == RS_OK) {
        int *line[2] = { lines, lines + width };
        for (int64_t y = 0; y < height; y++)
            place(&rows[y], y, from->height, height, false);
        for (int64_t x = 0; x < width; x++)
            place(&columns[x], x, from->width, width, true);
        for (int c = 0; c < from->channels; c++) {
            const uint8_t *plane = from->pixels + (size_t)c * from_area;
            if (height == from->height && width == from->width)
                memcpy(to->pixels + (size_t)c * area, plane, area);
            else if (2 * height == from->height && 2 * width == from->width)
                halve(plane, from->width, to->pixels + (size_t)c * area, height, width);
            else
                bilinear(plane, from->width, to->pixels + (size_t)c * area, height, width, rows, columns, line);
        }
    } else {
        rs_picture_free(to);
    }
    rs_free(rows);
    rs_free(columns);
    rs_free(lines);
    return st;
}
