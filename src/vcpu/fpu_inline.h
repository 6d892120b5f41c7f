/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of extended state that the kernel's guest fpstate does not carry: XCR0, XSS and PKRU,
 * switched around the inner loop.
 */
#ifndef VCPU_FPU_INLINE_H
#define VCPU_FPU_INLINE_H

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/pkru.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include "vcpu/vcpu.h"

/* The host's values; constant once the kernel runs. */
extern u64 fpu_host_xcr0, fpu_host_xss;
void fpu_xcr0_moved(struct vcpu_x86 *v);

/*
 * fpu_enter() - make XCR0, XSS and PKRU the guest's. IRQs off, until fpu_leave(): what runs in
 * between uses no FPU. Every write is behind a comparison: XSETBV is an exit by itself when we are
 * nested, and WRPKRU serializes. Both are called where v->rare isn't 0.
 */
static __always_inline void fpu_enter(struct vcpu_x86 *v)
{
	if (unlikely(v->xcr0_switch))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, v->xcr0);
	if (unlikely(v->xss_switch))
		native_wrmsrl(MSR_IA32_XSS, v->ia32_xss);
	if (v->pkru_switch) {
		v->host_pkru = rdpkru();
		if (v->pkru != v->host_pkru)
			wrpkru(v->pkru);
	}
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
	if (v->xcr0_may_move && xgetbv(XCR_XFEATURE_ENABLED_MASK) != v->xcr0)
		fpu_xcr0_moved(v);
	if (unlikely(v->xcr0_switch))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu_host_xcr0);
}

/** fpu_load_guest() - KVM_RUN begins. Process context. */
static __always_inline void fpu_load_guest(struct vcpu_x86 *v)
{
	fpu_swap_kvm_fpstate(&v->guest_fpu, true);
}

/** fpu_put_guest() - KVM_RUN ends. */
static __always_inline void fpu_put_guest(struct vcpu_x86 *v)
{
	fpu_swap_kvm_fpstate(&v->guest_fpu, false);
	v->vcpu.stats.fpu_reload++;
}

#endif
