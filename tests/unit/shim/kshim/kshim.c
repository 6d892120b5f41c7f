// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the shim that have a state. One copy is linked into each test program. */
#include "kshim/kshim.h"

/* ---- printing and assertions */

int shim_warn_ok, shim_warnings;

void shim_printk(const char *fmt, ...)
{
	va_list ap;

	if (!getenv("KSHIM_VERBOSE"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

int shim_scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n >= (int)size ? (int)size - 1 : n;
}

void shim_warn(const char *what, const char *file, int line)
{
	shim_warnings++;
	if (!shim_warn_ok)
		shim_die(what, file, line);
}

void shim_die(const char *what, const char *file, int line)
{
	fflush(stdout);
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

void *memchr_inv(const void *p, int c, size_t n)
{
	for (const u8 *b = p; n--; b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

void shim_sort(void *base, size_t num, size_t size, int (*cmp)(const void *, const void *))
{
	if (num)
		qsort(base, num, size, cmp);
}

/* ---- bitmaps */

unsigned long find_next_bit(const unsigned long *p, unsigned long size, unsigned long from)
{
	for (; from < size; from++)
		if (test_bit(from, p))
			return from;
	return size;
}

unsigned long find_next_zero_bit(const unsigned long *p, unsigned long size, unsigned long from)
{
	for (; from < size; from++)
		if (!test_bit(from, p))
			return from;
	return size;
}

unsigned long find_last_bit(const unsigned long *p, unsigned long size)
{
	for (unsigned long b = size; b--;)
		if (test_bit(b, p))
			return b;
	return size;
}

void bitmap_set(unsigned long *p, unsigned int start, unsigned int n)
{
	while (n--)
		__set_bit(start++, p);
}

void bitmap_clear(unsigned long *p, unsigned int start, unsigned int n)
{
	while (n--)
		__clear_bit(start++, p);
}

/* ---- trees and xarrays */

static struct rb_node **rb_place(struct rb_node *n, struct rb_root *r)
{
	if (!n->parent)
		return &r->rb_node;
	return n->parent->rb_left == n ? &n->parent->rb_left : &n->parent->rb_right;
}

static void rb_put(struct rb_node **place, struct rb_node *n, struct rb_node *parent)
{
	*place = n;
	if (n)
		n->parent = parent;
}

void rb_erase(struct rb_node *n, struct rb_root *r)
{
	struct rb_node **place = rb_place(n, r), *s;

	if (!n->rb_left || !n->rb_right) {
		rb_put(place, n->rb_left ? n->rb_left : n->rb_right, n->parent);
		return;
	}
	for (s = n->rb_right; s->rb_left;)
		s = s->rb_left;
	rb_erase(s, r);
	rb_put(rb_place(n, r), s, n->parent);
	s->rb_left = s->rb_right = NULL;
	rb_put(&s->rb_left, n->rb_left, s);
	rb_put(&s->rb_right, n->rb_right, s);
}

struct rb_node *rb_first(const struct rb_root *r)
{
	struct rb_node *n = r->rb_node;

	while (n && n->rb_left)
		n = n->rb_left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *r)
{
	struct rb_node *n = r->rb_node;

	while (n && n->rb_right)
		n = n->rb_right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->rb_right)
		return rb_first(&(struct rb_root) { n->rb_right });
	while (n->parent && n->parent->rb_right == n)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->rb_left)
		return rb_last(&(struct rb_root) { n->rb_left });
	while (n->parent && n->parent->rb_left == n)
		n = n->parent;
	return n->parent;
}

void interval_tree_insert(struct interval_tree_node *n, struct rb_root_cached *r)
{
	struct rb_node **link = &r->rb_root.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = n->start < container_of(parent, struct interval_tree_node, rb)->start ?
		       &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&n->rb, parent, link);
}

void interval_tree_remove(struct interval_tree_node *n, struct rb_root_cached *r)
{
	rb_erase(&n->rb, &r->rb_root);
}

static struct interval_tree_node *overlap_from(struct rb_node *rb, unsigned long start, unsigned long last)
{
	for (; rb; rb = rb_next(rb)) {
		struct interval_tree_node *n = container_of(rb, struct interval_tree_node, rb);

		if (n->start <= last && n->last >= start)
			return n;
	}
	return NULL;
}

struct interval_tree_node *interval_tree_iter_first(struct rb_root_cached *r, unsigned long start, unsigned long last)
{
	return overlap_from(rb_first(&r->rb_root), start, last);
}

struct interval_tree_node *interval_tree_iter_next(struct interval_tree_node *n, unsigned long start, unsigned long last)
{
	return overlap_from(rb_next(&n->rb), start, last);
}

static unsigned int xa_position(struct xarray *xa, unsigned long index)
{
	unsigned int i;

	for (i = 0; i < xa->used && xa->slots[i].index < index; i++)
		;
	return i;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	unsigned int i = xa_position(xa, index);

	return i < xa->used && xa->slots[i].index == index ? xa->slots[i].entry : NULL;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	unsigned int i = xa_position(xa, index);
	void *old;

	if (i >= xa->used || xa->slots[i].index != index)
		return NULL;
	old = xa->slots[i].entry;
	memmove(&xa->slots[i], &xa->slots[i + 1], (xa->used - i - 1) * sizeof(*xa->slots));
	if (!--xa->used) {
		free(xa->slots);
		xa->slots = NULL;
	}
	return old;
}

static bool allocation_fails(void);

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	unsigned int i = xa_position(xa, index);
	void *old;

	if (gfp & GFP_KERNEL)
		might_sleep();
	if (!entry)
		return xa_erase(xa, index);
	if (i < xa->used && xa->slots[i].index == index) {
		old = xa->slots[i].entry;
		xa->slots[i].entry = entry;
		return old;
	}
	if (allocation_fails())
		return ERR_PTR(-ENOMEM);
	xa->slots = realloc(xa->slots, (xa->used + 1) * sizeof(*xa->slots));
	memmove(&xa->slots[i + 1], &xa->slots[i], (xa->used - i) * sizeof(*xa->slots));
	xa->slots[i] = (struct xa_slot) { index, entry };
	xa->used++;
	return NULL;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	return xa_load(xa, index) ? -EBUSY : xa_err(xa_store(xa, index, entry, gfp));
}

/* A reservation is the allocation that may fail; the slot itself is made by the store. */
int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	(void)xa, (void)index, (void)gfp;
	return allocation_fails() ? -ENOMEM : 0;
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	for (u64 i = limit.min; i <= limit.max; i++) {
		if (xa_load(xa, i))
			continue;
		*id = (u32)i;
		return xa_err(xa_store(xa, i, entry, gfp));
	}
	return -EBUSY;
}

void xa_destroy(struct xarray *xa)
{
	free(xa->slots);
	xa->slots = NULL;
	xa->used = 0;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter)
{
	unsigned int i = xa_position(xa, *index);

	(void)filter;
	if (i >= xa->used || xa->slots[i].index > max)
		return NULL;
	*index = xa->slots[i].index;
	return xa->slots[i].entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter)
{
	if (*index >= max)
		return NULL;
	(*index)++;
	return xa_find(xa, index, max, filter);
}

/* ---- context, locks, RCU */

void (*shim_before_irqs_off)(void);
__thread struct shim_context shim_ctx;
__thread int shim_cpu;
int shim_need_resched;
unsigned long shim_ipis;
static pthread_rwlock_t rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t rcu_queue_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_head *rcu_queue;

void *shim_self(void)
{
	return &shim_ctx;
}

void shim_might_sleep(const char *file, int line)
{
	if (shim_ctx.spinlocks || shim_ctx.preempt || shim_ctx.irq_off || shim_ctx.rcu || shim_ctx.hard_irq)
		shim_die("may sleep where it must not", file, line);
}

void shim_reader_update(void)
{
	struct shim_context *c = &shim_ctx;
	bool reader = c->rcu || c->preempt || c->irq_off || c->spinlocks;

	if (reader == c->reader)
		return;
	c->reader = reader;
	if (reader)
		pthread_rwlock_rdlock(&rcu_lock);
	else
		pthread_rwlock_unlock(&rcu_lock);
}

void shim_spin_lock(spinlock_t *l)
{
	SHIM_ASSERT(READ_ONCE(l->owner) != shim_self());
	while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	WRITE_ONCE(l->owner, shim_self());
	shim_ctx.spinlocks++;
	shim_reader_update();
}

bool shim_spin_trylock(spinlock_t *l)
{
	if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		return false;
	WRITE_ONCE(l->owner, shim_self());
	shim_ctx.spinlocks++;
	shim_reader_update();
	return true;
}

void shim_spin_unlock(spinlock_t *l)
{
	SHIM_ASSERT(l->owner == shim_self());
	WRITE_ONCE(l->owner, NULL);
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
	shim_ctx.spinlocks--;
	shim_reader_update();
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	SHIM_ASSERT(m->init);
	SHIM_ASSERT(READ_ONCE(m->owner) != shim_self());
	pthread_mutex_lock(&m->m);
	WRITE_ONCE(m->owner, shim_self());
}

int mutex_trylock(struct mutex *m)
{
	if (pthread_mutex_trylock(&m->m))
		return 0;
	WRITE_ONCE(m->owner, shim_self());
	return 1;
}

void mutex_unlock(struct mutex *m)
{
	SHIM_ASSERT(m->owner == shim_self());
	WRITE_ONCE(m->owner, NULL);
	pthread_mutex_unlock(&m->m);
}

static void rcu_run(struct rcu_head *list)
{
	while (list) {
		struct rcu_head *h = list;

		list = h->next;
		if (h->object)
			kfree(h->object);
		else
			h->func(h);
	}
}

void synchronize_rcu(void)
{
	struct rcu_head *list;

	might_sleep();
	pthread_mutex_lock(&rcu_queue_lock);
	list = rcu_queue;
	rcu_queue = NULL;
	pthread_mutex_unlock(&rcu_queue_lock);
	pthread_rwlock_wrlock(&rcu_lock);
	pthread_rwlock_unlock(&rcu_lock);
	rcu_run(list);
}

void rcu_barrier(void)
{
	while (READ_ONCE(rcu_queue))
		synchronize_rcu();
}

static void rcu_push(struct rcu_head *h)
{
	pthread_mutex_lock(&rcu_queue_lock);
	h->next = rcu_queue;
	rcu_queue = h;
	pthread_mutex_unlock(&rcu_queue_lock);
}

void call_rcu(struct rcu_head *h, void (*func)(struct rcu_head *))
{
	h->func = func;
	h->object = NULL;
	rcu_push(h);
}

void shim_kfree_rcu(struct rcu_head *h, void *object)
{
	h->object = object;
	rcu_push(h);
}

int init_srcu_struct(struct srcu_struct *s)
{
	if (allocation_fails())
		return -ENOMEM;
	return pthread_rwlock_init(&s->l, NULL);
}

void cleanup_srcu_struct(struct srcu_struct *s)
{
	pthread_rwlock_destroy(&s->l);
}

int srcu_read_lock(struct srcu_struct *s)
{
	pthread_rwlock_rdlock(&s->l);
	shim_ctx.srcu++;
	return 0;
}

void srcu_read_unlock(struct srcu_struct *s, int idx)
{
	SHIM_ASSERT(idx == 0 && shim_ctx.srcu > 0);
	shim_ctx.srcu--;
	pthread_rwlock_unlock(&s->l);
}

void synchronize_srcu(struct srcu_struct *s)
{
	might_sleep();
	SHIM_ASSERT(!shim_ctx.srcu);
	pthread_rwlock_wrlock(&s->l);
	pthread_rwlock_unlock(&s->l);
}

void call_srcu(struct srcu_struct *s, struct rcu_head *h, void (*func)(struct rcu_head *))
{
	(void)s;
	call_rcu(h, func);
}

void smp_call_function_many(const struct cpumask *m, void (*f)(void *), void *arg, bool wait)
{
	(void)wait;
	shim_ipis += (unsigned long)hweight64(m->bits[0]);
	if (m->bits[0])
		f(arg);
}

int smp_call_function_single(int cpu, void (*f)(void *), void *arg, int wait)
{
	(void)cpu, (void)wait;
	shim_ipis++;
	f(arg);
	return 0;
}

/* ---- instructions that may fault: _ASM_EXTABLE_UA() */

struct shim_extable { u64 from, to; };
extern const struct shim_extable __start_shim_extable[] __attribute__((weak)), __stop_shim_extable[] __attribute__((weak));
static struct sigaction fault_default;

static void shim_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[16];		/* REG_RIP */
	const struct shim_extable *e;

	for (e = __start_shim_extable; e < __stop_shim_extable; e++) {
		if (e->from == *rip) {
			*rip = e->to;
			return;
		}
	}
	/* Nobody's: once more, for the sanitizer's report. */
	sigaction(sig, &fault_default, NULL);
}

__attribute__((constructor)) static void shim_fault_handler(void)
{
	struct sigaction sa = { .sa_sigaction = shim_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, &fault_default);
}

/* ---- memory */

long shim_fail_alloc, shim_live, shim_live_pages, shim_fail_uaccess;
gfp_t shim_last_gfp;
void (*shim_uaccess_hook)(void);
struct vm_area_struct shim_vma[8];

static bool allocation_fails(void)
{
	return shim_fail_alloc && !--shim_fail_alloc;
}

void *shim_alloc(size_t size, gfp_t gfp, size_t align)
{
	void *p;

	shim_last_gfp = gfp;
	if (gfp & GFP_KERNEL)
		might_sleep();
	if (!(gfp & __GFP_NOFAIL) && allocation_fails())
		return NULL;
	/* As slab does: powers of two are aligned to themselves, up to a page. */
	if (align < 16)
		align = is_power_of_2(size) && size >= 16 && size <= PAGE_SIZE ? size : 16;
	if (posix_memalign(&p, align, size ? size : 1))
		return NULL;
	memset(p, gfp & __GFP_ZERO ? 0 : 0xa5, size);
	__atomic_fetch_add(&shim_live, 1, __ATOMIC_RELAXED);
	return p;
}

void kfree(const void *p)
{
	if (!p)
		return;
	__atomic_fetch_sub(&shim_live, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

void *kmemdup(const void *p, size_t n, gfp_t gfp)
{
	void *m = kmalloc(n, gfp);

	return m ? memcpy(m, p, n) : NULL;
}

struct kmem_cache *shim_cache(size_t size, size_t align)
{
	struct kmem_cache *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (c)
		*c = (struct kmem_cache) { size, align };
	return c;
}

#define PAGE_HASH 4096
static struct page_entry { struct page page; struct page_entry *next; } *page_hash[PAGE_HASH];
static pthread_mutex_t page_lock = PTHREAD_MUTEX_INITIALIZER;

struct page *pfn_to_page(unsigned long pfn)
{
	struct page_entry **head = &page_hash[pfn % PAGE_HASH], *e;

	pthread_mutex_lock(&page_lock);
	for (e = *head; e && e->page.pfn != pfn; e = e->next)
		;
	if (!e) {
		e = calloc(1, sizeof(*e));
		e->page.pfn = pfn;
		atomic_set(&e->page.refs, 1);
		e->next = *head;
		*head = e;
	}
	pthread_mutex_unlock(&page_lock);
	return &e->page;
}

unsigned long shim_get_free_pages(gfp_t gfp, int order)
{
	void *p = shim_alloc(PAGE_SIZE << order, gfp, PAGE_SIZE);

	if (!p)
		return 0;
	__atomic_fetch_sub(&shim_live, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&shim_live_pages, 1L << order, __ATOMIC_RELAXED);
	return (unsigned long)p;
}

unsigned long __get_free_page(gfp_t gfp)
{
	return shim_get_free_pages(gfp, 0);
}

void free_pages(unsigned long p, int order)
{
	if (!p)
		return;
	__atomic_fetch_sub(&shim_live_pages, 1L << order, __ATOMIC_RELAXED);
	virt_to_page(p)->private = 0;
	free((void *)p);
}

void free_page(unsigned long p)
{
	free_pages(p, 0);
}

struct page *alloc_pages(gfp_t gfp, int order)
{
	unsigned long p = shim_get_free_pages(gfp, order);

	return p ? virt_to_page(p) : NULL;
}

void __free_pages(struct page *p, int order)
{
	if (p)
		free_pages((unsigned long)page_address(p), order);
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	(void)mm;
	for (unsigned int i = 0; i < ARRAY_SIZE(shim_vma); i++)
		if (addr >= shim_vma[i].vm_start && addr < shim_vma[i].vm_end)
			return &shim_vma[i];
	return NULL;
}

/* An area's pages are consecutive: vm_pgoff is the frame of its first one. */
int follow_pfnmap_start(struct follow_pfnmap_args *args)
{
	struct vm_area_struct *vma = args->vma;

	if (!(vma->vm_flags & (VM_PFNMAP | VM_IO)))
		return -EINVAL;
	args->pfn = vma->vm_pgoff + ((args->address - vma->vm_start) >> PAGE_SHIFT);
	args->writable = vma->vm_flags & VM_WRITE;
	return 0;
}

int fixup_user_fault(struct mm_struct *mm, unsigned long address, unsigned int flags, bool *unlocked)
{
	struct vm_area_struct *vma = vma_lookup(mm, address);

	(void)unlocked;
	return vma && (!(flags & FAULT_FLAG_WRITE) || vma->vm_flags & VM_WRITE) ? 0 : -EFAULT;
}

static struct { unsigned long start, end; enum shim_user_access access; } user_range[64];
static unsigned int user_ranges;

void shim_user_add(const void *start, size_t len, enum shim_user_access access)
{
	SHIM_ASSERT(user_ranges < ARRAY_SIZE(user_range));
	user_range[user_ranges].start = (unsigned long)start;
	user_range[user_ranges].end = (unsigned long)start + len;
	user_range[user_ranges++].access = access;
}

void shim_user_reset(void)
{
	user_ranges = 0;
}

/* The last range registered wins. */
enum shim_user_access shim_user_access(unsigned long addr, size_t len)
{
	if (addr < PAGE_SIZE || addr >= TASK_SIZE_MAX)
		return SHIM_USER_NONE;
	if (!user_ranges)
		return SHIM_USER_RW;
	for (unsigned int i = user_ranges; i--;)
		if (addr >= user_range[i].start && addr + len <= user_range[i].end)
			return user_range[i].access;
	return SHIM_USER_NONE;
}

unsigned long shim_copy(void *to, const void *from, unsigned long user, unsigned long n, bool write)
{
	enum shim_user_access need = write ? SHIM_USER_RW : SHIM_USER_RO;

	if (!n)
		return 0;
	if (shim_uaccess_hook)
		shim_uaccess_hook();
	if (shim_fail_uaccess && !--shim_fail_uaccess)
		return n;
	if (shim_user_access(user, n) < need)
		return n;
	memcpy(to, from, n);
	return 0;
}

int get_user_pages_fast_only(unsigned long addr, int n, unsigned int flags, struct page **pages)
{
	int i;

	for (i = 0; i < n; i++, addr += PAGE_SIZE) {
		enum shim_user_access a = shim_user_access(addr & PAGE_MASK, PAGE_SIZE);

		if (shim_fail_uaccess && !--shim_fail_uaccess)
			break;
		if (a == SHIM_USER_NONE || (flags & FOLL_WRITE && a != SHIM_USER_RW))
			break;
		if (!pages)
			continue;
		pages[i] = pfn_to_page(addr >> PAGE_SHIFT);
		get_page(pages[i]);
	}
	return i;
}

int get_user_pages_fast(unsigned long addr, int n, unsigned int flags, struct page **pages)
{
	int got;

	might_sleep();
	got = get_user_pages_fast_only(addr, n, flags, pages);
	return got ? got : -EFAULT;
}

long get_user_pages_unlocked(unsigned long addr, unsigned long n, struct page **pages, unsigned int flags)
{
	return get_user_pages_fast(addr, (int)n, flags, pages);
}

/* ---- time */

s64 shim_now = 1000000000;
u64 shim_tsc = 1000000000;
static LIST_HEAD(timers);

void shim_hrtimer_init(struct hrtimer *t, enum hrtimer_restart (*f)(struct hrtimer *))
{
	memset(t, 0, sizeof(*t));
	t->function = f;
}

void hrtimer_start(struct hrtimer *t, ktime_t at, enum hrtimer_mode m)
{
	struct hrtimer *o;

	if (t->queued)
		list_del(&t->node);
	t->queued = true;
	t->expires = m & HRTIMER_MODE_REL ? shim_now + at : at;
	list_for_each_entry(o, &timers, node)
		if (o->expires > t->expires)
			break;
	list_add_tail(&t->node, &o->node);
}

int hrtimer_try_to_cancel(struct hrtimer *t)
{
	if (t->running)
		return -1;
	if (!t->queued)
		return 0;
	t->queued = false;
	list_del(&t->node);
	return 1;
}

int hrtimer_cancel(struct hrtimer *t)
{
	SHIM_ASSERT(!t->running);	/* would wait for itself */
	return hrtimer_try_to_cancel(t);
}

u64 hrtimer_forward(struct hrtimer *t, ktime_t now, ktime_t interval)
{
	u64 n = 0;

	if (now < t->expires)
		return 0;
	n = (u64)((now - t->expires) / interval + 1);
	t->expires += (s64)n * interval;
	return n;
}

static void set_now(s64 ns)
{
	if (ns <= shim_now)
		return;
	shim_tsc += (u64)(ns - shim_now) * shim_tsc_khz / 1000000;
	shim_now = ns;
}

static void timer_fire(struct hrtimer *t)
{
	struct shim_context *c = &shim_ctx;
	enum hrtimer_restart again;

	list_del(&t->node);
	t->queued = false;
	t->running = true;
	c->hard_irq++;
	local_irq_disable();
	again = t->function(t);
	local_irq_enable();
	c->hard_irq--;
	t->running = false;
	if (again == HRTIMER_RESTART && !t->queued)
		hrtimer_start(t, t->expires, HRTIMER_MODE_ABS);
}

void shim_advance(s64 ns)
{
	s64 end = shim_now + ns;

	SHIM_ASSERT(!irqs_disabled());
	while (!list_empty(&timers)) {
		struct hrtimer *t = list_first_entry(&timers, struct hrtimer, node);

		if (t->expires > end)
			break;
		set_now(t->expires);
		timer_fire(t);
	}
	set_now(end);
}

/* ---- tasks and waiting */

__thread struct task_struct *shim_current;
void (*shim_sleep_hook)(void);
bool shim_single_task = true;
static struct mm_struct the_mm = { .mm_count = ATOMIC_INIT(1), .mm_users = ATOMIC_INIT(1), .mmap_lock = { PTHREAD_RWLOCK_INITIALIZER } };

struct task_struct *shim_get_current(void)
{
	static __thread struct task_struct task;

	if (!shim_current) {
		static int pids;

		task.pid = task.tgid = ++pids;
		task.mm = &the_mm;
		task.on_rq = true;
		strcpy(task.comm, "unit-test");
		refcount_set(&task.usage, 1);
		shim_current = &task;
	}
	return shim_current;
}

void kick_process(struct task_struct *t)
{
	__atomic_fetch_add(&t->kicks, 1, __ATOMIC_SEQ_CST);
}

int wake_up_process(struct task_struct *t)
{
	bool slept = xchg(&t->__state, TASK_RUNNING) != TASK_RUNNING;

	return slept;
}

int yield_to(struct task_struct *t, bool preempt)
{
	(void)preempt;
	t->kicks++;
	return 1;
}

void schedule(void)
{
	might_sleep();
	SHIM_ASSERT(shim_sleep_hook);
	shim_sleep_hook();
}

int rcuwait_wake_up(struct rcuwait *w)
{
	struct task_struct *t = READ_ONCE(w->task);

	w->wakes++;
	return t ? wake_up_process(t) : 0;
}

void add_wait_queue(wait_queue_head_t *w, wait_queue_entry_t *e)
{
	list_add(&e->entry, &w->head);
}

void remove_wait_queue(wait_queue_head_t *w, wait_queue_entry_t *e)
{
	(void)w;
	list_del(&e->entry);
}

void shim_wake(wait_queue_head_t *w, unsigned long key)
{
	wait_queue_entry_t *e, *n;
	unsigned long flags;

	spin_lock_irqsave(&w->lock, flags);
	list_for_each_entry_safe(e, n, &w->head, entry)
		if (e->func)
			e->func(e, TASK_INTERRUPTIBLE, 0, (void *)key);
	spin_unlock_irqrestore(&w->lock, flags);
}

/* ---- eventfds */

#define EVENTFD_BASE 100
static struct file eventfd_file[64];
static int eventfds;

int shim_eventfd(void)
{
	struct eventfd_ctx *c = calloc(1, sizeof(*c));
	struct file *f = &eventfd_file[eventfds];

	SHIM_ASSERT(eventfds < (int)ARRAY_SIZE(eventfd_file));
	refcount_set(&c->refs, 1);
	init_waitqueue_head(&c->wqh);
	c->fd = EVENTFD_BASE + eventfds;
	f->eventfd = c;
	refcount_set(&f->refs, 1);
	eventfds++;
	return c->fd;
}

static struct file *eventfd_file_of(int fd)
{
	if (fd < EVENTFD_BASE || fd >= EVENTFD_BASE + eventfds)
		return NULL;
	return eventfd_file[fd - EVENTFD_BASE].eventfd ? &eventfd_file[fd - EVENTFD_BASE] : NULL;
}

struct eventfd_ctx *shim_eventfd_of(int fd)
{
	return eventfd_file_of(fd)->eventfd;
}

void shim_eventfd_write(int fd, u64 n)
{
	struct eventfd_ctx *c = shim_eventfd_of(fd);

	c->count += n;
	shim_wake(&c->wqh, EPOLLIN);
}

void shim_eventfd_close(int fd)
{
	struct file *f = eventfd_file_of(fd);
	struct eventfd_ctx *c = f->eventfd;

	f->eventfd = NULL;
	shim_wake(&c->wqh, EPOLLHUP);
	eventfd_ctx_put(c);
}

struct fd fdget(unsigned int fd)
{
	return (struct fd) { eventfd_file_of((int)fd), 0 };
}

void fdput(struct fd f)
{
	(void)f;
}

struct file *fget(unsigned int fd)
{
	struct file *f = eventfd_file_of((int)fd);

	if (f)
		refcount_inc(&f->refs);
	return f;
}

void fput(struct file *f)
{
	refcount_dec(&f->refs);
}

struct eventfd_ctx *eventfd_ctx_fileget(struct file *f)
{
	refcount_inc(&f->eventfd->refs);
	return f->eventfd;
}

/* A file that is no eventfd. */
#define PLAIN_FD	3

struct file *eventfd_fget(int fd)
{
	struct file *f = fget((unsigned int)fd);

	return f ? f : ERR_PTR(fd == PLAIN_FD ? -EINVAL : -EBADF);
}

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	struct file *f = eventfd_file_of(fd);

	return f ? eventfd_ctx_fileget(f) : ERR_PTR(fd == PLAIN_FD ? -EINVAL : -EBADF);
}

void eventfd_ctx_put(struct eventfd_ctx *c)
{
	if (refcount_dec_and_test(&c->refs))
		free(c);
}

void eventfd_signal(struct eventfd_ctx *c)
{
	c->count++;
	shim_wake(&c->wqh, EPOLLIN);
}

void eventfd_ctx_do_read(struct eventfd_ctx *c, u64 *cnt)
{
	*cnt = c->count;
	c->count = 0;
}

int eventfd_ctx_remove_wait_queue(struct eventfd_ctx *c, wait_queue_entry_t *e, u64 *cnt)
{
	eventfd_ctx_do_read(c, cnt);
	remove_wait_queue(&c->wqh, e);
	return *cnt ? 0 : -EAGAIN;
}

__poll_t vfs_poll(struct file *f, poll_table *p)
{
	if (p && p->_qproc)
		p->_qproc(f, &f->eventfd->wqh, p);
	return f->eventfd->count ? EPOLLIN : 0;
}

struct mm_struct *shim_used_mm;

/* ---- work */

static LIST_HEAD(works);

bool queue_work(struct workqueue_struct *q, struct work_struct *w)
{
	(void)q;
	if (w->pending)
		return false;
	w->pending = true;
	list_add_tail(&w->entry, &works);
	return true;
}

void shim_run_works(void)
{
	might_sleep();
	while (!list_empty(&works)) {
		struct work_struct *w = list_first_entry(&works, struct work_struct, entry);

		list_del_init(&w->entry);
		w->pending = false;
		w->func(w);
	}
}

bool cancel_work_sync(struct work_struct *w)
{
	bool was = w->pending;

	might_sleep();
	if (was)
		list_del_init(&w->entry);
	w->pending = false;
	return was;
}

static void run_kthread_work(struct work_struct *w)
{
	struct kthread_work *k = container_of(w, struct kthread_work, w);

	k->func(k);
}

bool kthread_queue_work(struct kthread_worker *q, struct kthread_work *w)
{
	(void)q;
	w->w.func = run_kthread_work;
	return queue_work(NULL, &w->w);
}

bool kthread_cancel_work_sync(struct kthread_work *w)
{
	return cancel_work_sync(&w->w);
}

struct kthread_worker *kthread_create_worker(unsigned int flags, const char *fmt, ...)
{
	struct kthread_worker *w = kzalloc(sizeof(*w), GFP_KERNEL);

	(void)flags, (void)fmt;
	return w ? w : ERR_PTR(-ENOMEM);
}

void kthread_destroy_worker(struct kthread_worker *w)
{
	shim_run_works();
	kfree(w);
}

/* ---- x86 */

u32 shim_pkru;
bool shim_breakpoints_active;
unsigned long shim_dr[8], shim_breakpoints_restored;
unsigned int tsc_khz = shim_tsc_khz;
u64 shim_xcr0 = 7, shim_cr4;
struct cpuinfo_x86 boot_cpu_data = { .x86 = 0x17, .x86_vendor = X86_VENDOR_AMD, .x86_phys_bits = 48, .x86_virt_bits = 48 };
struct shim_cpuid shim_cpuid[64];
bool shim_split_lock_ok;
int shim_pt_vmx;
unsigned long shim_split_locks;

u64 *shim_msr(u32 index)
{
	static struct { u32 index; u64 value; } msr[64];
	static unsigned int used;
	unsigned int i;

	for (i = 0; i < used && msr[i].index != index; i++)
		;
	SHIM_ASSERT(i < ARRAY_SIZE(msr));
	if (i == used)
		msr[used++].index = index;
	return &msr[i].value;
}

void cpuid_count(u32 leaf, u32 index, u32 *a, u32 *b, u32 *c, u32 *d)
{
	const struct shim_cpuid *e, none = { 0 }, *found = &none;

	for (e = shim_cpuid; e < shim_cpuid + ARRAY_SIZE(shim_cpuid); e++)
		if (e->leaf == leaf && e->index == index && (e->eax | e->ebx | e->ecx | e->edx))
			found = e;
	*a = found->eax;
	*b = found->ebx;
	*c = found->ecx;
	*d = found->edx;
}

bool fpu_alloc_guest_fpstate(struct fpu_guest *g)
{
	g->fpstate = kzalloc(sizeof(*g->fpstate), GFP_KERNEL);
	if (!g->fpstate)
		return false;
	g->fpstate->size = g->fpstate->user_size = 576;
	g->fpstate->xfeatures = g->fpstate->user_xfeatures = 3;
	g->uabi_size = 4096;
	g->xfeatures = g->perm = 3;
	return true;
}

void fpu_free_guest_fpstate(struct fpu_guest *g)
{
	kfree(g->fpstate);
	g->fpstate = NULL;
}
