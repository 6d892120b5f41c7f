// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_X86_DISABLE_EXITS: HLT, MWAIT and PAUSE that don't exit any more; who waits in the guest is woken by timers, MSIs and signals. */
#include "lib/api.h"

#define ROUNDS	50
#define LAPIC	0xfee00000

GUEST64(halts,
	mov $LAPIC, %ebx; mov $ROUNDS, %edi;
	movl $0x1ff, 0xf0(%rbx); movl $0xb, 0x3e0(%rbx); movl $0x20040, 0x320(%rbx);
	movl $1000000, 0x380(%rbx);
	1: sti; hlt; cli; dec %edi; jnz 1b;
	movl $0, 0x380(%rbx);
	mov $0x600d, %eax; REPORT_EAX;
	DONE);
GUEST64(mwaits,
	mov $ROUNDS * 100, %edi; xor %ecx, %ecx; xor %edx, %edx;
	1: mov $0x50000, %eax; monitor; incl 0x50000; xor %eax, %eax; mwait; dec %edi; jnz 1b;
	mov $0x600d, %eax; REPORT_EAX;
	DONE);
GUEST64(pauses, mov $ROUNDS * 100, %edi; 1: pause; dec %edi; jnz 1b; mov $0x600d, %eax; REPORT_EAX; DONE);
GUEST64(waits, sti; 1: hlt; cmpl $0, %gs:(4 * 0x41); je 1b; cli; mov $0x600d, %eax; REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;

static u64 run(const char *entry, const char *stat)
{
	u64 before = stat_of(v->fd, stat);

	vcpu_long(v, entry);
	v->nreports = 0;
	check_eq(see_guest(v), GO_DONE);
	return stat_of(v->fd, stat) - before;
}

/* Waits for an MSI that another thread sends, and without one until a signal comes. */
static void woken(void)
{
	vcpu_long(v, waits);
	v->nreports = 0;
	counts(v)[0x41] = 0;
	vcpu_go_thread(v);
	msleep(20);
	see_result("MSI", msi(&vm, 0xfee00000, 0x41));
	see_guest_result(v, vcpu_join(v));
	vcpu_long(v, waits);
	counts(v)[0x41] = 0;
	vcpu_go_thread(v);
	msleep(20);
	vcpu_kick(v);
	see("a signal: %s", strerrorname_np(-vcpu_join(v)));
}

static void with(const char *name, u64 disabled)
{
	see("-- %s", name);
	vm_init(&vm);
	vm_irqchip(&vm);
	if (disabled)
		see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_X86_DISABLE_EXITS, disabled));
	v = vcpu_create(&vm, 0);
	set_cpuid_plus(v, 1, 1 << 3);		/* MONITOR and MWAIT */
	shared(&vm)->eoi = EOI_LAPIC;
	see("HLT exits: %s", run(halts, "halt_exits") ? "yes" : "no");
	see("MONITOR and MWAIT exit: %s", run(mwaits, "exits") >= ROUNDS * 100 ? "yes" : "no");
	check(run(pauses, "exits") < ROUNDS * 100);
	woken();
	vm_destroy(&vm);
}

/* Without a LAPIC in the kernel HLT is the VMM's, or nobody's. */
static void without_irqchip(void)
{
	see("-- no HLT exits without irqchip");
	vm_init(&vm);
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT));
	v = vcpu_create(&vm, 0);
	vcpu_long(v, waits);
	vcpu_go_thread(v);
	msleep(20);
	vcpu_kick(v);
	see("a signal: %s", strerrorname_np(-vcpu_join(v)));
	vm_destroy(&vm);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_X86_DISABLE_EXITS);
	see("MWAIT, HLT, PAUSE: 0x%x", vm_cap(&vm, KVM_CAP_X86_DISABLE_EXITS) & 7);
	see_result("an unknown bit", vm_enable(&vm, KVM_CAP_X86_DISABLE_EXITS, 1 << 4));
	vcpu_create(&vm, 0);
	see_result("after a vCPU", vm_enable(&vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT));
	vm_destroy(&vm);
	with("all exit", 0);
	with("no HLT exits", KVM_X86_DISABLE_EXITS_HLT);
	with("no MWAIT exits", KVM_X86_DISABLE_EXITS_MWAIT);
	with("no PAUSE exits", KVM_X86_DISABLE_EXITS_PAUSE);
	with("none of them", KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_PAUSE);
	without_irqchip();
}
