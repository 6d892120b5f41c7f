// SPDX-License-Identifier: GPL-2.0-only
/* Pages of 2 MB and 1 GB from hugetlbfs: how they are mapped, while they are logged and after; given back and copied on write. */
#include <sys/prctl.h>
#include "lib/api.h"

#define A	0x40000000ull
#define GUEST_A	0x40000000u
#define STEP	0x200000u
#define M2	0x200000ull
#define G1	0x40000000ull
#define POOL	"/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages"

/* The first word of EDI stretches of 2 MB. */
GUEST64(guest, mov $GUEST_A, %ebx; mov %edi, %ecx; 1: incl (%rbx); add $STEP, %ebx; dec %ecx; jnz 1b; DONE);

static struct vm vm;
static struct vcpu *v;

static bool pool(u64 page, int pages)
{
	char path[96];
	int got = -1;
	FILE *f;

	snprintf(path, sizeof(path), POOL, (unsigned long long)page / 1024);
	f = fopen(path, "r+");
	if (!f)
		return false;
	fprintf(f, "%d", pages);
	fflush(f);
	rewind(f);
	if (fscanf(f, "%d", &got) != 1)
		got = -1;
	fclose(f);
	return got == pages;
}

static void run(const char *name, u8 *mem, u64 size, u32 count)
{
	struct kvm_regs r;
	u32 right = 0;

	vcpu_long(v, guest);
	get_regs(v, &r);
	r.rdi = size / STEP;
	set_regs(v, &r);
	check_eq(see_guest(v), GO_DONE);
	for (u64 at = 0; at < size; at += STEP)
		right += *(u32 *)(mem + at) == count;
	see("%s: %u right; mapped: %llu of 1 GB, %llu of 2 MB", name, right, (unsigned long long)stat_of(vm.fd, "pages_1g"),
	    (unsigned long long)stat_of(vm.fd, "pages_2m"));
}

static void forked(u8 *mem, u64 size)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		msleep(50);
		_exit(*(u32 *)mem == 1 ? 0 : 1);
	}
	run("after fork", mem, size, 2);
	must(waitpid(child, &status, 0) == child);
	see("the child has %s", status ? "the guest's writes" : "what was there before");
}

static void with(u64 page, u32 pages, int log2)
{
	u64 size = page * pages;
	u8 *mem;

	see("-- %u pages of %llu MB", pages, (unsigned long long)page >> 20);
	if (!pool(page, pages)) {
		see("there are none");
		pool(page, 0);
		return;
	}
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | log2 << MAP_HUGE_SHIFT, -1, 0);
	must(mem != MAP_FAILED);
	must(vm_slot(&vm, 1, 0, A, size, mem) == 0);
	run("at first", mem, size, 1);
	must(vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, A, size, mem) == 0);
	run("logged", mem, size, 2);
	must(vm_slot(&vm, 1, 0, A, size, mem) == 0);
	run("not logged any more", mem, size, 3);
	must(madvise(mem, page, MADV_DONTNEED) == 0);
	if (pages == 1 && page == M2)	/* clearing 1 GB takes long in an emulated host */
		run("given back", mem, size, 1);
	must(vm_slot(&vm, 1, 0, A + page, size, mem) == 0);
	must(vm_slot(&vm, 1, 0, 0, 0, NULL) == 0);
	munmap(mem, size);
	pool(page, 0);
}

/* Copied on write: twice the pages. */
static void copied(void)
{
	u8 *mem;

	see("-- copied on write");
	must(pool(M2, 4));
	mem = mmap(NULL, 2 * M2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	must(mem != MAP_FAILED);
	must(vm_slot(&vm, 1, 0, A, 2 * M2, mem) == 0);
	run("at first", mem, 2 * M2, 1);
	forked(mem, 2 * M2);
	must(vm_slot(&vm, 1, 0, 0, 0, NULL) == 0);
	munmap(mem, 2 * M2);
	pool(M2, 0);
}

void test(void)
{
	/* The VM's own memory would have a large page or not, as it happens to lie. */
	must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_BINARY_STATS_FD);
	v = vcpu_create(&vm, 0);
	with(M2, 1, 21);
	with(M2, 4, 21);
	copied();
	alarm(55);	/* the host clears 1 GB, and splits it into 262,144 pages */
	with(G1, 1, 30);
}
