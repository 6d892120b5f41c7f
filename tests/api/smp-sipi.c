// SPDX-License-Identifier: GPL-2.0-only
/* Start of the other processors: INIT, SIPI, the state in which they start, a second INIT. */
#include "lib/api.h"

#define FLAG	0x5000

/* The first in the section: at 0x10000, SIPI vector 0x10. */
GUEST16(ap_start,
	xor %eax, %eax; mov %cs, %ax; REPORT_EAX;
	lock incl FLAG;
	cli; 1: hlt; jmp 1b);
/* With interrupts on: in Bochs a guest that spins without them keeps the host's timer away, too. */
GUEST64(bsp,
	sti;
	mov $0xfee00000, %ebx;
	movl $0x1ff, 0xf0(%rbx);
	movl $0x01000000, 0x310(%rbx);
	movl $0xc500, 0x300(%rbx);			/* INIT */
	movl $0x4610, 0x300(%rbx);			/* SIPI */
	1: pause; cmpl $1, FLAG; jb 1b;
	movl $0x4610, 0x300(%rbx);			/* a second SIPI is ignored */
	out %al, $0x90;
	movl $0xc500, 0x300(%rbx);
	movl $0x4611, 0x300(%rbx);			/* INIT again, another address */
	1: pause; cmpl $2, FLAG; jb 1b;
	DONE);

static void see_start(struct vcpu *v)
{
	struct kvm_sregs s;

	get_sregs(v, &s);
	see("cs: selector=0x%x base=0x%llx limit=0x%x cr0=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx", s.cs.selector, s.cs.base,
	    s.cs.limit, s.cr0, s.cr3, s.cr4, s.efer);
	see("apic_base=0x%llx idt: base=0x%llx limit=0x%x", s.apic_base, s.idt.base, s.idt.limit);
	see_regs(v, "rip rflags rax rdx rsp");
}

void test(void)
{
	struct vm vm;
	struct vcpu *bp, *ap;

	vm_init(&vm);
	vm_irqchip(&vm);
	bp = vcpu_create(&vm, 0);
	ap = vcpu_create(&vm, 1);
	must((uintptr_t)ap_start == 0x10000);
	memcpy(gpa_ptr(&vm, 0x11000), gpa_ptr(&vm, 0x10000), 0x100);
	see("states: %u %u", get_mp_state(bp), get_mp_state(ap));
	vcpu_long(bp, bsp);
	vcpu_go_thread(ap);
	check_eq(see_guest(bp), KVM_EXIT_IO);		/* port 0x90 */
	msleep(20);
	check_eq(*(u32 *)gpa_ptr(&vm, FLAG), 1);
	check_eq(see_guest(bp), GO_DONE);
	check_eq(*(u32 *)gpa_ptr(&vm, FLAG), 2);
	msleep(20);
	vcpu_kick(ap);
	see_guest_result(ap, vcpu_join(ap));
	see("states: %u %u", get_mp_state(bp), get_mp_state(ap));
	see_start(ap);
}
