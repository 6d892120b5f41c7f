// SPDX-License-Identifier: GPL-2.0-only
/* The I/O buses: who is found, in which order, and what a change leaves behind. */
#include "check.h"
#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"

static struct vm vm;
static char devs[2000];

static void begin(void)
{
	memset(&vm, 0, sizeof(vm));
	CHECK_EQ(core_setup(), 0);
	CHECK_EQ(vm_init(&vm), 0);
}

static void end(void)
{
	vm_destroy(&vm);
	core_teardown();
	CHECK_EQ(shim_live, 0);
	CHECK_EQ(shim_live_pages, 0);
}

static int add(enum iodev_kind kind, gpa_t base, u32 len, int i)
{
	struct iodev dev = { .base = base, .len = len, .kind = kind, .dev = &devs[i] };
	int err;

	mutex_lock(&vm.slots_lock);
	err = iobus_add(&vm, &vm.mmio, &dev);
	mutex_unlock(&vm.slots_lock);
	return err;
}

static int del(int i)
{
	int err;

	mutex_lock(&vm.slots_lock);
	err = iobus_del(&vm, &vm.mmio, &devs[i]);
	mutex_unlock(&vm.slots_lock);
	return err;
}

static u64 met(gpa_t addr, u32 len);

/* The filter may pass too much, never too little: every byte of every kind of range is found, blocks and their ends above all. */
TEST(filter_hides_no_device)
{
	static const struct { gpa_t base; u32 len; } t[] = {
		{ 0xfec00000, 0x1000 }, { 0xd0000ffc, 8 }, { 0xe0000010, 0 }, { 0xf0000fff, 1 }, { 0x100000000, 0x100000 }, { 0x40, 4 },
		{ 0x3fff0, 0x20 },
	};
	unsigned int i;
	u64 off;

	begin();
	CHECK_EQ(met(0x5000, 4), 0);		/* nothing at all yet */
	for (i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(add(IODEV_COALESCED, t[i].base, t[i].len, i + 1), 0);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (off = 0; off < max(t[i].len, 1u); off += t[i].len > 0x1000 ? 0x333 : 1) {
			struct iobus_search s;
			struct iodev *d;

			rcu_read_lock();
			s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), t[i].base + off, t[i].len ? 1 : 4);
			d = iobus_next(&s);
			rcu_read_unlock();
			CHECK(d && d->dev == &devs[i + 1]);
		}
	}
	/* And it does hide something. */
	CHECK(!(rcu_dereference_protected(vm.pio.devs, 1)));
	CHECK_EQ(vm.pio.block_shift, 4);
	end();
}

/* Numbers of the devices that an access meets, as digits; 0: none. */
static u64 met(gpa_t addr, u32 len)
{
	u64 found = 0;
	struct iobus_search s;
	struct iodev *dev;

	rcu_read_lock();
	s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), addr, len);
	while ((dev = iobus_next(&s)))
		found = found * 10 + ((char *)dev->dev - devs);
	/* And again: the end stays the end. */
	if (iobus_next(&s))
		found = 999;
	rcu_read_unlock();
	return found;
}

TEST(empty)
{
	begin();
	CHECK_EQ(met(0, 1), 0);
	CHECK_EQ(del(1), -ENOENT);
	end();
}

TEST(ranges)
{
	begin();
	CHECK_EQ(add(IODEV_IOAPIC, 0xfec00000, 0x100, 1), 0);
	CHECK_EQ(add(IODEV_PIC, 0x20, 2, 2), 0);
	CHECK_EQ(add(IODEV_PIC, 0xa0, 2, 2), 0);
	CHECK_EQ(met(0x20, 1), 2);
	CHECK_EQ(met(0x20, 2), 2);
	CHECK_EQ(met(0x21, 1), 2);
	CHECK_EQ(met(0x21, 2), 0);	/* half of it is elsewhere */
	CHECK_EQ(met(0x1f, 2), 0);
	CHECK_EQ(met(0x22, 1), 0);
	CHECK_EQ(met(0xa1, 1), 2);
	CHECK_EQ(met(0xfec00000, 4), 1);
	CHECK_EQ(met(0xfec000fc, 4), 1);
	CHECK_EQ(met(0xfec000fd, 4), 0);
	CHECK_EQ(met(0xfebfffff, 1), 0);
	CHECK_EQ(met(~0ull, 1), 0);
	/* All of a device's ranges go at once. */
	CHECK_EQ(del(2), 0);
	CHECK_EQ(met(0x20, 1), 0);
	CHECK_EQ(met(0xa0, 1), 0);
	CHECK_EQ(met(0xfec00000, 4), 1);
	CHECK_EQ(del(2), -ENOENT);
	end();
}

TEST(several_at_one_address)
{
	begin();
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x1000, 4, 1), 0);
	CHECK_EQ(add(IODEV_COALESCED, 0, 0x10000, 2), 0);
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x1000, 4, 3), 0);
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x1000, 0, 4), 0);
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x1002, 2, 5), 0);
	CHECK_EQ(met(0x1000, 4), 2431);
	CHECK_EQ(met(0x1002, 2) % 10, 5);
	/* No length: any at its address, and nowhere else. */
	CHECK_EQ(del(1), 0);
	CHECK_EQ(del(3), 0);
	CHECK_EQ(met(0x1000, 8), 24);
	CHECK_EQ(met(0x1000, 1), 24);
	CHECK_EQ(met(0x1001, 1), 2);
	CHECK_EQ(met(0xffff, 1), 2);
	CHECK_EQ(met(0xffff, 2), 0);
	end();
}

TEST(fixed_devices_may_not_overlap)
{
	begin();
	CHECK_EQ(add(IODEV_PIT, 0x40, 4, 1), 0);
	CHECK_EQ(add(IODEV_SPEAKER, 0x43, 1, 2), -EEXIST);
	CHECK_EQ(add(IODEV_SPEAKER, 0x3f, 2, 2), -EEXIST);
	CHECK_EQ(add(IODEV_SPEAKER, 0x44, 1, 2), 0);
	CHECK_EQ(add(IODEV_COALESCED, 0x40, 2, 3), 0);
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x41, 1, 4), 0);
	end();
}

TEST(bounded)
{
	int i;

	begin();
	for (i = 0; i < IOBUS_MAX_DEVS; i++)
		CHECK_EQ(add(IODEV_COALESCED, 0x1000 * i, 0x10, i), 0);
	CHECK_EQ(add(IODEV_COALESCED, 0x1000 * i, 0x10, i), -ENOSPC);
	/* Doorbells have a limit of their own. */
	for (; i < IOBUS_MAX_DEVS + 50; i++)
		CHECK_EQ(add(IODEV_IOEVENTFD, 0x1000 * i, 4, i), 0);
	CHECK_EQ(del(0), 0);
	CHECK_EQ(add(IODEV_COALESCED, 0x1000 * i, 0x10, i), 0);
	end();
}

TEST(doorbells_are_bounded)
{
	struct iodevs *full;
	u32 i;

	begin();
	full = iodevs_alloc(NULL, IOBUS_MAX_IOEVENTFDS, GFP_KERNEL);
	for (i = 0; i < IOBUS_MAX_IOEVENTFDS; i++)
		iodevs_append(&vm.mmio, full, &(struct iodev){ .base = 8ull * i, .len = 4, .kind = IODEV_IOEVENTFD });
	rcu_assign_pointer(vm.mmio.devs, full);
	CHECK_EQ(add(IODEV_IOEVENTFD, 8ull * i, 4, 1), -ENOSPC);
	CHECK_EQ(add(IODEV_COALESCED, 8ull * i, 4, 1), 0);
	end();
}

TEST(no_memory)
{
	begin();
	CHECK_EQ(add(IODEV_PIT, 0x40, 4, 1), 0);
	shim_fail_alloc = 1;
	CHECK_EQ(add(IODEV_PIC, 0x20, 2, 2), -ENOMEM);
	shim_fail_alloc = 1;
	CHECK_EQ(del(1), 0);	/* who takes a device away is about to free it */
	shim_fail_alloc = 0;
	CHECK_EQ(met(0x40, 1), 0);
	CHECK_EQ(met(0x20, 1), 0);
	end();
}

/* With IRQs off the search ends after so many, whether they hold the access or only begin near it. */
TEST(hurry)
{
	struct iobus_search s;
	int i, n;

	begin();
	CHECK_EQ(add(IODEV_COALESCED, 0x100000, 0x10000, 0), 0);
	for (i = 1; i < 100; i++)
		CHECK_EQ(add(IODEV_IOEVENTFD, i < 50 ? 0x1000 : 0x101000, 4, i), 0);
	rcu_read_lock();
	s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), 0x1000, 4);
	iobus_hurry(&s);
	for (n = 0; iobus_next(&s); n++)
		;
	CHECK_EQ(n, 49);
	s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), 0x101000, 4);
	for (n = 0; iobus_next(&s); n++)
		;
	CHECK_EQ(n, 51);
	rcu_read_unlock();
	for (; i < 200; i++)
		CHECK_EQ(add(IODEV_IOEVENTFD, 0x101000, 4, i), 0);
	CHECK_EQ(add(IODEV_IOEVENTFD, 0x101010, 4, i), 0);
	rcu_read_lock();
	s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), 0x101000, 4);
	iobus_hurry(&s);
	for (n = 0; iobus_next(&s); n++)
		;
	CHECK_EQ(n, IOBUS_QUICK);
	s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), 0x101010, 4);
	iobus_hurry(&s);
	CHECK(iobus_next(&s)->dev == &devs[0]);		/* the zone */
	CHECK(!iobus_next(&s));
	rcu_read_unlock();
	end();
}

/* A random set against the plain way of looking. */
TEST(against_linear_search)
{
	struct { gpa_t base; u32 len; bool there; } model[60] = {};
	u32 seed = 1;

	begin();
	for (int step = 0; step < 2000; step++) {
		u32 i = (seed = seed * 1103515245 + 12345) / 65536 % 60;
		gpa_t addr = (seed = seed * 1103515245 + 12345) / 65536 % 512;
		u32 len = (seed = seed * 1103515245 + 12345) / 65536 % 40, want = 0, got = 0;
		struct iobus_search s;
		struct iodev *dev;

		if (model[i].there) {
			CHECK_EQ(del(i), 0);
			model[i].there = false;
		} else {
			CHECK_EQ(add(IODEV_IOEVENTFD, addr, len, i), 0);
			model[i].base = addr;
			model[i].len = len;
			model[i].there = true;
		}
		addr = (seed = seed * 1103515245 + 12345) / 65536 % 560;
		len = 1 << (seed >> 20) % 4;
		for (i = 0; i < 60; i++)
			if (model[i].there && (model[i].len ? addr >= model[i].base && addr + len <= model[i].base + model[i].len :
					       addr == model[i].base))
				want++;
		rcu_read_lock();
		s = iobus_begin(&vm.mmio, iobus_devs(&vm.mmio), addr, len);
		while ((dev = iobus_next(&s))) {
			CHECK(model[(char *)dev->dev - devs].there);
			got++;
		}
		rcu_read_unlock();
		CHECK_EQ(got, want);
	}
	end();
}
