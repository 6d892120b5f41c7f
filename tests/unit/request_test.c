// SPDX-License-Identifier: GPL-2.0-only
/* Requests, kicks and wake-ups: who gets an IPI, who is woken, and that no request is missed between threads. */
#include <pthread.h>
#include "check.h"
#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"

#define VCPUS	4

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static struct task_struct tasks[VCPUS];

static void begin(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(tasks, 0, sizeof(tasks));
	CHECK_EQ(core_setup(), 0);
	CHECK_EQ(vm_init(&vm), 0);
	for (u32 i = 0; i < VCPUS; i++) {
		CHECK_EQ(vcpu_init(&vcpus[i], &vm, i * 2), 0);
		vcpus[i].index = i;
		CHECK(!xa_store(&vm.vcpus, i, &vcpus[i], GFP_KERNEL));
		atomic_inc(&vm.nr_vcpus);
	}
	shim_ipis = 0;
}

static void end(void)
{
	for (u32 i = 0; i < VCPUS; i++)
		vcpu_destroy(&vcpus[i]);
	vm_destroy(&vm);
	core_teardown();
	CHECK_EQ(shim_live, 0);
	CHECK_EQ(shim_live_pages, 0);
}

static void in_guest(u32 i, int cpu)
{
	vcpus[i].mode = IN_GUEST_MODE;
	vcpus[i].cpu = cpu;
	vcpus[i].task = &tasks[i];
}

TEST(identity)
{
	begin();
	CHECK(vm_find_vcpu(&vm, 4) == &vcpus[2]);
	CHECK(!vm_find_vcpu(&vm, 1));
	CHECK(!vm_find_vcpu(&vm, ~0u));
	CHECK(vm_get_vcpu(&vm, 3) == &vcpus[3]);
	CHECK(!vm_get_vcpu(&vm, 4));
	CHECK_EQ(vcpus[0].cpu, -1);
	end();
}

TEST(request_bits)
{
	begin();
	CHECK(!vcpu_request_pending(&vcpus[0]));
	vcpu_request(&vcpus[0], REQ_EVENT);
	vcpu_request(&vcpus[0], REQ_NMI);
	CHECK(vcpu_request_pending(&vcpus[0]));
	CHECK(vcpu_check_request(&vcpus[0], REQ_EVENT));
	CHECK(!vcpu_check_request(&vcpus[0], REQ_EVENT));
	CHECK(vcpu_check_request(&vcpus[0], REQ_NMI));
	CHECK(!vcpu_request_pending(&vcpus[0]));
	end();
}

/* The own thread's, without an atomic: pending all the same, and taken with the others'. */
TEST(event_of_the_own_thread)
{
	begin();
	CHECK(!vcpu_check_event(&vcpus[0]));
	vcpu_event_due(&vcpus[0]);
	CHECK(vcpu_request_pending(&vcpus[0]));
	CHECK(vcpu_check_event(&vcpus[0]));
	CHECK(!vcpu_request_pending(&vcpus[0]));
	vcpu_event_due(&vcpus[0]);
	vcpu_request(&vcpus[0], REQ_EVENT);
	CHECK(vcpu_check_event(&vcpus[0]));
	CHECK(!vcpu_request_pending(&vcpus[0]));
	end();
}

TEST(kick_only_in_guest)
{
	begin();
	in_guest(0, 1);
	vcpus[0].mode = OUTSIDE_GUEST_MODE;
	vcpu_request(&vcpus[0], REQ_EVENT);
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(tasks[0].kicks, 0);

	vcpus[0].mode = IN_GUEST_MODE;
	vcpu_request(&vcpus[0], REQ_EVENT);
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(tasks[0].kicks, 1);
	CHECK_EQ(vcpus[0].mode, EXITING_GUEST_MODE);
	/* The IPI is on its way: one is enough. */
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(tasks[0].kicks, 1);
	end();
}

TEST(own_thread_needs_no_kick)
{
	begin();
	in_guest(0, 0);
	preempt_disable();
	vcpu_set_running(&vcpus[0]);
	CHECK(vcpu_running() == &vcpus[0]);
	vcpu_request(&vcpus[0], REQ_EVENT);
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(tasks[0].kicks, 0);
	CHECK_EQ(vcpus[0].mode, IN_GUEST_MODE);
	vcpu_set_running(NULL);
	preempt_enable();
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(tasks[0].kicks, 1);
	end();
}

TEST(kick_without_a_task)
{
	begin();
	in_guest(0, 1);
	vcpus[0].task = NULL;
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(shim_ipis, 0);
	end();
}

TEST(wake_sleeper)
{
	begin();
	vcpus[0].wait.task = &tasks[0];
	tasks[0].__state = TASK_INTERRUPTIBLE;
	vcpu_request(&vcpus[0], REQ_UNHALT);
	vcpu_kick(&vcpus[0]);
	CHECK_EQ(vcpus[0].wait.wakes, 1);
	CHECK(vcpus[0].ready);
	CHECK_EQ(tasks[0].kicks, 0);
	vcpus[0].wait.task = NULL;
	vcpus[0].ready = false;
	CHECK(!vcpu_wake(&vcpus[0]));
	CHECK(!vcpus[0].ready);
	end();
}

TEST(request_all_nowait)
{
	begin();
	in_guest(0, 1);
	in_guest(1, 2);
	in_guest(3, 3);
	vcpus[1].mode = OUTSIDE_GUEST_MODE;
	vm_request_all(&vm, REQ_CLOCK_UPDATE, REQUEST_NOWAIT, &vcpus[3]);
	CHECK(vcpu_check_request(&vcpus[0], REQ_CLOCK_UPDATE));
	CHECK(vcpu_check_request(&vcpus[1], REQ_CLOCK_UPDATE));
	CHECK(vcpu_check_request(&vcpus[2], REQ_CLOCK_UPDATE));
	CHECK(!vcpu_request_pending(&vcpus[3]));
	CHECK_EQ(tasks[0].kicks, 1);
	CHECK_EQ(tasks[1].kicks, 0);
	CHECK_EQ(tasks[3].kicks, 0);
	end();
}

/* An IPI to wait for goes to each CPU with a vCPU in the guest or on its way out of it; this one is none of them. */
TEST(request_all_wait)
{
	begin();
	in_guest(0, 1);
	in_guest(1, 2);
	vcpus[1].mode = EXITING_GUEST_MODE;
	in_guest(2, 3);
	vcpus[2].mode = OUTSIDE_GUEST_MODE;
	in_guest(3, 0);
	shim_cpu = 0;
	vm_flush_remote_tlbs(&vm);
	CHECK_EQ(shim_ipis, 2);
	for (int i = 0; i < VCPUS; i++)
		CHECK(vcpu_check_request(&vcpus[i], REQ_TLB_FLUSH));
	CHECK_EQ(vm.stats.remote_tlb_flush, 1);

	/* Nobody in the guest: no IPI. */
	for (int i = 0; i < VCPUS; i++)
		vcpus[i].mode = OUTSIDE_GUEST_MODE;
	vm_flush_remote_tlbs(&vm);
	CHECK_EQ(shim_ipis, 2);
	end();
}

TEST(no_vcpus)
{
	begin();
	atomic_set(&vm.nr_vcpus, 0);
	vm_flush_remote_tlbs(&vm);
	vm_request_all(&vm, REQ_EVENT, REQUEST_NOWAIT, NULL);
	CHECK(!vcpu_request_pending(&vcpus[0]));
	end();
}

TEST(without_memory)
{
	struct vcpu v = {};

	begin();
	shim_fail_alloc = 1;
	CHECK_EQ(vcpu_init(&v, &vm, 1), -ENOMEM);
	end();
}

/*
 * Two threads: the vCPU's goes in and out as the run loop does, and stays in the "guest" until it is kicked; the other makes requests.
 * Every request must be met: a kick that is lost between the check and the entry would leave the vCPU in for good.
 */
#define ROUNDS	20000

static int rounds_done;

static void *vcpu_thread(void *unused)
{
	struct vcpu *v = &vcpus[0];
	int met = 0;

	while (met < ROUNDS) {
		WRITE_ONCE(v->mode, IN_GUEST_MODE);
		smp_mb();
		if (!vcpu_request_pending(v))
			while (READ_ONCE(v->mode) == IN_GUEST_MODE)
				;
		WRITE_ONCE(v->mode, OUTSIDE_GUEST_MODE);
		if (vcpu_check_request(v, REQ_EVENT)) {
			met++;
			WRITE_ONCE(rounds_done, met);
		}
	}
	return NULL;
}

TEST(no_request_is_missed)
{
	pthread_t thread;
	unsigned long spins;

	begin();
	rounds_done = 0;
	CHECK(!pthread_create(&thread, NULL, vcpu_thread, NULL));
	for (int i = 0; i < ROUNDS; i++) {
		vcpu_request(&vcpus[0], REQ_EVENT);
		vcpu_kick(&vcpus[0]);
		for (spins = 0; READ_ONCE(rounds_done) <= i; spins++) {
			if (spins > 1000)
				sched_yield();
			if (spins > 20000000)
				FAIL("request %d was never met", i);
		}
	}
	pthread_join(thread, NULL);
	vcpus[0].mode = OUTSIDE_GUEST_MODE;
	end();
}
