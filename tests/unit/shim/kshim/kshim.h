/* SPDX-License-Identifier: GPL-2.0-only */
/* All of it. Every <linux/...> and <asm/...> of the shim that has no text of its own includes this. */
#ifndef KSHIM_KSHIM_H
#define KSHIM_KSHIM_H
#include "kshim/x86.h"
#endif
