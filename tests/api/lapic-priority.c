// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested interrupts: ISR, PPR, what interrupts a handler and what waits, EOI in order,
 * level-triggered without broadcast.
 */
#include "lib/api.h"

#define LAPIC	0xfee00000
#define SAY(off)	mov off(%rbx), %eax; REPORT_EAX
#define IPI(n)		movl $0x40000 | n, 0x300(%rbx)

GUEST64(guest,
	mov $LAPIC, %ebx;
	sti;
	IPI(0x51);
	nop; cli;
	SAY(0xa0); SAY(0x120); SAY(0x140); SAY(0x170);
	DONE);
/* In the handler of 0x51: 0x52 waits (same class), 0x41 waits, 0x91 comes at once. */
GUEST64(outer,
	push %rax;
	SAY(0xa0);
	sti;
	IPI(0x52); IPI(0x41); IPI(0x91);
	nop; nop; cli;
	SAY(0xa0); SAY(0x120); SAY(0x220); SAY(0x240);
	lock incl %gs:(4 * 0x51);
	movl $0, 0xb0(%rbx);
	pop %rax; iretq);
GUEST64(inner,
	push %rax; SAY(0xa0); SAY(0x120); SAY(0x140); lock incl %gs:(4 * 0x91); movl $0, 0xb0(%rbx);
		pop %rax; iretq);

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	idt_gate(&vm, 0x51, outer, 0x8e);
	idt_gate(&vm, 0x91, inner, 0x8e);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	check_eq(counts(v)[0x51], 1);
	check_eq(counts(v)[0x91], 1);
	check_eq(counts(v)[0x52], 1);
	check_eq(counts(v)[0x41], 1);
}
