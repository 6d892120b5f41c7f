// SPDX-License-Identifier: GPL-2.0-only
/* State of a vCPU out and in again: what was read goes back unchanged, what is refused changes nothing. */
#include "vcpu_world.h"

TEST(registers)
{
	struct kvm_regs regs, back;

	world_make(IRQCHIP_NONE);
	memset(&regs, 0x5a, sizeof(regs));
	regs.rflags = 0x246;
	vcpu_set_regs(V, &regs);
	vcpu_get_regs(V, &back);
	CHECK_MEM(&back, &regs, sizeof(regs));
	world_end();
}

TEST(special_registers)
{
	struct kvm_sregs s, back, bad;

	world_make(IRQCHIP_NONE);
	world_long_mode();
	V->cr4_reserved = ~0x7ffull;
	V->efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
	vcpu_get_sregs(V, &s);
	CHECK_EQ(s.cr0, 0x80050033);
	CHECK_EQ(s.efer, 0xd00);
	CHECK_EQ(vcpu_set_sregs(V, &s), 0);
	vcpu_get_sregs(V, &back);
	CHECK_MEM(&back, &s, sizeof(s));
	/* Each is refused as a whole. */
	bad = s;
	bad.cr4 |= BIT(20);
	CHECK_EQ(vcpu_set_sregs(V, &bad), -EINVAL);
	bad = s;
	bad.cr0 &= ~1ull;
	CHECK_EQ(vcpu_set_sregs(V, &bad), -EINVAL);
	bad = s;
	bad.cr4 &= ~(u64)X86_CR4_PAE;
	CHECK_EQ(vcpu_set_sregs(V, &bad), -EINVAL);
	bad = s;
	bad.cr3 = BIT_ULL(50);
	CHECK_EQ(vcpu_set_sregs(V, &bad), -EINVAL);
	vcpu_get_sregs(V, &back);
	CHECK_MEM(&back, &s, sizeof(s));
	world_end();
}

TEST(events)
{
	struct kvm_vcpu_events ev, back;

	world_make(IRQCHIP_NONE);
	V->hw.cr0 |= 1;
	vcpu_get_events(V, &ev);
	CHECK_EQ(ev.exception.injected, 0);
	ev.exception.injected = 1;
	ev.exception.nr = 13;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = 0x40;
	ev.nmi.masked = 1;
	ev.flags = 0;
	CHECK_EQ(vcpu_set_events(V, &ev), 0);
	vcpu_get_events(V, &back);
	CHECK_EQ(back.exception.injected, 1);
	CHECK_EQ(back.exception.nr, 13);
	CHECK_EQ(back.nmi.masked, 1);
	CHECK_RAN(0);
	CHECK_EQ(world_delivered[0].vector, 13);
	CHECK_EQ(world_delivered[0].error, 0x40);
	ev.exception.nr = 2;			/* NMI is no exception */
	CHECK_EQ(vcpu_set_events(V, &ev), -EINVAL);
	ev.exception.nr = 32;
	CHECK_EQ(vcpu_set_events(V, &ev), -EINVAL);
	ev.exception.nr = 13;
	ev.flags = ~0u;
	CHECK_EQ(vcpu_set_events(V, &ev), -EINVAL);
	world_end();
}

TEST(debug_registers)
{
	struct kvm_debugregs d, back;

	world_make(IRQCHIP_NONE);
	memset(&d, 0, sizeof(d));
	d.db[0] = 0x1000;
	d.db[3] = 0x3000;
	d.dr6 = 0xffff0ff0;
	d.dr7 = 0x401;
	CHECK_EQ(vcpu_set_debugregs(V, &d), 0);
	vcpu_get_debugregs(V, &back);
	CHECK_MEM(&back, &d, sizeof(d));
	CHECK(V->breakpoints_on);
	CHECK_EQ(V->eff_db[3], 0x3000);
	d.dr7 = 1ull << 40;
	CHECK_EQ(vcpu_set_debugregs(V, &d), -EINVAL);
	d.dr7 = 0x400;
	d.flags = 1;
	CHECK_EQ(vcpu_set_debugregs(V, &d), -EINVAL);
	world_end();
}

TEST(triple_fault_goes_out_and_in)
{
	struct kvm_vcpu_events ev;

	world_make(IRQCHIP_NONE);
	v_vm(V)->triple_fault_event = true;
	vcpu_request(&V->vcpu, REQ_TRIPLE_FAULT);
	vcpu_get_events(V, &ev);
	CHECK_EQ(ev.triple_fault.pending, 1);
	ev.triple_fault.pending = 0;
	CHECK_EQ(vcpu_set_events(V, &ev), 0);
	CHECK_RAN(0);
	ev.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev.triple_fault.pending = 1;
	CHECK_EQ(vcpu_set_events(V, &ev), 0);
	CHECK_EQ(run(), 0);
	CHECK_EQ(R->exit_reason, KVM_EXIT_SHUTDOWN);
	world_end();
}

/* The order in which a VMM restores is its own affair: XCR0 first, CR4 with the other special registers after it. */
TEST(xcr0_follows_cr4)
{
	struct kvm_sregs s;

	world_make(IRQCHIP_NONE);
	fpu_host_xcr0 = 7;
	V->xcr0 = 1;
	V->cr4_reserved = 0;
	vcpu_get_sregs(V, &s);
	s.cr4 |= X86_CR4_OSXSAVE;
	CHECK_EQ(vcpu_set_sregs(V, &s), 0);
	CHECK(V->xcr0_switch);
	s.cr4 &= ~X86_CR4_OSXSAVE;
	CHECK_EQ(vcpu_set_sregs(V, &s), 0);
	CHECK(!V->xcr0_switch);
	world_end();
}

TEST(fpu)
{
	struct kvm_fpu fpu, back;

	world_make(IRQCHIP_NONE);
	CHECK_EQ(vcpu_get_fpu(V, &fpu), 0);
	fpu.fcw = 0x37f;
	fpu.xmm[3][5] = 0x99;
	fpu.mxcsr = 0x1f80;
	CHECK_EQ(vcpu_set_fpu(V, &fpu), 0);
	CHECK_EQ(vcpu_get_fpu(V, &back), 0);
	CHECK_EQ(back.fcw, 0x37f);
	CHECK_EQ(back.xmm[3][5], 0x99);
	CHECK_EQ(back.mxcsr, 0x1f80);
	shim_fail_alloc = 1;
	CHECK_EQ(vcpu_get_fpu(V, &back), -ENOMEM);
	shim_fail_alloc = 1;
	CHECK_EQ(vcpu_set_fpu(V, &back), -ENOMEM);
	world_end();
}

TEST(mp_state_and_interrupts)
{
	struct kvm_mp_state mp;

	world_make(IRQCHIP_KERNEL);
	CHECK_EQ(vcpu_get_mp_state(V, &mp), 0);
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	mp.mp_state = KVM_MP_STATE_HALTED;
	CHECK_EQ(vcpu_set_mp_state(V, &mp), 0);
	mp.mp_state = 77;
	CHECK_EQ(vcpu_set_mp_state(V, &mp), -EINVAL);
	CHECK_EQ(V->mp_state, KVM_MP_STATE_HALTED);
	CHECK_EQ(vcpu_user_interrupt(V, 5), -ENXIO);	/* the PIC is in the kernel */
	world_end();
	world_make(IRQCHIP_SPLIT);
	CHECK_EQ(vcpu_user_interrupt(V, 256), -EINVAL);
	CHECK_EQ(vcpu_user_interrupt(V, 5), 0);
	CHECK_EQ(vcpu_user_interrupt(V, 6), -EEXIST);
	world_end();
}

TEST(translate)
{
	struct kvm_translation tr = { .linear_address = 0x5123 };

	world_make(IRQCHIP_NONE);
	world_long_mode();
	CHECK_EQ(vcpu_translate(V, &tr), 0);
	CHECK_EQ(tr.valid, 1);
	CHECK_EQ(tr.physical_address, 0x5123);
	tr.linear_address = 0x80000000;
	CHECK_EQ(vcpu_translate(V, &tr), 0);
	CHECK_EQ(tr.valid, 0);
	world_end();
}
