// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of a call fails once: the call says -ENOMEM, nothing leaks, and the VM is as it was, so that the same call
 * succeeds afterwards. (vCPUs: run_test.c; memslots: memslot_test.c; page tables: tdp_test.c, fault_test.c; the backend:
 * svm_test.c.)
 */
#include "vcpu_world.h"
#include "api/irq.c"

static void settle(void)
{
	shim_run_works();
	synchronize_rcu();
}

/* A bus that had a device keeps a set of none. */
static u32 bus_devices(const struct iobus *bus, long *allocated)
{
	const struct iodevs *devs = rcu_dereference_protected(bus->devs, true);

	*allocated += !!devs;
	return devs ? devs->count : 0;
}

static long live_but_buses(void)
{
	long buses = 0;

	if (W)
		bus_devices(&W->vm.pio, &buses), bus_devices(&W->vm.mmio, &buses);
	return shim_live - buses;
}

/* Fails the first, the second, … allocation of @call until there is none left to fail; how many there were. */
static int fail_each(long (*call)(void))
{
	long live, pages, r, left;
	int n;

	for (n = 1;; n++) {
		settle();
		live = live_but_buses();
		pages = shim_live_pages;
		shim_fail_alloc = n;
		r = call();
		left = shim_fail_alloc;
		shim_fail_alloc = 0;
		if (left) {
			CHECK_EQ(r, 0);
			return n - 1;
		}
		settle();
		CHECK_EQ(r, -ENOMEM);
		CHECK_EQ(live_but_buses(), live);
		CHECK_EQ(shim_live_pages, pages);
	}
}

static struct vm_x86 *newborn;

static long make_vm(void)
{
	return vm_x86_init(newborn, 0);
}

TEST(vm)
{
	CHECK_EQ(core_setup(), 0);
	newborn = calloc(1, vm_x86_size());
	CHECK(fail_each(make_vm) >= 2);
	vm_x86_destroy(newborn);
	/* From the beginning again: what failed left something behind that a second try could trip over. */
	CHECK_EQ(vm_x86_init(newborn, 0), 0);
	vm_x86_destroy(newborn);
	free(newborn);
	core_teardown();
}

/* A VM without vCPUs. */
static void world_empty(void)
{
	CHECK_EQ(core_setup(), 0);
	CHECK_EQ(irqchip_setup(), 0);
	W = calloc(1, vm_x86_size());
	CHECK_EQ(vm_x86_init(W, 0), 0);
	world_memory();
}

static long create_irqchip_call(void)
{
	long r = vm_irq_ioctl(W, KVM_CREATE_IRQCHIP, 0), unused;

	CHECK_EQ(W->irqchip.mode, r ? IRQCHIP_NONE : IRQCHIP_KERNEL);
	CHECK(!r == !!W->irqchip.pic);
	CHECK_EQ(bus_devices(&W->vm.pio, &unused), r ? 0 : 3);
	CHECK_EQ(bus_devices(&W->vm.mmio, &unused), r ? 0 : 1);
	return r;
}

static long create_pit_call(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	long r = vm_irq_ioctl(W, KVM_CREATE_PIT2, (unsigned long)&config), unused;

	CHECK(!r == !!W->irqchip.pit);
	CHECK_EQ(bus_devices(&W->vm.pio, &unused), r ? 3 : 5);
	return r;
}

TEST(irqchip)
{
	world_empty();
	/* The pair of PICs, the IOAPIC, the routes twice, and four ranges on two buses. */
	CHECK(fail_each(create_irqchip_call) >= 8);
	CHECK_EQ(vm_irq_ioctl(W, KVM_CREATE_IRQCHIP, 0), -EEXIST);
	CHECK(fail_each(create_pit_call) >= 3);
	world_end();
}

/* ------------------------------------------------------------------ what there is already stays */

static struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entries[3]; } routes;

static long set_routing_call(void)
{
	struct irq_routing *before = rcu_dereference_protected(W->irqchip.routing, true);
	long r = vm_irq_ioctl(W, KVM_SET_GSI_ROUTING, (unsigned long)&routes);

	CHECK(!r == (rcu_dereference_protected(W->irqchip.routing, true) != before));
	return r;
}

TEST(routing)
{
	int i;

	world_make(IRQCHIP_KERNEL);
	routes.head.nr = 3;
	for (i = 0; i < 3; i++) {
		routes.entries[i].gsi = i;
		routes.entries[i].type = KVM_IRQ_ROUTING_MSI;
		routes.entries[i].u.msi.address_lo = 0xfee00000;
	}
	CHECK(fail_each(set_routing_call) >= 2);
	world_end();
}

static int fd, resample_fd;

static long irqfd_call(void)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = 5 };
	long r = vm_irq_ioctl(W, KVM_IRQFD, (unsigned long)&args);

	CHECK_EQ(list_empty(&W->irqchip.irqfds), !!r);
	return r;
}

static long resampler_call(void)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = 6, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = resample_fd };

	return vm_irq_ioctl(W, KVM_IRQFD, (unsigned long)&args);
}

static long drop_irqfd(u32 gsi)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN };

	return vm_irq_ioctl(W, KVM_IRQFD, (unsigned long)&args);
}

static long ioeventfd_call(void)
{
	struct kvm_ioeventfd args = { .fd = fd, .addr = 0x100, .len = 4, .flags = KVM_IOEVENTFD_FLAG_PIO };

	return ioeventfd_assign(&W->vm, &args);
}

static long zone_call(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_GPA, .size = 64 };

	return coalesced_register(&W->vm, &zone);
}

TEST(eventfds)
{
	world_make(IRQCHIP_KERNEL);
	fd = shim_eventfd();
	resample_fd = shim_eventfd();
	CHECK(fail_each(irqfd_call) >= 1);
	CHECK_EQ(drop_irqfd(5), 0);
	CHECK(fail_each(resampler_call) >= 1);
	CHECK_EQ(drop_irqfd(6), 0);
	CHECK(fail_each(ioeventfd_call) >= 2);
	CHECK(fail_each(zone_call) >= 2);
	world_end();
	CHECK_EQ(refcount_read(&shim_eventfd_of(fd)->refs), 1);
	CHECK_EQ(refcount_read(&shim_eventfd_of(resample_fd)->refs), 1);
	shim_eventfd_close(fd);
	shim_eventfd_close(resample_fd);
}

static long filter_call(void)
{
	static u8 bits[64];
	struct kvm_msr_filter f = { .ranges = {
		{ .flags = KVM_MSR_FILTER_READ, .base = MSR_LSTAR, .nmsrs = 8, .bitmap = bits },
		{ .flags = KVM_MSR_FILTER_WRITE, .base = MSR_IA32_CR_PAT, .nmsrs = 200, .bitmap = bits },
	} };
	const void *before = rcu_dereference_protected(W->msr_filter, true);
	long r = vm_set_msr_filter(W, &f);

	CHECK(!r == (rcu_dereference_protected(W->msr_filter, true) != before));
	return r;
}

TEST(msr_filter)
{
	world_make(IRQCHIP_KERNEL);
	CHECK_EQ(fail_each(filter_call), 3);
	/* The second replaces one. */
	CHECK_EQ(fail_each(filter_call), 3);
	world_end();
}

static struct kvm_irqchip chip_state;

static long get_chip_call(void)
{
	return vm_irq_ioctl(W, KVM_GET_IRQCHIP, (unsigned long)&chip_state);
}

static long set_chip_call(void)
{
	return vm_irq_ioctl(W, KVM_SET_IRQCHIP, (unsigned long)&chip_state);
}

TEST(chip_state)
{
	world_make(IRQCHIP_KERNEL);
	chip_state.chip_id = KVM_IRQCHIP_IOAPIC;
	CHECK_EQ(fail_each(get_chip_call), 1);
	CHECK_EQ(fail_each(set_chip_call), 1);
	world_end();
}
