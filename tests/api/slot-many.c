// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many slots, made in a scattered order: the guest finds the right memory behind each; holes
 * between them are MMIO.
 */
#include "lib/api.h"

#define SLOTS	400
#define BASE	0x40000000u
#define STRIDE	0x3000u

GUEST64(guest,
	mov $BASE, %ebx; mov $SLOTS, %ecx; xor %eax, %eax;
	1: imul $31, %eax, %eax; add (%rbx), %eax; mov %eax, 4(%rbx); add $STRIDE, %ebx; dec %ecx;
		jnz 1b;
	REPORT_EAX;
	mov BASE + STRIDE * 5 + 0x1000, %eax;
	DONE);

static int mmio_exits(struct vcpu *v)
{
	int n = 0, ret;

	v->nreports = 0;
	while ((ret = vcpu_go(v)) == KVM_EXIT_MMIO) {
		fill_read(v);
		n++;
	}
	check_eq(ret, GO_DONE);
	return n;
}

void test(void)
{
	u8 *mem = mmap(NULL, SLOTS * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vm vm;
	struct vcpu *v;
	u32 sum = 0;

	vm_init(&vm);
	see("room for %s", vm_cap(&vm, KVM_CAP_NR_MEMSLOTS) > SLOTS ? "all" : "fewer");
	for (u32 i = 0; i < SLOTS; i++) {
		u32 n = i * 149 % SLOTS;

		*(u32 *)(mem + n * PAGE_SIZE) = n * 7 + 3;
		must(vm_slot(&vm, n + 1, 0, BASE + n * STRIDE, PAGE_SIZE, mem + n * PAGE_SIZE) == 0);
	}
	for (u32 i = 0; i < SLOTS; i++)
		sum = sum * 31 + i * 7 + 3;
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	see("MMIO exits: %d", mmio_exits(v));
	check_eq(v->reports[0], sum);
	for (u32 i = 0; i < SLOTS; i += 2)
		must(vm_slot(&vm, i + 1, 0, 0, 0, NULL) == 0);
	vcpu_long(v, guest);
	see("MMIO exits with every other slot deleted: %d", mmio_exits(v));
}
