/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which device answers an I/O address: found here, acted on above. An entry names a device by kind
 * and pointer; the switch over the kinds that calls the PIC, signals an eventfd or fills the
 * coalesced ring is vcpu/io.c.
 */
#ifndef CORE_IOBUS_H
#define CORE_IOBUS_H

#include <linux/rcupdate.h>
#include "core/types.h"

struct vm;
struct ioeventfd;

enum iodev_kind {
	IODEV_NONE, IODEV_PIC, IODEV_ELCR, IODEV_PIT, IODEV_SPEAKER, IODEV_IOAPIC, IODEV_IOEVENTFD,
	IODEV_COALESCED,
};

struct iodev {
	gpa_t base;
	u32 len;	/* bytes; 0: an ioeventfd that matches a write of any length at base */
	enum iodev_kind kind;
	void *dev;
};

struct iodevs {
	u64 generation;		/* rises with each change; never 0 */
	u32 count;
	u32 max_len;	/* of the longest range: how far below an address its device may begin */
	/* a clear bit: no device in any block of addresses with this number (iobus_block()) */
	u64 filter;
	struct rcu_head rcu;
	struct iodev dev[];	/* sorted by base */
};

struct iobus {
	struct iodevs __rcu *devs;
	u64 filter;		/* of the newest set; who sees it late comes before the change */
	u8 block_shift;		/* blocks of the filter: 16 ports, or a page */
};
#define PIO_BLOCK_SHIFT	4

#define IOBUS_MAX_DEVS	1000	/* without ioeventfds */
/* their eventfds may be closed, so the limit of open files doesn't bound them */
#define IOBUS_MAX_IOEVENTFDS	65536

/**
 * iobus_devs() - the current set; NULL: there never was a device. RCU held, or IRQs off (a set is
 * freed by a grace period that waits for both).
 */
static inline struct iodevs *iobus_devs(const struct iobus *bus)
{
	return rcu_dereference_check(bus->devs, rcu_read_lock_any_held());
}
/*
 * A search for an access: its devices in the order of their ranges. The caller goes on when one
 * doesn't want the access (ioeventfd datamatch).
 */
struct iobus_search {
	struct iodevs *devs;
	gpa_t addr;
	u32 len;
	u32 pos, end;	/* what of .devs is still to be looked at; from .pos - 1 is the last found */
};
/*
 * So many ranges are looked at with IRQs off: each is in a cache line of its own, and the VMM may
 * have made a thousand times as many for one address.
 */
#define IOBUS_QUICK	64
/** iobus_begin() - for [addr, addr+len) in @devs, which are of @bus, and held until its end. */
struct iobus_search iobus_begin(const struct iobus *bus, struct iodevs *devs, gpa_t addr, u32 len);
/** iobus_hurry() - after iobus_begin(): give up after the first few. */
static inline void iobus_hurry(struct iobus_search *s)
{
	s->end = min(s->end, s->pos + IOBUS_QUICK);
}
/** iobus_next() - the next device whose range holds the access, or NULL. */
struct iodev *iobus_next(struct iobus_search *s);
/**
 * iobus_add() - slots_lock held; may sleep. -ENOSPC, -ENOMEM, -EEXIST (only for two of our own
 * fixed devices).
 */
int iobus_add(struct vm *vm, struct iobus *bus, const struct iodev *dev);
/**
 * iobus_del() - remove all entries of @dev; returns after a grace period. slots_lock held; sleeps.
 * -ENOENT; needs no memory that it could lack.
 */
int iobus_del(struct vm *vm, struct iobus *bus, const void *dev);
void iobus_destroy(struct iobus *bus);

static inline u64 iobus_block_bit(u64 block)
{
	return BIT_ULL((block ^ block >> 6) & 63);
}

/* The filter's bit for the block that @addr is in. */
static inline u64 iobus_block(const struct iobus *bus, gpa_t addr)
{
	return iobus_block_bit(addr >> bus->block_shift);
}

/**
 * iobus_may_have_port() - false: no device has @port, nor a longer access that begins there. Any
 * context.
 */
static inline bool iobus_may_have_port(const struct iobus *pio, u16 port)
{
	return READ_ONCE(pio->filter) & iobus_block_bit(port >> PIO_BLOCK_SHIFT);
}

#endif
