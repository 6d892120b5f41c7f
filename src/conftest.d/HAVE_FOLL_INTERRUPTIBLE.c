/* SPDX-License-Identifier: GPL-2.0-only */
/* From 6.3 on waiting for a page can end with any signal; before, only with a fatal one. */
#include <linux/mm.h>

unsigned int probe(void)
{
	return FOLL_INTERRUPTIBLE;
}
