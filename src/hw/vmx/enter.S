/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The assembly of vmx_enter() (enter.h), as macros: it is inlined into the loop that enters the
 * guest again and again, so that no RET stands between a VM exit and the next entry (flaws.h). The
 * kernel's own macros for the flaws of processors are for assembly only; Kbuild runs the
 * preprocessor over this file, and enter.h includes what comes out.
 *
 * VMX_ENTER failed: into the guest and back.
 *
 *	%rdi    struct hw_vcpu *hw: regs[] are loaded and stored here, but for RSP, which the VMCS
 *	holds. Kept
 *	failed  where to go when VMLAUNCH or VMRESUME failed (SDM 3C, 31.2): nothing of the guest
 *	ran
 *
 * In:  IRQs off, the VMCS current and complete, but for what is written here.
 * Out: IRQs off, host state as the VMCS says. RBP and RSP are kept, all other registers 0 or the
 * host's.
 *
 * HOST_RSP and HOST_RIP belong to the place where this stands: written only when the stack is
 * another than last time (host.rsp 0: never was).
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include "hw/vmx/flaws.h"

#define VMCS_HOST_RSP	0x6c14
#define VMCS_HOST_RIP	0x6c16

/* enum reg's numbers, times 8 */
#define REGS_RAX	(HW_REGS + 0 * 8)
#define REGS_RCX	(HW_REGS + 1 * 8)
#define REGS_RDX	(HW_REGS + 2 * 8)
#define REGS_RBX	(HW_REGS + 3 * 8)
#define REGS_RBP	(HW_REGS + 5 * 8)
#define REGS_RSI	(HW_REGS + 6 * 8)
#define REGS_RDI	(HW_REGS + 7 * 8)
#define REGS_R8		(HW_REGS + 8 * 8)
#define REGS_R9		(HW_REGS + 9 * 8)
#define REGS_R10	(HW_REGS + 10 * 8)
#define REGS_R11	(HW_REGS + 11 * 8)
#define REGS_R12	(HW_REGS + 12 * 8)
#define REGS_R13	(HW_REGS + 13 * 8)
#define REGS_R14	(HW_REGS + 14 * 8)
#define REGS_R15	(HW_REGS + 15 * 8)

/* The guest's registers are stored, or still in regs[]: the CPU's become the host's. */
.macro VMX_REGISTERS_BACK
	pop	%rdi
	pop	%rbp
	/* Before the first RET: no prediction that the guest made is followed. */
	SWITCH_TO_HOST_SPEC_CTRL %rdi
	CLEAR_HISTORY
	/* What the guest left in registers that the next code may use speculatively. */
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
.endm

.macro VMX_ENTER failed:req
	push	%rbp
	push	%rdi

	SWITCH_TO_GUEST_SPEC_CTRL %rdi

	cmp	HW_HOST_RSP(%rdi), %rsp
	je	.Lhost_written_\@
	mov	%rsp, HW_HOST_RSP(%rdi)
	mov	$VMCS_HOST_RSP, %eax
.Lvmwrite_rsp_\@:
	vmwrite	%rsp, %rax
	lea	.Lexit_\@(%rip), %rcx
	mov	$VMCS_HOST_RIP, %eax
.Lvmwrite_rip_\@:
	vmwrite	%rcx, %rax
.Lhost_written_\@:
	/* ZF now, kept by MOV, decides at the end. */
	testl	$HW_WORK_LAUNCH, HW_WORK(%rdi)

	mov	REGS_RAX(%rdi), %rax
	mov	REGS_RCX(%rdi), %rcx
	mov	REGS_RDX(%rdi), %rdx
	mov	REGS_RBX(%rdi), %rbx
	mov	REGS_RBP(%rdi), %rbp
	mov	REGS_RSI(%rdi), %rsi
	mov	REGS_R8(%rdi), %r8
	mov	REGS_R9(%rdi), %r9
	mov	REGS_R10(%rdi), %r10
	mov	REGS_R11(%rdi), %r11
	mov	REGS_R12(%rdi), %r12
	mov	REGS_R13(%rdi), %r13
	mov	REGS_R14(%rdi), %r14
	mov	REGS_R15(%rdi), %r15
	mov	REGS_RDI(%rdi), %rdi

	jnz	.Llaunch_\@
	CLEAR_BUFFERS
.Lvmresume_\@:
	vmresume
.Lfailed_\@:
	/* The guest's registers are in the CPU, and in regs[] as they were. */
	VMX_REGISTERS_BACK
	jmp	\failed
.Llaunch_\@:
	CLEAR_BUFFERS
.Lvmlaunch_\@:
	vmlaunch
	/* Always, when it comes to that. Conditional, so that objtool finds what comes next. */
	jbe	.Lfailed_\@
.Lexit_\@:
	ANNOTATE_NOENDBR
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, REGS_RAX(%rdi)
	mov	%rcx, REGS_RCX(%rdi)
	mov	%rdx, REGS_RDX(%rdi)
	mov	%rbx, REGS_RBX(%rdi)
	mov	%rbp, REGS_RBP(%rdi)
	mov	%rsi, REGS_RSI(%rdi)
	popq	REGS_RDI(%rdi)
	mov	%r8, REGS_R8(%rdi)
	mov	%r9, REGS_R9(%rdi)
	mov	%r10, REGS_R10(%rdi)
	mov	%r11, REGS_R11(%rdi)
	mov	%r12, REGS_R12(%rdi)
	mov	%r13, REGS_R13(%rdi)
	mov	%r14, REGS_R14(%rdi)
	mov	%r15, REGS_R15(%rdi)
	VMX_REGISTERS_BACK

	/* #UD, when reboot has turned VMX off. */
	_ASM_EXTABLE(.Lvmwrite_rsp_\@, .Lhost_written_\@)
	_ASM_EXTABLE(.Lvmwrite_rip_\@, .Lhost_written_\@)
	_ASM_EXTABLE(.Lvmresume_\@, .Lfailed_\@)
	_ASM_EXTABLE(.Lvmlaunch_\@, .Lfailed_\@)
.endm

/* What the guest has put into the return stack buffer is not there any more. */
.macro VMX_FORGET_RETURNS
	FORGET_RETURNS X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
.endm
