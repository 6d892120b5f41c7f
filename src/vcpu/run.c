// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: the way of an exit (docs/ARCHITECTURE.md), from the ioctl down to hw_enter_guest() and
 * back.
 *
 * Nested from the outside: vcpu_run() once per ioctl; run_loop() once per slow exit; guest_loop()
 * enters the guest again and again, IRQs off, as long as fast_exit() can answer. Nothing outlives
 * an exit but what is in struct vcpu_x86.
 */
#include <linux/context_tracking.h>
#include <linux/entry-kvm.h>
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/objtool.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/vtime.h>
#include "core/compat.h"
#include "vcpu/vcpu.h"
#include "vcpu/debug_inline.h"
#include "vcpu/fast_inline.h"
#include "vcpu/fpu_inline.h"
#include "vcpu/pio_inline.h"

/* ------------------ what must be done before the guest runs on */

static int request_triple_fault(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_SHUTDOWN;
	return NEXT_USER;
}

static int request_eoi_exit(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	v->vcpu.run->eoi.vector = v->eoi_exit_vector;
	return NEXT_USER;
}

static void request_apic_mode(struct vcpu_x86 *v)
{
	vcpu_update_virtual_apic(v);
	if (v->has_apic)
		cpuid_update_dynamic(v);
}

static void request_tdp_root(struct vcpu_x86 *v)
{
	hw_set_tdp_root(&v->hw, mmu_root(&v_vm(v)->mmu), hw_caps.tdp_levels);
	hw_flush_tlb_all(&v->hw);
}

/* The clocks and the steal-time page write guest memory. */
static void request_clocks(struct vcpu_x86 *v)
{
	if (vcpu_check_request(&v->vcpu, REQ_MASTERCLOCK_UPDATE))
		clock_update_vm(v_vm(v));
	if (vcpu_check_request(&v->vcpu, REQ_CLOCK_UPDATE))
		clock_update_vcpu(v);
	if (vcpu_check_request(&v->vcpu, REQ_STEAL_UPDATE))
		pv_steal_update(v);
}

/*
 * A context switch asks for the last two each time, so these come before the rest and alone end the
 * way quickly.
 */
static noinline int handle_requests(struct vcpu_x86 *v)
{
	struct vcpu *vcpu = &v->vcpu;

	if (vcpu_check_request(vcpu, REQ_APIC_TIMER)) {
		lapic_timer_latch(&v->apic);
		vcpu_event_due(vcpu);
	}
	/* Interrupts are most of what is asked for, and run_loop()'s. */
	if (likely(!(READ_ONCE(vcpu->requests) & ~BIT(REQ_EVENT))))
		return NEXT_GUEST;
	request_clocks(v);
	if (vcpu_check_request(vcpu, REQ_VM_DEAD))
		return -EIO;
	if (vcpu_check_request(vcpu, REQ_MMU_RELOAD))
		request_tdp_root(v);
	if (vcpu_check_request(vcpu, REQ_TLB_FLUSH)) {
		hw_flush_tlb_all(&v->hw);
		vcpu->stats.tlb_flush++;
	}
	if (vcpu_check_request(vcpu, REQ_TRIPLE_FAULT))
		return request_triple_fault(v);
	if (vcpu_check_request(vcpu, REQ_IOAPIC_EOI_EXIT))
		return request_eoi_exit(v);
	if (vcpu_check_request(vcpu, REQ_APIC_MODE))
		request_apic_mode(v);
	if (vcpu_check_request(vcpu, REQ_NMI))
		vcpu_latch_nmis(v);
	if (vcpu_check_request(vcpu, REQ_UNHALT))
		v->pv_unhalted = true;
	if (vcpu_check_request(vcpu, REQ_DIRTY_LOG))
		hw_set_dirty_log(&v->hw, mmu_hw_logs(&v_vm(v)->mmu));
	if (vcpu_check_request(vcpu, REQ_MSR_FILTER))
		vcpu_apply_msr_filter(v);
	return NEXT_GUEST;
}

/* ------------------ the host's claims on this thread */

/*
 * TIF_NOTIFY_RESUME is work for the way back to user mode. Most of it (restartable sequences set it
 * at every context switch) can wait until KVM_RUN really returns; task work and memory-cgroup debt
 * cannot wait as long as a guest may run.
 */
static bool resume_work_urgent(void)
{
#ifdef CONFIG_MEMCG
	if (current->memcg_nr_pages_over_high)
		return true;
#endif
	return task_work_pending(current);
}

static bool host_work_urgent(unsigned long flags)
{
	flags &= XFER_TO_GUEST_MODE_WORK;
	return (flags & ~_TIF_NOTIFY_RESUME) || (flags && resume_work_urgent());
}

static __always_inline bool host_wants_thread(void)
{
	unsigned long flags = read_thread_flags();

	return unlikely(flags & XFER_TO_GUEST_MODE_WORK) && host_work_urgent(flags);
}

static int exit_for_signal(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_INTR;
	v->vcpu.stats.signal_exits++;
	return -EINTR;
}

/*
 * Give the host what it wants of this thread. The kernel's xfer_to_guest_mode_handle_work() writes
 * into Linux's own struct kvm_vcpu, and what it calls for task work is not exported, so that is
 * done by the ordinary way to user mode: KVM_RUN ends and, unless a signal comes in between, is
 * restarted there without the VMM noticing. The flag is what makes the exit path look at the
 * restart.
 */
static noinline int host_work(struct vcpu_x86 *v)
{
	if (signal_pending(current))
		return exit_for_signal(v);
	if (need_resched())
		schedule();
	if (!test_thread_flag(TIF_NOTIFY_RESUME) || !resume_work_urgent())
		return NEXT_GUEST;
	v->vcpu.run->exit_reason = KVM_EXIT_INTR;
	set_thread_flag(TIF_SIGPENDING);
	return -ERESTARTNOHAND;
}

/* ------------------------------------------------------------------ inner loop: IRQs off */

/*
 * Guest time for the scheduler's accounts, and RCU. Where context tracking is off, entering the
 * guest counts as a context switch for RCU, so that a guest which runs long doesn't hold up a grace
 * period. RCU asks a CPU at its ticks; a tick that meets the guest, or this loop with IRQs off,
 * ends a turn as EXIT_INTR and is answered by the turn after that; any other finds the kernel or
 * user mode, as in every thread.
 */
static void note_quiescent_state(struct vcpu_x86 *v)
{
	if (v->host_event_came && !context_tracking_enabled_this_cpu())
		compat_rcu_virt_note_context_switch();
	v->host_event_came = false;
}

/*
 * After IRQs were on for a moment, so that a tick that ended the guest's turn is charged to the
 * guest.
 */
static void guest_time_end(void)
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
 * Parameter exit_ring: for whoever looks for the reason of a hang. Off, it is a branch that is
 * patched out.
 */
DEFINE_STATIC_KEY_FALSE(exit_ring_on);

static void exit_ring_add(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct exit_record *r = &v->last_exits[v->last_exits_pos];

	*r = (struct exit_record){
		.rip = hw_rip(&v->hw), .reason = exit->hw_reason, .qual = exit->qual, .tsc = rdtsc()
	};
	WRITE_ONCE(v->last_exits_pos, (v->last_exits_pos + 1) % ARRAY_SIZE(v->last_exits));
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
 * A self-IPI, an EOI with something waiting, a HLT that is none: the next interrupt goes in without
 * leaving the inner loop. Not inlined: that would cost the other exits registers.
 */
static noinline bool served_in_loop(struct vcpu_x86 *v)
{
	return !(READ_ONCE(v->vcpu.requests) & ~BIT(REQ_EVENT)) && vcpu_inject_fast(v);
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
 * Not cloned: what VMX writes down of this place (HOST_RIP) is written again only when the stack is
 * another.
 *
 * @once: the first exit ends the loop, whatever it is. Host breakpoints must be back, or a debugger
 *        looks, before anything is done about it.
 */
static noinline __noclone void guest_loop(struct vcpu_x86 *v, struct hw_exit *__restrict exit,
					  bool once)
{
	u32 turns;

	hw_begin_turn(&v->hw);
	for (turns = 1;; turns++) {
		guest_enter_once(v, exit);
		if (unlikely(exit->vectoring.kind | once))
			break;
		if (!fast_exit(v, exit))
			break;
		if (unlikely(host_wants_thread() ||
			     (vcpu_request_pending(&v->vcpu) && !served_in_loop(v)))) {
			/* neither a host event nor anything left to do */
			exit->kind = EXIT_PREEMPTION_TIMER;
			v->vcpu.stats.fast_exits++;
			break;
		}
	}
	hw_end_turn(&v->hw);
	v->vcpu.stats.exits += turns;
	v->vcpu.stats.fast_exits += turns - 1;
}
/*
 * Where RBP is the frame pointer, it is the guest's for a while, which objtool takes for the
 * frame's end.
 */
STACK_FRAME_NON_STANDARD_FP(guest_loop);

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
 * Enter with the event that vcpu_inject_pending() prepared, and leave right after its delivery:
 * another one waits.
 */
static void arrange_short_entry(struct vcpu_x86 *v)
{
	v->cut_guest_time = false;
	if (!hw_cut_guest_time(&v->hw))
		irq_work_queue(&v->cut_work);
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

	if (unlikely(__this_cpu_read(tsc_aux_now) != val + 1))
		tsc_aux_load(val);
}

/* guest_loop(), with what v->rare stands for, and the host's breakpoints. */
static __always_inline void rare_guest_loop(struct vcpu_x86 *v, struct hw_exit *exit)
{
	bool cut = v->cut_guest_time, debug = hw_breakpoint_active();

	fpu_enter(v);
	if (cut)
		arrange_short_entry(v);
	note_quiescent_state(v);
	debug |= debug_enter(v);
	guest_loop(v, exit, debug || v->debugged);
	/* #VMEXIT leaves DR7 with all breakpoints off. */
	if (debug)
		debug_leave(v);
	fpu_leave(v);
	/* The event that waited for the slot. */
	if (cut)
		vcpu_event_due(&v->vcpu);
}

/*
 * Something waits that must be done before the guest runs: a request, the host's claims, or
 * registers of the FPU. The last is done here: a context switch or a softirq that used the FPU took
 * the guest's registers out. true: the others wait.
 */
static noinline bool entry_must_wait(struct vcpu_x86 *v, unsigned long flags)
{
	if (vcpu_request_pending(&v->vcpu) || host_work_urgent(flags))
		return true;
	if (flags & _TIF_NEED_FPU_LOAD)
		switch_fpu_return();
	return false;
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
	hw_prepare_guest_switch(&v->hw);
	tsc_aux_enter(v);
	tpr_to_hardware(v);
	vcpu_timer_to_hardware(v);
	vtime_account_guest_enter();

	if (unlikely(v->rare || hw_breakpoint_active()))
		rare_guest_loop(v, exit);
	else
		guest_loop(v, exit, false);

	take_dirty_log(v);
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

static bool is_host_event(const struct hw_exit *exit)
{
	return exit->kind == EXIT_INTR || exit->kind == EXIT_NMI || exit->kind == EXIT_SMI;
}

static noinline int slow_exit_locked(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct vm *vm = v->vcpu.vm;
	int idx = srcu_read_lock(&vm->srcu);
	int r = slow_exit(v, exit);

	srcu_read_unlock(&vm->srcu, idx);
	return r;
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

/* A vCPU that is not runnable: sleep until it is. NEXT_GUEST: look at requests again. */
static noinline int wait_for_work(struct vcpu_x86 *v)
{
	/* What it says is looked at just below; left standing it would keep the vCPU awake. */
	vcpu_check_event(&v->vcpu);
	if (v->has_apic && READ_ONCE(v->apic.pending_init_sipi))
		vcpu_accept_init_sipi(v);
	if (v->mp_state == KVM_MP_STATE_HALTED && vcpu_runnable(v))
		v->mp_state = KVM_MP_STATE_RUNNABLE;
	if (v->mp_state == KVM_MP_STATE_RUNNABLE) {
		v->pv_unhalted = false;
		vcpu_request(&v->vcpu, REQ_EVENT);
		return NEXT_GUEST;
	}
	if (signal_pending(current))
		return exit_for_signal(v);
	vcpu_block(v);
	return host_wants_thread() ? host_work(v) : NEXT_GUEST;
}

/* Without an in-kernel PIC the VMM asks to be told when it may use KVM_INTERRUPT. */
static bool user_wants_window(struct vcpu_x86 *v)
{
	return READ_ONCE(v->vcpu.run->request_interrupt_window) &&
	       v_vm(v)->irqchip.mode != IRQCHIP_KERNEL;
}

static int prepare_user_window(struct vcpu_x86 *v)
{
	if (vcpu_ready_for_user_interrupt(v)) {
		v->vcpu.run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		v->vcpu.stats.request_irq_exits++;
		return NEXT_USER;
	}
	if (!hw_intr_allowed(&v->hw))
		hw_request_intr_window(&v->hw);
	return NEXT_GUEST;
}

static noinline int prepare_events(struct vcpu_x86 *v)
{
	if (unlikely(v->apic.pending_init_sipi))
		vcpu_accept_init_sipi(v);
	if (v->mp_state != KVM_MP_STATE_RUNNABLE)
		return NEXT_GUEST;
	if (v->has_apic)
		vcpu_level_eoi(v);
	v->vcpu.stats.req_event++;
	return vcpu_inject_pending(v);
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

/* Registers in kvm_run (KVM_CAP_SYNC_REGS). -EINVAL. */
static noinline int sync_regs_begin(struct vcpu_x86 *v, u64 valid, u64 dirty)
{
	if ((valid | dirty) & ~KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (!dirty)
		return 0;
	vcpu_settle(v);
	return vcpu_sync_regs_in(v);
}

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
	bool ready = v_vm(v)->irqchip.mode == IRQCHIP_KERNEL || vcpu_ready_for_user_interrupt(v);
	/* three fields: .flags is 0 */
	u32 state = ready | (hw_rflags(&v->hw) & X86_EFLAGS_IF) >> (X86_EFLAGS_IF_BIT - 8);

	BUILD_BUG_ON(offsetof(struct kvm_run, if_flag) !=
		     offsetof(struct kvm_run, ready_for_interrupt_injection) + 1 ||
		     offsetof(struct kvm_run, flags) !=
		     offsetof(struct kvm_run, ready_for_interrupt_injection) + 2);
	WRITE_ONCE(*(u32 *)&run->ready_for_interrupt_injection, state);
	if (likely(v->has_apic)) {
		run->cr8 = lapic_cr8(&v->apic);
		run->apic_base = v->apic.base;
	} else {
		run->cr8 = v->cr8;
		run->apic_base = v->user_apic_base;
	}
	if (unlikely(READ_ONCE(run->kvm_valid_regs)))
		vcpu_sync_regs_out(v);
}

/* All but a MOV needs more of the guest's memory, or may. */
static noinline int complete_slowly(struct vcpu_x86 *v)
{
	struct vm *vm = v->vcpu.vm;
	int idx, r;

	if (v->completion == COMPLETE_MOV)
		return complete_user_exit(v);
	idx = srcu_read_lock(&vm->srcu);
	r = complete_user_exit(v);
	srcu_read_unlock(&vm->srcu, idx);
	return r;
}

/** end_awaited() - KVM_RUN after KVM_RUN: the VMM has done what was .awaited. Any context. */
static __always_inline void end_awaited(struct vcpu_x86 *v)
{
	u8 awaited = v->awaited;

	v->awaited = AWAIT_NOTHING;
	if (awaited == AWAIT_IN)
		pio_to_rax(v, v->pio.size, pio_data_read(v->pio.data, v->pio.size));
	else if (awaited == AWAIT_LOAD)
		mov_take_answer(v);
	vcpu_advance_rip(v, v->pio.insn_len);
}

/*
 * A fast exit leaves an EOI queued for the next turn, and there may be none. The VMM, which may save
 * the state now, finds it passed on; its own IOAPIC's it is told of, before a signal, which stays
 * pending.
 */
static noinline int pass_on_eois(struct vcpu_x86 *v, int r)
{
	vcpu_level_eoi(v);
	if ((r == -EINTR || r == -ERESTARTNOHAND) &&
	    vcpu_check_request(&v->vcpu, REQ_IOAPIC_EOI_EXIT))
		return request_eoi_exit(v);
	return r;
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
			return exit_for_signal(v);
		goes_on = false;
	}
	return run_loop(v, goes_on);
}

int vcpu_run(struct vcpu_x86 *v)
{
	struct kvm_run *run = v->vcpu.run;
	u16 wishes = user_wishes(run);
	int r = run_begin(v);

	if (unlikely(r))
		return r;
	WRITE_ONCE(v->vcpu.wants_to_run, !(wishes & WISH_IMMEDIATE_EXIT));
	v->has_run = true;
	run->exit_reason = KVM_EXIT_UNKNOWN;
	fpu_load_guest(v);
	r = run_inside(v, wishes);
	if (unlikely(r < 0 || v->apic.eois_queued))
		r = pass_on_eois(v, r);
	fpu_put_guest(v);
	run_end(v);
	WRITE_ONCE(v->vcpu.wants_to_run, false);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------------ shared with the handlers */

/**
 * vcpu_skip_flags() - an instruction is complete, and RF or TF is set: RF was for it only (APM 2,
 * 13.1.1.3), a single step ends (13.1.4). Any context.
 */
void vcpu_skip_flags(struct vcpu_x86 *v)
{
	u64 rflags = hw_rflags(&v->hw);

	hw_set_rflags(&v->hw, rflags & ~(u64)X86_EFLAGS_RF);
	if (rflags & X86_EFLAGS_TF)
		vcpu_queue_db(v, DR_STEP);
}

/**
 * vcpu_skip_insn() - the instruction of @exit is done: RIP past it, shadow gone, single-step trap
 * raised. IRQs on, vm->srcu held, unless exit->insn_len is known (then any context). An instruction
 * that can't be fetched any more is executed again.
 */
void vcpu_skip_insn(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	int len = vcpu_usual_length(v, exit);

	if (!len)
		len = vcpu_insn_length(v);
	if (unlikely(len <= 0))
		return;
	vcpu_skip(v, len);
}
