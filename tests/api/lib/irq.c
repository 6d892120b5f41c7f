// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: short forms of the ioctls, and waiting for what the guest's handlers count. */
#include "api.h"

void msleep(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

bool host_tsc_is_clock(void)
{
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY);
	bool is = fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && strncmp(name, "tsc", 3) == 0;

	if (fd >= 0)
		close(fd);
	return is;
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

u32 get_lapic_reg(struct vcpu *v, int offset)
{
	struct kvm_lapic_state l;

	must_ioctl(v->fd, KVM_GET_LAPIC, &l);
	return *(u32 *)(l.regs + offset);
}

void set_lapic_reg(struct vcpu *v, int offset, u32 value)
{
	struct kvm_lapic_state l;

	must_ioctl(v->fd, KVM_GET_LAPIC, &l);
	*(u32 *)(l.regs + offset) = value;
	must_ioctl(v->fd, KVM_SET_LAPIC, &l);
}

void lapic_enable(struct vcpu *v)
{
	set_lapic_reg(v, 0xf0, 0x1ff);
}

bool lapic_pending(struct vcpu *v, int vector)
{
	return get_lapic_reg(v, 0x200 + vector / 32 * 16) >> vector % 32 & 1;
}

void see_irr(struct vcpu *v)
{
	printf("vcpu %d IRR:", v->id);
	for (int i = 0; i < 256; i++) {
		if (lapic_pending(v, i))
			printf(" 0x%x", i);
	}
	putchar('\n');
}

void wait_count(struct vcpu *v, int vector, u32 count)
{
	volatile u32 *c = counts(v) + vector;

	while (*c < count)
		msleep(1);
}
