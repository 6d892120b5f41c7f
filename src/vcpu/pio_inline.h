/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port that no device in the kernel has: the VMM is asked, and its answer taken. Inlined into
 * KVM_RUN, since this is what most exits to user space are.
 */
#ifndef VCPU_PIO_INLINE_H
#define VCPU_PIO_INLINE_H

#include <asm/processor-flags.h>
#include "vcpu/fast_inline.h"
#include "vcpu/vcpu.h"

/*
 * IN and OUT on AL, AX, EAX; a 32-bit result clears the upper half of RAX, the smaller ones leave
 * the rest alone (APM 1, 3.1.2).
 */
static __always_inline void pio_to_rax(struct vcpu_x86 *v, u32 size, u32 val)
{
	u64 rax = hw_reg(&v->hw, REG_RAX);

	if (size == 4)
		rax = val;
	else if (size == 2)
		rax = (rax & ~0xffffULL) | (u16)val;
	else
		rax = (rax & ~0xffULL) | (u8)val;
	hw_set_reg(&v->hw, REG_RAX, rax);
}

/* The page is the VMM's too: as many bytes as the access has, once. */
static __always_inline void pio_data_write(void *data, u32 size, u32 val)
{
	if (size == 4)
		WRITE_ONCE(*(u32 *)data, val);
	else if (size == 2)
		WRITE_ONCE(*(u16 *)data, val);
	else
		WRITE_ONCE(*(u8 *)data, val);
}

static __always_inline u32 pio_data_read(const void *data, u32 size)
{
	if (size == 4)
		return READ_ONCE(*(const u32 *)data);
	return size == 2 ? READ_ONCE(*(const u16 *)data) : READ_ONCE(*(const u8 *)data);
}

/**
 * pio_ask_user() - fill in kvm_run. RIP stays at the instruction until the VMM has answered.
 * NEXT_USER.
 */
static __always_inline int pio_ask_user(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct kvm_run *run = v->vcpu.run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = exit->io.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = exit->io.size;
	run->io.port = exit->io.port;
	run->io.count = 1;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	v->pio.size = exit->io.size;
	v->pio.insn_len = exit->insn_len;
	v->pio.linear_rip = vcpu_linear_rip(v);
	v->completion = exit->io.in ? COMPLETE_PIO_IN : COMPLETE_PIO_OUT;
	if (!exit->io.in)
		pio_data_write(v->pio.data, exit->io.size, hw_reg(&v->hw, REG_RAX));
	v->vcpu.stats.io_exits++;
	return NEXT_USER;
}

/** pio_is_simple() - does pio_complete() do all that is to be done? */
static __always_inline bool pio_is_simple(const struct vcpu_x86 *v)
{
	return (v->completion == COMPLETE_PIO_IN || v->completion == COMPLETE_PIO_OUT) &&
	       v->pio.insn_len && !v->guest_debug;
}

/**
 * pio_complete() - the VMM has answered, the length of the instruction is known, and no debugger
 * steps. Any context. The VMM may have moved RIP in between (a reset, a migration): then the
 * instruction is none of ours any more.
 */
static __always_inline void pio_complete(struct vcpu_x86 *v)
{
	bool in = v->completion == COMPLETE_PIO_IN;

	v->completion = COMPLETE_NOTHING;
	if (unlikely(vcpu_linear_rip(v) != v->pio.linear_rip))
		return;
	if (in)
		pio_to_rax(v, v->pio.size, pio_data_read(v->pio.data, v->pio.size));
	vcpu_skip(v, v->pio.insn_len);
}

#endif
