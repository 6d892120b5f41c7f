/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The assembly of svm_enter() (enter.h), as macros: it is inlined into the loop that enters the
 * guest again and again, so that no RET stands between #VMEXIT and the next VMRUN (flaws.h). The
 * kernel's own macros for the flaws of processors are for assembly only; Kbuild runs the
 * preprocessor over this file, and enter.h includes what comes out.
 *
 * SVM_ENTER: into the guest and back.
 *
 *	%rdi	struct hw_vcpu *hw: regs[] are loaded and stored here, but for RAX and RSP. Kept
 *	%rsi	physical address of the CPU's host VMSAVE area. Kept
 *
 * In:  IRQs off, GIF set. RAX, RSP, RIP, RFLAGS and all else of the guest is in the VMCB.
 * Out: IRQs off, GIF set, host state as before; the host's DR7 is disabled (APM 2, 15.6). RBP and
 *	RSP are kept, all other registers 0 or the host's.
 *
 * With V_INTR_MASKING the host's IF says whether interrupts end the guest's time (APM 2, 15.21.1),
 * so it must be set at VMRUN; CLGI keeps them, and NMIs, away in between. An interrupt then ends
 * the guest as #VMEXIT(INTR) and is still waiting when the run loop sets IF. An NMI is served at
 * STGI, which for that reason comes when everything is the host's again.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include "hw/svm/flaws.h"

/* enum reg's numbers, times 8 */
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

.macro SVM_ENTER
	push	%rbp
	push	%rsi
	push	%rdi

	clgi
	/* No instruction's interrupt shadow may be open at VMRUN, so not right before it. */
	sti
	SWITCH_TO_GUEST_SPEC_CTRL %rdi

	mov	HW_VMCB_PA(%rdi), %rax
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

	/*
	 * FS, GS, TR, LDTR, KERNEL_GS_BASE, STAR..SFMASK, SYSENTER_*: VMRUN doesn't switch them.
	 * Per-CPU data is out of reach until the second VMLOAD.
	 */
	vmload	%rax
	CLEAR_BUFFERS
	vmrun	%rax
	vmsave	%rax

	mov	8(%rsp), %rax
	vmload	%rax

	mov	(%rsp), %rax
	mov	%rcx, REGS_RCX(%rax)
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
	pop	%rdi
	pop	%rsi
	pop	%rbp

	/* Before the first RET: no prediction that the guest made is followed. */
	SWITCH_TO_HOST_SPEC_CTRL %rdi
	UNTRAIN_RETURNS

	/* What the guest left in registers that the next code may use speculatively. */
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	cli
	stgi
.endm

/* What the guest has put into the return stack buffer is not there any more. */
.macro SVM_FORGET_RETURNS
	FORGET_RETURNS X86_FEATURE_RSB_VMEXIT, ALT_NOT(X86_FEATURE_ALWAYS)
.endm
