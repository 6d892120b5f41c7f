// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-amd.ko: the whole of kvmono against the SVM backend, as one translation unit. Calls go down only; so do the includes.
 */
#include "core/compat.h"

#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"
#include "core/stats.c"

#include "mmu/tdp.c"
#include "mmu/hostmem.c"
#include "mmu/notifier.c"
#include "mmu/fault.c"
#include "mmu/dirty.c"
#include "mmu/walk.c"

#include "vcpu/fpu.c"
#include "vcpu/fpustate.c"
#include "vcpu/cpuid.c"
#include "vcpu/msr.c"
#include "vcpu/clock.c"
#include "vcpu/pv.c"
#include "vcpu/cr.c"
#include "vcpu/state.c"
#include "vcpu/events.c"
#include "vcpu/halt.c"
#include "vcpu/io.c"
#include "vcpu/emu.c"
#include "vcpu/task.c"
#include "vcpu/exits.c"
#include "vcpu/fast.c"
#include "vcpu/run.c"
#include "vcpu/life.c"
