// SPDX-License-Identifier: GPL-2.0-only
/* A triple fault is KVM_EXIT_SHUTDOWN, in each mode; the vCPU can be set up anew and run again. */
#include "lib/api.h"

GUEST64(long_mode, lidt none; int3; none: .word 0; .quad 0);
GUEST32(prot_mode, lidt none32; ud2; none32: .word 0; .long 0);
GUEST16(real_mode, lidt %cs:none16 - 0x10000; int3; none16: .word 0; .long 0);
GUEST64(ud, lidt 1f; ud2; 1: .word 0; .quad 0);
GUEST64(fine, mov $0x600d, %eax; REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;

static void run(const char *name, void (*mode)(struct vcpu *, const char *), const char *entry)
{
	struct vm m;
	struct vcpu *c;

	vm_init(&m);
	c = vcpu_create(&m, 0);
	mode(c, entry);
	see("-- %s", name);
	check_eq(see_guest(c), KVM_EXIT_SHUTDOWN);
	vm_destroy(&m);
}

void test(void)
{
	run("long mode", vcpu_long, long_mode);
	run("long mode, #UD", vcpu_long, ud);
	run("protected mode", vcpu_prot, prot_mode);
	run("real mode", vcpu_real, real_mode);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, ud);
	check_eq(see_guest(v), KVM_EXIT_SHUTDOWN);
	vcpu_long(v, fine);
	see("-- after a new start");
	check_eq(see_guest(v), GO_DONE);
}
