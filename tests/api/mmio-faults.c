// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions with MMIO on one side and a fault on the other: the guest gets the fault, with
 * nothing done twice.
 */
#include "lib/api.h"

#define VA	0x40000000u			/* not present, or read-only */
#define RO	0x40001000u

GUEST64(movs_to_hole, mov $MMIO_BASE, %esi; mov $VA, %edi; movsl; jmp over);
GUEST64(movs_to_ro, mov $MMIO_BASE, %esi; mov $RO, %edi; movsl; jmp over);
GUEST64(movs_from_hole, mov $VA, %esi; mov $MMIO_BASE, %edi; movsl; jmp over);
GUEST64(rep_to_end, mov $MMIO_BASE, %esi; mov $VA - 8, %edi; mov $4, %ecx; rep movsl; jmp over);
GUEST64(push_to_hole, mov $MMIO_BASE, %ebx; mov $VA + 0x800, %esp; pushq (%rbx); jmp over);
GUEST64(pop_from_hole, mov $MMIO_BASE, %ebx; mov $VA + 0x800, %esp; popq (%rbx); jmp over);
GUEST64(not_canonical, mov $MMIO_BASE, %esi; mov $0x800000000000, %rdi; movsl; jmp over);
GUEST64(ins_to_hole, mov $VA, %edi; mov $0x80, %edx; insl; jmp over);
GUEST64(outs_from_hole, mov $VA, %esi; mov $0x80, %edx; outsl; jmp over);
GUEST64(ins_to_ro, mov $RO, %edi; mov $0x80, %edx; insl; jmp over);
GUEST64(over, mov $GUEST_STACK + 0x1000, %esp; DONE);

static const struct {
	const char *name, *entry;
} rows[] = {
	{ "MOVS to what is not mapped", movs_to_hole }, { "MOVS to read-only", movs_to_ro },
	{ "MOVS from what is not mapped", movs_from_hole }, { "REP MOVS up to it", rep_to_end },
	{ "PUSH to it", push_to_hole }, { "POP from it", pop_from_hole }, { "MOVS, not canonical", not_canonical },
	{ "INS to it", ins_to_hole }, { "OUTS from it", outs_from_hole }, { "INS to read-only", ins_to_ro },
};

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_long(v, rows[i].entry);
		map_4k(&vm, VA - 0x1000, 0x50000, 3);
		map_4k(&vm, VA, 0x51000, 0);
		map_4k(&vm, RO, 0x52000, 1);
		/* Exceptions come on their own stack, IST1. */
		*(u64 *)((u8 *)gpa_ptr(&vm, GUEST_TSS) + 0x24) = GUEST_STACK + 0x2000;
		for (int vector = 8; vector < 15; vector++)
			((u64 *)gpa_ptr(&vm, GUEST_IDT))[2 * vector] |= 1ull << 32;
		shared(&vm)->nlog = 0;
		shared(&vm)->resume = (uintptr_t)over;
		see("-- %s", rows[i].name);
		/* How many reads are made before the fault is KVM's choice: they are not said. */
		check_eq(quiet_exits(v), GO_DONE);
		see_log(&vm);
		see_regs(v, "rcx rsi rdi");
	}
}
