// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of an emulated instruction:
 *
 *	decode -> execute on a copy of the registers -> write memory -> load segments -> the last
 *	effect -> done
 *
 * Executing has no side effect. When it needs an answer it stops, and is done over from its
 * beginning when the answer is there: the answers so far
 * are kept in order. From the first write on nothing is done over; what is left is a list.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include "emulate/private.h"

/* Elements of a REP that are done before the caller can look for interrupts. */
#define MAX_ROUNDS 256

/** emu_raise() - an exception with an error code (which real mode does not have). */
enum emu_result emu_raise(struct emu *e, u8 vector, u32 error)
{
	e->fault = (struct hw_event){
		.kind = EVENT_EXCEPTION,
		.vector = vector,
		.has_error = e->mode != EMU_REAL,
		.error = e->mode != EMU_REAL ? error : 0,
	};
	e->fault_addr = 0;
	return EMU_FAULT;
}

enum emu_result emu_raise_plain(struct emu *e, u8 vector)
{
	e->fault = (struct hw_event){ .kind = EVENT_EXCEPTION, .vector = vector };
	e->fault_addr = 0;
	return EMU_FAULT;
}

/**
 * emu_answered() - the next answer, if it is to this question; NULL: ask, the answer will be
 * found the next time. An answer to another
 * question (the guest's memory changed under the instruction) is forgotten with all that follow.
 */
struct emu_answer *emu_answered(struct emu *e, enum effect_kind kind, u64 where, u32 len)
{
	struct emu_private *p = &e->priv;
	struct emu_answer *a;

	if (p->next_answer < p->nr_answers) {
		a = &p->answer[p->next_answer];
		if (a->kind == kind && a->where == where && a->len == (u8)len) {
			p->next_answer++;
			return a;
		}
		p->nr_answers = p->next_answer;
	}
	return NULL;
}

/**
 * emu_ask() - an effect with an index and one value, both ways. EMU_FAULT is #GP(0): the answer
 * was a fault.
 */
enum emu_result emu_ask(struct emu *e, enum effect_kind kind, u32 index, u64 *value)
{
	struct emu_answer *a = emu_answered(e, kind, index, 0);

	if (!a) {
		e->effect.kind = kind;
		e->effect.index = index;
		e->effect.value = *value;
		e->effect.len = e->effect.count = 0;
		return EMU_EFFECT;
	}
	*value = a->value[0];
	return a->fault ? emu_raise(e, X86_TRAP_GP, 0) : EMU_DONE;
}

void emu_at_end(struct emu *e, enum effect_kind kind, u64 value)
{
	e->priv.last = kind;
	e->priv.last_value = value;
}

/* The effect that was returned last has been carried out. */
static enum emu_result take_answer(struct emu *e)
{
	struct emu_private *p = &e->priv;
	struct emu_effect *ef = &e->effect;
	struct emu_answer *a;

	if (ef->kind == EFFECT_NONE || p->phase != PHASE_EXECUTE)
		return EMU_DONE;
	if (p->nr_answers == EMU_MAX_ANSWERS)
		return EMU_UNHANDLED;
	a = &p->answer[p->nr_answers++];
	a->kind = ef->kind;
	a->len = ef->kind == EFFECT_IO_READ || ef->kind == EFFECT_MMIO_READ ? ef->len : 0;
	a->fault = ef->answer_fault;
	a->where = ef->kind == EFFECT_MMIO_READ ? ef->gpa : ef->index;
	a->value[0] = ef->value;
	/* A batch of string I/O stays in effect.data. */
	if (a->len)
		memcpy(a->value, ef->data, min_t(u32, ef->len, sizeof(a->value)));
	return EMU_DONE;
}

static void execute_begin(struct emu *e)
{
	struct emu_private *p = &e->priv;
	u64 next = e->rip + p->insn.len;

	memcpy(p->regs, e->regs, sizeof(p->regs));
	p->rip = e->mode == EMU_PROT64 ? next : (u32)next;
	p->rflags = e->rflags;
	p->shadow = 0;
	p->again = false;
	p->next_answer = 0;
	p->nr_writes = p->next_write = 0;
	p->nr_segs = p->next_seg = 0;
	p->last = EFFECT_NONE;
	p->last_index = 0;
}

static enum emu_result check_privilege(struct emu *e)
{
	const struct emu_insn *in = &e->priv.insn;
	u16 flags = in->row.flags;

	if (in->row.op == OP_UNHANDLED || in->row.op == OP_KNOWN)
		return EMU_UNHANDLED;
	if (in->row.op == OP_UD || (flags & ROW_NO64 && e->mode == EMU_PROT64) ||
	    (flags & ROW_PROT && !emu_protected(e)) || (flags & ROW_MEMONLY && !in->is_mem))
		return emu_raise_plain(e, X86_TRAP_UD);
	/* LOCK CR0 is another name of CR8 (APM 3, MOV CRn). */
	if (in->lock && !(flags & ROW_LOCK && in->is_mem) && in->row.op != OP_READ_CR &&
	    in->row.op != OP_WRITE_CR)
		return emu_raise_plain(e, X86_TRAP_UD);
	if (flags & ROW_PRIV && e->cpl)
		return emu_raise(e, X86_TRAP_GP, 0);
	return EMU_DONE;
}

static enum emu_result emu_execute_checked(struct emu *e)
{
	enum emu_result r = check_privilege(e);

	if (r)
		return r;
	execute_begin(e);
	r = emu_execute(e);
	if (!r)
		e->priv.phase = PHASE_WRITE;
	return r;
}

static enum emu_result commit_segments(struct emu *e)
{
	struct emu_private *p = &e->priv;

	if (p->next_seg == p->nr_segs)
		return EMU_DONE;
	e->effect.kind = EFFECT_SEG_LOAD;
	e->effect.index = p->seg[p->next_seg].seg;
	e->effect.value = p->seg[p->next_seg].value.selector;
	e->segs[e->effect.index] = p->seg[p->next_seg].value;
	p->next_seg++;
	return EMU_EFFECT;
}

static enum emu_result last_effect(struct emu *e)
{
	struct emu_private *p = &e->priv;
	enum effect_kind kind = p->last;

	if (kind == EFFECT_NONE)
		return EMU_DONE;
	p->last = EFFECT_NONE;
	if (kind == EFFECT_LGDT)
		e->gdt = p->table;
	if (kind == EFFECT_LIDT)
		e->idt = p->table;
	e->effect.kind = kind;
	e->effect.index = p->last_index;
	e->effect.value = p->last_value;
	return EMU_EFFECT;
}

/* All is written: the registers are the guest's now. */
static void commit_registers(struct emu *e)
{
	struct emu_private *p = &e->priv;

	memcpy(e->regs, p->regs, sizeof(p->regs));
	if (!p->again)
		e->rip = p->rip;
	e->rflags = p->rflags;
	e->shadow = p->shadow;
}

/* One step of the way on. EMU_DONE: a step was made. */
static enum emu_result emu_step(struct emu *e)
{
	struct emu_private *p = &e->priv;
	enum emu_result r;

	switch (p->phase) {
	case PHASE_DECODE:
		r = emu_decode(e);
		if (!r)
			p->phase = PHASE_EXECUTE;
		return r;
	case PHASE_EXECUTE: return emu_execute_checked(e);
	case PHASE_WRITE:
		r = emu_commit_writes(e);
		if (!r) {
			commit_registers(e);
			p->phase = PHASE_SEGMENTS;
		}
		return r;
	case PHASE_SEGMENTS:
		r = commit_segments(e);
		if (!r)
			p->phase = PHASE_LAST;
		return r;
	default: return last_effect(e);
	}
}

void emu_begin(struct emu *e)
{
	struct emu_private *p = &e->priv;

	p->phase = PHASE_DECODE;
	p->rounds = 0;
	p->nr_answers = 0;
	e->effect.kind = EFFECT_NONE;
	e->shadow = 0;
}

/* The next element of a REP, with a clean slate. false: enough for now. */
static bool next_round(struct emu *e)
{
	struct emu_private *p = &e->priv;

	if (!p->again || e->stepped || ++p->rounds >= MAX_ROUNDS)
		return false;
	p->nr_answers = 0;
	p->phase = PHASE_EXECUTE;
	return true;
}

enum emu_result emu_run(struct emu *e)
{
	enum emu_result r = take_answer(e);

	e->effect.kind = EFFECT_NONE;
	if (r)
		return r;
	for (;;) {
		bool last = e->priv.phase == PHASE_LAST;

		r = emu_step(e);
		if (r)
			return r;
		if (last && !next_round(e))
			return EMU_DONE;
	}
}

int emu_insn_length(struct emu *e)
{
	enum emu_result r = emu_decode(e);

	if (r == EMU_BAD_HVA)
		return -EFAULT;
	if (r || e->priv.insn.row.op == OP_UNHANDLED)
		return -EINVAL;
	return e->priv.insn.len;
}
