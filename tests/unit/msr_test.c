// SPDX-License-Identifier: GPL-2.0-only
/* MSRs: the table, who may write what, the lists, the filter, TSC_AUX and the return to user space. */
#include "check.h"
#include "vcpu/msr.c"

static struct vm_x86 vm;
static struct vcpu_x86 v;
static u32 guest_cpuid7_edx;
static u64 lapic_wrote;
static u32 lapic_msr;

/* The neighbours. */
int lapic_msr_read(struct lapic *apic, u32 msr, u64 *val) { *val = msr; return 0; }
int lapic_msr_write(struct lapic *apic, u32 msr, u64 val) { lapic_msr = msr; lapic_wrote = val; return val == ~0ull ? -EINVAL : 0; }
int lapic_set_base(struct lapic *apic, u64 base, bool host) { apic->base = base; return 0; }
int vcpu_set_efer(struct vcpu_x86 *vc, u64 efer, bool host) { vc->hw.efer = efer; return 0; }
void vcpu_set_tsc_offset(struct vcpu_x86 *vc, u64 offset) { vc->tsc_offset = offset; }
void vcpu_write_tsc(struct vcpu_x86 *vc, u64 tsc, bool host) { vc->tsc_offset = tsc; }
u64 vcpu_guest_tsc(struct vcpu_x86 *vc, u64 host_tsc) { return host_tsc + vc->tsc_offset; }
int pv_set_msr(struct vcpu_x86 *vc, u32 msr, u64 val, bool host) { return -EINVAL; }
int pv_get_msr(struct vcpu_x86 *vc, u32 msr, u64 *val, bool host) { return -EINVAL; }
void vm_request_all(struct vm *m, enum vcpu_request req, enum request_wait wait, struct vcpu *except) { }
void cpuid_lookup(struct vcpu_x86 *vc, u32 *a, u32 *b, u32 *c, u32 *d) { *d = *a == 7 ? guest_cpuid7_edx : 0; *a = *b = *c = 0; }

static void reset(void)
{
	memset(&v, 0, sizeof(v));
	v.vcpu.vm = &vm.vm;
	v.maxphyaddr = 40;
	v.has.lm = v.has.rdtscp = true;
	v.has_apic = true;
	v.mce.cap = MCG_CTL_P | 10;
	memset(shim_cpu_caps, 0xff, sizeof(shim_cpu_caps));
	msr_setup();
	/* What the processor holds for a guest. */
	for (unsigned int i = 0; i < ARRAY_SIZE(msr_rows); i++)
		if (msr_rows[i].holder == BY_BACKEND)
			v.hw.msr[v.hw.nr_msrs++].index = msr_rows[i].first;
	v.hw.msr[v.hw.nr_msrs++].index = MSR_IA32_CR_PAT;
	v.hw.msr[v.hw.nr_msrs++].index = MSR_IA32_SPEC_CTRL;
}

static int guest_set(u32 msr, u64 val) { return vcpu_set_msr(&v, msr, val, false); }
static int host_set(u32 msr, u64 val) { return vcpu_set_msr(&v, msr, val, true); }

static u64 guest_get(u32 msr)
{
	u64 val = 0xdead;

	CHECK_EQ(vcpu_get_msr(&v, msr, &val, false), 0);
	return val;
}

TEST(table_is_sorted_and_found)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++) {
		CHECK(!i || msr_rows[i].first > msr_rows[i - 1].last);
		CHECK(find_row(msr_rows[i].first) == &msr_rows[i]);
		CHECK(find_row(msr_rows[i].last) == &msr_rows[i]);
	}
	CHECK(!find_row(0xffffffff));
	CHECK(!find_row(0x2345));
}

TEST(unknown_is_enoent)
{
	u64 val;

	reset();
	CHECK_EQ(vcpu_get_msr(&v, 0x12345, &val, true), (u64)-ENOENT);
	CHECK_EQ(host_set(0x12345, 0), (u64)-ENOENT);
}

/* Whatever is in the save list must be readable, and the VMM must be able to write back what it read. */
TEST(save_list_round_trip)
{
	u32 n, i;
	const u32 *list;
	u64 val;

	reset();
	list = msr_save_list(&n);
	CHECK(n > 15);
	for (i = 0; i < n; i++) {
		if (list[i] == MSR_KVM_WALL_CLOCK || list[i] == MSR_KVM_SYSTEM_TIME || list[i] >> 8 == 0x4b564d)
			continue;	/* pv.c */
		CHECK_EQ(vcpu_get_msr(&v, list[i], &val, true), 0);
		CHECK_EQ(host_set(list[i], val), 0);
	}
}

TEST(canonical_addresses)
{
	reset();
	CHECK_EQ(guest_set(MSR_LSTAR, 0x800000000000ull), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_LSTAR, 0xffff800000000000ull), 0);
	CHECK_EQ(guest_get(MSR_LSTAR), 0xffff800000000000ull);
	v.hw.cr4 = X86_CR4_LA57;
	CHECK_EQ(guest_set(MSR_LSTAR, 0x800000000000ull), 0);
	CHECK_EQ(guest_set(MSR_KERNEL_GS_BASE, 0x0100000000000000ull), (u64)-EINVAL);
}

TEST(features_gate_msrs)
{
	u64 val;

	reset();
	v.has.rdtscp = false;
	CHECK_EQ(guest_set(MSR_TSC_AUX, 1), (u64)-EINVAL);
	CHECK_EQ(vcpu_get_msr(&v, MSR_TSC_AUX, &val, false), (u64)-EINVAL);
	CHECK_EQ(host_set(MSR_TSC_AUX, 1), 0);
	CHECK_EQ(host_set(MSR_TSC_AUX, 1ull << 32), (u64)-EINVAL);
	v.has.lm = false;
	CHECK_EQ(guest_set(MSR_LSTAR, 0), (u64)-EINVAL);
}

TEST(mtrr_types_and_reserved_bits)
{
	reset();
	CHECK_EQ(guest_set(MSR_MTRRdefType, 0xc06), 0);
	CHECK_EQ(guest_set(MSR_MTRRdefType, 0x1c06), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_MTRRdefType, 2), (u64)-EINVAL);
	CHECK_EQ(guest_get(MSR_MTRRdefType), 0xc06);
	CHECK_EQ(guest_set(0x200, 0x10000000006ull), (u64)-EINVAL);	/* beyond MAXPHYADDR 40 */
	CHECK_EQ(guest_set(0x200, 0xe0000006), 0);
	CHECK_EQ(guest_set(0x20f, 0xffe0000800ull), 0);
	CHECK_EQ(guest_get(0x20f), 0xffe0000800ull);
	CHECK_EQ(guest_set(0x250, 0x0606060606060606ull), 0);
	CHECK_EQ(guest_set(0x258, 0x0606060606060602ull), (u64)-EINVAL);
	CHECK_EQ(guest_set(0x26f, 0x0505050505050505ull), 0);
	CHECK_EQ(guest_get(0x26f), 0x0505050505050505ull);
	CHECK_EQ(guest_get(0x250), 0x0606060606060606ull);
	CHECK_EQ(guest_get(0xfe), MTRR_CAP);
	CHECK_EQ(guest_set(0xfe, MTRR_CAP), (u64)-EINVAL);
}

TEST(pat)
{
	reset();
	CHECK_EQ(guest_set(MSR_IA32_CR_PAT, 0x0007040600070406ull), 0);
	CHECK_EQ(guest_set(MSR_IA32_CR_PAT, 0x0007040600070402ull), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_CR_PAT, 0x8000000000000000ull), (u64)-EINVAL);
	CHECK_EQ(guest_get(MSR_IA32_CR_PAT), 0x0007040600070406ull);
}

TEST(machine_check_banks)
{
	u64 val;

	reset();
	CHECK_EQ(guest_set(MSR_IA32_MC0_CTL, ~0ull), 0);
	CHECK_EQ(guest_set(MSR_IA32_MC0_CTL, 5), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_MC0_CTL + 1, 5), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_MC0_CTL + 1, 0), 0);
	CHECK_EQ(host_set(MSR_IA32_MC0_CTL + 1, 5), 0);
	CHECK_EQ(guest_get(MSR_IA32_MC0_CTL + 1), 5);
	CHECK_EQ(vcpu_get_msr(&v, MSR_IA32_MC0_CTL + 40, &val, false), (u64)-EINVAL);	/* bank 10 of 10 */
	CHECK_EQ(guest_set(MSR_IA32_MCG_CTL, 1), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_MCG_CTL, ~0ull), 0);
	CHECK_EQ(guest_get(MSR_IA32_MCG_CTL), ~0ull);
	v.mce.cap = 0;
	CHECK_EQ(vcpu_get_msr(&v, MSR_IA32_MCG_CTL, &val, false), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_MCG_CTL, 0), (u64)-EINVAL);
}

TEST(speculation_control_needs_cpuid)
{
	u64 val;

	reset();
	guest_cpuid7_edx = 0;
	CHECK_EQ(guest_set(MSR_IA32_SPEC_CTRL, 1), (u64)-EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_PRED_CMD, 1), (u64)-EINVAL);
	CHECK_EQ(vcpu_get_msr(&v, MSR_IA32_SPEC_CTRL, &val, false), (u64)-EINVAL);
	guest_cpuid7_edx = BIT(26);
	/* The first bit that the guest sets opens it; what it clears, or the VMM sets, does not. */
	v.vcpu.requests = 0;
	v.spec_ctrl_used = false;
	CHECK_EQ(guest_set(MSR_IA32_SPEC_CTRL, 0), 0);
	CHECK_EQ(host_set(MSR_IA32_SPEC_CTRL, 1), 0);
	CHECK(!v.spec_ctrl_used && !v.vcpu.requests);
	CHECK_EQ(guest_set(MSR_IA32_SPEC_CTRL, 1), 0);
	CHECK(v.spec_ctrl_used && test_bit(REQ_MSR_FILTER, &v.vcpu.requests));
	CHECK_EQ(guest_get(MSR_IA32_SPEC_CTRL), 1);
	CHECK_EQ(guest_set(MSR_IA32_SPEC_CTRL, 8), (u64)-EINVAL);
	*shim_msr(MSR_IA32_PRED_CMD) = 0;
	CHECK_EQ(guest_set(MSR_IA32_PRED_CMD, 1), 0);
	CHECK_EQ(*shim_msr(MSR_IA32_PRED_CMD), 1);
	CHECK_EQ(guest_set(MSR_IA32_PRED_CMD, 2), (u64)-EINVAL);
	CHECK_EQ(vcpu_get_msr(&v, MSR_IA32_PRED_CMD, &val, false), (u64)-EINVAL);
}

TEST(tsc_adjust_moves_the_guests_tsc)
{
	reset();
	CHECK_EQ(guest_set(MSR_IA32_TSC_ADJUST, 100), 0);
	CHECK_EQ(v.tsc_offset, 100);
	CHECK_EQ(guest_set(MSR_IA32_TSC_ADJUST, 40), 0);
	CHECK_EQ(v.tsc_offset, 40);
	CHECK_EQ(host_set(MSR_IA32_TSC_ADJUST, 7), 0);	/* a migration restores it without moving the TSC again */
	CHECK_EQ(v.tsc_offset, 40);
	CHECK_EQ(guest_get(MSR_IA32_TSC_ADJUST), 7);
}

TEST(amd_configuration)
{
	reset();
	CHECK_EQ(guest_set(MSR_AMD64_SYSCFG, 0x1234), 0);
	CHECK_EQ(guest_get(MSR_AMD64_SYSCFG), 0);
	CHECK_EQ(guest_set(MSR_K7_HWCR, BIT_ULL(18)), 0);
	CHECK_EQ(guest_get(MSR_K7_HWCR), BIT_ULL(18));
	CHECK_EQ(guest_set(MSR_K7_HWCR, 1), (u64)-EINVAL);
	CHECK_EQ(guest_get(MSR_AMD_DE_CFG), 2);
}

/* Bits that some processor has are taken, and nothing comes of them. */
TEST(debugctl)
{
	reset();
	CHECK_EQ(guest_set(MSR_IA32_DEBUGCTLMSR, 3), 0);
	CHECK_EQ(guest_get(MSR_IA32_DEBUGCTLMSR), 0);
	CHECK_EQ(host_set(MSR_IA32_DEBUGCTLMSR, 3), 0);
	CHECK_EQ(guest_set(MSR_IA32_DEBUGCTLMSR, BIT_ULL(40)), -EINVAL);
	CHECK_EQ(host_set(MSR_IA32_DEBUGCTLMSR, BIT_ULL(16)), -EINVAL);
}

TEST(apic_base)
{
	const u64 base = 0xfee00900;

	reset();
	CHECK_EQ(guest_set(MSR_IA32_APICBASE, base | BIT_ULL(39)), 0);
	CHECK_EQ(guest_set(MSR_IA32_APICBASE, base), 0);
	CHECK_EQ(guest_set(MSR_IA32_APICBASE, base | BIT_ULL(40)), -EINVAL);
	CHECK_EQ(guest_set(MSR_IA32_APICBASE, base | BIT_ULL(51)), -EINVAL);
	CHECK_EQ(host_set(MSR_IA32_APICBASE, base | BIT_ULL(40)), -EINVAL);
	CHECK_EQ(v.apic.base, base);
}

TEST(fast_paths)
{
	u64 val;

	reset();
	CHECK(msr_read_fast(&v, MSR_IA32_TSC_ADJUST, &val));
	CHECK(!msr_read_fast(&v, MSR_MTRRdefType, &val));
	CHECK(!msr_read_fast(&v, 0x99999, &val));
	v.apic.mode = APIC_XAPIC;
	CHECK(!msr_write_fast(&v, 0x830, 5));
	v.apic.mode = APIC_X2APIC;
	CHECK(msr_write_fast(&v, 0x830, 5));
	CHECK_EQ(lapic_msr, 0x830);
	CHECK(!msr_write_fast(&v, 0x830, ~0ull));	/* the LAPIC refuses: the slow path raises #GP */
	CHECK(!msr_write_fast(&v, 0x832, 5));
	v.has_apic = false;
	CHECK(!msr_write_fast(&v, 0x83f, 5));
}

static int set_filter(u32 flags, u32 rflags, u32 base, u32 n, void *bitmap)
{
	struct kvm_msr_filter f = { .flags = flags };

	f.ranges[0].flags = rflags;
	f.ranges[0].base = base;
	f.ranges[0].nmsrs = n;
	f.ranges[0].bitmap = bitmap;
	return vm_set_msr_filter(&vm, &f);
}

TEST(filter)
{
	u8 bitmap[8] = { 0x02 };	/* base + 1 allowed */

	reset();
	mutex_init(&vm.vm.lock);
	CHECK(msr_allowed_by_filter(&v, 0x174, ACCESS_READ));
	CHECK_EQ(set_filter(2, 1, 0x174, 8, bitmap), (u64)-EINVAL);
	CHECK_EQ(set_filter(KVM_MSR_FILTER_DEFAULT_DENY, 0, 0, 0, NULL), (u64)-EINVAL);
	CHECK_EQ(set_filter(0, 4, 0x174, 8, bitmap), (u64)-EINVAL);
	CHECK_EQ(set_filter(0, KVM_MSR_FILTER_READ, 0x174, 0x600 * 8 + 1, bitmap), (u64)-EINVAL);
	CHECK_EQ(set_filter(0, KVM_MSR_FILTER_READ, 0x174, 8, bitmap), 0);
	CHECK(shim_last_gfp & __GFP_ACCOUNT);		/* the VMM keeps it */
	CHECK(!msr_allowed_by_filter(&v, 0x174, ACCESS_READ));
	CHECK(msr_allowed_by_filter(&v, 0x174, ACCESS_WRITE));
	CHECK(msr_allowed_by_filter(&v, 0x175, ACCESS_READ));
	CHECK(msr_allowed_by_filter(&v, 0x17c, ACCESS_READ));
	CHECK_EQ(set_filter(KVM_MSR_FILTER_DEFAULT_DENY, 3, 0x174, 8, bitmap), 0);
	CHECK(!msr_allowed_by_filter(&v, 0x17c, ACCESS_READ));
	CHECK(msr_allowed_by_filter(&v, 0x830, ACCESS_WRITE));	/* x2APIC never */
	vm_destroy_msr_filter(&vm);
	CHECK(msr_allowed_by_filter(&v, 0x174, ACCESS_READ));
}

TEST(tsc_aux_returns_to_the_host_with_user_space)
{
	struct user_return_cpu *c = this_cpu_ptr(&user_return_cpu);

	reset();
	*shim_msr(MSR_TSC_AUX) = 5;
	hw_set_msr(&v.hw, MSR_TSC_AUX, 77);
	tsc_aux_load(hw_tsc_aux(&v.hw));
	CHECK_EQ(*shim_msr(MSR_TSC_AUX), 77);
	CHECK(c->registered);
	c->notifier.on_user_return(&c->notifier);
	CHECK_EQ(*shim_msr(MSR_TSC_AUX), 5);
	CHECK(!c->registered);
	tsc_aux_load(hw_tsc_aux(&v.hw));
	user_return_msrs_teardown();
	CHECK_EQ(*shim_msr(MSR_TSC_AUX), 5);
}
