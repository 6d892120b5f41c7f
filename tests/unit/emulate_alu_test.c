// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the processor that runs the test: the same bytes, registers, flags and memory; the results must be the same,
 * but for flags that the manual leaves undefined.
 */
#include "emu_world.h"
#include <setjmp.h>
#include <signal.h>

/* ---- the processor as an oracle: a piece of code below 4 GiB that loads all registers, runs one instruction, stores them */

struct native { u64 regs[16], rflags, host_rsp; };
static struct native *N;
static u8 *jit;
static sigjmp_buf native_fault;
static volatile int native_signal;

static void on_signal(int sig)
{
	native_signal = sig;
	siglongjmp(native_fault, 1);
}

static u8 *emit(u8 *p, const char *hex, size_t n)
{
	memcpy(p, hex, n);
	return p + n;
}

static u8 *emit_abs(u8 *p, u8 rex, u8 opcode, u8 reg, void *at)
{
	u32 a = (u32)(unsigned long)at;

	*p++ = rex | (reg >= 8 ? 4 : 0);
	*p++ = opcode;
	*p++ = 4 | (reg & 7) << 3;
	*p++ = 0x25;
	memcpy(p, &a, 4);
	return p + 4;
}

static void native_setup(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };

	if (jit)
		return;
	jit = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	SHIM_ASSERT(jit != MAP_FAILED);
	N = (void *)(jit + 4096);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

/* false: it faulted. RSP isn't loaded, all others are. */
static bool native_run(const u8 *insn, size_t len)
{
	u8 *p = jit;

	p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x9c", 11);	/* push rbx rbp r12-15, pushfq */
	p = emit_abs(p, 0x48, 0xff, 6, &N->rflags);				/* push [rflags] */
	*p++ = 0x9d;
	for (u8 r = 0; r < 16; r++)
		if (r != REG_RSP)
			p = emit_abs(p, 0x48, 0x8b, r, &N->regs[r]);
	p = emit(p, (const char *)insn, len);
	for (u8 r = 0; r < 16; r++)
		if (r != REG_RSP)
			p = emit_abs(p, 0x48, 0x89, r, &N->regs[r]);
	*p++ = 0x9c;
	p = emit_abs(p, 0x48, 0x8f, 0, &N->rflags);				/* pop [rflags] */
	p = emit(p, "\x9d\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
	native_signal = 0;
	if (sigsetjmp(native_fault, 1))
		return false;
	((void (*)(void))jit)();
	return true;
}

/* ---- random instructions */

static u64 seed = 0x9e3779b97f4a7c15ull;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

/* Values with a bent for the borders. */
static u64 rnd_value(void)
{
	static const u64 border[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 63, ~0ull >> 1, ~0ull, ~1ull };

	switch (rnd() % 4) {
	case 0:
		return border[rnd() % ARRAY_SIZE(border)];
	case 1:
		return rnd() & 0xff;
	default:
		return rnd() >> (rnd() % 64);
	}
}

#define ARITH	EMU_ALU_FLAGS
#define LOGIC	(ARITH & ~(u64)X86_EFLAGS_AF)

enum form { FORM_MODRM = 1, FORM_BYTE = 2, FORM_IMM8 = 4, FORM_IMM = 8, FORM_SHIFT = 16, FORM_LOCK = 32, FORM_BITS = 64, FORM_MEMONLY = 128, FORM_REGONLY = 256, FORM_NOHIGH = 512 };

/* reg: ModRM.reg, -1 for any. defined: which of the six flags can be compared; the others of RFLAGS always are. */
struct family { u8 map, first, last; s8 reg; u16 form; u64 defined; };

static const struct family families[] = {
	/* ALU, six forms each: ADD ADC SBB SUB CMP, then the logical ones */
	{ 0, 0x00, 0x03, -1, FORM_MODRM | FORM_LOCK, ARITH }, { 0, 0x10, 0x13, -1, FORM_MODRM, ARITH }, { 0, 0x18, 0x1b, -1, FORM_MODRM, ARITH },
	{ 0, 0x28, 0x2b, -1, FORM_MODRM, ARITH }, { 0, 0x38, 0x3b, -1, FORM_MODRM, ARITH },
	{ 0, 0x08, 0x0b, -1, FORM_MODRM, LOGIC }, { 0, 0x20, 0x23, -1, FORM_MODRM, LOGIC }, { 0, 0x30, 0x33, -1, FORM_MODRM, LOGIC },
	{ 0, 0x84, 0x85, -1, FORM_MODRM, LOGIC },
	{ 0, 0x04, 0x04, -1, FORM_IMM8, ARITH }, { 0, 0x05, 0x05, -1, FORM_IMM, ARITH }, { 0, 0x15, 0x15, -1, FORM_IMM, ARITH },
	{ 0, 0x1d, 0x1d, -1, FORM_IMM, ARITH }, { 0, 0x2d, 0x2d, -1, FORM_IMM, ARITH }, { 0, 0x3d, 0x3d, -1, FORM_IMM, ARITH },
	{ 0, 0x25, 0x25, -1, FORM_IMM, LOGIC }, { 0, 0xa9, 0xa9, -1, FORM_IMM, LOGIC }, { 0, 0xa8, 0xa8, -1, FORM_IMM8, LOGIC },
	{ 0, 0x80, 0x80, -1, FORM_MODRM | FORM_IMM8, LOGIC }, { 0, 0x81, 0x81, -1, FORM_MODRM | FORM_IMM, LOGIC },
	{ 0, 0x83, 0x83, -1, FORM_MODRM | FORM_IMM8, LOGIC },
	{ 0, 0x80, 0x80, 0, FORM_MODRM | FORM_IMM8, ARITH }, { 0, 0x81, 0x81, 5, FORM_MODRM | FORM_IMM, ARITH },
	{ 0, 0x83, 0x83, 2, FORM_MODRM | FORM_IMM8, ARITH }, { 0, 0x83, 0x83, 3, FORM_MODRM | FORM_IMM8, ARITH },
	/* shifts and rotates; their flags are worked out below */
	{ 0, 0xc0, 0xc1, -1, FORM_MODRM | FORM_IMM8 | FORM_SHIFT, ARITH }, { 0, 0xd0, 0xd1, -1, FORM_MODRM | FORM_SHIFT, ARITH },
	{ 0, 0xd2, 0xd3, -1, FORM_MODRM | FORM_SHIFT, ARITH },
	{ 1, 0xa4, 0xa4, -1, FORM_MODRM | FORM_IMM8 | FORM_SHIFT, ARITH }, { 1, 0xac, 0xac, -1, FORM_MODRM | FORM_IMM8 | FORM_SHIFT, ARITH },
	{ 1, 0xa5, 0xa5, -1, FORM_MODRM | FORM_SHIFT, ARITH }, { 1, 0xad, 0xad, -1, FORM_MODRM | FORM_SHIFT, ARITH },
	/* INC DEC NOT NEG, MUL to IDIV, IMUL */
	{ 0, 0xfe, 0xff, 0, FORM_MODRM | FORM_LOCK, ARITH }, { 0, 0xfe, 0xff, 1, FORM_MODRM, ARITH },
	{ 0, 0xf6, 0xf7, 2, FORM_MODRM, ARITH }, { 0, 0xf6, 0xf7, 3, FORM_MODRM, ARITH },
	{ 0, 0xf6, 0xf7, 4, FORM_MODRM, X86_EFLAGS_CF | X86_EFLAGS_OF }, { 0, 0xf6, 0xf7, 5, FORM_MODRM, X86_EFLAGS_CF | X86_EFLAGS_OF },
	{ 0, 0xf6, 0xf7, 6, FORM_MODRM, 0 }, { 0, 0xf6, 0xf7, 7, FORM_MODRM, 0 },
	{ 0, 0xf6, 0xf6, 0, FORM_MODRM | FORM_IMM8, LOGIC }, { 0, 0xf7, 0xf7, 0, FORM_MODRM | FORM_IMM, LOGIC },
	{ 0, 0x69, 0x69, -1, FORM_MODRM | FORM_IMM, X86_EFLAGS_CF | X86_EFLAGS_OF }, { 0, 0x6b, 0x6b, -1, FORM_MODRM | FORM_IMM8, X86_EFLAGS_CF | X86_EFLAGS_OF },
	{ 1, 0xaf, 0xaf, -1, FORM_MODRM, X86_EFLAGS_CF | X86_EFLAGS_OF },
	/* bits */
	{ 1, 0xa3, 0xa3, -1, FORM_MODRM | FORM_BITS, X86_EFLAGS_CF | X86_EFLAGS_ZF }, { 1, 0xab, 0xab, -1, FORM_MODRM | FORM_BITS, X86_EFLAGS_CF | X86_EFLAGS_ZF },
	{ 1, 0xb3, 0xb3, -1, FORM_MODRM | FORM_BITS | FORM_LOCK, X86_EFLAGS_CF | X86_EFLAGS_ZF }, { 1, 0xbb, 0xbb, -1, FORM_MODRM | FORM_BITS, X86_EFLAGS_CF | X86_EFLAGS_ZF },
	{ 1, 0xba, 0xba, 4, FORM_MODRM | FORM_IMM8, X86_EFLAGS_CF | X86_EFLAGS_ZF }, { 1, 0xba, 0xba, 5, FORM_MODRM | FORM_IMM8, X86_EFLAGS_CF | X86_EFLAGS_ZF },
	{ 1, 0xba, 0xba, 6, FORM_MODRM | FORM_IMM8, X86_EFLAGS_CF | X86_EFLAGS_ZF }, { 1, 0xba, 0xba, 7, FORM_MODRM | FORM_IMM8, X86_EFLAGS_CF | X86_EFLAGS_ZF },
	{ 1, 0xbc, 0xbd, -1, FORM_MODRM, X86_EFLAGS_ZF },
	{ 1, 0xc8, 0xcf, -1, 0, ARITH },
	/* moves */
	{ 0, 0x86, 0x8b, -1, FORM_MODRM, ARITH }, { 0, 0x63, 0x63, -1, FORM_MODRM, ARITH }, { 0, 0x8d, 0x8d, -1, FORM_MODRM | FORM_MEMONLY, ARITH },
	{ 0, 0xc6, 0xc6, 0, FORM_MODRM | FORM_IMM8, ARITH }, { 0, 0xc7, 0xc7, 0, FORM_MODRM | FORM_IMM, ARITH },
	{ 1, 0xb6, 0xb7, -1, FORM_MODRM, ARITH }, { 1, 0xbe, 0xbf, -1, FORM_MODRM, ARITH }, { 1, 0xc0, 0xc1, -1, FORM_MODRM | FORM_LOCK, ARITH },
	{ 1, 0xb0, 0xb1, -1, FORM_MODRM | FORM_LOCK, ARITH }, { 1, 0xc3, 0xc3, -1, FORM_MODRM | FORM_MEMONLY | FORM_NOHIGH, ARITH },
	{ 1, 0x40, 0x4f, -1, FORM_MODRM, ARITH }, { 1, 0x90, 0x9f, 0, FORM_MODRM, ARITH },
	{ 1, 0xc7, 0xc7, 1, FORM_MODRM | FORM_MEMONLY | FORM_LOCK | FORM_NOHIGH, ARITH },
	{ 2, 0xf0, 0xf1, -1, FORM_MODRM | FORM_MEMONLY, ARITH },
	{ 0, 0x91, 0x97, -1, 0, ARITH }, { 0, 0x98, 0x99, -1, 0, ARITH }, { 0, 0x9e, 0x9f, -1, 0, ARITH },
	{ 0, 0xf5, 0xf5, -1, 0, ARITH }, { 0, 0xf8, 0xf9, -1, 0, ARITH }, { 0, 0xfc, 0xfd, -1, 0, ARITH }, { 0, 0xb0, 0xb7, -1, FORM_IMM8, ARITH },
	{ 0, 0xa4, 0xa5, -1, 0, ARITH }, { 0, 0xa6, 0xa7, -1, 0, ARITH }, { 0, 0xaa, 0xaf, -1, 0, ARITH }, { 0, 0xd7, 0xd7, -1, 0, ARITH },
	{ 1, 0x1f, 0x1f, 0, FORM_MODRM, ARITH }, { 1, 0x18, 0x18, 1, FORM_MODRM | FORM_MEMONLY, ARITH },
};

struct generated { u8 bytes[16]; u8 len, op_size, shift_count, opcode, map, reg; bool mem; u64 defined; bool skip, by_cl; u16 address_regs; };

static const struct family *pick(void)
{
	return &families[rnd() % ARRAY_SIZE(families)];
}

/* An address in the middle of DATA, by one of the addressing forms; the registers that it uses get their values here. */
static u8 *gen_mem(u8 *p, u8 reg, u8 *rex, u64 regs[16], u16 *used)
{
	u64 target = DATA + 0x800 + rnd() % 64;
	u32 disp = (u32)target;
	u8 base = rnd() & 15, index = rnd() & 15, scale = rnd() & 3;

	*rex &= ~3;
	if (rnd() % 4 == 0 || base == REG_RSP || index == REG_RSP || base == index) {
		*p++ = 4 | reg << 3;
		*p++ = 0x25;
		memcpy(p, &disp, 4);
		return p + 4;
	}
	*rex |= base >> 3 | index >> 3 << 1;
	*used = 1 << base | 1 << index;
	*p++ = 0x84 | reg << 3;		/* SIB, disp32 */
	*p++ = scale << 6 | (index & 7) << 3 | (base & 7);
	regs[index] = rnd() % 256 - 128;
	disp = (u32)rnd();
	regs[base] = target - (u64)(s64)(s32)disp - (regs[index] << scale);
	memcpy(p, &disp, 4);
	return p + 4;
}

static void generate(struct generated *g, u64 regs[16])
{
	const struct family *f = pick();
	u8 tail[12], *t = tail, *p = g->bytes, rex = rnd() & 1 ? 0x40 | (rnd() & 15) : 0, reg, modrm_reg;
	bool prefix66 = rnd() % 4 == 0, byte, lock, w;

	memset(g, 0, sizeof(*g));
	g->opcode = f->first + rnd() % (f->last - f->first + 1);
	g->map = f->map;
	g->defined = f->defined;
	modrm_reg = f->reg >= 0 ? f->reg : rnd() & 7;
	g->mem = f->form & FORM_MODRM && (f->form & FORM_MEMONLY || rnd() & 1);
	if (f->form & FORM_NOHIGH)
		prefix66 = false;
	byte = f->map == 1 ? (g->opcode & 0xf0) == 0x90 || g->opcode == 0xb0 || g->opcode == 0xc0 :
	       !(g->opcode & 1) && g->opcode != 0x8d && g->opcode != 0x98 && (g->opcode < 0x90 || g->opcode > 0x97);
	/* A string instruction or XLAT addresses memory through fixed registers. */
	if (!f->map && ((g->opcode >= 0xa4 && g->opcode <= 0xaf && g->opcode != 0xa8 && g->opcode != 0xa9) || g->opcode == 0xd7)) {
		regs[REG_RSI] = DATA + 0x800 + rnd() % 64;
		regs[REG_RDI] = DATA + 0x900 + rnd() % 64;
		if (g->opcode == 0xd7)
			regs[REG_RBX] = DATA + 0x780;
	}
	if (f->form & FORM_MODRM) {
		if (g->mem) {
			u8 needs = rex ? rex : 0x40;

			t = gen_mem(t, modrm_reg, &needs, regs, &g->address_regs);
			rex = rex || (needs & 3) ? needs : 0;
		} else {
			u8 rm = rnd() & 7;

			*t++ = 0xc0 | modrm_reg << 3 | rm;
		}
	}
	w = rex & 8;
	g->op_size = byte ? 1 : w ? 8 : prefix66 ? 2 : 4;
	if (f->form & FORM_IMM8)
		*t++ = rnd();
	if (f->form & FORM_IMM)
		for (int i = g->op_size == 8 ? 4 : g->op_size; i; i--)
			*t++ = rnd();
	/* RSP is the host's. */
	reg = modrm_reg | (rex & 4) << 1;
	g->reg = modrm_reg;
	if (f->form & FORM_MODRM) {
		bool is_reg = f->reg < 0;
		u8 rm = (tail[0] & 7) | (rex & 1) << 3;

		if ((is_reg && (reg == REG_RSP)) || (!g->mem && rm == REG_RSP))
			g->skip = true;
	} else if (((g->opcode & 7) | (rex & 1) << 3) == REG_RSP) {
		g->skip = true;
	}
	lock = f->form & FORM_LOCK && g->mem && rnd() & 1 && !(f->map == 0 && g->opcode < 4 && g->opcode >= 2);
	if (lock)
		*p++ = 0xf0;
	if (prefix66)
		*p++ = 0x66;
	if (rex)
		*p++ = rex;
	if (f->map)
		*p++ = 0x0f;
	if (f->map == 2)
		*p++ = 0x38;
	*p++ = g->opcode;
	memcpy(p, tail, t - tail);
	p += t - tail;
	g->len = p - g->bytes;
	/* A bit offset in a register must stay near. */
	if (f->form & FORM_BITS && g->mem) {
		regs[reg] = rnd() % 1024 - 512;
		g->skip |= g->address_regs >> reg & 1;
	}
	if (f->form & FORM_SHIFT)
		g->shift_count = f->form & FORM_IMM8 ? t[-1] : 1;
	g->by_cl = f->form & FORM_SHIFT && !(f->form & FORM_IMM8) && (f->map || g->opcode >= 0xd2);
	/* 16-bit BSWAP is undefined. */
	if (f->map == 1 && g->opcode >= 0xc8 && g->opcode <= 0xcf && g->op_size == 2)
		g->skip = true;
}

/* Which flags a shift defines. */
static void shift_flags(struct generated *g, const u64 regs[16])
{
	u8 bits = g->op_size * 8, count = (g->by_cl ? regs[REG_RCX] : g->shift_count) & (g->op_size == 8 ? 63 : 31);
	bool rotate = !g->map && g->reg < 4, dbl = g->map == 1;

	if (!count)
		return;
	if (count != 1)
		g->defined &= ~(u64)X86_EFLAGS_OF;
	if (!rotate)
		g->defined &= ~(u64)X86_EFLAGS_AF;
	if (!rotate && !dbl && g->reg != 7 && count > bits)
		g->defined &= ~(u64)X86_EFLAGS_CF;
	/* SHL and SHR by exactly the width put the last bit into CF on all processors, but only 8 and 16 bits can do that. */
	if (!rotate && !dbl && g->reg != 7 && count == bits)
		g->defined &= ~(u64)X86_EFLAGS_CF;
	if (dbl && count > bits)
		g->skip = true;
	/* RCL and RCR by more than the width of a small operand. */
	if (rotate && (g->reg == 0 || g->reg == 1) && count % bits == 0)
		g->defined &= ~(u64)X86_EFLAGS_OF;
}

static void report(const struct generated *g, const char *what, u64 is, u64 should)
{
	printf("# %s is %#llx, the processor has %#llx:", what, is, should);
	for (int i = 0; i < g->len; i++)
		printf(" %02x", g->bytes[i]);
	printf("\n");
}

/* One random instruction both ways. false: they differ. */
static bool differential_once(unsigned long *done, unsigned long *faults)
{
	static u8 before[4096], after[4096];
	struct generated g;
	u64 regs[16], rflags = 2 | (rnd() & ARITH) | (rnd() % 4 ? 0 : X86_EFLAGS_DF), compare;
	enum emu_result r;
	bool ran;

	for (int i = 0; i < 16; i++)
		regs[i] = rnd_value();
	generate(&g, regs);
	if (g.by_cl && !(g.address_regs & 1 << REG_RCX))
		regs[REG_RCX] = rnd() % 70;
	if (g.shift_count || g.by_cl)
		shift_flags(&g, regs);
	if (g.shift_count == 0 && g.map == 0 && (g.opcode == 0xc0 || g.opcode == 0xc1))
		g.defined = ARITH;
	if (g.skip)
		return true;
	/* Half of the divisions should fit. */
	if (!g.map && (g.opcode & 0xfe) == 0xf6 && g.reg >= 6 && rnd() & 1 && !(g.address_regs & 1 << REG_RDX))
		regs[REG_RDX] = g.reg == 7 && regs[REG_RAX] & emu_sign_bit(g.op_size) ? ~0ull : 0;
	for (int i = 0; i < 4096; i += 8)
		*(u64 *)(before + i) = rnd_value();
	/* Half of the compare-and-exchanges should hit. */
	if (g.map == 1 && g.opcode == 0xc7 && rnd() & 1 && !(g.address_regs & 5))
		for (int i = 0; i < 4096; i += 8)
			*(u64 *)(before + i) = regs[REG_RAX] = regs[REG_RDX] = 7;

	memcpy((void *)DATA, before, 4096);
	memcpy(N->regs, regs, sizeof(regs));
	N->rflags = rflags;
	ran = native_run(g.bytes, g.len);
	memcpy(after, (void *)DATA, 4096);

	memcpy((void *)DATA, before, 4096);
	memcpy(E->regs, regs, sizeof(regs));
	E->rflags = rflags;
	E->rip = CODE;
	r = world_run(g.bytes, g.len);
	++*done;
	if (!ran) {
		++*faults;
		if (r != EMU_FAULT || E->fault.vector != (native_signal == SIGFPE ? X86_TRAP_DE : native_signal == SIGILL ? X86_TRAP_UD : X86_TRAP_GP)) {
			report(&g, "result", r, (u64)native_signal);
			return false;
		}
		return !memcmp(before, (void *)DATA, 4096) && !memcmp(E->regs, regs, sizeof(regs));
	}
	if (r != EMU_DONE) {
		report(&g, "result", r, EMU_DONE);
		return false;
	}
	compare = ~(u64)ARITH | g.defined;
	/* The kernel of this test owns these. */
	compare &= ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_RF | X86_EFLAGS_ID);
	if ((E->rflags ^ N->rflags) & compare) {
		report(&g, "rflags", E->rflags & compare, N->rflags & compare);
		return false;
	}
	for (int i = 0; i < 16; i++) {
		if (i != REG_RSP && E->regs[i] != N->regs[i]) {
			report(&g, "a register", E->regs[i], N->regs[i]);
			printf("# register %d, before %#llx; rax %#llx rflags %#llx\n", i, regs[i], regs[0], rflags);
			return false;
		}
	}
	if (memcmp(after, (void *)DATA, 4096)) {
		report(&g, "memory", 0, 0);
		return false;
	}
	if (E->rip != CODE + g.len) {
		report(&g, "rip", E->rip, CODE + g.len);
		return false;
	}
	return true;
}

TEST(random_instructions_as_the_processor)
{
	unsigned long done = 0, faults = 0, bad = 0;

	native_setup();
	world_mode(EMU_PROT64);
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	for (int i = 0; i < 400000 && bad < 10; i++)
		bad += !differential_once(&done, &faults);
	printf("# %lu instructions compared, %lu of them faulted\n", done, faults);
	CHECK_EQ(bad, 0);
	CHECK(done > 200000 && faults > 100);
}

/* Every count for every width, with the flags that are defined. */
TEST(shifts_of_every_count)
{
	unsigned long bad = 0;

	native_setup();
	world_mode(EMU_PROT64);
	for (int op = 0; op < 8; op++) {
		for (int count = 0; count < 64; count++) {
			for (int size = 0; size < 4; size++) {
				u64 val = rnd(), flags = 2 | (rnd() & ARITH);
				struct generated g = { .op_size = 1 << size, .by_cl = true, .reg = op, .defined = ARITH };
				u8 *p = g.bytes;

				if (size == 1)
					*p++ = 0x66;
				if (size == 3)
					*p++ = 0x48;
				*p++ = size ? 0xd3 : 0xd2;
				*p++ = 0xc0 | op << 3 | REG_RBX;
				g.len = p - g.bytes;
				for (int i = 0; i < 16; i++)
					E->regs[i] = N->regs[i] = i;
				E->regs[REG_RBX] = N->regs[REG_RBX] = val;
				E->regs[REG_RCX] = N->regs[REG_RCX] = count;
				shift_flags(&g, E->regs);
				E->rflags = N->rflags = flags;
				E->rip = CODE;
				CHECK(native_run(g.bytes, g.len));
				CHECK_EQ(world_run(g.bytes, g.len), EMU_DONE);
				if (E->regs[REG_RBX] != N->regs[REG_RBX]) {
					report(&g, "the result", E->regs[REG_RBX], N->regs[REG_RBX]);
					bad++;
				}
				if ((E->rflags ^ N->rflags) & g.defined) {
					report(&g, "flags", E->rflags & g.defined, N->rflags & g.defined);
					printf("# count %d\n", count);
					bad++;
				}
			}
		}
	}
	CHECK_EQ(bad, 0);
}

/* All conditions with all flags. */
TEST(conditions)
{
	native_setup();
	world_mode(EMU_PROT64);
	for (int flags = 0; flags < 64; flags++) {
		u64 f = 2 | (flags & 1 ? X86_EFLAGS_CF : 0) | (flags & 2 ? X86_EFLAGS_PF : 0) | (flags & 4 ? X86_EFLAGS_ZF : 0) |
			(flags & 8 ? X86_EFLAGS_SF : 0) | (flags & 16 ? X86_EFLAGS_OF : 0) | (flags & 32 ? X86_EFLAGS_AF : 0);

		for (int code = 0; code < 16; code++) {
			u8 insn[3] = { 0x0f, 0x90 | code, 0xc0 };

			memset(N->regs, 0x55, sizeof(N->regs));
			memcpy(E->regs, N->regs, sizeof(N->regs));
			E->rflags = N->rflags = f;
			E->rip = CODE;
			CHECK(native_run(insn, 3));
			CHECK_EQ(world_run(insn, 3), EMU_DONE);
			CHECK_EQ(E->regs[REG_RAX], N->regs[REG_RAX]);
		}
	}
}
