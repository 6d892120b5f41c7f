// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel has work for the thread of KVM_RUN, to be done on its way to user mode (here a timer of
 * the process's CPU time, whose signal is blocked all the time): the VMM sees nothing of it, with
 * KVM_SET_SIGNAL_MASK as without. What ends KVM_RUN is the signal that comes after.
 */
#include "lib/api.h"
#include <sys/time.h>

GUEST64(spin, sti; 1: pause; jmp 1b);	/* or Bochs takes no interrupt of the host's */

static struct vm vm;
static struct vcpu *v;
static pthread_t runner;

static bool is_pending(int sig)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, sig) == 1;
}

/* Lets the timer go off first: it is seen in the signals of the process. */
static void *end_run(void *arg)
{
	(void)arg;
	while (!is_pending(SIGPROF))
		msleep(10);
	msleep(100);
	must(pthread_kill(runner, SIGUSR1) == 0);
	return NULL;
}

static void run(const char *name)
{
	static const struct itimerval once = { .it_value.tv_usec = 50000 };
	siginfo_t info;
	pthread_t thread;
	sigset_t prof;

	must(pthread_create(&thread, NULL, end_run, NULL) == 0);
	vcpu_long(v, spin);
	must(setitimer(ITIMER_PROF, &once, NULL) == 0);
	see_result(name, ioctl(v->fd, KVM_RUN, 0));
	see("SIGPROF pending: %d, SIGUSR1 pending: %d", is_pending(SIGPROF), is_pending(SIGUSR1));
	pthread_join(thread, NULL);
	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	must(sigwaitinfo(&prof, &info) == SIGPROF);
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

void test(void)
{
	struct {
		struct kvm_signal_mask h;
		u32 set[2];
	} m = { .h.len = 8, .set = { 1u << (SIGPROF - 1) } };

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	runner = pthread_self();
	block(SIGPROF);
	run("no mask");
	block(SIGUSR1);
	see_ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m);
	run("mask");
}
