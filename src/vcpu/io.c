// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bus switch: core/iobus says which device answers an address, the cases here call it by name.
 * Process context with vm->srcu held where a handler says so; the devices themselves don't sleep.
 */
#include "vcpu/io_inline.h"

/* Devices whose registers are single bytes take a wider access as consecutive bytes. */
static void iodev_write_byte(const struct iodev *d, u16 port, u8 val)
{
	switch (d->kind) {
	case IODEV_PIC:
		pic_write(d->dev, port, val);
		break;
	case IODEV_ELCR:
		elcr_write(d->dev, port, val);
		break;
	case IODEV_PIT:
		pit_write(d->dev, port, val);
		break;
	case IODEV_SPEAKER:
		speaker_write(d->dev, val);
		break;
	default:
		break;
	}
}

static u8 iodev_read_byte(const struct iodev *d, u16 port)
{
	switch (d->kind) {
	case IODEV_PIC:
		return pic_read(d->dev, port);
	case IODEV_ELCR:
		return elcr_read(d->dev, port);
	case IODEV_PIT:
		return pit_read(d->dev, port);
	case IODEV_SPEAKER:
		return speaker_read(d->dev);
	default:
		return 0xff;
	}
}

static u64 io_value(const void *val, u32 len)
{
	u64 x = 0;

	memcpy(&x, val, min_t(u32, len, sizeof(x)));
	return x;
}

/* RCU held. false: the device does not want this access, look on. */
static bool iodev_write(struct vm *vm, const struct iodev *d, gpa_t addr, u32 len, const void *val)
{
	u32 i;

	switch (d->kind) {
	case IODEV_IOEVENTFD:
		if (!ioeventfd_matches(d->dev, addr, len, io_value(val, len)))
			return false;
		ioeventfd_ring(d->dev);
		return true;
	case IODEV_COALESCED:
		return coalesced_write(vm, d->dev, addr, len, val);
	case IODEV_IOAPIC:
		ioapic_write(d->dev, addr - d->base, len, val);
		return true;
	default:
		for (i = 0; i < len; i++)
			iodev_write_byte(d, addr + i, ((const u8 *)val)[i]);
		return true;
	}
}

static bool iodev_read(const struct iodev *d, gpa_t addr, u32 len, void *val)
{
	u32 i;

	switch (d->kind) {
	case IODEV_IOEVENTFD:
	case IODEV_COALESCED:
		return false;
	case IODEV_IOAPIC:
		ioapic_read(d->dev, addr - d->base, len, val);
		return true;
	default:
		for (i = 0; i < len; i++)
			((u8 *)val)[i] = iodev_read_byte(d, addr + i);
		return true;
	}
}

static bool iobus_write(struct vm *vm, struct iobus *bus, gpa_t addr, u32 len, const void *val)
{
	struct iobus_search s;
	struct iodev *d;
	bool done = false;

	rcu_read_lock();
	s = iobus_begin(bus, iobus_devs(bus), addr, len);
	while (!done && (d = iobus_next(&s)))
		done = iodev_write(vm, d, addr, len, val);
	rcu_read_unlock();
	return done;
}

static bool iobus_read(struct iobus *bus, gpa_t addr, u32 len, void *val)
{
	struct iobus_search s;
	struct iodev *d;
	bool done = false;

	rcu_read_lock();
	s = iobus_begin(bus, iobus_devs(bus), addr, len);
	while (!done && (d = iobus_next(&s)))
		done = iodev_read(d, addr, len, val);
	rcu_read_unlock();
	return done;
}

bool io_write(struct vcpu_x86 *v, u16 port, u32 len, const void *val)
{
	return iobus_write(v->vcpu.vm, &v->vcpu.vm->pio, port, len, val);
}

bool io_read(struct vcpu_x86 *v, u16 port, u32 len, void *val)
{
	return iobus_read(&v->vcpu.vm->pio, port, len, val);
}

/**
 * ring_doorbell() - signal the eventfd that waits for this write, and note in @memo which it was.
 * false: there is none, or another device comes first, or many do. RCU held, or IRQs off: where an
 * eventfd's lock may sleep (PREEMPT_RT), it is left to iobus_write().
 */
bool ring_doorbell(struct iobus *bus, struct io_memo *memo, gpa_t addr, u32 len, u64 val)
{
	struct iobus_search s;
	struct iodev *d;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	s = iobus_begin(bus, iobus_devs(bus), addr, len);
	iobus_hurry(&s);
	while ((d = iobus_next(&s))) {
		if (d->kind != IODEV_IOEVENTFD)
			return false;
		if (!ioeventfd_matches(d->dev, addr, len, val))
			continue;
		memo->devs = s.devs->generation;
		memo->index = s.pos - 1;
		memo->len = len;
		ioeventfd_ring(d->dev);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------------ MMIO */

/**
 * is_lapic_page() - the LAPIC's page is this vCPU's own and hides whatever else is there (SDM 3A,
 * 11.4.1). vCPU thread.
 */
bool is_lapic_page(const struct vcpu_x86 *v, gpa_t gpa)
{
	return gpa_to_gfn(gpa ^ v->apic.base) == 0 && v->has_apic && v->apic.mode != APIC_DISABLED;
}

/*
 * In x2APIC mode the page is gone, but for a VMM that has not disabled
 * KVM_X86_QUIRK_LAPIC_MMIO_HOLE: then it is there and empty. Returns true when the access is to be
 * ended here, false when it goes to the bus.
 */
static bool lapic_page_is_empty(struct vcpu_x86 *v)
{
	return v->apic.mode == APIC_X2APIC &&
	       !(v_vm(v)->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

/**
 * vcpu_level_eoi() - pass the ends of level-triggered interrupts on to the IOAPIC, or to the VMM
 * that has it. One at a time for the VMM: the others stay queued until it has been told.
 */
void vcpu_level_eoi(struct vcpu_x86 *v)
{
	int vector;

	if (likely(!v->apic.eois_queued))
		return;
	/* Until then .eoi_exit_vector is the last one's. */
	while (!test_bit(REQ_IOAPIC_EOI_EXIT, &v->vcpu.requests) &&
	       (vector = lapic_take_level_eoi(&v->apic)) >= 0) {
		if (!irqchip_eoi(&v_vm(v)->irqchip, &v->vcpu, vector))
			continue;
		v->eoi_exit_vector = vector;
		vcpu_request(&v->vcpu, REQ_IOAPIC_EOI_EXIT);
		vcpu_request(&v->vcpu, REQ_EVENT);
	}
}

bool mmio_write(struct vcpu_x86 *v, gpa_t gpa, u32 len, const void *val)
{
	if (is_lapic_page(v, gpa)) {
		if (v->apic.mode == APIC_XAPIC) {
			lapic_mmio_write(&v->apic, gpa & 0xfff, len, val);
			vcpu_level_eoi(v);
			return true;
		}
		if (lapic_page_is_empty(v))
			return true;
	}
	return iobus_write(v->vcpu.vm, &v->vcpu.vm->mmio, gpa, len, val);
}

bool mmio_read(struct vcpu_x86 *v, gpa_t gpa, u32 len, void *val)
{
	if (is_lapic_page(v, gpa)) {
		if (v->apic.mode == APIC_XAPIC) {
			lapic_mmio_read(&v->apic, gpa & 0xfff, len, val);
			return true;
		}
		if (lapic_page_is_empty(v)) {
			memset(val, 0xff, len);
			return true;
		}
	}
	return iobus_read(&v->vcpu.vm->mmio, gpa, len, val);
}
