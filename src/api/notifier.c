// SPDX-License-Identifier: GPL-2.0-only
/*
 * The door of the host's memory management: what the VMM's page tables lose, the guest's nested
 * ones lose too.
 *
 * The set of memslots is read under vm->srcu. Between start and end of a range no fault installs
 * anything in it (mmu/).
 */
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include "api/api.h"

static struct vm_x86 *notified_vm(struct mmu_notifier *mn)
{
	return to_vm_x86(container_of(mn, struct vm, mmu_notifier));
}

static int notify_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm_x86 *x = notified_vm(mn);
	int idx = srcu_read_lock(&x->vm.srcu), err;

	x->vm.stats.mmu_invalidations++;
	err = mmu_invalidate_begin(&x->mmu, range->start, range->end,
				   mmu_notifier_range_blockable(range));
	srcu_read_unlock(&x->vm.srcu, idx);
	return err;
}

static void notify_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm_x86 *x = notified_vm(mn);
	int idx = srcu_read_lock(&x->vm.srcu);

	mmu_invalidate_end(&x->mmu, range->start, range->end);
	srcu_read_unlock(&x->vm.srcu, idx);
}

static int notify_age(struct mmu_notifier *mn, unsigned long start, unsigned long end,
		      bool test_only)
{
	struct vm_x86 *x = notified_vm(mn);
	int idx = srcu_read_lock(&x->vm.srcu), young;

	young = mmu_age(&x->mmu, start, end, test_only);
	srcu_read_unlock(&x->vm.srcu, idx);
	return young;
}

/*
 * A stale accessed bit in a TLB costs at most a page that looks older than it is: nobody is
 * interrupted for that.
 */
static int notify_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				    unsigned long start, unsigned long end)
{
	return notify_age(mn, start, end, false);
}

static int notify_clear_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
			      unsigned long end)
{
	return notify_age(mn, start, end, false);
}

static int notify_test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return notify_age(mn, address, address + 1, true);
}

/*
 * The address space goes: nothing of it may stay mapped. No vCPU runs any more, KVM_RUN needs this
 * very mm.
 */
static void notify_mm_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vm_x86 *x = notified_vm(mn);
	int idx = srcu_read_lock(&x->vm.srcu);

	mmu_invalidate_begin(&x->mmu, 0, ULONG_MAX, true);
	mmu_invalidate_end(&x->mmu, 0, ULONG_MAX);
	srcu_read_unlock(&x->vm.srcu, idx);
}

static const struct mmu_notifier_ops vm_mmu_notifier_ops = {
	.invalidate_range_start = notify_range_start,
	.invalidate_range_end = notify_range_end,
	.clear_flush_young = notify_clear_flush_young,
	.clear_young = notify_clear_young,
	.test_young = notify_test_young,
	.release = notify_mm_release,
};

int notifier_register(struct vm *vm)
{
	vm->mmu_notifier.ops = &vm_mmu_notifier_ops;
	return mmu_notifier_register(&vm->mmu_notifier, vm->mm);
}

void notifier_unregister(struct vm *vm)
{
	mmu_notifier_unregister(&vm->mmu_notifier, vm->mm);
}
