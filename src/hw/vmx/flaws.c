// SPDX-License-Identifier: GPL-2.0-only
/* What the flaws of processors cost outside the shortest way of an exit; flaws.h has the list. */
#include <asm/msr.h>
#include <asm/vmx.h>
#include "hw/hw.h"

/** flaws_switch_vcpu() - @hw is about to run on this CPU: predictions of another vCPU must not steer it. Preemption off. */
void flaws_switch_vcpu(struct vmx_cpu *cpu, const struct hw_vcpu *hw)
{
	if (cpu->last_vcpu == hw->id)
		return;
	cpu->last_vcpu = hw->id;
	indirect_branch_prediction_barrier();
}

/**
 * flaws_flush_l1d() - L1TF: what the host has in the L1 data cache must not be there when the guest runs. IRQs off.
 *
 * By the MSR only: a processor with the flaw and without the microcode for it is left to the kernel's other means (EPT off, SMT off), and
 * the log says so once.
 */
void flaws_flush_l1d(struct hw_vcpu *hw)
{
	if (l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_NEVER || l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_EPT_DISABLED ||
	    l1tf_vmx_mitigation == VMENTER_L1D_FLUSH_NOT_REQUIRED)
		return;
	if (static_cpu_has(X86_FEATURE_FLUSH_L1D))
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	else
		pr_warn_once("kvm-intel: no L1D flush by microcode: guests may read host memory (L1TF)\n");
}
