// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU and extended state. Its registers live in a guest fpstate of the kernel's, which
 * is the task's own from the start of KVM_RUN to its end, so that context switches save and restore
 * it like any other.
 */
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include "vcpu/fpu_inline.h"

u64 fpu_host_xcr0, fpu_host_xss;

/** fpu_create() - allocate the guest's fpstate, in the state of FNINIT. May sleep. -ENOMEM. */
int fpu_create(struct vcpu_x86 *v)
{
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		fpu_host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, fpu_host_xss);
	return fpu_alloc_guest_fpstate(&v->guest_fpu) ? 0 : -ENOMEM;
}

void fpu_destroy(struct vcpu_x86 *v)
{
	fpu_free_guest_fpstate(&v->guest_fpu);
}

/**
 * fpu_reset() - extended state as RESET leaves it; INIT keeps all of it (APM 2, table 14-1). vCPU
 * loaded, not in KVM_RUN's swap for RESET.
 */
void fpu_reset(struct vcpu_x86 *v, bool init)
{
	if (!init) {
		v->xcr0 = XFEATURE_MASK_FP;
		v->ia32_xss = 0;
		v->pkru = 0;
	}
	fpu_update_switch(v);
}

/*
 * XCR0 and XSS matter only to a guest that has enabled XSAVE; without CR4.OSXSAVE no instruction
 * that depends on them can run.
 */
void fpu_update_switch(struct vcpu_x86 *v)
{
	u64 cr4 = hw_cr4(&v->hw);
	bool xsave = cr4 & X86_CR4_OSXSAVE;

	/*
	 * An emulated processor may not know the intercept of XSETBV (QEMU's TCG doesn't): then the
	 * guest changes XCR0 without an exit, and the host would go on with the guest's. Only where
	 * we are a guest ourselves XCR0 is looked at; XGETBV is never an exit.
	 */
	v->xcr0_may_move = xsave && boot_cpu_has(X86_FEATURE_HYPERVISOR);
	v->xcr0_switch = xsave && v->xcr0 != fpu_host_xcr0;
	v->xss_switch = xsave && hw_caps.xsaves && v->ia32_xss != fpu_host_xss;
	v->pkru_switch = cpu_feature_enabled(X86_FEATURE_OSPKE) &&
			 ((cr4 & X86_CR4_PKE) || (xsave && (v->xcr0 & XFEATURE_MASK_PKRU)));
}

/*
 * fpu_xcr0_moved() - the guest has changed XCR0 behind our back: take its value over, or put the
 * old one back when it may not have it. IRQs off; XCR0 is still the guest's.
 */
void fpu_xcr0_moved(struct vcpu_x86 *v)
{
	if (vcpu_set_xcr(v, 0, xgetbv(XCR_XFEATURE_ENABLED_MASK)))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, v->xcr0);
}
