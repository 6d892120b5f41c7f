// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_IRQCHIP and KVM_SET_IRQCHIP while a resampling irqfd holds a line: the guest's EOI lowers
 * it as before. In a new VM nobody holds what the state says is up: the first EOI lowers it, and the
 * resamplefd asks whether it is still wanted. One that the VMM raises again stays up, and doesn't
 * keep the guest from all else.
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

static int line_up(void)
{
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

	must(ioctl(vm.fd, KVM_GET_IRQCHIP, &c) == 0);
	return c.chip.ioapic.irr >> GSI & 1;
}

static void make_vm(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	set_ioapic_pin(&vm, GSI, 0x8000 | VECTOR);
}

static struct kvm_irqfd irqfd(void)
{
	return (struct kvm_irqfd) {
		.fd = eventfd(0, EFD_NONBLOCK), .resamplefd = eventfd(0, EFD_NONBLOCK),
		.gsi = GSI, .flags = KVM_IRQFD_FLAG_RESAMPLE
	};
}

static void in_the_same_vm(void)
{
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irqfd f = irqfd();
	int i;

	make_vm();
	see_ioctl(vm.fd, KVM_IRQFD, &f);
	must(eventfd_write(f.fd, 1) == 0);
	for (i = 0; i < 1000 && !lapic_pending(v, VECTOR); i++)
		msleep(1);
	must(ioctl(vm.fd, KVM_GET_IRQCHIP, &c) == 0);
	see("line up: %d", c.chip.ioapic.irr >> GSI & 1);
	must(ioctl(vm.fd, KVM_SET_IRQCHIP, &c) == 0);
	take_some("first");
	take_some("then");
	see("line up: %d", line_up());
	vm_destroy(&vm);
}

static void restore(const struct kvm_irqfd *f, bool irqfd_first)
{
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

	make_vm();
	if (irqfd_first)
		see_ioctl(vm.fd, KVM_IRQFD, f);
	must(ioctl(vm.fd, KVM_GET_IRQCHIP, &c) == 0);
	c.chip.ioapic.irr |= 1u << GSI;
	must(ioctl(vm.fd, KVM_SET_IRQCHIP, &c) == 0);
	if (!irqfd_first)
		see_ioctl(vm.fd, KVM_IRQFD, f);
	see("line up: %d", line_up());
}

static void in_another_vm(bool irqfd_first, bool signalled)
{
	struct kvm_irqfd f = irqfd();
	eventfd_t asked = 0;

	see("irqfd first: %d, and signalled: %d", irqfd_first, signalled);
	restore(&f, irqfd_first);
	if (signalled)
		must(eventfd_write(f.fd, 1) == 0);
	take_some("first");
	see("line up: %d", line_up());
	must(eventfd_read(f.resamplefd, &asked) == 0);
	see("asked: %d", (int)asked);
	take_some("then");
	vm_destroy(&vm);
}

/* The guest takes it again at each EOI; but it comes to its end, where it isn't interruptible any more. */
static void raised_again(void)
{
	struct kvm_irqfd f = irqfd();

	restore(&f, true);
	irq_line(&vm, GSI, 1);
	vcpu_long(v, window);
	see_guest(v);
	check(shared(&vm)->nlog >= 2);
	see("line up: %d", line_up());
	irq_line(&vm, GSI, 0);
	see("line up: %d", line_up());
	vm_destroy(&vm);
}

void test(void)
{
	in_the_same_vm();
	in_another_vm(false, false);
	in_another_vm(true, false);
	in_another_vm(true, true);
	raised_again();
}
