// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CREATE_VCPU: numbers, limits, duplicates; the mapping of a vCPU; KVM_SET_BOOT_CPU_ID. */
#include "lib/api.h"

#define MANY	64

static void numbers(void)
{
	struct vm vm;
	int max;

	vm_create(&vm);
	max = vm_cap(&vm, KVM_CAP_MAX_VCPU_ID);
	need_cap(&vm, KVM_CAP_NR_VCPUS);
	check(vm_cap(&vm, KVM_CAP_MAX_VCPUS) >= MANY);
	see("0: %s", ioctl(vm.fd, KVM_CREATE_VCPU, 0) >= 0 ? "made" : "refused");
	see_result("0 again", ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	see("the greatest: %s", ioctl(vm.fd, KVM_CREATE_VCPU, max - 1) >= 0 ? "made" : "refused");
	see_result("one more than the greatest", ioctl(vm.fd, KVM_CREATE_VCPU, max));
	see_result("-1", ioctl(vm.fd, KVM_CREATE_VCPU, -1ul));
	see_result("2^32", ioctl(vm.fd, KVM_CREATE_VCPU, 1ul << 32));
	vm_destroy(&vm);
}

static void many(void)
{
	int fds[MANY], n = 0;
	struct vm vm;

	vm_create(&vm);
	vm_irqchip(&vm);
	for (int i = 0; i < MANY; i++) {
		fds[i] = ioctl(vm.fd, KVM_CREATE_VCPU, i);
		n += fds[i] >= 0;
	}
	see("%d of %d", n, MANY);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	see_result("a number whose descriptor was closed", ioctl(vm.fd, KVM_CREATE_VCPU, 5));
	vm_destroy(&vm);
}

static void mapping(void)
{
	struct vm vm;
	struct vcpu *v;
	int size;

	vm_create(&vm);
	v = vcpu_create(&vm, 0);
	size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	see("the page after the mapping's end: %s",
	    mmap(NULL, size + PAGE_SIZE, PROT_READ, MAP_SHARED, v->fd, 0) == MAP_FAILED ? "refused" : "mapped, empty");
	v->run->request_interrupt_window = 1;
	munmap(v->run, size);
	v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	see("what was written stays: %d", v->run->request_interrupt_window);
	vm_destroy(&vm);
}

static void boot_cpu(void)
{
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_SET_BOOT_CPU_ID);
	vm_irqchip(&vm);
	see_result("KVM_SET_BOOT_CPU_ID", ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 1));
	vcpu_create(&vm, 0);
	vcpu_create(&vm, 1);
	for (int i = 0; i < 2; i++) {
		struct kvm_sregs s;

		get_sregs(&vm.vcpu[i], &s);
		see("vCPU %d: apic_base 0x%llx, state %u", i, s.apic_base, get_mp_state(&vm.vcpu[i]));
	}
	see_result("KVM_SET_BOOT_CPU_ID after a vCPU", ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 0));
	vm_destroy(&vm);
}

/* KVM_CAP_MAX_VCPU_ID, enabled: fewer ids, once, before the first vCPU. */
static void fewer_ids(void)
{
	int max;
	struct vm vm;

	vm_create(&vm);
	max = vm_cap(&vm, KVM_CAP_MAX_VCPU_ID);
	see_result("0 ids", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, 0));
	see_result("more ids than there are", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, max + 1));
	see_result("4 ids", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, 4));
	see_result("5 ids after that", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, 5));
	see_result("4 ids again", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, 4));
	see_result("4", ioctl(vm.fd, KVM_CREATE_VCPU, 4));
	see("3: %s", ioctl(vm.fd, KVM_CREATE_VCPU, 3) >= 0 ? "made" : "refused");
	vm_destroy(&vm);
	vm_create(&vm);
	vcpu_create(&vm, 0);
	see_result("4 ids after a vCPU", vm_enable(&vm, KVM_CAP_MAX_VCPU_ID, 4));
	vm_destroy(&vm);
}

void test(void)
{
	numbers();
	many();
	mapping();
	boot_cpu();
	fewer_ids();
}
