// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a migration does: the guest writes all the time, dirty pages are copied round by round; when the guest has
 * stopped, one more round makes the copy equal to its memory.
 */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define PAGES	512
#define ROUNDS	40

GUEST64(guest,
	sti;				/* or Bochs takes no interrupt of the host's */
	mov $12345, %esi;
	1: imul $1103515245, %esi, %esi; add $12345, %esi;
	mov %esi, %eax; shr $8, %eax; and $PAGES - 1, %eax; shl $12, %eax;
	mov %esi, %edx; and $0xffc, %edx; or %edx, %eax;
	add %esi, BASE(%rax);
	cmpl $0, 0x100000; je 1b;
	DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *mem, copy[PAGES * PAGE_SIZE];

static int copy_round(void)
{
	u64 bitmap[PAGES / 64];
	struct kvm_dirty_log l = { .slot = SLOT, .dirty_bitmap = bitmap };
	int n = 0;

	must_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &l);
	for (int i = 0; i < PAGES; i++) {
		if (bitmap[i / 64] >> i % 64 & 1) {
			memcpy(copy + i * PAGE_SIZE, mem + i * PAGE_SIZE, PAGE_SIZE);
			n++;
		}
	}
	return n;
}

void test(void)
{
	int dirty = 0;

	mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	must(vm_slot(&vm, SLOT, 0, BASE, PAGES * PAGE_SIZE, mem) == 0);
	vcpu_long(v, guest);
	vcpu_go_thread(v);
	msleep(20);
	must(vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, PAGES * PAGE_SIZE, mem) == 0);
	memcpy(copy, mem, sizeof(copy));
	for (int i = 0; i < ROUNDS; i++) {
		dirty += copy_round();
		msleep(i % 4);
	}
	*(volatile u32 *)gpa_ptr(&vm, 0x100000) = 1;
	see_guest_result(v, vcpu_join(v));
	dirty += copy_round();
	check(dirty > 0);
	check_eq(copy_round(), 0);
	see("the copy is equal: %d", memcmp(copy, mem, sizeof(copy)) == 0);
	check(memcmp(copy, mem, sizeof(copy)) == 0);
}
