// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions, NMIs, interrupts: which one is delivered when, what becomes of one that was interrupted. */
#include "vcpu_world.h"

/* ------------------------------------------------------------------ exceptions */

/* SDM 3A, table 6-5. */
TEST(double_and_triple_faults)
{
	static const u8 contributory[] = { 0, 10, 11, 12, 13 }, benign[] = { 1, 3, 5, 6, 7, 16, 17, 19 };
	unsigned int i, j;

	world_make(IRQCHIP_NONE);
	for (i = 0; i < ARRAY_SIZE(contributory); i++)
		for (j = 0; j < ARRAY_SIZE(contributory); j++) {
			V->exception = (struct queued_exception) { .injected = true, .vector = contributory[i] };
			vcpu_queue_exception_error(V, contributory[j], 4);
			CHECK_EQ(V->exception.vector, 8);
			CHECK(V->exception.has_error && !V->exception.error);
			/* A page fault while a contributory one is delivered is not a double fault. */
			V->exception = (struct queued_exception) { .injected = true, .vector = contributory[i] };
			vcpu_queue_page_fault(V, 2, 0x1000);
			CHECK_EQ(V->exception.vector, 14);
			V->exception = (struct queued_exception) { .injected = true, .vector = 14 };
			vcpu_queue_exception_error(V, contributory[j], 4);
			CHECK_EQ(V->exception.vector, 8);
		}
	V->exception = (struct queued_exception) { .injected = true, .vector = 14 };
	vcpu_queue_page_fault(V, 2, 0x1000);
	CHECK_EQ(V->exception.vector, 8);
	CHECK(!V->exception.has_payload);
	for (i = 0; i < ARRAY_SIZE(benign); i++) {
		V->exception = (struct queued_exception) { .injected = true, .vector = benign[i] };
		vcpu_queue_exception_error(V, 13, 4);
		CHECK_EQ(V->exception.vector, 13);
		V->exception = (struct queued_exception) { .injected = true, .vector = 8 };
		vcpu_queue_exception(V, benign[i]);
		CHECK_EQ(V->exception.vector, benign[i]);
	}
	V->exception = (struct queued_exception) { .injected = true, .vector = 8 };
	vcpu_queue_exception_error(V, 13, 0);
	CHECK(!V->exception.pending && !V->exception.injected);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_SHUTDOWN);
	world_end();
}

TEST(payloads)
{
	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	vcpu_queue_page_fault(V, 6, 0x123456);
	CHECK_EQ(V->hw.cr2, 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.cr2, 0x123456);
	CHECK_EQ(world_delivered[0].vector, 14);
	CHECK(world_delivered[0].has_error);
	CHECK_EQ(world_delivered[0].error, 6);
	CHECK(V->hw.rflags & X86_EFLAGS_RF);
	V->hw.rflags = 2;
	V->hw.dr6 = 0xffff0ff5;
	vcpu_queue_db(V, BIT(14) | 2);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.dr6, 0xffff4ff2);	/* B0-3 are this one's */
	CHECK(!(V->hw.rflags & X86_EFLAGS_RF));
	world_end();
}

TEST(no_error_code_in_real_mode)
{
	world_make(IRQCHIP_NONE);
	vcpu_queue_exception_error(V, 13, 0x50);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 13);
	CHECK(!world_delivered[0].has_error);
	world_end();
}

/* ------------------------------------------------------------------ interrupted delivery */

static void again(struct hw_event ev)
{
	step(EXIT(EXIT_INTR, 0, .vectoring = ev));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, ev.kind);
	CHECK_EQ(world_delivered[1].vector, ev.vector);
	CHECK_EQ(world_delivered[1].error, ev.error);
	CHECK_EQ(world_delivered[1].insn_len, ev.insn_len);
	/* And once is enough. */
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].kind, EVENT_NONE);
}

TEST(interrupted_events_come_again)
{
	world_make(IRQCHIP_KERNEL);
	V->hw.cr0 |= 1;
	again((struct hw_event) { .kind = EVENT_INTR, .vector = 0x55 });
	again((struct hw_event) { .kind = EVENT_SOFT_INTR, .vector = 0x21, .insn_len = 2 });
	again((struct hw_event) { .kind = EVENT_NMI, .vector = 2 });
	again((struct hw_event) { .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 7 });
	again((struct hw_event) { .kind = EVENT_SOFT_EXCEPTION, .vector = 3 });
	world_end();
}

/* #AC while an NMI or an interrupt was being delivered: the exception first, the NMI after it. */
TEST(an_exception_during_delivery_goes_first)
{
	world_make(IRQCHIP_KERNEL);
	V->hw.cr0 |= 1;
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 17, .has_error = true },
		  .vectoring = { .kind = EVENT_NMI, .vector = 2 }));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 17);
	CHECK_EQ(V->nmi_pending, 1);
	V->nmi_pending = 0;
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 17, .has_error = true },
		  .vectoring = { .kind = EVENT_INTR, .vector = 0x55 }));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 17);
	CHECK(!V->exception.pending);
	world_end();
}

static int give_up;

/* A request that comes between injection and entry: the entry is given up, the event stays. */
static void give_up_once(void)
{
	give_up++;
	shim_need_resched = 0;
}

TEST(an_entry_given_up_keeps_its_event)
{
	world_make(IRQCHIP_NONE);
	give_up = 0;
	shim_sleep_hook = give_up_once;
	shim_need_resched = 1;
	vcpu_queue_exception(V, 6);
	CHECK_RAN(0);
	CHECK_EQ(give_up, 1);
	CHECK_EQ(world_delivered[0].vector, 6);
	shim_sleep_hook = NULL;
	world_end();
}

/* ------------------------------------------------------------------ NMI */

static void two_more_nmis(struct hw_vcpu *hw, const struct hw_event *ev)
{
	CHECK_EQ(ev->kind, EVENT_NMI);
	hw->nmi_masked = true;
	vcpu_queue_nmi(V);
	vcpu_queue_nmi(V);
	vcpu_queue_nmi(V);
}

TEST(nmis_latch_once_behind_the_one_in_service)
{
	world_make(IRQCHIP_KERNEL);
	vcpu_queue_nmi(V);
	step_before(EXIT(EXIT_INTR, 0), two_more_nmis);
	step(EXIT(EXIT_NMI_WINDOW, 0));		/* the fake: NMIs are open */
	CHECK_RAN(2);
	CHECK_EQ(world_delivered[0].kind, EVENT_NMI);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	CHECK(V->hw.nmi_window);
	CHECK_EQ(world_delivered[2].kind, EVENT_NMI);
	CHECK_EQ(V->nmi_pending, 0);
	CHECK_EQ(V->vcpu.stats.nmi_window_exits, 1);
	world_end();
}

TEST(nmi_behind_an_exception_cuts_the_entry_short)
{
	world_make(IRQCHIP_KERNEL);
	vcpu_queue_exception(V, 6);
	vcpu_queue_nmi(V);
	step(EXIT(EXIT_INTR, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[0].vector, 6);
	CHECK(V->hw.cut);
	CHECK_EQ(world_delivered[1].kind, EVENT_NMI);
	world_end();
}

/* ------------------------------------------------------------------ interrupts */

static void software_enable(void)
{
	u32 svr = 0x1ff;

	lapic_mmio_write(&V->apic, APIC_SPIV, 4, &svr);
}

static void msi(u8 vector)
{
	CHECK_EQ(irqchip_send_msi(&W->irqchip, 0xfee00000, vector), 1);
}

TEST(priorities)
{
	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.cr0 |= 1;
	V->hw.rflags = 0x202;
	msi(0x51);
	msi(0x91);
	vcpu_queue_nmi(V);
	vcpu_queue_exception(V, 6);
	step(EXIT(EXIT_INTR, 0));
	step(EXIT(EXIT_INTR_WINDOW, 0));
	CHECK_RAN(2);
	CHECK_EQ(world_delivered[0].kind, EVENT_EXCEPTION);
	CHECK_EQ(world_delivered[1].kind, EVENT_NMI);
	CHECK(V->hw.intr_window);
	CHECK_EQ(world_delivered[2].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[2].vector, 0x91);
	world_end();
}

TEST(closed_window)
{
	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.rflags = 2;
	msi(0x51);
	step(EXIT(EXIT_INTR, 0));
	CHECK_RAN(1);
	CHECK(V->hw.intr_window);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	V->hw.rflags = 0x202;
	V->hw.shadow = SHADOW_STI;
	step(EXIT(EXIT_INTR_WINDOW, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	V->hw.shadow = 0;
	step(EXIT(EXIT_INTR_WINDOW, 0));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	world_end();
}

TEST(task_priority_asks_for_an_exit)
{
	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.rflags = 0x202;
	CHECK_EQ(vcpu_set_cr8(V, 6), 0);
	CHECK_EQ(vcpu_set_cr8(V, 16), -EINVAL);
	msi(0x51);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].kind, EVENT_NONE);
	CHECK_EQ(V->hw.tpr_threshold, 5);
	CHECK_EQ(V->hw.tpr, 6);
	step(EXIT(EXIT_CR_WRITE, 4, .cr = { .nr = 8, .reg = REG_RBX, .operand_known = true }));
	V->hw.regs[REG_RBX] = 2;
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 0x51);
	CHECK_EQ(vcpu_cr8(V), 2);
	CHECK_EQ(V->hw.tpr_threshold, 0);
	world_end();
}

static void moves_tpr(struct hw_vcpu *hw, const struct hw_event *ev)
{
	hw->tpr = 9;
}

TEST(cr8_moved_without_an_exit)
{
	world_make(IRQCHIP_KERNEL);
	step_before(EXIT(EXIT_INTR, 0), moves_tpr);
	CHECK_RAN(1);
	CHECK_EQ(lapic_cr8(&V->apic), 9);
	CHECK_EQ(R->cr8, 9);
	world_end();
}

/* ------------------------------------------------------------------ the VMM's interrupts */

TEST(user_interrupt_and_its_window)
{
	world_make(IRQCHIP_NONE);
	V->hw.rflags = 2;
	R->request_interrupt_window = 1;
	step(EXIT(EXIT_INTR, 0));
	CHECK_RAN(1);
	CHECK(V->hw.intr_window);
	CHECK_EQ(R->ready_for_interrupt_injection, 0);
	CHECK_EQ(R->if_flag, 0);
	V->hw.rflags = 0x202;
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(R->ready_for_interrupt_injection, 1);
	CHECK_EQ(R->if_flag, 1);
	R->request_interrupt_window = 0;
	CHECK_EQ(vcpu_user_interrupt(V, 0x77), 0);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[0].vector, 0x77);
	CHECK_EQ(V->user_irq, -1);
	world_end();
}

TEST(pic_interrupt)
{
	u8 icw[] = { 0x11, 0x30, 0x04, 0x01 };
	int i;

	world_make(IRQCHIP_KERNEL);
	V->hw.rflags = 0x202;
	pic_write(W->irqchip.pic, 0x20, icw[0]);
	for (i = 1; i < 4; i++)
		pic_write(W->irqchip.pic, 0x21, icw[i]);
	pic_write(W->irqchip.pic, 0x21, 0);
	CHECK(irqchip_set_gsi(&W->irqchip, 3, IRQ_SOURCE_USER, 1) >= 0);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].kind, EVENT_INTR);
	CHECK_EQ(world_delivered[0].vector, 0x33);
	world_end();
}

TEST(blockirq)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ };

	world_make(IRQCHIP_KERNEL);
	software_enable();
	V->hw.rflags = 0x202;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	msi(0x51);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].kind, EVENT_NONE);
	dbg.control = 0;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 0x51);
	world_end();
}

/* #AC that the guest asked for is the guest's; any other is the host's detection of split locks. */
TEST(split_locks)
{
	struct hw_exit ac = EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 17, .has_error = true });

	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	V->hw.segs[SEG_CS].dpl = V->hw.segs[SEG_SS].dpl = 3;
	shim_cpu_caps[X86_FEATURE_SPLIT_LOCK_DETECT / 32] |= BIT(X86_FEATURE_SPLIT_LOCK_DETECT % 32);
	shim_split_lock_ok = true;
	shim_split_locks = 0;
	step(ac);
	CHECK_RAN(1);
	CHECK_EQ(shim_split_locks, 1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	V->hw.cr0 |= X86_CR0_AM;
	step(ac);
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	V->hw.rflags |= X86_EFLAGS_AC;
	step(ac);
	CHECK_RAN(1);
	CHECK_EQ(shim_split_locks, 2);
	CHECK_EQ(world_delivered[1].vector, 17);
	/* Not at CPL 0. The kernel has had enough of it. */
	V->hw.segs[SEG_CS].dpl = V->hw.segs[SEG_SS].dpl = 0;
	shim_split_lock_ok = false;
	step(ac);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_EXCEPTION);
	CHECK_EQ(R->ex.exception, 17);
	CHECK_EQ(shim_split_locks, 3);
	shim_cpu_caps[X86_FEATURE_SPLIT_LOCK_DETECT / 32] = 0;
	world_end();
}

TEST(reflected_exceptions)
{
	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 17, .has_error = true }));
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 6 }));
	step(EXIT(EXIT_EXCEPTION, 0, .event = { .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 5 }, .qual = 0x777));
	step(EXIT(EXIT_EXCEPTION, 1, .event = { .kind = EVENT_SOFT_EXCEPTION, .vector = 3 }));
	V->hw.rip = 0x100;
	CHECK_RAN(4);
	CHECK_EQ(world_delivered[1].vector, 17);
	CHECK_EQ(world_delivered[2].vector, 6);
	CHECK_EQ(world_delivered[3].vector, 14);
	CHECK_EQ(V->hw.cr2, 0x777);
	CHECK_EQ(world_delivered[4].vector, 3);
	CHECK_EQ(V->hw.rip, 0x101);
	world_end();
}
