/* SPDX-License-Identifier: GPL-2.0-only */
/* A boot sector: writes a line to COM1 and ends QEMU with status 85 (isa-debug-exit gives 2 * value + 1). */
	.code16
	.globl _start
_start:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	$text, %si
	movw	$0x3f8, %dx
	cld
next:
	lodsb
	testb	%al, %al
	jz	done
	outb	%al, %dx
	jmp	next
done:
	movb	$42, %al
	outb	%al, $0xf4
	hlt
text:
	.asciz	"boot sector runs\r\n"
	.org	510
	.word	0xaa55
