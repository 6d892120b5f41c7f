// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events whose delivery faults in the host: the pages of IDT, GDT, TSS and stack are taken away just before, so that the
 * processor meets a nested page fault half way. Each event must arrive, once.
 */
#include "lib/api.h"

GUEST64(window, sti; nop; nop; cli; DONE);
GUEST64(soft, int3; DONE);
GUEST64(soft_int, int $0x41; DONE);
GUEST64(pf, mov 0xfffffffff0000000, %rax; DONE);
GUEST64(ud, ud2; DONE);
GUEST64(over, DONE);
GUEST64(touch, push %rax; pop %rax; nop; nop; DONE);

static struct vm vm;
static struct vcpu *v;

/* The page's content stays, its mapping goes: it moves to another host page and back. */
static void evict(u64 gpa)
{
	u8 *p = gpa_ptr(&vm, gpa), copy[PAGE_SIZE];

	memcpy(copy, p, PAGE_SIZE);
	must(madvise(p, PAGE_SIZE, MADV_DONTNEED) == 0);
	memcpy(p, copy, PAGE_SIZE);
}

static void run(const char *name, const char *entry, int vector)
{
	static const u64 pages[] = { GUEST_IDT, GUEST_GDT, GUEST_TSS, GUEST_STACK, GUEST_LOG, GUEST_COUNTS, GUEST_SHARED };

	vcpu_long(v, entry);
	lapic_enable(v);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	shared(&vm)->eoi = vector == 0x41 && entry == soft_int ? 0 : EOI_LAPIC;
	counts(v)[vector] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		evict(pages[i]);
	see("-- %s", name);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	check_eq(counts(v)[vector], 1);
}

static void inject(const char *name, int vector, bool error)
{
	struct kvm_vcpu_events e = { .exception = { .injected = 1, .nr = vector, .has_error_code = error, .error_code = 4 } };

	vcpu_long(v, touch);
	must_ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e);
	/* run() sets the registers, which would take the event away: by hand. */
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	evict(GUEST_IDT);
	evict(GUEST_STACK);
	evict(GUEST_GDT);
	see("-- %s", name);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	check_eq(shared(&vm)->nlog, 1);
}

void test(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	for (int i = 0; i < 3; i++) {
		must(msi(&vm, 0xfee00000, 0x41) == 1);
		run("interrupt", window, 0x41);
		must_ioctl(v->fd, KVM_NMI, 0);
		run("NMI", touch, 2);
		run("#BP", soft, 3);
		run("INT n", soft_int, 0x41);
		run("#PF", pf, 14);
		run("#UD", ud, 6);
		inject("injected #GP", 13, true);
		inject("injected #DE", 0, false);
	}
}
