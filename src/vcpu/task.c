// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches, which neither SVM nor VMX does by itself.
 */
#include "vcpu/vcpu.h"

int vcpu_task_switch(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct kvm_run *run = v->vcpu.run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->internal.ndata = 0;
	return NEXT_USER;
}
