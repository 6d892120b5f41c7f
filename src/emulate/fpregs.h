/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's XMM, MMX and x87 registers. Inside KVM_RUN they are this thread's user FPU state:
 * in the processor's registers, or, after a
 * context switch, in memory until switch_fpu_return() brings them back. In the unit tests:
 * variables.
 */
#ifndef EMULATE_FPREGS_H
#define EMULATE_FPREGS_H

#include <linux/string.h>
#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#ifdef KSHIM
extern u64 shim_xmm[16][2], shim_mmx[8];
extern u16 shim_fcw, shim_fsw;

static inline void xmm_read(u8 n, u64 val[2])
{
	memcpy(val, shim_xmm[n & 15], 16);
}

static inline void xmm_write(u8 n, const u64 val[2])
{
	memcpy(shim_xmm[n & 15], val, 16);
}

static inline u16 fpu_status(void)
{
	return shim_fsw;
}

static inline u16 fpu_control(void)
{
	return shim_fcw;
}

static inline void fpu_init_x87(void)
{
	shim_fcw = 0x37f;
	shim_fsw = 0;
}

static inline bool mmx_read(u8 n, u64 *val)
{
	*val = shim_mmx[n];
	return !(shim_fsw & 0x80);
}

static inline bool mmx_write(u8 n, u64 val)
{
	shim_mmx[n] = val;
	return !(shim_fsw & 0x80);
}
#else

#define FPREG_CASE(n, insn)	case n: asm volatile(insn : "+m" (*(u64 (*)[2])val)); break
#define FPREG_SWITCH8(n, pre, post)								\
	FPREG_CASE(0, pre "0" post); FPREG_CASE(1, pre "1" post); FPREG_CASE(2, pre "2" post); FPREG_CASE(3, pre "3" post);	\
	FPREG_CASE(4, pre "4" post); FPREG_CASE(5, pre "5" post); FPREG_CASE(6, pre "6" post); FPREG_CASE(7, pre "7" post)
#define FPREG_SWITCH16(n, pre, post)								\
	FPREG_SWITCH8(n, pre, post);								\
	FPREG_CASE(8, pre "8" post); FPREG_CASE(9, pre "9" post); FPREG_CASE(10, pre "10" post); FPREG_CASE(11, pre "11" post);	\
	FPREG_CASE(12, pre "12" post); FPREG_CASE(13, pre "13" post); FPREG_CASE(14, pre "14" post); FPREG_CASE(15, pre "15" post)

/* Preemption off until fpregs_end(): the registers stay this thread's. */
static inline void fpregs_begin(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static inline void fpregs_end(void)
{
	fpregs_unlock();
}

/* @val has room for 16 bytes. */
static inline void xmm_read(u8 n, u64 *val)
{
	fpregs_begin();
	switch (n & 15) {
	FPREG_SWITCH16(n, "movdqu %%xmm", ", %0");
	}
	fpregs_end();
}

static inline void xmm_write(u8 n, u64 *val)
{
	fpregs_begin();
	switch (n & 15) {
	FPREG_SWITCH16(n, "movdqu %0, %%xmm", "");
	}
	fpregs_end();
}

/* The forms without a wait: they raise no pending exception. */
static inline u16 fpu_status_now(void)
{
	u16 word;

	asm volatile("fnstsw %0" : "=m" (word));
	return word;
}

static inline u16 fpu_status(void)
{
	u16 word;

	fpregs_begin();
	word = fpu_status_now();
	fpregs_end();
	return word;
}

static inline u16 fpu_control(void)
{
	u16 word;

	fpregs_begin();
	asm volatile("fnstcw %0" : "=m" (word));
	fpregs_end();
	return word;
}

static inline void fpu_init_x87(void)
{
	fpregs_begin();
	asm volatile("fninit");
	fpregs_end();
}

/*
 * false: an unmasked exception is pending; executing an MMX instruction would raise it here, in
 * the kernel.
 */
static inline bool mmx_read(u8 n, u64 *out)
{
	u64 val[2] = { 0 };
	bool ok;

	fpregs_begin();
	ok = !(fpu_status_now() & 0x80);
	if (ok) {
		switch (n & 7) {
		FPREG_SWITCH8(n, "movq %%mm", ", %0");
		}
	}
	fpregs_end();
	*out = val[0];
	return ok;
}

static inline bool mmx_write(u8 n, u64 in)
{
	u64 val[2] = { in };
	bool ok;

	fpregs_begin();
	ok = !(fpu_status_now() & 0x80);
	if (ok) {
		switch (n & 7) {
		FPREG_SWITCH8(n, "movq %0, %%mm", "");
		}
	}
	fpregs_end();
	return ok;
}
#endif

#endif
