// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large pages come back where small ones were needed for a while: for the dirty log, or to execute
 * from.
 *
 * The latter: on some processors a guest that executes from a page whose size changes meanwhile can
 * stop the machine (ITLB multihit). A VM with nx_huge_pages has no executable large pages, so that
 * no translation for instructions ever changes its size: what is executed from is split (fault.c).
 * Code comes and goes; so now and then such tables are dropped, and faults decide anew.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>
#include "mmu/tdp.h"

#define RECOVER_PERIOD	(3600 * HZ)

/*
 * May one large leaf take the place of the table that @w is at, by the slot and by the host's
 * mapping?
 */
static bool table_can_be_leaf(struct mmu *mmu, const struct memslot *slot, const struct tdp_walk *w)
{
	if (w->level > TDP_1G || fault_max_level(mmu, slot, w->gfn) < w->level)
		return false;
	return host_map_level(mmu->vm->mm, memslot_gfn_to_hva(slot, w->gfn)) >= w->level;
}

/* What the tables mapped comes back as large leaves, by faults. */
void mmu_drop_small(struct mmu *mmu, const struct memslot *slot)
{
	LLIST_HEAD(dead);
	struct tdp_walk w;

	tdp_zap_begin(mmu);
	tdp_walk_begin(&w, mmu, TDP_2M, slot->base_gfn, slot->base_gfn + slot->npages);
	while (tdp_walk_next(&w)) {
		if (tdp_is_table(w.val, w.level) && table_can_be_leaf(mmu, slot, &w))
			tdp_unlink(&w, &dead);
		tdp_walk_yield(&w);
	}
	tdp_walk_end(&w);
	tdp_zap_end(mmu);
	tdp_bury(mmu, &dead);
}

/* ------------------------------------------------------------------ nx_huge_pages */

static void recover_slots(struct mmu *mmu)
{
	struct memslots *slots;
	u32 i;

	mutex_lock(&mmu->vm->slots_lock);
	slots = memslots(mmu->vm);
	for (i = 0; i < slots->used; i++)
		mmu_drop_small(mmu, slots->by_gfn[i]);
	mutex_unlock(&mmu->vm->slots_lock);
}

/* Not armed again: the next split does that. */
static void mmu_recover(struct work_struct *work)
{
	struct mmu *mmu = container_of(to_delayed_work(work), struct mmu, recover);

	/*
	 * The host's mappings are looked at, which only their own process may; and one that is
	 * ending has none.
	 */
	if (!mmget_not_zero(mmu->vm->mm))
		return;
	kthread_use_mm(mmu->vm->mm);
	recover_slots(mmu);
	kthread_unuse_mm(mmu->vm->mm);
	mmput(mmu->vm->mm);
}

void mmu_recover_init(struct mmu *mmu)
{
	INIT_DELAYED_WORK(&mmu->recover, mmu_recover);
}

void mmu_quiesce(struct mmu *mmu)
{
	cancel_delayed_work_sync(&mmu->recover);
}

void mmu_recover_later(struct mmu *mmu)
{
	schedule_delayed_work(&mmu->recover, RECOVER_PERIOD);
}
