// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors closed in every order; what is left open goes on working; a VM belongs to the process
 * that made it.
 */
#include "lib/api.h"

#define NFDS	4			/* /dev/kvm, VM, two vCPUs */

GUEST64(guest, nop; DONE);

static int runs(struct vcpu *v)
{
	vcpu_long(v, guest);
	return vcpu_go(v) == GO_DONE;
}

/* The vCPU that is closed last still runs before it is. */
static int close_in_order(const int *order)
{
	struct vm vm;
	int *fds[NFDS] = { &vm.kvm, &vm.fd, &vm.vcpu[0].fd, &vm.vcpu[1].fd };
	int ran = 0;

	vm_init(&vm);
	for (int i = 0; i < 2; i++) {
		vcpu_create(&vm, i);
		ran += runs(&vm.vcpu[i]);
	}
	for (int i = 0; i < NFDS; i++) {
		struct vcpu *v = &vm.vcpu[order[i] - 2];

		if (order[i] >= 2)
			ran += runs(v);
		close(*fds[order[i]]);
	}
	for (int i = 0; i < 2; i++)
		munmap(vm.vcpu[i].run, PAGE_SIZE);
	munmap(vm.mem, vm.size);
	return ran;
}

static void permutations(void)
{
	int order[NFDS], n = 0;

	for (int code = 0; code < 256; code++) {
		int seen = 0;

		for (int i = 0; i < NFDS; i++) {
			order[i] = code >> 2 * i & 3;
			seen |= 1 << order[i];
		}
		if (seen != 15)
			continue;
		n++;
		check_eq(close_in_order(order), 4);
	}
	see("%d orders", n);
}

/* vCPU mappings, eventfds and statistics outlive the descriptors they came from. */
static void left_over(void)
{
	int irq = eventfd(0, EFD_NONBLOCK), io = eventfd(0, EFD_NONBLOCK), stats;
	struct kvm_irqfd f = { .fd = irq, .gsi = 5 };
	struct kvm_ioeventfd e = { .fd = io, .addr = 0x600, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct vm vm;
	u32 word;

	vm_init(&vm);
	vm_irqchip(&vm);
	vcpu_create(&vm, 0);
	see_ioctl(vm.fd, KVM_IRQFD, &f);
	see_ioctl(vm.fd, KVM_IOEVENTFD, &e);
	stats = vm_cap(&vm, KVM_CAP_BINARY_STATS_FD) > 0 ? ioctl(vm.fd, KVM_GET_STATS_FD, 0) : -1;
	close(vm.kvm);
	close(vm.fd);
	close(vm.vcpu[0].fd);
	see("mapping: exit reason %u", vm.vcpu[0].run->exit_reason);
	eventfd_write(irq, 1);
	if (stats >= 0) {
		check_eq(pread(stats, &word, 4, 0), 4);
		close(stats);
	}
	munmap(vm.vcpu[0].run, PAGE_SIZE);
	msleep(20);
	eventfd_write(irq, 1);
	close(irq);
	close(io);
}

static void other_process(void)
{
	struct kvm_regs r;
	struct vm vm;
	int status;

	vm_init(&vm);
	vcpu_create(&vm, 0);
	if (fork() == 0) {
		see_result("vCPU ioctl of another process", ioctl(vm.vcpu[0].fd, KVM_GET_REGS, &r));
		see_result("KVM_RUN of another process", ioctl(vm.vcpu[0].fd, KVM_RUN, 0));
		see_result("VM ioctl of another process", ioctl(vm.fd, KVM_CREATE_VCPU, 1));
		see_result("KVM_CHECK_EXTENSION of another process", ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	check(runs(&vm.vcpu[0]));
	vm_destroy(&vm);
}

void test(void)
{
	permutations();
	left_over();
	other_process();
}
