// SPDX-License-Identifier: GPL-2.0-only
/* Where enter.S finds the fields of struct hw_vcpu. Only its assembly text is used. */
#define COMPILE_OFFSETS
#define HW_VMX
#include <linux/kbuild.h>
#include "hw/hw.h"

static void __used offsets(void)
{
	OFFSET(HW_REGS, hw_vcpu, regs);
	OFFSET(HW_HOST_RSP, hw_vcpu, host.rsp);
	OFFSET(HW_WORK, hw_vcpu, work);
	DEFINE(HW_WORK_LAUNCH, WORK_LAUNCH);
	OFFSET(HW_SPEC_CTRL, hw_vcpu, spec_ctrl);
	OFFSET(HW_SPEC_CTRL_OPEN, hw_vcpu, spec_ctrl_open);
}
