// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_DIRTY_LOG: who dirties a page (the guest, string I/O, page-table walks), what clears,
 * refused calls.
 */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define PAGES	128

GUEST64(writes,
	mov $BASE, %ebx;
	movl $1, (%rbx); movl $1, 0x5000(%rbx); movl $1, 0x7ffc(%rbx); movl $1, 0x7fff0(%rbx);
	mov 0x9000(%rbx), %eax;				/* reads do not count */
	DONE);
GUEST64(once_more, mov $BASE, %ebx; movl $2, 0x5008(%rbx); DONE);
GUEST64(two_pages, mov $BASE, %ebx; movq $-1, 0x1fffc(%rbx); DONE);
GUEST64(string_in, mov $BASE + 0x30ffe, %edi; mov $0x80, %edx; mov $4, %ecx; cld; rep insb; DONE);
GUEST64(from_mmio, mov $BASE + 0x40000, %edi; mov $MMIO_BASE, %esi; cld; movsl; DONE);
GUEST64(read_only, mov $BASE, %ebx; mov 0x50000(%rbx), %eax; lock cmpxchg %ecx, 0x51000(%rbx);
	DONE);

static struct vm vm;
static struct vcpu *v;
static u64 bitmap[PAGES / 64];

static long log_slot(u32 slot)
{
	struct kvm_dirty_log l = { .slot = slot, .dirty_bitmap = bitmap };

	return ioctl(vm.fd, KVM_GET_DIRTY_LOG, &l);
}

static void see_dirty(void)
{
	memset(bitmap, 0xff, sizeof(bitmap));
	see_result("KVM_GET_DIRTY_LOG", log_slot(SLOT));
	printf("dirty:");
	for (int i = 0; i < PAGES; i++) {
		if (bitmap[i / 64] >> i % 64 & 1)
			printf(" 0x%x", i);
	}
	putchar('\n');
}

static void run(const char *name, const char *entry)
{
	see("-- %s", name);
	vcpu_long(v, entry);
	check_eq(quiet_exits(v), GO_DONE);
	see_dirty();
}

void test(void)
{
	u8 *mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	see_result("slot without log", vm_slot(&vm, SLOT, 0, BASE, PAGES * PAGE_SIZE, mem));
	see_result("KVM_GET_DIRTY_LOG without log", log_slot(SLOT));
	see_result("KVM_GET_DIRTY_LOG of no slot", log_slot(7));
	see_result("KVM_GET_DIRTY_LOG of slot 40000", log_slot(40000));
	see_result("slot with log", vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, PAGES * PAGE_SIZE, mem));
	see_dirty();
	run("writes", writes);
	see_dirty();
	run("the same page once more", once_more);
	run("a write over two pages", two_pages);
	run("INS over two pages", string_in);
	run("MOVS from MMIO", from_mmio);
	run("a read and a locked compare that fails", read_only);
	memset(mem + 0x60000, 1, 100);
	see("-- user space writes");
	see_dirty();
	see_result("log off", vm_slot(&vm, SLOT, 0, BASE, PAGES * PAGE_SIZE, mem));
	vcpu_long(v, writes);
	check_eq(see_exits(v), GO_DONE);
	see_result("log on", vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, PAGES * PAGE_SIZE, mem));
	run("after the log was off", writes);
	see_result("bad address", ioctl(vm.fd, KVM_GET_DIRTY_LOG, 8));
}
