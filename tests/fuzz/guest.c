// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guests run: random code that likes what makes exits, and the modes of the processor in which it runs.
 *
 * Rules that keep clear of faults of QEMU's TCG, the host's processor. emulator.c shows them, on Linux's own KVM too.
 *
 *	EFER.LME with CR4.PAE clear	#VMEXIT doesn't load the host's CR0: the CPU goes on without paging, and answers nothing any more
 *	MOV to a debug register		a breakpoint that a guest sets so stays, for the host and other guests
 *	MOV to CR8			TCG aborts when a virtual interrupt is pending
 */
#include "fuzz.h"

#define CR0_PE		1u
#define CR0_PG		(1u << 31)
#define CR4_PSE		(1u << 4)
#define CR4_PAE		(1u << 5)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define MSR_EFER	0xc0000080u

/* ------------------------------------------------------------------ modes */

/* Offsets from TABLES_GPA: a page directory with 4 MB pages; PDPTEs and a table of 2 MB pages; PML4. */
enum { TABLE_LEGACY = 0, TABLE_PDPT = 0x1000, TABLE_2M = 0x2000, TABLE_PML4 = 0x3000 };

/* Into the file, since the mapping may be read-only for the moment. */
static void to_ram(struct world *w, u32 gpa, const void *from, size_t n)
{
	if (pwrite(w->memfd, from, n, gpa) != (ssize_t)n)
		exit(2);
}

void guest_tables(struct world *w)
{
	u64 pdpt[512] = { }, large[512], pml4[512] = { (TABLES_GPA + TABLE_PDPT) | 7 };
	u32 legacy[1024], i;

	for (i = 0; i < 1024; i++)
		legacy[i] = i << 22 | 0x87;
	for (i = 0; i < 512; i++)
		large[i] = (u64)i << 21 | 0x87;
	for (i = 0; i < 4; i++)
		pdpt[i] = (TABLES_GPA + TABLE_2M) | 1;
	to_ram(w, TABLES_GPA + TABLE_LEGACY, legacy, PAGE_SIZE);
	to_ram(w, TABLES_GPA + TABLE_PDPT, pdpt, PAGE_SIZE);
	to_ram(w, TABLES_GPA + TABLE_2M, large, PAGE_SIZE);
	to_ram(w, TABLES_GPA + TABLE_PML4, pml4, PAGE_SIZE);
}

static void flat(struct kvm_segment *s, u16 selector, u8 type, enum fuzz_mode mode)
{
	*s = (struct kvm_segment) {
		.limit = mode == MODE_REAL ? 0xffff : 0xffffffff, .selector = mode == MODE_REAL ? 0 : selector, .type = type,
		.present = 1, .s = 1, .db = mode != MODE_REAL && (mode != MODE_LONG || type != 11), .g = mode != MODE_REAL,
		.l = mode == MODE_LONG && type == 11,
	};
}

static const struct { u32 cr0, cr3, cr4, efer; } modes[MODES] = {
	[MODE_REAL] = { 0x10, 0, 0, 0 },
	[MODE_PROTECTED] = { CR0_PE | 0x10, 0, 0, 0 },
	[MODE_LEGACY] = { CR0_PE | CR0_PG | 0x10, TABLES_GPA + TABLE_LEGACY, CR4_PSE, 0 },
	[MODE_PAE] = { CR0_PE | CR0_PG | 0x10, TABLES_GPA + TABLE_PDPT, CR4_PAE, 0 },
	[MODE_LONG] = { CR0_PE | CR0_PG | 0x10, TABLES_GPA + TABLE_PML4, CR4_PAE | 0x600, EFER_LME | EFER_LMA | 1 },
};

/* Into @s, which came from KVM_GET_SREGS. */
void mode_sregs(struct fuzzer *f, enum fuzz_mode mode, struct kvm_sregs *s)
{
	flat(&s->cs, 8, 11, mode);
	flat(&s->ds, 16, 3, mode);
	s->es = s->ss = s->fs = s->gs = s->ds;
	if (chance(f, 15))
		s->cs.dpl = s->ss.dpl = s->ds.dpl = 3;
	/* 64-bit and 32-bit code at once: the ABI takes it, the processor doesn't (APM 2, 15.5.1). */
	if (chance(f, 4))
		s->cs.db = 1;
	s->gdt.base = s->idt.base = CODE_GPA + below(f, CODE_SIZE);
	s->gdt.limit = s->idt.limit = chance(f, 50) ? 0xfff : below(f, 64);
	s->cr0 = modes[mode].cr0;
	s->cr3 = modes[mode].cr3;
	s->cr4 = modes[mode].cr4;
	s->efer = modes[mode].efer;
	memset(s->interrupt_bitmap, 0, sizeof(s->interrupt_bitmap));
}

/*
 * The first rule. A world of seeds either always has CR4.PAE or never EFER.LME, so that no mixture of two threads'
 * values breaks it.
 */
void sregs_tame(struct world *w, struct kvm_sregs *s)
{
	if (w->long_mode)
		s->cr4 |= CR4_PAE;
	else
		s->efer &= ~(u64)EFER_LME;
}

u32 any_msr(struct fuzzer *f)
{
	static const u32 ranges[][2] = {
		{ 0, 0x20 }, { 0x1b, 1 }, { 0x3b, 1 }, { 0x48, 2 }, { 0x79, 0x20 }, { 0x174, 9 }, { 0x186, 4 }, { 0x1a0, 1 }, { 0x1d9, 1 },
		{ 0x200, 0x80 }, { 0x277, 1 }, { 0x2ff, 1 }, { 0x345, 1 }, { 0x38d, 3 }, { 0x400, 0x80 }, { 0x6e0, 1 }, { 0x800, 0x40 },
		{ 0xda0, 1 }, { 0x40000000, 0x100 }, { 0x4b564d00, 9 }, { 0xc0000081, 4 }, { 0xc0000100, 5 }, { 0xc0010000, 0x120 },
		{ 0xc0011020, 16 }, { 0xc0000081, 4 }, { 0x4b564d00, 9 }, { 0x10, 1 },
	};
	u32 i = below(f, ARRAY_SIZE(ranges) + 1), msr;

	msr = i < ARRAY_SIZE(ranges) ? ranges[i][0] + below(f, ranges[i][1]) : (u32)rnd(f);
	return msr == MSR_EFER ? 0x10 : msr;
}

/* RCX is what RDMSR and WRMSR look at: the first rule again, so it is no number that any_msr() doesn't give. */
void mode_regs(struct fuzzer *f, struct kvm_regs *r)
{
	u64 *all = (u64 *)r;
	u32 i;

	for (i = 0; i < 16; i++)
		all[i] = chance(f, 60) ? any_gpa(f) : odd_value(f);
	r->rcx = chance(f, 50) ? any_msr(f) : below(f, 0x200);
	r->rsp = RAM_SIZE / 2 + below(f, 0x10000);
	r->rip = CODE_GPA + below(f, CODE_SIZE);
	r->rflags = 2 | (rnd(f) & (chance(f, 80) ? 0xed7 : 0x3f7fd7));
}

/* ------------------------------------------------------------------ code */

/* Instructions as bytes. "?" stands for a random byte, "M" for a place in memory or MMIO of 32 bits, "P" for a port. */
static const char *const insns[] = {
	"\x0f\xa2", "\xf4", "\x0f\x01\xd9", "\x0f\x01\xc1", "\x0f\x30", "\x0f\x32", "\x0f\x31", "\x0f\x33", "\x0f\x01\xf9", "\xf3\x90",
	"\x0f\x08", "\x0f\x09", "\x0f\x01\xc8", "\x0f\x01\xc9", "\x0f\x0b", "\xcc", "\xcd?", "\xf1", "\xce", "\xfa", "\xfb", "\xfb\xf4",
	"\x9c", "\x9d", "\xcf", "\x48\xcf", "\xcb", "\xc3", "\x58", "\x50", "\x17", "\x16", "\x8e\xd0", "\x8e\xd8", "\x8e\xe0", "\x8e?",
	"\xe6P", "\xe7P", "\xe4P", "\xe5P", "\xee", "\xef", "\xec", "\xed", "\xf3\x6c", "\xf3\x6d", "\xf3\x6e", "\xf3\x6f", "\x6c", "\x6f",
	"\x66\xf3\x6f", "\xa0M", "\xa1M", "\xa2M", "\xa3M", "\x89\x05M", "\x8b\x05M", "\x86\x05M", "\xf0\x01\x05M", "\xff\x05M", "\x0f\xb6\x05M",
	"\xc7\x05M????", "\xc6\x05M?", "\xf3\xa4", "\xf3\xa5", "\xf3\xab", "\xf3\xaa", "\xa4", "\xa5", "\xaa", "\xab", "\xac", "\xad", "\xae",
	"\x0f\x20\xc0", "\x0f\x20\xd0", "\x0f\x20\xd8", "\x0f\x20\xe0", "\x0f\x22\xc0", "\x0f\x22\xd0", "\x0f\x22\xd8", "\x0f\x06",
	"\x0f\x20\xc0\x0f\x22\xc0", "\x0f\x01\xf0", "\x0f\x20\xe0\x0f\x22\xe0", "\x0f\x21?", "\x0f\x01\x15M", "\x0f\x01\x1dM",
	"\x0f\x01\x05M", "\x0f\x01\x0dM", "\x0f\x01\x3dM", "\x0f\x00\x1dM", "\x0f\x00\x15M", "\x0f\x01\xd0", "\x31\xc9\x0f\x01\xd0",
	"\x31\xc9\xb8?\x00\x00\x00\x31\xd2\x0f\x01\xd1", "\xeaM\x08\x00", "\x9aM\x08\x00", "\xff\x2dM", "\xff\x1dM", "\x0f\x05", "\x0f\x07",
	"\x0f\x34", "\x0f\x35", "\x0f\xaa", "\x0f\xae\x05M", "\x0f\xae\x0dM", "\x0f\xae\x25M", "\x0f\xae\x2dM", "\x0f\x6f\x05M", "\x0f\x11\x05M",
	"\x0f\x28\x05M", "\xd9\x05M", "\xdd\x1dM", "\xdb\xe3", "\x9b", "\xb9????", "\xb8????", "\xba????", "\xbf" "M", "\xbeM", "\xbcM", "\xeb?",
	"\x75?", "\xe2?", "\xe9???\xff", "\xe8??\x00\x00", "\xf3\xc3", "\xc8???", "\xc9", "\x60", "\x61", "\x0f\x01\xd8", "\x0f\x01\xda",
	"\x0f\x01\xdb", "\x0f\x01\xdc", "\x0f\x01\xdd", "\x0f\x01\xde", "\x0f\x01\xdf", "\x0f\x38\x80\x05M", "\x0f\xc7\x0dM",
	"\xf0\x0f\xc7\x0dM", "\x0f\xba\x2dM?", "\x8f\x05M", "\xff\x35M", "\x0f\xb0\x05M", "\x0f\xc1\x05M",
};

static u32 any_place(struct fuzzer *f)
{
	static const u32 devices[] = { 0xfee00000, 0xfee00000, 0xfec00000, 0xd0000000, 0xa0000, 0x1000, 0xfffffffc };

	if (chance(f, 50))
		return CODE_GPA + below(f, RAM_SIZE - CODE_GPA);
	return devices[below(f, ARRAY_SIZE(devices))] + (chance(f, 80) ? below(f, 64) * 16 : below(f, PAGE_SIZE));
}

static u8 any_port(struct fuzzer *f)
{
	static const u8 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x80, 0x92, 0x7e };

	return chance(f, 70) ? ports[below(f, ARRAY_SIZE(ports))] : (u8)rnd(f);
}

/* One instruction at @to; its length. */
static u32 any_insn(struct fuzzer *f, u8 *to)
{
	const char *insn = insns[below(f, ARRAY_SIZE(insns))];
	u32 n = 0, place, length = strlen(insn);

	if (chance(f, 3)) {
		fill_random(f, to, 8);
		return 1 + below(f, 8);
	}
	/* The ones with a zero byte in them end early in strlen(): a shorter instruction is as good. */
	for (u32 i = 0; i < length; i++) {
		if (insn[i] == '?') {
			to[n++] = rnd(f);
		} else if (insn[i] == 'P') {
			to[n++] = any_port(f);
		} else if (insn[i] == 'M') {
			place = any_place(f);
			memcpy(to + n, &place, 4);
			n += 4;
		} else {
			to[n++] = insn[i];
		}
	}
	return n;
}

/*
 * The rules, for code that random bytes make, and for who begins in the middle of an instruction. MOV to CR8 is MOV to CR0
 * with REX.R (4x) or LOCK. A world that has EFER.LME keeps its CR4.
 */
static void scrub(struct world *w, u8 *code, u32 n)
{
	for (u32 i = 0; i + 2 < n; i++) {
		if (code[i] != 0x0f)
			continue;
		if (code[i + 1] == 0x23)
			code[i + 1] = 0x21;
		if (code[i + 1] != 0x22)
			continue;
		if (i && (code[i - 1] >> 4 == 4 || code[i - 1] == 0xf0))
			code[i - 1] = 0x90;
		if (w->long_mode && (code[i + 2] & 0x38) == 0x20)
			code[i + 2] &= ~0x38;
	}
}

void guest_code(struct fuzzer *f)
{
	u32 start = below(f, CODE_SIZE - 0x200), n = 0, end = 64 + below(f, 0x180);
	u8 code[0x240];

	while (n < end)
		n += any_insn(f, code + n);
	scrub(f->w, code, n);
	to_ram(f->w, CODE_GPA + start, code, n);
}
