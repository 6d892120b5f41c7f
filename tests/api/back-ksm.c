// SPDX-License-Identifier: GPL-2.0-only
/* Pages of the guest that the host merges (KSM) are read as they were, and a write of the guest is seen in its own page only. */
#include "lib/api.h"

#define A	0x40000000u
#define PAGES	32u
#define SIZE	(PAGES * PAGE_SIZE)
#define KSM	"/sys/kernel/mm/ksm/"

/* Pages whose first word isn't what it should be; then the odd ones are written. */
GUEST64(reader,
	mov $A, %ebx; mov $PAGES, %ecx; xor %eax, %eax;
	1: cmpl $0x5a5a5a5a, (%rbx); je 2f; inc %eax; 2: add $0x1000, %ebx; dec %ecx; jnz 1b;
	REPORT_EAX; DONE);
GUEST64(writer, mov $A + 0x1000, %ebx; mov $PAGES / 2, %ecx; 1: mov %ecx, (%rbx); add $0x2000, %ebx; dec %ecx; jnz 1b; DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *mem;

static long ksm(const char *name, const char *value)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), KSM "%s", name);
	fd = open(path, value ? O_WRONLY : O_RDONLY);
	if (fd < 0 || (value ? write(fd, value, strlen(value)) : read(fd, text, sizeof(text) - 1)) <= 0)
		skip("no KSM: %s", path);
	close(fd);
	return atol(text);
}

static void merge(const char *name)
{
	ksm("run", "1");
	for (int i = 0; i < 1000 && ksm("pages_sharing", NULL) < PAGES - 1; i++)
		msleep(10);
	see("-- %s: merged %s", name, ksm("pages_sharing", NULL) >= PAGES - 1 ? "all" : "not all");
}

static void run(const char *entry)
{
	vcpu_long(v, entry);
	v->nreports = 0;
	check_eq(see_guest(v), GO_DONE);
}

static void see_pages(void)
{
	u32 same = 0, own = 0;

	for (u32 i = 0; i < PAGES; i++) {
		u32 word = *(u32 *)(mem + i * PAGE_SIZE);

		same += word == 0x5a5a5a5a;
		own += (i & 1) && word == PAGES / 2 - i / 2;
	}
	see("%u pages as they were, %u with the guest's word", same, own);
}

void test(void)
{
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	memset(mem, 0x5a, SIZE);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	see("-- at first");
	run(reader);
	ksm("sleep_millisecs", "1");
	ksm("pages_to_scan", "1000");
	must(madvise(mem, SIZE, MADV_MERGEABLE) == 0);
	merge("read by the guest");
	run(reader);
	see_pages();
	run(writer);
	see_pages();
	memset(mem, 0x5a, SIZE);
	run(writer);
	memset(mem, 0x5a, SIZE);
	merge("written by the guest");
	run(reader);
	ksm("run", "2");	/* every page alone again */
	see("-- unmerged: %ld are merged", ksm("pages_sharing", NULL));
	run(reader);
	run(writer);
	see_pages();
	ksm("run", "0");
}
