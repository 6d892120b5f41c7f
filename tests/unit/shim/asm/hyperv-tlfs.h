/* SPDX-License-Identifier: GPL-2.0-only */
/* Only the size matters, to <asm/svm.h>. */
#ifndef KSHIM_ASM_HYPERV_TLFS_H
#define KSHIM_ASM_HYPERV_TLFS_H
#include "kshim/kshim.h"
struct hv_vmcb_enlightenments { u8 bytes[32]; };
#endif
