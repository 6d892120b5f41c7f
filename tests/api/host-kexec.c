// SPDX-License-Identifier: GPL-2.0-only
/* The host's kernel gives the machine to another one under running guests: that comes up, with all CPUs, and runs guests. */
#include <linux/reboot.h>
#include "lib/next.h"

void test(void)
{
	if (is_next("kexec")) {
		see_host();
		return;
	}
	load_next("kexec", false);
	guests_on_all_cpus();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	check(!"it goes on");
}
