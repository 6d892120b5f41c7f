/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC of one vCPU (SDM 3A, chapter 11; APM 2, chapter 16).
 *
 * Its registers are one page in the layout of the hardware, so that KVM_GET/SET_LAPIC is a copy and
 * a backend with APIC virtualization can be pointed at it. IRR bits are set by anyone with atomic
 * bitops and then REQ_EVENT + vcpu_kick(); all else is the vCPU's own thread (or whoever holds
 * vcpu->mutex while it doesn't run).
 *
 * Where the processor delivers interrupts itself, it changes IRR without a lock while the guest
 * runs (SDM 3C, 30.1): others then set bits of lapic.arriving instead. The vCPU's thread, which
 * REQ_EVENT calls for them, moves them to IRR before the next entry and tells the processor.
 */
#ifndef IRQCHIP_LAPIC_H
#define IRQCHIP_LAPIC_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <asm/apicdef.h>
#include "core/types.h"
#include "core/vcpu.h"

#define APIC_BUS_NS_DEFAULT	1

struct irqchip;

enum apic_mode { APIC_DISABLED, APIC_XAPIC, APIC_X2APIC };
/* Delivery modes as ICR and LVT encode them (bits 8-10). */
enum apic_delivery {
	APIC_FIXED, APIC_LOWEST_PRIORITY, APIC_SMI, APIC_REMOTE_READ, APIC_NMI, APIC_INIT_IPI,
	APIC_STARTUP, APIC_EXTINT,
};

/* Bits of lapic.pending_init_sipi. */
enum { LAPIC_PENDING_INIT, LAPIC_PENDING_SIPI };

/* One interrupt message, from ICR, MSI, IOAPIC or self-IPI. */
struct apic_msg {
	u32 dest;
	u8 vector;
	u8 delivery;		/* enum apic_delivery */
	u8 shorthand;		/* 0 none, 1 self, 2 all, 3 all but self */
	bool logical, level, assert;
	bool msi_redir_hint;
};

#define APIC_IDS_MAX	128
/* A physical id, @first + n in 32 bits, for each bit n. ~0 is nobody's, nor everybody's. */
struct apic_ids {
	DECLARE_BITMAP(bits, APIC_IDS_MAX);
	u32 first;
};

/* Timer tick as the LAPIC sees time; the floor above keeps it up to date. */
struct apic_tsc {
	u64 offset, ratio;	/* guest = host * ratio + offset; ratio 0: none */
	u8 ratio_frac_bits;	/* where the binary point of ratio is */
	u32 khz;		/* guest TSC */
};

struct lapic {
	struct vcpu *vcpu;
	struct irqchip *chip;
	void *regs;			/* page */
	u64 base;			/* IA32_APIC_BASE */
	enum apic_mode mode;
	bool sw_enabled;		/* SVR bit 8 */
	struct list_head node;		/* irqchip.lapics; RCU */
	int highest_isr_cache;		/* -1: no vector in service; not kept while hw_delivers */
	/* the VM's parameter, written once: others leave vectors in arriving */
	bool virtual_intr;
	/* just now the processor takes vectors from IRR to ISR and ends them by itself */
	bool hw_delivers;
	int ends_generation;		/* chip's, of what it has been told of ends */
	/* atomic; lapic_collect() moves them to IRR, which may be the processor's */
	DECLARE_BITMAP(arriving, 256);
	bool eois_queued;		/* a bit is set in eois */
	/* ended vectors that lapic_take_level_eoi() has not given out yet */
	DECLARE_BITMAP(eois, 256);
	/* APIC_ESR_* since the last write to ESR; atomic, senders set them too */
	unsigned long esr_pending;
	struct {
		struct hrtimer hrtimer;
		u64 deadline;		/* IA32_TSC_DEADLINE, guest TSC; 0 off */
		u64 period_ns;
		u8 mode;		/* that LVTT had when it was last looked at */
		/* expires 0: not armed, or a deadline that the processor counts */
		ktime_t start, expires;
		atomic_t pending;	/* fired, not yet latched into IRR */
		bool host;		/* the hrtimer may be queued */
		/*
		 * the VM's parameter: while the vCPU doesn't sleep the processor counts, not the
		 * hrtimer
		 */
		bool use_hw;
		bool hw;		/* armed there; is over at host_tsc */
		/* ... or no longer, and it hasn't been told: lapic_timer_for_hardware() */
		bool moved;
		u64 host_tsc;
	} timer;
	struct apic_tsc tsc;
	u32 bus_ns;			/* of a tick; KVM_CAP_X86_APIC_BUS_CYCLES_NS */
	bool tsc_deadline_allowed, x2apic_allowed;	/* guest CPUID */
	unsigned long pending_init_sipi;	/* LAPIC_PENDING_*; taken by the vCPU's thread */
	u8 sipi_vector;
	/* NMIs waiting: xadd() by senders, xchg() by the vCPU's thread; REQ_NMI */
	u32 nmi_pending;
	u32 divide;			/* what TDCR says */
};

/** lapic_create() - sleeps; -ENOMEM. lapic_reset() follows. The id is vcpu->id. */
int lapic_create(struct lapic *apic, struct vcpu *vcpu, struct irqchip *chip);
void lapic_destroy(struct lapic *apic);
/**
 * lapic_reset() - RESET, or INIT (@init), which keeps the id and base. vCPU thread or not running.
 */
enum lapic_reset { LAPIC_RESET, LAPIC_INIT };
void lapic_reset(struct lapic *apic, enum lapic_reset how);

/**
 * lapic_deliver() - send a message to all LAPICs that it addresses. @source NULL: not from a LAPIC.
 * Any context incl. IRQs off (never sleeps). Returns the number of LAPICs that accepted it, 0: all
 * refused, -1: nobody has this address.
 */
int lapic_deliver(struct irqchip *chip, struct lapic *source, const struct apic_msg *msg);
/**
 * lapic_deliver_to_ids() - the same to each of @ids; @msg has no shorthand, and its destination
 * doesn't count. Asks each LAPIC once at most, however many ids there are. Returns how many
 * accepted.
 */
int lapic_deliver_to_ids(struct irqchip *chip, struct lapic *source, const struct apic_msg *msg,
			 const struct apic_ids *ids);
/**
 * lapic_send_to_one() - x2APIC's ICR is written with @icr: a vector for the one LAPIC that has the
 * id. vCPU thread, IRQs off. false: it is something else, or the table of ids is out of date;
 * nothing was done, and lapic_msr_write() does it.
 */
bool lapic_send_to_one(struct lapic *source, u64 icr);

/* ---- the guest's accesses. vCPU thread; may be called with IRQs off (fast exits). */

/** lapic_mmio_read/write() - xAPIC registers at @offset from the base. */
void lapic_mmio_read(struct lapic *apic, u32 offset, u32 len, void *data);
void lapic_mmio_write(struct lapic *apic, u32 offset, u32 len, const void *data);
/**
 * lapic_msr_read/write() - x2APIC MSRs 0x800-0x8ff, TSC_DEADLINE. 0, or -EINVAL: #GP. TSC_DEADLINE
 * is never refused: a write out of its mode is ignored, which a guest without the mode can't get
 * into, and a VMM may write 0 there.
 */
int lapic_msr_read(struct lapic *apic, u32 msr, u64 *val);
int lapic_msr_write(struct lapic *apic, u32 msr, u64 val);
/**
 * lapic_set_base() - IA32_APIC_BASE. @host: an ioctl's write, not the guest's. 0, or -EINVAL: an
 * illegal transition or reserved bits (#GP). Requests REQ_APIC_MODE.
 */
int lapic_set_base(struct lapic *apic, u64 base, bool host);
void lapic_set_cr8(struct lapic *apic, u8 cr8);
/**
 * lapic_written() - the processor has written the register at @offset of the page for the guest: do
 * what such a write does.
 */
void lapic_written(struct lapic *apic, u32 offset);
/**
 * lapic_ended() - the processor has ended @vector by itself, and it is one of
 * lapic_awaited_ends(). Queued as below.
 */
void lapic_ended(struct lapic *apic, u8 vector);
/*
 * A write to EOI through lapic_mmio_write()/lapic_msr_write() may end a level-triggered vector: it
 * is queued, and the vCPU floor takes it with this: a vector, or -1 when none is left. Broadcast
 * suppression (SVR bit 12) is honoured.
 */
int lapic_take_level_eoi(struct lapic *apic);

/** lapic_error() - note an APIC_ESR_* error and raise the error LVT. Any context. */
void lapic_error(struct lapic *apic, u32 error);

/*
 * ---- the run loop's questions. vCPU thread, IRQs off or on. More of them, and EOI:
 * lapic_inline.h.
 */

/**
 * lapic_highest_pending() - the highest IRR vector whose class is above PPR, or -1. Latches a fired
 * timer first.
 */
int lapic_highest_pending(struct lapic *apic);
/** lapic_highest_irr() - regardless of PPR; -1 none. */
int lapic_highest_irr(struct lapic *apic);
/**
 * lapic_accepts_extint() - would this LAPIC pass the PIC's INTR on (disabled, or LINT0 unmasked in
 * ExtINT mode)?
 */
bool lapic_accepts_extint(struct lapic *apic);
/** lapic_set_irr() - for events taken back. */
void lapic_set_irr(struct lapic *apic, u8 vector);
/**
 * lapic_let_hardware_deliver() - the processor shall, or shall no longer, take and end interrupts
 * in the register page. Makes the page fit to be read by the guest.
 */
void lapic_let_hardware_deliver(struct lapic *apic, bool deliver);
/**
 * lapic_awaited_ends() - the vectors whose end others wait for: a processor that delivers must exit
 * then. lapic_ends_changed() says when to ask again.
 */
void lapic_awaited_ends(struct lapic *apic, u64 bitmap[4]);
/** lapic_timer_latch() - turn timer.pending into IRR, re-arm a periodic one. */
void lapic_timer_latch(struct lapic *apic);
/** lapic_timer_set_deadline() - IA32_TSC_DEADLINE is written. */
void lapic_timer_set_deadline(struct lapic *apic, u64 tsc);
/**
 * lapic_timer_for_hardware() - has the deadline moved that the processor must know? *@host_tsc: the
 * new one, ~0 for none. Tells it once.
 */
bool lapic_timer_for_hardware(struct lapic *apic, u64 *host_tsc);
/**
 * lapic_timer_hw_over() - the processor says that its time is over, which may be early: then false.
 * Otherwise the tick is in IRR.
 */
bool lapic_timer_hw_over(struct lapic *apic);
/**
 * lapic_timer_to_host(), lapic_timer_to_hw() - the vCPU goes to sleep, or the time is too long for
 * the processor; and back.
 */
void lapic_timer_to_host(struct lapic *apic);
void lapic_timer_to_hw(struct lapic *apic);
/**
 * lapic_set_tsc() - the guest's TSC changed its offset, ratio or frequency: deadlines are
 * recomputed.
 */
void lapic_set_tsc(struct lapic *apic, const struct apic_tsc *tsc);

/* ---- state, vCPU loaded or mutex held */

/** KVM_GET/SET_LAPIC, incl. the x2APIC id format of KVM_CAP_X2APIC_API. -EINVAL. */
int lapic_get_state(struct lapic *apic, struct kvm_lapic_state *state);
int lapic_set_state(struct lapic *apic, const struct kvm_lapic_state *state);

#endif
