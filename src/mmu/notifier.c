// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host does to the VMM's memory, done to the guest's: by range of HVA, precisely.
 *
 * Called by the door of the MMU notifiers in any task, also one that may not sleep and holds locks
 * of the page. How begin and end stand to faults is told in fault.c.
 */
#include <linux/sched.h>
#include <linux/srcu.h>
#include "mmu/tdp.h"

/* ------------------------------------------------------------------ HVA to GFN */

/* All GFN ranges that [start, end) backs: several slots may share memory. */
struct hva_ranges {
	struct memslots *slots;
	hva_t start, end;
	u32 next;
	gfn_t gfn, gfn_end;		/* the range found */
};

static bool ranges_next(struct hva_ranges *r)
{
	while (r->next < r->slots->used) {
		const struct memslot *slot = r->slots->by_gfn[r->next++];
		const hva_t from = max(r->start, slot->hva);
		const hva_t to = min(r->end, slot->hva + (slot->npages << PAGE_SHIFT));

		if (from >= to)
			continue;
		r->gfn = slot->base_gfn + ((from - slot->hva) >> PAGE_SHIFT);
		r->gfn_end = slot->base_gfn + ((to - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------------ begin and end */

static void inv_enter(struct mmu *mmu, hva_t start, hva_t end)
{
	raw_spin_lock(&mmu->inv_lock);
	write_seqcount_begin(&mmu->inv_seqcount);
	if (!mmu->inv_active) {
		WRITE_ONCE(mmu->inv_start, start);
		WRITE_ONCE(mmu->inv_end, end);
	} else {
		WRITE_ONCE(mmu->inv_start, min(mmu->inv_start, start));
		WRITE_ONCE(mmu->inv_end, max(mmu->inv_end, end));
	}
	WRITE_ONCE(mmu->inv_active, mmu->inv_active + 1);
	write_seqcount_end(&mmu->inv_seqcount);
	raw_spin_unlock(&mmu->inv_lock);
	/* Before any entry is read: the other half of tdp_cas() in fault_claim(). */
	smp_mb();
}

void mmu_invalidate_end(struct mmu *mmu, hva_t start, hva_t end)
{
	raw_spin_lock(&mmu->inv_lock);
	write_seqcount_begin(&mmu->inv_seqcount);
	WRITE_ONCE(mmu->inv_done, mmu->inv_done + 1);
	WRITE_ONCE(mmu->inv_active, mmu->inv_active - 1);
	write_seqcount_end(&mmu->inv_seqcount);
	raw_spin_unlock(&mmu->inv_lock);
}

/*
 * Returns whether something was there. That a page was used is not reported here: another
 * invalidation that finds its leaf gone already may be through, and the page free, before this one
 * has come to say so. mmu_age() reports it in time.
 */
static bool zap_leaves(struct mmu *mmu, gfn_t start, gfn_t end, bool may_block)
{
	struct tdp_walk w;
	bool zapped = false;

	tdp_walk_begin(&w, mmu, TDP_4K, start, end);
	while (tdp_walk_next(&w)) {
		zapped |= tdp_take(w.entry, &w.val, w.level);
		if (may_block)
			tdp_walk_yield(&w);
	}
	tdp_walk_end(&w);
	return zapped;
}

int mmu_invalidate_begin(struct mmu *mmu, hva_t start, hva_t end, bool may_block)
{
	struct hva_ranges r = { .start = start, .end = end };
	bool flush = false;
	int idx;

	inv_enter(mmu, start, end);
	idx = srcu_read_lock(&mmu->vm->srcu);
	atomic_inc(&mmu->unflushed);
	smp_mb__after_atomic();
	r.slots = memslots(mmu->vm);
	while (ranges_next(&r))
		flush |= zap_leaves(mmu, r.gfn, r.gfn_end, may_block);
	/*
	 * Someone else's unflushed removal may have been in our range. The entries were read before
	 * the count.
	 */
	smp_rmb();
	if (flush || atomic_read(&mmu->unflushed) > 1)
		vm_flush_remote_tlbs(mmu->vm);
	smp_mb__before_atomic();
	atomic_dec(&mmu->unflushed);
	srcu_read_unlock(&mmu->vm->srcu, idx);
	return 0;
}

/* ------------------------------------------------------------------ aging */

/*
 * Was it used since the last time? Take the mark away. No flush: a translation that stays in a TLB
 * makes the page look older than it is, no worse.
 */
static bool age_leaf(u64 *entry, u64 val, int level)
{
	while (tdp_is_leaf(val, level) && tdp_present(val)) {
		if (hw_caps.tdp_ad && !(val & HW_TDP_ACCESSED))
			return false;
		if (tdp_cas(entry, &val, hw_caps.tdp_ad ? val & ~HW_TDP_ACCESSED : tdp_hide(val),
			    level))
			return true;
	}
	return false;
}

static bool leaf_is_young(u64 val, int level)
{
	return tdp_is_leaf(val, level) && tdp_present(val) &&
	       (!hw_caps.tdp_ad || (val & HW_TDP_ACCESSED));
}

static bool age_gfns(struct mmu *mmu, gfn_t start, gfn_t end, bool test_only)
{
	struct tdp_walk w;
	bool young = false;

	tdp_walk_begin(&w, mmu, TDP_4K, start, end);
	while (tdp_walk_next(&w) && !(young && test_only))
		young |= test_only ? leaf_is_young(w.val, w.level)
				   : age_leaf(w.entry, w.val, w.level);
	tdp_walk_end(&w);
	return young;
}

bool mmu_age(struct mmu *mmu, hva_t start, hva_t end, bool test_only)
{
	const int idx = srcu_read_lock(&mmu->vm->srcu);
	struct hva_ranges r = { .start = start, .end = end };
	bool young = false;

	r.slots = memslots(mmu->vm);
	while (ranges_next(&r))
		young |= age_gfns(mmu, r.gfn, r.gfn_end, test_only);
	srcu_read_unlock(&mmu->vm->srcu, idx);
	return young;
}
