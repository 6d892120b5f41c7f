// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtual services (x86/msr.rst, x86/hypercalls.rst, x86/cpuid.rst): their MSRs, hypercalls and
 * steal time.
 */
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>
#include <asm/kvm_para.h>
#include "vcpu/vcpu.h"

/* ------------------------------------------------------------------ steal time */

static void write_steal(struct vcpu_x86 *v, gpa_t gpa, u64 waited)
{
	struct vm *vm = v->vcpu.vm;
	struct kvm_steal_time st;

	if (vm_read_guest(vm, gpa, &st, sizeof(st)))
		return;
	st.preempted = 0;	/* we run: whoever spins for us may go on spinning */
	st.version = (st.version | 1) + (st.version & 1 ? 2 : 0);
	if (vm_write_guest(vm, gpa + offsetof(struct kvm_steal_time, version), &st.version,
			   sizeof(st.version)))
		return;
	smp_wmb();	/* odd version before the body */
	st.steal += waited;
	vm_write_guest(vm, gpa, &st.steal, sizeof(st.steal));
	vm_write_guest(vm, gpa + offsetof(struct kvm_steal_time, preempted), &st.preempted,
		       sizeof(st.preempted));
	smp_wmb();	/* body before the even version */
	st.version++;
	vm_write_guest(vm, gpa + offsetof(struct kvm_steal_time, version), &st.version,
		       sizeof(st.version));
}

/**
 * pv_steal_update() - REQ_STEAL_UPDATE: account the time that this thread waited for a CPU. vCPU
 * thread; may sleep.
 */
void pv_steal_update(struct vcpu_x86 *v)
{
	u64 delay = current->sched_info.run_delay;
	int idx;

	if (!(v->steal_msr & KVM_MSR_ENABLED))
		return;
	/* What another thread has waited for in its life was not this vCPU's wait. */
	if (v->steal_task != current) {
		v->steal_task = current;
		v->steal_last_run_delay = delay;
	}
	idx = srcu_read_lock(&v->vcpu.vm->srcu);
	write_steal(v, v->steal_msr & KVM_STEAL_VALID_BITS, delay - v->steal_last_run_delay);
	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
	v->steal_last_run_delay = delay;
}

/**
 * pv_sched_out() - the vCPU's thread is being switched out while runnable: tell the guest, so that
 * its spinners yield. Preemption off, no page fault may be taken: a page that isn't there goes
 * without.
 */
void pv_sched_out(struct vcpu_x86 *v)
{
	static const u8 preempted = KVM_VCPU_PREEMPTED;
	gpa_t gpa =
		(v->steal_msr & KVM_STEAL_VALID_BITS) + offsetof(struct kvm_steal_time, preempted);
	struct memslot *slot;
	hva_t hva;
	int idx;

	if (!(v->steal_msr & KVM_MSR_ENABLED) || current->mm != v->vcpu.vm->mm)
		return;
	idx = srcu_read_lock(&v->vcpu.vm->srcu);
	/* Found once: another thread may publish a set without it in the middle of this. */
	slot = memslot_find(memslots(v->vcpu.vm), gpa_to_gfn(gpa));
	if (slot && !(slot->flags & KVM_MEM_READONLY)) {
		hva = memslot_gfn_to_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa);
		if (!copy_to_user_nofault((void __user *)hva, &preempted, sizeof(preempted)))
			memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	}
	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
	/* The next entry clears it and accounts the wait. */
	vcpu_request(&v->vcpu, REQ_STEAL_UPDATE);
}

/* ------------------------------------------------------------------ MSRs */

/*
 * What CPUID doesn't name is there all the same, unless the VMM wants it enforced
 * (KVM_CAP_ENFORCE_PV_FEATURE_CPUID).
 */
static bool feature(struct vcpu_x86 *v, u32 bit)
{
	return !v->pv_enforced || (v->pv_features & BIT(bit));
}

/* The feature that a KVM MSR belongs to; -1: none of ours. */
static int msr_feature(u32 msr)
{
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:	return KVM_FEATURE_CLOCKSOURCE;
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:	return KVM_FEATURE_CLOCKSOURCE2;
	case MSR_KVM_STEAL_TIME:	return KVM_FEATURE_STEAL_TIME;
	default:			return -1;
	}
}

static bool has_msr(struct vcpu_x86 *v, u32 msr)
{
	int bit = msr_feature(msr);

	return bit >= 0 && feature(v, bit);
}

static void write_wall_clock(struct vcpu_x86 *v, gpa_t gpa)
{
	struct pvclock_wall_clock wc = { };
	struct vm *vm = v->vcpu.vm;
	u64 ns = vm_clock_wall_ns(v_vm(v));
	u32 version;
	int idx = srcu_read_lock(&vm->srcu);

	if (!vm_read_guest(vm, gpa, &version, sizeof(version))) {
		wc.version = (version | 1) + (version & 1 ? 2 : 0);
		wc.nsec = do_div(ns, NSEC_PER_SEC);
		wc.sec = ns;
		vm_write_guest(vm, gpa, &wc, sizeof(wc));
		smp_wmb();	/* body before the even version */
		wc.version++;
		vm_write_guest(vm, gpa, &wc.version, sizeof(wc.version));
	}
	srcu_read_unlock(&vm->srcu, idx);
}

static int set_steal_msr(struct vcpu_x86 *v, u64 val)
{
	if ((val & KVM_STEAL_RESERVED_MASK) || !sched_info_on())
		return -EINVAL;
	v->steal_msr = val;
	if (val & KVM_MSR_ENABLED) {
		v->steal_task = NULL;	/* begin with nothing waited */
		vcpu_request(&v->vcpu, REQ_STEAL_UPDATE);
	}
	return 0;
}

static int set_system_time(struct vcpu_x86 *v, u64 val)
{
	v->system_time_msr = val;
	vcpu_request(&v->vcpu, REQ_MASTERCLOCK_UPDATE);
	return 0;
}

static int set_wall_clock(struct vcpu_x86 *v, u64 val)
{
	v->wall_clock_msr = val;
	v_vm(v)->wall_clock = val;
	if (val)
		write_wall_clock(v, val);
	return 0;
}

/**
 * pv_set_msr() - a KVM MSR is written, by the VMM (@host) or the guest. vCPU loaded; may sleep.
 * -EINVAL: not there for this guest, or reserved bits. One that isn't there is 0 to the VMM: it
 * saves and restores all that are in the list of MSRs.
 */
int pv_set_msr(struct vcpu_x86 *v, u32 msr, u64 val, bool host)
{
	if (!has_msr(v, msr))
		return host && !val && msr_feature(msr) >= 0 ? 0 : -EINVAL;
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		return set_wall_clock(v, val);
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return set_system_time(v, val);
	default:
		return set_steal_msr(v, val);
	}
}

/** pv_get_msr() - a KVM MSR is read. -EINVAL: not there for this guest. */
int pv_get_msr(struct vcpu_x86 *v, u32 msr, u64 *val, bool host)
{
	*val = 0;
	if (!has_msr(v, msr))
		return host && msr_feature(msr) >= 0 ? 0 : -EINVAL;
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*val = v_vm(v)->wall_clock;
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*val = v->system_time_msr;
		return 0;
	default:
		*val = v->steal_msr;
		return 0;
	}
}

/* ------------------ hypercalls (x86/hypercalls.rst) */

/* KVM_HC_SEND_IPI: two registers of a bitmap, the id of its bit 0, and ICR. */
static s64 send_ipi(struct vcpu_x86 *v, u64 mask)
{
	struct hw_vcpu *hw = &v->hw;
	u64 low = hw_reg(hw, REG_RBX) & mask, high = hw_reg(hw, REG_RCX) & mask;
	u32 icr = hw_reg(hw, REG_RSI);
	struct apic_msg msg = { .vector = icr & APIC_VECTOR_MASK,
				.delivery = (icr >> 8) & 7,
				.assert = true };
	struct apic_ids ids = { .first = hw_reg(hw, REG_RDX) };

	/* physical ids and no shorthand: both are in the bitmap */
	if (icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT))
		return -KVM_EINVAL;
	ids.bits[0] = mask == U32_MAX ? low | high << 32 : low;
	ids.bits[1] = mask == U32_MAX ? 0 : high;
	return lapic_deliver_to_ids(&v_vm(v)->irqchip, &v->apic, &msg, &ids);
}

static s64 kick_cpu(struct vcpu_x86 *v, u32 apic_id)
{
	struct vcpu *target = vm_find_vcpu(v->vcpu.vm, apic_id);

	if (target) {
		vcpu_request(target, REQ_UNHALT);
		vcpu_kick(target);
	}
	return 0;
}

static s64 sched_yield_to(struct vcpu_x86 *v, u32 apic_id)
{
	struct vcpu *target = vm_find_vcpu(v->vcpu.vm, apic_id);

	v->vcpu.stats.directed_yield_attempted++;
	if (target && target != &v->vcpu && READ_ONCE(target->ready) && vcpu_yield_to(target))
		v->vcpu.stats.directed_yield_successful++;
	return 0;
}

/*
 * What of a register counts: number, arguments and answer are EAX, EBX, ECX, EDX, ESI outside
 * 64-bit code.
 */
static u64 hypercall_mask(struct vcpu_x86 *v)
{
	return vcpu_in_64bit_code(v) ? U64_MAX : U32_MAX;
}

static noinline s64 hypercall_ipi(struct vcpu_x86 *v, u64 mask)
{
	if (!feature(v, KVM_FEATURE_PV_SEND_IPI) || !v->has_apic)
		return -KVM_ENOSYS;
	return send_ipi(v, mask);
}

static s64 hypercall(struct vcpu_x86 *v, u64 nr, u64 mask)
{
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;
	case KVM_HC_KICK_CPU:
		return feature(v, KVM_FEATURE_PV_UNHALT) ? kick_cpu(v, hw_reg(&v->hw, REG_RCX))
							 : -KVM_ENOSYS;
	case KVM_HC_SEND_IPI:
		return hypercall_ipi(v, mask);
	case KVM_HC_SCHED_YIELD:
		return feature(v, KVM_FEATURE_PV_SCHED_YIELD)
			       ? sched_yield_to(v, hw_reg(&v->hw, REG_RBX))
			       : -KVM_ENOSYS;
	default:
		return -KVM_ENOSYS;
	}
}

/**
 * vcpu_hypercall() - VMCALL/VMMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI, answer in RAX.
 * The caller skips the instruction. vCPU thread; may sleep, but only for KVM_HC_SCHED_YIELD.
 * Returns as slow_exit().
 */
int vcpu_hypercall(struct vcpu_x86 *v)
{
	struct hw_vcpu *hw = &v->hw;
	u64 mask = hypercall_mask(v), nr = hw_reg(hw, REG_RAX) & mask;
	s64 ret;

	v->vcpu.stats.hypercalls++;
	ret = hw_cpl(hw) ? -KVM_EPERM : hypercall(v, nr, mask);
	hw_set_reg(hw, REG_RAX, ret & mask);
	return NEXT_GUEST;
}
