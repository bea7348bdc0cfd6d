#!/usr/bin/env python3
"""cosim --trace and --wave: FST files that GTKWave's own reader (it comes with Verilator) reads, windows that hold, save files that name
what is there.

test-options: limit=400
"""

import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto, run

check = Checks()
os.chdir(ROOT)
if not shutil.which("verilator") or not shutil.which("gcc"):
    check.skip("waveforms", "Verilator or gcc is not installed")
    check.done()
folder = tempfile.mkdtemp()
api = os.path.join(run("verilator", "--getenv", "VERILATOR_ROOT").stdout.strip(), "include")
reader = os.path.join(folder, "fst_list")
r = run("gcc", "-w", '-DFST_CONFIG_INCLUDE="fst_config.h"', f"-I{api}", f"-I{api}/gtkwave", "tests/wave/fst_list.c",
        *[f"{api}/gtkwave/{name}.c" for name in ("fstapi", "lz4", "fastlz")], "-lz", "-o", reader)
check("a reader of FST files", r.returncode == 0, r.stderr)


def read(fst):
    """First and last time, and signals: name -> (bits, changes, first, last)."""
    got = run(reader, fst)
    lines = [line.split() for line in got.stdout.splitlines()]
    signals = {w[1]: tuple(int(v) for v in w[2:]) for w in lines if w and w[0] == "signal"}
    time = next(((int(w[1]), int(w[2])) for w in lines if w and w[0] == "time"), None)
    return time, signals


def save_file(path, fst, signals, *groups):
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    named = [line for line in lines if line and line[0] not in "[@-*"]
    check(f"{os.path.basename(path)} names signals that are there", len(named) > 5 and all(n in signals for n in named),
          [n for n in named if n not in signals][:5])
    check("and the waveform", f'[dumpfile] "{os.path.realpath(fst)}"' in lines)
    check("in groups by unit", all(lines.count(f"-{g}") == 2 for g in groups), [line for line in lines if line.startswith("-")])


# A unit of somebody else.
fst = os.path.join(folder, "unit.fst")
r = ristretto("cosim", "--dut", "configs/units/serial-mac.yaml", "--trace", fst, "--trace-from", "10", "--trace-to", "40", "--quiet")
check("a unit is traced", r.returncode == 0, r.stderr)
time, signals = read(fst)
check.equal("its window holds", time, (20, 81))
clock = signals.get("serial_mac.clock") or signals.get("unit.serial_mac.clock")
check("with 31 clock cycles in it", clock is not None and clock[1] in (62, 63), (clock, sorted(signals)[:10]))
save_file(os.path.join(folder, "unit.gtkw"), fst, signals, "serial_mac")

# The array, on a network.
ZOO = "model/zoo/lenet"
q = os.path.join(folder, "q")
r = ristretto("quantize", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--data", f"{ZOO}/digits", "--calibration",
              "0:20", "--search", "0:20", "--test", "20:4", "--convolution-bits", "8", "--inner-product-bits", "8", "--activation-bits", "8",
              "--error-margin", "50", "--out", q)
check("a network to run", r.returncode == 0, r.stderr)
PLACE = ["cosim", "--qnet", f"{q}/qnet", "--array", "configs/arrays/lenet.yaml", "--data", f"{ZOO}/digits", "--images", "1"]
fst = os.path.join(folder, "array.fst")
r = ristretto(*PLACE, "--trace", fst, "--trace-from", "1000", "--trace-to", "1300", "--quiet")
check("the array is traced", r.returncode == 0, r.stderr)
time, signals = read(fst)
check.equal("cycles 1000 to 1300 are in it, no others", time, (2000, 2601))
check("the clock runs through all of them", signals.get("ristretto_array.clk_i", (0, 0))[1] in (601, 602), signals.get("ristretto_array.clk_i"))
check("and the array works", signals.get("ristretto_array.obs_out_valid_o", (0, 0))[1] > 1, len(signals))
save_file(os.path.join(folder, "array.gtkw"), fst, signals, "ristretto_array", "u_loader", "u_sequencer", "u_storer", "gen_lane[0].u_lane")
r = ristretto(*PLACE, "--trace", fst, "--trace-from", "99999999", "--trace-to", "100000000")
check("a window behind the end", r.returncode == 2 and "a waveform from cycle 99999999 on is empty: the image takes" in r.stderr, r.stderr)
r = ristretto(*PLACE, "--trace", fst, "--trace-from", "10", "--trace-to", "5")
check("a window that ends before it begins", r.returncode == 2 and "--trace-to lies before --trace-from" in r.stderr, r.stderr)

# Around a mismatch.
fst = os.path.join(folder, "planted.fst")
r = ristretto(*PLACE, "--plant", "flip", "--plant-beat", "50", "--wave", fst, "--json")
check("a planted fault", r.returncode == 1, r.stderr)
time, signals = read(fst)
check("is in its waveform", time is not None and 0 < time[1] - time[0] <= 2 * 251 + 1 and len(signals) > 100, time)
shutil.rmtree(folder)
check.done()
