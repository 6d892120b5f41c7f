// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced I/O: writes that the VMM need not see at once are collected in a ring (api.rst 4.116).
 */
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "core/compat.h"
#include "core/ioeventfd.h"
#include "core/vm.h"

#define RING_ENTRIES	KVM_COALESCED_MMIO_MAX

struct coalesced_zone {
	struct list_head list;
	struct kvm_coalesced_mmio_zone zone;
};

static struct iobus *coalesced_bus(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	return zone->pio ? &vm->pio : &vm->mmio;
}

static int check_zone(const struct kvm_coalesced_mmio_zone *zone)
{
	if (zone->pio > 1 || !zone->size || zone->addr + zone->size < zone->addr)
		return -EINVAL;
	return 0;
}

int coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct iodev dev = { .base = zone->addr, .len = zone->size, .kind = IODEV_COALESCED };
	struct coalesced_zone *z;
	int err = check_zone(zone);

	if (err)
		return err;
	z = kzalloc(sizeof(*z), GFP_KERNEL_ACCOUNT);
	if (!z)
		return -ENOMEM;
	z->zone = *zone;
	dev.dev = z;

	mutex_lock(&vm->slots_lock);
	err = iobus_add(vm, coalesced_bus(vm, zone), &dev);
	if (!err)
		list_add_tail(&z->list, &vm->coalesced_zones);
	mutex_unlock(&vm->slots_lock);
	if (err)
		kfree(z);
	return err;
}

/* Does the registered zone hold all of @part? */
static bool zone_holds(const struct kvm_coalesced_mmio_zone *zone,
		       const struct kvm_coalesced_mmio_zone *part)
{
	return zone->pio == part->pio && part->addr >= zone->addr &&
	       part->addr + part->size <= zone->addr + zone->size;
}

int coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced_zone *z, *next;
	int err = check_zone(zone);

	if (err)
		return err;
	mutex_lock(&vm->slots_lock);
	list_for_each_entry_safe(z, next, &vm->coalesced_zones, list) {
		if (!zone_holds(&z->zone, zone))
			continue;
		err = iobus_del(vm, coalesced_bus(vm, zone), z);
		if (err)
			break;
		list_del(&z->list);
		kfree(z);
	}
	mutex_unlock(&vm->slots_lock);
	return err;
}

/*
 * The VMM moves ring->first and may write anything into the page: last is read once and bounded,
 * and our own entry is written before last says that it is there. One entry stays free, so that
 * full and empty differ.
 */
static bool ring_append(struct kvm_coalesced_mmio_ring *ring,
			const struct kvm_coalesced_mmio *entry)
{
	u32 last = READ_ONCE(ring->last), next;

	if (last >= RING_ENTRIES)
		return false;
	next = (last + 1) % RING_ENTRIES;
	if (next == READ_ONCE(ring->first))
		return false;
	ring->coalesced_mmio[array_index_nospec(last, RING_ENTRIES)] = *entry;
	/* Pairs with the VMM's reading of last before the entry. */
	smp_wmb();
	WRITE_ONCE(ring->last, next);
	return true;
}

bool coalesced_write(struct vm *vm, void *zone, gpa_t addr, u32 len, const void *val)
{
	struct coalesced_zone *z = zone;
	struct kvm_coalesced_mmio entry = { .phys_addr = addr, .len = len, .pio = z->zone.pio };
	bool taken;

	if (len > sizeof(entry.data))
		return false;
	memcpy(entry.data, val, len);
	spin_lock(&vm->ring_lock);
	taken = ring_append(vm->coalesced_ring, &entry);
	spin_unlock(&vm->ring_lock);
	return taken;
}

/* The buses go with the VM: nothing is unlinked from them. */
void coalesced_destroy(struct vm *vm)
{
	struct coalesced_zone *z, *next;

	list_for_each_entry_safe(z, next, &vm->coalesced_zones, list) {
		list_del(&z->list);
		kfree(z);
	}
}
