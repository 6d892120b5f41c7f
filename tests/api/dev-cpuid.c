// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID: the table's form, the features, refused sizes. */
#include "lib/api.h"

#define MAX	256

static struct kvm_cpuid2 *get(int kvm, u32 nent)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX * sizeof(c->entries[0]));

	c->nent = nent;
	see_result("KVM_GET_SUPPORTED_CPUID", ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c));
	return c;
}

/* Numbers of the host's (topology, addresses, speeds) are not said, features are. */
static void see_features(struct kvm_cpuid2 *c)
{
	for (u32 i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		switch (e->function) {
		case 0:
		case 0x80000000:
			see("%08x: eax=%08x vendor %.4s%.4s%.4s", e->function, e->eax, (char *)&e->ebx, (char *)&e->edx,
			    (char *)&e->ecx);
			break;
		case 1:
			see("00000001: ecx=%08x edx=%08x", e->ecx, e->edx & ~0u);
			break;
		case 7:
			see("00000007.%u: eax=%08x ebx=%08x ecx=%08x edx=%08x flags=%u", e->index, e->eax, e->ebx,
			    e->ecx, e->edx, e->flags);
			break;
		case 0xd:
			see("0000000d.%u: eax=%08x ebx=%08x ecx=%08x edx=%08x flags=%u", e->index, e->eax, e->ebx,
			    e->ecx, e->edx, e->flags);
			break;
		case 0x80000001:
		case 0x80000008:
		case 0x8000000a:
		case 0x80000021:
			see("%08x: eax=%08x ebx=%08x ecx=%08x edx=%08x", e->function,
			    e->function == 0x80000001 ? 0 : e->eax, e->ebx, e->ecx, e->edx);
			break;
		case KVM_CPUID_SIGNATURE:
			see("40000000: eax=%08x signature %.4s%.4s%.4s", e->eax, (char *)&e->ebx, (char *)&e->ecx,
			    (char *)&e->edx);
			break;
		case KVM_CPUID_FEATURES:
			see("40000001: eax=%08x edx=%08x", e->eax, e->edx);
			break;
		}
	}
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
	see_features(c);
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
