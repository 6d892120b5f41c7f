// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_X2APIC_API: with 32-bit ids KVM_GET_LAPIC, KVM_SET_LAPIC and MSIs carry a whole x2APIC id; without the broadcast quirk an MSI to 0xff is for
 * that id only.
 */
#include "lib/api.h"

#define ID	300
#define V	0x60

GUEST64(idle, DONE);

static struct vm vm;

static const char *setting;

static void send(const char *what, u64 addr)
{
	int ret = msi(&vm, addr, V);

	printf("%s, %s: %s;", setting, what, ret < 0 ? strerrorname_np(errno) : ret ? "arrived" : "nowhere");
	for (int i = 0; i < 2; i++) {
		if (lapic_pending(&vm.vcpu[i], V))
			printf(" at the vCPU with id %u", i ? ID : 0);
		set_lapic_reg(&vm.vcpu[i], 0x200 + V / 32 * 16, 0);
	}
	putchar('\n');
}

/* The one library slot that isn't at its id. */
static struct vcpu *create(int index, int id)
{
	struct vcpu *v = &vm.vcpu[index];

	v->vm = &vm;
	v->id = index;
	v->fd = ioctl(vm.fd, KVM_CREATE_VCPU, id);
	must(v->fd >= 0);
	v->run = mmap(NULL, ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	must(v->run != MAP_FAILED);
	return v;
}

static void x2apic(struct vcpu *v, bool bsp)
{
	vcpu_long(v, idle);
	set_mp_state(v, KVM_MP_STATE_RUNNABLE);
	must(set_msr(v, 0x1b, 0xfee00c00 | (bsp ? 0x100 : 0)) == 1);
	see("id register: 0x%x", get_lapic_reg(v, 0x20));
	lapic_enable(v);
}

static void wrong_id(struct vcpu *v, u32 id)
{
	struct kvm_lapic_state l;

	must_ioctl(v->fd, KVM_GET_LAPIC, &l);
	*(u32 *)(l.regs + 0x20) = id;
	see("KVM_SET_LAPIC with id 0x%x", id);
	see_ioctl(v->fd, KVM_SET_LAPIC, &l);
}

static void route(u64 addr)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e[1];
	} t = {
		.h.nr = 1,
		.e[0] = { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = addr, .address_hi = addr >> 32, .data = V } },
	};

	see_ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
}

static void run(const char *name, u64 flags)
{
	see("-- %s", name);
	setting = name;
	vm_init(&vm);
	vm_split_irqchip(&vm, 24);
	if (flags)
		see_result("KVM_ENABLE_CAP", vm_enable(&vm, KVM_CAP_X2APIC_API, flags));
	x2apic(create(0, 0), true);
	x2apic(create(1, ID), false);
	send("MSI to 300", 0xfee00000 | (ID & 0xff) << 12 | (u64)(ID & ~0xff) << 32);
	send("MSI to 44", 0xfee00000 | (ID & 0xff) << 12);
	send("MSI to 0xff", 0xfeeff000);
	send("MSI to 0xffffffff", 0xffffff00feeff000);
	send("MSI with a reserved bit", 0x00000001fee00000);
	route(0x00000000fee00000);
	route(0x00000100fee2c000);
	route(0x00000001fee00000);
	wrong_id(&vm.vcpu[1], ID);
	wrong_id(&vm.vcpu[1], 5);
	wrong_id(&vm.vcpu[1], 5 << 24);
	wrong_id(&vm.vcpu[1], (ID & 0xff) << 24);
	see("id register: 0x%x", get_lapic_reg(&vm.vcpu[1], 0x20));
	vm_destroy(&vm);
}

void test(void)
{
	vm_create(&vm);
	need_cap(&vm, KVM_CAP_X2APIC_API);
	see("the flags there are: 0x%x", vm_cap(&vm, KVM_CAP_X2APIC_API));
	see_result("an unknown flag", vm_enable(&vm, KVM_CAP_X2APIC_API, 1 << 30));
	vm_destroy(&vm);
	run("as it is", 0);
	run("32-bit ids", KVM_X2APIC_API_USE_32BIT_IDS);
	run("no broadcast quirk", KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	run("both", KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
}
