/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of extended state that the kernel's guest fpstate does not carry: XCR0, XSS and PKRU, switched around the inner loop.
 */
#ifndef VCPU_FPU_INLINE_H
#define VCPU_FPU_INLINE_H

#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include "vcpu/vcpu.h"

/* The host's values; constant once the kernel runs. */
extern u64 fpu_host_xcr0, fpu_host_xss;
void fpu_xcr0_moved(struct vcpu_x86 *v);

/*
 * fpu_enter() - make XCR0, XSS and PKRU the guest's. IRQs off, until fpu_leave(): what runs in between uses no FPU.
 * Every write is behind a comparison: XSETBV is an exit by itself when we are nested, and WRPKRU serializes.
 */
static __always_inline void fpu_enter(struct vcpu_x86 *v)
{
	/* A context switch or a softirq that used the FPU since took the guest's registers out. */
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
	if (unlikely(v->xcr0_switch))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, v->xcr0);
	if (unlikely(v->xss_switch))
		native_wrmsrl(MSR_IA32_XSS, v->ia32_xss);
	if (v->pkru_switch && v->pkru != v->host_pkru)
		wrpkru(v->pkru);
}

/*
 * An emulated processor may not know the intercept of XSETBV (QEMU's TCG doesn't): then the guest changes XCR0 without an exit, and the
 * host would go on with the guest's. Only where we are a guest ourselves XCR0 is looked at; XGETBV is never an exit.
 */
static __always_inline bool fpu_xcr0_may_move(const struct vcpu_x86 *v)
{
	return static_cpu_has(X86_FEATURE_HYPERVISOR) && v->xsave_on;
}

static __always_inline void fpu_leave(struct vcpu_x86 *v)
{
	/* The guest writes PKRU without an exit, so it has to be read back. */
	if (v->pkru_switch) {
		v->pkru = rdpkru();
		if (v->pkru != v->host_pkru)
			wrpkru(v->host_pkru);
	}
	if (unlikely(v->xss_switch))
		native_wrmsrl(MSR_IA32_XSS, fpu_host_xss);
	if (fpu_xcr0_may_move(v) && xgetbv(XCR_XFEATURE_ENABLED_MASK) != v->xcr0)
		fpu_xcr0_moved(v);
	if (unlikely(v->xcr0_switch))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu_host_xcr0);
}

#endif
