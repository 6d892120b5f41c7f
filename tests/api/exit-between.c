// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMM may do between an exit that asks it for something and the KVM_RUN that brings the
 * answer: nothing, look, write back what it has read, move the vCPU, let it be stepped. The access is
 * made three times, so that it is no news to KVM by then.
 */
#include "lib/api.h"

#define TIMES	3

GUEST64(outs, mov $TIMES, %ecx; mov $7, %eax; 1: out %eax, $0x80; dec %ecx; jnz 1b; DONE);
GUEST64(ins, mov $TIMES, %ecx; 1: in $0x80, %eax; dec %ecx; jnz 1b; REPORT_EAX; DONE);
GUEST64(stores, mov $TIMES, %ecx; mov $MMIO_BASE, %ebx; mov $7, %eax; 1: mov %eax, (%rbx); dec %ecx; jnz 1b; DONE);
GUEST64(loads, mov $TIMES, %ecx; mov $MMIO_BASE, %ebx; 1: mov (%rbx), %eax; dec %ecx; jnz 1b; REPORT_EAX; DONE);
GUEST64(elsewhere, mov $0x77, %eax; REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;
static u64 asked_at;
static bool port;

/* When RIP moves behind a MOV is not said. */
static void see_moved(u64 rip)
{
	if (port)
		see("RIP moved by %lld", (long long)(rip - asked_at));
}

static void nothing(void)
{
}

static void look(void)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	get_regs(v, &r);
	get_sregs(v, &s);
	see_moved(r.rip);
}

static void write_back(void)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	get_regs(v, &r);
	get_sregs(v, &s);
	set_sregs(v, &s);
	set_regs(v, &r);
}

static void move(u64 rip)
{
	struct kvm_regs r;

	get_regs(v, &r);
	r.rip = rip;
	set_regs(v, &r);
}

static void away(void)
{
	move((uintptr_t)elsewhere);
}

static void away_and_back(void)
{
	away();
	move(asked_at);
}

static void away_by_kvm_run(void)
{
	get_regs(v, (struct kvm_regs *)&v->run->s.regs.regs);
	v->run->s.regs.regs.rip = (uintptr_t)elsewhere;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

static void end_at_once(void)
{
	struct kvm_regs r;

	v->run->immediate_exit = 1;
	see_result("immediate_exit", ioctl(v->fd, KVM_RUN, 0));
	v->run->immediate_exit = 0;
	get_regs(v, &r);
	see_moved(r.rip);
}

static void step_it(void)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
	see_result("step", vcpu_run(v));
	see("exit %s", exit_name(v->run->exit_reason));
	see_moved(v->run->debug.arch.pc);
	d.control = 0;
	see_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
}

static const struct {
	const char *name, *entry;
	bool port;
} accesses[] = {
	{ "OUT", outs, true }, { "IN", ins, true }, { "store", stores, false }, { "load", loads, false },
};

/* What else becomes of an instruction that is moved away from or stepped is not said for MMIO. */
static const struct {
	const char *name;
	void (*act)(void);
	bool port_only;
} betweens[] = {
	{ "nothing", nothing, false }, { "a look", look, false }, { "the same registers", write_back, false },
	{ "KVM_RUN's end", end_at_once, false },
	{ "RIP elsewhere", away, true }, { "RIP elsewhere and back", away_and_back, true },
	{ "RIP elsewhere, by KVM_RUN", away_by_kvm_run, true }, { "a step", step_it, true },
};

static void between(const char *entry, void (*act)(void))
{
	struct kvm_regs r;
	int turn;

	vcpu_long(v, entry);
	shared(&vm)->nlog = 0;
	for (turn = 0; turn < 3; turn++) {
		must(vcpu_run(v) == 0);
		fill_read(v);
	}
	see_exit(v);
	get_regs(v, &r);
	asked_at = r.rip;
	see_guest(v);
	/* The same again, without an ioctl in between. */
	vcpu_long(v, entry);
	for (turn = 0; turn < 3; turn++) {
		must(vcpu_run(v) == 0);
		fill_read(v);
	}
	act();
	see_guest(v);
	see_regs(v, "rip rax rcx");
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SYNC_REGS);
	need_cap(&vm, KVM_CAP_SET_GUEST_DEBUG);
	v = vcpu_create(&vm, 0);
	for (size_t a = 0; a < ARRAY_SIZE(accesses); a++) {
		for (size_t b = 0; b < ARRAY_SIZE(betweens); b++) {
			if (betweens[b].port_only && !accesses[a].port)
				continue;
			see("-- %s, %s", accesses[a].name, betweens[b].name);
			port = accesses[a].port;
			between(accesses[a].entry, betweens[b].act);
		}
	}
}
