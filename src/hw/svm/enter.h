/* SPDX-License-Identifier: GPL-2.0-only */
/* Into the guest and back. Apart, so that the unit test can have its own. */
#ifndef HW_SVM_ENTER_H
#define HW_SVM_ENTER_H

#include "hw/svm/svm.h"

/* enter.S, preprocessed: macros. */
asm(".include \"svm-enter.s\"");

/**
 * svm_enter() - host state to guest state, VMRUN, and back. IRQs off. @host_save: the CPU's.
 *
 * Whoever inlines it calls svm_forget_returns() behind the last one, before it returns itself.
 */
static __always_inline void svm_enter(struct hw_vcpu *hw, hpa_t host_save)
{
	asm volatile("SVM_ENTER"
		     :
		     : "D"(hw), "S"(host_save)
		     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		       "r15", "memory", "cc");
}

/** svm_forget_returns() - no RET from here on is predicted as the guest would like it (flaws.h). */
static __always_inline void svm_forget_returns(void)
{
	asm volatile("SVM_FORGET_RETURNS" : : : "memory", "cc");
}

#endif
