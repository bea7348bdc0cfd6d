#!/usr/bin/env python3
"""cosim --dut: units that are not ours, right and wrong, and adapters with mistakes in them.

test-options: limit=400
"""

import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
if not shutil.which("verilator"):
    check.skip("foreign units", "Verilator is not installed")
    check.done()
UNITS, FOREIGN = "configs/units", "tests/rtl/foreign"
folder = tempfile.mkdtemp()


def adapter(base, *changes):
    """A copy of an adapter with changes, its sources where they were."""
    with open(base, encoding="utf-8") as f:
        text = f.read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    where = os.path.join(ROOT, os.path.dirname(base))
    for suffix in (".v", ".sv", ".cc"):
        for name in os.listdir(where):
            if name.endswith(suffix):
                text = text.replace(f"[{name}]", f"[{where}/{name}]").replace(f"code: {name}", f"code: {where}/{name}")
    text = text.replace("../../rtl", f"{ROOT}/rtl")
    path = os.path.join(folder, "adapter.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def right(name, path, *more, sums=0, outputs=0):
    r = ristretto("cosim", "--dut", path, "--json", *more)
    got = json.loads(r.stdout) if r.returncode == 0 else {}
    check(name, got.get("equal") is True and got["sum_results"] >= sums and got["outputs"] >= outputs and got["sum_results"] + got["outputs"] > 500,
          r.stdout + r.stderr)
    return got


def wrong(name, path, *parts, more=()):
    """A difference that is found and named; returns the mismatch."""
    r = ristretto("cosim", "--dut", path, "--json", *more)
    got = json.loads(r.stdout) if r.returncode == 1 else {"mismatches": [{}]}
    check(name, r.returncode == 1 and got.get("equal") is False and all(p in r.stderr for p in parts), r.stdout + r.stderr)
    return got["mismatches"][0]


def refused(name, path, *parts, status=3, more=()):
    r = ristretto("cosim", "--dut", path, *more)
    check(name, r.returncode == status and all(p.replace("ADAPTER", path) in r.stderr for p in parts), f"{r.returncode}\n{r.stdout}{r.stderr}")


# Units that are what their adapters say.
SERIAL = f"{UNITS}/serial-mac.yaml"
right("one multiplier, enable and clear", SERIAL, sums=5000)
right("our own lane", f"{UNITS}/lane.yaml", outputs=1000)
stream = right("a stream with back-pressure that saturates", f"{FOREIGN}/dot_stream.yaml", sums=1000)
check("its latency is measured", stream.get("sum_latency", [0])[0] == 2, stream)
right("bit-serial, start and done, an addend", f"{FOREIGN}/booth_serial.yaml", sums=5000)
right("no clock, nine ports, an unpacked array", f"{FOREIGN}/comb_dot.yaml", sums=1000)
right("clock enable, bias loaded before, rounded output, code", f"{FOREIGN}/ce_mac.yaml", sums=5000, outputs=1000)
right("both operands in one port, flags in others", f"{FOREIGN}/pair_stream.yaml", sums=1000)
right("sums of a fixed length, falling edge", f"{FOREIGN}/counted_mac.yaml", sums=1000)
for seed in "1", "2":
    right(f"inputs and bits that no key names stay 0, seed {seed}", f"{FOREIGN}/spare_mac.yaml", "--seed", seed, sums=1000)
refused("and those inputs are named", f"{FOREIGN}/spare_mac.yaml", "the input 'mode_i' is named nowhere: it stays 0", "the input 'taps_i' is named nowhere: it stays 0", status=0)
right("an output that is rounded and saturates", f"{FOREIGN}/round_mac.yaml", outputs=1000)
right("a unit that only adds", f"{FOREIGN}/adder.yaml", sums=5000)
right("operands that leave out an end of their width", f"{FOREIGN}/odd_mac.yaml", sums=1000)

# Tree registers need an enable each: a few lines of C++.
code = os.path.join(folder, "lane.cc")
with open(code, "w", encoding="utf-8") as f:
    f.write("struct unit_adapter : rs_unit_adapter {\n"
            "    unsigned behind = 0; // bit i: operands were given i + 1 cycles ago\n"
            "    void drive(Vdut &dut, const rs_unit_cycle &cycle) override\n"
            "    {\n"
            "        dut.tree_en_i = (behind >> 1 & 1) | (behind >> 2 & 1) << 1;\n"
            "        behind = behind << 1 | (cycle.operands ? 1 : 0);\n"
            "    }\n"
            "};\n")
LANE = [("- { name: Muls, value: 16 }", "- { name: Muls, value: 16 }\n    - { name: TreeRegisters, value: 2 }"),
        ("bias_i, delay: 2", "bias_i, delay: 4"), ("acc_en_i, when: operands, delay: 2", "acc_en_i, when: operands, delay: 4"),
        ("when: first, delay: 2", "when: first, delay: 4"), ("when: last, delay: 3", "when: last, delay: 5"), ("latency: 4", "latency: 6"),
        ("  - { port: tree_en_i, value: 0 }          # the tree has no registers\n", ""),
        ("  top: rst_lane", f"  top: rst_lane\n  code: {code}")]
right("our lane with registers in its tree, through C++", adapter(f"{UNITS}/lane.yaml", *LANE), outputs=1000)

# A header that the code includes counts: a model that was built with another one is not used, nor one of another folder.
places = [os.path.join(folder, n) for n in ("here", "there")]
for place, stages in zip(places, (2, 1)):
    os.mkdir(place)
    with open(os.path.join(place, "depth.h"), "w", encoding="utf-8") as f:
        f.write(f"enum {{ stages = {stages} }};\n")
    with open(code, encoding="utf-8") as f, open(os.path.join(place, "lane.cc"), "w", encoding="utf-8") as g:
        g.write('#include "depth.h"\n' + f.read().replace("behind >> 2 & 1) << 1", "behind >> stages & 1) << 1"))
here, there = ([*LANE[:-1], ("  top: rst_lane", f"  top: rst_lane\n  code: {place}/lane.cc")] for place in places)
right("code with a header", adapter(f"{UNITS}/lane.yaml", *here), outputs=1000)
wrong("the same code with another header in another folder", adapter(f"{UNITS}/lane.yaml", *there))
shutil.copy(os.path.join(places[1], "depth.h"), places[0])
wrong("a header that has changed", adapter(f"{UNITS}/lane.yaml", *here))

# The operands of a network.
QNET = os.path.join(folder, "q", "qnet")
r = ristretto("quantize", "--model", "model/zoo/lenet/lenet_train_test.prototxt", "--weights", "model/zoo/lenet/lenet.caffemodel", "--data",
              "model/zoo/lenet/digits", "--calibration", "0:20", "--search", "0:20", "--test", "20:4", "--convolution-bits", "8",
              "--inner-product-bits", "8", "--activation-bits", "8", "--error-margin", "50", "--out", os.path.dirname(QNET))
NET = ["--qnet", QNET, "--data", "model/zoo/lenet/digits", "--random", "10"]
check("a network to try units with", r.returncode == 0, r.stderr)
got = right("a lane on LeNet", f"{UNITS}/lane.yaml", *NET, "--images", "2", "--vectors", "300", outputs=1800)
check("all its layers", [v["name"] for v in got.get("vectors", [])] == ["corners", "random", "conv1", "conv2", "ip1", "ip2"], got)
right("one multiplier on one layer, every output", SERIAL, *NET, "--layer", "ip2", "--vectors", "0", sums=5000)
got = right("a unit whose sums are shorter than the network's", f"{FOREIGN}/counted_mac.yaml", *NET, "--vectors", "20", sums=1300)
check("cuts them", [v["sums"] for v in got.get("vectors", [])][2:] == [20 * 3, 20 * 42, 20 * 67, 10 * 42], got)
MIXED = os.path.join(folder, "mixed", "qnet")
r = ristretto("quantize", "--model", "model/zoo/lenet/lenet_train_test.prototxt", "--weights", "model/zoo/lenet/lenet.caffemodel", "--data",
              "model/zoo/lenet/digits", "--calibration", "0:20", "--search", "0:20", "--test", "20:4", "--convolution-bits", "8",
              "--inner-product-bits", "4", "--activation-bits", "8", "--error-margin", "90", "--out", os.path.dirname(MIXED))
FOUR = adapter(SERIAL, ("weights: { port: y }", "weights: { port: y, bits: 4 }"))
got = right("layers that fit the unit", FOUR, "--qnet", MIXED, *NET[2:], "--images", "2", "--vectors", "50", sums=10000)
check("the others are skipped", [v["name"] for v in got.get("vectors", [])] == ["corners", "random", "ip1", "ip2"] and
      [v["name"] for v in got.get("skipped", [])] == ["conv1", "conv2"] and all("the unit's from -8 to 7" in v["why"] for v in got.get("skipped", [])), got)
r = ristretto("cosim", "--dut", FOUR, "--qnet", MIXED, *NET[2:], "--vectors", "5")
check("and named", "  skipped: conv1: the weights of layer 'conv1' go from -128 to 127, the unit's from -8 to 7" in r.stdout, r.stdout + r.stderr)
refused("a layer that is asked for and does not fit", FOUR, "the weights of layer 'conv2' go from -128 to 127, the unit's from -8 to 7",
        more=["--qnet", MIXED, *NET[2:], "--layer", "conv2"])
got = right("a unit that only adds, on a network's products", f"{FOREIGN}/adder.yaml", *NET, "--vectors", "50", sums=2000)
check("all its layers", [v["name"] for v in got.get("vectors", [])][2:] == ["conv1", "conv2", "ip1", "ip2"], got)

# Mistakes in the design.
PLAIN = "- { name: WIDTH, value: 8 }"
m = wrong("a wrong product is found", adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 1 }")), "operands  -128 x -128", "expected  16384", "got       -16384")
check("its operands are named", m.get("activations") == [-128] and m.get("weights") == [-128] and m["expected"] == 16384 and m["got"] == -16384, m)
m = wrong("saturation before rounding is found without random sums", adapter(f"{FOREIGN}/round_mac.yaml", ("value: 0", "value: 1")), "output at 'q_o' is wrong",
          "expected  127", more=["--random", "0"])
check("by a corner", m.get("layer") == "corners" and m.get("got") == -128, m)
m = wrong("an enable that is not looked at", adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 2 }")), "before", "expected", "got")
check("is found where there is a gap", m.get("sum", 0) % 2 == 1 and m.get("group", 0) > 0, m)
wrong("a register too many", adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 3 }")), "the right one is there 1 cycle later: sum.latency: 3?")
m = wrong("one wrong pair of operands is found by a network's", adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 4 }")), "operands  5 x 3", "of conv",
          more=[*NET[:-1], "0"])
check("and it says which output of which image", m.get("image") == 0 and {"layer", "channel", "row", "column"} <= set(m), m)
m = wrong("a lane with another rounding, on a network", adapter(f"{UNITS}/lane.yaml", ("- { name: Muls", "- { name: Rounding, value: 3 }\n    - { name: Muls")),
          "output.rounding: truncate", more=NET)

# Mistakes in what the adapter says, with a guess.
wrong("a latency that is too long", adapter(SERIAL, ("latency: 2 ", "latency: 3 ")), "the right one was there 1 cycle before: sum.latency: 2?")
wrong("wrap in place of saturate", adapter(f"{FOREIGN}/dot_stream.yaml", ("saturate", "wrap")), "the sum at 'm_sum' is wrong")
wrong("a latency beside valid", adapter(f"{FOREIGN}/booth_serial.yaml", ("latency: 17", "latency: 16")), "right, but 1 cycle too late")
wrong("no valid ever", adapter(f"{FOREIGN}/booth_serial.yaml", ("port: start, when: operands", "port: start, value: 0"), ("latency: 17", "valid_when: high")),
      "no sum has come in 1000 cycles")
wrong("more results than sums", adapter(f"{FOREIGN}/dot_stream.yaml", ("when: last", "when: operands")), "a sum that nothing was given for")
wrong("a unit that never takes operands", adapter(f"{FOREIGN}/booth_serial.yaml", ("ready_value: 0", "ready_value: 1"), ("start, when: operands", "start, value: 0")),
      "it takes no operands for 1000 cycles")
wrong("unsigned operands", adapter(f"{FOREIGN}/comb_dot.yaml", ("signed: false", "signed: true")), "it fits activations that are unsigned")
wrong("an end of the width that the unit does not take", adapter(f"{FOREIGN}/odd_mac.yaml", ("a_i, min: -127", "a_i")), "operands  -128 x ")
wrong("a unit that is held in reset", adapter(SERIAL, ("reset: reset", "reset: reset\n  reset_value: 0")), "it is held in reset: clock.reset_value: 1")
wrong("and one that says when its sums are valid", adapter(f"{FOREIGN}/dot_stream.yaml", ("reset_value: 0", "reset_value: 1")), "it is held in reset: clock.reset_value: 0")
wrong("a clear that comes too late", adapter(SERIAL, ("when: first }", "when: first, delay: 1 }")), "it fits 'clear' a cycle earlier: signals[1].delay: 0")
wrong("a clear that comes too early", adapter(f"{UNITS}/lane.yaml", ("acc_first_i, when: first, delay: 2", "acc_first_i, when: first, delay: 1")),
      "it fits 'acc_first_i' a cycle later: signals[3].delay: 2")
wrong("operands in the wrong order", adapter(f"{FOREIGN}/dot_stream.yaml", ("s_coeff, order: high_first", "s_coeff")),
      "it fits activations.order: low_first; or it fits weights.order: high_first")

# What is said, where, and of how many.
FAULTY = adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 1 }"))
r = ristretto("cosim", "--dut", FAULTY)
check("the difference follows the summary, on the same stream", r.returncode == 1 and "differs" not in r.stderr and
      0 < r.stdout.find("sums compared") < r.stdout.find("differs in clock cycle 8") < r.stdout.find("  got       -16384") and "DIFFERENT" not in r.stdout, r.stdout + r.stderr)
r = ristretto("cosim", "--dut", FAULTY, "--quiet")
check("without a summary it goes to the errors", r.returncode == 1 and r.stdout == "" and "  got       -16384" in r.stderr, r.stdout + r.stderr)
LOST = adapter(f"{FOREIGN}/booth_serial.yaml", ("port: start, when: operands", "port: start, value: 0"), ("latency: 17", "valid_when: high"))
r = ristretto("cosim", "--dut", LOST)
check("a result that did not come has no value", r.returncode == 1 and "no sum has come" in r.stdout and "got" not in r.stdout, r.stdout + r.stderr)
FAULTY = adapter(SERIAL, (PLAIN, "- { name: FAULT, value: 1 }"))
r = ristretto("cosim", "--dut", FAULTY, "--json", "--keep-going", "5")
got = json.loads(r.stdout) if r.returncode == 1 else {"mismatches": []}
check("five differences", len(got["mismatches"]) == 5 and len({m["cycle"] for m in got["mismatches"]}) == 5 and all(m["got"] != m["expected"] for m in got["mismatches"]),
      r.stdout + r.stderr)
check("each is shown", r.stderr.count("differs in clock cycle") == 5, r.stderr)
more = ristretto("cosim", "--dut", FAULTY, "--json", "--keep-going", "1000", "--random", "0")
more = json.loads(more.stdout)
check("fewer than were asked for: the whole run", 5 < len(more["mismatches"]) < 1000 and more["sums"] == more["vectors"][0]["sums"], more["sums"])
r = ristretto("cosim", *NET[:4], "--array", "configs/arrays/lenet.yaml", "--keep-going", "5")
check("one difference of an array", r.returncode == 2 and "--keep-going is for --dut" in r.stderr, r.stderr)
# Verilator's warnings, when the design is built.
for name in "warned.v", "warned.yaml":
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(f"// {os.getpid()} {folder}: no model of it is in the cache\n"
                "module warned(input wire [7:0] a, input wire [7:0] b, output wire signed [15:0] p);\n"
                "    wire [3:0] narrow = a;\n    assign p = $signed(a) * $signed(b);\nendmodule\n" if name.endswith(".v") else
                "design: { top: warned, sources: [warned.v] }\nunit: { accumulates: false }\nactivations: { port: a }\nweights: { port: b }\n"
                "sum: { port: p, latency: 0 }\n")
WARNED = os.path.join(folder, "warned.yaml")
first, second = ristretto("cosim", "--dut", WARNED), ristretto("cosim", "--dut", WARNED)
check("Verilator's warnings about a design are shown", first.returncode == 0 and "warned.v:3:" in first.stderr and "(WIDTH)" in first.stderr,
      first.stdout + first.stderr)
check("once", second.returncode == 0 and "warning" not in second.stderr, second.stderr)

# What reaches out of the simulation is refused, wherever it stands, unless it is trusted; what a build is about to run is said.
serial = os.path.join(folder, "serial.v")
with open(f"{UNITS}/serial_mac.v", encoding="utf-8") as f:
    plain = f.read()
touched = os.path.join(folder, "touched")


def with_words(words, *changes):
    with open(serial, "w", encoding="utf-8") as g:
        g.write(plain.replace("endmodule", words + "\nendmodule"))
    return adapter(SERIAL, ("[serial_mac.v]", f"[{serial}]"), *changes)


for word, words in (("$system", f'initial $system("touch {touched}");'), ("$c", 'initial $c("abort();");'), ("$c1", "initial if ($c1(1)) begin end"),
                    ("$system", f'`define S $sys``tem\ninitial `S("touch {touched}");'), ("$fopen", f'initial $fclose($fopen("{touched}", "w"));'),
                    ('"DPI-C"', 'import "DPI-C" function int system(input string s);')):
    refused(f"{words.splitlines()[-1][:30]} is refused", with_words(words), f"'{word}' in the design runs programs or writes files", "--trust")
check("and has not run", not os.path.exists(touched))
library = os.path.join(folder, "library")
os.mkdir(library)
with open(os.path.join(library, "helper.v"), "w", encoding="utf-8") as f:
    f.write(f'module helper;\n// $c\ninitial $system("touch {touched}");\nendmodule\n')
HELPER = ("helper h();", ("  top:", f"  include: [{library}]\n  top:"))
refused("nor in a module that Verilator finds", with_words(*HELPER), f"{library}/helper.v:3", "'$system' in the design runs programs", "--trust")
r = ristretto("cosim", "--dut", with_words(*HELPER), "--trust", "--quiet")
check("trusted, it runs, which is said", r.returncode == 0 and os.path.exists(touched) and "note: building" in r.stderr and "runs as a program of yours" in r.stderr,
      f"{r.returncode} {r.stderr}")
refused("and is refused again without", with_words(*HELPER), "'$system' in the design")
r = ristretto("cosim", "--dut", with_words("// $system\n/* $c */\nreg [63:0] text = \"$system\";"), "--quiet")
check("a comment and a string do nothing", r.returncode == 0, f"{r.returncode} {r.stderr}")
many = os.path.join(folder, "many")
os.mkdir(many)
for i in range(300):
    with open(os.path.join(many, f"m{i}.vh"), "w", encoding="utf-8") as f:
        f.write(f"// {i}\n")
r = ristretto("cosim", "--dut", adapter(SERIAL, ("  top:", f"  include: [{many}]\n  top:")), "--quiet")
check("a folder of 300 headers", r.returncode == 0, f"{r.returncode} {r.stderr}")

# Messages.
with open(SERIAL, encoding="utf-8") as f:
    lines = f.read().splitlines()


def line_of(word):
    return next(i + 1 for i, text in enumerate(lines) if word in text)


refused("a key that does not exist", adapter(SERIAL, ("latency: 2", "latncy: 2")), f"ADAPTER:{line_of('latency')}:3: error: unknown key 'latncy' in 'sum'",
        "did you mean 'latency'?")
refused("ports that do not exist, all at once", adapter(SERIAL, ("port: acc", "port: ac"), ("port: en,", "port: ena,")),
        f"ADAPTER:{line_of('port: acc')}:9: error: sum.port: the module 'serial_mac' has no port 'ac'", "did you mean 'acc'?",
        f"ADAPTER:{line_of('port: en,')}:13: error: signals[0].port: the module 'serial_mac' has no port 'ena'", "did you mean 'en'?")
refused("an output where an input is expected", adapter(SERIAL, ("port: x", "port: acc")), "activations.port: the port 'acc' of 'serial_mac' is an output, expected an input")
refused("words that do not divide", adapter(SERIAL, ("clock:\n", "unit: { products: 3 }\nclock:\n")), "the 8 bits of the port 'x' do not divide into 3 words",
        "is unit.products right?")
refused("nothing that says when", adapter(SERIAL, ("  latency: 2 ", "  signed: true ")), "sum.latency or sum.valid is missing", "a register after an adder: latency: 1")
refused("nothing that begins a sum", adapter(SERIAL, ("  - { port: clear, when: first }\n", "")), "nothing tells the unit where a sum begins",
        "{ port: clear, when: first }")
refused("an addend of a unit that accumulates", adapter(SERIAL, ("weights:", "addend: { port: y }\nweights:")), "a unit that accumulates has no addend")
refused("a source that does not exist", adapter(SERIAL, ("serial_mac.v", "nothing.v")), f"ADAPTER:{line_of('sources')}:13: error: design.sources[0]: ",
        "nothing.v' cannot be read", "paths begin at the folder of this file")
refused("a folder in place of a source", adapter(SERIAL, ("[serial_mac.v]", f"[{folder}]")), "is a folder, expected a file")
refused("a module that does not exist", adapter(SERIAL, ("top: serial_mac", "top: serial_mc")),
        f"ADAPTER:{line_of('top:')}:8: error: design.top: the sources have no module 'serial_mc'", "did you mean 'serial_mac'?")
refused("a parameter that does not exist", adapter(SERIAL, ("name: WIDTH", "name: WIDHT")),
        f"ADAPTER:{line_of('WIDTH')}:15: error: design.parameters[0].name: the module 'serial_mac' has no parameter 'WIDHT'")
refused("bits that a port does not have", adapter(SERIAL, ("port: acc", 'port: "acc[32:1]"')),
        f"ADAPTER:{line_of('port: acc')}:9: error: sum.port: 'acc[32:1]' asks for bit 32 of a port of 32 bits")
refused("bits that are not bits", adapter(SERIAL, ("port: acc", 'port: "acc[1:7]"')), "expected a port, port[high:low] or port[bit]")
refused("a width that the port does not have", adapter(SERIAL, ("{ port: x }", "{ port: x, bits: 9 }")),
        f"ADAPTER:{line_of('port: x')}:22: error: activations.bits is 9, but a word of the port 'x' has 8")
refused("C++ that is not there", adapter(SERIAL, ("  top: serial_mac", "  top: serial_mac\n  code: /none/x.cc")), "error: design.code: '/none/x.cc' cannot be read")
for name, text, *parts in [("C++ that does not compile", "struct unit_adapter : rs_unit_adapter { int x = y; };\n", "wrong.cc:1:49: error:", "'y'"),
                           ("C++ without an adapter", "struct other {};\n", "the file must define struct unit_adapter")]:
    code = os.path.join(folder, "wrong.cc")
    with open(code, "w", encoding="utf-8") as f:
        f.write(text)
    refused(name, adapter(SERIAL, ("  top: serial_mac", f"  top: serial_mac\n  code: {code}")), f"ADAPTER:{line_of('top:') + 1}:9: error: design.code: ", *parts)
refused("a limit outside of the width", adapter(f"{FOREIGN}/odd_mac.yaml", ("a_i, min: -127", "a_i, min: -129")),
        "error: activations.min is -129, expected -128 to 0: 0 is always given, and the width has an end")
refused("a range without 0", adapter(f"{FOREIGN}/odd_mac.yaml", ("b_i, min: -127", "b_i, min: 1")), "error: weights.min is 1, expected -128 to 0")
refused("groups of a unit that does not accumulate", adapter(f"{FOREIGN}/comb_dot.yaml", ("products: 9", "groups: 2, products: 9")),
        ":17: error: a unit that does not accumulate has sums of one group")
refused("no adapter", os.path.join(folder, "none.yaml"), "none.yaml: error: cannot open")
broken = os.path.join(folder, "broken.v")
with open(broken, "w", encoding="utf-8") as f:
    f.write("module serial_mac(input wire a;\nendmodule\n")
refused("a design that is not Verilog", adapter(SERIAL, ("[serial_mac.v]", f"[{broken}]")), "broken.v:1", "syntax error")
refused("a layer that the unit cannot hold", adapter(SERIAL, ("value: 8", "value: 4")), "no layer of the network 'LeNet' fits the unit: "
        "the activations of layer 'conv1' go from -128 to 127, the unit's from -8 to 7",
        more=NET)
refused("a layer that does not exist", SERIAL, "has no layer 'ip3' with weights", "did you mean 'ip1'?", status=2, more=[*NET, "--layer", "ip3"])
refused("a network without images", SERIAL, "--qnet and --data go together", status=2, more=["--qnet", QNET])
refused("an array beside it", SERIAL, "--array is not for --dut", status=2, more=["--array", "configs/arrays/lenet.yaml"])

shutil.rmtree(folder)
check.done()
