// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into a VMM: says what the process ran from KVM_CREATE_VM until it exits, as a line of the benchmark (bench.c). The guest
 * (boot-init.c) makes it exit.
 */
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.h"
#include "mark.h"

static uint64_t start;

static void begin_boot(void)
{
	start = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	mark(MARK_BEGIN);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CREATE_VM)
		begin_boot();
	return syscall(SYS_ioctl, fd, request, arg);
}

static __attribute__((destructor)) void at_exit(void)
{
	mark(MARK_END);
	uint64_t ran = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
	unsigned long long tsc = ran * tsc_per_ns();
	FILE *f = fopen(getenv("BOOT_TIME"), "w");

	if (f && start)
		fprintf(f, "bench boot_debian %llu %llu %llu 1\n", tsc, tsc, tsc);
	if (f)
		fclose(f);
}
