# SPDX-License-Identifier: GPL-2.0-only
# kvmono. `make help` lists what there is to make.

top := $(CURDIR)
comma := ,
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

.PHONY: all setup debug-kernel run test exits bench bench-host bench-record bench-trace load unload clean help lines check-kernels check-branches check-floors check-abi check-spdx

all:
	@test -e $(KDIR)/Makefile || { echo "no headers in $(KDIR): $(if $(filter 6.12 6.1,$(KVER)),make setup,install linux-headers-$(kver)$(comma) or give KDIR)" >&2; exit 1; }
	@$(link_sources)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(top)/$(OUT) KVMONO_SRC=$(top)/src W=1 modules

setup debug-kernel:
	@tools/$@

# A dollar sign in what the user gives is the shell's, not make's.
override GUEST_CMD := $(value GUEST_CMD)
override APPEND := $(value APPEND)
export GUEST_CMD APPEND

# tools/ is Python; the rest of what a machine may lack these two install themselves.
python = @command -v python3 >/dev/null || tools/setup

run test:
	$(python)
	@tools/$@

check-kernels:
	@tools/check-kernels

check-branches:
	@mkdir -p build
	@tools/check-branches --selftest >build/branches.log || { cat build/branches.log; exit 1; }
	@tools/check-branches 6.12 6.1
	@tools/check-returns --selftest >>build/branches.log || { cat build/branches.log; exit 1; }
	@tools/check-returns 6.12 6.1

check-floors check-abi check-spdx lines:
	@tools/$@

exits bench-record bench-trace:
	@tools/setup
	@tools/$@

bench bench-host:
	$(python)
	@tools/$@

unload load:
	@tools/$@

clean:
	rm -rf build

help:
	@sed 1d tools/help.txt
