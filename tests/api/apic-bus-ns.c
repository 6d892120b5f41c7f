// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_X86_APIC_BUS_CYCLES_NS: how long a tick of the LAPIC timer takes; when it may be set, and to what. */
#include "lib/api.h"

#define LAPIC	0xfee00000
#define COUNT	100000

GUEST64(guest,
	mov $LAPIC, %ebx;
	movl $0x1ff, 0xf0(%rbx); movl $0xb, 0x3e0(%rbx); movl $0x10040, 0x320(%rbx);
	movl $COUNT, 0x380(%rbx);
	1: cmpl $0, 0x390(%rbx); jne 1b;
	DONE);

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The shortest of some runs: a run takes longer when this machine is busy, and never less. */
static u64 timer_ns(struct vcpu *v)
{
	u64 least = ~0ull;

	for (int i = 0; i < 5; i++) {
		u64 start, took;

		vcpu_long(v, guest);
		start = now_ns();
		check_eq(vcpu_go(v), GO_DONE);
		took = now_ns() - start;
		least = took < least ? took : least;
	}
	return least;
}

static void run(u64 ns)
{
	struct vm vm;
	struct vcpu *v;
	u64 took;

	vm_init(&vm);
	vm_irqchip(&vm);
	if (ns)
		see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, ns));
	see("this VM's tick: %d ns", vm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS));
	v = vcpu_create(&vm, 0);
	see_result("after a vCPU", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1));
	took = timer_ns(v);
	check(took >= COUNT * (ns ?: 1));
	see("100000 ticks take %s", took < 100000000 ? "less than 0.1 s" : "0.1 s and more");
	vm_destroy(&vm);
}

void test(void)
{
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS);
	see_result("without a LAPIC", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 10));
	vm_irqchip(&vm);
	see_result("0", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 0));
	see_result("2^40", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1ull << 40));
	see_result("2^25 + 1", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, (1 << 25) + 1));
	see("refused: %d ns", vm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS));
	see_result("2^25", vm_enable(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1 << 25));
	vm_destroy(&vm);
	run(0);
	run(1000);
}
