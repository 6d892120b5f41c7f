/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doors: what the files of this floor have of one another.
 */
#ifndef API_API_H
#define API_API_H

#include <linux/uaccess.h>
#include "core/compat.h"
#include "core/ioeventfd.h"
#include "core/vm.h"
#include "vcpu/vcpu.h"

/* preempt.c: where a vCPU's thread comes and goes. Process context. */
void vcpu_door_init(struct vcpu *vcpu);

/* vm.c */
/**
 * vm_open() - KVM_CREATE_VM: the new fd, or -EINVAL (type), -ENOMEM, -EMFILE, -EIO (the host goes
 * down).
 */
long vm_open(unsigned long type);
/**
 * vm_get(), vm_put() - a reference of a file on its VM. The last vm_put() frees the VM; it sleeps.
 */
void vm_get(struct vm *vm);
void vm_put(struct vm *vm);
/**
 * vm_kill_all() - every VM is dead from here on, and no vCPU is in the guest or will be. Sleeps.
 */
void vm_kill_all(void);
/** vm_list_lock(), vm_list - all VMs, for debugfs. Sleeps. */
extern struct mutex vm_list_lock;
extern struct list_head vm_list;
/** vm_may_use() - 0, or -EIO: the VM is another process's, or dead. */
static inline int vm_may_use(const struct vm *vm)
{
	return vm->mm != current->mm || data_race(vm->vm_dead) ? -EIO : 0;
}

/* memory.c: KVM_SET_USER_MEMORY_REGION and the dirty log. */
long vm_ioctl_set_region(struct vm_x86 *x, void __user *argp);
long vm_ioctl_set_region2(struct vm_x86 *x, void __user *argp);
long vm_ioctl_get_dirty_log(struct vm_x86 *x, void __user *argp);
long vm_ioctl_clear_dirty_log(struct vm_x86 *x, void __user *argp);
#ifdef CONFIG_COMPAT
long vm_compat_get_dirty_log(struct vm_x86 *x, void __user *argp);
long vm_compat_clear_dirty_log(struct vm_x86 *x, void __user *argp);
#endif

/* irq.c: everything about interrupt controllers, the PIT and their events. */
long vm_irq_ioctl(struct vm_x86 *x, unsigned int ioctl, unsigned long arg);

/* vcpu.c */
/**
 * vcpu_open() - KVM_CREATE_VCPU: the new fd, or -EINVAL (id, too many), -EEXIST, -ENOMEM, -EMFILE.
 */
long vcpu_open(struct vm *vm, unsigned long id);
#define VCPU_MMAP_PAGES	3	/* kvm_run, port I/O data, coalesced ring */

/* mce.c; vCPU loaded */
#define MCE_BANKS	32
u64 mce_supported(void);
int vcpu_setup_mce(struct vcpu_x86 *v, u64 mcg_cap);
int vcpu_inject_mce(struct vcpu_x86 *v, const struct kvm_x86_mce *mce);

/* cap.c */
/** cap_check() - KVM_CHECK_EXTENSION, on /dev/kvm or a VM. */
int cap_check(unsigned long cap);
int vm_enable_cap(struct vm_x86 *x, const struct kvm_enable_cap *cap);
int vcpu_enable_cap(struct vcpu_x86 *v, const struct kvm_enable_cap *cap);

/* statsfd.c: KVM_GET_STATS_FD. The new fd, or -ENOMEM, -EMFILE. */
long stats_open_vm(struct vm *vm);
long stats_open_vcpu(struct vcpu *vcpu);

/* notifier.c */
int notifier_register(struct vm *vm);	/* sleeps; -ENOMEM, -EINTR */
void notifier_unregister(struct vm *vm);

/* dev.c */
int dev_register(void);		/* -EBUSY: /dev/kvm is served by another */
void dev_unregister(void);

/* hotplug.c */
int virt_enable_all(const char **why);
void virt_disable_all(void);
/** host_goes_down() - virtualization is off for good: nothing may enter a guest. */
bool host_goes_down(void);

/* debugfs.c. Failures of debugfs are nobody's failure. */
void debugfs_setup(void);
void debugfs_teardown(void);
void debugfs_add_vm(struct vm *vm, int fd);
void debugfs_add_vcpu(struct vcpu *vcpu);
void debugfs_del_vm(struct vm *vm);

static inline long put_user_struct(void __user *argp, const void *data, size_t size)
{
	return copy_to_user(argp, data, size) ? -EFAULT : 0;
}

#endif
