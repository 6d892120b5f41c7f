// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_HALT_POLL: with 0 a halted vCPU sleeps at once; with a bound that its waits fit in it comes to poll. */
#include "lib/api.h"

#define HALTS	50
#define LAPIC	0xfee00000

/* Periodic, each 400 us at 1 ns a tick: a tick that comes between STI and HLT is followed by another. */
GUEST64(guest,
	mov $LAPIC, %ebx; mov $HALTS, %edi;
	movl $0x1ff, 0xf0(%rbx); movl $0xb, 0x3e0(%rbx); movl $0x20040, 0x320(%rbx);
	movl $400000, 0x380(%rbx);
	1: sti; hlt; cli; dec %edi; jnz 1b;
	movl $0, 0x380(%rbx);
	DONE);

static void run(u64 ns)
{
	struct vm vm;
	struct vcpu *v;

	see("-- at most %llu ns", (unsigned long long)ns);
	vm_init(&vm);
	vm_irqchip(&vm);
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_HALT_POLL, ns));
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	shared(&vm)->eoi = EOI_LAPIC;
	check_eq(see_guest(v), GO_DONE);
	see("polled: %s", stat_of(v->fd, "halt_attempted_poll") ? "yes" : "no");
	see("polled with success: %s", stat_of(v->fd, "halt_successful_poll") ? "yes" : "no");
	see("slept: %s", stat_of(v->fd, "halt_wakeup") ? "yes" : "no");
	vm_destroy(&vm);
}

void test(void)
{
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_HALT_POLL);
	see_result("more than 32 bits", vm_enable(&vm, KVM_CAP_HALT_POLL, 1ull << 32));
	vm_destroy(&vm);
	run(0);
	run(1000000000);
}
