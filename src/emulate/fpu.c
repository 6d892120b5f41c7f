// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between memory and XMM or MMX registers, and the few x87 instructions that store a word.
 * All else of them is EMU_UNHANDLED.
 */
#include <linux/kernel.h>
#include "emulate/fpregs.h"
#include "emulate/private.h"

#define FSW_ES (1 << 7) /* an unmasked x87 exception is pending */

/* What comes before everything else (APM 2, 8.2; APM 5, 1.1). */
static enum emu_result fpu_allowed(struct emu *e)
{
	const enum emu_op op = e->priv.insn.row.op;
	const u64 cr0 = e->paging.cr0;
	bool x87 = op >= OP_FNSTCW, sse = op == OP_SSE_LOAD || op == OP_SSE_STORE;

	if (cr0 & X86_CR0_EM)
		return emu_raise_plain(e, x87 ? X86_TRAP_NM : X86_TRAP_UD);
	if (sse && !(e->paging.cr4 & X86_CR4_OSFXSR))
		return emu_raise_plain(e, X86_TRAP_UD);
	return cr0 & X86_CR0_TS ? emu_raise_plain(e, X86_TRAP_NM) : EMU_DONE;
}

static enum emu_result exec_sse(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = emu_ea(e), xmm[2] = { 0 };
	enum emu_result r;

	if (in->sse_flags & SSE_ALIGNED && ea & 15)
		return emu_raise(e, X86_TRAP_GP, 0);
	if (in->row.op == OP_SSE_STORE) {
		xmm_read(in->reg, xmm);
		return emu_write_mem(e, in->mem_seg, ea, in->sse_size,
				     in->sse_flags & SSE_HIGH ? &xmm[1] : &xmm[0]);
	}
	if (in->sse_flags & (SSE_LOW | SSE_HIGH))
		xmm_read(in->reg, xmm);
	r = emu_read_mem(e, in->mem_seg, ea, in->sse_size,
			 in->sse_flags & SSE_HIGH ? &xmm[1] : &xmm[0]);
	/* The register is no copy, but there is nothing behind this that could fail. */
	if (!r)
		xmm_write(in->reg, xmm);
	return r;
}

/*
 * An MMX instruction raises what x87 instructions before it left pending. So would the one that
 * reads the register for us, in
 * the host's kernel: hence the look at FSW first, in the same preempt-off section (fpregs.h).
 */
static enum emu_result exec_mmx(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = emu_ea(e), val = 0;
	enum emu_result r;

	if (fpu_status() & FSW_ES)
		return emu_raise_plain(e, X86_TRAP_MF);
	if (in->row.op == OP_MMX_STORE) {
		if (!mmx_read(in->reg & 7, &val))
			return emu_raise_plain(e, X86_TRAP_MF);
		return emu_write_mem(e, in->mem_seg, ea, in->sse_size, &val);
	}
	r = emu_read_mem(e, in->mem_seg, ea, in->sse_size, &val);
	if (!r && !mmx_write(in->reg & 7, val))
		return emu_raise_plain(e, X86_TRAP_MF);
	return r;
}

static enum emu_result exec_x87(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u16 word = in->row.op == OP_FNSTCW ? fpu_control() : fpu_status();

	if (in->row.op == OP_FNINIT) {
		fpu_init_x87();
		return EMU_DONE;
	}
	if (in->is_mem)
		return emu_write_mem(e, in->mem_seg, emu_ea(e), 2, &word);
	emu_set_reg(e, REG_RAX, 2, word); /* FNSTSW AX */
	return EMU_DONE;
}

/** emu_fpu() - the instructions of this file. */
enum emu_result emu_fpu(struct emu *e)
{
	enum emu_op op = e->priv.insn.row.op;
	enum emu_result r = fpu_allowed(e);

	if (r)
		return r;
	if (op >= OP_FNSTCW)
		return exec_x87(e);
	if (!e->priv.insn.is_mem)
		return EMU_UNHANDLED;
	return op == OP_SSE_LOAD || op == OP_SSE_STORE ? exec_sse(e) : exec_mmx(e);
}
