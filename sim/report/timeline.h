/* What the units of the array did, as a picture (SVG) or for Chrome's and Perfetto's viewer of traces (JSON). */
#ifndef RISTRETTO_REPORT_TIMELINE_H
#define RISTRETTO_REPORT_TIMELINE_H

#include "array/array.h"

typedef struct rs_timeline rs_timeline;

rs_status rs_timeline_new(const rs_program *program, rs_timeline **timeline, rs_diag *diag);
void rs_timeline_free(rs_timeline *timeline);
/* For rs_array_watch, the timeline being the context. */
void rs_timeline_add(void *timeline, const rs_activity *activity);

/* cycles: of the whole run. The name's ending decides: .svg or .json; RS_USAGE for others. In the JSON a cycle is a
 * microsecond. */
rs_status rs_timeline_write(const rs_timeline *timeline, uint64_t cycles, const char *path, rs_diag *diag);
/* Whether the ending is known; RS_USAGE with a message naming `option`. */
rs_status rs_timeline_check_name(const char *path, const char *option, rs_diag *diag);

#endif
