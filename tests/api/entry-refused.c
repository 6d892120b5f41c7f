// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state that the ABI takes and the processor does not: KVM_RUN says so, nothing else happens, and
 * with a good state the same vCPU runs. CS both 64-bit (L) and 32-bit (D): APM 2, 15.5.1; SDM 3C, 27.3.1.2.
 */
#include "lib/api.h"

GUEST64(guest, nop; mov $0x600d, %eax; REPORT_EAX; DONE);

static struct vm vm;

void test(void)
{
	struct kvm_sregs good, bad;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	get_sregs(v, &good);
	for (int i = 0; i < 3; i++) {
		bad = good;
		bad.cs.db = 1;
		set_sregs(v, &bad);
		check_eq(vcpu_run(v), 0);
		check_eq(v->run->exit_reason, KVM_EXIT_FAIL_ENTRY);
		set_sregs(v, &good);
		vcpu_long(v, guest);
		check_eq(see_guest(v), GO_DONE);
	}
}
