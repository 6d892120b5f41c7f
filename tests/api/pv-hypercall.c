// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: one that is unknown, the poll that does nothing, the kick that wakes a halted vCPU,
 * from ring 3.
 */
#include "lib/api.h"

GUEST64(waiter, cli; hlt; mov $0x600d, %eax; REPORT_EAX; DONE);
GUEST64(to_user, push $SEL_UDATA; push $0x52000; push $2; push $SEL_UCODE64; push $user; iretq;
	user: mov $1, %eax; vmmcall; mov %rax, %r8; int3);
GUEST64(after_user, DONE);
/* RBX, RCX, RDX, RSI: as KVM_HC_SEND_IPI wants them */
GUEST64(call_ipi, mov $10, %eax; vmmcall; mov %rax, %r8; DONE);
GUEST64(call_done, mov %rdi, %rax; mov %rsi, %rcx; xor %ebx, %ebx; vmmcall; mov %rax, %r8; DONE);

static struct vm vm;

static void hypercall(const char *name, u64 nr, u64 arg)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;

	vcpu_long(v, call_done);
	get_regs(v, &r);
	r.rdi = nr;
	r.rsi = arg;
	set_regs(v, &r);
	check_eq(see_guest(v), GO_DONE);
	get_regs(v, &r);
	see("%s: %lld", name, r.r8);
}

static void send_ipi(const char *what, u64 low, u64 high, u64 first, u64 icr)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;
	u32 i;

	vcpu_long(v, call_ipi);
	get_regs(v, &r);
	r.rbx = low;
	r.rcx = high;
	r.rdx = first;
	r.rsi = icr;
	set_regs(v, &r);
	check_eq(see_guest(v), GO_DONE);
	get_regs(v, &r);
	see("%s: %lld", what, r.r8);
	for (i = 0; i < 2; i++)
		see("vcpu %u: irr[2] %x", i, get_lapic_reg(&vm.vcpu[i], 0x220));
}

void test(void)
{
	struct kvm_regs r;
	struct vcpu *v, *w;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	w = vcpu_create(&vm, 1);
	hypercall("KVM_HC_VAPIC_POLL_IRQ", KVM_HC_VAPIC_POLL_IRQ, 0);
	hypercall("999", 999, 0);
	vcpu_long(w, waiter);
	set_mp_state(w, KVM_MP_STATE_RUNNABLE);
	lapic_enable(w);
	vcpu_go_thread(w);
	msleep(20);
	hypercall("KVM_HC_KICK_CPU", KVM_HC_KICK_CPU, 1);
	see_guest_result(w, vcpu_join(w));
	lapic_enable(v);
	send_ipi("both", 3, 0, 0, 0x41);
	send_ipi("the other, from 1 on", 1, 0, 1, 0x42);
	send_ipi("and more than there are", ~0ull, ~0ull, 0, 0x43);
	send_ipi("nobody", 0, 0, 0, 0x45);
	send_ipi("a shorthand", 3, 0, 0, 0x46 | 3 << 18);
	send_ipi("a logical id", 3, 0, 0, 0x47 | 1 << 11);
	vcpu_long(v, to_user);
	idt_gate(&vm, 3, after_user, 0xee);
	check_eq(see_guest(v), GO_DONE);
	get_regs(v, &r);
	see("from ring 3: %lld", r.r8);
}
