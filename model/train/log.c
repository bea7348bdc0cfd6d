/* Training told line by line, as Caffe does. */
#include <inttypes.h>
#include <math.h>

#include "train/train.h"

void rs_train_log(void *context, const rs_train_event *e)
{
    FILE *out = context;
    switch (e->kind) {
    case RS_TRAIN_BEGIN:
        fprintf(out, "training on %" PRId64 " images from iteration %" PRId64 "\n", e->images, e->iteration);
        break;
    case RS_TRAIN_DISPLAY:
        fprintf(out, "iteration %" PRId64 ", loss %.6g, learning rate %.6g\n", e->iteration, e->loss, e->learning_rate);
        break;
    case RS_TRAIN_TEST:
        fprintf(out, "iteration %" PRId64 ", test of %" PRId64 " images%s: accuracy %.2f %%", e->iteration, e->images,
                isnan(e->loss) ? ", integers" : "", 100.0 * e->accuracy);
        if (!isnan(e->loss))
            fprintf(out, ", loss %.6g", e->loss);
        fputc('\n', out);
        break;
    case RS_TRAIN_SNAPSHOT:
        fprintf(out, "iteration %" PRId64 ", snapshot %s\n", e->iteration, e->path);
        break;
    case RS_TRAIN_INTERRUPTED:
        if (e->path != NULL)
            fprintf(out, "interrupted at iteration %" PRId64 "; resume from %s\n", e->iteration, e->path);
        else
            fprintf(out, "interrupted at iteration %" PRId64 "\n", e->iteration);
        break;
    }
    fflush(out);
}
