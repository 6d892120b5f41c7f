/* SPDX-License-Identifier: GPL-2.0-only */
/* needs-symbol: register_syscore */
/* The older register_syscore_ops() went away inside 6.12.y. */
#include <linux/syscore_ops.h>

static struct syscore syscore;

void probe(void)
{
	register_syscore(&syscore);
}
