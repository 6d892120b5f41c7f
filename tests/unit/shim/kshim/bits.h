/* SPDX-License-Identifier: GPL-2.0-only */
/* Bit operations, atomics, barriers, refcounts. */
#ifndef KSHIM_BITS_H
#define KSHIM_BITS_H
#include "kshim/base.h"

#define BITS_PER_LONG	64
#define BITS_PER_LONG_LONG 64
#define BITS_PER_BYTE	8
#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define BIT_MASK(n)	(1UL << ((n) % 64))
#define BIT_WORD(n)	((n) / 64)
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, 64)
#define BITS_TO_BYTES(n)	DIV_ROUND_UP(n, 8)
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define __bf_shf(x)	(__builtin_ffsll(x) - 1)
#define FIELD_GET(mask, reg)	((typeof(mask))(((reg) & (mask)) >> __bf_shf(mask)))
#define FIELD_PREP(mask, val)	((typeof(mask))(((u64)(val) << __bf_shf(mask)) & (mask)))
#define DECLARE_BITMAP(n, b)	unsigned long n[BITS_TO_LONGS(b)]

static inline void set_bit(long n, volatile unsigned long *p) { __atomic_fetch_or(p + BIT_WORD(n), BIT_MASK(n), __ATOMIC_RELAXED); }
static inline void clear_bit(long n, volatile unsigned long *p) { __atomic_fetch_and(p + BIT_WORD(n), ~BIT_MASK(n), __ATOMIC_RELAXED); }
static inline void change_bit(long n, volatile unsigned long *p) { __atomic_fetch_xor(p + BIT_WORD(n), BIT_MASK(n), __ATOMIC_RELAXED); }
static inline bool test_and_set_bit(long n, volatile unsigned long *p) { return __atomic_fetch_or(p + BIT_WORD(n), BIT_MASK(n), __ATOMIC_SEQ_CST) & BIT_MASK(n); }
static inline bool test_and_clear_bit(long n, volatile unsigned long *p) { return __atomic_fetch_and(p + BIT_WORD(n), ~BIT_MASK(n), __ATOMIC_SEQ_CST) & BIT_MASK(n); }
static inline bool test_and_change_bit(long n, volatile unsigned long *p) { return __atomic_fetch_xor(p + BIT_WORD(n), BIT_MASK(n), __ATOMIC_SEQ_CST) & BIT_MASK(n); }
static inline bool test_bit(long n, const volatile unsigned long *p) { return (p[BIT_WORD(n)] >> (n % 64)) & 1; }
static inline void __set_bit(long n, volatile unsigned long *p) { p[BIT_WORD(n)] |= BIT_MASK(n); }
static inline void __clear_bit(long n, volatile unsigned long *p) { p[BIT_WORD(n)] &= ~BIT_MASK(n); }
static inline void __change_bit(long n, volatile unsigned long *p) { p[BIT_WORD(n)] ^= BIT_MASK(n); }
static inline bool __test_and_set_bit(long n, volatile unsigned long *p) { bool o = test_bit(n, p); __set_bit(n, p); return o; }
static inline bool __test_and_clear_bit(long n, volatile unsigned long *p) { bool o = test_bit(n, p); __clear_bit(n, p); return o; }
#define assign_bit(n, p, v)	((v) ? set_bit(n, p) : clear_bit(n, p))
#define __assign_bit(n, p, v)	((v) ? __set_bit(n, p) : __clear_bit(n, p))
#define test_bit_acquire(n, p)	test_bit(n, p)
#define clear_bit_unlock	clear_bit

static inline unsigned long __ffs(unsigned long w) { return __builtin_ctzl(w); }
static inline unsigned long ffz(unsigned long w) { return __builtin_ctzl(~w); }
static inline unsigned long __fls(unsigned long w) { return 63 - __builtin_clzl(w); }
static inline int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x) { return x ? 64 - __builtin_clzll(x) : 0; }
#define __ffs64(x)	((unsigned long)__builtin_ctzll(x))
#define hweight8(x)	__builtin_popcount((u8)(x))
#define hweight16(x)	__builtin_popcount((u16)(x))
#define hweight32(x)	__builtin_popcount(x)
#define hweight64(x)	__builtin_popcountll(x)
#define hweight_long(x)	__builtin_popcountl(x)
#define ilog2(x)	((int)__fls(x))
#define is_power_of_2(n)	({ u64 _p2 = (n); _p2 && !(_p2 & (_p2 - 1)); })
#define rounddown_pow_of_two(n)	(1UL << __fls(n))
#define roundup_pow_of_two(n)	(1UL << (fls64((u64)(n) - 1)))
static inline int get_count_order(unsigned int c) { return c <= 1 ? 0 : fls(c - 1); }
static inline int get_order(unsigned long size) { return size <= 4096 ? 0 : fls64((size - 1) >> 12); }
static inline u8 rol8(u8 v, unsigned int s) { s &= 7; return (u8)(v << s | v >> ((8 - s) & 7)); }
static inline u32 rol32(u32 v, unsigned int s) { return v << (s & 31) | v >> (-s & 31); }
static inline u32 ror32(u32 v, unsigned int s) { return v >> (s & 31) | v << (-s & 31); }
static inline u64 rol64(u64 v, unsigned int s) { return v << (s & 63) | v >> (-s & 63); }
static inline s64 sign_extend64(u64 v, int i) { int s = 63 - i; return (s64)(v << s) >> s; }
static inline s32 sign_extend32(u32 v, int i) { int s = 31 - i; return (s32)(v << s) >> s; }
#define swab16	__builtin_bswap16
#define swab32	__builtin_bswap32
#define swab64	__builtin_bswap64
unsigned long find_next_bit(const unsigned long *p, unsigned long size, unsigned long from);
unsigned long find_next_zero_bit(const unsigned long *p, unsigned long size, unsigned long from);
unsigned long find_last_bit(const unsigned long *p, unsigned long size);
#define find_first_bit(p, n)	find_next_bit(p, n, 0)
#define find_first_zero_bit(p, n)	find_next_zero_bit(p, n, 0)
#define for_each_set_bit(b, p, n) for ((b) = find_first_bit(p, n); (b) < (n); (b) = find_next_bit(p, n, (b) + 1))
#define for_each_set_bit_from(b, p, n) for ((b) = find_next_bit(p, n, b); (b) < (n); (b) = find_next_bit(p, n, (b) + 1))
static inline void bitmap_zero(unsigned long *p, unsigned int n) { memset(p, 0, BITS_TO_LONGS(n) * 8); }
static inline void bitmap_fill(unsigned long *p, unsigned int n) { memset(p, 0xff, BITS_TO_LONGS(n) * 8); }
static inline bool bitmap_empty(const unsigned long *p, unsigned int n) { return find_first_bit(p, n) >= n; }
static inline unsigned int bitmap_weight(const unsigned long *p, unsigned int n) { unsigned int w = 0, b; for_each_set_bit(b, p, n) w++; return w; }
static inline void bitmap_copy(unsigned long *d, const unsigned long *s, unsigned int n) { memcpy(d, s, BITS_TO_LONGS(n) * 8); }
void bitmap_set(unsigned long *p, unsigned int start, unsigned int n);
void bitmap_clear(unsigned long *p, unsigned int start, unsigned int n);
#define test_bit_le	test_bit
#define set_bit_le	set_bit
#define clear_bit_le	clear_bit
#define __set_bit_le	__set_bit

#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define mb()		smp_mb()
#define rmb()		smp_mb()
#define wmb()		smp_mb()
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#define smp_mb__after_srcu_read_unlock()	smp_mb()
#define smp_store_mb(v, x)	do { WRITE_ONCE(v, x); smp_mb(); } while (0)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define xchg(p, v)	__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define xchg_relaxed	xchg
#define cmpxchg(p, o, n) ({ typeof(*(p)) _o = (o); __atomic_compare_exchange_n(p, &_o, (typeof(*(p)))(n), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); _o; })
#define cmpxchg64	cmpxchg
#define cmpxchg_relaxed	cmpxchg
#define cmpxchg_local	cmpxchg
#define cmpxchg64_local	cmpxchg
#define try_cmpxchg(p, o, n) __atomic_compare_exchange_n(p, o, (typeof(*(p)))(n), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define try_cmpxchg64	try_cmpxchg
#define try_cmpxchg_relaxed	try_cmpxchg
#define xadd(p, v)	__atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#define cpu_relax()	sched_yield()

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef atomic64_t atomic_long_t;
#define ATOMIC_INIT(i)	{ (i) }
#define ATOMIC64_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }
#define SHIM_ATOMIC(P, T, I) \
static inline I P##_read(const T *v) { return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); } \
static inline I P##_read_acquire(const T *v) { return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); } \
static inline void P##_set(T *v, I i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); } \
static inline void P##_set_release(T *v, I i) { __atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); } \
static inline I P##_add_return(I i, T *v) { return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I P##_sub_return(I i, T *v) { return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I P##_fetch_add(I i, T *v) { return __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I P##_fetch_or(I i, T *v) { return __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I P##_fetch_and(I i, T *v) { return __atomic_fetch_and(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline void P##_or(I i, T *v) { P##_fetch_or(i, v); } \
static inline void P##_and(I i, T *v) { P##_fetch_and(i, v); } \
static inline void P##_andnot(I i, T *v) { P##_fetch_and(~i, v); } \
static inline void P##_add(I i, T *v) { P##_add_return(i, v); } \
static inline void P##_sub(I i, T *v) { P##_sub_return(i, v); } \
static inline void P##_inc(T *v) { P##_add_return(1, v); } \
static inline void P##_dec(T *v) { P##_sub_return(1, v); } \
static inline I P##_inc_return(T *v) { return P##_add_return(1, v); } \
static inline I P##_dec_return(T *v) { return P##_sub_return(1, v); } \
static inline bool P##_dec_and_test(T *v) { return P##_sub_return(1, v) == 0; } \
static inline bool P##_inc_and_test(T *v) { return P##_add_return(1, v) == 0; } \
static inline I P##_xchg(T *v, I n) { return __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST); } \
static inline bool P##_try_cmpxchg(T *v, I *o, I n) { return __atomic_compare_exchange_n(&v->counter, o, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); } \
static inline I P##_cmpxchg(T *v, I o, I n) { P##_try_cmpxchg(v, &o, n); return o; } \
static inline bool P##_add_unless(T *v, I a, I u) { I c = P##_read(v); while (c != u) if (P##_try_cmpxchg(v, &c, c + a)) return true; return false; } \
static inline bool P##_inc_not_zero(T *v) { return P##_add_unless(v, 1, 0); } \
static inline I P##_dec_if_positive(T *v) { I c = P##_read(v); while (c > 0) if (P##_try_cmpxchg(v, &c, c - 1)) return c - 1; return c - 1; }
SHIM_ATOMIC(atomic, atomic_t, int)
SHIM_ATOMIC(atomic64, atomic64_t, s64)
SHIM_ATOMIC(atomic_long, atomic_long_t, s64)
static inline s64 atomic_long_fetch_andnot(s64 i, atomic_long_t *v) { return atomic_long_fetch_and(~i, v); }

typedef struct { atomic_t refs; } refcount_t;
#define REFCOUNT_INIT(n) { ATOMIC_INIT(n) }
static inline void refcount_set(refcount_t *r, int n) { atomic_set(&r->refs, n); }
static inline unsigned int refcount_read(const refcount_t *r) { return atomic_read(&r->refs); }
static inline void refcount_inc(refcount_t *r) { SHIM_ASSERT(atomic_inc_return(&r->refs) > 1); }
static inline bool refcount_inc_not_zero(refcount_t *r) { return atomic_inc_not_zero(&r->refs); }
static inline bool refcount_dec_and_test(refcount_t *r) { int n = atomic_dec_return(&r->refs); SHIM_ASSERT(n >= 0); return n == 0; }
static inline void refcount_dec(refcount_t *r) { SHIM_ASSERT(atomic_dec_return(&r->refs) > 0); }
struct kref { refcount_t refcount; };
static inline void kref_init(struct kref *k) { refcount_set(&k->refcount, 1); }
static inline void kref_get(struct kref *k) { refcount_inc(&k->refcount); }
#define kref_put(k, release) ({ bool _z = refcount_dec_and_test(&(k)->refcount); if (_z) release(k); _z; })

#endif
