// SPDX-License-Identifier: GPL-2.0-only
/* The IOAPIC: registers, edges and levels, remote IRR and EOI, masks, destinations, state. */
#include "irq_fixture.h"

#define LEVEL	0x8000u
#define MASKED	0x10000u

static struct ioapic *ioapic;

static void reg_write(u32 reg, u32 val)
{
	ioapic_write(ioapic, 0, 4, &reg);
	ioapic_write(ioapic, 0x10, 4, &val);
}

static u32 reg_read(u32 reg)
{
	u32 val = 0xdeadbeef;

	ioapic_write(ioapic, 0, 4, &reg);
	ioapic_read(ioapic, 0x10, 4, &val);
	return val;
}

static void set_entry(u32 pin, u32 low, u8 dest)
{
	reg_write(0x10 + 2 * pin + 1, (u32)dest << 24);
	reg_write(0x10 + 2 * pin, low);
}

static int drive(u32 pin, int level)
{
	return ioapic_set_pin(ioapic, pin, IRQ_SOURCE_USER, level);
}

static void make_ioapic(int n)
{
	make_irqchip(IRQCHIP_KERNEL, n);
	enable_all();
	ioapic = chip.ioapic;
}

TEST(registers)
{
	u8 byte = 1;
	u64 wide = ~0ull;
	u32 val, pin;

	make_ioapic(1);
	CHECK_EQ(reg_read(0), 0);
	reg_write(0, ~0u);
	CHECK_EQ(reg_read(0), 0x0f000000);
	CHECK_EQ(reg_read(2), 0x0f000000);
	CHECK_EQ(reg_read(1), 0x00170011);
	reg_write(1, 0);
	CHECK_EQ(reg_read(1), 0x00170011);
	for (pin = 0; pin < 24; pin++)
		CHECK_EQ(reg_read(0x10 + 2 * pin), MASKED);
	reg_write(0x10, ~0u);
	reg_write(0x11, ~0u);
	CHECK_EQ(reg_read(0x10), 0xffffafff);		/* status and remote IRR are read-only */
	CHECK_EQ(reg_read(0x11), 0xffffffff);
	for (val = 3; val < 0x10; val++)
		CHECK_EQ(reg_read(val), ~0u);
	CHECK_EQ(reg_read(0x40), ~0u);
	CHECK_EQ(reg_read(0xff), ~0u);
	reg_write(0x40, 5);				/* behind the last pin */
	reg_write(0xff, 5);
	/* The selector is one byte; the window takes whole words only. */
	ioapic_write(ioapic, 0, 1, &byte);
	ioapic_read(ioapic, 0, 4, &val);
	CHECK_EQ(val, 1);
	val = 0x10;
	ioapic_write(ioapic, 0, 4, &val);
	ioapic_write(ioapic, 0x10, 1, &byte);
	ioapic_write(ioapic, 0x10, 2, &byte);
	CHECK_EQ(reg_read(0x10), 0xffffafff);
	ioapic_read(ioapic, 0x10, 1, &byte);
	CHECK_EQ(byte, 0xff);
	ioapic_read(ioapic, 0x10, 8, &wide);
	CHECK_EQ(wide, 0xffffafff);
	ioapic_read(ioapic, 0x20, 4, &val);		/* no such register */
	CHECK_EQ(val, 0);
	ioapic_write(ioapic, 0x40, 4, &val);
	drop_irqchip();
}

TEST(edges)
{
	make_ioapic(1);
	CHECK_EQ(drive(4, 1), -1);			/* masked: lost */
	drive(4, 0);
	set_entry(4, 0x34, 0);
	CHECK_EQ(who_got(0x34), 0);
	CHECK_EQ(drive(4, 1), 1);
	CHECK_EQ(drive(4, 1), 0);			/* no new edge */
	CHECK_EQ(take(&apics[0]), 0x34);
	CHECK_EQ(eoi(&apics[0]), -1);			/* nobody asked for it */
	CHECK_EQ(take(&apics[0]), -1);
	drive(4, 0);
	CHECK_EQ(drive(4, 1), 1);
	drive(4, 0);
	CHECK_EQ(drive(4, 1), 1);			/* merged in IRR */
	drop_irqchip();
}

TEST(levels)
{
	struct lapic *a = &apics[0];

	make_ioapic(1);
	set_entry(10, LEVEL | 0x3a, 0);
	CHECK_EQ(drive(10, 1), 1);
	CHECK_EQ(reg_read(0x10 + 20), LEVEL | 0x403a);	/* remote IRR */
	CHECK_EQ(drive(10, 1), 0);			/* in service */
	CHECK_EQ(take(a), 0x3a);
	CHECK_EQ(eoi(a), 0x3a);
	CHECK_EQ(take(a), 0x3a);			/* the line is still up */
	drive(10, 0);
	CHECK_EQ(eoi(a), 0x3a);
	CHECK_EQ(take(a), -1);
	CHECK_EQ(reg_read(0x10 + 20), LEVEL | 0x3a);
	/* Unmasking a line that is up sends. */
	set_entry(10, MASKED | LEVEL | 0x3a, 0);
	CHECK_EQ(drive(10, 1), -1);
	CHECK_EQ(take(a), -1);
	set_entry(10, LEVEL | 0x3a, 0);
	CHECK_EQ(take(a), 0x3a);
	/* The way to end it without an EOI register: edge and back. */
	set_entry(10, MASKED | 0x3a, 0);
	CHECK_EQ(reg_read(0x10 + 20), MASKED | 0x3a);
	set_entry(10, LEVEL | 0x3b, 0);
	eoi(a);
	CHECK_EQ(take(a), 0x3b);
	/* Masked while in service: the EOI sends nothing. */
	set_entry(10, MASKED | LEVEL | 0x3b, 0);
	eoi(a);
	CHECK_EQ(take(a), -1);
	/* A change of the destination alone sends what waits, if it is not in service. */
	set_entry(10, LEVEL | 0x3b, 7);
	CHECK_EQ(take(a), -1);
	reg_write(0x11 + 20, 0);
	CHECK_EQ(take(a), 0x3b);
	drop_irqchip();
}

/* A line that nobody lowers: the guest gets a while in which it is not interrupted. */
TEST(storm)
{
	int n;

	make_ioapic(1);
	set_entry(5, LEVEL | 0x45, 0);
	CHECK_EQ(drive(5, 1), 1);
	for (n = 1; n < STORM_ENDS; n++) {
		SHIM_ASSERT(take(&apics[0]) == 0x45);
		SHIM_ASSERT(eoi(&apics[0]) == 0x45);
	}
	CHECK_EQ(take(&apics[0]), 0x45);
	CHECK_EQ(eoi(&apics[0]), 0x45);
	CHECK_EQ(take(&apics[0]), -1);
	shim_run_works();
	CHECK_EQ(take(&apics[0]), 0x45);
	/* Lowered in between it is an interrupt like any other. */
	for (n = 0; n < STORM_ENDS + 1; n++) {
		drive(5, 0);
		drive(5, 1);
		SHIM_ASSERT(eoi(&apics[0]) == 0x45);
		SHIM_ASSERT(take(&apics[0]) == 0x45);
	}
	/* Paused, and gone. */
	for (n = 0; n < STORM_ENDS; n++) {
		eoi(&apics[0]);
		take(&apics[0]);
	}
	CHECK(ioapic->paused);
	drop_irqchip();
}

/* A level that a LAPIC refused goes out when one takes it; remote IRR says that one did. */
TEST(refused_level)
{
	struct kvm_lapic_state s;
	struct lapic *a = &apics[0];
	u64 base;

	make_ioapic(1);
	base = a->base;
	set_entry(10, LEVEL | 0x3a, 0);
	/* Enabled by SVR... */
	apic_write(a, APIC_SPIV, 0xff);
	CHECK_EQ(drive(10, 1), 0);
	CHECK_EQ(reg_read(0x10 + 20), LEVEL | 0x3a);
	apic_write(a, APIC_SPIV, 0x1ff);
	shim_run_works();
	CHECK_EQ(take(a), 0x3a);
	CHECK_EQ(reg_read(0x10 + 20), LEVEL | 0x403a);
	/* ... once: in service it is not sent again. */
	apic_write(a, APIC_SPIV, 0xff);
	apic_write(a, APIC_SPIV, 0x1ff);
	shim_run_works();
	CHECK_EQ(who_got(0x3a), 0);
	/* Its EOI finds it disabled. */
	apic_write(a, APIC_SPIV, 0xff);
	CHECK_EQ(eoi(a), 0x3a);
	CHECK_EQ(reg_read(0x10 + 20), LEVEL | 0x3a);
	apic_write(a, APIC_SPIV, 0x1ff);
	shim_run_works();
	CHECK_EQ(take(a), 0x3a);
	drive(10, 0);
	eoi(a);
	/* By IA32_APIC_BASE. */
	CHECK_EQ(lapic_set_base(a, base & ~MSR_IA32_APICBASE_ENABLE, false), 0);
	shim_run_works();
	CHECK_EQ(drive(10, 1), 0);
	CHECK_EQ(lapic_set_base(a, base, false), 0);
	enable_apic(a);
	shim_run_works();
	CHECK_EQ(take(a), 0x3a);
	drive(10, 0);
	eoi(a);
	/* By its id. */
	set_entry(10, LEVEL | 0x3a, 7);
	CHECK_EQ(drive(10, 1), 0);
	apic_write(a, APIC_ID, 7 << 24);
	shim_run_works();
	CHECK_EQ(take(a), 0x3a);
	drive(10, 0);
	eoi(a);
	/* By the VMM. */
	CHECK_EQ(lapic_get_state(a, &s), 0);
	apic_write(a, APIC_SPIV, 0xff);
	CHECK_EQ(drive(10, 1), 0);
	CHECK_EQ(lapic_set_state(a, &s), 0);
	shim_run_works();
	CHECK_EQ(take(a), 0x3a);
	/* Masked meanwhile. */
	eoi(a);
	take(a);
	apic_write(a, APIC_SPIV, 0xff);
	eoi(a);
	set_entry(10, MASKED | LEVEL | 0x3a, 7);
	enable_apic(a);
	shim_run_works();
	CHECK_EQ(take(a), -1);
	/* On its way when the VM ends. */
	apic_write(a, APIC_SPIV, 0xff);
	enable_apic(a);
	drop_irqchip();
}

TEST(sources_are_ored)
{
	make_ioapic(1);
	set_entry(10, LEVEL | 0x3a, 0);
	drive(10, 1);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 1);
	CHECK_EQ(take(&apics[0]), 0x3a);
	drive(10, 0);
	eoi(&apics[0]);
	CHECK_EQ(take(&apics[0]), 0x3a);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	eoi(&apics[0]);
	CHECK_EQ(take(&apics[0]), -1);
	drop_irqchip();
}

TEST(two_pins_one_vector)
{
	make_ioapic(1);
	set_entry(10, LEVEL | 0x3a, 0);
	set_entry(11, LEVEL | 0x3a, 0);
	CHECK_EQ(drive(10, 1), 1);
	CHECK_EQ(drive(11, 1), 1);
	CHECK_EQ(take(&apics[0]), 0x3a);
	drive(10, 0);
	eoi(&apics[0]);
	CHECK_EQ(take(&apics[0]), 0x3a);		/* for 11 */
	drop_irqchip();
}

TEST(destinations)
{
	static const struct { u32 low; u8 dest; int ret; u32 who; } c[] = {
		{ 0x41, 1, 1, 2 }, { 0x42, 0xff, 2, 3 }, { 0x843, 2, 1, 2 }, { 0x844, 3, 2, 3 }, { 0x45, 5, 0, 0 },
		{ 0x0f, 0, 0, 0 },			/* a vector that is none */
	};
	u32 i;

	make_ioapic(2);
	apic_write(&apics[0], APIC_LDR, 1 << 24);
	apic_write(&apics[1], APIC_LDR, 2 << 24);
	shim_run_works();
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		set_entry(20, c[i].low, c[i].dest);
		CHECK_EQ(drive(20, 1), c[i].ret);
		CHECK_EQ(who_got(c[i].low), c[i].who);
		drive(20, 0);
	}
	set_entry(20, 0x943, 3);			/* lowest priority */
	CHECK_EQ(drive(20, 1), 1);
	CHECK_EQ(hweight32(who_got(0x43)), 1);
	drive(20, 0);
	set_entry(20, LEVEL | 0x400, 1);		/* NMI: an edge, whatever the bit says */
	CHECK_EQ(drive(20, 1), 1);
	CHECK_EQ(drive(20, 1), 0);
	CHECK_EQ(apics[1].nmi_pending, 1);
	drop_irqchip();
}

TEST(state)
{
	struct kvm_irqchip one = { .chip_id = KVM_IRQCHIP_IOAPIC }, two = one;
	int i;

	make_ioapic(1);
	reg_write(0, 3 << 24);
	set_entry(10, LEVEL | 0x3a, 0);
	set_entry(4, 0x34, 0);
	drive(10, 1);
	drive(4, 1);
	CHECK_EQ(irqchip_get_state(&chip, &one), 0);
	CHECK_EQ(one.chip.ioapic.base_address, 0xfec00000);
	CHECK_EQ(one.chip.ioapic.id, 3);
	CHECK_EQ(one.chip.ioapic.irr, 1 << 10);		/* the edge was delivered */
	CHECK_EQ(one.chip.ioapic.redirtbl[10].fields.remote_irr, 1);
	CHECK_EQ(one.chip.ioapic.redirtbl[4].fields.vector, 0x34);
	CHECK_EQ(take(&apics[0]), 0x3a);
	set_entry(10, MASKED, 0);
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	CHECK_EQ(irqchip_get_state(&chip, &two), 0);
	CHECK_MEM(&one, &two, sizeof(one));
	eoi(&apics[0]);					/* it was in service in the state */
	CHECK_EQ(take(&apics[0]), 0x3a);
	drive(10, 0);
	eoi(&apics[0]);
	CHECK_EQ(take(&apics[0]), 0x34);
	eoi(&apics[0]);
	/* An edge that was not delivered, and a level that is not in service, go out. */
	one.chip.ioapic.irr = 1 << 10 | 1 << 4;
	one.chip.ioapic.redirtbl[10].fields.remote_irr = 0;
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	CHECK_EQ(take(&apics[0]), 0x3a);
	drive(10, 0);
	eoi(&apics[0]);
	CHECK_EQ(take(&apics[0]), 0x34);
	/* Whatever is in it. */
	memset(&one.chip, 0xff, sizeof(one.chip));
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	CHECK_EQ(irqchip_get_state(&chip, &two), 0);
	CHECK_EQ(two.chip.ioapic.id, 0xf);
	CHECK_EQ(two.chip.ioapic.ioregsel, 0xff);
	for (i = 0; i < 24; i++)
		CHECK_EQ(two.chip.ioapic.redirtbl[i].bits, ~0ull);
	drop_irqchip();
}

/* A line in the state belongs to who holds it; or, where nobody does, to who lowers it first. */
TEST(restored_lines)
{
	struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct lapic *a = &apics[0];

	make_ioapic(1);
	set_entry(10, LEVEL | 0x3a, 0);
	/* The same VM: each source goes on as before. */
	drive(10, 1);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 1);
	CHECK_EQ(irqchip_get_state(&chip, &s), 0);
	CHECK_EQ(irqchip_set_state(&chip, &s), 0);
	CHECK_EQ(take(a), 0x3a);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	eoi(a);
	CHECK_EQ(take(a), 0x3a);
	drive(10, 0);
	eoi(a);
	CHECK_EQ(take(a), -1);
	/* A new one: up until somebody lowers it, or somebody else after that. */
	CHECK_EQ(irqchip_set_state(&chip, &s), 0);
	ioapic_eoi(ioapic, 0x3a);
	CHECK_EQ(take(a), 0x3a);
	eoi(a);
	CHECK_EQ(take(a), 0x3a);
	drive(10, 1);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	eoi(a);
	CHECK_EQ(take(a), 0x3a);
	drive(10, 0);
	eoi(a);
	CHECK_EQ(take(a), -1);
	CHECK_EQ(irqchip_set_state(&chip, &s), 0);
	ioapic_eoi(ioapic, 0x3a);
	CHECK_EQ(take(a), 0x3a);
	ioapic_set_pin(ioapic, 10, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	eoi(a);
	CHECK_EQ(take(a), -1);
	drop_irqchip();
}

TEST(no_irqchip)
{
	struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int i;

	make_vm();
	CHECK_EQ(irqchip_get_state(&chip, &s), -ENXIO);
	CHECK_EQ(irqchip_set_state(&chip, &s), -ENXIO);
	CHECK_EQ(irqchip_take_extint(&chip), -1);
	atomic_inc(&vm.nr_vcpus);
	CHECK_EQ(irqchip_create(&chip, &vm), -EINVAL);
	CHECK_EQ(irqchip_create_split(&chip, &vm, 24), -EINVAL);
	atomic_dec(&vm.nr_vcpus);
	/* Each allocation in turn fails, and leaves nothing. */
	for (i = 1; i < 6; i++) {
		shim_fail_alloc = i;
		CHECK_EQ(irqchip_create(&chip, &vm), -ENOMEM);
		CHECK_EQ(chip.mode, IRQCHIP_NONE);
		CHECK_EQ(shim_live, 0);
	}
	shim_fail_alloc = 0;
	CHECK_EQ(irqchip_create(&chip, &vm), 0);
	CHECK_EQ(chip.mode, IRQCHIP_NONE);	/* not before its devices can be reached */
	irqchip_publish(&chip);
	CHECK_EQ(irqchip_create(&chip, &vm), -EEXIST);
	CHECK_EQ(irqchip_create_split(&chip, &vm, 24), -EEXIST);
	drop_irqchip();
}
