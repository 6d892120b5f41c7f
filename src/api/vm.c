// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's door: its file, its ioctls, its birth and its end.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/tsc.h>
#include "api/api.h"

#define IDENTITY_MAP_DEFAULT	0xfffbc000ULL
#define TSS_PAGES		3

DEFINE_MUTEX(vm_list_lock);
LIST_HEAD(vm_list);

/* ------------------------------------------------------------------ references */

void vm_get(struct vm *vm)
{
	refcount_inc(&vm->users);
}

/*
 * The last file has gone: no ioctl, no mapping, no vCPU thread is left. The doors through which
 * something could still come in from outside are closed first: the list of VMs, debugfs readers,
 * the host's memory management.
 */
static void vm_teardown(struct vm *vm)
{
	struct vm_x86 *x = to_vm_x86(vm);

	mutex_lock(&vm_list_lock);
	list_del(&vm->link);
	mutex_unlock(&vm_list_lock);
	debugfs_del_vm(vm);
	notifier_unregister(vm);
	vm_x86_destroy(x);
	kvfree(x);
}

void vm_put(struct vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_teardown(vm);
}

void vm_kill_all(void)
{
	struct vm *vm;

	mutex_lock(&vm_list_lock);
	list_for_each_entry(vm, &vm_list, link) {
		WRITE_ONCE(vm->vm_dead, true);
		/* Once to wake those that sleep, once to wait for those that run. */
		vm_request_all(vm, REQ_VM_DEAD, REQUEST_NOWAIT, NULL);
		vm_request_all(vm, REQ_VM_DEAD, REQUEST_WAIT, NULL);
	}
	mutex_unlock(&vm_list_lock);
}

/* ------------------ ioctls: addresses, clocks, capabilities */

static long vm_ioctl_set_tss_addr(struct vm_x86 *x, unsigned long addr)
{
	if (addr > (1ULL << 32) - TSS_PAGES * PAGE_SIZE)
		return -EINVAL;
	WRITE_ONCE(x->tss_addr, addr);
	return 0;
}

static long vm_ioctl_set_identity_map(struct vm_x86 *x, void __user *argp)
{
	long err = -EINVAL;
	u64 addr;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	if (!addr)
		addr = IDENTITY_MAP_DEFAULT;
	mutex_lock(&x->vm.lock);
	if (!atomic_read(&x->vm.nr_vcpus) && addr <= (1ULL << 32) - PAGE_SIZE) {
		x->identity_map = addr;
		err = 0;
	}
	mutex_unlock(&x->vm.lock);
	return err;
}

static long vm_ioctl_get_clock(struct vm_x86 *x, void __user *argp)
{
	struct kvm_clock_data data = {};
	long err = vm_get_clock(x, &data);

	return err ? err : put_user_struct(argp, &data, sizeof(data));
}

static long vm_ioctl_set_clock(struct vm_x86 *x, void __user *argp)
{
	struct kvm_clock_data data;

	if (copy_from_user(&data, argp, sizeof(data)))
		return -EFAULT;
	if (data.flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	/* What KVM_GET_CLOCK says about its value is accepted back and means nothing. */
	data.flags &= KVM_CLOCK_REALTIME;
	return vm_set_clock(x, &data);
}

/* The frequency that later vCPUs begin with. Without scaling there is only the host's. */
static long vm_ioctl_set_tsc_khz(struct vm_x86 *x, unsigned long khz)
{
	u64 ratio;

	if (!khz)
		khz = tsc_khz;
	/* Later vCPUs can't be refused for it. */
	if (khz != (u32)khz || (khz != tsc_khz && !hw_caps.tsc_scaling) ||
	    clock_tsc_ratio(khz, &ratio))
		return -EINVAL;
	WRITE_ONCE(x->default_tsc_khz, khz);
	return 0;
}

static long vm_ioctl_get_tsc_khz(struct vm_x86 *x)
{
	return READ_ONCE(x->default_tsc_khz);
}

static long vm_ioctl_enable_cap(struct vm_x86 *x, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	return vm_enable_cap(x, &cap);
}

static long vm_ioctl_set_msr_filter(struct vm_x86 *x, void __user *argp)
{
	struct kvm_msr_filter filter;

	if (copy_from_user(&filter, argp, sizeof(filter)))
		return -EFAULT;
	return vm_set_msr_filter(x, &filter);
}

/* ------------------------------------------------------------------ ioctls: I/O and devices */

static long vm_ioctl_ioeventfd(struct vm_x86 *x, void __user *argp)
{
	struct kvm_ioeventfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(&x->vm, &args);
	return ioeventfd_assign(&x->vm, &args);
}

static long vm_ioctl_register_coalesced(struct vm_x86 *x, void __user *argp)
{
	struct kvm_coalesced_mmio_zone zone;

	if (copy_from_user(&zone, argp, sizeof(zone)))
		return -EFAULT;
	return coalesced_register(&x->vm, &zone);
}

static long vm_ioctl_unregister_coalesced(struct vm_x86 *x, void __user *argp)
{
	struct kvm_coalesced_mmio_zone zone;

	if (copy_from_user(&zone, argp, sizeof(zone)))
		return -EFAULT;
	return coalesced_unregister(&x->vm, &zone);
}

/*
 * There is no type of device yet that could be made; the document says ENODEV for each that is
 * unknown.
 */
static long vm_ioctl_create_device(void __user *argp)
{
	struct kvm_create_device device;

	if (copy_from_user(&device, argp, sizeof(device)))
		return -EFAULT;
	return -ENODEV;
}

/* ------------------------------------------------------------------ the file */

static long vm_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vm *vm = file->private_data;
	struct vm_x86 *x = to_vm_x86(vm);
	void __user *argp = (void __user *)arg;
	long err = vm_may_use(vm);

	if (err)
		return err;
	switch (ioctl) {
	case KVM_CHECK_EXTENSION:		return cap_check(arg);
	case KVM_ENABLE_CAP:			return vm_ioctl_enable_cap(x, argp);
	case KVM_CREATE_VCPU:			return vcpu_open(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:	return vm_ioctl_set_region(x, argp);
	case KVM_SET_USER_MEMORY_REGION2:	return vm_ioctl_set_region2(x, argp);
	case KVM_GET_DIRTY_LOG:			return vm_ioctl_get_dirty_log(x, argp);
	case KVM_CLEAR_DIRTY_LOG:		return vm_ioctl_clear_dirty_log(x, argp);
	case KVM_IOEVENTFD:			return vm_ioctl_ioeventfd(x, argp);
	case KVM_REGISTER_COALESCED_MMIO:	return vm_ioctl_register_coalesced(x, argp);
	case KVM_UNREGISTER_COALESCED_MMIO:	return vm_ioctl_unregister_coalesced(x, argp);
	case KVM_SET_TSS_ADDR:			return vm_ioctl_set_tss_addr(x, arg);
	case KVM_SET_IDENTITY_MAP_ADDR:		return vm_ioctl_set_identity_map(x, argp);
	case KVM_GET_CLOCK:			return vm_ioctl_get_clock(x, argp);
	case KVM_SET_CLOCK:			return vm_ioctl_set_clock(x, argp);
	case KVM_SET_TSC_KHZ:			return vm_ioctl_set_tsc_khz(x, arg);
	case KVM_GET_TSC_KHZ:			return vm_ioctl_get_tsc_khz(x);
	case KVM_X86_SET_MSR_FILTER:		return vm_ioctl_set_msr_filter(x, argp);
	case KVM_CREATE_DEVICE:			return vm_ioctl_create_device(argp);
	case KVM_GET_STATS_FD:			return stats_open_vm(vm);
	default:				return vm_irq_ioctl(x, ioctl, arg);
	}
}

#ifdef CONFIG_COMPAT
/* What a 32-bit VMM lays out differently: structures with a pointer in them. */
struct compat_msr_filter_range {
	u32 flags, nmsrs, base;
	compat_uptr_t bitmap;
};

struct compat_msr_filter {
	u32 flags;
	struct compat_msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define COMPAT_X86_SET_MSR_FILTER	_IOW(KVMIO, 0xc6, struct compat_msr_filter)

static long vm_compat_set_msr_filter(struct vm_x86 *x, void __user *argp)
{
	struct compat_msr_filter from;
	struct kvm_msr_filter filter = {};
	int i;

	if (copy_from_user(&from, argp, sizeof(from)))
		return -EFAULT;
	filter.flags = from.flags;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		filter.ranges[i].flags = from.ranges[i].flags;
		filter.ranges[i].nmsrs = from.ranges[i].nmsrs;
		filter.ranges[i].base = from.ranges[i].base;
		filter.ranges[i].bitmap = (__force u8 *)compat_ptr(from.ranges[i].bitmap);
	}
	return vm_set_msr_filter(x, &filter);
}

static long vm_compat_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vm *vm = file->private_data;
	void __user *argp = compat_ptr(arg);
	long err = vm_may_use(vm);

	if (err)
		return err;
	switch (ioctl) {
	case COMPAT_X86_SET_MSR_FILTER:	return vm_compat_set_msr_filter(to_vm_x86(vm), argp);
	case KVM_GET_DIRTY_LOG:		return vm_compat_get_dirty_log(to_vm_x86(vm), argp);
	case KVM_CLEAR_DIRTY_LOG:	return vm_compat_clear_dirty_log(to_vm_x86(vm), argp);
	default:			return vm_ioctl(file, ioctl, (unsigned long)argp);
	}
}
#endif

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = vm_compat_ioctl,
#endif
	.release = vm_release,
	.llseek = noop_llseek,
};

/* ------------------------------------------------------------------ birth */

static struct vm_x86 *vm_create(unsigned long type)
{
	struct vm_x86 *x;
	int err;

	x = kvzalloc(vm_x86_size(), GFP_KERNEL_ACCOUNT);
	if (!x)
		return ERR_PTR(-ENOMEM);
	err = vm_x86_init(x, type);
	if (err)
		goto free;
	err = notifier_register(&x->vm);
	if (err)
		goto destroy;
	mutex_lock(&vm_list_lock);
	list_add_tail(&x->vm.link, &vm_list);
	mutex_unlock(&vm_list_lock);
	return x;

destroy:
	vm_x86_destroy(x);
free:
	kvfree(x);
	return ERR_PTR(err);
}

long vm_open(unsigned long type)
{
	struct vm_x86 *x;
	struct file *file;
	int fd;

	if (host_goes_down())
		return -EIO;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	x = vm_create(type);
	if (IS_ERR(x)) {
		put_unused_fd(fd);
		return PTR_ERR(x);
	}
	file = anon_inode_getfile("kvm-vm", &vm_fops, &x->vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(&x->vm);
		return PTR_ERR(file);
	}
	debugfs_add_vm(&x->vm, fd);
	fd_install(fd, file);
	return fd;
}
