// SPDX-License-Identifier: GPL-2.0-only
/* Task switches: 32 and 16 bit, each reason, and the faults on the way. */
#include "vcpu_world.h"

#define GDT	0x3000
#define OLD	0x4000
#define NEW	0x5000
#define LDT	0x6000
enum { S_CODE = 0x08, S_DATA = 0x10, S_OLD = 0x18, S_NEW = 0x20, S_LDT = 0x28, S_CODE3 = 0x30, S_DATA3 = 0x38 };

static u64 descriptor(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)((limit >> 16) & 0xf) << 48 |
	       (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u64 *gdt_entry(u16 sel)
{
	return (u64 *)(ram + GDT + (sel & ~7));
}

static struct tss32 *old32, *new32;

static void load_flat(int which, u16 sel, u8 type, u8 dpl)
{
	struct kvm_segment s = { .selector = sel, .limit = 0xffffffff, .type = type, .present = 1, .s = 1, .db = 1, .g = 1, .dpl = dpl };

	hw_set_segment(&V->hw, which, &s);
}

static void make(void)
{
	struct kvm_segment tr = { .selector = S_OLD, .base = OLD, .limit = 0x67, .type = 11, .present = 1 };
	struct kvm_dtable gdt = { .base = GDT, .limit = 0x3f };
	int i;

	world_make(IRQCHIP_NONE);
	V->maxphyaddr = 40;
	V->hw.cr0 = 0x11;
	*gdt_entry(S_CODE) = descriptor(0, 0xfffff, 0x9a, 0xc);
	*gdt_entry(S_DATA) = descriptor(0, 0xfffff, 0x92, 0xc);
	*gdt_entry(S_OLD) = descriptor(OLD, 0x67, 0x8b, 0);
	*gdt_entry(S_NEW) = descriptor(NEW, 0x67, 0x89, 0);
	*gdt_entry(S_LDT) = descriptor(LDT, 0xff, 0x82, 0);
	*gdt_entry(S_CODE3) = descriptor(0, 0xfffff, 0xfa, 0xc);
	*gdt_entry(S_DATA3) = descriptor(0, 0xfffff, 0xf2, 0xc);
	V->hw.gdt = gdt;
	hw_set_segment(&V->hw, SEG_TR, &tr);
	load_flat(SEG_CS, S_CODE, 11, 0);
	for (i = 0; i < 6; i++)
		if (i != SEG_CS)
			load_flat(i, S_DATA, 3, 0);
	for (i = 0; i < 8; i++)
		V->hw.regs[i] = 0x100 + i;
	V->hw.rip = 0x8000;
	V->hw.rflags = 0x202;
	old32 = (struct tss32 *)(ram + OLD);
	new32 = (struct tss32 *)(ram + NEW);
	new32->eip = 0x9000;
	new32->eflags = 2;
	for (i = 0; i < 8; i++)
		new32->regs[i] = 0x200 + i;
	new32->regs[REG_RSP] = 0x7000;
	for (i = 0; i < 6; i++)
		new32->segs[i].sel = i == SEG_CS ? S_CODE : S_DATA;
	new32->ldt = S_LDT;
}

static struct hw_exit task_exit(u8 reason, u16 sel)
{
	return EXIT(EXIT_TASK_SWITCH, reason == TASK_GATE ? 0 : 5, .task = { .reason = reason, .selector = sel });
}

TEST(call_saves_links_and_nests)
{
	make();
	step(task_exit(TASK_CALL, S_NEW));
	CHECK_RAN(1);
	CHECK_EQ(old32->eip, 0x8005);
	CHECK_EQ(old32->eflags, 0x202);
	CHECK_EQ(old32->regs[REG_RBX], 0x100 + REG_RBX);
	CHECK_EQ(old32->segs[SEG_CS].sel, S_CODE);
	CHECK_EQ(new32->link, S_OLD);
	CHECK_EQ(V->hw.rip, 0x9000);
	CHECK_EQ(V->hw.rflags & X86_EFLAGS_NT, X86_EFLAGS_NT);
	CHECK_EQ(V->hw.regs[REG_RDI], 0x200 + REG_RDI);
	CHECK_EQ(V->hw.segs[SEG_TR].base, NEW);
	CHECK_EQ(V->hw.segs[SEG_TR].type, 11);
	CHECK_EQ(V->hw.segs[SEG_LDTR].base, LDT);
	CHECK_EQ(V->hw.segs[SEG_SS].limit, 0xffffffff);
	CHECK(V->hw.cr0 & X86_CR0_TS);
	CHECK_EQ((*gdt_entry(S_NEW) >> 40) & 0xf, 11);
	CHECK_EQ((*gdt_entry(S_OLD) >> 40) & 0xf, 11);
	/* And back. */
	step(EXIT(EXIT_TASK_SWITCH, 1, .task = { .reason = TASK_IRET, .selector = S_OLD }));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rip, 0x8005);
	CHECK(!(new32->eflags & X86_EFLAGS_NT));
	CHECK_EQ(new32->eip, 0x9001);
	CHECK_EQ((*gdt_entry(S_NEW) >> 40) & 0xf, 9);
	world_end();
}

TEST(jmp_leaves_nothing_behind)
{
	make();
	step(task_exit(TASK_JMP, S_NEW));
	CHECK_RAN(1);
	CHECK_EQ((*gdt_entry(S_OLD) >> 40) & 0xf, 9);
	CHECK_EQ(new32->link, 0);
	CHECK(!(V->hw.rflags & X86_EFLAGS_NT));
	world_end();
}

TEST(gate_with_error_code_and_trap)
{
	make();
	new32->trap = 1;
	step(EXIT(EXIT_TASK_SWITCH, 0, .task = { .reason = TASK_GATE, .selector = S_NEW, .has_error = true, .error = 0x1234 },
		  .vectoring = { .kind = EVENT_EXCEPTION, .vector = 13, .has_error = true, .error = 0x1234 }));
	CHECK_RAN(1);
	CHECK_EQ(old32->eip, 0x8000);
	CHECK_EQ(V->hw.regs[REG_RSP], 0x6ffc);
	CHECK_EQ(*(u32 *)(ram + 0x6ffc), 0x1234);
	/* The event is delivered by the switch, not once more; the T bit is a #DB. */
	CHECK_EQ(world_delivered[1].vector, 1);
	CHECK(V->hw.dr6 & BIT(15));
	world_end();
}

TEST(nmi_gate_masks)
{
	make();
	step(EXIT(EXIT_TASK_SWITCH, 0, .task = { .reason = TASK_GATE, .selector = S_NEW }, .vectoring = { .kind = EVENT_NMI }));
	CHECK_RAN(1);
	CHECK(V->hw.nmi_masked);
	CHECK_EQ(world_delivered[1].kind, EVENT_NONE);
	world_end();
}

TEST(sixteen_bits)
{
	struct tss16 *t = (struct tss16 *)(ram + NEW);
	int i;

	make();
	t = (struct tss16 *)(ram + NEW);
	memset(t, 0, sizeof(*t));
	*gdt_entry(S_NEW) = descriptor(NEW, 0x2b, 0x81, 0);
	t->ip = 0x9000;
	t->flags = 2;
	for (i = 0; i < 4; i++)
		t->segs[i] = i == SEG_CS ? S_CODE : S_DATA;
	t->regs[REG_RAX] = 0x77;
	step(task_exit(TASK_CALL, S_NEW));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.rip, 0x9000);
	CHECK_EQ((u16)V->hw.regs[REG_RAX], 0x77);
	CHECK_EQ(V->hw.segs[SEG_FS].unusable, 1);
	step(EXIT(EXIT_TASK_SWITCH, 1, .task = { .reason = TASK_IRET, .selector = S_OLD }));
	CHECK_RAN(1);
	CHECK_EQ(t->ip, 0x9001);
	CHECK_EQ(V->hw.rip, 0x8005);
	world_end();
}

TEST(virtual_8086)
{
	make();
	new32->eflags = X86_EFLAGS_VM | 2;
	new32->segs[SEG_CS].sel = 0x1234;
	step(task_exit(TASK_JMP, S_NEW));
	CHECK_RAN(1);
	CHECK_EQ(V->hw.segs[SEG_CS].base, 0x12340);
	CHECK_EQ(V->hw.segs[SEG_CS].dpl, 3);
	world_end();
}

static void expect(u8 reason, u16 sel, u8 vector, u32 error)
{
	step(task_exit(reason, sel));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, vector);
	CHECK_EQ(world_delivered[1].error, error);
}

TEST(faults_of_the_old_task)
{
	make();
	expect(TASK_CALL, 0x400, 13, 0x400);		/* beyond the GDT */
	expect(TASK_CALL, S_NEW | 4, 13, S_NEW | 4);	/* in the LDT: none is loaded */
	expect(TASK_CALL, S_CODE, 13, S_CODE);		/* no TSS */
	expect(TASK_CALL, S_OLD, 13, S_OLD);		/* busy */
	expect(TASK_IRET, S_NEW, 10, S_NEW);		/* not busy */
	V->hw.segs[SEG_SS].dpl = 3;
	expect(TASK_CALL, S_NEW, 13, S_NEW);
	V->hw.segs[SEG_SS].dpl = 0;
	*gdt_entry(S_NEW) = descriptor(NEW, 0x67, 0x09, 0);
	expect(TASK_CALL, S_NEW, 11, S_NEW);
	*gdt_entry(S_NEW) = descriptor(NEW, 0x66, 0x89, 0);
	expect(TASK_CALL, S_NEW, 10, S_NEW);
	*gdt_entry(S_NEW) = descriptor(RAM_BYTES, 0x67, 0x89, 0);
	expect(TASK_CALL, S_NEW, 10, 0);
	CHECK_EQ(V->hw.rip, 0x8000);
	CHECK_EQ(V->hw.segs[SEG_TR].selector, S_OLD);
	world_end();
}

static void new_task_fault(int seg, u16 sel, u8 vector, u32 error)
{
	make();
	if (seg >= 0)
		new32->segs[seg].sel = sel;
	else
		new32->ldt = sel;
	expect(TASK_JMP, S_NEW, vector, error);
	CHECK_EQ(V->hw.segs[SEG_TR].selector, S_NEW);
	CHECK_EQ(V->hw.rip, 0x9000);
	world_end();
}

TEST(faults_of_the_new_task)
{
	new_task_fault(SEG_CS, 0, 10, 0);
	new_task_fault(SEG_CS, S_DATA, 10, S_DATA);
	new_task_fault(SEG_CS, S_CODE | 3, 10, S_CODE);
	new_task_fault(SEG_SS, 0, 10, 0);
	new_task_fault(SEG_SS, S_CODE, 10, S_CODE);
	new_task_fault(SEG_SS, S_DATA3, 10, S_DATA3);
	new_task_fault(SEG_DS, S_NEW, 10, S_NEW);
	new_task_fault(SEG_DS, 0x440, 10, 0x440);
	new_task_fault(-1, S_DATA, 10, S_DATA);
	new_task_fault(-1, 0x44, 10, 0x44);
	make();
	*gdt_entry(S_DATA3) = descriptor(0, 0xfffff, 0x72, 0xc);
	new32->segs[SEG_ES].sel = S_DATA3;
	expect(TASK_JMP, S_NEW, 11, S_DATA3);
	world_end();
}

/* Outside of memory by paging: #PF of the old task. */
TEST(paged_out_tss)
{
	make();
	V->hw.cr0 |= 0x80000000;
	V->hw.cr3 = 0xa000;
	*(u32 *)(ram + 0xa000) = 0xb000 | 7;
	*(u32 *)(ram + 0xb000 + 4 * (GDT >> 12)) = GDT | 7;
	*(u32 *)(ram + 0xb000 + 4 * (OLD >> 12)) = OLD | 7;
	step(task_exit(TASK_JMP, S_NEW));
	CHECK_RAN(1);
	CHECK_EQ(world_delivered[1].vector, 14);
	CHECK_EQ(V->hw.cr2, NEW);
	CHECK_EQ(V->hw.segs[SEG_TR].selector, S_OLD);
	world_end();
}
