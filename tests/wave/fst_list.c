/* Prints what an FST file holds, by GTKWave's own reader, which comes with Verilator:
 *     time FIRST LAST
 *     signal HIERARCHY BITS CHANGES FIRST_CHANGE LAST_CHANGE */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "gtkwave/fstapi.h"

enum { MOST = 200000, DEEPEST = 4096 };

static struct {
    uint64_t changes, first, last;
} seen[MOST];

static void change(void *context, uint64_t time, fstHandle handle, const unsigned char *value)
{
    (void)context;
    (void)value;
    if (handle < MOST) {
        if (seen[handle].changes++ == 0)
            seen[handle].first = time;
        seen[handle].last = time;
    }
}

int main(int argc, char **argv)
{
    void *reader = argc == 2 ? fstReaderOpen(argv[1]) : NULL;
    if (reader == NULL) {
        fprintf(stderr, "fst_list FILE.fst\n");
        return 1;
    }
    printf("time %llu %llu\n", (unsigned long long)fstReaderGetStartTime(reader),
           (unsigned long long)fstReaderGetEndTime(reader));
    fstReaderSetFacProcessMaskAll(reader);
    fstReaderIterBlocks(reader, change, NULL, NULL);
    fstReaderIterateHierRewind(reader);
    char path[DEEPEST] = "";
    int depth[256], n = 0, used = 0;
    for (struct fstHier *h; (h = fstReaderIterateHier(reader)) != NULL;) {
        if (h->htyp == FST_HT_SCOPE && n < 256) {
            depth[n++] = used;
            used += snprintf(path + used, sizeof path - (size_t)used, "%s.", h->u.scope.name);
        } else if (h->htyp == FST_HT_UPSCOPE && n > 0) {
            used = depth[--n];
            path[used] = '\0';
        } else if (h->htyp == FST_HT_VAR && h->u.var.handle < MOST) {
            printf("signal %s", path);
            for (const char *p = h->u.var.name; *p != '\0'; p++)
                if (*p != ' ')
                    putchar(*p);
            printf(" %u %llu %llu %llu\n", (unsigned)h->u.var.length, (unsigned long long)seen[h->u.var.handle].changes,
                   (unsigned long long)seen[h->u.var.handle].first, (unsigned long long)seen[h->u.var.handle].last);
        }
    }
    fstReaderClose(reader);
    return 0;
}
