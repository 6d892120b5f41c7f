// SPDX-License-Identifier: GPL-2.0-only
/* Is an instruction a plain MOV with memory? Then all of it fits in a few bytes. */
#include <linux/kernel.h>
#include "emulate/private.h"

static bool arg_in_memory(const struct emu_insn *in, u8 arg)
{
	switch (arg) {
	case ARG_RM:
	case ARG_RM8:
	case ARG_RM16:
	case ARG_RM32:
	case ARG_MOFFS:
		return in->is_mem;
	default:
		return false;
	}
}

/* The other operand: false when it is neither a register nor a constant. */
static bool mov_other(const struct emu_insn *in, u8 arg, struct emu_mov *m)
{
	switch (arg) {
	case ARG_REG:
		m->reg = in->reg;
		break;
	case ARG_ACC:
		m->reg = REG_RAX;
		break;
	case ARG_IMM:
		m->reg = NR_REGS;
		m->imm = in->imm;
		break;
	default:
		return false;
	}
	/* Without REX, byte registers 4 to 7 are AH, CH, DH and BH. */
	if (in->op_size == 1 && m->reg >= 4 && m->reg < 8 && !in->has_rex) {
		m->reg -= 4;
		m->high_byte = true;
	}
	return true;
}

/**
 * emu_plain_mov() - the instruction that was decoded last, if it is MOV, MOVZX, MOVSX, MOVSXD or
 * MOVNTI with an ordinary memory operand, in 64-bit mode and without a segment that has a base. Any
 * context.
 */
bool emu_plain_mov(const struct emu *e, struct emu_mov *m)
{
	const struct emu_insn *in = &e->priv.insn;
	bool store = arg_in_memory(in, in->row.dst);

	if (e->priv.phase == PHASE_DECODE || e->mode != EMU_PROT64)
		return false;
	if (in->row.op != OP_MOV && in->row.op != OP_MOVSX)
		return false;
	if (store == arg_in_memory(in, in->row.src) || in->lock || in->rep)
		return false;
	if (in->mem_seg == SEG_FS || in->mem_seg == SEG_GS)
		return false;
	*m = (struct emu_mov){
		.insn_len = in->len,
		.size = emu_arg_size(in, store ? in->row.dst : in->row.src),
		.reg_size = in->op_size,
		.store = store,
		.sign_extend = in->row.op == OP_MOVSX,
		.rip_relative = in->rip_relative,
		.base = in->base,
		.index = in->index,
		.scale = in->scale,
		.addr_size = in->addr_size,
		.disp = in->disp,
	};
	return mov_other(in, store ? in->row.src : in->row.dst, m);
}
