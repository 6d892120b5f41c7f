/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of mmu/ share: a VM, and a host whose page tables are an array. Included before the sources under test, so that their calls of the
 * host's memory management come here. One VMM address space of HOST_PAGES pages at HOST_HVA; a frame is a number, no memory stands behind it.
 */
#ifndef UNIT_MMU_LIB_H
#define UNIT_MMU_LIB_H

#include <pthread.h>
#include "check.h"

#define HOST_HVA	0x100000000000ul
#define HOST_PAGES	(3 * 512 * 512)
#define HOST_1G_PAGES	(512 * 512)

/* One host page-table entry as the guest's memory sees it. */
struct host_pte {
	unsigned long pfn;	/* 0: not present; a fault brings one in */
	bool writable;
	bool forbidden;		/* no mapping at all, or not for this access */
	bool poisoned;
	u8 level;
};

static struct host_pte *host_ptes;
static unsigned long host_next_pfn = 0x100000;
static long host_gup_error;		/* the next slow get_user_pages() returns this */
static void (*host_gup_hook)(void);	/* runs after a slow or fast get_user_pages(), once */
static int host_slow_gups, host_fast_gups, host_faults;
static bool host_has_e820_ram;

/* The host's own lock of its page tables. */
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;

static struct host_pte *host_pte(unsigned long hva)
{
	unsigned long page = (hva - HOST_HVA) >> 12;

	if (hva < HOST_HVA || page >= HOST_PAGES)
		return NULL;
	return &host_ptes[page];
}

static void host_hook(void)
{
	void (*hook)(void) = host_gup_hook;

	host_gup_hook = NULL;
	if (hook)
		hook();
}

static u64 host_unit(int level)
{
	return 1ull << (9 * (level - 1));
}

static int host_give(struct host_pte *pte, struct page **pages)
{
	pages[0] = pfn_to_page(pte->pfn);
	get_page(pages[0]);
	return 1;
}

static int host_gup_fast(unsigned long hva, int n, unsigned int flags, struct page **pages)
{
	struct host_pte *pte = host_pte(hva);
	int got = 0;

	pthread_mutex_lock(&host_lock);
	host_fast_gups++;
	if (pte && pte->pfn && !pte->forbidden && !pte->poisoned && (!(flags & FOLL_WRITE) || pte->writable))
		got = host_give(pte, pages);
	pthread_mutex_unlock(&host_lock);
	if (got)
		host_hook();
	return got;
}

/* The slow way faults the page in: a new frame if there is none. */
static long host_bring_in(struct host_pte *pte, unsigned int flags)
{
	if (!pte || pte->forbidden)
		return -EFAULT;
	if (pte->poisoned)
		return -EHWPOISON;
	if (!pte->pfn)
		*pte = (struct host_pte){ .pfn = host_next_pfn++, .writable = true, .level = 1 };
	if ((flags & FOLL_WRITE) && !pte->writable) {
		const u64 unit = host_unit(pte->level);
		struct host_pte *first = pte - (pte - host_ptes) % unit;

		/* All of a large page at once. */
		for (u64 i = 0; i < unit; i++)
			first[i].writable = true;
	}
	return 0;
}

static long host_gup(unsigned long hva, unsigned long n, struct page **pages, unsigned int flags)
{
	struct host_pte *pte = host_pte(hva);
	long err = host_gup_error;

	might_sleep();
	host_gup_error = 0;
	pthread_mutex_lock(&host_lock);
	host_slow_gups++;
	if (!err)
		err = host_bring_in(pte, flags);
	if (!err)
		host_give(pte, pages);
	pthread_mutex_unlock(&host_lock);
	if (err)
		return err;
	host_hook();
	return 1;
}

/* A large page of 2M is one folio: its head has the flags of all. */
static struct page *host_head(struct page *page)
{
	return page->mapping ? page->mapping : page;
}

#undef PageDirty
#undef set_page_dirty
#define PageDirty(p)		(host_head(p)->dirty)
#define set_page_dirty(p)	(host_head(p)->dirty = true)

#define get_user_pages_fast_only	host_gup_fast
#define get_user_pages_unlocked		host_gup

/* The host's own fault handler: its page is dirty when it was for a write. */
#define HOST_ZERO_PFN	0x77ul
#undef is_zero_pfn
#define is_zero_pfn(pfn) ((pfn) == HOST_ZERO_PFN)

static void host_replace(unsigned long hva, struct host_pte *pte);

static vm_fault_t host_handle_fault(struct vm_area_struct *vma, unsigned long hva, unsigned int flags, void *regs)
{
	struct host_pte *pte = host_pte(hva);
	const bool write = flags & FAULT_FLAG_WRITE;
	long err;

	might_sleep();
	SHIM_ASSERT(flags & FAULT_FLAG_RETRY_NOWAIT);
	SHIM_ASSERT(hva >= vma->vm_start && hva < vma->vm_end && !regs);
	host_faults++;
	if (host_gup_error)
		return host_gup_error == -EINTR ? VM_FAULT_RETRY : VM_FAULT_SIGBUS;
	if (write && pte && pte->pfn == HOST_ZERO_PFN)
		host_replace(hva, pte);
	pthread_mutex_lock(&host_lock);
	err = host_bring_in(pte, write ? FOLL_WRITE : 0);
	if (!err && write)
		set_page_dirty(pfn_to_page(pte->pfn));
	pthread_mutex_unlock(&host_lock);
	if (err)
		return VM_FAULT_SIGBUS;
	host_hook();
	return 0;
}

#define handle_mm_fault		host_handle_fault

/* The host's page tables, as host_walk() reads them: on the way to one address, all entries of a table are the same. */
typedef struct { u64 v; } pgd_t;
static __thread pgd_t host_pgd;
static __thread u64 host_tables[3][512] __attribute__((aligned(4096)));

#define _PAGE_SPECIAL	0x200ul
#define _PAGE_PKEY_MASK	(0xful << 59)
#define PTE_PFN_MASK	0xffffffffff000ull
#define PTRS_PER_PTE	512
#define P4D_SHIFT	39
#define pgtable_l5_enabled() false

static void host_walk_tables(unsigned long hva)
{
	struct host_pte *pte = host_pte(hva);
	u64 val = 0;
	int level, i;

	pthread_mutex_lock(&host_lock);
	level = pte && pte->pfn ? pte->level : 0;
	if (level && !pte->forbidden && !pte->poisoned)
		val = pte->pfn << 12 | _PAGE_PRESENT | _PAGE_USER | (pte->writable ? _PAGE_RW : 0) | (level > 1 ? _PAGE_PSE : 0) |
		      (PageDirty(pfn_to_page(pte->pfn)) ? _PAGE_DIRTY : 0);
	pthread_mutex_unlock(&host_lock);

	host_pgd.v = pte ? __pa(host_tables[0]) | _PAGE_PRESENT : 0;
	for (i = 0; i < 3; i++)
		host_tables[i][(hva >> (30 - 9 * i)) & 511] = i == 3 - level ? val : i < 2 && level ? __pa(host_tables[i + 1]) | _PAGE_PRESENT : 0;
}

/* This thread is none of the VMM's: no TLB flush of its waits for us, so its tables may go at any time. */
static bool host_foreign_thread;

#define pgd_offset(mm, a)	({ SHIM_ASSERT(irqs_disabled() && (!host_foreign_thread || shim_used_mm == (mm))); host_walk_tables(a); &host_pgd; })
#define page_folio(p)		(p)
#undef PageCompound
#define PageCompound(p)		((p)->compound)
#define folio_test_swapbacked(p) (!(p)->file)
#define vma_kernel_pagesize(v)	PAGE_SIZE
#define E820_TYPE_RAM		1
#define e820__mapped_raw_any(s, e, t)	((void)(s), host_has_e820_ram)

/* Every change of an entry is checked against the table of transitions. */
#define TDP_WATCH
#include "mmu/tdp.h"

static u64 watch_seen[NR_TDP_STATES][NR_TDP_STATES];
static void (*watch_hook)(u64 from, u64 to, int level);

void tdp_watch(u64 from, u64 to, int level)
{
	const enum tdp_state a = tdp_state(from, level), b = tdp_state(to, level);

	if (!tdp_may_become(a, b)) {
		fprintf(stderr, "entry went from state %d (%llx) to %d (%llx) at level %d\n", a, (unsigned long long)from, b, (unsigned long long)to, level);
		abort();
	}
	__atomic_fetch_add(&watch_seen[a][b], 1, __ATOMIC_RELAXED);
	if (watch_hook)
		watch_hook(from, to, level);
}

#include "core/memslot.c"

/* ------------------------------------------------------------------ the VM */

static struct vm test_vm;
static struct mmu test_mmu;
static struct mm_struct test_mm;
static struct vcpu test_vcpus[4];
static int test_flushes;
static long test_live, test_live_pages;		/* before there was a VM */
static void (*flush_hook)(void);

#ifndef MMU_LIB_OWN_FLUSH
void vm_flush_remote_tlbs(struct vm *vm)
{
	SHIM_ASSERT(!irqs_disabled());
	test_flushes++;
	if (flush_hook)
		flush_hook();
}
#endif

/* The processor's log: what vCPUs are asked for, and what they do about it. */
static int test_log_requests;
static void (*collect_hook)(void);

void vm_request_all(struct vm *vm, enum vcpu_request req, enum request_wait wait, struct vcpu *except)
{
	SHIM_ASSERT(req == REQ_DIRTY_LOG && wait == REQUEST_WAIT && !except && !irqs_disabled());
	test_log_requests++;
	if (collect_hook)
		collect_hook();
}

static void vm_make(void)
{
	test_live = shim_live;
	test_live_pages = shim_live_pages;
	host_ptes = calloc(HOST_PAGES, sizeof(*host_ptes));
	host_gup_error = 0;
	host_gup_hook = NULL;
	host_slow_gups = host_fast_gups = host_faults = 0;
	host_has_e820_ram = false;
	watch_hook = NULL;
	memset(&test_vm, 0, sizeof(test_vm));
	memset(shim_vma, 0, sizeof(shim_vma));
	shim_vma[0] = (struct vm_area_struct){ .vm_start = HOST_HVA, .vm_end = HOST_HVA + ((u64)HOST_PAGES << 12), .vm_flags = VM_READ | VM_WRITE, .vm_mm = &test_mm };
	test_vm.mm = &test_mm;
	test_vm.params.huge_pages = true;
	refcount_set(&test_vm.users, 1);
	mutex_init(&test_vm.slots_lock);
	init_srcu_struct(&test_vm.srcu);
	SHIM_ASSERT(!memslots_init(&test_vm));
	SHIM_ASSERT(!mmu_init(&test_mmu, &test_vm));
	for (unsigned int i = 0; i < ARRAY_SIZE(test_vcpus); i++)
		test_vcpus[i] = (struct vcpu){ .vm = &test_vm, .index = i, .id = i };
	current->signal = false;
	test_flushes = 0;
}

/* The host puts a frame of the VMM's own in the place of the page of zeros. */
static void host_replace(unsigned long hva, struct host_pte *pte)
{
	mmu_invalidate_begin(&test_mmu, hva, hva + PAGE_SIZE, true);
	pte->pfn = 0;
	mmu_invalidate_end(&test_mmu, hva, hva + PAGE_SIZE);
}

static void vm_unmake(void)
{
	mmu_quiesce(&test_mmu);
	mmu_destroy(&test_mmu);
	synchronize_rcu();
	shim_run_works();
	refcount_set(&test_vm.users, 0);
	memslots_destroy(&test_vm);
	cleanup_srcu_struct(&test_vm.srcu);
	mutex_destroy(&test_vm.slots_lock);
	free(host_ptes);
	host_ptes = NULL;
	shim_user_reset();
	CHECK_EQ(shim_live_pages, test_live_pages);
	CHECK_EQ(shim_live, test_live);
}

/* As the door does it (api/memory.c). */
static int slot_set(u32 id, u32 flags, gfn_t base, u64 npages, hva_t hva)
{
	struct kvm_userspace_memory_region mem = { .slot = id, .flags = flags, .guest_phys_addr = base << 12, .memory_size = npages << 12, .userspace_addr = hva };
	struct memslot_update up;
	int err;

	mutex_lock(&test_vm.slots_lock);
	err = memslot_prepare(&test_vm, &mem, &up);
	if (!err) {
		if (up.set && memslots_log(up.set))
			mmu_set_hw_log(&test_mmu, true);
		if (up.change == MEMSLOT_CREATE) {
			memslot_publish(&test_vm, &up);
		} else if (up.change == MEMSLOT_DELETE || up.change == MEMSLOT_MOVE) {
			hva_t start = up.old->hva, end = start + (up.old->npages << 12);

			mmu_invalidate_begin(&test_mmu, start, end, true);
			memslot_publish(&test_vm, &up);
			mmu_zap_slot(&test_mmu, up.old);
			mmu_invalidate_end(&test_mmu, start, end);
		} else if (up.change == MEMSLOT_FLAGS) {
			memslot_publish(&test_vm, &up);
			if (up.new->flags & KVM_MEM_LOG_DIRTY_PAGES)
				mmu_slot_start_logging(&test_mmu, up.new, test_vm.manual_dirty_log & KVM_DIRTY_LOG_INITIALLY_SET);
			else
				mmu_slot_stop_logging(&test_mmu, up.new);
		}
		if (up.set && !memslots_log(up.set))
			mmu_set_hw_log(&test_mmu, false);
		memslot_finish(&test_vm, &up);
	}
	mutex_unlock(&test_vm.slots_lock);
	return err;
}

static enum fault_result fault_by(int vcpu, gfn_t gfn, u32 access)
{
	int idx = srcu_read_lock(&test_vm.srcu);
	enum fault_result res = mmu_fault(&test_mmu, &test_vcpus[vcpu], gfn << 12, access);

	srcu_read_unlock(&test_vm.srcu, idx);
	return res;
}

static enum fault_result fault(gfn_t gfn, u32 access)
{
	return fault_by(0, gfn, access);
}

static bool fault_fast(gfn_t gfn, u32 access)
{
	bool done;

	local_irq_disable();
	done = mmu_fault_fast(&test_mmu, &test_vcpus[0], gfn << 12, access);
	local_irq_enable();
	return done;
}

/* What the hardware would find: the leaf's value and level; 0: nothing there. */
static u64 leaf_of(gfn_t gfn, int *level)
{
	int l;
	u64 val;

	rcu_read_lock();
	if (!tdp_leaf(&test_mmu, gfn, &l, &val))
		val = 0;
	rcu_read_unlock();
	if (level)
		*level = val ? l : 0;
	return val;
}

/* The frame that @gfn gets, as the guest would. */
static unsigned long leaf_pfn(gfn_t gfn)
{
	int level;
	u64 val = leaf_of(gfn, &level);

	return val ? (tdp_leaf_pa(val, level) >> 12) + (gfn & (tdp_level_pages(level) - 1)) : 0;
}

static enum tdp_state state_of(gfn_t gfn)
{
	int level;
	u64 val = leaf_of(gfn, &level);

	return val ? tdp_state(val, level) : TDP_NONE;
}

/* The host maps [hva, + pages) anew: consecutive frames, aligned to @level. */
static void host_map(hva_t hva, u64 pages, int level, bool writable)
{
	const u64 unit = host_unit(level);
	u64 i;

	host_next_pfn = (host_next_pfn + unit - 1) & ~(unit - 1);
	for (i = 0; i < pages; i++)
		*host_pte(hva + (i << 12)) = (struct host_pte){ .pfn = host_next_pfn + i, .writable = writable, .level = level };
	for (i = 0; level == 2 && i < pages; i++)
		pfn_to_page(host_next_pfn + i)->mapping = pfn_to_page((host_next_pfn + i) & ~511ul);
	for (i = 0; level > 1 && i < pages; i++)
		pfn_to_page(host_next_pfn + i)->compound = true;
	host_next_pfn += pages;
}

/* The same as the kernel would do it: with an invalidation around. */
static void host_remap(hva_t hva, u64 pages, int level, bool writable)
{
	mmu_invalidate_begin(&test_mmu, hva, hva + (pages << 12), true);
	host_map(hva, pages, level, writable);
	mmu_invalidate_end(&test_mmu, hva, hva + (pages << 12));
}

#endif
