/* SPDX-License-Identifier: GPL-2.0-only */
/* From 6.10 on kvm_run's immediate_exit has another name inside the kernel. */
#include <linux/kvm.h>

int probe(const struct kvm_run *run)
{
	return run->immediate_exit__unsafe;
}
