/* Reading JSON files. */
#include "base/json.h"

#include "base/file.h"
#include "base/memory.h"

rs_status rs_json_read(const char *path, size_t max_bytes, const char *what, const char *hint, json_t **value,
                       rs_diag *diag)
{
    *value = NULL;
    uint8_t *text = NULL;
    size_t size = 0;
    rs_status status = rs_read_file(path, max_bytes, false, &text, &size, diag);
    if (status != RS_OK)
        return status;
    json_error_t error;
    *value = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &error);
    rs_free(text);
    if (*value != NULL)
        return RS_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return rs_out_of_memory(diag);
    const rs_loc place = { path, error.line > 0 ? error.line : 0, error.column > 0 ? error.column : 0 };
    return rs_error(diag, RS_BAD_INPUT, place, hint, "%s%s%s", what, what[0] != '\0' ? ": " : "", error.text);
}
