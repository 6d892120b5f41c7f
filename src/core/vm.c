// SPDX-License-Identifier: GPL-2.0-only
/*
 * The neutral half of a VM, and what is said to all of its vCPUs at once.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include "core/compat.h"
#include "core/ioeventfd.h"
#include "core/vm.h"

struct vm_params vm_default_params = {
	.halt_poll_ns = 200000,
	.halt_poll_grow = 2,
	.halt_poll_grow_start = 10000,
	.halt_poll_shrink = 0,
	.ple_gap = 128,
	.ple_window = 4096,
	.ple_window_grow = 2,
	.ple_window_shrink = 0,
	.ple_window_max = 65535,
	.virtual_apic = true,
	.virtual_intr = true,
	.preemption_timer = true,
	.huge_pages = true,
	.pml = true,
};

/*
 * The CPUs that one vm_request_all() waits for; used with preemption off. A mask is too big for the
 * stack.
 */
static DEFINE_PER_CPU(cpumask_var_t, kick_mask);

int core_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (!zalloc_cpumask_var_node(&per_cpu(kick_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			core_teardown();
			return -ENOMEM;
		}
	}
	return 0;
}

void core_teardown(void)
{
	int cpu;

	/*
	 * Sets of memslots and of devices are freed by RCU callbacks, which are code of this
	 * module.
	 */
	rcu_barrier();
	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(kick_mask, cpu));
}

int vm_init(struct vm *vm)
{
	int err = -ENOMEM;

	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	spin_lock_init(&vm->ring_lock);
	INIT_LIST_HEAD(&vm->ioeventfds);
	INIT_LIST_HEAD(&vm->coalesced_zones);
	xa_init(&vm->vcpus);
	vm->pio.block_shift = PIO_BLOCK_SHIFT;
	vm->mmio.block_shift = PAGE_SHIFT;
	vm->params = vm_default_params;
	vm->max_vcpu_id = VM_MAX_VCPUS;
	vm->pid = current->pid;

	vm->coalesced_ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vm->coalesced_ring)
		return err;
	err = memslots_init(vm);
	if (err)
		goto free_ring;
	err = init_srcu_struct(&vm->srcu);
	if (err)
		goto free_slots;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	return 0;

free_slots:
	memslots_destroy(vm);
free_ring:
	free_page((unsigned long)vm->coalesced_ring);
	return err;
}

void vm_destroy(struct vm *vm)
{
	ioeventfd_destroy_all(vm);
	coalesced_destroy(vm);
	iobus_destroy(&vm->pio);
	iobus_destroy(&vm->mmio);
	memslots_destroy(vm);
	xa_destroy(&vm->vcpus);
	cleanup_srcu_struct(&vm->srcu);
	free_page((unsigned long)vm->coalesced_ring);
	mmdrop(vm->mm);
}

struct vcpu *vm_find_vcpu(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = vm_get_vcpu(vm, id);
	unsigned long i;

	/* Most VMMs number their vCPUs from 0 in the order of creation. */
	if (vcpu && vcpu->id == id)
		return vcpu;
	vm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

static void request_nowait(struct vm *vm, enum vcpu_request req, struct vcpu *except)
{
	struct vcpu *vcpu;
	unsigned long i;

	vm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu == except)
			continue;
		vcpu_request(vcpu, req);
		vcpu_kick(vcpu);
	}
}

/* Its return says that the CPU took the IPI, and so left the guest if it was in one. */
static void left_guest(void *unused)
{
}

/*
 * Is there a CPU to wait for? The full barrier stands between the request bit and the mode, as in
 * vcpu_kick(); the mode is read before the CPU (acquire), so that a CPU number at least as new as
 * the mode is seen: a vCPU that moved since has left the guest on the way and met the request.
 */
static int cpu_in_guest(struct vcpu *vcpu)
{
	if (smp_load_acquire(&vcpu->mode) == OUTSIDE_GUEST_MODE)
		return -1;
	return READ_ONCE(vcpu->cpu);
}

static void request_wait(struct vm *vm, enum vcpu_request req, struct vcpu *except)
{
	int this_cpu = get_cpu(), cpu;
	struct cpumask *mask = *this_cpu_ptr(&kick_mask);
	struct vcpu *vcpu;
	unsigned long i;

	cpumask_clear(mask);
	vm_for_each_vcpu(i, vcpu, vm) {
		if (vcpu == except)
			continue;
		vcpu_request(vcpu, req);
		smp_mb__after_atomic();
		cpu = cpu_in_guest(vcpu);
		if (cpu >= 0 && cpu != this_cpu)
			cpumask_set_cpu(cpu, mask);
	}
	/*
	 * A vCPU that sleeps has no translation in use and no guest to leave: it meets the request
	 * when it wakes up.
	 */
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, left_guest, NULL, true);
	put_cpu();
}

void vm_request_all(struct vm *vm, enum vcpu_request req, enum request_wait wait,
		    struct vcpu *except)
{
	if (!atomic_read(&vm->nr_vcpus))
		return;
	if (wait == REQUEST_WAIT)
		request_wait(vm, req, except);
	else
		request_nowait(vm, req, except);
}

void vm_flush_remote_tlbs(struct vm *vm)
{
	vm->stats.remote_tlb_flush_requests++;
	vm_request_all(vm, REQ_TLB_FLUSH, REQUEST_WAIT, NULL);
	vm->stats.remote_tlb_flush++;
}
