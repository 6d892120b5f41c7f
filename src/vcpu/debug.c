// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG (api.rst 4.87): a debugger in the VMM steps the guest and sets breakpoints
 * without the guest's knowing.
 */
#include <asm/trapnr.h>
#include "vcpu/vcpu.h"

#define GUESTDBG_VALID	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_BLOCKIRQ)
#define GUESTDBG_INJECT	(KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)

static u32 debug_exception_intercepts(const struct vcpu_x86 *v)
{
	u32 bitmap = 0;

	if (v->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		bitmap |= BIT(X86_TRAP_DB);
	if (v->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		bitmap |= BIT(X86_TRAP_BP);
	return bitmap;
}

/* The debugger's breakpoints, or the guest's own again. */
static void debug_set_breakpoints(struct vcpu_x86 *v, const struct kvm_guest_debug_arch *arch)
{
	int i;

	if (v->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		for (i = 0; i < 4; i++)
			v->eff_db[i] = arch->debugreg[i];
		v->guest_debug_dr7 = (u32)arch->debugreg[7];
		/* The guest may not reach the debugger's registers. */
		v->guest_uses_dr = false;
		hw_set_dr_intercept(&v->hw, true);
	} else {
		v->guest_debug_dr7 = 0;
	}
	vcpu_update_dr7(v);
}

/**
 * vcpu_set_guest_debug() - vcpu->mutex held, vCPU loaded. -EBUSY: an exception is to be injected
 * and another one waits already.
 */
int vcpu_set_guest_debug(struct vcpu_x86 *v, const struct kvm_guest_debug *dbg)
{
	u32 control = dbg->control & GUESTDBG_VALID;

	if (control & GUESTDBG_INJECT) {
		if (v->exception.pending || v->exception.injected)
			return -EBUSY;
		vcpu_queue_exception(v,
				     control & KVM_GUESTDBG_INJECT_DB ? X86_TRAP_DB : X86_TRAP_BP);
		/*
		 * RIP is at the guest's own INT3, which the debugger hands on; its handler returns
		 * behind it.
		 */
		if (v->exception.vector == X86_TRAP_BP)
			v->exception.insn_len = 1;
	}
	v->guest_debug = control & KVM_GUESTDBG_ENABLE ? control & ~GUESTDBG_INJECT : 0;
	v->debugged = v->guest_debug;
	debug_set_breakpoints(v, &dbg->arch);
	hw_set_exception_intercepts(&v->hw, debug_exception_intercepts(v));
	hw_set_single_step(&v->hw, v->guest_debug & KVM_GUESTDBG_SINGLESTEP);
	/* BLOCKIRQ may just have begun or ended. */
	vcpu_request(&v->vcpu, REQ_APIC_MODE);
	vcpu_request(&v->vcpu, REQ_EVENT);
	return 0;
}
