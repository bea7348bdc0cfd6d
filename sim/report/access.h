/* Members of JSON objects with defaults: a report may come from anywhere, and what it lacks must not end the program.
 */
#ifndef RISTRETTO_REPORT_ACCESS_H
#define RISTRETTO_REPORT_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <string.h>

#include <jansson.h>

static inline const char *rs_j_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static inline double rs_j_real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static inline int64_t rs_j_int(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static inline bool rs_j_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static inline bool rs_j_has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

/* To the nearest whole number; what does not fit is cut. */
static inline int64_t rs_whole(double value)
{
    const double most = 9e18;
    return value >= most    ? (int64_t)most
           : value <= -most ? -(int64_t)most
                            : (int64_t)(value < 0.0 ? value - 0.5 : value + 0.5);
}

/* part / whole in percent; 0 of nothing. */
static inline double rs_percent(double part, double whole)
{
    return whole > 0.0 ? 100.0 * part / whole : 0.0;
}

/* How a group of numbers is called in tables: "convolution" is short for its weights. */
static inline const char *rs_group_title(const json_t *group)
{
    const char *name = rs_j_text(group, "name");
    return strcmp(name, "convolution") == 0     ? "convolution weights"
           : strcmp(name, "inner_product") == 0 ? "fully connected weights"
           : strcmp(name, "activations") == 0   ? "layer outputs"
                                                : name;
}

/* Bytes that a layer of a simulation reads from and writes to the activation, weight and output buffers: read, written,
 * read, ... Words of m and n bits side by side, a started byte whole. */
enum { RS_BUFFER_BYTES = 6 };
static inline void rs_buffer_bytes(const json_t *array, const json_t *layer, int64_t bytes[RS_BUFFER_BYTES])
{
    static const char *const keys[RS_BUFFER_BYTES] = { "activation_buffer_reads", "activation_buffer_writes",
                                                       "weight_buffer_reads",     "weight_buffer_writes",
                                                       "output_buffer_reads",     "output_buffer_writes" };
    for (int k = 0; k < RS_BUFFER_BYTES; k++) {
        const double bits = rs_j_real(array, k / 2 == 1 ? "weight_bits" : "activation_bits");
        bytes[k] = rs_whole(rs_j_real(layer, keys[k]) * bits / 8.0 + 0.49);
    }
}

static inline double rs_ratio(double a, double b)
{
    return b > 0.0 ? a / b : 0.0;
}

#endif
