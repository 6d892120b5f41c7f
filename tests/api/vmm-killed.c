// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that is killed in the middle, at moments that differ, with vCPUs that run, halt, exit, and
 * with everything open.
 */
#include "lib/api.h"

#define ROUNDS	12

GUEST64(spin, sti; 1: lock incl 0x100000; jmp 1b);	/* without STI Bochs takes no interrupt of the host's */
GUEST64(halt, sti; hlt; jmp halt);
GUEST64(exits, sti; 1: out %al, $0x80; mov MMIO_BASE, %eax; jmp 1b);
GUEST64(ipis, sti; mov $0xfee00000, %ebx; movl $0x1ff, 0xf0(%rbx); 1: movl $0xc00f1, 0x300(%rbx);
	jmp 1b);
GUEST64(fine, mov $0x600d, %eax; REPORT_EAX; DONE);

static void *endless(void *arg)
{
	for (;;)
		vcpu_run(arg);
	return NULL;
}

static void child(int round)
{
	static const char *const entries[] = { spin, halt, exits, ipis };
	int irq = eventfd(0, 0), io = eventfd(0, 0);
	struct kvm_irqfd f = { .fd = irq, .gsi = 5 };
	struct kvm_ioeventfd e = { .fd = io, .addr = MMIO_BASE + 0x1000, .len = 4 };
	struct vm vm;

	alarm(0);
	vm_init(&vm);
	vm_irqchip(&vm);
	for (int i = 0; i < 4; i++) {
		struct vcpu *v = vcpu_create(&vm, i);

		vcpu_long(v, entries[i]);
		set_mp_state(v, KVM_MP_STATE_RUNNABLE);
		pthread_create(&v->thread, NULL, endless, v);
		if (i * 4 == round)
			_exit(0);
	}
	ioctl(vm.fd, KVM_IRQFD, &f);
	ioctl(vm.fd, KVM_IOEVENTFD, &e);
	for (;;) {
		vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x40000000, 0x100000, vm.mem);
		vm_slot(&vm, 1, 0, 0x50000000, 0x100000, vm.mem);
		vm_slot(&vm, 1, 0, 0, 0, NULL);
		eventfd_write(irq, 1);
		if (round == 1)
			_exit(0);
	}
}

void test(void)
{
	struct vm vm;
	struct vcpu *v;

	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			child(round);
		msleep(10 + 7 * round);
		kill(pid, SIGKILL);
		must(waitpid(pid, &status, 0) == pid);
	}
	see("killed %d times", ROUNDS);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, fine);
	check_eq(see_guest(v), GO_DONE);
}
