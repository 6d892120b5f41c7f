// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a host virtual address to the frame behind it.
 *
 * Memory is borrowed: the reference that get_user_pages() gives is kept only until the page is mapped or given up. After
 * that the MMU notifier says when the page must go.
 *
 * The page counts as dirty from the moment at which a writable leaf is made (host_page_dirty(), host_page_written()), before the leaf is
 * visible. Whoever cleans a page later write-protects it in the host's page tables first, which removes our leaf; so
 * nothing has to be handed back when a leaf goes, at a time when the page may already be someone else's.
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

/* An entry as the processor reads it, whatever its level: the bits below are at the same place in all of them. */
struct host_entry {
	u64 val;
	int level;		/* TDP_4K, 2M, 1G */
};

/*
 * Page tables of the host are freed only after an IPI to every CPU where @mm is in use, or a grace period: with IRQs off, and @mm the task's own
 * or kthread_use_mm()'s, they stay. That is what get_user_pages_fast() rests on, too. The answer may be stale at once; the fault that asked compares
 * the invalidation count before it uses it.
 */
static struct host_entry host_walk(struct mm_struct *mm, hva_t hva)
{
	const struct host_entry nothing = { 0, TDP_4K };
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return nothing;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return nothing;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return nothing;
	if (pud_leaf(pud))
		return (struct host_entry){ pud_val(pud), TDP_1G };
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		return nothing;
	if (pmd_leaf(pmd))
		return (struct host_entry){ pmd_val(pmd), TDP_2M };
	return (struct host_entry){ pte_val(READ_ONCE(*pte_offset_kernel(&pmd, hva))), TDP_4K };
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
#define HOST_ODD	(_PAGE_SPECIAL | COMPAT_PAGE_DEVMAP)

/*
 * Memory that the VMM has written, and may write: the usual case is found without a reference to the page. Nobody needs one, since who takes the page
 * away invalidates it first, and as long as it isn't invalidated the host's own entry says that it is dirty. Only what swap or nothing stands behind
 * is taken here: who may use other pages, the kernel knows.
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

enum host_look { HOST_ABSENT, HOST_PRESENT, HOST_TAKEN };

/* What does the host have at @hva? HOST_TAKEN: memory that may be written, and @host says which. */
static enum host_look host_look(hva_t hva, bool try_write, struct host_page *host)
{
	enum host_look found = HOST_ABSENT;
	struct host_entry e;

	local_irq_disable();
	e = host_walk(current->mm, hva);
	if (e.val & _PAGE_PRESENT)
		found = try_write && host_entry_written(&e, hva, host) ? HOST_TAKEN : HOST_PRESENT;
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

/* ------------------------------------------------------------------ memory without (VM_IO, VM_PFNMAP) */

static bool pfn_is_ram(kvm_pfn_t pfn)
{
	const hpa_t pa = (hpa_t)pfn << PAGE_SHIFT;

	if (pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn)))
		return true;
	/* Reserved, or unknown to the kernel because of mem=: ask the firmware's map. */
	return e820__mapped_raw_any(pa, pa + PAGE_SIZE, E820_TYPE_RAM);
}

/*
 * mmap_lock held; sleeps. The host's entry is made if there is none, or none that can be written. -EAGAIN: the lock was dropped, or the new entry
 * is still to be read: the fault comes again. Otherwise as fixup_user_fault().
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
	return (vma->vm_flags & (VM_IO | VM_PFNMAP)) && (vma->vm_flags & (write ? VM_WRITE : VM_READ));
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
	found = host_look(hva, write || try_write, host);
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
