/* Counting which images a network gets right. */
#include "layers/exec.h"

int64_t rs_count_hits(const float *scores, const int32_t *labels, int64_t n, int64_t classes, int top_k, int64_t *ties)
{
    int64_t hits = 0, tied = 0;
    for (int64_t i = 0; i < n; i++, scores += classes) {
        const float mine = scores[labels[i]];
        int64_t above = 0, equal = 0;
        for (int64_t c = 0; c < classes; c++) {
            if (c == labels[i])
                continue;
            /* A score that is not a number counts as above: a broken network is never right. */
            if (scores[c] == mine)
                equal++;
            else if (!(scores[c] < mine))
                above++;
        }
        if (above + equal < top_k)
            hits++;
        else if (above < top_k)
            tied++;
    }
    if (ties != NULL)
        *ties = tied;
    return hits;
}
