// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first door: /dev/kvm.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "api/api.h"

#define DEV_MAX_MSRS	256	/* KVM_GET_MSRS: fewer at once */

static long dev_ioctl_api_version(unsigned long arg)
{
	return arg ? -EINVAL : KVM_API_VERSION;
}

static long dev_ioctl_mmap_size(unsigned long arg)
{
	return arg ? -EINVAL : VCPU_MMAP_PAGES * PAGE_SIZE;
}

/*
 * KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID: the VMM's room is bounded by what there can
 * be.
 */
static long dev_ioctl_cpuid(void __user *argp, bool emulated)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 cpuid;
	long err;

	if (copy_from_user(&cpuid, argp, sizeof(cpuid)))
		return -EFAULT;
	if (!cpuid.nent)
		return -E2BIG;
	cpuid.nent = min_t(u32, cpuid.nent, VCPU_MAX_CPUID_ENTRIES);
	entries = kvcalloc(cpuid.nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	err = cpuid_get_supported(entries, &cpuid.nent, emulated);
	if (!err)
		err = put_user_struct(argp + sizeof(cpuid), entries, cpuid.nent * sizeof(*entries));
	if (!err)
		err = put_user_struct(argp, &cpuid, sizeof(cpuid));
	kvfree(entries);
	return err;
}

/* The number of MSRs goes out even when they don't fit: that is how a VMM asks for it. */
static long put_msr_list(struct kvm_msr_list __user *argp, const u32 *msrs, u32 n)
{
	struct kvm_msr_list list;
	u32 room;

	if (copy_from_user(&list, argp, sizeof(list)))
		return -EFAULT;
	room = list.nmsrs;
	list.nmsrs = n;
	if (copy_to_user(argp, &list, sizeof(list)))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return put_user_struct(argp->indices, msrs, n * sizeof(*msrs));
}

static long dev_ioctl_msr_index_list(void __user *argp)
{
	u32 n;
	const u32 *msrs = msr_save_list(&n);

	return put_msr_list(argp, msrs, n);
}

static long dev_ioctl_msr_feature_list(void __user *argp)
{
	u32 n;
	const u32 *msrs = msr_feature_list(&n);

	return put_msr_list(argp, msrs, n);
}

static long dev_ioctl_get_msrs(void __user *argp)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs msrs;
	long done;

	if (copy_from_user(&msrs, argp, sizeof(msrs)))
		return -EFAULT;
	if (msrs.nmsrs >= DEV_MAX_MSRS)
		return -E2BIG;
	entries = memdup_user(argp + sizeof(msrs), msrs.nmsrs * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (done = 0; done < msrs.nmsrs; done++)
		if (msr_get_feature(entries[done].index, &entries[done].data))
			break;
	if (copy_to_user(argp + sizeof(msrs), entries, msrs.nmsrs * sizeof(*entries)))
		done = -EFAULT;
	kfree(entries);
	return done;
}

static long dev_ioctl_mce_cap(void __user *argp)
{
	u64 cap = mce_supported();

	return put_user_struct(argp, &cap, sizeof(cap));
}

static long dev_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_API_VERSION:		return dev_ioctl_api_version(arg);
	case KVM_CREATE_VM:			return vm_open(arg);
	case KVM_CHECK_EXTENSION:		return cap_check(arg);
	case KVM_GET_VCPU_MMAP_SIZE:		return dev_ioctl_mmap_size(arg);
	case KVM_GET_SUPPORTED_CPUID:		return dev_ioctl_cpuid(argp, false);
	case KVM_GET_EMULATED_CPUID:		return dev_ioctl_cpuid(argp, true);
	case KVM_GET_MSR_INDEX_LIST:		return dev_ioctl_msr_index_list(argp);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:	return dev_ioctl_msr_feature_list(argp);
	case KVM_GET_MSRS:			return dev_ioctl_get_msrs(argp);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:	return dev_ioctl_mce_cap(argp);
	default:				return -EINVAL;
	}
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = compat_ptr_ioctl,
#endif
	.llseek = noop_llseek,
};

static struct miscdevice kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &dev_fops,
};

int dev_register(void)
{
	return misc_register(&kvm_device);
}

void dev_unregister(void)
{
	misc_deregister(&kvm_device);
}
