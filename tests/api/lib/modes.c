// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU in real, protected or long mode, and short forms of the state ioctls. */
#include <cpuid.h>
#include "api.h"

#define CPUID_HYPERVISOR	(1u << 31)	/* leaf 1, ECX */
#define CR0_PE		0x1u
#define CR0_MP		0x2u
#define CR0_ET		0x10u
#define CR0_NE		0x20u
#define CR0_WP		0x10000u
#define CR0_PG		0x80000000u
#define CR4_PAE		0x20u
#define CR4_OSFXSR	0x200u
#define EFER_LME	0x100u
#define EFER_LMA	0x400u
#define EFER_NXE	0x800u
#define PTE_PWU		7u		/* present, writable, user */
#define PTE_PS		0x80u

void get_regs(struct vcpu *v, struct kvm_regs *r)
{
	must_ioctl(v->fd, KVM_GET_REGS, r);
}

void set_regs(struct vcpu *v, const struct kvm_regs *r)
{
	must_ioctl(v->fd, KVM_SET_REGS, r);
}

void get_sregs(struct vcpu *v, struct kvm_sregs *s)
{
	must_ioctl(v->fd, KVM_GET_SREGS, s);
}

void set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	must_ioctl(v->fd, KVM_SET_SREGS, s);
}

int get_msr(struct vcpu *v, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e.index = index };
	int ret = ioctl(v->fd, KVM_GET_MSRS, &m);

	*value = m.e.data;
	return ret < 0 ? -errno : ret;
}

int set_msr(struct vcpu *v, u32 index, u64 value)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e = { .index = index, .data = value } };
	int ret = ioctl(v->fd, KVM_SET_MSRS, &m);

	return ret < 0 ? -errno : ret;
}

u64 must_get_msr(struct vcpu *v, u32 index)
{
	u64 value;

	must(get_msr(v, index, &value) == 1);
	return value;
}

void set_cpuid_plus(struct vcpu *v, u32 function, u32 ecx_bits)
{
	struct kvm_cpuid2 *c;

	if (v->has_cpuid)
		return;
	v->has_cpuid = true;
	c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	must(c);
	c->nent = 256;
	must_ioctl(v->vm->kvm, KVM_GET_SUPPORTED_CPUID, c);
	for (u32 i = 0; i < c->nent; i++) {
		if (c->entries[i].function == function)
			c->entries[i].ecx |= ecx_bits;
	}
	must_ioctl(v->fd, KVM_SET_CPUID2, c);
	free(c);
}

void set_cpuid_supported(struct vcpu *v)
{
	set_cpuid_plus(v, 0, 0);
}

void set_mp_state(struct vcpu *v, u32 state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	must_ioctl(v->fd, KVM_SET_MP_STATE, &mp);
}

u32 get_mp_state(struct vcpu *v)
{
	struct kvm_mp_state mp;

	must_ioctl(v->fd, KVM_GET_MP_STATE, &mp);
	return mp.mp_state;
}

static void start_at(struct vcpu *v, u64 rip)
{
	struct kvm_regs regs = { .rip = rip, .rflags = 2, .rsp = GUEST_STACK + (v->id + 1) * 0x1000 };

	set_regs(v, &regs);
}

static void segment(struct kvm_segment *s, u16 selector, u8 type, u32 base, u32 limit)
{
	*s = (struct kvm_segment){
		.base = base, .limit = limit, .selector = selector, .type = type, .present = 1, .s = 1,
		.g = limit > 0xfffff,
	};
}

void vcpu_real(struct vcpu *v, const char *entry)
{
	struct kvm_sregs s;

	get_sregs(v, &s);
	segment(&s.cs, GUEST_CODE >> 4, 0xb, GUEST_CODE, 0xffff);
	segment(&s.ds, 0, 3, 0, 0xffff);
	s.es = s.fs = s.gs = s.ss = s.ds;
	set_sregs(v, &s);
	start_at(v, (uintptr_t)entry - GUEST_CODE);
	/* A stack that 16 bits reach. */
	struct kvm_regs r;

	get_regs(v, &r);
	r.rsp = 0x8000;
	set_regs(v, &r);
}

static u64 descriptor(u32 type_s_dpl_p, u32 flags)
{
	return 0x000f00000000ffffull | (u64)type_s_dpl_p << 40 | (u64)flags << 52;
}

static void tss_descriptor(u64 *gdt, int index, u64 base)
{
	gdt[index] = 0x67 | (base & 0xffffff) << 16 | 0x8bull << 40 | (base >> 24 & 0xff) << 56;
	gdt[index + 1] = base >> 32;
}

void idt_gate(struct vm *vm, int vector, const char *handler, u8 type_dpl)
{
	u64 *gate = (u64 *)gpa_ptr(vm, GUEST_IDT) + 2 * vector;
	u64 a = (uintptr_t)handler;

	gate[0] = (a & 0xffff) | SEL_CODE64 << 16 | (u64)type_dpl << 40 | (a >> 16 & 0xffff) << 48;
	gate[1] = a >> 32;
}

/* By the name that it has in CPUID. */
static bool host_is_tcg(void)
{
	u32 eax, edx, name[3];

	__cpuid(1, eax, name[0], name[1], edx);
	if (!(name[1] & CPUID_HYPERVISOR))
		return false;
	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
}

static void gdt_idt(struct vm *vm)
{
	u64 *gdt = gpa_ptr(vm, GUEST_GDT);

	gdt[SEL_CODE64 / 8] = descriptor(0x9b, 0xa);
	gdt[SEL_DATA / 8] = descriptor(0x93, 0xc);
	tss_descriptor(gdt, SEL_TSS / 8, GUEST_TSS);
	gdt[SEL_UCODE64 / 8] = descriptor(0xfb, 0xa);
	gdt[SEL_UDATA / 8] = descriptor(0xf3, 0xc);
	gdt[SEL_CODE32 / 8] = descriptor(0x9b, 0xc);
	gdt[SEL_CODE16 / 8] = descriptor(0x9b, 0x0);
	for (int i = 0; i < 256; i++)
		idt_gate(vm, i, guest_stubs + 16 * i, 0x8e);
	idt_gate(vm, 3, guest_stubs + 16 * 3, 0xee);
	shared(vm)->tcg = host_is_tcg();
}

void long_tables(struct vm *vm)
{
	u64 *pml4 = gpa_ptr(vm, GUEST_PML4), *pdpt = gpa_ptr(vm, GUEST_PDPT), *pd = gpa_ptr(vm, GUEST_PD);

	if (pml4[0])
		return;
	pml4[0] = GUEST_PDPT | PTE_PWU;
	for (int i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PD + i * 0x1000) | PTE_PWU;
	for (u64 i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | PTE_PWU | PTE_PS;
	gdt_idt(vm);
}

static u64 *next_table(struct vm *vm, u64 *entry)
{
	u64 old = *entry, *table;
	u64 gpa = GUEST_PT;

	if ((old & 1) && !(old & PTE_PS))
		return gpa_ptr(vm, old & 0xffffffffff000ull);
	while (*(u64 *)gpa_ptr(vm, gpa + 0xff8))		/* the last entry of a table in use is never zero */
		gpa += 0x1000;
	must(gpa < GUEST_STACK);
	table = gpa_ptr(vm, gpa);
	for (u64 i = 0; i < 512; i++)
		table[i] = old & 1 ? (old & ~(u64)PTE_PS) + i * 0x1000 : 0;
	if (!table[511])
		table[511] = 0x800;				/* not present, marks the table as taken */
	*entry = gpa | PTE_PWU;
	return table;
}

u64 *pte_of(struct vm *vm, u64 gva)
{
	u64 *pml4 = gpa_ptr(vm, GUEST_PML4);
	u64 *pdpt = next_table(vm, &pml4[gva >> 39 & 511]);
	u64 *pd = next_table(vm, &pdpt[gva >> 30 & 511]);

	return &next_table(vm, &pd[gva >> 21 & 511])[gva >> 12 & 511];
}

void map_4k(struct vm *vm, u64 gva, u64 gpa, u64 flags)
{
	*pte_of(vm, gva) = gpa | flags;
}

void vcpu_prot(struct vcpu *v, const char *entry)
{
	struct kvm_sregs s;

	get_sregs(v, &s);
	gdt_idt(v->vm);
	segment(&s.cs, SEL_CODE32, 0xb, 0, 0xffffffff);
	s.cs.db = 1;
	segment(&s.ds, SEL_DATA, 3, 0, 0xffffffff);
	s.ds.db = 1;
	s.es = s.fs = s.gs = s.ss = s.ds;
	s.gdt.base = GUEST_GDT;
	s.gdt.limit = 0x7f;
	s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE;
	set_sregs(v, &s);
	start_at(v, (uintptr_t)entry);
}

void vcpu_long(struct vcpu *v, const char *entry)
{
	u64 tss = GUEST_TSS + v->id * 0x100;
	struct kvm_sregs s;

	long_tables(v->vm);
	set_cpuid_supported(v);
	get_sregs(v, &s);
	segment(&s.cs, SEL_CODE64, 0xb, 0, 0xffffffff);
	s.cs.l = 1;
	segment(&s.ds, SEL_DATA, 3, 0, 0xffffffff);
	s.ds.db = 1;
	s.es = s.fs = s.gs = s.ss = s.ds;
	s.gs.base = GUEST_COUNTS + v->id * 0x400;
	s.tr = (struct kvm_segment){ .base = tss, .limit = 0x67, .selector = SEL_TSS, .type = 0xb, .present = 1 };
	s.gdt.base = GUEST_GDT;
	s.gdt.limit = 0x7f;
	s.idt.base = GUEST_IDT;
	s.idt.limit = 0xfff;
	s.cr3 = GUEST_PML4;
	s.cr4 = CR4_PAE | CR4_OSFXSR;
	s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	s.efer = EFER_LME | EFER_LMA | EFER_NXE;
	set_sregs(v, &s);
	/* RSP0, for exceptions that come from user mode: the upper half of the stack page is the kernel's. */
	*(u64 *)((u8 *)gpa_ptr(v->vm, tss) + 4) = GUEST_STACK + (v->id + 1) * 0x1000;
	start_at(v, (uintptr_t)entry);
}
