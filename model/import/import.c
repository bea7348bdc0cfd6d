#include "import/import.h"

#include <string.h>

bool rs_is_onnx(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".onnx") == 0;
}

rs_status rs_import_net(const char *path, const rs_net_state *state, rs_net **net, rs_diag *diag)
{
    static const rs_net_state plain = { .phase = RS_TEST };
    return rs_caffe_read_net_for(path, state != NULL ? state : &plain, net, diag);
}
