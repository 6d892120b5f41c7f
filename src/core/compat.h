/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels, and nothing else. HAVE_* come from snippets that the build compiles
 * (conftest).
 */
#ifndef CORE_COMPAT_H
#define CORE_COMPAT_H

#include "compat-conf.h"

#include <linux/cpuhotplug.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/syscore_ops.h>

/* ------------------------------------------------------------------ the kernel's own interfaces */

static inline void compat_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef HAVE_EVENTFD_SIGNAL_1ARG
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* A timer of CLOCK_MONOTONIC that calls @function. */
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*function)(struct hrtimer *),
					enum hrtimer_mode mode)
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#endif
}

/* Entering a guest is a quiescent state for RCU. IRQs off. */
static inline void compat_rcu_virt_note_context_switch(void)
{
#ifdef HAVE_RCU_VIRT_NOTE_NOARG
	rcu_virt_note_context_switch();
#else
	rcu_virt_note_context_switch(smp_processor_id());
#endif
}

/* Is @task on a run queue, and not merely waiting to be taken off it? */
static inline bool compat_task_is_runnable(struct task_struct *task)
{
#ifdef HAVE_TASK_IS_RUNNABLE
	return task_is_runnable(task);
#else
	return task->on_rq;
#endif
}

/*
 * The hotplug state in which a CPU gets and loses virtualization: later than the last task has left
 * a CPU that goes. Newer kernels run it in a thread of that CPU, and it may fail; in older ones it
 * runs with IRQs off, and must not.
 */
#ifdef HAVE_CPUHP_AP_KVM_ONLINE
#define COMPAT_CPUHP_VIRT	CPUHP_AP_KVM_ONLINE
#define COMPAT_CPUHP_VIRT_FAILS	true
#else
#define COMPAT_CPUHP_VIRT	CPUHP_AP_KVM_STARTING
#define COMPAT_CPUHP_VIRT_FAILS	false
#endif

/*
 * COMPAT_SYSCORE(name, on_suspend, on_resume) - define name with int on_suspend(void) and void
 * on_resume(void), for compat_register_syscore(&name).
 */
#ifdef HAVE_REGISTER_SYSCORE
#define COMPAT_SYSCORE(name, on_suspend, on_resume)						\
	static int name##_suspend(void *unused) { return on_suspend(); }			\
	static void name##_resume(void *unused) { on_resume(); }				\
	static const struct syscore_ops name##_ops = { .suspend = name##_suspend, .resume = name##_resume };	\
	static struct syscore name = { .ops = &name##_ops }
#define compat_register_syscore(s)	register_syscore(s)
#define compat_unregister_syscore(s)	unregister_syscore(s)
#else
#define COMPAT_SYSCORE(name, on_suspend, on_resume)						\
	static struct syscore_ops name = { .suspend = on_suspend, .resume = on_resume }
#define compat_register_syscore(s)	register_syscore_ops(s)
#define compat_unregister_syscore(s)	unregister_syscore_ops(s)
#endif

/* ------------------ ABI that is newer than the kernel's <linux/kvm.h> */

/* The name of the field of struct kvm_run. */
#ifdef HAVE_IMMEDIATE_EXIT_UNSAFE
#define compat_immediate_exit immediate_exit__unsafe
#else
#define compat_immediate_exit immediate_exit
#endif

#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2	231
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES	235
#define KVM_X86_DEFAULT_VM	0
#endif

#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY	236
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS	237
#endif

/* SDM 3C, appendix C. */
#include <uapi/asm/vmx.h>

#ifndef EXIT_REASON_SEAMCALL
#define EXIT_REASON_SEAMCALL	76
#define EXIT_REASON_TDCALL	77
#endif

/* ------------------------------------------------------------------ host memory (mmu/hostmem.c) */

#include <linux/mm.h>

#ifdef HAVE_FOLL_INTERRUPTIBLE
#define COMPAT_FOLL_INTERRUPTIBLE	FOLL_INTERRUPTIBLE
#else
#define COMPAT_FOLL_INTERRUPTIBLE	0
#endif

/**
 * compat_follow_pfn() - the frame that a VM_IO or VM_PFNMAP mapping has at @addr. mmap_lock held;
 * sleeps not. -EINVAL: none is mapped there.
 */
static inline int compat_follow_pfn(struct vm_area_struct *vma, unsigned long addr, u64 *pfn,
				    bool *writable)
{
#ifdef HAVE_FOLLOW_PFNMAP
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	int err = follow_pfnmap_start(&args);

	if (err)
		return err;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
	return 0;
#else
	spinlock_t *lock;
	pte_t *ptep;
	int err = follow_pte(vma->vm_mm, addr, &ptep, &lock);

	if (err)
		return err;
	__acquire(lock);
	*pfn = pte_pfn(*ptep);
	*writable = pte_write(*ptep);
	pte_unmap_unlock(ptep, lock);
	return 0;
#endif
}

/*
 * Memory of a device that has struct pages: a bit of its own in page tables until the kernel could
 * do without.
 */
#ifdef _PAGE_DEVMAP
#define COMPAT_PAGE_DEVMAP _PAGE_DEVMAP
#else
#define COMPAT_PAGE_DEVMAP 0
#endif

/* Since 6.6. */
#ifdef VM_SHADOW_STACK
#define COMPAT_VM_SHADOW_STACK VM_SHADOW_STACK
#else
#define COMPAT_VM_SHADOW_STACK 0
#endif

#endif
