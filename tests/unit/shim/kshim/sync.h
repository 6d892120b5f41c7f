/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks, RCU, preemption and interrupts as rules: what may not be done where aborts the test. Threads are real pthreads.
 *
 * RCU: a reader (rcu_read_lock, preempt_disable, local_irq_*) holds a read lock; synchronize_rcu() waits for it, then runs what
 * call_rcu() and kfree_rcu() put aside. Nothing is freed earlier, so a use after the grace period is a use after free for ASan.
 */
#ifndef KSHIM_SYNC_H
#define KSHIM_SYNC_H
#include <pthread.h>
#include "kshim/containers.h"

struct shim_context {
	int spinlocks, preempt, irq_off, rcu, srcu, hard_irq;
	bool reader;		/* holds the RCU read lock */
};
extern __thread struct shim_context shim_ctx;

void shim_might_sleep(const char *file, int line);
#define might_sleep()	shim_might_sleep(__FILE__, __LINE__)
#define might_sleep_if(c)	do { if (c) might_sleep(); } while (0)
#define cant_sleep()	do { } while (0)
void shim_reader_update(void);
#define cond_resched()	({ might_sleep(); 0; })
#define cond_resched_rwlock_write(l)	0

static inline void preempt_disable(void) { shim_ctx.preempt++; shim_reader_update(); }
static inline void preempt_enable(void) { SHIM_ASSERT(shim_ctx.preempt > 0); shim_ctx.preempt--; shim_reader_update(); }
#define preempt_disable_notrace preempt_disable
#define preempt_enable_notrace preempt_enable
#define preempt_count()	(shim_ctx.preempt)
#define preemptible()	(!shim_ctx.preempt && !shim_ctx.irq_off && !shim_ctx.spinlocks)
#define in_task()	(!shim_ctx.hard_irq)
#define in_hardirq()	(shim_ctx.hard_irq != 0)
#define in_nmi()	0
/* What happens at the last moment before IRQs go off where preemption is off already; may be NULL. */
extern void (*shim_before_irqs_off)(void);
static inline void local_irq_disable(void)
{
	if (shim_before_irqs_off && shim_ctx.preempt && !shim_ctx.irq_off)
		shim_before_irqs_off();
	shim_ctx.irq_off = 1;
	shim_reader_update();
}
static inline void local_irq_enable(void) { shim_ctx.irq_off = 0; shim_reader_update(); }
#define local_irq_save(f)	do { (f) = shim_ctx.irq_off; local_irq_disable(); } while (0)
#define local_irq_restore(f)	do { shim_ctx.irq_off = (int)(f); shim_reader_update(); } while (0)
#define irqs_disabled()	(shim_ctx.irq_off != 0)
#define lockdep_assert_irqs_disabled()	SHIM_ASSERT(irqs_disabled())
#define lockdep_assert_irqs_enabled()	SHIM_ASSERT(!irqs_disabled())
#define lockdep_assert_preemption_disabled() SHIM_ASSERT(!preemptible())
#define lockdep_hardirqs_on(x)	do { } while (0)
#define lockdep_hardirqs_off(x)	do { } while (0)

typedef struct spinlock { unsigned int locked; void *owner; } spinlock_t, raw_spinlock_t;
typedef struct { unsigned int locked; void *owner; } arch_spinlock_t;
#define __SPIN_LOCK_UNLOCKED(n)	{ 0 }
#define DEFINE_SPINLOCK(n)	spinlock_t n = { 0 }
#define DEFINE_RAW_SPINLOCK(n)	raw_spinlock_t n = { 0 }
static inline void spin_lock_init(spinlock_t *l) { l->locked = 0; l->owner = NULL; }
#define raw_spin_lock_init	spin_lock_init
void shim_spin_lock(spinlock_t *l);
bool shim_spin_trylock(spinlock_t *l);
void shim_spin_unlock(spinlock_t *l);
#define spin_lock	shim_spin_lock
#define spin_trylock	shim_spin_trylock
#define spin_unlock	shim_spin_unlock
#define spin_lock_nested(l, s)	shim_spin_lock(l)
#define spin_is_locked(l)	((l)->locked != 0)
#define spin_lock_bh	shim_spin_lock
#define spin_unlock_bh	shim_spin_unlock
#define spin_lock_irq(l)	do { local_irq_disable(); spin_lock(l); } while (0)
#define spin_unlock_irq(l)	do { spin_unlock(l); local_irq_enable(); } while (0)
#define spin_lock_irqsave(l, f)	do { local_irq_save(f); spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, f) do { spin_unlock(l); local_irq_restore(f); } while (0)
#define raw_spin_lock	spin_lock
#define raw_spin_trylock spin_trylock
#define raw_spin_unlock	spin_unlock
#define raw_spin_lock_irq	spin_lock_irq
#define raw_spin_unlock_irq	spin_unlock_irq
#define raw_spin_lock_irqsave	spin_lock_irqsave
#define raw_spin_unlock_irqrestore spin_unlock_irqrestore

/* A rwlock_t is a spinlock here: readers that would deadlock as writers are a bug anyway. */
typedef spinlock_t rwlock_t;
#define DEFINE_RWLOCK(n)	rwlock_t n = { 0 }
#define rwlock_init	spin_lock_init
#define read_lock	shim_spin_lock
#define read_unlock	shim_spin_unlock
#define write_lock	shim_spin_lock
#define write_unlock	shim_spin_unlock
#define read_lock_irqsave	spin_lock_irqsave
#define read_unlock_irqrestore	spin_unlock_irqrestore
#define write_lock_irqsave	spin_lock_irqsave
#define write_unlock_irqrestore	spin_unlock_irqrestore
#define rwlock_is_contended(l)	0
#define rwlock_needbreak(l)	0
#define need_resched()	shim_need_resched
extern int shim_need_resched;

struct mutex { pthread_mutex_t m; void *owner; bool init; };
#define DEFINE_MUTEX(n)	struct mutex n = { PTHREAD_MUTEX_INITIALIZER, NULL, true }
static inline void mutex_init(struct mutex *m) { pthread_mutex_init(&m->m, NULL); m->owner = NULL; m->init = true; }
static inline void mutex_destroy(struct mutex *m) { SHIM_ASSERT(!m->owner); pthread_mutex_destroy(&m->m); m->init = false; }
void mutex_lock(struct mutex *m);
int mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
#define mutex_lock_nested(m, s)	mutex_lock(m)
static inline int mutex_lock_killable(struct mutex *m) { mutex_lock(m); return 0; }
static inline int mutex_lock_interruptible(struct mutex *m) { mutex_lock(m); return 0; }
#define mutex_is_locked(m)	((m)->owner != NULL)

struct rw_semaphore { pthread_rwlock_t l; };
static inline void init_rwsem(struct rw_semaphore *s) { pthread_rwlock_init(&s->l, NULL); }
#define DECLARE_RWSEM(n)	struct rw_semaphore n = { PTHREAD_RWLOCK_INITIALIZER }
#define down_read(s)	do { might_sleep(); pthread_rwlock_rdlock(&(s)->l); } while (0)
#define up_read(s)	pthread_rwlock_unlock(&(s)->l)
#define down_write(s)	do { might_sleep(); pthread_rwlock_wrlock(&(s)->l); } while (0)
#define up_write(s)	pthread_rwlock_unlock(&(s)->l)

void *shim_self(void);
#define lockdep_is_held(l)	((l)->owner == shim_self())
#define lockdep_assert_held(l)	SHIM_ASSERT(lockdep_is_held(l))
#define lockdep_assert_held_write(l) lockdep_assert_held(l)
#define lockdep_assert_held_read(l)	lockdep_assert_held(l)
#define lockdep_assert_not_held(l)	SHIM_ASSERT(!lockdep_is_held(l))
#define lockdep_assert_once(c)	SHIM_ASSERT(c)
#define lockdep_assert(c)	SHIM_ASSERT(c)
#define lockdep_set_class(l, k)	do { } while (0)
struct lock_class_key { char c; };

/* RCU */
struct rcu_head { struct rcu_head *next; void (*func)(struct rcu_head *); void *object; };
#define callback_head rcu_head
static inline void rcu_read_lock(void) { shim_ctx.rcu++; shim_reader_update(); }
static inline void rcu_read_unlock(void) { SHIM_ASSERT(shim_ctx.rcu > 0); shim_ctx.rcu--; shim_reader_update(); }
#define rcu_read_lock_held()	(shim_ctx.rcu > 0 || shim_ctx.preempt || shim_ctx.irq_off || shim_ctx.spinlocks)
#define rcu_read_lock_any_held	rcu_read_lock_held
#define rcu_read_lock_sched	preempt_disable
#define rcu_read_unlock_sched	preempt_enable
#define rcu_virt_note_context_switch(...)	do { } while (0)
#define rcu_note_context_switch(x)	do { } while (0)
#define rcu_is_watching()	true
void synchronize_rcu(void);
void rcu_barrier(void);
void call_rcu(struct rcu_head *h, void (*func)(struct rcu_head *));
void shim_kfree_rcu(struct rcu_head *h, void *object);
#define synchronize_rcu_expedited synchronize_rcu
#define kfree_rcu(p, f)	do { typeof(p) _p = (p); if (_p) shim_kfree_rcu(&_p->f, _p); } while (0)
#define kvfree_rcu	kfree_rcu
#define kfree_rcu_mightsleep(p)	do { synchronize_rcu(); kfree(p); } while (0)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), (v))
#define RCU_INIT_POINTER(p, v)	WRITE_ONCE(p, v)
#define rcu_access_pointer(p)	READ_ONCE(p)
#define rcu_dereference_raw(p)	READ_ONCE(p)
#define rcu_dereference(p)	({ SHIM_ASSERT(rcu_read_lock_held()); READ_ONCE(p); })
#define rcu_dereference_sched	rcu_dereference
#define rcu_dereference_check(p, c) ({ SHIM_ASSERT(rcu_read_lock_held() || (c)); READ_ONCE(p); })
#define rcu_dereference_protected(p, c) ({ SHIM_ASSERT(c); READ_ONCE(p); })
#define rcu_replace_pointer(p, n, c) ({ SHIM_ASSERT(c); typeof(p) _old = (p); rcu_assign_pointer(p, n); _old; })
#define rcu_head_init(h)	((h)->func = NULL)
#define unrcu_pointer(p)	(p)
#define rcu_pointer_handoff(p)	(p)
#define RCU_LOCKDEP_WARN(c, m)	SHIM_ASSERT(!(c))

struct srcu_struct { pthread_rwlock_t l; };
#define DEFINE_SRCU(n)	struct srcu_struct n = { PTHREAD_RWLOCK_INITIALIZER }
#define DEFINE_STATIC_SRCU(n)	static DEFINE_SRCU(n)
int init_srcu_struct(struct srcu_struct *s);
void cleanup_srcu_struct(struct srcu_struct *s);
int srcu_read_lock(struct srcu_struct *s);
void srcu_read_unlock(struct srcu_struct *s, int idx);
void synchronize_srcu(struct srcu_struct *s);
#define synchronize_srcu_expedited synchronize_srcu
#define srcu_barrier(s)	rcu_barrier()
void call_srcu(struct srcu_struct *s, struct rcu_head *h, void (*func)(struct rcu_head *));
/* Which srcu_struct is held isn't tracked, only that one is. */
#define srcu_read_lock_held(s)	((void)(s), shim_ctx.srcu > 0)
#define srcu_dereference(p, s)	({ SHIM_ASSERT(srcu_read_lock_held(s)); READ_ONCE(p); })
#define srcu_dereference_check(p, s, c) ({ SHIM_ASSERT(srcu_read_lock_held(s) || (c)); READ_ONCE(p); })

typedef struct { unsigned int sequence; } seqcount_t, seqcount_spinlock_t, seqcount_raw_spinlock_t, seqcount_mutex_t;
typedef struct { seqcount_t seqcount; spinlock_t lock; } seqlock_t;
#define seqcount_init(s)	((s)->sequence = 0)
#define seqcount_spinlock_init(s, l)	((void)(l), (s)->sequence = 0)
#define seqcount_raw_spinlock_init	seqcount_spinlock_init
#define seqcount_mutex_init	seqcount_spinlock_init
#define read_seqcount_begin(s)	({ unsigned int _q; while ((_q = __atomic_load_n(&(s)->sequence, __ATOMIC_ACQUIRE)) & 1) cpu_relax(); _q; })
#define read_seqcount_retry(s, v) ({ smp_rmb(); READ_ONCE((s)->sequence) != (v); })
#define write_seqcount_begin(s)	do { __atomic_fetch_add(&(s)->sequence, 1, __ATOMIC_SEQ_CST); } while (0)
#define write_seqcount_end(s)	do { __atomic_fetch_add(&(s)->sequence, 1, __ATOMIC_SEQ_CST); } while (0)
#define raw_write_seqcount_begin write_seqcount_begin
#define raw_write_seqcount_end	write_seqcount_end

struct static_key { int enabled; };
struct static_key_true { struct static_key key; };
struct static_key_false { struct static_key key; };
#define DEFINE_STATIC_KEY_FALSE(n)	struct static_key_false n = { { 0 } }
#define DEFINE_STATIC_KEY_TRUE(n)	struct static_key_true n = { { 1 } }
#define DEFINE_STATIC_KEY_FALSE_RO DEFINE_STATIC_KEY_FALSE
#define DECLARE_STATIC_KEY_FALSE(n)	extern struct static_key_false n
#define DECLARE_STATIC_KEY_TRUE(n)	extern struct static_key_true n
#define static_branch_unlikely(k)	(READ_ONCE((k)->key.enabled) > 0)
#define static_branch_likely(k)	(READ_ONCE((k)->key.enabled) > 0)
#define static_branch_enable(k)	((k)->key.enabled = 1)
#define static_branch_disable(k)	((k)->key.enabled = 0)
#define static_branch_inc(k)	((k)->key.enabled++)
#define static_branch_dec(k)	((k)->key.enabled--)
#define static_key_enabled(k)	((k)->key.enabled > 0)

/* Per-CPU data: one CPU's worth for each of NR_CPUS; the test says which CPU it is on (shim_cpu). */
#define NR_CPUS		4
#define nr_cpu_ids	NR_CPUS
extern __thread int shim_cpu;
#define DEFINE_PER_CPU(T, n)	typeof(T) n[NR_CPUS]
#define DEFINE_PER_CPU_ALIGNED	DEFINE_PER_CPU
#define DECLARE_PER_CPU(T, n)	extern typeof(T) n[NR_CPUS]
#define per_cpu(n, c)	((n)[c])
#define per_cpu_ptr(p, c)	(&(*(p))[c])
#define this_cpu_ptr(p)	(&(*(p))[shim_cpu])
#define raw_cpu_ptr	this_cpu_ptr
#define this_cpu_read(n)	((n)[shim_cpu])
#define __this_cpu_read	this_cpu_read
#define raw_cpu_read	this_cpu_read
#define this_cpu_write(n, v)	((n)[shim_cpu] = (v))
#define __this_cpu_write this_cpu_write
#define this_cpu_inc(n)	((n)[shim_cpu]++)
#define this_cpu_dec(n)	((n)[shim_cpu]--)
#define __this_cpu_inc	this_cpu_inc
#define smp_processor_id()	shim_cpu
#define raw_smp_processor_id()	shim_cpu
#define get_cpu()	({ preempt_disable(); shim_cpu; })
#define put_cpu()	preempt_enable()
#define num_online_cpus()	NR_CPUS
#define cpu_online(c)	((c) < NR_CPUS)
#define for_each_online_cpu(c)	for ((c) = 0; (c) < NR_CPUS; (c)++)
#define for_each_possible_cpu	for_each_online_cpu
#define cpus_read_lock()	do { } while (0)
#define cpus_read_unlock()	do { } while (0)

typedef struct cpumask { unsigned long bits[1]; } cpumask_t, cpumask_var_t[1];
#define zalloc_cpumask_var(m, g) ({ (*(m))[0].bits[0] = 0; true; })
#define zalloc_cpumask_var_node(m, g, n) ({ (void)(n); zalloc_cpumask_var(m, g); })
#define cpu_to_node(c)	0
#define free_cpumask_var(m)	do { } while (0)
#define cpumask_set_cpu(c, m)	set_bit(c, (m)->bits)
#define __cpumask_set_cpu	cpumask_set_cpu
#define cpumask_clear_cpu(c, m)	clear_bit(c, (m)->bits)
#define cpumask_test_cpu(c, m)	test_bit(c, (m)->bits)
#define cpumask_clear(m)	((m)->bits[0] = 0)
#define cpumask_empty(m)	(!(m)->bits[0])
/* An IPI is a count, and the function is run at once. */
extern unsigned long shim_ipis;
void smp_call_function_many(const struct cpumask *m, void (*f)(void *), void *arg, bool wait);
int smp_call_function_single(int cpu, void (*f)(void *), void *arg, int wait);
#define on_each_cpu(f, a, w)	(f)(a)

#endif
