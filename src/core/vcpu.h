/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The neutral half of a vCPU: identity, the lock, scheduling, requests and kicks.
 *
 * The architecture embeds it (struct vcpu_x86, vcpu/vcpu.h) and the floors between know a vCPU by
 * it.
 */
#ifndef CORE_VCPU_H
#define CORE_VCPU_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/kvm.h>
#include "core/types.h"
#include "core/stats.h"

struct vm;
struct task_struct;

/*
 * Where a vCPU is, as other CPUs see it. The order of the stores is what makes kicks reliable:
 *
 *	the vCPU				whoever kicks
 *	mode = IN_GUEST_MODE			set request bit
 *	full barrier				full barrier
 *	requests? -> OUTSIDE, handle		mode == IN_GUEST_MODE? -> IPI
 *
 * One of the two sees the other's store (vcpu-requests.rst, "Ensuring requests are seen").
 */
enum vcpu_mode {
	OUTSIDE_GUEST_MODE,
	IN_GUEST_MODE,
	EXITING_GUEST_MODE,	/* kicked; the IPI is on its way, a second one is not needed */
};

/*
 * Requests: one bit each in vcpu->requests. A bit says that work is waiting; the data of the work
 * stands elsewhere and was written before the bit (vcpu_request() has the barrier).
 */
enum vcpu_request {
	REQ_TLB_FLUSH,		/* all of this vCPU's guest translations, as its own CPU does it */
	REQ_EVENT,		/* look again at what is to be injected */
	REQ_UNHALT,		/* leave a halt even though nothing is pending for the guest */
	REQ_TRIPLE_FAULT,
	REQ_VM_DEAD,
	REQ_CLOCK_UPDATE,	/* rewrite this vCPU's kvmclock page */
	REQ_MASTERCLOCK_UPDATE,	/* take a new VM-wide clock snapshot first */
	REQ_STEAL_UPDATE,
	REQ_APIC_TIMER,		/* the LAPIC timer fired: latch it into IRR */
	REQ_NMI,
	REQ_APIC_MODE,		/* LAPIC base or mode changed: the backend must follow */
	REQ_MMU_RELOAD,		/* root of the TDP changed or was freed */
	REQ_MSR_FILTER,		/* the VM has another one: what it denies must exit */
	/*
	 * the processor's log of written pages: turn it on or off; having left the guest, it is
	 * taken
	 */
	REQ_DIRTY_LOG,
	REQ_IOAPIC_EOI_EXIT,
	NR_VCPU_REQUESTS
};

struct vcpu {
	/* Written once at creation. */
	struct vm *vm;
	u32 id;				/* the VMM's number; LAPIC id on x86 */
	u32 index;			/* dense, 0 .. vm->nr_vcpus-1 */
	struct kvm_run *run;		/* page shared with the VMM: never trust, read once */

	/* What the hot path reads, and remote CPUs write, on one line. */
	unsigned long requests ____cacheline_aligned_in_smp;
	/* not 0: REQ_EVENT that the vCPU's own thread made; vcpu_event_due() */
	unsigned long event_due;
	enum vcpu_mode mode;
	int cpu;	/* where it is loaded; -1: nowhere. Written with preemption off */
	bool preempted;	/* switched out, and the task was still runnable */
	bool ready;			/* runnable and worth a directed yield */
	bool in_kernel;			/* guest CPL 0 when it was switched out */
	bool wants_to_run;	/* loaded by KVM_RUN, and immediate_exit was clear at its start */
	struct task_struct *task;	/* who is inside KVM_RUN; read under RCU; NULL outside */

	struct mutex mutex;		/* vCPU ioctls, one at a time */
	struct preempt_notifier preempt_notifier;
	struct rcuwait wait;		/* where a halted vCPU sleeps */
	bool blocked;			/* asleep in vcpu_block(); read by wakers */
	u32 halt_poll_ns;		/* grows and shrinks, vcpu/halt.c */
	struct vcpu_stats stats;
	sigset_t sigset;		/* KVM_SET_SIGNAL_MASK */
	bool sigset_active;
};

static inline bool vcpu_request_pending(const struct vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) | vcpu->event_due) != 0;
}

/**
 * vcpu_request() - ask a vCPU to do @req before it next enters the guest. Any context. Does not
 * kick.
 *
 * The barrier orders the caller's data before the bit: pairs with vcpu_check_request().
 */
static inline void vcpu_request(struct vcpu *vcpu, enum vcpu_request req)
{
	smp_wmb();
	set_bit(req, &vcpu->requests);
}

/** vcpu_check_request() - was @req asked for? Clears it. Called by the vCPU's own thread. */
static inline bool vcpu_check_request(struct vcpu *vcpu, enum vcpu_request req)
{
	if (likely(!test_bit(req, &vcpu->requests)))
		return false;
	clear_bit(req, &vcpu->requests);
	/* Whatever was written before vcpu_request() is visible from here on. */
	smp_mb__after_atomic();
	return true;
}

/**
 * vcpu_event_due() - REQ_EVENT of the vCPU's own thread to itself, or of whoever holds its mutex:
 * the same without a locked instruction, which that of an interrupt to oneself would be, and
 * another to take it back.
 */
static inline void vcpu_event_due(struct vcpu *vcpu)
{
	vcpu->event_due = 1;
}

/** vcpu_check_event() - vcpu_check_request() for REQ_EVENT, whoever asked. */
static inline bool vcpu_check_event(struct vcpu *vcpu)
{
	bool asked = vcpu_check_request(vcpu, REQ_EVENT);

	if (!vcpu->event_due)
		return asked;
	vcpu->event_due = 0;
	return true;
}

/**
 * vcpu_kick() - make a vCPU look at its requests soon: wake it if it halts, IPI if it is in the
 * guest. Any context.
 */
void vcpu_kick(struct vcpu *vcpu);
/** vcpu_wake() - wake a halted vCPU. Any context. Returns true if it slept. */
bool vcpu_wake(struct vcpu *vcpu);

/** vcpu_init() - prepare the neutral half. May sleep. -ENOMEM. */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, u32 id);
/**
 * vcpu_destroy() - undo vcpu_init(). May sleep. No one else may hold a pointer (after RCU grace
 * period).
 */
void vcpu_destroy(struct vcpu *vcpu);

/** vcpu_running() - the vCPU loaded on this CPU, or NULL. Preemption off. */
struct vcpu *vcpu_running(void);
/**
 * vcpu_set_running() - the thread of @vcpu is switched in here (NULL: out). Preemption off; only
 * api/preempt.c.
 */
void vcpu_set_running(struct vcpu *vcpu);

#endif
