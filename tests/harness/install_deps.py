#!/usr/bin/env python3
"""scripts/install-deps.sh in every situation: all there, packages missing, no root, no Debian, no network."""

import os
import shutil
import stat
import tempfile

from checks import ROOT, Checks, run

check = Checks()
scratch = tempfile.mkdtemp()
SCRIPT = os.path.join(ROOT, "scripts", "install-deps.sh")
real = run(SCRIPT, "--list").stdout.split()
demo = run(SCRIPT, "--list", "--for", "demo").stdout.split()

check("the list holds the compiler and the tools of the tests", {"gcc", "verilator", "libcmocka-dev", "shellcheck"} <= set(real), real)
check("the demo needs a part of it", set(demo) < set(real) and "libcmocka-dev" not in demo, demo)
check("no package twice", len(set(real)) == len(real) > 20, real)
check("--for= is understood too", run(SCRIPT, "--list", "--for=demo").stdout.split() == demo)
for arguments in (("--what",), ("--for", "fun"), ("--for",)):
    result = run(SCRIPT, *arguments)
    check(f"wrong use: {' '.join(arguments)}", result.returncode == 2 and "error" in result.stderr, result.stderr)
check("--help", "--for demo" in run(SCRIPT, "--help").stdout)


def machine(installed, uid=0, sudo=None, apt_works=True, update_works_at=1, dpkg=True):
    """A folder with false system commands; packages that apt-get installs are then installed. Returns (folder, environment)."""
    folder = tempfile.mkdtemp(dir=scratch)
    state = os.path.join(folder, "installed")
    with open(state, "w", encoding="utf-8") as f:
        f.writelines(p + "\n" for p in installed)

    def command(name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    # Only these commands are on the PATH: what a bare image has.
    for name in ("sh", "sed", "awk", "grep", "cat", "rm", "mktemp", "tail", "head", "find", "tr", "env", "echo", "dirname", "sleep", "true"):
        os.symlink(shutil.which(name), os.path.join(folder, name))
    os.remove(os.path.join(folder, "sleep"))
    command("sleep", "exit 0\n")
    command("id", f"echo {uid}\n")
    if dpkg:
        command("dpkg-query", f"""shift 3
status=0
for p; do
    if grep -qx "$p" {state}; then echo "$p installed"; else echo "no packages found matching $p" >&2; status=1; fi
done
exit $status
""")
    command("apt-get", f"""echo "$DEBIAN_FRONTEND $*" >>{folder}/log
case "$*" in
*update*)
    echo x >>{folder}/updates
    [ "$(grep -c x {folder}/updates)" -ge {update_works_at} ] || {{ echo 'could not resolve' >&2; exit 100; }}
    ;;
*install*)
    [ -e {folder}/updates ] || {{ echo 'unable to locate package' >&2; exit 100; }}
    {'' if apt_works else 'echo "held broken packages" >&2; exit 100'}
    for p; do case $p in -* | install | DPkg*) ;; *) echo "$p" >>{state} ;; esac; done
    ;;
esac
""")
    if sudo is not None:
        command("sudo", f"[ {int(sudo)} = 1 ] || exit 1\n[ \"$1\" != -n ] || shift\nexec \"$@\"\n")
    return folder, {"PATH": folder}


def log(folder):
    path = os.path.join(folder, "log")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as f:
        return f.read()


sh = shutil.which("sh")
folder, env = machine(real)
result = run(sh, SCRIPT, env=env)
check("everything is there: quick, silent", (result.returncode, result.stdout, result.stderr, log(folder)) == (0, "", "", ""), result)

folder, env = machine([p for p in real if p != "gmp"][3:])
result = run(sh, SCRIPT, env=env)
check("three are missing: just these are installed",
      result.returncode == 0 and all(f" {p}" in log(folder).splitlines()[-1] for p in real[:3])
      and real[3] + " " not in log(folder) and "noninteractive" in log(folder), str(result) + log(folder))
check("what is installed is said", f"installing 3 packages: {' '.join(real[:3])}" in result.stdout, result.stdout)
result = run(sh, SCRIPT, env=env)
check("the second time there is nothing to do", (result.returncode, result.stdout) == (0, ""), result)

folder, env = machine([])
result = run(sh, SCRIPT, "--for", "demo", env=env)
check("--for demo installs no more than that", result.returncode == 0 and f"installing {len(demo)} packages" in result.stdout
      and "libcmocka-dev" not in log(folder), result)

folder, env = machine([], update_works_at=2)
result = run(sh, SCRIPT, env=env)
check("a failed update is tried again", result.returncode == 0 and log(folder).count("update") == 2, str(result) + log(folder))
folder, env = machine([], update_works_at=9)
result = run(sh, SCRIPT, env=env)
check("no network: the reason is shown", result.returncode == 1 and "could not resolve" in result.stderr
      and "is there a network?" in result.stderr, result)
folder, env = machine([], apt_works=False)
result = run(sh, SCRIPT, env=env)
check("a failed installation: the reason is shown", result.returncode == 1 and "held broken packages" in result.stderr, result)

folder, env = machine([], uid=1000)
result = run(sh, SCRIPT, env=env)
check("neither root nor sudo: says what to install", result.returncode == 1 and "root or sudo" in result.stderr
      and all(p in result.stderr for p in real) and log(folder) == "", result)
folder, env = machine([], uid=1000, sudo=False)
result = run(sh, SCRIPT, env=env)
check("a sudo that asks, without a terminal", result.returncode == 1 and "root or sudo" in result.stderr, result)
folder, env = machine([], uid=1000, sudo=True)
result = run(sh, SCRIPT, env=env)
check("with sudo", result.returncode == 0 and "install" in log(folder), str(result) + log(folder))
folder, env = machine([], dpkg=False)
result = run(sh, SCRIPT, env=env)
check("not a Debian", result.returncode == 1 and "not a Debian" in result.stderr and all(p in result.stderr for p in real), result)

shutil.rmtree(scratch)
check.done()
