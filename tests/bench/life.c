// SPDX-License-Identifier: GPL-2.0-only
/* VMs come and go; timed around the ioctls. */
#include "bench.h"

enum stage { CREATE_VM, CREATE_IRQCHIP, CREATE_VCPU, DESTROY_VM, STAGES };

static u32 times[STAGES][COUNT];

/* The end of a VM is the last close() of its descriptors. */
static void life(int kvm, u32 at[STAGES])
{
	u64 t[STAGES + 2];
	int vm, vcpu;

	t[0] = rdtsc();
	mark(MARK_BEGIN + CREATE_VM);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	mark(MARK_END + CREATE_VM);
	t[1] = rdtsc();
	must(vm >= 0);
	mark(MARK_BEGIN + CREATE_IRQCHIP);
	must_ioctl(vm, KVM_CREATE_IRQCHIP, 0);
	mark(MARK_END + CREATE_IRQCHIP);
	t[2] = rdtsc();
	mark(MARK_BEGIN + CREATE_VCPU);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	mark(MARK_END + CREATE_VCPU);
	t[3] = rdtsc();
	must(vcpu >= 0);
	mark(MARK_BEGIN + DESTROY_VM);
	close(vcpu);
	close(vm);
	mark(MARK_END + DESTROY_VM);
	t[4] = rdtsc();
	for (int s = 0; s < STAGES; s++)
		at[s] = t[s + 1] - t[s];
}

static void run_life(const struct op *op)
{
	static const char *const names[] = { "create_vm", "create_irqchip", "create_vcpu", "destroy_vm" };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	u32 at[STAGES];

	(void)op;
	must(kvm >= 0);
	for (int i = 0; i < 16; i++)		/* warm */
		life(kvm, at);
	for (int i = 0; i < COUNT; i++) {
		life(kvm, at);
		for (int s = 0; s < STAGES; s++)
			times[s][i] = at[s];
	}
	for (int s = 0; s < STAGES; s++) {
		for (int i = 0; i < COUNT; i++)
			sample(times[s][i]);
		report(names[s]);
	}
}

const struct op life_ops[] = {
	{ "create_vm create_irqchip create_vcpu destroy_vm", run_life, NULL, 0 },
	{}
};
