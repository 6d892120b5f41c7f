// SPDX-License-Identifier: GPL-2.0-only
/*
 * System instructions: flags of the system, control and debug registers, MSRs, descriptor-table
 * registers.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include "emulate/private.h"

/* ------------------------------------------------------------------ flags */

/** emu_set_flags() - POPF and IRET: what privilege lets through of @val (APM 3, POPF). */
enum emu_result emu_set_flags(struct emu *e, u64 val, u8 size)
{
	u64 may = EMU_ALU_FLAGS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT | X86_EFLAGS_AC |
		  X86_EFLAGS_ID;

	if (e->cpl == 0 && e->mode != EMU_VM86)
		may |= X86_EFLAGS_IOPL;
	if (e->mode == EMU_REAL || (e->mode == EMU_VM86 ? emu_iopl(e) == 3 : e->cpl <= emu_iopl(e)))
		may |= X86_EFLAGS_IF;
	if (size == 2)
		may &= 0xffff;
	e->priv.rflags =
		(e->priv.rflags & ~may & ~(u64)X86_EFLAGS_RF) | (val & may) | X86_EFLAGS_FIXED;
	return EMU_DONE;
}

static enum emu_result exec_interrupt_flag(struct emu *e)
{
	u64 *f = &e->priv.rflags;

	/* The virtual interrupt flags of VME and PVI aren't done here. */
	if (e->mode != EMU_REAL && (e->mode == EMU_VM86 ? emu_iopl(e) < 3 : e->cpl > emu_iopl(e)))
		return e->paging.cr4 & (X86_CR4_VME | X86_CR4_PVI) ? EMU_UNHANDLED
								   : emu_raise(e, X86_TRAP_GP, 0);
	if (e->priv.insn.row.op == OP_CLI) {
		*f &= ~(u64)X86_EFLAGS_IF;
		return EMU_DONE;
	}
	if (!(*f & X86_EFLAGS_IF))
		e->priv.shadow = KVM_X86_SHADOW_INT_STI;
	*f |= X86_EFLAGS_IF;
	return EMU_DONE;
}

static enum emu_result exec_access_flag(struct emu *e)
{
	if (!(e->paging.cr4 & X86_CR4_SMAP))
		return emu_raise_plain(e, X86_TRAP_UD);
	if (e->priv.insn.row.op == OP_STAC)
		e->priv.rflags |= X86_EFLAGS_AC;
	else
		e->priv.rflags &= ~(u64)X86_EFLAGS_AC;
	return EMU_DONE;
}

/* ------------------------------------------------------------------ control and debug registers */

static enum emu_result exec_cr(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 nr = in->reg | (in->lock ? 8 : 0);
	u64 val;
	enum emu_result r;

	if (nr != 0 && nr != 2 && nr != 3 && nr != 4 && nr != 8)
		return emu_raise_plain(e, X86_TRAP_UD);
	if (in->row.op == OP_WRITE_CR) {
		val = emu_reg(e, in->rm, in->op_size);
		return emu_ask(e, EFFECT_CR_WRITE, nr, &val);
	}
	val = 0;
	r = emu_ask(e, EFFECT_CR_READ, nr, &val);
	if (!r)
		emu_set_reg(e, in->rm, in->op_size, val);
	return r;
}

static enum emu_result exec_dr(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 nr = in->reg;
	u64 val;
	enum emu_result r;

	if (nr > 7 || ((nr == 4 || nr == 5) && e->paging.cr4 & X86_CR4_DE))
		return emu_raise_plain(e, X86_TRAP_UD);
	if (nr == 4 || nr == 5) /* other names of DR6 and DR7 */
		nr += 2;
	if (in->row.op == OP_WRITE_DR) {
		val = emu_reg(e, in->rm, in->op_size);
		return emu_ask(e, EFFECT_DR_WRITE, nr, &val);
	}
	val = 0;
	r = emu_ask(e, EFFECT_DR_READ, nr, &val);
	if (!r)
		emu_set_reg(e, in->rm, in->op_size, val);
	return r;
}

/* SMSW, SGDT, SIDT, SLDT and STR are for the kernel alone under UMIP. */
static enum emu_result check_umip(struct emu *e)
{
	return e->paging.cr4 & X86_CR4_UMIP && e->cpl ? emu_raise(e, X86_TRAP_GP, 0) : EMU_DONE;
}

static enum emu_result exec_machine_status(struct emu *e)
{
	struct emu_operand o;
	u64 cr0 = e->paging.cr0;
	enum emu_result r;

	switch (e->priv.insn.row.op) {
	case OP_CLTS: cr0 &= ~(u64)X86_CR0_TS; return emu_ask(e, EFFECT_CLTS_LMSW, 0, &cr0);
	case OP_LMSW:
		r = emu_load_operand(e, ARG_RM16, &o, true);
		if (r)
			return r;
		/* PE can be set, not cleared (APM 3, LMSW). */
		cr0 = (cr0 & ~0xeull) | (o.val & 0xf);
		return emu_ask(e, EFFECT_CLTS_LMSW, 0, &cr0);
	default:
		r = check_umip(e);
		if (!r)
			r = emu_load_operand(e, ARG_RM_NARROW, &o, false);
		return r ? r : emu_store_operand(e, &o, cr0);
	}
}

/*
 * ------------------------------------------------------------------ MSRs, counters, extended
 * control registers
 */

static void put_edx_eax(struct emu *e, u64 val)
{
	emu_set_reg(e, REG_RAX, 4, val);
	emu_set_reg(e, REG_RDX, 4, val >> 32);
}

static u64 get_edx_eax(const struct emu *e)
{
	return (u32)e->priv.regs[REG_RAX] | e->priv.regs[REG_RDX] << 32;
}

static enum emu_result exec_read_indexed(struct emu *e, enum effect_kind kind)
{
	u64 val = 0;
	enum emu_result r = emu_ask(e, kind, e->priv.regs[REG_RCX], &val);

	if (!r)
		put_edx_eax(e, val);
	return r;
}

static enum emu_result exec_write_indexed(struct emu *e, enum effect_kind kind)
{
	u64 val = get_edx_eax(e);

	return emu_ask(e, kind, e->priv.regs[REG_RCX], &val);
}

static enum emu_result exec_time(struct emu *e, enum effect_kind kind)
{
	if (e->paging.cr4 & X86_CR4_TSD && e->cpl)
		return emu_raise(e, X86_TRAP_GP, 0);
	emu_at_end(e, kind, 0);
	return EMU_DONE;
}

static enum emu_result exec_rdpmc(struct emu *e)
{
	if (!(e->paging.cr4 & X86_CR4_PCE) && e->cpl)
		return emu_raise(e, X86_TRAP_GP, 0);
	return exec_read_indexed(e, EFFECT_RDPMC);
}

static enum emu_result exec_xsetbv(struct emu *e)
{
	if (!(e->paging.cr4 & X86_CR4_OSXSAVE))
		return emu_raise_plain(e, X86_TRAP_UD);
	return exec_write_indexed(e, EFFECT_XSETBV);
}

/* ------------------------------------------------------------------ descriptor-table registers */

static enum emu_result exec_load_table(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 raw[10] = { 0 }, width = e->mode == EMU_PROT64 ? 8 : 4;
	u16 limit;
	u64 base = 0;
	gva_t lin;
	enum emu_result r = emu_read_mem(e, in->mem_seg, emu_ea(e), 2 + width, raw);

	if (r)
		return r;
	memcpy(&limit, raw, 2);
	memcpy(&base, raw + 2, width);
	if (in->op_size == 2 && width == 4)
		base &= 0xffffff;
	if (width == 8) {
		r = emu_linear(e, SEG_DS, base, 1, ACCESS_READ, &lin);
		if (r)
			return r;
	}
	e->priv.table = (struct kvm_dtable){ .base = base, .limit = limit };
	emu_at_end(e, in->row.op == OP_LGDT ? EFFECT_LGDT : EFFECT_LIDT, 0);
	return EMU_DONE;
}

static enum emu_result exec_store_table(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	const struct kvm_dtable *t = in->row.op == OP_SGDT ? &e->gdt : &e->idt;
	u8 raw[10];
	enum emu_result r = check_umip(e);

	if (r)
		return r;
	memcpy(raw, &t->limit, 2);
	memcpy(raw + 2, &t->base, 8);
	return emu_write_mem(e, in->mem_seg, emu_ea(e), e->mode == EMU_PROT64 ? 10 : 6, raw);
}

static enum emu_result exec_store_selector(struct emu *e)
{
	struct emu_operand o;
	enum emu_result r = check_umip(e);

	if (!r)
		r = emu_load_operand(e, ARG_RM_NARROW, &o, false);
	return r ? r
		 : emu_store_operand(
			   e, &o,
			   e->segs[e->priv.insn.row.op == OP_SLDT ? SEG_LDTR : SEG_TR].selector);
}

static enum emu_result exec_load_selector(struct emu *e)
{
	struct emu_operand o;
	enum emu_result r = emu_load_operand(e, ARG_RM16, &o, true);

	return r ? r
		 : emu_load_segment(e, e->priv.insn.row.op == OP_LLDT ? SEG_LDTR : SEG_TR, o.val);
}

/* ------------------------------------------------------------------ */

static enum emu_result exec_invlpg(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = emu_ea(e);

	/* No check and no fault, not even of a non-canonical address (APM 3, INVLPG). */
	if (e->mode != EMU_PROT64)
		ea = (u32)(ea + e->segs[in->mem_seg].base);
	else if (in->mem_seg == SEG_FS || in->mem_seg == SEG_GS)
		ea += e->segs[in->mem_seg].base;
	emu_at_end(e, EFFECT_INVLPG, ea);
	return EMU_DONE;
}

static enum emu_result emu_end_with(struct emu *e, enum effect_kind kind)
{
	emu_at_end(e, kind, 0);
	return EMU_DONE;
}

/** emu_system() - the instructions of this file. Privilege has been checked where a row says so. */
enum emu_result emu_system(struct emu *e)
{
	switch (e->priv.insn.row.op) {
	case OP_CLI:
	case OP_STI: return exec_interrupt_flag(e);
	case OP_CLAC:
	case OP_STAC: return exec_access_flag(e);
	case OP_HLT: return emu_end_with(e, EFFECT_HLT);
	case OP_CPUID: return emu_end_with(e, EFFECT_CPUID);
	case OP_HYPERCALL: return emu_end_with(e, EFFECT_HYPERCALL);
	case OP_WBINVD: return emu_end_with(e, EFFECT_WBINVD);
	case OP_RDTSC: return exec_time(e, EFFECT_RDTSC);
	case OP_RDTSCP: return exec_time(e, EFFECT_RDTSCP);
	case OP_RDPMC: return exec_rdpmc(e);
	case OP_RDMSR: return exec_read_indexed(e, EFFECT_MSR_READ);
	case OP_WRMSR: return exec_write_indexed(e, EFFECT_MSR_WRITE);
	case OP_XSETBV: return exec_xsetbv(e);
	case OP_INVLPG: return exec_invlpg(e);
	case OP_CLTS:
	case OP_LMSW:
	case OP_SMSW: return exec_machine_status(e);
	case OP_READ_CR:
	case OP_WRITE_CR: return exec_cr(e);
	case OP_READ_DR:
	case OP_WRITE_DR: return exec_dr(e);
	case OP_SGDT:
	case OP_SIDT: return exec_store_table(e);
	case OP_LGDT:
	case OP_LIDT: return exec_load_table(e);
	case OP_SLDT:
	case OP_STR: return exec_store_selector(e);
	case OP_LLDT:
	case OP_LTR: return exec_load_selector(e);
	default: return EMU_UNHANDLED;
	}
}
