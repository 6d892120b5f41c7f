/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flaws of processors: for every file of /sys/devices/system/cpu/vulnerabilities, what entry
 * and exit do about it on SVM. The kernel decides once, at boot, by the CPU and its command line;
 * we follow its feature bits. Each row's code is an alternative that the kernel patches when it
 * loads the module, so a CPU that isn't affected runs a NOP or one jump.
 *
 * Intel only, nothing to do: gather_data_sampling, indirect_target_selection (our text has no
 * indirect branch anyway), itlb_multihit, l1tf, mds, mmio_stale_data, reg_file_data_sampling,
 * srbds, tsx_async_abort. Not x86: ghostwrite. Not AMD: meltdown. Advice only: old_microcode.
 *
 * retbleed
 *	UNTRAIN_RETURNS at exit, before the first RET; or IBPB there, if the kernel chose that.
 * spec_rstack_overflow (SRSO)
 *	UNTRAIN_RETURNS, in the variant that the kernel chose; or IBPB at exit; or BP_SPEC_REDUCE,
 *	set as long as SVM is on (flaws_enable_cpu()).
 * spec_store_bypass
 *	SPEC_CTRL.SSBD as the guest set it (SWITCH_TO_GUEST_SPEC_CTRL, SWITCH_TO_HOST_SPEC_CTRL); on
 *	CPUs that have it in VIRT_SPEC_CTRL or LS_CFG the kernel does it, x86_virt_spec_ctrl(), if
 *	either side wants it (WORK_VIRT_SSBD).
 * spectre_v1
 *	Guest- and user-controlled indices are bounded by array_index_nospec() where they are used;
 *	guest registers are cleared at exit.
 * spectre_v2
 *	RSB fill when the loop is left that enters the guest (below); the host's SPEC_CTRL is back
 *	before the first RET; IBPB when another vCPU gets the CPU (flaws_switch_vcpu()).
 * tsa
 *	CLEAR_BUFFERS (VERW), the last thing before VMRUN.
 * vmscape
 *	IBPB before this CPU goes on in user space (flaws_before_turn()).
 * the division leak of Zen 1, which has no file
 *	A division before entry (flaws_before_entry()).
 *
 * BHI is said of Intel only by the kernel, and has no file of its own.
 *
 * The return stack buffer. A guest leaves addresses in it that it chose. A RET takes the newest
 * entry, the one that the newest CALL without a RET has put there; so only a RET whose CALL was
 * before the guest ran, an unbalanced one, meets a guest's. Linux fills the buffer at each exit.
 * Here svm_enter() is inlined into the loop that enters the guest again and again, which fills it
 * once, when it is left (hw_end_turn()), because there is no unbalanced RET before:
 *
 * - The loop's function has none between VMRUN and the fill, on any way that its branches allow, be
 *   they predicted well or badly, patched or not: tools/check-returns follows them all in the built
 *   module. A mispredicted way out of the loop meets the fill like any other.
 * - What it calls returns once per call, on every way through it: C functions do. No indirect
 *   branch of ours leads elsewhere, and the kernel's have their own mitigation.
 * - NMIs, machine checks and page faults push and pop what is theirs, and end with IRET, which
 *   takes nothing. IRQs are off: no other interrupt, no other thread.
 * - What makes the CPU predict a RET from something else than the buffer has been untrained, or an
 *   IBPB was issued, before the first RET of any kind: at each exit.
 *
 * The exception: a return probe (kretprobe) of the host's on a function that a fast exit calls. Its
 * trampoline has a RET of its own without a CALL.
 */
#ifndef HW_SVM_FLAWS_H
#define HW_SVM_FLAWS_H

#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#ifdef __ASSEMBLY__

/* The offsets first: the macros are expanded where they are defined. */
#include "svm-asm-offsets.h"
#include "hw/returns.h"
#include "hw/spec_ctrl.h"

/*
 * UNTRAIN_RET_VM knows of the IBPB that the kernel wants at #VMEXIT only; a kernel without it has
 * UNTRAIN_RET, which covers the rest. Clobbers RAX, RCX, RDX.
 */
.macro UNTRAIN_RETURNS
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
.endm

/* Clobbers ZF. */
.macro CLEAR_BUFFERS
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
.endm

#else /* !__ASSEMBLY__ */

#include <linux/compiler.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/spec-ctrl.h>
#include "hw/svm/svm.h"

/* The last steps before svm_enter(). IRQs off. */
static __always_inline void flaws_before_entry(struct hw_vcpu *hw)
{
	if (static_cpu_has_bug(X86_BUG_DIV0))
		amd_clear_divider();
}

/*
 * Once per turn of the run loop, before IRQs go off: what holds until preemption is on again. Only
 * a thread changes its own TIF_SSBD while it runs (for another one it takes effect when that is
 * next switched in), and the guest's VIRT_SPEC_CTRL changes outside the inner loop.
 */
static __always_inline void flaws_before_turn(struct hw_vcpu *hw, unsigned long thread_flags)
{
	if (static_cpu_has(X86_FEATURE_LS_CFG_SSBD) || static_cpu_has(X86_FEATURE_VIRT_SSBD)) {
		if (unlikely(hw->virt_spec_ctrl || (thread_flags & _TIF_SSBD) ||
			     static_cpu_has(X86_FEATURE_SPEC_STORE_BYPASS_DISABLE)))
			hw->work |= WORK_VIRT_SSBD;
		else
			hw->work &= ~WORK_VIRT_SSBD;
	}
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (static_cpu_has(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/* flaws.c */
void flaws_switch_vcpu(struct svm_cpu *cpu, const struct hw_vcpu *hw);
void flaws_enable_cpu(void);
void flaws_disable_cpu(void);

#endif
#endif
