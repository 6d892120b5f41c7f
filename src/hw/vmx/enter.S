/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx_enter(): into the guest and back.
 *
 *	%rdi	struct hw_vcpu *hw: regs[] are loaded and stored here, but for RSP, which the VMCS holds
 *	%sil	VMRESUME rather than VMLAUNCH
 *
 * In:  IRQs off, the VMCS current and complete.
 * Out: IRQs off, host state as the VMCS says. %al: 1 after a VM exit, 0 when the instruction failed (SDM 3C, 31.2).
 *
 * The guest is left at vmx_exit_point, with RSP as written to HOST_RSP here: written only when the stack is another than last time.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include "hw/vmx/flaws.h"

#define VMCS_HOST_RSP	0x6c14

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

	.text

SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi

	cmp	HW_HOST_RSP(%rdi), %rsp
	je	1f
	mov	%rsp, HW_HOST_RSP(%rdi)
	mov	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
1:
	SWITCH_TO_GUEST_SPEC_CTRL %rdi

	/* ZF now, kept by MOV, decides at the end. */
	testb	%sil, %sil

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

	jz	2f
	CLEAR_BUFFERS
.Lvmresume:
	vmresume
	jmp	.Lfailed
2:
	CLEAR_BUFFERS
.Lvmlaunch:
	vmlaunch
.Lfailed:
	/* #UD, when reboot has turned VMX off, comes here too. */
	_ASM_EXTABLE(.Lvmresume, .Lfailed)
	_ASM_EXTABLE(.Lvmlaunch, .Lfailed)
	/* The instruction failed: nothing of the guest ran. The guest's registers are in the CPU, and in regs[] as they were. */
	mov	(%rsp), %rdi
	xor	%ebx, %ebx
	jmp	4f

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	push	%rax
	mov	8(%rsp), %rax
	mov	%rcx, REGS_RCX(%rax)
	pop	%rcx
	mov	%rcx, REGS_RAX(%rax)
	mov	%rdx, REGS_RDX(%rax)
	mov	%rbx, REGS_RBX(%rax)
	mov	%rbp, REGS_RBP(%rax)
	mov	%rsi, REGS_RSI(%rax)
	mov	%rdi, REGS_RDI(%rax)
	mov	%r8, REGS_R8(%rax)
	mov	%r9, REGS_R9(%rax)
	mov	%r10, REGS_R10(%rax)
	mov	%r11, REGS_R11(%rax)
	mov	%r12, REGS_R12(%rax)
	mov	%r13, REGS_R13(%rax)
	mov	%r14, REGS_R14(%rax)
	mov	%r15, REGS_R15(%rax)
	mov	%rax, %rdi
	mov	$1, %ebx
4:
	/* Before the first RET: no prediction that the guest made is followed. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	SWITCH_TO_HOST_SPEC_CTRL %rdi
	CLEAR_HISTORY

	mov	%ebx, %eax
	/* What the guest left in registers that the next code may use speculatively. RBX, RBP, R12-R15 are popped. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(vmx_enter)
/* Entered in the middle, with a stack that objtool can't follow. */
STACK_FRAME_NON_STANDARD vmx_enter
