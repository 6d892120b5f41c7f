/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists, trees, xarrays: small versions with the kernel's interface. */
#ifndef KSHIM_CONTAINERS_H
#define KSHIM_CONTAINERS_H
#include "kshim/bits.h"

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD_INIT(n) { &(n), &(n) }
#define LIST_HEAD(n)	struct list_head n = LIST_HEAD_INIT(n)
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void __list_add(struct list_head *n, struct list_head *p, struct list_head *x) { x->prev = n; n->next = x; n->prev = p; p->next = n; }
static inline void list_add(struct list_head *n, struct list_head *h) { __list_add(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { __list_add(n, h->prev, h); }
static inline void __list_del_entry(struct list_head *e) { e->next->prev = e->prev; e->prev->next = e->next; }
static inline void list_del(struct list_head *e) { __list_del_entry(e); e->next = (void *)0x100; e->prev = (void *)0x122; }
static inline void list_del_init(struct list_head *e) { __list_del_entry(e); INIT_LIST_HEAD(e); }
static inline void list_move(struct list_head *e, struct list_head *h) { __list_del_entry(e); list_add(e, h); }
static inline void list_move_tail(struct list_head *e, struct list_head *h) { __list_del_entry(e); list_add_tail(e, h); }
static inline bool list_empty(const struct list_head *h) { return h->next == h; }
static inline bool list_is_singular(const struct list_head *h) { return !list_empty(h) && h->next == h->prev; }
static inline void list_splice_init(struct list_head *l, struct list_head *h) { if (list_empty(l)) return; l->next->prev = h; l->prev->next = h->next; h->next->prev = l->prev; h->next = l->next; INIT_LIST_HEAD(l); }
static inline void list_replace(struct list_head *o, struct list_head *n) { n->next = o->next; n->next->prev = n; n->prev = o->prev; n->prev->next = n; }
/* Removal under RCU keeps ->next for readers. */
static inline void list_del_rcu(struct list_head *e) { __list_del_entry(e); e->prev = (void *)0x122; }
#define list_add_rcu	list_add
#define list_add_tail_rcu list_add_tail
#define list_replace_rcu list_replace
#define list_entry(p, t, m)	container_of(p, t, m)
#define list_first_entry(h, t, m) list_entry((h)->next, t, m)
#define list_last_entry(h, t, m) list_entry((h)->prev, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_next_entry(p, m)	list_entry((p)->m.next, typeof(*(p)), m)
#define list_prev_entry(p, m)	list_entry((p)->m.prev, typeof(*(p)), m)
#define list_entry_is_head(p, h, m) (&(p)->m == (h))
#define list_for_each(p, h)	for (p = (h)->next; p != (h); p = p->next)
#define list_for_each_safe(p, n, h) for (p = (h)->next, n = p->next; p != (h); p = n, n = p->next)
#define list_for_each_entry(p, h, m) for (p = list_first_entry(h, typeof(*p), m); !list_entry_is_head(p, h, m); p = list_next_entry(p, m))
#define list_for_each_entry_reverse(p, h, m) for (p = list_last_entry(h, typeof(*p), m); !list_entry_is_head(p, h, m); p = list_prev_entry(p, m))
#define list_for_each_entry_safe(p, n, h, m) for (p = list_first_entry(h, typeof(*p), m), n = list_next_entry(p, m); !list_entry_is_head(p, h, m); p = n, n = list_next_entry(n, m))
#define list_for_each_entry_rcu(p, h, m, ...) list_for_each_entry(p, h, m)
#define list_for_each_entry_lockless(p, h, m) list_for_each_entry(p, h, m)
#define list_for_each_entry_srcu(p, h, m, ...) list_for_each_entry(p, h, m)

struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
#define INIT_HLIST_HEAD(h)	((h)->first = NULL)
static inline void INIT_HLIST_NODE(struct hlist_node *n) { n->next = NULL; n->pprev = NULL; }
static inline bool hlist_unhashed(const struct hlist_node *n) { return !n->pprev; }
static inline bool hlist_empty(const struct hlist_head *h) { return !h->first; }
static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h) { n->next = h->first; if (n->next) n->next->pprev = &n->next; h->first = n; n->pprev = &h->first; }
static inline void hlist_del(struct hlist_node *n) { *n->pprev = n->next; if (n->next) n->next->pprev = n->pprev; }
static inline void hlist_del_init(struct hlist_node *n) { if (n->pprev) { hlist_del(n); INIT_HLIST_NODE(n); } }
#define hlist_add_head_rcu hlist_add_head
#define hlist_del_rcu hlist_del
#define hlist_entry_safe(p, t, m) ({ typeof(p) _hp = (p); _hp ? container_of(_hp, t, m) : NULL; })
#define hlist_for_each_entry(p, h, m) for (p = hlist_entry_safe((h)->first, typeof(*(p)), m); p; p = hlist_entry_safe((p)->m.next, typeof(*(p)), m))
#define hlist_for_each_entry_rcu(p, h, m, ...) hlist_for_each_entry(p, h, m)
#define hlist_for_each_entry_srcu(p, h, m, ...) hlist_for_each_entry(p, h, m)
#define hlist_for_each_entry_safe(p, n, h, m) for (p = hlist_entry_safe((h)->first, typeof(*(p)), m); p && ({ n = (p)->m.next; 1; }); p = hlist_entry_safe(n, typeof(*(p)), m))

struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
#define LLIST_HEAD(n)	struct llist_head n = { NULL }
static inline void init_llist_head(struct llist_head *h) { h->first = NULL; }
static inline bool llist_add(struct llist_node *n, struct llist_head *h) { n->next = h->first; while (!try_cmpxchg(&h->first, &n->next, n)) { } return !n->next; }
static inline struct llist_node *llist_del_all(struct llist_head *h) { return xchg(&h->first, NULL); }
#define llist_entry(p, t, m)	container_of(p, t, m)
#define llist_for_each_entry_safe(p, n, node, m) for (p = hlist_entry_safe(node, typeof(*p), m); p && ({ n = hlist_entry_safe((p)->m.next, typeof(*p), m); 1; }); p = n)

/* Not balanced: the order is all that tests can see. */
struct rb_node { struct rb_node *parent, *rb_right, *rb_left; };
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; };
#define RB_ROOT	((struct rb_root) { NULL })
#define RB_ROOT_CACHED	((struct rb_root_cached) { { NULL } })
#define RB_CLEAR_NODE(n)	((n)->parent = (n))
#define RB_EMPTY_NODE(n)	((n)->parent == (n))
#define RB_EMPTY_ROOT(r)	(!(r)->rb_node)
#define rb_entry(p, t, m)	container_of(p, t, m)
#define rb_entry_safe(p, t, m)	hlist_entry_safe(p, t, m)
static inline void rb_link_node(struct rb_node *n, struct rb_node *parent, struct rb_node **link) { n->parent = parent; n->rb_left = n->rb_right = NULL; *link = n; }
#define rb_link_node_rcu rb_link_node
#define rb_insert_color(n, r)	((void)(n), (void)(r))
#define rb_insert_color_cached(n, r, l)	((void)(n), (void)(r))
void rb_erase(struct rb_node *n, struct rb_root *r);
#define rb_erase_cached(n, r)	rb_erase(n, &(r)->rb_root)
struct rb_node *rb_first(const struct rb_root *r);
struct rb_node *rb_last(const struct rb_root *r);
#define rb_first_cached(r)	rb_first(&(r)->rb_root)
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

struct interval_tree_node { struct rb_node rb; unsigned long start, last, __subtree_last; };
void interval_tree_insert(struct interval_tree_node *n, struct rb_root_cached *r);
void interval_tree_remove(struct interval_tree_node *n, struct rb_root_cached *r);
struct interval_tree_node *interval_tree_iter_first(struct rb_root_cached *r, unsigned long start, unsigned long last);
struct interval_tree_node *interval_tree_iter_next(struct interval_tree_node *n, unsigned long start, unsigned long last);

struct xarray { struct xa_slot { unsigned long index; void *entry; } *slots; unsigned int used; gfp_t flags; };
struct xa_limit { u32 max, min; };
#define XA_FLAGS_ALLOC	1
#define XA_LIMIT(lo, hi) ((struct xa_limit) { .min = lo, .max = hi })
#define xa_limit_32b	XA_LIMIT(0, ~0U)
#define DEFINE_XARRAY(n)	struct xarray n
static inline void xa_init(struct xarray *xa) { memset(xa, 0, sizeof(*xa)); }
static inline void xa_init_flags(struct xarray *xa, gfp_t flags) { memset(xa, 0, sizeof(*xa)); xa->flags = flags; }
static inline int xa_err(void *e) { return IS_ERR(e) ? (int)PTR_ERR(e) : 0; }
static inline bool xa_is_err(const void *e) { return IS_ERR(e); }
static inline bool xa_empty(const struct xarray *xa) { return !xa->used; }
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp);
int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
void xa_destroy(struct xarray *xa);
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter);
void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter);
#define XA_PRESENT	8U
#define xa_for_each_range(xa, i, e, first, last) for (i = (first), e = xa_find(xa, &i, last, XA_PRESENT); e; e = xa_find_after(xa, &i, last, XA_PRESENT))
#define xa_for_each(xa, i, e)	xa_for_each_range(xa, i, e, 0, ULONG_MAX)

#endif
