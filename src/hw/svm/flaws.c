// SPDX-License-Identifier: GPL-2.0-only
/* What the flaws of processors cost outside the way of an exit; flaws.h has the list. */
#include <asm/msr.h>
#include "hw/svm/flaws.h"

/**
 * flaws_switch_vcpu() - @hw is about to run on this CPU. Preemption off.
 *
 * Branch predictions that another vCPU trained must not steer this one. IBPB takes thousands of
 * cycles: not when the same vCPU comes back, and not at all (an alternative) where the kernel
 * doesn't use it.
 */
void flaws_switch_vcpu(struct svm_cpu *cpu, const struct hw_vcpu *hw)
{
	if (cpu->last_vcpu == hw->id)
		return;
	cpu->last_vcpu = hw->id;
	indirect_branch_prediction_barrier();
}

#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
static void flaws_set_bp_spec_reduce(bool on)
{
	u64 cfg;

	if (!boot_cpu_has(X86_FEATURE_SRSO_BP_SPEC_REDUCE) || rdmsrl_safe(MSR_ZEN4_BP_CFG, &cfg))
		return;
	if (on)
		cfg |= BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		cfg &= ~BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	wrmsrl(MSR_ZEN4_BP_CFG, cfg);
}
#else
static void flaws_set_bp_spec_reduce(bool on)
{
}
#endif

/** flaws_enable_cpu(), flaws_disable_cpu() - with SVM itself, on this CPU. IRQs off. */
void flaws_enable_cpu(void)
{
	flaws_set_bp_spec_reduce(true);
}

void flaws_disable_cpu(void)
{
	flaws_set_bp_spec_reduce(false);
}
