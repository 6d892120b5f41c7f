// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_X86_TRIPLE_FAULT_EVENT: a pending triple fault can be read and set; KVM_RUN gives it out as KVM_EXIT_SHUTDOWN. */
#include "lib/api.h"

GUEST64(fine, mov $0x600d, %eax; REPORT_EAX; DONE);
GUEST64(fault, lidt none; int3; none: .word 0; .quad 0);

static struct vm vm;
static struct vcpu *v;

static void see_events(void)
{
	struct kvm_vcpu_events e;

	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e);
	see("flags=0x%x triple fault pending=%d", e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, e.triple_fault.pending);
}

static int set_pending(u8 pending)
{
	struct kvm_vcpu_events e = { .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT, .triple_fault.pending = pending };

	return ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, fine);
	see_events();
	see_result("set, not enabled", set_pending(1));
	see_result("KVM_ENABLE_CAP, neither 0 nor 1", vm_enable(&vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 2));
	see_events();
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	see_events();
	see_result("set", set_pending(1));
	see_events();
	check_eq(see_guest(v), KVM_EXIT_SHUTDOWN);
	see_events();
	check_eq(see_guest(v), GO_DONE);
	vcpu_long(v, fine);
	v->nreports = 0;
	see_result("set", set_pending(1));
	see_result("taken back", set_pending(0));
	see_events();
	check_eq(see_guest(v), GO_DONE);
	vcpu_long(v, fault);
	check_eq(see_guest(v), KVM_EXIT_SHUTDOWN);
	see_events();
	see_result("disabled", vm_enable(&vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0));
	see_result("set", set_pending(1));
	see_events();
}
