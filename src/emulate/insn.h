/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction: what the decoder finds out about it, and what the emulator remembers while it
 * waits for answers.
 */
#ifndef EMULATE_INSN_H
#define EMULATE_INSN_H

#include <linux/build_bug.h>
#include "hw/hw.h"

enum emu_op {
	OP_UNHANDLED,		/* nothing is known about this opcode, not even its length */
	OP_KNOWN,		/* its length is known, but it can't be executed here */
	OP_UD,			/* no instruction: #UD */
	/* In the order of the opcodes and of group 1. */
	OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, OP_CMP, OP_TEST,
	/* In the order of group 2. */
	OP_ROL, OP_ROR, OP_RCL, OP_RCR, OP_SHL, OP_SHR, OP_SAL, OP_SAR,
	OP_SHLD, OP_SHRD,
	OP_INC, OP_DEC, OP_NOT, OP_NEG,
	OP_MUL, OP_IMUL, OP_DIV, OP_IDIV, OP_IMUL3,
	OP_BT, OP_BTS, OP_BTR, OP_BTC,
	OP_BSF, OP_BSR, OP_BSWAP,
	OP_MOV, OP_MOVSX, OP_MOVBE, OP_XCHG, OP_XADD, OP_CMPXCHG, OP_CMPXCHG8B, OP_LEA, OP_XLAT,
	OP_SETCC, OP_CMOV, OP_JCC, OP_JCXZ, OP_LOOP, OP_JMP, OP_CALL, OP_RET,
	OP_PUSH, OP_POP, OP_PUSHA, OP_POPA, OP_PUSHF, OP_POPF, OP_ENTER, OP_LEAVE,
	OP_CBW, OP_CWD, OP_LAHF, OP_SAHF,
	OP_CLC, OP_STC, OP_CMC, OP_CLD, OP_STD, OP_CLI, OP_STI, OP_CLAC, OP_STAC, OP_NOP,
	OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS, OP_INS, OP_OUTS, OP_IN, OP_OUT,
	OP_SSE_LOAD, OP_SSE_STORE, OP_MMX_LOAD, OP_MMX_STORE, OP_FNSTCW, OP_FNSTSW, OP_FNINIT,
	/* Segments and far transfers. */
	OP_MOV_FROM_SREG, OP_MOV_TO_SREG, OP_PUSH_SREG, OP_POP_SREG, OP_LOAD_FAR,
	OP_JMP_FAR, OP_CALL_FAR, OP_RET_FAR, OP_IRET, OP_INT, OP_INTO,
	/* System. */
	OP_HLT, OP_CPUID, OP_RDTSC, OP_RDTSCP, OP_RDPMC, OP_RDMSR, OP_WRMSR, OP_XSETBV, OP_XGETBV, OP_HYPERCALL, OP_WBINVD, OP_INVLPG, OP_CLTS, OP_LMSW, OP_SMSW,
	OP_READ_CR, OP_WRITE_CR, OP_READ_DR, OP_WRITE_DR,
	OP_SGDT, OP_SIDT, OP_LGDT, OP_LIDT, OP_SLDT, OP_STR, OP_LLDT, OP_LTR,
	NR_EMU_OPS
};

/* Where an operand is. */
enum emu_arg {
	ARG_NONE,
	ARG_RM,			/* register or memory, of the operand size */
	ARG_RM8, ARG_RM16, ARG_RM32,	/* ... of this size */
	ARG_RM_NARROW,		/* register of the operand size, or 16 bits of memory */
	ARG_REG,		/* ModRM.reg */
	ARG_OPREG,		/* the low bits of the opcode */
	ARG_ACC,		/* rAX */
	ARG_CL, ARG_ONE,
	ARG_IMM,		/* operand size, at most 32 bits, sign-extended */
	ARG_IMM_FULL,		/* operand size */
	ARG_IMM8S, ARG_IMM8, ARG_IMM16,
	ARG_MOFFS,		/* memory at an absolute address */
	ARG_REL8, ARG_REL,
	ARG_FAR,		/* selector:offset in the instruction */
	ARG_SREG,		/* ModRM.reg is a segment register */
	ARG_SEG_ES, ARG_SEG_CS, ARG_SEG_SS, ARG_SEG_DS, ARG_SEG_FS, ARG_SEG_GS,
	ARG_MEM,	/* memory only: a register is #UD; looked after by the instruction */
};

enum emu_row_flags {
	ROW_MODRM = 1 << 0,
	ROW_BYTE = 1 << 1,	/* operand size 1 */
	ROW_D64 = 1 << 2,		/* 64 bits by default in 64-bit mode, and no 32 */
	ROW_LOCK = 1 << 3,	/* may be locked when its destination is memory */
	ROW_NO64 = 1 << 4,	/* #UD in 64-bit mode */
	ROW_PRIV = 1 << 5,	/* #GP unless CPL is 0 */
	ROW_PROT = 1 << 6,	/* #UD in real and virtual-8086 mode */
	ROW_WO = 1 << 7,		/* the destination isn't read */
	ROW_RO = 1 << 8,		/* the destination isn't written */
	ROW_GROUP = 1 << 9,	/* op is an enum emu_group: ModRM.reg chooses */
	ROW_SSE = 1 << 10,	/* the table of SSE moves chooses, by prefix */
	ROW_MEMONLY = 1 << 11,	/* a register operand is #UD */
	ROW_64 = 1 << 12,		/* 64 bits in 64-bit mode, whatever prefixes say */
	ROW_SUFFIX = 1 << 13,	/* 0F 01 with a register operand: the ModRM byte chooses */
	ROW_PREFIXED = 1 << 14,	/* another instruction with F2, F3: not known */
};

struct emu_row {
	u8 op, dst, src, src2;
	u16 flags;
};

#define EMU_MAX_INSN	15

struct emu_insn {
	struct emu_row row;
	u8 len;			/* bytes; while decoding: those consumed */
	u8 opcode;		/* last byte of it */
	u8 map;			/* 0 one byte, 1 0F, 2 0F 38, 3 0F 3A */
	u8 op_size, addr_size;	/* bytes */
	u8 rex, rep, seg;	/* rep: 0, F2 or F3; seg: NR_SEGS when there is no override */
	bool lock, op_prefix, has_rex;
	u8 modrm, mod, reg, rm;	/* reg and rm with REX bits */
	u8 base, index, scale;	/* NR_REGS: none */
	u8 mem_seg;
	bool rip_relative, is_mem;
	u8 sse_size, sse_flags;
	s64 disp;
	u64 imm;
	u16 imm2;
};

/* A read that had to be asked for and was answered. */
struct emu_answer {
	u8 kind;		/* enum effect_kind */
	u8 len;
	bool fault;
	u64 where;		/* GPA, port or index */
	u64 value[2];
};

/* A write that will be done when nothing can fault any more. */
struct emu_write {
	gpa_t gpa;
	u16 len;
	bool mmio, atomic;	/* atomic: only if the memory is still what was read */
	bool bulk;		/* the data is in effect.data */
	u8 data[16], old[16];
};

/*
 * The most that one instruction can ask for and write: PUSHA, POPA and IRET have eight stack
 * slots, each of which may cross a page;
 * a far transfer through descriptors less than that.
 */
#define EMU_MAX_ANSWERS	20
#define EMU_MAX_WRITES	20

enum emu_phase { PHASE_DECODE, PHASE_EXECUTE, PHASE_WRITE, PHASE_SEGMENTS, PHASE_LAST };

struct emu_private {
	struct emu_insn insn;
	u8 phase;		/* enum emu_phase */
	bool again;		/* a REP with more to do */
	u16 rounds;		/* of it, done in this call */
	/*
	 * The registers as the instruction changes them; they become the guest's when it is
	 * complete.
	 */
	u64 regs[NR_REGS], rip, rflags;
	u32 shadow;
	u8 nr_answers, next_answer, nr_writes, next_write, nr_segs, next_seg;
	u8 last;		/* enum effect_kind: asked for at the very end, can't fail */
	u8 last_index;
	u64 last_value;
	struct kvm_dtable table;	/* LGDT, LIDT */
	struct { u8 seg; struct kvm_segment value; } seg[2];
	struct emu_answer answer[EMU_MAX_ANSWERS];
	struct emu_write write[EMU_MAX_WRITES];
};

#endif
