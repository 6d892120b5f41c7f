/* SPDX-License-Identifier: GPL-2.0-only */
/* Marks for a tracer in what is measured. */
#ifndef TESTS_BENCH_MARK_H
#define TESTS_BENCH_MARK_H

/*
 * NOPs that only a tracer knows (trace.c, and Bochs's debugger, which can stop at the first): what is between MARK_BEGIN + n and
 * MARK_END + n is an operation. n is 0 in guests; a VMM program that times several things gives each its own.
 */
#define MARK_BEGIN	0x6b6d0100
#define MARK_END	0x6b6d0200
#define MARK(what)	xchg %bx, %bx; nopl (what)(%rax, %rax)

#define mark(what)	asm volatile("xchg %%bx, %%bx; nopl %c0(%%rax, %%rax)" : : "i"(what) : "memory")

#endif
