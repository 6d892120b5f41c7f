// SPDX-License-Identifier: GPL-2.0-only
/* Ports, MMIO and MSRs: to the devices in the kernel, to the VMM, and back. */
#include "vcpu_world.h"

static struct hw_exit port_io(u16 port, u8 size, bool in)
{
	return EXIT(EXIT_IO, 2, .io = { .port = port, .size = size, .out = !in });
}

TEST(in_from_the_vmm)
{
	world_make(IRQCHIP_NONE);
	V->hw.rip = 0x100;
	V->hw.regs[REG_RAX] = 0x1122334455667788;
	step(port_io(0x3f8, 1, true));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(R->io.direction, KVM_EXIT_IO_IN);
	CHECK_EQ(R->io.port, 0x3f8);
	CHECK_EQ(R->io.size, 1);
	CHECK_EQ(R->io.count, 1);
	CHECK_EQ(R->io.data_offset, KVM_PIO_PAGE_OFFSET * PAGE_SIZE);
	CHECK_EQ(V->hw.rip, 0x100);
	*(u8 *)V->pio.data = 0x5a;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RAX], 0x112233445566775a);
	CHECK_EQ(V->hw.rip, 0x102);
	step(port_io(0x3f8, 4, true));
	CHECK_EQ(run(), 0);
	*(u32 *)V->pio.data = 0xcafebabe;
	/* Finished even when the VMM wants nothing else. */
	R->immediate_exit = 1;
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RAX], 0xcafebabe);
	CHECK_EQ(V->hw.rip, 0x104);
	world_end();
}

TEST(out_to_the_vmm)
{
	world_make(IRQCHIP_NONE);
	V->hw.rip = 0x100;
	V->hw.regs[REG_RAX] = 0xaabbccdd;
	step(port_io(0x80, 2, false));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->io.direction, KVM_EXIT_IO_OUT);
	CHECK_EQ(*(u16 *)V->pio.data, 0xccdd);
	CHECK_EQ(V->hw.rip, 0x100);
	/* The VMM resets the vCPU meanwhile: the OUT is no more. */
	vcpu_settle(V);
	V->hw.rip = 0xfff0;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0xfff0);
	/* KVM_X86_QUIRK_OUT_7E_INC_RIP */
	step(port_io(0x7e, 1, false));
	CHECK_EQ(run(), 0);
	CHECK_EQ(V->hw.rip, 0xfff2);
	W->disabled_quirks = KVM_X86_QUIRK_OUT_7E_INC_RIP;
	step(port_io(0x7e, 1, false));
	CHECK_EQ(run(), 0);
	CHECK_EQ(V->hw.rip, 0xfff2);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0xfff4);
	world_end();
}

TEST(string_io)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CODE(0xf3, 0x6e);			/* rep outsb */
	memcpy(ram + 0x9000, "hello", 5);
	V->hw.regs[REG_RDX] = 0x3f8;
	V->hw.regs[REG_RSI] = 0x9000;
	V->hw.regs[REG_RCX] = 5;
	step(EXIT(EXIT_IO, 0, .io = { .port = 0x3f8, .size = 1, .out = true, .string = true, .rep = true }));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(R->io.count, 5);
	CHECK_MEM(V->pio.data, "hello", 5);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RCX], 0);
	CHECK_EQ(V->hw.regs[REG_RSI], 0x9005);
	CHECK_EQ(V->hw.rip, 0x8002);

	CODE(0xf3, 0x6d);			/* rep insd */
	V->hw.regs[REG_RDI] = 0xa000;
	V->hw.regs[REG_RCX] = 2;
	step(EXIT(EXIT_IO, 0, .io = { .port = 0x3f8, .size = 4, .string = true, .rep = true }));
	CHECK_EQ(run(), 0);
	while (R->exit_reason == KVM_EXIT_IO) {
		memset(V->pio.data, 0x77, R->io.size * R->io.count);
		R->exit_reason = 0;
		if (run())
			break;
	}
	CHECK_EQ(*(u64 *)(ram + 0xa000), 0x7777777777777777);
	CHECK_EQ(V->hw.regs[REG_RCX], 0);
	CHECK_EQ(V->hw.rip, 0x8002);
	world_end();
}

/* ------------------------------------------------------------------ MMIO */

static struct hw_exit npf(gpa_t gpa, u32 access)
{
	return EXIT(EXIT_NPF, 0, .npf = { .gpa = gpa, .access = access });
}

TEST(mmio_read)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CODE(0x8b, 0x03);			/* mov eax, [rbx] */
	V->hw.regs[REG_RBX] = MMIO_GPA + 0x10;
	step(npf(MMIO_GPA + 0x10, ACCESS_READ));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(R->mmio.phys_addr, MMIO_GPA + 0x10);
	CHECK_EQ(R->mmio.len, 4);
	CHECK_EQ(R->mmio.is_write, 0);
	*(u32 *)R->mmio.data = 0x99887766;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RAX], 0x99887766);
	CHECK_EQ(V->hw.rip, 0x8002);
	world_end();
}

TEST(mmio_write_and_a_vmm_that_moves_the_vcpu)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CODE(0x48, 0x89, 0x03);			/* mov [rbx], rax */
	V->hw.regs[REG_RBX] = MMIO_GPA;
	V->hw.regs[REG_RAX] = 0x0102030405060708;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->mmio.is_write, 1);
	CHECK_EQ(R->mmio.len, 8);
	CHECK_EQ(*(u64 *)R->mmio.data, 0x0102030405060708);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8003);
	V->hw.rip = 0x8000;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	vcpu_settle(V);
	V->hw.rip = 0x7000;
	V->hw.regs[REG_RBX] = 5;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x7000);
	CHECK_EQ(V->hw.regs[REG_RBX], 5);
	world_end();
}

/* ------------------ what comes between the question and the answer */

enum { ASK_OUT, ASK_IN, ASK_STORE, ASK_LOAD, NR_ASKS };

#define ASK_RIP		0x8000
#define ASK_NEXT	0x8002	/* all four have two bytes */
#define ASK_VALUE	0x99887766

/* One that only the VMM has, known from before, so that no emulator is asked. */
static void ask(int what)
{
	bool mmio = what == ASK_STORE || what == ASK_LOAD;
	u32 access = what == ASK_STORE ? ACCESS_WRITE : ACCESS_READ;
	int turn;

	if (what == ASK_STORE)
		CODE(0x89, 0x03);		/* mov [rbx], eax */
	else
		CODE(0x8b, 0x03);		/* mov eax, [rbx] */
	V->hw.regs[REG_RBX] = MMIO_GPA;
	for (turn = 0; turn < 3; turn++) {
		if (turn)
			CHECK_RAN(0);
		V->hw.rip = ASK_RIP;
		V->hw.regs[REG_RAX] = 1;
		if (mmio)
			step(npf(MMIO_GPA, access));
		else
			step(port_io(0x3f8, 4, what == ASK_IN));
		CHECK_EQ(run(), 0);
		CHECK_EQ(R->exit_reason, mmio ? KVM_EXIT_MMIO : KVM_EXIT_IO);
		CHECK_EQ(V->hw.rip, ASK_RIP);
	}
	CHECK(V->awaited != AWAIT_NOTHING);
	*(u32 *)(mmio ? (void *)R->mmio.data : V->pio.data) = ASK_VALUE;
}

static void check_done(int what)
{
	CHECK_EQ(V->hw.rip, ASK_NEXT);
	CHECK_EQ(V->hw.regs[REG_RAX], what == ASK_IN || what == ASK_LOAD ? ASK_VALUE : 1);
	CHECK_EQ(V->awaited, AWAIT_NOTHING);
	CHECK_EQ(V->completion, COMPLETE_NOTHING);
}

static void check_dropped(void)
{
	CHECK_EQ(V->hw.regs[REG_RAX], 1);
	CHECK_EQ(V->awaited, AWAIT_NOTHING);
	CHECK_EQ(V->completion, COMPLETE_NOTHING);
}

TEST(answers)
{
	struct kvm_guest_debug step_it = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct kvm_guest_debug no_more = { };
	int what;

	for (what = 0; what < NR_ASKS; what++) {
		world_make(IRQCHIP_NONE);
		world_long_mode();

		ask(what);			/* KVM_RUN at once */
		CHECK_RAN(0);
		check_done(what);

		ask(what);			/* KVM_RUN, and no entry */
		R->immediate_exit = 1;
		CHECK_EQ(run(), -EINTR);
		R->immediate_exit = 0;
		check_done(what);

		ask(what);			/* an ioctl that changes nothing */
		vcpu_settle(V);
		CHECK_EQ(V->awaited, AWAIT_NOTHING);
		vcpu_settle(V);			/* and another */
		CHECK_RAN(0);
		check_done(what);

		ask(what);			/* RIP away and back */
		vcpu_settle(V);
		V->hw.rip = 0x7000;
		vcpu_settle(V);
		V->hw.rip = ASK_RIP;
		CHECK_RAN(0);
		check_done(what);

		ask(what);			/* RIP elsewhere */
		vcpu_settle(V);
		V->hw.rip = 0x7000;
		CHECK_RAN(0);
		check_dropped();
		CHECK_EQ(V->hw.rip, 0x7000);

		ask(what);			/* the same RIP in another segment */
		vcpu_settle(V);
		V->hw.segs[SEG_CS].l = 0;
		V->hw.segs[SEG_CS].base = 0x10000;
		CHECK_RAN(0);
		check_dropped();
		CHECK_EQ(V->hw.rip, ASK_RIP);
		V->hw.segs[SEG_CS].l = 1;
		V->hw.segs[SEG_CS].base = 0;

		if (what == ASK_OUT || what == ASK_IN) {
			ask(what);		/* a debugger comes */
			vcpu_settle(V);
			CHECK_EQ(vcpu_set_guest_debug(V, &step_it), 0);
			CHECK_EQ(run(), 0);
			CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
			check_done(what);
			CHECK_EQ(vcpu_set_guest_debug(V, &no_more), 0);
		}

		ask(what);			/* no longer runnable */
		vcpu_settle(V);
		V->mp_state = KVM_MP_STATE_STOPPED;
		current->signal = true;
		CHECK_EQ(run(), -EINTR);
		CHECK_EQ(world_at, 0);
		check_done(what);
		world_end();
	}
}

/* Registers that come with KVM_RUN itself are another ioctl's work. */
TEST(answer_and_new_registers)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	ask(ASK_IN);
	vcpu_get_regs(V, &R->s.regs.regs);
	R->s.regs.regs.rip = 0x7000;
	R->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	CHECK_RAN(0);
	check_dropped();
	CHECK_EQ(V->hw.rip, 0x7000);
	R->kvm_dirty_regs = 0;
	world_end();
}

/* What the VMM wants besides, and requests, are seen before the guest goes on. */
TEST(answer_and_wishes)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	ask(ASK_OUT);
	R->request_interrupt_window = 1;
	V->hw.rflags |= X86_EFLAGS_IF;
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(world_at, 0);
	check_done(ASK_OUT);
	R->request_interrupt_window = 0;
	ask(ASK_OUT);
	vcpu_request(&V->vcpu, REQ_VM_DEAD);
	CHECK_EQ(run(), -EIO);
	CHECK_EQ(world_at, 0);
	check_done(ASK_OUT);
	world_end();
}

/* A breakpoint of the host's, or a debugger: the slow way asks, and takes nothing for granted. */
TEST(asked_with_a_debugger)
{
	struct kvm_guest_debug on = { .control = KVM_GUESTDBG_ENABLE };

	world_make(IRQCHIP_NONE);
	world_long_mode();
	CHECK_EQ(vcpu_set_guest_debug(V, &on), 0);
	V->hw.rip = 0x100;
	step(port_io(0x3f8, 1, false));
	CHECK_EQ(run(), 0);
	CHECK_EQ(V->awaited, AWAIT_NOTHING);
	CHECK_EQ(V->completion, COMPLETE_PIO_OUT);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x102);
	world_end();
}

/* 16 bytes reach the VMM in two pieces. */
TEST(mmio_in_pieces)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CODE(0x0f, 0x11, 0x03);			/* movups [rbx], xmm0 */
	shim_xmm[0][0] = 0x1111;
	shim_xmm[0][1] = 0x2222;
	V->hw.cr4 |= X86_CR4_OSFXSR;
	V->hw.regs[REG_RBX] = MMIO_GPA;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(R->mmio.len, 8);
	CHECK_EQ(*(u64 *)R->mmio.data, 0x1111);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->mmio.phys_addr, MMIO_GPA + 8);
	CHECK_EQ(*(u64 *)R->mmio.data, 0x2222);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

TEST(emulation_failure)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CODE(0x0f, 0xae, 0x03);			/* fxsave [rbx] */
	V->hw.regs[REG_RBX] = MMIO_GPA;
	V->hw.cr4 |= X86_CR4_OSFXSR;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(R->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK_EQ(R->emulation_failure.flags, KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK(R->emulation_failure.insn_size >= 3);
	CHECK_MEM(R->emulation_failure.insn_bytes, "\x0f\xae\x03", 3);
	/* An application only hurts itself. */
	V->hw.segs[SEG_SS].dpl = 3;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 6);
	W->exit_on_emulation_error = true;
	step(npf(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	world_end();
}

TEST(lapic_page)
{
	u32 val = 0;

	world_make(IRQCHIP_KERNEL);
	val = 0x1ff;
	CHECK(mmio_write(V, 0xfee000f0, 4, &val));
	CHECK(mmio_read(V, 0xfee000f0, 4, &val));
	CHECK_EQ(val, 0x1ff);
	V->apic.mode = APIC_X2APIC;
	CHECK(mmio_read(V, 0xfee000f0, 4, &val));
	CHECK_EQ(val, ~0u);
	W->disabled_quirks = KVM_X86_QUIRK_LAPIC_MMIO_HOLE;
	CHECK(!mmio_read(V, 0xfee000f0, 4, &val));
	V->apic.mode = APIC_DISABLED;
	CHECK(!mmio_write(V, 0xfee000f0, 4, &val));
	V->apic.mode = APIC_XAPIC;
	world_end();
}

/* ------------------------------------------------------------------ the buses */

static void bus_add(struct iobus *bus, gpa_t base, u32 len, enum iodev_kind kind, void *dev)
{
	struct iodev d = { .base = base, .len = len, .kind = kind, .dev = dev };

	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(iobus_add(&W->vm, bus, &d), 0);
	mutex_unlock(&W->vm.slots_lock);
}

TEST(devices_in_the_kernel)
{
	struct kvm_pit_config pit = { };
	u32 val = 0x12345678;
	u16 two = 0xa520;	/* EOI, and a mask */

	world_make(IRQCHIP_KERNEL);
	mutex_lock(&W->vm.lock);
	pit_publish(pit_create(&W->irqchip, &pit));
	mutex_unlock(&W->vm.lock);
	bus_add(&W->vm.pio, 0x20, 2, IODEV_PIC, W->irqchip.pic);
	bus_add(&W->vm.pio, 0x4d0, 2, IODEV_ELCR, W->irqchip.pic);
	bus_add(&W->vm.pio, 0x40, 4, IODEV_PIT, W->irqchip.pit);
	bus_add(&W->vm.pio, 0x61, 1, IODEV_SPEAKER, W->irqchip.pit);
	bus_add(&W->vm.mmio, 0xfec00000, 0x100, IODEV_IOAPIC, W->irqchip.ioapic);
	/* A word at 0x20 is two bytes. */
	CHECK(io_write(V, 0x20, 2, &two));
	CHECK(io_read(V, 0x21, 1, &val));
	CHECK_EQ((u8)val, 0xa5);
	two = 0x0ef8;
	CHECK(io_write(V, 0x4d0, 2, &two));
	CHECK(io_read(V, 0x4d0, 2, &val));
	CHECK(!io_read(V, 0x22, 1, &val));
	CHECK(!io_read(V, 0x21, 2, &val));	/* beyond its end */
	two = 0x34;
	CHECK(io_write(V, 0x43, 1, &two));
	CHECK(io_read(V, 0x40, 1, &val));
	two = 3;
	CHECK(io_write(V, 0x61, 1, &two));
	CHECK(io_read(V, 0x61, 1, &val));
	CHECK_EQ(val & 3, 3);
	val = 1;
	CHECK(mmio_write(V, 0xfec00000, 4, &val));
	CHECK(mmio_read(V, 0xfec00010, 4, &val));
	CHECK_EQ(val & 0xff, 0x11);		/* version */
	/* The same from the guest: done without leaving KVM_RUN. */
	V->hw.rip = 0x100;
	step(port_io(0x21, 1, true));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.regs[REG_RAX] & 0xff, 0xa5);
	CHECK_EQ(V->hw.rip, 0x102);
	world_end();
}

/* ------------------------------------------------------------------ MSRs */

TEST(msr_exits)
{
	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	V->hw.regs[REG_RCX] = MSR_IA32_MISC_ENABLE;
	V->misc_enable = 0x1850089;
	V->hw.rip = 0x10;
	step(EXIT(EXIT_MSR_READ, 2));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.regs[REG_RAX], 0x1850089);
	CHECK_EQ(V->hw.rip, 0x12);
	/* Unknown: #GP, or the VMM. */
	V->hw.regs[REG_RCX] = 0x4b564dff;
	step(EXIT(EXIT_MSR_READ, 2));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 13);
	W->user_space_msr_mask = KVM_MSR_EXIT_REASON_UNKNOWN;
	step(EXIT(EXIT_MSR_READ, 2));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_X86_RDMSR);
	CHECK_EQ(R->msr.index, 0x4b564dff);
	CHECK_EQ(R->msr.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	R->msr.data = 0x1122334455667788;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RAX], 0x55667788);
	CHECK_EQ(V->hw.regs[REG_RDX], 0x11223344);
	CHECK_EQ(V->hw.rip, 0x14);
	step(EXIT(EXIT_MSR_WRITE, 2));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(R->msr.data, 0x1122334455667788);
	R->msr.error = 1;
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 13);
	CHECK_EQ(V->hw.rip, 0x14);
	world_end();
}

TEST(other_instructions)
{
	static const struct { u8 kind, vector; } ud[] = {
		{ EXIT_VIRT_INSN, 6 }, { EXIT_RSM, 6 }, { EXIT_INVPCID, 6 }, { EXIT_RDPMC, 13 },
	};
	unsigned int i;

	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	for (i = 0; i < ARRAY_SIZE(ud); i++) {
		step(EXIT(ud[i].kind, 2));
		CHECK_RAN(1);
		CHECK_EQ(world_delivered[1].vector, ud[i].vector);
	}
	V->hw.rip = 0x20;
	step(EXIT(EXIT_MONITOR, 3));
	step(EXIT(EXIT_MWAIT, 3));
	step(EXIT(EXIT_WBINVD, 2));
	step(EXIT(EXIT_INVD, 2));
	CHECK_RAN(4);
	CHECK_EQ(V->hw.rip, 0x2a);
	W->disabled_quirks = KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS;
	step(EXIT(EXIT_MWAIT, 3));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 6);
	hw_caps.decode_assists = true;
	step(EXIT(EXIT_INVLPG, 3, .qual = 0x5000));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.gva_flushes, 1);
	V->hw.regs[REG_RAX] = 0xffff;
	V->hw.rip = 0x20;
	step(EXIT(EXIT_HYPERCALL, 3));
	CHECK_RAN(1);
	CHECK_EQ((u32)V->hw.regs[REG_RAX], (u32)-KVM_ENOSYS);
	CHECK_EQ(V->hw.rip, 0x23);
	V->has.rdtscp = false;
	step(EXIT(EXIT_RDTSCP, 3));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 6);
	world_end();
}
