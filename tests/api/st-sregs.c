// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_SREGS and KVM_SET_SREGS: reset state, round trip, refused values that change nothing. */
#include "lib/api.h"

GUEST64(guest, hlt);

static void see_segment(const char *name, const struct kvm_segment *s)
{
	see("%s: selector=0x%x base=0x%llx limit=0x%x type=0x%x s=%d dpl=%d present=%d db=%d l=%d g=%d avl=%d unusable=%d",
	    name, s->selector, s->base, s->limit, s->type, s->s, s->dpl, s->present, s->db, s->l, s->g, s->avl,
	    s->unusable);
}

static void see_sregs(const struct kvm_sregs *s)
{
	see_segment("cs", &s->cs);
	see_segment("ds", &s->ds);
	see_segment("es", &s->es);
	see_segment("fs", &s->fs);
	see_segment("gs", &s->gs);
	see_segment("ss", &s->ss);
	see_segment("tr", &s->tr);
	see_segment("ldt", &s->ldt);
	see("gdt: base=0x%llx limit=0x%x idt: base=0x%llx limit=0x%x", s->gdt.base, s->gdt.limit, s->idt.base,
	    s->idt.limit);
	see("cr0=0x%llx cr2=0x%llx cr3=0x%llx cr4=0x%llx cr8=0x%llx efer=0x%llx apic_base=0x%llx", s->cr0, s->cr2,
	    s->cr3, s->cr4, s->cr8, s->efer, s->apic_base);
	see("interrupt_bitmap: %llx %llx %llx %llx", s->interrupt_bitmap[0], s->interrupt_bitmap[1],
	    s->interrupt_bitmap[2], s->interrupt_bitmap[3]);
}

static void try(struct vcpu *v, const char *name, const struct kvm_sregs *s)
{
	struct kvm_sregs before, after;

	get_sregs(v, &before);
	if (see_result(name, ioctl(v->fd, KVM_SET_SREGS, s)) == 0) {
		set_sregs(v, &before);
		return;
	}
	get_sregs(v, &after);
	check(memcmp(&before, &after, sizeof(before)) == 0);
}

#define TRY(what) do { struct kvm_sregs s = good; s.what; try(v, #what, &s); } while (0)

static void bad(struct vcpu *v)
{
	struct kvm_sregs good;

	get_sregs(v, &good);
	TRY(cr0 |= 1ull << 32);
	TRY(cr0 &= ~1ull);			/* PG without PE */
	TRY(cr0 |= 1u << 29);			/* NW without CD */
	TRY(cr4 |= 1ull << 63);
	TRY(cr4 |= 1u << 19);
	TRY(cr4 &= ~0x20ull);			/* long mode without PAE */
	TRY(efer |= 2);
	TRY(efer |= 1ull << 40);
	TRY(efer &= ~0x400ull);			/* LME and PG without LMA */
	TRY(efer &= ~0x100ull);			/* LMA without LME */
	TRY(cr3 |= 1ull << 52);
	TRY(cr8 = 15);
	TRY(apic_base |= 1);
	TRY(apic_base |= 1ull << 60);
}

void test(void)
{
	struct kvm_sregs s, back;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	see("reset:");
	get_sregs(v, &s);
	see_sregs(&s);
	vcpu_long(v, guest);
	get_sregs(v, &s);
	s.ds.base = 0x1000;
	s.fs.base = 0x7fff12345678;
	s.es.dpl = 3;
	s.es.selector = 0x33;
	s.ldt = s.tr;
	s.ldt.type = 2;
	s.ldt.base = 0xffff800000001000;
	s.ldt.limit = 0x123;
	s.gs.unusable = 1;
	s.gs.present = 0;
	s.cr2 = 0x8877665544332211;
	s.cr8 = 5;
	s.interrupt_bitmap[1] = 1ull << 3;
	see("KVM_SET_SREGS:");
	see_ioctl(v->fd, KVM_SET_SREGS, &s);
	get_sregs(v, &back);
	see_sregs(&back);
	s.interrupt_bitmap[1] = 0;
	see_ioctl(v->fd, KVM_SET_SREGS, &s);
	bad(v);
	see_result("bad address", ioctl(v->fd, KVM_SET_SREGS, 8));
}
