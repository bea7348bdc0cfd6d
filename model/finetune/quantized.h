/* Training of a quantized prototxt by its solver alone, as the original Ristretto trains it. */
#ifndef RISTRETTO_FINETUNE_QUANTIZED_H
#define RISTRETTO_FINETUNE_QUANTIZED_H

#include "train/train.h"

/* Whether the solver's net has quantization_param. */
rs_status rs_train_is_quantized(const rs_solver_param *solver, bool *quantized, rs_diag *diag);

/* rs_train of a net with quantization_param: the weights are float, rounded stochastically for each batch to the
 * formats that the file says, while layer outputs stay float; the solver's own rule, rates and intervals hold. Tests
 * count hits on the exact integers, on test_iter batches (0: on all test images). Snapshots are those of rs_train. The
 * options' extension is not looked at. */
rs_status rs_train_quantized(const rs_solver_param *solver, const rs_train_options *options, rs_train_result *result,
                             rs_diag *diag);

#endif
