// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same MMIO instructions again and again, as drivers execute them: each turn does what the first did. In between the
 * code is changed, in its page or by another page in its place, and the address moves to where it crosses a page.
 */
#include "lib/api.h"

#define CODE_VA	0x40000000u		/* one of two pages that differ in one register */
#define PAGE_A	0x50000
#define PAGE_B	0x51000

GUEST64(forms,
	mov $MMIO_BASE, %ebx;
	mov $0x1122334455667788, %rax;
	mov $3, %ecx;
	mov $4, %r12d;
	1: mov %al, (%rbx);
	mov %ah, 1(%rbx);
	mov %ax, 2(%rbx);
	mov %eax, 4(%rbx);
	mov %rax, 8(%rbx);
	movb $0x5a, 0x10(%rbx);
	movw $0x5aa5, 0x12(%rbx);
	movq $-2, 0x18(%rbx);
	mov %eax, 0x20(%rbx, %r12, 8);
	movnti %eax, 0x28(%rbx);
	movabs %eax, MMIO_BASE + 0x40;
	mov (%rbx), %dl;
	mov 1(%rbx), %dh;
	mov 2(%rbx), %si;
	mov 4(%rbx), %edi;
	mov 8(%rbx), %rbp;
	movzbl 0x10(%rbx), %r8d;
	movsbw 0x11(%rbx), %r9w;
	movslq 0x14(%rbx), %r10;
	mov 0x18(%rbx), %ebx;		/* overwrites its own base */
	mov $MMIO_BASE, %ebx;
	dec %ecx;
	jnz 1b;
	hlt);

/* RBX is the address. Copied to both pages of CODE_VA; the second stores ECX. */
GUEST64(store_and_return, mov %eax, (%rbx); ret);
GUEST64(call_thrice,
	mov $MMIO_BASE, %ebx;
	mov $CODE_VA, %esi;
	mov $0xa, %eax;
	mov $0xc, %ecx;
	call *%rsi; call *%rsi; call *%rsi;
	hlt);
/* The address goes up to the end of a page, and over it. */
GUEST64(walk_over_the_end,
	mov $MMIO_BASE + 0xff4, %ebx;
	mov $CODE_VA, %esi;
	1: call *%rsi;
	add $3, %ebx;
	cmp $MMIO_BASE + 0x1004, %ebx;
	jb 1b;
	hlt);

static void run(struct vcpu *v, const char *name, const char *entry)
{
	vcpu_long(v, entry);
	see("%s:", name);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_regs(v, "rip rax rbx rdx rsi rdi rbp r8 r9 r10");
}

static void code_at(struct vm *vm, u64 gpa, u8 modrm)
{
	u8 *code = gpa_ptr(vm, gpa);

	memcpy(code, gpa_ptr(vm, (uintptr_t)store_and_return), 8);
	check_eq(code[0], 0x89);
	code[1] = modrm;
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	run(v, "each form three times", forms);

	code_at(&vm, PAGE_A, 0x03);		/* eax */
	code_at(&vm, PAGE_B, 0x0b);		/* ecx */
	map_4k(&vm, CODE_VA, PAGE_A, 3);
	run(v, "the first page", call_thrice);
	map_4k(&vm, CODE_VA, PAGE_B, 3);
	run(v, "another page in its place", call_thrice);
	map_4k(&vm, CODE_VA, PAGE_A, 3);
	run(v, "the first again", call_thrice);
	code_at(&vm, PAGE_A, 0x0b);
	run(v, "other bytes in its place", call_thrice);
	run(v, "over the end of a page", walk_over_the_end);

	/* The memory behind the code is somewhere else. */
	must(vm_slot(&vm, 0, 0, 0, 0, vm.mem) == 0);
	must(vm_slot(&vm, 0, 0, 0, vm.size, vm.mem) == 0);
	code_at(&vm, PAGE_A, 0x03);
	run(v, "the memory was away", call_thrice);
	vm_destroy(&vm);
}
