// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a host virtual address to the frame behind it.
 *
 * Memory is borrowed: the reference that get_user_pages() gives is kept only until the page is
 * mapped or given up. After that the MMU notifier says when the page must go.
 *
 * The page counts as dirty from the moment at which a writable leaf is made (host_page_dirty(),
 * host_page_written()), before the leaf is visible. Whoever cleans a page later write-protects it
 * in the host's page tables first, which removes our leaf; so nothing has to be handed back when a
 * leaf goes, at a time when the page may already be someone else's.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/hugetlb.h>
#include <linux/swap.h>
#include <asm/e820/api.h>
#include <asm/io.h>
#include "core/compat.h"
#include "mmu/tdp.h"

/* ------------------------------------------------------------------ the host's page tables */

/*
 * An entry as the processor reads it, whatever its level: the bits below are at the same place in
 * all of them.
 */
struct host_entry {
	u64 val;
	int level;		/* TDP_4K, 2M, 1G */
};

/*
 * The entry below the table that @val points to. The bits themselves, and not the kernel's
 * accessors: those call into Xen for guests of its own that have page tables of another kind, and
 * such guests have no virtualization.
 */
static __always_inline u64 host_below(u64 val, hva_t hva, int shift)
{
	const u64 *table = __va(val & PTE_PFN_MASK);

	return READ_ONCE(table[(hva >> shift) & (PTRS_PER_PTE - 1)]);
}

/*
 * Page tables of the host are freed only after an IPI to every CPU where @mm is in use, or a grace
 * period: with IRQs off, and @mm the task's own or kthread_use_mm()'s, they stay. That is what
 * get_user_pages_fast() rests on, too. The answer may be stale at once; the fault that asked
 * compares the invalidation count before it uses it.
 */
static struct host_entry host_walk(struct mm_struct *mm, hva_t hva)
{
	const struct host_entry nothing = { 0, TDP_4K };
	u64 val = READ_ONCE(*(const u64 *)pgd_offset(mm, hva));

	if (pgtable_l5_enabled() && (val & _PAGE_PRESENT))
		val = host_below(val, hva, P4D_SHIFT);
	if (!(val & _PAGE_PRESENT))
		return nothing;
	val = host_below(val, hva, PUD_SHIFT);
	if (!(val & _PAGE_PRESENT))
		return nothing;
	if (val & _PAGE_PSE)
		return (struct host_entry){ val, TDP_1G };
	val = host_below(val, hva, PMD_SHIFT);
	if (!(val & _PAGE_PRESENT))
		return nothing;
	if (val & _PAGE_PSE)
		return (struct host_entry){ val, TDP_2M };
	return (struct host_entry){ host_below(val, hva, PAGE_SHIFT), TDP_4K };
}

int host_map_level(struct mm_struct *mm, hva_t hva)
{
	unsigned long flags;
	int level;

	local_irq_save(flags);
	level = host_walk(mm, hva).level;
	local_irq_restore(flags);
	return level;
}

#define HOST_WRITTEN	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_DIRTY)
#define HOST_ODD	(_PAGE_SPECIAL | COMPAT_PAGE_DEVMAP | _PAGE_PKEY_MASK)

/*
 * Memory that the VMM has written, and may write: the usual case is found without a reference to
 * the page. Nobody needs one, since who takes the page away invalidates it first, and as long as it
 * isn't invalidated the host's own entry says that it is dirty. Only what swap or nothing stands
 * behind is taken here, and what has no protection key: who may use other pages, the kernel knows.
 *
 * The folio, too, is looked at without a reference. It isn't split or freed before the entry is out
 * of every TLB of the VMM's, which takes an IPI to this CPU, where IRQs are off. Were a kernel to
 * flush without one, we might see another folio's flag; but then the entry has been invalidated,
 * and the answer is thrown away.
 */
static bool host_entry_written(const struct host_entry *e, hva_t hva, struct host_page *host)
{
	const u64 offset = tdp_level_size(e->level) - 1;

	if ((e->val & (HOST_WRITTEN | HOST_ODD)) != HOST_WRITTEN)
		return false;
	host->pfn = ((e->val & PTE_PFN_MASK & ~offset) | (hva & offset)) >> PAGE_SHIFT;
	host->writable = true;
	host->type = HW_MEM_WB;
	host->level = e->level;
	return folio_test_swapbacked(page_folio(pfn_to_page(host->pfn)));
}

/* The kernel's page of zeros, which is never freed. */
static bool host_entry_zero(const struct host_entry *e, struct host_page *host)
{
	if (e->level != TDP_4K || (e->val & (_PAGE_USER | _PAGE_RW | _PAGE_PKEY_MASK)) != _PAGE_USER)
		return false;
	host->pfn = (e->val & PTE_PFN_MASK) >> PAGE_SHIFT;
	host->writable = false;
	host->type = HW_MEM_WB;
	host->level = TDP_4K;
	return is_zero_pfn(host->pfn);
}

/* HOST_ABSENT: nothing that could be read, or written. HOST_TAKEN: no reference is needed. */
enum host_look { HOST_ABSENT, HOST_PRESENT, HOST_TAKEN };

/* What does the host have at @hva? HOST_TAKEN: @host says what. */
static enum host_look host_look(hva_t hva, bool write, bool try_write, struct host_page *host)
{
	const u64 wanted = _PAGE_PRESENT | (write ? _PAGE_RW : 0);
	enum host_look found = HOST_PRESENT;
	struct host_entry e;

	local_irq_disable();
	e = host_walk(current->mm, hva);
	if ((e.val & wanted) != wanted)
		found = HOST_ABSENT;
	else if ((write || try_write) && host_entry_written(&e, hva, host))
		found = HOST_TAKEN;
	else if (!write && host_entry_zero(&e, host))
		found = HOST_TAKEN;
	local_irq_enable();
	return found;
}

bool host_page_written(hva_t hva, struct host_page *host)
{
	struct host_entry e = host_walk(current->mm, hva);

	host->page = NULL;
	return host_entry_written(&e, hva, host);
}

/* ------------------------------------------------------------------ memory with struct page */

static bool get_page_now(hva_t hva, unsigned int flags, struct host_page *host)
{
	return get_user_pages_fast_only(hva, 1, flags, &host->page) == 1;
}

/* What the host has mapped already: no lock, no sleep. */
static bool host_page_mapped(hva_t hva, bool write, bool try_write, struct host_page *host)
{
	host->writable = (write || try_write) && get_page_now(hva, FOLL_WRITE, host);
	return host->writable || (!write && get_page_now(hva, 0, host));
}

/* Shadow stacks are written by the processor only. */
static bool vma_may_fault(const struct vm_area_struct *vma, bool write)
{
	const unsigned long never = VM_IO | VM_PFNMAP | (write ? COMPAT_VM_SHADOW_STACK : 0);

	return (vma->vm_flags & (write ? VM_WRITE : VM_READ)) && !(vma->vm_flags & never);
}

/*
 * Have the kernel do what an access of the VMM's own would: half the work of get_user_pages(),
 * whose reference and walks the usual page doesn't need. Nothing is waited for: then, and on every
 * error, get_user_pages() shall find out what to do, interruptible by signals. So mmap_lock stays
 * ours (FAULT_FLAG_RETRY_NOWAIT). false: it isn't there. May sleep for memory.
 */
static bool host_fault_in(hva_t hva, bool write)
{
	const unsigned int flags =
		FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT | (write ? FAULT_FLAG_WRITE : 0);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	vm_fault_t fault = VM_FAULT_RETRY;

	if (!mmap_read_trylock(mm))
		return false;
	vma = vma_lookup(mm, hva);
	if (vma && vma_may_fault(vma, write))
		fault = handle_mm_fault(vma, hva, flags, NULL);
	mmap_read_unlock(mm);
	return !(fault & (VM_FAULT_ERROR | VM_FAULT_RETRY));
}

/* BUS_MCEERR_AR wants to know how much memory around the address is lost. */
static short mapping_shift(hva_t hva)
{
	struct vm_area_struct *vma;
	short shift = PAGE_SHIFT;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, hva);
	if (vma)
		shift = __ffs(vma_kernel_pagesize(vma));
	mmap_read_unlock(current->mm);
	return shift;
}

static enum host_result gup_error(hva_t hva, long err)
{
	switch (err) {
	case -EHWPOISON:
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, mapping_shift(hva), current);
		return HOST_HWPOISON;
	case -EINTR:
	case -EAGAIN:
	case -ERESTARTSYS:
		return HOST_SIGNAL;
	case -ENOMEM:
		return HOST_NOMEM;
	default:
		return HOST_BAD_HVA;
	}
}

static enum host_result host_page_fault_in(hva_t hva, bool write, struct host_page *host)
{
	unsigned int flags = FOLL_HWPOISON | COMPAT_FOLL_INTERRUPTIBLE | (write ? FOLL_WRITE : 0);
	long n = get_user_pages_unlocked(hva, 1, &host->page, flags);

	if (n != 1)
		return gup_error(hva, n);
	host->writable = write;
	return HOST_OK;
}

/* ------------------ memory without (VM_IO, VM_PFNMAP) */

static bool pfn_is_ram(kvm_pfn_t pfn)
{
	const hpa_t pa = (hpa_t)pfn << PAGE_SHIFT;

	if (pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn)))
		return true;
	/* Reserved, or unknown to the kernel because of mem=: ask the firmware's map. */
	return e820__mapped_raw_any(pa, pa + PAGE_SIZE, E820_TYPE_RAM);
}

/*
 * mmap_lock held; sleeps. The host's entry is made if there is none, or none that can be written.
 * -EAGAIN: the lock was dropped, or the new entry is still to be read: the fault comes again.
 * Otherwise as fixup_user_fault().
 */
static int pfnmap_lookup(struct vm_area_struct *vma, hva_t hva, bool write, struct host_page *host)
{
	bool unlocked = false;
	int err;

	err = compat_follow_pfn(vma, hva, &host->pfn, &host->writable);
	if (!err && (host->writable || !write))
		return 0;
	err = fixup_user_fault(current->mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	return err ? err : -EAGAIN;
}

static bool vma_is_pfnmap(const struct vm_area_struct *vma, bool write)
{
	return (vma->vm_flags & (VM_IO | VM_PFNMAP)) &&
	       (vma->vm_flags & (write ? VM_WRITE : VM_READ));
}

static enum host_result host_pfnmap(hva_t hva, bool write, struct host_page *host)
{
	struct vm_area_struct *vma;
	int err = -EFAULT;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, hva);
	if (vma && vma_is_pfnmap(vma, write))
		err = pfnmap_lookup(vma, hva, write, host);
	mmap_read_unlock(current->mm);
	if (!err)
		return HOST_OK;
	/* gup_error() takes the lock itself. */
	return err == -EAGAIN ? HOST_RETRY : gup_error(hva, err);
}

/* ------------------------------------------------------------------ both */

static enum hw_memtype pfn_memtype(kvm_pfn_t pfn)
{
	return pfn_is_ram(pfn) ? HW_MEM_WB : HW_MEM_UC;
}

/* Tagging the page for writeback may be due (shared file mappings): not just the flag is set. */
static void host_page_dirty(struct page *page)
{
	if (!PageDirty(page))
		set_page_dirty(page);
}

enum host_result host_page_get(hva_t hva, bool write, bool try_write, struct host_page *host)
{
	enum host_result res = HOST_OK;
	enum host_look found;

	host->page = NULL;
	found = host_look(hva, write, try_write, host);
	if (found == HOST_ABSENT && host_fault_in(hva, write))
		found = host_look(hva, write, try_write, host);
	if (found == HOST_TAKEN)
		return HOST_OK;
	host->level = 0;
	if (found == HOST_ABSENT || !host_page_mapped(hva, write, try_write, host))
		res = host_page_fault_in(hva, write, host);
	if (res == HOST_BAD_HVA) {
		host->page = NULL;
		res = host_pfnmap(hva, write, host);
	} else if (res == HOST_OK) {
		host->pfn = page_to_pfn(host->page);
		if (!PageCompound(host->page))
			host->level = TDP_4K;
	}
	if (res != HOST_OK)
		return res;
	host->type = pfn_memtype(host->pfn);
	if (host->page && host->writable)
		host_page_dirty(host->page);
	return HOST_OK;
}

void host_page_put(struct host_page *host)
{
	if (host->page)
		put_page(host->page);
	host->page = NULL;
}
