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
GUEST64(own, hlt; own_int3: int3; nop; DONE);
extern const char code_break[], int3_here[], own_int3[];

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

/* An INT3 that is none of the debugger's is handed on to the guest, with RIP at it. */
static void give_back(void)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP };

	see("-- the guest's own INT3, injected");
	vcpu_long(v, own);
	counts(v)[3] = 0;
	shared(v->vm)->nlog = 0;
	check_eq(see_guest(v), KVM_EXIT_HLT);
	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
	see_result("again", ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
	check_eq(see_guest(v), GO_DONE);
	see_log(v->vm);
	see("behind INT3: %s", ((struct guest_event *)gpa_ptr(v->vm, GUEST_LOG))->rip == (uintptr_t)own_int3 + 1 ? "yes" : "no");
}

void test(void)
{
	struct kvm_guest_debug d = { .control = 0xdead0000 };
	struct vm vm;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SET_GUEST_DEBUG);
	need_cap(&vm, KVM_CAP_SET_GUEST_DEBUG2);
	see("control bits: 0x%x", vm_cap(&vm, KVM_CAP_SET_GUEST_DEBUG2));
	v = vcpu_create(&vm, 0);
	debug("off", 0, 0, 0);
	debug("breakpoint on code", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, (uintptr_t)code_break, 1);
	debug("breakpoint on a write", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, DATA, 0x000d0002);
	debug("software breakpoints", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	debug("injected #DB", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB, 0, 0);
	give_back();
	debug("off again", 0, 0, 0);
	see_result("unknown control bits", ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
}
