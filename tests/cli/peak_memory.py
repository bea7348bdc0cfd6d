#!/usr/bin/env python3
"""What a list of 50,000 images costs in memory: images are read when they are taken, in a fixed amount of it.

test-options: variants=release
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, FULL, SHARED, Checks

check = Checks()
NAMES, IMAGES, MAX_MB = 50000, 800, 500
SAMPLES = os.path.join(SHARED, "imagenet-samples")
NET = os.path.join(SHARED, "squeezenet")
model = [os.path.join(NET, "squeezenet_v1.1.deploy.prototxt"), os.path.join(NET, "squeezenet_v1.1.caffemodel")]
if not all(os.path.exists(p) for p in (SAMPLES, *model)):
    check.skip("peak memory", "SqueezeNet and images are in ../shared/data, which is not there")
    check.done()


def write_list(path, count):
    with open(os.path.join(SAMPLES, "labels.txt"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    lines = [line for line in lines if line.strip()]
    with open(path, "w", encoding="utf-8") as f:
        for i in range(count):
            f.write(f"{os.path.join(SAMPLES, lines[i % len(lines)])}\n")
    return path


def peak(name, *arguments):
    """Runs the program; its largest resident size in MB, and the share of its time that the kernel took."""
    code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
            "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_maxrss / 1024, u.ru_stime / (u.ru_utime + u.ru_stime)); sys.exit(r.returncode)")
    r = subprocess.run([sys.executable, "-c", code, BIN, *arguments], capture_output=True, text=True)
    if not check(f"{name}: status 0", r.returncode == 0, r.stderr):
        return
    megabytes, kernel = (float(x) for x in r.stdout.split())
    check(f"{name}: below {MAX_MB} MB", megabytes < MAX_MB, f"{megabytes:.0f} MB")
    check(f"{name}: little time in the kernel", kernel < 0.15, f"{100 * kernel:.1f} %")


with tempfile.TemporaryDirectory() as folder:
    many, few = write_list(os.path.join(folder, "many.txt"), NAMES), write_list(os.path.join(folder, "few.txt"), 100)
    net = ["--model", model[0], "--weights", model[1], "--resize", "256x256", "--mean", "104,117,123"]
    peak("test", "test", *net, "--data", many, "--images", str(IMAGES))
    if FULL:
        peak("quantize", "quantize", *net, "--data", few, "--calibration-data", many, "--calibration", f"0:{IMAGES}", "--search", f"0:{IMAGES}",
             "--activation-bits", "8", "--convolution-bits", "8", "--inner-product-bits", "8", "--error-margin", "100", "--out", os.path.join(folder, "q"))
    else:
        check.skip("quantize", "takes half a minute: in make check-full")
check.done()
