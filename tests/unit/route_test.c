// SPDX-License-Identifier: GPL-2.0-only
/* GSI routing: the default, what is refused, all or nothing, MSI routes, split irqchip. */
#include "irq_fixture.h"

static struct kvm_irq_routing_entry pin(u32 gsi, u32 irqchip, u32 nr)
{
	return pin_entry(gsi, irqchip, nr);
}

static struct kvm_irq_routing_entry msi(u32 gsi, u32 address, u32 data)
{
	struct kvm_irq_routing_entry e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI };

	e.u.msi.address_lo = address;
	e.u.msi.data = data;
	return e;
}

static int set(const struct kvm_irq_routing_entry *e, u32 nr)
{
	return irqchip_set_routing(&chip, e, nr, 0);
}

static int set_one(struct kvm_irq_routing_entry e)
{
	return set(&e, 1);
}

static int drive(u32 gsi, int level)
{
	return irqchip_set_gsi(&chip, gsi, IRQ_SOURCE_USER, level);
}

static void set_entry(u32 nr, u32 low)
{
	u32 sel = 0x10 + 2 * nr;

	ioapic_write(chip.ioapic, 0, 4, &sel);
	ioapic_write(chip.ioapic, 0x10, 4, &low);
}

TEST(default_routing)
{
	u32 gsi;

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_all();
	pic_write(chip.pic, 0x21, 0xff);
	pic_write(chip.pic, 0xa1, 0xff);
	for (gsi = 0; gsi < 24; gsi++) {
		set_entry(gsi, 0x40 + gsi);
		CHECK_EQ(drive(gsi, 1), 1);
		CHECK_EQ(who_got(0x40 + gsi), 1);
		if (gsi < 16 && gsi != 2)
			CHECK_EQ(chip.pic->half[gsi / 8].last_irr, 1 << gsi % 8);
		drive(gsi, 0);
		CHECK_EQ(chip.pic->half[0].last_irr, 0);
		CHECK_EQ(chip.pic->half[1].last_irr, 0);
		set_entry(gsi, 0x10000);
	}
	CHECK_EQ(drive(24, 1), -1);
	CHECK_EQ(drive(~0u, 1), -1);
	CHECK_EQ(drive(3, 1), -1);			/* masked in both */
	pic_write(chip.pic, 0x21, 0);
	CHECK_EQ(drive(3, 0), 2);			/* a fall is not refused */
	CHECK_EQ(drive(3, 1), 0);			/* the PIC has it from before: coalesced */
	CHECK_EQ(drive(3, 1), 1);			/* no edge at all */
	drop_irqchip();
}

TEST(refused)
{
	struct kvm_irq_routing_entry e, two[2];
	struct irq_routing *before;

	make_irqchip(IRQCHIP_KERNEL, 1);
	before = rcu_access_pointer(chip.routing);
	CHECK_EQ(set_one(pin(0, 3, 0)), -EINVAL);
	CHECK_EQ(set_one(pin(0, KVM_IRQCHIP_IOAPIC, 24)), -EINVAL);
	CHECK_EQ(set_one(pin(0, KVM_IRQCHIP_PIC_MASTER, 8)), -EINVAL);
	CHECK_EQ(set_one(pin(0, KVM_IRQCHIP_PIC_SLAVE, ~0u)), -EINVAL);
	CHECK_EQ(set_one(pin(GSI_MAX, KVM_IRQCHIP_IOAPIC, 0)), -EINVAL);
	CHECK_EQ(set_one(pin(~0u, KVM_IRQCHIP_IOAPIC, 0)), -EINVAL);
	e = msi(0, 0xfee00000, 0x40);
	e.flags = KVM_MSI_VALID_DEVID;
	CHECK_EQ(set_one(e), -EINVAL);
	e.flags = 0;
	e.type = 0;
	CHECK_EQ(set_one(e), -EINVAL);
	e.type = KVM_IRQ_ROUTING_HV_SINT;
	CHECK_EQ(set_one(e), -EINVAL);
	e = msi(0, 0xfee00000, 0x40);
	e.u.msi.address_hi = 1;
	chip.x2apic_format = true;
	CHECK_EQ(set_one(e), -EINVAL);
	/* The same controller twice; a message beside anything. */
	two[0] = pin(5, KVM_IRQCHIP_IOAPIC, 1);
	two[1] = pin(5, KVM_IRQCHIP_IOAPIC, 2);
	CHECK_EQ(set(two, 2), -EINVAL);
	two[1] = msi(5, 0xfee00000, 0x40);
	CHECK_EQ(set(two, 2), -EINVAL);
	two[0] = msi(5, 0xfee00000, 0x41);
	CHECK_EQ(set(two, 2), -EINVAL);
	CHECK_EQ(irqchip_set_routing(&chip, two, 1, 1), -EINVAL);
	CHECK_EQ(irqchip_set_routing(&chip, two, GSI_MAX + 1, 0), -EINVAL);
	/* None of them changed anything; nor does a lack of memory. */
	shim_fail_alloc = 1;
	CHECK_EQ(set(two, 1), -ENOMEM);
	shim_fail_alloc = 2;
	CHECK_EQ(set(two, 1), -ENOMEM);
	CHECK(rcu_access_pointer(chip.routing) == before);
	drop_irqchip();
	make_vm();
	CHECK_EQ(set_one(msi(0, 0xfee00000, 0x40)), -EINVAL);
}

TEST(messages_and_pins)
{
	struct kvm_irq_routing_entry e[] = {
		msi(40, 0xfee01000, 0x51), pin(3, KVM_IRQCHIP_IOAPIC, 9), msi(4095, 0xfee00000, 0x52), pin(3, KVM_IRQCHIP_PIC_SLAVE, 1),
	};

	make_irqchip(IRQCHIP_KERNEL, 2);
	enable_all();
	CHECK_EQ(set(e, ARRAY_SIZE(e)), 0);
	CHECK_EQ(drive(40, 1), 1);
	CHECK_EQ(who_got(0x51), 2);
	CHECK_EQ(drive(40, 0), -1);			/* a message has no end */
	CHECK_EQ(drive(4095, 1), 1);
	CHECK_EQ(who_got(0x52), 1);
	set_entry(9, 0x53);
	CHECK_EQ(drive(3, 1), 2);			/* both */
	CHECK_EQ(who_got(0x53), 1);
	CHECK_EQ(chip.pic->half[1].irr, 2);
	CHECK_EQ(drive(0, 1), -1);			/* the default is gone */
	CHECK_EQ(set(NULL, 0), 0);
	CHECK_EQ(drive(40, 1), -1);
	drop_irqchip();
}

TEST(split)
{
	struct kvm_irq_routing_entry e[] = {
		msi(0, 0xfee00000, 0x8031), msi(1, 0xfee01000, 0x8041), msi(2, 0xfee00000, 0x51), msi(24, 0xfee00000, 0x8061),
	};

	make_irqchip(IRQCHIP_SPLIT, 2);
	enable_all();
	CHECK_EQ(set_one(pin(0, KVM_IRQCHIP_IOAPIC, 0)), -EINVAL);
	CHECK_EQ(set_one(pin(0, KVM_IRQCHIP_PIC_MASTER, 0)), -EINVAL);
	CHECK_EQ(set(e, ARRAY_SIZE(e)), 0);
	CHECK(irqchip_eoi(&chip, &vcpus[0], 0x31));	/* tell the VMM */
	CHECK(!irqchip_eoi(&chip, &vcpus[0], 0x51));
	CHECK(!irqchip_eoi(&chip, &vcpus[0], 0x61));
	CHECK_EQ(drive(0, 1), 1);
	CHECK_EQ(take(&apics[0]), 0x31);
	CHECK_EQ(eoi(&apics[0]), 0x31);
	CHECK(!irqchip_has_extint(&chip, &apics[0]));
	drop_irqchip();
}

TEST(no_irqchip)
{
	make_vm();
	CHECK_EQ(drive(0, 1), -1);
}

static struct irq_routing *old_routes, *new_routes;

static void routes_go(void)
{
	old_routes = rcu_dereference_protected(chip.routing, true);
	rcu_assign_pointer(chip.routing, new_routes);
}

/* The table is replaced between the two edges of a pulse: the pin that went up comes down. */
TEST(new_routes_in_a_pulse)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_all();
	set_entry(5, 0x45);
	new_routes = routing_alloc(NULL, 0);
	on_kick = routes_go;
	CHECK(irqchip_pulse_gsi(&chip, 5, IRQ_SOURCE_USER) > 0);
	CHECK(!on_kick);
	CHECK(!(chip.ioapic->line & BIT(5)));
	CHECK_EQ(chip.pic->half[0].last_irr, 0);
	kvfree(old_routes);
	drop_irqchip();
}
