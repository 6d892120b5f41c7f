// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time as a guest sees it: its TSC (host TSC scaled and moved) and kvmclock (a page that turns TSC
 * ticks into nanoseconds; x86/msr.rst, x86/timekeeping.rst).
 *
 * kvmclock counts the host's raw monotonic time, suspend included, from the creation of the VM.
 * Raw, because its rate is that of the TSC: a page written once stays right. While the host itself
 * keeps time by the TSC and all vCPUs of a VM have the same guest TSC, all pages are made from one
 * snapshot (struct kvm_clock_snapshot) and carry PVCLOCK_TSC_STABLE_BIT: the guest may read any
 * page from any vCPU. Otherwise each vCPU has its own pairing, renewed when it moves to another
 * CPU.
 */
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/math64.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>
#include <asm/tsc.h>
#include "vcpu/vcpu.h"

#define TSC_TOLERANCE_PPM	250	/* a frequency so near to the host's is the host's */

/* All VMs, for the moment when the host changes its clocksource. */
static LIST_HEAD(clock_vms);
static DEFINE_SPINLOCK(clock_vms_lock);
bool host_clock_is_tsc;

/* ------------------------------------------------------------------ the host's clocks */

static void clocksource_changed(struct work_struct *work)
{
	struct vm_x86 *vm;

	spin_lock(&clock_vms_lock);
	list_for_each_entry(vm, &clock_vms, clock_link)
		vm_request_all(&vm->vm, REQ_MASTERCLOCK_UPDATE, REQUEST_NOWAIT, NULL);
	spin_unlock(&clock_vms_lock);
}

static DECLARE_WORK(clocksource_work, clocksource_changed);

static void queue_clocksource_work(struct irq_work *unused)
{
	schedule_work(&clocksource_work);
}

static DEFINE_IRQ_WORK(clocksource_irq_work, queue_clocksource_work);

/*
 * Called by the timekeeper at each of its updates, in the middle of writing: no clock can be read
 * until it is done. Queueing a work takes the lock of a worker pool, and whoever holds that on
 * another CPU may be waiting for a clock. So it is left to an interrupt of this CPU, which comes
 * when the timekeeper is done.
 */
static int timekeeper_updated(struct notifier_block *nb, unsigned long unused, void *priv)
{
	struct timekeeper *tk = priv;
	bool is_tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (is_tsc != READ_ONCE(host_clock_is_tsc)) {
		WRITE_ONCE(host_clock_is_tsc, is_tsc);
		irq_work_queue(&clocksource_irq_work);
	}
	return 0;
}

static struct notifier_block timekeeper_notifier = { .notifier_call = timekeeper_updated };

/**
 * clock_setup() - at module load. May sleep. -EOPNOTSUPP, and @why: a kernel that could not measure
 * the TSC has 0 for its frequency, by which guests' clocks, timers and waits are divided.
 */
int clock_setup(const char **why)
{
	if (!tsc_khz) {
		*why = "the kernel doesn't know the frequency of the TSC";
		return -EOPNOTSUPP;
	}
	return pvclock_gtod_register_notifier(&timekeeper_notifier);
}

/** clock_teardown() - at module unload. May sleep. */
void clock_teardown(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
	irq_work_sync(&clocksource_irq_work);
	cancel_work_sync(&clocksource_work);
}

/* Nanoseconds that kvmclock is made of: raw monotonic plus what was slept through. */
static u64 base_ns(void)
{
	return ktime_get_raw_ns() + ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}

/*
 * What the host's TSC lost, in all, by beginning anew while the host slept, or at another value
 * (less than 0: it was moved forward). Written while one CPU runs and all tasks are frozen.
 */
s64 host_tsc_lost;
static u64 host_tsc_at_suspend, ns_at_suspend;

#define SLEEP_CLOCK_ERROR_MS	2000	/* the clock that goes on meanwhile counts seconds */

/* Are these @ticks of the TSC the time that has passed? */
static bool ticks_are_time(s64 ticks, u64 ns)
{
	s64 expected = mul_u64_u32_div(ns, tsc_khz, 1000000);

	return abs(ticks - expected) <= (s64)tsc_khz * SLEEP_CLOCK_ERROR_MS + expected / 64;
}

/**
 * clock_suspend(), clock_resume() - the host goes to sleep and comes back: on its last CPU, IRQs
 * off, tasks frozen, the kernel's clocks still and again at work. A TSC that counted what was slept
 * through is right for guests too; one that began somewhere else is not.
 */
void clock_suspend(void)
{
	host_tsc_at_suspend = rdtsc();
	ns_at_suspend = base_ns();
}

void clock_resume(void)
{
	s64 ticks = rdtsc() - host_tsc_at_suspend;

	/* Never back for guests, not even by little. */
	if (ticks < 0 || !ticks_are_time(ticks, base_ns() - ns_at_suspend))
		host_tsc_lost -= ticks;
	/* kvmclock counts what was slept through: new pages for all. */
	schedule_work(&clocksource_work);
}

/* A host TSC value and the time that belongs to it, read as near together as this CPU allows. */
static void read_pair(u64 *tsc, u64 *ns)
{
	unsigned long flags;

	local_irq_save(flags);
	*tsc = rdtsc_ordered();
	*ns = base_ns();
	local_irq_restore(flags);
}

/* ------------------------------------------------------------------ guest TSC */

static u64 scale_tsc(u64 tsc, u64 ratio)
{
	if (ratio == hw_caps.default_tsc_scaling_ratio)
		return tsc;
	return mul_u64_u64_shr(tsc, ratio, hw_caps.tsc_scaling_frac_bits);
}

/** vcpu_guest_tsc() - the guest's TSC when the host's is @host_tsc. Any context. */
u64 vcpu_guest_tsc(struct vcpu_x86 *v, u64 host_tsc)
{
	return scale_tsc(host_tsc, v->tsc_ratio) + v->tsc_offset;
}

static void tell_lapic(struct vcpu_x86 *v)
{
	struct apic_tsc tsc = { .offset = v->tsc_offset, .khz = v->tsc_khz,
		.ratio_frac_bits = hw_caps.tsc_scaling_frac_bits,
		.ratio = v->tsc_ratio == hw_caps.default_tsc_scaling_ratio ? 0 : v->tsc_ratio };

	if (v->has_apic)
		lapic_set_tsc(&v->apic, &tsc);
}

/* By how much an offset must rise that was right when *@seen was lost. */
static u64 lost_since(s64 *seen, u64 ratio)
{
	s64 lost = host_tsc_lost - *seen;

	*seen = host_tsc_lost;
	return lost < 0 ? -scale_tsc(-lost, ratio) : scale_tsc(lost, ratio);
}

static void vm_follow_host_tsc(struct vm_x86 *vm, u64 ratio)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	vm->tsc_last_offset += lost_since(&vm->tsc_lost_seen, ratio);
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
}

/*
 * The host's TSC began somewhere else: the guest's goes on where it was. All vCPUs of a VM move by
 * the same number of ticks, so TSCs that were one stay one. Done when the vCPU is next loaded,
 * since only then its offset can be written.
 */
static void vcpu_follow_host_tsc(struct vcpu_x86 *v)
{
	vm_follow_host_tsc(v_vm(v), v->tsc_ratio);
	v->tsc_offset += lost_since(&v->tsc_lost_seen, v->tsc_ratio);
	v->last_host_tsc = 0;
	hw_set_tsc_offset(&v->hw, v->tsc_offset);
	tell_lapic(v);
	/* A snapshot may have been taken while some had moved and others not. */
	vcpu_request(&v->vcpu, REQ_MASTERCLOCK_UPDATE);
}

/** vcpu_set_tsc_offset() - move the guest's TSC. vCPU loaded. */
void vcpu_set_tsc_offset(struct vcpu_x86 *v, u64 offset)
{
	v->tsc_offset = offset;
	hw_set_tsc_offset(&v->hw, offset);
	tell_lapic(v);
	vcpu_request(&v->vcpu, REQ_MASTERCLOCK_UPDATE);
}

/*
 * A VMM restores the TSCs of its vCPUs one after the other. A value that is within a second of
 * where the VM's TSC stands by now is meant to be the same TSC, and gets exactly the same offset
 * (x86/timekeeping.rst; that's what VMMs rely on). The first value is none of these: a fresh VM's
 * TSC, which began with its first vCPU, says nothing.
 */
static bool same_tsc(struct vm_x86 *vm, struct vcpu_x86 *v, u64 guest_tsc, u64 host_tsc)
{
	u64 expected = scale_tsc(host_tsc, v->tsc_ratio) + vm->tsc_last_offset;
	s64 distance = guest_tsc - expected;

	return vm->tsc_restored && abs(distance) < (s64)v->tsc_khz * 1000;
}

static u64 host_write_offset(struct vcpu_x86 *v, u64 guest_tsc)
{
	struct vm_x86 *vm = v_vm(v);
	unsigned long flags;
	u64 host_tsc, offset;

	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	host_tsc = rdtsc();
	if (same_tsc(vm, v, guest_tsc, host_tsc)) {
		offset = vm->tsc_last_offset;
	} else {
		offset = guest_tsc - scale_tsc(host_tsc, v->tsc_ratio);
		vm->tsc_last_offset = offset;
		vm->tsc_restored = true;
	}
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	return offset;
}

/**
 * vcpu_write_tsc() - IA32_TSC is written, by the VMM (@host) or the guest. vCPU loaded.
 * A guest's write moves TSC_ADJUST along (SDM 3B, 18.17.3).
 */
void vcpu_write_tsc(struct vcpu_x86 *v, u64 guest_tsc, bool host)
{
	u64 delta;

	if (host) {
		vcpu_set_tsc_offset(v, host_write_offset(v, guest_tsc));
		return;
	}
	delta = guest_tsc - vcpu_guest_tsc(v, rdtsc());
	vcpu_set_tsc_offset(v, v->tsc_offset + delta);
	v->tsc_adjust += delta;
}

/**
 * clock_vcpu_init() - a new vCPU: its TSC is that of its VM, or 0 now if it is the first. vCPU
 * loaded.
 */
void clock_vcpu_init(struct vcpu_x86 *v)
{
	struct vm_x86 *vm = v_vm(v);
	unsigned long flags;
	u64 offset;

	v->tsc_ratio = hw_caps.default_tsc_scaling_ratio;
	vcpu_set_tsc_khz(v, READ_ONCE(vm->default_tsc_khz));
	v->tsc_lost_seen = host_tsc_lost;
	vm_follow_host_tsc(vm, v->tsc_ratio);
	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	if (!vm->tsc_written) {
		vm->tsc_last_offset = -scale_tsc(rdtsc(), v->tsc_ratio);
		vm->tsc_written = true;
	}
	offset = vm->tsc_last_offset;
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	vcpu_set_tsc_offset(v, offset);
}

/**
 * clock_tsc_ratio() - what scales the host's TSC to @khz. -EINVAL: not the host's frequency and
 * this CPU can't scale, or beyond its range.
 */
int clock_tsc_ratio(u32 khz, u64 *ratio)
{
	u32 tolerance = (u64)tsc_khz * TSC_TOLERANCE_PPM / 1000000;

	*ratio = hw_caps.default_tsc_scaling_ratio;
	if (!khz)
		return -EINVAL;
	if (abs((s64)khz - (s64)tsc_khz) <= tolerance)
		return 0;
	if (!hw_caps.tsc_scaling)
		return -EINVAL;
	*ratio = mul_u64_u32_div(hw_caps.default_tsc_scaling_ratio, khz, tsc_khz);
	return !*ratio || *ratio >= hw_caps.max_tsc_scaling_ratio ? -EINVAL : 0;
}

/**
 * vcpu_set_tsc_khz() - KVM_SET_TSC_KHZ. vCPU loaded. -EINVAL: as clock_tsc_ratio().
 */
int vcpu_set_tsc_khz(struct vcpu_x86 *v, u32 khz)
{
	u64 ratio;
	int err = clock_tsc_ratio(khz, &ratio);

	if (err)
		return err;
	v->tsc_khz = khz;
	v->tsc_ratio = ratio;
	hw_set_tsc_ratio(&v->hw, ratio);
	tell_lapic(v);
	vcpu_request(&v->vcpu, REQ_MASTERCLOCK_UPDATE);
	return 0;
}

/**
 * clock_load_elsewhere() - the vCPU may come to another CPU than last time, or the host's TSC began
 * anew. Preemption off.
 */
void clock_load_elsewhere(struct vcpu_x86 *v, int cpu)
{
	u64 now;

	if (unlikely(v->tsc_lost_seen != host_tsc_lost))
		vcpu_follow_host_tsc(v);
	if (v->clock_cpu == cpu)
		return;
	v->clock_cpu = cpu;
	if (check_tsc_unstable() && v->last_host_tsc) {
		/*
		 * The TSC here may be behind the one that the guest saw last: time must not go
		 * back.
		 */
		now = rdtsc();
		if ((s64)(now - v->last_host_tsc) < 0) {
			v->tsc_offset += scale_tsc(v->last_host_tsc, v->tsc_ratio) -
					 scale_tsc(now, v->tsc_ratio);
			hw_set_tsc_offset(&v->hw, v->tsc_offset);
			tell_lapic(v);
		}
	}
	if (!READ_ONCE(v_vm(v)->clock.stable))
		vcpu_request(&v->vcpu, REQ_CLOCK_UPDATE);
}

/* ------------------------------------------------------------------ kvmclock of the VM */

/** clock_vm_init() - kvmclock starts at 0 with the VM. */
void clock_vm_init(struct vm_x86 *vm)
{
	raw_spin_lock_init(&vm->tsc_lock);
	seqcount_raw_spinlock_init(&vm->clock_seq, &vm->tsc_lock);
	vm->default_tsc_khz = tsc_khz;
	vm->kvmclock_offset = -(s64)base_ns();
	vm->tsc_lost_seen = host_tsc_lost;
	spin_lock(&clock_vms_lock);
	list_add(&vm->clock_link, &clock_vms);
	spin_unlock(&clock_vms_lock);
}

/** clock_vm_destroy() - undo clock_vm_init(). */
void clock_vm_destroy(struct vm_x86 *vm)
{
	spin_lock(&clock_vms_lock);
	list_del(&vm->clock_link);
	spin_unlock(&clock_vms_lock);
}

static bool tscs_match(struct vm_x86 *vm)
{
	struct vcpu *vcpu;
	unsigned long i;
	u64 offset = 0, ratio = 0;
	bool first = true;

	vm_for_each_vcpu(i, vcpu, &vm->vm) {
		struct vcpu_x86 *v = to_x86(vcpu);

		if (!first &&
		    (READ_ONCE(v->tsc_offset) != offset || READ_ONCE(v->tsc_ratio) != ratio))
			return false;
		offset = READ_ONCE(v->tsc_offset);
		ratio = READ_ONCE(v->tsc_ratio);
		first = false;
	}
	return true;
}

/**
 * clock_update_vm() - REQ_MASTERCLOCK_UPDATE: a new snapshot for all, then each vCPU rewrites its
 * page. vCPU thread or ioctl; may sleep.
 */
void clock_update_vm(struct vm_x86 *vm)
{
	unsigned long flags;
	bool stable;

	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	/*
	 * Looked at under the lock: a vCPU moves its TSC, then comes here. Of two that come, the
	 * one that publishes last sees what the other had moved before, so an older verdict can't
	 * overwrite a newer one.
	 */
	stable = READ_ONCE(host_clock_is_tsc) && !check_tsc_unstable() && tscs_match(vm);
	write_seqcount_begin(&vm->clock_seq);
	vm->clock.stable = stable;
	vm->clock.host_tsc = rdtsc_ordered();
	vm->clock.boot_ns = base_ns();
	write_seqcount_end(&vm->clock_seq);
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	vm_request_all(&vm->vm, REQ_CLOCK_UPDATE, REQUEST_NOWAIT, NULL);
}

static struct kvm_clock_snapshot clock_read(struct vm_x86 *vm, s64 *offset)
{
	struct kvm_clock_snapshot snap;
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&vm->clock_seq);
		snap = vm->clock;
		*offset = vm->kvmclock_offset;
	} while (read_seqcount_retry(&vm->clock_seq, seq));
	return snap;
}

/* kvmclock now, by the same arithmetic that a guest does where the clock is stable. */
static u64 clock_now(struct vm_x86 *vm, u64 *host_tsc, bool *stable)
{
	struct pvclock_vcpu_time_info hv = { };
	struct kvm_clock_snapshot snap;
	s64 offset;
	u64 ns;

	snap = clock_read(vm, &offset);
	read_pair(host_tsc, &ns);
	*stable = snap.stable;
	if (!snap.stable)
		return ns + offset;
	pvclock_scale(tsc_khz, &hv.tsc_shift, &hv.tsc_to_system_mul);
	return snap.boot_ns + offset + pvclock_scale_ticks(*host_tsc - snap.host_tsc, &hv);
}

/** vm_get_clock() - KVM_GET_CLOCK. Any process context. */
int vm_get_clock(struct vm_x86 *vm, struct kvm_clock_data *data)
{
	bool stable;
	u64 tsc;

	memset(data, 0, sizeof(*data));
	data->clock = clock_now(vm, &tsc, &stable);
	if (READ_ONCE(host_clock_is_tsc)) {
		data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
		data->host_tsc = tsc;
		data->realtime = ktime_get_real_ns();
	}
	if (stable)
		data->flags |= KVM_CLOCK_TSC_STABLE;
	return 0;
}

/** vm_set_clock() - KVM_SET_CLOCK. -EINVAL: flags other than KVM_CLOCK_REALTIME. */
int vm_set_clock(struct vm_x86 *vm, const struct kvm_clock_data *data)
{
	unsigned long flags;
	u64 target = data->clock, now;

	if (data->flags & ~KVM_CLOCK_REALTIME)
		return -EINVAL;
	if (data->flags & KVM_CLOCK_REALTIME) {	/* time went on since the value was taken */
		now = ktime_get_real_ns();
		if (now > data->realtime)
			target += now - data->realtime;
	}
	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	write_seqcount_begin(&vm->clock_seq);
	vm->kvmclock_offset = target - base_ns();
	write_seqcount_end(&vm->clock_seq);
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	clock_update_vm(vm);
	return 0;
}

/** vm_clock_wall_ns() - the wall-clock time at which kvmclock was 0. Process context. */
u64 vm_clock_wall_ns(struct vm_x86 *vm)
{
	bool stable;
	u64 tsc;

	return ktime_get_real_ns() - clock_now(vm, &tsc, &stable);
}

/* ------------------------------------------------------------------ a vCPU's page */

/**
 * pvclock_scale() - the shift and multiplier with which ticks of a @khz counter become nanoseconds:
 * ns = (ticks << shift) * mul / 2^32, mul with its top bit set (<asm/pvclock-abi.h>).
 */
void pvclock_scale(u32 khz, s8 *shift, u32 *mul)
{
	u64 hz = (u64)khz * 1000;

	*shift = 0;
	for (; hz > 2ull * NSEC_PER_SEC; hz >>= 1)
		--*shift;
	for (; hz <= NSEC_PER_SEC; hz <<= 1)
		++*shift;
	*mul = div64_u64((u64)NSEC_PER_SEC << 32, hz);
}

/** pvclock_scale_ticks() - nanoseconds of @ticks by the page's own factors. */
u64 pvclock_scale_ticks(u64 ticks, const struct pvclock_vcpu_time_info *page)
{
	ticks = page->tsc_shift < 0 ? ticks >> -page->tsc_shift : ticks << page->tsc_shift;
	return mul_u64_u32_shr(ticks, page->tsc_to_system_mul, 32);
}

static void fill_page(struct vcpu_x86 *v, struct pvclock_vcpu_time_info *page)
{
	struct vm_x86 *vm = v_vm(v);
	struct kvm_clock_snapshot snap;
	s64 offset;

	snap = clock_read(vm, &offset);
	if (!snap.stable)
		read_pair(&snap.host_tsc, &snap.boot_ns);
	page->tsc_timestamp = vcpu_guest_tsc(v, snap.host_tsc);
	page->system_time = snap.boot_ns + offset;
	pvclock_scale(v->tsc_khz, &page->tsc_shift, &page->tsc_to_system_mul);
	page->flags = snap.stable ? PVCLOCK_TSC_STABLE_BIT : 0;
}

/* Odd version while it changes: a reader of the guest on another vCPU retries. */
static void write_page(struct vcpu_x86 *v, gpa_t gpa, struct pvclock_vcpu_time_info *page)
{
	struct vm *vm = v->vcpu.vm;
	struct pvclock_vcpu_time_info old;

	if (vm_read_guest(vm, gpa, &old, sizeof(old)))
		return;
	/* The guest takes it away when it has seen it. */
	page->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	page->version = (old.version | 1) + (old.version & 1 ? 2 : 0);
	if (vm_write_guest(vm, gpa, &page->version, sizeof(page->version)))
		return;
	smp_wmb();	/* odd version before the body */
	vm_write_guest(vm, gpa + sizeof(u32), (u32 *)page + 1, sizeof(*page) - sizeof(u32));
	smp_wmb();	/* body before the even version */
	page->version++;
	vm_write_guest(vm, gpa, &page->version, sizeof(page->version));
}

/** clock_update_vcpu() - REQ_CLOCK_UPDATE: rewrite this vCPU's page. vCPU thread; may sleep. */
void clock_update_vcpu(struct vcpu_x86 *v)
{
	struct pvclock_vcpu_time_info page = { };
	int idx;

	if (!(v->system_time_msr & 1))
		return;
	fill_page(v, &page);
	if (v->guest_stopped) {	/* KVM_KVMCLOCK_CTRL: told once, and until the guest clears it */
		page.flags |= PVCLOCK_GUEST_STOPPED;
		v->guest_stopped = false;
	}
	idx = srcu_read_lock(&v->vcpu.vm->srcu);
	write_page(v, v->system_time_msr & ~1ull, &page);
	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
}
