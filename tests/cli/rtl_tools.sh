#!/bin/sh
# test-options: limit=300
# The RTL in each tool that it must suit: Verilator's lint for several sets of parameters, Icarus Verilog (a plain test bench),
# Yosys (elaboration, check, the same test bench on the netlist that it writes, and a synthesized lane beside its RTL).
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1

rtl="rtl/ristretto_pkg.sv rtl/ristretto_regs_pkg.sv rtl/rst_*.sv rtl/ristretto_array.sv"

# The parameters of tests/rtl/smoke_tb.sv.
smoke="-set LANES 2 -set MULS 3 -set ACT_BITS 8 -set WGT_BITS 8 -set ACC_BITS 24 -set ACT_DEPTH 64 -set OUT_DEPTH 64 \
-set WGT_DEPTH 16 -set BUS_BITS 32 -set OUTSTANDING 4 -set PROG_DEPTH 4"
# Parameters of rst_lane that tests/rtl/lane_tb.sv has fixed.
lane="-set MULS 3 -set OVERFLOW 1 -set FIRST_LEVEL 1 -set TREE_REGS 2 -set LANE 1"
odd="-set LANES 3 -set MULS 5 -set ACT_BITS 5 -set WGT_BITS 3 -set ACC_BITS 10 -set OVERFLOW 1 -set FIRST_LEVEL 1 -set TREE_REGS 1 \
-set ROUNDING 1 -set ACT_DEPTH 77 -set OUT_DEPTH 33 -set WGT_DEPTH 9 -set BUS_BITS 32"

# A lane as gates beside its RTL: name, parameters.
gates() {
    element=$1
    shift
    set_yosys=$lane
    set_icarus=
    for pair in "$@"; do
        set_yosys="$set_yosys -set ${pair%=*} ${pair#*=}"
        set_icarus="$set_icarus -Plane_tb.$pair"
    done
    check "Yosys synthesizes a lane to gates, $element" yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $set_yosys rst_lane;
        hierarchy -check -top rst_lane; synth -flatten; check -assert; rename -top lane_netlist;
        write_verilog -noattr $scratch/lane.v"
    # shellcheck disable=SC2086
    check "Icarus Verilog compiles the lane's gates, $element" iverilog -g2012 -Irtl $set_icarus -s lane_tb -o "$scratch/lane.vvp" $rtl \
        "$scratch/lane.v" tests/rtl/lane_tb.sv
    vvp "$scratch/lane.vvp" "+seed=${RISTRETTO_SEED:-20160411}" >"$scratch/lane.txt" 2>&1
    check_grep "the lane's gates give the same bits, $element" '^ok - ' "$scratch/lane.txt"
}

check 'the descriptor in the RTL is up to date' scripts/gen-descriptor --check
check 'the registers are up to date' scripts/gen-registers --check

lint() {
    name=$1
    shift
    # shellcheck disable=SC2086
    check "Verilator's lint, $name" verilator --lint-only -Wall --assert -Irtl rtl/lint.vlt $rtl rtl/checks/*.sv \
        --top-module ristretto_array "$@"
}

lint 'smallest' -GLANES=1 -GMULS=1 -GACT_BITS=1 -GWGT_BITS=1 -GACC_BITS=2 -GACT_DEPTH=16 -GOUT_DEPTH=16 -GWGT_DEPTH=1 \
    -GBUS_BITS=16 -GOUTSTANDING=1 -GPROG_DEPTH=1
lint 'odd sizes' -GLANES=7 -GMULS=5 -GACT_BITS=5 -GWGT_BITS=3 -GACC_BITS=10 -GOVERFLOW=1 -GFIRST_LEVEL=1 -GTREE_REGS=1 \
    -GROUNDING=1 -GACT_DEPTH=77 -GOUT_DEPTH=33 -GWGT_DEPTH=9 -GBUS_BITS=32 -GPROG_DEPTH=3
lint '16 x 16' -GLANES=16 -GMULS=16 -GTREE_REGS=2 -GROUNDING=2 -GBUS_BITS=128 -GOUTSTANDING=32 -GPROG_DEPTH=64
lint 'largest' -GLANES=64 -GMULS=64 -GACT_BITS=16 -GWGT_BITS=16 -GACC_BITS=48 -GTREE_REGS=1 -GROUNDING=3 \
    -GACT_DEPTH=65536 -GOUT_DEPTH=65536 -GWGT_DEPTH=65535 -GBUS_BITS=1024 -GOUTSTANDING=256 -GPROG_DEPTH=65535

lint 'shifters' -GPE=1 -GWGT_BITS=4 -GCHANNEL_SHIFT=1 -GUNSIGNED=1 -GTREE_REGS=1
lint 'shifters with a zero' -GPE=1 -GWGT_BITS=2 -GZERO_CODE=1 -GLANES=2 -GMULS=5
lint 'minifloats, e4m3' -GPE=2 -GAVERAGE=0 -GACC_BITS=50 -GROUNDING=1
lint 'minifloats, e5m2' -GPE=2 -GAVERAGE=0 -GEXPONENT_BITS=5 -GMANTISSA_BITS=2 -GSPECIAL=2 -GACC_BITS=90 -GTREE_REGS=2
lint 'minifloats, 3:0' -GPE=2 -GAVERAGE=0 -GEXPONENT_BITS=3 -GMANTISSA_BITS=0 -GSUBNORMALS=0 -GSPECIAL=0 -GACT_BITS=4 -GWGT_BITS=4 \
    -GROUNDING=2

# shellcheck disable=SC2086
for bus in 16 32 512; do
    check "Verilator's lint, the top level with a bus of $bus bits" verilator --lint-only -Wall --assert -Irtl rtl/lint.vlt $rtl \
        rtl/checks/*.sv rtl/ristretto_top.sv --top-module ristretto_top -GBUS_BITS=$bus -GADDR_BITS=40 -GPROG_DEPTH=$((bus * 3))
done

# shellcheck disable=SC2086
if command -v iverilog >/dev/null; then
    check 'Icarus Verilog compiles the array' iverilog -g2012 -Irtl -s smoke_tb -o "$scratch/smoke.vvp" $rtl tests/rtl/smoke_tb.sv
    check 'Icarus Verilog compiles the top level' iverilog -g2012 -Irtl -s ristretto_top -o "$scratch/top.vvp" $rtl rtl/ristretto_top.sv
    vvp "$scratch/smoke.vvp" >"$scratch/smoke.txt" 2>&1
    check_grep 'Icarus Verilog runs a layer' '^ok - ' "$scratch/smoke.txt"
    for element in 1 2; do
        check "Icarus Verilog compiles the array, PE=$element" iverilog -g2012 -Irtl -Psmoke_tb.PE=$element -s smoke_tb -o "$scratch/smoke.vvp" $rtl \
            tests/rtl/smoke_tb.sv
        vvp "$scratch/smoke.vvp" >"$scratch/smoke.txt" 2>&1
        check_grep "Icarus Verilog runs a layer, PE=$element" '^ok - ' "$scratch/smoke.txt"
    done
else
    skip 'Icarus Verilog' 'it is not installed'
fi

# shellcheck disable=SC2086
if command -v yosys >/dev/null; then
    check 'Yosys elaborates and checks the array' yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $smoke ristretto_array;
        hierarchy -check -top ristretto_array; proc; check -assert; rename -top ristretto_array; write_verilog -noattr $scratch/netlist.v"
    check 'Yosys elaborates and checks the top level' yosys -q -p "read_verilog -sv -Irtl $rtl rtl/ristretto_top.sv;
        hierarchy -check -top ristretto_top; proc; check -assert"
    for element in "-set PE 1 -set WGT_BITS 4 -set ZERO_CODE 1 -set CHANNEL_SHIFT 1" "-set PE 2 -set AVERAGE 0 -set ACC_BITS 44"; do
        check "Yosys elaborates processing elements, $element" yosys -q -p "read_verilog -sv -Irtl $rtl; chparam -set LANES 2 -set MULS 3 \
            -set ACT_DEPTH 64 -set OUT_DEPTH 64 -set WGT_DEPTH 16 -set PROG_DEPTH 4 $element ristretto_array; hierarchy -check -top ristretto_array; proc; check -assert"
    done
    check 'Yosys elaborates odd sizes' yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $odd ristretto_array;
        hierarchy -check -top ristretto_array; proc; check -assert"
    if command -v iverilog >/dev/null; then
        check "Icarus Verilog compiles Yosys's netlist" iverilog -g2012 -DNETLIST -Irtl -s smoke_tb -o "$scratch/netlist.vvp" \
            rtl/ristretto_pkg.sv "$scratch/netlist.v" tests/rtl/smoke_tb.sv
        vvp "$scratch/netlist.vvp" >"$scratch/netlist.txt" 2>&1
        check_grep "Yosys's netlist runs a layer" '^ok - ' "$scratch/netlist.txt"
        gates multiplier PE=0 ACT_BITS=4 WGT_BITS=4 ACC_BITS=12 ROUNDING=1 UNSIGNED=1 AVERAGE=1
        gates shifter PE=1 ACT_BITS=5 WGT_BITS=4 ACC_BITS=14 ROUNDING=0 UNSIGNED=0 AVERAGE=0 ZERO_CODE=1 CHANNEL_SHIFT=1
        gates minifloat PE=2 ACT_BITS=8 WGT_BITS=8 ACC_BITS=40 ROUNDING=1 UNSIGNED=0 AVERAGE=0
    fi
else
    skip 'Yosys' 'it is not installed'
fi
finish
