/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What accesses to devices have reached, so that the next one to the same address needs no search:
 * neither of the memslots, nor of the devices. A memo is the answer of one set of slots and one of
 * devices, and holds as long as both are still the current ones.
 */
#ifndef VCPU_IO_INLINE_H
#define VCPU_IO_INLINE_H

#include "core/iobus.h"
#include "core/ioeventfd.h"
#include "vcpu/vcpu.h"

#define IO_MEMO_PORT	BIT_ULL(63)	/* beside a port's number: no guest-physical address */
/* instead of a length: some device is there, and has to be searched for */
#define IO_MEMO_DEVICE	0xff

static __always_inline struct io_memo *io_memo(struct vcpu_x86 *v, u64 key)
{
	BUILD_BUG_ON(ARRAY_SIZE(v->io_memos) != 16);
	return &v->io_memos[(u32)key * 0x61c88647u >> 28];
}

/* Is it known that there is no memory at @gpa? RCU, or vm->srcu. */
static __always_inline bool io_memo_no_memory(struct vcpu_x86 *v, const struct io_memo *memo,
					      gpa_t gpa)
{
	return memo->key == gpa && memo->slots == memslots(v->vcpu.vm)->generation;
}

/* The set of devices that @memo is about, if it is the current one. RCU, or IRQs off. */
static __always_inline struct iodevs *io_memo_devs(struct iobus *bus, const struct io_memo *memo)
{
	struct iodevs *devs = iobus_devs(bus);

	return devs && devs->generation == memo->devs ? devs : NULL;
}

/*
 * The doorbell that a write of @len bytes at the same address rang before; NULL: it isn't there any
 * more. The caller looks whether it waits for the value: what was met before it in that search were
 * doorbells that wait for other values or lengths, and no two wait for the same. RCU, or IRQs off.
 */
static __always_inline struct ioeventfd *io_memo_bell(struct iobus *bus, const struct io_memo *memo,
						      u32 len)
{
	struct iodevs *devs = io_memo_devs(bus, memo);

	return likely(devs && memo->len == len) ? devs->dev[memo->index].dev : NULL;
}

#endif
