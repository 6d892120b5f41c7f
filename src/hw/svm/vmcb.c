// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB: allocation, reset, intercepts, permission maps, and every piece of guest state that
 * lives in it.
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include "hw/hw.h"

#define MSRPM_ORDER	1	/* 8 KB (APM 2, 15.11) */

/* ------------------------------------------------------------------ intercepts */

/* Always on (APM 2, 15.9). HLT, PAUSE, RDTSC and such are policy: hw_set_intercept(). */
static const u8 base_intercepts[] = {
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT, INTERCEPT_SHUTDOWN,
	INTERCEPT_FERR_FREEZE, INTERCEPT_CR0_WRITE, INTERCEPT_CR4_WRITE,
	INTERCEPT_CPUID, INTERCEPT_INVD, INTERCEPT_WBINVD, INTERCEPT_RDPMC, INTERCEPT_XSETBV,
	INTERCEPT_RSM, INTERCEPT_HLT, INTERCEPT_MONITOR, INTERCEPT_MWAIT,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_TASK_SWITCH,
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE, INTERCEPT_STGI,
	INTERCEPT_CLGI, INTERCEPT_SKINIT, INTERCEPT_INVLPGA,
};

/*
 * Exceptions that are always intercepted. #MC is the host's. #DB and #AC can be raised without end
 * while they are delivered, in which no interrupt of the host is taken.
 */
#define BASE_EXCEPTIONS	(BIT(1) | BIT(17) | BIT(18))

struct intercept_bits {
	u8 first, count;
};

static const struct intercept_bits policy_intercepts[] = {
	[INTERCEPT_INSN_HLT] = { INTERCEPT_HLT, 1 },
	[INTERCEPT_INSN_PAUSE] = { INTERCEPT_PAUSE, 1 },
	[INTERCEPT_INSN_MWAIT] = { INTERCEPT_MONITOR, 2 },
	[INTERCEPT_INSN_RDTSC] = { INTERCEPT_RDTSC, 1 },
	[INTERCEPT_INSN_INVPCID] = { INTERCEPT_INVPCID, 1 },
	[INTERCEPT_INSN_RDPMC] = { INTERCEPT_RDPMC, 1 },
	[INTERCEPT_INSN_CR8_WRITE] = { INTERCEPT_CR8_WRITE, 1 },
};

void hw_set_intercept(struct hw_vcpu *hw, enum hw_intercept what, bool on)
{
	const struct intercept_bits *bits = &policy_intercepts[what];
	u32 i;

	for (i = 0; i < bits->count; i++)
		vmcb_put_intercept(hw, bits->first + i, on);
	if (what == INTERCEPT_INSN_RDTSC)
		vmcb_put_intercept(hw, INTERCEPT_RDTSCP, on);
}

void hw_set_exception_intercepts(struct hw_vcpu *hw, u32 bitmap)
{
	hw->vmcb->control.intercepts[INTERCEPT_EXCEPTION] = bitmap | BASE_EXCEPTIONS;
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

void hw_set_dr_intercept(struct hw_vcpu *hw, bool intercept)
{
	hw->vmcb->control.intercepts[INTERCEPT_DR] = intercept ? ~0u : 0;
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

/*
 * APM 2, 15.14.4: the count runs down by one at each PAUSE, and starts again when the last was more
 * than the threshold ago.
 */
/* XSAVES has no intercept: a guest that hasn't got it has XSS 0, and nothing to gain. */
void hw_set_insns(struct hw_vcpu *hw, u32 insns)
{
	vmcb_put_intercept(hw, INTERCEPT_RDTSCP, !(insns & INSN_RDTSCP));
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		vmcb_put_intercept(hw, INTERCEPT_INVPCID, !(insns & INSN_INVPCID));
}

void hw_set_pause_window(struct hw_vcpu *hw, u32 gap, u32 window)
{
	hw->vmcb->control.pause_filter_thresh = min_t(u32, gap, U16_MAX);
	hw->vmcb->control.pause_filter_count = min_t(u32, window, U16_MAX);
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

u32 hw_pause_window(struct hw_vcpu *hw)
{
	return hw->vmcb->control.pause_filter_count;
}

/* ------------------------------------------------------------------ MSR permission map */

/* APM 2, 15.11: two bits, read and write, for each MSR of three ranges. -1: always exits. */
static long msrpm_bit(u32 msr)
{
	static const u32 first[] = { 0, 0xc0000000, 0xc0010000 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(first); i++) {
		if (msr - first[i] < 0x2000)
			return (i * 0x2000 + (msr - first[i])) * 2;
	}
	return -1;
}

void hw_set_msr_intercept(struct hw_vcpu *hw, u32 msr, u32 access)
{
	long bit = msrpm_bit(msr);

	if (bit < 0)
		return;
	__assign_bit(bit, hw->msrpm, access & ACCESS_READ);
	__assign_bit(bit + 1, hw->msrpm, access & ACCESS_WRITE);
	vmcb_changed(hw, CLEAN_PERM_MAP);
	if (msr == MSR_IA32_SPEC_CTRL)
		hw->spec_ctrl_open = !(access & ACCESS_WRITE);
}

/* What VMLOAD and VMSAVE switch anyway. */
static const u32 open_msrs[] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* ------------------------------------------------------------------ creation */

int hw_vm_init(struct hw_vm *vm)
{
	return 0;
}

void hw_vm_destroy(struct hw_vm *vm)
{
}

static void vmcb_init_controls(struct hw_vcpu *hw)
{
	struct vmcb_control_area *c = &hw->vmcb->control;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(base_intercepts); i++)
		vmcb_set_intercept(hw, base_intercepts[i]);
	if (boot_cpu_has(X86_FEATURE_RDPRU))
		vmcb_set_intercept(hw, INTERCEPT_RDPRU);
	hw_set_exception_intercepts(hw, 0);
	hw_set_dr_intercept(hw, true);
	c->iopm_base_pa = svm_iopm_pa();
	c->msrpm_base_pa = hw->msrpm_pa;
	c->int_ctl = V_INTR_MASKING_MASK;
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
}

int hw_vcpu_create(struct hw_vcpu *hw, struct hw_vm *vm)
{
	static atomic64_t last_id;
	u32 i;

	hw->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	hw->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (!hw->vmcb || !hw->msrpm) {
		hw_vcpu_destroy(hw);
		return -ENOMEM;
	}
	hw->vmcb_pa = __sme_set(virt_to_phys(hw->vmcb));
	hw->msrpm_pa = __sme_set(virt_to_phys(hw->msrpm));
	hw->id = atomic64_inc_return(&last_id);
	hw->last_cpu = -1;
	hw->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	memset(hw->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	for (i = 0; i < ARRAY_SIZE(open_msrs); i++)
		hw_set_msr_intercept(hw, open_msrs[i], 0);
	vmcb_init_controls(hw);
	return 0;
}

void hw_vcpu_destroy(struct hw_vcpu *hw)
{
	free_page((unsigned long)hw->vmcb);
	free_pages((unsigned long)hw->msrpm, MSRPM_ORDER);
	hw->vmcb = NULL;
	hw->msrpm = NULL;
}

/* ------------------------------------------------------------------ reset */

static void vmcb_set_seg(struct vmcb_seg *s, u16 selector, u64 base, u32 limit, u16 attrib)
{
	s->selector = selector;
	s->base = base;
	s->limit = limit;
	s->attrib = attrib;
}

/* APM 2, table 14-1. Attributes: present, data read/write or code execute/read, accessed. */
static void vmcb_reset_segments(struct vmcb_save_area *s)
{
	vmcb_set_seg(&s->cs, 0xf000, 0xffff0000, 0xffff, 0x9b);
	vmcb_set_seg(&s->ds, 0, 0, 0xffff, 0x93);
	s->es = s->ds;
	s->ss = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	vmcb_set_seg(&s->gdtr, 0, 0, 0xffff, 0);
	vmcb_set_seg(&s->idtr, 0, 0, 0xffff, 0);
	vmcb_set_seg(&s->ldtr, 0, 0, 0xffff, 0x82);
	vmcb_set_seg(&s->tr, 0, 0, 0xffff, 0x83);
	s->cpl = 0;
}

/* What RESET sets and INIT leaves alone. */
static void vmcb_reset_msrs(struct hw_vcpu *hw)
{
	struct vmcb_save_area *s = &hw->vmcb->save;

	s->star = s->lstar = s->cstar = s->sfmask = s->kernel_gs_base = 0;
	s->sysenter_cs = s->sysenter_esp = s->sysenter_eip = 0;
	s->g_pat = 0x0007040600070406ull;
	s->spec_ctrl = 0;
	hw->spec_ctrl = 0;
	hw->virt_spec_ctrl = 0;
	hw->tsc_aux = 0;
}

static void vmcb_reset_events(struct hw_vcpu *hw)
{
	struct vmcb_control_area *c = &hw->vmcb->control;

	c->event_inj = 0;
	c->int_state = 0;
	c->exit_int_info = 0;
	intr_window_close(hw);
	hw_set_tpr(hw, 0);
	hw_set_tpr_threshold(hw, 0);
	hw_set_nmi_masked(hw, false);
	hw->nmi_step = false;
	hw->work &= ~WORK_SOFT_EVENT;
	hw_set_single_step(hw, false);
}

void hw_vcpu_reset(struct hw_vcpu *hw, enum hw_reset how)
{
	const u64 cache_bits = X86_CR0_CD | X86_CR0_NW;
	struct vmcb_save_area *s = &hw->vmcb->save;
	u64 kept = how == HW_INIT ? hw->cr0 & cache_bits : cache_bits;

	memset(hw->regs, 0, sizeof(hw->regs));
	s->rax = s->rsp = s->cr2 = s->cr3 = 0;
	s->rip = 0xfff0;
	s->rflags = X86_EFLAGS_FIXED;
	s->dr6 = DR6_RESERVED;
	s->dr7 = 0x400;
	s->dbgctl = 0;
	vmcb_reset_segments(s);
	if (how == HW_RESET)
		vmcb_reset_msrs(hw);
	vmcb_reset_events(hw);
	hw_set_efer(hw, 0);
	hw_set_cr4(hw, 0);
	hw_set_cr0(hw, kept | X86_CR0_ET);
	hw->vmcb->control.clean = 0;
	hw_flush_tlb_all(hw);
}

/* ------------------------------------------------------------------ control registers */

/*
 * The guest's CR0, CR4 and EFER are hw->cr0, hw->cr4 and hw->efer, since every write exits. (In the
 * VMCB at the exit of a write to CR0.PG, Bochs has changed EFER.LMA already.) What the CPU runs
 * with is different in a few bits; while it is, reads exit too.
 *
 *	CR0.CD, NW	never set: the guest's memory is the host's, and cached
 *	CR0.ET		always set, as on every CPU
 *	CR4.MCE		as the host's: with it clear a machine check is a shutdown, not #MC
 *	EFER.SVME	always set: VMRUN wants it (APM 2, 15.5.1)
 */
static void cr_set_real(struct hw_vcpu *hw, u64 *field, u64 real, u64 guest, u32 read_intercept)
{
	*field = real;
	vmcb_changed(hw, CLEAN_CR);
	if (vmcb_intercepts(hw, read_intercept) != (real != guest))
		vmcb_put_intercept(hw, read_intercept, real != guest);
}

u64 hw_cr0(struct hw_vcpu *hw)
{
	return hw->cr0;
}

void hw_set_cr0(struct hw_vcpu *hw, u64 cr0)
{
	hw->cr0 = cr0 | X86_CR0_ET;
	cr_set_real(hw, &hw->vmcb->save.cr0, hw->cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW), hw->cr0,
		    INTERCEPT_CR0_READ);
}

u64 hw_cr4(struct hw_vcpu *hw)
{
	return hw->cr4;
}

void hw_set_cr4(struct hw_vcpu *hw, u64 cr4)
{
	hw->cr4 = cr4;
	cr_set_real(hw, &hw->vmcb->save.cr4, cr4 | (__read_cr4() & X86_CR4_MCE), cr4,
		    INTERCEPT_CR4_READ);
}

void hw_set_cr3(struct hw_vcpu *hw, u64 cr3)
{
	hw->vmcb->save.cr3 = cr3;
	vmcb_changed(hw, CLEAN_CR);
}

u64 hw_cr2(struct hw_vcpu *hw)
{
	return hw->vmcb->save.cr2;
}

void hw_set_cr2(struct hw_vcpu *hw, u64 cr2)
{
	hw->vmcb->save.cr2 = cr2;
	vmcb_changed(hw, CLEAN_CR2);
}

/* Nested walks read them from memory, like any other level (APM 2, 15.25.10). */
void hw_set_pdptrs(struct hw_vcpu *hw, const u64 pdptrs[4])
{
}

u64 hw_efer(struct hw_vcpu *hw)
{
	return hw->efer;
}

void hw_set_efer(struct hw_vcpu *hw, u64 efer)
{
	hw->efer = efer;
	hw->vmcb->save.efer = efer | EFER_SVME;
	vmcb_changed(hw, CLEAN_CR);
}

void hw_set_tdp_root(struct hw_vcpu *hw, hpa_t root, int levels)
{
	hw->vmcb->control.nested_cr3 = __sme_set(root);
	vmcb_changed(hw, CLEAN_NPT);
}

/* ------------------------------------------------------------------ segments, GDT, IDT */

static struct vmcb_seg *vmcb_seg(struct hw_vcpu *hw, enum seg seg)
{
	struct vmcb_save_area *s = &hw->vmcb->save;

	switch (seg) {
	case SEG_ES:
		return &s->es;
	case SEG_CS:
		return &s->cs;
	case SEG_SS:
		return &s->ss;
	case SEG_DS:
		return &s->ds;
	case SEG_FS:
		return &s->fs;
	case SEG_GS:
		return &s->gs;
	case SEG_LDTR:
		return &s->ldtr;
	default:
		return &s->tr;
	}
}

void hw_get_segment(struct hw_vcpu *hw, enum seg seg, struct kvm_segment *out)
{
	const struct vmcb_seg *s = vmcb_seg(hw, seg);
	u16 a = s->attrib;

	*out = (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = a & SVM_SELECTOR_TYPE_MASK,
		.s = (a >> SVM_SELECTOR_S_SHIFT) & 1,
		.dpl = (a >> SVM_SELECTOR_DPL_SHIFT) & 3,
		.present = (a >> SVM_SELECTOR_P_SHIFT) & 1,
		.avl = (a >> SVM_SELECTOR_AVL_SHIFT) & 1,
		.l = (a >> SVM_SELECTOR_L_SHIFT) & 1,
		.db = (a >> SVM_SELECTOR_DB_SHIFT) & 1,
		/*
		 * The CPU keeps the limit in bytes and need not keep G: a limit that only G can
		 * express has it.
		 */
		.g = ((a >> SVM_SELECTOR_G_SHIFT) & 1) || s->limit > 0xfffff,
		.unusable = !(a & SVM_SELECTOR_P_MASK),
	};
	/* CPL is a field of its own, and SS.DPL need not follow it (APM 2, 15.5.1). */
	if (seg == SEG_SS)
		out->dpl = hw->vmcb->save.cpl;
	/* A task register that is loaded is busy, whatever is saved of it. */
	if (seg == SEG_TR)
		out->type |= 2;
}

void hw_set_segment(struct hw_vcpu *hw, enum seg seg, const struct kvm_segment *in)
{
	struct vmcb_seg *s = vmcb_seg(hw, seg);

	s->base = in->base;
	s->limit = in->limit;
	s->selector = in->selector;
	s->attrib = (in->type & SVM_SELECTOR_TYPE_MASK) | (in->s & 1) << SVM_SELECTOR_S_SHIFT |
		    (in->dpl & 3) << SVM_SELECTOR_DPL_SHIFT |
		    (in->present && !in->unusable) << SVM_SELECTOR_P_SHIFT |
		    (in->avl & 1) << SVM_SELECTOR_AVL_SHIFT | (in->l & 1) << SVM_SELECTOR_L_SHIFT |
		    (in->db & 1) << SVM_SELECTOR_DB_SHIFT | (in->g & 1) << SVM_SELECTOR_G_SHIFT;
	if (seg == SEG_SS)
		hw->vmcb->save.cpl = in->dpl & 3;
	vmcb_changed(hw, CLEAN_SEG);
}

static void dtable_get(const struct vmcb_seg *s, struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){ .base = s->base, .limit = s->limit };
}

static void dtable_set(struct hw_vcpu *hw, struct vmcb_seg *s, const struct kvm_dtable *in)
{
	s->base = in->base;
	s->limit = in->limit;
	vmcb_changed(hw, CLEAN_DT);
}

void hw_get_gdt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	dtable_get(&hw->vmcb->save.gdtr, out);
}

void hw_set_gdt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	dtable_set(hw, &hw->vmcb->save.gdtr, in);
}

void hw_get_idt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	dtable_get(&hw->vmcb->save.idtr, out);
}

void hw_set_idt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	dtable_set(hw, &hw->vmcb->save.idtr, in);
}

/* ------------------------------------------------------------------ debug registers */

u64 hw_dr6(struct hw_vcpu *hw)
{
	return hw->vmcb->save.dr6;
}

void hw_set_dr6(struct hw_vcpu *hw, u64 dr6)
{
	hw->vmcb->save.dr6 = dr6;
	vmcb_changed(hw, CLEAN_DR);
}

u64 hw_dr7(struct hw_vcpu *hw)
{
	return hw->vmcb->save.dr7;
}

void hw_set_dr7(struct hw_vcpu *hw, u64 dr7)
{
	hw->vmcb->save.dr7 = dr7;
	vmcb_changed(hw, CLEAN_DR);
}

/* ------------------------------------------------------------------ MSRs */

/*
 * Where the value of an MSR is, or NULL. It is the VMCB's as of the last #VMEXIT: VMSAVE has been
 * done.
 */
static u64 *vmcb_msr(struct hw_vcpu *hw, u32 msr)
{
	struct vmcb_save_area *s = &hw->vmcb->save;

	switch (msr) {
	case MSR_STAR:
		return &s->star;
	case MSR_LSTAR:
		return &s->lstar;
	case MSR_CSTAR:
		return &s->cstar;
	case MSR_SYSCALL_MASK:
		return &s->sfmask;
	case MSR_FS_BASE:
		return &s->fs.base;
	case MSR_GS_BASE:
		return &s->gs.base;
	case MSR_KERNEL_GS_BASE:
		return &s->kernel_gs_base;
	case MSR_IA32_SYSENTER_CS:
		return &s->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &s->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &s->sysenter_eip;
	case MSR_IA32_CR_PAT:
		return &s->g_pat;
	case MSR_TSC_AUX:
		return &hw->tsc_aux;
	case MSR_AMD64_VIRT_SPEC_CTRL:
		return &hw->virt_spec_ctrl;
	default:
		return NULL;
	}
}

int hw_get_msr(struct hw_vcpu *hw, u32 msr, u64 *val)
{
	const u64 *field = vmcb_msr(hw, msr);

	if (msr == MSR_IA32_SPEC_CTRL)
		*val = hw_caps.spec_ctrl_virt ? hw->vmcb->save.spec_ctrl : hw->spec_ctrl;
	else if (field)
		*val = *field;
	else
		return -ENOENT;
	return 0;
}

int hw_set_msr(struct hw_vcpu *hw, u32 msr, u64 val)
{
	u64 *field = vmcb_msr(hw, msr);

	if (msr == MSR_IA32_SPEC_CTRL) {
		hw->vmcb->save.spec_ctrl = val;
		hw->spec_ctrl = val;
		return 0;
	}
	if (!field)
		return -ENOENT;
	*field = val;
	if (msr == MSR_IA32_CR_PAT)
		vmcb_changed(hw, CLEAN_NPT);
	return 0;
}

/* ------------------------------------------------------------------ time */

void hw_set_tsc_offset(struct hw_vcpu *hw, u64 offset)
{
	hw->vmcb->control.tsc_offset = offset;
	vmcb_changed(hw, CLEAN_INTERCEPTS);
}

void hw_set_tsc_ratio(struct hw_vcpu *hw, u64 ratio)
{
	if (!hw_caps.tsc_scaling || hw->tsc_ratio == ratio)
		return;
	hw->tsc_ratio = ratio;
	/* The MSR follows at the next hw_load(): only ioctls change it, and KVM_RUN is another. */
	hw->last_cpu = -1;
}

void hw_use_preemption_timer(struct hw_vcpu *hw, bool use)
{
}

int hw_set_preemption_timer(struct hw_vcpu *hw, u64 host_tsc)
{
	return -EOPNOTSUPP;
}

/* ------------------ no dirty log of the processor's */

void hw_set_dirty_log(struct hw_vcpu *hw, bool on)
{
}

/* ------------------ what SVM has not, or AVIC would be */

void hw_set_virtual_apic(struct hw_vcpu *hw, void *regs, enum hw_apic mode,
			 enum hw_apic_delivery delivery)
{
}

hpa_t hw_apic_page(struct hw_vm *vm)
{
	return 0;
}

void hw_set_rvi_svi(struct hw_vcpu *hw, int rvi, int svi)
{
}

void hw_set_eoi_exits(struct hw_vcpu *hw, const u64 bitmap[4])
{
}

/* ------------------------------------------------------------------ the rest */

static void vmcb_dump_seg(const char *name, const struct vmcb_seg *s)
{
	pr_warn("  %-4s %04x base %016llx limit %08x attrib %03x\n", name, s->selector, s->base,
		s->limit, s->attrib);
}

static void vmcb_dump_save(const struct vmcb_save_area *s)
{
	static const char * const names[] = { "ES", "CS",   "SS",   "DS",   "FS",
					     "GS", "GDTR", "LDTR", "IDTR", "TR" };
	const struct vmcb_seg *segs = &s->es;
	u32 i;

	/* The VMCB has them in this order, one behind the other (APM 2, table B-2). */
	for (i = 0; i < ARRAY_SIZE(names); i++)
		vmcb_dump_seg(names[i], &segs[i]);
	pr_warn("  CPL %u EFER %llx CR0 %llx CR2 %llx CR3 %llx CR4 %llx PAT %llx\n",
		s->cpl, s->efer, s->cr0, s->cr2, s->cr3, s->cr4, s->g_pat);
	pr_warn("  RIP %llx RSP %llx RAX %llx RFLAGS %llx DR6 %llx DR7 %llx\n", s->rip, s->rsp,
		s->rax, s->rflags, s->dr6, s->dr7);
	pr_warn("  STAR %llx LSTAR %llx CSTAR %llx SFMASK %llx KERNEL_GS %llx SYSENTER %llx %llx "
		"%llx\n",
		s->star, s->lstar, s->cstar, s->sfmask, s->kernel_gs_base, s->sysenter_cs,
		s->sysenter_esp, s->sysenter_eip);
}

void hw_dump(struct hw_vcpu *hw)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 3);
	const struct vmcb_control_area *c = &hw->vmcb->control;

	if (!__ratelimit(&limit))
		return;
	pr_warn("VMCB of a vCPU that can't go on:\n");
	pr_warn("  exit code %x%08x info %llx %llx intinfo %x error %x nrip %llx\n",
		c->exit_code_hi, c->exit_code, c->exit_info_1, c->exit_info_2, c->exit_int_info,
		c->exit_int_info_err, c->next_rip);
	pr_warn("  intercepts %08x %08x %08x %08x %08x %08x\n", c->intercepts[0], c->intercepts[1],
		c->intercepts[2], c->intercepts[3], c->intercepts[4], c->intercepts[5]);
	pr_warn("  ASID %u TLB control %x int_ctl %x vector %x state %x event %x error %x\n",
		c->asid, c->tlb_ctl, c->int_ctl, c->int_vector, c->int_state, c->event_inj,
		c->event_inj_err);
	pr_warn("  nested control %llx CR3 %llx TSC offset %llx clean %x\n", c->nested_ctl,
		c->nested_cr3, c->tsc_offset, c->clean);
	vmcb_dump_save(&hw->vmcb->save);
}
