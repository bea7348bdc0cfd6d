#!/bin/sh
# test-options: limit=300
# The RTL in each tool that it must suit: Verilator's lint for several sets of parameters, Icarus Verilog (a plain test bench),
# Yosys (elaboration, check, the same test bench on the netlist that it writes, and a synthesized lane beside its RTL).
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1

rtl=$(tr '\n' ' ' <rtl/ristretto.f)

# The parameters of tests/rtl/smoke_tb.sv.
smoke="-set Lanes 2 -set Muls 3 -set ActBits 8 -set WgtBits 8 -set AccBits 24 -set ActDepth 64 -set OutDepth 64 \
-set WgtDepth 16 -set BusBits 32 -set Outstanding 4 -set ProgDepth 4"
odd="-set Lanes 3 -set Muls 5 -set ActBits 5 -set WgtBits 3 -set AccBits 10 -set Overflow 1 -set FirstLevel 1 -set TreeRegisters 1 \
-set Rounding 1 -set ActDepth 77 -set OutDepth 33 -set WgtDepth 9 -set BusBits 32"

# A lane as gates beside its RTL: name, parameters. Shifts of channels beyond the legal ones come too: without assertions.
gates() {
    element=$1
    shift
    set_yosys="-set Lane 1" # as in tests/rtl/lane_tb.sv
    set_icarus=
    for pair in Muls=3 Overflow=1 FirstLevel=1 TreeRegisters=2 "$@"; do
        set_yosys="$set_yosys -set ${pair%=*} ${pair#*=}"
        set_icarus="$set_icarus -Plane_tb.$pair"
    done
    check "Yosys synthesizes a lane to gates, $element" yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $set_yosys rst_lane;
        hierarchy -check -top rst_lane; synth -flatten; check -assert; rename -top lane_netlist;
        write_verilog -noattr $scratch/lane.v"
    # shellcheck disable=SC2086
    check "Icarus Verilog compiles the lane's gates, $element" iverilog -g2012 -DSYNTHESIS -Irtl $set_icarus -s lane_tb -o "$scratch/lane.vvp" $rtl \
        "$scratch/lane.v" tests/rtl/lane_tb.sv
    vvp "$scratch/lane.vvp" "+seed=${RISTRETTO_SEED:-20160411}" >"$scratch/lane.txt" 2>&1
    check_grep "the lane's gates give the same bits, $element" '^ok - ' "$scratch/lane.txt"
}

sources_listed() {
    printf '%s\n' rtl/*.sv | sort >"$scratch/sources"
    sort rtl/ristretto.f | diff "$scratch/sources" -
}
check 'rtl/ristretto.f lists each source once' sources_listed
modules_described() {
    for file in rtl/*.sv; do
        grep -q "^| \`$(basename "$file" .sv)" rtl/README.md || echo "$file is not in rtl/README.md"
    done | grep . && return 1
    return 0
}
check 'rtl/README.md has a line for each module' modules_described
check 'the parameters are up to date' scripts/gen-parameters --check
check 'the descriptor in the RTL is up to date' scripts/gen-descriptor --check
check 'the registers are up to date' scripts/gen-registers --check

lint() {
    name=$1
    shift
    # shellcheck disable=SC2086
    check "Verilator's lint, $name" verilator --lint-only -Wall --assert -Irtl rtl/lint.vlt $rtl rtl/checks/*.sv \
        --top-module ristretto_array "$@"
}

lint 'smallest' -GLanes=1 -GMuls=1 -GActBits=1 -GWgtBits=1 -GAccBits=2 -GActDepth=16 -GOutDepth=16 -GWgtDepth=1 \
    -GBusBits=16 -GOutstanding=1 -GProgDepth=1
lint 'odd sizes' -GLanes=7 -GMuls=5 -GActBits=5 -GWgtBits=3 -GAccBits=10 -GOverflow=1 -GFirstLevel=1 -GTreeRegisters=1 \
    -GRounding=1 -GActDepth=77 -GOutDepth=33 -GWgtDepth=9 -GBusBits=32 -GProgDepth=3
lint '16 x 16' -GLanes=16 -GMuls=16 -GTreeRegisters=2 -GRounding=2 -GBusBits=128 -GOutstanding=32 -GProgDepth=64
lint 'largest' -GLanes=64 -GMuls=64 -GActBits=16 -GWgtBits=16 -GAccBits=48 -GTreeRegisters=1 -GRounding=3 \
    -GActDepth=65536 -GOutDepth=65536 -GWgtDepth=65535 -GBusBits=1024 -GOutstanding=256 -GProgDepth=65535

lint 'shifters' -GPe=1 -GWgtBits=4 '-GChannelShifts=1'\''b1' '-GUnsignedActivations=1'\''b1' -GTreeRegisters=1
lint 'shifters with a zero' -GPe=1 -GWgtBits=2 '-GZeroCode=1'\''b1' -GLanes=2 -GMuls=5
lint 'minifloats, e4m3' -GPe=2 '-GAveragePooling=1'\''b0' -GAccBits=50 -GRounding=1
lint 'minifloats, e5m2' -GPe=2 '-GAveragePooling=1'\''b0' -GExponentBits=5 -GMantissaBits=2 -GSpecial=2 -GAccBits=90 -GTreeRegisters=2
lint 'minifloats, 3:0' -GPe=2 '-GAveragePooling=1'\''b0' -GExponentBits=3 -GMantissaBits=0 '-GSubnormals=1'\''b0' -GSpecial=0 -GActBits=4 -GWgtBits=4 \
    -GRounding=2

# shellcheck disable=SC2086
for bus in 16 32 512; do
    check "Verilator's lint, the top level with a bus of $bus bits" verilator --lint-only -Wall --assert -Irtl rtl/lint.vlt $rtl \
        rtl/checks/*.sv --top-module ristretto_top -GBusBits=$bus -GAddrBits=40 -GProgDepth=$((bus * 3))
done

# shellcheck disable=SC2086
if command -v iverilog >/dev/null; then
    check 'Icarus Verilog compiles the array' iverilog -g2012 -Irtl -s smoke_tb -o "$scratch/smoke.vvp" $rtl tests/rtl/smoke_tb.sv
    check 'Icarus Verilog compiles the top level' iverilog -g2012 -Irtl -s ristretto_top -o "$scratch/top.vvp" $rtl
    vvp "$scratch/smoke.vvp" >"$scratch/smoke.txt" 2>&1
    check_grep 'Icarus Verilog runs a layer' '^ok - ' "$scratch/smoke.txt"
    for element in 1 2; do
        check "Icarus Verilog compiles the array, Pe=$element" iverilog -g2012 -Irtl -Psmoke_tb.Pe=$element -s smoke_tb -o "$scratch/smoke.vvp" $rtl \
            tests/rtl/smoke_tb.sv
        vvp "$scratch/smoke.vvp" >"$scratch/smoke.txt" 2>&1
        check_grep "Icarus Verilog runs a layer, Pe=$element" '^ok - ' "$scratch/smoke.txt"
    done
else
    skip 'Icarus Verilog' 'it is not installed'
fi

# shellcheck disable=SC2086
if command -v yosys >/dev/null; then
    check 'Yosys elaborates and checks the array' yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $smoke ristretto_array;
        hierarchy -check -top ristretto_array; proc; check -assert; rename -top ristretto_array; write_verilog -noattr $scratch/netlist.v"
    check 'Yosys elaborates and checks the top level' yosys -q -p "read_verilog -sv -Irtl $rtl;
        hierarchy -check -top ristretto_top; proc; check -assert"
    for element in "-set Pe 1 -set WgtBits 4 -set ZeroCode 1 -set ChannelShifts 1" "-set Pe 2 -set AveragePooling 0 -set AccBits 44"; do
        check "Yosys elaborates processing elements, $element" yosys -q -p "read_verilog -sv -Irtl $rtl; chparam -set Lanes 2 -set Muls 3 \
            -set ActDepth 64 -set OutDepth 64 -set WgtDepth 16 -set ProgDepth 4 $element ristretto_array; hierarchy -check -top ristretto_array; proc; check -assert"
    done
    check 'Yosys elaborates odd sizes' yosys -q -p "read_verilog -sv -Irtl $rtl; chparam $odd ristretto_array;
        hierarchy -check -top ristretto_array; proc; check -assert"
    if command -v iverilog >/dev/null; then
        check "Icarus Verilog compiles Yosys's netlist" iverilog -g2012 -DNETLIST -Irtl -s smoke_tb -o "$scratch/netlist.vvp" \
            rtl/ristretto_pkg.sv "$scratch/netlist.v" tests/rtl/smoke_tb.sv
        vvp "$scratch/netlist.vvp" >"$scratch/netlist.txt" 2>&1
        check_grep "Yosys's netlist runs a layer" '^ok - ' "$scratch/netlist.txt"
        gates multiplier Pe=0 ActBits=4 WgtBits=4 AccBits=12 Rounding=1 UnsignedActivations=1 AveragePooling=1
        gates shifter Pe=1 ActBits=5 WgtBits=4 AccBits=14 Rounding=0 UnsignedActivations=0 AveragePooling=0 ZeroCode=1 ChannelShifts=1
        gates minifloat Pe=2 ActBits=8 WgtBits=8 AccBits=40 Rounding=1 UnsignedActivations=0 AveragePooling=0
    fi
else
    skip 'Yosys' 'it is not installed'
fi
finish
