// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_MSRS and KVM_SET_MSRS: reset values, round trips, refused values and numbers, lists that
 * stop at the first bad one.
 */
#include "lib/api.h"

struct row {
	const char *name;
	u32 index;
	u64 good, bad;			/* 0: none to try */
};

static const struct row rows[] = {
	{ "IA32_SYSENTER_CS", 0x174, 0x10, 0 },
	{ "IA32_SYSENTER_ESP", 0x175, 0x80001000, 0xffff800000001000 },
	{ "IA32_SYSENTER_EIP", 0x176, 0x80002000, 0 },
	{ "IA32_PAT", 0x277, 0x0007040600070406, 0x0202020202020202 },
	{ "IA32_MTRRCAP", 0xfe, 0, 0 },
	{ "IA32_MTRR_DEF_TYPE", 0x2ff, 0xc06, 0xff },
	{ "IA32_MTRR_PHYSBASE0", 0x200, 0xc0000006, 0x2 },
	{ "IA32_MTRR_PHYSMASK0", 0x201, 0xff80000800, 0x1 },
	{ "IA32_MTRR_FIX64K_00000", 0x250, 0x0606060606060606, 0x0202020202020202 },
	{ "IA32_MISC_ENABLE", 0x1a0, 0x1, 0 },
	{ "IA32_MCG_CAP", 0x179, 0, 0 },
	{ "IA32_MCG_STATUS", 0x17a, 0, 0 },
	{ "IA32_APICBASE", 0x1b, 0xfee00900, 0xfee00100 | 1ull << 60 },
	{ "EFER", 0xc0000080, 0x501, 1ull << 20 },
	{ "STAR", 0xc0000081, 0x0023001000000000, 0 },
	{ "LSTAR", 0xc0000082, 0xffffffff81000000, 0x800000000000 },
	{ "CSTAR", 0xc0000083, 0xffffffff81000100, 0x800000000000 },
	{ "SFMASK", 0xc0000084, 0x47700, 0 },
	{ "FS.base", 0xc0000100, 0x7f0000001000, 0x800000000000 },
	{ "GS.base", 0xc0000101, 0xffff888000000000, 0x800000000000 },
	{ "KernelGSbase", 0xc0000102, 0xffff888000001000, 0x800000000000 },
	{ "TSC_AUX", 0xc0000103, 3, 1ull << 32 },
	{ "DebugCtl", 0x1d9, 0, 1ull << 40 },
	{ "VM_HSAVE_PA", 0xc0010117, 0, 1 },
	{ "SYSCFG", 0xc0010010, 0, 0 },
	{ "HWCR", 0xc0010015, 0, 0 },
	{ "NB_CFG", 0xc001001f, 0, 0 },
	{ "KVM_WALL_CLOCK_NEW", 0x4b564d00, 0, 0 },
	{ "KVM_SYSTEM_TIME_NEW", 0x4b564d01, 0, 0 },
	{ "none: 0x12345", 0x12345, 1, 0 },
	{ "none: 0xdead0000", 0xdead0000, 1, 0 },
	{ "none: 0xc0011fff", 0xc0011fff, 1, 0 },
};

GUEST64(guest, DONE);

static void round_trip(struct vcpu *v, const struct row *r)
{
	u64 value = 0, old;
	int n = get_msr(v, r->index, &old);

	see("%s: read %d, value 0x%llx", r->name, n, (unsigned long long)(n == 1 ? old : 0));
	if (r->good) {
		n = set_msr(v, r->index, r->good);
		get_msr(v, r->index, &value);
		see("  write 0x%llx: %d, then 0x%llx", (unsigned long long)r->good, n, (unsigned long long)value);
		if (n == 1)
			check_eq(value, r->good);
	}
	if (r->bad) {
		n = set_msr(v, r->index, r->bad);
		get_msr(v, r->index, &value);
		see("  write 0x%llx: %d, then 0x%llx", (unsigned long long)r->bad, n, (unsigned long long)value);
		if (n != 1 && r->good)
			check_eq(value, r->good);
	}
}

static void lists(struct vcpu *v)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[4];
	} m = { .h.nmsrs = 4, .e = { { .index = 0x174 }, { .index = 0x175 }, { .index = 0xdead0000 }, { .index = 0x176 } } };
	u32 n = 100000;

	see_result("KVM_GET_MSRS, the third is none", ioctl(v->fd, KVM_GET_MSRS, &m));
	m.e[0].data = 0x77;
	m.e[3].data = 0x88;
	see_result("KVM_SET_MSRS, the third is none", ioctl(v->fd, KVM_SET_MSRS, &m));
	see("the first 0x%llx, the last 0x%llx", (unsigned long long)must_get_msr(v, 0x174),
	    (unsigned long long)must_get_msr(v, 0x176));
	m.h.nmsrs = 0;
	see_result("none", ioctl(v->fd, KVM_GET_MSRS, &m));
	see_result("100000", ioctl(v->fd, KVM_GET_MSRS, &n));
	see_result("KVM_SET_MSRS of 100000", ioctl(v->fd, KVM_SET_MSRS, &n));
	see_result("bad address", ioctl(v->fd, KVM_GET_MSRS, 8));
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		round_trip(v, &rows[i]);
	lists(v);
}
