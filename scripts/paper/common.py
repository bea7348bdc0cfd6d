"""What the scripts of the paper's tables share: running the command line tool, keeping its results, tables, CSV and plots.

Every number comes from a command of `ristretto` with --json. Its result is kept in OUT/runs/, under a hash of the command line and of the files that
it reads, so that an interrupted script goes on where it was and a second call only prints. Standard library only; plots need gnuplot.
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ZOO = os.path.join(ROOT, "model", "zoo")


def find_tool():
    for path in (os.environ.get("RISTRETTO_BIN"), os.path.join(ROOT, "build", "release", "ristretto"), shutil.which("ristretto")):
        if path and os.access(path, os.X_OK):
            return path
    sys.exit("there is no ristretto: run make, or name it with RISTRETTO_BIN")


class Run:
    """One call of the tool: its result as JSON, or what went wrong."""

    def __init__(self, result, error, command):
        self.result = result
        self.error = error
        self.command = command


class Net:
    """One network: options of finetune, and of quantize with formats chosen on training images; how many of those improve the outputs."""

    def __init__(self, finetune, quantize, refine):
        self.finetune = finetune
        self.quantize = quantize
        self.refine = refine


# Without training, and without labels: unsigned numbers where nothing is negative, a format per output channel, class scores as wide as the
# accumulator, weights rounded by what they do to the outputs.
UNTUNED = ["--unsigned-activations", "--channel-weights", "--scores", "accumulator", "--weight-rounding", "adaptive", "--activation-range", "squared_error"]
# Where only the outputs are narrow, fractional lengths that are improved on training images may do better than other weights.
UNTUNED_OUTPUTS = ["--unsigned-activations", "--scores", "accumulator", "--activation-range", "squared_error"]
UNTUNED_POWER2 = ["--scheme", "power-of-two", "--unsigned-activations", "--scores", "accumulator", "--weight-rounding", "adaptive"]


# How a net is tuned. Outputs are quantized in training, with a straight-through estimator. CIFAR-10 Full's weight decay is that of its
# solver; its net mirrors every second training image.
RECIPES = {
    "LeNet": ["--activations", "quantized", "--weight-rounding", "nearest", "--schedule", "linear", "--iterations", "6000", "--validate-every", "500"],
    "CIFAR-10 Full": ["--activations", "quantized", "--weight-rounding", "nearest", "--schedule", "linear", "--unsigned-activations", "--scores", "accumulator",
                      "--activation-range", "squared_error", "--weight-decay", "0.004", "--validate-every", "500"],
}
QUICK = ["--iterations", "100", "--calibration", "500", "--validate-every", "50"]


class Paper:
    def __init__(self, name, description):
        parser = argparse.ArgumentParser(prog=f"scripts/paper/{name}", description=description)
        parser.add_argument("--data", default=os.environ.get("RISTRETTO_DATA", os.path.join(ROOT, "data")),
                            help="folder of the data sets: mnist/, cifar10/; squeezenet/, googlenet/ and imagenet-samples/ where they are at hand")
        parser.add_argument("--out", default=os.path.join(ROOT, "build", "paper"), help="folder of tables, plots and kept results [build/paper]")
        parser.add_argument("--threads", default="0", help="threads; results do not depend on it")
        parser.add_argument("--nets", default="", help="only the nets whose names begin with one of these words, separated by commas")
        parser.add_argument("--cifar-weights", default="", help="caffemodel of CIFAR-10 Full, in place of that of the zoo")
        parser.add_argument("--quick", action="store_true",
                            help="few images and iterations: to see that everything works, not for numbers to quote")
        self.options = parser.parse_args()
        self.name = name
        self.tool = find_tool()
        self.out = os.path.abspath(self.options.out)
        self.data = os.path.abspath(self.options.data)
        self.quick = self.options.quick
        os.makedirs(os.path.join(self.out, "runs"), exist_ok=True)
        self.lines = []

    # ------------------------------------------------------------------------------------------------------------ nets

    def wanted(self, net):
        words = [w for w in self.options.nets.lower().split(",") if w]
        return not words or any(net.lower().startswith(w) for w in words)

    def nets(self):
        """Nets that can be trained here: name, Net; or why not."""
        mnist = os.path.join(self.data, "mnist")
        cifar = os.path.join(self.data, "cifar10")
        lenet = os.path.join(ZOO, "lenet")
        full = os.path.join(ZOO, "cifar10_full")
        nets = [("LeNet", os.path.join(lenet, "lenet_solver.prototxt"), os.path.join(lenet, "lenet_train_test.prototxt"),
                 os.path.join(lenet, "lenet.caffemodel"), mnist,
                 # The images held out of training, which the weights have never seen.
                 ["--validation", mnist, "--validation-images", "0:10000"], "0:10000", "0:10000", "1000"),
                ("CIFAR-10 Full", os.path.join(full, "solver.prototxt"), os.path.join(full, "train_test.prototxt"),
                 self.options.cifar_weights or os.path.join(full, "cifar10_full.caffemodel"), cifar,
                 # The weights have seen all training images, so that a validation says how a fine-tuning gets on, not which weights are the best.
                 # Formats that are improved on some of them do better on those than on others: others tell which are good.
                 ["--data", cifar, "--validation-images", "0:1000", "--keep", "last"], "0:4000", "4000:2000", "4000")]
        for name, solver, model, weights, data, validation, formats_from, chosen_on, refine in nets:
            if not self.wanted(name):
                continue
            missing = [p for p in (solver, weights, data) if not os.path.exists(p)]
            if missing:
                self.say(f"{name}: left out, {os.path.relpath(missing[0])} is not there")
                continue
            if self.quick:
                formats_from = chosen_on = "0:500"
            yield name, Net(["--solver", solver, "--weights", weights, *validation],
                            ["--model", model, "--weights", weights, "--data", data, "--calibration-data", data, "--calibration", formats_from,
                             "--search", chosen_on], refine)

    def sample_nets(self):
        """Nets with weights from elsewhere, scored on the ImageNet samples: name, options of quantize."""
        samples = os.path.join(self.data, "imagenet-samples", "labels.txt")
        for name, net, folder, stem in (("SqueezeNet v1.1", "squeezenet_v1.1", "squeezenet", "squeezenet"),
                                        ("GoogLeNet", "googlenet", "googlenet", "googlenet")):
            if not self.wanted(name):
                continue
            path = os.path.join(self.data, folder)
            weights = [f for f in sorted(os.listdir(path)) if f.endswith(".caffemodel") and stem in f] if os.path.isdir(path) else []
            if not weights or not os.path.exists(samples):
                self.say(f"{name}: left out, no weights in {path} or no images in {os.path.dirname(samples)}")
                continue
            yield name, ["--model", os.path.join(ZOO, net, "deploy.prototxt"), "--weights", os.path.join(path, weights[-1]), "--data", samples,
                         "--mean", "104,117,123", "--resize", "256x256"]

    # ------------------------------------------------------------------------------------------------------------ runs

    @staticmethod
    def follow(stream, messages):
        """Keeps what the tool says, and shows how a fine-tuning gets on."""
        for line in stream:
            messages.append(line.rstrip())
            if " bits on integers: " in line:
                print(f"#   {line.rstrip()}", file=sys.stderr, flush=True)

    def run(self, what, command, out=True):
        """Runs `ristretto COMMAND --json`, or takes what was kept. The folder of outputs is added if `out`."""
        digest = hashlib.sha256()
        for word in command:
            digest.update(os.path.relpath(word, ROOT).encode() if os.path.isabs(word) else word.encode())
            digest.update(b"\0")
            if os.path.isfile(word):
                with open(word, "rb") as f:
                    digest.update(f.read())
        key = digest.hexdigest()[:16]
        base = os.path.join(self.out, "runs", key)
        full = [self.tool, *command, "--json", "--threads", self.options.threads]
        if out:
            full += ["--out", base]
        shown = "ristretto " + " ".join(os.path.relpath(w) if os.path.isabs(w) else w for w in full[1:])
        if os.path.exists(base + ".json"):
            with open(base + ".json", encoding="utf-8") as f:
                return Run(json.load(f), None, shown)
        print(f"# {what}: {shown}", file=sys.stderr, flush=True)
        if "--iterations" in command:
            # An interrupted fine-tuning goes on from its newest snapshot.
            states = [s for s in os.listdir(base) if s.endswith(".solverstate")] if os.path.isdir(base) else []
            if states:
                newest = max(states, key=lambda s: int(s[:-len(".solverstate")].rsplit("_", 1)[1]))
                at = full.index("--weights")
                full[at:at + 2] = ["--resume", os.path.join(base, newest)]
        env = {**os.environ, "RISTRETTO_DATA": self.data}
        started = time.monotonic()
        with subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env) as process:
            messages = []
            reader = threading.Thread(target=self.follow, args=(process.stderr, messages), daemon=True)
            reader.start()
            try:
                output = process.stdout.read()
                reader.join()
                status = process.wait()
            except KeyboardInterrupt:
                # The tool has the signal too, and writes a snapshot.
                process.wait()
                sys.exit(130)
        print(f"#   {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        if status == 130:
            sys.exit(130)
        # Status 1 is a missed target: the numbers are there.
        if status > 1 or not output.strip():
            errors = [line for line in messages if "error:" in line]
            return Run(None, errors[0] if errors else f"status {status}", shown)
        result = json.loads(output)
        with open(base + ".tmp", "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
        os.replace(base + ".tmp", base + ".json")
        return Run(result, None, shown)

    def finetune(self, what, name, net, bits, more):
        """bits: outputs, convolution, fully connected; 0: float in training, 16 bits in validation. Options that come later count."""
        return self.run(what, ["finetune", *net.finetune, "--activation-bits", str(bits[0]), "--convolution-bits", str(bits[1]), "--inner-product-bits",
                               str(bits[2]), *latest([*RECIPES[name], *more, *(QUICK if self.quick else [])])])

    def quantize(self, what, quantize, bits, more):
        """Fixed widths: outputs, convolution, fully connected (None: those of the scheme). The result's "test" is the score of the test images."""
        widths = []
        for option, width in zip(("--activation-bits", "--convolution-bits", "--inner-product-bits"), bits):
            widths += [option, str(width)] if width is not None else []
        run = self.run(what, ["quantize", *quantize, *widths, *more])
        if run.result:
            run.result["test"] = [s for s in run.result["scores"] if s["name"] == "test"][0]
        return run

    def untuned(self, what, net, bits):
        """Formats from training images alone; nothing is trained. Where only the outputs are narrow, the way counts that has more of the training images right."""
        run = self.quantize(what, net.quantize, bits, UNTUNED)
        if bits[0] == 16 or bits[1:] != (16, 16):
            return run
        other = self.quantize(what + ", the other way", net.quantize, bits, [*UNTUNED_OUTPUTS, "--refine", net.refine])
        return other if run.error or (other.result and other.result["hits"] > run.result["hits"]) else run

    # ----------------------------------------------------------------------------------------------------------- output

    def say(self, text=""):
        print(text)
        self.lines.append(text)

    def table(self, title, heads, rows):
        """Text on stdout; the same rows go to OUT/NAME.csv."""
        text = [[str(c) for c in row] for row in rows]
        widths = [max(len(r[i]) for r in [heads, *text]) for i in range(len(heads))]
        self.say(title)
        for row in [heads, ["-" * w for w in widths], *text]:
            self.say("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())
        self.say()

    def write_csv(self, heads, rows):
        with open(os.path.join(self.out, self.name + ".csv"), "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(heads)
            writer.writerows(rows)

    def panels(self, title, settings, panels):
        """A plot of several panels, two in a row. Each: its title, data blocks, and what is plotted of them."""
        columns, rows = min(2, len(panels)), (len(panels) + 1) // 2
        script = "".join(data for _, data, _ in panels) + settings
        script += f"set multiplot layout {rows},{columns} title '{title}' font 'sans,13'\n"
        for panel, _, lines in panels:
            script += f"set title '{panel}'\nplot " + ", \\\n  ".join(lines) + "\n"
        self.plot(script + "unset multiplot\n", (600 * columns, 440 * rows + 40))

    def drops(self, title, rows, bars):
        """Bars of what is lost against float. rows: name and one value a bar, None where there is none; bars: title and color."""
        # gnuplot takes no bars without a value.
        there = [i for i in range(len(bars)) if any(values[i] is not None for _, values in rows)]
        bars, rows = [bars[i] for i in there], [(name, [values[i] for i in there]) for name, values in rows]
        data = "$d << EOD\n" + "".join(f"\"{name}\" {' '.join('NaN' if v is None else f'{v:.2f}' for v in values)}\n" for name, values in rows) + "EOD\n"
        known = [v for _, values in rows for v in values if v is not None]
        lines = [f"$d using {i + 2}{':xtic(1)' if i == 0 else ''} title '{name}' lc rgb '{color}'" for i, (name, color) in enumerate(bars)]
        self.plot(data + f"set title '{title}'\nset style data histograms\nset style histogram clustered gap 1.5\nset style fill solid 0.9\nset boxwidth 0.95\n"
                  f"set ylabel 'points below float (less is better)'\nset yrange [{min(known + [0]) - 0.1:.2f}:{max(known + [0]) + 0.2:.2f}]\n"
                  "set xzeroaxis lt -1\nset key top left\nset xtics rotate by -12\nplot " + ", \\\n  ".join(lines) + "\n", (960, 560))

    def plot(self, script, size):
        """Draws OUT/NAME.png with gnuplot."""
        path = os.path.join(self.out, self.name)
        with open(path + ".gnuplot", "w", encoding="utf-8") as f:
            f.write(f"set terminal pngcairo size {size[0]},{size[1]} noenhanced font 'sans,11'\n"
                    f"set output '{path}.png'\nset grid ytics lc rgb '#dddddd'\nset border 3\nset tics nomirror\n{script}")
        if shutil.which("gnuplot") is None:
            self.say("gnuplot is not installed: no plot")
            return
        done = subprocess.run(["gnuplot", path + ".gnuplot"], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            self.say(f"gnuplot failed: {done.stderr.strip()}")

    def done(self):
        path = os.path.join(self.out, self.name + ".txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(self.lines) + "\n")
        print(f"# written: {path}, .csv, .png", file=sys.stderr)


def latest(words):
    """Of an option that is given twice the last one."""
    options = []
    for word in words:
        if word.startswith("--"):
            options = [o for o in options if o[0] != word] + [[word]]
        else:
            options[-1].append(word)
    return [w for o in options for w in o]


def below(base, value):
    """Points of a text in percent below another; None where one is not known."""
    return None if "-" in (base, value) else float(base) - float(value)


def percent(hits, images):
    return f"{100.0 * hits / images:.2f}" if images else "-"


def cell(value):
    return "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
