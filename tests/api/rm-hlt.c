// SPDX-License-Identifier: GPL-2.0-only
/* The smallest guest: one HLT in real mode. */
#include "lib/api.h"

GUEST16(guest, hlt);

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_HLT);
	v = vcpu_create(&vm, 0);
	vcpu_real(v, guest);
	see_result("KVM_RUN", vcpu_run(v));
	see_exit(v);
	see_regs(v, "rip rflags rax rsp");
	check_eq(v->run->exit_reason, KVM_EXIT_HLT);
}
