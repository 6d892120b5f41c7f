// SPDX-License-Identifier: GPL-2.0-only
/* Memslots: what is refused, what a change makes of the set, and guest memory through it. */
#include "check.h"
#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"

#define PAGES	64
#define MEM	(PAGES * PAGE_SIZE)

static struct vm vm;
static u8 mem[2][MEM] __aligned(PAGE_SIZE);

static void begin(void)
{
	memset(&vm, 0, sizeof(vm));
	CHECK_EQ(core_setup(), 0);
	CHECK_EQ(vm_init(&vm), 0);
	memset(mem, 0, sizeof(mem));
}

/* Nothing may be left: sets, slots and bitmaps are freed. */
static void end(void)
{
	vm_destroy(&vm);
	core_teardown();
	synchronize_rcu();
	CHECK_EQ(shim_live, 0);
	CHECK_EQ(shim_live_pages, 0);
}

static int set(u32 id, u32 flags, gpa_t gpa, u64 size, const void *at)
{
	struct kvm_userspace_memory_region region = {
		.slot = id, .flags = flags, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)at,
	};
	struct memslot_update up;
	int err;

	mutex_lock(&vm.slots_lock);
	err = memslot_prepare(&vm, &region, &up);
	if (!err) {
		memslot_publish(&vm, &up);
		memslot_finish(&vm, &up);
	}
	mutex_unlock(&vm.slots_lock);
	return err;
}

static struct memslot *slot_at(gpa_t gpa)
{
	struct memslot *slot;
	int idx = srcu_read_lock(&vm.srcu);

	slot = memslot_find(memslots(&vm), gpa_to_gfn(gpa));
	srcu_read_unlock(&vm.srcu, idx);
	return slot;
}

static u64 generation(void)
{
	u64 generation;
	int idx = srcu_read_lock(&vm.srcu);

	generation = memslots(&vm)->generation;
	srcu_read_unlock(&vm.srcu, idx);
	return generation;
}

TEST(refused_arguments)
{
	static const struct { u32 id, flags; u64 gpa, size; u64 hva; const char *why; } bad[] = {
		{ 0, 4, 0, 0x1000, 0x10000, "guest_memfd" },
		{ 0, 1u << 31, 0, 0x1000, 0x10000, "unknown flag" },
		{ MEMSLOTS_MAX, 0, 0, 0x1000, 0x10000, "number too high" },
		{ 1 << 16, 0, 0, 0x1000, 0x10000, "second address space" },
		{ 0, 0, 0x800, 0x1000, 0x10000, "GPA not aligned" },
		{ 0, 0, 0, 0x1800, 0x10000, "size not aligned" },
		{ 0, 0, 0, 0x1000, 0x10800, "HVA not aligned" },
		{ 0, 0, -0x1000ull, 0x2000, 0x10000, "GPA wraps" },
		{ 0, 0, 0, 1ull << 43, 0x10000, "too many pages" },
		{ 0, 0, 0, 0x1000, 1ull << 63, "kernel address" },
		{ 0, 0, 0, 0x10000, (1ull << 47) - 0x2000, "runs out of the user half" },
		{ 0, 0, 0, 0, 0x10000, "delete what isn't there" },
	};

	begin();
	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		if (set(bad[i].id, bad[i].flags, bad[i].gpa, bad[i].size, (void *)(uintptr_t)bad[i].hva) != -EINVAL)
			FAIL("%s was accepted", bad[i].why);
		CHECK_EQ(generation(), 0);
	}
	end();
}

TEST(create_and_find)
{
	begin();
	CHECK_EQ(set(3, 0, 0x100000, MEM, mem[0]), 0);
	CHECK_EQ(set(1, 0, 0, 0x10000, mem[1]), 0);
	CHECK_EQ(generation(), 4);
	CHECK(!slot_at(0x10000));
	CHECK(!slot_at(0xff000));
	CHECK(!slot_at(0x100000 + MEM));
	CHECK(!slot_at(~0ull));
	CHECK_EQ(slot_at(0xffff)->id, 1);
	CHECK_EQ(slot_at(0x100000)->id, 3);
	CHECK_EQ(slot_at(0x100000 + MEM - 1)->id, 3);
	CHECK_EQ(memslot_gfn_to_hva(slot_at(0x101000), 0x101), (uintptr_t)mem[0] + 0x1000);
	end();
}

TEST(overlap)
{
	begin();
	CHECK_EQ(set(0, 0, 0x10000, 0x4000, mem[0]), 0);
	CHECK_EQ(set(1, 0, 0x13000, 0x1000, mem[1]), -EEXIST);
	CHECK_EQ(set(1, 0, 0xf000, 0x2000, mem[1]), -EEXIST);
	CHECK_EQ(set(1, 0, 0x8000, 0x10000, mem[1]), -EEXIST);
	CHECK_EQ(set(1, 0, 0x11000, 0x1000, mem[1]), -EEXIST);
	CHECK_EQ(set(1, 0, 0xf000, 0x1000, mem[1]), 0);
	CHECK_EQ(set(2, 0, 0x14000, 0x1000, mem[1]), 0);
	/* A move may overlap its own old place, and nobody else's. */
	CHECK_EQ(set(0, 0, 0x11000, 0x4000, mem[0]), -EEXIST);
	CHECK_EQ(set(2, 0, 0x16000, 0x1000, mem[1]), 0);
	CHECK_EQ(set(0, 0, 0x11000, 0x4000, mem[0]), 0);
	CHECK(!slot_at(0x10000));
	CHECK_EQ(slot_at(0x14fff)->id, 0);
	end();
}

TEST(delete_and_reuse)
{
	begin();
	CHECK_EQ(set(0, 0, 0, 0x1000, mem[0]), 0);
	CHECK_EQ(set(0, 0, 0, 0, NULL), 0);
	CHECK(!slot_at(0));
	CHECK_EQ(set(0, 0, 0, 0, NULL), -EINVAL);
	CHECK_EQ(set(0, KVM_MEM_READONLY, 0, 0x2000, mem[1]), 0);
	CHECK_EQ(slot_at(0x1000)->hva, (uintptr_t)mem[1]);
	end();
}

TEST(what_may_not_change)
{
	begin();
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[0]), 0);
	CHECK_EQ(set(0, 0, 0, 0x3000, mem[0]), -EINVAL);
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[1]), -EINVAL);
	CHECK_EQ(set(0, KVM_MEM_READONLY, 0, 0x2000, mem[0]), -EINVAL);
	CHECK_EQ(generation(), 2);
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[0]), 0);	/* nothing */
	CHECK_EQ(generation(), 2);
	end();
}

TEST(dirty_log)
{
	struct memslot *slot;

	begin();
	CHECK_EQ(set(0, 0, 0x10000, MEM, mem[0]), 0);
	memslot_mark_dirty(slot_at(0x10000), 0x10);	/* doesn't log: nothing happens */
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0x10000, MEM, mem[0]), 0);
	slot = slot_at(0x10000);
	CHECK(bitmap_empty(slot->dirty_bitmap, PAGES));
	memslot_mark_dirty(slot, 0x10);
	memslot_mark_dirty(slot, 0x10 + PAGES - 1);
	CHECK(test_bit(0, slot->dirty_bitmap) && test_bit(PAGES - 1, slot->dirty_bitmap));
	CHECK_EQ(bitmap_weight(slot->dirty_bitmap, PAGES), 2);

	/* The log moves with its slot, and ends with the flag. */
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0x20000, MEM, mem[0]), 0);
	CHECK_EQ(bitmap_weight(slot_at(0x20000)->dirty_bitmap, PAGES), 2);
	CHECK_EQ(set(0, 0, 0x20000, MEM, mem[0]), 0);
	CHECK(!slot_at(0x20000)->dirty_bitmap);

	vm.manual_dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0x20000, MEM, mem[0]), 0);
	CHECK_EQ(bitmap_weight(slot_at(0x20000)->dirty_bitmap, PAGES), PAGES);
	end();
}

TEST(log_that_moves_away_is_freed_once)
{
	begin();
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM, mem[0]), 0);
	for (gpa_t gpa = MEM; gpa < 10 * MEM; gpa += MEM)
		CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, gpa, MEM, mem[0]), 0);
	CHECK_EQ(set(0, 0, 0, 0, NULL), 0);
	end();
}

/* Each allocation of each change fails once: an error, and the set as it was. */
TEST(no_memory_changes_nothing)
{
	static const struct { u32 flags; gpa_t gpa; u64 size; } change[] = {
		{ KVM_MEM_LOG_DIRTY_PAGES, 0x10000, MEM }, { 0, 0x90000, MEM }, { KVM_MEM_LOG_DIRTY_PAGES, 0x90000, MEM }, { 0, 0, 0 },
	};

	begin();
	CHECK_EQ(set(0, 0, 0x10000, MEM, mem[0]), 0);
	for (int i = 0; i < ARRAY_SIZE(change); i++) {
		for (int n = 1; n < 5; n++) {
			u64 before = generation();
			int err;

			shim_fail_alloc = n;
			err = set(0, change[i].flags, change[i].gpa, change[i].size, change[i].size ? mem[0] : NULL);
			shim_fail_alloc = 0;
			if (!err) {
				CHECK_EQ(set(0, 0, 0, 0, NULL), change[i].size ? 0 : -EINVAL);
				CHECK_EQ(set(0, 0, 0x10000, MEM, mem[0]), 0);
				break;
			}
			CHECK_EQ(err, -ENOMEM);
			CHECK_EQ(generation(), before);
			CHECK_EQ(slot_at(0x10000)->flags, 0);
		}
	}
	end();
}

TEST(abort_keeps_the_log)
{
	struct kvm_userspace_memory_region region = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES, .guest_phys_addr = MEM, .memory_size = MEM, .userspace_addr = (uintptr_t)mem[0],
	};
	struct memslot_update up;

	begin();
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM, mem[0]), 0);
	mutex_lock(&vm.slots_lock);
	CHECK_EQ(memslot_prepare(&vm, &region, &up), 0);
	CHECK_EQ(up.change, MEMSLOT_MOVE);
	memslot_abort(&up);
	mutex_unlock(&vm.slots_lock);
	memslot_mark_dirty(slot_at(0), 5);
	CHECK(test_bit(5, slot_at(0)->dirty_bitmap));
	end();
}

TEST(many_slots)
{
	begin();
	for (u32 i = 0; i < 300; i++) {
		u32 id = (i * 7) % 300;

		CHECK_EQ(set(id, 0, (gpa_t)id * 0x2000, 0x1000, mem[0]), 0);
	}
	for (u32 id = 0; id < 300; id++) {
		CHECK_EQ(slot_at((gpa_t)id * 0x2000)->id, id);
		CHECK(!slot_at((gpa_t)id * 0x2000 + 0x1000));
	}
	for (u32 id = 0; id < 300; id += 3)
		CHECK_EQ(set(id, 0, 0, 0, NULL), 0);
	for (u32 id = 0; id < 300; id++)
		CHECK_EQ(!!slot_at((gpa_t)id * 0x2000), id % 3 != 0);
	end();
}

TEST(read_and_write)
{
	u64 out = 0x1122334455667788, in = 0;
	int idx;

	begin();
	CHECK_EQ(set(0, KVM_MEM_LOG_DIRTY_PAGES, 0x10000, 0x2000, mem[0]), 0);
	CHECK_EQ(set(1, KVM_MEM_READONLY, 0x12000, 0x1000, mem[1]), 0);
	idx = srcu_read_lock(&vm.srcu);
	/* Across a page and across two slots. */
	CHECK_EQ(vm_write_guest(&vm, 0x10ffc, &out, 8), 0);
	CHECK_EQ(vm_read_guest(&vm, 0x10ffc, &in, 8), 0);
	CHECK_EQ(in, out);
	CHECK_EQ(bitmap_weight(memslot_find(memslots(&vm), 0x10)->dirty_bitmap, 2), 2);
	memcpy(mem[1], "ABCD", 4);
	CHECK_EQ(vm_read_guest(&vm, 0x11ffc, &in, 8), 0);
	CHECK_EQ(in >> 32, 0x44434241);
	/* No slot, read-only, the end of memory. */
	CHECK_EQ(vm_write_guest(&vm, 0x12000, &out, 8), -EFAULT);
	CHECK_EQ(vm_read_guest(&vm, 0x12ffc, &in, 8), -EFAULT);
	CHECK_EQ(vm_read_guest(&vm, 0xfffc, &in, 8), -EFAULT);
	CHECK_EQ(vm_write_guest(&vm, 0x9000000, &out, 1), -EFAULT);
	shim_fail_uaccess = 1;
	CHECK_EQ(vm_read_guest(&vm, 0x10000, &in, 8), -EFAULT);
	shim_fail_uaccess = 1;
	CHECK_EQ(vm_write_guest(&vm, 0x10000, &in, 8), -EFAULT);
	CHECK_EQ(vm_read_guest(&vm, 0x10000, &in, 0), 0);
	srcu_read_unlock(&vm.srcu, idx);
	end();
}

TEST(atomic_read)
{
	u32 in = 0;

	begin();
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[0]), 0);
	memcpy(mem[0] + 0xffe, "WXYZ", 4);
	rcu_read_lock();
	local_irq_disable();
	CHECK_EQ(vm_read_guest_atomic(&vm, 0xffe, &in, 4), 0);
	CHECK_EQ(in, 0x5a595857);
	CHECK_EQ(vm_read_guest_atomic(&vm, 0x1ffe, &in, 4), -EFAULT);
	shim_fail_uaccess = 1;
	CHECK_EQ(vm_read_guest_atomic(&vm, 0, &in, 4), -EFAULT);
	local_irq_enable();
	rcu_read_unlock();
	end();
}

TEST(cache)
{
	struct guest_cache cache;
	u32 val = 7, in = 0;
	int idx;

	begin();
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[0]), 0);
	idx = srcu_read_lock(&vm.srcu);
	CHECK_EQ(guest_cache_init(&vm, &cache, 0xffe, 4), -EINVAL);
	CHECK_EQ(guest_cache_init(&vm, &cache, 0, 0), -EINVAL);
	CHECK_EQ(guest_cache_init(&vm, &cache, 0x5000, 4), -EFAULT);
	CHECK_EQ(guest_cache_init(&vm, &cache, 0x1010, 8), 0);
	CHECK_EQ(guest_cache_write(&vm, &cache, 4, &val, 4), 0);
	CHECK_EQ(*(u32 *)(mem[0] + 0x1014), 7);
	CHECK_EQ(guest_cache_write(&vm, &cache, 5, &val, 4), -EINVAL);
	CHECK_EQ(guest_cache_write(&vm, &cache, 9, &val, 0), -EINVAL);
	srcu_read_unlock(&vm.srcu, idx);

	/* Other memory comes to the same place, then none, then some that can't be written. */
	CHECK_EQ(set(0, 0, 0, 0, NULL), 0);
	CHECK_EQ(set(0, 0, 0, 0x2000, mem[1]), 0);
	idx = srcu_read_lock(&vm.srcu);
	CHECK_EQ(guest_cache_write(&vm, &cache, 0, &val, 4), 0);
	CHECK_EQ(*(u32 *)(mem[1] + 0x1010), 7);
	CHECK_EQ(guest_cache_read(&vm, &cache, 0, &in, 4), 0);
	CHECK_EQ(in, 7);
	srcu_read_unlock(&vm.srcu, idx);
	CHECK_EQ(set(0, 0, 0, 0, NULL), 0);
	idx = srcu_read_lock(&vm.srcu);
	CHECK_EQ(guest_cache_read(&vm, &cache, 0, &in, 4), -EFAULT);
	CHECK_EQ(guest_cache_write(&vm, &cache, 0, &in, 4), -EFAULT);
	srcu_read_unlock(&vm.srcu, idx);
	CHECK_EQ(set(0, KVM_MEM_READONLY, 0, 0x2000, mem[1]), 0);
	idx = srcu_read_lock(&vm.srcu);
	CHECK_EQ(guest_cache_write(&vm, &cache, 0, &in, 4), -EFAULT);
	CHECK_EQ(guest_cache_read(&vm, &cache, 0, &in, 4), 0);
	srcu_read_unlock(&vm.srcu, idx);
	end();
}

TEST(vm_init_without_memory)
{
	int n, err = -ENOMEM;

	memset(&vm, 0, sizeof(vm));
	CHECK_EQ(core_setup(), 0);
	for (n = 1; n < 10 && err; n++) {
		shim_fail_alloc = n;
		err = vm_init(&vm);
		shim_fail_alloc = 0;
		if (err)
			CHECK_EQ(err, -ENOMEM);
	}
	CHECK(n > 2);
	CHECK_EQ(err, 0);
	end();
}
