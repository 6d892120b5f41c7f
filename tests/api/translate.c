// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TRANSLATE through the guest's tables: large and small pages, what is not mapped, without
 * paging.
 */
#include "lib/api.h"

GUEST64(guest, DONE);

static void translate(struct vcpu *v, u64 gva)
{
	struct kvm_translation t = { .linear_address = gva };

	see_ioctl(v->fd, KVM_TRANSLATE, &t);
	see("0x%llx: physical=0x%llx valid=%d writeable=%d usermode=%d", (unsigned long long)gva, t.physical_address,
	    t.valid, t.writeable, t.usermode);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	see("real mode:");
	translate(v, 0x12345);
	vcpu_long(v, guest);
	map_4k(&vm, 0x40000000, 0x50000, 3);
	map_4k(&vm, 0x40001000, 0x51000, 5);
	map_4k(&vm, 0x40002000, 0x52000, 0);
	map_4k(&vm, 0xffff800000123000, 0x53000, 3);
	see("long mode:");
	translate(v, 0x12345);
	translate(v, 0xfee00abc);
	translate(v, 0x40000123);
	translate(v, 0x40001fff);
	translate(v, 0x40002000);
	translate(v, 0xffff800000123456);
	translate(v, 0x8000000000);
	translate(v, 0x800000000000);
}
