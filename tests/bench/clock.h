/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU time in units of the TSC: what a thread or a process ran, without the time for which it waited. */
#ifndef TESTS_BENCH_CLOCK_H
#define TESTS_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CALIBRATION	20000000	/* of the TSC */

static inline uint64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The thread's clock against the TSC, while both run. */
static inline double tsc_per_ns(void)
{
	uint64_t ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID), tsc = __builtin_ia32_rdtsc();

	while (__builtin_ia32_rdtsc() - tsc < CALIBRATION)
		;
	return (double)(__builtin_ia32_rdtsc() - tsc) / (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - ns);
}

#endif
