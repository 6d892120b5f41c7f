// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: the page that the guest asks for, its flags, time that goes on, KVM_SET_CLOCK, the wall
 * clock, being stopped.
 */
#include "lib/api.h"

/* The layouts of the KVM API document's msr.rst. */
struct pvclock_vcpu_time_info {
	u32 version, pad0;
	u64 tsc_timestamp, system_time;
	u32 tsc_to_system_mul;
	signed char tsc_shift;
	u8 flags, pad[2];
} __attribute__((packed));

struct pvclock_wall_clock {
	u32 version, sec, nsec;
} __attribute__((packed));

#define PAGE	0x50000

GUEST64(enable, mov $0x4b564d01, %ecx; mov $PAGE + 0x20 + 1, %eax; xor %edx, %edx; wrmsr; rdmsr;
	REPORT_EAX; DONE);
GUEST64(disable, mov $0x4b564d01, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; DONE);
GUEST64(nothing, nop; rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %r8; DONE);
GUEST64(wall, mov $0x4b564d00, %ecx; mov $PAGE + 0x100, %eax; xor %edx, %edx; wrmsr; DONE);

static struct vm vm;
static struct vcpu *v;

static struct pvclock_vcpu_time_info *info(void)
{
	return gpa_ptr(&vm, PAGE + 0x20);
}

/* The guest's time at its last RDTSC, in ns. */
static u64 now(void)
{
	struct pvclock_vcpu_time_info *i = info();
	struct kvm_regs r;
	u64 delta;

	vcpu_long(v, nothing);
	must(vcpu_go(v) == GO_DONE);
	get_regs(v, &r);
	delta = r.r8 - i->tsc_timestamp;
	delta = i->tsc_shift >= 0 ? delta << i->tsc_shift : delta >> -i->tsc_shift;
	return i->system_time + (u64)((unsigned __int128)delta * i->tsc_to_system_mul >> 32);
}

static void see_page(const char *name)
{
	struct pvclock_vcpu_time_info *i = info();

	see("%s: version %s, %s, multiplier %s, flags but stable 0x%x", name, i->version & 1 ? "odd" : "even",
	    i->version ? "not zero" : "zero", i->tsc_to_system_mul ? "set" : "zero", i->flags & ~1);
}

static void set_clock(void)
{
	struct kvm_clock_data c = { .clock = 5000000000000ull };
	u64 t;

	see_ioctl(vm.fd, KVM_SET_CLOCK, &c);
	t = now();
	see("after KVM_SET_CLOCK: %s", t >= c.clock && t < c.clock + 60000000000ull ? "from there on" : "elsewhere");
	memset(&c, 0, sizeof(c));
	see_ioctl(vm.fd, KVM_GET_CLOCK, &c);
	see("KVM_CLOCK_TSC_STABLE as the host's TSC: %d", !!(c.flags & KVM_CLOCK_TSC_STABLE) == host_tsc_is_clock());
	check(c.clock >= t);
	check(c.clock < t + 60000000000ull);
}

static void wall_clock(void)
{
	struct pvclock_wall_clock *w = gpa_ptr(&vm, PAGE + 0x100);
	u64 host;

	vcpu_long(v, wall);
	check_eq(see_guest(v), GO_DONE);
	host = time(NULL);
	now();
	see("wall clock: version %s", w->version && !(w->version & 1) ? "even" : "odd or zero");
	/* Time of day at the VM's time 0; its clock was set 5000 s ahead. */
	check(w->sec + 5000 + 60 > host && w->sec < host);
}

void test(void)
{
	u64 a, b;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_KVMCLOCK_CTRL);
	need_cap(&vm, KVM_CAP_CLOCKSOURCE);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	see_result("KVM_KVMCLOCK_CTRL before", ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
	vcpu_long(v, enable);
	check_eq(see_guest(v), GO_DONE);
	a = now();
	see_page("enabled");
	see("stable as the host's TSC: %d", (info()->flags & 1) == host_tsc_is_clock());
	msleep(20);
	b = now();
	see("time goes on: %s", b > a + 10000000 && b < a + 10000000000ull ? "yes" : "no");
	set_clock();
	wall_clock();
	see_ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
	now();
	see_page("stopped");
	info()->flags = 0;
	vcpu_long(v, disable);
	check_eq(see_guest(v), GO_DONE);
	memset(info(), 0, sizeof(*info()));
	msleep(5);
	vcpu_long(v, nothing);
	must(vcpu_go(v) == GO_DONE);
	see_page("disabled");
	see_result("KVM_KVMCLOCK_CTRL after", ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
}
