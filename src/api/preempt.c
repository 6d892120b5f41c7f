// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler's door. It knows no architecture: what an architecture has are vcpu_load_cpu() and
 * vcpu_put_cpu().
 *
 * All flags are written by the vCPU's own thread, and read by other CPUs (directed yield, steal
 * time, wake-ups): WRITE_ONCE.
 */
#include <linux/preempt.h>
#include <linux/sched.h>
#include "api/api.h"
#include "vcpu/life_inline.h"

static struct vcpu *notified_vcpu(struct preempt_notifier *notifier)
{
	return container_of(notifier, struct vcpu, preempt_notifier);
}

/*
 * The scheduler takes the CPU from @vcpu's thread. IRQs off, the run queue locked: nobody may be
 * woken up from here.
 */
static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct vcpu *vcpu = notified_vcpu(notifier);

	/* Still runnable: not asleep of its own will. Others may give it their time. */
	if (compat_task_is_runnable(current) && vcpu->wants_to_run) {
		WRITE_ONCE(vcpu->preempted, true);
		WRITE_ONCE(vcpu->ready, true);
	}
	vcpu_put_cpu(vcpu, SCHED_SWITCH);
	vcpu_set_running(NULL);
}

/* The thread is back, here or on another CPU. Preemption off, IRQs on, the run queue not locked. */
static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct vcpu *vcpu = notified_vcpu(notifier);

	WRITE_ONCE(vcpu->preempted, false);
	WRITE_ONCE(vcpu->ready, false);
	vcpu_set_running(vcpu);
	vcpu_load_cpu(vcpu, cpu, SCHED_SWITCH);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

void vcpu_door_init(struct vcpu *vcpu)
{
	preempt_notifier_init(&vcpu->preempt_notifier, &vcpu_preempt_ops);
}
