// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: whatever a guest and its VMM do to the interrupt controllers, no check of the sanitizers or of the shim fails, and all that was
 * allocated is freed. The input is a list of operations of four bytes: what, where, two bytes of value.
 */
#define UNIT_NO_MAIN
#include "irq_fixture.h"

#define NR_APICS	3
#define NR_FDS		3

static int fds[NR_FDS];

struct op { u8 what, where; u16 val; };

static u32 wide(u16 val)
{
	/* Small numbers, and all bits of a register. */
	return val & 0x8000 ? (u32)val * 0x10001u : val;
}

static void fuzz_state(struct lapic *a, const struct op *op)
{
	static struct kvm_lapic_state lapic;
	static struct kvm_irqchip s;
	static struct kvm_pit_state2 pit;

	switch (op->where % 6) {
	case 0:
		lapic_get_state(a, &lapic);
		break;
	case 1:
		lapic.regs[op->val % KVM_APIC_REG_SIZE] = op->val >> 8;
		lapic_set_state(a, &lapic);
		break;
	case 2:
		s.chip_id = op->val % 4;
		irqchip_get_state(&chip, &s);
		break;
	case 3:
		s.chip.dummy[op->val % sizeof(s.chip)] = op->val >> 8;
		irqchip_set_state(&chip, &s);
		break;
	case 4:
		pit_get_state(&chip, &pit);
		break;
	case 5:
		((u8 *)&pit)[op->val % sizeof(pit.channels)] = op->val >> 8;
		pit_set_state(&chip, &pit);
		break;
	}
}

static void fuzz_irqfd(const struct op *op)
{
	struct kvm_irqfd args = { .fd = fds[op->where % NR_FDS], .gsi = op->val & 31, .resamplefd = fds[op->val >> 8 & 1] };

	args.flags = op->val >> 12 & 2;
	switch (op->where >> 4 & 3) {
	case 0:
		irqfd_assign(&chip, &args);
		break;
	case 1:
		irqfd_deassign(&chip, &args);
		break;
	default:
		shim_eventfd_write(fds[2], 1);
		shim_eventfd_write(args.fd, 1);
		break;
	}
}

static void fuzz_routing(const struct op *op)
{
	struct kvm_irq_routing_entry e[4] = { 0 };
	int i;

	for (i = 0; i < 4; i++) {
		u32 bits = op->val >> i * 3;

		e[i] = pin_entry(op->where + (bits & 1), bits >> 1 & 3, (op->where >> 2) % 25);
		if (bits & 4) {
			e[i].type = KVM_IRQ_ROUTING_MSI;
			e[i].u.msi.address_lo = 0xfee00000 | op->where << 10;
			e[i].u.msi.data = op->val;
		}
	}
	irqchip_set_routing(&chip, e, op->val & 4 ? 4 : 1, 0);
}

static void fuzz_run(struct lapic *a, const struct op *op)
{
	int vector;

	switch (op->where & 3) {
	case 0:
		if (irqchip_has_extint(&chip, a))
			irqchip_take_extint(&chip);
		break;
	case 1:
		take(a);
		break;
	case 2:
		if (lapic_mode(a) != APIC_DISABLED) {
			vector = lapic_eoi(a);
			if (vector >= 0)
				irqchip_eoi(&chip, a->vcpu, vector);
		}
		while ((vector = lapic_take_level_eoi(a)) >= 0)
			irqchip_eoi(&chip, a->vcpu, vector);
		break;
	case 3:
		lapic_timer_latch(a);
		break;
	}
}

static void fuzz_port(const struct op *op)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61 };
	u16 port = ports[op->where % ARRAY_SIZE(ports)];
	bool in = op->val & 0x100;

	if (port == 0x61)
		in ? (void)speaker_read(chip.pit) : speaker_write(chip.pit, op->val);
	else if (port >= 0x4d0)
		in ? (void)elcr_read(chip.pic, port) : elcr_write(chip.pic, port, op->val);
	else if (port >= 0x40 && port < 0x44)
		in ? (void)pit_read(chip.pit, port) : pit_write(chip.pit, port, op->val);
	else
		in ? (void)pic_read(chip.pic, port) : pic_write(chip.pic, port, op->val);
}

static void fuzz_op(const struct op *op)
{
	struct lapic *a = &apics[op->what >> 4 & 3 ? (op->what >> 4 & 3) - 1 : 0];
	struct apic_tsc tsc = { .offset = wide(op->val), .ratio = op->where, .ratio_frac_bits = 4, .khz = op->val };
	u32 val = wide(op->val), sel = op->where;
	u64 buf[2] = { val, val };

	switch (op->what & 15) {
	case 0:
	case 1:
		apic_write(a, op->where << 4, val);
		break;
	case 2:
		lapic_mmio_write(a, op->where << 4 | (op->val & 15), op->val >> 12, buf);
		lapic_mmio_read(a, op->where << 4 | (op->val & 15), op->val >> 12, buf);
		break;
	case 3:
	case 4:
		lapic_msr_write(a, 0x800 + op->where, op->where == 0x30 ? (u64)(op->val >> 14) << 32 | op->val : val);
		lapic_msr_read(a, 0x800 + op->where, buf);
		break;
	case 5:
		lapic_msr_write(a, MSR_IA32_TSC_DEADLINE, op->where & 1 ? shim_tsc + val : (u64)val << 32);
		lapic_msr_read(a, MSR_IA32_TSC_DEADLINE, buf);
		lapic_set_tsc(a, &tsc);
		break;
	case 6:
		lapic_set_base(a, 0xfee00000 | (op->val & 0xf00), op->where & 1);
		break;
	case 7:
		ioapic_write(chip.ioapic, 0, 4, &sel);
		ioapic_write(chip.ioapic, 0x10, 4, &val);
		ioapic_read(chip.ioapic, op->where & 0x10, 4, &val);
		break;
	case 8:
		fuzz_port(op);
		break;
	case 9:
		irqchip_set_gsi(&chip, op->where, op->val % NR_IRQ_SOURCES, op->val & 0x100);
		break;
	case 10:
		irqchip_send_msi(&chip, 0xfee00000 | op->where << 12 | (op->val >> 12 & 0xc), op->val);
		break;
	case 11:
		fuzz_state(a, op);
		break;
	case 12:
		fuzz_irqfd(op);
		break;
	case 13:
		fuzz_routing(op);
		break;
	case 14:
		shim_advance((u64)op->val << (op->where & 15));
		shim_run_works();
		break;
	case 15:
		fuzz_run(a, op);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	size_t i;

	for (i = 0; i < NR_FDS; i++)
		fds[i] = fds[i] ? fds[i] : shim_eventfd();
	make_irqchip(IRQCHIP_KERNEL, NR_APICS);
	pit_publish(pit_create(&chip, &config));
	enable_all();
	for (i = 0; i + sizeof(struct op) <= size && i < 4096; i += sizeof(struct op)) {
		struct op op;

		memcpy(&op, data + i, sizeof(op));
		fuzz_op(&op);
	}
	drop_irqchip();
	return 0;
}
