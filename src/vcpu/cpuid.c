// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what a guest may be told (a table: which of the host's bits pass, which we provide
 * ourselves), what a VMM told it, and the few bits that follow the guest's own state.
 *
 * CPUID itself is executed only here at load and in ioctls, never on the way of an exit.
 */
#include <linux/nospec.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>
#include "vcpu/vcpu.h"

enum { EAX, EBX, ECX, EDX };

#define F(name)	(1u << (X86_FEATURE_##name & 31))
#define ALL	0xffffffffu

/*
 * Extended state that a guest may have: what the kernel's FPU code saves for us, without AMX (needs
 * a permission per process).
 */
#define GUEST_XCR0_MASK                                                                    \
	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 | \
	 XFEATURE_MASK_PKRU)

enum subleaves {
	SUB_NONE,	/* ECX is not looked at */
	SUB_ONE,	/* ECX matters, and we know subleaf 0 only */
	SUB_CACHE,	/* subleaves until EAX[4:0] is 0 */
	SUB_XSTATE,	/* leaf 0xd */
};

/*
 * One register of a leaf: bits that pass when the host has them, and bits that are there on any
 * host because software provides them.
 */
struct cpuid_rule {
	u32 pass, provide;
};

struct cpuid_leaf {
	u32 function;
	enum subleaves sub;
	struct cpuid_rule reg[4];
};

#define PV_FEATURES ((1u << KVM_FEATURE_CLOCKSOURCE) | (1u << KVM_FEATURE_NOP_IO_DELAY) | \
	(1u << KVM_FEATURE_CLOCKSOURCE2) | (1u << KVM_FEATURE_PV_UNHALT) | (1u << KVM_FEATURE_PV_SEND_IPI) | \
	(1u << KVM_FEATURE_PV_SCHED_YIELD) | (1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

/* APM 3, appendix E; SDM 2A, CPUID. In order of function. */
static const struct cpuid_leaf cpuid_leaves[] = {
	{ 0x0, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x1, SUB_NONE, { {ALL}, {0x0000ff00},
		{ F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) | F(MOVBE) |
		  F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND), F(X2APIC) },
		{ F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) |
		  F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) |
		  F(XMM2) | F(SELFSNOOP) } } },
	{ 0x2, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x4, SUB_CACHE, { {0x3fff}, {ALL}, {ALL}, {ALL} } },
	{ 0x6, SUB_NONE, { {0, 0x4 /* ARAT: the LAPIC timer never stops */} } },
	{ 0x7, SUB_ONE, { {0},
		{ F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(RTM) | F(ZERO_FCS_FDS) |
		  F(RDSEED) | F(ADX) | F(SMAP) | F(CLFLUSHOPT) | F(CLWB) | F(SHA_NI) | F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) |
		  F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL),
		  F(TSC_ADJUST) },
		{ F(AVX512VBMI) | F(PKU) | F(UMIP) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) |
		  F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(LA57) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B) },
		{ F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(MD_CLEAR) | F(AVX512_VP2INTERSECT) | F(SERIALIZE) |
		  F(SPEC_CTRL) | F(INTEL_STIBP) | F(SPEC_CTRL_SSBD) } } },
	{ 0xd, SUB_XSTATE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x40000000, SUB_NONE, { } },
	{ 0x40000001, SUB_NONE, { {0, PV_FEATURES} } },
	{ 0x80000000, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000001, SUB_NONE, { {ALL}, {ALL},
		{ F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) |
		  F(TBM) | F(TOPOEXT) },
		{ 0x0183fbff /* what repeats leaf 1 */ | F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) |
		  F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW) } } },
	{ 0x80000002, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000003, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000004, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000005, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000006, SUB_NONE, { {ALL}, {ALL}, {ALL}, {ALL} } },
	{ 0x80000007, SUB_NONE, { {0}, {0}, {0}, { 1u << 8 /* invariant TSC */ } } },
	{ 0x80000008, SUB_NONE, { {ALL},
		{ F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_SSBD) | F(AMD_SSB_NO) } } },
	{ 0x80000019, SUB_NONE, { {ALL}, {ALL} } },
	{ 0x8000001a, SUB_NONE, { {ALL} } },
	{ 0x8000001d, SUB_CACHE, { {0x3fff}, {ALL}, {ALL}, {ALL} } },
	{ 0x8000001e, SUB_NONE, { } },
	{ 0x80000021, SUB_NONE, { { 1u << 2 /* LFENCE serializes */ | 1u << 6 /* null selector clears base */ } } },
};

/*
 * Where the kernel's own view of a register may be narrower than the hardware's (clearcpuid=,
 * noxsave, tsx=off ...).
 */
static const struct { u32 function, index; u8 reg, word; u32 ignore; } kernel_words[] = {
	{ 0x1, 0, EDX, CPUID_1_EDX, 0 },
	{ 0x1, 0, ECX, CPUID_1_ECX, 0 },
	{ 0x7, 0, EBX, CPUID_7_0_EBX, 0 },
	/* the guest's own tables may have 5 levels whatever the host's have */
	{ 0x7, 0, ECX, CPUID_7_ECX, F(LA57) },
	{ 0x7, 0, EDX, CPUID_7_EDX, 0 },
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX, 0 },
};

/* Leaf 0xd of the host, read once. */
static struct xstate_component { u32 size, offset, ecx; } xstate[64];
static u64 host_guest_xcr0;

u64 cpuid_host_xcr0(void)
{
	return host_guest_xcr0;
}

void cpuid_setup(void)
{
	u32 eax, ebx, ecx, edx, i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	host_guest_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & GUEST_XCR0_MASK;
	for (i = 2; i < ARRAY_SIZE(xstate); i++) {
		if (!(host_guest_xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		xstate[i] = (struct xstate_component){ .size = eax, .offset = ebx, .ecx = ecx };
	}
}

/* ------------------------------------------------------------------ KVM_GET_SUPPORTED_CPUID */

struct cpuid_list {
	struct kvm_cpuid_entry2 *entries;
	u32 n, max;
};

static int list_add_entry(struct cpuid_list *list, const struct kvm_cpuid_entry2 *e)
{
	if (list->n >= list->max)
		return -E2BIG;
	list->entries[list->n++] = *e;
	return 0;
}

static u32 *entry_reg(struct kvm_cpuid_entry2 *e, int reg)
{
	return reg == EAX ? &e->eax : reg == EBX ? &e->ebx : reg == ECX ? &e->ecx : &e->edx;
}

static void host_entry(struct kvm_cpuid_entry2 *e, const struct cpuid_leaf *leaf, u32 index)
{
	*e = (struct kvm_cpuid_entry2){ .function = leaf->function, .index = index };
	if (leaf->sub != SUB_NONE)
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	if (!(leaf->function & 0x40000000))
		cpuid_count(leaf->function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
}

static void apply_rules(struct kvm_cpuid_entry2 *e, const struct cpuid_leaf *leaf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kernel_words); i++)
		if (kernel_words[i].function == e->function && kernel_words[i].index == e->index)
			*entry_reg(e, kernel_words[i].reg) &=
				boot_cpu_data.x86_capability[kernel_words[i].word] |
				kernel_words[i].ignore;
	for (i = EAX; i <= EDX; i++)
		*entry_reg(e, i) = (*entry_reg(e, i) & leaf->reg[i].pass) | leaf->reg[i].provide;
}

/* The highest function of the table in the range of @base that the host (or software) has. */
static u32 highest_function(u32 base, u32 host_max)
{
	u32 i, max = base;

	for (i = 0; i < ARRAY_SIZE(cpuid_leaves); i++)
		if ((cpuid_leaves[i].function & 0xf0000000) == base &&
		    cpuid_leaves[i].function <= host_max)
			max = cpuid_leaves[i].function;
	return max;
}

/* What no mask can say. */
static void adjust_entry(struct kvm_cpuid_entry2 *e)
{
	static const char signature[12] = "KVMKVMKVM\0\0";
	u8 phys = e->eax & 0xff;

	switch (e->function) {
	case 0x0:
		e->eax = highest_function(0, e->eax);
		break;
	case 0x7:
		e->eax = 0;
		if (!boot_cpu_has(X86_FEATURE_OSPKE))
			e->ecx &= ~F(PKU);
		if (hw_caps.emulated_umip)
			e->ecx |= F(UMIP);
		break;
	case 0x80000000:
		e->eax = highest_function(0x80000000, e->eax);
		break;
	case 0x80000001:
		if (!hw_caps.tdp_1g)
			e->edx &= ~F(GBPAGES);
		break;
	case 0x80000008:
		/* Bits 23:16: what nested paging can translate (APM 3, E.4.7). */
		e->eax = (e->eax & 0xff00) | min(phys, hw_caps.max_phys_bits) |
			 (u32)min(phys, hw_caps.max_phys_bits) << 16;
		break;
	case KVM_CPUID_SIGNATURE:
		e->eax = KVM_CPUID_FEATURES;
		memcpy(&e->ebx, signature, 4);
		memcpy(&e->ecx, signature + 4, 4);
		memcpy(&e->edx, signature + 8, 4);
		break;
	case KVM_CPUID_FEATURES:
		if (sched_info_on())
			e->eax |= 1u << KVM_FEATURE_STEAL_TIME;
		break;
	}
}

static int add_xstate(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 e = { .function = 0xd, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX };
	u32 i, eax = 0, dummy;
	int ret;

	if (!host_guest_xcr0)
		return 0;
	e.eax = host_guest_xcr0;
	e.edx = host_guest_xcr0 >> 32;
	e.ebx = e.ecx = cpuid_xstate_size(host_guest_xcr0, false);
	ret = list_add_entry(list, &e);
	if (ret)
		return ret;
	cpuid_count(0xd, 1, &eax, &dummy, &dummy, &dummy);
	/* XSAVEOPT, XSAVEC, XGETBV with ECX=1; XSAVES where the backend handles it */
	e = (struct kvm_cpuid_entry2){ .function = 0xd,
				       .index = 1,
				       .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				       .eax = eax & (hw_caps.xsaves ? 0xf : 0x7) };
	if (e.eax & 0xa)	/* a compacted format exists */
		e.ebx = cpuid_xstate_size(host_guest_xcr0, true);
	ret = list_add_entry(list, &e);
	for (i = 2; !ret && i < ARRAY_SIZE(xstate); i++) {
		if (!xstate[i].size)
			continue;
		e = (struct kvm_cpuid_entry2){ .function = 0xd,
					       .index = i,
					       .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
					       .eax = xstate[i].size,
					       .ebx = xstate[i].offset,
					       .ecx = xstate[i].ecx };
		ret = list_add_entry(list, &e);
	}
	return ret;
}

static int add_leaf(struct cpuid_list *list, const struct cpuid_leaf *leaf)
{
	struct kvm_cpuid_entry2 e;
	u32 index = 0;
	int ret;

	if (leaf->sub == SUB_XSTATE)
		return add_xstate(list);
	do {
		host_entry(&e, leaf, index++);
		apply_rules(&e, leaf);
		adjust_entry(&e);
		ret = list_add_entry(list, &e);
	} while (!ret && leaf->sub == SUB_CACHE && (e.eax & 0x1f) && index < 16);
	return ret;
}

/* KVM_GET_EMULATED_CPUID: instructions that the emulator does though the CPU may not. */
static int add_emulated(struct cpuid_list *list)
{
	static const struct kvm_cpuid_entry2 emulated[] = {
		{ .function = 0, .eax = 1 },
		{ .function = 1, .ecx = F(MOVBE) },
	};
	int i, ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(emulated); i++)
		ret = list_add_entry(list, &emulated[i]);
	return ret;
}

static bool leaf_exists(u32 function)
{
	if (function >= 0x80000000)
		return function <= cpuid_eax(0x80000000);
	return function >= 0x40000000 || function <= (u32)boot_cpu_data.cpuid_level;
}

/* Leaves that only one make of CPU defines; on the other they are reserved. */
static bool leaf_of_this_vendor(u32 function)
{
	switch (function) {
	case 0x2: case 0x4:
		return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
	case 0x8000001d: case 0x8000001e:
		return boot_cpu_has(X86_FEATURE_TOPOEXT);
	default:
		return true;
	}
}

/**
 * cpuid_get_supported() - fill @entries (room for *@nent) with what a guest may have; *@nent
 * becomes the count. May sleep.
 * @emulated: KVM_GET_EMULATED_CPUID instead. -E2BIG: too little room (*@nent unchanged).
 */
int cpuid_get_supported(struct kvm_cpuid_entry2 *entries, u32 *nent, bool emulated)
{
	struct cpuid_list list = { .entries = entries, .max = *nent };
	u32 i;
	int ret = 0;

	if (emulated)
		ret = add_emulated(&list);
	else
		for (i = 0; !ret && i < ARRAY_SIZE(cpuid_leaves); i++)
			if (leaf_exists(cpuid_leaves[i].function) &&
			    leaf_of_this_vendor(cpuid_leaves[i].function))
				ret = add_leaf(&list, &cpuid_leaves[i]);
	if (!ret)
		*nent = list.n;
	return ret;
}

/* ------------------------------------------------------------------ extended state sizes */

/**
 * cpuid_xstate_size() - bytes of an XSAVE area for the components in @features. APM 2, 11.5; SDM 1,
 * 13.4. Any context.
 */
u32 cpuid_xstate_size(u64 features, bool compacted)
{
	u32 i, end, size = 512 + 64;	/* legacy area and header */

	for (i = 2; i < ARRAY_SIZE(xstate); i++) {
		if (!(features & BIT_ULL(i)) || !xstate[i].size)
			continue;
		if (compacted && (xstate[i].ecx & 2))
			size = ALIGN(size, 64);
		end = compacted ? size + xstate[i].size : xstate[i].offset + xstate[i].size;
		size = max(size, end);
	}
	return size;
}

/* ------------------------------------------------------------------ a vCPU's CPUID */

static int compare_entries(const void *a, const void *b)
{
	const struct kvm_cpuid_entry2 *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Entries are sorted: of the functions that share a slot the first has it. */
static void index_entries(u8 first[128], const struct kvm_cpuid_entry2 *entries, int nent)
{
	int i;

	memset(first, CPUID_NO_ENTRY, 128);
	for (i = nent - 1; i >= 0; i--)
		first[CPUID_SLOT(entries[i].function)] = i;
}

static struct kvm_cpuid_entry2 *find_entry(struct vcpu_x86 *v, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *e = cpuid_first_entry(v, function),
				*end = v->cpuid + v->cpuid_nent;

	for (; e && e < end && e->function <= function; e++)
		if (e->function == function &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	return NULL;
}

static u32 guest_cpuid(struct vcpu_x86 *v, u32 function, u32 index, int reg)
{
	struct kvm_cpuid_entry2 *e = find_entry(v, function, index);

	return e ? *entry_reg(e, reg) : 0;
}

static bool guest_has(struct vcpu_x86 *v, u32 function, int reg, u32 mask)
{
	return guest_cpuid(v, function, 0, reg) & mask;
}

static bool amd_like(struct vcpu_x86 *v)
{
	u32 ebx = guest_cpuid(v, 0, 0, EBX);

	return ebx == 0x68747541 /* Auth(enticAMD) */ || ebx == 0x6f677948 /* Hygo(nGenuine) */;
}

static void derive_features(struct vcpu_x86 *v)
{
	struct guest_features *has = &v->has;

	*has = (struct guest_features){
		.xsave = guest_has(v, 1, ECX, F(XSAVE)),
		.x2apic = guest_has(v, 1, ECX, F(X2APIC)),
		.tsc_deadline = guest_has(v, 1, ECX, F(TSC_DEADLINE_TIMER)),
		.pcid = guest_has(v, 1, ECX, F(PCID)),
		.mwait = guest_has(v, 1, ECX, F(MWAIT)),
		.pku = guest_has(v, 7, ECX, F(PKU)),
		.la57 = guest_has(v, 7, ECX, F(LA57)),
		.umip = guest_has(v, 7, ECX, F(UMIP)),
		.rdpid = guest_has(v, 7, ECX, F(RDPID)),
		.fsgsbase = guest_has(v, 7, EBX, F(FSGSBASE)),
		.invpcid = guest_has(v, 7, EBX, F(INVPCID)),
		.nx = guest_has(v, 0x80000001, EDX, F(NX)),
		.lm = guest_has(v, 0x80000001, EDX, F(LM)),
		.rdtscp = guest_has(v, 0x80000001, EDX, F(RDTSCP)),
		.gbpages = guest_has(v, 0x80000001, EDX, F(GBPAGES)),
		.amd_like = amd_like(v),
	};
}

/*
 * CR4 bits beyond the 486's, each with the CPUID bit that makes it legal. APM 2, 3.1.3; SDM 3A,
 * 2.5.
 */
static u64 reserved_cr4(struct vcpu_x86 *v)
{
	const struct { u64 cr4; u32 function; int reg; u32 mask; } rules[] = {
		{ X86_CR4_VME | X86_CR4_PVI, 1, EDX, F(VME) },
		{ X86_CR4_DE, 1, EDX, F(DE) },
		{ X86_CR4_OSXSAVE, 1, ECX, F(XSAVE) },
		{ X86_CR4_PCIDE, 1, ECX, F(PCID) },
		{ X86_CR4_SMEP, 7, EBX, F(SMEP) },
		{ X86_CR4_SMAP, 7, EBX, F(SMAP) },
		{ X86_CR4_FSGSBASE, 7, EBX, F(FSGSBASE) },
		{ X86_CR4_PKE, 7, ECX, F(PKU) },
		{ X86_CR4_LA57, 7, ECX, F(LA57) },
		{ X86_CR4_UMIP, 7, ECX, F(UMIP) },
	};
	u64 allowed = X86_CR4_TSD | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		      X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (guest_has(v, rules[i].function, rules[i].reg, rules[i].mask))
			allowed |= rules[i].cr4;
	return ~allowed;
}

static void derive_limits(struct vcpu_x86 *v)
{
	u32 phys = guest_cpuid(v, 0x80000008, 0, EAX) & 0xff;
	struct kvm_cpuid_entry2 *e = find_entry(v, 0xd, 0);

	v->maxphyaddr = phys ? min_t(u32, phys, 52) : 36;
	v->cr4_reserved = reserved_cr4(v);
	v->efer_allowed = (guest_has(v, 0x80000001, EDX, F(SYSCALL)) || v->has.lm ? EFER_SCE : 0) |
			  (v->has.lm ? EFER_LME | EFER_LMA : 0) | (v->has.nx ? EFER_NX : 0) |
			  (guest_has(v, 0x80000001, EDX, F(FXSR_OPT)) ? EFER_FFXSR : 0);
	v->guest_supported_xcr0 = e ? (e->eax | ((u64)e->edx << 32)) & host_guest_xcr0 : 0;
	v->pv_features = guest_cpuid(v, KVM_CPUID_SIGNATURE, 0, EBX) == 0x4b4d564b /* KVMK */ ?
			 guest_cpuid(v, KVM_CPUID_FEATURES, 0, EAX) : 0;
}

/*
 * Bits that follow the guest's state: a VMM that reads the table and sets it again may have them
 * either way.
 */
static u32 dynamic_bits(const struct kvm_cpuid_entry2 *e, int reg)
{
	if (e->function == 1)
		return reg == ECX ? F(OSXSAVE) : reg == EDX ? F(APIC) : 0;
	if (e->function == 7)
		return reg == ECX ? F(OSPKE) : 0;
	return e->function == 0xd && reg == EBX ? ALL : 0;
}

static bool same_entry(struct kvm_cpuid_entry2 *a, struct kvm_cpuid_entry2 *b)
{
	int reg;

	if (a->function != b->function || a->index != b->index || a->flags != b->flags)
		return false;
	for (reg = EAX; reg <= EDX; reg++)
		if ((*entry_reg(a, reg) ^ *entry_reg(b, reg)) & ~dynamic_bits(a, reg))
			return false;
	return true;
}

static bool same_table(struct vcpu_x86 *v, struct kvm_cpuid_entry2 *entries, int nent)
{
	int i;

	if (nent != v->cpuid_nent)
		return false;
	for (i = 0; i < nent; i++)
		if (!same_entry(&v->cpuid[i], &entries[i]))
			return false;
	return true;
}

static int check_entries(const struct kvm_cpuid_entry2 *entries, int nent)
{
	int i;

	for (i = 0; i < nent; i++)
		if (entries[i].function == 0x80000008) {
			u32 linear = (entries[i].eax >> 8) & 0xff;

			if (linear != 48 && linear != 57 && linear != 0)
				return -EINVAL;
		}
	return 0;
}

/* Once the guest has run, its CPUID is fixed. */
static bool has_entered(const struct vcpu_x86 *v)
{
	return memchr_inv(v->exit_counts, 0, sizeof(v->exit_counts));
}

/**
 * vcpu_set_cpuid() - KVM_SET_CPUID2. Takes @entries over (kvfree()d with the vCPU) on success.
 * vcpu->mutex held, vCPU loaded; may sleep. -EINVAL: a linear-address width that no CPU has, or a
 * change after the guest has run.
 */
int vcpu_set_cpuid(struct vcpu_x86 *v, struct kvm_cpuid_entry2 *entries, int nent)
{
	int ret = check_entries(entries, nent);

	if (ret)
		return ret;
	/* By (function, index), so that an exit finds its entry in a few steps. */
	sort(entries, nent, sizeof(*entries), compare_entries, NULL);
	if (has_entered(v) && !same_table(v, entries, nent))
		return -EINVAL;
	kvfree(v->cpuid);
	v->cpuid = entries;
	v->cpuid_nent = nent;
	index_entries(v->cpuid_first, entries, nent);
	derive_features(v);
	derive_limits(v);
	if (v->has_apic) {
		v->apic.x2apic_allowed = v->has.x2apic;
		v->apic.tsc_deadline_allowed = v->has.tsc_deadline;
	}
	if (nent) {
		cpuid_update_dynamic(v);
		cpuid_apply_insns(v);
	}
	return 0;
}

/**
 * cpuid_apply_insns() - what the guest's CPUID hasn't, the processor shall not do for it. vCPU
 * loaded.
 */
void cpuid_apply_insns(struct vcpu_x86 *v)
{
	bool xsaves = guest_cpuid(v, 0xd, 1, EAX) & BIT(3);

	hw_set_insns(&v->hw, (v->has.rdtscp || v->has.rdpid ? INSN_RDTSCP : 0) |
				     (v->has.invpcid ? INSN_INVPCID : 0) |
				     (xsaves && v->has.xsave ? INSN_XSAVES : 0));
}

static void set_bit_if(u32 *reg, u32 mask, bool on)
{
	*reg = on ? *reg | mask : *reg & ~mask;
}

/**
 * cpuid_update_dynamic() - after a change of CR4, XCR0, XSS or the APIC base: make the bits of
 * CPUID follow. vCPU loaded.
 */
void cpuid_update_dynamic(struct vcpu_x86 *v)
{
	u64 cr4 = hw_cr4(&v->hw);
	struct kvm_cpuid_entry2 *e = find_entry(v, 1, 0);

	if (e) {
		set_bit_if(&e->ecx, F(OSXSAVE), cr4 & X86_CR4_OSXSAVE);
		if (v->has_apic)
			set_bit_if(&e->edx, F(APIC), v->apic.base & MSR_IA32_APICBASE_ENABLE);
	}
	e = find_entry(v, 7, 0);
	if (e)
		set_bit_if(&e->ecx, F(OSPKE), v->has.pku && (cr4 & X86_CR4_PKE));
	e = find_entry(v, 0xd, 0);
	if (e)
		e->ebx = cpuid_xstate_size(v->xcr0, false);
	e = find_entry(v, 0xd, 1);
	if (e && (e->eax & 0xa))	/* XSAVEC or XSAVES */
		e->ebx = cpuid_xstate_size(v->xcr0 | v->ia32_xss, true);
}

/*
 * A function above the highest of its range: Intel answers with the highest basic leaf (SDM 2A,
 * CPUID), AMD with zeros.
 */
static struct kvm_cpuid_entry2 *out_of_range(struct vcpu_x86 *v, u32 function, u32 index)
{
	u32 max_basic = guest_cpuid(v, 0, 0, EAX);

	if (v->has.amd_like || !v->cpuid_nent)
		return NULL;
	if (function <= max_basic ||
	    (function >= 0x80000000 && function <= guest_cpuid(v, 0x80000000, 0, EAX)) ||
	    (function >= 0x40000000 && function <= guest_cpuid(v, 0x40000000, 0, EAX)))
		return NULL;
	return find_entry(v, max_basic, index);
}

void cpuid_lookup(struct vcpu_x86 *v, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 function = *eax, index = *ecx;
	struct kvm_cpuid_entry2 *e = find_entry(v, function, index);

	if (!e)
		e = out_of_range(v, function, index);
	if (e) {
		*eax = e->eax;
		*ebx = e->ebx;
		*ecx = e->ecx;
		*edx = e->edx;
		return;
	}
	*eax = *ebx = *ecx = *edx = 0;
	/*
	 * The extended topology leaves keep ECX[7:0] and the x2APIC id whatever the subleaf (SDM
	 * 2A, CPUID, leaf 0BH).
	 */
	if ((function == 0xb || function == 0x1f) && find_entry(v, function, 0)) {
		*ecx = index & 0xff;
		*edx = guest_cpuid(v, function, 0, EDX);
	}
}

void vcpu_cpuid(struct vcpu_x86 *v)
{
	u32 eax = hw_reg(&v->hw, REG_RAX), ebx, ecx = hw_reg(&v->hw, REG_RCX), edx;

	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	hw_set_reg(&v->hw, REG_RAX, eax);
	hw_set_reg(&v->hw, REG_RBX, ebx);
	hw_set_reg(&v->hw, REG_RCX, ecx);
	hw_set_reg(&v->hw, REG_RDX, edx);
}
