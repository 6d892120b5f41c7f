// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's TSC: set by user space and by the guest, TSC_ADJUST, the offset attribute,
 * KVM_GET_TSC_KHZ, RDTSCP.
 */
#include "lib/api.h"

#define TSC		0x10
#define TSC_ADJUST	0x3b
#define FAR		100000000000ull		/* more than passes during the test */

GUEST64(read_tsc, rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %r8; DONE);
GUEST64(read_tscp, rdtscp; mov %ecx, %eax; REPORT_EAX; DONE);
GUEST64(write_tsc, mov $0x10, %ecx; mov $0x1000, %edx; xor %eax, %eax; wrmsr;
	mov $0x3b, %ecx; rdmsr; test %edx, %edx; setnz %al; movzbl %al, %eax; REPORT_EAX;
	rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %r8; DONE);
GUEST64(write_adjust, mov $0x3b, %ecx; rdmsr; add $0x100, %edx; wrmsr; rdtsc; shl $32, %rdx;
	or %rdx, %rax; mov %rax, %r8; DONE);

static struct vm vm;
static struct vcpu *v;

static u64 run(const char *entry)
{
	struct kvm_regs r;

	vcpu_long(v, entry);
	check_eq(see_guest(v), GO_DONE);
	get_regs(v, &r);
	return r.r8;
}

static void near(const char *name, u64 value, u64 from)
{
	see("%s: %s", name, value >= from && value < from + FAR ? "near" : "elsewhere");
}

static void offset(void)
{
	u64 off = 0, value;
	struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&off };

	if (vm_cap(&vm, KVM_CAP_VCPU_ATTRIBUTES) <= 0) {
		see("KVM_CAP_VCPU_ATTRIBUTES is not advertised");
		return;
	}
	see_ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &a);
	see_ioctl(v->fd, KVM_GET_DEVICE_ATTR, &a);
	value = run(read_tsc);
	off += 1ull << 45;
	see_ioctl(v->fd, KVM_SET_DEVICE_ATTR, &a);
	near("offset moved by 2^45", run(read_tsc), value + (1ull << 45));
	a.attr = 99;
	see_result("attribute 99", ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &a));
	a.group = 99;
	see_result("group 99", ioctl(v->fd, KVM_GET_DEVICE_ATTR, &a));
}

/* Where the processor scales: a guest's TSC at half the speed, by the vCPU's frequency and by the VM's. */
static void scaled(int khz)
{
	struct vm slow;
	u64 a, b;

	if (vm_cap(&vm, KVM_CAP_TSC_CONTROL) <= 0 || vm_cap(&vm, KVM_CAP_VM_TSC_CONTROL) <= 0)
		return;
	vm_init(&slow);
	check_eq(ioctl(slow.fd, KVM_SET_TSC_KHZ, khz / 2), 0);
	vcpu_create(&slow, 0);
	check_eq(ioctl(slow.vcpu[0].fd, KVM_GET_TSC_KHZ, 0), khz / 2);
	vm_destroy(&slow);
	check_eq(ioctl(v->fd, KVM_SET_TSC_KHZ, khz / 2), 0);
	a = run(read_tsc);
	msleep(200);
	b = run(read_tsc) - a;
	check(b >= khz / 2 * 190ull && b < khz * 190ull);
	check_eq(ioctl(v->fd, KVM_SET_TSC_KHZ, khz), 0);
}

static void vm_frequency(int khz)
{
	see("the VM's KVM_GET_TSC_KHZ: %s", ioctl(vm.fd, KVM_GET_TSC_KHZ, 0) == khz ? "the vCPU's" : "another");
	see_result("the VM's KVM_SET_TSC_KHZ after a vCPU", ioctl(vm.fd, KVM_SET_TSC_KHZ, khz));
}

void test(void)
{
	struct vm other;
	u64 a, b;
	int khz;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_GET_TSC_KHZ);
	v = vcpu_create(&vm, 0);
	a = run(read_tsc);
	b = run(read_tsc);
	see("a fresh vCPU's TSC starts near 0: %d, goes on: %d", a < FAR, b > a);
	see("IA32_TSC: %d", set_msr(v, TSC, 1ull << 44));
	near("IA32_TSC read", must_get_msr(v, TSC), 1ull << 44);
	near("in the guest", run(read_tsc), 1ull << 44);
	near("written by the guest", run(write_tsc), 0x1000ull << 32);
	b = run(read_tsc);
	near("adjusted by the guest", run(write_adjust), b + (0x100ull << 32));
	a = must_get_msr(v, TSC_ADJUST);
	see("user space writes TSC_ADJUST: %d", set_msr(v, TSC_ADJUST, 0x777));
	see("TSC_ADJUST 0x%llx", (unsigned long long)must_get_msr(v, TSC_ADJUST));
	see("TSC_AUX: %d", set_msr(v, 0xc0000103, 0x55));
	run(read_tscp);
	offset();
	khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	see("KVM_GET_TSC_KHZ: %s", khz > 1000 ? "a frequency" : "none");
	see_result("KVM_SET_TSC_KHZ to the same", ioctl(v->fd, KVM_SET_TSC_KHZ, khz));
	check_eq(ioctl(v->fd, KVM_GET_TSC_KHZ, 0), khz);
	see_result("KVM_SET_TSC_KHZ to 0, the host's", ioctl(v->fd, KVM_SET_TSC_KHZ, 0));
	see_result("KVM_SET_TSC_KHZ to a tenth", ioctl(v->fd, KVM_SET_TSC_KHZ, khz / 10));
	vm_frequency(khz);
	scaled(khz);
	vm_init(&other);
	see_result("the VM's KVM_SET_TSC_KHZ to the host's", ioctl(other.fd, KVM_SET_TSC_KHZ, khz));
	vcpu_create(&other, 0);
	check_eq(ioctl(other.vcpu[0].fd, KVM_GET_TSC_KHZ, 0), khz);
}
