// SPDX-License-Identifier: GPL-2.0-only
/* MOVS, STOS, LODS, CMPS, SCAS with MMIO on either side, repeated, both directions. */
#include "lib/api.h"

#define RAM	0x41000

GUEST64(to_mmio,
	cld; mov $RAM, %esi; mov $MMIO_BASE, %edi;
	mov $3, %ecx; rep movsb;
	mov $2, %ecx; rep movsw;
	mov $2, %ecx; rep movsl;
	mov $2, %ecx; rep movsq;
	movsl;
	hlt);
GUEST64(from_mmio,
	cld; mov $MMIO_BASE, %esi; mov $RAM, %edi;
	mov $3, %ecx; rep movsb;
	mov $2, %ecx; rep movsw;
	mov $2, %ecx; rep movsl;
	mov $2, %ecx; rep movsq;
	hlt);
GUEST64(backwards,
	std; mov $MMIO_BASE + 0x10, %esi; mov $RAM + 0x10, %edi;
	mov $3, %ecx; rep movsl;
	cld; hlt);
GUEST64(mmio_mmio,
	cld; mov $MMIO_BASE, %esi; mov $MMIO_BASE + 0x1000, %edi;
	mov $2, %ecx; rep movsl;
	hlt);
GUEST64(fill,
	cld; mov $MMIO_BASE, %edi; mov $0x5566778899aabbcc, %rax;
	mov $3, %ecx; rep stosb;
	mov $2, %ecx; rep stosw;
	mov $2, %ecx; rep stosl;
	mov $2, %ecx; rep stosq;
	mov $0, %ecx; rep stosq;
	hlt);
GUEST64(loads,
	cld; mov $MMIO_BASE, %esi; mov $3, %ecx; rep lodsl; hlt);
GUEST64(compare,
	cld; mov $MMIO_BASE, %esi; mov $RAM + 0x100, %edi; mov $4, %ecx; repe cmpsl;
	hlt);
GUEST64(scan,
	cld; mov $MMIO_BASE, %edi; mov $0x11, %al; mov $4, %ecx; repe scasb;
	mov $4, %ecx; repne scasb;
	hlt);
GUEST64(over_page,
	cld; mov $MMIO_BASE + 0xff8, %edi; mov $0x12345678, %eax; mov $4, %ecx; rep stosl;
	hlt);

static const struct {
	const char *name, *entry;
} rows[] = {
	{ "memory to MMIO", to_mmio }, { "MMIO to memory", from_mmio }, { "backwards", backwards },
	{ "MMIO to MMIO", mmio_mmio }, { "stos", fill }, { "lods", loads }, { "repe cmps", compare },
	{ "scas", scan }, { "over a page", over_page },
};

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int n = 0; n < 0x100; n++)
			vm.mem[RAM + n] = 0x80 + n;
		memcpy(vm.mem + RAM + 0x100, "\x11\x22\x33\x44\x11\x22\x33\x44\x00", 9);
		vcpu_long(v, rows[i].entry);
		see("-- %s", rows[i].name);
		check_eq(see_exits(v), KVM_EXIT_HLT);
		see_regs(v, "rax rcx rsi rdi");
		see_bytes("memory", vm.mem + RAM, 0x30);
	}
}
