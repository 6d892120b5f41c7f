// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_MSR_INDEX_LIST: every MSR of the list can be read and its value be written back; feature
 * MSRs on /dev/kvm.
 */
#include "lib/api.h"

static struct kvm_msr_list *list(int kvm, unsigned long req, const char *name)
{
	struct kvm_msr_list *l = calloc(1, sizeof(*l) + 1024 * 4);
	u32 n;

	see_result(name, ioctl(kvm, req, l));
	n = l->nmsrs;
	check(n > 0);
	l->nmsrs = n - 1;
	see_result("one too few", ioctl(kvm, req, l));
	check_eq(l->nmsrs, n);
	l->nmsrs = n;
	see_result("enough", ioctl(kvm, req, l));
	see_result("bad address", ioctl(kvm, req, 8));
	return l;
}

static bool has(struct kvm_msr_list *l, u32 index)
{
	for (u32 i = 0; i < l->nmsrs; i++) {
		if (l->indices[i] == index)
			return true;
	}
	return false;
}

static const u32 expected[] = {
	0x10, 0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103,
	0x4b564d00, 0x4b564d01, 0x11, 0x12, 0x3b, 0x1a0, 0x6e0, 0x40000000,
};

static void features(struct vm *vm)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1 };
	struct kvm_msr_list *l;

	if (vm_cap(vm, KVM_CAP_GET_MSR_FEATURES) <= 0) {
		see("KVM_CAP_GET_MSR_FEATURES is not advertised");
		return;
	}
	l = list(vm->kvm, KVM_GET_MSR_FEATURE_INDEX_LIST, "KVM_GET_MSR_FEATURE_INDEX_LIST");
	for (u32 i = 0; i < l->nmsrs; i++) {
		m.e.index = l->indices[i];
		if (ioctl(vm->kvm, KVM_GET_MSRS, &m) != 1)
			fail_at(__FILE__, __LINE__, "feature MSR 0x%x cannot be read", l->indices[i]);
	}
	m.e.index = 0xdead0000;
	see_result("an MSR that is no feature", ioctl(vm->kvm, KVM_GET_MSRS, &m));
	m.h.nmsrs = 256;
	see_result("256 MSRs", ioctl(vm->kvm, KVM_GET_MSRS, &m));
	see_result("bad address", ioctl(vm->kvm, KVM_GET_MSRS, 8));
}

void test(void)
{
	struct kvm_msr_list *l;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	set_cpuid_plus(v, 1, 1u << 24);
	l = list(vm.kvm, KVM_GET_MSR_INDEX_LIST, "KVM_GET_MSR_INDEX_LIST");
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		see("0x%x is %s", expected[i], has(l, expected[i]) ? "in the list" : "not in the list");
	for (u32 i = 0; i < l->nmsrs; i++) {
		u64 value;

		/* QEMU dies when one cannot be written that it has read. */
		if (get_msr(v, l->indices[i], &value) == 1 && set_msr(v, l->indices[i], value) != 1)
			fail_at(__FILE__, __LINE__, "MSR 0x%x cannot be written back", l->indices[i]);
	}
	features(&vm);
}
