// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_X86_USER_SPACE_MSR: unknown MSRs exit to user space, which answers or refuses. */
#include "lib/api.h"

GUEST64(guest,
	mov $0xdead0000, %ecx; rdmsr; REPORT_EAX; mov %edx, %eax; REPORT_EAX;
	mov $0x1234, %eax; mov $0x5678, %edx; wrmsr;
	rdmsr;
	over: mov $0x600d, %eax; REPORT_EAX; DONE);
/* What is unexpected goes on here, as well. */
GUEST64(bad_efer, mov $0xc0000080, %ecx; mov $0x2, %eax; xor %edx, %edx; wrmsr; jmp over);
extern const char over[];

/* An MSR that is known, and a value that it can't have. */
static void invalid(struct vm *vm, struct vcpu *v)
{
	see("-- a bad value");
	vcpu_long(v, bad_efer);
	shared(vm)->nlog = 0;
	check_eq(see_guest(v), GO_DONE);
	see_log(vm);
	see_result("with KVM_MSR_EXIT_REASON_INVAL",
		   vm_enable(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL));
	vcpu_long(v, bad_efer);
	shared(vm)->nlog = 0;
	check_eq(see_guest(v), KVM_EXIT_X86_WRMSR);
	v->run->msr.error = 1;
	check_eq(see_guest(v), GO_DONE);
	see_log(vm);
}

void test(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { 1ull << 40 } };
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_X86_USER_SPACE_MSR);
	see_result("unknown reason", ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN;
	see_ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	shared(&vm)->resume = (uintptr_t)over;
	check_eq(see_guest(v), KVM_EXIT_X86_RDMSR);
	v->run->msr.data = 0x1122334455667788;
	v->run->msr.error = 0;
	check_eq(see_guest(v), KVM_EXIT_X86_WRMSR);
	v->run->msr.error = 0;
	check_eq(see_guest(v), KVM_EXIT_X86_RDMSR);
	v->run->msr.error = 1;
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	invalid(&vm, v);
}
