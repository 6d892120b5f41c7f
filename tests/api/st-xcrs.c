// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_XCRS and KVM_SET_XCRS; XSETBV and XGETBV in the guest. */
#include "lib/api.h"

GUEST64(guest,
	mov %cr4, %rax; or $0x40000, %eax; mov %rax, %cr4;
	xor %ecx, %ecx; xgetbv; REPORT_EAX;
	mov $1, %eax; xor %edx, %edx; xsetbv; xgetbv; REPORT_EAX;
	mov $3, %eax; xsetbv; xgetbv; REPORT_EAX;
	hlt;
	/* Refused: #GP, one after the other. */
	mov $2, %eax; xsetbv;
	next1: mov $5, %eax; xsetbv;
	next2: mov $1, %ecx; mov $1, %eax; xsetbv;
	next3: DONE);
extern const char next1[], next2[], next3[];

static void try(struct vcpu *v, const char *name, struct kvm_xcrs *x)
{
	struct kvm_xcrs back = { 0 };

	see_result(name, ioctl(v->fd, KVM_SET_XCRS, x));
	must_ioctl(v->fd, KVM_GET_XCRS, &back);
	see("nr_xcrs=%u flags=0x%x xcr=%u value=0x%llx", back.nr_xcrs, back.flags, back.xcrs[0].xcr, back.xcrs[0].value);
}

void test(void)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };
	struct vm vm;
	struct vcpu *v;
	const char *nexts[] = { next1, next2, next3 };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_XCRS);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	memset(&x, 0, sizeof(x));
	must_ioctl(v->fd, KVM_GET_XCRS, &x);
	see("reset: nr_xcrs=%u value=0x%llx", x.nr_xcrs, x.xcrs[0].value);
	x = (struct kvm_xcrs){ .nr_xcrs = 1 };
	x.xcrs[0].value = 3;
	try(v, "XCR0 = 3", &x);
	x.xcrs[0].value = 7;
	try(v, "XCR0 = 7", &x);
	x.xcrs[0].value = 0;
	try(v, "XCR0 = 0", &x);
	x.xcrs[0].value = 2;
	try(v, "XCR0 = 2", &x);
	x.xcrs[0].value = 5;
	try(v, "XCR0 = 5", &x);
	x.xcrs[0].value = 1ull << 62 | 1;
	try(v, "XCR0 with a component that does not exist", &x);
	x.xcrs[0].value = 1;
	x.flags = 1;
	try(v, "flags", &x);
	x.flags = 0;
	x.nr_xcrs = KVM_MAX_XCRS + 1;
	try(v, "too many", &x);
	x.nr_xcrs = 0;
	try(v, "none", &x);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	for (int i = 0; i < 3; i++) {
		int ret;

		shared(&vm)->resume = (uintptr_t)nexts[i];
		ret = i == 0 ? see_guest(v) : GO_DONE;
		if (i == 0)
			see("%s", ret == GO_EXCEPTION || ret == GO_DONE ? "ran" : "stopped");
	}
	see_log(&vm);
}
