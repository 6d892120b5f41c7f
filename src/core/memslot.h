/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots: which GPA is which memory of the VMM.
 *
 * A set of slots is immutable once published; a change builds a new set and publishes it. Readers
 * hold vm->srcu or RCU (a set is freed after a grace period of both). Two trees per set would be a
 * rbtree by GFN and an interval tree by HVA; lookups are by binary search in an array sorted by
 * base_gfn, with the last hit cached by the caller.
 */
#ifndef CORE_MEMSLOT_H
#define CORE_MEMSLOT_H

#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/math.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include "core/types.h"

struct vm;

#define MEMSLOTS_MAX	32764	/* KVM_CAP_NR_MEMSLOTS */

/* A slot's contents never change after it is published, but for the bits in dirty_bitmap. */
struct memslot {
	gfn_t base_gfn;
	u64 npages;
	hva_t hva;
	u32 id;
	u32 flags;			/* KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY */
	/* one bit a page, set with atomic bitops; second half is GET_DIRTY_LOG's snapshot */
	unsigned long *dirty_bitmap;
};

struct memslots {
	u64 generation;			/* rises with each change */
	u32 used;
	struct rcu_head rcu;
	/* once replaced: the slot that the next set doesn't have, freed with this set ... */
	struct memslot *retired;
	/* ... and its dirty_bitmap, unless the new slot has taken it over */
	bool retired_bitmap;
	struct memslot *by_gfn[];	/* sorted by base_gfn, disjoint */
};

/** memslots() - the current set. vm->srcu or RCU or slots_lock held. */
struct memslots *memslots(struct vm *vm);
/** memslot_find() - the slot that holds @gfn, or NULL (then the GPA is MMIO). Same locks. */
struct memslot *memslot_find(struct memslots *slots, gfn_t gfn);
/** memslot_by_id() - by the VMM's number, or NULL. */
struct memslot *memslot_by_id(struct memslots *slots, u32 id);

static inline hva_t memslot_gfn_to_hva(const struct memslot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << 12);
}

/** memslot_mark_dirty() - log a write to @gfn, if the slot logs. Any context. */
void memslot_mark_dirty(struct memslot *slot, gfn_t gfn);

/*
 * What a KVM_SET_USER_MEMORY_REGION means, decided (and fully checked) by memslot_prepare() before
 * anything changes. The door (api/) then: tells the MMU about it, publishes, waits for readers,
 * zaps, frees.
 */
enum memslot_change {
	MEMSLOT_CREATE, MEMSLOT_DELETE, MEMSLOT_MOVE, MEMSLOT_FLAGS, MEMSLOT_NOTHING,
};

struct memslot_update {
	enum memslot_change change;
	struct memslot *old;		/* NULL on create */
	struct memslot *new;		/* NULL on delete */
	struct memslots *set;		/* what will be published */
	struct memslots *replaced;	/* what is published until then */
};

/**
 * memslot_prepare() - check @mem against the API document and build the new set. slots_lock held;
 * may sleep. -EINVAL (alignment, wrap, unknown flags, size change, read-only change), -EEXIST
 * (overlap), -ENOMEM. Nothing is changed on error.
 */
int memslot_prepare(struct vm *vm, const struct kvm_userspace_memory_region *mem,
		    struct memslot_update *up);
/**
 * memslot_publish() - readers see the new set; returns after a grace period of vm->srcu. slots_lock
 * held; sleeps.
 */
void memslot_publish(struct vm *vm, struct memslot_update *up);
/** memslot_finish() - free what the change replaced. slots_lock held; sleeps. */
void memslot_finish(struct vm *vm, struct memslot_update *up);
/** memslot_abort() - throw a prepared change away. */
void memslot_abort(struct memslot_update *up);
/** memslots_init() - the empty set. -ENOMEM. memslots_destroy() - no reader is left. */
int memslots_init(struct vm *vm);
void memslots_destroy(struct vm *vm);

/** memslots_log() - does any slot of the set log dirty pages? */
bool memslots_log(const struct memslots *set);

/** memslot_bitmap_longs() - length of one half of dirty_bitmap; the second half begins there. */
static inline size_t memslot_bitmap_longs(const struct memslot *slot)
{
	return DIV_ROUND_UP(slot->npages, BITS_PER_LONG);
}

/*
 * Guest memory through the VMM's mapping. Process context of the VM's mm; may sleep on a page
 * fault; vm->srcu held. -EFAULT where no slot or no page is there (then some leading part may have
 * been written); writes are logged as dirty.
 */
int vm_read_guest(struct vm *vm, gpa_t gpa, void *data, size_t len);
int vm_write_guest(struct vm *vm, gpa_t gpa, const void *data, size_t len);
/**
 * vm_cmpxchg_guest() - if the 1, 2, 4 or 8 naturally aligned bytes at @gpa are @old make them @new,
 * atomically; other lengths and alignments are compared and written without that. 0, 1: something
 * else is there, -EFAULT. Same context.
 */
int vm_cmpxchg_guest(struct vm *vm, gpa_t gpa, const void *old, const void *new, size_t len);
/*
 * The same with page faults off: -EFAULT when the page isn't mapped. May be called with IRQs off.
 */
int vm_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, size_t len);

/*
 * A place in guest memory, within one page, that is read or written again and again: the slot is
 * looked up once per set of slots. One user at a time. Same context and errors as vm_read_guest();
 * -EINVAL: it crosses a page, or the access leaves it.
 */
struct guest_cache {
	gpa_t gpa;
	u32 len;
	u64 generation;			/* of the set that slot belongs to */
	struct memslot *slot;
};
int guest_cache_init(struct vm *vm, struct guest_cache *cache, gpa_t gpa, u32 len);
int guest_cache_read(struct vm *vm, struct guest_cache *cache, u32 offset, void *data, u32 len);
int guest_cache_write(struct vm *vm, struct guest_cache *cache, u32 offset, const void *data,
		      u32 len);

#endif
