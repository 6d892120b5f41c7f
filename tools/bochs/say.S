/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * say: copies its input to the port 0xe9 of Bochs, which writes it to its own standard output at once. A serial line
 * costs some thousand emulated instructions per byte; this costs three. For L1, where this runs as root.
 *
 *	gcc -nostdlib -static -o say say.S
 */
#define PORT		0xe9
#define SIZE		4096
#define SYS_READ	0
#define SYS_IOPERM	173
#define SYS_EXIT	60

	.globl	_start
_start:
	mov	$PORT, %edi
	mov	$1, %esi
	mov	$1, %edx
	mov	$SYS_IOPERM, %eax
	syscall
	test	%eax, %eax
	jnz	exit
read:
	xor	%edi, %edi
	lea	buffer(%rip), %rsi
	mov	$SIZE, %edx
	mov	$SYS_READ, %eax
	syscall
	test	%eax, %eax
	jle	exit
	mov	%eax, %ecx
	mov	$PORT, %edx
	rep outsb
	jmp	read
exit:
	mov	%eax, %edi
	mov	$SYS_EXIT, %eax
	syscall

	.bss
buffer:	.skip	SIZE
	.section .note.GNU-stack, "", @progbits
