// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_MP_STATE and KVM_SET_MP_STATE with and without an irqchip. */
#include "lib/api.h"

static void all_states(struct vcpu *v)
{
	struct kvm_mp_state mp;

	see("vcpu %d: %u", v->id, get_mp_state(v));
	for (u32 state = 0; state <= 11; state++) {
		char name[32];

		mp.mp_state = state;
		snprintf(name, sizeof(name), "set %u", state);
		see_result(name, ioctl(v->fd, KVM_SET_MP_STATE, &mp));
		see("is %u", get_mp_state(v));
	}
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	see_result("back to runnable", ioctl(v->fd, KVM_SET_MP_STATE, &mp));
}

void test(void)
{
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_MP_STATE);
	see("without irqchip:");
	all_states(vcpu_create(&vm, 0));
	all_states(vcpu_create(&vm, 1));
	vm_destroy(&vm);

	vm_create(&vm);
	vm_irqchip(&vm);
	see("with irqchip:");
	all_states(vcpu_create(&vm, 0));
	all_states(vcpu_create(&vm, 1));
	vm_destroy(&vm);
}
