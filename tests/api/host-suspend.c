// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host suspends, as far as it goes without turning the power off (/sys/power/pm_test: core), while a guest runs, and resumes: the guest goes on
 * with its registers, MSRs and timer, and so does one that isn't running, whose state may be in the CPU.
 */
#include "lib/host.h"

#define ROUNDS		2

static struct vm vm;
static struct vcpu *runs, *parked;

static bool can_write(const char *path, const char *words)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, words, strlen(words)) == (ssize_t)strlen(words);

	if (fd >= 0)
		close(fd);
	return done;
}

/* A thread is frozen in KVM_RUN as by a signal. */
static void *run_guest(void *arg)
{
	struct vcpu *v = arg;

	do
		v->result = vcpu_go(v);
	while (v->result == -EINTR);
	return NULL;
}

/* Files that come over 9p are gone when the host is back: its device doesn't survive. */
static void want_suspend(void)
{
	if (access("/sys/module/9pnet_virtio", F_OK) == 0)
		skip("this host's files would be gone");
	if (!can_write("/sys/power/mem_sleep", "deep") || !can_write("/sys/power/pm_test", "core"))
		skip("this host can't suspend");
	can_write("/sys/module/suspend/parameters/pm_test_delay", "0");
}

void test(void)
{
	want_suspend();
	vm_of_two(&vm, &runs, &parked);
	must(pthread_create(&runs->thread, NULL, run_guest, runs) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		see_goes_on(runs);
		see_guest(parked);
		must(can_write("/sys/power/state", "mem"));
		see("the host has resumed");
		see_goes_on(runs);
		see_guest(parked);
	}
	end_goes_on(runs);
	see_guest_result(runs, vcpu_join(runs));
	can_write("/sys/power/pm_test", "none");
}
