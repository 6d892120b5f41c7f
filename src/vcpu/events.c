// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: exceptions, NMIs, interrupts, INIT and SIPI.
 *
 * An event is *pending* until vcpu_inject_pending() gives it to the backend; then it is *injected*
 * until the guest has run. If the exit says that its delivery was interrupted it is injected again,
 * before anything else. Everything here is the vCPU's own thread's (or under vcpu->mutex while it
 * doesn't run) but for vcpu_queue_nmi() and vcpu_runnable()'s readers.
 *
 * Order of injection (APM 2, 8.5; SDM 3A, 6.9): what was interrupted, exceptions, NMI, external
 * interrupts.
 */
#include <asm/apicdef.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ exceptions */

enum exception_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

/* APM 2, 8.2.9; SDM 3A, table 6-4. */
static enum exception_class exception_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return CLASS_PAGE_FAULT;
	case X86_TRAP_DF:
		return CLASS_DOUBLE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CLASS_CONTRIBUTORY;
	default:
		return CLASS_BENIGN;
	}
}

/*
 * Does @second, raised while @first was being delivered, make a double fault? (SDM 3A, table 6-5)
 */
static bool makes_double_fault(enum exception_class first, enum exception_class second)
{
	if (first == CLASS_CONTRIBUTORY)
		return second == CLASS_CONTRIBUTORY;
	return first == CLASS_PAGE_FAULT &&
	       (second == CLASS_CONTRIBUTORY || second == CLASS_PAGE_FAULT);
}

static bool makes_triple_fault(enum exception_class first, enum exception_class second)
{
	return first == CLASS_DOUBLE_FAULT && second != CLASS_BENIGN;
}

static void exception_set(struct vcpu_x86 *v, u8 vector, bool has_error, u32 error)
{
	v->exception = (struct queued_exception){
		.pending = true, .vector = vector, .has_error = has_error, .error = error
	};
	vcpu_request(&v->vcpu, REQ_EVENT);
}

static void exception_queue(struct vcpu_x86 *v, u8 vector, bool has_error, u32 error)
{
	struct queued_exception *ex = &v->exception;
	enum exception_class first = exception_class(ex->vector), second = exception_class(vector);

	if (!ex->pending && !ex->injected) {
		exception_set(v, vector, has_error, error);
	} else if (makes_triple_fault(first, second)) {
		ex->pending = ex->injected = false;
		vcpu_request(&v->vcpu, REQ_TRIPLE_FAULT);
	} else if (makes_double_fault(first, second)) {
		exception_set(v, X86_TRAP_DF, true, 0);
	} else {
		/*
		 * One after the other: the first will be raised anew when its instruction runs
		 * again.
		 */
		exception_set(v, vector, has_error, error);
	}
}

/** vcpu_queue_exception() - raise a fault without an error code. */
void vcpu_queue_exception(struct vcpu_x86 *v, u8 vector)
{
	exception_queue(v, vector, false, 0);
}

void vcpu_queue_exception_error(struct vcpu_x86 *v, u8 vector, u32 error)
{
	exception_queue(v, vector, true, error);
}

static void exception_payload(struct vcpu_x86 *v, u8 vector, u64 payload)
{
	if (v->exception.vector != vector || !v->exception.pending)
		return;		/* it became a double or triple fault */
	v->exception.has_payload = true;
	v->exception.payload = payload;
}

/** vcpu_queue_page_fault() - raise #PF; CR2 is written when it is delivered. */
void vcpu_queue_page_fault(struct vcpu_x86 *v, u32 error, gva_t addr)
{
	exception_queue(v, X86_TRAP_PF, true, error);
	exception_payload(v, X86_TRAP_PF, addr);
}

/** vcpu_queue_db() - raise #DB; @dr6_bits are set in DR6 when it is delivered. */
void vcpu_queue_db(struct vcpu_x86 *v, u64 dr6_bits)
{
	exception_queue(v, X86_TRAP_DB, false, 0);
	exception_payload(v, X86_TRAP_DB, dr6_bits);
}

/* B0-3: say what this #DB was; BS, BD, BT stay set until the guest clears them */
#define DR6_TRAP_BITS	0xfUL
#define DR7_GD_BIT	BIT(13)

/**
 * vcpu_deliver_payload() - CR2 or DR6 (and DR7.GD, SDM 3B 18.2.4) as the delivery of @ex leaves
 * them.
 */
void vcpu_deliver_payload(struct vcpu_x86 *v, struct queued_exception *ex)
{
	if (!ex->has_payload)
		return;
	ex->has_payload = false;
	if (ex->vector == X86_TRAP_PF) {
		hw_set_cr2(&v->hw, ex->payload);
	} else if (ex->vector == X86_TRAP_DB) {
		vcpu_set_dr(v, 6, (u32)((hw_dr6(&v->hw) & ~DR6_TRAP_BITS) | ex->payload));
		if (v->dr7 & DR7_GD_BIT)
			vcpu_set_dr(v, 7, v->dr7 & ~DR7_GD_BIT);
	}
}

/*
 * Faults push RFLAGS with RF set, so that an instruction breakpoint doesn't fire again (SDM 3B,
 * 18.3.1.1).
 */
static bool exception_is_fault(u8 vector)
{
	return vector != X86_TRAP_DB && vector != X86_TRAP_BP && vector != X86_TRAP_OF &&
	       vector != X86_TRAP_MC;
}

static void exception_inject(struct vcpu_x86 *v)
{
	struct queued_exception *ex = &v->exception;
	struct hw_event ev = { .kind = EVENT_EXCEPTION, .vector = ex->vector, .error = ex->error };

	/* Real mode has no error codes (APM 2, 15.20). */
	ev.has_error = ex->has_error && (hw_cr0(&v->hw) & X86_CR0_PE);
	if (!ev.has_error)
		ev.error = 0;
	/*
	 * INT3 and INTO that were executed come as traps of the instruction before RIP, or at RIP
	 * when their delivery was interrupted.
	 */
	if (ex->vector == X86_TRAP_BP || ex->vector == X86_TRAP_OF)
		ev.kind = EVENT_SOFT_EXCEPTION;
	else if (ex->insn_len)
		ev.kind = EVENT_PRIV_EXCEPTION;
	ev.insn_len = ex->insn_len;
	hw_inject(&v->hw, &ev);
}

static bool exception_inject_pending(struct vcpu_x86 *v)
{
	struct queued_exception *ex = &v->exception;

	if (!ex->pending)
		return false;
	if (exception_is_fault(ex->vector))
		hw_set_rflags(&v->hw, hw_rflags(&v->hw) | X86_EFLAGS_RF);
	vcpu_deliver_payload(v, ex);
	ex->pending = false;
	ex->injected = true;
	exception_inject(v);
	return true;
}

/* ------------------------------------------------------------------ interrupts */

/* KVM_INTERRUPT: the only source without irqchip, the way of the VMM's PIC with a split one. */
static bool user_irq_deliverable(struct vcpu_x86 *v)
{
	return v->user_irq >= 0 && (!v->has_apic || lapic_accepts_extint(&v->apic));
}

static bool extint_pending(struct vcpu_x86 *v)
{
	if (user_irq_deliverable(v))
		return true;
	return v->has_apic && irqchip_has_extint(&v_vm(v)->irqchip, &v->apic);
}

/**
 * vcpu_has_interrupt() - is there an interrupt that the guest would take if it were open? No sleep.
 */
bool vcpu_has_interrupt(struct vcpu_x86 *v)
{
	return extint_pending(v) || (v->has_apic && lapic_highest_pending(&v->apic) >= 0);
}

/*
 * Is there one that we have to inject? A processor that delivers the LAPIC's by itself leaves us
 * the PIC's and the VMM's.
 */
static bool interrupt_to_inject(struct vcpu_x86 *v)
{
	return v->apic.hw_delivers ? extint_pending(v) : vcpu_has_interrupt(v);
}

/*
 * Acknowledge the interrupt that is to be injected: the PIC's before the LAPIC's own. -1: it went
 * away.
 */
static int interrupt_take(struct vcpu_x86 *v)
{
	int vector;

	if (user_irq_deliverable(v)) {
		vector = v->user_irq;
		v->user_irq = -1;
		return vector;
	}
	if (!v->has_apic)
		return -1;
	if (irqchip_has_extint(&v_vm(v)->irqchip, &v->apic))
		return irqchip_take_extint(&v_vm(v)->irqchip);
	if (v->apic.hw_delivers)
		return -1;
	vector = lapic_highest_pending(&v->apic);
	if (vector >= 0)
		lapic_accept(&v->apic, vector);
	return vector;
}

static void interrupt_inject(struct vcpu_x86 *v)
{
	struct hw_event ev = {
		.kind = v->interrupt.soft ? EVENT_SOFT_INTR : EVENT_INTR,
		.vector = v->interrupt.vector,
		.insn_len = v->interrupt.insn_len,
	};

	hw_inject(&v->hw, &ev);
	v->vcpu.stats.irq_injections++;
}

static void interrupt_inject_vector(struct vcpu_x86 *v, u8 vector)
{
	v->interrupt.injected = true;
	v->interrupt.soft = false;
	v->interrupt.vector = vector;
	interrupt_inject(v);
}

static bool interrupt_inject_pending(struct vcpu_x86 *v)
{
	int vector = interrupt_take(v);

	if (vector < 0)
		return false;
	interrupt_inject_vector(v, vector);
	return true;
}

/*
 * An interrupt that only the task priority holds back: ask for an exit when CR8 falls to where it
 * could be taken. A class is blocked by a CR8 of the same or a higher number (APM 2, 16.3.3).
 */
static void update_tpr_threshold(struct vcpu_x86 *v)
{
	int irr;

	if (!v->has_apic)
		return;
	irr = lapic_highest_irr(&v->apic);
	hw_set_tpr_threshold(&v->hw, irr >= 0 && (irr >> 4) <= lapic_cr8(&v->apic) ? irr >> 4 : 0);
}

/* ------------------ a processor with APIC virtualization */

/* The page is where the processor looks for accesses in xAPIC mode. */
static bool lapic_at_usual_place(const struct vcpu_x86 *v)
{
	return v->apic.mode == APIC_XAPIC &&
	       gpa_to_gfn(v->apic.base) == gpa_to_gfn(APIC_DEFAULT_PHYS_BASE);
}

static enum hw_apic virtual_apic_mode(const struct vcpu_x86 *v)
{
	if (!v->vcpu.vm->params.virtual_apic || v->apic.mode == APIC_DISABLED)
		return HW_APIC_NONE;
	if (v->apic.mode == APIC_XAPIC)
		return HW_APIC_XAPIC;
	return hw_caps.virtual_x2apic ? HW_APIC_X2APIC : HW_APIC_NONE;
}

/**
 * vcpu_update_virtual_apic() - what of the LAPIC is the processor's follows its mode. vCPU thread,
 * loaded, IRQs on.
 *
 * All vCPUs share the mapping of the LAPIC's page, which is memory like any other for one whose
 * LAPIC is not there. So the first to leave takes it away; accesses of those that stay are emulated
 * then. Guests move their LAPICs together.
 */
void vcpu_update_virtual_apic(struct vcpu_x86 *v)
{
	enum hw_apic mode = virtual_apic_mode(v);
	/* A debugger's KVM_GUESTDBG_BLOCKIRQ can't be said to the processor. */
	bool deliver = v->apic.virtual_intr && mode != HW_APIC_NONE &&
		       !(v->guest_debug & KVM_GUESTDBG_BLOCKIRQ);

	if (mode != HW_APIC_XAPIC || !lapic_at_usual_place(v))
		mmu_drop_apic_page(&v_vm(v)->mmu);
	if (!v->has_apic)
		return;
	hw_set_virtual_apic(&v->hw, v->apic.regs, mode,
			    deliver ? HW_APIC_DELIVERS : HW_APIC_INJECTED);
	lapic_let_hardware_deliver(&v->apic, deliver);
	vcpu_request(&v->vcpu, REQ_EVENT);
}

static noinline void lapic_ends_to_hardware(struct vcpu_x86 *v)
{
	u64 ends[4];

	lapic_awaited_ends(&v->apic, ends);
	hw_set_eoi_exits(&v->hw, ends);
}

/*
 * Once per look at the events, so after every request for one: what is sent later makes another
 * request, which is seen before the entry or ends the guest's turn.
 */
static noinline void lapic_to_hardware(struct vcpu_x86 *v)
{
	int rvi = lapic_rvi(&v->apic);

	hw_set_rvi_svi(&v->hw, rvi, lapic_svi(&v->apic));
	if (lapic_ends_changed(&v->apic))
		lapic_ends_to_hardware(v);
}

/* ------------------------------------------------------------------ NMI */

/** vcpu_queue_nmi() - latch an NMI. Any thread, any context. */
void vcpu_queue_nmi(struct vcpu_x86 *v)
{
	atomic_inc(&v->nmi_queued);
	vcpu_request(&v->vcpu, REQ_NMI);
	vcpu_kick(&v->vcpu);
}

/**
 * vcpu_latch_nmis() - move what was queued to this vCPU's own counter. At most two are remembered:
 * one that is in service or about to be, one latched behind it (APM 2, 8.2.3).
 */
void vcpu_latch_nmis(struct vcpu_x86 *v)
{
	u32 limit = hw_nmi_masked(&v->hw) || v->nmi_injected ? 1 : 2;

	v->nmi_pending += atomic_xchg(&v->nmi_queued, 0);
	if (v->has_apic)
		v->nmi_pending += xchg(&v->apic.nmi_pending, 0);
	v->nmi_pending = min(v->nmi_pending, limit);
	vcpu_request(&v->vcpu, REQ_EVENT);
}

static void nmi_inject(struct vcpu_x86 *v)
{
	struct hw_event ev = { .kind = EVENT_NMI, .vector = X86_TRAP_NMI };

	hw_inject(&v->hw, &ev);
	v->vcpu.stats.nmi_injections++;
}

/* ------------------------------------------------------------------ injection */

/*
 * An exception that was raised while an NMI or an interrupt was being delivered goes first. The NMI
 * waits for its turn; the interrupt was taken from its controller and is lost, as it is on a
 * processor whose IDT or stack can't take it.
 */
static bool reinject(struct vcpu_x86 *v)
{
	if (v->exception.injected) {
		exception_inject(v);
		return true;
	}
	if (unlikely(v->exception.pending && (v->nmi_injected || v->interrupt.injected))) {
		v->nmi_pending = min(v->nmi_pending + v->nmi_injected, 2u);
		v->nmi_injected = v->interrupt.injected = false;
		return false;
	}
	if (v->nmi_injected)
		nmi_inject(v);
	else if (v->interrupt.injected)
		interrupt_inject(v);
	else
		return false;
	return true;
}

/* Returns whether the one slot of an entry is taken now. */
static bool inject_nmi(struct vcpu_x86 *v, bool busy)
{
	bool open = hw_nmi_allowed(&v->hw);

	if (!v->nmi_pending)
		return busy;
	if (!busy && open) {
		v->nmi_pending--;
		v->nmi_injected = true;
		nmi_inject(v);
		busy = true;
	} else if (open) {
		/* Only the slot is missing: be back as soon as what is in it is delivered. */
		v->cut_guest_time = true;
		return busy;
	}
	if (v->nmi_pending)
		hw_request_nmi_window(&v->hw);
	return busy;
}

static void inject_interrupt(struct vcpu_x86 *v, bool busy)
{
	if (!interrupt_to_inject(v))
		return;
	if (!busy && hw_intr_allowed(&v->hw)) {
		interrupt_inject_pending(v);
		if (!interrupt_to_inject(v))
			return;
	}
	hw_request_intr_window(&v->hw);
}

/*
 * Anything but an interrupt of the LAPIC's is rare; so is a LAPIC whose interrupts are the
 * processor's to deliver, only not now. An INIT that comes after this has a request that comes
 * after the one which was taken.
 */
static __always_inline bool only_lapic_interrupt(struct vcpu_x86 *v)
{
	return v->has_apic && v->apic.virtual_intr == v->apic.hw_delivers &&
	       !(v->exception.pending | v->apic.eois_queued) &&
	       !(v->nmi_pending | v->apic.pending_init_sipi) && v->user_irq < 0 &&
	       !irqchip_has_extint(&v_vm(v)->irqchip, &v->apic);
}

/*
 * The LAPIC's interrupt that the next entry delivers, taken from it; or -1, and a window is open
 * for what waits.
 */
static __always_inline int lapic_interrupt_take(struct vcpu_x86 *v)
{
	int vector = likely(lapic_enabled(&v->apic)) ? lapic_deliverable(&v->apic) : -1;

	if (vector >= 0 && unlikely(!hw_intr_allowed(&v->hw))) {
		hw_request_intr_window(&v->hw);
		vector = -1;
	}
	/* The highest, so nothing else can be taken before its end: no window. */
	if (vector >= 0)
		lapic_accept(&v->apic, vector);
	/* What CR8 holds back is another matter. */
	if (unlikely(lapic_cr8(&v->apic)))
		update_tpr_threshold(v);
	else
		hw_set_tpr_threshold(&v->hw, 0);
	return vector;
}

/* Nothing of the last entry is left, either. */
static bool only_new_lapic_interrupt(struct vcpu_x86 *v)
{
	return !(v->exception.injected | v->nmi_injected | v->interrupt.injected) &&
	       !v->guest_debug && !atomic_read(&v->apic.timer.pending) && only_lapic_interrupt(v);
}

static noinline void inject_lapic_interrupt(struct vcpu_x86 *v)
{
	int vector = lapic_interrupt_take(v);

	if (vector >= 0)
		interrupt_inject_vector(v, vector);
}

/* Whatever there is, in its order. */
static noinline void inject_in_order(struct vcpu_x86 *v)
{
	bool busy = reinject(v) || exception_inject_pending(v);

	if (likely(!(v->guest_debug & KVM_GUESTDBG_BLOCKIRQ))) {
		busy = inject_nmi(v, busy);
		inject_interrupt(v, busy);
	}
	if (v->apic.hw_delivers)
		lapic_to_hardware(v);
	else
		update_tpr_threshold(v);
}

/**
 * vcpu_inject_pending() - choose what the next entry delivers, open windows for the rest. IRQs on,
 * preemption on or off.
 */
void vcpu_inject_pending(struct vcpu_x86 *v)
{
	v->cut_guest_time = false;
	if (unlikely(!only_new_lapic_interrupt(v)))
		inject_in_order(v);
	else if (v->apic.hw_delivers)
		lapic_to_hardware(v);
	else
		inject_lapic_interrupt(v);
}

/**
 * vcpu_inject_fast() - vcpu_inject_pending() inside of the inner loop, where REQ_EVENT is the only
 * request: the interrupt of the LAPIC's that is next, if there is one, is injected, or a window is
 * opened for it, or the processor that delivers it is told, and the guest is entered next. IRQs
 * off. The last exit interrupted no delivery, so what earlier entries injected has been delivered.
 * false: nothing was done, the request stays.
 */
bool vcpu_inject_fast(struct vcpu_x86 *v)
{
	int vector;

	/* Before anything is looked at: what comes after it makes a new request. */
	vcpu_check_event(&v->vcpu);
	if (unlikely(!only_lapic_interrupt(v))) {
		vcpu_event_due(&v->vcpu);
		return false;
	}
	v->vcpu.stats.req_event++;
	if (v->apic.hw_delivers) {
		lapic_to_hardware(v);
		return true;
	}
	lapic_sync_tpr(v);
	vector = lapic_interrupt_take(v);
	if (vector >= 0) {
		hw_inject_intr(&v->hw, vector);
		v->vcpu.stats.irq_injections++;
	}
	return true;
}

/**
 * vcpu_cancel_injection() - the entry that was prepared will not happen: the events stay "injected"
 * and are given to the backend again.
 */
void vcpu_cancel_injection(struct vcpu_x86 *v)
{
	if (hw_cancel_injection(&v->hw).kind != EVENT_NONE)
		vcpu_request(&v->vcpu, REQ_EVENT);
}

void vcpu_forget_injected(struct vcpu_x86 *v)
{
	v->exception.injected = false;
	v->nmi_injected = false;
	v->interrupt.injected = false;
}

/**
 * vcpu_requeue_interrupted() - the exit came while @ev was being delivered: it has to be delivered
 * again. The backend does not report an event that comes back by itself because the instruction
 * that raises it will.
 */
void vcpu_requeue_interrupted(struct vcpu_x86 *v, const struct hw_event *ev)
{
	switch (ev->kind) {
	case EVENT_NMI:
		v->nmi_injected = true;
		break;
	case EVENT_EXCEPTION:
	case EVENT_SOFT_EXCEPTION:
	case EVENT_PRIV_EXCEPTION:
		v->exception = (struct queued_exception){
			.injected = true,
			.vector = ev->vector,
			.has_error = ev->has_error,
			.error = ev->error,
			.insn_len = ev->insn_len,
		};
		break;
	case EVENT_INTR:
	case EVENT_SOFT_INTR:
		v->interrupt.injected = true;
		v->interrupt.soft = ev->kind == EVENT_SOFT_INTR;
		v->interrupt.vector = ev->vector;
		v->interrupt.insn_len = ev->insn_len;
		break;
	default:
		return;
	}
	vcpu_request(&v->vcpu, REQ_EVENT);
}

/* ------------------------------------------------------------------ INIT and SIPI */

static bool vcpu_is_bsp(const struct vcpu_x86 *v)
{
	return v->apic.base & MSR_IA32_APICBASE_BSP;
}

/* SDM 3A, 8.4.3: CS from the vector, IP 0. */
static void vcpu_start_at(struct vcpu_x86 *v, u8 vector)
{
	struct kvm_segment cs;

	hw_get_segment(&v->hw, SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	hw_set_segment(&v->hw, SEG_CS, &cs);
	hw_set_rip(&v->hw, 0);
	v->mp_state = KVM_MP_STATE_RUNNABLE;
}

/**
 * vcpu_accept_init_sipi() - act on INIT and SIPI that arrived (SDM 3A, 8.4; APM 2, 14.1.2 and
 * 16.5). vCPU thread, loaded. An INIT that came with a SIPI is older than it: senders drop a SIPI
 * that finds no INIT and the state of a fresh INIT clears one. EOIs are older than both, and the
 * LAPIC's reset would forget them.
 */
void vcpu_accept_init_sipi(struct vcpu_x86 *v)
{
	vcpu_level_eoi(v);
	if (test_and_clear_bit(LAPIC_PENDING_INIT, &v->apic.pending_init_sipi)) {
		vcpu_reset(v, HW_INIT);
		v->mp_state = vcpu_is_bsp(v) ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(LAPIC_PENDING_SIPI, &v->apic.pending_init_sipi)) {
		/* Only a processor that waits for it hears a SIPI. */
		if (v->mp_state == KVM_MP_STATE_INIT_RECEIVED)
			vcpu_start_at(v, READ_ONCE(v->apic.sipi_vector));
	}
}

/* ------------------------------------------------------------------ questions */

/** vcpu_halt_is_over() - vcpu_runnable() of one that is halted. */
bool vcpu_halt_is_over(struct vcpu_x86 *v)
{
	if (v->exception.pending | v->pv_unhalted || READ_ONCE(v->apic.pending_init_sipi))
		return true;
	if ((v->nmi_pending | atomic_read(&v->nmi_queued) | READ_ONCE(v->apic.nmi_pending)) &&
	    hw_nmi_allowed(&v->hw))
		return true;
	return hw_intr_allowed(&v->hw) && !(v->guest_debug & KVM_GUESTDBG_BLOCKIRQ) &&
	       vcpu_has_interrupt(v);
}

/**
 * vcpu_runnable() - would this vCPU, halted or waiting for SIPI, have something to do? Its own
 * thread; no sleep (called while about to).
 */
bool vcpu_runnable(struct vcpu_x86 *v)
{
	switch (v->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return true;
	case KVM_MP_STATE_HALTED:
		return vcpu_halt_is_over(v);
	default:
		return READ_ONCE(v->apic.pending_init_sipi);
	}
}

/** vcpu_ready_for_user_interrupt() - could KVM_INTERRUPT be injected at the next entry? */
bool vcpu_ready_for_user_interrupt(struct vcpu_x86 *v)
{
	if (v->user_irq >= 0 || v->exception.pending || v->exception.injected || v->nmi_injected ||
	    v->interrupt.injected)
		return false;
	if (v->has_apic && !lapic_accepts_extint(&v->apic))
		return false;
	return hw_intr_allowed(&v->hw);
}
