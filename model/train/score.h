/* What training and testing share: feeding a net from a data set, and scoring it. */
#ifndef RISTRETTO_TRAIN_SCORE_H
#define RISTRETTO_TRAIN_SCORE_H

#include "layers/exec.h"
#include "train/train.h"

/* The layer that writes the input blob. */
rs_status rs_data_layer(const rs_net *net, int *layer, rs_diag *diag);
/* The blob that loss and accuracy layers read labels from; -1 if there is none. */
int rs_label_blob(const rs_net *net);
/* Images, transformed, and labels of the set fit the net; errors are located at the data layer. */
rs_status rs_check_data(const rs_net *net, int layer, const rs_dataset *set, const rs_data_param *transform,
                        rs_diag *diag);
/* The parameters of the layers of the same name, from a training net into a test net whose shapes are known; an error
 * at the layer that the training net does not have. */
rs_status rs_copy_weights(const rs_net *from, rs_net *to, rs_diag *diag);
/* Makes a net that was read fit its data: finds the data layer, applies `over` to it (NULL: nothing), loads its mean
 * image, checks that the images suit it, and infers shapes for a batch of them. An input of fixed square size crops
 * larger images to it. */
rs_status rs_fit_data(rs_net *net, const rs_dataset *set, const rs_data_override *over, int64_t batch, int *layer,
                      rs_diag *diag);
/* Scores the set with an exec of the net that takes `batch` images. */
rs_status rs_score_net(rs_exec *exec, const rs_net *net, int layer, const rs_dataset *set, int64_t batch,
                       const rs_test_options *options, rs_test_result *result, rs_diag *diag);

#endif
