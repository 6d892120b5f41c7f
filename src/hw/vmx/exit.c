// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exits, decoded: from the exit reason and its information fields to struct hw_exit.
 */
#include <asm/apicdef.h>
#include <asm/mce.h>
#include <asm/ptrace.h>
#include "core/compat.h"
#include "hw/hw.h"

#define PLAIN(kind)	((kind) | EXIT_PLAIN)
#define INSN(kind)	((kind) | EXIT_PLAIN | EXIT_INSN)
#define DETAILED(kind)	(kind)

/* SDM 3C, appendix C. */
const u8 vmx_exit_kinds[EXIT_REASONS] = {
	[EXIT_REASON_EXCEPTION_NMI] = DETAILED(EXIT_EXCEPTION),
	[EXIT_REASON_EXTERNAL_INTERRUPT] = PLAIN(EXIT_INTR),
	[EXIT_REASON_TRIPLE_FAULT] = PLAIN(EXIT_TRIPLE_FAULT),
	[EXIT_REASON_INIT_SIGNAL] = PLAIN(EXIT_INTR),
	[EXIT_REASON_INTERRUPT_WINDOW] = DETAILED(EXIT_INTR_WINDOW),
	[EXIT_REASON_NMI_WINDOW] = DETAILED(EXIT_NMI_WINDOW),
	[EXIT_REASON_TASK_SWITCH] = DETAILED(EXIT_TASK_SWITCH),
	[EXIT_REASON_CPUID] = INSN(EXIT_CPUID),
	[EXIT_REASON_HLT] = INSN(EXIT_HLT),
	[EXIT_REASON_INVD] = INSN(EXIT_INVD),
	[EXIT_REASON_INVLPG] = DETAILED(EXIT_INVLPG),
	[EXIT_REASON_RDPMC] = INSN(EXIT_RDPMC),
	[EXIT_REASON_RDTSC] = INSN(EXIT_RDTSC),
	[EXIT_REASON_VMCALL] = INSN(EXIT_HYPERCALL),
	[EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_CR_ACCESS] = DETAILED(EXIT_CR_WRITE),
	[EXIT_REASON_DR_ACCESS] = DETAILED(EXIT_DR_READ),
	[EXIT_REASON_IO_INSTRUCTION] = DETAILED(EXIT_IO), /* vmx_decode_io() in inline.h */
	[EXIT_REASON_MSR_READ] = INSN(EXIT_MSR_READ),
	[EXIT_REASON_MSR_WRITE] = INSN(EXIT_MSR_WRITE),
	[EXIT_REASON_INVALID_STATE] = DETAILED(EXIT_ENTRY_FAILED),
	[EXIT_REASON_MSR_LOAD_FAIL] = DETAILED(EXIT_ENTRY_FAILED),
	[EXIT_REASON_MWAIT_INSTRUCTION] = INSN(EXIT_MWAIT),
	[EXIT_REASON_MONITOR_TRAP_FLAG] = PLAIN(EXIT_MTF),
	[EXIT_REASON_MONITOR_INSTRUCTION] = INSN(EXIT_MONITOR),
	[EXIT_REASON_PAUSE_INSTRUCTION] = INSN(EXIT_PAUSE),
	[EXIT_REASON_MCE_DURING_VMENTRY] = DETAILED(EXIT_ENTRY_FAILED),
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = PLAIN(EXIT_TPR_BELOW_THRESHOLD),
	[EXIT_REASON_APIC_ACCESS] = DETAILED(EXIT_APIC_ACCESS),
	[EXIT_REASON_EOI_INDUCED] = DETAILED(EXIT_EOI_INDUCED),
	[EXIT_REASON_GDTR_IDTR] = INSN(EXIT_DESC_TABLE),
	[EXIT_REASON_LDTR_TR] = INSN(EXIT_DESC_TABLE),
	[EXIT_REASON_EPT_VIOLATION] = DETAILED(EXIT_NPF), /* vmx_decode_npf() */
	[EXIT_REASON_EPT_MISCONFIG] = DETAILED(EXIT_NPF_MISCONFIG),
	[EXIT_REASON_INVEPT] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_RDTSCP] = INSN(EXIT_RDTSCP),
	[EXIT_REASON_PREEMPTION_TIMER] = PLAIN(EXIT_PREEMPTION_TIMER),
	[EXIT_REASON_INVVPID] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_WBINVD] = INSN(EXIT_WBINVD),
	[EXIT_REASON_XSETBV] = INSN(EXIT_XSETBV),
	[EXIT_REASON_APIC_WRITE] = DETAILED(EXIT_APIC_WRITE),
	[EXIT_REASON_INVPCID] = DETAILED(EXIT_INVPCID),
	[EXIT_REASON_VMFUNC] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_PML_FULL] = DETAILED(EXIT_PML_FULL),
	/* No guest is told that it has these: #UD. */
	[EXIT_REASON_ENCLS] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_RDRAND] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_RDSEED] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_XSAVES] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_XRSTORS] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_SEAMCALL] = INSN(EXIT_VIRT_INSN),
	[EXIT_REASON_TDCALL] = INSN(EXIT_VIRT_INSN),
};

/* Exit qualifications (SDM 3C, 28.2.1). */
static void decode_cr(struct hw_vcpu *hw, struct hw_exit *exit)
{
	exit->cr.nr = exit->qual & 15;
	exit->cr.reg = (exit->qual >> 8) & 15;
	exit->cr.operand_known = true;
	switch ((exit->qual >> 4) & 3) {
	case 0:
		exit->kind = EXIT_CR_WRITE;
		exit->cr.value = hw_reg(hw, exit->cr.reg);
		break;
	case 1:
		exit->kind = EXIT_CR_READ;
		exit->cr.value = 0;
		break;
	case 2:
		exit->kind = EXIT_CLTS;
		exit->cr.value = 0;
		break;
	default:
		exit->kind = EXIT_LMSW;
		exit->cr.value = (exit->qual >> 16) & 0xffff;
		break;
	}
}

static void decode_dr(struct hw_exit *exit)
{
	exit->kind = exit->qual & BIT(4) ? EXIT_DR_READ : EXIT_DR_WRITE;
	exit->dr.nr = exit->qual & 7;
	exit->dr.reg = (exit->qual >> 8) & 15;
	exit->dr.operand_known = true;
}

/** vmx_decode_string_io() - what vmx_decode_io() leaves to be told of INS and OUTS. */
void vmx_decode_string_io(struct hw_exit *exit)
{
	exit->io.rep = exit->qual & BIT(5);
	exit->io.seg = (vmcs_read32(VMX_INSTRUCTION_INFO) >> 15) & 7;
}

/*
 * The fault came in the middle of an IRET that had already unblocked NMIs; it will be executed
 * again (SDM 3C, 28.2.3).
 */
static void reblock_nmi(struct hw_vcpu *hw, bool unblocked, u32 vectoring)
{
	if (unblocked && !(vectoring & VECTORING_INFO_VALID_MASK))
		hw_set_nmi_masked(hw, true);
}

static void handle_machine_check(struct hw_exit *exit)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
	exit->kind = EXIT_NMI;
}

/* A machine check in the middle of an entry: what that was to deliver is still to be delivered. */
static void lost_entry(struct hw_vcpu *hw, struct hw_exit *exit)
{
	handle_machine_check(exit);
	exit->vectoring = hw_cancel_injection(hw);
}

/*
 * An NMI of the host ended the guest's time, and the CPU blocks further ones until an IRET. The
 * handler is called through the host's own gate, at once and exactly once; its IRET opens NMIs
 * again.
 */
static void handle_nmi(struct hw_exit *exit)
{
	vmx_host_nmi();
	exit->kind = EXIT_NMI;
}

static void decode_exception(struct hw_vcpu *hw, struct hw_exit *exit, u32 vectoring)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR) {
		handle_nmi(exit);
		return;
	}
	if (vector == 18) {
		handle_machine_check(exit);
		return;
	}
	reblock_nmi(hw, (info & INTR_INFO_UNBLOCK_NMI) && vector != 8, vectoring);
	exit->event = (struct hw_event){ .kind = EVENT_EXCEPTION, .vector = vector };
	if (info & INTR_INFO_DELIVER_CODE_MASK) {
		exit->event.has_error = true;
		exit->event.error = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);
	}
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_SOFT_EXCEPTION) {
		exit->event.kind = EVENT_SOFT_EXCEPTION;
		exit->event.insn_len = exit->insn_len;
	}
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION) {
		/* INT1: a trap, reported with RIP still at it. */
		hw_set_rip(hw, hw_rip(hw) + exit->insn_len);
		hw_set_shadow(hw, SHADOW_NONE);
	}
	if (vector == 1 && (hw_rflags(hw) & X86_EFLAGS_TF) && hw_shadow(hw))
		/* have vmx_flush_changes() look at the pending step */
		vmx_set_changed(hw, CACHED_SHADOW);
	/*
	 * For #DB the qualification has the bits that DR6 would get, active high but for those that
	 * are always 1.
	 */
	if (vector == 1)
		exit->qual &= 0xf | BIT(13) | DR_STEP;
}

static void decode_task_switch(struct hw_exit *exit, u32 vectoring)
{
	static const u8 reasons[4] = { 0 /* CALL */, 1 /* IRET */, 2 /* JMP */, 3 /* gate */ };

	exit->task.selector = exit->qual;
	exit->task.reason = reasons[(exit->qual >> 30) & 3];
	exit->task.has_error = (vectoring & VECTORING_INFO_VALID_MASK) &&
			       (vectoring & VECTORING_INFO_DELIVER_CODE_MASK);
	exit->task.error = exit->task.has_error ? vmcs_read32(IDT_VECTORING_ERROR_CODE) : 0;
}

/*
 * SDM 3C, table 28-6: the offset in the page, and 0 a read, 1 a write, 2 a fetch; others are of an
 * event's delivery, or of guest-physical addresses.
 */
static void decode_apic_access(struct hw_exit *exit)
{
	static const u8 access[16] = {
		[1] = ACCESS_WRITE, [2] = ACCESS_FETCH, [15] = ACCESS_FETCH
	};
	u8 how = access[(exit->qual >> 12) & 15];

	exit->npf.gpa = APIC_DEFAULT_PHYS_BASE | (exit->qual & 0xfff);
	exit->npf.access = how ? how : ACCESS_READ;
	exit->npf.present = true;
	exit->npf.in_walk = false;
}

static void decode_details(struct hw_vcpu *hw, struct hw_exit *exit, u32 vectoring)
{
	switch (exit->kind) {
	case EXIT_EXCEPTION:
		decode_exception(hw, exit, vectoring);
		break;
	case EXIT_INTR_WINDOW:
		vmx_set_proc(hw, CPU_BASED_INTR_WINDOW_EXITING, false);
		break;
	case EXIT_NMI_WINDOW:
		vmx_set_proc(hw, CPU_BASED_NMI_WINDOW_EXITING, false);
		break;
	case EXIT_CR_WRITE:
		decode_cr(hw, exit);
		break;
	case EXIT_DR_READ:
		decode_dr(exit);
		break;
	case EXIT_PML_FULL:
		reblock_nmi(hw, exit->qual & QUAL_NMI_UNBLOCKED, vectoring);
		break;
	case EXIT_NPF_MISCONFIG:
		exit->npf.gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
		exit->npf.access = 0;
		break;
	case EXIT_TASK_SWITCH:
		decode_task_switch(exit, vectoring);
		break;
	case EXIT_APIC_ACCESS:
		decode_apic_access(exit);
		break;
	case EXIT_APIC_WRITE:
		exit->apic.offset = exit->qual & 0xfff;
		break;
	case EXIT_EOI_INDUCED:
		exit->apic.vector = exit->qual;
		break;
	}
}

/*
 * Exits that may come in the middle of an event's delivery (SDM 3C, 28.2.4); with all others the
 * field is not valid. EPT violations: vmx_decode_npf().
 */
#define DURING_DELIVERY	(BIT_ULL(EXIT_EXCEPTION) | BIT_ULL(EXIT_TASK_SWITCH) | BIT_ULL(EXIT_APIC_ACCESS) | \
			 BIT_ULL(EXIT_NPF_MISCONFIG) | BIT_ULL(EXIT_PML_FULL))

/** vmx_read_rest() - what hw_expect_mov() wants, where some of it is known already. */
void vmx_read_rest(struct hw_vcpu *hw)
{
	hw_rip(hw);
	hw_rflags(hw);
	vmx_interruptibility(hw);
	hw_cr3(hw);
}

/** vmx_npf_in_delivery() - an EPT violation in the middle of an event's delivery, or of an IRET. */
void vmx_npf_in_delivery(struct hw_vcpu *hw, struct hw_exit *exit, u32 vectoring)
{
	reblock_nmi(hw, exit->qual & QUAL_NMI_UNBLOCKED, vectoring);
	if (vectoring & VECTORING_INFO_VALID_MASK)
		exit->vectoring = event_interrupted(hw, vectoring);
}

/*
 * What a plain kind leaves to be told: a failed entry, an interrupted delivery, and all kinds with
 * details.
 */
void vmx_decode(struct hw_vcpu *hw, struct hw_exit *exit)
{
	u32 reason = exit->hw_reason, vectoring = 0;
	u8 kind = vmx_exit_kind(reason & 0xffff);

	BUILD_BUG_ON(NR_EXIT_KINDS > EXIT_KIND + 1);
	exit->qual = vmcs_readn(EXIT_QUALIFICATION);
	if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY) {
		exit->kind = EXIT_ENTRY_FAILED;
		if ((reason & 0xffff) == EXIT_REASON_MCE_DURING_VMENTRY)
			lost_entry(hw, exit);
		else
			vmx_entry_failed(hw, exit);
		return;
	}
	exit->insn_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN) & 15;
	/* Reason 0 is a table entry like any other; what isn't in the table is 0 too. */
	if (!kind) {
		exit->kind = EXIT_UNKNOWN;
		return;
	}
	exit->kind = kind & EXIT_KIND;
	if (BIT_ULL(exit->kind) & DURING_DELIVERY)
		vectoring = vmcs_read32(IDT_VECTORING_INFO_FIELD);
	decode_details(hw, exit, vectoring);
	if (vectoring & VECTORING_INFO_VALID_MASK)
		exit->vectoring = event_interrupted(hw, vectoring);
}
