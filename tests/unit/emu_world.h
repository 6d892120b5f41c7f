/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest for the emulator alone: memory at a low address of this process, where GPA, GVA and pointer are the same number, so that
 * the processor itself can run the same instruction on the same memory. Everything else is MMIO.
 */
#ifndef UNIT_EMU_WORLD_H
#define UNIT_EMU_WORLD_H

#include "check.h"
#include "emulate/alu.c"
#include "emulate/decode.c"
#include "emulate/mem.c"
#include "emulate/operand.c"
#include "emulate/string.c"
#include "emulate/far.c"
#include "emulate/system.c"
#include "emulate/fpu.c"
#include "emulate/exec.c"
#include "emulate/run.c"

#define RAM		0x10000000ul	/* the guest's memory */
#define RAM_SIZE	0x100000ul
#define ROM		(RAM + 0xf0000)	/* its last 64 KiB are read-only */
#define CODE		(RAM + 0x1000)
#define DATA		(RAM + 0x8000)
#define STACK		(RAM + 0x7000)
#define HOLE		(RAM + 0xe0000)	/* a slot without memory of the VMM: 4 KiB */
#define MMIO		0x40000000ul	/* any address that isn't memory */

u64 shim_xmm[16][2], shim_mmx[8];
u16 shim_fcw = 0x37f, shim_fsw;
static struct emu *E;
static struct memslot ram_slot = { .base_gfn = RAM >> 12, .npages = (ROM - RAM) >> 12, .hva = RAM };
static struct memslot rom_slot = { .base_gfn = ROM >> 12, .npages = 16, .hva = ROM, .flags = KVM_MEM_READONLY };

/* Pages of the guest's that fault: a test's walker. */
static struct { gva_t page; u32 deny; u32 error; gpa_t to; } world_page[8];
static int world_pages;
static bool world_lost_table;
static int world_cmpxchg_races;		/* so many times somebody else is faster */

struct memslots *memslots(struct vm *vm)
{
	return NULL;
}

struct memslot *memslot_find(struct memslots *slots, gfn_t gfn)
{
	if (gfn >= rom_slot.base_gfn && gfn < rom_slot.base_gfn + rom_slot.npages)
		return &rom_slot;
	return gfn >= ram_slot.base_gfn && gfn < ram_slot.base_gfn + ram_slot.npages ? &ram_slot : NULL;
}

static bool world_has(gpa_t gpa, size_t len)
{
	return gpa >= RAM && gpa + len <= RAM + RAM_SIZE && !(gpa < HOLE + PAGE_SIZE && gpa + len > HOLE);
}

int vm_read_guest(struct vm *vm, gpa_t gpa, void *data, size_t len)
{
	if (!world_has(gpa, len))
		return -EFAULT;
	memcpy(data, (void *)gpa, len);
	return 0;
}

int vm_write_guest(struct vm *vm, gpa_t gpa, const void *data, size_t len)
{
	if (!world_has(gpa, len) || gpa + len > ROM)
		return -EFAULT;
	memcpy((void *)gpa, data, len);
	return 0;
}

int vm_cmpxchg_guest(struct vm *vm, gpa_t gpa, const void *old, const void *new, size_t len)
{
	if (!world_has(gpa, len))
		return -EFAULT;
	if (world_cmpxchg_races) {
		world_cmpxchg_races--;
		++*(u8 *)gpa;
	}
	if (memcmp((void *)gpa, old, len))
		return 1;
	memcpy((void *)gpa, new, len);
	return 0;
}

gpa_t mmu_walk(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access, struct walk_fault *fault)
{
	if (world_lost_table) {
		*fault = (struct walk_fault) { .gva = gva, .table_gpa = world_lost_table ? HOLE : MMIO };
		return INVALID_GPA;
	}
	for (int i = 0; i < world_pages; i++) {
		if (world_page[i].page != (gva & PAGE_MASK))
			continue;
		if (!(access & world_page[i].deny))
			return world_page[i].to | (gva & 0xfff);
		*fault = (struct walk_fault) {
			.gva = gva, .present_in_slot = true,
			.error_code = world_page[i].error | (access & ACCESS_WRITE ? 2 : 0) | (access & ACCESS_USER ? 4 : 0),
		};
		return INVALID_GPA;
	}
	return gva;
}

/* Map @page elsewhere, but let accesses of the kinds @deny fault. */
static void world_map(gva_t page, gpa_t to, u32 deny, u32 error)
{
	world_page[world_pages].page = page;
	world_page[world_pages].to = to;
	world_page[world_pages].deny = deny;
	world_page[world_pages++].error = error;
}

static void world_init(void)
{
	if (!E) {
		void *p = mmap((void *)RAM, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		SHIM_ASSERT(p == (void *)RAM);
		E = calloc(1, sizeof(*E));
	}
	memset((void *)RAM, 0, RAM_SIZE);
	memset(E, 0, sizeof(*E));
	memset(shim_xmm, 0, sizeof(shim_xmm));
	world_pages = 0;
	world_lost_table = false;
	world_cmpxchg_races = 0;
}

/* Flat segments and a state as the mode has it; RIP at CODE (real mode: CS base is CODE - 0x100). */
static void world_mode(enum emu_mode mode)
{
	world_init();
	E->mode = mode;
	E->rflags = 2;
	E->paging.cr0 = mode == EMU_REAL ? 0x60000010 : 0x80000011;
	E->paging.cr4 = 0x220;
	E->paging.efer = mode == EMU_PROT64 ? 0x500 : 0;
	for (int i = 0; i < NR_SEGS; i++)
		E->segs[i] = (struct kvm_segment) { .limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .g = 1, .db = mode != EMU_PROT16, .selector = 0x10 };
	E->segs[SEG_CS].type = 11;
	E->segs[SEG_CS].selector = 8;
	E->segs[SEG_CS].l = mode == EMU_PROT64;
	E->segs[SEG_CS].db = mode == EMU_PROT32;
	E->segs[SEG_LDTR].unusable = 1;
	E->rip = CODE;
	E->regs[REG_RSP] = STACK;
	if (mode == EMU_REAL || mode == EMU_VM86 || mode == EMU_PROT16) {
		for (int i = 0; i < SEG_LDTR; i++) {
			E->segs[i].limit = 0xffff;
			E->segs[i].db = E->segs[i].g = 0;
			E->segs[i].base = DATA;
		}
		E->segs[SEG_CS].base = CODE - 0x100;
		E->segs[SEG_SS].base = STACK - 0x1000;
		E->rip = 0x100;
		E->regs[REG_RSP] = 0x1000;
	}
	if (mode == EMU_VM86) {
		E->cpl = 3;
		E->rflags |= X86_EFLAGS_VM;
	}
	E->idt.limit = 0x3ff;
}

/* ---- what the floor above does with effects: a log, and devices that answer with patterns */

struct seen { enum effect_kind kind; u64 where; u32 len, count; u64 value; };
static struct seen seen[600];
static unsigned int nr_seen;
static u64 mmio_answer, value_answer;	/* answers to reads; the next one is one more */
static bool fault_answer;

static void world_effect(struct emu_effect *ef)
{
	struct seen *s = &seen[nr_seen++];

	SHIM_ASSERT(nr_seen < ARRAY_SIZE(seen));
	*s = (struct seen) { ef->kind, ef->kind == EFFECT_MMIO_READ || ef->kind == EFFECT_MMIO_WRITE ? ef->gpa : ef->index, ef->len, ef->count, ef->value };
	ef->answer_fault = fault_answer;
	switch (ef->kind) {
	case EFFECT_MMIO_READ:
		memset(ef->data, 0, 16);
		memcpy(ef->data, &mmio_answer, min_t(u32, ef->len, 8));
		mmio_answer++;
		break;
	case EFFECT_IO_READ:
		for (u32 i = 0; i < ef->count; i++, mmio_answer++)
			memcpy(ef->data + i * ef->len, &mmio_answer, ef->len);
		break;
	case EFFECT_MMIO_WRITE:
	case EFFECT_IO_WRITE:
		s->value = 0;
		memcpy(&s->value, ef->data, min_t(u32, max_t(u32, ef->count, 1) * ef->len, 8));
		break;
	case EFFECT_CPUID:
		E->regs[REG_RAX] = 0xc0ffee;
		break;
	case EFFECT_RDTSC:
		E->regs[REG_RAX] = 5;
		E->regs[REG_RDX] = 6;
		break;
	case EFFECT_CR_READ: case EFFECT_DR_READ: case EFFECT_MSR_READ: case EFFECT_RDPMC:
		ef->value = value_answer;
		break;
	default:
		break;
	}
}

static int world_agains;		/* how often the guest had to execute an instruction anew */

/* Run the instruction at e->rip to its end. */
static enum emu_result world_go(void)
{
	enum emu_result r;

	nr_seen = 0;
	do {
		emu_begin(E);
		while ((r = emu_run(E)) == EMU_EFFECT)
			world_effect(&E->effect);
		world_agains += r == EMU_AGAIN;
	} while (r == EMU_AGAIN);
	return r;
}

static u64 code_address(void)
{
	return E->mode == EMU_PROT64 ? E->rip : (u32)(E->segs[SEG_CS].base + E->rip);
}

static enum emu_result world_run(const void *insn, size_t len)
{
	memset((void *)code_address(), 0xcc, 16);
	memcpy((void *)code_address(), insn, len);
	E->insn_len = 0;
	return world_go();
}
/* RUN("\x89\x07"): the bytes as a string constant. */
#define RUN(s)	world_run(s, sizeof(s) - 1)
#define CHECK_FAULT(s, v, err) do { \
	u64 _rip = E->rip; CHECK_EQ(RUN(s), EMU_FAULT); CHECK_EQ(E->fault.vector, v); CHECK_EQ(E->fault.error, err); CHECK_EQ(E->rip, _rip); \
} while (0)

static void poke(u64 at, u64 val, size_t len)
{
	memcpy((void *)at, &val, len);
}

static u64 peek(u64 at, size_t len)
{
	u64 val = 0;

	memcpy(&val, (void *)at, len);
	return val;
}

#endif
