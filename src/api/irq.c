// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doors to the interrupt controllers, the PIT, GSI routing and irqfds.
 */
#include <linux/slab.h>
#include "api/api.h"

#define IOAPIC_BASE	0xfec00000
#define IOAPIC_LEN	0x100	/* IOREGSEL, IOWIN and EOI lie in it */

static bool has_irqchip(struct vm_x86 *x)
{
	return READ_ONCE(x->irqchip.mode) != IRQCHIP_NONE;
}

/* Put @n devices on the bus: all or none. vm->lock held. */
static int add_devices(struct vm *vm, struct iobus *bus, const struct iodev *devs, u32 n)
{
	int err = 0;
	u32 i;

	mutex_lock(&vm->slots_lock);
	for (i = 0; i < n; i++) {
		err = iobus_add(vm, bus, &devs[i]);
		if (err)
			break;
	}
	while (err && i--)
		iobus_del(vm, bus, devs[i].dev);
	mutex_unlock(&vm->slots_lock);
	return err;
}

static void del_device(struct vm *vm, struct iobus *bus, void *dev)
{
	mutex_lock(&vm->slots_lock);
	iobus_del(vm, bus, dev);
	mutex_unlock(&vm->slots_lock);
}

static int add_irqchip_devices(struct vm_x86 *x)
{
	const struct iodev ports[] = {
		{ 0x20, 2, IODEV_PIC, x->irqchip.pic },
		{ 0xa0, 2, IODEV_PIC, x->irqchip.pic },
		{ 0x4d0, 2, IODEV_ELCR, x->irqchip.pic },
	};
	const struct iodev ioapic = { IOAPIC_BASE, IOAPIC_LEN, IODEV_IOAPIC, x->irqchip.ioapic };
	int err = add_devices(&x->vm, &x->vm.pio, ports, ARRAY_SIZE(ports));

	if (err)
		return err;
	err = add_devices(&x->vm, &x->vm.mmio, &ioapic, 1);
	if (err)
		del_device(&x->vm, &x->vm.pio, x->irqchip.pic);
	return err;
}

static long create_irqchip(struct vm_x86 *x)
{
	long err;

	mutex_lock(&x->vm.lock);
	err = irqchip_create(&x->irqchip, &x->vm);
	if (!err) {
		err = add_irqchip_devices(x);
		if (err) {
			irqchip_destroy(&x->irqchip);
			irqchip_init(&x->irqchip, &x->vm);
		} else {
			irqchip_publish(&x->irqchip);
		}
	}
	mutex_unlock(&x->vm.lock);
	return err;
}

enum state_direction { STATE_GET, STATE_SET };

static long irqchip_state(struct vm_x86 *x, void __user *argp, enum state_direction dir)
{
	struct kvm_irqchip *state = memdup_user(argp, sizeof(*state));
	long err;

	if (IS_ERR(state))
		return PTR_ERR(state);
	if (dir == STATE_SET) {
		err = irqchip_set_state(&x->irqchip, state);
	} else {
		err = irqchip_get_state(&x->irqchip, state);
		if (!err)
			err = put_user_struct(argp, state, sizeof(*state));
	}
	kfree(state);
	return err;
}

static long irq_line(struct vm_x86 *x, struct kvm_irq_level *line)
{
	if (!has_irqchip(x))
		return -ENXIO;
	line->status = irqchip_set_gsi(&x->irqchip, line->irq, IRQ_SOURCE_USER, !!line->level);
	return 0;
}

static long set_irq_line(struct vm_x86 *x, void __user *argp)
{
	struct kvm_irq_level line;

	if (copy_from_user(&line, argp, sizeof(line)))
		return -EFAULT;
	return irq_line(x, &line);
}

static long set_irq_line_status(struct vm_x86 *x, void __user *argp)
{
	struct kvm_irq_level line;
	long err;

	if (copy_from_user(&line, argp, sizeof(line)))
		return -EFAULT;
	err = irq_line(x, &line);
	return err ? err : put_user_struct(argp, &line, sizeof(line));
}

static long signal_msi(struct vm_x86 *x, void __user *argp)
{
	struct kvm_msi msi;

	if (copy_from_user(&msi, argp, sizeof(msi)))
		return -EFAULT;
	if (!has_irqchip(x) || msi.flags)
		return -EINVAL;
	return irqchip_send_msi(&x->irqchip, (u64)msi.address_hi << 32 | msi.address_lo, msi.data);
}

static long set_gsi_routing(struct vm_x86 *x, void __user *argp)
{
	struct kvm_irq_routing routing;
	struct kvm_irq_routing_entry *entries = NULL;
	long err;

	if (copy_from_user(&routing, argp, sizeof(routing)))
		return -EFAULT;
	if (!has_irqchip(x) || routing.nr > GSI_MAX || routing.flags)
		return -EINVAL;
	if (routing.nr) {
		entries = vmemdup_user(argp + sizeof(routing),
				       array_size(sizeof(*entries), routing.nr));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	err = irqchip_set_routing(&x->irqchip, entries, routing.nr, routing.flags);
	kvfree(entries);
	return err;
}

static long set_irqfd(struct vm_x86 *x, void __user *argp)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args.flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(&x->irqchip, &args);
	return irqfd_assign(&x->irqchip, &args);
}

/* ------------------------------------------------------------------ PIT */

static int add_pit_devices(struct vm_x86 *x, struct pit *pit, u32 flags)
{
	const struct iodev ports[] = {
		{ 0x40, 4, IODEV_PIT, pit },
		{ 0x61, 1, IODEV_SPEAKER, pit },
	};

	return add_devices(&x->vm, &x->vm.pio, ports, flags & KVM_PIT_SPEAKER_DUMMY ? 2 : 1);
}

static long create_pit_locked(struct vm_x86 *x, const struct kvm_pit_config *config)
{
	struct pit *pit = pit_create(&x->irqchip, config);
	long err;

	if (IS_ERR(pit))
		return PTR_ERR(pit);
	err = add_pit_devices(x, pit, config->flags);
	if (err)
		pit_free(pit);
	else
		pit_publish(pit);
	return err;
}

static long create_pit(struct vm_x86 *x, const struct kvm_pit_config *config)
{
	long err;

	mutex_lock(&x->vm.lock);
	err = create_pit_locked(x, config);
	mutex_unlock(&x->vm.lock);
	return err;
}

static long create_pit1(struct vm_x86 *x)
{
	const struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return create_pit(x, &config);
}

static long create_pit2(struct vm_x86 *x, void __user *argp)
{
	struct kvm_pit_config config;

	if (copy_from_user(&config, argp, sizeof(config)))
		return -EFAULT;
	return create_pit(x, &config);
}

static long get_pit2(struct vm_x86 *x, void __user *argp)
{
	struct kvm_pit_state2 state = {};
	long err = pit_get_state(&x->irqchip, &state);

	return err ? err : put_user_struct(argp, &state, sizeof(state));
}

static long set_pit2(struct vm_x86 *x, void __user *argp)
{
	struct kvm_pit_state2 state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	return pit_set_state(&x->irqchip, &state);
}

/* The older pair has the channels and not the flags. */
static long get_pit1(struct vm_x86 *x, void __user *argp)
{
	struct kvm_pit_state2 state = {};
	long err = pit_get_state(&x->irqchip, &state);

	return err ? err : put_user_struct(argp, state.channels, sizeof(struct kvm_pit_state));
}

static long set_pit1(struct vm_x86 *x, void __user *argp)
{
	struct kvm_pit_state state1;
	struct kvm_pit_state2 state = {};
	long err;

	if (copy_from_user(&state1, argp, sizeof(state1)))
		return -EFAULT;
	err = pit_get_state(&x->irqchip, &state);
	if (err)
		return err;
	memcpy(state.channels, state1.channels, sizeof(state.channels));
	return pit_set_state(&x->irqchip, &state);
}

static long reinject_control(struct vm_x86 *x, void __user *argp)
{
	struct kvm_reinject_control control;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;
	return pit_set_reinject(&x->irqchip, control.pit_reinject);
}

static long set_boot_cpu_id(struct vm_x86 *x, unsigned long id)
{
	long err = 0;

	mutex_lock(&x->vm.lock);
	if (atomic_read(&x->vm.nr_vcpus))
		err = -EBUSY;
	else if (id >= x->vm.max_vcpu_id)
		err = -EINVAL;
	else
		x->irqchip.bsp_id = id;
	mutex_unlock(&x->vm.lock);
	return err;
}

long vm_irq_ioctl(struct vm_x86 *x, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_CREATE_IRQCHIP:	return create_irqchip(x);
	case KVM_GET_IRQCHIP:		return irqchip_state(x, argp, STATE_GET);
	case KVM_SET_IRQCHIP:		return irqchip_state(x, argp, STATE_SET);
	case KVM_IRQ_LINE:		return set_irq_line(x, argp);
	case KVM_IRQ_LINE_STATUS:	return set_irq_line_status(x, argp);
	case KVM_SIGNAL_MSI:		return signal_msi(x, argp);
	case KVM_SET_GSI_ROUTING:	return set_gsi_routing(x, argp);
	case KVM_IRQFD:			return set_irqfd(x, argp);
	case KVM_CREATE_PIT:		return create_pit1(x);
	case KVM_CREATE_PIT2:		return create_pit2(x, argp);
	case KVM_GET_PIT:		return get_pit1(x, argp);
	case KVM_SET_PIT:		return set_pit1(x, argp);
	case KVM_GET_PIT2:		return get_pit2(x, argp);
	case KVM_SET_PIT2:		return set_pit2(x, argp);
	case KVM_REINJECT_CONTROL:	return reinject_control(x, argp);
	case KVM_SET_BOOT_CPU_ID:	return set_boot_cpu_id(x, arg);
	default:			return -ENOTTY;
	}
}
