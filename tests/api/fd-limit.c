// SPDX-License-Identifier: GPL-2.0-only
/* No descriptor is left for what an ioctl makes: EMFILE, nothing was made, and it works when there is one again. */
#include <sys/resource.h>
#include "lib/api.h"

GUEST64(guest, mov $0x600d, %eax; REPORT_EAX; DONE);

static void limit(rlim_t files)
{
	struct rlimit l = { .rlim_cur = files, .rlim_max = 1024 };

	must(setrlimit(RLIMIT_NOFILE, &l) == 0);
}

static int full(void)
{
	int fd = dup(0);

	must(fd >= 0);
	close(fd);
	limit(fd);
	return fd;
}

void test(void)
{
	struct vm vm;

	vm_init(&vm);
	full();
	see_result("KVM_CREATE_VM", ioctl(vm.kvm, KVM_CREATE_VM, 0));
	see_result("KVM_CREATE_VCPU", ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	see_result("KVM_GET_STATS_FD of a VM", ioctl(vm.fd, KVM_GET_STATS_FD, 0));
	limit(1024);
	vcpu_create(&vm, 0);
	full();
	see_result("KVM_GET_STATS_FD of a vCPU", ioctl(vm.vcpu[0].fd, KVM_GET_STATS_FD, 0));
	limit(1024);
	vcpu_long(&vm.vcpu[0], guest);
	check_eq(see_guest(&vm.vcpu[0]), GO_DONE);
	see("descriptors again: %d", ioctl(vm.vcpu[0].fd, KVM_GET_STATS_FD, 0) >= 0);
}
