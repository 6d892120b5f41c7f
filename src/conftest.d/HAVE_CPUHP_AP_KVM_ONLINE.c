/* SPDX-License-Identifier: GPL-2.0-only */
/* From 6.6 on; CPUHP_AP_KVM_STARTING before. */
#include <linux/cpuhotplug.h>

int probe(void)
{
	return CPUHP_AP_KVM_ONLINE;
}
