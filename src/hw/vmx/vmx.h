/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMX: what a VM, a vCPU and a CPU are for this backend. Manual: Intel 64 and IA-32 Software
 * Developer's Manual, volume 3C ("SDM 3C"), chapters 24 to 31.
 */
#ifndef HW_VMX_VMX_H
#define HW_VMX_VMX_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <asm/desc_defs.h>
#include "hw/vmx/names.h"
#include "hw/vmx/ops.h"
#include "core/types.h"

/* ------------------ fields of the VMCS (SDM 3C, 25.11.2 and appendix B) */

/* Bits 14:13 of a field's encoding are its width: an access of another width doesn't compile. */
enum vmcs_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };

#define VMCS_CHECK(field, width)	BUILD_BUG_ON((((field) >> 13) & 3) != (width) || ((field) & 1))

#define vmcs_read16(field)	({ VMCS_CHECK(field, VMCS_16); (u16)vmcs_read_any(field); })
#define vmcs_read32(field)	({ VMCS_CHECK(field, VMCS_32); (u32)vmcs_read_any(field); })
#define vmcs_read64(field)	({ VMCS_CHECK(field, VMCS_64); vmcs_read_any(field); })
#define vmcs_readn(field)	({ VMCS_CHECK(field, VMCS_NATURAL); vmcs_read_any(field); })
#define vmcs_write16(field, v)	({ VMCS_CHECK(field, VMCS_16); vmcs_write_any(field, (u16)(v)); })
#define vmcs_write32(field, v)	({ VMCS_CHECK(field, VMCS_32); vmcs_write_any(field, (u32)(v)); })
#define vmcs_write64(field, v)	({ VMCS_CHECK(field, VMCS_64); vmcs_write_any(field, v); })
#define vmcs_writen(field, v)	({ VMCS_CHECK(field, VMCS_NATURAL); vmcs_write_any(field, v); })

/* ------------------------------------------------------------------ objects */

/*
 * Guest state is read from the VMCS when somebody asks for it, once per exit, and written once
 * before the next entry: a bit in .known says that the copy is what the VMCS has (or will have), a
 * bit in .changed that the VMCS must get it.
 */
enum vmx_cached {
	CACHED_RIP, /* written at once: it is once per exit anyway */
	CACHED_RSP, CACHED_RFLAGS, CACHED_SHADOW, CACHED_CR0, CACHED_CR3, CACHED_CR4, CACHED_CS_AR,
	CACHED_SS_AR
};

/* What an entry or exit has to do besides the usual; all rare. */
enum vmx_work {
	WORK_STEP = BIT(0),	/* TF for one instruction: a debugger's, or to the NMI window */
	WORK_TIMER = BIT(1),		/* the preemption timer has a deadline */
	WORK_CUT = BIT(2),		/* ... or is zero for one entry */
	WORK_FLUSH = BIT(3),		/* INVEPT and INVVPID of this vCPU */
	WORK_DEBUGCTL = BIT(5),	/* the host uses DEBUGCTL, which an exit clears (SDM 3C, 28.5.1) */
	WORK_DR6 = BIT(4),	/* the guest reads and writes its debug registers without an exit */
	WORK_LAUNCH = BIT(6),	/* VMLAUNCH rather than VMRESUME: there was none since VMCLEAR */
	/* the host samples precisely, which must end before the guest begins */
	WORK_PEBS = BIT(7),
	WORK_INJECTED = BIT(8),		/* .injected is on its way */

	WORK_BEFORE = WORK_STEP | WORK_TIMER | WORK_CUT | WORK_FLUSH | WORK_DR6 | WORK_PEBS,
	WORK_AFTER = WORK_STEP | WORK_CUT | WORK_DEBUGCTL | WORK_DR6 | WORK_LAUNCH | WORK_INJECTED,
};

/* Host state in the VMCS, as it was written last: written again only when it changed. */
struct vmx_host_state {
	unsigned long cr0, cr3, cr4, fs_base, gs_base, rsp;
	struct desc_ptr gdt;
	u16 fs_sel, gs_sel, ds_sel, es_sel;
	u64 debugctl, pebs_enable;	/* not in the VMCS: put back after each exit */
};

/* Per CPU. */
struct vmx_cpu {
	void *vmxon;			/* VMXON region */
	/* hw_vcpu.link of those whose VMCS is active here; IRQs off */
	struct list_head loaded;
	struct hw_vcpu *current_vmcs;
	u64 last_vcpu;	/* id that was loaded last: branch predictions are its own */
	bool on;
};

/*
 * perf.c: MSRs that the CPU itself loads at an entry, and at an exit (SDM 3C, 25.8.2 and 25.7.2).
 */
/* perf gives two or three, or one for each counter of a CPU so old that it has two */
#define PERF_MSRS	8
struct vmx_perf_msrs {
	struct vmx_msr_entry entry[PERF_MSRS], exit[PERF_MSRS];
};

struct hw_vm {
	/* VPIDs are the vCPUs', the EPT is the MMU's. */
	bool failure_explained, dumped;
	/* accesses to it are accesses to the LAPIC; never read or written */
	void *apic_page;
};

struct hw_vcpu {
	u64 regs[16];			/* in the order of enum reg; RSP lives in the VMCS */
	u64 rip, rflags, cr0, cr3, cr4;	/* copies, see enum vmx_cached */
	u64 cr2;			/* the guest's while it doesn't run */
	u32 shadow, cs_ar, ss_ar;
	u32 known, changed;
	u32 work;
	bool l1d_dirty;	/* the host ran more than a fast handler since the last flush (L1TF) */
	bool spec_ctrl_open;		/* the guest writes SPEC_CTRL without exit */
	u64 spec_ctrl;

	struct hw_vm *vm;
	void *vmcs;
	unsigned long *msr_bitmap;
	u8 *vapic;	/* virtual-APIC page, CR8 is in its TPR: the LAPIC's registers, or */
	u8 *own_vapic;	/* ... where those aren't virtualized, a page with nothing but the TPR */
	u64 eoi_exits[4];
	u64 *pml;			/* page-modification log; NULL: the CPU has none */
	int cpu;			/* where the VMCS is active; -1: nowhere */
	struct list_head link;
	u64 id;
	u16 vpid;			/* 0: none was left */
	struct vmx_host_state host;

	/* The guest's view, where the CPU's differs, and what the VMCS has of the controls. */
	u64 efer;
	u32 pin, proc, proc2, entry_ctl, exceptions;
	u8 tpr_threshold;
	u32 pause_gap, pause_window;
	u64 eptp;

	struct vmx_perf_msrs *perf_msrs;	/* NULL: the host counts nothing */
	u32 nr_perf_msrs;			/* as the VMCS has it */

	/* Host MSRs that the guest's values displace while it is loaded (run.c). */
	/* ... KERNEL_GS_BASE is the guest's, and segments are as a VM exit leaves them */
	bool host_saved;
	bool syscall_loaded;		/* ... and so are STAR, LSTAR, CSTAR and SFMASK */
	u64 star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
	u64 host_kernel_gs_base;

	struct hw_event injected;
	u64 dr6;
	bool use_timer;	/* the VM's parameter, where the CPU has a preemption timer */
	u64 deadline;			/* host TSC, for the preemption timer */
	bool step_guest_tf, step_mtf;
};

static inline bool vmx_known(const struct hw_vcpu *hw, enum vmx_cached what)
{
	return hw->known & BIT(what);
}

static inline void vmx_set_known(struct hw_vcpu *hw, enum vmx_cached what)
{
	hw->known |= BIT(what);
}

static inline void vmx_set_changed(struct hw_vcpu *hw, enum vmx_cached what)
{
	hw->known |= BIT(what);
	hw->changed |= BIT(what);
}

#define APIC_CONTROLS	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | \
			 SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)

/*
 * caps.c: what of VMX is used here, computed once from the capability MSRs. A vCPU and its VMCS go
 * from CPU to CPU, so that it is the same on all of them, or the CPU is refused
 * (hw_cpu_compatible()).
 */
extern struct vmx_config {
	/* those that every vCPU starts with */
	struct { u32 pin, proc, proc2, exit, entry; } controls;
	struct { u32 pin, proc, proc2; } options;	/* those that are turned on for some */
	struct { u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1; } fixed;
	u32 ept, vpid;	/* halves of IA32_VMX_EPT_VPID_CAP */
	u32 revision;
	u32 timer_shift;
} vmx_config;
extern u32 vmx_timer_max;	/* of a preemption-timer value that the CPU counts down right */
DECLARE_PER_CPU(struct vmx_cpu, vmx_cpus);
struct vmx_cpu *vmx_cpu(int cpu);
/**
 * vmx_flush_guest() - INVEPT and INVVPID at the narrowest scope that the CPU has. VMCS loaded, IRQs
 * off.
 */
void vmx_flush_guest(struct hw_vcpu *hw);

#define PML_ENTRIES	512

/* vmcs.c */
u32 vmx_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas);
void vmx_flush_changes(struct hw_vcpu *hw);	/* .changed into the VMCS */
void vmx_set_proc(struct hw_vcpu *hw, u32 bits, bool on);
void vmx_set_proc2(struct hw_vcpu *hw, u32 bits, bool on);
void vmx_set_pin(struct hw_vcpu *hw, u32 bits, bool on);

/* apic.c */
void vmx_apic_setup(u32 proc2);		/* @proc2: what the CPU has */
int vmx_apic_vm_init(struct hw_vm *vm);	/* -ENOMEM */
void vmx_apic_reset(struct hw_vcpu *hw);

/* run.c */
void vmx_host_msrs_read(void);
void vmx_change_syscall_msr(struct hw_vcpu *hw, u64 *copy, u64 val, u64 efer);
void vmx_unload(struct hw_vcpu *hw);
void vmcs_clear_here(struct hw_vcpu *hw);
void vmx_entry_work(struct hw_vcpu *hw);
struct hw_exit;
void vmx_exit_work(struct hw_vcpu *hw, struct hw_exit *exit);
void vmx_entry_failed(struct hw_vcpu *hw, struct hw_exit *exit);
void vmx_entry_refused(struct hw_vcpu *hw, struct hw_exit *exit);

/* perf.c */
int vmx_perf_create(struct hw_vcpu *hw);	/* -ENOMEM */
void vmx_perf_reset(struct hw_vcpu *hw);
void vmx_perf_switch(struct hw_vcpu *hw);

/* check.c */
void vmx_check_entry(struct hw_vcpu *hw);

/* event.c */
void vmx_injection_done(struct hw_vcpu *hw);
struct hw_event event_interrupted(struct hw_vcpu *hw, u32 info);
void step_arm(struct hw_vcpu *hw);
void step_disarm(struct hw_vcpu *hw, struct hw_exit *exit);

#endif
