// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CREATE_IRQCHIP, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP: reset state, round trip, refused calls. */
#include "lib/api.h"

static void get(struct vm *vm, u32 id, struct kvm_irqchip *c)
{
	memset(c, 0, sizeof(*c));
	c->chip_id = id;
	see_ioctl(vm->fd, KVM_GET_IRQCHIP, c);
}

static void see_pic(struct vm *vm, u32 id)
{
	struct kvm_irqchip c;
	struct kvm_pic_state *p = &c.chip.pic;

	get(vm, id, &c);
	see("pic %u: last_irr=0x%x irr=0x%x imr=0x%x isr=0x%x priority_add=%d irq_base=0x%x read_reg_select=%d poll=%d "
	    "special_mask=%d init_state=%d auto_eoi=%d rotate_on_auto_eoi=%d special_fully_nested_mode=%d init4=%d elcr=0x%x "
	    "elcr_mask=0x%x", id, p->last_irr, p->irr, p->imr, p->isr, p->priority_add, p->irq_base, p->read_reg_select,
	    p->poll, p->special_mask, p->init_state, p->auto_eoi, p->rotate_on_auto_eoi,
	    p->special_fully_nested_mode, p->init4, p->elcr, p->elcr_mask);
}

static void see_ioapic(struct vm *vm)
{
	struct kvm_irqchip c;
	struct kvm_ioapic_state *p = &c.chip.ioapic;

	get(vm, KVM_IRQCHIP_IOAPIC, &c);
	see("ioapic: base_address=0x%llx ioregsel=0x%x id=0x%x irr=0x%x", p->base_address, p->ioregsel, p->id, p->irr);
	for (int i = 0; i < KVM_IOAPIC_NUM_PINS; i++) {
		if (p->redirtbl[i].bits != 0x10000)
			see("pin %d: 0x%llx", i, p->redirtbl[i].bits);
	}
}

static void round_trip(struct vm *vm)
{
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };

	c.chip.pic = (struct kvm_pic_state){
		.imr = 0xa5, .irq_base = 0x78, .elcr = 0x0e, .elcr_mask = 0xde, .special_mask = 1, .auto_eoi = 1, .priority_add = 3,
		.read_reg_select = 1, .init4 = 1,
	};
	see_ioctl(vm->fd, KVM_SET_IRQCHIP, &c);
	see_pic(vm, KVM_IRQCHIP_PIC_SLAVE);
	see_pic(vm, KVM_IRQCHIP_PIC_MASTER);
	get(vm, KVM_IRQCHIP_IOAPIC, &c);
	c.chip.ioapic.ioregsel = 0x17;
	c.chip.ioapic.id = 7;
	for (int i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		c.chip.ioapic.redirtbl[i].bits = 0x0300000000018000ull | (0x40 + i);
	see_ioctl(vm->fd, KVM_SET_IRQCHIP, &c);
	see_ioapic(vm);
}

void test(void)
{
	struct kvm_irqchip c = { 0 };
	struct kvm_irq_level l = { .irq = 4, .level = 1 };
	struct vm vm;

	vm_create(&vm);
	see_result("KVM_GET_IRQCHIP without irqchip", ioctl(vm.fd, KVM_GET_IRQCHIP, &c));
	see_result("KVM_SET_IRQCHIP without irqchip", ioctl(vm.fd, KVM_SET_IRQCHIP, &c));
	see_result("KVM_IRQ_LINE without irqchip", ioctl(vm.fd, KVM_IRQ_LINE, &l));
	see_result("KVM_IRQ_LINE_STATUS without irqchip", ioctl(vm.fd, KVM_IRQ_LINE_STATUS, &l));
	need_cap(&vm, KVM_CAP_IRQCHIP);
	see_ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0);
	see_result("KVM_CREATE_IRQCHIP again", ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0));
	see_pic(&vm, KVM_IRQCHIP_PIC_MASTER);
	see_pic(&vm, KVM_IRQCHIP_PIC_SLAVE);
	see_ioapic(&vm);
	round_trip(&vm);
	c.chip_id = 3;
	see_result("KVM_GET_IRQCHIP of chip 3", ioctl(vm.fd, KVM_GET_IRQCHIP, &c));
	see_result("KVM_SET_IRQCHIP of chip 3", ioctl(vm.fd, KVM_SET_IRQCHIP, &c));
	l.irq = 5000;
	see_result("KVM_IRQ_LINE of a GSI without a route", ioctl(vm.fd, KVM_IRQ_LINE, &l));
	l.irq = 0xffffffff;
	see_result("KVM_IRQ_LINE of GSI 0xffffffff", ioctl(vm.fd, KVM_IRQ_LINE, &l));
	vm_destroy(&vm);

	vm_create(&vm);
	vcpu_create(&vm, 0);
	see_result("KVM_CREATE_IRQCHIP after a vCPU", ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0));
}
