#!/usr/bin/env python3
"""Commands that are ended from outside: they end at once, with what they have started, and leave nothing.

Nothing here is timed: a tool sleeps until it is killed, and each step waits for what the one before must bring about.

test-options: limit=240
"""
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks

check = Checks()
os.chdir(ROOT)
folder = tempfile.mkdtemp()
NET = "model/zoo/lenet/lenet_train_test.prototxt"
PATIENCE = 60  # seconds, only for what never comes


def until(holds):
    begin = time.monotonic()
    while not holds() and time.monotonic() - begin < PATIENCE:
        time.sleep(0.01)
    return holds()


def start(*arguments, **more):
    return subprocess.Popen([BIN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def ended(process):
    """Its status, and what it has said."""
    try:
        err = process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        err = "it did not end: " + process.communicate()[1]
    return process.returncode, err


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def builds():
    """Builds whose compiler never ends: one that a signal ends, one that waits for another's lock, one that is killed."""
    tools, cache, pids = (os.path.join(folder, n) for n in ("tools", "cache", "pids"))
    os.mkdir(tools)
    compiler = os.path.join(tools, "clang++")
    with open(compiler, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\n[ "$1" != --version ] || {{ echo 1; exit; }}\nsleep 100000 &\necho $$ $! >{pids}.new\nmv {pids}.new {pids}\nwait\n')
    os.chmod(compiler, 0o755)
    environment = dict(os.environ, RISTRETTO_CACHE=cache, PATH=f"{tools}:{os.environ['PATH']}", RISTRETTO_CXX="clang++")
    command = ["cosim", "--dut", "configs/units/serial-mac.yaml"]

    def build():
        if os.path.exists(pids):
            os.remove(pids)
        process = start(*command, env=environment)
        if not check("a build is in the compiler", until(lambda: os.path.exists(pids))):
            return process, []
        with open(pids, encoding="utf-8") as f:
            return process, f.read().split()

    def left():
        return sorted(n for n in os.listdir(cache) if not n.endswith(".lock"))

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        process, started = build()
        process.send_signal(getattr(signal, name))
        status, err = ended(process)
        check(f"{name} ends it", status == 130, f"{status} {err}")
        check("with all that it has started", len(started) == 2 and until(lambda s=started: not any(map(is_alive, s))), started)
        check("and nothing is left but the lock", left() == [], left())

    process, started = build()
    waiting = start(*command, env=environment)

    def waits():
        for fd in os.listdir(f"/proc/{waiting.pid}/fd"):
            try:
                if os.readlink(f"/proc/{waiting.pid}/fd/{fd}").endswith(".lock"):
                    return True
            except OSError:
                pass
        return False

    check("another waits for its lock", until(waits))
    waiting.terminate()
    status, err = ended(waiting)
    check("and ends when it is told to", status == 130 and process.poll() is None, f"{status} {err}")

    process.kill()
    ended(process)
    check("a build that is killed ends with all that it has started", until(lambda: not any(map(is_alive, started))), started)
    killed = left()
    check("and leaves its folder", len(killed) == 1 and killed[0].startswith("build-"), killed)
    with open(compiler, "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\n[ "$1" != --version ] || { echo 1; exit; }\nexit 7\n')
    ended(start(*command, env=environment))
    check("which stays while it is young", killed[0] in left(), left())
    os.utime(os.path.join(cache, killed[0]), (1000000000, 1000000000))
    ended(start(*command, env=environment))
    check("and is collected when it is old", killed[0] not in left(), left())


def catches(pid):
    """Whether the process has installed its handlers."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        caught = next((int(line.split()[1], 16) for line in f if line.startswith("SigCgt")), 0)
    return caught >> (signal.SIGTERM - 1) & 1 == 1


def pipes():
    """A pipe that nobody writes to or reads from, and one whose writer has stopped."""
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for name, command in (("read", ["summary", pipe]),
                              ("written", ["convert", NET, "--input", "1x28x28", "--prototxt", pipe])):
            process = start(*command)
            until(lambda p=process: catches(p.pid))
            process.send_signal(number)
            status, err = ended(process)
            check(f"{number.name} while a pipe is to be {name}", status == 130, f"{status} {err}")
    process = start("summary", pipe)
    until(lambda: catches(process.pid))
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"name:")
    process.terminate()
    status, err = ended(process)
    os.close(writer)
    check("SIGTERM while the writer of a pipe has stopped", status == 130, f"{status} {err}")


def limits():
    """Writes that fail by a signal."""
    place = os.path.join(folder, "limits")
    os.mkdir(place)
    command = ["convert", NET, "--input", "1x28x28", "--weights", "model/zoo/lenet/lenet.caffemodel", "--onnx", f"{place}/net.onnx"]
    process = start(*command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    status, err = ended(process)
    check("a file that is too large for its limit is an error", status == 4 and "cannot write: File too large" in err, f"{status} {err}")
    check("and leaves nothing", os.listdir(place) == [], os.listdir(place))


pipes()
limits()
if shutil.which("verilator"):
    builds()
else:
    check.skip("builds", "Verilator is not installed")
shutil.rmtree(folder)
check.done()
