// SPDX-License-Identifier: GPL-2.0-only
/* Registers, operands and the stack, all on the emulator's copy of the registers. */
#include <linux/kernel.h>
#include "emulate/private.h"

/* Without REX, byte registers 4 to 7 are AH, CH, DH and BH. */
static bool high_byte(const struct emu *e, u8 reg, u8 size)
{
	return size == 1 && reg >= 4 && reg < 8 && !e->priv.insn.has_rex;
}

u64 emu_reg(const struct emu *e, u8 reg, u8 size)
{
	if (high_byte(e, reg, size))
		return e->priv.regs[reg - 4] >> 8 & 0xff;
	return e->priv.regs[reg & 15] & emu_mask(size);
}

void emu_set_reg(struct emu *e, u8 reg, u8 size, u64 val)
{
	u64 *r = &e->priv.regs[reg & 15];

	if (high_byte(e, reg, size)) {
		r = &e->priv.regs[reg - 4];
		*r = (*r & ~0xff00ull) | (val & 0xff) << 8;
	} else if (size >= 4) {
		/* A 32-bit result clears the upper half (APM 1, 3.1.2). */
		*r = val & emu_mask(size);
	} else {
		*r = (*r & ~emu_mask(size)) | (val & emu_mask(size));
	}
}

/** emu_ea() - the offset that ModRM, or MOFFS, means. */
u64 emu_ea(const struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = in->disp;

	if (in->base != NR_REGS)
		ea += e->priv.regs[in->base];
	if (in->index != NR_REGS)
		ea += e->priv.regs[in->index] << in->scale;
	if (in->rip_relative)
		ea += e->rip + in->len;
	return ea & emu_mask(in->addr_size);
}

static void operand_reg(const struct emu *e, struct emu_operand *o, u8 reg)
{
	o->kind = OPERAND_REG;
	o->reg = reg;
	o->val = emu_reg(e, reg, o->size);
}

static void operand_value(struct emu_operand *o, u64 val)
{
	o->kind = OPERAND_VALUE;
	o->val = val & emu_mask(o->size);
}

static enum emu_result operand_rm(struct emu *e, struct emu_operand *o, bool read)
{
	const struct emu_insn *in = &e->priv.insn;

	if (!in->is_mem) {
		operand_reg(e, o, in->rm);
		return EMU_DONE;
	}
	o->kind = OPERAND_MEM;
	o->seg = in->mem_seg;
	o->ea = emu_ea(e);
	o->val = 0;
	return read ? emu_read_mem(e, o->seg, o->ea, o->size, &o->val) : EMU_DONE;
}

/** emu_arg_size() - bytes of an operand. */
u8 emu_arg_size(const struct emu_insn *in, u8 arg)
{
	switch (arg) {
	case ARG_RM8:
	case ARG_CL:
	case ARG_IMM8: return 1;
	case ARG_RM16:
	case ARG_IMM16: return 2;
	case ARG_RM32: return 4;
	case ARG_RM_NARROW: return in->is_mem ? 2 : in->op_size;
	default: return in->op_size;
	}
}

/**
 * emu_load_operand() - find @arg; with @read also what is in it. What isn't an operand in this
 * sense (segment registers, far pointers) is
 * OPERAND_NONE.
 */
enum emu_result emu_load_operand(struct emu *e, u8 arg, struct emu_operand *o, bool read)
{
	const struct emu_insn *in = &e->priv.insn;

	*o = (struct emu_operand){ .kind = OPERAND_NONE, .size = emu_arg_size(in, arg) };
	switch (arg) {
	case ARG_RM:
	case ARG_RM8:
	case ARG_RM16:
	case ARG_RM32:
	case ARG_RM_NARROW:
	case ARG_MOFFS: return operand_rm(e, o, read);
	case ARG_REG: operand_reg(e, o, in->reg); break;
	case ARG_OPREG: operand_reg(e, o, (in->opcode & 7) | (in->rex & 1) << 3); break;
	case ARG_ACC: operand_reg(e, o, REG_RAX); break;
	case ARG_CL: operand_value(o, e->priv.regs[REG_RCX]); break;
	case ARG_ONE: operand_value(o, 1); break;
	case ARG_IMM:
	case ARG_IMM_FULL:
	case ARG_IMM8S:
	case ARG_IMM8:
	case ARG_IMM16:
	case ARG_REL8:
	case ARG_REL: operand_value(o, in->imm); break;
	default: break;
	}
	return EMU_DONE;
}

/**
 * emu_store_operand() - the result into a register now, or into memory at the end. A locked one
 * only if memory is as it was read.
 */
enum emu_result emu_store_operand(struct emu *e, const struct emu_operand *o, u64 val)
{
	const struct emu_insn *in = &e->priv.insn;

	if (o->kind == OPERAND_REG) {
		emu_set_reg(e, o->reg, o->size, val);
		return EMU_DONE;
	}
	if (in->lock || in->row.op == OP_XCHG) /* XCHG with memory is always locked */
		return emu_update_mem(e, o->seg, o->ea, o->size, &val, &o->val);
	return emu_write_mem(e, o->seg, o->ea, o->size, &val);
}

/* ------------------------------------------------------------------ stack and control */

/** emu_stack_size() - width of the stack pointer in bytes. */
u8 emu_stack_size(const struct emu *e)
{
	if (e->mode == EMU_PROT64)
		return 8;
	return e->segs[SEG_SS].db ? 4 : 2;
}

static void add_to_rsp(struct emu *e, s64 n)
{
	u8 size = emu_stack_size(e);

	/* A 16-bit stack leaves the upper half of ESP alone. */
	emu_set_reg(e, REG_RSP, size == 2 ? 2 : 8, (e->priv.regs[REG_RSP] + n) & emu_mask(size));
}

enum emu_result emu_push(struct emu *e, u64 val, u8 size)
{
	u64 sp = (e->priv.regs[REG_RSP] - size) & emu_mask(emu_stack_size(e));
	enum emu_result r = emu_write_mem(e, SEG_SS, sp, size, &val);

	if (!r)
		add_to_rsp(e, -(s64)size);
	return r;
}

enum emu_result emu_pop(struct emu *e, u64 *val, u8 size)
{
	u64 sp = e->priv.regs[REG_RSP] & emu_mask(emu_stack_size(e));
	enum emu_result r;

	*val = 0;
	r = emu_read_mem(e, SEG_SS, sp, size, val);
	if (!r)
		add_to_rsp(e, size);
	return r;
}

/**
 * emu_jump() - the next instruction is at @rip of CS, cut to the operand size. #GP when it can't
 * be.
 */
enum emu_result emu_jump(struct emu *e, u64 rip)
{
	gva_t lin;

	rip &= emu_mask(e->mode == EMU_PROT64 && e->priv.insn.op_size != 2 ? 8
			: e->priv.insn.op_size == 2			   ? 2
									   : 4);
	e->priv.rip = rip;
	return emu_linear(e, SEG_CS, rip, 1, ACCESS_FETCH, &lin);
}
