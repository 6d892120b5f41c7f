// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_RUN does only sometimes. The way itself is in run_inline.h.
 */
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include "vcpu/debug_inline.h"
#include "vcpu/fpu_inline.h"
#include "vcpu/run_inline.h"

/* ------------------ what must be done before the guest runs on */

/*
 * What fails without saying why has KVM_EXIT_UNKNOWN in kvm_run; what the fast path sends to the
 * VMM always says it.
 */
static void no_reason_yet(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_UNKNOWN;
}

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

/* Interrupts are most of what is asked for. */
static __always_inline bool only_event_requested(const struct vcpu *vcpu)
{
	return !(READ_ONCE(vcpu->requests) & ~BIT(REQ_EVENT));
}

/*
 * A context switch asks for the last two each time, so these come before the rest and alone end the
 * way quickly.
 */
noinline int handle_requests(struct vcpu_x86 *v)
{
	struct vcpu *vcpu = &v->vcpu;

	if (vcpu_check_request(vcpu, REQ_APIC_TIMER)) {
		lapic_timer_latch(&v->apic);
		vcpu_event_due(vcpu);
	}
	/* An event is run_loop()'s. */
	if (likely(only_event_requested(vcpu)))
		return NEXT_GUEST;
	request_clocks(v);
	vcpu_level_eoi(v);
	no_reason_yet(v);
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
 * A fast exit leaves an EOI queued for the next turn, and there may be none. The VMM, which may save
 * the state now, finds it passed on; its own IOAPIC's it is told of (true), before a signal, which
 * stays pending.
 */
static bool vmm_must_hear_of_eoi(struct vcpu_x86 *v)
{
	vcpu_level_eoi(v);
	return vcpu_check_request(&v->vcpu, REQ_IOAPIC_EOI_EXIT);
}

static int interrupted(struct vcpu_x86 *v)
{
	v->vcpu.run->exit_reason = KVM_EXIT_INTR;
	v->vcpu.stats.signal_exits++;
	return -EINTR;
}

int exit_for_signal(struct vcpu_x86 *v)
{
	if (vmm_must_hear_of_eoi(v))
		return request_eoi_exit(v);
	return interrupted(v);
}

/*
 * KVM_RUN with immediate_exit returns -EINTR and nothing else (api.rst 5): the VMM hears of an EOI
 * from the next.
 */
int exit_at_once(struct vcpu_x86 *v)
{
	vcpu_level_eoi(v);
	return interrupted(v);
}

/*
 * Give the host what it wants of this thread. The kernel's xfer_to_guest_mode_handle_work() writes
 * into Linux's own struct kvm_vcpu, and what it calls for task work is not exported, so that is
 * done by the ordinary way to user mode: KVM_RUN ends and, unless a signal comes in between, is
 * restarted there without the VMM noticing. The flag is what makes the exit path look at the
 * restart.
 */
noinline int host_work(struct vcpu_x86 *v)
{
	if (signal_pending(current))
		return exit_for_signal(v);
	if (need_resched())
		schedule();
	if (!test_thread_flag(TIF_NOTIFY_RESUME) || !resume_work_urgent())
		return NEXT_GUEST;
	if (vmm_must_hear_of_eoi(v))
		return request_eoi_exit(v);
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
 * Parameter exit_ring: for whoever looks for the reason of a hang. Off, it is a branch that is
 * patched out.
 */
DEFINE_STATIC_KEY_FALSE(exit_ring_on);

noinline void exit_ring_add(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct exit_record *r = &v->last_exits[v->last_exits_pos];

	*r = (struct exit_record){
		.rip = hw_rip(&v->hw), .reason = exit->hw_reason, .qual = exit->qual, .tsc = rdtsc()
	};
	WRITE_ONCE(v->last_exits_pos, (v->last_exits_pos + 1) % ARRAY_SIZE(v->last_exits));
}

void vcpu_update_stats(struct vcpu *vcpu)
{
	struct vcpu_x86 *v = to_x86(vcpu);
	/* First, so that those of this moment don't make it more than all. */
	u64 slow = READ_ONCE(v->slow_exits), all = 0;
	int i;

	for (i = 0; i < NR_EXIT_KINDS; i++)
		all += READ_ONCE(v->exit_counts[i]);
	WRITE_ONCE(vcpu->stats.exits, all);
	WRITE_ONCE(vcpu->stats.fast_exits, all - slow);
}

/*
 * A self-IPI, an EOI with something waiting, a HLT that is none: the next interrupt goes in without
 * leaving the inner loop.
 */
noinline bool served_in_loop(struct vcpu_x86 *v)
{
	return only_event_requested(&v->vcpu) && vcpu_inject_fast(v);
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
 * rare_enter(), rare_leave() - what v->rare stands for, and breakpoints of the host's. Around
 * guest_loop(), IRQs off.
 */
#define RARE		BIT(0)
#define RARE_BREAKPOINTS BIT(1)		/* the host's debug registers are to be put back */
#define RARE_CUT	BIT(2)		/* another event waits behind the one that goes in */

noinline void rare_enter(struct vcpu_x86 *v)
{
	bool breakpoints = hw_breakpoint_active();

	v->rare_begun = RARE;
	fpu_enter(v);
	if (v->cut_guest_time) {
		arrange_short_entry(v);
		v->rare_begun |= RARE_CUT;
	}
	note_quiescent_state(v);
	breakpoints |= debug_enter(v);
	if (breakpoints)
		v->rare_begun |= RARE_BREAKPOINTS;
	v->one_exit = breakpoints || v->debugged;
}

noinline void rare_leave(struct vcpu_x86 *v)
{
	if (v->rare_begun & RARE_BREAKPOINTS)
		debug_leave(v);
	fpu_leave(v);
	/* The event that waited for the slot. */
	if (v->rare_begun & RARE_CUT)
		vcpu_event_due(&v->vcpu);
	v->rare_begun = 0;
	v->one_exit = false;
}

/*
 * Something waits that must be done before the guest runs: a request, the host's claims, or
 * registers of the FPU. The last is done here: a context switch or a softirq that used the FPU took
 * the guest's registers out. true: the others wait.
 */
noinline bool entry_must_wait(struct vcpu_x86 *v, unsigned long flags)
{
	if (vcpu_request_pending(&v->vcpu) || host_work_urgent(flags))
		return true;
	if (flags & _TIF_NEED_FPU_LOAD)
		switch_fpu_return();
	return false;
}

noinline int slow_exit_locked(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct vm *vm = v->vcpu.vm;
	int idx = srcu_read_lock(&vm->srcu);
	int r;

	no_reason_yet(v);
	r = slow_exit(v, exit);
	srcu_read_unlock(&vm->srcu, idx);
	return r;
}

/* ------------------------------------------------------------------ outer loop */

/* A vCPU that is not runnable: sleep until it is. NEXT_GUEST: look at requests again. */
noinline int wait_for_work(struct vcpu_x86 *v)
{
	do {
		/* What it says is looked at just below; left standing it would keep the vCPU awake. */
		vcpu_check_event(&v->vcpu);
		if (v->has_apic && READ_ONCE(v->apic.pending_init_sipi))
			vcpu_accept_init_sipi(v);
		if (v->mp_state == KVM_MP_STATE_HALTED && vcpu_halt_is_over(v))
			v->mp_state = KVM_MP_STATE_RUNNABLE;
		if (v->mp_state == KVM_MP_STATE_RUNNABLE) {
			v->pv_unhalted = false;
			return prepare_events(v);
		}
		if (host_wants_thread())
			return host_work(v);
		vcpu_block(v);
	} while (only_event_requested(&v->vcpu));
	return NEXT_GUEST;
}

noinline int prepare_user_window(struct vcpu_x86 *v)
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

noinline int prepare_events(struct vcpu_x86 *v)
{
	if (unlikely(v->apic.pending_init_sipi))
		vcpu_accept_init_sipi(v);
	if (v->mp_state != KVM_MP_STATE_RUNNABLE)
		return NEXT_GUEST;
	if (v->has_apic)
		vcpu_level_eoi(v);
	no_reason_yet(v);
	v->vcpu.stats.req_event++;
	vcpu_inject_pending(v);
	return NEXT_GUEST;
}

/* ------------------------------------------------------------------ KVM_RUN */

/* Registers in kvm_run (KVM_CAP_SYNC_REGS). -EINVAL. */
noinline int sync_regs_begin(struct vcpu_x86 *v, u64 valid, u64 dirty)
{
	if ((valid | dirty) & ~KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (!dirty)
		return 0;
	vcpu_settle(v);
	return vcpu_sync_regs_in(v);
}

/* All but a MOV needs more of the guest's memory, or may. */
noinline int complete_slowly(struct vcpu_x86 *v)
{
	struct vm *vm = v->vcpu.vm;
	int idx, r;

	no_reason_yet(v);
	if (v->completion == COMPLETE_MOV)
		return complete_user_exit(v);
	idx = srcu_read_lock(&vm->srcu);
	r = complete_user_exit(v);
	srcu_read_unlock(&vm->srcu, idx);
	return r;
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
