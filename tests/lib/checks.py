"""What a Python test script needs to print results that tests/run counts.

    from checks import Checks
    check = Checks()
    check("the sum is right", 1 + 1 == 2, "more to say if it is not")
    check.equal("the answer", got, 42)
    check.skip("a part", "why it cannot be tested here")
    texts = GoldenTexts(check, "messages")     # tests/golden/cli/messages.expected
    texts("no such file", command_output)      # is the part of this name
    texts.done()      # no part may be left over
    check.done()      # ends the script; status 1 if anything failed or nothing was checked
"""

import difflib
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


class GoldenTexts:
    """Expected texts that are kept in a file: lines `==== NAME`, each followed by the text of that name. With
    RISTRETTO_UPDATE=1 (`tests/run --update`) the file is written anew from what the commands say: look at its diff."""

    def __init__(self, check, name):
        self.check = check
        self.path = os.path.join(ROOT, "tests", "golden", "cli", name + ".expected")
        self.update = os.environ.get("RISTRETTO_UPDATE") == "1"
        self.got, self.expected = {}, {}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as f:
                for part in f.read().split("==== ")[1:]:
                    title, _, text = part.partition("\n")
                    self.expected[title] = text

    def __call__(self, name, text):
        """Compares a text, which ends with a newline or is empty."""
        if name in self.got or "==== " in text or (text and not text.endswith("\n")):
            raise ValueError(f"the golden text '{name}' cannot be kept")
        self.got[name] = text
        if self.update or self.expected.get(name) == text:
            return self.check(name, True)
        lines = difflib.unified_diff(self.expected.get(name, "").splitlines(), text.splitlines(), "expected", "got", n=1, lineterm="")
        return self.check(name, False, "\n".join([*lines, f"{self.path}; tests/run --update writes it anew"]))

    def done(self):
        """Every part of the file was compared; with an update, it is written."""
        if self.update:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            new = f"{self.path}.{os.getpid()}"
            with open(new, "w", encoding="utf-8") as f:
                f.write("".join(f"==== {name}\n{text}" for name, text in self.got.items()))
            os.replace(new, self.path)
            return
        rest = sorted(set(self.expected) - set(self.got))
        self.check(f"{os.path.basename(self.path)}: all {len(self.got)} texts are compared", not rest, "\n".join(rest))


def run(*command, env=None, **options):
    """Runs a command with its output captured as text; `env` is added to the environment."""
    options.setdefault("timeout", 600)
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", check=False, env={**os.environ, **(env or {})}, **options)


def ristretto(*arguments, **options):
    return run(BIN, *arguments, **options)
