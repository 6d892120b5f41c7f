// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_DISABLE_QUIRKS2 and KVM_CAP_DISABLE_QUIRKS: each quirk in both positions, with a guest that sees it; refused bits. */
#include "lib/api.h"

#define QUIRKS	(KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

GUEST64(out_7e, out %al, $0x7e; DONE);
GUEST64(lapic_read, mov $0xfee00000, %ebx; mov 0x30(%rbx), %eax; mov %eax, %ecx; movl $0, 0x80(%rbx); DONE);
GUEST64(monitor_mwait, mov $0x40000, %eax; xor %ecx, %ecx; xor %edx, %edx; monitor; mwait; mov $0x600d, %eax; REPORT_EAX;
	after: DONE);
extern const char after[];

static struct vm vm;
static struct vcpu *v;

static void see_out_7e(void)
{
	struct kvm_regs r;

	vcpu_long(v, out_7e);
	must(vcpu_run(v) == 0);
	see_exit(v);
	get_regs(v, &r);
	see("RIP is %s OUT", r.rip == (uintptr_t)out_7e ? "at" : "behind");
	check_eq(see_exits(v), GO_DONE);
}

/* In x2APIC mode the registers are MSRs; is the page still there? */
static void see_lapic_hole(void)
{
	struct kvm_regs r;

	must(set_msr(v, 0x1b, 0xfee00d00) == 1);
	vcpu_long(v, lapic_read);
	check_eq(see_exits(v), GO_DONE);
	get_regs(v, &r);
	see("read 0x%llx", r.rcx);
}

static void see_mwait(void)
{
	vcpu_long(v, monitor_mwait);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = (uintptr_t)after;
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
}

static void run(const char *name, u32 cap, u64 disabled)
{
	see("-- %s", name);
	vm_init(&vm);
	vm_irqchip(&vm);
	if (cap)
		see_result("KVM_ENABLE_CAP", vm_enable(&vm, cap, disabled));
	v = vcpu_create(&vm, 0);
	see_out_7e();
	see_lapic_hole();
	see_mwait();
	vm_destroy(&vm);
}

/* Quirks may be disabled while the VM runs, and stay so. */
static void while_running(void)
{
	see("-- disabled late");
	vm_init(&vm);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_out_7e();
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_OUT_7E_INC_RIP));
	see_out_7e();
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_DISABLE_QUIRKS2, 0));
	see_out_7e();
	see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_DISABLE_QUIRKS, KVM_X86_QUIRK_LAPIC_MMIO_HOLE));
	see_out_7e();
	see_result("an unknown quirk", vm_enable(&vm, KVM_CAP_DISABLE_QUIRKS2, 1ull << 31));
	see_result("an unknown quirk, the old way", vm_enable(&vm, KVM_CAP_DISABLE_QUIRKS, 1ull << 31));
}

void test(void)
{
	vm_create(&vm);
	need_cap(&vm, KVM_CAP_DISABLE_QUIRKS);
	need_cap(&vm, KVM_CAP_DISABLE_QUIRKS2);
	check_eq(vm_cap(&vm, KVM_CAP_DISABLE_QUIRKS2) & QUIRKS, QUIRKS);
	vm_destroy(&vm);
	run("as they are", 0, 0);
	run("RIP behind OUT 0x7e", KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_OUT_7E_INC_RIP);
	run("LAPIC MMIO hole", KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
	run("MONITOR and MWAIT never #UD", KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS);
	run("all three, the old way", KVM_CAP_DISABLE_QUIRKS, QUIRKS);
	while_running();
}
