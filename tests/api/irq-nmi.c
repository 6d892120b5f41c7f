// SPDX-License-Identifier: GPL-2.0-only
/* KVM_NMI: delivery, the block until IRET, one that is kept pending, waking a halted vCPU. */
#include "lib/api.h"

GUEST64(plain, nop; nop; DONE);
GUEST64(halted, cli; hlt; mov $0x600d, %eax; REPORT_EAX; DONE);
/* The handler asks user space, which sends more of them. */
GUEST64(nmi_handler, out %al, $0x90; lock incl %gs:8; nop; iretq);

static void see_nmi(struct vcpu *v)
{
	struct kvm_vcpu_events e;

	must_ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e);
	see("nmi: injected=%d pending=%d masked=%d", e.nmi.injected, e.nmi.pending, e.nmi.masked);
}

static void nested(struct vm *vm, struct vcpu *v, int more)
{
	u32 before = counts(v)[2];
	int asked = 0;

	see("-- %d more in the handler", more);
	idt_gate(vm, 2, nmi_handler, 0x8e);
	vcpu_long(v, plain);
	see_ioctl(v->fd, KVM_NMI, 0);
	see_nmi(v);
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x90) {
		see_nmi(v);
		if (asked++ == 0) {
			for (int i = 0; i < more; i++)
				must_ioctl(v->fd, KVM_NMI, 0);
			see_nmi(v);
		}
	}
	see_exit(v);
	see_nmi(v);
	see("%u NMIs", counts(v)[2] - before);
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_USER_NMI);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, plain);
	see_ioctl(v->fd, KVM_NMI, 0);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	check_eq(counts(v)[2], 1);
	vcpu_long(v, halted);
	lapic_enable(v);
	vcpu_go_thread(v);
	msleep(30);
	/* KVM_NMI would wait for the end of KVM_RUN, as every vCPU ioctl. */
	see_result("MSI of mode NMI", msi(&vm, 0xfee00000, 0x400));
	see_guest_result(v, vcpu_join(v));
	check_eq(counts(v)[2], 2);
	nested(&vm, v, 0);
	nested(&vm, v, 1);
	nested(&vm, v, 3);
}
