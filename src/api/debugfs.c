// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/kvm: every statistic summed over all VMs, and a directory <pid>-<fd> per VM with its own, its parameters and its vCPUs.
 *
 * A file's data is the VM (or the vCPU, or nothing: all VMs); which statistic it is, is its name.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "api/api.h"

static struct dentry *kvm_debugfs;

/* ------------------------------------------------------------------ statistics */

static u64 sum_vcpu_stat(struct vm *vm, u32 i)
{
	struct vcpu *vcpu;
	unsigned long n;
	u64 sum = 0;

	vm_for_each_vcpu(n, vcpu, vm)
		sum += READ_ONCE(((const u64 *)&vcpu->stats)[i]);
	return sum;
}

static int stat_index(const struct stats_table *table, const char *name)
{
	return match_string(table->names, table->count, name);
}

static u64 vm_stat_by_name(struct vm *vm, const char *name)
{
	int i = stat_index(&vcpu_stats_table, name);

	if (i >= 0)
		return sum_vcpu_stat(vm, i);
	i = stat_index(&vm_stats_table, name);
	/* Mapped pages aren't counted as they come and go. */
	if (strstr(name, "pages"))
		mmu_update_stats(&to_vm_x86(vm)->mmu);
	return i >= 0 ? READ_ONCE(((const u64 *)&vm->stats)[i]) : 0;
}

static int stat_show(struct seq_file *m, void *unused)
{
	const char *name = m->file->f_path.dentry->d_name.name;
	struct vm *vm = m->private;
	u64 sum = 0;

	if (vm) {
		sum = vm_stat_by_name(vm, name);
	} else {
		mutex_lock(&vm_list_lock);
		list_for_each_entry(vm, &vm_list, link)
			sum += vm_stat_by_name(vm, name);
		mutex_unlock(&vm_list_lock);
	}
	seq_printf(m, "%llu\n", sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stat);

static void add_stats(struct dentry *dir, struct vm *vm)
{
	u32 i;

	for (i = 0; i < vm_stats_table.count; i++)
		debugfs_create_file(vm_stats_table.names[i], 0444, dir, vm, &stat_fops);
	for (i = 0; i < vcpu_stats_table.count; i++)
		debugfs_create_file(vcpu_stats_table.names[i], 0444, dir, vm, &stat_fops);
}

/* ------------------------------------------------------------------ parameters */

static int params_show(struct seq_file *m, void *unused)
{
	const struct vm_params *p = &((struct vm *)m->private)->params;

	seq_printf(m, "halt_poll_ns %u\n", READ_ONCE(p->halt_poll_ns));
	seq_printf(m, "halt_poll_grow %u\n", p->halt_poll_grow);
	seq_printf(m, "halt_poll_grow_start %u\n", p->halt_poll_grow_start);
	seq_printf(m, "halt_poll_shrink %u\n", p->halt_poll_shrink);
	seq_printf(m, "ple_gap %u\n", p->ple_gap);
	seq_printf(m, "ple_window %u\n", p->ple_window);
	seq_printf(m, "ple_window_grow %u\n", p->ple_window_grow);
	seq_printf(m, "ple_window_shrink %u\n", p->ple_window_shrink);
	seq_printf(m, "ple_window_max %u\n", p->ple_window_max);
	seq_printf(m, "virtual_apic %d\n", p->virtual_apic);
	seq_printf(m, "huge_pages %d\n", p->huge_pages);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(params);

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
			seq_printf(m, "%llu %#llx %#llx %#llx\n", r->tsc, r->reason, r->rip, r->qual);
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
	KIND(INTR), KIND(NMI), KIND(SMI), KIND(INTR_WINDOW), KIND(NMI_WINDOW), KIND(EXCEPTION), KIND(CPUID), KIND(HLT), KIND(PAUSE),
	KIND(INVD), KIND(WBINVD), KIND(RDTSC), KIND(RDTSCP), KIND(RDPMC), KIND(MONITOR), KIND(MWAIT), KIND(XSETBV), KIND(HYPERCALL),
	KIND(INVLPG), KIND(INVPCID), KIND(RSM), KIND(VIRT_INSN), KIND(CR_READ), KIND(CR_WRITE), KIND(CLTS), KIND(LMSW), KIND(DR_READ),
	KIND(DR_WRITE), KIND(MSR_READ), KIND(MSR_WRITE), KIND(IO), KIND(NPF), KIND(NPF_MISCONFIG), KIND(DESC_TABLE), KIND(TASK_SWITCH),
	KIND(TRIPLE_FAULT), KIND(TPR_BELOW_THRESHOLD), KIND(APIC_ACCESS), KIND(APIC_WRITE), KIND(EOI_INDUCED), KIND(PREEMPTION_TIMER),
	KIND(PML_FULL), KIND(MTF), KIND(BUS_LOCK), KIND(ENTRY_FAILED), KIND(UNKNOWN),
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

void debugfs_add_vm(struct vm *vm, int fd)
{
	char name[2 * 11 + 2];

	snprintf(name, sizeof(name), "%d-%d", vm->pid, fd);
	vm->debugfs = debugfs_create_dir(name, kvm_debugfs);
	debugfs_create_file("params", 0444, vm->debugfs, vm, &params_fops);
	debugfs_create_file("exit_kinds", 0444, vm->debugfs, vm, &exit_kinds_fops);
	add_stats(vm->debugfs, vm);
}

/* Waits for readers. */
void debugfs_del_vm(struct vm *vm)
{
	debugfs_remove(vm->debugfs);
}

void debugfs_setup(void)
{
	kvm_debugfs = debugfs_create_dir("kvm", NULL);
	add_stats(kvm_debugfs, NULL);
}

void debugfs_teardown(void)
{
	debugfs_remove(kvm_debugfs);
	kvm_debugfs = NULL;
}
