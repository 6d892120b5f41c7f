// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: hardware breakpoints on code and data, software breakpoints, injected #DB.
 */
#include "lib/api.h"

#define DATA	0x50000

GUEST64(guest,
	mov $1, %eax;
	code_break: nop;
	movl $5, DATA;
	mov DATA, %eax;
	nop;
	int3_here: int3;
	nop;
	DONE);
extern const char code_break[], int3_here[];

static struct vcpu *v;

static void debug(const char *name, u32 control, u64 dr0, u64 dr7)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = dr0;
	d.arch.debugreg[7] = dr7;
	see("-- %s", name);
	vcpu_long(v, guest);
	counts(v)[3] = counts(v)[1] = 0;
	shared(v->vm)->nlog = 0;
	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
	for (int i = 0; i < 5; i++) {
		int ret = see_guest(v);

		if (ret != KVM_EXIT_DEBUG)
			break;
		if (control & KVM_GUESTDBG_USE_HW_BP && dr7 == 1) {	/* instruction breakpoint: step over it */
			d.control = 0;
			must_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
		} else if (v->run->debug.arch.exception == 3) {
			struct kvm_regs r;

			get_regs(v, &r);
			see("RIP at INT3: %s", r.rip == (uintptr_t)int3_here ? "yes" : "no");
			r.rip++;
			set_regs(v, &r);
		}
	}
	see_log(v->vm);
	see("guest's own: %u #DB, %u #BP", counts(v)[1], counts(v)[3]);
}

void test(void)
{
	struct kvm_guest_debug d = { .control = 0xdead0000 };
	struct vm vm;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SET_GUEST_DEBUG);
	v = vcpu_create(&vm, 0);
	debug("off", 0, 0, 0);
	debug("breakpoint on code", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, (uintptr_t)code_break, 1);
	debug("breakpoint on a write", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, DATA, 0x000d0002);
	debug("software breakpoints", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	debug("injected #DB", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB, 0, 0);
	debug("off again", 0, 0, 0);
	see_result("unknown control bits", ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
}
