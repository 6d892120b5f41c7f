// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 and KVM_CLEAR_DIRTY_LOG: reading does not clear; parts are
 * cleared; all set at first.
 */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define PAGES	192

GUEST64(writes,
	mov $BASE, %ebx;
	movl $1, (%rbx); movl $1, 0x3f000(%rbx); movl $1, 0x40000(%rbx); movl $1, 0x80000(%rbx);
		movl $1, 0xbf000(%rbx);
	DONE);

static struct vm vm;
static struct vcpu *v;
static u64 bitmap[PAGES / 64 + 1];

static void see_dirty(void)
{
	struct kvm_dirty_log l = { .slot = SLOT, .dirty_bitmap = bitmap };

	memset(bitmap, 0, sizeof(bitmap));
	see_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &l);
	see("dirty: %llx %llx %llx", (unsigned long long)bitmap[0], (unsigned long long)bitmap[1],
	    (unsigned long long)bitmap[2]);
}

static void clear(const char *name, u32 slot, u64 first, u32 n, u64 bits)
{
	u64 mask[16] = { bits, bits, bits };
	struct kvm_clear_dirty_log l = { .slot = slot, .first_page = first, .num_pages = n, .dirty_bitmap = mask };

	see_result(name, ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &l));
}

static void run(void)
{
	see("-- writes");
	vcpu_long(v, writes);
	check_eq(see_exits(v), GO_DONE);
}

static void slot(u32 flags, void *mem)
{
	must(vm_slot(&vm, SLOT, flags, BASE, PAGES * PAGE_SIZE, mem) == 0);
}

void test(void)
{
	u8 *mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { 4 } };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	see("capability %d", vm_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2));
	v = vcpu_create(&vm, 0);
	slot(KVM_MEM_LOG_DIRTY_PAGES, mem);
	clear("clear before the capability is on", SLOT, 0, PAGES, ~0ull);
	slot(0, mem);
	see_result("unknown argument", ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 2;
	see_result("initially set without manual protection", ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1;
	see_ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
	clear("clear without log", SLOT, 0, PAGES, ~0ull);
	slot(KVM_MEM_LOG_DIRTY_PAGES, mem);
	run();
	see_dirty();
	see_dirty();
	clear("page 0 of the first 64", SLOT, 0, 64, 1);
	see_dirty();
	clear("the second 64", SLOT, 64, 64, ~0ull);
	see_dirty();
	run();
	see_dirty();
	clear("all", SLOT, 0, PAGES, ~0ull);
	see_dirty();
	run();
	see_dirty();
	clear("first page not a multiple of 64", SLOT, 1, 64, ~0ull);
	clear("number not a multiple of 64", SLOT, 0, 63, ~0ull);
	clear("past the end", SLOT, 64, 192, ~0ull);
	clear("first page past the end", SLOT, 256, 64, ~0ull);
	clear("no slot", 9, 0, 64, ~0ull);
	see_dirty();
	slot(0, mem);
	cap.args[0] = 3;
	if (see_result("initially set", ioctl(vm.fd, KVM_ENABLE_CAP, &cap)))
		return;
	slot(KVM_MEM_LOG_DIRTY_PAGES, mem);
	see_dirty();
	clear("all", SLOT, 0, PAGES, ~0ull);
	see_dirty();
	run();
	see_dirty();
}
