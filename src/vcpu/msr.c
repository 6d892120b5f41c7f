// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs: one table says for every index that we know who holds it, what a guest may write and who
 * may touch it at all. The save list, the feature list and both directions of access come from that
 * table.
 *
 * An index that isn't in the table is unknown: #GP for a guest (or an exit,
 * KVM_CAP_X86_USER_SPACE_MSR), the end of the list for KVM_GET/SET_MSRS.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/kvm_para.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/mtrr.h>
#include "vcpu/vcpu.h"

/* Names that not every kernel's headers have. */
#define MSR_PPRO_MTRR_CAP	0x000000fe
#define MSR_AMD_PSTATE_LIMIT	0xc0010061
#define MSR_AMD_INT_PENDING	0xc0010055
#define MSR_AMD_TSEG_ADDR	0xc0010112
#define MSR_AMD_TSEG_MASK	0xc0010113
#define MSR_AMD_PATCH_LOADER	0xc0010020
#define MSR_AMD_BU_CFG2		0xc001102a
#define MSR_AMD_LS_CFG		0xc0011020
#define MSR_AMD_IC_CFG		0xc0011021
#define MSR_AMD_DC_CFG		0xc0011022
#define MSR_AMD_DE_CFG		0xc0011029

#define MTRR_VARIABLE_RANGES	8
#define MTRR_CAP		(MTRR_VARIABLE_RANGES | 0x500 /* fixed ranges, write combining */)
#define MCE_BANKS		32
#define HWCR_TSC_FREQ_SEL	BIT_ULL(24)

enum holder {
	BY_BACKEND,	/* the processor holds it for the guest: hw_get_msr(), hw_set_msr() */
	BY_FIELD,	/* a u64 of struct vcpu_x86 */
	/*
	 * always .value; a guest's write of anything else is #GP unless WRITES_IGNORED (and .valid)
	 */
	BY_CONSTANT,
	BY_FUNCTION,	/* special_get(), special_set() */
};

enum msr_flags {
	SAVED		= 1 << 0,	/* part of KVM_GET_MSR_INDEX_LIST: a migration carries it */
	CANONICAL	= 1 << 1,	/* an address: a non-canonical value is #GP */
	READ_ONLY	= 1 << 2,	/* a guest's write is #GP; a VMM's is taken */
	WRITES_IGNORED	= 1 << 3,
	NEEDS_TSC_AUX	= 1 << 4,	/* guest CPUID must show RDTSCP or RDPID */
	NEEDS_LM	= 1 << 5,
	FAST		= 1 << 6,	/* may be read with IRQs off: no locks, no user memory */
};

struct msr_row {
	u32 first, last;
	enum holder holder;
	u32 flags;
	u16 offset;		/* BY_FIELD */
	u64 valid;		/* bits that may be set (0: all) */
	u64 value;		/* BY_CONSTANT */
};

#define BACKEND(msr, fl, mask)	{ .first = msr, .last = msr, .holder = BY_BACKEND, .flags = (fl) | FAST, .valid = mask }
#define FIELD(msr, name, fl, mask) { .first = msr, .last = msr, .holder = BY_FIELD, .flags = (fl) | FAST, .valid = mask, \
		.offset = offsetof(struct vcpu_x86, name) }
#define CONSTANT(msr, val, fl)	{ .first = msr, .last = msr, .holder = BY_CONSTANT, .flags = (fl) | FAST, .value = val }
#define SPECIAL(lo, hi, fl)	{ .first = lo, .last = hi, .holder = BY_FUNCTION, .flags = fl }

/*
 * Sorted by index (checked at load): found by bisection. APM 2, appendix A; SDM 4, chapter 2;
 * x86/msr.rst.
 */
static const struct msr_row msr_rows[] = {
	SPECIAL(MSR_IA32_TSC, MSR_IA32_TSC, SAVED | FAST),
	SPECIAL(MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, SAVED),
	CONSTANT(MSR_IA32_PLATFORM_ID, 0, READ_ONLY),
	SPECIAL(MSR_IA32_APICBASE, MSR_IA32_APICBASE, FAST),
	SPECIAL(MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_ADJUST, SAVED | FAST),
	SPECIAL(MSR_IA32_SPEC_CTRL, MSR_IA32_SPEC_CTRL, SAVED),
	SPECIAL(MSR_IA32_PRED_CMD, MSR_IA32_PRED_CMD, 0),
	FIELD(MSR_IA32_UCODE_REV, ucode_rev, WRITES_IGNORED, 0),
	CONSTANT(MSR_PPRO_MTRR_CAP, MTRR_CAP, READ_ONLY),
	BACKEND(MSR_IA32_SYSENTER_CS, SAVED, 0),
	BACKEND(MSR_IA32_SYSENTER_ESP, SAVED | CANONICAL, 0),
	BACKEND(MSR_IA32_SYSENTER_EIP, SAVED | CANONICAL, 0),
	FIELD(MSR_IA32_MCG_CAP, mce.cap, READ_ONLY, 0),
	FIELD(MSR_IA32_MCG_STATUS, mce.status, SAVED, MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP),
	SPECIAL(MSR_IA32_MCG_CTL, MSR_IA32_MCG_CTL, SAVED),
	FIELD(MSR_IA32_MISC_ENABLE, misc_enable, SAVED, 0),
	/*
	 * No last-branch records and no branch single-step; a kernel that asks for them gets none.
	 * Bits that no processor has are refused.
	 */
	{ .first = MSR_IA32_DEBUGCTLMSR, .last = MSR_IA32_DEBUGCTLMSR, .holder = BY_CONSTANT, .flags = WRITES_IGNORED | FAST, .valid = 0xffff },
	SPECIAL(MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_VARIABLE_RANGES - 1), 0),
	SPECIAL(MSR_MTRRfix64K_00000, MSR_MTRRfix64K_00000, 0),
	SPECIAL(MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, 0),
	SPECIAL(MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, 0),
	SPECIAL(MSR_IA32_CR_PAT, MSR_IA32_CR_PAT, SAVED),
	SPECIAL(MSR_MTRRdefType, MSR_MTRRdefType, 0),
	SPECIAL(MSR_IA32_MC0_CTL, MSR_IA32_MCx_MISC(MCE_BANKS - 1), 0),
	SPECIAL(MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, SAVED | FAST),
	SPECIAL(0x800, 0x8ff, FAST),		/* x2APIC */
	CONSTANT(MSR_IA32_XSS, 0, 0),		/* XSAVES without supervisor state */
	SPECIAL(MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, SAVED),
	SPECIAL(MSR_KVM_STEAL_TIME, MSR_KVM_STEAL_TIME, SAVED),
	SPECIAL(MSR_EFER, MSR_EFER, FAST),
	BACKEND(MSR_STAR, SAVED, 0),
	BACKEND(MSR_LSTAR, SAVED | CANONICAL | NEEDS_LM, 0),
	BACKEND(MSR_CSTAR, SAVED | CANONICAL | NEEDS_LM, 0),
	BACKEND(MSR_SYSCALL_MASK, SAVED | NEEDS_LM, 0xffffffff),
	BACKEND(MSR_FS_BASE, CANONICAL | NEEDS_LM, 0),
	BACKEND(MSR_GS_BASE, CANONICAL | NEEDS_LM, 0),
	BACKEND(MSR_KERNEL_GS_BASE, SAVED | CANONICAL | NEEDS_LM, 0),
	BACKEND(MSR_TSC_AUX, SAVED | NEEDS_TSC_AUX, 0xffffffff),
	/* AMD's configuration registers: firmware business; they read as 0 and take anything. */
	CONSTANT(MSR_AMD64_SYSCFG, 0, WRITES_IGNORED),
	SPECIAL(MSR_K7_HWCR, MSR_K7_HWCR, SAVED),
	CONSTANT(MSR_AMD64_NB_CFG, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_PATCH_LOADER, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_INT_PENDING, 0, WRITES_IGNORED),
	CONSTANT(MSR_FAM10H_MMIO_CONF_BASE, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_PSTATE_LIMIT, 0, READ_ONLY),
	CONSTANT(MSR_AMD_TSEG_ADDR, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_TSEG_MASK, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_LS_CFG, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_IC_CFG, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_DC_CFG, 0, WRITES_IGNORED),
	CONSTANT(MSR_AMD_DE_CFG, 0x2 /* LFENCE serializes */, WRITES_IGNORED),
	CONSTANT(MSR_AMD_BU_CFG2, 0, WRITES_IGNORED),
};

static const struct msr_row *find_row(u32 msr)
{
	unsigned int lo = 0, hi = ARRAY_SIZE(msr_rows), mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (msr > msr_rows[mid].last)
			lo = mid + 1;
		else if (msr < msr_rows[mid].first)
			hi = mid;
		else
			return &msr_rows[array_index_nospec(mid, ARRAY_SIZE(msr_rows))];
	}
	return NULL;
}

/* ------------------------------------------------------------------ the lists of /dev/kvm */

static u32 save_list[160], feature_list[4];
static u32 nr_saved, nr_features;

/* Save-list entries that the table holds as ranges with gaps or without a fixed index. */
static void build_save_list(void)
{
	unsigned int i;
	u32 msr;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++) {
		if (i && WARN_ON(msr_rows[i].first <= msr_rows[i - 1].last))
			return;
		if (!(msr_rows[i].flags & SAVED))
			continue;
		for (msr = msr_rows[i].first;
		     msr <= msr_rows[i].last && nr_saved < ARRAY_SIZE(save_list); msr++)
			save_list[nr_saved++] = msr;
	}
}

/** msr_setup() - at module load. */
void msr_setup(void)
{
	u64 val;
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(tsc_aux_now, cpu) = ~0ull;
	nr_saved = nr_features = 0;
	build_save_list();
	if (!msr_get_feature(MSR_AMD_DE_CFG, &val))
		feature_list[nr_features++] = MSR_AMD_DE_CFG;
	if (!msr_get_feature(MSR_IA32_UCODE_REV, &val))
		feature_list[nr_features++] = MSR_IA32_UCODE_REV;
}

const u32 *msr_save_list(u32 *n)
{
	*n = nr_saved;
	return save_list;
}

const u32 *msr_feature_list(u32 *n)
{
	*n = nr_features;
	return feature_list;
}

/** msr_get_feature() - KVM_GET_MSRS on /dev/kvm. -EINVAL: not a feature MSR. */
int msr_get_feature(u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_AMD_DE_CFG:
		*val = 0x2;
		return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ? 0 : -EINVAL;
	case MSR_IA32_UCODE_REV:
		*val = (u64)boot_cpu_data.microcode << 32;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ------------------------------------------------------------------ special ones */

static bool valid_memory_type(u8 type, bool pat)
{
	/* UC 0, WC 1, WT 4, WP 5, WB 6; PAT also UC- 7 (APM 2, 7.7-7.8) */
	return type < 8 && ((pat ? 0xf3 : 0x73) & (1u << type));
}

static bool valid_memory_types(u64 val, bool pat)
{
	int i;

	for (i = 0; i < 8; i++)
		if (!valid_memory_type(val >> (8 * i), pat))
			return false;
	return true;
}

static u64 *mtrr_fixed(struct vcpu_x86 *v, u32 msr)
{
	u32 n;

	if (msr == MSR_MTRRfix64K_00000)
		n = 0;
	else if (msr <= MSR_MTRRfix16K_A0000)
		n = 1 + msr - MSR_MTRRfix16K_80000;
	else
		n = 3 + msr - MSR_MTRRfix4K_C0000;
	return &v->mtrr.fixed[array_index_nospec(n, ARRAY_SIZE(v->mtrr.fixed))];
}

static u64 *mtrr_variable(struct vcpu_x86 *v, u32 msr)
{
	return &v->mtrr.var[array_index_nospec(msr - MTRRphysBase_MSR(0), ARRAY_SIZE(v->mtrr.var))];
}

static u64 phys_mask(struct vcpu_x86 *v)
{
	return v->maxphyaddr < 64 ? BIT_ULL(v->maxphyaddr) - 1 : ~0ull;
}

static int mtrr_set_variable(struct vcpu_x86 *v, u32 msr, u64 val)
{
	bool mask = msr & 1;
	u64 reserved = ~phys_mask(v) | (mask ? 0x7ff : 0xf00);

	if ((val & reserved) || (!mask && !valid_memory_type(val, false)))
		return -EINVAL;
	*mtrr_variable(v, msr) = val;
	return 0;
}

static int mtrr_set(struct vcpu_x86 *v, u32 msr, u64 val)
{
	if (msr == MSR_MTRRdefType) {
		if ((val & ~0xcffull) || !valid_memory_type(val, false))
			return -EINVAL;
		v->mtrr.def_type = val;
		return 0;
	}
	if (msr < MSR_MTRRfix64K_00000)
		return mtrr_set_variable(v, msr, val);
	if (!valid_memory_types(val, false))
		return -EINVAL;
	*mtrr_fixed(v, msr) = val;
	return 0;
}

static u64 mtrr_get(struct vcpu_x86 *v, u32 msr)
{
	if (msr == MSR_MTRRdefType)
		return v->mtrr.def_type;
	return msr < MSR_MTRRfix64K_00000 ? *mtrr_variable(v, msr) : *mtrr_fixed(v, msr);
}

/* MCi_CTL, _STATUS, _ADDR, _MISC of the banks that MCG_CAP announces. */
static u64 *mce_bank(struct vcpu_x86 *v, u32 msr)
{
	u32 n = msr - MSR_IA32_MC0_CTL;

	if (n / 4 >= (v->mce.cap & 0xff))
		return NULL;
	return &v->mce.banks[array_index_nospec(n, ARRAY_SIZE(v->mce.banks))];
}

static int mce_set_bank(struct vcpu_x86 *v, u32 msr, u64 val, bool host)
{
	u64 *bank = mce_bank(v, msr);
	u32 which = (msr - MSR_IA32_MC0_CTL) & 3;

	if (!bank)
		return -EINVAL;
	/*
	 * CTL: all ones or all zeros, and AMD guests clear bit 10 (GART) or set bit 0; STATUS: only
	 * 0 unless HWCR allows (APM 2, 9.3)
	 */
	if (!host && which == 0 && val && (val | BIT_ULL(10) | 1) != ~0ull)
		return -EINVAL;
	if (!host && which == 1 && val && !(v->hwcr & BIT_ULL(18)))
		return -EINVAL;
	*bank = val;
	return 0;
}

static int set_pat(struct vcpu_x86 *v, u64 val)
{
	if (!valid_memory_types(val, true))
		return -EINVAL;
	return hw_set_msr(&v->hw, MSR_IA32_CR_PAT, val);
}

/*
 * HWCR: what Linux, BSDs and Windows set is accepted and without effect; TscFreqSel reads as set
 * where it was set.
 */
static int set_hwcr(struct vcpu_x86 *v, u64 val)
{
	/* FFDIS, MONMWAIT user, TLB cache disable: no such thing here */
	val &= ~(0x40ull | 0x100ull | 0x8ull);
	if (val & ~(BIT_ULL(18) | HWCR_TSC_FREQ_SEL))
		return -EINVAL;
	v->hwcr = val;
	return 0;
}

static bool has_spec_ctrl(struct vcpu_x86 *v)
{
	u32 eax = 7, ebx, ecx = 0, edx;

	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	if (edx & (BIT(26) | BIT(27) | BIT(31)))
		return true;
	eax = 0x80000008;
	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	return ebx & (BIT(14) | BIT(15) | BIT(24));
}

/*
 * The entry code writes the value as it is: a bit that this CPU lacks would be #GP there, in the
 * host.
 */
static u64 spec_ctrl_bits(void)
{
	u64 bits = 0;

	if (boot_cpu_has(X86_FEATURE_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

static int set_spec_ctrl(struct vcpu_x86 *v, u64 val, bool host)
{
	if ((val & ~spec_ctrl_bits()) || (!host && !has_spec_ctrl(v)))
		return -EINVAL;
	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return val ? -EINVAL : 0;
	/*
	 * Switching it costs at every entry and exit: only for a guest that uses it, and that one
	 * may have it without exits.
	 */
	if (!host && val && !v->spec_ctrl_used) {
		v->spec_ctrl_used = true;
		vcpu_request(&v->vcpu, REQ_MSR_FILTER);
	}
	return hw_set_msr(&v->hw, MSR_IA32_SPEC_CTRL, val);
}

static int set_pred_cmd(struct vcpu_x86 *v, u64 val, bool host)
{
	if ((val & ~PRED_CMD_IBPB) || !boot_cpu_has(X86_FEATURE_IBPB) ||
	    (!host && !has_spec_ctrl(v)))
		return -EINVAL;
	if (val)
		/* on the CPU where the guest asked for it */
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

static void set_tsc_adjust(struct vcpu_x86 *v, u64 val, bool host)
{
	if (!host)	/* the guest moves its TSC by the difference (SDM 3B, 18.17.3) */
		vcpu_set_tsc_offset(v, v->tsc_offset + val - v->tsc_adjust);
	v->tsc_adjust = val;
}

/* Bits from MAXPHYADDR on are reserved (SDM 3A, 11.4.4; APM 2, 16.3.1). */
static int set_apic_base(struct vcpu_x86 *v, u64 val, bool host)
{
	return val >> v->maxphyaddr ? -EINVAL : lapic_set_base(&v->apic, val, host);
}

static int special_set(struct vcpu_x86 *v, u32 msr, u64 val, bool host)
{
	if (msr >= 0x800 && msr <= 0x8ff)
		return v->has_apic ? lapic_msr_write(&v->apic, msr, val) : -EINVAL;
	if (msr >= MTRRphysBase_MSR(0) && msr <= MSR_MTRRdefType && msr != MSR_IA32_CR_PAT)
		return mtrr_set(v, msr, val);
	if (msr >= MSR_IA32_MC0_CTL && msr <= MSR_IA32_MCx_MISC(MCE_BANKS - 1))
		return mce_set_bank(v, msr, val, host);
	switch (msr) {
	case MSR_IA32_TSC:
		vcpu_write_tsc(v, val, host);
		return 0;
	case MSR_IA32_TSC_ADJUST:
		set_tsc_adjust(v, val, host);
		return 0;
	case MSR_IA32_APICBASE:
		return v->has_apic ? set_apic_base(v, val, host) : -EINVAL;
	case MSR_IA32_TSC_DEADLINE:
		return v->has_apic ? lapic_msr_write(&v->apic, msr, val) : (val ? -EINVAL : 0);
	case MSR_EFER:
		return vcpu_set_efer(v, val, host);
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(v, val, host);
	case MSR_IA32_PRED_CMD:
		return set_pred_cmd(v, val, host);
	case MSR_IA32_CR_PAT:
		return set_pat(v, val);
	case MSR_K7_HWCR:
		return set_hwcr(v, val);
	case MSR_IA32_MCG_CTL:
		if ((!host && !(v->mce.cap & MCG_CTL_P)) || (val && val != ~0ull))
			return -EINVAL;
		v->mce.ctl = val;
		return 0;
	default:
		return pv_set_msr(v, msr, val, host);
	}
}

static int special_get(struct vcpu_x86 *v, u32 msr, u64 *val, bool host)
{
	if (msr >= 0x800 && msr <= 0x8ff)
		return v->has_apic ? lapic_msr_read(&v->apic, msr, val) : -EINVAL;
	if (msr >= MTRRphysBase_MSR(0) && msr <= MSR_MTRRdefType && msr != MSR_IA32_CR_PAT) {
		*val = mtrr_get(v, msr);
		return 0;
	}
	if (msr >= MSR_IA32_MC0_CTL && msr <= MSR_IA32_MCx_MISC(MCE_BANKS - 1)) {
		u64 *bank = mce_bank(v, msr);

		*val = bank ? *bank : 0;
		return bank ? 0 : -EINVAL;
	}
	switch (msr) {
	case MSR_IA32_TSC:
		*val = vcpu_guest_tsc(v, rdtsc());
		return 0;
	case MSR_IA32_TSC_ADJUST:
		*val = v->tsc_adjust;
		return 0;
	case MSR_IA32_APICBASE:
		*val = v->has_apic ? v->apic.base : v->user_apic_base;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		*val = 0;
		return v->has_apic ? lapic_msr_read(&v->apic, msr, val) : 0;
	case MSR_EFER:
		*val = hw_efer(&v->hw);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!host && !has_spec_ctrl(v))
			return -EINVAL;
		*val = 0;
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) ? hw_get_msr(&v->hw, msr, val) : 0;
	case MSR_IA32_PRED_CMD:	/* write-only */
		*val = 0;
		return host ? 0 : -EINVAL;
	case MSR_IA32_CR_PAT:
		return hw_get_msr(&v->hw, msr, val);
	case MSR_K7_HWCR:
		*val = v->hwcr;
		return 0;
	case MSR_IA32_MCG_CTL:
		*val = v->mce.ctl;
		return (v->mce.cap & MCG_CTL_P) || host ? 0 : -EINVAL;
	default:
		return pv_get_msr(v, msr, val, host);
	}
}

/* ------------------------------------------------------------------ one access */

static bool guest_may(struct vcpu_x86 *v, const struct msr_row *row)
{
	if ((row->flags & NEEDS_TSC_AUX) && !v->has.rdtscp && !v->has.rdpid)
		return false;
	return !(row->flags & NEEDS_LM) || v->has.lm;
}

/* Bits above the implemented linear address must repeat its top bit (APM 2, 5.3.1). */
static bool canonical(struct vcpu_x86 *v, u64 addr)
{
	int bits = hw_cr4(&v->hw) & X86_CR4_LA57 ? 57 : 48;

	return (u64)((s64)(addr << (64 - bits)) >> (64 - bits)) == addr;
}

static u64 *row_field(struct vcpu_x86 *v, const struct msr_row *row)
{
	return (u64 *)((char *)v + row->offset);
}

/**
 * vcpu_get_msr() - read @msr as the guest (or, @host, as the VMM). vCPU loaded. -ENOENT: unknown;
 * -EINVAL: #GP.
 */
int vcpu_get_msr(struct vcpu_x86 *v, u32 msr, u64 *val, bool host)
{
	const struct msr_row *row = find_row(msr);

	if (!row)
		return -ENOENT;
	if (!host && !guest_may(v, row))
		return -EINVAL;
	switch (row->holder) {
	case BY_BACKEND:
		return hw_get_msr(&v->hw, msr, val);
	case BY_FIELD:
		*val = *row_field(v, row);
		return 0;
	case BY_CONSTANT:
		*val = row->value;
		return 0;
	default:
		return special_get(v, msr, val, host);
	}
}

static int check_value(struct vcpu_x86 *v, const struct msr_row *row, u64 val)
{
	if (row->valid && (val & ~row->valid))
		return -EINVAL;
	return (row->flags & CANONICAL) && !canonical(v, val) ? -EINVAL : 0;
}

/**
 * vcpu_set_msr() - write @msr as the guest (or, @host, as the VMM). vCPU loaded; may sleep.
 * -ENOENT: unknown; -EINVAL: #GP, nothing changed.
 */
int vcpu_set_msr(struct vcpu_x86 *v, u32 msr, u64 val, bool host)
{
	const struct msr_row *row = find_row(msr);

	if (!row)
		return -ENOENT;
	if (!host && (!guest_may(v, row) || (row->flags & READ_ONLY)))
		return -EINVAL;
	if (check_value(v, row, val))
		return -EINVAL;
	if (!host && (row->flags & WRITES_IGNORED))
		return 0;
	switch (row->holder) {
	case BY_BACKEND:
		return hw_set_msr(&v->hw, msr, val);
	case BY_FIELD:
		*row_field(v, row) = val;
		return 0;
	case BY_CONSTANT:
		return val == row->value || (row->flags & WRITES_IGNORED) ? 0 : -EINVAL;
	default:
		return special_set(v, msr, val, host);
	}
}

/** msr_vcpu_init() - what the MSRs of a new vCPU hold. */
void msr_vcpu_init(struct vcpu_x86 *v)
{
	/* No branch trace store and no precise event sampling (SDM 4, IA32_MISC_ENABLE). */
	v->misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	v->mce.cap = MCE_BANKS;
}

/** msr_read_fast() - the reads that need no lock and no user memory. IRQs off. false: not here. */
bool msr_read_fast(struct vcpu_x86 *v, u32 msr, u64 *val)
{
	const struct msr_row *row;

	/* A kernel reads this one at each wake-up of a CPU: no search for it. */
	if (msr == MSR_IA32_TSC_ADJUST) {
		*val = v->tsc_adjust;
		return true;
	}
	row = find_row(msr);
	return row && (row->flags & FAST) && !vcpu_get_msr(v, msr, val, false);
}

/**
 * msr_write_fast() - x2APIC registers but those with consequences above. IRQs off. false: not here,
 * nothing was done.
 */
bool msr_write_fast(struct vcpu_x86 *v, u32 msr, u64 val)
{
	if (!v->has_apic)
		return false;
	switch (msr) {
	case 0x800 + (APIC_ICR >> 4):
	case 0x800 + (APIC_TASKPRI >> 4):
	case 0x800 + (APIC_SELF_IPI >> 4):
		return v->apic.mode == APIC_X2APIC && !lapic_msr_write(&v->apic, msr, val);
	default:
		return false;
	}
}

/* ------------------ KVM_X86_SET_MSR_FILTER (api.rst 4.97) */

struct msr_filter_range {
	u32 flags, base, nmsrs;
	unsigned long *bitmap;
};

struct msr_filter {
	struct rcu_head rcu;
	bool default_allow;
	u32 count;
	struct msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define MSR_FILTER_MAX_BITMAP	0x600	/* bytes, from the API document */

static void filter_free(struct msr_filter *f)
{
	u32 i;

	if (!f)
		return;
	for (i = 0; i < f->count; i++)
		kfree(f->ranges[i].bitmap);
	kfree(f);
}

static int filter_add_range(struct msr_filter *f, const struct kvm_msr_filter_range *in)
{
	size_t bytes = BITS_TO_LONGS((u64)in->nmsrs) * sizeof(long);
	unsigned long *bitmap;

	if (!in->nmsrs)
		return 0;
	if (bytes > MSR_FILTER_MAX_BITMAP ||
	    (in->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)) || !in->flags)
		return -EINVAL;
	bitmap = user_copy_held((void __user *)in->bitmap, bytes);
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	f->ranges[f->count++] = (struct msr_filter_range){ in->flags, in->base, in->nmsrs, bitmap };
	return 0;
}

/**
 * vm_set_msr_filter() - replace the VM's filter. May sleep. -EINVAL, -EFAULT, -ENOMEM: the old one
 * stays.
 */
int vm_set_msr_filter(struct vm_x86 *vm, const struct kvm_msr_filter *filter)
{
	struct msr_filter *f, *old;
	bool empty = true;
	int i, ret = 0;

	if (filter->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->default_allow = !(filter->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; !ret && i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		empty &= !filter->ranges[i].nmsrs;
		ret = filter_add_range(f, &filter->ranges[i]);
	}
	if (!ret && empty && !f->default_allow)
		ret = -EINVAL;	/* would deny everything, APIC included: the document forbids it */
	if (ret) {
		filter_free(f);
		return ret;
	}
	mutex_lock(&vm->vm.lock);
	old = rcu_replace_pointer(vm->msr_filter, f, lockdep_is_held(&vm->vm.lock));
	mutex_unlock(&vm->vm.lock);
	synchronize_srcu(&vm->vm.srcu);
	synchronize_rcu();	/* fast exits read it with IRQs off */
	filter_free(old);
	vm_request_all(&vm->vm, REQ_MSR_FILTER, REQUEST_WAIT, NULL);
	return 0;
}

/** vm_destroy_msr_filter() - the VM goes away. */
void vm_destroy_msr_filter(struct vm_x86 *vm)
{
	filter_free(rcu_dereference_protected(vm->msr_filter, true));
	RCU_INIT_POINTER(vm->msr_filter, NULL);
}

static bool filter_allows(const struct msr_filter *f, u32 msr, u32 access)
{
	u32 flag = access & ACCESS_WRITE ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	u32 i;

	for (i = 0; i < f->count; i++) {
		const struct msr_filter_range *r = &f->ranges[i];

		if (msr - r->base < r->nmsrs && (r->flags & flag))
			return test_bit(array_index_nospec(msr - r->base, r->nmsrs), r->bitmap);
	}
	return f->default_allow;
}

/**
 * msr_allowed_by_filter() - may the guest touch @msr (@access: ACCESS_READ or ACCESS_WRITE)? x2APIC
 * MSRs are never filtered. Any context.
 */
bool msr_allowed_by_filter(struct vcpu_x86 *v, u32 msr, u32 access)
{
	const struct msr_filter *f;
	bool allowed = true;

	if (likely(!rcu_access_pointer(v_vm(v)->msr_filter)) || (msr >= 0x800 && msr <= 0x8ff))
		return true;
	rcu_read_lock();
	f = rcu_dereference(v_vm(v)->msr_filter);
	if (f)
		allowed = filter_allows(f, msr, access);
	rcu_read_unlock();
	return allowed;
}

/*
 * What a guest reaches without an exit as long as no filter is in the way, and what of that exits
 * anyhow.
 */
static const struct { u32 msr, exits; } open_to_guest[] = {
	{ MSR_FS_BASE }, { MSR_GS_BASE }, { MSR_KERNEL_GS_BASE },
	{ MSR_IA32_SYSENTER_CS }, { MSR_IA32_SYSENTER_ESP }, { MSR_IA32_SYSENTER_EIP },
	{ MSR_STAR, HW_SYSCALL_MSRS_EXIT }, { MSR_LSTAR, HW_SYSCALL_MSRS_EXIT },
	{ MSR_CSTAR, HW_SYSCALL_MSRS_EXIT }, { MSR_SYSCALL_MASK, HW_SYSCALL_MSRS_EXIT },
};

static void msr_open(struct vcpu_x86 *v, u32 msr, u32 exits)
{
	if (!msr_allowed_by_filter(v, msr, ACCESS_READ))
		exits |= ACCESS_READ;
	if (!msr_allowed_by_filter(v, msr, ACCESS_WRITE))
		exits |= ACCESS_WRITE;
	hw_set_msr_intercept(&v->hw, msr, exits);
}

/**
 * vcpu_apply_msr_filter() - REQ_MSR_FILTER: what the filter denies must exit. vCPU thread, loaded.
 */
void vcpu_apply_msr_filter(struct vcpu_x86 *v)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(open_to_guest); i++)
		msr_open(v, open_to_guest[i].msr, open_to_guest[i].exits);
	if (v->spec_ctrl_used)
		msr_open(v, MSR_IA32_SPEC_CTRL, 0);
}

/* ------------------ MSRs that user space owns while it runs */

/*
 * TSC_AUX is the one MSR that neither VMLOAD/VMSAVE nor the run loop switches: the host needs its
 * own value only in user space (RDTSCP, RDPID there), so it is put back when this CPU returns to
 * user space, not at every exit.
 */
struct user_return_cpu {
	struct user_return_notifier notifier;
	bool registered, host_known;
	u64 host_tsc_aux;	/* the kernel sets it when the CPU comes up, and never again */
};

static DEFINE_PER_CPU(struct user_return_cpu, user_return_cpu);
DEFINE_PER_CPU(u64, tsc_aux_now);

static void user_return_restore(struct user_return_notifier *n)
{
	struct user_return_cpu *c = container_of(n, struct user_return_cpu, notifier);
	unsigned long flags;

	/*
	 * The CPU-offline path may come here with IRQs on while an ordinary return is on its way.
	 */
	local_irq_save(flags);
	if (c->registered) {
		c->registered = false;
		user_return_notifier_unregister(n);
		if (__this_cpu_read(tsc_aux_now) != c->host_tsc_aux)
			wrmsrl(MSR_TSC_AUX, c->host_tsc_aux);
		__this_cpu_write(tsc_aux_now, c->host_tsc_aux);
	}
	local_irq_restore(flags);
}

/** tsc_aux_load() - the CPU hasn't the guest's TSC_AUX. IRQs off. */
void tsc_aux_load(u64 val)
{
	struct user_return_cpu *c = this_cpu_ptr(&user_return_cpu);

	if (hw_caps.tsc_aux_virt || !boot_cpu_has(X86_FEATURE_RDTSCP))
		return;
	if (unlikely(!c->host_known)) {
		rdmsrl(MSR_TSC_AUX, c->host_tsc_aux);
		__this_cpu_write(tsc_aux_now, c->host_tsc_aux);
		c->host_known = true;
		if (c->host_tsc_aux == val)
			return;
	}
	if (!c->registered) {
		c->notifier.on_user_return = user_return_restore;
		user_return_notifier_register(&c->notifier);
		c->registered = true;
	}
	wrmsrl(MSR_TSC_AUX, val);
	__this_cpu_write(tsc_aux_now, val);
}

static void user_return_restore_cpu(void *unused)
{
	struct user_return_cpu *c = this_cpu_ptr(&user_return_cpu);

	if (c->registered)
		user_return_restore(&c->notifier);
}

/** user_return_msrs_cpu_down() - this CPU goes offline or to sleep. On it, IRQs off. */
void user_return_msrs_cpu_down(void)
{
	user_return_restore_cpu(NULL);
	this_cpu_ptr(&user_return_cpu)->host_known = false;
	__this_cpu_write(tsc_aux_now, ~0ull);
}

/** user_return_msrs_teardown() - the module goes: no CPU keeps a notifier of ours. May sleep. */
void user_return_msrs_teardown(void)
{
	on_each_cpu(user_return_restore_cpu, NULL, 1);
}
