// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds: an eventfd that, when signalled, drives a GSI (api.rst 4.75).
 *
 * An irqfd waits in its eventfd's wait queue. The wake-up is atomic, under that queue's lock; it
 * drives the GSI right there. An irqfd ends once: by deassignment, when its eventfd is closed, or
 * with the VM. Whoever sets IRQFD_ENDING queues its work, which alone takes it apart and frees it,
 * in a context that may sleep.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include "core/compat.h"
#include "irqchip/chips.h"

enum { IRQFD_ENDING };

struct irqfd {
	struct irqchip *chip;
	u32 gsi;
	unsigned long flags;
	struct list_head list;			/* chip->irqfds, under vm->irq_lock */
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;		/* NULL: edge-triggered */
	struct list_head
		resample_list; /* chip->resamplers; written under vm->irq_lock, read under RCU */
	wait_queue_entry_t wait;
	poll_table poll;
	struct work_struct end;
};

/* Any context but NMI. */
static void irqfd_inject(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		irqchip_set_gsi(irqfd->chip, irqfd->gsi, IRQ_SOURCE_IRQFD_RESAMPLE, 1);
	else
		irqchip_pulse_gsi(irqfd->chip, irqfd->gsi, IRQ_SOURCE_USER);
}

/* ------------------------------------------------------------------ the end of one */

/* The last of a GSI's resampling irqfds takes the line with it. vm->irq_lock held. */
static void irqfd_lower_line(struct irqfd *irqfd)
{
	struct irqfd *other;

	list_for_each_entry(other, &irqfd->chip->resamplers, resample_list)
		if (other->gsi == irqfd->gsi)
			return;
	irqchip_set_gsi(irqfd->chip, irqfd->gsi, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
}

static void irqfd_stop_resampling(struct irqfd *irqfd)
{
	mutex_lock(&irqfd->chip->vm->irq_lock);
	list_del_rcu(&irqfd->resample_list);
	irqfd_lower_line(irqfd);
	mutex_unlock(&irqfd->chip->vm->irq_lock);
	/* irqfd_resample() may be looking at it. */
	synchronize_rcu_expedited();
	eventfd_ctx_put(irqfd->resamplefd);
}

/* Process context; runs once. */
static void irqfd_end_work(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, end);
	struct mutex *lock = &irqfd->chip->vm->irq_lock;
	u64 count;

	/* No wake-up is running, or will, from here on. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	mutex_lock(lock);
	list_del_init(&irqfd->list);
	mutex_unlock(lock);
	if (irqfd->resamplefd)
		irqfd_stop_resampling(irqfd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/* Any context. Its work frees @irqfd: it may be gone on return. */
static void irqfd_end(struct irqfd *irqfd)
{
	if (!test_and_set_bit(IRQFD_ENDING, &irqfd->flags))
		queue_work(irqchip_wq, &irqfd->end);
}

/* ------------------------------------------------------------------ the wait queue's calls */

/* The eventfd was signalled or closed. Its wait queue's lock is held, IRQs are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
	}
	if (events & EPOLLHUP)
		irqfd_end(irqfd);
	/* Taken: others who wait for this eventfd need not be woken. */
	return events & EPOLLIN ? 1 : 0;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	/* First and exclusive: a VMM's own poll of it must not take the event away. */
	add_wait_queue_priority(head, &irqfd->wait);
}

/* ------------------------------------------------------------------ KVM_IRQFD */

static struct irqfd *irqfd_alloc(struct irqchip *chip, u32 gsi)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->chip = chip;
	irqfd->gsi = gsi;
	INIT_LIST_HEAD(&irqfd->list);
	INIT_LIST_HEAD(&irqfd->resample_list);
	INIT_WORK(&irqfd->end, irqfd_end_work);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->poll, irqfd_queue);
	return irqfd;
}

static int irqfd_get_contexts(struct irqfd *irqfd, struct file *file, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->eventfd = ctx;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->resamplefd = ctx;
	return 0;
}

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/* One eventfd drives one GSI. The file is held, so it can't be closed under us. */
static int irqfd_install(struct irqfd *irqfd, struct file *file)
{
	struct irqchip *chip = irqfd->chip;
	struct irqfd *other;
	__poll_t events;

	lockdep_assert_held(&chip->vm->irq_lock);
	list_for_each_entry(other, &chip->irqfds, list)
		if (other->eventfd == irqfd->eventfd)
			return -EBUSY;
	list_add_tail(&irqfd->list, &chip->irqfds);
	if (irqfd->resamplefd)
		list_add_tail_rcu(&irqfd->resample_list, &chip->resamplers);
	events = vfs_poll(file, &irqfd->poll);
	/* It was signalled before: no wake-up tells us. */
	if (events & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;
}

static bool irqfd_args_valid(const struct irqchip *chip, const struct kvm_irqfd *args)
{
	enum irqchip_mode mode = READ_ONCE(chip->mode);

	/* Any GSI is taken: one that has no route drives nothing, and a route may come. */
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return false;
	/* Resampling hangs on the EOI of a pin. */
	return args->flags & KVM_IRQFD_FLAG_RESAMPLE ? mode == IRQCHIP_KERNEL
						     : mode != IRQCHIP_NONE;
}

int irqfd_assign(struct irqchip *chip, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct file *file;
	int ret;

	if (!irqfd_args_valid(chip, args))
		return -EINVAL;
	irqfd = irqfd_alloc(chip, args->gsi);
	if (!irqfd)
		return -ENOMEM;
	file = eventfd_fget(args->fd);
	if (IS_ERR(file)) {
		kfree(irqfd);
		return PTR_ERR(file);
	}
	ret = irqfd_get_contexts(irqfd, file, args);
	if (!ret) {
		mutex_lock(&chip->vm->irq_lock);
		chip->had_irqfds = true;
		ret = irqfd_install(irqfd, file);
		mutex_unlock(&chip->vm->irq_lock);
	}
	if (ret)
		irqfd_free(irqfd);
	fput(file);
	return ret;
}

int irqfd_deassign(struct irqchip *chip, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct eventfd_ctx *ctx;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (READ_ONCE(chip->mode) == IRQCHIP_NONE)
		return -EINVAL;
	ctx = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&chip->vm->irq_lock);
	list_for_each_entry(irqfd, &chip->irqfds, list) {
		/*
		 * Its work takes it off the list: who destroys the VM must see every one that isn't
		 * gone.
		 */
		if (irqfd->eventfd == ctx && irqfd->gsi == args->gsi)
			irqfd_end(irqfd);
	}
	mutex_unlock(&chip->vm->irq_lock);
	eventfd_ctx_put(ctx);
	/* When the ioctl returns, the eventfd does nothing any more. */
	flush_workqueue(irqchip_wq);
	return 0;
}

/* Ends all that are left. Returns false when there are none. */
static bool irqfd_end_all(struct irqchip *chip)
{
	struct irqfd *irqfd;
	bool any;

	mutex_lock(&chip->vm->irq_lock);
	list_for_each_entry(irqfd, &chip->irqfds, list)
		irqfd_end(irqfd);
	any = !list_empty(&chip->irqfds);
	mutex_unlock(&chip->vm->irq_lock);
	return any;
}

/*
 * Another CPU that closes an eventfd may have set IRQFD_ENDING and not queued the work yet: one
 * flush doesn't wait for that, and the VM is freed next. So until the list is empty; the last flush
 * waits for works that have left the list and still run.
 */
void irqfd_destroy_all(struct irqchip *chip)
{
	if (!chip->had_irqfds)
		return;
	while (irqfd_end_all(chip)) {
		flush_workqueue(irqchip_wq);
		cond_resched();
	}
	flush_workqueue(irqchip_wq);
}

/* ------------------------------------------------------------------ resampling */

/*
 * The guest ended its service of a pin: lower the lines that drive it, then ask their devices. All
 * lines first: a device that is asked may raise its line again at once, and an irqfd of the same
 * GSI must not lower that.
 */
void irqfd_resample(struct irqchip *chip, u32 irqchip, u32 pin)
{
	struct irqfd *irqfd;

	list_for_each_entry_rcu(irqfd, &chip->resamplers, resample_list)
		if (route_gsi_has_pin(chip, irqfd->gsi, irqchip, pin))
			irqchip_set_gsi(chip, irqfd->gsi, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	list_for_each_entry_rcu(irqfd, &chip->resamplers, resample_list)
		if (route_gsi_has_pin(chip, irqfd->gsi, irqchip, pin))
			compat_eventfd_signal(irqfd->resamplefd);
}

/*
 * A pin that a resampling irqfd holds up and has no longer: its end would ask nobody. So it is let
 * go of, and the device is asked now; what it still wants it raises by the new routes. All lines
 * first, as above.
 */
void irqfd_rerouted(struct irqchip *chip, const struct irq_routing *old)
{
	const struct irq_routing *new;
	struct irqfd *irqfd;

	mutex_lock(&chip->vm->irq_lock);
	new = rcu_dereference_protected(chip->routing, lockdep_is_held(&chip->vm->irq_lock));
	list_for_each_entry(irqfd, &chip->resamplers, resample_list)
		if (!route_keeps_pins(old, new, irqfd->gsi))
			route_lower(chip, old, irqfd->gsi, IRQ_SOURCE_IRQFD_RESAMPLE);
	list_for_each_entry(irqfd, &chip->resamplers, resample_list)
		if (!route_keeps_pins(old, new, irqfd->gsi))
			compat_eventfd_signal(irqfd->resamplefd);
	mutex_unlock(&chip->vm->irq_lock);
}
