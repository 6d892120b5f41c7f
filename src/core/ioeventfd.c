// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest's write to an address signals an eventfd (api.rst 4.59).
 */
#include <linux/eventfd.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "core/ioeventfd.h"
#include "core/vm.h"

#define IOEVENTFD_FLAGS \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN)

bool ioeventfd_matches(const struct ioeventfd *e, gpa_t addr, u32 len, u64 val)
{
	return addr == e->addr && (!e->len || len == e->len) && ioeventfd_wants(e, val);
}

void ioeventfd_ring(struct ioeventfd *e)
{
	compat_eventfd_signal(e->eventfd);
}

static int check_ioeventfd(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~IOEVENTFD_FLAGS)
		return -EINVAL;
	if (args->len != 0 && args->len != 1 && args->len != 2 && args->len != 4 && args->len != 8)
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	/* Without a length there is no telling how much of the datum to compare. */
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	return 0;
}

static void fill_ioeventfd(struct ioeventfd *e, const struct kvm_ioeventfd *args)
{
	e->addr = args->addr;
	e->len = args->len;
	e->pio = args->flags & KVM_IOEVENTFD_FLAG_PIO;
	e->wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	e->datamatch = e->wildcard ? 0 : args->datamatch;
}

/* Is there a write that would ring both? */
static bool ioeventfds_collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->pio != b->pio || a->addr != b->addr)
		return false;
	if (a->len && b->len && a->len != b->len)
		return false;
	return a->wildcard || b->wildcard || a->datamatch == b->datamatch;
}

static bool ioeventfds_same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->eventfd == b->eventfd && a->pio == b->pio && a->addr == b->addr &&
	       a->len == b->len && a->wildcard == b->wildcard && a->datamatch == b->datamatch;
}

static struct iobus *ioeventfd_bus(struct vm *vm, const struct ioeventfd *e)
{
	return e->pio ? &vm->pio : &vm->mmio;
}

static int ioeventfd_insert(struct vm *vm, struct ioeventfd *e)
{
	struct iodev dev = { .base = e->addr, .len = e->len, .kind = IODEV_IOEVENTFD, .dev = e };
	struct ioeventfd *other;
	int err;

	list_for_each_entry(other, &vm->ioeventfds, list)
		if (ioeventfds_collide(e, other))
			return -EEXIST;
	err = iobus_add(vm, ioeventfd_bus(vm, e), &dev);
	if (!err)
		list_add_tail(&e->list, &vm->ioeventfds);
	return err;
}

static void ioeventfd_free(struct ioeventfd *e)
{
	eventfd_ctx_put(e->eventfd);
	kfree(e);
}

int ioeventfd_assign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *e;
	int err = check_ioeventfd(args);

	if (err)
		return err;
	e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	fill_ioeventfd(e, args);
	e->eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(e->eventfd)) {
		err = PTR_ERR(e->eventfd);
		kfree(e);
		return err;
	}

	mutex_lock(&vm->slots_lock);
	err = ioeventfd_insert(vm, e);
	mutex_unlock(&vm->slots_lock);
	if (err)
		ioeventfd_free(e);
	return err;
}

static int ioeventfd_remove(struct vm *vm, const struct ioeventfd *wanted)
{
	struct ioeventfd *e;
	int err;

	list_for_each_entry(e, &vm->ioeventfds, list) {
		if (!ioeventfds_same(e, wanted))
			continue;
		err = iobus_del(vm, ioeventfd_bus(vm, e), e);
		if (err)
			return err;
		list_del(&e->list);
		ioeventfd_free(e);
		return 0;
	}
	return -ENOENT;
}

int ioeventfd_deassign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd wanted = {};
	int err = check_ioeventfd(args);

	if (err)
		return err;
	fill_ioeventfd(&wanted, args);
	wanted.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(wanted.eventfd))
		return PTR_ERR(wanted.eventfd);

	mutex_lock(&vm->slots_lock);
	err = ioeventfd_remove(vm, &wanted);
	mutex_unlock(&vm->slots_lock);
	eventfd_ctx_put(wanted.eventfd);
	return err;
}

/* The buses go with the VM: nothing is unlinked from them. */
void ioeventfd_destroy_all(struct vm *vm)
{
	struct ioeventfd *e, *next;

	list_for_each_entry_safe(e, next, &vm->ioeventfds, list) {
		list_del(&e->list);
		ioeventfd_free(e);
	}
}
