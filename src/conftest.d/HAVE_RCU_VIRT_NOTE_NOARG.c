/* SPDX-License-Identifier: GPL-2.0-only */
/* Until 6.3 the CPU's number was an argument. */
#include <linux/rcupdate.h>

void probe(void)
{
	rcu_virt_note_context_switch();
}
