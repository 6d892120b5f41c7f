// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GSI_ROUTING: GSIs to PIC, IOAPIC and MSI; refused tables, which leave the old one in
 * place.
 */
#include "lib/api.h"

#define MAX	3

GUEST64(window, sti; nop; nop; cli; DONE);

static struct vm vm;
static struct vcpu *v;

struct table {
	struct kvm_irq_routing h;
	struct kvm_irq_routing_entry e[MAX];
};

static long set(const char *name, struct table *t)
{
	return see_result(name, ioctl(vm.fd, KVM_SET_GSI_ROUTING, t));
}

static void pulse(u32 gsi)
{
	see("-- GSI %u", gsi);
	irq_line(&vm, gsi, 1);
	see_irr(v);
	shared(&vm)->nlog = 0;
	vcpu_long(v, window);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	irq_line(&vm, gsi, 0);
}

static struct kvm_irq_routing_entry pin(u32 gsi, u32 chip, u32 n)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { .irqchip = chip, .pin = n },
	};
}

static struct kvm_irq_routing_entry to_msi(u32 gsi, u32 addr, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = addr, .data = data },
	};
}

static void bad_tables(void)
{
	struct table t = { .h.nr = 1, .e[0] = to_msi(50, 0xfee00000, 0x61) };

	t.h.flags = 1;
	set("flags", &t);
	t.h.flags = 0;
	t.e[0].flags = 0x80;
	set("flags of an entry", &t);
	t.e[0].flags = 0;
	t.e[0].type = 77;
	set("unknown type", &t);
	t.e[0] = pin(50, KVM_IRQCHIP_IOAPIC, 24);
	set("IOAPIC pin 24", &t);
	t.e[0] = pin(50, KVM_IRQCHIP_PIC_MASTER, 8);
	set("PIC pin 8", &t);
	t.e[0] = pin(50, 7, 0);
	set("chip 7", &t);
	t.e[0] = to_msi(4096, 0xfee00000, 0x61);
	set("GSI 4096", &t);
	t.h.nr = 2;
	t.e[0] = pin(50, KVM_IRQCHIP_IOAPIC, 1);
	t.e[1] = pin(50, KVM_IRQCHIP_IOAPIC, 2);
	set("two pins of one chip for a GSI", &t);
	t.e[1] = to_msi(50, 0xfee00000, 0x62);
	set("pin and MSI for a GSI", &t);
	t.h.nr = 1u << 20;
	set("too many", &t);
}

void test(void)
{
	struct table t = { .h.nr = 0 };

	vm_create(&vm);
	see_result("without irqchip", ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t));
	vm_destroy(&vm);
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IRQ_ROUTING);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	set_ioapic_pin(&vm, 21, 0x55);
	set_ioapic_pin(&vm, 5, 0x56);
	pulse(21);
	t.h.nr = 3;
	t.e[0] = to_msi(40, 0xfee00000, 0x61);
	t.e[1] = pin(41, KVM_IRQCHIP_IOAPIC, 21);
	t.e[2] = pin(5, KVM_IRQCHIP_IOAPIC, 21);
	set("KVM_SET_GSI_ROUTING", &t);
	pulse(40);
	pulse(41);
	pulse(5);
	pulse(21);				/* its route is gone */
	bad_tables();
	pulse(40);
	pulse(50);
	t.h.nr = 0;
	set("empty", &t);
	pulse(40);
}
