/* SPDX-License-Identifier: GPL-2.0-only */
/* Time that the test moves, timers, tasks, waiting, eventfds, work. */
#ifndef KSHIM_SCHED_H
#define KSHIM_SCHED_H
#include "kshim/mm.h"

#define NSEC_PER_SEC	1000000000L
#define NSEC_PER_MSEC	1000000L
#define NSEC_PER_USEC	1000L
#define USEC_PER_SEC	1000000L
#define HZ		250
#define jiffies		((unsigned long)(shim_now / 4000000))
typedef s64 ktime_t;
#define KTIME_MAX	S64_MAX
extern s64 shim_now;		/* ns; all clocks */
extern u64 shim_tsc;		/* advances with shim_now by shim_tsc_khz */
#define shim_tsc_khz	1000000u
extern unsigned int tsc_khz;	/* the same, as the kernel names it */
void shim_advance(s64 ns);	/* move the clock, run due timers in order, as interrupts */
#define rdtsc()	shim_tsc
#define rdtsc_ordered()	shim_tsc
#define ktime_get()	((ktime_t)shim_now)
#define ktime_get_ns()	((u64)shim_now)
#define ktime_get_raw_ns()	((u64)shim_now)
#define ktime_get_mono_fast_ns()	((u64)shim_now)
#define ktime_get_boottime_ns()	((u64)shim_now)
#define ktime_get_boottime()	((ktime_t)shim_now)
#define ktime_get_real_ns()	((u64)shim_now + 1700000000000000000ull)
#define ktime_get_raw()	((ktime_t)shim_now)
#define local_clock()	((u64)shim_now)
#define sched_clock()	((u64)shim_now)
#define ktime_add(a, b)	((a) + (b))
#define ktime_sub(a, b)	((a) - (b))
#define ktime_add_ns(a, b)	((a) + (s64)(b))
#define ktime_sub_ns(a, b)	((a) - (s64)(b))
#define ktime_to_ns(k)	(k)
#define ktime_to_us(k)	((k) / 1000)
#define ns_to_ktime(n)	((ktime_t)(n))
#define ktime_set(s, n)	((ktime_t)(s) * NSEC_PER_SEC + (n))
#define ktime_compare(a, b)	((a) < (b) ? -1 : (a) > (b))
#define ktime_before(a, b)	((a) < (b))
#define ktime_after(a, b)	((a) > (b))
#define ktime_add_us(a, b)	((a) + (s64)(b) * 1000)
#define ktime_divns(a, b)	((a) / (s64)(b))
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define ndelay(n)	do { } while (0)
#define udelay(n)	do { } while (0)

#define sched_info_on()	true
/* Runs at once: an interrupt that this CPU sends to itself. */
struct irq_work { void (*func)(struct irq_work *); };
#define IRQ_WORK_INIT_HARD(f)	((struct irq_work){ .func = (f) })
#define DEFINE_IRQ_WORK(n, f)	struct irq_work n = { .func = (f) }
#define irq_work_queue(w)	({ (w)->func(w); true; })
#define irq_work_sync(w)	do { } while (0)

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS, HRTIMER_MODE_REL, HRTIMER_MODE_PINNED = 2, HRTIMER_MODE_ABS_PINNED = 2, HRTIMER_MODE_REL_PINNED = 3, HRTIMER_MODE_SOFT = 4, HRTIMER_MODE_HARD = 8, HRTIMER_MODE_ABS_HARD = 8, HRTIMER_MODE_REL_HARD = 9, HRTIMER_MODE_ABS_PINNED_HARD = 10, HRTIMER_MODE_REL_PINNED_HARD = 11 };
struct hrtimer { struct list_head node; ktime_t expires; enum hrtimer_restart (*function)(struct hrtimer *); bool queued, running; };
void shim_hrtimer_init(struct hrtimer *t, enum hrtimer_restart (*f)(struct hrtimer *));
#define hrtimer_init(t, c, m)	shim_hrtimer_init(t, NULL)
#define hrtimer_setup(t, f, c, m)	shim_hrtimer_init(t, f)
void hrtimer_start(struct hrtimer *t, ktime_t at, enum hrtimer_mode m);
#define hrtimer_start_range_ns(t, at, d, m)	hrtimer_start(t, at, m)
#define hrtimer_start_expires(t, m)	hrtimer_start(t, (t)->expires, m)
int hrtimer_cancel(struct hrtimer *t);
int hrtimer_try_to_cancel(struct hrtimer *t);
u64 hrtimer_forward(struct hrtimer *t, ktime_t now, ktime_t interval);
#define hrtimer_forward_now(t, i)	hrtimer_forward(t, shim_now, i)
#define hrtimer_active(t)	((t)->queued || (t)->running)
#define hrtimer_is_queued(t)	((t)->queued)
#define hrtimer_get_expires(t)	((t)->expires)
#define hrtimer_get_expires_ns(t)	((t)->expires)
#define hrtimer_set_expires(t, e)	((t)->expires = (e))
#define hrtimer_add_expires_ns(t, n)	((t)->expires += (n))
#define hrtimer_get_remaining(t)	((t)->expires - shim_now)
#define hrtimer_expires_remaining(t)	((t)->expires - shim_now)
#define hrtimer_cb_get_time(t)	((ktime_t)shim_now)

/* Tasks. `current' is one per thread. */
struct pid { int nr; refcount_t refs; };
struct task_struct { unsigned int __state; int pid, tgid, prio; struct mm_struct *mm; sigset_t blocked, real_blocked; bool signal, on_rq; u64 flags; struct { u64 run_delay; } sched_info; struct pid *thread_pid; char comm[16]; refcount_t usage; unsigned long kicks, tif; bool task_works; };
extern __thread struct task_struct *shim_current;
struct task_struct *shim_get_current(void);
#define current		shim_get_current()
#define TASK_RUNNING	0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define set_current_state(s)	WRITE_ONCE(current->__state, s)
#define __set_current_state	set_current_state
#define task_is_runnable(t)	((t)->on_rq)
#define task_is_running(t)	((t)->__state == TASK_RUNNING)
#define signal_pending(t)	READ_ONCE((t)->signal)
#define signal_pending_state(s, t)	((s) == TASK_INTERRUPTIBLE && signal_pending(t))
#define fatal_signal_pending(t)	0
#define task_pid_nr(t)	((t)->pid)
#define get_task_struct(t)	refcount_inc(&(t)->usage)
#define put_task_struct(t)	refcount_dec(&(t)->usage)
#define get_pid(p)	(p)
#define put_pid(p)	do { } while (0)
void kick_process(struct task_struct *t);	/* counts in t->kicks */
int wake_up_process(struct task_struct *t);
int yield_to(struct task_struct *t, bool preempt);
/* Called instead of sleeping: the test makes something happen. NULL: sleeping aborts. */
extern void (*shim_sleep_hook)(void);
void schedule(void);
#define single_task_running()	(shim_single_task)
extern bool shim_single_task;
#define sigprocmask_kernel(h, s, o)	do { } while (0)
#define sigdelsetmask(s, m)	do { } while (0)
#define send_sig_mceerr(c, a, l, t)	((t)->signal = true)

struct preempt_notifier;
struct preempt_ops { void (*sched_in)(struct preempt_notifier *n, int cpu); void (*sched_out)(struct preempt_notifier *n, struct task_struct *next); };
struct preempt_notifier { struct hlist_node link; struct preempt_ops *ops; };
#define preempt_notifier_init(n, o)	((n)->ops = (o))
#define preempt_notifier_inc()	do { } while (0)
#define preempt_notifier_dec()	do { } while (0)
#define preempt_notifier_register(n)	do { } while (0)
#define preempt_notifier_unregister(n)	do { } while (0)
struct user_return_notifier { void (*on_user_return)(struct user_return_notifier *); struct hlist_node link; bool registered; };
#define user_return_notifier_register(n)	((n)->registered = true)
#define user_return_notifier_unregister(n)	((n)->registered = false)

struct rcuwait { struct task_struct *task; unsigned long wakes; };
#define rcuwait_init(w)	memset(w, 0, sizeof(struct rcuwait))
#define rcuwait_active(w)	(READ_ONCE((w)->task) != NULL)
int rcuwait_wake_up(struct rcuwait *w);
#define prepare_to_rcuwait(w)	WRITE_ONCE((w)->task, current)
#define finish_rcuwait(w)	do { WRITE_ONCE((w)->task, NULL); set_current_state(TASK_RUNNING); } while (0)
#define rcuwait_wait_event(w, c, s) ({ int _rw = 0; prepare_to_rcuwait(w); for (;;) { set_current_state(s); if (c) break; if (signal_pending_state(s, current)) { _rw = -EINTR; break; } schedule(); } finish_rcuwait(w); _rw; })

struct wait_queue_entry;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);
typedef struct wait_queue_entry { unsigned int flags; void *private; wait_queue_func_t func; struct list_head entry; } wait_queue_entry_t;
typedef struct wait_queue_head { spinlock_t lock; struct list_head head; } wait_queue_head_t;
#define init_waitqueue_head(w)	do { spin_lock_init(&(w)->lock); INIT_LIST_HEAD(&(w)->head); } while (0)
#define init_waitqueue_func_entry(e, f)	do { (e)->flags = 0; (e)->private = NULL; (e)->func = (f); } while (0)
void add_wait_queue(wait_queue_head_t *w, wait_queue_entry_t *e);
#define add_wait_queue_priority(w, e)	add_wait_queue(w, e)
#define add_wait_queue_exclusive	add_wait_queue
void remove_wait_queue(wait_queue_head_t *w, wait_queue_entry_t *e);
void shim_wake(wait_queue_head_t *w, unsigned long key);
#define wake_up(w)	shim_wake(w, 0)
#define wake_up_all(w)	shim_wake(w, 0)
#define wake_up_interruptible(w)	shim_wake(w, 0)
#define wait_event(w, c)	do { while (!(c)) schedule(); } while (0)
#define wait_event_interruptible(w, c)	({ int _we = 0; while (!(c)) { if (signal_pending(current)) { _we = -ERESTARTSYS; break; } schedule(); } _we; })
struct swait_queue_head { struct list_head task_list; };
struct completion { unsigned int done; };
#define init_completion(c)	((c)->done = 0)
#define complete(c)	((c)->done++)
#define complete_all(c)	((c)->done = UINT_MAX / 2)
#define wait_for_completion(c)	do { while (!(c)->done) schedule(); (c)->done--; } while (0)

/* eventfds and files: a test makes one with shim_eventfd() and passes its number. */
#ifndef EPOLLIN
#define EPOLLIN		1u
#define EPOLLHUP	0x10u
#endif
struct eventfd_ctx { refcount_t refs; u64 count; wait_queue_head_t wqh; int fd; };
struct file { struct eventfd_ctx *eventfd; void *private_data; const struct file_operations *f_op; unsigned int f_flags; refcount_t refs; };
struct fd { struct file *file; unsigned int flags; };
#define fd_file(f)	((f).file)
#define fd_empty(f)	(!(f).file)
int shim_eventfd(void);
struct eventfd_ctx *shim_eventfd_of(int fd);
void shim_eventfd_write(int fd, u64 n);		/* what a writer in user space does */
void shim_eventfd_close(int fd);		/* ... and the last close: EPOLLHUP */
struct fd fdget(unsigned int fd);
void fdput(struct fd f);
struct file *fget(unsigned int fd);
void fput(struct file *f);
struct file *eventfd_fget(int fd);
struct eventfd_ctx *eventfd_ctx_fdget(int fd);
struct eventfd_ctx *eventfd_ctx_fileget(struct file *f);
void eventfd_ctx_put(struct eventfd_ctx *c);
void eventfd_signal(struct eventfd_ctx *c);
int eventfd_ctx_remove_wait_queue(struct eventfd_ctx *c, wait_queue_entry_t *e, u64 *cnt);
void eventfd_ctx_do_read(struct eventfd_ctx *c, u64 *cnt);
struct poll_table_struct;
typedef void (*poll_queue_proc)(struct file *, wait_queue_head_t *, struct poll_table_struct *);
typedef struct poll_table_struct { poll_queue_proc _qproc; __poll_t _key; } poll_table;
#define init_poll_funcptr(p, q)	((p)->_qproc = (q), (p)->_key = ~0u)
__poll_t vfs_poll(struct file *f, poll_table *p);
#define key_to_poll(k)	((__poll_t)(unsigned long)(k))

/* Work is put aside until flush_work()/flush_workqueue()/shim_run_works(). */
struct work_struct;
typedef void (*work_func_t)(struct work_struct *);
struct work_struct { struct list_head entry; work_func_t func; bool pending; };
struct workqueue_struct { char c; };
struct delayed_work { struct work_struct work; };
#define INIT_WORK(w, f)	do { (w)->func = (f); (w)->pending = false; INIT_LIST_HEAD(&(w)->entry); } while (0)
#define DECLARE_WORK(n, f)	struct work_struct n = { .func = (f) }
#define INIT_DELAYED_WORK(w, f)	INIT_WORK(&(w)->work, f)
#define alloc_workqueue(n, f, m, ...)	((struct workqueue_struct *)kzalloc(1, GFP_KERNEL))
#define destroy_workqueue(q)	do { shim_run_works(); kfree(q); } while (0)
bool queue_work(struct workqueue_struct *q, struct work_struct *w);
#define schedule_work(w)	queue_work(NULL, w)
/* Work that waits for some time comes with the rest. */
#define to_delayed_work(w)	container_of(w, struct delayed_work, work)
#define queue_delayed_work(q, w, delay)	((void)(delay), queue_work(q, &(w)->work))
#define schedule_delayed_work(w, d)	queue_delayed_work(NULL, w, d)
#define flush_delayed_work(w)	({ (void)(w); shim_run_works(); true; })
#define cancel_delayed_work_sync(w)	cancel_work_sync(&(w)->work)
void shim_run_works(void);
#define flush_work(w)	({ (void)(w); shim_run_works(); true; })
#define flush_workqueue(q)	shim_run_works()
#define flush_scheduled_work()	shim_run_works()
bool cancel_work_sync(struct work_struct *w);
struct kthread_worker { struct list_head works; };
struct kthread_work { struct work_struct w; void (*func)(struct kthread_work *); };
struct kthread_worker *kthread_create_worker(unsigned int flags, const char *fmt, ...);
void kthread_destroy_worker(struct kthread_worker *w);
#define kthread_init_work(w, f)	do { (w)->func = (f); (w)->w.pending = false; INIT_LIST_HEAD(&(w)->w.entry); } while (0)
bool kthread_queue_work(struct kthread_worker *q, struct kthread_work *w);
bool kthread_cancel_work_sync(struct kthread_work *w);
#define kthread_flush_work(w)	({ (void)(w); shim_run_works(); })

struct dentry { char c; };
struct inode { char c; };
struct seq_file { void *private; };
#define seq_printf(s, ...)	shim_printk(__VA_ARGS__)
#define seq_puts(s, t)	shim_printk("%s", t)
#define debugfs_create_dir(n, p)	NULL
#define debugfs_remove_recursive(d)	do { (void)(d); } while (0)
#define debugfs_remove(d)	do { (void)(d); } while (0)
#define debugfs_create_file(...)	NULL
#define debugfs_create_u64(...)	do { } while (0)
#define debugfs_create_u32(...)	do { } while (0)
#define debugfs_create_bool(...)	do { } while (0)

struct notifier_block { int (*notifier_call)(struct notifier_block *, unsigned long, void *); int priority; };

/* The timekeeper, as far as it tells who listens which clocksource it has. */
enum vdso_clock_mode { VDSO_CLOCKMODE_NONE, VDSO_CLOCKMODE_TSC };
struct clocksource { enum vdso_clock_mode vdso_clock_mode; };
struct timekeeper { struct { struct clocksource *clock; } tkr_mono; };
#define pvclock_gtod_register_notifier(n)	((void)(n), 0)
#define pvclock_gtod_unregister_notifier(n)	do { } while (0)
enum tk_offsets { TK_OFFS_REAL, TK_OFFS_BOOT };
#define ktime_mono_to_any(t, o)	(t)

#endif
