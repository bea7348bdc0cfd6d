#!/usr/bin/env python3
"""Every static check finds what it is there for: violations are planted in a small tree, one at a time."""

import os
import shutil
import tempfile

from checks import ROOT, Checks, run

check = Checks()
scratch = tempfile.mkdtemp()
LINT = os.path.join(ROOT, "scripts", "lint")

GOOD = {
    "model/base/a.h": "/* A header. */\n#ifndef RISTRETTO_BASE_A_H\n#define RISTRETTO_BASE_A_H\n\n#include <stddef.h>\n\n"
                      "size_t rs_length(const char *text);\n\n#endif\n",
    "model/base/a.c": '/* A source. */\n#include "base/a.h"\n\n#include <string.h>\n\nsize_t rs_length(const char *text)\n{\n'
                      "    return strlen(text);\n}\n",
    "model/fxp/b.h": '/* A header. */\n#ifndef RISTRETTO_FXP_B_H\n#define RISTRETTO_FXP_B_H\n\n#include "base/a.h"\n\nint rs_b(int x);\n\n#endif\n',
    "model/fxp/b.c": '/* A source. */\n#include "fxp/b.h"\n\nint rs_b(int x)\n{\n    return x + 1;\n}\n',
    "rtl/good.sv": "module good (input logic [3:0] a_i, output logic [3:0] b_o);\n  assign b_o = a_i;\nendmodule\n",
    "scripts/good.sh": "#!/bin/sh\necho \"$1\"\n",
    "scripts/good.py": "#!/usr/bin/env python3\nimport sys\nprint(sys.argv)\n",
}
serial = 0


def lint(step, changes):
    """Runs one step on the good tree with these files changed (text), or removed (None)."""
    global serial
    serial += 1
    root = os.path.join(scratch, str(serial))
    os.makedirs(root)
    for path, text in {**GOOD, **changes}.items():
        if text is None:
            continue
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
    for name in ("Makefile", ".clang-tidy", ".clang-format"):
        shutil.copy(os.path.join(ROOT, name), root)
    result = run(LINT, step, env={"LINT_ROOT": root})
    shutil.rmtree(root)
    return result


def good(step, what, changes=None):
    result = lint(step, changes or {})
    check(f"{step}: {what}", result.returncode == 0 and result.stdout.splitlines()[-1].startswith("ok - "),
          result.stdout + result.stderr)


def bad(step, what, changes, *parts):
    result = lint(step, changes)
    text = result.stdout + result.stderr
    last = result.stdout.splitlines()[-1:] or [""]
    check(f"{step}: {what}", result.returncode == 1 and last[0].startswith("not ok - ") and all(p in text for p in parts),
          f"status {result.returncode}, expected 1 and {parts}\n{text}")


def with_code(line, path="model/fxp/b.c"):
    return {path: GOOD.get(path, "") + f"\nint rs_c(int x);\nint rs_c(int x)\n{{\n    {line}\n    return x;\n}}\n"}


# ---- layering
good("layering", "a tree in order")
good("layering", "a lower folder may be included", {"model/qnet/q.c": '#include "fxp/b.h"\n'})
bad("layering", "an upper folder", {"model/base/a.c": '#include "fxp/b.h"\n'}, "model/base/a.c:1: error", "may not depend on model/fxp")
bad("layering", "model may not know sim", {"model/search/q.c": '#include "config/array_config.h"\n'}, "may not depend on sim/config")
bad("layering", "a sibling that is not listed", {"model/data/d.c": '#include "train/train.h"\n'}, "may not depend on model/train")
bad("layering", "a folder that is not in the table", {"model/misc/m.c": "\n"}, "the folder model/misc is not in the table")
bad("layering", "a path that climbs", {"model/fxp/c.c": '#include "../base/a.h"\n'}, "by its path from model/ or sim/")
bad("layering", "a name without a folder", {"model/fxp/c.c": '#include "b.h"\n'}, "by its path from model/ or sim/")
bad("layering", "C++ outside its folders", {"model/fxp/c.cc": "\n"}, "C++ belongs in")
bad("layering", "a library that a folder may not use", {"model/fxp/c.c": "#include <cblas.h>\n"}, "may not use <cblas.h>")
bad("layering", "protobuf outside import", {"model/net/c.c": '#include "import/caffe.pb.h"\n'}, "may not use <import/caffe.pb.h>")
bad("layering", "indented and spaced", {"model/base/c.c": '  #  include   "net/net.h"\n'}, "may not depend on model/net")
bad("layering", "an edge that nobody uses", {"sim/cli/main.c": '#include "base/a.h"\n'}, "sim/cli lists flow and does not include it")
bad("layering", "the wall between model and sim", {"sim/array/a.c": '#include "net/net.h"\n'}, "may not depend on model/net")
bad("layering", "a tree without files", {path: None for path in GOOD})

# ---- banned
good("banned", "a tree in order")
for call in ("strcpy(a, b);", "strcat(a, b);", "sprintf(a, b);", "gets(a);", "atoi(a);", "strtok(a, b);", "strncpy(a, b, 1);",
             "malloc(3);", "x = (int)calloc (3, 1);", "fopen(a, b);", "rand();", "system(a);", "pthread_create(0, 0, 0, 0);",
             "exit(1);", "sscanf(a, b);", "/* ok */ strcpy(a, b);", "x++; /* begins\n  ends */ strcpy(a, b);"):
    bad("banned", f"'{' '.join(call.split())}'", with_code(call), "error: '")
for fine in ('rs_warn("strcpy(a, b)");', "/* strcpy(a, b) copies */", "// strcpy(a, b)", "my_strcpy(a, b);", "rs_calloc(3, 1);",
             "fscan_f(a);", "/* a\n * strcpy(a, b)\n */", "strcpy(a, b); /* banned-ok: a and b have one size */"):
    good("banned", f"no mistake: {' '.join(fine.split())}", with_code(fine))
bad("banned", "banned-ok without a reason", with_code("strcpy(a, b); /* banned-ok: */"), "wants a reason")
bad("banned", "unfinished work", with_code("/* TO" "DO: the rest */"), "unfinished work")
bad("banned", "unfinished work in a document", {"docs/a.md": "FIX" "ME\n"}, "docs/a.md:1: error")
bad("banned", "a path of one machine", {"docs/a.md": "see /ro" "ot/x\n"}, "a path of one machine")
bad("banned", "a home folder", {"scripts/good.sh": "#!/bin/sh\ncd /ho" "me/user/x\n"}, "a path of one machine")
good("banned", "paths that only look alike", {"docs/a.md": "build/work/x, $ROOT/root, framework/, /workshop\n"})
bad("banned", "flags that change the arithmetic", {"Makefile.x": "CFLAGS += -ffast" "-math\n"}, "changes the arithmetic")
bad("banned", "a source without a purpose", {"model/fxp/b.c": '#include "fxp/b.h"\n'}, "b.c:1: error: expected a comment")
bad("banned", "no final newline", {"docs/a.md": "text"}, "no newline at the end")
bad("banned", "empty lines at the end", {"docs/a.md": "text\n\n"}, "empty lines at the end")
bad("banned", "a tab", with_code("\tx++;"), "a tab")
bad("banned", "blanks at the end of a line", with_code("x++;  "), "blanks at the end")
bad("banned", "a carriage return", {"docs/a.md": "text\r\n"}, "carriage return")
bad("banned", "a line that is too long", with_code("x++; " + "/" * 200), "columns, at most")
bad("banned", "a line of SystemVerilog that is too long", {"rtl/long.sv": "// " + "x" * 98 + "\n"}, "101 columns, at most 100")
bad("banned", "a file that is too large", {"docs/a.bin": b"\0" * 3000001}, "3000001 bytes")
bad("banned", "text that is not UTF-8", {"docs/a.md": b"\xe9t\xe9\n"}, "not UTF-8")
bad("banned", "a conflict", {"docs/a.md": "<" * 7 + " HEAD\n"}, "conflict")

# ---- documents
PAGE = "# Title\n\n## 1. Rules\n\nText, and `model/fxp/b.c`.\n"
LINKS = "See [it](a.md), [its rules](a.md#1-rules), [a site](https://site.example/x) and `tests/test_NAME.c`, `rtl/*.sv`.\n"
good("docs", "a tree in order", {"docs/a.md": PAGE, "docs/b.md": LINKS})
good("docs", "a section in a comment", {"docs/a.md": PAGE, "scripts/good.sh": "#!/bin/sh\n# docs/a.md section 1; a.md, \"Rules\"\n"})
good("docs", "long rows and blocks", {"docs/a.md": f"| {'X y. ' * 50}|\n\n```\n{'x ' * 100}\n```\n"})
bad("docs", "a link to nowhere", {"docs/a.md": "See [it](b.md).\n"}, "docs/a.md:1: error: the link to b.md leads nowhere")
bad("docs", "a link to no heading", {"docs/a.md": PAGE, "docs/b.md": "See [it](a.md#rules).\n"}, "docs/b.md:1", "no heading for #rules")
bad("docs", "a page that a comment names", {"docs/a.md": PAGE, "scripts/good.sh": "#!/bin/sh\n# docs/b.md\n"}, "there is no docs/b.md")
bad("docs", "a section that a comment names", {"docs/a.md": PAGE, "scripts/good.sh": "#!/bin/sh\n# a.md\n# section 2\n"}, "has no section 2")
bad("docs", "a heading that a comment names", {"docs/a.md": PAGE, "scripts/good.sh": "#!/bin/sh\n# a.md, \"Laws\"\n"}, "no heading 'Laws'")
bad("docs", "a path of the tree", {"docs/a.md": "Run `scripts/none`.\n"}, "there is no scripts/none")
bad("docs", "a path in a command", {"docs/a.md": "Run\n```\nscripts/none\n```\n"}, "docs/a.md:3", "there is no scripts/none")
bad("docs", "a sentence that is too long", {"docs/a.md": "A short one. " + "so\nit goes on and " * 9 + "on.\n"}, "docs/a.md:1", "a sentence of 49 words")
bad("docs", "a line that is too long", {"docs/a.md": "Short ones. " * 11 + "\n"}, "132 columns, at most 120")

# ---- format
good("format", "a tree in order")
bad("format", "a brace in the wrong place", {"model/fxp/c.c": "int rs_c(int x);\nint rs_c(int x) {\n    return x;\n}\n"}, "c.c:2:")
bad("format", "a line that is too long", with_code("x = x + " + " + ".join(["x"] * 60) + ";"), "clang-format")

# ---- headers
good("headers", "a tree in order")
bad("headers", "a header that needs another", {"model/base/a.h": GOOD["model/base/a.h"].replace("#include <stddef.h>\n", "")},
    "model/base/a.h:1: error: does not compile alone")
bad("headers", "a header without a guard", {"model/base/c.h": "typedef int rs_c;\nstruct rs_d { int x; };\n"},
    "expected the include guard RISTRETTO_BASE_C_H", "does not compile alone")
bad("headers", "a guard with another name", {"model/base/c.h": "#ifndef C_H\n#define C_H\n\nint rs_c(void);\n\n#endif\n"},
    "expected the include guard RISTRETTO_BASE_C_H")

# ---- symbols
good("symbols", "a tree in order")
bad("symbols", "a public name without prefix", {"model/base/c.c": "int helper(void);\nint helper(void)\n{\n    return 1;\n}\n"},
    "the public name helper does not begin with rs_")
bad("symbols", "a public variable without prefix", {"model/base/c.c": "extern int table[3];\nint table[3] = { 1 };\n"},
    "the public name table does not begin with rs_")

# ---- clang, tidy
good("clang", "a tree in order")
bad("clang", "what only clang warns of", with_code("x = x;"), "explicitly assigning value")
bad("clang", "a C++ file", {"sim/verilate/c.cc": "static int unused() { return 1; }\n"}, "unused function")
good("tidy", "a tree in order")
bad("tidy", "a suspicious sizeof", with_code("x += (int)sizeof(sizeof(x));"), "bugprone-sizeof-expression")
bad("tidy", "a comparison in one line with its use",
    {"model/fxp/c.c": "#include <string.h>\n\nint rs_c(const char *a);\nint rs_c(const char *a)\n{\n"
                      "    return strcmp(a, a + 1) == 5;\n}\n"}, "bugprone-suspicious-string-compare")

# ---- scripts
good("shell", "a tree in order")
bad("shell", "a variable without quotes", {"scripts/bad.sh": "#!/bin/sh\nrm $1\n"}, "SC2086")
bad("shell", "a script without extension", {"scripts/bad": "#!/bin/bash\nrm $1\n"}, "SC2086")
good("python", "a tree in order")
bad("python", "a syntax error", {"scripts/bad.py": "def f(:\n"}, "scripts/bad.py:1: error")
bad("python", "an import that is not used", {"scripts/bad.py": "import os\n"}, "'os' is imported and not used")
bad("python", "a name that is not defined", {"scripts/bad": "#!/usr/bin/env python3\nprint(lenght)\n"}, "'lenght' is not defined")
bad("python", "an invalid escape", {"scripts/bad.py": 'print("\\d")\n'}, "invalid escape")

# ---- RTL
good("rtl", "a tree in order")
bad("rtl", "widths that differ", {"rtl/bad.sv": GOOD["rtl/good.sv"].replace("good", "bad").replace("[3:0] b", "[4:0] b")}, "WIDTH")
bad("rtl", "a signal that nobody uses",
    {"rtl/bad.sv": GOOD["rtl/good.sv"].replace("good", "bad").replace("  assign", "  logic x;\n  assign")}, "UNUSED")
bad("rtl", "a module not named like its file", {"rtl/other.sv": GOOD["rtl/good.sv"]}, "named like the file")

check("an unknown step", run(LINT, "nonsense").returncode == 2)
steps = run(LINT, "--list").stdout.split()
check("every step has a test here", set(steps) == set("layering banned docs format headers symbols clang tidy shell python rtl".split()),
      steps)

shutil.rmtree(scratch)
check.done()
