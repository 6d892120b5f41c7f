// SPDX-License-Identifier: GPL-2.0-only
/* The 8259 pair: initialization, priorities, ends of interrupts, modes, poll, edge and level, cascade, spurious vectors, state. */
#include "irq_fixture.h"

static struct pic *pic;

static void init_half(u16 port, u8 base, u8 icw4)
{
	pic_write(pic, port, 0x11);
	pic_write(pic, port + 1, base);
	pic_write(pic, port + 1, port == 0x20 ? 4 : 2);
	pic_write(pic, port + 1, icw4);
}

/* As a PC's firmware does it: vectors from 8 and 0x70, nothing masked. */
static void make_pic(void)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	pic = chip.pic;
	init_half(0x20, 0x08, 1);
	init_half(0xa0, 0x70, 1);
}

static int raise_pin(u32 pin)
{
	return pic_set_pin(pic, pin, IRQ_SOURCE_USER, 1);
}

static void lower_pin(u32 pin)
{
	pic_set_pin(pic, pin, IRQ_SOURCE_USER, 0);
}

static void pulse(u32 pin)
{
	raise_pin(pin);
	lower_pin(pin);
}

static bool intr(void)
{
	return irqchip_has_extint(&chip, &apics[0]);
}

static int inta(void)
{
	return irqchip_take_extint(&chip);
}

TEST(masked_and_initialized)
{
	make_pic();
	CHECK_EQ(pic_read(pic, 0x21), 0);
	pic_write(pic, 0x21, 0xfe);
	CHECK_EQ(pic_read(pic, 0x21), 0xfe);
	CHECK_EQ(raise_pin(3), -1);
	CHECK(!intr());
	CHECK_EQ(pic_read(pic, 0x20), 8);		/* requested all the same */
	pic_write(pic, 0x21, 0xf6);
	CHECK(intr());
	CHECK_EQ(inta(), 0x0b);
	pic_write(pic, 0x20, 0x11);			/* ICW1 forgets edges, masks and services */
	CHECK_EQ(pic_read(pic, 0x20), 0);
	CHECK_EQ(pic_read(pic, 0x21), 0);
	pic_write(pic, 0x20, 0x10);			/* without ICW4 */
	pic_write(pic, 0x21, 0x47);			/* low bits of the base don't count */
	pic_write(pic, 0x21, 4);
	pic_write(pic, 0x21, 0x01);			/* a mask already */
	CHECK_EQ(pic_read(pic, 0x21), 1);
	pulse(1);
	CHECK_EQ(inta(), 0x41);
	drop_irqchip();
}

TEST(priorities)
{
	make_pic();
	kicks[0] = 0;
	CHECK_EQ(raise_pin(5), 1);
	CHECK(kicks[0] > 0);
	CHECK_EQ(raise_pin(5), 1);			/* no new edge */
	lower_pin(5);
	CHECK_EQ(raise_pin(5), 0);			/* coalesced */
	raise_pin(1);
	CHECK_EQ(inta(), 0x09);
	CHECK(!intr());					/* 5 waits for 1 */
	raise_pin(0);
	CHECK(intr());
	CHECK_EQ(inta(), 0x08);				/* a higher one nests */
	pic_write(pic, 0x20, 0x0b);
	CHECK_EQ(pic_read(pic, 0x20), 3);		/* ISR */
	pic_write(pic, 0x20, 0x0a);
	CHECK_EQ(pic_read(pic, 0x20), 0x20);		/* IRR */
	pic_write(pic, 0x20, 0x20);
	CHECK(!intr());
	pic_write(pic, 0x20, 0x20);
	CHECK(intr());
	CHECK_EQ(inta(), 0x0d);
	pic_write(pic, 0x20, 0x65);			/* specific */
	CHECK_EQ(pic->half[0].isr, 0);
	drop_irqchip();
}

TEST(cascade)
{
	make_pic();
	CHECK_EQ(raise_pin(2), -1);			/* not a pin of its own */
	CHECK(!intr());
	pulse(12);
	CHECK(intr());
	CHECK_EQ(inta(), 0x74);
	CHECK_EQ(pic->half[0].isr, 4);
	CHECK_EQ(pic->half[1].isr, 0x10);
	pulse(9);					/* higher in the slave, but the master holds IR2 */
	CHECK(!intr());
	pic_write(pic, 0x20, 0x62);
	CHECK(intr());
	CHECK_EQ(inta(), 0x71);
	pic_write(pic, 0xa0, 0x20);			/* ends 9, the highest in service */
	pic_write(pic, 0x20, 0x20);
	CHECK_EQ(pic->half[1].isr, 0x10);
	pic_write(pic, 0xa0, 0x20);
	CHECK(!intr());
	drop_irqchip();
}

TEST(special_fully_nested)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	pic = chip.pic;
	init_half(0x20, 0x20, 0x11);
	init_half(0xa0, 0x28, 0x01);
	pulse(12);
	CHECK_EQ(inta(), 0x2c);
	pulse(9);
	CHECK(intr());					/* the slave's own order holds */
	CHECK_EQ(inta(), 0x29);
	pulse(13);
	CHECK(!intr());
	drop_irqchip();
}

TEST(spurious)
{
	make_pic();
	CHECK_EQ(inta(), 0x0f);
	CHECK_EQ(pic->half[0].isr, 0);
	/* A level of the slave that goes away between the two INTAs can't be seen here; one that was masked in the slave is. */
	elcr_write(pic, 0x4d1, 0x02);
	raise_pin(9);
	CHECK(intr());
	lower_pin(9);
	CHECK(!intr());
	pic->half[0].irr |= 4;
	CHECK_EQ(inta(), 0x77);
	CHECK_EQ(pic->half[0].isr, 4);			/* the master did acknowledge */
	CHECK_EQ(pic->half[1].isr, 0);
	drop_irqchip();
}

TEST(rotation)
{
	make_pic();
	pulse(3);
	CHECK_EQ(inta(), 0x0b);
	pic_write(pic, 0x20, 0xa0);			/* rotate on non-specific EOI: 3 is last now */
	pulse(3);
	pulse(4);
	CHECK_EQ(inta(), 0x0c);
	pic_write(pic, 0x20, 0xe4);			/* rotate on specific EOI */
	CHECK_EQ(pic->half[0].priority_add, 5);
	pic_write(pic, 0x20, 0xc1);			/* set priority: 1 is last */
	pulse(1);
	CHECK_EQ(inta(), 0x0b);
	pic_write(pic, 0x20, 0x20);
	CHECK_EQ(inta(), 0x09);
	pic_write(pic, 0x20, 0x40);			/* no operation */
	CHECK_EQ(pic->half[0].isr, 2);
	pic_write(pic, 0x20, 0x20);
	pic_write(pic, 0x20, 0x20);			/* nothing in service */
	CHECK_EQ(pic->half[0].isr, 0);
	drop_irqchip();
}

TEST(automatic_eoi)
{
	make_irqchip(IRQCHIP_KERNEL, 1);
	pic = chip.pic;
	init_half(0x20, 0x20, 3);
	pulse(4);
	CHECK_EQ(inta(), 0x24);
	CHECK_EQ(pic->half[0].isr, 0);
	pic_write(pic, 0x20, 0x80);			/* rotate in this mode */
	pulse(4);
	CHECK_EQ(inta(), 0x24);
	CHECK_EQ(pic->half[0].priority_add, 5);
	pic_write(pic, 0x20, 0x00);
	pulse(6);
	CHECK_EQ(inta(), 0x26);
	CHECK_EQ(pic->half[0].priority_add, 5);
	drop_irqchip();
}

TEST(special_mask)
{
	make_pic();
	pulse(1);
	CHECK_EQ(inta(), 0x09);
	pulse(6);
	CHECK(!intr());
	pic_write(pic, 0x20, 0x68);			/* special mask mode */
	pic_write(pic, 0x21, 0x02);			/* what is in service and masked holds nobody up */
	CHECK(intr());
	CHECK_EQ(inta(), 0x0e);
	pic_write(pic, 0x20, 0x20);			/* ends 6, not the masked 1 */
	CHECK_EQ(pic->half[0].isr, 2);
	pic_write(pic, 0x20, 0x48);
	CHECK_EQ(pic->half[0].special_mask, 0);
	drop_irqchip();
}

TEST(poll)
{
	make_pic();
	pic_write(pic, 0x20, 0x0c);
	CHECK_EQ(pic_read(pic, 0x20), 0);		/* nothing */
	pulse(6);
	pic_write(pic, 0x20, 0x0c);
	CHECK_EQ(pic_read(pic, 0x20), 0x86);
	CHECK_EQ(pic->half[0].isr, 0x40);
	CHECK_EQ(pic_read(pic, 0x20), 0);		/* one read only; IRR again */
	pulse(10);
	pic_write(pic, 0xa0, 0x0c);
	CHECK_EQ(pic_read(pic, 0xa1), 0x82);
	drop_irqchip();
}

TEST(edge_and_level)
{
	make_pic();
	elcr_write(pic, 0x4d0, 0xff);
	elcr_write(pic, 0x4d1, 0xff);
	CHECK_EQ(elcr_read(pic, 0x4d0), 0xf8);
	CHECK_EQ(elcr_read(pic, 0x4d1), 0xde);
	CHECK_EQ(raise_pin(5), 1);
	CHECK_EQ(inta(), 0x0d);
	pic_write(pic, 0x20, 0x20);
	CHECK(intr());					/* still up */
	CHECK_EQ(inta(), 0x0d);
	lower_pin(5);
	pic_write(pic, 0x20, 0x20);
	CHECK(!intr());
	/* An edge, in contrast, is remembered. */
	elcr_write(pic, 0x4d0, 0);
	pulse(5);
	CHECK(intr());
	CHECK_EQ(inta(), 0x0d);
	pic_write(pic, 0x20, 0x20);
	/* A line that is up becomes a request when its pin becomes level-triggered. */
	raise_pin(6);
	CHECK_EQ(inta(), 0x0e);
	pic_write(pic, 0x20, 0x20);
	CHECK(!intr());
	elcr_write(pic, 0x4d0, 0x40);
	CHECK(intr());
	drop_irqchip();
}

TEST(sources_are_ored)
{
	make_pic();
	elcr_write(pic, 0x4d0, 0x20);
	pic_set_pin(pic, 5, IRQ_SOURCE_USER, 1);
	pic_set_pin(pic, 5, IRQ_SOURCE_IRQFD_RESAMPLE, 1);
	pic_set_pin(pic, 5, IRQ_SOURCE_USER, 0);
	CHECK(intr());
	pic_set_pin(pic, 5, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	CHECK(!intr());
	drop_irqchip();
}

TEST(who_is_interrupted)
{
	make_pic();
	add_apic(1);
	enable_all();
	memset(kicks, 0, sizeof(kicks));
	pulse(4);
	CHECK_EQ(kicks[0], 1);
	CHECK_EQ(kicks[1], 0);				/* its LINT0 is masked */
	apic_write(&apics[0], APIC_LVT0, 0x10700);
	CHECK(!intr());
	vcpus[0].requests = 0;
	apic_write(&apics[0], APIC_LVT0, 0x700);
	CHECK(vcpu_check_request(&vcpus[0], REQ_EVENT));	/* it waited for this */
	CHECK(intr());
	apic_write(&apics[0], APIC_LVT0, 0x400);		/* NMI: not the PIC's way */
	CHECK(!intr());
	drop_irqchip();
}

TEST(state)
{
	struct kvm_irqchip one = { .chip_id = KVM_IRQCHIP_PIC_MASTER }, two = one;

	make_pic();
	elcr_write(pic, 0x4d0, 0x80);
	raise_pin(7);
	raise_pin(4);
	CHECK_EQ(inta(), 0x0c);
	CHECK_EQ(irqchip_get_state(&chip, &one), 0);
	CHECK_EQ(one.chip.pic.irq_base, 8);
	CHECK_EQ(one.chip.pic.isr, 0x10);
	CHECK_EQ(one.chip.pic.irr, 0x80);
	init_half(0x20, 0x50, 1);
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	CHECK_EQ(irqchip_get_state(&chip, &two), 0);
	CHECK_MEM(&one, &two, sizeof(one));
	pic_write(pic, 0x20, 0x20);
	CHECK(intr());
	lower_pin(7);					/* who drove it goes on driving it */
	CHECK(!intr());
	/* Nobody drives it now: whoever lowers it did. */
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	pic_write(pic, 0x20, 0x20);
	CHECK(intr());
	pic_set_pin(pic, 7, IRQ_SOURCE_IRQFD_RESAMPLE, 0);
	CHECK(!intr());
	/* Values that no 8259 has. */
	one.chip_id = KVM_IRQCHIP_PIC_SLAVE;
	memset(&one.chip.pic, 0xff, sizeof(one.chip.pic));
	CHECK_EQ(irqchip_set_state(&chip, &one), 0);
	CHECK_EQ(irqchip_get_state(&chip, &one), 0);
	CHECK_EQ(one.chip.pic.priority_add, 7);
	CHECK_EQ(one.chip.pic.init_state, 3);
	CHECK_EQ(one.chip.pic.elcr, 0xde);
	CHECK_EQ(one.chip.pic.poll, 1);
	/* Vectors are eight in a row and end within a byte. */
	CHECK_EQ(one.chip.pic.irq_base, 0xf8);
	inta();
	one.chip_id = 3;
	CHECK_EQ(irqchip_get_state(&chip, &one), -EINVAL);
	CHECK_EQ(irqchip_set_state(&chip, &one), -EINVAL);
	drop_irqchip();
}
