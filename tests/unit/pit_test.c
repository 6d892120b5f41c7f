// SPDX-License-Identifier: GPL-2.0-only
/* The 8254: access modes, latches, read-back, what the counters count in each mode, ticks and their reinjection, port 0x61, state. */
#include "irq_fixture.h"

static struct pit *pit;

#define TICK_NS		838		/* one clock, 838.1 ns, rounded down */

static void make_pit(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_all();
	pit = pit_create(&chip, &config);
	CHECK(!IS_ERR(pit));
	pit_publish(pit);
}

static u16 read16(u16 port)
{
	u8 low = pit_read(pit, port);

	return low | pit_read(pit, port) << 8;
}

static u16 latched(u32 nr)
{
	pit_write(pit, 0x43, nr << 6);
	return read16(0x40 + nr);
}

static void load(u32 nr, u8 mode, u16 count)
{
	pit_write(pit, 0x43, nr << 6 | 0x30 | mode << 1);
	pit_write(pit, 0x40 + nr, count);
	pit_write(pit, 0x40 + nr, count >> 8);
}

static u8 status(u32 nr)
{
	pit_write(pit, 0x43, 0xe0 | 2 << nr);
	return pit_read(pit, 0x40 + nr);
}

static void clocks(u32 n)
{
	shim_advance(div64_u64((u64)n * NSEC_PER_SEC + PIT_HZ - 1, PIT_HZ));
}

TEST(creation)
{
	struct kvm_pit_config config = { .flags = 2 };
	struct kvm_pit_state2 s;

	make_vm();
	CHECK_EQ(PTR_ERR(pit_create(&chip, &config)), -EINVAL);
	config.flags = 0;
	CHECK_EQ(PTR_ERR(pit_create(&chip, &config)), -ENOENT);
	make_irqchip(IRQCHIP_KERNEL, 0);
	CHECK_EQ(pit_get_state(&chip, &s), -ENXIO);
	CHECK_EQ(pit_set_state(&chip, &s), -ENXIO);
	CHECK_EQ(pit_set_reinject(&chip, true), -ENXIO);
	shim_fail_alloc = 1;
	CHECK_EQ(PTR_ERR(pit_create(&chip, &config)), -ENOMEM);
	shim_fail_alloc = 0;
	/* No room for its ports: no ioctl has seen it. */
	pit = pit_create(&chip, &config);
	CHECK(!IS_ERR(pit));
	CHECK_EQ(pit_get_state(&chip, &s), -ENXIO);
	pit_free(pit);
	pit = pit_create(&chip, &config);
	pit_publish(pit);
	CHECK_EQ(pit_get_state(&chip, &s), 0);
	CHECK_EQ(PTR_ERR(pit_create(&chip, &config)), -EEXIST);
	pit_destroy(&chip);
	pit_destroy(&chip);
	drop_irqchip();
	make_irqchip(IRQCHIP_SPLIT, 0);
	CHECK_EQ(PTR_ERR(pit_create(&chip, &config)), -ENOENT);
	drop_irqchip();
}

TEST(access_modes)
{
	make_pit();
	load(2, 0, 0x1234);
	speaker_write(pit, 1);
	CHECK_EQ(latched(2), 0x1234);
	clocks(0x34);
	CHECK_EQ(latched(2), 0x1200);
	pit_write(pit, 0x43, 0x90);			/* low byte only */
	pit_write(pit, 0x42, 0x80);
	CHECK_EQ(pit_read(pit, 0x42), 0x80);
	CHECK_EQ(pit_read(pit, 0x42), 0x80);
	pit_write(pit, 0x43, 0xa0);			/* high byte only */
	pit_write(pit, 0x42, 0x12);
	CHECK_EQ(pit_read(pit, 0x42), 0x12);
	pit_write(pit, 0x43, 0x80);			/* latch one byte */
	clocks(0x100);
	CHECK_EQ(pit_read(pit, 0x42), 0x12);
	CHECK_EQ(pit_read(pit, 0x42), 0x11);
	load(2, 0, 0);					/* 65536 */
	clocks(1);
	CHECK_EQ(latched(2), 0xffff);
	CHECK_EQ(read16(0x42), 0xffff);			/* without a latch: low, then high */
	CHECK_EQ(pit_read(pit, 0x43), 0);
	/* A latch is not moved by another one. */
	pit_write(pit, 0x43, 0x80);
	clocks(0x10);
	pit_write(pit, 0x43, 0x80);
	CHECK_EQ(read16(0x42), 0xffff);
	CHECK_EQ(read16(0x42), 0xffef);
	drop_irqchip();
}

TEST(read_back)
{
	make_pit();
	load(0, 2, 1000);
	load(2, 3, 2000);
	CHECK_EQ(status(0), 0x80 | 0x30 | 2 << 1);
	pit_write(pit, 0x43, 0xc0 | 2 | 8);		/* status and count of both */
	clocks(100);
	pit_write(pit, 0x43, 0xc0 | 2 | 8);		/* no effect: not read yet */
	CHECK_EQ(pit_read(pit, 0x40), 0xb4);
	CHECK_EQ(read16(0x40), 1000);
	CHECK_EQ(read16(0x40), 900);
	CHECK_EQ(pit_read(pit, 0x42), 0xb6);
	CHECK_EQ(read16(0x42), 2000);
	load(1, 7, 10);					/* 7 is 3 */
	CHECK_EQ(status(1) & 0x3f, 0x36);
	pit_write(pit, 0x43, 0x71);			/* BCD is remembered */
	CHECK_EQ(status(1) & 0x3f, 0x31);
	drop_irqchip();
}

TEST(counting)
{
	static const struct { u8 mode; u32 clocks; u16 count; bool out; } c[] = {
		{ 0, 0, 1000, 0 }, { 0, 400, 600, 0 }, { 0, 1000, 0, 1 }, { 0, 1001, 0xffff, 1 },
		{ 1, 400, 600, 0 }, { 1, 1000, 0, 1 },
		{ 2, 0, 1000, 1 }, { 2, 999, 1, 0 }, { 2, 1000, 1000, 1 }, { 2, 2500, 500, 1 },
		{ 3, 0, 1000, 1 }, { 3, 100, 800, 1 }, { 3, 499, 2, 1 }, { 3, 500, 1000, 0 }, { 3, 600, 800, 0 }, { 3, 1000, 1000, 1 },
		{ 4, 400, 600, 1 }, { 4, 1000, 0, 0 }, { 4, 1001, 0xffff, 1 },
		{ 5, 400, 600, 1 }, { 5, 1000, 0, 0 },
	};
	u32 i;

	make_pit();
	speaker_write(pit, 1);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		load(2, c[i].mode, 1000);
		clocks(c[i].clocks);
		CHECK_EQ(latched(2), c[i].count);
		CHECK_EQ(!!(speaker_read(pit) & 0x20), c[i].out);
	}
	drop_irqchip();
}

TEST(gate_and_speaker)
{
	u8 seen = 0;
	int i;

	make_pit();
	speaker_write(pit, 1);
	CHECK_EQ(speaker_read(pit) & 3, 1);
	load(2, 0, 1000);
	clocks(100);
	speaker_write(pit, 2);				/* stops it */
	CHECK_EQ(speaker_read(pit) & 3, 2);
	clocks(5000);
	CHECK_EQ(latched(2), 900);
	speaker_write(pit, 3);
	clocks(100);
	CHECK_EQ(latched(2), 800);
	clocks(800);
	speaker_write(pit, 0);				/* stops at 0 */
	clocks(10);
	speaker_write(pit, 1);
	CHECK_EQ(latched(2), 0);
	/* In modes 2 and 3 the gate starts it again. */
	load(2, 2, 1000);
	clocks(100);
	speaker_write(pit, 0);
	speaker_write(pit, 1);
	CHECK_EQ(latched(2), 1000);
	/* In mode 1 its edge is what starts, its level means nothing. */
	load(2, 1, 1000);
	clocks(100);
	speaker_write(pit, 0);
	clocks(100);
	CHECK_EQ(latched(2), 800);
	speaker_write(pit, 1);
	CHECK_EQ(latched(2), 1000);
	for (i = 0; i < 4; i++) {
		seen |= 1 << !!(speaker_read(pit) & 0x10);
		shim_advance(15085);
	}
	CHECK_EQ(seen, 3);				/* refresh toggles */
	drop_irqchip();
}

/* ------------------------------------------------------------------ ticks */

/* Vector 0x30 through IOAPIC pin 0, to which the default routing takes GSI 0. */
static void route_ticks(void)
{
	u32 sel = 0x10, low = 0x30;

	ioapic_write(chip.ioapic, 0, 4, &sel);
	ioapic_write(chip.ioapic, 0x10, 4, &low);
	pic_write(chip.pic, 0x21, 0xff);
}

static void mask_ticks(bool masked)
{
	u32 sel = 0x10, low = 0x30 | masked << 16;

	ioapic_write(chip.ioapic, 0, 4, &sel);
	ioapic_write(chip.ioapic, 0x10, 4, &low);
}

/* Take and end all ticks that come without time passing. */
static int drain(void)
{
	int n = 0;

	while (take(&apics[0]) == 0x30) {
		eoi(&apics[0]);
		n++;
	}
	return n;
}

TEST(ticks_periodic)
{
	static const u8 modes[] = { 2, 3 };
	u32 i;

	for (i = 0; i < 2; i++) {
		make_pit();
		route_ticks();
		load(0, modes[i], 11932);		/* 10 ms */
		CHECK_EQ(drain(), 0);
		shim_advance(9990000);
		CHECK_EQ(drain(), 0);
		shim_advance(20000);
		CHECK_EQ(drain(), 1);
		shim_advance(10000000);
		CHECK_EQ(drain(), 1);
		drop_irqchip();
	}
}

TEST(ticks_one_shot)
{
	static const struct { u8 mode; int ticks; } m[] = { { 0, 1 }, { 1, 1 }, { 4, 1 }, { 5, 0 } };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(m); i++) {
		make_pit();
		route_ticks();
		load(0, m[i].mode, 11932);
		shim_advance(9000000);
		CHECK_EQ(drain(), 0);
		shim_advance(2000000);
		CHECK_EQ(drain(), m[i].ticks);
		shim_advance(100000000);
		CHECK_EQ(drain(), 0);
		drop_irqchip();
	}
}

/* A control word stops channel 0 until its next count. */
TEST(ticks_stop)
{
	make_pit();
	route_ticks();
	load(0, 2, 11932);
	shim_advance(10100000);
	CHECK_EQ(drain(), 1);
	pit_write(pit, 0x43, 0x30);
	shim_advance(100000000);
	CHECK_EQ(drain(), 0);
	pit_write(pit, 0x43, 0x00);			/* a latch is no control word */
	load(0, 2, 11932);
	pit_write(pit, 0x43, 0x00);
	shim_advance(10100000);
	CHECK_EQ(drain(), 1);
	drop_irqchip();
}

/* The guest uses the ports as soon as they are on the bus: an acknowledge that comes before the PIT is published tells nobody. */
TEST(used_before_it_is_published)
{
	struct kvm_pit_config config = {};

	make_irqchip(IRQCHIP_KERNEL, 1);
	enable_all();
	route_ticks();
	pit = pit_create(&chip, &config);
	load(0, 2, 11932);
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	pit_publish(pit);
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	drop_irqchip();
}

TEST(reinjection)
{
	make_pit();
	route_ticks();
	load(0, 2, 11932);
	shim_advance(10001000 * 5);
	CHECK_EQ(atomic_read(&pit->pending), 4);
	CHECK_EQ(take(&apics[0]), 0x30);
	CHECK_EQ(take(&apics[0]), -1);			/* one at a time */
	CHECK_EQ(eoi(&apics[0]), 0x30);			/* an edge, but the PIT waits for it */
	CHECK_EQ(drain(), 4);
	CHECK_EQ(drain(), 0);
	CHECK_EQ(pit_set_reinject(&chip, false), 0);
	shim_advance(10001000 * 5);
	CHECK_EQ(drain(), 1);				/* the others merged */
	/* Programming the channel forgets. */
	CHECK_EQ(pit_set_reinject(&chip, true), 0);
	shim_advance(10001000 * 5);
	load(0, 2, 11932);
	CHECK_EQ(drain(), 1);				/* only what was in IRR */
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	drop_irqchip();
}

TEST(reinjection_by_pic)
{
	make_pit();
	pic_write(chip.pic, 0x20, 0x11);
	pic_write(chip.pic, 0x21, 0x20);
	pic_write(chip.pic, 0x21, 4);
	pic_write(chip.pic, 0x21, 1);
	load(0, 3, 11932);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	shim_advance(10001000 * 3);
	CHECK(irqchip_has_extint(&chip, &apics[0]));
	CHECK_EQ(irqchip_take_extint(&chip), 0x20);
	CHECK(!irqchip_has_extint(&chip, &apics[0]));
	pic_write(chip.pic, 0x20, 0x20);		/* EOI: the next */
	CHECK(irqchip_has_extint(&chip, &apics[0]));
	CHECK_EQ(irqchip_take_extint(&chip), 0x20);
	pic_write(chip.pic, 0x20, 0x60);
	CHECK_EQ(irqchip_take_extint(&chip), 0x20);
	pic_write(chip.pic, 0x20, 0x20);
	CHECK(!irqchip_has_extint(&chip, &apics[0]));
	drop_irqchip();
}

/* A tick whose acknowledge will never come must not stop the clock. */
TEST(lost_acknowledge)
{
	make_pit();
	route_ticks();
	mask_ticks(true);
	load(0, 2, 11932);
	shim_advance(10001000 * 10);
	CHECK_EQ(drain(), 0);
	mask_ticks(false);
	shim_advance(10001000);
	CHECK(drain() >= 1);
	/* In flight when the guest changes its mind. */
	shim_advance(10001000);
	who_got(0x30);
	mask_ticks(true);
	mask_ticks(false);
	drain();
	shim_advance(10001000);
	CHECK(drain() >= 1);
	/* The PIC took one, and is initialized again before it ends. */
	mask_ticks(true);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	pic_write(chip.pic, 0x21, 0xfe);
	shim_advance(10001000 * 2);
	CHECK_EQ(irqchip_take_extint(&chip) & 7, 0);
	pic_write(chip.pic, 0x20, 0x11);
	pic_write(chip.pic, 0x21, 0x20);
	pic_write(chip.pic, 0x21, 4);
	pic_write(chip.pic, 0x21, 1);
	shim_advance(10001000);
	CHECK(irqchip_has_extint(&chip, &apics[0]));
	drop_irqchip();
}

/* A tick that nobody takes is gone; whoever can take the next one gets it, without a word to the PIT. */
TEST(refused_ticks)
{
	u32 sel = 0x11, dest = 5 << 24;

	make_pit();
	route_ticks();
	/* The LAPIC is disabled. */
	apic_write(&apics[0], APIC_SPIV, 0xff);
	load(0, 2, 11932);
	shim_advance(10001000 * 3);
	CHECK_EQ(drain(), 0);
	CHECK_EQ(atomic_read(&pit->pending), 0);
	WRITE_ONCE(apics[0].sw_enabled, true);
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	/* Nobody has the IOAPIC's address, and LINT0 doesn't pass on what the 8259 has. */
	ioapic_write(chip.ioapic, 0, 4, &sel);
	ioapic_write(chip.ioapic, 0x10, 4, &dest);
	pic_write(chip.pic, 0x21, 0);
	apic_write(&apics[0], APIC_LVT0, 0x10700);
	shim_advance(10001000 * 3);
	CHECK(!irqchip_has_extint(&chip, &apics[0]));
	CHECK_EQ(atomic_read(&pit->pending), 0);
	dest = 0;
	ioapic_write(chip.ioapic, 0x10, 4, &dest);
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	/* The line is up already: no edge. */
	irqchip_set_gsi(&chip, 0, IRQ_SOURCE_USER, 1);
	CHECK_EQ(drain(), 1);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	CHECK_EQ(irqchip_take_extint(&chip) & 7, 0);
	pic_write(chip.pic, 0x20, 0x20);
	shim_advance(10001000 * 2);
	CHECK_EQ(drain(), 0);
	irqchip_set_gsi(&chip, 0, IRQ_SOURCE_USER, 0);
	shim_advance(10001000);
	CHECK_EQ(drain(), 1);
	/* What LINT0 does pass on is waited for. */
	dest = 5 << 24;
	ioapic_write(chip.ioapic, 0x10, 4, &dest);
	CHECK_EQ(irqchip_take_extint(&chip) & 7, 0);
	pic_write(chip.pic, 0x20, 0x20);
	shim_advance(10001000 * 3);
	CHECK_EQ(atomic_read(&pit->pending), 2);
	drop_irqchip();
}

/* INIT takes the tick that was requested with it. */
TEST(tick_lost_by_init)
{
	make_pit();
	route_ticks();
	load(0, 2, 11932);
	shim_advance(10001000);
	lapic_reset(&apics[0], LAPIC_INIT);
	enable_all();
	shim_advance(10001000);
	CHECK(drain() >= 1);
	/* LINT0 is masked before the 8259's tick is taken. */
	mask_ticks(true);
	pic_write(chip.pic, 0x21, 0);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	shim_advance(10001000);
	CHECK(irqchip_has_extint(&chip, &apics[0]));
	CHECK_EQ(atomic_read(&pit->acked), 0);
	apic_write(&apics[0], APIC_LVT0, 0x10700);
	shim_run_works();
	CHECK_EQ(atomic_read(&pit->acked), 1);
	drop_irqchip();
}

TEST(hostile_period)
{
	int i, n = 0;

	make_pit();
	route_ticks();
	pit_set_reinject(&chip, false);
	load(0, 2, 1);
	for (i = 0; i < 1000; i++) {
		shim_advance(1000);
		n += drain();
	}
	CHECK(n <= 5);
	CHECK(n >= 4);
	/* Nobody acknowledges for a year. */
	pit_set_reinject(&chip, true);
	for (i = 0; i < 20; i++)
		pit_tick(pit, 1ull << 40);
	CHECK(atomic_read(&pit->pending) <= 2 * PIT_MAX_PENDING);
	drop_irqchip();
}

/* The host may be so slow that a short count is over before its timer is started. */
TEST(one_shot_that_is_late)
{
	make_pit();
	route_ticks();
	load(0, 0, 1);
	shim_advance(1000000);
	CHECK_EQ(drain(), 1);
	pit->channel[0].count_load_time -= 1000000;
	pit_rearm(pit, PIT_LOADED);
	shim_advance(1);
	CHECK_EQ(drain(), 1);
	pit_rearm(pit, PIT_RESTORED);
	shim_advance(1000000);
	CHECK_EQ(drain(), 0);
	drop_irqchip();
}

TEST(fresh_state)
{
	struct kvm_pit_state2 s;

	make_pit();
	CHECK_EQ(pit_get_state(&chip, &s), 0);
	CHECK_EQ(s.channels[0].mode, 0xff);
	CHECK_EQ(s.channels[0].count, 0x10000);
	CHECK_EQ(s.channels[0].gate, 1);
	CHECK_EQ(s.channels[2].gate, 0);
	shim_advance(1000000000);
	CHECK_EQ(drain(), 0);
	drop_irqchip();
}

TEST(state)
{
	struct kvm_pit_state2 one, two;

	make_pit();
	route_ticks();
	load(0, 2, 11932);
	load(2, 0, 500);
	speaker_write(pit, 3);
	pit_write(pit, 0x43, 0x00);
	CHECK_EQ(pit_get_state(&chip, &one), 0);
	CHECK_EQ(one.channels[0].count, 11932);
	CHECK_EQ(one.channels[0].mode, 2);
	CHECK_EQ(one.channels[0].count_latched, 3);
	CHECK_EQ(one.channels[0].latched_count, 11932);
	CHECK_EQ(one.channels[2].gate, 1);
	CHECK_EQ(one.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	shim_advance(4000000);
	load(0, 0, 7);
	speaker_write(pit, 0);
	CHECK_EQ(pit_set_state(&chip, &one), 0);
	CHECK_EQ(pit_get_state(&chip, &two), 0);
	CHECK_MEM(&one, &two, sizeof(one));
	drain();
	shim_advance(5900000);				/* the phase is that of the load */
	CHECK_EQ(drain(), 0);
	shim_advance(200000);
	CHECK_EQ(drain(), 1);
	/* The HPET drives IRQ 0 instead. */
	one.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	CHECK_EQ(pit_set_state(&chip, &one), 0);
	shim_advance(100000000);
	CHECK_EQ(drain(), 0);
	CHECK_EQ(pit_get_state(&chip, &two), 0);
	CHECK_EQ(two.flags, KVM_PIT_FLAGS_HPET_LEGACY);
	one.flags = 4;
	CHECK_EQ(pit_set_state(&chip, &one), -EINVAL);
	/* A one-shot that was over in the state stays over. */
	one.flags = 0;
	one.channels[0].mode = 0;
	one.channels[0].count_load_time = 1;
	CHECK_EQ(pit_set_state(&chip, &one), 0);
	shim_advance(100000000);
	CHECK_EQ(drain(), 0);
	drop_irqchip();
}

/* Whatever a VMM writes, nothing divides by 0 or shifts too far. */
TEST(hostile_state)
{
	struct kvm_pit_state2 s;
	int round, i, port;

	make_pit();
	route_ticks();
	for (round = 0; round < 256; round++) {
		memset(&s, round, sizeof(s));
		s.flags = 0;
		for (i = 0; i < 3; i++)
			s.channels[i].count_load_time = round & 1 ? S64_MIN : S64_MAX;
		CHECK_EQ(pit_set_state(&chip, &s), 0);
		for (port = 0x40; port < 0x44; port++)
			for (i = 0; i < 4; i++)
				pit_read(pit, port);
		for (i = 0; i < 256; i += 5) {
			pit_write(pit, 0x43, i);
			pit_write(pit, 0x40 + i % 3, i);
			pit_read(pit, 0x40 + i % 3);
		}
		speaker_read(pit);
		shim_advance(1000000);
		drain();
	}
	drop_irqchip();
}
