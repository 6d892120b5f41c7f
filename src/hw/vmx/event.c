// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: injection, interrupted delivery, the windows in which one
 * could be taken, and stepping.
 */
#include "hw/hw.h"

/* ------------------ NMIs: the CPU knows whether one is in service (virtual NMIs) */

bool hw_nmi_masked(struct hw_vcpu *hw)
{
	return vmx_interruptibility(hw) & GUEST_INTR_STATE_NMI;
}

bool hw_nmi_allowed(struct hw_vcpu *hw)
{
	/*
	 * Blocking by STI need not hold off NMIs, but on some CPUs entry with both is refused (SDM
	 * 3C, 27.3.1.5).
	 */
	return !(vmx_interruptibility(hw) &
		 (GUEST_INTR_STATE_NMI | GUEST_INTR_STATE_MOV_SS | GUEST_INTR_STATE_STI));
}

void hw_set_nmi_masked(struct hw_vcpu *hw, bool masked)
{
	u32 val = vmx_interruptibility(hw);

	vmx_set_interruptibility(hw,
				 masked ? val | GUEST_INTR_STATE_NMI : val & ~GUEST_INTR_STATE_NMI);
}

void hw_request_nmi_window(struct hw_vcpu *hw)
{
	/*
	 * The window comes with the end of blocking by NMI. A shadow of STI need not keep it shut
	 * (SDM 3C, 26.2): it would open again and again without an instruction in between. The
	 * interrupt window opens right after that shadow.
	 */
	if ((vmx_interruptibility(hw) & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_NMI)) ==
	    GUEST_INTR_STATE_STI)
		vmx_set_proc(hw, CPU_BASED_INTR_WINDOW_EXITING, true);
	else
		vmx_set_proc(hw, CPU_BASED_NMI_WINDOW_EXITING, true);
}

void hw_nmi_window_step(struct hw_vcpu *hw)
{
}

/* ------------------------------------------------------------------ injection (SDM 3C, 25.8.3) */

static u32 event_type_bits(u8 kind)
{
	switch (kind) {
	case EVENT_INTR:
		return INTR_TYPE_EXT_INTR;
	case EVENT_NMI:
		return INTR_TYPE_NMI_INTR;
	case EVENT_SOFT_INTR:
		return INTR_TYPE_SOFT_INTR;
	case EVENT_SOFT_EXCEPTION:
		return INTR_TYPE_SOFT_EXCEPTION;
	case EVENT_PRIV_EXCEPTION:
		return INTR_TYPE_PRIV_SW_EXCEPTION;
	default:
		return INTR_TYPE_HARD_EXCEPTION;
	}
}

static bool event_is_soft(u8 kind)
{
	return kind == EVENT_SOFT_INTR || kind == EVENT_SOFT_EXCEPTION ||
	       kind == EVENT_PRIV_EXCEPTION;
}

void hw_inject(struct hw_vcpu *hw, const struct hw_event *ev)
{
	hw->injected = *ev;
	if (ev->kind == EVENT_NONE) {
		hw->work &= ~WORK_INJECTED;
		vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
		return;
	}
	hw->work |= WORK_INJECTED;
	/*
	 * A guest that halts without an exit is woken by interrupts; to an exception it can only be
	 * active (SDM 3C, 27.3.1.5).
	 */
	if (!(hw->proc & CPU_BASED_HLT_EXITING) && ev->kind != EVENT_INTR && ev->kind != EVENT_NMI)
		vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	/*
	 * #BP or #OF that has no instruction of its own is a hardware exception: a soft one must be
	 * 1 to 15 bytes long.
	 */
	if (event_is_soft(ev->kind) && !ev->insn_len)
		hw->injected.kind = ev->kind == EVENT_SOFT_INTR ? EVENT_INTR : EVENT_EXCEPTION;
	if (event_is_soft(hw->injected.kind))
		vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, ev->insn_len);
	if (ev->has_error)
		vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE, ev->error);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD,
		     INTR_INFO_VALID_MASK | event_type_bits(hw->injected.kind) |
			     (ev->has_error ? INTR_INFO_DELIVER_CODE_MASK : 0) |
			     (ev->kind == EVENT_NMI ? 2 : ev->vector));
}

struct hw_event hw_cancel_injection(struct hw_vcpu *hw)
{
	struct hw_event ev = hw->injected;

	if (ev.kind == EVENT_NONE)
		return ev;
	vmx_injection_done(hw);
	/* It was delivered: nobody is told so of what hw_inject_intr() gave. */
	if (!(vmcs_read32(VM_ENTRY_INTR_INFO_FIELD) & INTR_INFO_VALID_MASK))
		return (struct hw_event){};
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	return ev;
}

/** vmx_injection_done() - the entry happened: the CPU has cleared the valid bit of its field. */
void vmx_injection_done(struct hw_vcpu *hw)
{
	hw->work &= ~WORK_INJECTED;
	hw->injected.kind = EVENT_NONE;
}

/* ------------------ interrupted delivery (SDM 3C, 28.2.4) */

static u8 event_kind(u32 info)
{
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR:
		return EVENT_INTR;
	case INTR_TYPE_NMI_INTR:
		return EVENT_NMI;
	case INTR_TYPE_SOFT_INTR:
		return EVENT_SOFT_INTR;
	case INTR_TYPE_SOFT_EXCEPTION:
		return EVENT_SOFT_EXCEPTION;
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		return EVENT_PRIV_EXCEPTION;
	default:
		return EVENT_EXCEPTION;
	}
}

struct hw_event event_interrupted(struct hw_vcpu *hw, u32 info)
{
	struct hw_event ev = { .kind = event_kind(info),
			       .vector = info & VECTORING_INFO_VECTOR_MASK };

	/*
	 * An interrupt that the CPU took by itself is the one in service: the same, but that Bochs
	 * 2.7 reports an older event's vector.
	 */
	if (ev.kind == EVENT_INTR && hw->injected.kind != EVENT_INTR &&
	    (hw->proc2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))
		ev.vector = vmcs_read16(GUEST_INTR_STATUS) >> 8;
	if (info & VECTORING_INFO_DELIVER_CODE_MASK) {
		ev.has_error = true;
		ev.error = vmcs_read32(IDT_VECTORING_ERROR_CODE);
	}
	if (event_is_soft(ev.kind))
		ev.insn_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
	/*
	 * It was not delivered after all: blocked, it couldn't be injected again (SDM 3C,
	 * 27.2.1.3).
	 */
	if (ev.kind == EVENT_NMI)
		hw_set_nmi_masked(hw, false);
	return ev;
}

/* ------------------------------------------------------------------ the interrupt window */

void hw_request_intr_window(struct hw_vcpu *hw)
{
	vmx_set_proc(hw, CPU_BASED_INTR_WINDOW_EXITING, true);
}

/* ------------------------------------------------------------------ stepping */

void hw_set_single_step(struct hw_vcpu *hw, bool on)
{
	if (on)
		hw->work |= WORK_STEP;
	else
		hw->work &= ~WORK_STEP;
}

/*
 * Before entry: TF, remembering what the guest has. With TF in a shadow of STI entry wants the trap
 * to be pending, and delivers it before the instruction runs: the debugger would never get on.
 * There the monitor trap flag steps; where the CPU has none, the step takes that shadow away. MOV
 * SS holds the trap back until after the instruction.
 */
void step_arm(struct hw_vcpu *hw)
{
	u64 rflags = hw_rflags(hw);

	hw->step_guest_tf = rflags & X86_EFLAGS_TF;
	hw->step_mtf = hw_caps.mtf && !hw->step_guest_tf && (hw_shadow(hw) & SHADOW_STI);
	if (hw->step_mtf) {
		vmx_set_proc(hw, CPU_BASED_MONITOR_TRAP_FLAG, true);
		return;
	}
	if (hw_shadow(hw) & SHADOW_STI)
		hw_set_shadow(hw, hw_shadow(hw) & ~SHADOW_STI);
	if (!hw->step_guest_tf)
		hw_set_rflags(hw, rflags | X86_EFLAGS_TF);
}

/* Told as what a step by TF would have been. */
static void step_disarm_mtf(struct hw_vcpu *hw, struct hw_exit *exit)
{
	vmx_set_proc(hw, CPU_BASED_MONITOR_TRAP_FLAG, false);
	if (exit->kind != EXIT_MTF)
		return;
	exit->kind = EXIT_EXCEPTION;
	exit->event = (struct hw_event){ .kind = EVENT_EXCEPTION, .vector = 1 };
	exit->qual = DR_STEP;
}

void step_disarm(struct hw_vcpu *hw, struct hw_exit *exit)
{
	if (hw->step_mtf)
		step_disarm_mtf(hw, exit);
	else if (!hw->step_guest_tf)
		hw_set_rflags(hw, hw_rflags(hw) & ~(u64)X86_EFLAGS_TF);
}
