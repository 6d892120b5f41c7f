/* SPDX-License-Identifier: GPL-2.0-only */
/* Instructions of SVM outside enter.S. Apart, so that the unit test can have its own. */
#ifndef HW_SVM_OPS_H
#define HW_SVM_OPS_H

#include <asm/asm.h>
#include "core/types.h"

/**
 * svm_vmsave() - the CPU's hidden segment state and the MSRs of APM 2, 15.5.2 into the VMCB at @pa.
 * Nothing where SVM is off by now (#UD): then no entry follows (svm_entry_work()).
 */
static inline void svm_vmsave(hpa_t pa)
{
	asm volatile("1: vmsave %%rax\n2:\n" _ASM_EXTABLE(1b, 2b) : : "a"(pa) : "memory");
}

/** svm_invlpga() - forget the translation of @gva under @asid on this CPU. */
static inline void svm_invlpga(gva_t gva, u32 asid)
{
	asm volatile("invlpga %%rax, %%ecx" : : "a"(gva), "c"(asid) : "memory");
}

/** svm_stgi() - interrupts, NMI and INIT are taken again. #UD unless EFER.SVME is set. */
static inline void svm_stgi(void)
{
	asm volatile("stgi" : : : "memory");
}

#endif
