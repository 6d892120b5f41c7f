// SPDX-License-Identifier: GPL-2.0-only
/* The first access to a page. */
#include "bench.h"

#define REGION		0x10000000u		/* GPA of the pages; 2 MB aligned, like their HVA */
#define SMALL		4096u
#define HUGE		0x200000u
#define SMALL_PAGES	512u			/* of a round */
#define HUGE_PAGES	16u

GUEST64(guest_write, TOP; STAMP; mov %rax, (%rsi); STORE; add %rbp, %rsi; AGAIN);
GUEST64(guest_read, TOP; STAMP; mov (%rsi), %rax; STORE; add %rbp, %rsi; AGAIN);

/* How the pages come to be unmapped in the VM before a round. */
enum kind {
	MAPPED,					/* host pages present */
	UNMAPPED,				/* and those not */
	MAPPED_HUGE,
	CLEANED,				/* mapped, and the dirty log has been read since */
};

struct region {
	struct bench b;
	enum kind kind;
	u32 page, pages;
	u8 *hva;
};

static size_t size_of(struct region *r)
{
	return (size_t)r->page * r->pages;
}

static void set_slot(struct region *r, size_t size)
{
	must(vm_slot(&r->b.vm, 1, r->kind == CLEANED ? KVM_MEM_LOG_DIRTY_PAGES : 0, REGION, size, r->hva) == 0);
}

static void create(struct region *r)
{
	size_t size = size_of(r);
	u8 *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	r->hva = (u8 *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (madvise(r->hva, size, r->kind == MAPPED_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
		cannot("no transparent huge pages in the host");
	memset(r->hva, 1, size);
	begin(&r->b, XAPIC);
	set_slot(r, size);
}

static void read_log(struct region *r)
{
	static u64 bitmap[SMALL_PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	must_ioctl(r->b.vm.fd, KVM_GET_DIRTY_LOG, &log);
}

static void prepare(struct region *r)
{
	if (r->kind == CLEANED) {
		read_log(r);
	} else if (r->kind == UNMAPPED) {
		must(madvise(r->hva, size_of(r), MADV_DONTNEED) == 0);
	} else {
		set_slot(r, 0);
		set_slot(r, size_of(r));
	}
}

static void run_memory(const struct op *op)
{
	struct region r = { .kind = op->arg, .page = SMALL, .pages = SMALL_PAGES };

	if (r.kind == MAPPED_HUGE) {
		r.page = HUGE;
		r.pages = HUGE_PAGES;
	}
	create(&r);
	for (u32 i = 0; i < COUNT / r.pages + 1; i++) {
		prepare(&r);
		run_loop(r.b.v, op->guest, REGION, r.page, r.pages);
		if (i > 0)
			take(&r.b, r.pages, 1);
	}
	report(op->names);
}

const struct op memory_ops[] = {
	{ "npf_4k_mapped", run_memory, guest_write, MAPPED },
	{ "npf_4k_unmapped", run_memory, guest_write, UNMAPPED },
	{ "npf_zero_page", run_memory, guest_read, UNMAPPED },
	{ "npf_2m", run_memory, guest_write, MAPPED_HUGE },
	{ "dirty_refault", run_memory, guest_write, CLEANED },
	{}
};
