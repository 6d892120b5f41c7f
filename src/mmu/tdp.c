// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables themselves: made, walked, split, unlinked, freed.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "mmu/tdp.h"

/* ------------------------------------------------------------------ tables */

struct tdp_table *tdp_table_alloc(int level)
{
	struct tdp_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	table->entries = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!table->entries) {
		kfree(table);
		return NULL;
	}
	table->level = level;
	set_page_private(virt_to_page(table->entries), (unsigned long)table);
	return table;
}

void tdp_table_free(struct tdp_table *table)
{
	set_page_private(virt_to_page(table->entries), 0);
	free_page((unsigned long)table->entries);
	kfree(table);
}

struct tdp_table *tdp_table_of(u64 val)
{
	return (struct tdp_table *)page_private(virt_to_page(__va(tdp_pa(val))));
}

/* Free a table and all below it: nobody walks them any more. Sleeps. */
static void free_subtree(struct tdp_table *table)
{
	int i;

	for (i = 0; table->level > TDP_4K && i < TDP_ENTRIES; i++)
		if (tdp_is_table(table->entries[i], table->level))
			free_subtree(tdp_table_of(table->entries[i]));
	tdp_table_free(table);
	cond_resched();
}

/*
 * Freeing is two steps: a grace period for the walkers, then a work item, for a subtree can be half
 * a million tables and an RCU callback must not take that long. Shared by all VMs, so that nothing
 * here points to a VM.
 */
static LLIST_HEAD(dead_tables);

static void free_dead_tables(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&dead_tables);
	struct tdp_table *table, *next;

	llist_for_each_entry_safe(table, next, list, dead)
		free_subtree(table);
}

static DECLARE_WORK(free_dead_work, free_dead_tables);

static void tdp_after_grace(struct rcu_head *rcu)
{
	struct tdp_table *table = container_of(rcu, struct tdp_table, rcu);

	llist_add(&table->dead, &dead_tables);
	schedule_work(&free_dead_work);
}

void tdp_bury(struct mmu *mmu, struct llist_head *dead)
{
	struct tdp_table *table, *next;

	llist_for_each_entry_safe(table, next, llist_del_all(dead), dead) {
		WRITE_ONCE(mmu->deferred, true);
		call_rcu(&table->rcu, tdp_after_grace);
	}
}

int mmu_init(struct mmu *mmu, struct vm *vm)
{
	tdp_check_bits();
	mmu->vm = vm;
	mmu->levels = hw_caps.tdp_levels;
	mmu->end_gfn = 1ULL << min(hw_caps.max_phys_bits - 12, 9 * mmu->levels);
	mmu->deferred = false;
	mmu_recover_init(mmu);
	mmu->hw_log = false;
	atomic_set(&mmu->unflushed, 0);
	raw_spin_lock_init(&mmu->inv_lock);
	seqcount_raw_spinlock_init(&mmu->inv_seqcount, &mmu->inv_lock);
	mmu->inv_active = 0;
	mmu->inv_done = 0;
	mmu->root = tdp_table_alloc(mmu->levels);
	return mmu->root ? 0 : -ENOMEM;
}

void mmu_destroy(struct mmu *mmu)
{
	if (!mmu->root)
		return;
	free_subtree(mmu->root);
	mmu->root = NULL;
	if (!mmu->deferred)
		return;
	/* The module may go away after this: no callback of ours may be left. */
	rcu_barrier();
	flush_work(&free_dead_work);
}

hpa_t mmu_root(struct mmu *mmu)
{
	return __pa(mmu->root->entries);
}

/* ------------------------------------------------------------------ walking */

static void walk_restart(struct tdp_walk *w)
{
	w->level = w->mmu->levels;
	w->table[w->level] = w->mmu->root->entries;
	w->started = false;
	w->skip = false;
}

void tdp_walk_begin(struct tdp_walk *w, struct mmu *mmu, int min_level, gfn_t start, gfn_t end)
	__acquires(RCU)
{
	rcu_read_lock();
	w->mmu = mmu;
	w->gfn = start;
	w->end = min(end, mmu->end_gfn);
	w->min_level = min_level;
	walk_restart(w);
}

void tdp_walk_end(struct tdp_walk *w) __releases(RCU)
{
	rcu_read_unlock();
}

static bool walk_goes_down(const struct tdp_walk *w)
{
	return !w->skip && w->level > w->min_level && tdp_is_table(w->val, w->level);
}

/* To the next entry of the same table, or of an ancestor when the table is at its end. */
static void walk_step_over(struct tdp_walk *w)
{
	w->gfn = (w->gfn | (tdp_level_pages(w->level) - 1)) + 1;
	while (w->level < w->mmu->levels && tdp_index(w->gfn, w->level) == 0)
		w->level++;
}

bool tdp_walk_next(struct tdp_walk *w)
{
	if (!w->started) {
		w->started = true;
	} else if (walk_goes_down(w)) {
		w->level--;
		w->table[w->level] = __va(tdp_pa(w->val));
	} else {
		walk_step_over(w);
	}
	if (w->gfn >= w->end)
		return false;
	w->skip = false;
	w->entry = &w->table[w->level][tdp_index(w->gfn, w->level)];
	w->val = READ_ONCE(*w->entry);
	return true;
}

void tdp_walk_yield(struct tdp_walk *w)
{
	if (!need_resched())
		return;
	/*
	 * After tdp_walk_resume() there is no present entry to step over: level and val don't
	 * belong together.
	 */
	if (w->started && !walk_goes_down(w))
		walk_step_over(w);
	tdp_walk_pause(w);
	cond_resched();
	tdp_walk_resume(w);
}

void tdp_walk_pause(struct tdp_walk *w) __releases(RCU)
{
	rcu_read_unlock();
}

void tdp_walk_resume(struct tdp_walk *w) __acquires(RCU)
{
	rcu_read_lock();
	walk_restart(w);
}

u64 *tdp_leaf(struct mmu *mmu, gfn_t gfn, int *level, u64 *val)
{
	u64 *table = mmu->root->entries;
	int l;

	for (l = mmu->levels; ; l--) {
		u64 *entry = &table[tdp_index(gfn, l)];
		u64 v = READ_ONCE(*entry);

		if (tdp_is_table(v, l)) {
			table = __va(tdp_pa(v));
			continue;
		}
		*level = l;
		*val = v;
		return tdp_is_leaf(v, l) ? entry : NULL;
	}
}

/* ------------------------------------------------------------------ splitting and removing */

/*
 * No flush: the translations stay what they were, only finer. Hardware may set the accessed or
 * dirty bit of the large leaf until the very swap; the swap fails then, and the caller comes again
 * with the new value.
 */
bool tdp_split(u64 *entry, u64 *val, int level, struct tdp_table *spare)
{
	int i;

	spare->level = level - 1;
	for (i = 0; i < TDP_ENTRIES; i++)
		spare->entries[i] = tdp_split_leaf(*val, level, i);
	if (tdp_cas(entry, val, hw_tdp_table(__pa(spare->entries)), level))
		return true;
	clear_page(spare->entries);
	return false;
}

void tdp_zap_begin(struct mmu *mmu)
{
	atomic_inc(&mmu->unflushed);
	/*
	 * Before the first leaf goes: an invalidation that finds a leaf gone
	 * (mmu_invalidate_begin()) sees the count too, unless the flush is already done.
	 */
	smp_mb__after_atomic();
}

void tdp_zap_end(struct mmu *mmu)
{
	vm_flush_remote_tlbs(mmu->vm);
	smp_mb__before_atomic();
	atomic_dec(&mmu->unflushed);
}

/*
 * A fault that walked into the table before may still install a leaf there. That is harmless:
 * nobody reaches the table after the flush, and an invalidation before it flushes by itself because
 * of mmu->unflushed.
 */
bool tdp_unlink(struct tdp_walk *w, struct llist_head *dead)
{
	struct tdp_table *table = tdp_table_of(w->val);

	if (!tdp_cas(w->entry, &w->val, 0, w->level))
		return false;
	w->val = 0;
	llist_add(&table->dead, dead);
	return true;
}

static bool walk_covers_entry(const struct tdp_walk *w)
{
	const u64 pages = tdp_level_pages(w->level);

	return !(w->gfn & (pages - 1)) && w->gfn + pages <= w->end;
}

/* Tables that lie wholly in the range go at once with all below them. */
static void zap_tables(struct mmu *mmu, gfn_t start, gfn_t end)
{
	LLIST_HEAD(dead);
	struct tdp_walk w;

	tdp_zap_begin(mmu);
	tdp_walk_begin(&w, mmu, TDP_4K, start, end);
	while (tdp_walk_next(&w)) {
		tdp_take(w.entry, &w.val, w.level);
		if (tdp_is_table(w.val, w.level) && walk_covers_entry(&w))
			tdp_unlink(&w, &dead);
		tdp_walk_yield(&w);
	}
	tdp_walk_end(&w);
	tdp_zap_end(mmu);
	tdp_bury(mmu, &dead);
}

void mmu_zap_slot(struct mmu *mmu, const struct memslot *slot)
{
	zap_tables(mmu, slot->base_gfn, slot->base_gfn + slot->npages);
}

void mmu_drop_apic_page(struct mmu *mmu)
{
	const gfn_t gfn = gpa_to_gfn(APIC_DEFAULT_PHYS_BASE);

	if (!READ_ONCE(mmu->apic_page))
		return;
	/*
	 * Before the walk: a fault that has looked at it already has its claim there, or finds out
	 * afterwards (fault_is_stale()).
	 */
	WRITE_ONCE(mmu->apic_page, 0);
	smp_mb();
	zap_tables(mmu, gfn, gfn + 1);
}

static void count_leaf(struct vm_stats *count, const struct tdp_walk *w)
{
	if (!tdp_is_leaf(w->val, w->level))
		return;
	if (w->level == TDP_1G)
		count->pages_1g++;
	else if (w->level == TDP_2M)
		count->pages_2m++;
	else
		count->pages_4k++;
}

/* Counted when somebody asks, so that faults don't share a counter. */
void mmu_update_stats(struct mmu *mmu)
{
	struct vm_stats *stats = &mmu->vm->stats, count = { .mmu_pages = 1 };
	struct tdp_walk w;

	tdp_walk_begin(&w, mmu, TDP_4K, 0, mmu->end_gfn);
	while (tdp_walk_next(&w)) {
		if (!tdp_is_table(w.val, w.level)) {
			count_leaf(&count, &w);
			tdp_walk_yield(&w);
		} else if (!(w.gfn & (tdp_level_pages(w.level) - 1))) {
			/* Not one that is visited again after yielding. */
			count.mmu_pages++;
		}
	}
	tdp_walk_end(&w);
	stats->mmu_pages = count.mmu_pages;
	stats->pages_4k = count.pages_4k;
	stats->pages_2m = count.pages_2m;
	stats->pages_1g = count.pages_1g;
}
