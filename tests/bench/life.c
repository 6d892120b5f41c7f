// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs come and go; timed around the ioctls. The end of a VM waits for grace periods, in which the host idles, so it has two figures:
 * what the thread ran, and what passed.
 */
#include "bench.h"
#include "clock.h"

enum stage { CREATE_VM, CREATE_IRQCHIP, CREATE_VCPU, DESTROY_VM, DESTROY_VM_ELAPSED, STAGES };

static u32 times[STAGES][COUNT];

/* A look at the thread's clock sees itself: so many ns. */
static u64 clock_cost(void)
{
	u64 least = ~0ull;

	for (int i = 0; i < 100; i++) {
		u64 ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

		ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - ns;
		least = ns < least ? ns : least;
	}
	return least;
}

#define TIMED(stage, what) \
	({ \
		u64 t_ = rdtsc(); \
		mark(MARK_BEGIN + stage); \
		what; \
		mark(MARK_END + stage); \
		rdtsc() - t_; \
	})

/* The end of a VM is the last close() of its descriptors; at[DESTROY_VM] is in ns. */
static void life(int kvm, u64 at[STAGES])
{
	int vm, vcpu;
	u64 ns;

	at[CREATE_VM] = TIMED(CREATE_VM, vm = ioctl(kvm, KVM_CREATE_VM, 0));
	must(vm >= 0);
	at[CREATE_IRQCHIP] = TIMED(CREATE_IRQCHIP, must_ioctl(vm, KVM_CREATE_IRQCHIP, 0));
	at[CREATE_VCPU] = TIMED(CREATE_VCPU, vcpu = ioctl(vm, KVM_CREATE_VCPU, 0));
	must(vcpu >= 0);
	ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	at[DESTROY_VM_ELAPSED] = TIMED(DESTROY_VM, close(vcpu); close(vm));
	at[DESTROY_VM] = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - ns;
}

static void run_life(const struct op *op)
{
	static const char *const names[] = { "create_vm", "create_irqchip", "create_vcpu", "destroy_vm", "destroy_vm_elapsed" };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	u64 at[STAGES], clock = clock_cost();
	double rate = tsc_per_ns();

	(void)op;
	must(kvm >= 0);
	for (int i = 0; i < 16; i++)		/* warm */
		life(kvm, at);
	for (int i = 0; i < COUNT; i++) {
		life(kvm, at);
		at[DESTROY_VM] = (at[DESTROY_VM] - clock) * rate;
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
	{ "create_vm create_irqchip create_vcpu destroy_vm destroy_vm_elapsed", run_life, NULL, 0 },
	{}
};
