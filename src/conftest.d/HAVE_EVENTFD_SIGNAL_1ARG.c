/* SPDX-License-Identifier: GPL-2.0-only */
/* Until 6.7 eventfd_signal() took the number to add as well. */
#include <linux/eventfd.h>

void probe(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx);
}
