// SPDX-License-Identifier: GPL-2.0-only
/* Registers in struct kvm_run: kvm_valid_regs, kvm_dirty_regs, refused bits. */
#include "lib/api.h"

GUEST64(guest, add $1, %rbx; out %al, $0x80; add $1, %rbx; out %al, $0x81; hlt);

void test(void)
{
	struct vm vm;
	struct vcpu *v;
	int cap;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SYNC_REGS);
	cap = vm_cap(&vm, KVM_CAP_SYNC_REGS);
	see("KVM_CAP_SYNC_REGS 0x%x", cap);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	v->run->kvm_valid_regs = cap;
	must(vcpu_run(v) == 0);
	see("rbx=0x%llx cr3=0x%llx efer=0x%llx", v->run->s.regs.regs.rbx, v->run->s.regs.sregs.cr3,
	    v->run->s.regs.sregs.efer);
	v->run->s.regs.regs.rbx = 0x1000;
	v->run->s.regs.sregs.cr8 = 7;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	must(vcpu_run(v) == 0);
	see("REGS dirty: rbx=0x%llx cr8=0x%llx dirty=0x%llx", v->run->s.regs.regs.rbx, v->run->s.regs.sregs.cr8,
	    v->run->kvm_dirty_regs);
	v->run->s.regs.sregs.cr2 = 0x777;
	v->run->s.regs.regs.rbx = 0x2000;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	must(vcpu_run(v) == 0);
	see_exit(v);
	see("SREGS dirty: rbx=0x%llx", v->run->s.regs.regs.rbx);
	see_regs(v, "rbx");
	v->run->kvm_valid_regs = 1 << 20;
	see_result("unknown valid bit", vcpu_run(v) ? -1 : 0);
	v->run->kvm_valid_regs = 0;
	v->run->kvm_dirty_regs = 1 << 20;
	see_result("unknown dirty bit", vcpu_run(v) ? -1 : 0);
	v->run->kvm_dirty_regs = 0;
	v->run->s.regs.sregs.cr4 = ~0ull;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	see_result("bad SREGS", vcpu_run(v) ? -1 : 0);
}
