// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doors of the host's power: CPUs that come and go, suspend, reboot, crash. Virtualization is
 * on on every CPU from load to unload.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/reboot.h>
#include "api/api.h"

/* Why the first CPU that refused did, while CPUs are enabled one after the other or at once. */
struct enable_result {
	atomic_t err;
	int cpu;
};

/* of this CPU's hotplug, where that may not fail by itself */
static DEFINE_PER_CPU(int, virt_error);
static bool going_down;			/* set once */
static bool checked_by_second_state;
static int second_state;

bool host_goes_down(void)
{
	return data_race(going_down);
}

/* IRQs off. */
static int enable_this_cpu(void)
{
	if (!hw_cpu_compatible())
		return -EIO;
	return hw_enable_cpu();
}

static void enable_cpu_ipi(void *data)
{
	struct enable_result *result = data;
	int err = enable_this_cpu();

	__this_cpu_write(virt_error, err);
	if (err && !atomic_cmpxchg(&result->err, 0, err))
		result->cpu = smp_processor_id();
}

/* Only where it is on: an error on one CPU is followed by this on all. */
static void disable_cpu_ipi(void *unused)
{
	if (__this_cpu_read(virt_error))
		return;
	hw_disable_cpu();
	__this_cpu_write(virt_error, -ESHUTDOWN);
}

/* ------------------------------------------------------------------ hotplug */

static int virt_cpu_online(unsigned int cpu)
{
	unsigned long flags;
	int err;

	local_irq_save(flags);
	err = enable_this_cpu();
	__this_cpu_write(virt_error, err);
	local_irq_restore(flags);
	if (err)
		pr_err("kvm: CPU %u can't run guests: error %d\n", cpu, err);
	/*
	 * Where this step may not fail, virt_cpu_check() refuses the CPU before any task runs on
	 * it.
	 */
	return COMPAT_CPUHP_VIRT_FAILS ? err : 0;
}

static int virt_cpu_offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	/* No task returns to user space here any more that would do it. */
	user_return_msrs_cpu_down();
	disable_cpu_ipi(NULL);
	local_irq_restore(flags);
	return 0;
}

static int virt_cpu_check(unsigned int cpu)
{
	return per_cpu(virt_error, cpu);
}

/* cpus_read_lock held. */
static int hotplug_register(void)
{
	int err = cpuhp_setup_state_nocalls_cpuslocked(COMPAT_CPUHP_VIRT, "kvm/cpu:virt",
						       virt_cpu_online, virt_cpu_offline);

	if (err || COMPAT_CPUHP_VIRT_FAILS)
		return err;
	err = cpuhp_setup_state_nocalls_cpuslocked(CPUHP_AP_ONLINE_DYN, "kvm/cpu:check",
						   virt_cpu_check, NULL);
	if (err < 0) {
		cpuhp_remove_state_nocalls_cpuslocked(COMPAT_CPUHP_VIRT);
		return err;
	}
	second_state = err;
	checked_by_second_state = true;
	return 0;
}

/* cpus_read_lock held. */
static void hotplug_unregister(void)
{
	if (checked_by_second_state)
		cpuhp_remove_state_nocalls_cpuslocked(second_state);
	checked_by_second_state = false;
	cpuhp_remove_state_nocalls_cpuslocked(COMPAT_CPUHP_VIRT);
}

/* ------------------------------------------------------------------ suspend, reboot, crash */

/* The last CPU of a suspend doesn't go through hotplug; all tasks are frozen. IRQs off. */
static int virt_suspend(void)
{
	clock_suspend();
	user_return_msrs_cpu_down();
	disable_cpu_ipi(NULL);
	return 0;
}

static void virt_resume(void)
{
	int err = enable_this_cpu();

	__this_cpu_write(virt_error, err);
	if (WARN_ON_ONCE(err))
		WRITE_ONCE(going_down, true);
	clock_resume();
}

COMPAT_SYSCORE(virt_syscore, virt_suspend, virt_resume);

/*
 * INIT and firmware that find SVM or VMX on may hang: off it goes, on all CPUs, and no vCPU may try
 * to enter a guest again.
 */
static int virt_reboot(struct notifier_block *nb, unsigned long action, void *unused)
{
	WRITE_ONCE(going_down, true);
	vm_kill_all();
	on_each_cpu(disable_cpu_ipi, NULL, true);
	return NOTIFY_OK;
}

static struct notifier_block virt_reboot_nb = { .notifier_call = virt_reboot };

/* Each CPU for itself. */
static void virt_crash(void)
{
	hw_crash_cpu();
}

/* ------------------------------------------------------------------ load and unload */

static int enable_all_cpus(const char **why)
{
	struct enable_result result = { .err = ATOMIC_INIT(0) };
	int err;

	on_each_cpu(enable_cpu_ipi, &result, true);
	err = atomic_read(&result.err);
	if (!err)
		return 0;
	*why = err == -EBUSY ? "virtualization is in use on some CPU already"
			     : "not every CPU can do what the first can";
	on_each_cpu(disable_cpu_ipi, NULL, true);
	return err;
}

int virt_enable_all(const char **why)
{
	int err;

	cpus_read_lock();
	err = enable_all_cpus(why);
	if (!err) {
		err = hotplug_register();
		if (err) {
			*why = err == -EBUSY ? "another hypervisor has the CPU hotplug state"
					     : "CPU hotplug";
			on_each_cpu(disable_cpu_ipi, NULL, true);
		}
	}
	cpus_read_unlock();
	if (err)
		return err;
	register_reboot_notifier(&virt_reboot_nb);
	compat_register_syscore(&virt_syscore);
	cpu_emergency_register_virt_callback(virt_crash);
	return 0;
}

void virt_disable_all(void)
{
	cpu_emergency_unregister_virt_callback(virt_crash);
	compat_unregister_syscore(&virt_syscore);
	unregister_reboot_notifier(&virt_reboot_nb);
	cpus_read_lock();
	hotplug_unregister();
	on_each_cpu(disable_cpu_ipi, NULL, true);
	cpus_read_unlock();
}
