/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory: slab and pages with fault injection, and the VMM's memory. Physical address = address in this process, so __va() and
 * virt_to_phys() are identities, and an HVA of the "VMM" is an ordinary pointer of the test.
 */
#ifndef KSHIM_MM_H
#define KSHIM_MM_H
#include "kshim/sync.h"

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << 12)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PMD_SHIFT	21
#define PMD_SIZE	(1UL << 21)
#define PUD_SHIFT	30
#define PUD_SIZE	(1UL << 30)
#define PTRS_PER_PTE	512
#define PAGE_ALIGN(x)	ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x)	IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define PFN_PHYS(x)	((phys_addr_t)(x) << PAGE_SHIFT)
#define PHYS_PFN(x)	((unsigned long)((x) >> PAGE_SHIFT))
#define PFN_DOWN(x)	((x) >> PAGE_SHIFT)
#define PFN_UP(x)	(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define TASK_SIZE_MAX	((1UL << 47) - PAGE_SIZE)
#define TASK_SIZE	TASK_SIZE_MAX
#define SZ_4K	0x1000
#define SZ_1M	0x100000
#define SZ_2M	0x200000
#define SZ_1G	0x40000000

#define GFP_KERNEL	1u
#define __GFP_ACCOUNT	16u
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_ATOMIC	2u
#define GFP_NOWAIT	2u
#define __GFP_ZERO	4u
#define __GFP_NOWARN	0u
#define __GFP_NORETRY	0u
#define __GFP_RETRY_MAYFAIL 0u
#define __GFP_NOFAIL	8u
#define SLAB_ACCOUNT	0u
#define SLAB_HWCACHE_ALIGN 0u

/* The n-th allocation from now fails; 0: none does. shim_live counts what wasn't freed. */
extern long shim_fail_alloc, shim_live, shim_live_pages;
extern gfp_t shim_last_gfp;
void *shim_alloc(size_t size, gfp_t gfp, size_t align);
void kfree(const void *p);
#define kmalloc(s, g)	shim_alloc(s, g, 0)
#define kzalloc(s, g)	shim_alloc(s, (g) | __GFP_ZERO, 0)
#define kmalloc_array(n, s, g)	shim_alloc((size_t)(n) * (s), g, 0)
#define kcalloc(n, s, g)	shim_alloc((size_t)(n) * (s), (g) | __GFP_ZERO, 0)
#define kvmalloc	kmalloc
#define kvzalloc	kzalloc
#define kvmalloc_array	kmalloc_array
#define kvcalloc	kcalloc
#define __vcalloc(n, s, g)	kcalloc(n, s, g)
#define vcalloc(n, s)	kcalloc(n, s, GFP_KERNEL)
#define vmalloc(s)	kmalloc(s, GFP_KERNEL)
#define vzalloc(s)	kzalloc(s, GFP_KERNEL)
#define __vmalloc(s, g)	kmalloc(s, g)
#define kvfree	kfree
#define vfree	kfree
#define kfree_sensitive	kfree
#define kstrdup(s, g)	kmemdup(s, strlen(s) + 1, g)
void *kmemdup(const void *p, size_t n, gfp_t gfp);
struct kmem_cache { size_t size, align; };
struct kmem_cache *shim_cache(size_t size, size_t align);
#define kmem_cache_create(n, s, a, f, c)	shim_cache(s, a)
#define kmem_cache_create_usercopy(n, s, a, f, o, z, c)	shim_cache(s, a)
#define KMEM_CACHE(s, f)	shim_cache(sizeof(struct s), __alignof__(struct s))
#define kmem_cache_destroy(c)	kfree(c)
#define kmem_cache_alloc(c, g)	shim_alloc((c)->size, g, (c)->align)
#define kmem_cache_zalloc(c, g)	shim_alloc((c)->size, (g) | __GFP_ZERO, (c)->align)
#define kmem_cache_free(c, p)	((void)(c), kfree(p))

struct page { unsigned long flags, private, pfn; atomic_t refs; bool dirty, accessed, reserved, file, compound; void *mapping; struct list_head lru; };
struct page *pfn_to_page(unsigned long pfn);	/* made when first asked for */
#define page_to_pfn(p)	((p)->pfn)
#define page_to_phys(p)	PFN_PHYS((p)->pfn)
#define page_address(p)	((void *)PFN_PHYS((p)->pfn))
#define virt_to_page(v)	pfn_to_page((unsigned long)(v) >> PAGE_SHIFT)
#define pfn_valid(pfn)	((pfn) != 0)
#define __pa(v)		((unsigned long)(v))
#define __va(p)		((void *)(unsigned long)(p))
#define virt_to_phys(v)	((phys_addr_t)(unsigned long)(v))
#define phys_to_virt(p)	((void *)(unsigned long)(p))
#define page_private(p)	((p)->private)
#define set_page_private(p, v)	((p)->private = (v))
#define page_count(p)	atomic_read(&(p)->refs)
#define PageReserved(p)	((p)->reserved)
#define PageCompound(p)	0
#define compound_head(p)	(p)
#define is_zero_pfn(p)	0
#define set_page_dirty(p)	((p)->dirty = true)
#define set_page_dirty_lock	set_page_dirty
#define SetPageDirty	set_page_dirty
#define PageDirty(p)	((p)->dirty)
#define mark_page_accessed(p)	((p)->accessed = true)
#define get_page(p)	atomic_inc(&(p)->refs)
#define put_page(p)	SHIM_ASSERT(atomic_dec_return(&(p)->refs) >= 0)
#define unpin_user_page	put_page
#define release_pages(p, n)	do { for (int _i = 0; _i < (n); _i++) put_page((p)[_i]); } while (0)
#define kmap_local_page(p)	page_address(p)
#define kmap_local_pfn(p)	((void *)PFN_PHYS(p))
#define kmap_atomic	page_address
#define kunmap_local(a)	((void)(a))
#define kunmap_atomic(a) ((void)(a))
#define kmap(p)		page_address(p)
#define kunmap(p)	((void)(p))
#define clear_page(p)	memset(p, 0, PAGE_SIZE)
#define copy_page(d, s)	memcpy(d, s, PAGE_SIZE)
#define clear_highpage(p) clear_page(page_address(p))
unsigned long __get_free_page(gfp_t gfp);
void free_page(unsigned long p);
#define get_zeroed_page(g)	__get_free_page((g) | __GFP_ZERO)
#define __get_free_pages(g, o)	shim_get_free_pages(g, o)
unsigned long shim_get_free_pages(gfp_t gfp, int order);
void free_pages(unsigned long p, int order);
struct page *alloc_pages(gfp_t gfp, int order);
#define alloc_page(g)	alloc_pages(g, 0)
#define alloc_pages_node(n, g, o)	alloc_pages(g, o)
void __free_pages(struct page *p, int order);
#define __free_page(p)	__free_pages(p, 0)
#define account_locked_vm(m, p, i)	0
#define mod_lruvec_page_state(p, i, n)	do { } while (0)
#define mod_node_page_state(p, i, n)	do { } while (0)

struct vm_area_struct { unsigned long vm_start, vm_end, vm_flags, vm_pgoff; struct mm_struct *vm_mm; void *vm_file; u64 vm_page_prot; const struct vm_operations_struct *vm_ops; };
struct vm_fault { unsigned long pgoff, address; struct page *page; struct vm_area_struct *vma; };
typedef int vm_fault_t;
struct vm_operations_struct { vm_fault_t (*fault)(struct vm_fault *); };
#define VM_FAULT_SIGBUS	2
#define VM_FAULT_RETRY	0x400
#define VM_FAULT_ERROR	0x73
#define VM_READ		1ul
#define VM_WRITE	2ul
#define VM_EXEC		4ul
#define VM_SHARED	8ul
#define VM_PFNMAP	0x400ul
#define VM_IO		0x4000ul
#define VM_MIXEDMAP	0x10000000ul
#define VM_SHADOW_STACK	0x2000000000ul
struct mm_struct { atomic_t mm_count, mm_users; struct rw_semaphore mmap_lock; struct list_head notifiers; void *pgd; struct { void *ldt; } context; };
#define mmgrab(m)	atomic_inc(&(m)->mm_count)
#define mmdrop(m)	atomic_dec(&(m)->mm_count)
#define mmget_not_zero(m)	atomic_inc_not_zero(&(m)->mm_users)
#define mmput(m)	atomic_dec(&(m)->mm_users)
extern struct mm_struct *shim_used_mm;
#define kthread_use_mm(m)	(shim_used_mm = (m))
#define kthread_unuse_mm(m)	do { SHIM_ASSERT(shim_used_mm == (m)); shim_used_mm = NULL; } while (0)
#define mmap_read_lock(m)	do { (void)(m); } while (0)
#define mmap_read_unlock(m)	do { (void)(m); } while (0)
#define mmap_read_trylock(m)	((void)(m), true)
#define mmap_write_lock(m)	do { (void)(m); } while (0)
#define mmap_write_unlock(m)	do { (void)(m); } while (0)
struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr);	/* the test defines shim_vma */
extern struct vm_area_struct shim_vma[8];

/* The VMM's memory: ranges that a test registers. With none registered, every pointer but the zero page is good. */
enum shim_user_access { SHIM_USER_NONE, SHIM_USER_RO, SHIM_USER_RW };
void shim_user_add(const void *start, size_t len, enum shim_user_access access);
void shim_user_reset(void);
enum shim_user_access shim_user_access(unsigned long addr, size_t len);
extern long shim_fail_uaccess;	/* the n-th access from now fails; 0: none */
extern void (*shim_uaccess_hook)(void);	/* called before each: what other threads do meanwhile */
unsigned long shim_copy(void *to, const void *from, unsigned long user, unsigned long n, bool write);
#define copy_from_user(t, f, n)	({ might_sleep(); shim_copy(t, f, (unsigned long)(f), n, false); })
#define copy_to_user(t, f, n)	({ might_sleep(); shim_copy(t, f, (unsigned long)(t), n, true); })
#define __copy_from_user	copy_from_user
#define __copy_to_user		copy_to_user
#define __copy_from_user_inatomic(t, f, n)	shim_copy(t, f, (unsigned long)(f), n, false)
#define __copy_to_user_inatomic(t, f, n)	shim_copy(t, f, (unsigned long)(t), n, true)
#define copy_to_user_nofault(t, f, n)	(shim_copy(t, f, (unsigned long)(t), n, true) ? -EFAULT : 0)
#define copy_from_user_nofault(t, f, n)	(shim_copy(t, f, (unsigned long)(f), n, false) ? -EFAULT : 0)
#define get_user(x, p)	({ typeof(*(p)) _gu = 0; int _r = copy_from_user(&_gu, p, sizeof(_gu)) ? -EFAULT : 0; (x) = (typeof(x))_gu; _r; })
#define put_user(x, p)	({ typeof(*(p)) _pu = (x); copy_to_user(p, &_pu, sizeof(_pu)) ? -EFAULT : 0; })
#define __get_user	get_user
#define __put_user	put_user
#define clear_user(p, n)	({ void *_cz = calloc(1, n); unsigned long _cr = copy_to_user(p, _cz, n); free(_cz); _cr; })
#define access_ok(p, n)	((unsigned long)(p) + (n) <= TASK_SIZE_MAX && (unsigned long)(p) + (n) >= (unsigned long)(p))
#define __access_ok	access_ok
#define u64_to_user_ptr(x)	((void *)(unsigned long)(x))
#define untagged_addr(x)	(x)
#define user_access_begin(p, n)	access_ok(p, n)
#define user_read_access_begin	user_access_begin
#define user_write_access_begin	user_access_begin
#define __uaccess_begin()	do { } while (0)
#define __uaccess_end()	do { } while (0)
#define user_access_end()	do { } while (0)
#define user_read_access_end()	do { } while (0)
#define user_write_access_end()	do { } while (0)
#define unsafe_get_user(x, p, l) do { typeof(*(p)) _ug; if (shim_copy((void *)&_ug, p, (unsigned long)(p), sizeof(_ug), false)) goto l; (x) = _ug; } while (0)
#define unsafe_put_user(x, p, l) do { typeof(*(p)) _up = (x); if (shim_copy(p, &_up, (unsigned long)(p), sizeof(_up), true)) goto l; } while (0)
/*
 * An instruction that may fault, and where it goes on then: kshim.c does what the kernel's fault handler does. It reads the program's
 * memory as it is: shim_user_add() and shim_fail_uaccess are nothing to it, mprotect() is.
 */
#define _ASM_EXTABLE_UA(from, to)	".pushsection shim_extable, \"aw\"\n	.quad " #from ", " #to "\n	.popsection\n"
/* 0 success, 1 another value was there, -EFAULT. */
#define __try_cmpxchg_user(p, o, n, l) ({ int _tr = -EFAULT; if (shim_user_access((unsigned long)(p), sizeof(*(p))) == SHIM_USER_RW) _tr = !try_cmpxchg(p, o, n); _tr; })
#define unsafe_try_cmpxchg_user	__try_cmpxchg_user
static inline void *memdup_user(const void *p, size_t n) { void *m = kmalloc(n, GFP_KERNEL); if (!m) return ERR_PTR(-ENOMEM); if (copy_from_user(m, p, n)) { kfree(m); return ERR_PTR(-EFAULT); } return m; }
static inline void *vmemdup_user(const void *p, size_t n) { return memdup_user(p, n); }
#define array_size(a, b)	((size_t)(a) * (b))
static inline void *memdup_array_user(const void *p, size_t n, size_t s) { return memdup_user(p, n * s); }
static inline void *vmemdup_array_user(const void *p, size_t n, size_t s) { return memdup_user(p, n * s); }
static inline int check_zeroed_user(const void *p, size_t n) { return !memchr_inv(p, 0, n); }
static inline void pagefault_disable(void) { preempt_disable(); }
static inline void pagefault_enable(void) { preempt_enable(); }

static inline ssize_t simple_read_from_buffer(void *to, size_t count, loff_t *pos, const void *from, size_t len)
{
	size_t n = *pos < 0 || (size_t)*pos >= len ? 0 : min(count, len - (size_t)*pos);

	if (shim_copy(to, (const char *)from + *pos, (unsigned long)to, n, true))
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

#define FOLL_WRITE	1u
#define FOLL_GET	4u
#define FOLL_HWPOISON	0x100u
#define FOLL_NOWAIT	0x20u
#define FOLL_INTERRUPTIBLE 0x800u
#define FOLL_LONGTERM	0x10000u
int get_user_pages_fast(unsigned long addr, int n, unsigned int flags, struct page **pages);
int get_user_pages_fast_only(unsigned long addr, int n, unsigned int flags, struct page **pages);
#define get_user_page_fast_only(a, f, p)	(get_user_pages_fast_only(a, 1, f, p) == 1)
long get_user_pages_unlocked(unsigned long addr, unsigned long n, struct page **pages, unsigned int flags);
#define pin_user_pages_fast(a, n, f, p)	get_user_pages_fast(a, n, f, p)

/* PFN mappings: what shim_pfnmap says is at an address of a VM_PFNMAP area of shim_vma. */
struct follow_pfnmap_args { struct vm_area_struct *vma; unsigned long address; unsigned long pfn; u64 pgprot; bool writable, special; };
int follow_pfnmap_start(struct follow_pfnmap_args *args);
#define follow_pfnmap_end(a)	do { } while (0)
int fixup_user_fault(struct mm_struct *mm, unsigned long address, unsigned int flags, bool *unlocked);
#define FAULT_FLAG_WRITE	1u
#define FAULT_FLAG_ALLOW_RETRY	4u
#define FAULT_FLAG_RETRY_NOWAIT	8u

struct mmu_notifier_ops;
struct mmu_notifier { const struct mmu_notifier_ops *ops; struct mm_struct *mm; struct list_head node; };
struct mmu_notifier_range { struct mm_struct *mm; unsigned long start, end; unsigned int flags; int event; };
#define MMU_NOTIFIER_RANGE_BLOCKABLE 1
#define mmu_notifier_range_blockable(r)	((r)->flags & MMU_NOTIFIER_RANGE_BLOCKABLE)
#define mmu_notifier_register(n, m)	({ (n)->mm = (m); 0; })
#define mmu_notifier_unregister(n, m)	do { } while (0)

#endif
