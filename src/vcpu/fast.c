// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast exits: answered with IRQs off, right after the guest left, and the guest goes on. No
 * sleep, no srcu, no user memory but through accesses that may fail. fast_exit() says "handled" or
 * "not handled"; the latter has changed nothing, and slow_exit() does it all.
 */
#include <linux/eventfd.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include "vcpu/fast_inline.h"

/* ------------------ how long is the instruction? */

hva_t site_hva(struct vcpu_x86 *v, gpa_t gpa)
{
	struct memslot *slot = memslot_find(memslots(v->vcpu.vm), gpa_to_gfn(gpa));

	return slot ? memslot_gfn_to_hva(slot, gpa_to_gfn(gpa)) + (gpa & 0xfff) : 0;
}

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_LARGE	BIT_ULL(7)

/*
 * The shape of a walk: bits of the address that the top table takes, and what each further level
 * takes.
 */
struct fetch_walk {
	int shift;		/* of the top level's index */
	int bits;		/* of each index */
	int entry;		/* bytes of an entry */
};

static struct fetch_walk fetch_walk(u64 cr4, u64 efer)
{
	if (efer & EFER_LMA)
		return (struct fetch_walk) { cr4 & X86_CR4_LA57 ? 48 : 39, 9, 8 };
	if (cr4 & X86_CR4_PAE)
		return (struct fetch_walk) { 30, 9, 8 };
	return (struct fetch_walk) { 22, 10, 4 };
}

/*
 * The GPA of an address that the guest has just executed. Rights don't matter then, nor do accessed
 * bits, so this is much less than mmu_walk(); and it may fail for any reason. IRQs off.
 */
static bool fetch_gpa(struct vcpu_x86 *v, u64 linear, gpa_t *gpa)
{
	struct hw_vcpu *hw = &v->hw;
	u64 table = hw_cr3(hw), entry = 0;
	struct fetch_walk w;

	*gpa = linear;
	if (!(hw_cr0(hw) & X86_CR0_PG))
		return true;
	w = fetch_walk(hw_cr4(hw), hw_efer(hw));
	table &= w.entry == 8 && w.shift == 30 ? GENMASK_ULL(31, 5) : GENMASK_ULL(51, 12);
	for (;; w.shift -= w.bits) {
		u64 index = (linear >> w.shift) & (BIT_ULL(w.bits) - 1);

		entry = 0;
		if (vm_read_guest_atomic(v->vcpu.vm, table + index * w.entry, &entry, w.entry) ||
		    !(entry & PTE_PRESENT))
			return false;
		if (w.shift == 12)
			break;
		if ((entry & PTE_LARGE) && w.shift <= 30 &&
		    !(w.shift == 30 && !(hw_efer(hw) & EFER_LMA))) {
			if (w.entry == 4)
				/* 4M pages with their folded address bits: not worth it here */
				return false;
			break;
		}
		table = entry & GENMASK_ULL(51, 12);
	}
	*gpa = (entry & GENMASK_ULL(51, w.shift)) | (linear & (BIT_ULL(w.shift) - 1));
	return true;
}

/**
 * insn_site_fill() - find the bytes at @linear, where the guest has just fetched an instruction,
 * and remember them in @s. 0: they can't be found this way. IRQs off, or vm->srcu held.
 */
hva_t insn_site_fill(struct vcpu_x86 *v, u64 linear, struct insn_site *s)
{
	hva_t hva;
	gpa_t gpa;

	/*
	 * Two that share a slot, in a loop, would push one another out each time: who is pushed out
	 * waits in the slot beside it.
	 */
	swap(*s, v->insn_sites[(s - v->insn_sites) ^ 1]);
	if (s->linear == linear && s->cr3 == hw_cr3(&v->hw))
		return s->hva;
	/* A word that crosses into the next page may continue somewhere else. */
	if ((linear & 0xfff) > 0xffc || !fetch_gpa(v, linear, &gpa))
		return 0;
	hva = site_hva(v, gpa);
	if (hva)
		*s = (struct insn_site) { .cr3 = hw_cr3(&v->hw), .linear = linear, .hva = hva };
	return hva;
}

/**
 * vcpu_usual_length() - bytes of the instruction that exited, where the hardware says or it has its
 * usual form; else 0. IRQs off, or vm->srcu held.
 */
u32 vcpu_usual_length(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 len;

	if (!exit->insn_len && !insn_forms[exit->kind].len)
		return 0;
	return insn_length(v, exit, exit->kind, &len) ? len : 0;
}

/* ------------------ handlers: each has a frame of its own, so that none pays for another's */

static bool fast_rdtsc(struct vcpu_x86 *v)
{
	u64 tsc;

	if ((hw_cr4(&v->hw) & X86_CR4_TSD) && hw_cpl(&v->hw))
		return false;
	tsc = vcpu_guest_tsc(v, rdtsc());
	hw_set_reg(&v->hw, REG_RAX, (u32)tsc);
	hw_set_reg(&v->hw, REG_RDX, tsc >> 32);
	return true;
}

static noinline bool fast_rdtscp(struct vcpu_x86 *v)
{
	u64 aux = 0;

	if (!v->has.rdtscp || vcpu_get_msr(v, MSR_TSC_AUX, &aux, true) || !fast_rdtsc(v))
		return false;
	hw_set_reg(&v->hw, REG_RCX, (u32)aux);
	return true;
}

noinline bool fast_msr_read(struct vcpu_x86 *v)
{
	u32 msr = hw_reg(&v->hw, REG_RCX);
	u64 val;

	if (!msr_allowed_by_filter(v, msr, ACCESS_READ) || !msr_read_fast(v, msr, &val))
		return false;
	v->vcpu.stats.msr_exits++;
	hw_set_reg(&v->hw, REG_RAX, (u32)val);
	hw_set_reg(&v->hw, REG_RDX, val >> 32);
	return true;
}

#define MSR_X2APIC(reg)	(APIC_BASE_MSR + ((reg) >> 4))

static bool fast_x2apic_write(struct vcpu_x86 *v, u32 msr, u64 val)
{
	if (v->apic.mode != APIC_X2APIC)
		return false;
	lapic_sync_tpr(v);
	if (!msr_write_fast(v, msr, val))
		return false;
	hw_set_tpr(&v->hw, lapic_cr8(&v->apic));
	return true;
}

static bool fast_deadline_write(struct vcpu_x86 *v, u64 deadline)
{
	if (!v->has_apic || !v->has.tsc_deadline)
		return false;
	if (unlikely(rcu_access_pointer(v_vm(v)->msr_filter)) &&
	    !msr_allowed_by_filter(v, MSR_IA32_TSC_DEADLINE, ACCESS_WRITE))
		return false;
	lapic_timer_set_deadline(&v->apic, deadline);
	vcpu_timer_to_hardware(v);
	return true;
}

static noinline bool fast_other_msr_write(struct vcpu_x86 *v, u32 msr, u64 val)
{
	if (msr == MSR_IA32_TSC_DEADLINE ? !fast_deadline_write(v, val)
					 : !fast_x2apic_write(v, msr, val))
		return false;
	v->vcpu.stats.msr_exits++;
	return true;
}

/* Most IPIs are for one. */
static noinline bool fast_icr_write(struct vcpu_x86 *v, u64 val)
{
	if (!lapic_send_to_one(&v->apic, val))
		return fast_other_msr_write(v, MSR_X2APIC(APIC_ICR), val);
	v->vcpu.stats.msr_exits++;
	return true;
}

/* The three that a guest writes most, and their values that it writes. */
noinline bool fast_msr_write(struct vcpu_x86 *v)
{
	u32 msr = hw_reg(&v->hw, REG_RCX);
	u64 val = (u32)hw_reg(&v->hw, REG_RAX) | hw_reg(&v->hw, REG_RDX) << 32;
	struct lapic *apic = &v->apic;

	if (apic->mode == APIC_X2APIC && msr == MSR_X2APIC(APIC_EOI) && !val) {
		lapic_sync_tpr(v);
		lapic_write_eoi(apic);
		/* An IOAPIC or the VMM must hear of it: not with IRQs off. */
		if (unlikely(apic->eois_queued))
			vcpu_event_due(&v->vcpu);
	} else if (apic->mode == APIC_X2APIC && msr == MSR_X2APIC(APIC_SELF_IPI) &&
		   val - 16 < 256 - 16) {
		lapic_raise_own(apic, val);
	} else if (apic->mode == APIC_X2APIC && msr == MSR_X2APIC(APIC_ICR)) {
		return fast_icr_write(v, val);
	} else {
		return fast_other_msr_write(v, msr, val);
	}
	v->vcpu.stats.msr_exits++;
	return true;
}

/* A halt that would end at once is no halt. */
static noinline bool fast_hlt(struct vcpu_x86 *v)
{
	if (!v->has_apic || !(hw_rflags(&v->hw) & X86_EFLAGS_IF))
		return false;
	lapic_sync_tpr(v);
	if (!vcpu_has_interrupt(v))
		return false;
	v->vcpu.stats.halt_exits++;
	vcpu_event_due(&v->vcpu);
	return true;
}

/* Nobody to yield to. */
static noinline bool fast_pause(struct vcpu_x86 *v)
{
	if (atomic_read(&v->vcpu.vm->nr_vcpus) > 1)
		return false;
	v->vcpu.stats.pause_exits++;
	vcpu_pause_grow(v);
	return true;
}

/* Writing CR8 exits while an interrupt waits for it to fall (hw_set_tpr_threshold()). */
static noinline bool fast_cr8_write(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 word, len = exit->insn_len;
	u8 reg = exit->cr.reg;
	u64 val;

	if (exit->cr.nr != 8 || !v->has_apic ||
	    (hw_rflags(&v->hw) & (X86_EFLAGS_TF | X86_EFLAGS_RF)))
		return false;
	if (!exit->cr.operand_known || !len) {
		if (!insn_usual_form(v, EXIT_CR_WRITE, &word))
			return false;
		/* ModRM.rm with REX.B */
		reg = ((word >> 24) & 7) | (word & 1) << 3;
		len = insn_forms[EXIT_CR_WRITE].len;
	}
	val = hw_reg(&v->hw, reg);
	if (val > 15)
		return false;
	lapic_set_cr8(&v->apic, val);
	hw_set_tpr(&v->hw, val);
	vcpu_event_due(&v->vcpu);
	vcpu_advance_rip(v, len);
	return true;
}

static bool port_doorbell(struct vcpu_x86 *v, u16 port, u32 len, u64 val)
{
	struct iobus *bus = &v->vcpu.vm->pio;
	const u64 key = port | IO_MEMO_PORT;
	struct io_memo *memo = io_memo(v, key);
	struct ioeventfd *bell = likely(memo->key == key) ? io_memo_bell(bus, memo, len) : NULL;

	if (likely(bell && ioeventfd_wants(bell, val))) {
		ioeventfd_ring(bell);
		return true;
	}
	if (!ring_doorbell(bus, memo, port, len, val))
		return false;
	memo->key = key;
	return true;
}

/* OUT to a port that a device may have: does it ring an eventfd? */
noinline bool fast_doorbell(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u64 val = (u32)hw_reg(&v->hw, REG_RAX);

	if (!exit->insn_len)
		return false;
	if (exit->io.size < 4)
		val &= BIT_ULL(exit->io.size * 8) - 1;
	if (!port_doorbell(v, exit->io.port, exit->io.size, val))
		return false;
	v->vcpu.stats.io_exits++;
	vcpu_advance_rip(v, exit->insn_len);
	return true;
}

/*
 * A page fault that only sets a bit, makes a page writable whose dirty log says so, or maps what
 * the VMM has written: no instruction has ended. Or a MOV with a device. An entry that isn't
 * present has nothing to be set, but where the processor keeps no accessed bits and aging takes the
 * present bits away.
 */
noinline bool fast_fault(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if ((exit->npf.present || !hw_caps.tdp_ad) &&
	    mmu_fault_fast(&v_vm(v)->mmu, &v->vcpu, exit->npf.gpa, exit->npf.access)) {
		v->vcpu.stats.pf_fast++;
		return true;
	}
	if (!exit->npf.present &&
	    mmu_fault_written(&v_vm(v)->mmu, &v->vcpu, exit->npf.gpa, exit->npf.access)) {
		v->vcpu.stats.pf_taken++;
		v->vcpu.stats.pf_fixed++;
		return true;
	}
	return fast_mov(v, exit, NULL);
}

/**
 * vcpu_apic_done() - the processor has written a register of the LAPIC for the guest, or ended an
 * interrupt; RIP is behind it. Any context.
 */
void vcpu_apic_done(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (exit->kind == EXIT_APIC_WRITE)
		lapic_written(&v->apic, exit->apic.offset);
	else
		lapic_ended(&v->apic, exit->apic.vector);
	vcpu_timer_to_hardware(v);
	/* An IOAPIC or the VMM must hear of it: not with IRQs off. */
	if (v->apic.eois_queued)
		vcpu_event_due(&v->vcpu);
}

/* What the processor leaves us of an access to the LAPIC. */
static bool fast_apic(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	if (exit->kind == EXIT_APIC_ACCESS)
		return fast_mov(v, exit, NULL);
	vcpu_apic_done(v, exit);
	return true;
}

/*
 * The LAPIC's timer is over, or the processor's was set to 0 for another reason: then the outer
 * loop goes on.
 */
static noinline bool fast_timer(struct vcpu_x86 *v)
{
	if (!lapic_timer_hw_over(&v->apic))
		return false;
	vcpu_timer_to_hardware(v);
	return true;
}

/* The guest can take now what waited, unless the VMM waits for this moment, too. */
static bool fast_window(struct vcpu_x86 *v)
{
	if (!v->has_apic || READ_ONCE(v->vcpu.run->request_interrupt_window))
		return false;
	v->vcpu.stats.irq_window_exits++;
	vcpu_event_due(&v->vcpu);
	return true;
}

#define FAST_APIC (BIT_ULL(EXIT_APIC_ACCESS) | BIT_ULL(EXIT_APIC_WRITE) | BIT_ULL(EXIT_EOI_INDUCED))

/** fast_rare_insn() - fast_insn() for those that the inner loop doesn't name. */
noinline bool fast_rare_insn(struct vcpu_x86 *v, u32 kind)
{
	switch (kind) {
	case EXIT_HLT:
		return fast_hlt(v);
	case EXIT_PAUSE:
		return fast_pause(v);
	case EXIT_RDTSC:
		return fast_rdtsc(v);
	case EXIT_RDTSCP:
		return fast_rdtscp(v);
	default:	/* INVD, WBINVD: host memory stays coherent */
		return true;
	}
}

/** fast_other() - fast_exit() for the other kinds. */
bool fast_other(struct vcpu_x86 *v, struct hw_exit *exit)
{
	if (exit->kind == EXIT_CR_WRITE)
		return fast_cr8_write(v, exit);
	if (exit->kind == EXIT_PREEMPTION_TIMER)
		return fast_timer(v);
	if (exit->kind == EXIT_INTR_WINDOW)
		return fast_window(v);
	if (BIT_ULL(exit->kind) & FAST_APIC)
		return fast_apic(v, exit);
	return false;
}
