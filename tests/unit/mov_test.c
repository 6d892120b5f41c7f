// SPDX-License-Identifier: GPL-2.0-only
/* MOVs with devices that are remembered: the same as by the emulator, and forgotten as soon as anything about them is another. */
#include "vcpu_world.h"

#define NPF(GPA, ACCESS) EXIT(EXIT_NPF, 0, .npf.gpa = GPA, .npf.access = ACCESS)

static void begin(void)
{
	world_make(IRQCHIP_KERNEL);
	world_long_mode();
	V->hw.regs[REG_RDI] = MMIO_GPA;
}

static bool fast(struct hw_exit exit)
{
	bool r;

	V->hw.rflags |= X86_EFLAGS_RF;		/* as at each EPT violation */
	local_irq_disable();
	r = fast_exit(V, &exit);
	local_irq_enable();
	/* It ends with the instruction, and only then. */
	CHECK_EQ(!!(V->hw.rflags & X86_EFLAGS_RF), !r && !V->awaited);
	return r;
}

static bool known(struct hw_exit exit)
{
	bool r;

	local_irq_disable();
	r = mov_find(V, &exit);
	local_irq_enable();
	return r;
}

/* One access that the VMM answers with @answer; the instruction is at 0x8000. */
static void once(u32 access, u64 answer)
{
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA, access));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(R->mmio.phys_addr, MMIO_GPA);
	CHECK_EQ(R->mmio.is_write, access == ACCESS_WRITE);
	if (access == ACCESS_READ)
		memcpy(R->mmio.data, &answer, 8);
	CHECK_EQ(V->hw.rip, 0x8000);
	CHECK_RAN(0);
	CHECK(!(V->hw.rflags & X86_EFLAGS_RF));
}

static u64 written(void)
{
	u64 val = 0;

	memcpy(&val, R->mmio.data, R->mmio.len);
	return val;
}

/* Each form by the emulator, which learns it, and then without: the same value, size and end. */
TEST(stores)
{
	static const struct { u8 bytes[16], len, size; u64 val; } t[] = {
		{ { 0x88, 0x07 }, 2, 1, 0x88 },						/* al */
		{ { 0x88, 0x27 }, 2, 1, 0x77 },						/* ah */
		{ { 0x40, 0x88, 0x37 }, 3, 1, 0x11 },					/* sil */
		{ { 0x66, 0x89, 0x07 }, 3, 2, 0x7788 },
		{ { 0x89, 0x07 }, 2, 4, 0x55667788 },
		{ { 0x48, 0x89, 0x07 }, 3, 8, 0x1122334455667788 },
		{ { 0x45, 0x89, 0x07 }, 3, 4, 0 },					/* [r15], r8d: another address, see below */
		{ { 0xc6, 0x07, 0x80 }, 3, 1, 0x80 },
		{ { 0xc7, 0x07, 1, 2, 3, 0x84 }, 6, 4, 0x84030201 },
		{ { 0x48, 0xc7, 0x07, 1, 2, 3, 0x84 }, 7, 8, 0xffffffff84030201 },
		{ { 0x0f, 0xc3, 0x07 }, 3, 4, 0x55667788 },				/* movnti */
		{ { 0x89, 0x44, 0xcf, 0x10 }, 4, 4, 0x55667788 },			/* [rdi + rcx * 8 + 16] */
		{ { 0x67, 0x89, 0x07 }, 3, 4, 0x55667788 },				/* [edi] */
		{ { 0xa3, 0, 0, 0, 0xd0, 0, 0, 0, 0 }, 9, 4, 0x55667788 },		/* moffs */
	};
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		V->hw.regs[REG_RAX] = 0x1122334455667788;
		V->hw.regs[REG_RSI] = 0x11;
		V->hw.regs[REG_R15] = MMIO_GPA;
		V->hw.regs[REG_RCX] = (u64)-2;
		V->hw.regs[REG_RDI] = MMIO_GPA;
		world_code(t[i].bytes, 16);
		CHECK(!known(NPF(MMIO_GPA, ACCESS_WRITE)));
		once(ACCESS_WRITE, 0);
		CHECK_EQ(V->hw.rip, 0x8000 + t[i].len);
		V->hw.rip = 0x8000;
		V->hw.shadow = SHADOW_STI;
		CHECK(known(NPF(MMIO_GPA, ACCESS_WRITE)));
		once(ACCESS_WRITE, 0);
		CHECK_EQ(R->mmio.len, t[i].size);
		CHECK_EQ(written(), t[i].val);
		CHECK_EQ(V->hw.rip, 0x8000 + t[i].len);
		CHECK_EQ(V->hw.shadow, 0);
	}
	world_end();
}

TEST(loads)
{
	static const struct { u8 bytes[16], len, size; enum reg reg; u64 val; } t[] = {
		{ { 0x8a, 0x07 }, 2, 1, REG_RAX, 0x1111111111111188 },
		{ { 0x8a, 0x27 }, 2, 1, REG_RAX, 0x1111111111118811 },			/* ah */
		{ { 0x44, 0x8a, 0x07 }, 3, 1, REG_R8, 0x1111111111111188 },
		{ { 0x66, 0x8b, 0x07 }, 3, 2, REG_RAX, 0x1111111111119988 },
		{ { 0x8b, 0x07 }, 2, 4, REG_RAX, 0xbbaa9988 },
		{ { 0x48, 0x8b, 0x07 }, 3, 8, REG_RAX, 0xffeeddccbbaa9988 },
		{ { 0x0f, 0xb6, 0x07 }, 3, 1, REG_RAX, 0x88 },				/* movzx */
		{ { 0x48, 0x0f, 0xb7, 0x07 }, 4, 2, REG_RAX, 0x9988 },
		{ { 0x0f, 0xbe, 0x07 }, 3, 1, REG_RAX, 0xffffff88 },			/* movsx */
		{ { 0x66, 0x0f, 0xbe, 0x07 }, 4, 1, REG_RAX, 0x111111111111ff88 },
		{ { 0x48, 0x63, 0x07 }, 3, 4, REG_RAX, 0xffffffffbbaa9988 },		/* movsxd */
		{ { 0xa1, 0, 0, 0, 0xd0, 0, 0, 0, 0 }, 9, 4, REG_RAX, 0xbbaa9988 },
		{ { 0x8b, 0x3f }, 2, 4, REG_RDI, 0xbbaa9988 },				/* into its own address */
	};
	unsigned int i, turn;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		world_code(t[i].bytes, 16);
		for (turn = 0; turn < 2; turn++) {
			V->hw.rip = 0x8000;
			V->hw.regs[REG_RAX] = V->hw.regs[REG_R8] = 0x1111111111111111;
			V->hw.regs[REG_RDI] = MMIO_GPA;
			CHECK_EQ(known(NPF(MMIO_GPA, ACCESS_READ)), turn);
			once(ACCESS_READ, 0xffeeddccbbaa9988);
			CHECK_EQ(R->mmio.len, t[i].size);
			CHECK_EQ(V->hw.regs[t[i].reg], t[i].val);
			CHECK_EQ(V->hw.rip, 0x8000 + t[i].len);
		}
	}
	world_end();
}

TEST(relative_to_rip)
{
	begin();
	/* mov eax, [rip - 0x30008006]: 0xffffffffd0000000, which is MMIO_GPA */
	*(u64 *)(ram + 0x1000 + 511 * 8) = 0x2000 | 7;
	*(u64 *)(ram + 0x2000 + 511 * 8) = 0xc0000000 | 0x80 | 7;
	CODE(0x8b, 0x05, 0xfa, 0x7f, 0xff, 0xcf);
	once(ACCESS_READ, 5);
	V->hw.rip = 0x8000;
	CHECK(known(NPF(MMIO_GPA, ACCESS_READ)));
	once(ACCESS_READ, 6);
	CHECK_EQ(V->hw.regs[REG_RAX], 6);
	world_end();
}

/* What isn't a plain MOV is left to the emulator every time. */
TEST(others_are_not_learnt)
{
	static const struct { u8 bytes[16]; u32 access; } t[] = {
		{ { 0x09, 0x07 }, ACCESS_READ },		/* or [rdi], eax */
		{ { 0x85, 0x07 }, ACCESS_READ },		/* test */
		{ { 0x64, 0x8b, 0x07 }, ACCESS_READ },		/* fs: */
		{ { 0x87, 0x07 }, ACCESS_READ },		/* xchg */
		{ { 0xab }, ACCESS_WRITE },			/* stosd */
		{ { 0x0f, 0x38, 0xf0, 0x07 }, ACCESS_READ },	/* movbe */
	};
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		world_code(t[i].bytes, 16);
		V->hw.regs[REG_RDI] = MMIO_GPA;
		step(NPF(MMIO_GPA, t[i].access));
		CHECK_EQ(run(), 0);
		V->completion = COMPLETE_NOTHING;
		V->hw.rip = 0x8000;
		CHECK(!known(NPF(MMIO_GPA, t[i].access)));
	}
	/* Nor what is in 32-bit code. */
	CODE(0x8b, 0x07);
	V->hw.segs[SEG_CS].l = 0;
	V->hw.segs[SEG_CS].db = 1;
	once(ACCESS_READ, 0);
	V->hw.rip = 0x8000;
	CHECK(!known(NPF(MMIO_GPA, ACCESS_READ)));
	world_end();
}

/* The instruction is another than at the time when it was learnt, or another address is meant. */
TEST(forgotten)
{
	struct hw_exit exit = NPF(MMIO_GPA, ACCESS_READ);

	begin();
	CODE(0x8b, 0x07);
	once(ACCESS_READ, 1);
	V->hw.rip = 0x8000;
	CHECK(known(exit));
	/* the bytes */
	ram[0x8001] = 0x0f;
	CHECK(!known(exit));
	ram[0x8001] = 0x07;
	CHECK(known(exit));
	/* accessed and dirty bits don't matter, all else in an entry does */
	*(u64 *)(ram + 0x2000) |= 0x60;
	CHECK(known(exit));
	*(u64 *)(ram + 0x2000) = 0x40000000 | 0x80 | 7;
	CHECK(!known(exit));
	*(u64 *)(ram + 0x2000) = 0x80 | 7;
	*(u64 *)(ram + 0x1000) &= ~1ull;
	CHECK(!known(exit));
	*(u64 *)(ram + 0x1000) |= 1;
	CHECK(known(exit));
	/* another address space, another mode */
	V->hw.cr3 = 0x3000;
	CHECK(!known(exit));
	V->hw.cr3 = 0x1000;
	V->hw.cr4 |= X86_CR4_LA57;
	CHECK(!known(exit));
	V->hw.cr4 &= ~(u64)X86_CR4_LA57;
	V->hw.segs[SEG_CS].l = 0;
	CHECK(!known(exit));
	V->hw.segs[SEG_CS].l = 1;
	CHECK(known(exit));
	/* the exit is for something else than the operand */
	exit.npf.access = ACCESS_WRITE;
	CHECK(!known(exit));
	exit.npf.access = ACCESS_FETCH | ACCESS_READ;
	CHECK(!known(exit));
	exit.npf.access = ACCESS_READ;
	exit.npf.in_walk = true;
	CHECK(!known(exit));
	exit.npf.in_walk = false;
	exit.npf.gpa = MMIO_GPA + 4;
	CHECK(!known(exit));
	/* it goes on in the next page */
	V->hw.regs[REG_RDI] = exit.npf.gpa = MMIO_GPA + 0xffd;
	CHECK(!known(exit));
	/* or began in the one before: the exit names the next page's first byte */
	exit.npf.gpa = MMIO_GPA + 0x1000;
	CHECK(!known(exit));
	V->hw.regs[REG_RDI] = exit.npf.gpa = MMIO_GPA + 0xffc;
	CHECK(known(exit));
	world_end();
}

/* Page tables or code whose host page isn't there just now: unknown, and known again when it is. */
TEST(pages_of_the_host_that_are_not_there)
{
	static const u32 pages[] = { 0x1000, 0x2000, 0x8000 };
	struct hw_exit exit = NPF(MMIO_GPA, ACCESS_READ);

	begin();
	CODE(0x8b, 0x07);
	once(ACCESS_READ, 1);
	V->hw.rip = 0x8000;
	CHECK(known(exit));
	for (int i = 0; i < ARRAY_SIZE(pages); i++) {
		CHECK_EQ(mprotect(ram + pages[i], 4096, PROT_NONE), 0);
		CHECK(!known(exit));
		CHECK_EQ(mprotect(ram + pages[i], 4096, PROT_READ | PROT_WRITE), 0);
		CHECK(known(exit));
	}
	world_end();
}

TEST(memslots_changed)
{
	struct kvm_userspace_memory_region mem = { .slot = 1, .guest_phys_addr = 0x40000000, .memory_size = 4096 };
	struct memslot_update up;
	void *page = aligned_alloc(4096, 4096);

	begin();
	CODE(0x8b, 0x07);
	once(ACCESS_READ, 1);
	V->hw.rip = 0x8000;
	CHECK(known(NPF(MMIO_GPA, ACCESS_READ)));
	mem.userspace_addr = (unsigned long)page;
	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(memslot_prepare(&W->vm, &mem, &up), 0);
	memslot_publish(&W->vm, &up);
	memslot_finish(&W->vm, &up);
	mutex_unlock(&W->vm.slots_lock);
	CHECK(!known(NPF(MMIO_GPA, ACCESS_READ)));
	once(ACCESS_READ, 2);
	V->hw.rip = 0x8000;
	CHECK(known(NPF(MMIO_GPA, ACCESS_READ)));
	world_end();
	free(page);
}

/* At the end of a page the bytes that are compared would be in the next one. */
TEST(end_of_a_page)
{
	begin();
	memcpy(ram + 0x8ff1, "\x8b\x07", 2);
	V->hw.rip = 0x8ff1;
	step(NPF(MMIO_GPA, ACCESS_READ));
	CHECK_EQ(run(), 0);
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8ff3);
	V->hw.rip = 0x8ff1;
	CHECK(!known(NPF(MMIO_GPA, ACCESS_READ)));
	world_end();
}

TEST(stepped_by_the_emulator)
{
	begin();
	CODE(0x89, 0x07);
	once(ACCESS_WRITE, 0);
	V->hw.rip = 0x8000;
	V->hw.rflags |= X86_EFLAGS_TF;
	CHECK(!fast(NPF(MMIO_GPA, ACCESS_WRITE)));
	step(NPF(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(V->completion, COMPLETE_EMULATION);
	CHECK_RAN(0);
	CHECK(V->hw.dr6 & BIT(14));
	world_end();
}

/* The VMM begins to debug, or the guest's TF comes, while it has the access: its end is a step. */
TEST(stepped_when_the_vmm_has_it)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	begin();
	CODE(0x89, 0x07);
	once(ACCESS_WRITE, 0);
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	vcpu_settle(V);
	CHECK_EQ(V->completion, COMPLETE_MOV);
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_DEBUG);
	CHECK_EQ(R->debug.arch.pc, 0x8002);
	dbg.control = 0;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
	vcpu_settle(V);
	V->hw.rflags |= X86_EFLAGS_TF;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x8002);
	CHECK(V->hw.dr6 & BIT(14));
	world_end();
}

TEST(forgotten_by_a_reset)
{
	begin();
	CODE(0x8b, 0x07);
	once(ACCESS_READ, 1);
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA, ACCESS_READ));
	CHECK_EQ(run(), 0);
	vcpu_settle(V);
	CHECK_EQ(V->completion, COMPLETE_MOV);
	V->hw.rip = 0x7000;
	R->mmio.data[0] = 0x55;
	CHECK_RAN(0);
	CHECK_EQ(V->hw.rip, 0x7000);
	CHECK_EQ(V->hw.regs[REG_RAX], 1);
	world_end();
}

TEST(lapic_with_irqs_off)
{
	begin();
	lapic_reset(&V->apic, LAPIC_RESET);
	V->hw.regs[REG_RDI] = 0xfee00000 + APIC_SPIV;
	V->hw.regs[REG_RAX] = 0x1ff;
	CODE(0x89, 0x07);
	step(NPF(0xfee00000 + APIC_SPIV, ACCESS_WRITE));
	CHECK_RAN(1);
	/* ICR: to itself, vector 0x55 */
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = 0xfee00000 + APIC_ICR;
	V->hw.regs[REG_RAX] = 0x40055;
	CHECK(fast(NPF(0xfee00000 + APIC_ICR, ACCESS_WRITE)));
	CHECK_EQ(V->hw.rip, 0x8002);
	CHECK_EQ(lapic_highest_irr(&V->apic), 0x55);
	CHECK(vcpu_check_event(&V->vcpu));
	/* TPR is CR8, both ways */
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = 0xfee00000 + APIC_TASKPRI;
	V->hw.regs[REG_RAX] = 0x70;
	CHECK(fast(NPF(0xfee00000 + APIC_TASKPRI, ACCESS_WRITE)));
	CHECK_EQ(hw_tpr(&V->hw), 7);
	CODE(0x8b, 0x07);
	step(NPF(0xfee00000 + APIC_TASKPRI, ACCESS_READ));
	CHECK_RAN(1);
	hw_set_tpr(&V->hw, 4);
	V->hw.rip = 0x8000;
	CHECK(fast(NPF(0xfee00000 + APIC_TASKPRI, ACCESS_READ)));
	CHECK_EQ(V->hw.regs[REG_RAX], 0x40);
	/* in x2APIC mode the page is for the slow way */
	V->apic.mode = APIC_X2APIC;
	V->hw.rip = 0x8000;
	CHECK(!fast(NPF(0xfee00000 + APIC_TASKPRI, ACCESS_READ)));
	world_end();
}

/* The end of a level-triggered interrupt must reach the IOAPIC, which can't be told with IRQs off. */
TEST(level_eoi_is_requested)
{
	begin();
	lapic_reset(&V->apic, LAPIC_RESET);
	V->hw.regs[REG_RDI] = 0xfee00000 + APIC_SPIV;
	V->hw.regs[REG_RAX] = 0x1ff;
	CODE(0x89, 0x07);
	step(NPF(0xfee00000 + APIC_SPIV, ACCESS_WRITE));
	CHECK_RAN(1);
	lapic_set_irr(&V->apic, 0x66);
	lapic_accept(&V->apic, 0x66);
	set_bit(0x66 & 31, lapic_vector_word(&V->apic, APIC_TMR, 0x66));
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = 0xfee00000 + APIC_EOI;
	vcpu_check_event(&V->vcpu);
	CHECK(fast(NPF(0xfee00000 + APIC_EOI, ACCESS_WRITE)));
	CHECK(V->apic.eois_queued);
	CHECK(vcpu_check_event(&V->vcpu));
	world_end();
}

TEST(doorbell_with_irqs_off)
{
	struct kvm_ioeventfd any = { .addr = MMIO_GPA }, four = { .addr = MMIO_GPA + 8, .len = 4, .datamatch = 9, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };

	begin();
	any.fd = shim_eventfd();
	four.fd = shim_eventfd();
	CHECK_EQ(ioeventfd_assign(&W->vm, &any), 0);
	CHECK_EQ(ioeventfd_assign(&W->vm, &four), 0);
	CODE(0x89, 0x07);
	step(NPF(MMIO_GPA, ACCESS_WRITE));
	CHECK_RAN(1);
	CHECK_EQ(shim_eventfd_of(any.fd)->count, 1);
	V->hw.rip = 0x8000;
	CHECK(fast(NPF(MMIO_GPA, ACCESS_WRITE)));
	CHECK_EQ(shim_eventfd_of(any.fd)->count, 2);
	CHECK_EQ(V->hw.rip, 0x8002);
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = MMIO_GPA + 8;
	V->hw.regs[REG_RAX] = 0xff00000009;
	CHECK(fast(NPF(MMIO_GPA + 8, ACCESS_WRITE)));
	CHECK_EQ(shim_eventfd_of(four.fd)->count, 1);
	/* another value, or nobody there: for the slow way, and nothing has happened */
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RAX] = 8;
	CHECK(!fast(NPF(MMIO_GPA + 8, ACCESS_WRITE)));
	V->hw.regs[REG_RDI] = MMIO_GPA + 16;
	CHECK(!fast(NPF(MMIO_GPA + 16, ACCESS_WRITE)));
	CHECK_EQ(V->hw.rip, 0x8000);
	CHECK_EQ(shim_eventfd_of(four.fd)->count, 1);
	world_end();
}

/* ------------------------------------------------------------------ what is remembered of an address */

static struct kvm_ioeventfd bell_at(gpa_t gpa, u32 len)
{
	return (struct kvm_ioeventfd) { .addr = gpa, .len = len, .fd = shim_eventfd() };
}

static struct kvm_ioeventfd bell_for(gpa_t gpa, u32 len, u64 value)
{
	return (struct kvm_ioeventfd) { .addr = gpa, .len = len, .datamatch = value, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH, .fd = shim_eventfd() };
}

static void assign(const struct kvm_ioeventfd *bell)
{
	CHECK_EQ(ioeventfd_assign(&W->vm, bell), 0);
}

static void deassign(struct kvm_ioeventfd bell)
{
	bell.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	CHECK_EQ(ioeventfd_deassign(&W->vm, &bell), 0);
}

static u64 rings(const struct kvm_ioeventfd *bell)
{
	return shim_eventfd_of(bell->fd)->count;
}

/* The store at 0x8000 to @gpa, with IRQs off: was it handled? */
static bool store(gpa_t gpa, u64 value)
{
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = gpa;
	V->hw.regs[REG_RAX] = value;
	return fast(NPF(gpa, ACCESS_WRITE));
}

/* mov [rdi], eax is learnt. */
static void learn_store(void)
{
	begin();
	CODE(0x89, 0x07);
	V->hw.regs[REG_RDI] = MMIO_GPA + 0x800;
	step(NPF(MMIO_GPA + 0x800, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_RAN(0);
	V->hw.regs[REG_RDI] = MMIO_GPA;
}

static void set_slot(gpa_t gpa, u32 flags, void *page)
{
	struct kvm_userspace_memory_region mem = { .slot = 1, .flags = flags, .guest_phys_addr = gpa, .userspace_addr = (unsigned long)page,
		.memory_size = page ? 4096 : 0 };
	struct memslot_update up;

	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(memslot_prepare(&W->vm, &mem, &up), 0);
	memslot_publish(&W->vm, &up);
	memslot_finish(&W->vm, &up);
	mutex_unlock(&W->vm.slots_lock);
}

TEST(doorbell_goes)
{
	struct kvm_ioeventfd a = bell_at(MMIO_GPA, 0), b = bell_at(MMIO_GPA, 4), other = bell_at(MMIO_GPA + 64, 0);

	learn_store();
	assign(&a);
	CHECK(store(MMIO_GPA, 1));
	CHECK(store(MMIO_GPA, 1));
	CHECK_EQ(rings(&a), 2);
	/* the set of devices is another, the bell the same */
	assign(&other);
	CHECK(store(MMIO_GPA, 1));
	CHECK_EQ(rings(&a), 3);
	deassign(other);
	deassign(a);
	CHECK(!store(MMIO_GPA, 1));
	CHECK_EQ(V->hw.rip, 0x8000);
	assign(&b);
	CHECK(store(MMIO_GPA, 1));
	CHECK(store(MMIO_GPA, 1));
	CHECK_EQ(rings(&a), 3);
	CHECK_EQ(rings(&b), 2);
	world_end();
}

TEST(doorbells_by_value_and_length)
{
	struct kvm_ioeventfd one = bell_for(MMIO_GPA, 4, 1), two = bell_for(MMIO_GPA, 4, 2), byte = bell_at(MMIO_GPA, 1);
	int i;

	learn_store();
	assign(&one);
	assign(&two);
	assign(&byte);
	for (i = 0; i < 3; i++) {
		CHECK(store(MMIO_GPA, 0xff00000001));
		CHECK(store(MMIO_GPA, 2));
		CHECK(store(MMIO_GPA, 2));
		CHECK(!store(MMIO_GPA, 3));
	}
	CHECK_EQ(rings(&one), 3);
	CHECK_EQ(rings(&two), 6);
	CHECK_EQ(rings(&byte), 0);
	CHECK(store(MMIO_GPA, 1));
	/* mov [rdi], al, at the same place: another length, and any value */
	CODE(0x88, 0x07);
	V->hw.rip = 0x8000;
	V->hw.regs[REG_RDI] = MMIO_GPA + 0x800;
	step(NPF(MMIO_GPA + 0x800, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_RAN(0);
	CHECK(store(MMIO_GPA, 1));
	CHECK(store(MMIO_GPA, 3));
	CHECK_EQ(rings(&byte), 2);
	CHECK_EQ(rings(&one), 4);
	CHECK_EQ(rings(&two), 6);
	world_end();
}

/* Two addresses of one memo. */
TEST(doorbells_push_one_another_out)
{
	struct kvm_ioeventfd bells[40];
	unsigned int i, round;

	learn_store();
	for (i = 0; i < ARRAY_SIZE(bells); i++) {
		bells[i] = bell_at(MMIO_GPA + i * 4, i & 1 ? 4 : 0);
		assign(&bells[i]);
	}
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < ARRAY_SIZE(bells); i++) {
			CHECK(store(MMIO_GPA + i * 4, i));
			CHECK(store(MMIO_GPA + i * 4, i));
			CHECK_EQ(rings(&bells[i]), 2 * round);
		}
	}
	world_end();
}

/* Another device comes to the same address, or the LAPIC's page, or memory. */
TEST(doorbell_is_hidden)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO_GPA, .size = 16 };
	struct kvm_ioeventfd bell = bell_at(MMIO_GPA + 8, 0);
	void *page = aligned_alloc(4096, 4096);

	learn_store();
	assign(&bell);
	CHECK(store(MMIO_GPA + 8, 1));
	CHECK_EQ(coalesced_register(&W->vm, &zone), 0);
	CHECK(!store(MMIO_GPA + 8, 1));
	CHECK_EQ(coalesced_unregister(&W->vm, &zone), 0);
	CHECK(store(MMIO_GPA + 8, 1));
	CHECK_EQ(rings(&bell), 2);
	lapic_reset(&V->apic, LAPIC_RESET);
	V->apic.base = (V->apic.base & 0xfff) | MMIO_GPA;
	store(MMIO_GPA + 8, 1);
	CHECK_EQ(rings(&bell), 2);
	V->apic.base = (V->apic.base & 0xfff) | 0xfee00000;
	CHECK(store(MMIO_GPA + 8, 1));
	CHECK_EQ(rings(&bell), 3);
	set_slot(MMIO_GPA, 0, page);
	/* the site must be learnt anew */
	V->hw.regs[REG_RDI] = MMIO_GPA + 0x1800;
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA + 0x1800, ACCESS_WRITE));
	CHECK_EQ(run(), 0);
	CHECK_RAN(0);
	CHECK(!store(MMIO_GPA + 8, 1));
	CHECK_EQ(rings(&bell), 3);
	world_faults = 0;
	world_fault = FAULT_FIXED;
	V->hw.rip = 0x8000;
	step(NPF(MMIO_GPA + 8, ACCESS_WRITE));
	CHECK_RAN(1);
	CHECK_EQ(world_faults, 1);
	CHECK_EQ(V->hw.rip, 0x8000);
	world_fault = FAULT_MMIO;
	set_slot(MMIO_GPA, 0, NULL);
	world_end();
	free(page);
}

/* An access that the VMM answered goes to it without a look for memory, until there is memory, or a device. */
TEST(user_is_known)
{
	struct kvm_ioeventfd bell = bell_at(MMIO_GPA, 0);
	void *page = aligned_alloc(4096, 4096);

	learn_store();
	once(ACCESS_WRITE, 0);
	world_faults = 0;
	CHECK(!store(MMIO_GPA, 1));
	once(ACCESS_WRITE, 0);
	CHECK_EQ(world_faults, 0);
	assign(&bell);
	CHECK(store(MMIO_GPA, 1));
	CHECK_EQ(rings(&bell), 1);
	deassign(bell);
	CHECK(!store(MMIO_GPA, 1));
	once(ACCESS_WRITE, 0);
	CHECK_EQ(world_faults, 0);
	set_slot(MMIO_GPA, 0, page);
	CHECK(!store(MMIO_GPA, 1));
	world_fault = FAULT_FIXED;
	step(NPF(MMIO_GPA, ACCESS_WRITE));
	CHECK_RAN(1);
	CHECK_EQ(world_faults, 1);
	CHECK_EQ(V->hw.rip, 0x8000);
	world_fault = FAULT_MMIO;
	set_slot(MMIO_GPA, 0, NULL);
	once(ACCESS_WRITE, 0);		/* learnt anew */
	once(ACCESS_WRITE, 0);
	world_faults = 0;
	once(ACCESS_WRITE, 0);
	CHECK_EQ(world_faults, 0);
	world_end();
	free(page);
}

/* A write to a read-only slot goes to the VMM, too; but there is memory. */
TEST(user_is_not_known_of_read_only_memory)
{
	void *page = aligned_alloc(4096, 4096);

	begin();
	set_slot(MMIO_GPA, KVM_MEM_READONLY, page);
	CODE(0x89, 0x07);
	world_fault = FAULT_READONLY;
	once(ACCESS_WRITE, 0);
	once(ACCESS_WRITE, 0);
	world_fault = FAULT_FIXED;
	world_faults = 0;
	step(NPF(MMIO_GPA, ACCESS_READ));
	CHECK_RAN(1);
	CHECK_EQ(world_faults, 1);
	world_end();
	free(page);
}

/* A load found nobody: that says nothing about stores. */
TEST(loads_say_nothing_of_stores)
{
	struct kvm_ioeventfd bell = bell_at(MMIO_GPA, 4);

	learn_store();
	assign(&bell);
	V->hw.rip = 0x8010;
	memcpy(ram + 0x8010, "\x8b\x07", 2);	/* mov eax, [rdi] */
	for (int i = 0; i < 3; i++) {
		V->hw.rip = 0x8010;
		V->hw.regs[REG_RDI] = MMIO_GPA;
		step(NPF(MMIO_GPA, ACCESS_READ));
		CHECK_EQ(run(), 0);
		CHECK_EQ(R->exit_reason, KVM_EXIT_MMIO);
		CHECK_RAN(0);
		CHECK(store(MMIO_GPA, 1));
	}
	CHECK_EQ(rings(&bell), 3);
	/* nor that nobody is there at all, when the address is a new one */
	V->hw.rip = 0x8010;
	V->hw.regs[REG_RDI] = MMIO_GPA + 4;
	bell = bell_at(MMIO_GPA + 4, 4);
	assign(&bell);
	step(NPF(MMIO_GPA + 4, ACCESS_READ));
	CHECK_EQ(run(), 0);
	CHECK_RAN(0);
	CHECK(store(MMIO_GPA + 4, 1));
	CHECK_EQ(rings(&bell), 1);
	world_end();
}

TEST(five_levels)
{
	u64 *pt;
	int i;

	begin();
	pt = (u64 *)(ram + 0x5000);
	*(u64 *)(ram + 0x3000) = 0x1000 | 7;
	*(u64 *)(ram + 0x2000) = 0x4000 | 7;
	*(u64 *)(ram + 0x4000) = 0x5000 | 7;
	for (i = 0; i < 256; i++)
		pt[i] = (u64)i << 12 | 7;
	for (i = 4; i <= 5; i++) {
		V->hw.cr3 = i == 5 ? 0x3000 : 0x1000;
		V->hw.cr4 = (V->hw.cr4 & ~(u64)X86_CR4_LA57) | (i == 5 ? X86_CR4_LA57 : 0);
		CODE(0x8b, 0x07);
		V->hw.regs[REG_RDI] = MMIO_GPA;
		*(u64 *)(ram + 0x2000 + 3 * 8) = 0xc0000000 | 0x80 | 7;
		once(ACCESS_READ, 1);
		V->hw.rip = 0x8000;
		CHECK(known(NPF(MMIO_GPA, ACCESS_READ)));
		pt[8] = 0x9000 | 7;
		CHECK(!known(NPF(MMIO_GPA, ACCESS_READ)));
		memcpy(ram + 0x9000, ram + 0x8000, 16);
		CHECK(!known(NPF(MMIO_GPA, ACCESS_READ)));
		pt[8] = 0x8000 | 7;
		CHECK(known(NPF(MMIO_GPA, ACCESS_READ)));
	}
	world_end();
}
