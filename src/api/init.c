// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's beginning and end. Whatever was set up is taken down in reverse order; when loading
 * fails nothing stays behind.
 */
#include <linux/module.h>
#include <linux/preempt.h>
#include "api/api.h"

/* Defaults only: a VM copies them when it is made, and lives with its own (debugfs shows them). */
module_param_named(halt_poll_ns, vm_default_params.halt_poll_ns, uint, 0644);
module_param_named(halt_poll_ns_grow, vm_default_params.halt_poll_grow, uint, 0644);
module_param_named(halt_poll_ns_grow_start, vm_default_params.halt_poll_grow_start, uint, 0644);
module_param_named(halt_poll_ns_shrink, vm_default_params.halt_poll_shrink, uint, 0644);
module_param_named(pause_filter_thresh, vm_default_params.ple_gap, uint, 0644);
module_param_named(pause_filter_count, vm_default_params.ple_window, uint, 0644);
module_param_named(pause_filter_count_grow, vm_default_params.ple_window_grow, uint, 0644);
module_param_named(pause_filter_count_shrink, vm_default_params.ple_window_shrink, uint, 0644);
module_param_named(pause_filter_count_max, vm_default_params.ple_window_max, uint, 0644);
module_param_named(huge_pages, vm_default_params.huge_pages, bool, 0644);
static int nx_huge_pages = -1;
module_param(nx_huge_pages, int, 0444);
MODULE_PARM_DESC(nx_huge_pages, "large pages are not executable: 1, 0, or -1: where the processor needs that and the kernel wants it (ITLB multihit)");
module_param_named(pml, vm_default_params.pml, bool, 0644);
module_param_named(preemption_timer, vm_default_params.preemption_timer, bool, 0644);
module_param_named(flexpriority, vm_default_params.virtual_apic, bool, 0644);
module_param_named(enable_apicv, vm_default_params.virtual_intr, bool, 0644);

static bool exit_ring;
module_param(exit_ring, bool, 0444);
MODULE_PARM_DESC(exit_ring, "keep each vCPU's last 64 exits in debugfs (last_exits); costs a few instructions per exit");

/* One line says why the module isn't there. */
static int refuse(int err, const char *why)
{
	pr_err("kvm: not loaded: %s (error %d)\n", why, err);
	return err;
}

static int __init kvmono_init(void)
{
	const char *why;
	int err;

	err = hw_probe(&why);
	if (err)
		return refuse(err, why);
	why = "out of memory";
	err = core_setup();
	if (err)
		return refuse(err, why);
	err = irqchip_setup();
	if (err)
		goto teardown_core;
	err = hw_setup();
	if (err)
		goto teardown_irqchip;
	vm_default_params.nx_huge_pages = nx_huge_pages < 0 ? hw_caps.itlb_multihit : nx_huge_pages;
	if (exit_ring)
		static_branch_enable(&exit_ring_on);
	cpuid_setup();
	msr_setup();
	err = clock_setup(&why);
	if (err)
		goto teardown_hw;
	err = virt_enable_all(&why);
	if (err)
		goto teardown_clock;
	/*
	 * The scheduler's static key for preempt notifiers, taken once: no kernel text is patched
	 * while VMs come and go.
	 */
	preempt_notifier_inc();
	debugfs_setup();
	/* Last: from here on there are users. */
	err = dev_register();
	if (err) {
		why = "/dev/kvm is already served";
		goto disable;
	}
	return 0;

disable:
	debugfs_teardown();
	preempt_notifier_dec();
	virt_disable_all();
teardown_clock:
	clock_teardown();
teardown_hw:
	user_return_msrs_teardown();
	hw_teardown();
teardown_irqchip:
	irqchip_teardown();
teardown_core:
	core_teardown();
	return refuse(err, why);
}

static void __exit kvmono_exit(void)
{
	dev_unregister();
	debugfs_teardown();
	preempt_notifier_dec();
	user_return_msrs_teardown();
	virt_disable_all();
	clock_teardown();
	hw_teardown();
	irqchip_teardown();
	core_teardown();
}

module_init(kvmono_init);
module_exit(kvmono_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KVM for x86, one module per vendor");
