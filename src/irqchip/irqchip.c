// SPDX-License-Identifier: GPL-2.0-only
/*
 * The irqchip as a whole: creation, who is told of an EOI, and its state as ioctls see it.
 */
#include <linux/rculist.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_regs.h"

/*
 * One for all VMs: a VM's own would cost a tenth of its creation, and the works are few and short.
 */
struct workqueue_struct *irqchip_wq;

int irqchip_setup(void)
{
	irqchip_wq = alloc_workqueue("kvmono-irqchip", WQ_UNBOUND, 0);
	return irqchip_wq ? 0 : -ENOMEM;
}

void irqchip_teardown(void)
{
	destroy_workqueue(irqchip_wq);
}

/* ------------------ a LAPIC that takes interrupts again */

void irqchip_retry(struct irqchip *chip)
{
	struct pit *pit = smp_load_acquire(&chip->pit);

	/* Our own IOAPIC is there when its irqchip is published. */
	if (smp_load_acquire(&chip->mode) == IRQCHIP_KERNEL)
		ioapic_retry(chip->ioapic);
	if (pit)
		pit_acked(pit);
}

static void irqchip_retry_work(struct work_struct *work)
{
	irqchip_retry(container_of(work, struct irqchip, retry_work));
}

/* ------------------------------------------------------------------ life */

void irqchip_init(struct irqchip *chip, struct vm *vm)
{
	chip->vm = vm;
	chip->mode = IRQCHIP_NONE;
	raw_spin_lock_init(&chip->map_lock);
	INIT_LIST_HEAD(&chip->lapics);
	INIT_LIST_HEAD(&chip->irqfds);
	INIT_LIST_HEAD(&chip->resamplers);
	INIT_DELAYED_WORK(&chip->map_work, apic_map_work);
	INIT_WORK(&chip->retry_work, irqchip_retry_work);
}

/* -EEXIST, -EINVAL as irqchip_create(). */
static int irqchip_may_create(const struct irqchip *chip, struct vm *vm)
{
	if (chip->mode != IRQCHIP_NONE)
		return -EEXIST;
	return atomic_read(&vm->nr_vcpus) ? -EINVAL : 0;
}

/* Everything that irqchip_create() made, from any point of it on. */
static void irqchip_free(struct irqchip *chip)
{
	chip->mode = IRQCHIP_NONE;
	if (chip->ioapic)
		cancel_delayed_work_sync(&chip->ioapic->resume);
	kvfree(rcu_replace_pointer(chip->routing, NULL, true));
	kfree(chip->ioapic);
	chip->ioapic = NULL;
	kfree(chip->pic);
	chip->pic = NULL;
}

int irqchip_create(struct irqchip *chip, struct vm *vm)
{
	int ret = irqchip_may_create(chip, vm);

	if (ret)
		return ret;
	ret = pic_create(chip);
	if (!ret)
		ret = ioapic_create(chip);
	if (!ret)
		ret = route_set_default(chip);
	if (ret)
		irqchip_free(chip);
	return ret;
}

void irqchip_publish(struct irqchip *chip)
{
	/* Other ioctls look at the mode without a lock: they see it with everything behind it. */
	smp_store_release(&chip->mode, IRQCHIP_KERNEL);
}

int irqchip_create_split(struct irqchip *chip, struct vm *vm, u8 pins)
{
	int ret = irqchip_may_create(chip, vm);

	if (ret)
		return ret;
	chip->split_reserved_pins = pins;
	smp_store_release(&chip->mode, IRQCHIP_SPLIT);
	return 0;
}

void irqchip_quiesce(struct irqchip *chip)
{
	/* Both reach the PIT, so they go before it; only vCPUs queue them. */
	cancel_delayed_work_sync(&chip->map_work);
	cancel_work_sync(&chip->retry_work);
	irqfd_destroy_all(chip);
	pit_destroy(chip);
}

void irqchip_destroy(struct irqchip *chip)
{
	/* Again: the end of the last vCPU has queued what makes the table. */
	irqchip_quiesce(chip);
	irqchip_free(chip);
	/* With no vCPU left, and the IOAPIC's pause over, nobody can be looking. */
	kfree(rcu_replace_pointer(chip->apic_map, NULL, true));
}

/* ------------------------------------------------------------------ EOI and acknowledge */

void irqchip_acked(struct irqchip *chip, u32 irqchip, u32 pin)
{
	struct pit *pit;

	rcu_read_lock();
	irqfd_resample(chip, irqchip, pin);
	pit = smp_load_acquire(&chip->pit);
	if (pit && route_gsi_has_pin(chip, PIT_GSI, irqchip, pin))
		pit_acked(pit);
	rcu_read_unlock();
}

void irqchip_unmasked(struct irqchip *chip, u32 irqchip, u32 pin)
{
	struct pit *pit;

	rcu_read_lock();
	pit = smp_load_acquire(&chip->pit);
	if (pit && route_gsi_has_pin(chip, PIT_GSI, irqchip, pin))
		pit_acked(pit);
	rcu_read_unlock();
}

bool irqchip_eoi(struct irqchip *chip, struct vcpu *vcpu, u8 vector)
{
	DECLARE_BITMAP(vectors, 256) = { 0 };

	if (chip->mode == IRQCHIP_KERNEL) {
		ioapic_eoi(chip->ioapic, vector);
		return false;
	}
	route_split_vectors(chip, vectors);
	return test_bit(vector, vectors);
}

/* ------------------------------------------------------------------ INTR */

int irqchip_take_extint(struct irqchip *chip)
{
	return chip->pic ? pic_take(chip->pic) : -1;
}

/* ------------------------------------------------------------------ KVM_GET/SET_IRQCHIP */

int irqchip_get_state(struct irqchip *chip, struct kvm_irqchip *state)
{
	if (READ_ONCE(chip->mode) != IRQCHIP_KERNEL)
		return -ENXIO;
	switch (state->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get_state(chip->pic, state->chip_id, &state->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get_state(chip->ioapic, &state->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int irqchip_set_state(struct irqchip *chip, const struct kvm_irqchip *state)
{
	if (READ_ONCE(chip->mode) != IRQCHIP_KERNEL)
		return -ENXIO;
	switch (state->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_set_state(chip->pic, state->chip_id, &state->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_set_state(chip->ioapic, &state->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}
