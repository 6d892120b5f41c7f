/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the benchmark share: a VM to measure in, guest loops that time each operation, the report. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "lib/api.h"
#include "mark.h"

#define COUNT		1024			/* operations of a run; the median is reported */
#define GUEST_SAMPLES	GUEST_FREE		/* u32 for each operation of a round, up to COUNT */
#define GUEST_ANSWERS	(GUEST_FREE + 0x2000)	/* u32: what the second vCPU has answered */
#define VECTOR		0x60
#define MSR_APIC_BASE	0x1b
#define X2APIC_ON	0xfee00c00u

enum mode { XAPIC, X2APIC };

struct bench {
	struct vm vm;
	struct vcpu *v;
	u32 empty;				/* the time stamps themselves, with nothing between them */
};

struct op {
	const char *names;			/* separated by blanks, when one run yields several */
	void (*run)(const struct op *op);
	const char *guest;			/* for run(): the guest's loop, and a number */
	int arg;
};

/*
 * A guest's loop: TOP, preparation, STAMP, the operation, STORE, what is not counted, AGAIN. The operation finds in RAX and RDX what
 * the preparation left in R10 and R11, since RDTSC needs them; RDI, R8 and R9 are the loop's, R13 counts the rounds from 1.
 */
#define TOP	9: inc %r13d
#define STAMP	lfence; rdtsc; mov %eax, %r8d; mov %r10, %rax; mov %r11, %rdx; MARK(MARK_BEGIN)
#define STORE	MARK(MARK_END); lfence; rdtsc; sub %r8d, %eax; mov %eax, (%rdi); add $4, %rdi
#define AGAIN	dec %r9d; jnz 9b; out %al, $PORT_DONE

static inline u64 rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

/* bench.c */
extern const struct op exit_ops[], memory_ops[], interrupt_ops[], life_ops[];	/* each ends with an op without names */
bool wanted(const char *name);
void pin(int cpu);				/* the calling thread */
void begin(struct bench *b, enum mode mode);	/* a VM with irqchip and a vCPU in long mode, its LAPIC enabled */
struct vcpu *add_vcpu(struct vm *vm, int id, enum mode mode, const char *entry);
/* Runs a guest's loop `count` times on an address (RSI) with a stride (RBP); what exits to user space is answered by going on. */
void run_loop(struct vcpu *v, const char *loop, u64 rsi, u64 rbp, u32 count);
void take(struct bench *b, u32 count, u32 each);	/* the samples of the last run_loop(), each divided by `each` */
void sample(u32 value);
void report(const char *name);			/* the samples' median and quartiles; then there are none */
void cannot(const char *why) __attribute__((noreturn));	/* this host has no such operation */
bool host_flag(const char *flag);		/* of /proc/cpuinfo */

#endif
