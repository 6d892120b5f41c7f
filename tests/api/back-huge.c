// SPDX-License-Identifier: GPL-2.0-only
/* How memory is mapped, as the VM's statistics say: large pages where the host has them, small ones while the slot is logged, large ones again. */
#include <sys/prctl.h>
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define SIZE	0x800000u
#define PAGES	(SIZE / PAGE_SIZE)
#define HUGE	0x200000u

GUEST64(touch_all, mov $BASE, %ebx; mov $PAGES, %ecx; 1: incl (%rbx); add $0x1000, %ebx; dec %ecx; jnz 1b; DONE);

static struct vm vm;
static struct vcpu *v;

/* Beside these there is the VM's own memory: some small pages. */
static void see_pages(const char *when)
{
	see("%s: %llu large pages, %s", when, (unsigned long long)stat_of(vm.fd, "pages_2m"),
	    stat_of(vm.fd, "pages_4k") >= PAGES ? "all small ones" : "few small ones");
}

static void run(void)
{
	vcpu_long(v, touch_all);
	check_eq(see_guest(v), GO_DONE);
}

void test(void)
{
	u8 *map = mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u8 *mem = (u8 *)(((uintptr_t)map + HUGE - 1) & ~(uintptr_t)(HUGE - 1));

	/* The VM's own memory would have a large page or not, as it happens to lie. */
	must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	vm_init(&vm);
	/* The other slot's memory may be a large page or not, as the host had one: not here. */
	must(madvise(vm.mem, vm.size, MADV_NOHUGEPAGE) == 0);
	must(madvise(vm.mem, vm.size, MADV_DONTNEED) == 0);
	vm_load_guest(&vm);
	need_cap(&vm, KVM_CAP_BINARY_STATS_FD);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, touch_all);
	must(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0);
	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 0, SIZE);
	must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
	run();
	see_pages("at first");
	must(vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, mem) == 0);
	run();
	see_pages("logged");
	must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
	run();
	see_pages("not logged any more");
	madvise(mem + HUGE, PAGE_SIZE, MADV_DONTNEED);
	see_pages("one page given back");
	run();
	see_pages("and touched again");
	must(vm_slot(&vm, SLOT, 0, 0, 0, NULL) == 0);
	see_pages("slot deleted");
}
