/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Statistics, one table each: the names are those of KVM_GET_STATS_FD and debugfs. Plain adds by
 * the owner; readers may see a torn moment, never a torn value.
 */
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

#define STATS_NAME_SIZE	48	/* of an id and of a name, terminating zero included */

struct stats_table {
	const char * const *names;	/* in the order of the u64s */
	u32 count;
};
extern const struct stats_table vcpu_stats_table, vm_stats_table;

/**
 * stats_read() - read() of a KVM_GET_STATS_FD file (api.rst 4.133). @id: STATS_NAME_SIZE bytes,
 * zero padded; @values: struct vcpu_stats or vm_stats. Process context, sleeps. Bytes read (0 at
 * the end), -EFAULT, -EINVAL (negative position).
 */
ssize_t stats_read(const struct stats_table *table, const char *id, const u64 *values,
		   char __user *buf, size_t len, loff_t *pos);

#endif
