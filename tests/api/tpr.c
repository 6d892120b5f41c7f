// SPDX-License-Identifier: GPL-2.0-only
/*
 * CR8: KVM_EXIT_SET_TPR without an irqchip, the LAPIC's TPR with one, kvm_run.cr8 in both
 * directions.
 */
#include "lib/api.h"

GUEST64(user_chip,
	mov %cr8, %rax; REPORT_EAX;
	mov $9, %eax; mov %rax, %cr8;
	mov %cr8, %rax; REPORT_EAX;
	mov $3, %eax; mov %rax, %cr8;
	out %al, $0x80;
	mov %cr8, %rax; REPORT_EAX;
	DONE);
GUEST64(kernel_chip,
	mov $0xfee00000, %ebx;
	mov $9, %eax; mov %rax, %cr8;
	mov 0x80(%rbx), %eax; REPORT_EAX;
	mov 0xa0(%rbx), %eax; REPORT_EAX;
	movl $0x45, 0x80(%rbx);
	mov %cr8, %rax; REPORT_EAX;
	out %al, $0x80;					/* user space sends 0x41, which is below the priority */
	sti; nop; nop;
	mov %gs:(4 * 0x41), %eax; REPORT_EAX;
	xor %eax, %eax; mov %rax, %cr8;
	nop; cli;
	mov %gs:(4 * 0x41), %eax; REPORT_EAX;
	mov 0x80(%rbx), %eax; REPORT_EAX;
	DONE);

static void see_until_done(struct vcpu *v, bool send)
{
	for (int i = 0; i < 10; i++) {
		int ret = see_guest(v);

		see("kvm_run.cr8 = %llu", v->run->cr8);
		if (ret == GO_DONE)
			break;
		if (ret == KVM_EXIT_IO)
			v->run->cr8 = 6;		/* user space's APIC changes it */
		if (ret == KVM_EXIT_IO && send)
			must(msi(v->vm, 0xfee00000, 0x41) == 1);
	}
}

void test(void)
{
	struct kvm_vapic_addr off = { 0 };
	struct vm vm;
	struct vcpu *v;

	see("-- without irqchip");
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, user_chip);
	see_result("KVM_SET_VAPIC_ADDR of 0", ioctl(v->fd, KVM_SET_VAPIC_ADDR, &off));
	v->run->cr8 = 4;
	see_until_done(v, false);
	vm_destroy(&vm);
	see("-- with irqchip");
	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_result("KVM_SET_VAPIC_ADDR of 0", ioctl(v->fd, KVM_SET_VAPIC_ADDR, &off));
	see_result("KVM_SET_VAPIC_ADDR, bad address", ioctl(v->fd, KVM_SET_VAPIC_ADDR, 8));
	vcpu_long(v, kernel_chip);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	see_until_done(v, true);
	see_log(&vm);
}
