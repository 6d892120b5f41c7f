// SPDX-License-Identifier: GPL-2.0-only
/* The LAPIC's timer in the processor while the guest runs, in an hrtimer while the vCPU sleeps: one of them always, and no tick lost or early. */
#include "vcpu_world.h"

#define PERIOD	1000000u		/* ns, and ticks of the bus clock */

static void write_reg(u32 reg, u32 val)
{
	lapic_mmio_write(&V->apic, reg, 4, &val);
}

static void make(void)
{
	hw_caps.preemption_timer = true;
	world_make(IRQCHIP_KERNEL);
	V->hw.timer = ~0ull;
	V->hw.timer_reach = 1ull << 32;
	V->hw.rflags = 0x202;
	write_reg(APIC_SPIV, 0x1ff);
	write_reg(APIC_TDCR, 0xb);
	write_reg(APIC_LVTT, 0x51);
}

static void end(void)
{
	world_end();
	hw_caps.preemption_timer = false;
}

static bool in_host(void)
{
	return hrtimer_active(&V->apic.timer.hrtimer);
}

TEST(in_the_processor)
{
	u64 start;

	make();
	start = rdtsc();
	write_reg(APIC_TMICT, PERIOD);
	CHECK(!in_host());
	CHECK_RAN(0);
	CHECK(V->hw.timer >= start + PERIOD && V->hw.timer < start + PERIOD + 100);
	shim_advance(PERIOD + 10);
	step(EXIT(EXIT_PREEMPTION_TIMER, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	CHECK_EQ(V->hw.timer, ~0ull);
	end();
}

/* An exit that only cut the guest's time short. */
TEST(not_over_yet)
{
	make();
	write_reg(APIC_TMICT, PERIOD);
	shim_advance(PERIOD / 2);
	step(EXIT(EXIT_PREEMPTION_TIMER, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	CHECK(V->apic.timer.hw && V->hw.timer != ~0ull);
	end();
}

TEST(periodic)
{
	unsigned int i;

	make();
	write_reg(APIC_LVTT, 0x20051);
	write_reg(APIC_TMICT, PERIOD);
	for (i = 0; i < 3; i++) {
		shim_advance(PERIOD + 10);
		step(EXIT(EXIT_PREEMPTION_TIMER, 0));
		CHECK_RAN(1);
		CHECK_EQ(world_delivered[1].vector, 0x51);
		write_reg(APIC_EOI, 0);
		CHECK(V->hw.timer > rdtsc() && V->hw.timer < rdtsc() + PERIOD + 100);
	}
	end();
}

TEST(too_far)
{
	make();
	V->hw.timer_reach = PERIOD / 2;
	write_reg(APIC_TMICT, PERIOD);
	CHECK_RAN(0);
	CHECK(in_host());
	CHECK_EQ(V->hw.timer, ~0ull);
	shim_advance(PERIOD + 1);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 0x51);
	end();
}

/* A time that no processor could count: not even tried. */
TEST(much_too_far)
{
	make();
	V->hw.timer_reach = ~0ull;
	V->apic.bus_ns = 1000;
	write_reg(APIC_TMICT, ~0u);
	CHECK(in_host());
	end();
}

static int sleeps;

static void tick_while_asleep(void)
{
	sleeps++;
	CHECK(in_host());
	CHECK(!V->apic.timer.hw);
	shim_advance(PERIOD + 1);
}

TEST(halted)
{
	make();
	W->vm.params.halt_poll_ns = 0;
	sleeps = 0;
	shim_sleep_hook = tick_while_asleep;
	write_reg(APIC_TMICT, PERIOD);
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	shim_sleep_hook = NULL;
	CHECK_EQ(sleeps, 1);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	end();
}

static void other_wakes(void)
{
	sleeps++;
	CHECK(in_host());
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee00000, 0x61), 1);
}

/* Woken by something else: the processor counts again. */
TEST(halted_and_woken)
{
	make();
	W->vm.params.halt_poll_ns = 0;
	sleeps = 0;
	shim_sleep_hook = other_wakes;
	write_reg(APIC_TMICT, PERIOD);
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	shim_sleep_hook = NULL;
	CHECK_EQ(sleeps, 1);
	CHECK_EQ(world_delivered[1].vector, 0x61);
	CHECK(!in_host());
	CHECK(V->hw.timer > rdtsc() && V->hw.timer < rdtsc() + PERIOD + 100);
	end();
}

/* TSC deadline, written by a fast exit: told before the guest goes on. */
TEST(deadline)
{
	u64 fast_before;

	make();
	V->has.tsc_deadline = V->apic.tsc_deadline_allowed = true;
	write_reg(APIC_LVTT, 0x40051);
	V->hw.regs[REG_RCX] = MSR_IA32_TSC_DEADLINE;
	V->hw.regs[REG_RAX] = (u32)(vcpu_guest_tsc(V, rdtsc()) + PERIOD);
	V->hw.regs[REG_RDX] = (vcpu_guest_tsc(V, rdtsc()) + PERIOD) >> 32;
	step(EXIT(EXIT_MSR_WRITE, 2));
	CHECK_RAN(1);
	CHECK(V->hw.timer >= rdtsc() + PERIOD && V->hw.timer < rdtsc() + PERIOD + 100);
	shim_advance(PERIOD + 10);
	fast_before = stats()->fast_exits;
	step(EXIT(EXIT_PREEMPTION_TIMER, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	CHECK_EQ(V->apic.timer.deadline, 0);
	CHECK_EQ(stats()->fast_exits - fast_before, 1);		/* no turn of the outer loop */
	CHECK_EQ(V->hw.timer, ~0ull);
	end();
}

static void deadline_mode(void)
{
	V->has.tsc_deadline = V->apic.tsc_deadline_allowed = true;
	write_reg(APIC_LVTT, 0x40051);
}

static void guest_tsc_ratio(u64 ratio, u32 khz)
{
	lapic_set_tsc(&V->apic, &(struct apic_tsc) { .khz = khz, .ratio = ratio, .ratio_frac_bits = 48 });
}

/* A guest at half the host's speed; one that is so slow, and a deadline so far, that the processor isn't asked. */
TEST(deadline_scaled)
{
	make();
	deadline_mode();
	shim_advance(2);
	guest_tsc_ratio(BIT_ULL(47), shim_tsc_khz / 2);
	lapic_timer_set_deadline(&V->apic, rdtsc() / 2 + PERIOD);
	CHECK_RAN(0);
	CHECK(V->hw.timer > rdtsc() + 2 * PERIOD - 2 && V->hw.timer < rdtsc() + 2 * PERIOD + 100);
	guest_tsc_ratio(BIT_ULL(27), 1);
	lapic_timer_set_deadline(&V->apic, PERIOD * 1000ull);
	CHECK(in_host());
	lapic_timer_set_deadline(&V->apic, ~0ull);
	CHECK(in_host());
	lapic_timer_set_deadline(&V->apic, 0);
	CHECK(!in_host());
	end();
}

TEST(deadline_in_the_past)
{
	make();
	deadline_mode();
	shim_advance(PERIOD);
	lapic_timer_set_deadline(&V->apic, vcpu_guest_tsc(V, rdtsc()));
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 0x51);
	CHECK_EQ(V->apic.timer.deadline, 0);
	end();
}

/* The host's timer knows what the processor's was set to. */
TEST(deadline_halted)
{
	make();
	deadline_mode();
	W->vm.params.halt_poll_ns = 0;
	sleeps = 0;
	shim_sleep_hook = tick_while_asleep;
	lapic_timer_set_deadline(&V->apic, vcpu_guest_tsc(V, rdtsc()) + PERIOD);
	CHECK(!in_host());
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	CHECK(!in_host() && !V->apic.timer.hw);
	shim_sleep_hook = other_wakes;
	lapic_timer_set_deadline(&V->apic, vcpu_guest_tsc(V, rdtsc()) + PERIOD);
	write_reg(APIC_EOI, 0);
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	shim_sleep_hook = NULL;
	CHECK_EQ(sleeps, 2);
	CHECK_EQ(world_delivered[1].vector, 0x61);
	CHECK(!in_host());
	CHECK(V->hw.timer >= rdtsc() + PERIOD && V->hw.timer < rdtsc() + PERIOD + 100);
	end();
}

/* The host slept, and its TSC counts from 0 again: what was left of the period is still left. */
TEST(host_tsc_begins_anew)
{
	make();
	shim_advance(1000 * (u64)PERIOD);
	write_reg(APIC_TMICT, PERIOD);
	CHECK_RAN(0);
	clock_suspend();
	shim_tsc = 5;
	clock_resume();
	vcpu_load_cpu(&V->vcpu, 0, SCHED_IOCTL);
	CHECK_RAN(0);
	CHECK(V->hw.timer > rdtsc() && V->hw.timer < rdtsc() + PERIOD + 100);
	end();
}

/* The VMM looks while the vCPU doesn't run. */
TEST(state)
{
	struct kvm_lapic_state s;

	make();
	write_reg(APIC_TMICT, PERIOD);
	shim_advance(PERIOD + 1);
	lapic_get_state(&V->apic, &s);
	CHECK_EQ(*(u32 *)(s.regs + APIC_IRR + 0x20), BIT(0x51 & 31));
	CHECK_EQ(*(u32 *)(s.regs + APIC_TMCCT), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.timer, ~0ull);
	end();
}

TEST(stopped)
{
	make();
	write_reg(APIC_TMICT, PERIOD);
	CHECK_RAN(0);
	write_reg(APIC_TMICT, 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.timer, ~0ull);
	end();
}

TEST(switched_off)
{
	vm_default_params.preemption_timer = false;
	make();
	write_reg(APIC_TMICT, PERIOD);
	CHECK(in_host());
	CHECK(!V->hw.use_timer);
	vm_default_params.preemption_timer = true;
	end();
}
