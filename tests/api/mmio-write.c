// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV to MMIO: every size, register and immediate, aligned, misaligned and across a page boundary.
 */
#include "lib/api.h"

GUEST64(guest,
	mov $MMIO_BASE, %ebx;
	mov $0x1122334455667788, %rax;
	mov %al, (%rbx);
	mov %ah, 1(%rbx);
	mov %ax, 2(%rbx);
	mov %eax, 4(%rbx);
	mov %rax, 8(%rbx);
	movb $0x5a, 0x10(%rbx);
	movw $0x5aa5, 0x12(%rbx);
	movl $0x12345678, 0x14(%rbx);
	movq $-2, 0x18(%rbx);
	mov %eax, 0x21(%rbx);
	mov %rax, 0x33(%rbx);
	mov %eax, 0xffe(%rbx);
	mov %rax, 0x1ffb(%rbx);
	movabs %al, MMIO_BASE + 0x40;
	movabs %rax, MMIO_BASE + 0x48;
	mov %r15b, 0x50(%rbx, %rcx, 8);
	movnti %eax, 0x58(%rbx);
	hlt);
GUEST16(guest16,
	mov $0xa000, %ax; mov %ax, %ds;
	movl $0x12345678, %ebx; mov $8, %di;
	mov %bl, (%di);
	mov %bx, 2(%di);
	mov %ebx, 4(%di);
	hlt);

/* Real mode cannot reach MMIO_BASE; its memory gets a hole at the VGA's place. */
static void hole(struct vm *vm)
{
	must(vm_slot(vm, 0, 0, 0, 0, vm->mem) == 0);
	must(vm_slot(vm, 0, 0, 0, 0xa0000, vm->mem) == 0);
	must(vm_slot(vm, 1, 0, 0xc0000, vm->size - 0xc0000, vm->mem + 0xc0000) == 0);
}

static void run(const char *name, void (*mode)(struct vcpu *, const char *), const char *entry)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	hole(&vm);
	v = vcpu_create(&vm, 0);
	mode(v, entry);
	see("%s:", name);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_regs(v, "rip rax rbx");
	vm_destroy(&vm);
}

void test(void)
{
	run("long mode", vcpu_long, guest);
	run("real mode", vcpu_real, guest16);
}
