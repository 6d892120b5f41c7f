// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without an irqchip: KVM_INTERRUPT, the interrupt window, if_flag and
 * ready_for_interrupt_injection.
 */
#include "lib/api.h"

GUEST64(guest,
	cli;
	out %al, $0x80;
	sti;
	nop;
	out %al, $0x81;
	nop;
	out %al, $0x82;
	sti;
	hlt;
	out %al, $0x83;
	cli;
	hlt;
	DONE);

static void state(struct vcpu *v)
{
	see_exit(v);
	see("if_flag=%d ready_for_interrupt_injection=%d", v->run->if_flag, v->run->ready_for_interrupt_injection);
}

static int interrupt(struct vcpu *v, u32 vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return ioctl(v->fd, KVM_INTERRUPT, &irq);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	see_result("run", vcpu_run(v));
	state(v);				/* port 0x80, interrupts off */
	v->run->request_interrupt_window = 1;
	see_result("run", vcpu_run(v));
	state(v);
	check_eq(v->run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	see_regs(v, "rip");
	v->run->request_interrupt_window = 0;
	see_result("KVM_INTERRUPT 0x41", interrupt(v, 0x41));
	see_result("run", vcpu_run(v));
	state(v);
	see_log(&vm);
	check_eq(counts(v)[0x41], 1);
	see_result("run", vcpu_run(v));
	state(v);				/* port 0x82 */
	see_result("run", vcpu_run(v));
	state(v);				/* HLT */
	see_result("KVM_INTERRUPT 0x42", interrupt(v, 0x42));
	see_result("run", vcpu_run(v));
	state(v);				/* port 0x83, the interrupt was taken */
	check_eq(counts(v)[0x42], 1);
	see_result("run", vcpu_run(v));
	state(v);				/* HLT with interrupts off */
	see_result("run", vcpu_run(v));
	state(v);
	see_log(&vm);
	see_result("KVM_INTERRUPT 256", interrupt(v, 256));
	see_result("KVM_INTERRUPT 0xffffffff", interrupt(v, 0xffffffff));
}
