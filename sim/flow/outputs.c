/* The files of a quantized network. */
#include "flow/outputs.h"

#include "base/file.h"
#include "import/import.h"

rs_status rs_stage_write_quantized(rs_net *net, const char *model, const rs_formats *formats, const rs_qnet *qnet,
                                   const char *folder, bool weights, rs_diag *diag)
{
    char *integers = rs_path_join(folder, "qnet"), *prototxt = rs_path_join(folder, "quantized.prototxt");
    char *caffemodel = rs_path_join(folder, "quantized.caffemodel");
    rs_status st = integers == NULL || prototxt == NULL || caffemodel == NULL ? rs_out_of_memory(diag) : RS_OK;
    if (st == RS_OK)
        st = rs_qnet_write(qnet, integers, diag);
    if (st == RS_OK)
        st = rs_formats_apply(formats, qnet->rounding, qnet->bias_rule, net, diag);
    if (st == RS_OK)
        st = rs_import_write_quantized(model, net, prototxt, diag);
    if (st == RS_OK && weights) {
        rs_formats_give_params(formats, net);
        st = rs_caffe_write_weights(net, caffemodel, diag);
    }
    rs_free(integers);
    rs_free(prototxt);
    rs_free(caffemodel);
    return st;
}
