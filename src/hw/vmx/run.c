// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading a vCPU onto a CPU, what entry and exit do only sometimes, and what a failed entry says.
 * The way itself is in inline.h and enter.S.
 */
#include <linux/rculist.h>
#include <linux/smp.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/io.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include "hw/hw.h"

/* ------------------------------------------------------------------ where a VMCS is active */

/**
 * vmcs_clear_here() - the VMCS, active on this CPU, goes back to memory and is nobody's. IRQs off.
 */
void vmcs_clear_here(struct hw_vcpu *hw)
{
	struct vmx_cpu *cpu = vmx_cpu(smp_processor_id());

	/*
	 * By the time that an IPI asked for it, the CPU may have gone offline and done it itself.
	 */
	if (hw->cpu != smp_processor_id())
		return;
	vmclear(virt_to_phys(hw->vmcs));
	if (cpu->current_vmcs == hw)
		cpu->current_vmcs = NULL;
	list_del_rcu(&hw->link);	/* for hw_crash_cpu() */
	hw->work |= WORK_LAUNCH;
	/*
	 * Whoever sees -1 may make it active somewhere else: pairs with the acquire in
	 * vmx_unload().
	 */
	smp_store_release(&hw->cpu, -1);
}

static void vmcs_clear_ipi(void *hw)
{
	vmcs_clear_here(hw);
}

/** vmx_unload() - make the VMCS inactive, wherever it is. IRQs on; waits for an IPI. */
void vmx_unload(struct hw_vcpu *hw)
{
	int cpu = smp_load_acquire(&hw->cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, vmcs_clear_ipi, hw, 1);
}

/* Host state that belongs to the CPU. */
static void host_state_of_cpu(struct hw_vcpu *hw, int cpu)
{
	u64 val;

	vmcs_writen(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	hw->host.gdt = (struct desc_ptr){ .size = GDT_SIZE - 1,
					  .address = (unsigned long)get_current_gdt_ro() };
	vmcs_writen(HOST_GDTR_BASE, hw->host.gdt.address);
	vmcs_writen(HOST_IA32_SYSENTER_ESP, (unsigned long)(cpu_entry_stack(cpu) + 1));
	rdmsrl(MSR_GS_BASE, val);
	vmcs_writen(HOST_GS_BASE, val);
}

static void vmcs_activate(struct hw_vcpu *hw, int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	/*
	 * The region may hold anything before its first use: VMCLEAR makes it clean and not
	 * launched.
	 */
	vmclear(virt_to_phys(hw->vmcs));
	list_add_rcu(&hw->link, &vmx_cpu(cpu)->loaded);	/* for hw_crash_cpu() */
	hw->cpu = cpu;
	hw->work |= WORK_LAUNCH;
	vmptrld(virt_to_phys(hw->vmcs));
	vmx_cpu(cpu)->current_vmcs = hw;
	local_irq_restore(flags);
}

/**
 * vmx_load_elsewhere() - the vCPU comes to another CPU than last time, or another one was here in
 * between. Preemption off.
 */
void vmx_load_elsewhere(struct hw_vcpu *hw, struct vmx_cpu *c, int cpu)
{
	if (hw->cpu != cpu) {
		vmx_unload(hw);
		vmcs_activate(hw, cpu);
		host_state_of_cpu(hw, cpu);
		hw->work |= WORK_FLUSH;
	} else if (c->current_vmcs != hw) {
		vmptrld(virt_to_phys(hw->vmcs));
		c->current_vmcs = hw;
	}
	flaws_switch_vcpu(c, hw);
}

/* ------------------ host MSRs and segments while a guest is loaded */

/*
 * SYSCALL's MSRs and KERNEL_GS_BASE are of no use to the kernel itself: they are the guest's from
 * the first entry until the thread leaves the vCPU (hw_put()), which is before anything of user
 * space runs here. An MSR that has the value already isn't written: STAR and SFMASK of one Linux
 * are those of another, and KERNEL_GS_BASE is 0 for nearly all.
 *
 * The host's own are the same on every CPU and never change after boot.
 */
static u64 host_star, host_lstar, host_cstar, host_sfmask;

/** vmx_host_msrs_read() - at module load. */
void vmx_host_msrs_read(void)
{
	rdmsrl(MSR_STAR, host_star);
	rdmsrl(MSR_LSTAR, host_lstar);
	rdmsrl(MSR_CSTAR, host_cstar);
	rdmsrl(MSR_SYSCALL_MASK, host_sfmask);
}

static __always_inline void msr_switch(u32 msr, u64 from, u64 to)
{
	if (from != to)
		native_wrmsrl(msr, to);
}

/*
 * Only Intel's processors have no SYSCALL in compatibility mode, and don't look at CSTAR (SDM 2B,
 * SYSCALL).
 */
static __always_inline bool cstar_matters(void)
{
	return boot_cpu_data.x86_vendor != X86_VENDOR_INTEL;
}

/*
 * The guest's, which exits when it reads or writes one of them, so that the copies are always
 * right. IRQs or preemption off.
 */
static void syscall_msrs_load(struct hw_vcpu *hw)
{
	msr_switch(MSR_STAR, host_star, hw->star);
	msr_switch(MSR_LSTAR, host_lstar, hw->lstar);
	msr_switch(MSR_SYSCALL_MASK, host_sfmask, hw->sfmask);
	if (cstar_matters())
		msr_switch(MSR_CSTAR, host_cstar, hw->cstar);
	hw->syscall_loaded = true;
}

static void syscall_msrs_unload(struct hw_vcpu *hw)
{
	hw->syscall_loaded = false;
	msr_switch(MSR_STAR, hw->star, host_star);
	msr_switch(MSR_LSTAR, hw->lstar, host_lstar);
	msr_switch(MSR_SYSCALL_MASK, hw->sfmask, host_sfmask);
	if (cstar_matters())
		msr_switch(MSR_CSTAR, hw->cstar, host_cstar);
}

/*
 * vmx_change_syscall_msr() - one of the guest's SYSCALL MSRs, @copy, changes to @val, and EFER to
 * @efer. Without EFER.SCE the guest has no SYSCALL (SDM 2B), and they stay the host's. Any context
 * with the vCPU loaded: a context switch in between would give the CPU its own back.
 */
void vmx_change_syscall_msr(struct hw_vcpu *hw, u64 *copy, u64 val, u64 efer)
{
	preempt_disable();
	if (hw->syscall_loaded)
		syscall_msrs_unload(hw);
	*copy = val;
	hw->efer = efer;
	if (hw->host_saved && (efer & EFER_SCE))
		syscall_msrs_load(hw);
	preempt_enable();
}

static __always_inline u64 host_fs_base(void)
{
	return static_cpu_has(X86_FEATURE_FSGSBASE) ? rdfsbase() : __rdmsr(MSR_FS_BASE);
}

/**
 * vmx_host_save() - before the first entry since the thread took the vCPU: what an exit doesn't
 * bring back; and the guest's MSRs. IRQs off.
 */
void vmx_host_save(struct hw_vcpu *hw)
{
	u64 fs_base = host_fs_base();
	unsigned long fs;

	if (unlikely(fs_base != hw->host.fs_base)) {
		hw->host.fs_base = fs_base;
		vmcs_writen(HOST_FS_BASE, fs_base);
	}
	savesegment(fs, fs);
	hw->host.fs_sel = fs;
	savesegment(gs, hw->host.gs_sel);
	savesegment(ds, hw->host.ds_sel);
	savesegment(es, hw->host.es_sel);
	hw->host_kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	msr_switch(MSR_KERNEL_GS_BASE, hw->host_kernel_gs_base, hw->kernel_gs_base);
	if (hw->efer & EFER_SCE)
		syscall_msrs_load(hw);
	hw->host_saved = true;
}

/*
 * A VM exit leaves LDTR null. Another thread of the process may have made the LDT since this one
 * entered. The descriptor may not be there yet: then the IPI of modify_ldt() waits, and loads it.
 */
static __always_inline void ldt_restore(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (unlikely(current->mm && READ_ONCE(current->mm->context.ldt)))
		asm volatile("1: lldt %w0\n2:\n" _ASM_EXTABLE(1b, 2b)
			     : : "q" (GDT_ENTRY_LDT * 8));
#endif
}

/*
 * A VM exit sets the null selectors that HOST_*_SELECTOR say: user space may have had others. A
 * base need not be its descriptor's.
 */
static noinline void segments_restore(struct hw_vcpu *hw)
{
	unsigned long flags;

	if (hw->host.ds_sel | hw->host.es_sel) {
		loadsegment(ds, hw->host.ds_sel);
		loadsegment(es, hw->host.es_sel);
	}
	if (hw->host.fs_sel) {
		loadsegment(fs, hw->host.fs_sel);
		wrmsrl(MSR_FS_BASE, hw->host.fs_base);
	}
	if (hw->host.gs_sel) {
		/* Between the load and the base there is no per-CPU data. */
		local_irq_save(flags);
		load_gs_index(hw->host.gs_sel);
		wrmsrl(MSR_KERNEL_GS_BASE, hw->host_kernel_gs_base);
		local_irq_restore(flags);
	}
}

/*
 * A VM exit sets TR's limit, which is too short for an I/O bitmap then (SDM 3C, 28.5.2). Its reload
 * has a descriptor on the stack, and so a frame that most need not have.
 */
static noinline void tss_limit_restore(void)
{
	invalidate_tss_limit();
}

/** vmx_host_restore() - hw_put() of a vCPU that was entered. Preemption off. */
void vmx_host_restore(struct hw_vcpu *hw)
{
	hw->host_saved = false;
	hw->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	msr_switch(MSR_KERNEL_GS_BASE, hw->kernel_gs_base, hw->host_kernel_gs_base);
	if (hw->syscall_loaded)
		syscall_msrs_unload(hw);
	/* Selectors may be the LDT's. */
	ldt_restore();
	if (unlikely(hw->host.ds_sel | hw->host.es_sel | hw->host.fs_sel | hw->host.gs_sel))
		segments_restore(hw);
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		tss_limit_restore();
	else
		/* what invalidate_tss_limit() does without one */
		this_cpu_write(__tss_limit_invalid, true);
	/* ... and the limit of GDTR too long (SDM 3C, 28.5.3). */
	native_load_gdt(&hw->host.gdt);
}

/* ------------------------------------------------------------------ rare work around an entry */

/*
 * The timer counts down by one each time that bit 'shift' of the TSC changes; 0 exits before the
 * first instruction, after injection. A deadline that is further away than it counts takes more than
 * one exit.
 */
static void preemption_timer_arm(struct hw_vcpu *hw)
{
	u8 shift = vmx_config.timer_shift;
	u64 now = rdtsc(), ticks = 0;

	/*
	 * The first tick may be short: counted between the whole ones, so that it isn't over early.
	 */
	if (!(hw->work & WORK_CUT) && hw->deadline > now)
		ticks = ((hw->deadline - 1) >> shift) + 1 - (now >> shift);
	vmx_set_pin(hw, PIN_BASED_VMX_PREEMPTION_TIMER, true);
	vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, ticks, vmx_timer_max));
}

void vmx_entry_work(struct hw_vcpu *hw)
{
	if (hw->work & WORK_FLUSH) {
		hw->work &= ~WORK_FLUSH;
		vmx_flush_guest(hw);
	}
	if (hw->work & WORK_STEP)
		step_arm(hw);
	if (hw->work & (WORK_TIMER | WORK_CUT))
		preemption_timer_arm(hw);
	if (hw->work & WORK_DR6)
		set_debugreg(hw->dr6, 6);
	if (hw->work & WORK_PEBS)
		wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
}

void vmx_exit_work(struct hw_vcpu *hw, struct hw_exit *exit)
{
	/* An entry that failed leaves the VMCS clear (SDM 3C, 27.8). */
	if (exit->kind != EXIT_ENTRY_FAILED && !(exit->hw_reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		hw->work &= ~WORK_LAUNCH;
	if (hw->work & WORK_INJECTED)
		vmx_injection_done(hw);
	if (hw->work & WORK_DEBUGCTL)
		wrmsrl(MSR_IA32_DEBUGCTLMSR, hw->host.debugctl);
	if (hw->work & WORK_CUT) {
		hw->work &= ~WORK_CUT;
		vmx_set_pin(hw, PIN_BASED_VMX_PREEMPTION_TIMER, hw->work & WORK_TIMER);
		/* It only had to end the guest's time. */
		if (exit->kind == EXIT_PREEMPTION_TIMER && !(hw->work & WORK_TIMER))
			exit->kind = EXIT_INTR;
	}
	if (hw->work & WORK_STEP)
		step_disarm(hw, exit);
	/* The host's #DB handler expects to find only what belongs to its own exception. */
	if (hw->work & WORK_DR6) {
		get_debugreg(hw->dr6, 6);
		set_debugreg(DR6_RESERVED, 6);
	}
}

static void entry_failure(struct hw_vcpu *hw, struct hw_exit *exit, u64 reason)
{
	exit->kind = EXIT_ENTRY_FAILED;
	exit->hw_reason = reason;
	/* Once per VM: a VMM may try it again and again. */
	if (vmx_is_on() && !xchg(&hw->vm->failure_explained, true)) {
		vmx_check_entry(hw);
		hw_dump(hw);
	}
	/* Nothing was delivered, and the CPU leaves the event in its field (SDM 3C, 27.8). */
	exit->vectoring = hw_cancel_injection(hw);
}

/**
 * vmx_entry_failed() - VM entry began and did not like the guest state: a VM exit that says so (SDM
 * 3C, 27.8). VMCS loaded.
 */
void vmx_entry_failed(struct hw_vcpu *hw, struct hw_exit *exit)
{
	pr_warn_ratelimited("kvm-intel: VM entry failed: reason %#llx, qualification %llu\n",
			    exit->hw_reason, exit->qual);
	entry_failure(hw, exit, exit->hw_reason);
}

/* SDM 3C, 31.4: those that VMLAUNCH and VMRESUME can give. */
static const char *instruction_error(u32 error)
{
	switch (error) {
	case 4:
		return "VMLAUNCH with a VMCS that is not clear";
	case 5:
		return "VMRESUME with a VMCS that was not launched";
	case 7:
		return "invalid control field";
	case 8:
		return "invalid host-state field";
	case 26:
		return "events blocked by MOV SS";
	default:
		return "?";
	}
}

/**
 * vmx_entry_refused() - VMLAUNCH or VMRESUME failed: no VM exit, the VMCS is as it was. VMCS
 * loaded.
 */
void vmx_entry_refused(struct hw_vcpu *hw, struct hw_exit *exit)
{
	u32 error = vmx_is_on() ? vmcs_read32(VM_INSTRUCTION_ERROR) : 0;

	exit->qual = 0;
	if (vmx_is_on())
		pr_warn_ratelimited("kvm-intel: VM entry refused: error %u, %s\n", error,
				    instruction_error(error));
	entry_failure(hw, exit, error);
	/* There was no exit to load it. */
	if (hw->work & WORK_PEBS)
		wrmsrl(MSR_IA32_PEBS_ENABLE, hw->host.pebs_enable);
	if (hw->work)
		vmx_exit_work(hw, exit);
}
