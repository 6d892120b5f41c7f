// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 timer: three counters at 1.193182 MHz, of which the first drives IRQ 0, and port 0x61
 * (Intel 8254 data sheet).
 *
 * A counter is not counted: its value is computed from the time at which its count was loaded.
 * Channel 0's ticks come from an hrtimer. The callback takes no lock of the PIT, so that a register
 * write may wait for it; it and the acknowledge meet in two atomics.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include "core/compat.h"
#include "irqchip/chips.h"

/*
 * kvm_pit_channel_state: rw_mode is 1, 2 or 3 as in the control word; the states of the two
 * flip-flops are these.
 */
enum { RW_LOW = 1, RW_HIGH, RW_WORD_LOW, RW_WORD_HIGH };

#define PIT_GSI			0
#define PIT_MODE_NONE		0xff	/* no control word yet; the VMM sees it */
/*
 * A guest that acknowledges no tick for long gets no more than this many of those that it missed.
 */
#define PIT_MAX_PENDING		(1 << 16)
#define SPEAKER_GATE		BIT(0)
#define SPEAKER_DATA		BIT(1)
#define SPEAKER_REFRESH		BIT(4)
#define SPEAKER_OUT		BIT(5)
#define REFRESH_NS		15085	/* DRAM refresh toggles it */

/* ------------------------------------------------------------------ ticks */

static void pit_pulse(struct pit *pit)
{
	/*
	 * Masked at both controllers, or refused by the LAPICs, so nobody will acknowledge: such a
	 * tick is gone.
	 */
	if (irqchip_pulse_gsi(pit->chip, PIT_GSI, IRQ_SOURCE_PIT) <= 0)
		atomic_set(&pit->acked, 1);
}

/*
 * Send the next tick if there is one and the last was acknowledged. Any context; no irqchip lock
 * held.
 */
static void pit_inject(struct pit *pit)
{
	if (!atomic_read(&pit->pending) || atomic_cmpxchg(&pit->acked, 1, 0) != 1)
		return;
	/* The reset of a reprogrammed channel may have come between. */
	if (atomic_dec_if_positive(&pit->pending) < 0)
		atomic_set(&pit->acked, 1);
	else
		pit_pulse(pit);
}

void pit_acked(struct pit *pit)
{
	atomic_set(&pit->acked, 1);
	/* Pairs with the atomic_add() in pit_tick(): one of both sees what the other did. */
	smp_mb();
	if (READ_ONCE(pit->reinject))
		pit_inject(pit);
}

static void pit_tick(struct pit *pit, u64 ticks)
{
	if (!READ_ONCE(pit->reinject)) {
		pit_pulse(pit);
		return;
	}
	if (atomic_read(&pit->pending) < PIT_MAX_PENDING)
		atomic_add(min_t(u64, ticks, PIT_MAX_PENDING), &pit->pending);
	pit_inject(pit);
}

/* Interrupt context; on PREEMPT_RT a softirq, because the controllers' locks may sleep there. */
static enum hrtimer_restart pit_timer_fired(struct hrtimer *hrtimer)
{
	struct pit *pit = container_of(hrtimer, struct pit, hrtimer);
	u64 ticks = 1;

	if (pit->period_ns)
		ticks = hrtimer_forward(
			hrtimer, ktime_get(),
			pit->period_ns); /* _now() would call the clock by pointer */
	pit_tick(pit, ticks);
	return pit->period_ns ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

static void pit_forget_ticks(struct pit *pit)
{
	atomic_set(&pit->pending, 0);
	atomic_set(&pit->acked, 1);
}

/* ------------------------------------------------------------------ time */

/* Up to 2^63 ns: split, so that the product fits. */
static u64 ns_to_pit(u64 ns)
{
	u64 rest;
	u64 seconds = div64_u64_rem(ns, NSEC_PER_SEC, &rest);

	return seconds * PIT_HZ + div64_u64(rest * PIT_HZ, NSEC_PER_SEC);
}

static u64 pit_to_ns(u32 count)
{
	return div64_u64((u64)count * NSEC_PER_SEC, PIT_HZ);
}

/*
 * Modes whose gate, when low, stops the count (8254, table "Gate pin operations"). The others only
 * start with its edge.
 */
static bool gate_stops(u8 mode)
{
	return mode != 1 && mode != 5;
}

/* Counter clocks since the count was loaded. */
static u64 channel_elapsed(const struct kvm_pit_channel_state *c)
{
	if (!c->gate && gate_stops(c->mode))
		return 0;
	return ns_to_pit(ktime_get() - c->count_load_time);
}

static u32 channel_count(const struct kvm_pit_channel_state *c)
{
	u64 elapsed = channel_elapsed(c), into;

	switch (c->mode) {
	case 2:
		div64_u64_rem(elapsed, c->count, &into);
		return c->count - into;
	case 3:
		/* By two, and twice a period. */
		div64_u64_rem(2 * elapsed, c->count, &into);
		return (c->count - into) & ~1u;
	default:
		/* On from 0 to 0xffff. */
		return (c->count - elapsed) & 0xffff;
	}
}

static bool channel_out(const struct kvm_pit_channel_state *c)
{
	u64 elapsed = channel_elapsed(c), into;

	div64_u64_rem(elapsed, c->count, &into);
	switch (c->mode) {
	case 0:
	case 1:
		return elapsed >= c->count;
	case 2:
		return into != c->count - 1;
	case 3:
		return into < (c->count + 1) / 2;
	default:
		return elapsed != c->count;
	}
}

/* When channel 0's next tick is due, or 0: never. Sets the period. */
static ktime_t pit_next_tick(struct pit *pit)
{
	const struct kvm_pit_channel_state *c = &pit->channel[0];
	u64 ns = pit_to_ns(c->count), into;

	pit->period_ns = 0;
	if (pit->flags & KVM_PIT_FLAGS_HPET_LEGACY)
		return 0;
	if (c->mode != 2 && c->mode != 3)
		return c->mode == 0 || c->mode == 4 || c->mode == 1 ? c->count_load_time + ns : 0;
	pit->period_ns = max(ns, TIMER_MIN_PERIOD_NS);
	div64_u64_rem(ktime_get() - c->count_load_time, pit->period_ns, &into);
	return ktime_get() + pit->period_ns - into;
}

enum pit_start { PIT_LOADED, PIT_RESTORED };

/* pit->lock held; the callback that may be waited for doesn't take it. */
static void pit_stop(struct pit *pit)
{
	hrtimer_cancel(&pit->hrtimer);
	pit_forget_ticks(pit);
}

/* Channel 0 was changed: its hrtimer follows. pit->lock held. */
static void pit_rearm(struct pit *pit, enum pit_start how)
{
	ktime_t next;

	pit_stop(pit);
	next = pit_next_tick(pit);
	/*
	 * A restored one-shot that is over stays over; one that was loaded just now fires, however
	 * slow this host is.
	 */
	if (next && (how == PIT_LOADED || next > ktime_get()))
		hrtimer_start(&pit->hrtimer, next, HRTIMER_MODE_ABS);
}

/* ------------------------------------------------------------------ counters */

static void channel_load(struct pit *pit, u32 nr, u32 count)
{
	struct kvm_pit_channel_state *c = &pit->channel[nr];

	/* 0 is 2^16 (8254, "Mode definitions"). */
	c->count = count ? count : 0x10000;
	c->count_load_time = ktime_get();
	if (nr == 0)
		pit_rearm(pit, PIT_LOADED);
}

static void channel_set_gate(struct kvm_pit_channel_state *c, bool gate)
{
	if (c->gate == gate)
		return;
	if (gate) {
		/* Goes on in modes 0 and 4, starts again in the others. */
		c->count_load_time = ktime_get();
	} else if (c->mode == 0 || c->mode == 4) {
		/* Stops where it is. */
		c->count = channel_count(c);
		c->count = c->count ? c->count : 0x10000;
	}
	c->gate = gate;
}

static void channel_write(struct pit *pit, u32 nr, u8 val)
{
	struct kvm_pit_channel_state *c = &pit->channel[nr];

	switch (c->write_state) {
	case RW_HIGH:
		channel_load(pit, nr, val << 8);
		break;
	case RW_WORD_LOW:
		c->write_latch = val;
		c->write_state = RW_WORD_HIGH;
		break;
	case RW_WORD_HIGH:
		channel_load(pit, nr, c->write_latch | val << 8);
		c->write_state = RW_WORD_LOW;
		break;
	default:
		channel_load(pit, nr, val);
		break;
	}
}

static u8 channel_read_latched(struct kvm_pit_channel_state *c)
{
	switch (c->count_latched) {
	case RW_HIGH:
	case RW_WORD_HIGH:
		c->count_latched = 0;
		return c->latched_count >> 8;
	case RW_WORD_LOW:
		c->count_latched = RW_WORD_HIGH;
		return c->latched_count;
	default:
		c->count_latched = 0;
		return c->latched_count;
	}
}

static u8 channel_read(struct kvm_pit_channel_state *c)
{
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return channel_read_latched(c);
	switch (c->read_state) {
	case RW_HIGH:
		return channel_count(c) >> 8;
	case RW_WORD_LOW:
		c->read_state = RW_WORD_HIGH;
		return channel_count(c);
	case RW_WORD_HIGH:
		c->read_state = RW_WORD_LOW;
		return channel_count(c) >> 8;
	default:
		return channel_count(c);
	}
}

static void channel_latch_count(struct kvm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = channel_count(c);
	c->count_latched = c->rw_mode;
}

/* OUT, null count, then the control word as it was written (8254, "Read-back command"). */
static void channel_latch_status(struct kvm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = channel_out(c) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void pit_read_back(struct pit *pit, u8 val)
{
	u32 nr;

	for (nr = 0; nr < PIT_CHANNELS; nr++) {
		if (!(val & 2 << nr))
			continue;
		if (!(val & 0x20))
			channel_latch_count(&pit->channel[nr]);
		if (!(val & 0x10))
			channel_latch_status(&pit->channel[nr]);
	}
}

static void pit_control(struct pit *pit, u8 val)
{
	struct kvm_pit_channel_state *c;
	u8 access = val >> 4 & 3, mode = val >> 1 & 7;

	if (val >> 6 == 3) {
		pit_read_back(pit, val);
		return;
	}
	c = &pit->channel[val >> 6];
	if (!access) {
		channel_latch_count(c);
		return;
	}
	c->rw_mode = access;
	c->read_state = access;
	c->write_state = access;
	/* 6 and 7 are 2 and 3. */
	c->mode = mode > 5 ? mode & 3 : mode;
	/* Kept and read back; the counters count in binary. */
	c->bcd = val & 1;
	/* A counter waits for its count now. */
	if (c == &pit->channel[0])
		pit_stop(pit);
}

void pit_write(struct pit *pit, u16 port, u8 val)
{
	unsigned long flags;

	spin_lock_irqsave(&pit->lock, flags);
	if ((port & 3) == 3)
		pit_control(pit, val);
	else
		channel_write(pit, port & 3, val);
	spin_unlock_irqrestore(&pit->lock, flags);
}

u8 pit_read(struct pit *pit, u16 port)
{
	unsigned long flags;
	u8 val = 0;

	/* The control word can't be read. */
	if ((port & 3) == 3)
		return 0;
	spin_lock_irqsave(&pit->lock, flags);
	val = channel_read(&pit->channel[port & 3]);
	spin_unlock_irqrestore(&pit->lock, flags);
	return val;
}

/* ------------------------------------------------------------------ port 0x61 */

void speaker_write(struct pit *pit, u8 val)
{
	unsigned long flags;

	spin_lock_irqsave(&pit->lock, flags);
	pit->speaker_data = val & SPEAKER_DATA;
	channel_set_gate(&pit->channel[2], val & SPEAKER_GATE);
	spin_unlock_irqrestore(&pit->lock, flags);
}

u8 speaker_read(struct pit *pit)
{
	unsigned long flags;
	u8 val = 0;

	spin_lock_irqsave(&pit->lock, flags);
	if (pit->channel[2].gate)
		val |= SPEAKER_GATE;
	if (pit->speaker_data)
		val |= SPEAKER_DATA;
	if (div64_u64(ktime_get(), REFRESH_NS) & 1)
		val |= SPEAKER_REFRESH;
	if (channel_out(&pit->channel[2]))
		val |= SPEAKER_OUT;
	spin_unlock_irqrestore(&pit->lock, flags);
	return val;
}

/* ------------------------------------------------------------------ life and state */

static void channel_reset(struct kvm_pit_channel_state *c, u32 nr)
{
	*c = (struct kvm_pit_channel_state){
		.count = 0x10000,
		.mode = PIT_MODE_NONE,
		.gate = nr != 2,
		.count_load_time = ktime_get(),
	};
}

struct pit *pit_create(struct irqchip *chip, const struct kvm_pit_config *config)
{
	struct pit *pit;
	u32 nr;

	if (config->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return ERR_PTR(-EINVAL);
	if (chip->mode != IRQCHIP_KERNEL)
		return ERR_PTR(-ENOENT);
	if (chip->pit)
		return ERR_PTR(-EEXIST);
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&pit->lock);
	pit->chip = chip;
	pit->reinject = true;
	compat_hrtimer_setup(&pit->hrtimer, pit_timer_fired, HRTIMER_MODE_ABS);
	for (nr = 0; nr < PIT_CHANNELS; nr++)
		channel_reset(&pit->channel[nr], nr);
	pit_forget_ticks(pit);
	return pit;
}

void pit_publish(struct pit *pit)
{
	/* Ioctls and acknowledges find it from here on, and it stays as long as the VM. */
	smp_store_release(&pit->chip->pit, pit);
	/*
	 * The guest may have used the ports already: an acknowledge that found no PIT must not be
	 * waited for.
	 */
	atomic_set(&pit->acked, 1);
}

void pit_free(struct pit *pit)
{
	hrtimer_cancel(&pit->hrtimer);
	kfree(pit);
}

void pit_destroy(struct irqchip *chip)
{
	if (!chip->pit)
		return;
	pit_free(chip->pit);
	chip->pit = NULL;
}

/* Pairs with pit_publish(). NULL: there is none. */
static struct pit *pit_of(struct irqchip *chip)
{
	return smp_load_acquire(&chip->pit);
}

int pit_get_state(struct irqchip *chip, struct kvm_pit_state2 *state)
{
	struct pit *pit = pit_of(chip);
	unsigned long flags;

	if (!pit)
		return -ENXIO;
	memset(state, 0, sizeof(*state));
	spin_lock_irqsave(&pit->lock, flags);
	memcpy(state->channels, pit->channel, sizeof(state->channels));
	state->flags = pit->flags | (pit->speaker_data ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

/*
 * Divisors that are not 0, and times that have been. Modes and states that don't exist have a
 * default where they are used.
 */
static void channel_sanitize(struct kvm_pit_channel_state *c)
{
	if (!c->count || c->count > 0x10000)
		c->count = 0x10000;
	c->count_load_time = clamp_t(s64, c->count_load_time, 0, ktime_get());
}

int pit_set_state(struct irqchip *chip, const struct kvm_pit_state2 *state)
{
	struct pit *pit = pit_of(chip);
	unsigned long flags;
	u32 nr;

	if (!pit)
		return -ENXIO;
	if (state->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	spin_lock_irqsave(&pit->lock, flags);
	memcpy(pit->channel, state->channels, sizeof(pit->channel));
	for (nr = 0; nr < PIT_CHANNELS; nr++)
		channel_sanitize(&pit->channel[nr]);
	pit->flags = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_data = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	pit_rearm(pit, PIT_RESTORED);
	spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

int pit_set_reinject(struct irqchip *chip, bool reinject)
{
	struct pit *pit = pit_of(chip);

	if (!pit)
		return -ENXIO;
	WRITE_ONCE(pit->reinject, reinject);
	pit_forget_ticks(pit);
	return 0;
}
