#!/usr/bin/env python3
"""cosim --trace and --wave: FST files that GTKWave's own reader (it comes with Verilator) reads, windows that hold, save files that name
what is there.

test-options: limit=400
"""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, ristretto, run

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

# What cannot become a waveform is said, and stays as it was.
UNIT = ["cosim", "--dut", "configs/units/serial-mac.yaml", "--quiet", "--random", "10"]
pipe = os.path.join(folder, "pipe")
os.mkfifo(pipe)
r = ristretto(*UNIT, "--trace", pipe)
check("a pipe is no place for a waveform", r.returncode == 3 and "cannot write: this is a device or a pipe" in r.stderr, r.stderr)
check("and is still there", stat.S_ISFIFO(os.lstat(pipe).st_mode))
null = os.path.join(folder, "null")
try:
    os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
except OSError:
    check.skip("a device as a waveform", "this user cannot make one")
else:
    r = ristretto(*UNIT, "--trace", null)
    check("neither is a device", r.returncode == 3 and "this is a device or a pipe" in r.stderr, r.stderr)
    check("which stays one", stat.S_ISCHR(os.lstat(null).st_mode))
r = ristretto(*UNIT, "--trace", f"{pipe}/x/unit.fst")
check("a folder that cannot be made", r.returncode == 3 and "cannot make the folder" in r.stderr, r.stderr)
r = ristretto(*UNIT, "--trace", os.path.join(folder, "new", "unit.fst"))
check("one that can", r.returncode == 0 and sorted(os.listdir(os.path.join(folder, "new"))) == ["unit.fst", "unit.gtkw"], r.stderr)
older = os.path.join(folder, "older.fst")
with open(older, "w", encoding="utf-8") as f:
    f.write("older")
r = ristretto(*UNIT, "--trace", older, "--trace-from", "99999999", "--trace-to", "100000000")
check("an empty window", r.returncode == 2 and "the waveform is empty" in r.stderr, r.stderr)


def small_files():
    """Writing beyond 2,000 bytes fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


r = subprocess.run([BIN, *UNIT, "--trace", older], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                   preexec_fn=small_files, check=False)
check("a full disk", r.returncode == 4 and "the waveform is not complete" in r.stderr, f"{r.returncode} {r.stderr}")
with open(older, encoding="utf-8") as f:
    check("leaves the older file", f.read() == "older")
check("and nothing else", not [n for n in os.listdir(folder) if "tmp" in n or "hier" in n], os.listdir(folder))
wrong = os.path.join(folder, "wrong.yaml")
with open("configs/units/serial-mac.yaml", encoding="utf-8") as f:
    text = f.read().replace("name: WIDTH, value: 8", "name: FAULT, value: 1").replace("[serial_mac.v]", f"[{ROOT}/configs/units/serial_mac.v]")
with open(wrong, "w", encoding="utf-8") as f:
    f.write(text)
r = ristretto("cosim", "--dut", wrong, "--quiet", "--wave", pipe)
check("a difference stays one where its waveform cannot be written", r.returncode == 1 and "this is a device or a pipe" in r.stderr, f"{r.returncode} {r.stderr}")

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
