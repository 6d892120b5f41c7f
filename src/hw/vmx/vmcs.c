// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS: allocation, reset, controls, MSR bitmap, and every piece of guest state that lives in
 * it.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include "hw/hw.h"

void vmcs_error(u32 field, bool write)
{
	WARN_ONCE(vmx_is_on(), "kvm-intel: %s of VMCS field %#x failed\n",
		  write ? "VMWRITE" : "VMREAD", field);
}

/* ------------------------------------------------------------------ controls */

void vmx_set_proc(struct hw_vcpu *hw, u32 bits, bool on)
{
	u32 val = on ? hw->proc | bits : hw->proc & ~bits;

	if (val == hw->proc)
		return;
	hw->proc = val;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, val);
}

void vmx_set_proc2(struct hw_vcpu *hw, u32 bits, bool on)
{
	u32 val = on ? hw->proc2 | bits : hw->proc2 & ~bits;

	if (val == hw->proc2)
		return;
	hw->proc2 = val;
	vmcs_write32(SECONDARY_VM_EXEC_CONTROL, val);
}

void vmx_set_pin(struct hw_vcpu *hw, u32 bits, bool on)
{
	u32 val = on ? hw->pin | bits : hw->pin & ~bits;

	if (val == hw->pin)
		return;
	hw->pin = val;
	vmcs_write32(PIN_BASED_VM_EXEC_CONTROL, val);
}

void hw_set_intercept(struct hw_vcpu *hw, enum hw_intercept what, bool on)
{
	switch (what) {
	case INTERCEPT_INSN_HLT:
		vmx_set_proc(hw, CPU_BASED_HLT_EXITING, on);
		break;
	case INTERCEPT_INSN_PAUSE:
		if (hw_caps.pause_filter)
			vmx_set_proc2(hw, SECONDARY_EXEC_PAUSE_LOOP_EXITING, on);
		break;
	case INTERCEPT_INSN_MWAIT:
		vmx_set_proc(hw, CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING, on);
		break;
	case INTERCEPT_INSN_RDTSC:
		vmx_set_proc(hw, CPU_BASED_RDTSC_EXITING, on);
		break;
	case INTERCEPT_INSN_INVPCID:
		/* Exits like INVLPG; without the control it is #UD (SDM 3C, 26.1.3). */
		vmx_set_proc(hw, CPU_BASED_INVLPG_EXITING, on);
		break;
	case INTERCEPT_INSN_RDPMC:
		vmx_set_proc(hw, CPU_BASED_RDPMC_EXITING, on);
		break;
	case INTERCEPT_INSN_CR8_WRITE:
		vmx_set_proc(hw, CPU_BASED_CR8_LOAD_EXITING, on);
		break;
	}
}

/*
 * Without their control they are #UD (SDM 3C, 25.6.2); with one that the CPU hasn't, entry would be
 * refused.
 */
void hw_set_insns(struct hw_vcpu *hw, u32 insns)
{
	static const struct { u32 insn, control; } rows[] = {
		{ INSN_RDTSCP, SECONDARY_EXEC_ENABLE_RDTSCP },
		{ INSN_INVPCID, SECONDARY_EXEC_ENABLE_INVPCID },
		{ INSN_XSAVES, SECONDARY_EXEC_ENABLE_XSAVES },
	};
	u32 on = 0, off = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (insns & rows[i].insn)
			on |= rows[i].control;
		else
			off |= rows[i].control;
	}
	vmx_set_proc2(hw, on & vmx_config.controls.proc2, true);
	vmx_set_proc2(hw, off, false);
}

/*
 * #MC is the host's; #DB and #AC can be raised without end while they are delivered, in which no
 * interrupt of the host is taken; #UD may be a hypercall in the other vendor's words.
 */
#define BASE_EXCEPTIONS	(BIT(1) | BIT(6) | BIT(17) | BIT(18))

void hw_set_exception_intercepts(struct hw_vcpu *hw, u32 bitmap)
{
	bitmap |= BASE_EXCEPTIONS;
	if (hw->exceptions == bitmap)
		return;
	hw->exceptions = bitmap;
	vmcs_write32(EXCEPTION_BITMAP, bitmap);
}

void hw_set_dr_intercept(struct hw_vcpu *hw, bool intercept)
{
	vmx_set_proc(hw, CPU_BASED_MOV_DR_EXITING, intercept);
	if (intercept)
		hw->work &= ~WORK_DR6;
	else
		hw->work |= WORK_DR6;
}

void hw_set_pause_window(struct hw_vcpu *hw, u32 gap, u32 window)
{
	hw->pause_gap = gap;
	hw->pause_window = window;
	if (!hw_caps.pause_filter)
		return;
	vmcs_write32(PLE_GAP, gap);
	vmcs_write32(PLE_WINDOW, window);
}

u32 hw_pause_window(struct hw_vcpu *hw)
{
	return hw->pause_window;
}

/* ------------------------------------------------------------------ MSR bitmap (SDM 3C, 25.6.9) */

/*
 * Four KB: reads of low MSRs, reads of high ones (C000_0000h on), writes of low, writes of high.
 * -1: not in it, always exits.
 */
static long msr_bit(u32 msr)
{
	if (msr < 0x2000)
		return msr;
	if (msr - 0xc0000000 < 0x2000)
		return 0x2000 + msr - 0xc0000000;
	return -1;
}

void hw_set_msr_intercept(struct hw_vcpu *hw, u32 msr, u32 access)
{
	long bit = msr_bit(msr);

	if (bit < 0)
		return;
	__assign_bit(bit, hw->msr_bitmap, access & ACCESS_READ);
	__assign_bit(bit + 0x4000, hw->msr_bitmap, access & ACCESS_WRITE);
	if (msr == MSR_IA32_SPEC_CTRL)
		hw->spec_ctrl_open = !(access & ACCESS_WRITE);
}

/* In the VMCS, or in the CPU while the guest is loaded (run.c). */
static const u32 open_msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

static void msr_bitmap_init(struct hw_vcpu *hw)
{
	unsigned int i;

	memset(hw->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(open_msrs); i++)
		hw_set_msr_intercept(hw, open_msrs[i], 0);
}

/* ------------------------------------------------------------------ VPIDs */

static DECLARE_BITMAP(vpid_map, VMX_NR_VPIDS);
static DEFINE_SPINLOCK(vpid_lock);

/*
 * 0 is the host, and what a vCPU has when all are given away: its linear translations then go at
 * each entry.
 */
static u16 vpid_alloc(void)
{
	unsigned long vpid;

	if (!(vmx_config.controls.proc2 & SECONDARY_EXEC_ENABLE_VPID))
		return 0;
	spin_lock(&vpid_lock);
	vpid = find_next_zero_bit(vpid_map, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpid_map);
	else
		vpid = 0;
	spin_unlock(&vpid_lock);
	return vpid;
}

static void vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vpid, vpid_map);
	spin_unlock(&vpid_lock);
}

/* ------------------------------------------------------------------ creation */

int hw_vm_init(struct hw_vm *vm)
{
	return vmx_apic_vm_init(vm);
}

void hw_vm_destroy(struct hw_vm *vm)
{
	free_page((unsigned long)vm->apic_page);
}

static void vcpu_free_pages(struct hw_vcpu *hw)
{
	free_page((unsigned long)hw->vmcs);
	free_page((unsigned long)hw->msr_bitmap);
	free_page((unsigned long)hw->own_vapic);
	free_page((unsigned long)hw->pml);
	free_page((unsigned long)hw->perf_msrs);
}

int hw_vcpu_create(struct hw_vcpu *hw, struct hw_vm *vm)
{
	static atomic64_t last_id;

	hw->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	hw->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	hw->own_vapic = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (hw_caps.pml)
		hw->pml = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!hw->vmcs || !hw->msr_bitmap || !hw->own_vapic || (hw_caps.pml && !hw->pml) ||
	    vmx_perf_create(hw)) {
		vcpu_free_pages(hw);
		return -ENOMEM;
	}
	*(u32 *)hw->vmcs = vmx_config.revision;
	hw->vm = vm;
	hw->vapic = hw->own_vapic;
	hw->id = atomic64_inc_return(&last_id);
	hw->cpu = -1;
	hw->vpid = vpid_alloc();
	hw->pin = vmx_config.controls.pin;
	hw->proc = vmx_config.controls.proc;
	hw->proc2 = vmx_config.controls.proc2 & ~(hw->vpid ? 0 : SECONDARY_EXEC_ENABLE_VPID);
	hw->entry_ctl = vmx_config.controls.entry;
	msr_bitmap_init(hw);
	return 0;
}

void hw_vcpu_destroy(struct hw_vcpu *hw)
{
	vmx_unload(hw);
	vpid_free(hw->vpid);
	vcpu_free_pages(hw);
}

/* ------------------------------------------------------------------ reset */

static void vmcs_init_controls(struct hw_vcpu *hw)
{
	vmcs_write32(PIN_BASED_VM_EXEC_CONTROL, hw->pin);
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, hw->proc);
	vmcs_write32(SECONDARY_VM_EXEC_CONTROL, hw->proc2);
	vmcs_write32(VM_EXIT_CONTROLS, vmx_config.controls.exit);
	vmcs_write32(VM_ENTRY_CONTROLS, hw->entry_ctl);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write32(CR3_TARGET_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(TPR_THRESHOLD, 0);
	vmcs_write64(VMCS_LINK_POINTER, ~0ull);
	vmcs_write64(MSR_BITMAP, virt_to_phys(hw->msr_bitmap));
	vmx_apic_reset(hw);
	vmx_perf_reset(hw);
	if (hw->vpid)
		vmcs_write16(VIRTUAL_PROCESSOR_ID, hw->vpid);
	if (hw->pml)
		vmcs_write64(PML_ADDRESS, virt_to_phys(hw->pml));
	if (hw->proc2 & SECONDARY_EXEC_ENABLE_XSAVES)
		vmcs_write64(XSS_EXIT_BITMAP, 0);
	if (hw->proc2 & SECONDARY_EXEC_TSC_SCALING)
		vmcs_write64(TSC_MULTIPLIER, hw_caps.default_tsc_scaling_ratio);
	hw->exceptions = 0;
	hw_set_exception_intercepts(hw, 0);
}

/* What is the same on every CPU and for the whole life of the module. */
static void vmcs_init_host(struct hw_vcpu *hw)
{
	struct desc_ptr idt;
	u64 val;

	hw->host.cr0 = read_cr0();
	vmcs_writen(HOST_CR0, hw->host.cr0 & ~X86_CR0_TS);
	vmcs_write16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write16(HOST_SS_SELECTOR, 0);
	vmcs_write16(HOST_DS_SELECTOR, 0);
	vmcs_write16(HOST_ES_SELECTOR, 0);
	vmcs_write16(HOST_FS_SELECTOR, 0);
	vmcs_write16(HOST_GS_SELECTOR, 0);
	vmcs_write16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	store_idt(&idt);
	vmcs_writen(HOST_IDTR_BASE, idt.address);
	rdmsrl(MSR_IA32_SYSENTER_CS, val);
	vmcs_write32(HOST_IA32_SYSENTER_CS, val);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	vmcs_writen(HOST_IA32_SYSENTER_EIP, val);
	rdmsrl(MSR_EFER, val);
	vmcs_write64(HOST_IA32_EFER, val);
	rdmsrl(MSR_IA32_CR_PAT, val);
	vmcs_write64(HOST_IA32_PAT, val);
	/*
	 * What the way of an entry compares with: values that no host has, for the fields hold
	 * nothing yet.
	 */
	hw->host.cr3 = hw->host.cr4 = hw->host.rsp = 0;
	hw->host.fs_base = 1ull << 63;
}

static const struct { u16 sel, base, limit, ar; } seg_fields[] = {
#define SEG(name, field) [SEG_##name] = { GUEST_##field##_SELECTOR, GUEST_##field##_BASE, GUEST_##field##_LIMIT, GUEST_##field##_AR_BYTES }
	SEG(ES, ES), SEG(CS, CS), SEG(SS, SS), SEG(DS, DS), SEG(FS, FS), SEG(GS, GS),
	SEG(LDTR, LDTR), SEG(TR, TR),
#undef SEG
};

static void set_seg(struct hw_vcpu *hw, enum seg seg, u16 sel, u64 base, u32 limit, u32 ar)
{
	vmcs_write_any(seg_fields[seg].sel, sel);
	vmcs_write_any(seg_fields[seg].base, base);
	vmcs_write_any(seg_fields[seg].limit, limit);
	vmcs_write_any(seg_fields[seg].ar, ar);
	if (seg == SEG_SS) {
		hw->ss_ar = ar;
		vmx_set_known(hw, CACHED_SS_AR);
	}
}

/* SDM 3A, table 9-1. Attributes: present, data read/write or code execute/read, accessed. */
static void reset_segments(struct hw_vcpu *hw)
{
	enum seg s;

	for (s = SEG_ES; s <= SEG_GS; s++)
		set_seg(hw, s, 0, 0, 0xffff, 0x93);
	set_seg(hw, SEG_CS, 0xf000, 0xffff0000, 0xffff, 0x9b);
	set_seg(hw, SEG_LDTR, 0, 0, 0xffff, 0x82);
	/*
	 * The manual has a TSS that isn't busy; VM entry wants a busy one (SDM 3C, 27.3.1.2), and
	 * in IA-32e mode takes none of 16 bits.
	 */
	set_seg(hw, SEG_TR, 0, 0, 0xffff, 0x8b);
	vmcs_writen(GUEST_GDTR_BASE, 0);
	vmcs_write32(GUEST_GDTR_LIMIT, 0xffff);
	vmcs_writen(GUEST_IDTR_BASE, 0);
	vmcs_write32(GUEST_IDTR_LIMIT, 0xffff);
}

/* What RESET sets and INIT leaves alone. */
static void reset_msrs(struct hw_vcpu *hw)
{
	vmcs_write32(GUEST_SYSENTER_CS, 0);
	vmcs_writen(GUEST_SYSENTER_ESP, 0);
	vmcs_writen(GUEST_SYSENTER_EIP, 0);
	vmcs_write64(GUEST_IA32_PAT, 0x0007040600070406ull);
	hw->star = hw->lstar = hw->cstar = hw->sfmask = hw->kernel_gs_base = hw->tsc_aux = 0;
	hw->spec_ctrl = 0;
}

void hw_vcpu_reset(struct hw_vcpu *hw, enum hw_reset how)
{
	const u64 cache_bits = X86_CR0_CD | X86_CR0_NW;
	u64 kept = how == HW_INIT ? hw_cr0(hw) & cache_bits : cache_bits;

	if (how == HW_RESET) {
		vmcs_init_controls(hw);
		vmcs_init_host(hw);
		reset_msrs(hw);
	}
	memset(hw->regs, 0, sizeof(hw->regs));
	hw_set_reg(hw, REG_RSP, 0);
	hw_set_rip(hw, 0xfff0);
	hw_set_rflags(hw, X86_EFLAGS_FIXED);
	hw->cr2 = 0;
	hw->dr6 = DR6_RESERVED;
	vmcs_writen(GUEST_DR7, 0x400);
	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	reset_segments(hw);
	hw->shadow = 0;
	vmx_set_changed(hw, CACHED_SHADOW);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_writen(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	hw->injected.kind = EVENT_NONE;
	vmx_set_proc(hw, CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING, false);
	hw_set_single_step(hw, false);
	hw_set_tpr(hw, 0);
	hw_set_tpr_threshold(hw, 0);
	hw_set_efer(hw, 0);
	hw_set_cr4(hw, 0);
	hw_set_cr3(hw, 0);
	hw_set_cr0(hw, kept | X86_CR0_ET);
	hw_flush_tlb_all(hw);
}

/* ------------------------------------------------------------------ control registers */

/*
 * Bits that the guest changes without an exit; all others are the read shadow's, and a write that
 * changes one exits.
 *
 *	CR0.CD, NW	never set: the guest's memory is the host's, and cached
 *	CR0.NE		always set (VMX wants it)
 *	CR4.VMXE	always set; the guest sees 0
 *	CR4.MCE         as the host's: a machine check with it clear would be a shutdown instead of
 *	the host's #MC
 *	CR4.UMIP	made of exits where the CPU hasn't it
 */
#define CR0_GUEST_OWNED	(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM)
#define CR4_GUEST_OWNED	X86_CR4_PGE

/* The guest's own bits are where the guest put them; the rest is in our copy. */
static u64 owned_read(struct hw_vcpu *hw, enum vmx_cached what, u64 copy, u64 real, u64 owned)
{
	vmx_set_known(hw, what);
	return (copy & ~owned) | (real & owned);
}

u64 hw_cr0(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_CR0))
		hw->cr0 =
			owned_read(hw, CACHED_CR0, hw->cr0, vmcs_readn(GUEST_CR0), CR0_GUEST_OWNED);
	return hw->cr0;
}

void hw_set_cr0(struct hw_vcpu *hw, u64 cr0)
{
	/*
	 * Unrestricted guest: PE and PG are the guest's even where CR0_FIXED0 asks for them (SDM
	 * 3C, 27.3.1.1).
	 */
	u64 fixed = vmx_config.fixed.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	u64 real = ((cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW)) | fixed) & vmx_config.fixed.cr0_fixed1;

	hw->cr0 = cr0 | X86_CR0_ET;
	vmx_set_known(hw, CACHED_CR0);
	vmcs_writen(CR0_GUEST_HOST_MASK, ~(u64)CR0_GUEST_OWNED);
	vmcs_writen(CR0_READ_SHADOW, hw->cr0);
	vmcs_writen(GUEST_CR0, real);
}

u64 hw_cr4(struct hw_vcpu *hw)
{
	if (!vmx_known(hw, CACHED_CR4))
		hw->cr4 =
			owned_read(hw, CACHED_CR4, hw->cr4, vmcs_readn(GUEST_CR4), CR4_GUEST_OWNED);
	return hw->cr4;
}

void hw_set_cr4(struct hw_vcpu *hw, u64 cr4)
{
	u64 real = cr4 | vmx_config.fixed.cr4_fixed0 | (cr4_read_shadow() & X86_CR4_MCE);

	if (hw_caps.emulated_umip) {
		real &= ~(u64)X86_CR4_UMIP;
		vmx_set_proc2(hw, SECONDARY_EXEC_DESC, cr4 & X86_CR4_UMIP);
	}
	hw->cr4 = cr4;
	vmx_set_known(hw, CACHED_CR4);
	vmcs_writen(CR4_GUEST_HOST_MASK, ~(u64)CR4_GUEST_OWNED);
	vmcs_writen(CR4_READ_SHADOW, cr4);
	vmcs_writen(GUEST_CR4, real);
}

void hw_set_cr3(struct hw_vcpu *hw, u64 cr3)
{
	hw->cr3 = cr3;
	vmx_set_changed(hw, CACHED_CR3);
}

u64 hw_cr2(struct hw_vcpu *hw)
{
	return hw->cr2;
}

void hw_set_cr2(struct hw_vcpu *hw, u64 cr2)
{
	hw->cr2 = cr2;
}

/**
 * hw_set_pdptrs() - PAE paging: VM entry takes the four entries from here, not from memory (SDM 3C,
 * 27.3.2.4).
 */
void hw_set_pdptrs(struct hw_vcpu *hw, const u64 pdptrs[4])
{
	vmcs_write64(GUEST_PDPTR0, pdptrs[0]);
	vmcs_write64(GUEST_PDPTR1, pdptrs[1]);
	vmcs_write64(GUEST_PDPTR2, pdptrs[2]);
	vmcs_write64(GUEST_PDPTR3, pdptrs[3]);
}

u64 hw_efer(struct hw_vcpu *hw)
{
	return hw->efer;
}

/*
 * A processor goes into long mode with any TSS loaded; VM entry takes a busy 64-bit one only (SDM
 * 3C, 27.3.1.2).
 */
static void task_segment_for_long_mode(struct hw_vcpu *hw)
{
	u32 ar = vmcs_read32(GUEST_TR_AR_BYTES);

	if ((ar & VMX_AR_TYPE_MASK) == VMX_AR_TYPE_BUSY_16_TSS)
		vmcs_write32(GUEST_TR_AR_BYTES, (ar & ~VMX_AR_TYPE_MASK) | VMX_AR_TYPE_BUSY_64_TSS);
}

void hw_set_efer(struct hw_vcpu *hw, u64 efer)
{
	u32 ctl = efer & EFER_LMA ? hw->entry_ctl | VM_ENTRY_IA32E_MODE
				  : hw->entry_ctl & ~VM_ENTRY_IA32E_MODE;

	if ((efer ^ hw->efer) & EFER_SCE)
		vmx_change_syscall_msr(hw, &hw->star, hw->star, efer);
	hw->efer = efer;
	vmcs_write64(GUEST_IA32_EFER, efer);
	if (ctl == hw->entry_ctl)
		return;
	hw->entry_ctl = ctl;
	vmcs_write32(VM_ENTRY_CONTROLS, ctl);
	if (efer & EFER_LMA)
		task_segment_for_long_mode(hw);
}

void hw_set_tdp_root(struct hw_vcpu *hw, hpa_t root, int levels)
{
	hw->eptp = root | VMX_EPTP_MT_WB | (levels == 5 ? VMX_EPTP_PWL_5 : VMX_EPTP_PWL_4) |
		   (hw_caps.tdp_ad ? VMX_EPTP_AD_ENABLE_BIT : 0);
	vmcs_write64(EPT_POINTER, hw->eptp);
}

/*
 * In a shadow the single-step trap must be pending with TF, and must not be without, or entry is
 * refused (SDM 3C, 27.3.1.5).
 */
static void pending_step_update(struct hw_vcpu *hw)
{
	u64 old = vmcs_readn(GUEST_PENDING_DBG_EXCEPTIONS),
	    new = hw_rflags(hw) & X86_EFLAGS_TF ? old | DR_STEP : old & ~(u64)DR_STEP;

	if (new != old)
		vmcs_writen(GUEST_PENDING_DBG_EXCEPTIONS, new);
}

/** vmx_flush_changes() - what was set since the last exit goes into the VMCS. */
void vmx_flush_changes(struct hw_vcpu *hw)
{
	u32 changed = hw->changed;

	hw->changed = 0;
	if (changed & BIT(CACHED_RSP))
		vmcs_writen(GUEST_RSP, hw->regs[REG_RSP]);
	if (changed & BIT(CACHED_RFLAGS))
		vmcs_writen(GUEST_RFLAGS, hw->rflags);
	if (changed & BIT(CACHED_CR3))
		vmcs_writen(GUEST_CR3, hw->cr3);
	if (changed & BIT(CACHED_SHADOW))
		vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, hw->shadow);
	if ((changed & (BIT(CACHED_SHADOW) | BIT(CACHED_RFLAGS))) && hw_shadow(hw))
		pending_step_update(hw);
}

/* ------------------ segments and descriptor tables */

void hw_get_segment(struct hw_vcpu *hw, enum seg seg, struct kvm_segment *out)
{
	u32 ar = vmcs_read_any(seg_fields[seg].ar);
	bool unusable = ar & VMX_AR_UNUSABLE_MASK;

	*out = (struct kvm_segment){
		.base = vmcs_read_any(seg_fields[seg].base),
		.limit = vmcs_read_any(seg_fields[seg].limit),
		.selector = vmcs_read_any(seg_fields[seg].sel),
		.type = ar & VMX_AR_TYPE_MASK,
		.s = (ar >> 4) & 1,
		.dpl = VMX_AR_DPL(ar),
		.present = !unusable && (ar & VMX_AR_P_MASK),
		.avl = (ar >> 12) & 1,
		.l = (ar >> 13) & 1,
		.db = (ar >> 14) & 1,
		.g = (ar >> 15) & 1,
		.unusable = unusable,
	};
}

/*
 * Attributes that VM entry takes (SDM 3C, 27.3.1.2): a usable code or data segment is accessed, G
 * follows from the limit.
 */
static u32 segment_ar(enum seg seg, const struct kvm_segment *in)
{
	u32 ar = (in->type & 15) | (in->s & 1) << 4 | (in->dpl & 3) << 5 | (in->present & 1) << 7 |
		 (in->avl & 1) << 12 | (in->l & 1) << 13 | (in->db & 1) << 14 | (in->g & 1) << 15;

	if (in->unusable || !in->present)
		return seg == SEG_TR ? ar | VMX_AR_P_MASK : ar | VMX_AR_UNUSABLE_MASK;
	if (in->s)
		ar |= VMX_AR_TYPE_ACCESSES_MASK;
	if ((in->limit & 0xfff) != 0xfff)
		ar &= ~VMX_AR_G_MASK;
	if (in->limit & 0xfff00000)
		ar |= VMX_AR_G_MASK;
	return ar;
}

void hw_set_segment(struct hw_vcpu *hw, enum seg seg, const struct kvm_segment *in)
{
	set_seg(hw, seg, in->selector, in->base, in->limit, segment_ar(seg, in));
}

void hw_get_gdt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){ .base = vmcs_readn(GUEST_GDTR_BASE),
				    .limit = vmcs_read32(GUEST_GDTR_LIMIT) };
}

void hw_set_gdt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	vmcs_writen(GUEST_GDTR_BASE, in->base);
	vmcs_write32(GUEST_GDTR_LIMIT, in->limit);
}

void hw_get_idt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){ .base = vmcs_readn(GUEST_IDTR_BASE),
				    .limit = vmcs_read32(GUEST_IDTR_LIMIT) };
}

void hw_set_idt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	vmcs_writen(GUEST_IDTR_BASE, in->base);
	vmcs_write32(GUEST_IDTR_LIMIT, in->limit);
}

/* ------------------ debug registers: DR6 is not in the VMCS, run.c switches it */

u64 hw_dr6(struct hw_vcpu *hw)
{
	return hw->dr6;
}

void hw_set_dr6(struct hw_vcpu *hw, u64 dr6)
{
	hw->dr6 = dr6;
}

u64 hw_dr7(struct hw_vcpu *hw)
{
	return vmcs_readn(GUEST_DR7);
}

void hw_set_dr7(struct hw_vcpu *hw, u64 dr7)
{
	vmcs_writen(GUEST_DR7, dr7 & 0xffffffff);
}

/* ------------------------------------------------------------------ MSRs */

static u64 *msr_copy(struct hw_vcpu *hw, u32 msr)
{
	switch (msr) {
	case MSR_STAR:
		return &hw->star;
	case MSR_LSTAR:
		return &hw->lstar;
	case MSR_CSTAR:
		return &hw->cstar;
	case MSR_SYSCALL_MASK:
		return &hw->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &hw->kernel_gs_base;
	case MSR_TSC_AUX:
		return &hw->tsc_aux;
	case MSR_IA32_SPEC_CTRL:
		return &hw->spec_ctrl;
	default:
		return NULL;
	}
}

static u32 msr_field(u32 msr)
{
	switch (msr) {
	case MSR_FS_BASE:
		return GUEST_FS_BASE;
	case MSR_GS_BASE:
		return GUEST_GS_BASE;
	case MSR_IA32_SYSENTER_CS:
		return GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:
		return GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:
		return GUEST_SYSENTER_EIP;
	case MSR_IA32_CR_PAT:
		return GUEST_IA32_PAT;
	default:
		return 0;
	}
}

/*
 * The guest's KERNEL_GS_BASE, which it writes without an exit: in the CPU only while that has the
 * guest's. A context switch in between would give it the host's back (hw_put()).
 */
static u64 kernel_gs_base(struct hw_vcpu *hw)
{
	u64 val = hw->kernel_gs_base;

	preempt_disable();
	if (hw->host_saved)
		rdmsrl(MSR_KERNEL_GS_BASE, val);
	preempt_enable();
	return val;
}

static void set_kernel_gs_base(struct hw_vcpu *hw, u64 val)
{
	preempt_disable();
	hw->kernel_gs_base = val;
	if (hw->host_saved)
		wrmsrl(MSR_KERNEL_GS_BASE, val);
	preempt_enable();
}

int hw_get_msr(struct hw_vcpu *hw, u32 msr, u64 *val)
{
	const u64 *copy = msr_copy(hw, msr);
	u32 field = msr_field(msr);

	if (field)
		*val = vmcs_read_any(field);
	else if (msr == MSR_KERNEL_GS_BASE)
		*val = kernel_gs_base(hw);
	else if (copy)
		*val = *copy;
	else
		return -ENOENT;
	return 0;
}

int hw_set_msr(struct hw_vcpu *hw, u32 msr, u64 val)
{
	u64 *copy = msr_copy(hw, msr);
	u32 field = msr_field(msr);

	if (field) {
		vmcs_write_any(field, val);
		return 0;
	}
	if (!copy)
		return -ENOENT;
	if (msr == MSR_KERNEL_GS_BASE)
		set_kernel_gs_base(hw, val);
	else if (msr == MSR_IA32_SPEC_CTRL || msr == MSR_TSC_AUX)
		*copy = val;	/* loaded at entry, by the run loop */
	else
		vmx_change_syscall_msr(hw, copy, val, hw->efer);
	return 0;
}

/* ------------------------------------------------------------------ time */

void hw_set_tsc_offset(struct hw_vcpu *hw, u64 offset)
{
	vmcs_write64(TSC_OFFSET, offset);
}

void hw_set_tsc_ratio(struct hw_vcpu *hw, u64 ratio)
{
	if (hw_caps.tsc_scaling)
		vmcs_write64(TSC_MULTIPLIER, ratio);
}

void hw_use_preemption_timer(struct hw_vcpu *hw, bool use)
{
	hw->use_timer = use && hw_caps.preemption_timer;
}

int hw_set_preemption_timer(struct hw_vcpu *hw, u64 host_tsc)
{
	if (!hw->use_timer)
		return -EOPNOTSUPP;
	/* A 32-bit count of TSC >> shift. The control is set by the entry. */
	if (likely(host_tsc != ~0ull &&
		   (s64)(host_tsc - rdtsc()) >> (32 + vmx_config.timer_shift) <= 0)) {
		hw->deadline = host_tsc;
		hw->work |= WORK_TIMER;
		return 0;
	}
	hw->work &= ~WORK_TIMER;
	vmx_set_pin(hw, PIN_BASED_VMX_PREEMPTION_TIMER, false);
	return host_tsc == ~0ull ? 0 : -ERANGE;
}

/* ------------------ page-modification log (SDM 3C, 29.3.6) */

void hw_set_dirty_log(struct hw_vcpu *hw, bool on)
{
	if (!hw->pml || on == !!(hw->proc2 & SECONDARY_EXEC_ENABLE_PML))
		return;
	vmcs_write16(GUEST_PML_INDEX, PML_ENTRIES - 1);
	vmx_set_proc2(hw, SECONDARY_EXEC_ENABLE_PML, on);
}

/*
 * The CPU fills it from the end: the index is that of the next entry, and FFFFH when the last,
 * number 0, is written.
 */
u32 vmx_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas)
{
	u16 first = vmcs_read16(GUEST_PML_INDEX) + 1;

	if (first >= PML_ENTRIES)
		return 0;
	vmcs_write16(GUEST_PML_INDEX, PML_ENTRIES - 1);
	*gpas = hw->pml + first;
	return PML_ENTRIES - first;
}

/* ------------------------------------------------------------------ dump */

static const struct { const char *name; u32 field; } dump_fields[] = {
#define D(f) { #f, f }
	D(GUEST_CR0), D(CR0_READ_SHADOW), D(GUEST_CR3), D(GUEST_CR4), D(CR4_READ_SHADOW),
	D(GUEST_IA32_EFER), D(GUEST_IA32_PAT), D(GUEST_RIP), D(GUEST_RSP), D(GUEST_RFLAGS),
	D(GUEST_DR7), D(GUEST_CS_SELECTOR), D(GUEST_CS_BASE), D(GUEST_CS_LIMIT),
	D(GUEST_CS_AR_BYTES), D(GUEST_SS_SELECTOR), D(GUEST_SS_BASE), D(GUEST_SS_LIMIT),
	D(GUEST_SS_AR_BYTES), D(GUEST_DS_SELECTOR), D(GUEST_DS_BASE), D(GUEST_DS_LIMIT),
	D(GUEST_DS_AR_BYTES), D(GUEST_ES_AR_BYTES), D(GUEST_FS_AR_BYTES), D(GUEST_GS_AR_BYTES),
	D(GUEST_LDTR_SELECTOR), D(GUEST_LDTR_BASE), D(GUEST_LDTR_LIMIT), D(GUEST_LDTR_AR_BYTES),
	D(GUEST_TR_SELECTOR), D(GUEST_TR_BASE), D(GUEST_TR_LIMIT), D(GUEST_TR_AR_BYTES),
	D(GUEST_GDTR_BASE), D(GUEST_GDTR_LIMIT), D(GUEST_IDTR_BASE), D(GUEST_IDTR_LIMIT),
	D(GUEST_INTERRUPTIBILITY_INFO), D(GUEST_ACTIVITY_STATE), D(GUEST_PENDING_DBG_EXCEPTIONS),
	D(PIN_BASED_VM_EXEC_CONTROL), D(CPU_BASED_VM_EXEC_CONTROL), D(SECONDARY_VM_EXEC_CONTROL),
	D(VM_EXIT_CONTROLS), D(VM_ENTRY_CONTROLS), D(EXCEPTION_BITMAP), D(VM_ENTRY_INTR_INFO_FIELD),
	D(VM_EXIT_REASON), D(EXIT_QUALIFICATION), D(VM_EXIT_INTR_INFO), D(IDT_VECTORING_INFO_FIELD),
	D(EPT_POINTER), D(TPR_THRESHOLD), D(HOST_CR0), D(HOST_CR3), D(HOST_CR4), D(HOST_RSP),
	D(HOST_RIP), D(HOST_FS_BASE), D(HOST_GS_BASE), D(HOST_TR_BASE), D(HOST_GDTR_BASE),
#undef D
};

void hw_dump(struct hw_vcpu *hw)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 1);
	unsigned int i;

	/* Once per VM, for a VMM may try it again and again; and VMs may be many. */
	if (!__ratelimit(&limit) || xchg(&hw->vm->dumped, true))
		return;
	for (i = 0; i < ARRAY_SIZE(dump_fields); i++)
		pr_info("kvm-intel: %-28s %016llx\n", dump_fields[i].name,
			vmcs_read_any(dump_fields[i].field));
}
