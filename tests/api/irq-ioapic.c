// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC: registers through MMIO, edge and level, masks, Remote IRR and EOI, delivery modes,
 * destinations.
 */
#include "lib/api.h"

#define IOAPIC	0xfec00000
#define PIN	20
#define MASKED	0x10000
#define LEVEL	0x8000
#define LOW	0x2000
#define RIRR	0x4000

#define READ(n)		movl $n, (%rbx); mov 0x10(%rbx), %eax; REPORT_EAX
#define WRITE(n, val)	movl $n, (%rbx); movl $val, 0x10(%rbx)

GUEST64(registers,
	mov $IOAPIC, %ebx;
	READ(0); READ(1); READ(2);
	READ(0x38); READ(0x39);
	WRITE(0, 0x05000000); READ(0);
	WRITE(1, 0xffffffff); READ(1);
	WRITE(0x38, 0xffffffff); WRITE(0x39, 0xffffffff);
	READ(0x38); READ(0x39);
	WRITE(0x38, 0x10055); WRITE(0x39, 0);
	READ(0x38);
	READ(0x40); READ(0xff);
	mov (%rbx), %eax; REPORT_EAX;
	DONE);
GUEST64(window, sti; nop; nop; cli; DONE);
GUEST64(ask_handler,
	push %rax; push %rcx; out %al, $0x90; mov $0xfee000b0, %ecx; movl $0, (%rcx); pop %rcx;
		pop %rax; iretq);

static struct vm vm;
static struct vcpu *v;

static u64 pin_bits(int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	must_ioctl(vm.fd, KVM_GET_IRQCHIP, &chip);
	return chip.chip.ioapic.redirtbl[pin].bits;
}

static void run(const char *what, const char *entry)
{
	shared(&vm)->nlog = 0;
	vcpu_long(v, entry);
	see("-- %s", what);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
}

static void edge(void)
{
	set_ioapic_pin(&vm, PIN, 0x51);
	irq_line(&vm, PIN, 1);
	run("edge", window);
	run("edge, still up", window);
	irq_line(&vm, PIN, 1);
	run("edge, up again without going down", window);
	irq_line(&vm, PIN, 0);
	irq_line(&vm, PIN, 1);
	run("edge, down and up", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, MASKED | 0x51);
	irq_line(&vm, PIN, 1);
	run("edge, masked", window);
	set_ioapic_pin(&vm, PIN, 0x51);
	run("edge, unmasked by KVM_SET_IRQCHIP while up", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, LOW | 0x51);
	irq_line(&vm, PIN, 1);
	run("active low, up", window);
	irq_line(&vm, PIN, 0);
	run("active low, down", window);
}

/* Keeps the line up for as many interrupts, lowers it in the handler of the last. */
static void level(int times)
{
	int asked = 0;

	set_ioapic_pin(&vm, PIN, LEVEL | 0x52);
	see("-- level, %d times", times);
	irq_line(&vm, PIN, 1);
	see("Remote IRR %d", !!(pin_bits(PIN) & RIRR));
	vcpu_long(v, window);
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x90) {
		see("in the handler: Remote IRR %d", !!(pin_bits(PIN) & RIRR));
		if (++asked == times)
			irq_line(&vm, PIN, 0);
	}
	see_exit(v);
	check_eq(asked, times);
	see("after: Remote IRR %d", !!(pin_bits(PIN) & RIRR));
	check_eq(pin_bits(PIN) & RIRR, 0);
}

static void modes(void)
{
	set_ioapic_pin(&vm, PIN, 0x53 | 1ull << 56);
	irq_line(&vm, PIN, 1);
	run("physical, to an APIC that is not there", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, 0x54 | 0xffull << 56);
	irq_line(&vm, PIN, 1);
	run("physical, broadcast", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, 0x55 | 1 << 11 | 1ull << 56);
	irq_line(&vm, PIN, 1);
	run("logical", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, 0x56 | 1 << 11 | 1 << 8 | 3ull << 56);
	irq_line(&vm, PIN, 1);
	run("logical, lowest priority", window);
	irq_line(&vm, PIN, 0);
	set_ioapic_pin(&vm, PIN, 0x57 | 4 << 8);
	irq_line(&vm, PIN, 1);
	run("NMI", window);
	irq_line(&vm, PIN, 0);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IOAPIC_POLARITY_IGNORED);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	idt_gate(&vm, 0x52, ask_handler, 0x8e);
	shared(&vm)->eoi = EOI_LAPIC;
	lapic_enable(v);
	set_lapic_reg(v, 0xd0, 1 << 24);		/* LDR */
	run("registers", registers);
	edge();
	level(1);
	level(3);
	modes();
}
