// SPDX-License-Identifier: GPL-2.0-only
/*
 * Logging is switched on and off under huge mappings: pages are logged one by one, no write is
 * lost.
 */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define SIZE	0x800000u
#define PAGES	(SIZE / PAGE_SIZE)

GUEST64(touch_all, mov $BASE, %ebx; mov $PAGES, %ecx; 1: incl (%rbx); add $0x1000, %ebx; dec %ecx;
	jnz 1b; DONE);
GUEST64(touch_some, mov $BASE, %ebx; incl 0x1000(%rbx); incl 0x3ff000(%rbx); incl 0x400000(%rbx);
	DONE);

static struct vm vm;
static struct vcpu *v;
static u64 bitmap[PAGES / 64];

static void see_dirty(void)
{
	struct kvm_dirty_log l = { .slot = SLOT, .dirty_bitmap = bitmap };
	int n = 0;

	must_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &l);
	for (u32 i = 0; i < PAGES; i++) {
		if (!(bitmap[i / 64] >> i % 64 & 1))
			continue;
		if (++n <= 4)
			see("dirty 0x%x", i);
	}
	see("%d dirty pages", n);
}

static void run(const char *entry)
{
	vcpu_long(v, entry);
	check_eq(see_guest(v), GO_DONE);
}

void test(void)
{
	u8 *map = mmap(NULL, SIZE + 0x200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u8 *mem = (u8 *)(((uintptr_t)map + 0x1fffff) & ~0x1fffffull);

	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 0, SIZE);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
	run(touch_all);
	for (int round = 0; round < 2; round++) {
		see("-- log on");
		must(vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, mem) == 0);
		see_dirty();
		run(touch_some);
		see_dirty();
		see_dirty();
		run(touch_all);
		see_dirty();
		see("-- log off");
		must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
		run(touch_all);
	}
	for (u32 i = 0; i < PAGES; i++) {
		u32 some = i == 1 || i == 0x3ff || i == 0x400;

		check_eq(*(u32 *)(mem + i * PAGE_SIZE), 5 + 2 * some);
	}
}
