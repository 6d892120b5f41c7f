// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables, walked as its CPU would (APM 2, chapter 5; SDM 3A, chapter 4).
 *
 * Formats differ in a few numbers, which stand in one table; the walk is the same for all. Tables
 * are read, and their accessed and dirty bits set, through the VMM's mapping, by atomic accesses of
 * the entry's own size.
 */
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <asm/msr-index.h>
#include <asm/trap_pf.h>
#include "mmu/tdp.h"

/*
 * A guest's entry; the same in all formats (APM 2, 5.4.1), NX and the key only in those of 8 bytes.
 */
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_KEY_SHIFT	59

enum paging_kind { PAGING_NONE, PAGING_32, PAGING_PAE, PAGING_4LEVEL, PAGING_5LEVEL };

static const struct paging_format {
	u8 levels;
	u8 entry_size;			/* bytes */
	u8 index_bits;			/* of all levels but the top one of PAE, which has 2 */
	u64 root_mask;			/* where CR3 has the address of the top table */
	u64 high_reserved;	/* bits 62:52 that must be zero; below, MAXPHYADDR decides */
} paging_formats[] = {
	[PAGING_32] = { 2, 4, 10, GENMASK_ULL(31, 12), 0 },
	[PAGING_PAE] = { 3, 8, 9, GENMASK_ULL(31, 5), GENMASK_ULL(62, 52) },
	[PAGING_4LEVEL] = { 4, 8, 9, GENMASK_ULL(51, 12), 0 },
	[PAGING_5LEVEL] = { 5, 8, 9, GENMASK_ULL(51, 12), 0 },
};

#define WALK_MAX_LEVELS 5

/* One table entry on the way, and where it stands. */
struct walk_step {
	struct memslot *slot;
	gfn_t gfn;
	void __user *at;
	u64 pte;
};

struct walk {
	struct vm *vm;
	const struct guest_paging *p;
	const struct paging_format *format;
	enum paging_kind kind;
	gva_t gva;
	u32 access;
	int level;			/* of the leaf, when the walk is through; 1: 4K */
	struct walk_step step[WALK_MAX_LEVELS + 1];	/* by level */
	bool user, write, nx;		/* what all levels together allow, or forbid */
	struct walk_fault *fault;
};

enum walk_result { WALK_OK, WALK_FAULT, WALK_AGAIN };

static enum paging_kind paging_kind(const struct guest_paging *p)
{
	if (!(p->cr0 & X86_CR0_PG))
		return PAGING_NONE;
	if (p->efer & EFER_LMA)
		return p->cr4 & X86_CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
	return p->cr4 & X86_CR4_PAE ? PAGING_PAE : PAGING_32;
}

static bool walk_nx_enabled(const struct walk *w)
{
	return w->kind >= PAGING_PAE && (w->p->efer & EFER_NX);
}

/* ------------------------------------------------------------------ faults */

/* APM 2, 8.4.2: the error code of #PF. */
static enum walk_result walk_fault(struct walk *w, u32 cause)
{
	u32 code = cause;

	if (w->access & ACCESS_WRITE)
		code |= X86_PF_WRITE;
	if (w->access & ACCESS_USER)
		code |= X86_PF_USER;
	if ((w->access & ACCESS_FETCH) && (walk_nx_enabled(w) || (w->p->cr4 & X86_CR4_SMEP)))
		code |= X86_PF_INSTR;
	*w->fault =
		(struct walk_fault){ .error_code = code, .gva = w->gva, .present_in_slot = true };
	return WALK_FAULT;
}

/* A table is where no memory is. */
static enum walk_result walk_lost(struct walk *w, gpa_t table_gpa)
{
	walk_fault(w, 0);
	w->fault->present_in_slot = false;
	w->fault->table_gpa = table_gpa;
	return WALK_FAULT;
}

/* ------------------------------------------------------------------ one level */

static int level_shift(const struct paging_format *format, int level)
{
	return 12 + format->index_bits * (level - 1);
}

static u32 walk_index(const struct walk *w, int level)
{
	const bool pae_top = w->kind == PAGING_PAE && level == 3;

	return (w->gva >> level_shift(w->format, level)) &
	       (pae_top ? 3 : BIT(w->format->index_bits) - 1);
}

static bool step_locate(struct walk *w, struct walk_step *step, gpa_t gpa)
{
	step->gfn = gpa_to_gfn(gpa);
	step->slot = memslot_find(memslots(w->vm), step->gfn);
	if (!step->slot)
		return false;
	step->at = (void __user *)(memslot_gfn_to_hva(step->slot, step->gfn) + offset_in_page(gpa));
	return true;
}

static int step_read(const struct walk *w, struct walk_step *step)
{
	u32 pte32;

	if (w->format->entry_size == 8)
		return get_user(step->pte, (u64 __user *)step->at);
	if (get_user(pte32, (u32 __user *)step->at))
		return -EFAULT;
	step->pte = pte32;
	return 0;
}

/* PAE's top entries hold an address and three bits, no permissions (APM 2, 5.3.3). */
static bool is_pdpte(const struct walk *w, int level)
{
	return w->kind == PAGING_PAE && level == 3;
}

static bool is_large(const struct walk *w, int level, u64 pte)
{
	if (!(pte & PTE_PS) || is_pdpte(w, level))
		return false;
	if (w->kind == PAGING_32)
		return level == 2 && (w->p->cr4 & X86_CR4_PSE);
	return level == 2 || level == 3;
}

/*
 * A 4M page has address bits 39:32 in 20:13; bit 21, and what MAXPHYADDR doesn't reach, must be
 * zero (APM 2, 5.2.2).
 */
static u64 reserved_4m(u8 phys_bits)
{
	const int high = clamp_t(int, phys_bits, 32, 40) - 32;

	return GENMASK_ULL(21, 13) & ~(((1ULL << high) - 1) << 13);
}

/* Bits of the entry that must be zero. */
static u64 reserved_bits(const struct walk *w, int level, u64 pte)
{
	u64 reserved;

	if (w->kind == PAGING_32)
		return is_large(w, level, pte) ? reserved_4m(w->p->phys_bits) : 0;
	reserved = w->format->high_reserved;
	if (w->p->phys_bits < 52)
		reserved |= GENMASK_ULL(51, w->p->phys_bits);
	if (is_pdpte(w, level))
		return reserved | PTE_NX | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	if (!walk_nx_enabled(w))
		reserved |= PTE_NX;
	if (level > 3)
		reserved |= PTE_PS;
	if (is_large(w, level, pte))
		reserved |= GENMASK_ULL(level_shift(w->format, level) - 1, 13);
	return reserved;
}

static void walk_collect(struct walk *w, int level, u64 pte)
{
	if (is_pdpte(w, level))
		return;
	w->user &= !!(pte & PTE_U);
	w->write &= !!(pte & PTE_W);
	w->nx |= walk_nx_enabled(w) && (pte & PTE_NX);
}

static u64 pte_address(const struct walk *w, u64 pte)
{
	return pte & (w->kind == PAGING_32 ? GENMASK_ULL(31, 12) : GENMASK_ULL(51, 12));
}

/* ------------------------------------------------------------------ permissions */

/* SDM 3A, 4.6.2; APM 2, 5.6.7: a user page's key, for data accesses. */
static bool key_forbids(const struct walk *w)
{
	const u64 pte = w->step[w->level].pte;
	const u32 rights = w->p->pkru >> (2 * ((pte >> PTE_KEY_SHIFT) & 15));

	if (w->kind < PAGING_4LEVEL || !(w->p->cr4 & X86_CR4_PKE) || !w->user ||
	    (w->access & ACCESS_FETCH))
		return false;
	if (rights & 1)
		return true;
	return (rights & 2) && (w->access & ACCESS_WRITE) &&
	       ((w->access & ACCESS_USER) || (w->p->cr0 & X86_CR0_WP));
}

static bool supervisor_allowed(const struct walk *w)
{
	if ((w->access & ACCESS_WRITE) && !w->write && (w->p->cr0 & X86_CR0_WP))
		return false;
	if (!w->user)
		return true;
	if (w->access & ACCESS_FETCH)
		return !(w->p->cr4 & X86_CR4_SMEP);
	return !(w->p->cr4 & X86_CR4_SMAP) || w->p->ac;
}

static bool user_allowed(const struct walk *w)
{
	return w->user && (w->write || !(w->access & ACCESS_WRITE));
}

static enum walk_result walk_permit(struct walk *w)
{
	const bool mode_ok = w->access & ACCESS_USER ? user_allowed(w) : supervisor_allowed(w);
	const bool nx_ok = !((w->access & ACCESS_FETCH) && w->nx);
	const bool key_ok = !key_forbids(w);

	if (mode_ok && nx_ok && key_ok)
		return WALK_OK;
	return walk_fault(w, X86_PF_PROT | (key_ok ? 0 : X86_PF_PK));
}

/* ------------------------------------------------------------------ accessed and dirty */

static int step_swap(const struct walk *w, struct walk_step *step, u64 new)
{
	u32 old32 = step->pte;

	if (w->format->entry_size == 8)
		return __try_cmpxchg_user((u64 __user *)step->at, &step->pte, new, fault64);
	return __try_cmpxchg_user((u32 __user *)step->at, &old32, (u32)new, fault32);
}

/*
 * Another CPU may have changed the entry since it was read: then the whole walk begins anew. A
 * table in a read-only slot keeps its bits as a ROM would.
 */
static enum walk_result step_mark(struct walk *w, int level, u64 bits)
{
	struct walk_step *step = &w->step[level];
	int changed;

	if (!(bits & ~step->pte) || (step->slot->flags & KVM_MEM_READONLY))
		return WALK_OK;
	if (!access_ok(step->at, w->format->entry_size))
		return walk_lost(w, gfn_to_gpa(step->gfn) + offset_in_page(step->at));
	changed = step_swap(w, step, step->pte | bits);
	if (changed < 0)
		return walk_lost(w, gfn_to_gpa(step->gfn) + offset_in_page(step->at));
	if (changed)
		return WALK_AGAIN;
	memslot_mark_dirty(step->slot, step->gfn);
	return WALK_OK;
}

static enum walk_result walk_mark(struct walk *w)
{
	enum walk_result res;
	int level;

	for (level = w->format->levels; level >= w->level; level--) {
		u64 bits = is_pdpte(w, level) ? 0 : PTE_A;

		if (level == w->level && (w->access & ACCESS_WRITE))
			bits |= PTE_D;
		res = step_mark(w, level, bits);
		if (res != WALK_OK)
			return res;
	}
	return WALK_OK;
}

/* ------------------------------------------------------------------ the walk */

/* Down to the leaf: w->level, w->step[], and what the levels allow. */
static enum walk_result walk_down(struct walk *w)
{
	gpa_t table = w->p->cr3 & w->format->root_mask;
	int level;

	w->user = true;
	w->write = true;
	w->nx = false;
	for (level = w->format->levels; ; level--) {
		const gpa_t gpa = table + walk_index(w, level) * w->format->entry_size;
		struct walk_step *step = &w->step[level];

		if (!step_locate(w, step, gpa) || step_read(w, step))
			return walk_lost(w, gpa);
		if (!(step->pte & PTE_P))
			return walk_fault(w, 0);
		if (step->pte & reserved_bits(w, level, step->pte))
			return walk_fault(w, X86_PF_PROT | X86_PF_RSVD);
		walk_collect(w, level, step->pte);
		w->level = level;
		if (level == 1 || is_large(w, level, step->pte))
			return WALK_OK;
		table = pte_address(w, step->pte);
	}
}

static gpa_t walk_gpa(const struct walk *w)
{
	const u64 pte = w->step[w->level].pte;
	const u64 offset = BIT_ULL(level_shift(w->format, w->level)) - 1;
	u64 base = pte_address(w, pte) & ~offset;

	if (w->kind == PAGING_32 && w->level == 2)
		base |= (pte & GENMASK_ULL(20, 13)) << 19;
	return base | (w->gva & offset);
}

static enum walk_result walk_once(struct walk *w, bool mark)
{
	enum walk_result res = walk_down(w);

	if (res == WALK_OK)
		res = walk_permit(w);
	if (res == WALK_OK && mark)
		res = walk_mark(w);
	return res;
}

/*
 * Each lost race is progress of another CPU; but a hostile guest could race for ever, so after a
 * while it is as if the table weren't there.
 */
#define WALK_TRIES 100

static gpa_t walk_translate(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access,
			    struct walk_fault *fault, bool mark)
{
	struct walk w = { .vm = vm,
			  .p = p,
			  .gva = gva,
			  .access = access,
			  .fault = fault,
			  .kind = paging_kind(p) };
	enum walk_result res = WALK_AGAIN;
	int i;

	if (w.kind <= PAGING_PAE)
		w.gva = (u32)gva;
	if (w.kind == PAGING_NONE)
		return w.gva;
	w.format = &paging_formats[w.kind];
	for (i = 0; res == WALK_AGAIN && i < WALK_TRIES; i++)
		res = walk_once(&w, mark);
	if (res == WALK_AGAIN)
		walk_lost(&w, p->cr3 & w.format->root_mask);
	return res == WALK_OK ? walk_gpa(&w) : INVALID_GPA;
}

gpa_t mmu_walk(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access,
	       struct walk_fault *fault)
{
	return walk_translate(vm, p, gva, access, fault, true);
}

gpa_t mmu_walk_probe(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access,
		     struct walk_fault *fault)
{
	return walk_translate(vm, p, gva, access, fault, false);
}
