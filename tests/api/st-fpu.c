// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_FPU and KVM_SET_FPU: reset state, round trip, and the guest's view in both directions. */
#include "lib/api.h"

#define DATA	0x50000

GUEST64(warm_up,
	fld1; mov $1, %eax; movd %eax, %xmm7; hlt);
GUEST64(guest,
	fnstcw DATA; stmxcsr DATA + 4; movups %xmm0, DATA + 16; movups %xmm15, DATA + 32;
	fstpt DATA + 48; fstpt DATA + 64;
	hlt;
	fninit; fldpi; movl $0x1fa0, DATA; ldmxcsr DATA;
	mov $0x1122334455667788, %rax; movq %rax, %xmm3;
	hlt);

static void see_fpu(struct kvm_fpu *f)
{
	char name[8];

	see("fcw=0x%x fsw=0x%x ftwx=0x%x last_opcode=0x%x last_ip=0x%llx last_dp=0x%llx", f->fcw, f->fsw, f->ftwx,
	    f->last_opcode, f->last_ip, f->last_dp);
	see("mxcsr=0x%x", f->mxcsr);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "st%d", i);
		see_bytes(name, f->fpr[i], 10);
	}
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "xmm%d", i);
		see_bytes(name, f->xmm[i], 16);
	}
}

static void set_fpu(struct vcpu *v)
{
	struct kvm_fpu f = { .fcw = 0x27f, .mxcsr = 0x3f80 };

	f.fsw = 0x3000;				/* TOP = 6: two values on the stack */
	f.ftwx = 0xc0;
	for (int i = 0; i < 2; i++) {
		memset(f.fpr[i], 0x40 + i, 8);
		memcpy(f.fpr[i] + 8, "\x02\x40", 2);
	}
	for (int i = 0; i < 16; i++)
		memset(f.xmm[i], 0x90 + i, 16);
	see_ioctl(v->fd, KVM_SET_FPU, &f);
}

/* On a vCPU that has never run. */
static void fresh(void)
{
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	set_fpu(v);
	see_guest(v);
	see_bytes("a fresh vCPU stored", gpa_ptr(&vm, DATA), 4);
	vm_destroy(&vm);
}

void test(void)
{
	struct kvm_fpu f, back;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	memset(&f, 0, sizeof(f));
	must_ioctl(v->fd, KVM_GET_FPU, &f);
	see("reset:");
	see_fpu(&f);
	vcpu_long(v, warm_up);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	set_fpu(v);
	memset(&back, 0, sizeof(back));
	see_ioctl(v->fd, KVM_GET_FPU, &back);
	see_fpu(&back);
	vcpu_long(v, guest);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	see_bytes("the guest's control word", gpa_ptr(&vm, DATA), 2);
	see_bytes("the guest's MXCSR", gpa_ptr(&vm, DATA + 4), 4);
	see_bytes("the guest's registers", gpa_ptr(&vm, DATA + 16), 64);
	check_eq(*(u16 *)gpa_ptr(&vm, DATA), 0x27f);
	check_eq(*(u64 *)gpa_ptr(&vm, DATA + 32), 0x9f9f9f9f9f9f9f9f);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	must_ioctl(v->fd, KVM_GET_FPU, &f);
	f.last_ip = f.last_dp = f.last_opcode = 0;	/* processors differ in when they keep these */
	see("from the guest:");
	see_fpu(&f);
	fresh();
	see_result("KVM_GET_FPU, bad address", ioctl(v->fd, KVM_GET_FPU, 8));
	f.mxcsr = 0xffffffff;
	see_result("reserved bits of MXCSR", ioctl(v->fd, KVM_SET_FPU, &f));
	must_ioctl(v->fd, KVM_GET_FPU, &back);
	see("MXCSR is 0x%x", back.mxcsr);
}
