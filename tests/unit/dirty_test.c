// SPDX-License-Identifier: GPL-2.0-only
/* mmu/dirty.c: KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, starting and stopping the log, splitting and coming back of large pages. */
#include "mmu_lib.h"
#include "mmu/tdp.c"
#include "mmu/hostmem.c"
#include "mmu/notifier.c"
#include "mmu/fault.c"
#include "mmu/dirty.c"
#include "mmu/large.c"

#define BASE	512u			/* the guest's memory begins at 2M */
#define PAGES	1300u			/* no multiple of 64, and across two large pages and a bit */
#define LOG	KVM_MEM_LOG_DIRTY_PAGES

static unsigned long bits[BITS_TO_LONGS(PAGES)];

static int get_log(u32 slot, void *to)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = to };
	int err;

	mutex_lock(&test_vm.slots_lock);
	err = mmu_get_dirty_log(&test_mmu, &log);
	mutex_unlock(&test_vm.slots_lock);
	return err;
}

static int clear_log(u32 slot, u64 first, u32 n, void *from)
{
	struct kvm_clear_dirty_log log = { .slot = slot, .first_page = first, .num_pages = n, .dirty_bitmap = from };
	int err;

	mutex_lock(&test_vm.slots_lock);
	err = mmu_clear_dirty_log(&test_mmu, &log);
	mutex_unlock(&test_vm.slots_lock);
	return err;
}

static void make(u32 flags, int level)
{
	vm_make();
	host_map(HOST_HVA, PAGES, level, true);
	SHIM_ASSERT(!slot_set(0, flags, BASE, PAGES, HOST_HVA));
}

static int count_bits(void)
{
	int n = 0;

	for (u32 i = 0; i < PAGES; i++)
		n += test_bit(i, bits);
	return n;
}

static void write_page(u32 page)
{
	if (state_of(BASE + page) != TDP_RW && !fault_fast(BASE + page, ACCESS_WRITE))
		SHIM_ASSERT(fault(BASE + page, ACCESS_WRITE) == FAULT_FIXED);
	SHIM_ASSERT(state_of(BASE + page) == TDP_RW);
}

/* ------------------------------------------------------------------ GET */

TEST(get)
{
	static const u32 written[] = { 0, 1, 63, 64, 511, 512, 777, PAGES - 1 };

	make(LOG, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(written); i++)
		write_page(written[i]);
	SHIM_ASSERT(fault(BASE + 5, ACCESS_READ) == FAULT_FIXED);
	CHECK_EQ(state_of(BASE + 5), TDP_LOGGED);
	test_flushes = 0;
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(test_flushes, 1);
	CHECK_EQ(count_bits(), ARRAY_SIZE(written));
	for (unsigned int i = 0; i < ARRAY_SIZE(written); i++) {
		CHECK(test_bit(written[i], bits));
		CHECK_EQ(state_of(BASE + written[i]), TDP_LOGGED);
	}
	/* Nothing since: nothing said, nobody flushed. */
	test_flushes = 0;
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(test_flushes, 0);
	CHECK_EQ(count_bits(), 0);
	/* Without the host, and without a lock. */
	host_slow_gups = 0;
	CHECK(fault_fast(BASE + 777, ACCESS_WRITE));
	CHECK_EQ(fault(BASE + 5, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 2);
	CHECK(test_bit(777, bits) && test_bit(5, bits));
	vm_unmake();
}

TEST(get_errors)
{
	make(0, 1);
	CHECK_EQ(get_log(0, bits), -ENOENT);		/* not logged */
	CHECK_EQ(get_log(1, bits), -ENOENT);
	CHECK_EQ(get_log(MEMSLOTS_MAX, bits), -EINVAL);
	CHECK_EQ(get_log(1 << 16, bits), -EINVAL);	/* another address space */
	vm_unmake();
}

/* A call that fails forgets nothing. */
TEST(get_fault)
{
	make(LOG, 1);
	write_page(3);
	write_page(1000);
	shim_fail_uaccess = 1;
	CHECK_EQ(get_log(0, bits), -EFAULT);
	shim_fail_uaccess = 0;
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 2);
	CHECK(test_bit(3, bits) && test_bit(1000, bits));
	test_vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	write_page(3);
	shim_fail_uaccess = 1;
	CHECK_EQ(get_log(0, bits), -EFAULT);
	shim_fail_uaccess = 0;
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 1);
	vm_unmake();
}

/* ------------------------------------------------------------------ CLEAR */

TEST(manual)
{
	make(LOG, 1);
	test_vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	for (u32 i = 0; i < PAGES; i += 10)
		write_page(i);
	for (int twice = 0; twice < 2; twice++) {
		CHECK_EQ(get_log(0, bits), 0);
		CHECK_EQ(count_bits(), (PAGES + 9) / 10);	/* stays */
		CHECK_EQ(state_of(BASE + 10), TDP_RW);
	}
	/* Pages 64..191 only, and of those only the ones with a bit in both. */
	memset(bits, 0xff, sizeof(bits));
	bits[0] = 1ul << 6 | 1ul << 7;			/* 70, 71: 71 isn't dirty */
	test_flushes = 0;
	CHECK_EQ(clear_log(0, 64, 128, bits), 0);
	CHECK_EQ(test_flushes, 1);
	for (u32 i = 0; i < PAGES; i += 10)
		CHECK_EQ(state_of(BASE + i), i == 70 || (i >= 128 && i < 192) ? TDP_LOGGED : TDP_RW);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK(!test_bit(70, bits) && test_bit(80, bits) && !test_bit(130, bits) && test_bit(200, bits));
	/* The last bits, whose number is no multiple of 64; ones behind the end don't matter. */
	memset(bits, 0xff, sizeof(bits));
	CHECK_EQ(clear_log(0, 1280, PAGES - 1280, bits), 0);
	CHECK_EQ(state_of(BASE + 1290), TDP_LOGGED);
	CHECK_EQ(clear_log(0, 0, PAGES, bits), 0);
	test_flushes = 0;
	CHECK_EQ(clear_log(0, 0, PAGES, bits), 0);	/* nothing left */
	CHECK_EQ(test_flushes, 0);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 0);
	vm_unmake();
}

TEST(clear_errors)
{
	make(LOG, 1);
	CHECK_EQ(clear_log(1, 0, 64, bits), -ENOENT);
	CHECK_EQ(clear_log(1 << 16, 0, 64, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 1, 64, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 32, 64, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 0, 63, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 64, PAGES, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 0, PAGES + 1, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 1ull << 40, 64, bits), -EINVAL);
	CHECK_EQ(clear_log(0, ~63ull, 64, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 0, 0xffffffc0, bits), -EINVAL);
	CHECK_EQ(clear_log(0, 0, 0, bits), 0);
	write_page(1);
	shim_fail_uaccess = 1;
	CHECK_EQ(clear_log(0, 0, 64, bits), -EFAULT);
	shim_fail_uaccess = 0;
	CHECK_EQ(state_of(BASE + 1), TDP_RW);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK(test_bit(1, bits));
	vm_unmake();
}

/* ------------------------------------------------------------------ large pages */

static int level_of(u32 page)
{
	int level;

	leaf_of(BASE + page, &level);
	return level;
}

TEST(start_splits_and_stop_brings_back)
{
	long tables;

	make(0, 2);
	write_page(0);
	write_page(600);
	CHECK_EQ(level_of(0), 2);
	mmu_update_stats(&test_mmu);
	tables = (long)test_vm.stats.mmu_pages;
	test_flushes = 0;
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	CHECK(test_flushes > 0);
	for (u32 i = 0; i < 1024; i++) {
		CHECK_EQ(level_of(i), 1);
		CHECK_EQ(state_of(BASE + i), TDP_LOGGED);
		CHECK_EQ(leaf_pfn(BASE + i), host_pte(HOST_HVA)->pfn + i);
	}
	write_page(700);
	SHIM_ASSERT(fault(BASE + 1200, ACCESS_WRITE) == FAULT_FIXED);
	CHECK_EQ(level_of(1200), 1);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 2);
	CHECK_EQ(slot_set(0, 0, BASE, PAGES, HOST_HVA), 0);
	/* Whole large pages went; the rest of the slot stays as it is. */
	CHECK_EQ(level_of(0), 0);
	CHECK_EQ(level_of(700), 0);
	CHECK_EQ(level_of(1200), 1);
	write_page(0);
	write_page(600);
	CHECK_EQ(level_of(0), 2);
	CHECK_EQ(level_of(600), 2);
	CHECK_EQ(get_log(0, bits), -ENOENT);
	/* What the log protected is writable again without asking the host. */
	host_slow_gups = 0;
	write_page(1200);
	CHECK_EQ(host_slow_gups, 0);
	synchronize_rcu();
	shim_run_works();
	mmu_update_stats(&test_mmu);
	CHECK_EQ(test_vm.stats.mmu_pages, tables + 1);	/* the table of page 1200 */
	vm_unmake();
}

/* Somebody else wants this CPU while memory for the small leaves is fetched: nothing of the slot may be passed over. */
TEST(start_with_others_waiting)
{
	make(0, TDP_2M);
	for (u32 i = 0; i < PAGES; i += 512)
		SHIM_ASSERT(fault(BASE + i, ACCESS_WRITE) == FAULT_FIXED);
	shim_need_resched = 1;
	SHIM_ASSERT(!slot_set(0, LOG, BASE, PAGES, HOST_HVA));
	shim_need_resched = 0;
	for (u32 i = 0; i < 1024; i++)
		CHECK_EQ(state_of(BASE + i), TDP_LOGGED);
	vm_unmake();
}

TEST(stop_where_the_host_is_small)
{
	make(LOG, 1);
	write_page(0);
	CHECK_EQ(slot_set(0, 0, BASE, PAGES, HOST_HVA), 0);
	CHECK_EQ(level_of(0), 1);		/* nothing to win: stays mapped */
	vm_unmake();
}

TEST(gigabytes)
{
	vm_make();
	host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
	SHIM_ASSERT(!slot_set(0, 0, HOST_1G_PAGES, HOST_1G_PAGES, HOST_HVA));
	SHIM_ASSERT(fault(HOST_1G_PAGES + 5, ACCESS_WRITE) == FAULT_FIXED);
	SHIM_ASSERT(!slot_set(0, LOG, HOST_1G_PAGES, HOST_1G_PAGES, HOST_HVA));
	for (u32 i = 0; i < HOST_1G_PAGES; i += 509) {
		int level;
		u64 val = leaf_of(HOST_1G_PAGES + i, &level);

		CHECK_EQ(level, 1);
		CHECK_EQ(tdp_state(val, 1), TDP_LOGGED);
	}
	SHIM_ASSERT(!slot_set(0, 0, HOST_1G_PAGES, HOST_1G_PAGES, HOST_HVA));
	SHIM_ASSERT(fault(HOST_1G_PAGES + 5, ACCESS_WRITE) == FAULT_FIXED);
	{
		int level;

		leaf_of(HOST_1G_PAGES, &level);
		CHECK_EQ(level, 3);
	}
	synchronize_rcu();
	shim_run_works();
	vm_unmake();
}

/* No memory for a split: the large leaf goes instead, and nothing is lost. */
TEST(split_without_memory)
{
	make(0, 2);
	write_page(0);
	/* set of slots, slot, bitmap come first */
	for (int n = 1; n <= 8; n++) {
		int err;

		shim_fail_alloc = n;
		err = slot_set(0, LOG, BASE, PAGES, HOST_HVA);
		shim_fail_alloc = 0;
		if (!err)
			break;
		CHECK_EQ(err, -ENOMEM);
		CHECK_EQ(level_of(0), 2);
	}
	CHECK_EQ(level_of(0), 0);
	write_page(0);
	CHECK_EQ(level_of(0), 1);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK(test_bit(0, bits));
	vm_unmake();
}

TEST(initially_set)
{
	make(0, 2);
	test_vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
	write_page(0);
	write_page(600);
	test_flushes = 0;
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	CHECK_EQ(test_flushes, 0);
	CHECK_EQ(level_of(0), 2);		/* all counts as written: no need to split yet */
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), PAGES);
	memset(bits, 0, sizeof(bits));
	set_bit(5, bits);
	CHECK_EQ(clear_log(0, 0, 64, bits), 0);
	CHECK_EQ(level_of(0), 1);
	CHECK_EQ(state_of(BASE + 5), TDP_LOGGED);
	CHECK_EQ(state_of(BASE + 6), TDP_RW);
	CHECK_EQ(level_of(600), 2);
	/* 64 pages that reach into the next large page: 448..511 and 512.. are different words, so shift by the slot's base */
	memset(bits, 0xff, sizeof(bits));
	CHECK_EQ(clear_log(0, 0, PAGES, bits), 0);
	for (u32 i = 0; i < 1024; i++)
		CHECK_EQ(state_of(BASE + i), TDP_LOGGED);
	write_page(600);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK_EQ(count_bits(), 1);
	vm_unmake();
}

/* 64 pages of a slot that lie in two tables. */
TEST(crossing_tables)
{
	vm_make();
	host_map(HOST_HVA, 128, 1, true);
	SHIM_ASSERT(!slot_set(0, LOG, 512 - 20, 128, HOST_HVA));
	for (u32 i = 0; i < 128; i++)
		SHIM_ASSERT(fault(512 - 20 + i, ACCESS_WRITE) == FAULT_FIXED);
	mmu_reprotect_dirty(&test_mmu, test_vm.slots->by_gfn[0], 0, 1ul << 19 | 1ul << 20 | 1ul << 63);
	for (u32 i = 0; i < 128; i++)
		CHECK_EQ(state_of(512 - 20 + i), i == 19 || i == 20 || i == 63 ? TDP_LOGGED : TDP_RW);
	mmu_reprotect_dirty(&test_mmu, test_vm.slots->by_gfn[0], 64, ~0ul);
	CHECK_EQ(state_of(512 - 20 + 127), TDP_LOGGED);
	mmu_reprotect_dirty(&test_mmu, test_vm.slots->by_gfn[0], 128, ~0ul);	/* behind the end */
	mmu_reprotect_dirty(&test_mmu, test_vm.slots->by_gfn[0], 0, 0);
	vm_unmake();
}

/* ------------------------------------------------------------------ order */

static bool in_watch;

/* Between "writable" and "logged": a log that is read out now must leave the write for the next time, or have seen it. */
static void watch_read_log(u64 from, u64 to, int level)
{
	if (in_watch || level != 1 || tdp_state(to, level) != TDP_RW)
		return;
	in_watch = true;
	memset(bits, 0, sizeof(bits));
	for (u64 i = 0; i < memslot_bitmap_longs(test_vm.slots->by_gfn[0]); i++)
		bits[i] = xchg(&test_vm.slots->by_gfn[0]->dirty_bitmap[i], 0);
	for (u64 i = 0; i < memslot_bitmap_longs(test_vm.slots->by_gfn[0]); i++)
		mmu_reprotect_dirty(&test_mmu, test_vm.slots->by_gfn[0], i * 64, bits[i]);
	in_watch = false;
}

TEST(log_read_in_the_middle)
{
	for (int fast = 0; fast < 2; fast++) {
		make(LOG, 1);
		if (fast)
			SHIM_ASSERT(fault(BASE + 9, ACCESS_READ) == FAULT_FIXED);
		watch_hook = watch_read_log;
		if (fast)
			CHECK(fault_fast(BASE + 9, ACCESS_WRITE));
		else
			CHECK_EQ(fault(BASE + 9, ACCESS_WRITE), FAULT_FIXED);
		watch_hook = NULL;
		/* Writable still: then the bit must still come. Protected: then it must have come. */
		if (state_of(BASE + 9) == TDP_RW) {
			CHECK_EQ(get_log(0, bits), 0);
			CHECK(test_bit(9, bits));
		} else {
			CHECK(test_bit(9, bits));
		}
		vm_unmake();
	}
}

/* Access tracking and the log together, without accessed bits in hardware. */
TEST(tracked_and_logged)
{
	hw_caps.tdp_ad = false;
	make(LOG, 1);
	write_page(0);
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x1000, false));
	CHECK_EQ(state_of(BASE), TDP_TRACKED_RW);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK(test_bit(0, bits));
	CHECK_EQ(state_of(BASE), TDP_TRACKED_LOGGED);
	CHECK(fault_fast(BASE, ACCESS_READ));
	CHECK_EQ(state_of(BASE), TDP_LOGGED);
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x1000, false));
	CHECK_EQ(state_of(BASE), TDP_TRACKED_LOGGED);
	CHECK(fault_fast(BASE, ACCESS_WRITE));
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK_EQ(get_log(0, bits), 0);
	CHECK(test_bit(0, bits));
	vm_unmake();
	/* A tracked large leaf is split as it is. */
	make(0, 2);
	write_page(0);
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x1000, false));
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	CHECK_EQ(state_of(BASE + 511), TDP_TRACKED_LOGGED);
	write_page(511);
	CHECK_EQ(state_of(BASE + 511), TDP_RW);
	CHECK_EQ(state_of(BASE + 510), TDP_TRACKED_LOGGED);
	vm_unmake();
	hw_caps.tdp_ad = true;
}

/* A large read-only leaf in a slot that is logged from its first day can't be, but in one that starts to be it is split by the fault. */
TEST(large_leaf_written_in_logged_slot)
{
	make(0, 2);
	test_vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
	for (u32 i = 0; i < 512; i++)
		host_pte(HOST_HVA + (i << 12))->writable = false;
	SHIM_ASSERT(fault(BASE, ACCESS_READ) == FAULT_FIXED);
	CHECK_EQ(level_of(0), 2);
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	CHECK_EQ(level_of(0), 2);
	CHECK(!fault_fast(BASE + 3, ACCESS_WRITE));
	CHECK_EQ(fault(BASE + 3, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(level_of(0), 1);
	CHECK_EQ(state_of(BASE + 3), TDP_RW);
	CHECK_EQ(state_of(BASE + 4), TDP_RO);
	vm_unmake();
}

/* ------------------------------------------------------------------ the processor's own log */

static u64 cpu_log[8];			/* short, so that it is often full */
static u32 cpu_logged;
static bool written[PAGES];

static void cpu_log_taken(void)
{
	rcu_read_lock();
	mmu_mark_written(&test_mmu, cpu_log, cpu_logged);
	rcu_read_unlock();
	cpu_logged = 0;
}

/* As a processor with accessed and dirty bits does it: the log first, then the dirty bit (SDM 3C, 29.3.6). */
static void cpu_access(u32 page, u32 access)
{
	int level;
	u64 *entry, val;

	for (;;) {
		entry = tdp_leaf(&test_mmu, BASE + page, &level, &val);
		if (entry && tdp_allows(val, access))
			break;
		SHIM_ASSERT(fault(BASE + page, access) == FAULT_FIXED);
	}
	if (!(access & ACCESS_WRITE))
		return;
	written[page] = true;
	if (*entry & HW_TDP_DIRTY)
		return;
	if (cpu_logged == ARRAY_SIZE(cpu_log))
		cpu_log_taken();
	if (mmu_hw_logs(&test_mmu))
		cpu_log[cpu_logged++] = (u64)(BASE + page) << 12;
	*entry |= HW_TDP_DIRTY;
}

static void check_log_is_exact(void)
{
	CHECK_EQ(get_log(0, bits), 0);
	for (u32 i = 0; i < PAGES; i++)
		if (!!test_bit(i, bits) != written[i])
			FAIL("page %u: written %d, logged %d", i, written[i], !!test_bit(i, bits));
	memset(written, 0, sizeof(written));
}

static void make_hw_log(u32 flags, int level, bool pml)
{
	collect_hook = cpu_log_taken;
	cpu_logged = 0;
	memset(written, 0, sizeof(written));
	vm_make();
	test_vm.params.pml = pml;
	host_map(HOST_HVA, PAGES, level, true);
	SHIM_ASSERT(!slot_set(0, flags, BASE, PAGES, HOST_HVA));
}

static void end_hw_log(void)
{
	vm_unmake();
	collect_hook = NULL;
}

TEST(hw_log_follows_the_slots)
{
	make_hw_log(0, 1, true);
	CHECK(!mmu_hw_logs(&test_mmu));
	CHECK_EQ(slot_set(1, LOG, BASE + 4096, 16, HOST_HVA), 0);
	CHECK(mmu_hw_logs(&test_mmu));
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	CHECK_EQ(slot_set(1, 0, 0, 0, 0), 0);
	CHECK(mmu_hw_logs(&test_mmu));
	test_log_requests = 0;
	CHECK_EQ(slot_set(0, 0, BASE, PAGES, HOST_HVA), 0);
	CHECK(!mmu_hw_logs(&test_mmu) && test_log_requests == 1);
	end_hw_log();
	/* A VM that doesn't want it. */
	make_hw_log(LOG, 1, false);
	CHECK(!mmu_hw_logs(&test_mmu));
	end_hw_log();
}

TEST(hw_log_needs_no_fault)
{
	make_hw_log(LOG, 1, true);
	cpu_access(3, ACCESS_READ);
	/* Read, it is writable, and not said to be written. */
	CHECK_EQ(state_of(BASE + 3), TDP_RW);
	check_log_is_exact();
	host_slow_gups = 0;
	cpu_access(3, ACCESS_WRITE);
	CHECK_EQ(cpu_logged, 1);
	check_log_is_exact();
	CHECK_EQ(state_of(BASE + 3), TDP_RW);
	cpu_access(3, ACCESS_WRITE);
	CHECK_EQ(cpu_logged, 1);
	check_log_is_exact();
	/* Addresses that no slot has, or none that logs, are nobody's. */
	cpu_log[cpu_logged++] = 0;
	cpu_log[cpu_logged++] = (u64)(BASE + PAGES) << 12;
	check_log_is_exact();
	end_hw_log();
}

/* What was written before the log began, and in large pages, is logged when it is written again. */
TEST(hw_log_starts_late)
{
	make_hw_log(0, 2, true);
	for (u32 i = 0; i < PAGES; i++)
		cpu_access(i, ACCESS_WRITE);
	CHECK_EQ(slot_set(0, LOG, BASE, PAGES, HOST_HVA), 0);
	memset(written, 0, sizeof(written));
	check_log_is_exact();
	cpu_access(511, ACCESS_WRITE);
	cpu_access(512, ACCESS_WRITE);
	CHECK_EQ(cpu_logged, 2);
	check_log_is_exact();
	end_hw_log();
}

/* No written page is ever forgotten, and none is invented, in whatever order pages are read, written and the log is asked for. */
static void lost_nothing(bool pml, bool clear)
{
	u32 random = 12345;

	make_hw_log(LOG, 1, pml);
	if (clear)
		test_vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	for (int i = 0; i < 20000; i++) {
		random = random * 1664525 + 1013904223;
		cpu_access((random >> 8) % PAGES, random >> 30 ? ACCESS_WRITE : ACCESS_READ);
		if (random >> 24 != 7)
			continue;
		if (clear) {
			CHECK_EQ(get_log(0, bits), 0);
			CHECK_EQ(clear_log(0, 0, PAGES, bits), 0);
			for (u32 n = 0; n < PAGES; n++)
				CHECK_EQ(!!test_bit(n, bits), written[n]);
			memset(written, 0, sizeof(written));
		} else {
			check_log_is_exact();
		}
	}
	end_hw_log();
}

TEST(lost_nothing_hw)
{
	lost_nothing(true, false);
}

TEST(lost_nothing_hw_clear)
{
	lost_nothing(true, true);
}

TEST(lost_nothing_write_protected)
{
	lost_nothing(false, false);
	lost_nothing(false, true);
}

/* ------------------------------------------------------------------ large pages that are not executable */

static u64 leaf_at(u32 page, int *level)
{
	u64 val;

	return tdp_leaf(&test_mmu, BASE + page, level, &val) ? val : 0;
}

TEST(executed_large_pages_become_small)
{
	int level;
	u64 leaf;

	make(0, 2);
	test_vm.params.nx_huge_pages = true;
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	leaf = leaf_at(0, &level);
	CHECK(level == TDP_2M && (leaf & TDP_NO_EXEC) && (leaf & HW_TDP_NX));
	CHECK(tdp_allows(leaf, ACCESS_WRITE) && !tdp_allows(leaf, ACCESS_FETCH));
	CHECK(!fault_fast(BASE + 7, ACCESS_FETCH));
	CHECK_EQ(fault(BASE + 7, ACCESS_FETCH), FAULT_FIXED);
	for (u32 i = 0; i < 512; i++) {
		leaf = leaf_at(i, &level);
		CHECK(level == TDP_4K && tdp_allows(leaf, ACCESS_FETCH | ACCESS_WRITE) && !(leaf & (TDP_NO_EXEC | HW_TDP_NX)));
	}
	/* The next large page is another matter; and a page that comes anew where small ones are is small. */
	CHECK_EQ(fault(BASE + 512, ACCESS_WRITE), FAULT_FIXED);
	CHECK(leaf_at(512, &level) && level == TDP_2M);
	mmu_invalidate_begin(&test_mmu, HOST_HVA + (9 << 12), HOST_HVA + (10 << 12), true);
	mmu_invalidate_end(&test_mmu, HOST_HVA + (9 << 12), HOST_HVA + (10 << 12));
	CHECK(!leaf_at(9, &level));
	CHECK_EQ(fault(BASE + 9, ACCESS_READ), FAULT_FIXED);
	CHECK(leaf_at(9, &level) && level == TDP_4K && leaf_at(8, &level) && level == TDP_4K);
	/* First executed, it is small at once. */
	CHECK_EQ(slot_set(1, 0, BASE + 4096, 512, HOST_HVA + (512 << 12)), 0);
	CHECK_EQ(fault(BASE + 4096, ACCESS_FETCH), FAULT_FIXED);
	CHECK(tdp_allows(leaf_at(4096, &level), ACCESS_FETCH) && level == TDP_4K);
	/* After a while large pages come back, not executable again. */
	atomic_set(&test_mm.mm_users, 1);
	host_foreign_thread = true;
	shim_run_works();
	host_foreign_thread = false;
	CHECK(!shim_used_mm);
	atomic_set(&test_mm.mm_users, 0);
	CHECK(!leaf_at(7, &level) && !leaf_at(4096, &level));
	CHECK(leaf_at(512, &level) && level == TDP_2M);
	CHECK_EQ(fault(BASE + 7, ACCESS_READ), FAULT_FIXED);
	CHECK(!tdp_allows(leaf_at(7, &level), ACCESS_FETCH) && level == TDP_2M);
	vm_unmake();
}

TEST(large_pages_are_executable_otherwise)
{
	int level;

	make(0, 2);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK(tdp_allows(leaf_at(0, &level), ACCESS_FETCH) && level == TDP_2M);
	CHECK_EQ(fault(BASE + 513, ACCESS_FETCH), FAULT_FIXED);
	CHECK(leaf_at(513, &level) && level == TDP_2M);
	vm_unmake();
}
