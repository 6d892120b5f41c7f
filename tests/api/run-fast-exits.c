// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that do nothing but exit, in ways that a KVM may answer without looking up: none holds its CPU past a signal, and an interrupt from outside
 * reaches each.
 */
#include "lib/api.h"

#define VECTOR		0x61
#define DOORBELL	0x90
#define ROUNDS		20
#define COUNTER		(GUEST_FREE)
/* What a guest may still do between the sending of a signal and its end; without a bound it would be millions. */
#define MAX_LATE	20000

#define LOOP(label, ...) \
	GUEST64(label, sti; xor %esi, %esi; 1: __VA_ARGS__; inc %rsi; mov %rsi, COUNTER; jmp 1b)

LOOP(cpuid_loop, xor %eax, %eax; cpuid);
LOOP(hypercall_loop, mov $100, %eax; vmmcall);
LOOP(doorbell_loop, out %al, $DOORBELL);
LOOP(msr_loop, mov $0x3b, %ecx; rdmsr);
LOOP(eoi_loop, mov $0xfee000b0, %ebx; movl $0, (%rbx));
LOOP(icr_loop, mov $0xfee00300, %ebx; movl $0x40062, (%rbx));

static const struct {
	const char *name, *entry;
} guests[] = {
	{ "CPUID", cpuid_loop }, { "hypercall", hypercall_loop }, { "doorbell", doorbell_loop }, { "RDMSR", msr_loop }, { "EOI", eoi_loop },
	{ "self-IPI", icr_loop },
};

static struct vm vm;
static struct vcpu *v;

static u64 counter(void)
{
	return *(volatile u64 *)gpa_ptr(&vm, COUNTER);
}

static void wait_progress(void)
{
	u64 before = counter();

	while (counter() < before + 10)
		msleep(1);
}

static void interrupted(void)
{
	u32 before = counts(v)[VECTOR];

	for (int i = 1; i <= ROUNDS; i++) {
		must(msi(&vm, 0xfee00000, VECTOR) == 1);
		wait_count(v, VECTOR, before + i);
	}
}

static void signalled(void)
{
	u64 at_signal;
	int ret;

	pthread_kill(v->thread, SIGUSR1);
	at_signal = counter();
	ret = vcpu_join(v);
	see_guest_result(v, ret);
	check_eq(ret, -EINTR);
	check(counter() - at_signal < MAX_LATE);
}

void test(void)
{
	struct kvm_ioeventfd bell = { .addr = DOORBELL, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO, .fd = eventfd(0, EFD_NONBLOCK) };

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	must_ioctl(vm.fd, KVM_IOEVENTFD, &bell);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		see("-- %s", guests[i].name);
		vcpu_long(v, guests[i].entry);
		lapic_enable(v);
		shared(&vm)->eoi = EOI_LAPIC;
		for (int n = 0; n < 3; n++) {
			vcpu_go_thread(v);
			wait_progress();
			interrupted();
			signalled();
		}
	}
}
