#!/bin/sh
# libFuzzer on every format, ten minutes each.
# test-options: level=full limit=14400
set -eu
make -s VARIANT=fuzz fuzzer >&2
exec tests/fuzz/run --seconds "${FUZZ_SECONDS:-600}"
