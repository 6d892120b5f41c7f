// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN: the loop, requests, the host's claims, halting, state that is switched around the guest, ends that the VMM sees. */
#include "check.h"

/* What happens on other CPUs while a vCPU is taken apart. */
static void (*while_vcpu_ends)(void);
#undef irq_work_sync
#define irq_work_sync(w)	({ if (while_vcpu_ends) while_vcpu_ends(); })

/* ... and when a timer is stopped for good. */
static void (*while_timer_ends)(struct hrtimer *t);
#define hrtimer_cancel(t)	({ if (while_timer_ends) while_timer_ends(t); hrtimer_cancel(t); })

#include "vcpu_world.h"

TEST(runs_to_a_signal)
{
	world_make(IRQCHIP_NONE);
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(V->vcpu.mode, OUTSIDE_GUEST_MODE);
	CHECK_EQ(V->vcpu.stats.signal_exits, 1);
	CHECK_EQ(V->hw.tdp_root, 0x1000);
	world_end();
}

TEST(immediate_exit_and_a_waiting_signal_enter_nothing)
{
	world_make(IRQCHIP_NONE);
	R->immediate_exit = 1;
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(V->hw.entries, 0);
	R->immediate_exit = 0;
	current->signal = true;
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(V->hw.entries, 0);
	world_end();
}

TEST(sync_regs_are_checked)
{
	world_make(IRQCHIP_NONE);
	R->kvm_valid_regs = 1ull << 40;
	CHECK_EQ(run(), -EINVAL);
	R->kvm_valid_regs = 0;
	R->kvm_dirty_regs = 1ull << 40;
	CHECK_EQ(run(), -EINVAL);
	R->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	R->kvm_valid_regs = KVM_SYNC_X86_REGS;
	R->s.regs.regs.rbx = 0x1234;
	R->s.regs.regs.rip = 0x77;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RBX], 0x1234);
	CHECK_EQ(R->s.regs.regs.rip, 0x77);
	world_end();
}

/* ------------------------------------------------------------------ requests */

static void request_in_guest(struct hw_vcpu *hw, const struct hw_event *ev)
{
	vcpu_request(&V->vcpu, REQ_TLB_FLUSH);
}

/* What the processor has logged is in the bitmap before anybody can see the vCPU outside. */
static void guest_logs(struct hw_vcpu *hw, const struct hw_event *ev)
{
	SHIM_ASSERT(hw->dirty_log && V->vcpu.mode == IN_GUEST_MODE);
	hw->dirty[0] = 0x5000;
	hw->dirty[1] = 0x7000;
	hw->nr_dirty = 2;
}

TEST(dirty_log_of_the_processor)
{
	world_make(IRQCHIP_NONE);
	CHECK_RAN(0);
	CHECK(!V->hw.dirty_log);
	world_hw_log = true;
	vcpu_request(&V->vcpu, REQ_DIRTY_LOG);
	world_written = 0;
	step_before((struct hw_exit){ .kind = EXIT_PML_FULL }, guest_logs);
	CHECK_RAN(1);
	CHECK_EQ(world_written, 0xc000);
	CHECK_EQ(V->hw.nr_dirty, 0);
	world_hw_log = false;
	vcpu_request(&V->vcpu, REQ_DIRTY_LOG);
	CHECK_RAN(0);
	CHECK(!V->hw.dirty_log);
	world_end();
}

TEST(requests_are_served_before_the_next_entry)
{
	unsigned int before;

	world_make(IRQCHIP_NONE);
	CHECK_RAN(0);
	before = V->hw.flushes;
	step_before(EXIT(EXIT_CPUID, 2), request_in_guest);
	CHECK_RAN(1);
	CHECK_EQ(V->hw.flushes, before + 1);
	CHECK(!vcpu_request_pending(&V->vcpu));
	world_end();
}

TEST(dead_vm_and_triple_fault)
{
	world_make(IRQCHIP_NONE);
	vcpu_request(&V->vcpu, REQ_VM_DEAD);
	CHECK_EQ(run(), -EIO);
	vcpu_request(&V->vcpu, REQ_TRIPLE_FAULT);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(V->hw.entries, 0);
	world_end();
}

TEST(every_request_is_cleared)
{
	int req;

	world_make(IRQCHIP_KERNEL);
	for (req = 0; req < NR_VCPU_REQUESTS; req++) {
		if (req == REQ_VM_DEAD || req == REQ_TRIPLE_FAULT || req == REQ_IOAPIC_EOI_EXIT)
			continue;
		vcpu_request(&V->vcpu, req);
		CHECK_RAN(0);
		CHECK(!vcpu_request_pending(&V->vcpu));
		V->pv_unhalted = false;
	}
	V->eoi_exit_vector = 0x55;
	vcpu_request(&V->vcpu, REQ_IOAPIC_EOI_EXIT);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(R->eoi.vector, 0x55);
	world_end();
}

/* ------------------------------------------------------------------ the host's claims */

static int reschedules;

static void reschedule(void)
{
	reschedules++;
	shim_need_resched = 0;
}

static void want_cpu(struct hw_vcpu *hw, const struct hw_event *ev)
{
	shim_need_resched = 1;
}

TEST(gives_the_cpu_away)
{
	world_make(IRQCHIP_NONE);
	reschedules = 0;
	shim_sleep_hook = reschedule;
	step_before(EXIT(EXIT_INTR, 0), want_cpu);
	CHECK_RAN(1);
	CHECK_EQ(reschedules, 1);
	shim_sleep_hook = NULL;
	world_end();
}

/* A guest of nothing but fast exits: each claim on its thread ends the inner loop behind the one exit under way. */
static unsigned int endless_entries, endless_claim_at;
static void (*endless_claim)(void);

static struct hw_exit endless_script(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	CHECK_EQ(V->vcpu.mode, IN_GUEST_MODE);
	if (++endless_entries == endless_claim_at)
		endless_claim();
	CHECK(endless_entries <= endless_claim_at);
	return EXIT(EXIT_CPUID, 2);
}

static void claim_signal(void)
{
	current->signal = true;
	set_thread_flag(TIF_SIGPENDING);
}

static void claim_cpu(void)
{
	shim_need_resched = 1;
	set_thread_flag(TIF_NEED_RESCHED);
}

static void claim_request(void)
{
	vcpu_request(&V->vcpu, REQ_VM_DEAD);
}

static void end_at_schedule(void)
{
	shim_need_resched = 0;
	claim_signal();
}

TEST(fast_exits_cannot_hold_the_cpu)
{
	static const struct { void (*claim)(void); int ret; } t[] = {
		{ claim_signal, -EINTR }, { claim_cpu, -EINTR }, { claim_request, -EIO },
	};
	unsigned int i;

	world_make(IRQCHIP_NONE);
	shim_sleep_hook = end_at_schedule;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		endless_entries = 0;
		endless_claim_at = 100;
		endless_claim = t[i].claim;
		current->signal = false;
		current->tif = 0;
		V->hw.script = endless_script;
		mutex_lock(&V->vcpu.mutex);
		CHECK_EQ(vcpu_run(V), t[i].ret);
		mutex_unlock(&V->vcpu.mutex);
		CHECK_EQ(endless_entries, 100);
	}
	CHECK_EQ(stats()->exits, 300);
	CHECK_EQ(stats()->fast_exits, 300);
	shim_sleep_hook = NULL;
	world_end();
}

/* With breakpoints around, the host's are back before anything is done about an exit; a debugger sees each. */
TEST(breakpoints_and_debuggers_leave_the_inner_loop)
{
	world_make(IRQCHIP_NONE);
	step(EXIT(EXIT_CPUID, 2));
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(2);
	CHECK_EQ(stats()->fast_exits, 2);
	V->breakpoints_on = true;
	step(EXIT(EXIT_CPUID, 2));
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(2);
	V->breakpoints_on = false;
	V->guest_debug = KVM_GUESTDBG_ENABLE;
	V->debugged = true;
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(1);
	CHECK_EQ(stats()->fast_exits, 2);
	world_end();
}

TEST(resume_work_restarts_only_when_urgent)
{
	world_make(IRQCHIP_NONE);
	current->tif = _TIF_NOTIFY_RESUME;
	CHECK_RAN(0);			/* a restartable sequence can wait */
	current->task_works = true;
	CHECK_EQ(run(), -ERESTARTNOHAND);
	CHECK(current->tif & _TIF_SIGPENDING);
	current->task_works = false;
	world_end();
}

/* ------------------------------------------------------------------ ends */

TEST(ends_that_the_vmm_sees)
{
	world_make(IRQCHIP_NONE);
	step(EXIT(EXIT_TRIPLE_FAULT, 0));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_SHUTDOWN);
	step(EXIT(EXIT_ENTRY_FAILED, 0, .hw_reason = 0x1234));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ(R->fail_entry.hardware_entry_failure_reason, 0x1234);
	step(EXIT(EXIT_UNKNOWN, 0, .hw_reason = 0x99));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(R->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
	CHECK_EQ(R->internal.data[0], 0x99);
	world_end();
}

TEST(memory_faults)
{
	struct { enum fault_result r; int ret; } t[] = {
		{ FAULT_BAD_HVA, -EFAULT }, { FAULT_NOMEM, -ENOMEM }, { FAULT_SIGNAL, -EINTR },
	};
	unsigned int i;

	world_make(IRQCHIP_NONE);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		world_fault = t[i].r;
		step(EXIT(EXIT_NPF, 0, .npf.gpa = 0x5000));
		CHECK_EQ(run(), t[i].ret);
	}
	world_fault = FAULT_FIXED;
	step(EXIT(EXIT_NPF, 0, .npf.gpa = 0x5000));
	CHECK_RAN(1);
	world_fault = FAULT_RETRY;
	step(EXIT(EXIT_NPF, 0, .npf.gpa = 0x5000));
	CHECK_RAN(1);
	/* Set by a bit alone: the inner loop isn't left. */
	world_fast_fault = true;
	world_faults = 0;
	hw_caps.tdp_ad = true;
	step(EXIT(EXIT_NPF, 0, .npf = { .gpa = 0x5000, .present = true }));
	CHECK_RAN(1);
	CHECK_EQ(world_faults, 0);
	CHECK_EQ(V->vcpu.stats.pf_fast, 1);
	/* Nothing is there: nothing to be set. */
	world_fault = FAULT_FIXED;
	step(EXIT(EXIT_NPF, 0, .npf = { .gpa = 0x5000 }));
	CHECK_RAN(1);
	CHECK_EQ(world_faults, 1);
	/* A leaf without accessed bits may be hidden. */
	hw_caps.tdp_ad = false;
	step(EXIT(EXIT_NPF, 0, .npf = { .gpa = 0x5000 }));
	CHECK_RAN(1);
	CHECK_EQ(V->vcpu.stats.pf_fast, 2);
	world_end();
}

TEST(delivery_into_mmio_is_an_internal_error)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	step(EXIT(EXIT_NPF, 0, .npf.gpa = MMIO_GPA, .vectoring = { .kind = EVENT_INTR, .vector = 0x31 }));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(R->internal.suberror, KVM_INTERNAL_ERROR_DELIVERY_EV);
	world_end();
}

/* ------------------------------------------------------------------ an EOI that a fast exit left */

enum { LEVEL_VECTOR = 0x44 };

/* LEVEL_VECTOR is in service. Its pin of the IOAPIC, 20, has the line of GSI 20, still up. */
static void world_level(enum irqchip_mode mode)
{
	static const u32 select_low = 0x10 + 2 * 20, low = 0x8000 | LEVEL_VECTOR;
	struct kvm_irq_routing_entry e = {
		.gsi = 20, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = 0xc000 | LEVEL_VECTOR }
	};

	world_make(mode);
	V->apic.x2apic_allowed = true;
	CHECK_EQ(lapic_set_base(&V->apic, V->apic.base | X2APIC_ENABLE, true), 0);
	CHECK_EQ(lapic_msr_write(&V->apic, MSR_X2APIC(APIC_SPIV), 0x1ff), 0);
	if (mode == IRQCHIP_KERNEL) {
		ioapic_write(W->irqchip.ioapic, 0, 4, &select_low);
		ioapic_write(W->irqchip.ioapic, 0x10, 4, &low);
	} else {
		CHECK_EQ(irqchip_set_routing(&W->irqchip, &e, 1, 0), 0);
	}
	CHECK_EQ(irqchip_set_gsi(&W->irqchip, 20, IRQ_SOURCE_USER, 1), 1);
	CHECK_EQ(lapic_highest_pending(&V->apic), LEVEL_VECTOR);
	lapic_accept(&V->apic, LEVEL_VECTOR);
	irqchip_set_gsi(&W->irqchip, 20, IRQ_SOURCE_USER, 0);
}

static void guest_ends_level(struct hw_vcpu *hw, const struct hw_event *ev)
{
	hw->regs[REG_RCX] = MSR_X2APIC(APIC_EOI);
	hw->regs[REG_RAX] = 0;
	hw->regs[REG_RDX] = 0;
}

static void guest_ends_level_and_signal(struct hw_vcpu *hw, const struct hw_event *ev)
{
	guest_ends_level(hw, ev);
	claim_signal();
}

static void guest_ends_level_and_init(struct hw_vcpu *hw, const struct hw_event *ev)
{
	guest_ends_level(hw, ev);
	set_bit(LAPIC_PENDING_INIT, &V->apic.pending_init_sipi);
}

static bool pin_in_service(void)
{
	struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CHECK_EQ(irqchip_get_state(&W->irqchip, &s), 0);
	return s.chip.ioapic.redirtbl[20].fields.remote_irr;
}

/* What the VMM saves after KVM_RUN says the same of LAPIC and IOAPIC. */
TEST(signal_at_a_level_eoi)
{
	world_level(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_MSR_WRITE, 2), guest_ends_level_and_signal);
	CHECK(pin_in_service());
	CHECK_EQ(run(), -EINTR);
	vcpu_update_stats(&V->vcpu);
	CHECK_EQ(V->vcpu.stats.fast_exits, 1);
	CHECK_EQ(lapic_highest_isr(&V->apic), -1);
	CHECK(!pin_in_service());
	world_end();
}

/* Its own IOAPIC's end is told first, then the signal. */
TEST(signal_at_a_level_eoi_of_the_vmm)
{
	world_level(IRQCHIP_SPLIT);
	step_before(EXIT(EXIT_MSR_WRITE, 2), guest_ends_level_and_signal);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(R->eoi.vector, LEVEL_VECTOR);
	claim_signal();
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTR);
	world_end();
}

static int told_of(u8 vector)
{
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IOAPIC_EOI);
	return R->eoi.vector == vector;
}

/* It waits for a KVM_RUN that isn't to end at once; and another one waits behind it. */
TEST(immediate_exit_at_a_level_eoi_of_the_vmm)
{
	struct kvm_irq_routing_entry e[] = {
		{ .gsi = 20, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = 0xfee00000, .data = 0xc000 | LEVEL_VECTOR } },
		{ .gsi = 21, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = 0xfee00000, .data = 0xc000 | 0x61 } },
	};

	world_level(IRQCHIP_SPLIT);
	CHECK_EQ(irqchip_set_routing(&W->irqchip, e, 2, 0), 0);
	lapic_write_eoi(&V->apic);
	CHECK(V->apic.eois_queued);
	R->immediate_exit = 1;
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTR);
	lapic_queue_eoi(&V->apic, 0x61);
	CHECK_EQ(run(), -EINTR);
	R->immediate_exit = 0;
	CHECK(told_of(LEVEL_VECTOR));
	CHECK(told_of(0x61));
	CHECK_RAN(0);
	world_end();
}

TEST(dead_vm_at_a_level_eoi)
{
	world_level(IRQCHIP_KERNEL);
	guest_ends_level(&V->hw, NULL);
	lapic_write_eoi(&V->apic);
	vcpu_request(&V->vcpu, REQ_TRIPLE_FAULT);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_SHUTDOWN);
	CHECK(!pin_in_service());
	world_end();
}

/* The EOI was first: the reset of the LAPIC doesn't take it away. */
TEST(init_at_a_level_eoi)
{
	struct kvm_mp_state mp;

	world_level(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_MSR_WRITE, 2), guest_ends_level_and_init);
	CHECK_RAN(1);
	vcpu_update_stats(&V->vcpu);
	CHECK_EQ(V->vcpu.stats.fast_exits, 1);
	CHECK(!pin_in_service());
	world_end();

	world_level(IRQCHIP_KERNEL);
	lapic_write_eoi(&V->apic);
	set_bit(LAPIC_PENDING_INIT, &V->apic.pending_init_sipi);
	CHECK_EQ(vcpu_get_mp_state(V, &mp), 0);
	CHECK(!pin_in_service());
	world_end();
}

/* ------------------------------------------------------------------ halting */

TEST(hlt_is_the_vmms_without_a_lapic)
{
	world_make(IRQCHIP_NONE);
	V->hw.rip = 0x100;
	step(EXIT(EXIT_HLT, 1));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(V->hw.rip, 0x101);
	world_end();
}

static int sleeps;

static void raise_nmi(void)
{
	sleeps++;
	vcpu_queue_nmi(V);
}

static void pv_kick(void)
{
	sleeps++;
	vcpu_request(&V->vcpu, REQ_UNHALT);
	vcpu_kick(&V->vcpu);
}

static void send_interrupt(void)
{
	sleeps++;
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee00000, 0x41), 1);
}

static void only_signal(void)
{
	sleeps++;
	current->signal = true;
}

static void software_enable(void)
{
	u32 svr = 0x1ff;

	lapic_mmio_write(&V->apic, APIC_SPIV, 4, &svr);
}

TEST(halted_until_an_event)
{
	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.rflags = 0x202;
	sleeps = 0;
	shim_sleep_hook = send_interrupt;
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	CHECK_EQ(sleeps, 1);
	CHECK_EQ(world_delivered[1].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[1].vector, 0x41);
	shim_sleep_hook = raise_nmi;
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NMI);
	V->hw.nmi_masked = false;
	V->hw.rflags = 2;
	shim_sleep_hook = pv_kick;
	step(EXIT(EXIT_HLT, 1));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(sleeps, 3);
	shim_sleep_hook = NULL;
	world_end();
}

TEST(a_masked_interrupt_does_not_wake)
{
	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.rflags = 2;
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee00000, 0x41), 1);
	shim_sleep_hook = only_signal;
	sleeps = 0;
	step(EXIT(EXIT_HLT, 1));
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(sleeps, 1);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_HALTED);
	shim_sleep_hook = NULL;
	world_end();
}

TEST(polling_grows_and_shrinks)
{
	world_make(IRQCHIP_KERNEL);
	W->vm.params.halt_poll_ns = 200000;
	W->vm.params.halt_poll_grow = 2;
	W->vm.params.halt_poll_grow_start = 10000;
	W->vm.params.halt_poll_shrink = 2;
	halt_poll_adjust(V, 5000, false);
	CHECK_EQ(V->vcpu.halt_poll_ns, 10000);
	halt_poll_adjust(V, 50000, true);
	CHECK_EQ(V->vcpu.halt_poll_ns, 20000);
	halt_poll_adjust(V, 15000, true);	/* shorter than a poll: as it is */
	CHECK_EQ(V->vcpu.halt_poll_ns, 20000);
	halt_poll_adjust(V, 10000000, true);
	CHECK_EQ(V->vcpu.halt_poll_ns, 10000);
	halt_poll_adjust(V, 10000000, true);
	CHECK_EQ(V->vcpu.halt_poll_ns, 0);
	V->vcpu.halt_poll_ns = 150000;
	halt_poll_adjust(V, 190000, true);
	CHECK_EQ(V->vcpu.halt_poll_ns, 200000);
	W->vm.params.halt_poll_ns = 0;
	halt_poll_adjust(V, 100, false);
	CHECK_EQ(V->vcpu.halt_poll_ns, 0);
	world_end();
}

TEST(startup_by_sipi)
{
	struct vcpu_x86 *bsp;
	struct apic_msg init = { .dest = 1, .delivery = APIC_INIT_IPI, .assert = true };
	struct apic_msg sipi = { .dest = 1, .delivery = APIC_STARTUP, .vector = 0x9a, .assert = true };

	world_make(IRQCHIP_KERNEL);
	bsp = V;
	CHECK_EQ(bsp->mp_state, KVM_MP_STATE_RUNNABLE);
	V = world_vcpu(1);
	shim_run_works();
	CHECK_EQ(V->mp_state, KVM_MP_STATE_UNINITIALIZED);
	lapic_deliver(&W->irqchip, &bsp->apic, &init);
	lapic_deliver(&W->irqchip, &bsp->apic, &sipi);
	CHECK_RAN(0);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(V->hw.segs[SEG_CS].base, 0x9a000);
	CHECK_EQ(V->hw.segs[SEG_CS].selector, 0x9a00);
	CHECK_EQ(V->hw.rip, 0);
	/* Nobody waits for this one. */
	V->hw.rip = 0x55;
	lapic_deliver(&W->irqchip, &bsp->apic, &sipi);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x55);
	world_end();
}

/* ------------------------------------------------------------------ what is switched */

static u64 xcr0_inside;

static void see_xcr0(struct hw_vcpu *hw, const struct hw_event *ev)
{
	xcr0_inside = shim_xcr0;
}

static void move_xcr0(struct hw_vcpu *hw, const struct hw_event *ev)
{
	shim_xcr0 = 7;
}

TEST(xcr0)
{
	shim_xcr0 = 7;
	memset(shim_cpu_caps, 0xff, sizeof(shim_cpu_caps));
	world_make(IRQCHIP_NONE);
	V->guest_supported_xcr0 = 7;
	V->cr4_reserved = 0;
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_OSXSAVE), 0);
	CHECK_EQ(vcpu_set_xcr(V, 0, 3), 0);
	step_before(EXIT(EXIT_INTR, 0), see_xcr0);
	CHECK_RAN(1);
	CHECK_EQ(xcr0_inside, 3);
	CHECK_EQ(shim_xcr0, 7);
	/* An emulated host without the intercept of XSETBV. */
	step_before(EXIT(EXIT_INTR, 0), move_xcr0);
	CHECK_RAN(1);
	CHECK_EQ(V->xcr0, 7);
	CHECK_EQ(shim_xcr0, 7);
	memset(shim_cpu_caps, 0, sizeof(shim_cpu_caps));
	world_end();
}

static void guest_pkru(struct hw_vcpu *hw, const struct hw_event *ev)
{
	CHECK_EQ(shim_pkru, 0x30);
	shim_pkru = 0xc0;
}

TEST(pkru)
{
	memset(shim_cpu_caps, 0xff, sizeof(shim_cpu_caps));
	world_make(IRQCHIP_NONE);
	V->cr4_reserved = 0;
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PKE), 0);
	shim_pkru = 0x55555554;
	V->pkru = 0x30;
	step_before(EXIT(EXIT_INTR, 0), guest_pkru);
	CHECK_RAN(1);
	CHECK_EQ(V->pkru, 0xc0);
	CHECK_EQ(shim_pkru, 0x55555554);
	memset(shim_cpu_caps, 0, sizeof(shim_cpu_caps));
	world_end();
}

static void guest_sets_dr(struct hw_vcpu *hw, const struct hw_event *ev)
{
	CHECK(!hw->dr_intercept);
	shim_dr[1] = 0xabcd;
	hw->dr7 = 0x404;
}

TEST(debug_registers_only_when_used)
{
	world_make(IRQCHIP_NONE);
	CHECK(V->hw.dr_intercept);
	step(EXIT(EXIT_DR_WRITE, 3, .dr.nr = 1));
	step_before(EXIT(EXIT_INTR, 0), guest_sets_dr);
	CHECK_RAN(2);
	CHECK_EQ(V->db[1], 0xabcd);
	CHECK_EQ(V->dr7, 0x404);
	CHECK(V->hw.dr_intercept);
	CHECK(V->breakpoints_on);
	shim_breakpoints_restored = 0;
	shim_breakpoints_active = true;
	CHECK_RAN(0);
	CHECK_EQ(shim_breakpoints_restored, 1);
	shim_breakpoints_active = false;
	world_end();
}

TEST(general_detect)
{
	world_make(IRQCHIP_NONE);
	CHECK_EQ(vcpu_set_dr(V, 7, BIT(13)), 0);
	step(EXIT(EXIT_DR_READ, 3, .dr.nr = 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 1);
	CHECK(V->hw.dr6 & BIT(13));
	CHECK(!(V->dr7 & BIT(13)));
	world_end();
}

/* ------------------------------------------------------------------ the debugger in the VMM */

TEST(guest_debug)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP };

	world_make(IRQCHIP_NONE);
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK(V->hw.single_step);
	CHECK_EQ(V->hw.exception_intercepts, BIT(1) | BIT(3));
	V->hw.segs[SEG_CS].base = 0x10000;
	V->hw.rip = 0x20;
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 1 }, .qual = BIT(14)));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	CHECK_EQ(R->debug.arch.exception, 1);
	CHECK_EQ(R->debug.arch.pc, 0x10020);
	CHECK(R->debug.arch.dr6 & BIT(14));
	step(EXIT(EXIT_EXCEPTION, 1, .event = { .kind = EVENT_SOFT_EXCEPTION, .vector = 3 }));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	CHECK_EQ(R->debug.arch.exception, 3);
	/* An instruction that is done for the guest is a step, too. */
	step(EXIT(EXIT_CPUID, 2));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	CHECK_EQ(V->hw.rip, 0x22);

	dbg.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	dbg.arch.debugreg[0] = 0x4444;
	dbg.arch.debugreg[7] = 0x402;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK_EQ(V->hw.dr7, 0x402);
	CHECK_EQ(V->eff_db[0], 0x4444);
	CHECK_EQ(V->db[0], 0);
	dbg.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), -EBUSY);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 3);
	dbg.control = 0;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK_EQ(V->hw.exception_intercepts, 0);
	world_end();
}

/* ------------------------------------------------------------------ directed yield */

TEST(pause_prefers_who_is_preempted_in_the_kernel)
{
	struct vcpu_x86 *a, *b;

	world_make(IRQCHIP_KERNEL);
	a = world_vcpu(1);
	b = world_vcpu(2);
	a->vcpu.ready = b->vcpu.ready = true;
	a->vcpu.preempted = b->vcpu.preempted = true;
	b->vcpu.in_kernel = true;
	step(EXIT(EXIT_PAUSE, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->vcpu.stats.pause_exits, 1);
	CHECK_EQ(V->vcpu.stats.directed_yield_attempted, 1);
	CHECK(worth_a_boost(&b->vcpu, true));
	CHECK(!worth_a_boost(&a->vcpu, true));
	CHECK(worth_a_boost(&a->vcpu, false));
	a->vcpu.blocked = true;
	CHECK(!worth_a_boost(&a->vcpu, false));
	world_end();
}

/* The window of PAUSE-loop exits grows with each one and shrinks when the vCPU has been switched out. */
TEST(pause_window)
{
	hw_caps.pause_filter = true;
	world_make(IRQCHIP_KERNEL);
	CHECK_EQ(V->hw.pause_window, 4096);
	CHECK_EQ(V->hw.pause_gap, 128);
	CHECK(V->hw.intercepts & BIT(INTERCEPT_INSN_PAUSE));
	step(EXIT(EXIT_PAUSE, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.pause_window, 8192);
	world_vcpu(1);				/* and where there is somebody to yield to */
	step(EXIT(EXIT_PAUSE, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.pause_window, 16384);
	V->hw.pause_window = 60000;
	vcpu_pause_grow(V);
	CHECK_EQ(V->hw.pause_window, 65535);
	vcpu_load_cpu(&V->vcpu, 0, SCHED_IOCTL);
	CHECK_EQ(V->hw.pause_window, 65535);
	v_vm(V)->vm.params.ple_window_shrink = 4;
	vcpu_load_cpu(&V->vcpu, 0, SCHED_SWITCH);
	CHECK_EQ(V->hw.pause_window, 16383);
	v_vm(V)->vm.params.ple_window_shrink = 0;
	vcpu_load_cpu(&V->vcpu, 0, SCHED_SWITCH);
	CHECK_EQ(V->hw.pause_window, 4096);
	v_vm(V)->vm.params.ple_window_grow = 0;
	vcpu_pause_grow(V);
	CHECK_EQ(V->hw.pause_window, 4096);
	world_end();
	hw_caps.pause_filter = false;
}

TEST(stepping_over_hlt_halts)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	world_make(IRQCHIP_KERNEL);
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	step(EXIT(EXIT_HLT, 1));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_HALTED);
	world_end();
}

TEST(rf_ends_with_its_instruction)
{
	world_make(IRQCHIP_KERNEL);
	V->hw.rflags = 2 | X86_EFLAGS_RF;
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rflags, 2);
	world_end();
}

/* What the filter denies exits, though the processor would hold the register for the guest. */
TEST(msr_filter_reaches_the_processor)
{
	static u8 none[8];
	struct kvm_msr_filter f = { .ranges[0] = { .flags = KVM_MSR_FILTER_WRITE, .nmsrs = 2, .base = MSR_FS_BASE, .bitmap = none } };

	world_make(IRQCHIP_KERNEL);
	V->hw.msr[V->hw.nr_msrs].index = MSR_GS_BASE;
	V->hw.msr[V->hw.nr_msrs++].intercept = 0;
	CHECK_RAN(0);
	CHECK_EQ(vm_set_msr_filter(v_vm(V), &f), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.msr[V->hw.nr_msrs - 1].intercept, ACCESS_WRITE);
	f.ranges[0].nmsrs = 0;
	CHECK_EQ(vm_set_msr_filter(v_vm(V), &f), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.msr[V->hw.nr_msrs - 1].intercept, 0);
	world_end();
}

TEST(failed_creation_leaves_nothing)
{
	struct vcpu *vcpu;
	long live;
	int i, made = 0;

	world_make(IRQCHIP_KERNEL);
	for (i = 1; i < 20; i++) {
		live = shim_live;
		shim_fail_alloc = i;
		vcpu = vcpu_x86_create(&W->vm, 5);
		shim_fail_alloc = 0;
		if (!IS_ERR(vcpu)) {
			made++;
			vcpu_x86_destroy(vcpu);
			continue;
		}
		CHECK_EQ(PTR_ERR(vcpu), -ENOMEM);
		CHECK_EQ(shim_live, live);
	}
	CHECK(made > 0 && made < 19);
	world_end();
}

static void clocksource_changes(void)
{
	clocksource_changed(NULL);
}

/* The host's clocksource changes while the VM goes away. ASan sees a walk over vCPUs that are gone. */
TEST(clocksource_changes_at_the_end)
{
	world_make(IRQCHIP_KERNEL);
	world_vcpu(1);
	while_vcpu_ends = clocksource_changes;
	world_end();
	while_vcpu_ends = NULL;
}

static unsigned int pits_ended;

static void no_work_has_the_pit(struct hrtimer *t)
{
	struct irqchip *chip = &W->irqchip;

	if (!chip->pit || t != &chip->pit->hrtimer)
		return;
	pits_ended++;
	CHECK(!chip->map_work.work.pending && !chip->retry_work.pending);
}

/* What works of the irqchip's look at goes after they are over. */
TEST(works_wait_at_the_end_of_a_vm)
{
	struct kvm_pit_config config = { };
	struct pit *pit;

	world_make(IRQCHIP_KERNEL);
	pit = pit_create(&W->irqchip, &config);
	pit_publish(pit);
	apic_map_invalidate(&W->irqchip);
	queue_work(irqchip_wq, &W->irqchip.retry_work);
	while_timer_ends = no_work_has_the_pit;
	world_end();
	while_timer_ends = NULL;
	CHECK_EQ(pits_ended, 1);
}

/* So does the MMU's own, which looks at vCPUs. ASan sees one that is gone. */
TEST(mmu_is_quiet_before_the_vcpus_go)
{
	world_quiesced = 0;
	world_make(IRQCHIP_KERNEL);
	world_vcpu(1);
	world_end();
	CHECK_EQ(world_quiesced, 1);
}

static struct memslots *slots_before;

static void all_slots_go(void)
{
	shim_uaccess_hook = NULL;
	slots_before = memslots(&W->vm);
	CHECK_EQ(memslots_init(&W->vm), 0);
}

TEST(switched_out_while_the_steal_page_goes)
{
	world_make(IRQCHIP_KERNEL);
	V->steal_msr = 0x5000 | KVM_MSR_ENABLED;
	pv_sched_out(V);
	CHECK_EQ(ram[0x5000 + offsetof(struct kvm_steal_time, preempted)], KVM_VCPU_PREEMPTED);
	shim_uaccess_hook = all_slots_go;
	pv_sched_out(V);
	CHECK(!shim_uaccess_hook);
	kvfree(rcu_dereference_protected(W->vm.slots, true));
	rcu_assign_pointer(W->vm.slots, slots_before);
	world_end();
}
