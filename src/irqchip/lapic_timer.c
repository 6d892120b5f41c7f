// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LAPIC's timer: one-shot and periodic by the bus clock, TSC deadline by the guest's TSC (SDM
 * 3A, 11.5.4).
 *
 * An hrtimer stands for the hardware. Its callback only notes that it fired; IRR is set by the
 * vCPU's thread, which also starts the next period. So a vCPU that doesn't run takes no interrupts
 * of the host, however short its period is, and ticks that come before the last was taken merge, as
 * they do in IRR.
 *
 * Where the processor has a timer that runs with the guest, the vCPU's floor may have it count
 * instead, while the vCPU doesn't sleep: then no interrupt of the host comes between, and who
 * doesn't run needs none.
 *
 * The mode is HARD: the callback takes no lock and does nothing that a hard interrupt may not, also
 * on PREEMPT_RT, where a softirq would add the latency that a guest's timer is measured by.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <asm/tsc.h>
#include "core/compat.h"
#include "irqchip/chips.h"
#include "irqchip/lapic_inline.h"

/* No guest waits for longer: about 146 years, and sums of two stay in range. */
#define TIMER_MAX_NS	((u64)KTIME_MAX / 2)

enum timer_mode { TIMER_ONESHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

static enum timer_mode lapic_timer_mode(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_LVTT) >> 17 & 3;
}

/* Hard interrupt. */
static enum hrtimer_restart lapic_timer_fired(struct hrtimer *hrtimer)
{
	struct lapic *apic = container_of(hrtimer, struct lapic, timer.hrtimer);

	atomic_set(&apic->timer.pending, 1);
	vcpu_request(apic->vcpu, REQ_APIC_TIMER);
	vcpu_kick(apic->vcpu);
	return HRTIMER_NORESTART;
}

void lapic_timer_init(struct lapic *apic)
{
	compat_hrtimer_setup(&apic->timer.hrtimer, lapic_timer_fired, HRTIMER_MODE_ABS_HARD);
	apic->divide = 2;
}

/* ------------------ who counts: the host's hrtimer or the processor */

static void timer_enter_host(struct lapic *apic, ktime_t expires)
{
	apic->timer.expires = expires;
	apic->timer.host = true;
	hrtimer_start(&apic->timer.hrtimer, expires, HRTIMER_MODE_ABS_HARD);
}

static void timer_leave_host(struct lapic *apic)
{
	if (!apic->timer.host)
		return;
	apic->timer.host = false;
	/*
	 * May spin for a callback on another CPU, which waits for nothing: right with IRQs off too.
	 */
	hrtimer_cancel(&apic->timer.hrtimer);
}

static void timer_enter_hw(struct lapic *apic, u64 host_tsc)
{
	apic->timer.host_tsc = host_tsc;
	apic->timer.hw = apic->timer.moved = true;
}

static void timer_leave_hw(struct lapic *apic)
{
	if (!apic->timer.hw)
		return;
	apic->timer.hw = false;
	apic->timer.moved = true;
}

void lapic_timer_stop(struct lapic *apic)
{
	timer_leave_host(apic);
	timer_leave_hw(apic);
	atomic_set(&apic->timer.pending, 0);
	apic->timer.expires = 0;
}

/* Over before it could be armed: the vCPU's thread will latch it. */
static void timer_fire(struct lapic *apic)
{
	atomic_set(&apic->timer.pending, 1);
	vcpu_request(apic->vcpu, REQ_APIC_TIMER);
}

/* Longer ones are no matter of the last microsecond, and the product below stays in range. */
#define HW_TIMER_MAX_NS		(100 * NSEC_PER_SEC)

/*
 * Until @expires; for the processor rounded up: a guest that looks at its clock must not find that
 * it is too early.
 */
static void timer_arm(struct lapic *apic, ktime_t expires)
{
	ktime_t now = ktime_get();
	u64 ns = expires > now ? expires - now : 0;

	if (!apic->timer.use_hw || ns > HW_TIMER_MAX_NS) {
		timer_enter_host(apic, expires);
		return;
	}
	apic->timer.expires = expires;
	timer_enter_hw(apic, rdtsc() + div64_u64((ns + 1) * tsc_khz, NSEC_PER_MSEC) + 1);
}

/* ------------------------------------------------------------------ bus clock */

/* Both factors are somebody's to choose: the VMM's clock and the guest's count. */
static u64 count_to_ns(const struct lapic *apic, u32 count)
{
	u64 ns;

	if (check_mul_overflow((u64)count * apic->divide, (u64)max(apic->bus_ns, 1u), &ns) ||
	    ns > TIMER_MAX_NS)
		return TIMER_MAX_NS;
	return ns;
}

static u32 ns_to_count(const struct lapic *apic, u64 ns)
{
	u64 tick = (u64)max(apic->bus_ns, 1u) * apic->divide;

	/* Rounded up: the count is 0 only when it is over. */
	return min_t(u64, div64_u64(ns + tick - 1, tick), lapic_reg(apic, APIC_TMICT));
}

/* Start counting as if @elapsed_ns of the period were over. */
static void timer_start_bus(struct lapic *apic, u64 elapsed_ns)
{
	bool periodic = lapic_timer_mode(apic) == TIMER_PERIODIC;
	u64 period = count_to_ns(apic, lapic_reg(apic, APIC_TMICT));

	if (periodic)
		period = max(period, TIMER_MIN_PERIOD_NS);
	apic->timer.period_ns = period;
	apic->timer.start = ktime_get() - min(elapsed_ns, period);
	timer_arm(apic, apic->timer.start + period);
}

void lapic_timer_start(struct lapic *apic)
{
	enum timer_mode mode = lapic_timer_mode(apic);

	if (mode == TIMER_TSC_DEADLINE)
		return;
	lapic_timer_stop(apic);
	if (lapic_reg(apic, APIC_TMICT) && mode != TIMER_RESERVED &&
	    lapic_mode(apic) != APIC_DISABLED)
		timer_start_bus(apic, 0);
}

static u64 timer_remaining_ns(const struct lapic *apic)
{
	ktime_t now = ktime_get();
	u64 into;

	if (!apic->timer.expires)
		return 0;
	if (now < apic->timer.expires)
		return apic->timer.expires - now;
	if (lapic_timer_mode(apic) != TIMER_PERIODIC)
		return 0;
	/* Over, and not started again yet. */
	div64_u64_rem(now - apic->timer.start, apic->timer.period_ns, &into);
	return apic->timer.period_ns - into;
}

u32 lapic_timer_count(struct lapic *apic)
{
	if (lapic_timer_mode(apic) == TIMER_TSC_DEADLINE)
		return 0;
	return ns_to_count(apic, timer_remaining_ns(apic));
}

void lapic_timer_set_divide(struct lapic *apic, u32 tdcr)
{
	/* Bits 3, 1, 0 are log2 of the divisor, less one; 7 is for 1 (SDM 3A, figure 11-10). */
	u32 shift = ((tdcr & 3) | (tdcr >> 1 & 4)) + 1;
	u32 divide = 1u << (shift & 7);
	u32 left = lapic_timer_count(apic);
	u64 remaining;

	lapic_set_reg(apic, APIC_TDCR, tdcr);
	if (divide == apic->divide)
		return;
	apic->divide = divide;
	if (!apic->timer.expires || lapic_timer_mode(apic) == TIMER_TSC_DEADLINE ||
	    atomic_read(&apic->timer.pending))
		return;
	/* The counter keeps its value and goes on at the new speed. */
	lapic_timer_stop(apic);
	remaining = count_to_ns(apic, left);
	apic->timer.period_ns = count_to_ns(apic, lapic_reg(apic, APIC_TMICT));
	timer_start_bus(apic, apic->timer.period_ns - min(remaining, apic->timer.period_ns));
}

/* ------------------------------------------------------------------ ticks */

static void timer_next_period(struct lapic *apic)
{
	ktime_t now = ktime_get();
	u64 into;

	/* From where the last should have ended, so that being late doesn't add up. */
	div64_u64_rem(now - apic->timer.start, apic->timer.period_ns, &into);
	apic->timer.start = now - into;
	timer_arm(apic, apic->timer.start + apic->timer.period_ns);
}

static void timer_tick(struct lapic *apic)
{
	u32 lvtt = lapic_reg(apic, APIC_LVTT);

	atomic_set(&apic->timer.pending, 0);
	apic->timer.expires = 0;
	apic->timer.host = false;	/* an hrtimer that has said so is not queued any more */
	if (lapic_timer_mode(apic) == TIMER_TSC_DEADLINE)
		apic->timer.deadline = 0;
	else if (lapic_timer_mode(apic) == TIMER_PERIODIC && apic->timer.period_ns)
		timer_next_period(apic);
	if (lvtt & APIC_LVT_MASKED)
		return;
	if (unlikely((u8)lvtt < 16))
		lapic_error(apic, APIC_ESR_RECVILL);
	else
		lapic_raise_own(apic, lvtt);
}

/* ------------------------------------------------------------------ the processor's timer */

bool lapic_timer_for_hardware(struct lapic *apic, u64 *host_tsc)
{
	if (likely(!apic->timer.moved))
		return false;
	apic->timer.moved = false;
	*host_tsc = apic->timer.hw ? apic->timer.host_tsc : ~0ull;
	return true;
}

static void timer_hw_tick(struct lapic *apic)
{
	timer_leave_hw(apic);
	timer_tick(apic);
}

bool lapic_timer_hw_over(struct lapic *apic)
{
	/* It is set to 0 for other reasons, too. */
	if (!apic->timer.hw || rdtsc() < apic->timer.host_tsc)
		return false;
	timer_hw_tick(apic);
	return true;
}

void lapic_timer_take(struct lapic *apic)
{
	if (unlikely(atomic_read(&apic->timer.pending)))
		timer_tick(apic);
}

void lapic_timer_latch(struct lapic *apic)
{
	/*
	 * Nobody has told us of the processor's while the vCPU didn't run. What is rounded up there
	 * isn't in the count.
	 */
	if (!lapic_timer_hw_over(apic) && apic->timer.hw && apic->timer.expires &&
	    ktime_get() >= apic->timer.expires)
		timer_hw_tick(apic);
	lapic_timer_take(apic);
}

/* ------------------------------------------------------------------ TSC deadline */

static u64 guest_tsc_at(const struct lapic *apic, u64 host_tsc)
{
	if (apic->tsc.ratio)
		host_tsc = mul_u64_u64_shr(host_tsc, apic->tsc.ratio, apic->tsc.ratio_frac_bits);
	return host_tsc + apic->tsc.offset;
}

/*
 * Guest TSC ticks to ns: ticks * 10^6 / kHz, in 128 bits, and only where the quotient is known to
 * fit: the division traps otherwise.
 */
static u64 tsc_to_ns(const struct lapic *apic, u64 ticks)
{
	u32 khz = apic->tsc.khz ? apic->tsc.khz : tsc_khz;

	if (!khz || div64_u64(ticks, khz) >= TIMER_MAX_NS / NSEC_PER_MSEC)
		return TIMER_MAX_NS;
	return mul_u64_u64_div_u64(ticks, NSEC_PER_MSEC, khz);
}

/* No processor counts further than that, and the product below stays in range. */
#define HW_TIMER_MAX_TICKS	BIT_ULL(40)

/* Host ticks in which the guest's TSC does @ticks; rounded up, as above. False: too many. */
static bool host_ticks(const struct lapic *apic, u64 *ticks)
{
	if (*ticks > HW_TIMER_MAX_TICKS)
		return false;
	if (likely(!apic->tsc.ratio))
		return true;
	/* A guest whose clock is a million times slower. */
	if (!(apic->tsc.ratio >> (apic->tsc.ratio_frac_bits - 20)))
		return false;
	*ticks = mul_u64_u64_div_u64(*ticks, BIT_ULL(apic->tsc.ratio_frac_bits), apic->tsc.ratio) +
		 1;
	return true;
}

/* The processor's timer counts the TSC, so no other clock is asked. */
static void timer_enter_deadline(struct lapic *apic, u64 now, u64 ticks)
{
	u64 in_host_ticks = ticks;

	if (apic->timer.use_hw && host_ticks(apic, &in_host_ticks))
		timer_enter_hw(apic, now + in_host_ticks);
	else
		timer_enter_host(apic, ktime_get() + tsc_to_ns(apic, ticks));
}

/* False: it is over already. */
static bool timer_arm_deadline(struct lapic *apic)
{
	u64 now, guest_now, deadline = apic->timer.deadline;

	lapic_timer_stop(apic);
	if (!deadline || lapic_mode(apic) == APIC_DISABLED)
		return true;
	now = rdtsc();
	guest_now = guest_tsc_at(apic, now);
	if (deadline <= guest_now)
		return false;
	timer_enter_deadline(apic, now, deadline - guest_now);
	return true;
}

u64 lapic_timer_deadline(struct lapic *apic)
{
	/* It reads 0 once it has fired. */
	lapic_timer_latch(apic);
	return lapic_timer_mode(apic) == TIMER_TSC_DEADLINE ? apic->timer.deadline : 0;
}

void lapic_timer_set_deadline(struct lapic *apic, u64 tsc)
{
	if (lapic_timer_mode(apic) != TIMER_TSC_DEADLINE)
		return;
	apic->timer.deadline = tsc;
	if (!timer_arm_deadline(apic))
		timer_tick(apic);
}

void lapic_set_tsc(struct lapic *apic, const struct apic_tsc *tsc)
{
	apic->tsc = *tsc;
	if (lapic_timer_mode(apic) == TIMER_TSC_DEADLINE && apic->timer.deadline &&
	    !atomic_read(&apic->timer.pending)) {
		if (!timer_arm_deadline(apic))
			timer_fire(apic);
	} else if (apic->timer.hw) {
		/* It counts by the host's TSC, which may have begun anew. */
		timer_leave_hw(apic);
		timer_arm(apic, apic->timer.expires);
	}
}

/* ------------------------------------------------------------------ sleep, and changes of mode */

void lapic_timer_to_host(struct lapic *apic)
{
	ktime_t expires = apic->timer.expires;
	u64 now, deadline = apic->timer.deadline;

	if (!apic->timer.hw)
		return;
	timer_leave_hw(apic);
	if (lapic_timer_mode(apic) == TIMER_TSC_DEADLINE) {
		now = guest_tsc_at(apic, rdtsc());
		expires = ktime_get() + (deadline > now ? tsc_to_ns(apic, deadline - now) : 0);
	}
	timer_enter_host(apic, expires);
}

void lapic_timer_to_hw(struct lapic *apic)
{
	ktime_t expires = apic->timer.expires;

	if (!apic->timer.use_hw || apic->timer.hw || !expires)
		return;
	timer_leave_host(apic);
	/* What it has said it has said. */
	if (atomic_read(&apic->timer.pending))
		return;
	if (lapic_timer_mode(apic) != TIMER_TSC_DEADLINE)
		timer_arm(apic, expires);
	else if (!timer_arm_deadline(apic))
		timer_fire(apic);
}

void lapic_timer_lvt_changed(struct lapic *apic)
{
	enum timer_mode mode = lapic_timer_mode(apic), old = apic->timer.mode;

	if (mode == old)
		return;
	apic->timer.mode = mode;
	/*
	 * To and from TSC-deadline mode disarms (SDM 3A, 11.5.4.1); between the other two the count
	 * goes on.
	 */
	if (mode == TIMER_TSC_DEADLINE || old == TIMER_TSC_DEADLINE) {
		lapic_timer_stop(apic);
		apic->timer.deadline = 0;
		apic->timer.period_ns = 0;
	} else if (mode == TIMER_PERIODIC && apic->timer.period_ns) {
		apic->timer.period_ns = max(apic->timer.period_ns, TIMER_MIN_PERIOD_NS);
	}
}

void lapic_timer_restore(struct lapic *apic)
{
	u32 initial = lapic_reg(apic, APIC_TMICT), left = lapic_reg(apic, APIC_TMCCT);

	lapic_timer_stop(apic);
	apic->timer.mode = lapic_timer_mode(apic);
	if (lapic_mode(apic) == APIC_DISABLED)
		return;
	if (lapic_timer_mode(apic) == TIMER_TSC_DEADLINE) {
		if (!timer_arm_deadline(apic))
			timer_fire(apic);
		return;
	}
	apic->timer.deadline = 0;
	/* A one-shot that is over stays over. */
	if (!initial || lapic_timer_mode(apic) == TIMER_RESERVED ||
	    (!left && lapic_timer_mode(apic) == TIMER_ONESHOT))
		return;
	timer_start_bus(apic, count_to_ns(apic, initial) -
				      count_to_ns(apic, left && left < initial ? left : initial));
}
