// SPDX-License-Identifier: GPL-2.0-only
/* The functions of hw/hw.h that aren't inline, for the scripted processor. */
#include <linux/errno.h>
#include "hw/hw.h"

struct hw_caps hw_caps = {
	.max_phys_bits = 48, .tdp_levels = 4, .tdp_1g = true, .tdp_2m = true, .tdp_ad = true, .nrips = true,
};

int hw_probe(const char **why)
{
	*why = NULL;
	return 0;
}

int hw_setup(void)
{
	return 0;
}

void hw_teardown(void)
{
}

int hw_enable_cpu(void)
{
	return 0;
}

void hw_disable_cpu(void)
{
}

void hw_crash_cpu(void)
{
}

bool hw_cpu_compatible(void)
{
	return true;
}

int hw_vm_init(struct hw_vm *vm)
{
	vm->created++;
	return 0;
}

void hw_vm_destroy(struct hw_vm *vm)
{
	vm->created--;
}

int hw_vcpu_create(struct hw_vcpu *hw, struct hw_vm *vm)
{
	(void)vm;
	memset(hw, 0, sizeof(*hw));
	return 0;
}

void hw_vcpu_destroy(struct hw_vcpu *hw)
{
	(void)hw;
}

/* APM 2, 14.1.3: real mode at F000:FFF0. */
void hw_vcpu_reset(struct hw_vcpu *hw, enum hw_reset how)
{
	(void)how;
	memset(hw->regs, 0, sizeof(hw->regs));
	hw->rip = 0xfff0;
	hw->rflags = 2;
	hw->cr0 = 0x60000010;
	hw->cr3 = hw->cr4 = hw->efer = 0;
	for (int i = 0; i < NR_SEGS; i++)
		hw->segs[i] = (struct kvm_segment) { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	hw->segs[SEG_CS].selector = 0xf000;
	hw->segs[SEG_CS].base = 0xffff0000;
	hw->segs[SEG_CS].type = 11;
	hw->gdt.limit = hw->idt.limit = 0xffff;
	hw->dr6 = 0xffff0ff0;
	hw->dr7 = 0x400;
	hw->injected.kind = EVENT_NONE;
	hw->shadow = 0;
	hw->nmi_masked = false;
}

void hw_set_tdp_root(struct hw_vcpu *hw, hpa_t root, int levels)
{
	hw->tdp_root = root;
	hw->tdp_levels = levels;
}

bool hw_nmi_allowed(struct hw_vcpu *hw)
{
	return !hw->nmi_masked && !hw->shadow;
}

bool hw_nmi_masked(struct hw_vcpu *hw)
{
	return hw->nmi_masked;
}

void hw_set_nmi_masked(struct hw_vcpu *hw, bool masked)
{
	hw->nmi_masked = masked;
}

void hw_inject(struct hw_vcpu *hw, const struct hw_event *ev)
{
	hw->injected = *ev;
}

struct hw_event hw_cancel_injection(struct hw_vcpu *hw)
{
	struct hw_event ev = hw->injected;

	hw->injected.kind = EVENT_NONE;
	return ev;
}

void hw_request_intr_window(struct hw_vcpu *hw)
{
	hw->intr_window = true;
}

void hw_request_nmi_window(struct hw_vcpu *hw)
{
	hw->nmi_window = true;
}

void hw_nmi_window_step(struct hw_vcpu *hw)
{
	hw->nmi_masked = false;
}

void hw_set_virtual_apic(struct hw_vcpu *hw, void *regs, enum hw_apic mode, enum hw_apic_delivery delivery)
{
	hw->apic_regs = regs;
	hw->apic_mode = mode;
	hw->apic_delivers = delivery == HW_APIC_DELIVERS;
	hw->tpr_threshold = 0;
}

hpa_t hw_apic_page(struct hw_vm *vm)
{
	return hw_caps.virtual_apic ? (hpa_t)(unsigned long)vm->apic_page : 0;
}

void hw_set_insns(struct hw_vcpu *hw, u32 insns)
{
	hw->insns = insns;
}

void hw_set_dirty_log(struct hw_vcpu *hw, bool on)
{
	hw->dirty_log = on;
}

void hw_set_rvi_svi(struct hw_vcpu *hw, int rvi, int svi)
{
	hw->rvi = rvi;
	hw->svi = svi;
	hw->rvi_writes++;
}

void hw_set_eoi_exits(struct hw_vcpu *hw, const u64 bitmap[4])
{
	memcpy(hw->eoi_exits, bitmap, sizeof(hw->eoi_exits));
}

u64 hw_cr0(struct hw_vcpu *hw)
{
	return hw->cr0;
}

u64 hw_cr2(struct hw_vcpu *hw)
{
	return hw->cr2;
}

void hw_set_cr2(struct hw_vcpu *hw, u64 cr2)
{
	hw->cr2 = cr2;
}

u64 hw_cr4(struct hw_vcpu *hw)
{
	return hw->cr4;
}

u64 hw_efer(struct hw_vcpu *hw)
{
	return hw->efer;
}

void hw_set_cr0(struct hw_vcpu *hw, u64 cr0)
{
	hw->cr0 = cr0;
}

void hw_set_cr3(struct hw_vcpu *hw, u64 cr3)
{
	hw->cr3 = cr3;
}

void hw_set_cr4(struct hw_vcpu *hw, u64 cr4)
{
	hw->cr4 = cr4;
}

void hw_set_efer(struct hw_vcpu *hw, u64 efer)
{
	hw->efer = efer;
}

void hw_get_segment(struct hw_vcpu *hw, enum seg seg, struct kvm_segment *out)
{
	*out = hw->segs[seg];
}

void hw_set_segment(struct hw_vcpu *hw, enum seg seg, const struct kvm_segment *in)
{
	hw->segs[seg] = *in;
}

void hw_get_gdt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	*out = hw->gdt;
}

void hw_set_gdt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	hw->gdt = *in;
}

void hw_get_idt(struct hw_vcpu *hw, struct kvm_dtable *out)
{
	*out = hw->idt;
}

void hw_set_idt(struct hw_vcpu *hw, const struct kvm_dtable *in)
{
	hw->idt = *in;
}

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
	return hw->dr7;
}

void hw_set_dr7(struct hw_vcpu *hw, u64 dr7)
{
	hw->dr7 = dr7;
}

void hw_set_dr_intercept(struct hw_vcpu *hw, bool intercept)
{
	hw->dr_intercept = intercept;
}

void hw_set_exception_intercepts(struct hw_vcpu *hw, u32 bitmap)
{
	hw->exception_intercepts = bitmap;
}

void hw_set_single_step(struct hw_vcpu *hw, bool on)
{
	hw->single_step = on;
}

void hw_set_intercept(struct hw_vcpu *hw, enum hw_intercept what, bool on)
{
	if (on)
		hw->intercepts |= 1u << what;
	else
		hw->intercepts &= ~(1u << what);
}

void hw_set_pause_window(struct hw_vcpu *hw, u32 gap, u32 window)
{
	hw->pause_gap = gap;
	hw->pause_window = window;
}

u32 hw_pause_window(struct hw_vcpu *hw)
{
	return hw->pause_window;
}

static int fake_msr(struct hw_vcpu *hw, u32 msr)
{
	for (u32 i = 0; i < hw->nr_msrs; i++)
		if (hw->msr[i].index == msr)
			return (int)i;
	return -ENOENT;
}

/* The test says which MSRs the processor has by filling hw->msr. */
int hw_get_msr(struct hw_vcpu *hw, u32 msr, u64 *val)
{
	int i = fake_msr(hw, msr);

	if (i < 0)
		return i;
	*val = hw->msr[i].value;
	return 0;
}

int hw_set_msr(struct hw_vcpu *hw, u32 msr, u64 val)
{
	int i = fake_msr(hw, msr);

	if (i < 0)
		return i;
	hw->msr[i].value = val;
	return 0;
}

void hw_set_msr_intercept(struct hw_vcpu *hw, u32 msr, u32 access)
{
	int i = fake_msr(hw, msr);

	if (i >= 0)
		hw->msr[i].intercept = access;
}

void hw_set_tsc_offset(struct hw_vcpu *hw, u64 offset)
{
	hw->tsc_offset = offset;
}

void hw_set_tsc_ratio(struct hw_vcpu *hw, u64 ratio)
{
	hw->tsc_ratio = ratio;
}

void hw_use_preemption_timer(struct hw_vcpu *hw, bool use)
{
	hw->use_timer = use && hw_caps.preemption_timer;
}

int hw_set_preemption_timer(struct hw_vcpu *hw, u64 host_tsc)
{
	if (!hw->use_timer)
		return -EOPNOTSUPP;
	hw->timer = ~0ull;
	if (host_tsc != ~0ull && host_tsc > rdtsc() && host_tsc - rdtsc() > hw->timer_reach)
		return -ERANGE;
	hw->timer = host_tsc;
	return 0;
}

void hw_flush_tlb_all(struct hw_vcpu *hw)
{
	hw->flushes++;
}

void hw_flush_tlb_gva(struct hw_vcpu *hw, gva_t gva)
{
	(void)gva;
	hw->gva_flushes++;
}

void hw_flush_tlb_cpu(void)
{
}

void hw_dump(struct hw_vcpu *hw)
{
	(void)hw;
}

void hw_set_pdptrs(struct hw_vcpu *hw, const u64 pdptrs[4])
{
	memcpy(hw->pdptrs, pdptrs, sizeof(hw->pdptrs));
}
