// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest may write into CR0, CR3, CR4, CR8, EFER, XCR0 and the debug registers, and what
 * follows from it. Rules: APM 2, 3.1 and 5.x; SDM 3A, 2.5 and 4.1. -EINVAL is #GP(0) for a guest
 * and EINVAL for an ioctl; then nothing has changed.
 */
#include <asm/processor-flags.h>
#include <asm/msr-index.h>
#include <asm/fpu/types.h>
#include "vcpu/vcpu.h"

#define CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
			 X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
/*
 * Bits of CR4 and CR0 whose change makes the processor drop translations (APM 2, 5.5.3; SDM 3A,
 * 4.10.4.1).
 */
#define CR0_FLUSHES	X86_CR0_PG
#define CR4_FLUSHES \
	(X86_CR4_PGE | X86_CR4_PAE | X86_CR4_PSE | X86_CR4_SMEP | X86_CR4_PCIDE | X86_CR4_LA57)

/*
 * A PDPTE that is present may not have these set, besides what is above MAXPHYADDR (SDM 3A, 4.4.1).
 */
#define PDPTE_RESERVED	(GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1))

static u64 cr_beyond_physical(const struct vcpu_x86 *v)
{
	return v->maxphyaddr >= 52 ? GENMASK_ULL(63, 52) : GENMASK_ULL(63, v->maxphyaddr);
}

/*
 * PAE paging loads four PDPTEs at once, and a bad one makes the load fail. Nested paging on AMD
 * reads them during the walk instead (APM 2, 15.25.10), but a guest that sets a bad one deserves
 * its #GP there too. The good ones are given to the processor, which may want to have them
 * beforehand.
 */
static bool cr_load_pdptes(struct vcpu_x86 *v, u64 cr3)
{
	u64 pdpte[4], bad = PDPTE_RESERVED | cr_beyond_physical(v);
	struct vm *vm = v->vcpu.vm;
	int i, idx, r;

	idx = srcu_read_lock(&vm->srcu);
	r = vm_read_guest(vm, cr3 & GENMASK_ULL(31, 5), pdpte, sizeof(pdpte));
	srcu_read_unlock(&vm->srcu, idx);
	if (r)
		return false;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & bad))
			return false;
	hw_set_pdptrs(&v->hw, pdpte);
	return true;
}

static bool cr_is_pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/* PG and EFER.LME together make long mode (APM 2, 14.6.1). */
static int cr0_check_paging(struct vcpu_x86 *v, u64 old, u64 new)
{
	u64 cr4 = hw_cr4(&v->hw), efer = hw_efer(&v->hw);

	if ((new & X86_CR0_PG) && !(old & X86_CR0_PG)) {
		if (efer & EFER_LME) {
			struct kvm_segment cs;

			hw_get_segment(&v->hw, SEG_CS, &cs);
			return !(cr4 & X86_CR4_PAE) || cs.l ? -EINVAL : 0;
		}
		if ((cr4 & X86_CR4_PAE) && !cr_load_pdptes(v, hw_cr3(&v->hw)))
			return -EINVAL;
	}
	if (!(new & X86_CR0_PG) && (old & X86_CR0_PG))
		return (cr4 & X86_CR4_PCIDE) || vcpu_in_64bit_code(v) ? -EINVAL : 0;
	return 0;
}

/**
 * vcpu_set_cr0() - a write to CR0, by MOV, LMSW, CLTS or an ioctl. vCPU loaded; may sleep (PDPTEs).
 */
int vcpu_set_cr0(struct vcpu_x86 *v, u64 cr0)
{
	u64 old = hw_cr0(&v->hw), efer = hw_efer(&v->hw);

	if (cr0 >> 32)
		return -EINVAL;
	cr0 = (cr0 & CR0_KNOWN) | X86_CR0_ET;
	if ((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE))
		return -EINVAL;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return -EINVAL;
	if (cr0_check_paging(v, old, cr0))
		return -EINVAL;

	if ((efer & EFER_LME) && ((old ^ cr0) & X86_CR0_PG))
		hw_set_efer(&v->hw, cr0 & X86_CR0_PG ? efer | EFER_LMA : efer & ~EFER_LMA);
	hw_set_cr0(&v->hw, cr0);
	if ((old ^ cr0) & CR0_FLUSHES)
		hw_flush_tlb_all(&v->hw);
	return 0;
}

/** vcpu_set_cr3() - a write to CR3. vCPU loaded; may sleep (PDPTEs). */
int vcpu_set_cr3(struct vcpu_x86 *v, u64 cr3)
{
	u64 cr0 = hw_cr0(&v->hw), cr4 = hw_cr4(&v->hw), efer = hw_efer(&v->hw);
	bool keep = false;

	if (cr4 & X86_CR4_PCIDE) {
		/* Bit 63 asks to keep this PCID's translations; it isn't stored. */
		keep = cr3 >> 63;
		cr3 &= ~BIT_ULL(63);
	}
	if (efer & EFER_LMA) {
		if (cr3 & cr_beyond_physical(v))
			return -EINVAL;
	} else {
		cr3 = (u32)cr3;
		if (cr_is_pae_paging(cr0, cr4, efer) && !cr_load_pdptes(v, cr3))
			return -EINVAL;
	}
	hw_set_cr3(&v->hw, cr3);
	if (!keep)
		hw_flush_tlb_all(&v->hw);
	return 0;
}

static int cr4_check(struct vcpu_x86 *v, u64 old, u64 new)
{
	u64 efer = hw_efer(&v->hw), cr0 = hw_cr0(&v->hw);

	if (new & v->cr4_reserved)
		return -EINVAL;
	if (efer & EFER_LMA) {
		if (!(new & X86_CR4_PAE) || ((old ^ new) & X86_CR4_LA57))
			return -EINVAL;
	} else if (cr_is_pae_paging(cr0, new, efer) &&
		   ((old ^ new) & (CR4_FLUSHES & ~X86_CR4_PCIDE)) &&
		   !cr_load_pdptes(v, hw_cr3(&v->hw))) {
		return -EINVAL;
	}
	if ((new &X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (hw_cr3(&v->hw) & 0xfff)))
		return -EINVAL;
	return 0;
}

/** vcpu_set_cr4() - a write to CR4. vCPU loaded; may sleep (PDPTEs). */
int vcpu_set_cr4(struct vcpu_x86 *v, u64 cr4)
{
	u64 old = hw_cr4(&v->hw);

	if (cr4_check(v, old, cr4))
		return -EINVAL;
	hw_set_cr4(&v->hw, cr4);
	if ((old ^ cr4) & CR4_FLUSHES)
		hw_flush_tlb_all(&v->hw);
	if ((old ^ cr4) & (X86_CR4_OSXSAVE | X86_CR4_PKE)) {
		cpuid_update_dynamic(v);
		fpu_update_switch(v);
	}
	return 0;
}

/**
 * vcpu_set_cr8() - the task priority. Without an in-kernel LAPIC it is only remembered for the VMM.
 */
int vcpu_set_cr8(struct vcpu_x86 *v, u64 cr8)
{
	if (cr8 & ~15ULL)
		return -EINVAL;
	if (v->has_apic)
		lapic_set_cr8(&v->apic, cr8);
	else
		v->cr8 = cr8;
	hw_set_tpr(&v->hw, cr8);
	return 0;
}

u64 vcpu_cr8(struct vcpu_x86 *v)
{
	return v->has_apic ? lapic_cr8(&v->apic) : v->cr8;
}

/**
 * vcpu_set_efer() - a write to EFER. @host: an ioctl, which may set what the guest's CPUID does not
 * name. LMA follows LME and CR0.PG and is not writable (APM 2, 3.1.7).
 */
int vcpu_set_efer(struct vcpu_x86 *v, u64 efer, bool host)
{
	u64 old = hw_efer(&v->hw);

	if (!host) {
		if (efer & ~(v->efer_allowed | EFER_LMA))
			return -EINVAL;
		if ((hw_cr0(&v->hw) & X86_CR0_PG) && ((old ^ efer) & EFER_LME))
			return -EINVAL;
	} else if (efer & ~(v->efer_allowed | EFER_LMA | EFER_LME | EFER_NX | EFER_SCE)) {
		return -EINVAL;
	}
	efer = (efer & ~EFER_LMA) | (old & EFER_LMA);
	hw_set_efer(&v->hw, efer);
	if ((old ^ efer) & EFER_NX)
		hw_flush_tlb_all(&v->hw);
	return 0;
}

/* Components of XCR0 that only come together (SDM 1, 13.3). */
static const u64 xcr0_groups[] = {
	XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR,
	XFEATURE_MASK_OPMASK | XFEATURE_MASK_ZMM_Hi256 | XFEATURE_MASK_Hi16_ZMM,
	XFEATURE_MASK_XTILE,
};

static bool xcr0_valid(u64 xcr0, u64 supported)
{
	int i;

	if (!(xcr0 & XFEATURE_MASK_FP) || (xcr0 & ~supported))
		return false;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if ((xcr0 & XFEATURE_MASK_AVX512) && !(xcr0 & XFEATURE_MASK_YMM))
		return false;
	for (i = 0; i < ARRAY_SIZE(xcr0_groups); i++)
		if ((xcr0 & xcr0_groups[i]) && (xcr0 & xcr0_groups[i]) != xcr0_groups[i])
			return false;
	return true;
}

/** vcpu_set_xcr() - XSETBV (CPL was checked) or KVM_SET_XCRS. Only XCR0 exists. */
int vcpu_set_xcr(struct vcpu_x86 *v, u32 index, u64 val)
{
	if (index != 0 || !xcr0_valid(val, v->guest_supported_xcr0 | XFEATURE_MASK_FP))
		return -EINVAL;
	v->xcr0 = val;
	cpuid_update_dynamic(v);
	fpu_update_switch(v);
	return 0;
}

/*
 * Fixed bits of DR6 and DR7, and those that software may change (SDM 3B, 18.2; without RTM and
 * bus-lock detection).
 */
#define DR6_ONES	0xffff0ff0UL
#define DR6_WRITABLE	0x0000e00fUL
#define DR7_ONES	0x00000400UL
#define DR7_WRITABLE	0xffff2bffUL

static bool vcpu_debugger_has_dr(const struct vcpu_x86 *v)
{
	return v->guest_debug & KVM_GUESTDBG_USE_HW_BP;
}

/**
 * vcpu_update_dr7() - make the debug registers that the processor sees follow the guest's or, while
 * it has breakpoints set, the debugger's. vCPU loaded.
 */
void vcpu_update_dr7(struct vcpu_x86 *v)
{
	unsigned long dr7 = vcpu_debugger_has_dr(v) ? v->guest_debug_dr7 : v->dr7;

	if (!vcpu_debugger_has_dr(v))
		memcpy(v->eff_db, v->db, sizeof(v->db));
	v->breakpoints_on = dr7 & 0xff;
	hw_set_dr7(&v->hw, dr7);
}

/** vcpu_set_dr() - DR0-3, 6, 7 (4 and 5 are the caller's aliases). */
int vcpu_set_dr(struct vcpu_x86 *v, int nr, u64 val)
{
	switch (nr) {
	case 0 ... 3:
		v->db[nr] = val;
		if (!vcpu_debugger_has_dr(v))
			v->eff_db[nr] = val;
		return 0;
	case 6:
		if (val >> 32)
			return -EINVAL;
		v->dr6 = (val & DR6_WRITABLE) | DR6_ONES;
		hw_set_dr6(&v->hw, v->dr6);
		return 0;
	case 7:
		if (val >> 32)
			return -EINVAL;
		v->dr7 = (val & DR7_WRITABLE) | DR7_ONES;
		vcpu_update_dr7(v);
		return 0;
	}
	return -EINVAL;
}

u64 vcpu_get_dr(struct vcpu_x86 *v, int nr)
{
	switch (nr) {
	case 0 ... 3:
		return v->db[nr];
	case 6:
		/* The processor writes it when it delivers #DB by itself. */
		return hw_dr6(&v->hw);
	default:
		return v->dr7;
	}
}
