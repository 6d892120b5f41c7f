// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC: 24 pins, each with a redirection entry (Intel 82093AA data sheet).
 *
 * Polarity is kept and has no effect: a pin is driven or not (api.rst 4.25).
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_regs.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10 };
enum { IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, IOREDTBL = 0x10 };

#define IOAPIC_VERSION		0x11u
#define IOAPIC_ID_MASK		(0xfu << 24)

/* The redirection entry (82093AA, 3.2.4). */
#define REDIR_VECTOR		0xffULL
#define REDIR_DELIVERY_SHIFT	8
#define REDIR_LOGICAL		BIT_ULL(11)
#define REDIR_STATUS		BIT_ULL(12)
#define REDIR_POLARITY		BIT_ULL(13)
#define REDIR_REMOTE_IRR	BIT_ULL(14)
#define REDIR_LEVEL		BIT_ULL(15)
#define REDIR_MASKED		BIT_ULL(16)
#define REDIR_DEST_SHIFT	56
#define REDIR_READ_ONLY		(REDIR_STATUS | REDIR_REMOTE_IRR)
/*
 * A line that is still up after so many ends in a row is not heard: the guest does nothing but
 * serve it, and whoever could lower it (a guest's driver that isn't there yet, a VMM that waits for
 * this CPU) doesn't get to that. So it has a while without.
 */
#define STORM_ENDS		10000
#define STORM_PAUSE		(HZ / 100)
/* What is read where no register is. */
#define IOAPIC_NOTHING		(~0u)

/* ------------------------------------------------------------------ pins */

/*
 * Only these two are level-triggered when the entry says so; all others are edges (82093AA, table
 * of delivery modes).
 */
static bool redir_is_level(u64 entry)
{
	u32 delivery = entry >> REDIR_DELIVERY_SHIFT & 7;

	return (entry & REDIR_LEVEL) &&
	       (delivery == APIC_FIXED || delivery == APIC_LOWEST_PRIORITY);
}

static struct apic_msg redir_msg(u64 entry)
{
	return (struct apic_msg){
		.dest = entry >> REDIR_DEST_SHIFT,
		.vector = entry & REDIR_VECTOR,
		.delivery = entry >> REDIR_DELIVERY_SHIFT & 7,
		.logical = entry & REDIR_LOGICAL,
		.level = redir_is_level(entry),
		.assert = true,
	};
}

/*
 * Does somebody wait for the end of what this pin sends? The PIT does, and irqfds that resample;
 * the lines of others need no acknowledge.
 */
static bool pin_wants_ack(const struct ioapic *ioapic, u32 pin)
{
	return ioapic->sources[pin] & ~(BIT(IRQ_SOURCE_USER) | BIT(IRQ_SOURCE_RESTORED));
}

/* Send what the pin's entry says. As irqchip_set_gsi(). ioapic->lock held. */
static int pin_deliver(struct ioapic *ioapic, u32 pin)
{
	u64 *entry = &ioapic->redir[pin];
	struct apic_msg msg = redir_msg(*entry);
	int ret;

	if (*entry & REDIR_MASKED)
		return -1;
	if (msg.level && (*entry & REDIR_REMOTE_IRR))
		return 0;
	/*
	 * Before it is sent: its EOI looks here. Tested first to leave the line alone once it is
	 * set.
	 */
	if (!msg.level && pin_wants_ack(ioapic, pin) &&
	    !test_bit(msg.vector, ioapic->chip->edge_acks)) {
		set_bit(msg.vector, ioapic->chip->edge_acks);
		atomic_inc(&ioapic->chip->ends_generation);
	}
	ret = max(lapic_deliver(ioapic->chip, NULL, &msg), 0);
	if (!msg.level)
		ioapic->delivered |= BIT(pin);
	else if (ret > 0)
		*entry |= REDIR_REMOTE_IRR;
	return ret;
}

/* A level-triggered pin that is driven and not in service sends (again). ioapic->lock held. */
static void pin_deliver_level(struct ioapic *ioapic, u32 pin)
{
	if ((ioapic->line & BIT(pin)) && redir_is_level(ioapic->redir[pin]))
		pin_deliver(ioapic, pin);
}

static int pin_drive(struct ioapic *ioapic, u32 pin, bool level)
{
	bool rising = level && !(ioapic->line & BIT(pin));

	if (!level) {
		ioapic->line &= ~BIT(pin);
		ioapic->delivered &= ~BIT(pin);
		ioapic->ends[pin] = 0;
		return 1;
	}
	ioapic->line |= BIT(pin);
	/* An edge that meets the mask is lost (82093AA, "Interrupt Mask"). */
	if (!redir_is_level(ioapic->redir[pin]) && !rising)
		return 0;
	return pin_deliver(ioapic, pin);
}

int ioapic_set_pin(struct ioapic *ioapic, u32 pin, enum irq_source source, int level)
{
	unsigned long flags;
	int ret = 1;

	spin_lock_irqsave(&ioapic->lock, flags);
	sources_drive(&ioapic->sources[pin], source, level);
	/*
	 * Who lets go of a line that others hold makes it send nothing: an irqfd that resamples does
	 * so at each end, before that is counted.
	 */
	if (level || !ioapic->sources[pin])
		ret = pin_drive(ioapic, pin, level);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

/* ------------------------------------------------------------------ EOI */

/* Pins that send @vector, as a mask; those in service are so no more. */
static unsigned long pins_end(struct ioapic *ioapic, u8 vector)
{
	unsigned long pins = 0;
	u32 pin;

	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++) {
		if ((ioapic->redir[pin] & REDIR_VECTOR) != vector)
			continue;
		ioapic->redir[pin] &= ~REDIR_REMOTE_IRR;
		__set_bit(pin, &pins);
	}
	return pins;
}

/* The pin may send again: at once, or after a pause. ioapic->lock held. */
static void pin_ended(struct ioapic *ioapic, u32 pin)
{
	if (!(ioapic->line & BIT(pin)) || !redir_is_level(ioapic->redir[pin]))
		return;
	if (++ioapic->ends[pin] < STORM_ENDS) {
		pin_deliver(ioapic, pin);
		return;
	}
	ioapic->ends[pin] = 0;
	ioapic->paused |= BIT(pin);
	queue_delayed_work(irqchip_wq, &ioapic->resume, STORM_PAUSE);
}

/* Where something else has made the pin send meanwhile, it is in service, and nothing is sent. */
static void ioapic_resume(struct work_struct *work)
{
	struct ioapic *ioapic = container_of(to_delayed_work(work), struct ioapic, resume);
	unsigned long pins, flags;
	u32 pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	pins = ioapic->paused;
	ioapic->paused = 0;
	for_each_set_bit(pin, &pins, IOAPIC_NUM_PINS)
		pin_deliver_level(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

/*
 * A LAPIC that is disabled, or not there, leaves remote IRR alone; the line is still up when there
 * is one that accepts.
 */
void ioapic_retry(struct ioapic *ioapic)
{
	unsigned long flags;
	u32 pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++)
		pin_deliver_level(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
	unsigned long pins, flags;
	u32 pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	pins = pins_end(ioapic, vector);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	/* A resampling irqfd lowers its line here: only then it is known which are still up. */
	for_each_set_bit(pin, &pins, IOAPIC_NUM_PINS)
		irqchip_acked(ioapic->chip, KVM_IRQCHIP_IOAPIC, pin);
	spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &pins, IOAPIC_NUM_PINS)
		pin_ended(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* ------------------------------------------------------------------ registers */

enum redir_half { REDIR_LOW, REDIR_HIGH };

static void redir_write(struct ioapic *ioapic, u32 pin, enum redir_half half, u32 val)
{
	u64 *entry = &ioapic->redir[pin], old = *entry, new;

	if (half == REDIR_HIGH)
		new = (u32)old | (u64)val << 32;
	else
		new = (old & ~(u64)U32_MAX) | (val & ~REDIR_READ_ONLY) | (old & REDIR_READ_ONLY);
	/*
	 * Guests end a level by making the pin edge-triggered for a moment, where there is no EOI
	 * register.
	 */
	if (!(new & REDIR_LEVEL))
		new &= ~REDIR_REMOTE_IRR;
	*entry = new;
	pin_deliver_level(ioapic, pin);
}

/* True: @pin was unmasked. */
static bool ioapic_write_reg(struct ioapic *ioapic, u32 val, u32 *pin)
{
	u32 reg = ioapic->ioregsel;
	u64 old;

	if (reg == IOAPICID)
		ioapic->id = val & IOAPIC_ID_MASK;
	if (reg < IOREDTBL || reg >= IOREDTBL + 2 * IOAPIC_NUM_PINS)
		return false;
	*pin = array_index_nospec((reg - IOREDTBL) / 2, IOAPIC_NUM_PINS);
	old = ioapic->redir[*pin];
	redir_write(ioapic, *pin, reg & 1 ? REDIR_HIGH : REDIR_LOW, val);
	return old & ~ioapic->redir[*pin] & REDIR_MASKED;
}

static u32 ioapic_read_reg(const struct ioapic *ioapic)
{
	u32 reg = ioapic->ioregsel, pin;

	switch (reg) {
	case IOAPICID:
	case IOAPICARB:
		return ioapic->id;
	case IOAPICVER:
		return IOAPIC_VERSION | (IOAPIC_NUM_PINS - 1) << 16;
	}
	if (reg < IOREDTBL || reg >= IOREDTBL + 2 * IOAPIC_NUM_PINS)
		return IOAPIC_NOTHING;
	pin = array_index_nospec((reg - IOREDTBL) / 2, IOAPIC_NUM_PINS);
	return ioapic->redir[pin] >> (reg & 1 ? 32 : 0);
}

static void ioapic_write_window(struct ioapic *ioapic, u32 val)
{
	unsigned long flags;
	bool unmasked;
	u32 pin = 0;

	spin_lock_irqsave(&ioapic->lock, flags);
	unmasked = ioapic_write_reg(ioapic, val, &pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	if (unmasked)
		irqchip_unmasked(ioapic->chip, KVM_IRQCHIP_IOAPIC, pin);
}

/* The selector is a byte, however it is written. The window is 32 bits wide (82093AA, 3.1). */
void ioapic_write(struct ioapic *ioapic, u32 offset, u32 len, const void *val)
{
	u32 data = 0;

	if (offset == IOREGSEL) {
		WRITE_ONCE(ioapic->ioregsel, *(const u8 *)val);
	} else if (offset == IOWIN && len >= 4) {
		memcpy(&data, val, 4);
		ioapic_write_window(ioapic, data);
	}
}

void ioapic_read(struct ioapic *ioapic, u32 offset, u32 len, void *val)
{
	unsigned long flags;
	u32 data = 0;

	spin_lock_irqsave(&ioapic->lock, flags);
	if (offset == IOREGSEL)
		data = ioapic->ioregsel;
	else if (offset == IOWIN)
		data = ioapic_read_reg(ioapic);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	memset(val, 0, len);
	memcpy(val, &data, min_t(u32, len, 4));
}

/* ------------------------------------------------------------------ life and state */

int ioapic_create(struct irqchip *chip)
{
	struct ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	u32 pin;

	if (!ioapic)
		return -ENOMEM;
	spin_lock_init(&ioapic->lock);
	ioapic->chip = chip;
	ioapic->base_address = IO_APIC_DEFAULT_PHYS_BASE;
	INIT_DELAYED_WORK(&ioapic->resume, ioapic_resume);
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++)
		ioapic->redir[pin] = REDIR_MASKED;
	chip->ioapic = ioapic;
	return 0;
}

void ioapic_get_state(struct ioapic *ioapic, struct kvm_ioapic_state *state)
{
	unsigned long flags;
	u32 pin;

	memset(state, 0, sizeof(*state));
	spin_lock_irqsave(&ioapic->lock, flags);
	state->base_address = ioapic->base_address;
	state->ioregsel = ioapic->ioregsel;
	state->id = ioapic->id >> 24;
	/* Requests that still have to be delivered: an edge that went out isn't one. */
	state->irr = ioapic->line & ~ioapic->delivered;
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++)
		state->redirtbl[pin].bits = ioapic->redir[pin];
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state)
{
	unsigned long flags;
	u32 pin;

	spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->base_address = state->base_address;
	ioapic->ioregsel = state->ioregsel & 0xff;
	ioapic->id = state->id << 24 & IOAPIC_ID_MASK;
	ioapic->line = state->irr & GENMASK(IOAPIC_NUM_PINS - 1, 0);
	ioapic->delivered = 0;
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++) {
		ioapic->redir[pin] = state->redirtbl[pin].bits;
		sources_restore(&ioapic->sources[pin], ioapic->line & BIT(pin));
	}
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++)
		if (ioapic->line & BIT(pin))
			pin_deliver(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	/* A tick that was in flight in the old state will not end in the new one. */
	for (pin = 0; pin < IOAPIC_NUM_PINS; pin++)
		irqchip_unmasked(ioapic->chip, KVM_IRQCHIP_IOAPIC, pin);
}
