// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: PIO and MMIO, every length, data match, wildcard, length 0, deassign, refused
 * calls.
 */
#include "lib/api.h"

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GONE	KVM_IOEVENTFD_FLAG_DEASSIGN

GUEST64(guest,
	mov $MMIO_BASE, %ebx; mov $0x1122334455667788, %rax;
	mov %al, (%rbx); mov %ax, (%rbx); mov %eax, (%rbx); mov %rax, (%rbx);
	movl $1, 0x10(%rbx); movl $2, 0x10(%rbx); movl $3, 0x10(%rbx);
	mov %al, 0x20(%rbx); mov %ax, 0x20(%rbx); mov %eax, 0x20(%rbx); mov %rax, 0x20(%rbx);
	movb $5, 0x21(%rbx);
	mov 0x20(%rbx), %ecx;
	mov $0x500, %edx; out %al, %dx; out %ax, %dx; out %eax, %dx;
	mov $0x510, %edx; mov $7, %al; out %al, %dx; mov $8, %al; out %al, %dx;
	mov $0x520, %edx; out %al, %dx; out %eax, %dx; in %dx, %al;
	mov $0x530, %edx; mov $0x10000, %esi; mov $3, %ecx; rep outsb;
	movl $9, 0x40(%rbx);
	hlt);

static const struct row {
	const char *name;
	u64 addr, data;
	u32 len, flags;
} rows[] = {
	{ "MMIO, 4 bytes", MMIO_BASE, 0, 4, 0 },
	{ "MMIO, 8 bytes", MMIO_BASE, 0, 8, 0 },
	{ "MMIO, 2 matched", MMIO_BASE + 0x10, 2, 4, MATCH },
	{ "MMIO, 3 matched", MMIO_BASE + 0x10, 3, 4, MATCH },
	{ "MMIO, any length", MMIO_BASE + 0x20, 0, 0, 0 },
	{ "PIO, 2 bytes", 0x500, 0, 2, PIO },
	{ "PIO, 7 matched", 0x510, 7, 1, PIO | MATCH },
	{ "PIO, any length", 0x520, 0, 0, PIO },
	{ "PIO, string", 0x530, 0, 1, PIO },
	{ "MMIO, deassigned", MMIO_BASE + 0x40, 0, 4, 0 },
	/* What is refused, with no eventfd made of it. */
	{ "3 bytes", MMIO_BASE + 0x80, 0, 3, 0 },
	{ "16 bytes", MMIO_BASE + 0x80, 0, 16, 0 },
	{ "past the end", ~0ull, 0, 8, 0 },
	{ "unknown flag", MMIO_BASE + 0x80, 0, 4, 1 << 20 },
	{ "length 0 with match", MMIO_BASE + 0x80, 0, 0, MATCH },
	{ "twice the same", MMIO_BASE, 0, 4, 0 },
	{ "a match where all match", MMIO_BASE, 5, 4, MATCH },
	{ "any length where one is", MMIO_BASE, 0, 0, 0 },
	{ "deassign what is not", MMIO_BASE + 0x90, 0, 4, GONE },
	{ "deassign with another match", MMIO_BASE + 0x10, 5, 4, MATCH | GONE },
};

static int fds[ARRAY_SIZE(rows)];

static long assign(struct vm *vm, int i, u32 more)
{
	struct kvm_ioeventfd e = {
		.addr = rows[i].addr, .datamatch = rows[i].data, .len = rows[i].len, .flags = rows[i].flags | more,
		.fd = fds[i],
	};

	return see_result(rows[i].name, ioctl(vm->fd, KVM_IOEVENTFD, &e));
}

void test(void)
{
	struct kvm_ioeventfd e = { .addr = 0x600, .len = 1, .flags = PIO, .fd = -1 };
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_IOEVENTFD_NO_LENGTH);
	need_cap(&vm, KVM_CAP_IOEVENTFD);
	see("any length: %s", vm_cap(&vm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0 ? "yes" : "no");
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		assign(&vm, i, 0);
	}
	see_result("bad descriptor", ioctl(vm.fd, KVM_IOEVENTFD, &e));
	assign(&vm, 9, GONE);
	assign(&vm, 9, GONE);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		eventfd_t n = 0;

		if (eventfd_read(fds[i], &n) == 0)
			see("%s: signalled %llu times", rows[i].name, (unsigned long long)n);
		else
			see("%s: not signalled", rows[i].name);
	}
}
