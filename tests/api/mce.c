// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks: KVM_X86_GET_MCE_CAP_SUPPORTED, KVM_X86_SETUP_MCE, the banks' MSRs,
 * KVM_X86_SET_MCE.
 */
#include "lib/api.h"

GUEST64(guest, nop; nop; over: DONE);
extern const char over[];

#define MCG_CAP		0x179
#define BANK0_CTL	0x400
#define UC		(1ull << 61)
#define EN		(1ull << 60)
#define VAL		(1ull << 63)

static void banks(struct vcpu *v)
{
	for (u32 i = 0; i < 12; i += 4) {
		u64 ctl, status;
		int n = get_msr(v, BANK0_CTL + i, &ctl);

		n += get_msr(v, BANK0_CTL + i + 1, &status);
		see("bank %u: read %d, ctl=0x%llx status=0x%llx", i / 4, n, (unsigned long long)(n ? ctl : 0),
		    (unsigned long long)(n ? status : 0));
	}
}

void test(void)
{
	struct kvm_x86_mce m = { .status = VAL | EN | 0x10, .bank = 1, .addr = 0x1234 };
	u64 supported = 0, cap;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_MCE);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	see_ioctl(vm.kvm, KVM_X86_GET_MCE_CAP_SUPPORTED, &supported);
	see("supported 0x%llx", (unsigned long long)supported);
	cap = supported | 200;
	see_result("too many banks", ioctl(v->fd, KVM_X86_SETUP_MCE, &cap));
	cap = supported | 2 | 1ull << 40;
	see_result("unknown capability", ioctl(v->fd, KVM_X86_SETUP_MCE, &cap));
	cap = (supported & ~0xffull) | 2;
	see_result("KVM_X86_SETUP_MCE", ioctl(v->fd, KVM_X86_SETUP_MCE, &cap));
	see("MCG_CAP 0x%llx", (unsigned long long)must_get_msr(v, MCG_CAP));
	banks(v);
	see_result("KVM_X86_SET_MCE, corrected", ioctl(v->fd, KVM_X86_SET_MCE, &m));
	banks(v);
	m.bank = 2;
	see_result("KVM_X86_SET_MCE, bank 2", ioctl(v->fd, KVM_X86_SET_MCE, &m));
	m.bank = 0;
	m.status = 0;
	see_result("KVM_X86_SET_MCE, not valid", ioctl(v->fd, KVM_X86_SET_MCE, &m));
	/* Uncorrected, with CR4.MCE: #MC in the guest. */
	struct kvm_sregs s;

	get_sregs(v, &s);
	s.cr4 |= 0x40;
	set_sregs(v, &s);
	m.status = VAL | UC | EN | 0x20;
	m.mcg_status = 5;
	see_result("KVM_X86_SET_MCE, uncorrected", ioctl(v->fd, KVM_X86_SET_MCE, &m));
	shared(&vm)->resume = (uintptr_t)over;
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	banks(v);
}
