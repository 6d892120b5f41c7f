// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-intel.ko: the whole of kvmono against the VMX backend, as one translation unit.
 */
#include "core/compat.h"

#include "hw/vmx/flaws.c"
#include "hw/vmx/caps.c"
#include "hw/vmx/vmcs.c"
#include "hw/vmx/event.c"
#include "hw/vmx/apic.c"
#include "hw/vmx/perf.c"
#include "hw/vmx/exit.c"
#include "hw/vmx/check.c"
#include "hw/vmx/run.c"

#include "common.c"
