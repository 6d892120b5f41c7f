// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a LAPIC: creation, RESET and INIT, IA32_APIC_BASE, and its state as ioctls see it.
 */
#include <linux/rculist.h>
#include <linux/slab.h>
#include <asm/msr-index.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_regs.h"

/* LVT entries that the page holds; CMCI's is not there. */
#define for_each_lvt(reg) for ((reg) = APIC_LVTT; (reg) <= APIC_LVTERR; (reg) += 0x10)

#define APIC_BASE_RESERVED	(0xffULL | BIT_ULL(9) | GENMASK_ULL(63, 52))

/* ------------------------------------------------------------------ reset */

static bool lapic_is_bsp(const struct lapic *apic)
{
	return apic->vcpu->id == READ_ONCE(apic->chip->bsp_id);
}

/* What the registers hold after power-up (SDM 3A, 11.4.7.1), but for the id. */
static void lapic_reset_regs(struct lapic *apic)
{
	u32 id = lapic_reg(apic, APIC_ID), reg;

	lapic_timer_stop(apic);
	apic->timer.deadline = 0;
	apic->timer.period_ns = 0;
	apic->timer.mode = 0;
	lapic_forget_arriving(apic);
	/*
	 * Word by word: a sender may be setting a bit in the middle, and must not see half a
	 * register.
	 */
	for (reg = 0; reg < KVM_APIC_REG_SIZE; reg += 0x10)
		lapic_set_reg(apic, reg, 0);
	lapic_set_reg(apic, APIC_ID, id);
	lapic_set_reg(apic, APIC_LVR, lapic_version(apic));
	lapic_set_reg(apic, APIC_SPIV, 0xff);
	for_each_lvt(reg)
		lapic_set_reg(apic, reg, APIC_LVT_MASKED);
	lapic_timer_set_divide(apic, 0);
	WRITE_ONCE(apic->sw_enabled, false);
	apic->highest_isr_cache = -1;
	bitmap_zero(apic->eois, 256);
	apic->eois_queued = false;
	WRITE_ONCE(apic->esr_pending, 0);
	if (lapic_mode(apic) == APIC_X2APIC)
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(apic->vcpu->id));
	else
		lapic_set_reg(apic, APIC_DFR, APIC_DFR_FLAT);
	apic_map_invalidate(apic->chip);
}

static enum apic_mode base_mode(u64 base)
{
	if (!(base & MSR_IA32_APICBASE_ENABLE))
		return APIC_DISABLED;
	return base & X2APIC_ENABLE ? APIC_X2APIC : APIC_XAPIC;
}

void lapic_reset(struct lapic *apic, enum lapic_reset how)
{
	if (how == LAPIC_RESET) {
		apic->base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			(lapic_is_bsp(apic) ? MSR_IA32_APICBASE_BSP : 0);
		WRITE_ONCE(apic->mode, APIC_XAPIC);
		lapic_set_reg(apic, APIC_ID, apic->vcpu->id << 24);
		WRITE_ONCE(apic->pending_init_sipi, 0);
		WRITE_ONCE(apic->nmi_pending, 0);
	}
	lapic_reset_regs(apic);
	/*
	 * Firmware that has no LAPIC driver gets the PIC's interrupts (api.rst,
	 * KVM_X86_QUIRK_LINT0_REENABLED).
	 */
	if (how == LAPIC_RESET && lapic_is_bsp(apic) &&
	    !READ_ONCE(apic->chip->lint0_quirk_disabled))
		lapic_set_reg(apic, APIC_LVT0, SET_APIC_DELIVERY_MODE(0, APIC_MODE_EXTINT));
	vcpu_request(apic->vcpu, REQ_EVENT);
	vcpu_request(apic->vcpu, REQ_APIC_MODE);
}

/* ------------------------------------------------------------------ create, destroy */

int lapic_create(struct lapic *apic, struct vcpu *vcpu, struct irqchip *chip)
{
	BUILD_BUG_ON(KVM_APIC_REG_SIZE > PAGE_SIZE);
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs)
		return -ENOMEM;
	apic->vcpu = vcpu;
	apic->chip = chip;
	if (!apic->bus_ns)
		apic->bus_ns = 1;
	INIT_LIST_HEAD(&apic->node);
	lapic_timer_init(apic);
	lapic_reset(apic, LAPIC_RESET);
	/* From here on senders find it. */
	raw_spin_lock_irq(&chip->map_lock);
	list_add_tail_rcu(&apic->node, &chip->lapics);
	raw_spin_unlock_irq(&chip->map_lock);
	apic_map_invalidate(chip);
	return 0;
}

void lapic_destroy(struct lapic *apic)
{
	struct irqchip *chip = apic->chip;

	if (!apic->regs)
		return;
	raw_spin_lock_irq(&chip->map_lock);
	list_del_rcu(&apic->node);
	raw_spin_unlock_irq(&chip->map_lock);
	apic_map_invalidate(chip);
	/* Senders that found it in the list or the table, and a worker that was building one. */
	flush_delayed_work(&chip->map_work);
	synchronize_rcu_expedited();
	hrtimer_cancel(&apic->timer.hrtimer);
	free_page((unsigned long)apic->regs);
	apic->regs = NULL;
}

/* -------------------------------------------------- IA32_APIC_BASE (SDM 3A, 11.12.5) */

static bool base_is_valid(const struct lapic *apic, u64 base)
{
	if (base & APIC_BASE_RESERVED)
		return false;
	if (!(base & X2APIC_ENABLE))
		return true;
	return (base & MSR_IA32_APICBASE_ENABLE) && apic->x2apic_allowed;
}

/*
 * The guest gets to x2APIC through xAPIC, and back through disabled only. A VMM sets what it likes.
 */
static bool transition_is_legal(enum apic_mode from, enum apic_mode to)
{
	if (from == APIC_DISABLED)
		return to != APIC_X2APIC;
	return !(from == APIC_X2APIC && to == APIC_XAPIC);
}

/* The id registers follow the mode; senders scan until the table is rebuilt. */
static void lapic_change_mode(struct lapic *apic, enum apic_mode mode)
{
	enum apic_mode old = apic->mode;
	u32 id = apic->vcpu->id;

	WRITE_ONCE(apic->mode, mode);
	if (mode == APIC_X2APIC) {
		lapic_set_reg(apic, APIC_ID, id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(id));
		lapic_set_reg(apic, APIC_ICR2, 0);
	} else if (old == APIC_X2APIC) {
		lapic_set_reg(apic, APIC_ID, id << 24);
		lapic_set_reg(apic, APIC_LDR, 0);
		lapic_set_reg(apic, APIC_DFR, APIC_DFR_FLAT);
	}
	if (mode == APIC_DISABLED)
		lapic_timer_stop(apic);
	apic_map_invalidate(apic->chip);
	vcpu_request(apic->vcpu, REQ_APIC_MODE);
	vcpu_request(apic->vcpu, REQ_EVENT);
}

/*
 * A base other than the default is kept and read back. Whether anything answers there is the MMIO
 * dispatch's matter, which compares with apic->base; every guest in use leaves it where it is.
 */
int lapic_set_base(struct lapic *apic, u64 base, bool host)
{
	enum apic_mode mode = base_mode(base);

	if (!base_is_valid(apic, base) || (!host && !transition_is_legal(apic->mode, mode)))
		return -EINVAL;
	if (apic->base == base)
		return 0;
	apic->base = base;
	if (apic->mode == mode) {
		/* The processor's view of the page may have to follow. */
		vcpu_request(apic->vcpu, REQ_APIC_MODE);
		return 0;
	}
	/*
	 * What was disabled wakes as from power-up. A VMM that restores may have set the registers
	 * before, and keeps them.
	 */
	if (!host && mode == APIC_DISABLED)
		lapic_reset_regs(apic);
	lapic_change_mode(apic, mode);
	return 0;
}

/* -------------------------------------------------- KVM_GET/SET_LAPIC (api.rst 4.57, 4.58) */

static u32 state_reg(const struct kvm_lapic_state *state, u32 reg)
{
	u32 val;

	memcpy(&val, state->regs + reg, sizeof(val));
	return val;
}

static void state_set_reg(struct kvm_lapic_state *state, u32 reg, u32 val)
{
	memcpy(state->regs + reg, &val, sizeof(val));
}

static bool state_has_32bit_id(const struct lapic *apic)
{
	return apic->mode == APIC_X2APIC && apic->chip->x2apic_format;
}

int lapic_get_state(struct lapic *apic, struct kvm_lapic_state *state)
{
	/* A tick that fired is in IRR when another host goes on with it. */
	lapic_timer_latch(apic);
	lapic_collect(apic);
	lapic_set_reg(apic, APIC_LVR, lapic_version(apic));
	memcpy(state->regs, apic->regs, KVM_APIC_REG_SIZE);
	state_set_reg(state, APIC_PROCPRI, lapic_ppr(apic));
	state_set_reg(state, APIC_TMCCT, lapic_timer_count(apic));
	if (apic->mode == APIC_X2APIC && !state_has_32bit_id(apic))
		state_set_reg(state, APIC_ID, apic->vcpu->id << 24);
	return 0;
}

/* Bits that the registers don't have are dropped; vectors below 16 are no interrupts. */
static void lapic_sanitize(struct lapic *apic)
{
	u32 reg;

	for_each_lvt(reg)
		lapic_set_reg(apic, reg, lapic_reg(apic, reg) & lvt_mask(apic, reg));
	lapic_set_reg(apic, APIC_SPIV, lapic_reg(apic, APIC_SPIV) & svr_mask(apic));
	lapic_set_reg(apic, APIC_TASKPRI, lapic_reg(apic, APIC_TASKPRI) & 0xff);
	lapic_set_reg(apic, APIC_ICR, lapic_reg(apic, APIC_ICR) & ~APIC_ICR_BUSY);
	lapic_set_reg(apic, APIC_TDCR, lapic_reg(apic, APIC_TDCR) & TDCR_MASK);
	lapic_set_reg(apic, APIC_LVR, lapic_version(apic));
	lapic_set_reg(apic, APIC_ISR, lapic_reg(apic, APIC_ISR) & ~0xffffu);
}

/* TMR and IRR, which senders write too, are neighbours. */
static bool senders_write(u32 reg)
{
	return reg >= APIC_TMR && reg < APIC_IRR + 0x80;
}

static void lapic_forget_requests(struct lapic *apic)
{
	u32 reg;

	lapic_forget_arriving(apic);
	for (reg = APIC_TMR; senders_write(reg); reg += 0x10)
		lapic_set_reg(apic, reg, 0);
}

static void lapic_add_requests(struct lapic *apic, const struct kvm_lapic_state *state, u32 reg)
{
	u32 vector;

	for (vector = 16; vector < 256; vector++)
		if (state_reg(state, reg + (vector >> 5) * 0x10) & BIT(vector & 31))
			set_bit(vector & 31, lapic_vector_word(apic, reg, vector));
}

/*
 * Senders don't wait for an ioctl. What they requested before it is replaced; what they request
 * while it runs is added to what the VMM says, with its trigger mode: a level that arrived as an
 * edge would never end. Only who had looked at TMR already when it was cleared, and sets IRR later,
 * comes as an edge: a VMM stops what it sets the state of.
 */
static void lapic_replace_regs(struct lapic *apic, const struct kvm_lapic_state *state)
{
	u32 reg;

	lapic_forget_requests(apic);
	for (reg = 0; reg < KVM_APIC_REG_SIZE; reg += 0x10)
		if (!senders_write(reg))
			lapic_set_reg(apic, reg, state_reg(state, reg));
	lapic_add_requests(apic, state, APIC_TMR);
	lapic_add_requests(apic, state, APIC_IRR);
}

static void lapic_restore_id(struct lapic *apic)
{
	if (apic->mode == APIC_X2APIC) {
		lapic_set_reg(apic, APIC_ID, apic->vcpu->id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(apic->vcpu->id));
		return;
	}
	lapic_set_reg(apic, APIC_ID, lapic_reg(apic, APIC_ID) & 0xff000000);
	lapic_set_reg(apic, APIC_LDR, lapic_reg(apic, APIC_LDR) & 0xff000000);
	lapic_set_reg(apic, APIC_DFR, lapic_reg(apic, APIC_DFR) | 0x0fffffff);
}

int lapic_set_state(struct lapic *apic, const struct kvm_lapic_state *state)
{
	/* x2APIC ids can't be changed. */
	if (state_has_32bit_id(apic) && state_reg(state, APIC_ID) != apic->vcpu->id)
		return -EINVAL;
	/* Not before the timer is quiet: its settings are read from these registers. */
	lapic_timer_stop(apic);
	lapic_replace_regs(apic, state);
	lapic_sanitize(apic);
	lapic_restore_id(apic);
	WRITE_ONCE(apic->sw_enabled, lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED);
	apic->highest_isr_cache = lapic_highest_vector(apic, APIC_ISR);
	bitmap_zero(apic->eois, 256);
	apic->eois_queued = false;
	lapic_timer_set_divide(apic, lapic_reg(apic, APIC_TDCR));
	lapic_timer_restore(apic);
	lapic_tell_ends(apic);
	apic_map_invalidate(apic->chip);
	vcpu_request(apic->vcpu, REQ_EVENT);
	return 0;
}
