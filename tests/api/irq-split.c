// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split irqchip: the IOAPIC in user space, EOI exits for its level-triggered vectors, PIC
 * interrupts through KVM_INTERRUPT.
 */
#include "lib/api.h"

GUEST64(window, sti; nop; nop; nop; cli; DONE);
GUEST64(ioapic_access, mov $0xfec00000, %ebx; movl $1, (%rbx); mov 0x10(%rbx), %eax; DONE);

GUEST64(end_by_move, mov $0xfee000b0, %edi; mov $0xd0000000, %esi; movsl; DONE);

static struct vm vm;
static struct vcpu *v;

/* What a user-space IOAPIC does: one MSI route per pin; a level-triggered one asks for its EOI. */
static void routes(void)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e[2];
	} t = {
		.h.nr = 2,
		.e[0] = { .gsi = 4, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = 0xfee00000, .data = 0x8000 | 0x61 } },
		.e[1] = { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = 0xfee00000, .data = 0x62 } },
	};

	see_ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
}

static void run(const char *what)
{
	int ret;

	see("-- %s", what);
	shared(&vm)->nlog = 0;
	vcpu_long(v, window);
	while ((ret = see_guest(v)) == KVM_EXIT_IOAPIC_EOI)
		;
	check_eq(ret, GO_DONE);
	see_log(&vm);
}

/* The EOI is the end of what the VMM was asked for: KVM_RUN that only completes that says nothing of it, the next does. */
static void immediate_exit(void)
{
	see("-- an EOI and immediate_exit");
	vcpu_long(v, end_by_move);
	set_lapic_reg(v, 0x130, 2);		/* ISR, TMR: 0x61 */
	set_lapic_reg(v, 0x1b0, 2);
	see_result("KVM_RUN", ioctl(v->fd, KVM_RUN, 0));
	see_exit(v);
	fill_read(v);
	v->run->immediate_exit = 1;
	see_result("immediate_exit", ioctl(v->fd, KVM_RUN, 0));
	see_result("again", ioctl(v->fd, KVM_RUN, 0));
	v->run->immediate_exit = 0;
	check_eq(see_guest(v), KVM_EXIT_IOAPIC_EOI);
	check_eq(see_guest(v), GO_DONE);
}

void test(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_interrupt irq = { .irq = 0x41 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SPLIT_IRQCHIP);
	cap.args[0] = 5000;
	see_result("5000 pins", ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 24;
	see_ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
	see_result("again", ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	see_result("KVM_CREATE_IRQCHIP", ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0));
	see_result("KVM_GET_IRQCHIP", ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	routes();
	see_result("MSI, level-triggered", msi(&vm, 0xfee00000, 0xc061));
	run("the vector of pin 4");
	see_result("MSI, edge-triggered", msi(&vm, 0xfee00000, 0x62));
	run("the vector of pin 5");
	see_result("MSI, level-triggered", msi(&vm, 0xfee00000, 0xc063));
	run("a vector of no pin");
	immediate_exit();
	see("-- the IOAPIC's registers are user space's");
	vcpu_long(v, ioapic_access);
	check_eq(see_exits(v), GO_DONE);
	/* An interrupt from the PIC of user space, accepted through LINT0 as ExtINT. */
	set_lapic_reg(v, 0x350, 0x700);
	shared(&vm)->eoi = 0;
	see_ioctl(v->fd, KVM_INTERRUPT, &irq);
	see_result("KVM_INTERRUPT again", ioctl(v->fd, KVM_INTERRUPT, &irq));
	run("ExtINT");
}
