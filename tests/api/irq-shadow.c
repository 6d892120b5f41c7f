// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a pending interrupt is taken: after STI's and MOV SS's shadow, after POPF and IRET, after
 * HLT, CLI in time.
 */
#include "lib/api.h"

GUEST64(by_sti, sti; nop; s1: nop; cli; DONE);
GUEST64(by_sti_cli, sti; cli; nop; sti; nop; s2: nop; DONE);
GUEST64(by_mov_ss, mov %ss, %eax; push $0x202; popfq; s3: mov %eax, %ss; nop; cli; DONE);
GUEST64(by_sti_ss, mov %ss, %eax; sti; mov %eax, %ss; s4: nop; s5: nop; cli; DONE);
GUEST64(by_iret,
	mov %rsp, %rax; push $SEL_DATA; push %rax; push $0x202; push $SEL_CODE64; push $s6; iretq;
		s6: nop; cli; DONE);
GUEST64(by_hlt, sti; hlt; s7: nop; cli; DONE);
/* Once more open at the end, so that an interrupt which was missed comes, and says so. */
GUEST64(by_cpuid, sti; cpuid; s8: nop; cli; sti; nop; nop; cli; DONE);
GUEST64(by_out, sti; out %al, $0x80; s9: nop; cli; sti; nop; nop; cli; DONE);
extern const char s1[], s2[], s3[], s4[], s5[], s6[], s7[], s8[], s9[];

static const struct {
	const char *name, *entry, *label;
} rows[] = {
	{ "STI", by_sti, s1 }, { "STI, CLI", by_sti_cli, s2 }, { "POPF", by_mov_ss, s3 }, { "STI, MOV SS", by_sti_ss, s4 },
	{ "IRET", by_iret, s6 }, { "STI, HLT", by_hlt, s7 }, { "STI, CPUID", by_cpuid, s8 }, { "STI, OUT", by_out, s9 },
};

void test(void)
{
	struct guest_event *e;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		lapic_enable(v);
		shared(&vm)->eoi = EOI_LAPIC;
		shared(&vm)->nlog = 0;
		must(msi(&vm, 0xfee00000, 0x41) == 1);
		check_eq(quiet_exits(v), GO_DONE);
		e = gpa_ptr(&vm, GUEST_LOG);
		see("%s: %u interrupts, %+lld from the label", rows[i].name, shared(&vm)->nlog,
		    (long long)(e->rip - (uintptr_t)rows[i].label));
		check_eq(shared(&vm)->nlog, 1);
	}
}
