// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CREATE_PIT2, KVM_GET_PIT2, KVM_SET_PIT2, KVM_REINJECT_CONTROL: round trip and refused calls.
 */
#include "lib/api.h"

static void see_pit(struct vm *vm)
{
	struct kvm_pit_state2 p;

	memset(&p, 0xaa, sizeof(p));
	see_ioctl(vm->fd, KVM_GET_PIT2, &p);
	for (int i = 0; i < 3; i++) {
		struct kvm_pit_channel_state *c = &p.channels[i];

		see("channel %d: count=0x%x latched_count=0x%x count_latched=%d status_latched=%d status=0x%x read_state=%d "
		    "write_state=%d write_latch=0x%x rw_mode=%d mode=%d bcd=%d gate=%d", i, c->count, c->latched_count,
		    c->count_latched, c->status_latched, c->status, c->read_state, c->write_state, c->write_latch,
		    c->rw_mode, c->mode, c->bcd, c->gate);
	}
	see("flags=0x%x", p.flags);
}

/* The first forms, without flags. */
static void old_forms(void)
{
	struct kvm_pit_state p = { 0 };
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_PIT);
	see_result("KVM_CREATE_PIT without irqchip", ioctl(vm.fd, KVM_CREATE_PIT, 0));
	see_result("KVM_GET_PIT without PIT", ioctl(vm.fd, KVM_GET_PIT, &p));
	see_result("KVM_SET_PIT without PIT", ioctl(vm.fd, KVM_SET_PIT, &p));
	vm_irqchip(&vm);
	see_ioctl(vm.fd, KVM_CREATE_PIT, 0);
	see_result("KVM_CREATE_PIT again", ioctl(vm.fd, KVM_CREATE_PIT, 0));
	must_ioctl(vm.fd, KVM_GET_PIT, &p);
	p.channels[2].count = 0x1234;
	p.channels[2].mode = 2;
	see_ioctl(vm.fd, KVM_SET_PIT, &p);
	see_ioctl(vm.fd, KVM_GET_PIT, &p);
	see("channel 2: count=0x%x mode=%d", p.channels[2].count, p.channels[2].mode);
	see_pit(&vm);
	see_result("KVM_GET_PIT, bad address", ioctl(vm.fd, KVM_GET_PIT, 8));
	see_result("KVM_SET_PIT, bad address", ioctl(vm.fd, KVM_SET_PIT, 8));
	vm_destroy(&vm);
}

void test(void)
{
	struct kvm_pit_config config = { 0 };
	struct kvm_reinject_control reinject = { .pit_reinject = 0 };
	struct kvm_pit_state2 p = { 0 };
	struct vm vm;

	vm_create(&vm);
	need_cap(&vm, KVM_CAP_PIT2);
	need_cap(&vm, KVM_CAP_PIT_STATE2);
	need_cap(&vm, KVM_CAP_REINJECT_CONTROL);
	see_result("KVM_CREATE_PIT2 without irqchip", ioctl(vm.fd, KVM_CREATE_PIT2, &config));
	see_result("KVM_GET_PIT2 without PIT", ioctl(vm.fd, KVM_GET_PIT2, &p));
	see_result("KVM_SET_PIT2 without PIT", ioctl(vm.fd, KVM_SET_PIT2, &p));
	see_result("KVM_REINJECT_CONTROL without PIT", ioctl(vm.fd, KVM_REINJECT_CONTROL, &reinject));
	vm_irqchip(&vm);
	see_result("KVM_GET_PIT2 without PIT", ioctl(vm.fd, KVM_GET_PIT2, &p));
	config.flags = 0x80;
	see_result("KVM_CREATE_PIT2 with an unknown flag", ioctl(vm.fd, KVM_CREATE_PIT2, &config));
	vm_destroy(&vm);

	vm_create(&vm);
	vm_irqchip(&vm);
	config.flags = 0;
	see_ioctl(vm.fd, KVM_CREATE_PIT2, &config);
	see_result("KVM_CREATE_PIT2 again", ioctl(vm.fd, KVM_CREATE_PIT2, &config));
	see_pit(&vm);
	must_ioctl(vm.fd, KVM_GET_PIT2, &p);
	p.channels[1].count = 0x1234;
	p.channels[1].mode = 3;
	p.channels[1].rw_mode = 3;
	p.channels[1].gate = 1;
	p.channels[2].count = 0x8000;
	p.channels[2].latched_count = 0x4321;
	p.channels[2].count_latched = 3;
	p.channels[2].read_state = 4;
	p.channels[2].bcd = 1;
	see_ioctl(vm.fd, KVM_SET_PIT2, &p);
	see_pit(&vm);
	p.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	see_ioctl(vm.fd, KVM_SET_PIT2, &p);
	see_pit(&vm);
	see_ioctl(vm.fd, KVM_REINJECT_CONTROL, &reinject);
	reinject.pit_reinject = 1;
	see_ioctl(vm.fd, KVM_REINJECT_CONTROL, &reinject);
	see_result("KVM_GET_PIT2, bad address", ioctl(vm.fd, KVM_GET_PIT2, 8));
	see_result("KVM_SET_PIT2, bad address", ioctl(vm.fd, KVM_SET_PIT2, 8));
	see_result("KVM_REINJECT_CONTROL, bad address", ioctl(vm.fd, KVM_REINJECT_CONTROL, 8));
	vm_destroy(&vm);
	old_forms();
}
