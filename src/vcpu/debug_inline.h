/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DR0-3 around the inner loop. They are in neither VMCB nor VMCS, so they are switched by hand, and
 * only when somebody uses them.
 */
#ifndef VCPU_DEBUG_INLINE_H
#define VCPU_DEBUG_INLINE_H

#include <asm/debugreg.h>
#include "vcpu/vcpu.h"

/*
 * IRQs off. DR7 is switched by the processor, so the new DR0-3 can't fire before the guest runs if
 * the host's breakpoints are off first. True: debug_leave() has something to put back. Called where
 * v->rare isn't 0.
 */
static __always_inline bool debug_enter(struct vcpu_x86 *v)
{
	if (!v->breakpoints_on && !v->guest_uses_dr)
		return false;
	set_debugreg(0UL, 7);
	set_debugreg(v->eff_db[0], 0);
	set_debugreg(v->eff_db[1], 1);
	set_debugreg(v->eff_db[2], 2);
	set_debugreg(v->eff_db[3], 3);
	return true;
}

/*
 * IRQs off. Called where debug_enter() said so, or the host has breakpoints. #VMEXIT leaves DR7
 * with all breakpoints off (APM 2, 15.6; SDM 3C, 28.5.1): the host's, if it has any, are put back.
 */
static __always_inline void debug_leave(struct vcpu_x86 *v)
{
	if (unlikely(v->guest_uses_dr)) {
		get_debugreg(v->db[0], 0);
		get_debugreg(v->db[1], 1);
		get_debugreg(v->db[2], 2);
		get_debugreg(v->db[3], 3);
		v->dr6 = hw_dr6(&v->hw);
		v->dr7 = hw_dr7(&v->hw);
		vcpu_update_dr7(v);
		v->guest_uses_dr = false;
		hw_set_dr_intercept(&v->hw, true);
	}
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

#endif
