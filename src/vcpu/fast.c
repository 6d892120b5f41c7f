// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast exits: answered with IRQs off, right after the guest left, and the guest goes on. No sleep, no srcu, no user memory but through
 * accesses that may fail. fast_exit() says "handled" or "not handled"; the latter has changed nothing, and slow_exit() does it all.
 */
#include <linux/eventfd.h>
#include <linux/uaccess.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include "core/iobus.h"
#include "core/ioeventfd.h"
#include "vcpu/fpu_inline.h"
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ how long is the instruction? */

/*
 * Processors without NRIP don't say. The instructions that exit have one usual form without prefixes, so the bytes at RIP are compared with that
 * form; anything else is left to the decoder of the slow way. To find the bytes without a walk of the guest's page tables each time, the last few
 * sites are remembered by CR3, CS base and RIP. A site that the guest has mapped elsewhere since is harmless as long as the bytes there still
 * are the instruction; the bytes are read and compared at every exit.
 */
struct insn_form {
	u8 len;
	u32 mask, bytes;	/* as a little-endian word at RIP */
};

static const struct insn_form insn_forms[NR_EXIT_KINDS] = {
	[EXIT_CPUID]		= { 2, 0xffff, 0xa20f },
	[EXIT_HLT]		= { 1, 0xff, 0xf4 },
	[EXIT_PAUSE]		= { 2, 0xffff, 0x90f3 },
	[EXIT_INVD]		= { 2, 0xffff, 0x080f },
	[EXIT_WBINVD]		= { 2, 0xffff, 0x090f },
	[EXIT_RDTSC]		= { 2, 0xffff, 0x310f },
	[EXIT_RDTSCP]		= { 3, 0xffffff, 0xf9010f },
	[EXIT_MSR_READ]		= { 2, 0xffff, 0x320f },
	[EXIT_MSR_WRITE]	= { 2, 0xffff, 0x300f },
	[EXIT_HYPERCALL]	= { 3, 0xffffff, 0xd9010f },
	/* MOV CR8, r64: REX with R set, 0F 22, ModRM with reg 0 (mod is ignored) */
	[EXIT_CR_WRITE]		= { 4, 0x38fffff4, 0x00220f44 },
};

/* Read four bytes of the VMM's memory. IRQs off: a page that isn't there is a failure. */
static bool site_read(hva_t hva, u32 *word)
{
	u32 __user *p = (u32 __user *)hva;

	pagefault_disable();
	if (!user_access_begin(p, sizeof(*p)))
		goto fail;
	unsafe_get_user(*word, p, fault);
	user_access_end();
	pagefault_enable();
	return true;
fault:
	user_access_end();
fail:
	pagefault_enable();
	return false;
}

/* Where in the VMM is @gpa? 0: nowhere. IRQs off (an RCU reader). */
static hva_t site_hva(struct vcpu_x86 *v, gpa_t gpa)
{
	struct memslot *slot = memslot_find(memslots(v->vcpu.vm), gpa_to_gfn(gpa));

	return slot ? memslot_gfn_to_hva(slot, gpa_to_gfn(gpa)) + (gpa & 0xfff) : 0;
}

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_LARGE	BIT_ULL(7)

/* The shape of a walk: bits of the address that the top table takes, and what each further level takes. */
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
 * The GPA of an address that the guest has just executed. Rights don't matter then, nor do accessed bits, so this is much less than mmu_walk();
 * and it may fail for any reason. IRQs off.
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
		if (vm_read_guest_atomic(v->vcpu.vm, table + index * w.entry, &entry, w.entry) || !(entry & PTE_PRESENT))
			return false;
		if (w.shift == 12)
			break;
		if ((entry & PTE_LARGE) && w.shift <= 30 && !(w.shift == 30 && !(hw_efer(hw) & EFER_LMA))) {
			if (w.entry == 4)
				return false;	/* 4M pages with their folded address bits: not worth it here */
			break;
		}
		table = entry & GENMASK_ULL(51, 12);
	}
	*gpa = (entry & GENMASK_ULL(51, w.shift)) | (linear & (BIT_ULL(w.shift) - 1));
	return true;
}

static struct insn_site *site_slot(struct vcpu_x86 *v, u64 rip)
{
	BUILD_BUG_ON(ARRAY_SIZE(v->insn_sites) & (ARRAY_SIZE(v->insn_sites) - 1));
	return &v->insn_sites[(rip ^ rip >> 4) & (ARRAY_SIZE(v->insn_sites) - 1)];
}

static hva_t site_find(struct vcpu_x86 *v, u64 cs_base)
{
	u64 rip = hw_rip(&v->hw), cr3 = hw_cr3(&v->hw);
	struct insn_site *s = site_slot(v, rip);
	gpa_t gpa;

	if (likely(s->rip == rip && s->cr3 == cr3 && s->cs_base == cs_base && s->hva))
		return s->hva;
	if (!fetch_gpa(v, cs_base + rip, &gpa))
		return 0;
	*s = (struct insn_site) { .cr3 = cr3, .rip = rip, .cs_base = cs_base, .hva = site_hva(v, gpa) };
	/* A word that crosses into the next page may continue somewhere else. */
	if ((gpa & 0xfff) > 0xffc)
		s->hva = 0;
	return s->hva;
}

/* 0 in 64-bit mode, where the processor ignores it; only there RIP can be beyond 4 GiB, which spares the look at CS. */
static u64 site_cs_base(struct vcpu_x86 *v)
{
	struct kvm_segment cs;

	if (hw_rip(&v->hw) >> 32)
		return 0;
	hw_get_segment(&v->hw, SEG_CS, &cs);
	return cs.l ? 0 : cs.base;
}

/* The word at RIP when it has the usual form of @kind; false: look closer. */
static bool usual_form(struct vcpu_x86 *v, u8 kind, u32 *word)
{
	const struct insn_form *form = &insn_forms[kind];
	hva_t hva;

	if (!form->len)
		return false;
	hva = site_find(v, site_cs_base(v));
	if (!hva || !site_read(hva, word))
		return false;
	return (*word & form->mask) == form->bytes;
}

/** vcpu_usual_length() - bytes of the instruction that exited, where the hardware says or it has its usual form; else 0. Any context. */
u32 vcpu_usual_length(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 word;

	if (likely(exit->insn_len))
		return exit->insn_len;
	if (hw_caps.nrips)
		return 0;
	return usual_form(v, exit->kind, &word) ? insn_forms[exit->kind].len : 0;
}

/* RIP and shadow; stepping was excluded by fast_exit(). */
static __always_inline bool fast_skip(struct vcpu_x86 *v, u32 len)
{
	hw_set_rip(&v->hw, hw_rip(&v->hw) + len);
	hw_set_shadow(&v->hw, SHADOW_NONE);
	return true;
}

/* ------------------------------------------------------------------ handlers */

static __always_inline bool fast_cpuid(struct vcpu_x86 *v, u32 len)
{
	u32 eax = hw_reg(&v->hw, REG_RAX), ebx, ecx = hw_reg(&v->hw, REG_RCX), edx;

	/* Leaf 0xd depends on XCR0, which may have moved unseen. */
	if (eax == 0xd && fpu_xcr0_may_move(v))
		return false;
	v->vcpu.stats.cpuid_exits++;
	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	hw_set_reg(&v->hw, REG_RAX, eax);
	hw_set_reg(&v->hw, REG_RBX, ebx);
	hw_set_reg(&v->hw, REG_RCX, ecx);
	hw_set_reg(&v->hw, REG_RDX, edx);
	return fast_skip(v, len);
}

static bool fast_rdtsc(struct vcpu_x86 *v, u32 len)
{
	u64 tsc;

	if ((hw_cr4(&v->hw) & X86_CR4_TSD) && hw_cpl(&v->hw))
		return false;
	tsc = vcpu_guest_tsc(v, rdtsc());
	hw_set_reg(&v->hw, REG_RAX, (u32)tsc);
	hw_set_reg(&v->hw, REG_RDX, tsc >> 32);
	return fast_skip(v, len);
}

static bool fast_msr_read(struct vcpu_x86 *v, u32 len)
{
	u32 msr = hw_reg(&v->hw, REG_RCX);
	u64 val;

	if (!msr_allowed_by_filter(v, msr, ACCESS_READ) || !msr_read_fast(v, msr, &val))
		return false;
	v->vcpu.stats.msr_exits++;
	hw_set_reg(&v->hw, REG_RAX, (u32)val);
	hw_set_reg(&v->hw, REG_RDX, val >> 32);
	return fast_skip(v, len);
}

#define MSR_X2APIC_EOI	(0x800 + (APIC_EOI >> 4))

/* The guest may have moved CR8 without an exit since the LAPIC last knew, and TPR is CR8. */
void lapic_sync_tpr(struct vcpu_x86 *v)
{
	u8 tpr = hw_tpr(&v->hw);

	if (tpr != lapic_cr8(&v->apic))
		lapic_set_cr8(&v->apic, tpr);
}

static bool fast_x2apic_write(struct vcpu_x86 *v, u32 msr, u64 val)
{
	if (v->apic.mode != APIC_X2APIC)
		return false;
	lapic_sync_tpr(v);
	if (msr == MSR_X2APIC_EOI) {
		if (lapic_msr_write(&v->apic, msr, val))
			return false;
		/* An IOAPIC or the VMM must hear of it: not with IRQs off. */
		if (unlikely(v->apic.eois_queued))
			vcpu_request(&v->vcpu, REQ_EVENT);
		return true;
	}
	if (!msr_write_fast(v, msr, val))
		return false;
	hw_set_tpr(&v->hw, lapic_cr8(&v->apic));
	return true;
}

static bool fast_msr_write(struct vcpu_x86 *v, u32 len)
{
	u32 msr = hw_reg(&v->hw, REG_RCX);
	u64 val = (u32)hw_reg(&v->hw, REG_RAX) | hw_reg(&v->hw, REG_RDX) << 32;

	if (!v->has_apic)
		return false;
	if (msr - 0x800 < 0x100) {
		if (!fast_x2apic_write(v, msr, val))
			return false;
	} else if (!msr_allowed_by_filter(v, msr, ACCESS_WRITE) || !msr_write_fast(v, msr, val)) {
		return false;
	}
	v->vcpu.stats.msr_exits++;
	return fast_skip(v, len);
}

/* A halt that would end at once is no halt. */
static bool fast_hlt(struct vcpu_x86 *v, u32 len)
{
	if (!v->has_apic || !(hw_rflags(&v->hw) & X86_EFLAGS_IF))
		return false;
	lapic_sync_tpr(v);
	if (!vcpu_has_interrupt(v))
		return false;
	v->vcpu.stats.halt_exits++;
	vcpu_request(&v->vcpu, REQ_EVENT);
	return fast_skip(v, len);
}

/* Nobody to yield to. */
static bool fast_pause(struct vcpu_x86 *v, u32 len)
{
	if (atomic_read(&v->vcpu.vm->nr_vcpus) > 1)
		return false;
	v->vcpu.stats.pause_exits++;
	vcpu_pause_grow(v);
	return fast_skip(v, len);
}

/* Writing CR8 exits while an interrupt waits for it to fall (hw_set_tpr_threshold()). */
static bool fast_cr8_write(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 word, len = exit->insn_len;
	u8 reg = exit->cr.reg;
	u64 val;

	if (exit->cr.nr != 8 || !v->has_apic)
		return false;
	if (!exit->cr.operand_known || !len) {
		if (!usual_form(v, EXIT_CR_WRITE, &word))
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
	vcpu_request(&v->vcpu, REQ_EVENT);
	return fast_skip(v, len);
}

/* OUT that rings an eventfd. RIP after it is known from the exit itself. */
static bool fast_doorbell(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct vm *vm = v->vcpu.vm;
	u64 val = (u32)hw_reg(&v->hw, REG_RAX), len = exit->insn_len;
	struct iodev *d;
	u32 pos = 0;

	if (exit->io.in || exit->io.string)
		return false;
	if (!len && exit->io.next_rip)
		len = exit->io.next_rip - hw_rip(&v->hw);
	if (!len || len > 15)
		return false;
	if (exit->io.size < 4)
		val &= BIT_ULL(exit->io.size * 8) - 1;
	while ((d = iobus_find(&vm->pio, exit->io.port, exit->io.size, &pos))) {
		if (d->kind != IODEV_IOEVENTFD)
			return false;
		if (ioeventfd_matches(d->dev, exit->io.port, exit->io.size, val)) {
			ioeventfd_ring(d->dev);
			v->vcpu.stats.io_exits++;
			return fast_skip(v, len);
		}
	}
	return false;
}

static bool is_stepping(struct vcpu_x86 *v)
{
	return v->guest_debug || (hw_rflags(&v->hw) & (X86_EFLAGS_TF | X86_EFLAGS_RF));
}

/*
 * fast_exit() - answer what can be answered with IRQs off. Inlined into the inner loop. A single step has its own consequences after each
 * instruction, RF ends with it: both go the slow way.
 */
bool fast_exit(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	u32 len;

	if (exit->kind == EXIT_INTR)
		return false;
	if (exit->kind == EXIT_NPF) {
		if (mmu_fault_fast(&v_vm(v)->mmu, &v->vcpu, exit->npf.gpa, exit->npf.access)) {
			v->vcpu.stats.pf_fast++;
			return true;
		}
		return !is_stepping(v) && fast_mov(v, exit);
	}
	if (unlikely(is_stepping(v)))
		return false;
	if (exit->kind == EXIT_IO)
		return fast_doorbell(v, exit);
	if (exit->kind == EXIT_CR_WRITE)
		return fast_cr8_write(v, exit);
	if (exit->kind > EXIT_HYPERCALL && exit->kind != EXIT_MSR_READ && exit->kind != EXIT_MSR_WRITE)
		return false;
	len = vcpu_usual_length(v, exit);
	if (unlikely(!len))
		return false;
	switch (exit->kind) {
	case EXIT_CPUID:
		return fast_cpuid(v, len);
	case EXIT_MSR_WRITE:
		return fast_msr_write(v, len);
	case EXIT_MSR_READ:
		return fast_msr_read(v, len);
	case EXIT_HLT:
		return fast_hlt(v, len);
	case EXIT_PAUSE:
		return fast_pause(v, len);
	case EXIT_INVD:
	case EXIT_WBINVD:
		return fast_skip(v, len);
	case EXIT_RDTSC:
		return fast_rdtsc(v, len);
	default:
		return false;
	}
}
