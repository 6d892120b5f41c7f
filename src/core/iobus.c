// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which device answers an I/O address. A set of ranges is immutable once published; a change builds
 * a new one.
 */
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "core/vm.h"

static bool iodev_holds(const struct iodev *dev, gpa_t addr, u32 len)
{
	if (!dev->len)
		return addr == dev->base;
	return addr >= dev->base && addr - dev->base < dev->len &&
	       len <= dev->len - (addr - dev->base);
}

/* Bits of all blocks that a device has a part of. */
static u64 iodev_blocks(const struct iobus *bus, const struct iodev *dev)
{
	u64 size = 1ull << bus->block_shift, offset = dev->base & (size - 1), bits = 0, i;
	u64 blocks = (offset + max(dev->len, 1u) - 1) >> bus->block_shift;

	if (blocks >= 64)
		return ~0ull;
	for (i = 0; i <= blocks; i++)
		bits |= iobus_block(bus, dev->base + i * size);
	return bits;
}

/* The first index whose range begins at or above @addr. */
static u32 iodev_index(const struct iodevs *devs, gpa_t addr)
{
	u32 low = 0, high = devs->count;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (devs->dev[mid].base < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct iobus_search iobus_begin(const struct iobus *bus, struct iodevs *devs, gpa_t addr, u32 len)
{
	struct iobus_search s = { .devs = devs, .addr = addr, .len = len };

	/* Most addresses are the VMM's, and end here. */
	if (!devs || !(devs->filter & iobus_block(bus, addr)))
		return s;
	/*
	 * Ranges overlap (doorbells with different data at one address), but none that holds addr
	 * begins lower than this.
	 */
	s.pos = iodev_index(devs, addr >= devs->max_len ? addr - devs->max_len + 1 : 0);
	s.end = devs->count;
	return s;
}

struct iodev *iobus_next(struct iobus_search *s)
{
	while (s->pos < s->end) {
		struct iodev *dev = &s->devs->dev[s->pos++];

		if (dev->base > s->addr)
			break;
		if (iodev_holds(dev, s->addr, s->len))
			return dev;
	}
	s->end = 0;
	return NULL;
}

/* A device of our own: its range is in the ABI, it isn't one of the VMM's many. */
static bool iodev_is_fixed(const struct iodev *dev)
{
	return dev->kind != IODEV_IOEVENTFD && dev->kind != IODEV_COALESCED;
}

static bool iodevs_overlap(const struct iodev *a, const struct iodev *b)
{
	return a->base < b->base + b->len && b->base < a->base + a->len;
}

static int iodevs_check(const struct iodevs *devs, const struct iodev *dev)
{
	u32 max = dev->kind == IODEV_IOEVENTFD ? IOBUS_MAX_IOEVENTFDS : IOBUS_MAX_DEVS;
	u32 i, counted = 0;

	for (i = 0; devs && i < devs->count; i++) {
		counted += (devs->dev[i].kind == IODEV_IOEVENTFD) == (dev->kind == IODEV_IOEVENTFD);
		if (iodev_is_fixed(dev) && iodev_is_fixed(&devs->dev[i]) &&
		    iodevs_overlap(dev, &devs->dev[i]))
			return -EEXIST;
	}
	return counted >= max ? -ENOSPC : 0;
}

/* An empty set that is to follow @old, with room for @count. */
static struct iodevs *iodevs_alloc(const struct iodevs *old, u32 count, gfp_t gfp)
{
	struct iodevs *devs = kvzalloc(struct_size(devs, dev, count), gfp);

	if (!devs)
		return NULL;
	devs->max_len = 1;
	devs->generation = (old ? old->generation : 0) + 1;
	return devs;
}

static void iodevs_append(const struct iobus *bus, struct iodevs *devs, const struct iodev *dev)
{
	devs->dev[devs->count++] = *dev;
	devs->max_len = max(devs->max_len, dev->len);
	devs->filter |= iodev_blocks(bus, dev);
}

int iobus_add(struct vm *vm, struct iobus *bus, const struct iodev *dev)
{
	struct iodevs *old = rcu_dereference_protected(bus->devs, lockdep_is_held(&vm->slots_lock));
	struct iodevs *new;
	u32 i, at;
	int err = iodevs_check(old, dev);

	if (err)
		return err;
	new = iodevs_alloc(old, (old ? old->count : 0) + 1, GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;

	at = old ? iodev_index(old, dev->base) : 0;
	for (i = 0; i < at; i++)
		iodevs_append(bus, new, &old->dev[i]);
	iodevs_append(bus, new, dev);
	for (; old && i < old->count; i++)
		iodevs_append(bus, new, &old->dev[i]);
	rcu_assign_pointer(bus->devs, new);
	WRITE_ONCE(bus->filter, new->filter);
	/*
	 * Who still looks at the old set holds RCU, or has IRQs off, which the grace period waits
	 * for too. Nobody waits here: no device goes.
	 */
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

int iobus_del(struct vm *vm, struct iobus *bus, const void *dev)
{
	struct iodevs *old = rcu_dereference_protected(bus->devs, lockdep_is_held(&vm->slots_lock));
	struct iodevs *new;
	u32 i;

	if (!old)
		return -ENOENT;
	/*
	 * Whoever takes a device away is about to free it, so this can't fail: the number of
	 * entries is bounded (iodevs_check()). It is for the moment until the larger set is freed,
	 * and not held against the VMM's limit.
	 */
	new = iodevs_alloc(old, old->count, GFP_KERNEL | __GFP_NOFAIL);
	for (i = 0; i < old->count; i++)
		if (old->dev[i].dev != dev)
			iodevs_append(bus, new, &old->dev[i]);
	if (new->count == old->count) {
		kvfree(new);
		return -ENOENT;
	}
	rcu_assign_pointer(bus->devs, new);
	WRITE_ONCE(bus->filter, new->filter);
	/* Nobody finds the device any more when this returns. */
	synchronize_rcu_expedited();
	kvfree(old);
	return 0;
}

void iobus_destroy(struct iobus *bus)
{
	kvfree(rcu_dereference_protected(bus->devs, 1));
	RCU_INIT_POINTER(bus->devs, NULL);
}
