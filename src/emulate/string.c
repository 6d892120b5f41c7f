// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions and ports. One element is one round of emu_run(); a REP INS or OUTS with
 * ordinary memory goes by up to a page.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/page.h>
#include "emulate/private.h"

/* A port is at most 32 bits wide, whatever REX.W says. */
static u8 port_size(const struct emu_insn *in)
{
	return min_t(u8, in->op_size, 4);
}

static void string_advance(struct emu *e, u8 reg, u8 size, u32 count)
{
	u8 width = e->priv.insn.addr_size;
	u64 by = (u64)size * count;

	if (e->priv.rflags & X86_EFLAGS_DF)
		by = -by;
	emu_set_reg(e, reg, width, e->priv.regs[reg] + by);
}

static u64 string_ea(const struct emu *e, u8 reg)
{
	return emu_reg(e, reg, e->priv.insn.addr_size);
}

static enum emu_result read_source(struct emu *e, u8 size, u64 *val)
{
	*val = 0;
	return emu_read_mem(e, e->priv.insn.mem_seg, string_ea(e, REG_RSI), size, val);
}

static enum emu_result read_destination(struct emu *e, u8 size, u64 *val)
{
	*val = 0;
	return emu_read_mem(e, SEG_ES, string_ea(e, REG_RDI), size, val);
}

/* ------------------------------------------------------------------ ports */

/* The I/O permission map in the TSS (APM 2, 12.2.4): a set bit for any of the ports is #GP. */
static enum emu_result check_io_map(struct emu *e, u16 port, u8 size)
{
	const struct kvm_segment *tr = &e->segs[SEG_TR];
	u16 base = 0, bits = 0;
	enum emu_result r;

	if (!tr->present || tr->limit < 103)
		return emu_raise(e, X86_TRAP_GP, 0);
	r = emu_read_linear(e, tr->base + 102, 2, ACCESS_READ, &base);
	if (r)
		return r;
	if ((u32)base + port / 8 + 1 > tr->limit)
		return emu_raise(e, X86_TRAP_GP, 0);
	r = emu_read_linear(e, tr->base + base + port / 8, 2, ACCESS_READ, &bits);
	if (r)
		return r;
	return bits >> (port & 7) & ((1 << size) - 1) ? emu_raise(e, X86_TRAP_GP, 0) : EMU_DONE;
}

static enum emu_result check_port(struct emu *e, u16 port, u8 size)
{
	if (e->mode == EMU_REAL || (e->mode != EMU_VM86 && e->cpl <= emu_iopl(e)))
		return EMU_DONE;
	return check_io_map(e, port, size);
}

/* Where the answer of a read is: in the list, or a whole batch in effect.data. */
static enum emu_result ask_port(struct emu *e, enum effect_kind kind, u16 port, u8 size, u32 count,
				struct emu_answer **answer)
{
	*answer = emu_answered(e, kind, port, kind == EFFECT_IO_READ ? size : 0);
	if (*answer)
		return EMU_DONE;
	e->effect.kind = kind;
	e->effect.index = port;
	e->effect.len = size;
	e->effect.count = count;
	return EMU_EFFECT;
}

/* IN, OUT. */
enum emu_result emu_port_io(struct emu *e, u64 imm)
{
	const struct emu_insn *in = &e->priv.insn;
	u16 port = in->row.src == ARG_IMM8 ? imm : e->priv.regs[REG_RDX];
	u8 size = port_size(in);
	struct emu_answer *answer;
	enum emu_result r = check_port(e, port, size);

	if (r)
		return r;
	if (in->row.op == OP_OUT) {
		memcpy(e->effect.data, &e->priv.regs[REG_RAX], size);
		return ask_port(e, EFFECT_IO_WRITE, port, size, 1, &answer);
	}
	r = ask_port(e, EFFECT_IO_READ, port, size, 1, &answer);
	if (!r)
		emu_set_reg(e, REG_RAX, size, answer->value[0] & emu_mask(size));
	return r;
}

/*
 * How many elements can go at once, with their memory at *@gpa: more than one only upwards,
 * within a page of ordinary memory. The
 * translation takes the faults of the first element; EMU_DONE with a count of 0: the ordinary
 * way, element by element.
 */
static enum emu_result batch_size(struct emu *e, u8 seg, u8 reg, u8 size, u32 access, u32 *count,
				  gpa_t *gpa)
{
	const struct emu_insn *in = &e->priv.insn;
	u64 ea = string_ea(e, reg), left = emu_reg(e, REG_RCX, in->addr_size);
	gva_t lin;
	enum emu_result r;

	*count = 0;
	if (!in->rep || left < 2 || e->stepped || e->priv.rflags & X86_EFLAGS_DF)
		return EMU_DONE;
	r = emu_linear(e, seg, ea, size, access, &lin);
	if (r)
		return r;
	left = min_t(u64, left, (PAGE_SIZE - offset_in_page(lin)) / size);
	/* Neither the offset may wrap nor the segment end in the middle of a batch. */
	if (left < 2 || ea + left * size - 1 > emu_mask(in->addr_size) ||
	    (e->mode != EMU_PROT64 && (u64)ea + left * size - 1 > e->segs[seg].limit))
		return EMU_DONE;
	r = emu_translate(e, lin, e->cpl == 3 ? access | ACCESS_USER : access, gpa);
	if (!r && emu_is_memory(e, *gpa, access))
		*count = left;
	return r;
}

/* @count elements have gone at once; emu_string() counts one of them. */
static void string_moved(struct emu *e, u8 reg, u8 size, u32 count)
{
	struct emu_private *p = &e->priv;

	string_advance(e, reg, size, count);
	p->rounds += count - 1;
	if (p->insn.rep)
		emu_set_reg(e, REG_RCX, p->insn.addr_size, p->regs[REG_RCX] - (count - 1));
}

static enum emu_result string_in(struct emu *e)
{
	struct emu_private *p = &e->priv;
	u8 size = port_size(&p->insn);
	u16 port = p->regs[REG_RDX];
	struct emu_answer *answer;
	gva_t lin;
	gpa_t gpa;
	u32 count;
	enum emu_result r = check_port(e, port, size);

	/* Faults of the destination come before the port is read. */
	if (!r)
		r = emu_linear(e, SEG_ES, string_ea(e, REG_RDI), size, ACCESS_WRITE, &lin);
	if (!r)
		r = batch_size(e, SEG_ES, REG_RDI, size, ACCESS_WRITE, &count, &gpa);
	if (r)
		return r;
	if (count) {
		r = ask_port(e, EFFECT_IO_READ, port, size, count, &answer);
		if (r)
			return r;
		p->write[p->nr_writes++] =
			(struct emu_write){ .gpa = gpa, .len = size * count, .bulk = true };
	} else {
		u64 val = 0;

		count = 1;
		r = emu_write_mem(e, SEG_ES, string_ea(e, REG_RDI), size, &val);
		if (!r)
			r = ask_port(e, EFFECT_IO_READ, port, size, 1, &answer);
		if (r)
			return r;
		p->nr_writes = 0;
		r = emu_write_mem(e, SEG_ES, string_ea(e, REG_RDI), size, answer->value);
		if (r)
			return r;
	}
	string_moved(e, REG_RDI, size, count);
	return EMU_DONE;
}

static enum emu_result string_out(struct emu *e)
{
	struct emu_private *p = &e->priv;
	u8 size = port_size(&p->insn);
	u16 port = p->regs[REG_RDX];
	struct emu_answer *answer;
	gpa_t gpa;
	u32 count;
	u64 val;
	enum emu_result r = check_port(e, port, size);

	if (!r)
		r = batch_size(e, p->insn.mem_seg, REG_RSI, size, ACCESS_READ, &count, &gpa);
	if (r)
		return r;
	/* The answer first: what is in effect.data then has been sent already. */
	if (p->next_answer == p->nr_answers && count) {
		if (vm_read_guest(e->vm, gpa, e->effect.data, size * count))
			return EMU_BAD_HVA;
	} else if (!count) {
		r = read_source(e, size, &val);
		if (r)
			return r;
		memcpy(e->effect.data, &val, size);
		count = 1;
	}
	r = ask_port(e, EFFECT_IO_WRITE, port, size, count, &answer);
	if (r)
		return r;
	string_moved(e, REG_RSI, size, count);
	return EMU_DONE;
}

/* ------------------------------------------------------------------ memory */

static enum emu_result string_move(struct emu *e, u8 size)
{
	u64 val;
	enum emu_result r = read_source(e, size, &val);

	if (!r)
		r = emu_write_mem(e, SEG_ES, string_ea(e, REG_RDI), size, &val);
	if (r)
		return r;
	string_advance(e, REG_RSI, size, 1);
	string_advance(e, REG_RDI, size, 1);
	return EMU_DONE;
}

static enum emu_result string_compare(struct emu *e, u8 size)
{
	u64 a, b;
	enum emu_result r = read_source(e, size, &a);

	if (!r)
		r = read_destination(e, size, &b);
	if (r)
		return r;
	emu_alu(OP_CMP, size, a, b, &e->priv.rflags);
	string_advance(e, REG_RSI, size, 1);
	string_advance(e, REG_RDI, size, 1);
	return EMU_DONE;
}

static enum emu_result string_scan(struct emu *e, u8 size)
{
	u64 val;
	enum emu_result r = read_destination(e, size, &val);

	if (r)
		return r;
	emu_alu(OP_CMP, size, emu_reg(e, REG_RAX, size), val, &e->priv.rflags);
	string_advance(e, REG_RDI, size, 1);
	return EMU_DONE;
}

static enum emu_result string_store(struct emu *e, u8 size)
{
	enum emu_result r =
		emu_write_mem(e, SEG_ES, string_ea(e, REG_RDI), size, &e->priv.regs[REG_RAX]);

	if (!r)
		string_advance(e, REG_RDI, size, 1);
	return r;
}

static enum emu_result string_load(struct emu *e, u8 size)
{
	u64 val;
	enum emu_result r = read_source(e, size, &val);

	if (r)
		return r;
	emu_set_reg(e, REG_RAX, size, val);
	string_advance(e, REG_RSI, size, 1);
	return EMU_DONE;
}

static enum emu_result string_element(struct emu *e)
{
	u8 size = e->priv.insn.op_size;

	switch (e->priv.insn.row.op) {
	case OP_MOVS: return string_move(e, size);
	case OP_CMPS: return string_compare(e, size);
	case OP_SCAS: return string_scan(e, size);
	case OP_STOS: return string_store(e, size);
	case OP_LODS: return string_load(e, size);
	case OP_INS: return string_in(e);
	default: return string_out(e);
	}
}

/* CMPS and SCAS end at a difference with REPE, at a match with REPNE. */
static bool string_found(const struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	bool zf = e->priv.rflags & X86_EFLAGS_ZF;

	return (in->row.op == OP_CMPS || in->row.op == OP_SCAS) && zf != (in->rep == 0xf3);
}

/** emu_string() - one element; with REP, priv.again says whether there is another. */
enum emu_result emu_string(struct emu *e)
{
	struct emu_private *p = &e->priv;
	u8 width = p->insn.addr_size;
	u64 left;
	enum emu_result r;

	if (!p->insn.rep)
		return string_element(e);
	if (!emu_reg(e, REG_RCX, width))
		return EMU_DONE;
	r = string_element(e);
	if (r)
		return r;
	left = (p->regs[REG_RCX] - 1) & emu_mask(width);
	emu_set_reg(e, REG_RCX, width, left);
	p->again = left && !string_found(e);
	return EMU_DONE;
}
