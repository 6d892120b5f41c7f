// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that user space injects through KVM_SET_VCPU_EVENTS reach the guest's handlers. */
#include "lib/api.h"

GUEST64(guest, nop; nop; over: DONE);
extern const char over[];

static const struct {
	const char *name;
	u8 vector, has_error;
	u32 error;
} rows[] = {
	{ "#DE", 0, 0, 0 }, { "#DB", 1, 0, 0 }, { "#BR", 5, 0, 0 }, { "#UD", 6, 0, 0 }, { "#NM", 7, 0, 0 },
	{ "#DF", 8, 1, 0 }, { "#TS", 10, 1, 0x18 }, { "#NP", 11, 1, 0x20 }, { "#SS", 12, 1, 0x28 },
	{ "#GP", 13, 1, 0 }, { "#GP with selector", 13, 1, 0x1230 }, { "#PF", 14, 1, 6 }, { "#MF", 16, 0, 0 },
	{ "#AC", 17, 1, 0 }, { "#MC", 18, 0, 0 }, { "#XM", 19, 0, 0 },
};

static void inject(struct vcpu *v, int i)
{
	struct kvm_vcpu_events ev;
	struct kvm_sregs s;

	shared(v->vm)->nlog = 0;
	shared(v->vm)->resume = (uintptr_t)over;
	vcpu_long(v, guest);
	get_sregs(v, &s);
	s.cr2 = 0x123450;
	set_sregs(v, &s);
	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.exception.injected = 1;
	ev.exception.nr = rows[i].vector;
	ev.exception.has_error_code = rows[i].has_error;
	ev.exception.error_code = rows[i].error;
	see("-- %s", rows[i].name);
	see_ioctl(v->fd, KVM_SET_VCPU_EVENTS, &ev);
	memset(&ev, 0x55, sizeof(ev));
	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &ev);
	see("before: injected=%d nr=%d has_error_code=%d error_code=0x%x", ev.exception.injected, ev.exception.nr,
	    ev.exception.has_error_code, ev.exception.error_code);
	check_eq(see_guest(v), GO_DONE);
	see_log(v->vm);
	check_eq(shared(v->vm)->nlog, 1);
	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &ev);
	see("after: injected=%d", ev.exception.injected);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_VCPU_EVENTS);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		inject(v, i);
}
