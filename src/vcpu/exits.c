// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slow exits: IRQs on, vm->srcu held, may sleep. Each handler ends in NEXT_GUEST, in NEXT_USER
 * with kvm_run filled in, or in an errno for KVM_RUN. What fast_exit() could not do comes here as
 * well, so every kind has a complete handler in this file.
 */
#include <linux/kvm.h>
#include <asm/cpu.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "vcpu/io_inline.h"
#include "vcpu/pio_inline.h"
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ small change */

static int exit_done(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	vcpu_skip_insn(v, exit);
	/* The shadow of a debugger's single step is an exit of its own. */
	if (unlikely(v->guest_debug & KVM_GUESTDBG_SINGLESTEP))
		return vcpu_exit_debug(v, X86_TRAP_DB, DR_STEP);
	return NEXT_GUEST;
}

static int exit_gp(struct vcpu_x86 *v)
{
	vcpu_queue_exception_error(v, X86_TRAP_GP, 0);
	return NEXT_GUEST;
}

static int exit_ud(struct vcpu_x86 *v)
{
	vcpu_queue_exception(v, X86_TRAP_UD);
	return NEXT_GUEST;
}

/* Done, or #GP when @r says so. */
static int exit_done_or_gp(struct vcpu_x86 *v, const struct hw_exit *exit, int r)
{
	return r ? exit_gp(v) : exit_done(v, exit);
}

/* RDMSR, RDTSC and their like answer in EDX:EAX; the upper halves are cleared (APM 3). */
static void set_edx_eax(struct vcpu_x86 *v, u64 val)
{
	hw_set_reg(&v->hw, REG_RAX, (u32)val);
	hw_set_reg(&v->hw, REG_RDX, val >> 32);
}

static u64 edx_eax(struct vcpu_x86 *v)
{
	return (u32)hw_reg(&v->hw, REG_RAX) | hw_reg(&v->hw, REG_RDX) << 32;
}

/** vcpu_exit_debug() - KVM_EXIT_DEBUG: a debugger's event. */
int vcpu_exit_debug(struct vcpu_x86 *v, u8 vector, u64 dr6)
{
	struct kvm_debug_exit_arch *arch = &v->vcpu.run->debug.arch;

	v->vcpu.run->exit_reason = KVM_EXIT_DEBUG;
	arch->exception = vector;
	arch->pad = 0;
	arch->pc = vcpu_linear_rip(v);
	/* B0-3 and BS of now; the fixed ones as the register reads */
	arch->dr6 = (u32)dr6 | 0xffff0ff0;
	arch->dr7 = v->guest_debug & KVM_GUESTDBG_USE_HW_BP ? v->guest_debug_dr7 : v->dr7;
	return NEXT_USER;
}

static int exit_internal_error(struct vcpu_x86 *v, u32 suberror, u64 data0, u64 data1)
{
	struct kvm_run *run = v->vcpu.run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 2;
	run->internal.data[0] = data0;
	run->internal.data[1] = data1;
	return NEXT_USER;
}

/* ------------------------------------------------------------------ port I/O */

static int io_done(struct vcpu_x86 *v, u8 insn_len)
{
	struct hw_exit done = { .kind = EXIT_IO, .insn_len = insn_len };

	return exit_done(v, &done);
}

/*
 * RIP stays at the instruction until the VMM has answered, but for port 0x7e
 * (KVM_X86_QUIRK_OUT_7E_INC_RIP).
 */
static int io_ask_user(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	pio_ask_user(v, exit);
	if (exit->io.out && exit->io.port == QUIRK_PORT &&
	    !(v_vm(v)->disabled_quirks & KVM_X86_QUIRK_OUT_7E_INC_RIP)) {
		v->completion = COMPLETE_NOTHING;
		io_done(v, v->pio.insn_len);
		v->vcpu.run->exit_reason = KVM_EXIT_IO;
	}
	return NEXT_USER;
}

static int handle_io(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 val = 0, size = exit->io.size;

	if (exit->io.string)
		return vcpu_emulate(v, exit);
	if (!exit->io.out) {
		if (!io_read(v, exit->io.port, size, &val))
			return io_ask_user(v, exit);
		pio_to_rax(v, size, val);
	} else {
		val = hw_reg(&v->hw, REG_RAX);
		if (!io_write(v, exit->io.port, size, &val))
			return io_ask_user(v, exit);
	}
	return exit_done(v, exit);
}

/*
 * end_awaited(), where that is not all: the instruction must be read for its length, it is being
 * stepped, or the VMM may have moved RIP in between (a reset, a migration), and it is none of ours
 * any more.
 */
static int complete_access(struct vcpu_x86 *v)
{
	enum user_completion what = v->completion;

	v->completion = COMPLETE_NOTHING;
	if (vcpu_linear_rip(v) != v->pio.linear_rip)
		return NEXT_GUEST;
	if (what == COMPLETE_PIO_IN)
		pio_to_rax(v, v->pio.size, pio_data_read(v->pio.data, v->pio.size));
	else if (what == COMPLETE_MOV && !v->mov.store)
		mov_take_answer(v, &v->mov);
	return io_done(v, v->pio.insn_len);
}

/* ------------------------------------------------------------------ MSRs */

static int msr_ask_user(struct vcpu_x86 *v, const struct hw_exit *exit, u32 reason, u64 val)
{
	struct kvm_run *run = v->vcpu.run;
	bool write = exit->kind == EXIT_MSR_WRITE;

	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = (u32)hw_reg(&v->hw, REG_RCX);
	run->msr.data = val;
	v->pio.insn_len = exit->insn_len;
	v->pio.linear_rip = vcpu_linear_rip(v);
	v->completion = write ? COMPLETE_MSR_WRITE : COMPLETE_MSR_READ;
	return NEXT_USER;
}

/* Why an access failed, as KVM_CAP_X86_USER_SPACE_MSR sorts it. */
static u32 msr_failure(int r)
{
	return r == -ENOENT ? KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_INVAL;
}

static int msr_failed(struct vcpu_x86 *v, const struct hw_exit *exit, u32 reason, u64 val)
{
	if (READ_ONCE(v_vm(v)->user_space_msr_mask) & reason)
		return msr_ask_user(v, exit, reason, val);
	return exit_gp(v);
}

static int handle_msr(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	bool write = exit->kind == EXIT_MSR_WRITE;
	u32 msr = hw_reg(&v->hw, REG_RCX);
	u64 val = write ? edx_eax(v) : 0;
	int r;

	v->vcpu.stats.msr_exits++;
	if (!msr_allowed_by_filter(v, msr, write ? ACCESS_WRITE : ACCESS_READ))
		return msr_failed(v, exit, KVM_MSR_EXIT_REASON_FILTER, val);
	r = write ? vcpu_set_msr(v, msr, val, false) : vcpu_get_msr(v, msr, &val, false);
	if (r)
		return msr_failed(v, exit, msr_failure(r), val);
	if (write) {
		if (v->has_apic)
			vcpu_level_eoi(v);
	} else {
		set_edx_eax(v, val);
	}
	return exit_done(v, exit);
}

static int complete_msr(struct vcpu_x86 *v, bool read)
{
	struct hw_exit done = { .kind = read ? EXIT_MSR_READ : EXIT_MSR_WRITE,
				.insn_len = v->pio.insn_len };

	v->completion = COMPLETE_NOTHING;
	if (vcpu_linear_rip(v) != v->pio.linear_rip)
		return NEXT_GUEST;
	if (READ_ONCE(v->vcpu.run->msr.error))
		return exit_gp(v);
	if (read)
		set_edx_eax(v, READ_ONCE(v->vcpu.run->msr.data));
	return exit_done(v, &done);
}

/* ------------------------------------------------------------------ control and debug registers */

static u64 *operand_mask(struct vcpu_x86 *v, u64 *val)
{
	if (!vcpu_in_64bit_code(v))
		*val = (u32)*val;
	return val;
}

static int write_cr(struct vcpu_x86 *v, u8 nr, u64 val)
{
	switch (nr) {
	case 0:
		return vcpu_set_cr0(v, val);
	case 3:
		return vcpu_set_cr3(v, val);
	case 4:
		return vcpu_set_cr4(v, val);
	case 8:
		vcpu_request(&v->vcpu, REQ_EVENT);
		return vcpu_set_cr8(v, val);
	default:
		return -EINVAL;
	}
}

/**
 * vcpu_tpr_fell() - is CR8 lower than @before, and the LAPIC the VMM's? Then kvm_run says so
 * (KVM_EXIT_SET_TPR): an interrupt that it holds back may be due.
 */
bool vcpu_tpr_fell(struct vcpu_x86 *v, u64 before)
{
	if (v->has_apic || v->cr8 >= before)
		return false;
	v->vcpu.run->exit_reason = KVM_EXIT_SET_TPR;
	return true;
}

static int handle_cr_write(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 val, tpr = vcpu_cr8(v);
	int r;

	v->vcpu.stats.cr_exits++;
	if (!exit->cr.operand_known)
		return vcpu_emulate(v, exit);
	val = hw_reg(&v->hw, exit->cr.reg);
	operand_mask(v, &val);
	r = exit_done_or_gp(v, exit, write_cr(v, exit->cr.nr, val));
	return r == NEXT_GUEST && vcpu_tpr_fell(v, tpr) ? NEXT_USER : r;
}

static int handle_cr_read(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 val;

	v->vcpu.stats.cr_exits++;
	if (!exit->cr.operand_known)
		return vcpu_emulate(v, exit);
	switch (exit->cr.nr) {
	case 0:
		val = hw_cr0(&v->hw);
		break;
	case 3:
		val = hw_cr3(&v->hw);
		break;
	case 4:
		val = hw_cr4(&v->hw);
		break;
	case 8:
		val = vcpu_cr8(v);
		break;
	default:
		return exit_ud(v);
	}
	hw_set_reg(&v->hw, exit->cr.reg, *operand_mask(v, &val));
	return exit_done(v, exit);
}

static int handle_clts(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	return exit_done_or_gp(v, exit, vcpu_set_cr0(v, hw_cr0(&v->hw) & ~X86_CR0_TS));
}

/* LMSW writes the low four bits of CR0 and can set PE but not clear it (APM 3). */
static int handle_lmsw(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 cr0 = hw_cr0(&v->hw);

	if (!exit->cr.operand_known)
		return vcpu_emulate(v, exit);
	cr0 = (cr0 & ~0xeULL) | (exit->cr.value & 0xf);
	return exit_done_or_gp(v, exit, vcpu_set_cr0(v, cr0));
}

#define DR7_GD		BIT(13)
#define DR6_BD		BIT(13)
#define CR4_DE		BIT(3)

/*
 * The first access gives the guest its debug registers, without exits until debug_leave() takes
 * them back; so only a guest that uses them pays for them, and one that doesn't for none of it.
 */
static int handle_dr(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 val;
	int nr = exit->dr.nr;

	if (!(v->guest_debug & KVM_GUESTDBG_USE_HW_BP) && !(v->dr7 & DR7_GD)) {
		v->guest_uses_dr = true;
		hw_set_dr_intercept(&v->hw, false);
		return NEXT_GUEST;
	}
	if (v->dr7 & DR7_GD) {
		vcpu_queue_db(v, DR6_BD);
		return NEXT_GUEST;
	}
	if (!exit->dr.operand_known)
		return vcpu_emulate(v, exit);
	if (nr == 4 || nr == 5) {
		if (hw_cr4(&v->hw) & CR4_DE)
			return exit_ud(v);
		nr += 2;
	}
	if (exit->kind == EXIT_DR_WRITE) {
		val = hw_reg(&v->hw, exit->dr.reg);
		return exit_done_or_gp(v, exit, vcpu_set_dr(v, nr, *operand_mask(v, &val)));
	}
	val = vcpu_get_dr(v, nr);
	hw_set_reg(&v->hw, exit->dr.reg, *operand_mask(v, &val));
	return exit_done(v, exit);
}

/* XSETBV at CPL 0 only, with CR4.OSXSAVE (APM 4). */
static int handle_xsetbv(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (!(hw_cr4(&v->hw) & X86_CR4_OSXSAVE))
		return exit_ud(v);
	if (hw_cpl(&v->hw))
		return exit_gp(v);
	return exit_done_or_gp(v, exit, vcpu_set_xcr(v, hw_reg(&v->hw, REG_RCX), edx_eax(v)));
}

/* ------------------------------------------------------------------ instructions */

static int handle_cpuid(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	vcpu_cpuid(v);
	return exit_done(v, exit);
}

static int handle_rdtsc(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 aux = 0;

	if ((hw_cr4(&v->hw) & X86_CR4_TSD) && hw_cpl(&v->hw))
		return exit_gp(v);
	if (exit->kind == EXIT_RDTSCP) {
		if (!v->has.rdtscp)
			return exit_ud(v);
		vcpu_get_msr(v, MSR_TSC_AUX, &aux, true);
		hw_set_reg(&v->hw, REG_RCX, (u32)aux);
	}
	set_edx_eax(v, vcpu_guest_tsc(v, rdtsc()));
	return exit_done(v, exit);
}

/* A debugger that steps over HLT is told of the step, but the vCPU halts. */
static int handle_hlt(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	int halt = vcpu_halt(v), r = exit_done(v, exit);

	return r == NEXT_GUEST ? halt : r;
}

static int handle_pause(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	v->vcpu.stats.pause_exits++;
	vcpu_pause_grow(v);
	vcpu_on_spin(v, hw_cpl(&v->hw) == 0);
	return exit_done(v, exit);
}

/* By default these are no-ops even where CPUID lacks them (KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS). */
static int handle_monitor_mwait(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (!v->has.mwait && (v_vm(v)->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		return exit_ud(v);
	return exit_done(v, exit);
}

static int handle_hypercall(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	int r = vcpu_hypercall(v);

	return r == NEXT_GUEST ? exit_done(v, exit) : r;
}

static int handle_invlpg(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (!hw_caps.decode_assists)
		return vcpu_emulate(v, exit);
	hw_flush_tlb_gva(&v->hw, exit->qual);
	return exit_done(v, exit);
}

/* ------------------------------------------------------------------ exceptions */

static int handle_db(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (v->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return vcpu_exit_debug(v, X86_TRAP_DB, exit->qual);
	vcpu_queue_db(v, exit->qual);
	return NEXT_GUEST;
}

/*
 * INT3 is intercepted for a debugger only. RIP is at it; an INT3 of the guest's own is delivered
 * with RIP behind it.
 */
static int handle_bp(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (v->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		return vcpu_exit_debug(v, X86_TRAP_BP, 0);
	vcpu_skip_insn(v, exit);
	vcpu_queue_exception(v, X86_TRAP_BP);
	return NEXT_GUEST;
}

/*
 * VMCALL and VMMCALL are each #UD on the other vendor's processor; a guest need not know on which
 * it is.
 */
static bool is_hypercall_insn(struct vcpu_x86 *v)
{
	const u8 *insn = v->emu->insn;

	return vcpu_insn_length(v) == 3 && insn[0] == 0x0f && insn[1] == 0x01 &&
	       (insn[2] == 0xc1 || insn[2] == 0xd9);
}

static int handle_invalid_opcode(struct vcpu_x86 *v)
{
	struct hw_exit done = { .kind = EXIT_HYPERCALL, .insn_len = 3 };

	return is_hypercall_insn(v) ? handle_hypercall(v, &done) : exit_ud(v);
}

/* SDM 3A, 6.15: when software at CPL 3 asked for it. */
static bool guest_checks_alignment(struct vcpu_x86 *v)
{
	return hw_cpl(&v->hw) == 3 && (hw_cr0(&v->hw) & X86_CR0_AM) &&
	       (hw_rflags(&v->hw) & X86_EFLAGS_AC);
}

/*
 * An #AC that the guest can't have asked for comes from the host's detection of split locks, of
 * which the guest knows nothing. The kernel slows this task down as it does any other, and lets it
 * go on; or, with split_lock_detect=fatal, has sent it a SIGBUS.
 */
static int handle_ac(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct kvm_run *run = v->vcpu.run;

	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) || guest_checks_alignment(v)) {
		vcpu_queue_exception_error(v, X86_TRAP_AC, exit->event.error);
		return NEXT_GUEST;
	}
	if (handle_guest_split_lock(hw_rip(&v->hw)))
		return NEXT_GUEST;
	run->exit_reason = KVM_EXIT_EXCEPTION;
	run->ex.exception = X86_TRAP_AC;
	run->ex.error_code = exit->event.error;
	return NEXT_USER;
}

static int handle_exception(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	switch (exit->event.vector) {
	case X86_TRAP_DB:
		return handle_db(v, exit);
	case X86_TRAP_BP:
		return handle_bp(v, exit);
	case X86_TRAP_UD:
		return handle_invalid_opcode(v);
	case X86_TRAP_AC:
		return handle_ac(v, exit);
	case X86_TRAP_PF:
		vcpu_queue_page_fault(v, exit->event.error, exit->qual);
		return NEXT_GUEST;
	default:
		if (exit->event.has_error)
			vcpu_queue_exception_error(v, exit->event.vector, exit->event.error);
		else
			vcpu_queue_exception(v, exit->event.vector);
		return NEXT_GUEST;
	}
}

/* ------------------------------------------------------------------ memory */

/*
 * An event whose delivery ran into MMIO can't be finished: nobody could emulate the CPU's own
 * pushes there.
 */
static int emulate_mmio(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	int next;

	if (exit->vectoring.kind != EVENT_NONE)
		return exit_internal_error(v, KVM_INTERNAL_ERROR_DELIVERY_EV,
					   exit->vectoring.vector, exit->npf.gpa);
	if (vcpu_mov(v, exit, &next))
		return next;
	return vcpu_emulate_npf(v, exit);
}

static int handle_npf(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	v->vcpu.stats.pf_taken++;
	if (io_memo_no_memory(v, io_memo(v, exit->npf.gpa), exit->npf.gpa))
		return emulate_mmio(v, exit);
	switch (mmu_fault(&v_vm(v)->mmu, &v->vcpu, exit->npf.gpa, exit->npf.access)) {
	case FAULT_FIXED:
		v->vcpu.stats.pf_fixed++;
		return NEXT_GUEST;
	case FAULT_RETRY:
	case FAULT_HWPOISON:
		return NEXT_GUEST;
	case FAULT_MMIO:
	case FAULT_READONLY:
		return emulate_mmio(v, exit);
	case FAULT_NOMEM:
		return -ENOMEM;
	case FAULT_SIGNAL:
		v->vcpu.run->exit_reason = KVM_EXIT_INTR;
		v->vcpu.stats.signal_exits++;
		return -EINTR;
	case FAULT_BAD_HVA:
	default:
		return -EFAULT;
	}
}

/* ------------------------------------------------------------------ the rest */

static int handle_window(struct vcpu_x86 *v)
{
	v->vcpu.stats.irq_window_exits++;
	vcpu_request(&v->vcpu, REQ_EVENT);
	return NEXT_GUEST;
}

static int handle_nmi_window(struct vcpu_x86 *v)
{
	v->vcpu.stats.nmi_window_exits++;
	hw_nmi_window_step(&v->hw);
	vcpu_request(&v->vcpu, REQ_EVENT);
	return NEXT_GUEST;
}

/*
 * A triple fault: the processor is in shutdown, and the VM is told (api.rst 5, KVM_EXIT_SHUTDOWN).
 */
static int handle_shutdown(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_SHUTDOWN;
	return NEXT_USER;
}

static int handle_entry_failed(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct kvm_run *run = v->vcpu.run;

	hw_dump(&v->hw);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = exit->hw_reason;
	run->fail_entry.cpu = v->vcpu.cpu;
	return NEXT_USER;
}

static int handle_unknown(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	hw_dump(&v->hw);
	return exit_internal_error(v, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, exit->hw_reason,
				   v->vcpu.cpu);
}

int slow_exit(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	switch (exit->kind) {
	case EXIT_INTR:
	case EXIT_NMI:
	case EXIT_SMI:
	case EXIT_PREEMPTION_TIMER:
	case EXIT_PML_FULL:	/* it is empty again: guest_turn() */
		return NEXT_GUEST;
	case EXIT_NPF:
		return handle_npf(v, exit);
	case EXIT_IO:
		return handle_io(v, exit);
	case EXIT_HLT:
		return handle_hlt(v, exit);
	case EXIT_MSR_READ:
	case EXIT_MSR_WRITE:
		return handle_msr(v, exit);
	case EXIT_APIC_ACCESS:
		return emulate_mmio(v, exit);
	case EXIT_APIC_WRITE:
	case EXIT_EOI_INDUCED:
		vcpu_apic_done(v, exit);
		return NEXT_GUEST;
	case EXIT_INTR_WINDOW:
	case EXIT_TPR_BELOW_THRESHOLD:
		return handle_window(v);
	case EXIT_NMI_WINDOW:
		return handle_nmi_window(v);
	case EXIT_CPUID:
		return handle_cpuid(v, exit);
	case EXIT_CR_READ:
		return handle_cr_read(v, exit);
	case EXIT_CR_WRITE:
		return handle_cr_write(v, exit);
	case EXIT_EXCEPTION:
		return handle_exception(v, exit);
	case EXIT_PAUSE:
		return handle_pause(v, exit);
	case EXIT_HYPERCALL:
		return handle_hypercall(v, exit);
	case EXIT_RDTSC:
	case EXIT_RDTSCP:
		return handle_rdtsc(v, exit);
	case EXIT_INVD:
	case EXIT_WBINVD:
		/*
		 * Host memory stays coherent: there is nothing to write back for a guest without
		 * assigned devices.
		 */
		return exit_done(v, exit);
	case EXIT_MONITOR:
	case EXIT_MWAIT:
		return handle_monitor_mwait(v, exit);
	case EXIT_XSETBV:
		return handle_xsetbv(v, exit);
	case EXIT_CLTS:
		return handle_clts(v, exit);
	case EXIT_LMSW:
		return handle_lmsw(v, exit);
	case EXIT_DR_READ:
	case EXIT_DR_WRITE:
		return handle_dr(v, exit);
	case EXIT_INVLPG:
		return handle_invlpg(v, exit);
	case EXIT_RDPMC:
		return exit_gp(v);	/* no counters are announced, so no index is valid */
	case EXIT_DESC_TABLE:
		return vcpu_emulate(v, exit);
	case EXIT_INVPCID:
	case EXIT_RSM:
	case EXIT_VIRT_INSN:
		return exit_ud(v);
	case EXIT_TASK_SWITCH:
		return vcpu_task_switch(v, exit);
	case EXIT_TRIPLE_FAULT:
		return handle_shutdown(v);
	case EXIT_ENTRY_FAILED:
		return handle_entry_failed(v, exit);
	default:
		return handle_unknown(v, exit);
	}
}

/* ------------------------------------------------------------------ the VMM has answered */

void vcpu_settle(struct vcpu_x86 *v)
{
	static const u8 completions[] = {
		[AWAIT_OUT] = COMPLETE_PIO_OUT, [AWAIT_IN] = COMPLETE_PIO_IN,
		[AWAIT_STORE] = COMPLETE_MOV, [AWAIT_LOAD] = COMPLETE_MOV,
	};

	if (v->awaited == AWAIT_NOTHING)
		return;
	v->completion = completions[v->awaited];
	v->awaited = AWAIT_NOTHING;
	v->pio.linear_rip = vcpu_linear_rip(v);
	if (v->completion == COMPLETE_MOV)
		v->mov = *v->awaited_mov;
}

int complete_user_exit(struct vcpu_x86 *v)
{
	switch (v->completion) {
	case COMPLETE_PIO_IN:
	case COMPLETE_PIO_OUT:
	case COMPLETE_MOV:
		return complete_access(v);
	case COMPLETE_EMULATION:
		return vcpu_emulate_continue(v);
	case COMPLETE_MSR_READ:
		return complete_msr(v, true);
	case COMPLETE_MSR_WRITE:
		return complete_msr(v, false);
	default:
		v->completion = COMPLETE_NOTHING;
		return NEXT_GUEST;
	}
}
