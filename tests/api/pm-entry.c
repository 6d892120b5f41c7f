// SPDX-License-Identifier: GPL-2.0-only
/* A guest that goes from real to protected mode, pages, and back, by itself. */
#include "lib/api.h"

GUEST16(guest,
	cli;
	lgdtl %cs:gdtr - 0x10000;
	mov %cr0, %eax; or $1, %al; mov %eax, %cr0;
	ljmpl $8, $prot;
	.code32;
	prot:
	mov $0x10, %ax; mov %ax, %ds; mov %ax, %es; mov %ax, %ss;
	mov $0x30000, %esp;
	movl $0xcafe, 0x150000;
	mov %cr0, %eax; REPORT_EAX;
	mov %cs, %eax; REPORT_EAX;
	pushf; pop %eax; REPORT_EAX;
	/* Two-level paging: one page directory of 4 MB pages, identity. */
	mov %cr4, %eax; or $0x10, %al; mov %eax, %cr4;
	movl $0x83, 0x60000;
	movl $0x83, 0x60004;			/* 4 MB on: the first 4 MB again */
	mov $0x60000, %eax; mov %eax, %cr3;
	mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0;
	mov 0x550000, %eax; REPORT_EAX;
	mov %cr0, %eax; and $0x7fffffff, %eax; mov %eax, %cr0;
	/* Back: a 16-bit segment first. */
	ljmpl $0x18, $prot16 - 0x10000;
	.code16;
	prot16:
	mov $0x20, %ax; mov %ax, %ds; mov %ax, %ss;
	mov %cr0, %eax; and $0xfe, %al; mov %eax, %cr0;
	ljmpl $0x1000, $real - 0x10000;
	real:
	xor %ax, %ax; mov %ax, %ds; mov %ax, %ss;
	movw $0x1234, 0x3000;
	mov %cr0, %eax; REPORT_EAX;
	DONE;
	.balign 8;
	gdt:
	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00009b010000ffff, 0x000093000000ffff;
	gdtr:
	.word 39; .long gdt);

static void see_sregs(struct vcpu *v)
{
	struct kvm_sregs s;

	get_sregs(v, &s);
	see("cr0=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx", s.cr0, s.cr3, s.cr4, s.efer);
	see("cs: selector=0x%x base=0x%llx limit=0x%x db=%d", s.cs.selector, s.cs.base, s.cs.limit, s.cs.db);
	see("ds: selector=0x%x base=0x%llx limit=0x%x", s.ds.selector, s.ds.base, s.ds.limit);
	see("gdt: base=0x%llx limit=0x%x", s.gdt.base - GUEST_CODE, s.gdt.limit);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_real(v, guest);
	check_eq(see_guest(v), GO_DONE);
	see_sregs(v);
	check_eq(*(u32 *)gpa_ptr(&vm, 0x150000), 0xcafe);
	check_eq(*(u16 *)gpa_ptr(&vm, 0x3000), 0x1234);
	check_eq(v->nreports, 5);
	check_eq(v->reports[3], 0xcafe);
}
