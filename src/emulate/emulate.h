/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator: decode from tables, then execute. Pure: it knows guest registers and
 * memory through the walker (mmu/mmu.h);
 * what else an instruction needs (a port, an MSR, MMIO, a control register) it returns as an
 * effect, and is called again with the answer.
 */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H

#include "hw/hw.h"
#include "mmu/mmu.h"
#include "emulate/insn.h"

enum emu_mode { EMU_REAL, EMU_VM86, EMU_PROT16, EMU_PROT32, EMU_PROT64 };

enum emu_result {
	/*
	 * the instruction (or one iteration batch of a REP) is complete; registers, rip, rflags and
	 * shadow are to be written back
	 */
	EMU_DONE,
	/* do what e->effect says, then call again with its result in e->effect.data */
	EMU_EFFECT,
	/* raise e->fault; registers unchanged but for what the manual says (REP progress) */
	EMU_FAULT,
	EMU_UNHANDLED,		/* KVM_EXIT_INTERNAL_ERROR with e->insn */
	EMU_AGAIN,		/* nothing was done: the guest executes the instruction anew */
	EMU_BAD_HVA,		/* guest memory without host memory: -EFAULT */
};

enum effect_kind {
	EFFECT_NONE,
	EFFECT_MMIO_READ,	/* .gpa .len -> data */
	EFFECT_MMIO_WRITE,	/* .gpa .len data */
	EFFECT_IO_READ,	/* .index (port) .len .count (string: up to a page at once) -> data */
	EFFECT_IO_WRITE,
	EFFECT_MSR_READ,	/* .index -> value; answer_fault: #GP */
	EFFECT_MSR_WRITE,
	EFFECT_CR_READ, EFFECT_CR_WRITE, EFFECT_DR_READ, EFFECT_DR_WRITE,	/* .index .value */
	EFFECT_CPUID, EFFECT_RDTSC, EFFECT_RDTSCP, EFFECT_RDPMC, EFFECT_XSETBV, EFFECT_WBINVD, EFFECT_INVLPG, EFFECT_HLT, EFFECT_HYPERCALL, EFFECT_CLTS_LMSW,
	/*
	 * .index = enum seg, .value = selector: a far load that needs descriptor checks is done by
	 * the emulator; this is the write-back
	 */
	EFFECT_SEG_LOAD,
	EFFECT_LGDT, EFFECT_LIDT, EFFECT_LLDT, EFFECT_LTR,
	EFFECT_TASK_SWITCH, EFFECT_IRET_UNMASK_NMI,
};

struct emu_effect {
	enum effect_kind kind;
	gpa_t gpa;
	u32 len, count;
	u32 index;
	u64 value;
	bool answer_fault;
	u8 data[4096] __aligned(8);	/* one page: a whole string-I/O batch */
};

struct emu {
	/* In: the guest's state, filled by the caller; out: as the instruction left it. */
	struct vm *vm;
	enum emu_mode mode;
	u8 cpl;
	u64 regs[NR_REGS], rip, rflags;
	/* RFLAGS.TF, or a debugger steps: each iteration of a REP ends in a trap (APM 2, 13.1.4) */
	bool stepped;
	struct kvm_segment segs[NR_SEGS];
	struct kvm_dtable gdt, idt;
	struct guest_paging paging;
	u32 shadow;			/* out: KVM_X86_SHADOW_INT_* after this instruction */
	/*
	 * Instruction bytes: those fetched already (decode assists or an earlier round), more are
	 * fetched at need.
	 */
	u8 insn[15];
	u8 insn_len;
	/* Out */
	struct hw_event fault;		/* EVENT_EXCEPTION */
	u64 fault_addr;			/* CR2 for #PF */
	struct emu_effect effect;
	struct emu_private priv;	/* emulate/insn.h */
};

/** emu_begin() - a new instruction at e->rip. Forget replay state. */
void emu_begin(struct emu *e);
/** emu_run() - go on until done, a fault, or an effect. vm->srcu held; may sleep (guest memory). */
enum emu_result emu_run(struct emu *e);
/**
 * emu_insn_length() - only decode at e->rip: the length, for skipping without NRIP; <0: can't
 * fetch/decode. Same context.
 */
int emu_insn_length(struct emu *e);

/* A MOV between memory and a register or a constant. */
struct emu_mov {
	u8 insn_len;
	u8 size;		/* bytes in memory */
	u8 reg;			/* enum reg; NR_REGS: the constant */
	u8 reg_size;		/* bytes of the register that are the operand */
	bool store, sign_extend, rip_relative;
	bool high_byte;		/* the register is AH, CH, DH or BH */
	u8 base, index, scale;	/* NR_REGS: none */
	u8 addr_size;
	s64 disp;
	u64 imm;
};

bool emu_plain_mov(const struct emu *e, struct emu_mov *m);

/* Of an operand of @size bytes, or of an address of that width, where it wraps. */
static inline u64 emu_mask(u8 size)
{
	return size == 8 ? ~0ull : (1ull << (size * 8)) - 1;
}

#endif
