// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS: reset state, round trip of every field, refused
 * values.
 */
#include "lib/api.h"

static void see_events(struct vcpu *v)
{
	struct kvm_vcpu_events e;

	memset(&e, 0xaa, sizeof(e));
	see_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e);
	see("exception: injected=%d nr=%d has_error_code=%d pending=%d error_code=0x%x has_payload=%d payload=0x%llx",
	    e.exception.injected, e.exception.nr, e.exception.has_error_code, e.exception.pending,
	    e.exception.error_code, e.exception_has_payload, e.exception_payload);
	see("interrupt: injected=%d nr=%d soft=%d shadow=%d", e.interrupt.injected, e.interrupt.nr, e.interrupt.soft,
	    e.interrupt.shadow);
	see("nmi: injected=%d pending=%d masked=%d", e.nmi.injected, e.nmi.pending, e.nmi.masked);
	see("sipi_vector=0x%x flags=0x%x", e.sipi_vector, e.flags);
	see("smi: smm=%d pending=%d smm_inside_nmi=%d latched_init=%d", e.smi.smm, e.smi.pending, e.smi.smm_inside_nmi,
	    e.smi.latched_init);
}

static void set(struct vcpu *v, const char *name, struct kvm_vcpu_events e)
{
	see_result(name, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	see_events(v);
}

static void bad(struct vcpu *v, const char *name, struct kvm_vcpu_events e)
{
	struct kvm_vcpu_events before, after;

	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &before);
	see_result(name, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &after);
	check(memcmp(&before, &after, sizeof(after)) == 0);
}

#define EV(...)	((struct kvm_vcpu_events){ __VA_ARGS__ })

static void round_trips(struct vm *vm, struct vcpu *v)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };

	set(v, "NMI pending", EV(.nmi.pending = 1, .flags = KVM_VCPUEVENT_VALID_NMI_PENDING));
	set(v, "NMI pending without its flag", EV(.nmi.pending = 0));
	set(v, "NMI not pending", EV(.flags = KVM_VCPUEVENT_VALID_NMI_PENDING));
	set(v, "NMI masked", EV(.nmi.masked = 1));
	set(v, "NMI unmasked", EV(.nmi.masked = 0));
	set(v, "interrupt", EV(.interrupt.injected = 1, .interrupt.nr = 0x55));
	set(v, "soft interrupt", EV(.interrupt.injected = 1, .interrupt.nr = 0x56, .interrupt.soft = 1));
	set(v, "shadow", EV(.interrupt.shadow = KVM_X86_SHADOW_INT_STI, .flags = KVM_VCPUEVENT_VALID_SHADOW));
	set(v, "no shadow", EV(.flags = KVM_VCPUEVENT_VALID_SHADOW));
	set(v, "SIPI vector", EV(.sipi_vector = 0x12, .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR));
	set(v, "exception", EV(.exception = { .injected = 1, .nr = 13, .has_error_code = 1, .error_code = 0x18 }));
	set(v, "nothing", EV(.flags = 0));
	if (vm_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD) <= 0) {
		see("KVM_CAP_EXCEPTION_PAYLOAD is not advertised");
		return;
	}
	cap.args[0] = 2;
	see_result("KVM_ENABLE_CAP of neither 0 nor 1", ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1;
	see_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
	set(v, "pending with payload", EV(.exception = { .pending = 1, .nr = 14, .has_error_code = 1, .error_code = 2 },
					  .exception_has_payload = 1, .exception_payload = 0x123456,
					  .flags = KVM_VCPUEVENT_VALID_PAYLOAD));
	set(v, "nothing", EV(.flags = KVM_VCPUEVENT_VALID_PAYLOAD));
	set(v, "injected and pending", EV(.exception = { .pending = 1, .injected = 1, .nr = 13 },
					  .flags = KVM_VCPUEVENT_VALID_PAYLOAD));
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_VCPU_EVENTS);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_events(v);
	bad(v, "unknown flag", EV(.flags = 0x80000000));
	bad(v, "exception 32", EV(.exception = { .injected = 1, .nr = 32 }));
	bad(v, "exception 2", EV(.exception = { .injected = 1, .nr = 2 }));
	bad(v, "payload without the capability", EV(.flags = KVM_VCPUEVENT_VALID_PAYLOAD));
	round_trips(&vm, v);
}
