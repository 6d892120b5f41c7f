// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO and PIO: writes to a zone gather in the ring, the rest exits; a full ring; refused
 * calls.
 */
#include "lib/api.h"

GUEST64(guest,
	mov $MMIO_BASE, %ebx; mov $0x1122334455667788, %rax;
	mov %al, 0x10(%rbx); mov %rax, 0x18(%rbx); mov %eax, 0xffc(%rbx); mov %eax, 0xffe(%rbx);
	mov 0x10(%rbx), %ecx;
	mov %eax, 0x1000(%rbx);
	mov $0x700, %edx; out %al, %dx; out %eax, %dx; in %dx, %al; mov $0x704, %edx; out %al, %dx;
	hlt);
GUEST64(many,
	mov $MMIO_BASE, %ebx; mov $100000, %ecx;
	1: mov %ecx, 0x20(%rbx); dec %ecx; jnz 1b; hlt);
GUEST64(after, mov $MMIO_BASE, %ebx; mov %eax, 0x20(%rbx); hlt);

static struct vm vm;
static struct kvm_coalesced_mmio_ring *ring;

static void see_ring(void)
{
	u32 n = 0;

	for (u32 i = ring->first; i != ring->last; i = (i + 1) % KVM_COALESCED_MMIO_MAX, n++) {
		struct kvm_coalesced_mmio *m = &ring->coalesced_mmio[i];

		printf("ring: 0x%llx len=%u pio=%u", m->phys_addr, m->len, m->pio);
		see_bytes(" data", m->data, m->len <= 8 ? m->len : 8);
	}
	see("%u in the ring", n);
	ring->first = ring->last;
}

static void fill(struct vcpu *v)
{
	u32 n = 0;

	see("-- a full ring");
	vcpu_long(v, many);
	must(vcpu_run(v) == 0);
	see_exit(v);
	for (u32 i = ring->first; i != ring->last; i = (i + 1) % KVM_COALESCED_MMIO_MAX)
		n++;
	see("%u in the ring, room for %lu", n, (unsigned long)KVM_COALESCED_MMIO_MAX);
	ring->first = ring->last;
}

/* There is an end to them, and each can be taken away again. */
static void many_zones(void)
{
	struct kvm_coalesced_mmio_zone z = { .size = 8 };
	int n = 0;

	for (z.addr = 0xe0000000; ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z) == 0; z.addr += 16)
		must(++n < 100000);
	see("after some hundred zones: %s", strerrorname_np(errno));
	check(n >= 500);
	while (n--) {
		z.addr -= 16;
		must_ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &z);
	}
}

void test(void)
{
	struct kvm_coalesced_mmio_zone z = { .addr = MMIO_BASE, .size = 0x1000 };
	struct kvm_coalesced_mmio_zone pio = { .addr = 0x700, .size = 4, .pio = 1 };
	struct vcpu *v;
	int offset;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_COALESCED_MMIO);
	need_cap(&vm, KVM_CAP_COALESCED_PIO);
	v = vcpu_create(&vm, 0);
	offset = vm_cap(&vm, KVM_CAP_COALESCED_MMIO);
	ring = (void *)((u8 *)v->run + offset * PAGE_SIZE);
	vcpu_long(v, guest);
	see_ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z);
	see_ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &pio);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_ring();
	fill(v);
	see_ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &z);
	vcpu_long(v, after);
	check_eq(see_exits(v), KVM_EXIT_HLT);
	see_ring();
	see_result("unregister again", ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	z.pio = 2;
	see_result("register with pio=2", ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z));
	see_result("unregister with pio=2", ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	z = (struct kvm_coalesced_mmio_zone){ .addr = MMIO_BASE, .size = 0 };
	see_result("an empty zone", ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z));
	z = (struct kvm_coalesced_mmio_zone){ .addr = -0x1000ull, .size = 0x2000 };
	see_result("a zone that wraps", ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z));
	see_result("bad address", ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, 8));
	see_result("unregister, bad address", ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, 8));
	many_zones();
}
