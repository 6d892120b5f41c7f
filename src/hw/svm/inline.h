/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hot half of the SVM backend: what the way of an exit inlines. Included at the end of hw/hw.h.
 */
#ifndef HW_SVM_INLINE_H
#define HW_SVM_INLINE_H

#include <linux/compiler.h>
#include <linux/mem_encrypt.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/mmu.h>
#include <asm/processor-flags.h>
#include "hw/svm/flaws.h"
#include "hw/svm/ops.h"
#include "hw/svm/svm.h"
#include "hw/svm/enter.h"

/* ------------------------------------------------------------------ nested page-table entries */

/* The format of the host's own page tables (APM 2, 15.25). */

#define HW_TDP_PRESENT_MASK	BIT_ULL(0)
#define HW_TDP_WRITE		BIT_ULL(1)
#define HW_TDP_USER		BIT_ULL(2)	/* always: nested walks are user accesses */
#define HW_TDP_ACCESSED		BIT_ULL(5)
#define HW_TDP_DIRTY		BIT_ULL(6)
#define HW_TDP_LARGE		BIT_ULL(7)
#define HW_TDP_SOFT0		BIT_ULL(9)
#define HW_TDP_SOFT1		BIT_ULL(10)
#define HW_TDP_SOFT2		BIT_ULL(11)
#define HW_TDP_SOFT3		BIT_ULL(52)
#define HW_TDP_NX		BIT_ULL(63)
#define HW_TDP_PA_MASK		GENMASK_ULL(51, 12)

extern u64 svm_memtypes[3];	/* caps.c: constant after hw_setup() */

/*
 * With host memory encryption every entry names the encrypted view of memory, as the host's own
 * page tables do.
 */
static inline u64 hw_tdp_leaf(hpa_t pa, int level, u32 perms, enum hw_memtype type)
{
	u64 entry = __sme_set(pa) | HW_TDP_PRESENT_MASK | HW_TDP_USER | svm_memtypes[type];

	if (perms & ACCESS_WRITE)
		entry |= HW_TDP_WRITE;
	if (!(perms & ACCESS_FETCH))
		entry |= HW_TDP_NX;
	if (level > 1)
		entry |= HW_TDP_LARGE;
	return entry;
}

static inline u64 hw_tdp_allow_exec(u64 val)
{
	return val & ~HW_TDP_NX;
}

static inline u64 hw_tdp_table(hpa_t pa)
{
	return __sme_set(pa) | HW_TDP_PRESENT_MASK | HW_TDP_WRITE | HW_TDP_USER | HW_TDP_ACCESSED;
}

/* VMLOAD and VMSAVE switch them, so the guest may write them. */
#define HW_SYSCALL_MSRS_EXIT 0

/* ------------------------------------------------------------------ registers */

static __always_inline u64 hw_reg(struct hw_vcpu *hw, enum reg r)
{
	if (r == REG_RAX)
		return hw->vmcb->save.rax;
	if (r == REG_RSP)
		return hw->vmcb->save.rsp;
	return hw->regs[r];
}

static inline void hw_set_reg(struct hw_vcpu *hw, enum reg r, u64 val)
{
	if (r == REG_RAX)
		hw->vmcb->save.rax = val;
	else if (r == REG_RSP)
		hw->vmcb->save.rsp = val;
	else
		hw->regs[r] = val;
}

static inline u64 hw_rip(struct hw_vcpu *hw)
{
	return hw->vmcb->save.rip;
}

static inline void hw_set_rip(struct hw_vcpu *hw, u64 rip)
{
	hw->vmcb->save.rip = rip;
}

static inline bool hw_in_64bit_code(struct hw_vcpu *hw)
{
	const struct vmcb_save_area *save = &hw->vmcb->save;

	return (save->efer & EFER_LMA) && (save->cs.attrib & SVM_SELECTOR_L_MASK);
}

static inline u64 hw_linear_rip(struct hw_vcpu *hw)
{
	const struct vmcb_save_area *save = &hw->vmcb->save;

	return hw_in_64bit_code(hw) ? save->rip : (u32)(save->cs.base + save->rip);
}

static inline u64 hw_cr3(struct hw_vcpu *hw)
{
	return hw->vmcb->save.cr3;
}

static inline u64 hw_la57(const struct hw_vcpu *hw)
{
	return hw->cr4 & X86_CR4_LA57;
}

/* TF for stepping is in the VMCB only during VMRUN (svm_entry_work(), svm_exit_work()). */
static inline u64 hw_rflags(struct hw_vcpu *hw)
{
	return hw->vmcb->save.rflags;
}

static inline void hw_set_rflags(struct hw_vcpu *hw, u64 rflags)
{
	hw->vmcb->save.rflags = rflags;
}

/*
 * SVM knows that there is a shadow, not which instruction made it (APM 2, 15.21.5): it answers
 * both.
 */
static inline u32 hw_shadow(struct hw_vcpu *hw)
{
	if (!(hw->vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK))
		return SHADOW_NONE;
	return SHADOW_STI | SHADOW_MOV_SS;
}

static inline void hw_set_shadow(struct hw_vcpu *hw, u32 shadow)
{
	if (shadow)
		hw->vmcb->control.int_state |= SVM_INTERRUPT_SHADOW_MASK;
	else
		hw->vmcb->control.int_state &= ~SVM_INTERRUPT_SHADOW_MASK;
}

static inline bool hw_intr_allowed(struct hw_vcpu *hw)
{
	return (hw->vmcb->save.rflags & X86_EFLAGS_IF) &&
	       !(hw->vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK);
}

static inline u8 hw_cpl(struct hw_vcpu *hw)
{
	return hw->vmcb->save.cpl;
}

static inline u8 hw_tpr(struct hw_vcpu *hw)
{
	return hw->vmcb->control.int_ctl & V_TPR_MASK;
}

static inline void hw_set_tpr(struct hw_vcpu *hw, u8 cr8)
{
	if (hw_tpr(hw) == cr8)
		return;
	hw->vmcb->control.int_ctl = (hw->vmcb->control.int_ctl & ~V_TPR_MASK) | (cr8 & V_TPR_MASK);
	vmcb_changed(hw, CLEAN_INTR);
}

/* #VMEXIT has cleared the valid bit, and nothing of a soft event is left (APM 2, 15.20). */
static inline void hw_inject_intr(struct hw_vcpu *hw, u8 vector)
{
	hw->vmcb->control.event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_INTR | vector;
}

static inline void hw_set_tpr_threshold(struct hw_vcpu *hw, u8 irr_class)
{
	if (vmcb_intercepts(hw, INTERCEPT_CR8_WRITE) != !!irr_class)
		vmcb_put_intercept(hw, INTERCEPT_CR8_WRITE, irr_class);
}

/* The run loop loads it. */
static inline u64 hw_tsc_aux(const struct hw_vcpu *hw)
{
	return hw->tsc_aux;
}

/* ------------------------------------------------------------------ coming and going */

/* run.c */
void svm_load_elsewhere(struct hw_vcpu *hw, struct svm_cpu *c, int cpu);

/*
 * Where this vCPU was loaded last on this CPU, and was last loaded here, all is as it was, but for
 * one thing: between two ioctls the thread may have changed its segments. During a context switch
 * it can't have.
 */
static __always_inline bool hw_load(struct hw_vcpu *hw, int cpu, bool scheduled_out)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	bool elsewhere = hw->last_cpu != cpu || c->last_vcpu != hw->id;

	if (unlikely(elsewhere))
		svm_load_elsewhere(hw, c, cpu);
	if (!scheduled_out)
		hw->save_host = true;
	return elsewhere;
}

/*
 * Everything that the guest had in the CPU came back at the last #VMEXIT; TSC_RATIO works on guests
 * only.
 */
static __always_inline void hw_put(struct hw_vcpu *hw, bool scheduled_out)
{
}

/*
 * What VMSAVE saves holds until the thread leaves KVM_RUN, but for one thing: any thread of the
 * process may replace the LDT, and VMLOAD must never bring back one that was freed, nor none where
 * there is one by now. modify_ldt() reaches this CPU by an IPI before it frees, so what is asked
 * and saved with IRQs off holds until they are on again; with an LDT around that is each time.
 * KVM_RUN is a call of the VM's own process: there is an mm.
 */
static __always_inline bool svm_host_has_ldt(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	return READ_ONCE(current->mm->context.ldt);
#else
	return false;
#endif
}

static __always_inline void hw_prepare_guest_switch(struct hw_vcpu *hw, unsigned long thread_flags)
{
	flaws_before_turn(hw, thread_flags);
	if (likely(hw->save_host) || unlikely(svm_host_has_ldt())) {
		svm_vmsave(hw->cpu->host_save);
		hw->save_host = false;
	}
}

/* ------------------------------------------------------------------ the way of an exit */

/* exit.c: table by exit code; kind, or'ed with what there is to know of it. 0: no such code. */
#define EXIT_PLAIN	0x80	/* svm_decode() need not look closer ... */
#define EXIT_INSN	0x40	/* ... and no delivery was interrupted: an instruction was begun */
#define EXIT_KIND	0x3f
#define EXIT_CODES	0x100
extern const u8 svm_exit_kinds[EXIT_CODES];
void svm_decode(struct hw_vcpu *hw, struct hw_exit *exit);

/* run.c: what is rare. false: SVM is off on this CPU. */
bool svm_entry_work(struct hw_vcpu *hw);
void svm_no_entry(struct hw_exit *exit);
void svm_exit_work(struct hw_vcpu *hw, struct hw_exit *exit);

/* APM 2, 15.7.1: nRIP is the next instruction's where an instruction was intercepted, else 0. */
static __always_inline u8 svm_insn_len(const struct vmcb *vmcb)
{
	u64 len;

	if (!hw_caps.nrips || !vmcb->control.next_rip)
		return 0;
	len = vmcb->control.next_rip - vmcb->save.rip;
	return len <= 15 ? len : 0;
}

/*
 * svm_decode_io() - the details of a port access.
 *
 * APM 2, 15.10.2. EXITINFO2 is the next RIP, even where nothing else has one. The segment is there
 * with decode assists; SEG_DS, the instructions' default, without.
 */
static __always_inline void svm_decode_io(const struct vmcb *vmcb, struct hw_exit *exit)
{
	u32 info = vmcb->control.exit_info_1;
	u64 len = vmcb->control.exit_info_2 - vmcb->save.rip;

	exit->insn_len = len <= 15 ? len : 0;
	/* The port is where it belongs; the size is a bit each for 1, 2 and 4. */
	exit->io.access = (info & 0xffff0000) | (info & SVM_IOIO_SIZE_MASK) << (8 - SVM_IOIO_SIZE_SHIFT) |
			  (~info & SVM_IOIO_TYPE_MASK);
	exit->io.string = info & SVM_IOIO_STR_MASK;
	if (exit->io.string) {
		exit->io.rep = info & SVM_IOIO_REP_MASK;
		exit->io.seg = hw_caps.decode_assists ? (info >> 10) & 7 : SEG_DS;
	}
}

static __always_inline u8 svm_exit_kind(u32 code)
{
	return code < EXIT_CODES ? svm_exit_kinds[code] : 0;
}

/*
 * ASIDs are void when another vCPU of this CPU has used them up (or an IPI says so): not while IRQs
 * are off. Whoever voids this vCPU's own says so in .work.
 */
static __always_inline void hw_begin_turn(struct hw_vcpu *hw)
{
	if (unlikely(hw->asid_generation != hw->cpu->asid_generation))
		hw->work |= WORK_ASID;
}

/*
 * Fields of struct hw_exit that the kind doesn't use stay unset: clearing all of them costs as much
 * as half an entry. What every exit has is set here, the rest in svm_decode().
 */
static __always_inline void hw_enter_guest(struct hw_vcpu *hw, struct hw_exit *exit)
{
	struct vmcb *vmcb = hw->vmcb;
	u32 code;
	u8 kind;

	if (unlikely(hw->work)) {
		if (!svm_entry_work(hw)) {
			svm_no_entry(exit);
			return;
		}
	}

	flaws_before_entry(hw);
	svm_enter(hw, hw->cpu->host_save);

	/* The CPU has what the VMCB says; who changes something says so (vmcb_changed()). */
	vmcb->control.clean = CLEAN_ALL;
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;

	/*
	 * VMRUN loaded DR6, #VMEXIT left it (APM 2, 15.6): the host's next #DB must not find the
	 * guest's bits there.
	 */
	if (unlikely((u32)vmcb->save.dr6 != DR6_RESERVED))
		set_debugreg(DR6_RESERVED, 6);

	code = vmcb->control.exit_code;
	kind = svm_exit_kind(code);
	exit->kind = kind & EXIT_KIND;
	exit->vectoring.kind = EVENT_NONE;
	exit->insn_bytes_len = 0;
	exit->hw_reason = code;
	exit->qual = vmcb->control.exit_info_2;
	if (kind & EXIT_INSN) {
		exit->insn_len = svm_insn_len(vmcb);
	} else if (kind == EXIT_IO &&
		   likely(!(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID))) {
		svm_decode_io(vmcb, exit);
	} else {
		exit->insn_len = svm_insn_len(vmcb);
		if (unlikely(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID))
			svm_decode(hw, exit);
		else if (kind == EXIT_MSR_READ)
			exit->kind = vmcb->control.exit_info_1 ? EXIT_MSR_WRITE : EXIT_MSR_READ;
		else if (!(kind & EXIT_PLAIN))
			svm_decode(hw, exit);
	}
	if (unlikely(hw->work))
		svm_exit_work(hw, exit);
}

static inline void hw_expect_mov(struct hw_vcpu *hw)
{
}

static __always_inline void hw_end_turn(struct hw_vcpu *hw)
{
	svm_forget_returns();
}

/* #VMEXIT(INTR) leaves the interrupt pending (APM 2, 15.13.1): it is taken when IRQs come on. */
static inline void hw_handle_host_event(struct hw_vcpu *hw, const struct hw_exit *exit)
{
}

/* There is no preemption timer. */
static inline u32 hw_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas)
{
	return 0;
}

static inline bool hw_cut_guest_time(struct hw_vcpu *hw)
{
	return false;
}

#endif
