// SPDX-License-Identifier: GPL-2.0-only
/* Emulation as the vCPU sees it: MMIO and string I/O to the VMM and to devices in the kernel, effects on the vCPU's state, what can't be emulated. */
#include "vcpu_world.h"

#define MMIO_EXIT(...) EXIT(EXIT_NPF, 0, .npf.gpa = MMIO_GPA, .npf.access = ACCESS_WRITE, ##__VA_ARGS__)

static void begin(void)
{
	world_make(IRQCHIP_KERNEL);
	world_long_mode();
	V->hw.regs[REG_RDI] = MMIO_GPA;
	V->hw.regs[REG_RSP] = 0x9000;
}

/* One instruction by way of an intercept that always emulates. */
static int emulate(void)
{
	step(EXIT(EXIT_DESC_TABLE, 0));
	return run();
}

TEST(mmio_write_by_the_vmm)
{
	begin();
	CODE(0x48, 0x89, 0x07);			/* mov [rdi], rax */
	V->hw.regs[REG_RAX] = 0x1122334455667788;
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(R->mmio.phys_addr, MMIO_GPA);
	CHECK_EQ(R->mmio.len, 8);
	CHECK_EQ(R->mmio.is_write, 1);
	CHECK_EQ(get_unaligned((u64 *)R->mmio.data), 0x1122334455667788);
	CHECK_EQ(V->hw.rip, 0x8000);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

TEST(mmio_read_by_the_vmm)
{
	begin();
	CODE(0x0f, 0xb6, 0x07);			/* movzx eax, byte [rdi] */
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->mmio.is_write, 0);
	CHECK_EQ(R->mmio.len, 1);
	R->mmio.data[0] = 0xa5;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.regs[REG_RAX], 0xa5);
	world_end();
}

TEST(mmio_wider_than_an_exit)
{
	begin();
	V->hw.cr4 |= X86_CR4_OSFXSR;
	shim_xmm[3][0] = 0x1111;
	shim_xmm[3][1] = 0x2222;
	CODE(0x0f, 0x11, 0x1f);			/* movups [rdi], xmm3 */
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	CHECK_EQ(get_unaligned((u64 *)R->mmio.data), 0x1111);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->mmio.phys_addr, MMIO_GPA + 8);
	CHECK_EQ(get_unaligned((u64 *)R->mmio.data), 0x2222);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

/* The VMM resets the vCPU while it has the access: nothing of the old instruction is done. */
TEST(mmio_forgotten_after_a_reset)
{
	begin();
	CODE(0x8b, 0x07);
	V->hw.regs[REG_RAX] = 7;
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	V->hw.rip = 0x7000;
	R->mmio.data[0] = 0x55;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x7000);
	CHECK_EQ(V->hw.regs[REG_RAX], 7);
	world_end();
}

TEST(mmio_to_the_lapic_stays_in_the_kernel)
{
	begin();
	*(u64 *)(ram + 0x2018) = 0xc0000000 | 0x80 | 7;
	V->hw.regs[REG_RDI] = 0xfee00080;
	CODE(0xc7, 0x07, 0x30, 0x00, 0x00, 0x00);	/* TPR = 0x30 */
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CHECK_EQ(lapic_cr8(&V->apic), 3);
	CODE(0x8b, 0x07);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CHECK_EQ(V->hw.regs[REG_RAX], 0x30);
	/* in x2APIC mode the page is empty, or not there at all */
	V->apic.mode = APIC_X2APIC;
	CODE(0x8b, 0x07);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CHECK_EQ(V->hw.regs[REG_RAX], 0xffffffff);
	CODE(0x89, 0x07);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	W->disabled_quirks = KVM_X86_QUIRK_LAPIC_MMIO_HOLE;
	CODE(0x8b, 0x07);
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	world_end();
}

TEST(mmio_doorbell_and_ioapic)
{
	struct kvm_ioeventfd args = { .addr = MMIO_GPA, .len = 4, .datamatch = 9, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };
	struct iodev dev = { .base = 0xfec00000, .len = 0x100, .kind = IODEV_IOAPIC, .dev = W };

	begin();
	dev.dev = W->irqchip.ioapic;
	args.fd = shim_eventfd();
	CHECK_EQ(ioeventfd_assign(&W->vm, &args), 0);
	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(iobus_add(&W->vm, &W->vm.mmio, &dev), 0);
	mutex_unlock(&W->vm.slots_lock);
	V->hw.regs[REG_RAX] = 9;
	CODE(0x89, 0x07);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CHECK_EQ(shim_eventfd_of(args.fd)->count, 1);
	/* another value is the VMM's */
	V->hw.regs[REG_RAX] = 8;
	CODE(0x89, 0x07);
	step(MMIO_EXIT());
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	CHECK_RAN(0);
	/* IOREGSEL, IOWIN: the version register */
	V->hw.regs[REG_RDI] = 0xfec00000;
	CODE(0xc7, 0x07, 1, 0, 0, 0);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CODE(0x8b, 0x47, 0x10);
	step(MMIO_EXIT());
	CHECK_RAN(1);
	CHECK_EQ(V->hw.regs[REG_RAX] >> 16, 23);
	args.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	CHECK_EQ(ioeventfd_deassign(&W->vm, &args), 0);
	world_end();
}

/* ---- ports */

#define STRING_EXIT(p, sz, input) EXIT(EXIT_IO, 0, .io.port = p, .io.size = sz, .io.out = !(input), .io.string = true, .io.rep = true)

TEST(string_io_by_the_vmm)
{
	begin();
	V->hw.regs[REG_RDX] = 0x1f0;
	V->hw.regs[REG_RDI] = 0x5000;
	V->hw.regs[REG_RCX] = 3;
	CODE(0x66, 0xf3, 0x6d);
	step(STRING_EXIT(0x1f0, 2, true));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(R->io.direction, KVM_EXIT_IO_IN);
	CHECK_EQ(R->io.count, 3);
	CHECK_EQ(R->io.size, 2);
	memcpy(V->pio.data, "abcdef", 6);
	CHECK_RAN(0);
	CHECK_MEM(ram + 0x5000, "abcdef", 6);
	CHECK_EQ(V->hw.regs[REG_RCX], 0);
	CHECK_EQ(V->hw.regs[REG_RDI], 0x5006);
	CHECK_EQ(V->hw.rip, 0x8003);
	V->hw.regs[REG_RSI] = 0x5000;
	V->hw.regs[REG_RCX] = 6;
	CODE(0xf3, 0x6e);
	step(STRING_EXIT(0x1f0, 1, false));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->io.count, 6);
	CHECK_MEM(V->pio.data, "abcdef", 6);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8002);
	world_end();
}

TEST(string_io_to_a_device_in_the_kernel)
{
	struct iodev dev = { .base = 0x20, .len = 2, .kind = IODEV_PIC };

	begin();
	dev.dev = W->irqchip.pic;
	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(iobus_add(&W->vm, &W->vm.pio, &dev), 0);
	mutex_unlock(&W->vm.slots_lock);
	V->hw.regs[REG_RDX] = 0x21;
	V->hw.regs[REG_RSI] = 0x5000;
	memcpy(ram + 0x5000, "\x11\x22\x5a", 3);
	V->hw.regs[REG_RCX] = 3;
	CODE(0xf3, 0x6e);
	step(STRING_EXIT(0x21, 1, false));
	CHECK_RAN(1);
	CHECK_EQ(pic_read(W->irqchip.pic, 0x21), 0x5a);
	V->hw.regs[REG_RDI] = 0x6000;
	V->hw.regs[REG_RCX] = 2;
	CODE(0xf3, 0x6c);
	step(STRING_EXIT(0x21, 1, true));
	CHECK_RAN(1);
	CHECK_MEM(ram + 0x6000, "\x5a\x5a", 2);
	world_end();
}

/* ---- effects on the vCPU */

TEST(effects_on_registers)
{
	begin();
	CODE(0x0f, 0x20, 0xc3);			/* mov rbx, cr0 */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RBX], 0x80050033);
	V->hw.cr2 = 0x1234;
	CODE(0x0f, 0x20, 0xd3);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RBX], 0x1234);
	CODE(0x0f, 0x20, 0xdb);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RBX], 0x1000);
	CODE(0x0f, 0x20, 0xe3);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RBX], V->hw.cr4);
	V->hw.regs[REG_RBX] = 5;
	CODE(0x44, 0x0f, 0x22, 0xc3);		/* mov cr8, rbx */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(vcpu_cr8(V), 5);
	CODE(0x44, 0x0f, 0x20, 0xc1);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RCX], 5);
	V->hw.regs[REG_RBX] = 0x80050033 | X86_CR0_TS;
	CODE(0x0f, 0x22, 0xc3);
	CHECK_EQ(emulate(), -EINTR);
	CHECK(V->hw.cr0 & X86_CR0_TS);
	CODE(0x0f, 0x06);			/* clts */
	CHECK_EQ(emulate(), -EINTR);
	CHECK(!(V->hw.cr0 & X86_CR0_TS));
	V->hw.regs[REG_RBX] = 0x4321;
	CODE(0x0f, 0x22, 0xd3);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.cr2, 0x4321);
	V->hw.regs[REG_RBX] = 0x1000;
	CODE(0x0f, 0x22, 0xdb);
	CHECK_EQ(emulate(), -EINTR);
	V->hw.regs[REG_RBX] = 0xdead;
	CODE(0x0f, 0x23, 0xc3);			/* mov dr0, rbx */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->db[0], 0xdead);
	CODE(0x0f, 0x21, 0xc1);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RCX], 0xdead);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

TEST(effects_that_fault)
{
	begin();
	V->hw.regs[REG_RBX] = 1ull << 40;
	CODE(0x0f, 0x22, 0xc3);			/* mov cr0: reserved bits */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_GP);
	CHECK_EQ(V->hw.rip, 0x8000);
	V->hw.regs[REG_RCX] = 0xdeadbeef;
	CODE(0x0f, 0x32);			/* rdmsr */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_GP);
	CODE(0x0f, 0x33);			/* rdpmc */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_GP);
	V->hw.regs[REG_RDI] = 0x80000000;	/* not mapped */
	CODE(0x8b, 0x07);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_PF);
	CHECK_EQ(V->hw.cr2, 0x80000000);
	CODE(0x0f, 0x0b);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_UD);
	world_end();
}

TEST(effects_of_the_system)
{
	u64 tsc_aux = 0;

	begin();
	CODE(0x0f, 0xa2);
	V->hw.regs[REG_RAX] = 0x40000000;
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.rip, 0x8002);
	CODE(0x0f, 0x31);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.rip, 0x8002);
	CODE(0x0f, 0x01, 0xf9);
	CHECK_EQ(emulate(), -EINTR);
	vcpu_get_msr(V, MSR_TSC_AUX, &tsc_aux, true);
	CHECK_EQ(V->hw.regs[REG_RCX], tsc_aux);
	*(u16 *)(ram + 0x5000) = 0x77;
	*(u64 *)(ram + 0x5002) = 0x3000;
	V->hw.regs[REG_RDI] = 0x5000;
	CODE(0x0f, 0x01, 0x17);			/* lgdt */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.gdt.base, 0x3000);
	CHECK_EQ(V->hw.gdt.limit, 0x77);
	CODE(0x0f, 0x01, 0x1f);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.idt.base, 0x3000);
	/* data and a TSS in the GDT */
	*(u64 *)(ram + 0x3010) = 0x00cf93000000ffff;
	*(u64 *)(ram + 0x3020) = 0x0000890000000067;
	*(u64 *)(ram + 0x3030) = 0x00008200000000ff;
	V->hw.regs[REG_RAX] = 0x10;
	CODE(0x8e, 0xd8);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.segs[SEG_DS].selector, 0x10);
	V->hw.regs[REG_RAX] = 0x20;
	CODE(0x0f, 0x00, 0xd8);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.segs[SEG_TR].selector, 0x20);
	V->hw.regs[REG_RAX] = 0x30;
	CODE(0x0f, 0x00, 0xd0);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.segs[SEG_LDTR].limit, 0xff);
	V->hw.gva_flushes = 0;
	CODE(0x0f, 0x01, 0x3f);			/* invlpg */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.gva_flushes, 1);
	CODE(0x0f, 0x09);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.rip, 0x8002);
	V->hw.regs[REG_RAX] = 1000;		/* no such hypercall */
	CODE(0x0f, 0x01, 0xd9);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ((s64)V->hw.regs[REG_RAX], -KVM_ENOSYS);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

TEST(shadow_step_and_real_mode_iret)
{
	begin();
	CODE(0xfb);				/* sti */
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.shadow, KVM_X86_SHADOW_INT_STI);
	V->hw.shadow = 0;
	V->hw.rflags = 0x102;
	CODE(0x90);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_DB);
	V->guest_debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	V->hw.rflags = 2;
	CODE(0x90);
	CHECK_EQ(emulate(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	/* Each iteration of a REP is a step, for a debugger as for the guest. */
	CODE(0xf3, 0xaa);
	V->hw.regs[REG_RDI] = 0x5000;
	V->hw.regs[REG_RCX] = 3;
	CHECK_EQ(emulate(), 0);
	CHECK(R->exit_reason == KVM_EXIT_DEBUG && R->debug.arch.pc == hw_linear_rip(&V->hw));
	CHECK_EQ(V->hw.regs[REG_RCX], 2);
	V->guest_debug = 0;
	V->hw.rflags = 2 | X86_EFLAGS_TF;
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RCX], 1);
	V->hw.rflags = 2;
	V->hw.cr0 = 0x10;
	V->hw.efer = 0;
	V->hw.nmi_masked = true;
	for (int i = SEG_ES; i <= SEG_GS; i++)
		world_segment(i, 0, i == SEG_CS ? 11 : 3, false, 0);
	V->hw.segs[SEG_SS].db = V->hw.segs[SEG_CS].db = 0;
	V->hw.regs[REG_RSP] = 0x5000;
	memcpy(ram + 0x5000, "\x00\x01\x00\x07\x02\x02", 6);
	CODE(0xcf);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(V->hw.rip, 0x100);
	CHECK_EQ(V->hw.segs[SEG_CS].base, 0x7000);
	CHECK_EQ(V->hw.rflags, 0x202);
	CHECK(!V->hw.nmi_masked);
	world_end();
}

/* ---- what can't be emulated */

TEST(unknown_instructions)
{
	begin();
	CODE(0x0f, 0x58, 0x07);			/* addps */
	CHECK_EQ(emulate(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(R->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK(R->emulation_failure.insn_size >= 3);
	CHECK_MEM(R->emulation_failure.insn_bytes, "\x0f\x58\x07", 3);
	/* an application's is its own problem */
	world_segment(SEG_CS, 0, 11, true, 3);
	world_segment(SEG_SS, 0, 3, false, 3);
	CODE(0x0f, 0x58, 0x07);
	CHECK_EQ(emulate(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, X86_TRAP_UD);
	W->exit_on_emulation_error = true;
	CODE(0x0f, 0x58, 0x07);
	CHECK_EQ(emulate(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	world_end();
}

TEST(memory_gone)
{
	begin();
	V->hw.regs[REG_RDI] = 0x6000;
	CODE(0x8b, 0x07);
	shim_user_add(ram, 0x6000, SHIM_USER_RW);
	shim_user_add(ram + 0x7000, RAM_BYTES - 0x7000, SHIM_USER_RW);
	CHECK_EQ(emulate(), -EFAULT);
	shim_user_reset();
	world_end();
}

TEST(length_for_skipping)
{
	int idx;

	begin();
	CODE(0x66, 0x90);
	idx = srcu_read_lock(&W->vm.srcu);
	CHECK_EQ(vcpu_insn_length(V), 2);
	srcu_read_unlock(&W->vm.srcu, idx);
	world_end();
}
