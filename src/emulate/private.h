/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of emulate/. All functions: vm->srcu held, may sleep; results as emu_run(),
 * EMU_DONE meaning "go on".
 */
#ifndef EMULATE_PRIVATE_H
#define EMULATE_PRIVATE_H

#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "emulate/emulate.h"

#define EMU_ALU_FLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/* Of an SSE move. */
enum { SSE_ALIGNED = 1, SSE_ZERO = 2, SSE_LOW = 4, SSE_HIGH = 8 };

/* An operand, once it is known where it is. */
struct emu_operand {
	enum { OPERAND_NONE, OPERAND_REG, OPERAND_MEM, OPERAND_VALUE } kind;
	u8 size;
	u8 reg, seg;
	u64 ea;			/* offset in the segment */
	u64 val;
};

static inline u64 emu_sign_extend(u64 val, u8 size)
{
	u8 shift = 64 - size * 8;

	return (u64)((s64)(val << shift) >> shift);
}

static inline u64 emu_sign_bit(u8 size)
{
	return 1ull << (size * 8 - 1);
}

static inline bool emu_protected(const struct emu *e)
{
	return e->mode >= EMU_PROT16;
}

/* Of the interrupt flag and the ports (APM 2, 3.1.4). */
static inline u8 emu_iopl(const struct emu *e)
{
	return (e->rflags >> 12) & 3;
}

/* run.c: faults and questions */
enum emu_result emu_raise(struct emu *e, u8 vector, u32 error);
enum emu_result emu_raise_plain(struct emu *e, u8 vector);
struct emu_answer *emu_answered(struct emu *e, enum effect_kind kind, u64 where, u32 len);
enum emu_result emu_ask(struct emu *e, enum effect_kind kind, u32 index, u64 *value);
/* Ask for @kind when all else of the instruction is done. */
void emu_at_end(struct emu *e, enum effect_kind kind, u64 value);

/* decode.c */
enum emu_result emu_decode(struct emu *e);

/* mem.c */
enum emu_result emu_fetch(struct emu *e);
enum emu_result emu_linear(struct emu *e, u8 seg, u64 ea, u32 size, u32 access, gva_t *lin);
enum emu_result emu_translate(struct emu *e, gva_t lin, u32 access, gpa_t *gpa);
enum emu_result emu_read_linear(struct emu *e, gva_t lin, u32 len, u32 access, void *data);
enum emu_result emu_write_linear(struct emu *e, gva_t lin, u32 len, u32 access, const void *data,
				 const void *old);
enum emu_result emu_read_mem(struct emu *e, u8 seg, u64 ea, u32 len, void *data);
enum emu_result emu_write_mem(struct emu *e, u8 seg, u64 ea, u32 len, const void *data);
enum emu_result emu_update_mem(struct emu *e, u8 seg, u64 ea, u32 len, const void *data,
			       const void *old);
enum emu_result emu_commit_writes(struct emu *e);
bool emu_is_memory(struct emu *e, gpa_t gpa, u32 access);

/* operand.c: registers, operands, stack */
u64 emu_reg(const struct emu *e, u8 reg, u8 size);
void emu_set_reg(struct emu *e, u8 reg, u8 size, u64 val);
u64 emu_ea(const struct emu *e);
u8 emu_arg_size(const struct emu_insn *in, u8 arg);
enum emu_result emu_load_operand(struct emu *e, u8 arg, struct emu_operand *o, bool read);
enum emu_result emu_store_operand(struct emu *e, const struct emu_operand *o, u64 val);
enum emu_result emu_push(struct emu *e, u64 val, u8 size);
enum emu_result emu_pop(struct emu *e, u64 *val, u8 size);
u8 emu_stack_size(const struct emu *e);
enum emu_result emu_jump(struct emu *e, u64 rip);

/* alu.c */
u64 emu_alu(enum emu_op op, u8 size, u64 dst, u64 src, u64 *rflags);
u64 emu_shift(enum emu_op op, u8 size, u64 dst, u64 count, u64 *rflags);
u64 emu_shift_double(enum emu_op op, u8 size, u64 dst, u64 src, u64 count, u64 *rflags);
u64 emu_unary(enum emu_op op, u8 size, u64 dst, u64 *rflags);
u64 emu_bit(enum emu_op op, u8 size, u64 dst, u64 bit, u64 *rflags);
u64 emu_scan(enum emu_op op, u8 size, u64 dst, u64 src, u64 *rflags);
u64 emu_imul3(u8 size, u64 a, u64 b, u64 *rflags);
enum emu_result emu_mul_div(struct emu *e, enum emu_op op, u8 size, u64 src);
bool emu_condition(u8 code, u64 rflags);

/* string.c */
enum emu_result emu_string(struct emu *e);
enum emu_result emu_port_io(struct emu *e, u64 imm);

/* system.c */
enum emu_result emu_system(struct emu *e);
enum emu_result emu_set_flags(struct emu *e, u64 val, u8 size);

/* far.c */
enum emu_result emu_load_segment(struct emu *e, u8 seg, u16 selector);
enum emu_result emu_segment_op(struct emu *e);

/* fpu.c */
enum emu_result emu_fpu(struct emu *e);

/* exec.c */
enum emu_result emu_execute(struct emu *e);

#endif
