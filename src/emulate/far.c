// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and far transfers (APM 2, chapter 4). Real and virtual-8086 mode whole; in
 * protected mode loads with all checks, and
 * transfers to code of the same privilege. Gates, tasks and changes of privilege: EMU_UNHANDLED.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include "emulate/private.h"

#define DESC_CODE	8
#define DESC_CONFORMING 4 /* of code; of data: expand-down */
#define DESC_RW		2 /* code: readable; data: writable */
#define DESC_ACCESSED	1
#define TYPE_LDT	2
#define TYPE_TSS_BUSY	2 /* the bit */

static bool is_null(u16 selector)
{
	return !(selector & ~3);
}

/* ------------------------------------------------------------------ descriptors */

static void desc_unpack(const u8 raw[16], u16 selector, struct kvm_segment *s)
{
	u64 d;
	u32 limit;

	memcpy(&d, raw, 8);
	limit = (d & 0xffff) | (d >> 32 & 0xf0000);
	*s = (struct kvm_segment){
		.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000),
		.limit = d >> 55 & 1 ? limit << 12 | 0xfff : limit,
		.selector = selector,
		.type = d >> 40 & 15,
		.s = d >> 44 & 1,
		.dpl = d >> 45 & 3,
		.present = d >> 47 & 1,
		.avl = d >> 52 & 1,
		.l = d >> 53 & 1,
		.db = d >> 54 & 1,
		.g = d >> 55 & 1,
	};
}

/* Where the descriptor of @selector is. #GP(selector) when its table doesn't hold it. */
static enum emu_result desc_find(struct emu *e, u16 selector, u8 size, u8 vector, gva_t *lin)
{
	const struct kvm_segment *ldt = &e->segs[SEG_LDTR];
	bool local = selector & 4;
	u32 limit = local ? ldt->limit : e->gdt.limit, offset = selector & ~7;

	if ((local && (ldt->unusable || !ldt->present)) || offset + size - 1 > limit)
		return emu_raise(e, vector, selector & ~3);
	*lin = (local ? ldt->base : e->gdt.base) + offset;
	return EMU_DONE;
}

/* A table is read and written by the processor itself: a supervisor's access at any CPL. */
static enum emu_result desc_read(struct emu *e, u16 selector, u8 size, u8 vector,
				 struct kvm_segment *s, gva_t *lin)
{
	u8 raw[16] = { 0 };
	u64 high = 0;
	enum emu_result r = desc_find(e, selector, size, vector, lin);

	if (!r)
		r = emu_read_linear(e, *lin, size, ACCESS_READ, raw);
	if (r)
		return r;
	desc_unpack(raw, selector, s);
	memcpy(&high, raw + 8, 4);
	s->base |= high << 32;
	return EMU_DONE;
}

static enum emu_result desc_set_type(struct emu *e, gva_t lin, struct kvm_segment *s, u8 bit)
{
	u8 access;

	if (s->type & bit)
		return EMU_DONE;
	s->type |= bit;
	access = s->type | s->s << 4 | s->dpl << 5 | s->present << 7;
	return emu_write_linear(e, lin + 5, 1, ACCESS_WRITE, &access, NULL);
}

static void queue_segment(struct emu *e, u8 seg, const struct kvm_segment *s)
{
	struct emu_private *p = &e->priv;

	p->seg[p->nr_segs].seg = seg;
	p->seg[p->nr_segs++].value = *s;
}

/* ------------------------------------------------------------------ loading a segment register */

static enum emu_result load_real(struct emu *e, u8 seg, u16 selector)
{
	struct kvm_segment s = e->segs[seg];

	/*
	 * Limit and attributes stay in real mode (the "unreal" mode of boot loaders); VM86 has
	 * its own, always the same.
	 */
	s.selector = selector;
	s.base = (u32)selector << 4;
	if (e->mode == EMU_VM86) {
		s.limit = 0xffff;
		s.type = 3;
		s.s = s.present = 1;
		s.dpl = 3;
		s.db = s.l = s.g = s.unusable = 0;
	}
	queue_segment(e, seg, &s);
	return EMU_DONE;
}

static enum emu_result load_null(struct emu *e, u8 seg, u16 selector)
{
	struct kvm_segment s = { .selector = selector, .unusable = 1 };

	/* SS may be null in 64-bit mode below CPL 3 (APM 2, 4.5.1). */
	if (seg == SEG_SS && (e->mode != EMU_PROT64 || e->cpl == 3 || (selector & 3) != e->cpl))
		return emu_raise(e, X86_TRAP_GP, 0);
	if (seg == SEG_SS)
		s.dpl = e->cpl;
	queue_segment(e, seg, &s);
	return EMU_DONE;
}

static bool data_allowed(const struct emu *e, u8 seg, const struct kvm_segment *s)
{
	u8 rpl = s->selector & 3;

	if (!s->s)
		return false;
	if (seg == SEG_SS)
		return !(s->type & DESC_CODE) && s->type & DESC_RW && rpl == e->cpl &&
		       s->dpl == e->cpl;
	if (s->type & DESC_CODE && !(s->type & DESC_RW))
		return false;
	if ((s->type & (DESC_CODE | DESC_CONFORMING)) == (DESC_CODE | DESC_CONFORMING))
		return true;
	return s->dpl >= rpl && s->dpl >= e->cpl;
}

static enum emu_result load_data(struct emu *e, u8 seg, u16 selector)
{
	struct kvm_segment s;
	gva_t lin;
	enum emu_result r = desc_read(e, selector, 8, X86_TRAP_GP, &s, &lin);

	if (r)
		return r;
	if (!data_allowed(e, seg, &s))
		return emu_raise(e, X86_TRAP_GP, selector & ~3);
	if (!s.present)
		return emu_raise(e, seg == SEG_SS ? X86_TRAP_SS : X86_TRAP_NP, selector & ~3);
	r = desc_set_type(e, lin, &s, DESC_ACCESSED);
	if (!r)
		queue_segment(e, seg, &s);
	return r;
}

/* LLDT and LTR: from the GDT, with 16 bytes in long mode (APM 2, 4.8.3). */
static enum emu_result load_system(struct emu *e, u8 seg, u16 selector)
{
	struct kvm_segment s;
	gva_t lin;
	bool long_mode = e->paging.efer & (1 << 10); /* LMA */
	enum emu_result r;

	if (is_null(selector))
		return seg == SEG_TR ? emu_raise(e, X86_TRAP_GP, 0) : load_null(e, seg, selector);
	if (selector & 4)
		return emu_raise(e, X86_TRAP_GP, selector & ~3);
	r = desc_read(e, selector, long_mode ? 16 : 8, X86_TRAP_GP, &s, &lin);
	if (r)
		return r;
	/* 1 is an available 16-bit TSS, 9 a 32- or 64-bit one. */
	if (s.s ||
	    (seg == SEG_LDTR ? s.type != TYPE_LDT : s.type != 9 && (s.type != 1 || long_mode)))
		return emu_raise(e, X86_TRAP_GP, selector & ~3);
	if (!s.present)
		return emu_raise(e, X86_TRAP_NP, selector & ~3);
	r = seg == SEG_TR ? desc_set_type(e, lin, &s, TYPE_TSS_BUSY) : EMU_DONE;
	if (r)
		return r;
	queue_segment(e, seg, &s);
	return EMU_DONE;
}

/**
 * emu_load_segment() - with the checks of the mode; the register changes when the instruction is
 * complete. Not for CS.
 */
enum emu_result emu_load_segment(struct emu *e, u8 seg, u16 selector)
{
	if (seg == SEG_LDTR || seg == SEG_TR)
		return load_system(e, seg, selector);
	if (!emu_protected(e))
		return load_real(e, seg, selector);
	return is_null(selector) ? load_null(e, seg, selector) : load_data(e, seg, selector);
}

/* ------------------------------------------------------------------ far transfers */

/* Code of the same privilege: what a far JMP, CALL or RET may go to without a gate. */
static bool code_allowed(const struct emu *e, const struct kvm_segment *s, bool returning)
{
	u8 rpl = s->selector & 3;

	if (!(s->type & DESC_CODE) || (s->l && s->db && e->paging.efer & (1 << 10)))
		return false;
	if (returning && rpl != e->cpl)
		return false;
	if (s->type & DESC_CONFORMING)
		return s->dpl <= (returning ? rpl : e->cpl);
	return s->dpl == e->cpl && rpl <= e->cpl;
}

static enum emu_result load_code(struct emu *e, u16 selector, bool returning)
{
	struct kvm_segment s;
	gva_t lin;
	enum emu_result r;

	if (is_null(selector))
		return emu_raise(e, X86_TRAP_GP, 0);
	if (returning && (selector & 3) > e->cpl)
		return EMU_UNHANDLED; /* to an outer privilege */
	r = desc_read(e, selector, 8, X86_TRAP_GP, &s, &lin);
	if (r)
		return r;
	if (!s.s)
		return EMU_UNHANDLED; /* a gate or a task */
	if (!code_allowed(e, &s, returning))
		return emu_raise(e, X86_TRAP_GP, selector & ~3);
	if (!s.present)
		return emu_raise(e, X86_TRAP_NP, selector & ~3);
	s.selector = (selector & ~3) | e->cpl;
	r = desc_set_type(e, lin, &s, DESC_ACCESSED);
	if (!r)
		queue_segment(e, SEG_CS, &s);
	return r;
}

/* The offset is checked against the new segment. */
static enum emu_result far_target(struct emu *e, u16 selector, u64 offset, bool returning)
{
	struct emu_private *p = &e->priv;
	const struct kvm_segment *cs;
	enum emu_result r = emu_protected(e) ? load_code(e, selector, returning)
					     : load_real(e, SEG_CS, selector);

	if (r)
		return r;
	cs = &p->seg[p->nr_segs - 1].value;
	p->rip = offset & emu_mask(p->insn.op_size);
	if (emu_protected(e) && cs->l && e->paging.efer & (1 << 10))
		return (u64)((s64)(p->rip << 16) >> 16) == p->rip ? EMU_DONE
								  : emu_raise(e, X86_TRAP_GP, 0);
	return p->rip > cs->limit ? emu_raise(e, X86_TRAP_GP, 0) : EMU_DONE;
}

static enum emu_result far_pointer(struct emu *e, u16 *selector, u64 *offset)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 raw[10] = { 0 };
	enum emu_result r;

	*offset = in->imm;
	*selector = in->imm2;
	if (!in->is_mem)
		return EMU_DONE;
	r = emu_read_mem(e, in->mem_seg, emu_ea(e), in->op_size + 2, raw);
	*offset = 0;
	memcpy(offset, raw, in->op_size);
	memcpy(selector, raw + in->op_size, 2);
	return r;
}

static enum emu_result exec_jump_far(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u16 selector;
	u64 offset, next = e->priv.rip;
	enum emu_result r = far_pointer(e, &selector, &offset);

	if (!r && in->row.op == OP_CALL_FAR) {
		r = emu_push(e, e->segs[SEG_CS].selector, in->op_size);
		if (!r)
			r = emu_push(e, next, in->op_size);
	}
	return r ? r : far_target(e, selector, offset, false);
}

static enum emu_result exec_ret_far(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 stack = emu_stack_size(e);
	u64 offset, selector;
	enum emu_result r = emu_pop(e, &offset, in->op_size);

	if (!r)
		r = emu_pop(e, &selector, in->op_size);
	if (!r)
		r = far_target(e, selector, offset, true);
	emu_set_reg(e, REG_RSP, stack == 2 ? 2 : 8,
		    (e->priv.regs[REG_RSP] + in->imm) & emu_mask(stack));
	return r;
}

static enum emu_result exec_iret(struct emu *e)
{
	u8 size = e->priv.insn.op_size;
	u64 offset, selector, flags;
	enum emu_result r;

	if (e->mode == EMU_VM86 && emu_iopl(e) < 3)
		return emu_raise(e, X86_TRAP_GP, 0);
	/* Long mode pops the stack pointer always; tasks have their own way. */
	if (e->mode == EMU_PROT64 || (emu_protected(e) && e->rflags & X86_EFLAGS_NT))
		return EMU_UNHANDLED;
	r = emu_pop(e, &offset, size);
	if (!r)
		r = emu_pop(e, &selector, size);
	if (!r)
		r = emu_pop(e, &flags, size);
	if (!r && emu_protected(e) && flags & X86_EFLAGS_VM)
		return EMU_UNHANDLED;
	if (!r)
		r = far_target(e, selector, offset, true);
	if (!r)
		r = emu_set_flags(e, flags, size);
	emu_at_end(e, EFFECT_IRET_UNMASK_NMI, 0);
	return r;
}

/* Through the interrupt vector table (APM 2, 8.6.1). Elsewhere the processor itself delivers it. */
static enum emu_result exec_int(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 vector = in->row.op == OP_INTO ? 4 : in->opcode == 0xcc ? 3 : in->imm;
	u16 entry[2];
	enum emu_result r;

	if (in->row.op == OP_INTO && !(e->rflags & X86_EFLAGS_OF))
		return EMU_DONE;
	if (e->mode != EMU_REAL)
		return EMU_UNHANDLED;
	if (vector * 4 + 3 > e->idt.limit)
		return emu_raise(e, X86_TRAP_GP, 0);
	r = emu_read_linear(e, e->idt.base + vector * 4, 4, ACCESS_READ, entry);
	if (!r)
		r = emu_push(e, e->rflags, 2);
	if (!r)
		r = emu_push(e, e->segs[SEG_CS].selector, 2);
	if (!r)
		r = emu_push(e, e->priv.rip, 2);
	if (r)
		return r;
	e->priv.rflags &= ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC | X86_EFLAGS_RF);
	e->priv.rip = entry[0];
	return load_real(e, SEG_CS, entry[1]);
}

/* ------------------------------------------------------------------ */

static enum emu_result load_and_shadow(struct emu *e, u8 seg, u16 selector)
{
	if (seg == SEG_SS)
		e->priv.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	return emu_load_segment(e, seg, selector);
}

static enum emu_result exec_move_segment(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	struct emu_operand o;
	u8 seg = in->modrm >> 3 & 7;
	bool load = in->row.op == OP_MOV_TO_SREG;
	enum emu_result r;

	if (seg > SEG_GS || (load && seg == SEG_CS))
		return emu_raise_plain(e, X86_TRAP_UD);
	r = emu_load_operand(e, load ? ARG_RM16 : ARG_RM_NARROW, &o, load);
	if (r)
		return r;
	return load ? load_and_shadow(e, seg, o.val)
		    : emu_store_operand(e, &o, e->segs[seg].selector);
}

static enum emu_result exec_pop_segment(struct emu *e)
{
	u64 selector;
	enum emu_result r = emu_pop(e, &selector, e->priv.insn.op_size);

	return r ? r : load_and_shadow(e, e->priv.insn.row.src - ARG_SEG_ES, selector);
}

/* LDS and its kin. */
static enum emu_result exec_load_far(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u16 selector;
	u64 offset;
	enum emu_result r = far_pointer(e, &selector, &offset);

	if (!r)
		r = emu_load_segment(e, in->row.dst - ARG_SEG_ES, selector);
	if (!r)
		emu_set_reg(e, in->reg, in->op_size, offset);
	return r;
}

/** emu_segment_op() - the instructions of this file. */
enum emu_result emu_segment_op(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;

	switch (in->row.op) {
	case OP_MOV_FROM_SREG:
	case OP_MOV_TO_SREG: return exec_move_segment(e);
	case OP_PUSH_SREG:
		return emu_push(e, e->segs[in->row.src - ARG_SEG_ES].selector, in->op_size);
	case OP_POP_SREG: return exec_pop_segment(e);
	case OP_LOAD_FAR: return exec_load_far(e);
	case OP_JMP_FAR:
	case OP_CALL_FAR: return exec_jump_far(e);
	case OP_RET_FAR: return exec_ret_far(e);
	case OP_IRET: return exec_iret(e);
	default: return exec_int(e);
	}
}
