/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flaws of processors: for every file of /sys/devices/system/cpu/vulnerabilities, what entry
 * and exit do about it on VMX. The kernel decides once, at boot, by the CPU and its command line;
 * we follow its feature bits, keys and variables.
 *
 *	gather_data_sampling		microcode. Nothing
 *	ghostwrite			not x86. Nothing
 *	indirect_target_selection       our text has no indirect branch; returns by the kernel's own
 *	thunks
 *	itlb_multihit                   large pages are not executable, by the VM's parameter
 *	nx_huge_pages (mmu/large.c)
 *	l1tf                            L1D flush before entry, as l1tf_vmx_mitigation says: always,
 *	or when code ran that may have filled it
 *	mds, tsx_async_abort, reg_file_data_sampling            CLEAR_BUFFERS (VERW) as the last
 *	thing before entry, where the kernel does so on its way to user space mmio_stale_data
 *	VERW before entry, where the kernel does not ask for it anyhow (flaws_before_entry())
 *	meltdown                  the guest's own business; the host's page tables are not those of
 *	the guest old_microcode                       advice only. Nothing
 *	retbleed                        host's SPEC_CTRL back before the first RET; RSB fill, where
 *	the kernel counts calls with the credit for it
 *	spec_rstack_overflow, tsa	AMD only. Nothing
 *	spec_store_bypass		SPEC_CTRL.SSBD as the guest set it
 *	spectre_v1                      bounds of guest- and user-controlled indices:
 *	array_index_nospec() where they are used;
 *					guest registers are cleared at exit
 *	spectre_v2                      RSB fill when the loop is left that enters the guest
 *	(below); host's SPEC_CTRL back before the first RET;
 *					IBPB when another vCPU gets the CPU (flaws_switch_vcpu());
 *					branch history cleared at exit (BHI)
 *	srbds				microcode. Nothing
 *	vmscape                         IBPB before this thread goes on in user space
 *	(flaws_before_turn())
 *
 * The return stack buffer. A guest leaves addresses in it that it chose. A RET takes the newest
 * entry, the one that the newest CALL without a RET has put there; so only a RET whose CALL was
 * before the guest ran, an unbalanced one, meets a guest's. (Where the CPU itself keeps the guest's
 * entries from the host, but for the one of CVE-2022-26373, that too serves an unbalanced RET only:
 * Intel, "Post-barrier Return Stack Buffer Predictions".) Linux fills the buffer at each exit. Here
 * vmx_enter() is inlined into the loop that enters the guest again and again, which fills it once,
 * when it is left (hw_end_turn()), because there is no unbalanced RET before:
 *
 * - The loop's function has none between VMLAUNCH or VMRESUME and the fill, on any way that its
 *   branches allow, be they predicted well or badly, patched or not: tools/check-returns follows
 *   them all in the built module. A mispredicted way out of the loop meets the fill like any other.
 * - What it calls returns once per call, on every way through it: C functions do. No indirect
 *   branch of ours leads elsewhere, and the kernel's have their own mitigation.
 * - NMIs, machine checks and page faults push and pop what is theirs, and end with IRET, which
 *   takes nothing. IRQs are off: no other interrupt, no other thread.
 * - A RET that finds the buffer empty is predicted otherwise: after more calls within calls than
 *   the buffer is long, as anywhere in the kernel, which runs with IBRS then or counts calls. Its
 *   count may be too high at an exit, for the guest has used the buffer up; but it ends at a number
 *   (12) that is reached by as many calls in the buffer, so that what is refilled when it is used
 *   up is refilled in time.
 *
 * The exception: a return probe (kretprobe) of the host's on a function that a fast exit calls. Its
 * trampoline has a RET of its own without a CALL.
 */
#ifndef HW_VMX_FLAWS_H
#define HW_VMX_FLAWS_H

#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#ifdef __ASSEMBLY__

/* The offsets first: the macros are expanded where they are defined. */
#include "vmx-asm-offsets.h"
#include "hw/returns.h"
#include "hw/spec_ctrl.h"

/*
 * Where the kernel's headers know of it, they have the assembler's macro: which #ifdef can't see.
 * Clobbers RAX, RCX.
 */
.macro CLEAR_HISTORY
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	CLEAR_BRANCH_HISTORY_VMEXIT
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP)
	CLEAR_BRANCH_HISTORY
#endif
.endm

/*
 * Clobbers ZF. The first is the feature bit that goes with the flaws of Intel's, the second was
 * made for AMD's; a kernel that sets both for VM entry has one VERW too many.
 */
.macro CLEAR_BUFFERS
#ifdef CLEAR_CPU_BUFFERS
	CLEAR_CPU_BUFFERS
#endif
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
.endm

#else /* !__ASSEMBLY__ */

#include <linux/compiler.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include "hw/vmx/vmx.h"

extern bool itlb_multihit_kvm_mitigation;	/* not in the headers of 6.1 */

DECLARE_STATIC_KEY_FALSE(vmx_flushes_l1d);

int flaws_setup(void);
void flaws_teardown(void);
void flaws_flush_l1d(struct hw_vcpu *hw);

static __always_inline void flaws_clear_buffers(void)
{
	asm volatile("verw %[sel]" : : [sel] "m" (x86_verw_sel) : "cc");
}

/* The last steps before vmx_enter(). IRQs off. */
static __always_inline void flaws_before_entry(struct hw_vcpu *hw)
{
	if (static_branch_unlikely(&vmx_flushes_l1d))
		flaws_flush_l1d(hw);
	/*
	 * The key asks for it for guests with devices of the host; we don't know which those are.
	 */
	if (static_branch_unlikely(&mmio_stale_data_clear))
		flaws_clear_buffers();
}

/* Once per turn of the run loop; IRQs off until its end. */
static __always_inline void flaws_before_turn(struct hw_vcpu *hw)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (static_cpu_has(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

void flaws_switch_vcpu(struct vmx_cpu *cpu, const struct hw_vcpu *hw);

#endif
#endif
