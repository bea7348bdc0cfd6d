#!/usr/bin/env python3
"""The command line itself: help, unknown words, missing and wrong values, output that cannot be written.

test-options: variants=release,asan
"""
import json
import os
import pty
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, GoldenTexts, ristretto, run

check = Checks()
texts, manual = GoldenTexts(check, "usage"), GoldenTexts(check, "manual")


def golden(name, arguments):
    """What the command says of these arguments, and its status; it prints nothing on stdout."""
    r = ristretto(*arguments)
    texts(name, f"ristretto {' '.join(arguments)}\n{r.stderr}status {r.returncode}\n{r.stdout}")


# Help: each command describes itself, the man page has the usual parts, and every option of the table is in both.
r = ristretto("--version")
version = r.stdout.strip()
check("--version", r.returncode == 0 and version.startswith("ristretto "), r.stdout)
names = ristretto("help", "--format", "names").stdout.split()
check("there are commands", {"train", "test", "quantize", "simulate", "estimate", "report", "run", "help"} <= set(names), names)
overview = ristretto("--help")
check("the overview names every command", overview.returncode == 0 and all(f"\n  {n} " in overview.stdout for n in names), overview.stdout)
check.equal("'help' is '--help'", ristretto("help").stdout, overview.stdout)
bare = ristretto()
check("without a command: the overview on stderr, status 2", bare.returncode == 2 and bare.stderr == overview.stdout, bare.stderr)
for name in names:
    text = ristretto(name, "--help")
    check(f"{name} --help", text.returncode == 0 and text.stdout.startswith(f"Usage: ristretto {name}") and text.stderr == ""
          and "Exit codes:" in text.stdout and "Examples:" in text.stdout, text.stdout + text.stderr)
    check.equal(f"help {name} is the same", ristretto("help", name).stdout, text.stdout)
    check(f"{name} --help: lines of at most 110 columns before the examples",
          all(len(line) <= 110 for line in text.stdout.split("Examples:")[0].splitlines()), text.stdout)
    page = ristretto("help", "--format", "man", name).stdout
    options = re.findall(r"^  (?:-\w, )?(--[\w-]+)", text.stdout.split("Examples:")[0], re.M)
    check(f"man page of {name}", page.startswith(".TH ") and ".SH NAME" in page and ".SH EXIT STATUS" in page
          and len(options) >= 4 and all(o.replace("-", "\\-") in page for o in options), f"{options}\n{page}")
    manual(f"help {name}", text.stdout)
manual("man page of quantize", ristretto("help", "--format", "man", "quantize").stdout.replace(version, "VERSION"))
manual("overview", overview.stdout)
manual("man page", ristretto("help", "--format", "man").stdout.replace(version, "VERSION"))
manual("completion for bash", ristretto("help", "--format", "bash").stdout)
manual.done()
for topic in ("array", "technology", "run-file"):
    keys = ristretto("help", topic)
    table = ristretto("help", topic, "--format", "markdown")
    check(f"help {topic} lists keys", keys.returncode == 0 and len(keys.stdout.splitlines()) > 15 and "| key |" in table.stdout, keys.stdout)

# Generated documentation that is committed must be what the tables say.
with open(os.path.join(ROOT, "docs", "reference", "configuration.md"), encoding="utf-8") as f:
    committed = f.read()
for topic in ("array", "technology", "run-file"):
    check(f"docs/reference/configuration.md holds the keys of {topic}", ristretto("help", topic, "--format", "markdown").stdout in committed,
          "run: scripts/gen-configuration")

# Completion: bash accepts the script and completes commands, options and choices.
with tempfile.TemporaryDirectory() as folder:
    script = os.path.join(folder, "c.bash")
    with open(script, "w", encoding="utf-8") as f:
        f.write(ristretto("help", "--format", "bash").stdout)

    def complete(*words):
        quoted = " ".join(f"'{w}'" for w in words)
        line = f". {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _ristretto; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return run("bash", "-c", line).stdout.split()

    check.equal("completion of a command", complete("ristretto", "quan"), ["quantize"])
    check.equal("completion of an option", complete("ristretto", "quantize", "--error"), ["--error-margin"])
    check.equal("completion of a choice", complete("ristretto", "quantize", "--rounding", "nearest_u"), ["nearest_up"])

# An older name is accepted, and not shown.
check("--unsigned is --unsigned-activations", "unknown option" not in ristretto("quantize", "--model", "none", "--unsigned", "--out", "none").stderr
      and not re.search(r"--unsigned\s", ristretto("quantize", "--help").stdout))

# Words that are wrong.
golden("unknown command", ["quantise"])
golden("unknown command, nothing near", ["xyzzy"])
golden("option before the command", ["--json", "test"])
golden("unknown option, and what is missing", ["report", "--htlm", "x"])
golden("missing options", ["estimate", "--qnet", "q"])
golden("missing argument", ["run"])
golden("option without its value", ["run", "x", "--threads"])
golden("surplus argument", ["run", "a", "b"])
golden("number out of range", ["run", "x", "--threads", "-1"])
golden("no number", ["run", "x", "-j", "two"])
golden("flag with a value", ["run", "x", "--json=1"])
golden("the beginning of an option", ["run", "x", "--thread", "1"])
golden("an unknown letter among others", ["run", "x", "-qxj1"])
golden("a letter without its value", ["run", "x", "-qj"])
golden("letters together, a value attached", ["report", "-qj1", "no-report.json"])
golden("a value after an equals sign, underscores", ["run", "--threads=2", "--set=x", "no-run.yaml"])
golden("what follows two dashes is no option", ["report", "--", "--html"])
golden("unknown topic", ["help", "quantum"])
golden("choice", ["help", "--format", "txet"])

# Output that does not arrive is an error.
with open("/dev/full", "w", encoding="ascii") as full:
    r = subprocess.run([BIN, "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
check.equal("full disk on stdout", (r.returncode, r.stderr),
            (4, "error: cannot write to the standard output: No space left on device\n"))


# Color on a terminal only, and not with NO_COLOR.
def on_terminal(env):
    master, slave = pty.openpty()
    p = subprocess.Popen([BIN, "nonsense"], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", **env})
    os.close(slave)
    data = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        data += part
    p.wait()
    os.close(master)
    return data.decode()


check("messages are colored on a terminal", "\033[1;31merror:" in on_terminal({"NO_COLOR": ""}))
check("NO_COLOR is honoured", "\033[" not in on_terminal({"NO_COLOR": "1"}) and "error:" in on_terminal({"NO_COLOR": "1"}))

# JSON is JSON (of a command that needs no input files).
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "report.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"format": "ristretto-report", "version": 1, "name": "x", "simulate": {"cycles": 5}}, f)
    r = ristretto("report", path, "--json")
    check("report --json", r.returncode == 0 and json.loads(r.stdout)["simulate"]["cycles"] == 5, r.stdout + r.stderr)
texts.done()
check.done()
