// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real mode: segments, stack, far calls, software interrupts, string moves; what the registers hold
 * afterwards.
 */
#include "lib/api.h"

GUEST16(arith, mov $0xfff0, %ax; mov $0x20, %bx; add %bx, %ax; sbb %cx, %cx; imul $7, %bx, %dx;
	hlt);
GUEST16(stack, mov $0x1234, %ax; push %ax; pushf; pop %bx; pop %cx; pushal; popal; mov %sp, %dx;
	hlt);
GUEST16(segments,
	mov $0x0200, %ax; mov %ax, %es;
	movw $0xbeef, %es:0x10;
	mov 0x2010, %bx;
	mov $0xffff, %ax; mov %ax, %fs;
	movb $0x5a, %fs:0x10;		/* 0x100000: A20 is on */
	mov %fs:0x10, %cl;
	mov $0x1000, %ax; mov %ax, %ds;
	mov 0, %dl;			/* the first byte of this section */
	hlt);
GUEST16(far_call,
	lcall $0x1000, $far_target - __guest_base;
	mov $0x77, %bl;
	hlt;
	far_target: mov %cs, %ax; mov $0x66, %cl; lret);
GUEST16(soft_int,
	movw $int_handler - __guest_base, 0x21 * 4;
	movw $0x1000, 0x21 * 4 + 2;
	sti;
	int $0x21;
	pushf; pop %dx;
	hlt;
	int_handler: pushf; pop %bx; mov $0x99, %al; iret);
GUEST16(divide,
	movw $div_handler - __guest_base, 0;
	movw $0x1000, 2;
	xor %bx, %bx; mov $5, %ax;
	div %bl;
	mov $0x11, %cl;
	hlt;
	div_handler: mov $0x22, %ch; pop %dx; add $2, %dx; push %dx; iret);
GUEST16(strings,
	cld;
	movl $0x44332211, 0x2000; movl $0x88776655, 0x2004;
	mov $0x2000, %si; mov $0x2100, %di; mov $8, %cx; rep movsb;
	mov 0x2104, %eax;
	std;
	mov $0x2007, %si; mov $0x2207, %di; mov $8, %cx; rep movsb;
	mov 0x2200, %ebx;
	mov $0x2207, %di; mov $8, %cx; mov $0x55, %dl; xchg %al, %dl; repne scasb;
	cld; hlt);

/* The start of the section, for offsets in real mode: GUEST_CODE. */
asm(".globl __guest_base\n__guest_base = 0x10000");

static void run(const char *name, const char *entry)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_real(v, entry);
	see("%s:", name);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_regs(v, "rax rbx rcx rdx rsi rdi rsp");
	vm_destroy(&vm);
}

void test(void)
{
	run("arithmetic", arith);
	run("stack", stack);
	run("segments", segments);
	run("far call", far_call);
	run("software interrupt", soft_int);
	run("divide error", divide);
	run("strings", strings);
}
