// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU's descriptor refuses: numbers that are no vCPU ioctls, bad addresses; the vCPU's
 * state stays.
 */
#include "lib/api.h"

GUEST64(guest, nop; mov $0x600d, %eax; REPORT_EAX; DONE);

#define BAD_POINTER ((void *)8)
#define REFUSE(req, arg) see_result(#req, ioctl(v->fd, req, arg))

static struct vcpu *v;

static void addresses(void)
{
	REFUSE(KVM_GET_REGS, BAD_POINTER);
	REFUSE(KVM_SET_REGS, BAD_POINTER);
	REFUSE(KVM_GET_SREGS, BAD_POINTER);
	REFUSE(KVM_SET_SREGS, BAD_POINTER);
	REFUSE(KVM_GET_SREGS2, BAD_POINTER);
	REFUSE(KVM_SET_SREGS2, BAD_POINTER);
	REFUSE(KVM_GET_FPU, BAD_POINTER);
	REFUSE(KVM_SET_FPU, BAD_POINTER);
	REFUSE(KVM_GET_MSRS, BAD_POINTER);
	REFUSE(KVM_SET_MSRS, BAD_POINTER);
	REFUSE(KVM_SET_CPUID2, BAD_POINTER);
	REFUSE(KVM_GET_CPUID2, BAD_POINTER);
	REFUSE(KVM_SET_SIGNAL_MASK, BAD_POINTER);
	REFUSE(KVM_GET_LAPIC, BAD_POINTER);
	REFUSE(KVM_SET_LAPIC, BAD_POINTER);
	REFUSE(KVM_INTERRUPT, BAD_POINTER);
	REFUSE(KVM_GET_MP_STATE, BAD_POINTER);
	REFUSE(KVM_SET_MP_STATE, BAD_POINTER);
	REFUSE(KVM_SET_GUEST_DEBUG, BAD_POINTER);
	REFUSE(KVM_GET_VCPU_EVENTS, BAD_POINTER);
	REFUSE(KVM_SET_VCPU_EVENTS, BAD_POINTER);
	REFUSE(KVM_GET_DEBUGREGS, BAD_POINTER);
	REFUSE(KVM_SET_DEBUGREGS, BAD_POINTER);
	REFUSE(KVM_GET_XSAVE, BAD_POINTER);
	REFUSE(KVM_SET_XSAVE, BAD_POINTER);
	REFUSE(KVM_GET_XCRS, BAD_POINTER);
	REFUSE(KVM_SET_XCRS, BAD_POINTER);
	REFUSE(KVM_TRANSLATE, BAD_POINTER);
	REFUSE(KVM_ENABLE_CAP, BAD_POINTER);
}

void test(void)
{
	struct kvm_one_reg reg = { .id = 1 };
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct kvm_enable_cap cap = { .cap = 9999 };
	struct vm vm;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_ENABLE_CAP);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	REFUSE(KVM_CREATE_VM, 0);
	REFUSE(KVM_CREATE_IRQCHIP, 0);
	REFUSE(KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY);
	REFUSE(_IO(KVMIO, 0xfe), 0);
	REFUSE(_IO('x', 1), 0);
	see_result("KVM_GET_ONE_REG", ioctl(v->fd, KVM_GET_ONE_REG, &reg));
	see_result("KVM_SET_ONE_REG", ioctl(v->fd, KVM_SET_ONE_REG, &reg));
	see_result("KVM_INTERRUPT with the irqchip in the kernel", ioctl(v->fd, KVM_INTERRUPT, &irq));
	see_result("KVM_ENABLE_CAP of 9999", ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	cap.flags = 1;
	see_result("KVM_ENABLE_CAP with flags", ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	addresses();
	check_eq(see_guest(v), GO_DONE);
}
