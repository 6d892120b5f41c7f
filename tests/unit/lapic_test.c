// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC: registers, priorities, destinations, IPIs, the timer, IA32_APIC_BASE and state. */
#include <signal.h>
#include <sys/mman.h>
#include "irq_fixture.h"

static int x2_write(struct lapic *apic, u32 reg, u64 val)
{
	return lapic_msr_write(apic, 0x800 + (reg >> 4), val);
}

static u64 x2_read(struct lapic *apic, u32 reg)
{
	u64 val = ~0ull;

	CHECK_EQ(lapic_msr_read(apic, 0x800 + (reg >> 4), &val), 0);
	return val;
}

/* ------------------------------------------------------------------ registers */

TEST(reset_values)
{
	static const struct { u32 reg, val; } bsp[] = {
		{ APIC_ID, 0 }, { APIC_LVR, 0x50014 }, { APIC_TASKPRI, 0 }, { APIC_PROCPRI, 0 }, { APIC_LDR, 0 },
		{ APIC_DFR, 0xffffffff }, { APIC_SPIV, 0xff }, { APIC_ESR, 0 }, { APIC_ICR, 0 }, { APIC_ICR2, 0 },
		{ APIC_LVTT, 0x10000 }, { APIC_LVTTHMR, 0x10000 }, { APIC_LVTPC, 0x10000 }, { APIC_LVT0, 0x700 },
		{ APIC_LVT1, 0x10000 }, { APIC_LVTERR, 0x10000 }, { APIC_TMICT, 0 }, { APIC_TMCCT, 0 }, { APIC_TDCR, 0 },
		{ APIC_RRR, 0 }, { APIC_ARBPRI, 0 }, { APIC_ISR, 0 }, { APIC_IRR + 0x70, 0 },
	};
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 2);
	for (i = 0; i < ARRAY_SIZE(bsp); i++)
		CHECK_EQ(apic_read(&apics[0], bsp[i].reg), bsp[i].val);
	CHECK_EQ(apics[0].base, 0xfee00900);
	CHECK_EQ(apic_read(&apics[1], APIC_ID), 0x01000000);
	CHECK_EQ(apic_read(&apics[1], APIC_LVT0), 0x10000);
	CHECK_EQ(apics[1].base, 0xfee00800);
	CHECK(vcpu_check_event(&vcpus[0]));
	CHECK(vcpu_check_request(&vcpus[0], REQ_APIC_MODE));
	chip.lint0_quirk_disabled = true;
	lapic_reset(&apics[0], LAPIC_RESET);
	CHECK_EQ(apic_read(&apics[0], APIC_LVT0), 0x10000);
	drop_irqchip();
}

TEST(create_without_memory)
{
	make_vm();
	CHECK_EQ(irqchip_create(&chip, &vm), 0);
	irqchip_publish(&chip);
	vcpus[0].vm = &vm;
	memset(&apics[0], 0, sizeof(apics[0]));
	shim_fail_alloc = 1;
	CHECK_EQ(lapic_create(&apics[0], &vcpus[0], &chip), -ENOMEM);
	lapic_destroy(&apics[0]);
	drop_irqchip();
}

TEST(writable_bits)
{
	static const struct { u32 reg, back; } regs[] = {
		{ APIC_ID, 0xff000000 }, { APIC_LVR, 0x50014 }, { APIC_TASKPRI, 0xff }, { APIC_LDR, 0xff000000 },
		{ APIC_DFR, 0xffffffff }, { APIC_ICR2, 0xff000000 }, { APIC_LVTT, 0x700ff }, { APIC_LVTTHMR, 0x107ff },
		{ APIC_LVTPC, 0x107ff }, { APIC_LVT0, 0x1a7ff }, { APIC_LVT1, 0x1a7ff }, { APIC_LVTERR, 0x100ff },
		{ APIC_TDCR, 0xb }, { APIC_TMICT, 0xffffffff }, { APIC_RRR, 0 }, { APIC_SPIV, 0x3ff },
	};
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(&apics[0]);
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		apic_write(&apics[0], regs[i].reg, ~0u);
		CHECK_EQ(apic_read(&apics[0], regs[i].reg), regs[i].back);
	}
	apics[0].tsc_deadline_allowed = false;
	apic_write(&apics[0], APIC_LVTT, ~0u);
	CHECK_EQ(apic_read(&apics[0], APIC_LVTT), 0x300ff);
	drop_irqchip();
}

TEST(access_sizes)
{
	u8 byte = 0;
	u64 wide = ~0ull;
	u32 val = 0x55;

	make_irqchip(IRQCHIP_KERNEL, 1);
	apic_write(&apics[0], APIC_TASKPRI, 0x3c);
	lapic_mmio_write(&apics[0], APIC_TASKPRI, 1, &byte);
	lapic_mmio_write(&apics[0], APIC_TASKPRI, 8, &wide);
	lapic_mmio_write(&apics[0], APIC_TASKPRI + 4, 4, &val);
	CHECK_EQ(apic_read(&apics[0], APIC_TASKPRI), 0x3c);
	lapic_mmio_read(&apics[0], APIC_TASKPRI, 1, &byte);
	CHECK_EQ(byte, 0x3c);
	lapic_mmio_read(&apics[0], APIC_LVR + 2, 1, &byte);
	CHECK_EQ(byte, 5);
	lapic_mmio_read(&apics[0], APIC_LVR, 8, &wide);
	CHECK_EQ(wide, 0);
	CHECK_EQ(apic_read(&apics[0], APIC_TASKPRI + 8), 0);
	drop_irqchip();
}

TEST(error_register)
{
	make_irqchip(IRQCHIP_KERNEL, 2);
	enable_all();
	apic_write(&apics[0], APIC_LVTERR, 0xfe);
	apic_read(&apics[0], 0x40);			/* no such register */
	CHECK_EQ(apic_read(&apics[0], APIC_ESR), 0);	/* not before it is written */
	CHECK_EQ(take(&apics[0]), 0xfe);
	eoi(&apics[0]);
	apic_write(&apics[0], APIC_ESR, 0);
	CHECK_EQ(apic_read(&apics[0], APIC_ESR), APIC_ESR_ILLREGA);
	apic_write(&apics[0], 0x3f0, 1);		/* SELF IPI is x2APIC's */
	apic_write(&apics[0], APIC_ICR2, 1 << 24);
	apic_write(&apics[0], APIC_ICR, 3);		/* vectors below 16 */
	apic_write(&apics[0], APIC_ESR, 0);
	CHECK_EQ(apic_read(&apics[0], APIC_ESR), APIC_ESR_ILLREGA | APIC_ESR_SENDILL);
	apic_write(&apics[0], APIC_ESR, 0);
	CHECK_EQ(apic_read(&apics[0], APIC_ESR), 0);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee01000, 0x0f), 0);
	apic_write(&apics[1], APIC_ESR, 0);
	CHECK_EQ(apic_read(&apics[1], APIC_ESR), APIC_ESR_RECVILL);
	CHECK_EQ(take(&apics[1]), -1);			/* its error LVT is masked */
	drop_irqchip();
}

TEST(software_disable)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(&apics[0]);
	apic_write(&apics[0], APIC_LVTT, 0x31);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	CHECK(lapic_accepts_extint(&apics[0]));
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee00000, 0x41), 1);
	apic_write(&apics[0], APIC_SPIV, 0xff);
	CHECK_EQ(apic_read(&apics[0], APIC_LVTT), 0x10031);
	CHECK(!lapic_accepts_extint(&apics[0]));
	apic_write(&apics[0], APIC_LVTT, 0x32);		/* stays masked */
	CHECK_EQ(apic_read(&apics[0], APIC_LVTT), 0x10032);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee00000, 0x42), 0);
	CHECK_EQ(take(&apics[0]), -1);
	enable_apic(&apics[0]);
	CHECK_EQ(take(&apics[0]), 0x41);		/* what was held */
	CHECK_EQ(take(&apics[0]), -1);
	drop_irqchip();
}

/* ------------------------------------------------------------------ priorities, EOI */

TEST(priorities)
{
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	lapic_set_irr(a, 0x31);
	lapic_set_irr(a, 0x45);
	lapic_set_irr(a, 0x47);
	CHECK_EQ(lapic_highest_irr(a), 0x47);
	CHECK_EQ(take(a), 0x47);
	CHECK_EQ(take(a), -1);				/* same class waits */
	CHECK_EQ(apic_read(a, APIC_PROCPRI), 0x40);
	lapic_set_irr(a, 0x51);
	CHECK_EQ(take(a), 0x51);			/* a higher one nests */
	CHECK_EQ(apic_read(a, APIC_ISR + 0x20), 1 << 7 | 1 << 17);
	eoi(a);
	CHECK_EQ(apic_read(a, APIC_PROCPRI), 0x40);
	vcpus[0].requests = vcpus[0].event_due = 0;
	eoi(a);
	CHECK(vcpu_check_event(&vcpus[0]));	/* 0x45 is next */
	CHECK_EQ(take(a), 0x45);
	lapic_set_cr8(a, 3);
	eoi(a);
	CHECK_EQ(take(a), -1);				/* 0x31 is at TPR's class */
	CHECK_EQ(apic_read(a, APIC_PROCPRI), 0x30);
	apic_write(a, APIC_TASKPRI, 0x2f);
	CHECK_EQ(lapic_cr8(a), 2);
	CHECK_EQ(apic_read(a, APIC_PROCPRI), 0x2f);
	CHECK_EQ(take(a), 0x31);
	vcpus[0].requests = vcpus[0].event_due = 0;
	eoi(a);
	CHECK(!vcpu_request_pending(&vcpus[0]));		/* nothing waits: no request */
	CHECK_EQ(eoi(a), -1);				/* nothing in service */
	CHECK_EQ(lapic_highest_irr(a), -1);
	drop_irqchip();
}

TEST(level_eoi_reaches_the_ioapic_once)
{
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee00000, 0x8051), 1);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee00000, 0x8051), 1);	/* merged */
	CHECK(lapic_test_vector(a, APIC_TMR, 0x51));
	CHECK_EQ(take(a), 0x51);
	CHECK_EQ(lapic_eoi(a), 0x51);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee00000, 0x51), 1);	/* an edge now */
	CHECK(!lapic_test_vector(a, APIC_TMR, 0x51));
	CHECK_EQ(take(a), 0x51);
	CHECK_EQ(lapic_eoi(a), -1);
	/* Two ended before anyone took the first. */
	irqchip_send_msi(&chip, 0xfee00000, 0x8061);
	irqchip_send_msi(&chip, 0xfee00000, 0x8072);
	CHECK_EQ(take(a), 0x72);
	apic_write(a, APIC_EOI, 0);
	CHECK_EQ(take(a), 0x61);
	apic_write(a, APIC_EOI, 0);
	CHECK_EQ(lapic_take_level_eoi(a), 0x61);
	CHECK_EQ(lapic_take_level_eoi(a), 0x72);
	CHECK_EQ(lapic_take_level_eoi(a), -1);
	drop_irqchip();
}

TEST(broadcast_suppression)
{
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_SPLIT, 1);
	CHECK_EQ(apic_read(a, APIC_LVR), 0x1050014);
	apic_write(a, APIC_SPIV, 0x11ff);
	CHECK_EQ(apic_read(a, APIC_SPIV), 0x11ff);
	irqchip_send_msi(&chip, 0xfee00000, 0x8051);
	CHECK_EQ(take(a), 0x51);
	CHECK_EQ(lapic_eoi(a), -1);
	a->x2apic_allowed = false;
	CHECK_EQ(apic_read(a, APIC_LVR), 0x50014);
	drop_irqchip();
}

/* ------------------------------------------------------------------ destinations */

struct dest_case { u32 dest; bool logical; u32 who; };

static void check_dests(const struct dest_case *c, int n, bool scan)
{
	int i;

	for (i = 0; i < n; i++) {
		struct apic_msg msg = { .dest = c[i].dest, .logical = c[i].logical, .vector = 0x40 + i, .delivery = APIC_FIXED };
		int ret;

		if (scan)
			rcu_assign_pointer(chip.apic_map, NULL);
		ret = lapic_deliver(&chip, NULL, &msg);
		CHECK_EQ(ret, c[i].who ? hweight32(c[i].who) : -1);
		CHECK_EQ(who_got(0x40 + i), c[i].who);
	}
}

/* By the table, and by asking each: the same. */
static void check_both_ways(const struct dest_case *c, int n)
{
	struct apic_map *map;

	shim_run_works();
	map = rcu_access_pointer(chip.apic_map);
	CHECK(map);
	check_dests(c, n, false);
	check_dests(c, n, true);
	rcu_assign_pointer(chip.apic_map, map);
}

TEST(physical)
{
	static const struct dest_case c[] = { { 0, 0, 1 }, { 2, 0, 4 }, { 9, 0, 0 }, { 0xff, 0, 0xf }, { 0xfffffff0, 0, 0 }, { 300, 0, 0 } };
	static const struct dest_case moved[] = { { 2, 0, 0 }, { 0x77, 0, 4 } };
	static const struct dest_case same[] = { { 1, 0, 0xa }, { 3, 0, 0 } };
	struct apic_msg nobody = { .dest = 300 };
	struct apic_targets to = { .bits = 1 };

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	check_both_ways(c, ARRAY_SIZE(c));
	/* Nobody has it: found without asking each. */
	CHECK(map_find(rcu_access_pointer(chip.apic_map), &nobody, &to));
	CHECK_EQ(to.bits, 0);
	apic_write(&apics[2], APIC_ID, 0x77000000);
	check_both_ways(moved, ARRAY_SIZE(moved));
	apic_write(&apics[3], APIC_ID, 1 << 24);		/* two have the same */
	check_both_ways(same, ARRAY_SIZE(same));
	CHECK(!rcu_access_pointer(chip.apic_map)->unique);
	drop_irqchip();
}

TEST(logical_flat)
{
	static const struct dest_case c[] = { { 1, 1, 1 }, { 0x0a, 1, 0xa }, { 0xf0, 1, 0 }, { 0xff, 1, 0xf }, { 0x101, 1, 0 } };
	int i;

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	for (i = 0; i < 4; i++)
		apic_write(&apics[i], APIC_LDR, 1u << (24 + i));
	shim_run_works();
	CHECK_EQ(rcu_access_pointer(chip.apic_map)->model, MODEL_FLAT);
	check_both_ways(c, ARRAY_SIZE(c));
	drop_irqchip();
}

TEST(logical_cluster)
{
	static const struct dest_case c[] = { { 0x01, 1, 1 }, { 0x03, 1, 3 }, { 0x13, 1, 0xc }, { 0x12, 1, 8 }, { 0x2f, 1, 0 }, { 0xff, 1, 0xf } };
	int i;

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	for (i = 0; i < 4; i++) {
		apic_write(&apics[i], APIC_DFR, 0x0fffffff);
		apic_write(&apics[i], APIC_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
	}
	shim_run_works();
	CHECK_EQ(rcu_access_pointer(chip.apic_map)->model, MODEL_CLUSTER);
	check_both_ways(c, ARRAY_SIZE(c));
	drop_irqchip();
}

/* What the table can't tell, the LAPICs do. */
TEST(logical_odd)
{
	static const struct dest_case two_bits[] = { { 1, 1, 5 }, { 2, 1, 3 } };
	static const struct dest_case mixed[] = { { 4, 1, 4 }, { 0x08, 1, 8 } };

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	apic_write(&apics[0], APIC_LDR, 0x03000000);
	apic_write(&apics[1], APIC_LDR, 0x02000000);
	apic_write(&apics[2], APIC_LDR, 0x01000000);
	check_both_ways(two_bits, ARRAY_SIZE(two_bits));
	CHECK_EQ(rcu_access_pointer(chip.apic_map)->model, MODEL_ODD);
	apic_write(&apics[0], APIC_LDR, 0);
	apic_write(&apics[1], APIC_LDR, 0);
	apic_write(&apics[2], APIC_LDR, 0x04000000);
	apic_write(&apics[3], APIC_DFR, 0x0fffffff);
	apic_write(&apics[3], APIC_LDR, 0x08000000);
	check_both_ways(mixed, ARRAY_SIZE(mixed));
	drop_irqchip();
}

TEST(x2apic_destinations)
{
	static const struct dest_case c[] = {
		{ 0, 0, 1 }, { 17, 0, 1 << 17 }, { 18, 0, 0 }, { 0xffffffff, 0, 0x3ffff }, { 0xff, 0, 0x3ffff },
		{ 0x00003, 1, 3 }, { 0x10003, 1, 0x30000 }, { 0x20001, 1, 0 }, { 0xfffe0001, 1, 0 }, { 0xffffffff, 1, 0x3ffff },
	};
	static const struct dest_case no_quirk[] = { { 0xff, 0, 0 }, { 0xff, 1, 0xff } };
	int i;

	make_irqchip(IRQCHIP_KERNEL, 18);
	for (i = 0; i < 18; i++)
		go_x2apic(&apics[i]);
	for (i = 0; i < 18; i++)
		CHECK_EQ(x2_write(&apics[i], APIC_SPIV, 0x1ff), 0);
	shim_run_works();
	CHECK_EQ(rcu_access_pointer(chip.apic_map)->model, MODEL_X2APIC);
	CHECK_EQ(x2_read(&apics[17], APIC_LDR), 0x10002);
	check_both_ways(c, ARRAY_SIZE(c));
	chip.x2apic_broadcast_quirk_disabled = true;
	check_both_ways(no_quirk, ARRAY_SIZE(no_quirk));
	drop_irqchip();
}

/* A LAPIC in xAPIC mode among x2APIC ones has no place in a cluster, and one beyond 255 answers to its full number. */
TEST(modes_mixed)
{
	struct apic_msg logical = { .dest = 3, .logical = true, .vector = 0x50 };
	struct apic_msg far = { .dest = 300, .delivery = APIC_INIT_IPI };
	struct apic_msg near = { .dest = 300 & 0xff, .vector = 0x51 };

	make_irqchip(IRQCHIP_KERNEL, 2);
	add_apic(300);
	enable_all();
	go_x2apic(&apics[0]);
	CHECK_EQ(lapic_deliver(&chip, &apics[0], &logical), 1);
	CHECK_EQ(who_got(0x50), 1);
	CHECK_EQ(lapic_deliver(&chip, &apics[0], &far), 1);
	CHECK_EQ(apics[2].pending_init_sipi, BIT(LAPIC_PENDING_INIT));
	CHECK_EQ(lapic_deliver(&chip, &apics[0], &near), -1);
	drop_irqchip();
}

/* As KVM_HC_SEND_IPI asks: by the table, by asking each, and while two have the same id. */
static u32 ids_reach(struct lapic *source, u32 first, u64 bits, u8 vector)
{
	struct apic_msg msg = { .vector = vector, .delivery = APIC_FIXED };
	struct apic_ids ids = { .bits = { bits }, .first = first };
	int ret = lapic_deliver_to_ids(&chip, source, &msg, &ids);
	u32 who = who_got(vector);

	CHECK_EQ(ret, hweight32(who));
	return who;
}

static void check_ids(void)
{
	CHECK_EQ(ids_reach(&apics[0], 0, 0xb, 0x41), 0xb);
	CHECK_EQ(ids_reach(&apics[0], 1, 0x3, 0x42), 0x6);
	CHECK_EQ(ids_reach(&apics[0], 4, ~0ull, 0x43), 0);
	CHECK_EQ(ids_reach(&apics[0], 0, 0, 0x44), 0);
	CHECK_EQ(ids_reach(&apics[0], U32_MAX, 1, 0x45), 0);		/* not a broadcast */
	CHECK_EQ(ids_reach(&apics[0], U32_MAX, 5, 0x46), 2);
	CHECK_EQ(ids_reach(&apics[0], 0xf0, BIT_ULL(15), 0x47), 0xf);	/* 0xff, from an xAPIC */
}

TEST(many_ids)
{
	struct apic_map *map;

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	shim_run_works();
	map = rcu_access_pointer(chip.apic_map);
	CHECK(map && map->unique);
	check_ids();
	rcu_assign_pointer(chip.apic_map, NULL);
	check_ids();
	rcu_assign_pointer(chip.apic_map, map);
	apic_write(&apics[3], APIC_ID, 1 << 24);
	CHECK(!rcu_access_pointer(chip.apic_map));
	CHECK_EQ(ids_reach(&apics[0], 0, 0x3, 0x48), 0xb);
	shim_run_works();
	CHECK(!rcu_access_pointer(chip.apic_map)->unique);
	CHECK_EQ(ids_reach(&apics[0], 0, 0x3, 0x49), 0xb);
	go_x2apic(&apics[0]);
	CHECK_EQ(ids_reach(&apics[0], 0xf0, BIT_ULL(15), 0x4a), 0);	/* 0xff, from an x2APIC: nobody's */
	drop_irqchip();
}

/* Without a table each is asked once, for all ids: not once for each, with interrupts off. */
TEST(many_ids_one_walk)
{
	struct apic_ids ids = { .bits = { BIT_ULL(2), BIT_ULL(63) }, .first = 0x80 };
	struct apic_msg nmi = { .delivery = APIC_NMI };

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	apic_write(&apics[2], APIC_ID, 0x82000000);
	CHECK(!rcu_access_pointer(chip.apic_map));
	/* 0x82 and everybody */
	CHECK_EQ(lapic_deliver_to_ids(&chip, &apics[0], &nmi, &ids), 4);
	CHECK_EQ(apics[2].nmi_pending, 1);
	CHECK_EQ(apics[1].nmi_pending, 1);
	drop_irqchip();
}

/* A map that was built from what has changed since is not published. */
TEST(map_is_never_stale)
{
	struct apic_map *map;

	make_irqchip(IRQCHIP_KERNEL, 2);
	map = map_build(&chip);
	CHECK(map);
	kfree(map);
	CHECK(rcu_access_pointer(chip.apic_map));
	apic_write(&apics[1], APIC_ID, 5 << 24);
	CHECK(!rcu_access_pointer(chip.apic_map));	/* gone before the write returns */
	shim_run_works();
	CHECK(rcu_access_pointer(chip.apic_map));
	apic_write(&apics[1], APIC_ID, 5 << 24);		/* no change */
	CHECK(rcu_access_pointer(chip.apic_map));
	apic_write(&apics[1], APIC_ID, 6 << 24);
	shim_fail_alloc = 1;
	shim_run_works();
	CHECK(!rcu_access_pointer(chip.apic_map));	/* no memory: go on asking */
	enable_all();
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee06000, 0x41), 1);
	drop_irqchip();
}

TEST(lowest_priority)
{
	u32 seen = 0, i, one;

	make_irqchip(IRQCHIP_KERNEL, 4);
	enable_all();
	for (i = 0; i < 4; i++)
		apic_write(&apics[i], APIC_LDR, 1u << (24 + i));
	shim_run_works();
	for (i = 0; i < 8; i++) {
		CHECK_EQ(irqchip_send_msi(&chip, 0xfee0f004, 0x140 + i), 1);
		one = who_got(0x40 + i);
		CHECK_EQ(hweight32(one), 1);
		seen |= one;
	}
	CHECK_EQ(seen, 0xf);				/* all get some */
	apic_write(&apics[1], APIC_SPIV, 0xff);		/* who can't take it isn't asked */
	for (i = 0; i < 8; i++) {
		CHECK_EQ(irqchip_send_msi(&chip, 0xfee0700c, 0x50 + i), 1);	/* redirection hint */
		CHECK_EQ(who_got(0x50 + i) & ~5u, 0);
	}
	/* Broadcast goes by asking each. */
	CHECK_EQ(irqchip_send_msi(&chip, 0xfeeff004, 0x161), 1);
	CHECK_EQ(hweight32(who_got(0x61)), 1);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee20004, 0x162), 0);
	for (i = 0; i < 4; i++)
		apic_write(&apics[i], APIC_SPIV, 0xff);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee0f004, 0x163), 0);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfeeff004, 0x163), 0);
	drop_irqchip();
}

TEST(msi_with_32bit_ids)
{
	int i;

	make_irqchip(IRQCHIP_KERNEL, 2);
	add_apic(0x123);
	chip.x2apic_format = chip.x2apic_broadcast_quirk_disabled = true;
	for (i = 0; i < 3; i++) {
		go_x2apic(&apics[i]);
		x2_write(&apics[i], APIC_SPIV, 0x1ff);
	}
	CHECK_EQ(irqchip_send_msi(&chip, 0x1fee00000ull, 0x41), -EINVAL);
	CHECK_EQ(irqchip_send_msi(&chip, 0x100fee23000ull, 0x41), 1);
	CHECK_EQ(who_got(0x41), 4);
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee23000ull, 0x41), 0);
	chip.x2apic_format = false;
	CHECK_EQ(irqchip_send_msi(&chip, 0x1fee00000ull, 0x42), 1);	/* the upper half is ignored */
	CHECK_EQ(who_got(0x42), 1);
	drop_irqchip();
}

/* ------------------------------------------------------------------ IPIs */

TEST(ipi_shorthands)
{
	make_irqchip(IRQCHIP_KERNEL, 3);
	enable_all();
	memset(kicks, 0, sizeof(kicks));
	apic_write(&apics[1], APIC_ICR, APIC_DEST_SELF | 0x41);
	CHECK_EQ(who_got(0x41), 2);
	CHECK_EQ(kicks[1], 0);				/* it is this thread */
	apic_write(&apics[1], APIC_ICR, APIC_DEST_ALLINC | 0x42);
	CHECK_EQ(who_got(0x42), 7);
	apic_write(&apics[1], APIC_ICR, APIC_DEST_ALLBUT | 0x43);
	CHECK_EQ(who_got(0x43), 5);
	CHECK_EQ(kicks[0], 2);
	CHECK_EQ(kicks[1], 0);
	apic_write(&apics[1], APIC_ICR2, 2 << 24);
	apic_write(&apics[1], APIC_ICR, 0x44 | APIC_ICR_BUSY);
	CHECK_EQ(who_got(0x44), 4);
	CHECK_EQ(apic_read(&apics[1], APIC_ICR), 0x44);
	CHECK_EQ(apic_read(&apics[1], APIC_ICR2), 2 << 24);
	apic_write(&apics[1], APIC_ICR, APIC_DM_EXTINT | 0x45);	/* not to be sent */
	apic_write(&apics[1], APIC_ICR, APIC_DM_REMRD | 0x45);
	apic_write(&apics[1], APIC_ICR, APIC_DM_SMI);
	CHECK_EQ(who_got(0x45), 0);
	drop_irqchip();
}

TEST(init_sipi_nmi)
{
	struct lapic *ap = &apics[1];

	make_irqchip(IRQCHIP_KERNEL, 2);
	vcpus[1].requests = 0;
	apic_write(&apics[0], APIC_ICR2, 1 << 24);
	apic_write(&apics[0], APIC_ICR, APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT);
	CHECK_EQ(ap->pending_init_sipi, BIT(LAPIC_PENDING_INIT));
	CHECK(vcpu_check_request(&vcpus[1], REQ_EVENT));
	CHECK_EQ(kicks[1], 1);
	ap->pending_init_sipi = 0;
	apic_write(&apics[0], APIC_ICR, APIC_DM_INIT | APIC_INT_LEVELTRIG);	/* de-assert */
	CHECK_EQ(ap->pending_init_sipi, 0);
	apic_write(&apics[0], APIC_ICR, APIC_DM_STARTUP | 0x9a);
	CHECK_EQ(ap->pending_init_sipi, BIT(LAPIC_PENDING_SIPI));
	CHECK_EQ(ap->sipi_vector, 0x9a);
	apic_write(&apics[0], APIC_ICR, APIC_DM_INIT | APIC_INT_ASSERT);
	CHECK_EQ(ap->pending_init_sipi, BIT(LAPIC_PENDING_INIT));	/* a SIPI before it is void */
	apic_write(&apics[0], APIC_ICR, APIC_DM_NMI | 0x02);
	apic_write(&apics[0], APIC_ICR, APIC_DM_NMI | 0x02);
	CHECK_EQ(ap->nmi_pending, 2);
	CHECK(vcpu_check_request(&vcpus[1], REQ_NMI));
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee01000, 0x8700), 1);	/* ExtINT: look at the PIC */
	CHECK(vcpu_check_request(&vcpus[1], REQ_EVENT));
	lapic_reset(ap, LAPIC_INIT);
	CHECK_EQ(apic_read(ap, APIC_ID), 1 << 24);
	lapic_reset(ap, LAPIC_RESET);
	CHECK_EQ(ap->nmi_pending, 0);
	CHECK_EQ(ap->pending_init_sipi, 0);
	drop_irqchip();
}

/* ------------------------------------------------------------------ x2APIC */

TEST(x2apic_registers)
{
	static const struct { u32 reg; u64 val; int ret; } writes[] = {
		{ APIC_ID, 0, -EINVAL }, { APIC_LVR, 0, -EINVAL }, { APIC_TASKPRI, 0x20, 0 }, { APIC_TASKPRI, 0x100, -EINVAL },
		{ APIC_ARBPRI, 0, -EINVAL }, { APIC_PROCPRI, 0, -EINVAL }, { APIC_EOI, 0, 0 }, { APIC_EOI, 1, -EINVAL },
		{ APIC_RRR, 0, -EINVAL }, { APIC_LDR, 0, -EINVAL }, { APIC_DFR, 0, -EINVAL }, { APIC_SPIV, 0x1ff, 0 },
		{ APIC_SPIV, 0x11ff, -EINVAL }, { APIC_SPIV, 1ull << 32, -EINVAL }, { APIC_ISR, 0, -EINVAL }, { APIC_TMR, 0, -EINVAL },
		{ APIC_IRR, 0, -EINVAL }, { APIC_ESR, 0, 0 }, { APIC_ESR, 1, -EINVAL }, { 0x290, 0, -EINVAL }, { 0x2f0, 0, -EINVAL },
		{ APIC_ICR2, 0, -EINVAL }, { APIC_ICR, 0x41 | 1u << 13, -EINVAL }, { APIC_ICR, 0x41 | 1u << 16, -EINVAL },
		{ APIC_ICR, 0x41 | 1u << 31, -EINVAL }, { APIC_ICR, 0x41 | 1u << 12, 0 }, { APIC_LVTT, 0x700ff, 0 },
		{ APIC_LVTT, 0x80000, -EINVAL }, { APIC_LVTT, 0x100, -EINVAL }, { APIC_LVTTHMR, 0x107ff, 0 }, { APIC_LVT0, 0x1f7ff, 0 },
		{ APIC_LVT1, 0x20000, -EINVAL }, { APIC_LVTERR, 0x100, -EINVAL }, { APIC_LVTPC, 1ull << 40, -EINVAL },
		{ APIC_TMICT, 0x100000000ull, -EINVAL }, { APIC_TMICT, 7, 0 }, { APIC_TMCCT, 0, -EINVAL }, { APIC_TDCR, 0xb, 0 },
		{ APIC_TDCR, 4, -EINVAL }, { APIC_SELF_IPI, 0x30, 0 }, { APIC_SELF_IPI, 0x100, -EINVAL }, { 0x400, 0, -EINVAL }, { 0xff0, 0, -EINVAL },
	};
	static const struct { u32 reg; int ret; } reads[] = {
		{ APIC_ID, 0 }, { APIC_LVR, 0 }, { 0x40, -EINVAL }, { APIC_TASKPRI, 0 }, { APIC_ARBPRI, -EINVAL }, { APIC_PROCPRI, 0 },
		{ APIC_EOI, -EINVAL }, { APIC_RRR, -EINVAL }, { APIC_LDR, 0 }, { APIC_DFR, -EINVAL }, { APIC_SPIV, 0 }, { APIC_ISR, 0 },
		{ APIC_IRR + 0x70, 0 }, { APIC_ESR, 0 }, { 0x290, -EINVAL }, { 0x2f0, -EINVAL }, { APIC_ICR, 0 }, { APIC_ICR2, -EINVAL },
		{ APIC_LVTT, 0 }, { APIC_TMCCT, 0 }, { 0x3a0, -EINVAL }, { APIC_SELF_IPI, -EINVAL }, { 0x400, -EINVAL }, { 0xff0, -EINVAL },
	};
	struct lapic *a = &apics[0];
	u64 val;
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 1);
	CHECK_EQ(lapic_msr_read(a, 0x802, &val), -EINVAL);	/* not in this mode */
	CHECK_EQ(lapic_msr_write(a, 0x808, 0), -EINVAL);
	go_x2apic(a);
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		CHECK_EQ(x2_write(a, writes[i].reg, writes[i].val), writes[i].ret);
	for (i = 0; i < ARRAY_SIZE(reads); i++)
		CHECK_EQ(lapic_msr_read(a, 0x800 + (reads[i].reg >> 4), &val), reads[i].ret);
	CHECK_EQ(lapic_msr_read(a, 0x7ff, &val), -EINVAL);
	CHECK_EQ(lapic_msr_write(a, 0x900, 0), -EINVAL);
	/* No page in this mode. */
	apic_write(a, APIC_TASKPRI, 0x50);
	CHECK_EQ(apic_read(a, APIC_LVR), 0);
	CHECK_EQ(x2_read(a, APIC_TASKPRI), 0x20);
	drop_irqchip();
}

TEST(x2apic_ipis)
{
	make_irqchip(IRQCHIP_KERNEL, 3);
	go_x2apic(&apics[0]);
	go_x2apic(&apics[2]);
	x2_write(&apics[0], APIC_SPIV, 0x1ff);
	x2_write(&apics[2], APIC_SPIV, 0x1ff);
	CHECK_EQ(x2_write(&apics[0], APIC_ICR, 2ull << 32 | 0x41), 0);
	CHECK_EQ(who_got(0x41), 4);
	CHECK_EQ(x2_read(&apics[0], APIC_ICR), 2ull << 32 | 0x41);
	CHECK_EQ(x2_write(&apics[0], APIC_ICR, 5ull << 32 | APIC_DEST_LOGICAL | 0x42), 0);
	CHECK_EQ(who_got(0x42), 5);
	CHECK_EQ(x2_write(&apics[0], APIC_SELF_IPI, 0x43), 0);
	CHECK_EQ(take(&apics[0]), 0x43);
	eoi(&apics[0]);
	CHECK_EQ(x2_write(&apics[0], APIC_SELF_IPI, 3), 0);
	x2_write(&apics[0], APIC_ESR, 0);
	CHECK_EQ(x2_read(&apics[0], APIC_ESR), APIC_ESR_SENDILL);
	CHECK_EQ(x2_write(&apics[0], APIC_ICR, 0xffull << 32 | 0x44), 0);	/* id 255: nobody */
	CHECK_EQ(who_got(0x44), 0);
	drop_irqchip();
}

/* What the short way of an IPI takes it does as the long way does; what it doesn't take it leaves alone. */
static void check_short_way(u64 icr, bool takes)
{
	u32 esr = apics[0].esr_pending, low = lapic_reg(&apics[0], APIC_ICR), high = lapic_reg(&apics[0], APIC_ICR2), who;

	local_irq_disable();
	CHECK_EQ(lapic_send_to_one(&apics[0], icr), takes);
	local_irq_enable();
	who = who_got((u8)icr);
	if (!takes) {
		CHECK_EQ(who, 0);
		CHECK_EQ(apics[0].esr_pending, esr);
		CHECK_EQ(lapic_reg(&apics[0], APIC_ICR), low);
		CHECK_EQ(lapic_reg(&apics[0], APIC_ICR2), high);
		return;
	}
	CHECK_EQ(x2_read(&apics[0], APIC_ICR), icr);
	CHECK_EQ(x2_write(&apics[0], APIC_ICR, icr), 0);
	CHECK_EQ(who_got((u8)icr), who);
	CHECK_EQ(x2_read(&apics[0], APIC_ICR), icr);
}

TEST(x2apic_ipi_to_one)
{
	static const u32 other_forms[] = {
		15, APIC_DM_NMI | 0x41, APIC_DM_LOWEST | 0x41, APIC_DEST_LOGICAL | 0x41, APIC_DEST_SELF | 0x41, APIC_DEST_ALLINC | 0x41,
		APIC_DEST_ALLBUT | 0x41, APIC_INT_LEVELTRIG | 0x41, APIC_ICR_BUSY | 0x41, BIT(13) | 0x41, BIT(16) | 0x41, BIT(31) | 0x41,
	};
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 3);
	add_apic(0xff);
	add_apic(300);
	for (i = 0; i < 5; i++)
		go_x2apic(&apics[i]);
	x2_write(&apics[0], APIC_SPIV, 0x1ff);
	x2_write(&apics[2], APIC_SPIV, 0x1ff);
	x2_write(&apics[3], APIC_SPIV, 0x1ff);
	x2_write(&apics[4], APIC_SPIV, 0x1ff);
	apic_map_invalidate(&chip);
	check_short_way(2ull << 32 | 0x41, false);		/* no table now */
	shim_run_works();
	check_short_way(2ull << 32 | 0x41, true);
	CHECK_EQ(kicks[2], 2);
	check_short_way(2ull << 32 | APIC_INT_ASSERT | 16, true);
	check_short_way(0ull << 32 | 0x42, true);
	CHECK_EQ(kicks[0], 0);
	check_short_way(1ull << 32 | 0x43, true);		/* takes none: disabled */
	check_short_way(0xffull << 32 | 0x44, true);		/* an id, and no broadcast */
	check_short_way(300ull << 32 | 0x45, true);
	check_short_way(9ull << 32 | 0x46, false);		/* nobody's */
	check_short_way(0x7fffffffull << 32 | 0x46, false);
	check_short_way(~0u * BIT_ULL(32) | 0x47, false);
	for (i = 0; i < ARRAY_SIZE(other_forms); i++)
		check_short_way(2ull << 32 | other_forms[i], false);
	drop_irqchip();
}

TEST(base_transitions)
{
	static const u64 off = 0xfee00000, x = 0xfee00800, x2 = 0xfee00c00, bad = 0xfee00400;
	static const struct { u64 from, to; int ret; } t[] = {
		{ off, off, 0 }, { off, x, 0 }, { off, x2, -EINVAL }, { off, bad, -EINVAL },
		{ x, off, 0 }, { x, x2, 0 }, { x, bad, -EINVAL },
		{ x2, off, 0 }, { x2, x, -EINVAL }, { x2, bad, -EINVAL }, { x2, x2, 0 },
		{ x, x | 1, -EINVAL }, { x, x | 1 << 9, -EINVAL }, { x, x | 1ull << 52, -EINVAL }, { x, 0xd0000800, 0 },
	};
	struct lapic *a;
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 2);
	a = &apics[1];
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(lapic_set_base(a, t[i].from, true), 0);	/* a VMM may go anywhere */
		CHECK_EQ(lapic_set_base(a, t[i].to, false), t[i].ret);
		CHECK_EQ(a->base, t[i].ret ? t[i].from : t[i].to);
	}
	CHECK_EQ(lapic_set_base(a, x, true), 0);
	a->x2apic_allowed = false;
	CHECK_EQ(lapic_set_base(a, x2, true), -EINVAL);
	a->x2apic_allowed = true;
	enable_apic(a);
	apic_write(a, APIC_LDR, 0x02000000);
	go_x2apic(a);
	CHECK_EQ(x2_read(a, APIC_ID), 1);
	CHECK_EQ(x2_read(a, APIC_LDR), 2);
	CHECK_EQ(lapic_set_base(a, off, false), 0);
	shim_run_works();
	CHECK(lapic_accepts_extint(a));
	CHECK_EQ(irqchip_send_msi(&chip, 0xfee01000, 0x41), 0);	/* nobody there */
	CHECK_EQ(irqchip_send_msi(&chip, 0xfeeff000, 0x41), 0);		/* the other is not enabled */
	CHECK_EQ(lapic_highest_pending(a), -1);
	CHECK_EQ(lapic_set_base(a, x, false), 0);
	CHECK_EQ(apic_read(a, APIC_ID), 1 << 24);
	CHECK_EQ(apic_read(a, APIC_SPIV), 0xff);			/* as after power-up */
	CHECK_EQ(apic_read(a, APIC_DFR), 0xffffffff);
	drop_irqchip();
}

/* ------------------------------------------------------------------ timer */

TEST(timer_one_shot)
{
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	apic_write(a, APIC_TDCR, 3);			/* by 16 */
	apic_write(a, APIC_LVTT, 0x40);
	vcpus[0].requests = vcpus[0].event_due = 0;
	kicks[0] = 0;
	apic_write(a, APIC_TMICT, 1000);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 1000);
	shim_advance(8000);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 500);
	shim_advance(7999);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 1);
	CHECK(!atomic_read(&a->timer.pending));
	shim_advance(1);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 0);
	CHECK_EQ(kicks[0], 1);
	CHECK(vcpu_check_request(&vcpus[0], REQ_APIC_TIMER));
	CHECK(atomic_read(&a->timer.pending));
	lapic_timer_latch(a);
	CHECK(!atomic_read(&a->timer.pending));
	CHECK(vcpu_check_event(&vcpus[0]));
	CHECK_EQ(take(a), 0x40);
	eoi(a);
	shim_advance(1000000);
	CHECK_EQ(take(a), -1);
	apic_write(a, APIC_TMICT, 1000);
	apic_write(a, APIC_TMICT, 0);			/* stops it */
	shim_advance(1000000);
	CHECK_EQ(take(a), -1);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 0);
	apic_write(a, APIC_LVTT, 0x10040);
	apic_write(a, APIC_TMICT, 10);
	shim_advance(1000);
	CHECK_EQ(take(a), -1);
	drop_irqchip();
}

TEST(timer_periodic)
{
	struct lapic *a = &apics[0];
	int i;

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	apic_write(a, APIC_TDCR, 0xb);			/* by 1 */
	apic_write(a, APIC_LVTT, 0x20040);
	apic_write(a, APIC_TMICT, 1000000);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(take(a), -1);
		shim_advance(1000000);
		CHECK_EQ(take(a), 0x40);
		eoi(a);
	}
	/* Nobody took it for some periods: one tick, and the phase is kept. */
	shim_advance(3300000);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 700000);
	CHECK_EQ(take(a), 0x40);
	eoi(a);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 700000);
	shim_advance(699999);
	CHECK_EQ(take(a), -1);
	shim_advance(1);
	CHECK_EQ(take(a), 0x40);
	eoi(a);
	/* A period that would keep the host busy. */
	kicks[0] = 0;
	apic_write(a, APIC_TMICT, 1);
	for (i = 0; i < 1000; i++) {
		shim_advance(1000);
		if (take(a) >= 0)
			eoi(a);
	}
	CHECK(kicks[0] <= 5);
	CHECK(apic_read(a, APIC_TMCCT) <= 1);
	/* To one-shot while it runs: this period is the last. */
	apic_write(a, APIC_TMICT, 1000000);
	apic_write(a, APIC_LVTT, 0x40);
	shim_advance(1000000);
	CHECK_EQ(take(a), 0x40);
	eoi(a);
	shim_advance(5000000);
	CHECK_EQ(take(a), -1);
	/* And from one-shot with a tiny count to periodic. */
	apic_write(a, APIC_TMICT, 1);
	apic_write(a, APIC_LVTT, 0x20040);
	shim_advance(10);
	CHECK_EQ(take(a), 0x40);
	eoi(a);
	shim_advance(100000);
	CHECK_EQ(take(a), -1);
	drop_irqchip();
}

TEST(timer_divider)
{
	static const struct { u32 tdcr, divide; } d[] = { { 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };
	struct lapic *a = &apics[0];
	u32 i;

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	apic_write(a, APIC_LVTT, 0x40);
	for (i = 0; i < ARRAY_SIZE(d); i++) {
		apic_write(a, APIC_TDCR, d[i].tdcr);
		apic_write(a, APIC_TMICT, 1000);
		shim_advance(500 * d[i].divide);
		CHECK_EQ(apic_read(a, APIC_TMCCT), 500);
		apic_write(a, APIC_TDCR, 0xb);		/* the count stays, the speed changes */
		CHECK_EQ(apic_read(a, APIC_TMCCT), 500);
		shim_advance(499);
		CHECK_EQ(take(a), -1);
		shim_advance(1);
		CHECK_EQ(take(a), 0x40);
		eoi(a);
	}
	/* The largest product: no overflow, and no end in sight. */
	a->bus_ns = ~0u;
	apic_write(a, APIC_TDCR, 0xa);
	apic_write(a, APIC_TMICT, ~0u);
	shim_advance(1000000000);
	CHECK_EQ(take(a), -1);
	a->bus_ns = 0;
	apic_write(a, APIC_TMICT, 100);
	CHECK_EQ(apic_read(a, APIC_TMCCT), 100);
	drop_irqchip();
}

TEST(timer_tsc_deadline)
{
	struct lapic *a = &apics[0];
	struct apic_tsc tsc = { .offset = 1000, .khz = shim_tsc_khz };
	u64 val;

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	lapic_set_tsc(a, &tsc);
	CHECK_EQ(lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 5), 0);	/* not in the mode: ignored */
	CHECK_EQ(lapic_msr_read(a, MSR_IA32_TSC_DEADLINE, &val), 0);
	CHECK_EQ(val, 0);
	apic_write(a, APIC_LVTT, 0x40041);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, shim_tsc + 1000 + 5000);
	apic_write(a, APIC_TMICT, 100);			/* means nothing here */
	CHECK_EQ(apic_read(a, APIC_TMCCT), 0);
	shim_advance(4999);
	CHECK_EQ(take(a), -1);
	CHECK_EQ(lapic_msr_read(a, MSR_IA32_TSC_DEADLINE, &val), 0);
	CHECK_EQ(val, shim_tsc + 1000 + 1);
	shim_advance(1);
	CHECK_EQ(lapic_msr_read(a, MSR_IA32_TSC_DEADLINE, &val), 0);
	CHECK_EQ(val, 0);
	CHECK_EQ(take(a), 0x41);
	eoi(a);
	/* Over already: at once. */
	vcpus[0].requests = vcpus[0].event_due = 0;
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 1);
	CHECK(vcpu_check_event(&vcpus[0]));
	CHECK_EQ(take(a), 0x41);
	eoi(a);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, shim_tsc + 1000 + 100);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 0);		/* off */
	shim_advance(1000);
	CHECK_EQ(take(a), -1);
	/* Nobody lives that long, and nothing overflows. */
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, ~0ull);
	shim_advance(1000000);
	CHECK_EQ(take(a), -1);
	tsc.khz = 1;
	lapic_set_tsc(a, &tsc);
	tsc.khz = 0;
	lapic_set_tsc(a, &tsc);
	CHECK_EQ(take(a), -1);
	/* The guest's TSC jumps over it. */
	tsc = (struct apic_tsc){ .khz = shim_tsc_khz };
	lapic_set_tsc(a, &tsc);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, shim_tsc + 1000000);
	tsc.offset = 2000000;
	lapic_set_tsc(a, &tsc);
	CHECK_EQ(take(a), 0x41);
	eoi(a);
	/* Twice as fast as the host. */
	tsc = (struct apic_tsc){ .khz = 2 * shim_tsc_khz, .ratio = 2ull << 32, .ratio_frac_bits = 32 };
	lapic_set_tsc(a, &tsc);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 2 * shim_tsc + 2000);
	shim_advance(999);
	CHECK_EQ(take(a), -1);
	shim_advance(1);
	CHECK_EQ(take(a), 0x41);
	eoi(a);
	/* Another mode disarms. */
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 2 * shim_tsc + 2000);
	apic_write(a, APIC_LVTT, 0x41);
	shim_advance(100000);
	CHECK_EQ(take(a), -1);
	/* Without the mode: ignored, as in another mode. */
	a->tsc_deadline_allowed = false;
	apic_write(a, APIC_LVTT, 0x40041);
	CHECK_EQ(lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, 5), 0);
	CHECK_EQ(lapic_msr_read(a, MSR_IA32_TSC_DEADLINE, &val), 0);
	CHECK_EQ(val, 0);
	CHECK_EQ(take(a), -1);
	drop_irqchip();
}

TEST(timer_reserved_mode)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(&apics[0]);
	apic_write(&apics[0], APIC_LVTT, 0x60040);
	apic_write(&apics[0], APIC_TMICT, 1000);
	shim_advance(1000000);
	CHECK_EQ(take(&apics[0]), -1);
	drop_irqchip();
}

/* ------------------------------------------------------------------ state */

TEST(state_round_trip)
{
	static struct kvm_lapic_state one, two;
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_KERNEL, 2);
	enable_apic(a);
	apic_write(a, APIC_LVTT, 0x20040);
	apic_write(a, APIC_TDCR, 0xb);
	apic_write(a, APIC_TMICT, 1000000);
	apic_write(a, APIC_LDR, 0x01000000);
	lapic_set_irr(a, 0x55);
	lapic_set_irr(a, 0x66);
	CHECK_EQ(take(a), 0x66);
	shim_advance(250000);
	CHECK_EQ(lapic_get_state(a, &one), 0);
	CHECK_EQ(state_reg(&one, APIC_TMCCT), 750000);
	CHECK_EQ(state_reg(&one, APIC_PROCPRI), 0x60);
	lapic_reset(a, LAPIC_RESET);
	CHECK_EQ(lapic_set_state(a, &one), 0);
	CHECK_EQ(lapic_get_state(a, &two), 0);
	CHECK_MEM(&one, &two, sizeof(one));
	CHECK_EQ(take(a), -1);
	eoi(a);
	CHECK_EQ(take(a), 0x55);
	eoi(a);
	shim_advance(749999);
	CHECK_EQ(take(a), -1);
	shim_advance(1);
	CHECK_EQ(take(a), 0x40);			/* the timer went on where it was */
	eoi(a);
	/* A tick that fired is in IRR. */
	shim_advance(1000000);
	CHECK_EQ(lapic_get_state(a, &one), 0);
	CHECK_EQ(state_reg(&one, APIC_IRR + 0x20) & 1, 1);
	/* A one-shot that is over stays over. */
	state_set_reg(&one, APIC_LVTT, 0x40);
	state_set_reg(&one, APIC_TMCCT, 0);
	state_set_reg(&one, APIC_IRR + 0x20, 0);
	CHECK_EQ(lapic_set_state(a, &one), 0);
	shim_advance(10000000);
	CHECK_EQ(take(a), -1);
	/* Whatever a VMM writes, only registers come back. */
	memset(&one, 0xff, sizeof(one));
	CHECK_EQ(lapic_set_state(a, &one), 0);
	CHECK_EQ(lapic_get_state(a, &two), 0);
	CHECK_EQ(state_reg(&two, APIC_IRR), 0xffff0000);
	CHECK_EQ(state_reg(&two, APIC_LVTT), 0x700ff);
	CHECK_EQ(state_reg(&two, APIC_LVR), 0x50014);
	CHECK_EQ(a->highest_isr_cache, 0xff);
	drop_irqchip();
}

/* What a sender does while the state is being read, which faults the first time. */
static struct kvm_lapic_state *slow_state;

static void send_meanwhile(int sig)
{
	const struct apic_msg level = { .vector = 0x13, .level = true }, edge = { .vector = 0x99 };

	mprotect(slow_state, 4096, PROT_READ | PROT_WRITE);
	lapic_deliver(&chip, NULL, &level);
	lapic_deliver(&chip, NULL, &edge);
}

TEST(arrives_during_set_state)
{
	struct lapic *a = &apics[0];
	int virtual;

	for (virtual = 0; virtual < 2; virtual++) {
		make_irqchip(IRQCHIP_KERNEL, 1);
		enable_apic(a);
		a->virtual_intr = virtual;
		slow_state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		lapic_get_state(a, slow_state);
		state_set_reg(slow_state, APIC_IRR + 0x20, 1 << 5);
		state_set_reg(slow_state, APIC_TMR + 0x20, 1 << 5);
		lapic_set_irr(a, 0x77);			/* before: replaced */
		mprotect(slow_state, 4096, PROT_NONE);
		signal(SIGSEGV, send_meanwhile);
		CHECK_EQ(lapic_set_state(a, slow_state), 0);
		signal(SIGSEGV, SIG_DFL);
		CHECK_EQ(take(a), 0x99);
		CHECK(!lapic_test_vector(a, APIC_TMR, 0x99));
		eoi(a);
		CHECK_EQ(take(a), 0x45);
		CHECK(lapic_test_vector(a, APIC_TMR, 0x45));
		eoi(a);
		CHECK_EQ(take(a), 0x13);
		CHECK(lapic_test_vector(a, APIC_TMR, 0x13));
		eoi(a);
		CHECK_EQ(take(a), -1);
		munmap(slow_state, 4096);
		drop_irqchip();
	}
}

TEST(state_deadline)
{
	static struct kvm_lapic_state s;
	struct apic_tsc tsc = { .khz = shim_tsc_khz };
	struct lapic *a = &apics[0];

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_apic(a);
	lapic_set_tsc(a, &tsc);
	apic_write(a, APIC_LVTT, 0x40041);
	lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, shim_tsc + 5000);
	lapic_get_state(a, &s);
	lapic_set_state(a, &s);				/* in whichever order the VMM sets the two */
	shim_advance(5000);
	CHECK_EQ(take(a), 0x41);
	lapic_set_base(a, 0xfee00000, true);
	CHECK_EQ(lapic_set_state(a, &s), 0);
	shim_advance(5000);
	CHECK_EQ(take(a), -1);
	drop_irqchip();
}

TEST(state_ids)
{
	static struct kvm_lapic_state s;
	struct lapic *a;

	make_irqchip(IRQCHIP_KERNEL, 3);
	a = &apics[2];
	lapic_get_state(a, &s);
	CHECK_EQ(state_reg(&s, APIC_ID), 2 << 24);
	state_set_reg(&s, APIC_ID, 7 << 24);		/* xAPIC's can be changed */
	CHECK_EQ(lapic_set_state(a, &s), 0);
	CHECK_EQ(apic_read(a, APIC_ID), 7 << 24);
	lapic_reset(a, LAPIC_RESET);
	go_x2apic(a);
	lapic_get_state(a, &s);
	CHECK_EQ(state_reg(&s, APIC_ID), 2 << 24);	/* xAPIC format unless asked for */
	state_set_reg(&s, APIC_LDR, 0x12345678);
	CHECK_EQ(lapic_set_state(a, &s), 0);
	CHECK_EQ(x2_read(a, APIC_ID), 2);
	CHECK_EQ(x2_read(a, APIC_LDR), 4);
	chip.x2apic_format = true;
	CHECK_EQ(lapic_set_state(a, &s), -EINVAL);
	lapic_get_state(a, &s);
	CHECK_EQ(state_reg(&s, APIC_ID), 2);
	CHECK_EQ(lapic_set_state(a, &s), 0);
	drop_irqchip();
}
