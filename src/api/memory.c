// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doors to memslots and the dirty log (api.rst 4.8, 4.35, 4.117, 4.140).
 */
#include <linux/srcu.h>
#include "api/api.h"

static hva_t slot_hva_end(const struct memslot *slot)
{
	return slot->hva + (slot->npages << PAGE_SHIFT);
}

/*
 * Take a slot's GFNs away. The host's memory management finds nested translations through the
 * published slots: from the moment a slot isn't among them, none of its translations may exist. So
 * its host range is invalidated first, and until that invalidation ends no fault can put anything
 * back, whichever set of slots it found.
 */
static void region_vacate(struct vm_x86 *x, struct memslot_update *up)
{
	hva_t start = up->old->hva, end = slot_hva_end(up->old);

	mmu_invalidate_begin(&x->mmu, start, end, true);
	memslot_publish(&x->vm, up);
	mmu_zap_slot(&x->mmu, up->old);
	mmu_invalidate_end(&x->mmu, start, end);
}

static void region_change_logging(struct vm_x86 *x, struct memslot_update *up)
{
	bool initially_set = x->vm.manual_dirty_log & KVM_DIRTY_LOG_INITIALLY_SET;

	memslot_publish(&x->vm, up);
	if (up->new->flags & KVM_MEM_LOG_DIRTY_PAGES)
		mmu_slot_start_logging(&x->mmu, up->new, initially_set);
	else
		mmu_slot_stop_logging(&x->mmu, up->new);
}

static void region_change(struct vm_x86 *x, struct memslot_update *up)
{
	/* Before the first page of a logged slot can be mapped. */
	if (memslots_log(up->set))
		mmu_set_hw_log(&x->mmu, true);
	if (up->change == MEMSLOT_CREATE)
		memslot_publish(&x->vm, up);
	else if (up->change == MEMSLOT_DELETE || up->change == MEMSLOT_MOVE)
		region_vacate(x, up);
	else
		region_change_logging(x, up);
	if (!memslots_log(up->set))
		mmu_set_hw_log(&x->mmu, false);
}

static int region_set(struct vm_x86 *x, const struct kvm_userspace_memory_region *mem)
{
	struct memslot_update up;
	int err;

	if (mem->memory_size &&
	    (mem->guest_phys_addr + mem->memory_size - 1) >> hw_caps.max_phys_bits)
		return -EINVAL;
	mutex_lock(&x->vm.slots_lock);
	err = memslot_prepare(&x->vm, mem, &up);
	if (!err) {
		if (up.change != MEMSLOT_NOTHING)
			region_change(x, &up);
		memslot_finish(&x->vm, &up);
	}
	mutex_unlock(&x->vm.slots_lock);
	return err;
}

long vm_ioctl_set_region(struct vm_x86 *x, void __user *argp)
{
	struct kvm_userspace_memory_region mem;

	if (copy_from_user(&mem, argp, sizeof(mem)))
		return -EFAULT;
	return region_set(x, &mem);
}

/* Without guest_memfd the second form says the same as the first. */
long vm_ioctl_set_region2(struct vm_x86 *x, void __user *argp)
{
	struct kvm_userspace_memory_region2 mem2;
	struct kvm_userspace_memory_region mem;

	if (copy_from_user(&mem2, argp, sizeof(mem2)))
		return -EFAULT;
	mem.slot = mem2.slot;
	mem.flags = mem2.flags;
	mem.guest_phys_addr = mem2.guest_phys_addr;
	mem.memory_size = mem2.memory_size;
	mem.userspace_addr = mem2.userspace_addr;
	return region_set(x, &mem);
}

static long dirty_log_get(struct vm_x86 *x, const struct kvm_dirty_log *log)
{
	long err;

	mutex_lock(&x->vm.slots_lock);
	err = mmu_get_dirty_log(&x->mmu, log);
	mutex_unlock(&x->vm.slots_lock);
	return err;
}

static long dirty_log_clear(struct vm_x86 *x, const struct kvm_clear_dirty_log *log)
{
	long err;

	mutex_lock(&x->vm.slots_lock);
	err = mmu_clear_dirty_log(&x->mmu, log);
	mutex_unlock(&x->vm.slots_lock);
	return err;
}

long vm_ioctl_get_dirty_log(struct vm_x86 *x, void __user *argp)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return dirty_log_get(x, &log);
}

long vm_ioctl_clear_dirty_log(struct vm_x86 *x, void __user *argp)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return dirty_log_clear(x, &log);
}

#ifdef CONFIG_COMPAT
/* A 32-bit VMM fills only the lower half of the pointer. */
long vm_compat_get_dirty_log(struct vm_x86 *x, void __user *argp)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	log.dirty_bitmap = compat_ptr((u32)log.padding2);
	return dirty_log_get(x, &log);
}

long vm_compat_clear_dirty_log(struct vm_x86 *x, void __user *argp)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	log.dirty_bitmap = compat_ptr((u32)log.padding2);
	return dirty_log_clear(x, &log);
}
#endif
