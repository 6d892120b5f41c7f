// SPDX-License-Identifier: GPL-2.0-only
/* KVM_X86_SET_MSR_FILTER: what it denies is #GP for the guest, or an exit; what a range doesn't name, and what is refused. */
#include "lib/api.h"

#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083

GUEST64(rd, mov %edi, %ecx; rdmsr; REPORT_EAX; over1: DONE);
GUEST64(wr, mov %edi, %ecx; mov $0x1234, %eax; xor %edx, %edx; wrmsr; mov $0x600d, %eax; REPORT_EAX; over2: DONE);
extern const char over1[], over2[];

static struct vm vm;
static struct vcpu *v;
static u8 none, star = 1 << 0, star_and_cstar = 1 << 0 | 1 << 2;

static void access_msr(const char *name, const char *entry, u32 msr)
{
	struct kvm_regs r;
	int ret;

	see("%s", name);
	vcpu_long(v, entry);
	get_regs(v, &r);
	r.rdi = msr;
	set_regs(v, &r);
	shared(&vm)->nlog = 0;
	shared(&vm)->resume = entry == rd ? (uintptr_t)over1 : (uintptr_t)over2;
	ret = see_guest(v);
	if (ret == KVM_EXIT_X86_RDMSR || ret == KVM_EXIT_X86_WRMSR) {
		v->run->msr.data = 0x5555;
		v->run->msr.error = 0;
		ret = see_guest(v);
	}
	check_eq(ret, GO_DONE);
	if (shared(&vm)->nlog)
		see("  #%llu", (unsigned long long)((struct guest_event *)gpa_ptr(&vm, GUEST_LOG))->vector);
}

static void all(const char *name)
{
	see("-- %s", name);
	access_msr("read STAR", rd, MSR_STAR);
	access_msr("write STAR", wr, MSR_STAR);
	access_msr("read LSTAR", rd, MSR_LSTAR);
	access_msr("write LSTAR", wr, MSR_LSTAR);
	access_msr("read CSTAR", rd, MSR_CSTAR);
	access_msr("read APIC base", rd, 0x1b);
	access_msr("read x2APIC id", rd, 0x802);
}

static int filter(u32 flags, u32 range_flags, u32 base, u32 nmsrs, u8 *bitmap)
{
	struct kvm_msr_filter f = { .flags = flags,
		.ranges[0] = { .flags = range_flags, .base = base, .nmsrs = nmsrs, .bitmap = bitmap } };

	return ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &f);
}

#define RW (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

static void refused(void)
{
	see_result("unknown flag", filter(2, 0, 0, 0, NULL));
	see_result("unknown flag of a range", filter(0, 4, MSR_STAR, 8, &star));
	see_result("a range without flags", filter(0, 0, MSR_STAR, 8, &star));
	see_result("deny all, no range", filter(KVM_MSR_FILTER_DEFAULT_DENY, 0, 0, 0, NULL));
	see_result("bitmap without memory", filter(0, RW, MSR_STAR, 8, (u8 *)8));
	see_result("too many MSRs", filter(0, RW, MSR_STAR, KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 + 1, &star));
	see_result("bad address", ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, 8));
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_X86_MSR_FILTER);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, rd);
	must(set_msr(v, 0x1b, 0xfee00d00) == 1);
	refused();
	all("no filter");
	see_result("KVM_X86_SET_MSR_FILTER", filter(0, RW, MSR_STAR, 3, &star));
	all("of STAR, LSTAR, CSTAR only STAR");
	refused();
	all("the same after refused calls");
	see_result("KVM_X86_SET_MSR_FILTER", filter(0, KVM_MSR_FILTER_WRITE, MSR_STAR, 3, &star_and_cstar));
	all("the same for writes, with CSTAR");
	see_result("KVM_X86_SET_MSR_FILTER", filter(KVM_MSR_FILTER_DEFAULT_DENY, KVM_MSR_FILTER_READ, MSR_STAR, 3, &star_and_cstar));
	all("deny what is not named");
	see_result("KVM_CAP_X86_USER_SPACE_MSR", vm_enable(&vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER));
	see_result("KVM_X86_SET_MSR_FILTER", filter(0, RW, MSR_STAR, 3, &none));
	all("none, told to user space");
	see_result("KVM_X86_SET_MSR_FILTER", filter(0, 0, 0, 0, NULL));
	all("no filter again");
}
