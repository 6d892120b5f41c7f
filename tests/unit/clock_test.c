// SPDX-License-Identifier: GPL-2.0-only
/* Guest TSC and kvmclock: scaling, the VMM's writes, the page that the guest reads, KVM_GET/SET_CLOCK. */
#include "check.h"

/* The timekeeper is in the middle of writing: what it calls may leave something for an interrupt, and no more. */
static bool timekeeper_writes;
static struct irq_work *irq_work_waits;
#undef irq_work_queue
#define irq_work_queue(w)	({ irq_work_waits = (w); })
#undef schedule_work
#define schedule_work(w)	({ CHECK(!timekeeper_writes); queue_work(NULL, w); })

/* Another vCPU's thread comes in between, just before this one has the lock. */
static void (*before_lock)(void);
static void other_thread(void)
{
	void (*f)(void) = before_lock;

	before_lock = NULL;
	if (f)
		f();
}
static inline unsigned long real_lock(raw_spinlock_t *l)
{
	unsigned long flags;

	raw_spin_lock_irqsave(l, flags);
	return flags;
}
#undef raw_spin_lock_irqsave
#define raw_spin_lock_irqsave(l, f)	do { other_thread(); (f) = real_lock(l); } while (0)

#include "vcpu/clock.c"
#include "vcpu/life_inline.h"

static struct vm_x86 vm;
static struct vcpu_x86 v[2];
static u8 memory[4096];
static unsigned int requests[NR_VCPU_REQUESTS];

void lapic_set_tsc(struct lapic *apic, const struct apic_tsc *tsc) { apic->tsc = *tsc; }
void vm_request_all(struct vm *m, enum vcpu_request req, enum request_wait wait, struct vcpu *except) { requests[req]++; }

int vm_read_guest(struct vm *m, gpa_t gpa, void *data, size_t len)
{
	if (gpa + len > sizeof(memory))
		return -EFAULT;
	memcpy(data, memory + gpa, len);
	return 0;
}

int vm_write_guest(struct vm *m, gpa_t gpa, const void *data, size_t len)
{
	if (gpa + len > sizeof(memory))
		return -EFAULT;
	memcpy(memory + gpa, data, len);
	return 0;
}

static void host_clock(bool is_tsc)
{
	struct clocksource cs = { .vdso_clock_mode = is_tsc ? VDSO_CLOCKMODE_TSC : VDSO_CLOCKMODE_NONE };
	struct timekeeper tk = { .tkr_mono.clock = &cs };

	timekeeper_writes = true;
	timekeeper_updated(NULL, 0, &tk);
	timekeeper_writes = false;
	if (irq_work_waits)
		irq_work_waits->func(irq_work_waits);
	irq_work_waits = NULL;
	shim_run_works();
}

static void start(int vcpus)
{
	int i;

	memset(&vm, 0, sizeof(vm));
	memset(v, 0, sizeof(v));
	memset(memory, 0, sizeof(memory));
	memset(requests, 0, sizeof(requests));
	xa_init(&vm.vm.vcpus);
	init_srcu_struct(&vm.vm.srcu);
	hw_caps.tsc_scaling = true;
	hw_caps.tsc_scaling_frac_bits = 32;
	hw_caps.default_tsc_scaling_ratio = BIT_ULL(32);
	hw_caps.max_tsc_scaling_ratio = BIT_ULL(40);
	clock_vm_init(&vm);
	for (i = 0; i < vcpus; i++) {
		v[i].vcpu.vm = &vm.vm;
		v[i].has_apic = true;
		v[i].clock_cpu = -1;
		xa_store(&vm.vm.vcpus, i, &v[i].vcpu, GFP_KERNEL);
		atomic_inc(&vm.vm.nr_vcpus);
		clock_vcpu_init(&v[i]);
	}
}

static void stop(void)
{
	clock_vm_destroy(&vm);
	xa_destroy(&vm.vm.vcpus);
	cleanup_srcu_struct(&vm.vm.srcu);
}

/* As a guest reads it (<asm/pvclock-abi.h>). */
static u64 guest_reads(int i, gpa_t gpa)
{
	struct pvclock_vcpu_time_info p;

	memcpy(&p, memory + gpa, sizeof(p));
	CHECK(!(p.version & 1));
	return p.system_time + pvclock_scale_ticks(vcpu_guest_tsc(&v[i], rdtsc()) - p.tsc_timestamp, &p);
}

/* Nothing could be divided by 0 kHz. */
TEST(no_frequency)
{
	const char *why = NULL;

	tsc_khz = 0;
	CHECK_EQ(clock_setup(&why), -EOPNOTSUPP);
	CHECK(why);
	tsc_khz = shim_tsc_khz;
	CHECK_EQ(clock_setup(&why), 0);
	clock_teardown();
}

TEST(scale_of_every_frequency)
{
	u32 khz;

	for (khz = 1000; khz < 20000000; khz = khz * 5 / 4 + 1) {
		struct pvclock_vcpu_time_info p = { };
		u64 ns;

		pvclock_scale(khz, &p.tsc_shift, &p.tsc_to_system_mul);
		CHECK(p.tsc_to_system_mul >> 31);
		ns = pvclock_scale_ticks((u64)khz * 1000 * 3600, &p);	/* an hour */
		CHECK(abs((s64)(ns - 3600000000000ull)) < 20000);	/* 6 parts in a billion */
	}
}

TEST(new_vcpus_share_the_tsc)
{
	start(1);
	shim_advance(5 * NSEC_PER_SEC);
	v[1].vcpu.vm = &vm.vm;
	clock_vcpu_init(&v[1]);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), vcpu_guest_tsc(&v[1], rdtsc()));
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), 5ull * tsc_khz * 1000);
	stop();
}

TEST(first_restored_tsc_is_taken_as_it_is)
{
	start(1);
	vcpu_write_tsc(&v[0], 1000, true);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), 1000);
	stop();
}

TEST(restored_tscs_within_a_second_are_one)
{
	start(2);
	vcpu_write_tsc(&v[0], 1000000000000ull, true);
	shim_advance(NSEC_PER_MSEC * 300);
	vcpu_write_tsc(&v[1], 1000000000000ull, true);
	CHECK_EQ(v[0].tsc_offset, v[1].tsc_offset);
	shim_advance(NSEC_PER_SEC);
	vcpu_write_tsc(&v[1], 7, true);
	CHECK(v[0].tsc_offset != v[1].tsc_offset);
	CHECK_EQ(vcpu_guest_tsc(&v[1], rdtsc()), 7);
	stop();
}

TEST(guest_write_moves_adjust)
{
	start(1);
	vcpu_write_tsc(&v[0], vcpu_guest_tsc(&v[0], rdtsc()) + 500, false);
	CHECK_EQ(v[0].tsc_adjust, 500);
	CHECK_EQ(v[0].apic.tsc.offset, v[0].tsc_offset);
	stop();
}

TEST(frequencies)
{
	u64 before;

	start(1);
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], 0), (u64)-EINVAL);
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], tsc_khz + tsc_khz / 10000), 0);	/* near enough */
	CHECK_EQ(v[0].tsc_ratio, hw_caps.default_tsc_scaling_ratio);
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], tsc_khz * 2), 0);
	before = vcpu_guest_tsc(&v[0], rdtsc());
	shim_advance(NSEC_PER_SEC);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()) - before, 2ull * tsc_khz * 1000);
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], tsc_khz * 20), 0);
	hw_caps.max_tsc_scaling_ratio = BIT_ULL(33);
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], ~0u), (u64)-EINVAL);
	hw_caps.tsc_scaling = false;
	CHECK_EQ(vcpu_set_tsc_khz(&v[0], tsc_khz * 2), (u64)-EINVAL);
	stop();
}

TEST(stable_page_counts_nanoseconds)
{
	struct pvclock_vcpu_time_info p;

	host_clock(true);
	start(2);
	v[0].system_time_msr = 0x100 | 1;
	v[1].system_time_msr = 0x200 | 1;
	clock_update_vm(&vm);
	CHECK(requests[REQ_CLOCK_UPDATE]);
	clock_update_vcpu(&v[0]);
	shim_advance(123456);
	clock_update_vcpu(&v[1]);
	shim_advance(NSEC_PER_SEC);
	memcpy(&p, memory + 0x100, sizeof(p));
	CHECK_EQ(p.flags, PVCLOCK_TSC_STABLE_BIT);
	CHECK_EQ(guest_reads(0, 0x100), guest_reads(1, 0x200));
	CHECK(abs((s64)(guest_reads(0, 0x100) - (NSEC_PER_SEC + 123456))) < 10);
	stop();
}

TEST(different_tscs_are_not_stable)
{
	struct pvclock_vcpu_time_info p;

	host_clock(true);
	start(2);
	vcpu_set_tsc_offset(&v[1], v[1].tsc_offset + 1);
	v[0].system_time_msr = 0x100 | 1;
	clock_update_vm(&vm);
	clock_update_vcpu(&v[0]);
	memcpy(&p, memory + 0x100, sizeof(p));
	CHECK_EQ(p.flags, 0);
	shim_advance(1000);
	CHECK(abs((s64)(guest_reads(0, 0x100) - 1000)) < 10);
	/* the next CPU renews the pairing */
	v[0].vcpu.requests = 0;
	clock_load_elsewhere(&v[0], 3);
	CHECK(test_bit(REQ_CLOCK_UPDATE, &v[0].vcpu.requests));
	v[0].vcpu.requests = 0;
	clock_load_elsewhere(&v[0], 3);
	CHECK(!v[0].vcpu.requests);
	stop();
}

TEST(version_is_even_even_after_garbage)
{
	u32 odd = 7, version;

	start(1);
	memcpy(memory + 0x40, &odd, 4);
	v[0].system_time_msr = 0x40 | 1;
	clock_update_vcpu(&v[0]);
	memcpy(&version, memory + 0x40, 4);
	CHECK(!(version & 1) && version > 7);
	v[0].system_time_msr = 0xfffffff1;	/* nowhere: no harm */
	clock_update_vcpu(&v[0]);
	stop();
}

static void move_the_other_tsc(void)
{
	vcpu_set_tsc_offset(&v[1], v[1].tsc_offset + 1000000);
	clock_update_vm(&vm);
}

TEST(older_verdict_does_not_win)
{
	host_clock(true);
	start(2);
	clock_update_vm(&vm);
	CHECK(vm.clock.stable);
	before_lock = move_the_other_tsc;
	clock_update_vm(&vm);
	CHECK(!vm.clock.stable);
	stop();
}

/* The host sleeps, and its TSC begins anew: the guest's doesn't go back, on no vCPU, nor on one that is new. */
TEST(host_that_slept)
{
	u64 before;

	host_clock(true);
	start(2);
	shim_advance(5000000);
	before = vcpu_guest_tsc(&v[0], rdtsc());
	requests[REQ_MASTERCLOCK_UPDATE] = 0;
	clock_suspend();
	shim_tsc = 1000;
	clock_resume();
	shim_run_works();
	CHECK_EQ(requests[REQ_MASTERCLOCK_UPDATE], 1);
	clock_load_elsewhere(&v[0], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	CHECK_EQ(v[0].hw.tsc_offset, v[0].tsc_offset);
	clock_update_vm(&vm);
	CHECK(!vm.clock.stable);	/* the other has not followed yet */
	clock_load_elsewhere(&v[1], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[1], rdtsc()), before);
	CHECK(v[1].vcpu.requests & BIT(REQ_MASTERCLOCK_UPDATE));
	clock_update_vm(&vm);
	CHECK(vm.clock.stable);
	clock_load_elsewhere(&v[0], 1);	/* once */
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	clock_vcpu_init(&v[1]);
	CHECK_EQ(vcpu_guest_tsc(&v[1], rdtsc()), before);
	/* One that went on counting. */
	clock_suspend();
	shim_advance(100000000000);
	before = vcpu_guest_tsc(&v[0], rdtsc());
	clock_resume();
	shim_run_works();
	clock_load_elsewhere(&v[0], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	/* One that did, as far as a clock of seconds can tell. */
	clock_suspend();
	shim_advance(100000000000);
	shim_tsc += 1500000000;
	before = vcpu_guest_tsc(&v[0], rdtsc());
	clock_resume();
	clock_load_elsewhere(&v[0], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	/* One that went back by less than that clock can tell. */
	clock_suspend();
	shim_tsc -= 1000000;
	clock_resume();
	clock_load_elsewhere(&v[0], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	stop();
}

TEST(host_tsc_jumps_forward_in_its_sleep)
{
	u64 before;

	start(2);
	hw_caps.tsc_scaling = true;
	hw_caps.tsc_scaling_frac_bits = 32;
	hw_caps.default_tsc_scaling_ratio = 1ull << 32;
	hw_caps.max_tsc_scaling_ratio = 1ull << 40;
	for (int i = 0; i < 2; i++) {
		clock_vcpu_init(&v[i]);
		CHECK_EQ(vcpu_set_tsc_khz(&v[i], 2 * shim_tsc_khz), 0);
		vcpu_write_tsc(&v[i], 5000000, true);
	}
	before = vcpu_guest_tsc(&v[0], rdtsc());
	clock_suspend();
	shim_advance(3000000000);
	shim_tsc += 1ull << 50;
	clock_resume();
	shim_run_works();
	clock_load_elsewhere(&v[0], 0);
	clock_load_elsewhere(&v[1], 0);
	CHECK_EQ(vcpu_guest_tsc(&v[0], rdtsc()), before);
	CHECK_EQ(vcpu_guest_tsc(&v[1], rdtsc()), before);
	CHECK_EQ(v[0].hw.tsc_offset, v[0].tsc_offset);
	/* A value that the VMM writes for the same TSC still finds it. */
	vcpu_write_tsc(&v[1], before + 1000, true);
	CHECK_EQ(v[1].tsc_offset, v[0].tsc_offset);
	stop();
}

TEST(guest_stopped_is_told_until_seen)
{
	struct pvclock_vcpu_time_info p;

	start(1);
	v[0].system_time_msr = 1;
	v[0].guest_stopped = true;
	clock_update_vcpu(&v[0]);
	memcpy(&p, memory, sizeof(p));
	CHECK(p.flags & PVCLOCK_GUEST_STOPPED);
	/* It moved to another CPU before the guest has looked. */
	clock_update_vcpu(&v[0]);
	memcpy(&p, memory, sizeof(p));
	CHECK(p.flags & PVCLOCK_GUEST_STOPPED);
	/* The guest takes note. */
	memory[offsetof(struct pvclock_vcpu_time_info, flags)] &= ~PVCLOCK_GUEST_STOPPED;
	clock_update_vcpu(&v[0]);
	memcpy(&p, memory, sizeof(p));
	CHECK(!(p.flags & PVCLOCK_GUEST_STOPPED));
	stop();
}

TEST(get_and_set_clock)
{
	struct kvm_clock_data data = { };

	host_clock(true);
	start(1);
	clock_update_vm(&vm);
	shim_advance(5000);
	CHECK_EQ(vm_get_clock(&vm, &data), 0);
	CHECK(abs((s64)(data.clock - 5000)) < 10);
	CHECK_EQ(data.flags, KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE);
	data.flags = 0;
	data.clock = 777000000000ull;
	CHECK_EQ(vm_set_clock(&vm, &data), 0);
	shim_advance(50);
	CHECK_EQ(vm_get_clock(&vm, &data), 0);
	CHECK(abs((s64)(data.clock - 777000000050ull)) < 10);
	data.flags = KVM_CLOCK_REALTIME;
	data.realtime = ktime_get_real_ns() - 1000;
	data.clock = 1;
	CHECK_EQ(vm_set_clock(&vm, &data), 0);
	CHECK_EQ(vm_get_clock(&vm, &data), 0);
	CHECK(abs((s64)(data.clock - 1001)) < 10);
	data.flags = 0x80;
	CHECK_EQ(vm_set_clock(&vm, &data), (u64)-EINVAL);
	CHECK(vm_clock_wall_ns(&vm) < ktime_get_real_ns());
	stop();
}

TEST(clocksource_change_reaches_every_vm)
{
	host_clock(true);
	start(1);
	requests[REQ_MASTERCLOCK_UPDATE] = 0;
	host_clock(false);
	CHECK_EQ(requests[REQ_MASTERCLOCK_UPDATE], 1);
	host_clock(false);
	CHECK_EQ(requests[REQ_MASTERCLOCK_UPDATE], 1);
	stop();
}
