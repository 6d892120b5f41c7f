// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has which APIC id: a table for the senders, so that a message to one LAPIC costs the same in
 * a VM of one or a thousand.
 *
 * The table is an aid, never the truth: what it can't say for sure (ids that collide, modes that
 * are mixed, odd logical ids) is found by asking each LAPIC. While it is out of date it is not
 * there at all, so nobody reads a stale one: who changes an id unpublishes the table after the
 * change, and a worker builds the next, because the change may come from a fast exit, which can't
 * allocate.
 */
#include <linux/nospec.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_regs.h"

enum apic_model { MODEL_NONE, MODEL_FLAT, MODEL_CLUSTER, MODEL_X2APIC, MODEL_ODD };

#define APIC_MAP_MIN_IDS	256	/* every 8-bit id has a slot */
#define XAPIC_FLAT_IDS		8
#define XAPIC_CLUSTERS		16
#define XAPIC_CLUSTER_IDS	4

struct apic_map {
	struct rcu_head rcu;
	bool unique;				/* no two LAPICs have the same address */
	enum apic_model model;			/* of logical ids, if all LAPICs have the same */
	struct lapic *flat[XAPIC_FLAT_IDS];
	struct lapic *cluster[XAPIC_CLUSTERS][XAPIC_CLUSTER_IDS];
	u32 nr;					/* of by_address; a multiple of 16 */
	struct lapic *by_address[];
};

/* Up to 16 neighbours in one of the arrays above. */
struct apic_targets {
	struct lapic * const *slot;
	unsigned long bits;
};

static enum apic_model lapic_model(const struct lapic *apic)
{
	if (lapic_mode(apic) == APIC_X2APIC)
		return MODEL_X2APIC;
	return lapic_reg(apic, APIC_DFR) >> 28 == 0xf ? MODEL_FLAT : MODEL_CLUSTER;
}

static bool map_take_slot(struct lapic **slot, struct lapic *apic)
{
	if (*slot)
		return false;
	*slot = apic;
	return true;
}

static void map_add_logical(struct apic_map *map, struct lapic *apic)
{
	enum apic_model model = lapic_model(apic);
	u32 ldr = lapic_reg(apic, APIC_LDR) >> 24;
	u32 bits = model == MODEL_FLAT ? ldr : ldr & 0xf;
	bool ok = true;

	/* One that has no logical id can't be meant by one. */
	if (model != MODEL_X2APIC && !bits)
		return;
	if (map->model != MODEL_NONE && map->model != model)
		ok = false;
	else if (model != MODEL_X2APIC && !is_power_of_2(bits))
		ok = false;
	else if (model == MODEL_FLAT)
		ok = map_take_slot(&map->flat[__ffs(bits)], apic);
	else if (model == MODEL_CLUSTER)
		ok = map_take_slot(&map->cluster[ldr >> 4][__ffs(bits)], apic);
	map->model = ok ? model : MODEL_ODD;
}

static void map_add(struct apic_map *map, struct lapic *apic)
{
	u32 address = lapic_address(apic);

	if (lapic_mode(apic) == APIC_DISABLED)
		return;
	if (address >= map->nr || !map_take_slot(&map->by_address[address], apic))
		map->unique = false;
	map_add_logical(map, apic);
}

/*
 * Sleeps. The table as the LAPICs are now, or NULL without memory: then senders go on asking each.
 */
static struct apic_map *map_build(struct irqchip *chip)
{
	u32 nr = APIC_MAP_MIN_IDS;
	struct apic_map *map;
	struct lapic *apic;

	rcu_read_lock();
	list_for_each_entry_rcu(apic, &chip->lapics, node)
		nr = max(nr, round_up(apic->vcpu->id + 1, 16));
	rcu_read_unlock();
	map = kzalloc(struct_size(map, by_address, nr), GFP_KERNEL);
	if (!map)
		return NULL;
	map->nr = nr;
	map->unique = true;
	rcu_read_lock();
	list_for_each_entry_rcu(apic, &chip->lapics, node)
		map_add(map, apic);
	rcu_read_unlock();
	return map;
}

static void apic_map_work(struct work_struct *work)
{
	struct irqchip *chip = container_of(to_delayed_work(work), struct irqchip, map_work);
	u32 generation = READ_ONCE(chip->map_generation);
	struct apic_map *map;

	/*
	 * Read the generation before the ids; pairs with apic_map_invalidate(), which is called
	 * after an id was written.
	 */
	smp_rmb();
	map = map_build(chip);
	raw_spin_lock_irq(&chip->map_lock);
	/*
	 * If an id changed meanwhile, the work was queued again, and this table must not be seen.
	 */
	if (generation == chip->map_generation && !rcu_access_pointer(chip->apic_map)) {
		rcu_assign_pointer(chip->apic_map, map);
		map = NULL;
	}
	raw_spin_unlock_irq(&chip->map_lock);
	kfree(map);
	irqchip_retry(chip);
}

void apic_map_invalidate(struct irqchip *chip)
{
	struct apic_map *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->map_lock, flags);
	WRITE_ONCE(chip->map_generation, chip->map_generation + 1);
	old = rcu_replace_pointer(chip->apic_map, NULL, lockdep_is_held(&chip->map_lock));
	raw_spin_unlock_irqrestore(&chip->map_lock, flags);
	if (old)
		kfree_rcu(old, rcu);
	/*
	 * A tick later: a guest that changes its ids all the time makes the host build one table a
	 * tick, not one a change; each takes memory until RCU frees it.
	 */
	queue_delayed_work(irqchip_wq, &chip->map_work, 1);
}

/* Who has the address @id in a table that is .unique? NULL: nobody. */
static __always_inline struct lapic *map_at(const struct apic_map *map, u32 id)
{
	return id < map->nr ? map->by_address[array_index_nospec(id, map->nr)] : NULL;
}

static bool map_find_logical(struct apic_map *map, u32 dest, struct apic_targets *to)
{
	u32 cluster;

	switch (map->model) {
	case MODEL_FLAT:
		if (dest > 0xff)
			return false;
		*to = (struct apic_targets){ map->flat, dest };
		return true;
	case MODEL_CLUSTER:
		if (dest > 0xff)
			return false;
		cluster = array_index_nospec(dest >> 4, XAPIC_CLUSTERS);
		*to = (struct apic_targets){ map->cluster[cluster], dest & 0xf };
		return true;
	case MODEL_X2APIC:
		/* A cluster's 16 logical ids are 16 ids in a row. */
		cluster = dest >> 16;
		if (!map->unique || cluster >= map->nr / 16)
			return false;
		cluster = array_index_nospec(cluster, map->nr / 16);
		*to = (struct apic_targets){ &map->by_address[cluster * 16], dest & 0xffff };
		return true;
	default:
		return false;
	}
}

/*
 * Whom @msg addresses, when the table can tell. RCU held. 0xff and ~0 may mean everybody: who knows
 * is lapic_is_addressed().
 */
static bool map_find(struct apic_map *map, const struct apic_msg *msg, struct apic_targets *to)
{
	if (msg->shorthand || msg->dest == 0xff || msg->dest == ~0u)
		return false;
	if (msg->logical)
		return map_find_logical(map, msg->dest, to);
	if (!map->unique)
		return false;
	/* All have an id of their own below .nr: it is nobody's, and nobody need be asked. */
	if (msg->dest >= map->nr) {
		*to = (struct apic_targets){ map->by_address, 0 };
		return true;
	}
	*to = (struct apic_targets){ &map->by_address[array_index_nospec(msg->dest, map->nr)], 1 };
	return true;
}
