/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM's interrupt controllers: 8259 pair, IOAPIC, 8254, GSI routing, irqfds; and what the vCPU
 * floor asks of them. The LAPIC of each vCPU is irqchip/lapic.h. Nothing here knows the processor;
 * a vCPU is kicked through core/vcpu.h.
 *
 * Locks: routing table and irqfd list: vm->irq_lock to write, RCU/SRCU to read. pic.lock,
 * ioapic.lock, pit.lock: spinlocks, taken in this order: pit.lock, ioapic.lock | pic.lock (never
 * both), chip.map_lock; LAPIC registers need none (IRR is set with atomic bitops, the rest belongs
 * to the vCPU's thread).
 */
#ifndef IRQCHIP_IRQCHIP_H
#define IRQCHIP_IRQCHIP_H

#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "core/vm.h"
#include "irqchip/lapic.h"

enum irqchip_mode { IRQCHIP_NONE, IRQCHIP_KERNEL, IRQCHIP_SPLIT };

#define IOAPIC_NUM_PINS		24
#define PIC_NUM_PINS		16
#define GSI_MAX			4096	/* KVM_CAP_IRQ_ROUTING */

struct irqchip {
	struct vm *vm;
	/* set once under vm->lock, before the first vCPU; read with READ_ONCE */
	enum irqchip_mode mode;
	struct list_head lapics;	/* all LAPICs; written under map_lock, read under RCU */
	/* apic_map.c: who has which id; NULL while it is rebuilt */
	struct apic_map __rcu *apic_map;
	raw_spinlock_t map_lock;	/* innermost */
	u32 map_generation;	/* rises when an id, mode or logical id changes; under map_lock */
	struct delayed_work map_work;	/* rebuilds the map: fast exits may not sleep */
	struct work_struct retry_work;	/* irqchip_retry(), from where locks may not be taken */
	/* edge-triggered vectors whose EOI somebody waits for (PIT, irqfd resample) */
	DECLARE_BITMAP(edge_acks, 256);
	/* counts changes of edge_acks and of any LAPIC's TMR: lapic_awaited_ends() */
	atomic_t ends_generation;
	bool x2apic_format, x2apic_broadcast_quirk_disabled;	/* KVM_CAP_X2APIC_API */
	/* KVM_X86_QUIRK_LINT0_REENABLED: LINT0 of the BSP is masked at RESET */
	bool lint0_quirk_disabled;
	struct pic *pic;		/* pair; NULL unless IRQCHIP_KERNEL */
	bool intr;			/* ... and its INTR; written under its lock, read without */
	struct ioapic *ioapic;
	struct pit *pit;		/* NULL until KVM_CREATE_PIT2 */
	struct irq_routing __rcu *routing;
	bool had_irqfds;		/* vm->irq_lock */
	/* vm->irq_lock; resamplers are read under RCU; irqchip/irqfd.c */
	struct list_head irqfds, resamplers;
	u8 split_reserved_pins;		/* KVM_CAP_SPLIT_IRQCHIP */
	u32 bsp_id;			/* KVM_SET_BOOT_CPU_ID */
};

/**
 * irqchip_setup() - at module load: what all VMs share. Sleeps; -ENOMEM. irqchip_teardown() - no VM
 * is left.
 */
int irqchip_setup(void);
void irqchip_teardown(void);
/**
 * irqchip_create() - KVM_CREATE_IRQCHIP: PIC, IOAPIC, default routing. vm->lock held; sleeps.
 * -EEXIST, -EINVAL (vCPUs exist), -ENOMEM. The caller adds the devices' I/O ranges to the buses
 * (iobus entries IODEV_PIC ... with these pointers) and then calls irqchip_publish(): nobody else
 * knows of the irqchip before, so it can still be destroyed.
 */
int irqchip_create(struct irqchip *chip, struct vm *vm);
void irqchip_publish(struct irqchip *chip);
/**
 * irqchip_create_split() - KVM_CAP_SPLIT_IRQCHIP with @pins reserved for the VMM's IOAPIC routes.
 * Same.
 */
int irqchip_create_split(struct irqchip *chip, struct vm *vm, u8 pins);
void irqchip_init(struct irqchip *chip, struct vm *vm);
/**
 * irqchip_quiesce() - the VM ends, no vCPU runs, no ioctl is under way: irqfds and the PIT go,
 * which still reach LAPICs. Sleeps.
 */
void irqchip_quiesce(struct irqchip *chip);
/** irqchip_destroy() - the rest, after the LAPICs; or all of it. Sleeps. */
void irqchip_destroy(struct irqchip *chip);

/* ------------------------------------------------------------------ raising interrupts */

/**
 * irqchip_set_gsi() - drive a GSI as its routes say. @source: who drives it (a level-triggered pin
 * is the OR of its sources). Any context but NMI; takes irqchip locks. Returns <0: no route or
 * masked; 0: coalesced; >0: delivered (to how many).
 */
enum irq_source {
	IRQ_SOURCE_USER,
	IRQ_SOURCE_PIT,
	IRQ_SOURCE_IRQFD_RESAMPLE,
	IRQ_SOURCE_RESTORED,	/* KVM_SET_IRQCHIP: whoever it was, the next that is lowered was it */
	NR_IRQ_SOURCES
};
int irqchip_set_gsi(struct irqchip *chip, u32 gsi, enum irq_source source, int level);
/**
 * irqchip_pulse_gsi() - up and down again: an edge. Same context; returns what the rising edge did.
 */
int irqchip_pulse_gsi(struct irqchip *chip, u32 gsi, enum irq_source source);
/**
 * irqchip_send_msi() - KVM_SIGNAL_MSI and routed MSIs. Any context. -EINVAL: bad address/data; else
 * number of LAPICs reached.
 */
int irqchip_send_msi(struct irqchip *chip, u64 address, u32 data);
/**
 * irqchip_set_routing() - KVM_SET_GSI_ROUTING with entries copied in. Sleeps. -EINVAL, -ENOMEM; all
 * or nothing.
 */
int irqchip_set_routing(struct irqchip *chip, const struct kvm_irq_routing_entry *entries, u32 nr,
			u32 flags);

/* irqfd (KVM_IRQFD). Sleeps. Errors: api.rst 4.75. */
int irqfd_assign(struct irqchip *chip, const struct kvm_irqfd *args);
int irqfd_deassign(struct irqchip *chip, const struct kvm_irqfd *args);
void irqfd_destroy_all(struct irqchip *chip);

/* ------------------------------------------------------------------ what the vCPU asks */

/**
 * irqchip_eoi() - the LAPIC of @vcpu ended a level-triggered @vector: IOAPIC pins may fire again,
 * resamplers are told. Returns true when the VMM must be told (split irqchip: KVM_EXIT_IOAPIC_EOI).
 * vCPU thread, IRQs on.
 */
bool irqchip_eoi(struct irqchip *chip, struct vcpu *vcpu, u8 vector);
/**
 * irqchip_has_extint(), irqchip_take_extint() - the PIC's output towards the BSP's LINT0; take
 * acknowledges it (INTA) and returns the vector. vCPU thread.
 */
static inline bool irqchip_has_extint(const struct irqchip *chip, struct lapic *apic)
{
	return unlikely(READ_ONCE(chip->intr)) && lapic_accepts_extint(apic);
}
int irqchip_take_extint(struct irqchip *chip);

/* ------------------ registers, from the bus switch in vcpu/io.c; vCPU thread, may not sleep */

void pic_write(struct pic *pic, u16 port, u8 val);
u8 pic_read(struct pic *pic, u16 port);
void elcr_write(struct pic *pic, u16 port, u8 val);
u8 elcr_read(struct pic *pic, u16 port);
void ioapic_write(struct ioapic *ioapic, u32 offset, u32 len, const void *val);
void ioapic_read(struct ioapic *ioapic, u32 offset, u32 len, void *val);
/** pit_*: ports 0x40-0x43; speaker: 0x61. */
void pit_write(struct pit *pit, u16 port, u8 val);
u8 pit_read(struct pit *pit, u16 port);
void speaker_write(struct pit *pit, u8 val);
u8 speaker_read(struct pit *pit);

/* ------------------------------------------------------------------ state, from ioctls */

/** KVM_GET/SET_IRQCHIP. -EINVAL: no such chip. */
int irqchip_get_state(struct irqchip *chip, struct kvm_irqchip *state);
int irqchip_set_state(struct irqchip *chip, const struct kvm_irqchip *state);
/**
 * pit_create() - KVM_CREATE_PIT2. vm->lock held; sleeps. ERR_PTR: -EEXIST, -ENOENT (no irqchip),
 * -EINVAL (flags), -ENOMEM. The caller adds ports 0x40-43 and 0x61, and then calls pit_publish();
 * where there is no room for the ports, pit_free(): ioctls don't know of it before.
 */
struct pit *pit_create(struct irqchip *chip, const struct kvm_pit_config *config);
void pit_publish(struct pit *pit);
void pit_free(struct pit *pit);
/** pit_destroy() - the VM ends: no vCPU runs, no ioctl is under way. Sleeps. */
void pit_destroy(struct irqchip *chip);
/* -ENXIO: there is none; -EINVAL: flags. */
int pit_get_state(struct irqchip *chip, struct kvm_pit_state2 *state);
int pit_set_state(struct irqchip *chip, const struct kvm_pit_state2 *state);
int pit_set_reinject(struct irqchip *chip, bool reinject);

#endif
