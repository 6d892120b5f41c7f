/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM with an irqchip and LAPICs, and nothing else: for the tests of src/irqchip. Each test includes all of it, as the module does. */
#ifndef UNIT_IRQ_FIXTURE_H
#define UNIT_IRQ_FIXTURE_H

#include "check.h"
#include "irqchip/apic_map.c"
#include "irqchip/deliver.c"
#include "irqchip/lapic.c"
#include "irqchip/lapic_timer.c"
#include "irqchip/lapic_state.c"
#include "irqchip/pic.c"
#include "irqchip/ioapic.c"
#include "irqchip/pit.c"
#include "irqchip/route.c"
#include "irqchip/irqfd.c"
#include "irqchip/irqchip.c"

#define MAX_APICS 24

static struct vm vm;
static struct irqchip chip;
static struct vcpu vcpus[MAX_APICS];
static struct lapic apics[MAX_APICS];
static int nr_apics, kicks[MAX_APICS];

/* What another thread does at that moment; once. */
static void (*on_kick)(void);

void vcpu_kick(struct vcpu *vcpu)
{
	void (*meanwhile)(void) = on_kick;

	kicks[vcpu - vcpus]++;
	on_kick = NULL;
	if (meanwhile)
		meanwhile();
}

static void make_vm(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(&chip, 0, sizeof(chip));
	memset(kicks, 0, sizeof(kicks));
	nr_apics = 0;
	mutex_init(&vm.irq_lock);
	irqchip_init(&chip, &vm);
}

static void add_apic(u32 id)
{
	struct vcpu *vcpu = &vcpus[nr_apics];
	struct lapic *apic = &apics[nr_apics];

	memset(vcpu, 0, sizeof(*vcpu));
	memset(apic, 0, sizeof(*apic));
	vcpu->vm = &vm;
	vcpu->id = id;
	CHECK_EQ(lapic_create(apic, vcpu, &chip), 0);
	apic->x2apic_allowed = apic->tsc_deadline_allowed = true;
	nr_apics++;
	atomic_inc(&vm.nr_vcpus);
}

/* @n LAPICs with ids from 0, after RESET. */
static void make_irqchip(enum irqchip_mode mode, int n)
{
	int i;

	make_vm();
	CHECK_EQ(mode == IRQCHIP_SPLIT ? irqchip_create_split(&chip, &vm, 24) : irqchip_create(&chip, &vm), 0);
	if (mode != IRQCHIP_SPLIT)
		irqchip_publish(&chip);
	for (i = 0; i < n; i++)
		add_apic(i);
	shim_run_works();
}

static void drop_irqchip(void)
{
	int i;

	for (i = 0; i < nr_apics; i++)
		lapic_destroy(&apics[i]);
	irqchip_destroy(&chip);
	synchronize_rcu();
	CHECK_EQ(shim_live, 0);
	CHECK_EQ(shim_live_pages, 0);
}

static u32 apic_read(struct lapic *apic, u32 reg)
{
	u32 val = 0xdeadbeef;

	lapic_mmio_read(apic, reg, 4, &val);
	return val;
}

static void apic_write(struct lapic *apic, u32 reg, u32 val)
{
	lapic_mmio_write(apic, reg, 4, &val);
}

static void enable_apic(struct lapic *apic)
{
	apic_write(apic, APIC_SPIV, 0x1ff);
}

static void enable_all(void)
{
	int i;

	for (i = 0; i < nr_apics; i++)
		enable_apic(&apics[i]);
	shim_run_works();
}

static void go_x2apic(struct lapic *apic)
{
	CHECK_EQ(lapic_set_base(apic, apic->base | X2APIC_ENABLE, false), 0);
	shim_run_works();
}

/* Take what is pending, as the run loop does. -1: nothing. */
static int take(struct lapic *apic)
{
	int vector = lapic_highest_pending(apic);

	if (vector >= 0)
		lapic_accept(apic, vector);
	return vector;
}

/* Bit mask of the LAPICs that have @vector pending, which is taken back. */
static u32 who_got(u8 vector)
{
	u32 mask = 0;
	int i;

	for (i = 0; i < nr_apics; i++)
		if (test_and_clear_bit(vector & 31, lapic_vector_word(&apics[i], APIC_IRR, vector)))
			mask |= 1u << i;
	return mask;
}

/* Tell the end of what was taken, as vcpu/io.c does. The vector that went to the IOAPIC or the VMM, or -1. */
static int eoi(struct lapic *apic)
{
	int vector, last = -1;

	if (lapic_mode(apic) == APIC_X2APIC)
		CHECK_EQ(lapic_msr_write(apic, 0x80b, 0), 0);
	else
		apic_write(apic, APIC_EOI, 0);
	while ((vector = lapic_take_level_eoi(apic)) >= 0) {
		last = vector;
		irqchip_eoi(&chip, apic->vcpu, vector);
	}
	return last;
}

#endif
