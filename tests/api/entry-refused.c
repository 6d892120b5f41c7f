// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state that the ABI takes and the processor does not: KVM_RUN says so, nothing else happens, and
 * with a good state the same vCPU runs. CS both 64-bit (L) and 32-bit (D): APM 2, 15.5.1; SDM 3C, 27.3.1.2.
 * Intel's processors refuse more than that: states that on AMD's run somehow, or fault.
 */
#include <cpuid.h>
#include "lib/api.h"

GUEST64(guest, nop; mov $0x600d, %eax; REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;

static void cs_long_and_32(struct kvm_sregs *s)
{
	s->cs.db = 1;
}

static void cs_unusable(struct kvm_sregs *s)
{
	s->cs.present = 0;
	s->cs.unusable = 1;
}

static void cs_not_code(struct kvm_sregs *s)
{
	s->cs.type = 1;
}

static void cs_conforming_beyond_ss(struct kvm_sregs *s)
{
	s->cs.type = 15;
	s->cs.dpl = 3;
}

static void ss_not_writable(struct kvm_sregs *s)
{
	s->ss.type = 1;
}

static void es_execute_only(struct kvm_sregs *s)
{
	s->es.type = 9;
}

static void tr_in_ldt(struct kvm_sregs *s)
{
	s->tr.selector |= 4;
}

static void ldt_is_a_tss(struct kvm_sregs *s)
{
	s->ldt = s->tr;
}

static const struct { const char *name; void (*spoil)(struct kvm_sregs *s); } intels[] = {
	{ "unusable CS", cs_unusable }, { "CS is read-only data", cs_not_code }, { "conforming CS beyond SS", cs_conforming_beyond_ss },
	{ "SS not writable", ss_not_writable }, { "ES execute-only", es_execute_only }, { "TR's selector in the LDT", tr_in_ldt },
	{ "LDTR is a TSS", ldt_is_a_tss },
};

static void try(const char *name, void (*spoil)(struct kvm_sregs *s))
{
	struct kvm_sregs good, bad;

	vcpu_long(v, guest);
	get_sregs(v, &good);
	bad = good;
	spoil(&bad);
	set_sregs(v, &bad);
	check_eq(vcpu_run(v), 0);
	see("%s: exit %u", name, v->run->exit_reason);
	check_eq(v->run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	set_sregs(v, &good);
	vcpu_long(v, guest);
	check_eq(see_guest(v), GO_DONE);
}

/* Virtual-8086 mode whose segments don't follow from their selectors (SDM 3C, 27.3.1.2). */
static void virtual_8086(void)
{
	struct kvm_sregs good, s;
	struct kvm_regs r;

	vcpu_long(v, guest);
	get_sregs(v, &good);
	s = good;
	s.cr0 = 0x11;
	s.cr4 = s.efer = 0;
	s.cs.l = 0;
	s.cs.db = 1;
	set_sregs(v, &s);
	get_regs(v, &r);
	r.rflags = 0x20002;
	set_regs(v, &r);
	check_eq(vcpu_run(v), 0);
	see("virtual-8086 with flat segments: exit %u", v->run->exit_reason);
	check_eq(v->run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	r.rflags = 2;
	set_regs(v, &r);
	set_sregs(v, &good);
	vcpu_long(v, guest);
	check_eq(see_guest(v), GO_DONE);
}

void test(void)
{
	unsigned int eax, ebx = 0, ecx, edx;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (int i = 0; i < 3; i++)
		try("CS 64-bit and 32-bit", cs_long_and_32);
	__get_cpuid(0, &eax, &ebx, &ecx, &edx);
	if (ebx != signature_INTEL_ebx)
		return;
	for (unsigned int i = 0; i < sizeof(intels) / sizeof(*intels); i++)
		try(intels[i].name, intels[i].spoil);
	virtual_8086();
}
