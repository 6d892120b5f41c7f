/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs under which the host's kernel ends while guests run on all of its CPUs (host-crash, host-kexec): another one
 * comes in its place, $NEXT_KERNEL with $NEXT_INITRD, which runs the program once more. There it sees that nothing stayed behind:
 * KVM is loaded, which wants virtualization off on every CPU; and all CPUs are up, which takes an INIT that an Intel processor
 * doesn't take in VMX operation (SDM 3C, 26.5), and an AMD one not while GIF is clear (APM 2, 15.17; QEMU's takes it).
 */
#ifndef TESTS_API_LIB_NEXT_H
#define TESTS_API_LIB_NEXT_H

#include "host.h"
#include "kexec.h"

#define CPUS	2
#define NEXT	"after_" 		/* and the program's name, in the next kernel's command line */

static struct vm vm;

/* One vCPU on each CPU, and one that was there last and isn't running. */
static void guests_on_all_cpus(void)
{
	vm_init(&vm);
	vm_irqchip(&vm);
	shared(&vm)->eoi = EOI_LAPIC;
	for (int i = 0; i < 2 * CPUS; i++) {
		vcpu_long(vcpu_create(&vm, i), i < CPUS ? goes_on : keeps);
		set_mp_state(&vm.vcpu[i], KVM_MP_STATE_RUNNABLE);
	}
	for (int i = 0; i < CPUS; i++) {
		pin(pthread_self(), i);
		see_guest(&vm.vcpu[CPUS + i]);
	}
	for (int i = 0; i < CPUS; i++) {
		pin(pthread_self(), i);	/* which the thread inherits */
		vcpu_go_thread(&vm.vcpu[i]);
	}
	pin(pthread_self(), 0);
	for (int i = 0; i < CPUS; i++)
		see_goes_on(&vm.vcpu[i]);
}

static void guests_end(void)
{
	end_goes_on(&vm.vcpu[0]);
	for (int i = 0; i < CPUS; i++)
		see_guest_result(&vm.vcpu[i], vcpu_join(&vm.vcpu[i]));
	vm_destroy(&vm);
}

static const char *named(const char *variable)
{
	const char *path = getenv(variable);

	if (!path)
		skip("$%s doesn't say what to boot", variable);
	return path;
}

static void kernel_parameters(char *words, size_t size)
{
	FILE *f = fopen("/proc/cmdline", "r");

	must(f && fgets(words, size, f));
	fclose(f);
	words[strcspn(words, "\n")] = 0;
}

static void load_next(const char *after, bool crash)
{
	char now[2048], then[2100];

	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS)
		skip("no second CPU");
	if (access("/sys/kernel/kexec_loaded", F_OK))
		skip("no kexec in this kernel");
	kernel_parameters(now, sizeof(now));
	snprintf(then, sizeof(then), "%s " NEXT "%s", now, after);
	kexec_prepare(named("NEXT_KERNEL"), named("NEXT_INITRD"), then, crash);
}

/* True in the kernel that comes after. */
static bool is_next(const char *after)
{
	char now[2100], word[32];

	kernel_parameters(now, sizeof(now));
	snprintf(word, sizeof(word), NEXT "%s", after);
	return strstr(now, word);
}

/* The host is as it should be. */
static void see_host(void)
{
	see("%ld CPUs", sysconf(_SC_NPROCESSORS_ONLN));
	check_eq(sysconf(_SC_NPROCESSORS_ONLN), CPUS);
	guests_on_all_cpus();
	guests_end();
}

#endif
