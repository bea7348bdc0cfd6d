/* What every stage that quantizes writes. */
#ifndef RISTRETTO_FLOW_OUTPUTS_H
#define RISTRETTO_FLOW_OUTPUTS_H

#include "formats/formats.h"
#include "qnet/qnet.h"

/* Writes FOLDER/qnet/ and FOLDER/quantized.prototxt, made from the file `model`; and, with `weights`,
 * FOLDER/quantized.caffemodel: the net's weights, with those that the formats replace, which the net then has. From
 * these two files the same integers are made again. */
rs_status rs_stage_write_quantized(rs_net *net, const char *model, const rs_formats *formats, const rs_qnet *qnet,
                                   const char *folder, bool weights, rs_diag *diag);

#endif
