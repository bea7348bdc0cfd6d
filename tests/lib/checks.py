"""What a Python test script needs to print results that tests/run counts.

    from checks import Checks
    check = Checks()
    check("the sum is right", 1 + 1 == 2, "more to say if it is not")
    check.equal("the answer", got, 42)
    check.skip("a part", "why it cannot be tested here")
    check.done()      # ends the script; status 1 if anything failed or nothing was checked
"""

import os
import subprocess
import sys

ROOT = os.environ.get("RISTRETTO_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("RISTRETTO_BIN") or os.path.join(ROOT, "build", "release", "ristretto")
FULL = os.environ.get("RISTRETTO_LEVEL") == "full"
SHARED = os.environ.get("RISTRETTO_SHARED_DATA") or os.path.join(os.path.dirname(ROOT), "shared", "data")


class Checks:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def __call__(self, name, good, detail=""):
        """Reports one result and returns whether it is good."""
        print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
        if good:
            self.passed += 1
        else:
            self.failed += 1
            for line in str(detail).splitlines():
                print(f"# {line}", flush=True)
        return bool(good)

    def equal(self, name, got, expected):
        return self(name, got == expected, f"expected {expected!r}\ngot      {got!r}")

    def contains(self, name, text, part):
        return self(name, part in text, f"expected to find {part!r} in\n{text}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip - {name}: {why}", flush=True)

    def done(self):
        if self.passed + self.failed + self.skipped == 0:
            print("not ok - the script checked nothing", flush=True)
            sys.exit(1)
        sys.exit(1 if self.failed else 0)


def run(*command, env=None, **options):
    """Runs a command with its output captured as text; `env` is added to the environment."""
    options.setdefault("timeout", 600)
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", check=False, env={**os.environ, **(env or {})}, **options)


def ristretto(*arguments, **options):
    return run(BIN, *arguments, **options)
