/* SPDX-License-Identifier: GPL-2.0-only */
/* Into the guest and back. Apart, so that the unit test can have its own. */
#ifndef HW_VMX_ENTER_H
#define HW_VMX_ENTER_H

#include "hw/vmx/vmx.h"

/* enter.S, preprocessed: macros. */
asm(".include \"vmx-enter.s\"");

/**
 * vmx_enter() - guest registers in, VMLAUNCH (WORK_LAUNCH) or VMRESUME, and back. IRQs off. false:
 * the instruction failed.
 *
 * Whoever inlines it calls vmx_forget_returns() behind the last one, before it returns itself.
 */
static __always_inline bool vmx_enter(struct hw_vcpu *hw)
{
	asm goto("VMX_ENTER failed=%l[failed]"
		 :
		 : "D"(hw)
		 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		   "r15", "memory", "cc"
		 : failed);
	return true;
failed:
	return false;
}

/** vmx_forget_returns() - no RET from here on is predicted as the guest would like it (flaws.h). */
static __always_inline void vmx_forget_returns(void)
{
	asm volatile("VMX_FORGET_RETURNS" : : : "memory", "cc");
}

#endif
