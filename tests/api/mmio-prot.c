// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMIO in protected mode, 32 and 16 bits: address sizes, segment bases, stack on MMIO, limits that
 * fault.
 */
#include "lib/api.h"

GUEST32(guest,
	mov $MMIO_BASE, %ebx; mov $0x11223344, %eax; mov $0x10, %esi;
	mov %eax, (%ebx); mov %eax, 4(%ebx, %esi, 4); mov %al, MMIO_BASE + 8; mov %ax, 0x0c(%ebx);
	mov (%ebx), %ecx; mov %ecx, %edx;
	movzwl 2(%ebx), %ecx; mov MMIO_BASE + 0x20, %al;
	mov $MMIO_BASE + 0x100, %esp; push %ebx; pushw %bx; push $0x55; pop %ebp; call 1f;
		1: mov $0x30000, %esp;
	mov $MMIO_BASE, %edi; cld; mov $2, %ecx; rep stosl;
	DONE);
GUEST32(based,
	mov $0x40, %eax; mov %eax, %fs;
	movl $0x77, %fs:0x10; movw $0x66, %fs:0x20;
	mov $0x1000, %bx; mov $0x234, %si;
	movb $0x55, %fs:(%bx, %si);
	DONE);

void test(void)
{
	struct kvm_sregs s;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_prot(v, guest);
	check_eq(see_exits(v), GO_DONE);
	see_regs(v, "rcx rdx rbp rdi");
	see("-- with a base");
	vcpu_prot(v, based);
	/* A data segment with base MMIO_BASE at 0x40. */
	*(u64 *)gpa_ptr(&vm, GUEST_GDT + 0x40) = 0xd0cf93000000ffff;
	get_sregs(v, &s);
	must(s.gdt.base == GUEST_GDT);
	check_eq(see_exits(v), GO_DONE);
}
