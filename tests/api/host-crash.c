// SPDX-License-Identifier: GPL-2.0-only
/* The host's kernel crashes under running guests: the kernel that was loaded for that comes up, with all CPUs, and runs guests. */
#include "lib/next.h"

static void crash(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY);

	must(fd >= 0);
	must(write(fd, "c", 1) == 1);
}

void test(void)
{
	if (is_next("crash")) {
		see_host();
		return;
	}
	load_next("crash", true);
	guests_on_all_cpus();
	crash();
	check(!"it goes on");
}
