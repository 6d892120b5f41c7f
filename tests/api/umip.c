// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-mode instruction prevention: with CR4.UMIP user mode gets #GP for SGDT, SIDT, SLDT, SMSW and STR, and the kernel gets the values; without it
 * both do. On processors that haven't it the exits of the instructions stand in for it.
 */
#include "lib/api.h"

#define USTACK	0x52000
#define DATA	0x53000
#define CR4_UMIP	(1ull << 11)

GUEST64(to_user, push $SEL_UDATA; push $USTACK; push $0x3002; push $SEL_UCODE64; push %rdi; iretq);
GUEST64(sgdt_, sgdt DATA; jmp over);
GUEST64(sidt_, sidt DATA; jmp over);
GUEST64(sldt_, mov $-1, %eax; sldt %eax; mov %eax, DATA; jmp over);
GUEST64(str_, movl $-1, DATA; str DATA; jmp over);
GUEST64(smsw_, mov $-1, %eax; smsw %ax; and $0xffff, %eax; mov %eax, DATA; jmp over);
/* What the kernel alone may do exits as well, where the others are made of exits. */
GUEST64(load, sgdt DATA; lgdt DATA; sidt DATA; lidt DATA; xor %eax, %eax; lldt %ax; jmp over);
GUEST64(over, DONE);

static const struct {
	const char *name, *entry;
} rows[] = {
	{ "SGDT", sgdt_ }, { "SIDT", sidt_ }, { "SLDT", sldt_ }, { "STR", str_ }, { "SMSW", smsw_ }, { "loads", load },
};

static struct vm vm;
static struct vcpu *v;

static bool umip_is_offered(void)
{
	struct kvm_sregs s;

	get_sregs(v, &s);
	s.cr4 |= CR4_UMIP;
	return ioctl(v->fd, KVM_SET_SREGS, &s) == 0;
}

static void one(const char *name, const char *entry, bool user, bool umip)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	vcpu_long(v, user ? to_user : entry);
	get_sregs(v, &s);
	s.cr4 = umip ? s.cr4 | CR4_UMIP : s.cr4 & ~CR4_UMIP;
	set_sregs(v, &s);
	get_regs(v, &r);
	r.rdi = (uintptr_t)entry;
	set_regs(v, &r);
	memset(gpa_ptr(&vm, DATA), 0, 16);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	see("-- %s, %s, CR4.UMIP %d", name, user ? "user" : "kernel", umip);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	see_bytes("stored", gpa_ptr(&vm, DATA), 10);
	get_sregs(v, &s);
	see("CR4.UMIP is %d", !!(s.cr4 & CR4_UMIP));
}

void test(void)
{
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, over);
	if (!umip_is_offered())
		skip("UMIP is not offered");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int how = 0; how < 4; how++)
			one(rows[i].name, rows[i].entry, how & 1, how & 2);
}
