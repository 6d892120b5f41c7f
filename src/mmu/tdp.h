/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The nested page tables of a VM, and what the files of this floor use of one another.
 *
 * Nobody takes a lock to read or change an entry (mmu/tdp_entry.h). Tables are found under RCU,
 * IRQs off included, and freed a grace period after they were unlinked and every vCPU's
 * translations flushed.
 */
#ifndef MMU_TDP_H
#define MMU_TDP_H

#include <linux/cache.h>
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "mmu/mmu.h"
#include "mmu/tdp_entry.h"

/* What is known of a table beside its 512 entries; page_private() of the entries' page. */
struct tdp_table {
	u64 *entries;
	u8 level;			/* of the entries in it */
	struct llist_node dead;		/* unlinked, waiting to be freed */
	struct rcu_head rcu;
};

struct mmu {
	struct vm *vm;
	struct tdp_table *root;
	struct delayed_work recover;	/* nx_huge_pages: large pages come back */
	gfn_t end_gfn;			/* first that the tables can't reach */
	u8 levels;
	/* vCPUs log their writes by themselves: leaves of logged slots are writable, and clean */
	bool hw_log;
	/* mapped at APIC_DEFAULT_PHYS_BASE, where no memslot is; 0: not, or no more */
	hpa_t apic_page;
	bool deferred;			/* a table was handed to RCU: mmu_destroy() waits for it */

	/*
	 * How many threads have removed leaves whose translations they have not flushed yet. An
	 * invalidation that finds nothing there must flush too when it is not 0: what was mapped
	 * may still be in use.
	 */
	atomic_t unflushed;

	/*
	 * Invalidations under way; read by every fault, written by notifiers only. See fault.c.
	 * Raw: some faults are handled with IRQs off, and on PREEMPT_RT a reader may take the lock
	 * of another kind.
	 */
	raw_spinlock_t inv_lock ____cacheline_aligned_in_smp;
	seqcount_raw_spinlock_t inv_seqcount;
	u32 inv_active;			/* how many */
	hva_t inv_start, inv_end;	/* a range that holds all of them; end is not in it */
	unsigned long inv_done;		/* how many have ended */
};

/* ------------------------------------------------------------------ tdp.c */

/*
 * A walk over the entries of [gfn, end) down to @min_level, parents before children:
 *
 *	tdp_walk_begin(&w, mmu, TDP_4K, start, end);
 *	while (tdp_walk_next(&w))
 *		... w.val is what *w.entry was; w.level, w.gfn say where
 *	tdp_walk_end(&w);
 *
 * RCU is held from begin to end. tdp_walk_skip(): don't go into this table. tdp_walk_yield(): drop
 * RCU for a while, then go on at the entry behind the present one (ancestors are visited again).
 * The caller keeps w.val up to date when it changes the entry, for the walk goes down where w.val
 * is a table.
 */
struct tdp_walk {
	struct mmu *mmu;
	gfn_t gfn;	/* where w.entry begins, or later: start of the walk within it */
	gfn_t end;
	int level, min_level;
	u64 *table[TDP_MAX_LEVELS + 1];	/* by level */
	u64 *entry;
	u64 val;
	bool started, skip;
};

void tdp_walk_begin(struct tdp_walk *w, struct mmu *mmu, int min_level, gfn_t start, gfn_t end)
	__acquires(RCU);
bool tdp_walk_next(struct tdp_walk *w);
void tdp_walk_end(struct tdp_walk *w) __releases(RCU);
static inline void tdp_walk_skip(struct tdp_walk *w)
{
	w->skip = true;
}
/** tdp_walk_yield() - let others run if that is due. @w is between two entries. Sleeps. */
void tdp_walk_yield(struct tdp_walk *w);

/*
 * tdp_walk_pause(), tdp_walk_resume(): do something that sleeps; then the present entry is visited
 * again.
 */
void tdp_walk_pause(struct tdp_walk *w) __releases(RCU);
void tdp_walk_resume(struct tdp_walk *w) __acquires(RCU);

static inline u32 tdp_index(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (TDP_ENTRIES - 1);
}

/** tdp_table_alloc() - an empty table for entries of @level, or NULL. Sleeps. */
struct tdp_table *tdp_table_alloc(int level);
/** tdp_table_free() - a table that nobody else has seen. */
void tdp_table_free(struct tdp_table *table);
/** tdp_table_of() - what the TABLE entry @val points to. */
struct tdp_table *tdp_table_of(u64 val);

/**
 * tdp_leaf() - the entry of the leaf that maps @gfn, with its level and value; NULL: none. RCU or
 * IRQs off.
 */
u64 *tdp_leaf(struct mmu *mmu, gfn_t gfn, int *level, u64 *val);
/**
 * tdp_split() - fill the empty table @spare from the large leaf *@val and put it in its place.
 * false: the leaf has changed to *@val, @spare is empty again. RCU.
 */
bool tdp_split(u64 *entry, u64 *val, int level, struct tdp_table *spare);

/* Around anything that removes leaves or tables without flushing at once; end flushes. IRQs on. */
void tdp_zap_begin(struct mmu *mmu);
void tdp_zap_end(struct mmu *mmu);
/**
 * tdp_unlink() - take the TABLE entry @val out and put its table on @dead. false: it has changed.
 * RCU, inside zap_begin/end.
 */
bool tdp_unlink(struct tdp_walk *w, struct llist_head *dead);
/** tdp_bury() - free tables after a grace period. After tdp_zap_end(). Any context with IRQs on. */
void tdp_bury(struct mmu *mmu, struct llist_head *dead);

/* ------------------------------------------------------------------ hostmem.c */

struct host_page {
	kvm_pfn_t pfn;
	/* a reference is held; NULL: none is (VM_PFNMAP, or it isn't needed) */
	struct page *page;
	bool writable;
	int level;			/* how large the host has mapped it; 0: not known yet */
	enum hw_memtype type;
};

enum host_result { HOST_OK, HOST_BAD_HVA, HOST_HWPOISON, HOST_NOMEM, HOST_SIGNAL, HOST_RETRY };

/**
 * host_page_get() - the page behind @hva of current->mm, faulted in. @write: it must be writable;
 * otherwise it is found out whether it is, when @try_write. Sleeps; gives up on signals where the
 * kernel can.
 */
enum host_result host_page_get(hva_t hva, bool write, bool try_write, struct host_page *host);
/**
 * host_page_written() - the same if it is memory that the VMM has written and may write: no sleep,
 * no reference. false: look closer. IRQs off.
 */
bool host_page_written(hva_t hva, struct host_page *host);
/** host_page_put() - after the page was mapped, or not: nothing stays pinned. */
void host_page_put(struct host_page *host);
/**
 * host_map_level() - how large is the host's mapping of @hva just now: TDP_4K, 2M, 1G? Any context
 * where @mm is in use.
 */
int host_map_level(struct mm_struct *mm, hva_t hva);

/* ------------------------------------------------------------------ large.c */

/**
 * mmu_drop_small() - tables of @slot in whose place a large leaf could be go; faults map the memory
 * anew. slots_lock held; sleeps.
 */
void mmu_drop_small(struct mmu *mmu, const struct memslot *slot);
/**
 * mmu_recover_init() - with the VM's tables; mmu_quiesce() waits for the work.
 * mmu_recover_later() - a large page was split to be executed from. Any context.
 */
void mmu_recover_init(struct mmu *mmu);
void mmu_recover_later(struct mmu *mmu);

/* ------------------------------------------------------------------ fault.c */

/**
 * fault_max_level() - the largest leaf that may map @gfn as far as memslot, logging and CPU are
 * concerned.
 */
int fault_max_level(struct mmu *mmu, const struct memslot *slot, gfn_t gfn);

#endif
