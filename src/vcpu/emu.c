// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between the vCPU and the emulator: the guest's state goes in, effects are carried out here, and
 * the state comes back when the instruction is complete.
 *
 * One instruction at a time is in v->emu. Where the VMM has to answer an effect, KVM_RUN returns in
 * the middle of it and vcpu_emulate_continue() goes on with the next KVM_RUN.
 */
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ state in and out */

static enum emu_mode emu_mode(struct vcpu_x86 *v, const struct emu *e)
{
	if (!(e->paging.cr0 & X86_CR0_PE))
		return EMU_REAL;
	if ((e->paging.efer & EFER_LMA) && e->segs[SEG_CS].l)
		return EMU_PROT64;
	if (e->rflags & X86_EFLAGS_VM)
		return EMU_VM86;
	return e->segs[SEG_CS].db ? EMU_PROT32 : EMU_PROT16;
}

/** vcpu_guest_paging() - what a walk of the guest's page tables depends on. vCPU loaded. */
void vcpu_guest_paging(struct vcpu_x86 *v, struct guest_paging *p)
{
	p->cr0 = hw_cr0(&v->hw);
	p->cr3 = hw_cr3(&v->hw);
	p->cr4 = hw_cr4(&v->hw);
	p->efer = hw_efer(&v->hw);
	p->ac = hw_rflags(&v->hw) & X86_EFLAGS_AC;
	p->pkru = v->pkru;
	p->phys_bits = v->maxphyaddr;
}

static void emu_fill(struct vcpu_x86 *v)
{
	struct emu *e = v->emu;
	int i;

	e->vm = v->vcpu.vm;
	for (i = 0; i < NR_REGS; i++)
		e->regs[i] = hw_reg(&v->hw, i);
	for (i = 0; i < NR_SEGS; i++)
		hw_get_segment(&v->hw, i, &e->segs[i]);
	hw_get_gdt(&v->hw, &e->gdt);
	hw_get_idt(&v->hw, &e->idt);
	vcpu_guest_paging(v, &e->paging);
	e->rip = hw_rip(&v->hw);
	e->rflags = hw_rflags(&v->hw);
	e->stepped = (e->rflags & X86_EFLAGS_TF) || (v->guest_debug & KVM_GUESTDBG_SINGLESTEP);
	e->cpl = hw_cpl(&v->hw);
	e->mode = emu_mode(v, e);
	e->shadow = hw_shadow(&v->hw);
	e->insn_len = 0;
	e->effect.kind = EFFECT_NONE;
	v->emu_after = EFFECT_NONE;
}

static void emu_store(struct vcpu_x86 *v)
{
	const struct emu *e = v->emu;
	int i;

	for (i = 0; i < NR_REGS; i++)
		hw_set_reg(&v->hw, i, e->regs[i]);
	hw_set_rip(&v->hw, e->rip);
	hw_set_rflags(&v->hw, e->rflags);
}

/**
 * vcpu_insn_length() - bytes of the instruction at RIP, by decoding it; <=0: it can't be fetched or
 * isn't known. vm->srcu held; may sleep.
 */
int vcpu_insn_length(struct vcpu_x86 *v)
{
	emu_fill(v);
	emu_begin(v->emu);
	return emu_insn_length(v->emu);
}

/* ------------------------------------------------------------------ effects */

/* What the carrying out of an effect says; others are the NEXT_USER of slow_exit() or an error. */
#define EFFECT_OK	NEXT_GUEST

static int effect_answer(struct vcpu_x86 *v, int r)
{
	v->emu->effect.answer_fault = r != 0;
	return EFFECT_OK;
}

/*
 * KVM_RUN returns in the middle of an instruction. Registers and RIP are still those of its
 * beginning.
 */
static int emu_ask_user(struct vcpu_x86 *v)
{
	v->completion = COMPLETE_EMULATION;
	v->pio.linear_rip = vcpu_linear_rip(v);
	return NEXT_USER;
}

/*
 * Hand the next piece of an MMIO access to the VMM: at most 8 bytes at a time (api.rst 5,
 * KVM_EXIT_MMIO).
 */
static int mmio_ask_user(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;
	struct kvm_run *run = v->vcpu.run;
	u32 len = min_t(u32, ef->len - v->mmio_done, sizeof(run->mmio.data));

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = ef->gpa + v->mmio_done;
	run->mmio.len = len;
	run->mmio.is_write = ef->kind == EFFECT_MMIO_WRITE;
	if (ef->kind == EFFECT_MMIO_WRITE)
		memcpy(run->mmio.data, ef->data + v->mmio_done, len);
	v->vcpu.stats.mmio_exits++;
	return emu_ask_user(v);
}

/* One piece to the devices in the kernel. */
static bool mmio_piece(struct vcpu_x86 *v, struct emu_effect *ef, u32 len)
{
	gpa_t gpa = ef->gpa + v->mmio_done;
	u8 *data = ef->data + v->mmio_done;

	return ef->kind == EFFECT_MMIO_WRITE ? mmio_write(v, gpa, len, data)
					     : mmio_read(v, gpa, len, data);
}

/*
 * A device may take a wide access as a whole; otherwise it goes piece by piece to whoever wants it.
 * What reaches the VMM comes back through mmio_user_done() and goes on here.
 */
static int effect_mmio(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;

	if (ef->len > sizeof(ef->data))
		return vcpu_emulation_failed(v);
	while (v->mmio_done < ef->len) {
		u32 len = min_t(u32, ef->len - v->mmio_done, 8);

		if (!mmio_piece(v, ef, len))
			return mmio_ask_user(v);
		v->mmio_done += len;
	}
	return EFFECT_OK;
}

static void mmio_user_done(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;
	struct kvm_run *run = v->vcpu.run;
	u32 len = min_t(u32, ef->len - v->mmio_done, sizeof(run->mmio.data));

	if (ef->kind == EFFECT_MMIO_READ)
		memcpy(ef->data + v->mmio_done, run->mmio.data, len);
	v->mmio_done += len;
}

/*
 * A batch of string I/O: all of it to the kernel's device element by element, or all of it to the
 * VMM.
 */
static bool io_batch(struct vcpu_x86 *v, struct emu_effect *ef)
{
	u32 i;

	for (i = 0; i < ef->count; i++) {
		u8 *data = ef->data + i * ef->len;
		bool done = ef->kind == EFFECT_IO_WRITE ? io_write(v, ef->index, ef->len, data)
							: io_read(v, ef->index, ef->len, data);

		/*
		 * Nobody in the kernel has this port; nobody will in the middle, or the rest goes
		 * to waste.
		 */
		if (!done)
			return i > 0;
	}
	return true;
}

static int effect_io(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;
	struct kvm_run *run = v->vcpu.run;

	if (ef->len * ef->count > PAGE_SIZE)
		return vcpu_emulation_failed(v);
	if (io_batch(v, ef))
		return EFFECT_OK;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = ef->kind == EFFECT_IO_WRITE ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = ef->len;
	run->io.port = ef->index;
	run->io.count = ef->count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	if (ef->kind == EFFECT_IO_WRITE)
		memcpy(v->pio.data, ef->data, ef->len * ef->count);
	v->vcpu.stats.io_exits++;
	return emu_ask_user(v);
}

static void io_user_done(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;

	if (ef->kind == EFFECT_IO_READ)
		memcpy(ef->data, v->pio.data, ef->len * ef->count);
}

static int effect_cr_read(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;

	switch (ef->index) {
	case 0:
		ef->value = hw_cr0(&v->hw);
		break;
	case 2:
		ef->value = hw_cr2(&v->hw);
		break;
	case 3:
		ef->value = hw_cr3(&v->hw);
		break;
	case 4:
		ef->value = hw_cr4(&v->hw);
		break;
	case 8:
		ef->value = vcpu_cr8(v);
		break;
	default:
		return effect_answer(v, -EINVAL);
	}
	return EFFECT_OK;
}

static int effect_cr8_write(struct vcpu_x86 *v)
{
	u64 before = vcpu_cr8(v);
	int r = vcpu_set_cr8(v, v->emu->effect.value);

	vcpu_request(&v->vcpu, REQ_EVENT);
	if (!r && vcpu_tpr_fell(v, before))
		v->emu_after = EFFECT_CR_WRITE;
	return effect_answer(v, r);
}

static int effect_cr_write(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;

	switch (ef->index) {
	case 0:
		return effect_answer(v, vcpu_set_cr0(v, ef->value));
	case 2:
		hw_set_cr2(&v->hw, ef->value);
		return EFFECT_OK;
	case 3:
		return effect_answer(v, vcpu_set_cr3(v, ef->value));
	case 4:
		return effect_answer(v, vcpu_set_cr4(v, ef->value));
	case 8:
		return effect_cr8_write(v);
	default:
		return effect_answer(v, -EINVAL);
	}
}

static int effect_msr(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;
	u32 access = ef->kind == EFFECT_MSR_READ ? ACCESS_READ : ACCESS_WRITE;
	int r;

	if (!msr_allowed_by_filter(v, ef->index, access))
		return effect_answer(v, -EINVAL);
	if (access == ACCESS_READ)
		r = vcpu_get_msr(v, ef->index, &ef->value, false);
	else
		r = vcpu_set_msr(v, ef->index, ef->value, false);
	return effect_answer(v, r);
}

/* The emulator holds the registers, so the answer goes there. */
static int effect_cpuid(struct vcpu_x86 *v)
{
	u64 *regs = v->emu->regs;
	u32 eax = regs[REG_RAX], ebx, ecx = regs[REG_RCX], edx;

	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	regs[REG_RAX] = eax;
	regs[REG_RBX] = ebx;
	regs[REG_RCX] = ecx;
	regs[REG_RDX] = edx;
	return EFFECT_OK;
}

static int effect_rdtsc(struct vcpu_x86 *v)
{
	u64 tsc = vcpu_guest_tsc(v, rdtsc()), aux = 0;

	v->emu->regs[REG_RAX] = (u32)tsc;
	v->emu->regs[REG_RDX] = tsc >> 32;
	if (v->emu->effect.kind == EFFECT_RDTSCP) {
		vcpu_get_msr(v, MSR_TSC_AUX, &aux, true);
		v->emu->regs[REG_RCX] = (u32)aux;
	}
	return EFFECT_OK;
}

static int effect_table_load(struct vcpu_x86 *v)
{
	struct emu *e = v->emu;

	switch (e->effect.kind) {
	case EFFECT_LGDT:
		hw_set_gdt(&v->hw, &e->gdt);
		break;
	case EFFECT_LIDT:
		hw_set_idt(&v->hw, &e->idt);
		break;
	case EFFECT_LLDT:
		hw_set_segment(&v->hw, SEG_LDTR, &e->segs[SEG_LDTR]);
		break;
	default:
		hw_set_segment(&v->hw, SEG_TR, &e->segs[SEG_TR]);
		break;
	}
	return EFFECT_OK;
}

static int effect_seg_load(struct vcpu_x86 *v)
{
	struct emu *e = v->emu;

	if (e->effect.index >= NR_SEGS)
		return vcpu_emulation_failed(v);
	hw_set_segment(&v->hw, e->effect.index, &e->segs[e->effect.index]);
	return EFFECT_OK;
}

/* A hypercall works on the processor's registers, not on the emulator's copy. */
static int effect_hypercall(struct vcpu_x86 *v)
{
	int r;

	emu_store(v);
	r = vcpu_hypercall(v);
	v->emu->regs[REG_RAX] = hw_reg(&v->hw, REG_RAX);
	return r == NEXT_GUEST ? EFFECT_OK : vcpu_emulation_failed(v);
}

static int effect_do(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;

	ef->answer_fault = false;
	switch (ef->kind) {
	case EFFECT_MMIO_READ:
	case EFFECT_MMIO_WRITE:
		return effect_mmio(v);
	case EFFECT_IO_READ:
	case EFFECT_IO_WRITE:
		return effect_io(v);
	case EFFECT_MSR_READ:
	case EFFECT_MSR_WRITE:
		return effect_msr(v);
	case EFFECT_CR_READ:
		return effect_cr_read(v);
	case EFFECT_CR_WRITE:
		return effect_cr_write(v);
	case EFFECT_CLTS_LMSW:
		return effect_answer(v, vcpu_set_cr0(v, ef->value));
	case EFFECT_DR_READ:
		ef->value = vcpu_get_dr(v, ef->index);
		return EFFECT_OK;
	case EFFECT_DR_WRITE:
		return effect_answer(v, vcpu_set_dr(v, ef->index, ef->value));
	case EFFECT_CPUID:
		return effect_cpuid(v);
	case EFFECT_RDTSC:
	case EFFECT_RDTSCP:
		return effect_rdtsc(v);
	case EFFECT_XSETBV:
		return effect_answer(v, vcpu_set_xcr(v, ef->index, ef->value));
	case EFFECT_SEG_LOAD:
		return effect_seg_load(v);
	case EFFECT_LGDT:
	case EFFECT_LIDT:
	case EFFECT_LLDT:
	case EFFECT_LTR:
		return effect_table_load(v);
	case EFFECT_INVLPG:
		hw_flush_tlb_gva(&v->hw, ef->value);
		return EFFECT_OK;
	case EFFECT_HYPERCALL:
		return effect_hypercall(v);
	case EFFECT_IRET_UNMASK_NMI:
		hw_set_nmi_masked(&v->hw, false);
		vcpu_request(&v->vcpu, REQ_EVENT);
		return EFFECT_OK;
	case EFFECT_HLT:
		v->emu_after = EFFECT_HLT;
		return EFFECT_OK;
	case EFFECT_WBINVD:
		return EFFECT_OK;
	case EFFECT_RDPMC:
		return effect_answer(v, -EINVAL);	/* the guest has no counters */
	default:
		return vcpu_emulation_failed(v);
	}
}

/* ------------------------------------------------------------------ the loop */

/** vcpu_emulation_failed() - tell the VMM which bytes the emulator can't do. NEXT_USER. */
int vcpu_emulation_failed(struct vcpu_x86 *v)
{
	struct kvm_run *run = v->vcpu.run;
	const struct emu *e = v->emu;
	u8 len = min_t(u8, e->insn_len, sizeof(run->emulation_failure.insn_bytes));

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;	/* flags, and 16 bytes of size and instruction */
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = len;
	memset(run->emulation_failure.insn_bytes, 0x90, sizeof(run->emulation_failure.insn_bytes));
	memcpy(run->emulation_failure.insn_bytes, e->insn, len);
	v->vcpu.stats.insn_emulation_fail++;
	v->completion = COMPLETE_NOTHING;
	return NEXT_USER;
}

/*
 * An application in the guest may not stop the VM with an odd instruction, unless the VMM wants to
 * know (api.rst 7.27).
 */
static int emu_unhandled(struct vcpu_x86 *v)
{
	if (v->emu->cpl == 0 || v_vm(v)->exit_on_emulation_error)
		return vcpu_emulation_failed(v);
	v->vcpu.stats.insn_emulation_fail++;
	vcpu_queue_exception(v, X86_TRAP_UD);
	return NEXT_GUEST;
}

static int emu_done(struct vcpu_x86 *v)
{
	struct emu *e = v->emu;
	bool stepped = hw_rflags(&v->hw) & X86_EFLAGS_TF;
	int r = NEXT_GUEST;

	e->rflags &= ~(u64)X86_EFLAGS_RF;
	emu_store(v);
	hw_set_shadow(&v->hw, e->shadow);
	v->completion = COMPLETE_NOTHING;
	v->vcpu.stats.insn_emulation++;
	if (v->emu_after == EFFECT_HLT)
		r = vcpu_halt(v);
	if (unlikely(v->guest_debug & KVM_GUESTDBG_SINGLESTEP))
		return vcpu_exit_debug(v, X86_TRAP_DB, DR_STEP);
	if (unlikely(stepped))
		vcpu_queue_db(v, DR_STEP);
	/*
	 * Should IF, the shadow or the NMI mask have opened, the window that was asked for when the
	 * event came is still armed.
	 */
	if (v->emu_after == EFFECT_CR_WRITE)
		return NEXT_USER;
	return r;
}

static int emu_fault(struct vcpu_x86 *v)
{
	struct emu *e = v->emu;

	/* The registers of a REP that got halfway are part of the state at the fault. */
	emu_store(v);
	v->completion = COMPLETE_NOTHING;
	if (e->fault.vector == X86_TRAP_PF)
		vcpu_queue_page_fault(v, e->fault.error, e->fault_addr);
	else if (e->fault.vector == X86_TRAP_DB)
		vcpu_queue_db(v, e->fault_addr);
	else if (e->fault.has_error)
		vcpu_queue_exception_error(v, e->fault.vector, e->fault.error);
	else
		vcpu_queue_exception(v, e->fault.vector);
	return NEXT_GUEST;
}

static int emu_loop(struct vcpu_x86 *v)
{
	int r;

	for (;;) {
		switch (emu_run(v->emu)) {
		case EMU_DONE:
			return emu_done(v);
		case EMU_FAULT:
			return emu_fault(v);
		case EMU_EFFECT:
			v->mmio_done = 0;
			r = effect_do(v);
			if (r != EFFECT_OK)
				return r;
			break;
		case EMU_AGAIN:
			v->completion = COMPLETE_NOTHING;
			return NEXT_GUEST;
		case EMU_BAD_HVA:
			v->completion = COMPLETE_NOTHING;
			return -EFAULT;
		default:
			return emu_unhandled(v);
		}
	}
}

/** vcpu_emulate_continue() - the VMM has answered the effect that waits. */
int vcpu_emulate_continue(struct vcpu_x86 *v)
{
	struct emu_effect *ef = &v->emu->effect;
	int r;

	v->completion = COMPLETE_NOTHING;
	/*
	 * The VMM has moved the vCPU elsewhere (a reset, say): what is left of the instruction is
	 * forgotten.
	 */
	if (vcpu_linear_rip(v) != v->pio.linear_rip)
		return NEXT_GUEST;
	if (ef->kind == EFFECT_MMIO_READ || ef->kind == EFFECT_MMIO_WRITE) {
		mmio_user_done(v);
		r = effect_mmio(v);
		if (r != EFFECT_OK)
			return r;
	} else {
		io_user_done(v);
	}
	return emu_loop(v);
}

static void emu_take_bytes(struct emu *e, const struct hw_exit *exit)
{
	e->insn_len = min_t(u8, exit->insn_bytes_len, sizeof(e->insn));
	memcpy(e->insn, exit->insn_bytes, e->insn_len);
}

/** vcpu_emulate() - emulate the instruction at RIP. vm->srcu held, IRQs on. */
int vcpu_emulate(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	emu_fill(v);
	emu_take_bytes(v->emu, exit);
	emu_begin(v->emu);
	return emu_loop(v);
}

/** vcpu_emulate_npf() - emulate the access that found no memory. */
int vcpu_emulate_npf(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 rip = hw_rip(&v->hw);
	int r;

	v->vcpu.stats.pf_mmio_emulate++;
	r = vcpu_emulate(v, exit);
	if (r >= 0)
		mov_learn(v, rip);
	return r;
}
