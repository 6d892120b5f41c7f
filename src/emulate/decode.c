// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder: bytes and tables to a struct emu_insn (APM 3, chapter 1 and appendix A).
 *
 * A new instruction is a row here, and a case in exec.c only when no operation fits it.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include "emulate/emulate.h"
#include "emulate/private.h"

/* ------------------------------------------------------------------ tables */

enum emu_group {
	GROUP_1, GROUP_1A, GROUP_2, GROUP_3B, GROUP_3V, GROUP_4, GROUP_5, GROUP_6, GROUP_7, GROUP_8,
	GROUP_9, GROUP_11, GROUP_15, GROUP_16, GROUP_P,
	NR_EMU_GROUPS
};

#define INSN2(o, d, s, f)		{ .op = o, .dst = d, .src = s, .flags = f }
#define INSN3(o, d, s, t, f)	{ .op = o, .dst = d, .src = s, .src2 = t, .flags = f }
#define INSN0(o, f)		{ .op = o, .flags = f }
#define INSN_GROUP(g, d, s, f)	{ .op = g, .dst = d, .src = s, .flags = (f) | ROW_GROUP | ROW_MODRM }

/* The six forms of ADD and its kin. */
#define ALU(n, o, f)							\
	[(n)] = INSN2(o, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | (f)),		\
	[(n) + 1] = INSN2(o, ARG_RM, ARG_REG, ROW_MODRM | (f)),		\
	[(n) + 2] = INSN2(o, ARG_REG, ARG_RM, ROW_MODRM | ROW_BYTE | ((f) & ROW_RO)),	\
	[(n) + 3] = INSN2(o, ARG_REG, ARG_RM, ROW_MODRM | ((f) & ROW_RO)),		\
	[(n) + 4] = INSN2(o, ARG_ACC, ARG_IMM, ROW_BYTE | ((f) & ROW_RO)),		\
	[(n) + 5] = INSN2(o, ARG_ACC, ARG_IMM, (f) & ROW_RO)

static const struct emu_row one_byte[256] = {
	ALU(0x00, OP_ADD, ROW_LOCK), ALU(0x08, OP_OR, ROW_LOCK), ALU(0x10, OP_ADC, ROW_LOCK),
	ALU(0x18, OP_SBB, ROW_LOCK), ALU(0x20, OP_AND, ROW_LOCK), ALU(0x28, OP_SUB, ROW_LOCK),
	ALU(0x30, OP_XOR, ROW_LOCK), ALU(0x38, OP_CMP, ROW_RO),
	[0x06] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_ES, ROW_NO64),
	[0x07] = INSN2(OP_POP_SREG, ARG_NONE, ARG_SEG_ES, ROW_NO64),
	[0x0e] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_CS, ROW_NO64),
	[0x16] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_SS, ROW_NO64),
	[0x17] = INSN2(OP_POP_SREG, ARG_NONE, ARG_SEG_SS, ROW_NO64),
	[0x1e] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_DS, ROW_NO64),
	[0x1f] = INSN2(OP_POP_SREG, ARG_NONE, ARG_SEG_DS, ROW_NO64),
	[0x27] = INSN0(OP_KNOWN, ROW_NO64), [0x2f] = INSN0(OP_KNOWN, ROW_NO64),
	[0x37] = INSN0(OP_KNOWN, ROW_NO64), [0x3f] = INSN0(OP_KNOWN, ROW_NO64),
	[0x40 ... 0x47] = INSN2(OP_INC, ARG_OPREG, ARG_NONE, 0),
	[0x48 ... 0x4f] = INSN2(OP_DEC, ARG_OPREG, ARG_NONE, 0),
	[0x50 ... 0x57] = INSN2(OP_PUSH, ARG_NONE, ARG_OPREG, ROW_D64),
	[0x58 ... 0x5f] = INSN2(OP_POP, ARG_OPREG, ARG_NONE, ROW_D64 | ROW_WO),
	[0x60] = INSN0(OP_PUSHA, ROW_NO64), [0x61] = INSN0(OP_POPA, ROW_NO64),
	/* outside 64-bit mode: ARPL, not known */
	[0x63] = INSN2(OP_MOVSX, ARG_REG, ARG_RM32, ROW_MODRM | ROW_WO),
	[0x68] = INSN2(OP_PUSH, ARG_NONE, ARG_IMM, ROW_D64),
	[0x69] = INSN3(OP_IMUL3, ARG_REG, ARG_RM, ARG_IMM, ROW_MODRM | ROW_WO),
	[0x6a] = INSN2(OP_PUSH, ARG_NONE, ARG_IMM8S, ROW_D64),
	[0x6b] = INSN3(OP_IMUL3, ARG_REG, ARG_RM, ARG_IMM8S, ROW_MODRM | ROW_WO),
	[0x6c] = INSN0(OP_INS, ROW_BYTE), [0x6d] = INSN0(OP_INS, 0),
	[0x6e] = INSN0(OP_OUTS, ROW_BYTE), [0x6f] = INSN0(OP_OUTS, 0),
	[0x70 ... 0x7f] = INSN2(OP_JCC, ARG_NONE, ARG_REL8, ROW_D64),
	[0x80] = INSN_GROUP(GROUP_1, ARG_RM, ARG_IMM, ROW_BYTE),
	[0x81] = INSN_GROUP(GROUP_1, ARG_RM, ARG_IMM, 0),
	[0x82] = INSN_GROUP(GROUP_1, ARG_RM, ARG_IMM, ROW_BYTE | ROW_NO64),
	[0x83] = INSN_GROUP(GROUP_1, ARG_RM, ARG_IMM8S, 0),
	[0x84] = INSN2(OP_TEST, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | ROW_RO),
	[0x85] = INSN2(OP_TEST, ARG_RM, ARG_REG, ROW_MODRM | ROW_RO),
	[0x86] = INSN2(OP_XCHG, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | ROW_LOCK),
	[0x87] = INSN2(OP_XCHG, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0x88] = INSN2(OP_MOV, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | ROW_WO),
	[0x89] = INSN2(OP_MOV, ARG_RM, ARG_REG, ROW_MODRM | ROW_WO),
	[0x8a] = INSN2(OP_MOV, ARG_REG, ARG_RM, ROW_MODRM | ROW_BYTE | ROW_WO),
	[0x8b] = INSN2(OP_MOV, ARG_REG, ARG_RM, ROW_MODRM | ROW_WO),
	[0x8c] = INSN2(OP_MOV_FROM_SREG, ARG_RM_NARROW, ARG_SREG, ROW_MODRM | ROW_WO),
	[0x8d] = INSN2(OP_LEA, ARG_REG, ARG_MEM, ROW_MODRM | ROW_WO | ROW_MEMONLY),
	[0x8e] = INSN2(OP_MOV_TO_SREG, ARG_NONE, ARG_RM16, ROW_MODRM),
	[0x8f] = INSN_GROUP(GROUP_1A, ARG_RM, ARG_NONE, ROW_D64 | ROW_WO),
	[0x90] = INSN0(OP_NOP, 0),
	[0x91 ... 0x97] = INSN2(OP_XCHG, ARG_OPREG, ARG_ACC, 0),
	[0x98] = INSN0(OP_CBW, 0), [0x99] = INSN0(OP_CWD, 0),
	[0x9a] = INSN2(OP_CALL_FAR, ARG_NONE, ARG_FAR, ROW_NO64),
	[0x9b] = INSN0(OP_KNOWN, 0),
	[0x9c] = INSN0(OP_PUSHF, ROW_D64), [0x9d] = INSN0(OP_POPF, ROW_D64),
	[0x9e] = INSN0(OP_SAHF, 0), [0x9f] = INSN0(OP_LAHF, 0),
	[0xa0] = INSN2(OP_MOV, ARG_ACC, ARG_MOFFS, ROW_BYTE | ROW_WO),
	[0xa1] = INSN2(OP_MOV, ARG_ACC, ARG_MOFFS, ROW_WO),
	[0xa2] = INSN2(OP_MOV, ARG_MOFFS, ARG_ACC, ROW_BYTE | ROW_WO),
	[0xa3] = INSN2(OP_MOV, ARG_MOFFS, ARG_ACC, ROW_WO), [0xa4] = INSN0(OP_MOVS, ROW_BYTE),
	[0xa5] = INSN0(OP_MOVS, 0), [0xa6] = INSN0(OP_CMPS, ROW_BYTE), [0xa7] = INSN0(OP_CMPS, 0),
	[0xa8] = INSN2(OP_TEST, ARG_ACC, ARG_IMM, ROW_BYTE | ROW_RO),
	[0xa9] = INSN2(OP_TEST, ARG_ACC, ARG_IMM, ROW_RO), [0xaa] = INSN0(OP_STOS, ROW_BYTE),
	[0xab] = INSN0(OP_STOS, 0), [0xac] = INSN0(OP_LODS, ROW_BYTE), [0xad] = INSN0(OP_LODS, 0),
	[0xae] = INSN0(OP_SCAS, ROW_BYTE), [0xaf] = INSN0(OP_SCAS, 0),
	[0xb0 ... 0xb7] = INSN2(OP_MOV, ARG_OPREG, ARG_IMM_FULL, ROW_BYTE | ROW_WO),
	[0xb8 ... 0xbf] = INSN2(OP_MOV, ARG_OPREG, ARG_IMM_FULL, ROW_WO),
	[0xc0] = INSN_GROUP(GROUP_2, ARG_RM, ARG_IMM8, ROW_BYTE),
	[0xc1] = INSN_GROUP(GROUP_2, ARG_RM, ARG_IMM8, 0),
	[0xc2] = INSN2(OP_RET, ARG_NONE, ARG_IMM16, ROW_D64), [0xc3] = INSN0(OP_RET, ROW_D64),
	[0xc4] = INSN2(OP_LOAD_FAR, ARG_SEG_ES, ARG_MEM, ROW_MODRM | ROW_NO64 | ROW_MEMONLY),
	[0xc5] = INSN2(OP_LOAD_FAR, ARG_SEG_DS, ARG_MEM, ROW_MODRM | ROW_NO64 | ROW_MEMONLY),
	[0xc6] = INSN_GROUP(GROUP_11, ARG_RM, ARG_IMM, ROW_BYTE),
	[0xc7] = INSN_GROUP(GROUP_11, ARG_RM, ARG_IMM, 0),
	[0xc8] = INSN3(OP_ENTER, ARG_NONE, ARG_IMM16, ARG_IMM8, ROW_D64),
	[0xc9] = INSN0(OP_LEAVE, ROW_D64), [0xca] = INSN2(OP_RET_FAR, ARG_NONE, ARG_IMM16, 0),
	[0xcb] = INSN0(OP_RET_FAR, 0), [0xcc] = INSN0(OP_INT, 0),
	[0xcd] = INSN2(OP_INT, ARG_NONE, ARG_IMM8, 0), [0xce] = INSN0(OP_INTO, ROW_NO64),
	[0xcf] = INSN0(OP_IRET, 0), [0xd0] = INSN_GROUP(GROUP_2, ARG_RM, ARG_ONE, ROW_BYTE),
	[0xd1] = INSN_GROUP(GROUP_2, ARG_RM, ARG_ONE, 0),
	[0xd2] = INSN_GROUP(GROUP_2, ARG_RM, ARG_CL, ROW_BYTE),
	[0xd3] = INSN_GROUP(GROUP_2, ARG_RM, ARG_CL, 0),
	[0xd4] = INSN2(OP_KNOWN, ARG_NONE, ARG_IMM8, ROW_NO64),
	[0xd5] = INSN2(OP_KNOWN, ARG_NONE, ARG_IMM8, ROW_NO64),
	[0xd7] = INSN0(OP_XLAT, 0),
	[0xd8 ... 0xdf] = INSN0(OP_KNOWN, ROW_MODRM),			/* x87 */
	[0xe0 ... 0xe2] = INSN2(OP_LOOP, ARG_NONE, ARG_REL8, ROW_D64),
	[0xe3] = INSN2(OP_JCXZ, ARG_NONE, ARG_REL8, ROW_D64),
	[0xe4] = INSN2(OP_IN, ARG_NONE, ARG_IMM8, ROW_BYTE),
	[0xe5] = INSN2(OP_IN, ARG_NONE, ARG_IMM8, 0),
	[0xe6] = INSN2(OP_OUT, ARG_NONE, ARG_IMM8, ROW_BYTE),
	[0xe7] = INSN2(OP_OUT, ARG_NONE, ARG_IMM8, 0),
	[0xe8] = INSN2(OP_CALL, ARG_NONE, ARG_REL, ROW_D64),
	[0xe9] = INSN2(OP_JMP, ARG_NONE, ARG_REL, ROW_D64),
	[0xea] = INSN2(OP_JMP_FAR, ARG_NONE, ARG_FAR, ROW_NO64),
	[0xeb] = INSN2(OP_JMP, ARG_NONE, ARG_REL8, ROW_D64), [0xec] = INSN0(OP_IN, ROW_BYTE),
	[0xed] = INSN0(OP_IN, 0), [0xee] = INSN0(OP_OUT, ROW_BYTE), [0xef] = INSN0(OP_OUT, 0),
	[0xf1] = INSN0(OP_KNOWN, 0),
	[0xf4] = INSN0(OP_HLT, ROW_PRIV), [0xf5] = INSN0(OP_CMC, 0),
	[0xf6] = INSN_GROUP(GROUP_3B, ARG_RM, ARG_NONE, ROW_BYTE),
	[0xf7] = INSN_GROUP(GROUP_3V, ARG_RM, ARG_NONE, 0), [0xf8] = INSN0(OP_CLC, 0),
	[0xf9] = INSN0(OP_STC, 0), [0xfa] = INSN0(OP_CLI, 0), [0xfb] = INSN0(OP_STI, 0),
	[0xfc] = INSN0(OP_CLD, 0), [0xfd] = INSN0(OP_STD, 0),
	[0xfe] = INSN_GROUP(GROUP_4, ARG_RM, ARG_NONE, ROW_BYTE),
	[0xff] = INSN_GROUP(GROUP_5, ARG_RM, ARG_NONE, 0),
};

static const struct emu_row two_byte[256] = {
	[0x00] = INSN_GROUP(GROUP_6, ARG_NONE, ARG_NONE, ROW_PROT),
	[0x01] = INSN_GROUP(GROUP_7, ARG_NONE, ARG_NONE, ROW_SUFFIX),
	[0x02 ... 0x03] = INSN0(OP_KNOWN, ROW_MODRM | ROW_PROT),	/* LAR, LSL */
	[0x05] = INSN0(OP_KNOWN, 0), [0x06] = INSN0(OP_CLTS, ROW_PRIV),
	[0x07] = INSN0(OP_KNOWN, ROW_PRIV), [0x08] = INSN0(OP_WBINVD, ROW_PRIV),
	[0x09] = INSN0(OP_WBINVD, ROW_PRIV),
	[0x0b] = INSN0(OP_UD, 0),
	[0x0d] = INSN_GROUP(GROUP_P, ARG_NONE, ARG_NONE, 0),
	[0x10 ... 0x13] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x16 ... 0x17] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x18] = INSN_GROUP(GROUP_16, ARG_NONE, ARG_NONE, 0),
	[0x19 ... 0x1f] = INSN0(OP_NOP, ROW_MODRM),
	[0x20] = INSN0(OP_READ_CR, ROW_MODRM | ROW_PRIV | ROW_64),
	[0x21] = INSN0(OP_READ_DR, ROW_MODRM | ROW_PRIV | ROW_64),
	[0x22] = INSN0(OP_WRITE_CR, ROW_MODRM | ROW_PRIV | ROW_64),
	[0x23] = INSN0(OP_WRITE_DR, ROW_MODRM | ROW_PRIV | ROW_64),
	[0x28 ... 0x29] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x2b] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x30] = INSN0(OP_WRMSR, ROW_PRIV), [0x31] = INSN0(OP_RDTSC, 0),
	[0x32] = INSN0(OP_RDMSR, ROW_PRIV), [0x33] = INSN0(OP_RDPMC, 0),
	[0x34 ... 0x35] = INSN0(OP_KNOWN, 0),
	[0x40 ... 0x4f] = INSN2(OP_CMOV, ARG_REG, ARG_RM, ROW_MODRM),
	[0x6e ... 0x6f] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x7e ... 0x7f] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0x77] = INSN0(OP_KNOWN, 0),
	[0x80 ... 0x8f] = INSN2(OP_JCC, ARG_NONE, ARG_REL, ROW_D64),
	[0x90 ... 0x9f] = INSN2(OP_SETCC, ARG_RM, ARG_NONE, ROW_MODRM | ROW_BYTE | ROW_WO),
	[0xa0] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_FS, ROW_D64),
	[0xa1] = INSN2(OP_POP_SREG, ARG_NONE, ARG_SEG_FS, ROW_D64),
	[0xa2] = INSN0(OP_CPUID, 0),
	[0xa3] = INSN2(OP_BT, ARG_RM, ARG_REG, ROW_MODRM | ROW_RO),
	[0xa4] = INSN3(OP_SHLD, ARG_RM, ARG_REG, ARG_IMM8, ROW_MODRM),
	[0xa5] = INSN3(OP_SHLD, ARG_RM, ARG_REG, ARG_CL, ROW_MODRM),
	[0xa8] = INSN2(OP_PUSH_SREG, ARG_NONE, ARG_SEG_GS, ROW_D64),
	[0xa9] = INSN2(OP_POP_SREG, ARG_NONE, ARG_SEG_GS, ROW_D64),
	[0xaa] = INSN0(OP_KNOWN, 0),						/* RSM */
	[0xab] = INSN2(OP_BTS, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0xac] = INSN3(OP_SHRD, ARG_RM, ARG_REG, ARG_IMM8, ROW_MODRM),
	[0xad] = INSN3(OP_SHRD, ARG_RM, ARG_REG, ARG_CL, ROW_MODRM),
	[0xae] = INSN_GROUP(GROUP_15, ARG_NONE, ARG_NONE, 0),
	[0xaf] = INSN3(OP_IMUL3, ARG_REG, ARG_RM, ARG_REG, ROW_MODRM | ROW_WO),
	[0xb0] = INSN2(OP_CMPXCHG, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | ROW_LOCK),
	[0xb1] = INSN2(OP_CMPXCHG, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0xb2] = INSN2(OP_LOAD_FAR, ARG_SEG_SS, ARG_MEM, ROW_MODRM | ROW_MEMONLY),
	[0xb3] = INSN2(OP_BTR, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0xb4] = INSN2(OP_LOAD_FAR, ARG_SEG_FS, ARG_MEM, ROW_MODRM | ROW_MEMONLY),
	[0xb5] = INSN2(OP_LOAD_FAR, ARG_SEG_GS, ARG_MEM, ROW_MODRM | ROW_MEMONLY),
	[0xb6] = INSN2(OP_MOV, ARG_REG, ARG_RM8, ROW_MODRM | ROW_WO),
	[0xb7] = INSN2(OP_MOV, ARG_REG, ARG_RM16, ROW_MODRM | ROW_WO),
	[0xb9] = INSN0(OP_UD, ROW_MODRM),
	[0xba] = INSN_GROUP(GROUP_8, ARG_RM, ARG_IMM8, 0),
	[0xbb] = INSN2(OP_BTC, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0xbc] = INSN2(OP_BSF, ARG_REG, ARG_RM, ROW_MODRM | ROW_PREFIXED),
	[0xbd] = INSN2(OP_BSR, ARG_REG, ARG_RM, ROW_MODRM | ROW_PREFIXED),
	[0xbe] = INSN2(OP_MOVSX, ARG_REG, ARG_RM8, ROW_MODRM | ROW_WO),
	[0xbf] = INSN2(OP_MOVSX, ARG_REG, ARG_RM16, ROW_MODRM | ROW_WO),
	[0xc0] = INSN2(OP_XADD, ARG_RM, ARG_REG, ROW_MODRM | ROW_BYTE | ROW_LOCK),
	[0xc1] = INSN2(OP_XADD, ARG_RM, ARG_REG, ROW_MODRM | ROW_LOCK),
	[0xc3] = INSN2(OP_MOV, ARG_RM, ARG_REG, ROW_MODRM | ROW_WO | ROW_MEMONLY),	/* MOVNTI */
	[0xc7] = INSN_GROUP(GROUP_9, ARG_NONE, ARG_NONE, 0),
	[0xc8 ... 0xcf] = INSN2(OP_BSWAP, ARG_OPREG, ARG_NONE, 0),
	[0xd6] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0xe7] = INSN0(OP_UNHANDLED, ROW_MODRM | ROW_SSE),
	[0xff] = INSN0(OP_UD, ROW_MODRM),
};

/* What a group's row leaves out is that of the row that led to it. */
static const struct emu_row groups[NR_EMU_GROUPS][8] = {
	[GROUP_1] = { INSN0(OP_ADD, ROW_LOCK), INSN0(OP_OR, ROW_LOCK), INSN0(OP_ADC, ROW_LOCK), INSN0(OP_SBB, ROW_LOCK),
		      INSN0(OP_AND, ROW_LOCK), INSN0(OP_SUB, ROW_LOCK), INSN0(OP_XOR, ROW_LOCK),
		      INSN0(OP_CMP, ROW_RO) },
	[GROUP_1A] = { INSN0(OP_POP, 0) },
	[GROUP_2] = { INSN0(OP_ROL, 0), INSN0(OP_ROR, 0), INSN0(OP_RCL, 0), INSN0(OP_RCR, 0),
		      INSN0(OP_SHL, 0), INSN0(OP_SHR, 0), INSN0(OP_SAL, 0), INSN0(OP_SAR, 0) },
	[GROUP_3B ... GROUP_3V] = { INSN2(OP_TEST, 0, ARG_IMM, ROW_RO), INSN2(OP_TEST, 0, ARG_IMM, ROW_RO), INSN0(OP_NOT, ROW_LOCK), INSN0(OP_NEG, ROW_LOCK),
		       INSN0(OP_MUL, ROW_RO), INSN0(OP_IMUL, ROW_RO), INSN0(OP_DIV, ROW_RO),
		       INSN0(OP_IDIV, ROW_RO) },
	[GROUP_4] = { INSN0(OP_INC, ROW_LOCK), INSN0(OP_DEC, ROW_LOCK), [2 ... 7] = INSN0(OP_UD, 0) },
	[GROUP_5] = { INSN0(OP_INC, ROW_LOCK), INSN0(OP_DEC, ROW_LOCK),
		      INSN0(OP_CALL, ROW_D64 | ROW_RO), INSN2(OP_CALL_FAR, ARG_MEM, 0, ROW_MEMONLY),
		      INSN0(OP_JMP, ROW_D64 | ROW_RO), INSN2(OP_JMP_FAR, ARG_MEM, 0, ROW_MEMONLY),
		      INSN0(OP_PUSH, ROW_D64 | ROW_RO), INSN0(OP_UD, 0) },
	[GROUP_6] = { INSN2(OP_SLDT, ARG_RM_NARROW, 0, ROW_WO), INSN2(OP_STR, ARG_RM_NARROW, 0, ROW_WO),
		      INSN2(OP_LLDT, 0, ARG_RM16, ROW_PRIV), INSN2(OP_LTR, 0, ARG_RM16, ROW_PRIV),
		      INSN0(OP_KNOWN, 0), INSN0(OP_KNOWN, 0),
		      INSN0(OP_UD, 0), INSN0(OP_UD, 0) },
	[GROUP_7] = { INSN0(OP_SGDT, ROW_MEMONLY), INSN0(OP_SIDT, ROW_MEMONLY), INSN0(OP_LGDT, ROW_MEMONLY | ROW_PRIV), INSN0(OP_LIDT, ROW_MEMONLY | ROW_PRIV),
		      INSN2(OP_SMSW, ARG_RM_NARROW, 0, ROW_WO), INSN0(OP_UD, 0),
		      INSN2(OP_LMSW, 0, ARG_RM16, ROW_PRIV),
		      INSN0(OP_INVLPG, ROW_MEMONLY | ROW_PRIV) },
	[GROUP_8] = { [0 ... 3] = INSN0(OP_UD, 0), INSN0(OP_BT, ROW_RO), INSN0(OP_BTS, ROW_LOCK), INSN0(OP_BTR, ROW_LOCK), INSN0(OP_BTC, ROW_LOCK) },
	[GROUP_9] = { [0] = INSN0(OP_UD, 0), [1] = INSN2(OP_CMPXCHG8B, ARG_MEM, 0, ROW_LOCK | ROW_MEMONLY), [2] = INSN0(OP_UD, 0),
		      [3 ... 7] = INSN0(OP_KNOWN, 0) },
	[GROUP_11] = { INSN0(OP_MOV, ROW_WO), [1 ... 7] = INSN0(OP_UD, 0) },
	/* FXSAVE and the like, fences, CLFLUSH, CLFLUSHOPT. */
	[GROUP_15] = { [0 ... 4] = INSN0(OP_KNOWN, 0), [5 ... 7] = INSN0(OP_NOP, ROW_PREFIXED) },
	[GROUP_16] = { [0 ... 7] = INSN0(OP_NOP, 0) },
	[GROUP_P] = { [0 ... 7] = INSN0(OP_NOP, ROW_MEMONLY) },
};

/* 0F 01 with a register operand. */
static const struct { u8 modrm; struct emu_row row; } suffixes[] = {
	{ 0xc1, INSN0(OP_HYPERCALL, 0) },		/* VMCALL */
	{ 0xc8, INSN0(OP_KNOWN, ROW_PRIV) },		/* MONITOR */
	{ 0xc9, INSN0(OP_KNOWN, ROW_PRIV) },		/* MWAIT */
	{ 0xca, INSN0(OP_CLAC, ROW_PRIV) },
	{ 0xcb, INSN0(OP_STAC, ROW_PRIV) },
	{ 0xd0, INSN0(OP_XGETBV, 0) },
	{ 0xd1, INSN0(OP_XSETBV, ROW_PRIV) },
	{ 0xd9, INSN0(OP_HYPERCALL, 0) },		/* VMMCALL */
	{ 0xf8, INSN0(OP_KNOWN, ROW_PRIV) },		/* SWAPGS */
	{ 0xf9, INSN0(OP_RDTSCP, 0) },
	{ 0xfa, INSN0(OP_KNOWN, 0) },			/* MONITORX */
	{ 0xfb, INSN0(OP_KNOWN, 0) },			/* MWAITX */
};

/*
 * Moves between XMM or MMX registers and memory: what drivers of frame buffers and VMMs' own
 * tests use on MMIO. prefix: 0, 66, F2 or F3.
 */
static const struct { u8 opcode, prefix, op, size, flags; } sse_moves[] = {
	{ 0x10, 0x00, OP_SSE_LOAD, 16, 0 }, { 0x10, 0x66, OP_SSE_LOAD, 16, 0 },
	{ 0x10, 0xf3, OP_SSE_LOAD, 4, SSE_ZERO }, { 0x10, 0xf2, OP_SSE_LOAD, 8, SSE_ZERO },
	{ 0x11, 0x00, OP_SSE_STORE, 16, 0 }, { 0x11, 0x66, OP_SSE_STORE, 16, 0 },
	{ 0x11, 0xf3, OP_SSE_STORE, 4, 0 }, { 0x11, 0xf2, OP_SSE_STORE, 8, 0 },
	{ 0x12, 0x00, OP_SSE_LOAD, 8, SSE_LOW }, { 0x12, 0x66, OP_SSE_LOAD, 8, SSE_LOW },
	{ 0x13, 0x00, OP_SSE_STORE, 8, 0 }, { 0x13, 0x66, OP_SSE_STORE, 8, 0 },
	{ 0x16, 0x00, OP_SSE_LOAD, 8, SSE_HIGH }, { 0x16, 0x66, OP_SSE_LOAD, 8, SSE_HIGH },
	{ 0x17, 0x00, OP_SSE_STORE, 8, SSE_HIGH }, { 0x17, 0x66, OP_SSE_STORE, 8, SSE_HIGH },
	{ 0x28, 0x00, OP_SSE_LOAD, 16, SSE_ALIGNED }, { 0x28, 0x66, OP_SSE_LOAD, 16, SSE_ALIGNED },
	{ 0x29, 0x00, OP_SSE_STORE, 16, SSE_ALIGNED },
	{ 0x29, 0x66, OP_SSE_STORE, 16, SSE_ALIGNED },
	{ 0x2b, 0x00, OP_SSE_STORE, 16, SSE_ALIGNED },
	{ 0x2b, 0x66, OP_SSE_STORE, 16, SSE_ALIGNED },
	{ 0x6e, 0x66, OP_SSE_LOAD, 0, SSE_ZERO },	/* MOVD, MOVQ: 4, or 8 with REX.W */
	{ 0x7e, 0x66, OP_SSE_STORE, 0, 0 },
	{ 0x7e, 0xf3, OP_SSE_LOAD, 8, SSE_ZERO },
	{ 0xd6, 0x66, OP_SSE_STORE, 8, 0 },
	{ 0x6f, 0x66, OP_SSE_LOAD, 16, SSE_ALIGNED }, { 0x6f, 0xf3, OP_SSE_LOAD, 16, 0 },
	{ 0x7f, 0x66, OP_SSE_STORE, 16, SSE_ALIGNED }, { 0x7f, 0xf3, OP_SSE_STORE, 16, 0 },
	{ 0xe7, 0x66, OP_SSE_STORE, 16, SSE_ALIGNED },
	{ 0x6e, 0x00, OP_MMX_LOAD, 0, 0 }, { 0x7e, 0x00, OP_MMX_STORE, 0, 0 },
	{ 0x6f, 0x00, OP_MMX_LOAD, 8, 0 }, { 0x7f, 0x00, OP_MMX_STORE, 8, 0 },
	{ 0xe7, 0x00, OP_MMX_STORE, 8, 0 },
};

/* ------------------------------------------------------------------ bytes */

/* The next @n bytes of the instruction into *@val, zero-extended. */
static enum emu_result next_bytes(struct emu *e, u8 n, u64 *val)
{
	struct emu_insn *in = &e->priv.insn;
	enum emu_result r;

	if (in->len + n > EMU_MAX_INSN)
		return emu_raise(e, X86_TRAP_GP, 0);
	while (e->insn_len < in->len + n) {
		r = emu_fetch(e);
		if (r)
			return r;
	}
	*val = 0;
	memcpy(val, e->insn + in->len, n);
	in->len += n;
	return EMU_DONE;
}

static enum emu_result next_signed(struct emu *e, u8 n, s64 *val)
{
	u64 raw;
	enum emu_result r = next_bytes(e, n, &raw);

	if (!r)
		*val = emu_sign_extend(raw, n);
	return r;
}

static enum emu_result next_u8(struct emu *e, u8 *val)
{
	u64 raw = 0;
	enum emu_result r = next_bytes(e, 1, &raw);

	*val = raw;
	return r;
}

/* ------------------------------------------------------------------ prefixes and opcode */

/* Take @b in when it is a prefix. */
static bool prefix_take(const struct emu *e, struct emu_insn *in, u8 b)
{
	bool wide = e->mode == EMU_PROT64;

	if (wide && (b & 0xf0) == 0x40) {
		in->rex = b;
		in->has_rex = true;
		return true;
	}
	switch (b) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		if (!wide)	/* ignored in 64-bit mode (APM 3, 1.2.4) */
			in->seg = (b >> 3) & 3;
		break;
	case 0x64: case 0x65:
		in->seg = b - 0x64 + SEG_FS;
		break;
	case 0x66:
		in->op_prefix = true;
		break;
	case 0x67:
		in->addr_size = wide ? 4 : e->mode == EMU_PROT32 ? 2 : 4;
		break;
	case 0xf0:
		in->lock = true;
		break;
	case 0xf2: case 0xf3:
		in->rep = b;
		break;
	default:
		return false;
	}
	/* A REX that isn't the last prefix doesn't count. */
	in->rex = 0;
	in->has_rex = false;
	return true;
}

static enum emu_result decode_opcode(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	enum emu_result r;

	do {
		r = next_u8(e, &in->opcode);
		if (r)
			return r;
	} while (prefix_take(e, in, in->opcode));
	if (in->opcode != 0x0f) {
		in->row = one_byte[in->opcode];
		return EMU_DONE;
	}
	r = next_u8(e, &in->opcode);
	if (r)
		return r;
	in->map = 1;
	in->row = two_byte[in->opcode];
	if (in->opcode != 0x38)
		return EMU_DONE;
	r = next_u8(e, &in->opcode);
	in->map = 2;
	/* MOVBE is the only one; with F2 the same bytes are CRC32. */
	if (in->opcode == 0xf0 && !in->rep)
		in->row = (struct emu_row)INSN2(OP_MOVBE, ARG_REG, ARG_RM,
						ROW_MODRM | ROW_WO | ROW_MEMONLY);
	else if (in->opcode == 0xf1 && !in->rep)
		in->row = (struct emu_row)INSN2(OP_MOVBE, ARG_RM, ARG_REG,
						ROW_MODRM | ROW_WO | ROW_MEMONLY);
	return r;
}

/* ------------------------------------------------------------------ ModRM and what follows it */

static const struct { u8 base, index, seg; } modes16[8] = {
	{ REG_RBX, REG_RSI, SEG_DS }, { REG_RBX, REG_RDI, SEG_DS }, { REG_RBP, REG_RSI, SEG_SS },
	{ REG_RBP, REG_RDI, SEG_SS }, { REG_RSI, NR_REGS, SEG_DS }, { REG_RDI, NR_REGS, SEG_DS },
	{ REG_RBP, NR_REGS, SEG_SS }, { REG_RBX, NR_REGS, SEG_DS },
};

static enum emu_result decode_mem16(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	u8 rm = in->modrm & 7;

	in->base = modes16[rm].base;
	in->index = modes16[rm].index;
	in->mem_seg = modes16[rm].seg;
	if (in->mod == 0 && rm == 6) {
		in->base = NR_REGS;
		in->mem_seg = SEG_DS;
		return next_signed(e, 2, &in->disp);
	}
	if (in->mod == 0)
		return EMU_DONE;
	return next_signed(e, in->mod == 1 ? 1 : 2, &in->disp);
}

static enum emu_result decode_sib(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	u8 sib, index;
	enum emu_result r = next_u8(e, &sib);

	if (r)
		return r;
	in->base = (sib & 7) | (in->rex & 1) << 3;
	index = ((sib >> 3) & 7) | (in->rex & 2) << 2;
	in->scale = sib >> 6;
	if (index != REG_RSP)
		in->index = index;
	return EMU_DONE;
}

static enum emu_result decode_mem32(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	enum emu_result r;

	in->base = in->rm;
	if ((in->modrm & 7) == 4) {
		r = decode_sib(e);
		if (r)
			return r;
	} else if (in->mod == 0 && (in->modrm & 7) == 5) {
		in->base = NR_REGS;
		in->rip_relative = e->mode == EMU_PROT64;
		return next_signed(e, 4, &in->disp);
	}
	if (in->mod == 0 && (in->base & 7) == REG_RBP) {	/* only after a SIB byte */
		in->base = NR_REGS;
		return next_signed(e, 4, &in->disp);
	}
	if (in->base == REG_RSP || in->base == REG_RBP)
		in->mem_seg = SEG_SS;
	if (in->mod == 0)
		return EMU_DONE;
	return next_signed(e, in->mod == 1 ? 1 : 4, &in->disp);
}

/*
 * The byte itself, so that a group can be chosen; the rest of the address follows in
 * decode_mem().
 */
static enum emu_result decode_modrm(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	enum emu_result r = next_u8(e, &in->modrm);

	in->mod = in->modrm >> 6;
	in->reg = ((in->modrm >> 3) & 7) | (in->rex & 4) << 1;
	in->rm = (in->modrm & 7) | (in->rex & 1) << 3;
	/* Control and debug registers are always moved from or to a register (APM 3, MOV CRn). */
	in->is_mem = in->mod != 3 && !(in->map == 1 && in->opcode >= 0x20 && in->opcode <= 0x23);
	return r;
}

static enum emu_result decode_mem(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;

	if (!in->is_mem)
		return EMU_DONE;
	return in->addr_size == 2 ? decode_mem16(e) : decode_mem32(e);
}

/* ------------------------------------------------------------------ choosing the row */

static struct emu_row suffix_row(u8 modrm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (suffixes[i].modrm == modrm)
			return suffixes[i].row;
	/* D8 to DF: SVM's own instructions. */
	return (struct emu_row) INSN0((modrm & 0xf8) == 0xd8 ? OP_KNOWN : OP_UNHANDLED, 0);
}

static void choose_group(struct emu_insn *in)
{
	struct emu_row parent = in->row;
	u8 reg = (in->modrm >> 3) & 7;

	if (in->row.flags & ROW_SUFFIX && in->mod == 3 && reg != 4 && reg != 6) {
		in->row = suffix_row(in->modrm);
		return;
	}
	in->row = groups[parent.op][reg];
	if (!in->row.dst)
		in->row.dst = parent.dst;
	if (!in->row.src)
		in->row.src = parent.src;
	in->row.flags |= parent.flags & ~ROW_GROUP;
}

static void choose_sse(struct emu_insn *in)
{
	u8 prefix = in->rep ? in->rep : in->op_prefix ? 0x66 : 0;
	unsigned int i;

	in->row.op = OP_UNHANDLED;
	for (i = 0; i < ARRAY_SIZE(sse_moves); i++) {
		if (sse_moves[i].opcode != in->opcode || sse_moves[i].prefix != prefix)
			continue;
		in->row.op = sse_moves[i].op;
		in->sse_size = sse_moves[i].size ? sse_moves[i].size : in->rex & 8 ? 8 : 4;
		in->sse_flags = sse_moves[i].flags;
	}
}

/* x87: storing the control or status word, and FNINIT. */
static void choose_x87(struct emu_insn *in)
{
	u8 reg = in->modrm >> 3 & 7;

	if (in->opcode == 0xd9 && in->is_mem && reg == 7)
		in->row.op = OP_FNSTCW;
	else if ((in->opcode == 0xdd && in->is_mem && reg == 7) ||
		 (in->opcode == 0xdf && in->modrm == 0xe0))
		in->row.op = OP_FNSTSW;
	else if (in->opcode == 0xdb && in->modrm == 0xe3)
		in->row.op = OP_FNINIT;
}

/* The few opcodes whose meaning depends on more than the tables say. */
static void choose_special(const struct emu *e, struct emu_insn *in)
{
	if (in->map == 1 && in->opcode == 0xc7 && (in->modrm & 0x38) == 8 && in->rep)
		in->row.op = OP_UNHANDLED;
	if (in->map)
		return;
	if ((in->opcode & 0xf8) == 0xd8)
		choose_x87(in);
	if (in->opcode == 0x63 && e->mode != EMU_PROT64)
		in->row = (struct emu_row) INSN0(OP_KNOWN, ROW_MODRM | ROW_PROT);
	/* 90 is NOP unless REX.B makes it XCHG R8, rAX; with F3 it is PAUSE. */
	if (in->opcode == 0x90 && in->rex & 1 && !in->rep)
		in->row = (struct emu_row) INSN2(OP_XCHG, ARG_OPREG, ARG_ACC, 0);
	/* VEX: LES and LDS can't have a register operand. */
	if ((in->opcode == 0xc4 || in->opcode == 0xc5) && (e->mode == EMU_PROT64 || in->mod == 3))
		in->row = (struct emu_row) INSN0(e->mode < EMU_PROT16 ? OP_UD : OP_UNHANDLED, 0);
	if (in->opcode == 0x8f && in->modrm & 0x38)	/* XOP */
		in->row = (struct emu_row) INSN0(OP_UNHANDLED, 0);
}

static void choose_sizes(const struct emu *e, struct emu_insn *in)
{
	bool wide = e->mode == EMU_PROT64;

	in->op_size = (e->mode == EMU_PROT32 || wide) != in->op_prefix ? 4 : 2;
	if (wide && in->row.flags & ROW_D64 && in->op_size == 4)
		in->op_size = 8;
	if (in->rex & 8)
		in->op_size = 8;
	if (in->row.flags & ROW_64)
		in->op_size = wide ? 8 : 4;
	if (in->row.flags & ROW_BYTE)
		in->op_size = 1;
	if (in->seg != NR_SEGS)
		in->mem_seg = in->seg;
}

/* ------------------------------------------------------------------ immediates */

static enum emu_result decode_imm(struct emu *e, u8 arg)
{
	struct emu_insn *in = &e->priv.insn;
	u8 size = in->op_size;
	u64 sel;
	enum emu_result r;

	switch (arg) {
	case ARG_IMM:
	case ARG_REL:
		return next_signed(e, min_t(u8, size, 4), (s64 *)&in->imm);
	case ARG_IMM_FULL:
		return next_bytes(e, size, &in->imm);
	case ARG_IMM8S:
	case ARG_REL8:
		return next_signed(e, 1, (s64 *)&in->imm);
	case ARG_IMM8:
		return next_bytes(e, 1, &in->imm);
	case ARG_IMM16:
		return next_bytes(e, 2, &in->imm);
	case ARG_MOFFS:
		in->is_mem = true;
		return next_bytes(e, in->addr_size, (u64 *)&in->disp);
	case ARG_FAR:
		r = next_bytes(e, size, &in->imm);
		if (r)
			return r;
		r = next_bytes(e, 2, &sel);
		in->imm2 = sel;
		return r;
	default:
		return EMU_DONE;
	}
}

static enum emu_result decode_imms(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	u64 second;
	enum emu_result r;

	r = decode_imm(e, in->row.dst);
	if (!r)
		r = decode_imm(e, in->row.src);
	if (r)
		return r;
	if (in->row.op != OP_ENTER)
		return decode_imm(e, in->row.src2);
	r = next_bytes(e, 1, &second);
	in->imm2 = second;
	return r;
}

/* ------------------------------------------------------------------ */

static u8 default_addr_size(const struct emu *e)
{
	switch (e->mode) {
	case EMU_PROT64:
		return 8;
	case EMU_PROT32:
		return 4;
	default:
		return 2;
	}
}

/**
 * emu_decode() - the instruction at e->rip into priv.insn. vm->srcu held; may sleep.
 * EMU_DONE (its row.op may be OP_UNHANDLED: then the length isn't known), EMU_FAULT,
 * EMU_UNHANDLED, EMU_BAD_HVA.
 */
enum emu_result emu_decode(struct emu *e)
{
	struct emu_insn *in = &e->priv.insn;
	enum emu_result r;

	memset(in, 0, sizeof(*in));
	in->seg = NR_SEGS;
	in->base = in->index = NR_REGS;
	in->mem_seg = SEG_DS;
	in->addr_size = default_addr_size(e);
	r = decode_opcode(e);
	if (r)
		return r;
	/* VEX and XOP look at the byte after them, too. */
	if (in->row.flags & ROW_MODRM) {
		r = decode_modrm(e);
		if (r)
			return r;
	}
	if (in->row.flags & ROW_GROUP)
		choose_group(in);
	if (in->row.flags & ROW_SSE)
		choose_sse(in);
	if (in->row.flags & ROW_PREFIXED && in->rep)
		in->row.op = OP_UNHANDLED;
	choose_special(e, in);
	if (in->row.op == OP_UNHANDLED)
		return EMU_DONE;
	r = in->row.flags & ROW_MODRM ? decode_mem(e) : EMU_DONE;
	if (r)
		return r;
	choose_sizes(e, in);
	return decode_imms(e);
}
