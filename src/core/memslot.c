// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots: the sets, how one follows another, and guest memory through the VMM's mapping.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include "core/compat.h"
#include "core/vm.h"

/* so that a page's number in its slot fits an int */
#define MEMSLOT_MAX_PAGES	((1ULL << 31) - 1)
#define MEMSLOT_FLAGS_VALID	((u32)(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))

/* ------------------------------------------------------------------ lookups */

struct memslots *memslots(struct vm *vm)
{
	return srcu_dereference_check(vm->slots, &vm->srcu,
				      rcu_read_lock_any_held() ||
					      lockdep_is_held(&vm->slots_lock) ||
					      !refcount_read(&vm->users));
}

/* The index of the first slot whose base is above @gfn. */
static u32 slot_index_above(const struct memslots *slots, gfn_t gfn)
{
	u32 low = 0, high = slots->used;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (slots->by_gfn[mid]->base_gfn > gfn)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct memslot *memslot_find(struct memslots *slots, gfn_t gfn)
{
	u32 above = slot_index_above(slots, gfn);
	struct memslot *slot;

	if (!above)
		return NULL;
	slot = slots->by_gfn[above - 1];
	return gfn - slot->base_gfn < slot->npages ? slot : NULL;
}

struct memslot *memslot_by_id(struct memslots *slots, u32 id)
{
	u32 i;

	for (i = 0; i < slots->used; i++)
		if (slots->by_gfn[i]->id == id)
			return slots->by_gfn[i];
	return NULL;
}

void memslot_mark_dirty(struct memslot *slot, gfn_t gfn)
{
	unsigned long page = gfn - slot->base_gfn;

	if (!slot->dirty_bitmap)
		return;
	/*
	 * The write that is logged is visible before the bit is looked at: a log that takes the bit
	 * away after we found it set comes with the write in memory (mmu/dirty.c has the other
	 * side: bits are taken, then pages are read).
	 */
	smp_mb();
	/*
	 * The read first: most writes hit pages that are dirty already, and needn't own the line.
	 */
	if (!test_bit(page, slot->dirty_bitmap))
		set_bit(page, slot->dirty_bitmap);
}

/* ------------------------------------------------------------------ a change */

static struct memslots *slots_alloc(u32 used)
{
	struct memslots *slots = kvzalloc(struct_size(slots, by_gfn, used), GFP_KERNEL_ACCOUNT);

	if (slots)
		slots->used = used;
	return slots;
}

static void slot_free(struct memslot *slot)
{
	kvfree(slot->dirty_bitmap);
	kfree(slot);
}

/* Frees a set that was replaced, and with it the slot (and bitmap) that only it had. */
static void slots_free_rcu(struct rcu_head *rcu)
{
	struct memslots *slots = container_of(rcu, struct memslots, rcu);

	if (slots->retired_bitmap)
		kvfree(slots->retired->dirty_bitmap);
	kfree(slots->retired);
	kvfree(slots);
}

int memslots_init(struct vm *vm)
{
	struct memslots *slots = slots_alloc(0);

	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(vm->slots, slots);
	return 0;
}

void memslots_destroy(struct vm *vm)
{
	struct memslots *slots = rcu_dereference_protected(vm->slots, 1);
	u32 i;

	for (i = 0; i < slots->used; i++)
		slot_free(slots->by_gfn[i]);
	kvfree(slots);
	RCU_INIT_POINTER(vm->slots, NULL);
}

/* What needs no other slot to be judged (api.rst 4.35). */
static int check_region(const struct kvm_userspace_memory_region *mem)
{
	if (mem->flags & ~MEMSLOT_FLAGS_VALID)
		return -EINVAL;
	/* The upper half of the number is an address space; there is one. */
	if (mem->slot >= MEMSLOTS_MAX)
		return -EINVAL;
	if ((mem->memory_size | mem->guest_phys_addr | mem->userspace_addr) & (PAGE_SIZE - 1))
		return -EINVAL;
	if (mem->memory_size >> PAGE_SHIFT > MEMSLOT_MAX_PAGES)
		return -EINVAL;
	if (mem->guest_phys_addr + mem->memory_size < mem->guest_phys_addr)
		return -EINVAL;
	if (mem->userspace_addr != (unsigned long)mem->userspace_addr ||
	    !access_ok((void __user *)(unsigned long)mem->userspace_addr, mem->memory_size))
		return -EINVAL;
	return 0;
}

/* Which change of @old @mem asks for, or -EINVAL. */
static int classify(const struct memslot *old, const struct kvm_userspace_memory_region *mem)
{
	if (!mem->memory_size)
		return old ? MEMSLOT_DELETE : -EINVAL;
	if (!old)
		return MEMSLOT_CREATE;
	if (mem->memory_size >> PAGE_SHIFT != old->npages || mem->userspace_addr != old->hva ||
	    ((mem->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	if (gpa_to_gfn(mem->guest_phys_addr) != old->base_gfn)
		return MEMSLOT_MOVE;
	return mem->flags != old->flags ? MEMSLOT_FLAGS : MEMSLOT_NOTHING;
}

static bool overlaps_other(const struct memslots *slots, const struct memslot *old, gfn_t base,
			   u64 npages)
{
	u32 i = slot_index_above(slots, base + npages - 1);

	/*
	 * Downwards from the last slot that begins in or below the range; @old itself doesn't
	 * count.
	 */
	while (i--) {
		const struct memslot *slot = slots->by_gfn[i];

		if (slot == old)
			continue;
		return slot->base_gfn + slot->npages > base;
	}
	return false;
}

/* Two bits a page: what was written, and the copy that GET_DIRTY_LOG makes. */
static int alloc_bitmap(struct vm *vm, struct memslot *slot)
{
	size_t half = memslot_bitmap_longs(slot);

	slot->dirty_bitmap = kvcalloc(2 * half, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!slot->dirty_bitmap)
		return -ENOMEM;
	if (vm->manual_dirty_log & KVM_DIRTY_LOG_INITIALLY_SET)
		bitmap_set(slot->dirty_bitmap, 0, slot->npages);
	return 0;
}

static struct memslot *new_slot(struct vm *vm, const struct kvm_userspace_memory_region *mem,
				const struct memslot *old)
{
	struct memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base_gfn = gpa_to_gfn(mem->guest_phys_addr);
	slot->npages = mem->memory_size >> PAGE_SHIFT;
	slot->hva = mem->userspace_addr;
	slot->id = mem->slot;
	slot->flags = mem->flags;
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;

	/* A slot that moves takes its log along. */
	if (old && old->dirty_bitmap)
		slot->dirty_bitmap = old->dirty_bitmap;
	else if (alloc_bitmap(vm, slot)) {
		kfree(slot);
		return NULL;
	}
	return slot;
}

/* The old set without up->old and with up->new, sorted. */
static void fill_set(struct memslots *set, const struct memslots *from,
		     const struct memslot_update *up)
{
	bool placed = !up->new;
	u32 i, n = 0;

	for (i = 0; i < from->used; i++) {
		struct memslot *slot = from->by_gfn[i];

		if (slot == up->old)
			continue;
		if (!placed && up->new->base_gfn < slot->base_gfn) {
			set->by_gfn[n++] = up->new;
			placed = true;
		}
		set->by_gfn[n++] = slot;
	}
	if (!placed)
		set->by_gfn[n++] = up->new;
	set->generation = from->generation + 2;
}

int memslot_prepare(struct vm *vm, const struct kvm_userspace_memory_region *mem,
		    struct memslot_update *up)
{
	struct memslots *from = memslots(vm);
	int change;

	memset(up, 0, sizeof(*up));
	up->change = MEMSLOT_NOTHING;
	change = check_region(mem);
	if (change)
		return change;
	up->old = memslot_by_id(from, mem->slot);
	change = classify(up->old, mem);
	if (change < 0)
		return change;
	up->change = change;
	if (change == MEMSLOT_NOTHING)
		return 0;

	if (change != MEMSLOT_DELETE) {
		if (overlaps_other(from, up->old, gpa_to_gfn(mem->guest_phys_addr),
				   mem->memory_size >> PAGE_SHIFT))
			return -EEXIST;
		up->new = new_slot(vm, mem, up->old);
		if (!up->new)
			return -ENOMEM;
	}
	up->set = slots_alloc(from->used + !!up->new - !!up->old);
	if (!up->set) {
		memslot_abort(up);
		return -ENOMEM;
	}
	fill_set(up->set, from, up);
	up->replaced = from;
	return 0;
}

void memslot_publish(struct vm *vm, struct memslot_update *up)
{
	if (up->change == MEMSLOT_NOTHING)
		return;
	rcu_assign_pointer(vm->slots, up->set);
	/*
	 * Readers that may sleep: a fault that found the old slot has installed its page, or will
	 * find the new one.
	 */
	synchronize_srcu_expedited(&vm->srcu);
	/*
	 * And those that can't: a fast fault that found the old slot has set its bit in the page
	 * table, or put its page there, before logging takes the bit away, or the end of the slot
	 * the page.
	 */
	if (up->old)
		synchronize_rcu_expedited();
}

/* Did @new take the bitmap of @old over? */
static bool bitmap_handed_over(const struct memslot_update *up)
{
	return up->old && up->new && up->new->dirty_bitmap == up->old->dirty_bitmap;
}

void memslot_finish(struct vm *vm, struct memslot_update *up)
{
	if (up->change == MEMSLOT_NOTHING)
		return;
	up->replaced->retired = up->old;
	up->replaced->retired_bitmap = up->old && !bitmap_handed_over(up);
	call_rcu(&up->replaced->rcu, slots_free_rcu);
	memset(up, 0, sizeof(*up));
}

bool memslots_log(const struct memslots *set)
{
	u32 i;

	for (i = 0; i < set->used; i++)
		if (set->by_gfn[i]->flags & KVM_MEM_LOG_DIRTY_PAGES)
			return true;
	return false;
}

void memslot_abort(struct memslot_update *up)
{
	if (bitmap_handed_over(up))
		up->new->dirty_bitmap = NULL;
	if (up->new)
		slot_free(up->new);
	kvfree(up->set);
	memset(up, 0, sizeof(*up));
	up->change = MEMSLOT_NOTHING;
}

/* ------------------------------------------------------------------ guest memory */

static size_t rest_of_page(gpa_t gpa, size_t len)
{
	return min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
}

/* The VMM's address of @gpa for reading, or NULL where there is no slot. */
static void __user *guest_page(struct memslot *slot, gpa_t gpa)
{
	if (!slot)
		return NULL;
	return (void __user *)(memslot_gfn_to_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa));
}

int vm_read_guest(struct vm *vm, gpa_t gpa, void *data, size_t len)
{
	struct memslots *slots = memslots(vm);

	while (len) {
		size_t now = rest_of_page(gpa, len);
		void __user *from = guest_page(memslot_find(slots, gpa_to_gfn(gpa)), gpa);

		if (!from || copy_from_user(data, from, now))
			return -EFAULT;
		gpa += now;
		data += now;
		len -= now;
	}
	return 0;
}

int vm_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, size_t len)
{
	struct memslots *slots = memslots(vm);
	unsigned long left = 0;

	pagefault_disable();
	while (len && !left) {
		size_t now = rest_of_page(gpa, len);
		void __user *from = guest_page(memslot_find(slots, gpa_to_gfn(gpa)), gpa);

		left = from ? __copy_from_user_inatomic(data, from, now) : now;
		gpa += now;
		data += now;
		len -= now;
	}
	pagefault_enable();
	return left ? -EFAULT : 0;
}

static struct memslot *writable_slot(struct memslots *slots, gpa_t gpa)
{
	struct memslot *slot = memslot_find(slots, gpa_to_gfn(gpa));

	return slot && !(slot->flags & KVM_MEM_READONLY) ? slot : NULL;
}

int vm_write_guest(struct vm *vm, gpa_t gpa, const void *data, size_t len)
{
	struct memslots *slots = memslots(vm);

	while (len) {
		size_t now = rest_of_page(gpa, len);
		struct memslot *slot = writable_slot(slots, gpa);
		void __user *to = guest_page(slot, gpa);

		if (!to || copy_to_user(to, data, now))
			return -EFAULT;
		memslot_mark_dirty(slot, gpa_to_gfn(gpa));
		gpa += now;
		data += now;
		len -= now;
	}
	return 0;
}

/* The locked instruction itself, on the VMM's mapping. 0, 1 or -EFAULT. */
static int cmpxchg_user(void __user *at, const void *old, const void *new, size_t len)
{
	u64 was = 0, now = 0;
	u32 was32;
	u16 was16;
	u8 was8;

	memcpy(&was, old, len);
	memcpy(&now, new, len);
	was32 = was;
	was16 = was;
	was8 = was;
	switch (len) {
	case 1:
		return __try_cmpxchg_user((u8 __user *)at, &was8, (u8)now, fault8);
	case 2:
		return __try_cmpxchg_user((u16 __user *)at, &was16, (u16)now, fault16);
	case 4:
		return __try_cmpxchg_user((u32 __user *)at, &was32, (u32)now, fault32);
	default:
		return __try_cmpxchg_user((u64 __user *)at, &was, now, fault64);
	}
}

static int compare_and_write(struct vm *vm, gpa_t gpa, const void *old, const void *new, size_t len)
{
	u8 is[16];

	if (len > sizeof(is) || vm_read_guest(vm, gpa, is, len))
		return -EFAULT;
	return memcmp(is, old, len) ? 1 : vm_write_guest(vm, gpa, new, len);
}

int vm_cmpxchg_guest(struct vm *vm, gpa_t gpa, const void *old, const void *new, size_t len)
{
	struct memslot *slot = writable_slot(memslots(vm), gpa);
	void __user *at = guest_page(slot, gpa);
	int r;

	if (len > 8 || !is_power_of_2(len) || gpa & (len - 1))
		return compare_and_write(vm, gpa, old, new, len);
	if (!at || !access_ok(at, len))
		return -EFAULT;
	r = cmpxchg_user(at, old, new, len);
	if (r >= 0)
		memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	return r < 0 ? -EFAULT : !!r;
}

/* ------------------ a place in guest memory that is used again and again */

int guest_cache_init(struct vm *vm, struct guest_cache *cache, gpa_t gpa, u32 len)
{
	struct memslots *slots = memslots(vm);

	if (!len || rest_of_page(gpa, len) != len)
		return -EINVAL;
	cache->gpa = gpa;
	cache->len = len;
	cache->generation = slots->generation;
	cache->slot = memslot_find(slots, gpa_to_gfn(gpa));
	return cache->slot ? 0 : -EFAULT;
}

/* The slot as the current set has it; cache->slot is only looked at when it belongs to that set. */
static struct memslot *cached_slot(struct vm *vm, struct guest_cache *cache)
{
	struct memslots *slots = memslots(vm);

	if (unlikely(cache->generation != slots->generation)) {
		cache->slot = memslot_find(slots, gpa_to_gfn(cache->gpa));
		cache->generation = slots->generation;
	}
	return cache->slot;
}

int guest_cache_read(struct vm *vm, struct guest_cache *cache, u32 offset, void *data, u32 len)
{
	void __user *from = guest_page(cached_slot(vm, cache), cache->gpa);

	if (offset > cache->len || len > cache->len - offset)
		return -EINVAL;
	return !from || copy_from_user(data, from + offset, len) ? -EFAULT : 0;
}

int guest_cache_write(struct vm *vm, struct guest_cache *cache, u32 offset, const void *data,
		      u32 len)
{
	struct memslot *slot = cached_slot(vm, cache);
	void __user *to = guest_page(slot, cache->gpa);

	if (offset > cache->len || len > cache->len - offset)
		return -EINVAL;
	if (!to || (slot->flags & KVM_MEM_READONLY) || copy_to_user(to + offset, data, len))
		return -EFAULT;
	memslot_mark_dirty(slot, gpa_to_gfn(cache->gpa));
	return 0;
}
