// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_LAPIC and KVM_SET_LAPIC: reset state, round trip, what the guest reads. */
#include "lib/api.h"

#define READ(off)	mov off(%rbx), %eax; REPORT_EAX

GUEST64(guest,
	mov $0xfee00000, %ebx;
	READ(0x20); READ(0x30); READ(0x80); READ(0xa0); READ(0xd0); READ(0xe0); READ(0xf0);
	READ(0x320); READ(0x330); READ(0x340); READ(0x350); READ(0x360); READ(0x370); READ(0x380); READ(0x3e0);
	movl $0xffffffff, 0x80(%rbx); READ(0x80);
	movl $0xffffffff, 0xd0(%rbx); READ(0xd0);
	movl $0x12345678, 0xe0(%rbx); READ(0xe0);
	movl $0xffffffff, 0x350(%rbx); READ(0x350);
	movl $0xffffffff, 0x370(%rbx); READ(0x370);
	movl $0xffffffff, 0x20(%rbx); READ(0x20);
	movl $0xffffffff, 0x30(%rbx); READ(0x30);
	movl $0x100, 0xf0(%rbx); movl $0, 0xf0(%rbx); READ(0x350);	/* disabled by software: LVTs are masked */
	DONE);

static void see_lapic(struct vcpu *v)
{
	struct kvm_lapic_state l;

	memset(&l, 0xaa, sizeof(l));
	see_ioctl(v->fd, KVM_GET_LAPIC, &l);
	for (int off = 0; off < 0x400; off += 4) {
		u32 val = *(u32 *)(l.regs + off);

		if (val && off != 0x390)
			see("lapic %d 0x%03x: 0x%x", v->id, off, val);
	}
}

void test(void)
{
	struct kvm_lapic_state l = { 0 };
	struct vm vm;
	struct vcpu *v;

	vm_create(&vm);
	v = vcpu_create(&vm, 0);
	see_result("KVM_GET_LAPIC without irqchip", ioctl(v->fd, KVM_GET_LAPIC, &l));
	see_result("KVM_SET_LAPIC without irqchip", ioctl(v->fd, KVM_SET_LAPIC, &l));
	vm_destroy(&vm);

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_lapic(v);
	see_lapic(vcpu_create(&vm, 3));
	vcpu_long(v, guest);
	must_ioctl(v->fd, KVM_GET_LAPIC, &l);
	*(u32 *)(l.regs + 0x80) = 0x30;
	*(u32 *)(l.regs + 0xd0) = 0x12000000;
	*(u32 *)(l.regs + 0xe0) = 0x0fffffff;
	*(u32 *)(l.regs + 0xf0) = 0x1ef;
	*(u32 *)(l.regs + 0x320) = 0x100ec;
	*(u32 *)(l.regs + 0x350) = 0x8700;
	*(u32 *)(l.regs + 0x360) = 0x400;
	*(u32 *)(l.regs + 0x110) = 2;			/* ISR: vector 0x21 */
	*(u32 *)(l.regs + 0x220) = 4;			/* IRR: vector 0x42 */
	*(u32 *)(l.regs + 0x3e0) = 0xb;
	see_ioctl(v->fd, KVM_SET_LAPIC, &l);
	see_lapic(v);
	check_eq(see_guest(v), GO_DONE);
	see_result("bad address", ioctl(v->fd, KVM_SET_LAPIC, 8));
}
