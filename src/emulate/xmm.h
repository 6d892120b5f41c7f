/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's XMM registers. Inside KVM_RUN they are this thread's user FPU state: in the processor's registers, or, after a
 * context switch, in memory until switch_fpu_return() brings them back.
 */
#ifndef EMULATE_XMM_H
#define EMULATE_XMM_H

#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#ifdef KSHIM
extern u64 shim_xmm[16][2];

static inline void xmm_read(u8 n, u64 val[2])
{
	memcpy(val, shim_xmm[n & 15], 16);
}

static inline void xmm_write(u8 n, const u64 val[2])
{
	memcpy(shim_xmm[n & 15], val, 16);
}
#else

#define XMM_CASE(n, insn)	case n: asm volatile(insn : "+m" (*(u64 (*)[2])val)); break
#define XMM_SWITCH(n, pre, post) do {						\
	switch ((n) & 15) {							\
	XMM_CASE(0, pre "0" post); XMM_CASE(1, pre "1" post); XMM_CASE(2, pre "2" post); XMM_CASE(3, pre "3" post);	\
	XMM_CASE(4, pre "4" post); XMM_CASE(5, pre "5" post); XMM_CASE(6, pre "6" post); XMM_CASE(7, pre "7" post);	\
	XMM_CASE(8, pre "8" post); XMM_CASE(9, pre "9" post); XMM_CASE(10, pre "10" post); XMM_CASE(11, pre "11" post);	\
	XMM_CASE(12, pre "12" post); XMM_CASE(13, pre "13" post); XMM_CASE(14, pre "14" post); XMM_CASE(15, pre "15" post);	\
	}									\
} while (0)

/* Preemption off until xmm_end(): the registers stay this thread's. */
static inline void xmm_begin(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static inline void xmm_end(void)
{
	fpregs_unlock();
}

static inline void xmm_read(u8 n, u64 *val)
{
	xmm_begin();
	XMM_SWITCH(n, "movdqu %%xmm", ", %0");
	xmm_end();
}

static inline void xmm_write(u8 n, u64 *val)
{
	xmm_begin();
	XMM_SWITCH(n, "movdqu %0, %%xmm", "");
	xmm_end();
}
#endif

#endif
