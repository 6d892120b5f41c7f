// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends KVM_RUN: immediate_exit, a signal, a signal that KVM_SET_SIGNAL_MASK lets in; pending
 * I/O is completed first.
 */
#include "lib/api.h"

GUEST64(spin, sti; 1: pause; jmp 1b);	/* or Bochs takes no interrupt of the host's */
GUEST64(reads, in $0x80, %eax; REPORT_EAX; mov MMIO_BASE, %eax; REPORT_EAX; DONE);
GUEST64(nothing, nop; DONE; hlt);

static struct vm vm;
static struct vcpu *v;

static void run(const char *name)
{
	see_result(name, ioctl(v->fd, KVM_RUN, 0));
}

/* With immediate_exit the pending read is completed, the guest does not run on. */
static void immediate(void)
{
	u64 rip;
	struct kvm_regs r;

	vcpu_long(v, reads);
	v->run->immediate_exit = 1;
	run("immediate_exit before the first instruction");
	get_regs(v, &r);
	rip = r.rip;
	v->run->immediate_exit = 0;
	run("run");
	see_exit(v);
	fill_read(v);
	v->run->immediate_exit = 1;
	run("immediate_exit after a port read");
	get_regs(v, &r);
	see("RAX 0x%llx, RIP %+lld", r.rax, r.rip - rip);
	v->run->immediate_exit = 0;
	run("run");
	see_exit(v);
	run("run");
	see_exit(v);
	fill_read(v);
	v->run->immediate_exit = 1;
	run("immediate_exit after an MMIO read");
	see_regs(v, "rax");
	v->run->immediate_exit = 0;
	see_guest(v);
}

static void signals(void)
{
	vcpu_long(v, spin);
	vcpu_go_thread(v);
	msleep(20);
	pthread_kill(v->thread, SIGUSR1);
	see_guest_result(v, vcpu_join(v));
	see("exit reason %s", exit_name(v->run->exit_reason));
	vcpu_go_thread(v);
	msleep(20);
	vcpu_kick(v);
	see_guest_result(v, vcpu_join(v));
	v->run->immediate_exit = 0;
}

static void mask(void)
{
	struct {
		struct kvm_signal_mask h;
		u8 set[8];
	} m = { .h.len = 8 };
	sigset_t usr1, pending;

	see("-- signal mask");
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	vcpu_long(v, nothing);
	see_guest(v);				/* a blocked signal does not end it */
	see_result("KVM_SET_SIGNAL_MASK, all let in", ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m));
	vcpu_long(v, nothing);
	run("run with the signal pending");
	sigpending(&pending);
	see("still pending: %d", sigismember(&pending, SIGUSR1));
	m.h.len = 4;
	see_result("mask of 4 bytes", ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m));
	see_result("no mask", ioctl(v->fd, KVM_SET_SIGNAL_MASK, NULL));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	see_guest(v);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IMMEDIATE_EXIT);
	v = vcpu_create(&vm, 0);
	immediate();
	signals();
	mask();
	see_result("KVM_RUN with an argument", ioctl(v->fd, KVM_RUN, 1));
}
