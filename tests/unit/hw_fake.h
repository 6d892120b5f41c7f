/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The third processor of hw/hw.h: one that does what the test's script says. Included by hw/hw.h under -DHW_FAKE.
 */
#ifndef HW_FAKE_H
#define HW_FAKE_H

#include <linux/bug.h>

struct hw_vm {
	int created;
	char apic_page[4096] __attribute__((aligned(4096)));
};

#define FAKE_MSRS	32

struct hw_vcpu {
	u64 regs[NR_REGS];
	u64 rip, rflags;
	u64 cr0, cr2, cr3, cr4, efer, dr6, dr7, pdptrs[4];
	struct kvm_segment segs[NR_SEGS];
	struct kvm_dtable gdt, idt;
	u32 shadow;
	u8 tpr, tpr_threshold;
	bool nmi_masked, intr_window, nmi_window, single_step, dr_intercept, loaded, cut;
	struct hw_event injected;	/* what the next entry will deliver */
	bool use_timer;
	u64 timer, timer_reach;		/* of the preemption timer: host TSC, ~0 off; how far ahead it can be */
	void *apic_regs;		/* APIC virtualization, as it was asked for */
	enum hw_apic apic_mode;
	bool apic_delivers;
	int rvi, svi;
	unsigned int rvi_writes;
	u64 eoi_exits[4];
	hpa_t tdp_root;
	int tdp_levels;
	u32 exception_intercepts, intercepts, pause_gap, pause_window;
	u64 tsc_offset, tsc_ratio;
	u32 insns;			/* enum hw_insn */
	bool dirty_log;			/* hw_set_dirty_log(); the script logs into dirty[] */
	u64 dirty[512];
	u32 nr_dirty;
	struct { u32 index; u64 value; u32 intercept; } msr[FAKE_MSRS];
	u32 nr_msrs;
	unsigned int flushes, gva_flushes, entries, prepared;
	/* The script: each entry calls this, with what was injected taken away first. */
	struct hw_exit (*script)(struct hw_vcpu *hw, const struct hw_event *delivered);
	void *script_data;
};

static inline void hw_enter_guest(struct hw_vcpu *hw, struct hw_exit *exit)
{
	struct hw_event delivered = hw->injected;

	hw->entries++;
	hw->injected.kind = EVENT_NONE;
	*exit = hw->script(hw, &delivered);
	/* SDM 3C, 28.3.3: the instruction is to be executed again, once its breakpoint was met. */
	if ((BIT_ULL(exit->kind) & (BIT_ULL(EXIT_NPF) | BIT_ULL(EXIT_NPF_MISCONFIG) | BIT_ULL(EXIT_APIC_ACCESS) | BIT_ULL(EXIT_PML_FULL))) &&
	    exit->vectoring.kind == EVENT_NONE)
		hw->rflags |= X86_EFLAGS_RF;
}

static inline void hw_begin_turn(struct hw_vcpu *hw)
{
}

static inline void hw_expect_mov(struct hw_vcpu *hw)
{
}

static inline void hw_end_turn(struct hw_vcpu *hw)
{
}

static inline bool hw_load(struct hw_vcpu *hw, int cpu, bool scheduled_out)
{
	(void)cpu, (void)scheduled_out;
	hw->loaded = true;
	return true;
}

static inline void hw_put(struct hw_vcpu *hw, bool scheduled_out)
{
	(void)scheduled_out;
	hw->loaded = false;
}

static inline void hw_prepare_guest_switch(struct hw_vcpu *hw, unsigned long thread_flags)
{
	if (!irqs_disabled())
		BUG();
	hw->prepared++;
}

static inline u64 hw_tsc_aux(const struct hw_vcpu *hw)
{
	u32 i;

	for (i = 0; i < hw->nr_msrs; i++)
		if (hw->msr[i].index == MSR_TSC_AUX)
			return hw->msr[i].value;
	return 0;
}

static inline void hw_handle_host_event(struct hw_vcpu *hw, const struct hw_exit *exit)
{
	(void)hw, (void)exit;
}

static inline u32 hw_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas)
{
	u32 n = hw->nr_dirty;

	hw->nr_dirty = 0;
	*gpas = hw->dirty;
	return n;
}

static inline bool hw_cut_guest_time(struct hw_vcpu *hw)
{
	hw->cut = true;
	return false;
}

static inline u64 hw_reg(struct hw_vcpu *hw, enum reg r)
{
	return hw->regs[r];
}

static inline void hw_set_reg(struct hw_vcpu *hw, enum reg r, u64 val)
{
	hw->regs[r] = val;
}

static inline u64 hw_rip(struct hw_vcpu *hw)
{
	return hw->rip;
}

static inline void hw_set_rip(struct hw_vcpu *hw, u64 rip)
{
	hw->rip = rip;
}

static inline bool hw_in_64bit_code(struct hw_vcpu *hw)
{
	return (hw->efer & 0x400) && hw->segs[SEG_CS].l;
}

static inline u64 hw_linear_rip(struct hw_vcpu *hw)
{
	return hw_in_64bit_code(hw) ? hw->rip : (u32)(hw->segs[SEG_CS].base + hw->rip);
}

static inline u64 hw_cr3(struct hw_vcpu *hw)
{
	return hw->cr3;
}

static inline u64 hw_la57(const struct hw_vcpu *hw)
{
	return hw->cr4 & X86_CR4_LA57;
}

static inline u64 hw_rflags(struct hw_vcpu *hw)
{
	return hw->rflags;
}

static inline void hw_set_rflags(struct hw_vcpu *hw, u64 rflags)
{
	hw->rflags = rflags;
}

static inline u32 hw_shadow(struct hw_vcpu *hw)
{
	return hw->shadow;
}

static inline void hw_set_shadow(struct hw_vcpu *hw, u32 shadow)
{
	hw->shadow = shadow;
}

static inline bool hw_intr_allowed(struct hw_vcpu *hw)
{
	return hw->rflags & 0x200 && !hw->shadow;
}

static inline void hw_inject_intr(struct hw_vcpu *hw, u8 vector)
{
	SHIM_ASSERT(hw->injected.kind == EVENT_NONE);
	hw->injected = (struct hw_event) { .kind = EVENT_INTR, .vector = vector };
}

static inline void hw_set_tpr(struct hw_vcpu *hw, u8 cr8)
{
	hw->tpr = cr8;
}

static inline u8 hw_tpr(struct hw_vcpu *hw)
{
	return hw->tpr;
}

static inline void hw_set_tpr_threshold(struct hw_vcpu *hw, u8 irr_class)
{
	hw->tpr_threshold = irr_class;
}

static inline u8 hw_cpl(struct hw_vcpu *hw)
{
	return hw->segs[SEG_SS].dpl;
}

/* Nested page tables in the format of NPT (APM 2, 15.25.5). */
#define HW_TDP_PRESENT_MASK	0x1ull
#define HW_TDP_WRITE		0x2ull
#define HW_TDP_USER		0x4ull
#define HW_TDP_ACCESSED		0x20ull
#define HW_TDP_DIRTY		0x40ull
#define HW_TDP_LARGE		0x80ull
#define HW_TDP_SOFT0		(1ull << 9)
#define HW_TDP_SOFT1		(1ull << 10)
#define HW_TDP_SOFT2		(1ull << 11)
#define HW_TDP_SOFT3		(1ull << 52)
#define HW_TDP_NX		(1ull << 63)
#define HW_TDP_PA_MASK		0x000ffffffffff000ull

static inline u64 hw_tdp_leaf(hpa_t pa, int level, u32 perms, enum hw_memtype type)
{
	u64 e = pa | HW_TDP_PRESENT_MASK | HW_TDP_USER;

	if (level > 1)
		e |= HW_TDP_LARGE;
	if (perms & ACCESS_WRITE)
		e |= HW_TDP_WRITE;
	if (!(perms & ACCESS_FETCH))
		e |= HW_TDP_NX;
	if (type != HW_MEM_WB)
		e |= 0x18;
	return e;
}

static inline u64 hw_tdp_allow_exec(u64 val)
{
	return val & ~HW_TDP_NX;
}

static inline u64 hw_tdp_table(hpa_t pa)
{
	return pa | HW_TDP_PRESENT_MASK | HW_TDP_WRITE | HW_TDP_USER | HW_TDP_ACCESSED;
}

#endif
