/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One entry of the nested page tables: its states, and the only ways from one to another.
 *
 * Other CPUs read and change entries at any time without a lock: the processor sets accessed and
 * dirty bits, faults install, invalidations remove. So a state is always decoded from a value that
 * was read once, a new value is always computed from that old one, and it goes in with
 * compare-and-swap through tdp_cas(). When the swap fails someone else was faster, and the caller
 * looks again.
 *
 *	NONE			nothing; the guest faults
 *	CLAIMED                 nothing for the hardware; a fault is about to install a leaf and has
 *	put its vCPU's
 *				number here. Whoever removes the claim makes that fault start again
 *				(mmu/fault.c)
 *	TABLE			the next lower table
 *	RW			a page, writable
 *	RO                      a page that the host does not let us write (or a read-only slot):
 *	only a fault that
 *				asks the host again may make more of it
 *	LOGGED                  a page that the host lets us write, made read-only so that the next
 *	write is logged
 *	TRACKED_*               the same three, hidden from a processor without accessed bits so
 *	that the next access
 *				is noticed
 */
#ifndef MMU_TDP_ENTRY_H
#define MMU_TDP_ENTRY_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/mem_encrypt.h>
#include <linux/atomic.h>
#include "core/types.h"
#include "core/vm.h"
#include "hw/hw.h"

enum tdp_level { TDP_4K = 1, TDP_2M = 2, TDP_1G = 3, TDP_MAX_LEVELS = 5 };

#define TDP_ENTRIES	512

enum tdp_state {
	TDP_NONE,
	TDP_CLAIMED,
	TDP_TABLE,
	TDP_RW,
	TDP_RO,
	TDP_LOGGED,
	TDP_TRACKED_RW,
	TDP_TRACKED_RO,
	TDP_TRACKED_LOGGED,
	NR_TDP_STATES
};

/* Software bits of a leaf. The first two also live on while it is tracked. */
/* the host mapping was writable when it was read, and the slot is */
#define TDP_HOST_WRITE	HW_TDP_SOFT0
/* a large page of a VM with nx_huge_pages: who executes from it gets small ones */
#define TDP_NO_EXEC	HW_TDP_SOFT1
#define TDP_TRACKED	HW_TDP_SOFT2	/* access-tracked: the present bits were taken away */
#define TDP_SAVED_WRITE	HW_TDP_SOFT3	/* ... and it was writable */

/*
 * A claim is an address so high that no memory is there, for a CPU that speculates past a
 * non-present entry must not find any (L1TF); the vCPU's number is below it.
 */
#define TDP_CLAIM		BIT_ULL(51)
#define TDP_CLAIM_SHIFT		40

static inline void tdp_check_bits(void)
{
	const u64 soft = HW_TDP_SOFT0 | HW_TDP_SOFT1 | HW_TDP_SOFT2 | HW_TDP_SOFT3;

	BUILD_BUG_ON(soft & (HW_TDP_PA_MASK | HW_TDP_PRESENT_MASK | HW_TDP_ACCESSED | HW_TDP_DIRTY |
			     HW_TDP_LARGE));
	BUILD_BUG_ON(HW_TDP_PRESENT_MASK & HW_TDP_PA_MASK);
	BUILD_BUG_ON(VM_MAX_VCPUS > BIT(51 - TDP_CLAIM_SHIFT));
}

/* ------------------------------------------------------------------ reading */

static inline u64 tdp_level_pages(int level)
{
	return 1ULL << (9 * (level - 1));
}

static inline u64 tdp_level_size(int level)
{
	return tdp_level_pages(level) << 12;
}

static inline bool tdp_present(u64 val)
{
	return val & HW_TDP_PRESENT_MASK;
}

/**
 * tdp_pa() - the address in an entry, without the bit that says that the memory is encrypted (APM
 * 2, 7.10).
 */
static inline hpa_t tdp_pa(u64 val)
{
	return __sme_clr(val) & HW_TDP_PA_MASK;
}

/** tdp_leaf_pa() - where the page of a leaf begins. */
static inline hpa_t tdp_leaf_pa(u64 val, int level)
{
	return tdp_pa(val) & ~(tdp_level_size(level) - 1);
}

static inline enum tdp_state tdp_leaf_state(bool write, bool host_write)
{
	if (write)
		return TDP_RW;
	return host_write ? TDP_LOGGED : TDP_RO;
}

/** tdp_state() - what @val is in a table of @level. */
static inline enum tdp_state tdp_state(u64 val, int level)
{
	if (!val)
		return TDP_NONE;
	if (!tdp_present(val)) {
		if (!(val & TDP_TRACKED))
			return TDP_CLAIMED;
		return tdp_leaf_state(val & TDP_SAVED_WRITE, val & TDP_HOST_WRITE) +
		       (TDP_TRACKED_RW - TDP_RW);
	}
	if (level > TDP_4K && !(val & HW_TDP_LARGE))
		return TDP_TABLE;
	return tdp_leaf_state(val & HW_TDP_WRITE, val & TDP_HOST_WRITE);
}

/** tdp_is_leaf() - is a page mapped here, tracked or not? */
static inline bool tdp_is_leaf(u64 val, int level)
{
	return tdp_state(val, level) >= TDP_RW;
}

static inline bool tdp_is_table(u64 val, int level)
{
	return level > TDP_4K && tdp_present(val) && !(val & HW_TDP_LARGE);
}

/** tdp_allows() - would the processor let this access through? */
static inline bool tdp_allows(u64 val, u32 access)
{
	return tdp_present(val) && (!(access & ACCESS_WRITE) || (val & HW_TDP_WRITE)) &&
	       (!(access & ACCESS_FETCH) || !(val & TDP_NO_EXEC));
}

/* ------------------------------------------------------------------ making */

static inline u64 tdp_make_claim(u32 vcpu_index)
{
	return TDP_CLAIM | (u64)vcpu_index << TDP_CLAIM_SHIFT;
}

/*
 * The permission bits that the leaf @val may have beside @write, alone, as this hardware spells
 * them.
 */
static inline u64 tdp_present_bits(u64 val, bool write)
{
	const u32 perms =
		ACCESS_READ | (val & TDP_NO_EXEC ? 0 : ACCESS_FETCH) | (write ? ACCESS_WRITE : 0);

	return hw_tdp_leaf(0, TDP_4K, perms, HW_MEM_WB) & (HW_TDP_PRESENT_MASK | HW_TDP_WRITE);
}

/**
 * tdp_grant_write() - a LOGGED leaf becomes RW: the fault that asks is a write, so the page counts
 * as accessed and dirty.
 */
static inline u64 tdp_grant_write(u64 val)
{
	return val | tdp_present_bits(val, true) | HW_TDP_ACCESSED | HW_TDP_DIRTY;
}

/**
 * tdp_write_protect() - an RW leaf becomes LOGGED, tracked or not. Its dirty bit goes too: it would
 * no longer mean anything.
 */
static inline u64 tdp_write_protect(u64 val)
{
	return val & ~(HW_TDP_WRITE | TDP_SAVED_WRITE | HW_TDP_DIRTY);
}

/** tdp_clean() - an RW leaf's next write sets the dirty bit again, which the processor logs. */
static inline u64 tdp_clean(u64 val)
{
	return val & ~HW_TDP_DIRTY;
}

/** tdp_hide() - a leaf becomes access-tracked. */
static inline u64 tdp_hide(u64 val)
{
	u64 hidden = (val & ~(HW_TDP_PRESENT_MASK | HW_TDP_WRITE)) | TDP_TRACKED;

	return val & HW_TDP_WRITE ? hidden | TDP_SAVED_WRITE : hidden;
}

/** tdp_unhide() - a tracked leaf becomes what it was. */
static inline u64 tdp_unhide(u64 val)
{
	return (val & ~(TDP_TRACKED | TDP_SAVED_WRITE)) |
	       tdp_present_bits(val, val & TDP_SAVED_WRITE) | HW_TDP_ACCESSED;
}

/* A small page may be executed from: only large ones are dangerous. */
static inline u64 tdp_allow_exec(u64 val)
{
	if (!(val & TDP_NO_EXEC))
		return val;
	val &= ~TDP_NO_EXEC;
	return tdp_present(val) ? hw_tdp_allow_exec(val) : val;
}

/**
 * tdp_split_leaf() - entry @index of the table that takes the place of the large leaf @val of
 * @level. The memory type stays as it is: backends choose among types whose bits are the same in
 * leaves of every size.
 */
static inline u64 tdp_split_leaf(u64 val, int level, int index)
{
	const u64 addr = index * tdp_level_size(level - 1);

	if (level - 1 > TDP_4K)
		return val + addr;
	return tdp_allow_exec(val & ~HW_TDP_LARGE) + addr;
}

/* ------------------------------------------------------------------ transitions */

#define TDP_TO(state) BIT(TDP_##state)

/* Row: from. What isn't here never happens; tests/unit/tdp_test.c tries all pairs. */
static const u16 tdp_transitions[NR_TDP_STATES] = {
	[TDP_NONE] = TDP_TO(CLAIMED) | TDP_TO(TABLE),
	[TDP_CLAIMED] = TDP_TO(NONE) | TDP_TO(RW) | TDP_TO(RO) | TDP_TO(LOGGED),
	/* unlinked: by a memslot change, or because the host now has a huge page there */
	[TDP_TABLE] = TDP_TO(NONE),
	/* removed; split; protected by the log; aged, or cleaned for the processor's log */
	[TDP_RW] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(LOGGED) | TDP_TO(RW) | TDP_TO(TRACKED_RW),
	/* removed; split; asked again of the host for a write; aged */
	[TDP_RO] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(CLAIMED) | TDP_TO(RO) | TDP_TO(TRACKED_RO),
	/* removed; split; written; aged */
	[TDP_LOGGED] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(RW) | TDP_TO(LOGGED) | TDP_TO(TRACKED_LOGGED),
	/*
	 * removed; split; accessed; and for RW: protected by the log; for RO: asked again of the
	 * host; for LOGGED: written
	 */
	[TDP_TRACKED_RW] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(RW) | TDP_TO(TRACKED_LOGGED),
	[TDP_TRACKED_RO] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(RO) | TDP_TO(CLAIMED),
	[TDP_TRACKED_LOGGED] = TDP_TO(NONE) | TDP_TO(TABLE) | TDP_TO(LOGGED) | TDP_TO(RW),
};

static inline bool tdp_may_become(enum tdp_state from, enum tdp_state to)
{
	return tdp_transitions[from] & BIT(to);
}

/* The unit tests look over every change's shoulder. */
#ifdef TDP_WATCH
void tdp_watch(u64 from, u64 to, int level);
#else
static inline void tdp_watch(u64 from, u64 to, int level)
{
}
#endif

/**
 * tdp_cas() - the one door: @entry becomes @to if it still is *@from. Any context.
 *
 * A full barrier when it succeeds, which the races with invalidations rest on (mmu/fault.c).
 * Returns false, with what is there now in *@from, when it was changed meanwhile.
 */
static inline bool tdp_cas(u64 *entry, u64 *from, u64 to, int level)
{
	const u64 old = *from;

	if (!try_cmpxchg(entry, from, to))
		return false;
	tdp_watch(old, to, level);
	return true;
}

/**
 * tdp_take() - remove the leaf or claim *@val from @entry. A full barrier when it succeeds. Any
 * context.
 *
 * Accessed and dirty bits that the CPU sets meanwhile are taken along. Returns false when nothing
 * was taken: in *@val is what is there now, which is nothing, or a table that was put in the place
 * of the leaf and must not be lost.
 */
static inline bool tdp_take(u64 *entry, u64 *val, int level)
{
	while (*val && !tdp_is_table(*val, level))
		if (tdp_cas(entry, val, 0, level))
			return true;
	return false;
}

#endif
