// SPDX-License-Identifier: GPL-2.0-only
/* mmu/fault.c, hostmem.c, notifier.c: each outcome, each race at the point where it hurts, a random run against a model, and threads. */
#define MMU_LIB_OWN_FLUSH
#include <unistd.h>
#include "mmu_lib.h"

/* Acts after the invalidations were looked at, for the n-th time from now: between steps 4 and 5 of a fault. */
static int seq_hook_in;
static void (*seq_hook)(void);

static void seq_looked_at(void)
{
	if (seq_hook_in && !--seq_hook_in)
		seq_hook();
}

#undef read_seqcount_retry
#define read_seqcount_retry(s, v) ({ bool _again; smp_rmb(); _again = READ_ONCE((s)->sequence) != (v); seq_looked_at(); _again; })

#include "mmu/tdp.c"
#include "mmu/hostmem.c"
#include "mmu/notifier.c"
#include "mmu/fault.c"
#include "mmu/dirty.c"
#include "mmu/large.c"

#define BASE	HOST_1G_PAGES		/* the guest's memory begins at 1G */

/* The threads at the end of this file have TLBs. */
static void (*stress_flush)(void);

void vm_flush_remote_tlbs(struct vm *vm)
{
	SHIM_ASSERT(!irqs_disabled());
	__atomic_fetch_add(&test_flushes, 1, __ATOMIC_RELAXED);
	if (flush_hook)
		flush_hook();
	if (stress_flush)
		stress_flush();
}

static void make(u32 flags)
{
	vm_make();
	SHIM_ASSERT(!slot_set(0, flags, BASE, HOST_PAGES, HOST_HVA));
}

static struct page *host_page(gfn_t gfn)
{
	return pfn_to_page(host_pte(HOST_HVA + ((gfn - BASE) << 12))->pfn);
}

/* ------------------------------------------------------------------ outcomes */

TEST(mmio)
{
	make(0);
	CHECK_EQ(fault(BASE - 1, ACCESS_READ), FAULT_MMIO);
	CHECK_EQ(fault(BASE + HOST_PAGES, ACCESS_WRITE), FAULT_MMIO);
	CHECK_EQ(fault(1ull << 36, ACCESS_READ), FAULT_MMIO);	/* what the tables can't reach */
	CHECK_EQ(fault(1ull << 51, ACCESS_READ), FAULT_MMIO);
	CHECK(!fault_fast(1ull << 36, ACCESS_READ));
	CHECK(!fault_fast(BASE - 1, ACCESS_READ));
	vm_unmake();
}

TEST(read_then_write)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(state_of(BASE), TDP_RW);		/* the host would let us write, so nobody need ask again */
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK(leaf_of(BASE, NULL) & HW_TDP_ACCESSED);
	CHECK(!(leaf_of(BASE, NULL) & HW_TDP_DIRTY));
	CHECK(host_page(BASE)->dirty);			/* before it could be written */
	CHECK_EQ(host_slow_gups, 0);
	CHECK_EQ(host_faults, 0);
	CHECK_EQ(fault(BASE + 1, ACCESS_WRITE), FAULT_FIXED);	/* not there yet: faulted in, and no reference is needed */
	CHECK_EQ(host_faults, 1);
	CHECK_EQ(host_slow_gups, 0);
	CHECK_EQ(host_fast_gups, 1);			/* of the first page */
	CHECK(leaf_of(BASE + 1, NULL) & HW_TDP_DIRTY);
	vm_unmake();
}

static void unmap(gfn_t gfn, u64 pages)
{
	const hva_t hva = HOST_HVA + ((gfn - BASE) << 12);

	mmu_invalidate_begin(&test_mmu, hva, hva + (pages << 12), true);
	mmu_invalidate_end(&test_mmu, hva, hva + (pages << 12));
	host_slow_gups = host_fast_gups = 0;
}

/* How often the kernel was asked for a page when @gfn is accessed the next time. */
static int gups(gfn_t gfn, u32 access)
{
	unmap(gfn, 1);
	CHECK_EQ(fault(gfn, access), FAULT_FIXED);
	CHECK_EQ(leaf_pfn(gfn), host_pte(HOST_HVA + ((gfn - BASE) << 12))->pfn);
	return host_slow_gups + host_fast_gups;
}

/* Memory that the VMM has written is mapped by a look at the host's entry; all else goes by the kernel. */
TEST(written_memory)
{
	make(0);
	host_map(HOST_HVA, 8, 1, true);
	CHECK_EQ(gups(BASE, ACCESS_READ), 1);		/* that it is dirty nobody has said yet */
	CHECK_EQ(gups(BASE, ACCESS_READ), 0);
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK_EQ(gups(BASE, ACCESS_WRITE), 0);
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK_EQ(page_count(host_page(BASE)), 1);
	host_page(BASE)->file = true;
	CHECK_EQ(gups(BASE, ACCESS_WRITE), 1);
	host_page(BASE)->file = false;
	host_page(BASE)->dirty = false;
	CHECK_EQ(gups(BASE, ACCESS_WRITE), 1);
	CHECK(host_page(BASE)->dirty);
	host_pte(HOST_HVA)->writable = false;
	CHECK(gups(BASE, ACCESS_READ) > 0);
	CHECK_EQ(state_of(BASE), TDP_RO);
	host_pte(HOST_HVA)->writable = true;
	host_pte(HOST_HVA)->poisoned = true;
	unmap(BASE, 1);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_HWPOISON);
	host_pte(HOST_HVA)->poisoned = false;
	/* a large page, from its middle */
	host_remap(HOST_HVA, 512, 2, true);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(gups(BASE + 300, ACCESS_WRITE), 0);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	vm_unmake();
}

/* Nobody has written here yet: the page of zeros, which needs no reference, and then a page of its own. */
TEST(page_of_zeros)
{
	const int refs = page_count(pfn_to_page(HOST_ZERO_PFN));

	make(0);
	*host_pte(HOST_HVA) = (struct host_pte){ .pfn = HOST_ZERO_PFN, .level = 1 };
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(host_faults + host_slow_gups + host_fast_gups, 0);
	CHECK_EQ(state_of(BASE), TDP_RO);
	CHECK_EQ(leaf_pfn(BASE), HOST_ZERO_PFN);
	CHECK_EQ(page_count(pfn_to_page(HOST_ZERO_PFN)), refs);
	CHECK(!pfn_to_page(HOST_ZERO_PFN)->dirty);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(host_faults, 1);
	CHECK_EQ(host_slow_gups + host_fast_gups, 0);
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK(leaf_pfn(BASE) != HOST_ZERO_PFN);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK(!pfn_to_page(HOST_ZERO_PFN)->dirty);
	vm_unmake();
}

/* What the fault handler may not be asked for, or can't do at once, get_user_pages() finds out. */
TEST(who_is_asked)
{
	static const struct { unsigned long flags; u32 access; int faults, gups; } t[] = {
		{ VM_READ | VM_WRITE, ACCESS_READ, 1, 0 }, { VM_READ | VM_WRITE, ACCESS_WRITE, 1, 0 },
		{ VM_READ, ACCESS_READ, 1, 0 }, { VM_READ, ACCESS_WRITE, 0, 1 },
		{ VM_WRITE, ACCESS_READ, 0, 1 }, { 0, ACCESS_READ, 0, 1 },
		{ VM_READ | VM_WRITE | VM_IO, ACCESS_READ, 0, 1 }, { VM_READ | VM_WRITE | VM_PFNMAP, ACCESS_WRITE, 0, 1 },
		{ VM_READ | VM_WRITE | VM_SHADOW_STACK, ACCESS_READ, 1, 0 }, { VM_READ | VM_WRITE | VM_SHADOW_STACK, ACCESS_WRITE, 0, 1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		make(0);
		shim_vma[0].vm_flags = t[i].flags;
		CHECK_EQ(fault(BASE, t[i].access), FAULT_FIXED);
		CHECK_EQ(host_faults, t[i].faults);
		CHECK_EQ(host_slow_gups, t[i].gups);
		vm_unmake();
	}
	/* It would have to wait: interruptible. */
	make(0);
	host_gup_error = -EINTR;
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_SIGNAL);
	CHECK_EQ(host_faults, 1);
	CHECK_EQ(host_slow_gups, 1);
	vm_unmake();
}

/* An invalidation begins on another CPU as soon as there is a claim. */
static void take_away_atomic(u64 from, u64 to, int level)
{
	if (tdp_state(to, level) != TDP_CLAIMED)
		return;
	watch_hook = NULL;
	local_irq_enable();	/* this CPU's are off, not that one's */
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + 4096, false);
	local_irq_disable();
}

static bool fault_written(gfn_t gfn, u32 access)
{
	bool r;

	local_irq_disable();
	r = mmu_fault_written(&test_mmu, &test_vcpus[0], gfn_to_gpa(gfn), access);
	local_irq_enable();
	return r;
}

/* With IRQs off only what needs no table, no page of the kernel's, and no other CPU. */
TEST(written_memory_with_irqs_off)
{
	make(0);
	host_map(HOST_HVA, 8, 1, true);
	CHECK(!fault_written(BASE, ACCESS_WRITE));	/* not dirty */
	host_page(BASE)->dirty = true;
	CHECK(!fault_written(BASE, ACCESS_WRITE));	/* no table */
	CHECK_EQ(fault(BASE + 1, ACCESS_WRITE), FAULT_FIXED);
	CHECK(fault_written(BASE, ACCESS_READ));
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK(!fault_written(BASE, ACCESS_READ));	/* it is there already */
	CHECK(!fault_written(BASE - 1, ACCESS_READ));
	/* the host is taking it away */
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + 4096, true);
	CHECK(!fault_written(BASE, ACCESS_WRITE));
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + 4096);
	CHECK(fault_written(BASE, ACCESS_WRITE));
	/* or does so meanwhile */
	unmap(BASE, 1);
	watch_hook = take_away_atomic;
	CHECK(!fault_written(BASE, ACCESS_WRITE));
	CHECK_EQ(state_of(BASE), TDP_NONE);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + 4096);
	vm_unmake();
	make(KVM_MEM_READONLY);
	host_map(HOST_HVA, 2, 1, true);
	host_page(BASE)->dirty = true;
	CHECK_EQ(fault(BASE + 1, ACCESS_READ), FAULT_FIXED);
	CHECK(!fault_written(BASE, ACCESS_READ));
	vm_unmake();
}

/* The page goes between the look and the leaf. */
static void take_away(u64 from, u64 to, int level)
{
	if (tdp_state(to, level) != TDP_CLAIMED)
		return;
	watch_hook = NULL;
	host_remap(HOST_HVA, 1, 1, true);
}

TEST(written_memory_is_taken_away)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_page(BASE)->dirty = true;
	watch_hook = take_away;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK(!watch_hook);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK(host_page(BASE)->dirty);
	vm_unmake();
}

TEST(nothing_stays_pinned)
{
	make(0);
	host_map(HOST_HVA, 1024, 1, true);
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(fault(BASE + i, i & 1 ? ACCESS_WRITE : ACCESS_FETCH), FAULT_FIXED);
	for (int i = 0; i < 1024; i++)
		CHECK_EQ(page_count(host_page(BASE + i)), 1);
	vm_unmake();
}

TEST(read_only_page)
{
	make(0);
	host_map(HOST_HVA, 1, 1, false);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(state_of(BASE), TDP_RO);
	CHECK(!host_page(BASE)->dirty);
	CHECK(!fault_fast(BASE, ACCESS_WRITE));
	/* The host agrees to a write, same frame: upgraded in place, no flush. */
	test_flushes = 0;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK(host_page(BASE)->dirty);
	CHECK_EQ(test_flushes, 0);
	CHECK_EQ(atomic_read(&test_mmu.unflushed), 0);
	vm_unmake();
}

TEST(read_only_slot)
{
	make(KVM_MEM_READONLY);
	host_map(HOST_HVA, 1, 1, true);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_READONLY);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(state_of(BASE), TDP_RO);
	CHECK(!host_page(BASE)->dirty);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_READONLY);
	CHECK(!fault_fast(BASE, ACCESS_WRITE));
	CHECK_EQ(state_of(BASE), TDP_RO);
	vm_unmake();
}

TEST(bad_hva)
{
	make(0);
	host_pte(HOST_HVA)->forbidden = true;
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_BAD_HVA);
	CHECK_EQ(leaf_of(BASE, NULL), 0);
	vm_unmake();
}

TEST(host_errors)
{
	static const struct { long err; enum fault_result res; } table[] = {
		{ -EINTR, FAULT_SIGNAL }, { -EAGAIN, FAULT_SIGNAL }, { -ERESTARTSYS, FAULT_SIGNAL }, { -ENOMEM, FAULT_NOMEM }, { -EFAULT, FAULT_BAD_HVA },
	};

	make(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		host_gup_error = table[i].err;
		CHECK_EQ(fault(BASE, ACCESS_READ), table[i].res);
	}
	host_pte(HOST_HVA)->poisoned = true;
	host_pte(HOST_HVA)->pfn = 5;
	CHECK(!current->signal);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_HWPOISON);
	CHECK(current->signal);
	shim_vma[0] = (struct vm_area_struct){ .vm_start = HOST_HVA, .vm_end = HOST_HVA + PAGE_SIZE };
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_HWPOISON);
	vm_unmake();
}

TEST(no_memory)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	for (int n = 1; n <= 6; n++) {
		shim_fail_alloc = n;
		CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_NOMEM);
		shim_fail_alloc = 0;
		CHECK_EQ(leaf_of(BASE, NULL), 0);
		CHECK_EQ(page_count(host_page(BASE)), 1);
		zap_tables(&test_mmu, 0, test_mmu.end_gfn);
		synchronize_rcu();
		shim_run_works();
	}
	vm_unmake();
}

TEST(spurious)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(test_vcpus[0].requests, 0);
	CHECK(!fault_fast(BASE, ACCESS_WRITE));
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK(test_bit(REQ_TLB_FLUSH, &test_vcpus[0].requests));
	CHECK_EQ(test_vcpus[0].stats.pf_spurious, 1);
	vm_unmake();
}

/* ------------------------------------------------------------------ memory without struct page */

static void make_pfnmap(unsigned long flags)
{
	make(0);
	for (int i = 0; i < 512; i++)
		host_pte(HOST_HVA + (i << 12))->forbidden = true;
	shim_vma[0] = (struct vm_area_struct){ .vm_start = HOST_HVA, .vm_end = HOST_HVA + (512 << 12), .vm_flags = flags, .vm_mm = &test_mm };
}

TEST(pfnmap)
{
	make_pfnmap(VM_PFNMAP | VM_READ | VM_WRITE);
	CHECK_EQ(fault(BASE + 7, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(state_of(BASE + 7), TDP_RW);
	vm_unmake();
}

TEST(pfnmap_memory_type)
{
	struct page *page;

	for (int ram = 0; ram < 2; ram++) {
		make_pfnmap(VM_IO | VM_READ | VM_WRITE);
		CHECK_EQ(fault(BASE + 7, ACCESS_READ), FAULT_FIXED);
		page = pfn_to_page(leaf_pfn(BASE + 7));
		CHECK_EQ(leaf_of(BASE + 7, NULL) & 0x18, 0);	/* not reserved: memory */
		zap_tables(&test_mmu, 0, test_mmu.end_gfn);
		page->reserved = true;
		host_has_e820_ram = ram;
		CHECK_EQ(fault(BASE + 7, ACCESS_READ), FAULT_FIXED);
		CHECK_EQ(leaf_of(BASE + 7, NULL) & 0x18, ram ? 0 : 0x18);
		page->reserved = false;
		vm_unmake();
	}
}

TEST(pfnmap_refused)
{
	make_pfnmap(VM_PFNMAP | VM_READ);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_BAD_HVA);
	vm_unmake();
	make_pfnmap(VM_READ | VM_WRITE);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_BAD_HVA);
	vm_unmake();
}

/* ------------------------------------------------------------------ sizes */

static int level_of(gfn_t gfn)
{
	int level;

	leaf_of(gfn, &level);
	return level;
}

TEST(huge)
{
	make(0);
	host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
	CHECK_EQ(fault(BASE + 1000, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE), 3);
	CHECK_EQ(leaf_pfn(BASE + 77777), host_pte(HOST_HVA)->pfn + 77777);
	host_map(HOST_HVA + (1ul << 30), 512, 2, true);
	CHECK_EQ(fault(BASE + HOST_1G_PAGES + 511, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + HOST_1G_PAGES), 2);
	vm_unmake();
}

TEST(huge_needs)
{
	/* the CPU's consent */
	for (int caps = 0; caps < 3; caps++) {
		hw_caps.tdp_1g = false;
		hw_caps.tdp_2m = caps != 1;
		make(0);
		test_vm.params.huge_pages = caps != 2;
		host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
		CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
		CHECK_EQ(level_of(BASE), caps ? 1 : 2);
		vm_unmake();
	}
	hw_caps.tdp_1g = hw_caps.tdp_2m = true;
	/* a slot that holds the whole page */
	vm_make();
	SHIM_ASSERT(!slot_set(0, 0, BASE + 1, 2048, HOST_HVA + PAGE_SIZE));
	host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
	CHECK_EQ(fault(BASE + 1, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + 1), 1);
	CHECK_EQ(fault(BASE + 512, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + 512), 2);
	CHECK_EQ(fault(BASE + 2048, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + 2048), 1);
	vm_unmake();
	/* GPA and HVA that agree in the lower bits */
	vm_make();
	SHIM_ASSERT(!slot_set(0, 0, BASE, 2048, HOST_HVA + PAGE_SIZE));
	host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
	CHECK_EQ(fault(BASE + 512, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + 512), 1);
	CHECK_EQ(leaf_pfn(BASE + 512), host_pte(HOST_HVA)->pfn + 513);
	vm_unmake();
}

/* khugepaged: the small pages go by an invalidation, the table they were in stays, and gives way. */
TEST(huge_takes_the_place_of_small)
{
	long pages;

	make(0);
	host_map(HOST_HVA, 512, 1, true);
	for (int i = 0; i < 512; i++)
		CHECK_EQ(fault(BASE + i, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(level_of(BASE), 1);
	pages = shim_live_pages;
	host_remap(HOST_HVA, 512, 2, true);
	CHECK_EQ(level_of(BASE), 0);
	CHECK_EQ(fault(BASE + 9, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(level_of(BASE), 2);
	synchronize_rcu();
	shim_run_works();
	CHECK_EQ(shim_live_pages, pages - 1);
	vm_unmake();
}

/* A huge page that the host split while it was mapped read-only: the guest's follows when it writes. */
TEST(small_takes_the_place_of_huge)
{
	make(0);
	host_map(HOST_HVA, 512, 2, false);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(level_of(BASE), 2);
	for (int i = 0; i < 512; i++)
		host_pte(HOST_HVA + (i << 12))->level = 1;
	CHECK_EQ(fault(BASE + 3, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(level_of(BASE + 3), 1);
	CHECK_EQ(state_of(BASE + 3), TDP_RW);
	CHECK_EQ(state_of(BASE + 4), TDP_RO);
	CHECK_EQ(leaf_pfn(BASE + 4), host_pte(HOST_HVA)->pfn + 4);
	vm_unmake();
}

/* ------------------------------------------------------------------ invalidation */

TEST(invalidation_is_precise)
{
	make(0);
	host_map(HOST_HVA, 16, 1, true);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(fault(BASE + i, ACCESS_WRITE), FAULT_FIXED);
	test_flushes = 0;
	CHECK_EQ(mmu_invalidate_begin(&test_mmu, HOST_HVA + 0x5000, HOST_HVA + 0x8000, false), 0);
	CHECK_EQ(test_flushes, 1);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(state_of(BASE + i), i >= 5 && i < 8 ? TDP_NONE : TDP_RW);
	/* Between begin and end: nothing in the range, anything beside it. */
	CHECK_EQ(fault(BASE + 5, ACCESS_READ), FAULT_RETRY);
	CHECK_EQ(fault(BASE + 7, ACCESS_READ), FAULT_RETRY);
	host_map(HOST_HVA + 0x10000, 1, 1, true);
	CHECK_EQ(fault(BASE + 16, ACCESS_READ), FAULT_FIXED);
	mmu_invalidate_end(&test_mmu, HOST_HVA + 0x5000, HOST_HVA + 0x8000);
	CHECK_EQ(fault(BASE + 5, ACCESS_READ), FAULT_FIXED);
	/* What isn't ours costs no flush. */
	test_flushes = 0;
	mmu_invalidate_begin(&test_mmu, 0x1000, 0x5000, true);
	mmu_invalidate_end(&test_mmu, 0x1000, 0x5000);
	CHECK_EQ(test_flushes, 0);
	vm_unmake();
}

TEST(invalidations_nest)
{
	make(0);
	host_map(HOST_HVA, 16, 1, true);
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + 0x1000, true);
	mmu_invalidate_begin(&test_mmu, HOST_HVA + 0x4000, HOST_HVA + 0x5000, true);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_RETRY);
	CHECK_EQ(fault(BASE + 4, ACCESS_READ), FAULT_RETRY);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + 0x1000);
	CHECK_EQ(fault(BASE + 4, ACCESS_READ), FAULT_RETRY);
	mmu_invalidate_end(&test_mmu, HOST_HVA + 0x4000, HOST_HVA + 0x5000);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(fault(BASE + 4, ACCESS_READ), FAULT_FIXED);
	vm_unmake();
}

TEST(shared_memory)
{
	vm_make();
	CHECK_EQ(slot_set(0, 0, 0, 16, HOST_HVA), 0);
	CHECK_EQ(slot_set(1, 0, 100, 16, HOST_HVA + 0x4000), 0);
	host_map(HOST_HVA, 32, 1, true);
	for (int i = 0; i < 16; i++) {
		CHECK_EQ(fault(i, ACCESS_READ), FAULT_FIXED);
		CHECK_EQ(fault(100 + i, ACCESS_READ), FAULT_FIXED);
	}
	host_remap(HOST_HVA + 0x5000, 1, 1, true);
	for (int i = 0; i < 16; i++) {
		CHECK_EQ(state_of(i), i == 5 ? TDP_NONE : TDP_RW);
		CHECK_EQ(state_of(100 + i), i == 1 ? TDP_NONE : TDP_RW);
	}
	vm_unmake();
}

TEST(huge_goes_whole)
{
	make(0);
	host_map(HOST_HVA, 1024, 2, true);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(fault(BASE + 512, ACCESS_WRITE), FAULT_FIXED);
	mmu_invalidate_begin(&test_mmu, HOST_HVA + 0x3000, HOST_HVA + 0x4000, true);
	CHECK_EQ(state_of(BASE + 500), TDP_NONE);
	CHECK_EQ(state_of(BASE + 512), TDP_RW);
	/* A huge page isn't mapped beside a page of it that is being invalidated. */
	CHECK_EQ(fault(BASE + 500, ACCESS_WRITE), FAULT_RETRY);
	mmu_invalidate_end(&test_mmu, HOST_HVA + 0x3000, HOST_HVA + 0x4000);
	vm_unmake();
}

/* ------------------------------------------------------------------ races, made to happen */

static u64 *claimed_entry;

static void hook_remap(void)
{
	host_remap(HOST_HVA, 1, 1, true);
}

/* Invalidated between asking the host and installing: the old frame must not come in. */
TEST(race_after_gup)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_gup_hook = hook_remap;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	vm_unmake();
}

static void hook_begin(void)
{
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + PAGE_SIZE, false);
}

TEST(race_begin_only)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_gup_hook = hook_begin;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_RETRY);
	CHECK_EQ(leaf_of(BASE, NULL), 0);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + PAGE_SIZE);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	vm_unmake();
}

/* Acts when the entry has just been claimed: as another CPU could, between any two steps. */
static void (*at_claim)(void);

static void watch_for_claim(u64 from, u64 to, int level)
{
	void (*hook)(void) = at_claim;

	if (tdp_state(to, level) != TDP_CLAIMED || !hook)
		return;
	at_claim = NULL;
	hook();
}

static void make_race(void (*hook)(void))
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	watch_hook = watch_for_claim;
	at_claim = hook;
}

TEST(race_at_claim)
{
	make_race(hook_remap);
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK(test_flushes > 0);
	vm_unmake();
}

/* The claim is taken away, and another vCPU maps the page anew before the first one goes on: the claim is another one now. */
static void hook_remap_and_claim(void)
{
	host_remap(HOST_HVA, 1, 1, true);
	SHIM_ASSERT(fault_by(1, BASE, ACCESS_READ) == FAULT_FIXED);
}

TEST(race_other_vcpu_wins)
{
	make_race(hook_remap_and_claim);
	/* fault_by() takes SRCU again; the shim lets it. */
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	CHECK_EQ(state_of(BASE), TDP_RW);
	vm_unmake();
}

static void hook_late_remap(void)
{
	hook_remap();
	/* ... and vCPU 0 is about to map the new frame. */
	if (claimed_entry)
		*claimed_entry = tdp_make_claim(0);
}

static u64 *entry_of(gfn_t gfn)
{
	struct tdp_walk w;

	tdp_walk_begin(&w, &test_mmu, TDP_4K, gfn, gfn + 1);
	while (tdp_walk_next(&w))
		;
	tdp_walk_end(&w);
	return w.entry;
}

/* Invalidated after the last look: the claim is gone, or someone else's, and the old frame must not come in. */
TEST(race_before_install)
{
	for (int other = 0; other < 2; other++) {
		make(0);
		host_map(HOST_HVA, 2, 1, true);
		CHECK_EQ(fault(BASE + 1, ACCESS_READ), FAULT_FIXED);
		claimed_entry = other ? entry_of(BASE) : NULL;
		seq_hook = hook_late_remap;
		seq_hook_in = 2;
		CHECK_EQ(fault_by(1, BASE, ACCESS_WRITE), other ? FAULT_RETRY : FAULT_FIXED);
		CHECK_EQ(seq_hook_in, 0);
		CHECK_EQ(state_of(BASE), other ? TDP_NONE : TDP_RW);
		if (other)
			CHECK_EQ(*claimed_entry, tdp_make_claim(0));
		else
			CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
		vm_unmake();
	}
}

/* Someone else holds a claim: we come again later. */
TEST(race_claimed)
{
	make(0);
	host_map(HOST_HVA, 2, 1, true);
	CHECK_EQ(fault(BASE + 1, ACCESS_READ), FAULT_FIXED);
	*entry_of(BASE) = tdp_make_claim(3);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_RETRY);
	test_flushes = 0;
	host_remap(HOST_HVA, 1, 1, true);
	CHECK_EQ(test_flushes, 1);	/* a claim may hide a leaf that is in TLBs */
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	vm_unmake();
}

/* The same in the way of a table that is wanted. */
TEST(race_claimed_above)
{
	struct tdp_walk w;

	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_map(HOST_HVA + (1ul << 30), 512, 2, true);
	CHECK_EQ(fault(BASE + HOST_1G_PAGES, ACCESS_READ), FAULT_FIXED);
	tdp_walk_begin(&w, &test_mmu, TDP_1G, BASE, BASE + 1);
	while (tdp_walk_next(&w))
		;
	*w.entry = tdp_make_claim(3);
	tdp_walk_end(&w);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_RETRY);
	*w.entry = 0;
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	vm_unmake();
}

/* An upgrade that loses: the RO leaf is gone, so everybody must be flushed, and the count of unflushed removals is back at 0. */
TEST(race_upgrade)
{
	make(0);
	host_map(HOST_HVA, 1, 1, false);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	watch_hook = watch_for_claim;
	at_claim = hook_begin;
	test_flushes = 0;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_RETRY);
	CHECK(test_flushes >= 2);
	CHECK_EQ(leaf_of(BASE, NULL), 0);
	CHECK_EQ(atomic_read(&test_mmu.unflushed), 0);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + PAGE_SIZE);
	vm_unmake();
}

/* An invalidation that comes while someone else's removal isn't flushed: flushes although it finds nothing. */
TEST(race_unflushed)
{
	make(0);
	tdp_zap_begin(&test_mmu);
	test_flushes = 0;
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + PAGE_SIZE, true);
	CHECK_EQ(test_flushes, 1);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + PAGE_SIZE);
	tdp_zap_end(&test_mmu);
	CHECK_EQ(test_flushes, 2);
	vm_unmake();
}

/* A leaf with another frame than the host's (no invalidation told us): dropped and flushed, never used for long. */
TEST(other_frame)
{
	make(0);
	host_map(HOST_HVA, 1, 1, false);
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	host_map(HOST_HVA, 1, 1, true);		/* behind our back */
	test_flushes = 0;
	CHECK_EQ(fault(BASE, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(test_flushes, 1);
	CHECK_EQ(leaf_pfn(BASE), host_pte(HOST_HVA)->pfn);
	vm_unmake();
}

/* ------------------------------------------------------------------ aging */

TEST(aging)
{
	make(0);
	host_map(HOST_HVA, 4, 1, true);
	CHECK(!mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, false));
	CHECK_EQ(fault(BASE + 1, ACCESS_READ), FAULT_FIXED);
	test_flushes = 0;
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, true));
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, false));
	CHECK(!mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, true));
	CHECK(!mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, false));
	CHECK_EQ(test_flushes, 0);
	CHECK_EQ(state_of(BASE + 1), TDP_RW);
	/* The page may be free before this invalidation is done with its leaf, when another one was faster: nothing is said of it. */
	CHECK_EQ(fault(BASE + 2, ACCESS_READ), FAULT_FIXED);
	host_page(BASE + 2)->accessed = false;
	mmu_invalidate_begin(&test_mmu, HOST_HVA, HOST_HVA + 0x4000, true);
	CHECK(!host_page(BASE + 2)->accessed);
	mmu_invalidate_end(&test_mmu, HOST_HVA, HOST_HVA + 0x4000);
	vm_unmake();
}

TEST(aging_without_bits)
{
	hw_caps.tdp_ad = false;
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_map(HOST_HVA + 0x1000, 1, 1, false);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(fault(BASE + i, ACCESS_READ), FAULT_FIXED);
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x2000, true));
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x2000, false));
	CHECK_EQ(state_of(BASE), TDP_TRACKED_RW);
	CHECK_EQ(state_of(BASE + 1), TDP_TRACKED_RO);
	CHECK(!mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x2000, false));
	/* A touch, without any lock. */
	CHECK(fault_fast(BASE, ACCESS_WRITE));
	CHECK_EQ(state_of(BASE), TDP_RW);
	CHECK(!fault_fast(BASE + 1, ACCESS_WRITE));
	CHECK(fault_fast(BASE + 1, ACCESS_READ));
	CHECK_EQ(state_of(BASE + 1), TDP_RO);
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x2000, false));
	CHECK_EQ(fault(BASE, ACCESS_READ), FAULT_FIXED);
	CHECK_EQ(state_of(BASE), TDP_RW);
	/* Hidden and then written: the host is asked. */
	CHECK_EQ(fault(BASE + 1, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(state_of(BASE + 1), TDP_RW);
	/* Hidden, then gone. */
	CHECK(mmu_age(&test_mmu, HOST_HVA, HOST_HVA + 0x2000, false));
	host_remap(HOST_HVA, 2, 1, true);
	CHECK_EQ(state_of(BASE), TDP_NONE);
	vm_unmake();
	hw_caps.tdp_ad = true;
}

/* ------------------------------------------------------------------ prefault */

static long prefault(gpa_t gpa)
{
	int idx = srcu_read_lock(&test_vm.srcu);
	long n = mmu_prefault(&test_mmu, &test_vcpus[0], gpa, 0);

	srcu_read_unlock(&test_vm.srcu, idx);
	return n;
}

TEST(prefaults)
{
	make(0);
	host_map(HOST_HVA, 1, 1, true);
	host_map(HOST_HVA + 0x200000, 512, 2, true);
	CHECK_EQ(prefault(BASE << 12), 0x1000);
	CHECK(!(leaf_of(BASE, NULL) & HW_TDP_ACCESSED));
	CHECK_EQ(prefault(BASE << 12), 0x1000);			/* again: still there */
	CHECK_EQ(test_vcpus[0].requests, 0);
	CHECK_EQ(prefault((BASE + 512 + 3) << 12), 0x200000 - 0x3000);
	CHECK_EQ(prefault((BASE + 512 + 5) << 12), 0x200000 - 0x5000);
	CHECK_EQ((long)prefault((BASE - 1) << 12), -ENOENT);
	host_gup_error = -ENOMEM;
	CHECK_EQ((long)prefault((BASE + 1) << 12), -ENOMEM);
	host_gup_error = -EINTR;
	CHECK_EQ((long)prefault((BASE + 1) << 12), -EINTR);
	host_pte(HOST_HVA + 0x1000)->forbidden = true;
	CHECK_EQ((long)prefault((BASE + 1) << 12), -EFAULT);
	host_pte(HOST_HVA + 0x1000)->forbidden = false;
	host_pte(HOST_HVA + 0x1000)->poisoned = true;
	CHECK_EQ((long)prefault((BASE + 1) << 12), -EHWPOISON);
	current->signal = true;
	CHECK_EQ((long)prefault(BASE << 12), -EINTR);
	vm_unmake();
}

/* ------------------------------------------------------------------ a random run against a model */

static u64 rnd_state;

static u32 rnd(u32 n)
{
	rnd_state = rnd_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(rnd_state >> 33) % n;
}

#define MODEL_PAGES	2048u		/* 8M: four large pages */

static bool model_mapped[2], model_logs[2], model_ro[2];	/* slots: [0] and [1], half each */
static bool model_unlogged_write[MODEL_PAGES];		/* written by the guest, and no log has said so yet */

static int model_slot(u32 page)
{
	return page / (MODEL_PAGES / 2);
}

/* Everything that must be true between any two steps. */
static void model_check(void)
{
	for (u32 i = 0; i < MODEL_PAGES; i++) {
		int level, slot = model_slot(i);
		u64 val = leaf_of(BASE + i, &level);
		struct host_pte *pte = host_pte(HOST_HVA + (i << 12));

		if (!val)
			continue;
		CHECK(model_mapped[slot]);
		CHECK_EQ(leaf_pfn(BASE + i), pte->pfn);
		CHECK(level <= pte->level);
		if (val & (HW_TDP_WRITE | TDP_SAVED_WRITE | TDP_HOST_WRITE)) {
			CHECK(pte->writable);
			CHECK(!model_ro[slot]);
			CHECK(PageDirty(pfn_to_page(pte->pfn)));
		}
		if (model_logs[slot]) {
			CHECK_EQ(level, 1);
			if (val & (HW_TDP_WRITE | TDP_SAVED_WRITE)) {
				struct memslot *s = memslot_find(test_vm.slots, BASE + i);

				CHECK(test_bit(BASE + i - s->base_gfn, s->dirty_bitmap));
			}
		}
	}
	CHECK_EQ(atomic_read(&test_mmu.unflushed), 0);
}

/* The guest touches a page, with faults as they come. */
static void model_touch(u32 page, u32 access)
{
	for (int tries = 0; tries < 10; tries++) {
		u64 val = leaf_of(BASE + page, NULL);
		enum fault_result res;

		if (val && tdp_allows(val, access)) {
			if (access & ACCESS_WRITE)
				model_unlogged_write[page] = model_logs[model_slot(page)];
			return;
		}
		if (fault_fast(BASE + page, access))
			continue;
		res = fault_by((int)rnd(4), BASE + page, access);
		if (!model_mapped[model_slot(page)]) {
			CHECK_EQ(res, FAULT_MMIO);
			return;
		}
		if (model_ro[model_slot(page)] && (access & ACCESS_WRITE)) {
			CHECK_EQ(res, FAULT_READONLY);
			return;
		}
		CHECK_EQ(res, FAULT_FIXED);
	}
	FAIL("page %u never gets mapped", page);
}

static unsigned long model_bits[MODEL_PAGES / 64];

static void model_read_log(int slot)
{
	struct kvm_dirty_log log = { .slot = (u32)slot, .dirty_bitmap = model_bits };

	mutex_lock(&test_vm.slots_lock);
	CHECK_EQ(mmu_get_dirty_log(&test_mmu, &log), 0);
	mutex_unlock(&test_vm.slots_lock);
	for (u32 i = 0; i < MODEL_PAGES / 2; i++) {
		u32 page = (u32)slot * (MODEL_PAGES / 2) + i;

		if (model_unlogged_write[page])
			CHECK(test_bit(i, model_bits));
		if (test_bit(i, model_bits))
			CHECK(!(leaf_of(BASE + page, NULL) & HW_TDP_WRITE));
		model_unlogged_write[page] = false;
	}
}

static void model_flags(int slot, bool mapped, bool logs, bool ro)
{
	gfn_t base = BASE + (u32)slot * (MODEL_PAGES / 2);
	hva_t hva = HOST_HVA + ((hva_t)slot * (MODEL_PAGES / 2) << 12);

	if (model_mapped[slot] && (!mapped || ro != model_ro[slot]))
		CHECK_EQ(slot_set((u32)slot, 0, 0, 0, 0), 0);
	if (mapped)
		CHECK_EQ(slot_set((u32)slot, (logs ? KVM_MEM_LOG_DIRTY_PAGES : 0) | (ro ? KVM_MEM_READONLY : 0), base, MODEL_PAGES / 2, hva), 0);
	for (u32 i = 0; i < MODEL_PAGES / 2; i++)
		model_unlogged_write[(u32)slot * (MODEL_PAGES / 2) + i] = false;
	model_mapped[slot] = mapped;
	model_logs[slot] = mapped && logs;
	model_ro[slot] = ro;
}

static void model_remap(void)
{
	static const u32 units[] = { 1, 1, 1, 7, 512, 512, 1024 };
	u32 n = units[rnd(ARRAY_SIZE(units))], page = rnd(MODEL_PAGES - n + 1);
	int level = 1;

	if (n >= 512) {
		page &= ~511u;
		level = 1 + (int)rnd(2);
	}
	host_remap(HOST_HVA + (page << 12), n, level, rnd(3));
	/* The rest of a large page that lost a part is small now. */
	for (u32 i = page & ~511u; level == 1 && i < ((page + n + 511) & ~511u); i++)
		host_pte(HOST_HVA + (i << 12))->level = 1;
}

static void model_step(void)
{
	u32 page = rnd(MODEL_PAGES);

	switch (rnd(40)) {
	case 0:
		model_remap();
		break;
	case 1:
		model_flags((int)rnd(2), rnd(4), rnd(2), rnd(5) == 0);
		break;
	case 2 ... 3:
		if (model_logs[model_slot(page)])
			model_read_log(model_slot(page));
		break;
	case 4 ... 5:
		mmu_age(&test_mmu, HOST_HVA + (page << 12), HOST_HVA + ((page + 1 + rnd(64)) << 12), rnd(4) == 0);
		break;
	case 6:
		prefault((BASE + page) << 12);
		break;
	default:
		model_touch(page, rnd(2) ? ACCESS_WRITE : rnd(2) ? ACCESS_READ : ACCESS_FETCH);
		break;
	}
}

static void model_run(u64 seed, bool ad)
{
	rnd_state = seed;
	hw_caps.tdp_ad = ad;
	vm_make();
	model_mapped[0] = model_mapped[1] = false;
	host_map(HOST_HVA, MODEL_PAGES, 1, true);
	for (int i = 0; i < 2; i++)
		model_flags(i, true, false, false);
	for (int i = 0; i < 3000; i++) {
		model_step();
		if (i % 16 == 0)
			model_check();
	}
	model_check();
	vm_unmake();
	hw_caps.tdp_ad = true;
}

TEST(random_against_model)
{
	for (u64 seed = 1; seed <= 6; seed++)
		model_run(seed, seed & 1);
	/* The run went through all of the table but what only threads reach. */
	for (int a = 0; a < NR_TDP_STATES; a++)
		for (int b = 0; b < NR_TDP_STATES; b++)
			if (tdp_may_become(a, b) && !watch_seen[a][b])
				printf("# never seen: %d -> %d\n", a, b);
}

/* ------------------------------------------------------------------ threads */

/*
 * Four vCPUs touch memory through TLBs of their own, which they drop only when they are told to, and read tables without any lock, as hardware does. The
 * host gives pages other frames all the time. A frame that an invalidation has taken away must not be touched any more.
 */
#define STRESS_PAGES	1536u
#define STRESS_PFN	0x200000ul
#define STRESS_FRAMES	65536u

struct stress_vcpu {
	pthread_mutex_t guest;		/* held while in the guest */
	bool flush;			/* asked to drop the TLB at the next entry */
	u64 tlb[STRESS_PAGES];		/* leaf value | level in the low ignored bits of tlb_level */
	u8 tlb_level[STRESS_PAGES];
	u64 *pde[STRESS_PAGES / 512];	/* tables of 4K leaves, as paging-structure caches hold them */
	u64 touched;
};

static struct stress_vcpu stress_vcpus[4];
static u8 stress_freed[STRESS_FRAMES];
static u32 stress_frame_version[STRESS_PAGES], stress_copy[STRESS_PAGES];
static bool stress_stop, stress_slot_changes;

static void stress_flush_all(void)
{
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&stress_vcpus[i].flush, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 4; i++) {
		pthread_mutex_lock(&stress_vcpus[i].guest);
		pthread_mutex_unlock(&stress_vcpus[i].guest);
	}
}

static u32 stress_rnd(u64 *state, u32 n)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 33) % n;
}

/* As a CPU does: from the caches if it can, without asking anybody. */
static u64 stress_translate(struct stress_vcpu *v, u32 page, int *level)
{
	u64 *table = test_mmu.root->entries, val;
	int l;

	if (v->tlb[page]) {
		*level = v->tlb_level[page];
		return v->tlb[page];
	}
	if (v->pde[page / 512]) {
		l = 1;
		val = READ_ONCE(v->pde[page / 512][tdp_index(BASE + page, 1)]);
	} else {
		for (l = 4; ; l--) {
			val = READ_ONCE(table[tdp_index(BASE + page, l)]);
			if (!tdp_is_table(val, l))
				break;
			table = __va(tdp_pa(val));
			if (l == 2)
				v->pde[page / 512] = table;
		}
	}
	if (!tdp_present(val))
		return 0;
	v->tlb[page] = val;
	v->tlb_level[page] = (u8)l;
	*level = l;
	return val;
}

static bool stress_touch(struct stress_vcpu *v, u32 page, u32 access)
{
	bool ok = false;
	int level;
	u64 val;

	pthread_mutex_lock(&v->guest);
	if (__atomic_exchange_n(&v->flush, false, __ATOMIC_SEQ_CST)) {
		memset(v->tlb, 0, sizeof(v->tlb));
		memset(v->pde, 0, sizeof(v->pde));
	}
	val = stress_translate(v, page, &level);
	if (val && tdp_allows(val, access)) {
		unsigned long pfn = (tdp_leaf_pa(val, level) >> 12) + (page & (tdp_level_pages(level) - 1));

		SHIM_ASSERT(pfn - STRESS_PFN < STRESS_FRAMES);
		SHIM_ASSERT(!__atomic_load_n(&stress_freed[pfn - STRESS_PFN], __ATOMIC_SEQ_CST));
		if (access & ACCESS_WRITE)
			__atomic_fetch_add(&stress_frame_version[page], 1, __ATOMIC_SEQ_CST);
		v->touched++;
		ok = true;
	} else {
		v->tlb[page] = 0;	/* a fault drops the translation that caused it */
		v->pde[page / 512] = NULL;
	}
	pthread_mutex_unlock(&v->guest);
	return ok;
}

static void *stress_vcpu_thread(void *arg)
{
	int nr = (int)(long)arg;
	u64 state = nr + 1;

	while (!__atomic_load_n(&stress_stop, __ATOMIC_ACQUIRE)) {
		u32 page = stress_rnd(&state, STRESS_PAGES), access = stress_rnd(&state, 2) ? ACCESS_WRITE : ACCESS_READ;
		enum fault_result res;
		bool fast;

		if (stress_touch(&stress_vcpus[nr], page, access))
			continue;
		local_irq_disable();
		fast = mmu_fault_fast(&test_mmu, &test_vcpus[nr], (BASE + page) << 12, access);
		local_irq_enable();
		if (fast)
			continue;
		res = fault_by(nr, BASE + page, access);
		SHIM_ASSERT(res == FAULT_FIXED || res == FAULT_RETRY || (stress_slot_changes && res == FAULT_MMIO));
	}
	return NULL;
}

/* Frames go round: @n that nobody has, the longest freed first. */
static u32 stress_frames(u32 *next, u32 n)
{
	u32 first, i;

	for (;;) {
		if (n == 512)
			*next = (*next + 511) & ~511u;
		if (*next + n > STRESS_FRAMES)
			*next = 0;
		first = *next;
		for (i = 0; i < n && stress_freed[first + i]; i++)
			;
		*next = first + min(i + 1, n);
		if (i == n)
			return first;
	}
}

static void stress_host_step(u64 *state, u32 *next)
{
	static const u32 units[] = { 1, 1, 1, 1, 5, 512 };
	const u32 n = units[stress_rnd(state, ARRAY_SIZE(units))], frame = stress_frames(next, n);
	const bool writable = stress_rnd(state, 4), huge = n == 512;
	u32 page = huge ? 512 * stress_rnd(state, STRESS_PAGES / 512) : stress_rnd(state, STRESS_PAGES - n + 1), i;
	hva_t hva;

	hva = HOST_HVA + ((hva_t)page << 12);
	mmu_invalidate_begin(&test_mmu, hva, hva + ((hva_t)n << 12), stress_rnd(state, 2));
	pthread_mutex_lock(&host_lock);
	for (i = 0; i < n; i++) {
		struct host_pte *pte = host_pte(hva + ((hva_t)i << 12));

		__atomic_store_n(&stress_freed[pte->pfn - STRESS_PFN], 1, __ATOMIC_SEQ_CST);
		*pte = (struct host_pte){ .pfn = STRESS_PFN + frame + i, .writable = writable, .level = huge ? 2 : 1 };
		__atomic_store_n(&stress_freed[frame + i], 0, __ATOMIC_SEQ_CST);
	}
	for (i = page & ~511u; !huge && i < ((page + n + 511) & ~511u); i++)
		host_pte(HOST_HVA + ((hva_t)i << 12))->level = 1;
	pthread_mutex_unlock(&host_lock);
	mmu_invalidate_end(&test_mmu, hva, hva + ((hva_t)n << 12));
	if (stress_rnd(state, 8) == 0)
		mmu_age(&test_mmu, HOST_HVA, HOST_HVA + (STRESS_PAGES << 12), stress_rnd(state, 2));
}

static void *stress_host_thread(void *arg)
{
	u64 state = 99;
	u32 next = STRESS_PAGES;

	while (!__atomic_load_n(&stress_stop, __ATOMIC_ACQUIRE)) {
		stress_host_step(&state, &next);
		sched_yield();
	}
	return NULL;
}

/* What a migration does: read the log, then copy what it names. */
static void stress_copy_dirty(void)
{
	static unsigned long bits[STRESS_PAGES / 64];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bits };

	mutex_lock(&test_vm.slots_lock);
	SHIM_ASSERT(mmu_get_dirty_log(&test_mmu, &log) == 0);
	mutex_unlock(&test_vm.slots_lock);
	for (u32 i = 0; i < STRESS_PAGES; i++)
		if (test_bit(i, bits))
			stress_copy[i] = __atomic_load_n(&stress_frame_version[i], __ATOMIC_SEQ_CST);
}

static pthread_t stress_threads[5];

static void stress_start(u32 slot_flags, bool ad)
{
	hw_caps.tdp_ad = ad;
	vm_make();
	memset(stress_vcpus, 0, sizeof(stress_vcpus));
	memset(stress_freed, 1, sizeof(stress_freed));
	for (u32 i = 0; i < STRESS_PAGES; i++) {
		*host_pte(HOST_HVA + ((hva_t)i << 12)) = (struct host_pte){ .pfn = STRESS_PFN + i, .writable = true, .level = 1 };
		stress_freed[i] = 0;
	}
	for (int i = 0; i < 4; i++)
		pthread_mutex_init(&stress_vcpus[i].guest, NULL);
	SHIM_ASSERT(!slot_set(0, slot_flags, BASE, STRESS_PAGES, HOST_HVA));
	stress_flush = stress_flush_all;
	stress_stop = false;
	for (long i = 0; i < 4; i++)
		pthread_create(&stress_threads[i], NULL, stress_vcpu_thread, (void *)i);
	pthread_create(&stress_threads[4], NULL, stress_host_thread, NULL);
}

static void stress_finish(void)
{
	__atomic_store_n(&stress_stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 5; i++)
		pthread_join(stress_threads[i], NULL);
	stress_flush = NULL;
}

static void stress_unmake(void)
{
	u64 touched = 0;

	for (int i = 0; i < 4; i++)
		touched += stress_vcpus[i].touched;
	CHECK(touched > 1000);
	CHECK_EQ(atomic_read(&test_mmu.unflushed), 0);
	vm_unmake();
	hw_caps.tdp_ad = true;
}

TEST(threads)
{
	for (int ad = 0; ad < 2; ad++) {
		stress_start(0, ad);
		for (int i = 0; i < 60; i++) {
			usleep(10000);
			synchronize_rcu();
			shim_run_works();
		}
		stress_finish();
		stress_unmake();
	}
}

TEST(threads_with_log)
{
	for (int ad = 0; ad < 2; ad++) {
		memset(stress_frame_version, 0, sizeof(stress_frame_version));
		memset(stress_copy, 0, sizeof(stress_copy));
		stress_start(KVM_MEM_LOG_DIRTY_PAGES, ad);
		for (int i = 0; i < 100; i++) {
			usleep(3000);
			stress_copy_dirty();
		}
		stress_finish();
		stress_copy_dirty();
		CHECK_MEM(stress_frame_version, stress_copy, sizeof(stress_copy));
		stress_unmake();
	}
}

/* Slots come, go, move and change their flags under running vCPUs. */
TEST(threads_with_slots)
{
	u64 state = 5;
	u32 flags = 0;
	bool there = true;

	stress_slot_changes = true;
	stress_start(0, true);
	for (int i = 0; i < 150; i++) {
		usleep(2000);
		if (there && stress_rnd(&state, 2)) {
			SHIM_ASSERT(slot_set(0, 0, 0, 0, 0) == 0);
			there = false;
		} else {
			flags = stress_rnd(&state, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0;
			SHIM_ASSERT(slot_set(0, flags, BASE, STRESS_PAGES, HOST_HVA) == 0);
			there = true;
		}
		shim_run_works();
	}
	stress_finish();
	stress_slot_changes = false;
	stress_unmake();
}
