// SPDX-License-Identifier: GPL-2.0-only
/* What a guest may write into its control registers. */
#include "vcpu_world.h"

#define PE	1ull
#define PG	0x80000000ull
#define CD	0x40000000ull
#define NW	0x20000000ull
#define ET	0x10ull

TEST(cr0_rules)
{
	world_make(IRQCHIP_NONE);
	CHECK_EQ(vcpu_set_cr0(V, 1ull << 32), -EINVAL);
	CHECK_EQ(vcpu_set_cr0(V, PG), -EINVAL);
	CHECK_EQ(vcpu_set_cr0(V, NW), -EINVAL);
	CHECK_EQ(vcpu_set_cr0(V, NW | CD), 0);
	CHECK_EQ(V->hw.cr0, NW | CD | ET);
	CHECK_EQ(vcpu_set_cr0(V, PE | 0x0ff80000 /* reserved: ignored */), 0);
	CHECK_EQ(V->hw.cr0, PE | ET);
	V->hw.flushes = 0;
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), 0);
	CHECK_EQ(V->hw.flushes, 1);
	world_end();
}

TEST(long_mode_begins_and_ends_with_paging)
{
	world_make(IRQCHIP_NONE);
	V->hw.efer = EFER_LME;
	V->hw.cr0 = PE | ET;
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), -EINVAL);	/* no PAE */
	V->hw.cr4 = X86_CR4_PAE;
	V->hw.segs[SEG_CS].l = 1;
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), -EINVAL);
	CHECK_EQ(V->hw.efer, EFER_LME);
	V->hw.segs[SEG_CS].l = 0;
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), 0);
	CHECK_EQ(V->hw.efer, EFER_LME | EFER_LMA);
	V->hw.segs[SEG_CS].l = 1;
	CHECK_EQ(vcpu_set_cr0(V, PE), -EINVAL);		/* 64-bit mode */
	V->hw.segs[SEG_CS].l = 0;
	V->hw.cr4 |= X86_CR4_PCIDE;
	CHECK_EQ(vcpu_set_cr0(V, PE), -EINVAL);
	V->hw.cr4 &= ~X86_CR4_PCIDE;
	CHECK_EQ(vcpu_set_cr0(V, PE), 0);
	CHECK_EQ(V->hw.efer, EFER_LME);
	world_end();
}

TEST(pdptes)
{
	u64 *pdpt;

	world_make(IRQCHIP_NONE);
	V->maxphyaddr = 40;
	V->cr4_reserved = 0;
	pdpt = (u64 *)(ram + 0x3020);
	V->hw.cr0 = PE | ET;
	V->hw.cr4 = X86_CR4_PAE;
	V->hw.cr3 = 0x3020;
	pdpt[2] = 0x5000 | 1 | 2;		/* reserved in a PDPTE */
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), -EINVAL);
	pdpt[2] = 0x5000 | 1 | BIT_ULL(40);
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), -EINVAL);
	pdpt[2] = 0x5002;			/* not present: anything goes */
	CHECK_EQ(vcpu_set_cr0(V, PE | PG), 0);
	pdpt[2] = 0x5003;
	CHECK_EQ(vcpu_set_cr3(V, 0x3020), -EINVAL);
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PAE | X86_CR4_PGE), -EINVAL);
	pdpt[2] = 0x5001;
	CHECK_EQ(vcpu_set_cr3(V, 0x100003020ull), 0);
	CHECK_EQ(V->hw.cr3, 0x3020);		/* 32 bits outside of long mode */
	CHECK_EQ(vcpu_set_cr3(V, RAM_BYTES), -EINVAL);	/* not in memory */
	world_end();
}

TEST(cr3_in_long_mode)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	CHECK_EQ(vcpu_set_cr3(V, BIT_ULL(40)), -EINVAL);
	CHECK_EQ(vcpu_set_cr3(V, BIT_ULL(63) | 0x1000), -EINVAL);
	V->hw.cr4 |= X86_CR4_PCIDE;
	V->hw.flushes = 0;
	CHECK_EQ(vcpu_set_cr3(V, BIT_ULL(63) | 0x1005), 0);
	CHECK_EQ(V->hw.cr3, 0x1005);
	CHECK_EQ(V->hw.flushes, 0);
	CHECK_EQ(vcpu_set_cr3(V, 0x2005), 0);
	CHECK_EQ(V->hw.flushes, 1);
	world_end();
}

TEST(cr4_rules)
{
	world_make(IRQCHIP_NONE);
	V->cr4_reserved = ~0x1ffffull;
	CHECK_EQ(vcpu_set_cr4(V, BIT_ULL(17)), -EINVAL);
	V->cr4_reserved = 0;
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PCIDE), -EINVAL);	/* not in long mode */
	world_long_mode();
	CHECK_EQ(vcpu_set_cr4(V, 0), -EINVAL);			/* PAE stays */
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PAE | X86_CR4_LA57), -EINVAL);
	V->hw.cr3 = 0x1001;
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PAE | X86_CR4_PCIDE), -EINVAL);
	V->hw.cr3 = 0x1000;
	V->hw.flushes = 0;
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PAE | X86_CR4_PCIDE), 0);
	CHECK_EQ(V->hw.flushes, 1);
	CHECK_EQ(vcpu_set_cr4(V, X86_CR4_PAE | X86_CR4_PCIDE | X86_CR4_OSFXSR), 0);
	CHECK_EQ(V->hw.flushes, 1);
	world_end();
}

TEST(efer_rules)
{
	world_make(IRQCHIP_NONE);
	V->efer_allowed = EFER_SCE | EFER_NX | EFER_LME;
	CHECK_EQ(vcpu_set_efer(V, EFER_SVME, false), -EINVAL);
	CHECK_EQ(vcpu_set_efer(V, EFER_LME | EFER_NX | EFER_LMA, false), 0);
	CHECK_EQ(V->hw.efer, EFER_LME | EFER_NX);		/* LMA isn't writable */
	V->hw.cr0 |= PE | PG;
	CHECK_EQ(vcpu_set_efer(V, EFER_NX, false), -EINVAL);
	CHECK_EQ(vcpu_set_efer(V, EFER_LME, false), 0);
	V->efer_allowed = 0;
	CHECK_EQ(vcpu_set_efer(V, EFER_SCE, false), -EINVAL);
	CHECK_EQ(vcpu_set_efer(V, EFER_SCE, true), 0);
	CHECK_EQ(vcpu_set_efer(V, BIT_ULL(40), true), -EINVAL);
	world_end();
}

TEST(xcr0_rules)
{
	static const struct { u64 val; int ret; } t[] = {
		{ 0, -EINVAL }, { 1, 0 }, { 3, 0 }, { 5, -EINVAL }, { 7, 0 }, { 2, -EINVAL }, { 0x0b, -EINVAL }, { 0x1b, 0 },
		{ 0x27, -EINVAL }, { 0xe3, -EINVAL }, { 0xe7, 0 }, { 0x207, 0 }, { 0x20007, -EINVAL }, { 0x60007, 0 }, { 0x407, -EINVAL },
	};
	unsigned int i;

	world_make(IRQCHIP_NONE);
	V->guest_supported_xcr0 = 0x602ff;
	for (i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(vcpu_set_xcr(V, 0, t[i].val), t[i].ret);
	CHECK_EQ(V->xcr0, 0x60007);
	CHECK_EQ(vcpu_set_xcr(V, 1, 1), -EINVAL);
	world_end();
}

TEST(xsetbv_exit)
{
	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= PE;
	V->guest_supported_xcr0 = 7;
	V->hw.regs[REG_RAX] = 7;
	V->hw.regs[REG_RDX] = 0;
	step(EXIT(EXIT_XSETBV, 3));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 6);		/* no OSXSAVE */
	V->hw.cr4 = X86_CR4_OSXSAVE;
	V->hw.segs[SEG_SS].dpl = 3;
	step(EXIT(EXIT_XSETBV, 3));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 13);
	V->hw.segs[SEG_SS].dpl = 0;
	V->hw.rip = 0x10;
	step(EXIT(EXIT_XSETBV, 3));
	CHECK_RAN(1);
	CHECK_EQ(V->xcr0, 7);
	CHECK_EQ(V->hw.rip, 0x13);
	world_end();
}

TEST(debug_registers)
{
	world_make(IRQCHIP_NONE);
	CHECK_EQ(vcpu_set_dr(V, 6, 1ull << 32), -EINVAL);
	CHECK_EQ(vcpu_set_dr(V, 7, 1ull << 32), -EINVAL);
	CHECK_EQ(vcpu_set_dr(V, 8, 0), -EINVAL);
	CHECK_EQ(vcpu_set_dr(V, 6, ~0u), 0);
	CHECK_EQ(vcpu_get_dr(V, 6), 0xffffefff);
	CHECK_EQ(vcpu_set_dr(V, 7, ~0u), 0);
	CHECK_EQ(vcpu_get_dr(V, 7), 0xffff2fff);
	CHECK(V->breakpoints_on);
	CHECK_EQ(vcpu_set_dr(V, 2, 0x1234), 0);
	CHECK_EQ(V->eff_db[2], 0x1234);
	CHECK_EQ(vcpu_set_dr(V, 7, 0), 0);
	CHECK(!V->breakpoints_on);
	world_end();
}

/* ------------------------------------------------------------------ the exits */

TEST(cr_exits)
{
	world_make(IRQCHIP_KERNEL);
	world_long_mode();
	V->cr4_reserved = 0;
	V->hw.regs[REG_RBX] = 0x2000;
	step(EXIT(EXIT_CR_WRITE, 3, .cr = { .nr = 3, .reg = REG_RBX, .operand_known = true }));
	step(EXIT(EXIT_CR_READ, 3, .cr = { .nr = 3, .reg = REG_RCX, .operand_known = true }));
	step(EXIT(EXIT_CR_READ, 3, .cr = { .nr = 0, .reg = REG_RDX, .operand_known = true }));
	step(EXIT(EXIT_CR_READ, 3, .cr = { .nr = 4, .reg = REG_RSI, .operand_known = true }));
	step(EXIT(EXIT_CR_READ, 3, .cr = { .nr = 8, .reg = REG_RDI, .operand_known = true }));
	CHECK_RAN(5);
	CHECK_EQ(V->hw.cr3, 0x2000);
	CHECK_EQ(V->hw.regs[REG_RCX], 0x2000);
	CHECK_EQ(V->hw.regs[REG_RDX], 0x80050033);
	CHECK_EQ(V->hw.regs[REG_RSI], 0x20);
	CHECK_EQ(V->hw.regs[REG_RDI], 0);
	CHECK_EQ(V->hw.rip, 0x8000 + 15);
	/* What the manual forbids is #GP with RIP at the instruction. */
	V->hw.regs[REG_RBX] = 0;
	V->hw.cr3 = 0x1000;
	V->hw.rip = 0x8000;
	step(EXIT(EXIT_CR_WRITE, 3, .cr = { .nr = 4, .reg = REG_RBX, .operand_known = true }));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 13);
	CHECK_EQ(V->hw.rip, 0x8000);
	V->hw.cr0 |= X86_CR0_TS;
	step(EXIT(EXIT_CLTS, 2));
	CHECK_RAN(1);
	CHECK(!(V->hw.cr0 & X86_CR0_TS));
	step(EXIT(EXIT_LMSW, 3, .cr = { .operand_known = true, .value = 0x8 }));
	CHECK_RAN(1);
	CHECK(V->hw.cr0 & X86_CR0_TS);
	CHECK(V->hw.cr0 & X86_CR0_PE);		/* LMSW can't clear it */
	world_end();
}

/* No decode assists: MOV to CR3 from RBX, from its bytes. */
TEST(cr_write_is_emulated_without_assists)
{
	world_make(IRQCHIP_NONE);
	world_long_mode();
	*(u64 *)(ram + 0x6000) = 0x2000 | 7;
	CODE(0x0f, 0x22, 0xdb);
	V->hw.regs[REG_RBX] = 0x6000;
	step(EXIT(EXIT_CR_WRITE, 0, .cr = { .nr = 3 }));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.cr3, 0x6000);
	CHECK_EQ(V->hw.rip, 0x8003);
	world_end();
}

TEST(dr_exits_with_a_debugger)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };

	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= PE;
	CHECK_EQ(vcpu_set_guest_debug(V, &dbg), 0);
	V->hw.regs[REG_RBX] = 0x4321;
	V->hw.rip = 0x8000;
	step(EXIT(EXIT_DR_WRITE, 3, .dr = { .nr = 1, .reg = REG_RBX, .operand_known = true }));
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(V->db[1], 0x4321);
	CHECK_EQ(V->eff_db[1], 0);
	step(EXIT(EXIT_DR_READ, 3, .dr = { .nr = 5, .reg = REG_RCX, .operand_known = true }));
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(V->hw.regs[REG_RCX], 0x400);	/* DR5 is DR7 */
	V->hw.cr4 = X86_CR4_DE;
	step(EXIT(EXIT_DR_READ, 3, .dr = { .nr = 5, .reg = REG_RCX, .operand_known = true }));
	CHECK_EQ(run(), -EINTR);
	CHECK_EQ(world_delivered[1].vector, 6);
	world_end();
}
