// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_XCRS and KVM_SET_XCRS; XSETBV and XGETBV in the guest. */
#include "lib/api.h"

#define OSXSAVE mov %cr4, %rax; or $0x40000, %eax; mov %rax, %cr4; xor %ecx, %ecx; xor %edx, %edx

GUEST64(guest,
	OSXSAVE;
	xgetbv; REPORT_EAX;
	mov $3, %eax; xsetbv; xgetbv; REPORT_EAX;
	mov $1, %eax; xsetbv; xgetbv; REPORT_EAX;
	DONE);
GUEST64(no_x87, OSXSAVE; mov $2, %eax; xsetbv; DONE);
GUEST64(avx_without_sse, OSXSAVE; mov $5, %eax; xsetbv; DONE);
GUEST64(no_such_register, OSXSAVE; mov $1, %ecx; mov $1, %eax; xsetbv; DONE);
GUEST64(without_osxsave, xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; xsetbv; DONE);
GUEST64(over, DONE);

static void try(struct vcpu *v, const char *name, struct kvm_xcrs *x)
{
	struct kvm_xcrs back = { 0 };

	see_result(name, ioctl(v->fd, KVM_SET_XCRS, x));
	must_ioctl(v->fd, KVM_GET_XCRS, &back);
	see("nr_xcrs=%u flags=0x%x xcr=%u value=0x%llx", back.nr_xcrs, back.flags, back.xcrs[0].xcr, back.xcrs[0].value);
}

static void refuse(struct vcpu *v, const char *name, const char *entry)
{
	vcpu_long(v, entry);
	shared(v->vm)->nlog = 0;
	shared(v->vm)->resume = (uintptr_t)over;
	see("-- %s", name);
	check_eq(see_guest(v), GO_DONE);
	see_log(v->vm);
}

void test(void)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };
	struct vm vm;
	struct vcpu *v;
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
	/* Other than the host's: QEMU's TCG does not intercept XSETBV, and a KVM restores XCR0 where it knows of a change. */
	x.nr_xcrs = 1;
	x.xcrs[0].value = 1;
	try(v, "XCR0 = 1", &x);
	check_eq(see_guest(v), GO_DONE);
	refuse(v, "without x87", no_x87);
	refuse(v, "AVX without SSE", avx_without_sse);
	refuse(v, "XCR1", no_such_register);
	refuse(v, "without CR4.OSXSAVE", without_osxsave);
}
