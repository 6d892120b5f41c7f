// SPDX-License-Identifier: GPL-2.0-only
/*
 * The neutral half of a vCPU: its identity, kicks and wake-ups, and who runs on this CPU.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include "core/compat.h"
#include "core/vm.h"

/*
 * Changes with the task that runs on this CPU: set when a vCPU's thread is switched in, cleared
 * when it is switched out.
 */
static DEFINE_PER_CPU(struct vcpu *, running_vcpu);

struct vcpu *vcpu_running(void)
{
	return __this_cpu_read(running_vcpu);
}

void vcpu_set_running(struct vcpu *vcpu)
{
	__this_cpu_write(running_vcpu, vcpu);
}

bool vcpu_wake(struct vcpu *vcpu)
{
	/*
	 * Starts with a full barrier: what the caller wrote is seen by a sleeper that this call
	 * doesn't find asleep.
	 */
	if (!rcuwait_wake_up(&vcpu->wait))
		return false;
	WRITE_ONCE(vcpu->ready, true);
	return true;
}

/*
 * The task can't be gone: it clears vcpu->task before it leaves KVM_RUN, and a task_struct outlives
 * the RCU readers that saw it. Where it has been switched out in the meantime it left the guest by
 * that, and no IPI is sent.
 */
static void kick_running_task(struct vcpu *vcpu)
{
	struct task_struct *task;

	rcu_read_lock();
	task = READ_ONCE(vcpu->task);
	if (task)
		kick_process(task);
	rcu_read_unlock();
}

void vcpu_kick(struct vcpu *vcpu)
{
	/*
	 * The second barrier of the table at enum vcpu_mode: the request bit (an atomic RMW just
	 * before this call) is visible before the sleeper and the mode are looked at. Nothing but a
	 * compiler barrier on x86.
	 */
	smp_mb__after_atomic();

	if (rcuwait_active(&vcpu->wait) && vcpu_wake(vcpu))
		return;
	/*
	 * A vCPU's own thread, and an interrupt on top of it, need no IPI: IRQs are off from
	 * IN_GUEST_MODE to OUTSIDE_GUEST_MODE, so either code of the run loop is calling or the
	 * mode is OUTSIDE; both look at the requests before the next entry.
	 */
	if (vcpu == this_cpu_read(running_vcpu))
		return;
	if (READ_ONCE(vcpu->mode) != IN_GUEST_MODE)
		return;
	/*
	 * Of several kickers one sends the IPI: this costs a locked instruction and spares the
	 * others an ICR write. Who has taken it upon itself may not be preempted before: the others
	 * rely on it.
	 */
	preempt_disable();
	if (cmpxchg(&vcpu->mode, IN_GUEST_MODE, EXITING_GUEST_MODE) == IN_GUEST_MODE)
		kick_running_task(vcpu);
	preempt_enable();
}

/*
 * The page is mapped by the VMM as struct kvm_run; the others behind it belong to the architecture
 * and to vm->coalesced_ring.
 */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, u32 id)
{
	vcpu->run = (struct kvm_run *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->run)
		return -ENOMEM;
	BUILD_BUG_ON(sizeof(struct kvm_run) > PAGE_SIZE);

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = -1;
	vcpu->mode = OUTSIDE_GUEST_MODE;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	free_page((unsigned long)vcpu->run);
	mutex_destroy(&vcpu->mutex);
}
