// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM's descriptor refuses: numbers that are no VM ioctls, bad arguments, bad addresses; the
 * VM runs on.
 */
#include "lib/api.h"

GUEST64(guest, nop; mov $0x600d, %eax; REPORT_EAX; DONE);

#define BAD_POINTER ((void *)8)

static struct vm vm;

#define REFUSE(req, arg) see_result(#req, ioctl(vm.fd, req, arg))

static void enable_cap(const char *name, u32 cap, u32 flags, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	see_result(name, ioctl(vm.fd, KVM_ENABLE_CAP, &c));
}

static void addresses(void)
{
	REFUSE(KVM_SET_USER_MEMORY_REGION, BAD_POINTER);
	REFUSE(KVM_GET_DIRTY_LOG, BAD_POINTER);
	REFUSE(KVM_IRQ_LINE, BAD_POINTER);
	REFUSE(KVM_SET_GSI_ROUTING, BAD_POINTER);
	REFUSE(KVM_IRQFD, BAD_POINTER);
	REFUSE(KVM_IOEVENTFD, BAD_POINTER);
	REFUSE(KVM_SIGNAL_MSI, BAD_POINTER);
	REFUSE(KVM_ENABLE_CAP, BAD_POINTER);
	REFUSE(KVM_GET_IRQCHIP, BAD_POINTER);
	REFUSE(KVM_SET_IRQCHIP, BAD_POINTER);
	REFUSE(KVM_SET_CLOCK, BAD_POINTER);
	REFUSE(KVM_GET_CLOCK, BAD_POINTER);
	REFUSE(KVM_CREATE_DEVICE, BAD_POINTER);
	REFUSE(KVM_REGISTER_COALESCED_MMIO, BAD_POINTER);
	REFUSE(KVM_SET_IDENTITY_MAP_ADDR, BAD_POINTER);
	REFUSE(KVM_CREATE_PIT2, BAD_POINTER);
}

void test(void)
{
	struct kvm_create_device dev = { .type = 4711 };
	struct vcpu *v;
	u64 map = 0xfffbc000;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_CHECK_EXTENSION_VM);
	need_cap(&vm, KVM_CAP_ENABLE_CAP_VM);
	need_cap(&vm, KVM_CAP_SET_TSS_ADDR);
	need_cap(&vm, KVM_CAP_SET_IDENTITY_MAP_ADDR);
	REFUSE(KVM_RUN, 0);
	REFUSE(KVM_GET_API_VERSION, 0);
	REFUSE(_IO(KVMIO, 0xfe), 0);
	REFUSE(_IO('x', 1), 0);
	see_result("KVM_CHECK_EXTENSION of -1", ioctl(vm.fd, KVM_CHECK_EXTENSION, -1));
	enable_cap("KVM_ENABLE_CAP of 9999", 9999, 0, 0);
	enable_cap("KVM_ENABLE_CAP with flags", KVM_CAP_SPLIT_IRQCHIP, 1, 24);
	enable_cap("KVM_ENABLE_CAP of what is not to enable", KVM_CAP_USER_MEMORY, 0, 0);
	see_result("KVM_CREATE_DEVICE of type 4711", ioctl(vm.fd, KVM_CREATE_DEVICE, &dev));
	dev.flags = 2;
	see_result("KVM_CREATE_DEVICE with flags", ioctl(vm.fd, KVM_CREATE_DEVICE, &dev));
	REFUSE(KVM_SET_TSS_ADDR, 0xfffbd000ul);
	see_result("KVM_SET_TSS_ADDR at the end of 4 GB", ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xffffe000ul));
	REFUSE(KVM_SET_IDENTITY_MAP_ADDR, &map);
	see_result("KVM_SET_NR_MMU_PAGES of 10", ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 10ul));
	vm_irqchip(&vm);
	addresses();
	v = vcpu_create(&vm, 0);
	see_result("KVM_SET_IDENTITY_MAP_ADDR after a vCPU", ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &map));
	vcpu_long(v, guest);
	check_eq(see_guest(v), GO_DONE);
}
