# SPDX-License-Identifier: GPL-2.0-only
# kvmono. `make help` lists what there is to make.

top := $(CURDIR)
# Which kernel to build for: 6.12, 6.1, debug (make debug-kernel) or a full version whose headers are installed.
KVER ?= 6.12
kver = $(eval kver := $(shell tools/kver $(KVER)))$(kver)
KDIR ?= $(firstword $(wildcard $(top)/.cache/kernel/$(kver)/build) /lib/modules/$(kver)/build)
MODULES := kvm-amd kvm-intel

OUT ?= build/$(kver)
# Kbuild compiles these in $(OUT), where each is a link; they include everything else from src/.
compiled := Kbuild $(wildcard $(MODULES:kvm-%=src/%.c)) $(wildcard src/hw/*/enter.S src/hw/*/asm-offsets.c)
compiled := $(compiled:src/%=%)

define link_sources
mkdir -p $(sort $(dir $(compiled:%=$(OUT)/%)))
$(foreach f,$(compiled),ln -sfn $(top)/src/$(f) $(OUT)/$(f);)
endef

.PHONY: all setup debug-kernel run test exits bench bench-host bench-record bench-trace load unload clean help lines check-kernels check-branches check-floors check-abi check-spdx check-tools

all:
	@test -e $(KDIR)/Makefile || { echo "no headers in $(KDIR): $(if $(filter 6.12 6.1,$(KVER)),make setup,KVER=$(KVER): `tools/kver --known`; or give KDIR)" >&2; exit 1; }
	@$(link_sources)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(top)/$(OUT) KVMONO_SRC=$(top)/src W=1 modules
	@echo "built for $(kver): $(MODULES:%=$(OUT)/%.ko)"

setup debug-kernel:
	@tools/$@

# A dollar sign in what the user gives is the shell's, not make's.
override GUEST_CMD := $(value GUEST_CMD)
override APPEND := $(value APPEND)
export GUEST_CMD APPEND

# What may stand behind make, for tools/ to read. Another word is a slip, that nobody would read.
words := APPEND BOCHS_CPU DISK GUEST_CMD INITRD JOBS KDIR KERNEL KVER KVM MACHINE MEM MITIGATIONS OP OUT PARAMS SMP T TIMEOUT VENDOR VMM_ARGS
given := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
slips := $(filter-out $(words) MAKEFLAGS -*-%,$(given))

# tools/ is Python; the rest of what a machine may lack these install themselves.
define ready
@$(if $(slips),echo "make $@: $(slips): not known; make help lists what is" >&2; exit 1)
@command -v python3 >/dev/null || tools/setup
endef

run test exits bench bench-host bench-record bench-trace:
	$(ready)
	@tools/$@

check-kernels:
	@tools/check-kernels

check-branches:
	@mkdir -p build
	@tools/check-branches --selftest >build/branches.log || { cat build/branches.log; exit 1; }
	@tools/check-branches 6.12 6.1
	@tools/check-returns --selftest >>build/branches.log || { cat build/branches.log; exit 1; }
	@tools/check-returns 6.12 6.1

check-floors check-abi check-spdx check-tools lines:
	@tools/$@

unload load:
	@tools/$@

clean:
	rm -rf build

help:
	@sed 1d tools/help.txt
