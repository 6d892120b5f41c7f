/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this floor know of one another; nobody above includes it.
 */
#ifndef IRQCHIP_CHIPS_H
#define IRQCHIP_CHIPS_H

#include <linux/spinlock.h>
#include "irqchip/irqchip.h"

/* irqchip.c: the works of map_work and the ends of irqfds, of all VMs. */
extern struct workqueue_struct *irqchip_wq;

/* ------------------------------------------------ LAPIC registers (accessors: lapic_regs.h) */

/*
 * Times below this are not worth a timer: what a hostile guest may ask of the host, per second, is
 * bounded by it.
 */
#define TIMER_MIN_PERIOD_NS	200000ULL

/** apic_map_invalidate() - an id, mode or logical id changed: scan until the map is rebuilt. Any
 * context but NMI. */
void apic_map_invalidate(struct irqchip *chip);
/** lapic_forget_arriving() - IRR is given another value as a whole. */
void lapic_forget_arriving(struct lapic *apic);
/** lapic_tell_ends() - lapic_ends_changed() says so, whatever the processor was told. */
void lapic_tell_ends(struct lapic *apic);
/** lapic_receive() - what one LAPIC does with a message that addresses it. 1: accepted (or merged
 * with one that waits), 0: refused. Any context. */
int lapic_receive(struct lapic *apic, const struct lapic *source, const struct apic_msg *msg);

/** lapic_timer_take() - lapic_timer_latch() without the request: the caller looks at IRR right
 * away. One load when nothing fired. */
void lapic_timer_take(struct lapic *apic);
/* lapic_timer.c: own thread of the vCPU, or it doesn't run; IRQs on or off. */
void lapic_timer_init(struct lapic *apic);
/** lapic_timer_stop() - no tick comes any more, none is waiting. */
void lapic_timer_stop(struct lapic *apic);
/** lapic_timer_start() - a new initial count was written. */
void lapic_timer_start(struct lapic *apic);
/** lapic_timer_restore() - go on from the current count in the register page. */
void lapic_timer_restore(struct lapic *apic);
/** lapic_timer_set_divide() - TDCR was written. */
void lapic_timer_set_divide(struct lapic *apic, u32 tdcr);
/** lapic_timer_count() - the current count register. */
u32 lapic_timer_count(struct lapic *apic);
u64 lapic_timer_deadline(struct lapic *apic);
/** lapic_timer_lvt_changed() - LVTT has been written. */
void lapic_timer_lvt_changed(struct lapic *apic);

/* ------------------------------------------------------------------ who drives a pin */

/* A bit per enum irq_source. Who lowers the pin may be who held it before the state was set. */
static inline void sources_drive(u8 *sources, enum irq_source source, int level)
{
	if (level)
		*sources |= BIT(source);
	else
		*sources &= ~(BIT(source) | BIT(IRQ_SOURCE_RESTORED));
}

/* KVM_SET_IRQCHIP says whether the pin is driven, not by whom: by those who do, if anybody does. */
static inline void sources_restore(u8 *sources, bool driven)
{
	if (!driven)
		*sources = 0;
	else if (!*sources)
		*sources = BIT(IRQ_SOURCE_RESTORED);
}

/* ------------------------------------------------------------------ 8259 pair */

/* Each 8259's registers are kept in the form in which the ABI reads and writes them. */
struct pic {
	spinlock_t lock;
	struct irqchip *chip;
	struct kvm_pic_state half[2];		/* master, slave */
	u8 sources[PIC_NUM_PINS];		/* bit per enum irq_source that drives the pin */
	u16 acked;				/* pins whose service ended: told behind the lock */
	bool irq0_unmasked;			/* to be told, likewise */
};

int pic_create(struct irqchip *chip);
int pic_set_pin(struct pic *pic, u32 pin, enum irq_source source, int level);
int pic_take(struct pic *pic);
void pic_get_state(struct pic *pic, u32 half, struct kvm_pic_state *state);
void pic_set_state(struct pic *pic, u32 half, const struct kvm_pic_state *state);

/* ------------------------------------------------------------------ IOAPIC */

struct ioapic {
	spinlock_t lock;
	struct irqchip *chip;
	u64 base_address;
	u32 ioregsel, id;
	u32 line;				/* pins that are driven */
	u32 delivered;				/* edge-triggered pins whose edge went out */
	u8 sources[IOAPIC_NUM_PINS];		/* bit per enum irq_source that drives the pin */
	u64 redir[IOAPIC_NUM_PINS];
	u32 ends[IOAPIC_NUM_PINS];		/* in a row, without the line falling in between */
	u32 paused;				/* pins that send again when resume runs */
	struct delayed_work resume;
};

int ioapic_create(struct irqchip *chip);
int ioapic_set_pin(struct ioapic *ioapic, u32 pin, enum irq_source source, int level);
/** ioapic_eoi() - @vector ended somewhere. Any context without irqchip locks. */
void ioapic_eoi(struct ioapic *ioapic, u8 vector);
/**
 * ioapic_retry() - send the levels that are up and not in service. Any context without irqchip
 * locks.
 */
void ioapic_retry(struct ioapic *ioapic);
void ioapic_get_state(struct ioapic *ioapic, struct kvm_ioapic_state *state);
void ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state);

/* ------------------------------------------------------------------ 8254 */

#define PIT_HZ		1193182ULL
#define PIT_CHANNELS	3

struct pit {
	spinlock_t lock;			/* channels and flags */
	struct irqchip *chip;
	struct kvm_pit_channel_state channel[PIT_CHANNELS];
	u32 flags;
	bool speaker_data;
	struct hrtimer hrtimer;			/* channel 0's next tick; takes no pit lock */
	u64 period_ns;				/* 0: one-shot */
	bool reinject;				/* KVM_REINJECT_CONTROL */
	atomic_t pending;			/* ticks that the guest has not been given */
	atomic_t acked;				/* the last tick was served: the next may go out */
};

/** pit_acked() - the guest served IRQ 0, or unmasked it again. No irqchip lock held. */
void pit_acked(struct pit *pit);

/* ------------------------------------------------------------------ routing */

struct irq_route {
	u32 type;				/* KVM_IRQ_ROUTING_IRQCHIP or _MSI */
	u32 chip, pin;
	u64 address;
	u32 data;
};

struct irq_routing {
	struct rcu_head rcu;
	u32 nr_gsis;
	u32 *first;	/* of GSI g: route[first[g]] to route[first[g + 1] - 1] */
	struct irq_route route[];
};

/** route_set_default() - what KVM_CREATE_IRQCHIP sets up. Sleeps. -ENOMEM. */
int route_set_default(struct irqchip *chip);
/** route_gsi_has_pin() - does @gsi drive this pin? RCU held. */
bool route_gsi_has_pin(struct irqchip *chip, u32 gsi, u32 irqchip, u32 pin);
/** route_keeps_pins() - has @gsi the same pins in @new as in @old? */
bool route_keeps_pins(const struct irq_routing *old, const struct irq_routing *new, u32 gsi);
/** route_lower() - @source lets go of the pins that @gsi has in @table. As irqchip_set_gsi(). */
void route_lower(struct irqchip *chip, const struct irq_routing *table, u32 gsi,
		 enum irq_source source);
/** route_split_vectors() - vectors of level-triggered routes of the VMM's IOAPIC pins. */
void route_split_vectors(struct irqchip *chip, unsigned long *bitmap);
/** msi_decode() - an MSI's address and data as a message. */
void msi_decode(const struct irqchip *chip, u64 address, u32 data, struct apic_msg *msg);
/** lapic_is_addressed() - would @msg, not sent by a LAPIC, reach @apic? */
bool lapic_is_addressed(const struct lapic *apic, const struct lapic *source,
			const struct apic_msg *msg);

/** irqchip_acked() - the guest ended its service of a pin: tell the PIT and the resampling irqfds.
 * No irqchip lock held. */
void irqchip_acked(struct irqchip *chip, u32 irqchip, u32 pin);
/** irqchip_unmasked() - IRQ 0 can get through again: a tick that was lost under the mask holds
 * nothing up. No lock held. */
void irqchip_unmasked(struct irqchip *chip, u32 irqchip, u32 pin);
/**
 * irqchip_retry() - a LAPIC takes now what it, or nobody, took before: levels that were refused are
 * sent, and the PIT doesn't wait for a tick that went with a reset. Process context, no irqchip
 * lock held.
 */
void irqchip_retry(struct irqchip *chip);
void irqfd_resample(struct irqchip *chip, u32 irqchip, u32 pin);
/** irqfd_rerouted() - the routes are no longer @old, and nobody goes by that any more. Sleeps. */
void irqfd_rerouted(struct irqchip *chip, const struct irq_routing *old);

#endif
