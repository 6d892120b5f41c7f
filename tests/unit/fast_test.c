// SPDX-License-Identifier: GPL-2.0-only
/* The exits that are answered with interrupts off, and how long an instruction is where the hardware doesn't say. */
#include "hw/hw.h"

/* What another CPU does while an injection is being decided. */
static void (*while_deciding)(void);
#define hw_intr_allowed(hw)	({ if (while_deciding) while_deciding(); hw_intr_allowed(hw); })

#include "vcpu_world.h"

static bool fast(struct hw_exit exit)
{
	bool r;

	local_irq_disable();
	r = fast_exit(V, &exit);
	local_irq_enable();
	return r;
}

static void set_cpuid(u32 function, u32 eax)
{
	struct kvm_cpuid_entry2 *e = kvcalloc(1, sizeof(*e), GFP_KERNEL);

	e->function = function;
	e->eax = eax;
	e->ebx = 2;
	e->ecx = 3;
	e->edx = 4;
	CHECK_EQ(vcpu_set_cpuid(V, e, 1), 0);
}

TEST(cpuid)
{
	world_make(IRQCHIP_NONE);
	set_cpuid(0x40000000, 0x40000001);
	V->hw.rip = 0x100;
	V->hw.shadow = SHADOW_STI;
	V->hw.regs[REG_RAX] = 0xffffffff40000000;
	CHECK(fast(EXIT(EXIT_CPUID, 2)));
	CHECK_EQ(V->hw.regs[REG_RAX], 0x40000001);
	CHECK_EQ(V->hw.regs[REG_RBX], 2);
	CHECK_EQ(V->hw.regs[REG_RDX], 4);
	CHECK_EQ(V->hw.rip, 0x102);
	CHECK_EQ(V->hw.shadow, 0);
	world_end();
}

/* Each with its bytes at RIP in long mode, no NRIP. */
TEST(length_from_the_bytes)
{
	static const struct { u8 kind, len, bytes[4]; } t[] = {
		{ EXIT_CPUID, 2, { 0x0f, 0xa2 } }, { EXIT_RDTSC, 2, { 0x0f, 0x31 } }, { EXIT_WBINVD, 2, { 0x0f, 0x09 } },
		{ EXIT_INVD, 2, { 0x0f, 0x08 } }, { EXIT_PAUSE, 2, { 0xf3, 0x90 } },
	};
	unsigned int i;

	world_make(IRQCHIP_NONE);
	world_long_mode();
	hw_caps.nrips = false;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		world_code(t[i].bytes, 4);
		CHECK(fast(EXIT(t[i].kind, 0)));
		CHECK_EQ(V->hw.rip, 0x8000 + t[i].len);
	}
	/* A prefix: left to the decoder of the slow way, which finds it. */
	CODE(0x66, 0x0f, 0xa2);
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	CHECK_EQ(V->hw.rip, 0x8000);
	step(EXIT(EXIT_CPUID, 0));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rip, 0x8003);
	/* The guest changed the code at a site that is remembered. */
	CODE(0x0f, 0xa2);
	CHECK(fast(EXIT(EXIT_CPUID, 0)));
	CODE(0x90, 0x0f, 0xa2);
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	world_end();
}

/* Without one the length would be 0, and the guest would execute the instruction for ever. */
TEST(every_fast_insn_has_a_form)
{
	unsigned int kind;

	for (kind = 0; kind < NR_EXIT_KINDS; kind++)
		CHECK(!(BIT_ULL(kind) & FAST_INSNS) || insn_forms[kind].len);
}

/* Each kind: a step, and other bytes than those of its form. */
TEST(left_to_the_slow_way)
{
	unsigned int kind;

	world_make(IRQCHIP_NONE);
	world_long_mode();
	hw_caps.nrips = false;
	CODE(0x66, 0x0f, 0xa2);
	for (kind = 0; kind < NR_EXIT_KINDS; kind++)
		if (BIT_ULL(kind) & FAST_INSNS) {
			CHECK(!fast(EXIT(kind, 0)));
			V->hw.rflags |= X86_EFLAGS_TF;
			CHECK(!fast(EXIT(kind, 2)));
			V->hw.rflags &= ~(u64)X86_EFLAGS_TF;
		}
	CHECK_EQ(V->hw.rip, 0x8000);
	world_end();
}

/* Outside 64-bit code the upper halves don't count, and the answer has none. */
TEST(hypercall_widths)
{
	const u64 poll = KVM_HC_VAPIC_POLL_IRQ;

	world_make(IRQCHIP_NONE);
	V->hw.regs[REG_RAX] = BIT_ULL(40) | poll;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], 0);
	V->hw.regs[REG_RAX] = 0xffff;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], (u32)-KVM_ENOSYS);
	world_long_mode();
	V->hw.regs[REG_RAX] = BIT_ULL(40) | poll;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], (u64)-KVM_ENOSYS);
	world_end();
}

TEST(sites_by_every_kind_of_paging)
{
	world_make(IRQCHIP_NONE);
	hw_caps.nrips = false;
	/* Real mode: CS base and no paging. */
	memcpy(ram + 0x20100, "\x0f\xa2", 2);
	V->hw.segs[SEG_CS].base = 0x20000;
	V->hw.rip = 0x100;
	CHECK(fast(EXIT(EXIT_CPUID, 0)));
	CHECK_EQ(V->hw.rip, 0x102);
	/* 32-bit, 4 KiB pages. */
	V->hw.cr0 |= 0x80000001;
	V->hw.cr3 = 0x4000;
	*(u32 *)(ram + 0x4000) = 0x5000 | 7;
	*(u32 *)(ram + 0x5000 + 4 * 0x33) = 0x20000 | 7;
	V->hw.segs[SEG_CS].base = 0;
	V->hw.rip = 0x33100;
	CHECK(fast(EXIT(EXIT_CPUID, 0)));
	/* 4 MiB pages are not looked at, nor is what isn't there. */
	*(u32 *)(ram + 0x4004) = 0x87;
	V->hw.rip = 0x400000 + 0x20100;
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	V->hw.rip = 0x900000;
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	/* PAE with a 2 MiB page. */
	V->hw.cr4 = X86_CR4_PAE;
	V->hw.cr3 = 0x6020;
	*(u64 *)(ram + 0x6020) = 0x7000 | 1;
	*(u64 *)(ram + 0x7000) = 0x87;
	V->hw.rip = 0x20100;
	CHECK(fast(EXIT(EXIT_CPUID, 0)));
	/* Long mode, down to 4 KiB. */
	V->hw.efer = 0xd00;
	V->hw.segs[SEG_CS].l = 1;
	V->hw.cr3 = 0x8000;
	*(u64 *)(ram + 0x8000 + 8 * 256) = 0x9000 | 7;
	*(u64 *)(ram + 0x9000) = 0xa000 | 7;
	*(u64 *)(ram + 0xa000) = 0xb000 | 7;
	*(u64 *)(ram + 0xb000 + 8 * 5) = BIT_ULL(63) | 0x20000 | 7;
	V->hw.rip = 0xffff800000005100;
	CHECK(fast(EXIT(EXIT_CPUID, 0)));
	CHECK_EQ(V->hw.rip, 0xffff800000005102);
	/* At the end of a page the word may go on elsewhere. */
	memcpy(ram + 0x20ffd, "\x0f\xa2", 2);
	V->hw.rip = 0xffff800000005ffd;
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	/* The VMM has no memory there. */
	V->hw.cr0 = 0x10;
	V->hw.segs[SEG_CS].l = 0;
	V->hw.rip = RAM_BYTES + 0x100;
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	world_end();
}

/* Two sites of one slot are both remembered: neither needs the page tables again. */
TEST(sites_that_share_a_slot)
{
	u64 other = 0x8010;
	int i;

	world_make(IRQCHIP_NONE);
	hw_caps.nrips = false;
	world_long_mode();
	while (insn_site(V, other) != insn_site(V, 0x8000))
		other += 16;
	memcpy(ram + 0x8000, "\x0f\xa2", 2);
	memcpy(ram + other, "\x0f\xa2", 2);
	for (i = 0; i < 6; i++) {
		V->hw.rip = i & 1 ? other : 0x8000;
		CHECK(fast(EXIT(EXIT_CPUID, 0)));
		if (i == 1)
			*(u64 *)(ram + 0x1000) = 0;
	}
	/* A third one does. */
	V->hw.rip = other + 2;
	CHECK(!fast(EXIT(EXIT_CPUID, 0)));
	world_end();
}

/* EIP wraps at 4 GiB, RIP doesn't, and the shadow ends either way. */
TEST(instruction_pointer_wraps_by_the_code_size)
{
	static const u8 kinds[] = { EXIT_CPUID, EXIT_WBINVD };
	unsigned int i;

	world_make(IRQCHIP_NONE);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		V->hw.efer = 0;
		V->hw.segs[SEG_CS].l = 0;
		V->hw.rip = 0xfffffffe;
		V->hw.shadow = SHADOW_STI;
		CHECK(fast(EXIT(kinds[i], 2)));
		CHECK_EQ(V->hw.rip, 0);
		CHECK_EQ(V->hw.shadow, 0);
		V->hw.efer = 0xd00;
		V->hw.rip = 0xffffffff;		/* compatibility mode */
		CHECK(fast(EXIT(kinds[i], 2)));
		CHECK_EQ(V->hw.rip, 1);
		V->hw.segs[SEG_CS].l = 1;
		V->hw.rip = 0xfffffffe;
		CHECK(fast(EXIT(kinds[i], 2)));
		CHECK_EQ(V->hw.rip, 0x100000000);
	}
	world_end();
}

/* RF ends with the instruction: not here, and with no trace of the attempt. */
TEST(resume_flag_is_slow)
{
	world_make(IRQCHIP_NONE);
	V->hw.rip = 0x100;
	V->hw.rflags = 2 | X86_EFLAGS_RF;
	CHECK(!fast(EXIT(EXIT_CPUID, 2)));
	CHECK(!fast(EXIT(EXIT_WBINVD, 2)));
	CHECK_EQ(V->hw.rip, 0x100);
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rip, 0x102);
	CHECK_EQ(V->hw.rflags, 2);
	world_end();
}

TEST(hypercalls)
{
	world_make(IRQCHIP_KERNEL);
	V->hw.regs[REG_RAX] = KVM_HC_VAPIC_POLL_IRQ;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], 0);
	V->hw.regs[REG_RAX] = 100;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ((s32)V->hw.regs[REG_RAX], -KVM_ENOSYS);
	V->hw.segs[SEG_SS].dpl = 3;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ((s32)V->hw.regs[REG_RAX], -KVM_EPERM);
	/* It may sleep. */
	V->hw.regs[REG_RAX] = KVM_HC_SCHED_YIELD;
	CHECK(!fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], KVM_HC_SCHED_YIELD);
	world_end();
}

/* The bitmap is two registers, of 64 or 32 bits; what they send goes to ids from RDX on. */
TEST(hypercall_ipis)
{
	const u32 svr = 0x1ff;
	struct vcpu_x86 *other;

	world_make(IRQCHIP_KERNEL);
	other = world_vcpu(40);
	lapic_mmio_write(&V->apic, APIC_SPIV, 4, &svr);
	lapic_mmio_write(&other->apic, APIC_SPIV, 4, &svr);
	shim_run_works();
	V->hw.regs[REG_RAX] = KVM_HC_SEND_IPI;
	V->hw.regs[REG_RBX] = 1;
	V->hw.regs[REG_RCX] = 1 << 8;		/* 32 + 8 */
	V->hw.regs[REG_RDX] = 0;
	V->hw.regs[REG_RSI] = 0x51;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], 2);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x51);
	CHECK_EQ(lapic_highest_irr(&other->apic), 0x51);
	world_long_mode();
	V->hw.regs[REG_RAX] = KVM_HC_SEND_IPI;
	V->hw.regs[REG_RBX] = BIT_ULL(40);
	V->hw.regs[REG_RCX] = BIT_ULL(8);	/* 64 + 8: nobody */
	V->hw.regs[REG_RSI] = 0x61;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], 1);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x51);
	CHECK_EQ(lapic_highest_irr(&other->apic), 0x61);
	V->hw.regs[REG_RAX] = KVM_HC_SEND_IPI;
	V->hw.regs[REG_RSI] = 0x61 | APIC_DEST_LOGICAL;
	CHECK(fast(EXIT(EXIT_HYPERCALL, 3)));
	CHECK_EQ(V->hw.regs[REG_RAX], (u64)-KVM_EINVAL);
	world_end();
}

TEST(stepping_is_slow)
{
	world_make(IRQCHIP_NONE);
	V->hw.rflags = 2 | X86_EFLAGS_TF;
	CHECK(!fast(EXIT(EXIT_CPUID, 2)));
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 1);
	CHECK(V->hw.dr6 & BIT(14));
	world_end();
}

TEST(rdtsc)
{
	world_make(IRQCHIP_NONE);
	shim_tsc = 0x1122334455;
	V->tsc_offset = 0;
	CHECK(fast(EXIT(EXIT_RDTSC, 2)));
	CHECK_EQ(V->hw.regs[REG_RAX] | V->hw.regs[REG_RDX] << 32, vcpu_guest_tsc(V, shim_tsc));
	V->hw.cr4 = X86_CR4_TSD;
	V->hw.cr0 |= 1;
	CHECK(fast(EXIT(EXIT_RDTSC, 2)));
	V->hw.segs[SEG_SS].dpl = 3;
	CHECK(!fast(EXIT(EXIT_RDTSC, 2)));
	step(EXIT(EXIT_RDTSC, 2));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 13);
	world_end();
}

static void x2apic(void)
{
	V->apic.x2apic_allowed = V->apic.tsc_deadline_allowed = V->has.x2apic = true;
	CHECK_EQ(lapic_set_base(&V->apic, V->apic.base | X2APIC_ENABLE, true), 0);
	shim_run_works();
	CHECK_EQ(V->apic.mode, APIC_X2APIC);
	CHECK_EQ(lapic_msr_write(&V->apic, 0x80f, 0x1ff), 0);
}

static bool guest_wrmsr(u32 msr, u64 val)
{
	V->hw.regs[REG_RCX] = msr;
	V->hw.regs[REG_RAX] = (u32)val;
	V->hw.regs[REG_RDX] = val >> 32;
	return fast(EXIT(EXIT_MSR_WRITE, 2));
}

TEST(x2apic_registers)
{
	world_make(IRQCHIP_KERNEL);
	CHECK(!guest_wrmsr(0x80b, 0));		/* not in x2APIC mode */
	x2apic();
	CHECK(guest_wrmsr(0x808, 0x50));
	CHECK_EQ(V->hw.tpr, 5);
	CHECK(guest_wrmsr(0x83f, 0x61));		/* self-IPI */
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x61);
	lapic_accept(&V->apic, 0x61);
	CHECK(guest_wrmsr(0x80b, 0));
	CHECK(!guest_wrmsr(0x80b, 1));		/* #GP: the slow way's */
	CHECK(guest_wrmsr(0x830, 0x62));		/* ICR to itself, physical 0 */
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x62);
	V->hw.regs[REG_RCX] = 0x808;
	CHECK(fast(EXIT(EXIT_MSR_READ, 2)));
	CHECK_EQ(V->hw.regs[REG_RAX], 0x50);
	V->hw.regs[REG_RCX] = 0x12345678;
	CHECK(!fast(EXIT(EXIT_MSR_READ, 2)));
	CHECK(!guest_wrmsr(MSR_STAR, 5));
	world_end();
}

static void send_init(void)
{
	lapic_receive(&V->apic, NULL, &(struct apic_msg){ .delivery = APIC_INIT_IPI, .assert = true });
}

/* The request that is taken must not be that of what came too late to be seen. */
TEST(init_during_a_fast_injection_is_not_lost)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	CHECK(guest_wrmsr(0x83f, 0x61));
	V->vcpu.requests = BIT(REQ_EVENT);
	while_deciding = send_init;
	local_irq_disable();
	vcpu_inject_fast(V);
	local_irq_enable();
	while_deciding = NULL;
	CHECK(V->apic.pending_init_sipi);
	CHECK(test_bit(REQ_EVENT, &V->vcpu.requests));
	world_end();
}

/* What the guest is about to write, by entry. */
static struct { u32 msr, val; } writes[8];

static void next_write(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	hw->regs[REG_RCX] = writes[world_at - 1].msr;
	hw->regs[REG_RAX] = writes[world_at - 1].val;
	hw->regs[REG_RDX] = 0;
}

static void wrmsr_at(unsigned int entry, u32 msr, u32 val)
{
	writes[entry].msr = msr;
	writes[entry].val = val;
	step_before(EXIT(EXIT_MSR_WRITE, 2), next_write);
}

static void wrmsr_and_signal(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	next_write(hw, delivered);
	current->signal = true;
	set_thread_flag(TIF_SIGPENDING);
}

/* Self-IPI, EOI: the next interrupt is delivered at the next entry, each once, in order of priority. */
TEST(interrupts_of_fast_exits)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	wrmsr_at(0, 0x83f, 0x61);
	wrmsr_at(1, 0x83f, 0x51);	/* waits for the end of 0x61 */
	wrmsr_at(2, 0x83f, 0x71);	/* doesn't */
	wrmsr_at(3, 0x80b, 0);
	wrmsr_at(4, 0x80b, 0);
	wrmsr_at(5, 0x80b, 0);
	CHECK_RAN(6);
	CHECK_EQ(world_delivered[1].vector, 0x61);
	CHECK_EQ(world_delivered[2].kind, EVENT_NONE);
	CHECK_EQ(world_delivered[3].vector, 0x71);
	CHECK_EQ(world_delivered[4].kind, EVENT_NONE);
	CHECK_EQ(world_delivered[5].vector, 0x51);
	CHECK_EQ(world_delivered[6].kind, EVENT_NONE);
	CHECK_EQ(lapic_highest_irr(&V->apic), -1);
	CHECK_EQ(V->vcpu.stats.irq_injections, 3);
	CHECK(!V->interrupt.injected);
	world_end();
}

/* Closed, or held back by CR8: a window is opened instead, and nothing is lost. */
TEST(interrupts_of_fast_exits_wait)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 2;
	wrmsr_at(0, 0x83f, 0x61);
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	CHECK(V->hw.intr_window);
	V->hw.rflags = 0x202;
	wrmsr_at(0, 0x808, 0x60);
	wrmsr_at(1, 0x83f, 0x62);
	V->hw.intr_window = false;
	vcpu_check_event(&V->vcpu);
	CHECK_RAN(2);
	CHECK_EQ(world_delivered[2].kind, EVENT_NONE);
	CHECK_EQ(V->hw.tpr_threshold, 6);
	wrmsr_at(0, 0x808, 0x50);
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 0x62);
	CHECK_EQ(V->hw.tpr_threshold, 0);
	world_end();
}

static void window_opens(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	CHECK(hw->intr_window);
	hw->intr_window = false;
	hw->rflags = 0x202;
}

/* Opened and used without a turn of the outer loop. */
TEST(window_of_fast_exits)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 2;
	wrmsr_at(0, 0x83f, 0x61);
	step_before(EXIT(EXIT_INTR_WINDOW, 0), window_opens);
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(3);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	CHECK_EQ(world_delivered[2].vector, 0x61);
	CHECK_EQ(world_delivered[3].kind, EVENT_NONE);
	CHECK_EQ(stats()->fast_exits, 3);
	CHECK(!V->hw.intr_window);
	world_end();
}

/* The VMM has an interrupt, too, and wants to be told. */
TEST(window_that_the_vmm_waits_for)
{
	world_make(IRQCHIP_SPLIT);
	V->hw.rflags = 2;
	R->request_interrupt_window = 1;
	step_before(EXIT(EXIT_INTR_WINDOW, 0), window_opens);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(world_at, 1);
	world_end();
}

/* Sent by another, below what is in service: nothing to do, and no turn of the outer loop. */
static void send_0x51(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	struct apic_msg msg = { .vector = 0x51 };

	CHECK_EQ(lapic_receive(&V->apic, NULL, &msg), 1);
	V->vcpu.mode = IN_GUEST_MODE;
}

TEST(interrupt_of_less_priority)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	wrmsr_at(0, 0x83f, 0x61);
	step_before(EXIT(EXIT_CPUID, 2), send_0x51);
	wrmsr_at(2, 0x80b, 0);
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(4);
	CHECK_EQ(world_delivered[1].vector, 0x61);
	CHECK_EQ(world_delivered[2].kind, EVENT_NONE);
	CHECK_EQ(world_delivered[3].vector, 0x51);
	CHECK_EQ(stats()->fast_exits, 4);
	world_end();
}

/* CR8 moves without an exit: what waits at an EOI under a raised CR8 needs the threshold, or nobody looks when it falls. */
static void eoi_under_cr8(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	hw->tpr = 0xd;
	next_write(hw, delivered);
}

TEST(eoi_under_a_raised_cr8)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	wrmsr_at(0, 0x83f, 0xd1);
	wrmsr_at(1, 0x83f, 0x91);
	writes[2].msr = 0x80b;
	writes[2].val = 0;
	step_before(EXIT(EXIT_MSR_WRITE, 2), eoi_under_cr8);
	CHECK_RAN(3);
	CHECK_EQ(world_delivered[1].vector, 0xd1);
	CHECK_EQ(world_delivered[2].kind, EVENT_NONE);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x91);
	CHECK_EQ(V->hw.tpr_threshold, 9);
	world_end();
}

/* A signal comes first; the interrupt is still there afterwards. */
TEST(interrupts_of_fast_exits_survive_a_signal)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	writes[0].msr = 0x83f;
	writes[0].val = 0x61;
	step_before(EXIT(EXIT_MSR_WRITE, 2), wrmsr_and_signal);
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(world_at, 1);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x61);
	current->signal = false;
	current->tif = 0;
	step(EXIT(EXIT_CPUID, 2));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[0].vector, 0x61);
	world_end();
}

TEST(level_eoi_leaves_the_inner_loop)
{
	world_make(IRQCHIP_SPLIT);
	x2apic();
	V->apic.eois_queued = false;
	set_bit(0x71, V->apic.eois);
	CHECK(guest_wrmsr(0x83f, 0x71));
	lapic_accept(&V->apic, 0x71);
	vcpu_check_event(&V->vcpu);
	V->apic.eois_queued = true;		/* as for a level-triggered vector */
	CHECK(guest_wrmsr(0x80b, 0));
	CHECK(vcpu_request_pending(&V->vcpu));
	world_end();
}

TEST(hlt_with_work)
{
	world_make(IRQCHIP_KERNEL);
	x2apic();
	V->hw.rflags = 0x202;
	CHECK(!fast(EXIT(EXIT_HLT, 1)));
	CHECK(guest_wrmsr(0x83f, 0x61));
	V->hw.rip = 0x50;
	V->hw.rflags = 2;
	CHECK(!fast(EXIT(EXIT_HLT, 1)));
	V->hw.rflags = 0x202;
	CHECK(fast(EXIT(EXIT_HLT, 1)));
	CHECK_EQ(V->hw.rip, 0x51);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_RUNNABLE);
	world_end();
}

TEST(pause_alone)
{
	world_make(IRQCHIP_KERNEL);
	CHECK(fast(EXIT(EXIT_PAUSE, 2)));
	world_vcpu(1);
	CHECK(!fast(EXIT(EXIT_PAUSE, 2)));
	world_end();
}

TEST(cr8_from_the_bytes)
{
	world_make(IRQCHIP_KERNEL);
	world_long_mode();
	hw_caps.nrips = false;
	CODE(0x45, 0x0f, 0x22, 0xc3);		/* mov cr8, r11 */
	V->hw.regs[REG_R11] = 7;
	CHECK(fast(EXIT(EXIT_CR_WRITE, 0, .cr = { .nr = 8 })));
	CHECK_EQ(lapic_cr8(&V->apic), 7);
	CHECK_EQ(V->hw.rip, 0x8004);
	CODE(0x44, 0x0f, 0x22, 0xc0);		/* mov cr8, rax */
	V->hw.regs[REG_RAX] = 16;
	CHECK(!fast(EXIT(EXIT_CR_WRITE, 0, .cr = { .nr = 8 })));
	CHECK(!fast(EXIT(EXIT_CR_WRITE, 0, .cr = { .nr = 3 })));
	world_end();
}

TEST(doorbell)
{
	struct kvm_ioeventfd args = { .addr = 0xc050, .len = 2, .datamatch = 3,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH };

	world_make(IRQCHIP_NONE);
	args.fd = shim_eventfd();
	CHECK_EQ(ioeventfd_assign(&W->vm, &args), 0);
	V->hw.rip = 0x100;
	V->hw.regs[REG_RAX] = 0xffff0003;
	CHECK(fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = true })));
	CHECK_EQ(V->hw.rip, 0x101);
	V->hw.regs[REG_RAX] = 4;
	CHECK(!fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = true })));
	V->hw.regs[REG_RAX] = 3;
	CHECK(!fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = false })));
	CHECK(!fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = true, .string = true })));
	CHECK(!fast(EXIT(EXIT_IO, 0, .io = { .port = 0xc050, .size = 2, .out = true })));
	CHECK(!fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc051, .size = 2, .out = true })));
	/* The slow way rings it, too. */
	hw_caps.nrips = false;
	V->hw.rip = 0x100;
	step(EXIT(EXIT_IO, 2, .io = { .port = 0xc050, .size = 2, .out = true }));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rip, 0x102);
	args.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	CHECK_EQ(ioeventfd_deassign(&W->vm, &args), 0);
	shim_eventfd_close(args.fd);
	world_end();
}

/* Many at one port, each for its value: those that are found in a few steps ring with IRQs off, the others in the slow way. */
TEST(many_doorbells_at_a_port)
{
	struct kvm_ioeventfd args = { .addr = 0xc050, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH };
	const u32 n = IOBUS_QUICK + 2;
	u32 i, quick = 0;

	world_make(IRQCHIP_NONE);
	args.fd = shim_eventfd();
	for (i = 0; i < n; i++) {
		args.datamatch = i;
		CHECK_EQ(ioeventfd_assign(&W->vm, &args), 0);
	}
	for (i = 0; i < n; i++) {
		V->hw.regs[REG_RAX] = i;
		quick += fast(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = true }));
	}
	CHECK_EQ(quick, IOBUS_QUICK);
	CHECK_EQ(shim_eventfd_of(args.fd)->count, quick);
	for (i = 0; i < n; i++) {
		V->hw.regs[REG_RAX] = i;
		step(EXIT(EXIT_IO, 1, .io = { .port = 0xc050, .size = 2, .out = true }));
		CHECK_RAN(1);
	}
	CHECK_EQ(shim_eventfd_of(args.fd)->count, quick + n);
	shim_eventfd_close(args.fd);
	world_end();
}
