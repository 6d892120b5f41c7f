// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: an eventfd's signal becomes an interrupt, through MSI and IOAPIC routes; deassign;
 * refused calls.
 */
#include "lib/api.h"

GUEST64(window, sti; nop; nop; cli; DONE);

static struct vm vm;
static struct vcpu *v;

static int irqfd(int fd, u32 gsi, u32 flags)
{
	struct kvm_irqfd f = { .fd = fd, .gsi = gsi, .flags = flags };

	return ioctl(vm.fd, KVM_IRQFD, &f);
}

static void signal_fd(int fd)
{
	must(eventfd_write(fd, 1) == 0);
}

/* The signal may be carried by a worker. */
static void expect(int vector, bool arrives)
{
	for (int i = 0; i < (arrives ? 1000 : 50) && !lapic_pending(v, vector); i++)
		msleep(1);
	see_irr(v);
	check_eq(lapic_pending(v, vector), arrives);
	shared(&vm)->nlog = 0;
	vcpu_long(v, window);
	check_eq(see_guest(v), GO_DONE);
	see_log(&vm);
}

static void routes(void)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e[2];
	} t = {
		.h.nr = 2,
		.e[0] = { .gsi = 40, .type = KVM_IRQ_ROUTING_MSI, .u.msi = { .address_lo = 0xfee00000, .data = 0x61 } },
		.e[1] = { .gsi = 41, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 20 } },
	};

	must_ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
	set_ioapic_pin(&vm, 20, 0x62);
}

static void deliver(void)
{
	int a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK), c = eventfd(1, EFD_NONBLOCK);
	eventfd_t n;

	see_result("assign MSI", irqfd(a, 40, 0));
	see_result("assign IOAPIC", irqfd(b, 41, 0));
	signal_fd(a);
	expect(0x61, true);
	signal_fd(b);
	expect(0x62, true);
	signal_fd(b);
	expect(0x62, true);
	see_result("read of a signalled irqfd", eventfd_read(a, &n));
	see_result("the same eventfd again", irqfd(a, 41, 0));
	see_result("assign, signalled before", irqfd(c, 40, 0));
	expect(0x61, true);
	see_result("deassign", irqfd(a, 40, KVM_IRQFD_FLAG_DEASSIGN));
	see_result("deassign again", irqfd(a, 40, KVM_IRQFD_FLAG_DEASSIGN));
	signal_fd(a);
	expect(0x61, false);
	close(b);				/* an eventfd that is closed takes its irqfd along */
	close(c);
	close(a);
}

void test(void)
{
	int e = eventfd(0, 0), p[2];

	vm_create(&vm);
	see_result("without irqchip", irqfd(e, 4, 0));
	vm_destroy(&vm);
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IRQFD);
	vm_irqchip(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, window);
	lapic_enable(v);
	shared(&vm)->eoi = EOI_LAPIC;
	must(pipe(p) == 0);
	see_result("bad descriptor", irqfd(-1, 4, 0));
	see_result("a pipe", irqfd(p[0], 4, 0));
	see_result("unknown flag", irqfd(e, 4, 0x80));
	see_result("GSI 5000", irqfd(e, 5000, 0));
	see_result("deassign what is not", irqfd(e, 4, KVM_IRQFD_FLAG_DEASSIGN));
	routes();
	deliver();
	see_result("left over at the end", irqfd(e, 40, 0));
}
