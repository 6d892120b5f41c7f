// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_DEBUGREGS and KVM_SET_DEBUGREGS; the guest reads and writes the same registers. */
#include "lib/api.h"

GUEST64(guest,
	mov %db0, %rax; REPORT_EAX; mov %db1, %rax; REPORT_EAX; mov %db2, %rax; REPORT_EAX;
		mov %db3, %rax; REPORT_EAX;
	mov %db6, %rax; REPORT_EAX; mov %db7, %rax; REPORT_EAX;
	mov $0x123456789a, %rax; mov %rax, %db0; inc %rax; mov %rax, %db3;
	xor %eax, %eax; mov %rax, %db6;
	mov $0x700, %eax; mov %rax, %db7;
	DONE);

static void see_debugregs(struct vcpu *v)
{
	struct kvm_debugregs d;

	memset(&d, 0xaa, sizeof(d));
	see_ioctl(v->fd, KVM_GET_DEBUGREGS, &d);
	see("db: %llx %llx %llx %llx dr6=%llx dr7=%llx flags=%llx", d.db[0], d.db[1], d.db[2], d.db[3], d.dr6, d.dr7,
	    d.flags);
}

static void bad(struct vcpu *v, const char *name, struct kvm_debugregs d)
{
	struct kvm_debugregs before, after;

	must_ioctl(v->fd, KVM_GET_DEBUGREGS, &before);
	see_result(name, ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	must_ioctl(v->fd, KVM_GET_DEBUGREGS, &after);
	check(memcmp(&before, &after, sizeof(after)) == 0);
}

void test(void)
{
	struct kvm_debugregs d = {
		.db = { 0x1000, 0x2000, 0xffff800000003000, 0x4000 }, .dr6 = 0xffff0ff1, .dr7 = 0x400,
	};
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_DEBUGREGS);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	see_debugregs(v);
	see_ioctl(v->fd, KVM_SET_DEBUGREGS, &d);
	see_debugregs(v);
	check_eq(see_guest(v), GO_DONE);
	check_eq(v->reports[0], 0x1000);
	see_debugregs(v);
	d.flags = 1;
	bad(v, "flags", d);
	d.flags = 0;
	d.dr6 |= 1ull << 32;
	bad(v, "DR6 over 32 bits", d);
	d.dr6 = 0xffff0ff0;
	d.dr7 |= 1ull << 32;
	bad(v, "DR7 over 32 bits", d);
}
