"""Fault campaigns: a command is run with its n-th allocation, read or write made to fail, for n = 1, 2, 3, ... until it
comes through without meeting the fault (see model/base/faults.h).

    from checks import Checks, BIN
    from faults import campaign
    check = Checks()
    campaign(check, "export", lambda out: [BIN, "export", "net.qnet", "--output", out])
    check.done()

The function is given an empty folder for the outputs. After each run:
  - the status is the documented one: 4 for memory and writing, 3 for reading; or 0 where the command could do without
    (a hint, a progress bar), and then the outputs are what they are without a fault;
  - there is a message `error: ...` on stderr unless the status is 0;
  - no temporary file is left, and every output that is there is complete: the same bytes as without a fault
    (times in a JSON aside);
  - no sanitizer has anything to say, and no signal ended the process.

In `make check` n is sampled: each of the first ones, then further apart. In `make check-full` each n is tried, until
`seconds` have passed; then sampled as well. The result line says how many faults were met.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

from checks import FULL

KINDS = {"alloc": (4,), "read": (3,), "write": (4,)}
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|: runtime error: |SUMMARY: \w+Sanitizer")
TIMES = re.compile(rb'"(\w*seconds|\w*_per_second)": *[-+.\deE]+')  # JSON's numbers that differ from run to run
GROWTH = 1.5  # of the step between sampled n


def all_files(folder):
    found = []
    for parent, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(parent, name), folder) for name in names]
    return sorted(found)


def content(path):
    with open(path, "rb") as f:
        data = f.read()
    return TIMES.sub(rb'"\1": 0', data) if path.endswith(".json") else data


def run_once(command, extra, env, limit):
    try:
        return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", check=False, timeout=limit,
                              env={**os.environ, "RISTRETTO_THREADS": "1", **(env or {}), **extra})
    except subprocess.TimeoutExpired:
        return None


def complaint(kind, result, out, reference, ignore):
    """What is wrong with one run that met its fault, or None."""
    if result is None:
        return "took too long"
    if result.returncode < 0:
        return f"was killed by signal {-result.returncode}"
    if SANITIZER.search(result.stderr):
        return "made a sanitizer speak"
    if result.returncode not in KINDS[kind] + (0,):
        return f"ended with status {result.returncode}, expected {' or '.join(map(str, KINDS[kind]))}"
    message = re.sub(r"^ristretto: injected fault: .*\n", "", result.stderr, flags=re.M)
    if result.returncode != 0 and "error:" not in message:
        return "gave no error message"
    here, there = all_files(out), all_files(reference)
    for name in here:
        if name not in there:
            return f"left the file {name}"
        if name not in ignore and content(os.path.join(out, name)) != content(os.path.join(reference, name)):
            return f"left a file that is not complete or not right: {name}"
    if result.returncode == 0 and here != there:
        return f"ended with status 0 and without its output {sorted(set(there) - set(here))}"
    return None


def campaign(check, name, command, kinds=tuple(KINDS), env=None, ignore=(), seconds=120, limit=120):
    """One result for each kind. `ignore`: names of outputs that differ from run to run."""
    scratch = tempfile.mkdtemp()
    reference = os.path.join(scratch, "reference")
    os.mkdir(reference)
    result = run_once(command(reference), {}, env, limit)
    if not check(f"{name}: works without a fault", result is not None and result.returncode == 0,
                 "took too long" if result is None else f"status {result.returncode}\n{result.stderr}"):
        shutil.rmtree(scratch)
        return
    for kind in kinds:
        begin, n, step, met, problem = time.monotonic(), 1, 1.0, 0, None
        while problem is None:
            out = os.path.join(scratch, "out")
            os.mkdir(out)
            result = run_once(command(out), {f"RISTRETTO_FAIL_{kind.upper()}": str(n)}, env, limit)
            struck = result is None or f"injected fault: {kind} {n}\n" in result.stderr
            if struck:
                met += 1
                problem = complaint(kind, result, out, reference, ignore)
            elif result.returncode != 0:
                problem = f"met no fault and ended with status {result.returncode}"
            shutil.rmtree(out)
            if not struck:
                break
            if n >= 8 and (not FULL or time.monotonic() - begin > seconds):
                step *= GROWTH
            n += max(1, int(step)) if problem is None else 0
        detail = ""
        if problem:
            detail = (f"RISTRETTO_THREADS=1 RISTRETTO_FAIL_{kind.upper()}={n} {' '.join(map(str, command('OUT')))}\n"
                      f"{problem}\n{'' if result is None else result.stderr}")
        # A command that met no fault of a kind does nothing of that kind: the caller should not have asked for it.
        check(f"{name}: {kind} faults, {met} compared", problem is None and met > 0, detail or "met no fault at all")
    shutil.rmtree(scratch)
