// SPDX-License-Identifier: GPL-2.0-only
/*
 * More pages written between two looks at the log than a processor's own log has room for (512), read before they are written, and written
 * again: each is logged, and no other. Also what a running guest has written so far, as soon as it says so in memory.
 */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define PAGES	2048

/* Reads every page, then writes every EBXth, and says so at 100000H. */
GUEST64(guest,
	sti;
	mov $BASE, %esi; mov $PAGES, %ecx;
	1: mov (%rsi), %eax; add $0x1000, %esi; loop 1b;
	mov $BASE, %esi;
	mov %ebx, %edi; shl $12, %edi;
	2: incl (%rsi); add %edi, %esi; cmp $BASE + (PAGES << 12), %esi; jb 2b;
	movl $1, 0x100000;
	3: cmpl $0, 0x100004; je 3b;
	DONE);

static struct vm vm;
static struct vcpu *v;
static u64 bitmap[PAGES / 64];

static int wrong_pages(u32 step)
{
	struct kvm_dirty_log l = { .slot = SLOT, .dirty_bitmap = bitmap };
	int wrong = 0;

	must_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &l);
	for (u32 i = 0; i < PAGES; i++)
		wrong += (bitmap[i / 64] >> i % 64 & 1) != (step && i % step == 0);
	return wrong;
}

static void round_of(u32 step, int wait)
{
	volatile u32 *said = gpa_ptr(&vm, 0x100000), *go_on = gpa_ptr(&vm, 0x100004);
	struct kvm_regs regs;
	int wrong;

	*said = 0;
	*go_on = !wait;
	vcpu_long(v, guest);
	get_regs(v, &regs);
	regs.rbx = step;
	set_regs(v, &regs);
	vcpu_go_thread(v);
	while (wait && !*said)
		msleep(1);
	if (wait)
		check_eq(wrong_pages(step), 0);
	*go_on = 1;
	see_guest_result(v, vcpu_join(v));
	wrong = wrong_pages(wait ? 0 : step);
	see("every %uth: %d wrong, of which a second look finds %d", step, wrong, wrong_pages(0));
	check_eq(wrong, 0);
}

void test(void)
{
	u8 *mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(mem, 1, PAGES * PAGE_SIZE);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	must(vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, PAGES * PAGE_SIZE, mem) == 0);
	round_of(1, 0);
	round_of(3, 0);
	round_of(1, 1);
	round_of(7, 1);
	round_of(2, 0);
}
