// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU of the host goes offline and comes back: the guest that runs there goes on on another one, with its registers, MSRs and timer, and so does
 * one whose last exit was there and whose thread is somewhere else since. VMs end and begin while the CPU is away.
 */
#include "lib/host.h"

#define ROUNDS		2
#define ONLINE		"/sys/devices/system/cpu/cpu1/online"

static struct vm vm, other;
static struct vcpu *runs, *parked;

static void set_online(int on)
{
	int fd = open(ONLINE, O_WRONLY);

	must(fd >= 0);
	must(write(fd, on ? "1" : "0", 1) == 1);
	close(fd);
	see("CPU 1 is %s", on ? "online" : "offline");
}

static void on_cpu_1(struct vcpu *v)
{
	pin(pthread_self(), 1);
	see_guest(v);
	pin(pthread_self(), 0);
}

static struct vcpu *new_vm(struct vm *new, const char *entry)
{
	struct vcpu *v;

	vm_init(new);
	vm_irqchip(new);
	v = vcpu_create(new, 0);
	vcpu_long(v, entry);
	return v;
}

/* What was left on CPU 1 by its last exit is used, ended or found again from CPU 0. */
static void round_trip(void)
{
	struct vcpu *leaves = new_vm(&other, keeps);

	pin(runs->thread, 1);
	see_goes_on(runs);
	on_cpu_1(parked);
	on_cpu_1(leaves);
	set_online(0);
	see_goes_on(runs);
	see_guest(parked);
	vm_destroy(&other);
	see_guest(new_vm(&other, keeps));
	set_online(1);
	pin(runs->thread, 1);
	see_goes_on(runs);
	on_cpu_1(parked);
	on_cpu_1(&other.vcpu[0]);
	vm_destroy(&other);
}

void test(void)
{
	if (access(ONLINE, W_OK) || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("no second CPU, or it can't go offline");
	pin(pthread_self(), 0);
	vm_of_two(&vm, &runs, &parked);
	vcpu_go_thread(runs);
	for (int i = 0; i < ROUNDS; i++)
		round_trip();
	end_goes_on(runs);
	see_guest_result(runs, vcpu_join(runs));
}
