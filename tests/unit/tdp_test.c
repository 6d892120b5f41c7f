// SPDX-License-Identifier: GPL-2.0-only
/* mmu/tdp_entry.h and mmu/tdp.c: states, transitions, walks, splitting, unlinking. */
#include "mmu_lib.h"
#include "mmu/tdp.c"
#include "mmu/hostmem.c"
#include "mmu/notifier.c"
#include "mmu/fault.c"
#include "mmu/dirty.c"
#include "mmu/large.c"

#define PA_1G	0x7c0000000ull

/* ------------------------------------------------------------------ entries */

struct sample {
	u64 val;
	enum tdp_state state;
	int level;
};

/* Every kind of entry there can be: state, level, accessed, dirty, backed by struct page, memory type. */
static int make_samples(struct sample *out)
{
	int n = 0;

	for (int level = 1; level <= 5; level++) {
		out[n++] = (struct sample){ 0, TDP_NONE, level };
		for (u32 vcpu = 0; vcpu < VM_MAX_VCPUS; vcpu += 341)
			out[n++] = (struct sample){ tdp_make_claim(vcpu), TDP_CLAIMED, level };
		if (level > 1)
			out[n++] = (struct sample){ hw_tdp_table(0x1234000), TDP_TABLE, level };
		for (int bits = 0; level <= 3 && bits < 128; bits++) {
			bool write = bits & 1, host_write = bits & 2, tracked = bits & 64;
			u64 val = hw_tdp_leaf(PA_1G, level, ACCESS_READ | ACCESS_FETCH | (write ? ACCESS_WRITE : 0), bits & 4 ? HW_MEM_UC : HW_MEM_WB);

			if (write && !host_write)
				continue;
			val |= (host_write ? TDP_HOST_WRITE : 0) | (bits & 8 ? HW_TDP_SOFT1 : 0);
			val |= (bits & 16 ? HW_TDP_ACCESSED : 0) | (bits & 32 ? HW_TDP_DIRTY : 0);
			if (tracked)
				val = tdp_hide(val);
			out[n++] = (struct sample){ val, (write ? TDP_RW : host_write ? TDP_LOGGED : TDP_RO) + (tracked ? 3 : 0), level };
		}
	}
	return n;
}

static struct sample samples[2000];

TEST(states)
{
	int n = make_samples(samples);

	CHECK(n > 200 && n < 2000);
	for (int i = 0; i < n; i++) {
		const struct sample *s = &samples[i];

		CHECK_EQ(tdp_state(s->val, s->level), s->state);
		CHECK_EQ(tdp_is_leaf(s->val, s->level), s->state >= TDP_RW);
		CHECK_EQ(tdp_is_table(s->val, s->level), s->state == TDP_TABLE);
		CHECK_EQ(tdp_present(s->val), s->state >= TDP_TABLE && s->state <= TDP_LOGGED);
		if (s->state >= TDP_RW)
			CHECK_EQ(tdp_leaf_pa(s->val, s->level), PA_1G);
		if (s->state >= TDP_RW) {
			CHECK_EQ(tdp_allows(s->val, ACCESS_READ), s->state <= TDP_LOGGED);
			CHECK_EQ(tdp_allows(s->val, ACCESS_WRITE), s->state == TDP_RW);
		}
	}
}

/* What each operation makes of each state; 0: it is not asked. */
TEST(operations)
{
	static const enum tdp_state grant[] = { [TDP_LOGGED] = TDP_RW, };
	static const enum tdp_state protect[] = { [TDP_RW] = TDP_LOGGED, [TDP_TRACKED_RW] = TDP_TRACKED_LOGGED };
	static const enum tdp_state hide[] = { [TDP_RW] = TDP_TRACKED_RW, [TDP_RO] = TDP_TRACKED_RO, [TDP_LOGGED] = TDP_TRACKED_LOGGED };
	static const enum tdp_state unhide[] = { [TDP_TRACKED_RW] = TDP_RW, [TDP_TRACKED_RO] = TDP_RO, [TDP_TRACKED_LOGGED] = TDP_LOGGED };
	int n = make_samples(samples);

	for (int i = 0; i < n; i++) {
		const struct sample *s = &samples[i];
		const u64 keep = HW_TDP_SOFT1 | TDP_HOST_WRITE | 0x18;
		u64 to;

#define OPERATION(table, func) \
		if (s->state < ARRAY_SIZE(table) && table[s->state]) { \
			to = func(s->val); \
			CHECK_EQ(tdp_state(to, s->level), table[s->state]); \
			CHECK(tdp_may_become(s->state, tdp_state(to, s->level))); \
			CHECK_EQ(tdp_leaf_pa(to, s->level), PA_1G); \
			CHECK_EQ(to & keep, s->val & keep); \
			CHECK_EQ(to & HW_TDP_LARGE, s->val & HW_TDP_LARGE); \
		}
		OPERATION(grant, tdp_grant_write);
		OPERATION(protect, tdp_write_protect);
		OPERATION(hide, tdp_hide);
		OPERATION(unhide, tdp_unhide);
		if (s->state >= TDP_TRACKED_RW)
			CHECK(tdp_unhide(s->val) & HW_TDP_ACCESSED);
		if (s->state == TDP_LOGGED)
			CHECK_EQ(tdp_grant_write(s->val) & (HW_TDP_ACCESSED | HW_TDP_DIRTY), HW_TDP_ACCESSED | HW_TDP_DIRTY);
		if (s->state == TDP_RW)
			CHECK_EQ(tdp_write_protect(s->val) & HW_TDP_DIRTY, 0);
	}
}

TEST(splits)
{
	int n = make_samples(samples);

	for (int i = 0; i < n; i++) {
		const struct sample *s = &samples[i];

		if (s->state < TDP_RW || s->level == 1)
			continue;
		for (int k = 0; k < 512; k += 73) {
			u64 child = tdp_split_leaf(s->val, s->level, k);
			/* Small pages may be executed from. */
			u64 same = ~(HW_TDP_PA_MASK | HW_TDP_LARGE | (s->level == TDP_2M ? TDP_NO_EXEC | HW_TDP_NX : 0));

			CHECK_EQ(tdp_state(child, s->level - 1), s->state);
			CHECK_EQ(tdp_leaf_pa(child, s->level - 1), PA_1G + k * tdp_level_size(s->level - 1));
			CHECK_EQ(!!(child & HW_TDP_LARGE), s->level - 1 > 1);
			CHECK_EQ(child & same, s->val & same);
			CHECK(s->level > TDP_2M || !(child & TDP_NO_EXEC));
		}
	}
}

/* All pairs of states: the table says the same as the rules in words. */
TEST(transitions)
{
	for (int a = 0; a < NR_TDP_STATES; a++) {
		for (int b = 0; b < NR_TDP_STATES; b++) {
			bool leaf_a = a >= TDP_RW, leaf_b = b >= TDP_RW, may = tdp_may_become(a, b);

			if (may && leaf_b && !leaf_a)
				CHECK(a == TDP_CLAIMED && b <= TDP_LOGGED);		/* a leaf comes from a claim only */
			if (may && a == TDP_RO)
				CHECK(b != TDP_RW && b != TDP_LOGGED);			/* RO gets more only by asking the host */
			if (may && a == TDP_TRACKED_RO)
				CHECK(b != TDP_RW && b != TDP_LOGGED);
			if (may && (b == TDP_RO || b == TDP_TRACKED_RO))
				CHECK(a == TDP_CLAIMED || a == TDP_RO || a == TDP_TRACKED_RO);	/* the host never takes rights away in place */
			if (may && b == TDP_CLAIMED)
				CHECK(a == TDP_NONE || a == TDP_RO || a == TDP_TRACKED_RO);
			if (b == TDP_NONE)
				CHECK_EQ(may, a != TDP_NONE);				/* anything can be removed */
			if (leaf_a && b == TDP_TABLE)
				CHECK(may);						/* any leaf can be split */
			if (a == TDP_TABLE)
				CHECK_EQ(may, b == TDP_NONE);
			if (may && b >= TDP_TRACKED_RW)
				CHECK(hw_caps.tdp_ad || leaf_a);
		}
	}
}

/* ------------------------------------------------------------------ cas and take */

TEST(door)
{
	u64 entry = 0, val = 0;

	CHECK(tdp_cas(&entry, &val, tdp_make_claim(1), 1));
	val = tdp_make_claim(2);
	CHECK(!tdp_cas(&entry, &val, 0, 1));
	CHECK_EQ(val, tdp_make_claim(1));
	val = tdp_make_claim(2);
	CHECK(tdp_take(&entry, &val, 1));
	CHECK_EQ(val, tdp_make_claim(1));
	CHECK_EQ(entry, 0);
	CHECK(!tdp_take(&entry, &val, 1));
	CHECK_EQ(val, 0);
	/* A leaf was split when we came to take it: the table stays. */
	entry = hw_tdp_table(0x5000);
	val = hw_tdp_leaf(0x200000, 2, ACCESS_READ, HW_MEM_WB);
	CHECK(!tdp_take(&entry, &val, 2));
	CHECK_EQ(val, hw_tdp_table(0x5000));
	CHECK_EQ(entry, val);
}

/* ------------------------------------------------------------------ walks */

/* Slot 0: 3G of memory at 1G, backed one to one. */
static void make_memory(void)
{
	vm_make();
	SHIM_ASSERT(!slot_set(0, 0, HOST_1G_PAGES, HOST_PAGES, HOST_HVA));
}

TEST(empty)
{
	long live = shim_live, pages = shim_live_pages;

	vm_make();
	CHECK_EQ(mmu_root(&test_mmu), __pa(test_mmu.root->entries));
	mmu_update_stats(&test_mmu);
	CHECK_EQ(test_vm.stats.mmu_pages, 1);
	CHECK_EQ(test_vm.stats.pages_4k, 0);
	vm_unmake();
	mmu_destroy(&test_mmu);		/* twice does no harm */
	CHECK_EQ(shim_live, live);
	CHECK_EQ(shim_live_pages, pages);
}

TEST(init_fails)
{
	long live = shim_live;

	for (int n = 1; n <= 2; n++) {
		struct mmu m = { 0 };

		shim_fail_alloc = n;
		CHECK_EQ(mmu_init(&m, &test_vm), -ENOMEM);
		shim_fail_alloc = 0;
		CHECK_EQ(shim_live, live);
		mmu_destroy(&m);
	}
}

TEST(walk_finds_all)
{
	static const gfn_t pages[] = { 0, 1, 511, 512, 1024, HOST_1G_PAGES - 1, HOST_1G_PAGES, 2 * HOST_1G_PAGES + 77, HOST_PAGES - 1 };
	struct tdp_walk w;
	unsigned int n = 0;

	make_memory();
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		host_map(HOST_HVA + (pages[i] << 12), 1, 1, true);
		CHECK_EQ(fault(HOST_1G_PAGES + pages[i], ACCESS_READ), FAULT_FIXED);
	}
	for (int yields = 0; yields < 2; yields++) {
		n = 0;
		shim_need_resched = yields;
		tdp_walk_begin(&w, &test_mmu, TDP_4K, 0, test_mmu.end_gfn);
		while (tdp_walk_next(&w)) {
			if (tdp_is_leaf(w.val, w.level)) {
				CHECK_EQ(w.gfn, HOST_1G_PAGES + pages[n]);
				CHECK_EQ(w.level, 1);
				n++;
			}
			/* Only some: a table that is yielded at each time is visited each time. */
			if (!tdp_is_table(w.val, w.level))
				tdp_walk_yield(&w);
		}
		tdp_walk_end(&w);
		CHECK_EQ(n, ARRAY_SIZE(pages));
	}
	shim_need_resched = 1;
	mmu_update_stats(&test_mmu);
	shim_need_resched = 0;
	CHECK_EQ(test_vm.stats.pages_4k, ARRAY_SIZE(pages));
	/* root, 1 of level 3, 3 of level 2, and of level 1: 0..511, 512.., 1024.., end of 1G, start of 2G, in 3G, end of 3G */
	CHECK_EQ(test_vm.stats.mmu_pages, 1 + 1 + 3 + 7);

	/* A part only; not below 2M. */
	n = 0;
	tdp_walk_begin(&w, &test_mmu, TDP_2M, HOST_1G_PAGES + 512, HOST_1G_PAGES + 1025);
	while (tdp_walk_next(&w)) {
		n += w.level == TDP_2M;
		CHECK(w.level >= TDP_2M);
	}
	tdp_walk_end(&w);
	CHECK_EQ(n, 2);
	tdp_walk_begin(&w, &test_mmu, TDP_4K, 5, 5);
	CHECK(!tdp_walk_next(&w));
	tdp_walk_end(&w);
	vm_unmake();
}

TEST(walk_skips)
{
	struct tdp_walk w;
	int n = 0;

	make_memory();
	host_map(HOST_HVA, 1024, 1, true);
	for (int i = 0; i < 1024; i += 100)
		CHECK_EQ(fault(HOST_1G_PAGES + i, ACCESS_READ), FAULT_FIXED);
	tdp_walk_begin(&w, &test_mmu, TDP_4K, HOST_1G_PAGES, HOST_1G_PAGES + 1024);
	while (tdp_walk_next(&w)) {
		if (w.level == TDP_2M && w.gfn == HOST_1G_PAGES)
			tdp_walk_skip(&w);
		n += tdp_is_leaf(w.val, w.level);
	}
	tdp_walk_end(&w);
	CHECK_EQ(n, 5);		/* 600, 700, ... 1000 */
	vm_unmake();
}

/* ------------------------------------------------------------------ zapping */

TEST(zap_slot_frees_tables)
{
	long pages;

	make_memory();
	pages = shim_live_pages;
	host_map(HOST_HVA, 2048, 1, true);
	for (int i = 0; i < 2048; i += 64)
		CHECK_EQ(fault(HOST_1G_PAGES + i, ACCESS_WRITE), FAULT_FIXED);
	CHECK(shim_live_pages > pages);
	CHECK_EQ(slot_set(0, 0, 0, 0, 0), 0);
	CHECK(test_flushes > 0);
	for (int i = 0; i < 2048; i++)
		CHECK_EQ(leaf_of(HOST_1G_PAGES + i, NULL), 0);
	synchronize_rcu();
	shim_run_works();
	/* The tables above 1G remain: the slot doesn't cover their whole span. */
	CHECK(shim_live_pages <= pages + 1);
	CHECK_EQ(fault(HOST_1G_PAGES, ACCESS_READ), FAULT_MMIO);
	vm_unmake();
}

TEST(zap_part_of_a_table)
{
	vm_make();
	CHECK_EQ(slot_set(0, 0, 100, 50, HOST_HVA), 0);
	CHECK_EQ(slot_set(1, 0, 150, 50, HOST_HVA + (50 << 12)), 0);
	host_map(HOST_HVA, 100, 1, true);
	for (int i = 100; i < 200; i++)
		CHECK_EQ(fault(i, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(slot_set(0, 0, 0, 0, 0), 0);
	for (int i = 100; i < 200; i++)
		CHECK_EQ(state_of(i), i < 150 ? TDP_NONE : TDP_RW);
	vm_unmake();
}

TEST(zap_all)
{
	make_memory();
	host_map(HOST_HVA, HOST_PAGES, 3, true);
	CHECK_EQ(fault(HOST_1G_PAGES, ACCESS_WRITE), FAULT_FIXED);
	host_remap(HOST_HVA + (1ul << 30), 512, 2, true);
	CHECK_EQ(fault(2 * HOST_1G_PAGES, ACCESS_WRITE), FAULT_FIXED);
	mmu_update_stats(&test_mmu);
	CHECK_EQ(test_vm.stats.pages_1g, 1);
	CHECK_EQ(test_vm.stats.pages_2m, 1);
	zap_tables(&test_mmu, 0, test_mmu.end_gfn);
	for (int i = 0; i < 512; i++)
		CHECK_EQ(test_mmu.root->entries[i], 0);
	CHECK_EQ(atomic_read(&test_mmu.unflushed), 0);
	vm_unmake();
}

TEST(five_levels)
{
	hw_caps.tdp_levels = 5;
	hw_caps.max_phys_bits = 52;
	vm_make();
	CHECK_EQ(slot_set(0, 0, 1ull << 37, 512, HOST_HVA), 0);
	host_map(HOST_HVA, 512, 2, true);
	CHECK_EQ(fault((1ull << 37) + 3, ACCESS_WRITE), FAULT_FIXED);
	CHECK_EQ(leaf_pfn((1ull << 37) + 3), host_pte(HOST_HVA)->pfn + 3);
	CHECK_EQ(test_mmu.end_gfn, 1ull << 40);
	vm_unmake();
	hw_caps.tdp_levels = 4;
	hw_caps.max_phys_bits = 48;
}

/* A split of every level and state keeps what is mapped; and a lost race leaves the spare table empty. */
TEST(split_keeps_mapping)
{
	struct tdp_table *spare;
	u64 *entry, val, stale;
	int level;

	make_memory();
	host_map(HOST_HVA, HOST_1G_PAGES, 3, true);
	CHECK_EQ(fault(HOST_1G_PAGES + 12345, ACCESS_WRITE), FAULT_FIXED);
	for (level = 3; level > 1; level--) {
		int l;

		spare = tdp_table_alloc(TDP_4K);
		rcu_read_lock();
		entry = tdp_leaf(&test_mmu, HOST_1G_PAGES + 12345, &l, &val);
		CHECK_EQ(l, level);
		stale = val ^ HW_TDP_DIRTY;
		CHECK(!tdp_split(entry, &stale, l, spare));
		CHECK_EQ(stale, val);
		for (int i = 0; i < 512; i++)
			CHECK_EQ(spare->entries[i], 0);
		CHECK(tdp_split(entry, &val, l, spare));
		rcu_read_unlock();
		for (int i = 0; i < HOST_1G_PAGES; i += 501) {
			CHECK_EQ(leaf_pfn(HOST_1G_PAGES + i), host_pte(HOST_HVA)->pfn + i);
			CHECK_EQ(state_of(HOST_1G_PAGES + i), TDP_RW);
		}
	}
	vm_unmake();
}
