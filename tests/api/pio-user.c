// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports from ring 3: IOPL, and the I/O permission bitmap of the TSS, for plain and string
 * instructions.
 */
#include "lib/api.h"

#define USTACK	0x52000

GUEST64(to_user, mov $SEL_TSS, %eax; ltr %ax; push $SEL_UDATA; push $USTACK; push %rsi;
	push $SEL_UCODE64; push %rdi; iretq);
GUEST64(u_out, mov $0x80, %edx; out %al, %dx; int3);
GUEST64(u_in4, mov $0x80, %edx; in %dx, %eax; int3);
GUEST64(u_denied, mov $0x90, %edx; out %al, %dx; int3);
GUEST64(u_span, mov $0x86, %edx; out %eax, %dx; int3);
GUEST64(u_outs, mov $0x80, %edx; mov $0x10000, %esi; outsb; outsb; int3);
GUEST64(u_outs_denied, mov $0x90, %edx; mov $0x10000, %esi; outsb; outsb; int3);
GUEST64(u_cli, cli; int3);
GUEST64(back, DONE);
GUEST64(user_over, int3);

static const struct {
	const char *name, *entry;
	u64 flags;
} rows[] = {
	{ "allowed by the bitmap", u_out, 2 }, { "allowed, 4 bytes", u_in4, 2 }, { "denied by the bitmap", u_denied, 2 },
	{ "4 bytes, the last one denied", u_span, 2 }, { "OUTS, allowed", u_outs, 2 }, { "OUTS, denied", u_outs_denied, 2 },
	{ "denied by the bitmap, IOPL 3", u_denied, 0x3002 }, { "OUTS, IOPL 3", u_outs_denied, 0x3002 },
	{ "CLI", u_cli, 2 }, { "CLI, IOPL 3", u_cli, 0x3002 },
};

void test(void)
{
	struct kvm_regs r;
	struct vm vm;
	struct vcpu *v;
	u64 *gdt;
	u8 *tss;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, to_user);
	idt_gate(&vm, 3, back, 0xee);
	tss = gpa_ptr(&vm, GUEST_TSS);
	gdt = gpa_ptr(&vm, GUEST_GDT);
	memset(tss + 0x68, 0xff, 0x40);
	*(u16 *)(tss + 0x66) = 0x68;
	tss[0x68 + 0x80 / 8] = 0;			/* ports 0x80 to 0x87 */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, to_user);
		/* The guest loads TR itself: available, with room for the bitmap. */
		gdt[SEL_TSS / 8] = (gdt[SEL_TSS / 8] & ~(1ull << 41 | 0xffff)) | (0x68 + 0x40 - 1);
		get_regs(v, &r);
		r.rdi = (uintptr_t)rows[i].entry;
		r.rsi = rows[i].flags;
		set_regs(v, &r);
		shared(&vm)->nlog = 0;
		shared(&vm)->resume = (uintptr_t)user_over;
		see("-- %s", rows[i].name);
		check_eq(see_exits(v), GO_DONE);
		see_log(&vm);
	}
}
