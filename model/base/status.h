/* Status codes. Each one is also the process exit code of the command line. */
#ifndef RISTRETTO_BASE_STATUS_H
#define RISTRETTO_BASE_STATUS_H

typedef enum rs_status {
    RS_OK = 0,           /* done; a comparison was bit-exact */
    RS_MISMATCH = 1,     /* a comparison differed, or a target was missed */
    RS_USAGE = 2,        /* the command line is wrong */
    RS_BAD_INPUT = 3,    /* a file is missing, malformed, or asks for what is not supported */
    RS_RESOURCE = 4,     /* memory, disk or another resource of the machine ran out */
    RS_INTERNAL = 5,     /* a broken invariant: a defect of Ristretto */
    RS_INTERRUPTED = 130 /* SIGINT, SIGTERM or SIGHUP; whatever can be resumed has been saved */
} rs_status;

#endif
