// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_REGS and KVM_SET_REGS: the state after reset, a round trip, and what the guest sees. */
#include "lib/api.h"

#define ALL "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"

/* Each register is added up, shifted a bit more each time, so that all have to be right. */
GUEST64(guest,
	add %rbx, %rax; rol $1, %rax; add %rcx, %rax; rol $1, %rax; add %rdx, %rax; rol $1, %rax;
	add %rsi, %rax; rol $1, %rax; add %rdi, %rax; rol $1, %rax; add %rbp, %rax; rol $1, %rax;
	add %rsp, %rax; rol $1, %rax; add %r8, %rax; rol $1, %rax; add %r9, %rax; rol $1, %rax;
	add %r10, %rax; rol $1, %rax; add %r11, %rax; rol $1, %rax; add %r12, %rax; rol $1, %rax;
	add %r13, %rax; rol $1, %rax; add %r14, %rax; rol $1, %rax; add %r15, %rax;
	mov $1, %ebx; mov $2, %ecx; mov $3, %edx; mov $4, %esi; mov $5, %edi; mov $6, %ebp; mov $7,
		%r8; mov $8, %r9;
	mov $9, %r10; mov $10, %r11; mov $11, %r12; mov $12, %r13; mov $13, %r14; mov $14, %r15;
	stc; std;
	hlt);

void test(void)
{
	struct kvm_regs r, back;
	u64 *p = (u64 *)&r;			/* 16 registers, RIP, RFLAGS */
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	see("reset:");
	see_regs(v, ALL);
	for (size_t i = 0; i < sizeof(r) / 8; i++)
		p[i] = 0x1122334455667788ull * (i + 1);
	r.rflags = 0x246;
	r.rip = 0x8000123456789abc;
	see_ioctl(v->fd, KVM_SET_REGS, &r);
	memset(&back, 0, sizeof(back));
	see_ioctl(v->fd, KVM_GET_REGS, &back);
	check(memcmp(&r, &back, sizeof(r)) == 0);
	see("set:");
	see_regs(v, ALL);
	r.rflags = 0;
	see_ioctl(v->fd, KVM_SET_REGS, &r);
	see("RFLAGS of 0:");
	see_regs(v, "rflags");
	r.rflags = 0xcd7;
	see_ioctl(v->fd, KVM_SET_REGS, &r);
	see_regs(v, "rflags");

	vcpu_long(v, guest);
	get_regs(v, &r);
	for (int i = 0; i < 16; i++)
		p[i] = 0x123456789abcdef1ull * (i + 3);
	set_regs(v, &r);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	see("after the guest:");
	see_regs(v, ALL);
	see_result("KVM_SET_REGS of a bad address", ioctl(v->fd, KVM_SET_REGS, 8));
	see_result("KVM_GET_REGS to a bad address", ioctl(v->fd, KVM_GET_REGS, 8));
}
