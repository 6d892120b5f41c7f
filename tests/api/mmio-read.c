// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV from MMIO: every size, with and without extension, aligned, misaligned and across a page
 * boundary.
 */
#include "lib/api.h"

GUEST64(guest,
	mov $MMIO_BASE, %ebx;
	mov $-1, %rax; mov (%rbx), %al; push %rax;
	mov $-1, %rax; mov 1(%rbx), %ah; push %rax;
	mov $-1, %rax; mov 2(%rbx), %ax; push %rax;
	mov $-1, %rax; mov 4(%rbx), %eax; push %rax;
	mov $-1, %rax; mov 8(%rbx), %rax; push %rax;
	mov $-1, %rax; movzbl 0x10(%rbx), %eax; push %rax;
	mov $-1, %rax; movzwl 0x12(%rbx), %eax; push %rax;
	mov $-1, %rax; movsbq 0x13(%rbx), %rax; push %rax;
	mov $-1, %rax; movswl 0x14(%rbx), %eax; push %rax;
	mov $-1, %rax; movslq 0x18(%rbx), %rax; push %rax;
	mov $-1, %rax; mov 0x21(%rbx), %eax; push %rax;
	mov $-1, %rax; mov 0xffe(%rbx), %eax; push %rax;
	mov $-1, %rax; mov 0x1ffb(%rbx), %rax; push %rax;
	mov $-1, %rax; movabs MMIO_BASE + 0x40, %al; push %rax;
	mov $-1, %rax; movabs MMIO_BASE + 0x48, %eax; push %rax;
	mov $-1, %r14; mov 0x50(%rbx), %r14w; push %r14;
	hlt);

#define READS	16

void test(void)
{
	struct kvm_regs r;
	struct vm vm;
	struct vcpu *v;
	u64 *stack;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	get_regs(v, &r);
	stack = gpa_ptr(&vm, r.rsp);
	for (int i = READS - 1; i >= 0; i--)
		see("read %d: 0x%llx", READS - 1 - i, (unsigned long long)stack[i]);
	check_eq(stack[READS - 1], 0xffffffffffffff11);
	check_eq(stack[READS - 4], 0x44332211);
	check_eq(stack[READS - 5], 0x8877665544332211);
}
