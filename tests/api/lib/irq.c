// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: short forms of the ioctls, and waiting for what the guest's handlers count. */
#include "api.h"

void msleep(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

void irq_line(struct vm *vm, u32 gsi, int level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	must_ioctl(vm->fd, KVM_IRQ_LINE, &l);
}

int msi(struct vm *vm, u64 addr, u32 data)
{
	struct kvm_msi m = { .address_lo = addr, .address_hi = addr >> 32, .data = data };

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &m);
}

void set_ioapic_pin(struct vm *vm, int pin, u64 entry)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	must_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[pin].bits = entry;
	must_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
}

u32 lapic_reg(struct kvm_lapic_state *l, int offset)
{
	return *(u32 *)(l->regs + offset);
}

void lapic_enable(struct vcpu *v)
{
	struct kvm_lapic_state l;

	must_ioctl(v->fd, KVM_GET_LAPIC, &l);
	*(u32 *)(l.regs + 0xf0) = 0x1ff;
	must_ioctl(v->fd, KVM_SET_LAPIC, &l);
}

void wait_count(struct vcpu *v, int vector, u32 count)
{
	volatile u32 *c = counts(v) + vector;

	while (*c < count)
		msleep(1);
}
