// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's performance counters: what perf counts in the host alone stops when a guest begins,
 * what it counts in guests alone begins there, and precise events, which would write their records
 * to an address in the guest, stop where the CPU doesn't see to that. perf says which MSRs have
 * another value in a guest; the CPU loads them with the entry and with the exit, so that not one
 * instruction of ours is counted on the wrong side. Guests have no counters.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <asm/io.h>
#include <asm/perf_event.h>
#include "hw/hw.h"

/**
 * vmx_perf_create() - the lists of a new vCPU, where perf has counters to switch: that doesn't
 * change after boot. May sleep. -ENOMEM.
 */
int vmx_perf_create(struct hw_vcpu *hw)
{
	unsigned long flags;
	int nr;

	local_irq_save(flags);
	perf_guest_get_msrs(&nr, NULL);
	local_irq_restore(flags);
	if (!nr)
		return 0;
	hw->perf_msrs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return hw->perf_msrs ? 0 : -ENOMEM;
}

/** vmx_perf_reset() - the fields of a new VMCS. */
void vmx_perf_reset(struct hw_vcpu *hw)
{
	hw->nr_perf_msrs = 0;
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, 0);
	if (!hw->perf_msrs)
		return;
	vmcs_write64(VM_ENTRY_MSR_LOAD_ADDR, virt_to_phys(hw->perf_msrs->entry));
	vmcs_write64(VM_EXIT_MSR_LOAD_ADDR, virt_to_phys(hw->perf_msrs->exit));
}

/**
 * vmx_perf_switch() - ask perf, once for all the entries until IRQs are on again: only an interrupt
 * or another task changes what it counts. IRQs off.
 */
void vmx_perf_switch(struct hw_vcpu *hw)
{
	struct vmx_perf_msrs *lists = hw->perf_msrs;
	struct perf_guest_switch_msr *msrs;
	u32 n = 0;
	int nr, i;

	hw->work &= ~WORK_PEBS;
	msrs = perf_guest_get_msrs(&nr, NULL);
	for (i = 0; i < nr && n < PERF_MSRS; i++) {
		if (msrs[i].host == msrs[i].guest)
			continue;
		/*
		 * Also some time before the entry, or a record that is under way is still written,
		 * to memory of the guest's. Back it comes with the counters themselves, so that
		 * none overflows without it.
		 */
		if (msrs[i].msr == MSR_IA32_PEBS_ENABLE) {
			hw->host.pebs_enable = msrs[i].host;
			hw->work |= WORK_PEBS;
		}
		lists->entry[n] =
			(struct vmx_msr_entry){ .index = msrs[i].msr, .value = msrs[i].guest };
		lists->exit[n++] =
			(struct vmx_msr_entry){ .index = msrs[i].msr, .value = msrs[i].host };
	}
	/* Nearly always none, as before. */
	if (likely(n == hw->nr_perf_msrs))
		return;
	hw->nr_perf_msrs = n;
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, n);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, n);
}
