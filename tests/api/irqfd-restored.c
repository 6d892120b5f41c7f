// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_IRQCHIP and KVM_SET_IRQCHIP while a resampling irqfd holds a line: the guest's EOI lowers
 * it as before.
 */
#include "lib/api.h"

enum { GSI = 20, VECTOR = 0x62 };

GUEST64(window, sti; nop; nop; cli; DONE);

static struct vm vm;
static struct vcpu *v;

static void take_some(const char *when)
{
	shared(&vm)->nlog = 0;
	vcpu_long(v, window);
	see_guest(v);
	see("%s: %d interrupts", when, (int)shared(&vm)->nlog);
}

void test(void)
{
	int in = eventfd(0, EFD_NONBLOCK), out = eventfd(0, EFD_NONBLOCK), i;
	struct kvm_irqfd f = {
		.fd = in, .gsi = GSI, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = out
	};
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	set_ioapic_pin(&vm, GSI, 0x8000 | VECTOR);
	see_ioctl(vm.fd, KVM_IRQFD, &f);
	must(eventfd_write(in, 1) == 0);
	for (i = 0; i < 1000 && !lapic_pending(v, VECTOR); i++)
		msleep(1);
	must(ioctl(vm.fd, KVM_GET_IRQCHIP, &c) == 0);
	see("line up: %d", c.chip.ioapic.irr >> GSI & 1);
	must(ioctl(vm.fd, KVM_SET_IRQCHIP, &c) == 0);
	take_some("first");
	take_some("then");
	must(ioctl(vm.fd, KVM_GET_IRQCHIP, &c) == 0);
	see("line up: %d", c.chip.ioapic.irr >> GSI & 1);
}
