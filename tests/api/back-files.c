// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory behind a slot: memfd, a file, a private mapping of a file, huge pages.
 */
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x400000u

GUEST64(guest,
	mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; movl $0x600d, 4(%rbx);
	/* One word of each page. */
	mov $A + 8, %ebx; mov $SIZE / 0x1000, %ecx; 1: mov %ecx, (%rbx); add $0x1000, %ebx;
		dec %ecx; jnz 1b;
	DONE);

static struct vm vm;
static struct vcpu *v;

static void run(const char *name, u8 *mem)
{
	volatile u32 *w = (u32 *)mem;

	see("-- %s", name);
	must(mem != MAP_FAILED);
	w[0] = 0xcafe;
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	vcpu_long(v, guest);
	check_eq(see_guest(v), GO_DONE);
	see("memory: 0x%x 0x%x", w[0], w[1]);
	for (u32 i = 0; i < SIZE / PAGE_SIZE; i++)
		check_eq(w[i * 1024 + 2], SIZE / PAGE_SIZE - i);
}

static void done(u8 *mem)
{
	must(vm_slot(&vm, 1, 0, A, 0, NULL) == 0);
	must(munmap(mem, SIZE) == 0);
}

static u8 *map_fd(int fd, int flags)
{
	return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static void memfd(void)
{
	int fd = memfd_create("guest", 0);
	u8 *mem, *view;

	must(ftruncate(fd, SIZE) == 0);
	mem = map_fd(fd, MAP_SHARED);
	view = map_fd(fd, MAP_SHARED);
	run("memfd", mem);
	see("the other view: 0x%x", *(u32 *)(view + 4));
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE / 2) == 0);
	*(u32 *)view = 0xd00d;
	vcpu_long(v, guest);
	see_guest(v);
	see("after a hole was punched: 0x%x", *(u32 *)(view + 4));
	must(ftruncate(fd, 0) == 0);
	vcpu_long(v, guest);
	see("-- truncated");
	see_guest(v);
	must(ftruncate(fd, SIZE) == 0);
	vcpu_long(v, guest);
	see("-- grown again");
	see_guest(v);
	done(mem);
	munmap(view, SIZE);
	close(fd);
}

static void file(void)
{
	char path[] = "/tmp/api-XXXXXX";
	int fd = mkstemp(path);
	u32 word;
	u8 *mem;

	must(fd >= 0 && unlink(path) == 0 && ftruncate(fd, SIZE) == 0);
	mem = map_fd(fd, MAP_SHARED);
	run("file, shared", mem);
	must(pread(fd, &word, 4, 4) == 4);
	see("the file: 0x%x", word);
	done(mem);
	word = 0x11;
	must(pwrite(fd, &word, 4, 4) == 4);
	mem = map_fd(fd, MAP_PRIVATE);
	run("file, private", mem);
	must(pread(fd, &word, 4, 4) == 4);
	see("the file: 0x%x", word);
	done(mem);
	close(fd);
}

static void huge(void)
{
	u8 *map = mmap(NULL, SIZE + 0x200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u8 *mem = (u8 *)(((uintptr_t)map + 0x1fffff) & ~0x1fffffull);

	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 1, SIZE);
	run("transparent huge pages", mem);
	must(madvise(mem + 0x1000, 0x1000, MADV_DONTNEED) == 0);	/* splits the first one */
	*(u32 *)mem = 0xcafe;
	vcpu_long(v, guest);
	see_guest(v);
	see("memory: 0x%x", *(u32 *)(mem + 0x1008));
	must(vm_slot(&vm, 1, 0, A, 0, NULL) == 0);
	munmap(map, SIZE + 0x200000);
}

static void hugetlb(void)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	u8 *mem;

	if (fd < 0 || write(fd, "4", 1) != 1) {
		see("no hugetlb pages to have");
		return;
	}
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	run("hugetlb", mem);
	done(mem);
	must(write(fd, "0", 1) == 1);
	close(fd);
}

void test(void)
{
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	memfd();
	file();
	huge();
	hugetlb();
}
