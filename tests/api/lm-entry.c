// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that goes from real mode to long mode by itself, into compatibility mode, and back to
 * protected mode.
 */
#include "lib/api.h"

GUEST16(guest,
	cli;
	lgdtl %cs:gdtr - 0x10000;
	mov %cr0, %eax; or $1, %al; mov %eax, %cr0;
	ljmpl $SEL_CODE32, $prot;
	.code32;
	prot:
	mov $SEL_DATA, %ax; mov %ax, %ds; mov %ax, %es; mov %ax, %ss;
	mov $0x31000, %esp;
	/* The TSS of RESET is a 16-bit one, and there is no way into long mode with that (SDM 3A, 9.8.5). */
	movb $0x89, GUEST_GDT + SEL_TSS + 5;
	mov $SEL_TSS, %ax; ltr %ax;
	mov %cr4, %eax; or $0x20, %al; mov %eax, %cr4;
	mov $GUEST_PML4, %eax; mov %eax, %cr3;
	mov $0xc0000080, %ecx; rdmsr; or $0x900, %eax; wrmsr;
	mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0;
	mov $0xc0000080, %ecx; rdmsr; REPORT_EAX;	/* LMA is set, still in compatibility mode */
	ljmpl $SEL_CODE64, $long64;
	.code64;
	long64:
	mov $0x1122334455667788, %rax;
	mov %rax, %r15; shr $32, %rax; REPORT_EAX;
	mov %cs, %eax; REPORT_EAX;
	lea 0(%rip), %rax; push $SEL_CODE32; push $compat; lretq;
	.code32;
	compat:
	mov %cs, %eax; REPORT_EAX;
	/* Out of long mode. */
	mov %cr0, %eax; and $0x7fffffff, %eax; mov %eax, %cr0;
	mov $0xc0000080, %ecx; rdmsr; REPORT_EAX;
	and $~0x100, %eax; wrmsr;
	rdmsr; REPORT_EAX;
	mov %cr0, %eax; REPORT_EAX;
	DONE;
	.balign 8;
	gdtr:
	.word 0x7f; .long GUEST_GDT);

void test(void)
{
	struct kvm_sregs s;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	long_tables(&vm);
	set_cpuid_supported(v);
	vcpu_real(v, guest);
	check_eq(see_guest(v), GO_DONE);
	get_sregs(v, &s);
	see("cr0=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx cs.l=%d cs.db=%d", s.cr0, s.cr3, s.cr4, s.efer, s.cs.l, s.cs.db);
	check_eq(v->reports[0] & 0xd00, 0xd00);
	check_eq(v->reports[1], 0x11223344);
}
