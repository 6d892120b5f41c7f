/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: the nested page tables (TDP), their faults, host pages, dirty tracking; and the
 * walk of the guest's own page tables.
 */
#ifndef MMU_MMU_H
#define MMU_MMU_H

#include <asm/apicdef.h>
#include "core/vm.h"
#include "hw/hw.h"

/* ------------------------------------------------------------------ TDP, one per VM */

struct mmu;			/* mmu/tdp.h */

/**
 * mmu_init() - the VM's empty TDP. May sleep. -ENOMEM. The MMU notifier is registered by its door,
 * api/notifier.c, which calls mmu_invalidate_*().
 */
int mmu_init(struct mmu *mmu, struct vm *vm);
/**
 * mmu_quiesce() - what works by itself on the TDP is over; it tells the vCPUs of what it did, so this
 * comes before their end. Nobody faults any more. May sleep.
 */
void mmu_quiesce(struct mmu *mmu);
/** mmu_destroy() - after mmu_quiesce(): free every table, promptly; no vCPU is left. May sleep. */
void mmu_destroy(struct mmu *mmu);
/** mmu_drop_apic_page() - the LAPIC's page is nowhere in guest memory from here on. IRQs on. */
void mmu_drop_apic_page(struct mmu *mmu);
/** mmu_root() - for hw_set_tdp_root(). */
hpa_t mmu_root(struct mmu *mmu);

/* What became of a nested page fault. */
enum fault_result {
	FAULT_FIXED,		/* go back to the guest */
	FAULT_RETRY,		/* lost a race; go back to the guest, it will fault again */
	FAULT_MMIO,		/* no memslot: emulate the access */
	FAULT_READONLY,		/* write to a read-only slot: emulate as MMIO write */
	FAULT_BAD_HVA,		/* the VMM has no memory there: KVM_RUN fails with -EFAULT */
	FAULT_HWPOISON,		/* SIGBUS was sent; retry */
	FAULT_NOMEM,		/* KVM_RUN fails with -ENOMEM */
	FAULT_SIGNAL,		/* a signal came while waiting for the page */
};

/**
 * mmu_fault() - map what the guest touched. @access: enum access bits. vm->srcu held, IRQs on, may
 * sleep.
 */
enum fault_result mmu_fault(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access);
/**
 * mmu_fault_fast() - set an accessed, dirty or writable bit that dirty or access tracking took
 * away, without any lock. true: handled. IRQs off.
 */
bool mmu_fault_fast(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access);
/**
 * mmu_fault_written() - map a page that isn't mapped yet, if the VMM has written it and a table is
 * there to put it in. true: handled. IRQs off.
 */
bool mmu_fault_written(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access);
/**
 * mmu_prefault() - KVM_PRE_FAULT_MEMORY: as if the guest had read @gpa, but the page doesn't count
 * as accessed. Returns the bytes now mapped from gpa on, or -ENOENT (no memslot), -EFAULT,
 * -EHWPOISON, -ENOMEM, -EINTR, -EAGAIN (lost a race: drop vm->srcu and ask again). @error_code:
 * kept for memory attributes; no bit means anything yet. vcpu->mutex and vm->srcu held; sleeps.
 */
long mmu_prefault(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u64 error_code);

/*
 * Host memory changed (called by the MMU-notifier door). begin/end bracket the change: between them
 * no fault installs anything in the HVA range. Any task. Sleeps only when @may_block (and then only
 * to let others run); always 0. begin returns flushed.
 */
int mmu_invalidate_begin(struct mmu *mmu, hva_t start, hva_t end, bool may_block);
void mmu_invalidate_end(struct mmu *mmu, hva_t start, hva_t end);
/**
 * mmu_age() - was the range accessed since the last time? Clears the bits (@test_only: doesn't).
 */
bool mmu_age(struct mmu *mmu, hva_t start, hva_t end, bool test_only);

/*
 * Memslot changes; slots_lock held, sleeps. A slot that goes is taken out of the published set
 * between mmu_invalidate_begin() and _end() of its HVA range: an invalidation by the host finds
 * leaves through that set only.
 */
/* with its tables; returns flushed */
void mmu_zap_slot(struct mmu *mmu, const struct memslot *slot);
/** mmu_update_stats() - count tables and mapped pages into vm->stats. Sleeps. */
void mmu_update_stats(struct mmu *mmu);
/* split huge pages, write-protect or clear D */
void mmu_slot_start_logging(struct mmu *mmu, const struct memslot *slot, bool initially_set);
/* huge pages come back */
void mmu_slot_stop_logging(struct mmu *mmu, const struct memslot *slot);
/**
 * mmu_reprotect_dirty() - log again writes to the pages of @mask (bit n: slot's page offset+n).
 * Does not flush. slots_lock held, may sleep.
 */
void mmu_reprotect_dirty(struct mmu *mmu, const struct memslot *slot, gfn_t offset,
			 unsigned long mask);

/*
 * The processor's own log of written pages (hw_set_dirty_log()). mmu_set_hw_log() - with @on before
 * a set of slots is published of which one logs, with !@on when none does any more; turns it on and
 * off on all vCPUs, where the VM uses it. slots_lock held; sleeps. mmu_hw_logs() - shall a vCPU use
 * it? mmu_mark_written() - the @n addresses @gpas were in such a log. RCU or IRQs off.
 */
void mmu_set_hw_log(struct mmu *mmu, bool on);
bool mmu_hw_logs(const struct mmu *mmu);
void mmu_mark_written(struct mmu *mmu, const u64 *gpas, u32 n);

/*
 * KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG (mmu/dirty.c). slots_lock held; sleeps. Errors: api.rst
 * 4.8, 4.117.
 */
int mmu_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *log);
int mmu_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *log);

/* ------------------------------------------------------------------ the guest's own page tables */

/* What a walk needs of the guest's state; filled by the floor above from hw_*(). */
struct guest_paging {
	u64 cr0, cr3, cr4, efer;
	bool ac;		/* RFLAGS.AC, for SMAP */
	u32 pkru;
	u8 phys_bits;		/* guest MAXPHYADDR */
};

/* what #PF would say; or, when !present_in_slot: a table itself, at table_gpa, is not in memory */
struct walk_fault {
	u32 error_code;
	gva_t gva;
	bool present_in_slot;
	gpa_t table_gpa;
};

/**
 * mmu_walk() - translate @gva for an access (@access: enum access, with ACCESS_USER for CPL 3;
 * implicit supervisor accesses without). Sets A and D bits as the CPU does. 32-bit, PAE, 4- and
 * 5-level, large pages, NX, SMEP, SMAP, WP, PKU, reserved bits (APM 2, chapter 5). vm->srcu held;
 * may sleep. Returns the GPA, or INVALID_GPA with *@fault filled in.
 */
gpa_t mmu_walk(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access,
	       struct walk_fault *fault);
/** mmu_walk_probe() - the same without setting bits (KVM_TRANSLATE). */
gpa_t mmu_walk_probe(struct vm *vm, const struct guest_paging *p, gva_t gva, u32 access,
		     struct walk_fault *fault);

#endif
