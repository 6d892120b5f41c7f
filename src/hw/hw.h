/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processor: everything that a backend must define, on one page. Three implementations: hw/svm,
 * hw/vmx, tests/unit/hw_fake.
 *
 * A backend knows VMCB or VMCS and nothing of ioctls, memslots or APICs. It enters the guest and
 * fills in the exit, a value on its caller's stack, decoded into the neutral terms below; it never
 * calls up. Hot functions are static inline in hw/<backend>/inline.h, which this header includes at
 * its end; the rest are ordinary functions. A backend that lacks one does not compile or link.
 *
 * Unless it says otherwise a function is called by the thread that has the vCPU loaded (hw_load()
 * done), preemption off or the preempt notifier armed; "IRQs off" is said where it is needed.
 * "Loaded" functions on VMX need the VMCS current.
 */
#ifndef HW_HW_H
#define HW_HW_H

#include <linux/kvm.h>
#include "core/types.h"
#ifdef HW_VMX
#include "hw/vmx/names.h"
#endif

/* ------------------------------------------------------------------ neutral vocabulary */

/* In the order in which instructions encode them. */
enum reg {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
	REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, NR_REGS,
};
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, NR_SEGS };

enum access { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_FETCH = 4, ACCESS_USER = 8 };

/* An event on its way into the guest, or interrupted on that way. */
enum event_kind {
	EVENT_NONE, EVENT_INTR, EVENT_NMI, EVENT_EXCEPTION, EVENT_SOFT_INTR, EVENT_SOFT_EXCEPTION,
	EVENT_PRIV_EXCEPTION,
};

struct hw_event {
	u8 kind;		/* enum event_kind */
	u8 vector;
	bool has_error;
	u8 insn_len;		/* of the INTn/INT3/INTO that raised a soft event; 0 unknown */
	u32 error;
};

enum exit_kind {
	/* a host interrupt is waiting: served when IRQs come on (VMX: by hw_handle_host_event()) */
	EXIT_INTR,
	EXIT_NMI,		/* a host NMI; already handled when hw_enter_guest() returns */
	EXIT_SMI,
	EXIT_INTR_WINDOW,	/* the guest can take an interrupt now */
	/* the guest can take an NMI now (SVM: is executing the IRET that will allow it) */
	EXIT_NMI_WINDOW,
	EXIT_EXCEPTION,	/* .event: the intercepted exception; .qual: #PF address or #DB DR6 bits */
	EXIT_CPUID, EXIT_HLT, EXIT_PAUSE, EXIT_INVD, EXIT_WBINVD, EXIT_RDTSC, EXIT_RDTSCP,
	EXIT_RDPMC, EXIT_MONITOR, EXIT_MWAIT, EXIT_XSETBV, EXIT_HYPERCALL, EXIT_INVLPG,
	EXIT_INVPCID, EXIT_RSM,
	EXIT_VIRT_INSN,		/* an instruction of SVM or VMX itself: #UD, as there are no nested guests */
	EXIT_CR_READ, EXIT_CR_WRITE,	/* .cr */
	EXIT_CLTS, EXIT_LMSW,	/* .cr.value is LMSW's operand when .cr.operand_known */
	EXIT_DR_READ, EXIT_DR_WRITE,	/* .dr */
	EXIT_MSR_READ, EXIT_MSR_WRITE,	/* index in RCX */
	EXIT_IO,		/* .io */
	EXIT_NPF,		/* nested page fault / EPT violation: .npf */
	/* an entry with a bit that the processor doesn't take: a bug of ours. .npf.gpa only */
	EXIT_NPF_MISCONFIG,
	EXIT_DESC_TABLE,	/* SGDT/SIDT/SLDT/STR/LGDT... intercepted: emulate */
	EXIT_TASK_SWITCH,	/* .task */
	EXIT_TRIPLE_FAULT,
	EXIT_TPR_BELOW_THRESHOLD,
	EXIT_APIC_ACCESS,	/* .npf: of the LAPIC's page */
	EXIT_APIC_WRITE, EXIT_EOI_INDUCED,	/* .apic */
	EXIT_PREEMPTION_TIMER, EXIT_PML_FULL, EXIT_MTF, EXIT_BUS_LOCK,
	EXIT_ENTRY_FAILED,	/* the CPU refused the guest state: .hw_reason */
	EXIT_UNKNOWN,		/* .hw_reason is the raw code */
	NR_EXIT_KINDS
};

/*
 * One exit. It lives on the run loop's stack, never in the vCPU, so that no later code can find a
 * stale one. insn_len 0 means: hardware didn't say, decode. A field of the union is set only by the
 * kinds that name it.
 */
struct hw_exit {
	u8 kind;		/* enum exit_kind */
	u8 insn_len;		/* bytes of the instruction that exited; 0 unknown */
	/* fetched by the hardware (decode assists) into insn_bytes; 0 none */
	u8 insn_bytes_len;
	/* an event whose delivery this exit interrupted: must be delivered again */
	struct hw_event vectoring;
	struct hw_event event;	/* EXIT_EXCEPTION */
	u64 hw_reason;		/* raw exit code, for traces and KVM_EXIT_UNKNOWN */
	u64 qual;		/* raw qualification / exitinfo2 */
	union {
		/* reg valid when operand_known */
		struct { u8 nr, reg; bool operand_known; u64 value; } cr;
		struct { u8 nr, reg; bool operand_known; } dr;
		/* .access: the three as struct kvm_run has them. rep and seg: of string */
		struct {
			union {
				struct { bool out; u8 size; u16 port; };
				u32 access;
			};
			bool string, rep;
			u8 seg;
		} io;
		/* access: enum access; in_walk: the guest's own page tables were being read */
		struct { gpa_t gpa; u32 access; bool present, in_walk; } npf;
		/* reason: 0 CALL 1 IRET 2 JMP 3 gate */
		struct { u16 selector; u8 reason; bool has_error; u32 error; } task;
		struct { u16 offset; u8 vector; } apic;	/* EXIT_APIC_WRITE; EXIT_EOI_INDUCED */
	};
	u8 insn_bytes[15];
};

/* ------------------------------------------------------------------ the module's life */

/*
 * What this processor can do; constant after hw_setup(). What isn't there is a false bit, never a
 * NULL function.
 */
struct hw_caps {
	u8 max_phys_bits;	/* guest physical address width that nested paging can translate */
	u8 tdp_levels;		/* 4 or 5 */
	bool tdp_1g, tdp_2m, tdp_ad;
	bool nrips;		/* the hardware says where the next instruction is */
	bool decode_assists, tsc_scaling, pause_filter, vgif, virtual_nmi, virtual_apic,
		virtual_x2apic, virtual_intr;
	/*
	 * CR4.UMIP works, without the CPU's: the instructions exit while it is set
	 * (EXIT_DESC_TABLE), but for SMSW
	 */
	bool emulated_umip;
	/* executable large pages can stop the machine, and the kernel wants that prevented */
	bool itlb_multihit;
	bool preemption_timer, pml, mtf, xsaves, bus_lock_exit, spec_ctrl_virt, tsc_aux_virt;
	u8 tsc_scaling_frac_bits;
	u64 max_tsc_scaling_ratio, default_tsc_scaling_ratio;
};
extern struct hw_caps hw_caps;

/**
 * hw_probe() - can this CPU be used? 0, or -EOPNOTSUPP (no such extension, firmware disabled it, no
 * nested paging), -EBUSY (in use by someone else on some CPU), with *@why one line for the log.
 * Process context.
 */
int hw_probe(const char **why);
/**
 * hw_setup() - allocate per-CPU areas and common bitmaps, fill hw_caps. May sleep. -ENOMEM, -EIO.
 */
int hw_setup(void);
void hw_teardown(void);
/**
 * hw_enable_cpu() - turn virtualization on on this CPU. IRQs off. -EBUSY when it is on already,
 * -EIO.
 */
int hw_enable_cpu(void);
/**
 * hw_disable_cpu() - turn it off. IRQs off; also from reboot: takes no lock, allocates nothing.
 */
void hw_disable_cpu(void);
/**
 * hw_crash_cpu() - the same when the kernel crashes. From an NMI or with IRQs off: what it came
 * upon, hw_enable_cpu() and hw_disable_cpu() among it, may be half done, and isn't gone on with.
 */
void hw_crash_cpu(void);
/** hw_cpu_compatible() - does this CPU have all that hw_setup() found on the first? IRQs off. */
bool hw_cpu_compatible(void);

/* ------------------------------------------------------------------ VM and vCPU */

struct hw_vm;			/* defined by the backend */
/*
 * defined by the backend; starts with u64 regs[NR_REGS], of which RSP (and on SVM RAX) may live
 * elsewhere
 */
struct hw_vcpu;

int hw_vm_init(struct hw_vm *vm);	/* may sleep; -ENOMEM */
void hw_vm_destroy(struct hw_vm *vm);
/**
 * hw_vcpu_create() - allocate VMCB/VMCS and bitmaps. May sleep; -ENOMEM. State is undefined until
 * hw_vcpu_reset().
 */
int hw_vcpu_create(struct hw_vcpu *hw, struct hw_vm *vm);
void hw_vcpu_destroy(struct hw_vcpu *hw);
/**
 * hw_vcpu_reset() - controls and guest state as after RESET (@init false) or INIT (@init true: what
 * INIT keeps is kept). Loaded. APM 2, 14.1.3; SDM 3A, 9.1.1.
 */
enum hw_reset { HW_RESET, HW_INIT };
void hw_vcpu_reset(struct hw_vcpu *hw, enum hw_reset how);

/**
 * hw_load() - this vCPU will run on this CPU. Preemption off. @scheduled_out: the same task had it
 * before on a context switch (host state that can't have changed may be kept).
 * true: it was on another CPU last, or another vCPU was here since, or the CPU has been off.
 */
static inline bool hw_load(struct hw_vcpu *hw, int cpu, bool scheduled_out);
/**
 * hw_put() - it will not for a while: give the CPU its host state back (MSRs, segments). Preemption
 * off.
 */
static inline void hw_put(struct hw_vcpu *hw, bool scheduled_out);
/**
 * hw_prepare_guest_switch() - once before the inner loop: what holds until IRQs are on again (host
 * state that entries need saved, MSRs). IRQs off. @thread_flags: of this moment.
 */
static inline void hw_prepare_guest_switch(struct hw_vcpu *hw, unsigned long thread_flags);

/**
 * hw_set_tdp_root() - root table of the nested paging, levels as hw_caps. Takes effect at next
 * entry; the caller flushes.
 */
void hw_set_tdp_root(struct hw_vcpu *hw, hpa_t root, int levels);

/* ------------------------------------------------------------------ the way of an exit */

/**
 * hw_enter_guest() - run the guest until it exits, and say in *@exit why. IRQs off; host
 * FPU/XCR0/PKRU business done by the caller. When it returns all host state that C code needs is
 * back, host debug registers too if they were switched by the backend, IRQs still off, NMIs
 * handled. Through a pointer, not as a return value: GCC makes two copies of a returned struct of
 * this size, though everything is inlined.
 */
static inline void hw_enter_guest(struct hw_vcpu *hw, struct hw_exit *exit);
/**
 * hw_begin_turn() - before the first hw_enter_guest() of a turn: what stays as it is as long as
 * IRQs are off. IRQs off, until hw_end_turn().
 */
static inline void hw_begin_turn(struct hw_vcpu *hw);
/**
 * hw_end_turn() - behind the last hw_enter_guest() of a turn, in the same function: before that
 * returns. What the guest has left in the processor to steer returns is gone then; functions called
 * in between may return. IRQs off.
 */
static inline void hw_end_turn(struct hw_vcpu *hw);
/**
 * hw_handle_host_event() - serve what EXIT_INTR announced before IRQs are on, where the CPU has
 * acknowledged it (VMX); nothing on SVM. IRQs off.
 */
static inline void hw_handle_host_event(struct hw_vcpu *hw, const struct hw_exit *exit);
/**
 * hw_cut_guest_time() - make the next entry exit at once, after injecting. VMX: timer to zero.
 * Returns false when the caller must send itself an IPI (folds to a constant on SVM). IRQs off.
 */
static inline bool hw_cut_guest_time(struct hw_vcpu *hw);

/* Registers. regs[] but for those that the VMCB/VMCS holds. */
static inline u64 hw_reg(struct hw_vcpu *hw, enum reg r);
static inline void hw_set_reg(struct hw_vcpu *hw, enum reg r, u64 val);
static inline u64 hw_rip(struct hw_vcpu *hw);
static inline void hw_set_rip(struct hw_vcpu *hw, u64 rip);
/** hw_in_64bit_code() - EFER.LMA and CS.L. */
static inline bool hw_in_64bit_code(struct hw_vcpu *hw);
/** hw_linear_rip() - where the next fetch is: the base of CS counts, but in 64-bit code. */
static inline u64 hw_linear_rip(struct hw_vcpu *hw);
/* without bits the backend added for stepping */
static inline u64 hw_rflags(struct hw_vcpu *hw);
static inline void hw_set_rflags(struct hw_vcpu *hw, u64 rflags);

/* Interrupt shadow (STI, MOV SS) and what may be injected. */
enum hw_shadow {
	SHADOW_NONE = 0, SHADOW_STI = KVM_X86_SHADOW_INT_STI,
	SHADOW_MOV_SS = KVM_X86_SHADOW_INT_MOV_SS,
};
static inline u32 hw_shadow(struct hw_vcpu *hw);
static inline void hw_set_shadow(struct hw_vcpu *hw, u32 shadow);
/** hw_intr_allowed() - RFLAGS.IF set, no shadow, (nested later). */
static inline bool hw_intr_allowed(struct hw_vcpu *hw);
/** hw_nmi_allowed() - NMIs not masked by one in service, no shadow. */
bool hw_nmi_allowed(struct hw_vcpu *hw);
bool hw_nmi_masked(struct hw_vcpu *hw);
void hw_set_nmi_masked(struct hw_vcpu *hw, bool masked);
/**
 * hw_inject() - deliver @ev at the next entry. At most one per entry; a second replaces the first.
 * Soft events resume after the instruction as @ev->insn_len says.
 */
void hw_inject(struct hw_vcpu *hw, const struct hw_event *ev);
/**
 * hw_inject_intr() - hw_inject() of an external interrupt, when nothing else has been since the
 * last entry.
 */
static inline void hw_inject_intr(struct hw_vcpu *hw, u8 vector);
/**
 * hw_cancel_injection() - take an event that was not delivered back (entry given up). Returns it
 * (EVENT_NONE if there was none).
 */
struct hw_event hw_cancel_injection(struct hw_vcpu *hw);
/**
 * hw_request_intr_window(), hw_request_nmi_window() - exit as soon as the guest could take one.
 * Cleared by the backend when the window exit comes.
 */
void hw_request_intr_window(struct hw_vcpu *hw);
void hw_request_nmi_window(struct hw_vcpu *hw);
/**
 * hw_nmi_window_step() - SVM: the IRET of EXIT_NMI_WINDOW is about to run; step over it, then NMIs
 * are open. VMX: nothing.
 */
void hw_nmi_window_step(struct hw_vcpu *hw);

/** hw_set_tpr() / hw_tpr() - CR8 as hardware holds it (V_TPR; VMX: virtual-APIC page). 0..15. */
static inline void hw_set_tpr(struct hw_vcpu *hw, u8 cr8);
static inline u8 hw_tpr(struct hw_vcpu *hw);
/**
 * hw_set_tpr_threshold() - exit when the guest lowers CR8 so that priority class @irr_class (0:
 * none) could be taken. SVM: intercepts CR8 writes while it is non-zero.
 */
static inline void hw_set_tpr_threshold(struct hw_vcpu *hw, u8 irr_class);

/*
 * The processor's own log of the pages that the guest writes, where hw_caps.pml: an entry for each
 * dirty bit that it sets in the nested page tables. hw_set_dirty_log() - turn it on or off. What is
 * logged by then has been taken. hw_take_dirty_log() - how many guest-physical addresses were
 * logged since the last time; *@gpas is where they are until the next entry. After each turn in the
 * guest: the log is short, and EXIT_PML_FULL says that it has no more room. Folds to 0 without such
 * a log. IRQs off.
 */
void hw_set_dirty_log(struct hw_vcpu *hw, bool on);
static inline u32 hw_take_dirty_log(struct hw_vcpu *hw, const u64 **gpas);

/*
 * Hardware APIC virtualization. hw_caps.virtual_apic: the guest's accesses to its LAPIC find @regs,
 * the page of its registers, as far as the CPU can do them by itself. The others exit:
 * EXIT_APIC_ACCESS, nothing has been done; EXIT_APIC_WRITE, the register is written and what
 * follows from it is to be done; or as accesses to an MSR. hw_caps.virtual_intr: HW_APIC_DELIVERS,
 * the CPU also delivers and ends interrupts: IRR, ISR and PPR of the page are its own while the
 * guest runs.
 */
enum hw_apic { HW_APIC_NONE, HW_APIC_XAPIC, HW_APIC_X2APIC };
enum hw_apic_delivery { HW_APIC_INJECTED, HW_APIC_DELIVERS };
/**
 * hw_set_virtual_apic() - @mode HW_APIC_NONE: accesses are as without, and @regs may be NULL. Only
 * as hw_caps allows. The TPR threshold is 0 after it.
 */
void hw_set_virtual_apic(struct hw_vcpu *hw, void *regs, enum hw_apic mode,
			 enum hw_apic_delivery delivery);
/**
 * hw_apic_page() - where a LAPIC in xAPIC mode must be mapped in guest memory for that; 0: the CPU
 * can't.
 */
hpa_t hw_apic_page(struct hw_vm *vm);
/**
 * hw_set_rvi_svi() - HW_APIC_DELIVERS: the highest vectors in IRR (that the guest may take) and in
 * ISR; -1: none. Before the next entry whenever software has changed one of them.
 */
void hw_set_rvi_svi(struct hw_vcpu *hw, int rvi, int svi);
/**
 * hw_set_eoi_exits() - HW_APIC_DELIVERS: vectors whose end exits (EXIT_EOI_INDUCED); it is done
 * when it does.
 */
void hw_set_eoi_exits(struct hw_vcpu *hw, const u64 bitmap[4]);

/* ------------------ guest state, any time the vCPU is loaded */

u64 hw_cr0(struct hw_vcpu *hw);		/* as the guest sees it */
/**
 * hw_cr2(), hw_set_cr2() - the page-fault address; switched with the guest by the backend (SVM:
 * VMCB; VMX: the entry code).
 */
u64 hw_cr2(struct hw_vcpu *hw);
void hw_set_cr2(struct hw_vcpu *hw, u64 cr2);
static inline u64 hw_cr3(struct hw_vcpu *hw);
/**
 * hw_set_pdptrs() - the four page-directory pointers, whenever software makes PAE paging begin or
 * changes its CR3. SVM reads them from memory itself.
 */
void hw_set_pdptrs(struct hw_vcpu *hw, const u64 pdptrs[4]);
u64 hw_cr4(struct hw_vcpu *hw);
/** hw_la57() - CR4 & X86_CR4_LA57, which doesn't change without an exit: the processor isn't asked. */
static inline u64 hw_la57(const struct hw_vcpu *hw);
u64 hw_efer(struct hw_vcpu *hw);
/*
 * The caller has checked validity by the manuals' rules (vcpu/cr.c); these only make it so. LMA is
 * kept by the caller in EFER.
 */
void hw_set_cr0(struct hw_vcpu *hw, u64 cr0);
void hw_set_cr3(struct hw_vcpu *hw, u64 cr3);
void hw_set_cr4(struct hw_vcpu *hw, u64 cr4);
void hw_set_efer(struct hw_vcpu *hw, u64 efer);
void hw_get_segment(struct hw_vcpu *hw, enum seg seg, struct kvm_segment *out);
void hw_set_segment(struct hw_vcpu *hw, enum seg seg, const struct kvm_segment *in);
static inline u8 hw_cpl(struct hw_vcpu *hw);
void hw_get_gdt(struct hw_vcpu *hw, struct kvm_dtable *out);
void hw_set_gdt(struct hw_vcpu *hw, const struct kvm_dtable *in);
void hw_get_idt(struct hw_vcpu *hw, struct kvm_dtable *out);
void hw_set_idt(struct hw_vcpu *hw, const struct kvm_dtable *in);

/*
 * Debug registers: @dr7 as the guest's or the debugger's effective one; intercepts are chosen by
 * hw_set_dr_intercept(). DR0-3 are switched by the run loop (they aren't in the VMCB/VMCS).
 */
u64 hw_dr6(struct hw_vcpu *hw);
void hw_set_dr6(struct hw_vcpu *hw, u64 dr6);
void hw_set_dr7(struct hw_vcpu *hw, u64 dr7);
u64 hw_dr7(struct hw_vcpu *hw);
void hw_set_dr_intercept(struct hw_vcpu *hw, bool intercept);
/** hw_set_exception_intercepts() - bitmap by vector; the backend adds what it needs itself. */
void hw_set_exception_intercepts(struct hw_vcpu *hw, u32 bitmap);
/**
 * hw_set_single_step() - trap after each guest instruction (RFLAGS.TF, hidden from hw_rflags()).
 */
void hw_set_single_step(struct hw_vcpu *hw, bool on);

/* Intercepts that policy turns on and off. */
enum hw_intercept {
	INTERCEPT_INSN_HLT, INTERCEPT_INSN_PAUSE, INTERCEPT_INSN_MWAIT, INTERCEPT_INSN_RDTSC,
	INTERCEPT_INSN_INVPCID, INTERCEPT_INSN_RDPMC,
	INTERCEPT_INSN_CR8_WRITE /* every one, for who doesn't use hw_set_tpr_threshold() */
};
void hw_set_intercept(struct hw_vcpu *hw, enum hw_intercept what, bool on);
/**
 * hw_set_insns() - instructions that the guest has according to its CPUID. One that it hasn't is
 * #UD, or exits with the kind of its name.
 */
enum hw_insn { INSN_RDTSCP = 1 /* and RDPID */, INSN_INVPCID = 2, INSN_XSAVES = 4 };
void hw_set_insns(struct hw_vcpu *hw, u32 insns);
void hw_set_pause_window(struct hw_vcpu *hw, u32 gap, u32 window);
u32 hw_pause_window(struct hw_vcpu *hw);

/*
 * MSRs that the processor holds for the guest (STAR, LSTAR, SYSENTER_*, FS/GS/KERNEL_GS base, PAT,
 * SPEC_CTRL, TSC_AUX, DEBUGCTL...). hw_get_msr(): 0 and *val, or -ENOENT when this MSR isn't the
 * backend's. hw_set_msr(): the same; the caller has checked the value.
 */
int hw_get_msr(struct hw_vcpu *hw, u32 msr, u64 *val);
int hw_set_msr(struct hw_vcpu *hw, u32 msr, u64 val);
/**
 * hw_tsc_aux() - the guest's TSC_AUX, which the caller loads before an entry unless
 * hw_caps.tsc_aux_virt.
 */
static inline u64 hw_tsc_aux(const struct hw_vcpu *hw);
/**
 * hw_set_msr_intercept() - does the guest's own access exit? @access: ACCESS_READ | ACCESS_WRITE
 * bits that shall exit; the others pass.
 */
void hw_set_msr_intercept(struct hw_vcpu *hw, u32 msr, u32 access);
/*
 * HW_SYSCALL_MSRS_EXIT: the accesses to STAR, LSTAR, CSTAR and SFMASK that exit although nobody
 * asked for it; the backend's own header may say fewer.
 */

/* TSC: guest TSC = host TSC * ratio + offset. */
void hw_set_tsc_offset(struct hw_vcpu *hw, u64 offset);
void hw_set_tsc_ratio(struct hw_vcpu *hw, u64 ratio);
/**
 * hw_use_preemption_timer() - may this vCPU use it, where hw_caps.preemption_timer? Otherwise
 * hw_cut_guest_time() leaves it to its caller.
 */
void hw_use_preemption_timer(struct hw_vcpu *hw, bool use);
/**
 * hw_set_preemption_timer() - exit when the host's TSC has this value, or it is past; ~0 off.
 * -EOPNOTSUPP: no such timer, -ERANGE: too far; off then.
 */
int hw_set_preemption_timer(struct hw_vcpu *hw, u64 host_tsc);

/**
 * hw_expect_mov() - a hint: the exit is probably of an instruction that is known and will be
 * skipped. VMX reads then in one go what that takes: RIP, RFLAGS, the shadow and CR3. IRQs off.
 */
static inline void hw_expect_mov(struct hw_vcpu *hw);

/* Guest translations, at the next entry of this vCPU. */
void hw_flush_tlb_all(struct hw_vcpu *hw);
void hw_flush_tlb_gva(struct hw_vcpu *hw, gva_t gva);
/**
 * hw_flush_tlb_cpu() - every guest translation of every VM on this CPU (new root ids, ASID wrap).
 * IRQs off.
 */
void hw_flush_tlb_cpu(void);
/** hw_dump() - the raw VMCB/VMCS into the log, rate limited; VMX: once per VM. */
void hw_dump(struct hw_vcpu *hw);

/*
 * Nested page-table entries: the bits differ (NPT has the format of ordinary page tables, EPT its
 *	own); tdp_entry.h of the MMU is built on these. u64 hw_tdp_leaf(hpa_t pa, int level, u32
 *	perms, enum hw_memtype type)   perms: ACCESS_*; level 1 4K, 2 2M, 3 1G u64
 *	hw_tdp_allow_exec(u64 leaf)         a present one, made without ACCESS_FETCH
 *	u64 hw_tdp_table(hpa_t pa) bits: HW_TDP_PRESENT_MASK HW_TDP_WRITE HW_TDP_EXEC (or HW_TDP_NX)
 *	HW_TDP_ACCESSED HW_TDP_DIRTY HW_TDP_LARGE HW_TDP_SOFT0..SOFT3 (ignored by hardware when
 *	present), HW_TDP_PA_MASK
 */
enum hw_memtype { HW_MEM_WB, HW_MEM_UC, HW_MEM_WC };

#if defined(HW_SVM)
#include "hw/svm/inline.h"
#elif defined(HW_VMX)
#include "hw/vmx/inline.h"
#elif defined(HW_FAKE)
#include "hw_fake.h"
#else
#error "choose one backend: -DHW_SVM, -DHW_VMX or -DHW_FAKE"
#endif

#ifndef HW_SYSCALL_MSRS_EXIT
#define HW_SYSCALL_MSRS_EXIT (ACCESS_READ | ACCESS_WRITE)
#endif

#endif
