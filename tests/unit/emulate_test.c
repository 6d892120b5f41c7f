// SPDX-License-Identifier: GPL-2.0-only
/* MMIO, strings, ports, stack, control flow, system instructions, segments, and the faults of all. */
#include "emu_world.h"

/* ---- MMIO */

TEST(mmio_loads_and_stores)
{
	static const struct { const char *insn; u8 len, size; bool write; u64 want; } rows[] = {
		{ "\x8a\x07", 2, 1, false, 0x11 }, { "\x66\x8b\x07", 3, 2, false, 0x2211 }, { "\x8b\x07", 2, 4, false, 0x44332211 },
		{ "\x48\x8b\x07", 3, 8, false, 0x8877665544332211 },
		{ "\x0f\xb6\x07", 3, 1, false, 0x11 }, { "\x0f\xb7\x07", 3, 2, false, 0x2211 },
		{ "\x48\x0f\xbe\x07", 4, 1, false, 0x11 }, { "\x48\x63\x07", 3, 4, false, 0x44332211 },
		{ "\x0f\x38\xf0\x07", 4, 4, false, 0x11223344 },
		{ "\x88\x07", 2, 1, true, 0xef }, { "\x66\x89\x07", 3, 2, true, 0xcdef }, { "\x89\x07", 2, 4, true, 0x89abcdef },
		{ "\x48\x89\x07", 3, 8, true, 0x0123456789abcdef }, { "\x0f\xc3\x07", 3, 4, true, 0x89abcdef },
		{ "\xc6\x07\x5a", 3, 1, true, 0x5a }, { "\xc7\x07\x01\x00\x00\x80", 6, 4, true, 0x80000001 },
		{ "\x48\xc7\x07\x01\x00\x00\x80", 7, 8, true, 0xffffffff80000001 },
		{ "\x48\x0f\x38\xf1\x07", 5, 8, true, 0xefcdab8967452301 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		world_mode(EMU_PROT64);
		mmio_answer = 0x8877665544332211;
		E->regs[REG_RDI] = MMIO + 0x10;
		E->regs[REG_RAX] = 0x0123456789abcdef;
		CHECK_EQ(world_run(rows[i].insn, rows[i].len), EMU_DONE);
		CHECK_EQ(nr_seen, 1);
		CHECK_EQ(seen[0].kind, rows[i].write ? EFFECT_MMIO_WRITE : EFFECT_MMIO_READ);
		CHECK_EQ(seen[0].where, MMIO + 0x10);
		CHECK_EQ(seen[0].len, rows[i].size);
		if (rows[i].write)
			CHECK_EQ(seen[0].value, rows[i].want);
		else
			CHECK_EQ(E->regs[REG_RAX] & emu_mask(rows[i].size), rows[i].want);
		CHECK_EQ(E->rip, CODE + rows[i].len);
	}
}

TEST(mmio_read_modify_write)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = MMIO;
	E->regs[REG_RAX] = 0xf0;
	mmio_answer = 0x0f;
	CHECK_EQ(RUN("\x09\x07"), EMU_DONE);		/* or [rdi], eax */
	CHECK_EQ(nr_seen, 2);
	CHECK_EQ(seen[0].kind, EFFECT_MMIO_READ);
	CHECK_EQ(seen[1].kind, EFFECT_MMIO_WRITE);
	CHECK_EQ(seen[1].value, 0xff);
	/* A comparison doesn't write; a LOCK on MMIO is a read and a write. */
	CHECK_EQ(RUN("\x39\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 1);
	CHECK_EQ(RUN("\xf0\xff\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 2);
	mmio_answer = 0x77;
	CHECK_EQ(RUN("\x87\x07"), EMU_DONE);		/* xchg [rdi], eax */
	CHECK_EQ(seen[1].value, 0xf0);
	CHECK_EQ(E->regs[REG_RAX], 0x77);
}

TEST(mmio_across_a_page)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = MMIO + 0xffe;
	E->regs[REG_RAX] = 0x0123456789abcdef;
	CHECK_EQ(RUN("\x48\x89\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 2);
	CHECK_EQ(seen[0].where, MMIO + 0xffe);
	CHECK_EQ(seen[0].len, 2);
	CHECK_EQ(seen[0].value, 0xcdef);
	CHECK_EQ(seen[1].where, MMIO + 0x1000);
	CHECK_EQ(seen[1].len, 6);
	CHECK_EQ(seen[1].value, 0x0123456789ab);
	mmio_answer = 0xaabb;
	CHECK_EQ(RUN("\x48\x8b\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 2);
	CHECK_EQ(E->regs[REG_RAX], 0xaabcaabb);
}

TEST(memory_and_mmio_mixed)
{
	world_mode(EMU_PROT64);
	poke(DATA, 0x1234, 8);
	E->regs[REG_RSI] = DATA;
	E->regs[REG_RDI] = MMIO;
	CHECK_EQ(RUN("\xa5"), EMU_DONE);
	CHECK_EQ(nr_seen, 1);
	CHECK_EQ(seen[0].value, 0x1234);
	CHECK_EQ(E->regs[REG_RSI], DATA + 4);
	CHECK_EQ(E->regs[REG_RDI], MMIO + 4);
	/* push [mmio], pop [mmio] */
	mmio_answer = 0x4711;
	CHECK_EQ(RUN("\xff\x37"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSP], STACK - 8);
	CHECK_EQ(peek(STACK - 8, 8), 0x4711);
	CHECK_EQ(RUN("\x8f\x07"), EMU_DONE);
	CHECK_EQ(seen[0].value, 0x4711);
	CHECK_EQ(E->regs[REG_RSP], STACK);
	/* pop [rsp]: the address is that after the pop */
	poke(STACK, 0x99, 8);
	CHECK_EQ(RUN("\x8f\x04\x24"), EMU_DONE);
	CHECK_EQ(peek(STACK + 8, 8), 0x99);
}

TEST(moffs_and_rip_relative)
{
	world_mode(EMU_PROT64);
	mmio_answer = 0xab;
	CHECK_EQ(RUN("\xa0\x00\x00\x00\x40\x00\x00\x00\x00"), EMU_DONE);
	CHECK_EQ(seen[0].where, MMIO);
	CHECK_EQ(E->regs[REG_RAX], 0xab);
	E->rip = CODE;
	CHECK_EQ(RUN("\xc7\x05\x00\x10\x00\x00\x78\x56\x34\x12"), EMU_DONE);	/* mov dword [rip+0x1000], imm */
	CHECK_EQ(peek(CODE + 10 + 0x1000, 4), 0x12345678);
	world_mode(EMU_REAL);
	E->regs[REG_RAX] = 0x1234;
	CHECK_EQ(RUN("\xa3\x10\x00"), EMU_DONE);
	CHECK_EQ(peek(DATA + 0x10, 2), 0x1234);
}

TEST(addressing_16_bits)
{
	static const struct { const char *insn; u8 len; u32 offset; bool stack; } rows[] = {
		{ "\x89\x00", 2, 0x110, false }, { "\x89\x01", 2, 0x120, false }, { "\x89\x02", 2, 0x210, true }, { "\x89\x03", 2, 0x220, true },
		{ "\x89\x04", 2, 0x10, false }, { "\x89\x05", 2, 0x20, false }, { "\x89\x06\x34\x02", 4, 0x234, false }, { "\x89\x07", 2, 0x100, false },
		{ "\x89\x46\xfe", 3, 0x1fe, true }, { "\x89\x87\x00\x01", 4, 0x200, false }, { "\x3e\x89\x46\x00", 4, 0x200, false },
		{ "\x67\x89\x43\x04", 4, 0x104, false }, { "\x67\x89\x04\x33", 4, 0x110, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		world_mode(EMU_REAL);
		E->regs[REG_RAX] = 0xbeef;
		E->regs[REG_RBX] = 0x100;
		E->regs[REG_RBP] = 0x200;
		E->regs[REG_RSI] = 0x10;
		E->regs[REG_RDI] = 0x20;
		CHECK_EQ(world_run(rows[i].insn, rows[i].len), EMU_DONE);
		CHECK_EQ(peek((rows[i].stack ? STACK - 0x1000 : DATA) + rows[i].offset, 2), 0xbeef);
	}
}

TEST(read_only_memory_is_mmio_for_writes)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = ROM + 8;
	E->regs[REG_RAX] = 0x55;
	CHECK_EQ(RUN("\x88\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 1);
	CHECK_EQ(seen[0].where, ROM + 8);
	CHECK_EQ(RUN("\x8a\x07"), EMU_DONE);
	CHECK_EQ(nr_seen, 0);
	CHECK_EQ(E->regs[REG_RAX], 0);
}

TEST(memory_that_the_vmm_lost)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = HOLE;
	CHECK_EQ(RUN("\x8a\x07"), EMU_BAD_HVA);
	CHECK_EQ(RUN("\x88\x07"), EMU_BAD_HVA);
	CHECK_EQ(RUN("\xf0\xff\x07"), EMU_BAD_HVA);
	E->rip = HOLE;
	E->insn_len = 0;
	CHECK_EQ(world_go(), EMU_BAD_HVA);
	E->rip = MMIO;
	E->insn_len = 0;
	CHECK_EQ(world_go(), EMU_UNHANDLED);
	E->rip = CODE;
	world_lost_table = true;
	E->insn_len = 0;
	CHECK_EQ(world_go(), EMU_BAD_HVA);
}

TEST(atomic_update_again_after_a_race)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = DATA;
	poke(DATA, 10, 4);
	world_cmpxchg_races = 3;
	world_agains = 0;
	CHECK_EQ(RUN("\xf0\xff\x07"), EMU_DONE);	/* lock inc [rdi] */
	CHECK_EQ(world_agains, 3);			/* by the guest each time, where signals are looked at */
	CHECK_EQ(peek(DATA, 4), 14);
	/* lock cmpxchg16b */
	poke(DATA, 1, 8);
	poke(DATA + 8, 2, 8);
	E->regs[REG_RAX] = 1;
	E->regs[REG_RDX] = 2;
	E->regs[REG_RBX] = 3;
	E->regs[REG_RCX] = 4;
	CHECK_EQ(RUN("\xf0\x48\x0f\xc7\x0f"), EMU_DONE);
	CHECK_EQ(peek(DATA, 8), 3);
	CHECK_EQ(peek(DATA + 8, 8), 4);
	CHECK(E->rflags & X86_EFLAGS_ZF);
	CHECK_EQ(RUN("\xf0\x48\x0f\xc7\x0f"), EMU_DONE);
	CHECK(!(E->rflags & X86_EFLAGS_ZF));
	CHECK_EQ(E->regs[REG_RDX], 4);
	E->regs[REG_RDI] = DATA + 8;
	CHECK_FAULT("\xf0\x48\x0f\xc7\x0f", X86_TRAP_GP, 0);
}

/* ---- faults of memory */

TEST(page_faults)
{
	world_mode(EMU_PROT64);
	world_map(DATA, DATA, ACCESS_WRITE, 1);
	E->regs[REG_RDI] = DATA + 4;
	E->regs[REG_RAX] = 1;
	CHECK_EQ(RUN("\x8b\x07"), EMU_DONE);
	CHECK_FAULT("\x89\x07", X86_TRAP_PF, 3);
	CHECK_EQ(E->fault_addr, DATA + 4);
	CHECK_FAULT("\x01\x07", X86_TRAP_PF, 3);
	E->cpl = 3;
	CHECK_FAULT("\x89\x07", X86_TRAP_PF, 7);
	/* The second page of a write faults: nothing is written, no MMIO happens. */
	E->cpl = 0;
	world_map(RAM + 0x20000, MMIO, 0, 0);
	world_map(RAM + 0x21000, 0, ACCESS_READ | ACCESS_WRITE, 0);
	E->regs[REG_RDI] = RAM + 0x20ffe;
	CHECK_FAULT("\x89\x07", X86_TRAP_PF, 2);
	CHECK_EQ(E->fault_addr, RAM + 0x21000);
	CHECK_EQ(nr_seen, 0);
	/* Fetch: the second page only when it is needed. */
	world_map(RAM + 0x31000, 0, ACCESS_FETCH, 0x10);
	E->rip = RAM + 0x30fff;
	poke(E->rip, 0x90, 1);
	E->insn_len = 0;
	CHECK_EQ(world_go(), EMU_DONE);
	E->rip = RAM + 0x30fff;
	poke(E->rip, 0x0f, 1);
	E->insn_len = 0;
	CHECK_EQ(world_go(), EMU_FAULT);
	CHECK_EQ(E->fault_addr, RAM + 0x31000);
	CHECK_EQ(E->fault.error, 0x10);
}

TEST(segment_faults)
{
	world_mode(EMU_PROT32);
	E->regs[REG_RDI] = DATA;
	E->segs[SEG_DS].limit = DATA + 2;
	CHECK_FAULT("\x89\x07", X86_TRAP_GP, 0);
	CHECK_EQ(RUN("\x66\x89\x07"), EMU_DONE);
	E->segs[SEG_SS].limit = 0x100;
	CHECK_FAULT("\x50", X86_TRAP_SS, 0);
	E->segs[SEG_DS].limit = 0xffffffff;
	E->segs[SEG_DS].type = 1;			/* read-only */
	CHECK_FAULT("\x89\x07", X86_TRAP_GP, 0);
	CHECK_EQ(RUN("\x8b\x07"), EMU_DONE);
	E->segs[SEG_DS].unusable = 1;
	CHECK_FAULT("\x8b\x07", X86_TRAP_GP, 0);
	CHECK_FAULT("\x2e\x89\x07", X86_TRAP_GP, 0);	/* code can't be written */
	CHECK_EQ(RUN("\x2e\x8b\x07"), EMU_DONE);
	E->segs[SEG_CS].type = 9;			/* execute-only */
	CHECK_FAULT("\x2e\x8b\x07", X86_TRAP_GP, 0);
	/* expand-down: above the limit */
	E->segs[SEG_ES].type = 7;
	E->segs[SEG_ES].limit = DATA - 1;
	CHECK_EQ(RUN("\x26\x89\x07"), EMU_DONE);
	E->segs[SEG_ES].limit = DATA;
	CHECK_FAULT("\x26\x89\x07", X86_TRAP_GP, 0);
	E->segs[SEG_ES].limit = 0x10;
	E->segs[SEG_ES].db = 0;
	CHECK_FAULT("\x26\x89\x07", X86_TRAP_GP, 0);
	/* RIP behind the limit; an instruction that reaches over it */
	E->segs[SEG_CS].limit = E->rip + 1;
	CHECK_EQ(RUN("\x90"), EMU_DONE);
	E->segs[SEG_CS].limit = E->rip + 1;
	CHECK_FAULT("\xb8\x00\x00\x00\x00", X86_TRAP_GP, 0);
}

TEST(canonical_addresses)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = 0x800000000000;
	CHECK_FAULT("\x8b\x07", X86_TRAP_GP, 0);
	E->regs[REG_RBP] = 0x800000000000;
	CHECK_FAULT("\x8b\x45\x00", X86_TRAP_SS, 0);
	E->regs[REG_RDI] = 0x7ffffffffffd;
	CHECK_FAULT("\x8b\x07", X86_TRAP_GP, 0);
	E->paging.cr4 |= X86_CR4_LA57;
	E->regs[REG_RDI] = 0x800000000000;
	CHECK_EQ(RUN("\x8b\x07"), EMU_DONE);		/* MMIO up there */
	CHECK_EQ(seen[0].where, 0x800000000000);
	E->segs[SEG_GS].base = MMIO;
	E->regs[REG_RDI] = 0x20;
	CHECK_EQ(RUN("\x65\x8b\x07"), EMU_DONE);
	CHECK_EQ(seen[0].where, MMIO + 0x20);
	/* with a 32-bit address size the offset is cut */
	E->regs[REG_RDI] = 0xffff000000000000 | MMIO;
	CHECK_EQ(RUN("\x67\x8b\x07"), EMU_DONE);
	CHECK_EQ(seen[0].where, MMIO);
}

TEST(invalid_instructions)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = DATA;
	CHECK_FAULT("\x0f\x0b", X86_TRAP_UD, 0);
	CHECK_FAULT("\xf0\x89\x07", X86_TRAP_UD, 0);		/* lock mov */
	CHECK_FAULT("\xf0\x01\xc0", X86_TRAP_UD, 0);		/* lock add to a register */
	CHECK_FAULT("\xf0\x03\x07", X86_TRAP_UD, 0);		/* lock add from memory */
	CHECK_FAULT("\xf0\x39\x07", X86_TRAP_UD, 0);		/* lock cmp */
	CHECK_FAULT("\x06", X86_TRAP_UD, 0);			/* push es */
	CHECK_FAULT("\x60", X86_TRAP_UD, 0);
	CHECK_FAULT("\x8d\xc0", X86_TRAP_UD, 0);		/* lea of a register */
	CHECK_FAULT("\x0f\xc7\xc8", X86_TRAP_UD, 0);		/* cmpxchg8b of a register */
	CHECK_FAULT("\xfe\xd0", X86_TRAP_UD, 0);
	CHECK_FAULT("\xff\xf8", X86_TRAP_UD, 0);
	CHECK_FAULT("\x0f\xba\xc0\x01", X86_TRAP_UD, 0);
	CHECK_FAULT("\x8e\xc8", X86_TRAP_UD, 0);		/* mov cs */
	CHECK_FAULT("\x8e\xf0", X86_TRAP_UD, 0);		/* no such segment */
	CHECK_FAULT("\xea\0\0\0\0\0\0", X86_TRAP_UD, 0);
	CHECK_EQ(RUN("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), EMU_DONE);
	CHECK_FAULT("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", X86_TRAP_GP, 0);
	CHECK_EQ(RUN("\xc5\xf8\x10\x07"), EMU_UNHANDLED);	/* vmovups */
	CHECK_EQ(RUN("\xd9\x07"), EMU_UNHANDLED);		/* fld */
	CHECK_EQ(RUN("\x0f\x58\x07"), EMU_UNHANDLED);		/* addps */
	CHECK_EQ(RUN("\x0f\x05"), EMU_UNHANDLED);
	E->insn_len = 0;
	world_mode(EMU_REAL);
	CHECK_FAULT("\x0f\x00\xc0", X86_TRAP_UD, 0);		/* sldt */
	CHECK_EQ(E->fault.has_error, false);
	CHECK_FAULT("\xc4\xc0", X86_TRAP_UD, 0);
}

TEST(divide_errors)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RBX] = 0;
	CHECK_FAULT("\xf7\xf3", X86_TRAP_DE, 0);
	E->regs[REG_RAX] = 1ull << 63;
	E->regs[REG_RDX] = ~0ull;
	E->regs[REG_RBX] = ~0ull;
	CHECK_FAULT("\x48\xf7\xfb", X86_TRAP_DE, 0);
}

/* ---- strings */

TEST(rep_movs_and_stos)
{
	world_mode(EMU_PROT64);
	for (int i = 0; i < 100; i++)
		poke(DATA + i, i, 1);
	E->regs[REG_RSI] = DATA;
	E->regs[REG_RDI] = DATA + 0x1000;
	E->regs[REG_RCX] = 100;
	CHECK_EQ(RUN("\xf3\xa4"), EMU_DONE);
	CHECK_MEM((void *)DATA, (void *)(DATA + 0x1000), 100);
	CHECK_EQ(E->regs[REG_RCX], 0);
	CHECK_EQ(E->rip, CODE + 2);
	/* Downwards to MMIO: one write per element. */
	E->rflags |= X86_EFLAGS_DF;
	E->regs[REG_RDI] = MMIO + 0x100;
	E->regs[REG_RAX] = 0x1234;
	E->regs[REG_RCX] = 3;
	E->rip = CODE;
	CHECK_EQ(RUN("\x66\xf3\xab"), EMU_DONE);
	CHECK_EQ(nr_seen, 3);
	CHECK_EQ(seen[2].where, MMIO + 0xfc);
	CHECK_EQ(seen[2].len, 2);
	CHECK_EQ(E->regs[REG_RDI], MMIO + 0xfa);
	/* A count of zero does nothing. */
	E->rip = CODE;
	E->regs[REG_RDI] = 0x800000000000;
	CHECK_EQ(RUN("\xf3\xaa"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 2);
}

TEST(rep_gives_way)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = DATA;
	E->regs[REG_RCX] = 1000;
	CHECK_EQ(RUN("\xf3\xaa"), EMU_DONE);
	CHECK_EQ(E->rip, CODE);				/* not yet through */
	CHECK_EQ(E->regs[REG_RCX], 1000 - 256);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(world_go(), EMU_DONE);
	CHECK_EQ(E->regs[REG_RCX], 0);
	CHECK_EQ(E->rip, CODE + 2);
	CHECK_EQ(E->regs[REG_RDI], DATA + 1000);
}

/* Stepped, an iteration is all. */
TEST(rep_stepped)
{
	world_mode(EMU_PROT64);
	E->stepped = true;
	E->regs[REG_RDI] = DATA;
	E->regs[REG_RCX] = 3;
	CHECK_EQ(RUN("\xf3\xaa"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RCX], 2);
	CHECK_EQ(E->rip, CODE);
	CHECK_EQ(world_go(), EMU_DONE);
	CHECK_EQ(world_go(), EMU_DONE);
	CHECK_EQ(E->regs[REG_RCX], 0);
	CHECK_EQ(E->rip, CODE + 2);
	/* Ports, which are asked for many at once otherwise. */
	E->rip = CODE;
	E->regs[REG_RDI] = DATA;
	E->regs[REG_RDX] = 0x60;
	E->regs[REG_RCX] = 3;
	CHECK_EQ(RUN("\xf3\x6c"), EMU_DONE);		/* rep insb */
	CHECK_EQ(E->regs[REG_RCX], 2);
	E->rip = CODE;
	E->regs[REG_RSI] = DATA;
	E->regs[REG_RCX] = 3;
	CHECK_EQ(RUN("\xf3\x6e"), EMU_DONE);		/* rep outsb */
	CHECK_EQ(E->regs[REG_RCX], 2);
	CHECK_EQ(E->regs[REG_RSI], DATA + 1);
}

TEST(rep_faults_in_the_middle)
{
	world_mode(EMU_PROT64);
	world_map(DATA + 0x1000, 0, ACCESS_WRITE, 0);
	E->regs[REG_RDI] = DATA + 0xffc;
	E->regs[REG_RCX] = 10;
	E->regs[REG_RAX] = 0x42;
	CHECK_EQ(RUN("\xf3\xaa"), EMU_FAULT);
	CHECK_EQ(E->regs[REG_RCX], 6);
	CHECK_EQ(E->regs[REG_RDI], DATA + 0x1000);
	CHECK_EQ(E->rip, CODE);
	CHECK_EQ(E->fault_addr, DATA + 0x1000);
	CHECK_EQ(peek(DATA + 0xffc, 4), 0x42424242);
}

TEST(rep_compare_and_scan)
{
	world_mode(EMU_PROT64);
	memcpy((void *)DATA, "abcdefgh", 8);
	memcpy((void *)(DATA + 0x100), "abcdXfgh", 8);
	E->regs[REG_RSI] = DATA;
	E->regs[REG_RDI] = DATA + 0x100;
	E->regs[REG_RCX] = 8;
	CHECK_EQ(RUN("\xf3\xa6"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RCX], 3);
	CHECK(!(E->rflags & X86_EFLAGS_ZF));
	E->rip = CODE;
	E->regs[REG_RDI] = DATA;
	E->regs[REG_RAX] = 'f';
	E->regs[REG_RCX] = 100;
	CHECK_EQ(RUN("\xf2\xae"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RDI], DATA + 6);
	CHECK(E->rflags & X86_EFLAGS_ZF);
	E->regs[REG_RSI] = MMIO;
	mmio_answer = 0x8f;
	CHECK_EQ(RUN("\xac"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0x8f);
	CHECK_EQ(E->regs[REG_RSI], MMIO + 1);
}

TEST(string_wraps_at_16_bits)
{
	world_mode(EMU_REAL);
	E->regs[REG_RDI] = 0xabcdffff;
	E->regs[REG_RCX] = 0x50002;
	E->regs[REG_RAX] = 0x77;
	CHECK_EQ(RUN("\xf3\xaa"), EMU_DONE);
	CHECK_EQ(peek(DATA + 0xffff, 1), 0x77);
	CHECK_EQ(peek(DATA, 1), 0x77);
	CHECK_EQ(E->regs[REG_RDI], 0xabcd0001);
	CHECK_EQ(E->regs[REG_RCX], 0x50000);
}

/* ---- ports */

TEST(ports)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDX] = 0x3f8;
	E->regs[REG_RAX] = 0xffffffff11223344;
	mmio_answer = 0xa1b2c3d4;
	CHECK_EQ(RUN("\xec"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0xffffffff112233d4);
	CHECK_EQ(seen[0].where, 0x3f8);
	CHECK_EQ(seen[0].len, 1);
	CHECK_EQ(RUN("\xe5\x70"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0xa1b2c3d5);
	CHECK_EQ(seen[0].where, 0x70);
	CHECK_EQ(seen[0].len, 4);
	CHECK_EQ(RUN("\x66\xef"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_IO_WRITE);
	CHECK_EQ(seen[0].value, 0xc3d5);
	CHECK_EQ(RUN("\xe6\x80"), EMU_DONE);
	CHECK_EQ(seen[0].value, 0xd5);
	CHECK_EQ(RUN("\x48\xef"), EMU_DONE);		/* REX.W: 32 bits all the same */
	CHECK_EQ(seen[0].len, 4);
}

TEST(string_ports_in_batches)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDX] = 0x1f0;
	E->regs[REG_RDI] = DATA;
	E->regs[REG_RCX] = 256;
	mmio_answer = 0x100;
	CHECK_EQ(RUN("\x66\xf3\x6d"), EMU_DONE);	/* rep insw */
	CHECK_EQ(nr_seen, 1);
	CHECK_EQ(seen[0].count, 256);
	CHECK_EQ(peek(DATA + 510, 2), 0x1ff);
	CHECK_EQ(E->regs[REG_RDI], DATA + 512);
	CHECK_EQ(E->regs[REG_RCX], 0);
	CHECK_EQ(E->rip, CODE + 3);
	/* Over a page, with an element on the border. */
	E->rip = CODE;
	E->regs[REG_RDI] = DATA + 0xffd;
	E->regs[REG_RCX] = 4;
	mmio_answer = 0x1000;
	CHECK_EQ(RUN("\x66\xf3\x6d"), EMU_DONE);
	CHECK_EQ(peek(DATA + 0xffd, 8), 0x1003100210011000);
	CHECK_EQ(E->rip, CODE + 3);
	/* Out, likewise. */
	E->rip = CODE;
	E->regs[REG_RSI] = DATA + 0xffd;
	E->regs[REG_RCX] = 4;
	CHECK_EQ(RUN("\x66\xf3\x6f"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSI], DATA + 0x1005);
	CHECK_EQ(seen[0].value, 0x1000);
	CHECK_EQ(seen[0].count, 1);
	CHECK_EQ(seen[1].value, 0x1001);
	CHECK_EQ(seen[2].value, 0x10031002);
	CHECK_EQ(seen[2].count, 2);
	/* Bytes from MMIO, downwards. */
	E->rip = CODE;
	E->rflags |= X86_EFLAGS_DF;
	E->regs[REG_RSI] = MMIO + 1;
	E->regs[REG_RCX] = 2;
	mmio_answer = 0x31;
	CHECK_EQ(RUN("\xf3\x6e"), EMU_DONE);
	CHECK_EQ(nr_seen, 4);
	CHECK_EQ(seen[3].value, 0x32);
	CHECK_EQ(seen[2].where, MMIO);
	/* The destination's fault comes before the port is touched. */
	E->rflags = 2;
	E->rip = CODE;
	world_map(DATA + 0x2000, 0, ACCESS_WRITE, 0);
	E->regs[REG_RDI] = DATA + 0x2000;
	E->regs[REG_RCX] = 2;
	CHECK_FAULT("\xf3\x6c", X86_TRAP_PF, 2);
	CHECK_EQ(nr_seen, 0);
	E->regs[REG_RCX] = 1;
	CHECK_FAULT("\xf3\x6c", X86_TRAP_PF, 2);
	CHECK_EQ(nr_seen, 0);
}

TEST(port_permissions)
{
	world_mode(EMU_PROT32);
	E->cpl = 3;
	E->segs[SEG_TR] = (struct kvm_segment) { .base = DATA, .limit = 0x400, .present = 1, .type = 11 };
	poke(DATA + 102, 0x68, 2);
	E->regs[REG_RDX] = 0x3f8;
	CHECK_EQ(RUN("\xec"), EMU_DONE);
	poke(DATA + 0x68 + 0x3f8 / 8, 2, 1);		/* port 0x3f9 is closed */
	CHECK_EQ(RUN("\xec"), EMU_DONE);
	CHECK_FAULT("\x66\xed", X86_TRAP_GP, 0);
	CHECK_FAULT("\x66\xef", X86_TRAP_GP, 0);
	E->segs[SEG_TR].limit = 0x68 + 0x3f8 / 8;
	CHECK_FAULT("\xec", X86_TRAP_GP, 0);
	E->segs[SEG_TR].limit = 100;
	CHECK_FAULT("\x6c", X86_TRAP_GP, 0);
	E->rflags |= 0x3000;
	CHECK_EQ(RUN("\xec"), EMU_DONE);
}

/* ---- stack and control flow */

TEST(stack)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RBX] = 0x1122334455667788;
	CHECK_EQ(RUN("\x53"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSP], STACK - 8);
	CHECK_EQ(RUN("\x41\x58"), EMU_DONE);
	CHECK_EQ(E->regs[REG_R8], 0x1122334455667788);
	CHECK_EQ(RUN("\x6a\xfe"), EMU_DONE);
	CHECK_EQ(peek(STACK - 8, 8), ~1ull);
	CHECK_EQ(RUN("\x66\x68\x34\x12"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSP], STACK - 10);
	E->regs[REG_RSP] = STACK;
	CHECK_EQ(RUN("\x54"), EMU_DONE);		/* push rsp: the old value */
	CHECK_EQ(peek(STACK - 8, 8), STACK);
	CHECK_EQ(RUN("\x5c"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSP], STACK);
	E->regs[REG_RBP] = 0xbb;
	CHECK_EQ(RUN("\xc8\x20\x00\x00"), EMU_DONE);	/* enter 32, 0 */
	CHECK_EQ(E->regs[REG_RBP], STACK - 8);
	CHECK_EQ(E->regs[REG_RSP], STACK - 8 - 32);
	CHECK_EQ(RUN("\xc9"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RBP], 0xbb);
	CHECK_EQ(E->regs[REG_RSP], STACK);
	/* enter 0, 2 copies one frame pointer */
	E->regs[REG_RBP] = DATA + 0x100;
	poke(DATA + 0xf8, 0x55, 8);
	CHECK_EQ(RUN("\xc8\x00\x00\x02"), EMU_DONE);
	CHECK_EQ(peek(STACK - 16, 8), 0x55);
	CHECK_EQ(peek(STACK - 24, 8), STACK - 8);
	CHECK_EQ(RUN("\xc8\x00\x00\x1f"), EMU_UNHANDLED);	/* more pushes than are kept */
}

TEST(pusha_popa)
{
	u64 regs[16];

	world_mode(EMU_PROT32);
	for (int i = 0; i < 8; i++)
		if (i != REG_RSP)
			E->regs[i] = 0x1000 + i;
	memcpy(regs, E->regs, sizeof(regs));
	CHECK_EQ(RUN("\x60"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RSP], STACK - 32);
	CHECK_EQ(peek(STACK - 4, 4), 0x1000);
	CHECK_EQ(peek(STACK - 20, 4), STACK);
	memset(E->regs, 0, 4 * 8);
	E->regs[REG_RSP] = STACK - 32;
	CHECK_EQ(RUN("\x61"), EMU_DONE);
	CHECK_MEM(regs, E->regs, sizeof(regs));
	/* 16 bytes on a stack in MMIO that crosses a page: the worst case of the lists */
	E->regs[REG_RSP] = MMIO + 0x100e;
	CHECK_EQ(RUN("\x66\x60"), EMU_DONE);
	CHECK_EQ(nr_seen, 8);
	E->regs[REG_RSP] = MMIO + 0xffe;
	mmio_answer = 0;
	CHECK_EQ(RUN("\x61"), EMU_DONE);
	CHECK_EQ(nr_seen, 9);
	CHECK_EQ(E->regs[REG_RSP], MMIO + 0x101e);
}

TEST(flags_on_the_stack)
{
	world_mode(EMU_PROT64);
	E->rflags = 0x246 | X86_EFLAGS_RF;
	CHECK_EQ(RUN("\x9c"), EMU_DONE);
	CHECK_EQ(peek(STACK - 8, 8), 0x246);
	poke(STACK - 8, 0x3f7fd7, 8);
	CHECK_EQ(RUN("\x9d"), EMU_DONE);
	CHECK_EQ(E->rflags, 0x247fd7 | 2);
	/* CPL 3: IOPL and IF stay */
	E->cpl = 3;
	E->rflags = 0x202;
	poke(STACK, 0x3000, 8);
	CHECK_EQ(RUN("\x9d"), EMU_DONE);
	CHECK_EQ(E->rflags, 0x202);
	world_mode(EMU_VM86);
	CHECK_FAULT("\x9c", X86_TRAP_GP, 0);
	CHECK_FAULT("\x9d", X86_TRAP_GP, 0);
	CHECK_FAULT("\xfa", X86_TRAP_GP, 0);
	CHECK_FAULT("\xcf", X86_TRAP_GP, 0);
	E->rflags |= 0x3000;
	CHECK_EQ(RUN("\xfb"), EMU_DONE);
	CHECK_EQ(RUN("\x9c"), EMU_DONE);
	CHECK_EQ(peek(STACK - 2, 2), 0x3202);
}

TEST(interrupt_flag_and_shadow)
{
	world_mode(EMU_PROT64);
	CHECK_EQ(RUN("\xfb"), EMU_DONE);
	CHECK_EQ(E->shadow, KVM_X86_SHADOW_INT_STI);
	CHECK(E->rflags & X86_EFLAGS_IF);
	CHECK_EQ(RUN("\xfb"), EMU_DONE);
	CHECK_EQ(E->shadow, 0);
	CHECK_EQ(RUN("\xfa"), EMU_DONE);
	CHECK(!(E->rflags & X86_EFLAGS_IF));
	E->cpl = 3;
	CHECK_FAULT("\xfa", X86_TRAP_GP, 0);
	E->paging.cr4 |= X86_CR4_PVI;
	CHECK_EQ(RUN("\xfa"), EMU_UNHANDLED);
	world_mode(EMU_PROT64);
	CHECK_FAULT("\x0f\x01\xca", X86_TRAP_UD, 0);
	E->paging.cr4 |= X86_CR4_SMAP;
	CHECK_EQ(RUN("\x0f\x01\xcb"), EMU_DONE);
	CHECK(E->rflags & X86_EFLAGS_AC);
	CHECK_EQ(RUN("\x0f\x01\xca"), EMU_DONE);
	CHECK(!(E->rflags & X86_EFLAGS_AC));
}

TEST(near_transfers)
{
	world_mode(EMU_PROT64);
	CHECK_EQ(RUN("\xe8\x00\x01\x00\x00"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x105);
	CHECK_EQ(peek(STACK - 8, 8), CODE + 5);
	CHECK_EQ(RUN("\xc3"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 5);
	CHECK_EQ(E->regs[REG_RSP], STACK);
	CHECK_EQ(RUN("\xeb\xfe"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 5);
	CHECK_EQ(RUN("\xe9\xf6\xff\xff\xff"), EMU_DONE);
	CHECK_EQ(E->rip, CODE);
	E->regs[REG_RDI] = CODE + 0x40;
	CHECK_EQ(RUN("\xff\xe7"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x40);
	poke(DATA, CODE + 0x80, 8);
	E->regs[REG_RDI] = DATA;
	CHECK_EQ(RUN("\xff\x17"), EMU_DONE);		/* call [rdi] */
	CHECK_EQ(E->rip, CODE + 0x80);
	CHECK_EQ(RUN("\xc2\x10\x00"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x42);
	CHECK_EQ(E->regs[REG_RSP], STACK + 16);
	poke(DATA, 1ull << 50, 8);
	CHECK_FAULT("\xff\x27", X86_TRAP_GP, 0);
	E->rip = CODE;
	E->rflags |= X86_EFLAGS_ZF;
	CHECK_EQ(RUN("\x74\x10"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x12);
	CHECK_EQ(RUN("\x0f\x85\x00\x01\x00\x00"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x18);
	E->regs[REG_RCX] = 2;
	CHECK_EQ(RUN("\xe2\xe6"), EMU_DONE);
	CHECK_EQ(E->rip, CODE);
	CHECK_EQ(RUN("\xe2\xfe"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 2);
	CHECK_EQ(RUN("\xe3\x10"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x14);
	E->regs[REG_RCX] = 9;
	CHECK_EQ(RUN("\xe0\x10"), EMU_DONE);		/* ZF is set: not taken */
	CHECK_EQ(E->rip, CODE + 0x16);
	CHECK_EQ(RUN("\xe1\x10"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x28);
	world_mode(EMU_PROT16);
	E->segs[SEG_CS].limit = 0x1ff;
	CHECK_FAULT("\xe9\x00\x10", X86_TRAP_GP, 0);
	CHECK_EQ(RUN("\xe8\x10\x00"), EMU_DONE);
	CHECK_EQ(E->rip, 0x113);
	CHECK_EQ(peek(STACK - 2, 2), 0x103);
}

/* ---- system */

TEST(control_registers)
{
	world_mode(EMU_PROT64);
	value_answer = 0x80050033;
	CHECK_EQ(RUN("\x0f\x20\xc3"), EMU_DONE);	/* mov rbx, cr0 */
	CHECK_EQ(E->regs[REG_RBX], 0x80050033);
	CHECK_EQ(seen[0].kind, EFFECT_CR_READ);
	E->regs[REG_RAX] = 0x123000;
	CHECK_EQ(RUN("\x0f\x22\xd8"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_CR_WRITE);
	CHECK_EQ(seen[0].where, 3);
	CHECK_EQ(seen[0].value, 0x123000);
	CHECK_EQ(RUN("\x44\x0f\x22\xc0"), EMU_DONE);
	CHECK_EQ(seen[0].where, 8);
	CHECK_EQ(RUN("\xf0\x0f\x20\xc0"), EMU_DONE);	/* lock mov eax, cr0 */
	CHECK_EQ(seen[0].where, 8);
	CHECK_FAULT("\x0f\x20\xc8", X86_TRAP_UD, 0);
	fault_answer = true;
	E->regs[REG_RAX] = 1;
	CHECK_FAULT("\x0f\x22\xe0", X86_TRAP_GP, 0);
	fault_answer = false;
	E->cpl = 3;
	CHECK_FAULT("\x0f\x20\xc0", X86_TRAP_GP, 0);
	CHECK_EQ(nr_seen, 0);
	E->cpl = 0;
	value_answer = 0x400;
	CHECK_EQ(RUN("\x0f\x21\xf8"), EMU_DONE);	/* mov rax, dr7 */
	CHECK_EQ(seen[0].where, 7);
	CHECK_EQ(E->regs[REG_RAX], 0x400);
	CHECK_EQ(RUN("\x0f\x23\xe0"), EMU_DONE);	/* dr4 is dr6 */
	CHECK_EQ(seen[0].kind, EFFECT_DR_WRITE);
	CHECK_EQ(seen[0].where, 6);
	E->paging.cr4 |= X86_CR4_DE;
	CHECK_FAULT("\x0f\x23\xe0", X86_TRAP_UD, 0);
	CHECK_EQ(RUN("\x0f\x06"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_CLTS_LMSW);
	E->regs[REG_RAX] = 0xfff2;
	CHECK_EQ(RUN("\x0f\x01\xf0"), EMU_DONE);	/* lmsw: PE stays */
	CHECK_EQ(seen[0].value, 0x80000013);
	CHECK_EQ(RUN("\x0f\x01\xe0"), EMU_DONE);	/* smsw */
	CHECK_EQ(E->regs[REG_RAX], 0x80000011);
	E->regs[REG_RDI] = DATA;
	CHECK_EQ(RUN("\x0f\x01\x27"), EMU_DONE);
	CHECK_EQ(peek(DATA, 4), 0x0011);
}

TEST(msrs_and_friends)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RCX] = 0xc0000080;
	value_answer = 0x1122334455667788;
	CHECK_EQ(RUN("\x0f\x32"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0x55667788);
	CHECK_EQ(E->regs[REG_RDX], 0x11223344);
	CHECK_EQ(seen[0].where, 0xc0000080);
	CHECK_EQ(RUN("\x0f\x30"), EMU_DONE);
	CHECK_EQ(seen[0].value, 0x1122334455667788);
	fault_answer = true;
	CHECK_FAULT("\x0f\x30", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x32", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x33", X86_TRAP_GP, 0);
	fault_answer = false;
	CHECK_EQ(RUN("\x0f\xa2"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0xc0ffee);
	CHECK_EQ(RUN("\x0f\x31"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 5);
	CHECK_EQ(RUN("\x0f\x01\xf9"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_RDTSCP);
	CHECK_FAULT("\x0f\x01\xd1", X86_TRAP_UD, 0);	/* xsetbv without OSXSAVE */
	E->paging.cr4 |= X86_CR4_OSXSAVE;
	E->regs[REG_RCX] = 0;
	CHECK_EQ(RUN("\x0f\x01\xd1"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_XSETBV);
	CHECK_EQ(RUN("\x0f\x01\xd0"), EMU_UNHANDLED);
	CHECK_EQ(RUN("\xf4"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_HLT);
	CHECK_EQ(RUN("\x0f\x09"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_WBINVD);
	CHECK_EQ(RUN("\x0f\x01\xd9"), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_HYPERCALL);
	E->regs[REG_RDI] = 0xfffffffffff00000;
	CHECK_EQ(RUN("\x0f\x01\x3f"), EMU_DONE);	/* invlpg */
	CHECK_EQ(seen[0].value, 0xfffffffffff00000);
	E->paging.cr4 |= X86_CR4_TSD;
	E->cpl = 3;
	CHECK_FAULT("\x0f\x31", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x33", X86_TRAP_GP, 0);
	CHECK_FAULT("\xf4", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x32", X86_TRAP_GP, 0);
	world_mode(EMU_PROT32);
	E->segs[SEG_DS].base = 0x1000;
	E->regs[REG_RDI] = 0x2000;
	CHECK_EQ(RUN("\x0f\x01\x3f"), EMU_DONE);
	CHECK_EQ(seen[0].value, 0x3000);
}

TEST(descriptor_tables)
{
	world_mode(EMU_PROT64);
	E->gdt = (struct kvm_dtable) { .base = 0xffff800012345678, .limit = 0x7f };
	E->regs[REG_RDI] = DATA;
	CHECK_EQ(RUN("\x0f\x01\x07"), EMU_DONE);	/* sgdt */
	CHECK_EQ(peek(DATA, 2), 0x7f);
	CHECK_EQ(peek(DATA + 2, 8), 0xffff800012345678);
	poke(DATA, 0xfff, 2);
	poke(DATA + 2, DATA + 0x1000, 8);
	CHECK_EQ(RUN("\x0f\x01\x1f"), EMU_DONE);	/* lidt */
	CHECK_EQ(seen[0].kind, EFFECT_LIDT);
	CHECK_EQ(E->idt.base, DATA + 0x1000);
	CHECK_EQ(E->idt.limit, 0xfff);
	CHECK_EQ(RUN("\x0f\x01\x17"), EMU_DONE);
	CHECK_EQ(E->gdt.limit, 0xfff);
	poke(DATA + 2, 1ull << 50, 8);
	CHECK_FAULT("\x0f\x01\x17", X86_TRAP_GP, 0);
	CHECK_EQ(E->gdt.limit, 0xfff);
	E->paging.cr4 |= X86_CR4_UMIP;
	E->cpl = 3;
	CHECK_FAULT("\x0f\x01\x07", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x01\xe0", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x00\xc0", X86_TRAP_GP, 0);
	CHECK_FAULT("\x0f\x01\x17", X86_TRAP_GP, 0);
	world_mode(EMU_REAL);
	poke(DATA, 0x12, 2);
	poke(DATA + 2, 0xff345678, 4);
	CHECK_EQ(RUN("\x0f\x01\x16\x00\x00"), EMU_DONE);	/* lgdt [0]: 24 bits */
	CHECK_EQ(E->gdt.base, 0x345678);
	CHECK_EQ(RUN("\x66\x0f\x01\x16\x00\x00"), EMU_DONE);
	CHECK_EQ(E->gdt.base, 0xff345678);
}

/* ---- segments */

static void set_descriptor(u16 sel, u32 base, u32 limit, u8 access, u8 flags)
{
	u64 d = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;

	poke(E->gdt.base + (sel & ~7), d, 8);
}

static void gdt_setup(enum emu_mode mode)
{
	world_mode(mode);
	E->gdt = (struct kvm_dtable) { .base = DATA + 0x4000, .limit = 0xff };
	set_descriptor(0x08, 0, 0xfffff, 0x9a, mode == EMU_PROT64 ? 0xa : 0xc);
	set_descriptor(0x10, 0, 0xfffff, 0x92, 0xc);
	set_descriptor(0x18, 0x1000, 0x123, 0xf2, 0x4);		/* DPL 3 data */
	set_descriptor(0x20, 0, 0xfffff, 0x12, 0xc);		/* not present */
	set_descriptor(0x28, 0, 0x67, 0x89, 0);			/* TSS */
	set_descriptor(0x30, 0, 0, 0, 0);
	set_descriptor(0x38, 0x5000, 0xff, 0x82, 0);		/* LDT */
	set_descriptor(0x40, 0, 0, 0, 0);
	set_descriptor(0x48, 0, 0xfffff, 0x9e, 0xc);		/* conforming code */
	set_descriptor(0x50, 0, 0, 0x8c, 0);			/* call gate */
	set_descriptor(0x58, 0, 0xfffff, 0x1a, 0xc);		/* code, not present */
}

TEST(segment_loads)
{
	gdt_setup(EMU_PROT32);
	E->regs[REG_RAX] = 0x18;
	CHECK_EQ(RUN("\x8e\xd8"), EMU_DONE);			/* mov ds, ax */
	CHECK_EQ(seen[0].kind, EFFECT_SEG_LOAD);
	CHECK_EQ(seen[0].where, SEG_DS);
	CHECK_EQ(E->segs[SEG_DS].base, 0x1000);
	CHECK_EQ(E->segs[SEG_DS].limit, 0x123);
	CHECK_EQ(E->segs[SEG_DS].type, 3);
	CHECK_EQ(peek(E->gdt.base + 0x18 + 5, 1), 0xf3);	/* accessed */
	E->regs[REG_RAX] = 0x20;
	CHECK_FAULT("\x8e\xc0", X86_TRAP_NP, 0x20);
	CHECK_FAULT("\x8e\xd0", X86_TRAP_SS, 0x20);
	E->regs[REG_RAX] = 0x103;
	CHECK_FAULT("\x8e\xc0", X86_TRAP_GP, 0x100);
	E->regs[REG_RAX] = 0x1c;				/* no LDT */
	CHECK_FAULT("\x8e\xc0", X86_TRAP_GP, 0x1c);
	E->regs[REG_RAX] = 0x28;
	CHECK_FAULT("\x8e\xc0", X86_TRAP_GP, 0x28);
	E->regs[REG_RAX] = 0x18;
	CHECK_FAULT("\x8e\xd0", X86_TRAP_GP, 0x18);		/* SS of another DPL */
	E->regs[REG_RAX] = 0x10;
	CHECK_EQ(RUN("\x8e\xd0"), EMU_DONE);
	CHECK_EQ(E->shadow, KVM_X86_SHADOW_INT_MOV_SS);
	E->regs[REG_RAX] = 0;
	CHECK_EQ(RUN("\x8e\xe0"), EMU_DONE);
	CHECK(E->segs[SEG_FS].unusable);
	CHECK_FAULT("\x8e\xd0", X86_TRAP_GP, 0);
	E->segs[SEG_DS].limit = 0xffffffff;
	E->segs[SEG_DS].base = 0;
	E->regs[REG_RAX] = 0x48;
	CHECK_EQ(RUN("\x8e\xc0"), EMU_DONE);
	CHECK_EQ(RUN("\x8c\xc3"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RBX], 0x48);
	CHECK_EQ(RUN("\x06"), EMU_DONE);
	CHECK_EQ(peek(STACK - 4, 2), 0x48);
	poke(STACK - 4, 0x10, 4);
	CHECK_EQ(RUN("\x07"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_ES].selector, 0x10);
	/* les ecx, [edi] */
	poke(DATA, 0x1234567800000000 >> 32 | 0x18ull << 32, 8);
	E->regs[REG_RDI] = DATA;
	CHECK_EQ(RUN("\xc4\x0f"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RCX], 0x12345678);
	CHECK_EQ(E->segs[SEG_ES].selector, 0x18);
	/* LTR, LLDT, and an LDT selector afterwards */
	E->regs[REG_RAX] = 0x28;
	CHECK_EQ(RUN("\x0f\x00\xd8"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_TR].type, 11);
	CHECK_EQ(RUN("\x0f\x00\xc8"), EMU_DONE);
	CHECK_FAULT("\x0f\x00\xd8", X86_TRAP_GP, 0x28);		/* busy */
	E->regs[REG_RAX] = 0x38;
	CHECK_EQ(RUN("\x0f\x00\xd0"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_LDTR].base, 0x5000);
	CHECK_EQ(RUN("\x0f\x00\xc3"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RBX], 0x38);
	E->regs[REG_RAX] = 0;
	CHECK_EQ(RUN("\x0f\x00\xd0"), EMU_DONE);
	CHECK(E->segs[SEG_LDTR].unusable);
	CHECK_FAULT("\x0f\x00\xd8", X86_TRAP_GP, 0);
	E->regs[REG_RAX] = 0x3c;
	CHECK_FAULT("\x0f\x00\xd0", X86_TRAP_GP, 0x3c);
	/* 64-bit: a null SS is fine below CPL 3 */
	gdt_setup(EMU_PROT64);
	E->regs[REG_RAX] = 0;
	CHECK_EQ(RUN("\x8e\xd0"), EMU_DONE);
	poke(E->gdt.base + 0x28 + 8, 0xffff8000, 4);
	E->regs[REG_RAX] = 0x28;
	CHECK_EQ(RUN("\x0f\x00\xd8"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_TR].base, 0xffff800000000000);
}

TEST(far_transfers_protected)
{
	gdt_setup(EMU_PROT32);
	CHECK_EQ(RUN("\xea\x00\x20\x00\x10\x08\x00"), EMU_DONE);
	CHECK_EQ(E->rip, 0x10002000);
	CHECK_EQ(E->segs[SEG_CS].selector, 8);
	CHECK_EQ(RUN("\x9a\x00\x30\x00\x10\x48\x00"), EMU_DONE);
	CHECK_EQ(E->rip, 0x10003000);
	CHECK_EQ(peek(STACK - 4, 4), 8);
	CHECK_EQ(peek(STACK - 8, 4), 0x10002007);
	CHECK_EQ(RUN("\xcb"), EMU_DONE);
	CHECK_EQ(E->rip, 0x10002007);
	CHECK_EQ(E->segs[SEG_CS].selector, 8);
	CHECK_EQ(E->regs[REG_RSP], STACK);
	poke(STACK - 12, CODE, 4);
	poke(STACK - 8, 8, 4);
	poke(STACK - 4, 0x202, 4);
	E->regs[REG_RSP] = STACK - 12;
	CHECK_EQ(RUN("\xcf"), EMU_DONE);			/* iret */
	CHECK_EQ(E->rip, CODE);
	CHECK_EQ(E->rflags, 0x202);
	CHECK_FAULT("\xea\0\0\0\0\0\0", X86_TRAP_GP, 0);
	CHECK_FAULT("\xea\0\0\0\0\x10\0", X86_TRAP_GP, 0x10);	/* data */
	CHECK_FAULT("\xea\0\0\0\0\x58\0", X86_TRAP_NP, 0x58);
	CHECK_FAULT("\xea\0\0\0\0\x00\x01", X86_TRAP_GP, 0x100);
	CHECK_EQ(RUN("\xea\0\0\0\0\x50\0"), EMU_UNHANDLED);	/* a gate */
	poke(STACK + 4, 0xb, 4);
	CHECK_EQ(RUN("\xcb"), EMU_UNHANDLED);			/* to CPL 3 */
	CHECK_EQ(RUN("\xcd\x80"), EMU_UNHANDLED);
	/* through memory */
	poke(DATA, CODE + 0x10, 4);
	poke(DATA + 4, 8, 2);
	E->regs[REG_RDI] = DATA;
	CHECK_EQ(RUN("\xff\x2f"), EMU_DONE);
	CHECK_EQ(E->rip, CODE + 0x10);
	gdt_setup(EMU_PROT64);
	CHECK_EQ(RUN("\x48\xcf"), EMU_UNHANDLED);
	E->regs[REG_RDI] = DATA;
	poke(DATA, 1ull << 47, 8);
	poke(DATA + 8, 8, 2);
	CHECK_FAULT("\x48\xff\x2f", X86_TRAP_GP, 0);
}

TEST(real_mode_transfers)
{
	world_mode(EMU_REAL);
	CHECK_EQ(RUN("\xea\x34\x12\x00\xf0"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_CS].base, 0xf0000);
	CHECK_EQ(E->segs[SEG_CS].selector, 0xf000);
	CHECK_EQ(E->rip, 0x1234);
	world_mode(EMU_REAL);
	E->segs[SEG_CS].selector = 0x77;
	E->idt.base = DATA + 0x2000;
	poke(DATA + 0x2000 + 0x10 * 4, 0x55006600, 4);
	E->rflags = 0x302;
	CHECK_EQ(RUN("\xcd\x10"), EMU_DONE);
	CHECK_EQ(E->rip, 0x6600);
	CHECK_EQ(E->segs[SEG_CS].base, 0x55000);
	CHECK_EQ(E->rflags, 2);
	CHECK_EQ(peek(STACK - 6, 6), 0x030200770102ull);
	CHECK_EQ(E->regs[REG_RSP], 0xffa);
	E->segs[SEG_CS].base = CODE;
	E->rip = 0;
	CHECK_EQ(RUN("\xcf"), EMU_DONE);
	CHECK_EQ(E->rip, 0x102);
	CHECK_EQ(E->segs[SEG_CS].selector, 0x77);
	CHECK_EQ(E->rflags, 0x302);
	CHECK_EQ(seen[1].kind, EFFECT_IRET_UNMASK_NMI);
	E->segs[SEG_CS].base = CODE;
	E->idt.limit = 0x20;
	CHECK_FAULT("\xcd\x10", X86_TRAP_GP, 0);
	CHECK_EQ(RUN("\xce"), EMU_DONE);			/* into, no overflow */
	E->rflags |= X86_EFLAGS_OF;
	CHECK_EQ(RUN("\xce"), EMU_DONE);
	CHECK_EQ(E->rip, 0);
	E->segs[SEG_CS].base = CODE;
	E->rip = 0;
	CHECK_EQ(RUN("\xcc"), EMU_DONE);
	E->segs[SEG_CS].base = CODE;
	/* The unreal limit stays. */
	E->segs[SEG_DS].limit = 0xffffffff;
	E->regs[REG_RAX] = 0x1234;
	E->rip = 0;
	CHECK_EQ(RUN("\x8e\xd8"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_DS].limit, 0xffffffff);
	CHECK_EQ(E->segs[SEG_DS].base, 0x12340);
	world_mode(EMU_VM86);
	E->segs[SEG_ES].limit = 0xffffffff;
	E->regs[REG_RAX] = 0x1234;
	CHECK_EQ(RUN("\x8e\xc0"), EMU_DONE);
	CHECK_EQ(E->segs[SEG_ES].limit, 0xffff);
}

/* ---- SSE moves */

TEST(sse_moves)
{
	world_mode(EMU_PROT64);
	E->paging.cr4 |= X86_CR4_OSFXSR;
	E->regs[REG_RDI] = DATA + 4;
	CHECK_FAULT("\x66\x0f\x6f\x07", X86_TRAP_GP, 0);	/* not aligned */
	E->regs[REG_RDI] = MMIO;
	mmio_answer = 0x1234567890;
	CHECK_EQ(RUN("\x66\x0f\x6f\x0f"), EMU_DONE);		/* movdqa xmm1, [rdi] */
	CHECK_EQ(seen[0].len, 16);
	CHECK_EQ(shim_xmm[1][0], 0x1234567890);
	shim_xmm[9][0] = 0x1111;
	shim_xmm[9][1] = 0x2222;
	E->regs[REG_RDI] = DATA + 1;
	CHECK_EQ(RUN("\xf3\x44\x0f\x7f\x0f"), EMU_DONE);	/* movdqu [rdi], xmm9 */
	CHECK_EQ(peek(DATA + 1, 8), 0x1111);
	CHECK_EQ(peek(DATA + 9, 8), 0x2222);
	CHECK_EQ(RUN("\x44\x0f\x17\x0f"), EMU_DONE);		/* movhps */
	CHECK_EQ(peek(DATA + 1, 8), 0x2222);
	CHECK_EQ(RUN("\x44\x0f\x12\x0f"), EMU_DONE);		/* movlps xmm9, [rdi] */
	CHECK_EQ(shim_xmm[9][0], 0x2222);
	CHECK_EQ(shim_xmm[9][1], 0x2222);
	CHECK_EQ(RUN("\xf3\x0f\x10\x0f"), EMU_DONE);		/* movss clears the rest */
	CHECK_EQ(shim_xmm[1][0], 0x2222);
	CHECK_EQ(shim_xmm[1][1], 0);
	CHECK_EQ(RUN("\x66\x48\x0f\x7e\x0f"), EMU_DONE);	/* movq [rdi], xmm1 */
	CHECK_EQ(RUN("\x66\x0f\x6f\xc1"), EMU_UNHANDLED);	/* between registers */
	E->paging.cr0 |= X86_CR0_TS;
	CHECK_FAULT("\x0f\x10\x0f", X86_TRAP_NM, 0);
	E->paging.cr4 &= ~(u64)X86_CR4_OSFXSR;
	CHECK_FAULT("\x0f\x10\x0f", X86_TRAP_UD, 0);
}

TEST(mmx_and_x87)
{
	world_mode(EMU_PROT64);
	E->regs[REG_RDI] = MMIO;
	shim_mmx[2] = 0x1122334455667788;
	CHECK_EQ(RUN("\x0f\x7f\x17"), EMU_DONE);		/* movq [rdi], mm2 */
	CHECK_EQ(seen[0].len, 8);
	CHECK_EQ(seen[0].value, 0x1122334455667788);
	mmio_answer = 0x99;
	CHECK_EQ(RUN("\x0f\x6e\x1f"), EMU_DONE);		/* movd mm3, [rdi] */
	CHECK_EQ(seen[0].len, 4);
	CHECK_EQ(shim_mmx[3], 0x99);
	CHECK_EQ(RUN("\xd9\x3f"), EMU_DONE);			/* fnstcw */
	CHECK_EQ(seen[0].value, 0x37f);
	CHECK_EQ(seen[0].len, 2);
	shim_fsw = 0x3881;
	CHECK_EQ(RUN("\xdf\xe0"), EMU_DONE);
	CHECK_EQ(E->regs[REG_RAX], 0x3881);
	CHECK_EQ(RUN("\xdd\x3f"), EMU_DONE);
	CHECK_EQ(seen[0].value, 0x3881);
	CHECK_FAULT("\x0f\x7f\x17", X86_TRAP_MF, 0);
	CHECK_FAULT("\x0f\x6f\x17", X86_TRAP_MF, 0);
	CHECK_EQ(RUN("\xdb\xe3"), EMU_DONE);
	CHECK_EQ(shim_fsw, 0);
	CHECK_EQ(RUN("\xd9\x07"), EMU_UNHANDLED);
	CHECK_EQ(RUN("\x0f\x6f\xc1"), EMU_UNHANDLED);
	E->paging.cr0 |= X86_CR0_EM;
	CHECK_FAULT("\xd9\x3f", X86_TRAP_NM, 0);
	CHECK_FAULT("\x0f\x6f\x17", X86_TRAP_UD, 0);
}

/* ---- the odds and ends */

TEST(bytes_given_by_the_hardware)
{
	world_mode(EMU_PROT64);
	poke(CODE, 0xcccccccc, 4);
	memcpy(E->insn, "\x89\x07", 2);
	E->insn_len = 2;
	E->regs[REG_RDI] = MMIO;
	CHECK_EQ(world_go(), EMU_DONE);
	CHECK_EQ(seen[0].kind, EFFECT_MMIO_WRITE);
}

/* Another vCPU moves the page under a read that has been answered: the question is asked anew. */
TEST(answers_to_old_questions)
{
	world_mode(EMU_PROT64);
	world_map(RAM + 0x20000, MMIO, 0, 0);
	E->regs[REG_RSI] = RAM + 0x20000;
	E->regs[REG_RDI] = DATA;
	memcpy((void *)CODE, "\xa5", 1);
	nr_seen = 0;
	emu_begin(E);
	CHECK_EQ(emu_run(E), EMU_EFFECT);
	world_effect(&E->effect);
	world_page[0].to = MMIO + 0x5000;
	CHECK_EQ(emu_run(E), EMU_EFFECT);
	CHECK_EQ(E->effect.gpa, MMIO + 0x5000);
	mmio_answer = 0x77;
	world_effect(&E->effect);
	CHECK_EQ(emu_run(E), EMU_DONE);
	CHECK_EQ(peek(DATA, 4), 0x77);
}

TEST(plain_no_operations)
{
	static const char *const nops[] = { "\x90", "\xf3\x90", "\x0f\x1f\x00", "\x0f\x18\x00", "\x0f\x0d\x00", "\x0f\xae\x38", "\x0f\xae\xf0" };
	static const u8 len[] = { 1, 2, 3, 3, 3, 3, 3 };

	for (unsigned int i = 0; i < ARRAY_SIZE(nops); i++) {
		world_mode(EMU_PROT64);
		E->regs[REG_RAX] = 1ull << 60;
		CHECK_EQ(world_run(nops[i], len[i]), EMU_DONE);
		CHECK_EQ(E->rip, CODE + len[i]);
		CHECK_EQ(nr_seen, 0);
	}
}
