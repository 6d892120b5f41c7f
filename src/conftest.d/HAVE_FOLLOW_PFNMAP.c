/* SPDX-License-Identifier: GPL-2.0-only */
/* needs-symbol: follow_pfnmap_start */
/* From 6.12 on; before, follow_pte(). */
#include <linux/mm.h>

int probe(struct follow_pfnmap_args *args)
{
	return follow_pfnmap_start(args);
}
