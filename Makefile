# Ristretto. `make help` lists what can be made.
#
# One VARIANT is built at a time, in build/$(VARIANT)/; `check` builds two of them through recursive calls.
#   release  what users run                       asan  AddressSanitizer + UndefinedBehaviorSanitizer
#   debug    -O0 for a debugger                   cov   gcov line coverage
#   fuzz     clang, for libFuzzer (make fuzz)

VARIANT ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

# All processors, unless -j was given or this is a recursive call.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(or $(JOBS),$(shell nproc 2>/dev/null || echo 2))
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:

# Short lines; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n')

# ---------------------------------------------------------------------------------------------------------- compilers
CC  := gcc
CXX := g++

# The oldest x86 that is supported; kernels for newer ones are selected at run time. -ffp-contract=off, because a
# fused multiply-add rounds once where two instructions round twice: results must not depend on the machine.
MARCH := $(if $(filter x86_64,$(shell uname -m)),-march=x86-64-v2)
# -fno-trapping-math changes no value either: nobody reads the exception flags, and loops with comparisons then vectorize.
FLOAT := -ffp-contract=off -fno-math-errno -fno-trapping-math

WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
WARN_C   := $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wvla
WARN_CXX := $(WARN)

MODE_release := -O3 -g
MODE_debug   := -O0 -g
MODE_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_cov     := -O0 -g --coverage
MODE_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(VARIANT),fuzz)
CC  := clang
CXX := clang++
endif
MODE := $(MODE_$(VARIANT))
ifeq ($(MODE),)
$(error VARIANT=$(VARIANT) is not known; expected release, debug, asan, cov or fuzz)
endif

B   := build/$(VARIANT)
GEN := $(B)/gen

# No fuzzer reaches the engine's kernels, and clang takes an hour to trace the branches that UBSan adds to them.
ifeq ($(VARIANT),fuzz)
$(B)/obj/model/engine/kernels.o: CFLAGS += -fno-sanitize=undefined
endif

# OpenBLAS is loaded when it is needed: its headers alone count here.
PKGS     := openblas yaml-0.1 protobuf jansson zlib libturbojpeg libpng lmdb
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(filter-out openblas,$(PKGS)) 2>/dev/null)

CPPFLAGS := -D_GNU_SOURCE -DRS_VERSION='"$(VERSION)"' -Imodel -Isim -isystem $(GEN) $(patsubst -I%,-isystem %,$(PKG_CFLAGS))
TEST_CPPFLAGS := -Itests $(patsubst -I%,-isystem %,$(shell pkg-config --cflags hdf5-serial 2>/dev/null))
CFLAGS   := -std=c17 $(MODE) $(MARCH) $(FLOAT) -pthread
CXXFLAGS := -std=c++17 $(MODE) $(MARCH) $(FLOAT) -pthread
LDFLAGS  := $(MODE) -pthread -Wl,--as-needed
LDLIBS   := $(PKG_LIBS) -lm -ldl

# ------------------------------------------------------------------------------------------------------------ sources
# What lies in a folder shim/ is compiled at run time, together with a Verilated model, into a shared object.
MAIN     := $(wildcard sim/cli/main.c)
SRC_C    := $(filter-out sim/cli/main.c,$(sort $(shell find model sim -name '*.c' -not -path 'sim/*/shim/*' -not -path 'sim/soc/systemc/*' 2>/dev/null)))
SRC_CXX  := $(sort $(shell find model/import sim -name '*.cc' -not -path 'sim/*/shim/*' -not -path 'sim/soc/systemc/*' 2>/dev/null))
PROTO    := $(sort $(wildcard model/import/*/*.proto))
# Code shared by test programs: the slow oracles, and helpers.
SRC_TEST := $(sort $(wildcard tests/oracle/*.c tests/support/*.c))
UNIT     := $(sort $(wildcard tests/unit/test_*.c))

PB_CC   := $(PROTO:model/%.proto=$(GEN)/%.pb.cc)
PB_H    := $(PROTO:model/%.proto=$(GEN)/%.pb.h)
CSS     := $(GEN)/report/css.inc
PB_OBJ  := $(PROTO:model/%.proto=$(B)/obj/gen/%.pb.o)
OBJ     := $(SRC_C:%.c=$(B)/obj/%.o) $(SRC_CXX:%.cc=$(B)/obj/%.o) $(PB_OBJ)
TEST_OBJ  := $(SRC_TEST:%.c=$(B)/obj/%.o)
MAIN_OBJ  := $(MAIN:%.c=$(B)/obj/%.o)
UNIT_BIN  := $(UNIT:tests/unit/%.c=$(B)/tests/%)
LIB       := $(B)/libristretto.a
TEST_LIB  := $(B)/libtestsupport.a
EXE       := $(if $(MAIN),$(B)/ristretto)

# ------------------------------------------------------------------------------------------------------------ targets
.PHONY: all lib tests generated print check check-full check-unit check-cli check-lint lint fuzz fuzzer bench demo man format clean install deps help

all: $(LIB) $(EXE) $(if $(and $(EXE),$(filter release,$(VARIANT))),build/ristretto)
lib: $(LIB)
tests: all $(UNIT_BIN)
generated: $(PB_H) $(CSS)
# `make -s print VARIABLE=CFLAGS`, for scripts
print:
	@printf '%s\n' '$(subst ','\'',$($(VARIABLE)))'

help:
	@echo 'make              build the command build/ristretto'
	@echo 'make demo         install what is missing, build, and show the whole flow on the embedded digits'
	@echo 'make check        every test: unit tests (plain and with sanitizers), command line, lint'
	@echo 'make check-full   the same, with the long ones'
	@echo 'make check-unit   unit tests only      make check-cli  command line only'
	@echo 'make lint         lint only            make format     lay out sources with clang-format'
	@echo 'make fuzz         libFuzzer on every format that is read (FUZZ_SECONDS=600 each)'
	@echo 'make bench        speed, side by side with the alternatives'
	@echo 'make man          man pages and shell completion, into build/man'
	@echo 'make install      into DESTDIR/PREFIX (default /usr/local)'
	@echo 'make clean        remove build/'
	@echo 'Variables: VARIANT=release|asan|debug|cov|fuzz  V=1 (show commands)  JOBS=n'
	@echo '           TESTS=pattern (only tests whose name contains it)'

# A stamp that changes only if the flags or the list of objects do: what depends on it is then remade.
STAMP := $(B)/flags
define FLAGS_TEXT
$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN_C)
$(CXX) $(CXXFLAGS) $(WARN_CXX)
endef
define OBJECTS_TEXT
$(OBJ) $(TEST_OBJ) $(LDFLAGS) $(LDLIBS)
endef
define stamp
$(shell mkdir -p $(B) && printf '%s\n' '$(subst ','\'',$(strip $(2)))' >$(1).$$$$ && { cmp -s $(1).$$$$ $(1) && rm -f $(1).$$$$ || mv -f $(1).$$$$ $(1); })
endef
ifeq ($(filter-out all lib tests fuzzer,$(or $(MAKECMDGOALS),all)),)
$(call stamp,$(STAMP),$(FLAGS_TEXT))
$(call stamp,$(B)/objects,$(OBJECTS_TEXT))
endif
$(STAMP) $(B)/objects: ;

$(B)/obj/model/%.o: model/%.c $(STAMP)
	$(say) CC '$<'
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(WARN_C) -MMD -MP -c $< -o $@

$(B)/obj/sim/%.o: sim/%.c $(STAMP)
	$(say) CC '$<'
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(WARN_C) -MMD -MP -c $< -o $@

$(B)/obj/tests/%.o: tests/%.c $(STAMP)
	$(say) CC '$<'
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(TEST_CPPFLAGS) $(CFLAGS) $(WARN_C) -MMD -MP -c $< -o $@

$(B)/obj/%.o: %.cc $(STAMP) | $(PB_H)
	$(say) CXX '$<'
	$(Q)mkdir -p $(@D) && $(CXX) $(CPPFLAGS) $(CXXFLAGS) $(WARN_CXX) -MMD -MP -c $< -o $@

# Code that protoc writes is not ours to lint: no warnings. -O1 builds several times faster and parsing is not hot.
$(B)/obj/gen/%.pb.o: $(GEN)/%.pb.cc $(STAMP) | $(PB_H)
	$(say) CXX '$<'
	$(Q)mkdir -p $(@D) && $(CXX) $(CPPFLAGS) $(CXXFLAGS) -O1 -w -MMD -MP -c $< -o $@

# Included as "import/FOLDER/NAME.pb.h".
$(GEN)/%.pb.cc $(GEN)/%.pb.h &: model/%.proto
	$(say) PROTO '$<'
	$(Q)mkdir -p $(GEN) && protoc --proto_path=model --cpp_out=$(GEN) $<

# The page's style as a C string, a line per line.
$(CSS): sim/report/report.css
	$(say) GEN '$<'
	$(Q)mkdir -p $(@D) && sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(B)/obj/sim/report/html.o: $(CSS)

$(LIB): $(OBJ) $(B)/objects
	$(say) AR '$@'
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJ)

$(TEST_LIB): $(TEST_OBJ) $(B)/objects
	$(say) AR '$@'
	$(Q)rm -f $@ && $(AR) rcs $@ $(TEST_OBJ)

# g++ links, because protobuf is C++.
$(B)/ristretto: $(MAIN_OBJ) $(LIB)
	$(say) LINK '$@'
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

build/ristretto: build/release/ristretto
	$(Q)ln -sfn release/ristretto $@

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(TEST_LIB) $(LIB)
	$(say) LINK '$@'
	$(Q)mkdir -p $(@D) && $(CXX) $(LDFLAGS) -o $@ $< $(TEST_LIB) $(LIB) $(LDLIBS) -lcmocka -lgmp

# Our reader of weights in HDF5 is compared with libhdf5, here alone.
$(B)/tests/test_caffe_weights: LDLIBS += $(shell pkg-config --libs hdf5-serial 2>/dev/null)

$(B)/bench: $(B)/obj/tests/bench/bench.o $(LIB)
	$(say) LINK '$@'
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

fuzzer: $(B)/fuzzer
# One program for all targets: it looks at the name that it is called by.
$(B)/fuzzer: $(B)/obj/tests/fuzz/fuzz.o $(TEST_LIB) $(LIB)
	$(say) LINK '$@'
	$(Q)$(CXX) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(TEST_LIB) $(LIB) $(LDLIBS)

.SECONDARY:
-include $(OBJ:.o=.d) $(TEST_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(UNIT:%.c=$(B)/obj/%.d) $(B)/obj/tests/bench/bench.d

# -------------------------------------------------------------------------------------------------------------- tests
RUN = tests/run $(if $(JOBS),--jobs $(JOBS)) $(if $(TESTS),--filter '$(TESTS)')

check: deps
	$(Q)$(MAKE) VARIANT=release tests
	$(Q)$(MAKE) VARIANT=asan tests
	$(Q)$(RUN)

check-full: deps
	$(Q)$(MAKE) VARIANT=release tests
	$(Q)$(MAKE) VARIANT=asan tests
	$(Q)$(RUN) --full

check-unit:
	$(Q)$(MAKE) VARIANT=release tests
	$(Q)$(MAKE) VARIANT=asan tests
	$(Q)$(RUN) unit

check-cli:
	$(Q)$(MAKE) VARIANT=release all
	$(Q)$(MAKE) VARIANT=asan all
	$(Q)$(RUN) cli

lint check-lint:
	$(Q)$(RUN) lint

deps:
	$(Q)scripts/install-deps.sh --for check

demo:
	$(Q)scripts/install-deps.sh --for demo
	$(Q)$(MAKE) VARIANT=release all
	$(Q)scripts/demo.sh

# FUZZ_SECONDS of processor time a target; TESTS=pattern picks targets.
FUZZ_SECONDS ?= 600
fuzz:
	$(Q)$(MAKE) VARIANT=fuzz fuzzer
	$(Q)tests/fuzz/run $(if $(TESTS),--filter '$(TESTS)') --seconds $(FUZZ_SECONDS)

bench:
	$(Q)$(MAKE) VARIANT=release build/release/bench
	$(Q)scripts/bench.sh

# Man pages and shell completion, both from the command's own tables.
man: build/man/ristretto.1
build/man/ristretto.1: $(B)/ristretto
	$(say) MAN 'build/man'
	$(Q)mkdir -p build/man && $< help --format bash >build/man/ristretto.bash
	$(Q)$< help --format names | while read -r name; do \
	    $< help --format man $$name >build/man/ristretto-$$name.1 || exit 1; \
	done
	$(Q)$< help --format man >$@

format:
	$(Q)scripts/lint --mend-format

clean:
	rm -rf build

# The command finds rtl/ and configs/ beside itself: ../share/ristretto from the folder that it is in.
SHARE := $(DESTDIR)$(PREFIX)/share
install:
	$(Q)$(MAKE) VARIANT=release all man
	install -D -m 755 build/release/ristretto $(DESTDIR)$(PREFIX)/bin/ristretto
	for d in rtl configs sim/verilate/shim sim/cosim/shim sim/foreign/shim sim/soc; do \
	    find $$d -type f -exec install -D -m 644 {} $(SHARE)/ristretto/{} \; ; \
	done
	build/release/ristretto help --format names | while read -r name; do \
	    install -D -m 644 build/man/ristretto-$$name.1 $(SHARE)/man/man1/ristretto-$$name.1; \
	done
	install -D -m 644 build/man/ristretto.1 $(SHARE)/man/man1/ristretto.1
	install -D -m 644 build/man/ristretto.bash $(SHARE)/bash-completion/completions/ristretto
