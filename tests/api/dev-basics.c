// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/kvm itself, and numbers that are none. */
#include "lib/api.h"

void test(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd, size;

	must(kvm >= 0);
	see_ioctl(kvm, KVM_GET_API_VERSION, 0);
	see_result("KVM_GET_API_VERSION with an argument", ioctl(kvm, KVM_GET_API_VERSION, 1));
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	see("mmap size: %s", size >= (int)sizeof(struct kvm_run) && size % PAGE_SIZE == 0 ? "whole pages" : "odd");
	see_result("KVM_GET_VCPU_MMAP_SIZE with an argument", ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 1));
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	see("KVM_CREATE_VM: %s", fd >= 0 ? "a descriptor" : "none");
	check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	see("types of VMs: 0x%x", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES));
	see_result("KVM_CREATE_VM of type 99", ioctl(kvm, KVM_CREATE_VM, 99));
	see_result("KVM_CHECK_EXTENSION of 0xffff", ioctl(kvm, KVM_CHECK_EXTENSION, 0xffff));
	see_result("a VM's ioctl", ioctl(kvm, KVM_CREATE_VCPU, 0));
	see_result("a vCPU's ioctl", ioctl(kvm, KVM_RUN, 0));
	see_result("KVMIO 0xfe", ioctl(kvm, _IO(KVMIO, 0xfe), 0));
	see_result("another type's ioctl", ioctl(kvm, _IO('x', 1), 0));
	see_result("read", read(kvm, &fd, 4));
	see_result("mmap", (long)mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, kvm, 0));
	see_result("lseek", lseek(kvm, 0, SEEK_SET));
}
