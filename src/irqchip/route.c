// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: which pins and messages a GSI stands for (api.rst 4.52).
 *
 * A table is immutable once it is published; readers hold RCU, since they may be in an interrupt.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"

/* ------------------------------------------------------------------ use */

/* As irqchip_set_gsi(), for one of its routes. */
static int route_drive(struct irqchip *chip, const struct irq_route *route, enum irq_source source,
		       int level)
{
	if (route->type == KVM_IRQ_ROUTING_MSI)
		return level ? irqchip_send_msi(chip, route->address, route->data) : -1;
	if (route->chip == KVM_IRQCHIP_IOAPIC)
		return ioapic_set_pin(chip->ioapic, route->pin, source, level);
	return pic_set_pin(chip->pic,
			   route->chip == KVM_IRQCHIP_PIC_SLAVE ? route->pin + 8 : route->pin,
			   source, level);
}

/* The routes of @gsi are route[*i] up to, without, route[*end]. */
static bool routes_of(const struct irq_routing *table, u32 gsi, u32 *i, u32 *end)
{
	if (!table || gsi >= table->nr_gsis)
		return false;
	gsi = array_index_nospec(gsi, table->nr_gsis);
	*i = table->first[gsi];
	*end = table->first[gsi + 1];
	return true;
}

/* RCU held. As irqchip_set_gsi(), by the routes of @table. */
static int gsi_drive(struct irqchip *chip, const struct irq_routing *table, u32 gsi,
		     enum irq_source source, int level)
{
	int ret = -1, one;
	u32 i, end;

	if (!routes_of(table, gsi, &i, &end))
		return -1;
	for (; i < end; i++) {
		one = route_drive(chip, &table->route[i], source, level);
		if (one >= 0)
			ret = max(ret, 0) + one;
	}
	return ret;
}

void route_lower(struct irqchip *chip, const struct irq_routing *table, u32 gsi,
		 enum irq_source source)
{
	rcu_read_lock();
	gsi_drive(chip, table, gsi, source, 0);
	rcu_read_unlock();
}

int irqchip_set_gsi(struct irqchip *chip, u32 gsi, enum irq_source source, int level)
{
	int ret;

	rcu_read_lock();
	ret = gsi_drive(chip, rcu_dereference(chip->routing), gsi, source, level);
	rcu_read_unlock();
	return ret;
}

int irqchip_pulse_gsi(struct irqchip *chip, u32 gsi, enum irq_source source)
{
	const struct irq_routing *table;
	int ret;

	rcu_read_lock();
	/*
	 * One table for both edges: by another, which comes in between, a pin that is up might
	 * never fall.
	 */
	table = rcu_dereference(chip->routing);
	ret = gsi_drive(chip, table, gsi, source, 1);
	gsi_drive(chip, table, gsi, source, 0);
	rcu_read_unlock();
	return ret;
}

bool route_gsi_has_pin(struct irqchip *chip, u32 gsi, u32 irqchip, u32 pin)
{
	const struct irq_routing *table = rcu_dereference(chip->routing);
	u32 i, end;

	if (!routes_of(table, gsi, &i, &end))
		return false;
	for (; i < end; i++)
		if (table->route[i].type == KVM_IRQ_ROUTING_IRQCHIP &&
		    table->route[i].chip == irqchip && table->route[i].pin == pin)
			return true;
	return false;
}

static bool same_pin(const struct irq_route *a, const struct irq_route *b)
{
	return a->type == b->type && a->chip == b->chip && a->pin == b->pin;
}

bool route_keeps_pins(const struct irq_routing *old, const struct irq_routing *new, u32 gsi)
{
	u32 i, end, j = 0, new_end = 0;

	if (!routes_of(old, gsi, &i, &end))
		return true;
	routes_of(new, gsi, &j, &new_end);
	if (end - i != new_end - j)
		return false;
	for (; i < end; i++, j++)
		if (!same_pin(&old->route[i], &new->route[j]))
			return false;
	return true;
}

static void split_route_vector(struct irqchip *chip, const struct irq_route *route,
			       unsigned long *bitmap)
{
	struct apic_msg msg;

	if (route->type != KVM_IRQ_ROUTING_MSI)
		return;
	msi_decode(chip, route->address, route->data, &msg);
	if (msg.level)
		__set_bit(msg.vector, bitmap);
}

void route_split_vectors(struct irqchip *chip, unsigned long *bitmap)
{
	const struct irq_routing *table;
	u32 i, end, gsi;

	rcu_read_lock();
	table = rcu_dereference(chip->routing);
	for (gsi = 0; gsi < chip->split_reserved_pins; gsi++)
		if (routes_of(table, gsi, &i, &end))
			for (; i < end; i++)
				split_route_vector(chip, &table->route[i], bitmap);
	rcu_read_unlock();
}

/* ------------------------------------------ KVM_SET_GSI_ROUTING: check everything, then build */

static bool pin_is_valid(const struct kvm_irq_routing_irqchip *pin)
{
	if (pin->irqchip == KVM_IRQCHIP_IOAPIC)
		return pin->pin < IOAPIC_NUM_PINS;
	return pin->irqchip <= KVM_IRQCHIP_PIC_SLAVE && pin->pin < PIC_NUM_PINS / 2;
}

static int entry_check(const struct irqchip *chip, const struct kvm_irq_routing_entry *entry)
{
	/* The only flag is a device id, which no controller here asks for. */
	if (entry->gsi >= GSI_MAX || entry->flags)
		return -EINVAL;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return chip->pic && pin_is_valid(&entry->u.irqchip) ? 0 : -EINVAL;
	case KVM_IRQ_ROUTING_MSI:
		return chip->x2apic_format && (entry->u.msi.address_hi & 0xff) ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static struct irq_route route_of(const struct kvm_irq_routing_entry *entry)
{
	struct irq_route route = { .type = entry->type };

	if (entry->type == KVM_IRQ_ROUTING_IRQCHIP) {
		route.chip = entry->u.irqchip.irqchip;
		route.pin = entry->u.irqchip.pin;
	} else {
		route.address = (u64)entry->u.msi.address_hi << 32 | entry->u.msi.address_lo;
		route.data = entry->u.msi.data;
	}
	return route;
}

/* A GSI drives each controller once, and a message is alone. */
static bool routes_clash(const struct irq_route *a, const struct irq_route *b)
{
	return a->type == KVM_IRQ_ROUTING_MSI || b->type == KVM_IRQ_ROUTING_MSI ||
	       a->chip == b->chip;
}

static int routing_add(struct irq_routing *table, u32 *used,
		       const struct kvm_irq_routing_entry *entry)
{
	struct irq_route *first = &table->route[table->first[entry->gsi]];
	struct irq_route route = route_of(entry);
	u32 i;

	for (i = 0; i < used[entry->gsi]; i++)
		if (routes_clash(&first[i], &route))
			return -EINVAL;
	first[used[entry->gsi]++] = route;
	return 0;
}

static u32 count_gsis(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u32 i, gsis = 0;

	for (i = 0; i < nr; i++)
		gsis = max(gsis, entries[i].gsi + 1);
	return gsis;
}

/* The table with room for all entries, and none in it. */
static struct irq_routing *routing_alloc(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u32 gsis = count_gsis(entries, nr), i;
	struct irq_routing *table;
	size_t size = struct_size(table, route, nr);

	table = kvzalloc(size + (gsis + 1) * sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->nr_gsis = gsis;
	table->first = (void *)table + size;
	for (i = 0; i < nr; i++)
		table->first[entries[i].gsi + 1]++;
	for (i = 0; i < gsis; i++)
		table->first[i + 1] += table->first[i];
	return table;
}

static int routing_fill(struct irq_routing *table, const struct kvm_irq_routing_entry *entries,
			u32 nr)
{
	u32 *used = kvcalloc(table->nr_gsis + 1, sizeof(u32), GFP_KERNEL);
	int ret = used ? 0 : -ENOMEM;
	u32 i;

	for (i = 0; i < nr && !ret; i++)
		ret = routing_add(table, used, &entries[i]);
	kvfree(used);
	return ret;
}

static void routing_publish(struct irqchip *chip, struct irq_routing *table)
{
	struct irq_routing *old;

	mutex_lock(&chip->vm->irq_lock);
	old = rcu_replace_pointer(chip->routing, table, lockdep_is_held(&chip->vm->irq_lock));
	mutex_unlock(&chip->vm->irq_lock);
	/*
	 * When the ioctl returns, nothing goes the old ways any more. Expedited: VMMs do this for
	 * each of a device's vectors.
	 */
	if (old) {
		synchronize_rcu_expedited();
		irqfd_rerouted(chip, old);
	}
	kvfree(old);
}

static int routing_set(struct irqchip *chip, const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct irq_routing *table;
	int ret;
	u32 i;

	for (i = 0; i < nr; i++) {
		ret = entry_check(chip, &entries[i]);
		if (ret)
			return ret;
	}
	table = routing_alloc(entries, nr);
	if (!table)
		return -ENOMEM;
	ret = routing_fill(table, entries, nr);
	if (ret) {
		kvfree(table);
		return ret;
	}
	routing_publish(chip, table);
	return 0;
}

int irqchip_set_routing(struct irqchip *chip, const struct kvm_irq_routing_entry *entries, u32 nr,
			u32 flags)
{
	if (READ_ONCE(chip->mode) == IRQCHIP_NONE || nr > GSI_MAX || flags)
		return -EINVAL;
	return routing_set(chip, entries, nr);
}

static struct kvm_irq_routing_entry pin_entry(u32 gsi, u32 irqchip, u32 pin)
{
	struct kvm_irq_routing_entry entry = { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP };

	entry.u.irqchip.irqchip = irqchip;
	entry.u.irqchip.pin = pin;
	return entry;
}

int route_set_default(struct irqchip *chip)
{
	u32 max = PIC_NUM_PINS + IOAPIC_NUM_PINS, gsi, nr = 0;
	struct kvm_irq_routing_entry *entries = kcalloc(max, sizeof(*entries), GFP_KERNEL);
	int ret;

	if (!entries)
		return -ENOMEM;
	for (gsi = 0; gsi < IOAPIC_NUM_PINS; gsi++) {
		entries[nr++] = pin_entry(gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < PIC_NUM_PINS)
			entries[nr++] = pin_entry(
				gsi, gsi / 8 ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER,
				gsi % 8);
	}
	ret = routing_set(chip, entries, nr);
	kfree(entries);
	return ret;
}
