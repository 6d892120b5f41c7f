// SPDX-License-Identifier: GPL-2.0-only
/* A device's memory behind a slot, which the host maps without struct page (VM_PFNMAP): read, written, logged, read-only, unmapped and mapped again. */
#include <dirent.h>
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x10000u
#define PAGES	(SIZE / PAGE_SIZE)

GUEST64(guest,
	mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; movl $0x600d, 4(%rbx);
	mov $PAGES, %ecx; 1: incl 8(%rbx); add $0x1000, %ebx; dec %ecx; jnz 1b;
	DONE);
GUEST64(reader, mov $A, %ebx; mov (%rbx), %eax; REPORT_EAX; DONE);
/* Code in the device's memory. */
GUEST64(caller, mov $A + 0x800, %ebx; call *%rbx; REPORT_EAX; DONE);
GUEST64(callee, mov $0xc0de, %eax; ret);

static struct vm vm;
static struct vcpu *v;
static int fd;

/* The memory (BAR 2) of a PCI device of class "RAM", such as QEMU's ivshmem-plain: nobody else's. */
static int open_device(void)
{
	const char *dir = "/sys/bus/pci/devices";
	DIR *d = opendir(dir);
	struct dirent *e;
	int found = -1;

	while (d && found < 0 && (e = readdir(d))) {
		char path[512], class[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s/class", dir, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(class, sizeof(class), f) && strncmp(class, "0x0500", 6) == 0) {
			snprintf(path, sizeof(path), "%s/%s/enable", dir, e->d_name);
			int enable = open(path, O_WRONLY);

			must(enable >= 0 && write(enable, "1", 1) == 1);
			close(enable);
			snprintf(path, sizeof(path), "%s/%s/resource2", dir, e->d_name);
			found = open(path, O_RDWR);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

static u32 *map(void *at, int prot)
{
	u32 *mem = mmap(at, SIZE, prot, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);

	must(mem != MAP_FAILED);
	return mem;
}

static void run(const char *name, const char *entry)
{
	see("-- %s", name);
	vcpu_long(v, entry);
	see_guest(v);
}

static void see_counts(const char *name, u32 *mem, u32 wanted)
{
	u32 right = 0;

	for (u32 i = 0; i < PAGES; i++)
		right += mem[i * 1024 + 2] == wanted;
	see("%s: %u of %u pages counted %u times; word 0x%x", name, right, PAGES, wanted, mem[1]);
}

static void see_dirty(void)
{
	u64 bitmap[PAGES / 64 + 1] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	see_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
	see("dirty: 0x%llx", (unsigned long long)bitmap[0]);
}

void test(void)
{
	u32 *mem, *view;
	int ret;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	fd = open_device();
	if (fd < 0)
		skip("no device with memory that is nobody's");
	mem = map(NULL, PROT_READ | PROT_WRITE);
	view = map(NULL, PROT_READ | PROT_WRITE);
	for (u32 i = 0; i < SIZE / 4; i++)
		mem[i] = 0;
	mem[0] = 0xcafe;
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	run("at first", guest);
	see_counts("another view", view, 1);
	must(vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, A, SIZE, mem) == 0);
	run("logged", guest);
	see_dirty();
	see_dirty();
	run("logged, again", guest);
	see_dirty();
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	memcpy((u8 *)mem + 0x800, gpa_ptr(&vm, (uintptr_t)callee), 16);
	run("code", caller);
	must(munmap(mem, SIZE) == 0);
	run("unmapped", guest);
	map(mem, PROT_READ);
	run("read-only, read", reader);
	vcpu_long(v, guest);
	v->nreports = 0;
	ret = vcpu_go(v);
	see("read-only, written: %s", ret == -EFAULT ? "EFAULT" : exit_name(ret));
	must(mprotect(mem, SIZE, PROT_READ | PROT_WRITE) == 0);
	run("writable again", guest);
	see_counts("another view", view, 4);
	must(mmap(mem, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	run("anonymous memory in its place", guest);
	see_counts("it", mem, 1);
	see_counts("the device", view, 4);
}
