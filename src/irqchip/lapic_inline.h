/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the LAPIC that the run loop inlines: an interrupt to oneself, which may be next, and
 * its end.
 */
#ifndef IRQCHIP_LAPIC_INLINE_H
#define IRQCHIP_LAPIC_INLINE_H

#include "irqchip/irqchip.h"
#include "irqchip/lapic_regs.h"

/* ------------------------------------------------------------------ an interrupt is requested */

/*
 * TMR follows the last interrupt that came with this vector (SDM 3A, 11.8.4). Both tests spare the
 * line when it is right already.
 */
static __always_inline void lapic_set_trigger(struct lapic *apic, u8 vector, bool level)
{
	unsigned long *word = lapic_vector_word(apic, APIC_TMR, vector);

	if (likely(test_bit(vector & 31, word) == level))
		return;
	if (level)
		set_bit(vector & 31, word);
	else
		clear_bit(vector & 31, word);
	atomic_inc(&apic->chip->ends_generation);
}

/**
 * lapic_raise() - request @vector. Any context. false: it was requested already. The caller
 * notifies.
 *
 * Locked, because other senders set other bits of the word. It is a full barrier too: TMR is seen
 * before IRR, and IRR before the request that makes the vCPU look at it.
 */
static __always_inline bool lapic_raise(struct lapic *apic, u8 vector)
{
	if (unlikely(apic->virtual_intr))
		return !test_and_set_bit(vector, apic->arriving);
	return !test_and_set_bit(vector & 31, lapic_vector_word(apic, APIC_IRR, vector));
}

/**
 * lapic_raise_own() - an edge from the LAPIC itself: a self-IPI, the timer's. @vector is 16 or
 * above. vCPU thread.
 */
static __always_inline void lapic_raise_own(struct lapic *apic, u8 vector)
{
	if (unlikely(!lapic_enabled(apic)))
		return;
	lapic_set_trigger(apic, vector, false);
	if (likely(lapic_raise(apic, vector)))
		vcpu_event_due(apic->vcpu);
}

/* lapic.c */
void lapic_take_arrived(struct lapic *apic);

/** lapic_collect() - what has arrived goes into IRR. vCPU thread, or vcpu->mutex held. */
static __always_inline void lapic_collect(struct lapic *apic)
{
	const unsigned long *a = apic->arriving;

	BUILD_BUG_ON(ARRAY_SIZE(apic->arriving) != 4);
	if (unlikely(data_race(a[0] | a[1] | a[2] | a[3])))
		lapic_take_arrived(apic);
}

/* ------------------------------------------------------------------ priorities. vCPU thread */

static inline u8 lapic_cr8(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_TASKPRI) >> 4 & 0xf;
}

static __always_inline int lapic_highest_isr(const struct lapic *apic)
{
	return unlikely(apic->hw_delivers) ? lapic_highest_vector(apic, APIC_ISR)
					   : apic->highest_isr_cache;
}

/* SDM 3A, 11.8.3.1. */
static __always_inline u32 lapic_ppr(const struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI) & 0xff;
	int isr = lapic_highest_isr(apic);
	u32 in_service = isr < 0 ? 0 : isr & 0xf0;

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/** lapic_deliverable() - the highest vector in IRR if its class is above PPR, or -1. */
static __always_inline int lapic_deliverable(const struct lapic *apic)
{
	int vector = lapic_highest_vector(apic, APIC_IRR);

	if (vector < 0 || (vector & 0xf0) <= (lapic_ppr(apic) & 0xf0))
		return -1;
	return vector;
}

/** lapic_accept() - move @vector from IRR to ISR: it is being injected. */
static __always_inline void lapic_accept(struct lapic *apic, u8 vector)
{
	/* Locked: senders set other bits of the word meanwhile. ISR is this thread's alone. */
	clear_bit(vector & 31, lapic_vector_word(apic, APIC_IRR, vector));
	__set_bit(vector & 31, lapic_vector_word(apic, APIC_ISR, vector));
	if (vector > apic->highest_isr_cache)
		apic->highest_isr_cache = vector;
}

/* ------------------ a processor that delivers by itself (SDM 3C, 30.1 and 30.2). vCPU thread */

/** lapic_rvi() - what it must know before the next entry: the highest vector requested, or -1. */
static __always_inline int lapic_rvi(struct lapic *apic)
{
	lapic_collect(apic);
	/* Disabled by software it keeps its vectors and delivers none (SDM 3A, 11.4.7.2). */
	return likely(lapic_enabled(apic)) ? lapic_highest_vector(apic, APIC_IRR) : -1;
}

/** lapic_svi() - and the highest in service, or -1. */
static __always_inline int lapic_svi(const struct lapic *apic)
{
	return lapic_highest_vector(apic, APIC_ISR);
}

/**
 * lapic_ends_changed() - are the vectors whose end must exit others than those that
 * lapic_awaited_ends() gave out last? Who changes TMR does so before he sets IRR, so whoever has
 * found that in IRR (lapic_rvi()) finds this. Another sender of the same vector, who finds TMR
 * changed and not counted yet, may be first: his end doesn't exit, but the one who changes TMR
 * requests the vector next, and its end is told for both.
 */
static __always_inline bool lapic_ends_changed(const struct lapic *apic)
{
	return unlikely(atomic_read(&apic->chip->ends_generation) != apic->ends_generation);
}

/* ------------------------------------------------------------------ EOI. vCPU thread */

/* Does anyone wait for the end of @vector? */
static __always_inline bool lapic_end_is_awaited(const struct lapic *apic, u8 vector)
{
	if (unlikely(lapic_test_vector(apic, APIC_TMR, vector)))
		return !(lapic_reg(apic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI);
	return unlikely(test_bit(vector, apic->chip->edge_acks));
}

/**
 * lapic_eoi() - an EOI. Returns the level-triggered vector whose end must reach the IOAPIC
 * (irqchip_eoi()), or -1.
 */
static __always_inline int lapic_eoi(struct lapic *apic)
{
	int vector = lapic_highest_isr(apic);

	if (unlikely(vector < 0))
		return -1;
	__clear_bit(vector & 31, lapic_vector_word(apic, APIC_ISR, vector));
	apic->highest_isr_cache = lapic_highest_vector(apic, APIC_ISR);
	/*
	 * SVI is another now. Or something waits that may be next, or that CR8, which moves without
	 * an exit, holds back from now on: then its threshold must be set.
	 */
	if (unlikely(apic->hw_delivers ||
		     (lapic_highest_vector(apic, APIC_IRR) >= 0 && lapic_enabled(apic))))
		vcpu_event_due(apic->vcpu);
	return lapic_end_is_awaited(apic, vector) ? vector : -1;
}

static inline void lapic_queue_eoi(struct lapic *apic, u8 vector)
{
	__set_bit(vector, apic->eois);
	apic->eois_queued = true;
}

/**
 * lapic_write_eoi() - the guest's EOI: where somebody waits for it, it is queued for
 * lapic_take_level_eoi().
 */
static __always_inline void lapic_write_eoi(struct lapic *apic)
{
	int vector = lapic_eoi(apic);

	if (unlikely(vector >= 0))
		lapic_queue_eoi(apic, vector);
}

#endif
