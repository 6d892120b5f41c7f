// SPDX-License-Identifier: GPL-2.0-only
/* KVM_IRQFD with a resample eventfd: level-triggered, lowered and announced by the guest's EOI. */
#include "lib/api.h"

GUEST64(window, sti; nop; nop; cli; DONE);

static struct vm vm;
static struct vcpu *v;

static void signal_and_run(int fd, const char *what)
{
	must(eventfd_write(fd, 1) == 0);
	for (int i = 0; i < 1000 && !lapic_pending(v, 0x62); i++)
		msleep(1);
	shared(&vm)->nlog = 0;
	see("-- %s", what);
	see_irr(v);
	vcpu_long(v, window);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
}

static void resampled(int fd)
{
	eventfd_t n = 0;
	int ret = eventfd_read(fd, &n);

	see_result("resample eventfd", ret);
	see("signalled %llu times", (unsigned long long)n);
}

void test(void)
{
	int in = eventfd(0, EFD_NONBLOCK), out = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd f = { .fd = in, .gsi = 20, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = out };

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IRQFD_RESAMPLE);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	set_ioapic_pin(&vm, 20, 0x8062);
	f.resamplefd = -1;
	see_result("bad resample descriptor", ioctl(vm.fd, KVM_IRQFD, &f));
	f.resamplefd = out;
	see_ioctl(vm.fd, KVM_IRQFD, &f);
	resampled(out);
	signal_and_run(in, "raised");
	resampled(out);
	signal_and_run(in, "raised again");
	resampled(out);
	vcpu_long(v, window);
	shared(&vm)->nlog = 0;
	see("-- not raised");
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
	resampled(out);
	f.flags = KVM_IRQFD_FLAG_DEASSIGN;
	see_result("deassign", ioctl(vm.fd, KVM_IRQFD, &f));
}
