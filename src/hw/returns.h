/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filling the return stack buffer, for the assembly of the backends: why and when is said in
 * svm/flaws.h and vmx/flaws.h.
 */
#ifndef HW_RETURNS_H
#define HW_RETURNS_H

/*
 * What the kernel's FILL_RETURN_BUFFER does in a loop, two calls a time, in one piece: a third of
 * the instructions, and no jump that could be mispredicted. It needs no register; 256 bytes of stack
 * for a moment.
 */
#define FILL_ALL_RETURNS				\
	.rept RSB_CLEAR_LOOPS;				\
	__FILL_RETURN_SLOT;				\
	.endr;						\
	add	$(8 * RSB_CLEAR_LOOPS), %rsp;		\
	lfence;						\
	CREDIT_CALL_DEPTH

/* Kernels that don't count calls. */
#ifndef CREDIT_CALL_DEPTH
#define CREDIT_CALL_DEPTH
#endif

/*
 * @all: the feature bit that asks for it; @one: the one that asks for a single entry, where the CPU
 * itself keeps the guest's others away.
 */
.macro FORGET_RETURNS all:req, one:req
	ALTERNATIVE_2 "jmp .Lreturns_forgotten_\@", __stringify(FILL_ALL_RETURNS), \all, \
		__stringify(nop; __FILL_ONE_RETURN), \one
.Lreturns_forgotten_\@:
.endm

#endif
