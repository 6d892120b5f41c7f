/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KSHIM_ASM_MCE_H
#define KSHIM_ASM_MCE_H
#include "kshim/kshim.h"
/* SDM 3B, 16.3.1: IA32_MCG_CAP and IA32_MCG_STATUS. <asm/mce.h> itself drags in half of the kernel. */
#define MCG_BANKCNT_MASK	0xff
#define MCG_CTL_P		BIT_ULL(8)
#define MCG_EXT_P		BIT_ULL(9)
#define MCG_CMCI_P		BIT_ULL(10)
#define MCG_SER_P		BIT_ULL(24)
#define MCG_LMCE_P		BIT_ULL(27)
#define MCG_STATUS_RIPV		BIT_ULL(0)
#define MCG_STATUS_EIPV		BIT_ULL(1)
#define MCG_STATUS_MCIP		BIT_ULL(2)
#define MCI_STATUS_VAL		BIT_ULL(63)
#define MCI_STATUS_OVER		BIT_ULL(62)
#define MCI_STATUS_UC		BIT_ULL(61)
#endif
