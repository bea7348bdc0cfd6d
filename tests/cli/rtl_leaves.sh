#!/bin/sh
# test-options: limit=240
# Builds tests/rtl/leaves.* with Verilator in build/rtl-leaves and runs it.
set -eu
cd "${RISTRETTO_ROOT:-$(dirname "$0")/../..}"

if ! command -v verilator >/dev/null; then
    echo 'skip - RTL leaf modules: verilator is not installed'
    exit 0
fi
make -s VARIANT=release lib build/release/libtestsupport.a >/dev/null
mkdir -p build/rtl-leaves
root=$PWD
if ! verilator --cc --exe --build -j 2 -O3 -Wall -Wno-UNUSEDSIGNAL --assert -DRST_CHECKS_ALL --x-assign unique --x-initial unique \
    --compiler clang -MAKEFLAGS "CXX=clang++ LINK=clang++ OPT_FAST=-O2" \
    -CFLAGS "-std=c++17 -I$root/model -I$root/sim -I$root/tests" \
    -LDFLAGS "$root/build/release/libtestsupport.a $root/build/release/libristretto.a -lgmp $(make -s print VARIABLE=PKG_LIBS)" \
    -Mdir build/rtl-leaves --top-module leaves rtl/lint.vlt -Irtl -y rtl \
    rtl/ristretto_pkg.sv tests/rtl/leaves.sv "$root/tests/rtl/leaves.cc" >build/rtl-leaves/log 2>&1; then
    tail -n 30 build/rtl-leaves/log | sed 's/^/# /'
    echo 'not ok - RTL leaf modules: the build failed'
    exit 1
fi
build/rtl-leaves/Vleaves +verilator+rand+reset+2
