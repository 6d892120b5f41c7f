// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: injection, interrupted delivery, the windows in which one
 * could be taken, and stepping.
 */
#include "hw/hw.h"

/* ------------------------------------------------------------------ NMIs */

/*
 * SVM doesn't know that an NMI is in service. It is from its injection until the IRET of its
 * handler has been executed; IRET is intercepted to see that moment come. #VMEXIT(IRET) is before
 * the instruction: it is done when RIP has moved.
 */
static void nmi_update(struct hw_vcpu *hw)
{
	if (hw->nmi_iret && hw->vmcb->save.rip != hw->nmi_iret_rip)
		hw_set_nmi_masked(hw, false);
}

bool hw_nmi_masked(struct hw_vcpu *hw)
{
	nmi_update(hw);
	return hw->nmi_masked;
}

bool hw_nmi_allowed(struct hw_vcpu *hw)
{
	return !hw_nmi_masked(hw) && !hw_shadow(hw);
}

void hw_set_nmi_masked(struct hw_vcpu *hw, bool masked)
{
	hw->nmi_masked = masked;
	hw->nmi_iret = false;
	vmcb_put_intercept(hw, INTERCEPT_IRET, masked);
}

void nmi_iret_seen(struct hw_vcpu *hw)
{
	vmcb_clear_intercept(hw, INTERCEPT_IRET);
	hw->nmi_iret = hw->nmi_masked;
	hw->nmi_iret_rip = hw->vmcb->save.rip;
}

static void nmi_step(struct hw_vcpu *hw)
{
	hw->nmi_step = true;
	hw->work |= WORK_STEP;
}

void hw_request_nmi_window(struct hw_vcpu *hw)
{
	nmi_update(hw);
	/*
	 * While the handler runs the intercept of its IRET is on. Otherwise one instruction is in
	 * the way: that IRET, or one in a shadow.
	 */
	if (!hw->nmi_masked || hw->nmi_iret)
		nmi_step(hw);
}

void hw_nmi_window_step(struct hw_vcpu *hw)
{
	nmi_update(hw);
	if (hw->nmi_iret)
		nmi_step(hw);
}

/* ------------------------------------------------------------------ injection */

static bool event_is_soft(u8 kind)
{
	return kind == EVENT_SOFT_INTR || kind == EVENT_SOFT_EXCEPTION;
}

/* INT3 and INTO, as SVM reports them: exceptions with these vectors. */
static bool vector_is_soft(u8 vector)
{
	return vector == 3 || vector == 4;
}

static u32 event_type_bits(u8 kind)
{
	switch (kind) {
	case EVENT_NMI:
		return SVM_EVTINJ_TYPE_NMI;
	case EVENT_SOFT_INTR:
		return SVM_EVTINJ_TYPE_SOFT;
	default:
		return SVM_EVTINJ_TYPE_EXEPT;
	}
}

/*
 * A soft event returns behind its instruction. The CPU that saves nRIP pushes nRIP (APM 2, 15.20);
 * another pushes RIP, which is moved for the time of the delivery, and back should that be
 * interrupted (soft_undo()).
 */
static void soft_prepare(struct hw_vcpu *hw, const struct hw_event *ev)
{
	struct vmcb *vmcb = hw->vmcb;

	hw->soft.rip = vmcb->save.rip;
	hw->soft.next_rip = vmcb->save.rip + ev->insn_len;
	hw->soft.vector = ev->vector;
	hw->soft.kind = ev->kind;
	hw->soft.insn_len = ev->insn_len;
	if (hw_caps.nrips)
		vmcb->control.next_rip = hw->soft.next_rip;
	else
		vmcb->save.rip = hw->soft.next_rip;
	hw->work |= WORK_SOFT_EVENT;
}

static void soft_undo(struct hw_vcpu *hw)
{
	hw->work &= ~WORK_SOFT_EVENT;
	if (!hw_caps.nrips && hw->vmcb->save.rip == hw->soft.next_rip)
		hw->vmcb->save.rip = hw->soft.rip;
}

void hw_inject(struct hw_vcpu *hw, const struct hw_event *ev)
{
	struct vmcb_control_area *c = &hw->vmcb->control;

	if (unlikely(c->event_inj & SVM_EVTINJ_VALID))
		hw_cancel_injection(hw);
	if (likely(ev->kind == EVENT_INTR)) {
		hw_inject_intr(hw, ev->vector);
		return;
	}
	if (ev->kind == EVENT_NONE)
		return;
	/*
	 * #BP and #OF as plain exceptions too: interrupted, they must not be taken for the guest's
	 * own INT3 or INTO.
	 */
	if (event_is_soft(ev->kind) || (ev->kind == EVENT_EXCEPTION && vector_is_soft(ev->vector)))
		soft_prepare(hw, ev);
	if (ev->kind == EVENT_NMI)
		hw_set_nmi_masked(hw, true);
	c->event_inj_err = ev->has_error ? ev->error : 0;
	c->event_inj = SVM_EVTINJ_VALID | event_type_bits(ev->kind) |
		       (ev->has_error ? SVM_EVTINJ_VALID_ERR : 0) |
		       (ev->kind == EVENT_NMI ? 2 : ev->vector);
}

/* EVENTINJ and EXITINTINFO have one format (APM 2, 15.7.2 and 15.20). */
static struct hw_event event_from_bits(u32 bits, u32 error)
{
	struct hw_event ev = { .kind = EVENT_EXCEPTION, .vector = bits & SVM_EVTINJ_VEC_MASK };

	switch (bits & SVM_EVTINJ_TYPE_MASK) {
	case SVM_EVTINJ_TYPE_INTR:
		ev.kind = EVENT_INTR;
		break;
	case SVM_EVTINJ_TYPE_NMI:
		ev.kind = EVENT_NMI;
		break;
	case SVM_EVTINJ_TYPE_SOFT:
		ev.kind = EVENT_SOFT_INTR;
		break;
	}
	if (bits & SVM_EVTINJ_VALID_ERR) {
		ev.has_error = true;
		ev.error = error;
	}
	return ev;
}

struct hw_event hw_cancel_injection(struct hw_vcpu *hw)
{
	struct vmcb_control_area *c = &hw->vmcb->control;
	struct hw_event ev = { .kind = EVENT_NONE };

	if (!(c->event_inj & SVM_EVTINJ_VALID))
		return ev;
	ev = event_from_bits(c->event_inj, c->event_inj_err);
	c->event_inj = 0;
	if (hw->work & WORK_SOFT_EVENT) {
		ev.kind = hw->soft.kind;
		ev.insn_len = hw->soft.insn_len;
		soft_undo(hw);
	}
	if (ev.kind == EVENT_NMI)
		hw_set_nmi_masked(hw, false);
	return ev;
}

/* ------------------------------------------------------------------ interrupted delivery */

/**
 * event_interrupted() - the event whose delivery this #VMEXIT interrupted, to be delivered again;
 * EVENT_NONE: nothing to do.
 *
 * A soft event that the guest raised by its own INTn, INT3 or INTO comes again by itself: RIP is
 * still at the instruction, and nothing of it has happened. Only a task switch needs to know of it.
 * One that was injected goes back with RIP as it was before.
 */
struct hw_event event_interrupted(struct hw_vcpu *hw, u8 exit_kind)
{
	const struct vmcb_control_area *c = &hw->vmcb->control;
	struct hw_event ev = event_from_bits(c->exit_int_info, c->exit_int_info_err);

	if ((hw->work & WORK_SOFT_EVENT) && ev.vector == hw->soft.vector &&
	    (ev.kind == EVENT_SOFT_INTR || ev.kind == EVENT_EXCEPTION)) {
		ev.kind = hw->soft.kind;
		ev.insn_len = hw->soft.insn_len;
		soft_undo(hw);
		return ev;
	}
	if (ev.kind == EVENT_NMI)
		hw_set_nmi_masked(hw, false);
	if (ev.kind == EVENT_EXCEPTION && vector_is_soft(ev.vector))
		ev.kind = EVENT_SOFT_EXCEPTION;
	if (event_is_soft(ev.kind) && exit_kind != EXIT_TASK_SWITCH)
		ev.kind = EVENT_NONE;
	return ev;
}

/* ------------------------------------------------------------------ the interrupt window */

/*
 * A virtual interrupt that ignores the TPR is never delivered: #VMEXIT(VINTR) comes first, as soon
 * as RFLAGS.IF and shadow allow it (APM 2, 15.21.4).
 */
#define WINDOW_BITS	(V_IRQ_MASK | V_IGN_TPR_MASK | V_INTR_PRIO_MASK)

void hw_request_intr_window(struct hw_vcpu *hw)
{
	struct vmcb_control_area *c = &hw->vmcb->control;

	if (c->int_ctl & V_IRQ_MASK)
		return;
	c->int_ctl |= WINDOW_BITS;
	c->int_vector = 0;
	vmcb_changed(hw, CLEAN_INTR);
	vmcb_set_intercept(hw, INTERCEPT_VINTR);
}

void intr_window_close(struct hw_vcpu *hw)
{
	hw->vmcb->control.int_ctl &= ~WINDOW_BITS;
	vmcb_changed(hw, CLEAN_INTR);
	vmcb_clear_intercept(hw, INTERCEPT_VINTR);
}

/* ------------------------------------------------------------------ stepping */

void hw_set_single_step(struct hw_vcpu *hw, bool on)
{
	hw->step = on;
	if (on || hw->nmi_step)
		hw->work |= WORK_STEP;
	else
		hw->work &= ~WORK_STEP;
}

/*
 * Before VMRUN: TF, remembering what the guest has. The trap comes after the next instruction,
 * whatever that does to TF.
 */
void step_arm(struct hw_vcpu *hw)
{
	struct vmcb_save_area *s = &hw->vmcb->save;

	hw->step_guest_tf = s->rflags & X86_EFLAGS_TF;
	hw->step_rip = s->rip;
	hw->step_dr6 = s->dr6;
	s->rflags |= X86_EFLAGS_TF;
}

static bool exit_is_db(const struct hw_exit *exit)
{
	return exit->kind == EXIT_EXCEPTION && exit->event.vector == 1;
}

/*
 * After #VMEXIT: TF goes, unless the guest has loaded RFLAGS itself (the IRET that was stepped
 * over). When the step was to the NMI window only, its trap isn't the guest's: it becomes the
 * window's exit, and DR6 is as it was. Should the IRET fault, the frame of that exception has TF: a
 * return through it traps once more.
 */
void step_disarm(struct hw_vcpu *hw, struct hw_exit *exit)
{
	struct vmcb_save_area *s = &hw->vmcb->save;
	bool moved = s->rip != hw->step_rip, iret_done = hw->nmi_iret && moved;

	if (!hw->step_guest_tf && !iret_done)
		s->rflags &= ~(u64)X86_EFLAGS_TF;
	nmi_update(hw);
	if (!hw->nmi_step || (!moved && !exit_is_db(exit)))
		return;
	hw->nmi_step = false;
	hw_set_single_step(hw, hw->step);
	if (!exit_is_db(exit) || hw->step || hw->step_guest_tf ||
	    ((s->dr6 ^ hw->step_dr6) & ~(u64)DR_STEP))
		return;
	s->dr6 = hw->step_dr6;
	vmcb_changed(hw, CLEAN_DR);
	exit->kind = EXIT_NMI_WINDOW;
}
