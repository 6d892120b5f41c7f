/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 VM and vCPU, and the life of a vCPU: create, load/put, run loop, exits, events, requests,
 * blocking, CPUID, MSRs, clocks, PV, state.
 */
#ifndef VCPU_VCPU_H
#define VCPU_VCPU_H

#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/fpu/api.h>
#include <asm/pvclock-abi.h>
#include "core/vm.h"
#include "hw/hw.h"
#include "irqchip/lapic_inline.h"
#include "mmu/tdp.h"
#include "emulate/emulate.h"
#include "vcpu/mov.h"

struct kvm_clock_snapshot {	/* VM-wide pairing of host TSC and kvmclock time; vcpu/clock.c */
	u64 host_tsc, boot_ns;
	bool stable;	/* all vCPUs' TSCs match and the host clocksource is the TSC */
};

struct vm_x86 {
	struct vm vm;			/* first: container_of both ways */
	struct hw_vm hw;
	struct mmu mmu;
	struct irqchip irqchip;

	raw_spinlock_t tsc_lock;	/* the fields of the TSC below */
	/* of the newest TSC that a VMM wrote, or the first vCPU's; what a new vCPU gets */
	u64 tsc_last_offset;
	bool tsc_written, tsc_restored;	/* there is one; it is a VMM's */
	/* vcpu/clock.c: so much of what the host's TSC lost is in tsc_last_offset */
	s64 tsc_lost_seen;
	struct list_head clock_link;	/* vcpu/clock.c: all VMs */
	u32 default_tsc_khz;
	s64 kvmclock_offset;		/* kvmclock = boot time + offset */
	seqcount_raw_spinlock_t clock_seq;
	struct kvm_clock_snapshot clock;
	gpa_t wall_clock;

	/* KVM_ENABLE_CAP and friends; set under vm.lock, read with READ_ONCE */
	u64 disabled_quirks;
	u32 disabled_exits;		/* KVM_CAP_X86_DISABLE_EXITS; fixed once there is a vCPU */
	u32 user_space_msr_mask;	/* KVM_CAP_X86_USER_SPACE_MSR */
	struct msr_filter __rcu *msr_filter;
	bool exception_payload, triple_fault_event, exit_on_emulation_error;
	u32 apic_bus_ns;	/* APIC_BUS_NS_DEFAULT, or as KVM_CAP_X86_APIC_BUS_CYCLES_NS */
	gpa_t identity_map, tss_addr;
	u32 last_boosted;		/* index of the vCPU that a spinner last gave its time to */
};

/*
 * Where in vcpu_x86.cpuid a function's entries start: indexed by two bits at the top of the
 * function (0, 0x40000000, 0x80000000) and five at its end, so that no bound need be checked. The
 * entry found may be another function's that shares the slot.
 */
#define CPUID_NO_ENTRY	0xff
/* so that an entry's number fits the index; KVM_CPUID_MAX */
#define VCPU_MAX_CPUID_ENTRIES	255
#define CPUID_SLOT(function)	((function) >> 30 << 5 | ((function) & 31))

/* One exception with its payload, as KVM_GET/SET_VCPU_EVENTS sees it. */
struct queued_exception {
	bool pending, injected, has_error, has_payload;
	u8 vector;
	/*
	 * of the INT3, INTO or INT1 whose delivery was interrupted; 0: none, or it is behind RIP
	 * already
	 */
	u8 insn_len;
	u32 error;
	u64 payload;			/* #PF: CR2, #DB: DR6 bits */
};

/* What a user-space exit must finish when KVM_RUN comes back. */
enum user_completion {
	COMPLETE_NOTHING, COMPLETE_EMULATION, COMPLETE_MOV, COMPLETE_MSR_READ, COMPLETE_MSR_WRITE,
	COMPLETE_PIO_IN, COMPLETE_PIO_OUT,
};

/*
 * What KVM_RUN has still to do for an access that the VMM was asked for, if it is the next ioctl of
 * this vCPU. Then nobody can have changed anything of it since: RIP is where it was, in the same
 * kind of code, no debugger has come, and the vCPU is runnable. Any other ioctl makes a
 * .completion of it first (vcpu_settle()), which takes nothing for granted.
 */
enum awaited {
	AWAIT_NOTHING,
	AWAIT_OUT, AWAIT_IN,		/* OUT, STORE: that it was done, and no more */
	AWAIT_STORE, AWAIT_LOAD,	/* IN, LOAD: a value */
};

struct vcpu_x86 {
	struct vcpu vcpu;		/* first */
	struct hw_vcpu hw;
	struct lapic apic;		/* apic.regs NULL: no in-kernel LAPIC */
	bool has_apic;

	/* Events (vcpu/events.c). All by the vCPU's thread or under vcpu.mutex. */
	struct queued_exception exception;
	bool nmi_injected;	/* beside the next: they are forgotten at once */
	struct { bool injected; u8 vector; bool soft; u8 insn_len; } interrupt;
	u32 nmi_pending;		/* latched from apic.nmi_pending / KVM_NMI, at most 2 */
	atomic_t nmi_queued;		/* by other threads */
	int user_irq;			/* KVM_INTERRUPT without irqchip; -1 none */
	u32 mp_state;
	bool pv_unhalted;	/* KVM_HC_KICK_CPU came: the next halt, or this one, is over */
	u8 eoi_exit_vector;		/* what REQ_IOAPIC_EOI_EXIT tells the VMM */
	/* the self-IPI of cut_guest_time, where the hardware has no timer for it */
	struct irq_work cut_work;
	u64 cr8, user_apic_base;	/* without in-kernel LAPIC */

	/*
	 * What most turns of the run loop haven't to do: the usual turn asks for all of it at once
	 * (.rare). vCPU's thread or vcpu.mutex.
	 */
	union {
		struct {
			/* differs from the host's and this guest can tell: fpu_update_switch() */
			bool xcr0_switch : 1, xss_switch : 1, pkru_switch : 1;
			/* the guest may change it without an exit: fpu_xcr0_moved() */
			bool xcr0_may_move : 1;
			bool debugged;	/* .guest_debug isn't 0: each exit ends the inner loop */
			/* the guest reaches DR0-7 without an exit until the vCPU is next put */
			bool guest_uses_dr;
			/* effective DR7 enables one: DR0-3 are loaded at each entry */
			bool breakpoints_on;
			/*
			 * another event waits behind the one that is injected: exit right after the
			 * entry
			 */
			bool cut_guest_time;
			/* the last turn ended with one: RCU is told at the next */
			bool host_event_came;
		};
		u64 rare;
	};
	u8 rare_begun;	/* what of it rare_enter() did, for rare_leave() */
	bool one_exit;	/* in between: the first exit ends the inner loop */

	/* FPU and extended state */
	struct fpu_guest guest_fpu;
	u64 xcr0, guest_supported_xcr0, ia32_xss;
	u32 host_pkru, pkru;

	/* Debug */
	unsigned long db[4], eff_db[4], dr6, dr7;
	u32 guest_debug;		/* KVM_GUESTDBG_* */
	unsigned long guest_debug_dr7;

	/* CPUID and what follows from it (vcpu/cpuid.c) */
	struct kvm_cpuid_entry2 *cpuid;
	int cpuid_nent;
	u8 cpuid_first[128];		/* by CPUID_SLOT() */
	u8 maxphyaddr;
	u64 cr4_reserved;		/* bits that this guest may not set */
	u64 efer_allowed;
	u32 pv_features;		/* KVM_CPUID_FEATURES eax as the guest has it */
	bool pv_enforced;		/* and has no others */
	struct guest_features {		/* what the hot paths ask */
		bool xsave, pku, rdtscp, x2apic, tsc_deadline, nx, lm, pcid, la57, fsgsbase,
			invpcid, umip, svm, gbpages, rdpid, mwait, amd_like;
	} has;

	/* MSRs (vcpu/msr.c) */
	u64 misc_enable, tsc_adjust, ucode_rev, hwcr;
	bool spec_ctrl_used;	/* the guest has set a bit in it: further accesses need no exit */
	struct { u64 cap, status, ctl, banks[32 * 4]; } mce;
	struct { u64 def_type, fixed[11], var[16]; } mtrr;

	/* Clocks and PV (vcpu/clock.c, vcpu/pv.c) */
	u64 tsc_offset, tsc_ratio, last_host_tsc;
	/* so much of what the host's TSC lost when the host slept is in tsc_offset */
	s64 tsc_lost_seen;
	int clock_cpu;			/* where clock_load_elsewhere() was last */
	u32 tsc_khz;
	u64 system_time_msr, wall_clock_msr, steal_msr;
	bool guest_stopped;		/* KVM_KVMCLOCK_CTRL */
	u64 steal_last_run_delay;	/* of steal_task, which is only compared */
	struct task_struct *steal_task;

	/* In the middle of something that the VMM answers */
	enum user_completion completion;
	u8 awaited;			/* enum awaited; then .completion is COMPLETE_NOTHING */
	/* .data: page behind kvm_run */
	struct {
		u8 size, insn_len;
		u64 linear_rip;
		void *data;
	} pio;
	/* vcpu/emu.c: what is to be done when the emulated instruction is complete */
	u8 emu_after;
	/*
	 * vcpu/fast_inline.h: where the last instructions that exit were found, for processors that
	 * don't say how long they are. All ones: nowhere
	 */
	struct insn_site { u64 cr3, linear; hva_t hva; u64 unused; } insn_sites[32];
	/*
	 * vcpu/io_inline.h: what the last accesses to devices reached. .slots, .devs: generations;
	 * 0: not known. .len: bytes; 0: no device wants writes there
	 */
	struct io_memo { u64 key, slots, devs; u32 index; u8 len; } io_memos[16];
	struct emu *emu;	/* allocated once; state of an emulation that waits for the VMM */
	/* vcpu/mov.c: where the last MOVs with devices were found */
	struct mov_site mov_sites[8];
	struct emu_mov mov;		/* the one that waits for the VMM: of COMPLETE_MOV ... */
	const struct emu_mov *awaited_mov;	/* ... of AWAIT_STORE, AWAIT_LOAD: a site's */
	u32 mmio_done;			/* bytes of the current MMIO access that went through */

	u64 exit_counts[NR_EXIT_KINDS];	/* by enum exit_kind */
	u64 slow_exits;			/* those of them that ended the inner loop */
	u8 last_exits_pos;
	/* ring for debugfs; filled while exit_ring_on */
	struct exit_record { u64 rip, reason, qual, tsc; } last_exits[64];
};

static inline struct vm_x86 *to_vm_x86(struct vm *vm)
{
	return container_of(vm, struct vm_x86, vm);
}

static inline struct vcpu_x86 *to_x86(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vcpu_x86, vcpu);
}

static inline struct vm_x86 *v_vm(struct vcpu_x86 *v)
{
	return to_vm_x86(v->vcpu.vm);
}

/* The entry to begin with; NULL: there is none in this slot. */
static inline struct kvm_cpuid_entry2 *cpuid_first_entry(const struct vcpu_x86 *v, u32 function)
{
	u8 first = v->cpuid_first[CPUID_SLOT(function)];

	return likely(first != CPUID_NO_ENTRY) ? &v->cpuid[first] : NULL;
}

/* ------------------ life (vcpu/life.c); called by api/. May sleep. */

int vm_x86_init(struct vm_x86 *vm, unsigned long type);	/* -EINVAL: type; -ENOMEM */
void vm_x86_destroy(struct vm_x86 *vm);
struct vcpu *vcpu_x86_create(struct vm *vm, u32 id);	/* ERR_PTR: -ENOMEM, -EINVAL */
void vcpu_x86_destroy(struct vcpu *vcpu);
size_t vm_x86_size(void);

/* life_inline.h: vcpu_load_cpu(), vcpu_put_cpu(), the two hooks of scheduling. */

/* ------------------------------------------------------------------ run loop (vcpu/run.c) */

/* run_inline.h: vcpu_run(). */

/**
 * vcpu_update_stats() - stats.exits and .fast_exits aren't counted as they come: before somebody
 * reads them. Any context.
 */
void vcpu_update_stats(struct vcpu *vcpu);

DECLARE_STATIC_KEY_FALSE(exit_ring_on);	/* vcpu_x86.last_exits is kept */

/* run.c: what other files of this floor use */
/* RIP past the instruction, shadow gone, single-step trap queued */
void vcpu_skip_insn(struct vcpu_x86 *v, const struct hw_exit *exit);

/* fast_inline.h: fast_exit(), IRQs off. true: handled, enter again. */
/**
 * lapic_sync_tpr() - TPR is CR8, and the guest may have moved that without an exit since the LAPIC
 * last knew. vCPU thread, loaded.
 */
static __always_inline void lapic_sync_tpr(struct vcpu_x86 *v)
{
	u8 tpr = hw_tpr(&v->hw);

	if (unlikely(tpr != lapic_cr8(&v->apic)))
		lapic_set_cr8(&v->apic, tpr);
}

void vcpu_apic_done(struct vcpu_x86 *v, const struct hw_exit *exit);
u32 vcpu_usual_length(struct vcpu_x86 *v, const struct hw_exit *exit);
/* exits.c: IRQs on, srcu held. */
/* enter again; leave to the VMM with kvm_run filled in. Errors: negative errno */
enum next { NEXT_GUEST, NEXT_USER };
int slow_exit(struct vcpu_x86 *v, const struct hw_exit *exit);
bool vcpu_tpr_fell(struct vcpu_x86 *v, u64 before);
/** complete_user_exit() - the VMM has answered: finish what waited. Same returns as slow_exit(). */
int complete_user_exit(struct vcpu_x86 *v);
/**
 * vcpu_settle() - an ioctl other than KVM_RUN begins: what is .awaited may find the vCPU changed.
 * vcpu->mutex held, vCPU loaded.
 */
void vcpu_settle(struct vcpu_x86 *v);

/* emu.c: glue between vCPU and emulator. Same returns as slow_exit(). */
int vcpu_emulate(struct vcpu_x86 *v, const struct hw_exit *exit);
int vcpu_emulate_npf(struct vcpu_x86 *v, const struct hw_exit *exit);
int vcpu_emulate_continue(struct vcpu_x86 *v);
int vcpu_insn_length(struct vcpu_x86 *v);
int vcpu_task_switch(struct vcpu_x86 *v, const struct hw_exit *exit);	/* task.c */
/** vcpu_linear_rip() - where the processor fetches. */
static inline u64 vcpu_linear_rip(struct vcpu_x86 *v)
{
	return hw_linear_rip(&v->hw);
}
/** vcpu_emulation_failed() - KVM_EXIT_INTERNAL_ERROR with the instruction's bytes. NEXT_USER. */
int vcpu_emulation_failed(struct vcpu_x86 *v);
void vcpu_guest_paging(struct vcpu_x86 *v, struct guest_paging *p);

/* exits.c: ends that the VMM sees, for the other files of this floor. All NEXT_USER. */
int vcpu_exit_debug(struct vcpu_x86 *v, u8 vector, u64 dr6);

/* io.c: the bus switch. true: a device in the kernel took it. */
bool io_write(struct vcpu_x86 *v, u16 port, u32 len, const void *val);
bool io_read(struct vcpu_x86 *v, u16 port, u32 len, void *val);
bool mmio_write(struct vcpu_x86 *v, gpa_t gpa, u32 len, const void *val);
bool mmio_read(struct vcpu_x86 *v, gpa_t gpa, u32 len, void *val);
bool is_lapic_page(const struct vcpu_x86 *v, gpa_t gpa);
bool ring_doorbell(struct iobus *bus, struct io_memo *memo, gpa_t addr, u32 len, u64 val);
/* after anything that may have written EOI; IRQs on */
void vcpu_level_eoi(struct vcpu_x86 *v);

/* events.c */
void vcpu_queue_exception(struct vcpu_x86 *v, u8 vector);
void vcpu_queue_exception_error(struct vcpu_x86 *v, u8 vector, u32 error);
void vcpu_queue_page_fault(struct vcpu_x86 *v, u32 error, gva_t addr);
void vcpu_queue_db(struct vcpu_x86 *v, u64 dr6_bits);
void vcpu_requeue_interrupted(struct vcpu_x86 *v, const struct hw_event *ev);
/* the entry went through: what was injected is delivered, or comes back as exit.vectoring */
void vcpu_forget_injected(struct vcpu_x86 *v);
/* CR2 or DR6 from a pending exception's payload */
void vcpu_deliver_payload(struct vcpu_x86 *v, struct queued_exception *ex);
bool vcpu_ready_for_user_interrupt(struct vcpu_x86 *v);
/**
 * vcpu_inject_pending() - choose and inject the next event, open windows for the rest. Before
 * entry, preemption off or on, IRQs on.
 */
void vcpu_inject_pending(struct vcpu_x86 *v);
bool vcpu_inject_fast(struct vcpu_x86 *v);
void vcpu_cancel_injection(struct vcpu_x86 *v);
bool vcpu_has_interrupt(struct vcpu_x86 *v);
/* nmi_queued and apic.nmi_pending into nmi_pending */
void vcpu_latch_nmis(struct vcpu_x86 *v);
/* take INIT and SIPI from the LAPIC; moves mp_state */
void vcpu_accept_init_sipi(struct vcpu_x86 *v);
void vcpu_queue_nmi(struct vcpu_x86 *v);	/* any thread */
bool vcpu_runnable(struct vcpu_x86 *v);
bool vcpu_halt_is_over(struct vcpu_x86 *v);
void vcpu_update_virtual_apic(struct vcpu_x86 *v);	/* REQ_APIC_MODE: IRQs on, may sleep */

/* halt.c */
int vcpu_halt(struct vcpu_x86 *v);		/* HLT was executed */
void vcpu_block(struct vcpu_x86 *v);		/* sleep until runnable or signal; polls first */
/* directed yield to one that is ready; false: it wasn't possible */
bool vcpu_yield_to(struct vcpu *target);
/* the window of PAUSE-loop exits: at creation, at such an exit, after a context switch. Loaded */
void vcpu_pause_init(struct vcpu_x86 *v);
void vcpu_pause_grow(struct vcpu_x86 *v);
void vcpu_pause_shrink(struct vcpu_x86 *v);
/* PAUSE-loop exit: directed yield */
void vcpu_on_spin(struct vcpu_x86 *v, bool kernel_mode);

/**
 * vcpu_timer_to_hardware() - the LAPIC's timer may have moved: tell the processor. Before an entry,
 * IRQs off.
 */
static inline void vcpu_timer_to_hardware(struct vcpu_x86 *v)
{
	u64 tsc;

	if (unlikely(lapic_timer_for_hardware(&v->apic, &tsc)) &&
	    hw_set_preemption_timer(&v->hw, tsc) == -ERANGE)
		lapic_timer_to_host(&v->apic);
}

/** vcpu_in_64bit_code() - operands are RAX, not EAX. */
static inline bool vcpu_in_64bit_code(struct vcpu_x86 *v)
{
	return hw_in_64bit_code(&v->hw);
}

/* cr.c: guest- and ioctl-visible rules of control registers. 0 or -EINVAL (#GP for a guest). */
int vcpu_set_cr0(struct vcpu_x86 *v, u64 cr0);
int vcpu_set_cr3(struct vcpu_x86 *v, u64 cr3);
int vcpu_set_cr4(struct vcpu_x86 *v, u64 cr4);
int vcpu_set_cr8(struct vcpu_x86 *v, u64 cr8);
u64 vcpu_cr8(struct vcpu_x86 *v);
int vcpu_set_efer(struct vcpu_x86 *v, u64 efer, bool host);
int vcpu_set_xcr(struct vcpu_x86 *v, u32 index, u64 val);
int vcpu_set_dr(struct vcpu_x86 *v, int nr, u64 val);
u64 vcpu_get_dr(struct vcpu_x86 *v, int nr);
void vcpu_update_dr7(struct vcpu_x86 *v);

/* cpuid.c */
void cpuid_setup(void);			/* at module load: the host's extended state */
u64 cpuid_host_xcr0(void);		/* XCR0 bits that a guest may have at most */
u32 cpuid_xstate_size(u64 features, bool compacted);	/* bytes of an XSAVE area */
int cpuid_get_supported(struct kvm_cpuid_entry2 *entries, u32 *nent, bool emulated);	/* -E2BIG */
/* takes ownership of entries on success. -EINVAL */
int vcpu_set_cpuid(struct vcpu_x86 *v, struct kvm_cpuid_entry2 *entries, int nent);
/**
 * cpuid_lookup() - answer of CPUID to the guest, with the dynamic bits (OSXSAVE, APIC, OSPKE, XSAVE
 * sizes) right. Any context.
 */
void cpuid_lookup(struct vcpu_x86 *v, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
void vcpu_cpuid(struct vcpu_x86 *v);	/* the same from and to the guest's registers */
void cpuid_apply_insns(struct vcpu_x86 *v);
/* after CR4, XCR0, APIC base, MISC_ENABLE changes */
void cpuid_update_dynamic(struct vcpu_x86 *v);

/* msr.c. 0; -EINVAL: #GP for a guest; -ENOENT: unknown here. @host: an ioctl. */
int vcpu_get_msr(struct vcpu_x86 *v, u32 msr, u64 *val, bool host);
int vcpu_set_msr(struct vcpu_x86 *v, u32 msr, u64 val, bool host);
/** msr_read_fast(), msr_write_fast() - IRQs off, no sleep; false: not here, do it slowly. */
bool msr_read_fast(struct vcpu_x86 *v, u32 msr, u64 *val);
bool msr_write_fast(struct vcpu_x86 *v, u32 msr, u64 val);
bool msr_allowed_by_filter(struct vcpu_x86 *v, u32 msr, u32 access);
const u32 *msr_save_list(u32 *n);	/* KVM_GET_MSR_INDEX_LIST */
const u32 *msr_feature_list(u32 *n);
int msr_get_feature(u32 msr, u64 *val);	/* -EINVAL */
int vm_set_msr_filter(struct vm_x86 *vm, const struct kvm_msr_filter *filter);
void vcpu_apply_msr_filter(struct vcpu_x86 *v);	/* REQ_MSR_FILTER */
void vm_destroy_msr_filter(struct vm_x86 *vm);
void msr_setup(void);
void msr_vcpu_init(struct vcpu_x86 *v);
DECLARE_PER_CPU(u64, tsc_aux_now);	/* the CPU's TSC_AUX; all ones: not known */
void tsc_aux_load(u64 val);
void user_return_msrs_cpu_down(void);	/* this CPU goes offline; IRQs off */
void user_return_msrs_teardown(void);

/* clock.c */
int clock_setup(const char **why);
void clock_teardown(void);
void clock_suspend(void);		/* last CPU, IRQs off, tasks frozen */
void clock_resume(void);
u64 vcpu_guest_tsc(struct vcpu_x86 *v, u64 host_tsc);
/* with the matching heuristic of the API document */
void vcpu_write_tsc(struct vcpu_x86 *v, u64 guest_tsc, bool host);
void vcpu_set_tsc_offset(struct vcpu_x86 *v, u64 offset);
int clock_tsc_ratio(u32 khz, u64 *ratio);	/* -EINVAL: this CPU can't do it */
int vcpu_set_tsc_khz(struct vcpu_x86 *v, u32 khz);	/* -EINVAL: can't scale */
void clock_vm_init(struct vm_x86 *vm);
void clock_vm_destroy(struct vm_x86 *vm);
void clock_vcpu_init(struct vcpu_x86 *v);	/* from vcpu_x86_create(), vCPU loaded */
u64 vm_clock_wall_ns(struct vm_x86 *vm);
void pvclock_scale(u32 khz, s8 *shift, u32 *mul);
u64 pvclock_scale_ticks(u64 ticks, const struct pvclock_vcpu_time_info *page);
void clock_update_vcpu(struct vcpu_x86 *v);		/* REQ_CLOCK_UPDATE */
void clock_update_vm(struct vm_x86 *vm);		/* REQ_MASTERCLOCK_UPDATE */
int vm_get_clock(struct vm_x86 *vm, struct kvm_clock_data *data);
int vm_set_clock(struct vm_x86 *vm, const struct kvm_clock_data *data);
extern bool host_clock_is_tsc;	/* the host keeps time by the TSC */
extern s64 host_tsc_lost;
void clock_load_elsewhere(struct vcpu_x86 *v, int cpu);

/* pv.c: hypercalls, steal time, PV EOI, kick, IPI, wall clock */
int vcpu_hypercall(struct vcpu_x86 *v);		/* as slow_exit() */
int pv_set_msr(struct vcpu_x86 *v, u32 msr, u64 val, bool host);
int pv_get_msr(struct vcpu_x86 *v, u32 msr, u64 *val, bool host);
void pv_steal_update(struct vcpu_x86 *v);	/* REQ_STEAL_UPDATE */
void pv_sched_out(struct vcpu_x86 *v);

/* fpu.c */
int fpu_create(struct vcpu_x86 *v);
void fpu_destroy(struct vcpu_x86 *v);
void fpu_reset(struct vcpu_x86 *v, bool init);
/* after a change of CR4, XCR0, XSS or CPUID. vCPU loaded */
void fpu_update_switch(struct vcpu_x86 *v);
/* XCR0, XSS, PKRU just before VM entry; only if they differ. IRQs off. fpu_inline.h */
static inline void fpu_enter(struct vcpu_x86 *v);
static inline void fpu_leave(struct vcpu_x86 *v);

/*
 * state.c: get/set pairs of ioctls. vcpu->mutex held, vCPU loaded. 0 or -EINVAL with nothing
 * changed.
 */
void vcpu_get_regs(struct vcpu_x86 *v, struct kvm_regs *regs);
void vcpu_set_regs(struct vcpu_x86 *v, const struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu_x86 *v, struct kvm_sregs *sregs);
int vcpu_set_sregs(struct vcpu_x86 *v, const struct kvm_sregs *sregs);
void vcpu_get_sregs2(struct vcpu_x86 *v, struct kvm_sregs2 *sregs);
int vcpu_set_sregs2(struct vcpu_x86 *v, const struct kvm_sregs2 *sregs);
int vcpu_get_fpu(struct vcpu_x86 *v, struct kvm_fpu *fpu);
size_t vcpu_xsave_size(struct vcpu_x86 *v);
int vcpu_set_fpu(struct vcpu_x86 *v, const struct kvm_fpu *fpu);
void vcpu_get_xsave(struct vcpu_x86 *v, void *state, size_t size);
int vcpu_set_xsave(struct vcpu_x86 *v, const void *state);
void vcpu_get_xcrs(struct vcpu_x86 *v, struct kvm_xcrs *xcrs);
int vcpu_set_xcrs(struct vcpu_x86 *v, const struct kvm_xcrs *xcrs);
void vcpu_get_debugregs(struct vcpu_x86 *v, struct kvm_debugregs *dbg);
int vcpu_set_debugregs(struct vcpu_x86 *v, const struct kvm_debugregs *dbg);
void vcpu_get_events(struct vcpu_x86 *v, struct kvm_vcpu_events *ev);
int vcpu_set_events(struct vcpu_x86 *v, const struct kvm_vcpu_events *ev);
int vcpu_get_mp_state(struct vcpu_x86 *v, struct kvm_mp_state *mp);
int vcpu_set_mp_state(struct vcpu_x86 *v, const struct kvm_mp_state *mp);
int vcpu_set_guest_debug(struct vcpu_x86 *v, const struct kvm_guest_debug *dbg);
int vcpu_translate(struct vcpu_x86 *v, struct kvm_translation *tr);
/* KVM_INTERRUPT. -EINVAL, -ENXIO, -EEXIST */
int vcpu_user_interrupt(struct vcpu_x86 *v, u32 irq);
void vcpu_sync_regs_out(struct vcpu_x86 *v);	/* KVM_CAP_SYNC_REGS */
int vcpu_sync_regs_in(struct vcpu_x86 *v);
void vcpu_reset(struct vcpu_x86 *v, enum hw_reset how);	/* life.c: RESET or INIT */

#endif
