// SPDX-License-Identifier: GPL-2.0-only
/*
 * #VMEXIT, decoded: from the VMCB's exit code and information to struct hw_exit.
 */
#include <asm/mce.h>
#include <asm/ptrace.h>
#include "hw/hw.h"

/* Exit codes that older headers don't name (APM 2, appendix C). */
#define SVM_EXIT_INVLPGB	0x0a0
#define SVM_EXIT_INVLPGB_ILLEGAL 0x0a1
#define SVM_EXIT_MCOMMIT	0x0a3
#define SVM_EXIT_TLBSYNC	0x0a4

#define PLAIN(kind)	((kind) | EXIT_PLAIN)
#define INSN(kind)	((kind) | EXIT_PLAIN | EXIT_INSN)
#define DETAILED(kind)	(kind)

const u8 svm_exit_kinds[EXIT_CODES] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15] = DETAILED(EXIT_CR_READ),
	[SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15] = DETAILED(EXIT_CR_WRITE),
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15] = DETAILED(EXIT_DR_READ),
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = DETAILED(EXIT_DR_WRITE),
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_LAST_EXCP] = DETAILED(EXIT_EXCEPTION),
	[SVM_EXIT_INTR] = PLAIN(EXIT_INTR),
	[SVM_EXIT_NMI] = PLAIN(EXIT_NMI), /* taken at STGI */
	[SVM_EXIT_SMI] = PLAIN(EXIT_SMI), /* likewise */
	[SVM_EXIT_INIT] = PLAIN(EXIT_INTR), /* likewise, and the CPU is gone */
	[SVM_EXIT_VINTR] = DETAILED(EXIT_INTR_WINDOW),
	[SVM_EXIT_CR0_SEL_WRITE] = DETAILED(EXIT_CR_WRITE),
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_WRITE] = PLAIN(EXIT_DESC_TABLE),
	[SVM_EXIT_RDTSC] = INSN(EXIT_RDTSC),
	[SVM_EXIT_RDPMC] = INSN(EXIT_RDPMC),
	[SVM_EXIT_CPUID] = INSN(EXIT_CPUID),
	[SVM_EXIT_RSM] = PLAIN(EXIT_RSM),
	[SVM_EXIT_IRET] = DETAILED(EXIT_NMI_WINDOW),
	[SVM_EXIT_INVD] = INSN(EXIT_INVD),
	[SVM_EXIT_PAUSE] = INSN(EXIT_PAUSE),
	[SVM_EXIT_HLT] = INSN(EXIT_HLT),
	[SVM_EXIT_INVLPG] = PLAIN(EXIT_INVLPG),
	[SVM_EXIT_INVLPGA] = PLAIN(EXIT_VIRT_INSN),
	[SVM_EXIT_IOIO] = DETAILED(EXIT_IO),
	[SVM_EXIT_MSR] = DETAILED(EXIT_MSR_READ),
	[SVM_EXIT_TASK_SWITCH] = DETAILED(EXIT_TASK_SWITCH),
	[SVM_EXIT_FERR_FREEZE] = PLAIN(EXIT_INTR), /* it waits for its FERR#: back to it */
	[SVM_EXIT_SHUTDOWN] = PLAIN(EXIT_TRIPLE_FAULT),
	[SVM_EXIT_VMRUN] = PLAIN(EXIT_VIRT_INSN),
	[SVM_EXIT_VMMCALL] = INSN(EXIT_HYPERCALL),
	[SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT] = PLAIN(EXIT_VIRT_INSN),
	[SVM_EXIT_RDTSCP] = INSN(EXIT_RDTSCP),
	[SVM_EXIT_WBINVD] = INSN(EXIT_WBINVD),
	[SVM_EXIT_MONITOR] = INSN(EXIT_MONITOR),
	[SVM_EXIT_MWAIT ... SVM_EXIT_MWAIT_COND] = PLAIN(EXIT_MWAIT),
	[SVM_EXIT_XSETBV] = INSN(EXIT_XSETBV),
	/* No guest is told that it has these: #UD, as for the instructions of SVM. */
	[SVM_EXIT_RDPRU] = PLAIN(EXIT_VIRT_INSN),
	[SVM_EXIT_INVLPGB ... SVM_EXIT_INVLPGB_ILLEGAL] = PLAIN(EXIT_VIRT_INSN),
	[SVM_EXIT_INVPCID] = PLAIN(EXIT_INVPCID),
	[SVM_EXIT_MCOMMIT ... SVM_EXIT_TLBSYNC] = PLAIN(EXIT_VIRT_INSN),
};

/*
 * EXITINFO1 of a nested page fault: the error code of a page fault, and which walk it was (APM 2,
 * 15.25.6).
 */
#define NPF_PRESENT	BIT_ULL(0)
#define NPF_WRITE	BIT_ULL(1)
#define NPF_RESERVED	BIT_ULL(3)
#define NPF_FETCH	BIT_ULL(4)
#define NPF_IN_WALK	BIT_ULL(33)

static void decode_npf(const struct vmcb_control_area *c, struct hw_exit *exit)
{
	u64 info = c->exit_info_1;

	exit->kind = info & NPF_RESERVED ? EXIT_NPF_MISCONFIG : EXIT_NPF;
	exit->npf.gpa = c->exit_info_2;
	exit->npf.access = info & NPF_WRITE ? ACCESS_WRITE :
			   info & NPF_FETCH ? ACCESS_FETCH : ACCESS_READ;
	exit->npf.present = info & NPF_PRESENT;
	exit->npf.in_walk = info & NPF_IN_WALK;
}

/* EXITINFO1 of MOV to or from a CR or DR, with decode assists (APM 2, 15.8.1). */
#define MOV_CR		BIT_ULL(63)
#define MOV_REG		0xf

/* Without decode assists, and for CLTS, LMSW and SMSW, the instruction itself must be read. */
static void decode_cr(struct hw_vcpu *hw, struct hw_exit *exit)
{
	const struct vmcb_control_area *c = &hw->vmcb->control;

	exit->cr.nr = c->exit_code == SVM_EXIT_CR0_SEL_WRITE ? 0 : c->exit_code & 0xf;
	exit->cr.operand_known = hw_caps.decode_assists && (c->exit_info_1 & MOV_CR);
	exit->cr.reg = 0;
	exit->cr.value = 0;
	if (exit->cr.operand_known) {
		exit->cr.reg = c->exit_info_1 & MOV_REG;
		exit->cr.value = hw_reg(hw, exit->cr.reg);
	}
}

static void decode_dr(const struct vmcb_control_area *c, struct hw_exit *exit)
{
	exit->dr.nr = c->exit_code & 0xf;
	exit->dr.operand_known = hw_caps.decode_assists;
	exit->dr.reg = hw_caps.decode_assists ? c->exit_info_1 & MOV_REG : 0;
}

/* Vectors whose exception pushes an error code (APM 2, 8.2). */
#define ERROR_CODE_VECTORS	(BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | \
				 BIT(17) | BIT(21) | BIT(29) | BIT(30))
#define DR6_ACTIVE_LOW		0xffff0ff0ull

/*
 * A machine check while the guest ran: the host's. The intercept left it undelivered (APM 2,
 * 15.12.15), so the host's handler is called as if user code had been interrupted: what the guest
 * did is recoverable in the same way.
 */
static void handle_machine_check(struct hw_exit *exit)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
	exit->kind = EXIT_NMI;
}

static void decode_exception(struct hw_vcpu *hw, struct hw_exit *exit)
{
	const struct vmcb *vmcb = hw->vmcb;
	u8 vector = vmcb->control.exit_code - SVM_EXIT_EXCP_BASE;

	exit->event = (struct hw_event){ .kind = EVENT_EXCEPTION, .vector = vector };
	if (BIT(vector) & ERROR_CODE_VECTORS) {
		exit->event.has_error = true;
		exit->event.error = vmcb->control.exit_info_1;
	}
	if (vector == 3 || vector == 4) {
		exit->event.kind = EVENT_SOFT_EXCEPTION;
		exit->event.insn_len = exit->insn_len;
	}
	/* DR6 in the VMCB is already as the handler of the #DB would see it (APM 2, 15.12.2). */
	if (vector == 1)
		exit->qual = vmcb->save.dr6 ^ DR6_ACTIVE_LOW;
	if (vector == 18)
		handle_machine_check(exit);
}

/* APM 2, 15.14.1. */
static void decode_task_switch(const struct vmcb_control_area *c, struct hw_exit *exit)
{
	exit->task.selector = c->exit_info_1;
	exit->task.has_error = c->exit_info_2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_HAS_ERROR_CODE);
	exit->task.error = c->exit_info_2;
	exit->task.reason = c->exit_int_info & SVM_EXITINTINFO_VALID ? 3 :
			    c->exit_info_2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_IRET) ? 1 :
			    c->exit_info_2 & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_JMP) ? 2 : 0;
}

/*
 * Codes that aren't in the table. A failed VMRUN left the guest's state alone, and may have left
 * the TLB alone too.
 */
static void decode_unknown(struct hw_vcpu *hw, struct hw_exit *exit)
{
	struct vmcb_control_area *c = &hw->vmcb->control;

	exit->kind = EXIT_UNKNOWN;
	if (c->exit_code == SVM_EXIT_NPF) {
		decode_npf(c, exit);
	} else if (c->exit_code == (u32)SVM_EXIT_ERR) {
		exit->kind = EXIT_ENTRY_FAILED;
		exit->hw_reason = ~0ull;
		asid_distrust(hw);
		c->clean = 0;
	}
}

/*
 * The bytes at RIP that the CPU had fetched: with decode assists, for nested and intercepted page
 * faults (APM 2, 15.8.4).
 */
static void decode_insn_bytes(const struct vmcb_control_area *c, struct hw_exit *exit)
{
	u32 i, len = min_t(u32, c->insn_len & 0xf, sizeof(exit->insn_bytes));

	for (i = 0; i < len; i++)
		exit->insn_bytes[i] = c->insn_bytes[i];
	exit->insn_bytes_len = len;
}

/**
 * svm_decode() - the details of an exit whose kind needs some, or that interrupted the delivery of
 * an event. IRQs off.
 *
 * The VMCB after SHUTDOWN is undefined (APM 2, 15.14.3), but for the exit code: nothing of it is
 * looked at.
 */
void svm_decode(struct hw_vcpu *hw, struct hw_exit *exit)
{
	struct vmcb_control_area *c = &hw->vmcb->control;

	switch (svm_exit_kind(c->exit_code)) {
	case 0:
		decode_unknown(hw, exit);
		break;
	case EXIT_IO:
		svm_decode_io(hw->vmcb, exit);
		break;
	case EXIT_MSR_READ:
		exit->kind = c->exit_info_1 ? EXIT_MSR_WRITE : EXIT_MSR_READ;
		break;
	case EXIT_CR_READ:
	case EXIT_CR_WRITE:
		decode_cr(hw, exit);
		break;
	case EXIT_DR_READ:
	case EXIT_DR_WRITE:
		decode_dr(c, exit);
		break;
	case EXIT_EXCEPTION:
		decode_exception(hw, exit);
		break;
	case EXIT_INTR_WINDOW:
		intr_window_close(hw);
		break;
	case EXIT_NMI_WINDOW:
		nmi_iret_seen(hw);
		break;
	case EXIT_TASK_SWITCH:
		decode_task_switch(c, exit);
		break;
	case PLAIN(EXIT_TRIPLE_FAULT):
		return;
	}
	if (hw_caps.decode_assists && (exit->kind == EXIT_NPF || exit->kind == EXIT_NPF_MISCONFIG ||
				       exit->kind == EXIT_EXCEPTION))
		decode_insn_bytes(c, exit);
	if (exit->kind != EXIT_ENTRY_FAILED && (c->exit_int_info & SVM_EXITINTINFO_VALID))
		exit->vectoring = event_interrupted(hw, exit->kind);
}
