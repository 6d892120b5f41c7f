// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks that the VMM gives to its guest (api.rst 4.104-4.106; SDM 3B, 16.3; APM 2, 9.3).
 */
#include <asm/mce.h>
#include "api/api.h"

enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC, BANK_MSRS };

u64 mce_supported(void)
{
	return MCG_CTL_P | MCG_SER_P;
}

int vcpu_setup_mce(struct vcpu_x86 *v, u64 mcg_cap)
{
	u32 banks = mcg_cap & MCG_BANKCNT_MASK, i;

	if (!banks || banks > MCE_BANKS)
		return -EINVAL;
	if (mcg_cap & ~(mce_supported() | MCG_BANKCNT_MASK))
		return -EINVAL;
	/* AMD's register has the count and CTL_P only (APM 2, 9.3.1). */
	v->mce.cap = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ? mcg_cap : mcg_cap & 0x1ff;
	if (mcg_cap & MCG_CTL_P)
		v->mce.ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		v->mce.banks[i * BANK_MSRS + BANK_CTL] = ~0ULL;
	return 0;
}

static void fill_bank(u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 overflow = bank[BANK_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[BANK_STATUS] = mce->status | overflow;
	bank[BANK_ADDR] = mce->addr;
	bank[BANK_MISC] = mce->misc;
}

/*
 * Uncorrected: #MC, or shutdown where the guest can't take one. Reporting that is switched off
 * loses the event.
 */
static void inject_uncorrected(struct vcpu_x86 *v, u64 *bank, const struct kvm_x86_mce *mce)
{
	if ((v->mce.cap & MCG_CTL_P) && v->mce.ctl != ~0ULL)
		return;
	if (bank[BANK_CTL] != ~0ULL)
		return;
	if ((v->mce.status & MCG_STATUS_MCIP) || !(hw_cr4(&v->hw) & X86_CR4_MCE)) {
		vcpu_request(&v->vcpu, REQ_TRIPLE_FAULT);
		return;
	}
	fill_bank(bank, mce);
	v->mce.status = mce->mcg_status;
	vcpu_queue_exception(v, X86_TRAP_MC);
}

int vcpu_inject_mce(struct vcpu_x86 *v, const struct kvm_x86_mce *mce)
{
	/* A VMM may have written any number into MCG_CAP. */
	u32 banks = min_t(u32, v->mce.cap & MCG_BANKCNT_MASK, MCE_BANKS);
	u64 *bank;

	if (mce->bank >= banks || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = v->mce.banks + array_index_nospec(mce->bank, MCE_BANKS) * BANK_MSRS;
	if (mce->status & MCI_STATUS_UC)
		inject_uncorrected(v, bank, mce);
	else if ((bank[BANK_STATUS] & MCI_STATUS_VAL) && (bank[BANK_STATUS] & MCI_STATUS_UC))
		bank[BANK_STATUS] |= MCI_STATUS_OVER;	/* what is there is worse */
	else
		fill_bank(bank, mce);
	return 0;
}
