// SPDX-License-Identifier: GPL-2.0-only
/* ioeventfds (api.rst 4.59) and coalesced I/O (4.116). */
#include "check.h"
#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"

static struct vm vm;

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
	CHECK_EQ(shim_live_pages, 0);
}

static struct kvm_ioeventfd args(int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	return (struct kvm_ioeventfd){ .fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = match };
}

static int assign(int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd a = args(fd, addr, len, flags, match);

	return ioeventfd_assign(&vm, &a);
}

static int deassign(int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd a = args(fd, addr, len, flags | KVM_IOEVENTFD_FLAG_DEASSIGN, match);

	return ioeventfd_deassign(&vm, &a);
}

/* What vcpu/io.c does with a write: ring all that want it. */
static int ring(struct iobus *bus, gpa_t addr, u32 len, u64 val)
{
	struct iobus_search s;
	struct iodev *dev;
	int rung = 0;

	rcu_read_lock();
	s = iobus_begin(bus, iobus_devs(bus), addr, len);
	while ((dev = iobus_next(&s))) {
		if (dev->kind == IODEV_IOEVENTFD && ioeventfd_matches(dev->dev, addr, len, val)) {
			ioeventfd_ring(dev->dev);
			rung++;
		}
	}
	rcu_read_unlock();
	return rung;
}

TEST(refused)
{
	int fd;

	begin();
	fd = shim_eventfd();
	CHECK_EQ(assign(fd, 0x1000, 3, 0, 0), -EINVAL);
	CHECK_EQ(assign(fd, 0x1000, 16, 0, 0), -EINVAL);
	CHECK_EQ(assign(fd, -2ull, 4, 0, 0), -EINVAL);
	CHECK_EQ(assign(fd, 0x1000, 4, 1 << 4, 0), -EINVAL);
	CHECK_EQ(assign(fd, 0x1000, 4, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0), -EINVAL);
	CHECK_EQ(assign(fd, 0x1000, 0, KVM_IOEVENTFD_FLAG_DATAMATCH, 1), -EINVAL);
	CHECK_EQ(assign(12345, 0x1000, 4, 0, 0), -EBADF);
	CHECK_EQ(deassign(12345, 0x1000, 4, 0, 0), -EBADF);
	CHECK_EQ(deassign(fd, 0x1000, 4, 0, 0), -ENOENT);
	CHECK(list_empty(&vm.ioeventfds));
	shim_eventfd_close(fd);
	end();
	CHECK_EQ(shim_live, 0);
}

TEST(who_rings)
{
	int fd;

	begin();
	fd = shim_eventfd();
	CHECK_EQ(assign(fd, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), 0);
	CHECK_EQ(assign(fd, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 6), 0);
	CHECK_EQ(assign(fd, 0x2000, 2, 0, 0), 0);
	CHECK_EQ(assign(fd, 0x3000, 0, 0, 0), 0);
	CHECK_EQ(assign(fd, 0x510, 1, KVM_IOEVENTFD_FLAG_PIO, 0), 0);

	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 5), 1);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 6), 1);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 7), 0);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 2, 5), 0);
	CHECK_EQ(ring(&vm.mmio, 0x1002, 2, 5), 0);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 0x100000005), 0);
	CHECK_EQ(ring(&vm.mmio, 0x2000, 2, 0xabcd), 1);
	CHECK_EQ(ring(&vm.mmio, 0x2001, 1, 0), 0);
	for (u32 len = 1; len <= 8; len *= 2)
		CHECK_EQ(ring(&vm.mmio, 0x3000, len, len), 1);
	CHECK_EQ(ring(&vm.mmio, 0x510, 1, 0), 0);
	CHECK_EQ(ring(&vm.pio, 0x510, 1, 0), 1);
	CHECK_EQ(ring(&vm.pio, 0x1000, 4, 5), 0);
	shim_eventfd_close(fd);
	end();
	CHECK_EQ(shim_live, 0);
}

TEST(collisions)
{
	int a, b;

	begin();
	a = shim_eventfd();
	b = shim_eventfd();
	CHECK_EQ(assign(a, 0x1000, 4, 0, 0), 0);
	CHECK_EQ(assign(b, 0x1000, 4, 0, 0), -EEXIST);
	CHECK_EQ(assign(b, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 9), -EEXIST);
	CHECK_EQ(assign(b, 0x1000, 0, 0, 0), -EEXIST);
	CHECK_EQ(assign(b, 0x1000, 2, 0, 0), 0);
	CHECK_EQ(assign(b, 0x1000, 4, KVM_IOEVENTFD_FLAG_PIO, 0), 0);
	CHECK_EQ(assign(b, 0x1004, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 9), 0);
	CHECK_EQ(assign(a, 0x1004, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 9), -EEXIST);
	CHECK_EQ(assign(a, 0x1004, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 8), 0);
	shim_eventfd_close(a);
	shim_eventfd_close(b);
	end();
	CHECK_EQ(shim_live, 0);
}

/* Every field counts when one is taken away. */
TEST(deassign_names_one)
{
	int a, b;

	begin();
	a = shim_eventfd();
	b = shim_eventfd();
	CHECK_EQ(assign(a, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), 0);
	CHECK_EQ(deassign(b, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), -ENOENT);
	CHECK_EQ(deassign(a, 0x1004, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), -ENOENT);
	CHECK_EQ(deassign(a, 0x1000, 2, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), -ENOENT);
	CHECK_EQ(deassign(a, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 6), -ENOENT);
	CHECK_EQ(deassign(a, 0x1000, 4, 0, 5), -ENOENT);
	CHECK_EQ(deassign(a, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO, 5), -ENOENT);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 5), 1);
	CHECK_EQ(deassign(a, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), 0);
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 5), 0);
	CHECK_EQ(deassign(a, 0x1000, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), -ENOENT);
	shim_eventfd_close(a);
	shim_eventfd_close(b);
	end();
	CHECK_EQ(shim_live, 0);
}

TEST(no_memory)
{
	int fd;

	begin();
	fd = shim_eventfd();
	for (int n = 1; n <= 2; n++) {
		shim_fail_alloc = n;
		CHECK_EQ(assign(fd, 0x1000, 4, 0, 0), -ENOMEM);
		CHECK(list_empty(&vm.ioeventfds));
	}
	shim_fail_alloc = 0;
	CHECK_EQ(assign(fd, 0x1000, 4, 0, 0), 0);
	shim_fail_alloc = 1;
	CHECK_EQ(deassign(fd, 0x1000, 4, 0, 0), 0);
	shim_fail_alloc = 0;
	CHECK_EQ(ring(&vm.mmio, 0x1000, 4, 0), 0);
	shim_eventfd_close(fd);
	end();
	CHECK_EQ(shim_live, 0);
}

/* ------------------------------------------------------------------ coalesced */

static int zone(int (*what)(struct vm *, const struct kvm_coalesced_mmio_zone *), u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return what(&vm, &z);
}

static void *zone_at(struct iobus *bus, gpa_t addr)
{
	struct iobus_search s;
	struct iodev *dev;

	rcu_read_lock();
	s = iobus_begin(bus, iobus_devs(bus), addr, 1);
	dev = iobus_next(&s);
	rcu_read_unlock();
	return dev ? dev->dev : NULL;
}

TEST(zones)
{
	begin();
	CHECK_EQ(zone(coalesced_register, 0xa0000, 0x20000, 2), -EINVAL);
	CHECK_EQ(zone(coalesced_register, 0xa0000, 0, 0), -EINVAL);
	CHECK_EQ(zone(coalesced_register, -4ull, 8, 0), -EINVAL);
	CHECK_EQ(zone(coalesced_register, 0xa0000, 0x20000, 0), 0);
	CHECK_EQ(zone(coalesced_register, 0x70, 1, 1), 0);
	CHECK(zone_at(&vm.mmio, 0xbffff));
	CHECK(zone_at(&vm.pio, 0x70));
	CHECK(!zone_at(&vm.mmio, 0x70));
	CHECK_EQ(zone(coalesced_unregister, 0x70, 1, 0), 0);
	CHECK(zone_at(&vm.pio, 0x70));
	CHECK_EQ(zone(coalesced_unregister, 0x70, 1, 1), 0);
	CHECK(!zone_at(&vm.pio, 0x70));
	CHECK_EQ(zone(coalesced_unregister, 0x90000, 0x20000, 0), 0);
	CHECK(zone_at(&vm.mmio, 0xa0000));
	CHECK_EQ(zone(coalesced_unregister, 0xa0000, 0x20000, 0), 0);
	CHECK(!zone_at(&vm.mmio, 0xa0000));
	shim_fail_alloc = 2;
	CHECK_EQ(zone(coalesced_register, 0xa0000, 0x20000, 0), -ENOMEM);
	end();
	CHECK_EQ(shim_live, 0);
}

TEST(ring_fills_and_empties)
{
	struct kvm_coalesced_mmio_ring *r;
	u32 val = 0, n = 0;
	void *z;

	begin();
	r = vm.coalesced_ring;
	CHECK_EQ(zone(coalesced_register, 0x1000, 0x100, 0), 0);
	z = zone_at(&vm.mmio, 0x1000);
	rcu_read_lock();
	while (coalesced_write(&vm, z, 0x1000 + n % 64 * 4, 4, &val)) {
		val++;
		n++;
	}
	CHECK_EQ(n, KVM_COALESCED_MMIO_MAX - 1);
	CHECK_EQ(r->first, 0);
	CHECK_EQ(r->last, n);
	CHECK_EQ(r->coalesced_mmio[5].phys_addr, 0x1014);
	CHECK_EQ(r->coalesced_mmio[5].len, 4);
	CHECK_EQ(*(u32 *)r->coalesced_mmio[5].data, 5);
	r->first = 2;
	CHECK(coalesced_write(&vm, z, 0x1000, 4, &val));
	CHECK(coalesced_write(&vm, z, 0x1000, 4, &val));
	CHECK(!coalesced_write(&vm, z, 0x1000, 4, &val));
	CHECK_EQ(r->last, 1);
	CHECK(!coalesced_write(&vm, z, 0x1000, 16, &val));
	rcu_read_unlock();
	end();
}

/* The page is the VMM's to scribble on: nothing but the ring may be written. */
TEST(hostile_ring)
{
	static const u32 last[] = { KVM_COALESCED_MMIO_MAX, KVM_COALESCED_MMIO_MAX + 1, 0x7fffffff, 0x80000000, ~0u };
	struct kvm_coalesced_mmio_ring *r;
	u32 val = 1;
	void *z;

	begin();
	r = vm.coalesced_ring;
	CHECK_EQ(zone(coalesced_register, 0x1000, 0x100, 0), 0);
	z = zone_at(&vm.mmio, 0x1000);
	rcu_read_lock();
	for (int i = 0; i < ARRAY_SIZE(last); i++) {
		r->last = last[i];
		CHECK(!coalesced_write(&vm, z, 0x1000, 4, &val));
		CHECK_EQ(r->last, last[i]);
	}
	r->first = ~0u;
	r->last = KVM_COALESCED_MMIO_MAX - 1;
	CHECK(coalesced_write(&vm, z, 0x1000, 4, &val));
	CHECK_EQ(r->last, 0);
	rcu_read_unlock();
	end();
}
