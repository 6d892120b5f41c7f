// SPDX-License-Identifier: GPL-2.0-only
/* Slots made, moved and deleted under a running vCPU: it never reads what is gone, and goes on. */
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x10000u
#define STOP	0x100000u
#define LAST	0x100004u			/* the value that the guest read last */
#define ROUNDS	0x100008u
#define MMIO	0x4d4d4d4du

GUEST64(guest,
	sti;				/* or Bochs takes no interrupt of the host's */
	mov $A, %ebx;
	1: mov (%rbx), %eax; mov %eax, LAST; incl ROUNDS; cmpl $0, STOP; je 1b;
	DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *one, *two;

static void *run(void *arg)
{
	(void)arg;
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_MMIO)
		memset(v->run->mmio.data, 0x4d, 8);
	return NULL;
}

/* The guest reads the new value soon, and, once it has, no other. */
static void expect(u32 value)
{
	volatile u32 *last = gpa_ptr(&vm, LAST), *rounds = gpa_ptr(&vm, ROUNDS);
	u32 r;

	while (*last != value)
		sched_yield();
	r = *rounds;
	while (*rounds < r + 20) {
		check_eq(*last, value);
		sched_yield();
	}
}

void test(void)
{
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	one = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	two = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(u32 *)one = 1;
	*(u32 *)two = 2;
	vcpu_long(v, guest);
	must(pthread_create(&v->thread, NULL, run, NULL) == 0);
	for (int i = 0; i < 8; i++) {
		must(vm_slot(&vm, 1, 0, A, SIZE, one) == 0);
		expect(1);
		must(vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, A, SIZE, one) == 0);
		expect(1);
		must(vm_slot(&vm, 1, 0, A + SIZE, SIZE, one) == 0);
		expect(MMIO);
		must(vm_slot(&vm, 2, 0, A, SIZE, two) == 0);
		expect(2);
		must(vm_slot(&vm, 2, 0, A, 0, NULL) == 0);
		expect(MMIO);
		must(vm_slot(&vm, 1, 0, 0, 0, NULL) == 0);
		see("round %d done", i);
	}
	*(volatile u32 *)gpa_ptr(&vm, STOP) = 1;
	must(pthread_join(v->thread, NULL) == 0);
	see_exit(v);
}
