/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hot half of the VMX backend: what the way of an exit inlines. Included at the end of hw/hw.h.
 */
#ifndef HW_VMX_INLINE_H
#define HW_VMX_INLINE_H

#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/sched.h>	/* <asm/debugreg.h> of 6.1 does not stand alone */
#include <asm/debugreg.h>
#include <asm/mmu_context.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include "hw/vmx/vmx.h"
#include "hw/vmx/flaws.h"
#include "hw/vmx/enter.h"

/* ------------------ EPT entries (SDM 3C, 29.3.2) */

#define HW_TDP_PRESENT_MASK	(VMX_EPT_READABLE_MASK | VMX_EPT_EXECUTABLE_MASK)
#define HW_TDP_WRITE		VMX_EPT_WRITABLE_MASK
#define HW_TDP_EXEC		VMX_EPT_EXECUTABLE_MASK
#define HW_TDP_LARGE		BIT_ULL(7)
/* ignored by CPUs without accessed bits: software's then */
#define HW_TDP_ACCESSED		VMX_EPT_ACCESS_BIT
#define HW_TDP_DIRTY		VMX_EPT_DIRTY_BIT
#define HW_TDP_SOFT0		BIT_ULL(11)
#define HW_TDP_SOFT1		BIT_ULL(52)
#define HW_TDP_SOFT2		BIT_ULL(53)
#define HW_TDP_SOFT3		BIT_ULL(54)
#define HW_TDP_PA_MASK		GENMASK_ULL(51, 12)

/*
 * Guest memory is ordinary memory and cached, whatever the guest's PAT says of it; what isn't
 * memory keeps its own type.
 */
static inline u64 ept_memtype(enum hw_memtype type)
{
	if (type == HW_MEM_WB)
		return (6ull << VMX_EPT_MT_EPTE_SHIFT) | VMX_EPT_IPAT_BIT;
	return (type == HW_MEM_WC ? 1ull : 0ull) << VMX_EPT_MT_EPTE_SHIFT;
}

static inline u64 hw_tdp_leaf(hpa_t pa, int level, u32 perms, enum hw_memtype type)
{
	u64 entry = pa | VMX_EPT_READABLE_MASK | ept_memtype(type);

	if (perms & ACCESS_WRITE)
		entry |= VMX_EPT_WRITABLE_MASK;
	if (perms & ACCESS_FETCH)
		entry |= VMX_EPT_EXECUTABLE_MASK;
	if (level > 1)
		entry |= HW_TDP_LARGE;
	return entry;
}

static inline u64 hw_tdp_allow_exec(u64 val)
{
	return val | VMX_EPT_EXECUTABLE_MASK;
}

static inline u64 hw_tdp_table(hpa_t pa)
{
	return pa | VMX_EPT_RWX_MASK;
}

/* ------------------------------------------------------------------ registers */

static __always_inline u64 hw_reg(struct hw_vcpu *hw, enum reg r)
{
	if (r == REG_RSP && !vmx_known(hw, CACHED_RSP)) {
		hw->regs[REG_RSP] = vmcs_readn(GUEST_RSP);
		vmx_set_known(hw, CACHED_RSP);
	}
	return hw->regs[r];
}

static inline void hw_set_reg(struct hw_vcpu *hw, enum reg r, u64 val)
{
	hw->regs[r] = val;
	if (r == REG_RSP)
		vmx_set_changed(hw, CACHED_RSP);
}

static __always_inline u64 hw_rip(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_RIP)) {
		hw->rip = vmcs_readn(GUEST_RIP);
		vmx_set_known(hw, CACHED_RIP);
	}
	return hw->rip;
}

static __always_inline void hw_set_rip(struct hw_vcpu *hw, u64 rip)
{
	hw->rip = rip;
	vmx_set_known(hw, CACHED_RIP);
	vmcs_writen(GUEST_RIP, rip);
}

static __always_inline u64 hw_cr3(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_CR3)) {
		hw->cr3 = vmcs_readn(GUEST_CR3);
		vmx_set_known(hw, CACHED_CR3);
	}
	return hw->cr3;
}

/* The bit is the host's (vmcs.c), so our copy is right. */
static inline u64 hw_la57(const struct hw_vcpu *hw)
{
	return hw->cr4 & X86_CR4_LA57;
}

static inline bool hw_in_64bit_code(struct hw_vcpu *hw)
{
	return (hw->efer & EFER_LMA) && (vmcs_read32(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK);
}

static inline u64 hw_linear_rip(struct hw_vcpu *hw)
{
	return hw_in_64bit_code(hw) ? hw_rip(hw) : (u32)(vmcs_readn(GUEST_CS_BASE) + hw_rip(hw));
}

static __always_inline u64 hw_rflags(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_RFLAGS)) {
		hw->rflags = vmcs_readn(GUEST_RFLAGS);
		vmx_set_known(hw, CACHED_RFLAGS);
	}
	return hw->rflags;
}

/* Bits that VM entry would refuse (SDM 3C, 27.3.1.4) are not the guest's to have. */
static inline void hw_set_rflags(struct hw_vcpu *hw, u64 rflags)
{
	hw->rflags = (rflags & 0x3f7fd5) | X86_EFLAGS_FIXED;
	vmx_set_changed(hw, CACHED_RFLAGS);
}

/* The whole interruptibility state (SDM 3C, 25.4.2): STI, MOV SS, and blocking by NMI. */
static __always_inline u32 vmx_interruptibility(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_SHADOW)) {
		hw->shadow = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
		vmx_set_known(hw, CACHED_SHADOW);
	}
	return hw->shadow;
}

static __always_inline void vmx_set_interruptibility(struct hw_vcpu *hw, u32 val)
{
	if (vmx_interruptibility(hw) == val)
		return;
	hw->shadow = val;
	vmx_set_changed(hw, CACHED_SHADOW);
}

#define VMX_SHADOWS	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

static inline u32 hw_shadow(struct hw_vcpu *hw)
{
	u32 val = vmx_interruptibility(hw);

	return (val & GUEST_INTR_STATE_STI ? SHADOW_STI : 0) |
	       (val & GUEST_INTR_STATE_MOV_SS ? SHADOW_MOV_SS : 0);
}

/* Both at once is not a state that VM entry takes (SDM 3C, 27.3.1.5). */
static __always_inline void hw_set_shadow(struct hw_vcpu *hw, u32 shadow)
{
	u32 val = vmx_interruptibility(hw) & ~VMX_SHADOWS;

	if (shadow & SHADOW_MOV_SS)
		val |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & SHADOW_STI)
		val |= GUEST_INTR_STATE_STI;
	vmx_set_interruptibility(hw, val);
}

static inline bool hw_intr_allowed(struct hw_vcpu *hw)
{
	return (hw_rflags(hw) & X86_EFLAGS_IF) && !(vmx_interruptibility(hw) & VMX_SHADOWS);
}

/* CPL is the DPL of SS, in every mode (SDM 3C, 25.4.1). */
static inline u8 hw_cpl(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_SS_AR)) {
		hw->ss_ar = vmcs_read32(GUEST_SS_AR_BYTES);
		vmx_set_known(hw, CACHED_SS_AR);
	}
	return VMX_AR_DPL(hw->ss_ar);
}

#define VAPIC_TPR	0x80

static inline u8 hw_tpr(struct hw_vcpu *hw)
{
	return hw->vapic[VAPIC_TPR] >> 4;
}

static inline void hw_inject_intr(struct hw_vcpu *hw, u8 vector)
{
	hw->injected = (struct hw_event){ .kind = EVENT_INTR, .vector = vector };
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, INTR_INFO_VALID_MASK | INTR_TYPE_EXT_INTR | vector);
}

/*
 * An entry with a threshold above the TPR is refused (SDM 3C, 27.2.1.1), so it is never set there:
 * the TPR already lets the interrupt in.
 */
static inline void hw_set_tpr_threshold(struct hw_vcpu *hw, u8 irr_class)
{
	if (irr_class > hw_tpr(hw))
		irr_class = 0;
	if (hw->tpr_threshold == irr_class)
		return;
	hw->tpr_threshold = irr_class;
	vmcs_write32(TPR_THRESHOLD, irr_class);
}

static inline void hw_set_tpr(struct hw_vcpu *hw, u8 cr8)
{
	/* Not so as to lose the lower half, which CR8 doesn't show. */
	if (hw_tpr(hw) != cr8)
		hw->vapic[VAPIC_TPR] = cr8 << 4;
	if (unlikely(hw->tpr_threshold > cr8))
		hw_set_tpr_threshold(hw, 0);
}

/* The run loop loads it. */
static inline u64 hw_tsc_aux(const struct hw_vcpu *hw)
{
	return hw->tsc_aux;
}

/* ------------------------------------------------------------------ coming and going */

/* run.c */
void vmx_load_elsewhere(struct hw_vcpu *hw, struct vmx_cpu *c, int cpu);
void vmx_host_save(struct hw_vcpu *hw);
void vmx_host_restore(struct hw_vcpu *hw);

/*
 * Branch records, BTS and such: perf's business, and rare. Whoever changes it while the vCPU is
 * loaded is heard of at the next load.
 */
static __always_inline void vmx_host_debugctl_read(struct hw_vcpu *hw)
{
	u64 debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);

	if (likely(debugctl == hw->host.debugctl))
		return;
	hw->host.debugctl = debugctl;
	if (debugctl)
		hw->work |= WORK_DEBUGCTL;
	else
		hw->work &= ~WORK_DEBUGCTL;
}

/* Where its VMCS is still current, no other vCPU was loaded in between. */
static __always_inline bool hw_load(struct hw_vcpu *hw, int cpu, bool scheduled_out)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	bool elsewhere = c->current_vmcs != hw;

	if (unlikely(elsewhere))
		vmx_load_elsewhere(hw, c, cpu);
	vmx_host_debugctl_read(hw);
	return elsewhere;
}

static __always_inline void hw_put(struct hw_vcpu *hw, bool scheduled_out)
{
	if (hw->host_saved)
		vmx_host_restore(hw);
}

static __always_inline void hw_prepare_guest_switch(struct hw_vcpu *hw, unsigned long thread_flags)
{
	hw->l1d_dirty = true;
	if (!hw->host_saved)
		vmx_host_save(hw);
	if (hw->perf_msrs)
		vmx_perf_switch(hw);
}

/* ------------------------------------------------------------------ the way of an exit */

/* exit.c: table by exit reason; kind, or'ed with what there is to know of it. 0: no such reason. */
#define EXIT_PLAIN	0x80	/* vmx_decode() need not look closer ... */
#define EXIT_INSN	0x40	/* ... and it is an instruction, which will probably be skipped */
#define EXIT_KIND	0x3f
#define EXIT_REASONS	80
extern const u8 vmx_exit_kinds[EXIT_REASONS];
void vmx_decode(struct hw_vcpu *hw, struct hw_exit *exit);
void vmx_decode_string_io(struct hw_exit *exit);
void vmx_read_rest(struct hw_vcpu *hw);
void vmx_npf_in_delivery(struct hw_vcpu *hw, struct hw_exit *exit, u32 vectoring);

/*
 * Host state that can change while a vCPU is loaded: the address space (PCID, KPTI) and CR4. A
 * comparison spares the VMWRITE. Once per turn: the scheduler and IPIs change them, and IRQs are
 * off until the turn ends.
 */
static __always_inline void vmx_update_host_state(struct hw_vcpu *hw)
{
	unsigned long cr3 = __get_current_cr3_fast(), cr4 = cr4_read_shadow();

	if (unlikely(cr3 != hw->host.cr3)) {
		vmcs_writen(HOST_CR3, cr3);
		hw->host.cr3 = cr3;
	}
	if (unlikely(cr4 != hw->host.cr4)) {
		vmcs_writen(HOST_CR4, cr4);
		hw->host.cr4 = cr4;
	}
}

static __always_inline u8 vmx_exit_kind(u32 reason)
{
	return reason < EXIT_REASONS ? vmx_exit_kinds[reason] : 0;
}

static __always_inline void hw_begin_turn(struct hw_vcpu *hw)
{
	vmx_update_host_state(hw);
	flaws_before_turn(hw);
}

#define CACHED_FOR_SKIP	(BIT(CACHED_RIP) | BIT(CACHED_RFLAGS) | BIT(CACHED_SHADOW))

/* What skipping an instruction takes, read in one go: nobody need ask whether it is known. */
static __always_inline void vmx_read_for_skip(struct hw_vcpu *hw)
{
	hw->rip = vmcs_readn(GUEST_RIP);
	hw->rflags = vmcs_readn(GUEST_RFLAGS);
	hw->shadow = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
	hw->known = CACHED_FOR_SKIP;
}

static __always_inline void vmx_read_insn(struct hw_vcpu *hw, struct hw_exit *exit)
{
	exit->insn_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
	vmx_read_for_skip(hw);
}

/*
 * Where nothing is known nothing has been changed, either, and all can be read. What is known
 * behind it the compiler knows, too.
 */
static __always_inline void hw_expect_mov(struct hw_vcpu *hw)
{
	if (likely(!hw->known)) {
		vmx_read_for_skip(hw);
		hw->cr3 = vmcs_readn(GUEST_CR3);
	} else {
		vmx_read_rest(hw);
	}
	hw->known |= CACHED_FOR_SKIP | BIT(CACHED_CR3);
}

/* Exit qualification of EPT violations (SDM 3C, table 28-7). */
#define EPT_QUAL_WRITE		BIT(1)
#define EPT_QUAL_FETCH		BIT(2)
#define EPT_QUAL_MAPPED		(7 << 3)
#define EPT_QUAL_LINEAR_VALID	BIT(7)
#define EPT_QUAL_TRANSLATED	BIT(8)
#define QUAL_NMI_UNBLOCKED	BIT(12)		/* of EPT violations and PML-full exits */

/*
 * An EPT violation: all of it. Most come from an instruction of the guest's own, and not from the
 * middle of an IRET. The instruction's length is not defined with these (SDM 3C, 28.2.5).
 */
static __always_inline void vmx_decode_npf(struct hw_vcpu *hw, struct hw_exit *exit)
{
	u32 vectoring = vmcs_read32(IDT_VECTORING_INFO_FIELD);
	u64 qual = vmcs_readn(EXIT_QUALIFICATION);

	exit->qual = qual;
	exit->npf.gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	exit->npf.access = qual & EPT_QUAL_WRITE   ? ACCESS_WRITE
			   : qual & EPT_QUAL_FETCH ? ACCESS_FETCH
						   : ACCESS_READ;
	exit->npf.present = qual & EPT_QUAL_MAPPED;
	exit->npf.in_walk = (qual & EPT_QUAL_LINEAR_VALID) && !(qual & EPT_QUAL_TRANSLATED);
	if (unlikely((vectoring & VECTORING_INFO_VALID_MASK) || (qual & QUAL_NMI_UNBLOCKED)))
		vmx_npf_in_delivery(hw, exit, vectoring);
}

/* A port access (SDM 3C, table 28-5). */
static __always_inline void vmx_decode_io(struct hw_vcpu *hw, struct hw_exit *exit)
{
	u32 qual = vmcs_readn(EXIT_QUALIFICATION);

	vmx_read_insn(hw, exit);
	exit->qual = qual;
	/* The port is where it belongs; bits 2:0 are the size less 1, bit 3 says IN. */
	exit->io.access = (qual & 0xffff0000) | ((qual & 7) + 1) << 8 | (~qual >> 3 & 1);
	exit->io.string = qual & BIT(4);
	if (unlikely(exit->io.string))
		vmx_decode_string_io(exit);
}

/*
 * The reason of an entry that failed has bit 31 and is in no table: vmx_decode() sees to it. So it
 * does to an interrupted delivery, which comes with none of the plain kinds (SDM 3C, 28.2.4).
 */
static __always_inline void hw_enter_guest(struct hw_vcpu *hw, struct hw_exit *exit)
{
	u32 reason;
	u8 kind;

	exit->vectoring.kind = EVENT_NONE;
	exit->insn_bytes_len = 0;
	if (unlikely(hw->work & WORK_BEFORE))
		vmx_entry_work(hw);
	if (unlikely(hw->changed))
		vmx_flush_changes(hw);
	if (hw->cr2 != native_read_cr2())
		native_write_cr2(hw->cr2);

	flaws_before_entry(hw);
	if (unlikely(!vmx_enter(hw))) {
		exit->insn_len = 0;
		vmx_entry_refused(hw, exit);
		return;
	}

	hw->cr2 = native_read_cr2();
	reason = vmcs_read32(VM_EXIT_REASON);
	exit->hw_reason = reason;
	kind = vmx_exit_kind(reason);
	exit->kind = kind & EXIT_KIND;
	exit->qual = 0;
	if (likely(kind & EXIT_INSN)) {
		vmx_read_insn(hw, exit);
	} else {
		hw->known = 0;
		exit->insn_len = 0;
		if (kind == EXIT_NPF)
			vmx_decode_npf(hw, exit);
		else if (kind == EXIT_IO)
			vmx_decode_io(hw, exit);
		else if (!(kind & EXIT_PLAIN))
			vmx_decode(hw, exit);
	}
	if (unlikely(hw->work & WORK_AFTER))
		vmx_exit_work(hw, exit);
}

static __always_inline void hw_end_turn(struct hw_vcpu *hw)
{
	vmx_forget_returns();
}

/*
 * External interrupts are not acknowledged at exit: they are taken when IRQs come on, without a
 * call of ours.
 */
static inline void hw_handle_host_event(struct hw_vcpu *hw, const struct hw_exit *exit)
{
}

static inline u32 hw_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas)
{
	if (likely(!(hw->proc2 & SECONDARY_EXEC_ENABLE_PML)))
		return 0;
	return vmx_take_dirty_log(hw, gpas);
}

static inline bool hw_cut_guest_time(struct hw_vcpu *hw)
{
	if (!hw->use_timer)
		return false;
	hw->work |= WORK_CUT;
	return true;
}

#endif
