// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting: HLT, the sleep of a vCPU that has nothing to do (with polling before it), and directed
 * yield for one that spins.
 */
#include <linux/math64.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include "vcpu/vcpu.h"

/**
 * vcpu_halt() - HLT was executed (and is behind RIP). NEXT_GUEST: the run loop waits; NEXT_USER:
 * without a LAPIC in the kernel the VMM does.
 */
int vcpu_halt(struct vcpu_x86 *v)
{
	v->vcpu.stats.halt_exits++;
	if (!v->has_apic) {
		v->vcpu.run->exit_reason = KVM_EXIT_HLT;
		return NEXT_USER;
	}
	v->mp_state = KVM_MP_STATE_HALTED;
	return NEXT_GUEST;
}

/*
 * What ends a sleep or a poll; the vCPU's thread, perhaps with its task state set already, so
 * nothing here may sleep.
 */
static bool block_is_over(struct vcpu_x86 *v)
{
	return vcpu_request_pending(&v->vcpu) || vcpu_runnable(v) || signal_pending(current);
}

/*
 * Waits are measured by the TSC, the one clock that costs a single instruction: on a host where it
 * isn't constant, or differs between CPUs, the learning and the statistics are as wrong.
 */
static u64 ns_since(u64 tsc)
{
	s64 ticks = rdtsc() - tsc;
	u64 ms, rest;

	if (ticks < 0)
		return 0;
	ms = div64_u64_rem(ticks, tsc_khz, &rest);
	return ms * NSEC_PER_MSEC + div64_u64(rest * NSEC_PER_MSEC, tsc_khz);
}

/* Spin for at most @ns from @start on, giving up early when someone else wants this CPU. */
static bool halt_poll(struct vcpu_x86 *v, u64 start, u32 ns)
{
	u64 ticks = div64_u64((u64)ns * tsc_khz, NSEC_PER_MSEC);

	v->vcpu.stats.halt_attempted_poll++;
	do {
		if (block_is_over(v)) {
			v->vcpu.stats.halt_successful_poll++;
			/*
			 * Not for the guest: a request or a signal, which would have come as fast
			 * without polling.
			 */
			if (!vcpu_runnable(v))
				v->vcpu.stats.halt_poll_invalid++;
			return true;
		}
		cpu_relax();
	} while (single_task_running() && !need_resched() && rdtsc() - start < ticks);
	return false;
}

/*
 * Learn from this wait (halt-polling.rst): polling a little longer would have caught it, so poll
 * longer; or nothing short would have, so poll less.
 */
static void halt_poll_adjust(struct vcpu_x86 *v, u64 waited_ns, bool polled_in_vain)
{
	const struct vm_params *p = &v->vcpu.vm->params;
	u32 ns = v->vcpu.halt_poll_ns, max = READ_ONCE(p->halt_poll_ns);

	if (!max) {
		ns = 0;
	} else if (waited_ns > max) {
		ns = polled_in_vain && p->halt_poll_shrink ? ns / p->halt_poll_shrink : 0;
		if (ns < p->halt_poll_grow_start)
			ns = 0;
	} else if (waited_ns > ns && p->halt_poll_grow) {
		ns = min_t(u64, max,
			   max_t(u64, p->halt_poll_grow_start, (u64)ns * p->halt_poll_grow));
	}
	v->vcpu.halt_poll_ns = min(ns, max);
}

static void halt_sleep(struct vcpu_x86 *v)
{
	struct rcuwait *wait = &v->vcpu.wait;

	WRITE_ONCE(v->vcpu.blocked, true);
	prepare_to_rcuwait(wait);
	for (;;) {
		/*
		 * The barrier in it pairs with the one in rcuwait_wake_up(): either we see the
		 * event or the waker sees us asleep.
		 */
		set_current_state(TASK_INTERRUPTIBLE);
		if (block_is_over(v))
			break;
		schedule();
	}
	finish_rcuwait(wait);
	WRITE_ONCE(v->vcpu.blocked, false);
	v->vcpu.stats.halt_wakeup++;
}

static void block(struct vcpu_x86 *v)
{
	u32 poll_ns = min(v->vcpu.halt_poll_ns, READ_ONCE(v->vcpu.vm->params.halt_poll_ns));
	bool poll = poll_ns && v->mp_state == KVM_MP_STATE_HALTED;
	u64 start = rdtsc(), polled_ns = 0, ns;

	if (poll) {
		bool hit = halt_poll(v, start, poll_ns);

		polled_ns = ns_since(start);
		if (hit) {
			v->vcpu.stats.halt_poll_success_ns += polled_ns;
			return;
		}
		v->vcpu.stats.halt_poll_fail_ns += polled_ns;
	}
	if (block_is_over(v))
		return;
	halt_sleep(v);
	if (v->mp_state == KVM_MP_STATE_HALTED) {
		ns = max(ns_since(start), polled_ns);
		v->vcpu.stats.halt_wait_ns += ns - polled_ns;
		halt_poll_adjust(v, ns, poll);
	}
}

/**
 * vcpu_block() - wait until the vCPU has something to do, a request or a signal. vCPU thread, no
 * srcu, IRQs on.
 */
void vcpu_block(struct vcpu_x86 *v)
{
	/* The processor's timer runs with the guest only. */
	lapic_timer_to_host(&v->apic);
	block(v);
	if (v->apic.timer.host)
		lapic_timer_to_hw(&v->apic);
}

/* ------------------------------------------------------------------ PAUSE-loop exits */

/*
 * The window is how long a guest may spin before it exits: PAUSEs on SVM, cycles on VMX. A vCPU
 * that exits again and again waits for something that a yield doesn't bring, so its window grows;
 * when it has been switched out that is forgotten, at once or step by step.
 */
static void pause_window_set(struct vcpu_x86 *v, u64 window)
{
	const struct vm_params *p = &v->vcpu.vm->params;

	window = clamp_t(u64, window, p->ple_window, max(p->ple_window, p->ple_window_max));
	if (window != hw_pause_window(&v->hw))
		hw_set_pause_window(&v->hw, p->ple_gap, window);
}

/**
 * vcpu_pause_init() - a new vCPU. Loaded. Without a filter in the processor each PAUSE would exit:
 * then none does.
 */
void vcpu_pause_init(struct vcpu_x86 *v)
{
	const struct vm_params *p = &v->vcpu.vm->params;

	if (!hw_caps.pause_filter || !p->ple_window ||
	    (v_vm(v)->disabled_exits & KVM_X86_DISABLE_EXITS_PAUSE))
		return;
	hw_set_pause_window(&v->hw, p->ple_gap, p->ple_window);
	hw_set_intercept(&v->hw, INTERCEPT_INSN_PAUSE, true);
}

/*
 * A factor below the window multiplies, a larger number is added; 0 stands still (parameter
 * pause_filter_count_grow).
 */
void vcpu_pause_grow(struct vcpu_x86 *v)
{
	u32 by = v->vcpu.vm->params.ple_window_grow;
	u64 window = hw_pause_window(&v->hw);

	if (by)
		pause_window_set(v, by < v->vcpu.vm->params.ple_window ? window * by : window + by);
}

/*
 * A divisor below the window, or a larger number to be taken away; 0: back to the beginning
 * (parameter pause_filter_count_shrink).
 */
void vcpu_pause_shrink(struct vcpu_x86 *v)
{
	u32 base = v->vcpu.vm->params.ple_window, by = v->vcpu.vm->params.ple_window_shrink;
	u64 window = hw_pause_window(&v->hw);

	if (window <= base)
		return;
	if (!by)
		window = base;
	else
		window = by < base ? window / by : window - min_t(u64, window, by);
	pause_window_set(v, window);
}

/* ------------------------------------------------------------------ directed yield */

/* Would running @vcpu help someone who spins? It must want the CPU and not have it. */
static bool worth_a_boost(struct vcpu *vcpu, bool kernel_mode)
{
	if (!READ_ONCE(vcpu->ready) || READ_ONCE(vcpu->blocked))
		return false;
	/*
	 * A lock holder is in the kernel; who was preempted in user mode holds none that a kernel
	 * spins for.
	 */
	return !kernel_mode || !READ_ONCE(vcpu->preempted) || READ_ONCE(vcpu->in_kernel);
}

/*
 * >0: the other vCPU's thread gets the CPU; 0: not now; <0: nobody could profit, since this
 * runqueue has a single task.
 */
static int yield_cpu_to(struct vcpu *target)
{
	struct task_struct *task;
	int r;

	rcu_read_lock();
	task = READ_ONCE(target->task);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return 0;
	r = yield_to(task, true);
	put_task_struct(task);
	return r;
}

/** vcpu_yield_to() - give this CPU to @target's thread. Process context, IRQs on. */
bool vcpu_yield_to(struct vcpu *target)
{
	return yield_cpu_to(target) > 0;
}

/**
 * vcpu_on_spin() - this vCPU spins (PAUSE-loop exit, or a PV hint): give the CPU to one that may
 * hold what it waits for. Starts behind the one that was boosted last, so that all get their turn.
 * Process context, IRQs on.
 */
void vcpu_on_spin(struct vcpu_x86 *v, bool kernel_mode)
{
	struct vm_x86 *vm = v_vm(v);
	u32 n = atomic_read(&vm->vm.nr_vcpus), start = READ_ONCE(vm->last_boosted), i;
	int tries = 3;

	for (i = 1; i <= n && tries; i++) {
		u32 index = (start + i) % n;
		struct vcpu *other = vm_get_vcpu(&vm->vm, index);
		int r;

		if (!other || other == &v->vcpu || !worth_a_boost(other, kernel_mode))
			continue;
		v->vcpu.stats.directed_yield_attempted++;
		r = yield_cpu_to(other);
		if (r > 0) {
			v->vcpu.stats.directed_yield_successful++;
			WRITE_ONCE(vm->last_boosted, index);
			return;
		}
		/* A few failures are enough. */
		if (r < 0)
			tries--;
	}
}
