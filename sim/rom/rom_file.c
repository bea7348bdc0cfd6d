/* ROM files of each format. */
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/npy.h"
#include "rom/rom.h"
#include "base/memory.h"

const char *rs_rom_format_name(rs_rom_format format)
{
    static const char *const names[RS_ROM_FORMATS] = { "hex", "coe", "mif", "ihex", "c", "npy" };
    return (unsigned)format < RS_ROM_FORMATS ? names[format] : "?";
}

const char *rs_rom_extension(rs_rom_format format)
{
    static const char *const extensions[RS_ROM_FORMATS] = { ".hex", ".coe", ".mif", ".ihex", ".h", ".npy" };
    return (unsigned)format < RS_ROM_FORMATS ? extensions[format] : "";
}

void rs_rom_free(rs_rom *rom)
{
    rs_free(rom->values);
    rom->values = NULL;
}

/* ------------------------------------------------------------------------------------------------------ writing */

/* A file under way, and the checksum of what has gone into it. */
typedef struct rom_sink {
    FILE *stream;
    uLong crc;
} rom_sink;

static void emit(rom_sink *s, const char *text, size_t n)
{
    s->crc = crc32_z(s->crc, (const Bytef *)text, n);
    fwrite(text, 1, n, s->stream); /* an error sticks to the stream and is reported at commit */
}

static void say(rom_sink *s, const char *text)
{
    emit(s, text, strlen(text));
}

static const char DIGITS[] = "0123456789ABCDEF";

/* Bit b of word w, b = 0 the least significant one; 0 beyond its width. */
static unsigned word_bit(const rs_rom *rom, int64_t w, int b)
{
    const int element = b / rom->bits;
    if (element >= rom->elements)
        return 0;
    return (unsigned)((uint64_t)rom->values[w * rom->elements + element] >> (b % rom->bits)) & 1;
}

static unsigned word_nibble(const rs_rom *rom, int64_t w, int n)
{
    unsigned digit = 0;
    for (int b = 0; b < 4; b++)
        digit |= word_bit(rom, w, 4 * n + b) << b;
    return digit;
}

/* The word in full width, most significant digit first. */
static void say_word(rom_sink *s, const rs_rom *rom, int64_t w)
{
    const int digits = (rom->elements * rom->bits + 3) / 4;
    char text[64];
    int n = 0;
    for (int d = digits - 1; d >= 0; d--) {
        text[n++] = DIGITS[word_nibble(rom, w, d)];
        if (n == (int)sizeof text || d == 0) {
            emit(s, text, (size_t)n);
            n = 0;
        }
    }
}

static void write_hex(rom_sink *s, const rs_rom *rom)
{
    for (int64_t w = 0; w < rom->depth; w++) {
        say_word(s, rom, w);
        say(s, "\n");
    }
}

static void write_coe(rom_sink *s, const rs_rom *rom)
{
    say(s, "memory_initialization_radix=16;\nmemory_initialization_vector=\n");
    for (int64_t w = 0; w < rom->depth; w++) {
        say_word(s, rom, w);
        say(s, w + 1 < rom->depth ? ",\n" : ";\n");
    }
}

static void write_mif(rom_sink *s, const rs_rom *rom)
{
    char line[80];
    snprintf(line, sizeof line, "WIDTH=%d;\nDEPTH=%lld;\n", rom->elements * rom->bits, (long long)rom->depth);
    say(s, line);
    say(s, "ADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n");
    for (int64_t w = 0; w < rom->depth; w++) {
        snprintf(line, sizeof line, "%llX : ", (unsigned long long)w);
        say(s, line);
        say_word(s, rom, w);
        say(s, ";\n");
    }
    say(s, "END;\n");
}

static void say_record(rom_sink *s, unsigned type, unsigned address, const uint8_t *data, unsigned n)
{
    char line[64];
    unsigned sum = n + (address >> 8) + address + type;
    int at = snprintf(line, sizeof line, ":%02X%04X%02X", n, address, type);
    for (unsigned i = 0; i < n; i++) {
        line[at++] = DIGITS[data[i] >> 4];
        line[at++] = DIGITS[data[i] & 15];
        sum += data[i];
    }
    at += snprintf(line + at, sizeof line - (size_t)at, "%02X\n", -sum & 255U);
    emit(s, line, (size_t)at);
}

/* Each word takes a whole number of bytes, its lowest one first; byte addresses. */
static void write_ihex(rom_sink *s, const rs_rom *rom)
{
    enum { RECORD = 16 };
    const int word_bytes = (rom->elements * rom->bits + 7) / 8;
    const int64_t bytes = rom->depth * word_bytes;
    for (int64_t at = 0; at < bytes; at += RECORD) {
        uint8_t data[RECORD];
        const unsigned n = bytes - at < RECORD ? (unsigned)(bytes - at) : RECORD;
        for (unsigned i = 0; i < n; i++) {
            const int64_t w = (at + i) / word_bytes;
            const int byte = (int)((at + i) % word_bytes);
            data[i] = (uint8_t)(word_nibble(rom, w, 2 * byte) | word_nibble(rom, w, 2 * byte + 1) << 4);
        }
        if (at % 65536 == 0) { /* extended linear address */
            const uint8_t high[2] = { (uint8_t)(at >> 24 & 255), (uint8_t)(at >> 16 & 255) };
            say_record(s, 4, 0, high, 2);
        }
        say_record(s, 0, (unsigned)(at % 65536), data, n);
    }
    say_record(s, 1, 0, NULL, 0);
}

static void write_c(rom_sink *s, const rs_rom *rom, const char *name)
{
    char line[96];
    const int size = 8 * rs_npy_integer_size(rom->bits);
    say(s, "/* Written by ristretto. */\n#include <stdint.h>\n\nstatic const ");
    snprintf(line, sizeof line, "int%d_t ", size);
    say(s, line);
    if (name[0] >= '0' && name[0] <= '9')
        say(s, "_");
    for (const char *p = name; *p; p++) {
        const char ch = *p;
        const bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        emit(s, letter ? &ch : "_", 1);
    }
    snprintf(line, sizeof line, "[%lld][%d] = {\n", (long long)rom->depth, rom->elements);
    say(s, line);
    for (int64_t w = 0; w < rom->depth; w++) {
        say(s, "    { ");
        for (int e = 0; e < rom->elements; e++) {
            const long long v = rom->values[w * rom->elements + e];
            /* The lowest 64-bit integer has no literal. */
            if (size == 64)
                snprintf(line, sizeof line, "%sINT64_C(%lld)%s", e > 0 ? ", " : "", v == INT64_MIN ? v + 1 : v,
                         v == INT64_MIN ? " - 1" : "");
            else
                snprintf(line, sizeof line, "%s%lld", e > 0 ? ", " : "", v);
            say(s, line);
        }
        say(s, " },\n");
    }
    say(s, "};\n");
}

static rs_status write_npy(rom_sink *s, const rs_rom *rom, rs_diag *diag)
{
    uint8_t *bytes;
    size_t n;
    const rs_status status = rs_npy_encode(rom->values, rs_npy_integer_size(rom->bits), 2,
                                           (const int64_t[2]) { rom->depth, rom->elements }, &bytes, &n, diag);
    if (status != RS_OK)
        return status;
    emit(s, (const char *)bytes, n);
    rs_free(bytes);
    return RS_OK;
}

rs_status rs_rom_write(const rs_rom *rom, rs_rom_format format, const char *name, const char *path, uint32_t *crc,
                       rs_diag *diag)
{
    rs_output *out = NULL;
    rs_status status = rs_output_open(path, &out, diag);
    if (status != RS_OK)
        return status;
    rom_sink s = { rs_output_stream(out), crc32_z(0, NULL, 0) };
    switch (format) {
    case RS_ROM_HEX:
        write_hex(&s, rom);
        break;
    case RS_ROM_COE:
        write_coe(&s, rom);
        break;
    case RS_ROM_MIF:
        write_mif(&s, rom);
        break;
    case RS_ROM_IHEX:
        write_ihex(&s, rom);
        break;
    case RS_ROM_C:
        write_c(&s, rom, name);
        break;
    case RS_ROM_NPY:
        status = write_npy(&s, rom, diag);
        break;
    case RS_ROM_FORMATS:
    default:
        status = rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "unknown ROM format %d", (int)format);
        break;
    }
    if (status != RS_OK) {
        rs_output_discard(out);
        return status;
    }
    if (crc)
        *crc = (uint32_t)s.crc;
    return rs_output_commit(out, diag);
}

/* ------------------------------------------------------------------------------------------------------ reading */

/* Largest file that is read: far more than any ROM of a legal network. */
#define MAX_BYTES ((size_t)8 << 30)

static int digit_value(uint8_t ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

/* `words`: what fits into rom->values, which is less than the depth if the file is too short for it. */
static rs_status parse_hex(rs_rom *rom, int64_t words, const char *path, const uint8_t *bytes, size_t size,
                           rs_diag *diag)
{
    const int width = rom->elements * rom->bits, digits = (width + 3) / 4;
    const size_t line = (size_t)digits + 1;
    int64_t w = 0;
    size_t at = 0;
    for (; at < size; w++, at += line) {
        const rs_loc loc = { path, (int)(w + 1), 0 };
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        const size_t length = end ? (size_t)(end - (bytes + at)) : size - at;
        if (length + 1 != line || !end)
            return rs_error(diag, RS_BAD_INPUT, loc, NULL, "a word of %zu characters%s, expected %d digits for %d bits",
                            length, end ? "" : " without a line feed", digits, width);
        if (w == words)
            return rs_error(diag, RS_BAD_INPUT, loc, NULL, "more words than the %lld expected", (long long)rom->depth);
        for (int d = 0; d < digits; d++) {
            const int digit = digit_value(bytes[at + (size_t)d]);
            if (digit < 0)
                return rs_error(diag, RS_BAD_INPUT, (rs_loc) { path, (int)(w + 1), d + 1 }, NULL,
                                "expected a hexadecimal digit");
            for (int b = 0; b < 4; b++) {
                const int bit = 4 * (digits - 1 - d) + b;
                if (!(digit >> b & 1))
                    continue;
                if (bit >= width)
                    return rs_error(diag, RS_BAD_INPUT, (rs_loc) { path, (int)(w + 1), d + 1 }, NULL,
                                    "a word wider than %d bits", width);
                int64_t *value = &rom->values[w * rom->elements + bit / rom->bits];
                *value = (int64_t)((uint64_t)*value | UINT64_C(1) << (bit % rom->bits));
            }
        }
    }
    if (w < rom->depth)
        return rs_error(diag, RS_BAD_INPUT, (rs_loc) { path, (int)(w + 1), 0 }, NULL,
                        "the file ends after %lld words, expected %lld", (long long)w, (long long)rom->depth);
    for (int64_t i = 0; i < rom->depth * rom->elements; i++)
        rom->values[i] = rs_fxp_wrap(rom->values[i], rom->bits);
    return RS_OK;
}

static rs_status read_npy(rs_rom *rom, const char *path, uint32_t *crc, rs_diag *diag)
{
    rs_npy array;
    rs_status status = rs_check_regular(path, diag);
    if (status == RS_OK)
        status = rs_npy_read(path, MAX_BYTES, &array, crc, diag);
    if (status != RS_OK)
        return status;
    if (array.kind == 'f' || array.n_axes != 2 || array.dim[0] != rom->depth || array.dim[1] != rom->elements) {
        rs_npy_free(&array);
        return rs_error(diag, RS_BAD_INPUT, RS_FILE(path), NULL, "expected an array of %lld x %d integers",
                        (long long)rom->depth, rom->elements);
    }
    for (int64_t i = 0; i < array.count; i++)
        rom->values[i] = rs_npy_integer(&array, i);
    rs_npy_free(&array);
    return RS_OK;
}

rs_status rs_rom_read(rs_rom *rom, rs_rom_format format, const char *path, uint32_t *crc, rs_diag *diag)
{
    rom->values = NULL;
    if (format != RS_ROM_HEX && format != RS_ROM_NPY)
        return rs_error(diag, RS_USAGE, RS_NOWHERE, NULL, "ROM files of the format '%s' cannot be read back",
                        rs_rom_format_name(format));
    uint8_t *bytes = NULL;
    size_t size = 0;
    rs_status status = RS_OK;
    /* The depth is believed only if the file is as large as it says. */
    if (format == RS_ROM_HEX) {
        status = rs_read_file(path, MAX_BYTES, false, &bytes, &size, diag);
        if (status != RS_OK)
            return status;
    }
    const int64_t line = (rom->elements * rom->bits + 3) / 4 + 1;
    const int64_t words = format == RS_ROM_HEX && (int64_t)size / line < rom->depth ? (int64_t)size / line : rom->depth;
    rom->values = words <= INT64_MAX / rom->elements ? RS_NEW_ARRAY(int64_t, (size_t)words * (size_t)rom->elements)
                                                     : NULL;
    if (!rom->values)
        status = rs_out_of_memory(diag);
    else if (format == RS_ROM_NPY)
        status = read_npy(rom, path, crc, diag);
    else
        status = parse_hex(rom, words, path, bytes, size, diag);
    if (format == RS_ROM_HEX && crc)
        *crc = (uint32_t)crc32_z(0, bytes, size);
    rs_free(bytes);
    if (status != RS_OK)
        rs_rom_free(rom);
    return status;
}
