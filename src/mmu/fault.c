// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page faults.
 *
 * Faults take no lock and, on different pages, write no common cache line. What makes that safe
 * against the host taking the page away at the same moment is the order of four steps on each side:
 *
 *	the fault (fault_claim())			the invalidation (notifier.c)
 *	 1 read inv_done; retry if inv_active		 1 inv_active++, full barrier
 *	 2 ask the host for the page			 2 remove leaves and claims of the range
 *	 3 cmpxchg: nothing -> CLAIMED by this vCPU	   ... the host changes its page tables ...
 *	 4 read inv_active, inv_done; retry if changed	 3 inv_done++, inv_active--
 *	 5 cmpxchg: CLAIMED by this vCPU -> leaf
 *
 * Say that 4 saw nothing. Then the invalidation was over before 1, and 2 found what is true after
 * it; or it began after 4, and since the fault's step 3 and the invalidation's step 1 are followed
 * by full barriers, its step 2 sees the claim or the leaf. It removes either; if it was the claim,
 * 5 fails. That is also why the claim bears the vCPU's number: another vCPU may have claimed the
 * entry since, with other news from the host. One vCPU has at most one fault in hand.
 *
 * A missing table is put in by cmpxchg before 3, so the invalidation finds it, or 4 finds the
 * invalidation.
 */
#include <linux/preempt.h>
#include "mmu/tdp.h"

struct fault {
	struct mmu *mmu;
	struct vcpu *vcpu;
	struct memslot *slot;
	gfn_t gfn;
	hva_t hva;
	u32 access;
	bool prefault;			/* nobody has accessed the page yet */
	bool atomic;			/* IRQs are off: only where nothing is yet */
	int level;			/* of the leaf to be made */
	unsigned long inv_done;		/* as read in step 1 */
	struct host_page host;
	struct tdp_table *spare;	/* a table for whoever needs one */
};

enum map_result {
	MAP_DONE,
	MAP_SPURIOUS,			/* it was all right already */
	MAP_AGAIN,			/* the tables changed meanwhile: walk again */
	MAP_RETRY,			/* the host's answer may be out of date: ask again */
	MAP_NEED_TABLE,
};

/* ------------------------------------------------------------------ how large */

static bool slot_fits(const struct memslot *slot, gfn_t gfn, int level)
{
	const u64 pages = tdp_level_pages(level);
	const gfn_t first = gfn & ~(pages - 1);

	if ((slot->base_gfn ^ (slot->hva >> 12)) & (pages - 1))
		return false;
	return first >= slot->base_gfn && first + pages <= slot->base_gfn + slot->npages;
}

int fault_max_level(struct mmu *mmu, const struct memslot *slot, gfn_t gfn)
{
	/* While it is logged, memory is mapped by the unit that is logged. */
	if (!mmu->vm->params.huge_pages || (slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return TDP_4K;
	if (hw_caps.tdp_1g && slot_fits(slot, gfn, TDP_1G))
		return TDP_1G;
	if (hw_caps.tdp_2m && slot_fits(slot, gfn, TDP_2M))
		return TDP_2M;
	return TDP_4K;
}

static int fault_level(const struct fault *f)
{
	const int level = fault_max_level(f->mmu, f->slot, f->gfn);

	if (level == TDP_4K || ((f->access & ACCESS_FETCH) && f->mmu->vm->params.nx_huge_pages))
		return TDP_4K;
	return min(level, f->host.level ?: host_map_level(f->mmu->vm->mm, f->hva));
}

/* ------------------------------------------------------------------ invalidations under way */

/* Is one under way that concerns [start, end)? And how many have ended. */
static bool inv_busy(struct mmu *mmu, hva_t start, hva_t end, unsigned long *done)
{
	unsigned int seq;
	bool busy;

	do {
		seq = read_seqcount_begin(&mmu->inv_seqcount);
		busy = READ_ONCE(mmu->inv_active) && start < READ_ONCE(mmu->inv_end) &&
		       READ_ONCE(mmu->inv_start) < end;
		*done = READ_ONCE(mmu->inv_done);
	} while (read_seqcount_retry(&mmu->inv_seqcount, seq));
	return busy;
}

/* Step 4. The caller's cmpxchg was a full barrier. */
static bool fault_is_stale(const struct fault *f)
{
	const u64 size = tdp_level_size(f->level);
	const hva_t start = f->hva & ~(size - 1);
	unsigned long done;

	if (!f->slot)
		return !READ_ONCE(f->mmu->apic_page);
	return inv_busy(f->mmu, start, start + size, &done) || done != f->inv_done;
}

/* ------------------------------------------------------------------ without the host */

enum leaf_verdict { LEAF_GOOD, LEAF_CHANGE, LEAF_ASK_HOST };

static bool slot_logs(const struct memslot *slot)
{
	return slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* What must the leaf @val become for @access, as far as we can tell ourselves? */
static enum leaf_verdict leaf_judge(const struct memslot *slot, u64 val, int level, u32 access,
				    u64 *to)
{
	*to = val;
	if (val & TDP_TRACKED)
		*to = tdp_unhide(val);
	/* Execution wants a split. */
	if ((access & ACCESS_FETCH) && (val & TDP_NO_EXEC))
		return LEAF_ASK_HOST;
	if (!tdp_allows(*to, access)) {
		/*
		 * Beside that only a write is ever refused. In a large leaf of a logged slot it
		 * wants a split first.
		 */
		if (!(val & TDP_HOST_WRITE) || (slot_logs(slot) && level > TDP_4K))
			return LEAF_ASK_HOST;
		*to = tdp_grant_write(*to);
	}
	return *to == val ? LEAF_GOOD : LEAF_CHANGE;
}

static bool leaf_gained_write(u64 from, u64 to)
{
	return (to & HW_TDP_WRITE) && !((from & HW_TDP_WRITE) || (from & TDP_SAVED_WRITE));
}

/*
 * The page is logged after it became writable, not before: a log that is read out in between
 * protects it again when it took the bit, and leaves the bit for the next time when it came too
 * early. The other way round, the bit could be taken and the page be made writable after that, with
 * nobody to tell.
 */
static void leaf_changed(struct memslot *slot, gfn_t gfn, u64 from, u64 to)
{
	if (leaf_gained_write(from, to))
		memslot_mark_dirty(slot, gfn);
}

/*
 * No lock and no SRCU. Whoever starts to log a slot waits for this too (memslot_publish() lets an
 * RCU grace period pass) before it protects the pages.
 */
bool mmu_fault_fast(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	const gfn_t gfn = gpa_to_gfn(gpa);
	struct memslot *slot;
	u64 *entry, val, to;
	int level;

	if (gfn >= mmu->end_gfn)
		return false;
	entry = tdp_leaf(mmu, gfn, &level, &val);
	if (!entry)
		return false;
	slot = memslot_find(memslots(mmu->vm), gfn);
	if (!slot || leaf_judge(slot, val, level, access, &to) != LEAF_CHANGE)
		return false;
	if (!tdp_cas(entry, &val, to, level))
		return false;
	leaf_changed(slot, gfn, val, to);
	return true;
}

/* The same under SRCU. MAP_RETRY: the host must be asked. */
static enum map_result leaf_fix(const struct fault *f, u64 *entry, u64 val, int level)
{
	u64 to;

	switch (leaf_judge(f->slot, val, level, f->access, &to)) {
	case LEAF_GOOD:
		return MAP_SPURIOUS;
	case LEAF_CHANGE:
		break;
	default:
		return MAP_RETRY;
	}
	if (!tdp_cas(entry, &val, to, level))
		return MAP_AGAIN;
	leaf_changed(f->slot, f->gfn, val, to);
	return MAP_DONE;
}

/* ------------------------------------------------------------------ with the host: tables */

/* RCU. On MAP_DONE *@val is a TABLE. */
static enum map_result fault_make_table(struct fault *f, u64 *entry, u64 *val, int level)
{
	u64 table;
	bool done;

	if (tdp_state(*val, level) == TDP_CLAIMED)
		return MAP_RETRY;
	if (!f->spare)
		return MAP_NEED_TABLE;
	table = hw_tdp_table(__pa(f->spare->entries));
	f->spare->level = level - 1;
	if (*val & TDP_NO_EXEC)
		mmu_recover_later(f->mmu);
	if (tdp_is_leaf(*val, level))
		done = tdp_split(entry, val, level, f->spare);
	else
		done = tdp_cas(entry, val, table, level);
	if (!done)
		return MAP_AGAIN;
	f->spare = NULL;
	*val = table;
	return MAP_DONE;
}

/*
 * A large leaf is to come where small ones were: the host has collected their pages into a large
 * one. RCU.
 */
static enum map_result fault_drop_table(struct fault *f, u64 *entry, u64 val)
{
	struct tdp_walk w = { .entry = entry, .val = val, .level = f->level };
	LLIST_HEAD(dead);

	tdp_zap_begin(f->mmu);
	tdp_unlink(&w, &dead);
	tdp_zap_end(f->mmu);
	tdp_bury(f->mmu, &dead);
	return MAP_AGAIN;
}

/*
 * A leaf with another page than the host says: should have been invalidated. Begin anew, and leave
 * no translation behind.
 */
static enum map_result fault_drop_leaf(struct fault *f, u64 *entry, u64 val)
{
	tdp_zap_begin(f->mmu);
	tdp_take(entry, &val, f->level);
	tdp_zap_end(f->mmu);
	return MAP_RETRY;
}

/* ------------------------------------------------------------------ with the host: the leaf */

static u64 fault_new_leaf(const struct fault *f)
{
	const bool host_write = f->host.writable && !(f->slot->flags & KVM_MEM_READONLY);
	const bool write = host_write && (!slot_logs(f->slot) || mmu_hw_logs(f->mmu) ||
					  (f->access & ACCESS_WRITE));
	const bool exec = f->level == TDP_4K || !f->mmu->vm->params.nx_huge_pages;
	const u32 perms = ACCESS_READ | (exec ? ACCESS_FETCH : 0) | (write ? ACCESS_WRITE : 0);
	const hpa_t pa = (f->host.pfn & ~(tdp_level_pages(f->level) - 1)) << 12;
	u64 leaf = hw_tdp_leaf(pa, f->level, perms, f->host.type);

	if (host_write)
		leaf |= TDP_HOST_WRITE;
	if (!exec)
		leaf |= TDP_NO_EXEC;
	/* What the CPU is about to set anyhow, by a locked write of its own. */
	if (!f->prefault)
		leaf |= HW_TDP_ACCESSED;
	if (write && (f->access & ACCESS_WRITE))
		leaf |= HW_TDP_DIRTY;
	return leaf;
}

static u64 apic_page_leaf(const struct fault *f)
{
	return hw_tdp_leaf(f->host.pfn << 12, TDP_4K, ACCESS_READ | ACCESS_WRITE, HW_MEM_WB) |
	       HW_TDP_ACCESSED | HW_TDP_DIRTY;
}

/*
 * Steps 3 to 5. No preemption in between: other vCPUs that fault here wait for the claim by coming
 * again and again.
 */
static enum map_result fault_claim(const struct fault *f, u64 *entry, u64 val)
{
	const u64 leaf = f->slot ? fault_new_leaf(f) : apic_page_leaf(f);
	u64 claim = tdp_make_claim(f->vcpu->index);
	enum map_result res = MAP_RETRY;

	preempt_disable();
	if (!tdp_cas(entry, &val, claim, f->level)) {
		res = MAP_AGAIN;
	} else if (fault_is_stale(f)) {
		tdp_cas(entry, &claim, 0, f->level);
	} else if (tdp_cas(entry, &claim, leaf, f->level)) {
		res = MAP_DONE;
	}
	preempt_enable();
	/*
	 * After the leaf, as in leaf_changed(). A new set of slots waits for our SRCU. Clean, it is
	 * the processor that logs the first write.
	 */
	if (res == MAP_DONE && f->slot && (leaf & HW_TDP_DIRTY))
		memslot_mark_dirty(f->slot, f->gfn);
	return res;
}

/*
 * The host has become more generous: an RO leaf may be RW. The claim hides a leaf that may be in
 * TLBs, so until there is a leaf again, or all TLBs are flushed, invalidations must not rely on
 * finding it.
 */
static enum map_result fault_upgrade(const struct fault *f, u64 *entry, u64 val)
{
	enum map_result res;

	tdp_zap_begin(f->mmu);
	res = fault_claim(f, entry, val);
	if (res == MAP_DONE)
		atomic_dec(&f->mmu->unflushed);
	else
		tdp_zap_end(f->mmu);
	return res;
}

static bool fault_same_page(const struct fault *f, u64 val)
{
	return tdp_leaf_pa(val, f->level) == (f->host.pfn & ~(tdp_level_pages(f->level) - 1)) << 12;
}

static enum map_result fault_leaf(struct fault *f, u64 *entry)
{
	const u64 val = READ_ONCE(*entry);
	enum map_result res;

	switch (tdp_state(val, f->level)) {
	case TDP_NONE:
		return fault_claim(f, entry, 0);
	case TDP_CLAIMED:
		return MAP_RETRY;
	default:
		break;
	}
	/* What follows may have to wait for other CPUs. */
	if (f->atomic)
		return MAP_RETRY;
	switch (tdp_state(val, f->level)) {
	case TDP_TABLE:
		/*
		 * Here small pages may be what execution needs: mmu_recover() tries large ones
		 * again.
		 */
		if (f->mmu->vm->params.nx_huge_pages) {
			f->level--;
			return MAP_AGAIN;
		}
		return fault_drop_table(f, entry, val);
	default:
		break;
	}
	if (!fault_same_page(f, val))
		return fault_drop_leaf(f, entry, val);
	res = leaf_fix(f, entry, val, f->level);
	return res == MAP_RETRY ? fault_upgrade(f, entry, val) : res;
}

/* A larger leaf than we would make is good enough when there is one. */
static bool leaf_serves(const struct fault *f, u64 val, int level)
{
	u64 to;

	return f->slot && tdp_is_leaf(val, level) &&
	       leaf_judge(f->slot, val, level, f->access, &to) == LEAF_GOOD;
}

/* RCU. */
static enum map_result fault_walk(struct fault *f)
{
	u64 *table = f->mmu->root->entries;
	enum map_result res;
	int level;

	for (level = f->mmu->levels; level > f->level; level--) {
		u64 *entry = &table[tdp_index(f->gfn, level)];
		u64 val = READ_ONCE(*entry);

		if (!tdp_is_table(val, level)) {
			if (leaf_serves(f, val, level))
				return MAP_SPURIOUS;
			res = fault_make_table(f, entry, &val, level);
			if (res != MAP_DONE)
				return res;
		}
		table = __va(tdp_pa(val));
	}
	return fault_leaf(f, &table[tdp_index(f->gfn, level)]);
}

static enum fault_result fault_install(struct fault *f)
{
	enum map_result res;

	for (;;) {
		rcu_read_lock();
		res = fault_walk(f);
		rcu_read_unlock();
		if (res == MAP_NEED_TABLE) {
			f->spare = tdp_table_alloc(TDP_4K);
			if (!f->spare)
				return FAULT_NOMEM;
		} else if (res != MAP_AGAIN) {
			break;
		}
	}
	if (res == MAP_SPURIOUS && !f->prefault) {
		/* The CPU used a translation that is no longer so: let it look again. */
		f->vcpu->stats.pf_spurious++;
		vcpu_request(f->vcpu, REQ_TLB_FLUSH);
	}
	return res == MAP_RETRY ? FAULT_RETRY : FAULT_FIXED;
}

/* ------------------------------------------------------------------ the whole */

static enum fault_result fault_of_host(enum host_result res)
{
	switch (res) {
	case HOST_OK:
		return FAULT_FIXED;
	case HOST_HWPOISON:
		return FAULT_HWPOISON;
	case HOST_NOMEM:
		return FAULT_NOMEM;
	case HOST_SIGNAL:
		return FAULT_SIGNAL;
	case HOST_RETRY:
		return FAULT_RETRY;
	default:
		return FAULT_BAD_HVA;
	}
}

static enum fault_result fault_ask_host(struct fault *f)
{
	const bool writable_slot = !(f->slot->flags & KVM_MEM_READONLY);
	enum fault_result res;

	if (inv_busy(f->mmu, f->hva, f->hva + PAGE_SIZE, &f->inv_done))
		return FAULT_RETRY;
	res = fault_of_host(
		host_page_get(f->hva, f->access & ACCESS_WRITE, writable_slot, &f->host));
	if (res != FAULT_FIXED)
		return res;
	f->level = fault_level(f);
	res = fault_install(f);
	host_page_put(&f->host);
	return res;
}

/*
 * The page where the processor takes the guest's accesses as accesses to its LAPIC. No memory of
 * the host's stands behind it, so no slot and no invalidation but mmu_drop_apic_page().
 */
static bool fault_is_for_apic_page(const struct fault *f)
{
	return f->gfn == gpa_to_gfn(APIC_DEFAULT_PHYS_BASE) && READ_ONCE(f->mmu->apic_page) &&
	       !(f->access & ACCESS_FETCH);
}

static enum fault_result fault_map_apic_page(struct fault *f)
{
	const hpa_t page = READ_ONCE(f->mmu->apic_page);

	if (!page)
		return FAULT_RETRY;
	f->level = TDP_4K;
	f->host.pfn = page >> 12;
	return fault_install(f);
}

static enum fault_result fault_find_slot(struct fault *f)
{
	if (f->gfn >= f->mmu->end_gfn)
		return FAULT_MMIO;
	f->slot = memslot_find(memslots(f->mmu->vm), f->gfn);
	if (!f->slot)
		return FAULT_MMIO;
	if ((f->access & ACCESS_WRITE) && (f->slot->flags & KVM_MEM_READONLY))
		return FAULT_READONLY;
	f->hva = memslot_gfn_to_hva(f->slot, f->gfn);
	return FAULT_FIXED;
}

/*
 * A lost race is run again here a few times, which costs less than an exit; then the guest may come
 * again.
 */
#define FAULT_TRIES 4

static enum fault_result fault_handle(struct fault *f)
{
	enum fault_result res = fault_find_slot(f);
	int i;

	if (res != FAULT_FIXED)
		return res;
	for (i = 0; i < FAULT_TRIES; i++) {
		res = fault_ask_host(f);
		if (res != FAULT_RETRY)
			break;
	}
	return res;
}

enum fault_result mmu_fault(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct fault f = { .mmu = mmu, .vcpu = vcpu, .gfn = gpa_to_gfn(gpa), .access = access };
	enum fault_result res = fault_handle(&f);

	if (res == FAULT_MMIO && unlikely(fault_is_for_apic_page(&f)))
		res = fault_map_apic_page(&f);
	if (f.spare)
		tdp_table_free(f.spare);
	return res;
}

/*
 * No SRCU: as in mmu_fault_fast(), whoever takes a slot away lets an RCU grace period pass before
 * it removes what the slot had mapped.
 */
bool mmu_fault_written(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct fault f;

	/*
	 * Devices are mostly there; and clearing all of @f first would cost as much as the rest of
	 * a doorbell.
	 */
	if (gpa_to_gfn(gpa) >= mmu->end_gfn)
		return false;
	f = (struct fault){
		.mmu = mmu, .vcpu = vcpu, .gfn = gpa_to_gfn(gpa), .access = access, .atomic = true
	};
	if (fault_find_slot(&f) != FAULT_FIXED || (f.slot->flags & KVM_MEM_READONLY))
		return false;
	if (inv_busy(mmu, f.hva, f.hva + PAGE_SIZE, &f.inv_done) ||
	    !host_page_written(f.hva, &f.host))
		return false;
	f.level = fault_level(&f);
	return fault_walk(&f) == MAP_DONE;
}

static long prefault_error(enum fault_result res)
{
	switch (res) {
	case FAULT_MMIO:
		return -ENOENT;
	case FAULT_HWPOISON:
		return -EHWPOISON;
	case FAULT_NOMEM:
		return -ENOMEM;
	case FAULT_SIGNAL:
		return -EINTR;
	default:
		return -EFAULT;
	}
}

long mmu_prefault(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u64 error_code)
{
	struct fault f = { .mmu = mmu,
			   .vcpu = vcpu,
			   .gfn = gpa_to_gfn(gpa),
			   .access = ACCESS_READ,
			   .prefault = true };
	enum fault_result res;

	if (signal_pending(current))
		return -EINTR;
	res = fault_handle(&f);
	if (f.spare)
		tdp_table_free(f.spare);
	/*
	 * Not tried again here: a change of memslots that keeps us from it may wait for the
	 * caller's vm->srcu.
	 */
	if (res == FAULT_RETRY)
		return -EAGAIN;
	if (res != FAULT_FIXED)
		return prefault_error(res);
	return tdp_level_size(f.level) - (gpa & (tdp_level_size(f.level) - 1));
}
