// SPDX-License-Identifier: GPL-2.0-only
/*
 * A halted vCPU in the kernel: woken by an interrupt, not by one that is blocked, interrupted by a
 * signal.
 */
#include "lib/api.h"

GUEST64(waiting, sti; hlt; cli; mov $0x600d, %eax; REPORT_EAX; DONE);
GUEST64(deaf, cli; hlt; mov $0xbad, %eax; REPORT_EAX; DONE);
GUEST64(tpr, mov $5, %eax; mov %rax, %cr8; sti; hlt; cli; mov %gs:(4 * 0x61), %eax; REPORT_EAX;
	DONE);

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, waiting);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;

	vcpu_go_thread(v);
	msleep(30);
	must(msi(&vm, 0xfee00000, 0x41) == 1);
	see_guest_result(v, vcpu_join(v));
	see_log(&vm);
	check_eq(v->result, GO_DONE);
	see("state %u", get_mp_state(v));

	see("-- interrupts off");
	vcpu_long(v, deaf);
	vcpu_go_thread(v);
	msleep(20);
	must(msi(&vm, 0xfee00000, 0x42) == 1);
	msleep(20);
	vcpu_kick(v);
	see_guest_result(v, vcpu_join(v));
	v->run->immediate_exit = 0;
	see("state %u", get_mp_state(v));
	see_irr(v);
	set_mp_state(v, KVM_MP_STATE_RUNNABLE);
	vcpu_long(v, waiting);
	check_eq(see_guest(v), GO_DONE);

	see("-- below the task priority");
	vcpu_long(v, tpr);
	vcpu_go_thread(v);
	msleep(20);
	must(msi(&vm, 0xfee00000, 0x45) == 1);
	msleep(20);
	must(msi(&vm, 0xfee00000, 0x61) == 1);
	see_guest_result(v, vcpu_join(v));
	see_irr(v);

	see("-- halted by user space");
	vcpu_long(v, waiting);
	set_mp_state(v, KVM_MP_STATE_HALTED);
	vcpu_go_thread(v);
	msleep(20);
	vcpu_kick(v);
	see_guest_result(v, vcpu_join(v));
	v->run->immediate_exit = 0;
	see("state %u", get_mp_state(v));
}
