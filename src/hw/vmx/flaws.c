// SPDX-License-Identifier: GPL-2.0-only
/* What the flaws of processors cost outside the shortest way of an exit; flaws.h has the list. */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/mm.h>
#include <asm/msr.h>
#include <asm/vmx.h>
#include "hw/hw.h"

/**
 * flaws_switch_vcpu() - @hw is about to run on this CPU: predictions of another vCPU must not steer
 * it. Preemption off.
 */
void flaws_switch_vcpu(struct vmx_cpu *cpu, const struct hw_vcpu *hw)
{
	if (cpu->last_vcpu == hw->id)
		return;
	cpu->last_vcpu = hw->id;
	indirect_branch_prediction_barrier();
}

/* ------------------------------------------------------------------ L1TF */

/*
 * Without the MSR, reading this much displaces what is in the cache: twice the largest L1D of a
 * processor with the flaw.
 */
#define L1D_FILL_SIZE	(64 * 1024)
#define L1D_FILL_ORDER	get_order(L1D_FILL_SIZE)
static unsigned long l1d_fill;

/* Entry does something: constant while the module is there. */
DEFINE_STATIC_KEY_FALSE(vmx_flushes_l1d);

/* What l1tf= on the kernel's command line means for VM entry (admin-guide/hw-vuln/l1tf.rst). */
static enum vmx_l1d_flush_state l1d_flush_choose(void)
{
	u64 cap = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, cap);
	if (cap & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		return VMENTER_L1D_FLUSH_NOT_REQUIRED;
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		return VMENTER_L1D_FLUSH_NEVER;
	case L1TF_MITIGATION_FULL:
	case L1TF_MITIGATION_FULL_FORCE:
		return VMENTER_L1D_FLUSH_ALWAYS;
	default:
		return VMENTER_L1D_FLUSH_COND;
	}
}

static void l1d_fill_read(void)
{
	unsigned long i;

	/* The translations first, so that the second pass is nothing but loads of lines. */
	for (i = 0; i < L1D_FILL_SIZE; i += PAGE_SIZE)
		READ_ONCE(*(u8 *)(l1d_fill + i));
	rmb();
	for (i = 0; i < L1D_FILL_SIZE; i += 64)
		READ_ONCE(*(u8 *)(l1d_fill + i));
	rmb();
}

/**
 * flaws_flush_l1d() - L1TF: what the host has in the L1 data cache must not be there when the guest
 * runs. IRQs off.
 *
 * "Conditional": not when this thread comes right back from an exit that was answered by the few
 * lines of the fast handlers, unless an interrupt came.
 */
void flaws_flush_l1d(struct hw_vcpu *hw)
{
	switch (l1tf_vmx_mitigation) {
	case VMENTER_L1D_FLUSH_COND:
#if IS_ENABLED(CONFIG_KVM_INTEL)
		if (!hw->l1d_dirty && !kvm_get_cpu_l1tf_flush_l1d())
			return;
		kvm_clear_cpu_l1tf_flush_l1d();
#endif
		break;
	case VMENTER_L1D_FLUSH_ALWAYS:
		break;
	default:
		return;
	}
	hw->l1d_dirty = false;
	if (static_cpu_has(X86_FEATURE_FLUSH_L1D))
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	else
		l1d_fill_read();
}

/* ------------------------------------------------------------------ module load and unload */

static int l1tf_setup(void)
{
	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_fill = __get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_FILL_ORDER);
		if (!l1d_fill)
			return -ENOMEM;
	}
	/* The kernel shows it in /sys/devices/system/cpu/vulnerabilities/l1tf. */
	l1tf_vmx_mitigation = l1d_flush_choose();
	if (l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_COND ||
	    l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_ALWAYS)
		static_branch_enable(&vmx_flushes_l1d);
	return 0;
}

/**
 * flaws_setup() - at module load, after hw_caps is filled in. May sleep. -ENOMEM.
 *
 * ITLB multihit: the kernel shows in /sys/devices/system/cpu/vulnerabilities/itlb_multihit whether
 * KVM does something about it. What a VM does is its parameter nx_huge_pages.
 */
int flaws_setup(void)
{
	hw_caps.itlb_multihit = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	itlb_multihit_kvm_mitigation = hw_caps.itlb_multihit;
	return l1tf_setup();
}

void flaws_teardown(void)
{
	itlb_multihit_kvm_mitigation = false;
	static_branch_disable(&vmx_flushes_l1d);
	l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
	free_pages(l1d_fill, L1D_FILL_ORDER);
	l1d_fill = 0;
}
