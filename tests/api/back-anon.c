// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host memory that changes under the guest: MADV_DONTNEED, remapped, moved, protected, unmapped,
 * merged by fork.
 */
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x10000u

GUEST64(guest, mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; incl 4(%rbx); mov 4(%rbx), %eax;
	REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *mem;

static void run(const char *name)
{
	see("-- %s", name);
	vcpu_long(v, guest);
	see_guest(v);
}

static void refresh(u32 value)
{
	*(u32 *)mem = value;
	*(u32 *)(mem + 4) = value;
}

static void forked(void)
{
	pid_t child;
	int status;

	refresh(0x700);
	run("before fork");
	child = fork();
	if (child == 0) {
		msleep(20);
		_exit(*(u32 *)(mem + 4) == 0x701 ? 0 : 1);	/* the child's copy does not see the guest's write */
	}
	run("after fork");
	must(waitpid(child, &status, 0) == child);
	check_eq(status, 0);
	check_eq(*(u32 *)(mem + 4), 0x702);
	run("after the child's end");
}

void test(void)
{
	u8 *other;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SYNC_MMU);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	run("untouched");
	check_eq(*(u32 *)(mem + 4), 1);
	refresh(0x100);
	run("touched");
	must(madvise(mem, SIZE, MADV_DONTNEED) == 0);
	run("MADV_DONTNEED");
	check_eq(*(u32 *)(mem + 4), 1);
	must(mmap(mem, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	refresh(0x200);
	run("mapped anew");
	other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(u32 *)other = *(u32 *)(other + 4) = 0x300;
	must(mremap(other, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, mem) == mem);
	run("other memory moved here");
	other = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(mremap(mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
	run("moved away");
	must(mmap(mem, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	refresh(0x400);
	run("back again");
	must(mprotect(mem, SIZE, PROT_READ) == 0);
	run("read-only");
	must(mprotect(mem, SIZE, PROT_READ | PROT_WRITE) == 0);
	run("writable");
	must(mprotect(mem, SIZE, PROT_NONE) == 0);
	run("no access");
	must(mprotect(mem, SIZE, PROT_READ | PROT_WRITE) == 0);
	forked();
	must(munmap(mem, SIZE) == 0);
	run("unmapped");
}
