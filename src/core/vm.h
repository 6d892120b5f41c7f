/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The neutral half of a VM: its address space, memslots, vCPUs, buses, eventfds, references.
 *
 * Locks, outermost first (docs/LOCKING.md has all of them):
 *	vm->lock		mutex: vCPU creation, irqchip creation, VM-wide settings
 *	vcpu->mutex             mutex: one ioctl of a vCPU at a time (vm->lock may be taken inside
 *	it only by nobody)
 *	vm->slots_lock		mutex: memslot changes, dirty log
 *	vm->irq_lock		mutex: routing table, irqfds
 *	vm->srcu		memslot readers that sleep; never held across a user-space exit
 */
#ifndef CORE_VM_H
#define CORE_VM_H

#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include "core/types.h"
#include "core/memslot.h"
#include "core/iobus.h"
#include "core/stats.h"
#include "core/vcpu.h"

#define VM_MAX_VCPUS	1024	/* KVM_CAP_MAX_VCPUS; also the bound of a vCPU id */

/*
 * What a VM runs with. Copied from the module's defaults when the VM is made, settable per VM until
 * its first vCPU.
 */
struct vm_params {
	u32 halt_poll_ns;		/* upper bound of one poll; 0: never poll */
	u32 halt_poll_grow, halt_poll_grow_start, halt_poll_shrink;
	u32 ple_gap, ple_window, ple_window_grow, ple_window_shrink, ple_window_max;
	/* the guest's accesses to its LAPIC are the processor's, as far as it can */
	bool virtual_apic;
	/* the processor's own timer ends the guest's turn, where it has one */
	bool preemption_timer;
	bool virtual_intr;	/* with that: so is the delivery of interrupts, and their end */
	bool huge_pages;
	bool nx_huge_pages;		/* large pages are not executable: mmu/large.c */
	bool pml;			/* the processor logs which pages are written */
};
extern struct vm_params vm_default_params;

/**
 * core_setup(), core_teardown() - at module load and unload (no VM is left; waits for RCU
 * callbacks). Sleep. -ENOMEM.
 */
int core_setup(void);
void core_teardown(void);

struct vm {
	struct mm_struct *mm;			/* mmgrab()ed; every ioctl checks current->mm */
	struct list_head link;			/* in the list of all VMs, api/vm.c */
	refcount_t users;			/* VM fd, vCPU fds, device fds */
	struct mutex lock, slots_lock, irq_lock;
	struct srcu_struct srcu;
	struct memslots __rcu *slots;	/* written under slots_lock, read under srcu or RCU */
	struct xarray vcpus;			/* by index; RCU */
	atomic_t nr_vcpus;			/* published after the vCPU is in the array */
	struct iobus pio, mmio;	/* ranges; written under slots_lock, read under RCU */
	struct list_head ioeventfds;		/* under slots_lock */
	struct list_head coalesced_zones;	/* under slots_lock */
	struct kvm_coalesced_mmio_ring *coalesced_ring;
	spinlock_t ring_lock;			/* producers of the coalesced ring */
	struct mmu_notifier mmu_notifier;
	bool vm_dead;				/* set once: every later ioctl is -EIO */
	struct vm_params params;
	struct vm_stats stats;
	struct dentry *debugfs;
	u64 manual_dirty_log;			/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 flags */
	u32 max_vcpu_id;
	int pid;				/* of the creator, for names */
};

#define vm_for_each_vcpu(idx, v, vm) \
	xa_for_each_range(&(vm)->vcpus, idx, v, 0, (unsigned long)atomic_read(&(vm)->nr_vcpus) - 1)

/** vm_init() - prepare the neutral half for current->mm. May sleep. -ENOMEM. */
int vm_init(struct vm *vm);
/** vm_destroy() - undo vm_init(); no vCPU, notifier or reference is left. May sleep. */
void vm_destroy(struct vm *vm);

/** vm_get_vcpu() - the vCPU at dense index @i, or NULL. RCU or a reference on the VM. */
static inline struct vcpu *vm_get_vcpu(struct vm *vm, u32 i)
{
	return xa_load(&vm->vcpus, i);
}
/** vm_find_vcpu() - the vCPU with the VMM's number @id, or NULL. */
struct vcpu *vm_find_vcpu(struct vm *vm, u32 id);

/**
 * vm_request_all() - make @req on every vCPU (but @except, may be NULL) and kick those in the
 * guest. With REQUEST_WAIT, returns only when each has left the guest since (may not be called with
 * IRQs off).
 */
enum request_wait { REQUEST_NOWAIT, REQUEST_WAIT };
void vm_request_all(struct vm *vm, enum vcpu_request req, enum request_wait wait,
		    struct vcpu *except);

/**
 * vm_flush_remote_tlbs() - after it, no vCPU uses a translation that was removed before. Any
 * context with IRQs on.
 */
void vm_flush_remote_tlbs(struct vm *vm);

/**
 * user_copy_held() - a copy of what the VMM has at @from, for an object that outlives the ioctl: it
 * counts as the VMM's memory, which memdup_user()'s, good for what is freed within the call,
 * doesn't. Sleeps. kfree() frees it. ERR_PTR: -ENOMEM, -EFAULT.
 */
static inline void *user_copy_held(const void __user *from, size_t len)
{
	void *copy = kmalloc(len, GFP_KERNEL_ACCOUNT);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, from, len)) {
		kfree(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}

#endif
