/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the fast exits that the inner loop inlines: where the instruction ends, the way past
 * it, and CPUID. The rest is in vcpu/fast.c.
 */
#ifndef VCPU_FAST_INLINE_H
#define VCPU_FAST_INLINE_H

#include <linux/kvm_para.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include "vcpu/fpu_inline.h"
#include "vcpu/io_inline.h"
#include "vcpu/pio_inline.h"
#include "vcpu/vcpu.h"

/* fast.c */
bool fast_other(struct vcpu_x86 *v, struct hw_exit *exit);
/** site_hva() - where in the VMM is @gpa? 0: nowhere. RCU (IRQs off), or vm->srcu. */
hva_t site_hva(struct vcpu_x86 *v, gpa_t gpa);
hva_t insn_site_fill(struct vcpu_x86 *v, u64 linear, struct insn_site *s);

/* ------------------ how long is the instruction? */

/*
 * Processors without NRIP don't say. The instructions that exit have one usual form without
 * prefixes, so the bytes at RIP are compared with that form; anything else is left to the decoder
 * of the slow way. To find the bytes without a walk of the guest's page tables each time, the last
 * few sites are remembered by CR3 and linear address. A site that the guest has mapped elsewhere
 * since is harmless as long as the bytes there still are the instruction; the bytes are read and
 * compared at every exit.
 */
struct insn_form {
	u8 len;
	u32 mask, bytes;	/* as a little-endian word at RIP */
} __aligned(16);		/* an index is a shift */

static const struct insn_form insn_forms[NR_EXIT_KINDS] = {
	[EXIT_CPUID]		= { 2, 0xffff, 0xa20f },
	[EXIT_HLT]		= { 1, 0xff, 0xf4 },
	[EXIT_PAUSE]		= { 2, 0xffff, 0x90f3 },
	[EXIT_INVD]		= { 2, 0xffff, 0x080f },
	[EXIT_WBINVD]		= { 2, 0xffff, 0x090f },
	[EXIT_RDTSC]		= { 2, 0xffff, 0x310f },
	[EXIT_RDTSCP]		= { 3, 0xffffff, 0xf9010f },
	[EXIT_MSR_READ]		= { 2, 0xffff, 0x320f },
	[EXIT_MSR_WRITE]	= { 2, 0xffff, 0x300f },
	[EXIT_HYPERCALL]	= { 3, 0xffffff, 0xd9010f },
	/* MOV CR8, r64: REX with R set, 0F 22, ModRM with reg 0 (mod is ignored) */
	[EXIT_CR_WRITE]		= { 4, 0x38fffff4, 0x00220f44 },
};

/*
 * Read four bytes of the VMM's memory. Without access_ok() and the LFENCE behind it: the address is
 * a memslot's, which was checked when the VMM gave it, and no guess of the processor's can make it
 * another's. With preemption off a page that isn't there is a failure; in_atomic() tells the fault
 * handler so, or, where the kernel doesn't count that, pagefault_disable().
 */
static __always_inline bool insn_site_read(hva_t hva, u32 *word)
{
	u32 __user *p = (u32 __user *)hva;
	u32 val;

	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_disable();
	__uaccess_begin();
	unsafe_get_user(val, p, fault);
	__uaccess_end();
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_enable();
	*word = val;
	return true;
fault:
	__uaccess_end();
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_enable();
	return false;
}

static __always_inline struct insn_site *insn_site(struct vcpu_x86 *v, u64 linear)
{
	/*
	 * Sites near one another, a loop's, shall not share a slot: a multiplication by the golden
	 * ratio spreads them best.
	 */
	BUILD_BUG_ON(ARRAY_SIZE(v->insn_sites) != 32);
	return &v->insn_sites[(u32)linear * 0x61c88647u >> 27];
}

/* The word at RIP when it has the usual form of @kind; false: look closer. */
static __always_inline bool insn_usual_form(struct vcpu_x86 *v, u32 kind, u32 *word)
{
	u64 linear = hw_linear_rip(&v->hw);
	struct insn_site *s = insn_site(v, linear);
	hva_t hva = s->hva;

	if (unlikely(s->linear != linear || s->cr3 != hw_cr3(&v->hw))) {
		hva = insn_site_fill(v, linear, s);
		if (!hva)
			return false;
	}
	return likely(insn_site_read(hva, word)) &&
	       (*word & insn_forms[kind].mask) == insn_forms[kind].bytes;
}

/*
 * *@len, bytes of the instruction that exited: the hardware says, or it has the usual form of
 * @kind, which must be in the table. false: look closer.
 */
static __always_inline bool insn_length(struct vcpu_x86 *v, const struct hw_exit *exit, u32 kind,
					u32 *len)
{
	u32 word;

	*len = exit->insn_len;
	if (likely(*len))
		return true;
	*len = insn_forms[kind].len;
	return insn_usual_form(v, kind, &word);
}

/*
 * RIP moves on, and with it goes the interrupt shadow. Only a carry out of 32 bits makes the code
 * size matter: EIP wraps, RIP doesn't.
 */
static __always_inline void vcpu_advance_rip(struct vcpu_x86 *v, u32 len)
{
	u64 next = hw_rip(&v->hw) + len;

	if (unlikely((u32)next < len) && !hw_in_64bit_code(&v->hw))
		next = (u32)next;
	hw_set_rip(&v->hw, next);
	hw_set_shadow(&v->hw, SHADOW_NONE);
}

/* run.c */
void vcpu_skip_flags(struct vcpu_x86 *v);

/* The instruction of @len bytes is complete. Any context. */
static __always_inline void vcpu_skip(struct vcpu_x86 *v, u32 len)
{
	vcpu_advance_rip(v, len);
	if (unlikely(hw_rflags(&v->hw) & (X86_EFLAGS_TF | X86_EFLAGS_RF)))
		vcpu_skip_flags(v);
}

/* ------------------------------------------------------------------ port I/O */

/* OUT to it is behind RIP when the VMM hears of it (KVM_X86_QUIRK_OUT_7E_INC_RIP): exits.c */
#define QUIRK_PORT	0x7e

/* fast.c */
bool fast_doorbell(struct vcpu_x86 *v, const struct hw_exit *exit);

/*
 * Most ports are the VMM's: then it is asked at once, and the run loop sees it by v->awaited. IRQs
 * off. A device that is added from now on is added behind this access.
 */
static __always_inline bool fast_io(struct vcpu_x86 *v, struct hw_exit *exit)
{
	if (exit->io.string || exit->io.port == QUIRK_PORT ||
	    unlikely(hw_rflags(&v->hw) & (X86_EFLAGS_TF | X86_EFLAGS_RF)))
		return false;
	if (!iobus_may_have_port(&v->vcpu.vm->pio, exit->io.port)) {
		if (likely(exit->insn_len))
			pio_await(v, exit);
		return false;
	}
	return exit->io.out && fast_doorbell(v, exit);
}

/* ------------------------------------------------------------------ page faults, MMIO */

/* fast.c */
bool fast_fault(struct vcpu_x86 *v, const struct hw_exit *exit);

/* Devices first, for they are known by one look. */
static __always_inline bool fast_npf(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	const struct io_memo *memo = io_memo(v, exit->npf.gpa);

	return io_memo_no_memory(v, memo, exit->npf.gpa) ? fast_mov(v, exit, memo)
							 : fast_fault(v, exit);
}

/* ------------------------------------------------------------------ CPUID */

static __always_inline bool fast_cpuid(struct vcpu_x86 *v)
{
	u32 function = hw_reg(&v->hw, REG_RAX), index = hw_reg(&v->hw, REG_RCX);
	u8 first = v->cpuid_first[CPUID_SLOT(function)];
	const struct kvm_cpuid_entry2 *e = &v->cpuid[first];

	/* Leaf 0xd depends on XCR0, which may have moved unseen. */
	if (unlikely(function == 0xd && v->xcr0_may_move))
		return false;
	v->vcpu.stats.cpuid_exits++;
	if (likely(first != CPUID_NO_ENTRY && e->function == function &&
		   (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))) {
		hw_set_reg(&v->hw, REG_RAX, e->eax);
		hw_set_reg(&v->hw, REG_RBX, e->ebx);
		hw_set_reg(&v->hw, REG_RCX, e->ecx);
		hw_set_reg(&v->hw, REG_RDX, e->edx);
	} else {
		vcpu_cpuid(v);
	}
	return true;
}

/* ------------------------------------------------------------------ all of them */

/* Exits of an instruction that is complete when it is skipped. Each is in insn_forms[]. */
#define FAST_INSNS	(BIT_ULL(EXIT_CPUID) | BIT_ULL(EXIT_MSR_WRITE) | BIT_ULL(EXIT_MSR_READ) | BIT_ULL(EXIT_HYPERCALL) | \
			 BIT_ULL(EXIT_HLT) | BIT_ULL(EXIT_PAUSE) | BIT_ULL(EXIT_INVD) | BIT_ULL(EXIT_WBINVD) | BIT_ULL(EXIT_RDTSC) | \
			 BIT_ULL(EXIT_RDTSCP))

/* fast.c: what the instruction does, but for its end. false: nothing was done. */
bool fast_msr_write(struct vcpu_x86 *v);
bool fast_msr_read(struct vcpu_x86 *v);
bool fast_rare_insn(struct vcpu_x86 *v, u32 kind);

/* All that we know are done at once, but for giving the CPU to another vCPU. */
static __always_inline bool fast_hypercall(struct vcpu_x86 *v)
{
	if (unlikely((u32)hw_reg(&v->hw, REG_RAX) == KVM_HC_SCHED_YIELD))
		return false;
	vcpu_hypercall(v);
	return true;
}

/*
 * The frequent ones are called from here: on the way through another function each would pay for
 * its frame.
 */
static __always_inline bool fast_insn(struct vcpu_x86 *v, u32 kind)
{
	if (kind == EXIT_CPUID)
		return fast_cpuid(v);
	if (kind == EXIT_MSR_WRITE)
		return fast_msr_write(v);
	if (kind == EXIT_MSR_READ)
		return fast_msr_read(v);
	if (kind == EXIT_HYPERCALL)
		return fast_hypercall(v);
	return fast_rare_insn(v, kind);
}

/*
 * An instruction's exit. A single step has its own consequences after each instruction, and RF ends
 * with it: both go the slow way.
 */
static __always_inline bool fast_insn_exit(struct vcpu_x86 *v, const struct hw_exit *exit, u32 kind)
{
	u32 len;

	if (unlikely(hw_rflags(&v->hw) & (X86_EFLAGS_TF | X86_EFLAGS_RF)))
		return false;
	if (!insn_length(v, exit, kind, &len) || !fast_insn(v, kind))
		return false;
	vcpu_advance_rip(v, len);
	return true;
}

/**
 * fast_exit() - answer what can be answered with IRQs off: true, and the guest goes on. false:
 * nothing was done, and slow_exit() does it all.
 */
static __always_inline bool fast_exit(struct vcpu_x86 *v, struct hw_exit *exit)
{
	const u32 kind = exit->kind;

	BUILD_BUG_ON(NR_EXIT_KINDS > 64);
	if (kind == EXIT_CPUID)		/* a copy in which the compiler knows its form */
		return fast_insn_exit(v, exit, EXIT_CPUID);
	if (BIT_ULL(kind) & FAST_INSNS)
		return fast_insn_exit(v, exit, kind);
	if (kind == EXIT_NPF)
		return fast_npf(v, exit);
	return kind == EXIT_IO ? fast_io(v, exit) : fast_other(v, exit);
}

#endif
