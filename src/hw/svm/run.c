// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading a vCPU onto a CPU, and what entry and exit do only sometimes. The way itself is in
 * inline.h and enter.S.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/mmu.h>
#include <asm/msr.h>
#include "hw/hw.h"
#include "hw/svm/ops.h"

void hw_load(struct hw_vcpu *hw, int cpu, bool scheduled_out)
{
	struct svm_cpu *c = svm_cpu(cpu);

	hw->cpu = c;
	if (hw->last_cpu != cpu) {
		/*
		 * ASIDs are the other CPU's, and so is what VMRUN cached of the VMCB (APM 2,
		 * 15.15.1).
		 */
		hw->last_cpu = cpu;
		hw->asid_generation = 0;
		hw->vmcb->control.clean = 0;
		/* And host_save here may be this vCPU's from an earlier ioctl, of another thread. */
		hw->work |= WORK_SAVE_HOST;
	}
	flaws_switch_vcpu(c, hw);
	/*
	 * Between two ioctls the thread may have changed its segments; during a context switch it
	 * can't have.
	 */
	if (!scheduled_out || c->host_owner != hw->id)
		hw->work |= WORK_SAVE_HOST;
}

/*
 * Everything that the guest had in the CPU came back at the last #VMEXIT; TSC_RATIO works on guests
 * only.
 */
void hw_put(struct hw_vcpu *hw, bool scheduled_out)
{
}

/*
 * host_save is filled at the first entry (svm_entry_work()). That holds until the thread leaves
 * KVM_RUN, but for one thing: any thread of the process may replace the LDT, and VMLOAD must never
 * bring back one that was freed. modify_ldt() waits for an IPI to this CPU before it frees; with an
 * LDT around, the state is saved anew at each entry, when IRQs are off already.
 */
void hw_prepare_guest_switch(struct hw_vcpu *hw)
{
	flaws_before_turn(hw);
	if (hw->cpu->tsc_ratio != hw->tsc_ratio) {
		hw->cpu->tsc_ratio = hw->tsc_ratio;
		wrmsrl(MSR_AMD64_TSC_RATIO, hw->tsc_ratio);
	}
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (unlikely(current->mm && READ_ONCE(current->mm->context.ldt)))
		hw->work |= WORK_SAVE_HOST | WORK_KEEP_SAVING;
	else
		hw->work &= ~WORK_KEEP_SAVING;
#endif
}

static void host_save(struct hw_vcpu *hw)
{
	svm_vmsave(hw->cpu->host_save);
	hw->cpu->host_owner = hw->id;
	if (!(hw->work & WORK_KEEP_SAVING))
		hw->work &= ~WORK_SAVE_HOST;
}

/**
 * svm_entry_work() - what hw->work asks for before VMRUN, and an ASID. IRQs off. false: SVM is off
 * on this CPU.
 */
bool svm_entry_work(struct hw_vcpu *hw)
{
	if (hw->asid_generation != hw->cpu->asid_generation && !asid_renew(hw))
		return false;
	if (hw->work & WORK_SAVE_HOST)
		host_save(hw);
	if (hw->work & WORK_STEP)
		step_arm(hw);
	/* Compares with what the host has, and writes MSRs only when they differ. */
	if (hw->work & WORK_VIRT_SSBD)
		x86_virt_spec_ctrl(hw->virt_spec_ctrl, true);
	return true;
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
