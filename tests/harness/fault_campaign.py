#!/usr/bin/env python3
"""The fault campaign notices each way to fail badly: tried on small programs that fail on purpose."""

import contextlib
import io
import os
import shutil
import stat
import tempfile

import faults
from checks import Checks

check = Checks()
scratch = tempfile.mkdtemp()

# Three "allocations", of which `bad` says what happens when the second one fails.
PROGRAM = """#!/bin/sh
out=$1
for n in 1 2 3; do
    if [ "${RISTRETTO_FAIL_ALLOC-}" = $n ]; then
        echo "ristretto: injected fault: alloc $n" >&2
        if [ $n = 2 ]; then
            %s
        fi
        echo 'error: out of memory' >&2
        exit 4
    fi
done
echo whole >"$out/a"
"""


def outcome(bad):
    path = os.path.join(scratch, "program")
    with open(path, "w", encoding="utf-8") as f:
        f.write(PROGRAM % bad)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    inner, said = Checks(), io.StringIO()
    with contextlib.redirect_stdout(said):
        faults.campaign(inner, "x", lambda out: [path, out], kinds=("alloc",), limit=5)
    return inner, said.getvalue()


def expect(name, bad, part):
    inner, said = outcome(bad)
    check(name, (inner.failed == 0 if part is None else inner.failed == 1 and part in said), said)


expect("a program that behaves", ":", None)
inner, said = outcome(":")
check.contains("the faults that were met are counted", said, "ok - x: alloc faults, 3 compared")
expect("a fault that does no harm", 'echo whole >"$out/a"; exit 0', None)
expect("a wrong status", "echo 'error: x' >&2; exit 3", "ended with status 3, expected 4")
expect("success without the output", "exit 0", "without its output ['a']")
expect("success with a wrong output", 'echo half >"$out/a"; exit 0', "not complete or not right: a")
expect("a half-written file", 'echo hal >"$out/a"; echo "error: x" >&2; exit 4', "not complete or not right: a")
expect("a temporary file", 'touch "$out/.a.tmp"; echo "error: x" >&2; exit 4', "left the file .a.tmp")
expect("a crash", "kill -SEGV $$", "killed by signal 11")
expect("silence", "exit 4", "gave no error message")
expect("a sanitizer's report", "echo 'x.c:1:2: runtime error: y' >&2; echo 'error: x' >&2; exit 4", "made a sanitizer speak")
expect("an endless loop", "exec sleep 60", "took too long")
check.contains("the command to repeat is shown", outcome("exit 4")[1], "RISTRETTO_FAIL_ALLOC=2")

with contextlib.redirect_stdout(io.StringIO()) as said:
    inner = Checks()
    faults.campaign(inner, "x", lambda out: ["false"])
check("a program that fails anyhow", inner.failed == 1 and "works without a fault" in said.getvalue(), said.getvalue())
with contextlib.redirect_stdout(io.StringIO()) as said:
    inner = Checks()
    faults.campaign(inner, "x", lambda out: ["true"], kinds=("read",))
check("a program that meets no fault", inner.failed == 1 and "met no fault at all" in said.getvalue(), said.getvalue())

shutil.rmtree(scratch)
check.done()
