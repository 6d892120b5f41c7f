// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: a thread that takes the vCPU's CPU makes it grow, and sees the preempted flag while it does; the version is even whenever the page is
 * whole; values of the MSR that are refused.
 */
#include "lib/api.h"

#define ROUNDS	10
#define BUSY_MS	20
#define AREA	0x50040u
#define STOP	0x51000u

GUEST64(spin, sti;			/* or Bochs takes no interrupt of the host's */
	mov $MSR_KVM_STEAL_TIME, %ecx; mov $AREA + 1, %eax; xor %edx, %edx; wrmsr; rdmsr; REPORT_EAX;
	1: pause; cmpl $0, STOP; je 1b;
	DONE);
GUEST64(write_msr, mov $MSR_KVM_STEAL_TIME, %ecx; mov %edi, %eax; mov %esi, %edx; wrmsr; mov $0x600d, %eax; REPORT_EAX; over: DONE);
GUEST64(quick, DONE);
extern const char over[];

/* The layout of the KVM API document's msr.rst. */
struct steal_time {
	u64 steal;
	u32 version, flags;
	u8 preempted, u8_pad[3];
	u32 pad[11];
};

static struct vm vm;
static struct vcpu *v;
static volatile struct steal_time *area;

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *run_guest(void *arg)
{
	(void)arg;
	v->result = vcpu_go(v);
	return NULL;
}

/* This thread and the vCPU's on one CPU; this one is served first whenever it wants to run. */
static void share_a_cpu(void)
{
	struct sched_param high = { .sched_priority = 1 };
	pthread_attr_t attr;
	struct sched_param low = { .sched_priority = 0 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0);
	must(sched_setscheduler(0, SCHED_FIFO, &high) == 0);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &low);
	must(pthread_create(&v->thread, &attr, run_guest, NULL) == 0);
}

static void compete(void)
{
	u32 preempted = 0, odd = 0;
	u64 first, until;

	msleep(50);
	first = area->steal;
	for (int i = 0; i < ROUNDS; i++) {
		msleep(5);
		preempted += area->preempted & KVM_VCPU_PREEMPTED;
		odd += area->version & 1;
		for (until = now_ms() + BUSY_MS; now_ms() < until; )
			;
	}
	msleep(50);
	see("preempted flag seen %s", preempted == ROUNDS ? "each time" : preempted ? "sometimes" : "never");
	see("version odd while nothing writes it: %s", odd ? "yes" : "no");
	see("steal grew by %s", area->steal - first >= ROUNDS * BUSY_MS * 900000ull ? "what was taken" : "less than was taken");
	check(area->steal - first < 10000000000ull);
	see("flags=%u", area->flags);
}

static void write_steal(const char *name, u64 value)
{
	struct kvm_regs r;

	vcpu_long(v, write_msr);
	get_regs(v, &r);
	r.rdi = (u32)value;
	r.rsi = value >> 32;
	set_regs(v, &r);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)over;
	see("-- %s", name);
	check_eq(see_guest(v), GO_DONE);
	see("%s; the MSR is 0x%llx", shared(&vm)->nlog ? "#GP" : "written", (unsigned long long)must_get_msr(v, MSR_KVM_STEAL_TIME));
	see("the VMM: %d", set_msr(v, MSR_KVM_STEAL_TIME, value));
}

static void values(void)
{
	write_steal("a reserved bit", AREA | 2);
	write_steal("another", AREA | 0x21);
	write_steal("disabled, with an address", AREA);
	write_steal("no memory there", 0xd0000001);
	write_steal("beyond all addresses", 0xffffffffffffffc1);
	write_steal("disabled", 0);
}

/* A page that has an odd version, or a steal time, from before: the version is made even, the steal time goes on. */
static void left_over(void)
{
	area->version = 7;
	area->steal = 1ull << 40;
	must(set_msr(v, MSR_KVM_STEAL_TIME, AREA | 1) == 1);
	vcpu_long(v, quick);
	check_eq(see_guest(v), GO_DONE);
	see("version %s, steal went on: %d, preempted %d", area->version & 1 ? "odd" : "even", area->steal >= 1ull << 40, area->preempted);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_STEAL_TIME);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	area = gpa_ptr(&vm, AREA);
	area->version = 4;
	vcpu_long(v, spin);
	share_a_cpu();
	compete();
	*(volatile u32 *)gpa_ptr(&vm, STOP) = 1;
	see_guest_result(v, vcpu_join(v));
	see("version even: %d, higher than before: %d", !(area->version & 1), area->version > 4);
	values();
	left_over();
}
