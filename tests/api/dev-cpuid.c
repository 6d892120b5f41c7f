// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID: the table's form, the features, refused
 * sizes.
 */
#include "lib/api.h"

#define MAX	256

static struct kvm_cpuid2 *get(int kvm, u32 nent)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX * sizeof(c->entries[0]));

	c->nent = nent;
	see_result("KVM_GET_SUPPORTED_CPUID", ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c));
	return c;
}

static struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *c, u32 function, u32 index)
{
	for (u32 i = 0; i < c->nent; i++) {
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	}
	return NULL;
}

enum reg { EAX, EBX, ECX, EDX };

/* Where features are; a line each, so that a difference can be listed by itself. */
static const struct {
	u32 function, index;
	enum reg reg;
} features[] = {
	{ 1, 0, ECX }, { 1, 0, EDX }, { 7, 0, EBX }, { 7, 0, ECX }, { 7, 0, EDX }, { 7, 1, EAX }, { 0xd, 0, EAX }, { 0xd, 1, EAX },
	{ 0x80000001, 0, ECX }, { 0x80000001, 0, EDX }, { 0x80000007, 0, EDX }, { 0x80000008, 0, EBX },
	{ 0x8000000a, 0, EDX }, { 0x80000021, 0, EAX }, { KVM_CPUID_FEATURES, 0, EAX }, { KVM_CPUID_FEATURES, 0, EDX },
};

static void see_features(struct kvm_cpuid2 *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct kvm_cpuid_entry2 *e = leaf(c, features[i].function, features[i].index);
		u32 bits = e ? (&e->eax)[features[i].reg] : 0;

		for (int bit = 0; bit < 32; bit++) {
			if (bits >> bit & 1)
				see("cpuid %08x.%u e%cx bit %d", features[i].function, features[i].index,
				    "abcd"[features[i].reg], bit);
		}
	}
}

static void see_range(struct kvm_cpuid2 *c, u32 function)
{
	struct kvm_cpuid_entry2 *e = leaf(c, function, 0);

	if (!e)
		see("leaf %08x is missing", function);
	else
		see("leaf %08x: up to %08x, %08x %08x %08x", function, e->eax, e->ebx, e->ecx, e->edx);
}

static void see_table(struct kvm_cpuid2 *c)
{
	see_range(c, 0);
	see_range(c, 0x80000000);
	see_range(c, KVM_CPUID_SIGNATURE);
	see("address sizes: %08x", leaf(c, 0x80000008, 0) ? leaf(c, 0x80000008, 0)->eax : 0);
	see_features(c);
}

void test(void)
{
	struct kvm_cpuid2 *c;
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_EXT_CPUID);
	c = get(vm.kvm, 1);
	free(c);
	c = get(vm.kvm, 0);
	free(c);
	c = get(vm.kvm, MAX);
	see_table(c);
	for (u32 i = 0; i < c->nent; i++)
		check_eq(c->entries[i].padding[0] | c->entries[i].padding[1] | c->entries[i].padding[2], 0);
	free(c);
	see_result("bad address", ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, 8));
	c = calloc(1, sizeof(*c) + MAX * sizeof(c->entries[0]));
	c->nent = MAX;
	if (vm_cap(&vm, KVM_CAP_EXT_EMUL_CPUID) > 0) {
		see_ioctl(vm.kvm, KVM_GET_EMULATED_CPUID, c);
		for (u32 i = 0; i < c->nent; i++)
			see("emulated %08x.%u: ecx=%08x", c->entries[i].function, c->entries[i].index, c->entries[i].ecx);
	} else {
		see("KVM_CAP_EXT_EMUL_CPUID is not advertised");
	}
}
