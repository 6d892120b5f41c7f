// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_SREGS2 and KVM_SET_SREGS2: the PDPTRs of PAE paging travel with the state. */
#include "lib/api.h"

#define PDPT	0x50000
#define PD	0x51000

GUEST32(guest,
	mov 0x140000, %eax; REPORT_EAX; DONE; hlt);

static void see_pdptrs(const struct kvm_sregs2 *s)
{
	see("flags=0x%llx pdptrs: %llx %llx %llx %llx", s->flags, s->pdptrs[0], s->pdptrs[1], s->pdptrs[2],
	    s->pdptrs[3]);
}

void test(void)
{
	struct kvm_sregs2 s, back;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_SREGS2);
	v = vcpu_create(&vm, 0);
	see_ioctl(v->fd, KVM_GET_SREGS2, &s);
	see_pdptrs(&s);
	vcpu_prot(v, guest);
	*(u64 *)gpa_ptr(&vm, PDPT) = PD | 1;
	*(u64 *)gpa_ptr(&vm, PD) = 0x83;
	*(u32 *)gpa_ptr(&vm, 0x140000) = 0x600d;
	must_ioctl(v->fd, KVM_GET_SREGS2, &s);
	s.cr3 = PDPT;
	s.cr4 = 0x20;
	s.cr0 |= 0x80000000;
	see_ioctl(v->fd, KVM_SET_SREGS2, &s);
	must_ioctl(v->fd, KVM_GET_SREGS2, &back);
	see_pdptrs(&back);
	check_eq(see_guest(v), GO_DONE);
	check_eq(v->reports[0], 0x600d);
	must_ioctl(v->fd, KVM_GET_SREGS2, &back);
	see_pdptrs(&back);
	/* With PDPTRs given, memory is not looked at. */
	vcpu_prot(v, guest);
	must_ioctl(v->fd, KVM_GET_SREGS2, &s);
	s.cr3 = PDPT;
	s.cr4 = 0x20;
	s.cr0 |= 0x80000000;
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.pdptrs[0] = PD | 1;
	s.pdptrs[1] = s.pdptrs[2] = s.pdptrs[3] = 0;
	see_ioctl(v->fd, KVM_SET_SREGS2, &s);
	must_ioctl(v->fd, KVM_GET_SREGS2, &back);
	see_pdptrs(&back);
	s.flags = 2;
	see_result("unknown flag", ioctl(v->fd, KVM_SET_SREGS2, &s));
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.cr0 &= ~0x80000000ull;
	see_result("PDPTRs without paging", ioctl(v->fd, KVM_SET_SREGS2, &s));
}
