// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET/SET_FPU, XSAVE(2), XCRS. The registers are in the kernel's container for guests (struct
 * fpu_guest): only its own functions know the format there, so every access goes through the
 * standard XSAVE layout.
 */
#include <linux/slab.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include "vcpu/vcpu.h"

/*
 * Room for the standard layout of all that a guest may have; KVM_GET_XSAVE's 4096 bytes at least.
 */
static size_t uabi_size(struct vcpu_x86 *v)
{
	return max_t(size_t, v->guest_fpu.uabi_size, sizeof(struct kvm_xsave));
}

static void copy_out(struct vcpu_x86 *v, void *buf, size_t size)
{
	u64 features = v->guest_supported_xcr0 | XFEATURE_MASK_FPSSE;

	fpu_copy_guest_fpstate_to_uabi(&v->guest_fpu, buf, size, features, v->pkru);
}

static int copy_in(struct vcpu_x86 *v, const void *buf)
{
	return fpu_copy_uabi_to_guest_fpstate(&v->guest_fpu, buf,
					      cpuid_host_xcr0() | XFEATURE_MASK_FPSSE, &v->pkru);
}

/** vcpu_get_xsave() - KVM_GET_XSAVE, KVM_GET_XSAVE2: @size bytes, at least 4096. */
void vcpu_get_xsave(struct vcpu_x86 *v, void *state, size_t size)
{
	memset(state, 0, size);
	copy_out(v, state, size);
}

/**
 * vcpu_set_xsave() - KVM_SET_XSAVE. -EINVAL: components that the host hasn't, reserved header or
 * MXCSR bits.
 */
int vcpu_set_xsave(struct vcpu_x86 *v, const void *state)
{
	return copy_in(v, state);
}

/** vcpu_xsave_size() - bytes of KVM_GET_XSAVE2 and KVM_SET_XSAVE (KVM_CAP_XSAVE2). */
size_t vcpu_xsave_size(struct vcpu_x86 *v)
{
	return uabi_size(v);
}

/** vcpu_get_fpu() - KVM_GET_FPU. -ENOMEM. */
int vcpu_get_fpu(struct vcpu_x86 *v, struct kvm_fpu *fpu)
{
	struct fxregs_state *fx = kvzalloc(uabi_size(v), GFP_KERNEL_ACCOUNT);

	if (!fx)
		return -ENOMEM;
	copy_out(v, fx, uabi_size(v));
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
	kvfree(fx);
	return 0;
}

/** vcpu_set_fpu() - KVM_SET_FPU. -EINVAL: reserved MXCSR bits; -ENOMEM. */
int vcpu_set_fpu(struct vcpu_x86 *v, const struct kvm_fpu *fpu)
{
	struct xregs_state *x = kvzalloc(uabi_size(v), GFP_KERNEL_ACCOUNT);
	struct fxregs_state *fx;
	int ret;

	if (!x)
		return -ENOMEM;
	copy_out(v, x, uabi_size(v));
	fx = &x->i387;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->mxcsr = fpu->mxcsr;
	x->header.xfeatures |= XFEATURE_MASK_FPSSE;
	ret = copy_in(v, x);
	kvfree(x);
	return ret;
}

/** vcpu_get_xcrs() - KVM_GET_XCRS. */
void vcpu_get_xcrs(struct vcpu_x86 *v, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!cpuid_host_xcr0())
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = 0;
	xcrs->xcrs[0].value = v->xcr0;
}

/**
 * vcpu_set_xcrs() - KVM_SET_XCRS. -EINVAL: too many, flags, or bits of XCR0 that the guest can't
 * have. Only XCR0 counts.
 */
int vcpu_set_xcrs(struct vcpu_x86 *v, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!cpuid_host_xcr0() || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == 0)
			return vcpu_set_xcr(v, 0, xcrs->xcrs[i].value);
	return 0;
}
