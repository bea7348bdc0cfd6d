/* Numbers and truth values as people write them in YAML files and on the command line. */
#ifndef RISTRETTO_CONFIG_SCALAR_H
#define RISTRETTO_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* The whole text must be the number; no spaces, no other base than ten. False: it is none, or it does not fit. */
bool rs_parse_int(const char *text, int64_t *value);
/* Decimal notation with an optional exponent; finite. */
bool rs_parse_real(const char *text, double *value);
/* true, false, yes, no, on, off. */
bool rs_parse_bool(const char *text, bool *value);

/* The shortest decimal text that reads back as the same number, with 10000000 as such and not 1e+07. Returns `buffer`.
 */
const char *rs_real_text(double value, char *buffer, int size);

#endif
