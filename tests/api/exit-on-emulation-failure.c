// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_EXIT_ON_EMULATION_FAILURE: what an application in the guest does and nobody can emulate is its #UD, or is told to the VMM. */
#include "lib/api.h"

#define USER_STACK	0x52000

GUEST64(to_user, mov $MMIO_BASE, %ebx; push $SEL_UDATA; push $USER_STACK; push $2; push $SEL_UCODE64; push $odd; iretq;
	odd: crc32l (%rbx), %eax; DONE);
GUEST64(after_ud, DONE);
extern const char odd[];

static struct vm vm;
static struct vcpu *v;

static void run(void)
{
	struct kvm_regs r;
	int ret;

	vcpu_long(v, to_user);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = 0;
	ret = see_guest(v);
	get_regs(v, &r);
	if (ret == GO_EXCEPTION)
		see_log(&vm);
	if (ret != KVM_EXIT_INTERNAL_ERROR)
		return;
	see("RIP at the instruction: %s", r.rip == (uintptr_t)odd ? "yes" : "no");
	see("ndata %s flags=0x%llx", v->run->emulation_failure.ndata ? "> 0" : "= 0", v->run->emulation_failure.flags);
	check(memcmp(v->run->emulation_failure.insn_bytes, gpa_ptr(&vm, (uintptr_t)odd), 5) == 0);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE);
	v = vcpu_create(&vm, 0);
	see_result("neither 0 nor 1", vm_enable(&vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2));
	see("-- as it is");
	run();
	see("-- enabled");
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1));
	run();
	see("-- disabled again");
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0));
	run();
}
