// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that the guest raises by itself: vector, error code and RIP that its handlers see. */
#include "lib/api.h"

#define ROWS(X) \
	X(de, "#DE", xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; div %ecx) \
	X(db, "#DB by TF", pushfq; orl $0x100, (%rsp); popfq; nop; nop; pushfq; andl $~0x100, (%rsp); popfq) \
	X(bp, "#BP", int3) \
	X(ud, "#UD", ud2) \
	X(nm, "#NM", mov %cr0, %rax; or $8, %eax; mov %rax, %cr0; fnop) \
	X(ts_clear, "CLTS", clts; fnop) \
	X(gp_canonical, "#GP, address not canonical", mov $0x800000000000, %rax; mov (%rax), %eax) \
	X(gp_selector, "#GP, selector outside the GDT", mov $0x1230, %eax; mov %ax, %ds) \
	X(np, "#NP", mov $0x60, %eax; mov %ax, %ds) \
	X(ss, "#SS, stack address not canonical", mov %rsp, %rcx; mov $0x800000000000, %rbp; mov (%rbp), %eax) \
	X(ss_np, "#SS, stack segment not present", mov $0x60, %eax; mov %ax, %ss) \
	X(gp_msr, "#GP, RDMSR of an MSR that does not exist", mov $0xdead0000, %ecx; rdmsr) \
	X(gp_wrmsr, "#GP, reserved bit of EFER", mov $0xc0000080, %ecx; rdmsr; or $0x2, %ah; wrmsr) \
	X(gp_cr4, "#GP, reserved bit of CR4", mov %cr4, %rax; bts $30, %rax; mov %rax, %cr4) \
	X(gp_cr0, "#GP, CR0.PG without PE", mov %cr0, %rax; and $~1, %rax; mov %rax, %cr0) \
	X(gp_cr8, "#GP, CR8 of 16", mov $16, %eax; mov %rax, %cr8) \
	X(gp_int, "#GP, INT through a gate past the IDT's limit", lidt short_idt; int $0x80; lidt whole_idt) \
	X(ud_lock, "#UD, LOCK NOP", .byte 0xf0, 0x90) \
	X(ud_vmcall, "VMMCALL", xor %eax, %eax; dec %eax; vmmcall; REPORT_EAX) \
	X(mf, "#MF", fninit; push $0x37b; fldcw (%rsp); fld1; fldz; fdivrp; fwait) \
	X(pf, "#PF", mov 0xfffffffffffff000, %rax)

#define CODE(label, name, ...) GUEST64(label, __VA_ARGS__; jmp over);
ROWS(CODE)
GUEST64(over, DONE);
GUEST64(descriptors,
	short_idt: .word 0x7ff; .quad GUEST_IDT;
	whole_idt: .word 0xfff; .quad GUEST_IDT);

#define ROW(label, name, ...) { name, label },
static const struct {
	const char *name, *entry;
} rows[] = { ROWS(ROW) };

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		/* A data segment that is not present. */
		*(u64 *)gpa_ptr(&vm, GUEST_GDT + 0x60) = 0x00cf13000000ffff;
		shared(&vm)->nlog = 0;
		shared(&vm)->resume = (uintptr_t)over;
		see("-- %s", rows[i].name);
		check_eq(see_guest(v), GO_DONE);
		see_log(&vm);
	}
}
