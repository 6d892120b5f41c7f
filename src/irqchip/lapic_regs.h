/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accessors of a LAPIC's register page. Registers are 32 bits wide, every 16 bytes; IRR, ISR and
 * TMR are eight of them each.
 */
#ifndef IRQCHIP_LAPIC_REGS_H
#define IRQCHIP_LAPIC_REGS_H

#include "irqchip/lapic.h"

static inline u32 lapic_reg(const struct lapic *apic, u32 reg)
{
	return READ_ONCE(*(u32 *)(apic->regs + reg));
}

static inline void lapic_set_reg(struct lapic *apic, u32 reg, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->regs + reg), val);
}

/*
 * The word of a 256-bit register that holds a vector; the bit in it is vector & 31. Aligned to 16
 * bytes, so bitops may take it for a long.
 */
static inline unsigned long *lapic_vector_word(const struct lapic *apic, u32 reg, u8 vector)
{
	return apic->regs + reg + (vector >> 5) * 0x10;
}

static inline bool lapic_test_vector(const struct lapic *apic, u32 reg, u8 vector)
{
	return test_bit(vector & 31, lapic_vector_word(apic, reg, vector));
}

/*
 * The highest vector set in a 256-bit register, or -1. Mostly there is none: half of the register
 * is asked at once. Others may set bits of IRR meanwhile, and nobody but the caller clears one, so
 * what was seen is found again; whoever set one that wasn't seen makes a request.
 */
static __always_inline int lapic_highest_vector(const struct lapic *apic, u32 reg)
{
	const u32 *w = apic->regs + reg;
	int word = 7;

	if (!data_race(w[28] | w[24] | w[20] | w[16])) {
		if (!data_race(w[12] | w[8] | w[4] | w[0]))
			return -1;
		word = 3;
	}
	for (; word >= 0; word--) {
		u32 bits = READ_ONCE(w[word * 4]);

		if (bits)
			return word * 32 + __fls(bits);
	}
	return -1;
}

static inline enum apic_mode lapic_mode(const struct lapic *apic)
{
	return READ_ONCE(apic->mode);
}

/* Takes interrupts: enabled in IA32_APIC_BASE and in SVR. */
static inline bool lapic_enabled(const struct lapic *apic)
{
	return lapic_mode(apic) != APIC_DISABLED && READ_ONCE(apic->sw_enabled);
}

/*
 * x2APIC's logical id follows from the id: cluster above, one bit of 16 below (SDM 3A, 11.12.10.2).
 */
static inline u32 lapic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/*
 * The address that a physical destination names. xAPIC has 8 bits of id; a LAPIC whose number has
 * more is only found by its full number until it is in x2APIC mode, so that those beyond 255 do not
 * answer for others.
 */
static inline u32 lapic_address(const struct lapic *apic)
{
	if (lapic_mode(apic) == APIC_X2APIC || apic->vcpu->id > 0xff)
		return apic->vcpu->id;
	return lapic_reg(apic, APIC_ID) >> 24;
}

#endif
