// SPDX-License-Identifier: GPL-2.0-only
/* irqfds: assign, fire, deassign, closed eventfds, errors, resampling. */
#include "irq_fixture.h"

static int assign(int fd, u32 gsi)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi };

	return irqfd_assign(&chip, &args);
}

static int deassign(int fd, u32 gsi)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN };

	return irqfd_deassign(&chip, &args);
}

static int assign_resample(int fd, u32 gsi, int resamplefd)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = resamplefd };

	return irqfd_assign(&chip, &args);
}

static void set_entry(u32 nr, u32 low)
{
	u32 sel = 0x10 + 2 * nr;

	ioapic_write(chip.ioapic, 0, 4, &sel);
	ioapic_write(chip.ioapic, 0x10, 4, &low);
}

static void make(enum irqchip_mode mode)
{
	make_irqchip(mode, 1);
	enable_all();
	if (mode != IRQCHIP_KERNEL)
		return;
	pic_write(chip.pic, 0x21, 0xff);
	pic_write(chip.pic, 0xa1, 0xff);
}

static u64 count(int fd)
{
	u64 n = shim_eventfd_of(fd)->count;

	shim_eventfd_of(fd)->count = 0;
	return n;
}

TEST(fires)
{
	int fd = shim_eventfd(), other = shim_eventfd();

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x44);
	CHECK_EQ(assign(fd, 20), 0);
	CHECK_EQ(assign(fd, 20), -EBUSY);
	CHECK_EQ(assign(fd, 21), -EBUSY);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(who_got(0x44), 1);
	CHECK_EQ(count(fd), 0);				/* it was read */
	shim_eventfd_write(fd, 3);			/* one edge, however many were added */
	CHECK_EQ(who_got(0x44), 1);
	/* Signalled before it was assigned. */
	shim_eventfd_write(other, 1);
	set_entry(21, 0x45);
	CHECK_EQ(assign(other, 21), 0);
	CHECK_EQ(who_got(0x45), 1);
	CHECK_EQ(deassign(fd, 21), 0);			/* another GSI: nothing to do */
	shim_eventfd_write(fd, 1);
	CHECK_EQ(who_got(0x44), 1);
	CHECK_EQ(deassign(fd, 20), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(who_got(0x44), 0);
	CHECK_EQ(assign(fd, 20), 0);			/* and again */
	CHECK_EQ(who_got(0x44), 1);
	drop_irqchip();					/* with two of them left */
	shim_eventfd_close(fd);
	shim_eventfd_close(other);
}

TEST(message_route)
{
	struct kvm_irq_routing_entry e = { .gsi = 30, .type = KVM_IRQ_ROUTING_MSI };
	int fd = shim_eventfd();

	e.u.msi.address_lo = 0xfee00000;
	e.u.msi.data = 0x61;
	make(IRQCHIP_SPLIT);
	CHECK_EQ(assign(fd, 30), 0);
	shim_eventfd_write(fd, 1);			/* no route yet */
	CHECK_EQ(who_got(0x61), 0);
	CHECK_EQ(irqchip_set_routing(&chip, &e, 1, 0), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(who_got(0x61), 1);
	drop_irqchip();
	shim_eventfd_close(fd);
}

TEST(closed)
{
	int fd = shim_eventfd(), again = shim_eventfd();

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x44);
	CHECK_EQ(assign(fd, 20), 0);
	CHECK_EQ(assign(again, 20), 0);
	shim_eventfd_close(fd);
	/* Before the work ran: both ways at once. */
	irqfd_destroy_all(&chip);
	CHECK(list_empty(&chip.irqfds));
	CHECK_EQ(deassign(again, 20), 0);
	CHECK_EQ(assign(again, 20), 0);
	shim_eventfd_close(again);
	shim_run_works();
	CHECK(list_empty(&chip.irqfds));
	drop_irqchip();
}

TEST(errors)
{
	struct kvm_irqfd args = { 0 };
	int fd = shim_eventfd();

	make_vm();
	CHECK_EQ(assign(fd, 0), -EINVAL);		/* no irqchip */
	CHECK_EQ(deassign(fd, 0), -EINVAL);
	irqfd_destroy_all(&chip);
	make(IRQCHIP_SPLIT);
	CHECK_EQ(assign_resample(fd, 0, fd), -EINVAL);	/* no pins to resample */
	drop_irqchip();
	make(IRQCHIP_KERNEL);
	CHECK_EQ(assign(-1, 0), -EBADF);
	CHECK_EQ(assign(3, 0), -EINVAL);		/* no eventfd */
	CHECK_EQ(deassign(-1, 0), -EBADF);
	CHECK_EQ(deassign(3, 0), -EINVAL);
	CHECK_EQ(assign_resample(fd, 0, -1), -EBADF);
	CHECK_EQ(assign_resample(fd, 0, 3), -EINVAL);
	args.fd = fd;
	args.flags = 4;
	CHECK_EQ(irqfd_assign(&chip, &args), -EINVAL);
	CHECK_EQ(irqfd_deassign(&chip, &args), -EINVAL);
	CHECK_EQ(assign(fd, ~0u), 0);			/* a GSI that drives nothing */
	shim_eventfd_write(fd, 1);
	CHECK_EQ(deassign(fd, ~0u), 0);
	shim_fail_alloc = 1;
	CHECK_EQ(assign(fd, 0), -ENOMEM);
	CHECK(list_empty(&chip.irqfds));
	drop_irqchip();
	CHECK_EQ(refcount_read(&shim_eventfd_of(fd)->refs), 1);
	shim_eventfd_close(fd);
}

TEST(resample)
{
	int fd = shim_eventfd(), fd2 = shim_eventfd(), re = shim_eventfd(), re2 = shim_eventfd();
	struct lapic *a = &apics[0];

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x8044);
	CHECK_EQ(assign_resample(fd, 20, re), 0);
	CHECK_EQ(assign_resample(fd2, 20, re2), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(take(a), 0x44);
	CHECK_EQ(count(re), 0);
	CHECK_EQ(eoi(a), 0x44);				/* lowers the line, asks both devices */
	CHECK_EQ(count(re), 1);
	CHECK_EQ(count(re2), 1);
	CHECK_EQ(take(a), -1);
	shim_eventfd_write(fd2, 1);			/* one has more to say */
	CHECK_EQ(take(a), 0x44);
	eoi(a);
	/* The line of another source stays up; the EOI of another pin asks nobody. */
	set_entry(21, 0x8055);
	irqchip_set_gsi(&chip, 21, IRQ_SOURCE_USER, 1);
	count(re);
	CHECK_EQ(take(a), 0x55);
	eoi(a);
	CHECK_EQ(count(re), 0);
	CHECK_EQ(take(a), 0x55);
	irqchip_set_gsi(&chip, 21, IRQ_SOURCE_USER, 0);
	eoi(a);
	/* The last one takes the line with it. */
	shim_eventfd_write(fd, 1);
	CHECK_EQ(deassign(fd, 20), 0);
	CHECK(chip.ioapic->line & 1 << 20);
	CHECK_EQ(deassign(fd2, 20), 0);
	CHECK(!(chip.ioapic->line & 1 << 20));
	drop_irqchip();
	CHECK_EQ(refcount_read(&shim_eventfd_of(re)->refs), 1);
	CHECK_EQ(refcount_read(&shim_eventfd_of(re2)->refs), 1);
	shim_eventfd_close(fd);
	shim_eventfd_close(fd2);
	shim_eventfd_close(re);
	shim_eventfd_close(re2);
}

/* The VMM holds the line of a pin that resamples, and hears of nothing: a storm as any other, and it has its pause. */
TEST(resample_in_a_storm)
{
	int fd = shim_eventfd(), re = shim_eventfd(), n;
	struct lapic *a = &apics[0];

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x8044);
	CHECK_EQ(assign_resample(fd, 20, re), 0);
	irqchip_set_gsi(&chip, 20, IRQ_SOURCE_USER, 1);
	for (n = 1; n < STORM_ENDS; n++) {
		SHIM_ASSERT(take(a) == 0x44);
		SHIM_ASSERT(eoi(a) == 0x44);
	}
	CHECK_EQ(take(a), 0x44);
	eoi(a);
	CHECK_EQ(take(a), -1);
	shim_run_works();
	CHECK_EQ(take(a), 0x44);
	drop_irqchip();
	shim_eventfd_close(fd);
	shim_eventfd_close(re);
}

/* The pin that a device holds up is taken from its GSI: nobody would lower it any more. */
TEST(resample_rerouted)
{
	struct kvm_irq_routing_entry e = { .gsi = 20, .type = KVM_IRQ_ROUTING_IRQCHIP };
	int fd = shim_eventfd(), re = shim_eventfd();
	struct lapic *a = &apics[0];

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x8044);
	set_entry(21, 0x8055);
	CHECK_EQ(assign_resample(fd, 20, re), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(take(a), 0x44);
	e.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	e.u.irqchip.pin = 21;
	CHECK_EQ(irqchip_set_routing(&chip, &e, 1, 0), 0);
	CHECK(!(chip.ioapic->line & 1 << 20));
	CHECK_EQ(count(re), 1);
	shim_eventfd_write(fd, 1);			/* it still wants its interrupt */
	CHECK(chip.ioapic->line & 1 << 21);
	/* The same routes again, and others elsewhere: nothing is asked. */
	CHECK_EQ(irqchip_set_routing(&chip, &e, 1, 0), 0);
	CHECK(chip.ioapic->line & 1 << 21);
	CHECK_EQ(count(re), 0);
	eoi(a);
	CHECK_EQ(take(a), 0x55);
	eoi(a);
	CHECK_EQ(count(re), 1);
	/* No route at all. */
	shim_eventfd_write(fd, 1);
	CHECK_EQ(irqchip_set_routing(&chip, NULL, 0, 0), 0);
	CHECK(!(chip.ioapic->line & 1 << 21));
	drop_irqchip();
	shim_eventfd_close(fd);
	shim_eventfd_close(re);
}

TEST(resample_by_pic)
{
	int fd = shim_eventfd(), re = shim_eventfd();

	make(IRQCHIP_KERNEL);
	apic_write(&apics[0], APIC_LVT0, 0x700);
	pic_write(chip.pic, 0x21, 0);
	elcr_write(chip.pic, 0x4d0, 0x20);
	CHECK_EQ(assign_resample(fd, 5, re), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(irqchip_take_extint(&chip) & 7, 5);
	CHECK_EQ(count(re), 0);
	pic_write(chip.pic, 0x20, 0x20);
	CHECK_EQ(count(re), 1);
	CHECK(!irqchip_has_extint(&chip, &apics[0]));
	drop_irqchip();
	shim_eventfd_close(fd);
	shim_eventfd_close(re);
}

/* An edge-triggered pin resamples as well: its EOI is waited for. */
TEST(resample_of_an_edge)
{
	int fd = shim_eventfd(), re = shim_eventfd();

	make(IRQCHIP_KERNEL);
	set_entry(20, 0x44);
	CHECK_EQ(assign_resample(fd, 20, re), 0);
	shim_eventfd_write(fd, 1);
	CHECK_EQ(take(&apics[0]), 0x44);
	eoi(&apics[0]);
	CHECK_EQ(count(re), 1);
	shim_eventfd_write(fd, 1);			/* a new edge */
	CHECK_EQ(take(&apics[0]), 0x44);
	drop_irqchip();
	shim_eventfd_close(fd);
	shim_eventfd_close(re);
}
