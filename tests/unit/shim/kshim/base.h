/* SPDX-License-Identifier: GPL-2.0-only */
/* Types, compiler words, arithmetic, printing, assertions. */
#ifndef KSHIM_BASE_H
#define KSHIM_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <poll.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/ioctl.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __le16, __be16;
typedef uint32_t u32, __u32, __le32, __be32;
typedef unsigned long long u64, __u64, __le64, __be64;
typedef int8_t s8, __s8;
typedef int16_t s16, __s16;
typedef int32_t s32, __s32;
typedef long long s64, __s64;
typedef u64 phys_addr_t, dma_addr_t, resource_size_t;
typedef unsigned int gfp_t, fmode_t, __poll_t;
typedef u64 pteval_t, pmdval_t, pudval_t, pgdval_t, p4dval_t;
typedef unsigned long kernel_ulong_t;
typedef __int128 s128;
typedef unsigned __int128 u128;
#define __aligned_u64 __u64 __attribute__((aligned(8)))

#ifndef ERESTARTSYS
#define ENOIOCTLCMD	515
#define EPROBE_DEFER	517
#define ERESTARTSYS	512
#define ERESTARTNOHAND	514
#define ENOTSUPP	524
#endif
#define MAX_ERRNO	4095
#define IS_ERR_VALUE(x)	((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
static inline void *ERR_PTR(long err) { return (void *)err; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return IS_ERR_VALUE(p); }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR_VALUE(p); }
#define ERR_CAST(p)	((void *)(p))
#define PTR_ERR_OR_ZERO(p) (IS_ERR(p) ? PTR_ERR(p) : 0)

#define __user
#define __rcu
#define __iomem
#define __percpu
#define __force
#define __bitwise
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)
#define __acquire(x)	((void)0)
#define __release(x)	((void)0)
#define __must_check	__attribute__((warn_unused_result))
#define __init
#define __exit
#define __initconst
#define __initdata
#define __read_mostly
#define __ro_after_init
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#define noinline	__attribute__((noinline))
#define __uninitialized
#define __noinline	noinline
#define noinstr
#define notrace
#define __noclone
#define __cold
#define asmlinkage
#define __visible
#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __maybe_unused	__attribute__((unused))
#define __always_unused	__attribute__((unused))
#define __unused	__attribute__((unused))
#define __used		__attribute__((used))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __randomize_layout
#define __nonstring
#define fallthrough	__attribute__((fallthrough))
#define __cacheline_aligned	__aligned(64)
#define ____cacheline_aligned	__aligned(64)
#define ____cacheline_aligned_in_smp	__aligned(64)
#define __counted_by(m)
#define __section(s)
#define STACK_FRAME_NON_STANDARD(f)
#define STACK_FRAME_NON_STANDARD_FP(f)
#define EXPORT_SYMBOL_GPL(s)
#define MODULE_LICENSE(s)
#define MODULE_AUTHOR(s)
#define MODULE_DESCRIPTION(s)
#define MODULE_ALIAS(s)
#define MODULE_PARM_DESC(n, s)
#define module_param(n, t, p)
#define module_param_named(n, v, t, p)
#define module_init(f)
#define module_exit(f)
#define THIS_MODULE	NULL
#define IS_ENABLED(c)	0
#define __stringify_1(x...)	#x
#define __stringify(x...)	__stringify_1(x)
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define barrier()	__asm__ __volatile__("" ::: "memory")
#define OPTIMIZER_HIDE_VAR(x)	__asm__("" : "+r"(x))
#define __same_type(a, b) __builtin_types_compatible_p(typeof(a), typeof(b))
#ifndef offsetof
#define offsetof(t, m)	__builtin_offsetof(t, m)
#endif
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof_field(t, m))
#define typeof_member(t, m)	typeof(((t *)0)->m)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof(*(p)->m) * (size_t)(n))
#define flex_array_size(p, m, n) (sizeof(*(p)->m) * (size_t)(n))
#define struct_group(NAME, ...)	union { struct { __VA_ARGS__ }; struct { __VA_ARGS__ } NAME; }
#define DECLARE_FLEX_ARRAY(T, N) struct { struct { } __empty_ ## N; T N[]; }
#define __DECLARE_FLEX_ARRAY(T, N) DECLARE_FLEX_ARRAY(T, N)
#define __struct_group(TAG, NAME, ATTRS, MEMBERS...) union { struct { MEMBERS } ATTRS; struct TAG { MEMBERS } ATTRS NAME; }
#define size_mul(a, b)	((size_t)(a) * (size_t)(b))
#define size_add(a, b)	((size_t)(a) + (size_t)(b))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)	__builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)

#define BUILD_BUG_ON(c)	_Static_assert(!(c), #c)
#define BUILD_BUG_ON_ZERO(e)	((int)sizeof(struct { int:(-!!(e)); }))
#define BUILD_BUG_ON_MSG(c, m)	_Static_assert(!(c), m)
#define ASSERT_STRUCT_OFFSET(t, f, o)	_Static_assert(offsetof(t, f) == (o), #t)
#define static_assert_1(e, m, ...)	_Static_assert(e, m)
#undef static_assert
#define static_assert(e, ...)	static_assert_1(e, ##__VA_ARGS__, #e)

#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) do { *(volatile typeof(x) *)&(x) = (v); } while (0)
#define data_race(x)	(x)

#define min(a, b) ({ typeof(a) _mina = (a); typeof(b) _minb = (b); _mina < _minb ? _mina : _minb; })
#define max(a, b) ({ typeof(a) _maxa = (a); typeof(b) _maxb = (b); _maxa > _maxb ? _maxa : _maxb; })
#define min3(a, b, c)	min(min(a, b), c)
#define max3(a, b, c)	max(max(a, b), c)
#define min_t(t, a, b)	({ t _ta = (a); t _tb = (b); _ta < _tb ? _ta : _tb; })
#define max_t(t, a, b)	({ t _ta = (a); t _tb = (b); _ta > _tb ? _ta : _tb; })
#define umin(a, b)	min_t(u64, a, b)
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define clamp_t(t, v, lo, hi) min_t(t, max_t(t, v, lo), hi)
#define clamp_val(v, lo, hi) clamp_t(typeof(v), v, lo, hi)
#define swap(a, b)	do { typeof(a) _swap = (a); (a) = (b); (b) = _swap; } while (0)
#define abs(x)		({ typeof(x) _absx = (x); _absx < 0 ? -_absx : _absx; })
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_UP((u64)(n), d)
#define roundup(x, y)	({ typeof(y) _ruy = (y); (((x) + _ruy - 1) / _ruy) * _ruy; })
#define round_up(x, y)	((((x) - 1) | ((typeof(x))(y) - 1)) + 1)
#define round_down(x, y)	((x) & ~((typeof(x))(y) - 1))
#define ALIGN(x, a)	(((x) + ((typeof(x))(a) - 1)) & ~((typeof(x))(a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#define PTR_ALIGN(p, a)	((typeof(p))ALIGN((unsigned long)(p), (a)))
#define upper_32_bits(n)	((u32)((u64)(n) >> 32))
#define lower_32_bits(n)	((u32)(n))
#define U8_MAX	((u8)~0)
#define U16_MAX	((u16)~0)
#define U32_MAX	((u32)~0)
#define U64_MAX	((u64)~0ULL)
#define S32_MAX	((s32)(U32_MAX >> 1))
#define S64_MAX	((s64)(U64_MAX >> 1))
#define S64_MIN	((s64)(-S64_MAX - 1))
#ifndef _BITULL
#define _BITUL(x)	(1UL << (x))
#define _BITULL(x)	(1ULL << (x))
#define _AC(X, Y)	X##Y
#define _UL(x)		x##UL
#define _ULL(x)		x##ULL
#define UL(x)		x##UL
#define ULL(x)		x##ULL
#endif
#define div_u64(a, b)	((u64)(a) / (u32)(b))
#define div64_u64(a, b)	((u64)(a) / (u64)(b))
#define div64_s64(a, b)	((s64)(a) / (s64)(b))
#define div_s64(a, b)	((s64)(a) / (s32)(b))
#define div64_ul(a, b)	((u64)(a) / (unsigned long)(b))
#define do_div(n, base)	({ u32 _base = (base); u32 _rem = (n) % _base; (n) /= _base; _rem; })
static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem) { *rem = a % b; return a / b; }
static inline u64 div64_u64_rem(u64 a, u64 b, u64 *rem) { *rem = a % b; return a / b; }
static inline u64 mul_u64_u64_shr(u64 a, u64 b, unsigned int s) { return (u64)(((u128)a * b) >> s); }
static inline u64 mul_u64_u32_shr(u64 a, u32 b, unsigned int s) { return (u64)(((u128)a * b) >> s); }
static inline s64 mul_s64_u64_shr(s64 a, u64 b, unsigned int s) { u64 r = mul_u64_u64_shr(a < 0 ? -(u64)a : (u64)a, b, s); return a < 0 ? -(s64)r : (s64)r; }
static inline u64 mul_u64_u32_div(u64 a, u32 b, u32 c) { return (u64)((u128)a * b / c); }
static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c) { return (u64)((u128)a * b / c); }

/* Output is swallowed unless KSHIM_VERBOSE is set in the environment. */
void shim_printk(const char *fmt, ...) __printf(1, 2);
#define KERN_INFO ""
#define KERN_ERR ""
#define KERN_WARNING ""
#define KERN_DEBUG ""
#define printk		shim_printk
#define pr_info		shim_printk
#define pr_err		shim_printk
#define pr_warn		shim_printk
#define pr_notice	shim_printk
#define pr_debug	shim_printk
#define pr_cont		shim_printk
#define pr_info_once	shim_printk
#define pr_err_once	shim_printk
#define pr_warn_once	shim_printk
#define pr_err_ratelimited	shim_printk
#define pr_warn_ratelimited	shim_printk
#define pr_info_ratelimited	shim_printk
#define pr_debug_ratelimited	shim_printk
#define trace_printk	shim_printk
#define DEFINE_RATELIMIT_STATE(n, i, b)	int n __maybe_unused
#define __ratelimit(s)	1
int shim_scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
#define scnprintf	shim_scnprintf

/* A warning of the kernel is a failed test. A test that wants one counts them: shim_warn_ok. */
extern int shim_warn_ok, shim_warnings;
void shim_warn(const char *what, const char *file, int line);
void shim_die(const char *what, const char *file, int line) __attribute__((noreturn));
#define WARN_ON(c) ({ bool _w = !!(c); if (unlikely(_w)) shim_warn(#c, __FILE__, __LINE__); unlikely(_w); })
#define WARN_ON_ONCE(c)	WARN_ON(c)
#define WARN(c, ...)	WARN_ON(c)
#define WARN_ONCE(c, ...)	WARN_ON(c)
#define BUG_ON(c)	do { if (c) shim_die(#c, __FILE__, __LINE__); } while (0)
#define BUG()		shim_die("BUG", __FILE__, __LINE__)
#define unreachable()	__builtin_unreachable()
#define SHIM_ASSERT(c)	do { if (!(c)) shim_die(#c, __FILE__, __LINE__); } while (0)

#define array_index_nospec(i, n) ({ typeof(i) _i = (i); SHIM_ASSERT((u64)_i < (u64)(n)); _i; })
#define barrier_nospec()	do { } while (0)
#define memset_after(obj, v, member) memset((char *)(obj) + offsetofend(typeof(*(obj)), member), v, sizeof(*(obj)) - offsetofend(typeof(*(obj)), member))
#define memset_startat(obj, v, member) memset((char *)(obj) + offsetof(typeof(*(obj)), member), v, sizeof(*(obj)) - offsetof(typeof(*(obj)), member))
void *memchr_inv(const void *p, int c, size_t n);
static inline ssize_t strscpy(char *d, const char *s, size_t n) { size_t l = strlen(s); if (!n) return -E2BIG; strncpy(d, s, n - 1); d[n - 1] = 0; return l < n ? (ssize_t)l : -E2BIG; }

#define get_unaligned(p)	({ typeof(*(p)) _u; memcpy(&_u, (p), sizeof(_u)); _u; })
#define put_unaligned(v, p)	do { typeof(*(p)) _u = (v); memcpy((p), &_u, sizeof(_u)); } while (0)
#define get_unaligned_le16(p)	({ u16 _u; memcpy(&_u, (p), 2); _u; })
#define get_unaligned_le32(p)	({ u32 _u; memcpy(&_u, (p), 4); _u; })
#define get_unaligned_le64(p)	({ u64 _u; memcpy(&_u, (p), 8); _u; })
#define cpu_to_le32(x)	(x)
#define le32_to_cpu(x)	(x)

void shim_sort(void *base, size_t num, size_t size, int (*cmp)(const void *, const void *));
#define sort(base, num, size, cmp, swp)	shim_sort(base, num, size, cmp)
#define bsearch_kernel bsearch

#endif
