#include "import/import.h"

#include <string.h>

#include "import/onnx.h"

bool rs_is_onnx(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".onnx") == 0;
}

rs_status rs_import_net(const char *path, const rs_net_state *state, const rs_shape *input, rs_net **net, rs_diag *diag)
{
    static const rs_net_state plain = { .phase = RS_TEST };
    if (rs_is_onnx(path))
        return rs_onnx_read(path, input, net, diag);
    return rs_caffe_read_net_for(path, state != NULL ? state : &plain, net, diag);
}
