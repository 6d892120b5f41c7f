/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM_RUN: the way of an exit (docs/ARCHITECTURE.md), from the ioctl down to hw_enter_guest() and
 * back. What is done on it only sometimes is in run.c.
 *
 * Nested from the outside: vcpu_run() once per ioctl; run_loop() once per slow exit; guest_loop()
 * enters the guest again and again, IRQs off, as long as fast_exit() can answer. Nothing outlives
 * an exit but what is in struct vcpu_x86.
 *
 * All of it is inlined into the ioctl's own function: a guest's exit leaves no register as it was,
 * so each function around it would save them all, and bring them back, for nothing.
 */
#ifndef VCPU_RUN_INLINE_H
#define VCPU_RUN_INLINE_H

#include <linux/context_tracking.h>
#include <linux/entry-kvm.h>
#include <linux/hw_breakpoint.h>
#include <linux/jump_label.h>
#include <linux/objtool.h>
#include <linux/task_work.h>
#include <linux/vtime.h>
#include "core/compat.h"
#include "vcpu/fast_inline.h"
#include "vcpu/vcpu.h"

/* ------------------ run.c: what isn't done each time */

/* Requests, and sleep. Process context. As slow_exit(). */
int handle_requests(struct vcpu_x86 *v);
int wait_for_work(struct vcpu_x86 *v);
int prepare_events(struct vcpu_x86 *v);
int prepare_user_window(struct vcpu_x86 *v);
int host_work(struct vcpu_x86 *v);
int exit_for_signal(struct vcpu_x86 *v);
int exit_at_once(struct vcpu_x86 *v);
int slow_exit_locked(struct vcpu_x86 *v, const struct hw_exit *exit);
int complete_slowly(struct vcpu_x86 *v);
int sync_regs_begin(struct vcpu_x86 *v, u64 valid, u64 dirty);

/* IRQs off. */
bool entry_must_wait(struct vcpu_x86 *v, unsigned long flags);
void rare_enter(struct vcpu_x86 *v);
void rare_leave(struct vcpu_x86 *v);
bool served_in_loop(struct vcpu_x86 *v);
void exit_ring_add(struct vcpu_x86 *v, const struct hw_exit *exit);

/* ------------------ the host's claims on this thread */

/*
 * TIF_NOTIFY_RESUME is work for the way back to user mode. Most of it (restartable sequences set it
 * at every context switch) can wait until KVM_RUN really returns; task work and memory-cgroup debt
 * cannot wait as long as a guest may run.
 */
static inline bool resume_work_urgent(void)
{
#ifdef CONFIG_MEMCG
	if (current->memcg_nr_pages_over_high)
		return true;
#endif
	return task_work_pending(current);
}

static inline bool host_work_urgent(unsigned long flags)
{
	flags &= XFER_TO_GUEST_MODE_WORK;
	return (flags & ~_TIF_NOTIFY_RESUME) || (flags && resume_work_urgent());
}

static __always_inline bool host_wants_thread(void)
{
	unsigned long flags = read_thread_flags();

	return unlikely(flags & XFER_TO_GUEST_MODE_WORK) && host_work_urgent(flags);
}

/* ------------------------------------------------------------------ inner loop: IRQs off */

/*
 * After IRQs were on for a moment, so that a tick that ended the guest's turn is charged to the
 * guest.
 */
static __always_inline void guest_time_end(void)
{
	if (vtime_accounting_enabled_this_cpu()) {
		local_irq_disable();
		vtime_account_guest_exit();
		local_irq_enable();
	} else {
		current->flags &= ~PF_VCPU;
	}
}

/*
 * One entry. With nohz_full RCU must not watch while the guest runs; elsewhere both are a
 * patched-out branch.
 */
static __always_inline void guest_enter_once(struct vcpu_x86 *v, struct hw_exit *exit)
{
	if (context_tracking_enabled())
		context_tracking_guest_enter();
	hw_enter_guest(&v->hw, exit);
	if (context_tracking_enabled())
		context_tracking_guest_exit();
	v->exit_counts[exit->kind]++;
	if (static_branch_unlikely(&exit_ring_on))
		exit_ring_add(v, exit);
}

/*
 * The fast handlers run with IRQs off and the mode still IN_GUEST_MODE, so a kick of this vCPU is
 * never lost: whoever asks something of it finds that mode (or EXITING_GUEST_MODE, then somebody
 * before him has) and sends an IPI, which is pending here and ends the next entry before the
 * guest's first instruction; so do a signal, a tick and a rescheduling from another CPU. What has
 * no IPI is what a handler itself caused on this CPU (a request to the own vCPU, a woken thread
 * that wants the CPU): that is looked at after each. So a guest of fast exits only holds the CPU
 * for one more of them. Who waits until this vCPU has seen a request waits for the IPI, that is,
 * for IRQs on.
 *
 * v->one_exit: the first exit ends the loop, whatever it is. Host breakpoints must be back, or a
 * debugger looks, before anything is done about it.
 */
static __always_inline void guest_loop(struct vcpu_x86 *v, struct hw_exit *__restrict exit)
{
	hw_begin_turn(&v->hw);
	for (;;) {
		guest_enter_once(v, exit);
		if (unlikely(exit->vectoring.kind | v->one_exit))
			break;
		if (!fast_exit(v, exit))
			break;
		if (unlikely(host_wants_thread() ||
			     (vcpu_request_pending(&v->vcpu) && !served_in_loop(v)))) {
			/* neither a host event nor anything left to do */
			exit->kind = EXIT_PREEMPTION_TIMER;
			v->slow_exits--;
			break;
		}
	}
	hw_end_turn(&v->hw);
	v->slow_exits++;
}

/*
 * CR8 lives in the processor while the guest runs, and may have been moved there without an exit.
 */
static __always_inline void tpr_to_hardware(struct vcpu_x86 *v)
{
	hw_set_tpr(&v->hw, likely(v->has_apic) ? lapic_cr8(&v->apic) : v->cr8);
}

static __always_inline void tpr_from_hardware(struct vcpu_x86 *v)
{
	u8 tpr = hw_tpr(&v->hw);

	if (!v->has_apic)
		v->cr8 = tpr;
	else if (tpr != lapic_cr8(&v->apic))
		lapic_set_cr8(&v->apic, tpr);
}

/*
 * Before the mode says that this vCPU is outside: who then reads the dirty log finds all that was
 * written. An IRQ-off region is an RCU reader.
 */
static __always_inline void take_dirty_log(struct vcpu_x86 *v)
{
	const u64 *gpas;
	u32 n = hw_take_dirty_log(&v->hw, &gpas);

	if (unlikely(n))
		mmu_mark_written(&v_vm(v)->mmu, gpas, n);
}

/*
 * The host's TSC_AUX comes back when this CPU returns to user space (vcpu/msr.c). A comparison
 * costs less than an MSR write. IRQs off.
 */
static __always_inline void tsc_aux_enter(struct vcpu_x86 *v)
{
	u64 val = hw_tsc_aux(&v->hw);

	if (unlikely(__this_cpu_read(tsc_aux_now) != val))
		tsc_aux_load(val);
}

/*
 * guest_turn() - run the guest until something needs IRQs or sleep. IRQs on; preemption is off in
 * between, since what is read of user memory may fault and must not sleep then. Returns false when
 * the entry was given up because something came up; *@exit is filled in otherwise.
 */
static __always_inline bool guest_turn(struct vcpu_x86 *v, struct hw_exit *exit)
{
	struct vcpu *vcpu = &v->vcpu;
	unsigned long flags;

	preempt_disable();
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, IN_GUEST_MODE);
	/*
	 * Full barrier between the mode and the requests: pairs with the one in vcpu_kick(). A
	 * kicker either sees IN_GUEST_MODE and sends an IPI, which is taken at VM entry since IRQs
	 * are off until then, or we see its request (vcpu-requests.rst).
	 */
	smp_mb();
	flags = read_thread_flags();
	if (unlikely(vcpu_request_pending(vcpu) ||
		     (flags & (XFER_TO_GUEST_MODE_WORK | _TIF_NEED_FPU_LOAD))) &&
	    entry_must_wait(v, flags)) {
		WRITE_ONCE(vcpu->mode, OUTSIDE_GUEST_MODE);
		local_irq_enable();
		preempt_enable();
		return false;
	}
	hw_prepare_guest_switch(&v->hw, flags);
	tsc_aux_enter(v);
	tpr_to_hardware(v);
	vcpu_timer_to_hardware(v);
	vtime_account_guest_enter();

	if (unlikely(v->rare || hw_breakpoint_active()))
		rare_enter(v);
	guest_loop(v, exit);
	take_dirty_log(v);
	if (unlikely(v->rare_begun))
		rare_leave(v);
	hw_handle_host_event(&v->hw, exit);
	/*
	 * Ordered by the IRQ-off region: whoever sees OUTSIDE may rely on the guest not running any
	 * more.
	 */
	smp_store_release(&vcpu->mode, OUTSIDE_GUEST_MODE);
	local_irq_enable();		/* a host interrupt that ended the turn is served here */
	guest_time_end();
	preempt_enable();
	return true;
}

static __always_inline bool is_host_event(const struct hw_exit *exit)
{
	return exit->kind == EXIT_INTR || exit->kind == EXIT_NMI || exit->kind == EXIT_SMI;
}

/*
 * One turn of the outer loop: inject, run, answer. The exit is filled in by the turn: nothing of it
 * needs to be zero before.
 */
static __always_inline int run_once(struct vcpu_x86 *v)
{
	struct hw_exit exit __uninitialized;

	if (!guest_turn(v, &exit)) {
		vcpu_cancel_injection(v);
		return NEXT_GUEST;
	}
	tpr_from_hardware(v);
	vcpu_forget_injected(v);
	/* The VMM's access: kvm_run is filled in. */
	if (v->awaited)
		return NEXT_USER;
	/* An event that goes through a task gate is delivered by the task switch itself. */
	if (unlikely(exit.vectoring.kind != EVENT_NONE) && exit.kind != EXIT_TASK_SWITCH)
		vcpu_requeue_interrupted(v, &exit.vectoring);
	if (is_host_event(&exit)) {
		v->vcpu.stats.irq_exits++;
		v->host_event_came = true;
		return NEXT_GUEST;
	}
	if (exit.kind == EXIT_PREEMPTION_TIMER) {
		lapic_timer_hw_over(&v->apic);
		return NEXT_GUEST;
	}
	return slow_exit_locked(v, &exit);
}

/* ------------------------------------------------------------------ outer loop */

/* Without an in-kernel PIC the VMM asks to be told when it may use KVM_INTERRUPT. */
static __always_inline bool user_wants_window(struct vcpu_x86 *v)
{
	return READ_ONCE(v->vcpu.run->request_interrupt_window) &&
	       v_vm(v)->irqchip.mode != IRQCHIP_KERNEL;
}

/*
 * @goes_on: the guest was running, and is runnable still; nobody waits for a window. Then there is
 * nothing to be done before its turn, or nothing that the turn doesn't see itself.
 */
static __always_inline int run_loop(struct vcpu_x86 *v, bool goes_on)
{
	int r;

	if (likely(goes_on))
		goto turn;
	do {
		if (unlikely(vcpu_request_pending(&v->vcpu) ||
			     v->mp_state != KVM_MP_STATE_RUNNABLE)) {
			r = handle_requests(v);
			if (r == NEXT_GUEST && v->mp_state != KVM_MP_STATE_RUNNABLE) {
				r = wait_for_work(v);
				continue;
			}
			if (r == NEXT_GUEST && vcpu_check_event(&v->vcpu))
				r = prepare_events(v);
			if (r != NEXT_GUEST || v->mp_state != KVM_MP_STATE_RUNNABLE)
				continue;
		}
		if (unlikely(user_wants_window(v))) {
			r = prepare_user_window(v);
			if (r != NEXT_GUEST)
				break;
		}
turn:
		r = run_once(v);
		if (r == NEXT_GUEST && unlikely(host_wants_thread()))
			r = host_work(v);
	} while (r == NEXT_GUEST);
	return r;
}

/* ------------------------------------------------------------------ KVM_RUN */

static __always_inline int run_begin(struct vcpu_x86 *v)
{
	const struct kvm_run *run = v->vcpu.run;
	u64 valid = READ_ONCE(run->kvm_valid_regs), dirty = READ_ONCE(run->kvm_dirty_regs);
	int r = 0;

	if (unlikely(valid | dirty))
		r = sync_regs_begin(v, valid, dirty);
	if (unlikely(!v->has_apic) && !r)
		r = vcpu_set_cr8(v, READ_ONCE(run->cr8));
	return r;
}

static __always_inline void run_end(struct vcpu_x86 *v)
{
	struct kvm_run *run = v->vcpu.run;
	bool kernel = v_vm(v)->irqchip.mode == IRQCHIP_KERNEL;
	bool ready = kernel || vcpu_ready_for_user_interrupt(v);
	/* three fields: .flags is 0 */
	u32 state = ready | (hw_rflags(&v->hw) & X86_EFLAGS_IF) >> (X86_EFLAGS_IF_BIT - 8);

	BUILD_BUG_ON(offsetof(struct kvm_run, if_flag) !=
		     offsetof(struct kvm_run, ready_for_interrupt_injection) + 1 ||
		     offsetof(struct kvm_run, flags) !=
		     offsetof(struct kvm_run, ready_for_interrupt_injection) + 2);
	WRITE_ONCE(*(u32 *)&run->ready_for_interrupt_injection, state);
	if (likely(kernel) || v->has_apic) {
		run->cr8 = lapic_cr8(&v->apic);
		run->apic_base = v->apic.base;
	} else {
		run->cr8 = v->cr8;
		run->apic_base = v->user_apic_base;
	}
	if (unlikely(data_race(run->kvm_valid_regs)))
		vcpu_sync_regs_out(v);
}

/** end_awaited() - KVM_RUN after KVM_RUN: the VMM has done what was .awaited. Any context. */
static __always_inline void end_awaited(struct vcpu_x86 *v)
{
	u8 awaited = v->awaited;

	v->awaited = AWAIT_NOTHING;
	if (awaited == AWAIT_IN)
		pio_to_rax(v, v->pio.size, pio_data_read(v->pio.data, v->pio.size));
	else if (awaited == AWAIT_LOAD)
		mov_take_answer(v, v->awaited_mov);
	vcpu_advance_rip(v, v->pio.insn_len);
}

/*
 * What the VMM may want instead of the guest's turn, in one look: to be told when it may inject, and
 * KVM_RUN's end.
 */
#define WISH_IMMEDIATE_EXIT	0xff00

static __always_inline u16 user_wishes(const struct kvm_run *run)
{
	BUILD_BUG_ON(offsetof(struct kvm_run, request_interrupt_window) != 0 ||
		     offsetof(struct kvm_run, compat_immediate_exit) != 1);
	return READ_ONCE(*(const u16 *)run);
}

/*
 * First the answer to what the VMM was asked, even when it only wants that (api.rst 5,
 * KVM_EXIT_IO). A signal is seen by the loop.
 */
static __always_inline int run_inside(struct vcpu_x86 *v, u16 wishes)
{
	bool goes_on = v->awaited;
	int r;

	if (likely(goes_on)) {
		end_awaited(v);
	} else if (v->completion != COMPLETE_NOTHING) {
		r = complete_slowly(v);
		if (r != NEXT_GUEST)
			return r;
	}
	if (unlikely(wishes)) {
		if (!v->vcpu.wants_to_run)
			return exit_at_once(v);
		goes_on = false;
	}
	return run_loop(v, goes_on);
}

/**
 * vcpu_run() - KVM_RUN. vcpu->mutex held, vCPU loaded, signal mask applied by the caller. 0,
 * -EINTR, -EFAULT, -EINVAL, -ENOMEM ... (api.rst 4.10).
 *
 * Whoever calls it is neither inlined nor cloned: what VMX writes down of the place where an exit
 * comes in (HOST_RIP) is written again only when the stack is another, so there must be one such
 * place. And its frame is no standard one (VCPU_RUN_FRAME()).
 */
static __always_inline int vcpu_run(struct vcpu_x86 *v)
{
	struct kvm_run *run = v->vcpu.run;
	u16 wishes = user_wishes(run);
	int r = run_begin(v);

	if (unlikely(r))
		return r;
	WRITE_ONCE(v->vcpu.wants_to_run, !(wishes & WISH_IMMEDIATE_EXIT));
	fpu_load_guest(v);
	r = run_inside(v, wishes);
	OPTIMIZER_HIDE_VAR(v);
	fpu_put_guest(v);
	run_end(v);
	return r < 0 ? r : 0;
}

/*
 * Where RBP is the frame pointer, it is the guest's for a while, which objtool takes for the
 * frame's end.
 */
#define VCPU_RUN_FRAME(function) STACK_FRAME_NON_STANDARD_FP(function)

#endif
