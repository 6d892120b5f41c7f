// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a message to the LAPICs that it addresses (SDM 3A, 11.6.2; APM 2, 16.6).
 */
#include <linux/nospec.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_inline.h"

enum apic_shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/* ------------------------------------------------------------------ one LAPIC receives */

/* Its own thread will look before the next entry; others must make it look. */
static void lapic_notify_event(struct lapic *apic, const struct lapic *source)
{
	if (apic == source) {
		vcpu_event_due(apic->vcpu);
		return;
	}
	vcpu_request(apic->vcpu, REQ_EVENT);
	vcpu_kick(apic->vcpu);
}

static void lapic_notify_nmi(struct lapic *apic, const struct lapic *source)
{
	vcpu_request(apic->vcpu, REQ_NMI);
	if (apic != source)
		vcpu_kick(apic->vcpu);
}

static __always_inline int lapic_receive_fixed(struct lapic *apic, const struct lapic *source,
					       u8 vector, bool level)
{
	if (!lapic_enabled(apic))
		return 0;
	if (vector < 16) {
		lapic_error(apic, APIC_ESR_RECVILL);
		return 0;
	}
	lapic_set_trigger(apic, vector, level);
	/*
	 * Whoever finds it requested already leaves the notice to whoever did that: merged is
	 * accepted.
	 */
	if (lapic_raise(apic, vector))
		lapic_notify_event(apic, source);
	return 1;
}

static int lapic_receive_init(struct lapic *apic, const struct lapic *source,
			      const struct apic_msg *msg)
{
	/*
	 * INIT level de-assert only synchronises arbitration ids, which are long gone (SDM 3A,
	 * 11.6.1).
	 */
	if (msg->level && !msg->assert)
		return 0;
	/* An INIT undoes a start-up that was not taken yet. */
	clear_bit(LAPIC_PENDING_SIPI, &apic->pending_init_sipi);
	set_bit(LAPIC_PENDING_INIT, &apic->pending_init_sipi);
	lapic_notify_event(apic, source);
	return 1;
}

static int lapic_receive_startup(struct lapic *apic, const struct lapic *source, u8 vector)
{
	WRITE_ONCE(apic->sipi_vector, vector);
	smp_wmb(); /* the vector before the bit; pairs with the atomic that takes it */
	set_bit(LAPIC_PENDING_SIPI, &apic->pending_init_sipi);
	lapic_notify_event(apic, source);
	return 1;
}

int lapic_receive(struct lapic *apic, const struct lapic *source, const struct apic_msg *msg)
{
	switch (msg->delivery) {
	case APIC_FIXED:
	case APIC_LOWEST_PRIORITY:
		return lapic_receive_fixed(apic, source, msg->vector, msg->level);
	case APIC_NMI:
		xadd(&apic->nmi_pending, 1);
		lapic_notify_nmi(apic, source);
		return 1;
	case APIC_INIT_IPI:
		return lapic_receive_init(apic, source, msg);
	case APIC_STARTUP:
		return lapic_receive_startup(apic, source, msg->vector);
	case APIC_EXTINT:
		/* The vector is the PIC's to give, when the processor asks. */
		lapic_notify_event(apic, source);
		return 1;
	default:
		/* SMI: no SMM yet. Remote read: obsolete. */
		return 0;
	}
}

void lapic_error(struct lapic *apic, u32 error)
{
	u32 lvt = lapic_reg(apic, APIC_LVTERR);

	if (test_and_set_bit(__ffs(error), &apic->esr_pending) || (lvt & APIC_LVT_MASKED) ||
	    (u8)lvt < 16 || !lapic_enabled(apic))
		return;
	lapic_set_trigger(apic, lvt, false);
	lapic_raise(apic, lvt);
	/* Who caused it may be any CPU. */
	lapic_notify_event(apic, NULL);
}

/* ------------------------------------------------------------------ who is meant */

static bool is_broadcast(const struct lapic *apic, const struct lapic *source,
			 const struct apic_msg *msg)
{
	bool from_x2apic = source && lapic_mode(source) == APIC_X2APIC;

	if (msg->dest == ~0u)
		return true;
	if (msg->dest != 0xff || from_x2apic)
		return false;
	if (lapic_mode(apic) != APIC_X2APIC)
		return !msg->logical || lapic_model(apic) == MODEL_CLUSTER;
	/*
	 * What x2APIC LAPICs make of a device's 8-bit broadcast is a quirk that can be switched off
	 * (api.rst 7.7).
	 */
	return source ? !msg->logical : !apic->chip->x2apic_broadcast_quirk_disabled;
}

static bool matches_logical(const struct lapic *apic, u32 dest)
{
	u32 ldr = lapic_reg(apic, APIC_LDR);

	switch (lapic_model(apic)) {
	case MODEL_X2APIC:
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	case MODEL_FLAT:
		return dest <= 0xff && (ldr >> 24 & dest);
	default:
		return dest <= 0xff && ldr >> 28 == dest >> 4 && (ldr >> 24 & dest & 0xf);
	}
}

bool lapic_is_addressed(const struct lapic *apic, const struct lapic *source,
			const struct apic_msg *msg)
{
	if (lapic_mode(apic) == APIC_DISABLED)
		return false;
	if (msg->shorthand == SHORTHAND_ALL)
		return true;
	if (msg->shorthand == SHORTHAND_OTHERS)
		return apic != source;
	if (is_broadcast(apic, source, msg))
		return true;
	return msg->logical ? matches_logical(apic, msg->dest) : msg->dest == lapic_address(apic);
}

/* ------------------------------------------------------------------ delivery */

static bool goes_to_one(const struct apic_msg *msg)
{
	return msg->delivery == APIC_LOWEST_PRIORITY || (msg->msi_redir_hint && msg->logical);
}

/*
 * The order of arbitration is the model's own business (SDM 3A, 11.6.2.4). The vector chooses among
 * those who can take it: one source stays with one vCPU, whose caches know it, and many sources
 * spread.
 */
static u32 arbitrate(const struct apic_msg *msg, u32 candidates)
{
	return candidates ? msg->vector % candidates : 0;
}

/* The bit of the LAPIC in @to that arbitration chooses, or none. */
static unsigned long choose_target(const struct apic_targets *to, const struct apic_msg *msg)
{
	unsigned long able = 0;
	u32 nth, i;

	for_each_set_bit(i, &to->bits, 16)
		if (to->slot[i] && lapic_enabled(to->slot[i]))
			__set_bit(i, &able);
	for (nth = arbitrate(msg, hweight_long(able)); nth; nth--)
		able &= able - 1;
	return able & -able;
}

static int deliver_to_targets(struct apic_targets *to, struct lapic *source,
			      const struct apic_msg *msg, bool x2apic_only)
{
	int ret = -1;
	u32 i;

	if (goes_to_one(msg) && !is_power_of_2(to->bits))
		to->bits = choose_target(to, msg);
	for_each_set_bit(i, &to->bits, 16) {
		struct lapic *apic = to->slot[i];

		/*
		 * In a table of ids there may be LAPICs that are still in xAPIC mode and have no
		 * logical id.
		 */
		if (!apic || (x2apic_only && lapic_mode(apic) != APIC_X2APIC))
			continue;
		ret = max(ret, 0) + lapic_receive(apic, source, msg);
	}
	return ret;
}

static struct lapic *scan_choose(struct irqchip *chip, struct lapic *source,
				 const struct apic_msg *msg)
{
	struct lapic *apic, *chosen = NULL;
	u32 able = 0, nth, i = 0;

	list_for_each_entry_rcu(apic, &chip->lapics, node)
		able += lapic_enabled(apic) && lapic_is_addressed(apic, source, msg);
	nth = arbitrate(msg, able);
	list_for_each_entry_rcu(apic, &chip->lapics, node) {
		if (!lapic_enabled(apic) || !lapic_is_addressed(apic, source, msg))
			continue;
		chosen = apic;
		/*
		 * Ids may change between the two walks: then the last one seen is as good as any.
		 */
		if (i++ == nth)
			break;
	}
	return chosen;
}

static int deliver_by_scan(struct irqchip *chip, struct lapic *source, const struct apic_msg *msg)
{
	struct lapic *apic;
	int ret = -1;

	if (goes_to_one(msg)) {
		apic = scan_choose(chip, source, msg);
		return apic ? lapic_receive(apic, source, msg) : -1;
	}
	list_for_each_entry_rcu(apic, &chip->lapics, node)
		if (lapic_is_addressed(apic, source, msg))
			ret = max(ret, 0) + lapic_receive(apic, source, msg);
	return ret;
}

int lapic_deliver(struct irqchip *chip, struct lapic *source, const struct apic_msg *msg)
{
	struct apic_targets to;
	struct apic_map *map;
	int ret;

	if (msg->shorthand == SHORTHAND_SELF)
		return source ? lapic_receive(source, source, msg) : -1;
	rcu_read_lock();
	map = rcu_dereference(chip->apic_map);
	if (map && map_find(map, msg, &to))
		ret = deliver_to_targets(&to, source, msg,
					 msg->logical && map->model == MODEL_X2APIC);
	else
		ret = deliver_by_scan(chip, source, msg);
	rcu_read_unlock();
	return ret;
}

/* ------------------------------------------------------------------ many at once */

static bool ids_have(const struct apic_ids *ids, u32 id)
{
	u32 n = id - ids->first;

	return n < APIC_IDS_MAX && test_bit(array_index_nospec(n, APIC_IDS_MAX), ids->bits);
}

/* What 0xff means depends on who hears it (is_broadcast()). */
static const struct apic_msg perhaps_everybody = { .dest = 0xff };

static bool is_among(const struct lapic *apic, const struct lapic *source,
		     const struct apic_ids *ids)
{
	if (lapic_mode(apic) == APIC_DISABLED)
		return false;
	return ids_have(ids, lapic_address(apic)) ||
	       (ids_have(ids, 0xff) && is_broadcast(apic, source, &perhaps_everybody));
}

static int deliver_to_each(const struct apic_map *map, struct lapic *source,
			   const struct apic_msg *msg, const struct apic_ids *ids)
{
	struct lapic *apic;
	int ret = 0;
	u32 i;

	for_each_set_bit(i, ids->bits, APIC_IDS_MAX) {
		apic = map_at(map, ids->first + i);
		if (apic)
			ret += lapic_receive(apic, source, msg);
	}
	return ret;
}

static int deliver_to_ids_by_scan(struct irqchip *chip, struct lapic *source,
				  const struct apic_msg *msg, const struct apic_ids *ids)
{
	struct lapic *apic;
	int ret = 0;

	list_for_each_entry_rcu(apic, &chip->lapics, node)
		if (is_among(apic, source, ids))
			ret += lapic_receive(apic, source, msg);
	return ret;
}

int lapic_deliver_to_ids(struct irqchip *chip, struct lapic *source, const struct apic_msg *msg,
			 const struct apic_ids *ids)
{
	const struct apic_map *map;
	int ret;

	rcu_read_lock();
	map = rcu_dereference(chip->apic_map);
	if (map && map->unique && !ids_have(ids, 0xff))
		ret = deliver_to_each(map, source, msg, ids);
	else
		ret = deliver_to_ids_by_scan(chip, source, msg, ids);
	rcu_read_unlock();
	return ret;
}

/* ------------------------------------------------------------------ one, the short way */

bool lapic_send_to_one(struct lapic *source, u64 icr)
{
	u32 low = icr, dest = icr >> 32;
	const struct apic_map *map;
	struct lapic *apic;

	/* More than the vector and a bit that only INIT asks for: another mode, or several. */
	if ((low & ~(APIC_VECTOR_MASK | APIC_INT_ASSERT)) || (u8)low < 16)
		return false;
	map = rcu_dereference_sched(source->chip->apic_map);
	if (unlikely(!map || !map->unique))
		return false;
	apic = map_at(map, dest);
	if (unlikely(!apic))
		return false;
	lapic_set_reg(source, APIC_ICR, low);
	lapic_set_reg(source, APIC_ICR2, dest);
	lapic_receive_fixed(apic, source, low, false);
	return true;
}

/* -------------------------------------------------- MSI (SDM 3A, 11.11; APM 2, 16.6) */

void msi_decode(const struct irqchip *chip, u64 address, u32 data, struct apic_msg *msg)
{
	*msg = (struct apic_msg){
		.dest = address >> 12 & 0xff,
		.vector = data,
		.delivery = data >> 8 & 7,
		.logical = address & BIT(2),
		.msi_redir_hint = address & BIT(3),
		.level = data & BIT(15),
		.assert = data & BIT(14),
	};
	if (chip->x2apic_format)
		msg->dest |= (u32)(address >> 32) & 0xffffff00;
	/*
	 * A message from a device is an edge, whatever it says, unless it is one that can be
	 * level-triggered.
	 */
	if (msg->delivery != APIC_FIXED && msg->delivery != APIC_LOWEST_PRIORITY)
		msg->level = false;
}

int irqchip_send_msi(struct irqchip *chip, u64 address, u32 data)
{
	struct apic_msg msg;

	if (chip->x2apic_format && (address >> 32 & 0xff))
		return -EINVAL;
	msi_decode(chip, address, data, &msg);
	/* That nobody has the address is no error of whoever sends. */
	return max(lapic_deliver(chip, NULL, &msg), 0);
}
