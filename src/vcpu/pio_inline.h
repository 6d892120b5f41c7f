/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port that no device in the kernel has: the VMM is asked. Inlined into the inner loop, since this
 * is what most exits to user space are.
 */
#ifndef VCPU_PIO_INLINE_H
#define VCPU_PIO_INLINE_H

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

/* What kvm_run says of it. RIP stays at the instruction until the VMM has answered. */
static __always_inline void pio_tell_user(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	struct kvm_run *run = v->vcpu.run;

	BUILD_BUG_ON(KVM_EXIT_IO_OUT != 1 || offsetof(struct kvm_run, io.size) !=
		     offsetof(struct kvm_run, io.direction) + 1 ||
		     offsetof(struct kvm_run, io.port) != offsetof(struct kvm_run, io.direction) + 2);
	run->exit_reason = KVM_EXIT_IO;
	/* direction, size and port */
	WRITE_ONCE(*(u32 *)&run->io.direction, exit->io.access);
	run->io.count = 1;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	v->pio.insn_len = exit->insn_len;
	v->vcpu.stats.io_exits++;
	if (exit->io.out)
		pio_data_write(v->pio.data, exit->io.size, hw_reg(&v->hw, REG_RAX));
	else
		v->pio.size = exit->io.size;
}

/** pio_ask_user() - fill in kvm_run. The answer is complete_user_exit()'s. NEXT_USER. */
static inline int pio_ask_user(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	pio_tell_user(v, exit);
	v->completion = exit->io.out ? COMPLETE_PIO_OUT : COMPLETE_PIO_IN;
	v->pio.linear_rip = vcpu_linear_rip(v);
	return NEXT_USER;
}

/**
 * pio_await() - fill in kvm_run; KVM_RUN will do the rest when it comes back. The length of the
 * instruction is known, nobody steps, and RF is clear. Any context.
 */
static __always_inline void pio_await(struct vcpu_x86 *v, const struct hw_exit *exit)
{
	BUILD_BUG_ON(AWAIT_IN - 1 != AWAIT_OUT);
	v->awaited = AWAIT_IN - exit->io.out;
	pio_tell_user(v, exit);
}

#endif
