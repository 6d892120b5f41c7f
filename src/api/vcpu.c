// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU's door: its file, what is mapped from it, its ioctls.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <asm/tsc.h>
#include "api/api.h"
#include "api/load_inline.h"
#include "vcpu/run_inline.h"

#define MAX_IO_MSRS	256	/* KVM_GET_MSRS, KVM_SET_MSRS: fewer at once */

/* ------------------------------------------------------------------ KVM_RUN */

static __always_inline long vcpu_run_loaded(struct vcpu *vcpu)
{
	long err;

	/* From here on kicks find the thread; until it is cleared the task can't exit. */
	WRITE_ONCE(vcpu->task, current);
	vcpu_load(vcpu);
	err = vcpu_run(to_x86(vcpu));
	/* Addresses in it are made again, which costs less than to keep them while the guest runs. */
	OPTIMIZER_HIDE_VAR(vcpu);
	vcpu_put(vcpu);
	WRITE_ONCE(vcpu->task, NULL);
	return err;
}

/* The one ioctl whose cost counts. */
static noinline __noclone long vcpu_ioctl_run(struct vcpu *vcpu, unsigned long arg)
{
	long err = vm_may_use(vcpu->vm);

	if (unlikely(err))
		return err;
	if (unlikely(mutex_lock_killable(&vcpu->mutex)))
		return -EINTR;
	if (unlikely(arg))
		err = -EINVAL;
	else if (unlikely(host_goes_down()))
		err = -EIO;
	else
		err = vcpu_run_loaded(vcpu);
	OPTIMIZER_HIDE_VAR(vcpu);
	mutex_unlock(&vcpu->mutex);
	return err;
}
VCPU_RUN_FRAME(vcpu_ioctl_run);

/*
 * KVM_SET_SIGNAL_MASK holds while the guest runs. real_blocked keeps what the mask unblocks from
 * being thrown away as ignored. The mask is one word, and that of this moment.
 */
static noinline long vcpu_ioctl_run_masked(struct vcpu *vcpu, unsigned long arg)
{
	sigset_t set = vcpu->sigset;
	long err;

	sigprocmask(SIG_SETMASK, &set, &current->real_blocked);
	err = vcpu_ioctl_run(vcpu, arg);
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
	/*
	 * A change of the mask clears TIF_SIGPENDING when no signal waits. Without it nobody on the
	 * way to user mode would look at the restart that is asked for (host_work() in vcpu/run.c).
	 */
	if (err == -ERESTARTNOHAND)
		set_thread_flag(TIF_SIGPENDING);
	return err;
}

static long vcpu_ioctl_set_signal_mask(struct vcpu *vcpu, void __user *argp)
{
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!argp) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, argp, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, argp + sizeof(mask), sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/* ------------------------------------------------------------------ state: copy, and call down */

/*
 * A structure on the stack, filled by vcpu/state.c from zeroes, so that nothing of the kernel goes
 * out.
 */
#define IOCTL_GET(name, type, get)									\
static noinline_for_stack long vcpu_ioctl_get_##name(struct vcpu_x86 *v, void __user *argp)		\
{													\
	type state = {};										\
													\
	get(v, &state);											\
	return put_user_struct(argp, &state, sizeof(state));							\
}

#define IOCTL_SET(name, type, set)									\
static noinline_for_stack long vcpu_ioctl_set_##name(struct vcpu_x86 *v, void __user *argp)		\
{													\
	type state;											\
													\
	if (copy_from_user(&state, argp, sizeof(state)))						\
		return -EFAULT;										\
	return set(v, &state);										\
}

static int set_regs(struct vcpu_x86 *v, const struct kvm_regs *regs)
{
	vcpu_set_regs(v, regs);
	return 0;
}

IOCTL_GET(regs, struct kvm_regs, vcpu_get_regs)
IOCTL_SET(regs, struct kvm_regs, set_regs)
IOCTL_GET(sregs, struct kvm_sregs, vcpu_get_sregs)
IOCTL_SET(sregs, struct kvm_sregs, vcpu_set_sregs)
IOCTL_GET(sregs2, struct kvm_sregs2, vcpu_get_sregs2)
IOCTL_SET(sregs2, struct kvm_sregs2, vcpu_set_sregs2)
IOCTL_SET(fpu, struct kvm_fpu, vcpu_set_fpu)
IOCTL_GET(xcrs, struct kvm_xcrs, vcpu_get_xcrs)
IOCTL_SET(xcrs, struct kvm_xcrs, vcpu_set_xcrs)
IOCTL_GET(debugregs, struct kvm_debugregs, vcpu_get_debugregs)
IOCTL_SET(debugregs, struct kvm_debugregs, vcpu_set_debugregs)
IOCTL_GET(events, struct kvm_vcpu_events, vcpu_get_events)
IOCTL_SET(events, struct kvm_vcpu_events, vcpu_set_events)
IOCTL_SET(mp_state, struct kvm_mp_state, vcpu_set_mp_state)
IOCTL_SET(guest_debug, struct kvm_guest_debug, vcpu_set_guest_debug)
IOCTL_SET(mce, struct kvm_x86_mce, vcpu_inject_mce)

static noinline_for_stack long vcpu_ioctl_get_fpu(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_fpu fpu;
	long err = vcpu_get_fpu(v, &fpu);

	return err ? err : put_user_struct(argp, &fpu, sizeof(fpu));
}

static long vcpu_ioctl_get_mp_state(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_mp_state state = {};
	long err = vcpu_get_mp_state(v, &state);

	return err ? err : put_user_struct(argp, &state, sizeof(state));
}

static long vcpu_ioctl_get_xsave(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_xsave *state = kzalloc(sizeof(*state), GFP_KERNEL_ACCOUNT);
	long err;

	if (!state)
		return -ENOMEM;
	vcpu_get_xsave(v, state, sizeof(*state));
	err = put_user_struct(argp, state, sizeof(*state));
	kfree(state);
	return err;
}

static long vcpu_ioctl_set_xsave(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_xsave *state = memdup_user(argp, sizeof(*state));
	long err;

	if (IS_ERR(state))
		return PTR_ERR(state);
	err = vcpu_set_xsave(v, state);
	kfree(state);
	return err;
}

static long vcpu_ioctl_get_lapic(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_lapic_state *state;
	long err;

	if (!v->has_apic)
		return -EINVAL;
	state = kzalloc(sizeof(*state), GFP_KERNEL_ACCOUNT);
	if (!state)
		return -ENOMEM;
	err = lapic_get_state(&v->apic, state);
	if (!err)
		err = put_user_struct(argp, state, sizeof(*state));
	kfree(state);
	return err;
}

static long vcpu_ioctl_set_lapic(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_lapic_state *state;
	long err;

	if (!v->has_apic)
		return -EINVAL;
	state = memdup_user(argp, sizeof(*state));
	if (IS_ERR(state))
		return PTR_ERR(state);
	err = lapic_set_state(&v->apic, state);
	kfree(state);
	return err;
}

static long vcpu_ioctl_translate(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_translation tr;
	long err;

	if (copy_from_user(&tr, argp, sizeof(tr)))
		return -EFAULT;
	err = vcpu_translate(v, &tr);
	return err ? err : put_user_struct(argp, &tr, sizeof(tr));
}

static long vcpu_ioctl_interrupt(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, argp, sizeof(irq)))
		return -EFAULT;
	return vcpu_user_interrupt(v, irq.irq);
}

static long vcpu_ioctl_nmi(struct vcpu_x86 *v)
{
	vcpu_queue_nmi(v);
	return 0;
}

/*
 * The guest's copy of TPR, for guests that are patched to write it in memory. There is none
 * (KVM_CAP_VAPIC): what can be said is that it is off, as VMMs do when they reset a vCPU.
 */
static long vcpu_ioctl_set_vapic_addr(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_vapic_addr vapic;

	if (copy_from_user(&vapic, argp, sizeof(vapic)))
		return -EFAULT;
	return v->has_apic && !vapic.vapic_addr ? 0 : -EINVAL;
}

static long vcpu_ioctl_setup_mce(struct vcpu_x86 *v, void __user *argp)
{
	u64 mcg_cap;

	if (copy_from_user(&mcg_cap, argp, sizeof(mcg_cap)))
		return -EFAULT;
	return vcpu_setup_mce(v, mcg_cap);
}

static long vcpu_ioctl_enable_cap(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	return vcpu_enable_cap(v, &cap);
}

/* ------------------------------------------------------------------ MSRs */

enum msr_direction { MSRS_GET, MSRS_SET };

/* How many of @n went well; the first that doesn't ends the list. */
static u32 access_msrs(struct vcpu_x86 *v, struct kvm_msr_entry *entries, u32 n,
		       enum msr_direction dir)
{
	u32 i;
	int err;

	for (i = 0; i < n; i++) {
		if (dir == MSRS_GET)
			err = vcpu_get_msr(v, entries[i].index, &entries[i].data, true);
		else
			err = vcpu_set_msr(v, entries[i].index, entries[i].data, true);
		if (err)
			break;
	}
	return i;
}

static long vcpu_ioctl_msrs(struct vcpu_x86 *v, void __user *argp, enum msr_direction dir)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs msrs;
	long done;
	int idx;

	if (copy_from_user(&msrs, argp, sizeof(msrs)))
		return -EFAULT;
	if (msrs.nmsrs >= MAX_IO_MSRS)
		return -E2BIG;
	entries = memdup_user(argp + sizeof(msrs), msrs.nmsrs * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	/* MSRs that name a place in guest memory look at the memslots. */
	idx = srcu_read_lock(&v->vcpu.vm->srcu);
	done = access_msrs(v, entries, msrs.nmsrs, dir);
	srcu_read_unlock(&v->vcpu.vm->srcu, idx);
	if (dir == MSRS_GET &&
	    copy_to_user(argp + sizeof(msrs), entries, msrs.nmsrs * sizeof(*entries)))
		done = -EFAULT;
	kfree(entries);
	return done;
}

/* ------------------------------------------------------------------ CPUID */

static long vcpu_ioctl_set_cpuid2(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_cpuid_entry2 *entries = NULL;
	struct kvm_cpuid2 cpuid;
	long err;

	if (copy_from_user(&cpuid, argp, sizeof(cpuid)))
		return -EFAULT;
	if (cpuid.nent > VCPU_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (cpuid.nent) {
		entries = user_copy_held(argp + sizeof(cpuid), cpuid.nent * sizeof(*entries));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	err = vcpu_set_cpuid(v, entries, cpuid.nent);
	if (err)
		kfree(entries);
	return err;
}

static void widen_cpuid_entry(struct kvm_cpuid_entry2 *to, const struct kvm_cpuid_entry *from)
{
	to->function = from->function;
	to->eax = from->eax;
	to->ebx = from->ebx;
	to->ecx = from->ecx;
	to->edx = from->edx;
}

/* The older form, without subleaves. */
static long vcpu_ioctl_set_cpuid(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry *old;
	struct kvm_cpuid cpuid;
	long err;
	u32 i;

	if (copy_from_user(&cpuid, argp, sizeof(cpuid)))
		return -EFAULT;
	if (cpuid.nent > VCPU_MAX_CPUID_ENTRIES)
		return -E2BIG;
	old = vmemdup_user(argp + sizeof(cpuid), cpuid.nent * sizeof(*old));
	if (IS_ERR(old))
		return PTR_ERR(old);
	err = -ENOMEM;
	entries = kcalloc(cpuid.nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (entries) {
		for (i = 0; i < cpuid.nent; i++)
			widen_cpuid_entry(&entries[i], &old[i]);
		err = vcpu_set_cpuid(v, entries, cpuid.nent);
		if (err)
			kfree(entries);
	}
	kvfree(old);
	return err;
}

static long vcpu_ioctl_get_cpuid2(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_cpuid2 cpuid;

	if (copy_from_user(&cpuid, argp, sizeof(cpuid)))
		return -EFAULT;
	if (cpuid.nent < v->cpuid_nent)
		return -E2BIG;
	cpuid.nent = v->cpuid_nent;
	if (v->cpuid_nent &&
	    copy_to_user(argp + sizeof(cpuid), v->cpuid, v->cpuid_nent * sizeof(*v->cpuid)))
		return -EFAULT;
	return put_user_struct(argp, &cpuid, sizeof(cpuid));
}

/* ------------------------------------------------------------------ clocks */

static long vcpu_ioctl_set_tsc_khz(struct vcpu_x86 *v, unsigned long khz)
{
	if (!khz)
		khz = tsc_khz;
	return khz != (u32)khz ? -EINVAL : vcpu_set_tsc_khz(v, khz);
}

static long vcpu_ioctl_kvmclock_ctrl(struct vcpu_x86 *v)
{
	/* Bit 0 of the MSR: the guest has a clock page. */
	if (!(v->system_time_msr & 1))
		return -EINVAL;
	v->guest_stopped = true;
	vcpu_request(&v->vcpu, REQ_CLOCK_UPDATE);
	return 0;
}

static int check_attr(const struct kvm_device_attr *attr)
{
	return attr->flags || attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET
		       ? -ENXIO
		       : 0;
}

static long get_attr(struct vcpu_x86 *v, const struct kvm_device_attr *attr)
{
	u64 offset = v->tsc_offset;

	return put_user_struct(u64_to_user_ptr(attr->addr), &offset, sizeof(offset));
}

static long set_attr(struct vcpu_x86 *v, const struct kvm_device_attr *attr)
{
	u64 offset;

	if (copy_from_user(&offset, u64_to_user_ptr(attr->addr), sizeof(offset)))
		return -EFAULT;
	vcpu_set_tsc_offset(v, offset);
	return 0;
}

static long vcpu_ioctl_attr(struct vcpu_x86 *v, unsigned int ioctl, void __user *argp)
{
	struct kvm_device_attr attr;
	long err;

	if (copy_from_user(&attr, argp, sizeof(attr)))
		return -EFAULT;
	err = check_attr(&attr);
	if (err || ioctl == KVM_HAS_DEVICE_ATTR)
		return err;
	return ioctl == KVM_GET_DEVICE_ATTR ? get_attr(v, &attr) : set_attr(v, &attr);
}

/* ------------------------------------------------------------------ KVM_PRE_FAULT_MEMORY */

static bool pre_fault_is_valid(const struct kvm_pre_fault_memory *range)
{
	return !range->flags && PAGE_ALIGNED(range->gpa) && PAGE_ALIGNED(range->size) &&
	       range->gpa + range->size > range->gpa;
}

/*
 * Maps one stretch and moves the range behind it. 0 without progress: lost a race, to be tried
 * again with the memslots of then.
 */
static long pre_fault_step(struct vcpu_x86 *v, struct kvm_pre_fault_memory *range)
{
	struct vm *vm = v->vcpu.vm;
	int idx = srcu_read_lock(&vm->srcu);
	long done = mmu_prefault(&v_vm(v)->mmu, &v->vcpu, range->gpa, 0);

	srcu_read_unlock(&vm->srcu, idx);
	if (done < 0)
		return done == -EAGAIN ? 0 : done;
	done = min_t(u64, done, range->size);
	range->gpa += done;
	range->size -= done;
	return 0;
}

static long vcpu_ioctl_pre_fault(struct vcpu_x86 *v, void __user *argp)
{
	struct kvm_pre_fault_memory range;
	u64 size;
	long err = 0;

	if (copy_from_user(&range, argp, sizeof(range)))
		return -EFAULT;
	if (!pre_fault_is_valid(&range))
		return -EINVAL;
	for (size = range.size; range.size && !err; cond_resched())
		err = signal_pending(current) ? -EINTR : pre_fault_step(v, &range);
	/* Something done is success; the caller asks again for the rest. */
	if (copy_to_user(argp, &range, sizeof(range)))
		return -EFAULT;
	return range.size != size ? 0 : err;
}

/* ------------------------------------------------------------------ the file */

/* vcpu->mutex held, vCPU loaded. */
static long vcpu_state_ioctl(struct vcpu_x86 *v, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_REGS:		return vcpu_ioctl_get_regs(v, argp);
	case KVM_SET_REGS:		return vcpu_ioctl_set_regs(v, argp);
	case KVM_GET_SREGS:		return vcpu_ioctl_get_sregs(v, argp);
	case KVM_SET_SREGS:		return vcpu_ioctl_set_sregs(v, argp);
	case KVM_GET_SREGS2:		return vcpu_ioctl_get_sregs2(v, argp);
	case KVM_SET_SREGS2:		return vcpu_ioctl_set_sregs2(v, argp);
	case KVM_GET_FPU:		return vcpu_ioctl_get_fpu(v, argp);
	case KVM_SET_FPU:		return vcpu_ioctl_set_fpu(v, argp);
	case KVM_GET_XSAVE2:		/* the same size while no feature needs more than a page */
	case KVM_GET_XSAVE:		return vcpu_ioctl_get_xsave(v, argp);
	case KVM_SET_XSAVE:		return vcpu_ioctl_set_xsave(v, argp);
	case KVM_GET_XCRS:		return vcpu_ioctl_get_xcrs(v, argp);
	case KVM_SET_XCRS:		return vcpu_ioctl_set_xcrs(v, argp);
	case KVM_GET_DEBUGREGS:		return vcpu_ioctl_get_debugregs(v, argp);
	case KVM_SET_DEBUGREGS:		return vcpu_ioctl_set_debugregs(v, argp);
	case KVM_GET_VCPU_EVENTS:	return vcpu_ioctl_get_events(v, argp);
	case KVM_SET_VCPU_EVENTS:	return vcpu_ioctl_set_events(v, argp);
	case KVM_GET_MP_STATE:		return vcpu_ioctl_get_mp_state(v, argp);
	case KVM_SET_MP_STATE:		return vcpu_ioctl_set_mp_state(v, argp);
	case KVM_GET_LAPIC:		return vcpu_ioctl_get_lapic(v, argp);
	case KVM_SET_LAPIC:		return vcpu_ioctl_set_lapic(v, argp);
	case KVM_GET_MSRS:		return vcpu_ioctl_msrs(v, argp, MSRS_GET);
	case KVM_SET_MSRS:		return vcpu_ioctl_msrs(v, argp, MSRS_SET);
	case KVM_SET_CPUID:		return vcpu_ioctl_set_cpuid(v, argp);
	case KVM_SET_CPUID2:		return vcpu_ioctl_set_cpuid2(v, argp);
	case KVM_GET_CPUID2:		return vcpu_ioctl_get_cpuid2(v, argp);
	case KVM_SET_GUEST_DEBUG:	return vcpu_ioctl_set_guest_debug(v, argp);
	case KVM_TRANSLATE:		return vcpu_ioctl_translate(v, argp);
	case KVM_INTERRUPT:		return vcpu_ioctl_interrupt(v, argp);
	case KVM_NMI:			return vcpu_ioctl_nmi(v);
	case KVM_SET_VAPIC_ADDR:	return vcpu_ioctl_set_vapic_addr(v, argp);
	case KVM_X86_SETUP_MCE:		return vcpu_ioctl_setup_mce(v, argp);
	case KVM_X86_SET_MCE:		return vcpu_ioctl_set_mce(v, argp);
	case KVM_SET_TSC_KHZ:		return vcpu_ioctl_set_tsc_khz(v, arg);
	case KVM_GET_TSC_KHZ:		return v->tsc_khz;
	case KVM_KVMCLOCK_CTRL:		return vcpu_ioctl_kvmclock_ctrl(v);
	case KVM_ENABLE_CAP:		return vcpu_ioctl_enable_cap(v, argp);
	case KVM_PRE_FAULT_MEMORY:	return vcpu_ioctl_pre_fault(v, argp);
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:	return vcpu_ioctl_attr(v, ioctl, argp);
	default:			return -EINVAL;
	}
}

/* vcpu->mutex held. */
static long vcpu_locked_ioctl(struct vcpu_x86 *v, unsigned int ioctl, unsigned long arg)
{
	long err;

	switch (ioctl) {
	case KVM_SET_SIGNAL_MASK:
		return vcpu_ioctl_set_signal_mask(&v->vcpu, (void __user *)arg);
	default:
		WRITE_ONCE(v->vcpu.wants_to_run, false);
		vcpu_load(&v->vcpu);
		vcpu_settle(v);
		err = vcpu_state_ioctl(v, ioctl, arg);
		vcpu_put(&v->vcpu);
		return err;
	}
}

static noinline long vcpu_other_ioctl(struct vcpu *vcpu, unsigned int ioctl, unsigned long arg)
{
	long err = vm_may_use(vcpu->vm);

	if (err)
		return err;
	if (_IOC_TYPE(ioctl) != KVMIO)
		return -EINVAL;
	if (ioctl == KVM_GET_STATS_FD)
		return stats_open_vcpu(vcpu);
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	err = vcpu_locked_ioctl(to_x86(vcpu), ioctl, arg);
	mutex_unlock(&vcpu->mutex);
	return err;
}

static long vcpu_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vcpu *vcpu = file->private_data;

	if (unlikely(ioctl != KVM_RUN))
		return vcpu_other_ioctl(vcpu, ioctl, arg);
	return unlikely(data_race(vcpu->sigset_active)) ? vcpu_ioctl_run_masked(vcpu, arg)
							: vcpu_ioctl_run(vcpu, arg);
}

static vm_fault_t vcpu_page_fault(struct vm_fault *vmf)
{
	struct vcpu *vcpu = vmf->vma->vm_file->private_data;
	void *page;

	if (vmf->pgoff == 0)
		page = vcpu->run;
	else if (vmf->pgoff == KVM_PIO_PAGE_OFFSET)
		page = to_x86(vcpu)->pio.data;
	else if (vmf->pgoff == KVM_COALESCED_MMIO_PAGE_OFFSET)
		page = vcpu->vm->coalesced_ring;
	else
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_page_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = compat_ptr_ioctl,
#endif
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/* ------------------------------------------------------------------ birth */

/*
 * Other CPUs walk the array up to nr_vcpus: the vCPU is in it, and whole, before it counts. Room is
 * reserved: can't fail. vm->lock held.
 */
static void vcpu_publish(struct vm *vm, struct vcpu *vcpu)
{
	xa_store(&vm->vcpus, vcpu->index, vcpu, GFP_KERNEL_ACCOUNT);
	atomic_set_release(&vm->nr_vcpus, vcpu->index + 1);
}

static struct file *vcpu_file(struct vcpu *vcpu)
{
	char name[sizeof("kvm-vcpu:") + 10];
	struct file *file;

	snprintf(name, sizeof(name), "kvm-vcpu:%u", vcpu->id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (!IS_ERR(file))
		vm_get(vcpu->vm);
	return file;
}

/* Everything that may fail, in an order that can be undone; @fd is reserved. vm->lock held. */
static long vcpu_create_locked(struct vm *vm, u32 id, int fd)
{
	int n = atomic_read(&vm->nr_vcpus), err;
	struct vcpu *vcpu;
	struct file *file;

	if (n >= VM_MAX_VCPUS)
		return -EINVAL;
	if (vm_find_vcpu(vm, id))
		return -EEXIST;
	err = xa_reserve(&vm->vcpus, n, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	vcpu = vcpu_x86_create(vm, id);
	err = PTR_ERR_OR_ZERO(vcpu);
	if (err)
		goto release;
	vcpu->index = n;
	vcpu_door_init(vcpu);
	file = vcpu_file(vcpu);
	err = PTR_ERR_OR_ZERO(file);
	if (err)
		goto destroy;

	vcpu_publish(vm, vcpu);
	debugfs_add_vcpu(vcpu);
	fd_install(fd, file);
	return fd;

destroy:
	vcpu_x86_destroy(vcpu);
release:
	xa_release(&vm->vcpus, n);
	return err;
}

long vcpu_open(struct vm *vm, unsigned long id)
{
	long ret;
	int fd;

	if (id >= VM_MAX_VCPUS || id >= READ_ONCE(vm->max_vcpu_id))
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	mutex_lock(&vm->lock);
	ret = vcpu_create_locked(vm, id, fd);
	mutex_unlock(&vm->lock);
	if (ret < 0)
		put_unused_fd(fd);
	return ret;
}
