// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: what is offered, what a VMM may set, what the guest reads. The host is a table of the test. */
#include "check.h"
#include "vcpu/cpuid.c"


static struct vm_x86 vm;
static struct vcpu_x86 v;

static void host(u32 leaf, u32 index, u32 a, u32 b, u32 c, u32 d)
{
	static int n;

	shim_cpuid[n++] = (struct shim_cpuid){ leaf, index, a, b, c, d };
}

static void make_host(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	hw_caps.max_phys_bits = 48;
	hw_caps.tdp_1g = true;
	host(0, 0, 0x16, 0x68747541, 0x444d4163, 0x69746e65);
	host(1, 0, 0x800f12, 0x800, ~0u, ~0u);
	host(7, 0, 3, ~0u, ~0u, ~0u);
	host(0xd, 0, 0x7, 0x340, 0x340, 0);
	host(0xd, 1, 0xf, 0, 0, 0);
	host(0xd, 2, 0x100, 0x240, 0, 0);
	host(0x80000000, 0, 0x8000001f, 0, 0, 0);
	host(0x80000001, 0, 0, 0, ~0u, ~0u);
	host(0x80000007, 0, 0, 0, 0, 0x100);
	host(0x80000008, 0, 0x3034, ~0u, 0, 0);
	memset(shim_cpu_caps, 0xff, sizeof(shim_cpu_caps));
	memset(boot_cpu_data.x86_capability, 0xff, sizeof(boot_cpu_data.x86_capability));
	boot_cpu_data.cpuid_level = 0x16;
	boot_cpu_data.x86_vendor = X86_VENDOR_AMD;
	shim_xcr0 = 0x7;
	cpuid_setup();
}

static struct kvm_cpuid_entry2 supported[128];

static struct kvm_cpuid_entry2 *get(u32 function, u32 index)
{
	u32 i, n = ARRAY_SIZE(supported);

	make_host();
	CHECK_EQ(cpuid_get_supported(supported, &n, false), 0);
	for (i = 0; i < n; i++)
		if (supported[i].function == function && supported[i].index == index)
			return &supported[i];
	return NULL;
}

static void set(const struct kvm_cpuid_entry2 *e, int n)
{
	struct kvm_cpuid_entry2 *copy = kvmalloc(n * sizeof(*e), GFP_KERNEL);

	memcpy(copy, e, n * sizeof(*e));
	CHECK_EQ(vcpu_set_cpuid(&v, copy, n), 0);
}

static void reset(void)
{
	make_host();
	kvfree(v.cpuid);
	memset(&v, 0, sizeof(v));
	v.vcpu.vm = &vm.vm;
}

static void done(void)
{
	kvfree(v.cpuid);
	v.cpuid = NULL;
}

static void ask(u32 function, u32 index, u32 r[4])
{
	r[0] = function;
	r[2] = index;
	cpuid_lookup(&v, &r[0], &r[1], &r[2], &r[3]);
}

TEST(offers_only_what_works)
{
	struct kvm_cpuid_entry2 *e = get(1, 0);

	CHECK(e);
	CHECK(e->ecx & F(X2APIC));
	CHECK(!(e->ecx & F(VMX)));
	CHECK(!(e->ecx & F(TSC_DEADLINE_TIMER)));	/* KVM_CAP_TSC_DEADLINE_TIMER says that */
	CHECK(!(e->ecx & F(MWAIT)));
	CHECK(!(get(0x80000001, 0)->ecx & F(SVM)));
	CHECK(!(get(7, 0)->edx & F(ARCH_CAPABILITIES)));
	CHECK(!(get(0x40000001, 0)->eax & (1u << KVM_FEATURE_ASYNC_PF)));
}

TEST(highest_functions_have_entries)
{
	CHECK_EQ(get(0, 0)->eax, 0xd);
	CHECK_EQ(get(0x80000000, 0)->eax, 0x8000001e);
	CHECK_EQ(get(0x40000000, 0)->eax, 0x40000001);
	CHECK(get(0x40000000, 0)->ebx == 0x4b4d564b);
}

TEST(kernel_narrows_host)
{
	make_host();
	boot_cpu_data.x86_capability[CPUID_1_ECX] &= ~F(AVX);
	CHECK(!(get(1, 0)->ecx & F(AVX)));
	CHECK(get(1, 0)->ecx & F(XSAVE));
	boot_cpu_data.x86_capability[CPUID_1_ECX] |= F(AVX);
	CHECK(get(1, 0)->ecx & F(AVX));
}

TEST(physical_bits_are_bounded_by_nested_paging)
{
	hw_caps.max_phys_bits = 40;
	CHECK_EQ(get(0x80000008, 0)->eax & 0xff, 40);
	hw_caps.max_phys_bits = 48;
	CHECK_EQ(get(0x80000008, 0)->eax & 0xff, 48);
}

TEST(umip_where_the_backend_makes_it)
{
	make_host();
	shim_cpu_caps[X86_FEATURE_UMIP / 32] &= ~BIT(X86_FEATURE_UMIP % 32);
	CHECK(!(get(7, 0)->ecx & BIT(2)));
	hw_caps.emulated_umip = true;
	CHECK(get(7, 0)->ecx & BIT(2));
	hw_caps.emulated_umip = false;
}

TEST(too_little_room_is_e2big)
{
	u32 n = 3;

	make_host();
	CHECK_EQ(cpuid_get_supported(supported, &n, false), (u64)-E2BIG);
	CHECK_EQ(n, 3);
}

TEST(xstate_sizes)
{
	make_host();
	CHECK_EQ(get(0xd, 0)->eax, 7);
	CHECK_EQ(cpuid_xstate_size(3, false), 576);
	CHECK_EQ(cpuid_xstate_size(7, false), 0x340);
	CHECK_EQ(cpuid_xstate_size(7, true), 576 + 0x100);
	CHECK_EQ(get(0xd, 2)->eax, 0x100);
	CHECK_EQ(get(0xd, 1)->eax, 7);	/* no XSAVES */
}

TEST(lookup_by_function_and_index)
{
	const struct kvm_cpuid_entry2 e[] = {
		{ .function = 0x80000001, .eax = 5 },
		{ .function = 4, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 41 },
		{ .function = 4, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 40 },
		{ .function = 0, .eax = 4, .ebx = 0x68747541 },
		{ .function = 0xc0000001, .eax = 77 },
	};
	u32 r[4];

	reset();
	set(e, ARRAY_SIZE(e));
	ask(4, 0, r); CHECK_EQ(r[0], 40);
	ask(4, 1, r); CHECK_EQ(r[0], 41);
	ask(4, 2, r); CHECK_EQ(r[0], 0);
	ask(0x80000001, 9, r); CHECK_EQ(r[0], 5);	/* index doesn't count there */
	ask(0xc0000001, 0, r); CHECK_EQ(r[0], 77);	/* outside the indexed ranges */
	ask(0x23456789, 0, r); CHECK_EQ(r[0] | r[1] | r[2] | r[3], 0);
	ask(0xffffffff, ~0u, r); CHECK_EQ(r[0] | r[1] | r[2] | r[3], 0);
	done();
}

TEST(out_of_range_intel_repeats_highest_basic)
{
	const struct kvm_cpuid_entry2 e[] = {
		{ .function = 0, .eax = 0xd, .ebx = 0x756e6547 },
		{ .function = 0xd, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 0x1234 },
		{ .function = 0x80000000, .eax = 0x80000008 },
	};
	u32 r[4];

	reset();
	set(e, ARRAY_SIZE(e));
	ask(0x20, 0, r);
	CHECK_EQ(r[0], 0x1234);
	ask(5, 0, r);		/* in range and not there: zeros */
	CHECK_EQ(r[0], 0);
	ask(0x80000005, 0, r);
	CHECK_EQ(r[0], 0);
	ask(0x80000009, 0, r);
	CHECK_EQ(r[0], 0x1234);
	done();
}

TEST(topology_leaf_keeps_id)
{
	const struct kvm_cpuid_entry2 e[] = {
		{ .function = 0, .eax = 0xb, .ebx = 0x68747541 },
		{ .function = 0xb, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 1, .edx = 6 },
	};
	u32 r[4];

	reset();
	set(e, ARRAY_SIZE(e));
	ask(0xb, 0x105, r);
	CHECK_EQ(r[0], 0);
	CHECK_EQ(r[2], 5);
	CHECK_EQ(r[3], 6);
	done();
}

TEST(bits_follow_the_guest)
{
	const struct kvm_cpuid_entry2 e[] = {
		{ .function = 1, .ecx = F(XSAVE), .edx = F(APIC) },
		{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ecx = F(PKU) },
		{ .function = 0xd, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 7 },
		{ .function = 0xd, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 2 },
	};
	u32 r[4];

	reset();
	v.has_apic = true;
	v.xcr0 = 1;
	set(e, ARRAY_SIZE(e));
	ask(1, 0, r);
	CHECK(!(r[2] & F(OSXSAVE)));
	CHECK(!(r[3] & F(APIC)));
	v.hw.cr4 = X86_CR4_OSXSAVE | X86_CR4_PKE;
	v.xcr0 = 7;
	v.apic.base = MSR_IA32_APICBASE_ENABLE;
	cpuid_update_dynamic(&v);
	ask(1, 0, r);
	CHECK(r[2] & F(OSXSAVE));
	CHECK(r[3] & F(APIC));
	ask(7, 0, r);
	CHECK(r[2] & F(OSPKE));
	ask(0xd, 0, r);
	CHECK_EQ(r[1], 0x340);
	ask(0xd, 1, r);
	CHECK_EQ(r[1], 576 + 0x100);
	done();
}

TEST(limits_follow_cpuid)
{
	const struct kvm_cpuid_entry2 e[] = {
		{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = F(SMEP) },
		{ .function = 0x80000001, .edx = F(LM) | F(NX) },
		{ .function = 0x80000008, .eax = 0x3027 },
		{ .function = KVM_CPUID_SIGNATURE, .ebx = 0x4b4d564b },
		{ .function = KVM_CPUID_FEATURES, .eax = 9 },
	};

	reset();
	set(e, ARRAY_SIZE(e));
	CHECK_EQ(v.maxphyaddr, 39);
	CHECK(!(v.cr4_reserved & X86_CR4_SMEP));
	CHECK(v.cr4_reserved & X86_CR4_SMAP);
	CHECK(v.cr4_reserved & X86_CR4_VMXE);
	CHECK_EQ(v.efer_allowed, EFER_SCE | EFER_LME | EFER_LMA | EFER_NX);
	CHECK_EQ(v.pv_features, 9);
	done();
}

TEST(a_linear_width_of_no_cpu_is_refused)
{
	struct kvm_cpuid_entry2 *e;

	reset();
	e = kvzalloc(sizeof(*e), GFP_KERNEL);
	e->function = 0x80000008;
	e->eax = 0x3330;
	CHECK_EQ(vcpu_set_cpuid(&v, e, 1), (u64)-EINVAL);
	CHECK(!v.cpuid);
	kvfree(e);
}
