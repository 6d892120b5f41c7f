// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: registers as the guest reads and writes them, priorities, and what the run loop
 * asks.
 */
#include <asm/msr-index.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_inline.h"

/* ------------------------------------------------------------------ which registers there are */

/* One bit per register, by its number in x2APIC mode (offset / 16). */
#define R(reg)		BIT_ULL((reg) >> 4)
#define R8(reg)		(0xffULL << ((reg) >> 4))

#define LVT_REGS	(R(APIC_LVTT) | R(APIC_LVTTHMR) | R(APIC_LVTPC) | \
			 R(APIC_LVT0) | R(APIC_LVT1) | R(APIC_LVTERR))
#define COMMON_READ	(R(APIC_ID) | R(APIC_LVR) | R(APIC_TASKPRI) | R(APIC_PROCPRI) | \
			 R(APIC_LDR) | R(APIC_SPIV) | R8(APIC_ISR) | R8(APIC_TMR) | \
			 R8(APIC_IRR) | R(APIC_ESR) | R(APIC_ICR) | LVT_REGS | \
			 R(APIC_TMICT) | R(APIC_TMCCT) | R(APIC_TDCR))
#define COMMON_WRITE	(R(APIC_TASKPRI) | R(APIC_EOI) | R(APIC_SPIV) | R(APIC_ESR) | \
			 R(APIC_ICR) | LVT_REGS | R(APIC_TMICT) | R(APIC_TDCR))

/* SDM 3A, table 11-1 and table 11-6. */
static const u64 xapic_read_regs =
	COMMON_READ | R(APIC_ARBPRI) | R(APIC_RRR) | R(APIC_DFR) | R(APIC_ICR2);
static const u64 xapic_write_regs =
	COMMON_WRITE | R(APIC_ID) | R(APIC_LDR) | R(APIC_DFR) | R(APIC_ICR2);
static const u64 x2apic_read_regs = COMMON_READ;
static const u64 x2apic_write_regs = COMMON_WRITE | R(APIC_SELF_IPI);

#define APIC_VERSION	0x14u
#define APIC_MAXLVT	5u
#define LVT_VECTOR_MASK	(APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define LVT_LINT_MASK	(LVT_VECTOR_MASK | APIC_MODE_MASK | APIC_INPUT_POLARITY | \
			 APIC_LVT_LEVEL_TRIGGER)
#define TDCR_MASK	0xbu
/*
 * Bits that are zero in x2APIC's ICR. 12, delivery status in xAPIC, is ignored for those who still
 * write it.
 */
#define X2APIC_ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))

static bool reg_in(u64 set, u32 reg)
{
	return reg < 0x400 && (set >> (reg >> 4) & 1);
}

/*
 * Bits of an LVT entry that can be written (SDM 3A, figure 11-8). Remote IRR and delivery status
 * are always 0 here.
 */
static u32 lvt_mask(const struct lapic *apic, u32 reg)
{
	switch (reg) {
	case APIC_LVTT:
		return LVT_VECTOR_MASK | APIC_LVT_TIMER_PERIODIC |
			(apic->tsc_deadline_allowed ? APIC_LVT_TIMER_TSCDEADLINE : 0);
	case APIC_LVTERR:
		return LVT_VECTOR_MASK;
	case APIC_LVT0:
	case APIC_LVT1:
		return LVT_LINT_MASK;
	default:
		return LVT_VECTOR_MASK | APIC_MODE_MASK;
	}
}

static bool directed_eoi_allowed(const struct lapic *apic)
{
	/* Our own IOAPIC has no EOI register; the VMM's may have one. */
	return apic->x2apic_allowed && READ_ONCE(apic->chip->mode) == IRQCHIP_SPLIT;
}

static u32 lapic_version(const struct lapic *apic)
{
	return APIC_VERSION | APIC_MAXLVT << 16 |
	       (directed_eoi_allowed(apic) ? APIC_LVR_DIRECTED_EOI : 0);
}

/* ------------------------------------------------------------------ priorities: lapic_inline.h */

/*
 * Into IRR, which is this thread's alone while the guest doesn't run. The exchange is a full
 * barrier: TMR of what it finds is seen. Without virtual_intr nothing arrives.
 */
noinline void lapic_take_arrived(struct lapic *apic)
{
	u32 *irr = apic->regs + APIC_IRR;
	u32 i;

#pragma GCC unroll 4
	for (i = 0; i < ARRAY_SIZE(apic->arriving); i++) {
		u64 bits;

		if (!READ_ONCE(apic->arriving[i]))
			continue;
		bits = xchg(&apic->arriving[i], 0);
		WRITE_ONCE(irr[i * 8], irr[i * 8] | (u32)bits);
		WRITE_ONCE(irr[i * 8 + 4], irr[i * 8 + 4] | bits >> 32);
	}
}

void lapic_forget_arriving(struct lapic *apic)
{
	u32 i;

	for (i = 0; i < BITS_TO_LONGS(256); i++)
		xchg(&apic->arriving[i], 0);
}

int lapic_highest_irr(struct lapic *apic)
{
	lapic_collect(apic);
	return lapic_highest_vector(apic, APIC_IRR);
}

int lapic_highest_pending(struct lapic *apic)
{
	lapic_timer_take(apic);
	lapic_collect(apic);
	if (!lapic_enabled(apic))
		return -1;
	return lapic_deliverable(apic);
}

void lapic_set_irr(struct lapic *apic, u8 vector)
{
	set_bit(vector & 31, lapic_vector_word(apic, APIC_IRR, vector));
}

bool lapic_accepts_extint(struct lapic *apic)
{
	u32 lint0 = lapic_reg(apic, APIC_LVT0);

	return lapic_mode(apic) == APIC_DISABLED ||
		(!(lint0 & APIC_LVT_MASKED) && GET_APIC_DELIVERY_MODE(lint0) == APIC_EXTINT);
}

static void lapic_write_tpr(struct lapic *apic, u32 tpr)
{
	lapic_set_reg(apic, APIC_TASKPRI, tpr & 0xff);
	/* PPR may have sunk: something that waited in IRR may be next. */
	if (unlikely(lapic_deliverable(apic) >= 0) && lapic_enabled(apic))
		vcpu_event_due(apic->vcpu);
}

void lapic_set_cr8(struct lapic *apic, u8 cr8)
{
	lapic_write_tpr(apic, (cr8 & 0xf) << 4);
}

/* ------------------------------------------------------------------ EOI: lapic_inline.h */

void lapic_ended(struct lapic *apic, u8 vector)
{
	if (lapic_end_is_awaited(apic, vector))
		lapic_queue_eoi(apic, vector);
}

int lapic_take_level_eoi(struct lapic *apic)
{
	unsigned long vector;

	if (likely(!apic->eois_queued))
		return -1;
	vector = find_first_bit(apic->eois, 256);
	if (vector < 256) {
		__clear_bit(vector, apic->eois);
		return vector;
	}
	apic->eois_queued = false;
	return -1;
}

/* ------------------ a processor that delivers by itself (SDM 3C, 30.1 and 30.2) */

void lapic_let_hardware_deliver(struct lapic *apic, bool deliver)
{
	/* Read by the guest without us; it depends on what has been set since. */
	lapic_set_reg(apic, APIC_LVR, lapic_version(apic));
	apic->highest_isr_cache = lapic_highest_vector(apic, APIC_ISR);
	apic->hw_delivers = deliver;
	lapic_tell_ends(apic);
}

void lapic_tell_ends(struct lapic *apic)
{
	apic->ends_generation = atomic_read(&apic->chip->ends_generation) - 1;
}

void lapic_awaited_ends(struct lapic *apic, u64 bitmap[4])
{
	u32 i, reg = APIC_TMR;

	/* What changes from here on changes it again. */
	apic->ends_generation = atomic_read(&apic->chip->ends_generation);
	smp_rmb();	/* pairs with the atomics of who changes them */
	for (i = 0; i < 4; i++, reg += 0x20)
		bitmap[i] = lapic_reg(apic, reg) | (u64)lapic_reg(apic, reg + 0x10) << 32 |
			    READ_ONCE(apic->chip->edge_acks[i]);
}

/* ------------------------------------------------------------------ ICR */

static bool icr_sends_vector(const struct apic_msg *msg)
{
	return msg->delivery == APIC_FIXED || msg->delivery == APIC_LOWEST_PRIORITY;
}

/*
 * SDM 3A, 11.6.1. An IPI is an edge, whatever its trigger mode bit says; only INIT level de-assert
 * is told apart by it.
 */
static void lapic_send_ipi(struct lapic *apic, u32 icr, u32 dest)
{
	struct apic_msg msg = {
		.dest = dest,
		.vector = icr,
		.delivery = GET_APIC_DELIVERY_MODE(icr),
		.shorthand = icr >> 18 & 3,
		.logical = icr & APIC_DEST_LOGICAL,
		.assert = icr & APIC_INT_ASSERT,
	};

	msg.level = msg.delivery == APIC_INIT_IPI && (icr & APIC_INT_LEVELTRIG);
	if (icr_sends_vector(&msg) && msg.vector < 16) {
		lapic_error(apic, APIC_ESR_SENDILL);
		return;
	}
	/* These can't be sent through ICR. */
	if (msg.delivery == APIC_REMOTE_READ || msg.delivery == APIC_EXTINT)
		return;
	lapic_deliver(apic->chip, apic, &msg);
}

static void lapic_write_icr(struct lapic *apic, u32 low, u32 high)
{
	low &= ~APIC_ICR_BUSY;
	lapic_set_reg(apic, APIC_ICR, low);
	lapic_set_reg(apic, APIC_ICR2, high);
	lapic_send_ipi(apic, low, lapic_mode(apic) == APIC_X2APIC ? high : high >> 24);
}

static void lapic_self_ipi(struct lapic *apic, u8 vector)
{
	if (vector < 16)
		lapic_error(apic, APIC_ESR_SENDILL);
	else
		lapic_raise_own(apic, vector);
}

/* -------------------------------------------------- other registers with an effect */

static void lapic_write_lvt(struct lapic *apic, u32 reg, u32 val)
{
	val &= lvt_mask(apic, reg);
	/* While disabled by software, all are masked (SDM 3A, 11.4.7.2). */
	if (!apic->sw_enabled)
		val |= APIC_LVT_MASKED;
	lapic_set_reg(apic, reg, val);
	if (reg == APIC_LVTT)
		lapic_timer_lvt_changed(apic);
	if (reg != APIC_LVT0)
		return;
	/*
	 * The PIC may have waited for this door; or the PIT, for what won't come through it any
	 * more.
	 */
	if (lapic_accepts_extint(apic))
		vcpu_request(apic->vcpu, REQ_EVENT);
	else
		queue_work(irqchip_wq, &apic->chip->retry_work);
}

static void lapic_mask_lvts(struct lapic *apic)
{
	u32 reg;

	for (reg = APIC_LVTT; reg <= APIC_LVTERR; reg += 0x10)
		lapic_set_reg(apic, reg, lapic_reg(apic, reg) | APIC_LVT_MASKED);
}

static u32 svr_mask(const struct lapic *apic)
{
	return APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED | APIC_SPIV_FOCUS_DISABLED |
		(directed_eoi_allowed(apic) ? APIC_SPIV_DIRECTED_EOI : 0);
}

static void lapic_write_svr(struct lapic *apic, u32 val)
{
	bool enabled = val & APIC_SPIV_APIC_ENABLED;

	lapic_set_reg(apic, APIC_SPIV, val & svr_mask(apic));
	if (enabled == apic->sw_enabled)
		return;
	WRITE_ONCE(apic->sw_enabled, enabled);
	/* A processor that delivers by itself must be told of both: what waits waits on, or is next. */
	vcpu_request(apic->vcpu, REQ_EVENT);
	if (!enabled) {
		lapic_mask_lvts(apic);
		return;
	}
	/* Not from here: the IOAPIC's lock may sleep on PREEMPT_RT, and IRQs may be off. */
	queue_work(irqchip_wq, &apic->chip->retry_work);
}

static void lapic_write_id(struct lapic *apic, u32 reg, u32 val)
{
	if (lapic_reg(apic, reg) == val)
		return;
	lapic_set_reg(apic, reg, val);
	apic_map_invalidate(apic->chip);
}

/*
 * A register that exists and can be written, in its mode; checks are done. Bits that a register has
 * not are dropped.
 */
static void lapic_write_reg(struct lapic *apic, u32 reg, u32 val)
{
	switch (reg) {
	case APIC_ID:
	case APIC_LDR:
		lapic_write_id(apic, reg, val & 0xff000000);
		break;
	case APIC_DFR:
		lapic_write_id(apic, reg, val | 0x0fffffff);
		break;
	case APIC_TASKPRI:
		lapic_write_tpr(apic, val);
		break;
	case APIC_EOI:
		lapic_write_eoi(apic);
		break;
	case APIC_SPIV:
		lapic_write_svr(apic, val);
		break;
	case APIC_ESR:
		/*
		 * A write arms the register; a read sees what happened up to then (SDM 3A, 11.5.3).
		 */
		lapic_set_reg(apic, APIC_ESR, xchg(&apic->esr_pending, 0));
		break;
	case APIC_ICR:
		lapic_write_icr(apic, val, lapic_reg(apic, APIC_ICR2));
		break;
	case APIC_ICR2:
		lapic_set_reg(apic, APIC_ICR2, val & 0xff000000);
		break;
	case APIC_TMICT:
		lapic_set_reg(apic, APIC_TMICT, val);
		lapic_timer_start(apic);
		break;
	case APIC_TDCR:
		lapic_timer_set_divide(apic, val & TDCR_MASK);
		break;
	case APIC_SELF_IPI:
		lapic_self_ipi(apic, val);
		break;
	default:
		lapic_write_lvt(apic, reg, val);
		break;
	}
}

static u32 lapic_read_reg(struct lapic *apic, u32 reg)
{
	switch (reg) {
	case APIC_LVR:
		return lapic_version(apic);
	case APIC_PROCPRI:
	case APIC_ARBPRI:
		return lapic_ppr(apic);
	case APIC_TMCCT:
		return lapic_timer_count(apic);
	case APIC_RRR:
		return 0;
	default:
		return lapic_reg(apic, reg);
	}
}

/* ------------------------------------------------------------------ xAPIC: memory */

void lapic_mmio_read(struct lapic *apic, u32 offset, u32 len, void *data)
{
	u32 reg = offset & 0xff0, val = 0;

	memset(data, 0, len);
	/*
	 * Registers are read as aligned 32-bit words (SDM 3A, 11.4.1); a part of one is let pass,
	 * since processors do.
	 */
	if (lapic_mode(apic) != APIC_XAPIC || (offset & 0xf) + len > 4)
		return;
	if (reg_in(xapic_read_regs, reg))
		val = lapic_read_reg(apic, reg);
	else if (!reg_in(xapic_write_regs, reg))
		lapic_error(apic, APIC_ESR_ILLREGA);
	memcpy(data, (u8 *)&val + (offset & 3), len);
}

void lapic_mmio_write(struct lapic *apic, u32 offset, u32 len, const void *data)
{
	u32 val;

	if (lapic_mode(apic) != APIC_XAPIC || len != 4 || (offset & 0xf))
		return;
	memcpy(&val, data, 4);
	if (reg_in(xapic_write_regs, offset))
		lapic_write_reg(apic, offset, val);
	else if (!reg_in(xapic_read_regs, offset))
		lapic_error(apic, APIC_ESR_ILLREGA);
}

/*
 * In x2APIC mode the processor writes by itself what it ends, too, but for a self-IPI that it can't
 * send.
 */
void lapic_written(struct lapic *apic, u32 offset)
{
	u32 reg = offset & 0xff0;

	if (!reg_in(lapic_mode(apic) == APIC_X2APIC ? x2apic_write_regs : xapic_write_regs, reg))
		return;
	lapic_write_reg(apic, reg, lapic_reg(apic, reg));
	/* What it was before is not known. */
	if (reg == APIC_ID || reg == APIC_LDR || reg == APIC_DFR)
		apic_map_invalidate(apic->chip);
}

/* -------------------------------------------------- x2APIC: MSRs (SDM 3A, 11.12.1) */

/* Bits that a write may set; anything else is #GP. */
static u64 x2apic_writable_bits(const struct lapic *apic, u32 reg)
{
	switch (reg) {
	case APIC_TASKPRI:
	case APIC_SELF_IPI:
		return 0xff;
	case APIC_EOI:
	case APIC_ESR:
		return 0;
	case APIC_SPIV:
		return svr_mask(apic);
	case APIC_ICR:
		return ~X2APIC_ICR_RESERVED;
	case APIC_TMICT:
		return U32_MAX;
	case APIC_TDCR:
		return TDCR_MASK;
	default:
		/* Delivery status and remote IRR are read-only, not reserved. */
		return lvt_mask(apic, reg) | APIC_SEND_PENDING |
			(reg == APIC_LVT0 || reg == APIC_LVT1 ? APIC_LVT_REMOTE_IRR : 0);
	}
}

static int x2apic_write(struct lapic *apic, u32 reg, u64 val)
{
	if (lapic_mode(apic) != APIC_X2APIC || !reg_in(x2apic_write_regs, reg) ||
	    (val & ~x2apic_writable_bits(apic, reg)))
		return -EINVAL;
	if (reg == APIC_ICR)
		lapic_write_icr(apic, val, val >> 32);
	else
		lapic_write_reg(apic, reg, val);
	return 0;
}

static int x2apic_read(struct lapic *apic, u32 reg, u64 *val)
{
	if (lapic_mode(apic) != APIC_X2APIC || !reg_in(x2apic_read_regs, reg))
		return -EINVAL;
	*val = lapic_read_reg(apic, reg);
	if (reg == APIC_ICR)
		*val |= (u64)lapic_reg(apic, APIC_ICR2) << 32;
	return 0;
}

int lapic_msr_read(struct lapic *apic, u32 msr, u64 *val)
{
	if (msr == MSR_IA32_TSC_DEADLINE) {
		*val = lapic_timer_deadline(apic);
		return 0;
	}
	if (msr < APIC_BASE_MSR || msr > APIC_BASE_MSR + 0xff)
		return -EINVAL;
	return x2apic_read(apic, (msr - APIC_BASE_MSR) << 4, val);
}

int lapic_msr_write(struct lapic *apic, u32 msr, u64 val)
{
	if (msr == MSR_IA32_TSC_DEADLINE) {
		lapic_timer_set_deadline(apic, val);
		return 0;
	}
	if (msr < APIC_BASE_MSR || msr > APIC_BASE_MSR + 0xff)
		return -EINVAL;
	return x2apic_write(apic, (msr - APIC_BASE_MSR) << 4, val);
}
