// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a VM and of a vCPU: made, loaded onto a CPU and taken off, reset, destroyed. What is
 * made in order is undone in reverse.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <asm/apicdef.h>
#include <asm/debugreg.h>
#include "core/compat.h"
#include "vcpu/life_inline.h"
#include "vcpu/vcpu.h"

size_t vm_x86_size(void)
{
	return sizeof(struct vm_x86);
}

/**
 * vm_x86_init() - a new VM for current->mm. @type: KVM_CREATE_VM's. May sleep. -EINVAL, -ENOMEM.
 */
int vm_x86_init(struct vm_x86 *vm, unsigned long type)
{
	int r;

	if (type != KVM_X86_DEFAULT_VM)
		return -EINVAL;
	r = vm_init(&vm->vm);
	if (r)
		return r;
	vm->vm.params.virtual_apic &= hw_caps.virtual_apic;
	vm->vm.params.pml &= hw_caps.pml;
	vm->vm.params.virtual_intr &= hw_caps.virtual_intr;
	vm->vm.params.preemption_timer &= hw_caps.preemption_timer;
	r = hw_vm_init(&vm->hw);
	if (r)
		goto destroy_vm;
	r = mmu_init(&vm->mmu, &vm->vm);
	if (r)
		goto destroy_hw;
	vm->mmu.apic_page = hw_apic_page(&vm->hw);
	irqchip_init(&vm->irqchip, &vm->vm);
	vm->apic_bus_ns = APIC_BUS_NS_DEFAULT;
	clock_vm_init(vm);
	return 0;

destroy_hw:
	hw_vm_destroy(&vm->hw);
destroy_vm:
	vm_destroy(&vm->vm);
	return r;
}

/**
 * vm_x86_destroy() - the last reference is gone. What still reaches a vCPU from outside goes first
 * (changes of the host's clock, eventfds, the PIT, the MMU's own work), then the vCPUs, then what
 * they stood on. May sleep.
 */
void vm_x86_destroy(struct vm_x86 *vm)
{
	struct vcpu *vcpu;
	unsigned long i;

	clock_vm_destroy(vm);
	irqchip_quiesce(&vm->irqchip);
	mmu_quiesce(&vm->mmu);
	vm_for_each_vcpu(i, vcpu, &vm->vm)
		vcpu_x86_destroy(vcpu);
	irqchip_destroy(&vm->irqchip);
	mmu_destroy(&vm->mmu);
	vm_destroy_msr_filter(vm);
	hw_vm_destroy(&vm->hw);
	vm_destroy(&vm->vm);
}

/* ------------------------------------------------------------------ reset */

/*
 * Registers that RESET and INIT both set: all 0 but RDX, which names the processor (SDM 3A, 9.1.2;
 * APM 2, table 14-1).
 */
static void reset_registers(struct vcpu_x86 *v)
{
	u32 eax = 1, ebx, ecx = 0, edx;
	int i;

	cpuid_lookup(v, &eax, &ebx, &ecx, &edx);
	for (i = 0; i < NR_REGS; i++)
		hw_set_reg(&v->hw, i, 0);
	hw_set_reg(&v->hw, REG_RDX, eax ? eax : 0x600);
	hw_set_rip(&v->hw, 0xfff0);
	hw_set_rflags(&v->hw, X86_EFLAGS_FIXED);
}

static void reset_events(struct vcpu_x86 *v)
{
	v->exception = (struct queued_exception) { };
	v->interrupt.injected = false;
	v->nmi_injected = false;
	v->nmi_pending = 0;
	atomic_set(&v->nmi_queued, 0);
	v->user_irq = -1;
	v->pv_unhalted = false;
	v->cut_guest_time = false;
	hw_cancel_injection(&v->hw);
	hw_set_nmi_masked(&v->hw, false);
}

static void reset_debug(struct vcpu_x86 *v)
{
	memset(v->db, 0, sizeof(v->db));
	v->guest_uses_dr = false;
	hw_set_dr_intercept(&v->hw, true);
	vcpu_set_dr(v, 6, 0);
	vcpu_set_dr(v, 7, 0);
}

/** vcpu_reset() - RESET or INIT. vCPU loaded; its own thread or vcpu->mutex held. No sleep. */
void vcpu_reset(struct vcpu_x86 *v, enum hw_reset how)
{
	bool init = how == HW_INIT;

	hw_vcpu_reset(&v->hw, how);
	reset_registers(v);
	reset_events(v);
	reset_debug(v);
	v->cr8 = 0;
	hw_set_cr2(&v->hw, 0);
	hw_set_tpr(&v->hw, 0);
	hw_set_tpr_threshold(&v->hw, 0);
	/* The VMM's LAPIC may wait for the TPR to fall, and has no other way to know. */
	if (!v->has_apic)
		hw_set_intercept(&v->hw, INTERCEPT_INSN_CR8_WRITE, true);
	fpu_reset(v, init);
	if (v->has_apic)
		lapic_reset(&v->apic, init ? LAPIC_INIT : LAPIC_RESET);
	memset(v->insn_sites, 0xff, sizeof(v->insn_sites));
	memset(v->mov_sites, 0xff, sizeof(v->mov_sites));
	cpuid_update_dynamic(v);
	cpuid_apply_insns(v);
	hw_flush_tlb_all(&v->hw);
	vcpu_request(&v->vcpu, REQ_EVENT);
}

/* ------------------------------------------------------------------ vCPU */

/* The self-IPI of arrange_short_entry() has done its work by arriving. */
static void cut_guest_time_ipi(struct irq_work *work)
{
}

static int vcpu_alloc(struct vcpu_x86 *v)
{
	v->pio.data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	v->emu = kvzalloc(sizeof(*v->emu), GFP_KERNEL_ACCOUNT);
	return v->pio.data && v->emu ? 0 : -ENOMEM;
}

static void vcpu_free(struct vcpu_x86 *v)
{
	kvfree(v->emu);
	free_page((unsigned long)v->pio.data);
	kvfree(v->cpuid);
	kfree(v);
}

static int vcpu_create_apic(struct vcpu_x86 *v)
{
	struct irqchip *chip = &v_vm(v)->irqchip;
	int r;

	v->apic.chip = chip;
	if (READ_ONCE(chip->mode) == IRQCHIP_NONE)
		return 0;
	r = lapic_create(&v->apic, &v->vcpu, chip);
	v->has_apic = !r;
	v->apic.bus_ns = v_vm(v)->apic_bus_ns;
	v->apic.virtual_intr = v->vcpu.vm->params.virtual_apic && v->vcpu.vm->params.virtual_intr;
	/*
	 * A deadline by the host's TSC must mean the same everywhere. The preemption timer stops in
	 * deep C-states (SDM 3C, 26.5.1), where only a guest that has MWAIT can bring the CPU.
	 */
	v->apic.timer.use_hw = v->vcpu.vm->params.preemption_timer && !check_tsc_unstable() &&
			       !(v_vm(v)->disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT);
	return r;
}

/*
 * What the VMM doesn't want to exit (KVM_CAP_X86_DISABLE_EXITS). PAUSE: vcpu_pause_init(). Loaded.
 */
static void apply_disabled_exits(struct vcpu_x86 *v)
{
	u32 disabled = v_vm(v)->disabled_exits;

	if (disabled & KVM_X86_DISABLE_EXITS_HLT)
		hw_set_intercept(&v->hw, INTERCEPT_INSN_HLT, false);
	if (disabled & KVM_X86_DISABLE_EXITS_MWAIT)
		hw_set_intercept(&v->hw, INTERCEPT_INSN_MWAIT, false);
}

/*
 * The first state: RESET, on this CPU for a moment. An AP of an in-kernel LAPIC waits for INIT and
 * SIPI (SDM 3A, 8.4.1).
 */
static void vcpu_first_reset(struct vcpu_x86 *v)
{
	bool ap = v->has_apic && v->vcpu.id != v_vm(v)->irqchip.bsp_id;

	v->mp_state = ap ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE;
	preempt_disable();
	hw_load(&v->hw, smp_processor_id(), false);
	vcpu_reset(v, HW_RESET);
	apply_disabled_exits(v);
	vcpu_pause_init(v);
	clock_vcpu_init(v);
	clock_load_elsewhere(v, smp_processor_id());
	hw_put(&v->hw, false);
	preempt_enable();
}

static void vcpu_set_defaults(struct vcpu_x86 *v)
{
	/* HARD: on PREEMPT_RT others wake a thread. */
	v->cut_work = IRQ_WORK_INIT_HARD(cut_guest_time_ipi);
	hw_use_preemption_timer(&v->hw, v->vcpu.vm->params.preemption_timer);
	v->user_irq = -1;
	v->user_apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			    (v->vcpu.id == v_vm(v)->irqchip.bsp_id ? MSR_IA32_APICBASE_BSP : 0);
	v->clock_cpu = -1;
	msr_vcpu_init(v);
	v->tsc_khz = v_vm(v)->default_tsc_khz;
	vcpu_request(&v->vcpu, REQ_MMU_RELOAD);
	vcpu_request(&v->vcpu, REQ_APIC_MODE);
	vcpu_request(&v->vcpu, REQ_MSR_FILTER);
	vcpu_request(&v->vcpu, REQ_DIRTY_LOG);
}

/**
 * vcpu_x86_create() - a vCPU with the VMM's number @id, not yet visible to anyone. May sleep.
 * ERR_PTR: -ENOMEM.
 */
struct vcpu *vcpu_x86_create(struct vm *vm, u32 id)
{
	struct vcpu_x86 *v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	int r;

	if (!v)
		return ERR_PTR(-ENOMEM);
	r = vcpu_alloc(v);
	if (r)
		goto free;
	r = vcpu_init(&v->vcpu, vm, id);
	if (r)
		goto free;
	r = hw_vcpu_create(&v->hw, &v_vm(v)->hw);
	if (r)
		goto destroy_vcpu;
	r = fpu_create(v);
	if (r)
		goto destroy_hw;
	r = vcpu_create_apic(v);
	if (r)
		goto destroy_fpu;
	vcpu_set_defaults(v);
	/* No CPUID yet: what follows from an empty one. */
	r = vcpu_set_cpuid(v, NULL, 0);
	if (r)
		goto destroy_apic;
	vcpu_first_reset(v);
	return &v->vcpu;

destroy_apic:
	if (v->has_apic)
		lapic_destroy(&v->apic);
destroy_fpu:
	fpu_destroy(v);
destroy_hw:
	hw_vcpu_destroy(&v->hw);
destroy_vcpu:
	vcpu_destroy(&v->vcpu);
free:
	vcpu_free(v);
	return ERR_PTR(r);
}

/** vcpu_x86_destroy() - nobody can reach it any more. May sleep. */
void vcpu_x86_destroy(struct vcpu *vcpu)
{
	struct vcpu_x86 *v = to_x86(vcpu);

	if (v->has_apic)
		lapic_destroy(&v->apic);
	irq_work_sync(&v->cut_work);
	fpu_destroy(v);
	hw_vcpu_destroy(&v->hw);
	vcpu_destroy(&v->vcpu);
	vcpu_free(v);
}

/* ------------------------------------------------------------------ scheduling */

/**
 * vcpu_put_at_switch() - vcpu_put_cpu() of a context switch: what others want to know of who
 * doesn't run. Preemption off.
 */
void vcpu_put_at_switch(struct vcpu_x86 *v)
{
	struct vcpu *vcpu = &v->vcpu;

	WRITE_ONCE(vcpu->in_kernel, hw_cpl(&v->hw) == 0);
	if (READ_ONCE(vcpu->preempted)) {
		vcpu->stats.preemption_reported++;
		pv_sched_out(v);
	}
}
