/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads the kernel that comes after this one by kexec_load(2), as Documentation/arch/x86/boot.rst wants it. Not by
 * kexec_file_load(2): the checksums that it makes cost minutes in an emulated host.
 */
#ifndef TESTS_API_LIB_KEXEC_H
#define TESTS_API_LIB_KEXEC_H

#include <sys/stat.h>
#include <asm/bootparam.h>
#include <linux/kexec.h>
#include "api.h"

#define E820_RAM	1
#define E820_RESERVED	2
#define MB		0x100000ul
#define KERNEL_ENTRY	0x200		/* of 64 bits, behind the start of the protected-mode part */

struct file {
	u8 *data;
	size_t size;
};

/* The small things that a kernel begins with, a page each; and the first instructions, which tell it where they are. */
struct start {
	union {
		struct boot_params params;
		u8 page[PAGE_SIZE];
	};
	char words[PAGE_SIZE];
	u8 code[PAGE_SIZE];
};

static u64 up_to(u64 value, u64 multiple)
{
	return (value + multiple - 1) / multiple * multiple;
}

static struct file read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	struct file f;

	must(fd >= 0 && fstat(fd, &st) == 0);
	f = (struct file){ mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0), st.st_size };
	must(f.data != MAP_FAILED);
	close(fd);
	return f;
}

/* The beginning of what was reserved for a crash. */
static u64 crash_memory(u64 *end)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long start = 0, last = 0;
	char line[256];

	must(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, ": Crash kernel") && sscanf(line, " %lx-%lx", &start, &last) == 2)
			break;
	fclose(f);
	must(start);
	*end = last + 1;
	return start;
}

static void add_memory(struct boot_params *p, u64 start, u64 end, u32 type)
{
	must(p->e820_entries < ARRAY_SIZE(p->e820_table));
	p->e820_table[p->e820_entries++] = (struct boot_e820_entry){ start, end - start, type };
}

/* Line @n of the firmware's memory map. */
static bool firmware_memory(int n, u64 *start, u64 *end, bool *ram)
{
	static const char *const names[] = { "start", "end", "type" };
	char words[3][64], path[64];

	for (int i = 0; i < 3; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/firmware/memmap/%d/%s", n, names[i]);
		f = fopen(path, "r");
		if (!f)
			return false;
		must(fgets(words[i], sizeof(words[i]), f));
		fclose(f);
	}
	*start = strtoull(words[0], NULL, 16);
	*end = strtoull(words[1], NULL, 16) + 1;
	*ram = strncmp(words[2], "System RAM", 10) == 0;
	return true;
}

/* After a crash only what was reserved for that is free, and the first MB, where CPUs begin: Linux keeps away from it. */
static void fill_memory(struct boot_params *p, bool crash)
{
	u64 start, end;
	bool ram;

	for (int n = 0; firmware_memory(n, &start, &end, &ram); n++)
		if (!ram || !crash || end <= MB)
			add_memory(p, start, end, ram ? E820_RAM : E820_RESERVED);
	if (crash) {
		start = crash_memory(&end);
		add_memory(p, start, end, E820_RAM);
	}
}

/* mov $params, %rsi; mov $entry, %rax; jmp *%rax */
static void fill_code(u8 *code, u64 params, u64 entry)
{
	memcpy(code, "\x48\xbe", 2);
	memcpy(code + 2, &params, 8);
	memcpy(code + 10, "\x48\xb8", 2);
	memcpy(code + 12, &entry, 8);
	memcpy(code + 20, "\xff\xe0", 2);
}

static void kexec_prepare(const char *kernel_path, const char *initrd_path, const char *words, bool crash)
{
	struct file kernel = read_file(kernel_path), initrd = read_file(initrd_path);
	const struct setup_header *header = (void *)(kernel.data + offsetof(struct boot_params, hdr));
	size_t real_mode = (header->setup_sects + 1) * 512;
	u64 end, at = crash ? crash_memory(&end) : 256 * MB;
	u64 initrd_at, start_at;
	static struct start s;

	must(header->header == 0x53726448 && (header->xloadflags & XLF_KERNEL_64));
	at = up_to(at, header->kernel_alignment);
	initrd_at = up_to(at + header->init_size, PAGE_SIZE);
	start_at = up_to(initrd_at + initrd.size, PAGE_SIZE);
	must(!crash || start_at + sizeof(s) < end);

	s.params.hdr = *header;
	s.params.hdr.type_of_loader = 0xff;
	s.params.hdr.ramdisk_image = initrd_at;
	s.params.hdr.ramdisk_size = initrd.size;
	s.params.hdr.cmd_line_ptr = start_at + offsetof(struct start, words);
	must(snprintf(s.words, sizeof(s.words), "%s", words) < (int)sizeof(s.words));
	fill_memory(&s.params, crash);
	fill_code(s.code, start_at, at + KERNEL_ENTRY);

	struct kexec_segment segments[] = {
		{ kernel.data + real_mode, kernel.size - real_mode, (void *)at, up_to(kernel.size - real_mode, PAGE_SIZE) },
		{ initrd.data, initrd.size, (void *)initrd_at, up_to(initrd.size, PAGE_SIZE) },
		{ &s, sizeof(s), (void *)start_at, sizeof(s) },
	};

	must(syscall(SYS_kexec_load, start_at + offsetof(struct start, code), ARRAY_SIZE(segments), segments,
		     KEXEC_ARCH_X86_64 | (crash ? KEXEC_ON_CRASH : 0)) == 0);
}

#endif
