#!/usr/bin/env python3
"""The test runner sees every kind of failure: planted ones, in a small tree of their own."""

import os
import shutil
import stat
import tempfile
import time

from checks import ROOT, Checks, run

check = Checks()
scratch = tempfile.mkdtemp()


def write(root, path, text, executable=True):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    if executable:
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def tree(name, programs=None, scripts=None, source="", asan=None):
    """A tree with unit test `test_x` whose built programs are the shell scripts given, and with command line tests."""
    root = os.path.join(scratch, name)
    os.makedirs(root)
    if programs is not None:
        write(root, "tests/unit/test_x.c", source, executable=False)
        write(root, "build/release/tests/test_x", "#!/bin/sh\n" + programs)
        write(root, "build/asan/tests/test_x", "#!/bin/sh\n" + (programs if asan is None else asan))
    for file, text in (scripts or {}).items():
        write(root, "tests/cli/" + file, "#!/bin/sh\n" + text)
    return root


def verdict(root, *arguments, **options):
    result = run(os.path.join(ROOT, "tests", "run"), "--root", root, "--jobs", "2", *(arguments or ("unit", "cli")), **options)
    last = result.stdout.rstrip("\n").splitlines()[-1:] or [""]
    return result.returncode, last[0], result.stdout + result.stderr


def expect(name, root, status, last, *parts, arguments=()):
    got_status, got_last, text = verdict(root, *arguments)
    check(name, got_status == status and got_last == last and all(p in text for p in parts),
          f"expected status {status}, last line {last!r}, and {parts}; got {got_status}, {got_last!r}\n{text}")


GOOD = "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'\n"

expect("two passing tests in two builds", tree("good", GOOD), 0, "4 passed, 0 failed")
expect("a failing test", tree("failing", "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1\n"), 1,
       "2 passed, 2 failed", "FAILED  b")
expect("a failing test that ends with status 0", tree("failing0", "echo 1..1; echo 'not ok 1 - b'\n"), 1, "0 passed, 2 failed")
expect("a failure in the asan build only", tree("asan", GOOD, asan="echo 1..1; echo 'not ok 1 - b'; exit 1\n"), 1,
       "2 passed, 1 failed", "unit/test_x [asan]")
expect("a bad status behind good results", tree("status", GOOD + "exit 3\n"), 1, "4 passed, 2 failed", "exit status 3")
expect("a crash", tree("crash", GOOD + "kill -SEGV $$\n"), 1, "4 passed, 2 failed", "killed by SIGSEGV")
expect("a crash in the middle", tree("crash2", "echo 1..2; echo 'ok 1 - a'; kill -ABRT $$\n"), 1, "2 passed, 4 failed",
       "2 results were planned, 1 were reported")
expect("results that are missing", tree("short", "echo 1..3; echo 'ok 1 - a'\n"), 1, "2 passed, 2 failed",
       "3 results were planned, 1 were reported")
expect("a program that prints nothing", tree("silent", "exit 0\n"), 1, "0 passed, 2 failed", "printed no result")
expect("a program that prints only other things", tree("chatty", "echo all is ok; echo PASS\n"), 1, "0 passed, 2 failed",
       "printed no result")
expect("an empty group", tree("empty", "echo 1..0\n"), 1, "0 passed, 2 failed", "a group without tests")
expect("nothing compared", tree("zero", "echo 1..1; echo 'ok 1 - compared 0 outputs'\n"), 1, "0 passed, 2 failed")
expect("nothing compared, in other words", tree("zero2", scripts={"a.sh": "echo 'ok - all equal, 0 values compared'\n"}), 1,
       "0 passed, 1 failed")
expect("ten compared is not nothing", tree("ten", scripts={"a.sh": "echo 'ok - 10 compared, compared 0.5 M more'\n"}), 0,
       "1 passed, 0 failed")
expect("a sanitizer's report behind status 0",
       tree("sanitizer", GOOD, asan=GOOD + "echo 'x.c:3:4: runtime error: shift exponent' >&2\n"), 1, "4 passed, 1 failed",
       "a sanitizer reported an error")
expect("a test that takes too long", tree("slow", GOOD + "sleep 60\n", source="/* test-options: limit=1 */\n", asan=GOOD), 1,
       "4 passed, 1 failed", "took longer than 1 s")

root = tree("missing", GOOD)
os.remove(os.path.join(root, "build/asan/tests/test_x"))
expect("a program that was not built", root, 1, "2 passed, 1 failed", "does not exist: was it built?")
os.chmod(os.path.join(root, "build/release/tests/test_x"), 0o644)
expect("a program that is not executable", root, 1, "0 passed, 2 failed", "is not executable")
root = tree("format", GOOD)
write(root, "build/release/tests/test_x", "\x7fELF nonsense")
expect("a program that cannot be started", root, 1, "2 passed, 1 failed", "cannot be started")
expect("a tree without tests", tree("none"), 1, "0 passed, 0 failed")
expect("a filter that matches nothing", tree("filter", GOOD), 1, "0 passed, 0 failed", arguments=("unit", "--filter", "zzz"))

expect("a skipped test of cmocka, with its reason", tree("skip", "echo 1..2; echo 'ok 1 - a'; echo no data; echo 'not ok 2 # SKIP b'\n"),
       0, "2 passed, 0 failed, 2 skipped", "SKIPPED b: no data", "SKIPPED, NOT TESTED (2)")
expect("a skipped script", tree("skip2", scripts={"a.sh": "echo 'ok - a'; echo 'skip - b: no data'\n"}), 0,
       "1 passed, 0 failed, 1 skipped", "SKIPPED b: no data")
expect("only skipped tests", tree("skip3", scripts={"a.sh": "echo 'skip - b: no data'\n"}), 1, "0 passed, 0 failed, 1 skipped")
expect("two groups in one program", tree("groups", "echo 1..1; echo 'ok 1 - a'; echo 1..1; echo 'ok 1 - b'\n"), 0,
       "4 passed, 0 failed")
expect("a script in both builds", tree("both", scripts={"a.sh": "# test-options: variants=release,asan\n"
                                                         'echo "ok - $RISTRETTO_VARIANT"; test -n "${RISTRETTO_BIN}"\n'}), 0,
       "2 passed, 0 failed", "cli/a.sh [asan]")
root = tree("mode")
write(root, "tests/cli/a.sh", "#!/bin/sh\necho 'ok - a'\n", executable=False)
expect("a script without the executable bit", root, 1, "0 passed, 1 failed", "is not executable")

long = tree("full", scripts={"a.sh": "echo 'ok - a'\n", "b.sh": "# test-options: level=full\necho \"ok - $RISTRETTO_LEVEL\"\n"})
expect("a long test is left out", long, 0, "1 passed, 0 failed")
expect("--full runs the long test", long, 0, "2 passed, 0 failed", arguments=("cli", "--full"))
status, _, text = verdict(tree("option", scripts={"a.sh": "# test-options: limt=3\necho 'ok - a'\n"}))
check("an unknown test option is an error", status == 1 and "unknown test option 'limt'" in text, text)

order = tree("order", scripts={f"{c}.sh": f"sleep 0.{9 - i}; echo 'ok - {c}'\n" for i, c in enumerate("abcdef")})
_, _, text = verdict(order)
names = [line.split()[1] for line in text.splitlines() if line.startswith("ok ")]
check.equal("results appear in the order of their names", names, [f"cli/{c}.sh" for c in "abcdef"])

beside = tree("alone", scripts={
    "a.sh": "# test-options: alone\ntest ! -e \"$RISTRETTO_ROOT/busy\" && echo 'ok - alone'\n",
    "b.sh": "touch \"$RISTRETTO_ROOT/busy\"; sleep 1; rm \"$RISTRETTO_ROOT/busy\"; echo 'ok - b'\n"})
expect("a test that wants to be alone is", beside, 0, "2 passed, 0 failed")

# What a test leaves running is ended with it.
left = tree("left", scripts={"a.sh": "sleep 300 & echo $! >\"$RISTRETTO_ROOT/pid\"; echo 'ok - a'\n"})
expect("a test that leaves a process behind", left, 0, "1 passed, 0 failed")
with open(os.path.join(left, "pid"), encoding="utf-8") as f:
    pid = int(f.read())
alive = True
for _ in range(100):  # a signal takes its time to arrive
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            alive = f.read().split(") ")[1][0] not in "ZX"
    except OSError:
        alive = False
    if not alive:
        break
    time.sleep(0.1)
check("the process left behind is gone", not alive)

# The helpers for shell scripts report what they should.
lib = f". '{ROOT}/tests/lib/checks.sh'\n"
expect("shell helpers: success", tree("sh1", scripts={"a.sh": lib + "check a true\ncheck_status 3 b sh -c 'exit 3'\n"
                                                     "check c sh -c 'echo hello'\ncheck_grep d '^hel+o$' \"$out\"\nfinish\n"}), 0,
       "4 passed, 0 failed")
expect("shell helpers: failure", tree("sh2", scripts={"a.sh": lib + "check a false\ncheck_status 3 b true\n"
                                                     "check c true\ncheck_grep d x \"$out\"\nfinish\n"}), 1,
       "1 passed, 3 failed", "ended with status 0, expected 3")
expect("shell helpers: nothing checked", tree("sh3", scripts={"a.sh": lib + "finish\n"}), 1, "0 passed, 1 failed")

shutil.rmtree(scratch)
check.done()
