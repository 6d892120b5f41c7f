// SPDX-License-Identifier: GPL-2.0-only
/*
 * x2APIC: registers as MSRs, ICR in 64 bits, self-IPI, destinations, what raises #GP, mode changes.
 */
#include "lib/api.h"

#define NVCPUS	4
#define V	0x60

GUEST64(rd, mov %edi, %ecx; rdmsr; REPORT_EAX; mov %edx, %eax; REPORT_EAX; over: DONE);
GUEST64(wr, mov %edi, %ecx; mov %esi, %eax; mov %ebp, %edx; wrmsr; mov $0x600d, %eax; REPORT_EAX;
	nop; DONE);
extern const char over[];

static struct vm vm;

static void op(const char *name, const char *entry, u32 msr, u64 value)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;

	vcpu_long(v, entry);
	get_regs(v, &r);
	r.rdi = msr;
	r.rsi = (u32)value;
	r.rbp = value >> 32;
	set_regs(v, &r);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	see("-- %s: 0x%x", name, msr);
	check_eq(see_guest(v), GO_DONE);
	if (shared(&vm)->nlog)
		see_log(&vm);
}

static void eoi_of_1(void)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;

	vcpu_long(v, wr);
	get_regs(v, &r);
	r.rdi = 0x80b;
	r.rsi = 1;
	r.rbp = 0;
	set_regs(v, &r);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	v->nreports = 0;
	check_eq(vcpu_go(v), GO_DONE);
	see("EOI of 1: %s", shared(&vm)->nlog ? "#GP" : "accepted");
}

static void see_arrived(bool which)
{
	int n = 0;

	for (int i = 0; i < NVCPUS; i++) {
		if (!lapic_pending(&vm.vcpu[i], V))
			continue;
		n++;
		if (which)
			see("at %d", i);
		set_lapic_reg(&vm.vcpu[i], 0x200 + V / 32 * 16, 0);
	}
	see("arrived %d times", n);
}

static void ipi(const char *name, u64 icr)
{
	op(name, wr, 0x830, icr);
	see_arrived((icr >> 8 & 7) != 1);
}

static void registers(void)
{
	op("ID", rd, 0x802, 0);
	op("version", rd, 0x803, 0);
	op("TPR", rd, 0x808, 0);
	op("LDR", rd, 0x80d, 0);
	op("SVR", rd, 0x80f, 0);
	op("LVT timer", rd, 0x832, 0);
	op("ICR", rd, 0x830, 0);
	op("DFR, which is not there", rd, 0x80e, 0);
	op("EOI cannot be read", rd, 0x80b, 0);
	op("self-IPI cannot be read", rd, 0x83f, 0);
	op("reserved", rd, 0x801, 0);
	op("ICR2, which is not there", rd, 0x831, 0);
	op("ID cannot be written", wr, 0x802, 0);
	op("LDR cannot be written", wr, 0x80d, 0);
	op("IRR cannot be written", wr, 0x820, 1);
	op("TPR", wr, 0x808, 0x20);
	op("TPR", rd, 0x808, 0);
	op("TPR, reserved bits", wr, 0x808, 0x100000020);
	op("TPR", wr, 0x808, 0);
	op("EOI of 0", wr, 0x80b, 0);
	eoi_of_1();
}

static void destinations(void)
{
	ipi("physical, to 2", 2ull << 32 | V);
	ipi("physical, to 9, which is not there", 9ull << 32 | V);
	ipi("physical, 0xff is no broadcast", 0xffull << 32 | V);
	ipi("broadcast", 0xffffffffull << 32 | V);
	ipi("logical, 1 and 3", 0xaull << 32 | 0x800 | V);
	ipi("logical, cluster 1, empty", 0x10001ull << 32 | 0x800 | V);
	ipi("logical, broadcast", 0xffffffffull << 32 | 0x800 | V);
	ipi("logical, lowest priority", 0xeull << 32 | 0x900 | V);
	ipi("all but self", 0xc0000 | V);
	op("self-IPI", wr, 0x83f, V);
	see_arrived(true);
}

/* xAPIC to x2APIC and off are ways; back to xAPIC is none. */
static void modes(void)
{
	op("back to xAPIC", wr, 0x1b, 0xfee00900);
	op("x2APIC without being enabled", wr, 0x1b, 0xfee00500);
	op("off", wr, 0x1b, 0xfee00100);
	op("off to x2APIC", wr, 0x1b, 0xfee00d00);
	op("ID while off", rd, 0x802, 0);
	op("xAPIC", wr, 0x1b, 0xfee00900);
	op("ID in xAPIC mode", rd, 0x802, 0);
	op("x2APIC", wr, 0x1b, 0xfee00d00);
	op("ID", rd, 0x802, 0);
	op("APIC base", rd, 0x1b, 0);
}

void test(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	for (int i = 0; i < NVCPUS; i++) {
		struct vcpu *v = vcpu_create(&vm, i);

		vcpu_long(v, rd);
		set_mp_state(v, KVM_MP_STATE_RUNNABLE);
		see("vCPU %d to x2APIC: %d", i, set_msr(v, 0x1b, 0xfee00c00 | (i ? 0 : 0x100)));
		lapic_enable(v);
	}
	registers();
	destinations();
	modes();
}
