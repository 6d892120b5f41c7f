/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SVM: what a VM, a vCPU and a CPU are for this backend. Manual: AMD64 Architecture Programmer's
 * Manual, volume 2 ("APM 2"), chapter 15.
 */
#ifndef HW_SVM_SVM_H
#define HW_SVM_SVM_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/bug.h>
#include <linux/percpu.h>
#include <asm/svm.h>
#include "core/types.h"

/*
 * VMCB clean bits (APM 2, 15.15.3): a set bit lets the CPU use what it kept of that part since the
 * last VMRUN of this VMCB.
 */
enum vmcb_clean {
	CLEAN_INTERCEPTS = BIT(0),	/* intercept vectors, TSC offset, pause filter */
	CLEAN_PERM_MAP = BIT(1),	/* IOPM and MSRPM base */
	CLEAN_ASID = BIT(2),
	CLEAN_INTR = BIT(3),		/* V_TPR, V_IRQ and the rest of int_ctl, int_vector */
	CLEAN_NPT = BIT(4),		/* nested CR3, g_pat */
	CLEAN_CR = BIT(5),		/* CR0, CR3, CR4, EFER */
	CLEAN_DR = BIT(6),
	CLEAN_DT = BIT(7),		/* GDTR, IDTR */
	CLEAN_SEG = BIT(8),		/* CS, DS, SS, ES and CPL; the others come by VMLOAD */
	CLEAN_CR2 = BIT(9),
	CLEAN_ALL = BIT(10) - 1,
};

/* What an entry or exit has to do besides the usual; all rare. */
enum svm_work {
	/* TF for one instruction: a debugger's, or on the way to an NMI window. */
	WORK_STEP = BIT(0),
	/* A soft event was injected: look whether it got through. */
	WORK_SOFT_EVENT = BIT(1),
	/* Guest or thread wants SSBD, by VIRT_SPEC_CTRL or LS_CFG. */
	WORK_VIRT_SSBD = BIT(2),
	/* The ASID is void. */
	WORK_ASID = BIT(3),
};

/* A vCPU's generation 0 is none; no vCPU's is this one. */
#define GENERATION_CPU_OFF	(~0ull)

/* Per CPU. Used by its own CPU with preemption off; asid_generation with IRQs off. */
struct svm_cpu {
	u64 asid_generation;	/* ASIDs given out under another one are void */
	u64 last_generation;	/* never goes back, so that a generation is never used twice */
	u32 next_asid;
	hpa_t host_save;	/* where VMSAVE puts the host's state, for VMLOAD after #VMEXIT */
	u64 last_vcpu;		/* vCPU id that was loaded last: branch predictions are its own */
	u64 tsc_ratio;		/* as MSR_AMD64_TSC_RATIO is now */
	void *host_save_page;
	void *hsave_page;	/* VM_HSAVE_PA: the CPU's own, contents not architectural */
};

struct hw_event;
struct hw_exit;

struct hw_vm {
	/* Nothing yet: ASIDs belong to CPUs, permission maps to vCPUs. */
};

struct hw_vcpu {
	u64 regs[16];		/* in the order of enum reg; RAX and RSP live in the VMCB */
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	struct svm_cpu *cpu;	/* where it is loaded */
	u64 asid_generation;	/* of its ASID; 0: it needs a new one */
	u32 work;		/* enum svm_work */
	bool save_host;		/* the CPU's host_save doesn't hold the state of this thread */
	bool spec_ctrl_open;	/* the guest writes SPEC_CTRL without exit: read it back */
	u64 spec_ctrl;		/* the guest's; with virtual SPEC_CTRL it is in the VMCB instead */
	u64 virt_spec_ctrl;	/* the guest's VIRT_SPEC_CTRL */
	u64 tsc_aux;		/* the guest's; the run loop loads it */
	u64 tsc_ratio;

	/* As the guest has them; in the VMCB some bits differ (vmcb.c). */
	u64 cr0, cr4, efer;

	u64 id;			/* never given twice */
	int last_cpu;
	unsigned long *msrpm;
	hpa_t msrpm_pa;

	/* NMI state that SVM doesn't keep (event.c). */
	bool nmi_masked;	/* one is in service: since its injection until its IRET is done */
	bool nmi_iret;		/* that IRET is being executed, at nmi_iret_rip */
	u64 nmi_iret_rip;

	/* Stepping (event.c). */
	bool step;		/* hw_set_single_step() */
	bool nmi_step;		/* one instruction, to the NMI window */
	bool step_guest_tf;	/* the guest's own TF at entry */
	u64 step_rip, step_dr6;

	/* A soft event that was injected with RIP moved behind its instruction (event.c). */
	struct {
		u64 rip, next_rip;
		u8 vector, kind, insn_len;
	} soft;
};

static inline void vmcb_changed(struct hw_vcpu *hw, enum vmcb_clean part)
{
	hw->vmcb->control.clean &= ~part;
}

static inline void vmcb_set_intercept(struct hw_vcpu *hw, u32 bit)
{
	hw->vmcb->control.intercepts[bit / 32] |= BIT(bit % 32);
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

static inline void vmcb_clear_intercept(struct hw_vcpu *hw, u32 bit)
{
	hw->vmcb->control.intercepts[bit / 32] &= ~BIT(bit % 32);
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

static inline void vmcb_put_intercept(struct hw_vcpu *hw, u32 bit, bool on)
{
	if (on)
		vmcb_set_intercept(hw, bit);
	else
		vmcb_clear_intercept(hw, bit);
}

static inline bool vmcb_intercepts(const struct hw_vcpu *hw, u32 bit)
{
	return hw->vmcb->control.intercepts[bit / 32] & BIT(bit % 32);
}

/* caps.c */
DECLARE_PER_CPU(struct svm_cpu, svm_cpus);
/** svm_iopm_pa() - of the I/O permission map in which every port exits. */
hpa_t svm_iopm_pa(void);
/**
 * asid_renew() - @hw's ASID is void; get it another. IRQs off. false: SVM is off on this CPU (the
 * machine goes down).
 */
bool asid_renew(struct hw_vcpu *hw);
/** asid_distrust() - a VMRUN that failed may not have flushed what it was asked to: ask again. */
void asid_distrust(struct hw_vcpu *hw);

/* event.c */
/** nmi_iret_seen() - #VMEXIT(IRET): the handler of the NMI is about to return. */
void nmi_iret_seen(struct hw_vcpu *hw);
/** intr_window_close() - #VMEXIT(VINTR): the window that was asked for is open. */
void intr_window_close(struct hw_vcpu *hw);
struct hw_event event_interrupted(struct hw_vcpu *hw, u8 exit_kind);
void step_arm(struct hw_vcpu *hw);
void step_disarm(struct hw_vcpu *hw, struct hw_exit *exit);

#endif
