// SPDX-License-Identifier: GPL-2.0-only
/* The LAPIC timer in TSC-deadline mode. */
#include "lib/api.h"

#define LAPIC	0xfee00000
#define COUNT	%gs:(4 * 0x40)

GUEST64(guest,
	mov $LAPIC, %ebx;
	movl $0x1ff, 0xf0(%rbx);
	movl $0x40040, 0x320(%rbx);
	mov 0x320(%rbx), %eax; REPORT_EAX;
	movl $1000, 0x380(%rbx);		/* the initial count does not matter in this mode */
	mov 0x390(%rbx), %eax; REPORT_EAX;
	/* In the past: at once. */
	sti;
	mov $0x6e0, %ecx; mov $1, %eax; xor %edx, %edx; wrmsr;
	1: cmpl $1, COUNT; jb 1b;
	rdmsr; REPORT_EAX;			/* expired: 0 */
	/* In the future, halted. */
	cli;
	rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %rsi; add $1000000, %rsi;
	mov %rsi, %rax; mov %rsi, %rdx; shr $32, %rdx; wrmsr;
	rdmsr; shl $32, %rdx; mov %eax, %eax; or %rdx, %rax; sub %rsi, %rax; mov %rax, %rdi;
	sti; hlt; cli;
	rdtsc; shl $32, %rdx; or %rdx, %rax; cmp %rsi, %rax; setae %al; movzbl %al, %eax; REPORT_EAX;
	mov COUNT, %eax; REPORT_EAX;
	rdmsr; REPORT_EAX;
	/* Disarmed with 0. */
	rdtsc; add $2000000, %rax; adc $0, %edx; wrmsr; xor %eax, %eax; xor %edx, %edx; wrmsr; rdmsr; REPORT_EAX;
	DONE);

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_TSC_DEADLINE_TIMER);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	set_cpuid_plus(v, 1, 1u << 24);
	vcpu_long(v, guest);
	shared(&vm)->eoi = EOI_LAPIC;
	check_eq(see_guest(v), GO_DONE);
	see("deadline 0x%llx", (unsigned long long)must_get_msr(v, 0x6e0));
	check_eq(counts(v)[0x40], 2);
}
