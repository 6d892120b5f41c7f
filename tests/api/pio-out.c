// SPDX-License-Identifier: GPL-2.0-only
/* OUT of every size, with an immediate port and with DX. */
#include "lib/api.h"

GUEST16(guest16,
	mov $0x11223344, %eax;
	out %al, $0x80;
	out %ax, $0x80;
	out %eax, $0x80;
	mov $0xfffc, %dx;
	out %al, %dx;
	out %ax, %dx;
	out %eax, %dx;
	hlt);
GUEST64(guest64,
	mov $0xffffffff55667788, %rax;
	out %al, $0x1f;
	out %ax, $0x1f;
	out %eax, $0x1f;
	mov $0xffff0cf8, %edx;
	out %al, %dx;
	out %ax, %dx;
	out %eax, %dx;
	hlt);

static void run(void (*mode)(struct vcpu *, const char *), const char *entry)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_NOP_IO_DELAY);
	v = vcpu_create(&vm, 0);
	mode(v, entry);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_regs(v, "rip rax rdx");
	vm_destroy(&vm);
}

void test(void)
{
	see("real mode");
	run(vcpu_real, guest16);
	see("long mode");
	run(vcpu_long, guest64);
}
