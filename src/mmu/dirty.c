// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages did the guest write? Two ways to know:
 *
 *	mmu->hw_log     the processor logs each dirty bit that it sets in the tables. To be told of
 *	a page again we clear that bit; its log is
 *			short and per vCPU, and goes into the bitmap after each turn in the guest
 *			(mmu_mark_written())
 *	else            pages are write-protected, and the fault that makes one writable sets its
 *	bit (fault.c says in which order)
 *
 * Both may meet in one table: a leaf that one way has prepared is good for the other too.
 *
 * The log is read in this order: take the bit, protect or clean the page, flush. A write that comes
 * before the flush is in memory before the VMM copies the page; one that comes after it faults, or
 * is logged, and sets the bit anew.
 */
#include <linux/bitmap.h>
#include <linux/uaccess.h>
#include "mmu/tdp.h"

/* ------------------------------------------------------------------ protecting */

/* No memory for the small leaves: then the large one goes, and they come by faults. */
static void log_drop_leaf(struct mmu *mmu, struct tdp_walk *w)
{
	tdp_zap_begin(mmu);
	tdp_take(w->entry, &w->val, w->level);
	tdp_zap_end(mmu);
}

/*
 * The walk is at a large leaf: let it go on in small ones. May drop RCU and visit the leaf again
 * with a spare table.
 */
static void log_split(struct mmu *mmu, struct tdp_walk *w, struct tdp_table **spare,
		      bool *no_memory)
{
	if (!*spare && !*no_memory) {
		tdp_walk_pause(w);
		*spare = tdp_table_alloc(TDP_4K);
		*no_memory = !*spare;
		tdp_walk_resume(w);
		return;
	}
	if (!*spare) {
		log_drop_leaf(mmu, w);
		*no_memory = false;
		return;
	}
	while (tdp_is_leaf(w->val, w->level)) {
		if (tdp_split(w->entry, &w->val, w->level, *spare)) {
			w->val = hw_tdp_table(__pa((*spare)->entries));
			*spare = NULL;
			return;
		}
	}
}

/* What tells us of the next write to the leaf @val. */
static u64 leaf_to_log(const struct mmu *mmu, u64 val)
{
	if (!(val & (HW_TDP_WRITE | TDP_SAVED_WRITE)))
		return val;
	return mmu_hw_logs(mmu) ? tdp_clean(val) : tdp_write_protect(val);
}

static void protect_leaf(struct tdp_walk *w)
{
	u64 to;

	while ((to = leaf_to_log(w->mmu, w->val)) != w->val) {
		if (tdp_cas(w->entry, &w->val, to, w->level))
			return;
	}
}

static bool mask_has(gfn_t first, unsigned long mask, gfn_t gfn)
{
	return mask & BIT(gfn - first);
}

/* Pages [first, end), of which @mask says which (NULL: all). Sleeps. Does not flush. */
static void protect_gfns(struct mmu *mmu, gfn_t first, gfn_t end, const unsigned long *mask)
{
	struct tdp_table *spare = NULL;
	bool no_memory = false;
	struct tdp_walk w;

	tdp_walk_begin(&w, mmu, TDP_4K, first, end);
	while (tdp_walk_next(&w)) {
		if (!tdp_is_leaf(w.val, w.level))
			continue;
		if (w.level > TDP_4K)
			log_split(mmu, &w, &spare, &no_memory);
		else if (!mask || mask_has(first, *mask, w.gfn))
			protect_leaf(&w);
		tdp_walk_yield(&w);
	}
	tdp_walk_end(&w);
	if (spare)
		tdp_table_free(spare);
}

void mmu_reprotect_dirty(struct mmu *mmu, const struct memslot *slot, gfn_t offset,
			 unsigned long mask)
{
	gfn_t end;

	if (!mask || offset >= slot->npages)
		return;
	end = min_t(gfn_t, offset + __fls(mask) + 1, slot->npages);
	protect_gfns(mmu, slot->base_gfn + offset, slot->base_gfn + end, &mask);
}

/* ------------------------------------------------------------------ the processor's log */

bool mmu_hw_logs(const struct mmu *mmu)
{
	return READ_ONCE(mmu->hw_log);
}

/*
 * No vCPU is in the guest with the old setting when this returns, and none will be: who enters
 * later meets the request. A vCPU that is being made reads mmu->hw_log after it is in the VM's
 * list, and vm_request_all() reads that list after mmu->hw_log was written.
 */
void mmu_set_hw_log(struct mmu *mmu, bool on)
{
	on &= mmu->vm->params.pml;
	if (mmu->hw_log == on)
		return;
	WRITE_ONCE(mmu->hw_log, on);
	smp_mb();
	vm_request_all(mmu->vm, REQ_DIRTY_LOG, REQUEST_WAIT, NULL);
}

void mmu_mark_written(struct mmu *mmu, const u64 *gpas, u32 n)
{
	struct memslots *slots = memslots(mmu->vm);
	struct memslot *slot;

	while (n--) {
		slot = memslot_find(slots, gpa_to_gfn(gpas[n]));
		if (slot)
			memslot_mark_dirty(slot, gpa_to_gfn(gpas[n]));
	}
}

/* What running vCPUs have logged so far goes into the bitmaps: they leave the guest. */
static void hw_log_collect(struct mmu *mmu)
{
	if (mmu_hw_logs(mmu))
		vm_request_all(mmu->vm, REQ_DIRTY_LOG, REQUEST_WAIT, NULL);
}

/* ------------------------------------------------------------------ logging begins and ends */

/*
 * With KVM_DIRTY_LOG_INITIALLY_SET every page counts as written already; KVM_CLEAR_DIRTY_LOG
 * protects, and splits, what it clears.
 */
void mmu_slot_start_logging(struct mmu *mmu, const struct memslot *slot, bool initially_set)
{
	if (initially_set)
		return;
	protect_gfns(mmu, slot->base_gfn, slot->base_gfn + slot->npages, NULL);
	vm_flush_remote_tlbs(mmu->vm);
}

/* Tables that were only needed for the log go. */
void mmu_slot_stop_logging(struct mmu *mmu, const struct memslot *slot)
{
	mmu_drop_small(mmu, slot);
}

/* ------------------------------------------------------------------ the ioctls */

/* The VMM's number: bits 16-31 would be an address space, of which there is one. */
static int logged_slot(struct vm *vm, u32 id, struct memslot **slot)
{
	if (id >= MEMSLOTS_MAX)
		return -EINVAL;
	*slot = memslot_by_id(memslots(vm), id);
	return *slot && (*slot)->dirty_bitmap ? 0 : -ENOENT;
}

static unsigned long *slot_snapshot(const struct memslot *slot)
{
	return slot->dirty_bitmap + memslot_bitmap_longs(slot);
}

/* Move the log into the snapshot and start over. Returns whether any page was dirty. */
static bool dirty_take(struct mmu *mmu, struct memslot *slot)
{
	unsigned long *snapshot = slot_snapshot(slot);
	const size_t longs = memslot_bitmap_longs(slot);
	bool any = false;
	size_t i;

	for (i = 0; i < longs; i++) {
		snapshot[i] =
			READ_ONCE(slot->dirty_bitmap[i]) ? xchg(&slot->dirty_bitmap[i], 0) : 0;
		if (!snapshot[i])
			continue;
		any = true;
		mmu_reprotect_dirty(mmu, slot, i * BITS_PER_LONG, snapshot[i]);
		cond_resched();
	}
	return any;
}

static void dirty_peek(struct memslot *slot)
{
	const size_t longs = memslot_bitmap_longs(slot);
	size_t i;

	for (i = 0; i < longs; i++)
		slot_snapshot(slot)[i] = READ_ONCE(slot->dirty_bitmap[i]);
}

/* The VMM could not be told: what was taken is still dirty. */
static void dirty_give_back(struct memslot *slot)
{
	const size_t longs = memslot_bitmap_longs(slot);
	atomic_long_t *bits = (atomic_long_t *)slot->dirty_bitmap;
	size_t i;

	for (i = 0; i < longs; i++)
		if (slot_snapshot(slot)[i])
			atomic_long_or(slot_snapshot(slot)[i], &bits[i]);
}

int mmu_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *log)
{
	const bool manual = mmu->vm->manual_dirty_log & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	struct memslot *slot;
	size_t bytes;
	int err;

	err = logged_slot(mmu->vm, log->slot, &slot);
	if (err)
		return err;
	hw_log_collect(mmu);
	if (manual)
		dirty_peek(slot);
	else if (dirty_take(mmu, slot))
		vm_flush_remote_tlbs(mmu->vm);
	bytes = memslot_bitmap_longs(slot) * sizeof(long);
	if (!copy_to_user(log->dirty_bitmap, slot_snapshot(slot), bytes))
		return 0;
	if (!manual)
		dirty_give_back(slot);
	return -EFAULT;
}

static int clear_log_check(const struct memslot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page % 64)
		return -EINVAL;
	if (log->first_page > slot->npages || log->num_pages > slot->npages - log->first_page)
		return -EINVAL;
	if (log->num_pages % 64 && log->num_pages < slot->npages - log->first_page)
		return -EINVAL;
	return 0;
}

/* Bits that are set both here and in the VMM's copy become clear. Returns whether there was one. */
static bool dirty_clear(struct mmu *mmu, struct memslot *slot, u64 first_page, u64 longs)
{
	atomic_long_t *bits = (atomic_long_t *)slot->dirty_bitmap + first_page / BITS_PER_LONG;
	const unsigned long *asked = slot_snapshot(slot);
	bool any = false;
	u64 i;

	for (i = 0; i < longs; i++) {
		unsigned long mask = asked[i];

		if (!(mask & atomic_long_read(&bits[i])))
			continue;
		mask &= atomic_long_fetch_andnot(mask, &bits[i]);
		any = true;
		mmu_reprotect_dirty(mmu, slot, first_page + i * BITS_PER_LONG, mask);
		cond_resched();
	}
	return any;
}

int mmu_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *log)
{
	const u64 longs = BITS_TO_LONGS((u64)log->num_pages);
	struct memslot *slot;
	int err;

	err = logged_slot(mmu->vm, log->slot, &slot);
	if (!err)
		err = clear_log_check(slot, log);
	if (err)
		return err;
	if (copy_from_user(slot_snapshot(slot), log->dirty_bitmap, longs * sizeof(long)))
		return -EFAULT;
	if (dirty_clear(mmu, slot, log->first_page, longs))
		vm_flush_remote_tlbs(mmu->vm);
	return 0;
}
