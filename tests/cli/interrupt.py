#!/usr/bin/env python3
"""Ctrl-C in a long run: status 130, nothing half-written, and the same command goes on to the same result.

test-options: variants=release,asan limit=240
"""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
folder = tempfile.mkdtemp()
log = os.path.join(folder, "log")


def files(where):
    return sorted(os.path.relpath(os.path.join(d, f), where) for d, _, fs in os.walk(where) for f in fs)


def content(where, leave_out=()):
    out = {}
    for f in files(where):
        if f not in leave_out:
            with open(os.path.join(where, f), "rb") as stream:
                out[f] = stream.read()
    return out


def interrupt(arguments, until):
    """Starts a command, sends SIGINT as soon as until(its id) holds; returns (status, stderr, whether it was still running)."""
    with open(log, "w", encoding="utf-8") as out:
        p = subprocess.Popen([BIN, *arguments], stdout=out, stderr=subprocess.PIPE, text=True)
    while p.poll() is None and not until(p.pid):
        time.sleep(0.01)
    running = p.poll() is None
    if running:
        p.send_signal(signal.SIGINT)
    err = p.communicate()[1]
    return p.returncode, err, running and p.returncode != 0


def has_computed(pid, seconds):
    """Whether a process has used so much of a processor: how much work is done, however loaded the machine is."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > seconds


def has_said(text):
    with open(log, encoding="utf-8") as f:
        return text in f.read()


# The search. Wide trials on all digits, so that it is not over too soon.
quantize = ["quantize", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--data", f"{ZOO}/digits",
            "--threads", "1"]
if os.environ.get("RISTRETTO_VARIANT") == "asan":  # with sanitizers fewer images take as long
    quantize += ["--calibration", "0:200", "--search", "0:200", "--test", "200:200"]
whole, parts = os.path.join(folder, "whole"), os.path.join(folder, "parts")
before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
r = ristretto(*quantize, "--out", whole)
work = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
check("an uninterrupted search", r.returncode == 0, r.stderr)
stopped = 0
for attempt in range(3):
    status, err, running = interrupt([*quantize, "--out", parts], lambda pid: has_computed(pid, 0.3 * work))
    if not running:
        break
    stopped += 1
    if not check(f"interrupted search {attempt + 1}: status 130, only its checkpoint is left",
                 status == 130 and "interrupted" in err and files(parts) in (["search.json"], []), f"{status} {files(parts)}\n{err}"):
        break
check("the search was interrupted at least once", stopped > 0)
r = ristretto(*quantize, "--out", parts)
check("it goes on to the end", r.returncode == 0 and files(parts) == files(whole), f"{r.stderr}\n{files(parts)}")
check("to the same integers", content(f"{parts}/qnet") == content(f"{whole}/qnet") and len(content(f"{parts}/qnet")) > 5)


def results(where):
    with open(os.path.join(where, "quantize.json"), encoding="utf-8") as f:
        return json.loads(re.sub(r'"seconds": [0-9.e+-]+', '"seconds": 0', f.read()))


check.equal("and the same numbers", results(parts), results(whole))

# Training, on the embedded digits.
with open(f"{ZOO}/lenet_train_test.prototxt", encoding="utf-8") as f:
    net = re.sub(r'source: "[^"]*"', f'source: "{os.path.join(ROOT, ZOO, "digits")}"', f.read())
with open(os.path.join(folder, "net.prototxt"), "w", encoding="utf-8") as f:
    f.write(net)
with open(os.path.join(folder, "solver.prototxt"), "w", encoding="utf-8") as f:
    f.write('net: "net.prototxt"\nbase_lr: 0.01\nmomentum: 0.9\nlr_policy: "fixed"\ndisplay: 1\nmax_iter: 60\nsnapshot: 0\n'
            'snapshot_prefix: "x"\nrandom_seed: 3\n')
train = ["train", "--solver", os.path.join(folder, "solver.prototxt"), "--data", f"{ZOO}/digits"]
r = ristretto(*train, "--out", os.path.join(folder, "straight", "x"))
check("an uninterrupted training", r.returncode == 0 and "x_iter_60.caffemodel" in files(os.path.join(folder, "straight")), r.stderr + r.stdout)
status, err, running = interrupt([*train, "--out", os.path.join(folder, "broken", "x"), "--iterations", "100000"],
                                 lambda pid: has_said("iteration 5,"))
left = files(os.path.join(folder, "broken"))
states = [f for f in left if f.endswith(".solverstate")]
check("interrupted training: status 130, one snapshot to resume from",
      status == 130 and len(states) == 1 and len(left) == 2, f"{status} {left}\n{err}")
done = int(re.search(r"_iter_(\d+)\.", states[0]).group(1)) if states else 0
more = done + 7
r1 = ristretto(*train, "--out", os.path.join(folder, "resumed", "x"), "--iterations", str(more), "--resume",
               os.path.join(folder, "broken", states[0]) if states else "none")
r2 = ristretto(*train, "--out", os.path.join(folder, "once", "x"), "--iterations", str(more))
a, b = (content(os.path.join(folder, w)).get(f"x_iter_{more}.caffemodel") for w in ("resumed", "once"))
check("resumed, it reaches the weights of an uninterrupted training, bit for bit",
      r1.returncode == 0 and r2.returncode == 0 and a is not None and a == b, f"{done} {r1.stderr} {r2.stderr}")
shutil.rmtree(folder)
check.done()
