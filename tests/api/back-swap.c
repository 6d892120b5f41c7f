// SPDX-License-Identifier: GPL-2.0-only
/* Memory that the host swaps out comes back as the guest left it, while it is logged, too. The swap is a compressed disk in memory (zram). */
#include <sys/swap.h>
#include "lib/api.h"

#define A	0x40000000u
#define SIZE	0x100000u
#define PAGES	(SIZE / PAGE_SIZE)

/* Word 0 of each page counts, word 1 is its number. */
GUEST64(guest,
	mov $A, %ebx; xor %ecx, %ecx;
	1: incl (%rbx); mov %ecx, 4(%rbx); add $0x1000, %ebx; inc %ecx; cmp $PAGES, %ecx; jb 1b;
	DONE);
/* Bad pages. */
GUEST64(reader,
	mov $A, %ebx; xor %ecx, %ecx; xor %eax, %eax;
	1: cmp %ecx, 4(%rbx); je 2f; inc %eax; 2: add $0x1000, %ebx; inc %ecx; cmp $PAGES, %ecx; jb 1b;
	REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *mem;
static char disk[32];
static int number;

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A new zram disk of 32 MB, with the header of a swap area (version 1, its last page, no bad ones). */
static void swap_on(void)
{
	FILE *f = fopen("/sys/class/zram-control/hot_add", "r");
	u32 page[PAGE_SIZE / 4] = { [256] = 1, [257] = (32 << 20) / PAGE_SIZE - 1 };
	char path[64];
	int fd;

	if (!f || fscanf(f, "%d", &number) != 1)
		skip("no zram to swap to");
	fclose(f);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", number);
	must(write_text(path, "32M"));
	snprintf(disk, sizeof(disk), "/dev/zram%d", number);
	memcpy((u8 *)page + PAGE_SIZE - 10, "SWAPSPACE2", 10);
	fd = open(disk, O_WRONLY);
	must(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page) && fsync(fd) == 0);
	close(fd);
	must(swapon(disk, 0) == 0);
}

static void swap_off(void)
{
	char text[16];

	must(swapoff(disk) == 0);
	snprintf(text, sizeof(text), "%d", number);
	must(write_text("/sys/class/zram-control/hot_remove", text));
}

/* Bit 62 of an entry of pagemap: swapped out. */
static u32 swapped(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entries[PAGES];
	u32 n = 0;

	must(fd >= 0 && pread(fd, entries, sizeof(entries), (uintptr_t)mem / PAGE_SIZE * 8) == sizeof(entries));
	close(fd);
	for (u32 i = 0; i < PAGES; i++)
		n += entries[i] >> 62 & 1;
	return n;
}

static void page_out(const char *name)
{
	for (int i = 0; i < 50 && swapped() < PAGES; i++) {
		must(madvise(mem, SIZE, MADV_PAGEOUT) == 0);
		msleep(10);
	}
	see("-- %s: %u of %u pages swapped out", name, swapped(), PAGES);
}

static void run(const char *entry, u32 count)
{
	u32 wrong = 0;

	vcpu_long(v, entry);
	v->nreports = 0;
	check_eq(see_guest(v), GO_DONE);
	see("swapped out after the guest: %u", swapped());
	for (u32 i = 0; i < PAGES; i++)
		wrong += *(u32 *)(mem + i * PAGE_SIZE) != count || *(u32 *)(mem + i * PAGE_SIZE + 4) != i;
	check_eq(wrong, 0);
}

static u32 dirty_pages(void)
{
	u64 bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	u32 n = 0;

	must_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
	for (u32 i = 0; i < PAGES; i++)
		n += bitmap[i / 64] >> i % 64 & 1;
	return n;
}

void test(void)
{
	swap_on();
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	see("-- at first");
	run(guest, 1);
	page_out("written");
	run(reader, 1);
	page_out("read only, then again");
	run(guest, 2);
	must(vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, A, SIZE, mem) == 0);
	page_out("logged");
	run(reader, 2);
	see("dirty after reads only: %u", dirty_pages());
	page_out("logged, then written");
	run(guest, 3);
	see("dirty: %u", dirty_pages());
	page_out("swapped out and the guest gone");
	vm_destroy(&vm);
	swap_off();
	see("swapped out after swapoff: %u", swapped());
	check_eq(*(u32 *)(mem + SIZE - PAGE_SIZE), 3);
}
