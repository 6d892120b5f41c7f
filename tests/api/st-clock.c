// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_CLOCK and KVM_SET_CLOCK: flags, time that goes on, real time, refused values. */
#include "lib/api.h"

static void get(struct vm *vm, struct kvm_clock_data *c)
{
	memset(c, 0, sizeof(*c));
	must_ioctl(vm->fd, KVM_GET_CLOCK, c);
}

void test(void)
{
	struct kvm_clock_data a, b;
	struct timespec t;
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_ADJUST_CLOCK);
	see("KVM_CAP_ADJUST_CLOCK 0x%x", vm_cap(&vm, KVM_CAP_ADJUST_CLOCK));
	vcpu_create(&vm, 0);
	get(&vm, &a);
	see("flags but stable 0x%x", a.flags & ~KVM_CLOCK_TSC_STABLE);	/* clock-page has the stable flag */
	msleep(20);
	get(&vm, &b);
	see("goes on: %d", b.clock > a.clock + 10000000);
	a.clock = 1000000000000000ull;
	a.flags = 0;
	see_ioctl(vm.fd, KVM_SET_CLOCK, &a);
	get(&vm, &b);
	see("set: %d", b.clock >= a.clock && b.clock < a.clock + 60000000000ull);
	a.clock = 0;
	see_ioctl(vm.fd, KVM_SET_CLOCK, &a);
	get(&vm, &b);
	see("set back: %d", b.clock < 60000000000ull);
	a.flags = 1u << 31;
	see_result("unknown flag", ioctl(vm.fd, KVM_SET_CLOCK, &a));
	a.flags = KVM_CLOCK_TSC_STABLE;
	see_result("KVM_CLOCK_TSC_STABLE", ioctl(vm.fd, KVM_SET_CLOCK, &a));
	if (vm_cap(&vm, KVM_CAP_ADJUST_CLOCK) & KVM_CLOCK_REALTIME) {
		clock_gettime(CLOCK_REALTIME, &t);
		a.flags = KVM_CLOCK_REALTIME;
		a.clock = 7000000000000ull;
		a.realtime = t.tv_sec * 1000000000ull + t.tv_nsec - 100000000000ull;	/* taken 100 s ago */
		see_ioctl(vm.fd, KVM_SET_CLOCK, &a);
		get(&vm, &b);
		see("100 s later: %d", b.clock >= a.clock + 100000000000ull && b.clock < a.clock + 160000000000ull);
	}
	see_result("bad address", ioctl(vm.fd, KVM_SET_CLOCK, 8));
}
