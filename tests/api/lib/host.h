/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests for what happens to the host (the programs host-*): what a CPU keeps for them must still be there when they go on, on whichever CPU
 * that is. For vcpu_long():
 *	goes_on		counts, and looks at what is kept, until end_goes_on()
 *	keeps		is done, and reports what it had kept each time that it goes on
 */
#ifndef TESTS_API_LIB_HOST_H
#define TESTS_API_LIB_HOST_H

#include "api.h"

#define STOP	0x51000u
#define LOOPS	0xf0			/* counters by vector that no interrupt has */
#define TIMER	0x40
#define GS_BASE	0xc0000102		/* KERNEL_GS_BASE: in the CPU alone while the guest is loaded */

/* A MSR and a vector register stay what they were, the TSC doesn't go back, and the LAPIC's timer ticks. */
GUEST64(goes_on,
	mov $GS_BASE, %ecx; mov $0x12345678, %eax; xor %edx, %edx; wrmsr; movq %rax, %xmm7;
	mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx);
	movl $0x3, 0x3e0(%rbx); movl $0x20000 + TIMER, 0x320(%rbx); movl $200000, 0x380(%rbx);
	xor %ebp, %ebp;
	sti;				/* or Bochs takes no interrupt of the host's */
	1: rdtsc; shl $32, %rdx; or %rdx, %rax; cmp %rbp, %rax; jb 2f; mov %rax, %rbp;
	rdmsr; cmp $0x12345678, %eax; jne 2f;
	movq %xmm7, %rax; cmp $0x12345678, %rax; jne 2f;
	lock incl %gs:(4 * LOOPS);
	cmpl $0, STOP; je 1b;
	mov $0x600d, %eax; REPORT_EAX; DONE;
	2: REPORT_EAX; mov $0xbad, %eax; REPORT_EAX; DONE);
GUEST64(keeps,
	mov $GS_BASE, %ecx; mov $0x87654321, %eax; xor %edx, %edx; wrmsr; movq %rax, %xmm6; DONE;
	1: mov $GS_BASE, %ecx; rdmsr; REPORT_EAX; movq %xmm6, %rax; REPORT_EAX; DONE; jmp 1b);

static inline void pin(pthread_t thread, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	must(pthread_setaffinity_np(thread, sizeof(one), &one) == 0);
}

/* The first vCPU goes on (its thread is the caller's to start), the second keeps. */
static inline void vm_of_two(struct vm *vm, struct vcpu **runs, struct vcpu **parked)
{
	vm_init(vm);
	vm_irqchip(vm);
	*runs = vcpu_create(vm, 0);
	*parked = vcpu_create(vm, 1);
	vcpu_long(*runs, goes_on);
	vcpu_long(*parked, keeps);
	set_mp_state(*parked, KVM_MP_STATE_RUNNABLE);
	shared(vm)->eoi = EOI_LAPIC;
}

/* Wait until it does, and its LAPIC's timer; shared.eoi must be EOI_LAPIC. */
static inline void see_goes_on(struct vcpu *v)
{
	volatile u32 *count = counts(v);
	u32 loops = count[LOOPS], ticks = count[TIMER];

	while (count[LOOPS] - loops < 100 || count[TIMER] - ticks < 3)
		msleep(1);
	see("the guest and its timer go on");
}

static inline void end_goes_on(struct vcpu *v)
{
	*(volatile u32 *)gpa_ptr(v->vm, STOP) = 1;
}

#endif
