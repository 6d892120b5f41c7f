// SPDX-License-Identifier: GPL-2.0-only
/* One instruction that exits. */
#include "bench.h"

#define PORT		0x500			/* nobody's, but for an ioeventfd */
#define MSR_TSC_ADJUST	0x3b

GUEST64(guest_cpuid, TOP; xor %r10d, %r10d; xor %ecx, %ecx; STAMP; cpuid; STORE; AGAIN);
/* KVM_HC_VAPIC_POLL_IRQ, which does nothing. */
GUEST64(guest_vmmcall, TOP; mov $1, %r10d; STAMP; vmmcall; STORE; AGAIN);
GUEST64(guest_vmcall, TOP; mov $1, %r10d; STAMP; vmcall; STORE; AGAIN);
GUEST64(guest_rdmsr, TOP; mov $MSR_TSC_ADJUST, %ecx; STAMP; rdmsr; STORE; AGAIN);
GUEST64(guest_out, TOP; mov $PORT, %r11d; STAMP; out %eax, %dx; STORE; AGAIN);
GUEST64(guest_in, TOP; mov $PORT, %r11d; STAMP; in %dx, %eax; STORE; AGAIN);
GUEST64(guest_mmio_w, TOP; mov $MMIO_BASE, %ebx; STAMP; mov %eax, (%rbx); STORE; AGAIN);
GUEST64(guest_mmio_r, TOP; mov $MMIO_BASE, %ebx; STAMP; mov (%rbx), %eax; STORE; AGAIN);
GUEST64(guest_cr8, TOP; xor %r10d, %r10d; STAMP; mov %rax, %cr8; STORE; AGAIN);

static void run_guest(const struct op *op, struct bench *b, const char *guest)
{
	run_loop(b->v, guest, 0, 0, COUNT);		/* warm */
	run_loop(b->v, guest, 0, 0, COUNT);
	take(b, COUNT, 1);
	report(op->names);
}

static void run_exit(const struct op *op)
{
	struct bench b;

	begin(&b, XAPIC);
	run_guest(op, &b, op->guest);
}

static void run_hypercall(const struct op *op)
{
	struct bench b;

	begin(&b, XAPIC);
	run_guest(op, &b, host_flag("svm") ? guest_vmmcall : guest_vmcall);
}

/* A doorbell of op->arg bytes. */
static void run_ioeventfd(const struct op *op)
{
	struct kvm_ioeventfd e = { .addr = MMIO_BASE, .len = op->arg, .fd = eventfd(0, EFD_NONBLOCK) };
	struct bench b;

	if (op->guest == guest_out) {
		e.addr = PORT;
		e.flags = KVM_IOEVENTFD_FLAG_PIO;
	}
	begin(&b, XAPIC);
	must_ioctl(b.vm.fd, KVM_IOEVENTFD, &e);
	run_guest(op, &b, op->guest);
}

/* One in 170 exits to user space, since the ring is full; the median doesn't see it. */
static void run_coalesced(const struct op *op)
{
	struct kvm_coalesced_mmio_zone z = { .addr = MMIO_BASE, .size = 0x1000 };
	struct kvm_coalesced_mmio_ring *ring;
	struct bench b;
	int page;

	begin(&b, XAPIC);
	page = vm_cap(&b.vm, KVM_CAP_COALESCED_MMIO);
	if (page <= 0)
		cannot("KVM_CAP_COALESCED_MMIO is not advertised");
	ring = (void *)((u8 *)b.v->run + page * PAGE_SIZE);
	must_ioctl(b.vm.fd, KVM_REGISTER_COALESCED_MMIO, &z);
	for (int i = 0; i < COUNT / 128 + 1; i++) {
		ring->first = ring->last;
		run_loop(b.v, op->guest, 0, 0, 128);
		if (i > 0)
			take(&b, 128, 1);
	}
	report(op->names);
}

const struct op exit_ops[] = {
	{ "cpuid", run_exit, guest_cpuid, 0 },
	{ "hypercall", run_hypercall, NULL, 0 },
	{ "rdmsr", run_exit, guest_rdmsr, 0 },
	{ "out_user", run_exit, guest_out, 0 },
	{ "in_user", run_exit, guest_in, 0 },
	{ "mmio_w_user", run_exit, guest_mmio_w, 0 },
	{ "mmio_r_user", run_exit, guest_mmio_r, 0 },
	{ "mmio_ioeventfd_4", run_ioeventfd, guest_mmio_w, 4 },
	{ "mmio_ioeventfd_0", run_ioeventfd, guest_mmio_w, 0 },
	{ "pio_ioeventfd", run_ioeventfd, guest_out, 4 },
	{ "coalesced_mmio", run_coalesced, guest_mmio_w, 0 },
	{ "cr8_write", run_exit, guest_cr8, 0 },
	{}
};
