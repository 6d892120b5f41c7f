// SPDX-License-Identifier: GPL-2.0-only
/* A processor that delivers and ends interrupts by itself: no vector is lost, none is its and ours at once, whoever waits for an end hears of it. */
#include "vcpu_world.h"

static void make(enum irqchip_mode mode)
{
	u32 svr = 0x1ff;

	hw_caps.virtual_apic = hw_caps.virtual_x2apic = hw_caps.virtual_intr = true;
	vm_default_params.virtual_intr = true;
	world_make(mode);
	V->hw.rflags = 0x202;
	lapic_mmio_write(&V->apic, APIC_SPIV, 4, &svr);
	CHECK_RAN(0);
	CHECK(V->hw.apic_delivers);
	CHECK_EQ(V->hw.apic_mode, HW_APIC_XAPIC);
	CHECK(V->hw.apic_regs == V->apic.regs);
}

static void end(void)
{
	world_end();
	hw_caps.virtual_apic = hw_caps.virtual_x2apic = hw_caps.virtual_intr = false;
	vm_default_params.virtual_intr = false;
}

static void send(u8 vector)
{
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee00000, vector), 1);
}

static bool in_page(u32 reg, u8 vector)
{
	return lapic_test_vector(&V->apic, reg, vector);
}

/* ------------------------------------------------------------------ the processor (SDM 3C, 30.2.2 and 30.1.4), in the page as it finds it */

static int took;

static void cpu_takes(struct hw_vcpu *hw, const struct hw_event *ev)
{
	u8 tpr = lapic_reg(&V->apic, APIC_TASKPRI);

	took = -1;
	if (hw->rvi < 0 || hw->rvi >> 4 <= max(hw->svi, (int)tpr) >> 4)
		return;
	took = hw->rvi;
	clear_bit(took & 31, lapic_vector_word(&V->apic, APIC_IRR, took));
	set_bit(took & 31, lapic_vector_word(&V->apic, APIC_ISR, took));
	hw->svi = took;
	hw->rvi = lapic_highest_vector(&V->apic, APIC_IRR);
}

static void cpu_ends(struct hw_vcpu *hw, const struct hw_event *ev)
{
	took = hw->svi;
	clear_bit(took & 31, lapic_vector_word(&V->apic, APIC_ISR, took));
	hw->svi = lapic_highest_vector(&V->apic, APIC_ISR);
}

static bool end_exits(u8 vector)
{
	return test_bit(vector, (unsigned long *)V->hw.eoi_exits);
}

/* ------------------------------------------------------------------ delivery */

TEST(told_and_not_injected)
{
	make(IRQCHIP_KERNEL);
	send(0x51);
	CHECK(!in_page(APIC_IRR, 0x51));
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK_EQ(took, 0x51);
	CHECK_EQ(world_delivered[0].kind, EVENT_NONE);
	CHECK(in_page(APIC_ISR, 0x51) && !in_page(APIC_IRR, 0x51));
	CHECK(!V->hw.intr_window);
	CHECK_EQ(V->hw.tpr_threshold, 0);
	end();
}

/* A processor without x2APIC virtualization: in that mode all of it is ours. */
TEST(not_in_x2apic_mode)
{
	make(IRQCHIP_KERNEL);
	hw_caps.virtual_x2apic = false;
	V->apic.x2apic_allowed = true;
	CHECK_EQ(lapic_set_base(&V->apic, V->apic.base | X2APIC_ENABLE, false), 0);
	send(0x51);
	CHECK_RAN(0);
	CHECK(!V->hw.apic_delivers);
	CHECK_EQ(V->hw.apic_mode, HW_APIC_NONE);
	CHECK_EQ(world_delivered[0].vector, 0x51);
	end();
}

/* While the guest runs IRR is the processor's, which doesn't lock it. */
static void sent_meanwhile(struct hw_vcpu *hw, const struct hw_event *ev)
{
	u32 irr = lapic_reg(&V->apic, APIC_IRR + 0x20);

	send(0x51);
	send(0x91);
	CHECK_EQ(lapic_reg(&V->apic, APIC_IRR + 0x20), irr);
	CHECK(!in_page(APIC_IRR, 0x91));
	CHECK(vcpu_request_pending(&V->vcpu));
}

TEST(sent_while_the_guest_runs)
{
	make(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_INTR, 0), sent_meanwhile);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x91);
	CHECK(in_page(APIC_IRR, 0x51));
	CHECK_EQ(V->hw.rvi, 0x51);
	end();
}

/* A fast exit doesn't lose it either. */
TEST(sent_before_a_fast_exit)
{
	make(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_CPUID, 2), sent_meanwhile);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x91);
	end();
}

static int turns;

static void count_turn(void)
{
	turns++;
}

/* The IRQ-off regions of a run: one per turn of the outer loop. */
static void check_ran_in(int steps, int expected)
{
	turns = 0;
	shim_before_irqs_off = count_turn;
	CHECK_RAN(steps);
	shim_before_irqs_off = NULL;
	CHECK_EQ(turns, expected);
}

static void go_x2apic(void)
{
	V->apic.x2apic_allowed = true;
	CHECK_EQ(lapic_set_base(&V->apic, V->apic.base | X2APIC_ENABLE, false), 0);
	CHECK_RAN(0);
	shim_run_works();
}

/* Its own, by a fast exit: the processor is told in the inner loop. (The last turn is the run's end.) */
TEST(sent_to_oneself_by_a_fast_exit)
{
	make(IRQCHIP_KERNEL);
	go_x2apic();
	CHECK(V->hw.apic_delivers);
	V->hw.regs[REG_RCX] = 0x830;
	V->hw.regs[REG_RAX] = 0x51;
	V->hw.regs[REG_RDX] = 0;
	step(EXIT(EXIT_MSR_WRITE, 2));
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	check_ran_in(2, 2);
	CHECK_EQ(took, 0x51);
	CHECK(!vcpu_request_pending(&V->vcpu));
	end();
}

static void send_level(struct hw_vcpu *hw, const struct hw_event *ev)
{
	irqchip_set_gsi(&W->irqchip, 10, IRQ_SOURCE_USER, 1);
}

static int late;

static void send_late(void)
{
	if (late--)
		return;
	shim_before_irqs_off = NULL;
	send(0xa1);
}

/* After the processor was told what is highest, before the entry: told again. */
TEST(sent_between_the_telling_and_the_entry)
{
	int i;

	for (i = 0; i < 2; i++) {
		make(IRQCHIP_KERNEL);
		late = i;
		shim_before_irqs_off = send_late;
		step_before(EXIT(EXIT_INTR, 0), i ? NULL : cpu_takes);
		step_before(EXIT(EXIT_INTR, 0), i ? cpu_takes : NULL);
		send(0x51);
		CHECK_RAN(2);
		CHECK_EQ(took, 0xa1);
		CHECK(in_page(APIC_IRR, 0x51));
		end();
	}
}

TEST(merged_with_one_that_waits)
{
	make(IRQCHIP_KERNEL);
	V->hw.rflags = 2;
	send(0x51);
	CHECK_RAN(0);
	CHECK(in_page(APIC_IRR, 0x51));
	send(0x51);			/* accepted, and the same interrupt */
	V->hw.rflags = 0x202;
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK_EQ(took, 0x51);
	CHECK_EQ(lapic_highest_irr(&V->apic), -1);
	end();
}

TEST(task_priority_is_the_processors)
{
	make(IRQCHIP_KERNEL);
	CHECK_EQ(vcpu_set_cr8(V, 6), 0);
	send(0x51);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK_EQ(took, -1);
	CHECK_EQ(V->hw.rvi, 0x51);
	CHECK_EQ(V->hw.tpr_threshold, 0);
	end();
}

TEST(halted)
{
	make(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_HLT, 1), sent_meanwhile);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x91);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_RUNNABLE);
	end();
}

/* ------------------------------------------------------------------ what we still inject */

TEST(pic_interrupt_is_injected)
{
	static const u8 icw[] = { 0x30, 0x04, 0x01, 0 };
	unsigned int i;

	make(IRQCHIP_KERNEL);
	V->hw.rflags = 2;
	pic_write(W->irqchip.pic, 0x20, 0x11);
	for (i = 0; i < ARRAY_SIZE(icw); i++)
		pic_write(W->irqchip.pic, 0x21, icw[i]);
	CHECK(irqchip_set_gsi(&W->irqchip, 3, IRQ_SOURCE_USER, 1) >= 0);
	send(0x51);
	CHECK_RAN(0);
	CHECK(V->hw.intr_window);
	CHECK_EQ(V->hw.rvi, 0x51);
	V->hw.rflags = 0x202;
	step(EXIT(EXIT_INTR_WINDOW, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[1].vector, 0x33);
	CHECK_EQ(V->hw.rvi, 0x51);
	end();
}

/* Its delivery was interrupted: it is in service already. */
TEST(interrupted_delivery)
{
	make(IRQCHIP_KERNEL);
	send(0x51);
	world_fault = FAULT_FIXED;
	step_before(EXIT(EXIT_NPF, 0, .vectoring = { .kind = EVENT_INTR, .vector = 0x51 }), cpu_takes);
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	CHECK(in_page(APIC_ISR, 0x51));
	CHECK_EQ(V->hw.svi, 0x51);
	CHECK_EQ(V->hw.rvi, -1);
	end();
}

/* ------------------------------------------------------------------ ends */

#define LEVEL	0x8000
#define MASKED	0x10000

static void ioapic_entry(u32 low)
{
	u32 reg = 0x10 + 2 * 10;

	ioapic_write(W->irqchip.ioapic, 0, 4, &reg);
	ioapic_write(W->irqchip.ioapic, 0x10, 4, &low);
}

static u64 remote_irr(void)
{
	return W->irqchip.ioapic->redir[10] & BIT(14);
}

TEST(end_of_a_level)
{
	make(IRQCHIP_KERNEL);
	ioapic_entry(LEVEL | 0x51);
	CHECK(irqchip_set_gsi(&W->irqchip, 10, IRQ_SOURCE_USER, 1) > 0);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK(end_exits(0x51) && !end_exits(0x52));
	CHECK(remote_irr());
	/* Still driven: it comes again. */
	step_before(EXIT(EXIT_EOI_INDUCED, 0, .apic.vector = 0x51), cpu_ends);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x51);
	irqchip_set_gsi(&W->irqchip, 10, IRQ_SOURCE_USER, 0);
	step_before(EXIT(EXIT_EOI_INDUCED, 0, .apic.vector = 0x51), cpu_ends);
	CHECK_RAN(1);
	CHECK(!remote_irr());
	CHECK_EQ(V->hw.rvi, -1);
	/* The vector as an edge: nobody waits. */
	send(0x51);
	CHECK_RAN(0);
	CHECK(!end_exits(0x51));
	end();
}

/* A vector that was an edge's comes as a level while the guest runs; the fast exit after it tells the processor both. */
TEST(end_of_a_level_that_comes_later)
{
	make(IRQCHIP_KERNEL);
	ioapic_entry(LEVEL | 0x51);
	send(0x51);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	step_before(EXIT(EXIT_INTR, 0), cpu_ends);
	CHECK_RAN(2);
	CHECK(!end_exits(0x51));
	step_before(EXIT(EXIT_CPUID, 2), send_level);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x51);
	CHECK(end_exits(0x51));
	end();
}

/* As drivers do whose handlers are threads. */
TEST(end_of_a_level_whose_pin_is_masked_meanwhile)
{
	make(IRQCHIP_KERNEL);
	ioapic_entry(LEVEL | 0x51);
	irqchip_set_gsi(&W->irqchip, 10, IRQ_SOURCE_USER, 1);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	ioapic_entry(MASKED | LEVEL | 0x51);
	CHECK_RAN(0);
	CHECK(end_exits(0x51));
	step_before(EXIT(EXIT_EOI_INDUCED, 0, .apic.vector = 0x51), cpu_ends);
	CHECK_RAN(1);
	CHECK(!remote_irr());
	end();
}

TEST(end_of_an_edge_that_the_pit_waits_for)
{
	make(IRQCHIP_KERNEL);
	ioapic_entry(0x51);
	irqchip_set_gsi(&W->irqchip, 10, IRQ_SOURCE_PIT, 1);
	CHECK_RAN(0);
	CHECK(end_exits(0x51));
	end();
}

TEST(end_that_the_vmm_hears_of)
{
	struct kvm_irq_routing_entry e = { .gsi = 1, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = 0xfee00000, .data = 0xc051 } };

	make(IRQCHIP_SPLIT);
	CHECK_EQ(irqchip_set_routing(&W->irqchip, &e, 1, 0), 0);
	CHECK_EQ(irqchip_set_gsi(&W->irqchip, 1, IRQ_SOURCE_USER, 1), 1);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK(end_exits(0x51));
	step_before(EXIT(EXIT_EOI_INDUCED, 0, .apic.vector = 0x51), cpu_ends);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(R->eoi.vector, 0x51);
	end();
}

/* An end that is emulated: the processor's idea of what is in service must follow. */
TEST(emulated_end)
{
	u32 zero = 0;

	make(IRQCHIP_KERNEL);
	send(0x51);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	send(0x91);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	lapic_mmio_write(&V->apic, APIC_EOI, 4, &zero);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.svi, 0x51);
	CHECK(!in_page(APIC_ISR, 0x91));
	end();
}

/* ------------------------------------------------------------------ state */

TEST(state)
{
	struct kvm_lapic_state s;
	u32 ppr;

	make(IRQCHIP_KERNEL);
	send(0x51);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	send(0x93);			/* not even looked at yet */
	lapic_get_state(&V->apic, &s);
	memcpy(&ppr, s.regs + APIC_PROCPRI, 4);
	CHECK_EQ(ppr, 0x50);
	CHECK_EQ(*(u32 *)(s.regs + APIC_ISR + 0x20), BIT(0x51 & 31));
	CHECK_EQ(*(u32 *)(s.regs + APIC_IRR + 0x20), 0);
	CHECK_EQ(*(u32 *)(s.regs + APIC_IRR + 0x40), BIT(0x93 & 31));
	/* What came before the new state is not part of it. */
	send(0xa4);
	memset(s.regs + APIC_IRR, 0, 0x80);
	*(u32 *)(s.regs + APIC_IRR + 0x30) = BIT(0x71 & 31);
	*(u32 *)(s.regs + APIC_TMR + 0x30) = BIT(0x71 & 31);
	*(u32 *)(s.regs + APIC_ISR + 0x30) = BIT(0x61 & 31);
	CHECK_EQ(lapic_set_state(&V->apic, &s), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rvi, 0x71);
	CHECK_EQ(V->hw.svi, 0x61);
	CHECK(end_exits(0x71));
	end();
}

/* ------------------------------------------------------------------ when it may not deliver */

TEST(blocked_by_the_debugger)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ };

	make(IRQCHIP_KERNEL);
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	send(0x51);
	CHECK_RAN(0);
	CHECK(!V->hw.apic_delivers);
	CHECK_EQ(world_delivered[0].kind, EVENT_NONE);
	dbg.control = 0;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(1);
	CHECK(V->hw.apic_delivers);
	CHECK_EQ(took, 0x51);
	end();
}

TEST(disabled_by_software)
{
	make(IRQCHIP_KERNEL);
	V->hw.rflags = 2;
	send(0x51);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rvi, 0x51);
	/* The processor has written SVR, and then exits. */
	lapic_set_reg(&V->apic, APIC_SPIV, 0xff);
	step(EXIT(EXIT_APIC_WRITE, 0, .apic.offset = APIC_SPIV));
	step(EXIT(EXIT_INTR, 0));
	CHECK_RAN(2);
	CHECK(!V->apic.sw_enabled);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x51);
	CHECK_EQ(V->hw.rvi, -1);
	lapic_set_reg(&V->apic, APIC_SPIV, 0x1ff);
	step(EXIT(EXIT_APIC_WRITE, 0, .apic.offset = APIC_SPIV));
	step_before(EXIT(EXIT_INTR, 0), cpu_takes);
	CHECK_RAN(2);
	CHECK_EQ(took, 0x51);
	end();
}

TEST(switched_off)
{
	vm_default_params.virtual_apic = false;
	hw_caps.virtual_apic = hw_caps.virtual_intr = true;
	vm_default_params.virtual_intr = true;
	world_make(IRQCHIP_KERNEL);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.apic_mode, HW_APIC_NONE);
	CHECK(!V->hw.apic_delivers && !V->apic.virtual_intr);
	CHECK_EQ(W->mmu.apic_page, 0);
	vm_default_params.virtual_apic = true;
	end();
}

/* ------------------------------------------------------------------ registers */

static void written(u32 reg, u32 val)
{
	lapic_set_reg(&V->apic, reg, val);
	step(EXIT(EXIT_APIC_WRITE, 0, .apic.offset = reg));
}

TEST(registers_written_by_the_processor)
{
	struct vcpu_x86 *other;
	u32 svr = 0x1ff;

	make(IRQCHIP_KERNEL);
	other = world_vcpu(1);
	lapic_mmio_write(&other->apic, APIC_SPIV, 4, &svr);
	lapic_set_reg(&V->apic, APIC_ICR2, 1 << 24);
	written(APIC_ICR, 0x4061);
	CHECK_RAN(1);
	CHECK_EQ(lapic_highest_irr(&other->apic), 0x61);
	/* Bits that a register has not, and a timer that changes its mode. */
	written(APIC_LVTT, 0xfffa0033);
	CHECK_RAN(1);
	CHECK_EQ(lapic_reg(&V->apic, APIC_LVTT), 0x20033);
	CHECK_EQ(V->apic.timer.mode, 1);
	written(APIC_TMICT, 1000000);
	CHECK_RAN(1);
	CHECK(V->apic.timer.expires);
	written(APIC_LVTT, 0x10000);
	CHECK_RAN(1);
	CHECK_EQ(V->apic.timer.mode, 0);
	/* An id: senders look again. */
	shim_run_works();
	CHECK(rcu_access_pointer(W->irqchip.apic_map));
	written(APIC_ID, 7 << 24);
	CHECK_RAN(1);
	shim_run_works();
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee07000, 0x44), 1);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x44);
	/* EOI, of a processor that has the registers and doesn't deliver. */
	lapic_let_hardware_deliver(&V->apic, false);
	lapic_accept(&V->apic, 0x44);
	written(APIC_EOI, 0);
	CHECK_RAN(1);
	CHECK(!in_page(APIC_ISR, 0x44));
	/* What is no register of this mode. */
	written(APIC_SELF_IPI, 0x51);
	CHECK_RAN(1);
	CHECK_EQ(lapic_highest_irr(&V->apic), -1);
	end();
}

TEST(x2apic)
{
	make(IRQCHIP_KERNEL);
	CHECK(W->mmu.apic_page);
	V->apic.x2apic_allowed = true;
	CHECK_EQ(lapic_set_base(&V->apic, V->apic.base | X2APIC_ENABLE, false), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.apic_mode, HW_APIC_X2APIC);
	CHECK_EQ(W->mmu.apic_page, 0);
	written(APIC_SELF_IPI, 0xf);		/* can't be sent: an error, as ever */
	CHECK_RAN(1);
	CHECK(V->apic.esr_pending & APIC_ESR_SENDILL);
	CHECK_EQ(lapic_set_base(&V->apic, APIC_DEFAULT_PHYS_BASE, false), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.apic_mode, HW_APIC_NONE);
	CHECK(!V->hw.apic_delivers);
	end();
}

TEST(moved_page)
{
	make(IRQCHIP_KERNEL);
	CHECK_EQ(lapic_set_base(&V->apic, 0xd0000000 | (V->apic.base & 0xfff), false), 0);
	CHECK_RAN(0);
	CHECK_EQ(W->mmu.apic_page, 0);
	end();
}

TEST(no_lapic)
{
	hw_caps.virtual_apic = true;
	world_make(IRQCHIP_NONE);
	CHECK_RAN(0);
	CHECK_EQ(W->mmu.apic_page, 0);		/* the VMM has something there */
	end();
}

TEST(access_that_the_processor_cannot_do)
{
	make(IRQCHIP_KERNEL);
	step(EXIT(EXIT_APIC_ACCESS, 0, .npf.gpa = 0xfee00390, .vectoring = { .kind = EVENT_NMI, .vector = 2 }));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(R->internal.suberror, KVM_INTERNAL_ERROR_DELIVERY_EV);
	/* MOV EAX, [RDI]; ADD [RSI], EBX */
	world_long_mode();
	CODE(0x8b, 0x07, 0x01, 0x1e);
	V->hw.regs[REG_RDI] = 0xfee00030;
	V->hw.regs[REG_RSI] = 0xfee00080;
	V->hw.regs[REG_RBX] = 0x20;
	step(EXIT(EXIT_APIC_ACCESS, 0, .npf = { .gpa = 0xfee00030, .access = ACCESS_READ }));
	step(EXIT(EXIT_APIC_ACCESS, 0, .npf = { .gpa = 0xfee00080, .access = ACCESS_WRITE }));
	CHECK_RAN(2);
	CHECK_EQ(V->hw.rip, 0x8004);
	CHECK_EQ(V->hw.regs[REG_RAX], lapic_version(&V->apic));
	CHECK_EQ(lapic_cr8(&V->apic), 2);
	end();
}
