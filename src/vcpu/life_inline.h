/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two hooks of scheduling, inlined into the doors that call them: a vCPU that comes back to
 * where it was finds nothing to do.
 */
#ifndef VCPU_LIFE_INLINE_H
#define VCPU_LIFE_INLINE_H

#include <linux/sched.h>
#include <linux/kvm_para.h>
#include <asm/msr.h>
#include "vcpu/vcpu.h"

/* life.c */
void vcpu_put_at_switch(struct vcpu_x86 *v);

/*
 * TSCs of several CPUs may differ where the host doesn't keep time by them; then the guest's may
 * not go back when the vCPU moves (clock_load_elsewhere()). Preemption off.
 */
static __always_inline void clock_vcpu_put(struct vcpu_x86 *v)
{
	if (unlikely(!data_race(host_clock_is_tsc)))
		v->last_host_tsc = rdtsc();
}

/*
 * Has this thread waited for a CPU since the guest was told, or was it another thread that was told
 * of? pv_sched_out() asks for itself.
 */
static __always_inline bool pv_steal_is_due(const struct vcpu_x86 *v)
{
	return v->steal_task != current || v->steal_last_run_delay != current->sched_info.run_delay;
}

/*
 * Who takes the vCPU, or gives it back: an ioctl, or the scheduler in the middle of one. The thread's
 * host state that can't change there need not be looked at again.
 */
enum sched_reason { SCHED_IOCTL, SCHED_SWITCH };

/** vcpu_load_cpu() - this thread, with this vCPU, will run on @cpu. Preemption off. */
static __always_inline void vcpu_load_cpu(struct vcpu *vcpu, int cpu, enum sched_reason why)
{
	struct vcpu_x86 *v = to_x86(vcpu);

	WRITE_ONCE(vcpu->cpu, cpu);
	/* What the host's TSC lost, it lost while all CPUs were off. */
	if (unlikely(hw_load(&v->hw, cpu, why == SCHED_SWITCH)))
		clock_load_elsewhere(v, cpu);
	if (why == SCHED_SWITCH)
		vcpu_pause_shrink(v);
	if (unlikely(v->steal_msr & KVM_MSR_ENABLED) && pv_steal_is_due(v))
		vcpu_request(vcpu, REQ_STEAL_UPDATE);
	vcpu->stats.host_state_reload++;
}

/** vcpu_put_cpu() - it will not for a while. Preemption off. */
static __always_inline void vcpu_put_cpu(struct vcpu *vcpu, enum sched_reason why)
{
	struct vcpu_x86 *v = to_x86(vcpu);

	if (why == SCHED_SWITCH)
		vcpu_put_at_switch(v);
	clock_vcpu_put(v);
	hw_put(&v->hw, why == SCHED_SWITCH);
}

#endif
