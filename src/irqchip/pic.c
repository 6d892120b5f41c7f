// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers, with the edge/level registers of the PIIX (Intel 8259A
 * data sheet; 82371SB, 2.6).
 *
 * The slave's INT drives the master's IR2, as a level. The pair's output is INTR, which the LAPIC's
 * LINT0 passes on.
 */
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_regs.h"

enum { MASTER, SLAVE };

#define CASCADE_IR	2
#define SPURIOUS_IR	7
/* Pins that can be level-triggered: not the timer, keyboard, cascade, RTC, FPU. */
static const u8 elcr_masks[2] = { [MASTER] = 0xf8, [SLAVE] = 0xde };

/* kvm_pic_state.init_state: which initialization command word is awaited. */
enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

/* ------------------------------------------------------------------ who is next */

/* The highest-priority request in @mask counted from the top priority: 0 first. 8: none. */
static u32 half_rank(const struct kvm_pic_state *s, u8 mask)
{
	u32 rank = 0;

	if (!mask)
		return 8;
	while (!(mask & 1 << ((rank + s->priority_add) & 7)))
		rank++;
	return rank;
}

/* The input whose request is ahead of all that is in service, or -1. */
static int half_next(const struct pic *pic, int which)
{
	const struct kvm_pic_state *s = &pic->half[which];
	u32 rank = half_rank(s, s->irr & ~s->imr);
	u8 in_service = s->isr;

	if (rank == 8)
		return -1;
	if (s->special_mask)
		in_service &= ~s->imr;
	/* A slave in service doesn't keep its own higher priorities out in this mode. */
	if (s->special_fully_nested_mode && which == MASTER)
		in_service &= ~(1 << CASCADE_IR);
	return rank < half_rank(s, in_service) ? (int)((rank + s->priority_add) & 7) : -1;
}

/* The first LAPIC that passes INTR on, or NULL. RCU held. */
static struct lapic *pic_listener(const struct pic *pic)
{
	struct lapic *apic;

	list_for_each_entry_rcu(apic, &pic->chip->lapics, node)
		if (lapic_accepts_extint(apic))
			return apic;
	return NULL;
}

/* One LAPIC that listens is asked: two would fetch two vectors. pic->lock held. */
static void pic_interrupt(struct pic *pic)
{
	struct lapic *apic;

	rcu_read_lock();
	apic = pic_listener(pic);
	if (apic) {
		vcpu_request(apic->vcpu, REQ_EVENT);
		vcpu_kick(apic->vcpu);
	}
	rcu_read_unlock();
}

/* After any change of registers or pins. */
static void pic_update(struct pic *pic)
{
	struct kvm_pic_state *master = &pic->half[MASTER];
	bool output, was = pic->chip->intr;

	if (half_next(pic, SLAVE) >= 0)
		master->irr |= 1 << CASCADE_IR;
	else
		master->irr &= ~(1 << CASCADE_IR);
	output = half_next(pic, MASTER) >= 0;
	WRITE_ONCE(pic->chip->intr, output);
	if (output && !was) {
		/*
		 * INTR is up before it is looked who listens. A LAPIC that begins to listen makes
		 * its request, which is a full barrier, before it looks at INTR.
		 */
		smp_mb();
		pic_interrupt(pic);
	}
}

/*
 * Drops the lock, and then tells what happened under it: those who are told may come back to a pin.
 */
static void pic_unlock(struct pic *pic, unsigned long flags)
	__releases(&pic->lock)
{
	struct irqchip *chip = pic->chip;
	unsigned long acked = pic->acked;
	bool unmasked = pic->irq0_unmasked;
	u32 pin;

	pic->acked = 0;
	pic->irq0_unmasked = false;
	spin_unlock_irqrestore(&pic->lock, flags);
	for_each_set_bit(pin, &acked, PIC_NUM_PINS)
		irqchip_acked(chip, pin / 8 ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER,
			      pin % 8);
	if (unmasked)
		irqchip_unmasked(chip, KVM_IRQCHIP_PIC_MASTER, 0);
}

/* ------------------------------------------------------------------ pins */

/* -1: masked; 0: a request that was there already; 1: all else. */
static int half_set_pin(struct kvm_pic_state *s, u8 bit, bool level)
{
	bool requests = level && (s->elcr & bit || !(s->last_irr & bit));
	bool merged = requests && (s->irr & bit);

	if (requests)
		s->irr |= bit;
	else if (s->elcr & bit)
		s->irr &= ~bit;
	/* An edge stays requested when the line falls: a pulse counts. */
	s->last_irr = level ? s->last_irr | bit : s->last_irr & ~bit;
	if (s->imr & bit)
		return -1;
	return !merged;
}

/* Is @pin requested, and is there a LAPIC that will come for it? pic->lock held. */
static bool pin_will_be_acked(const struct pic *pic, u32 pin)
{
	bool heard;

	rcu_read_lock();
	heard = pic_listener(pic);
	rcu_read_unlock();
	return heard && (pic->half[pin / 8].irr & 1 << pin % 8);
}

int pic_set_pin(struct pic *pic, u32 pin, enum irq_source source, int level)
{
	unsigned long flags;
	int ret = -1;

	spin_lock_irqsave(&pic->lock, flags);
	sources_drive(&pic->sources[pin], source, level);
	/* The cascade is wired to the slave. */
	if (pin != CASCADE_IR) {
		ret = half_set_pin(&pic->half[pin / 8], 1 << pin % 8, pic->sources[pin]);
		pic_update(pic);
	}
	/* The PIT waits for the end of what is accepted: not of a request that nobody hears of. */
	if (ret >= 0 && source == IRQ_SOURCE_PIT)
		ret = pin_will_be_acked(pic, pin);
	pic_unlock(pic, flags);
	return ret;
}

/* -------------------------------------------------- acknowledge, end of interrupt */

static void half_ended(struct pic *pic, int which, u8 irqs)
{
	pic->acked |= irqs << which * 8;
}

static void half_ack(struct pic *pic, int which, int irq)
{
	struct kvm_pic_state *s = &pic->half[which];

	/*
	 * INTR falls with the acknowledge: if there is more, it rises again, and whoever took this
	 * one looks for the next.
	 */
	WRITE_ONCE(pic->chip->intr, false);
	/*
	 * A level stays requested as long as the line is up. The cascade's is the slave's to drop.
	 */
	if (!(s->elcr & 1 << irq))
		s->irr &= ~(1 << irq);
	if (!s->auto_eoi) {
		s->isr |= 1 << irq;
		return;
	}
	if (s->rotate_on_auto_eoi)
		s->priority_add = (irq + 1) & 7;
	half_ended(pic, which, 1 << irq);
}

/*
 * What an INTA cycle reads. A request that vanished leaves the lowest input's vector, without a bit
 * in service.
 */
static int pic_inta(struct pic *pic)
{
	int irq = half_next(pic, MASTER), slave_irq;

	if (irq < 0)
		return pic->half[MASTER].irq_base + SPURIOUS_IR;
	half_ack(pic, MASTER, irq);
	if (irq != CASCADE_IR)
		return pic->half[MASTER].irq_base + irq;
	slave_irq = half_next(pic, SLAVE);
	if (slave_irq < 0)
		return pic->half[SLAVE].irq_base + SPURIOUS_IR;
	half_ack(pic, SLAVE, slave_irq);
	return pic->half[SLAVE].irq_base + slave_irq;
}

int pic_take(struct pic *pic)
{
	unsigned long flags;
	int vector;

	spin_lock_irqsave(&pic->lock, flags);
	vector = pic_inta(pic);
	pic_update(pic);
	pic_unlock(pic, flags);
	return vector;
}

enum pic_rotate { KEEP_PRIORITY, ROTATE_PRIORITY };

/*
 * There is no pause for a level that stays up, as the IOAPIC makes (STORM_ENDS): each round of it
 * is a port that the guest writes, an exit in the guest's own time, before whose end signals and
 * preemption are looked for. It costs the host nothing that a loop on any port doesn't, and the
 * guest has the mask, as on hardware.
 */
static void half_eoi(struct pic *pic, int which, u8 irq, enum pic_rotate rotate)
{
	struct kvm_pic_state *s = &pic->half[which];

	if (s->isr & 1 << irq)
		half_ended(pic, which, 1 << irq);
	s->isr &= ~(1 << irq);
	if (rotate == ROTATE_PRIORITY)
		s->priority_add = (irq + 1) & 7;
}

static void half_nonspecific_eoi(struct pic *pic, int which, enum pic_rotate rotate)
{
	struct kvm_pic_state *s = &pic->half[which];
	/* In special mask mode, what is masked is not what ends. */
	u32 rank = half_rank(s, s->special_mask ? s->isr & ~s->imr : s->isr);

	if (rank < 8)
		half_eoi(pic, which, (rank + s->priority_add) & 7, rotate);
}

/* ------------------------------------------------------------------ command words */

static void half_icw1(struct pic *pic, int which, u8 val)
{
	struct kvm_pic_state *s = &pic->half[which];

	/* Nothing that was under way will end any more. */
	half_ended(pic, which, s->isr);
	if (which == MASTER)
		pic->irq0_unmasked = true;
	/* Edges are forgotten, levels are as the lines are. */
	s->irr &= s->elcr;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->auto_eoi = 0;
	s->rotate_on_auto_eoi = 0;
	s->special_fully_nested_mode = 0;
	s->init4 = val & 1;
	s->init_state = INIT_ICW2;
}

static void half_ocw2(struct pic *pic, int which, u8 val)
{
	struct kvm_pic_state *s = &pic->half[which];
	u8 irq = val & 7;

	switch (val >> 5) {
	case 0:
	case 4:
		s->rotate_on_auto_eoi = val >> 7;
		break;
	case 1:
	case 5:
		half_nonspecific_eoi(pic, which, val >> 7 ? ROTATE_PRIORITY : KEEP_PRIORITY);
		break;
	case 3:
	case 7:
		half_eoi(pic, which, irq, val >> 7 ? ROTATE_PRIORITY : KEEP_PRIORITY);
		break;
	case 6:
		s->priority_add = (irq + 1) & 7;
		break;
	}
}

static void half_ocw3(struct kvm_pic_state *s, u8 val)
{
	if (val & 4)
		s->poll = 1;
	if (val & 2)
		s->read_reg_select = val & 1;
	if (val & 0x40)
		s->special_mask = val >> 5 & 1;
}

static void half_command(struct pic *pic, int which, u8 val)
{
	if (val & 0x10)
		half_icw1(pic, which, val);
	else if (val & 8)
		half_ocw3(&pic->half[which], val);
	else
		half_ocw2(pic, which, val);
}

static void half_mask(struct pic *pic, int which, u8 val)
{
	struct kvm_pic_state *s = &pic->half[which];

	if (which == MASTER && (s->imr & ~val & 1))
		pic->irq0_unmasked = true;
	s->imr = val;
}

static void half_data(struct pic *pic, int which, u8 val)
{
	struct kvm_pic_state *s = &pic->half[which];

	switch (s->init_state) {
	case INIT_ICW2:
		s->irq_base = val & 0xf8;
		s->init_state = INIT_ICW3;
		break;
	case INIT_ICW3:
		/* The wiring of the cascade is fixed. */
		s->init_state = s->init4 ? INIT_ICW4 : INIT_DONE;
		break;
	case INIT_ICW4:
		s->special_fully_nested_mode = val >> 4 & 1;
		s->auto_eoi = val >> 1 & 1;
		s->init_state = INIT_DONE;
		break;
	default:
		half_mask(pic, which, val);
		break;
	}
}

/* -------------------------------------------------- ports: 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 */

void pic_write(struct pic *pic, u16 port, u8 val)
{
	int which = port & 0x80 ? SLAVE : MASTER;
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	if (port & 1)
		half_data(pic, which, val);
	else
		half_command(pic, which, val);
	pic_update(pic);
	pic_unlock(pic, flags);
}

/* A read after the poll command acknowledges, as INTA would (8259A, "Poll command"). */
static u8 half_poll(struct pic *pic, int which)
{
	int irq = half_next(pic, which);

	pic->half[which].poll = 0;
	if (irq < 0)
		return 0;
	half_ack(pic, which, irq);
	return 0x80 | irq;
}

static u8 half_read(struct pic *pic, int which, u16 port)
{
	const struct kvm_pic_state *s = &pic->half[which];

	if (s->poll)
		return half_poll(pic, which);
	if (port & 1)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

u8 pic_read(struct pic *pic, u16 port)
{
	unsigned long flags;
	u8 val;

	spin_lock_irqsave(&pic->lock, flags);
	val = half_read(pic, port & 0x80 ? SLAVE : MASTER, port);
	pic_update(pic);
	pic_unlock(pic, flags);
	return val;
}

void elcr_write(struct pic *pic, u16 port, u8 val)
{
	struct kvm_pic_state *s = &pic->half[port & 1];
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	s->elcr = val & s->elcr_mask;
	/* What is level-triggered now requests as its line is. */
	s->irr = (s->irr & ~s->elcr) | (s->last_irr & s->elcr);
	pic_update(pic);
	pic_unlock(pic, flags);
}

u8 elcr_read(struct pic *pic, u16 port)
{
	return READ_ONCE(pic->half[port & 1].elcr);
}

/* ------------------------------------------------------------------ life and state */

int pic_create(struct irqchip *chip)
{
	struct pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);

	if (!pic)
		return -ENOMEM;
	spin_lock_init(&pic->lock);
	pic->chip = chip;
	pic->half[MASTER].elcr_mask = elcr_masks[MASTER];
	pic->half[SLAVE].elcr_mask = elcr_masks[SLAVE];
	chip->pic = pic;
	return 0;
}

void pic_get_state(struct pic *pic, u32 half, struct kvm_pic_state *state)
{
	unsigned long flags;

	spin_lock_irqsave(&pic->lock, flags);
	*state = pic->half[half];
	pic_unlock(pic, flags);
}

/* Fields that are used as numbers or truth values hold no others. */
static struct kvm_pic_state half_sanitized(const struct kvm_pic_state *state, u32 half)
{
	struct kvm_pic_state s = *state;

	s.priority_add &= 7;
	s.irq_base &= 0xf8;
	s.read_reg_select = !!s.read_reg_select;
	s.poll = !!s.poll;
	s.special_mask = !!s.special_mask;
	s.init_state &= 3;
	s.auto_eoi = !!s.auto_eoi;
	s.rotate_on_auto_eoi = !!s.rotate_on_auto_eoi;
	s.special_fully_nested_mode = !!s.special_fully_nested_mode;
	s.init4 = !!s.init4;
	s.elcr_mask = elcr_masks[half];
	s.elcr &= s.elcr_mask;
	return s;
}

void pic_set_state(struct pic *pic, u32 half, const struct kvm_pic_state *state)
{
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&pic->lock, flags);
	pic->half[half] = half_sanitized(state, half);
	for (i = 0; i < 8; i++)
		sources_restore(&pic->sources[half * 8 + i], state->last_irr & 1 << i);
	/* A tick that was in flight in the old state will not end in the new one. */
	if (half == MASTER)
		pic->irq0_unmasked = true;
	pic_update(pic);
	pic_unlock(pic, flags);
}
