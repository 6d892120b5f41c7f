// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's memory as an instruction sees it: segment and canonical checks, the walk, memory or
 * MMIO.
 *
 * Reads are done (or asked for) when they come; writes are collected, with all their faults
 * taken, and done when the
 * instruction can't fail any more.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/page.h>
#include "emulate/private.h"

/* Type bits of a segment (APM 2, 4.7). */
#define TYPE_CODE	 8
#define TYPE_EXPAND_DOWN 4
#define TYPE_WRITABLE	 2 /* of data; of code: readable */

static enum emu_result segment_fault(struct emu *e, u8 seg)
{
	return emu_raise(e, seg == SEG_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

static bool segment_allows(const struct emu *e, const struct kvm_segment *s, u32 access)
{
	if (!emu_protected(e) || access & ACCESS_FETCH)
		return true;
	if (s->unusable || !s->present)
		return false;
	if (s->type & TYPE_CODE)
		return !(access & ACCESS_WRITE) && s->type & TYPE_WRITABLE;
	return !(access & ACCESS_WRITE) || s->type & TYPE_WRITABLE;
}

static bool segment_holds(const struct kvm_segment *s, u64 ea, u32 size)
{
	u64 last = ea + size - 1, top = s->db ? 0xffffffff : 0xffff;

	if (!(s->type & TYPE_CODE) && s->type & TYPE_EXPAND_DOWN && s->s)
		return ea > s->limit && last <= top;
	return last <= s->limit;
}

static bool lin_canonical(const struct emu *e, u64 lin)
{
	u8 shift = 64 - (e->paging.cr4 & X86_CR4_LA57 ? 57 : 48);

	return (u64)((s64)(lin << shift) >> shift) == lin;
}

/**
 * emu_linear() - the linear address of @size bytes at @ea of @seg, checked for @access
 * (ACCESS_READ, WRITE, FETCH).
 * EMU_FAULT: #SS or #GP.
 */
enum emu_result emu_linear(struct emu *e, u8 seg, u64 ea, u32 size, u32 access, gva_t *lin)
{
	const struct kvm_segment *s = &e->segs[seg];

	if (e->mode == EMU_PROT64) {
		*lin = ea + (seg == SEG_FS || seg == SEG_GS ? s->base : 0);
		if (!lin_canonical(e, *lin) || !lin_canonical(e, *lin + size - 1))
			return segment_fault(e, seg);
		return EMU_DONE;
	}
	if (!segment_allows(e, s, access) || !segment_holds(s, ea, size))
		return segment_fault(e, seg);
	*lin = (u32)(s->base + ea);
	return EMU_DONE;
}

static enum emu_result emu_page_fault(struct emu *e, const struct walk_fault *fault)
{
	e->fault = (struct hw_event){
		.kind = EVENT_EXCEPTION,
		.vector = X86_TRAP_PF,
		.has_error = true,
		.error = fault->error_code,
	};
	e->fault_addr = fault->gva;
	return EMU_FAULT;
}

/**
 * emu_is_memory() - is there memory at @gpa for this access, or is it MMIO? A write to a read-
 * only slot is MMIO, too.
 */
bool emu_is_memory(struct emu *e, gpa_t gpa, u32 access)
{
	struct memslot *slot = memslot_find(memslots(e->vm), gpa_to_gfn(gpa));

	return slot && !(access & ACCESS_WRITE && slot->flags & KVM_MEM_READONLY);
}

/**
 * emu_translate() - walk the guest's page tables. @access: with ACCESS_USER unless the access is
 * the processor's own.
 */
enum emu_result emu_translate(struct emu *e, gva_t lin, u32 access, gpa_t *gpa)
{
	struct walk_fault fault = { 0 };

	*gpa = mmu_walk(e->vm, &e->paging, lin, access, &fault);
	if (*gpa != INVALID_GPA)
		return EMU_DONE;
	if (fault.present_in_slot)
		return emu_page_fault(e, &fault);
	/* A page table of the guest is where nothing is, or where the VMM has nothing. */
	return emu_is_memory(e, fault.table_gpa, ACCESS_READ) ? EMU_BAD_HVA : EMU_UNHANDLED;
}

static u32 user_access(const struct emu *e, u32 access)
{
	return e->cpl == 3 ? access | ACCESS_USER : access;
}

/* ------------------------------------------------------------------ reading */

static enum emu_result read_mmio(struct emu *e, gpa_t gpa, u32 len, void *data)
{
	struct emu_answer *a = emu_answered(e, EFFECT_MMIO_READ, gpa, len);

	if (a) {
		memcpy(data, a->value, len);
		return EMU_DONE;
	}
	e->effect.kind = EFFECT_MMIO_READ;
	e->effect.gpa = gpa;
	e->effect.len = len;
	e->effect.count = 1;
	return EMU_EFFECT;
}

/* An instruction sees what it has written itself. */
static void overlay_writes(const struct emu *e, gpa_t gpa, u32 len, u8 *data)
{
	const struct emu_private *p = &e->priv;
	u32 i, n;

	for (i = 0; i < p->nr_writes; i++)
		for (n = 0; n < len; n++)
			if (gpa + n >= p->write[i].gpa &&
			    gpa + n < p->write[i].gpa + p->write[i].len && !p->write[i].bulk)
				data[n] = p->write[i].data[gpa + n - p->write[i].gpa];
}

static enum emu_result read_piece(struct emu *e, gva_t lin, u32 len, u32 access, u8 *data)
{
	gpa_t gpa;
	enum emu_result r = emu_translate(e, lin, access, &gpa);

	if (r)
		return r;
	if (!emu_is_memory(e, gpa, ACCESS_READ))
		return read_mmio(e, gpa, len, data);
	if (vm_read_guest(e->vm, gpa, data, len))
		return EMU_BAD_HVA;
	overlay_writes(e, gpa, len, data);
	return EMU_DONE;
}

static u32 lin_bytes_in_page(gva_t lin, u32 len)
{
	return min_t(u32, len, PAGE_SIZE - offset_in_page(lin));
}

/**
 * emu_read_linear() - @len bytes (at most two pages are touched); where there is MMIO, one
 * question per page.
 */
enum emu_result emu_read_linear(struct emu *e, gva_t lin, u32 len, u32 access, void *data)
{
	u32 first = lin_bytes_in_page(lin, len);
	enum emu_result r = read_piece(e, lin, first, access, data);

	if (r || first == len)
		return r;
	return read_piece(e, lin + first, len - first, access, (u8 *)data + first);
}

/** emu_read_mem() - what an ordinary operand does. */
enum emu_result emu_read_mem(struct emu *e, u8 seg, u64 ea, u32 len, void *data)
{
	gva_t lin;
	enum emu_result r = emu_linear(e, seg, ea, len, ACCESS_READ, &lin);

	return r ? r : emu_read_linear(e, lin, len, user_access(e, ACCESS_READ), data);
}

/* ------------------------------------------------------------------ writing */

static enum emu_result write_piece(struct emu *e, gva_t lin, u32 len, u32 access, const void *data,
				   const void *old)
{
	struct emu_private *p = &e->priv;
	struct emu_write *w;
	gpa_t gpa;
	enum emu_result r = emu_translate(e, lin, access, &gpa);

	if (r)
		return r;
	if (p->nr_writes == EMU_MAX_WRITES || len > sizeof(w->data))
		return EMU_UNHANDLED;
	w = &p->write[p->nr_writes++];
	w->gpa = gpa;
	w->len = len;
	w->mmio = !emu_is_memory(e, gpa, ACCESS_WRITE);
	w->bulk = false;
	w->atomic = old && !w->mmio;
	memcpy(w->data, data, len);
	if (old)
		memcpy(w->old, old, len);
	return EMU_DONE;
}

/**
 * emu_write_linear() - collect a write. @old: what was read there, when the write may only happen
 * if it still is; else NULL.
 */
enum emu_result emu_write_linear(struct emu *e, gva_t lin, u32 len, u32 access, const void *data,
				 const void *old)
{
	u32 first = lin_bytes_in_page(lin, len);
	enum emu_result r;

	if (first == len)
		return write_piece(e, lin, len, access, data, old);
	/* A lock across pages would need both at once; such a write is two. */
	r = write_piece(e, lin, first, access, data, NULL);
	return r ? r
		 : write_piece(e, lin + first, len - first, access, (const u8 *)data + first, NULL);
}

enum emu_result emu_write_mem(struct emu *e, u8 seg, u64 ea, u32 len, const void *data)
{
	return emu_update_mem(e, seg, ea, len, data, NULL);
}

/** emu_update_mem() - as emu_write_mem(), if the memory is still @old (a locked instruction). */
enum emu_result emu_update_mem(struct emu *e, u8 seg, u64 ea, u32 len, const void *data,
			       const void *old)
{
	gva_t lin;
	enum emu_result r = emu_linear(e, seg, ea, len, ACCESS_WRITE, &lin);

	return r ? r : emu_write_linear(e, lin, len, user_access(e, ACCESS_WRITE), data, old);
}

static enum emu_result write_mmio(struct emu *e, const struct emu_write *w)
{
	e->effect.kind = EFFECT_MMIO_WRITE;
	e->effect.gpa = w->gpa;
	e->effect.len = w->len;
	e->effect.count = 1;
	memcpy(e->effect.data, w->data, w->len);
	return EMU_EFFECT;
}

/*
 * Someone else wrote in between: the instruction begins again, and has done nothing yet, since a
 * locked write is its only one. It begins in the guest: other vCPUs that never stop writing there
 * must not keep this thread from its signals.
 */
static enum emu_result write_atomic(struct emu *e, struct emu_write *w)
{
	int r = vm_cmpxchg_guest(e->vm, w->gpa, w->old, w->data, w->len);

	if (r < 0)
		return EMU_BAD_HVA;
	return r ? EMU_AGAIN : EMU_DONE;
}

/** emu_commit_writes() - do them, one after the other; may be interrupted by questions. */
enum emu_result emu_commit_writes(struct emu *e)
{
	struct emu_private *p = &e->priv;

	while (p->next_write < p->nr_writes) {
		struct emu_write *w = &p->write[p->next_write++];
		enum emu_result r = EMU_DONE;

		if (w->mmio)
			r = write_mmio(e, w);
		else if (w->atomic)
			r = write_atomic(e, w);
		else if (vm_write_guest(e->vm, w->gpa, w->bulk ? e->effect.data : w->data, w->len))
			r = EMU_BAD_HVA;
		if (r)
			return r;
	}
	return EMU_DONE;
}

/* ------------------------------------------------------------------ fetching */

/**
 * emu_fetch() - more bytes of the instruction into e->insn: up to the end of the page, or the
 * first of the next one.
 * EMU_FAULT; EMU_UNHANDLED: code in MMIO; EMU_BAD_HVA.
 */
enum emu_result emu_fetch(struct emu *e)
{
	u64 ea = e->rip + e->insn_len;
	u32 want = EMU_MAX_INSN - e->insn_len;
	gva_t lin;
	gpa_t gpa;
	enum emu_result r;

	r = emu_linear(e, SEG_CS, ea, 1, ACCESS_FETCH, &lin);
	if (!r)
		r = emu_translate(e, lin, user_access(e, ACCESS_FETCH), &gpa);
	if (r)
		return r;
	want = lin_bytes_in_page(lin, want);
	/* The limit of the segment may be nearer than the end of the page. */
	if (e->mode != EMU_PROT64 && ea + want - 1 > e->segs[SEG_CS].limit)
		want = e->segs[SEG_CS].limit - ea + 1;
	if (!emu_is_memory(e, gpa, ACCESS_READ))
		return EMU_UNHANDLED;
	if (vm_read_guest(e->vm, gpa, e->insn + e->insn_len, want))
		return EMU_BAD_HVA;
	e->insn_len += want;
	return EMU_DONE;
}
