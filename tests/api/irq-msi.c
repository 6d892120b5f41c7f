// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SIGNAL_MSI: result, destinations, delivery modes. */
#include "lib/api.h"

GUEST64(window, sti; nop; nop; cli; DONE);

static struct vm vm;

static void send(const char *what, u64 addr, u32 data)
{
	struct vcpu *v = &vm.vcpu[0];

	see("-- %s", what);
	see_result("KVM_SIGNAL_MSI", msi(&vm, addr, data));
	for (int i = 0; i < 2; i++)
		see_irr(&vm.vcpu[i]);
	shared(&vm)->nlog = 0;
	vcpu_long(v, window);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	shared(&vm)->nlog = 0;
	vcpu_long(&vm.vcpu[1], window);
	check_eq(see_guest(&vm.vcpu[1]), GO_DONE);
	see_log(&vm);
}

void test(void)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = 0x41, .flags = 1u << 31 };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SIGNAL_MSI);
	vm_irqchip(&vm);
	for (int i = 0; i < 2; i++) {
		vcpu_create(&vm, i);
		vcpu_long(&vm.vcpu[i], window);
		set_mp_state(&vm.vcpu[i], KVM_MP_STATE_RUNNABLE);
		lapic_enable(&vm.vcpu[i]);
		set_lapic_reg(&vm.vcpu[i], 0xd0, 1u << (24 + i));
	}
	shared(&vm)->eoi = EOI_LAPIC;
	idt_gate(&vm, 0x1f, guest_stubs + 16 * 0x9f, 0x8e);	/* an interrupt's handler, not an exception's */
	send("to 0", 0xfee00000, 0x41);
	send("to 1", 0xfee01000, 0x42);
	send("to 7, which is not there", 0xfee07000, 0x43);
	send("broadcast", 0xfeeff000, 0x44);
	send("logical", 0xfee02004, 0x45);
	send("logical, both", 0xfee03004, 0x46);
	send("NMI to 1", 0xfee01000, 0x400);
	send("level-triggered, asserted", 0xfee00000, 0xc047);
	send("vector 0x1f (handled as 0x9f)", 0xfee00000, 0x1f);
	must(msi(&vm, 0xfee00000, 0x48) >= 0);
	send("twice the same", 0xfee00000, 0x48);
	must(msi(&vm, 0xfee00000, 0x51) >= 0);
	must(msi(&vm, 0xfee00000, 0x91) >= 0);
	send("three: by priority", 0xfee00000, 0x71);
	see_result("unknown flag", ioctl(vm.fd, KVM_SIGNAL_MSI, &m));
}
