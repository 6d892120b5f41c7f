// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU's state as ioctls get and set it. Callers hold vcpu->mutex and have the vCPU loaded.
 * Every set checks all of its argument first and then cannot fail: a refused call has changed
 * nothing.
 *
 * FPU, XSAVE and XCRs are in fpustate.c.
 */
#include <linux/kvm.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ general registers */

/* struct kvm_regs names them in its own order. */
static const struct { u8 reg; u16 offset; } regs_layout[] = {
	{ REG_RAX, offsetof(struct kvm_regs, rax) }, { REG_RBX, offsetof(struct kvm_regs, rbx) },
	{ REG_RCX, offsetof(struct kvm_regs, rcx) }, { REG_RDX, offsetof(struct kvm_regs, rdx) },
	{ REG_RSI, offsetof(struct kvm_regs, rsi) }, { REG_RDI, offsetof(struct kvm_regs, rdi) },
	{ REG_RSP, offsetof(struct kvm_regs, rsp) }, { REG_RBP, offsetof(struct kvm_regs, rbp) },
	{ REG_R8, offsetof(struct kvm_regs, r8) }, { REG_R9, offsetof(struct kvm_regs, r9) },
	{ REG_R10, offsetof(struct kvm_regs, r10) }, { REG_R11, offsetof(struct kvm_regs, r11) },
	{ REG_R12, offsetof(struct kvm_regs, r12) }, { REG_R13, offsetof(struct kvm_regs, r13) },
	{ REG_R14, offsetof(struct kvm_regs, r14) }, { REG_R15, offsetof(struct kvm_regs, r15) },
};

/** vcpu_get_regs() - KVM_GET_REGS. */
void vcpu_get_regs(struct vcpu_x86 *v, struct kvm_regs *regs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs_layout); i++)
		*(u64 *)((char *)regs + regs_layout[i].offset) = hw_reg(&v->hw, regs_layout[i].reg);
	regs->rip = hw_rip(&v->hw);
	regs->rflags = hw_rflags(&v->hw);
}

/**
 * vcpu_set_regs() - KVM_SET_REGS. What was queued as an exception belonged to the old RIP, and is
 * dropped.
 */
void vcpu_set_regs(struct vcpu_x86 *v, const struct kvm_regs *regs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs_layout); i++)
		hw_set_reg(&v->hw, regs_layout[i].reg,
			   *(const u64 *)((const char *)regs + regs_layout[i].offset));
	hw_set_rip(&v->hw, regs->rip);
	hw_set_rflags(&v->hw, regs->rflags | X86_EFLAGS_FIXED);
	v->exception.pending = false;
	vcpu_request(&v->vcpu, REQ_EVENT);
}

/* ------------------------------------------------------------------ special registers */

static const struct { u8 seg; u16 offset; } segs_layout[] = {
	{ SEG_CS, offsetof(struct kvm_sregs, cs) }, { SEG_DS, offsetof(struct kvm_sregs, ds) },
	{ SEG_ES, offsetof(struct kvm_sregs, es) }, { SEG_FS, offsetof(struct kvm_sregs, fs) },
	{ SEG_GS, offsetof(struct kvm_sregs, gs) }, { SEG_SS, offsetof(struct kvm_sregs, ss) },
	{ SEG_TR, offsetof(struct kvm_sregs, tr) }, { SEG_LDTR, offsetof(struct kvm_sregs, ldt) },
};

/* kvm_sregs and kvm_sregs2 begin alike: segments, tables, control registers, EFER, APIC base. */
#define SREGS_COMMON	offsetof(struct kvm_sregs, interrupt_bitmap)

static void get_common(struct vcpu_x86 *v, struct kvm_sregs *s)
{
	struct hw_vcpu *hw = &v->hw;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segs_layout); i++)
		hw_get_segment(hw, segs_layout[i].seg,
			       (struct kvm_segment *)((char *)s + segs_layout[i].offset));
	hw_get_gdt(hw, &s->gdt);
	hw_get_idt(hw, &s->idt);
	s->cr0 = hw_cr0(hw);
	s->cr2 = hw_cr2(hw);
	s->cr3 = hw_cr3(hw);
	s->cr4 = hw_cr4(hw);
	s->cr8 = vcpu_cr8(v);
	s->efer = hw_efer(hw);
	s->apic_base = v->has_apic ? v->apic.base : v->user_apic_base;
}

/** vcpu_get_sregs() - KVM_GET_SREGS. */
void vcpu_get_sregs(struct vcpu_x86 *v, struct kvm_sregs *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	get_common(v, sregs);
	if (v->interrupt.injected && !v->interrupt.soft)
		__set_bit(v->interrupt.vector, (unsigned long *)sregs->interrupt_bitmap);
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

static bool read_pdptrs(struct vcpu_x86 *v, u64 cr3, u64 pdptrs[4])
{
	int idx = srcu_read_lock(&v->vcpu.vm->srcu);
	int r = vm_read_guest(v->vcpu.vm, cr3 & 0xffffffe0, pdptrs, 4 * sizeof(u64));

	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
	return !r;
}

/**
 * vcpu_get_sregs2() - KVM_GET_SREGS2. The PDPTRs are those in memory: nested paging reads them like
 * any other level (APM 2, 15.25.10).
 */
void vcpu_get_sregs2(struct vcpu_x86 *v, struct kvm_sregs2 *s2)
{
	struct kvm_sregs s = { };

	memset(s2, 0, sizeof(*s2));
	get_common(v, &s);
	memcpy(s2, &s, SREGS_COMMON);
	if (pae_paging(s.cr0, s.cr4, s.efer) && read_pdptrs(v, s.cr3, s2->pdptrs))
		s2->flags |= KVM_SREGS2_FLAGS_PDPTRS_VALID;
}

/* APM 2, 3.1 and 14.6.1; SDM 3A, 2.5 and 4.1.1. */
static bool valid_mode(struct vcpu_x86 *v, const struct kvm_sregs *s)
{
	bool pg = s->cr0 & X86_CR0_PG;

	if ((s->cr0 >> 32) || (pg && !(s->cr0 & X86_CR0_PE)))
		return false;
	if ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD))
		return false;
	if ((s->cr4 & v->cr4_reserved) || (s->cr8 & ~0xfull))
		return false;
	if (pg && (s->efer & EFER_LME)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA))
			return false;
		return !(s->cr3 >> v->maxphyaddr);
	}
	return !(s->efer & EFER_LMA) && !s->cs.l;
}

static bool valid_efer(struct vcpu_x86 *v, u64 efer)
{
	return !(efer & ~(v->efer_allowed | EFER_SCE));
}

/* SDM 3A, 11.4.4. The low bits of a LAPIC that is ours are lapic_set_base()'s to check. */
static bool valid_apic_base(struct vcpu_x86 *v, u64 base)
{
	return !(base >> v->maxphyaddr) && (v->has_apic || !(base & 0x2ff));
}

static void apply_segments(struct vcpu_x86 *v, const struct kvm_sregs *s)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segs_layout); i++)
		hw_set_segment(
			&v->hw, segs_layout[i].seg,
			(const struct kvm_segment *)((const char *)s + segs_layout[i].offset));
}

static void apply_control(struct vcpu_x86 *v, const struct kvm_sregs *s)
{
	struct hw_vcpu *hw = &v->hw;
	u64 pdptrs[4];

	hw_set_gdt(hw, &s->gdt);
	hw_set_idt(hw, &s->idt);
	hw_set_cr2(hw, s->cr2);
	if (v->has_apic)
		lapic_set_cr8(&v->apic, s->cr8);
	else
		v->cr8 = s->cr8;
	hw_set_efer(hw, s->efer);
	hw_set_cr0(hw, s->cr0);
	hw_set_cr4(hw, s->cr4);
	hw_set_cr3(hw, s->cr3);
	if (pae_paging(s->cr0, s->cr4, s->efer) && read_pdptrs(v, s->cr3, pdptrs))
		hw_set_pdptrs(hw, pdptrs);
	cpuid_update_dynamic(v);
	fpu_update_switch(v);
	hw_flush_tlb_all(hw);
}

static int set_common(struct vcpu_x86 *v, const struct kvm_sregs *s)
{
	if (!valid_mode(v, s) || !valid_efer(v, s->efer) || !valid_apic_base(v, s->apic_base))
		return -EINVAL;
	if (v->has_apic) {
		if (lapic_set_base(&v->apic, s->apic_base, true))
			return -EINVAL;
	} else {
		v->user_apic_base = s->apic_base;
	}
	apply_control(v, s);
	apply_segments(v, s);	/* after CR0 and EFER: what a segment means depends on the mode */
	vcpu_request(&v->vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_set_sregs() - KVM_SET_SREGS. -EINVAL: a mode that no CPU can be in, reserved bits, a bad
 * APIC base.
 */
int vcpu_set_sregs(struct vcpu_x86 *v, const struct kvm_sregs *sregs)
{
	unsigned long vector = find_first_bit((const unsigned long *)sregs->interrupt_bitmap, 256);
	int ret = set_common(v, sregs);

	if (ret)
		return ret;
	if (vector < 256) {
		v->interrupt.injected = true;
		v->interrupt.soft = false;
		v->interrupt.vector = vector;
	}
	return 0;
}

/**
 * vcpu_set_sregs2() - KVM_SET_SREGS2. -EINVAL as KVM_SET_SREGS; unknown flags; PDPTRs for a guest
 * that has none.
 */
int vcpu_set_sregs2(struct vcpu_x86 *v, const struct kvm_sregs2 *s2)
{
	struct kvm_sregs s = { };

	if (s2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if ((s2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) && !pae_paging(s2->cr0, s2->cr4, s2->efer))
		return -EINVAL;
	memcpy(&s, s2, SREGS_COMMON);
	return set_common(v, &s);
}

/* ------------------------------------------------------------------ debug registers */

/** vcpu_get_debugregs() - KVM_GET_DEBUGREGS. */
void vcpu_get_debugregs(struct vcpu_x86 *v, struct kvm_debugregs *dbg)
{
	memset(dbg, 0, sizeof(*dbg));
	memcpy(dbg->db, v->db, sizeof(dbg->db));
	dbg->dr6 = v->dr6;
	dbg->dr7 = v->dr7;
}

/** vcpu_set_debugregs() - KVM_SET_DEBUGREGS. -EINVAL: flags, or high halves of DR6 and DR7. */
int vcpu_set_debugregs(struct vcpu_x86 *v, const struct kvm_debugregs *dbg)
{
	if (dbg->flags || (dbg->dr6 >> 32) || (dbg->dr7 >> 32))
		return -EINVAL;
	memcpy(v->db, dbg->db, sizeof(v->db));
	v->dr6 = dbg->dr6;
	hw_set_dr6(&v->hw, v->dr6);
	v->dr7 = dbg->dr7;
	vcpu_update_dr7(v);
	return 0;
}

/* ------------------------------------------------------------------ events */

static void get_exception(struct vcpu_x86 *v, struct kvm_vcpu_events *ev)
{
	const struct queued_exception *ex = &v->exception;

	if (v_vm(v)->exception_payload) {
		ev->exception.injected = ex->injected;
		ev->exception.pending = ex->pending;
		ev->exception_has_payload = ex->has_payload;
		ev->exception_payload = ex->payload;
		ev->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	} else {
		/* The old format knows only one state: either way it must be delivered. */
		ev->exception.injected = ex->injected || ex->pending;
	}
	ev->exception.nr = ex->vector;
	ev->exception.has_error_code = ex->has_error;
	ev->exception.error_code = ex->error;
}

/** vcpu_get_events() - KVM_GET_VCPU_EVENTS. */
void vcpu_get_events(struct vcpu_x86 *v, struct kvm_vcpu_events *ev)
{
	memset(ev, 0, sizeof(*ev));
	vcpu_latch_nmis(v);
	if (!v_vm(v)->exception_payload && v->exception.pending)
		/* CR2 and DR6 as if delivered: the old format can't carry the payload */
		vcpu_deliver_payload(v, &v->exception);
	get_exception(v, ev);
	ev->interrupt.injected = v->interrupt.injected && !v->interrupt.soft;
	ev->interrupt.nr = v->interrupt.vector;
	ev->interrupt.shadow = hw_shadow(&v->hw);
	ev->nmi.injected = v->nmi_injected;
	ev->nmi.pending = v->nmi_pending;
	ev->nmi.masked = hw_nmi_masked(&v->hw);
	ev->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (v_vm(v)->triple_fault_event) {
		ev->triple_fault.pending = test_bit(REQ_TRIPLE_FAULT, &v->vcpu.requests);
		ev->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

static int check_events(struct vcpu_x86 *v, const struct kvm_vcpu_events *ev)
{
	struct vm_x86 *vm = v_vm(v);

	if (ev->flags & ~(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			  KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_PAYLOAD |
			  KVM_VCPUEVENT_VALID_TRIPLE_FAULT))
		return -EINVAL;
	if (ev->flags & KVM_VCPUEVENT_VALID_PAYLOAD) {
		if (!vm->exception_payload)
			return -EINVAL;
	}
	if ((ev->exception.injected ||
	     ((ev->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && ev->exception.pending)) &&
	    (ev->exception.nr > 31 || ev->exception.nr == X86_TRAP_NMI))
		return -EINVAL;
	if ((ev->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vm->triple_fault_event)
		return -EINVAL;
	return 0;
}

static void set_exception(struct vcpu_x86 *v, const struct kvm_vcpu_events *ev)
{
	bool payload = ev->flags & KVM_VCPUEVENT_VALID_PAYLOAD;

	v->exception = (struct queued_exception){
		.injected = ev->exception.injected && !(payload && ev->exception.pending),
		.pending = payload && ev->exception.pending,
		.vector = ev->exception.nr,
		.has_error = ev->exception.has_error_code,
		.error = ev->exception.error_code,
		.has_payload = payload && ev->exception_has_payload,
		.payload = payload ? ev->exception_payload : 0,
	};
}

/**
 * vcpu_set_events() - KVM_SET_VCPU_EVENTS. -EINVAL: unknown or not enabled flags, an exception
 * vector that isn't one.
 */
int vcpu_set_events(struct vcpu_x86 *v, const struct kvm_vcpu_events *ev)
{
	int ret = check_events(v, ev);

	if (ret)
		return ret;
	set_exception(v, ev);
	v->interrupt.injected = ev->interrupt.injected;
	v->interrupt.vector = ev->interrupt.nr;
	v->interrupt.soft = ev->interrupt.soft;
	if (ev->flags & KVM_VCPUEVENT_VALID_SHADOW)
		hw_set_shadow(&v->hw, ev->interrupt.shadow & (SHADOW_STI | SHADOW_MOV_SS));
	v->nmi_injected = ev->nmi.injected;
	if (ev->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&v->nmi_queued, 0);
		v->nmi_pending = min_t(u32, ev->nmi.pending, 2);
	}
	hw_set_nmi_masked(&v->hw, ev->nmi.masked);
	if ((ev->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && v->has_apic)
		v->apic.sipi_vector = ev->sipi_vector;
	if (ev->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		clear_bit(REQ_TRIPLE_FAULT, &v->vcpu.requests);
		if (ev->triple_fault.pending)
			vcpu_request(&v->vcpu, REQ_TRIPLE_FAULT);
	}
	vcpu_request(&v->vcpu, REQ_EVENT);
	return 0;
}

/* ------------------------------------------------------------------ the rest */

/** vcpu_get_mp_state() - KVM_GET_MP_STATE. */
int vcpu_get_mp_state(struct vcpu_x86 *v, struct kvm_mp_state *mp)
{
	if (v->has_apic)
		vcpu_accept_init_sipi(v);
	mp->mp_state = v->mp_state;
	return 0;
}

/**
 * vcpu_set_mp_state() - KVM_SET_MP_STATE. -EINVAL: no such state on x86, or one that needs the
 * in-kernel LAPIC.
 */
int vcpu_set_mp_state(struct vcpu_x86 *v, const struct kvm_mp_state *mp)
{
	switch (mp->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
		if (!v->has_apic)
			return -EINVAL;
		break;
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!v->has_apic)
			return -EINVAL;
		v->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		set_bit(LAPIC_PENDING_SIPI, &v->apic.pending_init_sipi);
		vcpu_request(&v->vcpu, REQ_EVENT);
		return 0;
	default:
		return -EINVAL;
	}
	v->mp_state = mp->mp_state;
	vcpu_request(&v->vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_translate() - KVM_TRANSLATE: where @tr->linear_address is, as a supervisor read would find
 * it.
 */
int vcpu_translate(struct vcpu_x86 *v, struct kvm_translation *tr)
{
	struct guest_paging paging;
	struct walk_fault fault;
	int idx;
	gpa_t gpa;

	vcpu_guest_paging(v, &paging);
	idx = srcu_read_lock(&v->vcpu.vm->srcu);
	gpa = mmu_walk_probe(v->vcpu.vm, &paging, tr->linear_address, ACCESS_READ, &fault);
	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
	tr->physical_address = gpa;
	tr->valid = gpa != INVALID_GPA;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}

/**
 * vcpu_user_interrupt() - KVM_INTERRUPT (api.rst 4.16): an interrupt from the VMM's own
 * controllers. -EINVAL: no vector; -ENXIO: the PIC is in the kernel; -EEXIST: one is waiting
 * already.
 */
int vcpu_user_interrupt(struct vcpu_x86 *v, u32 irq)
{
	enum irqchip_mode mode = READ_ONCE(v_vm(v)->irqchip.mode);

	if (irq > 255)
		return -EINVAL;
	if (mode == IRQCHIP_NONE) {
		v->interrupt.injected = true;
		v->interrupt.soft = false;
		v->interrupt.vector = irq;
		vcpu_request(&v->vcpu, REQ_EVENT);
		return 0;
	}
	if (mode == IRQCHIP_KERNEL)
		return -ENXIO;
	if (v->user_irq >= 0)
		return -EEXIST;
	v->user_irq = irq;
	vcpu_request(&v->vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_sync_regs_out() - KVM_CAP_SYNC_REGS: what run->kvm_valid_regs asks for, into the shared
 * page.
 */
void vcpu_sync_regs_out(struct vcpu_x86 *v)
{
	struct kvm_sync_regs *sync = &v->vcpu.run->s.regs;
	u64 want = READ_ONCE(v->vcpu.run->kvm_valid_regs);

	if (want & KVM_SYNC_X86_REGS)
		vcpu_get_regs(v, &sync->regs);
	if (want & KVM_SYNC_X86_SREGS)
		vcpu_get_sregs(v, &sync->sregs);
	if (want & KVM_SYNC_X86_EVENTS)
		vcpu_get_events(v, &sync->events);
}

/**
 * vcpu_sync_regs_in() - KVM_CAP_SYNC_REGS: take what run->kvm_dirty_regs says. Each part is copied
 * out of the shared page before it is checked: the VMM may write there at any time. -EINVAL:
 * unknown bits, or a part that its own ioctl would refuse.
 */
int vcpu_sync_regs_in(struct vcpu_x86 *v)
{
	const struct kvm_sync_regs *sync = &v->vcpu.run->s.regs;
	u64 dirty = READ_ONCE(v->vcpu.run->kvm_dirty_regs);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if ((dirty | READ_ONCE(v->vcpu.run->kvm_valid_regs)) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		memcpy(&regs, &sync->regs, sizeof(regs));
		barrier();	/* one copy, not re-read */
		vcpu_set_regs(v, &regs);
		v->vcpu.run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		memcpy(&sregs, &sync->sregs, sizeof(sregs));
		barrier();
		if (vcpu_set_sregs(v, &sregs))
			return -EINVAL;
		v->vcpu.run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		memcpy(&events, &sync->events, sizeof(events));
		barrier();
		if (vcpu_set_events(v, &events))
			return -EINVAL;
		v->vcpu.run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}
