// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_ENFORCE_PV_FEATURE_CPUID: paravirtual MSRs and hypercalls that the guest's CPUID doesn't name are there, or not there once it is enforced;
 * for the VMM, too.
 */
#include "lib/api.h"

#define PAGE	0x50000

GUEST64(write_msr, mov %edi, %ecx; mov %esi, %eax; xor %edx, %edx; wrmsr; mov $0x600d, %eax; REPORT_EAX; over: DONE);
GUEST64(read_msr, mov %edi, %ecx; rdmsr; REPORT_EAX; over2: DONE);
GUEST64(call, mov %rdi, %rax; mov %rsi, %rcx; xor %ebx, %ebx; vmmcall; REPORT_EAX; DONE);
extern const char over[], over2[];

static struct vm vm;
static struct vcpu *v;

/* CPUID as supported, with these features of leaf 0x40000001 (EAX), or without the leaf. */
static void set_features(u32 features, bool leaf)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	u32 n = 0;

	c->nent = 256;
	must_ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, c);
	for (u32 i = 0; i < c->nent; i++) {
		if (c->entries[i].function == 0x40000001)
			c->entries[i].eax = features;
		if (leaf || c->entries[i].function >> 28 != 4)
			c->entries[n++] = c->entries[i];
	}
	c->nent = n;
	must_ioctl(v->fd, KVM_SET_CPUID2, c);
	v->has_cpuid = true;
	free(c);
}

static void guest(const char *name, const char *entry, u64 rdi, u64 rsi)
{
	struct kvm_regs r;

	see("%s", name);
	vcpu_long(v, entry);
	get_regs(v, &r);
	r.rdi = rdi;
	r.rsi = rsi;
	set_regs(v, &r);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = entry == write_msr ? (uintptr_t)over : (uintptr_t)over2;
	check_eq(see_guest(v), GO_DONE);
	if (shared(&vm)->nlog)
		see("  #%llu", (unsigned long long)((struct guest_event *)gpa_ptr(&vm, GUEST_LOG))->vector);
}

static void run(const char *name, bool enforce, u32 features, bool leaf)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { enforce } };
	static const struct {
		const char *name;
		u32 msr;
	} msrs[] = {
		{ "wall clock", MSR_KVM_WALL_CLOCK }, { "wall clock, new", MSR_KVM_WALL_CLOCK_NEW },
		{ "system time", MSR_KVM_SYSTEM_TIME }, { "system time, new", MSR_KVM_SYSTEM_TIME_NEW },
		{ "steal time", MSR_KVM_STEAL_TIME },
	};
	u64 value;

	see("-- %s", name);
	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_result("KVM_ENABLE_CAP", ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	set_features(features, leaf);
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		guest(msrs[i].name, write_msr, msrs[i].msr, PAGE);
		guest("  read", read_msr, msrs[i].msr, 0);
		see("  the VMM: set %d get %d", set_msr(v, msrs[i].msr, PAGE), get_msr(v, msrs[i].msr, &value));
	}
	guest("KVM_HC_KICK_CPU", call, KVM_HC_KICK_CPU, 0);
	guest("KVM_HC_SCHED_YIELD", call, KVM_HC_SCHED_YIELD, 0);
	cap.args[0] = 0;
	see_result("switched off again", ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	guest("steal time", write_msr, MSR_KVM_STEAL_TIME, PAGE);
	cap.args[0] = 2;
	see_result("neither 0 nor 1", ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	guest("steal time", write_msr, MSR_KVM_STEAL_TIME, PAGE);
	vm_destroy(&vm);
}

void test(void)
{
	vm_create(&vm);
	need_cap(&vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
	vm_destroy(&vm);
	run("not enforced, all features", false, 0x010078fb, true);
	run("not enforced, no feature", false, 0, true);
	run("not enforced, no leaf", false, 0, false);
	run("enforced, all features", true, 0x010078fb, true);
	run("enforced, no feature", true, 0, true);
	run("enforced, no leaf", true, 0, false);
	run("enforced, the old clock only", true, 1 << KVM_FEATURE_CLOCKSOURCE, true);
}
