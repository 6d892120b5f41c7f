// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each operation does: operands in, operands out. System and string instructions are next
 * door.
 */
#include <linux/kernel.h>
#include <linux/swab.h>
#include "emulate/private.h"

/* ------------------------------------------------------------------ data */

static enum emu_result exec_xchg(struct emu *e, struct emu_operand *dst, struct emu_operand *src)
{
	enum emu_result r = emu_store_operand(e, dst, src->val);

	if (!r)
		emu_set_reg(e, src->reg, src->size, dst->val);
	return r;
}

static enum emu_result exec_xadd(struct emu *e, struct emu_operand *dst, struct emu_operand *src)
{
	u64 sum = emu_alu(OP_ADD, dst->size, dst->val, src->val, &e->priv.rflags);

	/* In this order: XADD AX, AX leaves the sum. */
	emu_set_reg(e, src->reg, src->size, dst->val);
	return emu_store_operand(e, dst, sum);
}

/* Memory is written in either case, as the processor does (APM 3); a register only if equal. */
static enum emu_result exec_cmpxchg(struct emu *e, struct emu_operand *dst, struct emu_operand *src)
{
	u64 acc = emu_reg(e, REG_RAX, dst->size);

	emu_alu(OP_CMP, dst->size, acc, dst->val, &e->priv.rflags);
	if (acc == dst->val)
		return emu_store_operand(e, dst, src->val);
	emu_set_reg(e, REG_RAX, dst->size, dst->val);
	return dst->kind == OPERAND_MEM ? emu_store_operand(e, dst, dst->val) : EMU_DONE;
}

/* CMPXCHG8B, CMPXCHG16B. */
static enum emu_result exec_cmpxchg_pair(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 half = in->rex & 8 ? 8 : 4, old[16] = { 0 }, new[16];
	u64 lo = 0, hi = 0, ea = emu_ea(e), a, d;
	bool equal;
	enum emu_result r;

	if (half == 8 && ea & 15)
		return emu_raise(e, X86_TRAP_GP, 0);
	r = emu_read_mem(e, in->mem_seg, ea, half * 2, old);
	if (r)
		return r;
	memcpy(&lo, old, half);
	memcpy(&hi, old + half, half);
	a = emu_reg(e, REG_RAX, half);
	d = emu_reg(e, REG_RDX, half);
	equal = lo == a && hi == d;
	e->priv.rflags &= ~(u64)X86_EFLAGS_ZF;
	if (equal) {
		e->priv.rflags |= X86_EFLAGS_ZF;
		lo = emu_reg(e, REG_RBX, half);
		hi = emu_reg(e, REG_RCX, half);
	} else {
		emu_set_reg(e, REG_RAX, half, lo);
		emu_set_reg(e, REG_RDX, half, hi);
	}
	memcpy(new, &lo, half);
	memcpy(new + half, &hi, half);
	return emu_update_mem(e, in->mem_seg, ea, half * 2, new, in->lock ? old : NULL);
}

static u64 swap_bytes(u64 val, u8 size)
{
	switch (size) {
	case 2: return swab16(val);
	case 4: return swab32(val);
	default: return swab64(val);
	}
}

static enum emu_result exec_bit(struct emu *e, struct emu_operand *dst, struct emu_operand *src)
{
	enum emu_op op = e->priv.insn.row.op;
	u8 size = dst->size;
	u64 res;
	enum emu_result r;

	/* A bit number in a register reaches beyond the operand in memory (APM 3, BT). */
	if (dst->kind == OPERAND_MEM) {
		if (src->kind == OPERAND_REG) {
			s64 offset = (s64)emu_sign_extend(src->val, size) >> (size == 8	  ? 6
									      : size == 4 ? 5
											  : 4);

			dst->ea = (dst->ea + offset * size) & emu_mask(e->priv.insn.addr_size);
		}
		r = emu_read_mem(e, dst->seg, dst->ea, size, &dst->val);
		if (r)
			return r;
	}
	res = emu_bit(op, size, dst->val, src->val, &e->priv.rflags);
	return op == OP_BT ? EMU_DONE : emu_store_operand(e, dst, res);
}

static enum emu_result exec_xlat(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = (e->priv.regs[REG_RBX] + emu_reg(e, REG_RAX, 1)) & emu_mask(in->addr_size),
	    val = 0;
	enum emu_result r = emu_read_mem(e, in->mem_seg, ea, 1, &val);

	if (!r)
		emu_set_reg(e, REG_RAX, 1, val);
	return r;
}

/* CBW, CWDE, CDQE; CWD, CDQ, CQO. */
static void exec_widen(struct emu *e)
{
	u8 size = e->priv.insn.op_size;

	if (e->priv.insn.row.op == OP_CBW)
		emu_set_reg(e, REG_RAX, size,
			    emu_sign_extend(emu_reg(e, REG_RAX, size / 2), size / 2));
	else
		emu_set_reg(e, REG_RDX, size,
			    emu_reg(e, REG_RAX, size) & emu_sign_bit(size) ? ~0ull : 0);
}

/* ------------------------------------------------------------------ flags */

static void exec_flag(struct emu *e, enum emu_op op)
{
	u64 *f = &e->priv.rflags;

	switch (op) {
	case OP_CLC: *f &= ~(u64)X86_EFLAGS_CF; break;
	case OP_STC: *f |= X86_EFLAGS_CF; break;
	case OP_CMC: *f ^= X86_EFLAGS_CF; break;
	case OP_CLD: *f &= ~(u64)X86_EFLAGS_DF; break;
	case OP_STD: *f |= X86_EFLAGS_DF; break;
	case OP_SAHF: *f = (*f & ~0xd5ull) | (e->priv.regs[REG_RAX] >> 8 & 0xd5); break;
	default: /* LAHF */
		e->priv.regs[REG_RAX] =
			(e->priv.regs[REG_RAX] & ~0xff00ull) | (*f & 0xd5) << 8 | 0x200;
		break;
	}
}

static enum emu_result exec_popf(struct emu *e)
{
	u8 size = e->priv.insn.op_size;
	u64 val;
	enum emu_result r;

	if (e->mode == EMU_VM86 && emu_iopl(e) < 3)
		return emu_raise(e, X86_TRAP_GP, 0);
	r = emu_pop(e, &val, size);
	return r ? r : emu_set_flags(e, val, size);
}

static enum emu_result exec_pushf(struct emu *e)
{
	if (e->mode == EMU_VM86 && emu_iopl(e) < 3)
		return emu_raise(e, X86_TRAP_GP, 0);
	return emu_push(e, e->priv.rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF),
			e->priv.insn.op_size);
}

/* ------------------------------------------------------------------ stack */

static enum emu_result exec_pop(struct emu *e)
{
	struct emu_operand dst;
	u64 val;
	enum emu_result r;

	/* An address built on RSP uses its value after the pop (APM 3, POP). */
	r = emu_pop(e, &val, e->priv.insn.op_size);
	if (!r)
		r = emu_load_operand(e, e->priv.insn.row.dst, &dst, false);
	return r ? r : emu_store_operand(e, &dst, val);
}

static enum emu_result exec_pusha(struct emu *e)
{
	u8 size = e->priv.insn.op_size, i;
	enum emu_result r = EMU_DONE;

	for (i = REG_RAX; i <= REG_RDI && !r; i++)
		r = emu_push(e, e->regs[i], size);
	return r;
}

static enum emu_result exec_popa(struct emu *e)
{
	u8 size = e->priv.insn.op_size;
	int i;
	u64 val;
	enum emu_result r;

	for (i = REG_RDI; i >= REG_RAX; i--) {
		r = emu_pop(e, &val, size);
		if (r)
			return r;
		if (i != REG_RSP)
			emu_set_reg(e, i, size, val);
	}
	return EMU_DONE;
}

static enum emu_result exec_enter(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 size = in->op_size, stack = emu_stack_size(e), level = in->imm2 & 31, i;
	u64 frame, val;
	enum emu_result r = emu_push(e, e->priv.regs[REG_RBP], size);

	frame = e->priv.regs[REG_RSP];
	for (i = 1; i < level && !r; i++) {
		emu_set_reg(e, REG_RBP, stack, e->priv.regs[REG_RBP] - size);
		val = 0;
		r = emu_read_mem(e, SEG_SS, emu_reg(e, REG_RBP, stack), size, &val);
		if (!r)
			r = emu_push(e, val, size);
	}
	if (!r && level)
		r = emu_push(e, frame, size);
	emu_set_reg(e, REG_RBP, size, frame);
	emu_set_reg(e, REG_RSP, stack, e->priv.regs[REG_RSP] - in->imm);
	return r;
}

static enum emu_result exec_leave(struct emu *e)
{
	u64 val;
	u8 stack = emu_stack_size(e);
	enum emu_result r;

	emu_set_reg(e, REG_RSP, stack, e->priv.regs[REG_RBP]);
	r = emu_pop(e, &val, e->priv.insn.op_size);
	if (!r)
		emu_set_reg(e, REG_RBP, e->priv.insn.op_size, val);
	return r;
}

static enum emu_result exec_stack(struct emu *e, u64 operand)
{
	const struct emu_insn *in = &e->priv.insn;

	switch (in->row.op) {
	case OP_PUSH: return emu_push(e, operand, in->op_size);
	case OP_POP: return exec_pop(e);
	case OP_PUSHA: return exec_pusha(e);
	case OP_POPA: return exec_popa(e);
	case OP_PUSHF: return exec_pushf(e);
	case OP_POPF: return exec_popf(e);
	case OP_ENTER: return exec_enter(e);
	default: return exec_leave(e);
	}
}

/* ------------------------------------------------------------------ control */

static enum emu_result jump_if(struct emu *e, bool condition)
{
	return condition ? emu_jump(e, e->priv.rip + e->priv.insn.imm) : EMU_DONE;
}

static enum emu_result exec_loop(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 count = emu_reg(e, REG_RCX, in->addr_size);
	bool zf = e->priv.rflags & X86_EFLAGS_ZF;

	if (in->row.op == OP_JCXZ)
		return jump_if(e, !count);
	count = (count - 1) & emu_mask(in->addr_size);
	emu_set_reg(e, REG_RCX, in->addr_size, count);
	if (in->opcode == 0xe0)
		return jump_if(e, count && !zf);
	return jump_if(e, count && (in->opcode == 0xe2 || zf));
}

static enum emu_result exec_ret(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u8 stack = emu_stack_size(e);
	u64 rip;
	enum emu_result r = emu_pop(e, &rip, in->op_size);

	if (r)
		return r;
	emu_set_reg(e, REG_RSP, stack == 2 ? 2 : 8,
		    (e->priv.regs[REG_RSP] + in->imm) & emu_mask(stack));
	return emu_jump(e, rip);
}

/* JMP, CALL with an offset or with a target. */
static enum emu_result exec_branch(struct emu *e, u64 operand)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 next = e->priv.rip;
	bool relative = in->row.src == ARG_REL || in->row.src == ARG_REL8;
	enum emu_result r = emu_jump(e, relative ? next + in->imm : operand);

	if (r || in->row.op == OP_JMP)
		return r;
	return emu_push(e, next, in->op_size);
}

static enum emu_result exec_control(struct emu *e, u64 operand)
{
	switch (e->priv.insn.row.op) {
	case OP_JCC: return jump_if(e, emu_condition(e->priv.insn.opcode & 15, e->priv.rflags));
	case OP_LOOP:
	case OP_JCXZ: return exec_loop(e);
	case OP_RET: return exec_ret(e);
	default: return exec_branch(e, operand);
	}
}

/* ------------------------------------------------------------------ */

/* A destination that is computed from what is there and the source. */
static enum emu_result exec_compute(struct emu *e, struct emu_operand *dst,
				    const struct emu_operand *src, u64 third)
{
	const struct emu_insn *in = &e->priv.insn;
	enum emu_op op = in->row.op;
	u64 *flags = &e->priv.rflags, res;
	u8 size = dst->size;

	if (op <= OP_TEST)
		res = emu_alu(op, size, dst->val, src->val, flags);
	else if (op <= OP_SAR)
		res = emu_shift(op, size, dst->val, src->val, flags);
	else if (op <= OP_SHRD)
		res = emu_shift_double(op, size, dst->val, src->val, third, flags);
	else if (op <= OP_NEG)
		res = emu_unary(op, size, dst->val, flags);
	else if (op <= OP_IDIV)
		return emu_mul_div(e, op, size, dst->val);
	else if (op == OP_IMUL3)
		res = emu_imul3(size, src->val, third, flags);
	else
		res = emu_scan(op, size, dst->val, src->val, flags);
	if (in->row.flags & ROW_RO)
		return EMU_DONE;
	/* Where nothing was found the whole register stays, its upper half too. */
	if ((op == OP_BSF || op == OP_BSR) && !src->val)
		return EMU_DONE;
	return emu_store_operand(e, dst, res);
}

/* Moves of all kinds. */
static enum emu_result exec_move(struct emu *e, struct emu_operand *dst, struct emu_operand *src)
{
	const struct emu_insn *in = &e->priv.insn;

	switch (in->row.op) {
	case OP_MOV: return emu_store_operand(e, dst, src->val);
	case OP_MOVSX: return emu_store_operand(e, dst, emu_sign_extend(src->val, src->size));
	case OP_MOVBE: return emu_store_operand(e, dst, swap_bytes(src->val, dst->size));
	case OP_BSWAP:
		/* 16 bits are undefined; processors clear them. */
		return emu_store_operand(e, dst,
					 dst->size == 2 ? 0 : swap_bytes(dst->val, dst->size));
	case OP_XCHG: return exec_xchg(e, dst, src);
	case OP_XADD: return exec_xadd(e, dst, src);
	case OP_CMPXCHG: return exec_cmpxchg(e, dst, src);
	case OP_LEA: return emu_store_operand(e, dst, emu_ea(e));
	case OP_SETCC:
		return emu_store_operand(e, dst, emu_condition(in->opcode & 15, e->priv.rflags));
	default: /* CMOVcc writes its destination in any case: 32 bits clear the upper half */
		return emu_store_operand(e, dst,
					 emu_condition(in->opcode & 15, e->priv.rflags) ? src->val
											: dst->val);
	}
}

static enum emu_result exec_operation(struct emu *e, struct emu_operand *dst,
				      struct emu_operand *src, u64 third)
{
	switch (e->priv.insn.row.op) {
	case OP_ADD ... OP_IMUL3:
	case OP_BSF:
	case OP_BSR: return exec_compute(e, dst, src, third);
	case OP_BT ... OP_BTC: return exec_bit(e, dst, src);
	case OP_MOV:
	case OP_MOVSX:
	case OP_MOVBE:
	case OP_BSWAP:
	case OP_XCHG:
	case OP_XADD:
	case OP_CMPXCHG:
	case OP_LEA:
	case OP_SETCC:
	case OP_CMOV: return exec_move(e, dst, src);
	case OP_CMPXCHG8B: return exec_cmpxchg_pair(e);
	case OP_XLAT: return exec_xlat(e);
	case OP_JCC ... OP_RET: return exec_control(e, dst->val);
	case OP_PUSH ... OP_LEAVE:
		return exec_stack(e, src->kind == OPERAND_NONE ? dst->val : src->val);
	case OP_CBW:
	case OP_CWD: exec_widen(e); return EMU_DONE;
	case OP_LAHF ... OP_STD: exec_flag(e, e->priv.insn.row.op); return EMU_DONE;
	case OP_NOP: return EMU_DONE;
	case OP_MOVS ... OP_OUTS: return emu_string(e);
	case OP_IN:
	case OP_OUT: return emu_port_io(e, src->val);
	case OP_SSE_LOAD ... OP_FNINIT: return emu_fpu(e);
	case OP_MOV_FROM_SREG ... OP_INTO: return emu_segment_op(e);
	default: return emu_system(e);
	}
}

/** emu_execute() - the decoded instruction, on the copy of the registers. */
enum emu_result emu_execute(struct emu *e)
{
	const struct emu_row *row = &e->priv.insn.row;
	struct emu_operand dst, src, third;
	/*
	 * These read their destination themselves: at another address, or after the stack has
	 * moved.
	 */
	bool own = row->op == OP_POP || (row->op >= OP_BT && row->op <= OP_BTC);
	enum emu_result r;

	r = emu_load_operand(e, row->src, &src, true);
	if (!r)
		r = emu_load_operand(e, row->dst, &dst, !own && !(row->flags & ROW_WO));
	if (!r)
		r = emu_load_operand(e, row->src2, &third, true);
	return r ? r : exec_operation(e, &dst, &src, third.val);
}
