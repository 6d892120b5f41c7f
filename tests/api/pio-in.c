// SPDX-License-Identifier: GPL-2.0-only
/* IN of every size: what it leaves of the rest of RAX. User space answers 11, 22, 33, 44. */
#include "lib/api.h"

GUEST64(guest,
	mov $0xaabbccdd99887766, %rax;
	in $0x71, %al; mov %rax, %r8;
	mov $0xaabbccdd99887766, %rax;
	in $0x71, %ax; mov %rax, %r9;
	mov $0xaabbccdd99887766, %rax;
	in $0x71, %eax; mov %rax, %r10;
	mov $0x3f8, %dx;
	mov $-1, %rax;
	in %dx, %al; mov %rax, %r11;
	mov $-1, %rax;
	in %dx, %ax; mov %rax, %r12;
	mov $-1, %rax;
	in %dx, %eax; mov %rax, %r13;
	hlt);

void test(void)
{
	struct kvm_regs r;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_regs(v, "r8 r9 r10 r11 r12 r13");
	get_regs(v, &r);
	check_eq(r.r8, 0xaabbccdd99887711);
	check_eq(r.r9, 0xaabbccdd99882211);
	check_eq(r.r10, 0x44332211);
	check_eq(r.r13, 0x44332211);
}
