// SPDX-License-Identifier: GPL-2.0-only
/* The host moves, copies, collapses, ages and protects memory under a running guest, and logs its slot on and off: no write of the guest is lost. */
#include "lib/api.h"

#define SLOT	1
#define BASE	0x40000000u
#define SIZE	0x800000u
#define PAGES	(SIZE / PAGE_SIZE)
#define HUGE	0x200000u
#define ROUNDS	6u

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

GUEST64(guest,
	mov $ROUNDS, %edx;
	1: mov $BASE, %ebx; mov $PAGES, %ecx;
	2: incl (%rbx); add $0x1000, %ebx; dec %ecx; jnz 2b;
	dec %edx; jnz 1b;
	DONE);

static struct vm vm;
static u8 *mem;
static bool done;

static void *run(void *arg)
{
	struct vcpu *v = arg;
	int ret;

	/* While the memory isn't there, or mayn't be written, the run fails and nothing happens. */
	while ((ret = vcpu_go(v)) == -EFAULT)
		usleep(100);
	check_eq(ret, GO_DONE);
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void child_and_end(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	must(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

static void away_and_back(u8 *at, size_t size)
{
	u8 *away = mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, mem + 2 * SIZE);

	must(away != MAP_FAILED);
	must(mremap(away, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

static void disturb(u32 n)
{
	u8 *at = mem + n * 0x31000 % (SIZE - HUGE) / PAGE_SIZE * PAGE_SIZE;
	size_t size = (1 + n % 64) * PAGE_SIZE;

	switch (n % 9) {
	case 0:
		child_and_end();
		break;
	case 1:
		must(mprotect(at, size, PROT_READ) == 0);
		must(mprotect(at, size, PROT_READ | PROT_WRITE) == 0);
		break;
	case 2:
		away_and_back(at, size);
		break;
	case 3:
		madvise(mem + n / 9 % 4 * HUGE, HUGE, MADV_COLLAPSE);
		break;
	case 4:
		madvise(at, size, MADV_COLD);
		break;
	case 5:
		madvise(at, size, MADV_PAGEOUT);
		break;
	case 6:
		must(vm_slot(&vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, BASE, SIZE, mem) == 0);
		break;
	case 7:
		must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
		break;
	case 8:
		must(mprotect(at, size, PROT_NONE) == 0);
		must(mprotect(at, size, PROT_READ | PROT_WRITE) == 0);
		break;
	}
}

void test(void)
{
	u8 *map = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu *v;
	u32 n = 0, wrong = 0;

	mem = (u8 *)(((uintptr_t)map + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	madvise(mem, SIZE, MADV_HUGEPAGE);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	must(vm_slot(&vm, SLOT, 0, BASE, SIZE, mem) == 0);
	vcpu_long(v, guest);
	must(pthread_create(&v->thread, NULL, run, v) == 0);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		disturb(n++);
		msleep(1);
	}
	pthread_join(v->thread, NULL);
	for (u32 i = 0; i < PAGES; i++)
		wrong += *(u32 *)(mem + i * PAGE_SIZE) != ROUNDS;
	see("pages with a wrong count: %u", wrong);
	check_eq(wrong, 0);
}
