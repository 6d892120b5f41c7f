// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading a vCPU onto a CPU, and what entry and exit do only sometimes. The way itself is in
 * inline.h and enter.S.
 */
#include <asm/debugreg.h>
#include <asm/msr.h>
#include "hw/hw.h"
#include "hw/svm/ops.h"

static void load_tsc_ratio(struct svm_cpu *c, u64 ratio)
{
	if (c->tsc_ratio == ratio)
		return;
	c->tsc_ratio = ratio;
	wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
}

/**
 * svm_load_elsewhere() - the vCPU comes to another CPU than last time, or another one was here in
 * between. Preemption off.
 */
void svm_load_elsewhere(struct hw_vcpu *hw, struct svm_cpu *c, int cpu)
{
	if (hw->last_cpu != cpu) {
		/*
		 * ASIDs are the other CPU's, and so is what VMRUN cached of the VMCB (APM 2,
		 * 15.15.1).
		 */
		hw->cpu = c;
		hw->last_cpu = cpu;
		hw->asid_generation = 0;
		hw->vmcb->control.clean = 0;
	}
	flaws_switch_vcpu(c, hw);
	load_tsc_ratio(c, hw->tsc_ratio);
	/* host_save is another vCPU's, or this one's from an earlier ioctl, of another thread. */
	hw->save_host = true;
}

/**
 * svm_entry_work() - what hw->work asks for before VMRUN, and an ASID. IRQs off. false: SVM is off
 * on this CPU.
 */
bool svm_entry_work(struct hw_vcpu *hw)
{
	if (hw->work & WORK_ASID) {
		if (!asid_renew(hw))
			return false;
		hw->work &= ~WORK_ASID;
	}
	if (hw->work & WORK_STEP)
		step_arm(hw);
	/* Compares with what the host has, and writes MSRs only when they differ. */
	if (hw->work & WORK_VIRT_SSBD)
		x86_virt_spec_ctrl(hw->virt_spec_ctrl, true);
	return true;
}

/** svm_no_entry() - what *@exit says then. */
void svm_no_entry(struct hw_exit *exit)
{
	exit->kind = EXIT_ENTRY_FAILED;
	exit->vectoring.kind = EVENT_NONE;
	exit->insn_len = exit->insn_bytes_len = 0;
	exit->hw_reason = exit->qual = ~0ull;
}

/** svm_exit_work() - the same after #VMEXIT. IRQs off. */
void svm_exit_work(struct hw_vcpu *hw, struct hw_exit *exit)
{
	if (hw->work & WORK_VIRT_SSBD)
		x86_virt_spec_ctrl(hw->virt_spec_ctrl, false);
	/*
	 * Still set: the event was delivered. An interrupted one was taken back by
	 * event_interrupted(); one that never began, below.
	 */
	if (hw->work & WORK_SOFT_EVENT) {
		if (exit->kind == EXIT_ENTRY_FAILED)
			hw_cancel_injection(hw);
		hw->work &= ~WORK_SOFT_EVENT;
	}
	if (hw->work & WORK_STEP)
		step_disarm(hw, exit);
}
