/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics, one table each: the names are those of KVM_GET_STATS_FD and debugfs. Plain adds by the owner; readers may see a torn moment, never a torn value. */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include <linux/types.h>

#define VCPU_STATS(X) \
	X(exits) X(fast_exits) X(io_exits) X(mmio_exits) X(signal_exits) X(irq_window_exits) X(nmi_window_exits) \
	X(halt_exits) X(halt_successful_poll) X(halt_attempted_poll) X(halt_poll_invalid) X(halt_wakeup) \
	X(request_irq_exits) X(irq_exits) X(host_state_reload) X(fpu_reload) X(insn_emulation) X(insn_emulation_fail) \
	X(hypercalls) X(irq_injections) X(nmi_injections) X(req_event) X(pf_taken) X(pf_fixed) X(pf_fast) X(pf_mmio_emulate) \
	X(pf_spurious) X(tlb_flush) X(directed_yield_attempted) X(directed_yield_successful) X(preemption_reported) \
	X(halt_poll_success_ns) X(halt_poll_fail_ns) X(halt_wait_ns) X(msr_exits) X(cpuid_exits) X(cr_exits) X(pause_exits)
#define VM_STATS(X) \
	X(mmu_pages) X(pages_4k) X(pages_2m) X(pages_1g) X(remote_tlb_flush) X(remote_tlb_flush_requests) X(mmu_invalidations)

#define STAT_FIELD(name) u64 name;
struct vcpu_stats { VCPU_STATS(STAT_FIELD) };
struct vm_stats { VM_STATS(STAT_FIELD) };
#undef STAT_FIELD

#endif
