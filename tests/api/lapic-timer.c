// SPDX-License-Identifier: GPL-2.0-only
/* The LAPIC timer: one-shot, periodic, masked, stopped, dividers; polled and halted. */
#include "lib/api.h"

#define LAPIC	0xfee00000
#define COUNT	%gs:(4 * 0x40)

GUEST64(one_shot,
	mov $LAPIC, %ebx;
	movl $0x1ff, 0xf0(%rbx);
	movl $0xb, 0x3e0(%rbx);			/* divide by 1 */
	movl $0x40, 0x320(%rbx);
	mov 0x390(%rbx), %eax; REPORT_EAX;	/* not started: 0 */
	sti;
	movl $100000, 0x380(%rbx);
	1: cmpl $1, COUNT; jb 1b;
	mov 0x380(%rbx), %eax; REPORT_EAX;
	mov 0x390(%rbx), %eax; REPORT_EAX;	/* expired: 0 */
	mov COUNT, %eax; REPORT_EAX;
	cli; DONE);
GUEST64(one_shot_halted,
	mov $LAPIC, %ebx;
	movl $1000000, 0x380(%rbx);
	sti; hlt; cli;
	mov COUNT, %eax; REPORT_EAX;
	DONE);
GUEST64(periodic,
	mov $LAPIC, %ebx;
	movl $0x20040, 0x320(%rbx);
	movl $0x3, 0x3e0(%rbx);			/* divide by 16 */
	sti;
	movl $50000, 0x380(%rbx);
	1: hlt; cmpl $7, COUNT; jb 1b;
	cli;
	movl $0, 0x380(%rbx);			/* stop */
	mov 0x390(%rbx), %eax; REPORT_EAX;
	mov 0x320(%rbx), %eax; REPORT_EAX;
	mov 0x3e0(%rbx), %eax; REPORT_EAX;
	DONE);
GUEST64(masked,
	mov $LAPIC, %ebx;
	movl $0xb, 0x3e0(%rbx);
	movl $0x10040, 0x320(%rbx);
	movl $100000, 0x380(%rbx);
	1: cmpl $0, 0x390(%rbx); jne 1b;
	sti; nop; nop; cli;
	mov COUNT, %eax; REPORT_EAX;
	DONE);
/* The divider that is written is the one that is read; reserved bits stay 0. */
GUEST64(dividers,
	mov $LAPIC, %ebx;
	movl $0xffffffff, 0x3e0(%rbx); mov 0x3e0(%rbx), %eax; REPORT_EAX;
	movl $0, 0x3e0(%rbx); mov 0x3e0(%rbx), %eax; REPORT_EAX;
	movl $0xffffffff, 0x320(%rbx); mov 0x320(%rbx), %eax; REPORT_EAX;
	DONE);

void test(void)
{
	static const struct {
		const char *name, *entry;
	} rows[] = {
		{ "one-shot", one_shot }, { "one-shot, halted", one_shot_halted }, { "periodic", periodic },
		{ "masked", masked }, { "registers", dividers },
	};
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		shared(&vm)->eoi = EOI_LAPIC;
		counts(v)[0x40] = 0;
		see("-- %s", rows[i].name);
		check_eq(see_guest(v), GO_DONE);
	}
}
