/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handlers behind the IDT of vcpu_long(). Each enters the event into the log and counts it at %gs:(4 * vector).
 * An exception goes on at shared.resume when that is set, otherwise it ends the test; an interrupt is acknowledged as
 * shared.eoi says. NMI (2) returns like an interrupt, without EOI, and so do the traps #DB, #BP and #OF.
 *
 * On QEMU's TCG (shared.tcg) they make good two of its faults, which come now and then and with any KVM (README.md):
 *
 * - It delivers an interrupt that VMRUN injected once more, later, with IF clear or not; until the next exit, so nearly always in
 *   its handler. Dropped.
 * - It loses the shadow of STI at an exit behind it, and takes an interrupt between STI and HLT. A guest that counts on the two
 *   being one sleeps on, as the wake-up has been. Its return is behind HLT, where it would have been taken.
 *
 * An interrupt that a KVM loses stays lost.
 */
#include "guest.h"

#define FLAGS_IF	0x200
#define STI_HLT		0xf4fb			/* the bytes FB, F4 */

	.section .guest, "a"
	.code64
	.balign 16
	.globl guest_stubs
guest_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
	push	$0
	.endif
	push	$vector
	jmp	common
	vector = vector + 1
	.endr

common:
	push	%rax
	push	%rcx
	push	%rdx
	mov	24(%rsp), %rdx			/* vector */
	cmpl	$0, GUEST_SHARED + 16		/* tcg: an interrupt in a handler, where IF is clear? */
	je	1f
	cmp	$32, %edx
	jb	1f
	testl	$FLAGS_IF, 56(%rsp)
	jnz	1f
	mov	40(%rsp), %rax			/* RIP */
	sub	$guest_stubs, %rax
	cmp	$(handlers_end - guest_stubs), %rax
	jb	out				/* it was here already */
1:	lock incl %gs:(, %rdx, 4)
	mov	$1, %eax
	lock xadd %eax, GUEST_SHARED
	cmp	$GUEST_LOG_MAX, %eax
	jae	1f
	shl	$5, %eax
	mov	%rdx, GUEST_LOG(%rax)
	mov	32(%rsp), %rcx			/* error code */
	mov	%rcx, GUEST_LOG + 8(%rax)
	mov	40(%rsp), %rcx			/* RIP */
	mov	%rcx, GUEST_LOG + 16(%rax)
	mov	%cr2, %rcx
	mov	%rcx, GUEST_LOG + 24(%rax)
1:	cmp	$32, %edx
	jae	interrupt
	cmp	$1, %edx
	je	out
	cmp	$2, %edx
	je	out
	cmp	$3, %edx
	je	out
	cmp	$4, %edx
	je	out
	mov	GUEST_SHARED + 8, %rax
	test	%rax, %rax
	jz	unexpected
	mov	%rax, 40(%rsp)
	jmp	out
unexpected:
	out	%al, $PORT_EXCEPTION
	hlt
	jmp	unexpected

interrupt:
	cmpl	$0, GUEST_SHARED + 16		/* tcg: between STI and HLT? */
	je	1f
	testb	$3, 48(%rsp)			/* CS; HLT is for CPL 0 only */
	jnz	1f
	mov	40(%rsp), %rax			/* RIP */
	cmpw	$STI_HLT, -1(%rax)
	jne	1f
	incq	40(%rsp)
1:	mov	GUEST_SHARED + 4, %eax
	test	$EOI_PIC, %al
	jz	1f
	mov	$0x20, %al
	cmp	$0x28, %dl			/* the tests put the slave's vectors at 0x28 */
	jb	2f
	out	%al, $0xa0
2:	out	%al, $0x20
	mov	GUEST_SHARED + 4, %eax
1:	test	$EOI_LAPIC, %al
	jz	1f
	mov	$0xfee000b0, %ecx
	movl	$0, (%rcx)
1:	test	$EOI_X2APIC, %al
	jz	out
	mov	$0x80b, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
out:
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq
handlers_end:
	.section .note.GNU-stack, "", @progbits
