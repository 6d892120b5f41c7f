// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/kvm: every statistic summed over all VMs, a file each, and a directory
 * <pid>-<fd> per VM with its own, its parameters and its vCPUs. A VM has all its statistics in one
 * file: a file each would be half of what creating a VM costs, and 40 KB of inodes.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "api/api.h"

static struct dentry *kvm_debugfs;

/* ------------------------------------------------------------------ statistics */

static u64 sum_vcpu_stat(struct vm *vm, u32 i)
{
	struct vcpu *vcpu;
	unsigned long n;
	u64 sum = 0;

	vm_for_each_vcpu(n, vcpu, vm) {
		vcpu_update_stats(vcpu);
		sum += READ_ONCE(((const u64 *)&vcpu->stats)[i]);
	}
	return sum;
}

/* Mapped pages aren't counted as they come and go: mmu_update_stats() first. */
static u64 vm_stat(struct vm *vm, u32 i)
{
	return READ_ONCE(((const u64 *)&vm->stats)[i]);
}

static int vm_stats_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	u32 i;

	mmu_update_stats(&to_vm_x86(vm)->mmu);
	for (i = 0; i < vm_stats_table.count; i++)
		seq_printf(m, "%s %llu\n", vm_stats_table.names[i], vm_stat(vm, i));
	for (i = 0; i < vcpu_stats_table.count; i++)
		seq_printf(m, "%s %llu\n", vcpu_stats_table.names[i], sum_vcpu_stat(vm, i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_stats);

/* The sum over all VMs of the statistic that the file is named after. */
static int stat_show(struct seq_file *m, void *unused)
{
	const char *name = m->file->f_path.dentry->d_name.name;
	int of_vcpu = match_string(vcpu_stats_table.names, vcpu_stats_table.count, name);
	int of_vm = match_string(vm_stats_table.names, vm_stats_table.count, name);
	struct vm *vm;
	u64 sum = 0;

	mutex_lock(&vm_list_lock);
	list_for_each_entry(vm, &vm_list, link) {
		if (of_vcpu >= 0) {
			sum += sum_vcpu_stat(vm, of_vcpu);
		} else if (of_vm >= 0) {
			mmu_update_stats(&to_vm_x86(vm)->mmu);
			sum += vm_stat(vm, of_vm);
		}
	}
	mutex_unlock(&vm_list_lock);
	seq_printf(m, "%llu\n", sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stat);

static void add_sums(struct dentry *dir)
{
	u32 i;

	for (i = 0; i < vm_stats_table.count; i++)
		debugfs_create_file(vm_stats_table.names[i], 0444, dir, NULL, &stat_fops);
	for (i = 0; i < vcpu_stats_table.count; i++)
		debugfs_create_file(vcpu_stats_table.names[i], 0444, dir, NULL, &stat_fops);
}

/* ------------------------------------------------------------------ parameters */

/* All of struct vm_params, as the file names them: a u32, or a bool. */
static const struct param {
	const char *name;
	u16 offset;
	bool boolean;
} params[] = {
#define U32(name)	{ #name, offsetof(struct vm_params, name), false }
#define BOOL(name)	{ #name, offsetof(struct vm_params, name), true }
	U32(halt_poll_ns), U32(halt_poll_grow), U32(halt_poll_grow_start), U32(halt_poll_shrink),
	U32(ple_gap), U32(ple_window), U32(ple_window_grow), U32(ple_window_shrink),
	U32(ple_window_max), BOOL(virtual_apic), BOOL(virtual_intr), BOOL(preemption_timer),
	BOOL(huge_pages), BOOL(nx_huge_pages), BOOL(pml),
#undef U32
#undef BOOL
};

static int params_show(struct seq_file *m, void *unused)
{
	const char *base = (const char *)&((struct vm *)m->private)->params;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		seq_printf(m, "%s %u\n", params[i].name, params[i].boolean ?
			   READ_ONCE(*(const bool *)(base + params[i].offset)) :
			   READ_ONCE(*(const u32 *)(base + params[i].offset)));
	return 0;
}

static int params_open(struct inode *inode, struct file *file)
{
	return single_open(file, params_show, inode->i_private);
}

/* What the processor hasn't can't be asked for. */
static bool param_possible(const struct param *param)
{
	switch (param->offset) {
	case offsetof(struct vm_params, virtual_apic):
		return hw_caps.virtual_apic;
	case offsetof(struct vm_params, preemption_timer):
		return hw_caps.preemption_timer;
	case offsetof(struct vm_params, virtual_intr):
		return hw_caps.virtual_intr;
	case offsetof(struct vm_params, pml):
		return hw_caps.pml;
	default:
		return true;
	}
}

static int param_set(struct vm *vm, const struct param *param, u32 val)
{
	void *field = (char *)&vm->params + param->offset;

	if (param->boolean && val > 1)
		return -EINVAL;
	if (val && !param_possible(param))
		return -EINVAL;
	if (param->boolean)
		WRITE_ONCE(*(bool *)field, val);
	else
		WRITE_ONCE(*(u32 *)field, val);
	return 0;
}

/* vm->lock: no vCPU can be made meanwhile, and what a vCPU runs with does not change under it. */
static int params_store(struct vm *vm, const char *name, u32 val)
{
	unsigned int i;
	int err = -EINVAL;

	mutex_lock(&vm->lock);
	if (atomic_read(&vm->nr_vcpus))
		err = -EBUSY;
	for (i = 0; i < ARRAY_SIZE(params) && err != -EBUSY; i++)
		if (!strcmp(params[i].name, name))
			err = param_set(vm, &params[i], val);
	mutex_unlock(&vm->lock);
	return err;
}

/* One "name value" per write. -EBUSY: there are vCPUs. -EINVAL: no such parameter or value. */
static ssize_t params_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct vm *vm = ((struct seq_file *)file->private_data)->private;
	char line[64], name[32];
	u32 val;
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = 0;
	if (sscanf(line, "%31s %u", name, &val) != 2)
		return -EINVAL;
	err = params_store(vm, name, val);
	return err ? err : len;
}

static const struct file_operations params_fops = {
	.owner = THIS_MODULE,
	.open = params_open,
	.read = seq_read,
	.write = params_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* ------------------------------------------------------------------ a vCPU's last exits */

/* Oldest first. The vCPU may go on while this reads: a line may be torn, no more. */
static int last_exits_show(struct seq_file *m, void *unused)
{
	struct vcpu_x86 *v = m->private;
	u32 n = ARRAY_SIZE(v->last_exits), pos = READ_ONCE(v->last_exits_pos), i;

	seq_puts(m, "tsc reason rip qualification\n");
	for (i = 0; i < n; i++) {
		const struct exit_record *r = &v->last_exits[(pos + i) % n];

		if (r->tsc)
			seq_printf(m, "%llu %#llx %#llx %#llx\n", r->tsc, r->reason, r->rip,
				   r->qual);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(last_exits);

void debugfs_add_vcpu(struct vcpu *vcpu)
{
	char name[sizeof("vcpu") + 10];
	struct dentry *dir;

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	dir = debugfs_create_dir(name, vcpu->vm->debugfs);
	debugfs_create_file("last_exits", 0444, dir, to_x86(vcpu), &last_exits_fops);
}

/* ------------------------------------------------------------------ exits by kind, of all vCPUs */

#define KIND(name) [EXIT_##name] = #name
static const char * const exit_names[NR_EXIT_KINDS] = {
	KIND(INTR), KIND(NMI), KIND(SMI), KIND(INTR_WINDOW), KIND(NMI_WINDOW), KIND(EXCEPTION),
	KIND(CPUID), KIND(HLT), KIND(PAUSE), KIND(INVD), KIND(WBINVD), KIND(RDTSC), KIND(RDTSCP),
	KIND(RDPMC), KIND(MONITOR), KIND(MWAIT), KIND(XSETBV), KIND(HYPERCALL), KIND(INVLPG),
	KIND(INVPCID), KIND(RSM), KIND(VIRT_INSN), KIND(CR_READ), KIND(CR_WRITE), KIND(CLTS),
	KIND(LMSW), KIND(DR_READ), KIND(DR_WRITE), KIND(MSR_READ), KIND(MSR_WRITE), KIND(IO),
	KIND(NPF), KIND(NPF_MISCONFIG), KIND(DESC_TABLE), KIND(TASK_SWITCH), KIND(TRIPLE_FAULT),
	KIND(TPR_BELOW_THRESHOLD), KIND(APIC_ACCESS), KIND(APIC_WRITE), KIND(EOI_INDUCED),
	KIND(PREEMPTION_TIMER), KIND(PML_FULL), KIND(MTF), KIND(BUS_LOCK), KIND(ENTRY_FAILED),
	KIND(UNKNOWN),
};

static int exit_kinds_show(struct seq_file *m, void *unused)
{
	struct vm *vm = m->private;
	struct vcpu *vcpu;
	unsigned long n;
	int kind;

	for (kind = 0; kind < NR_EXIT_KINDS; kind++) {
		u64 sum = 0;

		vm_for_each_vcpu(n, vcpu, vm)
			sum += READ_ONCE(to_x86(vcpu)->exit_counts[kind]);
		if (sum)
			seq_printf(m, "%s %llu\n", exit_names[kind], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exit_kinds);

/* ------------------------------------------------------------------ directories */

/*
 * A VM lives on in its vCPUs' files when its own is closed, and the number of that one may be the
 * next VM's: a third number, of this directory alone, then tells the two apart.
 */
static void vm_dir_name(char *name, size_t size, const struct vm *vm, int fd)
{
	static atomic_t times;
	struct dentry *taken;

	snprintf(name, size, "%d-%d", vm->pid, fd);
	taken = debugfs_lookup(name, kvm_debugfs);
	if (IS_ERR_OR_NULL(taken))
		return;
	dput(taken);
	snprintf(name, size, "%d-%d-%u", vm->pid, fd, atomic_inc_return(&times));
}

void debugfs_add_vm(struct vm *vm, int fd)
{
	char name[3 * 11 + 3];

	vm_dir_name(name, sizeof(name), vm, fd);
	vm->debugfs = debugfs_create_dir(name, kvm_debugfs);
	debugfs_create_file("params", 0644, vm->debugfs, vm, &params_fops);
	debugfs_create_file("exit_kinds", 0444, vm->debugfs, vm, &exit_kinds_fops);
	debugfs_create_file("stats", 0444, vm->debugfs, vm, &vm_stats_fops);
}

/* Waits for readers. */
void debugfs_del_vm(struct vm *vm)
{
	debugfs_remove(vm->debugfs);
}

void debugfs_setup(void)
{
	kvm_debugfs = debugfs_create_dir("kvm", NULL);
	add_sums(kvm_debugfs);
}

void debugfs_teardown(void)
{
	debugfs_remove(kvm_debugfs);
	kvm_debugfs = NULL;
}
