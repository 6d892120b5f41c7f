/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * <asm/vmx.h> calls the operands of debug-register exits REG_R8 and so on: names that enum reg
 * needs. And its names have changed with time.
 */
#ifndef HW_VMX_NAMES_H
#define HW_VMX_NAMES_H

#include <asm/vmx.h>

#undef REG_R8
#undef REG_R9
#undef REG_R10
#undef REG_R11
#undef REG_R12
#undef REG_R13
#undef REG_R14
#undef REG_R15

#ifndef SECONDARY_EXEC_ENABLE_XSAVES
#define SECONDARY_EXEC_ENABLE_XSAVES	SECONDARY_EXEC_XSAVES
#endif

#endif
