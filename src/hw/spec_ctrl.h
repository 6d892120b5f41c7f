/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SPEC_CTRL at entry and exit, for the assembly of the backends. HW_SPEC_CTRL and HW_SPEC_CTRL_OPEN
 * are their offsets in struct hw_vcpu.
 */
#ifndef HW_SPEC_CTRL_H
#define HW_SPEC_CTRL_H

#include <asm/percpu.h>

/*
 * Clobbers RAX, RCX, RDX. With AMD's virtual SPEC_CTRL the CPU does it all. @hw: register that
 * points to the struct hw_vcpu.
 */
.macro SWITCH_TO_GUEST_SPEC_CTRL hw:req
	ALTERNATIVE_2 "jmp .Lguest_spec_ctrl_\@", "", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp .Lguest_spec_ctrl_\@", X86_FEATURE_V_SPEC_CTRL
	mov	HW_SPEC_CTRL(\hw), %rax
	cmp	PER_CPU_VAR(x86_spec_ctrl_current), %rax
	je	.Lguest_spec_ctrl_\@
	/* WRMSR serializes and costs hundreds of cycles: only when the values differ. */
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lguest_spec_ctrl_\@:
.endm

/* Clobbers RAX, RCX, RDX. The host's GS base must be back. */
.macro SWITCH_TO_HOST_SPEC_CTRL hw:req
	ALTERNATIVE_2 "jmp .Lhost_spec_ctrl_\@", "", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp .Lhost_spec_ctrl_\@", X86_FEATURE_V_SPEC_CTRL
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	testb	$1, HW_SPEC_CTRL_OPEN(\hw)
	jz	.Lguest_value_known_\@
	/* The guest may have written it: the only way to know is to read it. */
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, HW_SPEC_CTRL(\hw)
.Lguest_value_known_\@:
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %rax
	cmp	HW_SPEC_CTRL(\hw), %rax
	/*
	 * Where the kernel lives with IBRS that isn't enhanced, that holds only against what was
	 * learned before it was last written: written it is, whatever it was.
	 */
	ALTERNATIVE "je .Lhost_value_set_\@", "", X86_FEATURE_KERNEL_IBRS
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lhost_value_set_\@:
	/* A mispredicted branch above must not run ahead with the guest's value. */
	lfence
.Lhost_spec_ctrl_\@:
.endm

#endif
