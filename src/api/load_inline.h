/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an ioctl takes a vCPU's hardware state, and gives it back; what a context switch does in
 * between is api/preempt.c.
 */
#ifndef API_LOAD_INLINE_H
#define API_LOAD_INLINE_H

#include <linux/preempt.h>
#include <linux/smp.h>
#include "vcpu/life_inline.h"

/**
 * vcpu_load() - this thread takes the vCPU's hardware state until vcpu_put(), across context
 * switches. vcpu->mutex held. Process context.
 */
static __always_inline void vcpu_load(struct vcpu *vcpu)
{
	int cpu = get_cpu();

	vcpu_set_running(vcpu);
	preempt_notifier_register(&vcpu->preempt_notifier);
	vcpu_load_cpu(vcpu, cpu, SCHED_IOCTL);
	put_cpu();
}

static __always_inline void vcpu_put(struct vcpu *vcpu)
{
	preempt_disable();
	vcpu_put_cpu(vcpu, SCHED_IOCTL);
	preempt_notifier_unregister(&vcpu->preempt_notifier);
	vcpu_set_running(NULL);
	preempt_enable();
}

#endif
