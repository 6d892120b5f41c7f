// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files behind KVM_GET_STATS_FD. Each holds a reference on the VM, so that it may outlive the
 * VM's own fd.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include "api/api.h"

static ssize_t stats_vm_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct vm *vm = file->private_data;
	char id[STATS_NAME_SIZE] = {};

	snprintf(id, sizeof(id), "kvm-%d", vm->pid);
	mmu_update_stats(&to_vm_x86(vm)->mmu);
	return stats_read(&vm_stats_table, id, (const u64 *)&vm->stats, buf, len, pos);
}

static int stats_vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations stats_vm_fops = {
	.owner = THIS_MODULE,
	.read = stats_vm_read,
	.release = stats_vm_release,
	.llseek = no_seek_end_llseek,
};

static ssize_t stats_vcpu_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct vcpu *vcpu = file->private_data;
	char id[STATS_NAME_SIZE] = {};

	vcpu_update_stats(vcpu);
	snprintf(id, sizeof(id), "kvm-%d/vcpu-%u", vcpu->vm->pid, vcpu->id);
	return stats_read(&vcpu_stats_table, id, (const u64 *)&vcpu->stats, buf, len, pos);
}

static int stats_vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations stats_vcpu_fops = {
	.owner = THIS_MODULE,
	.read = stats_vcpu_read,
	.release = stats_vcpu_release,
	.llseek = no_seek_end_llseek,
};

static long stats_open(struct vm *vm, const char *name, const struct file_operations *fops,
		       void *data)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, data, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vm_get(vm);
	/*
	 * api.rst wants pread() and lseek() to work on it; anonymous files have neither by
	 * themselves.
	 */
	file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	fd_install(fd, file);
	return fd;
}

long stats_open_vm(struct vm *vm)
{
	return stats_open(vm, "kvm-vm-stats", &stats_vm_fops, vm);
}

long stats_open_vcpu(struct vcpu *vcpu)
{
	return stats_open(vcpu->vm, "kvm-vcpu-stats", &stats_vcpu_fops, vcpu);
}
